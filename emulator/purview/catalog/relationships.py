"""The relationship API: relationships made, read, changed and removed by themselves."""

from emulator.purview.catalog.catalog import Catalog
from emulator.purview.catalog.links import Links, check_ends, relationship_attributes
from emulator.purview.catalog.store import Entity, Mutations, Relationship
from emulator.purview.errors import AtlasError, Code, UncaughtError
from emulator.purview.wire import Json, as_object


def create(catalog: Catalog, body: Json) -> Relationship:
    """Make a relationship; ends given the wrong way round are turned if the types fit."""
    definition = catalog.registry.relationship_def(body.get("typeName"))
    shape = definition.relationship
    if shape is None or body.get("end1") is None or body.get("end2") is None:
        raise UncaughtError("relationship without both ends")
    end1, end2 = _end(catalog, body["end1"], shape.end1.type_name), _end(catalog, body["end2"], shape.end2.type_name)
    fits = catalog.type_of(end1).is_a(shape.end1.type_name) and catalog.type_of(end2).is_a(shape.end2.type_name)
    if not fits and (
        catalog.type_of(end2).is_a(shape.end1.type_name) and catalog.type_of(end1).is_a(shape.end2.type_name)
    ):
        end1, end2 = end2, end1
    check_ends(catalog, definition, end1, end2)
    if catalog.store.active_relationship(definition.name, end1.guid, end2.guid):
        raise AtlasError(Code.RELATIONSHIP_EXISTS, definition.name, end1.guid, end2.guid)
    attributes = as_object(body.get("attributes") or {}, "attributes")
    with catalog.store.transaction():
        links = Links(catalog, Mutations(), catalog.source.tick())
        made = links.connect(definition, end1, end2, attributes)
        if body.get("propagateTags"):
            catalog.store.set_field(made, "propagate_tags", str(body["propagateTags"]))
    return made


def read(catalog: Catalog, guid: str) -> Relationship:
    """Return a relationship, deleted or not."""
    found = catalog.store.relationships.get(guid)
    if found is None:
        raise AtlasError(Code.RELATIONSHIP_NOT_FOUND, guid)
    return found


def update(catalog: Catalog, body: Json) -> Relationship:
    """Change the attributes or the propagation of a relationship; type and ends stay."""
    found = read(catalog, str(body.get("guid")))
    definition = catalog.registry.relationship_def(found.type_name)
    if body.get("typeName") not in (None, found.type_name):
        raise AtlasError(Code.RELATIONSHIP_TYPE_CHANGED, found.guid)
    for name, guid in (("end1", found.end1), ("end2", found.end2)):
        end = body.get(name)
        if isinstance(end, dict) and end.get("guid") not in (None, guid):
            raise AtlasError(Code.RELATIONSHIP_END_CHANGED, found.guid)
    with catalog.store.transaction():
        catalog.store.set_field(found, "updated", catalog.source.tick())
        catalog.store.set_field(found, "updated_by", catalog.store.user)
        if body.get("attributes") is not None:
            given = {**found.attributes, **as_object(body["attributes"], "attributes")}
            catalog.store.set_field(found, "attributes", relationship_attributes(catalog, definition, given))
        if body.get("propagateTags"):
            catalog.store.set_field(found, "propagate_tags", str(body["propagateTags"]))
    return found


def delete(catalog: Catalog, guid: str) -> None:
    """Soft-delete a relationship, once."""
    found = read(catalog, guid)
    if not found.is_active:
        raise AtlasError(Code.RELATIONSHIP_ALREADY_DELETED, guid)
    with catalog.store.transaction():
        Links(catalog, Mutations(), catalog.source.tick()).remove(found)


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
