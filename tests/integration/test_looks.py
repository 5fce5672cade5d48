"""A run is looked at again by itself: what settles after its event arrives, and what has not changed costs little."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from emulator.server import Emulator
from shared.bootstrap import Services
from shared.catalog.qualified_names import QualifiedName
from shared.model import WorkspaceId
from shared.reconciling.looks import IN_TICK
from shared.reconciling.progress import read_coverage
from shared.settings import Settings
from tests.harness.app import WORKSPACE, WS, App, model_registered, run_completed
from tests.harness.clock import MovedClock

Add = Callable[..., None]
HOUR = timedelta(hours=1)
JOB = {"kind": "command", "experiment": "late", "command": "python x.py"}


class Later:
    """An app whose clock a test moves on, and its ticks."""

    def __init__(self, emulator: Emulator, storage: Path) -> None:
        self.clock = MovedClock()
        self.emulator = emulator
        self.settings = Settings.from_env(emulator.environment(f"sqlite:///{storage}"))
        self.restart()

    def restart(self) -> None:
        """Begin a process that remembers nothing but what is stored."""
        self.app = App(self.emulator, Services(self.settings, now=self.clock))

    def tick(self, *, after: timedelta = timedelta(0)) -> list[str]:
        """Let time pass, do one tick, and publish what it put on the queue."""
        self.clock.move(after)
        self.app.services.reconciler.tick()
        return [report.outcome.outcome for report in self.app.replay([])]

    def looks(self) -> int:
        """Count looks that are still to come."""
        return len(self.app.services.ledger.list_looks(until=self.clock() + timedelta(days=30), limit=IN_TICK))


@pytest.fixture
def later(emulator: Emulator, tmp_path: Path) -> Later:
    """Scenario credit-risk, all of it published and looked through."""
    emulator.control.use("credit-risk")
    return Later(emulator, tmp_path / "lineage.sqlite")


@pytest.fixture
def add(later: Later) -> Add:
    """Add to the workspace of the scenario."""

    def add_to_workspace(**parts: object) -> None:
        later.emulator.control.add_to_azure_ml({"workspaces": {"ws-credit": parts}})

    return add_to_workspace


def publish_all(later: Later) -> None:
    """Publish what there is, and let all looks that follow from it pass."""
    later.app.replay()
    later.tick()
    for wait in (HOUR, HOUR, 2 * timedelta(days=1)):
        later.tick(after=wait)
    assert later.looks() == 0


def test_unchanged_runs_are_looked_at_three_times_with_two_requests_and_no_write(later: Later, add: Add) -> None:
    """After ten minutes, an hour and a day; also over a restart."""
    publish_all(later)
    add(runs={"late": JOB})
    later.app.replay([run_completed("late")])
    later.tick(after=timedelta(minutes=9))
    counted = []
    for wait in (timedelta(minutes=2), HOUR, timedelta(days=1), timedelta(days=1)):
        later.restart()
        later.app.services.resolver.get_workspace(WorkspaceId.parse(WORKSPACE))
        later.emulator.control.clear_requests()
        assert later.tick(after=wait) == []
        paths = [request.path for request in later.emulator.control.requests("azure_ml")]
        counted.append(sum("/rundata" in path or "/mlflow/" in path for path in paths))
        assert later.app.writes() == 0
    assert counted == [2, 2, 2, 0]
    assert later.looks() == 0


def test_unchanged_pipeline_is_looked_at_with_two_requests(later: Later) -> None:
    """However many steps it has."""
    publish_all(later)
    events = later.app.events()
    pipeline = next(
        event
        for event in events
        if "azureml.PipelineRun" in event and "RunCompleted" in event and "StepRun" not in event
    )
    root = QualifiedName(f"{WS}/runs/{json.loads(pipeline)['data']['runId']}")
    later.app.services.ledger.forget_tree(root)
    later.app.replay([pipeline])
    assert later.looks() == 1
    later.emulator.control.clear_requests()
    assert later.tick(after=timedelta(minutes=11)) == []
    paths = [request.path for request in later.emulator.control.requests("azure_ml")]
    assert sum("rundata" in path or "/mlflow/" in path for path in paths) == 2


def test_metrics_that_come_after_the_event_arrive(later: Later, add: Add) -> None:
    """They are in MLflow a while after the run has ended."""
    publish_all(later)
    add(runs={"late": JOB})
    later.app.replay([run_completed("late")])
    add(runs={"late": {**JOB, "metrics": {"AUC": 0.91}}})
    assert later.tick(after=timedelta(minutes=11)) == ["published"]
    assert later.app.entity(f"{WS}/runs/late/metrics")["attributes"]["metrics"] == '{"AUC": 0.91}'


def test_output_that_is_registered_after_the_event_arrives(later: Later, add: Add) -> None:
    """Its path stood for it until then."""
    publish_all(later)
    add(runs={"late": {**JOB, "outputs": {"o": {}}}})
    later.app.replay([run_completed("late")])
    add(runs={"late": {**JOB, "outputs": {"o": {"register": "scores:1"}}}})
    later.tick(after=timedelta(minutes=11))
    assert "late -> scores:1" in later.app.edges(f"{WS}/runs/late")


def test_data_that_did_not_resolve_is_asked_for_again_and_is_a_gap_until_then(later: Later, add: Add) -> None:
    """No run definition declares the input of a sweep, so one answer that is empty leaves nothing but its id."""
    later.app.replay()
    path = "azureml://datastores/creditlake/paths/raw/x/"
    add(runs={"sw": {"kind": "sweep", "experiment": "e", "inputs": {"d": {"uri": path}}}})
    later.emulator.control.faults(
        {
            "service": "azure_ml",
            "path": "data.*batchGetResolvedUris",
            "method": "POST",
            "statuses": [203],
            "body": {"values": {}},
        }
    )
    later.app.replay([run_completed("sw")])
    later.emulator.control.faults()
    later.tick()
    later.tick()
    [coverage] = read_coverage(later.app.services.state.notes)
    assert [(gap.name, "could not say where" in gap.reason) for gap in coverage.gaps] == [("sw", True)]
    assert coverage.percent < 100
    later.tick(after=timedelta(minutes=11))
    later.tick()
    [coverage] = read_coverage(later.app.services.state.notes)
    assert (coverage.gaps, coverage.percent) == ((), 100.0)


def test_look_that_fails_is_taken_an_hour_later_and_keeps_no_other_waiting(later: Later, add: Add) -> None:
    """A service that is down has something to say later."""
    publish_all(later)
    add(runs={"late": JOB, "other": JOB})
    later.app.replay([run_completed("late"), run_completed("other")])
    later.emulator.control.faults({"service": "azure_ml", "path": "/rundata", "statuses": [400]})
    later.tick(after=timedelta(minutes=11))
    later.emulator.control.faults()
    assert later.looks() == 2
    add(runs={name: {**JOB, "metrics": {"AUC": 0.9}} for name in ("late", "other")})
    assert later.tick(after=HOUR) == ["published"] * 2


def test_run_that_was_deleted_is_not_looked_at_any_more(later: Later, add: Add) -> None:
    """Its lineage stays."""
    publish_all(later)
    add(runs={"late": JOB})
    later.app.replay([run_completed("late")])
    later.emulator.control.faults({"service": "azure_ml", "path": "/rundata", "statuses": [404]})
    later.tick(after=timedelta(minutes=11))
    assert later.looks() == 0


def test_run_of_long_ago_that_a_list_shows_is_not_looked_at_again(later: Later) -> None:
    """A backfill of years costs no look; what was to settle has."""
    later.tick()
    assert later.looks() == 0


POWER_BI = (
    "https://app.powerbi.com/groups/40000000-0000-0000-0000-000000000000/datasets/40000000-0000-0000-0000-000000000001"
)


def test_tags_and_stage_that_people_set_later_arrive_at_the_next_tick(later: Later, add: Add) -> None:
    """Azure ML raises no event for them; a link to Power BI comes with its tag, and goes with it."""
    path = "azureml://datastores/workspaceartifactstore/paths/ExperimentRun/dcid.late/outputs/model"
    add(
        runs={"late": {**JOB, "outputs": {"o": {"register": "out:1"}}}},
        models={"m:1": {"type": "mlflow_model", "path": path, "job_name": "late", "stage": "Development"}},
    )
    later.app.replay()
    later.app.replay([run_completed("late"), model_registered("m", "1")])
    add(
        data={"out:1": {"tags": {"powerbi_dataset": POWER_BI}, "description": "One row a customer."}},
        models={"m:1": {"stage": "Production", "tags": {"approved_by": "risk"}}},
    )
    later.tick()
    model = later.app.entity(f"{WS}/models/m/versions/1")["attributes"]
    assert (model["stage"], model["tags"]) == ("Production", '{"approved_by": "risk"}')
    assert later.app.entity(f"{WS}/data/out/versions/1")["attributes"]["description"] == "One row a customer."
    [dataset] = later.app.services.catalog.find([QualifiedName(POWER_BI)])
    add(data={"out:1": {"tags": {"powerbi_dataset": None}}})
    later.restart()
    later.tick(after=2 * HOUR)
    assert later.app.services.catalog.find([dataset]) == {}


def test_data_that_no_one_has_changed_is_listed_once_an_hour_and_published_no_more(later: Later) -> None:
    """Each asset costs a request to be looked at."""
    publish_all(later)
    counted = []
    for wait in (timedelta(0), timedelta(minutes=30), timedelta(minutes=31)):
        later.emulator.control.clear_requests()
        assert later.tick(after=wait) == []
        paths = [request.path for request in later.emulator.control.requests("azure_ml")]
        counted.append(any(path.endswith("/data") for path in paths))
    assert counted == [False, False, True]


@pytest.mark.parametrize("path", ["/datastores", "/data/"])
def test_run_whose_data_was_refused_is_read_again_by_the_next_look(later: Later, add: Add, path: str) -> None:
    """As after a role has arrived: it says where its data is, and the note is gone."""
    publish_all(later)
    later.restart()
    add(runs={"late": JOB | {"inputs": {"loans": {"asset": "LoanData:1"}}}})
    later.emulator.control.faults({"service": "azure_ml", "path": path, "statuses": [403], "times": 50})
    later.app.replay([run_completed("late")])
    run = f"{WS}/runs/late"
    assert "access is denied" in later.app.entity(run)["attributes"]["notes"]
    later.emulator.control.faults()
    later.restart()
    assert "published" in later.tick(after=timedelta(minutes=11))
    assert not later.app.entity(run)["attributes"].get("notes")


MODEL = {"path": "azureml://datastores/workspaceblobstore/paths/tuned/", "created_at": "2026-07-02T12:00:00Z"}
MAKER = JOB | {
    "start": "2026-07-02T08:00:00Z",
    "end": "2026-07-02T09:00:00Z",
    "outputs": {"m": {"path": MODEL["path"]}},
}
REFUSED = {"service": "azure_ml", "path": "/datastores", "statuses": [403], "times": 500}


def makers_of_tuned(later: Later) -> list[str]:
    """Return the runs that the catalog says made the model."""
    edges = later.app.edges(f"{WS}/models/tuned/versions/1")
    return [edge.partition(" -> ")[0] for edge in edges if edge.endswith(" -> tuned:1")]


def gaps(later: Later) -> list[str]:
    """Return the names of what is missing, after ticks that look through all there is."""
    later.tick()
    later.tick()
    [coverage] = read_coverage(later.app.services.state.notes)
    return [gap.name for gap in coverage.gaps]


def test_model_whose_place_was_refused_is_a_gap_until_the_next_look_finds_its_maker(later: Later, add: Add) -> None:
    """Where its files are is what leads to the run."""
    publish_all(later)
    add(models={"tuned:1": MODEL}, runs={"maker": MAKER})
    later.app.replay([run_completed("maker")])
    later.restart()
    later.emulator.control.faults(REFUSED)
    later.app.replay([model_registered("tuned", "1")])
    later.emulator.control.faults()
    later.restart()
    assert (makers_of_tuned(later), gaps(later)) == ([], ["tuned"])
    later.tick(after=timedelta(minutes=11))
    assert (makers_of_tuned(later), gaps(later)) == (["maker"], [])


def test_model_whose_place_is_refused_later_keeps_its_maker(later: Later, add: Add) -> None:
    """What was true does not become false by a refusal; nor is it forgotten where its files are."""
    publish_all(later)
    add(models={"tuned:1": MODEL}, runs={"maker": MAKER})
    later.app.replay([run_completed("maker"), model_registered("tuned", "1")])
    later.restart()
    later.emulator.control.faults(REFUSED)
    later.app.replay([model_registered("tuned", "1")])
    assert (makers_of_tuned(later), gaps(later)) == (["maker"], [])
    later.restart()
    add(models={"tuned:1": {"tags": {"stage": "x"}}})
    later.app.replay([model_registered("tuned", "1")])
    assert makers_of_tuned(later) == ["maker"]
    later.emulator.control.faults()
    later.restart()
    assert (makers_of_tuned(later), gaps(later)) == (["maker"], ["tuned"])
    later.tick(after=timedelta(minutes=11))
    assert (makers_of_tuned(later), gaps(later)) == (["maker"], [])


def looks_at_tuned(later: Later) -> int:
    """Count looks at the model that are still to come."""
    looks = later.app.services.ledger.list_looks(until=later.clock() + timedelta(days=30), limit=IN_TICK)
    return sum(look.root == f"{WS}/models/tuned/versions/1" for look in looks)


def test_model_whose_place_is_refused_for_good_stays_a_gap_that_says_why(later: Later, add: Add) -> None:
    """It is looked at after 10 minutes, an hour and a day, and then stands; `status` names it, once."""
    publish_all(later)
    add(models={"tuned:1": MODEL}, runs={"maker": MAKER})
    later.app.replay([run_completed("maker")])
    later.restart()
    later.emulator.control.faults({**REFUSED, "times": 100_000})
    later.app.replay([model_registered("tuned", "1")])
    for after in (timedelta(minutes=11), timedelta(hours=1, minutes=1), timedelta(days=1, minutes=1)):
        assert (looks_at_tuned(later), gaps(later)) == (1, ["tuned"])
        later.restart()
        later.tick(after=after)
    assert (looks_at_tuned(later), gaps(later)) == (0, ["tuned"])
    later.restart()
    later.tick(after=timedelta(days=3))
    assert (looks_at_tuned(later), gaps(later)) == (0, ["tuned"])
    [coverage] = read_coverage(later.app.services.state.notes)
    assert [gap.reason.count("access is denied") for gap in coverage.gaps] == [1]


def test_placeholder_of_data_that_was_located_later_is_removed(later: Later, add: Add) -> None:
    """It stays while another run names it, and goes once both have been read again."""
    publish_all(later)
    later.restart()
    place = "azureml://datastores/lake/paths/raw/x/"
    add(runs={name: JOB | {"inputs": {"loans": {"uri": place}}} for name in ("one", "two")})
    later.emulator.control.faults(REFUSED)
    later.app.replay([run_completed("one"), run_completed("two")])
    name = QualifiedName(f"{WS}/datastores/lake/paths/raw/x")
    assert later.app.services.catalog.get_entity(name)
    later.tick()
    later.emulator.control.faults()
    later.restart()
    later.app.replay([run_completed("one")])
    later.tick()
    assert later.app.services.catalog.get_entity(name)
    later.app.replay([run_completed("two")])
    later.tick()
    assert later.app.services.catalog.get_entity(name) is None
    assert not [each for each in later.app.services.ledger.list_placeholders(limit=500) if each.name == name]
