"""Reads a connected lineage graph out of the catalog and draws it: text, Mermaid, JSON."""

from collections.abc import Callable, Collection, Iterable, Iterator
from typing import TYPE_CHECKING

import networkx as nx
from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from shared.catalog.kinds import kind_of
from shared.ports import LineageNode

if TYPE_CHECKING:
    from shared.purview.catalog import PurviewCatalog

_WIDTH = 100_000
"""Nothing is ever wrapped or cut: a terminal does that better, and a chain of runs is deep."""


def read_graph(catalog: "PurviewCatalog", guid: str, *, limit: int) -> "nx.DiGraph[str]":
    """
    Read everything connected to an entity.

    The catalog answers what lies up- and downstream of one entity; another input of the same run is neither. So the
    ends of what is known are asked in turn, until nothing new turns up or `limit` entities are reached.
    """
    graph: nx.DiGraph[str] = nx.DiGraph()
    waiting, asked = [guid], set[str]()
    while waiting and len(graph) < limit:
        current = waiting.pop(0)
        asked.add(current)
        view = catalog.get_lineage(current)
        for node in view.nodes:
            graph.add_node(node.guid, node=node)
        graph.add_edges_from((edge.source, edge.target) for edge in view.edges)
        waiting = [item for item in _ends(graph) if item not in asked]
    return graph


def _ends(graph: "nx.DiGraph[str]") -> list[str]:
    """Return one entity of each group (a cycle, or one alone) from which no data flows on, or into which none does."""
    groups = nx.condensation(graph)
    return sorted(
        min(groups.nodes[group]["members"])
        for group in groups
        if groups.in_degree(group) == 0 or groups.out_degree(group) == 0
    )


def to_json(graph: "nx.DiGraph[str]") -> dict[str, list[dict[str, str]]]:
    """Return nodes and edges by qualifiedName, in order, so that two catalogs with the same lineage print the same."""
    names = {guid: node_of(graph, guid).qualified_name for guid in graph}
    nodes = sorted((node_of(graph, guid) for guid in graph), key=lambda node: node.qualified_name)
    edges = sorted((names[source], names[target]) for source, target in graph.edges)
    return {
        "nodes": [
            {"qualifiedName": node.qualified_name, "typeName": node.type_name, "name": node.name} for node in nodes
        ],
        "edges": [{"from": source, "to": target} for source, target in edges],
    }


def to_mermaid(graph: "nx.DiGraph[str]") -> str:
    """Draw a flowchart: rectangles for data, rounded boxes for processes."""
    order = sorted(graph, key=lambda guid: node_of(graph, guid).qualified_name)
    number = {guid: f"n{position}" for position, guid in enumerate(order)}
    lines = ["flowchart LR"]
    for guid in order:
        opening, closing = ('(["', '"])') if kind_of(node_of(graph, guid).type_name).is_process else ('["', '"]')
        label = label_of(graph, guid).plain.replace('"', "#quot;")
        lines.append(f"    {number[guid]}{opening}{label}{closing}")
    edges = sorted((number[source], number[target]) for source, target in graph.edges)
    return "\n".join([*lines, *(f"    {source} --> {target}" for source, target in edges)])


def to_text(graph: "nx.DiGraph[str]", guid: str) -> str:
    """Draw trees: what an asset comes from, what it goes to, and whatever else is connected."""
    if guid not in graph:
        return "This asset has no lineage."
    shown = {guid}
    trees = []
    for title, neighbours in (("comes from", graph.predecessors), ("goes to", graph.successors)):
        tree = Tree(Text.assemble(label_of(graph, guid), f" {title}"))
        _grow(tree, graph, guid, neighbours, shown)
        if tree.children:
            trees.append(tree)
    for source in _in_flow_order(graph):
        # What is left hangs below something shown already, or is another input of it.
        missing = [item for item in graph.successors(source) if item not in shown]
        if source in shown and not missing:
            continue
        tree = Tree(Text.assemble(label_of(graph, source), " also goes to" if source in shown else " goes to"))
        only = missing if source in shown else None
        shown.add(source)
        _grow(tree, graph, source, graph.successors, shown, only=only)
        trees.append(tree)
    console = Console(width=_WIDTH, no_color=True, highlight=False)
    with console.capture() as capture:
        console.print(node_of(graph, guid).qualified_name)
        for tree in trees:
            console.print(tree)
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


def _in_flow_order(graph: "nx.DiGraph[str]") -> Iterator[str]:
    """Yield entities as data flows, those of a cycle together; a run that rewrites what it reads makes one."""

    def name(guid: str) -> str:
        return node_of(graph, guid).qualified_name

    groups = nx.condensation(graph)
    members = {group: sorted(groups.nodes[group]["members"], key=name) for group in groups}
    for group in nx.lexicographical_topological_sort(groups, key=lambda group: name(members[group][0])):
        yield from members[group]


def _grow(
    tree: Tree,
    graph: "nx.DiGraph[str]",
    guid: str,
    neighbours: Callable[[str], Iterable[str]],
    shown: set[str],
    *,
    only: Collection[str] | None = None,
) -> None:
    def below(item: str) -> Iterator[str]:
        return iter(sorted(neighbours(item), key=lambda each: node_of(graph, each).qualified_name))

    first = (item for item in below(guid) if only is None or item in only)
    growing: list[tuple[Tree, Iterator[str]]] = [(tree, first)]  # no recursion: a chain is deeper than the stack
    while growing:
        branch, waiting = growing[-1]
        neighbour = next(waiting, None)
        if neighbour is None:
            growing.pop()
        elif neighbour in shown:
            branch.add(Text.assemble(label_of(graph, neighbour), " …"))
        else:
            shown.add(neighbour)
            growing.append((branch.add(label_of(graph, neighbour)), below(neighbour)))


def label_of(graph: "nx.DiGraph[str]", guid: str) -> Text:
    node = node_of(graph, guid)
    return Text(f"{node.name} ({kind_of(node.type_name).word})")


def node_of(graph: "nx.DiGraph[str]", guid: str) -> LineageNode:
    node: LineageNode = graph.nodes[guid]["node"]
    return node
