"""Every command of the runbook runs, as it is written there, against a deployment with something to mend."""

import re
import shlex
from pathlib import Path

import pytest
from click.testing import CliRunner

from cli.main import cli
from emulator.azurite import Azurite as AzuriteServer
from emulator.server import Emulator
from shared.bootstrap import Services
from shared.handlers.message_body import REPLAY
from shared.handlers.receive import enqueue
from shared.settings import Azurite, Settings
from shared.state.azure_storage import UNDELIVERED
from tests.app import App, model_registered, run_completed
from tests.storage import empty

RUNBOOK = (Path(__file__).parents[2] / "docs/runbook.md").read_text(encoding="utf-8")
COMMANDS = [
    line.removeprefix("$ ")
    for block in re.findall(r"```console\n(.*?)```", RUNBOOK, re.DOTALL)
    for line in block.splitlines()
    if line.startswith("$ ")
]


@pytest.fixture
def environment(emulator: Emulator, azurite_server: AzuriteServer) -> dict[str, str]:
    """A deployment on Azurite with a gap, an open dead letter and an event that Event Grid could not deliver."""
    emulator.control.use("credit-risk")
    storage = empty(Azurite(azurite_server.base_port))
    storage.container(UNDELIVERED).upload_blob(
        "topic/sub/2026/7/1/10/1.json", f"[{run_completed('creditrisk_train')}]".encode()
    )
    settings = emulator.environment(f"azurite:{azurite_server.base_port}")
    services = Services(Settings.from_env(settings))
    services.reconciler.tick()
    app = App(emulator, services)
    app.replay([run_completed("gone"), model_registered("creditrisk_model", "2")])
    services.catalog.search("creditrisk_model")  # the index lags one question behind what is written
    services.dead_letters.put(reason="AccessDenied", detail="", body=run_completed("creditrisk_train"), attempts=30)
    enqueue([run_completed("x")], services.queue, services.dead_letters, source=REPLAY, now=services.now)
    services.state.close()
    storage.close()
    return settings


def test_runbook_has_commands() -> None:
    """The test below would otherwise test nothing."""
    assert len(COMMANDS) > 10


@pytest.mark.parametrize("command", COMMANDS)
def test_command_of_the_runbook_runs(command: str, environment: dict[str, str]) -> None:
    """It is understood, and what it does succeeds."""
    program, *arguments = shlex.split(command)
    assert program == "lineage"
    done = CliRunner(env=environment).invoke(cli, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert done.stdout.strip()
