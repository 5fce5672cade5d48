"""Who may import whom: dependencies point inwards, and the emulator knows nothing of the product."""

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tools.structure import find_cycles, find_upward, read_imports, sources

ROOT = Path(__file__).parents[2]
SDKS = ("azure", "pyapacheatlas", "requests", "tenacity", "click", "rich", "networkx", "aiohttp", "openlineage")
LAZY = (
    "azure.ai.ml",
    "pyapacheatlas",
    "mlflow",
    "azure.identity",
    "azure.storage",
    "azure.data",
    "openlineage",
    "requests",
)
PURE = (
    "shared.intake.event_types",
    "shared.catalog.qualified_names",
    "shared.redaction",
    "shared.catalog.build",
    "shared.publishing.plan_azure_ml",
    "shared.publishing.engine",
    "shared.places.uris",
)


def imports(folder: str) -> Iterator[tuple[str, str]]:
    """Yield every module below a folder with each name it imports."""
    for path in sorted((ROOT / folder).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [item.name for item in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            for name in names:
                yield str(path.relative_to(ROOT)), name


def test_emulator_knows_nothing_of_the_product() -> None:
    """It is written from the services' documentation; a test against it could otherwise not fail."""
    assert [
        found
        for found in imports("emulator")
        if found[1].partition(".")[0] in ("shared", "questions", "cli", "explorer")
    ] == []


def test_product_knows_nothing_of_what_is_around_it() -> None:
    """Neither the command line nor the emulator nor the tests."""
    outside = ("cli", "questions", "emulator", "explorer", "tests", "benchmarks")
    assert [found for found in imports("shared") if found[1].partition(".")[0] in outside] == []


def test_questions_know_neither_who_asks_nor_how_the_catalog_is_reached() -> None:
    """The command line and the explorer print the same answers; both give what reads the catalog and the ledger."""
    known = (
        *("questions", "networkx", "rich", "packaging"),
        *(
            "shared.catalog",
            "shared.places",
            "shared.model",
            "shared.errors",
            "shared.ports",
            "shared.state.ports",
            "shared.printable",
        ),
        *("shared.purview.reader", "shared.reconciling.coverage", "shared.reconciling.progress"),
    )
    others = [found for found in imports("questions") if found[1].partition(".")[0] not in sys.stdlib_module_names]
    assert [found for found in others if not f"{found[1]}.".startswith(tuple(f"{name}." for name in known))] == []


def test_explorer_knows_nothing_of_the_command_line() -> None:
    """Errors reach it as errors of the product, and not in click's words."""
    outside = ("cli", "click", "functions", "emulator")
    assert [found for found in imports("explorer") if found[1].partition(".")[0] in outside] == []


def test_only_the_verb_explore_knows_the_explorer() -> None:
    """Its packages are optional; and nothing that Azure runs knows what people run."""
    assert {path for path, name in imports("cli") if name.partition(".")[0] == "explorer"} == {"cli/explore.py"}
    outside = ("cli", "questions", "explorer", "click")
    assert [found for found in imports("functions") if found[1].partition(".")[0] in outside] == []


def test_what_the_explorer_shows_is_made_without_dash() -> None:
    """Only its components, the application and the server know it, and tests check the rest without a browser."""
    knowing = {
        path for path, name in imports("explorer") if name.partition(".")[0] in ("dash", "dash_cytoscape", "flask")
    }
    assert {path for path in knowing if not path.startswith("explorer/components/")} == {
        "explorer/app.py",
        "explorer/server.py",
    }
    assert [found for found in imports("cli") if found[1].partition(".")[0] in ("dash", "playwright")] == []


def test_only_bootstrap_and_the_adapters_know_the_adapters() -> None:
    """Handlers and the core see ports."""
    adapters = ("shared.azure_ml", "shared.purview", "shared.state.sqlite", "shared.state.azure")
    inner = [found for found in imports("shared") if not found[0].startswith(("shared/azure_ml", "shared/purview"))]
    knowing = {path for path, name in inner if name.startswith(adapters)}
    assert {path for path in knowing if not path.startswith("shared/state/")} == {"shared/bootstrap.py"}


def test_azure_ml_is_resolved_without_the_catalog_and_its_services_without_runs() -> None:
    """The catalog's entities are built from what was resolved, and a run is resolved from what the services answer."""
    later = ("shared.catalog", "shared.openlineage", "shared.publishing")
    assert [found for found in imports("shared/azure_ml") if found[1].startswith(later)] == []
    assert [found for found in imports("shared/azure_ml/services") if found[1].startswith("shared.azure_ml.run")] == []


@pytest.mark.parametrize("module", PURE)
def test_pure_core_loads_no_sdk(module: str) -> None:
    """Nor any HTTP library."""
    program = f"import sys, {module}\nprint([name for name in {SDKS!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)  # noqa: S603
    assert done.stdout.strip() == "[]"


def test_loading_the_app_loads_no_client() -> None:
    """Every cold instance indexes the app, and the receiver has to answer Event Grid in time."""
    program = f"import sys, function_app\nprint([name for name in {LAZY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)  # noqa: S603
    assert done.stdout.strip() == "[]"


def test_modules_import_each_other_in_one_direction_only() -> None:
    """No circle and none further out, also inside functions and for type checkers (`tools.structure.LAYERS`)."""
    graph = read_imports(sources())
    assert find_cycles(graph) == []
    assert find_upward(graph) == []
