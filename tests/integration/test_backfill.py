"""Missed events: what they were about is listed and published, however often the command is interrupted."""

import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import cli.backfill as command
from cli import session
from cli.main import cli as lineage
from emulator.server import Emulator
from shared.bootstrap import Services
from shared.catalog.qualified_names import QualifiedName
from shared.intake.message import BACKFILL, MessageBody
from shared.model import WorkspaceId
from shared.reconciling.backfill import Advance, Section
from shared.settings import Settings
from tests.harness.app import AT_ONCE, WORKSPACE, WS, App

Run = Callable[..., Result]
PAGE = 30
LINEAGE = str(Path(sys.executable).with_name("lineage"))
FOREIGN = "/subscriptions/1/resourceGroups/x/providers/Microsoft.MachineLearningServices/workspaces/y"


@pytest.fixture
def run(environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `lineage backfill` with these settings; messages that come back do so at once."""
    monkeypatch.setattr(session, "DIRECT_REDELIVERY", AT_ONCE)

    def invoke(*arguments: str, **settings: str) -> Result:
        return CliRunner().invoke(lineage, ["backfill", *arguments], env={**environment, **settings})

    return invoke


@pytest.fixture
def use_fleet(emulator: Emulator, environment: dict[str, str]) -> Callable[..., None]:
    """Start a fleet and allow its workspaces."""

    def use(runs: int, shape: str = "single") -> None:
        emulator.control.use("fleet", runs=runs, shape=shape)
        environment["LINEAGE_WORKSPACES"] = emulator.environment()["LINEAGE_WORKSPACES"]

    return use


def services(environment: Mapping[str, str]) -> Services:
    return Services(Settings.from_env(environment))


def lists(emulator: Emulator, what: str = "/jobs", service: str = "azure_ml") -> int:
    """Count the pages that were read since the log was last cleared."""
    return sum(request.path.endswith(what) for request in emulator.control.requests(service))


def summary(result: Result) -> dict[str, int]:
    """Read what `--json` prints."""
    read: dict[str, int] = json.loads(result.stdout)
    return read


def interrupt_after(steps: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Raise KeyboardInterrupt, as Ctrl-C does, where progress is shown."""
    left = [steps]

    def interrupted(step: Advance) -> str:
        left[0] -= 1
        if left[0] < 0:
            raise KeyboardInterrupt
        return str(step)

    monkeypatch.setattr(command, "_words", interrupted)


def test_backfill_interrupted_three_times_ends_in_the_catalog_of_the_events(
    emulator: Emulator, environment: dict[str, str], run: Run, use_fleet: Callable[..., None], tmp_path: Path
) -> None:
    """Each attempt goes on where the one before stopped: a page or less is read twice."""
    use_fleet(200)
    emulator.control.clear_requests()
    read = []
    for steps in (40, 75, 50):
        with pytest.MonkeyPatch.context() as patch:
            interrupt_after(steps, patch)
            interrupted = run("--direct")
        assert interrupted.exit_code == 1
        assert "The same command goes on from here" in interrupted.stderr
        read.append(lists(emulator))
    ended = run("--direct", "--json")
    assert (ended.exit_code, summary(ended)["dead_lettered"], summary(ended)["failed"]) == (0, 0, 0)
    assert "Going on where this command was interrupted" in ended.stderr
    pages = -(-200 // PAGE)
    assert lists(emulator) <= pages + 3
    assert lists(emulator) - read[-1] < pages
    filled = App(emulator, services(environment)).catalog_content()
    emulator.control.clear_requests()
    again = run("--direct", "--json")
    assert summary(again)["published"] == 0
    assert summary(again)["listed"] == summary(ended)["listed"]
    assert App(emulator, services(environment)).writes() == 0

    emulator.control.use("fleet", runs=200, shape="single")
    by_events = App(emulator, services(environment | {"LINEAGE_STORAGE": f"sqlite:///{tmp_path / 'by_events.sqlite'}"}))
    by_events.replay()
    by_events.services.reconciler.tick()  # an endpoint that no event announced
    by_events.replay([])
    assert filled == by_events.catalog_content()


def test_interrupt_lets_the_event_at_hand_end_and_leaves_no_lease_behind(
    emulator: Emulator, environment: dict[str, str], use_fleet: Callable[..., None]
) -> None:
    """The second attempt need not wait for a lease of the first."""
    use_fleet(60)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # ignored in what a shell runs in the background
    with subprocess.Popen(  # noqa: S603
        [LINEAGE, "backfill", "--direct", "--json"],
        env={**os.environ, **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        while lists(emulator, "/entity/bulk", "purview") < 5 and process.poll() is None:
            time.sleep(0.005)
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert (process.returncode, "Interrupted. The same command goes on" in errors) == (1, True)
    rows = services(environment).ledger.list_rows("run")
    assert 1 <= sum(row.outcome == "published" for row in rows) < 60
    with closing(sqlite3.connect(environment["LINEAGE_STORAGE"].removeprefix("sqlite:///"))) as database:
        held = database.execute("SELECT name FROM leases WHERE holder <> ''").fetchall()
    assert held == []


def test_killed_backfill_goes_on_where_it_was_and_enqueues_everything(
    emulator: Emulator, environment: dict[str, str], use_fleet: Callable[..., None]
) -> None:
    """Nothing runs when a process is killed; what counts was written before."""
    use_fleet(300)
    emulator.control.latency(100)
    command = [LINEAGE, "backfill", "--json"]
    for killed_at in (3, 6, 8):
        with subprocess.Popen(  # noqa: S603
            command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            while lists(emulator) < killed_at and process.poll() is None:
                time.sleep(0.01)
            process.kill()
    emulator.control.latency(0)
    before = lists(emulator)
    done = subprocess.run(  # noqa: S603
        command, env={**os.environ, **environment}, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert before >= 8
    assert lists(emulator) <= 300 // PAGE + 3
    queue = services(environment).queue
    bodies = []
    while message := queue.receive(visibility=timedelta(minutes=10)):
        bodies.append(MessageBody.parse(message.body, message_id=message.id))
    assert {body.source for body in bodies} == {BACKFILL}
    enqueued = {json.loads(body.event)["id"] for body in bodies}
    counts = json.loads(done.stdout)
    assert counts["listed"] == counts["enqueued"] + counts["skipped"]
    assert len(enqueued) == counts["enqueued"] > 200


def test_second_backfill_enqueues_only_what_is_not_published(
    run: Run, emulator: Emulator, environment: dict[str, str]
) -> None:
    """What events have published is not published again."""
    app = App(emulator, services(environment))
    app.replay()
    emulator.control.add_to_azure_ml(
        {"workspaces": {"ws-credit": {"runs": {"odd": {"kind": "command", "experiment": "e", "command": "x"}}}}}
    )
    counts = summary(run("--kind", "runs", "--json"))
    assert counts["enqueued"] == 1
    assert counts["already_there"] > 1
    app.replay([])
    assert app.entity(f"{WS}/runs/odd")
    assert summary(run("--kind", "runs", "--json"))["enqueued"] == 0


@pytest.mark.parametrize("status", ["Failed", "Canceled"])
def test_pipeline_that_failed_is_handed_on(run: Run, emulator: Emulator, status: str) -> None:
    """Some of its steps may have completed."""
    before = summary(run("--kind", "runs", "--json"))
    pipeline = {"kind": "pipeline", "experiment": "e", "status": status}
    emulator.control.add_to_azure_ml({"workspaces": {"ws-credit": {"runs": {"odd": pipeline}}}})
    after = summary(run("--kind", "runs", "--json"))
    assert (after["skipped"], after["enqueued"]) == (before["skipped"], before["enqueued"] + 1)


@pytest.mark.parametrize("status", ["Running", "Failed", "Canceled"])
def test_run_that_did_not_complete_is_skipped(run: Run, emulator: Emulator, status: str) -> None:
    """The event of a running one comes when it ends."""
    before = summary(run("--kind", "runs", "--json"))
    run_ = {"kind": "command", "experiment": "e", "command": "x", "status": status}
    emulator.control.add_to_azure_ml({"workspaces": {"ws-credit": {"runs": {"odd": run_}}}})
    after = summary(run("--kind", "runs", "--json"))
    assert (after["skipped"], after["enqueued"]) == (before["skipped"] + 1, before["enqueued"])


def test_since_and_until_choose_by_creation_time_and_stop_below_it(
    run: Run, emulator: Emulator, use_fleet: Callable[..., None]
) -> None:
    """A run is made every two minutes; the list is newest first, so what lies below needs no reading."""
    use_fleet(300)
    emulator.control.clear_requests()
    span = ("--since", "2026-01-01T07:00:00Z", "--until", "2026-01-01T10:00:00+01:00")
    counts = summary(run(*span, "--kind", "runs", "--json"))
    assert counts["listed"] == 60
    assert lists(emulator) <= 90 // PAGE + 2


def test_restart_begins_again(
    run: Run, emulator: Emulator, use_fleet: Callable[..., None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The checkpoint is forgotten first."""
    use_fleet(100)
    with monkeypatch.context() as patch:
        interrupt_after(80, patch)
        assert run("--kind", "runs").exit_code == 1
    emulator.control.clear_requests()
    result = run("--kind", "runs", "--json", "--restart")
    assert summary(result)["listed"] == 100
    assert "Going on" not in result.stderr
    assert lists(emulator) == 4


def test_link_that_is_not_valid_any_more_begins_that_section_again(
    run: Run, emulator: Emulator, environment: dict[str, str]
) -> None:
    """The service gives no promise how long a link to the next page lasts."""
    section = Section(WorkspaceId.parse(WORKSPACE), "runs")
    note = {"page": "https://elsewhere.example/jobs?$skip=1", "ended": False, "counts": {"listed": 1_000}}
    app = services(environment)
    app.state.notes.put(section.note_name, {"at": app.now().isoformat(), **note})
    result = run("--kind", "runs", "--json")
    assert result.exit_code == 0
    assert 0 < summary(result)["listed"] < 100


def test_failing_workspace_is_reported_and_the_others_are_done(
    run: Run, emulator: Emulator, use_fleet: Callable[..., None]
) -> None:
    """Once it can be listed, the same command does the rest."""
    use_fleet(30, "mixed")
    emulator.control.faults({"service": "azure_ml", "path": "ws-fleet-1/jobs", "statuses": [400] * 20})
    failed = run("--json")
    assert (failed.exit_code, summary(failed)["failed"]) == (1, 1)
    assert "ws-fleet-1, runs: RequestRefused" in failed.stderr
    emulator.control.faults()
    emulator.control.clear_requests()
    done = run("--json")
    assert (done.exit_code, summary(done)["failed"]) == (0, 0)
    assert summary(done)["listed"] > summary(failed)["listed"]
    assert lists(emulator) == 1


def test_workspace_off_the_allow_list_is_refused_and_nothing_is_asked(run: Run, emulator: Emulator) -> None:
    """The message names the option and the setting."""
    result = run("--workspace", FOREIGN)
    assert result.exit_code == 2
    assert "--workspace" in result.stderr
    assert "LINEAGE_WORKSPACES" in result.stderr
    assert run("--workspace", "ws-credit").exit_code == 2
    assert emulator.control.requests() == []


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--since", "yesterday"), "--since"),
        (("--since", "2026-02-01", "--until", "2026-01-01"), "--until must be later than --since"),
        (("--kind", "datasets"), "--kind"),
    ],
)
def test_wrong_option_is_named(run: Run, arguments: tuple[str, ...], words: str) -> None:
    """Exit code 2, as for every wrong usage."""
    result = run(*arguments)
    assert result.exit_code == 2
    assert words in result.stderr


def test_only_one_workspace_and_kind_is_listed_if_so_wanted(
    run: Run, emulator: Emulator, use_fleet: Callable[..., None]
) -> None:
    """Nothing is asked about the others."""
    use_fleet(30, "mixed")
    workspace = emulator.services.azure_ml.workspace_ids()[1]
    emulator.control.clear_requests()
    assert run("--workspace", workspace, "--kind", "models").exit_code == 0
    paths = {request.path.casefold() for request in emulator.control.requests("azure_ml")}
    lists = {path for path in paths if not path.endswith(("/discovery", "/workspaces/ws-fleet-2"))}
    assert all("ws-fleet-2/models" in path for path in lists)


def test_transient_failure_is_tried_again(run: Run, emulator: Emulator) -> None:
    """A role that has not arrived everywhere yet costs no dead letter."""
    emulator.control.faults({"service": "azure_ml", "path": "/rundata", "statuses": [403, 403]})
    result = run("--direct", "--json", "--kind", "runs")
    assert (result.exit_code, summary(result)["dead_lettered"]) == (0, 0)
    assert emulator.control.pending_faults() == []


def test_run_that_cannot_be_published_is_dead_lettered_and_the_others_are_published(
    run: Run, emulator: Emulator, environment: dict[str, str]
) -> None:
    """It is reported at once, counted in the end, and stored where `replay --dead-letters` finds it."""
    emulator.control.faults({"service": "azure_ml", "path": "/rundata", "statuses": [404]})
    result = run("--direct", "--json", "--kind", "runs")
    assert (result.exit_code, summary(result)["dead_lettered"]) == (1, 1)
    assert summary(result)["published"] > 1
    assert "RecordNotFound" in result.stderr
    [letter] = services(environment).dead_letters.list_open()
    assert letter.reason == "RecordNotFound"
    again = run("--direct", "--json", "--kind", "runs")
    assert (again.exit_code, summary(again)["published"]) == (0, 1)


def test_backfill_that_can_publish_nothing_stops_before_everything_is_a_dead_letter(
    run: Run, emulator: Emulator, environment: dict[str, str], use_fleet: Callable[..., None]
) -> None:
    """Most often a role is missing; with it, the same command goes on and closes what it had dead-lettered."""
    use_fleet(100)
    emulator.control.faults({"service": "purview", "path": "", "statuses": [403] * 1_000})
    failed = run("--direct", "--json", "--kind", "runs")
    assert (failed.exit_code, summary(failed)["failed"]) == (1, 1)
    assert "in a row could not be published, because of AccessDenied" in failed.stderr
    assert len(services(environment).dead_letters.list_open()) == 10
    run("--direct", "--json", "--kind", "runs")
    assert len(services(environment).dead_letters.list_open()) == 10
    emulator.control.faults()
    done = run("--direct", "--json", "--kind", "runs")
    assert (done.exit_code, summary(done)["published"]) == (0, 100 - summary(done)["skipped"])
    assert services(environment).dead_letters.list_open() == []


def test_lease_of_a_killed_worker_is_waited_for(
    run: Run, environment: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is most often the one of this very command when it was killed; a dead letter would be wrong."""
    monkeypatch.setattr(command, "LEASE_POLL", 0.2)
    state = services(environment).state
    root = QualifiedName(f"{WS}/runs/creditrisk_train")
    assert state.leases.acquire(root, holder="killed", duration=timedelta(seconds=2))
    result = run("--direct", "--json", "--kind", "runs")
    assert (result.exit_code, summary(result)["dead_lettered"]) == (0, 0)


def test_parts_that_differ_have_checkpoints_of_their_own() -> None:
    """What is on the queue is not published yet."""
    workspace = WorkspaceId.parse(WORKSPACE)
    names = {
        Section(workspace, kind, direct=direct).note_name for kind in ("runs", "models") for direct in (True, False)
    }
    assert len(names) == 4
