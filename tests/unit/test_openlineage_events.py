"""Run events of OpenLineage: what is said of a process, and when it is something new."""

import json
import uuid
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from openlineage.client.event_v2 import RunEvent
from openlineage.client.serde import Serde

from shared.catalog.build import build_endpoint, build_run_tree
from shared.catalog.entities import Entity, Ref
from shared.catalog.qualified_names import QualifiedName
from shared.model import AssetId, Column, Deployment, Endpoint, Environment, Package, Run
from shared.openlineage.outgoing_events import ProcessEvents, to_run_events
from tests.harness.fakes import NOON
from tests.unit.examples import WORKSPACE, WS, at, data_asset, model, run, tree, unscanned

STARTED, ENDED = "2026-07-01T10:00:00.1234567+00:00", "2026-07-01T12:30:00+02:00"
TRAIN = run(
    "train",
    inputs={"loan": data_asset("loan", at("loan.csv"), team="risk")},
    outputs={"scores": at("scores/")},
    started_at=STARTED,
    ended_at=ENDED,
)


def entities_of(*runs: Run, root_id: str = "", models: Iterable[str] = ()) -> tuple[Entity, ...]:
    whole = tree(*runs, root_id=root_id)
    made = [Ref("custom_ml_model", QualifiedName(f"{WS}/models/{name}")) for name in models]
    return build_run_tree(whole, matches=unscanned(whole), models={runs[0].id: made})


def events_of(name: str, entities: Iterable[Entity]) -> ProcessEvents:
    return next(each for each in to_run_events(entities, at=NOON) if each.process == f"{WS}/{name}")


def as_json(event: RunEvent) -> dict[str, Any]:
    return json.loads(Serde.to_json(event))  # type: ignore[no-any-return]


def last(name: str, entities: Iterable[Entity]) -> dict[str, Any]:
    return as_json(events_of(name, entities).events[-1])


def last_of(process: Entity) -> dict[str, Any]:
    (sent,) = to_run_events([process], at=NOON)
    return as_json(sent.events[-1])


def test_run_is_sent_as_a_start_and_an_end_at_its_own_times() -> None:
    """In UTC, to the millisecond."""
    start, end = map(as_json, events_of("runs/train", entities_of(TRAIN)).events)
    assert [start["eventType"], start["eventTime"]] == ["START", "2026-07-01T10:00:00.123Z"]
    assert [end["eventType"], end["eventTime"]] == ["COMPLETE", "2026-07-01T10:30:00.000Z"]
    assert start["run"]["runId"] == end["run"]["runId"]
    assert start["job"] == end["job"]


def test_end_says_everything_without_the_start() -> None:
    """A receiver that gets only the last event has the whole lineage."""
    end = last("runs/train", entities_of(TRAIN, models=["churn/versions/1"]))
    assert [(each["namespace"], each["name"]) for each in end["inputs"]] == [(WS, "data/loan/versions/1")]
    assert [(each["namespace"], each["name"]) for each in end["outputs"]] == [
        (WS, "models/churn/versions/1"),
        ("abfss://fs@contosolake.dfs.core.windows.net", "scores"),
    ]


@pytest.mark.parametrize(
    ("status", "event_type"),
    [("Completed", "COMPLETE"), ("Failed", "FAIL"), ("NotResponding", "FAIL"), ("Canceled", "ABORT"), ("New", "OTHER")],
)
def test_status_of_a_run_is_the_type_of_its_last_event(status: str, event_type: str) -> None:
    """A run that failed and left something behind is in the catalog too."""
    assert last("runs/train", entities_of(replace(TRAIN, status=status)))["eventType"] == event_type


def test_process_without_times_is_sent_once_at_the_time_given() -> None:
    """No time is made up: a registration has none, so there is no start, and the end is when it was published."""
    (event,) = map(as_json, events_of("data/loan/versions/1/registration", entities_of(TRAIN)).events)
    assert [event["eventType"], event["eventTime"]] == ["COMPLETE", "2026-07-01T12:00:00.000Z"]


def test_run_id_is_azure_mls_own_if_it_is_a_uuid() -> None:
    """As the standard demands; any other is made from the qualifiedName and always the same."""
    own = "0198f2a0-0000-7000-8000-000000000001"
    assert last(f"runs/{own}", entities_of(run(own, inputs={"raw": at("raw/")})))["run"]["runId"] == own
    made = last("runs/train", entities_of(TRAIN))["run"]["runId"]
    assert made == str(uuid.uuid5(uuid.NAMESPACE_URL, f"{WS}/runs/train"))


