"""The Function app as deployed: in the genuine runtime, fed by Event Grid, on Azurite and the emulator."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from azure.storage.queue import QueueClient

from emulator.azurite import Azurite
from emulator.event_grid.disorder import disorder
from emulator.event_grid.sender import Schema, Sender
from emulator.functions_host.connections import HOST_CONTAINER
from emulator.server import Emulator
from shared.bootstrap import Services
from shared.intake.message import MessageBody
from shared.settings import Azurite as AzuriteSetting
from shared.settings import Settings
from tests.harness.app import WORKSPACE, WS, run_completed
from tests.harness.function_host import ROOT, Deployment, settings_for, wait_until
from tests.harness.storage import empty

GOLDEN = Path(__file__).parent.parent / "golden" / "credit-risk" / "lineage.json"
QUEUE, POISON = "lineage-requests", "lineage-requests-poison"
FOREIGN = WORKSPACE.replace("ws-credit", "ws-other")

FUNCTIONS: dict[str, dict[str, Any]] = {
    "receive_event": {
        "type": "eventGridTrigger",
        "outputs": {"message": {"type": "queue", "queueName": QUEUE, "connection": "LineageStorage"}},
    },
    "publish_lineage": {
        "type": "queueTrigger",
        "queueName": QUEUE,
        "connection": "LineageStorage",
        "outputs": {"later": {"type": "queue", "queueName": POISON, "connection": "LineageStorage"}},
    },
    "collect_poison": {
        "type": "queueTrigger",
        "queueName": POISON,
        "connection": "LineageStorage",
        "outputs": {"again": {"type": "queue", "queueName": QUEUE, "connection": "LineageStorage"}},
    },
    "replay": {"type": "httpTrigger", "route": "replay", "methods": ["POST"], "authLevel": "FUNCTION"},
    "openlineage": {"type": "httpTrigger", "route": "v1/lineage", "methods": ["POST"], "authLevel": "FUNCTION"},
    "openlineage_batch": {
        "type": "httpTrigger",
        "route": "v1/lineage/batch",
        "methods": ["POST"],
        "authLevel": "FUNCTION",
    },
    "live": {"type": "httpTrigger", "route": "health/live", "methods": ["GET"], "authLevel": "ANONYMOUS"},
    "ready": {"type": "httpTrigger", "route": "health/ready", "methods": ["GET"], "authLevel": "FUNCTION"},
    "reconcile": {"type": "timerTrigger", "schedule": "0 7 3 * * SUN", "useMonitor": True, "runOnStartup": False},
}
"""Every function and every member of its trigger that says how it is reached."""
_SAID = ("type", "queueName", "connection", "route", "methods", "authLevel", "schedule", "useMonitor", "runOnStartup")

INDEX = """
import json, sys
from pathlib import Path
from emulator.functions_host.host import FunctionsHost
host = FunctionsHost(Path("."))
host.start(http=False, queues=False)
print(json.dumps([host.functions, sorted(sys.modules)]))
host.stop()
"""
PUMP = """
import sys
import time
from pathlib import Path
from emulator.functions_host.host import FunctionsHost
host = FunctionsHost(Path("."))
host.start(http=False, queues=False)
from shared import bootstrap

def fail(*args, **kwargs):
    raise RuntimeError("a defect, password=hunter2")

