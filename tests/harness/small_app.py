"""A small app that does as its messages say, and a Functions host of its own process around any app."""

import base64
import json
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import requests
from azure.core.exceptions import ResourceExistsError
from azure.storage.queue import QueueClient

from tests.harness.function_host import ROOT

APP = """
import json, os, threading, time, typing, uuid
import azure.functions as func
from azure.storage.queue import QueueClient

app = func.FunctionApp()
barrier = threading.Barrier(4)
WORKER = uuid.uuid4().hex

def note(**facts):
    with open(os.environ["NOTES"], "a") as file:
        file.write(json.dumps({"at": time.time(), "worker": WORKER, **facts}) + "\\n")

def act(text):
    # fail, meet, empty, sleep:SECONDS and sleep:SECONDS:fail
    verb, _, rest = text.partition(":")
    if verb == "sleep":
        time.sleep(float(rest.partition(":")[0]))
    if verb == "meet":
        barrier.wait(timeout=20)
    if verb == "empty":
        QueueClient.from_connection_string(os.environ["Account"], os.environ["WORK"]).clear_messages()
    if text.endswith("fail"):
        raise ValueError("asked to")

@app.function_name("ingest")
@app.event_grid_trigger(arg_name="event")
@app.queue_output(arg_name="out", queue_name="%WORK%", connection="Account")
def ingest(event: func.EventGridEvent, out: func.Out[str], context: func.Context) -> None:
    data = event.get_json()
    out.set(json.dumps({"kind": type(event).__name__, "traceparent": context.trace_context.trace_parent, **data}))
    if data.get("fail"):
        raise ValueError("asked to")

@app.function_name("fan_out")
@app.event_grid_trigger(arg_name="event")
@app.queue_output(arg_name="out", queue_name="%FANNED%", connection="Account")
def fan_out(event: func.EventGridEvent, out: func.Out[typing.List[str]]) -> None:
    out.set(event.get_json()["bodies"])

@app.function_name("see")
@app.event_grid_trigger(arg_name="event")
def see(event: func.EventGridEvent) -> None:
    note(function="see", id=event.id)

@app.function_name("work")
@app.queue_trigger(arg_name="msg", queue_name="%WORK%", connection="Account")
def work(msg: func.QueueMessage) -> None:
    body = msg.get_body().decode()
    facts = dict(function="work", body=body, id=msg.id, count=msg.dequeue_count, pop=bool(msg.pop_receipt),
         years=[t.year for t in (msg.insertion_time, msg.expiration_time, msg.time_next_visible)])
    note(**facts)
    act(body)
    note(function="worked", body=body)

@app.function_name("collect")
@app.queue_trigger(arg_name="msg", queue_name="%WORK%-poison", connection="Account")
def collect(msg: func.QueueMessage) -> None:
    life = msg.expiration_time - msg.insertion_time
    note(function="collect", body=msg.get_body().decode(), count=msg.dequeue_count, days=life.total_seconds() / 86400)
    if os.environ.get("COLLECT") == "fail":
        raise ValueError("asked to")

@app.function_name("echo")
@app.route(route="runs/{run_id}/{step:int}", methods=["POST"], auth_level=func.AuthLevel.FUNCTION)
def echo(req: func.HttpRequest, context: func.Context) -> func.HttpResponse:
    answer = {"route": dict(req.route_params), "query": dict(req.params), "body": req.get_body().decode(),
              "headers": list(req.headers), "traceparent": context.trace_context.trace_parent}
    return func.HttpResponse(json.dumps(answer), status_code=201, mimetype="application/json", headers={"X-Own": "1"})

@app.function_name("boom")
@app.route(auth_level=func.AuthLevel.ANONYMOUS)
def boom(req: func.HttpRequest) -> func.HttpResponse:
    act(req.params.get("do", "fail"))
    return func.HttpResponse(str(os.getpid()))

@app.function_name("tick")
@app.timer_trigger(arg_name="timer", schedule="%TICK%", use_monitor=True)
def tick(timer: func.TimerRequest) -> None:
    note(function="tick", past_due=timer.past_due)
    act(os.environ.get("TICKS", ""))
    note(function="ticked")
"""
FUNCTIONS = ["boom", "collect", "echo", "fan_out", "ingest", "see", "tick", "work"]

_DRIVER = """
import json, sys
from pathlib import Path
from emulator.functions_host import queues
from emulator.functions_host.host import FunctionsHost
from emulator.functions_host.runtime import BootError, Runtime
host = FunctionsHost(Path(sys.argv[1]))
{before}
host.start(http=False, queues=sys.argv[2] == "listen", timers=False)
work, poison = (host.functions[name]["queueName"] for name in ("work", "collect"))
result = None
{code}
host.stop()
print(json.dumps(result))
"""


