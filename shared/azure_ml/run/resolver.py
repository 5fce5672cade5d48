"""Works out what a run consumed and produced, which run produced a model, and what an endpoint serves."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import wraps
from typing import ParamSpec, TypeVar

from shared.azure_ml.run.data_references import DataReader
from shared.azure_ml.run.records import Record
from shared.azure_ml.run.run_tree import RunTreeReader
from shared.azure_ml.services import endpoints
from shared.azure_ml.services.sdk import SdkClient
from shared.azure_ml.services.workspace_api import WorkspaceApi, get_workspace
from shared.cache import Cache
from shared.errors import RecordNotFoundError, UnreadableAnswerError
from shared.http.rest import RestClient
from shared.model import (
    AssetId,
    Data,
    DataAsset,
    Endpoint,
    Location,
    ModelVersion,
    Producer,
    Run,
    RunTree,
    SeveralWriters,
    Workspace,
    WorkspaceId,
)
from shared.places.uris import DatastorePath, RunOutput, parse_reference, run_of_path

_MODEL_PATH = "properties.modelUri (its path carries the run's id)"
_MODEL_URI = "properties.modelUri of the model version"
RUN_TAG = "lineage.run"
"""Tag of a model by which people say which run made it: its id, or the ARM id of the job."""
USUAL_TAGS = ("run_id", "training_job")
"""Tags that CI commonly sets to the id of the run (medChiboub/mlops-ai-300, train-prod.yml; MLflow's `run_id`)."""
_RUN_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,254}")
_JOB = re.compile(r"(?P<workspace>/subscriptions/[^?#]+/workspaces/[^/?#]+)/jobs/(?P<run>[^/?#]+)", re.IGNORECASE)
CACHE_SECONDS = 600.0
CACHE_SIZE = 20_000


P = ParamSpec("P")
R = TypeVar("R")


