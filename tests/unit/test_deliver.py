"""Deliveries in the Functions host: what may get better waits as a copy, all else is dead-lettered, nothing is lost."""

import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.errors import (
    AccessDeniedError,
    ConfigurationError,
    LeaseHeldError,
    RequestRefusedError,
    RunNotSettledError,
    ServiceUnavailableError,
    TransientError,
)
from shared.intake.deliver import Patience
from shared.intake.message import REPLAY, MessageBody
from shared.state.ports import Message
from shared.state.sqlite import Database, SqliteQueue
from tests.harness.fakes import NOON, FakeClock, FakeQueue
from tests.unit.deliveries import COMPLETED, PLAIN, Desk
from tests.unit.examples import event_grid, ws

BODY = MessageBody(
    COMPLETED,
    "op-1",
    source=REPLAY,
    received_at=NOON.isoformat(),
    traceparent="00-11111111111111111111111111111111-2222222222222222-01",
    deferrals=2,
    closes="letter-1",
)
UNREADABLE = MessageBody("not json", "op-1")
LAST = Patience().deferrals
SOON = NOON + timedelta(minutes=4)
BUSY = ServiceUnavailableError("busy")
HELD = LeaseHeldError("held")


@pytest.fixture
def desk() -> Iterator[Desk]:
    database = Database(":memory:", now=FakeClock())
    yield Desk(database)
    database.close()


@pytest.mark.parametrize("error", [BUSY, AccessDeniedError("role"), RunNotSettledError("soon")])
def test_transient_failure_leaves_the_same_message_as_a_copy(desk: Desk, error: TransientError) -> None:
    """The host's few attempts are not used up; only the count of deferrals differs."""
    desk.source.failures = [error]
    outcome = desk.publish(BODY)
    assert (outcome.outcome, outcome.reason) == ("deferred", f"{error.reason}: {error}")
    assert desk.queue.bodies == [BODY.deferred()]
    assert desk.queue.bodies[0].deferrals == 3
    assert (desk.letters(), desk.dead_letters.closed) == ([], set())


@pytest.mark.parametrize(("error", "seconds"), [(BUSY, [30, 60, 120]), (LeaseHeldError("held"), [2, 4, 8])])
def test_copy_waits_twice_as_long_each_time(desk: Desk, error: TransientError, seconds: list[int]) -> None:
    """An outage is not helped by haste; another worker is done in seconds."""
    for _ in seconds:
        desk.source.failures = [error]
        desk.publish(desk.queue.bodies[-1] if desk.queue.bodies else PLAIN)
    assert [delay.total_seconds() for delay in desk.queue.delays] == seconds


@pytest.mark.parametrize(
    ("error", "deferrals", "seconds"),
    [
        (BUSY, 7, 3_600),
        (BUSY, 10_000, 3_600),
        (LeaseHeldError("held"), 29, 60),
        (ServiceUnavailableError("busy", retry_after=31.5), 0, 31.5),
        (ServiceUnavailableError("busy", retry_after=29), 0, 30),
        (ServiceUnavailableError("busy", retry_after=86_400), 0, 3_600),
    ],
    ids=["long outage", "any count", "lease", "asked for longer", "asked for shorter", "asked for a day"],
)
def test_wait_has_bounds(error: TransientError, deferrals: int, seconds: float) -> None:
    """Retry-After may lengthen a wait, never shorten it, and nothing makes it longer than an hour."""
    assert Patience().delay(error, deferrals).total_seconds() == seconds


def test_all_waits_together_are_about_a_day() -> None:
    """An outage must last that long before a person is asked."""
    waits = [Patience().delay(BUSY, deferrals) for deferrals in range(LAST)]
    assert timedelta(hours=20) < sum(waits, timedelta(0)) < timedelta(hours=30)


def test_message_comes_back_when_its_copy_cannot_be_stored(desk: Desk) -> None:
    """Else it would be gone from the queue and nowhere else."""
    desk.source.failures, desk.queue.failures = [BUSY], [AccessDeniedError("no role on the queue")]
    with pytest.raises(AccessDeniedError):
        desk.publish()
    assert (desk.queue.messages, desk.letters()) == ([], [])


