"""The host: an app's functions, served by HTTP, webhook, queue and timer listeners."""

import hashlib
import json
import logging
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from azure.core.exceptions import ResourceNotFoundError

from emulator.clock import REAL, Clock
from emulator.functions_host import admin, webhook
from emulator.functions_host.bindings import BindingError, Function
from emulator.functions_host.connections import Queues, host_container
from emulator.functions_host.host_json import HostJsonError, HostOptions
from emulator.functions_host.http import THREADS, HttpServer
from emulator.functions_host.keys import Keys
from emulator.functions_host.outputs import Accepted, Outputs
from emulator.functions_host.queues import NEWEST_EXTENSION, QueuePump
from emulator.functions_host.routes import Request, Response, Routes
from emulator.functions_host.runtime import AppError, Invocation, Runtime
from emulator.functions_host.schedules import ScheduleError
from emulator.functions_host.timers import Timer

logger = logging.getLogger(__name__)

GRACE = 10.0
"""Real seconds that what runs has when the host is asked to stop; then it is cut off."""
RETRY = timedelta(seconds=1)
"""Between two tries to start with a host.json that was refused."""
_ERROR = "Microsoft.Azure.WebJobs.Host: Error indexing method"
SETTLING = 5.0
"""Real seconds that the failures of a lost worker have to be answered and written."""


class NotDrainedError(TimeoutError):
    """Messages were left when the time was up; the message says how many in which queue."""


