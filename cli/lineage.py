"""`lineage show`, `origin`, `impact`, `packages` and `openlineage`: the lineage of an asset, as the catalog has it."""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.output import say, say_text

if TYPE_CHECKING:
    from questions.impact import Impact, Reached
    from questions.origin import Origin
    from questions.packages import Use
    from shared.purview.reader import Asset

STDOUT = "-"


@click.command(short_help="Draw the lineage of an asset.")
@click.argument("asset")
@click.option("--json", "as_json", is_flag=True, help="Print nodes and edges as JSON.")
@click.option("--mermaid", is_flag=True, help="Print a Mermaid flowchart.")
@click.option("--explain", is_flag=True, help="Say for each edge what it is based on.")
@click.option(
    "--limit",
    default=1000,
    show_default=True,
    type=click.IntRange(min=1),
    help="Ask no further once this many entities are known.",
)
def show(*, asset: str, as_json: bool, mermaid: bool, explain: bool, limit: int) -> None:
    """
    Show where an asset comes from, where it goes, and what else takes part.

    ASSET is a qualifiedName, or a name such as `creditrisk_model` (its latest version) or `creditrisk_model:1`.

    With --explain, each edge says which field of Azure ML's answers it is based on, whether that declares it or it is
    inferred, and how data outside Azure ML was found in the catalog; from the ledger that the publisher keeps.

    Example: lineage show creditrisk_model
    """
    from cli.session import open_reading_services
    from questions.audit import format_serving, read_history
    from questions.draw import read_graph, to_json, to_mermaid, to_text
    from questions.explain import to_explained_json, to_explained_text
    from questions.find import find_asset
    from questions.walk import Walker

    if as_json and mermaid:
        raise click.UsageError("--json and --mermaid exclude each other")
    if explain and mermaid:
        raise click.UsageError("--explain and --mermaid exclude each other")
    services = open_reading_services()
    found = find_asset(services.catalog, asset)
    graph = read_graph(Walker(services.lineage), found.guid, limit=limit)
    if len(graph) >= limit:
        say(f"The graph goes on: --limit {limit} is reached.", err=True)
    if explain and as_json:
        say_text(json.dumps(to_explained_json(graph, services.ledger), indent=2))
    elif explain:
        say_text(to_explained_text(graph, found.guid, services.ledger))
    elif as_json:
        say_text(json.dumps(to_json(graph), indent=2))
    else:
        say_text(to_mermaid(graph) if mermaid else to_text(graph, found.guid))
        if not mermaid and (served := read_history(services.ledger, found.ref.qualified_name)):
            say("", "Served:", *(f"  {format_serving(each)}" for each in served))


@click.command(short_help="What an asset was made of: source data, runs, packages.")
@click.argument("asset")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def origin(*, asset: str, as_json: bool) -> None:
    """
    List all source data, data assets, runs and packages upstream of a model, an endpoint, a report or any other asset.

    ASSET is a qualifiedName, or a name such as `creditrisk_model` (its latest version) or `creditrisk_model:1`. Source
    data is data that nothing in the catalog made. Classifications are those that the catalog has of data upstream.

    Example: lineage origin creditrisk_model
    """
    from cli.session import open_reading_services
    from questions.draw import origin_json
    from questions.find import find_asset
    from questions.origin import find_origin
    from questions.walk import Walker

    services = open_reading_services()
    answer = find_origin(Walker(services.lineage), find_asset(services.catalog, asset).guid)
    if as_json:
        say_text(json.dumps(origin_json(answer), indent=2, ensure_ascii=False))
    else:
        say(*_origin_lines(answer))


