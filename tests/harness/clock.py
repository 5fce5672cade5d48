"""A clock that tests move on."""

from dataclasses import dataclass, field
from datetime import datetime, timedelta

from shared.bootstrap import utc_now


@dataclass
class MovedClock:
    """The time it is, and what it was moved on by."""

    by: timedelta = timedelta(0)

    def __call__(self) -> datetime:
        return utc_now() + self.by

    def move(self, by: timedelta) -> None:
        self.by += by


@dataclass
class StillClock(MovedClock):
    """A clock that only tests move, so that the same steps are taken each time."""

    start: datetime = field(default_factory=utc_now)

    def __call__(self) -> datetime:
        return self.start + self.by
