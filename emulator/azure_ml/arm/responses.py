"""ARM's paths: the workspace, its assets and jobs."""

from collections import defaultdict
from collections.abc import Mapping

from aiohttp import web

from emulator.azure_ml.arm.bodies import (
    Body,
    component_body,
    container_body,
    data_body,
    datastore_body,
    environment_body,
    model_body,
    workspace_body,
)
from emulator.azure_ml.arm.job_bodies import JOB_TYPES, job_body
from emulator.azure_ml.arm.listing import ListView, list_page, one_of
from emulator.azure_ml.content.assets import Component, DataVersion, EnvironmentVersion, Key, ModelVersion
from emulator.azure_ml.content.assets import Version as AnyVersion
from emulator.azure_ml.content.runs import Run
from emulator.azure_ml.content.workspace import Workspace
from emulator.azure_ml.errors import bad_request, not_found
from emulator.azure_ml.requests import Current, Handler, api_version, base_url, workspace_of


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

    async def list_workspaces(self, request: web.Request) -> web.Response:
        """GET the workspaces of a subscription or a resource group."""
        api_version(request)
        scope = "/".join(request.path.split("/")[: 5 if "resource_group" in request.match_info else 3]).casefold()
        state = self._current()
        state.check_subscription(request.match_info["subscription"])
        found = [
            state.workspace(*(arm_id.split("/")[place] for place in (2, 4, 8)))
            for arm_id in state.workspace_ids()
            if f"{arm_id.casefold()}/".startswith(f"{scope}/")
        ]
        return list_page(request, found, lambda workspace: workspace_body(workspace, base_url(request)))

    async def list_datastores(self, request: web.Request) -> web.Response:
        """GET the datastores, or the default one only."""
        version, workspace = api_version(request), self._workspace(request)
        only_default = request.query.get("isDefault", "").lower() == "true"
        stores = [store for store in workspace.datastores.values() if store.default or not only_default]
        return list_page(request, stores, lambda store: datastore_body(workspace, store, version))

    async def get_datastore(self, request: web.Request) -> web.Response:
        """GET a datastore."""
        version, workspace = api_version(request), self._workspace(request)
        store = one_of(workspace.datastores, "Datastore", request.match_info["name"])
        return web.json_response(datastore_body(workspace, store, version))

    async def list_jobs(self, request: web.Request) -> web.Response:
        """GET the top-level runs, newest first."""
        api_version(request)
        workspace, state = self._workspace(request), self._current()
        view, wanted = ListView.of(request), request.query.get("jobType")
        kinds = {kind for kind, job_type in JOB_TYPES.items() if wanted in (None, job_type)}

        def is_listed(run: Run) -> bool:
            archived = workspace.is_archived(f"jobs/{run.id}")
            return run.kind in kinds and view.shows(archived=archived) and state.is_visible(run)

        return list_page(
            request, workspace.newest_first, lambda run: job_body(workspace, state.current(run)), is_listed
        )

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
            asset = workspace.assets(kind).get((name, version))
            if asset is None:
                raise not_found(kind, f"{name}:{version}")
            return web.json_response(_show(workspace, asset, False))

        return get

    def versions(self, kind: str) -> Handler:
        """Build GET of the versions of an asset, in the order asked for."""

        async def get(request: web.Request) -> web.StreamResponse:
            api_version(request)
            workspace, name = self._workspace(request), request.match_info["name"]
            versions = _versions(workspace.assets(kind), name)
            order = request.query.get("$orderBy", request.query.get("orderBy", "createdtime desc")).lower().split()
            if not order or order[0] not in ("createdtime", "modifiedtime"):
                raise bad_request(f"Cannot order by {' '.join(order)!r}.")
            if order[-1] == "desc":
                versions.reverse()
            view = ListView.of(request)
            return list_page(
                request,
                versions,
                lambda version: _show(workspace, version, True),
                lambda version: view.shows(archived=workspace.is_archived(version.arm_path(kind))),
            )

        return get

    def containers(self, kind: str) -> Handler:
        """Build GET of all assets of a kind."""

        async def get(request: web.Request) -> web.StreamResponse:
            api_version(request)
            workspace = self._workspace(request)
            by_name: defaultdict[str, list[AnyVersion]] = defaultdict(list)
            for version in _versions(workspace.assets(kind)):
                by_name[version.name].append(version)
            view = ListView.of(request)
            return list_page(
                request,
                list(by_name.items()),
                lambda item: container_body(workspace, kind, item[1]),
                lambda item: view.shows(archived=workspace.is_archived(f"{kind}/{item[0]}")),
            )

        return get

    def container(self, kind: str) -> Handler:
        """Build GET of one asset's container, which knows the latest version."""

        async def get(request: web.Request) -> web.StreamResponse:
            api_version(request)
            workspace, name = self._workspace(request), request.match_info["name"]
            versions = _versions(workspace.assets(kind), name)
            if not versions:
                raise not_found(kind, name)
            return web.json_response(container_body(workspace, kind, versions))

        return get

    def _workspace(self, request: web.Request) -> Workspace:
        return workspace_of(request, self._current())
