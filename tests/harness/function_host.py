"""The app in a Functions host of its own process: keys and deliveries, what it did, and how that ended."""

import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import requests

from emulator.azurite import Azurite
from emulator.clock import REAL, Clock
from emulator.server import Emulator
from shared.bootstrap import Services
from shared.settings import Azurite as AzuriteSetting
from shared.settings import Settings
from shared.state.azure_storage import Storage
from tests.harness.app import WORKSPACE, App
from tests.harness.storage import empty, no_token

ROOT = Path(__file__).parents[2]
SCHEDULE = "0 0 0 1 1 *"
"""Once a year: a tick in the middle of a test would publish what the test has not sent."""

_START_TIMEOUT = 60.0
_STOP_TIMEOUT = 60.0
_CLOUD_OF_SDK = "AZUREML_CURRENT_CLOUD"
"""azure-ai-ml sets it for its own process; one that begins with an unknown cloud in it can't import the SDK."""
_LAUNCHER = """
import http.client, json, logging, os, runpy, sys

lines = open(sys.argv[1], "a", encoding="utf-8", buffering=1)
standard = set(vars(logging.makeLogRecord({})))

class JsonLines(logging.Handler):
    def emit(self, record):
        extra = {name: value for name, value in vars(record).items() if name not in standard}
        lines.write(json.dumps({"logger": record.name, "message": record.getMessage(), **extra}, default=str) + "\\n")

def note_target(self, method, url, *args, put=http.client.HTTPConnection.putrequest, **kwargs):
    if self.host != "fakehost":  # azure-core names the parts of a batch so, and sends none of them
        lines.write(json.dumps({"host": self.host, "port": self.port, "method": method, "target": url}) + "\\n")
    return put(self, method, url, *args, **kwargs)

http.client.HTTPConnection.putrequest = note_target
def set_clock(speed, start):
    from datetime import datetime
    from emulator.clock import Clock
    from shared import bootstrap
    from shared.intake import message
    clock = Clock(speed, start)

    class FastDatetime(datetime):
        @classmethod
        def now(cls, tz=None):
            return clock.now()

    bootstrap.datetime = message.datetime = FastDatetime

if "TEST_CLOCK" in os.environ:
    set_clock(*map(float, os.environ["TEST_CLOCK"].split()))
logging.getLogger("shared").addHandler(JsonLines())
logging.getLogger("shared").setLevel(logging.INFO)
sys.argv = ["emulator.functions_host", *sys.argv[2:]]
runpy.run_module("emulator.functions_host", run_name="__main__", alter_sys=True)
"""
"""
Starts the host with two eyes on it: a line for each record of the product's log, with what was passed as `extra`, and
a line for each HTTP request as it is written to the wire, which no server's log can show (they decode and normalise).
With TEST_CLOCK the product sees a fast clock; in Azure every clock is the same one.
"""


@dataclass(frozen=True, slots=True)
class Target:
    """One request of the app as its first line said it."""

    host: str
    port: int
    method: str
    target: str


def settings_for(emulator: Emulator, azurite: Azurite) -> dict[str, str]:
    """Return the app settings; one workspace is on the allow-list."""
    return {
        **emulator.environment(f"azurite:{azurite.base_port}"),
        "LINEAGE_WORKSPACES": WORKSPACE,
        "LineageStorage": azurite.connection_string,
        "AzureWebJobsStorage": azurite.connection_string,
        "RECONCILE_SCHEDULE": SCHEDULE,
        "PYTHON_THREADPOOL_THREAD_COUNT": "32",
    }


