"""The emulator as a process of its own, as ``make demo`` and the benchmarks start it."""

import json
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from emulator.client import Control
from emulator.server import Emulator


class Process:
    """A running ``python -m emulator`` and its first line."""

    def __init__(self, *options: str) -> None:
        command = [sys.executable, "-m", "emulator", "--port", "0", *options]
        self.popen = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)  # noqa: S603
        assert self.popen.stdout is not None
        self.first_line = json.loads(self.popen.stdout.readline())

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Ask it to stop and wait for its exit code."""
        self.popen.send_signal(number)
        code = self.popen.wait(timeout=20)
        if self.popen.stdout:
            self.popen.stdout.close()
        return code


@pytest.fixture
def process() -> Iterator[Process]:
    """A process with scenario credit-risk and some latency."""
    running = Process("--scenario", "credit-risk", "--latency-ms", "5", "--commit-ms", "1")
    yield running
    if running.popen.poll() is None:
        running.stop()


def test_first_line_says_where_everything_is(process: Process) -> None:
    """The first line has both addresses, the CA and the app settings."""
    line = process.first_line
    assert set(line) == {"azure_ml", "purview", "ca_bundle", "env"}
    assert line["env"]["PURVIEW_ENDPOINT"] == line["purview"]
    assert line["env"]["LINEAGE_WORKSPACES"].endswith("/workspaces/ws-credit")
    assert line["env"]["LINEAGE_STORAGE"].startswith("sqlite:///")
    control = Control(line["azure_ml"], line["ca_bundle"])
    try:
        assert control.scenario() == "credit-risk"
    finally:
        control.close()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_stops_it_and_leaves_nothing(process: Process, number: int) -> None:
    """A signal ends the process with code 0 and removes its folder."""
    folder = Path(process.first_line["ca_bundle"]).parent
    assert folder.exists()
    assert process.stop(number) == 0
    assert not folder.exists()


def test_unknown_scenario_is_a_usage_error() -> None:
    """A scenario that does not exist ends with code 2 and the list of those that do."""
    command = [sys.executable, "-m", "emulator", "--scenario", "nope"]
    ended = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)  # noqa: S603
    assert ended.returncode == 2
    assert "credit-risk" in ended.stderr


def test_port_in_use_raises() -> None:
    """A port that another process has is reported, not waited for."""
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match="address already in use"):
        Emulator(port=taken.getsockname()[1]).__enter__()


def test_emulator_listens_on_loopback_only() -> None:
    """The address is 127.0.0.1, and it is free again after the stop."""
    with Emulator() as emulator:
        assert emulator.url.startswith("https://127.0.0.1:")
        port = int(emulator.url.rpartition(":")[2])
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port), timeout=5)
