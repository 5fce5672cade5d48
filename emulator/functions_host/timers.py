"""
Timer triggers: each runs by its schedule, on one host at a time, and once at the start if it is past due.

Rules of TimerListener.cs, ScheduleMonitor.cs and StorageScheduleMonitor.cs
(github.com/Azure/azure-webjobs-sdk-extensions), and of the SDK's singleton locks.
"""

import json
import logging
import threading
from collections.abc import Callable
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self

from azure.core.exceptions import AzureError, HttpResponseError, ResourceExistsError, ResourceNotFoundError
from azure.storage.blob import BlobLeaseClient, ContainerClient

from emulator.clock import Clock
from emulator.functions_host.bindings import Function
from emulator.functions_host.runtime import Invocation, Runtime
from emulator.functions_host.schedules import Schedule, parse_schedule

logger = logging.getLogger(__name__)

LOCK = 60
"""Seconds that a host's lock on a timer lasts; it is renewed. After a kill the timer rests for up to so long."""
NEVER = datetime.min.replace(tzinfo=UTC)
"""What .NET writes for a time that has not been."""


@dataclass(frozen=True, slots=True)
class Status:
    """What the host remembers of a timer: its last run, the next one, and when that was computed."""

    last: datetime
    next: datetime
    updated: datetime

    def to_json(self) -> dict[str, str]:
        """Give the members as they are stored, and as a function gets them."""
        return {"Last": self.last.isoformat(), "Next": self.next.isoformat(), "LastUpdated": self.updated.isoformat()}

    @classmethod
    def parse(cls, text: bytes) -> Self:
        """Read what was stored."""
        members = json.loads(text)
        return cls(*(datetime.fromisoformat(members[name]) for name in ("Last", "Next", "LastUpdated")))


def check(schedule: Schedule, stored: Status | None, now: datetime) -> Status:
    """
    Return the status that a host starts with; it is past due if its next run is not later than now.

    A timer never seen before waits for its next time, and so does one whose schedule was changed.
    """
    if stored is None:
        return Status(NEVER, schedule.next_after(now), now)
    based_on = next((moment for moment in (stored.last, stored.updated) if moment != NEVER), now)
    expected = schedule.next_after(based_on)
    if stored.next == expected:
        return stored
    if expected < now:
        based_on, expected = now, schedule.next_after(now)
    return Status(NEVER, expected, based_on)