def test_message_deferred_too_often_is_dead_lettered_with_the_last_reason(desk: Desk) -> None:
    """A day is enough; the attempts that are reported are all of them, not the host's."""
    patient, impatient = MessageBody(COMPLETED, "a", deferrals=LAST - 1), MessageBody(COMPLETED, "b", deferrals=LAST)
    desk.source.failures = [BUSY, AccessDeniedError("no role")]
    assert [desk.publish(patient).outcome, desk.publish(impatient).outcome] == ["deferred", "dead_lettered"]
    assert desk.letters() == [("b", "AccessDenied", "no role", LAST + 1)]
    assert len(desk.queue.messages) == 1


@pytest.mark.parametrize("failure", [BUSY, OSError("disk full")])
def test_message_deferred_too_often_comes_back_when_dead_lettering_fails(desk: Desk, failure: Exception) -> None:
    """Rather one attempt too many than one message too few."""
    desk.source.failures, desk.dead_letters.failures = [BUSY], [failure]
    with pytest.raises(type(failure)):
        desk.publish(MessageBody(COMPLETED, "op-1", deferrals=LAST))
    assert desk.queue.messages == []


def test_bad_event_whose_dead_letter_cannot_be_stored_is_kept(desk: Desk) -> None:
    """As a copy while its storage is unavailable, as one that counts after any other failure, and never as if done."""
    desk.dead_letters.failures = [BUSY, OSError("disk full")]
    assert desk.publish(UNREADABLE).outcome == "deferred"
    assert desk.publish(UNREADABLE).outcome == "deferred"
    assert desk.queue.bodies == [UNREADABLE.deferred(), UNREADABLE.failed()]


@pytest.mark.parametrize(("body", "letter"), [(PLAIN, "op-1"), (BODY, "letter-1")], ids=["event", "replay"])
def test_dead_letter_is_named_so_that_a_second_one_replaces_it(desk: Desk, body: MessageBody, letter: str) -> None:
    """The host may bring a message again after it was dead-lettered; a replayed dead letter is open once more."""
    desk.source.failures = [RequestRefusedError("no", status=400), RequestRefusedError("still no", status=400)]
    desk.publish(body)
    desk.publish(body, attempt=2)
    assert desk.letters() == [(letter, "RequestRefused", "still no", 2)]


def test_success_closes_the_dead_letter_that_was_replayed(desk: Desk) -> None:
    """And no other."""
    assert desk.publish(BODY).outcome == "published"
    assert desk.dead_letters.closed == {"letter-1"}
    assert ws("runs/train") in desk.catalog.entities


def test_defect_waits_as_a_copy_five_times_and_is_dead_lettered_with_its_last_reason(desk: Desk) -> None:
    """The host counts deliveries, also those that were no attempt; what fails is counted here, without secrets."""
    desk.source.failures = [*map(ValueError, "1234"), KeyError("https://h/c?sig=hunter2")]
    body = replace(BODY, deferrals=0)
    outcomes = []
    for _ in range(5):
        outcomes.append(desk.publish(body).outcome)
        body = desk.queue.bodies[-1]
    assert outcomes == ["deferred"] * 4 + ["dead_lettered"]
    assert [each.failures for each in desk.queue.bodies] == [1, 2, 3, 4]
    waits = [delay.total_seconds() for delay in desk.queue.delays]
    assert all(first <= wait < 2 * first for first, wait in zip((30, 60, 120, 240), waits, strict=True))
    assert desk.letters() == [("letter-1", "UnexpectedKeyError", "'https://h/c'", 5)]
    assert desk.notes.get("failure/op-1") is None


def test_defect_is_logged_with_where_it_was_and_without_its_words(desk: Desk, caplog: pytest.LogCaptureFixture) -> None:
    """The host does not see it, so the line of the outcome has to name the place in the code."""
    desk.source.failures = [ValueError("hunter2")]
    with caplog.at_level(logging.INFO, logger="shared"):
        desk.publish()
    [line] = caplog.records
    assert "get_run_tree" in line.__dict__["traceback"]
    assert "hunter2" not in line.__dict__["traceback"]


def in_another_process(desk: Desk, name: str) -> None:
    desk.deliveries = replace(desk.deliveries, process=name)


def die(desk: Desk, body: MessageBody, *, attempt: int) -> None:
    """Let the process end in the middle of an attempt: nothing is done any more."""
    desk.source.failures = [KeyboardInterrupt()]  # type: ignore[list-item]
    with pytest.raises(KeyboardInterrupt):
        desk.publish(body, attempt=attempt)


