"""Events: what Event Grid delivers is read whatever its schema, its wrapping and its casing, or refused by field."""

import json
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

import pytest
from azure.core.messaging import CloudEvent
from azure.eventgrid import EventGridEvent
from hypothesis import given
from hypothesis import strategies as st

from shared.errors import MalformedEventError
from shared.intake.envelopes import event_type_of, parse_envelope, redact_event, split_events
from shared.intake.event_types import (
    EndpointSubject,
    Event,
    ModelSubject,
    Nothing,
    RunSubject,
    Subject,
    is_known,
    parse_event,
)
from shared.model import AssetId
from tests.unit.examples import ARM_ID, WORKSPACE_ID, cloud_event, event_grid

EXPERIMENT = "22222222-2222-2222-2222-222222222222"
ROOT = "aaaaaaaa-0000-0000-0000-000000000000"
DRIFT = "66666666-0000-0000-0000-000000000000"
AT = datetime(2026, 7, 1, 10, 2, 5, 539046, tzinfo=UTC)

RUN_DATA = {
    "experimentId": EXPERIMENT,
    "experimentName": "My-pipeline",
    "runId": ROOT,
    "runType": "azureml.PipelineRun",
    "runTags": {"azureml.pipelineid": "55555555-0000-0000-0000-000000000000"},
    "runProperties": {"azureml.runsource": "azureml.PipelineRun", "azureml.parameters": "{}"},
}
PIPELINE = RunSubject(ROOT, orchestrates=True, experiment_id=EXPERIMENT, experiment_name="My-pipeline")

# name → (type, subject, data as captured, data as the documentation has it, what it is read as)
EVENTS: dict[str, tuple[str, str, dict[str, Any], dict[str, Any], Subject]] = {
    "run completed": (
        "RunCompleted",
        f"experiments/{EXPERIMENT}/runs/{ROOT}",
        RUN_DATA,
        {**RUN_DATA, "runTags": {}, "runProperties": {"azureml.runsource": "azureml.PipelineRun"}},
        PIPELINE,
    ),
    "run status changed": (
        "RunStatusChanged",
        f"experiments/{EXPERIMENT}/runs/{ROOT}",
        {"runStatus": "Completed", **RUN_DATA},
        {"runStatus": "failed", **RUN_DATA},
        PIPELINE,
    ),
    "model registered": (
        "ModelRegistered",
        "models/sklearn_regression_model:20",
        {"modelName": "sklearn_regression_model", "modelVersion": "20", "modelTags": {}, "modelProperties": {}},
        {"ModelName": "sklearn_regression_model", "ModelVersion": 20, "ModelTags": {}, "ModelProperties": {}},
        ModelSubject(AssetId("models", "sklearn_regression_model", "20")),
    ),
    "model deployed": (
        "ModelDeployed",
        "endpoints/aciservice1",
        {"serviceName": "aciservice1", "serviceComputeType": "ACI", "modelIds": "first:1,second:2", "serviceTags": {}},
        {"ServiceName": "aciservice1", "ServiceComputeType": "ACI", "ModelIds": "first:1,second:2", "ServiceTags": {}},
        EndpointSubject("aciservice1", "ACI", (AssetId("models", "first", "1"), AssetId("models", "second", "2"))),
    ),
    "dataset drift detected": (
        "DatasetDriftDetected",
        f"datadrift/{DRIFT}/run/{DRIFT}_1571590300380",
        {"dataDriftId": DRIFT, "dataDriftName": "driftMonitor3", "runId": f"{DRIFT}_1571590300380"},
        {"DataDriftId": DRIFT, "DataDriftName": "driftMonitor3", "RunId": f"{DRIFT}_1571590300380"},
        Nothing("data drift (driftMonitor3) changes no lineage"),
    ),
}


Schema = Callable[..., dict[str, Any]]
both_schemas = pytest.mark.parametrize("schema", [event_grid, cloud_event])
each_event = pytest.mark.parametrize(
    ("kind", "subject", "captured", "documented", "expected"), EVENTS.values(), ids=EVENTS.keys()
)


def read(body: object) -> Event:
    return parse_event(parse_envelope(json.dumps(body)))


def run_event(**data: Any) -> dict[str, Any]:
    return event_grid("RunCompleted", f"experiments/{EXPERIMENT}/runs/{ROOT}", {**RUN_DATA, **data})


