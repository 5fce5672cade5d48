"""Makes the rows that the ledger keeps of what was published."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from shared.catalog.entities import Entity, Evidence, Ref
from shared.catalog.qualified_names import QualifiedName
from shared.intake.event_types import Event
from shared.places.matching import Match
from shared.publishing.outcome import PUBLISHED
from shared.state.ports import Row


def row_of(
    event: Event,
    key: QualifiedName,
    kind: str,
    outcome: str,
    *,
    reason: str = "",
    status: str = "",
    matches: Mapping[str, str] | None = None,
    evidence: Sequence[Evidence] = (),
) -> Row:
    return Row(
        key,
        kind,
        outcome,
        reason=reason,
        status=status,
        event_id=event.id,
        event_time=event.time,
        matches=matches or {},
        evidence=tuple(evidence),
    )


def with_evidence(event: Event, rows: Iterable[Row], entities: Iterable[Entity]) -> Iterator[Row]:
    """Yield rows with the evidence of the processes they are about, and rows of kind `link` for the other processes."""
    evidence = {entity.ref.qualified_name: entity.evidence for entity in entities if entity.evidence}
    for row in rows:
        yield replace(row, evidence=(*row.evidence, *evidence.pop(row.key, ())))
    for key, why in evidence.items():
        yield row_of(event, key, "link", PUBLISHED, evidence=why)


def explain(matches: Mapping[Ref, Match]) -> dict[str, str]:
    """Say how each place was found: qualifiedName → "exact", "resource set" or "placeholder"."""
    return {str(place.qualified_name): match.kind.value for place, match in matches.items()}