@pytest.mark.parametrize(
    ("each", "root", "job"),
    [
        (TRAIN, "", "churn/train"),
        (replace(TRAIN, component="fit:3"), "", "churn/fit"),
        (replace(TRAIN, component="fit:3"), "pipe", "churn/train"),
    ],
)
def test_job_is_the_step_of_an_experiment(each: Run, root: str, job: str) -> None:
    """In a pipeline by its name there, since two of its steps may be of one component."""
    event = last("runs/train", entities_of(each, root_id=root))
    assert (event["job"]["namespace"], event["job"]["name"]) == (WS, job)


def test_step_of_a_pipeline_names_the_pipeline_as_its_parent() -> None:
    """On both events; the pipeline is no entity, so its job is the experiment."""
    for event in map(as_json, events_of("runs/train", entities_of(TRAIN, root_id="pipe")).events):
        parent = event["run"]["facets"]["parent"]
        assert parent["run"]["runId"] == str(uuid.uuid5(uuid.NAMESPACE_URL, f"{WS}/runs/pipe"))
        assert parent["job"] == {"namespace": WS, "name": "churn", "facets": {}}


def test_settings_metrics_and_packages_describe_the_run_and_are_no_data() -> None:
    """The standard has no words for them, so a facet of ours does."""
    packages = (Package("numpy", version="2.0.0", specifier="==2.0.0", language="Python"),)
    environment = Environment(AssetId("environments", "env", "1"), packages)
    more = replace(TRAIN, parameters={"lr": "0.1"}, metrics={"AUC": 0.9}, environment=environment)
    event = last("runs/train", entities_of(more))
    facet = event["run"]["facets"]["azureml_process"]
    assert (facet["settings"], facet["metrics"]) == ({"lr": "0.1"}, {"AUC": 0.9})
    assert facet["packages"] == [{"name": "numpy", "version": "2.0.0", "specifier": "==2.0.0", "language": "Python"}]
    assert (facet["qualifiedName"], facet["typeName"]) == (f"{WS}/runs/train", "custom_ml_experiment_step")
    names = [each["name"] for each in (*event["inputs"], *event["outputs"])]
    assert names == ["data/loan/versions/1", "scores"]


def test_data_is_described_in_facets_of_the_standard() -> None:
    """Schema, version, tags and documentation; what has no facet there is in ours."""
    asset = replace(
        data_asset("loan", at("loan.csv"), team="risk"),
        description="All loans.",
        columns=(Column("amount", "double"), Column("grade", "")),
    )
    (dataset,) = last("runs/train", entities_of(replace(TRAIN, inputs=(replace(TRAIN.inputs[0], data=asset),))))[
        "inputs"
    ]
    facets = dataset["facets"]
    assert facets["documentation"]["description"] == "All loans."
    assert facets["version"]["datasetVersion"] == "1"
    assert facets["tags"]["tags"] == [{"key": "team", "value": "risk", "source": "AZURE_ML"}]
    assert [(each["name"], each.get("type")) for each in facets["schema"]["fields"]] == [
        ("amount", "double"),
        ("grade", None),
    ]
    assert facets["azureml_asset"]["attributes"]["data_type"] == "uri_file"


@pytest.mark.parametrize(
    ("file", "names"), [("raw/{SparkPartitions}", ["raw"]), ("raw/{N}.csv", [])], ids=["folder", "pattern"]
)
def test_set_of_files_is_known_by_its_folder_too(file: str, names: list[str]) -> None:
    """Spark calls it so; which files a pattern stands for is not in its name."""
    data = Ref("azure_datalake_gen2_resource_set", QualifiedName(f"https://lake.dfs.core.windows.net/fs/{file}"))
    process = Entity(Ref("ProcessWithColumnMapping", QualifiedName("p://x/y")), {"name": "p"}, inputs=(data,))
    (dataset,) = last_of(process)["inputs"]
    assert dataset["name"] == file
    identifiers = dataset["facets"].get("symlinks", {}).get("identifiers", [])
    assert [(each["namespace"], each["name"]) for each in identifiers] == [
        ("abfss://fs@lake.dfs.core.windows.net", name) for name in names
    ]


