"""ARM's JSON for a workspace and its assets."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import yaml

from emulator.azure_ml.content.assets import (
    Component,
    Datastore,
    DataVersion,
    EnvironmentVersion,
    ModelVersion,
    Version,
)
from emulator.azure_ml.content.workspace import Workspace

Body = dict[str, Any]

PROVIDER = "Microsoft.MachineLearningServices/workspaces"
TENANT = "99999999-1111-0000-0000-000000000000"

# Newer versions of the datastore contract say whose storage account it is.
DATASTORE_OWNER_SINCE = "2024-10-01"


def timestamp(time: datetime) -> str:
    """Write a time as the services do: seven fractional digits and an offset."""
    return f"{time:%Y-%m-%dT%H:%M:%S.%f}0+00:00"


def resource(workspace: Workspace, path: str, created: tuple[datetime, str] | None, properties: Body | None) -> Body:
    """Wrap properties as an ARM resource below a workspace; a child run has none at all."""
    parts = path.split("/")
    body: Body = {
        "id": f"{workspace.names.id}/{path}",
        "name": parts[-1],
        "type": "/".join([PROVIDER, *parts[::2]]),
    }
    if properties is not None:
        body["properties"] = properties
    if created is not None:
        body["systemData"] = {"createdAt": timestamp(created[0]), "createdBy": created[1], "createdByType": "User"}
    return body


def overlaid(body: Body, answer: Mapping[str, object]) -> Body:
    """
    Put members of an answer in the place of a body's own; null is what is answered then.

    >>> overlaid({"a": {"b": 1, "c": 2}}, {"a": {"b": None}})
    {'a': {'b': None, 'c': 2}}
    """
    changed = dict(body)
    for name, value in answer.items():
        below = changed.get(name)
        changed[name] = overlaid(below, value) if isinstance(below, dict) and isinstance(value, Mapping) else value
    return changed


def workspace_body(workspace: Workspace, base_url: str) -> Body:
    """Show the workspace; its discovery and MLflow addresses lead back to the emulator."""
    names = workspace.names
    host = base_url.partition("://")[2]
    storage = f"/subscriptions/{names.subscription}/resourceGroups/{names.resource_group}/providers/Microsoft.Storage"
    return {
        "id": names.id,
        "name": names.workspace,
        "type": PROVIDER,
        "location": names.region,
        "kind": "Default",
        "tags": {},
        "identity": {"type": "SystemAssigned", "tenantId": TENANT},
        "properties": {
            "friendlyName": names.workspace,
            "storageAccount": f"{storage}/storageAccounts/{workspace.storage_account}",
            "tenantId": TENANT,
            "provisioningState": "Succeeded",
            "v1LegacyMode": False,
            "storageHnsEnabled": workspace.storage_hns,
            "workspaceId": names.guid,
            "privateLinkCount": 0,
            "publicNetworkAccess": "Enabled",
            "discoveryUrl": f"{base_url}/discovery",
            "mlFlowTrackingUri": f"azureml://{host}/mlflow/v1.0{names.id}",
        },
    }


def datastore_body(workspace: Workspace, store: Datastore, api_version: str) -> Body:
    """Show a datastore, without its secrets."""
    properties: Body = {
        "isDefault": store.default,
        "credentials": {"credentialsType": "None"},
        "datastoreType": store.type,
        "tags": {},
        "properties": {},
        "description": None,
    }
    if store.type == "OneLake":
        properties |= {
            "oneLakeWorkspaceName": store.one_lake_workspace,
            "artifact": {"artifactName": store.container, "artifactType": "LakeHouse"},
            "endpoint": "onelake.dfs.fabric.microsoft.com",
        }
    elif store.type == "AzureDataLakeGen1":
        properties["storeName"] = store.account
    else:
        container = {"AzureDataLakeGen2": "filesystem", "AzureFile": "fileShareName"}.get(store.type, "containerName")
        properties |= {
            "accountName": store.account,
            container: store.container,
            "endpoint": store.endpoint,
            "protocol": "https",
            "serviceDataAccessAuthIdentity": "None",
        }
    if api_version >= DATASTORE_OWNER_SINCE:
        properties |= {"subscriptionId": workspace.names.subscription, "resourceGroup": workspace.names.resource_group}
    return resource(workspace, f"datastores/{store.name}", None, properties)


def _asset(version: Version, *, archived: bool, anonymous: bool = False) -> Body:
    return {
        "description": version.description,
        "tags": dict(version.tags),
        "properties": dict(version.properties),
        "isArchived": archived,
        "isAnonymous": anonymous,
    }


def _versioned(workspace: Workspace, kind: str, version: Version, properties: Body, *, anonymous: bool = False) -> Body:
    path = version.arm_path(kind)
    shared = _asset(version, archived=workspace.is_archived(path), anonymous=anonymous)
    body = resource(workspace, path, (version.created_at, version.created_by), shared | properties)
    # azure-rest-api-specs, common-types v3, systemData; a version that was never changed was modified when it was made.
    body["systemData"]["lastModifiedAt"] = timestamp(version.modified_at or version.created_at)
    return body


def data_body(workspace: Workspace, data: DataVersion, *, listed: bool = False) -> Body:
    """Show a data asset version; a list writes the same ``dataUri`` with the workspace's GUID."""
    uri = workspace.names.listed_uri(data.path) if listed else workspace.names.long_uri(data.path)
    properties = {"dataUri": uri, "dataType": data.type}
    return _versioned(workspace, "data", data, properties, anonymous=data.anonymous)


