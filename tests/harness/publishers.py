"""Several publishers with one ledger and one queue: at once, or one step at a time in an order that a test gives."""

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from queue import SimpleQueue
from threading import Event, Lock
from typing import Any

from cli.session import local_queue
from emulator.purview.pauses import HeldWrite, HeldWrites
from emulator.server import Emulator
from shared.intake.deliver import Redelivery
from shared.intake.message import REPLAY
from shared.intake.receive import enqueue
from shared.publishing.plan import DEAD_LETTERED
from shared.state.ports import Message
from tests.harness.app import App
from tests.harness.clock import StillClock

LONGEST = 60.0
"""Seconds for one step of one publisher; one that waits for another would wait for ever."""
_PATIENCE = 0.002
"""Seconds between two looks whether a step is over."""


class StuckError(Exception):
    """A publisher neither wrote nor ended: it waits for another one, which is not at its turn."""


@dataclass(slots=True)
class Attempt:
    """A message that a publisher has at hand, and the write of it that was checked and waits for its commit."""

    message: Message
    ended: "Future[None]"
    write: HeldWrite | None = None


@dataclass
class Publishers:
    """Workers as of several Functions hosts: each with services of its own, on the same ledger and queue."""

    apps: Sequence[App]
    clock: StillClock
    dead: SimpleQueue[str] = field(default_factory=SimpleQueue)
    _guard: Any = field(default_factory=Lock)
    _busy: int = 0

    @classmethod
    def on(cls, emulator: Emulator, storage: Path, count: int) -> "Publishers":
        clock = StillClock()
        return cls([App.on(emulator, storage, now=clock) for _ in range(count)], clock)

    def enqueue(self, bodies: Iterable[str]) -> None:
        services = self.apps[0].services
        enqueue(list(bodies), services.queue, services.dead_letters, source=REPLAY, now=self.clock)

    def run_at_once(self) -> None:
        """Publish everything on the queue, each publisher in a thread of its own."""
        with ThreadPoolExecutor(len(self.apps)) as threads:
            list(threads.map(self._work, self.apps))

    def run_in_order(self, choose: Callable[[Sequence[int]], int]) -> None:
        """
        Publish everything on the queue, one step of one publisher at a time.

        A step takes a message or commits the write that waits, and goes on until the next write was checked or the
        message is done. `choose` is given the numbers of those that can go on, and returns one of them.

        Raises:
            StuckError: one waits for another, other than by putting its message back.
        """
        emulator = self.apps[0].emulator
        for app in self.apps:
            app.services.publisher.claim_tries = 0  # who holds the claim does not go on meanwhile
        attempts: dict[int, Attempt] = {}
        with ThreadPoolExecutor(len(self.apps)) as threads, emulator.held_writes() as held:
            while ready := self._ready(attempts):
                number = choose(ready)
                if number not in attempts:
                    message = self._receive(self.apps[number])
                    if message is None:
                        continue
                    attempts[number] = Attempt(message, threads.submit(self._publish, self.apps[number], message))
                elif write := attempts[number].write:
                    write.commit()
                attempts[number].write = _next_write(held, attempts[number].ended)
                if attempts[number].write is None:
                    attempts.pop(number).ended.result()

    def _ready(self, attempts: dict[int, Attempt]) -> list[int]:
        """List who can go on; where all are idle, move the time on to the next message."""
        queue = local_queue(self.apps[0].services)
        next_at = queue.next_visible_at()
        if next_at and not attempts:
            self.clock.move(max(next_at - self.clock(), timedelta(0)))
        is_due = next_at is not None and next_at <= self.clock()
        return [number for number in range(len(self.apps)) if number in attempts or is_due]

    def _work(self, app: App) -> None:
        """Publish until the queue is empty; the one that finds all idle moves the time on to the next message."""
        while True:
            with self._guard:
                message = self._receive(app)
                if message is None and not self._busy:
                    next_at = local_queue(app.services).next_visible_at()
                    if next_at is None:
                        return
                    self.clock.move(max(next_at - self.clock(), timedelta(0)))
                    continue
                self._busy += message is not None
            if message is None:
                Event().wait(_PATIENCE)
                continue
            try:
                self._publish(app, message)
            finally:
                with self._guard:
                    self._busy -= 1

    def _receive(self, app: App) -> Message | None:
        return app.services.queue.receive(visibility=Redelivery().visibility)

    def _publish(self, app: App, message: Message) -> None:
        outcome = app.services.deliveries.publish(message)
        if outcome.outcome == DEAD_LETTERED:
            self.dead.put(outcome.reason)
        app.services.queue.delete(message)


def _next_write(held: HeldWrites, ended: "Future[None]") -> HeldWrite | None:
    """Wait until the publisher at work has a write checked; None if it ended without."""
    for _ in range(int(LONGEST / _PATIENCE)):
        try:
            return held.next(_PATIENCE)
        except TimeoutError:
            if ended.done():
                return None
    raise StuckError("a publisher waits for another one")


def names_of(state: dict[str, Any]) -> Counter[tuple[str, str]]:
    """Count the live entities by type and qualifiedName."""
    return Counter(
        (entity["typeName"], entity["attributes"]["qualifiedName"])
        for entity in state["purview"]["entities"]
        if entity["status"] == "ACTIVE"
    )


def links_of(state: dict[str, Any]) -> Counter[tuple[str, str, str]]:
    """Count the live links by type and the qualifiedNames of their ends."""
    names = {each["guid"]: each["attributes"]["qualifiedName"] for each in state["purview"]["entities"]}
    return Counter(
        (link["typeName"], names[link["end1"]["guid"]], names[link["end2"]["guid"]])
        for link in state["purview"]["relationships"]
        if link["status"] == "ACTIVE"
    )


def twins_of(state: dict[str, Any]) -> list[tuple[str, str]]:
    """List the names that more than one live entity has."""
    return sorted(name for name, count in names_of(state).items() if count > 1)
