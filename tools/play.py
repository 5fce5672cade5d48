"""
Plays cases, in the form of `tests/golden/*/case.yaml`, through the whole path and prints what the catalog then holds.

A bug report becomes a case: what the workspace holds, what Purview has scanned, what happens. The emulated services,
the genuine SDKs and the product do the rest.
"""

import argparse
import json
import os
import shlex
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import click

from cli.main import cli as lineage
from emulator.request_log import AZURE_ML, PURVIEW
from emulator.server import Emulator
from shared.catalog.qualified_names import QualifiedName
from shared.errors import ConfigurationError
from tests.harness.whole_path import Played, play
from tests.worlds.golden_case import Case, shorten

FAILED = 1


def main(arguments: list[str] | None = None) -> int:
    """Play the cases that are given; one that cannot be played costs the others nothing."""
    parser = argparse.ArgumentParser(prog="python -m tools.play", description=__doc__)
    parser.add_argument("cases", nargs="+", type=Path, metavar="CASE.yaml")
    parser.add_argument("--json", action="store_true", help="print one JSON object a line for each case")
    parser.add_argument(
        "--then", action="append", default=[], metavar="'VERB ARGS'", help="run a lineage verb afterwards"
    )
    given = parser.parse_args(arguments)
    exit_code = 0
    with Emulator() as emulator, TemporaryDirectory() as directory:
        for number, path in enumerate(given.cases):
            storage = Path(directory) / f"{number}.sqlite"
            try:
                case = Case.read(path)
                played = play(case, emulator, storage)
                report = describe(played)
                print(json.dumps(report, ensure_ascii=False) if given.json else to_text(report), flush=True)  # noqa: T201
                with _settings(case, emulator, storage):
                    exit_code = max([exit_code, *(_run(command) for command in given.then)])
            except Exception as error:  # noqa: BLE001 - a person wrote the case, so every mistake in it is reported
                is_worded = isinstance(error, ValueError | OSError | ConfigurationError)
                what = error if is_worded else f"is not in the form of a case ({type(error).__name__}: {error})"
                print(f"{path}: {what}", file=sys.stderr)  # noqa: T201
                exit_code = max(exit_code, FAILED)
    return exit_code


def describe(played: Played) -> dict[str, Any]:
    """
    Say what came of a case.

    `requests` are those that its events caused. `gaps` are what a reconcile tick finds missing once they are over; it
    runs after all else was read, and what it puts on the queue stays there.
    """
    services, control = played.app.services, played.app.emulator.control
    requests = Counter(request.service for request in control.requests())
    held = control.state()["purview"]["entities"]
    names = sorted({QualifiedName(entity["attributes"]["qualifiedName"]) for entity in held})
    entities = list(services.catalog.get_entities(names))
    return {
        "case": played.case.name,
        "outcomes": [{"event": each.event, "outcome": each.outcome, "reason": each.reason} for each in played.happened],
        "nodes": sorted(
            (
                {
                    "qualifiedName": entity["attributes"]["qualifiedName"],
                    "type": entity["typeName"],
                    "attributes": entity["attributes"],
                    "labels": sorted(entity.get("labels") or ()),
                }
                for entity in entities
            ),
            key=lambda node: (node["qualifiedName"], node["type"]),
        ),
        "edges": [{"from": source, "to": target} for source, target in sorted(set(_edges(entities)))],
        "requests": {"azure_ml": requests[AZURE_ML], "catalog": requests[PURVIEW]},
        "gaps": [
            {"name": f"{gap.name}:{gap.version}" if gap.version else gap.name, "reason": gap.reason}
            for coverage in services.reconciler.tick()
            for gap in coverage.gaps
        ],
    }


def to_text(report: Mapping[str, Any]) -> str:
    """Lay out for people what `describe` gives; `WS` stands for the workspace's name."""
    lines = [f"{report['case']}:"]
    for each in report["outcomes"]:
        reason = f" ({each['reason']})" if each["reason"] else ""
        lines.append(f"  {each['event']}: {each['outcome']}{reason}")
    requests = report["requests"]
    lines.append(f"  {requests['azure_ml']} requests to Azure ML, {requests['catalog']} to the catalog")
    lines += _section("nodes", (_node(node) for node in report["nodes"]))
    lines += _section("edges", (f"{edge['from']} -> {edge['to']}" for edge in report["edges"]))
    lines += _section("gaps", (f"{gap['name']}: {gap['reason']}" for gap in report["gaps"]))
    return shorten("\n".join(lines))


def _section(title: str, items: Iterator[str]) -> list[str]:
    shown = [f"    {item}" for item in items]
    return [f"  {len(shown)} {title}", *shown]


def _node(node: Mapping[str, Any]) -> str:
    labels = f" [{', '.join(node['labels'])}]" if node["labels"] else ""
    return f"{node['type']} {node['qualifiedName']}{labels}"


def _edges(entities: list[Any]) -> Iterator[tuple[str, str]]:
    """Yield the inputs and outputs that processes have now; Atlas goes on listing removed ones, marked DELETED."""
    names = {entity["guid"]: entity["attributes"]["qualifiedName"] for entity in entities}
    for entity in entities:
        for end in ("inputs", "outputs"):
            for link in entity["relationshipAttributes"].get(end) or ():
                if link["relationshipStatus"] != "DELETED":
                    edge = names[link["guid"]], names[entity["guid"]]
                    yield edge if end == "inputs" else (edge[1], edge[0])


@contextmanager
def _settings(case: Case, emulator: Emulator, storage: Path) -> Iterator[None]:
    """Put the settings of a case into the environment, for verbs of the command line."""
    downstream = storage.with_suffix(".yaml")
    downstream.write_text(case.downstream_yaml, encoding="utf-8")
    before = dict(os.environ)
    os.environ.update(emulator.environment(f"sqlite:///{storage}"), LINEAGE_DOWNSTREAM=str(downstream))
    if case.infer_columns:
        os.environ["LINEAGE_INFER_COLUMNS"] = "on"
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def _run(command: str) -> int:
    """Run a verb of the command line in this process and return its exit code."""
    try:
        lineage.main(shlex.split(command), prog_name="lineage", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        return error.exit_code
    except SystemExit as end:
        return end.code if isinstance(end.code, int) else FAILED
    return 0


if __name__ == "__main__":
    sys.exit(main())
