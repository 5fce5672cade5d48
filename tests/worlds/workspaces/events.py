"""The events about a described workspace, as Azure ML sends them."""

import json
from collections.abc import Iterator

from tests.worlds.golden_case import WORKSPACE_ID
from tests.worlds.workspaces.description import Endpoint, Run, Workspace
from tests.worlds.workspaces.seed import experiment_id


def families_of(workspace: Workspace) -> dict[str, list[str]]:
    """Return the events of all runs by root; any one of a family publishes all of it."""
    families: dict[str, list[str]] = {}
    for run in workspace.runs:
        families.setdefault(workspace.root_of(run).id, []).append(_ended(workspace, run))
    return families


def other_events_of(workspace: Workspace) -> Iterator[str]:
    """Yield the events of models and endpoints, each of which is about itself only."""
    for model in workspace.models:
        yield _model_registered(model.label)
    for run in workspace.runs:
        for output in run.outputs:
            if output.type == "custom_model" and not output.model:
                yield _model_registered(f"azureml_{run.id}_output_{output.name}:1")
    for endpoint in workspace.endpoints:
        yield _deployed(endpoint)


def _ended(workspace: Workspace, run: Run) -> str:
    kind = {"pipeline": "azureml.PipelineRun", "batch": "azureml.PipelineRun", "step": "azureml.StepRun"}.get(run.kind)
    data: dict[str, object] = {
        "runId": run.id,
        "runType": kind,
        "experimentId": experiment_id(run.experiment),
        "experimentName": run.experiment,
        "runTags": {"azureml.pipeline": run.parent} if run.kind in ("step", "batch_scoring") else {},
    }
    completed = run.status == "Completed"
    return _event(
        "RunCompleted" if completed else "RunStatusChanged",
        f"experiments/{experiment_id(run.experiment)}/runs/{run.id}",
        data if completed else {**data, "runStatus": run.status},
    )


def _model_registered(label: str) -> str:
    name, _, version = label.rpartition(":")
    return _event("ModelRegistered", f"models/{label}", {"modelName": name, "modelVersion": version})


def _deployed(endpoint: Endpoint) -> str:
    return _event("ModelDeployed", f"endpoints/{endpoint.name}", {"serviceName": endpoint.name})


def _event(kind: str, subject: str, data: dict[str, object]) -> str:
    return json.dumps(
        {
            "topic": WORKSPACE_ID,
            "subject": subject,
            "eventType": f"Microsoft.MachineLearningServices.{kind}",
            "eventTime": "2026-07-01T12:00:00.5390469Z",
            "id": f"{kind} {subject}",
            "dataVersion": "2",
            "data": data,
        }
    )
