"""Fixtures that more than one kind of test needs."""

import os
from collections.abc import Iterator

import pytest

from emulator import azurite
from emulator.azurite import Azurite
from emulator.server import Emulator


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
def azurite_server() -> Iterator[Azurite]:
    """One Azure Storage for the whole run; skips where Node is missing, unless nothing may be skipped."""
    missing = azurite.missing()
    if missing and os.environ.get("LINEAGE_TESTS_SKIP_NOTHING"):
        pytest.fail(missing)
    if missing:
        pytest.skip(missing)
    with Azurite() as server:
        yield server


@pytest.fixture(autouse=True)
def _no_cloud_left_behind() -> Iterator[None]:
    """Undo what MLClient's constructor does to the environment, which the processes of later tests would inherit."""
    yield
    os.environ.pop("AZUREML_CURRENT_CLOUD", None)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Let goldens be written anew; what they hold is then reviewed like code."""
    parser.addoption("--update-golden", action="store_true", help="write the goldens instead of only comparing")


@pytest.fixture
def update_golden(request: pytest.FixtureRequest) -> bool:
    """Whether goldens are to be written."""
    return bool(request.config.getoption("--update-golden"))
