"""
What the functions' bindings need of the app settings, as the Functions host reads them.

The host switches off a function whose binding it cannot resolve, runs the others, and says so in its own log only.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from shared.settings import Azurite, StorageAccount, read_storage

FUNCTIONS = frozenset(
    {
        "collect_poison",
        "live",
        "openlineage",
        "openlineage_batch",
        "publish_lineage",
        "ready",
        "receive_event",
        "reconcile",
        "replay",
    }
)
"""Every function of the app by name; a host that lacks one serves less than the app."""
SCHEDULE = "RECONCILE_SCHEDULE"
CONNECTION = "LineageStorage"
"""App settings with this name, or this name and `__`, are the connection of every queue binding."""

_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_DAYS = ("sunday", "monday", "tuesday", "wednesday", "thursday", "friday", "saturday")
_LAST_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)
_INTEGER = re.compile(r"[\t-\r]*[+-]?[0-9]+[\t-\r]*")
"""What .NET's `int.Parse` takes; fields are separated by blanks, so a blank is not in one."""
_LARGEST = 2**31 - 1
_TIMESPANS = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?P<d>[0-9]{1,9})",
        r"(?P<h>[0-9]{1,9}):(?P<m>[0-9]{1,9})",
        r"(?P<h>[0-9]{1,9}):(?P<m>[0-9]{1,9}):(?P<s>[0-9]{1,9}(\.[0-9]{1,9})?)",
        r"(?P<d>[0-9]{1,9})[.:](?P<h>[0-9]{1,9}):(?P<m>[0-9]{1,9})",
        r"(?P<d>[0-9]{1,9})[.:](?P<h>[0-9]{1,9}):(?P<m>[0-9]{1,9}):(?P<s>[0-9]{1,9}(\.[0-9]{1,9})?)",
    )
)
"""In the order in which .NET tries them: `24:00:00` is no time of a day, and so it is 24 days."""
_UNITS = {"d": (86_400, 10_675_199), "h": (3_600, 23), "m": (60, 59), "s": (1, 59)}
"""The seconds of each unit, and how many of it there may be."""
_ADVICE = "give six fields of NCRONTAB, such as 0 */15 * * * *"
_DEVELOPMENT = "usedevelopmentstorage"


def find_binding_problems(environ: Mapping[str, str]) -> list[str]:
    """Return a sentence for each app setting because of which the host runs less than the app, or on another queue."""
    return [*_schedule_problems(environ), *_connection_problems(environ), *_switches(environ)]


def find_given_schedule_problems(environ: Mapping[str, str]) -> list[str]:
    """Return what is wrong with the schedule where it is set; outside of the app it need not be."""
    return list(_schedule_problems(environ)) if environ.get(SCHEDULE, "").strip() else []


def find_schedule_problem(schedule: str) -> str:
    """
    Return what is wrong with the schedule of a timer; "" if the host takes it and it leads to ticks.

    The rules are those of NCrontab 3.4.0 (CrontabFieldImpl.cs), which the timer extension reads a schedule with, and
    of .NET's `TimeSpan.TryParse`, which it tries next (TimerSchedule.cs in azure-webjobs-sdk-extensions).

    >>> [find_schedule_problem(schedule) for schedule in ("0 */15 * * * *", "0 0 3 * * Mon-fri", "01:30:00")]
    ['', '', '']
    >>> find_schedule_problem("0 0 3 * * 7")
    "'7' cannot be a day of the week (0 to 6, or a name); give six fields of NCRONTAB, such as 0 */15 * * * *"
    """
    if not schedule.strip():
        return f"is not set, so the timer does not run; {_ADVICE}"
    seconds = _read_timespan(schedule)
    if seconds is not None:
        return "" if seconds > 0 else "is not a time span above zero, so the timer would run without a pause"
    texts = [text for text in schedule.split(" ") if text]
    if len(texts) not in (5, 6):
        return f"has {len(texts)} {'field' if len(texts) == 1 else 'fields'}; {_ADVICE}"
    try:
        *_, days, months, _ = [field.read(text) for field, text in zip(_FIELDS[-len(texts) :], texts, strict=True)]
    except ValueError as error:
        return f"{error}; {_ADVICE}"
    if min(days) > max(_LAST_DAYS[month - 1] for month in months):
        return f"names day {min(days)}, which none of its months has, so the timer would never run"
    return ""


@dataclass(frozen=True, slots=True)
class _Field:
    """One field of a schedule; a value with a name may be given as any beginning of it."""

    name: str
    low: int
    high: int
    words: Sequence[str] = ()

    def read(self, text: str) -> set[int]:
        return {value for part in text.split(",") for value in self._read_part(part)}

    def _read_part(self, part: str) -> range:
        values, slash, every = part.partition("/") if part.find("/") > 0 else (part, "", "1")
        step = max(self._to_integer(every, part), 1)
        if values == "*":
            first, last = self.low, self.high
        elif values.find("-") > 0:
            start, _, end = values.partition("-")
            first, last = sorted((self._to_value(start, part), self._to_value(end, part)))
        else:
            first = self._to_value(values, part)
            last = max(first, self.high) if slash else first
        if first < self.low or last > self.high:
            raise self._refuse(part)
        return range(first, last + 1, step)

    def _to_value(self, text: str, part: str) -> int:
        if re.match("[0-9]", text):
            return self._to_integer(text, part)
        for number, word in enumerate(self.words):
            if text and word.startswith(text.casefold()):
                return number + self.low
        raise self._refuse(part)

    def _to_integer(self, text: str, part: str) -> int:
        if not _INTEGER.fullmatch(text) or abs(int(text)) > _LARGEST:
            raise self._refuse(part)
        return int(text)

    def _refuse(self, part: str) -> ValueError:
        return ValueError(
            f"{part!r} cannot be a {self.name} ({self.low} to {self.high}{', or a name' * bool(self.words)})"
        )


