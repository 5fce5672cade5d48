"""
Purview's search: words, the filters that are documented, pages, and an index that is late.

Sources: the examples of `Discovery_Query` in Azure/azure-rest-api-specs (purview, DataMap, 2023-09-01), and the
options of `Discovery - Query` in Microsoft's REST reference; `startswith` on qualifiedName is what Feathr's registry
on Purview asks (feathr-ai/feathr, `_feature_registry_purview.py`). Whether it regards case is not documented: here it
does not, so a client that wants it exact has to look. What else the service would take is refused.
"""

import base64
import json
from collections.abc import Callable

from emulator.purview.catalog.catalog import Catalog
from emulator.purview.catalog.documents import display_text
from emulator.purview.catalog.store import Entity, Status
from emulator.purview.errors import AtlasError, Code
from emulator.purview.wire import Json, as_object

DEFAULT_LIMIT = 50
MOST = 1_000

_OPTIONS = frozenset({"keywords", "limit", "continuationToken", "orderby", "filter", "facets", "taxonomySetting"})
_OPERATORS: dict[str, Callable[[str, str], bool]] = {
    "eq": lambda value, wanted: value == wanted,
    "contains": lambda value, wanted: wanted in value,
    "startswith": lambda value, wanted: value.startswith(wanted),
}
_ATTRIBUTES = ("name", "qualifiedName")


def query(catalog: Catalog, body: Json) -> Json:
    """
    Find active entities by words in their names and by filters, a page of them.

    Entities that the latest writes created are not in the index yet; a query lets it catch up for the next.
    """
    if unknown := sorted(body.keys() - _OPTIONS):
        raise AtlasError(Code.BAD_REQUEST, f"the search has no option {', '.join(unknown)}")
    words = str(body.get("keywords") or "*").strip("*").lower().split()
    matches = _filter(catalog, as_object(body.get("filter") or {}, "filter"))
    limit = int(body.get("limit") or DEFAULT_LIMIT)
    if not 0 < limit <= MOST:
        raise AtlasError(Code.BAD_REQUEST, f"limit is to be 1 to {MOST}")
    horizon = max(catalog.store.indexed, catalog.store.writes - catalog.switches.search_lag)
    catalog.store.indexed = catalog.store.writes
    found = [
        entity
        for entity in catalog.store.entities.values()
        if entity.status is Status.ACTIVE
        and entity.created_by_write <= horizon
        and all(word in _text(entity) for word in words)
        and matches(entity)
    ]
    start = _start(body.get("continuationToken"))
    page: Json = {
        "@search.count": len(found),
        "@search.count.approximate": False,
        "value": [_hit(entity) for entity in found[start : start + limit]],
    }
    if start + limit < len(found):
        page["continuationToken"] = base64.b64encode(json.dumps({"offset": start + limit}).encode()).decode()
    return page


def _start(token: object) -> int:
    if not token:
        return 0
    try:
        return int(json.loads(base64.b64decode(str(token)))["offset"])
    except (ValueError, KeyError, TypeError) as error:
        raise AtlasError(Code.BAD_REQUEST, "the continuation token is none of this search") from error


def _text(entity: Entity) -> str:
    return f"{entity.attributes.get('qualifiedName')} {display_text(entity)}".lower()


def _filter(catalog: Catalog, conditions: Json) -> Callable[[Entity], bool]:
    """Read a filter; refuses one that is not documented."""
    members = {key: value for key, value in conditions.items() if key != "kind"}
    match members:
        case {"and": list(parts)} if len(members) == 1:
            return _all([_filter(catalog, as_object(part, "filter")) for part in parts])
        case {"or": list(parts)} if len(members) == 1:
            return _any([_filter(catalog, as_object(part, "filter")) for part in parts])
        case {"not": part} if len(members) == 1:
            inner = _filter(catalog, as_object(part, "filter"))
            return lambda entity: not inner(entity)
        case {"entityType": str(type_name)} if members.keys() <= {"entityType", "includeSubTypes", "collectionId"}:
            exactly = members.get("includeSubTypes") is False
            collection = members.get("collectionId")
            return lambda entity: (
                (entity.type_name == type_name if exactly else catalog.type_of(entity).is_a(type_name))
                and collection in (None, entity.collection)
            )
        case {"collectionId": str(collection)} if len(members) == 1:
            return lambda entity: entity.collection == collection
        case {"attributeName": str(name), "operator": str(operator), "attributeValue": value} if (
            len(members) == 3 and name in _ATTRIBUTES and operator in _OPERATORS
        ):
            wanted, holds = str(value).lower(), _OPERATORS[operator]
            return lambda entity: holds(str(entity.attributes.get(name)).lower(), wanted)
        case {}:
            if members:
                raise AtlasError(Code.BAD_REQUEST, f"a filter is not {json.dumps(members)}")
            return lambda _: True
    raise AtlasError(Code.BAD_REQUEST, f"a filter is not {json.dumps(members)}")


def _all(parts: list[Callable[[Entity], bool]]) -> Callable[[Entity], bool]:
    return lambda entity: all(part(entity) for part in parts)


def _any(parts: list[Callable[[Entity], bool]]) -> Callable[[Entity], bool]:
    return lambda entity: any(part(entity) for part in parts)


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
