"""Writes entities in bulk requests that are closed under references, and isolates those the catalog refuses."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from graphlib import TopologicalSorter
from typing import Any

from pyapacheatlas.core.entity import AtlasEntity, AtlasProcess

from shared.catalog.entities import Entity, Ref
from shared.catalog.qualified_names import QualifiedName
from shared.errors import RecordNotFoundError, RequestRefusedError
from shared.purview.transport import PurviewClient

BATCH = 50
"""Entities in one request; what Microsoft's own clients use."""

UNKNOWN_TYPE = "ATLAS-400-00-014"


@dataclass(slots=True)
class Upserted:
    """What became of each entity: its guid, or the catalog's words of refusal."""

    guids: dict[QualifiedName, str] = field(default_factory=dict)
    rejections: dict[QualifiedName, str] = field(default_factory=dict)


def upsert_entities(
    client: PurviewClient, entities: Iterable[Entity], *, before_each: Callable[[], None] = lambda: None
) -> Upserted:
    """
    Create or update entities, in ⌈n/50⌉ requests if none is refused.

    References to entities that are not among `entities` go by unique attribute, so those must be in the catalog.
    `before_each` is called before each request and may raise to stop.

    Raises:
        ServiceUnavailableError, AccessDeniedError: nothing can be said of the entities not yet written.
        RequestRefusedError: a type is not installed.
    """
    result = Upserted()
    ordered = _referenced_first(entities)
    for start in range(0, len(ordered), BATCH):
        _write(client, ordered[start : start + BATCH], result, before_each)
    return result


def _write(client: PurviewClient, batch: Sequence[Entity], result: Upserted, before_each: Callable[[], None]) -> None:
    before_each()
    numbers = {entity.ref: f"-{number}" for number, entity in enumerate(batch, start=1)}
    try:
        answer = client.upload_entities([_to_atlas(entity, numbers) for entity in batch])
    except (RequestRefusedError, RecordNotFoundError) as error:
        if isinstance(error, RequestRefusedError) and error.code == UNKNOWN_TYPE:
            raise
        if len(batch) == 1:
            result.rejections[batch[0].ref.qualified_name] = str(error)
            return
        # Atlas takes or refuses a request as a whole and seldom says which entity it means: halve until it shows.
        middle = len(batch) // 2
        _write(client, batch[:middle], result, before_each)
        _write(client, batch[middle:], result, before_each)
        return
    assigned: Mapping[str, str] = (answer or {}).get("guidAssignments") or {}
    for ref, number in numbers.items():
        if number in assigned:
            result.guids[ref.qualified_name] = assigned[number]


def _referenced_first(entities: Iterable[Entity]) -> list[Entity]:
    """Order so that every reference points backwards; ties keep the given order, so requests are the same each time."""
    by_ref = {entity.ref: entity for entity in entities}
    graph = {ref: [target for target in entity.references if target in by_ref] for ref, entity in by_ref.items()}
    return [by_ref[ref] for ref in TopologicalSorter(graph).static_order()]


def _to_atlas(entity: Entity, numbers: Mapping[Ref, str]) -> AtlasEntity:
    attributes = dict(entity.attributes)
    common: dict[str, Any] = {
        "name": attributes.pop("name"),
        "typeName": entity.ref.type_name,
        "qualified_name": entity.ref.qualified_name,
        "guid": numbers[entity.ref],
        "attributes": attributes,
    }
    if entity.parents:
        common["relationshipAttributes"] = {name: _pointer(ref, numbers) for name, ref in entity.parents.items()}
    if entity.labels:
        common["labels"] = list(entity.labels)
    if entity.inputs is None or entity.outputs is None:
        return AtlasEntity(**common)
    return AtlasProcess(
        inputs=[_pointer(ref, numbers) for ref in entity.inputs],
        outputs=[_pointer(ref, numbers) for ref in entity.outputs],
        **common,
    )


def _pointer(ref: Ref, numbers: Mapping[Ref, str]) -> dict[str, Any]:
    if ref in numbers:
        return {"typeName": ref.type_name, "guid": numbers[ref]}
    return {"typeName": ref.type_name, "uniqueAttributes": {"qualifiedName": ref.qualified_name}}
