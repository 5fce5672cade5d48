"""The picture as text: Mermaid and CSV. Cytoscape makes the images."""

import csv
import io

import networkx as nx

from explorer.node import node_of
from explorer.scene import Scene
from questions.draw import to_mermaid
from shared.catalog.qualified_names import QualifiedName
from shared.purview.reader import Asset

HEADER = ("record", "id", "name", "kind", "type", "qualified_name", "status", "time", "from", "to")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def scene_to_mermaid(scene: Scene) -> str:
    """Draw what is on the page as a Mermaid flowchart, as `lineage show --mermaid` does."""
    graph: nx.DiGraph[str] = nx.DiGraph()
    for key in scene.graph:
        node = node_of(scene.graph, key)
        graph.add_node(key, asset=Asset(key, node.type_name, QualifiedName(node.qualified_name or key), node.name))
    graph.add_edges_from(scene.graph.edges)
    return f"{to_mermaid(graph)}\n"


def scene_to_csv(scene: Scene) -> str:
    """
    List nodes and edges of the page, one a line.

    A name that a spreadsheet would take for a formula gets an apostrophe: whoever names data must not run code in it.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(HEADER)
    for key in scene.graph:
        node = node_of(scene.graph, key)
        row = (key, node.name, node.kind.word, node.type_name, node.qualified_name, node.status, node.time)
        writer.writerow(["node", *map(_plain, row), "", ""])
    for one, other in sorted(scene.graph.edges):
        writer.writerow(["edge", *[""] * 7, one, other])
    return text.getvalue()


def _plain(text: str) -> str:
    """
    >>> _plain("=HYPERLINK(1)"), _plain("loan.csv")
    ("'=HYPERLINK(1)", 'loan.csv')
    """
    return f"'{text}" if text.startswith(_FORMULA) else text
