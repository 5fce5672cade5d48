"""Finds out where a workspace's services live."""

from dataclasses import dataclass
from urllib.parse import urlsplit

from shared.azure_ml.shapes import OBJECT, TEXT, check_shape
from shared.errors import RequestRefusedError
from shared.http.rest import RestClient
from shared.model import Workspace, WorkspaceId

_API_VERSION = "2024-10-01-preview"


@dataclass(frozen=True, slots=True)
class WorkspaceRecord:
    """What resolving needs to know of a workspace."""

    workspace: Workspace
    guid: str
    api_url: str
    hierarchical_accounts: frozenset[str]
    """The default storage account, if it has a hierarchical namespace."""


def get_workspace(rest: RestClient, arm_endpoint: str, workspace: WorkspaceId) -> WorkspaceRecord:
    """
    Read the workspace and ask its discovery address for the host of its services (2 requests).

    The host is discovered, not built from the region: a private-link workspace has one of its own.
    """
    body = rest.get(f"{arm_endpoint}{workspace.arm_id}", params={"api-version": _API_VERSION})
    check_shape(body, {"name!": TEXT, "properties!": OBJECT, "properties.discoveryUrl!": TEXT})
    properties = body["properties"]
    discovery = str(properties["discoveryUrl"])
    api = str(rest.get(discovery, anonymous=True)["api"])
    if urlsplit(api).scheme != "https":
        raise RequestRefusedError(f"{discovery} names as api {api}, which is not https", status=0)
    account = str(properties.get("storageAccount") or "").rpartition("/")[2]
    return WorkspaceRecord(
        workspace=Workspace(workspace, name=str(body["name"]), region=str(body.get("location") or "")),
        guid=str(properties["workspaceId"]),
        api_url=api,
        hierarchical_accounts=frozenset({account} if properties.get("storageHnsEnabled") else ()),
    )
