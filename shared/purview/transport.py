"""pyapacheatlas's client with its transport replaced: one session, timeouts, retries, status codes, parameters."""

import json as json_module
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from http import HTTPStatus
from threading import Lock
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import requests
import tenacity
from azure.core.credentials import TokenCredential
from pyapacheatlas.auth.base import AtlasAuthBase
from pyapacheatlas.core.client import AtlasClient
from pyapacheatlas.core.entity import AtlasEntity
from pyapacheatlas.core.util import AtlasResponse

from shared.clouds import PUBLIC
from shared.errors import LineageError, ServiceUnavailableError
from shared.http.errors import to_error
from shared.http.rest import get_token
from shared.redaction import redact_text

API_PATH = "/datamap/api/atlas/v2"
SEARCH_PATH = "/datamap/api/search/query"
API_VERSION = "2023-09-01"
COLLECTIONS_PATH = "/account/collections"
COLLECTIONS_VERSION = "2019-11-01-preview"

ATTEMPTS = 4
LONGEST_WAIT = 30.0
"""Seconds that a request waits before it is sent; where the catalog asks for more, the message waits instead."""
_TIMEOUTS = (5.0, 60.0)
_QUERY_LIMIT = 7_900
"""A URL breaks at 8 KB; the rest is for host, path and api-version."""


class _Token(AtlasAuthBase):
    def __init__(self, credential: TokenCredential, scope: str) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._credential = credential
        self._scope = scope

    def get_authentication_headers(self, **_: object) -> dict[str, str]:
        token = get_token(self._credential, self._scope).token
        return {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}


class _Answer(AtlasResponse):
    """The genuine class raises AtlasException and loses status and headers; by now there is nothing left to raise."""

    def __init__(self, response: requests.Response) -> None:
        self.status_code = response.status_code
        self.is_successful = response.ok
        try:
            self.body: Any = response.json() if response.content else None
        except ValueError as error:
            raise _not_of_purview("the answer is not JSON", response.text) from error
        if not isinstance(self.body, dict | None):
            raise _not_of_purview("the answer is no JSON object", response.text)


class Throttle:
    """
    The pause that the catalog asked one request for, kept by all requests of a process.

    After a pause they are let through one by one until the catalog has taken one: all at once would be refused again.
    """

    def __init__(self, *, clock: Callable[[], float], sleep: Callable[[float], object]) -> None:
        self._clock = clock
        self._sleep = sleep
        self._ends_at = 0.0
        self._is_on = False
        self._one_by_one = Lock()

    def begin(self, seconds: float) -> None:
        """Let no request begin for so long."""
        self._ends_at = max(self._ends_at, self._clock() + seconds)
        self._is_on = True

    def end(self) -> None:
        """Let requests go together again, now that one was taken; not if that was sent before the pause."""
        if self._left <= 0:
            self._is_on = False

    @contextmanager
    def request(self) -> Iterator[None]:
        """
        Wait until a request may be sent, and send it in the block.

        Raises:
            ServiceUnavailableError: it would wait too long; `retry_after` says how long.
        """
        if not self._is_on:
            yield
            return
        if not self._one_by_one.acquire(timeout=LONGEST_WAIT):
            raise self._too_long()
        try:
            if self._is_on:
                if self._left > LONGEST_WAIT:
                    raise self._too_long()
                if self._left > 0:
                    self._sleep(self._left)
            yield
        finally:
            self._one_by_one.release()

    @property
    def _left(self) -> float:
        return self._ends_at - self._clock()

    def _too_long(self) -> ServiceUnavailableError:
        left = max(self._left, 1.0)
        return ServiceUnavailableError(f"the catalog asks for a pause of {left:.0f} s more", retry_after=left)


