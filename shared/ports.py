"""What the handlers need of Azure ML and of the catalog, worded by need."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from shared.lineage.entities import Entity, Ref
from shared.model import AssetId, Endpoint, ModelVersion, RunTree, Workspace, WorkspaceId
from shared.qualified_names import QualifiedName


@dataclass(frozen=True, slots=True)
class Found:
    """An entity the catalog has. `outputs` are those of a process."""

    ref: Ref
    guid: str
    outputs: tuple[Ref, ...] = ()
    labels: tuple[str, ...] = ()
    name: str = ""


@dataclass(frozen=True, slots=True)
class LineageNode:
    """An entity in a lineage graph."""

    guid: str
    type_name: str
    qualified_name: QualifiedName
    name: str


@dataclass(frozen=True, slots=True, order=True)
class LineageEdge:
    """Data flows from `source` to `target` (guids)."""

    source: str
    target: str


@dataclass(frozen=True, slots=True)
class LineageView:
    """A lineage graph as the catalog reports it."""

    nodes: tuple[LineageNode, ...]
    edges: tuple[LineageEdge, ...]


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
    ) -> RunTree: ...

    def get_model(self, workspace: WorkspaceId, model: AssetId) -> ModelVersion: ...

    def find_maker(self, workspace: WorkspaceId, model: ModelVersion) -> tuple[RunTree, str] | None: ...

    def find_endpoint(self, workspace: WorkspaceId, name: str) -> Endpoint | None: ...


class Upserted(Protocol):
    """What became of entities: the guid of each one written, the catalog's words for each one refused."""

    @property
    def guids(self) -> Mapping[QualifiedName, str]: ...

    @property
    def rejections(self) -> Mapping[QualifiedName, str]: ...


class Catalog(Protocol):
    """
    The data catalog. Every method may raise ServiceUnavailableError, AccessDeniedError and RequestRefusedError.
    """

    def find(self, names: Sequence[QualifiedName]) -> Mapping[QualifiedName, Found]: ...

    def upsert_entities(self, entities: Iterable[Entity]) -> Upserted: ...
