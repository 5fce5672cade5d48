"""`lineage retire`, `retire-accelerator`: remove from the catalog what Azure ML deleted, what the accelerator wrote."""

import json
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import click

from cli.options import days
from cli.output import say, say_text
from shared.catalog.kinds import COLUMN, CONTAINMENTS, KINDS, SCHEMA, kind_of
from shared.catalog.qualified_names import QualifiedName
from shared.errors import LineageError

if TYPE_CHECKING:
    from shared.bootstrap import Services
    from shared.catalog.entities import Found
    from shared.purview.catalog import PurviewCatalog
    from shared.state.ports import Row

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
        say_text(json.dumps(_to_json(doomed, {} if annotated else found.annotated), indent=2))
    else:
        _print(doomed, {} if annotated else found.annotated, found.unsure)
    if dry_run or not doomed:
        return
    if not yes:
        click.confirm(f"Delete these {len(doomed)} entities?", abort=True, err=True)
    doomed.sort(key=lambda each: (kind_of(each.ref.type_name).retired, each.ref.qualified_name))
    catalog.remove_entities([each.guid for each in doomed])
    say(f"{len(doomed)} deleted.", err=True)


@click.command(short_help="Remove what Azure ML has deleted long ago.")
@click.option("--deleted", is_flag=True, required=True, help="Runs and model versions that Azure ML has deleted.")
@click.option(
    "--older-than",
    type=days,
    default="90d",
    show_default=True,
    metavar="DAYS",
    help="Only what has been marked as deleted for so long.",
)
@click.option("--dry-run", is_flag=True, help="Show what would be marked and removed; change nothing.")
@click.option("--annotated", is_flag=True, help="Remove also what people have classified, labelled or described.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.option("--json", "as_json", is_flag=True, help="Print a JSON object; it needs --dry-run or --yes.")
def retire(*, deleted: bool, older_than: timedelta, dry_run: bool, annotated: bool, yes: bool, as_json: bool) -> None:
    """
    Remove runs and model versions from the catalog that Azure ML has deleted, and what the ledger knows of them.

    Marks first, as deleted, what Azure ML does not have any more; what has had that mark for --older-than is removed.
    The app itself marks models and never runs, since Azure ML says of no run that it was deleted. What people have
    classified, labelled, described or tied to a glossary term is kept and listed.

    Example: lineage retire --deleted --older-than 90d --dry-run
    """
    from cli.session import open_services
    from shared.catalog.entities import DELETED as MARK
    from shared.publishing.plan_marks import Mark

    del deleted  # there is nothing else that could be retired yet
    if as_json and not (dry_run or yes):
        raise click.UsageError("--json needs --dry-run or --yes.")
    services = open_services()
    before = services.now() - older_than
    marked = [*_find_deleted_runs(services, before)]
    failed = dict[str, str]()

    def each(row: "Row", do: "Callable[[Row], object]") -> bool:
        """Do something with a row; what cannot be done of one is said, and keeps no other from its turn."""
        try:
            return bool(do(row))
        except LineageError as error:
            failed[row.key] = f"{error.reason}: {error}"
            return False

    for row in () if dry_run else marked:
        each(row, lambda row: services.publisher.publish(Mark(row, MARK)))
    marked = [row for row in marked if row.key not in failed]
    # Without a wait, what was marked just now is due as well.
    due = [*_list_marked(services, before), *(marked if not older_than else ())]
    due = list({row.key: row for row in due}.values())
    kept = {} if annotated else _find_annotated(services, [row.key for row in due])
    doomed = [row for row in due if row.key not in kept]
    if as_json:
        names = {"marked": marked, "remove": doomed}
        document = {word: [row.key for row in rows] for word, rows in names.items()}
        say_text(json.dumps({**document, "keep": {name: list(words) for name, words in kept.items()}}, indent=2))
    else:
        words = "to be marked" if dry_run else "marked"
        say(f"{len(marked)} {words} as deleted, {len(doomed)} to be removed.")
        for row in doomed:
            say(f"{row.kind}  {row.key}")
        for name, written in kept.items():
            say(f"kept  {name} has {', '.join(written)}")
    if doomed and not dry_run:
        if not yes:
            click.confirm(f"Remove these {len(doomed)}?", abort=True, err=True)
        say(f"{sum(each(row, services.publisher.retire) for row in doomed)} removed.", err=True)
    for name, reason in failed.items():
        say(f"left  {name}: {reason}", err=True)
    if failed:
        sys.exit(1)


def _find_deleted_runs(services: "Services", before: datetime) -> "Iterator[Row]":
    from shared.reconciling.archived_and_deleted import find_deleted_runs

    workspaces = {each for scope in services.allowed.prefixes for each in services.inventory.list_workspaces(scope)}
    for workspace in sorted(workspaces):
        yield from find_deleted_runs(workspace, services.inventory, services.resolver, services.ledger, before=before)


def _list_marked(services: "Services", before: datetime) -> "Iterator[Row]":
    """Yield what was marked as deleted before a time."""
    from shared.catalog.entities import DELETED

    for kind in ("run", "model"):
        after = ""
        while rows := services.ledger.list_rows(kind, after=after):
            after = rows[-1].key
            yield from (
                row for row in rows if row.status == DELETED and row.updated_at is not None and row.updated_at < before
            )


def _find_annotated(services: "Services", names: "Sequence[QualifiedName]") -> dict[str, tuple[str, ...]]:
    """Return what people have written on, with what that is; labels of ours are none of that."""
    from shared.catalog.entities import UNSCANNED
    from shared.publishing.labels import PREFIX

    found: dict[str, tuple[str, ...]] = {}
    for entity in services.catalog.get_entities(names):
        labels = [each for each in entity.get("labels") or [] if each != UNSCANNED and not each.startswith(PREFIX)]
        if words := _annotations({**entity, "labels": labels}):
            found[str(entity["attributes"]["qualifiedName"])] = words
    return found


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
        say(f"not sure whose  {each.ref.qualified_name} ({each.ref.type_name}); it is left alone")
    if not doomed and not kept:
        say("Nothing of the accelerator is left.")
        return
    for type_name, count in sorted(Counter(each.ref.type_name for each in doomed).items()):
        say(f"{count:>5} {type_name}")
    for each, words in kept.items():
        say(f"kept  {each.ref.qualified_name} ({each.ref.type_name}) has {', '.join(words)}")
    if kept:
        say("Carry over what people wrote, then add --annotated.")


def _to_json(doomed: "Sequence[Found]", kept: "Mapping[Found, tuple[str, ...]]") -> dict[str, object]:
    return {
        "delete": [{"typeName": each.ref.type_name, "qualifiedName": each.ref.qualified_name} for each in doomed],
        "keep": [
            {"typeName": each.ref.type_name, "qualifiedName": each.ref.qualified_name, "because": list(words)}
            for each, words in kept.items()
        ],
    }
