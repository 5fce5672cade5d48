"""The Functions host around Microsoft's worker library, on small apps and on ours; each boot is a process."""

import base64
import json
import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from azure.core.exceptions import ResourceExistsError
from azure.storage.queue import QueueClient

from emulator.azurite import Azurite, AzuriteError
from emulator.event_grid.sender import Sender
from emulator.functions_host.outputs import messages
from emulator.functions_host.queues import QueueOptions, decode
from emulator.functions_host.routes import compile_template
from emulator.functions_host.timers import check_schedule
from emulator.functions_host.webhook import Call, Webhook
from shared.settings import Azurite as AzuriteSetting
from tests.harness.storage import empty

ROOT = Path(__file__).parents[2]
TRACEPARENT = "00-11111111111111111111111111111111-2222222222222222-01"

APP = """
import json, os, threading, typing
import azure.functions as func

app = func.FunctionApp()
barrier = threading.Barrier(4)

def note(**facts):
    with open(os.environ["NOTES"], "a") as file:
        file.write(json.dumps(facts) + "\\n")

@app.function_name("ingest")
@app.event_grid_trigger(arg_name="event")
@app.queue_output(arg_name="out", queue_name="%WORK%", connection="Storage")
def ingest(event: func.EventGridEvent, out: func.Out[str], context: func.Context) -> None:
    data = event.get_json()
    out.set(json.dumps({"kind": type(event).__name__, "traceparent": context.trace_context.trace_parent, **data}))
    if data.get("fail"):
        raise ValueError("asked to")

@app.function_name("fan_out")
@app.event_grid_trigger(arg_name="event")
@app.queue_output(arg_name="out", queue_name="%FANNED%", connection="Storage")
def fan_out(event: func.EventGridEvent, out: func.Out[typing.List[str]]) -> None:
    out.set(event.get_json()["bodies"])

@app.function_name("work")
@app.queue_trigger(arg_name="msg", queue_name="%WORK%", connection="Storage")
def work(msg: func.QueueMessage) -> None:
    body = msg.get_body().decode()
    note(function="work", body=body, id=msg.id, count=msg.dequeue_count, pop=bool(msg.pop_receipt),
         years=[t.year for t in (msg.insertion_time, msg.expiration_time, msg.time_next_visible)])
    if body == "fail":
        raise ValueError("asked to")
    if body == "meet":
        barrier.wait(timeout=20)

@app.function_name("collect")
@app.queue_trigger(arg_name="msg", queue_name="%WORK%-poison", connection="Storage")
def collect(msg: func.QueueMessage) -> None:
    note(function="collect", body=msg.get_body().decode())
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
    raise ValueError("asked to")

@app.function_name("tick")
@app.timer_trigger(arg_name="timer", schedule="%TICK%")
def tick(timer: func.TimerRequest) -> None:
    note(function="tick", past_due=timer.past_due)
"""

DRIVER = """
import json, sys
from pathlib import Path
from emulator.functions_host.host import FunctionsHost
from emulator.functions_host.runtime import BootError, Runtime
host = FunctionsHost(Path(sys.argv[1]))
host.start(http=False, queues=sys.argv[2] == "listen")
work, poison = (host.functions[name]["queueName"] for name in ("work", "collect"))
result = None
{code}
host.stop()
print(json.dumps(result))
"""


