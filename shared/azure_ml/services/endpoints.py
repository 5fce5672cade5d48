"""Reads endpoints and what they serve as Azure Resource Manager writes them."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Protocol
from urllib.parse import quote

from shared.azure_ml.services.models import changed_at, creation, object_in, text_in
from shared.errors import RecordNotFoundError, UnreadableAnswerError
from shared.http.rest import Json, RestClient, readable_items
from shared.model import BATCH, SERVERLESS, Data, Deployment, Endpoint, ModelVersion, Port, Workspace
from shared.places.uris import AssetReference, parse_reference
from shared.redaction import redact_mapping, redact_text

ENDPOINTS_VERSION = "2024-04-01"
"""azure-rest-api-specs, machinelearningservices: it knows every kind of endpoint, and `dataCollector`."""
_NAME = re.compile(r"[\w-]+")
"""As Azure ML lets endpoints and deployments be called."""
_IN_NO_NAME = re.compile(r"[{}'\"]")
"""In no model's name: an object that was made text has them."""
_UNREAD = "Azure ML's list of its deployments cannot be read as a whole; there may be more than are shown."
_LATEST = "latest"
"""The version of a serverless model that names none: Azure serves the newest."""
_SERVERLESS_MODEL = re.compile(r"(?i)azureml://registries/(?P<registry>[^/]+)/models/(?P<model>[^/]+)")


class Assets(Protocol):
    """Reads what endpoints name."""

    def find_model(self, reference: AssetReference) -> ModelVersion | None:
        """Return a model version, or nothing but its name; None if its workspace is unknown."""
        ...

    def find_data(self, asset_ids: Mapping[str, str]) -> Mapping[str, Data]:
        """Return data by the names given to their asset ids."""
        ...


def find_endpoint(
    rest: RestClient, workspace_url: str, workspace: Workspace, name: str, *, assets: Assets
) -> Endpoint | None:
    """
    Return an online, batch or serverless endpoint with what it serves, or None if there is none of this name.

    Raises:
        UnreadableAnswerError: it is another endpoint or one of its deployments has no name. Anything else that is odd
            costs that alone.
    """
    for kind, read in _KINDS.items():
        url = f"{workspace_url}/{kind}/{quote(name, safe='')}"
        try:
            body = rest.get(url, params={"api-version": ENDPOINTS_VERSION})
        except RecordNotFoundError:
            continue
        found = text_in(body, "name")
        if found.casefold() != name.casefold():
            raise UnreadableAnswerError(f"endpoint {name}: name: is {found or 'missing'}")
        deployments, notes = _list_deployments(rest, url) if has_deployments(kind) else ((), "")
        return replace(read(workspace, body, deployments, assets), notes=notes)
    return None


def _list_deployments(rest: RestClient, url: str) -> tuple[tuple[Json, ...], str]:
    """Return the deployments of an endpoint, and a sentence if the list has something that cannot be read."""
    pages = rest.get_pages(f"{url}/deployments", params={"api-version": ENDPOINTS_VERSION})
    items = [item for page in pages for item in readable_items(page)]
    found = tuple(item for item in items if item is not None)
    return found, "" if len(found) == len(items) else _UNREAD


def _read_online(workspace: Workspace, body: Json, deployments: tuple[Json, ...], assets: Assets) -> Endpoint:
    properties = object_in(body, "properties")
    shares = object_in(properties, "traffic")
    return _endpoint(
        workspace,
        body,
        compute_type=text_in(body, "kind") or "Managed",
        scoring_uri=text_in(properties, "scoringUri"),
        deployments=(_read_deployment(each, shares, assets) for each in deployments),
    )


def _read_batch(workspace: Workspace, body: Json, deployments: tuple[Json, ...], assets: Assets) -> Endpoint:
    return _endpoint(
        workspace,
        body,
        compute_type=BATCH,
        scoring_uri=text_in(object_in(body, "properties"), "scoringUri"),
        deployments=(_read_deployment(each, None, assets) for each in deployments),
    )


