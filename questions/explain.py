"""Says why each edge of a lineage graph is there, from what the ledger noted when it was written."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import networkx as nx

from questions.draw import asset_of, label_of, to_json
from shared.catalog.entities import Evidence, Ref
from shared.catalog.qualified_names import QualifiedName
from shared.places.matching import Match
from shared.printable import one_line
from shared.state.ports import Ledger

_EVER = datetime.min.replace(tzinfo=UTC)

Edge = tuple[QualifiedName, QualifiedName]
"""Data flows from the first to the second."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """
    Why an edge is there.

    Attributes:
        basis: `declared` where Azure ML, a tag or a file says so outright, `inferred` where it follows from something
            else, `unknown` where the ledger has no note of the edge.
        field: what says so; where it is unknown, what to do about it.
        match: how the catalog knew the data: `exact`, `resource set`, `placeholder` or another; "" if it is an asset of
            ours.
        rule: the naming rule that found it, or why none did.
    """

    basis: str
    field: str
    match: str = ""
    rule: str = ""


_UNKNOWN = Explanation(
    "unknown", "not in this ledger: others wrote it, or an earlier version; replay the run with --force to know"
)


def explain_edges(ledger: Ledger, edges: Iterable[Edge]) -> Mapping[Edge, Explanation]:
    """Explain edges, whether the note is with the process or with the model version it made."""
    wanted = sorted(set(edges))
    rows = ledger.get_rows({name for edge in wanted for name in edge})
    noted: dict[Edge, Evidence] = {}
    for name, row in rows.items():
        for evidence in row.evidence:
            other = evidence.end.qualified_name
            noted[(name, other) if evidence.is_output else (other, name)] = evidence
    places = {place for edge in wanted if edge in noted and (place := noted[edge].place)}
    matches = ledger.get_matches(places, placeholders_since=_EVER)
    return {edge: _explain(noted[edge], matches) if edge in noted else _UNKNOWN for edge in wanted}


def _explain(evidence: Evidence, matches: Mapping[Ref, Match]) -> Explanation:
    match = matches.get(evidence.place) if evidence.place else None
    return Explanation(
        "inferred" if evidence.inferred else "declared",
        evidence.field,
        match.kind.value if match else "",
        match.rule if match else "",
    )


def to_explained_text(graph: "nx.DiGraph[str]", guid: str, ledger: Ledger) -> str:
    """List the edges, two or three lines each: what flows where, what says so, how the catalog knew the data."""
    if guid not in graph:
        return "This asset has no lineage."
    explained = explain_edges(ledger, (_edge(graph, *edge) for edge in graph.edges))
    lines = [one_line(asset_of(graph, guid).qualified_name)]
    for source, target in sorted(graph.edges, key=lambda edge: _edge(graph, *edge)):
        lines.append(f"{label_of(graph, source)} -> {label_of(graph, target)}")
        lines += [f"    {one_line(line)}" for line in _lines(explained[_edge(graph, source, target)])]
    return "\n".join(lines)


def to_explained_json(graph: "nx.DiGraph[str]", ledger: Ledger) -> dict[str, list[dict[str, Any]]]:
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
    return asset_of(graph, source).qualified_name, asset_of(graph, target).qualified_name
