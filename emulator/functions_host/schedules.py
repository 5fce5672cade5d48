"""
When a timer is due: NCRONTAB expressions and time spans, and what the host takes for neither.

Rules of NCrontab 3.4.0 (github.com/atifaziz/NCrontab) and of CronSchedule.cs and TimerSchedule.cs
(github.com/Azure/azure-webjobs-sdk-extensions). All times are UTC.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from itertools import product
from typing import Protocol

from emulator.functions_host.host_json import parse_timespan

NEVER = datetime.max.replace(tzinfo=UTC)
_LONGEST_SEARCH = timedelta(days=366 * 41)
"""The 29th of February is a given day of the week once in 40 years, at the least often."""
_MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
_DAYS = ("Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday")
_INTEGER = re.compile(r"\s*[+-]?[0-9]{1,9}\s*", re.ASCII)


class ScheduleError(ValueError):
    """The host would not take this for a schedule."""


class Schedule(Protocol):
    """Says when to run."""

    @property
    def is_monitored(self) -> bool:
        """Whether the host remembers its runs; it does not where they are less than a minute apart."""

    @property
    def is_adjusted(self) -> bool:
        """Whether it goes by the time of day, which summer time moves."""

    def next_after(self, moment: datetime) -> datetime:
        """Return the first time that is later than a moment."""


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    low: int
    high: int
    words: tuple[str, ...] = ()

    def parse(self, text: str) -> frozenset[int]:
        """Read a field: values, ranges and steps, with commas between them."""
        parts = text.split(",") if text.find(",") > 0 else [text]
        return frozenset(value for part in parts for value in self._parse_part(part))

    def _parse_part(self, part: str) -> range:
        body, slash, step = part.partition("/") if part.find("/") > 0 else (part, "", "")
        every = max(self._integer(step), 1) if slash else 1
        if body == "*":
            return range(self.low, self.high + 1, every)
        if body.find("-") > 0:
            first, _, last = body.partition("-")
            ends = (self._value(first), self._value(last))
        else:
            value = self._value(body)
            ends = (value, self.high if slash else value)
        low, high = sorted(ends)  # a range that is the wrong way round is turned
        if low < self.low or high > self.high:
            raise ScheduleError(f"{part!r} is no {self.name}: from {self.low} to {self.high}")
        return range(low, high + 1, every)

    def _value(self, text: str) -> int:
        if text[:1].isascii() and text[:1].isdecimal():
            return self._integer(text)
        for index, word in enumerate(self.words):
            if text and word.casefold().startswith(text.casefold()):  # any beginning does: J is January
                return index + self.low
        raise ScheduleError(f"{text!r} is no {self.name}")

    def _integer(self, text: str) -> int:
        if not _INTEGER.fullmatch(text):
            raise ScheduleError(f"{text!r} is no number")
        return int(text)


_FIELDS = (
    _Field("second", 0, 59),
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of the week", 0, 6, _DAYS),
)


@dataclass(frozen=True, slots=True)
class Crontab:
    """Six fields, as the sets of their values."""

    seconds: frozenset[int]
    minutes: frozenset[int]
    hours: frozenset[int]
    days: frozenset[int]
    months: frozenset[int]
    weekdays: frozenset[int]

    @property
    def is_monitored(self) -> bool:
        """False if it runs more than once in each minute."""
        larger = (self.minutes, self.hours, self.days, self.months, self.weekdays)
        every_minute = all(
            len(values) == field.high - field.low + 1 for values, field in zip(larger, _FIELDS[1:], strict=True)
        )
        return not every_minute or len(self.seconds) == 1

    @property
    def is_adjusted(self) -> bool:
        """True: 3 o'clock is 3 o'clock."""
        return True

    def next_after(self, moment: datetime) -> datetime:
        """Return the first time that is later than a moment; NEVER if there is none, as on the 30th of February."""
        moment = moment.replace(microsecond=0)
        for day in _days_from(moment):
            if day.day in self.days and day.month in self.months and day.isoweekday() % 7 in self.weekdays:
                earliest = moment.time() if day.date() == moment.date() else None
                if (found := self._first_time(earliest)) is not None:
                    return datetime.combine(day, found, UTC)
        return NEVER

    def _first_time(self, after: time | None) -> time | None:
        times = product(sorted(self.hours), sorted(self.minutes), sorted(self.seconds))
        if after is None:
            return time(*next(times))
        now = (after.hour, after.minute, after.second)
        hours = sorted(hour for hour in self.hours if hour >= after.hour)
        times = product(hours, sorted(self.minutes), sorted(self.seconds))
        return next((time(*each) for each in times if each > now), None)


@dataclass(frozen=True, slots=True)
class Interval:
    """The same time between any two runs."""

    period: timedelta

    @property
    def is_monitored(self) -> bool:
        """False for less than a minute."""
        return self.period >= timedelta(minutes=1)

    @property
    def is_adjusted(self) -> bool:
        """False: an hour is an hour."""
        return False

    def next_after(self, moment: datetime) -> datetime:
        """Return the moment that is one period later."""
        return moment + self.period


def parse_schedule(text: str) -> Schedule:
    """
    Read an NCRONTAB expression of five or six fields, or else a time span; raises ScheduleError.

    >>> parse_schedule("0 */5 * * * MON-FRI").next_after(datetime(2026, 7, 3, 23, 57, tzinfo=UTC)).isoformat()
    '2026-07-06T00:00:00+00:00'
    """
    try:
        return _parse_crontab(text)
    except ScheduleError as error:
        try:
            return Interval(parse_timespan(text))
        except (ValueError, OverflowError):
            raise ScheduleError(
                f"The schedule expression '{text}' was not recognized as a valid cron expression or timespan string."
            ) from error


def _parse_crontab(text: str) -> Crontab:
    fields = [field for field in text.split(" ") if field]  # nothing but a space separates
    if len(fields) == 5:
        fields.insert(0, "0")
    if len(fields) != 6:
        raise ScheduleError(f"{text!r} has {len(fields)} fields")
    return Crontab(*(kind.parse(field) for kind, field in zip(_FIELDS, fields, strict=True)))


def _days_from(moment: datetime) -> Iterator[datetime]:
    day = moment.replace(hour=0, minute=0, second=0)
    last = min(NEVER - timedelta(days=1), day + _LONGEST_SEARCH)
    while day <= last:
        yield day
        day += timedelta(days=1)
