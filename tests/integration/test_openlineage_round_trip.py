"""Out and in again: the reference graphs, sent as OpenLineage, give the same lineage in a catalog that was empty."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from openlineage.client.serde import Serde

from cli.session import drain, local_queue
from emulator.server import Emulator
from questions.walk import Walker, read_connected
from shared.bootstrap import Services
from shared.catalog import qualified_names
from shared.catalog.qualified_names import QualifiedName
from shared.openlineage.outgoing_events import to_run_events
from shared.places.datasets import DatasetName
from shared.places.matching import place_of_dataset
from shared.places.platforms import to_openlineage
from shared.purview.reader import Asset
from shared.settings import Settings
from tests.harness.app import AT_ONCE, App
from tests.worlds.openlineage_events import post_openlineage

Flow = tuple[frozenset[DatasetName], frozenset[DatasetName]]
"""What a run read and what it wrote."""


@pytest.fixture(scope="module")
def events(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What was sent while both reference graphs were published."""
    folder = tmp_path_factory.mktemp("sent")
    path = folder / "events.jsonl"
    with Emulator(scenario="credit-risk") as emulator:
        app = App.on(emulator, folder / "lineage.sqlite")
        app.services.settings = replace(app.services.settings, openlineage_out=f"file://{path}")
        app.replay()
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Services]:
    """Another deployment: its catalog is empty, and the workspace is none of its own, which it would not take in."""
    with Emulator(scenario="empty") as emulator:
        settings = Settings.from_env(emulator.environment(f"sqlite:///{tmp_path}/lineage.sqlite"))
        yield Services(replace(settings, workspaces=("/subscriptions/elsewhere",), openlineage_jobs=("azureml://*",)))


def flows_sent(events: list[dict[str, Any]]) -> dict[str, Flow]:
    return {
        event["run"]["runId"]: (_names(event["inputs"]), _names(event["outputs"]))
        for event in events
        if event["eventType"] != "START"
    }


def _names(datasets: list[dict[str, Any]]) -> frozenset[DatasetName]:
    return frozenset(map(_name, datasets))


def _name(dataset: dict[str, Any]) -> DatasetName:
    return DatasetName(dataset["namespace"], dataset["name"])


def take_in(services: Services, events: list[dict[str, Any]]) -> None:
    status, answer = post_openlineage(services, json.dumps(events).encode())
    assert status == 200, answer
    reports = list(drain(services, local_queue(services), redelivery=AT_ONCE))
    assert not [report.outcome.reason for report in reports if report.failed]


def steps_in(services: Services, events: list[dict[str, Any]]) -> dict[str, Asset]:
    """Return what the catalog has of the runs that were reported, one step each, by run id."""
    names = {
        qualified_names.of_job_run(event["job"]["namespace"], event["run"]["runId"]): event["run"]["runId"]
        for event in events
    }
    found = services.catalog.find(list(names))
    steps = services.lineage.get_assets([each.guid for each in found.values()])
    assert {step.type_name for step in steps.values()} == {"custom_ml_experiment_step"}
    return {names[step.qualified_name]: step for step in steps.values()}


def flows_in(services: Services, events: list[dict[str, Any]]) -> dict[str, Flow]:
    return {
        run_id: (_ends(step, "inputs"), _ends(step, "outputs")) for run_id, step in steps_in(services, events).items()
    }


def _ends(step: Asset, side: str) -> frozenset[DatasetName]:
    return frozenset(to_openlineage(QualifiedName(str(each.qualified_name))) for each in step.related.get(side, ()))


def test_lineage_sent_and_taken_in_again_is_the_same(events: list[dict[str, Any]], elsewhere: Services) -> None:
    """Each run is one step there, which reads and writes the same data under the same names."""
    take_in(elsewhere, events)
    assert len(flows_sent(events)) > 12
    assert flows_in(elsewhere, events) == flows_sent(events)


def test_what_came_in_goes_out_as_the_same_runs_of_the_same_jobs(
    events: list[dict[str, Any]], elsewhere: Services
) -> None:
    """And reads and writes the same data under the same names."""
    take_in(elsewhere, events)
    found = elsewhere.catalog.find([place_of_dataset(_name(events[-1]["outputs"][0]), "").ref.qualified_name])
    connected = read_connected(Walker(elsewhere.lineage), next(iter(found.values())).guid, limit=1_000)
    sent = to_run_events(connected.entities, at=elsewhere.now(), written=connected.written)
    again = [json.loads(Serde.to_json(event)) for each in sent for event in each.events]
    assert flows_sent(again) == flows_sent(events)
    assert jobs_of(again) == jobs_of(events)


def jobs_of(events: list[dict[str, Any]]) -> dict[str, tuple[str, str]]:
    return {event["run"]["runId"]: (event["job"]["namespace"], event["job"]["name"]) for event in events}


def test_order_and_repetition_make_no_difference(events: list[dict[str, Any]], elsewhere: Services) -> None:
    """Backwards, and everything twice."""
    take_in(elsewhere, [*reversed(events), *events])
    assert flows_in(elsewhere, events) == flows_sent(events)


def test_columns_sent_and_taken_in_again_are_the_same(events: list[dict[str, Any]], elsewhere: Services) -> None:
    """Column by column, by the names of the catalog."""
    sent = {
        (_name(source), source["field"], _name(output), column)
        for event in events
        for output in event["outputs"]
        for column, fields in output["facets"].get("columnLineage", {}).get("fields", {}).items()
        for source in fields["inputFields"]
    }
    take_in(elsewhere, events)
    found = {
        (
            to_openlineage(mapping["DatasetMapping"]["Source"]),
            pair["Source"],
            to_openlineage(mapping["DatasetMapping"]["Sink"]),
            pair["Sink"],
        )
        for step in steps_in(elsewhere, events).values()
        for mapping in json.loads(step.attributes.get("columnMapping", "[]"))
        for pair in mapping["ColumnMapping"]
    }
    assert len(sent) > 2
    assert found == sent
