"""An emulator and the command line, each a process of its own, joined by nothing but the printed settings."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

LINEAGE = str(Path(sys.executable).with_name("lineage"))
EVENTS = "emulator/scenarios/credit-risk/events"

Lineage = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def settings() -> Iterator[dict[str, str]]:
    """Start `python -m emulator` and read its first line."""
    command = [sys.executable, "-m", "emulator", "--port", "0", "--scenario", "credit-risk"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        assert process.stdout is not None
        first_line = json.loads(process.stdout.readline())
        assert set(first_line) == {"azure_ml", "purview", "ca_bundle", "env"}
        yield first_line["env"]
        process.terminate()


@pytest.fixture(scope="module")
def lineage(settings: dict[str, str]) -> Lineage:
    """Run the command line with those settings."""

    def run(*arguments: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(  # noqa: S603
            [LINEAGE, *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            env={**os.environ, **settings},
        )

    return run


@pytest.fixture(scope="module")
def replayed(lineage: Lineage) -> "subprocess.CompletedProcess[str]":
    return lineage("replay", EVENTS, "--direct", "--json")


def test_replay_does_what_the_demo_does(replayed: "subprocess.CompletedProcess[str]") -> None:
    """Exit code 1: one of the scenario's events is malformed, and dead-lettered."""
    assert replayed.returncode == 1
    assert replayed.stderr == ""
    ended = [json.loads(line)["outcome"] for line in replayed.stdout.splitlines()]
    assert (len(ended), ended.count("dead_lettered"), ended.count("published")) == (17, 1, 7)


@pytest.mark.usefixtures("replayed")
def test_show_prints_the_same_graph_as_text_json_and_mermaid(lineage: Lineage) -> None:
    """A name alone means its latest version."""
    text = lineage("show", "creditrisk_model")
    first, second = text.stdout.splitlines()[:2]
    assert first.endswith("/workspaces/ws-credit/models/creditrisk_model/versions/2")
    assert second == "creditrisk_model:2 (model) comes from"
    graph = json.loads(lineage("show", "creditrisk_model:1", "--json").stdout)
    flowchart = lineage("show", "creditrisk_model", "--mermaid").stdout
    assert flowchart.count("-->") == len(graph["edges"])


def test_typedefs_apply_then_plan_has_nothing_to_do(lineage: Lineage) -> None:
    """Types are installed once."""
    assert lineage("typedefs", "apply").returncode == 0
    assert "nothing to change" in lineage("typedefs", "plan").stdout
