"""`lineage demo`: the whole journey on embedded parts, from events to lineage, without Azure."""

import json
import random
import sys
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from cli.output import say, say_text

if TYPE_CHECKING:
    from cli.session import Report
    from emulator.client import Request
    from emulator.server import Emulator
    from shared.bootstrap import Services

_SCENARIO = "credit-risk"
_ASSET = "creditrisk_model"


@click.command(short_help="The whole journey on an emulated Azure, in seconds.")
@click.option("--out", type=click.Path(file_okay=False, path_type=Path), help="Also write what came of it here.")
@click.option("--explore", is_flag=True, help="Then show the lineage in the browser, until Ctrl-C.")
@click.option("--seed", default=7, show_default=True, help="Shuffles the events; any order gives the same lineage.")
def demo(*, out: Path | None, explore: bool, seed: int) -> None:
    """
    Publish the credit-risk scenario into an emulated Purview and show the lineage of its model.

    The events arrive shuffled, one of them twice, and one is malformed. The same code will run in Azure; only the
    addresses differ.

    Example: lineage demo --out out
    """
    try:
        from emulator.server import Emulator
    except ImportError as error:
        raise click.UsageError(
            f"the demo needs the emulator's packages: pip install -e .[cli,emulator] ({error})"
        ) from error
    from cli.explore import INSTALL, explore_catalog, is_installed
    from questions.draw import read_graph, to_json, to_mermaid, to_text
    from questions.find import find_asset
    from questions.walk import Walker
    from shared.bootstrap import Services
    from shared.settings import Settings

    if explore and not is_installed():
        raise click.UsageError(f"the page needs packages that are not installed: {INSTALL}")
    with Emulator(scenario=_SCENARIO) as emulator:
        services = Services(Settings.from_env(emulator.environment()))
        say(f"Azure ML and Purview are emulated at {emulator.url}.")
        services.catalog.apply_types(services.catalog.plan_types())
        say("The catalog's types are installed.", "")

        reports = []
        for report in publish(emulator, services, seed=seed):
            reports.append(report)
            say(report.to_line())
        publishing = emulator.control.requests()

        model = find_asset(services.catalog, _ASSET)  # its latest version, which search may not know yet
        graph = read_graph(Walker(services.lineage), model.guid, limit=1000)
        say_text(f"\nLineage of {_ASSET}, as the catalog has it:\n\n{to_text(graph, model.guid)}")
        say("", *_dead_letters(services), "", _requests(publishing))
        if out:
            _write(
                out,
                {
                    "entities.json": emulator.control.state()["purview"],
                    "lineage.json": to_json(graph),
                    "lineage.mmd": to_mermaid(graph),
                    "report.json": _to_report(reports, services, publishing),
                },
            )
            say("", f"Written to {out}: entities.json, lineage.json, lineage.mmd, report.json")
        if explore:
            explore_catalog(services, _ASSET, port=0, browser=True)
        elif is_installed():
            say("", "To look at it in the browser: lineage demo --explore")
    expected = Counter(report.outcome.outcome for report in reports)["dead_lettered"] == 1
    sys.exit(0 if expected else 1)


def publish(emulator: "Emulator", services: "Services", *, seed: int) -> Iterator["Report"]:
    """Publish the events of the emulator's scenario, shuffled; yields how each ended."""
    from cli.session import drain, local_queue
    from shared.intake.envelopes import split_events
    from shared.intake.message import REPLAY
    from shared.intake.receive import enqueue

    bodies = [event for _, body in emulator.control.events() for event in split_events(json.dumps(body))]
    random.Random(seed).shuffle(bodies)  # noqa: S311 - an order, not a secret
    queue = local_queue(services)
    enqueue(bodies, queue, services.dead_letters, source=REPLAY, now=services.now)
    yield from drain(services, queue)


def _dead_letters(services: "Services") -> list[str]:
    letters = services.dead_letters.list_open()
    lines = [line for each in letters for line in (f"  {each.reason}: {each.detail}", f"    {each.body}")]
    return [f"Dead letters ({len(letters)}), each with its reason and what came:", *lines]


def _requests(requests: "list[Request]") -> str:
    return (
        "It took "
        + " and ".join(
            f"{counts['requests']} {name} requests over {counts['connections']} connection(s)"
            for name, counts in (
                ("Azure ML", _count(requests, "azure_ml")),
                ("catalog", _count(requests, "purview")),
            )
        )
        + "."
    )


def _count(requests: "list[Request]", service: str) -> dict[str, int]:
    mine = [request for request in requests if request.service == service]
    return {"requests": len(mine), "connections": len({request.connection for request in mine})}


def _to_report(reports: "list[Report]", services: "Services", requests: "list[Request]") -> dict[str, object]:
    return {
        "events": [report.to_json() for report in reports],
        "dead_letters": [
            {"reason": letter.reason, "detail": letter.detail, "body": letter.body}
            for letter in services.dead_letters.list_open()
        ],
        "azure_ml": _count(requests, "azure_ml"),
        "catalog": _count(requests, "purview"),
    }


def _write(folder: Path, files: dict[str, object]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        text = content if isinstance(content, str) else json.dumps(content, indent=2, ensure_ascii=False)
        (folder / name).write_text(f"{text}\n", encoding="utf-8")
