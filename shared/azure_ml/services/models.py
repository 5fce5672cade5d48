"""Reads model versions as Azure Resource Manager writes them, and what its bodies have in common."""

from collections.abc import Mapping
from datetime import datetime
from urllib.parse import quote

from shared.errors import RecordNotFoundError, UnreadableAnswerError
from shared.http.rest import Json, RestClient
from shared.model import AssetId, ModelVersion, to_utc_text
from shared.redaction import redact_mapping, redact_place, redact_text

MODEL_VERSION = "2023-08-01-preview"


def get_model(rest: RestClient, workspace_url: str, asset: AssetId, *, owners: bool) -> ModelVersion:
    """
    Return a model version.

    Args:
        workspace_url: the address of the workspace at Azure Resource Manager.
        owners: also who created it.

    Raises:
        RecordNotFoundError: there is no such version.
        UnreadableAnswerError: where its files are, or which run made it, is not text. Anything else that is odd costs
            that alone.
    """
    path = f"models/{quote(asset.name, safe='')}/versions/{quote(asset.version, safe='')}"
    try:
        body = rest.get(f"{workspace_url}/{path}", params={"api-version": MODEL_VERSION})
    except RecordNotFoundError as error:
        raise RecordNotFoundError(f"model {asset.label}: Azure ML has no such version") from error
    properties = body.get("properties")
    if not isinstance(properties, dict):
        raise UnreadableAnswerError(f"model {asset.label}: properties: is missing or no object")
    created_by, created_at = creation(body, owners=owners)
    return ModelVersion(
        id=asset,
        model_type=text_in(properties, "modelType"),
        description=redact_text(text_in(properties, "description")),
        uri=redact_place(needed_text(properties, "modelUri", at=f"model {asset.label}: properties")),
        job_name=needed_text(properties, "jobName", at=f"model {asset.label}: properties"),
        created_by=created_by,
        created_at=created_at,
        tags=redact_mapping(object_in(properties, "tags")),
        properties=redact_mapping(object_in(properties, "properties")),
        flavors=tuple(sorted(map(str, object_in(properties, "flavors")))),
        stage=text_in(properties, "stage"),
    )


def creation(body: Json, *, owners: bool) -> tuple[str, str]:
    """Return who created a resource, if owners are asked for, and when; "" for what is not said."""
    data = object_in(body, "systemData")
    return text_in(data, "createdBy") if owners else "", _utc(text_in(data, "createdAt"))


def changed_at(body: Json) -> str:
    """Return when a resource was changed last; "" if that is not said."""
    data = object_in(body, "systemData")
    return _utc(text_in(data, "lastModifiedAt")) or _utc(text_in(data, "createdAt"))


def _utc(text: str) -> str:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return ""
    return to_utc_text(moment) if moment.tzinfo else text


def object_in(body: Mapping[str, object], member: str) -> Mapping[str, object]:
    """Return a member that is an object, or an empty one."""
    value = body.get(member)
    return value if isinstance(value, dict) else {}


def text_in(body: Mapping[str, object], member: str) -> str:
    """Return a member that is text, or ""."""
    value = body.get(member)
    return value if isinstance(value, str) else ""


def needed_text(body: Mapping[str, object], member: str, *, at: str) -> str:
    """
    Return a member that is text or null, on which lineage depends.

    Raises:
        UnreadableAnswerError: it is anything else.
    """
    value = body.get(member)
    if value is not None and not isinstance(value, str):
        raise UnreadableAnswerError(f"{at}.{member}: is no text")
    return value or ""
