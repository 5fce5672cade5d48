"""`lineage origin`: everything that an asset was made of."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from questions.origin import Origin
    from shared.purview.reader import Asset


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
    from cli.show import find_asset
    from questions.documents import of_origin
    from questions.origin import find_origin
    from questions.walk import Walker

    services = open_reading_services()
    answer = find_origin(Walker(services.lineage), find_asset(services.catalog, asset).guid)
    if as_json:
        click.echo(json.dumps(of_origin(answer), indent=2, ensure_ascii=False))
    else:
        click.echo("\n".join(_lines(answer)))


def _lines(answer: "Origin") -> "Iterator[str]":
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
