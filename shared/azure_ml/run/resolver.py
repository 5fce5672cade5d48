"""Works out what a run consumed and produced, which run made a model, and what an endpoint serves."""

from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass
from functools import partial, wraps
from typing import ParamSpec, TypeVar

from shared.azure_ml.run.data_references import DataReader
from shared.azure_ml.run.declared_columns import read_declared
from shared.azure_ml.run.inputs_outputs import list_bindings
from shared.azure_ml.run.mlflow_inputs import read_logged_inputs
from shared.azure_ml.run.records import Record, RootFacts, to_run
from shared.azure_ml.run.run_datasets import RunDatasets
from shared.azure_ml.run.run_tree import Family, read_family
from shared.azure_ml.services import endpoints
from shared.azure_ml.services.artifacts import Artifacts
from shared.azure_ml.services.saved_datasets import SavedDatasets
from shared.azure_ml.services.sdk import Assets
from shared.azure_ml.services.workspace_api import RunHistory
from shared.azure_ml.services.workspaces import WorkspaceRecord, get_workspace
from shared.cache import Cache
from shared.errors import (
    RecordNotFoundError,
    RequestRefusedError,
    UnreadableAnswerError,
)
from shared.http.rest import Json, RestClient
from shared.model import (
    AssetId,
    Endpoint,
    Location,
    Maker,
    ModelVersion,
    Port,
    Run,
    RunTree,
    Workspace,
    WorkspaceId,
)
from shared.places.uris import DatastorePath, RunOutput, parse_reference, run_of_path

_MODEL_PATH = "properties.modelUri (its path carries the run's id)"
CACHE_SECONDS = 600.0
CACHE_SIZE = 20_000


P = ParamSpec("P")
R = TypeVar("R")


