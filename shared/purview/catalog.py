"""Microsoft Purview as the catalog: find, upsert, types."""

import logging
import time
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from graphlib import TopologicalSorter
from typing import Any

from pyapacheatlas.core.entity import AtlasEntity, AtlasProcess

from shared.cache import Cache
from shared.catalog.entities import ASSET, Entity, Found, Ref
from shared.catalog.kinds import CONTAINMENTS, RESOURCE_SETS, SCHEMA_ATTRIBUTE, list_ours
from shared.catalog.qualified_names import QualifiedName
from shared.errors import (
    AccessDeniedError,
    LineageError,
    RecordNotFoundError,
    RequestRefusedError,
    ServiceUnavailableError,
)
from shared.purview.reader import GUIDS, LineageReader, classifications_above
from shared.purview.transport import PurviewClient, active_links, objects_in, unique_attribute_queries
from shared.purview.types import Json, TypePlan, plan_types

logger = logging.getLogger(__name__)

BATCH = 50
"""Entities in one request; what Microsoft's own clients use."""
_UNKNOWN_TYPE = "ATLAS-400-00-014"
_TYPE_EXISTS = "ATLAS-409-00-001"
_PAGE = 1_000
"""Most hits of a search that Purview gives at once."""
_PAGES = 100
_PREFIXES = 20
"""Beginnings of names in one search."""
_DENIALS = 8
"""Requests that are refused for want of a right before any was taken: then no entity is looked for that caused it."""
_REMEMBERED = timedelta(minutes=10)
_LEFT_BY_SCANS = (
    *("size", "modifiedTime", "createTime", "lastAccessedTime", "contentMD5", "contentType"),
    *("fileCount", "totalSizeBytes", "partitionCount", "resourceSetType"),
    *("objectType", "principalId"),
)
"""Attributes of files, of sets of files and of tables."""
_SCANNED_PARTS = ("columns", "dbSchema", "attachedSchema")
"""Relationship attributes of what only a scan writes, but for schemas of files."""


@dataclass(slots=True)
class Upserted:
    """What became of each entity: its guid, or the catalog's words of refusal."""

    guids: dict[QualifiedName, str] = field(default_factory=dict)
    rejections: dict[QualifiedName, str] = field(default_factory=dict)


