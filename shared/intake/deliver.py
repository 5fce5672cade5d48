"""Handles messages of the queue in the Functions host: what may get better later waits, what cannot is set aside."""

import logging
from dataclasses import dataclass
from datetime import timedelta

from shared.errors import LeaseHeldError, LineageError, ServiceUnavailableError, TransientError
from shared.intake.envelopes import event_type_of
from shared.intake.handle import AllowList, dead_letter, handle_message, reason_of, set_aside, tell
from shared.intake.last_event import LastEventNote
from shared.intake.message import EVENT_GRID, MessageBody
from shared.publishing.engine import Publisher
from shared.publishing.outcome import CAME_BACK, DEFERRED, Outcome
from shared.publishing.plan_openlineage import JobRuns
from shared.redaction import redact_text
from shared.state.ports import DeadLetters, Message, Notes, Queue
from shared.telemetry import attempt

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Patience:
    """
    How long a message waits for what may get better, and how often.

    It waits as a copy with a delay, so that an outage of hours does not use up the host's few attempts. Twice as long
    each time, to `longest`: with these numbers about a day.
    """

    first: timedelta = timedelta(seconds=30)
    first_for_lease: timedelta = timedelta(seconds=2)
    longest: timedelta = timedelta(hours=1)
    longest_for_lease: timedelta = timedelta(seconds=30)
    deferrals: int = 30

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
class Deliveries:
    """The use case of the queue trigger and of the trigger on its poison queue."""

    queue: Queue
    dead_letters: DeadLetters
    notes: Notes
    publisher: Publisher
    allowed: AllowList
    last_event: LastEventNote
    job_runs: JobRuns | None = None
    patience: Patience = Patience()

    def publish(self, message: Message) -> Outcome:
        """
        Process one message. Returning means done with it; raising means that the host brings it back.

        Whatever follows from a message (its copy with a delay, its dead letter) is stored before we return.
        """
        body = MessageBody.parse(message.body, message_id=message.id)
        with attempt("publish lineage", traceparent=body.traceparent):
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
        except LineageError as error:  # what is done must not come back for it; a note that is old harms nobody
            logger.warning("a note is out of date", extra={**body.facts, "detail": redact_text(str(error))})
        return outcome

    def _publish(self, message: Message, body: MessageBody) -> Outcome:
        try:
            return handle_message(
                body,
                attempt=message.dequeue_count,
                allowed=self.allowed,
                publisher=self.publisher,
                dead_letters=self.dead_letters,
                job_runs=self.job_runs,
            )
        except TransientError as error:
            if body.deferrals < self.patience.deferrals:
                return self._defer(body, error, message)
            return set_aside(body, error, attempts=body.deferrals + 1, dead_letters=self.dead_letters)

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
        detail = redact_text(str(error))
        delayed = {"delay_seconds": delay.total_seconds()}
        tell(body, DEFERRED, reason=reason_of(error), detail=detail, attempt=message.dequeue_count, facts=delayed)
        return Outcome(DEFERRED, reason=f"{reason_of(error)}: {detail}")

    def _note_failure(self, body: MessageBody, message: Message, error: Exception) -> None:
        reason, detail = reason_of(error), redact_text(str(error))
        note = {"reason": reason, "detail": detail, "attempt": message.dequeue_count}
        tell(body, CAME_BACK, reason=reason, detail=detail, attempt=message.dequeue_count)
        try:
            self.notes.put(_note_name(body), note)
        except LineageError as second:
            error.add_note(f"Nor could this failure be noted: {second}")


def _note_name(body: MessageBody) -> str:
    return f"failure/{body.operation_id}"
