"""Purview's search, as far as it is needed to see that it is late."""

from emulator.purview.catalog.catalog import Catalog
from emulator.purview.catalog.documents import display_text
from emulator.purview.catalog.store import Entity, Status
from emulator.purview.wire import Json, as_object

DEFAULT_LIMIT = 50


def query(catalog: Catalog, body: Json) -> Json:
    """
    Find active entities by words in their names.

    Entities that the latest writes created are not in the index yet; a query lets it catch up for the next.
    """
    words = str(body.get("keywords") or "*").strip("*").lower().split()
    conditions = as_object(body.get("filter") or {}, "filter")
    horizon = max(catalog.store.indexed, catalog.store.writes - catalog.switches.search_lag)
    catalog.store.indexed = catalog.store.writes
    found = [
        entity
        for entity in catalog.store.entities.values()
        if entity.status is Status.ACTIVE
        and entity.created_by_write <= horizon
        and all(word in _text(entity) for word in words)
        and _matches(catalog, entity, conditions)
    ]
    offset, limit = int(body.get("offset") or 0), int(body.get("limit") or DEFAULT_LIMIT)
    return {
        "@search.count": len(found),
        "@search.count.approximate": False,
        "value": [_hit(entity) for entity in found[offset : offset + limit]],
    }


def _text(entity: Entity) -> str:
    return f"{entity.attributes.get('qualifiedName')} {display_text(entity)}".lower()


def _matches(catalog: Catalog, entity: Entity, conditions: Json) -> bool:
    wanted = conditions.get("entityType")
    if wanted and not catalog.type_of(entity).is_a(str(wanted)):
        return False
    collection = conditions.get("collectionId")
    return collection in (None, entity.collection)


def _hit(entity: Entity) -> Json:
    return {
        "id": entity.guid,
        "qualifiedName": entity.attributes.get("qualifiedName"),
        "name": entity.attributes.get("name"),
        "displayText": display_text(entity),
        "entityType": entity.type_name,
        "collectionId": entity.collection,
        "createTime": entity.created,
        "updateTime": entity.updated,
        "label": list(entity.labels),
        "@search.score": 1.0,
    }