class PurviewCatalog:
    """
    The catalog port over the genuine pyapacheatlas client.

    Every method may raise ServiceUnavailableError, AccessDeniedError and RequestRefusedError.
    """

    def __init__(self, client: PurviewClient, *, scanners: Collection[str] = ()) -> None:
        """
        Args:
            scanners: the names or object ids under which Purview's scans write here; Microsoft documents none.
        """
        self._client = client
        self._scanners = frozenset(each.casefold() for each in scanners)
        self._sets = Cache(size=1_000, seconds=_REMEMBERED.total_seconds(), clock=time.monotonic)

    def find(self, names: Sequence[QualifiedName], *, type_name: str = ASSET) -> dict[QualifiedName, Found]:
        """
        Look up entities of any type by qualifiedName, as many to a request as fit into a URL.

        A look-up by a type includes its subtypes; of a type that the catalog does not know there is nothing. Unlike
        search, this sees what was written a moment ago.
        """
        found: dict[QualifiedName, Found] = {}
        for query in unique_attribute_queries(names):
            try:
                body = self._client.get(f"/entity/bulk/uniqueAttribute/type/{type_name}?minExtInfo=true&{query}")
            except RecordNotFoundError:
                return {}  # there is no such type
            except RequestRefusedError as error:
                if type_name == ASSET or error.code != _UNKNOWN_TYPE:
                    raise
                return {}
            for entity in objects_in(body, "entities"):
                name = QualifiedName(str(entity["attributes"]["qualifiedName"]))
                found[name] = Found(
                    Ref(str(entity["typeName"]), name),
                    str(entity["guid"]),
                    inputs=_active_ends(entity, "inputs"),
                    outputs=_active_ends(entity, "outputs"),
                    removed=frozenset(_removed_ends(entity)),
                    labels=tuple(entity.get("labels") or ()),
                    name=str(entity["attributes"].get("name") or ""),
                    scanned=self._is_scanned(entity),
                    parents=_parents(entity),
                )
        return found

    def _is_scanned(self, entity: Json) -> bool:
        """
        Whether something on an entity is what a scan leaves, and neither a person nor we write.

        Which attributes a scan writes is in Microsoft's type definitions of storage and databases, and in the answer
        that purviewcli shows (doc/commands/entity/read.md). Links to an asset update it as well, so that who updated it
        says nothing, unless that is known to be the scanner.
        """
        writers = (str(entity.get(each) or "").casefold() for each in ("createdBy", "updatedBy"))
        attributes = entity.get("attributes") or {}
        return (
            any(writer in self._scanners for writer in writers)
            or bool(entity.get("sourceDetails"))
            or any(attributes.get(each) for each in _LEFT_BY_SCANS)
            or any(_active(entity, each) for each in (SCHEMA_ATTRIBUTE, *_SCANNED_PARTS))
        )

    def search(self, keywords: str, *, limit: int = 50) -> list[Found]:
        """Find entities by words. For people only: the index lags behind what was written."""
        return list(map(_hit, self._client.search({"keywords": keywords, "limit": limit})))

    def list_of_type(self, type_name: str, keywords: str = "") -> Iterator[Found]:
        """Yield what the search index has of a type, page by page. For people only: the index lags behind."""
        query = {"filter": {"entityType": type_name}, "limit": _PAGE, **({"keywords": keywords} if keywords else {})}
        yield from map(_hit, self._client.search(query, pages=_PAGES))

    def list_resource_sets(self, prefixes: Collection[str], *, fresh: bool = False) -> list[Ref]:
        """
        Return the resource sets whose names begin with any of some texts, as the search index has them.

        It lags behind what a scan wrote. What it has is remembered for a while, unless that must be `fresh`. The filter
        is Microsoft's (`Discovery - Query`); how exactly it compares is not documented, so names are compared here.
        """
        if fresh:
            self._sets.forget(prefixes)
        found = self._sets.get_many(prefixes, self._search_sets)
        return [ref for sets in found.values() for ref in sets]

    def _search_sets(self, prefixes: Collection[str]) -> dict[str, tuple[Ref, ...]]:
        wanted = sorted(prefixes)
        found: list[Ref] = []
        for start in range(0, len(wanted), _PREFIXES):
            some = wanted[start : start + _PREFIXES]
            begins = [_condition(prefix) for prefix in some]
            types = [{"entityType": type_name} for type_name in RESOURCE_SETS]
            query = {"keywords": None, "limit": _PAGE, "filter": {"and": [{"or": types}, {"or": begins}]}}
            try:
                found += [_hit(hit).ref for hit in self._client.search(query, pages=_PAGES)]
            except RequestRefusedError as error:
                # Without it a place is a placeholder, as where nothing was scanned; the run is published all the same.
                logger.warning("the catalog refused a search", extra={"detail": str(error)})
        return {prefix: tuple(ref for ref in found if ref.qualified_name.startswith(prefix)) for prefix in wanted}

    def get_entities(self, names: Sequence[QualifiedName]) -> list[Mapping[str, Any]]:
        """Return whole entities by qualifiedName, as many to a request as fit into a URL; without those not there."""
        found: list[Mapping[str, Any]] = []
        for query in unique_attribute_queries(names):
            found += objects_in(self._client.get(f"/entity/bulk/uniqueAttribute/type/Asset?{query}"), "entities")
        return found

    def get_columns(self, names: Sequence[QualifiedName]) -> dict[QualifiedName, tuple[str, ...]]:
        """
        Return the names of the columns of data, in alphabetical order.

        A table has columns, a file a `tabular_schema` that has them: two requests for as many files as fit into a URL.
        """
        found, described = dict[QualifiedName, tuple[str, ...]](), dict[QualifiedName, list[QualifiedName]]()
        for entity in self.get_entities(names):
            name = QualifiedName(str(entity["attributes"]["qualifiedName"]))
            if columns := _column_names(entity):
                found[name] = columns
            for schema in _active(entity, SCHEMA_ATTRIBUTE):
                described.setdefault(QualifiedName(str(schema.get("qualifiedName") or "")), []).append(name)
        for entity in self.get_entities(sorted(filter(None, described))):
            if columns := _column_names(entity):
                for name in described.get(QualifiedName(str(entity["attributes"]["qualifiedName"])), ()):
                    found.setdefault(name, columns)
        return found

    def remove_entities(self, guids: Sequence[str]) -> None:
        """Delete entities by guid; one that is gone already is no error."""
        for start in range(0, len(guids), GUIDS):
            self._client.delete("/entity/bulk", params={"guid": list(guids[start : start + GUIDS])})

    def upsert_entities(
        self,
        entities: Iterable[Entity],
        *,
        known: Collection[QualifiedName] = (),
        before_each: Callable[[], None] = lambda: None,
        after_each: Callable[[Mapping[QualifiedName, str]], None] = lambda _: None,
    ) -> Upserted:
        """
        Create or update entities; installs our types if the catalog does not know one, once.

        Args:
            entities: in any order.
            known: those that we wrote before, so that the catalog need not be asked where they are.
            before_each: called before each request; may raise to stop.
            after_each: called after each request with the guids of what it wrote.

        Returns:
            The guid of every entity written, and the catalog's words for every one it refused.

        Raises:
            ServiceUnavailableError: also if it does not know our types though they are installed; a part of it may lag
                behind another. Nothing can be said of the entities not yet written.
                So it is if the collection of new entities is not there: that is a setting, and no fault of theirs.
            AccessDeniedError: nothing may be written, which most often means that a role has not arrived yet.
        """
        wanted = tuple(entities)
        try:
            return _Upsert(self, self._client, known, before_each, after_each).run(wanted)
        except _UnknownTypeError:
            self.install_types()
            return _Upsert(self, self._client, known, before_each, after_each, installed=True).run(wanted)

    def reach(self) -> None:
        """Ask whether it is Purview, and whether the identity may read; 2 requests."""
        self._client.reach()
        self.find([QualifiedName("azureml://readiness")])

    def find_collection_problem(self) -> str:
        """
        Say what is wrong with the collection of new entities; "" if it is there, or if the account does not say.

        Raises:
            ServiceUnavailableError: the account does not answer.
        """
        name = self._client.collection
        try:
            seen = self._client.list_collections() if name else {}
        except ServiceUnavailableError:
            raise
        except LineageError as error:
            logger.info("the account does not list its collections", extra={"detail": str(error)})
            return ""
        if not seen or name.casefold() in map(str.casefold, seen):
            return ""
        called_so = "".join(f"; one that is called so has the name {each}" for each in seen if seen[each] == name)
        return f"PURVIEW_COLLECTION: no collection with the name {name} is visible{called_so}"

    def plan_types(self) -> TypePlan:
        """Compare our types with the catalog's (1 request)."""
        return plan_types(self._client.get_all_typedefs())

    def install_types(self) -> None:
        """Bring our types into the catalog, beside others who may be doing the same right now."""
        try:
            self.apply_types(self.plan_types())
        except RequestRefusedError as error:
            if error.code != _TYPE_EXISTS:
                raise
            self.apply_types(self.plan_types())

    def apply_types(self, plan: TypePlan) -> None:
        """Create and update types as planned; a plan that is empty writes nothing."""
        if plan.create_entities or plan.create_relationships:
            self._client.upload_typedefs(
                {"entityDefs": list(plan.create_entities), "relationshipDefs": list(plan.create_relationships)}
            )
        if plan.update_entities:
            self._client.put("/types/typedefs", {"entityDefs": list(plan.update_entities)})

    def get_entity(self, name: QualifiedName) -> Mapping[str, Any] | None:
        """Return the whole entity as the catalog has it, or None."""
        entities = self.get_entities([name])
        return entities[0] if entities else None

    def is_linked(self, found: Found) -> bool:
        """Whether a process reads or writes this entity now."""
        try:
            body = self._client.get(f"/entity/guid/{found.guid}")
        except RecordNotFoundError:
            return False
        entity = body.get("entity") or {}
        return any(_active(entity, attribute) for attribute in ("inputToProcesses", "outputFromProcesses"))

    def remove_entity(self, found: Found) -> None:
        """Delete an entity; the catalog keeps a trace of it that no look-up finds."""
        self._client.delete(f"/entity/guid/{found.guid}")

    def add_labels(self, found: Found, labels: Sequence[str]) -> None:
        self._client.put(f"/entity/guid/{found.guid}/labels", list(labels))

    def get_classifications_above(self, found: Found) -> frozenset[str]:
        """Return the classifications of an entity and of what is up to 50 hops upstream; 2 requests or more."""
        return classifications_above(LineageReader(self._client), found.guid)

    def remove_label(self, found: Found, label: str) -> None:
        self._client.delete(f"/entity/guid/{found.guid}/labels", body=[label])


