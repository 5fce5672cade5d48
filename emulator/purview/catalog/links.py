"""Relationships between entities: making, replacing and removing them, and deleting what they own."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from emulator.purview.catalog.catalog import Catalog
from emulator.purview.catalog.documents import header, owned_children
from emulator.purview.catalog.store import Entity, Mutations, Relationship, Status
from emulator.purview.errors import AtlasError, Code
from emulator.purview.types.registry import RelationshipAttribute
from emulator.purview.types.typedefs import TypeDef
from emulator.purview.types.values import InvalidValueError, Reference
from emulator.purview.wire import Json, java_text


@dataclass(frozen=True, slots=True)
class Target:
    """The far end a client asks for, with the relationship's attributes if it gave any."""

    entity: Entity
    attributes: Json | None = None


@dataclass(slots=True)
class Links:
    """The relationship changes of one request."""

    catalog: Catalog
    mutations: Mutations
    moment: int
    _dropped: list[tuple[str, Entity]] = field(default_factory=list)

    def current(self, entity: Entity, attribute: RelationshipAttribute) -> list[Relationship]:
        """Return the relationships under an attribute, deleted ones included, oldest first."""
        links = self.catalog.store.links(entity.guid, attribute.name)
        return [link for link in links if link.type_name == attribute.relationship]

    def differs(self, entity: Entity, attribute: RelationshipAttribute, targets: list[Target]) -> bool:
        """Tell whether setting the attribute to these targets would change anything."""
        active = {link.far_end(attribute.end): link for link in self.current(entity, attribute) if link.is_active}
        wanted = {target.entity.guid: target for target in targets}
        appends = self.catalog.type_of(entity).appends(attribute.name)
        if not (wanted.keys() <= active.keys() if appends else wanted.keys() == active.keys()):
            return True
        definition = self.catalog.registry.relationship_def(attribute.relationship)
        return any(
            target.attributes is not None
            and relationship_attributes(self.catalog, definition, target.attributes) != active[guid].attributes
            for guid, target in wanted.items()
        )

    def replace(self, entity: Entity, attribute: RelationshipAttribute, targets: list[Target]) -> None:
        """Make the targets the whole truth about an attribute."""
        existing = self.current(entity, attribute)
        if not attribute.is_many:
            # The service looks at the active link, or else at the one deleted last.
            active = [link for link in existing if link.is_active]
            existing = active or sorted(existing, key=lambda link: link.updated)
            existing = existing[-1:]
        kept = [
            self._at(entity, attribute, existing[position] if position < len(existing) else None, target)
            for position, target in enumerate(targets)
        ]
        if attribute.is_many and self.catalog.type_of(entity).appends(attribute.name):
            return
        kept_guids = {link.guid for link in kept}
        for link in existing:
            if link.is_active and link.guid not in kept_guids:
                self.remove(link)
                if attribute.owns:
                    child = self.catalog.store.entities[link.far_end(attribute.end)]
                    self._dropped.append((attribute.relationship, child))

    def connect(self, definition: TypeDef, end1: Entity, end2: Entity, attributes: Json | None) -> Relationship:
        """Return the active relationship between two entities, made if there is none."""
        check_ends(self.catalog, definition, end1, end2)
        found = self.catalog.store.active_relationship(definition.name, end1.guid, end2.guid)
        if found is not None:
            self._set_attributes(found, definition, attributes)
            return found
        shape = definition.relationship
        if shape is None:
            raise AtlasError(Code.INVALID_VALUE, f"unknown relationship type'{definition.name}'")
        made = Relationship(
            guid=self.catalog.source.guid(),
            type_name=definition.name,
            end1=end1.guid,
            end2=end2.guid,
            created=self.moment,
            updated=self.moment,
            attributes=relationship_attributes(self.catalog, definition, attributes or {}),
            propagate_tags=shape.propagate_tags,
            created_by=self.catalog.store.user,
            updated_by=self.catalog.store.user,
        )
        self.catalog.store.add_relationship(made, shape.end1.name, shape.end2.name)
        self._touch_ends(made)
        return made

    def remove(self, link: Relationship) -> None:
        """Soft-delete one relationship."""
        self.catalog.store.retire_relationship(link, self.moment)
        self._touch_ends(link)

    def delete_dropped(self) -> None:
        """Delete the children a parent no longer lists, unless they got another parent meanwhile."""
        self.delete(child for relationship, child in self._dropped if not self._has_parent(relationship, child))

    def delete(self, entities: Iterable[Entity]) -> None:
        """Soft-delete entities, what they own, and all their relationships."""
        pending = list(entities)
        store = self.catalog.store
        while pending:
            entity = pending.pop(0)
            if entity.status is Status.DELETED:
                continue
            pending += owned_children(self.catalog, entity)
            entity_type = self.catalog.type_of(entity)
            self.mutations.deleted[entity.guid] = header(self.catalog, entity)  # it still says ACTIVE there
            for name in entity_type.relationship_attributes:
                for link in store.links(entity.guid, name):
                    if link.is_active:
                        store.retire_relationship(link, self.moment)
            store.retire_entity(entity, entity_type.unique)
            store.touch(entity, self.moment)

    def _at(
        self, entity: Entity, attribute: RelationshipAttribute, existing: Relationship | None, target: Target
    ) -> Relationship:
        """
        Return the link for one place of a list.

        The service reuses the link that held this place before, and when that one had been deleted
        it stays so, although the client lists it again.
        """
        definition = self.catalog.registry.relationship_def(attribute.relationship)
        if existing is not None and existing.far_end(attribute.end) == target.entity.guid:
            if not existing.is_active and not self.catalog.switches.strict_revival:
                self.catalog.store.revive_relationship(existing, self.moment)
                self._touch_ends(existing)
            self._set_attributes(existing, definition, target.attributes)
            return existing
        ends = (entity, target.entity) if attribute.end == 1 else (target.entity, entity)
        return self.connect(definition, *ends, target.attributes)

    def _set_attributes(self, link: Relationship, definition: TypeDef, given: Json | None) -> None:
        if given is None:
            return
        values = relationship_attributes(self.catalog, definition, given)
        if values != link.attributes:
            self.catalog.store.set_field(link, "attributes", values)
            self.catalog.store.set_field(link, "updated", self.moment)
            self.catalog.store.set_field(link, "updated_by", self.catalog.store.user)
            self._touch_ends(link)

    def _touch_ends(self, link: Relationship) -> None:
        for guid in (link.end1, link.end2):
            entity = self.catalog.store.entities[guid]
            self.mutations.record_update(entity)
            self.catalog.store.touch(entity, self.moment)

    def _has_parent(self, relationship: str, child: Entity) -> bool:
        return any(
            link.is_active
            for choices in self.catalog.type_of(child).relationship_attributes.values()
            for attribute in choices.values()
            if attribute.relationship == relationship and attribute.mandatory
            for link in self.current(child, attribute)
        )


