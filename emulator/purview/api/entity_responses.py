"""The entity endpoints."""

from collections.abc import Callable
from http import HTTPStatus

from emulator.purview.api.call import Answer, Call, Commit
from emulator.purview.catalog.catalog import Catalog
from emulator.purview.catalog.classifications import (
    add_classifications,
    classification_documents,
    remove_classification,
)
from emulator.purview.catalog.documents import entities_document, entity_document, header, owned_documents
from emulator.purview.catalog.labels import add_labels, remove_labels, replace_labels
from emulator.purview.catalog.links import Links
from emulator.purview.catalog.store import Entity, Mutations
from emulator.purview.catalog.upsert import set_attribute, upsert
from emulator.purview.errors import AtlasError, Code, GatewayError, UncaughtError
from emulator.purview.wire import Json, as_list, as_object


def post_entity(call: Call) -> Commit:
    """Create or update one entity."""
    return _written(call, [call.document.get("entity")])


def post_bulk(call: Call) -> Commit:
    """Create or update entities, all or none."""
    body = call.document
    if "entities" not in body:
        raise UncaughtError("body without entities")
    entities = as_list(body["entities"], "entities")
    if not entities:
        raise AtlasError(Code.INVALID_PARAMETERS, "no entities to create/update.")
    if len(entities) > call.catalog.switches.max_bulk:
        raise GatewayError(HTTPStatus.REQUEST_URI_TOO_LONG)
    return _written(call, entities)


def get_entity(call: Call) -> Answer:
    """Read one entity by guid or by unique attributes."""
    entity = call.entity()
    document = entity_document(call.catalog, entity, relationships=_relationships(call), excluded=_excluded(call))
    return {"entity": document, "referredEntities": _referred(call, [entity])}


def get_header(call: Call) -> Answer:
    """Read the short form of an entity."""
    return header(call.catalog, call.entity())


def get_bulk(call: Call) -> Answer:
    """Read entities by guid; one that is missing fails them all."""
    guids = call.query.getall("guid", [])
    if not guids:
        raise AtlasError(Code.ENTITY_NOT_FOUND, "{0}")
    return _entities(call, [call.catalog.by_guid(guid) for guid in guids])


def get_bulk_unique(call: Call) -> Answer:
    """Read entities of one type by unique attributes; those that are missing are left out."""
    entity_type = call.catalog.registry.entity_type(call.path["type"])
    found = [call.catalog.find(entity_type, values) for values in call.numbered_unique()]
    entities = [entity for entity in found if entity is not None]
    return _entities(call, entities) if entities else {}


def put_entity(call: Call) -> Commit:
    """Update the attributes given, and no others, of the entity with these unique attributes."""
    entity = call.entity()
    given = call.document.get("entity")
    if given is None:
        raise AtlasError(Code.INVALID_PARAMETERS, "no entity to update.")
    body = {**as_object(given, "entity"), "guid": entity.guid}
    referred = as_object(call.document.get("referredEntities") or {}, "referredEntities")
    return _commit(call, upsert(call.catalog, [body], referred, partial=True))


def put_attribute(call: Call) -> Commit:
    """Update a single attribute."""
    return _commit(call, set_attribute(call.catalog, call.entity(), call.query.get("name"), call.body))


def delete_entity(call: Call) -> Commit:
    """Delete one entity; deleting nothing is no error."""
    if "guid" in call.path:
        return _deleted(call, [call.path["guid"]])
    entity_type = call.catalog.registry.entity_type(call.path["type"])
    found = call.catalog.find(entity_type, call.unique())
    return _deleted(call, [found.guid] if found else [])


def delete_bulk(call: Call) -> Commit:
    """Delete entities by guid; unknown ones are skipped."""
    guids = call.query.getall("guid", [])
    if not guids:
        raise AtlasError(Code.INVALID_PARAMETERS, "Guid(s) not specified")
    return _deleted(call, guids)


def post_labels(call: Call) -> Commit:
    """Replace the labels of an entity."""
    return _decorated(call, replace_labels)


def put_labels(call: Call) -> Commit:
    """Add labels to an entity."""
    return _decorated(call, add_labels)


def delete_labels(call: Call) -> Commit:
    """Remove labels from an entity."""
    return _decorated(call, remove_labels)


def get_classifications(call: Call) -> Answer:
    """Read the classifications of an entity (AtlasClassifications)."""
    return {"list": classification_documents(call.entity()), "startIndex": 0, "pageSize": 0, "totalCount": 0}


def post_classifications(call: Call) -> Commit:
    """Add classifications to an entity."""
    return _decorated(call, add_classifications)


def delete_classification(call: Call) -> Commit:
    """Remove a classification from an entity."""
    name = call.path["name"]
    return _decorated(call, lambda catalog, entity, _: remove_classification(catalog, entity, name))


def _written(call: Call, bodies: list[object]) -> Commit:
    referred = as_object(call.document.get("referredEntities") or {}, "referredEntities")
    return _commit(call, upsert(call.catalog, bodies, referred, collection=call.query.get("collectionId")))


def _deleted(call: Call, guids: list[str]) -> Commit:
    known = call.catalog.store.entities
    entities = [known[guid] for guid in guids if guid in known]

    def delete() -> Mutations:
        mutations = Mutations()
        Links(call.catalog, mutations, call.catalog.source.tick()).delete(entities)
        return mutations

    return _commit(call, call.catalog.writing(delete))


def _commit(call: Call, write: Callable[[], Mutations]) -> Commit:
    return Commit(lambda: write().to_json(lambda entity: header(call.catalog, entity)))


def _decorated(call: Call, change: Callable[[Catalog, Entity, object], None]) -> Commit:
    """Change what describes an entity, which is looked for now, and what the body says of it."""
    entity = call.entity()
    return Commit(call.catalog.writing(lambda: change(call.catalog, entity, call.body)))


def _entities(call: Call, entities: list[Entity]) -> Json:
    document = entities_document(call.catalog, entities, relationships=_relationships(call), excluded=_excluded(call))
    return document if not call.flag("minExtInfo") else {**document, "referredEntities": {}}


def _referred(call: Call, entities: list[Entity]) -> Json:
    return {} if call.flag("minExtInfo") else owned_documents(call.catalog, entities, _relationships(call))


def _relationships(call: Call) -> bool:
    return not call.flag("ignoreRelationships")


def _excluded(call: Call) -> list[str]:
    return call.query.getall("excludeRelationshipTypes", [])