class _UnknownTypeError(Exception):
    """The catalog does not know one of our types."""


@dataclass(slots=True)
class _Upsert:
    """
    One write of some entities, in ⌈n/50⌉ requests if none is refused.

    References to entities that are not among them go by unique attribute, so those must be in the catalog.
    """

    catalog: PurviewCatalog
    client: PurviewClient
    known: Collection[QualifiedName]
    before_each: Callable[[], None]
    after_each: Callable[[Mapping[QualifiedName, str]], None]
    installed: bool = False
    result: Upserted = field(default_factory=Upserted)
    denials: int = 0
    collection_is_there: bool = False
    denied: dict[QualifiedName, AccessDeniedError] = field(default_factory=dict)

    def run(self, entities: Sequence[Entity]) -> Upserted:
        """
        Write them, new ones into our collection, which moves all that a request has: so others go by themselves.

        What a steward has moved stays where it is.
        """
        ordered = _referenced_first(entities)
        if collection := self.client.collection:
            new = self._list_new(ordered)
            self._write_all(new, collection)
            placed = {each.ref for each in new}
            ordered = [each for each in ordered if each.ref not in placed]
        self._write_all(ordered)
        if self.denied and not self.result.guids and self.denied.keys() == self.result.rejections.keys():
            name, error = next(iter(self.denied.items()))
            raise AccessDeniedError(f"{name}: {error}") from error
        return self.result

    def _list_new(self, entities: Sequence[Entity]) -> list[Entity]:
        unknown = [each for each in entities if each.ref.qualified_name not in self.known]
        found = self.catalog.find([each.ref.qualified_name for each in unknown])
        present = {each.ref for each in found.values()}
        return [each for each in unknown if each.ref not in present]

    def _write_all(self, entities: Sequence[Entity], collection: str = "") -> None:
        for start in range(0, len(entities), BATCH):
            self._write(entities[start : start + BATCH], collection)

    def _write(self, batch: Sequence[Entity], collection: str) -> None:
        self.before_each()
        numbers = {entity.ref: f"-{number}" for number, entity in enumerate(batch, start=1)}
        written = [_to_atlas(entity, numbers) for entity in batch]
        try:
            answer = self.client.write_entities(written, collection=collection)
        except (RequestRefusedError, RecordNotFoundError, AccessDeniedError) as error:
            self._look_into(error, collection)
            if len(batch) == 1:
                name = batch[0].ref.qualified_name
                self.result.rejections[name] = str(error)
                self.denied |= {name: error} if isinstance(error, AccessDeniedError) else {}
                return
            # Atlas takes or refuses a request as a whole and seldom says which entity it means: halve until it shows.
            middle = len(batch) // 2
            self._write(batch[:middle], collection)
            self._write(batch[middle:], collection)
            return
        assigned: Mapping[str, str] = answer.get("guidAssignments") or {}
        guids = {ref.qualified_name: assigned[number] for ref, number in numbers.items() if number in assigned}
        created = {str(each.get("guid")) for each in (answer.get("mutatedEntities") or {}).get("CREATE") or ()}
        self.result.guids |= guids
        lost = [each for each in batch if guids.get(each.ref.qualified_name) in created]
        if self.client.collection and not collection and lost:
            self._write(lost, self.client.collection)  # a person had deleted what we knew, and it is in the root now
        self.after_each(guids)

    def _look_into(self, error: LineageError, collection: str) -> None:
        """Raise what is not about single entities."""
        if isinstance(error, AccessDeniedError):
            self.denials += 1
            if self.denials >= _DENIALS and not self.result.guids:
                raise error
        if isinstance(error, RequestRefusedError) and error.code == _UNKNOWN_TYPE:
            if not self.installed:
                raise _UnknownTypeError from error
            if any(each.type_name in str(error) for each in list_ours()):
                raise ServiceUnavailableError(f"{error} (types were installed just now)") from error
        if collection and not self.collection_is_there:
            # No public source says how an unknown one is refused, so not the answer is read: the account is asked.
            if problem := self.catalog.find_collection_problem():
                raise ServiceUnavailableError(f"{problem} ({error})") from error
            self.collection_is_there = True


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