bootstrap.services().publisher.publish = fail
print([host.pump_once(queue) for queue in sys.argv[1:]])
host.stop()
"""


@pytest.fixture(scope="module")
def indexed() -> tuple[dict[str, Any], list[str]]:
    """The functions the genuine runtime finds, and the modules that finding them loads; nothing can be reached."""
    settings = {
        "LineageStorage": "UseDevelopmentStorage=true",
        "RECONCILE_SCHEDULE": FUNCTIONS["reconcile"]["schedule"],
    }
    functions, modules = json.loads(python(INDEX, settings={"PATH": "", **settings}))
    return functions, modules


def python(code: str, *arguments: str, settings: Mapping[str, Any]) -> str:
    """Run a script in a process that has these settings and no others."""
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", code, *arguments],
        env=dict(settings),
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_app_has_exactly_these_functions(indexed: tuple[dict[str, Any], list[str]]) -> None:
    """Triggers, queues, routes, methods, keys and schedules; a blueprint left out would be lost in silence."""
    functions, _ = indexed
    found = {name: _said(binding) for name, binding in functions.items()}
    assert found == FUNCTIONS


def _said(binding: Mapping[str, Any]) -> dict[str, Any]:
    said = {name: binding[name] for name in _SAID if name in binding}
    said |= {"authLevel": str(said["authLevel"]).upper()} if "authLevel" in said else {}
    # An HTTP function has its answer as an output of no interest.
    outputs = {name: _said(output) for name, output in binding.get("outputs", {}).items() if name != "$return"}
    return said | ({"outputs": outputs} if outputs else {})


@pytest.mark.parametrize("heavy", ["azure.ai.ml", "pyapacheatlas", "mlflow", "azure.identity", "azure.monitor"])
def test_indexing_loads_no_client(indexed: tuple[dict[str, Any], list[str]], heavy: str) -> None:
    """Every cold instance indexes the app, also the one that has 30 seconds to acknowledge an event."""
    _, modules = indexed
    assert "shared" not in modules
    assert heavy not in modules


@pytest.mark.parametrize("schema", ["EventGridSchema", "CloudEventSchemaV1_0"])
def test_events_in_disorder_give_both_reference_graphs(deployment: Deployment, schema: Schema) -> None:
    """Handshake, batches, duplicates, shuffled: the catalog holds the golden graph, seen from either model."""
    report, sent = deliver_scenario(deployment, schema)
    assert report == sent
    deployment.wait_until_done()
    golden = json.loads(GOLDEN.read_text(encoding="utf-8"))
    for version in (2, 1):
        assert deployment.app.graph(f"{WS}/models/creditrisk_model/versions/{version}") == golden
    assert "Traceback" not in deployment.host.stderr


def test_every_delivery_ends_once_and_only_the_malformed_is_dead(deployment: Deployment) -> None:
    """An outcome for each acceptance; in the blob container the event without a run id, with the reason."""
    deliver_scenario(deployment, "EventGridSchema")
    deployment.wait_until_done()
    ended = deployment.host.outcomes()
    accepted = {message["operation_id"] for message in deployment.host.accepted()}
    assert ended.keys() == accepted
    assert {len(lines) for lines in ended.values()} == {1}
    malformed = "eeeeeeee-0000-4000-8000-000000000017"
    letters = deployment.app.services.dead_letters.list_open()
    assert letters
    assert {letter.id for letter in letters} == {
        operation for operation, [line] in ended.items() if line["outcome"] == "dead_lettered"
    }
    for letter in letters:
        assert (letter.reason, letter.detail) == ("MalformedEvent", "data.runId: is missing")
        assert json.loads(letter.body)["id"] == malformed
    blobs = {blob.name for blob in deployment.storage.container("dead-letters").list_blobs()}
    assert blobs == {f"open/{letter.id}.json" for letter in letters}
    assert deployment.queued(POISON) == 0


def deliver_scenario(deployment: Deployment, schema: Schema) -> tuple[int, int]:
    """Send the scenario's events as Event Grid does and tell how many were delivered, and how many were to be."""
    events = disorder((to_schema(json.loads(event), schema) for event in deployment.app.events()), seed=7)
    assert len(events) > 17
    with Sender(
        deployment.host.webhook,
        topic=WORKSPACE,
        subscription_name="lineage",
        schema=schema,
        max_events_per_batch=4,
        max_attempts=2,
        delays=(0.0,),
        workers=3,
    ) as grid:
        grid.handshake()
        report = grid.send(events)
    assert report.dead_lettered == ()
    return len(report.delivered), len(events)


_NAMES = {"source": "topic", "type": "eventType", "time": "eventTime"}


def to_schema(event: dict[str, Any], schema: Schema) -> dict[str, Any]:
    """
    Format an event in one of the two schemas.

    >>> to_schema({"source": "s", "specversion": "1.0"}, "EventGridSchema")
    {'topic': 's', 'dataVersion': '2', 'metadataVersion': '1'}
    """
    names, added = dict(_NAMES), {"dataVersion": "2", "metadataVersion": "1"}
    if schema == "CloudEventSchemaV1_0":
        names, added = {name: other for other, name in _NAMES.items()}, {"specversion": "1.0"}
    dropped = {"specversion", "dataVersion", "metadataVersion"}
    return {names.get(name, name): value for name, value in event.items() if name not in dropped} | added