class SampleApp:
    """The app above in a folder of its own, with queues of its own."""

    def __init__(self, folder: Path, storage: str) -> None:
        self.folder = folder
        self.work = f"work-{uuid.uuid4().hex[:8]}"
        self._storage = storage
        self.environment = {
            **os.environ,
            "Storage": storage,
            "WORK": self.work,
            "FANNED": f"fanned-{self.work}",
            "TICK": "0 */5 * * * *",
            "NOTES": str(folder / "notes.jsonl"),
            "PYTHON_THREADPOOL_THREAD_COUNT": "8",
        }
        (folder / "function_app.py").write_text(APP)
        self.configure()

    def configure(self, **queues: object) -> None:
        """Write host.json."""
        options = {"batchSize": 2, "newBatchThreshold": 2, "maxDequeueCount": 2, **queues}
        (self.folder / "host.json").write_text(json.dumps({"version": "2.0", "extensions": {"queues": options}}))

    @contextmanager
    def queue(self, name: str = "") -> Iterator[QueueClient]:
        """One of the queues, created if it is not there."""
        with QueueClient.from_connection_string(self._storage, name or self.work) as client:
            with suppress(ResourceExistsError):
                client.create_queue()
            yield client

    def put(self, *bodies: str, encode: bool = True) -> None:
        """Send messages to the work queue."""
        with self.queue() as client:
            for body in bodies:
                client.send_message(base64.b64encode(body.encode()).decode() if encode else body)

    def peek(self, name: str = "") -> list[str]:
        """Read the bodies that are visible in a queue, as they are."""
        with self.queue(name) as client:
            return [str(message.content) for message in client.peek_messages(32)]

    def notes(self) -> list[dict[str, Any]]:
        """Read what the functions wrote down."""
        file = self.folder / "notes.jsonl"
        return [json.loads(line) for line in file.read_text().splitlines()] if file.exists() else []

    def drive(self, code: str, *, listen: bool = False, **settings: str) -> Any:
        """Run a script with the host booted in it and give back its ``result``."""
        command = [sys.executable, "-c", DRIVER.format(code=code), str(self.folder), "listen" if listen else "still"]
        environment = {**self.environment, **settings}
        done = subprocess.run(  # noqa: S603
            command, env=environment, cwd=ROOT, capture_output=True, text=True, timeout=90, check=False
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout.splitlines()[-1])


class HostProcess:
    """A running ``python -m emulator.functions_host``."""

    def __init__(self, app: Path, environment: Mapping[str, str], *options: str) -> None:
        command = [sys.executable, "-m", "emulator.functions_host", "--app", str(app), *options]
        self.popen = subprocess.Popen(  # noqa: S603
            command, env=environment, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE
        )
        assert self.popen.stdout is not None
        line = self.popen.stdout.readline()
        if not line:
            raise AssertionError(self.popen.communicate(timeout=20)[1].decode())
        self.first_line = json.loads(line)
        self.url = str(self.first_line["url"])

    def webhook(self, function: str) -> str:
        """The URL of an Event Grid function."""
        return f"{self.url}/runtime/webhooks/eventgrid?functionName={function}&code={self.first_line['system_key']}"

    def notify(self, function: str, *data: object, **headers: str) -> int:
        """Deliver a batch of events with this data and return the status."""
        batch = [event(item) for item in data]
        all_headers = {"aeg-event-type": "Notification", **headers}
        return requests.post(self.webhook(function), json=batch, headers=all_headers, timeout=20).status_code

    def stop(self, number: int | None = signal.SIGTERM) -> int:
        """Send it a signal, close its input and give its exit code."""
        if number is not None and self.popen.poll() is None:
            self.popen.send_signal(number)
        self.popen.communicate(timeout=30)
        return self.popen.returncode


@contextmanager
def hosted(app: Path, environment: Mapping[str, str], *options: str) -> Iterator[HostProcess]:
    """A host that ends with the test."""
    process = HostProcess(app, environment, *options)
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


@pytest.fixture
def storage(azurite_server: Azurite) -> str:
    """Azurite's connection string, without a message of another test in the app's own queue."""
    empty(AzuriteSetting(azurite_server.base_port))
    return azurite_server.connection_string


@pytest.fixture
def app(tmp_path: Path, storage: str) -> SampleApp:
    """The sample app with fresh queues."""
    return SampleApp(tmp_path, storage)


@pytest.fixture
def host(app: SampleApp) -> Iterator[HostProcess]:
    """The sample app, served without queue listeners."""
    with hosted(app.folder, app.environment, "--no-queues", "--journal", str(app.folder / "journal")) as process:
        yield process


