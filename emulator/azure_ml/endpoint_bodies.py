"""ARM's JSON for endpoints and their deployments."""

from collections.abc import Mapping

from emulator.azure_ml.arm_bodies import Body, resource
from emulator.azure_ml.assets import Deployment, Endpoint
from emulator.azure_ml.workspace import Workspace


def endpoint_body(workspace: Workspace, kind: str, endpoint: Endpoint) -> Body:
    """Show an endpoint of either kind."""
    show = online_endpoint_body if kind == "onlineEndpoints" else batch_endpoint_body
    return show(workspace, endpoint)


def deployment_body(workspace: Workspace, kind: str, endpoint: Endpoint, deployment: Deployment) -> Body:
    """Show a deployment of either kind."""
    show = online_deployment_body if kind == "onlineEndpoints" else batch_deployment_body
    return show(workspace, endpoint, deployment)


def _environment_uri(workspace: Workspace, reference: str | None) -> str | None:
    return workspace.names.resource("environments", reference) if reference else None


def online_endpoint_body(workspace: Workspace, endpoint: Endpoint) -> Body:
    """Show an online endpoint; it names no model, its deployments do."""
    names = workspace.names
    properties: Body = {
        "authMode": "Key",
        "description": endpoint.description,
        "scoringUri": f"https://{endpoint.name}.{names.region}.inference.ml.azure.com/score",
        "swaggerUri": f"https://{endpoint.name}.{names.region}.inference.ml.azure.com/swagger.json",
        "provisioningState": "Succeeded",
        "traffic": {name: deployment.traffic for name, deployment in endpoint.deployments.items()},
        "mirrorTraffic": {},
        "properties": {"azureml.onlineendpointid": f"{names.id}/onlineendpoints/{endpoint.name}".lower()},
        "publicNetworkAccess": "Enabled",
    }
    return _served(workspace, f"onlineEndpoints/{endpoint.name}", endpoint.tags, properties)


def online_deployment_body(workspace: Workspace, endpoint: Endpoint, deployment: Deployment) -> Body:
    """Show a managed online deployment."""
    properties: Body = {
        "endpointComputeType": "Managed",
        "model": workspace.names.resource("models", deployment.model),
        "environmentId": _environment_uri(workspace, deployment.environment),
        "codeConfiguration": None,
        "instanceType": "Standard_DS3_v2",
        "scaleSettings": {"scaleType": "Default"},
        "provisioningState": "Succeeded",
        "properties": {},
    }
    path = f"onlineEndpoints/{endpoint.name}/deployments/{deployment.name}"
    return _served(workspace, path, deployment.tags, properties) | {"sku": {"name": "Default", "capacity": 1}}


def batch_endpoint_body(workspace: Workspace, endpoint: Endpoint) -> Body:
    """Show a batch endpoint."""
    properties: Body = {
        "authMode": "AADToken",
        "description": endpoint.description,
        "scoringUri": f"https://{endpoint.name}.{workspace.names.region}.inference.ml.azure.com/jobs",
        "defaults": {"deploymentName": endpoint.default},
        "provisioningState": "Succeeded",
        "properties": {},
    }
    return _served(workspace, f"batchEndpoints/{endpoint.name}", endpoint.tags, properties)


def batch_deployment_body(workspace: Workspace, endpoint: Endpoint, deployment: Deployment) -> Body:
    """Show a batch deployment of a model."""
    properties: Body = {
        "model": {"referenceType": "Id", "assetId": workspace.names.resource("models", deployment.model)},
        "compute": f"{workspace.names.id}/computes/cpu-cluster",
        "environmentId": _environment_uri(workspace, deployment.environment),
        "codeConfiguration": None,
        "outputAction": "AppendRow",
        "outputFileName": "predictions.csv",
        "miniBatchSize": 10,
        "errorThreshold": -1,
        "loggingLevel": "Info",
        "maxConcurrencyPerInstance": 1,
        "retrySettings": {"maxRetries": 3, "timeout": "PT30S"},
        "resources": {"instanceCount": 1, "properties": {}},
        "provisioningState": "Succeeded",
        "properties": {},
    }
    path = f"batchEndpoints/{endpoint.name}/deployments/{deployment.name}"
    return _served(workspace, path, deployment.tags, properties)


def _served(workspace: Workspace, path: str, tags: Mapping[str, str], properties: Body) -> Body:
    """Wrap an endpoint or deployment: unlike assets they are tracked resources, tags and location outside."""
    body = resource(workspace, path, None, properties)
    return body | {"location": workspace.names.region, "kind": "Managed", "tags": dict(tags)}
