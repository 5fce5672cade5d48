"""The host: an app's functions, served by HTTP, webhook and queue listeners."""

import json
import secrets
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from azure.core.exceptions import ResourceNotFoundError

from emulator.functions_host.connections import Queues
from emulator.functions_host.http import THREADS, HttpServer
from emulator.functions_host.outputs import Accepted, Outputs
from emulator.functions_host.queues import QueueOptions, QueuePump
from emulator.functions_host.routes import Routes
from emulator.functions_host.runtime import Invocation, Runtime
from emulator.functions_host.timers import Timers
from emulator.functions_host.webhook import PATH, Webhook


class NotDrainedError(TimeoutError):
    """Messages were left when the time was up; the message says how many in which queue."""


class FunctionsHost:
    """
    The host of one app; app settings are the environment's, and there is one host per process.

    ``start`` boots, ``stop`` ends; or use it as a context manager, which starts everything. ``functions`` describes
    each function, ``function_key`` opens its HTTP routes, ``system_key`` the webhook; keys are new each time.
    """

    url = ""

    def __init__(self, app_dir: Path, *, http_port: int = 0, on_accepted: Accepted | None = None) -> None:
        self._runtime = Runtime(app_dir)
        self._host_json: Mapping[str, Any] = json.loads((app_dir / "host.json").read_text(encoding="utf-8"))
        self._http_port = http_port
        self._queues = Queues()
        self._queue_options = QueueOptions.parse(self._host_json.get("extensions", {}).get("queues", {}))
        self._outputs = Outputs(self._queues, on_accepted, as_base64=self._queue_options.base64)
        self._events = ThreadPoolExecutor(THREADS, thread_name_prefix="functions-event")
        self._pumps: dict[str, QueuePump] = {}
        self._started: list[QueuePump] = []
        self._http: HttpServer | None = None
        self.functions: dict[str, dict[str, Any]] = {}
        self.function_key = secrets.token_urlsafe(32)
        self.system_key = secrets.token_urlsafe(32)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self, *, http: bool = True, queues: bool = True) -> None:
        """Boot the app; raises BootError, MissingSettingError, ValueError or OSError if it cannot be hosted so."""
        try:
            self._runtime.start()
            self._bind()
            if http:
                server = HttpServer(self._routes, self._webhook, port=self._http_port)
                server.start()
                self._http, self.url = server, server.url
            for pump in self._pumps.values() if queues else ():
                pump.start()
                self._started.append(pump)
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Take nothing new, wait for what runs, and let go of everything."""
        if self._http is not None:
            self._http.stop()
            self._http = None
        for pump in self._pumps.values():
            pump.stop()
        self._events.shutdown()
        self._runtime.stop()
        self._queues.close()

    def webhook_url(self, function: str) -> str:
        """Give the URL Event Grid would have for an Event Grid function, key included."""
        return f"{self.url}{PATH}?functionName={function}&code={self.system_key}"

    def invoke(
        self, name: str, data: Any, metadata: Mapping[str, Any] | None = None, traceparent: str = ""
    ) -> Invocation:
        """Run a function and, if it succeeds, write its outputs; a failed write is a failed invocation."""
        invocation = self._runtime.invoke(name, data, metadata, traceparent)
        return self._outputs.write(self._runtime.functions[name], invocation)

    def fire(self, name: str, *, past_due: bool = False) -> Invocation:
        """Run a timer function now."""
        return self._timers.fire(name, past_due=past_due)

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
            if self._started or not sum(pump.pump_once() for pump in self._pumps.values()):
                time.sleep(0.05)

    def _bind(self) -> None:
        functions = self._runtime.functions
        self.functions = {name: function.describe() for name, function in functions.items()}
        options = self._queue_options
        for function in functions.values():
            if function.trigger["type"] == "queueTrigger":
                pump = QueuePump(function, self._runtime, self.invoke, self._queues, options)
                if pump.queue in self._pumps:
                    raise ValueError(f"two functions listen to {pump.queue}")
                self._pumps[pump.queue] = pump
        self._timers = Timers(functions, self._runtime, self.invoke)
        self._routes = Routes(
            functions.values(),
            prefix=self._host_json.get("extensions", {}).get("http", {}).get("routePrefix", "api"),
            key=self.function_key,
            runtime=self._runtime,
            run=lambda name, data, traceparent: self.invoke(name, data, None, traceparent),
        )
        listening = (name for name, trigger in self.functions.items() if trigger["type"] == "eventGridTrigger")
        self._webhook = Webhook(frozenset(listening), self.system_key, self._run_all)

    def _run_all(self, name: str, events: list[Any], traceparent: str) -> int:
        """Run a function on every event at once and count the failures."""
        data = [self._runtime.datum(event, "json") for event in events]
        runs = [self._events.submit(self.invoke, name, datum, None, traceparent) for datum in data]
        return sum(not run.result().ok for run in runs)


def _count(pump: QueuePump) -> int:
    try:
        return pump.client.get_queue_properties().approximate_message_count or 0
    except ResourceNotFoundError:
        return 0
