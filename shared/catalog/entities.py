"""Entities of the catalog, without a wire format: as the build step makes them, and as the catalog has them."""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from math import isfinite
from typing import Any, Self

from shared.catalog.qualified_names import QualifiedName

ASSET = "Asset"
"""The supertype of data and processes alike."""
UNSCANNED = "unscanned"
"""Label of a placeholder: Purview has not scanned this data yet."""
UNRESOLVED = "unresolved"
"""Label of data that Azure ML named but could not place."""
STATE = "state"
"""The attribute that says whether something is there: how it is provisioned, or a mark."""
ARCHIVED, DELETED, ACTIVE = "Archived", "Deleted", "Active"
"""Marks of what Azure ML has archived, deleted or restored."""
VALUE_LIMIT = 32_000
"""Bytes an attribute's value may have; Purview's limit is 32 KB."""
NAME_LIMIT = 4_000
"""Bytes an asset's name may have; Purview's limit is 4 KB."""
_LASTING = frozenset(
    {"name", "id", "version", "path", "run_id", "run_type", "status", "studio_url", "created_at", "started_at"}
    | {"ended_at", "createdtime", "workspace_name", "workspace_subscription_id", "workspace_resource_group"}
    | {"subscription_id", "resource_group", "package_name", "isFile", "pipeline_status"}
)
"""Attributes that an entity has for as long as it exists; the ledger need not keep that they were written."""


@dataclass(frozen=True, slots=True, order=True)
class Ref:
    """Which entity: the type and its qualifiedName."""

    type_name: str
    qualified_name: QualifiedName


@dataclass(frozen=True, slots=True)
class Evidence:
    """
    What one edge of an entity is based on.

    Attributes:
        end: what is at the other end of the edge.
        is_output: the data flows to `end`, not from it.
        field: where it comes from: a member of Azure ML's answers, a tag, a line of a file; for people.
        inferred: the field does not state it; it follows from it.
        place: what was looked up in the catalog for the data, if anything; its match has the rest.
    """

    end: Ref
    is_output: bool
    field: str
    inferred: bool = False
    place: Ref | None = None

    def to_json(self) -> dict[str, object]:
        """Format it as the ledger keeps it."""
        return {
            "end": [self.end.type_name, self.end.qualified_name],
            "is_output": self.is_output,
            "field": self.field,
            "inferred": self.inferred,
            "place": [self.place.type_name, self.place.qualified_name] if self.place else None,
        }

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Self:
        """
        >>> evidence = Evidence(Ref("t", QualifiedName("n")), is_output=True, field="f")
        >>> Evidence.from_json(evidence.to_json()) == evidence
        True
        """
        place = Ref(*body["place"]) if body["place"] else None
        return cls(Ref(*body["end"]), body["is_output"], body["field"], body["inferred"], place)


@dataclass(frozen=True, slots=True)
class Found:
    """
    An entity the catalog has.

    Attributes:
        outputs, inputs: those of a process that it has now.
        removed: guids of what it was linked to before; an entity that was made again under its name has another.
        scanned: something on it is what a scan leaves; who wrote it last says nothing.
        parents: what it is part of, by relationship attribute; each write of it has to say that again.
    """

    ref: Ref
    guid: str
    outputs: tuple[Ref, ...] = ()
    labels: tuple[str, ...] = ()
    name: str = ""
    scanned: bool = False
    inputs: tuple[Ref, ...] = ()
    removed: frozenset[str] = frozenset()
    parents: tuple[tuple[str, Ref], ...] = ()