def _readable(method: Callable[P, R]) -> Callable[P, R]:
    """Report an answer of an unexpected shape as such, not as a defect: only an adapter knows the wire format."""

    @wraps(method)
    def read(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return method(*args, **kwargs)
        except (KeyError, TypeError, ValueError, AttributeError) as error:
            raise UnreadableAnswerError(f"Azure ML answered what we cannot read: {error!r}") from error

    return read


@dataclass(frozen=True, slots=True)
class _WorkspaceReader:
    """The clients of one workspace."""

    workspace: Workspace
    api: WorkspaceApi
    sdk: SdkClient
    data: DataReader
    trees: RunTreeReader


@dataclass(frozen=True, slots=True)
class _Named:
    """A run that may have produced a model, and the field of the model version that names it."""

    workspace: WorkspaceId
    run_id: str
    field: str
    inferred: bool = False


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
        open_sdk: Callable[[WorkspaceId], SdkClient],
        clock: Callable[[], float],
        owners: bool = False,
        watches: Callable[[WorkspaceId], bool] = lambda _: False,
    ) -> None:
        """
        Args:
            watches: whether lineage of a workspace is published, so that it may be asked for what is elsewhere.
        """
        self._owners = owners
        self._watches = watches
        self._rest = rest
        self._arm_endpoint = arm_endpoint
        self._open_sdk = open_sdk
        self._cache = Cache(size=CACHE_SIZE, seconds=CACHE_SECONDS, clock=clock)

    @_readable
    def get_workspace(self, workspace: WorkspaceId) -> Workspace:
        return self._reader(workspace).workspace

    @_readable
    def get_root_status(self, workspace: WorkspaceId, run_id: str) -> str:
        """Return the status of a pipeline, in one request."""
        return Record.from_json(self._reader(workspace).api.get_run(run_id)).status

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
        return self._reader(workspace).trees.read(run_id, orchestrates=orchestrates, experiments=experiments or {})

    @_readable
    def get_model(self, workspace: WorkspaceId, model: AssetId) -> ModelVersion:
        """Return the model version as it is now."""
        return self._reader(workspace).data.get_model(model, fresh=True)

    @_readable
    def find_producer(self, workspace: WorkspaceId, model: ModelVersion) -> Producer | SeveralWriters | None:
        """
        Find the run that produced a model version, with its tree.

        The path of the model's files is the most exact evidence; the run named at registration may be the whole
        pipeline, of which it is then the step that wrote the files. Returns None if no field leads to a run: the
        model was uploaded by a person, or the run is gone.
        """
        unclear: SeveralWriters | None = None
        for named in self._list_evidence(workspace, model):
            try:
                tree = self.get_run_tree(named.workspace, named.run_id)
            except RecordNotFoundError:
                continue
            run_id = tree.represented_by.get(named.run_id, named.run_id)
            if any(run.id == run_id for run in tree.runs):
                return Producer(tree, run_id, f"{named.field} of the model version", inferred=named.inferred)
            match self._find_writer(model, tree):
                case Run(id=run_id), field:
                    return Producer(tree, run_id, f"{named.field} and {field}", inferred=field == _MODEL_URI)
                case SeveralWriters() as several:
                    unclear = unclear or several
        return unclear

    @_readable
    def find_endpoint(self, workspace: WorkspaceId, name: str) -> Endpoint | None:
        """Return an online or batch endpoint with its deployments and the model versions they serve, or None."""
        reader = self._reader(workspace)
        return endpoints.find_endpoint(reader.sdk, reader.workspace, name, get_model=reader.data.get_model_or_name)

    def _list_evidence(self, workspace: WorkspaceId, model: ModelVersion) -> Iterator[_Named]:
        """Yield runs that may have produced a model, the most exact evidence first."""
        reference = parse_reference(model.uri)
        home = self._home_of(workspace, model)
        match reference:
            case DatastorePath(_, path) if home and (by_path := run_of_path(path)):
                yield _Named(home, by_path, _MODEL_PATH, inferred=True)
            case RunOutput(run_id) if home:
                yield _Named(home, run_id, "properties.modelUri (an output of the run)")
        if home == workspace and model.job_name:
            yield _Named(workspace, model.job_name, "properties.jobName")
        declared = model.tags.get(RUN_TAG, "")
        if job := _JOB.fullmatch(declared):
            there = WorkspaceId.parse(job["workspace"])
            if there == workspace or self._watches(there):
                yield _Named(there, job["run"], f"tag {RUN_TAG}")
        for tag in (RUN_TAG, *USUAL_TAGS):
            # Of a model from a workspace that is not watched, a run of the same name may be here by chance.
            if (tag == RUN_TAG or home) and _RUN_ID.fullmatch(run_id := model.tags.get(tag, "").strip()):
                yield _Named(home or workspace, run_id, f"tag {tag}", inferred=tag != RUN_TAG)

    def _home_of(self, workspace: WorkspaceId, model: ModelVersion) -> WorkspaceId | None:
        """Return the workspace whose storage has a model's files; None if that is another which is not watched."""
        reference = parse_reference(model.uri)
        if self._reader(workspace).data.is_here(reference):
            return workspace
        there = getattr(reference, "workspace", None)
        return there if isinstance(there, WorkspaceId) and self._watches(there) else None

    def _find_writer(self, model: ModelVersion, tree: RunTree) -> tuple[Run, str] | SeveralWriters | None:
        """
        Find the run of a tree that wrote a model's files: of the outputs that hold them, the longest is meant.

        A run that only reads the folder, or that writes a folder around it, did not write them.
        """
        data = self._reader(tree.workspace.id).data
        location = data.locate(model.uri)
        by_length: dict[int, list[Run]] = {}
        for run in tree.runs:
            for port in run.outputs:
                if isinstance(port.data, ModelVersion) and port.data.id == model.id:
                    return run, f"{port.field} of the run"
                at = _stored_at(port.data, data)
                if location and at and f"{location.url}/".startswith(f"{at.url.rstrip('/')}/"):
                    by_length.setdefault(len(at.url.rstrip("/")), []).append(run)
        if not by_length:
            return None
        writers = list({run.id: run for run in by_length[max(by_length)]}.values())
        last = writers[0] if len(writers) == 1 else _written_last(writers, model.created_at)
        return (last, _MODEL_URI) if last else SeveralWriters(tuple(sorted(run.id for run in writers)), _MODEL_URI)

    def _reader(self, workspace: WorkspaceId) -> _WorkspaceReader:
        return self._cache.get(workspace, lambda: self._open(workspace))

    def _open(self, workspace: WorkspaceId) -> _WorkspaceReader:
        record = get_workspace(self._rest, self._arm_endpoint, workspace)
        api = WorkspaceApi(self._rest, record)
        sdk = self._open_sdk(workspace)
        data = DataReader(record, api, sdk, self._cache)
        trees = RunTreeReader(record.workspace, api, sdk, data, self._cache, self._owners)
        return _WorkspaceReader(record.workspace, api, sdk, data, trees)


def _stored_at(data: Data, reader: DataReader) -> Location | None:
    """Return where an output is stored, registered or not."""
    match data:
        case Location():
            return data
        case DataAsset(location=location):
            return location
        case ModelVersion(uri=uri):
            return reader.locate(uri)
    return None


def _written_last(writers: Sequence[Run], before: str) -> Run | None:
    """
    Return the run that wrote last of some that wrote the same folder, before a model was registered from it.

    Returns None where their times, which run history records, do not say so: two of them ran at the same time.
    """
    moment = _time_of(before)
    began = [(_time_of(run.started_at), run) for run in writers]
    candidates = sorted(
        ((start, run) for start, run in began if start is None or moment is None or start <= moment),
        key=lambda each: each[0] or datetime.min.replace(tzinfo=UTC),
    )
    if len(candidates) <= 1:
        return candidates[0][1] if candidates else None
    start, last = candidates[-1]
    ends = [_time_of(run.ended_at) for _, run in candidates[:-1]]
    return last if start and all(end and end <= start for end in ends) else None


def _time_of(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
