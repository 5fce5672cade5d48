"""
The Functions host as its rules say, on a clock that a test moves: queues, Event Grid and the timer, a week in a second.

It runs the app's own functions. What the queue listener does is that of `QueueProcessor` in Azure/azure-sdk-for-net, of
the storage extension before and from 5.3.8; a message that the host itself puts on a queue expires after seven days.

The versions differ in one thing only: a message of a queue whose name ends in `-poison` that was received more often
than `maxDequeueCount` allows. So under the app's own host.json, whose limit is out of reach, both do the same, and that
is what the app relies on; with another limit here they part.
"""

import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from enum import Enum
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import azure.functions as func

from functions import collect_poison, publish_lineage, receive_event, reconcile
from shared.state.ports import PAGE, Message
from tests.harness.fakes import FakeClock

OPTIONS = json.loads((Path(__file__).parents[2] / "host.json").read_text(encoding="utf-8"))["extensions"]["queues"]
OWN_LIMIT = 5
"""The extension's own `maxDequeueCount`, where host.json gives none."""
HIDDEN = timedelta(minutes=10)
LIFE = timedelta(days=7)
EVENT_GRID_WAITS = tuple(
    timedelta(seconds=seconds) for seconds in (10, 30, 60, 300, 600, 1_800, 3_600, 10_800, 21_600, 43_200)
)
EVENT_GRID_PATIENCE = timedelta(days=1)
TIMER = timedelta(hours=6)


class Rule(Enum):
    """What becomes of a message of a poison queue that was received more often than `maxDequeueCount` allows."""

    BEFORE_5_3_8 = "never given to the function"
    FROM_5_3_8 = "given to the function"


@dataclass
class _Waiting:
    id: str
    body: str
    visible_at: datetime
    expires_at: datetime | None
    dequeue_count: int = 0
    receipt: str = ""


class HostQueue:
    """The queue port, where what the host puts expires; `lost` holds what did."""

    def __init__(self, now: Callable[[], datetime]) -> None:
        self._now = now
        self._waiting: list[_Waiting] = []
        self.lost: list[str] = []

    def put(self, body: str, *, delay: timedelta = timedelta(0)) -> None:
        self._waiting.append(_Waiting(uuid.uuid4().hex, body, self._now() + delay, None))

    def put_by_host(self, body: str) -> None:
        """Put a message as the host does: it lives for seven days."""
        self._waiting.append(_Waiting(uuid.uuid4().hex, body, self._now(), self._now() + LIFE))

    def receive(self, *, visibility: timedelta) -> Message | None:
        self._expire()
        found = min(self._waiting, key=lambda each: each.visible_at, default=None)
        if found is None or found.visible_at > self._now():
            return None
        found.visible_at, found.receipt = self._now() + visibility, uuid.uuid4().hex
        found.dequeue_count += 1
        return Message(found.id, found.body, found.dequeue_count, found.receipt)

    def receive_page(self, *, visibility: timedelta) -> Sequence[Message]:
        received = (self.receive(visibility=visibility) for _ in range(PAGE))
        return [message for message in received if message]

    def delete(self, message: Message) -> None:
        self._waiting = [each for each in self._waiting if (each.id, each.receipt) != (message.id, message.receipt)]

    def release(self, message: Message, *, delay: timedelta) -> None:
        for each in self._waiting:
            if (each.id, each.receipt) == (message.id, message.receipt):
                each.visible_at = self._now() + delay

    def count(self) -> int:
        self._expire()
        return len(self._waiting)

    def next_visible_at(self) -> datetime | None:
        """Return when a message can be received next; None if there is none."""
        return min((each.visible_at for each in self._waiting), default=None)

    def _expire(self) -> None:
        over = [each for each in self._waiting if each.expires_at and each.expires_at <= self._now()]
        self.lost += [each.body for each in over]
        self._waiting = [each for each in self._waiting if each not in over]


@dataclass
class _Delivery:
    """An event that Event Grid delivers; it tries again until it is accepted, for a day."""

    event: Mapping[str, Any]
    first: datetime
    at: datetime
    attempts: int = 0