def model_event(**data: Any) -> dict[str, Any]:
    return event_grid("ModelRegistered", "models/churn:3", {"modelName": "churn", "modelVersion": "3", **data})


@each_event
@both_schemas
def test_event_with_captured_casing_is_read(
    schema: Schema, kind: str, subject: str, captured: dict[str, Any], documented: object, expected: Subject
) -> None:
    """The camelCase that was captured is read in either schema."""
    assert read(schema(kind, subject, captured)) == Event("event-1", kind, WORKSPACE_ID, AT, expected)


@each_event
@both_schemas
def test_event_with_documented_casing_is_read_the_same(
    schema: Schema, kind: str, subject: str, captured: object, documented: dict[str, Any], expected: Subject
) -> None:
    """The PascalCase, the integer version and the lower-case status of the documentation mean the same."""
    assert read(schema(kind, subject, documented)) == Event("event-1", kind, WORKSPACE_ID, AT, expected)


@each_event
def test_event_serialised_by_the_event_grid_sdk_is_read(
    kind: str, subject: str, captured: dict[str, Any], documented: object, expected: Subject
) -> None:
    """What the genuine EventGridEvent writes is what we read."""
    genuine = EventGridEvent(
        subject, f"Microsoft.MachineLearningServices.{kind}", captured, "2", topic=ARM_ID, id="event-1", event_time=AT
    )
    assert read(genuine.serialize()) == Event("event-1", kind, WORKSPACE_ID, AT, expected)


@each_event
def test_cloud_event_of_the_sdk_is_read(
    kind: str, subject: str, captured: dict[str, Any], documented: object, expected: Subject
) -> None:
    """The members of the genuine CloudEvent, written as JSON, are what we read."""
    genuine = CloudEvent(
        source=ARM_ID,
        type=f"Microsoft.MachineLearningServices.{kind}",
        data=captured,
        subject=subject,
        id="event-1",
        time=AT,
    )
    members = ("specversion", "id", "source", "type", "subject", "data")
    body = {name: getattr(genuine, name) for name in members} | {"time": AT.isoformat()}
    assert read(body) == Event("event-1", kind, WORKSPACE_ID, AT, expected)


@both_schemas
def test_event_alone_or_in_an_array_is_the_same(schema: Schema) -> None:
    """Event Grid delivers arrays of one, a trigger single events; both are accepted."""
    body = schema("ModelRegistered", "models/m:1", {"modelName": "m", "modelVersion": "1"})
    assert read([body]) == read(body)


def test_array_of_several_is_split_into_its_events() -> None:
    """A delivery of several events becomes one message for each, with nothing lost."""
    delivery = [model_event(), run_event(runId="ü")]
    assert [json.loads(part) for part in split_events(json.dumps(delivery))] == delivery


def test_single_event_is_split_into_itself() -> None:
    """A delivery that is no array is one message."""
    assert [json.loads(part) for part in split_events(json.dumps(model_event()))] == [model_event()]


def test_body_that_is_not_json_stays_a_message_of_its_own() -> None:
    """The receiver refuses nothing: what cannot be read is dead-lettered later, with a reason."""
    assert split_events("{oops") == ["{oops"]


def test_array_of_several_is_not_taken_for_one_event() -> None:
    """A message is one event; which of two to take would be a guess."""
    with pytest.raises(MalformedEventError) as refused:
        read([model_event(), model_event()])
    assert refused.value.field == "body"


def _recase(value: Any, upper: Callable[[], bool]) -> Any:
    if not isinstance(value, dict):
        return value
    recased = {}
    for key, item in value.items():
        first = key[:1].upper() if upper() else key[:1].lower()
        recased[first + key[1:]] = item if key in ("runTags", "runProperties") else _recase(item, upper)
    return recased


@given(st.data(), st.sampled_from(list(EVENTS.values())), st.sampled_from([event_grid, cloud_event]))
def test_first_letter_of_any_key_may_have_either_case(
    data: st.DataObject, example: tuple[str, str, dict[str, Any], dict[str, Any], Subject], schema: Schema
) -> None:
    """Casing does not follow from the schema, so any mix of it reads the same."""
    kind, subject, captured, _, _ = example
    body = schema(kind, subject, captured)
    assert read(_recase(body, lambda: data.draw(st.booleans()))) == read(body)


