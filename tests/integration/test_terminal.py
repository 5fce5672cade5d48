"""Who may name a run commands no terminal: what names hold is printed, and not obeyed."""

import ast
import json
import logging
import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.main import _Facts, cli
from tests.harness.app import WS, App, run_completed

ROOT = Path(__file__).parents[2]
HOSTILE = "train \x1b]0;mine\x07\x1b[2J\x9b2J\r\npublished     forged\u202e <img src=x onerror=alert(1)>"
COMMANDS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069]")
RUN, MODEL = f"{WS}/runs/hostile", f"{WS}/models/hostile/versions/1"


@pytest.fixture
def app(start_app: Callable[..., App]) -> App:
    """A run, its tags, its data and its model, with escape sequences wherever a person may write."""
    app = start_app("credit-risk")
    described = {
        "kind": "command",
        "experiment": "e",
        "display_name": HOSTILE,
        "command": f"python x.py '{HOSTILE}'",
        "tags": {HOSTILE: HOSTILE},
        "inputs": {"data": {"uri": "azureml://datastores/workspaceblobstore/paths/raw/", "type": "uri_folder"}},
        "outputs": {"model": {"type": "custom_model", "path": "azureml://datastores/workspaceblobstore/paths/model/"}},
    }
    model = {
        "type": "custom_model",
        "path": "azureml://datastores/workspaceblobstore/paths/model/",
        "job_name": "hostile",
        "description": HOSTILE,
        "tags": {"stage": HOSTILE},
    }
    workspace = {"runs": {"hostile": described}, "models": {"hostile:1": model}}
    app.emulator.control.add_to_azure_ml({"workspaces": {"ws-credit": workspace}})
    assert {report.outcome.outcome for report in app.replay([run_completed("hostile")])} == {"published"}
    app.tick()
    return app


@pytest.mark.parametrize(
    "words",
    [
        f"show {RUN}",
        f"show {RUN} --json",
        f"show {RUN} --mermaid",
        f"show {RUN} --explain",
        f"origin {MODEL}",
        f"origin {MODEL} --json",
        f"impact {RUN}",
        f"impact {RUN} --json",
        f"diff {MODEL} {MODEL}",
        "status",
        "replay --dead-letters --dry-run",
    ],
)
def test_names_reach_the_terminal_without_what_it_would_obey(app: App, words: str) -> None:
    """Neither escape sequences, nor line breaks of their own, nor what turns the direction of writing."""
    storage = f"sqlite:///{app.services.settings.storage}"
    result = CliRunner().invoke(cli, words.split(), env={**os.environ, **app.emulator.environment(storage)})
    assert COMMANDS.findall(result.output) == []
    assert not any(line.startswith("published     forged") for line in result.output.splitlines())
    if "--json" in words:
        json.loads(result.output)
    if "--mermaid" in words:
        assert "train" in result.output
        assert "<img" not in result.output


def test_event_id_makes_no_line_of_its_own(app: App, tmp_path: Path) -> None:
    """A report has one line for each event."""
    event = {**json.loads(run_completed("hostile")), "id": HOSTILE}
    file = tmp_path / "event.json"
    file.write_text(json.dumps([event, {**event, "eventType": "Unknown"}]), encoding="utf-8")
    storage = f"sqlite:///{app.services.settings.storage}"
    result = CliRunner().invoke(
        cli, ["replay", "--direct", str(file)], env={**os.environ, **app.emulator.environment(storage)}
    )
    assert COMMANDS.findall(result.output) == []
    assert not any(line.startswith("published     forged") for line in result.output.splitlines())


def test_log_line_with_a_name_is_one_line() -> None:
    """Both what is said and what is carried along."""
    record = logging.LogRecord("shared", logging.ERROR, __file__, 1, "%s was refused", (HOSTILE,), None)
    record.detail = HOSTILE
    line = _Facts().format(record)
    assert COMMANDS.findall(line.replace("\n", "")) == []
    assert line.count("\n") <= 1


def test_verbs_print_through_one_function() -> None:
    """One that printed by itself would be forgotten."""
    printing = {
        str(file.relative_to(ROOT))
        for file in (ROOT / "cli").rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"click.echo", "click.secho", "print"}
    }
    assert printing == {"cli/output.py"}
