"""What a catalog holds: entities, relationships, the indexes over them, and how a failed request leaves no trace."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from enum import StrEnum

from emulator.purview.types.registry import EntityType
from emulator.purview.wire import Json, java_text

USER = "emulator"
"""Who writes with a token that does not say who that is."""


class Status(StrEnum):
    """Deletion is soft: the record stays and says so."""

    ACTIVE = "ACTIVE"
    DELETED = "DELETED"


@dataclass(slots=True)
class Entity:
    """One entity; change it through the store."""

    guid: str
    type_name: str
    created: int
    updated: int
    collection: str
    attributes: dict[str, object] = field(default_factory=dict)
    status: Status = Status.ACTIVE
    labels: tuple[str, ...] = ()
    classifications: tuple[str, ...] = ()
    custom_attributes: Json | None = None
    revision: int = 1
    written: int = 0  # number of the write request that last touched it
    created_by_write: int = 0
    created_by: str = USER
    updated_by: str = USER


@dataclass(slots=True)
class Relationship:
    """One relationship between two entities; change it through the store."""

    guid: str
    type_name: str
    end1: str
    end2: str
    created: int
    updated: int
    attributes: Json = field(default_factory=dict)
    propagate_tags: str = "NONE"
    status: Status = Status.ACTIVE
    created_by: str = USER
    updated_by: str = USER

    @property
    def is_active(self) -> bool:
        """Tell whether the relationship has not been deleted."""
        return self.status is Status.ACTIVE

    def far_end(self, end: int) -> str:
        """Return the guid at the other end than ``end`` (1 or 2)."""
        return self.end2 if end == 1 else self.end1


class Store:
    """The records and their indexes. Every write can be undone until its transaction ends."""

    def __init__(self) -> None:
        self.entities: dict[str, Entity] = {}
        self.relationships: dict[str, Relationship] = {}
        self.writes = 0
        self.user = USER  # whose request is being answered
        self.indexed = 0  # how many of the writes search knows of
        self.is_contended = False  # whether this write touches what another one wrote after it was checked
        self._since = 0  # how many writes there were when this one was checked
        self._by_unique: dict[tuple[str, str], dict[str, str]] = {}
        self._links: dict[tuple[str, str], list[Relationship]] = {}
        self._active: dict[tuple[str, str, str], Relationship] = {}
        self._instances: dict[str, int] = {}
        self._undo: list[Callable[[], object]] = []

    @contextmanager
    def transaction(self, since: int) -> Iterator[None]:
        """Keep all the writes of the block, or none if it raises; ``since`` is ``writes`` when it was checked."""
        self._undo.clear()
        self.is_contended, self._since = False, since
        self.writes += 1
        try:
            yield
        except BaseException:
            for step in reversed(self._undo):
                step()
            raise
        finally:
            self._undo.clear()

    def count(self, type_name: str) -> int:
        """Count the entities or relationships of exactly this type, deleted ones included."""
        return self._instances.get(type_name, 0)

    def find(self, entity_type: EntityType, attribute: str, value: object) -> Entity | None:
        """Return the active entity with this unique value: of the type itself first, then of a descendant."""
        guids = self._by_unique.get((attribute, java_text(value)), {})
        below = (guid for name, guid in guids.items() if name in entity_type.sub_types)
        guid = guids.get(entity_type.name) or next(below, None)
        return self.entities[guid] if guid else None

    def holder(self, type_name: str, attribute: str, value: object) -> Entity | None:
        """Return the entity of exactly this type that the index has under a unique value."""
        guid = self._by_unique.get((attribute, java_text(value)), {}).get(type_name)
        return self.entities[guid] if guid else None

    def links(self, guid: str, attribute: str) -> list[Relationship]:
        """Return the relationships of an entity under one of its attributes, deleted ones included, oldest first."""
        return self._links.get((guid, attribute), [])

    def active_relationship(self, type_name: str, end1: str, end2: str) -> Relationship | None:
        """Return the relationship between two entities, unless deleted."""
        return self._active.get((type_name, end1, end2))

    def add_entity(self, entity: Entity, unique: list[str]) -> None:
        """Store a new entity."""
        self.entities[entity.guid] = entity
        self._undo.append(lambda: self.entities.pop(entity.guid))
        self._add_instance(entity.type_name)
        for name in unique:
            if entity.attributes.get(name) is not None:
                self._index(name, entity.attributes[name], entity)

    def set_attribute(self, entity: Entity, name: str, value: object, *, unique: bool) -> None:
        """Set one attribute of an entity."""
        before, known = entity.attributes.get(name), name in entity.attributes
        entity.attributes[name] = value
        self._undo.append(
            lambda: entity.attributes.__setitem__(name, before) if known else entity.attributes.pop(name, None)
        )
        if unique and before != value and entity.status is Status.ACTIVE:
            if before is not None:
                self._unindex(name, before, entity)
            if value is not None:
                self._index(name, value, entity)

    def set_field(self, record: Entity | Relationship, name: str, value: object) -> None:
        """Set a field of a record that no index knows."""
        before = getattr(record, name)
        setattr(record, name, value)
        self._undo.append(lambda: setattr(record, name, before))

    def touch(self, entity: Entity, moment: int) -> None:
        """Note that an entity was written and by whom, once a request; a link at one of its ends counts as well."""
        if entity.written != self.writes:
            self.is_contended |= entity.written > self._since
            stamps = {"updated": moment, "revision": entity.revision + 1, "written": self.writes}
            for name, value in (stamps | {"updated_by": self.user}).items():
                self.set_field(entity, name, value)

    def retire_entity(self, entity: Entity, unique: list[str]) -> None:
        """Mark an entity deleted; it is found by guid only from now on."""
        self.set_field(entity, "status", Status.DELETED)
        for name in unique:
            if entity.attributes.get(name) is not None:
                self._unindex(name, entity.attributes[name], entity)

    def add_relationship(self, relationship: Relationship, name1: str, name2: str) -> None:
        """Store a new relationship, listed at both ends under the names of its ends."""
        self.relationships[relationship.guid] = relationship
        self._undo.append(lambda: self.relationships.pop(relationship.guid))
        self._add_instance(relationship.type_name)
        # One of the two is enough for a relationship of an entity with itself under one name.
        for key in dict.fromkeys(((relationship.end1, name1), (relationship.end2, name2))):
            links = self._links.setdefault(key, [])
            links.append(relationship)
            self._undo.append(links.pop)
        self._set_active(relationship, present=True)

    def retire_relationship(self, relationship: Relationship, moment: int) -> None:
        """Mark a relationship deleted."""
        self.set_field(relationship, "status", Status.DELETED)
        self._stamp(relationship, moment)
        self._set_active(relationship, present=False)

    def revive_relationship(self, relationship: Relationship, moment: int) -> None:
        """Make a deleted relationship active again."""
        self.set_field(relationship, "status", Status.ACTIVE)
        self._stamp(relationship, moment)
        self._set_active(relationship, present=True)

    def _stamp(self, relationship: Relationship, moment: int) -> None:
        self.set_field(relationship, "updated", moment)
        self.set_field(relationship, "updated_by", self.user)

    def _set_active(self, relationship: Relationship, *, present: bool) -> None:
        key = relationship.type_name, relationship.end1, relationship.end2
        before = self._active.get(key)
        if present:
            self._active[key] = relationship
        elif before is relationship:
            del self._active[key]

        def undo() -> None:
            if before is None:
                self._active.pop(key, None)
            else:
                self._active[key] = before

        self._undo.append(undo)

    def _add_instance(self, type_name: str) -> None:
        self._instances[type_name] = self.count(type_name) + 1
        self._undo.append(lambda: self._instances.__setitem__(type_name, self.count(type_name) - 1))

    def _index(self, name: str, value: object, entity: Entity) -> None:
        """
        Let a unique value lead to an entity.

        As JanusGraph's unique index over type name and property (GraphBackedSearchIndexer of Atlas, PER_TYPE_UNIQUE),
        it has one place for each type and value: of two entities that got in, whichever was written last has it.
        """
        key = name, java_text(value)
        self._replace(key, {**self._by_unique.get(key, {}), entity.type_name: entity.guid})

    def _unindex(self, name: str, value: object, entity: Entity) -> None:
        """Empty the place of a value, whichever entity has it: a twin that is left is found by guid and search only."""
        key = name, java_text(value)
        others = {type_name: guid for type_name, guid in self._by_unique[key].items() if type_name != entity.type_name}
        self._replace(key, others)

    def _replace(self, key: tuple[str, str], guids: dict[str, str]) -> None:
        before = self._by_unique.get(key, {})
        self._by_unique[key] = guids
        self._undo.append(lambda: self._by_unique.__setitem__(key, before))


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
        """Return the answer; without changes of a kind it has no key for it."""
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
