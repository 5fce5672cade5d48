"""Type definitions as a client writes them and as the service reads them back."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Self

from emulator.purview.errors import AtlasError, Code, UncaughtError
from emulator.purview.wire import Json, as_flag, as_list, as_object, as_text

MANY = 2147483647


class Category(StrEnum):
    """The kinds of definitions, in the order of the six arrays of an answer."""

    ENUM = "ENUM"
    STRUCT = "STRUCT"
    CLASSIFICATION = "CLASSIFICATION"
    ENTITY = "ENTITY"
    RELATIONSHIP = "RELATIONSHIP"
    BUSINESS_METADATA = "BUSINESS_METADATA"

    @property
    def array(self) -> str:
        """Return the name of the category's array: ``entityDefs``."""
        return f"{self.segment}Defs" if self is not Category.BUSINESS_METADATA else "businessMetadataDefs"

    @property
    def segment(self) -> str:
        """Return the category's word in paths and query parameters."""
        return self.value.lower()


@dataclass(frozen=True, slots=True)
class AttributeDef:
    """One attribute of a type; ``is_optional`` is false unless the client says otherwise."""

    name: str
    type_name: str
    is_optional: bool
    cardinality: str
    is_unique: bool
    default: str | None
    extra: Json

    @classmethod
    def parse(cls, value: object) -> Self:
        """Read one element of ``attributeDefs``."""
        body = as_object(value, "attributeDef")
        name, type_name = as_text(body.get("name"), "name"), as_text(body.get("typeName"), "typeName")
        if not name or not type_name:
            raise UncaughtError("attributeDef without a name or a typeName")
        extra = {key: body[key] for key in ("description", "displayName", "options", "constraints") if body.get(key)}
        for key, default in (("isIndexable", False), ("includeInNotification", False)):
            extra[key] = as_flag(body.get(key), key, default)
        extra["searchWeight"] = -1 if body.get("searchWeight") is None else body["searchWeight"]
        return cls(
            name=name,
            type_name=type_name.strip(),
            is_optional=as_flag(body.get("isOptional"), "isOptional"),
            cardinality=as_text(body.get("cardinality"), "cardinality") or "SINGLE",
            is_unique=as_flag(body.get("isUnique"), "isUnique"),
            default=as_text(body.get("defaultValue"), "defaultValue"),
            extra=extra,
        )

    def to_json(self) -> Json:
        """Return the attribute as the service reads it back."""
        body: Json = {
            "name": self.name,
            "typeName": self.type_name,
            "isOptional": self.is_optional,
            "cardinality": self.cardinality,
            "valuesMinCount": 0 if self.is_optional else 1,
            "valuesMaxCount": 1 if self.cardinality == "SINGLE" else MANY,
            "isUnique": self.is_unique,
        }
        if self.default is not None:
            body["defaultValue"] = self.default
        return body | self.extra


@dataclass(frozen=True, slots=True)
class EndDef:
    """One end of a relationshipDef: the attribute ``name`` of ``type_name``."""

    type_name: str
    name: str
    cardinality: str
    is_container: bool
    is_legacy: bool

    @classmethod
    def parse(cls, value: object, which: str) -> Self:
        """Read ``endDef1`` or ``endDef2``."""
        if value is None:
            raise AtlasError(Code.MISSING_FIELD, which)
        body = as_object(value, which)
        for field in ("type", "name"):
            if not as_text(body.get(field), field):
                raise AtlasError(Code.MISSING_FIELD, f"{which}.{field}")
        return cls(
            type_name=body["type"],
            name=body["name"],
            cardinality=as_text(body.get("cardinality"), "cardinality") or "SINGLE",
            is_container=as_flag(body.get("isContainer"), "isContainer"),
            is_legacy=as_flag(body.get("isLegacyAttribute"), "isLegacyAttribute"),
        )

    def to_json(self) -> Json:
        """Return the end as the service reads it back."""
        return {
            "type": self.type_name,
            "name": self.name,
            "isContainer": self.is_container,
            "cardinality": self.cardinality,
            "isLegacyAttribute": self.is_legacy,
        }


