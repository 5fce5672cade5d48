"""The HTTP function for OpenLineage events: what it answers, and what it puts on the queue."""

import gzip
import json
import logging
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import azure.functions as func
import pytest

from functions import openlineage
from shared import bootstrap
from shared.bootstrap import Services
from shared.intake.message import MESSAGE_LIMIT, OPENLINEAGE, MessageBody
from shared.intake.receive import BODY_LIMIT, EVENT_LIMIT
from shared.settings import Settings
from shared.state.ports import State
from shared.state.sqlite import Database, SqliteLeases, SqliteLedger, SqliteNotes
from tests.harness.fakes import FakeClock, FakeDeadLetters, FakeQueue
from tests.unit.examples import ARM_ID
from tests.worlds.openlineage_events import NAMESPACE, PREPARED, RAW, column_lineage, data, run_event

EVENT = run_event("COMPLETE", inputs=[data(RAW)], outputs=[data(PREPARED)])


class Desk:
    """The function with a queue in memory; anything else it would open needs a network."""

    def __init__(self, *jobs: str) -> None:
        self.queue, self.letters = FakeQueue(), FakeDeadLetters()
        settings = Settings("https://nowhere.invalid", (ARM_ID,), Path(":memory:"), openlineage_jobs=jobs)
        self.services = Services(settings, FakeClock())
        database = Database(":memory:", now=FakeClock())
        ports = SqliteLedger(database), SqliteLeases(database), SqliteNotes(database)
        self.services.state = State(self.queue, self.letters, *ports, database.close, FakeQueue())

    def post(self, body: object, *, encoding: str = "", raw: bytes = b"") -> tuple[int, Any]:
        content = raw or json.dumps(body).encode()
        headers = {"Content-Length": str(len(content)), **({"Content-Encoding": encoding} if encoding else {})}
        return self.send(content, headers)

    @staticmethod
    def send(content: bytes, headers: dict[str, str], function: Any = openlineage.openlineage) -> tuple[int, Any]:
        request = func.HttpRequest("POST", "/api/v1/lineage", headers=headers, body=content)
        answer = function.build().get_user_function()(request)
        return answer.status_code, json.loads(answer.get_body())

    @property
    def queued(self) -> list[dict[str, Any]]:
        return [json.loads(MessageBody.parse(each.body, message_id="m").event) for each in self.queue.messages]


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    desk = Desk(NAMESPACE)
    monkeypatch.setattr(bootstrap, "services", lambda: desk.services)
    yield desk
    desk.services.state.close()


def test_event_is_on_the_queue_before_it_is_answered(desk: Desk) -> None:
    """201, and nothing of it but what is read."""
    event = {
        **EVENT,
        "run": {**EVENT["run"], "facets": {"spark_properties": {"properties": {"spark.x": "y" * 90_000}}}},
    }
    assert desk.post(event) == (201, {})
    [queued] = desk.queued
    assert queued["job"] == EVENT["job"]
    assert "spark" not in json.dumps(queued["run"])
    [message] = desk.queue.messages
    assert MessageBody.parse(message.body, message_id="m").source == OPENLINEAGE


def test_compressed_event_is_taken(desk: Desk) -> None:
    """As the Python client sends it with `compression: gzip`."""
    assert desk.post(None, encoding="gzip", raw=gzip.compress(json.dumps(EVENT).encode()))[0] == 201
    assert desk.post(EVENT, encoding="gzip")[0] == 201, "a proxy has undone it and left the header"
    assert len(desk.queued) == 2


def test_answer_to_a_batch_says_what_became_of_each(desk: Desk) -> None:
    """One event that cannot be taken does not sink the others."""
    status, answer = desk.post([EVENT, run_event("START", namespace="other"), 5, {"id": "x"}])
    assert (status, answer["status"]) == (207, "partial_success")
    assert answer["summary"] == {"received": 4, "successful": 1, "failed": 3}
    assert [(each["index"], each["reason"].partition(":")[0]) for each in answer["failed_events"]] == [
        (1, "job.namespace"),
        (2, "body"),
        (3, "body"),
    ]
    assert len(desk.queued) == 1
    assert desk.post([EVENT])[0] == 200


