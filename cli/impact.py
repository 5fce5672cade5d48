"""`lineage impact`: everything that an asset leads to."""

import json
from collections.abc import Iterator
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from questions.impact import Impact, Reached


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
    from cli.show import find_asset
    from questions.documents import of_impact
    from questions.graph import to_mermaid
    from questions.impact import find_impact
    from questions.walk import Walker

    if as_json and mermaid:
        raise click.UsageError("--json and --mermaid exclude each other")
    services = open_reading_services()
    answer = find_impact(Walker(services.lineage), find_asset(services.catalog, asset).guid)
    if as_json:
        click.echo(json.dumps(of_impact(answer, live=live), indent=2, ensure_ascii=False))
    elif mermaid:
        from questions.drawing import draw_paths

        click.echo(to_mermaid(draw_paths(each.path for each in answer.reached if each.live or not live)))
    else:
        click.echo("\n".join(_lines(answer, live=live)))


def _lines(answer: "Impact", *, live: bool) -> "Iterator[str]":
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
