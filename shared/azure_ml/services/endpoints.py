"""Reads endpoints and what they serve off the SDK's entities."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from shared.azure_ml.run.job_settings import plain_text
from shared.azure_ml.services.sdk import Assets, model_reference, tags_of
from shared.errors import RecordNotFoundError, UnreadableAnswerError
from shared.model import BATCH, AssetId, Deployment, Endpoint, ModelVersion, Workspace
from shared.redaction import redact_text

_NAME = re.compile(r"[\w-]+")
"""As Azure ML lets deployments be called."""


def find_endpoint(
    assets: Assets, workspace: Workspace, name: str, *, get_model: Callable[[AssetId], ModelVersion]
) -> Endpoint | None:
    """
    Return an online or batch endpoint with its deployments, or None if there is none of this name.

    Args:
        get_model: returns a model version, or nothing but its name if it is gone.
    """
    try:
        endpoint, kind = assets.get_online_endpoint(name), ""
    except RecordNotFoundError:
        try:
            endpoint, kind = assets.get_batch_endpoint(name), BATCH
        except RecordNotFoundError:
            return None
    listed = assets.list_batch_deployments if kind else assets.list_online_deployments
    if str(endpoint.name).casefold() != name.casefold():
        raise UnreadableAnswerError(f"endpoint {name}: name: is {endpoint.name}")
    traffic = getattr(endpoint, "traffic", None)
    deployments = [
        _to_deployment(
            each, {} if kind else traffic if isinstance(traffic, Mapping) else {}, get_model, batch=bool(kind)
        )
        for each in listed(name)
    ]
    return Endpoint(
        workspace=workspace,
        name=str(endpoint.name),
        compute_type=kind or str(endpoint.kind or "Managed"),
        scoring_uri=redact_text(str(endpoint.scoring_uri or "")),
        state=plain_text(endpoint.provisioning_state or ""),
        description=redact_text(str(endpoint.description or "")),
        tags=tags_of(endpoint),
        deployments=tuple(sorted(deployments, key=lambda deployment: deployment.name)),
    )


def _to_deployment(
    deployment: Any, traffic: Mapping[str, object], get_model: Callable[[AssetId], ModelVersion], *, batch: bool
) -> Deployment:
    # That of a pipeline component has no model.
    reference = model_reference(str(getattr(deployment, "model", None) or ""))
    if not _NAME.fullmatch(str(deployment.name)):
        raise UnreadableAnswerError(f"deployments: name: {deployment.name} is none")
    return Deployment(
        name=str(deployment.name),
        models=(get_model(reference.asset),) if reference else (),
        environment=redact_text(str(getattr(deployment, "environment", None) or "")),
        instance_type=str(getattr(deployment, "instance_type", None) or ""),
        state=plain_text(deployment.provisioning_state or ""),
        traffic="" if batch else str(traffic.get(str(deployment.name), 0)),
        field=f"properties.model{'.assetId' if batch else ''} of the deployment",
    )