class PurviewClient(AtlasClient):
    """
    The genuine client surface over our transport.

    Every call may raise ServiceUnavailableError (408, 429, 5xx, timeout, cut connection, an answer that is no answer of
    Atlas, a conflict with another write; after in-call retries), AccessDeniedError (401, 403), RecordNotFoundError (404
    of a read) and RequestRefusedError (another 4xx, with Atlas's own code). Never AtlasException, which is a
    BaseException.

    Attributes:
        collection: where new entities go; "" for the root.
    """

    def __init__(
        self,
        endpoint: str,
        *,
        credential: TokenCredential,
        session: requests.Session,
        collection: str = "",
        scope: str = PUBLIC.purview_scope,
        sleep: Callable[[float], None] = tenacity.nap.sleep,
        clock: Callable[[], float] = time.monotonic,
        first_wait: float = 0.5,
        attempts: int = ATTEMPTS,
    ) -> None:
        super().__init__(f"{endpoint.rstrip('/')}{API_PATH}", authentication=_Token(credential, scope))  # type: ignore[no-untyped-call]
        self._search_url = f"{endpoint.rstrip('/')}{SEARCH_PATH}"
        self._collections_url = f"{endpoint.rstrip('/')}{COLLECTIONS_PATH}"
        self._session = session
        self.collection = collection
        self._retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_may_be_over_soon),
            wait=_UnlessThrottled(
                tenacity.wait_exponential_jitter(multiplier=first_wait, max=LONGEST_WAIT, jitter=first_wait)
            ),
            stop=tenacity.stop_after_attempt(attempts),
            sleep=sleep,
            reraise=True,
        )
        self._throttle = Throttle(clock=clock, sleep=lambda seconds: self._retrying.sleep(seconds))

    def get(self, path: str) -> dict[str, Any]:
        """Read entities at a path of the API; {} if the answer is empty."""
        answer: dict[str, Any] = self._send("GET", f"{self.endpoint_url}{path}", None).body or {}
        if answer and answer.keys().isdisjoint(_OF_ENTITIES):
            raise _not_of_purview(f"GET {path.partition('?')[0]}: the answer has no entities", str(answer))
        return answer

    def reach(self) -> None:
        """Ask for a type that every catalog has, and no other host knows."""
        answer = self._send("GET", f"{self.endpoint_url}/types/entitydef/name/DataSet", None).body or {}
        if answer.get("name") != "DataSet":
            raise _not_of_purview("the answer is not the type that was asked for", str(answer))

    def put(self, path: str, body: object) -> None:
        self._send("PUT", f"{self.endpoint_url}{path}", None, body)

    def delete(self, path: str, *, params: Mapping[str, Any] | None = None, body: object = None) -> None:
        self._send("DELETE", f"{self.endpoint_url}{path}", params, body)

    def write_entities(self, entities: list[AtlasEntity], *, collection: str = "") -> dict[str, Any]:
        """Create or update entities in one request; with a collection, all of them are moved there."""
        answer: dict[str, Any] = (
            self._post_http(
                f"{self.endpoint_url}/entity/bulk",
                {"collectionId": collection} if collection else None,
                self._prepare_entity_upload(entities),
            ).body
            or {}
        )
        if "guidAssignments" not in answer:  # Atlas names every entity of the request: nothing may have been written
            raise _not_of_purview("POST /entity/bulk: the answer names no entity", str(answer))
        return answer

    def search(self, query: Mapping[str, object], *, pages: int = 1) -> Iterator[dict[str, Any]]:
        """Yield the hits of a search, which is an API of its own beside Atlas's; those of some pages at most."""
        token = ""
        for _ in range(pages):
            answer = self._send(
                "POST", self._search_url, None, {**query, **({"continuationToken": token} if token else {})}
            ).body
            yield from (answer or {}).get("value") or []
            token = str((answer or {}).get("continuationToken") or "")
            if not token:
                return

    def list_collections(self) -> dict[str, str]:
        """
        Return the collections that the identity sees: by their names what people call them.

        Wire shape: azure-rest-api-specs, Azure.Analytics.Purview.Account, Collections - List Collections.
        """
        found: dict[str, str] = {}
        params: dict[str, Any] = {"api-version": COLLECTIONS_VERSION}
        while True:
            page = self._send("GET", self._collections_url, params).body or {}
            found |= {str(each["name"]): str(each.get("friendlyName") or "") for each in page.get("value") or []}
            token = parse_qs(urlsplit(str(page.get("nextLink") or "")).query).get("$skipToken")
            if not token or token == params.get("$skipToken"):
                return found
            params["$skipToken"] = token

    def _get_http(self, url: str, params: Mapping[str, Any] | None = None, **_: Any) -> AtlasResponse:
        return self._send("GET", url, params)

    def _post_http(
        self, url: str, params: Mapping[str, Any] | None = None, json: object = None, files: object = None, **_: Any
    ) -> AtlasResponse:
        return self._send("POST", url, params, json)

    def _put_http(
        self, url: str, params: Mapping[str, Any] | None = None, json: object = None, **_: Any
    ) -> AtlasResponse:
        return self._send("PUT", url, params, json)

    def _delete_http(
        self, url: str, params: Mapping[str, Any] | None = None, json: object = None, **_: Any
    ) -> AtlasResponse:
        return self._send("DELETE", url, params, json)

    def _send(self, method: str, url: str, params: Mapping[str, Any] | None, json: object = None) -> AtlasResponse:
        return self._retrying(self._send_once, method, url, params, json)

    def _send_once(self, method: str, url: str, params: Mapping[str, Any] | None, json: object) -> AtlasResponse:
        with self._throttle.request():
            return self._ask(f"{method} {url.partition('?')[0]}", method, url, params, json)

    def _ask(self, what: str, method: str, url: str, params: Mapping[str, Any] | None, json: object) -> AtlasResponse:
        try:
            response = self._session.request(
                method,
                url,
                params={"api-version": API_VERSION, **(params or {})},
                json=json,
                headers=self.generate_request_headers(),
                timeout=_TIMEOUTS,
            )
        except requests.RequestException as error:
            is_trust = isinstance(error, requests.exceptions.SSLError)
            advice = " Is its authority in LINEAGE_CA_BUNDLE?" if is_trust else ""
            words = redact_text(str(error))
            raise ServiceUnavailableError(f"{what}: {type(error).__name__}: {words}.{advice}") from error
        refusal = None if response.ok else _to_error(what, response)
        if not isinstance(refusal, ServiceUnavailableError):
            self._throttle.end()
        elif refusal.retry_after is not None or response.status_code == HTTPStatus.TOO_MANY_REQUESTS:
            self._throttle.begin(refusal.retry_after or 0)
        if refusal:
            raise refusal
        return _Answer(response)


