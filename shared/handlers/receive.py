"""Accepts events: makes a compact message of each, or a dead letter where no message can hold it."""

import json
import uuid
from collections.abc import Callable, Iterable
from dataclasses import replace
from datetime import datetime

from shared.envelopes import compact_event, redact_event
from shared.handlers.message_body import MessageBody
from shared.handlers.messages import dead_letter
from shared.state.ports import DeadLetters, Queue

MESSAGE_LIMIT = 32 * 1024
"""Bytes of a message. The queue takes 64 KiB after base64, which is 48 KiB before; ours have a few hundred."""


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


def enqueue(
    events: Iterable[str], queue: Queue, dead_letters: DeadLetters, *, source: str, now: Callable[[], datetime]
) -> None:
    """Put events on the queue; one too large for it becomes a dead letter."""
    for event in events:
        message = receive_event(event, source=source, now=now, open_dead_letters=lambda: dead_letters)
        if message is not None:
            queue.put(message)


def _compact(event: str) -> str:
    try:
        return json.dumps(compact_event(json.loads(event)))
    except (ValueError, RecursionError):
        return event
