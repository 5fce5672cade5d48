"""The app hosted by a process, one for each module of tests: elsewhere the same queue is used without a listener."""

from collections.abc import Iterator

import pytest

from emulator.azurite import Azurite
from emulator.server import Emulator
from tests.harness.function_host import Deployment, FunctionHost, settings_for


@pytest.fixture(scope="module")
def host(
    emulator_server: Emulator, azurite_server: Azurite, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[FunctionHost]:
    """The app in the genuine runtime, listening."""
    with FunctionHost.running(settings_for(emulator_server, azurite_server), tmp_path_factory.mktemp("host")) as host:
        yield host


@pytest.fixture
def deployment(host: FunctionHost, emulator_server: Emulator, azurite_server: Azurite) -> Iterator[Deployment]:
    """Scenario credit-risk, nothing published yet."""
    deployment = Deployment.of(host, emulator_server, azurite_server, "credit-risk")
    yield deployment
    deployment.close()
