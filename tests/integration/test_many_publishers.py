"""Many publishers at once on a catalog that checks a write when it begins and commits it when it ends."""

import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from emulator.server import Emulator
from shared.bootstrap import Services
from shared.intake.message import EVENT_GRID
from shared.intake.receive import enqueue
from shared.settings import Settings
from tests.harness.app import App

PUBLISHERS, INSTANCES = 8, 2
COMMIT_MS = 40
"""What a genuine Atlas took from the check of a small write to its commit."""
ALLOWED = "/subscriptions/00000000-0000-0000-0000-000000000000"


def publish_all(emulator: Emulator, storage: str, *, instances: int, publishers: int) -> object:
    """Publish all events of the scenario from one queue with one ledger, and return what the catalog holds then."""
    environment = {**emulator.environment(storage), "LINEAGE_WORKSPACES": ALLOWED}
    services = [Services(Settings.from_env(environment)) for _ in range(instances)]
    with ThreadPoolExecutor(publishers) as threads:
        first = services[0]
        app = App(emulator, first)
        first.catalog.install_types()
        enqueue(app.events(), first.queue, first.dead_letters, source=EVENT_GRID, now=first.now)
        for done in [threads.submit(work, services[number % instances]) for number in range(publishers)]:
            done.result(timeout=300)
        assert list(first.dead_letters.list_open()) == []
        content = app.catalog_content()
    for each in services:
        each.state.close()
    return content


def work(services: Services) -> None:
    """Handle messages, also those that come back, until there are none."""
    deadline = time.monotonic() + 240
    while services.queue.count():
        assert time.monotonic() < deadline
        message = services.queue.receive(visibility=timedelta(minutes=5))
        if message is None:
            time.sleep(0.05)
            continue
        services.deliveries.publish(message)
        services.queue.delete(message)


def twins(emulator: Emulator) -> dict[str, int]:
    """Return the names that more than one live entity has, and how many."""
    entities = emulator.control.state()["purview"]["entities"]
    names = Counter(
        f"{each['typeName']} {each['attributes']['qualifiedName']}"
        for each in (entities.values() if isinstance(entities, dict) else entities)
        if each.get("status", "ACTIVE") == "ACTIVE"
    )
    return {name: count for name, count in names.items() if count > 1}


@pytest.mark.parametrize("seed", range(3))
def test_first_burst_with_eight_publishers_leaves_what_one_publisher_does(
    emulator: Emulator, tmp_path: Path, seed: int
) -> None:
    """One entity for each name, link by link the same."""
    emulator.control.use("fleet", runs=40, seed=seed)
    wanted = publish_all(emulator, f"sqlite:///{tmp_path / 'one.sqlite'}", instances=1, publishers=1)
    emulator.control.use("fleet", runs=40, seed=seed)
    emulator.control.switches(commit_ms=COMMIT_MS)
    found = publish_all(emulator, f"sqlite:///{tmp_path / 'many.sqlite'}", instances=INSTANCES, publishers=PUBLISHERS)
    assert twins(emulator) == {}
    assert found == wanted
