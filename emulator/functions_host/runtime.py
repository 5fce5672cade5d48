"""The worker half: Microsoft's ``azure-functions-runtime``, booted in this process on an event loop of its own."""

import asyncio
import importlib
import json
import os
import sys
import threading
import uuid
from collections.abc import Coroutine, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from importlib.abc import MetaPathFinder
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from emulator.functions_host.bindings import Function, parse_function

TARGET = Path(sys.prefix) / "functions-runtime"
"""Where `make` installs the library: apart, because it asks for Python 3.13 though it works on 3.11."""
ISOLATE = "PYTHON_ISOLATE_WORKER_DEPENDENCIES"
"""App setting: the worker keeps its packages and the app's apart."""
_APP = "function_app"


class BootError(RuntimeError):
    """There is no worker to run an app."""


class AppError(BootError):
    """The worker did not take the app; the message is its own."""


@dataclass(frozen=True, slots=True)
class Invocation:
    """How one run of a function ended; values are the library's ``Datum`` (``type`` and ``value``)."""

    id: str
    ok: bool
    return_value: Any = None
    outputs: tuple[tuple[str, Any], ...] = ()
    error: str = ""


class _Message(SimpleNamespace):
    """Stands for any protobuf message: the library only sets and reads members."""


class _StatusResult(_Message):
    Failure, Success = 0, 1


class _BindingInfo(_Message):
    undefined, out, inout = 0, 1, 2


_PROTOS = SimpleNamespace(
    BindingInfo=_BindingInfo,
    FunctionMetadataResponse=_Message,
    RpcException=_Message,
    RpcFunctionMetadata=_Message,
    RpcRetryOptions=_Message,
    StatusResult=_StatusResult,
    WorkerInitResponse=_Message,
    WorkerMetadata=_Message,
)


class _AppPackagesLater(MetaPathFinder):
    """
    Keeps telemetry packages of the app from being found before the app itself is imported.

    So it is with isolated dependencies in the worker for Python up to 3.12: it sets up Azure Monitor, and only then
    puts the app's packages on the path. Source: Azure/azure-functions-python-worker 4.34,
    ``_handle__worker_init_request``.
    """

    _LATER = ("azure.monitor", "opentelemetry")

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        """Let others find a module, once the app is asked for; until then raise for what it brings along."""
        if name == _APP:
            sys.meta_path.remove(self)
        elif name.startswith(self._LATER):
            raise ModuleNotFoundError(f"No module named {name!r}", name=name)


class Runtime:
    """
    An app, indexed and ready to run.

    All its functions share the library's one pool of PYTHON_THREADPOOL_THREAD_COUNT threads; what finds none free
    waits. The library keeps its state in modules: one boot per process. A second one raises BootError.
    """

    _booted = False

    def __init__(self, app_dir: Path) -> None:
        self._app_dir = app_dir.resolve()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="functions-runtime", daemon=True)
        self._changed = threading.Condition()
        self._running: dict[str, Future[Invocation]] = {}
        self.functions: dict[str, Function] = {}

    def start(self) -> None:
        """Import the app and index its functions; raises AppError with the library's reason, or BootError."""
        if Runtime._booted:
            raise BootError("the Functions runtime boots once per process")
        Runtime._booted = True
        for path in (str(TARGET), str(self._app_dir)):
            if path not in sys.path:
                sys.path.insert(0, path)
        try:
            self._library = importlib.import_module("azure_functions_runtime")
        except ModuleNotFoundError as error:
            raise BootError(f"the Functions runtime is not in {TARGET}; run make") from error
        self._datum = importlib.import_module("azure_functions_runtime.bindings.datumdef").Datum
        self._invoke = importlib.import_module("azure_functions_runtime.native_invocation").invocation_request_native
        if os.environ.get(ISOLATE, "").casefold() in ("1", "true"):
            sys.meta_path.insert(0, _AppPackagesLater())
        self._thread.start()
        self.functions = self._submit(self._boot()).result()

    def stop(self) -> None:
        """Wait for the functions that run and end the loop."""
        if self._thread.is_alive():
            self._library.stop_threadpool_executor()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
        self._loop.close()

    def datum(self, value: Any, kind: str) -> Any:
        """Wrap a value as the library's functions take it: kind is ``string``, ``bytes``, ``json`` or ``http``."""
        return self._datum(json.dumps(value) if kind == "json" else value, kind)

    def submit(
        self, name: str, data: Any, metadata: Mapping[str, Any] | None = None, traceparent: str = ""
    ) -> Future[Invocation]:
        """Run a function on its trigger's data; what it raises comes back as ``error``. Thread-safe."""
        function = self.functions[name]
        invocation_id = str(uuid.uuid4())
        outcome: Future[Invocation] = Future()
        with self._changed:
            self._running[invocation_id] = outcome
        inputs = [(function.trigger["name"], data)]
        run = self._submit(
            self._invoke(invocation_id, function.id, inputs, dict(metadata or {}), trace_parent=traceparent)
        )
        run.add_done_callback(lambda done: self._finish(invocation_id, done))
        return outcome

    def wait(self, seconds: float) -> bool:
        """Wait until no function runs or waits for a thread; returns False if one still does after so many seconds."""
        with self._changed:
            return self._changed.wait_for(lambda: not self._running, seconds)

    def abandon(self, reason: str) -> None:
        """Let every function that runs fail, as they do when their process is gone; their threads are not stopped."""
        with self._changed:
            running, self._running = self._running, {}
        for invocation_id, outcome in running.items():
            outcome.set_result(Invocation(invocation_id, ok=False, error=reason))

    def _finish(self, invocation_id: str, done: Future[Any]) -> None:
        with self._changed:
            outcome = self._running.pop(invocation_id, None)
            self._changed.notify_all()
        if outcome is None:
            return  # it was abandoned
        try:
            ok, value, outputs, error, _ = done.result()
        except BaseException as failure:  # noqa: BLE001 - the one who waits is to see it
            outcome.set_exception(failure)
        else:
            outcome.set_result(Invocation(invocation_id, ok, value, tuple(outputs), error or ""))

    def _submit(self, coroutine: Coroutine[Any, Any, Any]) -> Future[Any]:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop)

    async def _boot(self) -> dict[str, Function]:
        request = SimpleNamespace(capabilities={}, function_app_directory=str(self._app_dir))
        envelope = SimpleNamespace(
            request=SimpleNamespace(worker_init_request=request),
            properties={"host": "127.0.0.1", "protos": _PROTOS},
        )
        for step in (self._library.worker_init_request, self._library.functions_metadata_request):
            answer = await step(envelope)
            if answer.result.status != _StatusResult.Success:
                raise AppError(answer.result.exception.message)
        self._library.start_threadpool_executor()
        found = answer.function_metadata_results or []
        return {item.name: parse_function(item.name, item.function_id, item.raw_bindings) for item in found}
