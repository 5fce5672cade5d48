"""Events of trials, of nested runs and of steps cost next to nothing where their root says all there is to say."""

from collections.abc import Callable

import pytest

from tests.harness.app import WORKSPACE, WS, App, outcomes, run_completed

Add = Callable[..., None]
TRIALS = 12


def below(parent: str, kind: str = "trial", count: int = TRIALS) -> dict[str, dict[str, object]]:
    return {f"{parent}_{n}": {"kind": kind, "parent": parent, "experiment": "tuning"} for n in range(count)}


def requests(app: App) -> int:
    return len(app.emulator.control.requests("azure_ml"))


def replay_trials(app: App, parent: str, **data: dict[str, str]) -> tuple[set[str], int]:
    """Replay the event of each trial; return how they ended, and how many requests that took."""
    app.emulator.control.clear_requests()
    ended = outcomes(app.replay([run_completed(f"{parent}_{n}", workspace=WORKSPACE, **data) for n in range(TRIALS)]))
    return set(ended), requests(app)


@pytest.fixture
def tuned(app: App, add: Add) -> App:
    """A sweep, an AutoML run, a command with nested runs of MLflow, and a pipeline with a sweep as a step."""
    data = {"experiment": "tuning", "inputs": {"data": {"asset": "LoanData:1"}}}
    add(
        runs={
            "sweep": {"kind": "sweep", **data},
            "automl": {"kind": "automl", **data},
            "folds": {"kind": "command", **data},
            "pipe": {"kind": "pipeline", "experiment": "tuning"},
            "tune": {"kind": "sweep", "parent": "pipe", **data},
            **below("sweep"),
            **below("automl", "automl_child"),
            **below("folds", "mlflow"),
            **below("tune"),
            **below("tune_0", "mlflow"),
        }
    )
    app.replay([run_completed("creditrisk_train")])  # what is read once a workspace is read
    return app


@pytest.mark.parametrize("root", ["sweep", "automl", "folds"])
def test_run_below_one_that_was_published_costs_the_request_for_its_own_record(tuned: App, root: str) -> None:
    """That record says what it belongs to; a thousand of them are a thousand requests, not five thousand."""
    tuned.replay([run_completed(root)])
    ended, count = replay_trials(tuned, root)
    assert (ended, count <= TRIALS + 1) == ({"skipped"}, True)


def test_trial_of_automl_that_says_so_costs_nothing_once_that_was_published(tuned: App) -> None:
    """`runTemplate` is in its event."""
    tuned.replay([run_completed("automl")])
    assert replay_trials(tuned, "automl", runProperties={"runTemplate": "automl_child"}) == ({"skipped"}, 0)


@pytest.mark.parametrize("parent", ["tune", "tune_0"])
@pytest.mark.parametrize("tags", [{}, {"azureml.pipeline": "pipe"}])
def test_run_below_a_step_costs_as_little_however_deep_it_is(tuned: App, parent: str, tags: dict[str, str]) -> None:
    """What is above a run never changes, so it is asked for once."""
    tuned.replay([run_completed("pipe", runType="azureml.PipelineRun")])
    ended, count = replay_trials(tuned, parent, runTags=tags)
    assert (ended, count <= TRIALS + 3) == ({"skipped"}, True)


@pytest.mark.parametrize("root", ["sweep", "automl", "folds"])
def test_run_below_one_that_has_not_ended_costs_the_request_for_its_own_record(tuned: App, root: str) -> None:
    """Whether the root has ended is remembered for seconds; its own event publishes it."""
    tuned.emulator.control.transitions(root, statuses=["Running"])
    ended, count = replay_trials(tuned, root)
    assert (ended, count <= TRIALS + 1) == ({"skipped"}, True)
    tuned.emulator.control.transitions(root, statuses=["Completed"])
    assert outcomes(tuned.replay([run_completed(root)])) == ["published"]


def test_root_that_has_not_ended_costs_one_request_and_is_never_taken_for_what_it_was(tuned: App) -> None:
    """Its own event is believed at once."""
    tuned.emulator.control.transitions("sweep", statuses=["Running"])
    tuned.emulator.control.clear_requests()
    attempts = outcomes(tuned.replay([run_completed("sweep")]))
    assert set(attempts) == {"came_back", "dead_lettered"}
    assert requests(tuned) == len(attempts)
    tuned.emulator.control.transitions("sweep", statuses=["Completed"])
    assert outcomes(tuned.replay([run_completed("sweep")])) == ["published"]


def test_event_of_a_trial_that_comes_before_its_sweeps_publishes_it(tuned: App) -> None:
    """Should the event of the sweep be lost."""
    assert outcomes(tuned.replay([run_completed("sweep_3"), run_completed("sweep")])) == ["published", "skipped"]
    assert "LoanData:1 -> sweep" in tuned.edges(f"{WS}/runs/sweep")


def test_run_beside_the_steps_that_ends_after_its_pipeline_was_published_is_added(app: App, add: Add) -> None:
    """It stands for itself, so that its pipeline was published is no reason to skip it."""
    add(
        runs={
            "pipe": {"kind": "pipeline", "experiment": "tuning"},
            "fit": {"kind": "step", "parent": "pipe", "experiment": "tuning"},
            "logger": {"kind": "mlflow", "parent": "pipe", "experiment": "tuning", "metrics": {"AUC": 0.5}},
        }
    )
    app.emulator.control.transitions("logger", statuses=["Running"])
    app.replay([run_completed("pipe", runType="azureml.PipelineRun")])
    app.emulator.control.transitions("logger", statuses=["Completed"])
    assert outcomes(app.replay([run_completed("logger")])) == ["published"]
    assert app.entity(f"{WS}/runs/logger/metrics")["attributes"]["metrics"] == '{"AUC": 0.5}'


def test_run_that_is_only_called_like_a_trial_is_published(app: App, add: Add) -> None:
    """`train_2024` is no trial of `train`."""
    add(runs={name: {"experiment": "tuning", "params": {"a": "b"}} for name in ("train", "train_2024")})
    assert outcomes(app.replay([run_completed("train"), run_completed("train_2024")])) == ["published", "published"]