def test_event_accepted_by_webhook_is_in_the_queue_and_the_journal(app: SampleApp, host: HostProcess) -> None:
    """202 means the message is written, base64 encoded, and the journal has it with the invocation's id."""
    app.put()
    assert host.notify("ingest", {"n": 1}, traceparent=TRACEPARENT) == 202
    [body] = app.peek()
    message = {"kind": "EventGridEvent", "traceparent": TRACEPARENT, "n": 1}
    assert json.loads(base64.b64decode(body)) == message
    [line] = (app.folder / "journal").read_text().splitlines()
    assert json.loads(json.loads(line)["body"]) == message
    assert uuid.UUID(json.loads(line)["invocation_id"])


def test_one_failing_event_answers_500_and_the_others_are_written(app: SampleApp, host: HostProcess) -> None:
    """The batch comes back as a whole; what a failing function set is not written."""
    app.put()
    assert host.notify("ingest", {"n": 1}, {"n": 2, "fail": True}) == 500
    assert [json.loads(base64.b64decode(body))["n"] for body in app.peek()] == [1]


def test_output_that_cannot_be_written_fails_the_event(host: HostProcess) -> None:
    """The queue is missing and is not created: 500, so that Event Grid tries again."""
    assert host.notify("ingest", {"n": 1}) == 500


def test_list_set_by_function_is_one_message_for_each_element(app: SampleApp, host: HostProcess) -> None:
    """What is set as a list of texts becomes as many messages."""
    with app.queue(app.environment["FANNED"]):
        assert host.notify("fan_out", {"bodies": ["a", "b"]}) == 202
    assert [base64.b64decode(body) for body in app.peek(app.environment["FANNED"])] == [b"a", b"b"]


@pytest.mark.parametrize("schema", ["EventGridSchema", "CloudEventSchemaV1_0"])
def test_sender_agrees_with_webhook_and_delivers(app: SampleApp, host: HostProcess, schema: Any) -> None:
    """Handshake and delivery in both schemas; which class the function gets goes by the payload."""
    app.put()
    with Sender(host.webhook("ingest"), topic="t", subscription_name="s", schema=schema, max_attempts=1) as grid:
        grid.handshake()
        cloud = {"specversion": "1.0", "id": "c", "source": "s", "type": "T", "data": {"n": 1}}
        report = grid.send([event({"n": 1}) if schema == "EventGridSchema" else cloud])
    # The sample reads what both classes have; that it gets another class than annotated is the library's doing.
    assert len(report.delivered) == 1
    [body] = app.peek()
    kind = "EventGridEvent" if schema == "EventGridSchema" else "CloudEvent"
    assert json.loads(base64.b64decode(body))["kind"] == kind


def test_http_function_gets_route_query_headers_and_trace(host: HostProcess) -> None:
    """The key may come as a header or in the query; names of headers are in lower case."""
    key = host.first_line["function_key"]
    url = f"{host.url}/api/Runs/r1/7"
    answer = requests.post(url, params={"code": key}, data="hi", headers={"X-Who": "me"}, timeout=20)
    got = answer.json()
    assert (answer.status_code, answer.headers["X-Own"]) == (201, "1")
    assert (got["route"], got["query"], got["body"]) == ({"run_id": "r1", "step": "7"}, {"code": key}, "hi")
    assert "x-who" in got["headers"]
    headers = {"x-functions-key": key, "traceparent": TRACEPARENT}
    assert requests.post(url, headers=headers, timeout=20).json()["traceparent"] == TRACEPARENT