def test_mixed_casing_of_an_automl_parent_is_read() -> None:
    """Captured: `RunTags` inside an otherwise camelCase body."""
    body = event_grid(
        "RunCompleted",
        f"experiments/{EXPERIMENT}/runs/AutoML_1",
        {"runId": "AutoML_1", "runType": "automl", "RunTags": {"azureml.pipeline": "pipe"}},
    )
    assert read(body).subject == RunSubject("AutoML_1", parent_pipeline="pipe")


def test_spec_version_in_camel_case_is_a_cloud_event() -> None:
    """AML's own CloudEvents examples have `specVersion`."""
    body = cloud_event("ModelRegistered", "models/m:1", {"modelName": "m", "modelVersion": "1"})
    body["specVersion"] = body.pop("specversion")
    assert read(body).subject == ModelSubject(AssetId("models", "m", "1"))


@pytest.mark.parametrize("version", ["20", 20], ids=["text", "integer"])
def test_model_version_is_text_or_integer(version: object) -> None:
    """Real payloads have a string, the documentation an integer; a version is always text to us."""
    body = event_grid("ModelRegistered", "models/m:20", {"modelName": "m", "modelVersion": version})
    assert read(body).subject == ModelSubject(AssetId("models", "m", "20"))


@pytest.mark.parametrize("time", ["2026-07-01T10:02:05.5390469+00:00", "2026-07-01T12:02:05.539046+02:00"])
@pytest.mark.parametrize(("schema", "member"), [(event_grid, "eventTime"), (cloud_event, "time")])
def test_time_is_read_to_the_microsecond_in_utc(schema: Schema, member: str, time: str) -> None:
    """Times have six or seven digits and any offset; we cut the seventh and use UTC."""
    body = schema("ModelRegistered", "models/m:1", {"modelName": "m", "modelVersion": "1"}, **{member: time})
    assert read(body).time == AT


def test_workspace_is_the_topic_in_lower_case() -> None:
    """Azure compares resource ids without regard to case, so two forms are one workspace."""
    assert read({**model_event(), "topic": ARM_ID.upper()}).workspace == WORKSPACE_ID


@pytest.mark.parametrize(
    ("schema", "extra"),
    [
        (
            event_grid,
            {
                "deadLetterReason": "MaxDeliveryAttemptsExceeded",
                "deliveryAttempts": 30,
                "lastDeliveryOutcome": "NotFound",
                "lastHttpStatusCode": 404,
                "publishTime": "2026-07-01T10:02:06.1Z",
                "lastDeliveryAttemptTime": "2026-07-02T10:02:06.1Z",
            },
        ),
        (
            cloud_event,
            {
                "deadletterreason": "MaxDeliveryAttemptsExceeded",
                "deliveryattempts": 30,
                "lastdeliveryoutcome": "NotFound",
                "lasthttpstatuscode": 404,
                "publishtime": "2026-07-01T10:02:06.1Z",
                "lastdeliveryattempttime": "2026-07-02T10:02:06.1Z",
            },
        ),
    ],
)
def test_undelivered_event_reads_like_the_event_itself(schema: Schema, extra: dict[str, Any]) -> None:
    """Event Grid's dead-letter members say nothing about the event, so its blobs can be replayed as they are."""
    data = {"modelName": "m", "modelVersion": "1"}
    assert read(schema("ModelRegistered", "models/m:1", data, **extra)) == read(
        schema("ModelRegistered", "models/m:1", data)
    )


@both_schemas
def test_type_of_an_event_is_known_before_anything_else_of_it(schema: Schema) -> None:
    """An event of a type we do not know need not look like those we do."""
    body = {name: value for name, value in schema("SomethingNew", "?", {}).items() if name not in ("data", "id")}
    event_type = event_type_of(json.dumps([body]))
    assert event_type == "Microsoft.MachineLearningServices.SomethingNew"
    assert not is_known(event_type)


@each_event
def test_type_of_every_event_we_read_is_known(
    kind: str, subject: object, captured: object, documented: object, expected: object
) -> None:
    """With its namespace, as Event Grid has it."""
    assert is_known(f"Microsoft.MachineLearningServices.{kind}")


