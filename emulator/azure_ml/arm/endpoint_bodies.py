"""ARM's JSON for endpoints and their deployments."""

from collections.abc import Mapping

from emulator.azure_ml.arm.bodies import Body, overlaid, resource, timestamp
from emulator.azure_ml.content.assets import Deployment, Endpoint
from emulator.azure_ml.content.workspace import Workspace


def endpoint_body(workspace: Workspace, kind: str, endpoint: Endpoint) -> Body:
    """Show an endpoint of any kind."""
    show = {
        "onlineEndpoints": online_endpoint_body,
        "batchEndpoints": batch_endpoint_body,
        "serverlessEndpoints": serverless_endpoint_body,
    }[kind]
    return overlaid(show(workspace, endpoint), endpoint.answer)


def deployment_body(workspace: Workspace, kind: str, endpoint: Endpoint, deployment: Deployment) -> Body:
    """Show a deployment of either kind."""
    show = online_deployment_body if kind == "onlineEndpoints" else batch_deployment_body
    body = show(workspace, endpoint, deployment)
    if deployment.modified_at:
        body["systemData"] = {"lastModifiedAt": timestamp(deployment.modified_at), "lastModifiedByType": "User"}
    return overlaid(body, deployment.answer)


def _environment_uri(workspace: Workspace, reference: str | None) -> str | None:
    return workspace.names.resource("environments", reference) if reference else None


def _model_uri(workspace: Workspace, reference: str | None) -> str | None:
    """Name a model as a deployment does; the full id of one of another workspace stays as it is."""
    if not reference or "/" in reference:
        return reference
    return workspace.names.resource("models", reference)


def _data_collector(workspace: Workspace, deployment: Deployment) -> Body | None:
    """
    Show where requests and predictions are kept.

    azure-rest-api-specs, machinelearningservices 2024-04-01, ``DataCollector`` and ``Collection``: ``dataId`` is the
    ARM id of a data asset, which the service registers as ``{endpoint}-{deployment}-{collection}:1``.
    """
    if not deployment.collects:
        return None
    return {
        "collections": {
            name: {
                "clientId": None,
                "dataCollectionMode": "Enabled",
                "dataId": workspace.names.resource("data", asset),
                "samplingRate": 1.0,
            }
            for name, asset in deployment.collects.items()
        },
        "requestLogging": None,
        "rollingRate": "Hour",
    }


def serverless_endpoint_body(workspace: Workspace, endpoint: Endpoint) -> Body:
    """
    Show a serverless endpoint: it names a model of a registry, without a version as a rule, and has no deployments.

    azure-rest-api-specs, machinelearningservices 2024-04-01, ``ServerlessEndpoint``.
    """
    properties: Body = {
        "authMode": "Key",
        "contentSafety": {"contentSafetyStatus": "Enabled"},
        "endpointState": "Online",
        "inferenceEndpoint": {
            "uri": f"https://{endpoint.name}.{workspace.names.region}.models.ai.azure.com",
            "headers": {},
        },
        "marketplaceSubscriptionId": None,
        "modelSettings": {"modelId": endpoint.model},
        "provisioningState": "Succeeded",
    }
    body = _served(workspace, f"serverlessEndpoints/{endpoint.name}", endpoint.tags, properties)
    return body | {"kind": None, "sku": {"name": "Consumption"}}


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
    if endpoint.compute:
        properties["compute"] = f"{names.id}/computes/{endpoint.compute}"
    return _served(workspace, f"onlineEndpoints/{endpoint.name}", endpoint.tags, properties, kind=_kind(endpoint))


def _kind(endpoint: Endpoint) -> str:
    return "Kubernetes" if endpoint.compute else "Managed"


def online_deployment_body(workspace: Workspace, endpoint: Endpoint, deployment: Deployment) -> Body:
    """Show an online deployment."""
    properties: Body = {
        "endpointComputeType": _kind(endpoint),
        "model": _model_uri(workspace, deployment.model),
        "environmentId": _environment_uri(workspace, deployment.environment),
        "codeConfiguration": None,
        "instanceType": "Standard_DS3_v2",
        "scaleSettings": {"scaleType": "Default"},
        "provisioningState": deployment.state,
        "properties": {},
        "dataCollector": _data_collector(workspace, deployment),
    }
    if endpoint.compute:
        share = {"cpu": "1", "memory": "2Gi"}
        properties["containerResourceRequirements"] = {
            "containerResourceRequests": share,
            "containerResourceLimits": share,
        }
    path = f"onlineEndpoints/{endpoint.name}/deployments/{deployment.name}"
    body = _served(workspace, path, deployment.tags, properties, kind=_kind(endpoint))
    return body | {"sku": {"name": "Default", "capacity": 1}}


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
    """Show a batch deployment of a model, or of a pipeline component."""
    names = workspace.names
    properties: Body = {
        "model": {"referenceType": "Id", "assetId": _model_uri(workspace, deployment.model)}
        if deployment.model
        else None,
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
        "provisioningState": deployment.state,
        "properties": {},
    }
    if deployment.component:
        properties["deploymentConfiguration"] = {
            "deploymentConfigurationType": "PipelineComponent",
            "componentId": {"referenceType": "Id", "assetId": names.resource("components", deployment.component)},
            "settings": {"default_compute": "cpu-cluster"},
        }
    path = f"batchEndpoints/{endpoint.name}/deployments/{deployment.name}"
    return _served(workspace, path, deployment.tags, properties)


def _served(
    workspace: Workspace, path: str, tags: Mapping[str, str], properties: Body, *, kind: str = "Managed"
) -> Body:
    """Wrap an endpoint or deployment: unlike assets they are tracked resources, tags and location outside."""
    body = resource(workspace, path, None, properties)
    return body | {"location": workspace.names.region, "kind": kind, "tags": dict(tags)}
