"""Says why each edge of a lineage graph is there, from what the ledger noted when it was written."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from shared.catalog.entities import Evidence, Ref
from shared.catalog.qualified_names import QualifiedName
from shared.places.matching import Match
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
        match: how the catalog knew the data: `exact`, `resource set` or `placeholder`; "" if it is an asset of ours.
        rule: the naming rule that found it, or why none did.
    """

    basis: str
    field: str
    match: str = ""
    rule: str = ""


_UNKNOWN = Explanation(
    "unknown", "not in this ledger: somebody else wrote it, or an earlier version; replay the run with --force to know"
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
