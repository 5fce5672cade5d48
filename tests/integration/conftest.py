"""The product on the emulator, one catalog and one ledger a test."""

from collections.abc import Callable, Iterator
from pathlib import Path
from uuid import uuid4

import pytest

from emulator.server import Emulator
from tests.harness.app import App
from tests.harness.callers import Caller


@pytest.fixture
def environment(emulator: Emulator, tmp_path: Path) -> dict[str, str]:
    """The app settings for scenario credit-risk, nothing published yet; tests may start another scenario."""
    emulator.control.use("credit-risk")
    return emulator.environment(f"sqlite:///{tmp_path / 'lineage.sqlite'}")


@pytest.fixture
def start_app(emulator: Emulator, tmp_path: Path) -> Callable[[str], App]:
    """Start a scenario with an empty ledger."""

    def start(scenario: str, *, steps: int | None = None, runs: int | None = None) -> App:
        emulator.control.use(scenario, steps=steps, runs=runs)
        return App.on(emulator, tmp_path / f"{uuid4()}.sqlite")

    return start


@pytest.fixture
def app(start_app: Callable[[str], App]) -> App:
    """Scenario credit-risk, nothing published yet."""
    return start_app("credit-risk")


@pytest.fixture
def caller(emulator: Emulator) -> Iterator[Caller]:
    """A caller with a token, who owns the Purview account of scenario credit-risk."""
    emulator.control.use("credit-risk")
    caller = Caller(emulator)
    with caller.session:
        yield caller


Add = Callable[..., None]


@pytest.fixture
def add(app: App) -> Add:
    """Add runs, models, data and datastores to the workspace of scenario credit-risk."""

    def add_to_workspace(**parts: object) -> None:
        app.emulator.control.add_to_azure_ml({"workspaces": {"ws-credit": parts}})

    return add_to_workspace