def test_message_that_ends_its_process_each_time_is_dead_lettered_with_that_reason(desk: Desk) -> None:
    """After six or so; no exception says why, and the host would go on for hours."""
    body, attempt, ended = PLAIN, 1, 0
    while not desk.letters():
        in_another_process(desk, f"after {ended}")
        desk.source.failures = [KeyboardInterrupt()]  # type: ignore[list-item]
        try:
            desk.publish(body, attempt=attempt)
        except KeyboardInterrupt:
            ended, attempt = ended + 1, attempt + 1
        else:
            body, attempt = desk.queue.bodies[-1], 1
    [(_, reason, detail, attempts)] = desk.letters()
    assert (reason, attempts, ended) == ("ProcessEnded", 5, 6)
    assert detail.startswith("the process ended during the attempt")


def test_message_that_another_one_took_along_is_published(desk: Desk) -> None:
    """It waits by itself, for another time than the others that were in the process, and then nothing is wrong."""
    in_another_process(desk, "first")
    die(desk, PLAIN, attempt=2)
    in_another_process(desk, "second")
    assert desk.publish(PLAIN, attempt=3).outcome == "deferred"
    assert desk.publish(desk.queue.bodies[-1]).outcome == "published"
    assert (desk.letters(), desk.notes.get("failure/op-1")) == ([], None)


def test_message_that_comes_back_to_the_process_that_has_it_was_not_interrupted(desk: Desk) -> None:
    """The process lives, so it did not end."""
    die(desk, PLAIN, attempt=2)
    assert desk.publish(PLAIN, attempt=3).outcome == "published"


def test_first_attempt_costs_no_note(desk: Desk) -> None:
    """Only a message that came back may have a past."""
    desk.publish()
    assert desk.notes.calls == ["put"]  # of the last event


@pytest.mark.parametrize(
    "error",
    [ConfigurationError(["LINEAGE_OPENLINEAGE_OUT: is wrong"]), ImportError("no module named azure.ai.ml")],
    ids=["setting", "package"],
)
def test_failure_to_start_is_no_attempt_at_the_message(desk: Desk, error: Exception) -> None:
    """However often: the host brings it back, and nothing of it counts."""
    for attempt in range(1, 30):
        desk.source.failures = [error]
        with pytest.raises(type(error)):
            desk.publish(attempt=attempt)
    assert (desk.queue.messages, desk.letters()) == ([], [])
    assert desk.publish(attempt=30).outcome == "published"


def test_copy_that_the_queue_never_takes_is_a_dead_letter(desk: Desk) -> None:
    """One of 64 KiB that Event Grid itself has put there is too large to wait; its own reason comes first."""
    desk.source.failures, desk.queue.failures = [BUSY], [RequestRefusedError("HTTP 413", status=413)]
    assert desk.publish().outcome == "dead_lettered"
    assert desk.letters() == [("op-1", "ServiceUnavailable", "busy; nor could it wait: HTTP 413", 1)]


def test_poison_goes_back_to_the_queue_however_often(desk: Desk) -> None:
    """It is there because the app could not start; that is not its fault. From the second time it waits longer."""
    body = PLAIN
    for _ in range(3):
        assert desk.collect(body).reason.startswith("CouldNotStart: ")
        body = desk.queue.bodies[-1]
    assert body == PLAIN.taken_back()
    assert [delay.total_seconds() for delay in desk.queue.delays] == [0, 3_600, 3_600]
    assert desk.letters() == []


def test_poison_of_a_storage_that_refused_goes_back_each_time(desk: Desk) -> None:
    """The outcome says what the storage said."""
    for _ in range(2):
        desk.source.failures, desk.queue.failures = [BUSY], [AccessDeniedError("no role on the queue")]
        with pytest.raises(AccessDeniedError):
            desk.publish(attempt=20)
        desk.collect(desk.queue.bodies[-1] if desk.queue.bodies else PLAIN)
    assert [delay.total_seconds() for delay in desk.queue.delays] == [0, 3_600]
    assert desk.letters() == []
    assert desk.publish(desk.queue.bodies[-1]).outcome == "published"
    assert desk.notes.get("failure/op-1") is None


def test_poison_that_cannot_be_put_back_stays(desk: Desk) -> None:
    """The host brings it again."""
    desk.queue.failures = [BUSY]
    with pytest.raises(ServiceUnavailableError):
        desk.collect()
    assert (desk.queue.messages, desk.letters()) == ([], [])


