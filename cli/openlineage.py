"""`lineage openlineage`: everything connected to an asset as events of the open standard."""

from pathlib import Path

import click

STDOUT = "-"


@click.command(short_help="Tell what is connected to an asset as OpenLineage events.")
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
    Tell everything connected to an asset as OpenLineage run events, as the catalog has it now.

    ASSET is a qualifiedName, or a name such as `creditrisk_model` (its latest version) or `creditrisk_model:1`. A
    receiver gets the token of LINEAGE_OPENLINEAGE_SCOPE only if it is the one of LINEAGE_OPENLINEAGE_OUT.

    Example: lineage openlineage creditrisk_model --to events.jsonl
    """
    from openlineage.client.serde import Serde

    from cli.session import open_reading_services
    from cli.show import find_asset
    from questions.connected import read_connected
    from questions.walk import Walker
    from shared.openlineage.outgoing_events import to_run_events

    target = _parse_target(target)
    services = open_reading_services()
    outlet = None if target == STDOUT else services.open_outlet(target)
    found = find_asset(services.catalog, asset)
    connected = read_connected(Walker(services.lineage), found.guid, limit=limit)
    if connected.is_cut:
        click.echo(f"The graph goes on: --limit {limit} is reached.", err=True)
    told = to_run_events(connected.entities, at=services.now(), written=connected.written)
    for event in (event for each in told for event in each.events):
        if outlet:
            outlet.emit(event)
        else:
            click.echo(Serde.to_json(event))
    click.echo(f"{sum(len(each.events) for each in told)} events about {len(told)} processes.", err=True)


def _parse_target(target: str) -> str:
    """Tell a file from an address."""
    from shared.settings import is_receiver

    if target == STDOUT or is_receiver(target):
        return target
    if "://" in target:
        raise click.UsageError("--to: an address is an https URL without user, query and fragment")
    path = Path(target).absolute()
    if not path.parent.is_dir() or path.is_dir():
        raise click.UsageError(f"--to: {target} is a folder, or in none that exists")
    return f"file://{path}"
