"""Makes a graph small enough to look at: folds pipelines into one node, leaves nodes out, and divides into pages."""

from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import networkx as nx

from explorer.looks import MORE, PIPELINE
from explorer.node import Node, node_of, order_of

PAGE = 120
"""Nodes on a page, the one in the middle aside."""
EDGES = 400
"""Edges on a page; where there are more, pages are shorter."""
_PIPELINE_KEY, _PAGE_KEY = "pipeline:", "more:"


def _key_of(pipeline: str) -> str:
    return f"{_PIPELINE_KEY}{pipeline}"


def pipeline_of(key: str) -> str:
    """
    Return the id of the pipeline that a node stands for; "" if it stands for itself.

    >>> pipeline_of(_key_of("nightly")), pipeline_of("7f3a")
    ('nightly', '')
    """
    return key.removeprefix(_PIPELINE_KEY) if key.startswith(_PIPELINE_KEY) else ""


def list_pipelines(graph: "nx.DiGraph[str]") -> tuple[str, ...]:
    """Return the ids of pipelines of which several steps are in a graph."""
    steps = [node_of(graph, key).pipeline for key in graph]
    return tuple(sorted({each for each in steps if each and steps.count(each) > 1}))


def fold(graph: "nx.DiGraph[str]", pipelines: Collection[str], *, keep: Collection[str]) -> "nx.DiGraph[str]":
    """
    Return the graph with each pipeline as one node; data that only its own steps wrote and read goes into it.

    Args:
        keep: keys that stay beside the pipeline, such as the asset in the middle.
    """
    into: dict[str, str] = {}
    for key in graph:
        node = node_of(graph, key)
        if node.pipeline in pipelines and key not in keep:
            into[key] = _key_of(node.pipeline)
    for key in graph:
        before = {into.get(each, "") for each in graph.predecessors(key)}
        after = {into.get(each, "") for each in graph.successors(key)}
        if key not in into and key not in keep and len(before) == 1 and before == after and before != {""}:
            into[key] = next(iter(before))
    folded: nx.DiGraph[str] = nx.DiGraph()
    for key in graph:
        if key not in into:
            folded.add_node(key, node=node_of(graph, key))
    for pipeline in sorted(set(into.values())):
        members = tuple(key for key in graph if into.get(key) == pipeline)
        folded.add_node(pipeline, node=_pipeline_node(graph, pipeline, members))
    for one, other, data in graph.edges(data=True):
        ends = into.get(one, one), into.get(other, other)
        if ends[0] != ends[1]:
            folded.add_edge(*ends, **data)
    return folded


def _pipeline_node(graph: "nx.DiGraph[str]", key: str, members: tuple[str, ...]) -> Node:
    nodes = [node_of(graph, member) for member in members]
    statuses = [node.status for node in nodes if node.status]
    status = next((node.status for node in nodes if node.failed), statuses[0] if len(set(statuses)) == 1 else "")
    times = sorted(node.time for node in nodes if node.time)
    return Node(
        key,
        pipeline_of(key),
        PIPELINE,
        status=status,
        time=times[0] if times else "",
        pipeline=pipeline_of(key),
        members=members,
    )


@dataclass(frozen=True, slots=True)
class Filter:
    """
    What is left out.

    Attributes:
        kinds: words of kinds.
        statuses: as Azure ML calls them.
        since, until: days, `2026-07-01`; a node without a time is never left out by them.
    """

    kinds: frozenset[str] = frozenset()
    statuses: frozenset[str] = frozenset()
    since: str = ""
    until: str = ""

    @property
    def needs_whole(self) -> bool:
        """Whether names and types of nodes are not enough to know."""
        return bool(self.statuses or self.since or self.until)

    def hides(self, node: Node) -> bool:
        """
        >>> march = Node("k", "train", "custom_ml_experiment_step", time="2026-03-31T23:00:00Z")
        >>> Filter(until="2026-03-31").hides(march), Filter(since="2026-04-01").hides(march)
        (False, True)
        """
        if node.kind.word in self.kinds or (node.status and node.status in self.statuses):
            return True
        day = node.time[:10]
        return bool(day) and ((bool(self.since) and day < self.since) or (bool(self.until) and day > self.until))


