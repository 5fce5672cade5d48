"""`lineage retire-accelerator`: removes what Microsoft's Purview ML lineage accelerator wrote into the catalog."""

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from shared.catalog.kinds import COLUMN, CONTAINMENTS, KINDS, SCHEMA, kind_of
from shared.catalog.qualified_names import QualifiedName

if TYPE_CHECKING:
    from shared.catalog.entities import Found
    from shared.purview.catalog import PurviewCatalog

PREFIX = "pyapacheatlas://"
"""What all its names begin with, and none of ours."""
_CONTAINERS = (*dict.fromkeys(each.parent_attribute for each in CONTAINMENTS), "composeSchema")
"""Relationship attributes that lead to what an entity is part of, and would be deleted with."""
_OWNED = {SCHEMA: "datasets", COLUMN: "composeSchema"}
"""Purview's own types that the accelerator used for what it made: each with what leads to that."""


@dataclass(frozen=True, slots=True)
class Leftovers:
    """
    What it left.

    Attributes:
        plain: to be deleted.
        annotated: what people have written on, or what belongs to such, each with the reason.
        unsure: named as it names things, and hanging on nothing of its own: others use that library too.
    """

    plain: "tuple[Found, ...]"
    annotated: "Mapping[Found, tuple[str, ...]]"
    unsure: "tuple[Found, ...]"


@click.command("retire-accelerator", short_help="Remove what Microsoft's accelerator wrote by hand.")
@click.option("--dry-run", is_flag=True, help="Show what would be deleted, and delete nothing.")
@click.option("--annotated", is_flag=True, help="Delete also what people have classified, labelled or described.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option(
    "--json", "as_json", is_flag=True, help="Print a JSON object; asks nothing, so it needs --dry-run or --yes."
)
def retire_accelerator(*, dry_run: bool, annotated: bool, yes: bool, as_json: bool) -> None:
    """
    Delete the entities whose names begin with pyapacheatlas://. Types, ours and Purview's own assets stay.

    What people have classified, labelled, described or tied to a glossary term is kept and listed, so that they can
    carry it over first. Purview's search index lags: run it again a few minutes later to see whether anything is left.

    Example: lineage retire-accelerator --dry-run
    """
    from cli.session import open_services

    if as_json and not (dry_run or yes):
        raise click.UsageError("--json needs --dry-run or --yes.")
    catalog = open_services().catalog
    found = find_leftovers(catalog)
    doomed = [*found.plain, *(found.annotated if annotated else ())]
    if as_json:
        click.echo(json.dumps(_to_json(doomed, {} if annotated else found.annotated), indent=2))
    else:
        _print(doomed, {} if annotated else found.annotated, found.unsure)
    if dry_run or not doomed:
        return
    if not yes:
        click.confirm(f"Delete these {len(doomed)} entities?", abort=True, err=True)
    doomed.sort(key=lambda each: (kind_of(each.ref.type_name).retired, each.ref.qualified_name))
    catalog.remove_entities([each.guid for each in doomed])
    click.echo(f"{len(doomed)} deleted.", err=True)


def list_types() -> list[str]:
    """Return its types in the order in which they are deleted."""
    return sorted((name for name, kind in KINDS.items() if kind.retired), key=lambda name: KINDS[name].retired)


def find_leftovers(catalog: "PurviewCatalog") -> Leftovers:
    """Search for them by type, and read what there is of them now: the index still has what was just deleted."""
    hits = {
        each.ref.qualified_name: each
        for type_name in list_types()
        for each in catalog.list_of_type(type_name)
        if each.ref.qualified_name.startswith(PREFIX) and kind_of(each.ref.type_name).retired
    }
    entities = {str(entity["guid"]): entity for entity in catalog.get_entities(list(hits))}
    found = {guid: hits[QualifiedName(str(entity["attributes"]["qualifiedName"]))] for guid, entity in entities.items()}
    unsure = {guid for guid in entities if not _is_theirs(guid, entities)}
    annotated: dict[Found, tuple[str, ...]] = {}
    for guid, entity in entities.items():
        if words := _annotations(entity):
            annotated[found[guid]] = words
            for other in {*_containers(entity, entities), *_parts(guid, entities)}:
                annotated.setdefault(found[other], (f"to do with {found[guid].ref.qualified_name}, which is kept",))
    plain = tuple(each for guid, each in found.items() if each not in annotated and guid not in unsure)
    return Leftovers(plain, annotated, tuple(found[guid] for guid in unsure if found[guid] not in annotated))


def _is_theirs(guid: str, entities: Mapping[str, Mapping[str, Any]]) -> bool:
    """Whether an entity is of a type of the accelerator's, or hangs on one that is."""
    attribute = _OWNED.get(str(entities[guid]["typeName"]))
    return attribute is None or any(
        _is_theirs(other, entities) for other in _related(entities[guid], attribute, entities)
    )


def _containers(entity: Mapping[str, Any], entities: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield the guids of all that an entity is part of, from the inside out."""
    for name in _CONTAINERS:
        for guid in _related(entity, name, entities):
            yield guid
            yield from _containers(entities[guid], entities)


def _parts(guid: str, entities: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    """Yield the guids of the schema of an entity and of its columns."""
    for other, entity in entities.items():
        attribute = _OWNED.get(str(entity["typeName"]))
        if attribute and guid in _related(entity, attribute, entities):
            yield other
            yield from _parts(other, entities)


def _related(entity: Mapping[str, Any], attribute: str, entities: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Return the guids of those that a relationship attribute, of one end or of many, leads to among `entities`."""
    value = (entity.get("relationshipAttributes") or {}).get(attribute) or []
    ends = value if isinstance(value, list) else [value]
    return [str(end["guid"]) for end in ends if str(end.get("guid")) in entities]


def _annotations(entity: Mapping[str, Any]) -> tuple[str, ...]:
    related = entity.get("relationshipAttributes") or {}
    written = {
        "classifications": entity.get("classifications"),
        "labels": entity.get("labels"),
        "managed attributes": entity.get("businessAttributes"),
        "description": (entity.get("attributes") or {}).get("userDescription"),
        "glossary terms": entity.get("meanings") or related.get("meanings"),
        "contacts": entity.get("contacts"),
    }
    return tuple(name for name, value in written.items() if value)


def _print(doomed: "Sequence[Found]", kept: "Mapping[Found, tuple[str, ...]]", unsure: "Sequence[Found]") -> None:
    for each in unsure:
        click.echo(f"not sure whose  {each.ref.qualified_name} ({each.ref.type_name}); it is left alone")
    if not doomed and not kept:
        click.echo("Nothing of the accelerator is left.")
        return
    for type_name, count in sorted(Counter(each.ref.type_name for each in doomed).items()):
        click.echo(f"{count:>5} {type_name}")
    for each, words in kept.items():
        click.echo(f"kept  {each.ref.qualified_name} ({each.ref.type_name}) has {', '.join(words)}")
    if kept:
        click.echo("Carry over what people wrote, then add --annotated.")


def _to_json(doomed: "Sequence[Found]", kept: "Mapping[Found, tuple[str, ...]]") -> dict[str, object]:
    return {
        "delete": [{"typeName": each.ref.type_name, "qualifiedName": each.ref.qualified_name} for each in doomed],
        "keep": [
            {"typeName": each.ref.type_name, "qualifiedName": each.ref.qualified_name, "because": list(words)}
            for each, words in kept.items()
        ],
    }
