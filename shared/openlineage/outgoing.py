"""Sends lineage out as OpenLineage: to a file, to the log, or to a receiver over HTTP."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime
from threading import Lock
from typing import cast
from urllib.parse import urljoin, urlsplit

import requests
import tenacity
from azure.core.credentials import TokenCredential
from openlineage.client.event_v2 import RunEvent
from openlineage.client.transport import Transport
from openlineage.client.transport.console import ConsoleConfig, ConsoleTransport
from openlineage.client.transport.file import FileConfig, FileTransport
from openlineage.client.transport.http import HttpConfig, HttpTransport, TokenProvider
from requests.adapters import HTTPAdapter

from shared.catalog.entities import Entity
from shared.errors import RequestRefusedError, ServiceUnavailableError
from shared.http.errors import to_error
from shared.http.rest import get_token
from shared.openlineage.outgoing_events import ProcessEvents, to_run_events
from shared.ports import Announcement
from shared.redaction import redact_text

CONSOLE, FILE = "console", "file://"
DEFAULT_PATH = "api/v1/lineage"
"""Where the standard's reference server takes events; used where a URL has no path."""
TIMEOUT = 10.0
ATTEMPTS = 3


class OpenLineageOutlet:
    """The outlet port over one of openlineage-python's own transports."""

    def __init__(
        self, transport: Transport, *, target: str, sleep: Callable[[float], None] = tenacity.nap.sleep
    ) -> None:
        self._transport = transport
        self._target = target
        self._lock = Lock()
        # Short waits here, long ones by the queue, which also waits as long as a receiver asks for.
        self._retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_may_pass_soon),
            wait=tenacity.wait_exponential_jitter(multiplier=0.5, max=5, jitter=0.5),
            stop=tenacity.stop_after_attempt(ATTEMPTS),
            sleep=sleep,
            reraise=True,
        )

    def translate(self, entities: Sequence[Entity], *, at: datetime) -> Sequence[ProcessEvents]:
        return to_run_events(entities, at=at)

    def send(self, announcement: Announcement) -> None:
        for event in announcement.events:
            self.emit(cast(RunEvent, event))

    def emit(self, event: RunEvent) -> None:
        """
        Send one event.

        Raises:
            ServiceUnavailableError, AccessDeniedError, RequestRefusedError
        """
        self._retrying(self._emit_once, event)

    def reach(self) -> None:
        """
        Ask a receiver over HTTP for its methods (RFC 9110, OPTIONS), which changes nothing; of no effect on a file.

        Whether it takes events at its path shows with the first one: Azure Functions answers 404 where only POST is
        taken (azure-functions-host, issue 10098).

        Raises:
            ServiceUnavailableError, AccessDeniedError, RequestRefusedError
        """
        transport = self._transport
        if not isinstance(transport, HttpTransport):
            return
        with self._translated_errors():
            bearer = transport.config.auth.get_bearer()
            with transport.session.options(
                urljoin(transport.url, transport.endpoint),
                headers={"Authorization": bearer} if bearer else {},
                timeout=transport.timeout,
            ) as response:
                fails = response.status_code >= 500 and response.status_code != 501
                if fails or response.status_code == 401 or _is_page(response):
                    _check(response, self._target)

    def _emit_once(self, event: RunEvent) -> None:
        with self._translated_errors():
            if isinstance(self._transport, HttpTransport):
                _check(self._transport.emit(event), self._target)
            else:
                with self._lock:  # lines of one file, from several threads
                    self._transport.emit(event)

    @contextmanager
    def _translated_errors(self) -> Iterator[None]:
        try:
            yield
        except requests.HTTPError as error:
            _check(error.response, self._target)
        except requests.TooManyRedirects as error:
            raise RequestRefusedError(f"{self._what}: a redirection is not followed", status=302) from error
        except requests.RequestException as error:
            words = redact_text(str(error))
            raise ServiceUnavailableError(f"{self._what}: {type(error).__name__}: {words}") from error
        except RuntimeError as error:  # what the file transport makes of any failure to write
            raise ServiceUnavailableError(f"{self._what}: {error}") from error

    @property
    def _what(self) -> str:
        return f"OpenLineage to {self._target}"


def open_outlet(
    target: str,
    *,
    session: Callable[[], requests.Session],
    credential: Callable[[], TokenCredential],
    scope: str = "",
    sleep: Callable[[float], None] = tenacity.nap.sleep,
) -> OpenLineageOutlet:
    """
    Open what a setting names.

    Args:
        target: `console`, `file:///path` or a URL.
        session: makes the session for HTTP.
        credential: makes what gives the bearer token for HTTP.
        scope: for what that is asked; "" to send none.
    """
    if target == CONSOLE:
        return OpenLineageOutlet(ConsoleTransport(ConsoleConfig()), target=target, sleep=sleep)
    if target.startswith(FILE):
        config = FileConfig(log_file_path=target, append=True)
        return OpenLineageOutlet(FileTransport(config), target=target, sleep=sleep)
    auth = _Bearer(credential(), scope) if scope else TokenProvider({})
    return OpenLineageOutlet(HttpTransport(_http(target, session(), auth)), target=target, sleep=sleep)


class _Bearer(TokenProvider):
    def __init__(self, credential: TokenCredential, scope: str) -> None:
        super().__init__({})
        self._credential = credential
        self._scope = scope

    def get_bearer(self) -> str:
        return f"Bearer {get_token(self._credential, self._scope).token}"


def _http(url: str, session: requests.Session, auth: TokenProvider) -> HttpConfig:
    # A POST that is redirected arrives as a GET: nothing would be delivered, and that with a 200.
    session.max_redirects = 0
    adapter = session.get_adapter(url)  # the session's own, which trusts LINEAGE_CA_BUNDLE and retries nothing
    return HttpConfig(
        url=url,
        endpoint="" if urlsplit(url).path.strip("/") else DEFAULT_PATH,
        timeout=TIMEOUT,
        session=session,
        adapter=adapter if isinstance(adapter, HTTPAdapter) else None,
        auth=auth,
    )


def _may_pass_soon(error: BaseException) -> bool:
    return isinstance(error, ServiceUnavailableError) and not error.retry_after


def _is_page(response: requests.Response) -> bool:
    return "text/html" in response.headers.get("Content-Type", "")


def _check(response: requests.Response, target: str) -> None:
    """
    Say what an answer means for the message that led to the event.

    A receiver takes events at its address and has no page there: what answers so is another host.
    """
    is_other = response.status_code in (404, 405) or _is_page(response)
    if is_other and response.status_code not in (401, 403):
        advice = "Is LINEAGE_OPENLINEAGE_OUT the address of a receiver?"
        raise ServiceUnavailableError(f"OpenLineage to {target}: HTTP {response.status_code}. {advice}")
    if response.status_code >= 300:
        raise to_error(
            response.status_code,
            f"OpenLineage to {target}: HTTP {response.status_code}: {redact_text(response.reason or '')}",
            denied="The receiver must let the app's identity in (LINEAGE_OPENLINEAGE_SCOPE).",
            retry_after=response.headers.get("Retry-After", ""),
        )
