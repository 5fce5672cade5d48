"""
The emulated Functions host gives the answers of the genuine one: the webhook, HTTP, keys, settings and host.json.

Each row is what azure-functions-host 4.1037 with the Python worker 4.34, or its Event Grid extension, answered.
`test_functions_host_listeners.py` has the queues, the timers and the end of a host.
"""

import base64
import json
import os
import signal
import time
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import requests
from azure.storage.queue import QueueClient

from emulator.azurite import Azurite, AzuriteError
from emulator.event_grid.sender import Sender
from emulator.functions_host.host_json import HostJsonError, HostOptions, QueueOptions
from emulator.functions_host.keys import Keys, Level
from emulator.functions_host.outputs import messages
from emulator.functions_host.queues import decode
from emulator.functions_host.routes import Request, compile_template
from emulator.functions_host.schedules import NEVER, ScheduleError, parse_schedule
from emulator.functions_host.webhook import PATH, Webhook
from shared.settings import Azurite as AzuriteSetting
from tests.harness.function_host import ROOT, wait_until
from tests.harness.small_app import FUNCTIONS, HostProcess, SmallApp, event, hosted
from tests.harness.storage import empty

TRACEPARENT = "00-11111111111111111111111111111111-2222222222222222-01"
KEYS = Keys("master", "function", "system")
EVENT = json.dumps([event({})]).encode()
NOTIFICATION = {"aeg-event-type": "Notification"}
VALIDATION = {"aeg-event-type": "SubscriptionValidation"}
CLOUD = {"content-type": "application/cloudevents+json"}
MISSING, FAILED = b"cannot find function: '%s'", b"Exception while executing function: f"
CODE = b'{"validationResponse": "c"}'


def nest(levels: int) -> bytes:
    """An event in an array, with so many arrays and objects in each other in all."""
    return b'[{"data": ' + b"[" * (levels - 2) + b"]" * (levels - 2) + b"}]"


@pytest.fixture
def storage(azurite_server: Azurite) -> str:
    """Azurite's connection string, without a message of another test in the app's own queue."""
    empty(AzuriteSetting(azurite_server.base_port))
    return azurite_server.connection_string


@pytest.fixture
def app(tmp_path: Path, storage: str) -> SmallApp:
    """The small app with fresh queues."""
    return SmallApp(tmp_path, storage)


@pytest.fixture
def host(app: SmallApp) -> Iterator[HostProcess]:
    """The small app, served without listeners."""
    journal = str(app.folder / "journal")
    with hosted(app.folder, app.environment, "--no-queues", "--no-timers", "--journal", journal) as process:
        yield process


@pytest.mark.parametrize(
    ("function", "headers", "body", "status", "answer"),
    [
        ("f", NOTIFICATION, EVENT, 202, b""),
        ("f", {"aeg-event-type": "notification"}, EVENT[1:-1], 202, b""),
        ("f", {**NOTIFICATION, **CLOUD}, b'{"specversion": "1.0"}', 202, b""),
        ("f", CLOUD, b'{"specversion": "1.0"}', 400, b""),
        ("f", {}, EVENT, 400, b""),
        ("f", {"aeg-event-type": "Other"}, EVENT, 400, b""),
        ("f", NOTIFICATION, b"[]", 202, b""),
        ("f", NOTIFICATION, b"{}", 202, b""),
        ("f", NOTIFICATION, b'[{"id": "bad"}, {"id": "good"}]', 500, FAILED),
        ("f", NOTIFICATION, b"not JSON", 500, b""),
        ("f", NOTIFICATION, b'"text"', 500, b""),
        ("f", NOTIFICATION, b"7", 500, b""),
        ("f", NOTIFICATION, b"", 500, b""),
        ("f", NOTIFICATION, b"[7]", 500, b""),
        ("f", NOTIFICATION, b'[{"id": "good"}, "text"]', 500, b""),
        ("f", NOTIFICATION, nest(64), 202, b""),
        ("f", NOTIFICATION, nest(65), 500, b""),
        ("f", VALIDATION, b'[{"data": {"validationCode": "c"}}]', 200, CODE),
        ("f", {"aeg-event-type": "subscriptionvalidation"}, b'[{"data": {"validationCode": "c"}}]', 200, CODE),
        ("f", VALIDATION, b"[{}]", 500, b""),
        ("f", VALIDATION, b"[]", 500, b""),
        ("f", {"aeg-event-type": "Unsubscribe"}, b"", 202, b""),
        ("g", NOTIFICATION, EVENT, 404, MISSING % b"g"),
        ("F", NOTIFICATION, EVENT, 404, MISSING % b"F"),
        ("", NOTIFICATION, EVENT, 404, MISSING % b""),
    ],
)
def test_webhook_answers_each_call_as_the_extension_does(
    function: str, headers: dict[str, str], body: bytes, status: int, answer: bytes
) -> None:
    """What it cannot read, and what the function fails on, comes again for a day; what is 400 or 404 never does."""
    call = Request("POST", "", PATH, {"functionName": function, "code": "system"}, headers, body)
    webhook = Webhook(frozenset({"f"}), KEYS, lambda _, events, __: sum(each.get("id") == "bad" for each in events))
    response = webhook.answer(call)
    assert (response.status, response.body) == (status, answer)


