"""`lineage status` names all that is missing, and says what to do about it."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from cli.main import cli as lineage
from emulator.server import Emulator
from shared.bootstrap import Services
from shared.settings import Settings
from tests.harness.app import WORKSPACE, App, run_completed

Run = Callable[..., Result]


@pytest.fixture
def run(environment: Mapping[str, str]) -> Run:
    """Run `lineage status` with these settings."""
    return lambda *arguments: CliRunner().invoke(lineage, ["status", *arguments], env=environment)


@pytest.fixture
def deployed(emulator: Emulator, environment: Mapping[str, str]) -> App:
    """The app with the state that `status` reads."""
    return App(emulator, Services(Settings.from_env(environment)))


def add_runs(app: App, number: int) -> list[str]:
    """Add runs without any event."""
    names = [f"odd-{each:02}" for each in range(number)]
    runs = {name: {"kind": "command", "experiment": "e", "command": "python x.py"} for name in names}
    app.emulator.control.add_to_azure_ml({"workspaces": {"ws-credit": {"runs": runs}}})
    return names


def test_every_gap_is_named_with_its_reason_while_it_lasts(run: Run, deployed: App) -> None:
    """First on the queue, then dead-lettered, then closed."""
    deployed.replay()
    names = add_runs(deployed, 25)
    deployed.services.reconciler.tick()
    read = json.loads(run("--json").stdout)
    [workspace] = read["workspaces"]
    assert [gap["name"] for gap in workspace["gaps"] if gap["name"].startswith("odd")] == names
    assert all("queue" in gap["reason"] for gap in workspace["gaps"])
    assert workspace["percent"] < 100
    assert workspace["complete"]
    assert workspace["kinds"]["run"]["total"] - workspace["kinds"]["run"]["linked"] == 25
    assert read["queue"] == 25

    deployed.emulator.control.faults({"service": "azure_ml", "path": "/rundata", "statuses": [404] * 25})
    deployed.replay([])
    deployed.services.reconciler.tick()
    shown = run("--all").stdout
    assert "25 missing: RecordNotFound" in shown
    assert [name for name in names if f"run {name}: " not in shown] == []
    deployed.emulator.control.faults()
    deployed.replay([run_completed(name) for name in names])
    deployed.services.reconciler.tick()
    after = run().stdout
    assert "100.0 % are linked" in after
    assert "missing" not in after


def test_text_prints_twenty_names_for_a_reason_and_says_how_many_more(run: Run, deployed: App) -> None:
    """All of them fill no terminal unless that is wanted."""
    deployed.replay()
    names = add_runs(deployed, 25)
    deployed.services.reconciler.tick()
    shown = run().stdout
    assert sum(f"run {name}" in shown for name in names) == 20
    assert "… and 5 more; --all prints them" in shown
    assert sum(f"run {name}" in run("--all").stdout for name in names) == 25


def test_dead_letters_are_counted_by_reason_with_the_command_that_replays_them(run: Run, deployed: App) -> None:
    """The oldest of each tells since when."""
    letters = deployed.services.dead_letters
    first = letters.put(reason="AccessDenied", detail="", body="{}", attempts=1)
    letters.put(reason="AccessDenied", detail="", body="{}", attempts=1)
    letters.put(reason="MalformedEvent", detail="", body="{}", attempts=1)
    closed = letters.put(reason="RecordNotFound", detail="", body="{}", attempts=1)
    letters.close(closed.id)
    command = "lineage replay --dead-letters --reason AccessDenied"
    shown = run().stdout
    assert f"AccessDenied: 2, the oldest of {first.at:%Y-%m-%d %H:%M:%S} UTC" in shown
    assert command in shown
    assert "RecordNotFound" not in shown
    read = json.loads(run("--json").stdout)["dead_letters"]
    assert [(group["reason"], group["count"]) for group in read] == [("AccessDenied", 2), ("MalformedEvent", 1)]
    assert (read[0]["oldest"], read[0]["replay"]) == (first.at.isoformat(), command)


def test_check_fails_until_all_is_linked_and_no_dead_letter_is_open(run: Run, deployed: App) -> None:
    """A pipeline or a probe can ask for it; without it, what could be read is no failure."""
    assert (run().exit_code, run("--check").exit_code) == (0, 1)  # no tick has looked yet
    deployed.services.reconciler.tick()
    assert (run().exit_code, run("--check").exit_code) == (0, 1)
    deployed.replay([])
    deployed.services.reconciler.tick()
    assert run("--check").exit_code == 0
    deployed.services.dead_letters.put(reason="AccessDenied", detail="", body="{}", attempts=1)
    assert (run().exit_code, run("--check", "--json").exit_code) == (0, 1)


def test_what_waits_on_the_poison_queue_is_counted(run: Run, deployed: App) -> None:
    """It is in no row and no dead letter, and nothing else would say that it is there."""
    deployed.services.reconciler.tick()
    deployed.replay([])
    deployed.services.reconciler.tick()
    deployed.services.state.poison.put("what the app could not take")
    assert "Poison queue: 1 message waits" in run().stdout
    assert (json.loads(run("--json").stdout)["poison"], run("--check").exit_code) == (1, 1)


@pytest.mark.parametrize("arguments", [(), ("--json",)])
def test_schedule_that_the_host_refuses_is_named_first_and_fails_the_check(
    run: Run, deployed: App, environment: dict[str, str], arguments: tuple[str, ...]
) -> None:
    """No tick comes then, so what is shown below stays as it is; unset it is the deployment's own."""
    for _ in range(2):
        deployed.services.reconciler.tick()
        deployed.replay([])
    deployed.services.reconciler.tick()
    assert run("--check", *arguments).exit_code == 0
    environment["RECONCILE_SCHEDULE"] = "0 0 3 * * 7"
    result = run("--check", *arguments)
    assert result.exit_code == 1
    said = json.loads(result.stdout)["settings"][0] if arguments else result.stdout
    assert said.startswith("RECONCILE_SCHEDULE: '7' cannot be a day of the week")


def test_status_before_anything_happened_creates_no_file(run: Run, environment: dict[str, str]) -> None:
    """A look leaves no trace, and says that no tick has looked yet."""
    result = run()
    assert result.exit_code == 0
    assert "No workspace has been looked at yet" in result.stdout
    assert json.loads(run("--json").stdout) == {"workspaces": [], "queue": 0, "poison": 0, "dead_letters": []}
    assert not Path(environment["LINEAGE_STORAGE"].removeprefix("sqlite:///")).exists()


def test_status_asks_neither_azure_ml_nor_the_catalog(run: Run, deployed: App) -> None:
    """It answers also while both are down."""
    deployed.services.reconciler.tick()
    deployed.emulator.control.clear_requests()
    assert WORKSPACE.casefold() in run().stdout.casefold()
    assert deployed.emulator.control.requests() == []
