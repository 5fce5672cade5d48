"""The workspace, runs, data and events that the unit tests use."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from shared.catalog.entities import Entity, Ref
from shared.catalog.qualified_names import QualifiedName
from shared.intake.event_types import Event, Subject
from shared.model import (
    AssetId,
    Data,
    DataAsset,
    Datastore,
    Location,
    ModelVersion,
    Port,
    Run,
    RunTree,
    Workspace,
    WorkspaceId,
)
from shared.places.matching import Match, list_places, match_places
from tests.harness.fakes import NOON

WORKSPACE_ID = WorkspaceId("00000000-0000-0000-0000-000000000000", "rg-ml", "ws-ml")
WORKSPACE = Workspace(WORKSPACE_ID, "WS-ML", "eastus2")
WS = "azureml://subscriptions/00000000-0000-0000-0000-000000000000/resourcegroups/rg-ml/workspaces/ws-ml"
ARM_ID = (
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg-ml"
    "/providers/Microsoft.MachineLearningServices/workspaces/ws-ml"
)
LAKE = Datastore("lake", "AzureDataLakeGen2", account="contosolake", container="fs", endpoint="core.windows.net")
LAKE_URL = "https://contosolake.dfs.core.windows.net/fs"


def at(path: str, *, run_id: str = "") -> Location:
    """Place a path in the lake; a trailing slash marks a folder, `run_id` the run whose id the path carries."""
    return Location(f"{LAKE_URL}/{path.rstrip('/')}", path.endswith("/"), run_id, LAKE)


def data_asset(
    name: str, location: Location | None, *, registry: str = "", by_run: bool = False, **tags: str
) -> DataAsset:
    """Describe version 1 of a registered data asset; `by_run` if the run that wrote it registered it."""
    return DataAsset(
        AssetId("data", name, "1", registry),
        location,
        datastore=location.datastore if location else None,
        registered_by_run=by_run,
        data_type="uri_file",
        tags=tags,
    )


def model(name: str, version: str = "1") -> ModelVersion:
    """Describe a registered model version."""
    return ModelVersion(AssetId("models", name, version), model_type="mlflow_model")


def run(
    run_id: str, *, inputs: Mapping[str, Data] | None = None, outputs: Mapping[str, Data] | None = None, **more: Any
) -> Run:
    """Describe a completed run of experiment `churn`."""
    described: dict[str, Any] = {"name": run_id, "status": "Completed", "experiment": "churn", **more}
    return Run(
        run_id,
        inputs=tuple(Port(name, data) for name, data in (inputs or {}).items()),
        outputs=tuple(Port(name, data) for name, data in (outputs or {}).items()),
        **described,
    )


def tree(*runs: Run, root_id: str = "", status: str = "Completed") -> RunTree:
    """Put runs under a root; without `root_id` the one run is its own root."""
    root = root_id or runs[0].id
    below = tuple(replace(each, root_id=root, root_status=status) for each in runs)
    return RunTree(WORKSPACE, root, status, below)


def answers(*trees: RunTree, **more: object) -> dict[str, object]:
    """Build what a fake Azure ML answers: each tree by its root and by every run in it."""
    by_run = {f"run {run_id}": tree for tree in trees for run_id in (tree.root_id, *(run.id for run in tree.runs))}
    return {"workspace": WORKSPACE, **by_run, **more}


def event(subject: Subject, *, time: datetime = NOON) -> Event:
    """Wrap a subject into an event of the workspace."""
    return Event("event-1", "Anything", WORKSPACE_ID, time, subject)


def unscanned(whole: RunTree) -> dict[Ref, Match]:
    """Match a tree's places with a catalog that holds nothing."""
    return match_places(list_places(whole), {})


def named(entities: tuple[Entity, ...]) -> dict[str, Entity]:
    """Index entities by qualifiedName, the workspace's own prefix cut off."""
    return {str(entity.ref.qualified_name).removeprefix(f"{WS}/"): entity for entity in entities}


def short(refs: tuple[Ref, ...] | None) -> list[str]:
    """List qualifiedNames, the workspace's own prefix cut off."""
    assert refs is not None, "no process"
    return [str(ref.qualified_name).removeprefix(f"{WS}/") for ref in refs]


def ws(path: str) -> QualifiedName:
    """Return a qualifiedName below the workspace."""
    return QualifiedName(f"{WS}/{path}")


def event_grid(kind: str, subject: str, data: Mapping[str, Any], **members: Any) -> dict[str, Any]:
    """Write an event in Event Grid's own schema, as captured."""
    return {
        "topic": ARM_ID,
        "subject": subject,
        "eventType": f"Microsoft.MachineLearningServices.{kind}",
        "eventTime": "2026-07-01T10:02:05.5390469Z",
        "id": "event-1",
        "data": dict(data),
        "dataVersion": "2",
        "metadataVersion": "1",
        **members,
    }


def cloud_event(kind: str, subject: str, data: Mapping[str, Any], **members: Any) -> dict[str, Any]:
    """Write an event in the CloudEvents schema, as documented."""
    return {
        "source": ARM_ID,
        "subject": subject,
        "type": f"Microsoft.MachineLearningServices.{kind}",
        "time": "2026-07-01T10:02:05.5390469Z",
        "id": "event-1",
        "data": dict(data),
        "specversion": "1.0",
        **members,
    }
