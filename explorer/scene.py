"""Makes the picture that an address asks for: read, fold, filter, page."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import networkx as nx

from explorer.address import ALL, BOTH, DOWN, UP, Address
from explorer.node import Node, node_of, with_nodes
from explorer.reading import Reading
from explorer.reduction import PAGE, GraphPage, fold, leave_out, list_pipelines, page_behind, turn_to
from shared.catalog.kinds import METRICS
from shared.purview.reader import INPUT, OUTPUT, Asset

READ = 1_000
"""Entities that are read of a lineage before a later page is asked for; so many are read whole, too."""
_DIRECTIONS = {"up": INPUT, "down": OUTPUT}


@dataclass(frozen=True, slots=True)
class Between:
    """The nodes and edges of all paths from one node to another."""

    nodes: frozenset[str] = frozenset()
    edges: frozenset[tuple[str, str]] = frozenset()


@dataclass(frozen=True, slots=True)
class Scene:
    """
    What is drawn, and what there would be.

    Attributes:
        total: nodes before anything was folded, left out or paged.
        partial: the catalog has more than was read.
        kinds, statuses: how many of each there are among them.
        pipelines: pipelines that could be, or are, one node.
    """

    centre: Asset
    page: GraphPage
    total: int
    partial: bool
    kinds: Mapping[str, int]
    statuses: Mapping[str, int]
    pipelines: tuple[str, ...]
    between: Between

    @property
    def graph(self) -> "nx.DiGraph[str]":
        return self.page.graph


def make_scene(reading: Reading, address: Address) -> Scene:
    """Read what an address asks for; what is drawn is read whole, the rest as far as it is needed."""
    centre = reading.find(address.asset)
    limit = max(READ, (address.page + 2) * PAGE)
    graph = _walk(reading, centre.guid, address, limit)
    total = len(graph)
    whole = bool(address.fold) or address.filter.needs_whole or total <= READ
    nodes = _nodes(reading, graph, whole=whole)
    if total <= PAGE:
        nodes |= _add_metrics(reading, graph)
    drawn = with_nodes(graph, nodes)
    kinds = Counter(node.kind.word for node in nodes.values())
    statuses = Counter(node.status for node in nodes.values() if node.status)
    pipelines = tuple(sorted({*list_pipelines(drawn), *address.fold}))
    keep = {centre.guid, address.start, address.end}
    if address.fold:
        drawn = fold(drawn, address.fold, keep={centre.guid})
    drawn = leave_out(drawn, address.filter.hides, keep=keep)
    between = find_between(drawn, address.start, address.end)
    page = turn_to(drawn, centre.guid, address.page, first=between.nodes, more_unread=total >= limit)
    _read_what_is_drawn(reading, page.graph)
    return Scene(centre, page, len(nodes), total >= limit, kinds, statuses, pipelines, between)


def _walk(reading: Reading, centre: str, address: Address, limit: int) -> "nx.DiGraph[str]":
    if address.mode == ALL:
        graph = reading.walk_all(centre, limit=limit)
    else:
        graph = nx.DiGraph()
        graph.add_node(centre)
        for direction in (UP, DOWN) if address.mode == BOTH else (address.mode,):
            graph = nx.compose(graph, reading.walk([centre], _DIRECTIONS[direction], limit=limit))
    for guid, direction in _sides(address.open):
        if guid in graph:
            graph = nx.compose(graph, reading.walk([guid], direction, limit=limit))
    if address.shut:
        graph = graph.subgraph(_reached(graph, centre, set(_sides(address.shut)))).copy()
    return graph


def _sides(texts: Iterable[str]) -> list[tuple[str, str]]:
    sides = [text.rpartition(".") for text in texts]
    return [(guid, _DIRECTIONS[side]) for guid, _, side in sides if side in _DIRECTIONS]


def _reached(graph: "nx.DiGraph[str]", centre: str, shut: set[tuple[str, str]]) -> set[str]:
    """Return what can be reached from the centre without going through a side that is shut."""
    reached, waiting = {centre}, [centre]
    while waiting:
        guid = waiting.pop()
        after = [] if (guid, OUTPUT) in shut else list(graph.successors(guid))
        before = [] if (guid, INPUT) in shut else list(graph.predecessors(guid))
        for each in (*after, *before):
            if each not in reached:
                reached.add(each)
                waiting.append(each)
    return reached


def _nodes(reading: Reading, graph: "nx.DiGraph[str]", *, whole: bool) -> dict[str, Node]:
    if whole:
        reading.read(graph)
    return {guid: Node.of(asset) for guid, asset in reading.met(graph).items()}


def _add_metrics(reading: Reading, graph: "nx.DiGraph[str]") -> dict[str, Node]:
    """Add what the runs of a graph logged: it leads nowhere, so that no walk from a model meets it."""
    added: dict[str, Node] = {}
    for guid, asset in reading.met(graph).items():
        for other in asset.next(OUTPUT):
            if other.type_name == METRICS and other.guid not in graph:
                added[other.guid] = Node.of(reading.met([other.guid])[other.guid])
                graph.add_edge(guid, other.guid)
    return added


def _read_what_is_drawn(reading: Reading, graph: "nx.DiGraph[str]") -> None:
    """Replace nodes of which only a header is known, so that failures and placeholders show."""
    members = [key for key in graph if page_behind(key) is None and not node_of(graph, key).members]
    for guid, asset in reading.read(members).items():
        graph.nodes[guid]["node"] = Node.of(asset)


def find_between(graph: "nx.DiGraph[str]", first: str, second: str) -> Between:
    """
    Return what is on any path from one node to another, whichever of them comes first.

    >>> chain = nx.DiGraph([("a", "b"), ("b", "c"), ("a", "c"), ("c", "d")])
    >>> sorted(find_between(chain, "c", "a").edges)
    [('a', 'b'), ('a', 'c'), ('b', 'c')]
    """
    if first not in graph or second not in graph or first == second:
        return Between()
    for source, target in ((first, second), (second, first)):
        after = nx.descendants(graph, source) | {source}
        if target in after:
            nodes = frozenset(after & (nx.ancestors(graph, target) | {target}))
            return Between(nodes, frozenset(_edges_between(graph, nodes, source, target)))
    return Between()


def _edges_between(
    graph: "nx.DiGraph[str]", nodes: frozenset[str], source: str, target: str
) -> Iterator[tuple[str, str]]:
    for one, other in graph.subgraph(nodes).edges:
        if one != target and other != source:
            yield one, other
