"""Replaying events by HTTP: nothing unread reaches the queue, and the answer says what became of each event."""

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from shared.bootstrap import Services
from shared.errors import ServiceUnavailableError
from shared.intake.allow_list import AllowList
from shared.intake.message import MESSAGE_LIMIT, REPLAY, MessageBody
from shared.intake.receive import RefusedBodyError
from shared.intake.replay import BODY_LIMIT, EVENT_LIMIT, replay_after_outage, replay_events
from shared.settings import Settings
from shared.state.ports import State, read_folder
from shared.state.sqlite import Database, SqliteLeases, SqliteLedger, SqliteNotes
from tests.harness.fakes import NOON, FakeClock, FakeDeadLetters, FakeQueue
from tests.unit.examples import ARM_ID, cloud_event, event_grid


class Desk:
    """Services whose queue and dead letters are fakes; whatever else they opened would need a network."""

    def __init__(self) -> None:
        self.fake_queue, self.fake_letters = FakeQueue(), FakeDeadLetters()
        self.services = Services(Settings("https://nowhere.invalid", (ARM_ID,), Path(":memory:")), FakeClock())
        database = Database(":memory:", now=FakeClock())
        ports = SqliteLedger(database), SqliteLeases(database), SqliteNotes(database)
        self.services.state = State(self.fake_queue, self.fake_letters, *ports, database.close, FakeQueue())

    def replay(self, *events: object, dry_run: bool = False, requester: str = "") -> list[dict[str, str]]:
        return self.post(json.dumps(events).encode(), dry_run=dry_run, requester=requester)

    def post(self, body: bytes, *, dry_run: bool = False, requester: str = "") -> list[dict[str, str]]:
        return self.replay_with(self.services, body, dry_run=dry_run, requester=requester)

    @staticmethod
    def replay_with(
        services: Services, body: bytes, *, dry_run: bool = False, requester: str = ""
    ) -> list[dict[str, str]]:
        return replay_events(
            body,
            headers={"content-length": str(len(body)), "x-ms-client-principal-name": requester},
            dry_run=dry_run,
            allowed=services.allowed,
            open_state=lambda: services.state,
            now=services.now,
        )

    @property
    def queued(self) -> list[MessageBody]:
        return [MessageBody.parse(message.body, message_id="m") for message in self.fake_queue.messages]


@pytest.fixture
def desk() -> Iterator[Desk]:
    desk = Desk()
    yield desk
    desk.services.state.close()


def completed(run_id: str = "train", **members: Any) -> dict[str, Any]:
    return event_grid("RunCompleted", f"experiments/e/runs/{run_id}", {"runId": run_id}, **members)


ALLOWED = AllowList((ARM_ID,))


def letters_of_an_outage(desk: Desk) -> None:
    """Store one of each of four reasons."""
    for number, reason in enumerate(("AccessDenied", "MalformedEvent", "ServiceUnavailable", "LeaseHeld")):
        event = json.dumps(completed(id=f"e-{number}"))
        desk.fake_letters.put(reason=reason, detail="", body=event, attempts=1, id=f"letter-{number}")


def test_dead_letters_of_an_outage_go_back_to_the_queue_and_no_others(desk: Desk) -> None:
    """Once, and each is open until its message has ended well."""
    letters_of_an_outage(desk)
    assert replay_after_outage(desk.services.state, ALLOWED, now=desk.services.now) == 2
    assert [(body.closes, body.source) for body in desk.queued] == [("letter-0", REPLAY), ("letter-2", REPLAY)]
    assert desk.fake_letters.closed == set()
    assert replay_after_outage(desk.services.state, ALLOWED, now=desk.services.now) == 0


def test_those_that_are_on_their_way_keep_no_other_from_it(desk: Desk) -> None:
    """There may be more than one tick puts on the queue."""
    for number in range(EVENT_LIMIT + 2):
        desk.fake_letters.put(reason="AccessDenied", detail="", body="{}", attempts=31, id=f"letter-{number}")
    sent = [replay_after_outage(desk.services.state, ALLOWED, now=desk.services.now) for _ in range(3)]
    assert sent == [EVENT_LIMIT, 2, 0]


def test_dead_letter_that_is_stored_again_goes_back_to_the_queue_again(desk: Desk) -> None:
    """What refuses for longer than a message waits."""
    letters_of_an_outage(desk)
    replay_after_outage(desk.services.state, ALLOWED, now=desk.services.now)
    later = desk.services.now() + timedelta(days=1)
    desk.fake_letters.letters[0] = replace(desk.fake_letters.letters[0], at=later)
    assert replay_after_outage(desk.services.state, ALLOWED, now=lambda: later + timedelta(hours=1)) == 1
    assert [body.closes for body in desk.queued] == ["letter-0", "letter-2", "letter-0"]


