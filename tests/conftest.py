"""Fixtures that more than one kind of test needs, and the marker of those tests that `make check` leaves out."""

import gc
import os
import shutil
import sys
import tempfile
from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from emulator import azurite
from emulator.azurite import Azurite
from emulator.server import Emulator

SERVERS = frozenset({"azurite_server", "azurite_installed", "chromium"})
"""Fixtures that start a server or look for one; a test that uses one of them has the marker `servers`."""
FOLDERS = frozenset({"browser", "e2e"})
"""All tests in them have it."""
PROGRAMS = ("azurite.js", "chromium", "google-chrome", "playwright")
MEMORY, ENOUGH = Path("/dev/shm"), 2**31  # noqa: S108 - all who use it make folders of their own there
_running: list[pytest.Item] = []


def pytest_configure() -> None:
    """
    Refuse for good to start Azurite or a browser in a test that `make check` runs.

    Files of tests, and of what they start, are kept in memory if there is room: SQLite waits for the disk with every
    transaction. Garbage is collected seldom: a third of the time would go into looking at what is still in use.
    """
    gc.set_threshold(50_000, 20, 20)
    sys.addaudithook(_check_start)
    if MEMORY.is_dir() and shutil.disk_usage(MEMORY).free > ENOUGH:
        os.environ.setdefault("TMPDIR", str(MEMORY))
        tempfile.tempdir = None  # who has asked for it before pytest did


def pytest_collection_finish() -> None:
    """Never look for garbage among what was imported."""
    gc.freeze()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark each test that asks for a server, and each that is among those that start their own."""
    for item in items:
        if SERVERS & set(getattr(item, "fixturenames", ())) or item.path.parent.name in FOLDERS:
            item.add_marker(pytest.mark.servers)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    """Note which test runs, its fixtures included."""
    _running[:] = [item]
    return (yield)


def _check_start(event: str, args: tuple[object, ...]) -> None:
    if event == "subprocess.Popen" and _running and not _running[0].get_closest_marker("servers"):
        command = str(args[1])
        if any(program in command for program in PROGRAMS):
            raise RuntimeError(f"{_running[0].nodeid} has no marker `servers`, but starts {command}")


@pytest.fixture(scope="session")
def emulator_server() -> Iterator[Emulator]:
    """One server for the whole run; use ``emulator`` in tests."""
    with Emulator(scenario="empty") as server:
        yield server


@pytest.fixture
def emulator(emulator_server: Emulator) -> Emulator:
    """The server at the start of scenario ``empty``; ``emulator.control.use(...)`` picks another."""
    emulator_server.control.use("empty")
    return emulator_server


@pytest.fixture(scope="session")
def azurite_installed() -> None:
    """Whether Azure Storage can be started; skips where Node is missing, unless nothing may be skipped."""
    missing = azurite.missing()
    if missing and os.environ.get("LINEAGE_TESTS_SKIP_NOTHING"):
        pytest.fail(missing)
    if missing:
        pytest.skip(missing)


@pytest.fixture(scope="session")
def azurite_server(azurite_installed: None) -> Iterator[Azurite]:
    """One Azure Storage for the whole run."""
    with Azurite() as server:
        yield server


@pytest.fixture(autouse=True)
def _no_cloud_left_behind() -> Iterator[None]:
    """Undo what MLClient's constructor does to the environment, which the processes of later tests would inherit."""
    yield
    os.environ.pop("AZUREML_CURRENT_CLOUD", None)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let goldens be written again; what they hold is then reviewed like code."""
    parser.addoption("--update-golden", action="store_true", help="write the goldens instead of only comparing")


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether goldens are to be written."""
    return bool(request.config.getoption("--update-golden"))