class _UnlessThrottled(tenacity.wait.wait_base):
    """Waits as `otherwise` says, but not where the service asked for a pause: that is kept by all requests."""

    def __init__(self, otherwise: tenacity.wait.wait_base) -> None:
        self._otherwise = otherwise

    def __call__(self, retry_state: tenacity.RetryCallState) -> float:
        error = retry_state.outcome.exception() if retry_state.outcome else None
        if isinstance(error, ServiceUnavailableError) and error.retry_after is not None:
            return 0
        return self._otherwise(retry_state)


def _may_be_over_soon(error: BaseException) -> bool:
    return isinstance(error, ServiceUnavailableError) and (error.retry_after or 0) <= LONGEST_WAIT


def _to_error(what: str, response: requests.Response) -> LineageError:
    """
    Say what a refusal means; one that is not in the words of Purview says nothing of the request.

    Atlas's own answers are AtlasErrorResponse, {requestId, errorCode, errorMessage}, as the specification of the Data
    Map has it (azure-rest-api-specs, Azure.Analytics.Purview.DataMap); the gateway before it answers {error: {code,
    message}}, or a page where a request is too large. It knows every path and method that we use: a 404 or 405 without
    a code of Atlas is of another host, or of a gateway whose service is not there now.
    """
    code, words = _error_of(response)
    status = response.status_code
    is_of_purview = code.startswith("ATLAS-") or (bool(code) and status not in _OF_PATHS) or status in _TOO_LARGE
    if not is_of_purview and status < HTTPStatus.INTERNAL_SERVER_ERROR and status not in _WAITS:
        words = f"{words} {_ADVICE}".strip()
    return to_error(
        status,
        f"{what}: HTTP {status}: {words}",
        denied="The identity needs Data Curator on the collection.",
        retry_after=response.headers.get("Retry-After", ""),
        is_absence=code in _ABSENT,
        passes=not is_of_purview or (status in _CONFLICTS and code not in _ABOUT_TYPES),
        code=code,
    )


