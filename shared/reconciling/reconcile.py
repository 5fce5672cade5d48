"""The use case of the timer: compares Azure ML's inventory with the ledger, and the catalog with both."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.errors import LeaseHeldError, LineageError
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
from shared.reconciling.archived_and_deleted import StateMarker
from shared.reconciling.changed_endpoints import ChangedEndpointFinder
from shared.reconciling.coverage import CatalogSampler, Coverage, Progress, note_workspaces, read_lost
from shared.reconciling.looks import LookTaker
from shared.reconciling.missed_events import MissedEventFinder
from shared.reconciling.placeholders import EdgeRestorer, PlaceholderReplacer
from shared.state.ports import State
from shared.telemetry import record_coverage, record_poison

logger = logging.getLogger(__name__)

_GIVEN_UP = timedelta(hours=1)
LABELLED = 50
"""Models, and as many endpoints, in one tick whose labels are compared with the classifications upstream."""
_LABELS = "reconcile/labels"


@dataclass(frozen=True, slots=True)
class Reconciler:
    """
    One tick does a bounded part of the work and notes how far it came; any number of ticks do all of it.

    Attributes:
        drain_poison: takes what it can from the poison queue; returns how many messages are left there.
    """

    inventory: Inventory
    source: RunSource
    catalog: Catalog
    publisher: Publisher
    state: State
    allowed: AllowList
    now: Callable[[], datetime]
    labels: ClassificationLabels | None = None
    drain_poison: Callable[[], int] = lambda: 0

    def tick(self) -> list[Coverage]:
        """
        Look at every workspace on the allow-list.

        Returns:
            The coverage of those that could be looked at; none if another tick is under way.

        Raises:
            LineageError: the first failure, after everything else was looked at.
        """
        try:
            lease = WriterLease.take(self.state.leases, ["reconcile"], now=self.now)
        except LeaseHeldError:
            logger.info("another tick is under way")
            return []
        with lease:
            return self._tick(lease)

    def _tick(self, lease: WriterLease) -> list[Coverage]:
        failures: list[LineageError] = []
        coverages = []
        poison = self._drain_poison(failures)
        self._attempt(
            CatalogSampler(
                self.catalog, self.state, self.now, EdgeRestorer(self.catalog, self.state, self.now).restore
            ).tick,
            failures,
        )
        for workspace in self._list_workspaces(failures, poison=poison):
            lease.check()  # another tick has begun if this one was held up for long
            try:
                coverages.append(self._look_at(workspace))
            except LineageError as error:
                failures.append(error)
                _log_failure(error, workspace_id=workspace.arm_id)
        for part in (
            LookTaker(self.source, self.state, self.allowed, self.now).tick,
            PlaceholderReplacer(self.catalog, self.state, self.now).tick,
            self._refresh_labels,
            self._purge_leases,
        ):
            self._attempt(part, failures)
        if not failures:  # all services answer again
            self._attempt(self._replay_after_outage, failures)
        if failures:
            raise failures[0]
        return coverages

    def _replay_after_outage(self) -> None:
        if count := replay_after_outage(self.state, now=self.now):
            logger.info("dead letters of an outage are on the queue again", extra={"dead_letters": count})

    def _attempt(self, part: Callable[[], None], failures: list[LineageError]) -> None:
        """Do one part of a tick; its failure keeps no other from being done."""
        try:
            part()
        except LineageError as error:
            failures.append(error)
            _log_failure(error)

    def _drain_poison(self, failures: list[LineageError]) -> int:
        """Drain the poison queue and report what is left there."""
        try:
            left = self.drain_poison()
        except LineageError as error:
            failures.append(error)
            _log_failure(error)
            return 1
        record_poison(left)
        return left

    def _list_workspaces(self, failures: list[LineageError], *, poison: int) -> list[WorkspaceId]:
        """List what the allow-list holds; a scope that is gone or closed to us costs nothing but itself."""
        found: set[WorkspaceId] = set()
        problems: dict[str, str] = {}
        for scope in self.allowed.prefixes:
            try:
                found |= {*self.inventory.list_workspaces(scope)}
            except LineageError as error:
                failures.append(error)
                problems[scope] = _log_failure(error, scope=scope)
        note_workspaces(self.state.notes, sorted(found), problems, poison=poison)
        return sorted(found)

    def _refresh_labels(self) -> None:
        """Go on through the models and endpoints of the ledger: a scan may have classified what they were made of."""
        if self.labels is None:
            return
        note = self.state.notes.get(_LABELS) or {}
        after: dict[str, str] = {}
        for kind in ("model", "endpoint"):
            rows = self.state.ledger.list_rows(kind, after=str(note.get(kind) or ""), limit=LABELLED)
            self.labels.refresh(row.key for row in rows)
            after[kind] = rows[-1].key if len(rows) == LABELLED else ""
        self.state.notes.put(_LABELS, after)

    def _purge_leases(self) -> None:
        """Delete leases that were given up so long ago that no one who began before is still at work."""
        self.state.leases.purge(until=self.now() - _GIVEN_UP)

    def _look_at(self, workspace: WorkspaceId) -> Coverage:
        progress = Progress.load(self.state.notes, workspace)
        missed = MissedEventFinder(workspace, progress, self.inventory, self.source, self.state, self.now)
        endpoints = ChangedEndpointFinder(missed, self.inventory, self.publisher, self._read, self.now)
        marker = StateMarker(
            workspace, progress, self.inventory, self.source, self.publisher, self.state, self._read, self.now
        )
        progress.problem = "the last look at it did not end"
        try:
            missed.look_at_gaps()
            missed.look_at_runs()
            missed.look_at_models()
            missed.look_at_data()
            marker.mark_restored(missed.listed_rows)
            endpoints.look_at_endpoints()
            marker.mark_deleted_endpoints(endpoints.present, read=endpoints.read_keys)
            marker.mark_archived()
            marker.mark_deleted_models(missed.listed_models)
            again = [event_about(workspace, item, now=self.now()) for item in marker.restored]
            enqueue(again, self.state.queue, self.state.dead_letters, source=RECONCILE, now=self.now)
            progress.problem = ""
        except LineageError as error:
            progress.problem = f"the last look at it failed: {': '.join(describe_error(error))}"
            raise
        finally:
            progress.save(self.state.notes, now=self.now())
        coverage = progress.coverage(read_lost(self.state.notes))
        facts = {
            "workspace_id": workspace.arm_id,
            "coverage_percent": coverage.percent,
            "gaps": len(coverage.gaps),
            "complete": coverage.complete,
        }
        logger.info("reconciled", extra=facts)
        record_coverage(workspace.arm_id, percent=coverage.percent, gaps=len(coverage.gaps))
        return coverage

    def _read(self, event: str) -> Event:
        return read_event(event, self.allowed)


def _log_failure(error: LineageError, **facts: str) -> str:
    reason, detail = describe_error(error)
    logger.warning("reconcile failed", extra={**facts, "reason": reason, "detail": detail})
    return f"{reason}: {detail}"
