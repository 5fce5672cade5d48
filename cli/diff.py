"""`lineage diff`: what changed between two model versions."""

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from questions.diff import Change


@click.command(short_help="What changed between two model versions.")
@click.argument("before")
@click.argument("after")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def diff(*, before: str, after: str, as_json: bool) -> None:
    """
    Compare the data, settings, packages and metrics of two model versions.

    BEFORE and AFTER are qualifiedNames, or names such as `creditrisk_model:1`. Source data and versions of data assets
    are compared, not what lies in between; the settings of earlier runs than the one that made the model begin with
    the run's name.

    Example: lineage diff creditrisk_model:1 creditrisk_model:2
    """
    from cli.session import open_reading_services
    from cli.show import find_asset
    from questions.diff import diff as find_changes
    from questions.documents import of_changes
    from questions.walk import Walker

    services = open_reading_services()
    walker = Walker(services.lineage)
    one, other = (find_asset(services.catalog, each).guid for each in (before, after))
    changes = find_changes(walker, one, other)
    if as_json:
        document = of_changes(walker.asset(one), walker.asset(other), changes)
        click.echo(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join(_lines(walker.asset(one).name, walker.asset(other).name, changes)))


def _lines(before: str, after: str, changes: "Sequence[Change]") -> "Iterator[str]":
    from questions.diff import SECTIONS

    yield f"{before} -> {after}"
    for section in SECTIONS:
        group = [each for each in changes if each.section == section]
        yield f"{section}: {'nothing changed' if not group else ''}".rstrip()
        for each in group:
            if not each.before:
                yield f"  + {each.name}: {each.after}"
            elif not each.after:
                yield f"  - {each.name}: {each.before}"
            else:
                yield f"  ~ {each.name}: {each.before} -> {each.after}"