def leave_out(graph: "nx.DiGraph[str]", hides: Callable[[Node], bool], *, keep: Collection[str]) -> "nx.DiGraph[str]":
    """
    Return the graph without some of its nodes; an edge `indirect` stands where data flowed through them.

    Args:
        keep: keys that stay in any case.
    """
    hidden = {key for key in graph if key not in keep and hides(node_of(graph, key))}
    rest: nx.DiGraph[str] = nx.DiGraph()
    rest.add_nodes_from((key, graph.nodes[key]) for key in graph if key not in hidden)
    rest.add_edges_from((one, other) for one, other in graph.edges if one in rest and other in rest)
    for key in list(rest):
        for other in _beyond(graph, key, hidden):
            if other != key and not rest.has_edge(key, other):
                rest.add_edge(key, other, indirect=True)
    return rest


def _beyond(graph: "nx.DiGraph[str]", key: str, hidden: Collection[str]) -> list[str]:
    """Return what comes next after hidden nodes."""
    waiting = [each for each in graph.successors(key) if each in hidden]
    seen, found = set(waiting), dict[str, None]()
    while waiting:
        for each in graph.successors(waiting.pop()):
            if each not in hidden:
                found[each] = None
            elif each not in seen:
                seen.add(each)
                waiting.append(each)
    return list(found)


@dataclass(frozen=True, slots=True)
class GraphPage:
    """One page of a graph: `number` counts from 0, `hidden` is what is on the others."""

    graph: "nx.DiGraph[str]"
    number: int
    count: int
    hidden: int


def page_behind(key: str) -> int | None:
    """Return the page that a node stands for, or None if it stands for itself."""
    return int(key.split(":")[1]) if key.startswith(_PAGE_KEY) else None


def turn_to(
    graph: "nx.DiGraph[str]", centre: str, number: int, *, first: Collection[str] = (), more_unread: bool = False
) -> GraphPage:
    """
    Return a page of a graph: what is nearest to the centre is on the first, and the centre is on all.

    Args:
        number: one that is too high is the last.
        first: keys that come before all others.
        more_unread: there is more in the catalog than in the graph.
    """
    order = _nearest_first(graph, centre, first)
    size = _fitting(graph, order)
    count = max(1, -(-len(order) // size))
    number = min(max(number, 0), count - 1)
    place = {key: position // size for position, key in enumerate(order)}
    place[centre] = number
    upstream = nx.ancestors(graph, centre)
    stands_for: dict[str, str] = {}
    for key, page in place.items():
        if page != number:
            turned = number - 1 if page < number else number + 1
            stands_for[key] = f"{_PAGE_KEY}{turned}:{'up' if key in upstream else 'down'}"
    drawn: nx.DiGraph[str] = nx.DiGraph()
    drawn.add_nodes_from((key, graph.nodes[key]) for key in graph if key not in stands_for)
    members = Counter(stands_for.values())
    for cluster in sorted(members):
        later = (page_behind(cluster) or 0) > number
        drawn.add_node(
            cluster, node=Node(cluster, _page_words(members[cluster], later=later, unread=more_unread), MORE)
        )
    for one, other, data in graph.edges(data=True):
        ends = stands_for.get(one, one), stands_for.get(other, other)
        if ends[0] != ends[1]:
            drawn.add_edge(*ends, **data)
    return GraphPage(drawn, number, count, len(stands_for))


def _page_words(count: int, *, later: bool, unread: bool) -> str:
    if not later:
        return f"{count:,} before"
    return f"and {'at least ' if unread else ''}{count:,} more"


def _nearest_first(graph: "nx.DiGraph[str]", centre: str, first: Collection[str]) -> list[str]:
    """Return all keys but the centre: by hops in either direction, and by name."""
    around = graph.to_undirected(as_view=True)
    hops: dict[str, int] = nx.single_source_shortest_path_length(around, centre)
    return sorted(
        (key for key in graph if key != centre),
        key=lambda key: (key not in first, hops.get(key, len(graph)), order_of(node_of(graph, key))),
    )


def _fitting(graph: "nx.DiGraph[str]", order: Sequence[str]) -> int:
    """Return how many nodes a page may have so that none has too many edges."""
    size = PAGE
    while size > 1:
        place = {key: position // size for position, key in enumerate(order)}
        inside = Counter(place[one] for one, other in graph.edges if one in place and place[one] == place.get(other))
        if max(inside.values(), default=0) <= EDGES:
            break
        size //= 2
    return size