def _not_of_purview(what: str, words: str) -> ServiceUnavailableError:
    """Make the error of an answer that only another host gives, or a page before the catalog."""
    return ServiceUnavailableError(f"{what}: {redact_text(words[:200])} {_ADVICE}")


_ADVICE = "Does PURVIEW_ENDPOINT name a Microsoft Purview account?"
_OF_ENTITIES = frozenset({"entities", "referredEntities", "entity"})
"""Members of AtlasEntitiesWithExtInfo and AtlasEntityWithExtInfo, the answers to reads of entities."""
_OF_PATHS = frozenset({HTTPStatus.NOT_FOUND, HTTPStatus.METHOD_NOT_ALLOWED})
_WAITS = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS})
_TOO_LARGE = frozenset({413, 414, 431})
"""Statuses that are about this one request, also where a gateway answers them."""
_ABSENT = frozenset({"ATLAS-404-00-001", "ATLAS-404-00-005", "ATLAS-404-00-009"})
"""Codes that mean "no such type, guid or unique attribute"; Atlas answers 404 to invalid writes too."""
_CONFLICTS = frozenset({HTTPStatus.CONFLICT, HTTPStatus.PRECONDITION_FAILED, HTTPStatus.LOCKED})
"""Another request writes the same just now: the request itself is right."""
_ABOUT_TYPES = frozenset({"ATLAS-409-00-001", "ATLAS-409-00-002", "ATLAS-409-00-005"})
"""Codes of conflicts that do not pass: a type exists, or is in use."""


def _error_of(response: requests.Response) -> tuple[str, str]:
    try:
        body = json_module.loads(response.text)
    except ValueError:
        return "", redact_text(response.text[:300])
    nested = body.get("error") if isinstance(body, dict) else None
    if isinstance(nested, dict):
        return str(nested.get("code") or ""), redact_text(str(nested.get("message") or ""))
    if isinstance(body, dict):
        return str(body.get("errorCode") or ""), redact_text(
            f"{body.get('errorCode', '')} {body.get('errorMessage', '')}"
        )
    return "", redact_text(str(body)[:300])


def unique_attribute_queries(names: Sequence[str]) -> Iterator[str]:
    """
    Format qualifiedNames as queries of a bulk read by unique attribute, as many to a URL as its 8 KB take.

    >>> list(unique_attribute_queries(["a://b", "c&d"]))
    ['attr_0:qualifiedName=a://b&attr_1:qualifiedName=c%26d']
    """
    parts: list[str] = []
    size = 0
    for name in names:
        part = f"attr_{len(parts)}:qualifiedName={quote(name, safe=':/')}"
        if parts and size + len(part) + 1 > _QUERY_LIMIT:
            yield "&".join(parts)
            parts, size = [], 0
            part = f"attr_0:qualifiedName={quote(name, safe=':/')}"
        parts.append(part)
        size += len(part) + 1
    if parts:
        yield "&".join(parts)


def active_links(listed: object) -> list[Mapping[str, Any]]:
    """Leave out removed relationships, which Atlas goes on listing, marked DELETED; there may be one, not in a list."""
    items = [listed] if isinstance(listed, Mapping) else listed if isinstance(listed, list) else []
    return [item for item in items if "DELETED" not in (item.get("relationshipStatus"), item.get("entityStatus"))]
