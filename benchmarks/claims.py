"""What claiming names before they are created costs: requests of an event, and the rate of several publishers."""

import json
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, nullcontext
from datetime import timedelta
from typing import Any

from rich.table import Table
from urllib3.connectionpool import HTTPConnectionPool

from benchmarks.emulated import SUBSCRIPTION, Emulated, running_emulator
from emulator.azurite import Azurite
from shared.bootstrap import Services
from shared.intake.message import REPLAY, MessageBody
from shared.intake.receive import enqueue
from shared.model import WorkspaceId
from shared.publishing import engine
from shared.settings import Settings
from shared.state.ports import Message

RUNS, PUBLISHERS, COMMIT_MS = 60, 8, 40.0
"""A first burst; about what Apache Atlas takes from the check of a write to its commit."""
MOST_MORE, LEAST_RATE = 1, 0.9
_VISIBILITY = timedelta(minutes=10)
_PATIENCE = 0.02
_RUN = {
    "kind": "command",
    "experiment": "creditrisk-experiment",
    "command": "python x.py",
    "inputs": {"data": {"uri": "azureml://datastores/workspaceblobstore/paths/in/", "type": "uri_folder"}},
    "outputs": {"out": {"type": "uri_folder"}},
}


def measure_claims(runs: int = RUNS) -> Table:
    """Publish the same with claims and without."""
    table = Table(title=f"Claims: one event's requests, and {PUBLISHERS} publishers on a first burst of {runs} runs")
    for heading in (
        "",
        "first event\ntable / catalog",
        "event that creates\nnothing shared",
        "burst\nevents/s",
        "of before",
        "names\ntwice",
    ):
        table.add_column(heading, justify="right")
    rates: list[float] = []
    for name in ("before", "now"):
        with without_claims() if name == "before" else nullcontext():
            first, second = count_requests()
            rate, twice = run_burst(runs)
        rates.append(rate)
        share = f"{rate / rates[0]:.2f}" if name == "now" else ""
        costs = [f"{stored} / {catalog}" for stored, catalog in (first, second)]
        table.add_row(name, *costs, f"{rate:.1f}", share, str(twice))
    table.caption = f"goals: at most {MOST_MORE} request more and none, at least {LEAST_RATE} of the rate"
    return table


def count_requests() -> tuple[tuple[int, int], tuple[int, int]]:
    """Return what an event that creates shared assets and one that does not ask of the table and of the catalog."""
    with Azurite() as azurite, running_emulator("credit-risk") as emulated:
        services, costs = _services(emulated, azurite), []
        with _counted(azurite.base_port + 2) as asked:
            for number in range(3):
                emulated.control.add_to_azure_ml({"workspaces": {"ws-credit": {"runs": {f"new-{number}": _RUN}}}})
                asked.clear()
                emulated.control.clear_requests()
                services.deliveries.publish(Message(str(number), _message(f"new-{number}"), 1, ""))
                costs.append((len(asked), len(emulated.control.requests("purview"))))
        services.state.close()
    return costs[0], costs[2]


def run_burst(runs: int) -> tuple[float, int]:
    """Return how many events a second several publishers work off, and how many names the catalog has twice then."""
    with Azurite() as azurite, running_emulator("empty") as emulated:
        emulated.control.use("fleet", runs=runs, seed=1)
        publishers = [_services(emulated, azurite) for _ in range(PUBLISHERS)]
        first = publishers[0]
        bodies = [body for _, body in emulated.control.events()]
        events = [json.dumps(event) for body in bodies for event in (body if isinstance(body, list) else [body])]
        enqueue(events, first.queue, first.dead_letters, source=REPLAY, now=first.now)
        emulated.control.switches(commit_ms=COMMIT_MS)
        start = time.monotonic()
        with ThreadPoolExecutor(PUBLISHERS) as threads:
            list(threads.map(_work_off, publishers))
        seconds = time.monotonic() - start
        names = Counter(
            (entity["typeName"], entity["attributes"]["qualifiedName"])
            for entity in emulated.control.state()["purview"]["entities"]
            if entity["status"] == "ACTIVE"
        )
        for services in publishers:
            services.state.close()
    return len(events) / seconds, sum(count > 1 for count in names.values())


def _work_off(services: Services) -> None:
    """Publish until the queue is empty, also of what waits."""
    while services.queue.count():
        message = services.queue.receive(visibility=_VISIBILITY)
        if message is None:
            time.sleep(_PATIENCE)
            continue
        services.deliveries.publish(message)
        services.queue.delete(message)


def _services(emulated: Emulated, azurite: Azurite) -> Services:
    services = Services(Settings.from_env({**emulated.environment, "LINEAGE_STORAGE": f"azurite:{azurite.base_port}"}))
    services.catalog.install_types()
    services.queue.count()
    return services


def _message(run: str) -> str:
    event = {
        "id": f"event-{run}",
        "topic": WorkspaceId(SUBSCRIPTION.rpartition("/")[2], "rg-ml", "ws-credit").arm_id,
        "subject": f"experiments/claims/runs/{run}",
        "eventType": "Microsoft.MachineLearningServices.RunCompleted",
        "eventTime": "2026-07-01T10:00:00Z",
        "dataVersion": "2",
        "data": {"experimentId": "claims", "experimentName": "claims", "runId": run, "runType": "azureml.scriptrun"},
    }
    return MessageBody(json.dumps(event), f"operation-{run}").to_json()


@contextmanager
def without_claims() -> Iterator[None]:
    """Publish as before names were claimed."""
    list_created = engine._list_created
    engine._list_created = lambda plan: []
    try:
        yield
    finally:
        engine._list_created = list_created


@contextmanager
def _counted(port: int) -> Iterator[list[str]]:
    """Note each request to a port of this machine."""
    send, asked = HTTPConnectionPool.urlopen, list[str]()

    def count(pool: HTTPConnectionPool, method: str, url: str, *args: Any, **options: Any) -> Any:
        if pool.port == port:
            asked.append(f"{method} {url}")
        return send(pool, method, url, *args, **options)

    HTTPConnectionPool.urlopen = count  # type: ignore[method-assign, assignment]
    try:
        yield asked
    finally:
        HTTPConnectionPool.urlopen = send  # type: ignore[method-assign]
