"""When an event came last from Event Grid: whether any come at all is the first question of whoever misses lineage."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.state.ports import Notes

_NAME = "events/last"
_EVERY = timedelta(minutes=1)
"""A process notes it no more often than this: the answer need not be exact, and a note is a request."""


@dataclass(frozen=True, slots=True)
class LastEvent:
    """The type of an event and when we took it."""

    event_type: str
    at: datetime


class LastEventNote:
    """Writes down that an event has come. Methods may raise what the notes raise."""

    def __init__(self, notes: Notes, now: Callable[[], datetime]) -> None:
        self._notes = notes
        self._now = now
        self._written_at: datetime | None = None

    def write(self, event_type: str) -> None:
        """Note an event that has come now."""
        now = self._now()
        if self._written_at is None or now - self._written_at >= _EVERY:
            self._notes.put(_NAME, {"event_type": event_type, "at": now.isoformat(timespec="seconds")})
            self._written_at = now


def read_last_event(notes: Notes) -> LastEvent | None:
    """Return what was noted last by any process; None if nothing ever was."""
    note = notes.get(_NAME)
    return LastEvent(str(note["event_type"]), datetime.fromisoformat(str(note["at"]))) if note else None