@pytest.mark.parametrize(
    "body", ["not json", "5", "{}", '{"eventType": 5}', '{"specversion": "1.0", "eventType": "x"}']
)
def test_event_without_a_readable_type_has_none(body: str) -> None:
    """It is refused later, by name of what is missing."""
    assert event_type_of(body) == ""


@pytest.mark.parametrize("members", [{"extra": 1}, {"data": {**RUN_DATA, "extra": [1]}}])
def test_extra_members_are_ignored(members: dict[str, Any]) -> None:
    """Services add members; only missing ones are a problem."""
    assert read({**run_event(), **members}).subject == PIPELINE


@pytest.mark.parametrize("value", [None, "", ...], ids=["null", "empty", "absent"])
@pytest.mark.parametrize(
    ("schema", "member"),
    [
        *((event_grid, name) for name in ("id", "topic", "subject", "eventType", "eventTime", "data")),
        *((cloud_event, name) for name in ("id", "source", "subject", "type", "time", "data")),
    ],
)
def test_envelope_without_a_required_member_is_malformed(schema: Schema, member: str, value: object) -> None:
    """Left alone the SDK would fill in a random id and the current time; we name what is missing."""
    body = schema("ModelRegistered", "models/m:1", {"modelName": "m", "modelVersion": "1"})
    body[member] = value
    if value is ...:
        del body[member]
    with pytest.raises(MalformedEventError, match="is missing") as refused:
        read(body)
    assert refused.value.field == member


@pytest.mark.parametrize("data", ["text", [1], 5])
@both_schemas
def test_data_that_is_no_object_is_malformed(schema: Schema, data: object) -> None:
    """Everything we read is a member of data."""
    with pytest.raises(MalformedEventError) as refused:
        read({**schema("ModelRegistered", "models/m:1", {}), "data": data})
    assert refused.value.field == "data"


@pytest.mark.parametrize("body", ["not json", "", "5", '"text"', "null", "[]", "[1]"])
def test_body_that_is_no_event_is_malformed(body: str) -> None:
    """Whatever was put into the queue, there is a reason to give."""
    with pytest.raises(MalformedEventError) as refused:
        parse_envelope(body)
    assert refused.value.field == "body"


def test_body_nested_beyond_reason_is_malformed() -> None:
    """A body that exhausts the JSON parser is as unreadable as one that is no JSON."""
    with pytest.raises(MalformedEventError) as refused:
        parse_envelope("[" * 100_000)
    assert refused.value.field == "body"


@pytest.mark.parametrize("time", ["20260701T100205Z", "2026-W27-3T10:00:00Z", "2026-07-01T10Z", "2026-07-01 10:02:05Z"])
@pytest.mark.parametrize(("schema", "member"), [(event_grid, "eventTime"), (cloud_event, "time")])
def test_time_in_a_rare_iso_form_is_read_or_refused(schema: Schema, member: str, time: str) -> None:
    """Python reads forms that the SDK does not; either answer will do, another exception will not."""
    body = schema("ModelRegistered", "models/m:1", {"modelName": "m", "modelVersion": "1"}, **{member: time})
    with suppress(MalformedEventError):
        assert read(body).time.date() == AT.date()


@pytest.mark.parametrize("time", ["yesterday", "2026-07-01T10:02:05", 5, "0001-01-01T00:00:00+14:00"])
@pytest.mark.parametrize(("schema", "member"), [(event_grid, "eventTime"), (cloud_event, "time")])
def test_time_that_cannot_be_read_is_malformed(schema: Schema, member: str, time: object) -> None:
    """A time needs a zone and the form that Event Grid writes."""
    body = schema("ModelRegistered", "models/m:1", {"modelName": "m", "modelVersion": "1"}, **{member: time})
    with pytest.raises(MalformedEventError) as refused:
        read(body)
    assert refused.value.field == member


@pytest.mark.parametrize("topic", ["/subscriptions/s/resourceGroups/g", "ws-ml", f"{ARM_ID}/jobs/x"])
def test_topic_that_is_no_workspace_is_malformed(topic: str) -> None:
    """The topic is the only place that names the workspace."""
    with pytest.raises(MalformedEventError) as refused:
        read({**model_event(), "topic": topic})
    assert refused.value.field == "topic"