def _origin_lines(answer: "Origin") -> "Iterator[str]":
    yield str(answer.start.qualified_name)
    if answer.classified:
        yield "Classifications of what it was made of:"
        for each in answer.classified:
            yield f"  {each.classification}: {', '.join(asset.name for asset in each.data)}"
    for title, assets in (
        ("Source data", answer.sources),
        ("Data assets and models on the way", answer.assets),
        ("Runs", answer.runs),
    ):
        if assets:
            yield f"{title}:"
            yield from (f"  {_words(each)}" for each in assets)
    if answer.packages:
        yield "Packages:"
        for environment, inside in answer.packages:
            listed = ", ".join(_package(each) for each in inside) or str(environment.attributes.get("notes") or "none")
            yield f"  {environment.name}: {listed}"
    if not (answer.sources or answer.runs):
        yield "The catalog does not know what it was made of."


def _words(asset: "Asset") -> str:
    facts = [str(asset.attributes[name]) for name in ("status", "ended_at") if asset.attributes.get(name)]
    noted = "".join(f" ({each})" for each in (*facts[:1], *asset.labels))
    ended = f", ended {facts[1]}" if len(facts) > 1 else ""
    return f"{asset.name}{noted}{ended}  {asset.qualified_name}"


def _package(package: "Asset") -> str:
    from questions.asset_facts import version_of

    version = version_of(package)
    return f"{package.name}=={version}" if package.attributes.get("version") else f"{package.name}{version}"


