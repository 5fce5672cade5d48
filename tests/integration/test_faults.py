"""Throttling, time-outs and cut connections on the way to either service."""

from collections.abc import Callable

import pytest

from shared.purview.transport import ATTEMPTS
from tests.harness.app import WS, App, outcomes, run_completed

TRAIN = run_completed("creditrisk_train")


@pytest.mark.parametrize("statuses", [[429, 503, 200], [408, 200], [500, 502, 200]])
def test_a_request_the_catalog_could_not_take_is_sent_again(app: App, statuses: list[int]) -> None:
    """Within one attempt at the message."""
    app.emulator.control.faults({"service": "purview", "method": "POST", "path": "entity/bulk", "statuses": statuses})
    assert outcomes(app.replay([TRAIN])) == ["published"]
    assert app.emulator.control.pending_faults() == []


def test_retry_after_is_honoured(app: App) -> None:
    """The wait is the one the catalog asked for, not our own."""
    waits: list[float] = []
    app.services.catalog._client._retrying.sleep = waits.append
    app.emulator.control.faults(
        {"service": "purview", "path": "entity/bulk", "method": "POST", "statuses": [429], "retry_after": 7}
    )
    assert outcomes(app.replay([TRAIN])) == ["published"]
    assert waits == [7.0]


def test_a_cut_connection_is_opened_again(app: App) -> None:
    """To the catalog as to Azure ML."""
    app.emulator.control.faults(
        {"service": "purview", "path": "entity/bulk", "cut": True, "times": 1},
        {"service": "azure_ml", "path": "rundata", "cut": True, "times": 1},
    )
    assert outcomes(app.replay([TRAIN])) == ["published"]


@pytest.mark.parametrize("path", ["/history/", "/mlflow/", "workspaces/ws-credit/datastores", "/models/"])
def test_azure_ml_that_throttles_is_asked_again(app: App, path: str) -> None:
    """The SDK's client and ours retry alike."""
    app.emulator.control.faults({"service": "azure_ml", "path": path, "statuses": [429], "retry_after": 0})
    assert "published" in outcomes(app.replay())
    assert app.emulator.control.pending_faults() == []


def test_a_catalog_that_fails_for_longer_than_one_attempt_brings_the_message_back(app: App) -> None:
    """In-call retries are used up, then the queue takes over."""
    app.services.catalog._client._retrying.sleep = lambda _: None
    app.emulator.control.faults({"service": "purview", "path": "entity/bulk", "statuses": [503] * ATTEMPTS})
    assert outcomes(app.replay([TRAIN])) == ["came_back", "published"]


def test_a_failure_half_way_through_a_large_tree_is_made_good_by_the_next_attempt(
    start_app: Callable[..., App],
) -> None:
    """Some batches were written, the rest was not; in the end everything is there once."""
    app = start_app("chain", steps=60)
    app.services.catalog.apply_types(app.services.catalog.plan_types())
    app.services.catalog._client._retrying.sleep = lambda _: None
    app.emulator.control.faults(
        {
            "service": "purview",
            "method": "POST",
            "path": "entity/bulk",
            "statuses": [200, *[503] * ATTEMPTS],
        }
    )
    root = next(event for event in app.events() if "azureml.PipelineRun" in event and "RunCompleted" in event)
    assert outcomes(app.replay([root])) == ["came_back", "published"]
    entities = app.emulator.control.state()["purview"]["entities"]
    steps = [entity for entity in entities if entity["typeName"] == "custom_ml_experiment_step"]
    assert len(steps) == 60
    names = [(entity["typeName"], entity["attributes"]["qualifiedName"]) for entity in entities]
    assert len(names) == len(set(names))


def test_several_refused_entities_among_many_are_each_named(app: App) -> None:
    """Isolation by halves finds them all."""
    app.services.catalog.apply_types(app.services.catalog.plan_types())
    poison = [f"{WS}/environments/creditrisk-env/versions/3#pandas", f"{WS}/runs/creditrisk_train/config"]
    app.emulator.control.switches(refuse=poison)
    [report] = app.replay([TRAIN])
    assert report.failed
    for name in poison:
        assert name in report.outcome.reason
    names = {entity["attributes"]["qualifiedName"] for entity in app.emulator.control.state()["purview"]["entities"]}
    assert f"{WS}/environments/creditrisk-env/versions/3#mlflow" in names
