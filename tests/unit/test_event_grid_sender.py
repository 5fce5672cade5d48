"""The Event Grid sender against a scripted webhook: what it sends, when it tries again and what it gives up."""

import json
import socket
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from azure.storage.blob import BlobServiceClient

from emulator.azurite import Azurite
from emulator.event_grid.disorder import bursts, disorder
from emulator.event_grid.sender import HandshakeError, Report, Schema, Sender
from emulator.event_grid.undelivered import CONTAINER, Writer, blob_container

NOW = datetime(2026, 7, 1, 5, 2, 3, tzinfo=UTC)
TOPIC = "/subscriptions/0/resourceGroups/rg/providers/Microsoft.EventGrid/systemTopics/ml-events"


@dataclass
class Endpoint:
    """A webhook that answers as scripted, then 202, and remembers what it got."""

    url: str = ""
    statuses: list[int] = field(default_factory=list)
    got: list[tuple[str, dict[str, str], Any]] = field(default_factory=list)
    answer: Callable[[str, dict[str, str], Any], tuple[int, dict[str, str], Any]] | None = None
    together: threading.Barrier | None = None

    def reply(self, method: str, headers: dict[str, str], body: Any) -> tuple[int, dict[str, str], Any]:
        self.got.append((method, headers, body))
        if self.together is not None:
            self.together.wait(timeout=20)
        if self.answer is not None:
            return self.answer(method, headers, body)
        return (self.statuses.pop(0) if self.statuses else 202), {}, None


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    """A scripted webhook on a free port."""
    scripted = Endpoint()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            headers = {name.lower(): value for name, value in self.headers.items()}
            status, extra, body = scripted.reply(self.command, headers, json.loads(raw) if raw else None)
            content = b"" if body is None else json.dumps(body).encode()
            self.send_response(status)
            for name, value in {**extra, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        def do_OPTIONS(self) -> None:
            self.do_POST()

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        scripted.url = f"http://127.0.0.1:{server.server_address[1]}/"
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield scripted
        server.shutdown()
        thread.join()


@dataclass
class Clock:
    """Sleeps by writing down how long."""

    slept: list[float] = field(default_factory=list)


def sender(
    url: str,
    clock: Clock | None = None,
    *,
    schema: Schema = "EventGridSchema",
    batch: int = 1,
    max_attempts: int = 3,
    dead_letter: Path | Writer | None = None,
    workers: int = 1,
) -> Sender:
    """A sender that loses no time."""
    return Sender(
        url,
        topic=TOPIC,
        subscription_name="lineage",
        schema=schema,
        max_events_per_batch=batch,
        max_attempts=max_attempts,
        dead_letter=dead_letter,
        workers=workers,
        sleep=(clock or Clock()).slept.append,
        now=lambda: NOW,
    )


def events(count: int) -> list[dict[str, Any]]:
    """Events of the Event Grid schema."""
    return [{"id": f"e{number}", "eventType": "T", "dataVersion": "2", "data": {}} for number in range(count)]


def test_event_sent_has_the_headers_of_event_grid(endpoint: Endpoint) -> None:
    """A single event comes as an array of one, with type, subscription, attempt and versions in the headers."""
    with sender(endpoint.url) as grid:
        report = grid.send(events(1))
    [(method, headers, body)] = endpoint.got
    assert report == Report(delivered=tuple(events(1)), attempts=1)
    assert (method, body) == ("POST", events(1))
    aeg = {name: value for name, value in headers.items() if name.startswith("aeg-")}
    assert aeg == {
        "aeg-event-type": "Notification",
        "aeg-subscription-name": "LINEAGE",
        "aeg-delivery-count": "0",
        "aeg-data-version": "2",
        "aeg-metadata-version": "1",
        "aeg-output-event-id": "e0",
    }


def test_busy_endpoint_gets_the_whole_batch_again(endpoint: Endpoint) -> None:
    """Every attempt has all events of the batch, the delays grow, and 202 ends it."""
    clock = Clock()
    endpoint.statuses = [503, 500]
    with sender(endpoint.url, clock, batch=2) as grid:
        report = grid.send(events(3))
    assert [len(body) for _, _, body in endpoint.got] == [2, 2, 2, 1]
    assert [headers["aeg-delivery-count"] for _, headers, _ in endpoint.got] == ["0", "1", "2", "0"]
    assert clock.slept == [10, 30]
    assert (len(report.delivered), report.dead_lettered, report.attempts) == (3, (), 4)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413])
def test_answer_no_retry_can_change_dead_letters_at_once(endpoint: Endpoint, tmp_path: Path, status: int) -> None:
    """These answers are taken as final: one attempt, one file."""
    endpoint.statuses = [status]
    with sender(endpoint.url, dead_letter=tmp_path) as grid:
        report = grid.send(events(1))
    assert report == Report(dead_lettered=tuple(events(1)), attempts=1)
    assert len(list(tmp_path.rglob("*.json"))) == 1


@pytest.mark.parametrize("status", [202, 204, 205, 302, 500])
def test_only_200_to_204_count_as_delivered(endpoint: Endpoint, status: int) -> None:
    """Other answers, even of the 2xx kind, are failures; without a place for it the event is dropped."""
    endpoint.statuses = [status]
    with sender(endpoint.url, max_attempts=1) as grid:
        report = grid.send(events(1))
    assert bool(report.delivered) is (status <= 204)