def model_body(workspace: Workspace, model: ModelVersion) -> Body:
    """Show a model version."""
    properties = {
        "modelType": model.type,
        "modelUri": workspace.names.long_uri(model.path, "resourceGroups"),
        "jobName": model.job_name,
        "flavors": {name: {"data": data} for name, data in model.flavors.items()},
        "stage": model.stage,
        "datasets": None,
        "provisioningState": "Succeeded",
    }
    return overlaid(_versioned(workspace, "models", model, properties), model.answer)


def registry_model_body(workspace: Workspace, model: ModelVersion) -> Body:
    """
    Show a model version as the model registry lists it; the version is a number there.

    azure-rest-api-specs, ModelDataplane 1.0.0, ``Model``; the members that say something of the model.
    """
    modified = model.modified_at or model.created_at
    return {
        "id": model.label,
        "name": model.name,
        "version": int(model.version) if model.version.isdecimal() else model.version,
        "description": model.description,
        "kvTags": dict(model.tags),
        "properties": dict(model.properties),
        "url": workspace.names.long_uri(model.path, "resourceGroups"),
        "mimeType": "application/x-python",
        "createdTime": timestamp(model.created_at),
        "modifiedTime": timestamp(modified),
        "runId": model.job_name,
        "stage": model.stage,
        "modelType": model.type,
        "isAnonymous": False,
        "isArchived": workspace.is_archived(model.arm_path("models")),
        "isRegistered": True,
    }


def environment_body(workspace: Workspace, environment: EnvironmentVersion) -> Body:
    """Show an environment version; its conda file is YAML text."""
    conda = environment.conda
    properties = {
        "environmentType": "UserCreated",
        "image": environment.image,
        "condaFile": yaml.safe_dump(dict(conda), sort_keys=False) if conda else None,
        "build": {"contextUri": "https://contoso.invalid/context", "dockerfilePath": "Dockerfile"}
        if environment.dockerfile
        else None,
        "osType": "Linux",
        "provisioningState": "Succeeded",
    }
    return _versioned(workspace, "environments", environment, properties)


def component_body(workspace: Workspace, component: Component) -> Body:
    """Show a component version."""
    spec: Body = {
        "name": component.name,
        "version": component.version,
        "display_name": component.name,
        "type": "command",
        "is_deterministic": "True",
        "inputs": {name: {"type": kind, "optional": "False"} for name, kind in component.inputs.items()},
        "outputs": {name: {"type": kind} for name, kind in component.outputs.items()},
        "command": component.command,
    }
    if component.environment:
        uri = workspace.names.resource("environments", component.environment)
        spec["environment"] = uri if "://" in uri else f"azureml:{uri}"
    return _versioned(workspace, "components", component, {"componentSpec": spec})


def container_body(workspace: Workspace, kind: str, versions: list[Version]) -> Body:
    """Show the container of all versions of one asset; they come oldest first."""
    latest = versions[-1]
    numbers = [int(version.version) for version in versions if version.version.isdecimal()]
    path = f"{kind}/{latest.name}"
    properties = _asset(versions[0], archived=workspace.is_archived(path)) | {
        "latestVersion": latest.version,
        "nextVersion": str(max(numbers, default=0) + 1),
    }
    if isinstance(latest, DataVersion):
        properties["dataType"] = latest.type
    return resource(workspace, path, (versions[0].created_at, versions[0].created_by), properties)