@pytest.mark.parametrize(
    ("asked", "allowed"),
    [
        (None, "eventgrid.azure.net"),
        ("eventgrid.azure.net", "eventgrid.azure.net"),
        ("eventgrid.azure.us", "eventgrid.azure.us"),
        ("elsewhere.example", "eventgrid.azure.net"),
    ],
)
def test_webhook_allows_event_grid_and_no_rate(asked: str | None, allowed: str) -> None:
    """The handshake of CloudEvents, whether or not it names an origin."""
    headers = {"webhook-request-rate": "100", **({"webhook-request-origin": asked} if asked else {})}
    call = Request("OPTIONS", "", PATH, {"functionName": "f", "code": "system"}, headers, b"")
    response = Webhook(frozenset({"f"}), KEYS, lambda *_: 0).answer(call)
    assert (response.status, response.headers) == (200, {"Webhook-Allowed-Origin": allowed})


@pytest.mark.parametrize(
    ("path", "key", "status"),
    [
        (PATH, {}, 401),
        (PATH, {"x-functions-key": "wrong"}, 401),
        (PATH, {"aeg-sas-key": "system"}, 401),
        (PATH, {"x-functions-key": "function"}, 403),
        (PATH, {"x-functions-key": "system"}, 202),
        (PATH, {"x-functions-key": "master"}, 202),
        ("/runtime/webhooks/other", {"x-functions-key": "system"}, 403),
    ],
)
def test_webhook_opens_to_the_master_key_and_its_own(path: str, key: dict[str, str], status: int) -> None:
    """The host's function key is known, and still opens nothing here."""
    call = Request("POST", "", path, {"functionName": "f"}, {**NOTIFICATION, **key}, EVENT)
    assert Webhook(frozenset({"f"}), KEYS, lambda *_: 0).answer(call).status == status


def test_key_of_one_function_opens_that_function_only() -> None:
    """The header wins over the query."""
    key = KEYS.of_function("f")
    assert KEYS.level({"x-functions-key": key}, {}, "f") is Level.FUNCTION
    assert KEYS.level({"x-functions-key": key}, {"code": "master"}, "g") is Level.ANONYMOUS
    assert KEYS.level({}, {"code": "master"}, "g") is Level.ADMIN


@pytest.mark.parametrize(
    "schedule",
    [
        *("0 */5 * * * *", "0 0 9-17 * * MON-FRI", "0 0 0 1,15 jan *", "*/5 * * * *", "0 */0 * * * *", "0 0 0 * * 0-6"),
        *("0 0 0 * January-mar *", "0 0 0 * J Tues", "0 0 17-9 * * *", "  0 0 0 * * *  ", "0 5/20 * * * *"),
        *("01:30:00", "24:00:00", "5", "1.00:00:00", "00:00:30"),
    ],
)
def test_schedule_that_the_host_takes_is_one(schedule: str) -> None:
    """Names in full or any beginning of one, steps of 0, ranges the wrong way round; time spans, also a bare number."""
    assert parse_schedule(schedule).next_after(datetime(2026, 1, 1, tzinfo=UTC)) < NEVER


