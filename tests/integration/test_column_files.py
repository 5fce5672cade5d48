"""Files in which runs declare their columns: read where a tag says so, and no reason to lose a run."""

import json
import logging
from collections.abc import Callable
from typing import Any

import pytest

from shared.azure_ml.services.workspace_api import LARGEST_FILE
from shared.http.rest import RestClient
from tests.harness.app import WS, App, outcomes, run_completed

Add = Callable[..., None]
FILE = "lineage/column mapping & more.json"
MAPPING = [{"input": "loan", "output": "prepared", "columns": {"loanAmount": "amount"}}]
CONTENT = "/artifact/"


def add_run(add: Add, artifacts: dict[str, Any], path: str = FILE, run_id: str = "prep", **more: Any) -> None:
    run = {
        "experiment": "tuning",
        "inputs": {"loan": {"asset": "LoanData:1"}},
        "outputs": {"prepared": {}},
        "tags": {"lineage.column_mapping_artifact": path},
        "artifacts": artifacts,
    }
    add(runs={run_id: run | more})


@pytest.fixture(autouse=True)
def no_waiting(app: App) -> None:
    """Ask again at once."""
    services = app.services
    scope = f"{services.settings.arm_endpoint}/.default"
    services.__dict__["rest"] = RestClient(services.credential, services.transport, scope=scope, retry_backoff=0)


def step(app: App, run_id: str = "prep") -> dict[str, Any]:
    return dict(app.entity(f"{WS}/runs/{run_id}")["attributes"])


def asked(app: App) -> list[int]:
    """Return the statuses with which requests for files were answered."""
    return [each.status for each in app.emulator.control.requests("azure_ml") if each.path.startswith(CONTENT)]


def test_file_is_read_in_one_request_for_each_run_that_names_one(app: App, add: Add) -> None:
    """Four steps of a pipeline, two of which say so; the rest costs what it did."""
    add(runs={"p": {"kind": "pipeline", "experiment": "tuning"}})
    steps = {f"s{number}": FILE if number < 2 else "" for number in range(4)}
    for name, path in steps.items():
        add_run(add, {FILE: MAPPING}, path, name, kind="step", parent="p")
    assert outcomes(app.replay([run_completed("p")])) == ["published"]
    assert asked(app) == [200, 200]
    assert [bool(step(app, name).get("columnMapping")) for name in steps] == [True, True, False, False]
    assert step(app, "s0")["column_mapping_source"] == f"declared: artifact {FILE}"


def test_step_that_was_reused_has_the_file_of_the_run_it_reuses(app: App, add: Add) -> None:
    """The files are in the original's container."""
    add_run(add, {FILE: MAPPING}, run_id="original")
    add(runs={"p": {"kind": "pipeline", "experiment": "tuning"}})
    add(runs={"again": {"kind": "step", "parent": "p", "experiment": "tuning", "reused_from": "original"}})
    assert outcomes(app.replay([run_completed("p")])) == ["published"]
    assert asked(app) == [200]
    assert step(app, "original")["columnMapping"]


@pytest.mark.parametrize(
    ("artifacts", "problem"),
    [
        ({}, f"HTTP 404: (UserError) Artifact ExperimentRun/dcid.prep/{FILE} not found"),
        ({"other.json": MAPPING}, "HTTP 404"),
        ({FILE: "loan -> prepared"}, "Expecting value: line 1 column 1 (char 0)."),
        ({FILE: {"loan": "prepared"}}, "it: is an object, not a list."),
        ({FILE: ""}, "Expecting value: line 1 column 1 (char 0)."),
        ({FILE: json.dumps(MAPPING) + " " * LARGEST_FILE}, f"the answer is longer than {LARGEST_FILE} bytes."),
    ],
)
def test_run_is_published_without_columns_if_its_file_cannot_be_read(
    app: App, add: Add, artifacts: dict[str, Any], problem: str
) -> None:
    """Its author reads why in the notes of the step."""
    add_run(add, artifacts)
    assert outcomes(app.replay([run_completed("prep")])) == ["published"]
    found = step(app)
    assert not found["columnMapping"]
    assert found["notes"].startswith(f"The column mapping in artifact {FILE} cannot be read: ")
    assert problem in found["notes"]


def test_file_as_large_as_may_be_is_read(app: App, add: Add) -> None:
    """To the last byte."""
    text = json.dumps(MAPPING)
    add_run(add, {FILE: text + " " * (LARGEST_FILE - len(text))})
    assert outcomes(app.replay([run_completed("prep")])) == ["published"]
    assert json.loads(step(app)["columnMapping"])[0]["ColumnMapping"] == [{"Source": "loanAmount", "Sink": "amount"}]


def test_service_that_throttles_is_asked_again_within_one_attempt(app: App, add: Add) -> None:
    """As for anything else of Azure ML."""
    add_run(add, {FILE: MAPPING})
    app.emulator.control.faults({"service": "azure_ml", "path": CONTENT, "statuses": [429, 503], "retry_after": 0})
    assert outcomes(app.replay([run_completed("prep")])) == ["published"]
    assert asked(app) == [429, 503, 200]
    assert step(app)["columnMapping"]


def test_service_that_fails_for_longer_than_one_attempt_brings_the_message_back(app: App, add: Add) -> None:
    """A run is not published without its columns because of a bad minute."""
    add_run(add, {FILE: MAPPING})
    app.emulator.control.faults({"service": "azure_ml", "path": CONTENT, "statuses": [503] * 4, "retry_after": 0})
    assert outcomes(app.replay([run_completed("prep")])) == ["came_back", "published"]
    assert step(app)["columnMapping"]
    assert not step(app)["notes"]


@pytest.mark.parametrize("status", [400, 403, 302])
def test_refusal_costs_the_columns_only_and_leaves_no_signed_address(
    app: App, add: Add, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    """An identity that may read the run but not its files; a redirection would lead out of Azure ML with our token."""
    caplog.set_level(logging.DEBUG, logger="shared")
    add_run(add, {FILE: MAPPING})
    signed = {"error": {"code": "UserError", "message": "See https://st.blob.core.windows.net/a?sv=1&sig=SECRET"}}
    app.emulator.control.faults({"service": "azure_ml", "path": CONTENT, "statuses": [status], "body": signed})
    assert outcomes(app.replay([run_completed("prep")])) == ["published"]
    found = step(app)
    assert not found["columnMapping"]
    assert f"HTTP {status}" in found["notes"]
    assert "SECRET" not in json.dumps(app.emulator.control.state()["purview"]) + caplog.text


def test_connection_that_is_cut_half_way_through_a_file_brings_the_message_back(app: App, add: Add) -> None:
    """Half a file is no file."""
    add_run(add, {FILE: MAPPING})
    app.emulator.control.faults({"service": "azure_ml", "path": CONTENT, "rate": 1, "seed": 1, "kinds": ["half"]})
    assert outcomes(app.replay([run_completed("prep")])) == ["came_back", "came_back", "dead_lettered"]
