"""Classifications of an entity: what a scan or a steward says its data is."""

from collections.abc import Iterable

from emulator.purview.catalog.catalog import Catalog
from emulator.purview.catalog.store import Entity
from emulator.purview.errors import AtlasError, Code
from emulator.purview.types.typedefs import Category
from emulator.purview.wire import Json, as_list, as_object, as_text


def parse_classifications(catalog: Catalog, body: object) -> tuple[str, ...]:
    """Read a list of classifications; each must be of a type that is installed."""
    names = [
        as_text(as_object(item, "AtlasClassification").get("typeName"), "typeName") for item in as_list(body, "list")
    ]
    for name in names:
        definition = catalog.registry.definitions.get(name or "")
        if definition is None or definition.category is not Category.CLASSIFICATION:
            raise AtlasError(Code.CLASSIFICATION_NOT_FOUND, name)
    return tuple(str(name) for name in names)


def add_classifications(catalog: Catalog, entity: Entity, body: object) -> None:
    """Add classifications; none may be there already."""
    names = parse_classifications(catalog, body)
    if not names:
        raise AtlasError(Code.INVALID_PARAMETERS, "classifications are empty")
    for name in names:
        if name in entity.classifications:
            text = f"entity: {entity.guid}, already associated with classification: {name}"
            raise AtlasError(Code.INVALID_PARAMETERS, text)
    _set(catalog, entity, (*entity.classifications, *names))


def remove_classification(catalog: Catalog, entity: Entity, name: str) -> None:
    """Take a classification away; it must be there."""
    if name not in entity.classifications:
        raise AtlasError(Code.CLASSIFICATION_NOT_ASSOCIATED, name)
    _set(catalog, entity, tuple(each for each in entity.classifications if each != name))


def classification_documents(entity: Entity) -> list[Json]:
    """Return an entity's classifications as the service writes them down."""
    return [
        {
            "typeName": name,
            "entityGuid": entity.guid,
            "entityStatus": entity.status.value,
            "propagate": False,
            "validityPeriods": [],
            "removePropagationsOnEntityDelete": False,
        }
        for name in entity.classifications
    ]


def _set(catalog: Catalog, entity: Entity, names: Iterable[str]) -> None:
    moment = catalog.source.tick()
    catalog.store.set_field(entity, "classifications", tuple(names))
    catalog.store.touch(entity, moment)
