"""Two hosts of one app, killed at any moment, whose clocks disagree: the catalog is that of one publisher."""

import os
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from emulator.azurite import Azurite
from emulator.clock import Clock
from emulator.server import Emulator
from shared.bootstrap import Services
from shared.intake.message import REPLAY
from shared.intake.receive import enqueue
from shared.settings import Azurite as AzuriteSetting
from shared.settings import Settings
from shared.state.azure_storage import Storage
from tests.harness.app import App
from tests.harness.function_host import FunctionHost, settings_for, wait_until
from tests.harness.publishers import links_of, names_of, twins_of
from tests.harness.storage import empty, no_token

RUNS = int(os.environ.get("LINEAGE_TESTS_RUNS", "30"))
SEEDS = int(os.environ.get("LINEAGE_TESTS_SEEDS", "1"))
"""Both are for the gate; ask for more after a change of how writes are ordered."""
SPEED = 20.0
"""A lease of a minute ends after three seconds, and what a killed host had at hand comes back after thirty."""
APART = 30.0
"""Seconds between the clocks of the two, as their own time runs."""
KILLS = 3
"""Each after some requests of the one that is killed, whatever they are."""
COMMIT_MS = 40.0
"""About what Apache Atlas takes from the check of a write to its commit."""


@pytest.fixture(scope="module")
def storage_clock(azurite_installed: None) -> Iterator[tuple[Azurite, Clock]]:
    """Storage on a fast clock."""
    clock = Clock(SPEED)
    with Azurite(clock=clock) as azurite:
        yield azurite, clock


def moved(clock: Clock, by: float) -> Clock:
    """Return the clock of a machine whose time is off by some seconds."""
    return Clock(clock.speed, clock.start - by / (clock.speed - 1))


def wait_for_requests(host: FunctionHost, count: int) -> None:
    """Wait until a host has sent some more requests."""
    last = len(host.targets()) + count
    wait_until(lambda: len(host.targets()) >= last)


@pytest.mark.timeout(420)
@pytest.mark.parametrize("seed", range(SEEDS))
def test_hosts_that_are_killed_and_whose_clocks_disagree_leave_the_catalog_of_one_publisher(
    emulator: Emulator, storage_clock: tuple[Azurite, Clock], tmp_path: Path, seed: int
) -> None:
    """Name by name and link by link, with nothing dead-lettered and no name twice."""
    azurite, clock = storage_clock
    emulator.control.use("fleet", runs=RUNS, seed=seed)
    alone = App.on(emulator, tmp_path / "alone.sqlite")
    alone.replay()
    expected = emulator.control.state()
    alone.services.state.close()

    emulator.control.use("fleet", runs=RUNS, seed=seed)
    emulator.control.switches(commit_ms=COMMIT_MS)
    where = AzuriteSetting(azurite.base_port)
    empty(where)
    settings = settings_for(emulator, azurite) | {"LINEAGE_WORKSPACES": emulator.environment()["LINEAGE_WORKSPACES"]}
    app = App(emulator, Services(Settings.from_env(settings), clock.now))
    enqueue(app.events(), app.services.queue, app.services.dead_letters, source=REPLAY, now=clock.now)
    chance = random.Random(seed)  # noqa: S311 - the same moments each time
    storage = Storage(where, no_token)

    def count_queued() -> int:
        return int(storage.queue().get_queue_properties().approximate_message_count or 0)

    def start(name: str, by: float) -> FunctionHost:
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        return FunctionHost(settings, folder, clock=moved(clock, by))

    clocks = {"ahead": APART / 2, "behind": -APART / 2}
    hosts = {name: start(name, by) for name, by in clocks.items()}
    try:
        for _ in range(KILLS):
            name = chance.choice(sorted(hosts))
            wait_for_requests(hosts[name], chance.randint(1, 150))
            hosts[name].kill()
            hosts[name] = start(name, clocks[name])
        wait_until(lambda: count_queued() == 0, 240)
        assert list(app.services.dead_letters.list_open()) == []
    finally:
        for host in hosts.values():
            host.stop()
        storage.queue().clear_messages()
        storage.close()
        app.services.state.close()
    state = emulator.control.state()
    assert twins_of(state) == []
    assert names_of(state) == names_of(expected)
    assert links_of(state) == links_of(expected)
