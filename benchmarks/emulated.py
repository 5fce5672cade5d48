"""The emulator, and the app on Azurite, in processes of their own: their work is not measured as ours."""

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
from azure.core.credentials import TokenCredential
from azure.storage.queue import QueueClient

from emulator.azurite import Azurite
from emulator.client import Control
from shared.bootstrap import Services
from shared.settings import Azurite as AzuriteSetting
from shared.settings import Settings
from shared.state.azure_storage import Storage

ROOT = Path(__file__).parents[1]
START_TIMEOUT = 90.0
SUBSCRIPTION = "/subscriptions/00000000-0000-0000-0000-000000000000"
"""That of every emulated workspace."""
_LEFT_BEHIND = "AZUREML_CURRENT_CLOUD"
"""The SDK's client sets it in its process; in another it names an emulator that is gone."""
_PROCESSES = {"azurite": "Azurite", "emulator.functions_host": "worker", "emulator": "emulator"}


@dataclass(frozen=True, slots=True)
class Emulated:
    """A running emulator: what steers it, and the app settings that lead to it."""

    environment: Mapping[str, str]
    control: Control

    def services(self, state: Path) -> Services:
        """Open the product on this emulator, with its state in a file and the types installed."""
        services = Services(Settings.from_env({**self.environment, "LINEAGE_STORAGE": f"sqlite:///{state}"}))
        services.catalog.install_types()
        return services


@dataclass(frozen=True, slots=True)
class Hosted:
    """The app in one Functions worker, on Azurite and an emulator."""

    emulated: Emulated
    azurite: Azurite
    webhook: str
    queue: QueueClient

    def put(self, messages: Sequence[str]) -> float:
        """Put messages on the queue that all become visible at one time, and wait for it; returns that time."""
        start = time.monotonic() + 2 + len(messages) * 0.02
        for message in messages:
            self.queue.send_message(message, visibility_timeout=max(1, round(start - time.monotonic())))
        time.sleep(max(0.0, start - time.monotonic()))
        return start

    def cpu_seconds(self) -> dict[str, float]:
        """Return what each process has used so far: `Azurite`, `worker` and `emulator`."""
        used: dict[str, float] = {}
        for process in psutil.Process().children():
            words = [Path(word).name.removesuffix(".js") for word in process.cmdline()]
            name = next((name for word, name in _PROCESSES.items() if word in words), "")
            times = process.cpu_times()
            used[name] = times.user + times.system
        return used

    def wait_until_empty(self, timeout: float = 600.0) -> float:
        """Wait until no message is left and return the time; raises TimeoutError."""
        deadline = time.monotonic() + timeout
        while self.queue.get_queue_properties().approximate_message_count:
            if time.monotonic() > deadline:
                raise TimeoutError("messages are left")
            time.sleep(0.1)
        return time.monotonic()


@contextmanager
def running_emulator(scenario: str) -> Iterator[Emulated]:
    """Run an emulator beside us."""
    with _running([sys.executable, "-m", "emulator", "--scenario", scenario], {}) as first_line:
        control = Control(str(first_line["azure_ml"]), str(first_line["ca_bundle"]))
        environment = first_line["env"]
        assert isinstance(environment, dict)  # noqa: S101 - as documented
        yield Emulated({**environment, "LINEAGE_WORKSPACES": SUBSCRIPTION}, control)
        control.close()


@contextmanager
def running_app(scenario: str) -> Iterator[Hosted]:
    """Run emulator, Azurite and one worker beside us, warm and with the types installed."""
    with Azurite() as azurite, running_emulator(scenario) as emulated:
        environment = {
            **emulated.environment,
            "LINEAGE_STORAGE": f"azurite:{azurite.base_port}",
            "LineageStorage": azurite.connection_string,
            "AzureWebJobsStorage": azurite.connection_string,
            "RECONCILE_SCHEDULE": "0 0 0 1 1 *",
            "PYTHON_THREADPOOL_THREAD_COUNT": "32",
        }
        services = Services(Settings.from_env(environment))
        services.catalog.install_types()
        services.queue.count()  # creates queues, table and containers
        services.state.close()
        storage = Storage(AzuriteSetting(azurite.base_port), no_token)
        command = [sys.executable, "-m", "emulator.functions_host", "--app", str(ROOT)]
        with _running(command, environment) as first_line:
            webhook = f"{first_line['url']}/runtime/webhooks/eventgrid?functionName=receive_event"
            yield Hosted(emulated, azurite, f"{webhook}&code={first_line['system_key']}", storage.queue())
        storage.close()


def no_token() -> TokenCredential:
    raise AssertionError("Azurite asks for no token")


@contextmanager
def _running(command: Sequence[str], environment: Mapping[str, str]) -> Iterator[dict[str, object]]:
    """Run a server until the end of the context; yields the JSON object it prints when it is ready."""
    with subprocess.Popen(  # noqa: S603 - our own modules
        command,
        env={**{name: value for name, value in os.environ.items() if name != _LEFT_BEHIND}, **environment},
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            assert process.stdout is not None  # noqa: S101 - it is piped
            ready = select.select([process.stdout], [], [], START_TIMEOUT)[0]
            line = process.stdout.readline() if ready else ""
            if not line:
                raise RuntimeError(f"{command[2]} did not start")
            yield json.loads(line)
        finally:
            process.terminate()
