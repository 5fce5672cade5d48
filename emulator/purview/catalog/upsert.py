"""Creating and updating entities: checked when a request begins, written in one transaction when it ends."""

from collections.abc import Callable
from dataclasses import dataclass, field

from emulator.purview.catalog.catalog import Catalog
from emulator.purview.catalog.classifications import parse_classifications
from emulator.purview.catalog.drafts import Draft, parse_drafts
from emulator.purview.catalog.links import Links, Target
from emulator.purview.catalog.references import References
from emulator.purview.catalog.store import Entity, Mutations
from emulator.purview.catalog.validation import validate, validate_custom_attributes, validate_labels
from emulator.purview.errors import AtlasError, Code, UncaughtError
from emulator.purview.types.registry import RelationshipAttribute
from emulator.purview.wire import Json, java_text


def upsert(
    catalog: Catalog, bodies: list[object], referred: Json, *, collection: str | None = None, partial: bool = False
) -> Callable[[], Mutations]:
    """
    Check entities, and return what writes them as they were found now.

    ``partial`` asks for no mandatory attributes and the entities must exist.
    """
    drafts = parse_drafts(bodies, referred, catalog.registry, catalog.source)
    checked = _Upsert(catalog, drafts, collection, partial)
    checked.check()
    return catalog.writing(checked.write)


