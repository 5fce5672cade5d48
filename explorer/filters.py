"""Leaves nodes out of the picture, and keeps together what they connected."""

from collections.abc import Callable, Collection
from dataclasses import dataclass

import networkx as nx

from explorer.node import Node, node_of


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
        """Whether names and types of nodes are not enough to tell."""
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
