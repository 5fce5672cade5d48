"""How an attempt at a message ended: the one line in the log, and the dead letter where nothing can be published."""

import logging
from collections.abc import Mapping
from datetime import UTC, datetime

from shared.errors import LineageError
from shared.intake.envelopes import redact_event
from shared.intake.message import MessageBody, seconds_since
from shared.publishing.plan import DEAD_LETTERED, Outcome
from shared.redaction import redact_text
from shared.state.ports import DeadLetters
from shared.telemetry import attempt_facts, record_outcome

logger = logging.getLogger(__name__)


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