def test_http_refuses_what_the_genuine_host_refuses(host: HostProcess) -> None:
    """401 without the key, 404 for another path or method, 500 if the function fails."""
    url = f"{host.url}/api/runs/r1/7"
    assert requests.post(url, timeout=20).status_code == 401
    assert requests.post(url, params={"code": host.first_line["system_key"]}, timeout=20).status_code == 401
    assert requests.get(url, timeout=20).status_code == 404
    assert requests.get(f"{host.url}/api/nothing", timeout=20).status_code == 404
    assert requests.get(f"{host.url}/api/boom", timeout=20).status_code == 500


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, None])
def test_host_ends_with_0_when_asked_to(app: SampleApp, number: int | None) -> None:
    """A signal, or without one the end of its standard input."""
    with hosted(app.folder, app.environment, "--no-http") as process:
        assert process.first_line["functions"] == ["boom", "collect", "echo", "fan_out", "ingest", "tick", "work"]
        assert process.stop(number) == 0


def test_killed_host_leaves_its_message_in_the_queue(app: SampleApp) -> None:
    """A message that was being worked on when the host was killed is still there, invisible until its lease ends."""
    app.put("meet")
    with hosted(app.folder, app.environment, "--no-http") as process:
        wait_until(lambda: bool(app.notes()))
        assert process.stop(signal.SIGKILL) == -signal.SIGKILL
    with app.queue() as client:
        assert client.get_queue_properties().approximate_message_count == 1
    assert app.peek() == []


def test_message_processed_is_deleted_and_had_its_metadata(app: SampleApp) -> None:
    """The function sees id, count, receipt and the three times."""
    app.put("hello")
    assert app.drive("result = [host.pump_once(work), host.pump_once(work)]") == [1, 0]
    [note] = app.notes()
    assert (note["body"], note["count"], note["pop"]) == ("hello", 1, True)
    assert uuid.UUID(note["id"])
    assert all(2000 < year < 10_000 for year in note["years"])
    with app.queue() as client:
        assert client.get_queue_properties().approximate_message_count == 0


def test_message_failing_too_often_goes_to_poison_and_is_collected(app: SampleApp) -> None:
    """After maxDequeueCount attempts its body is copied, as it was, to a queue created for it."""
    app.put("fail")
    app.drive("host.drain(30)", listen=True)
    assert [(note["function"], note["body"]) for note in app.notes()] == [
        ("work", "fail"),
        ("work", "fail"),
        ("collect", "fail"),
    ]


def test_message_failing_waits_for_the_visibility_timeout(app: SampleApp) -> None:
    """Below maxDequeueCount it stays, invisible as long as host.json says."""
    app.configure(visibilityTimeout="01:00:00")
    app.put("fail")
    assert app.drive("result = [host.pump_once(work), host.pump_once(work)]") == [1, 0]
    with app.queue() as client:
        assert client.get_queue_properties().approximate_message_count == 1


def test_message_taken_too_often_is_poison_before_it_is_run(app: SampleApp) -> None:
    """A host that dies in the function cannot fail it: the count alone decides at the next attempt."""
    app.put("kills")
    with app.queue() as client:
        for _ in range(2):
            [message] = client.receive_messages(visibility_timeout=60)
            client.update_message(message, visibility_timeout=0)
    assert app.drive("result = host.pump_once(work)") == 1
    assert app.notes() == []
    assert [base64.b64decode(body) for body in app.peek(f"{app.work}-poison")] == [b"kills"]


def test_message_without_encoding_is_poison_unseen(app: SampleApp) -> None:
    """A body that is not base64 never reaches the function, and on the poison queue neither."""
    app.put('{"plain": 1}', encode=False)
    assert app.drive("result = [host.pump_once(queue) for queue in (work, poison)]") == [1, 1]
    assert app.notes() == []
    with app.queue(f"{app.work}-poison") as client:
        assert client.get_queue_properties().approximate_message_count == 1


def test_message_failing_on_the_poison_queue_stays_there(app: SampleApp) -> None:
    """There is no poison queue of a poison queue: it stays invisible until its lease ends."""
    app.put("fail")
    result = app.drive("result = [host.pump_once(queue) for queue in (work, work, poison, poison)]", COLLECT="fail")
    assert result == [1, 1, 1, 0]
    with app.queue(f"{app.work}-poison") as client:
        assert client.get_queue_properties().approximate_message_count == 1


