"""Who may call the catalog: which right a request needs, and in which collection."""

from emulator.purview.account.admin_errors import NotAuthorizedError
from emulator.purview.api.call import Call
from emulator.purview.catalog.store import Entity
from emulator.purview.errors import AtlasError
from emulator.purview.policies.policies import Policies
from emulator.purview.policies.roles import READ_DATA, WRITE_DATA


def check(policies: Policies, principal: str, call: Call) -> None:
    """
    Refuse a caller without the right: Data Curator for what changes something, Data Reader for the rest.

    The collection is the entity's, for new entities the one of the query or
    the root; types belong to the root. Where no single collection is
    concerned, as in a search, the right has to be there in any of them.
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
    entities = _entities(call)
    if entities:
        return {entity.collection for entity in entities}
    return {call.query.get("collectionId") or root} if writes and call.method == "POST" else set()


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
