"""The lineage, relationship and search endpoints."""

from emulator.purview.api.call import Answer, Call, Commit
from emulator.purview.catalog import relationships
from emulator.purview.catalog.documents import header, relationship_document
from emulator.purview.catalog.lineage import BOTH, DIRECTIONS, lineage, next_lineage
from emulator.purview.catalog.search import query
from emulator.purview.errors import UncaughtError

DEFAULT_DEPTH = 3
DEFAULT_WIDTH = 10


def get_lineage(call: Call) -> Answer:
    """Read the graph around an entity."""
    return lineage(
        call.catalog,
        call.entity(),
        direction=_direction(call, BOTH),
        depth=call.integer("depth", DEFAULT_DEPTH),
        width=call.integer("width", DEFAULT_WIDTH),
    )


def get_next_lineage(call: Call) -> Answer:
    """Read a page of the next level on one side."""
    direction = _direction(call, "")
    if direction == BOTH:
        raise UncaughtError("one direction is needed")
    return next_lineage(
        call.catalog,
        call.entity(),
        direction=direction,
        offset=max(call.integer("offset", 0), 0),
        limit=call.integer("limit", -1),
    )


def post_relationship(call: Call) -> Commit:
    """Make a relationship."""
    make = relationships.create(call.catalog, call.document)
    return Commit(lambda: relationship_document(call.catalog, make()))


def put_relationship(call: Call) -> Commit:
    """Change a relationship."""
    change = relationships.update(call.catalog, call.document)
    return Commit(lambda: relationship_document(call.catalog, change()))


def get_relationship(call: Call) -> Answer:
    """Read a relationship, deleted or not."""
    found = relationships.read(call.catalog, call.path["guid"])
    body: dict[str, object] = {"relationship": relationship_document(call.catalog, found)}
    if call.flag("extendedInfo"):
        ends = (call.catalog.store.entities[guid] for guid in (found.end1, found.end2))
        body["referredEntities"] = {entity.guid: header(call.catalog, entity) for entity in ends}
    return body


def delete_relationship(call: Call) -> Commit:
    """Remove a relationship."""
    return Commit(relationships.delete(call.catalog, call.path["guid"]))


def post_search(call: Call) -> Answer:
    """Search, somewhat late."""
    return query(call.catalog, call.document)


def _direction(call: Call, default: str) -> str:
    direction = call.query.get("direction", default)
    if direction not in DIRECTIONS:
        raise UncaughtError(f"no direction {direction}")
    return direction