@pytest.mark.parametrize(
    "schedule",
    [
        *("", "* * *", "60 * * * * *", "0 * 24 * * *", "a b c d e f", "0 0 0 * * 7", "0 0 0 * * 0-7", "0 0 0 0 * *"),
        *(
            "0\t*/5 * * * *",
            "0 0\t0 * * *",
            "0 0 0 * * Mondays",
            "0 0 0 ? * *",
            "0 0 0 L * *",
            "0 0 0 * * 1#2",
            "@daily",
        ),
        *("0 0 0 * * 1,", "0 0 0 * * ,1", "1-2-3 * * * * *", "*/x * * * * *", "every now and then", "-5", "25:61:00"),
    ],
)
def test_schedule_that_the_host_refuses_raises(schedule: str) -> None:
    """Weekday 7, tabs, and what other crons know."""
    with pytest.raises(ScheduleError, match="was not recognized as a valid cron expression or timespan string"):
        parse_schedule(schedule)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        ("0 */15 * * * *", "2026-02-27T23:45:00"),
        ("30 0 3 * * SUN", "2026-03-01T03:00:30"),
        ("0 0 0 29 2 *", "2028-02-29T00:00:00"),
        ("0 0 0 30 2 *", "9999-12-31T23:59:59.999999"),
        ("0 0 0 31 * 5", "2026-07-31T00:00:00"),
        ("40 30 23 27 2 *", "2026-02-27T23:30:40"),
        ("01:00:00", "2026-02-28T00:30:30"),
    ],
)
def test_schedule_gives_the_first_time_that_is_later(schedule: str, expected: str) -> None:
    """From a Friday evening: days of the month and of the week have to fit both."""
    friday = datetime(2026, 2, 27, 23, 30, 30, tzinfo=UTC)
    assert parse_schedule(schedule).next_after(friday).replace(tzinfo=None).isoformat() == expected


@pytest.mark.parametrize(
    ("members", "says"),
    [
        ({"version": None}, "version"),
        ({"version": "1.0"}, "version"),
        ({"version": "3.0"}, "version"),
        ({"extensions": {"queues": {"batchSize": 33}}}, "batchSize"),
        ({"extensions": {"queues": {"messageEncoding": "utf8"}}}, "messageEncoding"),
        ({"extensions": {"queues": {"maxPollingInterval": "00:00:00.05"}}}, "maxPollingInterval"),
        ({"extensions": {"queues": {"maxDequeueCount": 0}}}, "maxDequeueCount"),
        ({"functionTimeout": "00:00:00"}, "functionTimeout"),
        ({"functionTimeout": "soon"}, "functionTimeout"),
        ({"extensionBundle": {"id": "Microsoft.Azure.Functions.ExtensionBundle"}}, "extensionBundle"),
        ({"extensionBundle": {"id": "Contoso.Bundle", "version": "[4.*, 5.0.0)"}}, "downloaded"),
    ],
)
def test_host_json_that_the_host_refuses_is_refused(members: dict[str, Any], says: str) -> None:
    """Each of these leaves an app that answers 503 to everything."""
    with pytest.raises(HostJsonError, match=says):
        HostOptions.parse({"version": "2.0", **members})


@pytest.mark.parametrize(
    "members",
    [
        {},
        {"version": "2.0", "unknown": 1, "extensions": {"queues": {"unknown": 1}, "unknown": {}}},
        {"version": "2.0", "telemetryMode": "Unknown"},
        {"version": "2.0", "functionTimeout": "-1"},
    ],
)
def test_host_json_that_the_host_accepts_is_accepted(members: dict[str, Any]) -> None:
    """Without a word: a misspelt key has no effect."""
    assert HostOptions.parse(members).queues == QueueOptions.parse({})


def test_host_json_of_the_app_is_read() -> None:
    """The shipped settings, and the host's defaults for what is not set."""
    shipped = HostOptions.read(ROOT)
    assert shipped.queues.visibility_timeout == timedelta(seconds=30)
    assert shipped.timeout == timedelta(minutes=30)
    assert QueueOptions.parse({}).batch_size == 16


def test_host_with_a_refused_host_json_answers_503_until_it_is_another(app: SmallApp) -> None:
    """Its status says Error; it tries again by itself."""
    (app.folder / "host.json").write_text("{")
    with hosted(app.folder, app.environment, "--no-queues") as process:
        assert process.first_line["functions"] == []
        for url in (f"{process.url}/api/boom", process.webhook("see")):
            answer = requests.get(url, timeout=20)
            assert (answer.status_code, answer.text) == (503, "Function host is not running.")
        assert process.admin("host/status")["state"] == "Error"
        app.configure()
        wait_until(lambda: process.admin("host/status")["state"] == "Running")
        wait_until(lambda: requests.get(f"{process.url}/api/boom?do=well", timeout=20).status_code == 200)


