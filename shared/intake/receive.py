"""
Accepts events: makes a compact message of each, or a dead letter where no message can hold it.

Of what OpenLineage clients send by HTTP, one event or many, it says for each whether it is on the queue.
"""

import json
import logging
import uuid
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

from shared.errors import TerminalError
from shared.intake.allow_list import AllowList
from shared.intake.envelopes import is_openlineage, shrink_event
from shared.intake.message import MESSAGE_LIMIT, OPENLINEAGE, MessageBody, dead_letter
from shared.openlineage.incoming_events import compact_run_event, split_large_event
from shared.redaction import redact_text
from shared.state.ports import DeadLetters, Queue, State
from shared.telemetry import record_refusal

logger = logging.getLogger(__name__)

_REST = 1_024
"""Bytes of a message that are not the event."""
BODY_LIMIT = 16 * 1024 * 1024
"""Bytes of an OpenLineage request, after decompression: a plan of Spark's takes a megabyte or a few."""
EVENT_LIMIT = 500
ELEMENT_LIMIT = 1_000_000
"""Of JSON, in one request: each takes a hundred bytes of memory or so, however few it has in the body."""
_BEFORE_ELEMENTS = (b",", b"[", b"{")
_GZIP = b"\x1f\x8b"
"""How gzip begins, and JSON does not."""


class RefusedBodyError(TerminalError):
    """The body of a request as a whole cannot be taken; `status` is the HTTP status that says so."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


@contextmanager
def recorded_refusal(source: str) -> Iterator[None]:
    """Log and count the refusal of a request as a whole, which leaves nothing else behind."""
    try:
        yield
    except RefusedBodyError as error:
        record_refusal(source, error.status)
        logger.warning("request refused", extra={"source": source, "status": error.status, "reason": str(error)})
        raise


def refuse_lost_body(body: bytes, headers: Mapping[str, str]) -> None:
    """
    Refuse an empty body whose length was not sent: what there was of it, the Functions host has dropped.

    It hands a body to the worker only if the request has a Content-Length above 0 (GrpcMessageConversionExtensions.cs
    in azure-functions-host), and so none that comes in chunks.

    Raises:
        RefusedBodyError: status 411.
    """
    if body:
        return
    sent = {name.casefold(): value.strip() for name, value in headers.items()}
    if "content-length" not in sent or "chunked" in sent.get("transfer-encoding", "").casefold():
        raise RefusedBodyError(
            411,
            "body: came without Content-Length, and Azure Functions drops such a body; send its length, not chunks "
            "(OpenLineage's Java client: without transport.compression)",
        )


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
        shrink_event(event),
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


def receive_openlineage(
    body: bytes,
    *,
    headers: Mapping[str, str],
    allowed: AllowList,
    open_state: Callable[[], State],
    now: Callable[[], datetime],
) -> tuple[int, dict[str, object]]:
    """
    Put events on the queue, interpreting no more of them than whose they are.

    Args:
        headers: those of the request, by their names in lower case.

    Returns:
        The HTTP status and the answer: for an array how many were received, and which were refused and why.

    Raises:
        RefusedBodyError: too large, too many events, none, or the one that it is cannot be taken.
    """
    with recorded_refusal(OPENLINEAGE):
        refuse_lost_body(body, headers)
        if not allowed.jobs:
            raise RefusedBodyError(
                403, "LINEAGE_OPENLINEAGE_JOBS names no job namespace, so no OpenLineage event is taken"
            )
        read = _read(_decompress(body, headers.get("content-encoding", "")))
        refusals = _list_refusals(read, allowed)
    events = read if isinstance(read, list) else [read]
    if taken := [json.dumps(event) for index, event in enumerate(events) if index not in refusals]:
        state = open_state()
        enqueue(taken, state.queue, state.dead_letters, source=OPENLINEAGE, now=now)
    if not isinstance(read, list):
        return 201, {}
    failed = [{"index": index, "reason": reason, "retriable": False} for index, (_, reason) in refusals.items()]
    summary = {"received": len(read), "successful": len(taken), "failed": len(failed)}
    if failed:
        logger.warning("OpenLineage events refused", extra={**summary, "reason": failed[0]["reason"]})
    status = "partial_success" if failed else "success"
    return 207 if failed else 200, {"status": status, "summary": summary, "failed_events": failed}


def _decompress(body: bytes, encoding: str) -> bytes:
    how = encoding.strip().casefold()
    # A proxy in front of the app may have decompressed it, and left the header as it was.
    if how in ("", "identity") or (how == "gzip" and not body.startswith(_GZIP)):
        plain = body
    elif how == "gzip":
        unzip = zlib.decompressobj(wbits=31)
        try:
            plain = unzip.decompress(body, BODY_LIMIT + 1)
        except zlib.error as error:
            raise RefusedBodyError(400, f"body: is not gzip ({error})") from error
        if len(plain) <= BODY_LIMIT and not unzip.eof:
            raise RefusedBodyError(400, "body: is not gzip (it ends too early)")
    else:
        raise RefusedBodyError(415, "Content-Encoding: send gzip, or nothing")
    if len(plain) > BODY_LIMIT:
        raise RefusedBodyError(413, f"the body has more than {BODY_LIMIT} bytes; send fewer events at once")
    return plain


def _read(body: bytes) -> object:
    if sum(map(body.count, _BEFORE_ELEMENTS)) > ELEMENT_LIMIT:
        raise RefusedBodyError(413, f"the body has more than {ELEMENT_LIMIT} elements; send fewer events at once")
    try:
        return json.loads(body.decode())
    except UnicodeDecodeError as error:
        raise RefusedBodyError(400, f"body: is not UTF-8 ({error.reason})") from error
    except (ValueError, RecursionError) as error:
        raise RefusedBodyError(400, f"body: is not JSON ({error})") from error


def _list_refusals(read: object, allowed: AllowList) -> dict[int, tuple[int, str]]:
    """Return of each event of an array that is not taken the status and the reason; of a single event, raise them."""
    events = read if isinstance(read, list) else [read]
    if len(events) > EVENT_LIMIT:
        raise RefusedBodyError(413, f"there are {len(events)} events; send at most {EVENT_LIMIT}")
    refusals = {index: reason for index, event in enumerate(events) if (reason := _why_refused(event, allowed))}
    if refusals and not isinstance(read, list):
        raise RefusedBodyError(*refusals[0])
    return refusals


def _why_refused(event: object, allowed: AllowList) -> tuple[int, str] | None:
    """
    Say with which status and why an event is not taken; None if it is.

    What is wrong with one in other ways shows when it is processed: it is a dead letter then, and can be looked at.
    """
    if not isinstance(event, dict):
        return 400, f"body: is a JSON {type(event).__name__}, not an event"
    if not is_openlineage(event):
        return 400, "body: is not an OpenLineage event: it has neither run nor job nor dataset"
    job = event.get("job")
    namespace = job.get("namespace") if isinstance(job, dict) else None
    if isinstance(namespace, str) and not allowed.takes_job(namespace):
        return 403, f"job.namespace: {redact_text(namespace[:200])} is not in LINEAGE_OPENLINEAGE_JOBS"
    return None


def _fits(event: Mapping[str, Any]) -> bool:
    return len(json.dumps(json.dumps(event))) <= MESSAGE_LIMIT - _REST