@dataclass(frozen=True, slots=True)
class Entity:
    """
    One entity to upsert.

    Attributes:
        attributes: text or flags by Atlas attribute name, `name` among them. What is left out stays as the catalog has
            it; "" takes away what was there. Never null.
        parents: relationship attribute → the entity that contains this one (COMPOSITION: needed on every write), or
            that describes it, as a schema does.
        inputs, outputs: of a process; None leaves them as they are.
        labels: given on creation only, as Atlas has it.
        named_only: what it is about could not be read, or is gone: what it does not say may well be so.
        evidence: why its edges exist. It goes to the ledger, not to the catalog.
    """

    ref: Ref
    attributes: Mapping[str, str | bool]
    parents: Mapping[str, Ref] = field(default_factory=dict)
    inputs: tuple[Ref, ...] | None = None
    outputs: tuple[Ref, ...] | None = None
    labels: tuple[str, ...] = ()
    named_only: bool = field(default=False, compare=False)
    evidence: tuple[Evidence, ...] = field(default=(), compare=False)

    @property
    def references(self) -> tuple[Ref, ...]:
        """Every entity this one points at."""
        return (*self.parents.values(), *(self.inputs or ()), *(self.outputs or ()))

    @property
    def fingerprint(self) -> str:
        """A hash over everything that would be written."""
        content = [
            self.ref.type_name,
            self.ref.qualified_name,
            sorted(self.attributes.items()),
            sorted((name, ref.type_name, ref.qualified_name) for name, ref in self.parents.items()),
            None if self.inputs is None else [(ref.type_name, ref.qualified_name) for ref in self.inputs],
            None if self.outputs is None else [(ref.type_name, ref.qualified_name) for ref in self.outputs],
        ]
        return hashlib.sha256(json.dumps(content).encode()).hexdigest()[:32]

    def is_as(self, noted: str) -> bool:
        """Whether what was noted of the last write is just this."""
        return noted.partition(" ")[0] == self.fingerprint

    def note(self, before: str = "") -> str:
        """
        Format what the ledger keeps of a write: the fingerprint, and the attributes that may be taken away later.

        Args:
            before: what it kept of the write before, all of which a write of a name alone leaves in the catalog.
        """
        names = {name for name, value in self.attributes.items() if value != ""} - _LASTING
        return " ".join([self.fingerprint, *sorted(names | set(before.split(" ")[1:] if self.named_only else ()))])

    def note_mark(self, before: str, *, until_written: bool) -> str:
        """
        Format what the ledger keeps of a mark: whatever is written next of the entity differs.

        Args:
            before: what it kept of the write before; its attributes may be taken away later.
            until_written: the next write takes the mark away.

        >>> archived = Entity(Ref("t", QualifiedName("n")), {"name": "n", "state": "Archived"})
        >>> archived.note_mark("2f0a stage tags", until_written=True), archived.note_mark("2f0a", until_written=False)
        (' stage state tags', ' ')
        """
        names = set(before.split(" ")[1:]) - {STATE}
        is_marked = until_written and self.attributes.get(STATE) not in ("", ACTIVE)
        return " ".join(["", *sorted(names | ({STATE} if is_marked else set()))]) or " "

    def taking_away(self, before: str) -> Self:
        """
        Return the entity with an empty text for each attribute that the write before had and this one has not.

        An attribute that we never wrote is left alone: a person may have.
        """
        gone = () if self.named_only else sorted(set(before.split(" ")[1:]) - set(self.attributes))
        return replace(self, attributes={**self.attributes, **dict.fromkeys(gone, "")}) if gone else self


def attributes(name: str, **values: str | bool) -> dict[str, str | bool]:
    """Collect attribute values, leaving out the empty ones and cutting what the catalog would refuse as too long."""
    kept = {"name": name, **{key: value for key, value in values.items() if value != ""}}
    return {
        key: _cut(value, NAME_LIMIT if key == "name" else VALUE_LIMIT) if isinstance(value, str) else value
        for key, value in sorted(kept.items())
    }


def as_json(values: Mapping[str, object]) -> str:
    """Format a mapping as one attribute value; "" if it is empty. What makes it too long is replaced by a note."""
    # NaN and infinity, which a diverged training logs, are no JSON numbers.
    kept = {
        key: str(value) if isinstance(value, float) and not isfinite(value) else value for key, value in values.items()
    }
    text = json.dumps(kept, sort_keys=True, ensure_ascii=False) if kept else ""
    for key in sorted(kept, key=lambda key: len(str(kept[key])), reverse=True):
        if len(text.encode()) <= VALUE_LIMIT:
            break
        kept[key] = "(left out: too long)"
        text = json.dumps(kept, sort_keys=True, ensure_ascii=False)
    return text


def ends(refs: Iterable[Ref]) -> tuple[Ref, ...]:
    """Order the inputs or outputs of a process, each once."""
    return tuple(sorted(set(refs), key=lambda ref: (ref.qualified_name, ref.type_name)))


def _cut(value: str, limit: int) -> str:
    encoded = value.encode()
    if len(encoded) <= limit:
        return value
    return f"{encoded[: limit - 30].decode(errors='ignore')} … (cut at {limit // 1_000} KB)"
