"""
Queue triggers: the listener that the genuine host runs for each of them.

Rules of QueueListener.cs, QueueProcessor.cs and RandomizedExponentialBackoffStrategy.cs (azure-sdk-for-net,
Microsoft.Azure.WebJobs.Extensions.Storage.Queues and .Common), and as version 5.3.10 was measured.
"""

import base64
import binascii
import logging
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.storage.queue import QueueClient, QueueMessage

from emulator.clock import Clock
from emulator.functions_host.bindings import Function
from emulator.functions_host.connections import DEFAULT, Queues
from emulator.functions_host.host_json import QueueOptions
from emulator.functions_host.runtime import Invocation, Runtime

logger = logging.getLogger(__name__)

LEASE = 600
"""
Seconds a message stays invisible once it is received; it is renewed in the middle of that while its function runs.

So what a killed host held comes again this long after it was received or last renewed.
"""
SHORTEST_RENEWAL = 60
"""Seconds after which a renewal that failed is tried again, at the least."""
POISON = "-poison"
FIRST_POLL = 0.1
SHORTEST_REAL_PAUSE = 0.05
"""Seconds. On a fast clock polling would otherwise be all that this machine does."""
NEWEST_EXTENSION = "5.3.10"
KEEPS_TRYING_POISON = (5, 3, 8)
"""
The version of the storage extension from which on a poison queue's function gets a message over maxDequeueCount again.

Before it the message was received every ten minutes, and never given to the function.
"""

Start = Callable[[str, Any, Mapping[str, Any]], Future[Invocation]]


@dataclass(slots=True)
class Held:
    """A message that this host holds: the receipt is that of the last renewal."""

    id: str
    receipt: str
    renewed: bool = True
    """False once the message turned out to be gone, or another's."""


