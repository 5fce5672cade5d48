"""Reads models, data, datastores, endpoints and deployments with the azure-ai-ml SDK."""

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from azure.core.credentials import TokenCredential
from azure.core.pipeline.transport import HttpTransport

from shared.azure_ml.run.job_settings import read_settings
from shared.azure_ml.run.schemas import parse_schema
from shared.errors import RecordNotFoundError, UnreadableAnswerError
from shared.http.errors import translated_errors
from shared.http.rest import CONNECT_TIMEOUT, READ_TIMEOUT, WORKSPACE_READER, BoundedRetryPolicy
from shared.model import AssetId, DataAsset, Datastore, ModelVersion, WorkspaceId, to_utc_text
from shared.places.uris import AssetReference, parse_reference
from shared.redaction import redact_mapping, redact_text

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

_NO_NAME = re.compile(r"[{}'\"]")
"""In no account, container, host or model; a workspace of OneLake may have almost any other name."""
_KNOWN_CLOUDS = {
    "management.azure.com": "AzureCloud",
    "management.chinacloudapi.cn": "AzureChinaCloud",
    "management.usgovcloudapi.net": "AzureUSGovernment",
}


class Assets:
    """
    The SDK client of one workspace. Methods may raise what `translated_errors` raises.

    azure-ai-ml takes 1.5 s and 100 MB to import, so that happens with the first instance and not with this module.
    Who made an asset is read only if `owners` is asked for.
    """

    def __init__(
        self,
        workspace: WorkspaceId,
        *,
        arm_endpoint: str,
        credential: TokenCredential,
        transport: HttpTransport[Any, Any],
        owners: bool = False,
    ) -> None:
        self._owners = owners
        self._client = _build_client(workspace, arm_endpoint, credential, transport)

    def get_data(self, asset: AssetId) -> tuple[DataAsset, str]:
        """Return a data asset version without its location, and the URI it was registered from."""
        with _errors(f"data {asset.label}"):
            data = self._client.data.get(asset.name, asset.version)
        created_by, created_at = self._creation(data)
        columns, notes = parse_schema(data.tags or {})
        found = DataAsset(
            id=asset,
            location=None,
            data_type=str(data.type or ""),
            description=redact_text(data.description or ""),
            created_by=created_by,
            created_at=created_at,
            tags=redact_mapping(data.tags or {}),
            columns=columns,
            notes=notes,
        )
        return found, str(data.path or "")

    def get_model(self, asset: AssetId) -> ModelVersion:
        with _errors(f"model {asset.label}"):
            model = self._client.models.get(asset.name, asset.version)
        created_by, created_at = self._creation(model)
        return ModelVersion(
            id=asset,
            model_type=str(model.type or ""),
            description=redact_text(model.description or ""),
            uri=redact_text(str(model.path or "")),
            job_name=str(model.job_name or ""),
            created_by=created_by,
            created_at=created_at,
            tags=redact_mapping(model.tags or {}),
            properties=redact_mapping(model.properties or {}),
            flavors=tuple(sorted(model.flavors or {})),
            stage=str(model.stage or ""),
        )

    def list_datastores(self) -> dict[str, Datastore]:
        """
        Return all datastores of the workspace by name, in one request a page.

        Raises:
            RecordNotFoundError: the SDK cannot read one of them; ask for those you need by name.
        """
        with _errors("datastores"):
            try:
                return {store.name: _to_datastore(store) for store in self._client.datastores.list()}
            except AttributeError as error:
                # azure-ai-ml 1.35 crashes on a kind of datastore it does not know, and the whole list with it.
                raise RecordNotFoundError(f"datastores: the SDK cannot read one of them ({error})") from error

    def get_datastore(self, name: str) -> Datastore:
        with _errors(f"datastore {name}"):
            try:
                return _to_datastore(self._client.datastores.get(name))
            except AttributeError as error:
                raise RecordNotFoundError(f"datastore {name}: of a kind the SDK cannot read ({error})") from error

    def get_job_settings(self, run_id: str) -> dict[str, str]:
        """
        Return the settings of a top-level AutoML or sweep run.

        Raises:
            RequestRefusedError: among others, where the SDK cannot parse the job: it does all of it or nothing.
        """
        with _errors(f"job {run_id}"):
            return read_settings(self._client.jobs.get(run_id))

    def _creation(self, entity: Any) -> tuple[str, str]:
        context = getattr(entity, "creation_context", None)
        moment = getattr(context, "created_at", None)
        text = to_utc_text(moment) if isinstance(moment, datetime) else str(moment or "")
        return str(getattr(context, "created_by", "") or "") if self._owners else "", text

    def get_online_endpoint(self, name: str) -> Any:
        with _errors(f"online endpoint {name}"):
            return self._client.online_endpoints.get(name)

    def list_online_deployments(self, endpoint: str) -> list[Any]:
        with _errors(f"deployments of {endpoint}"):
            return list(self._client.online_deployments.list(endpoint))

    def get_batch_endpoint(self, name: str) -> Any:
        with _errors(f"batch endpoint {name}"):
            return self._client.batch_endpoints.get(name)

    def list_batch_deployments(self, endpoint: str) -> list[Any]:
        with _errors(f"deployments of {endpoint}"):
            return list(self._client.batch_deployments.list(endpoint))


