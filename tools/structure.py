"""Measures how the product is cut: size, layers, homes of catalog types, and modules that one piece of work enters."""

import argparse
import ast
import importlib
import json
import os
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import redirect_stdout
from datetime import timedelta
from functools import partial
from io import StringIO
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any

import networkx as nx

from cli.main import cli as lineage
from emulator.server import Emulator
from shared.bootstrap import Services
from shared.catalog.kinds import KINDS
from shared.intake.message import EVENT_GRID
from shared.intake.receive import list_messages
from shared.settings import Settings

ROOT = Path(__file__).parents[1]
FOLDERS = ("shared", "functions", "questions", "cli", "explorer")
KINDS_TABLE = "shared.catalog.kinds"
LAYERS = (
    ("function_app", "functions", "cli"),
    ("explorer",),
    ("shared.bootstrap",),
    ("questions",),
    ("shared.intake", "shared.publishing", "shared.reconciling", "shared.readiness"),
    ("shared.azure_ml", "shared.purview", "shared.state", "shared.openlineage", "shared.http"),
    ("shared.ports", "shared.bindings", "shared.settings"),
    ("shared.catalog", "shared.places"),
    ("shared",),
)
"""From the outside in. A module is in the first layer that names it or a package around it."""
_PORTS = ("shared.state.ports",)


def sources() -> dict[str, Path]:
    """Return every module of the product by its dotted name; an `__init__` that holds only a docstring is none."""
    files = [ROOT / "function_app.py", *(file for folder in FOLDERS for file in sorted((ROOT / folder).rglob("*.py")))]
    found = {".".join(file.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): file for file in files}
    return {name: file for name, file in found.items() if file.name != "__init__.py" or len(_tree(file).body) > 1}


def read_imports(files: Mapping[str, Path]) -> "nx.DiGraph[str]":
    """Return who imports whom, also inside functions and for type checkers only."""
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_nodes_from(files)
    for name, file in files.items():
        for node in ast.walk(_tree(file)):
            for imported in _imported(node):
                if imported in files and imported != name:
                    graph.add_edge(name, imported)
    return graph


def find_cycles(graph: "nx.DiGraph[str]") -> list[tuple[str, ...]]:
    """Return the groups of modules that import each other."""
    return sorted(tuple(sorted(group)) for group in nx.strongly_connected_components(graph) if len(group) > 1)


def find_upward(graph: "nx.DiGraph[str]") -> list[tuple[str, str]]:
    """Return imports of a module that is further out."""
    return sorted((importer, name) for importer, name in graph.edges if layer_of(importer) > layer_of(name))


def layer_of(module: str) -> int:
    """
    Return the layer of a module, 0 for the outermost.

    >>> layer_of("cli.main"), layer_of("shared.state.sqlite"), layer_of("shared.state.ports"), layer_of("shared.errors")
    (0, 5, 6, 8)
    """
    if module in _PORTS:
        module = "shared.ports"
    return next(
        number
        for number, packages in enumerate(LAYERS)
        if any(module == package or module.startswith(f"{package}.") for package in packages)
    )


def find_type_names(files: Mapping[str, Path]) -> list[str]:
    """Return where the name of a catalog type stands outside the table of kinds, as `file:line name`."""
    return [
        f"{file.relative_to(ROOT)}:{node.lineno} {node.value!r}"
        for name, file in files.items()
        if name != KINDS_TABLE
        for node in ast.walk(_tree(file))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in KINDS
    ]


def enter(files: Mapping[str, Path], work: Callable[[], object]) -> list[str]:
    """Run something and return the modules of the product that it enters, in any thread."""
    for name in files:
        importlib.import_module(name)  # what a module does when it is loaded is no part of the work
    by_path = {str(file): name for name, file in files.items()}
    entered: set[str] = set()

    def note(frame: FrameType, event: str, _: Any) -> None:
        if event == "call" and (name := by_path.get(frame.f_code.co_filename)):
            entered.add(name)

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        work()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return sorted(entered)


def trace(files: Mapping[str, Path]) -> Iterator[tuple[str, list[str]]]:
    """Let the product do four pieces of work on the emulator, and yield each with the modules that it enters."""
    with Emulator("credit-risk") as emulator, TemporaryDirectory() as directory:
        environment = emulator.environment(f"sqlite:///{Path(directory) / 'lineage.sqlite'}")
        settings = Settings.from_env(environment)
        events = [json.dumps(event) for _, event in emulator.control.events()]
        run = next(event for event in events if "RunCompleted" in event)
        yield "one RunCompleted", enter(files, lambda: _publish(run, settings))
        for event in events:
            _publish(event, settings)
        yield "one reconcile tick", enter(files, lambda: Services(settings).reconciler.tick())
        os.environ.update(environment)
        for verb, asset in (("impact", "loan.csv"), ("show", "creditrisk_model")):
            yield f"`lineage {verb}`", enter(files, partial(_lineage, verb, asset))


def _publish(event: str, settings: Settings) -> None:
    """Receive an event and publish it, as the functions do."""
    services = Services(settings)
    for body in list_messages(
        event, source=EVENT_GRID, now=services.now, open_dead_letters=lambda: services.dead_letters
    ):
        services.queue.put(body)
    while message := services.queue.receive(visibility=timedelta(minutes=10)):
        services.deliveries.publish(message)
        services.queue.delete(message)


def _lineage(*arguments: str) -> None:
    with redirect_stdout(StringIO()):
        lineage.main(arguments, standalone_mode=False)


def _tree(file: Path) -> ast.Module:
    return ast.parse(file.read_text(encoding="utf-8"))


def _imported(node: ast.AST) -> Iterator[str]:
    """Yield the names that an import may mean: a module, and each name of it that may be a module."""
    if isinstance(node, ast.Import):
        yield from (alias.name for alias in node.names)
    elif isinstance(node, ast.ImportFrom) and node.module:
        yield node.module
        yield from (f"{node.module}.{alias.name}" for alias in node.names)


def main() -> int:
    """Print the measures; with --json as one object, with --list also what they count."""
    parser = argparse.ArgumentParser(prog="python -m tools.structure", description=__doc__)
    parser.add_argument("--json", action="store_true", help="one JSON object")
    parser.add_argument("--list", action="store_true", help="also name what is counted")
    given = parser.parse_args()
    files = sources()
    graph = read_imports(files)
    counted: dict[str, list[Any]] = {
        "import cycles": find_cycles(graph),
        "upward imports": find_upward(graph),
        "catalog type names outside the table of kinds": find_type_names(files),
        **{f"modules that {work} enters": modules for work, modules in trace(files)},
    }
    lines = sum(len(file.read_text(encoding="utf-8").splitlines()) for file in files.values())
    measures = {"modules": len(files), "lines": lines, **{name: len(items) for name, items in counted.items()}}
    if given.json:
        print(json.dumps({**measures, **({"list": counted} if given.list else {})}, indent=1))  # noqa: T201
        return 0
    for name, number in measures.items():
        print(f"{number:>7,}  {name}")  # noqa: T201
        for item in counted.get(name, ()) if given.list else ():
            print(f"         - {item if isinstance(item, str) else ' -> '.join(item)}")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
