"""The processes of a soak: emulator, Azurite behind its faults, one receiver, and publishers that get killed."""

import json
import os
import random
import select
import signal
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Self

from benchmarks.soak.job_runs import NAMESPACE
from benchmarks.soak.storage_faults import StorageFaults
from benchmarks.soak.worker import CLOCK, LEASE, NEWER
from emulator.azurite import Azurite, three_free_ports
from emulator.client import Control
from shared.bootstrap import Services
from shared.settings import Settings

ROOT = Path(__file__).parents[2]
START_TIMEOUT = 90.0
_APART = LEASE.total_seconds() / 2
"""Seconds between two clocks: what half a minute is to a lease of a minute."""
_FOUR = 4
_COMMIT_MS = 40.0
_SCHEDULE = "*/10 * * * * *"
_WRONG = (
    {"PURVIEW_ENDPOINT": "no address"},
    {"PURVIEW_ENDPOINT": "https://127.0.0.1:9"},
    {"LINEAGE_STORAGE": "nothing known"},
    {"LINEAGE_WORKSPACES": "no workspace"},
    {"LINEAGE_STORAGE": "azurite:9"},
)
"""Settings of publishers that can publish nothing: malformed, or leading nowhere."""


class Worker:
    """One Functions host process."""

    def __init__(self, folder: Path, environment: Mapping[str, str], *options: str) -> None:
        command = [sys.executable, "-m", "benchmarks.soak.worker", str(folder / "outcomes.jsonl"), "--app", str(ROOT)]
        self._stderr = (folder / "stderr.txt").open("ab")
        self.process = subprocess.Popen(  # noqa: S603 - our own module
            [*command, *options],
            env={**os.environ, **environment},
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._stderr,
        )

    def wait_until_ready(self) -> dict[str, Any]:
        """Return what it says when it has started."""
        stdout = self.process.stdout
        line = stdout.readline() if stdout and select.select([stdout], [], [], START_TIMEOUT)[0] else b""
        if not line:
            raise RuntimeError(f"a worker did not start; see {self._stderr.name}")
        first_line: dict[str, Any] = json.loads(line)
        return first_line

    def kill(self) -> None:
        """End it without a word, wherever it is."""
        self.process.send_signal(signal.SIGKILL)
        self._close()

    def stop(self) -> None:
        """Let it finish what it does."""
        if self.process.stdin:
            self.process.stdin.close()
        try:
            self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self._close()

    def _close(self) -> None:
        self.process.wait()
        for stream in (self.process.stdin, self.process.stdout, self._stderr):
            if stream:
                stream.close()


