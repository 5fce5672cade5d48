"""`lineage audit`: a bundle about a model version to hand to an auditor."""

from importlib.metadata import version
from pathlib import Path

import click


@click.command(short_help="Write all that is known of a model version, with hashes, into one archive.")
@click.argument("model")
@click.option("--out", required=True, type=click.Path(dir_okay=False, path_type=Path), help="The zip archive to write.")
def audit(*, model: str, out: Path) -> None:
    """
    Write an archive of what a model version was made of and where it went, as the catalog has it now.

    It holds the lineage, runs, settings, metrics and packages, the events they were published for, what each edge is
    based on, how data was found in the catalog, and `manifest.json` with the SHA-256 hash of every file. The hash of
    the manifest is printed: keep it elsewhere.

    MODEL is a qualifiedName, or a name and version such as `creditrisk_model:2`.

    Example: lineage audit creditrisk_model:2 --out creditrisk_model-2.zip
    """
    from cli.session import open_reading_services
    from cli.show import find_asset
    from questions.audit import MANIFEST, gather, write_bundle
    from questions.walk import Walker
    from shared.catalog.kinds import MODEL

    services = open_reading_services()
    walker = Walker(services.lineage)
    guid = find_asset(services.catalog, model).guid
    files = gather(walker, guid, services.ledger)
    asset = walker.asset(guid)
    if asset.type_name != MODEL:
        raise click.UsageError(f"{model} is no model version but a {asset.type_name}")
    try:
        hashes = write_bundle(out, asset, files, at=services.now(), version=version("aml-purview-lineage"))
    except FileExistsError as error:
        raise click.UsageError(f"{out} exists already; an audit never replaces one") from error
    for name, digest in hashes.items():
        click.echo(f"{digest}  {name}" if name != MANIFEST else f"{digest}  {name} (keep this one)")
