"""Checks events that somebody wants published again and puts them on the queue, one result for each."""

import logging
import uuid
from typing import TYPE_CHECKING

from shared.errors import TerminalError
from shared.intake.envelopes import split_events
from shared.intake.handle import read_event, reason_of, unknown_type
from shared.intake.message import REPLAY
from shared.intake.receive import list_messages
from shared.openlineage.incoming_events import is_openlineage_body
from shared.publishing.plan import Skip
from shared.publishing.plan_openlineage import read_job_event
from shared.redaction import redact_text

if TYPE_CHECKING:
    from shared.bootstrap import Services

BODY_LIMIT = 1024 * 1024
EVENT_LIMIT = 500

logger = logging.getLogger(__name__)


class RefusedReplayError(TerminalError):
    """The body as a whole cannot be taken; `status` is the HTTP status that says so."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def replay_events(body: bytes, *, dry_run: bool, requester: str, services: "Services") -> list[dict[str, str]]:
    """
    Put events on the queue that can be read and come from a workspace on the allow-list.

    Returns:
        For each event `result`: `enqueued`, `would_enqueue` or `refused`, and then `operation_id` or `reason`.

    Raises:
        RefusedReplayError: too large, too many events, or none.
    """
    if len(body) > BODY_LIMIT:
        raise RefusedReplayError(413, f"the body has {len(body)} bytes; send at most {BODY_LIMIT}")
    try:
        events = split_events(body.decode())
    except UnicodeDecodeError as error:
        raise RefusedReplayError(400, f"body: is not UTF-8 ({error.reason})") from error
    if len(events) > EVENT_LIMIT:
        raise RefusedReplayError(413, f"there are {len(events)} events; send at most {EVENT_LIMIT}")
    if not events or not body.strip():
        raise RefusedReplayError(400, "body: has no event")
    results = [_replay(event, dry_run=dry_run, services=services) for event in events]
    logger.info(
        "replay of %d events",
        len(events),
        extra={
            "requester": requester or "holder of the function key",
            "dry_run": dry_run,
            "enqueued": sum(result["result"] == "enqueued" for result in results),
        },
    )
    return results


def _replay(event: str, *, dry_run: bool, services: "Services") -> dict[str, str]:
    try:
        refused, event_id = _read(event, services)
    except TerminalError as error:
        refused = f"{reason_of(error)}: {redact_text(str(error))}"
    if refused:
        return {"result": "refused", "reason": refused}
    if dry_run:
        return {"result": "would_enqueue", "event_id": event_id}
    operation_id = uuid.uuid4().hex
    messages = list_messages(
        event,
        operation_id=operation_id,
        source=REPLAY,
        now=services.now,
        open_dead_letters=lambda: services.dead_letters,
    )
    if not messages:
        return {"result": "refused", "reason": "OversizedEvent: it is a dead letter now", "operation_id": operation_id}
    for message in messages:
        services.queue.put(message)
    return {"result": "enqueued", "event_id": event_id, "operation_id": operation_id}


def _read(event: str, services: "Services") -> tuple[str, str]:
    """Return why an event is refused ("" if it is not), and its id."""
    if is_openlineage_body(event):
        read = read_job_event(event, services.allowed)
        return (read.reason, "") if isinstance(read, Skip) else ("", read.id)
    unknown = unknown_type(event)
    return (unknown, "") if unknown else ("", read_event(event, services.allowed).id)
