"""What was dead-lettered, by us or by Event Grid, is replayed: success closes it, failure keeps it."""

import json
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta

import pytest
from azure.storage.blob import ContainerClient
from click.testing import CliRunner, Result

from cli import session
from cli.main import cli as lineage
from emulator.azurite import Azurite as AzuriteServer
from emulator.event_grid.undelivered import Failure, to_file
from emulator.server import Emulator
from shared.bootstrap import Services
from shared.settings import Azurite, Settings
from shared.state.azure_storage import UNDELIVERED
from shared.state.ports import DeadLetter
from tests.harness.app import AT_ONCE, WS, App, run_completed
from tests.harness.storage import empty

Run = Callable[..., Result]
NAME = "ml-events/lineage/2026/7/1/10/1.json"


@pytest.fixture
def run(environment: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `lineage replay` with these settings; messages that come back do so at once."""
    monkeypatch.setattr(session, "DIRECT_REDELIVERY", AT_ONCE)

    def invoke(*arguments: str, stdin: str = "") -> Result:
        return CliRunner().invoke(lineage, ["replay", *arguments], input=stdin, env=environment)

    return invoke


@pytest.fixture
def deployed(emulator: Emulator, environment: Mapping[str, str]) -> App:
    """The app with the state that is replayed from."""
    return App(emulator, Services(Settings.from_env(environment)))


@pytest.fixture
def container(environment: dict[str, str], azurite_server: AzuriteServer) -> Iterator[ContainerClient]:
    """The app on Azurite, and the container where Event Grid leaves what it could not deliver."""
    environment["LINEAGE_STORAGE"] = f"azurite:{azurite_server.base_port}"
    storage = empty(Azurite(azurite_server.base_port))
    yield storage.container(UNDELIVERED)
    storage.close()


def set_aside(app: App, *runs: str, reason: str = "AccessDenied") -> list[DeadLetter]:
    """Dead-letter the completion of runs."""
    put = app.services.dead_letters.put
    return [put(reason=reason, detail="HTTP 403", body=run_completed(name), attempts=30) for name in runs]


def undelivered(*runs: str) -> bytes:
    """Make a file of events as Event Grid leaves it."""
    noon = datetime.fromisoformat("2026-07-01T12:00:00Z")
    events = [json.loads(run_completed(name)) for name in runs]
    return to_file(events, Failure(30, "Unauthorized", noon, noon), lower_case=False)


def open_letters(app: App) -> dict[str, str]:
    """Return the reason of each open dead letter by its id."""
    return {letter.id: letter.reason for letter in app.services.dead_letters.list_open()}


def names(container: ContainerClient) -> list[str]:
    return sorted(container.list_blob_names())


def test_dead_letter_is_closed_when_its_replay_succeeds(run: Run, deployed: App) -> None:
    """Published here and now."""
    set_aside(deployed, "creditrisk_train", "creditrisk_pipeline")
    result = run("--dead-letters", "--direct")
    assert result.exit_code == 0
    assert "2 published" in result.stdout
    assert open_letters(deployed) == {}
    assert deployed.entity(f"{WS}/runs/creditrisk_train")


def test_dead_letter_is_replaced_when_its_replay_fails(run: Run, deployed: App) -> None:
    """The same id, the new reason: it is counted once, however often it fails."""
    [good, gone] = set_aside(deployed, "creditrisk_train", "gone")
    for _ in range(2):
        result = run("--dead-letters", "--direct", "--json")
        assert result.exit_code == 1
        assert open_letters(deployed) == {gone.id: "RecordNotFound"}
    assert good.id not in open_letters(deployed)


def test_dead_letter_on_the_queue_stays_open_until_it_has_ended(run: Run, deployed: App) -> None:
    """The app closes it, or replaces it, when it comes to the message."""
    [_, gone] = set_aside(deployed, "creditrisk_train", "gone")
    result = run("--dead-letters")
    assert (result.exit_code, result.stdout) == (0, "2 events are on the queue.\n")
    assert len(open_letters(deployed)) == 2
    while message := deployed.services.queue.receive(visibility=timedelta(minutes=10)):
        deployed.services.deliveries.publish(message)
        deployed.services.queue.delete(message)
    assert open_letters(deployed) == {gone.id: "RecordNotFound"}


def test_transient_failure_of_a_replay_replaces_the_dead_letter(run: Run, deployed: App) -> None:
    """The role is still missing."""
    [letter] = set_aside(deployed, "creditrisk_train", reason="ServiceUnavailable")
    deployed.emulator.control.faults({"service": "azure_ml", "path": "", "statuses": [403] * 50})
    assert run("--dead-letters", "--direct").exit_code == 1
    assert open_letters(deployed) == {letter.id: "AccessDenied"}


def test_what_is_no_event_stays_a_dead_letter_as_it_came(run: Run, deployed: App) -> None:
    """A replay does not make it any better, nor two of it."""
    letter = deployed.services.dead_letters.put(reason="MalformedEvent", detail="", body='{"id": ', attempts=1)
    assert run("--dead-letters", "--direct").exit_code == 1
    [kept] = deployed.services.dead_letters.list_open()
    assert (kept.id, kept.reason, kept.body) == (letter.id, "MalformedEvent", '{"id": ')


def test_reason_time_and_id_choose_what_is_replayed(run: Run, deployed: App) -> None:
    """The others stay as they are."""
    [first, second] = set_aside(deployed, "creditrisk_train", "creditrisk_pipeline")
    [other] = set_aside(deployed, "gone", reason="LeaseHeld")
    tomorrow = (deployed.services.now() + timedelta(days=1)).isoformat()
    assert "nothing to replay" in run("--dead-letters", "--since", tomorrow).stdout
    assert json.loads(run("--dead-letters", "--reason", "LeaseHeld", "--json").stdout) == {"enqueued": 1}
    assert run("--dead-letters", "--id", first.id, "--direct").exit_code == 1  # what was put on the queue before
    assert set(open_letters(deployed)) == {second.id, other.id}
    missing = run("--dead-letters", "--id", first.id)
    assert missing.exit_code == 2
    assert first.id in missing.stderr


def test_dry_run_prints_what_would_be_written_and_leaves_all_as_it_is(run: Run, deployed: App) -> None:
    """Neither catalog nor queue nor dead letters."""
    set_aside(deployed, "creditrisk_train")
    before = deployed.emulator.control.state()["purview"]
    result = run("--dead-letters", "--dry-run")
    assert result.exit_code == 0
    assert f"{WS}/runs/creditrisk_train" in result.stdout
    assert deployed.emulator.control.state()["purview"] == before
    assert (deployed.services.queue.count(), len(open_letters(deployed))) == (0, 1)


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("-", "--dead-letters"),
        ("-", "--undelivered"),
        ("--dead-letters", "--undelivered"),
        ("-", "--reason", "AccessDenied"),
        ("--undelivered", "--id", "x"),
        ("-", "--since", "2026-07-01"),
        ("--dead-letters", "--since", "yesterday"),
        ("--dead-letters", "--force"),
    ],
)
def test_options_that_do_not_go_together_are_wrong_usage(run: Run, arguments: tuple[str, ...]) -> None:
    """Nothing is read or written."""
    result = run(*arguments, stdin=run_completed("creditrisk_train"))
    assert result.exit_code == 2
    assert "--" in result.stderr


def test_undelivered_events_need_a_storage_account(run: Run) -> None:
    """Event Grid leaves nothing in a SQLite file."""
    result = run("--undelivered")
    assert result.exit_code == 2
    assert "LINEAGE_STORAGE is a SQLite file" in result.stderr


def test_undelivered_events_are_enqueued_and_their_file_is_moved(
    run: Run, deployed: App, container: ContainerClient, environment: dict[str, str]
) -> None:
    """A second time there is nothing to do."""
    container.upload_blob(NAME, undelivered("creditrisk_train", "creditrisk_pipeline"))
    result = run("--undelivered", "--json")
    assert (result.exit_code, json.loads(result.stdout)) == (0, {"enqueued": 2})
    assert names(container) == [f"replayed/{NAME}"]
    again = run("--undelivered")
    assert (again.exit_code, again.stdout) == (0, "There is nothing to replay.\n")
    services = Services(Settings.from_env(environment))
    outcomes = []
    while message := services.queue.receive(visibility=timedelta(minutes=10)):
        outcomes.append(services.deliveries.publish(message).outcome)
        services.queue.delete(message)
    services.state.close()
    assert outcomes == ["published", "published"]
    assert deployed.entity(f"{WS}/runs/creditrisk_train")


@pytest.mark.parametrize("content", [b"\xff\xfe", b'[{"id": "e1", ', b'"an event"', b""])
def test_undelivered_file_that_cannot_be_read_is_reported_and_left(
    run: Run, container: ContainerClient, content: bytes
) -> None:
    """The files beside it are replayed all the same."""
    container.upload_blob("ml-events/lineage/2026/7/1/9/0.json", content)
    container.upload_blob(NAME, undelivered("creditrisk_train"))
    result = run("--undelivered")
    assert result.exit_code == 1
    assert "9/0.json: left where it is" in result.stdout
    assert "1 event is on the queue." in result.stdout
    assert names(container) == ["ml-events/lineage/2026/7/1/9/0.json", f"replayed/{NAME}"]


def test_undelivered_file_stays_if_one_of_its_events_cannot_be_enqueued(
    run: Run, container: ContainerClient, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is read again as a whole; the same event twice gives the same catalog."""
    from shared.errors import ServiceUnavailableError
    from shared.state.azure_messages import AzureQueue

    put, left = AzureQueue.put, [1]

    def put_one(self: AzureQueue, body: str) -> None:
        if not left:
            raise ServiceUnavailableError("the queue is down")
        left.pop()
        put(self, body)

    container.upload_blob(NAME, undelivered("creditrisk_train", "creditrisk_pipeline"))
    with monkeypatch.context() as patch:
        patch.setattr(AzureQueue, "put", put_one)
        result = run("--undelivered")
    assert result.exit_code == 1
    assert "ServiceUnavailable" in result.stderr
    assert names(container) == [NAME]
    assert json.loads(run("--undelivered", "--json").stdout) == {"enqueued": 2}
    assert names(container) == [f"replayed/{NAME}"]


def test_undelivered_files_are_chosen_by_time_and_a_dry_run_moves_none(run: Run, container: ContainerClient) -> None:
    """The time is that at which Event Grid gave up."""
    container.upload_blob(NAME, undelivered("creditrisk_train"))
    assert "nothing to replay" in run("--undelivered", "--since", "2100-01-01").stdout
    planned = run("--undelivered", "--dry-run", "--since", "2020-01-01")
    assert planned.exit_code == 0
    assert f"{WS}/runs/creditrisk_train" in planned.stdout
    assert names(container) == [NAME]


def test_undelivered_events_can_be_published_here(run: Run, deployed: App, container: ContainerClient) -> None:
    """What fails is a dead letter now, so its file is done with as well."""
    container.upload_blob(NAME, undelivered("creditrisk_train", "gone"))
    result = run("--undelivered", "--direct")
    assert result.exit_code == 1
    assert "1 dead-lettered, 1 published" in result.stdout
    assert names(container) == [f"replayed/{NAME}"]
    assert deployed.entity(f"{WS}/runs/creditrisk_train")


def test_discarding_closes_without_replaying_anything(run: Run, deployed: App) -> None:
    """What can never be published must not hide the next one."""
    set_aside(deployed, "creditrisk_train", reason="MalformedEvent")
    kept = set_aside(deployed, "creditrisk_preprocess")
    done = run("--dead-letters", "--reason", "MalformedEvent", "--discard")
    assert (done.exit_code, done.output) == (0, "1 closed.\n")
    assert deployed.services.dead_letters.list_open() == kept
    assert deployed.services.queue.count() == 0
    assert deployed.writes() == 0


@pytest.mark.parametrize(
    "arguments",
    [("--dead-letters", "--discard"), ("--dead-letters", "--reason", "AccessDenied", "--discard", "--dry-run")],
)
def test_discarding_everything_or_for_show_is_refused(run: Run, deployed: App, arguments: tuple[str, ...]) -> None:
    """There is no way back, so it takes a reason or an id."""
    letters = set_aside(deployed, "creditrisk_train")
    refused = run(*arguments)
    assert refused.exit_code == 2
    assert "--discard needs --reason or --id" in refused.output
    assert deployed.services.dead_letters.list_open() == letters
