"""Works out what a run consumed and produced, which run produced a model, and what an endpoint serves."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial, wraps
from typing import ParamSpec, TypeVar

from shared.azure_ml.run.data_references import DataReader
from shared.azure_ml.run.inputs_outputs import Binding
from shared.azure_ml.run.producers import ProducerFinder, WorkspaceReader
from shared.azure_ml.run.records import Record
from shared.azure_ml.run.run_tree import RunTreeReader
from shared.azure_ml.services import endpoints
from shared.azure_ml.services.models import get_model
from shared.azure_ml.services.sdk import SdkClient
from shared.azure_ml.services.workspace_api import WorkspaceApi, WorkspaceRecord, get_workspace, list_guids
from shared.cache import Cache
from shared.clouds import PUBLIC
from shared.errors import AccessDeniedError, RecordNotFoundError, RequestRefusedError, UnreadableAnswerError
from shared.http.rest import RestClient
from shared.model import (
    AssetId,
    Data,
    Endpoint,
    Location,
    ModelVersion,
    Producer,
    RunTree,
    SeveralWriters,
    Signature,
    Workspace,
    WorkspaceId,
)
from shared.places.uris import AssetReference

CACHE_SECONDS = 600.0
_UNREADABLE = (AccessDeniedError, RecordNotFoundError, RequestRefusedError, UnreadableAnswerError)
BRIEFLY = 30.0
"""Seconds for which a run that has not ended is not asked for again by the events of those below it."""
CACHE_SIZE = 20_000
WORKSPACE_SECONDS = 6 * 3_600.0
"""Where a workspace's services are hardly ever changes."""


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
        studio: str = PUBLIC.studio,
        scopes: Sequence[str] = (),
    ) -> None:
        """
        Args:
            watches: whether lineage of a workspace is published, so that it may be asked for what is elsewhere.
            scopes: ARM ids of such workspaces, and of resource groups and subscriptions in which all are.
        """
        self._watches = watches
        self._studio = studio
        self._scopes = scopes
        self._owners = owners
        self._rest = rest
        self._arm_endpoint = arm_endpoint
        self._open_sdk = open_sdk
        self._cache = Cache(size=CACHE_SIZE, seconds=CACHE_SECONDS, clock=clock)
        self._clock = clock
        self._records = Cache(size=CACHE_SIZE, seconds=WORKSPACE_SECONDS, clock=clock)
        self._brief = Cache(size=CACHE_SIZE, seconds=BRIEFLY, clock=clock)
        self._producers = ProducerFinder(self._reader, watches)

    @_readable
    def get_workspace(self, workspace: WorkspaceId) -> Workspace:
        return self._reader(workspace).workspace

    @_readable
    def get_record(self, workspace: WorkspaceId) -> WorkspaceRecord:
        """Return a workspace with the address of its services."""
        return self._records.get(
            workspace, lambda: get_workspace(self._rest, self._arm_endpoint, workspace, studio=self._studio)
        )

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
        is_published: Callable[[str], bool] | None = None,
        fresh: bool = False,
    ) -> RunTree:
        """
        Return the whole tree that a run belongs to.

        Costs a constant number of requests for a pipeline of any number of steps, pages of children aside;
        with v1 one more for each data set.

        Args:
            orchestrates: the run is known to be a pipeline, which saves the request that would find out.
            experiments: names of experiments by id, for this tree alone; each saves a request. They never change.
            is_published: the tree comes without its runs, and without the requests for them, if the root has not
                ended, or if this says yes to the run that stands for the one that was asked for.
            fresh: data assets are read again, whose tags may have changed since they were read.
        """
        reader = self._reader(workspace)
        trees = self._read_trees(reader.workspace, reader.api, reader.sdk, fresh=True)[1] if fresh else reader.trees
        return trees.read(run_id, orchestrates=orchestrates, experiments=experiments or {}, is_published=is_published)

    @_readable
    def has_changed(self, workspace: WorkspaceId, known: Signature) -> bool:
        """Return whether the records of a tree say something else than they did, in 2 requests as a rule."""
        return self._reader(workspace).trees.has_changed(known)

    @_readable
    def get_model(self, workspace: WorkspaceId, model: AssetId) -> ModelVersion:
        """Return the model version as it is now."""
        return self._reader(workspace).data.get_model(model, fresh=True)

    @_readable
    def find_producer(self, workspace: WorkspaceId, model: ModelVersion) -> Producer | SeveralWriters | None:
        """Find the run that produced a model version, with its tree; None if no field of it leads to a run."""
        return self._producers.find(workspace, model)

    @_readable
    def locate(self, workspace: WorkspaceId, model: ModelVersion) -> Location | None:
        """Return where a model's files are stored; None if that is in no known place."""
        return self._producers.locate(workspace, model)

    @_readable
    def add_makers(self, tree: RunTree, makers: Mapping[str, str]) -> RunTree:
        """Add to a tree what runs logged that made models; each is below the run of the tree that it is mapped to."""
        return self._producers.add_makers(tree, makers)

    @_readable
    def find_endpoint(self, workspace: WorkspaceId, name: str) -> Endpoint | None:
        """Return an endpoint of any kind with its deployments and the model versions they serve, or None."""
        reader = self._reader(workspace)
        url = f"{self._arm_endpoint}{workspace.arm_id}"
        assets = _Served(reader.data, self._find_neighbour)
        return endpoints.find_endpoint(self._rest, url, reader.workspace, name, assets=assets)

    def _reader(self, workspace: WorkspaceId) -> WorkspaceReader:
        return self._cache.get(workspace, lambda: self._open(workspace))

    def _find_neighbour(self, workspace: WorkspaceId | str) -> DataReader | None:
        """Return the reader of another workspace's data, by its id or GUID, if it is watched and can be read."""
        watched = self._watched_by_guid().get(workspace.casefold()) if isinstance(workspace, str) else workspace
        if watched is None or not self._watches(watched):
            return None
        return self._cache.get((watched, "neighbour"), lambda: self._open_neighbour(watched))

    def _open_neighbour(self, workspace: WorkspaceId) -> DataReader | None:
        try:
            return self._reader(workspace).data
        except _UNREADABLE:
            return None

    def _watched_by_guid(self) -> Mapping[str, WorkspaceId]:
        return {
            guid: workspace
            for scope in self._scopes
            for guid, workspace in self._cache.get((scope, "guids"), partial(self._list_guids, scope)).items()
        }

    def _list_guids(self, scope: str) -> Mapping[str, WorkspaceId]:
        """Return the workspaces of a scope by their GUIDs; none if it cannot be listed."""
        try:
            return list_guids(self._rest, self._arm_endpoint, scope)
        except _UNREADABLE:
            return {}

    def _open(self, workspace: WorkspaceId) -> WorkspaceReader:
        record = self.get_record(workspace)
        api = WorkspaceApi(self._rest, record)
        sdk = self._open_sdk(workspace)
        data, trees = self._read_trees(record.workspace, api, sdk)
        return WorkspaceReader(record.workspace, api, sdk, data, trees)

    def _read_trees(
        self, workspace: Workspace, api: WorkspaceApi, sdk: SdkClient, *, fresh: bool = False
    ) -> tuple[DataReader, RunTreeReader]:
        cache, brief = (Cache(size=CACHE_SIZE, seconds=CACHE_SECONDS, clock=self._clock) for _ in range(2))
        cache, brief = (cache, brief) if fresh else (self._cache, self._brief)
        address = f"{self._arm_endpoint}{workspace.id.arm_id}"
        read_model = partial(get_model, self._rest, address, owners=self._owners)
        data = DataReader(self.get_record(workspace.id), api, sdk, read_model, cache, brief, self._find_neighbour)
        return data, RunTreeReader(workspace, api, data, self._cache, brief, self._owners)


@dataclass(frozen=True, slots=True)
class _Served:
    """Reads the assets that an endpoint names."""

    data: DataReader
    find_neighbour: Callable[[WorkspaceId | str], DataReader | None]

    def find_model(self, reference: AssetReference) -> ModelVersion | None:
        """Return what is known of a model that may be another workspace's; that one is asked only if it is watched."""
        asset, other = reference.asset, reference.workspace
        if other is None or asset.registry or self.data.is_here(reference):
            return self.data.get_model_or_name(asset)
        if theirs := self.find_neighbour(other):
            return replace(theirs.get_model_or_name(asset), workspace=theirs.workspace)
        if not isinstance(other, WorkspaceId):
            return None
        return ModelVersion(asset, workspace=Workspace(other, other.name, "", self.data.workspace.studio))

    def find_data(self, asset_ids: Mapping[str, str]) -> Mapping[str, Data]:
        """Return the data assets that a deployment writes; those that cannot be read by their names."""
        bindings = [Binding(name, each, "", "", is_output=True, field="") for name, each in asset_ids.items()]
        found = self.data.resolve({"": bindings})
        return {name: found[each] for name, each in asset_ids.items() if each in found}