class SmallApp:
    """The app above in a folder of its own, with queues of its own."""

    def __init__(self, folder: Path, storage: str) -> None:
        self.folder = folder
        self.work = f"work-{uuid.uuid4().hex[:8]}"
        self.poison = f"{self.work}-poison"
        self._storage = storage
        self.environment = {
            **os.environ,
            "AzureWebJobsStorage": storage,
            "Account": storage,
            "WORK": self.work,
            "FANNED": f"fanned-{self.work}",
            "TICK": "0 0 0 1 1 *",
            "NOTES": str(folder / "notes.jsonl"),
            "PYTHON_THREADPOOL_THREAD_COUNT": "8",
        }
        (folder / "function_app.py").write_text(APP)
        self.configure()

    def configure(self, *, members: Mapping[str, object] | None = None, **queues: object) -> None:
        """Write host.json."""
        options = {"batchSize": 2, "newBatchThreshold": 2, "maxDequeueCount": 2, **queues}
        host_json = {"version": "2.0", "extensions": {"queues": options}, **(members or {})}
        (self.folder / "host.json").write_text(json.dumps(host_json))

    @contextmanager
    def queue(self, name: str = "") -> Iterator[QueueClient]:
        """One of the queues, created if it is not there."""
        with QueueClient.from_connection_string(self._storage, name or self.work) as client:
            with suppress(ResourceExistsError):
                client.create_queue()
            yield client

    def put(self, *bodies: str, encode: bool = True, queue: str = "") -> None:
        """Send messages to the work queue."""
        with self.queue(queue) as client:
            for body in bodies:
                client.send_message(base64.b64encode(body.encode()).decode() if encode else body)

    def peek(self, name: str = "") -> list[str]:
        """Read the bodies that are visible in a queue, as they are."""
        with self.queue(name) as client:
            return [str(message.content) for message in client.peek_messages(32)]

    def count(self, name: str = "") -> int:
        """Count all messages of a queue, also those that are invisible."""
        with self.queue(name) as client:
            return int(client.get_queue_properties().approximate_message_count or 0)

    def notes(self, function: str = "") -> list[dict[str, Any]]:
        """Read what the functions, or one of them, wrote down."""
        file = self.folder / "notes.jsonl"
        lines = file.read_text().splitlines() if file.exists() else []
        return [line for line in map(json.loads, lines) if not function or line["function"] == function]

    def drive(self, code: str, *, before: str = "", listen: bool = False, **settings: str) -> Any:
        """Run a script with the host booted in it and give back its ``result``."""
        program = _DRIVER.format(code=code, before=before)
        command = [sys.executable, "-c", program, str(self.folder), "listen" if listen else "still"]
        environment = {**self.environment, **settings}
        done = subprocess.run(  # noqa: S603
            command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=90, check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])


class HostProcess:
    """A running ``python -m emulator.functions_host``."""

    def __init__(self, app: Path, environment: Mapping[str, str], *options: str, folder: Path | None = None) -> None:
        command = [sys.executable, "-m", "emulator.functions_host", "--app", str(app), *options]
        self._stderr = (folder or app) / f"stderr-{uuid.uuid4().hex[:8]}.txt"
        with self._stderr.open("wb") as stderr:
            self.popen = subprocess.Popen(  # noqa: S603
                command, env=environment, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=stderr
            )
        assert self.popen.stdout is not None
        line = self.popen.stdout.readline()
        if not line:
            raise AssertionError(self.stderr)
        self.first_line = json.loads(line)
        self.url = str(self.first_line["url"])

    @property
    def stderr(self) -> str:
        """All it has said on its standard error."""
        return self._stderr.read_text(encoding="utf-8", errors="replace")

    def key(self, kind: str) -> dict[str, str]:
        """A header with one of the host's keys: ``master``, ``function`` or ``system``."""
        return {"x-functions-key": str(self.first_line[f"{kind}_key"])}

    def webhook(self, function: str) -> str:
        """The URL of an Event Grid function."""
        return f"{self.url}/runtime/webhooks/eventgrid?functionName={function}&code={self.first_line['system_key']}"

    def notify(self, function: str, *data: object, **headers: str) -> int:
        """Deliver a batch of events with this data and return the status."""
        batch = [event(item) for item in data]
        all_headers = {"aeg-event-type": "Notification", **headers}
        return requests.post(self.webhook(function), json=batch, headers=all_headers, timeout=20).status_code

    def admin(self, path: str) -> Any:
        """Ask the host about itself."""
        return requests.get(f"{self.url}/admin/{path}", headers=self.key("master"), timeout=20).json()

    def stop(self, number: int | None = signal.SIGTERM) -> int:
        """Send it a signal, close its input and give its exit code."""
        if number is not None and self.popen.poll() is None:
            self.popen.send_signal(number)
        self.popen.communicate(timeout=30)
        return self.popen.returncode


@contextmanager
def hosted(
    app: Path, environment: Mapping[str, str], *options: str, folder: Path | None = None
) -> Iterator[HostProcess]:
    """A host that ends with the test; its standard error is a file in the folder, or else in the app's."""
    process = HostProcess(app, environment, *options, folder=folder)
    try:
        yield process
    finally:
        if process.popen.poll() is None:
            process.stop(signal.SIGKILL)


def event(data: object) -> dict[str, object]:
    """An event of the Event Grid schema."""
    return {
        "id": "e1",
        "topic": "t",
        "subject": "s",
        "eventType": "T",
        "eventTime": "2026-07-01T10:02:05.5390469Z",
        "dataVersion": "1",
        "metadataVersion": "1",
        "data": data,
    }