class FunctionsHost:
    """
    The host of one app; app settings are the environment's, and there is one host per process.

    ``start`` boots, ``stop`` ends; or use it as a context manager, which starts everything. ``functions`` describes
    each function, and ``errors`` says why some of them are switched off.

    A fast ``clock`` is for what waits: leases, renewals, polls, schedules. What a function takes is work and cannot be
    shortened, so ``functionTimeout`` and the ten seconds at the end are real ones.

    A function that reaches ``functionTimeout`` takes the worker along: whatever runs in it fails, and
    ``restart_worker`` is called with a socket in which HTTP requests wait for the next worker. Worker and host are one
    process here, so that is to replace the process; without it nothing runs any more.
    """

    url = ""

    def __init__(
        self,
        app_dir: Path,
        *,
        http_port: int = 0,
        on_accepted: Accepted | None = None,
        keys: Keys | None = None,
        clock: Clock = REAL,
        storage_extension: str = NEWEST_EXTENSION,
        listener: int | None = None,
        restart_worker: Callable[[int | None], None] | None = None,
    ) -> None:
        self._app_dir = app_dir
        self._runtime = Runtime(app_dir)
        self._http_port, self._listener = http_port, listener
        self._on_accepted = on_accepted
        self._clock = clock
        self._storage_extension = storage_extension
        self._restart_worker = restart_worker
        self._options = HostOptions()
        self._queues = Queues()
        self._runs = ThreadPoolExecutor(THREADS, thread_name_prefix="functions-run")
        self._pumps: dict[str, QueuePump] = {}
        self._timers: dict[str, Timer] = {}
        self._http: HttpServer | None = None
        self._listens = False
        self._stopping = threading.Event()
        self._losing = threading.Lock()
        self.keys = keys or Keys()
        self.functions: dict[str, dict[str, Any]] = {}
        self.errors: dict[str, str] = {}
        digest = hashlib.sha256(str(app_dir.resolve()).encode()).hexdigest()
        self._admin = admin.Admin(self.keys, self._call, self._stop_listening, f"emulated-{digest[:8]}")

    @property
    def state(self) -> str:
        """Running, or Error while host.json is refused."""
        return self._admin.state

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, *, http: bool = True, queues: bool = True, timers: bool | None = None) -> None:
        """
        Boot the app; timers tick if queues are listened to, unless it is said otherwise.

        With a host.json that is refused every call is answered 503, until the file is another one. Raises BootError if
        there is no worker, OSError if the port is taken.
        """
        timers = queues if timers is None else timers
        try:
            refused = self._read_options()
            if not refused:
                self._run(queues=queues, timers=timers)
            if http:
                server = HttpServer(self._answer, port=self._http_port, listener=self._listener, patience=GRACE)
                server.start()
                self._http, self.url = server, server.url
            if refused:
                threading.Thread(target=self._try_again, args=(queues, timers), daemon=True).start()
        except BaseException:
            self.stop()
            raise

    def stop(self) -> bool:
        """
        Take nothing new, and let go of everything; returns False if something still ran after ten seconds.

        What still runs then cannot be stopped: the process is to end without waiting for it.
        """
        self._stopping.set()
        deadline = time.monotonic() + GRACE
        listeners = self._stop_listening()
        if self._http is not None:
            self._http.stop()
            self._http = None
        ended = [each.wait(max(0.0, deadline - time.monotonic())) for each in (*listeners, self._runtime)]
        self._runs.shutdown(wait=False)
        for pump in self._pumps.values():
            pump.close()
        if all(ended):
            self._runtime.stop()
            self._queues.close()
        return all(ended)

    def invoke(
        self, name: str, data: Any, metadata: Mapping[str, Any] | None = None, traceparent: str = ""
    ) -> Invocation:
        """Run a function and, if it succeeds, write its outputs; a failed write is a failed invocation."""
        run = self._runtime.submit(name, data, metadata, traceparent)
        limit = self._options.timeout
        try:
            invocation = run.result(timeout=limit.total_seconds() if limit else None)
        except TimeoutError:
            self._lose_worker(f"Timeout value of {limit} was exceeded by function: {name}")
            invocation = run.result()
        return self._outputs.write(self._runtime.functions[name], invocation)

    def fire(self, name: str, *, past_due: bool = False) -> Invocation:
        """Run a timer function now."""
        return self.invoke(name, self._timers[name].to_datum(past_due=past_due))

    def pump_once(self, queue: str) -> int:
        """Take one batch from a queue, deal with it and count it; for hosts started without queues."""
        return self._pumps[queue].pump_once()

    def drain(self, timeout: float) -> None:
        """
        Wait until no queue of the app holds a message, pumping if no other thread does; raises NotDrainedError.

        Messages that wait out their visibility timeout count.
        """
        deadline = time.monotonic() + timeout
        while left := {queue: count for queue, pump in self._pumps.items() if (count := _count(pump))}:
            if time.monotonic() > deadline:
                raise NotDrainedError(", ".join(f"{count} in {queue}" for queue, count in left.items()))
            if self._listens or not sum(pump.pump_once() for pump in self._pumps.values()):
                time.sleep(0.05)

    def _read_options(self) -> bool:
        """Read host.json and return whether it is refused."""
        try:
            self._options = HostOptions.read(self._app_dir)
        except HostJsonError as error:
            self._admin.host_error = str(error)
            logger.warning("the host does not start: %s", error)
            return True
        self._admin.host_error = ""
        return False

    def _try_again(self, queues: bool, timers: bool) -> None:
        while not self._stopping.wait(self._clock.real(RETRY)):
            if not self._read_options():
                self._run(queues=queues, timers=timers)
                return

    def _run(self, *, queues: bool, timers: bool) -> None:
        try:
            self._runtime.start()
        except AppError as error:
            # The genuine host runs on: 0 functions, 404 everywhere, and only its log says why.
            logger.warning("the worker found no functions: %s", error)
        self._bind()
        self._listens = queues
        for pump in self._pumps.values() if queues else ():
            pump.start()
        for timer in self._timers.values() if timers else ():
            timer.start()

    def _bind(self) -> None:
        functions = self._runtime.functions
        self._outputs = Outputs(self._queues, self._on_accepted, self._nudge, as_base64=self._options.queues.base64)
        on: list[Function] = []
        for function in functions.values():
            error = function.error
            if not error and not function.is_disabled:
                try:
                    self._listen_to(function)
                    on.append(function)
                except (BindingError, ScheduleError) as problem:
                    error = str(problem)
            if error:
                self.errors[function.name] = f"{_ERROR} 'Functions.{function.name}'. {error}"
                logger.warning("The '%s' function is in error: %s", function.name, self.errors[function.name])
        self._routes = Routes(
            on,
            prefix=self._options.route_prefix,
            keys=self.keys,
            runtime=self._runtime,
            run=lambda name, data, traceparent: self.invoke(name, data, None, traceparent),
        )
        listening = frozenset(function.name for function in on if function.trigger["type"] == "eventGridTrigger")
        self._webhook = webhook.Webhook(listening, self.keys, self._run_all)
        self._admin.functions, self._admin.errors = functions, self.errors
        self._admin.route_prefix = self._options.route_prefix
        self.functions = {name: function.describe() for name, function in functions.items()}

    def _listen_to(self, function: Function) -> None:
        """Prepare a listener; raises BindingError or ScheduleError."""
        match function.trigger["type"]:
            case "queueTrigger":
                pump = QueuePump(
                    function,
                    self._runtime,
                    self._begin,
                    self._queues,
                    self._options.queues,
                    clock=self._clock,
                    extension=self._storage_extension,
                    nudge=self._nudge,
                )
                if pump.queue in self._pumps:
                    raise ValueError(f"two functions listen to {pump.queue}")
                self._pumps[pump.queue] = pump
            case "timerTrigger":
                self._timers[function.name] = Timer(
                    function,
                    self._runtime,
                    self._begin,
                    host_container(),
                    host_id=self._admin.host_id,
                    clock=self._clock,
                )

    def _begin(self, name: str, data: Any, metadata: Mapping[str, Any] | None = None) -> Future[Invocation]:
        return self._runs.submit(self.invoke, name, data, metadata)

    def _call(self, name: str, text: str) -> None:
        """Run a function by hand, with a text as what its trigger would bring."""
        kind = self._runtime.functions[name].trigger["type"]
        if kind == "timerTrigger":
            data = self._timers[name].to_datum_now()
        elif kind == "eventGridTrigger":
            data = self._runtime.datum(json.loads(text or "{}"), "json")
        else:
            data = self._runtime.datum(text, "string")
        self._begin(name, data)

    def _nudge(self, queue: str) -> None:
        if queue in self._pumps:
            self._pumps[queue].look_now()

    def _stop_listening(self) -> list[QueuePump | Timer]:
        listeners: list[QueuePump | Timer] = [*self._pumps.values(), *self._timers.values()]
        for pump in self._pumps.values():
            pump.stop_receiving()
        for timer in self._timers.values():
            timer.stop()
        return listeners

    def _answer(self, request: Request) -> Response:
        path = request.path.casefold()
        if path.startswith(admin.PREFIX):
            return self._admin.answer(request)
        if self._admin.host_error:
            return Response(503, {"Content-Type": "text/plain"}, b"Function host is not running.")
        if path.startswith(webhook.PREFIX):
            return self._webhook.answer(request)
        return self._routes.answer(request)

    def _run_all(self, name: str, events: list[Any], traceparent: str) -> int:
        """Run a function on every event at once and count the failures."""
        data = [self._runtime.datum(event, "json") for event in events]
        runs = [self._runs.submit(self.invoke, name, datum, None, traceparent) for datum in data]
        return sum(not run.result().ok for run in runs)

    def _lose_worker(self, reason: str) -> None:
        """Let everything fail that the worker runs, and replace it once the failures are dealt with."""
        if not self._losing.acquire(blocking=False):
            return
        logger.error("%s; the worker is restarted", reason)
        listeners = self._stop_listening()
        self._runtime.abandon(reason)
        threading.Thread(target=self._replace_worker, args=(listeners,), daemon=True).start()

    def _replace_worker(self, listeners: list[QueuePump | Timer]) -> None:
        server, self._http = self._http, None
        listener = server.hand_over() if server is not None else None
        deadline = time.monotonic() + SETTLING
        for each in listeners:
            each.wait(max(0.0, deadline - time.monotonic()))
        if self._restart_worker is not None:
            self._restart_worker(listener)


def _count(pump: QueuePump) -> int:
    try:
        return pump.client.get_queue_properties().approximate_message_count or 0
    except ResourceNotFoundError:
        return 0