def test_listener_runs_batch_size_and_threshold_at_once(app: SampleApp) -> None:
    """Four messages wait for one another: two of a batch, and two more because the threshold allows them."""
    app.put(*["meet"] * 4)
    app.drive("host.drain(40)", listen=True)
    assert len(app.notes()) == 4


def test_drain_names_the_queue_that_is_not_empty(app: SampleApp) -> None:
    """A message that waits out its timeout keeps the queue from being drained."""
    app.configure(visibilityTimeout="01:00:00")
    app.put("fail")
    code = "try:\n    host.drain(0.5)\nexcept TimeoutError as error:\n    result = str(error)"
    assert app.drive(code) == f"1 in {app.work}"


def test_timer_runs_when_fired(app: SampleApp) -> None:
    """The schedule is read from its app setting; the function learns whether it is late."""
    code = 'result = [host.functions["tick"]["schedule"], host.fire("tick").ok, host.fire("tick", past_due=True).ok]'
    assert app.drive(code) == ["0 */5 * * * *", True, True]
    assert [note["past_due"] for note in app.notes()] == [False, True]


def test_second_boot_in_a_process_is_refused(app: SampleApp) -> None:
    """The library keeps its state in modules."""
    code = "try:\n    Runtime(Path(sys.argv[1])).start()\nexcept BootError as error:\n    result = str(error)"
    assert "once per process" in app.drive(code)


@pytest.mark.parametrize(
    ("setting", "value", "reason"),
    [("TICK", "every now and then", "schedule"), ("TICK", None, "TICK"), ("Storage", None, "Storage")],
)
def test_app_with_a_bad_setting_is_not_hosted(app: SampleApp, setting: str, value: str | None, reason: str) -> None:
    """The worker would take it in silence; this host says what is wrong and ends with 2."""
    environment = {**app.environment, setting: value or ""}
    if value is None:
        del environment[setting]
    command = [sys.executable, "-m", "emulator.functions_host", "--app", str(app.folder)]
    done = subprocess.run(  # noqa: S603
        command, env=environment, cwd=ROOT, stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False
    )
    assert done.returncode == 2
    assert reason in done.stderr.decode()


def test_our_app_has_exactly_these_functions_and_takes_an_event(storage: str, tmp_path: Path) -> None:
    """The app as deployed boots in the genuine runtime, and an event it receives is in its queue."""
    environment = {**os.environ, "LineageStorage": storage, "RECONCILE_SCHEDULE": "0 */15 * * * *"}
    with QueueClient.from_connection_string(storage, "lineage-requests") as client:
        with hosted(ROOT, environment, "--no-queues") as process:
            status = process.notify("receive_event", {"runId": "r1"}, traceparent=TRACEPARENT)
            live = requests.get(f"{process.url}/api/health/live", timeout=20).status_code
        [message] = client.peek_messages()
    names = ["collect_poison", "live", "openlineage", "openlineage_batch", "publish_lineage"]
    names += ["ready", "receive_event", "reconcile", "replay"]
    assert process.first_line["functions"] == names
    assert (status, live) == (202, 204)
    assert json.loads(message.content)["traceparent"] == TRACEPARENT


def test_azurite_on_ports_in_use_says_so(storage: str) -> None:
    """A second one on the same ports fails with what it printed."""
    port = int(storage.partition("BlobEndpoint=http://127.0.0.1:")[2].partition("/")[0])
    with pytest.raises(AzuriteError, match="EADDRINUSE"), Azurite(port):
        pass


KEY = {"functionName": "f", "code": "key"}
EVENT = json.dumps([event({})]).encode()


