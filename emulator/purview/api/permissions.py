"""Who may call the catalog: which right a request needs, and in which collection."""

from emulator.purview.account.admin_errors import NotAuthorizedError
from emulator.purview.api.call import Call
from emulator.purview.catalog.store import Entity
from emulator.purview.errors import AtlasError
from emulator.purview.policies.policies import Policies
from emulator.purview.policies.roles import READ_DATA, WRITE_DATA
from emulator.purview.wire import Json


def check(policies: Policies, principal: str, call: Call) -> None:
    """
    Refuse a caller without the right: Data Curator for what changes something, Data Reader for the rest.

    The collection is the entity's, for new entities the one of the query or
    the root; types belong to the root. An entity that a request moves needs the
    right in both. Where no single collection is concerned, as in a search, the
    right has to be there in any of them.
    """
    # A search is a POST that changes nothing.
    action = READ_DATA if call.method == "GET" or call.route.startswith("/search/") else WRITE_DATA
    collections = _collections(call, writes=action == WRITE_DATA)
    if not collections and not policies.allows_somewhere(principal, action):
        raise NotAuthorizedError
    if not all(policies.allows(principal, action, name) for name in collections):
        raise NotAuthorizedError


def _collections(call: Call, *, writes: bool) -> set[str]:
    root = call.catalog.root_collection
    if "/types/" in call.route:
        return {root} if writes else set()
    if "/entity" not in call.route and "/lineage" not in call.route:
        return set()
    if writes and call.method == "POST" and call.route.endswith(("/entity", "/entity/bulk")):
        return _written(call, call.query.get("collectionId"))
    entities = _entities(call)
    if entities:
        return {entity.collection for entity in entities}
    return {root} if writes and call.method == "POST" else set()


def _written(call: Call, target: str | None) -> set[str]:
    """List the collections that the entities of a body are in, or go to."""
    body = call.body if isinstance(call.body, dict) else {}
    bodies = body.get("entities") if "entities" in body else [body.get("entity")]
    found = [_stored(call, each) for each in bodies if isinstance(each, dict)] if isinstance(bodies, list) else []
    moved_to = {target} if target else set()
    root = call.catalog.root_collection
    return {entity.collection if entity else target or root for entity in found} | moved_to or {root}


def _stored(call: Call, body: Json) -> Entity | None:
    """Find the entity that a body is about; what is wrong with the body is for the endpoint to say."""
    entity = call.catalog.store.entities.get(str(body.get("guid")))
    if entity is not None:
        return entity
    entity_type = call.catalog.registry.entity_types.get(str(body.get("typeName")))
    attributes = body.get("attributes")
    return call.catalog.find(entity_type, attributes) if entity_type and isinstance(attributes, dict) else None


def _entities(call: Call) -> list[Entity]:
    """Find the entities that path and query name; one that is missing is for the endpoint to miss."""
    found: list[Entity] = []
    entities = call.catalog.store.entities
    if "guid" in call.path or "type" in call.path:
        try:
            found.append(call.entity())
        except AtlasError:
            return []
    found += [entities[guid] for guid in call.query.getall("guid", []) if guid in entities]
    return found