def test_columns_are_mapped_on_the_output_they_are_in() -> None:
    """By the names of the data in OpenLineage, whatever it is called in the catalog."""
    (step,) = (each for each in entities_of(TRAIN) if each.ref.type_name == "custom_ml_experiment_step")
    assert step.inputs
    assert step.outputs
    mapping = [
        {
            "DatasetMapping": {"Source": step.inputs[0].qualified_name, "Sink": step.outputs[0].qualified_name},
            "ColumnMapping": [{"Source": "loanAmount", "Sink": "amount"}, {"Source": "rate", "Sink": "amount"}],
        }
    ]
    mapped = replace(step, attributes={**step.attributes, "columnMapping": json.dumps(mapping)})
    (output,) = last("runs/train", [mapped])["outputs"]
    fields = output["facets"]["columnLineage"]["fields"]
    assert [(each["name"], each["field"]) for each in fields["amount"]["inputFields"]] == [
        ("data/loan/versions/1", "loanAmount"),
        ("data/loan/versions/1", "rate"),
    ]


@pytest.mark.parametrize("text", ["no JSON", "{}", "[1]", '[{"DatasetMapping": 1}]', '[{"ColumnMapping": []}]'])
def test_column_mapping_of_another_writer_that_cannot_be_read_maps_nothing(text: str) -> None:
    """A catalog has processes that are not ours."""
    process = Entity(
        Ref("ProcessWithColumnMapping", QualifiedName("p://x/y")),
        {"name": "p", "columnMapping": text},
        outputs=(Ref("custom_dataset", QualifiedName("s3://b/k")),),
    )
    assert last_of(process)["outputs"][0]["facets"] == {}


@pytest.mark.parametrize(
    ("repository", "sent"),
    [("https://github.com/contoso/churn.git", True), ("git@github.com:contoso/churn.git", False)],
)
def test_source_code_is_sent_where_it_has_a_url(repository: str, sent: bool) -> None:
    """The facet wants one; otherwise the repository stays among the attributes."""
    event = last("runs/train", entities_of(replace(TRAIN, git_repository=repository, git_commit="abc")))
    assert ("sourceCodeLocation" in event["job"]["facets"]) == sent
    assert event["run"]["facets"]["azureml_process"]["attributes"]["git_repository"] == repository


def test_deployment_of_another_model_is_another_run_of_the_same_job() -> None:
    """Events about one run only add, and the endpoint serves the new model only."""

    def blue(version: str) -> dict[str, Any]:
        endpoint = Endpoint(WORKSPACE, "ep", "Managed", deployments=(Deployment("blue", (model("churn", version),)),))
        return last("endpoints/ep/deployments/blue", build_endpoint(endpoint, matches={}))

    one, other = blue("1"), blue("2")
    assert one["job"] == other["job"]
    assert one["run"]["runId"] != other["run"]["runId"]
    assert one["inputs"][0]["facets"]["datasetType"]["datasetType"] == "MODEL"


def test_same_content_at_another_time_has_the_same_fingerprints() -> None:
    """A registration says no time of its own; that of the event that led to it is not a change."""
    entities = entities_of(TRAIN)
    now, later = to_run_events(entities, at=NOON), to_run_events(entities, at=NOON + timedelta(hours=1))
    assert [each.fingerprints for each in now] == [each.fingerprints for each in later]


def test_data_that_is_not_known_changes_no_fingerprint_of_the_process() -> None:
    """The event about a run does not know its models, the event about a model does: not a change in either order."""
    entities = entities_of(TRAIN, models=["churn/versions/1"])
    known = [
        *entities,
        *build_endpoint(
            Endpoint(WORKSPACE, "e", "Managed", deployments=(Deployment("b", (model("churn"),)),)), matches={}
        ),
    ]
    without, with_model = events_of("runs/train", entities).fingerprints, events_of("runs/train", known).fingerprints
    assert without.items() <= with_model.items()
    assert with_model.keys() - without.keys() == {f"{WS}/models/churn/versions/1"}


@pytest.mark.parametrize(
    "change", [{"status": "Failed"}, {"ended_at": "2026-07-01T11:00:00Z"}, {"metrics": {"AUC": 0.9}}]
)
def test_other_content_has_another_fingerprint(change: dict[str, Any]) -> None:
    """Also where it is in a facet of ours alone."""
    before = events_of("runs/train", entities_of(TRAIN)).fingerprints
    after = events_of("runs/train", entities_of(replace(TRAIN, **change))).fingerprints
    assert before[QualifiedName(f"{WS}/runs/train")] != after[QualifiedName(f"{WS}/runs/train")]
