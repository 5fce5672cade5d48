"""
The emulated Functions host listens to queues and timers as the genuine one, and ends as it does.

Measured with Extensions.Storage.Queues 5.3.10 and azure-functions-host 4.1037, or read in the extensions' source. On a
fast clock, the same for host and storage, ten minutes take two seconds.
"""

import base64
import json
import signal
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import pytest
import requests
from azure.storage.blob import BlobClient, ContainerClient

from emulator.azurite import Azurite
from emulator.clock import Clock
from emulator.functions_host.connections import HOST_CONTAINER
from emulator.functions_host.schedules import parse_schedule
from emulator.functions_host.timers import NEVER, Status, check
from tests.harness.function_host import wait_until
from tests.harness.small_app import SmallApp, hosted

SPEED = 300
TEN_MINUTES = 600 / SPEED
"""In real seconds."""
NOW = datetime(2026, 7, 1, 10, 2, 0, tzinfo=UTC)


@pytest.fixture
def app(tmp_path: Path, azurite_server: Azurite) -> SmallApp:
    """The small app, in real time."""
    return SmallApp(tmp_path, azurite_server.connection_string)


@pytest.fixture(scope="module")
def fast_azurite(azurite_installed: None) -> Iterator[tuple[Azurite, Clock]]:
    """Storage on a fast clock."""
    clock = Clock(SPEED)
    with Azurite(clock=clock) as azurite:
        yield azurite, clock


@pytest.fixture
def fast_app(tmp_path: Path, fast_azurite: tuple[Azurite, Clock]) -> SmallApp:
    """The small app on it."""
    return SmallApp(tmp_path, fast_azurite[0].connection_string)


@pytest.fixture
def fast(fast_azurite: tuple[Azurite, Clock]) -> list[str]:
    """What makes a host go by the same clock."""
    return ["--speed", str(SPEED), "--start", str(fast_azurite[1].start)]


def test_message_processed_is_deleted_and_had_its_metadata(app: SmallApp) -> None:
    """The function sees id, count, receipt and the three times."""
    app.put("hello")
    assert app.drive("result = [host.pump_once(work), host.pump_once(work)]") == [1, 0]
    [note] = app.notes("work")
    assert (note["body"], note["count"], note["pop"]) == ("hello", 1, True)
    assert all(2000 < year < 10_000 for year in note["years"])
    assert app.count() == 0


def test_message_that_is_gone_after_success_does_not_matter(app: SmallApp) -> None:
    """The function empties its queue; the host's own deletion finds nothing and is silent."""
    app.put("empty")
    with hosted(app.folder, app.environment, "--no-http") as process:
        wait_until(lambda: bool(app.notes("worked")))
        assert process.stop() == 0
    assert "cannot settle" not in process.stderr


def test_message_failing_too_often_is_copied_and_collected_at_once(app: SmallApp) -> None:
    """
    After maxDequeueCount attempts its body is on a queue created for it, with a new life of 7 days and a count of 0.

    The listener there is called by the one that wrote it, and would else poll a minute later.
    """
    app.configure(maxPollingInterval="01:00:00", maxDequeueCount=1)
    app.put("fail")
    app.drive("host.drain(30)", before="queues.FIRST_POLL = 60", listen=True)
    work, collected = app.notes()
    assert (collected["function"], collected["body"], collected["count"]) == ("collect", "fail", 1)
    assert collected["days"] == 7
    assert collected["at"] - work["at"] < 5


def test_message_failing_waits_for_the_visibility_timeout(app: SmallApp) -> None:
    """Below maxDequeueCount it stays, invisible as long as host.json says."""
    app.configure(visibilityTimeout="01:00:00")
    app.put("fail")
    assert app.drive("result = [host.pump_once(work), host.pump_once(work)]") == [1, 0]
    assert app.count() == 1


def test_message_taken_too_often_is_poison_before_it_is_run(app: SmallApp) -> None:
    """A host that dies in the function cannot fail it: the count alone decides at the next attempt."""
    app.put("kills")
    with app.queue() as client:
        for _ in range(2):
            [message] = client.receive_messages(visibility_timeout=60)
            client.update_message(message, visibility_timeout=0)
    assert app.drive("result = host.pump_once(work)") == 1
    assert app.notes() == []
    assert [base64.b64decode(body) for body in app.peek(app.poison)] == [b"kills"]


