"""The type system of a catalog: creation, change and removal of definitions, all or nothing."""

from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path

import yaml

from emulator.purview.errors import AtlasError, Code
from emulator.purview.identity import Source
from emulator.purview.types.registry import Registry
from emulator.purview.types.typedef_rules import (
    check_definition,
    check_inheritance,
    check_update,
    redeclared,
    refuse_system_type,
)
from emulator.purview.types.typedefs import Category, Stamp, TypeDef, parse_document
from emulator.purview.wire import Json, as_list, as_object

BUILTIN_TYPES = Path(__file__).parent / "builtin_types"


@cache
def builtin_registry() -> Registry:
    """Return the types every catalog starts with; read once, shared, never changed."""
    source = Source("types")
    definitions: dict[str, TypeDef] = {}
    for path in sorted(BUILTIN_TYPES.glob("*.yaml")):
        for item in parse_document(yaml.safe_load(path.read_text(encoding="utf-8"))):
            check_definition(item)
            definitions[item.name] = item.stamped(Stamp(source.guid(), source.moment, source.moment))
    registry = Registry(definitions)
    check_inheritance(registry, frozenset())
    return registry


class TypeSystem:
    """The definitions of one catalog."""

    def __init__(self, source: Source, in_use: Callable[[TypeDef], bool]) -> None:
        self.registry = builtin_registry()
        self._source = source
        self._in_use = in_use
        self._tolerated: frozenset[tuple[str, str]] = frozenset()

    def create(self, document: object) -> Json:
        """Store new definitions; any problem, and none is stored."""
        definitions = parse_document(document)
        seen: set[str] = set()
        for item in definitions:
            refuse_system_type(item.name)
            if item.name in self.registry.definitions or item.name in seen:
                raise AtlasError(Code.TYPE_EXISTS, item.name)
            seen.add(item.name)
        return self._store(definitions)

    def seed(self, document: object) -> None:
        """Store definitions as an older service did, which let a type declare an inherited attribute again."""
        definitions = self._stamped(parse_document(document))
        self.registry = Registry({**self.registry.definitions, **definitions})
        self._tolerated = frozenset((name, attribute) for name, attribute, _ in redeclared(self.registry))

    def update(self, document: object) -> Json:
        """Replace definitions by their full new text; only additions pass."""
        definitions = []
        for item in parse_document(document):
            refuse_system_type(item.name)
            old = self._existing(item)
            if old.name != item.name:
                code = Code.RELATIONSHIP_NAME_CHANGED if old.relationship else Code.BAD_REQUEST
                raise AtlasError(code, old.name, item.name)
            check_update(old, item)
            definitions.append(item)
        return self._store(definitions)

    def delete(self, names: Sequence[str]) -> None:
        """Remove definitions that nothing uses any more."""
        going = set(names)
        for name in names:
            definition = self.by_name(name)
            if self._in_use(definition) or any(
                name in other.super_types for other in self.registry.definitions.values() if other.name not in going
            ):
                raise AtlasError(Code.TYPE_IN_USE, name)
            for other in self.registry.of_category(Category.RELATIONSHIP):
                shape = other.relationship
                if shape and other.name not in going and name in (shape.end1.type_name, shape.end2.type_name):
                    raise AtlasError(Code.TYPE_HAS_RELATIONSHIPS, name)
        self.registry = Registry({name: item for name, item in self.registry.definitions.items() if name not in going})

    def delete_document(self, document: object) -> None:
        """Remove the definitions a typedefs document names."""
        body = as_object(document, "AtlasTypesDef")
        listed = [item for category in Category for item in as_list(body.get(category.array), "typedefs")]
        self.delete([str(as_object(item, "typedef").get("name")) for item in listed])

    def by_name(self, name: str, category: Category | None = None) -> TypeDef:
        """Return a definition by name."""
        refuse_system_type(name)
        found = self.registry.definitions.get(name)
        if found is None or category not in (None, found.category):
            raise AtlasError(Code.TYPE_NOT_FOUND, name)
        return found

    def by_guid(self, guid: str, category: Category | None = None) -> TypeDef:
        """Return a definition by guid."""
        found = self.registry.by_guid.get(guid)
        if found is None or category not in (None, found.category):
            raise AtlasError(Code.TYPE_GUID_NOT_FOUND, guid)
        return found

    def select(self, filters: Mapping[str, str]) -> list[TypeDef]:
        """Return the definitions that pass the filters of a query string."""
        wanted = filters.get("type", "").lower()
        wanted = {"class": "entity", "trait": "classification"}.get(wanted, wanted)
        super_type, not_super_type = filters.get("supertype"), filters.get("notsupertype")

        def passes(item: TypeDef) -> bool:
            resolved = self.registry.entity_types.get(item.name)
            ancestors = resolved.super_types if resolved else item.super_types
            return (
                wanted in ("", item.category.segment)
                and filters.get("name") in (None, "", item.name)
                and filters.get("servicetype") in (None, "", item.service_type)
                and (not super_type or super_type in ancestors)
                and (not not_super_type or not_super_type not in ancestors)
            )

        return [item for item in self.registry.definitions.values() if passes(item)]

    def to_json(self, definitions: Sequence[TypeDef]) -> Json:
        """Return a typedefs document: six arrays, empty ones included."""
        return {
            category.array: [self.registry.to_json(item) for item in definitions if item.category is category]
            for category in Category
        }

    def _existing(self, definition: TypeDef) -> TypeDef:
        guid = definition.given_guid
        if guid and guid in self.registry.by_guid:
            return self.registry.by_guid[guid]
        return self.by_name(definition.name)

    def _store(self, definitions: Sequence[TypeDef]) -> Json:
        for item in definitions:
            check_definition(item)
        stamped = self._stamped(definitions)
        candidate = Registry({**self.registry.definitions, **stamped})
        check_inheritance(candidate, self._tolerated)
        self.registry = candidate
        return self.to_json(list(stamped.values()))

    def _stamped(self, definitions: Sequence[TypeDef]) -> dict[str, TypeDef]:
        moment = self._source.tick()
        stamped = {}
        for item in definitions:
            old = self.registry.definitions.get(item.name)
            if old and old.stamp:
                stamp = Stamp(old.stamp.guid, old.stamp.created, moment, old.stamp.version + 1)
            else:
                stamp = Stamp(self._source.guid(), moment, moment)
            stamped[item.name] = item.stamped(stamp)
        return stamped