@pytest.mark.parametrize("value", [5, True, ["x"], {"a": 1}])
@pytest.mark.parametrize(("schema", "member"), [(event_grid, "topic"), (cloud_event, "source"), (cloud_event, "type")])
def test_envelope_member_that_is_no_text_is_malformed(schema: Schema, member: str, value: object) -> None:
    """A member of the wrong kind is refused by name, not by a crash that brings the message back for ever."""
    body = schema("ModelRegistered", "models/m:1", {"modelName": "m", "modelVersion": "1"}, **{member: value})
    with pytest.raises(MalformedEventError):
        read(body)


JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(), children, max_size=3),
    max_leaves=5,
)


@given(st.sampled_from([event_grid, cloud_event]), st.sampled_from(list(EVENTS.values())), st.data())
def test_any_member_may_be_anything_and_is_read_or_refused(
    schema: Schema, example: tuple[str, str, dict[str, Any], dict[str, Any], Subject], data: st.DataObject
) -> None:
    """Whatever stands in one member, the answer is an event or MalformedEventError and never another exception."""
    kind, subject, captured, _, _ = example
    body = schema(kind, subject, captured)
    place = data.draw(st.sampled_from([body, body["data"]]))
    place[data.draw(st.sampled_from(sorted(place)))] = data.draw(JSON_VALUES)
    with suppress(MalformedEventError):
        assert isinstance(read(body), Event)


@pytest.mark.parametrize(
    ("kind", "subject", "member"),
    [
        ("RunCompleted", f"experiments/{EXPERIMENT}/runs/{ROOT}", "runId"),
        ("RunStatusChanged", f"experiments/{EXPERIMENT}/runs/{ROOT}", "runId"),
        ("RunStatusChanged", f"experiments/{EXPERIMENT}/runs/{ROOT}", "runStatus"),
        ("ModelRegistered", "models/m:1", "modelName"),
        ("ModelRegistered", "models/m:1", "modelVersion"),
        ("ModelDeployed", "endpoints/e", "serviceName"),
        ("DatasetDriftDetected", "datadrift/d/run/r", "dataDriftName"),
    ],
)
@pytest.mark.parametrize("value", [None, "", True, 1.5, ["x"], {"x": "y"}, ...])
def test_data_with_a_required_member_missing_or_wrong_is_malformed(
    kind: str, subject: str, member: str, value: object
) -> None:
    """The field is named as `data.runId`, so that a dead letter says what to fix."""
    complete = {
        "runId": ROOT,
        "runStatus": "Completed",
        "modelName": "m",
        "modelVersion": "1",
        "serviceName": "e",
        "dataDriftName": "d",
    }
    data = {**complete, member: value}
    if value is ...:
        del data[member]
    with pytest.raises(MalformedEventError) as refused:
        read(event_grid(kind, subject, data))
    assert refused.value.field == f"data.{member}"


@pytest.mark.parametrize(
    "body",
    [
        run_event(runId="another"),
        event_grid("ModelRegistered", "models/churn:3", {"modelName": "churn", "modelVersion": "4"}),
        event_grid("ModelRegistered", "models/churn:3", {"modelName": "other", "modelVersion": "3"}),
    ],
)
def test_data_that_contradicts_the_subject_is_malformed(body: dict[str, Any]) -> None:
    """Two names for one thing: publishing either would be a guess."""
    with pytest.raises(MalformedEventError) as refused:
        read(body)
    assert refused.value.field == "subject"


@pytest.mark.parametrize("models", ["churn", ":3", "churn:", "a:1,b"])
def test_deployed_model_without_name_or_version_is_malformed(models: str) -> None:
    """A deployment serves versions; half a reference leads nowhere."""
    with pytest.raises(MalformedEventError) as refused:
        read(event_grid("ModelDeployed", "endpoints/e", {"serviceName": "e", "modelIds": models}))
    assert refused.value.field == "data.modelIds"


@pytest.mark.parametrize("models", [["a:1", "b:2"], {"a": "1"}, 5])
def test_deployed_models_that_are_no_text_are_malformed(models: object) -> None:
    """An array written as text would give models named `['a`."""
    with pytest.raises(MalformedEventError) as refused:
        read(event_grid("ModelDeployed", "endpoints/e", {"serviceName": "e", "modelIds": models}))
    assert refused.value.field == "data.modelIds"


