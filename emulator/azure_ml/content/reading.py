"""Reading the small values of a seed document: times, texts, ``name:version``."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

Node = Mapping[str, Any]

# When a scenario does not say: nothing in the emulator reads a real clock.
START = datetime(2026, 7, 1, 10, 0, tzinfo=UTC)
SHORTEST = timedelta(minutes=1)
"""What a run takes when a scenario does not say."""
AUTHOR = "Ann Example"


def read_time(value: object, default: datetime = START) -> datetime:
    """Read an ISO time; one without an offset is UTC."""
    if value is None:
        return default
    time = datetime.fromisoformat(str(value))
    return time if time.tzinfo else time.replace(tzinfo=UTC)


def texts(node: Node | None) -> dict[str, str]:
    """Read tags and properties: the services know them as text only."""
    return {str(key): str(value) for key, value in (node or {}).items()}


def split_label(label: str) -> tuple[str, str]:
    """
    Split ``name:version`` at the last colon.

    >>> split_label("creditrisk_model:2")
    ('creditrisk_model', '2')
    """
    name, colon, version = label.rpartition(":")
    if not colon or not name or not version:
        raise ValueError(f"{label!r} is not name:version")
    return name, version
