"""The type definition endpoints."""

from emulator.purview.api.call import Answer, Call
from emulator.purview.types.typedefs import Category

# The category as paths write it: ``businessmetadatadef``; ``typedef`` means any.
CATEGORIES = {category.segment.replace("_", ""): category for category in Category}


def post_typedefs(call: Call) -> Answer:
    """Create definitions, all or none."""
    return call.catalog.types.create(call.body)


def put_typedefs(call: Call) -> Answer:
    """Update definitions, all or none."""
    return call.catalog.types.update(call.body)


def delete_typedefs(call: Call) -> None:
    """Delete the definitions named in the body."""
    call.catalog.types.delete_document(call.body)


def delete_typedef(call: Call) -> None:
    """Delete one definition."""
    call.catalog.types.delete([call.path["name"]])


def get_typedefs(call: Call) -> Answer:
    """Read the definitions that pass the filters."""
    types = call.catalog.types
    return types.to_json(types.select(call.query))


def get_headers(call: Call) -> Answer:
    """Read the headers of the definitions that pass the filters."""
    return [item.header() for item in call.catalog.types.select(call.query)]


def get_typedef(call: Call) -> Answer:
    """Read one definition by name or guid, of any category or of the one in the path."""
    types = call.catalog.types
    category = CATEGORIES.get(call.path.get("category", ""))
    if "guid" in call.path:
        definition = types.by_guid(call.path["guid"], category)
    else:
        definition = types.by_name(call.path["name"], category)
    return types.registry.to_json(definition)
