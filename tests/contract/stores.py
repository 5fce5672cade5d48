"""A clock for stores, and what opens one."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from shared.state.ports import State


@dataclass
class Clock:
    """Time as the test sets it."""

    moment: datetime = field(default=datetime(2026, 7, 1, 12, 0, tzinfo=UTC))
    service_follows: bool = True

    def __call__(self) -> datetime:
        return self.moment

    def advance(self, by: timedelta) -> None:
        """Let time pass; a service with a clock of its own needs to be waited for."""
        self.moment += by
        if not self.service_follows:
            time.sleep(by.total_seconds() + 0.1)


Open = Callable[[], State]
