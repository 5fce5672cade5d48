"""The demo as a newcomer runs it: a process of its own, its words, its files."""

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import requests

from tests.harness.app import WS

LINEAGE = str(Path(sys.executable).with_name("lineage"))


@pytest.fixture(scope="module")
def out(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("demo")


@pytest.fixture(scope="module")
def demo(out: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run([LINEAGE, "demo", "--out", str(out)], capture_output=True, text=True, timeout=60, check=False)  # noqa: S603


def test_demo_succeeds_and_says_how_every_event_ended(demo: subprocess.CompletedProcess[str]) -> None:
    """Seventeen events: published, skipped with a reason, one dead-lettered."""
    assert demo.returncode == 0, demo.stderr
    assert demo.stderr == ""
    lines = demo.stdout.splitlines()
    ended = [line.split()[0] for line in lines if line.startswith(("published", "skipped", "dead-lettered"))]
    assert (len(ended), ended.count("dead-lettered")) == (17, 1)


def test_demo_shows_the_models_lineage_from_the_file_to_the_report(demo: subprocess.CompletedProcess[str]) -> None:
    """Upstream to loan.csv, downstream to the Power BI report."""
    tree = demo.stdout.partition("Lineage of creditrisk_model")[2]
    assert tree.index("creditrisk_model:2 (model) comes from") < tree.index("loan.csv")
    assert tree.index("creditrisk_model:2 (model) goes to") < tree.index("(Power BI report)")


def test_demo_says_what_was_dead_lettered_and_what_it_took(demo: subprocess.CompletedProcess[str]) -> None:
    """The reason, the raw body, and the counts."""
    assert "MalformedEvent: data.runId: is missing" in demo.stdout
    assert re.search(r"It took \d+ Azure ML requests over [12] connection\(s\)", demo.stdout)
    assert "catalog requests over 1 connection(s)" in demo.stdout


@pytest.mark.usefixtures("demo")
def test_demo_writes_what_it_shows_to_files(out: Path) -> None:
    """Entities, lineage, a flowchart and a report."""
    lineage = json.loads((out / "lineage.json").read_text())
    assert f"{WS}/models/creditrisk_model/versions/2" in {node["qualifiedName"] for node in lineage["nodes"]}
    assert (out / "lineage.mmd").read_text().startswith("flowchart LR")
    report = json.loads((out / "report.json").read_text())
    assert len(report["events"]) == 17
    assert [letter["reason"] for letter in report["dead_letters"]] == ["MalformedEvent"]
    assert report["catalog"]["connections"] == 1
    names = {
        item["attributes"]["qualifiedName"] for item in json.loads((out / "entities.json").read_text())["entities"]
    }
    assert {node["qualifiedName"] for node in lineage["nodes"]} <= names


def test_readme_tells_what_the_demo_really_costs(demo: subprocess.CompletedProcess[str]) -> None:
    """The counts printed there are those printed here; a thread may or may not find a connection free."""
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    counts = (
        r"It took (\d+) Azure ML requests over \d connection\(s\) and (\d+) catalog requests over 1 connection\(s\)\."
    )
    assert re.findall(counts, readme) == re.findall(counts, demo.stdout) != []


def test_demo_ends_by_offering_the_explorer(demo: subprocess.CompletedProcess[str]) -> None:
    """And does not wait for anybody."""
    assert demo.stdout.rstrip().endswith("To look at it in the browser: lineage demo --explore")


def test_demo_shows_its_result_in_the_browser_until_it_is_interrupted() -> None:
    """At the model, over the catalog that it filled."""
    environ = {**os.environ, "BROWSER": "true"}
    with subprocess.Popen([LINEAGE, "demo", "--explore"], stdout=subprocess.PIPE, text=True, env=environ) as process:  # noqa: S603
        try:
            assert process.stdout is not None
            shown = next(line for line in process.stdout if line.startswith("Lineage is shown at"))
            url = shown.split()[4]
            assert url.endswith("/?asset=creditrisk_model")
            assert requests.get(url, timeout=30).status_code == 200
            process.send_signal(signal.SIGINT)
            assert process.wait(timeout=30) == 0
        finally:
            process.kill()
