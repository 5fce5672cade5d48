"""The client of azure-ai-ml for one workspace: data assets and datastores."""

import logging
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from azure.core.credentials import TokenCredential
from azure.core.pipeline.transport import HttpTransport

from shared.clouds import BY_ARM_ENDPOINT, PUBLIC
from shared.errors import RecordNotFoundError, UnreadableAnswerError
from shared.http.errors import translated_errors
from shared.http.rest import CONNECT_TIMEOUT, READ_TIMEOUT, WORKSPACE_READER, BoundedRetryPolicy
from shared.model import AssetId, DataAsset, Datastore, WorkspaceId, to_utc_text
from shared.redaction import redact_mapping, redact_text

if TYPE_CHECKING:
    from azure.ai.ml import MLClient

_IN_NO_NAME = re.compile(r"[{}'\"]")
"""In no account, container, host or model; a workspace of OneLake may have almost any other name."""


class SdkClient:
    """
    The SDK client of one workspace. Methods may raise what `translated_errors` raises.

    azure-ai-ml takes 1.5 s and 100 MB to import, so that happens with the first call and not with this module.
    Who created an asset is read only if `owners` is true.
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
        self._build = partial(_build_client, workspace, arm_endpoint, credential, transport)

    @cached_property
    def _client(self) -> "MLClient":
        return self._build()

    def get_data(self, asset: AssetId) -> tuple[DataAsset, str, Mapping[str, object]]:
        """Return a data asset without location and columns, the URI it was registered from, and its raw tags."""
        with _errors(f"data {asset.label}"):
            data = self._client.data.get(asset.name, asset.version)
        created_by, created_at = self._creation(data)
        found = DataAsset(
            id=asset,
            location=None,
            data_type=str(data.type or ""),
            description=redact_text(data.description or ""),
            created_by=created_by,
            created_at=created_at,
            tags=redact_mapping(data.tags or {}),
        )
        return found, str(data.path or ""), data.tags or {}

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

    def _creation(self, entity: Any) -> tuple[str, str]:
        """Return who created an asset, if owners are asked for, and when."""
        context = getattr(entity, "creation_context", None)
        moment = getattr(context, "created_at", None)
        text = to_utc_text(moment) if isinstance(moment, datetime) else str(moment or "")
        return str(getattr(context, "created_by", "") or "") if self._owners else "", text


@contextmanager
def _errors(call: str) -> Iterator[None]:
    """Translate what the SDK raises; where it cannot read an answer's shape, name at least what was asked for."""
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
    """Name the cloud of an ARM endpoint, and describe it to the SDK unless it is a public one."""
    host = urlsplit(arm_endpoint).netloc.lower()
    if cloud := BY_ARM_ENDPOINT.get(f"https://{host}"):
        return {"cloud": cloud.name}
    metadata = {
        "azure_portal": arm_endpoint,
        "resource_manager": arm_endpoint,
        "active_directory": arm_endpoint,
        "aml_resource_id": arm_endpoint,
        "storage_endpoint": PUBLIC.storage,
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
        level = logging.CRITICAL if "_telemetry" in name else logging.WARNING
        if logger.level != level:  # to set it empties the caches of every logger there is
            logger.setLevel(level)


def _to_datastore(store: Any) -> Datastore:
    """Read a datastore; one whose account, container or endpoint cannot be a name is known by its own name alone."""
    container = _first_of(store, "container_name", "filesystem", "file_share_name")
    found = Datastore(
        name=str(store.name),
        kind=_kind_of(str(getattr(store.type, "value", store.type))),
        account=_first_of(store, "account_name", "one_lake_workspace_name", "store_name"),
        container=container or str(getattr(getattr(store, "artifact", None), "name", "")),
        protocol=_first_of(store, "protocol") or "https",
        endpoint=_first_of(store, "endpoint"),
    )
    if not all(map(is_name, (found.account, found.container, found.endpoint))):
        return Datastore(found.name, kind="")
    return found


def _first_of(store: object, *names: str) -> str:
    """Return the first attribute that exists and is not empty: each kind of datastore has its own."""
    return next((str(value) for name in names if (value := getattr(store, name, None))), "")


def _kind_of(sdk_type: str) -> str:
    """
    >>> _kind_of("azure_data_lake_gen2"), _kind_of("AzureBlob")
    ('AzureDataLakeGen2', 'AzureBlob')
    """
    return "".join(word[:1].upper() + word[1:] for word in sdk_type.split("_"))


def is_name(text: str) -> bool:
    """Whether a text may name something; the SDK makes text of any answer, of an object too."""
    return not _IN_NO_NAME.search(text)