class Deployment:
    """
    Everything a soak runs on, on loopback; two publishers at a time, of which the older is killed.

    Their clocks are half a lease apart. Of each four the second has a wrong setting, and the last two are of a version
    to come. All of them reconcile, as one host does at a time.
    """

    def __init__(self, folder: Path, *, runs: int, seed: int, storage_rate: float, longest_life: float) -> None:
        self._folder = folder
        self._stack = ExitStack()
        self._runs, self._seed, self._storage_rate = runs, seed, storage_rate
        self._longest_life = longest_life
        self._random = random.Random(f"kills {seed}")  # noqa: S311 - a choice, not a secret
        self._stopping = threading.Event()
        self._killer = threading.Thread(target=self._kill_and_replace, daemon=True)
        self.kills = self._started = 0

    def __enter__(self) -> Self:
        with ExitStack() as stack:
            self.azurite = stack.enter_context(Azurite())
            self.faults = stack.enter_context(
                StorageFaults(self.azurite.base_port, base_port=three_free_ports(), rate=0.0, seed=self._seed)
            )
            command = [sys.executable, "-m", "emulator", "--scenario", f"fleet:{self._runs}"]
            emulator = stack.enter_context(
                subprocess.Popen(command, stdout=subprocess.PIPE, stdin=subprocess.PIPE, text=True, cwd=ROOT)  # noqa: S603
            )
            stack.callback(emulator.terminate)
            assert emulator.stdout is not None  # noqa: S101 - it is piped
            first_line = json.loads(emulator.stdout.readline())
            self.control = Control(first_line["azure_ml"], first_line["ca_bundle"])
            stack.callback(self.control.close)
            self.control.use("fleet", runs=self._runs, seed=self._seed)
            # The types are there, the storage too: what comes is the work of every day.
            environment = {
                **first_line["env"],
                "LINEAGE_STORAGE": f"azurite:{self.azurite.base_port}",
                "LINEAGE_OPENLINEAGE_JOBS": NAMESPACE,
            }
            self.services = Services(Settings.from_env(environment))
            stack.callback(self.services.state.close)
            self.services.catalog.install_types()
            self.environment = {
                **environment,
                "LINEAGE_STORAGE": f"azurite:{self.faults.base_port}",
                "LineageStorage": self._behind_faults(),
                "AzureWebJobsStorage": self.azurite.connection_string,
                "RECONCILE_SCHEDULE": "0 0 0 1 1 *",
                "PYTHON_THREADPOOL_THREAD_COUNT": "32",
            }
            self.receiver = Worker(
                self._folder, self.environment, "--no-queues", "--journal", str(self._folder / "accepted.jsonl")
            )
            stack.callback(self.receiver.stop)
            ready = self.receiver.wait_until_ready()
            self.webhook = (
                f"{ready['url']}/runtime/webhooks/eventgrid?functionName=receive_event&code={ready['system_key']}"
            )
            self.lineage_url = f"{ready['url']}/api/v1/lineage?code={ready['function_key']}"
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopping.set()
        if self._killer.is_alive():
            self._killer.join()
        self._stack.close()

    def _behind_faults(self) -> str:
        string = self.azurite.connection_string
        for offset in range(3):
            string = string.replace(f":{self.azurite.base_port + offset}/", f":{self.faults.base_port + offset}/")
        return string

    def start_faults(self, rate: float) -> None:
        """Let services and storage fail from here on, and the catalog take its time to commit what it has checked."""
        self.control.switches(commit_ms=_COMMIT_MS)
        self.control.faults(
            {"service": "azure_ml", "rate": rate, "seed": self._seed},
            {"service": "purview", "rate": rate, "seed": self._seed + 1},
        )
        self.faults.rate = self._storage_rate

    def stop_faults(self) -> dict[str, dict[str, int]]:
        """Let everything work again, and tell what failed."""
        counts = {service: self.control.injected_faults(service) for service in ("azure_ml", "purview")}
        counts["storage"] = {name: count for name, count in self.faults.counts.items() if name != "requests"}
        self.control.switches(commit_ms=0)
        self.control.faults()
        self.faults.rate = 0.0
        return counts

    def start_killing(self) -> None:
        """Publish, and be killed again and again."""
        self._killer.start()

    def stop_killing(self) -> None:
        """Let the publisher live from here on; it is stopped when it has nothing left to do."""
        self._stopping.set()
        self._killer.join()

    def stop_ticking(self) -> None:
        """Let publishers publish, and nothing else: what a tick finds is to be seen by its end."""
        self._calm("0 0 0 1 1 *")

    def _kill_and_replace(self) -> None:
        older, younger = self._publisher(), self._publisher()
        older.wait_until_ready()
        while not self._stopping.wait(self._random.uniform(1.0, self._longest_life)):
            younger.wait_until_ready()  # on a slow machine nothing would ever be published
            older.kill()
            self.kills += 1
            older, younger = younger, self._publisher()
        self._last = [older, younger]
        for publisher in self._last:
            self._stack.callback(publisher.stop)
        self._calm(_SCHEDULE)

    def _calm(self, schedule: str) -> None:
        """Put two publishers with right settings in the place of the last ones."""
        for publisher in self._last:
            publisher.stop()
        self._last = [
            Worker(self._folder, {**self.environment, CLOCK: str(by), "RECONCILE_SCHEDULE": schedule}, "--no-http")
            for by in (_APART / 2, -_APART / 2)
        ]
        for publisher in self._last:
            self._stack.callback(publisher.stop)
            publisher.wait_until_ready()

    def _publisher(self) -> Worker:
        number, self._started = self._started, self._started + 1
        chaos = {
            CLOCK: str(_APART / 2 * (-1) ** number),
            NEWER: "1" if number % _FOUR >= _FOUR // 2 else "",
            "RECONCILE_SCHEDULE": _SCHEDULE,
        }
        if number % _FOUR == 1:
            chaos |= _WRONG[number // _FOUR % len(_WRONG)]
        return Worker(self._folder, {**self.environment, **chaos}, "--no-http")
