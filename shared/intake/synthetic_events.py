"""Builds synthetic events about what a workspace holds, as Event Grid would have sent them."""

import json
from datetime import datetime

from shared.catalog import qualified_names
from shared.catalog.qualified_names import ParsedName, QualifiedName, parse
from shared.intake.event_types import AGAIN, LISTED, NAMESPACE
from shared.model import SETTLED, SUCCEEDED, AssetId, WorkspaceId
from shared.openlineage.incoming_events import REFOLD
from shared.ports import Listed


def event_about(workspace: WorkspaceId, item: Listed, *, now: datetime, again: bool = False) -> str:
    """
    Build the event that announces a run, a model version or an endpoint; `again` if it has changed since.

    >>> from datetime import UTC
    >>> workspace = WorkspaceId("s", "rg", "ws")
    >>> json.loads(event_about(workspace, Listed("model", "m", "1"), now=datetime(2026, 7, 1, tzinfo=UTC)))["subject"]
    'models/m:1'
    """
    if item.kind == "run":
        event_type, subject, data = "RunCompleted", f"runs/{item.name}", {"runId": item.name}
        if item.status.casefold() in SETTLED - SUCCEEDED:
            event_type, data = "RunStatusChanged", {"runId": item.name, "runStatus": item.status}
    elif item.kind == "model":
        data = {"modelName": item.name, "modelVersion": item.version}
        event_type, subject = "ModelRegistered", f"models/{item.name}:{item.version}"
    else:
        event_type, subject, data = "ModelDeployed", f"endpoints/{item.name}", {"serviceName": item.name}
    event = {
        "id": f"{AGAIN if again else LISTED}{item.kind}-{item.name}{f'-{item.version}' if item.version else ''}",
        "topic": workspace.arm_id,
        "subject": subject,
        "eventType": f"{NAMESPACE}{event_type}",
        "eventTime": (item.created_at or now).isoformat(),
        "dataVersion": "2",
        "data": data,
    }
    return json.dumps(event)


def event_about_job_run(namespace: str, run_id: str, *, now: datetime) -> str:
    """Build an event that publishes a run of OpenLineage again; it adds no fact."""
    event = {
        "eventType": "OTHER",
        "eventTime": now.isoformat(),
        "producer": REFOLD,
        "run": {"runId": run_id},
        "job": {"namespace": namespace, "name": "published again"},
    }
    return json.dumps(event)


def event_about_key(key: QualifiedName, *, now: datetime) -> str:
    """
    Build the event that publishes a run, a model version or an endpoint again, by its key in the ledger.

    Raises:
        ValueError: it is the name of nothing that is published by itself.
    """
    match parse(key):
        case ParsedName(kind="asset", workspace=WorkspaceId() as workspace, asset=AssetId("models", name, version)):
            return event_about(workspace, Listed("model", name, version), now=now)
        case ParsedName(kind="endpoint", workspace=WorkspaceId() as workspace, endpoint=name):
            return event_about(workspace, Listed("endpoint", name), now=now)
        case ParsedName(workspace=WorkspaceId() as workspace, run_id=run_id) if run_id:
            return event_about(workspace, Listed("run", run_id), now=now)
        case ParsedName(namespace=namespace, run_id=run_id) if run_id:
            return event_about_job_run(namespace, run_id, now=now)
        case _:
            raise ValueError(f"{key} is not published by itself")


def key_of(workspace: WorkspaceId, item: Listed) -> QualifiedName:
    """Name the ledger's row of what a workspace holds."""
    if item.kind == "run":
        return qualified_names.of_run(workspace, item.name)
    if item.kind in ("model", "data"):
        kind = "models" if item.kind == "model" else "data"
        return qualified_names.of_asset(workspace, AssetId(kind, item.name, item.version))
    return qualified_names.of_endpoint(workspace, item.name)