@dataclass
class HostByRule:
    """
    One deployment: Event Grid, the four functions that matter to a message, and both queues.

    Attributes:
        settings: the app settings, which the host resolves bindings with and the app reads.
        limit: `maxDequeueCount`.
        undelivered: what Event Grid has given up on.
        withheld: how often a message of the poison queue was received and not given to its function.
        failed: how often each function has raised.
    """

    rule: Rule
    settings: Mapping[str, str]
    clock: FakeClock
    limit: int = int(OPTIONS.get("maxDequeueCount", OWN_LIMIT))
    withheld: int = 0
    undelivered: list[Mapping[str, Any]] = field(default_factory=list)
    failed: dict[str, int] = field(default_factory=dict)
    succeeded: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.main, self.poison = HostQueue(self.clock), HostQueue(self.clock)
        self._deliveries: list[_Delivery] = []
        self._next_tick = self.clock() + TIMER

    def send(self, event: Mapping[str, Any], *, at: datetime) -> None:
        """Let Event Grid deliver an event at a time."""
        self._deliveries.append(_Delivery(event, at, at))

    def run(self, until: datetime) -> None:
        """Let everything happen up to a time, in order."""
        while (due := min(self._due_times(), default=until)) < until:
            self.clock.time = max(self.clock.time, due)
            self._deliver()
            self._tick()
            self._pump(self.main, "publish_lineage", publish_lineage.publish_lineage)
            self._pump(self.poison, "collect_poison", collect_poison.collect_poison)
        self.clock.time = until

    @property
    def _listens(self) -> bool:
        """Whether the queue functions are on: their connection can be resolved."""
        return any(self.settings.get(f"LineageStorage{suffix}") for suffix in ("", "__queueServiceUri"))

    @property
    def _ticks(self) -> bool:
        return len(self.settings.get("RECONCILE_SCHEDULE", "").split()) == 6

    def _due_times(self) -> Iterator[datetime]:
        yield from (delivery.at for delivery in self._deliveries)
        if self._ticks:
            yield self._next_tick
        if self._listens:
            yield from (at for queue in (self.main, self.poison) if (at := queue.next_visible_at()))

    def _deliver(self) -> None:
        for delivery in [each for each in self._deliveries if each.at <= self.clock()]:
            message, context = _Out(), SimpleNamespace(invocation_id=uuid.uuid4().hex, trace_context=None)
            event = _to_event(delivery.event)
            accepted = self._call("receive_event", receive_event.receive_event, event, message, context)
            if accepted and message.body is not None:
                accepted = self._listens  # the output binding has the same connection
            if accepted:
                self._deliveries.remove(delivery)
                if message.body is not None:
                    self.main.put_by_host(message.body)
                continue
            wait = EVENT_GRID_WAITS[min(delivery.attempts, len(EVENT_GRID_WAITS) - 1)]
            delivery.at, delivery.attempts = self.clock() + wait, delivery.attempts + 1
            if delivery.at > delivery.first + EVENT_GRID_PATIENCE:
                self._deliveries.remove(delivery)
                self.undelivered.append(delivery.event)

    def _tick(self) -> None:
        while self._next_tick <= self.clock():
            self._next_tick += TIMER
            if self._ticks:
                self._call("reconcile", reconcile.reconcile, SimpleNamespace(past_due=False))

    def _pump(self, queue: HostQueue, name: str, function: Any) -> None:
        while self._listens and (message := queue.receive(visibility=HIDDEN)):
            is_poison, over = queue is self.poison, message.dequeue_count > self.limit
            if over and not is_poison:
                self._give_up(message)
                continue
            if over and self.rule is Rule.BEFORE_5_3_8:
                self.withheld += 1  # it stays hidden until its ten minutes are over, and so on until it expires
                continue
            output = _Out()
            if self._call(name, function, _HostMessage(message), output):
                if output.body is not None:
                    (self.main if is_poison else self.poison).put_by_host(output.body)
                queue.delete(message)
            elif not is_poison and message.dequeue_count >= self.limit:
                self._give_up(message)
            elif not is_poison:
                queue.release(message, delay=_to_timedelta(OPTIONS["visibilityTimeout"]))

    def _give_up(self, message: Message) -> None:
        """Move a message to the poison queue, where it gets a new life."""
        self.poison.put_by_host(message.body)
        self.main.delete(message)

    def _call(self, name: str, function: Any, *arguments: object) -> bool:
        try:
            function.build().get_user_function()(*arguments)
        except Exception:  # noqa: BLE001 - the host takes any
            self.failed[name] = self.failed.get(name, 0) + 1
            return False
        self.succeeded[name] = self.succeeded.get(name, 0) + 1
        return True


class _Out:
    """An output binding of one message."""

    def __init__(self) -> None:
        self.body: str | None = None

    def set(self, body: str) -> None:
        self.body = body


class _HostMessage:
    """A message as the worker gives it; the library's own class cannot be given a dequeue count."""

    def __init__(self, message: Message) -> None:
        self.id, self.dequeue_count, self.pop_receipt = message.id, message.dequeue_count, message.receipt
        self._body = message.body

    def get_body(self) -> bytes:
        return self._body.encode()


def _to_event(event: Mapping[str, Any]) -> func.EventGridEvent:
    """Give an event of either schema as an Event Grid subscription would, whose schema is always the older one."""
    at = event["time"] if "specversion" in event else event["eventTime"]
    return func.EventGridEvent(
        id=event["id"],
        data=event["data"],
        topic=event["source"] if "specversion" in event else event["topic"],
        subject=event["subject"],
        event_type=event["type"] if "specversion" in event else event["eventType"],
        event_time=datetime.fromisoformat(at).astimezone(UTC),
        data_version="2",
    )


def _to_timedelta(text: str) -> timedelta:
    hours, minutes, seconds = map(int, text.split(":"))
    return timedelta(hours=hours, minutes=minutes, seconds=seconds)