def test_poison_queue_is_drained_without_the_host(desk: Desk) -> None:
    """Where its trigger does not run, nothing else would; also what is no message of ours."""
    poison = FakeQueue(PLAIN.to_json(), "{this is no JSON")
    assert desk.deliveries.drain_poison(poison, SOON) == 0
    assert (poison.messages, desk.letters()) == ([], [])
    assert [(body.event, body.returned) for body in desk.queue.bodies] == [
        (PLAIN.event, True),
        ("{this is no JSON", True),
    ]


def test_message_that_cannot_be_taken_back_costs_the_others_nothing(desk: Desk) -> None:
    """It stays on the poison queue, hidden for a while."""
    poison = SqliteQueue(desk.database)
    for body in (PLAIN, replace(PLAIN, operation_id="op-2")):
        poison.put(body.to_json())
    desk.queue.failures = [BUSY]
    assert desk.deliveries.drain_poison(poison, SOON) == 1
    assert [body.operation_id for body in desk.queue.bodies] == ["op-2"]


class Poison(FakeQueue):
    """Counts the pages; each message takes a second, and of some the delete is refused."""

    def __init__(self, clock: FakeClock, count: int, refused: int = 0) -> None:
        super().__init__(*(replace(PLAIN, operation_id=f"op-{number}").to_json() for number in range(count)))
        self._clock, self._refused = clock, refused
        self.pages = 0

    def receive_page(self, *, visibility: timedelta) -> Sequence[Message]:
        self.pages += 1
        return super().receive_page(visibility=visibility)

    def delete(self, message: Message) -> None:
        self._clock.time += timedelta(seconds=1)
        if int(message.id) < self._refused:
            raise AccessDeniedError("no role to delete")
        super().delete(message)


def test_poison_queue_is_drained_for_as_long_as_there_is_time(desk: Desk) -> None:
    """A long outage leaves more than one tick can take, and what is left waits for the next."""
    poison = Poison(desk.clock, 20_000)
    assert desk.deliveries.drain_poison(poison, NOON + timedelta(seconds=100)) == 19_900
    assert (poison.pages, len(desk.queue.bodies)) == (4, 100)
    assert desk.deliveries.drain_poison(poison, desk.clock()) == 19_900
    assert poison.pages == 4


def test_message_of_the_poison_queue_that_fails_costs_the_others_nothing(desk: Desk) -> None:
    """Whatever its failure is: a delete that is refused, or a defect of ours."""
    poison = Poison(desk.clock, 40, refused=1)
    desk.queue.failures = [ValueError("a defect")]
    assert desk.deliveries.drain_poison(poison, SOON) > 0
    assert {body.operation_id for body in desk.queue.bodies} == {f"op-{number}" for number in range(40)}


def test_page_of_the_poison_queue_that_fails_as_a_whole_ends_it(desk: Desk) -> None:
    """The storage is down: that costs one page and not the tick."""
    poison = Poison(desk.clock, 500)
    desk.queue.failures = [BUSY] * 500
    assert desk.deliveries.drain_poison(poison, SOON) == 500
    assert (poison.pages, len(desk.queue.failures)) == (1, 500 - 32)


def test_empty_poison_queue_costs_one_request(desk: Desk) -> None:
    """With each tick."""

    class Counted(FakeQueue):
        def receive_page(self, *, visibility: timedelta) -> Sequence[Message]:
            raise AssertionError("nothing is there")

    assert desk.deliveries.drain_poison(Counted(), SOON) == 0


@pytest.mark.parametrize("body", [PLAIN, UNREADABLE], ids=["published", "dead-lettered"])
def test_note_is_forgotten_when_a_later_attempt_ends_well(desk: Desk, body: MessageBody) -> None:
    """It explains nothing any more."""
    desk.notes.put("failure/op-1", {"reason": "UnexpectedKeyError", "detail": "x", "attempt": 1})
    desk.publish(body, attempt=2)
    assert desk.notes.get("failure/op-1") is None


