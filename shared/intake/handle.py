"""Handles one message under the delivery contract: returning means done with it, raising means bring it back."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from shared.catalog import qualified_names
from shared.errors import (
    AnnouncementRefusedError,
    EntityRejectedError,
    ForeignJobError,
    ForeignWorkspaceError,
    LineageError,
    ServiceUnavailableError,
    TerminalError,
)
from shared.intake.envelopes import event_type_of, parse_envelope, redact_event
from shared.intake.event_types import Event, RunSubject, is_known, parse_event
from shared.intake.message import EVENT_GRID, OPENLINEAGE, MessageBody, seconds_since
from shared.model import WorkspaceId
from shared.openlineage.incoming_events import RunEvent, is_openlineage_body
from shared.publishing.engine import Publisher
from shared.publishing.outcome import CAME_BACK, DEAD_LETTERED, PUBLISHED, SKIPPED, Outcome
from shared.publishing.plan import Skip
from shared.publishing.plan_openlineage import JobRuns, read_job_event
from shared.redaction import redact_text
from shared.state.ports import DeadLetters, Message, Queue
from shared.telemetry import attempt as start_attempt
from shared.telemetry import attempt_facts, describe_attempt, record_outcome

logger = logging.getLogger(__name__)

_LONGEST_RETRY_AFTER = 86_400.0
"""Seconds; a service may ask for more than a time can hold."""


@dataclass(frozen=True, slots=True)
class AllowList:
    """
    Whose events we take.

    Attributes:
        prefixes: the workspaces we speak to: ARM ids, or prefixes of them (a subscription, a resource group).
        jobs: namespaces of jobs that OpenLineage may tell of; one that ends in `*` stands for all that begin so.
    """

    prefixes: tuple[str, ...]
    jobs: tuple[str, ...] = ()

    def check(self, workspace: WorkspaceId) -> None:
        """
        Raises:
            ForeignWorkspaceError: the workspace is not on the list.
        """
        if not self.takes(workspace):
            raise ForeignWorkspaceError(workspace.arm_id)

    def takes(self, workspace: WorkspaceId) -> bool:
        """Whether a workspace is on the list."""
        arm_id = f"{workspace.arm_id.lower()}/"
        return any(arm_id.startswith(f"{prefix.lower().rstrip('/')}/") for prefix in self.prefixes)

    def check_job(self, namespace: str) -> None:
        """
        Raises:
            ForeignJobError: the namespace of a job is not on the list.
        """
        if not self.takes_job(namespace):
            raise ForeignJobError(namespace)

    def takes_job(self, namespace: str) -> bool:
        """
        Whether the namespace of a job is on the list, or is a workspace that is: what comes from there is skipped.

        >>> AllowList((), ("synapse://ws", "dbx*")).takes_job("dbx-prod"), AllowList((), ("ws",)).takes_job("ws2")
        (True, False)
        """
        workspace = qualified_names.workspace_of(namespace)
        return (workspace is not None and self.takes(workspace)) or any(
            namespace.startswith(entry[:-1]) if entry.endswith("*") else namespace == entry for entry in self.jobs
        )


def read_event(body: str, allowed: AllowList) -> Event:
    """
    Read an event and check where it comes from, before any call is made.

    Raises:
        MalformedEventError, ForeignWorkspaceError
    """
    event = parse_event(parse_envelope(body))
    allowed.check(event.workspace)
    return event


def unknown_type(body: str) -> str:
    """Say that an event's type is not known, or nothing; new types must not fill the dead letters."""
    event_type = event_type_of(body)
    return f"events of type {event_type} are not known" if event_type and not is_known(event_type) else ""