def test_live_answers_without_key_and_without_requests(deployment: Deployment) -> None:
    """Whether the process runs is all it says, to anybody."""
    answer = deployment.host.get("health/live")
    assert (answer.status_code, answer.content) == (204, b"")
    assert deployment.emulator.control.requests() == []
    # The host itself looks after the queues and its lock on the timer all the time.
    own = (QUEUE, HOST_CONTAINER)
    assert [request for request in deployment.host.targets() if not any(name in request.target for name in own)] == []


def wait_until_ready(deployment: Deployment) -> None:
    """A cold process first loads its clients, which takes a busy machine longer than the answer may."""
    wait_until(lambda: deployment.host.get("health/ready", **deployment.host.key).status_code == 200)


def test_ready_needs_the_key_and_says_that_all_is_well(deployment: Deployment) -> None:
    """401 before anything is asked; then settings, bindings, storage, catalog, collection and workspace."""
    assert deployment.host.get("health/ready").status_code == 401
    assert deployment.emulator.control.requests() == []
    wait_until_ready(deployment)
    answer = deployment.host.get("health/ready", **deployment.host.key)
    names = ["settings", "bindings", "packages", "queue", "poison", "dead_letters", "ledger", "catalog", "collection"]
    names.append(f"workspaces {WORKSPACE}")
    assert (answer.status_code, answer.json()) == (200, dict.fromkeys(names, "ok") | {"telemetry": "no one"})


@pytest.mark.parametrize(("status", "reason"), [(403, "AccessDenied"), (503, "ServiceUnavailable")])
def test_ready_answers_503_naming_the_catalog_that_fails(deployment: Deployment, status: int, reason: str) -> None:
    """The others are still checked, and said to be well."""
    wait_until_ready(deployment)
    deployment.emulator.control.faults({"service": "purview", "statuses": [status] * 20})
    answer = deployment.host.get("health/ready", **deployment.host.key)
    assert answer.status_code == 503
    assert answer.json()["catalog"].startswith(f"{reason}: ")
    assert {word for name, word in answer.json().items() if name != "catalog"} == {"ok", "no one"}


def test_ready_answers_in_time_while_the_catalog_hangs_and_live_at_once(deployment: Deployment) -> None:
    """It names the catalog and says that the rest is well; asked again, it does not wait for the same answer."""

    def ask(route: str) -> tuple[dict[str, str], float]:
        started = time.monotonic()
        answer = deployment.host.get(route, **deployment.host.key)
        assert answer.status_code == (503 if answer.content else 204)
        return (answer.json() if answer.content else {}), time.monotonic() - started

    wait_until_ready(deployment)
    deployment.emulator.control.faults({"service": "purview", "delay_ms": 12_000})
    found, seconds = ask("health/ready")
    assert found.pop("catalog").startswith("no answer within 4 s")
    assert set(found.values()) == {"ok", "no one"}
    assert 4 < seconds < 11
    again, seconds = ask("health/ready")
    assert again["catalog"].startswith("no answer within 4 s")
    assert seconds < 4
    assert ask("health/live")[1] < 2
    deployment.emulator.control.faults()
    wait_until_ready(deployment)


def test_replay_without_key_is_refused(deployment: Deployment) -> None:
    """401, and nothing is read or written."""
    answer = deployment.host.post("replay?dry_run=false", run_completed("creditrisk_train").encode())
    assert answer.status_code == 401
    assert deployment.queued() == 0
    assert deployment.emulator.control.requests() == []


def test_replay_is_a_dry_run_by_default(deployment: Deployment) -> None:
    """It says what it would do and does none of it."""
    answer = deployment.host.post("replay", run_completed("creditrisk_train").encode(), **deployment.host.key)
    expected = {"results": [{"result": "would_enqueue", "event_id": "event-of-creditrisk_train"}]}
    assert (answer.status_code, answer.json()) == (202, expected)
    assert deployment.queued() == 0
    assert deployment.host.outcomes() == {}
    assert deployment.emulator.control.requests() == []


