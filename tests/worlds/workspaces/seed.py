"""A described workspace as a seed of the emulator."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from tests.worlds.workspaces.description import (
    Asset,
    Endpoint,
    FileSet,
    Model,
    OfAnotherWorkspace,
    OfRegistry,
    Output,
    OutputOf,
    Path,
    Place,
    PublicFile,
    RegisteredData,
    RegisteredModel,
    Run,
    Source,
    Workspace,
)
from tests.worlds.workspaces.makers import TRIALS

_BEGIN = datetime(2026, 7, 1, tzinfo=UTC)

REGISTRY = "azureml://registries/contoso"
ANOTHER = "azureml://locations/eastus2/workspaces/20000000-0000-0000-0000-000000000000"
SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
ENVIRONMENT = "train-env:7"
HOSTS = {
    "lake": ("contosolake.dfs.core.windows.net", "fs"),
    "workspaceblobstore": ("stempty.blob.core.windows.net", "blobs"),
    "workspaceartifactstore": ("stempty.blob.core.windows.net", "azureml"),
    "share": ("stempty.file.core.windows.net", "files"),
}
"""Where each datastore leads."""
_SETTINGS: dict[str, dict[str, Any]] = {
    "sweep": {"search_space": {"lr": ["uniform", [0.01, 0.9]]}, "primary_metric": "AUC"},
    "automl": {"task": "Classification", "primary_metric": "AUCWeighted", "target": "status"},
    "other": {"job_type": "Dreaming"},
}


def to_seed(workspace: Workspace) -> dict[str, Any]:
    """Describe the workspace as `azure_ml.yaml` does, without the names of the workspace itself."""
    return {
        "datastores": {"share": {"type": "AzureFile", "account": "stempty", "container": "files"}},
        "experiments": {run.experiment: experiment_id(run.experiment) for run in workspace.runs},
        "data": {each.label: _data(each) for each in workspace.data},
        "models": {each.label: _model(each) for each in workspace.models},
        "runs": {run.id: _run(run) for run in workspace.runs},
        "online_endpoints": {each.name: _endpoint(each) for each in workspace.endpoints if not each.is_batch},
        "batch_endpoints": {each.name: _endpoint(each) for each in workspace.endpoints if each.is_batch},
    }


def words_of(asset: RegisteredData | RegisteredModel) -> dict[str, Any]:
    """Return what people said of an asset, as a fragment of its description."""
    words = asset.words
    node: dict[str, Any] = {"tags": {"team": words.team}} if words.team else {}
    if words.description:
        node["description"] = words.description
    if words.stage:
        node["stage"] = words.stage
    return node


def scanned_sets(workspace: Workspace) -> list[dict[str, str]]:
    """Return what a scan has found, as the emulator takes it."""
    return [{"typeName": type_of_set(each), "qualifiedName": name_of_set(each)} for each in workspace.sets]


def type_of_set(each: FileSet) -> str:
    return "azure_datalake_gen2_resource_set" if each.store == "lake" else "azure_blob_resource_set"


def name_of_set(each: FileSet) -> str:
    host, container = HOSTS[each.store]
    return f"https://{host}/{container}/{each.pattern}"


def experiment_id(name: str) -> str:
    return str(uuid5(NAMESPACE_URL, name))


def uri_of(place: Place, form: str = "datastore") -> str:
    """Name a place in one of the ways Azure ML knows."""
    host, container = HOSTS[place.store]
    path = place.path if place.type == "uri_file" else f"{place.path}/"
    match form:
        case "datastore":
            return f"azureml://datastores/{place.store}/paths/{path}"
        case "long":
            return (
                f"azureml://subscriptions/{SUBSCRIPTION}/resourcegroups/rg-ml/workspaces/ws-empty"
                f"/datastores/{place.store}/paths/{path}"
            )
        case "abfss":
            return f"abfss://{container}@{host}/{path}"
    raise ValueError(form)


def time_of(hour: int) -> str:
    """Write an hour as a time."""
    return (_BEGIN + timedelta(hours=hour)).isoformat()


def _data(data: RegisteredData) -> dict[str, Any]:
    return {"type": data.place.type, "path": uri_of(data.place)}


def _model(model: RegisteredModel) -> dict[str, Any]:
    files = model.files
    artifacts = f"azureml://datastores/workspaceartifactstore/paths/ExperimentRun/dcid.{files}/outputs/model"
    return {
        "type": "custom_model",
        "path": artifacts if isinstance(files, str) else uri_of(files),
        "tags": {
            **dict(model.tags),
            **({"lineage.registry_model": asset_uri(REGISTRY, "models", model.shared_as)} if model.shared_as else {}),
        },
        "created_at": time_of(model.registered),
        **({"job_name": model.job_name} if model.job_name else {}),
    }


def url_of(place: Place) -> str:
    """Name a place by its URL."""
    host, container = HOSTS[place.store]
    return f"https://{host}/{container}/{place.path}"


def _run(run: Run) -> dict[str, Any]:
    node: dict[str, Any] = {
        "kind": run.kind,
        "experiment": run.experiment,
        "display_name": run.display_name,
        "status": run.status,
        "inputs": {name: _source(source) for name, source in run.inputs},
        "outputs": {output.name: _output(output) for output in run.outputs},
        "metrics": dict(run.metrics),
        "params" if run.kind == "mlflow" else "parameters": dict(run.parameters),
        "input_datasets": {f"in{number}": {"saved_id": saved} for number, saved in enumerate(run.saved_inputs)},
        "output_datasets": {f"out{number}": {"saved_id": saved} for number, saved in enumerate(run.saved_outputs)},
        "start": time_of(run.began),
        "end": time_of(run.ended),
        "logged_inputs": [_logged(number, source) for number, source in enumerate(run.logged)],
        "settings": {"model": run.scores_with} if run.scores_with else _SETTINGS.get(run.kind, {}),
    }
    if run.kind in TRIALS and run.parameters:
        del node["parameters"]
        node["tags"] = {"hyperparameters": json.dumps(dict(run.parameters))}
    if run.parent:
        node["parent"] = run.parent
    if run.reuses:
        node["reused_from"] = run.reuses
    if run.has_environment:
        node["environment"] = ENVIRONMENT
    if run.is_parallel:
        node["properties"] = {"azureml.parallelrunstep": "true"}
    if run.best:
        key = "tags" if run.kind == "automl" else "properties"
        node[key] = {"automl_best_child_run_id" if run.kind == "automl" else "best_child_run_id": run.best}
    if run.kind == "batch":
        node["tags"] = {"azureml.batchrun": "true"}
    if run.kind == "other":
        node["run_type"] = "azureml.dreaming"
    return node


def _source(source: Source) -> dict[str, str]:
    match source:
        case Path(place, form):
            return {"uri": uri_of(place, form), "type": place.type}
        case Asset(label, is_gone):
            return {"asset": label, **({"type": "uri_folder"} if is_gone else {})}
        case OutputOf(run, port):
            return {"output_of": f"{run}/{port}"}
        case Model(label):
            return {"model": label}
        case OfRegistry("data", label):
            return {"asset": asset_uri(REGISTRY, "data", label), "type": "uri_folder"}
        case OfRegistry(kind, label):
            return {"model": asset_uri(REGISTRY, kind, label), "type": "custom_model"}
        case PublicFile(url):
            return {"uri": url, "type": "uri_file"}
        case OfAnotherWorkspace(label):
            return {"asset": asset_uri(ANOTHER, "data", label), "type": "uri_folder"}


def _logged(number: int, source: PublicFile | Path) -> dict[str, Any]:
    url = source.url if isinstance(source, PublicFile) else url_of(source.place)
    return {"name": f"data-{number}", "source_type": "http", "source": {"url": url}}


def _output(output: Output) -> dict[str, str]:
    node = {"type": output.type}
    if output.place:
        node["path"] = uri_of(output.place)
    if output.registers:
        node["register"] = output.registers
    if output.model:
        node["model"] = output.model
    return node


def _endpoint(endpoint: Endpoint) -> dict[str, Any]:
    deployments = {
        name: {"model": model.label if isinstance(model, Model) else asset_uri(REGISTRY, model.kind, model.label)}
        for name, model in endpoint.deployments
    }
    return {"deployments": deployments}


def asset_uri(prefix: str, kind: str, label: str) -> str:
    """Format `name:version` below a registry or a workspace."""
    name, _, version = label.rpartition(":")
    return f"{prefix}/{kind}/{name}/versions/{version}"
