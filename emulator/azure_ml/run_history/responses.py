"""The paths of discovery, run history, data and model registry: what the workspace's own host answers."""

import operator
import re
from collections.abc import Callable, Mapping
from typing import Any

from aiohttp import web

from emulator.azure_ml.arm.bodies import registry_model_body
from emulator.azure_ml.arm.listing import ListView
from emulator.azure_ml.content.runs import WIRE_TYPES, Run
from emulator.azure_ml.content.workspace import Workspace
from emulator.azure_ml.errors import AzureMLError, bad_request, not_found
from emulator.azure_ml.paging import CHILDREN_PAGE, MODELS_PAGE, Page, next_link, page, page_size
from emulator.azure_ml.requests import Current, Handler, base_url, json_object, workspace_of
from emulator.azure_ml.run_history.run_bodies import run_body, run_data, run_details

_ASSET_ID = re.compile(
    r"(?:azureml://locations/[^/]+/workspaces/(?P<guid>[^/]+)|(?P<arm>/subscriptions/.+/workspaces/[^/]+))"
    r"/(?P<kind>data|models)/(?P<name>[^/]+)/versions/(?P<version>[^/]+)",
    re.IGNORECASE,
)

# The part of run history's OData that the emulator understands: comparisons joined by "and".
_COMPARISON = re.compile(r"(\w+)\s+(eq|ne|ge|gt|le|lt)\s+('[^']*'|\S+)", re.IGNORECASE)
_OPERATORS: Mapping[str, Callable[[Any, Any], bool]] = {
    "eq": operator.eq, "ne": operator.ne, "ge": operator.ge, "gt": operator.gt, "le": operator.le, "lt": operator.lt,
}  # fmt: skip
_FIELDS = ("runId", "parentRunId", "rootRunId", "status", "runType", "createdUtc", "startTimeUtc", "endTimeUtc")