def test_replay_for_real_publishes(deployment: Deployment) -> None:
    """With `?dry_run=false` the run is in the catalog; who asked is in the log."""
    answer = deployment.host.post(
        "replay?dry_run=false",
        run_completed("creditrisk_train").encode(),
        **deployment.host.key,
        **{"x-ms-client-principal-name": "steward@contoso.com"},
    )
    [result] = answer.json()["results"]
    assert (answer.status_code, result["result"]) == (202, "enqueued")
    wait_until(lambda: result["operation_id"] in deployment.host.outcomes())
    [line] = deployment.host.outcomes()[result["operation_id"]]
    assert (line["outcome"], line["source"]) == ("published", "replay")
    assert deployment.app.entity(f"{WS}/runs/creditrisk_train")["attributes"]["status"] == "Completed"
    assert "steward@contoso.com" in {line.get("requester") for line in deployment.host.log()}


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        (b"", 400, "has no event"),
        (b"[]", 400, "has no event"),
        (b"\xff\xfe", 400, "is not UTF-8"),
        (b" " * (1024 * 1024 + 1), 413, "send at most 1048576"),
        (json.dumps([{}] * 501).encode(), 413, "there are 501 events"),
    ],
    ids=["empty", "no event", "not UTF-8", "too large", "too many"],
)
def test_replay_of_a_body_that_cannot_be_taken_says_why(
    deployment: Deployment, body: bytes, status: int, reason: str
) -> None:
    """As a whole, before any event in it is looked at."""
    answer = deployment.host.post("replay?dry_run=false", body, **deployment.host.key)
    assert answer.status_code == status
    assert reason in answer.json()["error"]
    assert deployment.queued() == 0


def test_replay_refuses_a_foreign_workspace_without_any_request(deployment: Deployment) -> None:
    """One result for each event; neither service gets a request."""
    events = [
        json.loads(run_completed(run, workspace=at)) for run, at in (("creditrisk_train", FOREIGN), ("x", FOREIGN))
    ]
    answer = deployment.host.post("replay?dry_run=false", json.dumps(events).encode(), **deployment.host.key)
    assert answer.status_code == 202
    for result in answer.json()["results"]:
        assert result["result"] == "refused"
        assert result["reason"].startswith("ForeignWorkspace: ")
    assert deployment.queued() == 0
    assert deployment.emulator.control.requests() == []


def test_event_of_a_foreign_workspace_is_dead_lettered_without_any_request(deployment: Deployment) -> None:
    """Accepted from Event Grid, then dead-lettered with the reason; neither service gets a request."""
    event = json.loads(run_completed("creditrisk_train", workspace=FOREIGN))
    answer = deployment.host.session.post(
        deployment.host.webhook, json=[event], headers={"aeg-event-type": "Notification"}, timeout=60
    )
    assert answer.status_code == 202
    deployment.wait_until_done()
    [letter] = deployment.app.services.dead_letters.list_open()
    assert letter.reason == "ForeignWorkspace"
    assert deployment.emulator.control.requests() == []


@pytest.fixture(scope="module")
def still_azurite(azurite_server: Azurite) -> Iterator[Azurite]:
    """A storage account of its own, to which no host listens; skips as the shared one does."""
    assert azurite_server.base_port
    with Azurite() as azurite:
        yield azurite


EVENT = run_completed("creditrisk_train")


def test_message_given_up_ends_as_a_dead_letter(still_azurite: Azurite, emulator: Emulator) -> None:
    """After five attempts that failed, with the last reason: in a host of its own, publishing always raises."""
    storage = empty(AzuriteSetting(still_azurite.base_port))
    body = MessageBody(EVENT, "operation-1", failures=4)
    storage.queue(QUEUE).send_message(body.to_json())
    settings = settings_for(emulator, still_azurite)
    assert python(PUMP, QUEUE, settings={"PATH": "", **settings}).strip() == "[1]"
    services = Services(Settings.from_env(settings))
    [letter] = services.dead_letters.list_open()
    assert (letter.id, letter.reason, letter.attempts) == ("operation-1", "UnexpectedRuntimeError", 5)
    assert letter.detail == "a defect, password=[redacted]"
    assert json.loads(letter.body) == json.loads(body.event)
    assert [name for name in (QUEUE, POISON) if storage.queue(name).peek_messages()] == []
    services.state.close()
    storage.close()


def test_message_that_is_not_base64_ends_as_any_other(deployment: Deployment, azurite_server: Azurite) -> None:
    """Left to the host it would go to the poison queue unseen, and expire there."""
    with QueueClient.from_connection_string(azurite_server.connection_string, QUEUE) as without_encoding:
        without_encoding.send_message('{"plain": 1}')
        without_encoding.send_message(run_completed("creditrisk_train"))
    wait_until(lambda: len(deployment.host.outcomes()) == 2)
    wait_until(lambda: (deployment.queued(), deployment.queued(POISON)) == (0, 0))
    [letter] = deployment.app.services.dead_letters.list_open()
    assert (letter.reason, letter.body) == ("MalformedEvent", '{"plain": 1}')
