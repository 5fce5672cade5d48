"""
Handles messages under the delivery contract: returning means done with it, raising means bring it back.

In the Functions host, what may get better later waits as a copy. The command line has no host, and does what it does.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta

from shared.errors import (
    AnnouncementRefusedError,
    EntityRejectedError,
    LeaseHeldError,
    LineageError,
    ServiceUnavailableError,
    TerminalError,
    TransientError,
)
from shared.intake.allow_list import AllowList, read_any_event
from shared.intake.envelopes import event_type_of
from shared.intake.event_types import Event, RunSubject
from shared.intake.message import (
    EVENT_GRID,
    OPENLINEAGE,
    MessageBody,
    dead_letter,
    dead_letter_error,
    describe_error,
    log_outcome,
)
from shared.publishing.engine import Publisher
from shared.publishing.plan import CAME_BACK, DEFERRED, PUBLISHED, SKIPPED, AnyEvent, Outcome, Skip
from shared.state.ports import DeadLetters, Message, Notes, Queue
from shared.telemetry import attempt as start_attempt
from shared.telemetry import describe_attempt

logger = logging.getLogger(__name__)

_LONGEST_RETRY_AFTER = 86_400.0
"""Seconds; a service may ask for more than a time can hold."""


def handle_message(
    body: MessageBody,
    *,
    attempt: int,
    allowed: AllowList,
    publisher: Publisher,
    dead_letters: DeadLetters,
    force: bool = False,
) -> Outcome:
    """
    Process one message.

    A terminal failure is dead-lettered *before* we return, so that a message is never both gone from the queue and
    absent from the dead letters. If the dead letter cannot be stored, we raise.
    """
    event: AnyEvent | None = None
    force = force or body.force
    try:
        read = read_any_event(body.event, allowed)
        if isinstance(read, Skip):
            outcome = Outcome(SKIPPED, reason=read.reason)
        else:
            event = read
            describe_attempt(**_facts_of(event))
            if body.source == EVENT_GRID and not force and publisher.is_known_already(event):
                outcome = Outcome(SKIPPED, reason="what it announces was read and published after it happened")
            else:
                outcome = publisher.publish(event, force=force)
    except TerminalError as error:
        # Of the first the publisher has noted it itself; of the second the catalog has the lineage.
        if event is not None and not isinstance(error, EntityRejectedError | AnnouncementRefusedError):
            publisher.note_failure(event, ": ".join(describe_error(error)))
        return dead_letter_error(body, error, attempts=attempt, dead_letters=dead_letters)
    if body.closes:
        dead_letters.close(body.closes)
    facts = {
        "subject": outcome.subject,
        "entities_written": outcome.written,
        "matches": dict(outcome.matches),
        "match_rules": dict(outcome.rules),
    }
    first_time = outcome.outcome == PUBLISHED and body.source in (EVENT_GRID, OPENLINEAGE)
    log_outcome(
        body,
        outcome.outcome,
        detail=outcome.reason,
        attempt=attempt,
        facts=facts,
        event_time=event.time if event and first_time else None,
    )
    return outcome


def _facts_of(event: AnyEvent) -> dict[str, str]:
    if not isinstance(event, Event):
        return {"event_id": event.id, "run_id": event.run.run_id}
    run_id = event.subject.run_id if isinstance(event.subject, RunSubject) else ""
    return {"event_id": event.id, "workspace_id": event.workspace.arm_id, "run_id": run_id}


@dataclass(frozen=True, slots=True)
class Patience:
    """
    How long a message waits for what may get better, and how often.

    It waits as a copy with a delay, so that an outage of hours does not use up the host's few attempts. Twice as long
    each time, to `longest`: with these numbers about a day, also for a lease that another worker holds.
    """

    first: timedelta = timedelta(seconds=30)
    first_for_lease: timedelta = timedelta(seconds=2)
    longest: timedelta = timedelta(hours=1)
    longest_for_lease: timedelta = timedelta(minutes=5)
    deferrals: int = 30
    deferrals_for_lease: int = 290

    def allows(self, error: TransientError, deferrals: int) -> bool:
        """Whether a message that was put back so often may wait once more."""
        return deferrals < (self.deferrals_for_lease if isinstance(error, LeaseHeldError) else self.deferrals)

    def delay(self, error: TransientError, deferrals: int) -> timedelta:
        """
        >>> Patience().delay(TransientError(), 3)
        datetime.timedelta(seconds=240)
        """
        held = isinstance(error, LeaseHeldError)
        first, longest = (self.first_for_lease, self.longest_for_lease) if held else (self.first, self.longest)
        delay = min(first * int(2 ** min(deferrals, 20)), longest)
        if isinstance(error, ServiceUnavailableError) and error.retry_after:
            delay = max(delay, timedelta(seconds=min(error.retry_after, self.longest.total_seconds())))
        return delay


@dataclass(frozen=True, slots=True)
class LastEvent:
    """The type of an event of Event Grid and when we took it."""

    event_type: str
    at: datetime


class LastEventNote:
    """
    Notes when the last event arrived from Event Grid, once a minute and process at most.

    Whether any arrive at all is the first question where lineage is missing. Methods may raise what the notes raise.
    """

    _NAME = "events/last"
    _EVERY = timedelta(minutes=1)

    def __init__(self, notes: Notes, now: Callable[[], datetime]) -> None:
        self._notes = notes
        self._now = now
        self._written_at: datetime | None = None

    def write(self, event_type: str) -> None:
        """Note an event that has come now."""
        now = self._now()
        if self._written_at is None or now - self._written_at >= self._EVERY:
            self._notes.put(self._NAME, {"event_type": event_type, "at": now.isoformat(timespec="seconds")})
            self._written_at = now

    @classmethod
    def read(cls, notes: Notes) -> LastEvent | None:
        """Return what was noted last by any process; None if nothing ever was."""
        note = notes.get(cls._NAME)
        return LastEvent(str(note["event_type"]), datetime.fromisoformat(str(note["at"]))) if note else None


@dataclass(frozen=True, slots=True)
class Deliveries:
    """The use case of the queue trigger and of the trigger on its poison queue."""

    queue: Queue
    dead_letters: DeadLetters
    notes: Notes
    publisher: Publisher
    allowed: AllowList
    last_event: LastEventNote
    patience: Patience = Patience()

    def handle(self, message: Message, *, force: bool = False) -> Outcome:
        """Process one message, and raise what may get better later."""
        return handle_message(
            MessageBody.parse(message.body, message_id=message.id),
            attempt=message.dequeue_count,
            allowed=self.allowed,
            publisher=self.publisher,
            dead_letters=self.dead_letters,
            force=force,
        )

    def publish(self, message: Message) -> Outcome:
        """
        Process one message. Returning means done with it; raising means that the host brings it back.

        Whatever follows from a message (its copy with a delay, its dead letter) is stored before we return.
        """
        body = MessageBody.parse(message.body, message_id=message.id)
        with start_attempt("publish lineage", traceparent=body.traceparent):
            try:
                outcome = self._publish(message, body)
            except Exception as error:
                self._note_failure(body, message, error)
                raise
        try:
            if message.dequeue_count > 1 and outcome.outcome != DEFERRED:
                self.notes.forget(_note_name(body))
            if body.source == EVENT_GRID:
                self.last_event.write(event_type_of(body.event))
        except LineageError as error:  # what is done must not come back for it; an old note does no harm
            logger.warning("a note is out of date", extra={**body.facts, "detail": describe_error(error)[1]})
        return outcome

    def _publish(self, message: Message, body: MessageBody) -> Outcome:
        try:
            return self.handle(message)
        except TransientError as error:
            if self.patience.allows(error, body.deferrals):
                return self._defer(body, error, message)
            return dead_letter_error(body, error, attempts=body.deferrals + 1, dead_letters=self.dead_letters)

    def collect_poison(self, message: Message) -> Outcome:
        """Dead-letter a message that the host gave up on, with the last reason we noted before it did."""
        body = MessageBody.parse(message.body, message_id=message.id)
        noted = self.notes.get(_note_name(body)) or {}
        attempts = noted.get("attempt")
        outcome = dead_letter(
            body,
            str(noted.get("reason") or "PoisonMessage"),
            str(noted.get("detail") or "the host gave up on it and no attempt said why: was the process killed?"),
            attempts=attempts if isinstance(attempts, int) else 0,
            dead_letters=self.dead_letters,
        )
        self.notes.forget(_note_name(body))
        return outcome

    def _defer(self, body: MessageBody, error: TransientError, message: Message) -> Outcome:
        if message.dequeue_count > 1:
            # Before the copy is stored: failing here brings the message back, failing after it would make two of it.
            self.notes.forget(_note_name(body))
        delay = self.patience.delay(error, body.deferrals)
        self.queue.put(body.deferred().to_json(), delay=delay)
        reason, detail = describe_error(error)
        delayed = {"delay_seconds": delay.total_seconds()}
        log_outcome(body, DEFERRED, reason=reason, detail=detail, attempt=message.dequeue_count, facts=delayed)
        return Outcome(DEFERRED, reason=f"{reason}: {detail}")

    def _note_failure(self, body: MessageBody, message: Message, error: Exception) -> None:
        reason, detail = describe_error(error)
        log_outcome(body, CAME_BACK, reason=reason, detail=detail, attempt=message.dequeue_count)
        try:
            self.notes.put(_note_name(body), {"reason": reason, "detail": detail, "attempt": message.dequeue_count})
        except LineageError as second:
            error.add_note(f"Nor could this failure be noted: {second}")


def _note_name(body: MessageBody) -> str:
    return f"failure/{body.operation_id}"


@dataclass(frozen=True, slots=True)
class Redelivery:
    """How often and how far apart a queue brings a message back."""

    max_attempts: int = 5
    first_delay: timedelta = timedelta(seconds=2)
    visibility: timedelta = timedelta(minutes=10)

    def delay_after(self, attempt: int) -> timedelta:
        """
        >>> Redelivery().delay_after(3)
        datetime.timedelta(seconds=8)
        """
        return self.first_delay * int(2 ** (attempt - 1))


def handle_next(
    queue: Queue, handle: Callable[[Message], Outcome], *, dead_letters: DeadLetters, redelivery: Redelivery
) -> tuple[Message, Outcome] | None:
    """
    Take one message and handle it, as the Functions host does for a queue trigger: delete on return, give back on any
    failure, and dead-letter it with the last reason once it was tried often enough. A failure that is not one of ours
    is a defect; it must cost neither the message nor those behind it.

    Returns:
        The message and how this attempt ended, or None if no message is visible now.
    """
    message = queue.receive(visibility=redelivery.visibility)
    if message is None:
        return None
    body, attempt = MessageBody.parse(message.body, message_id=message.id), message.dequeue_count
    with start_attempt("publish lineage", traceparent=body.traceparent):
        try:
            outcome = handle(message)
        except Exception as error:  # noqa: BLE001 - it is not swallowed: the message comes back or is dead-lettered
            if attempt < redelivery.max_attempts:
                delay = redelivery.delay_after(attempt)
                if isinstance(error, ServiceUnavailableError) and error.retry_after:
                    delay = max(delay, timedelta(seconds=min(error.retry_after, _LONGEST_RETRY_AFTER)))
                reason, detail = describe_error(error)
                log_outcome(body, CAME_BACK, reason=reason, detail=detail, attempt=attempt)
                queue.release(message, delay=delay)
                return message, Outcome(CAME_BACK, reason=f"{reason}: {detail}")
            outcome = dead_letter_error(body, error, attempts=attempt, dead_letters=dead_letters)
        queue.delete(message)
        return message, outcome
