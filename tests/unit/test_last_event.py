"""When an event came last: noted, but not with a request for each event, and never at the cost of an event."""

from datetime import timedelta

import pytest

from shared.errors import ServiceUnavailableError
from shared.intake.deliver import LastEvent, LastEventNote
from shared.intake.message import BACKFILL, MessageBody
from shared.state.sqlite import Database, SqliteNotes
from tests.harness.fakes import NOON, FakeClock
from tests.unit.deliveries import COMPLETED, PLAIN, Desk, Notes

RUN_COMPLETED = "Microsoft.MachineLearningServices.RunCompleted"


@pytest.fixture
def database() -> Database:
    return Database(":memory:", now=FakeClock())


def test_event_that_was_published_is_the_last_one_seen(database: Database) -> None:
    """By its type, at the time we took it."""
    desk = Desk(database)
    assert LastEventNote.read(desk.notes) is None
    desk.publish()
    assert LastEventNote.read(desk.notes) == LastEvent(RUN_COMPLETED, NOON)


def test_what_does_not_come_from_event_grid_is_no_event_that_came(database: Database) -> None:
    """Replays and backfills prove nothing about the subscription."""
    desk = Desk(database)
    desk.publish(MessageBody(COMPLETED, "op-1", source=BACKFILL))
    assert LastEventNote.read(desk.notes) is None


def test_note_is_written_once_a_minute(database: Database) -> None:
    """A thousand events a minute cost one request more, not a thousand."""
    clock, notes = FakeClock(), Notes(database)
    note = LastEventNote(notes, clock)
    for seconds in (0, 30, 30, 59):
        clock.time = NOON + timedelta(seconds=seconds)
        note.write("RunCompleted")
    assert notes.calls == ["put"]
    clock.time = NOON + timedelta(seconds=60)
    note.write("ModelRegistered")
    assert LastEventNote.read(notes) == LastEvent("ModelRegistered", clock.time)


def test_event_is_done_even_if_the_note_cannot_be_written(database: Database) -> None:
    """It was published; bringing it back for a note would publish it again."""
    desk = Desk(database)
    desk.notes.failures = [ServiceUnavailableError("table down")]
    assert desk.publish(PLAIN).outcome == "published"
    assert LastEventNote.read(SqliteNotes(database)) is None
    assert desk.publish(PLAIN).outcome == "skipped"
    assert LastEventNote.read(desk.notes) is not None
