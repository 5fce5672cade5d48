"""Accepts events: makes a compact message of each, or a dead letter where no message can hold it."""

import json
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from shared.errors import TerminalError
from shared.intake.envelopes import compact_event, is_openlineage, redact_event
from shared.intake.message import MessageBody, dead_letter
from shared.openlineage.incoming_events import compact_run_event, split_large_event
from shared.state.ports import DeadLetters, Queue

MESSAGE_LIMIT = 32 * 1024
"""Bytes of a message. The queue takes 64 KiB after base64, which is 48 KiB before; ours have a few hundred."""
_REST = 1_024
"""Bytes of a message that are not the event."""


class RefusedBodyError(TerminalError):
    """The body of a request as a whole cannot be taken; `status` is the HTTP status that says so."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def receive_event(
    event: str,
    *,
    source: str,
    now: Callable[[], datetime],
    open_dead_letters: Callable[[], DeadLetters],
    operation_id: str = "",
    traceparent: str = "",
    closes: str = "",
) -> str | None:
    """
    Make the message for an event, interpreting nothing.

    Returns:
        The message's text, or None if the event was too large for any and is a dead letter already.
    """
    message = MessageBody(
        redact_event(_compact(event)),
        operation_id or uuid.uuid4().hex,
        source=source,
        received_at=now().isoformat(timespec="milliseconds"),
        traceparent=traceparent,
        closes=closes,
    )
    as_json = message.to_json()
    if len(as_json.encode()) <= MESSAGE_LIMIT:
        return as_json
    dead_letter(
        replace(message, event=event),
        "OversizedEvent",
        f"the event is too large for the queue even without its tags and properties ({len(as_json)} characters)",
        attempts=0,
        dead_letters=open_dead_letters(),
    )
    return None


def list_messages(
    event: str,
    *,
    source: str,
    now: Callable[[], datetime],
    open_dead_letters: Callable[[], DeadLetters],
    operation_id: str = "",
    closes: str = "",
) -> tuple[str, ...]:
    """
    Make the messages for any event; none if it is a dead letter already, because no message can hold it.

    The last of several closes the dead letter that is replayed; each has its own name, so that if one of them fails,
    its dead letter is not closed by the others.
    """
    try:
        members = json.loads(event)
    except (ValueError, RecursionError):
        members = None
    if not is_openlineage(members):
        message = receive_event(
            event,
            source=source,
            now=now,
            open_dead_letters=open_dead_letters,
            operation_id=operation_id,
            closes=closes,
        )
        return () if message is None else (message,)
    compact = compact_run_event(members)
    received_at = now().isoformat(timespec="milliseconds")
    pieces = split_large_event(compact, _fits)
    if pieces is None:
        whole = MessageBody(json.dumps(compact), operation_id or uuid.uuid4().hex, source, received_at, closes=closes)
        dead_letter(
            whole,
            "OversizedEvent",
            "the event is too large for the queue, and cannot be taken apart by its data sets and their columns",
            attempts=0,
            dead_letters=open_dead_letters(),
        )
        return ()
    *others, last = (
        MessageBody(json.dumps(piece), uuid.uuid4().hex, source=source, received_at=received_at) for piece in pieces
    )
    last = replace(last, operation_id=operation_id or last.operation_id, closes=closes)
    return tuple(each.to_json() for each in (*others, last))


def enqueue(
    events: Iterable[str], queue: Queue, dead_letters: DeadLetters, *, source: str, now: Callable[[], datetime]
) -> None:
    """Put events on the queue; one too large for it becomes a dead letter."""
    for event in events:
        for message in list_messages(event, source=source, now=now, open_dead_letters=lambda: dead_letters):
            queue.put(message)


def _compact(event: str) -> str:
    try:
        return json.dumps(compact_event(json.loads(event)))
    except (ValueError, RecursionError):
        return event


def _fits(event: Mapping[str, Any]) -> bool:
    return len(json.dumps(json.dumps(event))) <= MESSAGE_LIMIT - _REST
