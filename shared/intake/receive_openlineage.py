"""Takes what an OpenLineage client sends: one event or many, and says of each whether it is on the queue."""

import json
import logging
import zlib
from collections.abc import Callable
from datetime import datetime

from shared.intake.allow_list import AllowList
from shared.intake.envelopes import is_openlineage
from shared.intake.message import OPENLINEAGE
from shared.intake.receive import RefusedBodyError, enqueue
from shared.redaction import redact_text
from shared.state.ports import State

BODY_LIMIT = 16 * 1024 * 1024
"""Bytes, after decompression: a plan of Spark's takes a megabyte or a few."""
EVENT_LIMIT = 500
_GZIP = b"\x1f\x8b"
"""How gzip begins, and no JSON."""

logger = logging.getLogger(__name__)


def receive_events(
    body: bytes,
    *,
    encoding: str,
    allowed: AllowList,
    open_state: Callable[[], State],
    now: Callable[[], datetime],
) -> tuple[int, dict[str, object]]:
    """
    Put events on the queue, interpreting no more of them than whose they are.

    Returns:
        The HTTP status and the answer: for an array how many were received, and which were refused and why.

    Raises:
        RefusedBodyError: too large, too many events, none, or the one that it is cannot be taken.
    """
    read = _read(_decompress(body, encoding))
    if not isinstance(read, list):
        if reason := _why_refused(read, allowed):
            raise RefusedBodyError(*reason)
        _enqueue(read, open_state(), now=now)
        return 201, {}
    if len(read) > EVENT_LIMIT:
        raise RefusedBodyError(413, f"there are {len(read)} events; send at most {EVENT_LIMIT}")
    failed: list[dict[str, object]] = []
    for index, event in enumerate(read):
        if reason := _why_refused(event, allowed):
            failed.append({"index": index, "reason": reason[1], "retriable": False})
        else:
            _enqueue(event, open_state(), now=now)
    summary = {"received": len(read), "successful": len(read) - len(failed), "failed": len(failed)}
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
    try:
        return json.loads(body.decode())
    except UnicodeDecodeError as error:
        raise RefusedBodyError(400, f"body: is not UTF-8 ({error.reason})") from error
    except (ValueError, RecursionError) as error:
        raise RefusedBodyError(400, f"body: is not JSON ({error})") from error


def _why_refused(event: object, allowed: AllowList) -> tuple[int, str] | None:
    """
    Say with which status and why an event is not taken; None if it is.

    What is wrong with one in other ways shows when it is processed: it is a dead letter then, and can be looked at.
    """
    if not isinstance(event, dict):
        return 400, f"body: is a JSON {type(event).__name__}, not an event"
    if not is_openlineage(event):
        return 400, "body: is not an OpenLineage event: it has neither run nor job nor dataset"
    if not allowed.jobs:
        return 403, "LINEAGE_OPENLINEAGE_JOBS names no job namespace, so no OpenLineage event is taken"
    job = event.get("job")
    namespace = job.get("namespace") if isinstance(job, dict) else None
    if isinstance(namespace, str) and not allowed.takes_job(namespace):
        return 403, f"job.namespace: {redact_text(namespace[:200])} is not in LINEAGE_OPENLINEAGE_JOBS"
    return None


def _enqueue(event: object, state: State, *, now: Callable[[], datetime]) -> None:
    enqueue([json.dumps(event)], state.queue, state.dead_letters, source=OPENLINEAGE, now=now)
