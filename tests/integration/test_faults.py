"""Throttling, time-outs and cut connections on the way to either service."""

from collections.abc import Callable

import pytest

from shared.catalog.entities import Entity, Ref, attributes
from shared.catalog.qualified_names import QualifiedName
from shared.purview.catalog import BATCH
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
    assert max(waits) == pytest.approx(7, abs=0.5)


def test_pause_that_is_longer_than_a_request_waits_is_kept_by_the_message(app: App) -> None:
    """No thread waits for minutes with a lease in hand."""
    waits: list[float] = []
    app.services.catalog._client._retrying.sleep = waits.append
    app.emulator.control.faults(
        {"service": "purview", "path": "entity/bulk", "method": "POST", "statuses": [429], "retry_after": 120}
    )
    first = next(iter(app.deliver([TRAIN])))
    assert (first.outcome.outcome, max(waits, default=0)) == ("came_back", 0)
    assert "ServiceUnavailable" in first.outcome.reason
    assert app.emulator.control.pending_faults() == []


@pytest.mark.parametrize("status", [409, 412, 423])
def test_conflict_with_another_write_is_waited_for(app: App, status: int) -> None:
    """The request is right: sent again as it was, it succeeds, and no entity of it is looked for."""
    app.services.catalog.apply_types(app.services.catalog.plan_types())
    app.services.catalog._client._retrying.sleep = lambda _: None
    app.emulator.control.clear_requests()
    app.emulator.control.faults(
        {"service": "purview", "method": "POST", "path": "entity/bulk", "statuses": [status] * 2}
    )
    assert outcomes(app.replay([TRAIN])) == ["published"]
    assert bulk_writes(app) == [status, status, 200]


def test_types_that_a_part_of_the_catalog_does_not_know_yet_are_waited_for(app: App) -> None:
    """They were installed a moment ago, and the first events of a new deployment must not be dead letters."""
    body = {"errorCode": "ATLAS-400-00-014", "errorMessage": "Type ENTITY with name custom_ml_workspace does not exist"}
    fault = {"service": "purview", "method": "POST", "path": "entity/bulk", "statuses": [200, 400], "body": body}
    app.emulator.control.faults(fault)
    assert outcomes(app.replay([TRAIN])) == ["came_back", "published"]
    assert app.emulator.control.pending_faults() == []


def test_entity_of_a_type_that_the_catalog_never_had_is_named(app: App) -> None:
    """Waiting would not bring a type that is none of ours; all but the entity is written."""
    strange = Entity(Ref("no_such_type", QualifiedName("x://strange")), attributes("strange"))
    plain = Entity(Ref("custom_dataset", QualifiedName("azureml://plain")), attributes("plain"))
    written = app.services.catalog.upsert_entities([strange, plain])
    assert (set(written.rejections), set(written.guids)) == ({"x://strange"}, {"azureml://plain"})


@pytest.mark.parametrize("path", ["entity/bulk/uniqueAttribute", "entity/bulk$"])
def test_absence_that_is_not_the_catalogs_own_answer_is_waited_for(app: App, path: str) -> None:
    """A gateway that leads nowhere for a while, or a wrong endpoint, says nothing about a run."""
    app.services.catalog._client._retrying.sleep = lambda _: None
    body = {"error": {"code": "404", "message": "Resource not found"}}
    fault = {"service": "purview", "path": path, "statuses": [404] * ATTEMPTS, "body": body}
    app.emulator.control.faults(fault)
    assert outcomes(app.replay([TRAIN])) == ["came_back", "published"]


def bulk_writes(app: App) -> list[int]:
    """Return the statuses of the writes that the catalog got."""
    requests = app.emulator.control.requests("purview")
    return [each.status for each in requests if each.method == "POST" and each.path.endswith("/entity/bulk")]


def test_large_tree_goes_on_where_an_attempt_stopped(start_app: Callable[..., App]) -> None:
    """Each batch but the last is noted as written; so it comes to an end, however often it fails."""
    app = start_app("chain", steps=200)
    app.services.catalog.apply_types(app.services.catalog.plan_types())
    app.services.catalog._client._retrying.sleep = lambda _: None
    root = next(event for event in app.events() if "azureml.PipelineRun" in event and "RunCompleted" in event)
    failing = [200, 200, 200, *[503] * ATTEMPTS]
    app.emulator.control.clear_requests()
    app.emulator.control.faults(
        {"service": "purview", "method": "POST", "path": "entity/bulk", "statuses": failing, "times": 2}
    )
    assert outcomes(app.replay([root])) == ["came_back", "came_back", "published"]
    entities = app.emulator.control.state()["purview"]["entities"]
    batches, taken = -(-len(entities) // BATCH), bulk_writes(app).count(200)
    assert batches > 6
    assert taken <= batches + 2, "each attempt after the first writes one batch again"
    assert len([each for each in entities if each["typeName"] == "custom_ml_experiment_step"]) == 200


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
