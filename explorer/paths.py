"""All that lies between two nodes."""

from collections.abc import Iterator
from dataclasses import dataclass

import networkx as nx


@dataclass(frozen=True, slots=True)
class Between:
    """The nodes and edges of all paths from one node to another."""

    nodes: frozenset[str] = frozenset()
    edges: frozenset[tuple[str, str]] = frozenset()


def find_between(graph: "nx.DiGraph[str]", first: str, second: str) -> Between:
    """
    Return what lies on any path from one node to another, whichever of them comes first; nothing where none does.

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
            return Between(nodes, frozenset(_edges(graph, nodes, source, target)))
    return Between()


def _edges(graph: "nx.DiGraph[str]", nodes: frozenset[str], source: str, target: str) -> Iterator[tuple[str, str]]:
    for one, other in graph.subgraph(nodes).edges:
        if one != target and other != source:
            yield one, other
