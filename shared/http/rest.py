"""What clients of services share: a pooled, TLS-verified session, a token, and a pipeline for Azure's own REST."""

import os
import ssl
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from functools import cache
from http import HTTPStatus
from typing import Any
from urllib.parse import unquote, urlsplit, urlunsplit

import requests
import tenacity
import urllib3
from azure.core import PipelineClient
from azure.core.credentials import AccessToken, TokenCredential
from azure.core.exceptions import AzureError
from azure.core.pipeline import PipelineResponse
from azure.core.pipeline.policies import BearerTokenCredentialPolicy, RetryPolicy, UserAgentPolicy
from azure.core.pipeline.transport import HttpTransport
from azure.core.rest import HttpRequest, HttpResponse
from requests.adapters import HTTPAdapter
from requests.utils import DEFAULT_CA_BUNDLE_PATH, get_environ_proxies, select_proxy

from shared.errors import AccessDeniedError, RequestRefusedError, ServiceUnavailableError, UnreadableAnswerError
from shared.http.errors import no_token, translated_errors

Json = dict[str, Any]

CONNECT_TIMEOUT = 5.0
READ_TIMEOUT = 30.0
LONGEST_WAIT = 30.0
_RETRIED = frozenset({"GET", "POST", "PUT"})  # every POST is a read or names what it starts, every PUT is idempotent
WORKSPACE_READER = "read access to the workspace"
_THREADS = "PYTHON_THREADPOOL_THREAD_COUNT"
"""The Functions worker's own setting: how many messages it works on at once."""
POOL_SIZE = 4
"""Connections kept to one host: so many requests at a time a worker sends to a service that counts its load."""


def count_threads() -> int:
    """
    Return how many messages and calls this process may work on at once, for what has room for all of them.

    The worker's own default depends on the cores, and few have more than this.
    """
    said = os.environ.get(_THREADS, "")
    return max(POOL_SIZE, int(said)) if said.isdigit() else POOL_SIZE


def build_session(
    ca_bundle: str | None = None,
    *,
    size: int = POOL_SIZE,
    observe: Callable[[int, float], None] = lambda status, seconds: None,
) -> requests.Session:
    """
    Build a session that keeps its connections open.

    Args:
        ca_bundle: a PEM file of certificate authorities to trust beside the usual ones.
        size: connections kept to one host.
        observe: called for each request over TLS with the answer's status (0 if there was none) and the seconds taken.
    """
    session = requests.Session()
    session.trust_env = False  # it would read the environment with every request; the adapters have the proxies
    session.mount("https://", _PooledAdapter(ca_bundle, size, observe))
    session.mount("http://", _ProxiedAdapter(pool_maxsize=size, pool_block=True))
    return session


def open_pool(url: str, *, size: int) -> urllib3.HTTPConnectionPool:
    """
    Open connections to one service for what needs no session: no cookies, no redirections, no retries.

    Args:
        url: any address of the service; it decides whether a proxy is asked.
        size: connections kept.
    """
    options: dict[str, Any] = {
        "maxsize": size,
        "block": True,
        "timeout": urllib3.Timeout(connect=CONNECT_TIMEOUT, read=READ_TIMEOUT),
        "ssl_context": _trust(None) if url.startswith("https") else None,
    }
    if proxy := _proxy_of(url):
        user, password = urlsplit(proxy).username, urlsplit(proxy).password
        headers = urllib3.make_headers(proxy_basic_auth=f"{unquote(user)}:{unquote(password or '')}") if user else None
        return urllib3.ProxyManager(proxy, proxy_headers=headers, **options).connection_from_url(url)
    return urllib3.PoolManager(**options).connection_from_url(url)


def _proxy_of(url: str) -> str:
    """Return the proxy that the environment names for an address, or ""."""
    return select_proxy(url, get_environ_proxies(url)) or ""


class _ProxiedAdapter(HTTPAdapter):
    """requests reads the proxies from the environment with each request; this one once for each host."""

    def __init__(self, **options: Any) -> None:
        self._proxies: dict[str, Mapping[str, str]] = {}
        super().__init__(**options)

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        url = str(request.url)
        origin = "/".join(url.split("/", 3)[:3])
        if origin not in self._proxies:
            self._proxies[origin] = get_environ_proxies(url)
        return super().send(request, *args, **{**kwargs, "proxies": self._proxies[origin]})


@cache
def _trust(ca_bundle: str | None) -> ssl.SSLContext:
    """Load the authorities once, those that requests would use among them: that takes longer than most requests."""
    context = ssl.create_default_context()
    usual = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("CURL_CA_BUNDLE") or DEFAULT_CA_BUNDLE_PATH
    context.load_verify_locations(**{"capath" if os.path.isdir(usual) else "cafile": usual})
    if ca_bundle:
        context.load_verify_locations(ca_bundle)
    return context