class FunctionHost:
    """
    A running `python -m emulator.functions_host` with our app in it; `begin` forgets what was before a test.

    `options` are the host's own, such as `--storage-extension 5.3.7`. On a fast `clock` its waits are short, and so are
    the product's; `Azurite(clock=…)` is to have the same.
    """

    def __init__(self, settings: Mapping[str, str], folder: Path, *options: str, clock: Clock = REAL) -> None:
        self._journal = _Lines(folder / "journal.jsonl")
        self._log = _Lines(folder / "log.jsonl")
        self._stderr = folder / "stderr.txt"
        command = [sys.executable, "-c", _LAUNCHER, str(self._log.file), "--app", str(ROOT), *options]
        if clock is not REAL:
            command += ["--speed", str(clock.speed), "--start", str(clock.start)]
            settings = {**settings, "TEST_CLOCK": f"{clock.speed} {clock.start}"}
        with self._stderr.open("wb") as stderr:
            self._process = subprocess.Popen(  # noqa: S603
                [*command, "--journal", str(self._journal.file)],
                env={**{name: each for name, each in os.environ.items() if name != _CLOUD_OF_SDK}, **settings},
                cwd=ROOT,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=stderr,
            )
        try:
            self.first_line: dict[str, Any] = json.loads(self._read_first_line())
        except BaseException:
            self._process.kill()
            self._process.communicate()
            raise
        self.url = str(self.first_line["url"])
        self.key = {"x-functions-key": str(self.first_line["function_key"])}
        self.master_key = {"x-functions-key": str(self.first_line["master_key"])}
        self.webhook = (
            f"{self.url}/runtime/webhooks/eventgrid?functionName=receive_event&code={self.first_line['system_key']}"
        )
        self.session = requests.Session()
        self.session.trust_env = False

    @classmethod
    @contextmanager
    def running(cls, settings: Mapping[str, str], folder: Path, *options: str, clock: Clock = REAL) -> Iterator[Self]:
        """Start it, and stop it by the end of its standard input."""
        host = cls(settings, folder, *options, clock=clock)
        try:
            yield host
        finally:
            host.stop()

    def stop(self) -> int:
        """Close its input and give its exit code."""
        self.session.close()
        try:
            self._process.communicate(timeout=_STOP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.communicate()
        return self._process.returncode

    def kill(self) -> None:
        """End its process without a word."""
        self._process.kill()
        self._process.communicate()

    @property
    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    @property
    def stderr(self) -> str:
        """All it has said on its standard error."""
        return self._stderr.read_text(encoding="utf-8", errors="replace")

    def begin(self) -> None:
        """Forget journal and log up to here."""
        self._journal.forget()
        self._log.forget()

    def run_timer(self, name: str) -> int:
        """Let a timer run by hand, once, without waiting for it; returns the status."""
        url = f"{self.url}/admin/functions/{name}"
        return self.session.post(url, json={}, headers=self.master_key, timeout=60).status_code

    def admin(self, path: str) -> Any:
        """Ask the host about itself: `host/status`, `functions`, `functions/NAME/status`."""
        return self.session.get(f"{self.url}/admin/{path}", headers=self.master_key, timeout=60).json()

    def get(self, route: str, **headers: str) -> requests.Response:
        """Call one of its routes."""
        return self.session.get(f"{self.url}/api/{route}", headers=headers, timeout=60)

    def post(self, route: str, body: bytes, **headers: str) -> requests.Response:
        """Call one of its routes with a body."""
        return self.session.post(f"{self.url}/api/{route}", body, headers=headers, timeout=60)

    def accepted(self) -> list[dict[str, Any]]:
        """Give the messages that the webhook has put on the queue."""
        return [json.loads(line["body"]) for line in self._journal.read()]

    def log(self) -> list[dict[str, Any]]:
        """Give the lines of the product's log."""
        return [line for line in self._log.read() if "message" in line]

    def outcomes(self) -> dict[str, list[dict[str, Any]]]:
        """Give for each operation the lines that say how it ended; a deferral is none."""
        ended: dict[str, list[dict[str, Any]]] = {}
        for line in self.log():
            if line.get("outcome") in ("published", "skipped", "dead_lettered"):
                ended.setdefault(line["operation_id"], []).append(line)
        return ended

    def targets(self) -> list[Target]:
        """Give the requests it has written, to whomever."""
        return [
            Target(line["host"], line["port"], line["method"], line["target"])
            for line in self._log.read()
            if "target" in line
        ]

    def _read_first_line(self) -> bytes:
        assert self._process.stdout is not None
        readable, _, _ = select.select([self._process.stdout], [], [], _START_TIMEOUT)
        line = self._process.stdout.readline() if readable else b""
        if not line:
            raise AssertionError(f"the host did not start: {self.stderr}")
        return line


@dataclass
class Deployment:
    """Host, storage and both services together; `app` looks at what came of it."""

    host: FunctionHost
    emulator: Emulator
    storage: Storage
    app: App

    @classmethod
    def of(cls, host: FunctionHost, emulator: Emulator, azurite: Azurite, scenario: str) -> Self:
        """Start again: a scenario, nothing stored, nothing logged."""
        emulator.control.use(scenario)
        where = AzuriteSetting(azurite.base_port)
        empty(where)
        host.begin()
        settings = Settings.from_env(settings_for(emulator, azurite))
        return cls(host, emulator, Storage(where, no_token), App(emulator, Services(settings)))

    def close(self) -> None:
        """Close the connections of this process, and leave nothing that waits on the shared queue."""
        self.storage.queue().clear_messages()
        self.storage.close()
        self.app.services.state.close()

    def queued(self, name: str = "lineage-requests") -> int:
        """Count what is in a queue, also what is not visible now."""
        return int(self.storage.queue(name).get_queue_properties().approximate_message_count or 0)

    def wait_until_done(self, timeout: float = 60) -> None:
        """Wait until every accepted event has ended and nothing is left on the queue."""
        wait_until(lambda: self.queued() == 0 and self._all_ended(), timeout)

    def _all_ended(self) -> bool:
        ended = self.host.outcomes()
        return all(message["operation_id"] in ended for message in self.host.accepted())


def wait_until(condition: Callable[[], bool], timeout: float = 30) -> None:
    """Wait for a condition; fails after the timeout."""
    deadline = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.05)


class _Lines:
    """A file of JSON lines that another process appends to."""

    def __init__(self, file: Path) -> None:
        self.file = file
        self._start = 0

    def forget(self) -> None:
        self._start = self.file.stat().st_size if self.file.exists() else 0

    def read(self) -> list[dict[str, Any]]:
        if not self.file.exists():
            return []
        with self.file.open("rb") as file:
            file.seek(self._start)
            content = file.read()
        whole = content[: content.rfind(b"\n") + 1]  # the last line may still be written
        return [json.loads(line) for line in whole.splitlines()]
