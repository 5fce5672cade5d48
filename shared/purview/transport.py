"""pyapacheatlas's client with its transport replaced: one session, timeouts, retries, status codes, parameters."""

import json as json_module
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import quote

import requests
import tenacity
from azure.core.credentials import TokenCredential
from pyapacheatlas.auth.base import AtlasAuthBase
from pyapacheatlas.core.client import AtlasClient
from pyapacheatlas.core.util import AtlasResponse

from shared.clouds import PUBLIC
from shared.errors import LineageError, ServiceUnavailableError
from shared.http.errors import to_error
from shared.http.rest import LONGEST_WAIT, RetryAfter, get_token
from shared.redaction import redact_text

API_PATH = "/datamap/api/atlas/v2"
SEARCH_PATH = "/datamap/api/search/query"
API_VERSION = "2023-09-01"

ATTEMPTS = 4
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
            raise ServiceUnavailableError(f"the catalog's answer is not JSON: {response.text[:200]}") from error


class PurviewClient(AtlasClient):
    """
    The genuine client surface over our transport.

    Every call may raise ServiceUnavailableError (408, 429, 5xx, timeout, cut connection; after in-call retries),
    AccessDeniedError (401, 403), RecordNotFoundError (404 of a read) and RequestRefusedError (another 4xx, with
    Atlas's own code). Never AtlasException, which is a BaseException.
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
        first_wait: float = 0.5,
        attempts: int = ATTEMPTS,
    ) -> None:
        super().__init__(f"{endpoint.rstrip('/')}{API_PATH}", authentication=_Token(credential, scope))  # type: ignore[no-untyped-call]
        self._search_url = f"{endpoint.rstrip('/')}{SEARCH_PATH}"
        self._session = session
        self._collection = collection
        self._retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(ServiceUnavailableError),
            wait=RetryAfter(
                tenacity.wait_exponential_jitter(multiplier=first_wait, max=LONGEST_WAIT, jitter=first_wait)
            ),
            stop=tenacity.stop_after_attempt(attempts),
            sleep=sleep,
            reraise=True,
        )

    def get(self, path: str) -> dict[str, Any]:
        """Read what is at a path of the API; {} if the answer is empty."""
        return self._send("GET", f"{self.endpoint_url}{path}", None).body or {}

    def put(self, path: str, body: object) -> None:
        self._send("PUT", f"{self.endpoint_url}{path}", None, body)

    def delete(self, path: str, *, params: Mapping[str, Any] | None = None, body: object = None) -> None:
        self._send("DELETE", f"{self.endpoint_url}{path}", params, body)

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

    def _get_http(self, url: str, params: Mapping[str, Any] | None = None, **_: Any) -> AtlasResponse:
        return self._send("GET", url, params)

    def _post_http(
        self, url: str, params: Mapping[str, Any] | None = None, json: object = None, files: object = None, **_: Any
    ) -> AtlasResponse:
        if url.endswith("/entity/bulk") and self._collection:
            params = {**(params or {}), "collectionId": self._collection}
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
        what = f"{method} {url.partition('?')[0]}"
        try:
            response = self._session.request(
                method,
                url,
                params={**(params or {}), "api-version": API_VERSION},
                json=json,
                headers=self.generate_request_headers(),
                timeout=_TIMEOUTS,
            )
        except requests.RequestException as error:
            is_trust = isinstance(error, requests.exceptions.SSLError)
            advice = " Is its authority in LINEAGE_CA_BUNDLE?" if is_trust else ""
            words = redact_text(str(error))
            raise ServiceUnavailableError(f"{what}: {type(error).__name__}: {words}.{advice}") from error
        if not response.ok:
            raise _to_error(what, response)
        return _Answer(response)


def _to_error(what: str, response: requests.Response) -> LineageError:
    code, words = _error_of(response)
    return to_error(
        response.status_code,
        f"{what}: HTTP {response.status_code}: {words}",
        denied="The identity needs Data Curator on the collection.",
        retry_after=response.headers.get("Retry-After", ""),
        is_absence=code in _ABSENT,
        code=code,
    )


_ABSENT = frozenset({"ATLAS-404-00-001", "ATLAS-404-00-005", "ATLAS-404-00-009"})
"""Codes that mean "no such type, guid or unique attribute"; Atlas answers 404 to invalid writes too."""


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
