"""Timer triggers: their schedules are checked, and they run when a test says so."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from emulator.functions_host.bindings import Function
from emulator.functions_host.runtime import Invocation, Runtime

_FIELDS = (
    ("second", 0, 59, ()),
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day", 1, 31, ()),
    ("month", 1, 12, ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")),
    ("day of the week", 0, 7, ("sun", "mon", "tue", "wed", "thu", "fri", "sat")),
)
_TIMESPAN = re.compile(r"(\d+\.)?([01]?\d|2[0-3]):[0-5]\d:[0-5]\d")
_PART = re.compile(r"(?:\*|(\w+)(?:-(\w+))?)(?:/([1-9]\d*))?")


class Timers:
    """The timer functions of an app; a schedule the genuine host would refuse raises ValueError at once."""

    def __init__(
        self,
        functions: Mapping[str, Function],
        runtime: Runtime,
        run: Callable[[str, Any], Invocation],
    ) -> None:
        self.schedules = {
            name: check_schedule(function.trigger["schedule"])
            for name, function in functions.items()
            if function.trigger["type"] == "timerTrigger"
        }
        self._runtime = runtime
        self._run = run

    def fire(self, name: str, *, past_due: bool = False) -> Invocation:
        """Run a timer function now; raises KeyError if there is none of that name."""
        schedule = {"AdjustForDST": True} if self.schedules[name] else {}
        data = {"IsPastDue": past_due, "Schedule": schedule, "ScheduleStatus": None}
        return self._run(name, self._runtime.datum(data, "json"))


def check_schedule(schedule: str) -> str:
    """
    Give the schedule back if it is an NCRONTAB expression (five or six fields) or a TimeSpan; raises ValueError.

    >>> check_schedule("0 */5 * * * MON-FRI")
    '0 */5 * * * MON-FRI'
    """
    fields = schedule.split()
    if len(fields) == 1 and _TIMESPAN.fullmatch(schedule.strip()):
        return schedule
    if len(fields) not in (5, 6):
        raise ValueError(f"schedule {schedule!r} has {len(fields)} fields; six are needed")
    for field, (name, low, high, words) in zip(fields, _FIELDS[-len(fields) :], strict=True):
        for part in field.split(","):
            found = _PART.fullmatch(part)
            limits = [_to_number(text, words) for text in (found[1], found[2]) if text] if found else []
            if found is None or any(limit is None or not low <= limit <= high for limit in limits):
                raise ValueError(f"schedule {schedule!r}: {field!r} is no {name}")
    return schedule


def _to_number(text: str, words: tuple[str, ...]) -> int | None:
    if text.isdecimal():
        return int(text)
    if text.casefold() in words:
        return words.index(text.casefold()) + (1 if len(words) == 12 else 0)
    return None
