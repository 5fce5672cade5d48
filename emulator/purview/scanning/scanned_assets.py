"""The scanner: native assets as a scan of a data source writes them, past the API that clients use."""

from collections.abc import Mapping
from dataclasses import dataclass

from emulator.purview.catalog.catalog import Catalog
from emulator.purview.catalog.store import Entity
from emulator.purview.catalog.upsert import upsert
from emulator.purview.errors import AtlasError
from emulator.purview.types.type_system import builtin_registry
from emulator.purview.wire import Json

# Who scanned assets say created them. The name is not documented; clients must not depend on it.
SCANNER = "ServiceAdmin"
MODIFIED = "modifiedTime"


@dataclass(frozen=True, slots=True)
class Found:
    """What a scan did about one asset."""

    type_name: str
    qualified_name: str
    guid: str
    outcome: str  # created, updated or unchanged

    def to_json(self) -> dict[str, str]:
        """Give the shape of the control plane's answer."""
        return {
            "typeName": self.type_name,
            "qualifiedName": self.qualified_name,
            "guid": self.guid,
            "outcome": self.outcome,
        }


def scan(catalog: Catalog, paths: object, collection: str | None = None) -> list[Found]:
    """
    Write what a scan found: new assets are the scanner's, known ones keep guid, labels, collection and links. Both say
    when the source changed.

    New ones go to the collection given, otherwise to the root.

    A path has ``typeName``, ``qualifiedName`` and any plain attribute of its
    type; ``name`` is the last segment of the qualifiedName unless given. An
    asset is known if one of the same type (or a subtype) has its qualifiedName,
    also one that a client wrote. A wrong path raises ValueError and nothing is
    written.
    """
    if not isinstance(paths, list) or not paths:
        raise ValueError("paths must be a list of at least one asset")
    bodies = [_body(path) for path in paths]
    names = [(body["typeName"], body["attributes"]["qualifiedName"]) for body in bodies]
    user, catalog.store.user = catalog.store.user, SCANNER
    try:
        before = {name: _find(catalog, *name) for name in names}
        for body, name in zip(bodies, names, strict=True):
            _add_time(catalog, body, before[name])
        mutations = upsert(catalog, list(bodies), {})()
    except AtlasError as error:
        raise ValueError(str(error)) from error
    finally:
        catalog.store.user = user
    found = []
    for type_name, qualified_name in dict.fromkeys(names):
        entity = _find(catalog, type_name, qualified_name)
        if entity is None:
            raise ValueError(f"the scan lost {qualified_name}")
        outcome = "unchanged"
        if before[type_name, qualified_name] is None:
            catalog.store.set_field(entity, "collection", collection or catalog.root_collection)
            outcome = "created"
        elif entity.guid in mutations.updated:
            outcome = "updated"
        found.append(Found(entity.type_name, qualified_name, entity.guid, outcome))
    return found


def _add_time(catalog: Catalog, body: Json, before: Entity | None) -> None:
    """
    Say when the source changed last, which every scan reads: once only, for nothing changes it here.

    The attribute is one of Purview's own types of storage and of databases.
    """
    known = catalog.registry.entity_type(body["typeName"]).attributes
    if MODIFIED in known and not (before and before.attributes.get(MODIFIED)):
        body["attributes"].setdefault(MODIFIED, catalog.source.moment)


def _find(catalog: Catalog, type_name: str, qualified_name: str) -> Entity | None:
    return catalog.find(catalog.registry.entity_type(type_name), {"qualifiedName": qualified_name})


def _body(path: object) -> Json:
    """Read one asset; only types that Purview comes with, and of those only assets, can be scanned."""
    if not isinstance(path, Mapping):
        raise TypeError("each of the paths must be a JSON object")
    attributes = {str(key): value for key, value in path.items() if key != "typeName"}
    type_name = path.get("typeName")
    registry = builtin_registry()
    if type_name not in registry.entity_types:
        raise ValueError(f"{type_name!r} is not a type of Purview's own")
    entity_type = registry.entity_types[str(type_name)]
    if "DataSet" not in entity_type.super_types:
        raise ValueError(f"a scan finds no {type_name}")
    qualified_name = attributes.get("qualifiedName")
    if not isinstance(qualified_name, str) or not qualified_name:
        raise ValueError("each of the paths needs a qualifiedName")
    attributes.setdefault("name", qualified_name.rstrip("/").rpartition("/")[2])
    unknown = [name for name in attributes if name not in entity_type.attributes]
    if unknown or attributes.keys() & entity_type.relationship_attributes.keys():
        raise ValueError(f"{type_name} has no plain attributes {sorted(unknown) or sorted(attributes)}")
    return {"typeName": type_name, "attributes": attributes}
