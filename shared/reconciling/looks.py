"""Looks at runs again: metrics, registered outputs and tags settle after the event that announces the end of a run."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import timedelta

from shared.catalog import qualified_names
from shared.catalog.qualified_names import ParsedName, QualifiedName, parse
from shared.errors import RecordNotFoundError
from shared.intake.allow_list import AllowList
from shared.intake.message import RECONCILE
from shared.intake.receive import enqueue
from shared.intake.synthetic_events import event_about
from shared.model import Signature, WorkspaceId
from shared.ports import Listed, RunSource
from shared.publishing.plan import LOOKS
from shared.reconciling.coverage import LOOK, LOST, Gap
from shared.reconciling.progress import Tick
from shared.state.ports import Look, State

IN_TICK = 500
"""Looks in one tick, of two requests each; those that are left are the first of the next."""
_AFTER_FAILURE = timedelta(hours=1)
_FAILURES = 24
"""A look that cannot be taken for a day is taken once a day from then on, until the workspace is open to us again."""
_A_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class LookTaker:
    """One tick over all runs whose time has come. A run that says what it said costs no more than the question."""

    source: RunSource
    state: State
    allowed: AllowList
    tick: Tick

    def take(self) -> None:
        """Put an event about each run that says something new on the queue, and note when to look the next time."""
        for look in self.state.ledger.list_looks(until=self.tick.now(), limit=IN_TICK):
            if self.tick.is_over:
                return
            match parse(look.root):
                case ParsedName(workspace=WorkspaceId() as workspace, run_id=run_id, asset=asset) if run_id or asset:
                    if self.allowed.takes(workspace):
                        self._take(look, workspace, run_id)
                    elif look.failures:
                        self.state.notes.forget_in(LOST, [f"{LOOK} {look.root}"])
            self.state.ledger.forget_look(look)  # after what follows from it, so that nothing is lost in between

    def _take(self, look: Look, workspace: WorkspaceId, run_id: str) -> None:
        name, now = f"{LOOK} {look.root}", self.tick.now()
        is_there: list[bool] = []
        why = self.tick.attempt(lambda: is_there.append(self._look(look, workspace, run_id)), run_id=run_id)
        if why:
            pause = _AFTER_FAILURE if look.failures < _FAILURES else _A_DAY
            self.state.ledger.put_look(replace(look, at=now + pause, failures=look.failures + 1))
            gap = Gap(LOOK, f"run {run_id}", "", why, at=now.isoformat(timespec="seconds"), of=look.root)
            self.state.notes.put_in(LOST, {name: gap.to_json()})
            return
        if look.failures:
            self.state.notes.forget_in(LOST, [name])
        if all(is_there) and look.number + 1 < len(LOOKS):
            at = now + LOOKS[look.number + 1] - LOOKS[look.number]
            self.state.ledger.put_look(replace(look, at=at, number=look.number + 1, failures=0))

    def _look(self, look: Look, workspace: WorkspaceId, run_id: str) -> bool:
        """Look at one run; returns whether it is still there."""
        try:
            if self._has_changed(look, workspace, run_id):
                self._read_again(look.root, workspace, run_id)
        except RecordNotFoundError:
            return False  # the run was deleted; its lineage stays
        return True

    def _has_changed(self, look: Look, workspace: WorkspaceId, run_id: str) -> bool:
        if not look.digest:
            return True
        names = self.state.ledger.get_tree(look.root).fingerprints
        below = tuple(sorted({*_runs_among(names, workspace)} - {run_id}))
        return self.source.has_changed(workspace, Signature(run_id, below, look.digest))

    def _read_again(self, key: QualifiedName, workspace: WorkspaceId, run_id: str) -> None:
        row = self.state.ledger.get_rows([key]).get(key)
        parsed, since = parse(key), row.event_time if row else None
        item = Listed("run", run_id, status=row.status if row else "", created_at=since)
        if not run_id and parsed and parsed.asset:
            item = Listed("model", parsed.asset.name, parsed.asset.version, created_at=since)
        event = event_about(workspace, item, now=self.tick.now(), again=True)
        enqueue([event], self.state.queue, self.state.dead_letters, source=RECONCILE, now=self.tick.now)


def _runs_among(names: Iterable[QualifiedName], workspace: WorkspaceId) -> Iterator[str]:
    """Yield the ids of the runs among names of runs, their settings and their metrics."""
    for name in names:
        parsed = parse(name)
        if parsed and parsed.run_id and name == qualified_names.of_run(workspace, parsed.run_id):
            yield parsed.run_id
