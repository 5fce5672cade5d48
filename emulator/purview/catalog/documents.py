"""Entities, headers and relationships as the service writes them down."""

from collections.abc import Collection

from emulator.purview.catalog.catalog import Catalog
from emulator.purview.catalog.classifications import classification_documents
from emulator.purview.catalog.store import Entity, Relationship
from emulator.purview.types.registry import EntityType, RelationshipAttribute
from emulator.purview.types.values import Reference
from emulator.purview.wire import Json

HEADER_ATTRIBUTES = ("name", "description", "owner", "createTime")


def display_text(entity: Entity) -> str:
    """Return what people see: the display name, the name, or the qualified name."""
    for name in ("displayName", "name", "qualifiedName"):
        value = entity.attributes.get(name)
        if value:
            return str(value)
    return entity.guid


def header(catalog: Catalog, entity: Entity) -> Json:
    """Return the short form used in write answers and in lineage."""
    entity_type = catalog.type_of(entity)
    attributes: Json = {name: entity.attributes.get(name) for name in entity_type.unique}
    for name in HEADER_ATTRIBUTES:
        if name in entity_type.attributes:
            value = entity.attributes.get(name)
            attributes[name] = "" if value is None else value
    return {
        "typeName": entity.type_name,
        "attributes": attributes,
        "lastModifiedTS": str(entity.revision),
        "guid": entity.guid,
        "status": entity.status.value,
        "displayText": display_text(entity),
        "classificationNames": list(entity.classifications),
        "classifications": classification_documents(entity),
        "meaningNames": [],
        "meanings": [],
        "isIncomplete": False,
        "labels": list(entity.labels),
        "collectionId": entity.collection,
    }


def entity_document(
    catalog: Catalog,
    entity: Entity,
    *,
    relationships: bool = True,
    excluded: Collection[str] = (),
) -> Json:
    """Return the full form; ``excluded`` are relationship types to leave out."""
    entity_type = catalog.type_of(entity)
    attributes: Json = {}
    for name, attribute in entity_type.attributes.items():
        if name in entity_type.relationship_attributes:
            choices = entity_type.relationship_attributes[name].values()
            attributes[name] = [
                _reference(catalog, guid) for item in choices for guid in _far_ends(catalog, entity, item)
            ]
        else:
            value = entity.attributes.get(name, attribute.cleared)
            attributes[name] = _plain(catalog, value)
    body: Json = {
        "typeName": entity.type_name,
        "attributes": attributes,
        "lastModifiedTS": str(entity.revision),
        "guid": entity.guid,
        "isIncomplete": False,
        "status": entity.status.value,
        "createdBy": entity.created_by,
        "updatedBy": entity.updated_by,
        "createTime": entity.created,
        "updateTime": entity.updated,
        "version": 0,
        "labels": list(entity.labels),
        "collectionId": entity.collection,
    }
    if entity.classifications:
        body["classifications"] = classification_documents(entity)
    if entity.custom_attributes is not None:
        body["customAttributes"] = entity.custom_attributes
    if relationships:
        body["relationshipAttributes"] = _relationship_attributes(catalog, entity, entity_type, excluded)
    return body


def entities_document(
    catalog: Catalog, entities: list[Entity], *, relationships: bool = True, excluded: Collection[str] = ()
) -> Json:
    """Return several entities with the children they own."""
    documents = [entity_document(catalog, item, relationships=relationships, excluded=excluded) for item in entities]
    return {"entities": documents, "referredEntities": owned_documents(catalog, entities, relationships)}


def owned_documents(catalog: Catalog, entities: list[Entity], relationships: bool = True) -> Json:
    """Return the children the entities own by COMPOSITION, by guid."""
    return {
        child.guid: entity_document(catalog, child, relationships=relationships)
        for entity in entities
        for child in owned_children(catalog, entity)
    }


def owned_children(catalog: Catalog, entity: Entity) -> list[Entity]:
    """Return the entities this one owns by COMPOSITION."""
    return [
        catalog.store.entities[link.far_end(attribute.end)]
        for name, choices in catalog.type_of(entity).relationship_attributes.items()
        for attribute in choices.values()
        if attribute.owns
        for link in catalog.store.links(entity.guid, name)
        if link.is_active and link.type_name == attribute.relationship
    ]


def relationship_document(catalog: Catalog, relationship: Relationship) -> Json:
    """Return a relationship as the relationship API gives it."""
    definition = catalog.registry.relationship_def(relationship.type_name)
    body: Json = {
        "typeName": relationship.type_name,
        "guid": relationship.guid,
        "end1": _reference(catalog, relationship.end1),
        "end2": _reference(catalog, relationship.end2),
        "label": definition.relationship.label if definition.relationship else "",
        "propagateTags": relationship.propagate_tags,
        "provenanceType": 0,
        "status": relationship.status.value,
        "createdBy": relationship.created_by,
        "updatedBy": relationship.updated_by,
        "createTime": relationship.created,
        "updateTime": relationship.updated,
        "version": 0,
        "propagatedClassifications": [],
        "blockedPropagatedClassifications": [],
    }
    return body | ({"attributes": relationship.attributes} if definition.attributes else {})


def _relationship_attributes(
    catalog: Catalog, entity: Entity, entity_type: EntityType, excluded: Collection[str]
) -> Json:
    body: Json = {}
    for name, choices in entity_type.relationship_attributes.items():
        shown = [item for item in choices.values() if item.relationship not in excluded]
        if not shown:
            continue
        related = [_related(catalog, link, item) for item in shown for link in _links(catalog, entity, item)]
        if shown[0].is_many:
            body[name] = related
        else:
            active = [item for item in related if item["relationshipStatus"] == "ACTIVE"]
            body[name] = next(iter(active or reversed(related)), None)
    return body


def _links(catalog: Catalog, entity: Entity, attribute: RelationshipAttribute) -> list[Relationship]:
    links = catalog.store.links(entity.guid, attribute.name)
    return [link for link in links if link.type_name == attribute.relationship]


def _far_ends(catalog: Catalog, entity: Entity, attribute: RelationshipAttribute) -> list[str]:
    """Return the linked guids; a deleted link is listed like any other (observed on Atlas), but only once."""
    return list(dict.fromkeys(link.far_end(attribute.end) for link in _links(catalog, entity, attribute)))


def _related(catalog: Catalog, link: Relationship, attribute: RelationshipAttribute) -> Json:
    other = catalog.store.entities[link.far_end(attribute.end)]
    inner: Json = {"typeName": link.type_name}
    if catalog.registry.relationship_def(link.type_name).attributes:
        inner["attributes"] = link.attributes
    return {
        "guid": other.guid,
        "typeName": other.type_name,
        "entityStatus": other.status.value,
        "displayText": display_text(other),
        "qualifiedName": other.attributes.get("qualifiedName"),
        "relationshipType": link.type_name,
        "relationshipGuid": link.guid,
        "relationshipStatus": link.status.value,
        "relationshipAttributes": inner,
    }


def _reference(catalog: Catalog, guid: str) -> Json:
    entity = catalog.store.entities[guid]
    unique = {name: entity.attributes.get(name) for name in catalog.type_of(entity).unique}
    return {"guid": guid, "typeName": entity.type_name, "uniqueAttributes": unique}


def _plain(catalog: Catalog, value: object) -> object:
    """Write references inside a value down as the service does."""
    if isinstance(value, Reference):
        return _reference(catalog, value.guid)
    if isinstance(value, list):
        return [_plain(catalog, item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(catalog, item) for key, item in value.items()}
    return value
