"""What the handlers need of Azure ML and of the catalog, worded by need."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from shared.catalog.entities import ASSET, Entity, Found, Ref
from shared.catalog.qualified_names import QualifiedName
from shared.model import (
    SETTLED,
    SUCCEEDED,
    AssetId,
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


class RunSource(Protocol):
    """
    Azure ML. Every method may raise ServiceUnavailableError, AccessDeniedError, RequestRefusedError,
    UnreadableAnswerError, RunNotSettledError, and RecordNotFoundError where there is no such thing.
    """

    def get_workspace(self, workspace: WorkspaceId) -> Workspace: ...

    def get_root_status(self, workspace: WorkspaceId, run_id: str) -> str: ...

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
        Return the tree of a run.

        Args:
            fresh: what a person may have changed since, as tags of data, is not what was remembered of it.
            is_published: the tree comes without its runs if the root has not ended, or if this says yes to the run that
                stands for the one that was asked for: nothing would be published of it now.
        """
        ...

    def has_changed(self, workspace: WorkspaceId, known: Signature) -> bool:
        """Return whether the records of a tree say something else than they did; cheap compared to reading it."""
        ...

    def get_model(self, workspace: WorkspaceId, model: AssetId) -> ModelVersion: ...

    def find_producer(self, workspace: WorkspaceId, model: ModelVersion) -> Producer | SeveralWriters | None: ...

    def locate(self, workspace: WorkspaceId, model: ModelVersion) -> Location | None: ...

    def add_makers(self, tree: RunTree, makers: Mapping[str, str]) -> RunTree: ...

    def find_endpoint(self, workspace: WorkspaceId, name: str) -> Endpoint | None: ...


@dataclass(frozen=True, slots=True)
class Listed:
    """
    Something a workspace holds.

    Attributes:
        kind: `run` (a root run), `model` or `data` (a version of one), or `endpoint`.
        status: of a run or an endpoint, as Azure ML words it; "" if it does not say.
        may_have_steps: it is a pipeline, or it is unknown whether it is one.
        names_outputs: it asks for outputs to be registered under names, which may happen before it fails.
        modified_at: when a person changed it last, its tags for instance; None if it is not said.
        path: of an endpoint, below its workspace.
        digest: a hash of all that a list says of an endpoint.
        problem: why it cannot be read; it may not even have a name then. "" for what can.
    """

    kind: str
    name: str
    version: str = ""
    status: str = ""
    created_at: datetime | None = None
    may_have_steps: bool = True
    names_outputs: bool = False
    modified_at: datetime | None = None
    path: str = ""
    digest: str = ""
    problem: str = field(default="", repr=False)

    @property
    def may_have_lineage(self) -> bool:
        """Whether a run that has ended completed, or may have left something behind though it did not."""
        status = self.status.casefold()
        return status in SUCCEEDED or (status in SETTLED and (self.may_have_steps or self.names_outputs))


@dataclass(frozen=True, slots=True)
class InventoryPage:
    """Some of what a workspace holds, and the name of the page that goes on; "" after the last."""

    items: tuple[Listed, ...]
    next: str = ""


class Inventory(Protocol):
    """What a workspace holds. Methods raise what those of `RunSource` raise."""

    def list_workspaces(self, scope: str) -> Sequence[WorkspaceId]: ...

    def list_runs(self, workspace: WorkspaceId, *, page: str = "", archived: bool = False) -> InventoryPage:
        """Return root runs, newest first."""
        ...

    def list_models(self, workspace: WorkspaceId, *, page: str = "", archived: bool = False) -> InventoryPage: ...

    def list_data(self, workspace: WorkspaceId, *, page: str = "") -> InventoryPage:
        """Return versions of data assets; a request for each asset of a page."""
        ...

    def list_endpoints(self, workspace: WorkspaceId) -> Sequence[Listed]: ...

    def digest_deployments(self, workspace: WorkspaceId, endpoint: Listed) -> str:
        """Return a hash of all deployments of an endpoint, in one request."""
        ...


class Upserted(Protocol):
    """The result of a write: the guid of each entity written, the catalog's answer for each one refused."""

    @property
    def guids(self) -> Mapping[QualifiedName, str]: ...

    @property
    def rejections(self) -> Mapping[QualifiedName, str]: ...


class Catalog(Protocol):
    """
    The data catalog. Every method may raise ServiceUnavailableError, AccessDeniedError and RequestRefusedError.
    """

    def find(self, names: Sequence[QualifiedName], *, type_name: str = ASSET) -> Mapping[QualifiedName, Found]:
        """Return what there is under these names, of a type or a subtype of it."""
        ...

    def list_resource_sets(self, prefixes: Collection[str], *, fresh: bool = False) -> Sequence[Ref]:
        """
        Return the resource sets whose names begin with any of some texts.

        What a scan wrote a moment ago may be missing. Answers are remembered for a while, unless they must be `fresh`.
        """
        ...

    def get_columns(self, names: Sequence[QualifiedName]) -> Mapping[QualifiedName, tuple[str, ...]]:
        """Return the names of the columns of data, in alphabetical order; data without a schema is left out."""
        ...

    def upsert_entities(
        self,
        entities: Iterable[Entity],
        *,
        known: Collection[QualifiedName] = (),
        before_each: Callable[[], None] = lambda: None,
        after_each: Callable[[Mapping[QualifiedName, str]], None] = lambda _: None,
    ) -> Upserted:
        """
        Create or update entities; each is written, or refused with the catalog's words.

        Args:
            known: those that were written before.
            before_each, after_each: called around each request; the latter with the guids of what it wrote.
        """
        ...

    def is_linked(self, found: Found) -> bool:
        """Whether a process reads or writes this entity now."""
        ...

    def remove_entity(self, found: Found) -> None: ...

    def add_labels(self, found: Found, labels: Sequence[str]) -> None: ...

    def remove_label(self, found: Found, label: str) -> None: ...

    def get_classifications_above(self, found: Found) -> frozenset[str]:
        """Return the classifications of an entity and of all upstream of it, those of columns included."""
        ...


class Announcement(Protocol):
    """
    The OpenLineage events about one process.

    Attributes:
        fingerprints: by qualifiedName, of all it says; what was sent with the same fingerprints is not sent again.
        events: in the form that the outlet which made them sends.
    """

    @property
    def process(self) -> QualifiedName: ...

    @property
    def events(self) -> Sequence[object]: ...

    @property
    def fingerprints(self) -> Mapping[QualifiedName, str]: ...


class Outlet(Protocol):
    """A receiver of lineage outside the catalog, in the form of a standard."""

    def translate(self, entities: Sequence[Entity], *, at: datetime) -> Sequence[Announcement]:
        """Build the events about each process among entities; `at` is the time of those that have none."""
        ...

    def send(self, announcement: Announcement) -> None:
        """
        Send events, which may have been sent before.

        May raise ServiceUnavailableError, AccessDeniedError and RequestRefusedError.
        """
        ...
