"""Data of other workspaces is asked of those that are watched, and of no other."""

from dataclasses import replace
from pathlib import Path

import pytest

from emulator.server import Emulator
from tests.harness.app import WS, App, outcomes, run_completed

GUID = "20000000-0000-0000-0000-000000000000"
OTHER = "azureml://subscriptions/00000000-0000-0000-0000-000000000000/resourcegroups/rg-other/workspaces/ws-other"
LAKE = "https://otherlake.dfs.core.windows.net/fs"


@pytest.fixture
def neighbours(emulator: Emulator) -> Emulator:
    """Two workspaces, in one of which a run reads data of the other."""
    emulator.control.use("credit-risk")
    other = {
        "name": "ws-other",
        "subscription": "00000000-0000-0000-0000-000000000000",
        "resource_group": "rg-other",
        "guid": GUID,
        "region": "eastus2",
        "storage_account": "stother",
        "datastores": {
            "lake": {"type": "AzureDataLakeGen2", "account": "otherlake", "container": "fs", "default": True}
        },
        "data": {"theirs:1": {"type": "uri_folder", "path": "azureml://datastores/lake/paths/theirs/"}},
        "runs": {},
    }
    by_guid = f"azureml://locations/eastus2/workspaces/{GUID}/data/theirs/versions/1"
    run = {
        "experiment": "odd",
        "inputs": {
            "asset": {"asset": by_guid, "type": "uri_folder"},
            "raw": {"uri": f"{OTHER}/datastores/lake/paths/raw/"},
        },
    }
    emulator.control.add_to_azure_ml({"workspaces": {"ws-other": other, "ws-credit": {"runs": {"reader": run}}}})
    return emulator


def start(emulator: Emulator, storage: Path, *, watched: bool) -> App:
    app = App.on(emulator, storage / "lineage.sqlite")
    if not watched:
        ours = tuple(each for each in app.services.settings.workspaces if "ws-other" not in each)
        app.services.settings = replace(app.services.settings, workspaces=ours)
    app.emulator.control.clear_requests()
    return app


def read_by(app: App) -> set[str]:
    """Return the names of what the run reads."""
    reader = f"{WS}/runs/reader"
    return {edge["from"] for edge in app.graph(reader)["edges"] if edge["to"] == reader}


def asked(app: App) -> list[str]:
    return [request.path for request in app.emulator.control.requests() if "ws-other" in request.path]


def test_data_of_a_watched_workspace_is_what_that_one_publishes(neighbours: Emulator, tmp_path: Path) -> None:
    """Whether an asset id names the workspace by its GUID or a URI by its name."""
    app = start(neighbours, tmp_path, watched=True)
    assert outcomes(app.replay([run_completed("reader")])) == ["published"]
    assert read_by(app) == {f"{OTHER}/data/theirs/versions/1", f"{LAKE}/raw"}


def test_workspace_that_is_not_watched_is_asked_for_nothing(neighbours: Emulator, tmp_path: Path) -> None:
    """Its data keeps the names that are known here."""
    app = start(neighbours, tmp_path, watched=False)
    assert outcomes(app.replay([run_completed("reader")])) == ["published"]
    assert asked(app) == []
    by_guid = f"{WS}/unresolved/azureml://locations/eastus2/workspaces/{GUID}/data/theirs/versions/1"
    assert read_by(app) == {by_guid, f"{OTHER}/datastores/lake/paths/raw"}


@pytest.mark.parametrize("status", [403, 404])
def test_watched_workspace_that_cannot_be_read_costs_its_neighbours_nothing(
    neighbours: Emulator, tmp_path: Path, status: int
) -> None:
    """The role may be missing there, or it may be gone; it is not asked again for each thing it has."""
    app = start(neighbours, tmp_path, watched=True)
    neighbours.control.faults(
        {"service": "azure_ml", "path": "/workspaces/ws-other$", "statuses": [status], "times": 99}
    )
    assert outcomes(app.replay([run_completed("reader")])) == ["published"]
    assert f"{OTHER}/datastores/lake/paths/raw" in read_by(app)
    assert len(asked(app)) <= 2


def test_data_of_a_watched_workspace_that_is_gone_there_keeps_its_name(neighbours: Emulator, tmp_path: Path) -> None:
    """The run did read it."""
    app = start(neighbours, tmp_path, watched=True)
    neighbours.control.faults({"service": "azure_ml", "path": "/data/theirs/", "statuses": [404], "times": 9})
    assert outcomes(app.replay([run_completed("reader")])) == ["published"]
    assert f"{OTHER}/data/theirs/versions/1" in read_by(app)
