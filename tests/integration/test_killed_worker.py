"""A worker that is killed while it writes a run tree holds it for a minute or so, and no longer."""

import os
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from datetime import timedelta
from pathlib import Path

from emulator.server import Emulator
from shared.intake.deliver import Redelivery
from shared.intake.receive import enqueue
from tests.harness.app import WS, App, run_completed
from tests.harness.clock import MovedClock

LINEAGE = str(Path(sys.executable).with_name("lineage"))
RUN = "creditrisk_train"


def holders(storage: Path) -> list[str]:
    """Return who holds a lease."""
    if not storage.is_file():
        return []
    with closing(sqlite3.connect(storage)) as database:
        if not database.execute("SELECT 1 FROM sqlite_master WHERE name = 'leases'").fetchall():
            return []
        return [holder for (holder,) in database.execute("SELECT holder FROM leases WHERE holder <> ''")]


def kill_while_it_writes(emulator: Emulator, storage: Path, event: Path) -> None:
    """Let a process publish an event, and kill it when it has the lease."""
    emulator.control.latency(400)
    environment = {**os.environ, **emulator.environment(f"sqlite:///{storage}")}
    with subprocess.Popen(  # noqa: S603
        [LINEAGE, "replay", "--direct", str(event)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as process:
        while not holders(storage) and process.poll() is None:
            time.sleep(0.01)
        process.kill()
    emulator.control.latency(0)


def test_tree_of_a_killed_worker_is_published_within_two_minutes(emulator: Emulator, tmp_path: Path) -> None:
    """The message is there; it waits for the lease of the dead, which ends by itself."""
    emulator.control.use("credit-risk")
    storage, event = tmp_path / "lineage.sqlite", tmp_path / "event.json"
    event.write_text(run_completed(RUN), encoding="utf-8")
    kill_while_it_writes(emulator, storage, event)
    assert holders(storage)

    clock = MovedClock()
    app = App.on(emulator, storage, now=clock)
    services = app.services
    enqueue([run_completed(RUN)], services.queue, services.dead_letters, source="event_grid", now=clock)
    outcomes: list[str] = []
    while "published" not in outcomes and clock.by < timedelta(minutes=10):
        message = services.queue.receive(visibility=Redelivery().visibility)
        if message is None:
            clock.move(timedelta(seconds=1))
            continue
        outcomes.append(services.deliveries.publish(message).outcome)
        services.queue.delete(message)
    assert (outcomes[0], outcomes[-1]) == ("deferred", "published")
    assert timedelta(seconds=20) < clock.by <= timedelta(minutes=2)
    assert app.graph(f"{WS}/runs/{RUN}")["edges"]
    assert holders(storage) == []
    services.state.close()
