"""Receiving: every event becomes a small message without secrets, or a dead letter, whatever it looks like."""

import json
from typing import Any

import pytest

from shared.errors import ServiceUnavailableError
from shared.intake.message import EVENT_GRID, MESSAGE_LIMIT, REPLAY, MessageBody
from shared.intake.receive import enqueue, receive_event
from shared.state.ports import DeadLetters
from tests.harness.fakes import NOON, FakeClock, FakeDeadLetters, FakeQueue
from tests.unit.examples import cloud_event, event_grid

SUBJECT = "experiments/e/runs/train"
HUGE = "x" * 3_000_000
TRACEPARENT = "00-11111111111111111111111111111111-2222222222222222-01"
OVERSIZE = json.dumps(
    event_grid("RunCompleted", SUBJECT, {"runId": "r" * MESSAGE_LIMIT, "runTags": {"pwd": "hunter2"}})
)


def completed(**data: Any) -> str:
    return json.dumps(event_grid("RunCompleted", SUBJECT, {"runId": "train", **data}))


def no_dead_letters() -> DeadLetters:
    raise AssertionError("a message could hold it")


def receive(event: str) -> str:
    """Receive an event that a message can hold."""
    text = receive_event(event, source=EVENT_GRID, now=FakeClock(), open_dead_letters=no_dead_letters)
    assert text is not None
    return text


def event_in(text: str) -> Any:
    return json.loads(MessageBody.parse(text, message_id="m").event)


def test_what_travels_with_an_event_is_in_its_message() -> None:
    """The queue carries nothing but the body."""
    text = receive_event(
        completed(),
        source=REPLAY,
        now=FakeClock(),
        open_dead_letters=no_dead_letters,
        operation_id="op-1",
        traceparent=TRACEPARENT,
        closes="letter-1",
    )
    body = MessageBody.parse(text or "", message_id="m")
    assert (body.operation_id, body.traceparent, body.closes) == ("op-1", TRACEPARENT, "letter-1")
    assert (body.source, body.received_at, body.deferrals) == (REPLAY, NOON.isoformat(timespec="milliseconds"), 0)


def test_each_acceptance_gets_an_id_of_its_own() -> None:
    """The same event may be accepted twice and one of the two be dead-lettered."""
    first, second = (json.loads(receive(completed()))["operation_id"] for _ in range(2))
    assert first != second


@pytest.mark.parametrize("write", [event_grid, cloud_event])
@pytest.mark.parametrize("members", [("runProperties", "runTags"), ("RunProperties", "RunTags")])
def test_megabytes_of_properties_and_tags_shrink_to_a_small_message(write: Any, members: tuple[str, str]) -> None:
    """What decides about a run is kept: its id and two members that say it belongs to a pipeline."""
    properties, tags = members
    data = {
        "runId": "train",
        properties: {"azureml.runsource": "azureml.StepRun", "config": HUGE},
        tags: {"azureml.pipeline": "pipe", **{f"tag{number}": "x" * 1_000 for number in range(1_000)}},
    }
    text = receive(json.dumps(write("RunCompleted", SUBJECT, data, deadLetterProperties=HUGE)))
    assert len(text) < 1_500
    assert event_in(text)["data"] == {
        "runId": "train",
        properties: {"azureml.runsource": "azureml.StepRun"},
        tags: {"azureml.pipeline": "pipe"},
    }
    assert event_in(text)["subject"] == SUBJECT


@pytest.mark.parametrize(
    "event",
    [
        completed(runProperties={"azureml.runsource": "https://h/c?sig=hunter2"}),
        completed(runTags="password=hunter2"),
        '{"id": "e", "data": {"password": "hunter2"}',
    ],
    ids=["in a member", "no mapping", "no JSON"],
)
def test_secret_never_enters_the_queue(event: str) -> None:
    """What is not there cannot leak from there."""
    assert "hunter2" not in receive(event)


def test_name_that_only_looks_like_a_secret_is_kept() -> None:
    """A model may be called so, and its event must still find it."""
    data = {"modelName": "password=strength", "modelVersion": "3"}
    text = receive(json.dumps(event_grid("ModelRegistered", "models/password=strength:3", data)))
    assert event_in(text)["data"] == data


@pytest.mark.parametrize("event", ["garbage", '{"id": ', "[" * 10_000, "  ", "é\ud800"], ids=ascii)
def test_what_is_no_json_is_passed_on_as_it_came(event: str) -> None:
    """The publisher dead-letters it with a reason; here a 400 would lose it."""
    assert MessageBody.parse(receive(event), message_id="m").event == event


@pytest.mark.parametrize("event", ["null", "3", '"text"', "[]", '{"data": 3}', '{"id": null, "data": []}'])
def test_json_that_is_no_event_is_passed_on_uninterpreted(event: str) -> None:
    """A malformed event must still be seen to be malformed."""
    assert event_in(receive(event)) == json.loads(event)


def test_event_too_large_for_any_message_is_a_dead_letter_and_no_message() -> None:
    """It is whole there but for its secrets, under the id that the caller got."""
    letters = FakeDeadLetters()
    text = receive_event(
        OVERSIZE, source=EVENT_GRID, now=FakeClock(), open_dead_letters=lambda: letters, operation_id="op-1"
    )
    (letter,) = letters.letters
    assert text is None
    assert (letter.id, letter.reason, letter.attempts) == ("op-1", "OversizedEvent", 0)
    assert json.loads(letter.body) == {
        **json.loads(OVERSIZE),
        "data": {"runId": "r" * MESSAGE_LIMIT, "runTags": {"pwd": "[redacted]"}},
    }


def test_largest_message_still_fits_the_queue() -> None:
    """Base64 makes four bytes of three, and 64 KiB is where the queue ends."""
    room = MESSAGE_LIMIT - len(receive("x")) + 1
    assert len(receive("x" * room).encode()) == MESSAGE_LIMIT
    assert MESSAGE_LIMIT * 4 / 3 <= 64 * 1024
    with pytest.raises(AssertionError, match="a message could hold it"):
        receive("x" * (room + 1))


def test_event_comes_again_when_its_dead_letter_cannot_be_stored() -> None:
    """Event Grid tries again if we raise, and only then."""
    letters = FakeDeadLetters(fail_with=[ServiceUnavailableError("storage down")])
    with pytest.raises(ServiceUnavailableError):
        receive_event(OVERSIZE, source=EVENT_GRID, now=FakeClock(), open_dead_letters=lambda: letters)


def test_oversized_event_does_not_keep_its_neighbours_off_the_queue() -> None:
    """One message for each of the others, in order."""
    queue, letters = FakeQueue(), FakeDeadLetters()
    enqueue([completed(), OVERSIZE, "garbage"], queue, letters, source=REPLAY, now=FakeClock())
    bodies = [MessageBody.parse(message.body, message_id="m") for message in queue.messages]
    assert [body.source for body in bodies] == [REPLAY, REPLAY]
    assert json.loads(bodies[0].event)["data"] == {"runId": "train"}
    assert bodies[1].event == "garbage"
    assert [letter.reason for letter in letters.letters] == ["OversizedEvent"]
