"""The time between the check of a write and its commit, and tests that say when it ends."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from queue import Empty, SimpleQueue
from threading import Event

LONGEST = 30.0
"""Seconds that a test waits for a write, or for its commit, before it fails."""


@dataclass(frozen=True, slots=True)
class HeldWrite:
    """A write that was checked and waits. Its request is not answered before it is committed."""

    method: str
    path: str
    body: object
    _loop: asyncio.AbstractEventLoop
    _may_commit: asyncio.Event = field(default_factory=asyncio.Event)
    _is_over: Event = field(default_factory=Event)

    def commit(self) -> None:
        """Let it commit, and wait until it has, or has failed; the next step of the test sees what it wrote."""
        self._loop.call_soon_threadsafe(self._may_commit.set)
        if not self._is_over.wait(LONGEST):
            raise TimeoutError(f"{self.method} {self.path} did not commit")


class HeldWrites:
    """
    Every write to the catalog, held after its check: a test takes each with ``next`` and commits them in any order.

    Its own thread must not be the one that sends the request, which waits for its answer.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._writes: list[HeldWrite] = []
        self._checked: SimpleQueue[HeldWrite] = SimpleQueue()
        self._is_over = False

    def next(self, timeout: float = LONGEST) -> HeldWrite:
        """
        Wait for the next write that was checked, in the order of the checks.

        Raises:
            TimeoutError: none came.
        """
        try:
            return self._checked.get(timeout=timeout)
        except Empty as error:
            raise TimeoutError("no write has been checked") from error

    def end(self) -> None:
        """Commit those that still wait, in the order of their checks, and hold no more."""
        self._is_over = True
        for write in self._writes:
            write.commit()

    @asynccontextmanager
    async def hold(self, method: str, path: str, body: object) -> AsyncIterator[None]:
        """Hold a write on the loop of the emulator: the block is its commit."""
        write = HeldWrite(method, path, body, self._loop)
        self._writes.append(write)
        if self._is_over:
            write._may_commit.set()
        self._checked.put(write)
        await write._may_commit.wait()
        try:
            yield
        finally:
            write._is_over.set()


@dataclass(slots=True)
class Pauses:
    """How writes wait: for the time of the switch ``commit_ms``, or until a test commits them."""

    held: HeldWrites | None = None

    @asynccontextmanager
    async def before_commit(self, method: str, path: str, body: object, ms: float) -> AsyncIterator[None]:
        """Let other requests go on, at least once around the loop; the block is the commit."""
        if self.held is None:
            await asyncio.sleep(ms / 1000)
            yield
        else:
            async with self.held.hold(method, path, body):
                yield
