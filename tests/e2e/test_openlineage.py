"""A Synapse notebook, told by OpenLineage to the function in Microsoft's runtime, joins the graph of the model."""

import gzip
import json
from collections.abc import Iterator

import pytest

from emulator.azurite import Azurite
from emulator.server import Emulator
from tests.app import WS
from tests.function_host import Deployment, FunctionHost, settings_for, wait_until
from tests.integration.test_synapse import GRAPH
from tests.job_runs import NAMESPACE, PREPARED, data, run_event

MODEL = f"{WS}/models/creditrisk_model/versions/2"


@pytest.fixture(scope="module")
def host(
    emulator_server: Emulator, azurite_server: Azurite, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FunctionHost]:
    """The app in the genuine runtime, with the namespace of a Spark pool let in."""
    settings = {**settings_for(emulator_server, azurite_server), "LINEAGE_OPENLINEAGE_JOBS": NAMESPACE}
    with FunctionHost.running(settings, tmp_path_factory.mktemp("host")) as host:
        yield host


@pytest.fixture
def deployment(host: FunctionHost, emulator_server: Emulator, azurite_server: Azurite) -> Iterator[Deployment]:
    """The scenario in which Azure ML knows nothing of the preparation."""
    deployment = Deployment.of(host, emulator_server, azurite_server, "credit-risk-synapse")
    yield deployment
    deployment.close()


def test_notebook_and_model_events_give_the_whole_graph(deployment: Deployment) -> None:
    """By HTTP with the function's key, compressed; Azure ML's events by replay: nothing is made by hand."""
    events = [body for _, body in deployment.emulator.control.openlineage_events()]
    for event in reversed(events):
        body = gzip.compress(json.dumps(event).encode())
        answer = deployment.host.post("v1/lineage", body, **deployment.host.key, **{"Content-Encoding": "gzip"})
        assert (answer.status_code, answer.text) == (201, "{}")
    replay = deployment.host.post(
        "replay?dry_run=false", f"[{','.join(deployment.app.events())}]".encode(), **deployment.host.key
    )
    assert replay.status_code == 202
    ended = len(events) + len(deployment.app.events())
    wait_until(lambda: deployment.queued() == 0 and len(deployment.host.outcomes()) == ended, timeout=60)
    assert deployment.app.edges(MODEL) == GRAPH
    assert deployment.app.services.dead_letters.list_open() == []


def test_whoever_has_no_key_is_not_heard(deployment: Deployment) -> None:
    """And nothing is on the queue."""
    body = json.dumps(run_event("COMPLETE", outputs=[data(PREPARED)])).encode()
    assert deployment.host.post("v1/lineage", body).status_code == 401
    assert deployment.queued() == 0


def test_somebody_elses_job_is_refused_with_the_reason(deployment: Deployment) -> None:
    """Alone by the status, in an array by its place."""
    foreign = {**run_event("COMPLETE", outputs=[data(PREPARED)]), "job": {"namespace": "elsewhere", "name": "x"}}
    alone = deployment.host.post("v1/lineage", json.dumps(foreign).encode(), **deployment.host.key)
    assert alone.status_code == 403
    assert "elsewhere is not in LINEAGE_OPENLINEAGE_JOBS" in alone.json()["error"]
    both = json.dumps([run_event("START"), foreign]).encode()
    answer = deployment.host.post("v1/lineage/batch", both, **deployment.host.key)
    assert answer.status_code == 207
    assert answer.json()["summary"] == {"received": 2, "successful": 1, "failed": 1}
    assert [each["index"] for each in answer.json()["failed_events"]] == [1]
    wait_until(lambda: deployment.queued() == 0 and len(deployment.host.outcomes()) == 1)