def _condition(prefix: str) -> Json:
    return {"attributeName": "qualifiedName", "operator": "startswith", "attributeValue": prefix}


def _hit(hit: Json) -> Found:
    return Found(
        Ref(str(hit.get("entityType") or hit.get("typeName")), QualifiedName(str(hit["qualifiedName"]))),
        str(hit["id"]),
        name=str(hit.get("displayText") or hit.get("name") or ""),
    )


def _parents(entity: Json) -> tuple[tuple[str, Ref], ...]:
    own = (each.parent_attribute for each in CONTAINMENTS if each.child_type == entity["typeName"])
    return tuple((attribute, ref) for attribute in own for ref in _active_ends(entity, attribute))


def _active_ends(entity: Json, attribute: str) -> tuple[Ref, ...]:
    return tuple(
        Ref(str(item["typeName"]), QualifiedName(str(item["qualifiedName"])))
        for item in _active(entity, attribute)
        if item.get("qualifiedName")
    )


def _removed_ends(entity: Json) -> Iterator[str]:
    links = entity.get("relationshipAttributes") or {}
    for attribute in ("inputs", "outputs"):
        active = {str(each["guid"]) for each in _active(entity, attribute)}
        yield from (guid for each in objects_in(links, attribute) if (guid := str(each["guid"])) not in active)


def _column_names(entity: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(sorted(str(item["displayText"]) for item in _active(entity, "columns") if item.get("displayText")))


def _active(entity: Mapping[str, Any], attribute: str) -> list[Mapping[str, Any]]:
    return active_links((entity.get("relationshipAttributes") or {}).get(attribute))