def test_dead_letter_whose_message_was_lost_goes_back_to_the_queue_after_two_days(desk: Desk) -> None:
    """Where the queue was cleared, say."""
    letters_of_an_outage(desk)
    replay_after_outage(desk.services.state, ALLOWED, now=desk.services.now)
    assert replay_after_outage(desk.services.state, ALLOWED, now=lambda: desk.services.now() + timedelta(hours=49)) == 2


def test_dead_letter_that_came_back_ten_times_is_left_to_people(desk: Desk) -> None:
    """What refuses one event for good, and no other."""
    clock = FakeClock()
    for _ in range(12):
        desk.fake_letters.put(
            reason="ServiceUnavailable", detail="", body=json.dumps(completed()), attempts=31, id="letter"
        )
        desk.fake_letters.letters[0] = replace(desk.fake_letters.letters[0], at=clock())
        clock.time += timedelta(days=1)
        replay_after_outage(desk.services.state, ALLOWED, now=clock)
        clock.time += timedelta(hours=1)
    assert [body.closes for body in desk.queued] == ["letter"] * 10
    assert desk.fake_letters.closed == set()


def test_foreign_event_goes_back_to_the_queue_once_its_workspace_is_on_the_allow_list(desk: Desk) -> None:
    """A name with a typing error in it costs time and nothing else; the letters are read when the list has changed."""
    desk.fake_letters.put(reason="ForeignWorkspace", detail="", body=json.dumps(FOREIGN), attempts=1, id="letter")
    assert replay_after_outage(desk.services.state, ALLOWED, now=desk.services.now) == 0
    allowed = AllowList((ARM_ID, ARM_ID.replace("ws-ml", "ws-other")))
    assert replay_after_outage(desk.services.state, allowed, now=desk.services.now) == 1
    assert [(body.closes, body.source) for body in desk.queued] == [("letter", REPLAY)]
    assert replay_after_outage(desk.services.state, allowed, now=desk.services.now) == 0


def test_what_is_noted_of_a_dead_letter_goes_with_it(desk: Desk) -> None:
    """Nothing grows with the outages that were."""
    letters_of_an_outage(desk)
    replay_after_outage(desk.services.state, ALLOWED, now=desk.services.now)
    desk.fake_letters.close("letter-0")
    replay_after_outage(desk.services.state, ALLOWED, now=desk.services.now)
    assert set(read_folder(desk.services.state.notes, "replayed")) == {"letter-2"}


def test_dead_letter_of_an_outage_stays_open_when_it_cannot_be_put_on_the_queue(desk: Desk) -> None:
    """It is in one place at least."""
    desk.fake_letters.put(reason="AccessDenied", detail="", body=json.dumps(completed()), attempts=1, id="letter")

    def refuse(body: str, *, delay: timedelta = timedelta(0)) -> None:
        raise ServiceUnavailableError("the queue is down")

    desk.fake_queue.put = refuse  # type: ignore[method-assign]
    with pytest.raises(ServiceUnavailableError):
        replay_after_outage(desk.services.state, ALLOWED, now=desk.services.now)
    assert desk.fake_letters.closed == set()


FOREIGN = completed(topic=ARM_ID.replace("ws-ml", "ws-other"))
UNKNOWN = completed(eventType="Microsoft.MachineLearningServices.SomethingNew")


def test_event_is_enqueued_under_the_id_in_the_answer(desk: Desk) -> None:
    """The caller can find it in the logs, and among the dead letters if it comes to that."""
    (result,) = desk.replay(completed(id="e-7"))
    (body,) = desk.queued
    assert result == {"result": "enqueued", "event_id": "e-7", "operation_id": body.operation_id}
    assert json.loads(body.event)["data"] == {"runId": "train"}
    assert (body.source, body.received_at) == (REPLAY, NOON.isoformat(timespec="milliseconds"))


def test_dry_run_puts_nothing_anywhere(desk: Desk) -> None:
    """Not even a dead letter of an event that is too large."""
    oversized = completed("r" * MESSAGE_LIMIT, id="e-8")
    assert desk.replay(completed(id="e-7"), oversized, dry_run=True) == [
        {"result": "would_enqueue", "event_id": "e-7"},
        {"result": "would_enqueue", "event_id": "e-8"},
    ]
    assert (desk.queued, desk.fake_letters.calls) == ([], [])


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (FOREIGN, f"ForeignWorkspace: topic: workspace {FOREIGN['topic']} is not in LINEAGE_WORKSPACES"),
        (UNKNOWN, "events of type Microsoft.MachineLearningServices.SomethingNew are not known"),
        (completed(id=None), "MalformedEvent: id: is missing"),
        (completed() | {"data": {}}, "MalformedEvent: data.runId: is missing"),
        (completed(eventTime="https://h/c?sig=hunter2"), "MalformedEvent: eventTime: 'https://h/c' is not a time"),
        (3, "MalformedEvent: body: is a JSON int, not an event"),
        (None, "MalformedEvent: body: is a JSON NoneType, not an event"),
    ],
    ids=["foreign", "unknown type", "no id", "no run", "secret", "number", "null"],
)
def test_event_that_would_not_be_published_is_refused(desk: Desk, event: object, reason: str, dry_run: bool) -> None:
    """With the reason and without its secrets; neither queue nor dead letters are touched."""
    assert desk.replay(event, dry_run=dry_run) == [{"result": "refused", "reason": reason}]
    assert (desk.queued, desk.fake_letters.calls) == ([], [])