def _readable(method: Callable[P, R]) -> Callable[P, R]:
    """Tell an answer of an unexpected shape from a defect: nothing outside an adapter knows the wire."""

    @wraps(method)
    def read(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(*args, **kwargs)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UnreadableAnswerError(f"Azure ML answered what we cannot read: {error!r}") from error

    return read


@dataclass(frozen=True, slots=True)
class _Reader:
    """The clients of one workspace."""

    record: WorkspaceRecord
    history: RunHistory
    artifacts: Artifacts
    assets: Assets
    data: DataReader
    saved: SavedDatasets


class Resolver:
    """
    Azure ML as a source of lineage.

    Every method may raise ServiceUnavailableError, AccessDeniedError, RequestRefusedError and UnreadableAnswerError,
    RecordNotFoundError where Azure ML has no such thing, and RunNotSettledError where records contradict each other.
    """

    def __init__(
        self,
        rest: RestClient,
        *,
        arm_endpoint: str,
        open_assets: Callable[[WorkspaceId], Assets],
        clock: Callable[[], float],
        owners: bool = False,
    ) -> None:
        self._owners = owners
        self._rest = rest
        self._arm_endpoint = arm_endpoint
        self._open_assets = open_assets
        self._cache = Cache(size=CACHE_SIZE, seconds=CACHE_SECONDS, clock=clock)

    @_readable
    def get_workspace(self, workspace: WorkspaceId) -> Workspace:
        return self._reader(workspace).record.workspace

    @_readable
    def get_root_status(self, workspace: WorkspaceId, run_id: str) -> str:
        """Return the status of a pipeline, in one request."""
        return Record.from_json(self._reader(workspace).history.get_run(run_id)).status

    @_readable
    def get_run_tree(
        self,
        workspace: WorkspaceId,
        run_id: str,
        *,
        orchestrates: bool = False,
        experiments: Mapping[str, str] | None = None,
    ) -> RunTree:
        """
        Return the whole tree that a run belongs to.

        Costs a constant number of requests for a pipeline of any number of steps, pages of children aside;
        with v1 one more for each data set.

        Args:
            orchestrates: the run is known to be a pipeline, which saves the request that would find out.
            experiments: names of experiments by id, for this tree alone; each saves a request. They never change.
        """
        reader = self._reader(workspace)
        with ThreadPoolExecutor(max_workers=1) as beside:  # what does not depend on each other is asked at once
            datastores = beside.submit(copy_context().run, reader.data.datastores)
            family = read_family(reader.history, run_id, orchestrates=orchestrates)
            datastores.result()
            metrics = beside.submit(copy_context().run, self._read_mlflow, reader.history, family)
            bindings = {record.run_id: tuple(reader.saved.place(list_bindings(record))) for record in family.workers}
            data = reader.data.resolve(bindings)
            mlflow = metrics.result()
        settings, notes = _read_settings(reader.assets, family.root)

        def experiment_of(record: Record) -> str:
            return (experiments or {}).get(record.experiment_id) or self._experiment_name(reader, record.experiment_id)

        def ports_of(record: Record, *, are_outputs: bool) -> list[Port]:
            wanted = (binding for binding in bindings[record.run_id] if binding.is_output is are_outputs)
            return [Port(binding.name, data[binding.asset_id], binding.field) for binding in wanted]

        root = RootFacts.of(family.root, experiment=experiment_of(family.root))

        def run_of(record: Record) -> Run:
            inputs, outputs = ports_of(record, are_outputs=False), ports_of(record, are_outputs=True)
            logged = read_logged_inputs(mlflow.get(record.run_id), record.run_id, inputs, reader.data, data.values())
            inputs += logged.ports
            return to_run(
                record,
                experiment=experiment_of(record),
                inputs=inputs,
                outputs=outputs,
                mlflow=mlflow.get(record.run_id),
                best=mlflow.get(record.best_child_id),
                settings=settings,
                notes=" ".join(filter(None, (notes, logged.notes))),
                declared=read_declared(
                    record.tags,
                    RunDatasets(record.run_id, inputs, outputs, reader.data),
                    partial(reader.artifacts.get_content, record.container),
                ),
                root=root,
                owners=self._owners,
            )

        return RunTree(
            workspace=reader.record.workspace,
            root_id=family.root.run_id,
            root_status=family.root.status,
            runs=tuple(sorted(map(run_of, family.workers), key=lambda run: run.id)),
            aliases=family.aliases,
        )

    @_readable
    def get_model(self, workspace: WorkspaceId, model: AssetId) -> ModelVersion:
        """Return the model version as it is now."""
        return self._reader(workspace).data.get_model(model, fresh=True)

    @_readable
    def find_maker(self, workspace: WorkspaceId, model: ModelVersion) -> Maker | None:
        """
        Find the run that made a model version, with its tree.

        The path of the model's files is the most exact witness; the run named at registration may be the whole
        pipeline. Returns None if no witness leads to a run: uploaded by hand, or the run is gone.
        """
        data = self._reader(workspace).data
        for run_id, field in _witnesses(model, data):
            try:
                tree = self.get_run_tree(workspace, run_id)
            except RecordNotFoundError:
                continue
            maker = tree.aliases.get(run_id, run_id)
            if any(run.id == maker for run in tree.runs):
                return Maker(tree, maker, f"{field} of the model version", inferred=field == _MODEL_PATH)
            location = data.locate(model.uri)
            if location and (by_path := _writer_of(location, tree)):
                return Maker(tree, by_path, f"{field} and properties.modelUri of the model version", inferred=True)
        return None

    @_readable
    def find_endpoint(self, workspace: WorkspaceId, name: str) -> Endpoint | None:
        """Return an online or batch endpoint with its deployments and the model versions they serve, or None."""
        reader = self._reader(workspace)
        return endpoints.find_endpoint(
            reader.assets, reader.record.workspace, name, get_model=reader.data.get_model_or_name
        )

    def _reader(self, workspace: WorkspaceId) -> _Reader:
        return self._cache.get(workspace, lambda: self._open(workspace))

    def _open(self, workspace: WorkspaceId) -> _Reader:
        record = get_workspace(self._rest, self._arm_endpoint, workspace)
        history = RunHistory(self._rest, record.api_url, workspace.arm_id)
        artifacts = Artifacts(self._rest, record.api_url, workspace.arm_id)
        assets = self._open_assets(workspace)
        data = DataReader(record, history, assets, self._cache)
        saved = SavedDatasets(self._rest, record.api_url, workspace.arm_id, cache=self._cache, is_here=data.is_here)
        return _Reader(record, history, artifacts, assets, data, saved)

    def _read_mlflow(self, history: RunHistory, family: Family) -> dict[str, Json]:
        if not family.root.is_pipeline:
            # What a sweep or AutoML found is logged by its best child.
            chosen = filter(None, (family.root.run_id, family.root.best_child_id))
            return {run_id: found for run_id in chosen if (found := _mlflow_run(history, run_id))}
        # A reused step logged its metrics below the root it first ran under.
        roots = {(record.experiment_id, record.root_id) for record in family.workers}
        # A sweep among the steps may have thousands of trials: of those, the best one is kept.
        wanted = {run_id for record in family.workers for run_id in (record.run_id, record.best_child_id)}
        return {
            run_id: run
            for experiment_id, root_id in sorted(roots)
            for run in history.search_mlflow_runs(experiment_id, root_id)
            if (run_id := str(run["info"]["run_id"])) in wanted
        }

    def _experiment_name(self, reader: _Reader, experiment_id: str) -> str:
        key = (reader.record.workspace.id, "experiment", experiment_id)
        return self._cache.get(key, lambda: reader.history.get_experiment_name(experiment_id))


def _read_settings(assets: Assets, root: Record) -> tuple[dict[str, str], str]:
    """
    Read what only the job of an AutoML or sweep run knows: such a root has no run definition.

    Returns:
        The settings, and a sentence if they cannot be read, which must not cost the run its lineage.
    """
    if root.is_pipeline or root.definition:
        return {}, ""
    try:
        return assets.get_job_settings(root.run_id), ""
    except (RequestRefusedError, RecordNotFoundError) as error:
        return {}, f"The settings of this run cannot be read: {error}"


def _mlflow_run(history: RunHistory, run_id: str) -> Json | None:
    try:
        return history.get_mlflow_run(run_id)
    except RecordNotFoundError:
        return None  # a run that MLflow never heard of has logged nothing


def _witnesses(model: ModelVersion, data: DataReader) -> Iterator[tuple[str, str]]:
    """Yield runs that may have made a model, each with the field of the model that speaks of it."""
    reference = parse_reference(model.uri)
    if not data.is_here(reference):
        return  # copied from another workspace: its run is there, whatever runs of the same name there are here
    match reference:
        case DatastorePath(_, path):
            if by_path := run_of_path(path):
                yield by_path, _MODEL_PATH
        case RunOutput(run_id):
            yield run_id, "properties.modelUri (an output of the run)"
    if model.job_name:
        yield model.job_name, "properties.jobName"


def _writer_of(location: Location, tree: RunTree) -> str | None:
    for run in tree.runs:
        for port in run.outputs:
            if isinstance(port.data, Location) and f"{location.url}/".startswith(f"{port.data.url}/"):
                return run.id
    return None