def test_failure_that_cannot_be_noted_is_still_the_one_that_is_reported(desk: Desk) -> None:
    """The host logs what the storage said, and beside it why there will be no note."""
    desk.source.failures, desk.queue.failures = [KeyError("x")], [ServiceUnavailableError("the queue is down")]
    desk.notes.failures = [AccessDeniedError("no role on the table")]
    with pytest.raises(ServiceUnavailableError) as raised:
        desk.publish()
    assert raised.value.__notes__ == ["Nor could this failure be noted: no role on the table"]


def ended(event_type: str, **data: str) -> MessageBody:
    event = event_grid(event_type, "experiments/e/runs/train", {"runId": "train", **data})
    return MessageBody(json.dumps({**event, "eventTime": (NOON - timedelta(minutes=1)).isoformat()}), "op-2")


def test_second_event_about_the_end_of_a_run_asks_azure_ml_nothing(desk: Desk) -> None:
    """A run that completes changes its status and is completed: two events, one reading."""
    assert desk.publish(ended("RunStatusChanged", runStatus="Completed")).outcome == "published"
    desk.source.calls.clear()
    assert desk.publish(ended("RunCompleted")).outcome == "skipped"
    assert desk.source.calls == []


def test_event_that_is_replayed_is_read_again(desk: Desk) -> None:
    """A person asks for it because something has changed since."""
    desk.publish(ended("RunCompleted"))
    desk.source.calls.clear()
    desk.publish(replace(ended("RunCompleted"), source=REPLAY))
    assert desk.source.calls


def test_event_after_the_last_reading_is_read(desk: Desk) -> None:
    """A run that was resumed completes twice."""
    desk.publish(ended("RunCompleted"))
    desk.source.calls.clear()
    later = json.loads(COMPLETED) | {"eventTime": (NOON + timedelta(minutes=1)).isoformat()}
    desk.publish(replace(PLAIN, event=json.dumps(later)))
    assert desk.source.calls


def test_lease_is_waited_for_a_day_by_the_clock(desk: Desk) -> None:
    """However often that is: a tree of ten thousand entities is written for longer than a few waits take."""
    waiting = []
    desk.source.failures = [HELD for _ in range(2_000)]
    while desk.publish(desk.queue.bodies[-1] if desk.queue.bodies else PLAIN).outcome == "deferred":
        waiting.append(desk.queue.delays[-1])
        desk.clock.time += desk.queue.delays[-1]
    assert timedelta(hours=24) <= sum(waiting, timedelta(0)) < timedelta(hours=25)
    assert [letter[1] for letter in desk.letters()] == ["LeaseHeld"]


def test_waits_for_a_lease_do_not_count_for_an_outage_nor_the_other_way_round(desk: Desk) -> None:
    """After many of the one, the other begins as it does in a new message."""
    body, delays = PLAIN, []
    for error in [*[HELD] * 29, BUSY, HELD]:
        desk.source.failures = [error]
        assert desk.publish(body).outcome == "deferred"
        body = desk.queue.bodies[-1]
        delays.append(desk.queue.delays[-1].total_seconds())
    assert delays[-3:] == [60, 30, 2]
    assert (body.deferrals, body.lease_waits, body.lease_since) == (1, 1, NOON.isoformat(timespec="seconds"))
    desk.clock.time += timedelta(days=2)
    desk.source.failures = [BUSY, HELD]
    assert desk.publish(body).outcome == "deferred"
    assert desk.publish(desk.queue.bodies[-1]).outcome == "deferred", "a lease that is held for the first time in days"


def test_message_that_waits_for_a_lease_is_the_same_but_for_that(desk: Desk) -> None:
    """When it began is kept from the first of its waits."""
    desk.source.failures = [HELD]
    assert desk.publish(BODY).outcome == "deferred"
    assert desk.queue.bodies == [BODY.waiting_for_lease(NOON)]
    later = BODY.waiting_for_lease(NOON).waiting_for_lease(NOON + timedelta(hours=1))
    assert (later.lease_waits, later.lease_since) == (2, BODY.waiting_for_lease(NOON).lease_since)


def test_ledger_says_why_what_was_waited_for_in_vain_is_missing(desk: Desk) -> None:
    """Else `status` would say that no event has been published yet."""
    desk.source.failures = [AccessDeniedError("no role")]
    assert desk.publish(replace(PLAIN, deferrals=LAST)).outcome == "dead_lettered"
    row = desk.ledger.get_rows([ws("runs/train")])[ws("runs/train")]
    assert (row.outcome, row.reason) == ("dead_lettered", "AccessDenied: no role")