@dataclass(frozen=True, slots=True)
class RelationshipShape:
    """What only a relationshipDef has."""

    category: str
    propagate_tags: str
    label: str
    end1: EndDef
    end2: EndDef

    @classmethod
    def parse(cls, name: str, body: Json) -> Self:
        """Read the ends and their kind from a relationshipDef."""
        end1, end2 = EndDef.parse(body.get("endDef1"), "endDef1"), EndDef.parse(body.get("endDef2"), "endDef2")
        legacy = next((end for end in (end1, end2) if end.is_legacy), None)
        default_label = f"__{legacy.type_name}.{legacy.name}" if legacy else f"r:{name}"
        return cls(
            category=as_text(body.get("relationshipCategory"), "relationshipCategory") or "ASSOCIATION",
            propagate_tags=as_text(body.get("propagateTags"), "propagateTags") or "NONE",
            label=as_text(body.get("relationshipLabel"), "relationshipLabel") or default_label,
            end1=end1,
            end2=end2,
        )

    def to_json(self) -> Json:
        """Return the fields as the service reads them back."""
        return {
            "relationshipCategory": self.category,
            "propagateTags": self.propagate_tags,
            "relationshipLabel": self.label,
            "endDef1": self.end1.to_json(),
            "endDef2": self.end2.to_json(),
        }


@dataclass(frozen=True, slots=True)
class Stamp:
    """What the service adds to a definition it stores."""

    guid: str
    created: int
    updated: int
    version: int = 1


@dataclass(frozen=True, slots=True)
class TypeDef:
    """A definition of any category."""

    category: Category
    name: str
    description: str
    type_version: str
    service_type: str | None
    options: Json
    attributes: tuple[AttributeDef, ...]
    super_types: tuple[str, ...] = ()
    entity_types: tuple[str, ...] = ()
    elements: tuple[Json, ...] = ()
    relationship: RelationshipShape | None = None
    stamp: Stamp | None = None
    given_guid: str | None = None

    @classmethod
    def parse(cls, category: Category, value: object) -> Self:
        """Read one definition; unknown keys are ignored, as everywhere."""
        body = as_object(value, category.array)
        name = as_text(body.get("name"), "name")
        if not name:
            raise UncaughtError("typedef without a name")
        if category is Category.STRUCT and not body.get("attributeDefs"):
            raise AtlasError(Code.BAD_REQUEST, f"{name}: structDef has no attributeDefs")
        return cls(
            category=category,
            name=name,
            description=as_text(body.get("description"), "description") or name,
            type_version=as_text(body.get("typeVersion"), "typeVersion") or "1.0",
            service_type=as_text(body.get("serviceType"), "serviceType"),
            options=as_object(body.get("options") or {}, "options"),
            attributes=tuple(AttributeDef.parse(item) for item in as_list(body.get("attributeDefs"), "attributeDefs")),
            super_types=tuple(str(item) for item in as_list(body.get("superTypes"), "superTypes")),
            entity_types=tuple(str(item) for item in as_list(body.get("entityTypes"), "entityTypes")),
            elements=tuple(as_object(item, "elementDef") for item in as_list(body.get("elementDefs"), "elementDefs")),
            relationship=RelationshipShape.parse(name, body) if category is Category.RELATIONSHIP else None,
            given_guid=as_text(body.get("guid"), "guid"),
        )

    def attribute(self, name: str) -> AttributeDef | None:
        """Return the attribute this definition itself declares, if it does."""
        return next((item for item in self.attributes if item.name == name), None)

    def stamped(self, stamp: Stamp) -> "TypeDef":
        """Return the definition as stored."""
        return replace(self, stamp=stamp)

    def header(self) -> Json:
        """Return the entry of ``/types/typedefs/headers``."""
        body: Json = {"guid": self._stamp().guid, "name": self.name, "category": self.category.value}
        return body | ({"serviceType": self.service_type} if self.service_type else {})

    def to_json(self) -> Json:
        """Return the definition as stored, without what other definitions add to it."""
        stamp = self._stamp()
        body: Json = {
            "category": self.category.value,
            "guid": stamp.guid,
            "createdBy": "emulator",
            "updatedBy": "emulator",
            "createTime": stamp.created,
            "updateTime": stamp.updated,
            "version": stamp.version,
            "name": self.name,
            "description": self.description,
            "typeVersion": self.type_version,
        }
        if self.service_type:
            body["serviceType"] = self.service_type
        if self.options:
            body["options"] = self.options
        if self.category is Category.ENUM:
            return body | {"elementDefs": list(self.elements)}
        body["attributeDefs"] = [item.to_json() for item in self.attributes]
        if self.category in (Category.ENTITY, Category.CLASSIFICATION):
            body["superTypes"] = list(self.super_types)
        if self.category is Category.CLASSIFICATION:
            body["entityTypes"] = list(self.entity_types)
        return body | (self.relationship.to_json() if self.relationship else {})

    def _stamp(self) -> Stamp:
        assert self.stamp is not None, "only stored definitions are read back"  # noqa: S101
        return self.stamp


def parse_document(document: object) -> list[TypeDef]:
    """Read the six arrays of a typedefs document."""
    body: Mapping[str, object] = as_object(document, "AtlasTypesDef")
    return [
        TypeDef.parse(category, item) for category in Category for item in as_list(body.get(category.array), "typedefs")
    ]
