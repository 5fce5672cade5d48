"""What `show --explain` says of each edge."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.lineage import show
from emulator.server import Emulator
from questions.draw import read_graph
from questions.explain import to_explained_json
from questions.walk import Walker
from shared.catalog.qualified_names import QualifiedName
from tests.harness.app import App
from tests.harness.whole_path import play
from tests.worlds.golden_case import PREFIX, Case


def explain(emulator: Emulator, storage: Path, case: str, asset: str) -> dict[str, tuple[str, str, str]]:
    """Play a case and explain what is connected to an asset: edge → basis, field and match."""
    play(Case.load(case), emulator, storage)
    services = App.on(emulator, storage).services
    (found,) = services.catalog.find([QualifiedName(f"{PREFIX}/{asset}")]).values()
    graph = read_graph(Walker(services.lineage), found.guid, limit=1_000)
    return {
        f"{short(edge['from'])} -> {short(edge['to'])}": (edge["basis"], edge["field"], edge["match"])
        for edge in to_explained_json(graph, services.ledger)["edges"]
    }


def short(name: str) -> str:
    return name.removeprefix(f"{PREFIX}/")


def test_edges_of_a_sweep_name_the_fields_they_come_from(emulator: Emulator, tmp_path: Path) -> None:
    """The model's run is inferred from a path; all else Azure ML says outright."""
    assert explain(emulator, tmp_path / "state", "sweep", "runs/tune") == {
        "data/churn/versions/3 -> runs/tune": ("declared", "runMetadata.inputs.data.assetId", ""),
        "data/churn/versions/3/registration -> data/churn/versions/3": (
            "declared",
            "the data asset version that was registered",
            "",
        ),
        "https://contosolake.dfs.core.windows.net/fs/raw/churn -> data/churn/versions/3/registration": (
            "declared",
            "properties.dataUri of the data asset churn:3",
            "placeholder",
        ),
        "runs/tune -> models/churn/versions/1": (
            "inferred",
            "properties.modelUri (its path carries the run's id) of the model version",
            "",
        ),
        "runs/tune -> runs/tune/metrics": ("declared", "metrics in MLflow", ""),
        "runs/tune/config -> runs/tune": ("declared", "parameters of runDefinition, MLflow and the job", ""),
    }


def test_edges_of_a_deployment_name_the_model_it_serves(emulator: Emulator, tmp_path: Path) -> None:
    """And the endpoint it belongs to."""
    found = explain(emulator, tmp_path / "state", "online-endpoint", "endpoints/churn-ep")
    deployment = {edge: why for edge, why in found.items() if "deployments" in edge}
    assert set(deployment.values()) == {
        ("declared", "properties.model of the deployment", ""),
        ("declared", "the endpoint it is a deployment of", ""),
    }


def test_edges_to_power_bi_name_the_entry_of_the_file(emulator: Emulator, tmp_path: Path) -> None:
    """Where a tag says the same, it is the tag; else the number of the entry, which is enough to find it."""
    found = explain(emulator, tmp_path / "state", "power-bi-by-a-file", "data/scores/versions/1")
    assert {
        (edge.rpartition("/powerbi/")[2].partition("/")[0], why[1])
        for edge, why in found.items()
        if "/powerbi/" in edge
    } == {
        ("datasets", "tag powerbi_dataset of the data asset scores:1"),
        ("reports", "entry 1 of downstream.yaml"),
    }
    assert {why for edge, why in found.items() if "#powerbi/" in edge.partition(" -> ")[0]} == {
        ("declared", "entry 2 of downstream.yaml", "exact")
    }


def test_run_that_reads_nothing_is_shown_with_what_it_wrote(emulator: Emulator, tmp_path: Path) -> None:
    """The catalog's own lineage leaves it out, and with it everything that only the run connects."""
    found = explain(emulator, tmp_path / "state", "power-bi-by-a-file", "data/scores/versions/1")
    assert "runs/score -> data/scores/versions/1" in found
    assert any(edge.endswith("/bands.csv -> runs/audit") for edge in found)


def test_edges_to_power_bi_name_the_tag(emulator: Emulator, tmp_path: Path) -> None:
    """Both the dataset and the report, and how the catalog knows them."""
    found = explain(emulator, tmp_path / "state", "power-bi", "data/scores/versions/1")
    links = sorted(why for edge, why in found.items() if "/powerbi/" in edge)
    dataset, report = "tag powerbi_dataset of the data asset scores:1", "tag powerbi_report of the data asset scores:1"
    assert links == [
        ("declared", dataset, ""),
        ("declared", dataset, "placeholder"),
        ("declared", report, ""),
        ("declared", report, "placeholder"),
    ]


@pytest.fixture
def deployed(emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> App:
    """Credit risk, published; the environment of a shell where `lineage` runs."""
    emulator.control.use("credit-risk")
    for name, value in emulator.environment(f"sqlite:///{tmp_path / 'state'}").items():
        monkeypatch.setenv(name, value)
    app = App.on(emulator, tmp_path / "state")
    app.replay()
    return app


def test_every_edge_of_the_reference_scenario_is_explained(deployed: App) -> None:
    """A scanned file says which rule found it."""
    shown = CliRunner().invoke(show, ["--explain", "creditrisk_model"])
    assert shown.exit_code == 0, shown.output
    assert "unknown:" not in shown.output
    lines = shown.output.splitlines()
    edge = next(number for number, line in enumerate(lines) if line.startswith("loan.csv "))
    assert lines[edge + 1].startswith("    declared: properties.dataUri of the data asset")
    assert lines[edge + 2] == "    exact: exact file"


def test_edge_that_is_in_no_ledger_says_what_to_do(deployed: App, tmp_path: Path) -> None:
    """Published from elsewhere, or before edges were noted: replaying finds out."""
    services = App.on(deployed.emulator, tmp_path / "another").services
    graph = read_graph(Walker(services.lineage), services.catalog.search("creditrisk_model")[0].guid, limit=1_000)
    edges = to_explained_json(graph, services.ledger)["edges"]
    assert {edge["basis"] for edge in edges} == {"unknown"}
    assert "--force" in edges[0]["field"]


def test_explained_flowchart_is_refused(deployed: App) -> None:
    """It would be unreadable."""
    assert CliRunner().invoke(show, ["--explain", "--mermaid", "creditrisk_model"]).exit_code == 2
