"""Asks the catalog for what the ledger believes written, and writes edges again that went with an asset."""

import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from shared.catalog.entities import Evidence, Found
from shared.catalog.kinds import STEP
from shared.catalog.qualified_names import QualifiedName, parse
from shared.errors import AccessDeniedError, ServiceUnavailableError, TerminalError
from shared.intake.message import RECONCILE, MessageBody, describe_error
from shared.intake.synthetic_events import event_about_key
from shared.places.matching import is_scanned
from shared.places.platforms import place_named
from shared.ports import Catalog
from shared.publishing.plan import PUBLISHED
from shared.reconciling.coverage import LOST, Gap
from shared.state.ports import Row, State, read_folder

SAMPLE = {"run": 30, "model": 10, "endpoint": 5, "deployment": 5, "link": 5}
"""Rows of each kind in one tick that the catalog is asked for, in a request or two."""
AGAIN = 50
"""Of what was lost, so much is asked for again in one tick."""
RESTORED = 200
"""Run trees in one tick that are published by force."""
_A_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Loss:
    """What the catalog does not have of a row any more: edges of what it has, or all of it if that is None."""

    row: Row
    gap: Gap
    edges: tuple[Evidence, ...]
    found: Found | None


@dataclass(frozen=True, slots=True)
class CatalogSampler:
    """
    Asks the catalog, tick by tick, for what the ledger believes written: an edge counts only while the catalog has it.

    What is lost is not written again by itself, for a person may have deleted it on purpose; except for edges to data
    that a scan has made again: Purview deletes an asset whose file was missing between two scans, with all its edges.

    Attributes:
        restore: publishes by force the runs whose edges to such data are lost; returns the names of those it can.
    """

    catalog: Catalog
    state: State
    now: Callable[[], datetime]
    restore: Callable[[Sequence[Loss]], Collection[QualifiedName]]

    def tick(self) -> None:
        """Look at the next few rows, and again at some of what was lost before, in turn."""
        note = self.state.notes.get(_SAMPLE) or {}
        after = note.get("after")
        ended: dict[str, str] = {}
        before = dict(after) if isinstance(after, dict) else {}
        known = self._read_some_again(before, ended)
        rows = list(self.state.ledger.get_rows(map(QualifiedName, known)).values())
        for kind, limit in SAMPLE.items():
            page = self.state.ledger.list_rows(kind, after=before.get(kind, ""), limit=limit)
            ended[kind] = page[-1].key if len(page) == limit else ""
            rows += page
        # A pipeline has a row and is no entity; an asset is one, with or without edges.
        rows = [row for row in rows if row.outcome == PUBLISHED and (row.evidence or row.kind in ("model", "endpoint"))]
        makers = {each.end.qualified_name for row in rows if row.kind == "model" for each in row.evidence}
        found, refused = find_each(self.catalog, sorted({row.key for row in rows} | makers))
        losses = [loss for row in rows if row.key not in refused and (loss := _find_loss(row, found))]
        noted = known | self._read_noted({str(loss.row.key) for loss in losses} - known.keys())
        lost = {str(loss.row.key): loss.gap for loss in losses} | self._restore(losses, noted)
        lost |= {str(row.key): _gap_of(row, refused[row.key]) for row in rows if row.key in refused}
        self.state.notes.put_in(LOST, {f"{_LOST} {key}": replace(gap, of=key).to_json() for key, gap in lost.items()})
        self.state.notes.forget_in(LOST, [f"{_LOST} {key}" for key in known.keys() - lost.keys()])
        self.state.notes.put(_SAMPLE, {"after": ended})

    def _read_some_again(self, before: Mapping[str, str], ended: dict[str, str]) -> dict[str, Gap]:
        """Return some of what was lost before, those that were asked for longest ago."""
        page = self.state.notes.list_in(LOST, after=before.get(_LOST, ""), limit=AGAIN)
        ended[_LOST] = list(page)[-1] if len(page) == AGAIN else ""
        return _gaps_of(page)

    def _read_noted(self, keys: Collection[str]) -> dict[str, Gap]:
        """Return what is noted of losses that the sample shows: what was put on the queue is not put there again."""
        if not keys:
            return {}
        return {key: gap for key, gap in _gaps_of(read_folder(self.state.notes, LOST)).items() if key in keys}

    def _restore(self, losses: Sequence[Loss], known: Mapping[str, Gap]) -> dict[str, Gap]:
        """Restore what a scan has made again, each once a day; whatever is not restored by then waits for a person."""
        ended = self.now() - _A_DAY
        tried = {
            key for key, gap in known.items() if gap.enqueued_at and datetime.fromisoformat(gap.enqueued_at) > ended
        }
        restored = self.restore([loss for loss in losses if str(loss.row.key) not in tried])
        reason = "a scan made data of it again, without its edges; it is on the queue"
        at = self.now().isoformat()
        new = {str(loss.row.key): loss.gap for loss in losses if loss.row.key in restored}
        return {
            **{key: gap for key, gap in known.items() if key in tried & {str(loss.row.key) for loss in losses}},
            **{key: replace(gap, reason=reason, enqueued_at=at) for key, gap in new.items()},
        }


