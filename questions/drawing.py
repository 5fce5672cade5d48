"""Answers as graphs that `questions.graph` draws."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

import networkx as nx

from shared.ports import LineageNode
from shared.purview.reader import Asset


def draw_paths(paths: Iterable[Sequence[Asset]]) -> "nx.DiGraph[str]":
    """Join paths into one graph."""
    graph: nx.DiGraph[str] = nx.DiGraph()
    for path in paths:
        for asset in path:
            graph.add_node(asset.guid, node=node_of(asset))
        graph.add_edges_from((one.guid, other.guid) for one, other in pairwise(path))
    return graph


def node_of(asset: Asset) -> LineageNode:
    return LineageNode(asset.guid, asset.type_name, asset.qualified_name, asset.name)