@pytest.mark.parametrize(
    ("sent", "status", "why"),
    [
        ({"raw": b"{"}, 400, "body: is not JSON"),
        ({"raw": b"\xff{}"}, 400, "body: is not UTF-8"),
        ({"raw": b"[" * 100_000}, 400, "body: is not JSON"),
        ({"raw": b"\x1f\x8b{}", "encoding": "gzip"}, 400, "body: is not gzip"),
        ({"raw": gzip.compress(json.dumps(EVENT).encode())[:-9], "encoding": "gzip"}, 400, "body: is not gzip"),
        ({"raw": gzip.compress(b" " * (BODY_LIMIT + 1)), "encoding": "gzip"}, 413, "the body has more than"),
        (
            {"raw": gzip.compress(b"[" + b"[]," * 600_000 + b"[]]"), "encoding": "gzip"},
            413,
            "the body has more than 1000000",
        ),
        ({"raw": b"{}", "encoding": "br"}, 415, "Content-Encoding: send gzip"),
        ({"body": "x"}, 400, "body: is a JSON str"),
        ({"body": {"id": "x"}}, 400, "body: is not an OpenLineage event"),
        (
            {"body": run_event("START", namespace="other")},
            403,
            "job.namespace: other is not in LINEAGE_OPENLINEAGE_JOBS",
        ),
        ({"body": [EVENT] * (EVENT_LIMIT + 1)}, 413, "there are 501 events"),
    ],
)
def test_body_that_cannot_be_taken_is_refused_with_the_reason(
    desk: Desk, sent: dict[str, Any], status: int, why: str
) -> None:
    """Nothing of it is on the queue, and the sender knows."""
    found, answer = desk.post(sent.pop("body", None), **sent)
    assert (found, answer["error"][: len(why)]) == (status, why)
    assert desk.queued == []


CHUNKED = {"Transfer-Encoding": "chunked"}


@pytest.mark.parametrize("function", [openlineage.openlineage, openlineage.openlineage_batch])
@pytest.mark.parametrize(
    "headers", [CHUNKED, {}, {**CHUNKED, "Content-Encoding": "gzip"}, {**CHUNKED, "Content-Length": "0"}]
)
def test_body_that_the_host_has_dropped_is_answered_with_what_to_change(
    desk: Desk, caplog: pytest.LogCaptureFixture, function: Any, headers: dict[str, str]
) -> None:
    """It hands over no body that came without its length; "is not JSON" would send the sender looking elsewhere."""
    with caplog.at_level(logging.WARNING):
        status, answer = desk.send(b"", headers, function)
    assert status == 411
    assert answer["error"].startswith("body: came without Content-Length")
    assert "transport.compression" in answer["error"]
    [record] = [record for record in caplog.records if record.message == "request refused"]
    assert (record.__dict__["source"], record.__dict__["status"]) == ("openlineage", 411)
    assert desk.queued == []


def test_body_that_came_in_chunks_and_is_here_is_taken(desk: Desk) -> None:
    """Another host, or a later version of this one, may hand it over."""
    assert desk.send(json.dumps(EVENT).encode(), CHUNKED) == (201, {})


def test_body_that_is_empty_and_says_so_is_no_json(desk: Desk) -> None:
    """Its length was sent, and it is 0: nothing was dropped."""
    assert desk.send(b"", {"Content-Length": "0"})[0] == 400


def test_nothing_is_taken_where_no_namespace_is_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key alone is not enough: whose jobs they are is for the operator to say."""
    desk = Desk()
    monkeypatch.setattr(bootstrap, "services", lambda: desk.services)
    status, answer = desk.post(EVENT)
    assert (status, answer["error"].split()[0]) == (403, "LINEAGE_OPENLINEAGE_JOBS")
    refused = desk.post(None, raw=b"\x1f\x8b is never unpacked", encoding="gzip")
    assert (refused[0], refused[1]["error"].split()[0]) == (403, "LINEAGE_OPENLINEAGE_JOBS")


def test_malformed_event_is_queued_and_looked_at_later(desk: Desk) -> None:
    """It ends as a dead letter, where it can be fixed and replayed; the sender would throw it away."""
    assert desk.post({**EVENT, "run": 5})[0] == 201
    assert desk.queued[0]["run"] == 5


def test_wide_table_becomes_several_messages_that_each_fit(desk: Desk) -> None:
    """Together they name every column once."""
    fields = [{"name": f"c{number}", "type": "string"} for number in range(2_000)]
    columns = column_lineage(RAW, {f"c{number}": f"s{number}" for number in range(2_000)})
    event = run_event("COMPLETE", inputs=[data(RAW)], outputs=[data(PREPARED, schema={"fields": fields}, **columns)])
    assert desk.post(event)[0] == 201
    assert len(desk.queued) > 2
    assert all(len(message.body.encode()) <= MESSAGE_LIMIT for message in desk.queue.messages)
    facets = [output["facets"] for queued in desk.queued for output in queued.get("outputs", [])]
    found = [name for facet in facets for name in facet.get("columnLineage", {}).get("fields", {})]
    assert sorted(found) == sorted(columns["columnLineage"]["fields"])
    assert [field for facet in facets for field in facet.get("schema", {}).get("fields", [])] == fields


def test_event_that_nothing_makes_small_enough_is_a_dead_letter(desk: Desk) -> None:
    """A name of a hundred thousand letters names nothing."""
    assert desk.post(run_event("COMPLETE", outputs=[data("x" * 100_000)]))[0] == 201
    assert desk.queued == []
    [letter] = desk.letters.letters
    assert letter.reason == "OversizedEvent"
