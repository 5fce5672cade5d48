"""The lineage graph around one entity, and the next level of it."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass, field

from emulator.purview.catalog.catalog import Catalog
from emulator.purview.catalog.documents import header
from emulator.purview.catalog.store import Entity
from emulator.purview.errors import AtlasError, Code
from emulator.purview.wire import Json

DATASET, PROCESS = "DataSet", "Process"
INPUT, OUTPUT, BOTH = "INPUT", "OUTPUT", "BOTH"
DIRECTIONS = (INPUT, OUTPUT, BOTH)

# For each direction: the datasets of a process on that side, and the processes of a dataset on that side.
DATASETS_OF_PROCESS = {INPUT: "inputs", OUTPUT: "outputs"}
PROCESSES_OF_DATASET = {INPUT: "outputFromProcesses", OUTPUT: "inputToProcesses"}
DIRECT_OF_DATASET = {INPUT: "sources", OUTPUT: "sinks"}


@dataclass(frozen=True, slots=True)
class Hop:
    """One edge seen from one of its ends: the entity at the other end and the relationship."""

    guid: str
    relationship: str


@dataclass(slots=True)
class Graph:
    """What a walk has found."""

    relations: dict[str, tuple[str, str]] = field(default_factory=dict)
    widths: dict[str, dict[str, int]] = field(default_factory=lambda: {INPUT: {}, OUTPUT: {}})

    def add(self, direction: str, near: str, hop: Hop) -> None:
        """Add an edge in the direction data flows."""
        self.relations[hop.relationship] = (hop.guid, near) if direction == INPUT else (near, hop.guid)

    def guids(self) -> list[str]:
        """Return the entities on the edges, in the order they were found."""
        return list(dict.fromkeys(guid for ends in self.relations.values() for guid in ends))


def lineage(catalog: Catalog, base: Entity, *, direction: str, depth: int, width: int) -> Json:
    """
    Return the graph around an entity.

    ``depth`` counts dataset-to-dataset hops and 0 or less is unlimited; ``width`` cuts the
    neighbours of each node, and 0 or less is unlimited.
    """
    walk = _Walk(catalog, width)
    for one in (INPUT, OUTPUT) if direction == BOTH else (direction,):
        walk.run(base, one, depth)
    return _answer(catalog, base, walk.graph, direction, depth, width)


def next_lineage(catalog: Catalog, base: Entity, *, direction: str, offset: int, limit: int) -> Json:
    """Return one page of the edges that touch an entity on one side; without a limit, all of them."""
    walk = _Walk(catalog, 0)
    hops = list(walk.neighbours(base, direction))
    page = hops[offset : offset + limit] if limit >= 0 else hops[offset:]
    for hop in page:
        walk.graph.add(direction, base.guid, hop)
    walk.graph.widths[direction][base.guid] = len(hops)
    return _answer(catalog, base, walk.graph, direction, 1, limit)


@dataclass(slots=True)
class _Walk:
    catalog: Catalog
    width: int
    graph: Graph = field(default_factory=Graph)

    def run(self, base: Entity, direction: str, depth: int) -> None:
        """Walk breadth first from an entity in one direction."""
        queue: deque[tuple[str, int]] = deque()
        if self._is_process(base):
            # A process shows what is on its side even if the other side is empty; datasets are one hop away.
            for hop in self._cut(direction, base.guid, self._datasets(base.guid, direction)):
                self.graph.add(direction, base.guid, hop)
                queue.append((hop.guid, depth - 1))
        else:
            queue.append((base.guid, depth))
        visited = {guid for guid, _ in queue}
        while queue:
            guid, left = queue.popleft()
            if left == 0 and depth > 0:
                continue
            for found in self._cross(guid, direction):
                if found not in visited:
                    visited.add(found)
                    queue.append((found, left - 1))

    def neighbours(self, entity: Entity, direction: str) -> Iterator[Hop]:
        """Yield the edges of an entity on one side."""
        if self._is_process(entity):
            yield from self._datasets(entity.guid, direction)
        else:
            yield from self._hops(entity.guid, PROCESSES_OF_DATASET[direction])
            yield from self._direct(entity.guid, direction)

    def _cross(self, guid: str, direction: str) -> Iterator[str]:
        """Add the processes of a dataset and yield the datasets on their other side."""
        processes = self._hops(guid, PROCESSES_OF_DATASET[direction])
        for process in self._cut(direction, guid, processes):
            far = self._cut(direction, process.guid, self._datasets(process.guid, direction))
            if far:
                self.graph.add(direction, guid, process)
            for hop in far:
                self.graph.add(direction, process.guid, hop)
                yield hop.guid
        for hop in self._cut(direction, guid, self._direct(guid, direction)):
            self.graph.add(direction, guid, hop)
            yield hop.guid

    def _datasets(self, guid: str, direction: str) -> list[Hop]:
        return self._hops(guid, DATASETS_OF_PROCESS[direction])

    def _direct(self, guid: str, direction: str) -> list[Hop]:
        return self._hops(guid, DIRECT_OF_DATASET[direction])

    def _hops(self, guid: str, attribute: str) -> list[Hop]:
        """List the edges under an attribute; deleted ones are drawn too (observed on Atlas)."""
        links = self.catalog.store.links(guid, attribute)
        return [Hop(link.end2 if link.end1 == guid else link.end1, link.guid) for link in links]

    def _cut(self, direction: str, guid: str, hops: list[Hop]) -> list[Hop]:
        if hops:
            self.graph.widths[direction][guid] = len(hops)
        return hops[: self.width] if self.width > 0 else hops

    def _is_process(self, entity: Entity) -> bool:
        entity_type = self.catalog.type_of(entity)
        if not (entity_type.is_a(DATASET) or entity_type.is_a(PROCESS)):
            raise AtlasError(Code.NO_LINEAGE_TYPE, entity.guid, entity.type_name)
        return entity_type.is_a(PROCESS)


def _answer(catalog: Catalog, base: Entity, graph: Graph, direction: str, depth: int, width: int) -> Json:
    return {
        "baseEntityGuid": base.guid,
        "lineageDirection": direction,
        "lineageDepth": depth,
        "lineageWidth": width,
        "guidEntityMap": {guid: header(catalog, catalog.store.entities[guid]) for guid in graph.guids()},
        "relations": [
            {"fromEntityId": source, "toEntityId": target, "relationshipId": guid}
            for guid, (source, target) in graph.relations.items()
        ],
        "relationsOnDemand": {},
        "parentRelations": [],
        "widthCounts": graph.widths,
    }
