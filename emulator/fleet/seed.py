"""The fleet's seed documents: everything but the runs, which are described when they are asked for."""

from typing import Any

from emulator.fleet.fleet import PIPELINES, SINGLES, SUBSCRIPTION, Fleet
from emulator.fleet.inputs import output_path
from emulator.fleet.plan import Plan

ENVIRONMENT = {
    "image": "mcr.microsoft.com/azureml/openmpi4.1.0-ubuntu22.04:20260601",
    "created_at": "2025-12-31T12:00:00Z",
    "conda": {"dependencies": ["python=3.10", {"pip": ["scikit-learn==1.5.1"]}], "name": "fleet-env"},
}


def azure_ml_of(fleet: Fleet) -> dict[str, object]:
    """Build the workspaces with their data, models and endpoints."""
    workspaces = [_workspace(fleet, number) for number in range(fleet.workspaces)]
    for root in fleet.plans():
        workspace = workspaces[root.workspace]
        if root.registers_output:
            workspace["data"][root.registered_output] = {
                "path": output_path(root.finished[-1]),
                "created_at": root.end.isoformat(),
            }
        if root.has_model:
            workspace["models"][root.model] = _model(root)
        if root.deployed == "online":
            second = fleet.earlier_model(root)
            deployments = {
                "blue": {"model": root.model, "environment": "fleet-env:1", "traffic": 90 if second else 100}
            }
            if second:
                deployments["green"] = {"model": second.model, "environment": "fleet-env:1", "traffic": 10}
            workspace["online_endpoints"][root.endpoint] = {"deployments": deployments}
        if root.deployed == "batch":
            workspace["batch_endpoints"][root.endpoint] = {"deployments": {"nightly": {"model": root.model}}}
    return {"workspaces": {f"ws-fleet-{number + 1}": each for number, each in enumerate(workspaces)}}


def purview_of(fleet: Fleet) -> dict[str, object]:
    """Build the catalog: a scan has found half of the shared data sets, some folders as resource sets."""
    entities = []
    for number in range(0, fleet.pool.size, 2):
        address, is_file = fleet.pool.address(number), fleet.pool.kind(number) == "uri_file"
        as_set = number % 6 == 0 and not is_file
        attributes: dict[str, object] = {"name": f"dataset-{number:03}"}
        attributes["qualifiedName"] = f"{address}/{{SparkPartitions}}" if as_set else address
        if not as_set:
            attributes["isFile"] = is_file
        kind = "azure_datalake_gen2_resource_set" if as_set else "azure_datalake_gen2_path"
        entities.append({"typeName": kind, "attributes": attributes})
    return {"entities": entities}


def _workspace(fleet: Fleet, number: int) -> dict[str, Any]:
    account, pool = f"stfleet{number + 1}", fleet.pool
    experiments = {PIPELINES: 1, SINGLES: 0}
    return {
        "subscription": SUBSCRIPTION,
        "resource_group": f"rg-fleet-{number + 1}",
        "guid": f"18181818-0000-0000-0000-{number + 1:012}",
        "region": "eastus2",
        "storage_account": account,
        "datastores": {
            "workspaceblobstore": {
                "type": "AzureBlob",
                "account": account,
                "container": "azureml-blobstore",
                "default": True,
            },
            "workspaceartifactstore": {"type": "AzureBlob", "account": account, "container": "azureml"},
            "lake": {"type": "AzureDataLakeGen2", "account": "fleetlake", "container": "fleet"},
        },
        "experiments": {name: f"17171717-000{place}-0000-0000-{number + 1:012}" for name, place in experiments.items()},
        "environments": {"fleet-env:1": ENVIRONMENT},
        "data": {
            pool.label(each): {"type": pool.kind(each), "path": pool.path(each), "created_at": "2025-12-31T12:00:00Z"}
            for each in range(pool.size)
        },
        "models": {},
        "online_endpoints": {},
        "batch_endpoints": {},
    }


def _model(root: Plan) -> dict[str, object]:
    """Describe the model of a run; it was logged by the job or by the last step."""
    maker = root.executed[-1]
    return {
        "type": "mlflow_model",
        "path": f"azureml://datastores/workspaceartifactstore/paths/ExperimentRun/dcid.{maker}/outputs/model",
        "job_name": maker,
        "created_at": root.end.isoformat(),
    }