class _PooledAdapter(_ProxiedAdapter):
    """requests takes either the usual authorities or a file of others; this one takes both."""

    def __init__(self, ca_bundle: str | None, size: int, observe: Callable[[int, float], None]) -> None:
        self._context = _trust(ca_bundle)
        self._observe = observe
        super().__init__(pool_connections=POOL_SIZE, pool_maxsize=size, pool_block=True)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        kwargs["ssl_context"] = self._context
        super().init_poolmanager(*args, **kwargs)

    def cert_verify(self, conn: Any, url: str, verify: Any, cert: Any) -> None:
        """Leave the authorities to the context, which has them: requests would read them with each connection."""
        super().cert_verify(conn, url, verify, cert)  # type: ignore[no-untyped-call]
        conn.ca_certs = conn.ca_cert_dir = None

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        started, status = time.monotonic(), 0
        try:
            response = super().send(request, *args, **kwargs)
            status = response.status_code
            return response
        finally:
            self._observe(status, time.monotonic() - started)


class EmulatorCredential:
    """
    A fixed token for an emulator on this machine, good for nothing else.

    Settings accept it only when every endpoint is a loopback address.
    """

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        return AccessToken("emulator", int(time.time()) + 3_600)


def get_token(credential: TokenCredential, scope: str) -> AccessToken:
    """
    Ask for a token each time that one is needed: azure-identity keeps tokens and renews them before they end.

    Raises:
        AccessDeniedError: the credential has none.
    """
    try:
        return credential.get_token(scope)
    except AzureError as error:
        raise AccessDeniedError(no_token(scope, error)) from error


class RetryAfter(tenacity.wait.wait_base):
    """Waits as long as the service asked for, up to a limit, or else as `otherwise` says."""

    def __init__(self, otherwise: tenacity.wait.wait_base) -> None:
        self._otherwise = otherwise

    def __call__(self, retry_state: tenacity.RetryCallState) -> float:
        error = retry_state.outcome.exception() if retry_state.outcome else None
        if isinstance(error, ServiceUnavailableError) and error.retry_after is not None:
            return min(error.retry_after, LONGEST_WAIT)
        return self._otherwise(retry_state)


class BoundedRetryPolicy(RetryPolicy[Any, Any]):
    """
    Some retries, waiting as the service asks but never longer than LONGEST_WAIT a time: the queue waits better.

    The genuine policy sleeps for any Retry-After, past the time that the message is hidden from others.
    """

    def __init__(self, backoff: float = 0.8, retries: int = 3) -> None:
        super().__init__(retry_total=retries, retry_backoff_factor=backoff, retry_backoff_max=10)

    def get_retry_after(self, response: PipelineResponse[Any, Any]) -> float | None:
        after = super().get_retry_after(response)
        return None if after is None else min(after, LONGEST_WAIT)


