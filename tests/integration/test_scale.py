"""Trees of thousands of runs: the requests docs/architecture.md states, memory in proportion, no depth is too much."""

import tracemalloc
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import ceil
from pathlib import Path
from typing import Any

import pytest

from benchmarks.emulated import Emulated, running_emulator
from cli.session import drain, local_queue
from emulator.merge import merge
from shared.azure_ml.services import workspace_api
from shared.intake.message import REPLAY
from shared.intake.receive import enqueue
from shared.purview.catalog import BATCH
from tests.harness.app import run_completed
from tests.worlds.golden_case import WORKSPACE_ID, base_workspace

pytestmark = pytest.mark.timeout(400)  # a minute, and several where others use the machine

Runs = dict[str, dict[str, Any]]
_METRICS_PAGE = 500
_LEVELS = 1_100
"""More than Python's stack is deep."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What publishing a tree for the first time took: its outcomes, entities, requests, and bytes at the most."""

    outcomes: list[str]
    written: int
    azure_ml: list[str]
    catalog: int
    peak: int

    def count(self, end: str) -> int:
        """Count requests to Azure ML by the end of their path."""
        return sum(path.endswith(end) for path in self.azure_ml)

    @property
    def apart_from_pages(self) -> int:
        """Count what the number of runs must not change."""
        return len(self.azure_ml) - sum(map(self.count, ("/children", "/batchrundata", "/runs/search")))


@dataclass(frozen=True, slots=True)
class Bench:
    """An emulator in a process of its own, so that its memory is not measured as ours."""

    emulated: Emulated
    folder: Path

    def publish(self, name: str, runs: Runs, *events: str, measured: bool = True) -> Cost:
        """Publish a tree of a new workspace in a new catalog; memory is measured if wanted, which takes its time."""
        self.emulated.control.use("empty")
        seed = merge(base_workspace(), {"runs": runs})
        self.emulated.control.add_to_azure_ml({"workspaces": {"ws-empty": seed}})
        services = self.emulated.services(self.folder / f"{name}.sqlite")
        self.emulated.control.clear_requests()
        queue = local_queue(services)
        enqueue(events, queue, services.dead_letters, source=REPLAY, now=services.now)
        if measured:
            tracemalloc.start()
        reports = [report.outcome for report in drain(services, queue)]
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        requests = self.emulated.control.requests()
        return Cost(
            [outcome.outcome for outcome in reports],
            sum(outcome.written for outcome in reports),
            [request.path for request in requests if request.service == "azure_ml"],
            sum(request.service == "purview" for request in requests),
            peak,
        )


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    with running_emulator("empty") as emulated:
        bench = Bench(emulated, tmp_path_factory.mktemp("scale"))
        bench.publish("warm", pipeline(4, group=2), ended("pipe"))  # what is loaded once does not count
        yield bench


def ended(run_id: str, **data: object) -> str:
    return run_completed(run_id, workspace=WORKSPACE_ID, **data)


def pipeline(steps: int, *, group: int) -> Runs:
    """Nest pipelines four deep, each with some steps; each step reads what the one before wrote."""
    runs: Runs = {"pipe": {"kind": "pipeline", "experiment": "scale"}}
    source = {"asset": "churn:3"}
    parent = "pipe"
    for number in range(steps):
        if number % group == 0:
            depth = number // group % 4
            parent = "pipe" if depth == 0 else f"inner-{number // group - 1}"
            runs[f"inner-{number // group}"] = {"kind": "pipeline", "parent": parent, "experiment": "scale"}
            parent = f"inner-{number // group}"
        runs[f"step-{number}"] = _step(parent, source)
        source = {"output_of": f"step-{number}/out"}
    return runs


def _step(parent: str, source: Mapping[str, str]) -> dict[str, Any]:
    return {
        "kind": "step",
        "parent": parent,
        "experiment": "scale",
        "inputs": {"data": source},
        "outputs": {"out": {}},
        "metrics": {"rows": 1},
    }


