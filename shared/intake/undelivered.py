"""Reads what Event Grid could not deliver: files of events that never reached us."""

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Protocol

from shared.errors import MalformedEventError
from shared.intake.envelopes import split_events


class Undelivered(Protocol):
    """
    The files Event Grid has left. Every method may raise ServiceUnavailableError, AccessDeniedError and
    RequestRefusedError, and RecordNotFoundError where there is no such file.
    """

    def list_names(self, *, since: datetime | None = None) -> Iterator[str]:
        """Return the files that were not replayed yet and were written at a time or later."""
        ...

    def read(self, name: str) -> bytes: ...

    def set_aside(self, name: str) -> None:
        """Move a file to those that were replayed; of no effect if it is gone."""
        ...

    def close(self) -> None: ...


def read_events(content: bytes) -> list[str]:
    """
    Read the events of a file.

    Raises:
        MalformedEventError: it is not UTF-8, not JSON, or neither an event nor an array.

    >>> read_events(b'[{"id": "e", "deadLetterReason": "MaxDeliveryAttemptsExceeded"}]')
    ['{"id": "e", "deadLetterReason": "MaxDeliveryAttemptsExceeded"}']
    """
    try:
        text = content.decode("utf-8-sig")
        members = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise MalformedEventError("file", f"is not JSON in UTF-8 ({error})") from error
    if not isinstance(members, dict | list):
        raise MalformedEventError("file", f"is a JSON {type(members).__name__}, neither an event nor an array of them")
    return split_events(text)