_FIELDS = (
    _Field("second", 0, 59),
    _Field("minute", 0, 59),
    _Field("hour", 0, 23),
    _Field("day", 1, 31),
    _Field("month", 1, 12, _MONTHS),
    _Field("day of the week", 0, 6, _DAYS),
)


def _read_timespan(text: str) -> float | None:
    """
    Return the seconds of a time span as .NET reads it, None if it is none.

    >>> _read_timespan("00:15:00"), _read_timespan("5"), _read_timespan("24:00:00"), _read_timespan("25:00")
    (900.0, 432000.0, 2073600.0, None)
    """
    bare = text.strip()
    for pattern in _TIMESPANS:
        found = pattern.fullmatch(bare.removeprefix("-"))
        parts = {unit: float(number) for unit, number in found.groupdict().items()} if found else {}
        if parts and all(int(number) <= _UNITS[unit][1] for unit, number in parts.items()):
            seconds = sum(number * _UNITS[unit][0] for unit, number in parts.items())
            return -seconds if bare.startswith("-") else seconds
    return None


def _schedule_problems(environ: Mapping[str, str]) -> Iterator[str]:
    given = {name.casefold(): value for name, value in environ.items()}
    if problem := find_schedule_problem(given.get(SCHEDULE.casefold(), "")):
        yield f"{SCHEDULE}: {problem}"


def _connection_problems(environ: Mapping[str, str]) -> Iterator[str]:
    try:
        setting, queue = _resolve_connection(environ)
    except ValueError as error:
        yield str(error)
        return
    storage = read_storage(environ)
    ours = _queue_address(storage) if storage is not None else queue  # what is wrong with the setting is said there
    if isinstance(storage, Path):
        yield f"LINEAGE_STORAGE: is a file, and the functions take messages from the account of {setting}"
    elif ours != queue:
        yield (
            f"{setting}: leads to {queue}, and LINEAGE_STORAGE to {ours}: messages would go to a queue that no "
            "function reads; name one account in both"
        )


def _queue_address(storage: Path | StorageAccount | Azurite) -> str:
    if isinstance(storage, Azurite):
        return _address(f"http://127.0.0.1:{storage.base_port + 1}/devstoreaccount1")
    return "" if isinstance(storage, Path) else _address(storage.blob_endpoint.replace(".blob.", ".queue.", 1))


def _resolve_connection(environ: Mapping[str, str]) -> tuple[str, str]:
    """
    Return the name of the setting that says where the queues are, and their host and path.

    Settings are looked up in the order of the storage extension (StorageClientProvider.cs in azure-sdk-for-net).

    Raises:
        ValueError: names the setting that is missing or wrong.
    """
    given = {name.replace("__", ":").casefold(): (name, value.strip()) for name, value in environ.items()}
    for section in (f"AzureWebJobs{CONNECTION}", CONNECTION):
        for key in (f"connectionstrings:{section}".casefold(), section.casefold()):
            members = {name.removeprefix(f"{key}:"): it for name, it in given.items() if name.startswith(f"{key}:")}
            if key in given:
                return given[key][0], _read_connection_string(*given[key])
            if members:
                return _read_members(members, section)
    raise ValueError(
        f"{CONNECTION}__queueServiceUri: is not set; give https://{{account}}.queue.core.windows.net, or a connection "
        f"string in {CONNECTION}"
    )


def _read_members(members: Mapping[str, tuple[str, str]], section: str) -> tuple[str, str]:
    if "accountname" in members:
        setting, account = members["accountname"]
        url = f"https://{account}.queue.core.windows.net" if account else ""
    else:
        nothing = (f"{section}__queueServiceUri", "")
        setting, url = members.get("queueserviceuri") or members.get("serviceuri") or nothing
    address = _address(url)
    if not address:
        raise ValueError(
            f"{setting}: is not the address of a queue service; give https://{{account}}.queue.core.windows.net"
        )
    return setting, address


def _read_connection_string(setting: str, text: str) -> str:
    parts = {
        key.strip().casefold(): value.strip() for key, _, value in (each.partition("=") for each in text.split(";"))
    }
    if parts.get(_DEVELOPMENT, "").casefold() == "true":
        return _queue_address(Azurite())
    account, suffix = parts.get("accountname"), parts.get("endpointsuffix") or "core.windows.net"
    has_key = bool(account and (parts.get("accountkey") or parts.get("sharedaccesssignature")))
    address = _address(parts.get("queueendpoint") or (f"https://{account}.queue.{suffix}" if has_key else ""))
    if not address:
        raise ValueError(
            f"{setting}: is not a storage account's connection string; give one, or {CONNECTION}__queueServiceUri alone"
        )
    return address


def _address(url: str) -> str:
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return ""
    host = "127.0.0.1" if parts.hostname == "localhost" else parts.hostname
    return f"{host}{port}{parts.path.rstrip('/')}" if host and parts.scheme in ("http", "https") else ""


def _switches(environ: Mapping[str, str]) -> Iterator[str]:
    for name, value in environ.items():
        found = re.fullmatch(r"AzureWebJobs[._](\w+)[._]Disabled", name, re.IGNORECASE)
        if found and found[1] in FUNCTIONS and value.strip().casefold() in ("1", "true"):
            yield f"{name}: switches the function {found[1]} off"