@contextmanager
def _errors(call: str) -> Iterator[None]:
    """Translate what the SDK raises; where it stumbles over an answer's shape, name at least what was asked for."""
    with translated_errors(call, needs=WORKSPACE_READER):
        try:
            yield
        except (AttributeError, KeyError, TypeError, IndexError) as error:
            raise UnreadableAnswerError(f"{call}: the SDK cannot read the answer ({error!r})") from error


def _build_client(
    workspace: WorkspaceId, arm_endpoint: str, credential: TokenCredential, transport: HttpTransport[Any, Any]
) -> "MLClient":
    from azure.ai.ml import MLClient

    client = MLClient(
        credential,
        workspace.subscription_id,
        workspace.resource_group,
        workspace.name,
        enable_telemetry=False,
        show_progress=False,
        transport=transport,
        retry_policy=BoundedRetryPolicy(),
        connection_timeout=CONNECT_TIMEOUT,
        read_timeout=READ_TIMEOUT,
        **_cloud(arm_endpoint),
    )
    _tame_loggers()
    return client


def _cloud(arm_endpoint: str) -> dict[str, Any]:
    """Name the cloud of an ARM endpoint, describing it to the SDK if it is none of the public ones."""
    host = urlsplit(arm_endpoint).netloc.lower()
    if host in _KNOWN_CLOUDS:
        return {"cloud": _KNOWN_CLOUDS[host]}
    metadata = {
        "azure_portal": arm_endpoint,
        "resource_manager": arm_endpoint,
        "active_directory": arm_endpoint,
        "aml_resource_id": arm_endpoint,
        "storage_endpoint": "core.windows.net",
        "registry_discovery_endpoint": arm_endpoint,
    }
    return {"cloud": host, "cloud_metadata": metadata}


def _tame_loggers() -> None:
    """
    Undo what the SDK does to its loggers: handlers of its own on stderr past ours, and INFO for every call.

    What it logs as an error of its "activities" reaches us as an exception, and may be no error at all.
    """
    for name in [name for name in logging.root.manager.loggerDict if name.startswith("azure.ai.ml")]:
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
        logger.setLevel(logging.CRITICAL if "_telemetry" in name else logging.WARNING)


def _to_datastore(store: Any) -> Datastore:
    """Read a datastore; one with an account, container or endpoint that can be no such thing is known by its name."""
    container = _first_of(store, "container_name", "filesystem", "file_share_name")
    found = Datastore(
        name=str(store.name),
        kind=_kind_of(str(getattr(store.type, "value", store.type))),
        account=_first_of(store, "account_name", "one_lake_workspace_name", "store_name"),
        container=container or str(getattr(getattr(store, "artifact", None), "name", "")),
        protocol=_first_of(store, "protocol") or "https",
        endpoint=_first_of(store, "endpoint"),
    )
    # The SDK makes a text of whatever it is answered, an object too; a place must not be made of that.
    if any(_NO_NAME.search(text) for text in (found.account, found.container, found.endpoint)):
        return Datastore(found.name, kind="")
    return found


def _first_of(store: object, *names: str) -> str:
    """Return the first attribute that is there and says something: each kind of datastore has its own."""
    return next((str(value) for name in names if (value := getattr(store, name, None))), "")


def _kind_of(sdk_type: str) -> str:
    """
    >>> _kind_of("azure_data_lake_gen2"), _kind_of("AzureBlob")
    ('AzureDataLakeGen2', 'AzureBlob')
    """
    return "".join(word[:1].upper() + word[1:] for word in sdk_type.split("_"))


def model_reference(text: str) -> AssetReference | None:
    """
    Read the model a deployment names: an ARM id, `name:version`, or a registry path.

    Raises:
        UnreadableAnswerError: it is no name at all.
    """
    if _NO_NAME.search(text):
        raise UnreadableAnswerError(f"properties.model, or its assetId in batch: {text!r} names no model")
    reference = parse_reference(text, kind="models")
    return reference if isinstance(reference, AssetReference) else None


def tags_of(entity: Any) -> Mapping[str, str]:
    return redact_mapping(getattr(entity, "tags", None) or {})
