"""Where Event Grid leaves events it could not deliver: JSON files, named and shaped as the service does it."""

import json
import uuid
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from azure.core.exceptions import ResourceExistsError
from azure.storage.blob import BlobServiceClient

CONTAINER = "eventgrid-deadletter"

Event = Mapping[str, Any]
Writer = Callable[[str, bytes], None]
"""Stores one file: its name, folders included, and its content."""


@dataclass(frozen=True, slots=True)
class Failure:
    """Why and when the delivery of some events was given up."""

    attempts: int
    outcome: str
    published: datetime
    last_attempt: datetime
    reason: str = "MaxDeliveryAttemptsExceeded"

    def describe(self, event: Event, *, lower_case: bool) -> dict[str, Any]:
        """Give the event with the members Event Grid adds; CloudEvents have them in lower case."""
        added = {
            "deadLetterReason": self.reason,
            "deliveryAttempts": self.attempts,
            "lastDeliveryOutcome": self.outcome,
            "publishTime": _to_text(self.published),
            "lastDeliveryAttemptTime": _to_text(self.last_attempt),
        }
        return {**event, **({name.lower(): value for name, value in added.items()} if lower_case else added)}


def to_file(events: Iterable[Event], failure: Failure, *, lower_case: bool) -> bytes:
    """Give the content of the file for events that failed together: always an array."""
    return json.dumps([failure.describe(event, lower_case=lower_case) for event in events], indent=2).encode()


def file_name(topic: str, subscription: str, time: datetime) -> str:
    """
    Name a new file: topic, subscription, year, month, day and hour (none padded), then a GUID.

    >>> file_name("/subscriptions/0/systemTopics/t", "lineage", datetime(2026, 7, 1, 5, tzinfo=UTC))[:-41]
    't/lineage/2026/7/1/5/'
    """
    name = topic.rstrip("/").rpartition("/")[2]
    utc = time.astimezone(UTC)
    return f"{name}/{subscription}/{utc.year}/{utc.month}/{utc.day}/{utc.hour}/{uuid.uuid4()}.json"


def folder(path: Path) -> Writer:
    """Store files below a folder."""

    def write(name: str, content: bytes) -> None:
        file = path / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)

    return write


def blob_container(connection_string: str, container: str = CONTAINER) -> Writer:
    """Store files as blobs, creating the container at the first one."""

    def write(name: str, content: bytes) -> None:
        with BlobServiceClient.from_connection_string(connection_string) as service:
            with suppress(ResourceExistsError):  # the usual case
                service.create_container(container)
            service.get_blob_client(container, name).upload_blob(content)

    return write


def _to_text(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
