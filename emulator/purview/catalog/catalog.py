"""One catalog: the parts every operation works on."""

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from emulator.purview.catalog.store import Entity, Store
from emulator.purview.errors import AtlasError, Code, UncaughtError
from emulator.purview.identity import Source
from emulator.purview.switches import Switches
from emulator.purview.types.registry import EntityType, Registry
from emulator.purview.types.type_system import TypeSystem
from emulator.purview.wire import java_text

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Catalog:
    """Records, types, clock and switches of one catalog."""

    store: Store
    types: TypeSystem
    source: Source
    switches: Switches
    root_collection: str

    def writing(self, write: Callable[[], T]) -> Callable[[], T]:
        """
        Return the second half of a request, whose first half is done: what it writes when it commits, or none of it.

        What the first half saw may be out of date by then, and nothing looks again. That is how Apache Atlas 2.4 was
        seen to behave, and reports of twins in odpi/egeria (issues 592 and 5478) say the same. Where another write
        to one of its entities came between, it is answered 500 at the rate of the switch ``lock_rate``.
        """
        since = self.store.writes

        def commit() -> T:
            with self.store.transaction(since):
                written = write()
                if self.store.is_contended and self._loses_lock():
                    raise UncaughtError("another request has locked the entity")
                return written

        return commit

    def _loses_lock(self) -> bool:
        dice = random.Random(f"lock|{self.store.writes}")  # noqa: S311 - the same requests get the same answers
        return dice.random() < self.switches.lock_rate

    @property
    def registry(self) -> Registry:
        """The types as they are now."""
        return self.types.registry

    def type_of(self, entity: Entity) -> EntityType:
        """Return the type of a stored entity."""
        return self.registry.entity_types[entity.type_name]

    def by_guid(self, guid: str) -> Entity:
        """Return an entity, deleted or not."""
        found = self.store.entities.get(guid)
        if found is None:
            raise AtlasError(Code.ENTITY_NOT_FOUND, guid)
        return found

    def find(self, entity_type: EntityType, values: dict[str, object]) -> Entity | None:
        """Return the active entity of the type, or of a descendant, with one of these unique values."""
        for name in entity_type.unique:
            if values.get(name) is not None:
                found = self.store.find(entity_type, name, values[name])
                if found is not None:
                    return found
        return None

    def by_unique(self, type_name: str, values: dict[str, object]) -> Entity:
        """Return the active entity with these unique values."""
        entity_type = self.registry.entity_type(type_name)
        usable = [name for name in values if name in entity_type.unique]
        if not usable:
            raise AtlasError(Code.NOT_UNIQUE_ATTRIBUTE, type_name, ", ".join(values))
        found = self.find(entity_type, values)
        if found is None:
            raise AtlasError(Code.NOT_FOUND_BY_ATTRIBUTE, type_name, java_text({name: values[name] for name in usable}))
        return found
