"""An emulated Purview: its state, the seed it starts from, and a dump of everything it holds."""

from collections.abc import Mapping
from typing import Any

from emulator.purview.account.collections import Account
from emulator.purview.catalog.catalog import Catalog
from emulator.purview.catalog.documents import entity_document, relationship_document
from emulator.purview.catalog.store import Store
from emulator.purview.catalog.upsert import upsert
from emulator.purview.identity import Source
from emulator.purview.pauses import Pauses
from emulator.purview.policies.policies import Policies
from emulator.purview.scanning.scanned_assets import scan
from emulator.purview.scanning.scans import Scanning
from emulator.purview.switches import Switches
from emulator.purview.types.type_system import TypeSystem
from emulator.purview.types.typedefs import TypeDef
from emulator.purview.wire import Json, as_list, as_object
from emulator.tokens import DEFAULT_PRINCIPAL

DEFAULT_ACCOUNT = "purview-emulator"

_KEYS = {"typedefs", "entities", "switches", "account", "collections", "files"}


class Purview:
    """
    The state of one emulated account.

    The seed has ``typedefs`` (a list of typedef documents), ``entities`` (a list of entities, or of
    lists of entities that belong to one request), ``switches``, ``account`` (its name), ``collections``
    (those below the root, by name) and ``files`` (what is in the storage that scans can reach). A
    negative guid may be referred to by any later entity of the seed.
    """

    def __init__(self, seed: Mapping[str, object], pauses: Pauses | None = None) -> None:
        unknown = seed.keys() - _KEYS
        if unknown:
            raise ValueError(f"unknown keys in the Purview seed: {', '.join(sorted(unknown))}")
        self.switches = Switches()
        self.switches.update(as_object(seed.get("switches") or {}, "switches"))
        self.pauses = pauses or Pauses()
        self.request_ids = Source("request")
        store, source = Store(), Source()
        collections = as_object(seed.get("collections") or {}, "collections")
        self.account = Account(str(seed.get("account", DEFAULT_ACCOUNT)), DEFAULT_PRINCIPAL, collections)
        self.policies = Policies(self.account)
        self.files = as_list(seed.get("files"), "files")
        self.scanning = Scanning(lambda name: self.account.find(name) is not None, self._scan_below)
        types = TypeSystem(source, lambda item: _in_use(store, item))
        self.catalog = Catalog(store, types, source, self.switches, self.account.name)
        for document in as_list(seed.get("typedefs"), "typedefs"):
            self.catalog.types.seed(document)
        assigned: dict[str, str] = {}
        for item in as_list(seed.get("entities"), "entities"):
            bodies = [_with_guids(body, assigned) for body in (item if isinstance(item, list) else [item])]
            assigned.update(upsert(self.catalog, bodies, {})().assignments or {})

    def scan(self, paths: object, *, is_indexed: bool = False) -> list[dict[str, str]]:
        """
        Let the scanner write what it found; a wrong path raises ValueError.

        With ``is_indexed`` it did so long enough ago for the index of search to have it.
        """
        found = [each.to_json() for each in scan(self.catalog, paths)]
        if is_indexed:
            self.catalog.store.indexed = self.catalog.store.writes
        return found

    def _scan_below(self, endpoint: str, collection: str) -> int:
        """Scan the files below an endpoint into a collection."""
        if self.switches.scan_error:
            raise ValueError(self.switches.scan_error)
        paths = [path for path in self.files if str(path["qualifiedName"]).startswith(endpoint)]
        return len(scan(self.catalog, paths, collection)) if paths else 0

    def dump(self) -> dict[str, object]:
        """Return every definition, entity and relationship, deleted ones included, and the account around them."""
        catalog = self.catalog
        entities = [entity_document(catalog, entity) for entity in catalog.store.entities.values()]
        relationships = [relationship_document(catalog, item) for item in catalog.store.relationships.values()]
        definitions = list(catalog.registry.definitions.values())
        return {
            "typedefs": catalog.types.to_json(definitions),
            "entities": entities,
            "relationships": relationships,
            "collections": [item.to_json() for item in self.account.collections.values()],
            "policies": self.policies.all(),
            "data_sources": list(self.scanning.sources.values()),
        }


def _in_use(store: Store, definition: TypeDef) -> bool:
    return store.count(definition.name) > 0


def _with_guids(value: Any, assigned: Mapping[str, str]) -> Any:
    """Replace the placeholders of earlier seed entities by their guids."""
    if isinstance(value, list):
        return [_with_guids(item, assigned) for item in value]
    if not isinstance(value, dict):
        return value
    body: Json = {key: _with_guids(item, assigned) for key, item in value.items()}
    if body.get("guid") in assigned:
        body["guid"] = assigned[body["guid"]]
    return body
