"""Prints why each edge of a lineage graph is there."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from questions.explain import Edge, Explanation, explain_edges
from questions.graph import label_of, node_of, to_json

if TYPE_CHECKING:
    import networkx as nx

    from shared.state.ports import Ledger


def to_explained_text(graph: "nx.DiGraph[str]", guid: str, ledger: "Ledger") -> str:
    """List the edges, two or three lines each: what flows where, what says so, how the catalog knew the data."""
    if guid not in graph:
        return "This asset has no lineage."
    explained = explain_edges(ledger, (_edge(graph, *edge) for edge in graph.edges))
    lines = [str(node_of(graph, guid).qualified_name)]
    for source, target in sorted(graph.edges, key=lambda edge: _edge(graph, *edge)):
        lines.append(f"{label_of(graph, source)} -> {label_of(graph, target)}")
        lines += [f"    {line}" for line in _lines(explained[_edge(graph, source, target)])]
    return "\n".join(lines)


def to_explained_json(graph: "nx.DiGraph[str]", ledger: "Ledger") -> dict[str, list[dict[str, Any]]]:
    """Return what `to_json` does, with `basis`, `field`, `match` and `rule` of each edge."""
    drawn = to_json(graph)
    explained = explain_edges(ledger, (_edge(graph, *edge) for edge in graph.edges))
    by_name = {(str(source), str(target)): explanation for (source, target), explanation in explained.items()}
    edges = [{**edge, **_members(by_name[edge["from"], edge["to"]])} for edge in drawn["edges"]]
    return {"nodes": drawn["nodes"], "edges": edges}


def _lines(explanation: Explanation) -> Iterator[str]:
    yield f"{explanation.basis}: {explanation.field}"
    if explanation.match:
        rule = explanation.rule.removeprefix(f"{explanation.match}: ")
        yield f"{explanation.match}: {rule}" if rule and rule != explanation.match else explanation.match


def _members(explanation: Explanation) -> dict[str, str]:
    return {
        "basis": explanation.basis,
        "field": explanation.field,
        "match": explanation.match,
        "rule": explanation.rule,
    }


def _edge(graph: "nx.DiGraph[str]", source: str, target: str) -> Edge:
    return node_of(graph, source).qualified_name, node_of(graph, target).qualified_name