class QueuePump:
    """
    The listener of one queue function.

    ``start_function`` runs the function and writes its outputs. ``pump_once`` makes one pass; ``start`` polls until
    ``stop_receiving``. ``nudge`` is called with the name of a queue that a message was written to, so that a listener
    of this host need not wait for its next poll.
    """

    def __init__(
        self,
        function: Function,
        runtime: Runtime,
        start_function: Start,
        queues: Queues,
        options: QueueOptions,
        *,
        clock: Clock,
        extension: str = NEWEST_EXTENSION,
        nudge: Callable[[str], None],
    ) -> None:
        self.queue: str = function.trigger["queueName"]
        self._function = function
        self._runtime = runtime
        self._start_function = start_function
        self._queues = queues
        self._options = options
        self._clock = clock
        self._client = queues.of(function.trigger)
        self._nudge = nudge
        self._has_poison_queue = not self.queue.endswith(POISON)
        version = tuple(int(part) for part in extension.split("."))
        self._gives_up = self._has_poison_queue or version < KEEPS_TRYING_POISON
        parallel = options.batch_size + options.new_batch_threshold
        self._threads = ThreadPoolExecutor(parallel, thread_name_prefix=self.queue)
        self._changed = threading.Condition()
        self._running = 0
        self._stopping = False
        self._nudged = False
        self._poller = threading.Thread(target=self._poll, name=f"{self.queue}-poller", daemon=True)

    @property
    def client(self) -> QueueClient:
        """The queue itself, without encoding."""
        return self._client

    @property
    def running(self) -> int:
        """How many of its messages are being dealt with."""
        return self._running

    def start(self) -> None:
        """Poll in the background."""
        self._poller.start()

    def look_now(self) -> None:
        """Poll at once: a message was written to the queue."""
        with self._changed:
            self._nudged = True
            self._changed.notify_all()

    def stop_receiving(self) -> None:
        """Receive no more, from now on."""
        with self._changed:
            self._stopping = True
            self._changed.notify_all()

    def wait(self, seconds: float) -> bool:
        """Wait until nothing of it runs; returns False if something still does after so many real seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: self._running == 0, seconds)

    def close(self) -> None:
        """Let go of the threads."""
        self._threads.shutdown(wait=False)

    def pump_once(self) -> int:
        """Receive one batch, wait until all of it is dealt with, and count it; raises AzureError."""
        try:
            batch = self._receive()
        except ResourceNotFoundError:
            return 0
        for done in [self._begin(message) for message in batch]:
            done.result()
        return len(batch)

    def _poll(self) -> None:
        gaps = polling_gaps(self._options.max_polling_interval)
        exists = True
        while self._wait_for_room():
            batch: list[QueueMessage] = []
            try:
                exists = exists or self._exists()
                batch = self._receive() if exists else []
            except ResourceNotFoundError:
                exists = False  # a queue that does not exist yet is an empty one
            except AzureError as error:
                logger.warning("cannot receive from %s: %s", self.queue, type(error).__name__)
            for message in batch:
                self._begin(message)
            if batch or self._pause(next(gaps)):
                gaps = polling_gaps(self._options.max_polling_interval)

    def _wait_for_room(self) -> bool:
        """Wait until at most newBatchThreshold messages are being dealt with; returns False if it is to stop."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopping or self._running <= self._options.new_batch_threshold)
            return not self._stopping

    def _pause(self, seconds: float) -> bool:
        """Wait for the next poll; returns whether a message was written meanwhile."""
        real = max(self._clock.real(seconds), SHORTEST_REAL_PAUSE)
        with self._changed:
            self._changed.wait_for(lambda: self._stopping or self._nudged, real)
            nudged, self._nudged = self._nudged, False
            return nudged

    def _exists(self) -> bool:
        self._client.get_queue_properties()
        return True

    def _receive(self) -> list[QueueMessage]:
        pages = self._client.receive_messages(messages_per_page=self._options.batch_size, visibility_timeout=LEASE)
        return list(next(pages.by_page(), ()))

    def _begin(self, message: QueueMessage) -> Future[None]:
        with self._changed:
            self._running += 1
        done = self._threads.submit(self._process, message)
        done.add_done_callback(self._note_end)
        return done

    def _note_end(self, done: Future[None]) -> None:
        with self._changed:
            self._running -= 1
            self._changed.notify_all()
        if error := done.exception():  # one of ours
            logger.error("a message of %s was not dealt with", self.queue, exc_info=error)

    def _process(self, message: QueueMessage) -> None:
        try:
            self._deal_with(message)
        except AzureError as error:
            # It stays invisible, and the message comes again, as with the genuine host.
            logger.warning("cannot settle a message of %s: %s", self.queue, type(error).__name__)

    def _deal_with(self, message: QueueMessage) -> None:
        held = Held(message.id, message.pop_receipt or "")
        content = message.content or ""
        body = decode(content) if self._options.base64 else content.encode()
        count = message.dequeue_count or 0
        if body is None or (self._gives_up and count > self._options.max_dequeue_count):
            self._poison(held, content)
            return
        run = self._start_function(self._function.name, self._to_datum(body), self._to_metadata(message))
        invocation = self._hold_until_done(run, held)
        if invocation.ok:
            self._settle(held, lambda: self._client.delete_message(held.id, held.receipt))
            return
        logger.warning("%s failed at attempt %s: %s", self._function.name, count, invocation.error)
        if not self._has_poison_queue:
            return  # the genuine host leaves it invisible, so that it does not loop fast
        if count >= self._options.max_dequeue_count:
            self._poison(held, content)
        else:
            delay = int(self._options.visibility_timeout.total_seconds())
            self._settle(held, lambda: self._client.update_message(held.id, held.receipt, visibility_timeout=delay))

    def _hold_until_done(self, run: Future[Invocation], held: Held) -> Invocation:
        """Keep the message invisible as long as the function runs."""
        wait = LEASE / 2
        while held.renewed:
            try:
                return run.result(timeout=self._clock.real(wait))
            except TimeoutError:
                wait = LEASE / 2 if self._renew(held) else max(wait / 2, SHORTEST_RENEWAL)
        return run.result()

    def _renew(self, held: Held) -> bool:
        try:
            renewed = self._client.update_message(held.id, held.receipt, visibility_timeout=LEASE)
        except AzureError as error:
            held.renewed = not _is_lost(error)
            logger.warning("cannot renew a message of %s: %s", self.queue, type(error).__name__)
            return False
        held.receipt = renewed.pop_receipt or ""
        return True

    def _settle(self, held: Held, request: Callable[[], object]) -> None:
        """Delete or release a message; that it is gone, or another's, does not matter any more."""
        try:
            request()
        except HttpResponseError as error:
            if not _is_lost(error):
                raise
            logger.debug("message %s of %s was gone", held.id, self.queue)

    def _poison(self, held: Held, content: str) -> None:
        """Copy the raw body to the poison queue, then delete the original; a poison queue has none and keeps it."""
        if not self._has_poison_queue:
            return
        poison = self._queues.client(self._function.trigger.get("connection") or DEFAULT, self.queue + POISON)
        try:
            poison.send_message(content)
        except ResourceNotFoundError:
            _create(poison)
            poison.send_message(content)
        self._settle(held, lambda: self._client.delete_message(held.id, held.receipt))
        self._nudge(self.queue + POISON)

    def _to_datum(self, body: bytes) -> Any:
        try:
            return self._runtime.datum(body.decode(), "string")
        except UnicodeDecodeError:
            return self._runtime.datum(body, "bytes")

    def _to_metadata(self, message: QueueMessage) -> dict[str, Any]:
        datum = self._runtime.datum
        return {
            "Id": datum(message.id, "string"),
            "DequeueCount": datum(message.dequeue_count, "json"),
            "PopReceipt": datum(message.pop_receipt, "string"),
            "InsertionTime": datum(_to_iso(message.inserted_on), "json"),
            "ExpirationTime": datum(_to_iso(message.expires_on), "json"),
            "NextVisibleTime": datum(_to_iso(message.next_visible_on), "json"),
        }


def polling_gaps(longest: timedelta) -> Iterator[float]:
    """
    Yield the seconds between polls that find nothing; the genuine host varies those below the longest by a fifth.

    >>> [round(gap, 1) for gap, _ in zip(polling_gaps(timedelta(seconds=2)), range(8))]
    [0.1, 0.2, 0.3, 0.5, 0.9, 1.7, 2.0, 2.0]
    """
    gap, step = FIRST_POLL, FIRST_POLL
    while gap < longest.total_seconds():
        yield gap
        gap, step = FIRST_POLL + step, 2 * step
    while True:
        yield longest.total_seconds()


def decode(content: str) -> bytes | None:
    """Undo the base64 encoding; None if the body has none, as .NET judges it (white space does not matter)."""
    try:
        return base64.b64decode("".join(content.split()), validate=True)
    except (binascii.Error, ValueError):
        return None


def _is_lost(error: AzureError) -> bool:
    """Whether the message or its queue is gone, or the message is another's by now."""
    if isinstance(error, ResourceNotFoundError):
        return True
    code = getattr(error, "error_code", None)
    return str(getattr(code, "value", code)) in ("PopReceiptMismatch", "QueueBeingDeleted", "QueueDisabled")


def _to_iso(time: datetime | None) -> str | None:
    return time.isoformat() if time else None


def _create(queue: QueueClient) -> None:
    try:
        queue.create_queue()
    except ResourceExistsError:
        logger.debug("%s was created meanwhile", queue.queue_name)
