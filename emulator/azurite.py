"""Azurite, Microsoft's emulator of Azure Storage, as a process of ours."""

import os
import shutil
import socket
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory
from types import TracebackType
from typing import Self

from emulator.clock import NODE, REAL, Clock

HOST = "127.0.0.1"
ACCOUNT = "devstoreaccount1"
KEY = "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
"""Azurite's account and its key are the same everywhere and in Microsoft's documentation: no secret."""
PACKAGE = Path(__file__).parents[1] / "node_modules" / "azurite"
START_TIMEOUT = 60.0
STOP_TIMEOUT = 5.0
ATTEMPTS = 5


class AzuriteError(RuntimeError):
    """Azurite did not start; the message ends with what it printed."""


def missing() -> str:
    """Say in words what keeps Azurite from being started here; empty if nothing does."""
    if shutil.which("node") is None:
        return "node is not installed"
    if not (PACKAGE / "package.json").is_file():
        return "node_modules/azurite is missing; run make azurite"
    return ""


class Azurite:
    """
    Blobs, queues and tables in memory, on three ports of 127.0.0.1 that follow one another.

    Use it as a context manager. The storage SDKs try again for up to a minute when nothing listens: a client that
    outlives this context takes that long to fail.

    With a `clock` of its own it makes messages visible, lets leases end and expires messages by that clock.
    """

    def __init__(self, base_port: int | None = None, *, clock: Clock = REAL) -> None:
        self._wanted_port = base_port
        self._clock = clock
        self.base_port = base_port or 0

    @property
    def connection_string(self) -> str:
        """Give what an app setting such as ``LineageStorage`` has to hold."""
        endpoints = "".join(
            f"{service}Endpoint=http://{HOST}:{port}/{ACCOUNT};"
            for port, service in zip(self._ports(), ("Blob", "Queue", "Table"), strict=True)
        )
        return f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};{endpoints}"

    def __enter__(self) -> Self:
        if reason := missing():
            raise AzuriteError(reason)
        attempts = ATTEMPTS if self._wanted_port is None else 1  # between our look and its start a port may be taken
        for attempt in range(1, attempts + 1):
            self.base_port = self._wanted_port or three_free_ports()
            try:
                self._start()
            except AzuriteError:
                if attempt == attempts:
                    raise
            else:
                break
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._running.close()

    def _start(self) -> None:
        with ExitStack() as stack:
            directory = Path(stack.enter_context(TemporaryDirectory(prefix="azurite-", ignore_cleanup_errors=True)))
            (directory / "clock.js").write_text(NODE, encoding="utf-8")
            with (directory / "output").open("wb") as output:
                process = subprocess.Popen(  # noqa: S603  (a fixed program with fixed arguments)
                    self._command(),
                    env={**os.environ, "EMULATOR_CLOCK": f"{self._clock.speed} {self._clock.start}"},
                    cwd=directory,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                )
            stack.callback(_stop, process)
            deadline = time.monotonic() + START_TIMEOUT
            printed, problem = "", "did not answer in time"
            while time.monotonic() < deadline:
                ended = process.poll()
                printed = (directory / "output").read_text(errors="replace")
                # Listening alone proves nothing: it may be another process, which had the port before us.
                if printed.count("successfully listening") == 3 and all(map(_listens, self._ports())):
                    self._running = stack.pop_all()
                    return
                if ended is not None or "EADDRINUSE" in printed:
                    problem = "could not start"
                    break
                time.sleep(0.05)
            raise AzuriteError(
                f"Azurite on ports {self.base_port} to {self.base_port + 2} {problem}: {printed.strip()}"
            )

    def _ports(self) -> range:
        return range(self.base_port, self.base_port + 3)

    def _command(self) -> list[str]:
        clock = [] if self._clock.speed == 1 else ["--require", "./clock.js"]
        command = [shutil.which("node") or "node", *clock, str(PACKAGE / "dist" / "src" / "azurite.js")]
        for port, service in zip(self._ports(), ("blob", "queue", "table"), strict=True):
            command += [f"--{service}Host", HOST, f"--{service}Port", str(port)]
        # The API version check knows only the versions that existed when Azurite was released.
        return [*command, "--inMemoryPersistence", "--silent", "--skipApiVersionCheck", "--disableTelemetry"]


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(STOP_TIMEOUT)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def _listens(port: int) -> bool:
    try:
        with socket.create_connection((HOST, port), timeout=1):
            return True
    except OSError:
        return False


def three_free_ports() -> int:
    for _ in range(100):
        with ExitStack() as stack:
            first = stack.enter_context(socket.socket())
            first.bind((HOST, 0))
            port = int(first.getsockname()[1])
            try:
                for offset in (1, 2):
                    stack.enter_context(socket.socket()).bind((HOST, port + offset))
            except (OSError, OverflowError):
                continue
            return port
    raise AzuriteError("no three free ports that follow one another")