def test_attempts_used_up_leaves_a_file_as_event_grid_writes_it(endpoint: Endpoint, tmp_path: Path) -> None:
    """The file is named by topic, subscription and hour, and holds the events with why they were given up."""
    endpoint.statuses = [500, 500, 503]
    with sender(endpoint.url, batch=2, dead_letter=tmp_path) as grid:
        report = grid.send(events(2))
    [file] = tmp_path.rglob("*.json")
    assert file.parent == tmp_path / "ml-events" / "lineage" / "2026" / "7" / "1" / "5"
    reason = {
        "deadLetterReason": "MaxDeliveryAttemptsExceeded",
        "deliveryAttempts": 3,
        "lastDeliveryOutcome": "Busy",
        "publishTime": "2026-07-01T05:02:03.000000Z",
        "lastDeliveryAttemptTime": "2026-07-01T05:02:03.000000Z",
    }
    assert json.loads(file.read_bytes()) == [{**event, **reason} for event in events(2)]
    assert report == Report(dead_lettered=tuple(events(2)), attempts=3)


def test_cloud_event_undelivered_has_members_in_lower_case(endpoint: Endpoint) -> None:
    """A CloudEvent goes out as one object; what is added to it when given up follows its case."""
    endpoint.statuses = [400]
    kept: list[bytes] = []
    event = {"specversion": "1.0", "id": "c1", "source": "s", "type": "t"}
    with sender(
        endpoint.url, schema="CloudEventSchemaV1_0", dead_letter=lambda name, content: kept.append(content)
    ) as grid:
        grid.send([event])
    [(_, headers, body)] = endpoint.got
    assert headers["content-type"].startswith("application/cloudevents+json")
    assert body == event
    [written] = json.loads(kept[0])
    assert set(written) - set(event) == {
        "deadletterreason",
        "deliveryattempts",
        "lastdeliveryoutcome",
        "publishtime",
        "lastdeliveryattempttime",
    }


def test_closed_port_is_retried_then_given_up() -> None:
    """A refused connection counts as an attempt like any other."""
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        with sender(f"http://127.0.0.1:{unused.getsockname()[1]}/", max_attempts=2) as grid:
            report = grid.send(events(1))
    assert report == Report(dead_lettered=tuple(events(1)), attempts=2)


def test_workers_deliver_batches_at_the_same_time(endpoint: Endpoint) -> None:
    """The endpoint answers no request until all four are there."""
    endpoint.together = threading.Barrier(4)
    with sender(endpoint.url, workers=4) as grid:
        report = grid.send(events(4))
    assert report.delivered == tuple(events(4))


def test_endpoint_returning_the_code_passes_the_handshake(endpoint: Endpoint) -> None:
    """The validation event carries the code, and its return is agreement."""
    endpoint.answer = lambda method, headers, body: (
        200,
        {},
        {"validationResponse": body[0]["data"]["validationCode"]},
    )
    with sender(endpoint.url) as grid:
        grid.handshake()
    assert endpoint.got[0][1]["aeg-event-type"] == "SubscriptionValidation"


@pytest.mark.parametrize("answer", [(200, {}, {"validationResponse": "other"}), (200, {}, None), (404, {}, None)])
def test_endpoint_not_returning_the_code_fails_the_handshake(
    endpoint: Endpoint, answer: tuple[int, dict[str, str], Any]
) -> None:
    """A wrong code, no code or an error: there would be no subscription."""
    endpoint.answer = lambda *_: answer
    with sender(endpoint.url) as grid, pytest.raises(HandshakeError):
        grid.handshake()


@pytest.mark.parametrize(("allowed", "agreed"), [("eventgrid.azure.net", True), ("*", True), ("other", False)])
def test_cloud_events_handshake_asks_for_the_origin(endpoint: Endpoint, allowed: str, agreed: bool) -> None:
    """CloudEvents ask by OPTIONS whether this origin may send."""
    endpoint.answer = lambda *_: (200, {"WebHook-Allowed-Origin": allowed}, None)
    with sender(endpoint.url, schema="CloudEventSchemaV1_0") as grid:
        if agreed:
            grid.handshake()
        else:
            with pytest.raises(HandshakeError):
                grid.handshake()
    assert endpoint.got[0][0] == "OPTIONS"


def test_disorder_of_one_seed_is_always_the_same_and_loses_nothing() -> None:
    """Duplicates and order depend on the seed only."""
    ids = [event["id"] for event in events(50)]
    shaken = disorder(ids, seed=7)
    assert shaken == disorder(ids, seed=7) != disorder(ids, seed=8)
    assert set(shaken) == set(ids)
    assert 50 < len(shaken) < 75
    assert [item for burst in bursts(shaken, seed=7, largest=5) for item in burst] == shaken


def test_undelivered_events_can_go_to_a_blob_container(endpoint: Endpoint, azurite_server: Azurite) -> None:
    """The callable for Azurite creates the container and puts the file there under its name."""
    endpoint.statuses = [400, 400]
    with BlobServiceClient.from_connection_string(azurite_server.connection_string) as service:
        container = service.get_container_client(CONTAINER)
        if container.exists():
            container.delete_container()
        with sender(endpoint.url, dead_letter=blob_container(azurite_server.connection_string)) as grid:
            grid.send(events(2))
        names = list(container.list_blob_names())
        [first, second] = [json.loads(container.download_blob(name).readall())[0]["id"] for name in names]
    assert {first, second} == {"e0", "e1"}
    assert all(name.startswith("ml-events/lineage/2026/7/1/5/") for name in names)