def sweep(trials: int, *, parent: str = "") -> Runs:
    """Describe a sweep and its trials; `parent` is the pipeline it is a step of."""
    tuned: dict[str, Any] = {
        "kind": "sweep",
        "experiment": "scale",
        "inputs": {"data": {"asset": "churn:3"}},
        "settings": {"search_space": {"lr": ["uniform", [0.01, 0.9]]}, "primary_metric": "AUC"},
        "properties": {"best_child_run_id": "tune_7"},
    }
    trial = {"kind": "trial", "parent": "tune", "experiment": "scale", "metrics": {"AUC": 0.9}}
    runs: Runs = {"tune": tuned, **{f"tune_{number}": trial for number in range(trials)}}
    if parent:
        tuned["parent"] = parent
        runs[parent] = {"kind": "pipeline", "experiment": "scale"}
    return runs


def test_nested_pipeline_takes_the_requests_of_the_formula(bench: Bench) -> None:
    """To the catalog entities/50 + 4; to Azure ML a constant, and pages and batches of what there is."""
    steps, group = 2_000, 25
    cost = bench.publish("two-thousand", pipeline(steps, group=group), ended("pipe"), measured=False)
    assert (cost.outcomes, cost.written >= 3 * steps) == (["published"], True)
    assert cost.catalog <= cost.written / BATCH + 4
    assert cost.apart_from_pages <= 8
    assert cost.count("/batchrundata") == ceil(steps / workspace_api.BATCH)
    pipelines = 1 + steps // group
    assert cost.count("/runs/search") == ceil((steps + pipelines) / _METRICS_PAGE)
    assert cost.count("/children") == pipelines


def test_nested_pipeline_takes_memory_in_proportion(bench: Bench) -> None:
    """A step of a large pipeline costs no more than one of a pipeline half its size."""
    half, whole = (bench.publish(f"of-{steps}", pipeline(steps, group=25), ended("pipe")) for steps in (400, 800))
    assert whole.outcomes == ["published"]
    assert 0 < whole.peak / 800 <= 1.1 * half.peak / 400


def test_pipelines_nest_deeper_than_the_stack(bench: Bench) -> None:
    """Each level costs a page of children and nothing else."""
    runs: Runs = {"pipe": {"kind": "pipeline", "experiment": "scale"}}
    parent = "pipe"
    for level in range(_LEVELS):
        if level % 100 == 0:
            runs[f"step-{level}"] = _step(parent, {"asset": "churn:3"})
        runs[f"inner-{level}"] = {"kind": "pipeline", "parent": parent, "experiment": "scale"}
        parent = f"inner-{level}"
    runs["deepest"] = _step(parent, {"output_of": "step-0/out"})
    cost = bench.publish("deep", runs, ended("deepest"), measured=False)
    assert cost.outcomes == ["published"]
    assert cost.count("/children") == _LEVELS + 1
    assert cost.apart_from_pages <= 8


def test_sweep_of_ten_thousand_trials_costs_what_a_small_one_does(bench: Bench) -> None:
    """Its trials are never listed, whichever of them is heard of first."""
    named = {"experimentId": "e", "experimentName": "scale"}
    small, large = (
        bench.publish(f"sweep-{trials}", sweep(trials), ended("tune", **named), ended("tune_8"))
        for trials in (10, 10_000)
    )
    assert large.outcomes == ["published", "skipped"]
    assert sorted(large.azure_ml) == sorted(small.azure_ml)  # some are sent at once
    assert large.catalog == small.catalog <= large.written / BATCH + 4
    assert large.peak <= 1.1 * small.peak


def test_sweep_in_a_pipeline_costs_pages_of_metrics_and_no_memory_for_its_trials(bench: Bench) -> None:
    """The metrics of a pipeline come with those of all runs below it; those of trials are not kept."""
    half, whole = (
        bench.publish(f"inside-{trials}", sweep(trials, parent="pipe"), ended("pipe")) for trials in (5_000, 10_000)
    )
    assert whole.outcomes == ["published"]
    assert whole.count("/runs/search") == ceil(10_002 / _METRICS_PAGE)
    assert whole.apart_from_pages == half.apart_from_pages <= 8
    assert whole.peak <= 1.1 * half.peak
