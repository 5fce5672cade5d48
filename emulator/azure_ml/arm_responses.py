"""ARM's paths: the workspace, its assets, endpoints and jobs."""

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

from aiohttp import web

from emulator.azure_ml.arm_bodies import (
    Body,
    batch_deployment_body,
    batch_endpoint_body,
    component_body,
    container_body,
    data_body,
    datastore_body,
    environment_body,
    model_body,
    online_deployment_body,
    online_endpoint_body,
    workspace_body,
)
from emulator.azure_ml.assets import Component, DataVersion, Deployment, Endpoint, EnvironmentVersion, Key, ModelVersion
from emulator.azure_ml.assets import Version as AnyVersion
from emulator.azure_ml.errors import bad_request, not_found
from emulator.azure_ml.job_bodies import JOB_TYPES, job_body
from emulator.azure_ml.paging import ARM_PAGE, next_link, page, page_size
from emulator.azure_ml.requests import Current, Handler, api_version, base_url, workspace_of
from emulator.azure_ml.workspace import Workspace

Thing = TypeVar("Thing")


def _one(things: Mapping[str, Thing], kind: str, name: str) -> Thing:
    if name not in things:
        raise not_found(kind, name)
    return things[name]


def _list(request: web.Request, things: Sequence[Thing], show: Callable[[Thing], Body]) -> web.Response:
    """Answer one page of a list; only what is on the page is built."""
    size = page_size(request.query.get("$top", request.query.get("count")), ARM_PAGE)
    some = page(things, request.query.get("$skip"), size)
    value = [show(thing) for thing in some.items]
    return web.json_response({"value": value, "nextLink": next_link(request, "$skip", some.token)})


def _show(workspace: Workspace, version: AnyVersion, listed: bool) -> Body:
    if isinstance(version, DataVersion):
        return data_body(workspace, version, listed=listed)
    if isinstance(version, ModelVersion):
        return model_body(workspace, version)
    if isinstance(version, EnvironmentVersion):
        return environment_body(workspace, version)
    if isinstance(version, Component):
        return component_body(workspace, version)
    raise not_found("Asset", version.label)


def _versions(assets: Mapping[Key, AnyVersion], name: str | None = None) -> list[AnyVersion]:
    """List versions oldest first; anonymous assets are in no list."""
    listed = [
        asset
        for asset in assets.values()
        if name in (None, asset.name) and not (isinstance(asset, DataVersion) and asset.anonymous)
    ]
    return sorted(listed, key=lambda asset: asset.created_at)