class HistoryResponses:
    """Handlers of the paths that start with a service's name."""

    def __init__(self, current: Current) -> None:
        self._current = current

    def routes(self) -> list[tuple[str, str, str, Handler]]:
        """Give method, service, path template below a workspace and handler."""
        return [
            ("GET", "history", "/runs/{run}", self.get_run),
            ("GET", "history", "/runs/{run}/children", self.list_children),
            ("GET", "history", "/runs/{run}/details", self.get_details),
            ("POST", "history", "/rundata", self.get_run_data),
            ("POST", "history", "/batchrundata", self.get_batch_run_data),
            ("GET", "history", "/experimentids/{experiment}", self.get_experiment),
            ("POST", "history", "/experimentids/{experiment}/runs:query", self.query_runs),
            ("POST", "data", "/dataversion/batchGetResolvedUris", self.resolve_data),
            ("POST", "modelregistry", "/models/batchGetResolvedUris", self.resolve_models),
            ("POST", "modelregistry", "/models/list", self.list_models),
        ]

    async def discover(self, request: web.Request) -> web.Response:
        """GET where the workspace's services are: all of them here."""
        base = base_url(request)
        services = ("api", "history", "catalog", "experimentation", "gallery", "hyperdrive", "studio", "registry")
        return web.json_response(dict.fromkeys(services, base))

    async def get_run(self, request: web.Request) -> web.Response:
        """GET a run's record."""
        return web.json_response(run_body(self._read(request, request.match_info["run"])))

    async def get_details(self, request: web.Request) -> web.Response:
        """GET a run's details."""
        run = self._read(request, request.match_info["run"])
        return web.json_response(run_details(self._workspace(request), run))

    async def list_children(self, request: web.Request) -> web.Response:
        """GET one page of the runs one level below, inputs and outputs null."""
        workspace, state = self._workspace(request), self._current()
        parent = request.match_info["run"]
        if parent not in workspace.runs:
            raise not_found("Run", parent)
        children = [state.current(run) for run in workspace.children_of(parent) if state.is_visible(run)]
        size = page_size(request.query.get("$top"), CHILDREN_PAGE)
        given = {name.casefold(): value for name, value in request.query.items()}
        some = page(children, given.get("$continuationtoken"), size)
        return web.json_response(_runs_page(some) | {"nextLink": next_link(request, "$continuationtoken", some.token)})

    async def get_run_data(self, request: web.Request) -> web.Response:
        """POST for a run with its inputs and outputs."""
        selected = await json_object(request)
        run = self._read(request, _run_id(selected))
        return web.json_response(run_data(self._workspace(request), run, selected))

    async def get_batch_run_data(self, request: web.Request) -> web.Response:
        """POST for many runs; those that are not there are listed apart."""
        wanted = (await json_object(request)).get("requests")
        if not isinstance(wanted, dict):
            raise bad_request("The requests field is required.")
        found: dict[str, object] = {}
        failed: dict[str, object] = {}
        for key, selected in wanted.items():
            try:
                run = self._read(request, _run_id(selected))
            except AzureMLError as error:
                failed[key] = error.body
            else:
                found[key] = run_data(self._workspace(request), run, selected)
        return web.json_response({"successfulResults": found, "failedResults": failed})

    async def get_experiment(self, request: web.Request) -> web.Response:
        """GET an experiment by its GUID."""
        name, guid = self._experiment(request)
        return web.json_response({"experimentId": guid, "name": name, "archivedTime": None, "tags": {}})

    async def query_runs(self, request: web.Request) -> web.Response:
        """POST a search for runs of an experiment, newest first."""
        body = await json_object(request)
        _, guid = self._experiment(request)
        matches = _filter(str(body.get("filter") or ""))
        state = self._current()
        runs = [
            state.current(run)
            for run in self._workspace(request).all_runs()
            if run.experiment_id == guid and state.is_visible(run)
        ]
        some = page(
            sorted((run for run in runs if matches(run)), key=lambda run: run.created, reverse=True),
            body.get("continuationToken"),
            page_size(body.get("top"), CHILDREN_PAGE),
        )
        return web.json_response(_runs_page(some) | {"nextLink": None})

    async def resolve_data(self, request: web.Request) -> web.Response:
        """POST data asset ids to learn their paths; unknown ones are left out of the answer."""
        workspace = self._workspace(request)
        values = {}
        for asset_id in await _values(request):
            key = _key(workspace, asset_id, "data")
            data = workspace.data.get(key) if key else None
            if data:
                uri = workspace.names.long_uri(data.path)
                values[asset_id] = {"uri": uri, "type": WIRE_TYPES[data.type], "legacyDatasetType": data.legacy_type}
        return web.json_response({"values": values})

    async def resolve_models(self, request: web.Request) -> web.Response:
        """POST model ids to learn their paths; unknown ones are left out of the answer."""
        workspace = self._workspace(request)
        values = {}
        for asset_id in await _values(request):
            key = _key(workspace, asset_id, "models")
            model = workspace.models.get(key) if key else None
            if model:
                path = workspace.names.long_uri(model.path, "resourceGroups")
                values[asset_id] = {"path": path, "type": WIRE_TYPES[model.type]}
        return web.json_response({"values": values})

    async def list_models(self, request: web.Request) -> web.Response:
        """
        POST for one page of all model versions, newest first.

        azure-rest-api-specs, ModelDataplane 1.0.0, ``Models_ListQueryPost``. Only the view is filtered by.
        """
        body, workspace = await json_object(request), self._workspace(request)
        if unknown := sorted(body.keys() - {"count", "skipToken", "listViewType", "orderBy"}):
            raise bad_request(f"The emulator does not filter models by {unknown[0]}.")
        if body.get("orderBy", "CreatedAtDesc") != "CreatedAtDesc":
            raise bad_request("The emulator lists models by CreatedAtDesc only.")
        view = ListView.read(str(body.get("listViewType") or "ActiveOnly"))
        models = sorted(workspace.models.values(), key=lambda model: model.created_at, reverse=True)
        wanted = [each for each in models if view.shows(archived=workspace.is_archived(each.arm_path("models")))]
        some = page(wanted, body.get("skipToken"), page_size(body.get("count"), MODELS_PAGE))
        following = {**body, "skipToken": some.token} if some.token else None
        value = [registry_model_body(workspace, model) for model in some.items]
        return web.json_response({"value": value, "continuationToken": some.token, "nextRequest": following})

    def _workspace(self, request: web.Request) -> Workspace:
        return workspace_of(request, self._current())

    def _read(self, request: web.Request, run_id: str) -> Run:
        return self._current().read_run(self._workspace(request), run_id)

    def _experiment(self, request: web.Request) -> tuple[str, str]:
        wanted = request.match_info["experiment"].lower()
        for name, guid in self._workspace(request).experiments.items():
            if guid.lower() == wanted:
                return name, guid
        raise not_found("Experiment", wanted)


def _run_id(selected: object) -> str:
    run_id = selected.get("runId") if isinstance(selected, dict) else None
    if not isinstance(run_id, str) or not run_id:
        raise bad_request("The runId field is required.")
    return run_id


async def _values(request: web.Request) -> list[str]:
    values = (await json_object(request)).get("values")
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise bad_request("The values field is required.")
    return values


def _key(workspace: Workspace, asset_id: str, kind: str) -> tuple[str, str] | None:
    """Read an asset id of this workspace; ids of registries and other workspaces do not resolve here."""
    match = _ASSET_ID.fullmatch(asset_id)
    if match is None or match["kind"].lower() != kind:
        return None
    names = workspace.names
    ours = match["guid"] == names.guid if match["guid"] else match["arm"].lower() == names.id.lower()
    return (match["name"], match["version"]) if ours else None


def _runs_page(some: Page[Run]) -> dict[str, Any]:
    return {"value": [run_body(run) for run in some.items], "continuationToken": some.token}


def _filter(text: str) -> Callable[[Run], bool]:
    """Read a filter; what is not understood is refused, so that no test passes by accident."""
    if not text.strip():
        return lambda _: True
    comparisons = []
    fields = {field.lower(): field for field in _FIELDS}
    for part in re.split(r"\s+and\s+", text.strip().replace("(", " ").replace(")", " ").strip(), flags=re.IGNORECASE):
        match = _COMPARISON.fullmatch(part.strip())
        if match is None or match[1].lower() not in fields:
            raise bad_request(f"The filter {text!r} is not valid here.")
        comparisons.append((fields[match[1].lower()], _OPERATORS[match[2].lower()], match[3].strip("'")))

    def matches(run: Run) -> bool:
        body = run_body(run)
        return all(body[field] is not None and compare(body[field], value) for field, compare, value in comparisons)

    return matches
