"""Reference graph 1 where a Synapse notebook prepares the data and OpenLineage reports it: nothing is made by hand."""

import json
from collections.abc import Callable
from typing import Any

import azure.functions as func
import pytest

from functions import openlineage
from shared import bootstrap
from tests.harness.app import WS, App
from tests.integration.test_reference_graphs import EXPERIMENT
from tests.worlds.openlineage_events import publish_queued, with_jobs

LAKE = "https://contosolake.dfs.core.windows.net/credit"
NOTEBOOK = "openlineage://synapse-credit/runs/0197c2a0-1b2c-7d3e-8f40-0000000000a0"
GRAPH = EXPERIMENT
"""Node for node."""


@pytest.fixture
def app(start_app: Callable[[str], App]) -> App:
    """The scenario, with the namespace of its Spark pool let in."""
    return with_jobs(start_app("credit-risk-synapse"))


@pytest.fixture
def post(app: App, monkeypatch: pytest.MonkeyPatch) -> Callable[[Any], int]:
    """Send a body to the HTTP function as the listener does; what it puts on the queue is published at once."""
    monkeypatch.setattr(bootstrap, "services", lambda: app.services)

    def send(body: Any) -> int:
        request = func.HttpRequest("POST", "/api/v1/lineage", body=json.dumps(body).encode())
        status: int = openlineage.openlineage.build().get_user_function()(request).status_code
        publish_queued(app)
        return status

    return send


def test_notebook_and_azure_ml_events_give_the_experiment_graph(app: App, post: Callable[[Any], int]) -> None:
    """Scanned files → notebook → prepared data → train → model → endpoint, predictions, Power BI; columns mapped."""
    assert [post(body) for _, body in app.emulator.control.openlineage_events()] == [201] * 7
    app.replay()
    assert app.edges(f"{WS}/models/creditrisk_model/versions/2") == GRAPH
    step = app.entity(NOTEBOOK)["attributes"]
    assert (step["status"], step["started_at"], step["ended_at"]) == (
        "Completed",
        "2026-07-01T09:40:00Z",
        "2026-07-01T09:45:00Z",
    )
    mapped = {
        (each["DatasetMapping"]["Source"], each["DatasetMapping"]["Sink"]): each["ColumnMapping"]
        for each in json.loads(step["columnMapping"])
    }
    assert mapped == {
        (f"{LAKE}/raw/loan.csv", f"{LAKE}/prepared_data"): [
            {"Source": "loanAmount", "Sink": "loanAmount"},
            {"Source": "loanStatus", "Sink": "loanStatus"},
        ],
        (f"{LAKE}/raw/borrower.csv", f"{LAKE}/prepared_data"): [{"Source": "annualIncome", "Sink": "annualIncome"}],
    }
    assert app.services.dead_letters.list_open() == []


def test_events_after_azure_mls_backwards_and_twice_give_the_same_graph(app: App, post: Callable[[Any], int]) -> None:
    """In one array, as a client that collects sends them, with a plan of a megabyte in each."""
    app.replay()
    events = [body for _, body in app.emulator.control.openlineage_events()]
    for event in events:
        event["run"]["facets"]["spark.logicalPlan"] = {"plan": ["x" * 1_000] * 1_000}
    assert post([*reversed(events), *events]) == 200
    assert app.edges(f"{WS}/models/creditrisk_model/versions/2") == GRAPH
