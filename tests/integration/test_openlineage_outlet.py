"""Sending OpenLineage: what each answer means, with openlineage-python's own transports over real sockets."""

import json
import logging
import ssl
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests
import trustme
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError

from shared.catalog.entities import Entity, Ref
from shared.catalog.qualified_names import QualifiedName
from shared.errors import AccessDeniedError, LineageError, RequestRefusedError, ServiceUnavailableError
from shared.http.rest import build_session
from shared.openlineage import outgoing
from shared.openlineage.outgoing import OpenLineageOutlet, open_outlet
from shared.openlineage.outgoing_events import to_run_events
from tests.harness.fakes import NOON
from tests.harness.openlineage_receiver import Receiver, open_receiver
from tests.references.openlineage_standard import check_event

STEP = Entity(
    Ref("custom_ml_experiment_step", QualifiedName("azureml://registries/r/runs/train")),
    {"name": "train", "status": "Completed"},
    inputs=(Ref("custom_dataset", QualifiedName("s3://bucket/x")),),
)
(ANNOUNCED,) = to_run_events([STEP], at=NOON)


class FakeCredential:
    """Gives a token for what it is asked, or fails."""

    def __init__(self, error: Exception | None = None) -> None:
        self.error = error

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        if self.error:
            raise self.error
        return AccessToken(f"token for {scopes[0]}", 0)


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with open_receiver() as opened:
        yield opened


@pytest.fixture
def sessions() -> Iterator[list[requests.Session]]:
    opened: list[requests.Session] = []
    yield opened
    for session in opened:
        session.close()


@pytest.fixture
def outlet(receiver: Receiver, sessions: list[requests.Session]) -> OpenLineageOutlet:
    return open_to(receiver.url, sessions)


def open_to(
    url: str, sessions: list[requests.Session], credential: FakeCredential | None = None, scope: str = ""
) -> OpenLineageOutlet:
    def session() -> requests.Session:
        sessions.append(build_session())
        return sessions[-1]

    asked = credential or FakeCredential()
    return open_outlet(url, session=session, credential=lambda: asked, scope=scope, sleep=lambda seconds: None)


def test_event_arrives_as_json_where_the_standard_has_it(receiver: Receiver, outlet: OpenLineageOutlet) -> None:
    """An address without path is that of a server as the standard's reference implementation is one."""
    outlet.send(ANNOUNCED)
    ((method, path, headers),) = receiver.requests
    assert (method, path, headers["Content-Type"]) == ("POST", "/api/v1/lineage", "application/json")
    assert "Authorization" not in headers
    check_event(receiver.events[0])


def test_address_with_a_path_is_taken_as_it_is(receiver: Receiver, sessions: list[requests.Session]) -> None:
    """Not every receiver is the reference implementation."""
    open_to(f"{receiver.url}/api/openlineage", sessions).send(ANNOUNCED)
    assert [path for _, path, _ in receiver.requests] == ["/api/openlineage"]


@pytest.mark.parametrize(
    ("status", "error"),
    [
        (408, ServiceUnavailableError),
        (429, ServiceUnavailableError),
        (500, ServiceUnavailableError),
        (400, RequestRefusedError),
        (404, ServiceUnavailableError),
        (405, ServiceUnavailableError),
        (422, RequestRefusedError),
        (401, AccessDeniedError),
        (403, AccessDeniedError),
    ],
)
def test_answer_says_whether_a_retry_may_help(
    receiver: Receiver, outlet: OpenLineageOutlet, status: int, error: type[LineageError]
) -> None:
    """The message comes back, or is dead-lettered with words that name the receiver."""
    receiver.answers(*[status] * outgoing.ATTEMPTS)
    with pytest.raises(error, match=f"{receiver.url}.*HTTP {status}"):
        outlet.send(ANNOUNCED)


def test_page_of_another_host_is_no_receipt(receiver: Receiver, outlet: OpenLineageOutlet) -> None:
    """A web server takes whatever it is sent, and nothing of it would arrive where it should."""
    receiver.answers(*[200] * outgoing.ATTEMPTS, Content_Type="text/html; charset=utf-8")
    with pytest.raises(ServiceUnavailableError, match="Is LINEAGE_OPENLINEAGE_OUT the address of a receiver"):
        outlet.send(ANNOUNCED)


def test_short_outage_is_waited_for_and_a_longer_one_is_not(receiver: Receiver, outlet: OpenLineageOutlet) -> None:
    """Two more attempts; then the queue waits better."""
    receiver.answers(503, 500)
    outlet.send(ANNOUNCED)
    assert len(receiver.events) == 1
    receiver.answers(503, 503, 503, 503)
    with pytest.raises(ServiceUnavailableError):
        outlet.send(ANNOUNCED)
    assert receiver.script == [(503, {})]


def test_time_that_the_receiver_asks_for_is_left_to_the_queue(receiver: Receiver, outlet: OpenLineageOutlet) -> None:
    """Sleeping for an hour would hold the lease and outlast the message's loan."""
    receiver.answers(429, Retry_After="3600")
    with pytest.raises(ServiceUnavailableError) as raised:
        outlet.send(ANNOUNCED)
    assert raised.value.retry_after == 3600
    assert len(receiver.requests) == 1


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirection_is_not_followed(receiver: Receiver, outlet: OpenLineageOutlet, status: int) -> None:
    """A POST would arrive as a GET: answered with 200, and nothing delivered."""
    receiver.answers(status, Location=f"{receiver.url}/elsewhere")
    with pytest.raises(RequestRefusedError, match="redirection"):
        outlet.send(ANNOUNCED)
    assert [path for _, path, _ in receiver.requests] == ["/api/v1/lineage"]


