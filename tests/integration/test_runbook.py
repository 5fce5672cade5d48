"""Every `lineage` command of the pages for operators runs as it is written there, against a deployment."""

import shlex
from string import Template

import pytest
from click.testing import CliRunner

from cli.main import cli
from emulator.azurite import Azurite as AzuriteServer
from emulator.server import Emulator
from shared.bootstrap import Services
from shared.intake.message import REPLAY
from shared.intake.receive import enqueue
from shared.settings import Azurite, Settings
from shared.state.azure_storage import UNDELIVERED
from tests.harness.app import WORKSPACE, App, model_registered, run_completed
from tests.harness.storage import empty
from tests.references.documented_commands import ROOT, RUN_BY_COMMAND, commands_of
from tests.worlds.azure_resources import AZD, LAKE, deploy

COMMANDS = {
    page: [command for command in commands_of(ROOT / page) if command.startswith("lineage ")] for page in RUN_BY_COMMAND
}


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


@pytest.fixture
def fresh(environment: dict[str, str], emulator: Emulator, monkeypatch: pytest.MonkeyPatch) -> dict[str, str]:
    """A deployment as `azd up` leaves it, before the first event, with what azd remembers of it."""
    monkeypatch.setattr("cli.admin.management.clients.POLLING_SECONDS", 0)
    emulator.control.use("credit-risk")
    settings = {**environment, **AZD, "LINEAGE_SAMPLE_LAKE_ID": LAKE, "WORKSPACE_ID": WORKSPACE}
    empty(Azurite(int(environment["LINEAGE_STORAGE"].partition(":")[2]))).close()
    done = CliRunner(env=settings).invoke(cli, ["setup", "--workspace", WORKSPACE], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    deploy(emulator)
    return settings


def test_pages_have_commands() -> None:
    """The tests below would otherwise test nothing."""
    assert {page: len(commands) > 4 for page, commands in COMMANDS.items()} == dict.fromkeys(RUN_BY_COMMAND, True)


@pytest.mark.parametrize("command", COMMANDS["docs/deploy.md"])
def test_command_of_the_page_on_deploying_runs(command: str, fresh: dict[str, str]) -> None:
    """With the variables that azd's environment holds; `doctor` finds nothing wrong on the first day."""
    program, *arguments = (Template(word).substitute(fresh) for word in shlex.split(command))
    assert program == "lineage"
    done = CliRunner(env=fresh).invoke(cli, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("command", COMMANDS["docs/upgrade-from-the-accelerator.md"])
def test_command_of_the_upgrade_guide_runs(command: str, fresh: dict[str, str], emulator: Emulator) -> None:
    """On a catalog where the accelerator ran."""
    emulator.control.use("accelerator")
    done = CliRunner(env={**fresh, "PURVIEW_COLLECTION": ""}).invoke(
        cli, shlex.split(command)[1:], catch_exceptions=False
    )
    assert done.exit_code == 0, done.output


@pytest.mark.parametrize("command", COMMANDS["docs/runbook.md"])
def test_command_of_the_runbook_runs(command: str, environment: dict[str, str]) -> None:
    """It is understood, and what it does succeeds."""
    program, *arguments = shlex.split(command)
    assert program == "lineage"
    done = CliRunner(env=environment).invoke(cli, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert done.stdout.strip()