def test_deployment_without_models_names_the_endpoint_alone() -> None:
    """A managed endpoint tells its models when asked; the event need not."""
    body = event_grid("ModelDeployed", "endpoints/e", {"serviceName": "e", "modelIds": None})
    assert read(body).subject == EndpointSubject("e")


def test_model_name_with_colons_is_split_at_the_last() -> None:
    """The version is what follows the last colon."""
    body = event_grid("ModelDeployed", "endpoints/e", {"serviceName": "e", "modelIds": "a:b:1, c:2"})
    assert read(body).subject == EndpointSubject("e", "", (AssetId("models", "a:b", "1"), AssetId("models", "c", "2")))


@pytest.mark.parametrize(
    "members",
    [
        {"runTags": {"azureml.pipeline": "pipe_0001"}},
        {"runTags": {}, "runProperties": {"azureml.pipelinerunid": "pipe_0001"}},
        {"RunTags": {"azureml.pipeline": "pipe_0001"}, "runTags": None, "runProperties": None},
    ],
)
def test_step_names_its_pipeline(members: dict[str, Any]) -> None:
    """A step's event leads to the root, which is what gets published."""
    data = {"runId": "step", "runType": "azureml.StepRun", **members}
    if "RunTags" in members:
        data.pop("runTags")
    body = event_grid("RunCompleted", f"experiments/{EXPERIMENT}/runs/step", data)
    assert read(body).subject == RunSubject("step", parent_pipeline="pipe_0001")


def test_run_that_names_itself_as_pipeline_has_no_parent() -> None:
    """A root that carries its own id in the tag is still the root."""
    subject = read(run_event(runTags={"azureml.pipeline": ROOT})).subject
    assert isinstance(subject, RunSubject)
    assert subject.parent_pipeline == ""


def test_automl_child_has_no_pipeline_in_its_event() -> None:
    """Its `pipeline_id` is no run; its own id begins with that of the AutoML run."""
    properties = {"runTemplate": "automl_child", "pipeline_id": "5dfac790c5c209f98a1da2dc1c7fb76f0397324f"}
    body = event_grid(
        "RunCompleted",
        f"experiments/{EXPERIMENT}/runs/AutoML_1_5",
        {"runId": "AutoML_1_5", "runType": None, "runTags": {}, "runProperties": properties},
    )
    assert read(body).subject == RunSubject("AutoML_1_5", trial_of="AutoML_1")


@pytest.mark.parametrize(
    "status", ["Completed", "completed", "Finished", "Failed", "failed", "Canceled", "NotResponding"]
)
def test_settled_status_leads_to_the_run(status: str) -> None:
    """A run that has ended, well or not, in whatever case."""
    body = event_grid("RunStatusChanged", f"experiments/{EXPERIMENT}/runs/{ROOT}", {**RUN_DATA, "runStatus": status})
    assert read(body).subject == PIPELINE


@pytest.mark.parametrize("status", ["NotStarted", "Queued", "Preparing", "Running", "Finalizing", "CancelRequested"])
def test_unsettled_status_changes_nothing(status: str) -> None:
    """A run is published when it ends; until then its changes are skipped, saying so."""
    body = event_grid("RunStatusChanged", f"experiments/{EXPERIMENT}/runs/{ROOT}", {**RUN_DATA, "runStatus": status})
    assert read(body).subject == Nothing(f"run {ROOT} is {status}; it is published when it ends")


@pytest.mark.parametrize("name", ["password-strength", "secret_santa", "hf_token", "api_key"])
def test_names_that_sound_secret_survive_the_redaction_of_an_event(name: str) -> None:
    """A model may be called anything; what is queued must still be about it."""
    body = {
        "topic": ARM_ID,
        "subject": f"models/{name}:3",
        "eventType": "Microsoft.MachineLearningServices.ModelRegistered",
        "eventTime": "2026-07-01T10:00:00Z",
        "id": "e",
        "data": {"modelName": name, "modelVersion": "3", "modelTags": {"api_key": "hunter2", "note": "token=hunter2"}},
    }
    redacted = redact_event(json.dumps(body))
    assert "hunter2" not in redacted
    assert parse_event(parse_envelope(redacted)).subject == ModelSubject(AssetId("models", name, "3"))
