"""`lineage show`: the lineage of one asset, as the catalog has it."""

import json
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from shared.ports import Found
    from shared.purview.catalog import PurviewCatalog


_VERSIONS_AHEAD = 20


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
    from cli.explain import to_explained_json, to_explained_text
    from cli.session import open_reading_services
    from questions.graph import read_graph, to_json, to_mermaid, to_text

    if as_json and mermaid:
        raise click.UsageError("--json and --mermaid exclude each other")
    if explain and mermaid:
        raise click.UsageError("--explain and --mermaid exclude each other")
    services = open_reading_services()
    catalog = services.catalog
    found = find_asset(catalog, asset)
    graph = read_graph(catalog, found.guid, limit=limit)
    if len(graph) >= limit:
        click.echo(f"The graph goes on: --limit {limit} is reached.", err=True)
    if explain and as_json:
        click.echo(json.dumps(to_explained_json(graph, services.ledger), indent=2))
    elif explain:
        click.echo(to_explained_text(graph, found.guid, services.ledger))
    elif as_json:
        click.echo(json.dumps(to_json(graph), indent=2))
    else:
        click.echo(to_mermaid(graph) if mermaid else to_text(graph, found.guid))


def find_asset(catalog: "PurviewCatalog", asset: str) -> "Found":
    """
    Find the one asset that people mean by a qualifiedName, a name, or a name and version.

    Raises:
        click.ClickException: there is none.
        click.UsageError: there are several in different places.
    """
    from shared.catalog.qualified_names import QualifiedName, in_our_case

    if not asset:
        raise click.UsageError("ASSET is empty")
    if "://" in asset:
        wanted = in_our_case(asset)
        found = catalog.find([wanted])
        if not found:
            raise click.ClickException(f"the catalog has no asset with the qualifiedName {wanted}")
        return found[wanted]
    name, _, version = asset.partition(":")
    families: dict[str, list[Found]] = {}
    for hit in catalog.search(name):
        versioned = hit.name.rpartition(":")[0] == name
        if versioned or (hit.name == name and not version):
            families.setdefault(family_of(hit), []).append(hit)
    if not families:
        raise click.ClickException(
            f"search finds no asset named {asset}; it lags behind what is written: try again, or give the qualifiedName"
        )
    if len(families) > 1:
        names = "\n  ".join(sorted(str(hit.ref.qualified_name) for hits in families.values() for hit in hits))
        raise click.UsageError(f"{asset} is not the name of one asset; say which by its qualifiedName:\n  {names}")
    family, members = next(iter(families.items()))
    if version:
        found = catalog.find([QualifiedName(f"{family}{version}")])
        if not found:
            raise click.ClickException(f"the catalog has no version {version} of {name}")
        return next(iter(found.values()))
    return _newest(catalog, family, max(members, key=version_order))


def family_of(hit: "Found") -> str:
    """Return what the qualifiedNames of an asset's versions have in common."""
    version = hit.name.rpartition(":")[2] if ":" in hit.name else ""
    return hit.ref.qualified_name.removesuffix(version)


def _newest(catalog: "PurviewCatalog", family: str, hit: "Found") -> "Found":
    """Look past what search knows: it lags, and the next versions can be asked for by name."""
    from shared.catalog.qualified_names import QualifiedName

    version = hit.name.rpartition(":")[2]
    if family == hit.ref.qualified_name or not version.isdecimal():
        return hit
    names = [QualifiedName(f"{family}{int(version) + step}") for step in range(1, _VERSIONS_AHEAD + 1)]
    found = catalog.find(names)
    newer = [found[name] for name in names if name in found]
    return newer[-1] if newer else hit


def version_order(hit: "Found") -> tuple[bool, int, str]:
    """Put numbered versions in the order of their numbers, after those that have names."""
    version = hit.name.rpartition(":")[2]
    return version.isdecimal(), int(version) if version.isdecimal() else 0, version
