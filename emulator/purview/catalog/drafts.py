"""Entities as a client sends them, before anything is known about them."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Self

from emulator.purview.errors import AtlasError, Code
from emulator.purview.identity import Source
from emulator.purview.types.registry import EntityType, Registry, RelationshipAttribute
from emulator.purview.wire import Json, as_object, as_text


@dataclass(slots=True)
class Draft:
    """One entity of a request; ``values`` are its attributes once validated."""

    guid: str
    entity_type: EntityType
    attributes: Json
    relationships: Json
    body: Json
    values: dict[str, object] = field(default_factory=dict)

    @classmethod
    def parse(cls, value: object, registry: Registry, source: Source) -> Self:
        """Read an entity; its type must exist and its guid, if given, must be one."""
        if value is None:
            raise AtlasError(Code.INVALID_PARAMETERS, "found null entity")
        body = as_object(value, "AtlasEntity")
        guid = as_text(body["guid"], "guid") if "guid" in body else source.unassigned()
        if not guid:
            raise AtlasError(Code.INVALID_OBJECT_ID, "null" if guid is None else guid)
        return cls(
            guid=guid,
            entity_type=registry.entity_type(body.get("typeName")),
            attributes=dict(as_object(body.get("attributes") or {}, "attributes")),
            relationships=dict(as_object(body.get("relationshipAttributes") or {}, "relationshipAttributes")),
            body=body,
        ).compacted()

    @property
    def is_assigned(self) -> bool:
        """Tell whether the client claims to know the real guid."""
        return not self.guid.startswith("-")

    def compacted(self) -> Self:
        """Move relationships given among the attributes to where they belong; those already there win."""
        for name in self.entity_type.relationship_attributes:
            if name in self.attributes:
                value = self.attributes.pop(name)
                if value is not None and self.relationships.get(name) is None:
                    self.relationships[name] = value
        return self

    def links(self) -> Iterator[tuple[RelationshipAttribute, object]]:
        """Yield the relationship attributes the type knows, with what the client sent; others are dropped."""
        for name, value in self.relationships.items():
            first = value[0] if isinstance(value, list) and value else value
            relationship = first.get("relationshipType") if isinstance(first, dict) else None
            attribute = self.entity_type.relationship_attribute(name, relationship)
            if attribute is not None:
                yield attribute, value

    def references(self) -> Iterator[object]:
        """Yield every reference in the entity, in any shape."""
        for name, value in self.attributes.items():
            known = self.entity_type.attributes.get(name)
            if known is not None and value is not None:
                yield from known.value_type.references(value)
        for attribute, value in self.links():
            if not attribute.is_many:
                if value is not None:
                    yield value
            elif isinstance(value, list):
                yield from value


def parse_drafts(bodies: list[object], referred: Json, registry: Registry, source: Source) -> list[Draft]:
    """Read the entities of a request and those of ``referredEntities`` they refer to; a repeated guid is ignored."""
    drafts: dict[str, Draft] = {}
    pending = [Draft.parse(body, registry, source) for body in bodies]
    while pending:
        draft = pending.pop(0)
        if draft.guid in drafts:
            continue
        drafts[draft.guid] = draft
        for reference in draft.references() if referred else ():
            guid = reference.get("guid") if isinstance(reference, dict) else None
            if isinstance(guid, str) and guid in referred and guid not in drafts:
                pending.append(Draft.parse({"guid": guid, **as_object(referred[guid], "entity")}, registry, source))
    return list(drafts.values())
