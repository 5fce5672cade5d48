"""What several verbs need: services from the environment, and events drained from the queue with a report of each."""

import json
import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from cli.output import say
from shared.bootstrap import Services
from shared.intake.deliver import Redelivery, handle_next
from shared.intake.message import MessageBody
from shared.publishing.plan import DEAD_LETTERED, Outcome
from shared.redaction import redact_text
from shared.settings import Settings
from shared.state.ports import Message
from shared.state.sqlite import Database, SqliteQueue, open_state

DIRECT_REDELIVERY = Redelivery(max_attempts=3, first_delay=timedelta(seconds=1))
"""Here a person waits, so a message is tried less often and sooner than in the Functions host."""
_SILENT_WAIT = 5.0
_LONGEST_WAIT = timedelta(minutes=1)


def open_services() -> Services:
    """
    Read the settings from the environment.

    Raises:
        ConfigurationError
    """
    return Services(Settings.from_env(os.environ))


def open_reading_services() -> Services:
    """Read the settings; state that does not exist yet is not created but kept in memory."""
    services = open_services()
    storage = services.settings.storage
    if isinstance(storage, Path) and not storage.exists():
        services.state = open_state(":memory:", now=services.now)
    return services


def local_queue(services: Services) -> SqliteQueue:
    """
    Return the queue to publish from here: the one in the SQLite file.

    With a storage account it is one in memory, since the queue there is the app's.
    """
    queue = services.queue
    return queue if isinstance(queue, SqliteQueue) else SqliteQueue(Database(":memory:", now=services.now))


@dataclass(frozen=True, slots=True)
class Report:
    """How one attempt at one message ended, with the words that identify the event to people."""

    event_type: str
    event_id: str
    attempt: int
    outcome: Outcome

    @property
    def failed(self) -> bool:
        return self.outcome.outcome == DEAD_LETTERED

    def to_json(self) -> dict[str, object]:
        return {
            "event_type": self.event_type,
            "event_id": self.event_id,
            "attempt": self.attempt,
            "outcome": self.outcome.outcome,
            "subject": self.outcome.subject,
            "reason": self.outcome.reason,
            "entities_written": self.outcome.written,
            "matches": dict(self.outcome.matches),
        }

    def to_line(self) -> str:
        outcome = self.outcome
        words = [f"{outcome.outcome.replace('_', '-'):<13}", f"{self.event_type:<20}", outcome.subject or self.event_id]
        if self.attempt > 1:
            words.append(f"(attempt {self.attempt})")
        if outcome.written:
            words.append(f"({outcome.written} {'entity' if outcome.written == 1 else 'entities'} written)")
        line = " ".join(words)
        return f"{line}: {outcome.reason}" if outcome.reason else line


def drain(
    services: Services,
    queue: SqliteQueue,
    *,
    redelivery: Redelivery | None = None,
    handle: Callable[[Message], Outcome] | None = None,
) -> Iterator[Report]:
    """Handle messages until the queue is empty, waiting for those that come back soon."""
    redelivery = redelivery or DIRECT_REDELIVERY
    handle = handle or services.deliveries.handle
    while True:
        handled = handle_next(queue, handle, dead_letters=services.dead_letters, redelivery=redelivery)
        if handled:
            message, outcome = handled
            event_type, event_id = describe(MessageBody.parse(message.body, message_id=message.id).event)
            yield Report(event_type, event_id, message.dequeue_count, outcome)
            continue
        next_at = queue.next_visible_at()
        if next_at is None or next_at - services.now() > _LONGEST_WAIT:
            return
        seconds = max((next_at - services.now()).total_seconds(), 0.0)
        if seconds > _SILENT_WAIT:
            say(f"Waiting {seconds:.0f} s for messages that come back.", err=True)
        time.sleep(seconds)


def describe(body: str) -> tuple[str, str]:
    """
    Name an event for people, even one that cannot be read.

    Returns:
        Its type without namespace and its id; "?" for what is not there.
    """
    try:
        event = json.loads(body)
    except ValueError:
        return "?", repr(redact_text(body[:40]))
    if not isinstance(event, dict):
        return "?", repr(redact_text(body[:40]))
    members = {key.casefold(): value for key, value in event.items()}
    event_type = str(members.get("eventtype") or members.get("type") or "?")
    run = members.get("run")  # OpenLineage has no id of an event
    event_id = members.get("id") or (run.get("runId") if isinstance(run, dict) else "")
    return event_type.rpartition(".")[2], str(event_id or "?")