@click.command(short_help="What an asset leads to: models, endpoints, predictions, reports.")
@click.argument("asset")
@click.option("--live", is_flag=True, help="Only what is deployed: served models, their endpoints, what they predict.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
@click.option("--mermaid", is_flag=True, help="Print the paths as a Mermaid flowchart.")
def impact(*, asset: str, live: bool, as_json: bool, mermaid: bool) -> None:
    """
    List every model version, endpoint, prediction and report downstream of an asset, with one path to each.

    ASSET is a qualifiedName, or a name such as `loan.csv` or `creditrisk_model:1`. A prediction is what a run writes
    that reads a model version, or the files of one, or that ran for a batch endpoint.

    Example: lineage impact loan.csv --live
    """
    from cli.session import open_reading_services
    from questions.draw import impact_json, join, to_mermaid
    from questions.find import find_asset
    from questions.impact import find_impact
    from questions.walk import Walker

    if as_json and mermaid:
        raise click.UsageError("--json and --mermaid exclude each other")
    services = open_reading_services()
    answer = find_impact(Walker(services.lineage), find_asset(services.catalog, asset).guid)
    if as_json:
        say_text(json.dumps(impact_json(answer, live=live), indent=2, ensure_ascii=False))
    elif mermaid:
        say_text(to_mermaid(join(each.path for each in answer.reached if each.live or not live)))
    else:
        say(*_impact_lines(answer, live=live))


def _impact_lines(answer: "Impact", *, live: bool) -> "Iterator[str]":
    from questions.impact import KINDS

    yield str(answer.start.qualified_name)
    shown = [each for each in answer.reached if each.live or not live]
    for kind in KINDS:
        group = [each for each in shown if each.kind == kind]
        if group:
            yield f"{len(group)} {kind}{'' if len(group) == 1 else 's'}:"
            for each in group:
                yield from _entry(each)
    if not shown:
        what = "nothing that is deployed" if live and answer.reached else "no model, endpoint, prediction or report"
        yield f"It leads to {what}."


def _entry(reached: "Reached") -> "Iterator[str]":
    yield f"  {reached.asset.name}{' (live)' if reached.live else ''}  {reached.asset.qualified_name}"
    yield f"    {' > '.join(each.name for each in reached.path)}"


@click.command(short_help="Which models and endpoints have a package.")
@click.argument("requirement")
@click.option("--live", is_flag=True, help="Only model versions that are served, and the endpoints that serve them.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object.")
def packages(*, requirement: str, live: bool, as_json: bool) -> None:
    """
    List the model versions and endpoints that were trained with a package, or run with it.

    REQUIREMENT is a name and a constraint on its version, as pip takes it. Where an environment pins no version, what
    was installed is not known, and the answer says `maybe`. Packages are found by search, which lags behind.

    Example: lineage packages "scikit-learn<1.6" --live
    """
    from packaging.requirements import InvalidRequirement, Requirement
    from packaging.utils import canonicalize_name

    from cli.session import open_reading_services
    from questions.draw import uses_json
    from questions.packages import find_uses
    from questions.walk import Walker
    from shared.catalog.kinds import DEPLOYMENT, PACKAGE

    try:
        wanted = Requirement(requirement)
    except InvalidRequirement as error:
        raise click.BadParameter(str(error), param_hint="REQUIREMENT") from error
    if wanted.url or wanted.marker or wanted.extras:
        raise click.BadParameter("only a name and versions can be asked for", param_hint="REQUIREMENT")
    services = open_reading_services()
    found = services.catalog.list_of_type(PACKAGE, canonicalize_name(wanted.name))
    deployments = services.catalog.list_of_type(DEPLOYMENT)
    walker = Walker(services.lineage)
    uses = find_uses(walker, wanted, [each.guid for each in found], [each.guid for each in deployments])
    shown = [use for use in uses if use.live or not live]
    if as_json:
        say_text(json.dumps({"requirement": str(wanted), "uses": uses_json(shown)}, indent=2, ensure_ascii=False))
    else:
        say(*_use_lines(shown, str(wanted), live=live))


def _use_lines(uses: "Sequence[Use]", wanted: str, *, live: bool) -> "Iterator[str]":
    if not uses:
        yield f"No {'live ' if live else ''}model version or endpoint is known to have {wanted}."
    for use in uses:
        asked = use.package.attributes.get("version") or use.package.attributes.get("specifier") or "any version"
        maybe = ", so perhaps" if use.certainty == "maybe" else ""
        yield f"{use.asset.name}{' (live)' if use.live else ''}  {use.asset.qualified_name}"
        yield f"  {use.how} {use.environment.name}, which asks for {use.package.name} {asked}{maybe}"


@click.command(short_help="Send what is connected to an asset as OpenLineage events.")
@click.argument("asset")
@click.option(
    "--to",
    "target",
    default=STDOUT,
    show_default=True,
    metavar="FILE|URL|-",
    help="Where to: the end of a file, a receiver, or stdout; one event a line or request.",
)
@click.option(
    "--limit",
    default=1000,
    show_default=True,
    type=click.IntRange(min=1),
    help="Go no further once this many entities take part.",
)
def openlineage(*, asset: str, target: str, limit: int) -> None:
    """
    Send everything connected to an asset as OpenLineage run events, as the catalog has it now.

    ASSET is a qualifiedName, or a name such as `creditrisk_model` (its latest version) or `creditrisk_model:1`. A
    receiver gets the token of LINEAGE_OPENLINEAGE_SCOPE only if it is the one of LINEAGE_OPENLINEAGE_OUT.

    Example: lineage openlineage creditrisk_model --to events.jsonl
    """
    from openlineage.client.serde import Serde

    from cli.session import open_reading_services
    from questions.find import find_asset
    from questions.walk import Walker, read_connected
    from shared.openlineage.outgoing_events import to_run_events

    target = _parse_target(target)
    services = open_reading_services()
    outlet = None if target == STDOUT else services.open_outlet(target)
    found = find_asset(services.catalog, asset)
    connected = read_connected(Walker(services.lineage), found.guid, limit=limit)
    if connected.is_cut:
        say(f"The graph goes on: --limit {limit} is reached.", err=True)
    announcements = to_run_events(connected.entities, at=services.now(), written=connected.written)
    for event in (event for each in announcements for event in each.events):
        if outlet:
            outlet.emit(event)
        else:
            say(Serde.to_json(event))
    say(f"{sum(len(each.events) for each in announcements)} events about {len(announcements)} processes.", err=True)


def _parse_target(target: str) -> str:
    """Distinguish a file from an address."""
    from shared.settings import is_receiver

    if target == STDOUT or is_receiver(target):
        return target
    if "://" in target:
        raise click.UsageError("--to: an address is an https URL without user, query and fragment")
    path = Path(target).absolute()
    if not path.parent.is_dir() or path.is_dir():
        raise click.UsageError(f"--to: {target} is a folder, or in none that exists")
    return f"file://{path}"
