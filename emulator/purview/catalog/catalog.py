"""One catalog: the parts every operation works on."""

from dataclasses import dataclass

from emulator.purview.catalog.store import Entity, Store
from emulator.purview.errors import AtlasError, Code
from emulator.purview.identity import Source
from emulator.purview.switches import Switches
from emulator.purview.types.registry import EntityType, Registry
from emulator.purview.types.type_system import TypeSystem
from emulator.purview.wire import java_text


@dataclass(frozen=True, slots=True)
class Catalog:
    """Records, types, clock and switches of one catalog."""

    store: Store
    types: TypeSystem
    source: Source
    switches: Switches
    root_collection: str

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
