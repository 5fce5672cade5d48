"""The scenarios: what they hold, and the events that come with them."""

import json
from collections.abc import Iterable, Mapping
from typing import Any

import pytest

from emulator.scenarios import Scenario, UnknownScenarioError, load, scenario_names
from emulator.server import Emulator


def single_events(body: Any) -> Iterable[Mapping[str, Any]]:
    """Give the events of one delivery, array or not."""
    return body if isinstance(body, list) else [body]


def event_types(name: str) -> list[str]:
    """List the short types of a scenario's events in order."""
    return [
        str(event.get("eventType", event.get("type"))).rpartition(".")[2]
        for file in load(Scenario(name)).events
        for event in single_events(file.body)
    ]


@pytest.mark.parametrize("name", scenario_names())
def test_every_scenario_starts(emulator: Emulator, name: str) -> None:
    """Every scenario can be used, and all its entities are accepted."""
    emulator.control.use(name)
    seed = load(Scenario(name))
    state = emulator.control.state()
    entities = seed.purview.get("entities", [])
    assert isinstance(entities, list)
    assert len(state["purview"]["entities"]) >= len(entities)
    assert state["azure_ml"]["workspaces"]


def test_credit_risk_has_events_of_every_kind() -> None:
    """Its events cover all types, an unknown one, a duplicate and one without a run id."""
    types = event_types("credit-risk")
    assert {kind: types.count(kind) for kind in dict.fromkeys(types)} == {
        "RunCompleted": 10,  # 3 runs, 1 pipeline twice, 4 steps, 1 malformed
        "ModelRegistered": 2,
        "ModelDeployed": 1,
        "RunStatusChanged": 2,
        "DatasetDriftDetected": 1,
        "SomethingNew": 1,
    }
    files = {file.name.partition("-")[2]: file.body for file in load(Scenario("credit-risk")).events}
    assert files["run-completed-pipeline.json"] == files["run-completed-pipeline-again.json"]
    assert "runId" not in json.dumps(files["run-completed-without-run-id.json"])


def test_credit_risk_events_come_in_every_envelope() -> None:
    """Arrays and single objects, Event Grid and CloudEvents, camel and Pascal case, whole and textual versions."""
    files = load(Scenario("credit-risk")).events
    arrays = {isinstance(file.body, list) for file in files}
    events = [event for file in files for event in single_events(file.body)]
    versions = [d.get("modelVersion", d.get("ModelVersion")) for d in (event["data"] for event in events)]
    assert arrays == {True, False}
    assert {"specversion" in event for event in events} == {True, False}
    assert {next(iter(event["data"]))[0].isupper() for event in events} == {True, False}
    assert {type(version) for version in versions if version is not None} == {int, str}


def test_credit_risk_keeps_no_secrets_in_its_files() -> None:
    """Marked secrets are in scenario ``secrets`` only, in the workspace and in the events."""
    plain, secret = load(Scenario("credit-risk")), load(Scenario("secrets"))
    assert "SECRET" not in json.dumps([plain.azure_ml, [file.body for file in plain.events]])
    assert json.dumps(secret.azure_ml).count("SECRET") == 5
    assert all("SECRET" in json.dumps(file.body) for file in secret.events)


def test_accelerator_has_the_machine_learning_of_credit_risk() -> None:
    """A scenario that extends another has its workspace and its events."""
    base, extended = load(Scenario("credit-risk")), load(Scenario("accelerator"))
    assert extended.azure_ml == base.azure_ml
    assert extended.events == base.events


def test_chain_links_every_step_to_the_one_before(emulator: Emulator) -> None:
    """A chain of N steps has N + 1 runs and as many events, and one scanned file."""
    emulator.control.use("chain", steps=7)
    state = emulator.control.state()
    runs = state["azure_ml"]["workspaces"]["ws-chain"]["runs"]
    assert len(runs) == 8
    assert [entity["typeName"] for entity in state["purview"]["entities"]] == ["azure_datalake_gen2_path"]
    assert len(emulator.control.events()) == 8
    inputs = [run["inputs"]["data"] for run in runs.values() if run["kind"] == "step"]
    assert inputs[0] == {"asset": "RawData:1"}
    assert [reference["output_of"] for reference in inputs[1:]] == [f"{run}/out" for run in list(runs)[1:-1]]


@pytest.mark.parametrize("text", ["nope", "chain:x", "chain:0", "empty:3"])
def test_scenario_that_makes_no_sense_is_refused(text: str) -> None:
    """Unknown names and step counts that do not fit are refused."""
    with pytest.raises(UnknownScenarioError):
        Scenario.parse(text)
