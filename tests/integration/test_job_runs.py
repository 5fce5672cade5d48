"""Runs that OpenLineage events tell of, from the queue to the catalog."""

import json
from itertools import permutations
from typing import Any

import pytest

from shared.handlers.outcome import DEAD_LETTERED, PUBLISHED, SKIPPED
from tests.app import App, outcomes
from tests.job_runs import BORROWER, LAKE, PREPARED, RAW, RUN, STEP, column_lineage, data, run_event, with_jobs

COMPLETE = run_event(
    "COMPLETE",
    at="10:05",
    inputs=[data(RAW)],
    outputs=[data(PREPARED, **column_lineage(RAW, {"amount": "loanAmount"}))],
)


@pytest.fixture
def jobs(app: App) -> App:
    """Scenario credit-risk, and OpenLineage events of one namespace are taken."""
    return with_jobs(app)


def publish(app: App, *events: dict[str, Any]) -> list[str]:
    """Publish events and tell how each attempt ended."""
    reports = app.replay(json.dumps(event) for event in events)
    print([report.outcome.reason for report in reports])
    return outcomes(reports)


def test_complete_event_becomes_one_step_between_what_it_names(jobs: App) -> None:
    """The scanned file it read, the folder it wrote, its status and times, in the experiment that its job is."""
    assert publish(jobs, COMPLETE) == [PUBLISHED]
    assert jobs.edges(STEP) == {"loan.csv -> prepare_credit", "prepare_credit -> prepared"}
    attributes = jobs.entity(STEP)["attributes"]
    assert (attributes["status"], attributes["ended_at"]) == ("Completed", "2026-07-01T10:05:00+00:00")
    assert attributes["run_id"] == RUN
    [mapping] = json.loads(attributes["columnMapping"])
    assert mapping["ColumnMapping"] == [{"Source": "loanAmount", "Sink": "amount"}]
    assert mapping["DatasetMapping"]["Source"] == "https://contosolake.dfs.core.windows.net/credit/raw/loan.csv"
    assert attributes["column_mapping_source"].startswith("declared: ")