@pytest.mark.parametrize(
    "program", ["import azure.functions as func\napp = func.FunctionApp()\n", "import not_there\n"]
)
def test_app_without_a_function_runs_and_answers_404(app: SmallApp, program: str) -> None:
    """An import that fails ends the same way: only the log of the host says why."""
    (app.folder / "function_app.py").write_text(program)
    with hosted(app.folder, app.environment) as process:
        assert process.admin("host/status")["state"] == "Running"
        assert process.admin("functions") == []
        assert requests.get(f"{process.url}/api/boom", timeout=20).status_code == 404
    assert ("not_there" in process.stderr) == ("not_there" in program)


@pytest.mark.parametrize(
    ("setting", "value", "off", "says"),
    [
        ("TICK", None, ["tick"], "'%TICK%' does not resolve to a value."),
        ("TICK", "", ["tick"], "'%TICK%' does not resolve to a value."),
        ("TICK", "0 0 0 * * 7", ["tick"], "was not recognized as a valid cron expression or timespan string."),
        ("Account", None, ["collect", "work"], "'AzureWebJobsAccount' does not exist"),
        ("Account", "junk", ["collect", "work"], "Account: "),
        ("AzureWebJobsStorage", None, ["tick"], "'AzureWebJobsStorage' does not exist"),
    ],
)
def test_binding_that_cannot_be_resolved_switches_off_its_function_only(
    app: SmallApp, setting: str, value: str | None, off: list[str], says: str
) -> None:
    """The list has all functions, the status of each says what is wrong, and the others run."""
    environment = {**app.environment, setting: value or ""}
    if value is None:
        del environment[setting]
    with hosted(app.folder, environment) as process:
        assert sorted(function["name"] for function in process.admin("functions")) == FUNCTIONS
        status = {name: process.admin(f"functions/{name}/status") for name in FUNCTIONS}
        assert sorted(name for name in status if status[name]) == off
        for name in off:
            [error] = status[name]["errors"]
            assert error.startswith(f"Microsoft.Azure.WebJobs.Host: Error indexing method 'Functions.{name}'.")
            assert says in error
        assert requests.get(f"{process.url}/api/boom?do=well", timeout=20).status_code == 200
        assert process.notify("see", {}) == 202
        by_hand = requests.post(
            f"{process.url}/admin/functions/tick", json={}, headers=process.key("master"), timeout=20
        )
        assert by_hand.status_code == 202


def test_output_whose_connection_is_missing_fails_the_event_and_not_the_start(app: SmallApp) -> None:
    """500, so that Event Grid tries again."""
    environment = {name: value for name, value in app.environment.items() if name != "Account"}
    with hosted(app.folder, environment, "--no-queues") as process:
        assert process.admin("functions/ingest/status") == {}
        assert process.notify("ingest", {"n": 1}) == 500


def test_function_that_is_disabled_is_listed_so_and_not_served(app: SmallApp) -> None:
    """By its app setting."""
    environment = {**app.environment, "AzureWebJobs.boom.Disabled": "true"}
    with hosted(app.folder, environment, "--no-queues") as process:
        listed = {function["name"]: function["isDisabled"] for function in process.admin("functions")}
        assert [name for name, disabled in listed.items() if disabled] == ["boom"]
        assert requests.get(f"{process.url}/api/boom?do=well", timeout=20).status_code == 404


def test_host_describes_each_function_as_the_genuine_one(host: HostProcess) -> None:
    """Name, binding and where it is called."""
    echo = host.admin("functions/ECHO")
    assert (echo["name"], echo["language"], echo["isDisabled"]) == ("echo", "python", False)
    assert echo["invoke_url_template"] == f"{host.url}/api/runs/{{run_id}}/{{step:int}}"
    assert {binding["type"] for binding in echo["config"]["bindings"]} == {"httpTrigger", "http"}
    tick = host.admin("functions/tick")
    assert tick["config"]["bindings"][0]["schedule"] == "%TICK%"
    assert tick["invoke_url_template"] is None


