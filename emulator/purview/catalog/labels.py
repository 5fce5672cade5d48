"""Labels of an entity: replaced, added to, taken from."""

from emulator.purview.catalog.catalog import Catalog
from emulator.purview.catalog.store import Entity
from emulator.purview.catalog.validation import validate_labels
from emulator.purview.errors import AtlasError, Code


def replace_labels(catalog: Catalog, entity: Entity, body: object) -> None:
    """Make these the labels; none clears them."""
    _set(catalog, entity, validate_labels(body))


def add_labels(catalog: Catalog, entity: Entity, body: object) -> None:
    """Add labels to those the entity has."""
    _set(catalog, entity, (*entity.labels, *_some(body)))


def remove_labels(catalog: Catalog, entity: Entity, body: object) -> None:
    """Take labels away; those it does not have do not matter."""
    gone = set(_some(body))
    _set(catalog, entity, tuple(label for label in entity.labels if label not in gone))


def _some(body: object) -> tuple[str, ...]:
    labels = validate_labels(body)
    if not labels:
        raise AtlasError(Code.INVALID_PARAMETERS, "labels are empty")
    return labels


def _set(catalog: Catalog, entity: Entity, labels: tuple[str, ...]) -> None:
    moment = catalog.source.tick()
    catalog.store.set_field(entity, "labels", tuple(dict.fromkeys(labels)))
    catalog.store.touch(entity, moment)
