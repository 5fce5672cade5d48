"""The types as the store uses them: inheritance, attribute types and relationship attributes worked out."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from emulator.purview.errors import AtlasError, Code
from emulator.purview.types.typedefs import AttributeDef, Category, EndDef, TypeDef
from emulator.purview.types.values import (
    PRIMITIVES,
    ArrayType,
    EnumType,
    Field,
    InvalidValueError,
    MapType,
    PrimitiveType,
    Reference,
    ReferenceType,
    StructType,
    ValueType,
)
from emulator.purview.wire import Json


@dataclass(frozen=True, slots=True)
class Attribute:
    """An attribute of an entity type, declared by itself or by an ancestor."""

    definition: AttributeDef
    declared_in: str
    value_type: ValueType
    cleared: object  # what it becomes when omitted on create, or set to null


@dataclass(frozen=True, slots=True)
class RelationshipAttribute:
    """What one end of a relationshipDef adds to the types at that end."""

    name: str
    relationship: str
    end: int
    end_type: str
    target: str
    inverse: str
    is_many: bool
    owns: bool
    mandatory: bool
    is_legacy: bool

    def to_json(self) -> Json:
        """Return the entry of ``relationshipAttributeDefs``."""
        constraints: list[Json] = []
        if self.owns:
            constraints.append({"type": "ownedRef"})
        elif self.mandatory:
            constraints.append({"type": "inverseRef", "params": {"attribute": self.inverse}})
        body: Json = {
            "name": self.name,
            "typeName": f"array<{self.target}>" if self.is_many else self.target,
            "isOptional": not self.mandatory,
            "cardinality": "SET" if self.is_many else "SINGLE",
            "valuesMinCount": -1,
            "valuesMaxCount": -1,
            "isUnique": False,
            "isIndexable": False,
            "includeInNotification": False,
            "searchWeight": -1,
            "relationshipTypeName": self.relationship,
            "isLegacyAttribute": self.is_legacy,
        }
        return body | ({"constraints": constraints} if constraints else {})


@dataclass(slots=True)
class EntityType:
    """An entity type with everything it inherits."""

    definition: TypeDef
    super_types: tuple[str, ...]  # every ancestor, the farthest first
    sub_types: set[str] = field(default_factory=set)  # every descendant
    attributes: dict[str, Attribute] = field(default_factory=dict)
    declarations: list[Attribute] = field(default_factory=list)  # the farthest ancestor's first
    relationship_attributes: dict[str, dict[str, RelationshipAttribute]] = field(default_factory=dict)
    unique: list[str] = field(default_factory=list)
    blank: dict[str, object] = field(default_factory=dict)  # the attributes of an entity that gives none

    @property
    def name(self) -> str:
        """Name of the type."""
        return self.definition.name

    def is_a(self, name: str) -> bool:
        """Tell whether this is the type of that name or a descendant of it."""
        return name == self.name or name in self.super_types

    def relationship_attribute(self, name: str, relationship: object = None) -> RelationshipAttribute | None:
        """Return a relationship attribute; the relationship matters only where several share the name."""
        choices = self.relationship_attributes.get(name)
        if not choices:
            return None
        chosen = choices.get(relationship) if isinstance(relationship, str) else None
        return chosen or next(iter(choices.values()))

    def appends(self, name: str) -> bool:
        """Tell whether lists of this attribute grow instead of being replaced."""
        option = str(self.definition.options.get("appendRelationshipsOnPartialUpdate", ""))
        return name in [item.strip(' "[]') for item in option.split(",")]


class Registry:
    """All types at one moment. It never changes: a write makes another one."""

    def __init__(self, definitions: Mapping[str, TypeDef]) -> None:
        self.definitions = dict(definitions)
        self.entity_types: dict[str, EntityType] = {}
        for definition in self.definitions.values():
            if definition.category is Category.ENTITY:
                self._resolve(definition, ())
        for definition in self.of_category(Category.RELATIONSHIP):
            self._add_relationship_attributes(definition)
        # Structs, classifications and business metadata are used lazily; a bad attribute type must still be refused.
        for definition in self.definitions.values():
            for attribute in definition.attributes:
                self.value_type(attribute.type_name)

    def of_category(self, category: Category) -> Iterator[TypeDef]:
        """Yield the definitions of a category, in the order they were made."""
        return (item for item in self.definitions.values() if item.category is category)

    @cached_property
    def by_guid(self) -> Mapping[str, TypeDef]:
        """The definitions by guid."""
        return {item.stamp.guid: item for item in self.definitions.values() if item.stamp}

    def entity_type(self, name: object) -> EntityType:
        """Return an entity type, or refuse its name as the service does."""
        found = self.entity_types.get(name) if isinstance(name, str) else None
        if found is None:
            raise AtlasError(Code.UNKNOWN_TYPE, "ENTITY", "null" if name is None else name)
        return found

    def relationship_def(self, name: object) -> TypeDef:
        """Return a relationshipDef, or refuse its name as the service does."""
        found = self.definitions.get(name) if isinstance(name, str) else None
        if found is None or found.relationship is None:
            raise AtlasError(Code.INVALID_VALUE, f"unknown relationship type'{name}'")
        return found

    def value_type(self, type_name: str) -> ValueType:
        """Return the type of a value; unknown names are refused."""
        if type_name in PRIMITIVES:
            return PrimitiveType(type_name)
        if type_name.startswith("array<") and type_name.endswith(">"):
            return ArrayType(self.value_type(type_name[6:-1].strip()))
        if type_name.startswith("map<") and type_name.endswith(">"):
            key, _, item = type_name[4:-1].partition(",")
            return MapType(self.value_type(key.strip()), self.value_type(item.strip()))
        definition = self.definitions.get(type_name)
        if definition is None:
            raise AtlasError(Code.BAD_REQUEST, f"Given typename {type_name} was invalid")
        if definition.category is Category.ENUM:
            return EnumType(type_name, tuple(str(item.get("value")) for item in definition.elements))
        if definition.category is Category.ENTITY:
            return ReferenceType(type_name)
        fields = {item.name: Field(self.value_type(item.type_name), item.is_optional) for item in definition.attributes}
        return StructType(type_name, fields)

    def to_json(self, definition: TypeDef) -> Json:
        """Return a definition as stored, with what other definitions add to it."""
        body = definition.to_json()
        found = self.entity_types.get(definition.name)
        if found and definition.category is Category.ENTITY:
            direct = (item.name for item in self.of_category(Category.ENTITY) if definition.name in item.super_types)
            body["subTypes"] = list(direct)
            body["relationshipAttributeDefs"] = [
                item.to_json() for choices in found.relationship_attributes.values() for item in choices.values()
            ]
            body["businessAttributeDefs"] = {}
        if definition.category is Category.CLASSIFICATION:
            classifications = self.of_category(Category.CLASSIFICATION)
            body["subTypes"] = [item.name for item in classifications if definition.name in item.super_types]
        return body

    def _resolve(self, definition: TypeDef, path: tuple[str, ...]) -> EntityType:
        if definition.name in self.entity_types:
            return self.entity_types[definition.name]
        if definition.name in path:
            raise AtlasError(Code.CIRCULAR_REFERENCE, definition.name, path[-1])
        parents = [self._parent(definition, name, (*path, definition.name)) for name in definition.super_types]
        ancestors = dict.fromkeys(name for parent in parents for name in (*parent.super_types, parent.name))
        resolved = EntityType(definition, tuple(ancestors))
        for parent in parents:
            resolved.attributes.update(parent.attributes)
            resolved.declarations += [item for item in parent.declarations if item not in resolved.declarations]
        for attribute in definition.attributes:
            value_type = self.value_type(attribute.type_name)
            own = Attribute(attribute, definition.name, value_type, _cleared(attribute, value_type))
            resolved.attributes[attribute.name] = own
            resolved.declarations.append(own)
        resolved.unique = [name for name, item in resolved.attributes.items() if item.definition.is_unique]
        resolved.blank = {name: item.cleared for name, item in resolved.attributes.items()}
        self.entity_types[definition.name] = resolved
        for ancestor in ancestors:
            self.entity_types[ancestor].sub_types.add(definition.name)
        return resolved

    def _parent(self, definition: TypeDef, name: str, path: tuple[str, ...]) -> EntityType:
        parent = self.definitions.get(name)
        if parent is None:
            raise AtlasError(Code.BAD_REQUEST, f"Given typename {name} was invalid")
        if parent.category is not Category.ENTITY:
            raise AtlasError(Code.INCOMPATIBLE_SUPERTYPE, definition.name, name)
        return self._resolve(parent, path)

    def _add_relationship_attributes(self, definition: TypeDef) -> None:
        shape = definition.relationship
        if shape is None:
            return
        for number, end, other in ((1, shape.end1, shape.end2), (2, shape.end2, shape.end1)):
            holder = self._end_type(definition.name, end)
            self._end_type(definition.name, other)
            composition = shape.category == "COMPOSITION"
            attribute = RelationshipAttribute(
                name=end.name,
                relationship=definition.name,
                end=number,
                end_type=end.type_name,
                target=other.type_name,
                inverse=other.name,
                is_many=end.cardinality != "SINGLE",
                owns=composition and end.is_container,
                mandatory=composition and other.is_container,
                is_legacy=end.is_legacy,
            )
            for name in (holder.name, *sorted(holder.sub_types)):
                choices = self.entity_types[name].relationship_attributes.setdefault(end.name, {})
                choices[definition.name] = attribute

    def _end_type(self, relationship: str, end: EndDef) -> EntityType:
        found = self.definitions.get(end.type_name)
        if found is None:
            raise AtlasError(Code.BAD_REQUEST, f"Given typename {end.type_name} was invalid")
        if found.category is not Category.ENTITY:
            raise AtlasError(Code.END_NOT_ENTITY, relationship, end.type_name)
        return self.entity_types[end.type_name]


def _cleared(definition: AttributeDef, value_type: ValueType) -> object:
    if definition.default is None or isinstance(value_type, ReferenceType):
        return value_type.empty
    try:
        return value_type.coerce(definition.default, _no_reference)
    except InvalidValueError:
        return value_type.empty


def _no_reference(value: object) -> Reference:
    raise InvalidValueError(str(value))