@pytest.mark.parametrize(
    ("function", "key", "body", "content_type", "status"),
    [
        ("tick", None, b"{}", "application/json", 401),
        ("tick", "function", b"{}", "application/json", 403),
        ("tick", "master", b"{}", "application/json", 202),
        ("tick", "master", b'{"input": ""}', "application/json", 202),
        ("tick", "master", b"", "application/json", 400),
        ("tick", "master", b"text", "text/plain", 415),
        ("nothing", "master", b"{}", "application/json", 404),
    ],
)
def test_function_is_run_by_hand_with_the_master_key(
    host: HostProcess, function: str, key: str | None, body: bytes, content_type: str, status: int
) -> None:
    """It is not waited for."""
    headers = {"Content-Type": content_type, **(host.key(key) if key else {})}
    answer = requests.post(f"{host.url}/admin/functions/{function}", body, headers=headers, timeout=20)
    assert answer.status_code == status


def test_timer_run_by_hand_is_not_past_due(app: SmallApp, host: HostProcess) -> None:
    """It runs once, beside its schedule."""
    url = f"{host.url}/admin/functions/tick"
    assert requests.post(url, json={}, headers=host.key("master"), timeout=20).status_code == 202
    wait_until(lambda: bool(app.notes("ticked")))
    assert [note["past_due"] for note in app.notes("tick")] == [False]


def test_event_accepted_by_webhook_is_in_the_queue_and_the_journal(app: SmallApp, host: HostProcess) -> None:
    """202 means the message is written, base64 encoded, and the journal has it with the invocation's id."""
    app.put()
    assert host.notify("ingest", {"n": 1}, traceparent=TRACEPARENT) == 202
    [body] = app.peek()
    message = {"kind": "EventGridEvent", "traceparent": TRACEPARENT, "n": 1}
    assert json.loads(base64.b64decode(body)) == message
    [line] = (app.folder / "journal").read_text().splitlines()
    assert json.loads(json.loads(line)["body"]) == message
    assert uuid.UUID(json.loads(line)["invocation_id"])


def test_one_failing_event_answers_500_and_the_others_are_written(app: SmallApp, host: HostProcess) -> None:
    """The batch comes back as a whole; what a failing function set is not written."""
    app.put()
    assert host.notify("ingest", {"n": 1}, {"n": 2, "fail": True}) == 500
    assert [json.loads(base64.b64decode(body))["n"] for body in app.peek()] == [1]


def test_event_whose_time_is_none_is_answered_500(host: HostProcess) -> None:
    """The worker cannot decode it: Event Grid tries for a day and then writes its dead letter."""
    body = [{**event({}), "eventTime": "yesterday"}]
    assert requests.post(host.webhook("see"), json=body, headers=NOTIFICATION, timeout=20).status_code == 500


def test_output_that_cannot_be_written_fails_the_event(host: HostProcess) -> None:
    """The queue is missing and is not created: 500, so that Event Grid tries again."""
    assert host.notify("ingest", {"n": 1}) == 500


def test_list_set_by_function_is_one_message_for_each_element(app: SmallApp, host: HostProcess) -> None:
    """What is set as a list of texts becomes as many messages."""
    with app.queue(app.environment["FANNED"]):
        assert host.notify("fan_out", {"bodies": ["a", "b"]}) == 202
    assert [base64.b64decode(body) for body in app.peek(app.environment["FANNED"])] == [b"a", b"b"]


@pytest.mark.parametrize("schema", ["EventGridSchema", "CloudEventSchemaV1_0"])
def test_sender_agrees_with_webhook_and_delivers(app: SmallApp, host: HostProcess, schema: Any) -> None:
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


def test_body_without_a_length_arrives_empty_at_a_function_and_whole_at_the_webhook(
    app: SmallApp, host: HostProcess
) -> None:
    """The host copies a body to the worker only where it knows the length; its extensions read it themselves."""
    chunked = requests.post(f"{host.url}/api/runs/r1/7", iter([b"h", b"i"]), headers=host.key("function"), timeout=20)
    assert chunked.json()["body"] == ""
    assert "transfer-encoding" in chunked.json()["headers"]
    answer = requests.post(host.webhook("see"), iter([EVENT[:9], EVENT[9:]]), headers=NOTIFICATION, timeout=20)
    assert (answer.status_code, [note["id"] for note in app.notes("see")]) == (202, ["e1"])


def test_body_that_is_too_large_is_answered_500(host: HostProcess) -> None:
    """More than 100 MB, at a function or at the webhook."""
    large = bytes(101 * 1024 * 1024)
    for url, headers in ((f"{host.url}/api/runs/r1/7", host.key("function")), (host.webhook("see"), NOTIFICATION)):
        assert requests.post(url, large, headers=headers, timeout=60).status_code == 500