def test_message_without_encoding_is_poison_unseen(app: SmallApp) -> None:
    """A body that is not base64 never reaches the function, and on the poison queue neither."""
    app.put('{"plain": 1}', encode=False)
    assert app.drive("result = [host.pump_once(queue) for queue in (work, poison)]") == [1, 1]
    assert app.notes() == []
    assert app.count(app.poison) == 1


def test_message_failing_on_the_poison_queue_stays_there(app: SmallApp) -> None:
    """There is no poison queue of a poison queue: it stays invisible until its lease ends."""
    app.put("fail")
    result = app.drive("result = [host.pump_once(queue) for queue in (work, work, poison, poison)]", COLLECT="fail")
    assert result == [1, 1, 1, 0]
    assert app.count(app.poison) == 1


@pytest.mark.parametrize(("extension", "attempts"), [("5.3.7", 2), ("5.3.10", 4)])
def test_message_over_the_limit_on_the_poison_queue_goes_by_the_extension_s_version(
    fast_app: SmallApp, fast: list[str], extension: str, attempts: int
) -> None:
    """Every ten minutes it is received; from 5.3.8 on its function gets it each time, before that never again."""
    fast_app.put("fail", queue=fast_app.poison)
    environment = {**fast_app.environment, "COLLECT": "fail"}
    options = ["--no-http", "--no-timers", "--storage-extension", extension]
    with hosted(fast_app.folder, environment, *options, *fast):
        wait_until(lambda: bool(fast_app.notes("collect")))
        time.sleep(3.6 * TEN_MINUTES)
    notes = fast_app.notes("collect")
    assert [note["count"] for note in notes] == list(range(1, attempts + 1))
    assert notes[1]["at"] - notes[0]["at"] == pytest.approx(TEN_MINUTES, abs=1)
    with fast_app.queue(fast_app.poison) as client:
        wait_until(lambda: any(client.receive_messages(visibility_timeout=60)), TEN_MINUTES + 2)
    assert fast_app.count(fast_app.poison) == 1


def test_function_that_runs_longer_than_the_lease_keeps_its_message(fast_app: SmallApp, fast: list[str]) -> None:
    """It is renewed every five minutes: no second run, and the newest receipt deletes it."""
    fast_app.put(f"sleep:{2.3 * TEN_MINUTES}")
    with hosted(fast_app.folder, fast_app.environment, "--no-http", *fast):
        wait_until(lambda: bool(fast_app.notes("worked")))
        wait_until(lambda: fast_app.count() == 0)
    assert len(fast_app.notes("work")) == 1


def test_message_of_a_killed_host_comes_ten_minutes_after_it_was_received(fast_app: SmallApp, fast: list[str]) -> None:
    """Another host gets it, with the count one up."""
    fast_app.put("sleep:0.3")
    with hosted(fast_app.folder, fast_app.environment, "--no-http", *fast) as process:
        wait_until(lambda: bool(fast_app.notes("work")))
        assert process.stop(signal.SIGKILL) == -signal.SIGKILL
    with hosted(fast_app.folder, fast_app.environment, "--no-http", *fast):
        wait_until(lambda: len(fast_app.notes("work")) == 2)
    first, second = fast_app.notes("work")
    assert [first["count"], second["count"]] == [1, 2]
    assert second["at"] - first["at"] >= 0.9 * TEN_MINUTES


def test_listener_runs_batch_size_and_threshold_at_once(app: SmallApp) -> None:
    """Four messages wait for one another: two of a batch, and two more because the threshold allows them."""
    app.put(*["meet"] * 4)
    app.drive("host.drain(40)", listen=True)
    assert len(app.notes("worked")) == 4


def test_listener_asks_for_more_only_when_as_many_as_the_threshold_run(app: SmallApp) -> None:
    """Of three that run, with a threshold of two, one has to end before the fourth is received."""
    app.configure(batchSize=3, newBatchThreshold=2)
    app.put("sleep:1", "sleep:2", "sleep:2")
    with hosted(app.folder, app.environment, "--no-http"):
        wait_until(lambda: len(app.notes("work")) == 3)
        app.put("next")
        wait_until(lambda: len(app.notes("work")) == 4)
    [next_one] = [note for note in app.notes("work") if note["body"] == "next"]
    [first_end] = [note for note in app.notes("worked") if note["body"] == "sleep:1"]
    assert first_end["at"] <= next_one["at"] <= first_end["at"] + 0.9