def find_each(
    catalog: Catalog, names: Sequence[QualifiedName]
) -> tuple[Mapping[QualifiedName, Found], dict[QualifiedName, str]]:
    """
    Look up entities; a name that the catalog refuses, or fails at, keeps no other from being found.

    Returns:
        What there is, and why it was refused to say so of the others.

    Raises:
        AccessDeniedError, ServiceUnavailableError: of all of them, and not of some.
    """
    try:
        return (catalog.find(names) if names else {}), {}
    except TerminalError as error:
        if len(names) == 1:
            return {}, {names[0]: ": ".join(describe_error(error))}
    except (AccessDeniedError, ServiceUnavailableError):
        if len(names) == 1:
            raise
    middle = len(names) // 2
    found: dict[QualifiedName, Found] = {}
    refused: dict[QualifiedName, str] = {}
    failed: Exception | None = None
    for half in (names[:middle], names[middle:]):
        try:
            there, not_said = find_each(catalog, half)
        except (AccessDeniedError, ServiceUnavailableError) as error:
            if failed:
                raise
            failed, there, not_said = error, {}, dict.fromkeys(half, ": ".join(describe_error(error)))
        found |= there
        refused |= not_said
    return found, refused


def _find_loss(row: Row, found: Mapping[QualifiedName, Found]) -> Loss | None:
    """Say what the catalog does not have of a row: the entity, or an edge that there is evidence for."""
    gone: list[Evidence] = []
    here = found.get(row.key)
    if here is None:
        missing = "it"
    elif row.kind == "model":
        makers = [each.end.qualified_name for each in row.evidence if each.end.type_name == STEP]
        kept = all(here.ref in found[maker].outputs for maker in makers if maker in found)
        missing = "" if kept else "its edge from the run that made it"
    else:
        ends = {(ref, is_output) for refs, is_output in ((here.inputs, False), (here.outputs, True)) for ref in refs}
        gone = [each for each in row.evidence if (each.end, each.is_output) not in ends]
        missing = f"{len(gone)} of its edges" if gone else ""
    if not missing:
        return None
    reason = f"the catalog does not have {missing} any more; `lineage replay --direct --force` writes it again"
    return Loss(row, _gap_of(row, reason), tuple(gone), here)


def _gaps_of(notes: Mapping[str, Mapping[str, Any]]) -> dict[str, Gap]:
    """Return what is lost of rows, by their keys."""
    mark = f"{_LOST} "
    return {name.removeprefix(mark): Gap.from_json(gap) for name, gap in notes.items() if name.startswith(mark)}


def _gap_of(row: Row, reason: str) -> Gap:
    parsed = parse(row.key)
    version = parsed.asset.version if parsed and parsed.asset and row.kind == "model" else ""
    name = parsed.asset.name if parsed and parsed.asset and version else row.key.rpartition("/")[2]
    return Gap({"deployment": "endpoint", "link": "run"}.get(row.kind, row.kind), name, version, reason)


@dataclass(frozen=True, slots=True)
class EdgeRestorer:
    """Writes lineage again that went with an asset which Purview deleted, once a scan has made the asset again."""

    catalog: Catalog
    state: State
    now: Callable[[], datetime]

    def restore(self, losses: Sequence[Loss]) -> frozenset[QualifiedName]:
        """
        Publish by force all runs that touch data which was made again, those of `losses` and what else the ledger has.

        An edge that someone removed stays removed: the catalog then still has the asset that it led to.

        Returns:
            Which of the losses that restores.
        """
        ends = {edge.end.qualified_name for loss in losses if loss.found for edge in loss.edges if edge.place}
        found, _ = find_each(self.catalog, sorted(ends))
        restored = set[QualifiedName]()
        roots = set[QualifiedName]()
        for loss in losses:
            back = [edge for edge in loss.edges if _is_made_again(edge, loss, found)]
            touching = {run for edge in back for run in self._list_touching(edge)}
            if loss.row.kind == "run" and back:
                touching.add(loss.row.key)
            if touching and len(roots) < RESTORED:
                restored.add(loss.row.key)
                roots |= self._find_roots(touching, loss.row)
        for root in sorted(roots):
            event = event_about_key(root, now=self.now())
            message = MessageBody(event, uuid.uuid4().hex, RECONCILE, self.now().isoformat(), force=True)
            self.state.queue.put(message.to_json())
        return frozenset(restored)

    def _find_roots(self, runs: Collection[QualifiedName], known: Row) -> set[QualifiedName]:
        """Return what to publish for some runs: a tree once, however many of its steps are among them."""
        rows = {known.key: known, **self.state.ledger.get_rows(set(runs) - {known.key})}
        return {QualifiedName(rows[run].root or run) if run in rows else run for run in runs}

    def _list_touching(self, edge: Evidence) -> Iterator[QualifiedName]:
        """Yield the runs that wrote or read the place of an edge."""
        path = place_named(edge.place.qualified_name, is_folder=True).path if edge.place else ""
        for is_output in (True, False) if path else ():
            yield from (use.run for use in self.state.ledger.find_uses_at([path], is_output=is_output))


def _is_made_again(edge: Evidence, loss: Loss, found: Mapping[QualifiedName, Found]) -> bool:
    here = found.get(edge.end.qualified_name)
    return (
        here is not None
        and loss.found is not None
        and edge.place is not None
        and here.ref == edge.end
        and is_scanned(here)
        and here.guid not in loss.found.removed
    )


_SAMPLE, _LOST = "reconcile/sample", "lost"
