"""`python -m tools.play`: a case that people write down is played as the golden cases are, and printed in one form."""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.worlds.golden_case import FOLDER, PREFIX
from tools.play import main

BARE = """
runs:
  train: {experiment: churn, inputs: {data: {asset: "churn:3"}}}
events: [RunCompleted train, RunCompleted lost]
"""
"""A case without `about`, `kind` and `evidence`."""


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main([str(each) for each in arguments])
    return code, *capsys.readouterr()


def test_case_is_printed_as_one_object_with_all_that_came_of_it(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    """Outcomes with reasons, whole entities, edges, requests by service, and what a reconcile tick would miss."""
    (tmp_path / "bare.yaml").write_text(BARE, encoding="utf-8")
    code, printed, _ = run(capsys, "--json", tmp_path / "bare.yaml")
    assert code == 0
    report: dict[str, Any] = json.loads(printed)
    assert list(report) == ["case", "outcomes", "nodes", "edges", "requests", "gaps"]
    assert report["case"] == "bare"
    first, second = report["outcomes"]
    assert first == {"event": "RunCompleted train", "outcome": "published", "reason": ""}
    assert (second["event"], second["outcome"]) == ("RunCompleted lost", "dead_lettered")
    assert second["reason"].startswith("RecordNotFound: ")
    step = next(node for node in report["nodes"] if node["type"] == "custom_ml_experiment_step")
    assert step.keys() == {"qualifiedName", "type", "attributes", "labels"}
    assert step["attributes"]["run_id"] == "train"
    assert {"from": f"{PREFIX}/data/churn/versions/3", "to": f"{PREFIX}/runs/train"} in report["edges"]
    assert report["requests"]["azure_ml"] > 0
    assert report["requests"]["catalog"] > 0
    assert report["gaps"] == []


def test_run_without_an_event_is_a_gap(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    """A case whose events are withheld is not complete."""
    (tmp_path / "quiet.yaml").write_text(
        BARE.replace("[RunCompleted train, RunCompleted lost]", "[]"), encoding="utf-8"
    )
    _, printed, _ = run(capsys, "--json", tmp_path / "quiet.yaml")
    (gap,) = json.loads(printed)["gaps"]
    assert gap["name"] == "train"
    assert gap["reason"].startswith("no event about it")


def test_edge_that_was_taken_away_is_not_printed(capsys: pytest.CaptureFixture[str]) -> None:
    """The catalog's lineage goes on drawing it; the golden marks it, and it is no edge any more."""
    case = FOLDER / "deployment-replaced"
    golden = json.loads((case / "lineage.json").read_text(encoding="utf-8"))
    _, printed, _ = run(capsys, "--json", case / "case.yaml")
    edges = {f"{edge['from']} -> {edge['to']}".replace(PREFIX, "WS") for edge in json.loads(printed)["edges"]}
    assert edges == {edge for edge in golden["edges"] if not edge.endswith(" (removed)")}
    assert len(edges) < len(golden["edges"])


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("events: [: ", "is not YAML"),
        ("only words", "is not a mapping"),
        ("runs: {}", "events: is missing"),
        ("events: 3", "events: is not a list"),
        ("events: [Hello]", "'Hello' names no run, model or endpoint"),
        ("events: [{hello: there}]", "is nothing that can happen"),
        ("rns: {}\nevents: []", "unknown keys in workspace ws-empty: ['rns']"),
        ("runs: {train: 5}\nevents: []", "runs: train is not described by an object"),
        ("runs: {train: {kind: dream}}\nevents: []", "run train is of an unknown kind: 'dream'"),
        ("downstream: [{}]\nevents: []", "broken.yaml: entry 1 of downstream.yaml: "),
        (None, "No such file"),
    ],
)
def test_case_that_cannot_be_played_is_named_and_costs_the_others_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path, content: str | None, problem: str
) -> None:
    """The message names the file and what is wrong; the next case is played."""
    broken, bare = tmp_path / "broken.yaml", tmp_path / "bare.yaml"
    bare.write_text(BARE, encoding="utf-8")
    if content is not None:
        broken.write_text(content, encoding="utf-8")
    code, printed, complaints = run(capsys, "--json", broken, bare)
    assert code == 1
    assert complaints.startswith(f"{broken}: ")
    assert problem in complaints
    assert json.loads(printed)["case"] == "bare"


def test_verbs_run_afterwards_on_the_same_catalog(capsys: pytest.CaptureFixture[str]) -> None:
    """With the settings of the case; a verb that fails shows in the exit code."""
    case = FOLDER / "power-bi-by-a-file" / "case.yaml"
    name = "https://contosolake.dfs.core.windows.net/fs/published/bands.csv"
    code, printed, _ = run(capsys, case, "--then", f"show {name} --json")
    assert code == 0
    text, _, shown = printed.partition("{")
    assert text.startswith("power-bi-by-a-file:\n  RunCompleted score: published\n")
    assert name in {node["qualifiedName"] for node in json.loads("{" + shown)["nodes"]}
    code, _, complaints = run(capsys, case, "--then", "show nothing-of-this-name")
    assert code == 1
    assert "nothing-of-this-name" in complaints
