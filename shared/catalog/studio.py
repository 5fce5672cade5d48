"""Links to Azure ML Studio. Of runs they are as the jobs API gives them, of assets as Studio's own pages are called."""

from urllib.parse import quote

from shared.model import AssetId, WorkspaceId

_STUDIO = "https://ml.azure.com"


def url_of_run(workspace: WorkspaceId, run_id: str) -> str:
    """
    >>> url_of_run(WorkspaceId("s", "rg", "ws"), "train")
    'https://ml.azure.com/runs/train?wsid=/subscriptions/s/resourcegroups/rg/workspaces/ws'
    """
    return _url(workspace, f"runs/{quote(run_id, safe='')}")


def url_of_asset(workspace: WorkspaceId, asset: AssetId) -> str:
    """
    Link to a data asset or a model; "" for one of a registry, which belongs to no workspace.

    >>> url_of_asset(WorkspaceId("s", "rg", "ws"), AssetId("models", "churn", "3"))
    'https://ml.azure.com/model/churn:3/details?wsid=/subscriptions/s/resourcegroups/rg/workspaces/ws'
    """
    if asset.registry:
        return ""
    name, version = quote(asset.name, safe=""), quote(asset.version, safe="")
    path = f"model/{name}:{version}" if asset.kind == "models" else f"{asset.kind}/{name}/{version}"
    return _url(workspace, f"{path}/details")


def url_of_endpoint(workspace: WorkspaceId, name: str) -> str:
    """
    Link to an online endpoint.

    >>> url_of_endpoint(WorkspaceId("s", "rg", "ws"), "churn-ep")
    'https://ml.azure.com/endpoints/realtime/churn-ep/detail?wsid=/subscriptions/s/resourcegroups/rg/workspaces/ws'
    """
    return _url(workspace, f"endpoints/realtime/{quote(name, safe='')}/detail")


def _url(workspace: WorkspaceId, page: str) -> str:
    return (
        f"{_STUDIO}/{page}?wsid=/subscriptions/{workspace.subscription_id}"
        f"/resourcegroups/{workspace.resource_group}/workspaces/{workspace.name}"
    )