def test_http_refuses_what_the_genuine_host_refuses(host: HostProcess) -> None:
    """401 without a key that opens functions, 404 for another path or method, 500 if the function fails."""
    url = f"{host.url}/api/runs/r1/7"
    assert requests.post(url, timeout=20).status_code == 401
    assert requests.post(url, headers=host.key("system"), timeout=20).status_code == 401
    assert requests.post(url, headers=host.key("master"), timeout=20).status_code == 201
    assert requests.get(url, timeout=20).status_code == 404
    assert requests.get(f"{host.url}/api/nothing", timeout=20).status_code == 404
    assert requests.get(f"{host.url}/api/boom", timeout=20).status_code == 500


@pytest.mark.parametrize(("threads", "waits"), [("2", True), ("3", False)])
def test_all_functions_share_the_worker_s_threads(app: SmallApp, threads: str, waits: bool) -> None:
    """Two messages that take long leave none of two threads for a request, and one of three."""
    app.put("sleep:3", "sleep:3")
    environment = {**app.environment, "PYTHON_THREADPOOL_THREAD_COUNT": threads}
    with hosted(app.folder, environment) as process:
        wait_until(lambda: len(app.notes("work")) == 2)
        assert requests.get(f"{process.url}/api/boom?do=well", timeout=20).status_code == 200
        answered = time.time()
        wait_until(lambda: len(app.notes("worked")) == 2)
    assert (answered > min(note["at"] for note in app.notes("worked"))) == waits


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, None])
def test_host_ends_with_0_when_asked_to(app: SmallApp, number: int | None) -> None:
    """A signal, or without one the end of its standard input."""
    with hosted(app.folder, app.environment, "--no-http") as process:
        assert process.first_line["functions"] == FUNCTIONS
        assert process.stop(number) == 0


def test_second_boot_in_a_process_is_refused(app: SmallApp) -> None:
    """The library keeps its state in modules."""
    code = "try:\n    Runtime(Path(sys.argv[1])).start()\nexcept BootError as error:\n    result = str(error)"
    assert "once per process" in app.drive(code)


def test_our_app_has_exactly_these_functions_and_takes_an_event(storage: str, tmp_path: Path) -> None:
    """The app as deployed boots in the genuine runtime, and an event it receives is in its queue."""
    environment = {
        **os.environ,
        "AzureWebJobsStorage": storage,
        "LineageStorage": storage,
        "RECONCILE_SCHEDULE": "0 0 0 1 1 *",
    }
    with QueueClient.from_connection_string(storage, "lineage-requests") as client:
        with hosted(ROOT, environment, "--no-queues", folder=tmp_path) as process:
            status = process.notify("receive_event", {"runId": "r1"}, traceparent=TRACEPARENT)
            live = requests.get(f"{process.url}/api/health/live", timeout=20).status_code
        [message] = client.peek_messages()
    names = ["collect_poison", "live", "openlineage", "openlineage_batch", "publish_lineage"]
    names += ["ready", "receive_event", "reconcile", "replay"]
    assert (process.first_line["functions"], process.first_line["errors"]) == (names, {})
    assert (status, live) == (202, 204)
    assert json.loads(message.content)["traceparent"] == TRACEPARENT


def test_azurite_on_ports_in_use_says_so(storage: str) -> None:
    """A second one on the same ports fails with what it printed."""
    port = int(storage.partition("BlobEndpoint=http://127.0.0.1:")[2].partition("/")[0])
    with pytest.raises(AzuriteError, match="EADDRINUSE"), Azurite(port):
        pass


def test_small_parsers_read_what_they_should() -> None:
    """Templates, outputs and encodings."""
    assert compile_template("api/{a}/{b?}").fullmatch("/api/x")
    assert compile_template("api/{*rest}").fullmatch("/api/x/y")
    assert not compile_template("api/{a}").fullmatch("/api/x/y")
    assert messages('["a", {"b": 1}]', "json") == [b"a", b'{"b": 1}']
    assert messages(b"raw", "bytes") == [b"raw"]
    assert decode("YQ==\n") == b"a"
    assert decode("") == b""
    assert decode("aGVsbG8") is None
    assert decode("{}") is None