def handle_message(
    body: MessageBody,
    *,
    attempt: int,
    allowed: AllowList,
    publisher: Publisher,
    dead_letters: DeadLetters,
    job_runs: JobRuns | None = None,
    force: bool = False,
) -> Outcome:
    """
    Process one message.

    A terminal failure is dead-lettered *before* we return, so that a message is never both gone from the queue and
    absent from the dead letters. If the dead letter cannot be stored, we raise.
    """
    event: Event | RunEvent | None = None
    try:
        if job_runs and is_openlineage_body(body.event):
            read = read_job_event(body.event, allowed)
            if isinstance(read, Skip):
                outcome = Outcome(SKIPPED, reason=read.reason)
            else:
                event = read
                describe_attempt(event_id=event.id, run_id=event.run.run_id)
                outcome = job_runs.publish(event, force=force)
        elif unknown := unknown_type(body.event):
            outcome = Outcome(SKIPPED, reason=unknown)
        else:
            event = read_event(body.event, allowed)
            run_id = event.subject.run_id if isinstance(event.subject, RunSubject) else ""
            describe_attempt(event_id=event.id, workspace_id=event.workspace.arm_id, run_id=run_id)
            outcome = publisher.publish(event, force=force)
    except TerminalError as error:
        # Of the first the publisher has noted it itself; of the second the catalog has the lineage.
        if event is not None and not isinstance(error, EntityRejectedError | AnnouncementRefusedError):
            reason = f"{reason_of(error)}: {redact_text(str(error))}"
            if isinstance(event, Event):
                publisher.note_failure(event, reason)
            elif job_runs:
                job_runs.note_failure(event, reason)
        return set_aside(body, error, attempts=attempt, dead_letters=dead_letters)
    if body.closes:
        dead_letters.close(body.closes)
    facts = {
        "subject": outcome.subject,
        "entities_written": outcome.written,
        "matches": dict(outcome.matches),
        "match_rules": dict(outcome.rules),
    }
    first_time = outcome.outcome == PUBLISHED and body.source in (EVENT_GRID, OPENLINEAGE)
    tell(
        body,
        outcome.outcome,
        detail=outcome.reason,
        attempt=attempt,
        facts=facts,
        event_time=event.time if event and first_time else None,
    )
    return outcome


def tell(
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


def reason_of(error: Exception) -> str:
    """Give the word that dead letters and logs group by."""
    return error.reason if isinstance(error, LineageError) else f"Unexpected{type(error).__name__}"


def set_aside(body: MessageBody, error: Exception, *, attempts: int, dead_letters: DeadLetters) -> Outcome:
    """Dead-letter a message because of an error."""
    return dead_letter(body, reason_of(error), str(error), attempts=attempts, dead_letters=dead_letters)


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
    tell(body, DEAD_LETTERED, reason=reason, detail=detail, attempt=attempts)
    return Outcome(DEAD_LETTERED, reason=f"{reason}: {detail}")


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
    failure, and set it aside with the last reason once it was tried often enough. A failure that is none of ours is a
    defect; it must cost neither the message nor those behind it.

    Returns:
        The message and how this attempt ended, or None if no message is visible now.
    """
    message = queue.receive(visibility=redelivery.visibility)
    if message is None:
        return None
    body = MessageBody.parse(message.body, message_id=message.id)
    with start_attempt("publish lineage", traceparent=body.traceparent):
        return message, _attempt(message, body, queue, handle, dead_letters=dead_letters, redelivery=redelivery)


def _attempt(
    message: Message,
    body: MessageBody,
    queue: Queue,
    handle: Callable[[Message], Outcome],
    *,
    dead_letters: DeadLetters,
    redelivery: Redelivery,
) -> Outcome:
    attempt = message.dequeue_count
    try:
        outcome = handle(message)
    except Exception as error:  # noqa: BLE001 - it is not swallowed: the message comes back or is set aside
        if attempt >= redelivery.max_attempts:
            outcome = set_aside(body, error, attempts=attempt, dead_letters=dead_letters)
        else:
            delay = redelivery.delay_after(attempt)
            if isinstance(error, ServiceUnavailableError) and error.retry_after:
                delay = max(delay, timedelta(seconds=min(error.retry_after, _LONGEST_RETRY_AFTER)))
            reason, detail = reason_of(error), redact_text(str(error))
            tell(body, CAME_BACK, reason=reason, detail=detail, attempt=attempt)
            queue.release(message, delay=delay)
            return Outcome(CAME_BACK, reason=f"{reason}: {detail}")
    queue.delete(message)
    return outcome
