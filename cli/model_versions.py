"""`lineage diff` and `lineage audit`: what model versions were made of, compared, or archived for an auditor."""

import json
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.output import say, say_text

if TYPE_CHECKING:
    from questions.diff import Difference
    from shared.catalog.entities import Found
    from shared.state.ports import Ledger

FORMATS = ["%Y-%m-%d", "%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%dT%H:%M:%SZ"]


@click.command(short_help="What changed between two model versions.")
@click.argument("before")
@click.argument("after")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def diff(*, before: str, after: str, as_json: bool) -> None:
    """
    Compare the data, settings, packages and metrics of two model versions.

    BEFORE and AFTER are qualifiedNames, or names such as `creditrisk_model:1`. Source data and versions of data assets
    are compared, not what is in between; the settings of earlier runs than the one that made the model begin with
    the run's name.

    Example: lineage diff creditrisk_model:1 creditrisk_model:2
    """
    from cli.session import open_reading_services
    from questions.diff import diff as find_differences
    from questions.draw import differences_json
    from questions.find import find_asset
    from questions.walk import Walker

    services = open_reading_services()
    walker = Walker(services.lineage)
    one, other = (find_asset(services.catalog, each).guid for each in (before, after))
    differences = find_differences(walker, one, other)
    if as_json:
        document = differences_json(walker.asset(one), walker.asset(other), differences)
        say_text(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        say(*_lines(walker.asset(one).name, walker.asset(other).name, differences))


def _lines(before: str, after: str, differences: "Sequence[Difference]") -> "Iterator[str]":
    from questions.diff import SECTIONS

    yield f"{before} -> {after}"
    for section in SECTIONS:
        group = [each for each in differences if each.section == section]
        yield f"{section}: {'nothing changed' if not group else ''}".rstrip()
        for each in group:
            if not each.before:
                yield f"  + {each.name}: {each.after}"
            elif not each.after:
                yield f"  - {each.name}: {each.before}"
            else:
                yield f"  ~ {each.name}: {each.before} -> {each.after}"


@click.command(short_help="Write all that is known of a model version into one archive; what an endpoint served when.")
@click.argument("asset", metavar="MODEL|ENDPOINT")
@click.option("--out", type=click.Path(dir_okay=False, path_type=Path), help="The zip archive to write, of a model.")
@click.option("--at", type=click.DateTime(FORMATS), help="Of an endpoint: what it served at this moment (UTC).")
@click.option("--json", "as_json", is_flag=True, help="Of an endpoint: print one JSON object.")
def audit(*, asset: str, out: Path | None, at: datetime | None, as_json: bool) -> None:
    """
    Write an archive of what a model version was made of and where it went, as the catalog has it now.

    Of an endpoint, print which model versions answered when and with which share of the traffic, or at one moment.

    It holds the lineage, runs, settings, metrics and packages, the events they were published for, what each edge is
    based on, how data was found in the catalog, and `manifest.json` with the SHA-256 hash of every file. The hash of
    the manifest is printed: keep it elsewhere.

    MODEL is a qualifiedName, or a name and version such as `creditrisk_model:2`; ENDPOINT a name or qualifiedName.

    Example: lineage audit creditrisk_model:2 --out creditrisk_model-2.zip
    """
    from cli.session import open_reading_services
    from questions.audit import MANIFEST, gather, write_bundle
    from questions.find import find_asset
    from questions.walk import Walker
    from shared.catalog.kinds import ENDPOINT, MODEL

    services = open_reading_services()
    walker = Walker(services.lineage)
    found = find_asset(services.catalog, asset)
    if found.ref.type_name == ENDPOINT and out is None:
        _print_history(services.ledger, found, at=at, as_json=as_json)
        return
    if found.ref.type_name != MODEL or at or as_json:
        words = "--out is for a model version, --at and --json for an endpoint"
        raise click.UsageError(f"{asset} is not a model version but a {found.ref.type_name}; {words}")
    if out is None:
        raise click.UsageError("Missing option '--out': the archive of a model version to write")
    files = gather(walker, found.guid, services.ledger)
    try:
        hashes = write_bundle(
            out, walker.asset(found.guid), files, at=services.now(), version=version("aml-purview-lineage")
        )
    except FileExistsError as error:
        raise click.UsageError(f"{out} exists already; an audit never replaces one") from error
    for name, digest in hashes.items():
        say(f"{digest}  {name}" if name != MANIFEST else f"{digest}  {name} (keep this one)")


def _print_history(ledger: "Ledger", endpoint: "Found", *, at: datetime | None, as_json: bool) -> None:
    from questions.audit import format_serving, history_json, read_history, serving_at

    history = read_history(ledger, endpoint.ref.qualified_name)
    if at:
        history = serving_at(history, at.replace(tzinfo=UTC))
    if as_json:
        document = {"endpoint": endpoint.ref.qualified_name, "served": history_json(history)}
        say_text(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        nothing = f"Nothing is known of what {endpoint.name} served{' then' if at else ''}."
        say(*map(format_serving, history) if history else [nothing])
