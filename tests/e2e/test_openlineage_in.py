"""OpenLineage events in the genuine runtime: the HTTP function, the queue trigger, and what the catalog then shows."""

import gzip
import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from emulator.azurite import Azurite
from emulator.server import Emulator
from tests.harness.app import WS
from tests.harness.function_host import Deployment, FunctionHost, settings_for, wait_until
from tests.integration.test_synapse import GRAPH, NOTEBOOK
from tests.worlds.openlineage_events import NAMESPACE, run_event


@pytest.fixture(scope="module")
def host(
    emulator_server: Emulator, azurite_server: Azurite, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FunctionHost]:
    """A host that takes the jobs of one namespace."""
    settings = {**settings_for(emulator_server, azurite_server), "LINEAGE_OPENLINEAGE_JOBS": NAMESPACE}
    folder: Path = tmp_path_factory.mktemp("openlineage")
    with FunctionHost.running(settings, folder) as host:
        yield host


@pytest.fixture
def deployment(host: FunctionHost, emulator: Emulator, azurite_server: Azurite) -> Iterator[Deployment]:
    """A fresh start: the scenario whose data a Synapse notebook prepares."""
    deployment = Deployment.of(host, emulator, azurite_server, "credit-risk-synapse")
    yield deployment
    deployment.close()


def test_listener_with_the_key_gets_its_notebook_into_the_graph(deployment: Deployment) -> None:
    """As clients post them, compressed and with a length, one by one, the last first; then Azure ML's own events."""
    for _, event in reversed(deployment.emulator.control.openlineage_events()):
        body = gzip.compress(json.dumps(event).encode())
        answer = deployment.host.post("v1/lineage", body, **deployment.host.key, **{"Content-Encoding": "gzip"})
        assert answer.status_code == 201, answer.text
    wait_until(lambda: deployment.queued() == 0, 60)
    deployment.app.replay()
    assert deployment.app.edges(f"{WS}/models/creditrisk_model/versions/2") == GRAPH
    assert deployment.app.entity(NOTEBOOK)["attributes"]["status"] == "Completed"
    assert deployment.app.services.dead_letters.list_open() == []
    assert "Traceback" not in deployment.host.stderr


def test_request_without_key_or_from_another_namespace_is_refused(deployment: Deployment) -> None:
    """401 from the host, 403 from us, and nothing on the queue."""
    event = json.dumps(run_event("COMPLETE")).encode()
    assert deployment.host.post("v1/lineage", event).status_code == 401
    other = json.dumps(run_event("COMPLETE", namespace="other")).encode()
    answer = deployment.host.post("v1/lineage", other, **deployment.host.key)
    assert (answer.status_code, list(answer.json())) == (403, ["error"])
    batch = deployment.host.post("v1/lineage/batch", b"[" + other + b"]", **deployment.host.key)
    assert (batch.status_code, batch.json()["summary"]["failed"]) == (207, 1)
    assert deployment.queued() == 0


@pytest.mark.parametrize("route", ["v1/lineage", "v1/lineage/batch", "replay"])
def test_body_in_chunks_is_answered_with_what_to_change(deployment: Deployment, route: str) -> None:
    """The host hands it over as an empty one; with its length it is taken."""
    event = json.dumps([run_event("COMPLETE")]).encode()
    url = f"{deployment.host.url}/api/{route}"
    answer = deployment.host.session.post(url, iter([event]), headers=deployment.host.key, timeout=60)
    assert (answer.status_code, "without Content-Length" in answer.json()["error"]) == (411, True)
    assert deployment.host.post(route, event, **deployment.host.key).status_code in (200, 202)