@pytest.mark.parametrize(
    ("query", "headers", "body", "status"),
    [
        ({"functionName": "f"}, {"aeg-event-type": "Notification"}, EVENT, 401),
        ({**KEY, "code": "other"}, {"aeg-event-type": "Notification"}, EVENT, 401),
        ({**KEY, "functionName": "g"}, {"aeg-event-type": "Notification"}, EVENT, 404),
        (KEY, {"aeg-event-type": "Notification"}, EVENT, 202),
        (KEY, {"aeg-event-type": "notification"}, EVENT[1:-1], 202),
        (KEY, {"aeg-event-type": "Notification"}, b"not JSON", 400),
        (KEY, {"aeg-event-type": "Notification"}, b'"text"', 400),
        (KEY, {"aeg-event-type": "Notification"}, b'["bad"]', 500),
        (KEY, {"content-type": "application/cloudevents+json"}, b'{"specversion": "1.0"}', 202),
        (KEY, {"aeg-event-type": "Unsubscribe"}, b"", 202),
        (KEY, {"aeg-event-type": "Other"}, EVENT, 400),
        (KEY, {}, EVENT, 400),
        (KEY, {"aeg-event-type": "SubscriptionValidation"}, b"[]", 400),
        (KEY, {"aeg-event-type": "SubscriptionValidation"}, b'[{"data": {"validationCode": "c"}}]', 200),
    ],
)
def test_webhook_answers_each_call_as_the_extension_does(
    query: dict[str, str], headers: dict[str, str], body: bytes, status: int
) -> None:
    """Key, function, kind of call, shape of the body: in this order."""
    webhook = Webhook(frozenset({"f"}), "key", lambda name, events, traceparent: events.count("bad"))
    answer = webhook.answer(Call("POST", query, headers, body))
    assert answer.status == status
    assert answer.body == ({"validationResponse": "c"} if status == 200 else None)


def test_webhook_allows_the_origin_that_asks() -> None:
    """The handshake of CloudEvents; without an origin there is nothing to allow."""
    webhook = Webhook(frozenset({"f"}), "key", lambda name, events, traceparent: 0)
    answer = webhook.answer(Call("OPTIONS", KEY, {"webhook-request-origin": "here"}, b""))
    assert (answer.status, answer.headers) == (200, {"WebHook-Allowed-Origin": "here"})
    assert webhook.answer(Call("OPTIONS", KEY, {}, b"")).status == 400


@pytest.mark.parametrize("schedule", ["0 */5 * * * *", "0 0 9-17 * * MON-FRI", "0 0 0 1,15 jan *", "01:30:00"])
def test_schedule_of_ncrontab_or_timespan_passes(schedule: str) -> None:
    """Ranges, lists, steps and names."""
    assert check_schedule(schedule) == schedule


@pytest.mark.parametrize("schedule", ["", "* * *", "60 * * * * *", "0 * 24 * * *", "0 */0 * * * *", "a b c d e f"])
def test_schedule_the_host_would_refuse_raises(schedule: str) -> None:
    """Fields missing, out of range or of another language."""
    with pytest.raises(ValueError, match="schedule"):
        check_schedule(schedule)


def test_host_json_of_the_app_is_read() -> None:
    """The shipped settings, and the host's defaults for what is not set."""
    shipped = json.loads((ROOT / "host.json").read_text())["extensions"]["queues"]
    options = QueueOptions.parse(shipped)
    assert options.max_dequeue_count == shipped["maxDequeueCount"]
    assert options.visibility_timeout == timedelta(seconds=30)
    assert QueueOptions.parse({}).batch_size == 16


def test_small_parsers_read_what_they_should() -> None:
    """Templates, outputs and encodings."""
    assert compile_template("api/{a}/{b?}").fullmatch("/api/x")
    assert compile_template("api/{*rest}").fullmatch("/api/x/y")
    assert not compile_template("api/{a}").fullmatch("/api/x/y")
    assert messages('["a", {"b": 1}]', "json") == [b"a", b'{"b": 1}']
    assert messages(b"raw", "bytes") == [b"raw"]
    assert decode("YQ==\n") == b"a"
    assert decode("{}") is None


def wait_until(condition: Callable[[], bool], timeout: float = 30) -> None:
    """Wait for a condition; fails after the timeout."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)
