"""What one write did, as the answer tells it."""

from collections.abc import Callable
from dataclasses import dataclass, field

from emulator.purview.store import Entity
from emulator.purview.wire import Json


@dataclass(slots=True)
class Mutations:
    """The entities a request created, updated and deleted, in that order of precedence."""

    created: dict[str, Entity] = field(default_factory=dict)
    updated: dict[str, Entity] = field(default_factory=dict)
    deleted: dict[str, Json] = field(default_factory=dict)
    partial: set[str] = field(default_factory=set)
    assignments: dict[str, str] | None = None

    def record_update(self, entity: Entity) -> None:
        """Note that an entity changed, or that one of its links did."""
        if entity.guid not in self.created:
            self.updated.setdefault(entity.guid, entity)

    def to_json(self, header: Callable[[Entity], Json]) -> Json:
        """Return the answer; what nobody touched has no key."""
        mutated: Json = {}
        if self.created:
            mutated["CREATE"] = [header(entity) for entity in self.created.values()]
        whole = [entity for guid, entity in self.updated.items() if guid not in self.partial | self.deleted.keys()]
        if whole:
            mutated["UPDATE"] = [header(entity) for entity in whole]
        part = [header(entity) for guid, entity in self.updated.items() if guid in self.partial]
        if part:
            mutated["PARTIAL_UPDATE"] = part
        if self.deleted:
            mutated["DELETE"] = list(self.deleted.values())
        body: Json = {"mutatedEntities": mutated} if mutated else {}
        if self.assignments is not None:
            body["guidAssignments"] = self.assignments
        return body | ({"partialUpdatedEntities": part} if part else {})
