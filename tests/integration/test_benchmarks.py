"""The benchmarks, small: what they count holds, and they run at all before a person needs them."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import claims, indexing, scale
from benchmarks.backfill import run_backfill
from benchmarks.receiving import burst

ROOT = Path(__file__).parents[2]


def test_indexing_costs_little_more_than_importing_azure_functions_and_loads_no_client() -> None:
    """CPU time as a ratio, each the least of a few runs in turns."""
    assert indexing.indexing_ratio() <= indexing.LIMIT
    assert indexing.loaded_clients() == "[]"


@pytest.mark.timeout(240)
def test_backfill_interrupted_three_times_writes_what_the_events_write() -> None:
    """A command of its own, interrupted as by Ctrl-C; every run of the sample is the same, with all its edges."""
    done = run_backfill(300, sample=100)
    assert (done.interruptions, done.sample, list(done.differing)) == (3, 100, [])
    assert (done.summary["dead_lettered"], done.summary["failed"]) == (0, 0)
    assert done.growth_mb < 20


@pytest.mark.timeout(240)
@pytest.mark.usefixtures("azurite_installed")
def test_burst_of_a_pipelines_events_costs_the_catalog_less_than_a_request_an_event() -> None:
    """Twenty steps and their root at once: the event that comes second finds it written."""
    events, catalog, azure_ml = burst(20)
    assert events == 21
    assert 0 < catalog < events
    assert azure_ml > 0


@pytest.mark.timeout(240)
@pytest.mark.usefixtures("azurite_installed")
def test_tick_and_status_ask_for_no_more_with_more_in_the_ledger() -> None:
    """What was published long ago costs nothing while nothing changes, whatever it was."""
    few, many = scale.costs_at("Azurite", [40, 4_000], workspaces=2)
    assert (few.rows, many.rows) == (40, 4_000)
    for before, after in ((few.tick, many.tick), (few.status, many.status), (few.event, many.event)):
        assert after.stored <= before.stored + 1
        assert after.asked <= before.asked + 1


@pytest.mark.timeout(240)
@pytest.mark.usefixtures("azurite_installed")
def test_claims_cost_an_event_that_creates_shared_assets_one_request_at_most_and_others_none() -> None:
    """They ride in the transactions that take the lease and give it up."""
    first, second = claims.count_requests()
    with claims.without_claims():
        first_before, second_before = claims.count_requests()
    assert first[0] - first_before[0] <= claims.MOST_MORE
    assert (first[1], second) == (first_before[1], second_before)


def test_benchmarks_can_be_run_by_name() -> None:
    """Or none, if one is not known."""
    command = [sys.executable, "-m", "benchmarks"]
    runs = [
        subprocess.run([*command, name], cwd=ROOT, capture_output=True, text=True, timeout=100, env=os.environ)  # noqa: S603
        for name in ("indexing", "indexes")
    ]
    assert [run.returncode for run in runs] == [0, 2]
    assert "azure.functions" in runs[0].stdout
    assert "there is no benchmark indexes" in runs[1].stderr