def test_drain_names_the_queue_that_is_not_empty(app: SmallApp) -> None:
    """A message that waits out its timeout keeps the queue from being drained."""
    app.configure(visibilityTimeout="01:00:00")
    app.put("fail")
    code = "try:\n    host.drain(0.5)\nexcept TimeoutError as error:\n    result = str(error)"
    assert app.drive(code) == f"1 in {app.work}"


def test_host_asked_to_stop_receives_no_more_and_waits_for_what_runs(app: SmallApp) -> None:
    """What succeeds is deleted, what fails is given back, a request is answered; what comes meanwhile is left alone."""
    app.configure(visibilityTimeout="00:00:00")
    app.put("sleep:2", "sleep:2:fail")
    with hosted(app.folder, app.environment) as process:
        wait_until(lambda: len(app.notes("work")) == 2)
        process.popen.send_signal(signal.SIGTERM)
        time.sleep(0.5)
        app.put("later")
        with pytest.raises(requests.ConnectionError):
            requests.get(f"{process.url}/api/boom", timeout=5)
        assert process.stop(None) == 0
    assert [note["body"] for note in app.notes("worked")] == ["sleep:2"]
    with app.queue() as client:
        left = {base64.b64decode(each.content): each.dequeue_count for each in client.peek_messages(5)}
    assert left == {b"sleep:2:fail": 1, b"later": 0}


def test_function_that_runs_on_ten_seconds_after_the_stop_is_cut_off(fast_app: SmallApp, fast: list[str]) -> None:
    """Its message comes again ten minutes after it was last renewed, whatever host.json says, with a count of 2."""
    fast_app.configure(visibilityTimeout="00:00:00")
    fast_app.put("sleep:60")
    with hosted(fast_app.folder, fast_app.environment, "--no-http", *fast) as process:
        wait_until(lambda: bool(fast_app.notes("work")))
        stopped = time.time()
        assert process.stop() == 0
        cut_off = time.time()
    assert 9 < cut_off - stopped < 30
    with hosted(fast_app.folder, fast_app.environment, "--no-http", *fast):
        wait_until(lambda: len(fast_app.notes("work")) == 2)
    assert (fast_app.notes("work")[1]["count"], fast_app.notes("worked")) == (2, [])
    assert fast_app.notes("work")[1]["at"] - cut_off >= 0.3 * TEN_MINUTES


def test_function_at_its_timeout_takes_the_whole_worker_along(app: SmallApp) -> None:
    """Another message and a request that it had begun fail too; a new worker serves the same address and keys."""
    app.configure(members={"functionTimeout": "00:00:04"}, visibilityTimeout="00:00:00", maxDequeueCount=5)
    app.put("sleep:30")
    with hosted(app.folder, app.environment, "--no-timers") as process:
        wait_until(lambda: len(app.notes("work")) == 1)
        time.sleep(1)
        app.put("sleep:20")
        wait_until(lambda: len(app.notes("work")) == 2)
        assert requests.get(f"{process.url}/api/boom?do=sleep:20", timeout=20).status_code == 500
        wait_until(lambda: len(app.notes("work")) >= 4)
        assert process.admin("host/status")["state"] == "Running"
    notes = app.notes("work")
    assert {note["count"] for note in notes[2:4]} == {2}
    assert len({note["worker"] for note in notes[:2]}) == 1
    assert notes[0]["worker"] not in {note["worker"] for note in notes[2:4]}