class Timer:
    """
    The listener of one timer function; raises ScheduleError for a schedule that is none.

    ``start_function`` runs the function. The lock and the status are blobs of the host's own container.
    """

    def __init__(
        self,
        function: Function,
        runtime: Runtime,
        start_function: Callable[[str, Any], Future[Invocation]],
        container: ContainerClient,
        *,
        host_id: str,
        clock: Clock,
    ) -> None:
        self.schedule = parse_schedule(function.trigger["schedule"])
        self._name = function.name
        self._runs_at_start = bool(function.trigger.get("runOnStartup"))
        self._is_monitored = bool(function.trigger.get("useMonitor", True)) and self.schedule.is_monitored
        self._runtime = runtime
        self._start_function = start_function
        self._clock = clock
        self._container = container
        self._status_blob = container.get_blob_client(f"timers/{host_id}/Host.Functions.{self._name}/status")
        self._lock_blob = container.get_blob_client(f"locks/{host_id}/Host.Functions.{self._name}.Listener")
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._listen, name=f"{self._name}-timer", daemon=True)

    def start(self) -> None:
        """Listen in the background."""
        self._thread.start()

    def stop(self) -> None:
        """Run no more, from now on."""
        self._stopping.set()

    def wait(self, seconds: float) -> bool:
        """Wait until it does not run any more; returns False if it still does after so many real seconds."""
        if self._thread.is_alive():
            self._thread.join(seconds)
        return not self._thread.is_alive()

    def to_datum(self, *, past_due: bool = False, status: Status | None = None) -> Any:
        """Give what the function gets."""
        data = {
            "IsPastDue": past_due,
            "Schedule": {"AdjustForDST": self.schedule.is_adjusted},
            "ScheduleStatus": status.to_json() if status else None,
        }
        return self._runtime.datum(data, "json")

    def to_datum_now(self) -> Any:
        """Give what the function gets when it is run by hand, which leaves its status as it is."""
        try:
            return self.to_datum(status=self._read() if self._is_monitored else None)
        except AzureError:
            return self.to_datum()

    def _listen(self) -> None:
        while not self._stopping.is_set():
            try:
                with _Lock(self._container, self._lock_blob.blob_name, self._clock) as lock:
                    self._tick(lock)
            except AzureError as error:
                # Another host has the lock, or storage is not there.
                logger.warning("timer %s waits: %s", self._name, type(error).__name__)
                self._stopping.wait(self._clock.real(LOCK))
            except Exception:  # the listener of the genuine host does not end, either
                logger.exception("timer %s", self._name)
                self._stopping.wait(self._clock.real(LOCK))

    def _tick(self, lock: "_Lock") -> None:
        now = self._clock.now()
        stored = self._read() if self._is_monitored else None
        status = check(self.schedule, stored, now)
        if self._is_monitored and status != stored:
            self._write(status)
        past_due = status.next < now
        at_once = past_due or self._runs_at_start
        while self._wait_until(now if at_once else status.next, lock):
            called = self._clock.now()
            data = self.to_datum(past_due=past_due, status=status if self._is_monitored else None)
            invocation = self._run(data, lock)
            if not invocation.ok:
                logger.warning("%s failed: %s", self._name, invocation.error)
            based_on = called if at_once else max(called, status.next)
            status = Status(based_on, self.schedule.next_after(based_on), based_on)
            if self._is_monitored:
                self._write(status)
            at_once = past_due = False

    def _wait_until(self, moment: datetime, lock: "_Lock") -> bool:
        """Wait for a time, and keep the lock meanwhile; returns False if it is to stop."""
        while (left := (moment - self._clock.now()).total_seconds()) > 0:
            if self._stopping.wait(self._clock.real(min(left, LOCK / 2))):
                return False
            lock.renew()
        return not self._stopping.is_set()

    def _run(self, data: Any, lock: "_Lock") -> Invocation:
        """Run the function, and keep the lock meanwhile."""
        run = self._start_function(self._name, data)
        while True:
            try:
                return run.result(timeout=self._clock.real(LOCK / 2))
            except TimeoutError:
                lock.renew()

    def _read(self) -> Status | None:
        try:
            return Status.parse(self._status_blob.download_blob().readall())
        except ResourceNotFoundError:
            return None

    def _write(self, status: Status) -> None:
        try:
            self._status_blob.upload_blob(json.dumps(status.to_json()).encode(), overwrite=True)
        except AzureError as error:
            logger.warning("the status of timer %s is not stored: %s", self._name, type(error).__name__)


class _Lock:
    """
    The lease on a blob that lets one host of several run a timer.

    Where the clock is so fast that it would last less than a real second, there is none.
    """

    def __init__(self, container: ContainerClient, name: str, clock: Clock) -> None:
        self._container = container
        self._blob = container.get_blob_client(name)
        self._clock = clock
        self._lease: BlobLeaseClient | None = None
        self._until = 0.0

    def __enter__(self) -> Self:
        with suppress(ResourceExistsError):
            self._container.create_container()
        if self._clock.real(LOCK) >= 1:
            self._create_blob()
            self._lease = self._blob.acquire_lease(lease_duration=LOCK)
            self._until = self._clock.monotonic() + LOCK / 2
        return self

    def __exit__(self, *_: object) -> None:
        if self._lease is not None:
            try:
                self._lease.release()
            except AzureError as error:
                logger.debug("a lock is not released: %s", type(error).__name__)

    def renew(self) -> None:
        """Make it last again; raises AzureError if another has it by now."""
        if self._lease is not None and self._clock.monotonic() >= self._until - 1:
            self._lease.renew()
            self._until = self._clock.monotonic() + LOCK / 2

    def _create_blob(self) -> None:
        try:
            self._blob.upload_blob(b"", overwrite=False)
        except HttpResponseError as error:
            if error.status_code not in (409, 412):  # it exists, leased or not
                raise