def test_bad_neighbours_do_not_harm_the_others(desk: Desk) -> None:
    """One result for each event, in order, and the good ones are on the queue."""
    oversized = completed("r" * MESSAGE_LIMIT)
    results = desk.replay(FOREIGN, completed("one"), "garbage", UNKNOWN, oversized, [completed("x")], completed("two"))
    words = ["refused", "enqueued", "refused", "refused", "refused", "enqueued", "enqueued"]
    assert [result["result"] for result in results] == words
    assert [body.operation_id for body in desk.queued] == [
        result["operation_id"] for result in results if result["result"] == "enqueued"
    ]


def test_oversized_event_is_a_dead_letter_under_the_id_in_the_answer(desk: Desk) -> None:
    """Else the caller would not find it."""
    (result,) = desk.replay(completed("r" * MESSAGE_LIMIT))
    (letter,) = desk.fake_letters.letters
    assert (letter.reason, letter.id) == ("OversizedEvent", result["operation_id"])
    assert (result["result"], "OversizedEvent" in result["reason"], desk.queued) == ("refused", True, [])


def test_single_event_needs_no_array(desk: Desk) -> None:
    """Either schema, as it was copied from somewhere."""
    event = cloud_event("RunCompleted", "experiments/e/runs/train", {"runId": "train"})
    assert [result["result"] for result in desk.post(json.dumps(event).encode())] == ["enqueued"]


@pytest.mark.parametrize(
    ("body", "status", "words"),
    [
        (b" " * (BODY_LIMIT + 1), 413, f"{BODY_LIMIT + 1} bytes"),
        (json.dumps([{}] * (EVENT_LIMIT + 1)).encode(), 413, f"{EVENT_LIMIT + 1} events"),
        (b'{"id": "\xff"}', 400, "UTF-8"),
        (b"", 400, "no event"),
        (b" \n", 400, "no event"),
        (b"[]", 400, "no event"),
    ],
    ids=["too large", "too many", "not UTF-8", "empty", "blank", "empty array"],
)
def test_body_that_cannot_be_taken_is_refused_as_a_whole(desk: Desk, body: bytes, status: int, words: str) -> None:
    """The status says whose fault it is, the words what to do."""
    with pytest.raises(RefusedBodyError, match=words) as refused:
        desk.post(body)
    assert refused.value.status == status
    assert (desk.queued, desk.fake_letters.calls) == ([], [])


def test_body_that_the_host_has_dropped_is_refused_with_411(desk: Desk) -> None:
    """It came in chunks, so without a length; "has no event" would be false."""
    services = desk.services
    with pytest.raises(RefusedBodyError, match="without Content-Length") as refused:
        replay_events(
            b"",
            headers={"transfer-encoding": "chunked"},
            dry_run=False,
            allowed=services.allowed,
            open_state=lambda: services.state,
            now=services.now,
        )
    assert refused.value.status == 411


def test_body_and_events_at_their_limits_are_taken(desk: Desk) -> None:
    """The limits themselves are allowed."""
    body = json.dumps([completed()] * EVENT_LIMIT).encode()
    assert len(desk.post(body.ljust(BODY_LIMIT))) == EVENT_LIMIT == len(desk.queued)


@pytest.mark.parametrize(
    ("requester", "who"), [("ada@contoso.com", "ada@contoso.com"), ("", "holder of the function key")]
)
@pytest.mark.parametrize("dry_run", [False, True])
def test_who_asked_is_in_the_log(
    desk: Desk, caplog: pytest.LogCaptureFixture, requester: str, who: str, dry_run: bool
) -> None:
    """And what came of it; the payload is not."""
    with caplog.at_level(logging.INFO, logger="shared.intake.replay"):
        desk.replay(completed(), FOREIGN, requester=requester, dry_run=dry_run)
    (record,) = caplog.records
    facts = record.__dict__
    assert (facts["requester"], facts["dry_run"], facts["enqueued"]) == (who, dry_run, 0 if dry_run else 1)
    assert record.getMessage() == "replay of 2 events"


def test_foreign_event_is_refused_before_any_service_is_opened() -> None:
    """We send nothing to a workspace that is not listed; here opening anything at all would fail."""
    services = Services(Settings("https://nowhere.invalid", (ARM_ID,), Path("/nowhere/at/all")))
    (result,) = Desk.replay_with(services, json.dumps(FOREIGN).encode())
    assert result["result"] == "refused"
    assert {"state", "runs", "catalog"}.isdisjoint(vars(services))
