"""
Handles messages under the delivery contract: returning means done with it, raising means bring it back.

In the Functions host, what may get better later waits as a copy, and so does a message whose attempt failed
unexpectedly. The command line has no host, and does what it does.
"""

import logging
import traceback
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from itertools import takewhile

from shared.errors import (
    AnnouncementRefusedError,
    EntityRejectedError,
    LeaseHeldError,
    LineageError,
    RequestRefusedError,
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
    seconds_since,
)
from shared.publishing.engine import Publisher
from shared.publishing.plan import CAME_BACK, DEFERRED, PUBLISHED, SKIPPED, AnyEvent, Outcome, Skip
from shared.state.ports import DeadLetters, Message, Notes, Queue
from shared.telemetry import attempt as start_attempt
from shared.telemetry import describe_attempt

logger = logging.getLogger(__name__)

_LONGEST_RETRY_AFTER = 86_400.0
"""Seconds; a service may ask for more than a time can hold."""
_PROCESS = uuid.uuid4().hex
_POISON_HIDDEN = timedelta(minutes=10)
_ENDED = "the process ended during the attempt: out of memory, the function's time limit, or it was stopped"
_NO_ATTEMPT = "no attempt at it has said why: the app could not start"


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

    It waits as a copy with a delay, so that no attempt of the host is used up. Twice as long each time, to `longest`:
    with these numbers about a day. For a lease that another worker holds it waits `for_lease` by the clock, and none of
    that counts for an outage. After an attempt that failed unexpectedly it waits as well, up to the last of `failures`.
    """

    first: timedelta = timedelta(seconds=30)
    first_for_lease: timedelta = timedelta(seconds=2)
    longest: timedelta = timedelta(hours=1)
    longest_for_lease: timedelta = timedelta(minutes=1)
    deferrals: int = 30
    for_lease: timedelta = timedelta(days=1)
    failures: int = 5

    def allows(self, error: TransientError, body: MessageBody, now: datetime) -> bool:
        """Whether a message may wait once more."""
        if isinstance(error, LeaseHeldError):
            waited = seconds_since(body.lease_since, now) or 0
            return waited < self.for_lease.total_seconds()
        return body.deferrals < self.deferrals

    def delay(self, error: TransientError, waits: int) -> timedelta:
        """
        Return how long a message waits that has waited so often.

        >>> Patience().delay(TransientError(), 3)
        datetime.timedelta(seconds=240)
        """
        held = isinstance(error, LeaseHeldError)
        first, longest = (self.first_for_lease, self.longest_for_lease) if held else (self.first, self.longest)
        delay = min(first * int(2 ** min(waits, 20)), longest)
        if isinstance(error, ServiceUnavailableError) and error.retry_after:
            delay = max(delay, timedelta(seconds=min(error.retry_after, self.longest.total_seconds())))
        return delay

    def delay_after_failure(self, failures: int, key: str) -> timedelta:
        """
        Return a wait that is another for each message: what a process took along with it when it ended must not meet
        the message that ended it again.

        >>> first, second = (Patience().delay_after_failure(1, key).total_seconds() for key in "ab")
        >>> 30 <= first < 60 and 30 <= second < 60 and first != second
        True
        """
        share = int(sha256(f"{failures} {key}".encode()).hexdigest()[:8], 16) / 0x1_0000_0000
        return min(self.first * int(2 ** (failures - 1)), self.longest) * (1 + share)


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
    process: str = _PROCESS
    now: Callable[[], datetime] = lambda: datetime.now(UTC)

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

        Whatever follows from a message (its copy with a delay, its dead letter) is stored before we return. Only what
        prevents an attempt is raised: the app cannot start, or its storage refuses. That counts nowhere.
        """
        body = MessageBody.parse(message.body, message_id=message.id)
        with start_attempt("publish lineage", traceparent=body.traceparent):
            try:
                outcome = self._publish(message, body)
            except Exception as error:
                self._note_failure(body, message, error)
                raise
        try:
            if _is_watched(message, body) and outcome.outcome != DEFERRED:
                self.notes.forget(_note_name(body))
            if body.source == EVENT_GRID:
                self.last_event.write(event_type_of(body.event))
        except LineageError as error:  # what is done must not come back for it; an old note does no harm
            logger.warning("a note is out of date", extra={**body.facts, "detail": describe_error(error)[1]})
        return outcome

    def _publish(self, message: Message, body: MessageBody) -> Outcome:
        if _is_watched(message, body) and self._was_interrupted(body):
            return self._count_failure(body, message, ("ProcessEnded", _ENDED))
        try:
            return self.handle(message)
        except TransientError as error:
            if not self.patience.allows(error, body, self.now()):
                attempts = body.deferrals + body.lease_waits + 1
                self._note_in_ledger(body, error)
                return dead_letter_error(body, error, attempts=attempts, dead_letters=self.dead_letters)
            is_held = isinstance(error, LeaseHeldError)
            delay = self.patience.delay(error, body.lease_waits if is_held else body.deferrals)
            copy = body.waiting_for_lease(self.now()) if is_held else body.deferred()
            if isinstance(error, LeaseHeldError) and error.overwrote:
                copy = replace(copy, force=True)
            return self._put_back(body, copy, message, why=describe_error(error), delay=delay)
        except (LineageError, ImportError):
            raise  # a setting, a package or the storage: not this message
        except Exception as error:  # noqa: BLE001 - it is not swallowed: the message waits, or is dead-lettered
            lines = {"traceback": "".join(traceback.format_tb(error.__traceback__))}
            return self._count_failure(body, message, describe_error(error), facts=lines)

    def _note_in_ledger(self, body: MessageBody, error: TransientError) -> None:
        """Let coverage say why there is no lineage of what a message waited for in vain."""
        try:
            event = read_any_event(body.event, self.allowed)
            if not isinstance(event, Skip):
                self.publisher.note_failure(event, ": ".join(describe_error(error)))
        except LineageError as second:  # the dead letter says it, too
            logger.warning("a failure is not in the ledger", extra={**body.facts, "detail": describe_error(second)[1]})

    def _was_interrupted(self, body: MessageBody) -> bool:
        """
        Note that an attempt begins in this process, unless a note says that one began in another and never ended.

        Only of a message that came back; a first attempt costs nothing.
        """
        began_in = (self.notes.get(_note_name(body)) or {}).get("process")
        if began_in not in (None, self.process):
            return True
        self.notes.put(_note_name(body), {"process": self.process})
        return False

    def _count_failure(
        self, body: MessageBody, message: Message, why: tuple[str, str], *, facts: Mapping[str, object] | None = None
    ) -> Outcome:
        """Let a message wait after an attempt that ended unexpectedly; dead-letter it after the last."""
        failed = body.failed()
        if failed.failures >= self.patience.failures:
            return dead_letter(body, *why, attempts=failed.failures, dead_letters=self.dead_letters)
        delay = self.patience.delay_after_failure(failed.failures, body.operation_id)
        return self._put_back(body, failed, message, why=why, delay=delay, facts=facts)

    def _put_back(
        self,
        body: MessageBody,
        copy: MessageBody,
        message: Message,
        *,
        why: tuple[str, str],
        delay: timedelta,
        facts: Mapping[str, object] | None = None,
    ) -> Outcome:
        """Put a copy on the queue; one that the storage never takes (too large, say) is dead-lettered."""
        reason, detail = why
        if _is_watched(message, body) and not copy.returned:
            # Before the copy is stored: failing here brings the message back, failing after it would make two of it.
            self.notes.forget(_note_name(body))
        try:
            self.queue.put(copy.to_json(), delay=delay)
        except RequestRefusedError as error:
            attempts = body.deferrals + body.lease_waits + body.failures + 1
            detail = f"{detail}; nor could it wait: {error}"
            return dead_letter(body, reason, detail, attempts=attempts, dead_letters=self.dead_letters)
        waits = {"delay_seconds": round(delay.total_seconds(), 3), **(facts or {})}
        log_outcome(body, DEFERRED, reason=reason, detail=detail, attempt=message.dequeue_count, facts=waits)
        return Outcome(DEFERRED, reason=f"{reason}: {detail}")

    def collect_poison(self, message: Message) -> Outcome:
        """
        Put a message of the poison queue back on the queue, where it waits for longer if it was there before.

        It got there because the app could not start or its storage refused, which is no attempt at it, however often.
        """
        body = MessageBody.parse(message.body, message_id=message.id)
        noted = self.notes.get(_note_name(body)) or {}
        why = str(noted.get("reason") or "CouldNotStart"), str(noted.get("detail") or _NO_ATTEMPT)
        delay = self.patience.longest if body.returned else timedelta(0)
        return self._put_back(body, body.taken_back(), message, why=why, delay=delay)

    def drain_poison(self, poison: Queue, until: datetime) -> int:
        """
        Do the same with what waits on the poison queue, in case that the trigger there does not run.

        It ends with the time, and with a page of which not one could be taken back: then it is not about the messages.

        Returns:
            How many messages are there still, also those that the host holds.
        """
        if not poison.count():
            return 0
        taken = 1
        while taken and self.now() < until:
            page = poison.receive_page(visibility=_POISON_HIDDEN)
            in_time = takewhile(lambda _: self.now() < until, page)
            taken = sum(self._take_from(poison, message) for message in in_time)
        return poison.count()

    def _take_from(self, poison: Queue, message: Message) -> bool:
        """Take one message back; one of which that fails stays hidden for now, and the others do not wait for it."""
        try:
            self.collect_poison(message)
            poison.delete(message)
        except Exception as error:
            body = MessageBody.parse(message.body, message_id=message.id)
            reason, detail = describe_error(error)
            log_outcome(body, CAME_BACK, reason=reason, detail=detail, attempt=message.dequeue_count)
            if not isinstance(error, LineageError):
                logger.exception("a message of the poison queue could not be taken back")
            return False
        return True

    def _note_failure(self, body: MessageBody, message: Message, error: Exception) -> None:
        reason, detail = describe_error(error)
        log_outcome(body, CAME_BACK, reason=reason, detail=detail, attempt=message.dequeue_count)
        try:
            self.notes.put(_note_name(body), {"reason": reason, "detail": detail, "attempt": message.dequeue_count})
        except LineageError as second:
            error.add_note(f"Nor could this failure be noted: {second}")


def _is_watched(message: Message, body: MessageBody) -> bool:
    """Whether it may have a note: it was received before, or is the copy of one that was."""
    return message.dequeue_count > 1 or body.failures > 0 or body.returned


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
