"""Reads endpoints and the models they serve off the SDK's entities."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from shared.azure_ml.services.sdk import SdkClient, is_name, plain_text
from shared.errors import RecordNotFoundError, UnreadableAnswerError
from shared.model import BATCH, AssetId, Deployment, Endpoint, ModelVersion, Workspace
from shared.places.uris import AssetReference, parse_reference
from shared.redaction import redact_mapping, redact_text

_DEPLOYMENT_NAME = re.compile(r"[\w-]+")
"""As Azure ML lets deployments be called."""


def find_endpoint(
    sdk: SdkClient, workspace: Workspace, name: str, *, get_model: Callable[[AssetId], ModelVersion]
) -> Endpoint | None:
    """
    Return an online or batch endpoint with its deployments, or None if there is none of this name.

    Args:
        get_model: returns a model version, or nothing but its name if it is gone.
    """
    try:
        endpoint, is_batch = sdk.get_endpoint(name, is_batch=False), False
    except RecordNotFoundError:
        try:
            endpoint, is_batch = sdk.get_endpoint(name, is_batch=True), True
        except RecordNotFoundError:
            return None
    if str(endpoint.name).casefold() != name.casefold():
        raise UnreadableAnswerError(f"endpoint {name}: name: is {endpoint.name}")
    traffic = getattr(endpoint, "traffic", None)
    shares = traffic if isinstance(traffic, Mapping) and not is_batch else {}
    deployments = [
        _to_deployment(each, shares, get_model, is_batch=is_batch)
        for each in sdk.list_deployments(name, is_batch=is_batch)
    ]
    return Endpoint(
        workspace=workspace,
        name=str(endpoint.name),
        compute_type=BATCH if is_batch else str(endpoint.kind or "Managed"),
        scoring_uri=redact_text(str(endpoint.scoring_uri or "")),
        state=plain_text(endpoint.provisioning_state or ""),
        description=redact_text(str(endpoint.description or "")),
        tags=redact_mapping(getattr(endpoint, "tags", None) or {}),
        deployments=tuple(sorted(deployments, key=lambda deployment: deployment.name)),
    )


def _to_deployment(
    deployment: Any, shares: Mapping[str, object], get_model: Callable[[AssetId], ModelVersion], *, is_batch: bool
) -> Deployment:
    # That of a pipeline component has no model.
    model = _read_model(str(getattr(deployment, "model", None) or ""))
    name = str(deployment.name)
    if not _DEPLOYMENT_NAME.fullmatch(name):
        raise UnreadableAnswerError(f"deployments: name: {name} is none")
    return Deployment(
        name=name,
        models=(get_model(model),) if model else (),
        environment=redact_text(str(getattr(deployment, "environment", None) or "")),
        instance_type=str(getattr(deployment, "instance_type", None) or ""),
        state=plain_text(deployment.provisioning_state or ""),
        traffic="" if is_batch else str(shares.get(name, 0)),
        field=f"properties.model{'.assetId' if is_batch else ''} of the deployment",
    )


def _read_model(text: str) -> AssetId | None:
    """
    Read the model a deployment names: an ARM id, `name:version`, or a registry path.

    Raises:
        UnreadableAnswerError: the text cannot be a name.
    """
    if not is_name(text):
        raise UnreadableAnswerError(f"properties.model, or its assetId in batch: {text!r} names no model")
    reference = parse_reference(text, kind="models")
    return reference.asset if isinstance(reference, AssetReference) else None