class ArmResponses:
    """Handlers of the paths below ``/subscriptions``."""

    def __init__(self, current: Current) -> None:
        self._current = current

    def routes(self) -> dict[str, Handler]:
        """Give path templates below a workspace and their handlers, all of them GET."""
        routes: dict[str, Handler] = {
            "": self.get_workspace,
            "/datastores": self.list_datastores,
            "/datastores/{name}": self.get_datastore,
            "/jobs": self.list_jobs,
            "/jobs/{name}": self.get_job,
            "/onlineEndpoints": self.endpoints("onlineEndpoints"),
            "/onlineEndpoints/{name}": self.endpoint("onlineEndpoints"),
            "/onlineEndpoints/{name}/deployments": self.deployments("onlineEndpoints"),
            "/onlineEndpoints/{name}/deployments/{deployment}": self.deployment("onlineEndpoints"),
            "/batchEndpoints": self.endpoints("batchEndpoints"),
            "/batchEndpoints/{name}": self.endpoint("batchEndpoints"),
            "/batchEndpoints/{name}/deployments": self.deployments("batchEndpoints"),
            "/batchEndpoints/{name}/deployments/{deployment}": self.deployment("batchEndpoints"),
        }
        for kind in ("data", "models", "environments", "components"):
            routes |= {
                f"/{kind}": self.containers(kind),
                f"/{kind}/{{name}}": self.container(kind),
                f"/{kind}/{{name}}/versions": self.versions(kind),
                f"/{kind}/{{name}}/versions/{{version}}": self.version(kind),
            }
        return routes

    async def get_workspace(self, request: web.Request) -> web.Response:
        """GET the workspace."""
        api_version(request)
        return web.json_response(workspace_body(self._workspace(request), base_url(request)))

    async def list_datastores(self, request: web.Request) -> web.Response:
        """GET the datastores, or the default one only."""
        version, workspace = api_version(request), self._workspace(request)
        only_default = request.query.get("isDefault", "").lower() == "true"
        stores = [store for store in workspace.datastores.values() if store.default or not only_default]
        return _list(request, stores, lambda store: datastore_body(workspace, store, version))

    async def get_datastore(self, request: web.Request) -> web.Response:
        """GET a datastore."""
        version, workspace = api_version(request), self._workspace(request)
        store = _one(workspace.datastores, "Datastore", request.match_info["name"])
        return web.json_response(datastore_body(workspace, store, version))

    async def list_jobs(self, request: web.Request) -> web.Response:
        """GET the top-level runs, newest first."""
        api_version(request)
        workspace, state = self._workspace(request), self._current()
        wanted = request.query.get("jobType")
        kinds = {kind for kind, job_type in JOB_TYPES.items() if wanted in (None, job_type)}
        runs = [run for run in workspace.newest_first if run.kind in kinds and state.is_visible(run)]
        return _list(request, runs, lambda run: job_body(workspace, state.current(run)))

    async def get_job(self, request: web.Request) -> web.Response:
        """GET a run as a job."""
        api_version(request)
        workspace = self._workspace(request)
        run = self._current().read_run(workspace, request.match_info["name"])
        return web.json_response(job_body(workspace, run))

    def version(self, kind: str) -> Handler:
        """Build GET of an asset version; anonymous data can be read, it is only not listed."""

        async def get(request: web.Request) -> web.StreamResponse:
            api_version(request)
            workspace = self._workspace(request)
            name, version = request.match_info["name"], request.match_info["version"]
            asset = _assets(workspace, kind).get((name, version))
            if asset is None:
                raise not_found(kind, f"{name}:{version}")
            return web.json_response(_show(workspace, asset, False))

        return get

    def versions(self, kind: str) -> Handler:
        """Build GET of the versions of an asset, in the order asked for."""

        async def get(request: web.Request) -> web.StreamResponse:
            api_version(request)
            workspace, name = self._workspace(request), request.match_info["name"]
            versions = _versions(_assets(workspace, kind), name)
            order = request.query.get("$orderBy", request.query.get("orderBy", "createdtime desc")).lower().split()
            if not order or order[0] not in ("createdtime", "modifiedtime"):
                raise bad_request(f"Cannot order by {' '.join(order)!r}.")
            if order[-1] == "desc":
                versions.reverse()
            return _list(request, versions, lambda version: _show(workspace, version, True))

        return get

    def containers(self, kind: str) -> Handler:
        """Build GET of all assets of a kind."""

        async def get(request: web.Request) -> web.StreamResponse:
            api_version(request)
            workspace = self._workspace(request)
            by_name: defaultdict[str, list[AnyVersion]] = defaultdict(list)
            for version in _versions(_assets(workspace, kind)):
                by_name[version.name].append(version)
            return _list(request, list(by_name.values()), lambda versions: container_body(workspace, kind, versions))

        return get

    def container(self, kind: str) -> Handler:
        """Build GET of one asset's container, which knows the latest version."""

        async def get(request: web.Request) -> web.StreamResponse:
            api_version(request)
            workspace, name = self._workspace(request), request.match_info["name"]
            versions = _versions(_assets(workspace, kind), name)
            if not versions:
                raise not_found(kind, name)
            return web.json_response(container_body(workspace, kind, versions))

        return get

    def endpoints(self, kind: str) -> Handler:
        """Build GET of all endpoints of a kind."""

        async def get(request: web.Request) -> web.StreamResponse:
            api_version(request)
            workspace = self._workspace(request)
            endpoints = list(_endpoints(workspace, kind).values())
            return _list(request, endpoints, lambda endpoint: _endpoint(workspace, kind, endpoint))

        return get

    def endpoint(self, kind: str) -> Handler:
        """Build GET of an endpoint."""

        async def get(request: web.Request) -> web.StreamResponse:
            api_version(request)
            workspace = self._workspace(request)
            endpoint = _one(_endpoints(workspace, kind), kind, request.match_info["name"])
            return web.json_response(_endpoint(workspace, kind, endpoint))

        return get

    def deployments(self, kind: str) -> Handler:
        """Build GET of an endpoint's deployments."""

        async def get(request: web.Request) -> web.StreamResponse:
            api_version(request)
            workspace = self._workspace(request)
            endpoint = _one(_endpoints(workspace, kind), kind, request.match_info["name"])
            deployments = list(endpoint.deployments.values())
            return _list(request, deployments, lambda each: _deployment(workspace, kind, endpoint, each))

        return get

    def deployment(self, kind: str) -> Handler:
        """Build GET of a deployment."""

        async def get(request: web.Request) -> web.StreamResponse:
            api_version(request)
            workspace = self._workspace(request)
            endpoint = _one(_endpoints(workspace, kind), kind, request.match_info["name"])
            deployment = _one(endpoint.deployments, "Deployment", request.match_info["deployment"])
            return web.json_response(_deployment(workspace, kind, endpoint, deployment))

        return get

    def _workspace(self, request: web.Request) -> Workspace:
        return workspace_of(request, self._current())


def _assets(workspace: Workspace, kind: str) -> Mapping[Key, AnyVersion]:
    assets: Mapping[str, Mapping[Key, AnyVersion]] = {
        "data": workspace.data,
        "models": workspace.models,
        "environments": workspace.environments,
        "components": workspace.components,
    }
    return assets[kind]


def _endpoints(workspace: Workspace, kind: str) -> Mapping[str, Endpoint]:
    return workspace.online_endpoints if kind == "onlineEndpoints" else workspace.batch_endpoints


def _endpoint(workspace: Workspace, kind: str, endpoint: Endpoint) -> Body:
    show = online_endpoint_body if kind == "onlineEndpoints" else batch_endpoint_body
    return show(workspace, endpoint)


def _deployment(workspace: Workspace, kind: str, endpoint: Endpoint, deployment: Deployment) -> Body:
    show = online_deployment_body if kind == "onlineEndpoints" else batch_deployment_body
    return show(workspace, endpoint, deployment)