@dataclass(slots=True)
class _Upsert:
    catalog: Catalog
    drafts: list[Draft]
    collection: str | None
    partial: bool
    mutations: Mutations = field(default_factory=Mutations)
    references: References = field(init=False)
    links: Links = field(init=False)
    since: int = field(init=False)
    _made: dict[tuple[str, str], list[Entity]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.since = self.catalog.store.writes
        self.references = References(self.catalog)
        self.links = Links(self.catalog, self.mutations, self.catalog.source.tick())

    def check(self) -> None:
        """Resolve and validate, in the order the service does."""
        known = self.references.known
        for draft in self.drafts:
            found = self._stored(draft)
            if found is not None:
                known[draft.guid] = found
        self.references.check(self.drafts)
        for draft in self.drafts:
            if draft.guid not in known:
                known[draft.guid] = self._created(draft)
        for draft in self.drafts:
            validate(self.catalog, draft, self.references.stored, partial=self.partial)

    def write(self) -> Mutations:
        """Write what was checked."""
        known, store = self.references.known, self.catalog.store
        for entity in self.mutations.created.values():
            entity.written = entity.created_by_write = store.writes
            store.add_entity(entity, self.catalog.type_of(entity).unique)
        changed = [draft for draft in self.drafts if self._changes(draft)]
        for draft in changed:
            self._write_attributes(draft, known[draft.guid])
        for draft in changed:
            for attribute, value in draft.links():
                self.links.replace(known[draft.guid], attribute, self._targets(value))
        self.links.delete_dropped()
        assignments = {draft.guid: known[draft.guid].guid for draft in self.drafts}
        self.mutations.assignments = {given: guid for given, guid in assignments.items() if given != guid}
        return self.mutations

    def _stored(self, draft: Draft) -> Entity | None:
        """Find the entity a draft is about: by guid, else by unique attributes."""
        if draft.is_assigned:
            found = self.catalog.store.entities.get(draft.guid)
            if found is not None:
                draft.entity_type = self.catalog.type_of(found)
                draft.compacted()
                return found
        found = self.catalog.find(draft.entity_type, draft.attributes)
        if found is not None:
            draft.entity_type = self.catalog.type_of(found)
            draft.compacted()
        elif draft.is_assigned:
            raise AtlasError(Code.REFERENCE_NOT_FOUND, draft.guid)
        return found

    def _created(self, draft: Draft) -> Entity:
        """Make a new entity; a draft with the same unique attributes came first, perhaps."""
        unique = [name for name in draft.entity_type.unique if draft.attributes.get(name) is not None]
        places = [self._made.setdefault((name, java_text(draft.attributes[name])), []) for name in unique]
        for made in (each for place in places for each in place):
            if made.type_name == draft.entity_type.name or made.type_name in draft.entity_type.sub_types:
                return made
        moment = self.links.moment
        store = self.catalog.store
        entity = Entity(
            guid=self.catalog.source.guid(),
            type_name=draft.entity_type.name,
            created=moment,
            updated=moment,
            attributes=dict(draft.entity_type.blank),
            collection=self.collection or self.catalog.root_collection,
            created_by=store.user,
            updated_by=store.user,
            labels=validate_labels(draft.body.get("labels")),
            classifications=parse_classifications(self.catalog, draft.body.get("classifications") or []),
        )
        for name in draft.entity_type.unique:
            entity.attributes[name] = draft.attributes.get(name)
        for place in places:
            place.append(entity)
        self.mutations.created[entity.guid] = entity
        return entity

    def _changes(self, draft: Draft) -> bool:
        """Tell whether writing a draft would change anything."""
        entity = self.references.known[draft.guid]
        if entity.guid in self.mutations.created:
            return True
        moved = self.collection is not None and self.collection != entity.collection
        custom = draft.body.get("customAttributes")
        return (
            moved
            or any(entity.attributes.get(name) != value for name, value in draft.values.items())
            or (custom is not None and custom != entity.custom_attributes)
            or any(self.links.differs(entity, attribute, self._targets(value)) for attribute, value in draft.links())
        )

    def _write_attributes(self, draft: Draft, entity: Entity) -> None:
        store = self.catalog.store
        for name, value in draft.values.items():
            if entity.attributes.get(name) != value:
                is_unique = name in draft.entity_type.unique
                if is_unique and value is not None:
                    self._refuse_taken(entity, name, value)
                store.set_attribute(entity, name, value, unique=is_unique)
        if draft.body.get("customAttributes") is not None:
            custom = validate_custom_attributes(draft.body["customAttributes"])
            store.set_field(entity, "custom_attributes", custom)
        if self.collection is not None:
            store.set_field(entity, "collection", self.collection)
        self.mutations.record_update(entity)
        if self.partial:
            self.mutations.partial.add(entity.guid)
        store.touch(entity, self.links.moment)

    def _refuse_taken(self, entity: Entity, name: str, value: object) -> None:
        """Refuse to rename an entity onto another one that was there when the request began, or is part of it."""
        holder = self.catalog.store.holder(entity.type_name, name, value)
        if holder is None or holder is entity:
            return
        if holder.created_by_write <= self.since or holder.guid in self.mutations.created:
            raise UncaughtError(f"the unique index has {name} {value}")

    def _targets(self, value: object) -> list[Target]:
        """Return what a relationship attribute asks for; null and an empty list both clear it."""
        items = value if isinstance(value, list) else [value]
        return [Target(self.references.entity(item), _link_attributes(item)) for item in items if item is not None]


def set_attribute(catalog: Catalog, entity: Entity, name: str | None, value: object) -> Callable[[], Mutations]:
    """Check, and return what sets, a single attribute; only plain values and single references can be set this way."""
    entity_type = catalog.type_of(entity)
    relationship: RelationshipAttribute | None = entity_type.relationship_attribute(name or "")
    attribute = entity_type.attributes.get(name or "")
    if attribute is None and relationship is None:
        raise AtlasError(Code.UNKNOWN_ATTRIBUTE, name, entity_type.name)
    if (relationship and relationship.is_many) or (
        attribute and attribute.definition.type_name.startswith(("array<", "map<"))
    ):
        raise AtlasError(Code.ATTRIBUTE_UPDATE_NOT_SUPPORTED, entity_type.name, name)
    body = {"typeName": entity_type.name, "guid": entity.guid, "attributes": {name: value}}
    return upsert(catalog, [body], {}, partial=True)


def _link_attributes(item: object) -> Json | None:
    struct = item.get("relationshipAttributes") if isinstance(item, dict) else None
    attributes = struct.get("attributes") if isinstance(struct, dict) else None
    return attributes if isinstance(attributes, dict) else None
