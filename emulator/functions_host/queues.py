"""Queue triggers: the listener the genuine host runs for each of them."""

import base64
import binascii
import logging
import os
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Self

from azure.core.exceptions import AzureError, ResourceExistsError, ResourceNotFoundError
from azure.storage.queue import QueueClient, QueueMessage

from emulator.functions_host.bindings import Function
from emulator.functions_host.connections import DEFAULT, Queues
from emulator.functions_host.runtime import Invocation, Runtime

logger = logging.getLogger(__name__)

LEASE = 600
"""Seconds a running message stays invisible. The genuine host also renews this; nothing here runs that long."""
POISON = "-poison"
FIRST_POLL = 0.1


@dataclass(frozen=True, slots=True)
class QueueOptions:
    """``extensions.queues`` of host.json; the defaults are the host's."""

    batch_size: int = 16
    new_batch_threshold: int = 8
    max_dequeue_count: int = 5
    visibility_timeout: timedelta = timedelta(0)
    max_polling_interval: timedelta = timedelta(minutes=1)
    base64: bool = True
    """``messageEncoding``: whether bodies on the queue are base64, or just as they are."""

    @classmethod
    def parse(cls, options: Mapping[str, Any]) -> Self:
        """Read the section; raises ValueError for an encoding there is not."""
        encoding = str(options.get("messageEncoding", "base64")).casefold()
        if encoding not in ("base64", "none"):
            raise ValueError(f"messageEncoding {encoding}")
        batch_size = int(options.get("batchSize", 16))
        return cls(
            batch_size=batch_size,
            new_batch_threshold=int(options.get("newBatchThreshold", batch_size // 2 * (os.cpu_count() or 1))),
            max_dequeue_count=int(options.get("maxDequeueCount", 5)),
            visibility_timeout=parse_timespan(str(options.get("visibilityTimeout", "00:00:00"))),
            max_polling_interval=parse_timespan(str(options.get("maxPollingInterval", "00:01:00"))),
            base64=encoding == "base64",
        )


def parse_timespan(text: str) -> timedelta:
    """Read a .NET TimeSpan of the form ``hh:mm:ss``; raises ValueError."""
    hours, minutes, seconds = text.split(":")
    return timedelta(hours=int(hours), minutes=int(minutes), seconds=float(seconds))


class QueuePump:
    """
    The listener of one queue function.

    ``run`` runs the function and writes its outputs. ``pump_once`` makes one pass; ``start`` polls until ``stop``.
    """

    def __init__(
        self,
        function: Function,
        runtime: Runtime,
        run: Callable[[str, Any, Mapping[str, Any]], Invocation],
        queues: Queues,
        options: QueueOptions,
    ) -> None:
        self.queue: str = function.trigger["queueName"]
        self._function = function
        self._runtime = runtime
        self._run = run
        self._queues = queues
        self._options = options
        self._client = queues.of(function.trigger)
        self._has_poison_queue = not self.queue.endswith(POISON)
        parallel = options.batch_size + options.new_batch_threshold
        self._threads = ThreadPoolExecutor(parallel, thread_name_prefix=self.queue)
        self._stopping = threading.Event()
        self._poller = threading.Thread(target=self._poll, name=f"{self.queue}-poller", daemon=True)

    @property
    def client(self) -> QueueClient:
        """The queue itself, without encoding."""
        return self._client

    def start(self) -> None:
        """Poll in the background."""
        self._poller.start()

    def stop(self) -> None:
        """Receive no more, and wait for what runs."""
        self._stopping.set()
        if self._poller.is_alive():
            self._poller.join()
        self._threads.shutdown()

    def pump_once(self) -> int:
        """Receive one batch, wait until all of it is dealt with, and count it; raises AzureError."""
        batch = self._receive()
        for done in [self._threads.submit(self._process, message) for message in batch]:
            done.result()
        return len(batch)

    def _poll(self) -> None:
        running: set[Future[None]] = set()
        pause = FIRST_POLL
        while not self._stopping.is_set():
            while len(running) > self._options.new_batch_threshold:
                running = _finish(wait(running, return_when=FIRST_COMPLETED).done, running)
            try:
                batch = self._receive()
            except AzureError as error:
                logger.warning("cannot receive from %s: %s", self.queue, type(error).__name__)
                batch = []
            running = _finish({future for future in running if future.done()}, running)
            running |= {self._threads.submit(self._process, message) for message in batch}
            if batch:
                pause = FIRST_POLL
            else:
                self._stopping.wait(pause)
                pause = min(2 * pause, self._options.max_polling_interval.total_seconds())

    def _receive(self) -> list[QueueMessage]:
        try:
            pages = self._client.receive_messages(
                messages_per_page=self._options.batch_size, visibility_timeout=LEASE
            ).by_page()
            return list(next(pages, ()))
        except ResourceNotFoundError:
            return []  # a queue that does not exist yet is an empty one to the genuine host

    def _process(self, message: QueueMessage) -> None:
        try:
            self._deal_with(message)
        except AzureError as error:
            # The lease runs out and the message comes again, as with the genuine host.
            logger.warning("cannot settle a message of %s: %s", self.queue, type(error).__name__)

    def _deal_with(self, message: QueueMessage) -> None:
        content = message.content or ""
        body = decode(content) if self._options.base64 else content.encode()
        count = message.dequeue_count or 0
        if body is None or (self._has_poison_queue and count > self._options.max_dequeue_count):
            self._poison(message)
            return
        invocation = self._run(self._function.name, self._to_datum(body), self._to_metadata(message))
        if invocation.ok:
            self._client.delete_message(message)
            return
        logger.warning("%s failed at attempt %s: %s", self._function.name, count, invocation.error)
        if not self._has_poison_queue:
            return  # the genuine host leaves it invisible, so that it does not loop fast
        if count >= self._options.max_dequeue_count:
            self._poison(message)
        else:
            delay = int(self._options.visibility_timeout.total_seconds())
            self._client.update_message(message, visibility_timeout=delay)

    def _poison(self, message: QueueMessage) -> None:
        """Copy the raw body to the poison queue, then delete the original; a poison queue has none and keeps it."""
        if not self._has_poison_queue:
            return
        poison = self._queues.client(self._function.trigger.get("connection") or DEFAULT, self.queue + POISON)
        try:
            poison.send_message(message.content or "")
        except ResourceNotFoundError:
            _create(poison)
            poison.send_message(message.content or "")
        self._client.delete_message(message)

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


def decode(content: str) -> bytes | None:
    """Undo the base64 encoding; None if the body has none, as .NET judges it (white space does not matter)."""
    try:
        return base64.b64decode("".join(content.split()), validate=True)
    except (binascii.Error, ValueError):
        return None


def _finish(done: set[Future[None]], running: set[Future[None]]) -> set[Future[None]]:
    for future in done:
        future.result()  # an error of ours must not go unseen
    return running - done


def _to_iso(time: datetime | None) -> str | None:
    return time.isoformat() if time else None


def _create(queue: QueueClient) -> None:
    try:
        queue.create_queue()
    except ResourceExistsError:
        logger.debug("%s was created meanwhile", queue.queue_name)
