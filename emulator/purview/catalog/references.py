"""Which entity each reference of a request means: what the store holds, and what the request itself brings."""

from dataclasses import dataclass, field

from emulator.purview.catalog.catalog import Catalog
from emulator.purview.catalog.drafts import Draft
from emulator.purview.catalog.store import Entity
from emulator.purview.errors import AtlasError, Code
from emulator.purview.types.values import Reference
from emulator.purview.wire import Json, as_object, java_text


@dataclass(slots=True)
class References:
    """
    The references of one request, resolved.

    A guid may be that of a stored entity or the placeholder of one in the same request. Unique
    attributes are looked up in the store alone, so they never mean an entity of the same request.
    """

    catalog: Catalog
    known: dict[str, Entity] = field(default_factory=dict)
    _by_unique: dict[str, Entity] = field(default_factory=dict)

    def check(self, drafts: list[Draft]) -> None:
        """Find everything the drafts refer to, before any of them is stored."""
        given = {draft.guid for draft in drafts}
        references = [_object_id(value) for draft in drafts for value in draft.references()]
        for reference in references:
            guid = reference.get("guid")
            if guid and guid not in given and (guid.startswith("-") or guid not in self.catalog.store.entities):
                raise AtlasError(Code.REFERENCE_NOT_FOUND, guid)
        for reference in references:
            if not reference.get("guid"):
                self._find(reference)

    def entity(self, value: object) -> Entity:
        """Return the entity a reference means, once all have been checked."""
        reference = _object_id(value)
        guid = reference.get("guid")
        if guid:
            return self.known.get(guid) or self.catalog.store.entities[guid]
        return self._by_unique[_key(reference)]

    def stored(self, value: object) -> Reference:
        """Return the reference as an attribute keeps it."""
        return Reference(self.entity(value).guid)

    def _find(self, reference: Json) -> None:
        key = _key(reference)
        if key in self._by_unique:
            return
        entity_type = self.catalog.registry.entity_type(reference.get("typeName"))
        found = self.catalog.find(entity_type, as_object(reference["uniqueAttributes"], "uniqueAttributes"))
        if found is None:
            raise AtlasError(Code.REFERENCE_NOT_FOUND, f"AtlasObjectId{{guid='null', {key}}}")
        self._by_unique[key] = found


def _object_id(value: object) -> Json:
    if not isinstance(value, dict):
        raise AtlasError(Code.INVALID_OBJECT_ID, java_text(value))
    guid = value.get("guid")
    if guid is not None and not isinstance(guid, str):
        raise AtlasError(Code.INVALID_OBJECT_ID, java_text(value))
    if not guid and not (value.get("typeName") and value.get("uniqueAttributes")):
        raise AtlasError(Code.INVALID_OBJECT_ID, java_text(value))
    return value


def _key(reference: Json) -> str:
    unique = ", ".join(f"{name}:{java_text(value)}" for name, value in reference["uniqueAttributes"].items())
    return f"typeName='{reference['typeName']}', uniqueAttributes={{{unique}}}"
