"""What the service refuses in a new definition, and in the change of an existing one."""

import re
from collections.abc import Iterator, Set

from emulator.purview.errors import AtlasError, Code
from emulator.purview.types.registry import Registry
from emulator.purview.types.typedefs import Category, EndDef, TypeDef
from emulator.purview.types.values import PRIMITIVES
from emulator.purview.wire import Json

TYPE_NAME = re.compile(r"[a-zA-Z][a-zA-Z0-9_ ]*|__[a-zA-Z][a-zA-Z0-9_ ]*")
LIST_LIKE = re.compile(r"array<.*>")


def refuse_system_type(name: str) -> None:
    """Refuse the names of the built-in primitive types."""
    if name in PRIMITIVES:
        raise AtlasError(Code.SYSTEM_TYPE, name)


def check_definition(definition: TypeDef) -> None:
    """Apply the rules that need no other definition."""
    # Purview's own classifications have dots in their names.
    plain = definition.name.replace(".", "_") if definition.category is Category.CLASSIFICATION else definition.name
    if not TYPE_NAME.fullmatch(plain):
        raise AtlasError(Code.BAD_TYPE_NAME, definition.name, definition.category.value)
    for attribute in definition.attributes:
        if attribute.cardinality != "SINGLE" and not LIST_LIKE.fullmatch(attribute.type_name):
            raise AtlasError(Code.BAD_CARDINALITY, definition.name, attribute.name)
    if definition.category is Category.ENTITY:
        _check_schema_options(definition)
    if definition.category is Category.BUSINESS_METADATA:
        for attribute in definition.attributes:
            options: Json = attribute.extra.get("options", {})
            if attribute.type_name == "string" and not options.get("maxStrLength"):
                raise AtlasError(Code.MISSING_FIELD, f"{definition.name}.{attribute.name}.maxStrLength")
    if definition.relationship:
        _check_relationship(definition.name, definition)


def _check_schema_options(definition: TypeDef) -> None:
    """Purview wants the schema attributes as a JSON list in a string; a bare word is refused."""
    value = definition.options.get("schemaAttributes")
    if value is not None and not (isinstance(value, str) and re.fullmatch(r"\s*\[.*\]\s*", value, re.DOTALL)):
        raise AtlasError(Code.INVALID_PARAMETERS, f"options.schemaAttributes of {definition.name} is not a JSON list")


def _check_relationship(name: str, definition: TypeDef) -> None:
    shape = definition.relationship
    if shape is None:
        return
    containers = [end for end in (shape.end1, shape.end2) if end.is_container]
    if len(containers) > 1:
        raise AtlasError(Code.DOUBLE_CONTAINER, name)
    if shape.category == "ASSOCIATION" and containers:
        raise AtlasError(Code.ASSOCIATION_CONTAINER, name)
    if shape.category == "COMPOSITION" and not containers:
        raise AtlasError(Code.COMPOSITION_NO_CONTAINER, name)
    if shape.category == "AGGREGATION" and not containers:
        raise AtlasError(Code.AGGREGATION_NO_CONTAINER, name)
    if any(end.cardinality == "LIST" for end in (shape.end1, shape.end2)):
        raise AtlasError(Code.LIST_END, name)
    child = shape.end1 if shape.end2.is_container else shape.end2
    if shape.category == "COMPOSITION" and child.cardinality == "SET":
        raise AtlasError(Code.COMPOSITION_SET_CHILD, name)


def redeclared(registry: Registry) -> Iterator[tuple[str, str, str]]:
    """Yield (type, attribute, ancestor) where an attribute is declared again, or inherited from two parents."""
    for entity_type in registry.entity_types.values():
        first: dict[str, str] = {}
        for declaration in entity_type.declarations:
            name = declaration.definition.name
            if name in first:
                yield entity_type.name, name, first[name]
            first.setdefault(name, declaration.declared_in)


def check_inheritance(registry: Registry, tolerated: Set[tuple[str, str]]) -> None:
    """Refuse attributes declared twice, except where the catalog has held them so since before the rule."""
    for type_name, attribute, ancestor in redeclared(registry):
        if (type_name, attribute) not in tolerated:
            raise AtlasError(Code.INHERITED_ATTRIBUTE, type_name, attribute, ancestor)


def check_update(old: TypeDef, new: TypeDef) -> None:
    """Refuse what would invalidate entities already stored: the new definition may only add."""
    if old.category is not new.category:
        raise AtlasError(Code.BAD_REQUEST, f"category of {old.name} is {old.category}, not {new.category}")
    for attribute in old.attributes:
        if new.attribute(attribute.name) is None:
            raise AtlasError(Code.ATTRIBUTE_REMOVED, old.name, attribute.name)
    for attribute in new.attributes:
        before = old.attribute(attribute.name)
        if before is None and not attribute.is_optional:
            raise AtlasError(Code.MANDATORY_ATTRIBUTE_ADDED, old.name, attribute.name)
        if before is not None and before.type_name != attribute.type_name:
            raise AtlasError(
                Code.BAD_REQUEST,
                f"{old.name}.{attribute.name}: type change from {before.type_name} to {attribute.type_name}",
            )
    if not set(old.super_types) <= set(new.super_types):
        raise AtlasError(Code.SUPERTYPE_REMOVED)
    if old.relationship and new.relationship:
        if old.relationship.category != new.relationship.category:
            raise AtlasError(
                Code.RELATIONSHIP_CATEGORY_CHANGED, old.name, old.relationship.category, new.relationship.category
            )
        if _identity(old.relationship.end1) != _identity(new.relationship.end1):
            raise AtlasError(Code.END1_CHANGED, old.name)
        if _identity(old.relationship.end2) != _identity(new.relationship.end2):
            raise AtlasError(Code.END2_CHANGED, old.name)


def _identity(end: EndDef) -> tuple[object, ...]:
    return end.type_name, end.name, end.cardinality, end.is_container
