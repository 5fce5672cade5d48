"""Plans what must be added to a catalog's types so that ours are among them; never takes anything away."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pyapacheatlas.core.typedef import (
    AtlasAttributeDef,
    ChildEndDef,
    EntityTypeDef,
    ParentEndDef,
    RelationshipTypeDef,
)

from shared.catalog.kinds import CONTAINMENTS, SERVICE_TYPE, Containment, Kind, list_ours

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class TypePlan:
    """Full definitions to create and to update; `changes` says in words what each update adds."""

    create_entities: tuple[Json, ...] = ()
    create_relationships: tuple[Json, ...] = ()
    update_entities: tuple[Json, ...] = ()
    changes: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @property
    def is_empty(self) -> bool:
        return not (self.create_entities or self.create_relationships or self.update_entities)


def plan_types(existing: Mapping[str, Any]) -> TypePlan:
    """
    Compare our types with a catalog's.

    An existing definition wins wherever the two differ: Atlas refuses a changed attribute type, a removed attribute
    or a removed supertype, and the accelerator's types redeclare what they inherit.

    Args:
        existing: the answer of GET /types/typedefs.
    """
    entities = {str(item["name"]): item for item in existing.get("entityDefs") or []}
    relationships = {str(item["name"]) for item in existing.get("relationshipDefs") or []}
    update, changes = [], {}
    for wanted in list_ours():
        if wanted.type_name in entities:
            merged, added = _merge(entities[wanted.type_name], wanted)
            if added:
                update.append(merged)
                changes[wanted.type_name] = added
    return TypePlan(
        create_entities=tuple(_entity_type(wanted) for wanted in list_ours() if wanted.type_name not in entities),
        create_relationships=tuple(_relationship(item) for item in CONTAINMENTS if item.name not in relationships),
        update_entities=tuple(update),
        changes=changes,
    )


def _merge(existing: Json, wanted: Kind) -> tuple[Json, tuple[str, ...]]:
    present = {str(item["name"]) for item in existing.get("attributeDefs") or []}
    missing = [name for name in wanted.attributes if name not in present]
    added = [f"attribute {name}" for name in missing]
    merged = {**existing, "attributeDefs": [*(existing.get("attributeDefs") or []), *_attributes(missing)]}
    if wanted.super_type not in (existing.get("superTypes") or []):
        merged["superTypes"] = [*(existing.get("superTypes") or []), wanted.super_type]
        added.append(f"supertype {wanted.super_type}")
    if not existing.get("serviceType"):
        merged["serviceType"] = SERVICE_TYPE
        added.append(f"serviceType {SERVICE_TYPE}")
    return merged, tuple(added)


def _entity_type(wanted: Kind) -> Json:
    definition = EntityTypeDef(
        wanted.type_name,
        superTypes=[wanted.super_type],
        attributeDefs=_attributes(wanted.attributes),
        description=wanted.description,
        serviceType=SERVICE_TYPE,
    )
    return dict(definition.to_json())


def _attributes(names: Iterable[str]) -> list[Json]:
    return [AtlasAttributeDef(name).to_json() for name in names]


def _relationship(containment: Containment) -> Json:
    definition = RelationshipTypeDef(
        containment.name,
        ParentEndDef(name=containment.children_attribute, typeName=containment.parent_type),
        ChildEndDef(name=containment.parent_attribute, typeName=containment.child_type),
        relationshipCategory="COMPOSITION",
        serviceType=SERVICE_TYPE,
    )
    return dict(definition.to_json())