def _read_serverless(workspace: Workspace, body: Json, _: tuple[Json, ...], assets: Assets) -> Endpoint:
    """Read an endpoint that serves a model of a registry by itself: that is shown as a deployment of its name."""
    properties, name = object_in(body, "properties"), text_in(body, "name")
    text = text_in(object_in(properties, "modelSettings"), "modelId")
    bare = _SERVERLESS_MODEL.fullmatch(text)
    models, notes = _read_model(f"{text}/versions/{_LATEST}" if bare else text, assets)
    served = Deployment(
        name,
        models=models,
        notes=notes,
        state=text_in(properties, "endpointState"),
        traffic="100",
        field="properties.modelSettings.modelId of the endpoint",
        changed_at=changed_at(body),
    )
    uri = text_in(object_in(properties, "inferenceEndpoint"), "uri")
    return _endpoint(workspace, body, compute_type=SERVERLESS, scoring_uri=uri, deployments=iter((served,)))


_KINDS = {
    "onlineEndpoints": _read_online,
    "batchEndpoints": _read_batch,
    "serverlessEndpoints": _read_serverless,
}
ENDPOINT_KINDS = tuple(_KINDS)
"""As the paths of Azure Resource Manager call them."""


def has_deployments(path: str) -> bool:
    """Whether endpoints of the kind that a path begins with have deployments."""
    return not path.startswith("serverlessEndpoints")


def _endpoint(
    workspace: Workspace, body: Json, *, compute_type: str, scoring_uri: str, deployments: Iterator[Deployment]
) -> Endpoint:
    properties = object_in(body, "properties")
    return Endpoint(
        workspace=workspace,
        name=text_in(body, "name"),
        compute_type=compute_type,
        scoring_uri=redact_text(scoring_uri),
        state=text_in(properties, "provisioningState"),
        description=redact_text(text_in(properties, "description")),
        tags=redact_mapping(object_in(body, "tags")),
        deployments=tuple(sorted(deployments, key=lambda deployment: deployment.name)),
    )


def _read_deployment(body: Json, shares: Mapping[str, object] | None, assets: Assets) -> Deployment:
    """Read a deployment; `shares` is the traffic of all of them by name, None in batch."""
    name = text_in(body, "name")
    if not _NAME.fullmatch(name):
        raise UnreadableAnswerError(f"deployments: name: {name} is none")
    properties = object_in(body, "properties")
    model, field = properties.get("model"), "properties.model of the deployment"
    if shares is None:
        field = "properties.model.assetId of the deployment"
        model = model.get("assetId") or model if isinstance(model, dict) else model
    models, notes = _read_model(model, assets)
    if not properties:
        notes = "Azure ML does not say which model it serves."
    return Deployment(
        name=name,
        models=models,
        environment=redact_text(text_in(properties, "environmentId")),
        instance_type=text_in(properties, "instanceType"),
        state=text_in(properties, "provisioningState"),
        traffic="" if shares is None else str(shares.get(name, 0)),
        field=field,
        notes=notes,
        collected=_read_collected(properties, assets),
        changed_at=changed_at(body),
        created_at=creation(body, owners=False)[1],
    )


def _read_collected(properties: Mapping[str, object], assets: Assets) -> tuple[Port, ...]:
    """
    Read where the data collector of an online deployment keeps requests and predictions.

    azure-rest-api-specs, machinelearningservices: of a `Collection`, `dataCollectionMode` is `Enabled` or `Disabled`.
    """
    collections = object_in(object_in(properties, "dataCollector"), "collections")
    ids = {
        name: text_in(collection, "dataId")
        for name, collection in ((name, object_in(collections, name)) for name in sorted(collections))
        if text_in(collection, "dataCollectionMode").casefold() != "disabled"
    }
    found = assets.find_data({name: asset_id for name, asset_id in ids.items() if asset_id})
    field = "properties.dataCollector.collections.{}.dataId of the deployment"
    return tuple(Port(name, data, field.format(name)) for name, data in found.items())


def _read_model(value: object, assets: Assets) -> tuple[tuple[ModelVersion, ...], str]:
    """
    Read the model that is served: an ARM id, `name:version`, or a registry path; nothing for a pipeline component.

    Returns:
        The model, and what is wrong where it is unknown.
    """
    if not value:
        return (), ""
    if isinstance(value, str) and not _IN_NO_NAME.search(value):
        reference = parse_reference(value, kind="models")
        if isinstance(reference, AssetReference) and reference.asset.kind == "models":
            if model := assets.find_model(reference):
                return (model,), ""
            return (), f"The model that it serves is of a workspace that cannot be named: {redact_text(value)}."
    form = text_in(value, "referenceType") if isinstance(value, dict) else str(value)
    return (), f"The model that it serves cannot be read: {redact_text(form) or 'no reference'}."
