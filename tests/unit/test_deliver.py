"""Deliveries in the Functions host: what may get better waits as a copy, all else is dead-lettered, nothing is lost."""

import json
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import pytest

from shared.errors import (
    AccessDeniedError,
    LeaseHeldError,
    RequestRefusedError,
    RunNotSettledError,
    ServiceUnavailableError,
    TransientError,
)
from shared.intake.deliver import Patience
from shared.intake.message import REPLAY, MessageBody
from shared.state.sqlite import Database
from tests.harness.fakes import NOON, FakeClock
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
BUSY = ServiceUnavailableError("busy")


@pytest.fixture
def desk() -> Iterator[Desk]:
    database = Database(":memory:", now=FakeClock())
    yield Desk(database)
    database.close()


@pytest.mark.parametrize("error", [BUSY, AccessDeniedError("role"), RunNotSettledError("soon"), LeaseHeldError("held")])
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
        (LeaseHeldError("held"), 29, 300),
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
    """As a copy while its storage is unavailable, by raising on any other failure, and never as if it were done."""
    desk.dead_letters.failures = [BUSY, OSError("disk full")]
    assert desk.publish(UNREADABLE).outcome == "deferred"
    assert desk.queue.bodies == [UNREADABLE.deferred()]
    with pytest.raises(OSError, match="disk full"):
        desk.publish(UNREADABLE)


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


def test_defect_comes_back_and_is_dead_lettered_as_last_noted(desk: Desk) -> None:
    """The poison queue gives no reason; what the last attempt noted does, free of secrets."""
    desk.source.failures = [ValueError("first"), KeyError("https://h/c?sig=hunter2")]
    for number, error in ((1, ValueError), (5, KeyError)):
        with pytest.raises(error):
            desk.publish(BODY, attempt=number)
    assert (desk.queue.messages, desk.letters()) == ([], [])
    assert "hunter2" not in str(desk.notes.get("failure/op-1"))
    assert desk.collect(BODY).outcome == "dead_lettered"
    assert desk.letters() == [("letter-1", "UnexpectedKeyError", "'https://h/c'", 5)]


def test_poison_without_a_note_says_so(desk: Desk) -> None:
    """A killed process leaves no reason; the event is kept all the same."""
    desk.collect()
    (letter,) = desk.dead_letters.letters
    assert (letter.id, letter.reason, letter.attempts) == ("op-1", "PoisonMessage", 0)
    assert json.loads(letter.body) == json.loads(COMPLETED)


def test_note_is_used_once(desk: Desk) -> None:
    """The same message may become poison again, for another reason."""
    desk.source.failures = [KeyError("x")]
    with pytest.raises(KeyError):
        desk.publish()
    desk.collect()
    desk.collect()
    assert [letter.reason for letter in desk.dead_letters.letters] == ["PoisonMessage"]


def test_note_is_kept_until_its_dead_letter_is_stored(desk: Desk) -> None:
    """The message stays on the poison queue, and the next try must still know the reason."""
    desk.source.failures, desk.dead_letters.failures = [KeyError("x")], [BUSY]
    for error, act in ((KeyError, desk.publish), (ServiceUnavailableError, desk.collect)):
        with pytest.raises(error):
            act()
    desk.collect()
    assert [letter.reason for letter in desk.dead_letters.letters] == ["UnexpectedKeyError"]


@pytest.mark.parametrize("body", [PLAIN, UNREADABLE], ids=["published", "dead-lettered"])
def test_note_is_forgotten_when_a_later_attempt_ends_well(desk: Desk, body: MessageBody) -> None:
    """It explains nothing any more."""
    desk.notes.put("failure/op-1", {"reason": "UnexpectedKeyError", "detail": "x", "attempt": 1})
    desk.publish(body, attempt=2)
    assert desk.notes.get("failure/op-1") is None


def test_failure_that_cannot_be_noted_is_still_the_one_that_is_reported(desk: Desk) -> None:
    """The host logs the defect itself, and beside it why there will be no note."""
    desk.source.failures, desk.notes.failures = [KeyError("x")], [AccessDeniedError("no role on the table")]
    with pytest.raises(KeyError) as raised:
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


@pytest.mark.parametrize("error", [BUSY, LeaseHeldError("held")], ids=["outage", "lease"])
def test_what_may_get_better_is_waited_for_about_a_day(error: TransientError) -> None:
    """Many models of one run have to take turns; an outage of a night is over in the morning."""
    patience = Patience()
    waits = [patience.delay(error, number) for number in range(1_000) if patience.allows(error, number)]
    assert timedelta(hours=20) < sum(waits, timedelta(0)) < timedelta(hours=30)