class RestClient:
    """
    Sends JSON and reads JSON, with the token of `scope`, retries, `Retry-After` and timeouts.

    Every method may raise ServiceUnavailableError, AccessDeniedError, RecordNotFoundError (404)
    and RequestRefusedError (another 4xx).

    Args:
        needs: the role or right whose absence a 401 or 403 would explain.
        service: for whom the token is, in words.
    """

    def __init__(
        self,
        credential: TokenCredential,
        transport: HttpTransport[Any, Any],
        *,
        scope: str,
        needs: str = WORKSPACE_READER,
        service: str = "Azure Resource Manager",
        retry_backoff: float = 0.8,
        retries: int = 3,
    ) -> None:
        self._needs = needs
        self._service = service
        agent = UserAgentPolicy(base_user_agent="aml-purview-lineage")
        token = BearerTokenCredentialPolicy(credential, scope)
        self._authorised: PipelineClient[HttpRequest, HttpResponse] = PipelineClient(
            base_url="", transport=transport, policies=[agent, BoundedRetryPolicy(retry_backoff, retries), token]
        )
        self._anonymous: PipelineClient[HttpRequest, HttpResponse] = PipelineClient(
            base_url="", transport=transport, policies=[agent, BoundedRetryPolicy(retry_backoff, retries)]
        )

    def get(self, url: str, *, params: Mapping[str, str] | None = None, anonymous: bool = False) -> Json:
        return self._send(HttpRequest("GET", url, params=dict(params or {})), anonymous=anonymous)

    def get_content(self, url: str, *, params: Mapping[str, str], largest: int) -> bytes:
        """
        Return a body that is no JSON of the service's own, as it is; a redirection is refused, not followed.

        Raises:
            UnreadableAnswerError: it has more bytes than `largest`.
        """
        request = HttpRequest("GET", url, params=dict(params), headers={"Accept": "application/octet-stream"})
        what = _describe(request)
        content = bytearray()
        with (
            translated_errors(what, needs=self._needs, service=self._service),
            self._ask(self._authorised, request, stream=True) as response,
        ):
            if response.status_code != HTTPStatus.OK:
                response.read()
                response.raise_for_status()
                raise RequestRefusedError(f"{what}: HTTP {response.status_code}", status=response.status_code)
            for part in response.iter_bytes():
                content += part
                if len(content) > largest:
                    raise UnreadableAnswerError(f"{what}: the answer is longer than {largest} bytes")
        return bytes(content)

    def get_all(self, url: str, *, params: Mapping[str, str]) -> Iterator[Json]:
        """
        Yield the items of a list of Azure Resource Manager, all pages.

        Raises:
            UnreadableAnswerError: it is no list, or its next page is elsewhere or was read before.
        """
        for page in self.get_pages(url, params=params):
            yield from items_of(page)

    def get_pages(self, url: str, *, params: Mapping[str, str]) -> Iterator[Json]:
        """
        Yield the pages of a list of Azure Resource Manager.

        Raises:
            UnreadableAnswerError: its next page is elsewhere or was read before.
        """
        answer, read = self.get(url, params=params), set[str]()
        yield answer
        while link := next_page(answer, url):
            if link in read:
                raise UnreadableAnswerError(f"nextLink: {url} leads to a page that was read before")
            read.add(link)
            answer = self.get(link)
            yield answer

    def post(self, url: str, body: Json, *, params: Mapping[str, str] | None = None) -> Json:
        return self._send(HttpRequest("POST", url, params=dict(params or {}), json=body))

    def put(self, url: str, body: Json, *, params: Mapping[str, str] | None = None) -> Json:
        return self._send(HttpRequest("PUT", url, params=dict(params or {}), json=body))

    def _send(self, request: HttpRequest, *, anonymous: bool = False) -> Json:
        with translated_errors(_describe(request), needs=self._needs, service=self._service):
            response = self._ask(self._anonymous if anonymous else self._authorised, request)
            response.raise_for_status()
            answer = response.json() if response.content else {}
        if not isinstance(answer, dict):
            raise RequestRefusedError(f"{request.url}: the answer is no JSON object", status=response.status_code)
        return answer

    def _ask(
        self, client: PipelineClient[HttpRequest, HttpResponse], request: HttpRequest, *, stream: bool = False
    ) -> HttpResponse:
        return client.send_request(
            request,
            stream=stream,
            connection_timeout=CONNECT_TIMEOUT,
            read_timeout=READ_TIMEOUT,
            retry_on_methods=_RETRIED,  # a request's option: the policy's constructor ignores it
        )


def _describe(request: HttpRequest) -> str:
    return f"{request.method} {request.url.partition('?')[0]}"


def items_of(answer: Json) -> list[Json]:
    """
    Return what is on a page of a list of Azure Resource Manager.

    Raises:
        UnreadableAnswerError: it is no list of objects.
    """
    items = [item for item in readable_items(answer) if item is not None]
    if len(items) < len(readable_items(answer)):
        raise UnreadableAnswerError("value: is not a list of objects")
    return items


def readable_items(answer: Json) -> list[Json | None]:
    """
    Return what is on a page of a list, None for each item that is no object and for a list that is none.

    >>> readable_items({"value": [{"name": "blue"}, None]}), readable_items({"value": None})
    ([{'name': 'blue'}, None], [None])
    """
    value = answer.get("value")
    return [each if isinstance(each, dict) else None for each in value] if isinstance(value, list) else [None]


def next_page(answer: Json, url: str) -> str:
    """Return the link that a page of a list asked for at `url` gives to the next one, or "" on the last."""
    link = answer.get("nextLink")
    return link_at(url, str(link)) if link else ""


def link_at(url: str, link: str, *, also: Collection[str] = ()) -> str:
    """
    Return the link to a next page, at the address that a service is asked by: the token goes where the link leads.

    A service may write its default port, its host in another case, or another of its names.

    Args:
        url: any address of the service.
        also: other host names of the same service, in lower case.

    Raises:
        UnreadableAnswerError: the link leads to another service.

    >>> link_at("https://management.azure.com", "https://Management.Azure.com:443/jobs?$skip=1")
    'https://management.azure.com/jobs?$skip=1'
    """
    asked = urlsplit(url)
    try:
        linked = urlsplit(link)
        same = linked.scheme.lower() == asked.scheme and (
            _host(linked.netloc) == _host(asked.netloc) or linked.hostname in also
        )
    except ValueError:
        linked, same = urlsplit(""), False
    if not same:
        host = linked.netloc or "no host"
        raise UnreadableAnswerError(f"nextLink: the next page is at {host}, not at {asked.netloc}")
    return urlunsplit((*asked[:2], *linked[2:4], ""))


def _host(netloc: str) -> str:
    return netloc.casefold().removesuffix(":443")
