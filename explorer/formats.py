"""A scene in three formats: elements that cytoscape draws, Mermaid, and CSV. Cytoscape makes the images."""

import csv
import io
from collections.abc import Iterator
from typing import Any

import networkx as nx

from explorer.node import Node, node_of
from explorer.scene import Scene
from questions.draw import to_mermaid
from shared.catalog.qualified_names import QualifiedName
from shared.printable import one_line
from shared.purview.reader import Asset

HEADER = ("record", "id", "name", "kind", "type", "qualified_name", "status", "time", "from", "to")
_FORMULA = ("=", "+", "-", "@", "\t", "\r")

_LINE, _LINES = 12, 3
"""Characters that fit into a line of a box, and lines of a name."""


def to_elements(scene: Scene) -> list[dict[str, Any]]:
    """Return nodes and edges, in an order that is always the same."""
    marked = bool(scene.between.nodes)
    return [*_nodes(scene, marked=marked), *_edges(scene, marked=marked)]


def describe(node: Node) -> str:
    """
    Say what a node is, for people and for screen readers.

    >>> describe(Node("k", "train", "custom_ml_experiment_step", status="Failed"))
    'run, Failed'
    """
    words = [node.kind.word]
    if node.members:
        words.append(f"{len(node.members)} entities")
    words += [word for word in (node.status if node.status != "Completed" else "", node.placeholder) if word]
    return ", ".join(words)


def shorten(name: str, width: int) -> str:
    """
    Keep both ends of a long name: versions are at the end.

    >>> shorten("creditrisk_batch_inference_of_march:12", 20)
    'creditrisk_b…arch:12'
    """
    if len(name) <= width:
        return name
    tail = (width - 1) * 2 // 5
    head = width - 1 - tail
    return f"{name[:head]}…{name[-tail:]}"


def _lines(name: str) -> list[str]:
    """
    Break a name into lines, where it may be broken if there is such a place.

    >>> _lines("creditrisk_batch_inference"), _lines("loan.csv"), _lines("x" * 15)
    (['creditrisk', '_batch', '_inference'], ['loan.csv'], ['xxxxxxxxxxxx', 'xxx'])
    """
    lines, rest = list[str](), shorten(name, _LINES * _LINE)
    while len(rest) > _LINE and len(lines) < _LINES - 1:
        places = [place for place in range(_LINE // 2, _LINE + 1) if not rest[place].isalnum()]
        place = places[-1] if places else _LINE
        lines.append(rest[:place].strip())
        rest = rest[place:].strip()
    return [*lines, shorten(rest, _LINE)]


def _nodes(scene: Scene, *, marked: bool) -> Iterator[dict[str, Any]]:
    for key in scene.graph:
        node = node_of(scene.graph, key)
        label = "\n".join([node.kind.word.removeprefix("Power "), *_lines(node.name)])
        yield {
            "data": {"id": key, "label": label, "name": node.name, "qn": node.qualified_name},
            "classes": " ".join(_classes(node, scene, marked=marked)),
        }


def _classes(node: Node, scene: Scene, *, marked: bool) -> Iterator[str]:
    yield node.kind.family
    yield f"i-{node.kind.icon}"
    facts = {
        "process": node.kind.is_process,
        "placeholder": bool(node.placeholder),
        "failed": node.failed,
        "more": node.kind.word == "more",
        "centre": node.key == scene.centre.guid,
        "path": node.key in scene.between.nodes,
        "faded": marked and node.key not in scene.between.nodes,
    }
    yield from (name for name, holds in facts.items() if holds)


def _edges(scene: Scene, *, marked: bool) -> Iterator[dict[str, Any]]:
    for one, other, data in sorted(scene.graph.edges(data=True), key=lambda edge: edge[:2]):
        on_path = (one, other) in scene.between.edges
        facts = {"indirect": bool(data.get("indirect")), "path": on_path, "faded": marked and not on_path}
        yield {
            "data": {"id": f"{one}>{other}", "source": one, "target": other},
            "classes": " ".join(name for name, holds in facts.items() if holds),
        }


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

    A name that a spreadsheet would take for a formula gets an apostrophe: who names data must not run code in it.
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
    r"""
    >>> _plain("=HYPERLINK(1)"), _plain("loan.csv"), _plain("\x1b[2J")
    ("'=HYPERLINK(1)", 'loan.csv', '\\u001b[2J')
    """
    return one_line(f"'{text}" if text.startswith(_FORMULA) else text)