def check_ends(catalog: Catalog, definition: TypeDef, end1: Entity, end2: Entity) -> None:
    """Refuse entities whose types do not fit the ends."""
    shape = definition.relationship
    if shape is None or not (
        catalog.type_of(end1).is_a(shape.end1.type_name) and catalog.type_of(end2).is_a(shape.end2.type_name)
    ):
        raise AtlasError(Code.WRONG_END_TYPE, definition.name, end1.type_name, end2.type_name)


def relationship_attributes(catalog: Catalog, definition: TypeDef, given: Json) -> Json:
    """Return the attributes of a relationship as stored; unknown ones are dropped."""
    stored: Json = {}
    for attribute in definition.attributes:
        value_type, value = catalog.registry.value_type(attribute.type_name), given.get(attribute.name)
        path = f"{definition.name}.{attribute.name}"
        if value is None:
            if not attribute.is_optional:
                problem = f"{path}: mandatory attribute value missing in type {definition.name}"
                raise AtlasError(Code.INVALID_ENTITY, problem)
            stored[attribute.name] = value_type.empty
            continue
        try:
            stored[attribute.name] = value_type.coerce(value, _refuse_reference)
        except InvalidValueError as problem:
            text = f"{path}={java_text(value)}: invalid value for type {problem}"
            raise AtlasError(Code.INVALID_ENTITY, text) from problem
    return stored


def _refuse_reference(value: object) -> Reference:
    raise AtlasError(Code.INVALID_OBJECT_ID, java_text(value))
