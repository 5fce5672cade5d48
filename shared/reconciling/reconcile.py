"""The use case of the timer: compares Azure ML's inventory with the ledger, and the catalog with both."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial

from shared.catalog.qualified_names import QualifiedName
from shared.errors import LeaseHeldError, LineageError, TerminalError
from shared.intake.allow_list import AllowList, read_event
from shared.intake.event_types import Event
from shared.intake.message import RECONCILE, describe_error
from shared.intake.receive import enqueue
from shared.intake.replay import replay_after_outage
from shared.intake.synthetic_events import event_about
from shared.model import WorkspaceId
from shared.ports import Catalog, Inventory, RunSource
from shared.publishing.engine import Publisher, WriterLease
from shared.publishing.labels import ClassificationLabels
from shared.publishing.plan import SKIPPED
from shared.reconciling.archived_and_deleted import StateMarker
from shared.reconciling.changed_endpoints import ChangedEndpointFinder
from shared.reconciling.coverage import LABEL, LOST, Coverage, Gap, TickNote, note_workspaces, read_lost
from shared.reconciling.looks import LookTaker
from shared.reconciling.lost import CatalogSampler, EdgeRestorer
from shared.reconciling.missed_events import MissedEventFinder
from shared.reconciling.placeholders import PlaceholderReplacer
from shared.reconciling.progress import TICK, Progress, Tick, Turns, read_looked_at
from shared.state.ports import State, read_folder
from shared.telemetry import record_coverage, record_poison, record_tick

logger = logging.getLogger(__name__)

_GIVEN_UP = timedelta(hours=1)
LABELLED = 50
"""Models, and as many endpoints, in one tick whose labels are compared with the classifications upstream."""
_OUTAGES_EVERY = timedelta(hours=1)
"""So seldom dead letters are listed, of which there may be many that only a person can replay."""
FORGOTTEN = 500
"""Rows of runs, and as many matches, in one tick that are looked at for being too old."""
_LABELS, _RETENTION = "reconcile/labels", "reconcile/retention"


@dataclass(frozen=True, slots=True)
class Reconciler:
    """
    One tick does a bounded part of the work and notes how far it came; any number of ticks do all of it.

    A tick has a number of minutes. Its parts, of which each workspace is one, have their turns: the next tick begins
    after the last part that this one has finished.

    Attributes:
        drain_poison: takes what it can from the poison queue until then; returns how many messages are left there.
        keep: what is older and no longer needed leaves the ledger; 0 keeps all.
    """

    inventory: Inventory
    source: RunSource
    catalog: Catalog
    publisher: Publisher
    state: State
    allowed: AllowList
    now: Callable[[], datetime]
    labels: ClassificationLabels | None = None
    drain_poison: Callable[[datetime], int] = lambda _: 0
    keep: timedelta = timedelta(0)

    def tick(self) -> list[Coverage]:
        """
        Look at every workspace on the allow-list, as far as the time allows.

        Returns:
            The coverage of those that could be looked at; none if another tick is under way.

        Raises:
            LineageError: the first failure that is no item's own, after everything else was looked at.
        """
        try:
            lease = WriterLease.take(self.state.leases, ["reconcile"], now=self.now)
        except LeaseHeldError:
            logger.info("another tick is under way")
            return []
        with lease:
            return self._tick(lease)

    def _tick(self, lease: WriterLease) -> list[Coverage]:
        tick, notes = Tick(self.now), self.state.notes
        note = TickNote.load(notes)
        note = replace(note, begun=(*note.begun, self.now().isoformat(timespec="seconds")))
        note.save(notes)  # should this one be killed, that shows
        failures: list[Exception] = []
        poison = self._drain_poison(tick.ends_at - TICK / 2, failures)
        workspaces = self._list_workspaces(failures, poison=poison)
        coverages: list[Coverage] = []
        looks = LookTaker(self.source, self.state, self.allowed, tick)
        restorer = EdgeRestorer(self.catalog, self.state, self.now)
        parts: dict[str, Callable[[], None]] = {
            "what the catalog has": CatalogSampler(self.catalog, self.state, self.now, restorer.restore).tick,
            **{each.arm_id: partial(self._look_at, each, tick, coverages) for each in workspaces},
            "looks": looks.take,
            "placeholders": PlaceholderReplacer(self.catalog, self.state, tick).replace,
            "labels": partial(self._refresh_labels, tick),
            "leases": self._purge_leases,
            **({"retention": self._forget_old} if self.keep else {}),
        }
        turns, problems, is_down = Turns(tick, note.served), dict(note.problems), False
        of_workspaces = {each.arm_id for each in workspaces}
        for name in turns.take(parts):
            lease.check()  # another tick has begun if this one was held up for long
            problems.pop(name, None)
            try:
                parts[name]()
            except Exception as error:  # noqa: BLE001 - a defect that one part shows must not cost all the others
                failures.append(error)
                words = _log_failure(error, part=name)
                if name not in of_workspaces:  # a workspace says so itself
                    problems[name], is_down = words, True
        # The catalog and some workspace answer. One that is gone must not keep the events of the others.
        if is_down or (failures and not coverages):
            note = replace(note, no_outage="")
        else:
            note = self._replay_after_outage(note, failures)
        known = {name: problem for name, problem in problems.items() if name in parts}
        note = replace(note, ended=self.now().isoformat(timespec="seconds"), served=turns.served, problems=known)
        note.save(notes)
        looked_at = {coverage.workspace for coverage in coverages}
        unlooked = sum(each.arm_id not in looked_at and not read_looked_at(notes, each) for each in workspaces)
        record_tick(has_failed=bool(failures), lost=len(read_lost(notes)), unlooked=unlooked)
        if failures:
            raise failures[0]
        return sorted(coverages, key=lambda coverage: coverage.workspace)

    def _replay_after_outage(self, note: TickNote, failures: list[Exception]) -> TickNote:
        """Replay what an outage made dead letters; where there was none, they are listed again in an hour."""
        if note.no_outage and self.now() - datetime.fromisoformat(note.no_outage) < _OUTAGES_EVERY:
            return note
        try:
            count = replay_after_outage(self.state, self.allowed, now=self.now)
        except LineageError as error:
            failures.append(error)
            _log_failure(error)
            return note
        if count:
            logger.info("dead letters of an outage are on the queue again", extra={"dead_letters": count})
        return replace(note, no_outage="" if count else _text(self.now()))

    def _drain_poison(self, until: datetime, failures: list[Exception]) -> int:
        """Drain the poison queue, for no longer than leaves time for the rest, and report what is left there."""
        try:
            left = self.drain_poison(until)
        except Exception as error:  # noqa: BLE001 - nor must this cost all the others
            failures.append(error)
            _log_failure(error)
            return 1
        record_poison(left)
        return left

    def _list_workspaces(self, failures: list[Exception], *, poison: int) -> list[WorkspaceId]:
        """List what the allow-list holds; a scope that is gone or closed to us costs nothing but itself."""
        found: set[WorkspaceId] = set()
        problems: dict[str, str] = {}
        for scope in self.allowed.prefixes:
            try:
                found |= {*self.inventory.list_workspaces(scope)}
            except Exception as error:  # noqa: BLE001 - nor must one scope
                failures.append(error)
                problems[scope] = _log_failure(error, scope=scope)
        note_workspaces(self.state.notes, sorted(found), problems, scopes=self.allowed.prefixes, poison=poison)
        return sorted(found)

    def _refresh_labels(self, tick: Tick) -> None:
        """Go on through the models and endpoints of the ledger: a scan may have classified what they were made of."""
        if self.labels is None:
            return
        note = dict(self.state.notes.get(_LABELS) or {})
        failed = {name for name in read_folder(self.state.notes, LOST) if name.startswith(f"{LABEL} ")}
        for kind in ("model", "endpoint"):
            rows = self.state.ledger.list_rows(kind, after=str(note.get(kind) or ""), limit=LABELLED)
            keys = [row.key for row in rows]
            refused = self._refresh_each(self.labels, keys, tick)
            gaps = {f"{LABEL} {key}": Gap(LABEL, key, "", why, at=_text(self.now()), of=key) for key, why in refused}
            self.state.notes.put_in(LOST, {name: gap.to_json() for name, gap in gaps.items()})
            self.state.notes.forget_in(LOST, failed.intersection(f"{LABEL} {key}" for key in keys) - gaps.keys())
            note[kind] = keys[-1] if len(rows) == LABELLED else ""
        self.state.notes.put(_LABELS, note)

    def _purge_leases(self) -> None:
        """Delete leases that were given up so long ago that no one who began before is still at work."""
        self.state.leases.purge(until=self.now() - _GIVEN_UP)

    def _forget_old(self) -> None:
        """
        Go on through the ledger, and forget what is old and no longer needed.

        That is how a place was found, which can be looked up again, and that something was skipped. What was published
        stays, since what it led to may be asked for at any time.
        """
        note, before = dict(self.state.notes.get(_RETENTION) or {}), self.now() - self.keep
        ledger = self.state.ledger
        after = str(note.get("matches") or "")
        note["matches"] = ledger.forget_old_matches(before=before, after=after, limit=FORGOTTEN)
        rows = ledger.list_rows("run", after=str(note.get("run") or ""), limit=FORGOTTEN)
        old = [row for row in rows if row.outcome == SKIPPED and row.updated_at and row.updated_at < before]
        ledger.forget_rows([row.key for row in old])
        note["run"] = rows[-1].key if len(rows) == FORGOTTEN else ""
        self.state.notes.put(_RETENTION, note)

    @staticmethod
    def _refresh_each(
        labels: ClassificationLabels, keys: Sequence[QualifiedName], tick: Tick
    ) -> list[tuple[QualifiedName, str]]:
        """Refresh labels together; if something is refused, of each by itself. Returns why that failed."""
        try:
            labels.refresh(keys)
        except TerminalError:
            each = ((key, tick.attempt(partial(labels.refresh, [key]), key=key)) for key in keys)
            return [(key, why) for key, why in each if why]
        return []

    def _look_at(self, workspace: WorkspaceId, tick: Tick, coverages: list[Coverage]) -> None:
        """
        Look at one workspace. A part of it that fails keeps no other from being done.

        Raises:
            Exception: the first failure that is no item's own.
        """
        progress = Progress.load(self.state.notes, workspace)
        missed = MissedEventFinder(workspace, progress, self.inventory, self.source, self.state, self.now, tick)
        endpoints = ChangedEndpointFinder(missed, self.inventory, self.publisher, self._read, self.now)
        marker = StateMarker(
            workspace, progress, self.inventory, self.source, self.publisher, self.state, self._read, tick
        )

        def look_at_runs() -> None:
            missed.look_at_runs()
            marker.mark_restored(missed.listed_rows)

        def look_at_models() -> None:
            known = len(missed.listed_rows)
            missed.look_at_models()
            marker.mark_restored(missed.listed_rows[known:])

        def look_at_models_that_went() -> None:
            marker.mark_archived_models()
            marker.mark_deleted_models(missed.listed_models)

        def look_at_endpoints() -> None:
            endpoints.look_at_endpoints()
            if endpoints.is_whole:
                marker.mark_deleted_endpoints(endpoints.present, read=endpoints.read_keys)

        parts = {
            "gaps": missed.look_at_gaps,
            "runs": look_at_runs,
            "models": look_at_models,
            "data": missed.look_at_data,
            "endpoints": look_at_endpoints,
            "archived runs": marker.mark_archived_runs,
            "models that went": look_at_models_that_went,
        }
        failures: list[Exception] = []
        turns = Turns(tick, progress.served)
        try:
            for name in turns.take(parts):
                try:
                    parts[name]()
                except Exception as error:  # noqa: BLE001 - a defect in one part must not cost all the others
                    failures.append(error)
                    _log_failure(error, workspace_id=workspace.arm_id, part=name)
            again = [event_about(workspace, item, now=self.now()) for item in marker.restored]
            enqueue(again, self.state.queue, self.state.dead_letters, source=RECONCILE, now=self.now)
        finally:
            progress.served = turns.served
            progress.problem = ""
            if failures:
                progress.problem = f"the last look at it failed: {': '.join(describe_error(failures[0]))}"
            else:
                progress.at = _text(self.now())
            progress.save(self.state.notes)
        coverage = progress.coverage(read_lost(self.state.notes))
        facts = {
            "workspace_id": workspace.arm_id,
            "coverage_percent": coverage.percent,
            "gaps": len(coverage.gaps),
            "complete": coverage.complete,
        }
        logger.info("reconciled", extra=facts)
        record_coverage(workspace.arm_id, percent=coverage.percent, gaps=len(coverage.gaps))
        if failures:
            raise failures[0]
        coverages.append(coverage)

    def _read(self, event: str) -> Event:
        return read_event(event, self.allowed)


def _log_failure(error: Exception, **facts: str) -> str:
    reason, detail = describe_error(error)
    is_expected = isinstance(error, LineageError)
    extra = {**facts, "reason": reason, "detail": detail}
    logger.warning("reconcile failed", extra=extra, exc_info=None if is_expected else error)
    return f"{reason}: {detail}"


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="seconds")
