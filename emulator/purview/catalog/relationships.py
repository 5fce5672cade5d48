"""The relationship API: relationships made, read, changed and removed by themselves."""

from collections.abc import Callable

from emulator.purview.catalog.catalog import Catalog
from emulator.purview.catalog.links import Links, check_ends, relationship_attributes
from emulator.purview.catalog.store import Entity, Mutations, Relationship
from emulator.purview.errors import AtlasError, Code, UncaughtError
from emulator.purview.wire import Json, as_object


def create(catalog: Catalog, body: Json) -> Callable[[], Relationship]:
    """
    Check a relationship, and return what makes it.

    Ends given the wrong way round are turned if the types fit; then, and where both ends are one and the same so that
    it has no direction, one that exists is the answer. Given as it is stored, it is refused.
    """
    definition = catalog.registry.relationship_def(body.get("typeName"))
    shape = definition.relationship
    if shape is None or body.get("end1") is None or body.get("end2") is None:
        raise UncaughtError("relationship without both ends")
    end1, end2 = _end(catalog, body["end1"], shape.end1.type_name), _end(catalog, body["end2"], shape.end2.type_name)
    fits = catalog.type_of(end1).is_a(shape.end1.type_name) and catalog.type_of(end2).is_a(shape.end2.type_name)
    is_turned = not fits and (
        catalog.type_of(end2).is_a(shape.end1.type_name) and catalog.type_of(end1).is_a(shape.end2.type_name)
    )
    if is_turned:
        end1, end2 = end2, end1
    check_ends(catalog, definition, end1, end2)
    existing = catalog.store.active_relationship(definition.name, end1.guid, end2.guid)
    if existing and not is_turned:
        raise AtlasError(Code.RELATIONSHIP_EXISTS, definition.name, end1.guid, end2.guid)
    if not existing and (shape.end1.type_name, shape.end1.name) == (shape.end2.type_name, shape.end2.name):
        existing = catalog.store.active_relationship(definition.name, end2.guid, end1.guid)
    if existing:
        return lambda: existing
    attributes = as_object(body.get("attributes") or {}, "attributes")

    def make() -> Relationship:
        links = Links(catalog, Mutations(), catalog.source.tick())
        made = links.connect(definition, end1, end2, attributes)
        if body.get("propagateTags"):
            catalog.store.set_field(made, "propagate_tags", str(body["propagateTags"]))
        return made

    return catalog.writing(make)


def read(catalog: Catalog, guid: str) -> Relationship:
    """Return a relationship, deleted or not."""
    found = catalog.store.relationships.get(guid)
    if found is None:
        raise AtlasError(Code.RELATIONSHIP_NOT_FOUND, guid)
    return found


def update(catalog: Catalog, body: Json) -> Callable[[], Relationship]:
    """Check a change of the attributes or the propagation of a relationship, and return what makes it."""
    found = read(catalog, str(body.get("guid")))
    definition = catalog.registry.relationship_def(found.type_name)
    if body.get("typeName") not in (None, found.type_name):
        raise AtlasError(Code.RELATIONSHIP_TYPE_CHANGED, found.guid)
    for name, guid in (("end1", found.end1), ("end2", found.end2)):
        end = body.get(name)
        if isinstance(end, dict) and end.get("guid") not in (None, guid):
            raise AtlasError(Code.RELATIONSHIP_END_CHANGED, found.guid)

    def change() -> Relationship:
        catalog.store.set_field(found, "updated", catalog.source.tick())
        catalog.store.set_field(found, "updated_by", catalog.store.user)
        if body.get("attributes") is not None:
            given = {**found.attributes, **as_object(body["attributes"], "attributes")}
            catalog.store.set_field(found, "attributes", relationship_attributes(catalog, definition, given))
        if body.get("propagateTags"):
            catalog.store.set_field(found, "propagate_tags", str(body["propagateTags"]))
        return found

    return catalog.writing(change)


def delete(catalog: Catalog, guid: str) -> Callable[[], None]:
    """Check that a relationship is not deleted, and return what deletes it, softly."""
    found = read(catalog, guid)
    if not found.is_active:
        raise AtlasError(Code.RELATIONSHIP_ALREADY_DELETED, guid)
    return catalog.writing(lambda: Links(catalog, Mutations(), catalog.source.tick()).remove(found))


def _end(catalog: Catalog, value: object, expected: str) -> Entity:
    reference = as_object(value, "AtlasObjectId")
    guid = reference.get("guid")
    if guid:
        found = catalog.store.entities.get(guid) if isinstance(guid, str) else None
    else:
        unique = as_object(reference.get("uniqueAttributes") or {}, "uniqueAttributes")
        found = catalog.find(catalog.registry.entity_type(reference.get("typeName") or expected), unique)
    if found is None:
        raise AtlasError(Code.INVALID_RELATIONSHIP_END, expected, "NULL")
    return found
