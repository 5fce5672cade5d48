"""Draws a large graph a page at a time, with nodes that stand for the pages before and after."""

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import networkx as nx

from explorer.looks import MORE
from explorer.node import Node, node_of, order_of

PAGE = 120
"""Nodes on a page, the one in the middle aside."""
EDGES = 400
"""Edges on a page; where there are more, pages are shorter."""
_PREFIX = "more:"


@dataclass(frozen=True, slots=True)
class Page:
    """One page of a graph: `number` counts from 0, `hidden` is what is on the others."""

    graph: "nx.DiGraph[str]"
    number: int
    count: int
    hidden: int


def page_behind(key: str) -> int | None:
    """Return the page that a node stands for, or None if it stands for itself."""
    return int(key.split(":")[1]) if key.startswith(_PREFIX) else None


def turn_to(
    graph: "nx.DiGraph[str]", centre: str, number: int, *, first: Collection[str] = (), more_unread: bool = False
) -> Page:
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
            stands_for[key] = f"{_PREFIX}{turned}:{'up' if key in upstream else 'down'}"
    drawn: nx.DiGraph[str] = nx.DiGraph()
    drawn.add_nodes_from((key, graph.nodes[key]) for key in graph if key not in stands_for)
    members = Counter(stands_for.values())
    for cluster in sorted(members):
        later = (page_behind(cluster) or 0) > number
        drawn.add_node(cluster, node=Node(cluster, _words(members[cluster], later=later, unread=more_unread), MORE))
    for one, other, data in graph.edges(data=True):
        ends = stands_for.get(one, one), stands_for.get(other, other)
        if ends[0] != ends[1]:
            drawn.add_edge(*ends, **data)
    return Page(drawn, number, count, len(stands_for))


def _words(count: int, *, later: bool, unread: bool) -> str:
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
