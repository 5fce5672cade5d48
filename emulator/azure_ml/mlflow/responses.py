"""The paths of the workspace's MLflow, under both version prefixes that clients use."""

from aiohttp import web

from emulator.azure_ml.content.reading import START
from emulator.azure_ml.content.runs import Run
from emulator.azure_ml.content.workspace import Workspace
from emulator.azure_ml.errors import AzureMLError
from emulator.azure_ml.mlflow.mlflow import (
    invalid,
    metric_history,
    milliseconds,
    mlflow_model_version,
    mlflow_run,
    not_there,
    read_filter,
    root_run_of,
)
from emulator.azure_ml.paging import MLFLOW_PAGE, page
from emulator.azure_ml.requests import Current, Handler, json_object, workspace_of

# The most runs one search may return, as in MLflow.
MAX_RESULTS = 50_000


class MlflowResponses:
    """Handlers of ``/mlflow/v1.0|v2.0/{workspace}/api/2.0/mlflow``."""

    def __init__(self, current: Current) -> None:
        self._current = current

    def routes(self) -> list[tuple[str, str, Handler]]:
        """Give method, path template and handler."""
        return [
            ("GET", "/runs/get", self.get_run),
            ("POST", "/runs/search", self.search_runs),
            ("GET", "/metrics/get-history", self.get_metric_history),
            ("GET", "/experiments/get", self.get_experiment),
            ("POST", "/experiments/search", self.search_experiments),
            ("GET", "/model-versions/get", self.get_model_version),
        ]

    async def get_run(self, request: web.Request) -> web.Response:
        """GET a run with its metrics, parameters and tags."""
        return web.json_response({"run": mlflow_run(self._run(request))})

    async def search_runs(self, request: web.Request) -> web.Response:
        """POST a search over experiments, latest start first."""
        body = await json_object(request)
        experiments = body.get("experiment_ids", [])
        text = str(body.get("filter") or "")
        matches, root = read_filter(text), root_run_of(text)
        workspace, state = self._workspace(request), self._current()
        runs = [
            state.current(run)
            for run in (workspace.all_runs() if root is None else workspace.family_of(root))
            if run.experiment_id in experiments and state.is_visible(run)
        ]
        found = sorted((run for run in runs if matches(run)), key=lambda run: (-milliseconds(run.start), run.id))
        size = body.get("max_results", MLFLOW_PAGE)
        if not isinstance(size, int) or not 1 <= size <= MAX_RESULTS:
            raise invalid(f"Invalid value for request parameter max_results: must be at most {MAX_RESULTS}")
        try:
            some = page(found, body.get("page_token"), size)
        except AzureMLError as error:
            raise invalid("Invalid page token") from error
        answer: dict[str, object] = {"runs": [mlflow_run(run, searched=True) for run in some.items]}
        return web.json_response(answer | ({"next_page_token": some.token} if some.token else {}))

    async def get_metric_history(self, request: web.Request) -> web.Response:
        """GET all values of one metric."""
        return web.json_response({"metrics": metric_history(self._run(request), request.query.get("metric_key", ""))})

    async def get_experiment(self, request: web.Request) -> web.Response:
        """GET an experiment by its GUID."""
        wanted = request.query.get("experiment_id", "")
        for name, guid in self._workspace(request).experiments.items():
            if guid == wanted:
                return web.json_response({"experiment": _experiment(name, guid)})
        raise not_there(f"Experiment {wanted}")

    async def search_experiments(self, request: web.Request) -> web.Response:
        """POST a search for experiments; all of them are listed, a filter is refused."""
        if (await json_object(request)).get("filter"):
            raise invalid("The emulator does not filter experiments.")
        experiments = self._workspace(request).experiments
        return web.json_response({"experiments": [_experiment(name, guid) for name, guid in experiments.items()]})

    async def get_model_version(self, request: web.Request) -> web.Response:
        """GET a model version, with the run it came from."""
        name, version = request.query.get("name", ""), request.query.get("version", "")
        return web.json_response({"model_version": mlflow_model_version(self._workspace(request), name, version)})

    def _workspace(self, request: web.Request) -> Workspace:
        return workspace_of(request, self._current())

    def _run(self, request: web.Request) -> Run:
        run_id = request.query.get("run_id", "")
        run, state = self._workspace(request).runs.get(run_id), self._current()
        if run is None or not state.is_visible(run):
            raise not_there(f"Run {run_id}")
        return state.current(run)


def _experiment(name: str, guid: str) -> dict[str, object]:
    return {
        "experiment_id": guid,
        "name": name,
        "artifact_location": "",
        "lifecycle_stage": "active",
        "creation_time": milliseconds(START),
        "last_update_time": milliseconds(START),
    }
