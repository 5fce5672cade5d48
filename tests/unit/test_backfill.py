"""However long the lists are, a backfill keeps a page of them and no more."""

import tracemalloc
from collections.abc import Sequence
from datetime import timedelta

import pytest

from shared.catalog.qualified_names import QualifiedName
from shared.model import WorkspaceId
from shared.ports import InventoryPage, Listed
from shared.reconciling.backfill import ENQUEUED, LISTED, Backfill, Section, put_on_queue
from shared.reconciling.coverage import is_linked
from shared.state.ports import Row, State
from shared.state.sqlite import open_state
from tests.harness.fakes import NOON, FakeClock

WORKSPACE = WorkspaceId("s", "rg", "ws")
KEY = QualifiedName("azureml://k")


class EndlessInventory:
    """A workspace with any number of runs, made when they are listed."""

    def __init__(self, runs: int) -> None:
        self.runs = runs

    def list_workspaces(self, scope: str) -> Sequence[WorkspaceId]:
        return [WORKSPACE]

    def list_runs(self, workspace: WorkspaceId, *, page: str = "", archived: bool = False) -> InventoryPage:
        start = int(page or 0)
        end = min(start + 100, self.runs)
        items = tuple(
            Listed("run", f"run-{number}", status="Completed", created_at=NOON - timedelta(seconds=number))
            for number in range(start, end)
        )
        return InventoryPage(items, str(end) if end < self.runs else "")

    def list_models(self, workspace: WorkspaceId, *, page: str = "", archived: bool = False) -> InventoryPage:
        return InventoryPage(())

    def list_data(self, workspace: WorkspaceId, *, page: str = "") -> InventoryPage:
        return InventoryPage(())

    def list_endpoints(self, workspace: WorkspaceId) -> Sequence[Listed]:
        return ()

    def digest_deployments(self, workspace: WorkspaceId, endpoint: Listed) -> str:
        return ""


def open_backfill(runs: int) -> tuple[Backfill, State]:
    """Prepare a backfill onto the queue; what SQLite keeps in memory, `tracemalloc` does not see."""
    clock = FakeClock()
    state = open_state(":memory:", now=clock)
    return Backfill(EndlessInventory(runs), state, put_on_queue(state, now=clock), clock), state


def test_memory_does_not_grow_with_the_number_of_runs() -> None:
    """The second half of six thousand adds nothing that lasts."""
    backfill, state = open_backfill(6_000)
    halfway = 0
    tracemalloc.start()
    for step in backfill.run([Section(WORKSPACE, "runs")]):
        if not halfway and step.counts.get(LISTED, 0) >= 3_000:
            halfway = tracemalloc.get_traced_memory()[0]
    grown = tracemalloc.get_traced_memory()[0] - halfway
    tracemalloc.stop()
    assert state.queue.count() == 6_000
    assert grown < 200_000
    state.close()


def test_checkpoint_is_forgotten_in_the_end_and_kept_until_then() -> None:
    """Who runs the command again a month later wants all of it listed."""
    backfill, state = open_backfill(250)
    section = Section(WORKSPACE, "runs")
    for step in backfill.run([section, Section(WORKSPACE, "models")]):
        if step.counts.get(ENQUEUED, 0) == 101:
            break
    note = {"at": NOON.isoformat(), "page": "100", "ended": False, "counts": {LISTED: 100, ENQUEUED: 100}}
    assert state.notes.get(section.note_name) == note
    steps = list(backfill.run([section, Section(WORKSPACE, "models")]))
    assert steps[0].resumed
    assert steps[-1].counts == {LISTED: 250, ENQUEUED: 250}
    assert state.notes.get(section.note_name) is None
    state.close()


def test_section_that_ended_long_ago_is_looked_at_again_though_another_still_fails() -> None:
    """Or a workspace without a role would hide for good what is new in the others."""
    backfill, state = open_backfill(3)
    section = Section(WORKSPACE, "runs")
    clock = backfill.now
    assert isinstance(clock, FakeClock)
    note = {"at": NOON.isoformat(), "page": "", "ended": True, "counts": {LISTED: 2}}
    for passed, listed in ((timedelta(hours=1), 2), (timedelta(days=2), 3)):
        state.notes.put(section.note_name, note)
        clock.time = NOON + passed
        assert list(backfill.run([section]))[-1].counts[LISTED] == listed
    state.close()


@pytest.mark.parametrize(
    ("row", "there"),
    [
        (Row(KEY, "run", "published", status="Running"), False),
        (Row(KEY, "run", "published", status="Completed"), True),
        (Row(KEY, "run", "skipped", status="Completed"), True),
        (Row(KEY, "run", "published", status="Failed"), True),
        (Row(KEY, "run", "skipped", status="Failed"), True),
        (Row(KEY, "run", "dead_lettered", status="Completed"), False),
        (Row(KEY, "model", "published"), True),
        (Row(KEY, "model", "skipped"), True),
        (None, False),
    ],
)
def test_run_known_from_its_model_before_it_completed_is_not_there_yet(row: Row | None, there: bool) -> None:
    """Its outputs and metrics may have come later."""
    assert is_linked(row) is there