def test_receiver_that_is_not_there_makes_the_message_come_back(sessions: list[requests.Session]) -> None:
    """Nothing listens on that port any more."""
    with open_receiver() as gone:
        url = gone.url
    with pytest.raises(ServiceUnavailableError, match="ConnectionError"):
        open_to(url, sessions).send(ANNOUNCED)


def test_authority_of_the_settings_is_trusted_and_no_other(tmp_path: Path) -> None:
    """`LINEAGE_CA_BUNDLE` counts for the receiver of events too."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    bundle = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(bundle))
    with open_receiver(context) as receiver, build_session(str(bundle)) as trusting, build_session() as usual:

        def to(session: requests.Session) -> OpenLineageOutlet:
            return open_outlet(
                receiver.url, session=lambda: session, credential=FakeCredential, sleep=lambda seconds: None
            )

        to(trusting).send(ANNOUNCED)
        assert len(receiver.events) == 1
        with pytest.raises(ServiceUnavailableError, match="SSLError"):
            to(usual).send(ANNOUNCED)


def test_authorities_are_trusted_by_the_environment_too_and_read_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As requests trusts them, which reads their file with each connection: some twenty milliseconds."""
    authority, context = trustme.CA(), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    own, usual = tmp_path / "own.pem", tmp_path / "usual.pem"
    trustme.CA().cert_pem.write_to_path(str(own))
    authority.cert_pem.write_to_path(str(usual))
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(usual))
    with open_receiver(context) as receiver, build_session(str(own)) as session:
        usual.unlink()
        assert session.post(receiver.url, json={}, timeout=20).status_code == 201


def test_token_is_sent_for_the_scope_that_is_set(receiver: Receiver, sessions: list[requests.Session]) -> None:
    """And asked for each time, since azure-identity keeps it."""
    open_to(receiver.url, sessions, scope="api://lineage/.default").send(ANNOUNCED)
    assert receiver.requests[0][2]["Authorization"] == "Bearer token for api://lineage/.default"


def test_missing_token_makes_the_message_come_back(receiver: Receiver, sessions: list[requests.Session]) -> None:
    """A role may arrive later; nothing is sent without."""
    failing = FakeCredential(ClientAuthenticationError("no identity"))
    with pytest.raises(AccessDeniedError, match="api://x"):
        open_to(receiver.url, sessions, failing, scope="api://x").send(ANNOUNCED)
    assert receiver.requests == []


def test_file_gets_a_line_for_each_event(tmp_path: Path, sessions: list[requests.Session]) -> None:
    """What is there stays."""
    path = tmp_path / "events.jsonl"
    path.write_text("{}\n")
    open_to(f"file://{path}", sessions).send(ANNOUNCED)
    before, line = path.read_text(encoding="utf-8").splitlines()
    assert before == "{}"
    check_event(json.loads(line))


def test_file_that_cannot_be_written_makes_the_message_come_back(
    tmp_path: Path, sessions: list[requests.Session]
) -> None:
    """A disk may be full."""
    with pytest.raises(ServiceUnavailableError, match="gone"):
        open_to(f"file://{tmp_path}/gone/events.jsonl", sessions).send(ANNOUNCED)


def test_console_gets_a_line_in_the_log(caplog: pytest.LogCaptureFixture, sessions: list[requests.Session]) -> None:
    """By the transport's own logger."""
    with caplog.at_level(logging.INFO, logger="openlineage"):
        open_to(outgoing.CONSOLE, sessions).send(ANNOUNCED)
    check_event(json.loads(caplog.records[-1].getMessage()))


@pytest.mark.parametrize("status", [200, 204, 400, 403, 404, 405, 501])
def test_receiver_that_answers_is_reached(receiver: Receiver, sessions: list[requests.Session], status: int) -> None:
    """Once, at its address and with its token; whatever it says of a request that is no event."""
    receiver.answers(status)
    open_to(f"{receiver.url}/in", sessions, scope="api://receiver/.default").reach()
    ((method, path, headers),) = receiver.requests
    assert (method, path, headers["Authorization"]) == ("OPTIONS", "/in", "Bearer token for api://receiver/.default")
    assert receiver.events == []


@pytest.mark.parametrize(
    ("status", "content_type", "error", "words"),
    [
        (401, "", AccessDeniedError, "LINEAGE_OPENLINEAGE_SCOPE"),
        (503, "", ServiceUnavailableError, "HTTP 503"),
        (200, "text/html; charset=utf-8", ServiceUnavailableError, "Is LINEAGE_OPENLINEAGE_OUT the address"),
        (302, "", RequestRefusedError, "a redirection is not followed"),
    ],
)
def test_receiver_that_cannot_take_events_is_named(
    receiver: Receiver, outlet: OpenLineageOutlet, status: int, content_type: str, error: type[LineageError], words: str
) -> None:
    """It lets no one in, is down, is another host, or has moved."""
    receiver.answers(status, Content_Type=content_type, Location="/elsewhere")
    with pytest.raises(error, match=words):
        outlet.reach()
    assert len(receiver.requests) == 1


def test_receiver_that_is_not_there_is_named(sessions: list[requests.Session], tmp_path: Path) -> None:
    """A file is no one's host."""
    with pytest.raises(ServiceUnavailableError, match="ConnectionError"):
        open_to("http://127.0.0.1:1", sessions).reach()
    open_to(f"file://{tmp_path}/out.jsonl", sessions).reach()
    open_to("console", sessions).reach()