@pytest.mark.parametrize(
    ("stored", "schedule", "expected"),
    [
        (None, "0 */15 * * * *", Status(NEVER, NOW + timedelta(minutes=13), NOW)),
        (
            Status(NOW - timedelta(minutes=17), NOW - timedelta(minutes=2), NOW - timedelta(minutes=17)),
            "0 */15 * * * *",
            Status(NOW - timedelta(minutes=17), NOW - timedelta(minutes=2), NOW - timedelta(minutes=17)),
        ),
        (
            Status(NOW - timedelta(minutes=17), NOW - timedelta(minutes=2), NOW - timedelta(minutes=17)),
            "0 30 3 * * *",
            Status(NEVER, NOW.replace(hour=3, minute=30) + timedelta(days=1), NOW - timedelta(minutes=17)),
        ),
        (
            Status(NOW - timedelta(minutes=17), NOW - timedelta(minutes=2), NOW - timedelta(minutes=17)),
            "0 59 * * * *",
            Status(NEVER, NOW.replace(hour=10, minute=59), NOW),
        ),
    ],
    ids=["never seen", "past due", "changed", "changed and past due by the new schedule"],
)
def test_timer_starts_with_what_was_stored_of_it(stored: Status | None, schedule: str, expected: Status) -> None:
    """Only the one that is past due by the schedule it had has a next run that is not later than now."""
    assert check(parse_schedule(schedule), stored, NOW) == expected


def test_timer_runs_when_a_test_fires_it(app: SmallApp) -> None:
    """The function learns whether it is late."""
    assert app.drive('result = [host.fire("tick").ok, host.fire("tick", past_due=True).ok]') == [True, True]
    assert [note["past_due"] for note in app.notes("tick")] == [False, True]


def test_timer_ticks_by_its_schedule_and_never_over_itself(fast_app: SmallApp, fast: list[str]) -> None:
    """A run that takes longer than the schedule allows is followed by the next one, late; no run at the start."""
    environment = {**fast_app.environment, "TICK": "0 */10 * * * *", "TICKS": f"sleep:{1.3 * TEN_MINUTES}"}
    with hosted(fast_app.folder, environment, "--no-http", "--no-queues", *fast):
        wait_until(lambda: len(fast_app.notes("ticked")) == 2)
    first, first_end, second, _ = fast_app.notes()[:4]
    assert [first["function"], first_end["function"], second["function"]] == ["tick", "ticked", "tick"]
    assert not first["past_due"]
    assert second["at"] - first_end["at"] < 0.5


def test_timer_past_due_at_the_start_runs_once(app: SmallApp) -> None:
    """Its next run was missed while no host was there; the host after that does not repeat it."""
    environment = {**app.environment, "TICK": "0 0 0 1 1 *"}
    with ContainerClient.from_connection_string(app.environment["Account"], HOST_CONTAINER) as container:
        for start, runs in (("never seen", 0), ("past due", 1), ("not any more", 1)):
            with hosted(app.folder, environment, "--no-queues") as process:
                host_id = process.admin("host/status")["id"]
                lock = container.get_blob_client(f"locks/{host_id}/Host.Functions.tick.Listener")
                blob = container.get_blob_client(f"timers/{host_id}/Host.Functions.tick/status")
                wait_until(partial(_is_listening, lock, blob))
                wait_until(partial(_has_run, app, runs))
                time.sleep(0.5)
                assert process.stop() == 0
            assert [note["past_due"] for note in app.notes("tick")] == [True] * runs
            if start == "never seen":
                last, missed = datetime(2024, 1, 1, tzinfo=UTC), datetime(2025, 1, 1, tzinfo=UTC)
                assert Status.parse(blob.download_blob().readall()).last == NEVER
                blob.upload_blob(json.dumps(Status(last, missed, last).to_json()), overwrite=True)
        assert Status.parse(blob.download_blob().readall()).next > datetime.now(UTC)


def _is_listening(lock: BlobClient, status: BlobClient) -> bool:
    """Whether the host has its lock on the timer and has written down when it runs next."""
    return bool(lock.exists() and lock.get_blob_properties().lease.state == "leased" and status.exists())


def _has_run(app: SmallApp, times: int) -> bool:
    return len(app.notes("ticked")) == times


def test_host_that_is_drained_takes_no_message_and_serves_on(app: SmallApp) -> None:
    """As before an instance is taken away."""
    with hosted(app.folder, app.environment) as process:
        answer = requests.post(f"{process.url}/admin/host/drain", headers=process.key("master"), timeout=20)
        assert answer.status_code == 202
        app.put("hello")
        time.sleep(1)
        assert requests.get(f"{process.url}/api/boom?do=well", timeout=20).status_code == 200
    assert app.notes() == []
