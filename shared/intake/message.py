"""What a queue message holds, and how an attempt at it ended: the one line in the log, and the dead letter."""

import base64
import json
import logging
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from typing import Any, Self

from shared.errors import LineageError
from shared.intake.envelopes import redact_event, shrink_event
from shared.publishing.plan import DEAD_LETTERED, Outcome
from shared.redaction import redact_text
from shared.state.ports import DeadLetters
from shared.telemetry import attempt_facts, record_outcome

logger = logging.getLogger(__name__)

EVENT_GRID, REPLAY, RECONCILE, BACKFILL = "event_grid", "replay", "reconcile", "backfill"
OPENLINEAGE = "openlineage"
MESSAGE_LIMIT = 32 * 1024
"""Bytes of a message. The queue takes 64 KiB after base64, which is 48 KiB before; ours have a few hundred."""


@dataclass(frozen=True, slots=True)
class MessageBody:
    """
    The body of a message.

    Attributes:
        event: one event as JSON text.
        operation_id: names this acceptance of the event in logs, and its dead letter if it comes to that.
        source: who put it on the queue.
        received_at: when it was accepted, ISO 8601; "" if that was not noted.
        traceparent: the W3C trace context it was accepted in; a queue does not carry it by itself.
        deferrals: how often it was put back with a delay.
        force: everything is written and looked up again, also what the ledger has as unchanged.
        closes: the dead letter that is closed when this ends well.
        lease_waits: how often it was put back because another worker held the lease of its run tree, one after another.
        lease_since: when the first of these waits began, ISO 8601.
        failures: how many attempts ended unexpectedly, by an exception or because the process ended.
        returned: it came back from the poison queue, and no attempt at it has ended since.
    """

    event: str
    operation_id: str
    source: str = EVENT_GRID
    received_at: str = ""
    traceparent: str = ""
    deferrals: int = 0
    closes: str = ""
    force: bool = False
    lease_waits: int = 0
    lease_since: str = ""
    failures: int = 0
    returned: bool = False

    @classmethod
    def parse(cls, text: str, *, message_id: str) -> Self:
        """
        Read a message; one that is a bare event, as Event Grid itself would put it on a queue, is taken as such.

        >>> MessageBody.parse('{"id": "e1"}', message_id="m1").operation_id
        'm1'
        """
        try:
            members = json.loads(text)
        except (ValueError, RecursionError):
            members = None
        if not isinstance(members, dict) or not {"event", "operation_id"} <= set(members):
            return cls(text, message_id)
        texts = {
            name: str(members.get(name) or "")
            for name in ("operation_id", "source", "received_at", "traceparent", "closes", "lease_since")
        }
        texts["operation_id"] = texts["operation_id"] or message_id
        event = members["event"]
        return cls(
            event=event if isinstance(event, str) else json.dumps(event),
            deferrals=_to_count(members.get("deferrals")),
            lease_waits=_to_count(members.get("lease_waits")),
            failures=_to_count(members.get("failures")),
            force=members.get("force") is True,
            returned=members.get("returned") is True,
            **texts,
        )

    def to_json(self) -> str:
        return json.dumps({name: value for name, value in asdict(self).items() if value or name == "event"})

    @property
    def facts(self) -> dict[str, object]:
        """What the line of its outcome in the log says about it."""
        counts = {"deferrals": self.deferrals, "lease_waits": self.lease_waits, "failures": self.failures}
        return {"operation_id": self.operation_id, "source": self.source, **counts}

    def deferred(self) -> Self:
        """Return the same message, put back again; this attempt did not end unexpectedly."""
        return self._copy(deferrals=self.deferrals + 1, lease_waits=0, lease_since="", failures=0, returned=False)

    def waiting_for_lease(self, now: datetime) -> Self:
        """Return the same message, put back until another worker is done."""
        known = seconds_since(self.lease_since, now) is not None
        since = self.lease_since if known else now.isoformat(timespec="seconds")
        return self._copy(lease_waits=self.lease_waits + 1, lease_since=since, returned=False)

    def failed(self) -> Self:
        """Return the same message after another attempt that ended unexpectedly."""
        return self._copy(failures=self.failures + 1, returned=False)

    def taken_back(self) -> Self:
        """Return the same message, back from the poison queue."""
        return self._copy(returned=True)

    def _copy(self, **changes: Any) -> Self:
        """Leave out what is not read of a large event: what fills a message by itself is too much inside of another."""
        copy = replace(self, **changes)
        return copy if len(copy.to_json()) <= MESSAGE_LIMIT else replace(copy, event=shrink_event(self.event))


def _to_count(value: object) -> int:
    return max(value, 0) if isinstance(value, int) else 0


def decode_body(content: str) -> str:
    """
    Undo the base64 that most senders use, Event Grid among them; anything else is returned unchanged.

    The host could do that too, but would move a body that is not base64 past us to the poison queue, and fail there.

    >>> decode_body("eyJpZCI6ICJlIn0="), decode_body('{"id": "e"}')
    ('{"id": "e"}', '{"id": "e"}')
    """
    try:
        return base64.b64decode("".join(content.split()), validate=True).decode()
    except ValueError:
        return content


def seconds_since(received_at: str, now: datetime) -> float | None:
    """Return how long ago a message was accepted, None if that is not known."""
    try:
        return (now - datetime.fromisoformat(received_at)).total_seconds()
    except (ValueError, TypeError):
        return None


def describe_error(error: Exception) -> tuple[str, str]:
    """Return the word that dead letters and logs group by, and the details without secrets."""
    reason = error.reason if isinstance(error, LineageError) else f"Unexpected{type(error).__name__}"
    return reason, redact_text(str(error))


def dead_letter_error(body: MessageBody, error: Exception, *, attempts: int, dead_letters: DeadLetters) -> Outcome:
    """Dead-letter a message because of an error."""
    return dead_letter(body, *describe_error(error), attempts=attempts, dead_letters=dead_letters)


def dead_letter(body: MessageBody, reason: str, detail: str, *, attempts: int, dead_letters: DeadLetters) -> Outcome:
    """Store a message's event with the reason, both free of secrets; doing so again replaces the dead letter."""
    detail = redact_text(detail)
    dead_letters.put(
        reason=reason,
        detail=detail,
        body=redact_event(body.event),
        attempts=attempts,
        id=body.closes or body.operation_id,
    )
    log_outcome(body, DEAD_LETTERED, reason=reason, detail=detail, attempt=attempts)
    return Outcome(DEAD_LETTERED, reason=f"{reason}: {detail}")


def log_outcome(
    body: MessageBody,
    outcome: str,
    *,
    reason: str = "",
    detail: str,
    attempt: int,
    facts: Mapping[str, object] | None = None,
    event_time: datetime | None = None,
) -> None:
    """Log the one line of how an attempt ended, with all that is known of it but the payload, and count it."""
    now = datetime.now(UTC)
    own = {"outcome": outcome, "reason": reason, "detail": detail, "attempt": attempt}
    waited = {"seconds_since_received": seconds_since(body.received_at, now)}
    logger.info("message %s", outcome, extra={**body.facts, **attempt_facts(), **own, **waited, **(facts or {})})
    seconds = (now - event_time).total_seconds() if event_time else None
    record_outcome(outcome, reason=reason, source=body.source, seconds_since_event=seconds)
