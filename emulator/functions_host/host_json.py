"""What host.json says, and what the host refuses in it."""

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any, Self

BUNDLES = frozenset(
    f"Microsoft.Azure.Functions.ExtensionBundle{kind}" for kind in ("", ".Preview", ".Experimental", ".Workflows")
)
"""All there are to download: https://learn.microsoft.com/azure/azure-functions/extension-bundles."""
MAX_BATCH_SIZE = 32
SHORTEST_POLLING_INTERVAL = timedelta(milliseconds=100)
SHORTEST_TIMEOUT = timedelta(seconds=1)
DEFAULT_TIMEOUT = timedelta(minutes=30)
_LONGEST_DAYS = 10_675_199
"""What 64 bits of ticks hold, each a ten-millionth of a second."""
_TIMESPANS = (
    re.compile(r"(?:(?P<days>\d+)[.:])?(?P<hours>\d+):(?P<minutes>\d+):(?P<seconds>\d+(?:\.\d+)?)", re.ASCII),
    re.compile(r"(?:(?P<days>\d+)\.)?(?P<hours>\d+):(?P<minutes>\d+)(?P<seconds>)", re.ASCII),
)
_VERSION_RANGE = re.compile(r"[\[(]?\s*\d+(\.(\d+|\*))*\s*(,\s*(\d+(\.(\d+|\*))*)?\s*)?[\])]?")


class HostJsonError(ValueError):
    """The host does not start with this host.json; the message says why."""


@dataclass(frozen=True, slots=True)
class QueueOptions:
    """``extensions.queues``; the defaults are the host's."""

    batch_size: int = 16
    new_batch_threshold: int = 8
    max_dequeue_count: int = 5
    visibility_timeout: timedelta = timedelta(0)
    max_polling_interval: timedelta = timedelta(minutes=1)
    base64: bool = True
    """``messageEncoding``: whether bodies on the queue are base64, or just as they are."""

    @classmethod
    def parse(cls, options: Mapping[str, Any]) -> Self:
        """Read the section, as QueuesOptions.cs of azure-sdk-for-net does; raises HostJsonError."""
        encoding = str(options.get("messageEncoding", "base64")).casefold()
        if encoding not in ("base64", "none"):
            raise HostJsonError(f"messageEncoding {encoding!r} is unknown")
        batch_size = _integer(options, "batchSize", 16, at_least=1)
        if batch_size > MAX_BATCH_SIZE:
            raise HostJsonError(f"batchSize {batch_size} is more than {MAX_BATCH_SIZE}")
        polling = _timespan(options, "maxPollingInterval", timedelta(minutes=1))
        if polling < SHORTEST_POLLING_INTERVAL:
            raise HostJsonError("maxPollingInterval is shorter than 100 ms")
        return cls(
            batch_size=batch_size,
            new_batch_threshold=_integer(
                options, "newBatchThreshold", batch_size // 2 * (os.cpu_count() or 1), at_least=0
            ),
            max_dequeue_count=_integer(options, "maxDequeueCount", 5, at_least=1),
            visibility_timeout=_timespan(options, "visibilityTimeout", timedelta(0)),
            max_polling_interval=polling,
            base64=encoding == "base64",
        )


@dataclass(frozen=True, slots=True)
class HostOptions:
    """host.json as a whole; ``timeout`` is None if functions may run for ever."""

    queues: QueueOptions = QueueOptions()
    route_prefix: str = "api"
    timeout: timedelta | None = DEFAULT_TIMEOUT

    @classmethod
    def read(cls, app_dir: Path) -> Self:
        """Read the file of an app; one that is missing is as good as an empty one. Raises HostJsonError."""
        file = app_dir / "host.json"
        try:
            return cls.parse(json.loads(file.read_text(encoding="utf-8")) if file.exists() else {})
        except (UnicodeDecodeError, json.JSONDecodeError) as error:
            raise HostJsonError(f"Unable to parse host configuration file '{file}'.") from error

    @classmethod
    def parse(cls, members: Any) -> Self:
        """
        Read the members; those that are unknown are accepted without a word. Raises HostJsonError.

        >>> HostOptions.parse({"version": "2.0", "functionTimeout": "-1"}).timeout
        """
        if not isinstance(members, dict):
            raise HostJsonError("host.json is no object")
        if members and members.get("version") != "2.0":
            raise HostJsonError(f"'version' is {members.get('version')!r}; it has to be '2.0'")
        _check_bundle(members.get("extensionBundle"))
        extensions = members.get("extensions") or {}
        return cls(
            queues=QueueOptions.parse(extensions.get("queues") or {}),
            route_prefix=(extensions.get("http") or {}).get("routePrefix", "api"),
            timeout=_timeout(members.get("functionTimeout")),
        )


def parse_timespan(text: str) -> timedelta:
    """
    Read a .NET TimeSpan that is not negative; raises ValueError.

    A single number counts days, and so does the first of three where it is no hour.
    https://learn.microsoft.com/dotnet/api/system.timespan.parse

    >>> parse_timespan("00:00:30"), parse_timespan("5"), parse_timespan("24:00:00")
    (datetime.timedelta(seconds=30), datetime.timedelta(days=5), datetime.timedelta(days=24))
    """
    text = text.strip()
    if re.fullmatch(r"[0-9]{1,8}", text) and int(text) <= _LONGEST_DAYS:
        return timedelta(days=int(text))
    found = next(filter(None, (pattern.fullmatch(text) for pattern in _TIMESPANS)), None)
    if found is not None:
        days, hours, minutes = (int(found[name] or 0) for name in ("days", "hours", "minutes"))
        seconds = float(found["seconds"] or 0)
        if hours <= 23 and minutes <= 59 and seconds < 60:
            return timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        if not found["days"] and found["seconds"].isdecimal() and minutes <= 23 and seconds < 60:
            return timedelta(days=hours, hours=minutes, minutes=seconds)
    raise ValueError(f"{text!r} is no time span")


def _check_bundle(bundle: Any) -> None:
    if bundle is None:
        return
    version = bundle.get("version") if isinstance(bundle, dict) else None
    if not isinstance(version, str) or not _VERSION_RANGE.fullmatch(version):
        raise HostJsonError(f"extensionBundle: {version!r} is no range of versions")
    if bundle.get("id") not in BUNDLES:
        raise HostJsonError(f"extensionBundle {bundle.get('id')!r} cannot be downloaded")


def _timeout(given: Any) -> timedelta | None:
    if given is None:
        return DEFAULT_TIMEOUT
    if str(given) == "-1":
        return None
    timeout = _timespan({"functionTimeout": given}, "functionTimeout", DEFAULT_TIMEOUT)
    if timeout < SHORTEST_TIMEOUT:
        raise HostJsonError("functionTimeout must be one second or more")
    return timeout


def _timespan(options: Mapping[str, Any], name: str, default: timedelta) -> timedelta:
    given = options.get(name)
    if given is None:
        return default
    try:
        return parse_timespan(str(given))
    except ValueError as error:
        raise HostJsonError(f"{name}: {error}") from error


def _integer(options: Mapping[str, Any], name: str, default: int, *, at_least: int) -> int:
    given = options.get(name, default)
    try:
        number = int(given)
    except (TypeError, ValueError) as error:
        raise HostJsonError(f"{name} {given!r} is no number") from error
    if number < at_least:
        raise HostJsonError(f"{name} {number} is less than {at_least}")
    return number
