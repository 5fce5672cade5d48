"""A node of the picture, and how it is made of an entity of the catalog."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Self

import networkx as nx

from explorer.looks import kind_of
from shared.catalog.kinds import Kind
from shared.purview.reader import Asset

_TIMES = ("started_at", "created_at", "createdtime")
_PLACEHOLDERS = ("unscanned", "unresolved")
FAILED = ("failed",)


@dataclass(frozen=True, slots=True)
class Node:
    """
    What is drawn as one box.

    Attributes:
        key: a guid, or what `reduction` calls the node that stands for several.
        time: when it ran or was made, ISO 8601, or "".
        pipeline: the id of the pipeline that it is a step of, or "".
        placeholder: the label that says why it is one, or "".
        members: keys of what it stands for, where that is several.
    """

    key: str
    name: str
    type_name: str
    qualified_name: str = ""
    status: str = ""
    time: str = ""
    pipeline: str = ""
    placeholder: str = ""
    members: tuple[str, ...] = ()

    @classmethod
    def of(cls, asset: Asset) -> Self:
        """Make a node of an entity; of one that is known by a header only, less is known."""
        attributes: Mapping[str, object] = asset.attributes
        return cls(
            asset.guid,
            asset.name or asset.qualified_name.rpartition("/")[2] or asset.type_name,
            asset.type_name,
            str(asset.qualified_name),
            str(attributes.get("status") or ""),
            next((str(attributes[name]) for name in _TIMES if attributes.get(name)), ""),
            str(attributes.get("pipeline_run_id") or ""),
            next((label for label in _PLACEHOLDERS if label in asset.labels), ""),
        )

    @property
    def kind(self) -> Kind:
        return kind_of(self.type_name)

    @property
    def failed(self) -> bool:
        return self.status.casefold() in FAILED


def node_of(graph: "nx.DiGraph[str]", key: str) -> Node:
    """Return the node of a graph that `with_nodes` made."""
    node: Node = graph.nodes[key]["node"]
    return node


def with_nodes(graph: "nx.DiGraph[str]", nodes: Mapping[str, Node]) -> "nx.DiGraph[str]":
    """Return a copy of a graph, with the nodes in it and in an order that does not depend on how it was read."""
    drawn: nx.DiGraph[str] = nx.DiGraph()
    for key in sorted(graph, key=lambda each: order_of(nodes[each])):
        drawn.add_node(key, node=nodes[key])
    drawn.add_edges_from(sorted(graph.edges))
    return drawn


def order_of(node: Node) -> tuple[str, str, str]:
    """Return what nodes are sorted by."""
    return node.name.casefold(), node.qualified_name, node.key
