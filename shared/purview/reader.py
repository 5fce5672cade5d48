"""Reads lineage, whole entities and their classifications out of Microsoft Purview, many to a request."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Self

from shared.catalog.kinds import SCHEMA_ATTRIBUTE
from shared.catalog.qualified_names import QualifiedName
from shared.errors import RecordNotFoundError
from shared.purview.transport import PurviewClient, active_links, objects_in

INPUT, OUTPUT = "INPUT", "OUTPUT"
"""Directions, as Atlas calls them: up the stream and down."""
GUIDS = 50
"""Guids in one URL; some two hundred break it."""
DEPTH = 50
"""Hops from data to data that one request for lineage reads."""
WIDTH = 1_000
"""Neighbours of one entity that one request for lineage reads."""

_NEXT = {OUTPUT: ("inputToProcesses", "outputs", "sinks"), INPUT: ("outputFromProcesses", "inputs", "sources")}
"""Relationship attributes that lead from data to processes, from a process to data, and from data to data directly."""


@dataclass(frozen=True, slots=True)
class Related:
    """What an entity is related to, as the catalog lists it with the entity."""

    guid: str
    type_name: str
    name: str
    qualified_name: QualifiedName


@dataclass(frozen=True, slots=True)
class Asset:
    """
    An entity as the catalog has it.

    Attributes:
        attributes: by Atlas name; empty values are left out.
        related: relationship attribute → what is there now.
        classifications: names of classifications (sensitivity, say), sorted.
        updated_at: when the catalog last wrote it; None where it was met and not read.
    """

    guid: str
    type_name: str
    qualified_name: QualifiedName
    name: str
    attributes: Mapping[str, Any] = field(default_factory=dict)
    related: Mapping[str, tuple[Related, ...]] = field(default_factory=dict)
    labels: tuple[str, ...] = ()
    classifications: tuple[str, ...] = ()
    updated_at: datetime | None = None

    @classmethod
    def parse(cls, entity: Mapping[str, Any]) -> Self:
        """Read an entity (Atlas v2 AtlasEntity) or a header of one (AtlasEntityHeader)."""
        attributes = entity.get("attributes") or {}
        listed = entity.get("relationshipAttributes") or {}
        classified = [str(item["typeName"]) for item in entity.get("classifications") or []]
        updated = entity.get("updateTime")
        return cls(
            str(entity["guid"]),
            str(entity["typeName"]),
            QualifiedName(str(attributes.get("qualifiedName") or "")),
            str(entity.get("displayText") or attributes.get("displayName") or attributes.get("name") or ""),
            {
                name: value
                for name, value in attributes.items()
                if value not in (None, "", [], {}) and name not in listed
            },
            {name: _related(items) for name, items in listed.items()},
            tuple(entity.get("labels") or ()),
            tuple(sorted({*classified, *(entity.get("classificationNames") or ())})),
            datetime.fromtimestamp(updated / 1_000, UTC) if isinstance(updated, int) and updated else None,
        )

    def next(self, direction: str) -> tuple[Related, ...]:
        """Return what data flows to (`OUTPUT`) or comes from (`INPUT`), each once."""
        found = {item.guid: item for name in _NEXT[direction] for item in self.related.get(name, ())}
        return tuple(found.values())


@dataclass(frozen=True, slots=True)
class Lineage:
    """
    What one request for lineage returned.

    Attributes:
        edges: pairs of guids; data flows from the first to the second.
        cut: entities of which it did not give all neighbours.
    """

    assets: Mapping[str, Asset]
    edges: tuple[tuple[str, str], ...]
    cut: frozenset[str] = frozenset()


class LineageReader:
    """
    The catalog, for questions.

    Every method may raise ServiceUnavailableError, AccessDeniedError and RequestRefusedError.
    """

    def __init__(self, client: PurviewClient) -> None:
        self._client = client

    def get_lineage(self, guid: str, direction: str) -> Lineage:
        """Read the lineage of an entity in one direction, as deep and wide as one request goes; 1 request."""
        try:
            body = self._client.get_entity_lineage(guid, depth=DEPTH, width=WIDTH, direction=direction) or {}
        except RecordNotFoundError:
            return Lineage({}, ())
        headers = [each for each in (body.get("guidEntityMap") or {}).values() if isinstance(each, dict)]
        assets = {str(each["guid"]): Asset.parse(each) for each in headers if _is_active(each)}
        edges = {(str(each["fromEntityId"]), str(each["toEntityId"])) for each in objects_in(body, "relations")}
        counts = (body.get("widthCounts") or {}).get(direction) or {}
        return Lineage(
            assets,
            tuple(sorted(edge for edge in edges if assets.keys() >= set(edge))),
            frozenset(str(guid) for guid, count in counts.items() if int(count) > WIDTH),
        )

    def get_assets(self, guids: Sequence[str]) -> dict[str, Asset]:
        """Read whole entities, without those that are gone; ⌈n/50⌉ requests."""
        found: dict[str, Asset] = {}
        for start in range(0, len(guids), GUIDS):
            found |= self._get(guids[start : start + GUIDS])
        return found

    def _get(self, guids: Sequence[str]) -> dict[str, Asset]:
        query = "&".join(f"guid={guid}" for guid in guids)
        try:
            body = self._client.get(f"/entity/bulk?{query}")
        except RecordNotFoundError:
            # Atlas answers for all of them or for none, and one was purged since it was listed.
            if len(guids) == 1:
                return {}
            middle = len(guids) // 2
            return {**self._get(guids[:middle]), **self._get(guids[middle:])}
        return {str(each["guid"]): Asset.parse(each) for each in objects_in(body, "entities") if _is_active(each)}


Read = Callable[[Collection[str]], Mapping[str, Asset]]
"""Reads whole entities by guid."""


def classifications_of(assets: Iterable[Asset], read: Read) -> dict[str, tuple[str, ...]]:
    """
    Return the names of the classifications that data has, those of its columns included, by guid.

    A table has columns, a file a schema that has them; what is not classified is left out.
    """
    listed = list(assets)
    schemas = read({each.guid for asset in listed for each in asset.related.get(SCHEMA_ATTRIBUTE, ())})
    columns_of = {
        asset.guid: {
            each.guid
            for holder in (
                asset,
                *(schemas[one.guid] for one in asset.related.get(SCHEMA_ATTRIBUTE, ()) if one.guid in schemas),
            )
            for each in holder.related.get("columns", ())
        }
        for asset in listed
    }
    columns = read({guid for guids in columns_of.values() for guid in guids})
    found = {
        asset.guid: {
            *asset.classifications,
            *(name for guid in columns_of[asset.guid] if guid in columns for name in columns[guid].classifications),
        }
        for asset in listed
    }
    return {guid: tuple(sorted(names)) for guid, names in found.items() if names}


def classifications_above(reader: LineageReader, guid: str) -> frozenset[str]:
    """Return the classifications of an entity and of all that one request for lineage finds upstream of it."""
    lineage = reader.get_lineage(guid, INPUT)
    assets = reader.get_assets(sorted({guid, *lineage.assets}))
    found = classifications_of(assets.values(), lambda guids: reader.get_assets(sorted(guids)))
    return frozenset(name for names in found.values() for name in names)


def _is_active(entity: Mapping[str, Any]) -> bool:
    return bool(entity.get("status", "ACTIVE") == "ACTIVE")


def _related(listed: object) -> tuple[Related, ...]:
    return tuple(
        Related(
            str(item["guid"]),
            str(item["typeName"]),
            str(item.get("displayText") or ""),
            QualifiedName(str(item.get("qualifiedName") or "")),
        )
        for item in active_links(listed)
    )
