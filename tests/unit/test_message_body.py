"""What a message says survives the queue, and whatever else lies on the queue is read without an error."""

import base64
import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.intake.allow_list import AllowList, read_any_event
from shared.intake.message import (
    BACKFILL,
    EVENT_GRID,
    RECONCILE,
    REPLAY,
    MessageBody,
    decode_body,
    seconds_since,
)
from tests.harness.fakes import NOON
from tests.unit.examples import ARM_ID, event_grid

SOME_TEXT = st.text(st.characters(), min_size=1)  # half character pairs among them: JSON can hold them
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)
BODIES = st.builds(
    MessageBody,
    event=SOME_TEXT,
    operation_id=SOME_TEXT,
    source=st.sampled_from([EVENT_GRID, REPLAY, RECONCILE, BACKFILL]),
    received_at=st.text(),
    traceparent=st.text(),
    deferrals=st.integers(min_value=0),
    lease_waits=st.integers(min_value=0),
    lease_since=st.text(),
    failures=st.integers(min_value=0),
    returned=st.booleans(),
    closes=st.text(),
)


@given(BODIES)
def test_message_is_read_as_it_was_written(body: MessageBody) -> None:
    """Whatever the event holds; the message's own id is not needed."""
    assert MessageBody.parse(body.to_json(), message_id="m") == body


@given(BODIES)
def test_message_is_ascii_and_may_be_decoded_twice(body: MessageBody) -> None:
    """Whether the host has undone the base64 or not makes no difference."""
    text = body.to_json()
    encoded = base64.b64encode(text.encode("ascii")).decode()
    assert decode_body(encoded) == text == decode_body(text)


@given(st.text() | JSON.map(json.dumps))
def test_anything_else_is_taken_as_a_bare_event(text: str) -> None:
    """Event Grid may have put it there itself; the message's id stands for it."""
    assert MessageBody.parse(text, message_id="m") == MessageBody(text, "m")


@pytest.mark.parametrize(
    "text", ['{"event": "e"}', '{"operation_id": "op"}', '["event", "operation_id"]', "[" * 10_000]
)
def test_half_a_message_is_taken_as_a_bare_event(text: str) -> None:
    """An event may have members of these names."""
    assert MessageBody.parse(text, message_id="m") == MessageBody(text, "m")


@given(JSON.filter(lambda event: not isinstance(event, str)))
def test_event_that_is_not_text_is_made_so(event: object) -> None:
    """A person who writes a message by hand would nest it."""
    body = MessageBody.parse(json.dumps({"event": event, "operation_id": "op"}), message_id="m")
    assert json.loads(body.event) == event


@given(st.fixed_dictionaries(dict.fromkeys(("event", "operation_id", *MessageBody("", "").facts, "closes"), JSON)))
def test_members_of_wrong_types_do_no_harm(members: dict[str, object]) -> None:
    """Every part of what is read has its own type, so that the message can be dead-lettered."""
    body = MessageBody.parse(json.dumps(members), message_id="m")
    assert {type(value) for value in (body.event, body.operation_id, body.source, body.closes)} == {str}
    assert all(isinstance(value, int) for value in (body.deferrals, body.failures))


@pytest.mark.parametrize("name", ["deferrals", "lease_waits", "failures"])
@pytest.mark.parametrize(("value", "expected"), [(3, 3), ("3", 0), (3.5, 0), (None, 0), ([3], 0)])
def test_what_is_no_count_starts_again(name: str, value: object, expected: int) -> None:
    """Rather waited for longer than lost."""
    text = json.dumps({"event": "e", "operation_id": "op", name: value})
    assert getattr(MessageBody.parse(text, message_id="m"), name) == expected


def test_message_that_is_put_back_differs_only_in_its_counts() -> None:
    """It is the same acceptance of the same event; once an attempt has ended, it is not from the poison queue."""
    body = MessageBody("e", "op", REPLAY, NOON.isoformat(), "trace", 4, "letter", failures=1, returned=True)
    assert body.deferred() == replace(body, deferrals=5, failures=0, returned=False)
    assert body.failed() == replace(body, failures=2, returned=False)
    assert body.taken_back() == body
    assert body.facts == {"operation_id": "op", "source": REPLAY, "deferrals": 4, "lease_waits": 0, "failures": 1}


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(min_value=1, max_value=100))
def test_base64_is_undone(text: str, width: int) -> None:
    """Also in lines, as some senders break it."""
    encoded = base64.b64encode(text.encode()).decode()
    lines = "\r\n".join(encoded[start : start + width] for start in range(0, len(encoded), width))
    assert decode_body(lines) == text


@pytest.mark.parametrize(
    "content",
    ["not base64", '{"id": "e"}', "eyJpZCI6ICJlIn0", "é", "\ud800", "abcd", "////", "====", "a\x00b="],
    ids=ascii,
)
def test_what_is_no_base64_of_text_is_taken_as_it_is(content: str) -> None:
    """Cut short, not ASCII, or bytes that are no UTF-8: it becomes a dead letter that shows what came."""
    assert decode_body(content) == content


@given(st.binary())
def test_any_bytes_are_read_as_the_host_hands_them_over(content: bytes) -> None:
    """No message may fail before its handler sees it."""
    text = content.decode("utf-8", errors="replace")
    assert MessageBody.parse(decode_body(text), message_id="m").operation_id == "m"


@given(st.timedeltas(min_value=timedelta(days=-9), max_value=timedelta(days=9)), st.sampled_from(["", "milliseconds"]))
def test_age_of_a_message_is_in_seconds(age: timedelta, precision: str) -> None:
    """As it is written when an event is accepted, within a millisecond."""
    received_at = (NOON - age).isoformat(timespec=precision or "auto")
    assert seconds_since(received_at, NOON) == pytest.approx(age.total_seconds(), abs=0.001)


@pytest.mark.parametrize("received_at", ["", "yesterday", "2026-07-01T12:00:00", "2026-13-01T12:00:00+00:00"])
def test_age_of_a_message_is_unknown_if_it_was_not_noted_properly(received_at: str) -> None:
    """A time without a zone, too, could be anything."""
    assert seconds_since(received_at, datetime.now(UTC)) is None


def test_event_that_fills_a_message_is_small_once_it_waits() -> None:
    """Event Grid puts it on the queue as it is, tags and all; encoded twice more it would not be taken."""
    event = event_grid(
        "RunCompleted", "experiments/e/runs/train", {"runId": "train", "runTags": {"t": "x" * 60 * 1024}}
    )
    deferred = MessageBody.parse(json.dumps(event), message_id="m").deferred()
    assert (len(deferred.to_json()) < 2_000, deferred.deferrals) == (True, 1)
    again = MessageBody.parse(deferred.to_json(), message_id="other")
    assert again == deferred
    allowed = AllowList((ARM_ID,))
    assert read_any_event(again.event, allowed) == read_any_event(json.dumps(event), allowed)
