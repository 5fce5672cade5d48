"""v1 data sets that runs name by saved ids: read once each, and kept in the lineage if they cannot be located."""

from pathlib import Path

import pytest

from emulator.merge import merge
from emulator.server import Emulator
from tests.harness.app import App, outcomes, run_completed
from tests.worlds.golden_case import PREFIX, WORKSPACE_ID, base_workspace

SAVED = "77777777-0000-0000-0000-000000000001"
PLACED = "https://contosolake.dfs.core.windows.net/fs/raw/a.csv"
UNPLACED = f"{PREFIX}/unresolved/saveddatasets/{SAVED}"


@pytest.fixture
def app(emulator: Emulator, tmp_path: Path) -> App:
    """Two steps of a v1 pipeline that read the same data set."""
    read = {"raw": {"saved_id": SAVED, "datastore": "lake", "path": "raw/a.csv"}}
    step = {"kind": "step", "parent": "pipe", "experiment": "churn", "input_datasets": read, "outputs": {"out": {}}}
    runs = {"pipe": {"kind": "pipeline", "experiment": "churn"}, "one": step, "two": step}
    emulator.control.add_to_azure_ml({"workspaces": {"ws-empty": merge(base_workspace(), {"runs": runs})}})
    return App.on(emulator, tmp_path / "state.sqlite")


def publish(app: App) -> list[str]:
    return outcomes(app.replay([run_completed("pipe", workspace=WORKSPACE_ID)]))


def asked(app: App) -> int:
    return sum("/saveddatasets/" in request.path for request in app.emulator.control.requests())


def test_saved_data_set_is_asked_for_once_and_is_where_it_lies(app: App) -> None:
    """Two steps that read it are joined by the place."""
    assert publish(app) == ["published"]
    assert asked(app) == 1
    assert {"a.csv -> one", "a.csv -> two"} <= app.edges(PLACED)


@pytest.mark.parametrize("status", [403, 404, 400])
def test_saved_data_set_that_cannot_be_read_keeps_its_place_under_its_id(app: App, status: int) -> None:
    """An identity that may read runs but not v1's service still gets lineage."""
    app.emulator.control.faults({"service": "azure_ml", "path": "/saveddatasets/", "statuses": [status]})
    assert publish(app) == ["published"]
    assert {f"{SAVED} -> one", f"{SAVED} -> two"} <= app.edges(UNPLACED)


def test_service_that_is_down_for_a_moment_is_asked_again(app: App) -> None:
    """A place is not given up because of a hiccup."""
    app.emulator.control.faults(
        {"service": "azure_ml", "path": "/saveddatasets/", "statuses": [503, 429], "retry_after": 0}
    )
    assert publish(app) == ["published"]
    assert {"a.csv -> one", "a.csv -> two"} <= app.edges(PLACED)
