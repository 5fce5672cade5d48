"""One table of Azure Storage over HTTP: the few requests that the ledger makes of the Table service."""

import base64
import hashlib
import hmac
import json
import re
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from email.utils import formatdate
from http import HTTPStatus
from threading import Lock
from typing import Any
from urllib.parse import quote, urlsplit

import tenacity
import urllib3
from azure.core.credentials import AccessToken, AzureNamedKeyCredential, TokenCredential

from shared.errors import LineageError, ServiceUnavailableError, UnreadableAnswerError
from shared.http.errors import to_error
from shared.http.rest import RetryAfter, get_token
from shared.redaction import redact_text

Entity = Mapping[str, Any]

IN_TRANSACTION = 100
"""Entities of one transaction, all of one partition."""
_BYTES = 3_500_000
"""Of one transaction; the service takes four megabytes."""
_BYTES_OF_CHARACTER, _OVERHEAD = 4, 1_000
"""What an entity takes at most."""
_ATTEMPTS = 4
_SCOPE = "https://storage.azure.com/.default"
_RENEW_BEFORE = 300.0
"""Seconds before its end that a token is asked for again."""
_PART = re.compile(r"HTTP/1\.1 (\d{3})[^\r\n]*\r\n(.*?)\r?\n\r?\n(.*?)(?=\r?\n--)", re.DOTALL)
_TAG = re.compile(r"^etag: *(\S+)", re.IGNORECASE | re.MULTILINE)
_POSITION = re.compile(r"^(\d+):")
_ABSENT = "ResourceNotFound"
_CONDITIONS = frozenset(
    {_ABSENT, "EntityAlreadyExists", "TableAlreadyExists", "UpdateConditionNotSatisfied", "ConditionNotMet"}
)
_NOT_READY = frozenset({"TableNotFound", "TableBeingDeleted"})
"""The deployment creates the table: a message must wait for it, and not be given up."""


class ConditionFailedError(Exception):
    """
    An entity was not there or not as it was expected to be: nothing of the transaction was written.

    Attributes:
        position: of the operation that failed.
    """

    def __init__(self, position: int) -> None:
        super().__init__(position)
        self.position = position


@dataclass(frozen=True, slots=True)
class Write:
    """
    What to do with one entity.

    Attributes:
        entity: what to write; None deletes.
        tag: what it is expected to be; "" writes over anything, None expects that there is none.
    """

    partition: str
    row: str
    entity: Entity | None
    tag: str | None = ""

    @property
    def method(self) -> str:
        if self.entity is None:
            return "DELETE"
        return "POST" if self.tag is None else "PUT"

    @property
    def body(self) -> str:
        if self.entity is None:
            return ""
        keys = {"PartitionKey": self.partition, "RowKey": self.row}
        return json.dumps({**keys, **self.entity}, ensure_ascii=False, separators=(",", ":"))

    @property
    def headers(self) -> dict[str, str]:
        condition = {"If-Match": self.tag or "*"} if self.entity is None or self.tag else {}
        if self.entity is None:
            return condition
        return {"Content-Type": "application/json", "Prefer": "return-no-content", **condition}


class TableService:
    """
    Reads and writes entities of one table.

    Every method may raise ServiceUnavailableError (408, 429, 5xx, timeout, cut connection, a table that does not exist;
    after retries), AccessDeniedError and RequestRefusedError (another 4xx).

    Source: "Table service REST API" of Azure Storage: Query Entities, Insert Entity, Update Entity, Insert Or Replace
    Entity, Delete Entity, Performing entity group transactions, Query timeout and pagination, Table service error
    codes, Authorize with Shared Key.
    """

    def __init__(
        self,
        endpoint: str,
        table: str,
        *,
        credential: TokenCredential | AzureNamedKeyCredential,
        pool: urllib3.HTTPConnectionPool,
        sleep: Callable[[float], None] = tenacity.nap.sleep,
        first_wait: float = 0.5,
    ) -> None:
        self.name = table
        self._endpoint = endpoint.rstrip("/")
        self._path = urlsplit(self._endpoint).path
        self._credential = credential
        self._pool = pool
        self._token: AccessToken | None = None
        self._token_lock = Lock()
        self._retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception_type(ServiceUnavailableError),
            wait=RetryAfter(tenacity.wait_exponential_jitter(multiplier=first_wait, max=10, jitter=first_wait)),
            stop=tenacity.stop_after_attempt(_ATTEMPTS),
            sleep=sleep,
            reraise=True,
        )

    def get(self, partition: str, row: str) -> tuple[Entity, str] | None:
        """Return an entity and its tag; None if there is none."""
        headers = {"Accept": "application/json;odata=nometadata"}
        answer = self._send("GET", self._entity_path(partition, row), headers=headers, absent=True)
        if answer is None:
            return None
        return self._read(answer), answer.headers.get("etag", "")

    def query(
        self, partition: str, first: str, end: str, *, where: str = "", tags: bool = False, top: int = 0
    ) -> Iterator[list[Entity]]:
        """
        Yield the entities of a partition whose row keys lie from one to before another, page by page.

        Args:
            where: a further condition; the service reads all entities in between to check it.
            tags: give each entity its tag, as `odata.etag`.
            top: entities on a page at most.
        """
        condition = f"PartitionKey eq '{partition}' and RowKey ge '{first}' and RowKey lt '{end}'"
        parameters = {"$filter": f"{condition} and {where}" if where else condition}
        if top:
            parameters["$top"] = str(top)
        headers = {"Accept": f"application/json;odata={'minimalmetadata' if tags else 'nometadata'}"}
        while True:
            answer = self._send("GET", f"{self.name}()", parameters, headers=headers)
            assert answer is not None  # noqa: S101 - None is for what may be absent
            items = self._read(answer).get("value")
            if not isinstance(items, list):
                raise UnreadableAnswerError(f"query of table {self.name}: the answer has no list")
            yield items
            following = {
                name: value
                for name in ("NextPartitionKey", "NextRowKey")
                if (value := answer.headers.get(f"x-ms-continuation-{name}"))
            }
            if not following:
                return
            parameters |= following

    def write(self, writes: Sequence[Write]) -> list[str]:
        """
        Do all of some writes or none, up to what one transaction takes; returns the new tags, "" where there is none.

        Raises:
            ConditionFailedError: one of the entities was not as expected.
        """
        if not writes:
            return []
        if len(writes) > 1:
            return self._write_together(writes)
        (write,) = writes
        path = self.name if write.method == "POST" else self._entity_path(write.partition, write.row)
        answer = self._send(write.method, path, headers=write.headers, body=write.body)
        assert answer is not None  # noqa: S101 - None is for what may be absent
        return [answer.headers.get("etag", "")]

    def create(self) -> None:
        """Create the table unless it exists."""
        headers = {"Content-Type": "application/json", "Prefer": "return-no-content"}
        try:
            self._send("POST", "Tables", headers=headers, body=json.dumps({"TableName": self.name}))
        except ConditionFailedError:
            return

    def _write_together(self, writes: Sequence[Write]) -> list[str]:
        batch, changes = f"batch_{uuid.uuid4()}", f"changeset_{uuid.uuid4()}"
        lines = [f"--{batch}", f"Content-Type: multipart/mixed; boundary={changes}", ""]
        for write in writes:
            path = self.name if write.method == "POST" else self._entity_path(write.partition, write.row)
            lines += [
                f"--{changes}",
                "Content-Type: application/http",
                "Content-Transfer-Encoding: binary",
                "",
                f"{write.method} {self._endpoint}/{path} HTTP/1.1",
                "Accept: application/json;odata=minimalmetadata",
                "DataServiceVersion: 3.0",
                *(f"{name}: {value}" for name, value in write.headers.items()),
                "",
                write.body,
            ]
        lines += [f"--{changes}--", f"--{batch}--", ""]
        headers = {"Content-Type": f"multipart/mixed; boundary={batch}"}
        answer = self._send("POST", "$batch", headers=headers, body="\r\n".join(lines), is_batch=True)
        assert answer is not None  # noqa: S101 - None is for what may be absent
        return [tag[1] if (tag := _TAG.search(part[2])) else "" for part in _parts(answer)]

    def _entity_path(self, partition: str, row: str) -> str:
        return f"{self.name}(PartitionKey='{_quoted(partition)}',RowKey='{_quoted(row)}')"

    def _send(
        self,
        method: str,
        path: str,
        parameters: Mapping[str, str] | None = None,
        *,
        headers: Mapping[str, str],
        body: str = "",
        absent: bool = False,
        is_batch: bool = False,
    ) -> urllib3.BaseHTTPResponse | None:
        """Send a request; returns None if there is no such entity and that is an answer."""
        query = "&".join(f"{name}={quote(value, safe='')}" for name, value in (parameters or {}).items())
        url = f"{self._path}/{path}{'?' if query else ''}{query}"
        what = f"{method} {path.partition('(')[0]} of table {self.name}"
        return self._retrying(self._send_once, what, method, path, url, headers, body.encode(), absent, is_batch)

    def _send_once(
        self,
        what: str,
        method: str,
        path: str,
        url: str,
        headers: Mapping[str, str],
        body: bytes,
        absent: bool,
        is_batch: bool,
    ) -> urllib3.BaseHTTPResponse | None:
        sent = {
            "Accept": "application/json;odata=minimalmetadata",
            **headers,
            **self._authorization(path),
            "x-ms-version": "2019-02-02",
            "DataServiceVersion": "3.0",
            "User-Agent": "aml-purview-lineage",
        }
        try:
            answer = self._pool.urlopen(method, url, body=body or None, headers=sent, retries=False, redirect=False)
        except urllib3.exceptions.HTTPError as error:
            words = redact_text(str(error))
            raise ServiceUnavailableError(f"{what}: {type(error).__name__}: {words}") from error
        status, text = answer.status, b""
        if is_batch and status == HTTPStatus.ACCEPTED:
            refused = next((part for part in _parts(answer) if int(part[1]) >= HTTPStatus.BAD_REQUEST), None)
            if refused:
                status, text = int(refused[1]), refused[3].encode()
        elif status >= HTTPStatus.MULTIPLE_CHOICES:
            text = answer.data
        if status < HTTPStatus.MULTIPLE_CHOICES:
            return answer
        if status == HTTPStatus.UNAUTHORIZED:
            self._token = None  # it may have been revoked; the message comes back
        code, words = _error_of(text)
        if code == _ABSENT and absent:
            return None
        if code in _CONDITIONS:
            position = _POSITION.match(words)
            raise ConditionFailedError(int(position[1]) if position else 0)
        raise _to_error(what, status, code, words, answer.headers.get("retry-after", ""))

    def _authorization(self, path: str) -> dict[str, str]:
        date = formatdate(usegmt=True)
        if isinstance(self._credential, AzureNamedKeyCredential):
            account, key = self._credential.named_key
            signed = f"{date}\n/{account}{self._path}/{path}".encode()
            signature = base64.b64encode(hmac.new(base64.b64decode(key), signed, hashlib.sha256).digest()).decode()
            return {"x-ms-date": date, "Authorization": f"SharedKeyLite {account}:{signature}"}
        return {"x-ms-date": date, "Authorization": f"Bearer {self._current_token(self._credential)}"}

    def _current_token(self, credential: TokenCredential) -> str:
        """Return a token that is good for some minutes; asking the credential each time costs more than the request."""
        now = time.time()
        token = self._token
        if token is None or token.expires_on - now < _RENEW_BEFORE:
            with self._token_lock:
                token = self._token
                if token is None or token.expires_on - now < _RENEW_BEFORE:
                    token = self._token = get_token(credential, _SCOPE)
        return token.token

    def _read(self, answer: urllib3.BaseHTTPResponse) -> dict[str, Any]:
        try:
            body = json.loads(answer.data)
        except ValueError as error:
            raise ServiceUnavailableError(f"table {self.name}: the answer is not JSON") from error
        if not isinstance(body, dict):
            raise UnreadableAnswerError(f"table {self.name}: the answer is no JSON object")
        return body


def split(writes: Sequence[Write]) -> Iterator[list[Write]]:
    """Split writes into as many transactions as their number and their size ask for, in their order."""
    some: list[Write] = []
    size = 0
    for write in writes:
        texts = (value for value in (write.entity or {}).values() if isinstance(value, str))
        largest = _OVERHEAD + sum(map(len, texts)) * _BYTES_OF_CHARACTER
        if some and (len(some) == IN_TRANSACTION or size + largest > _BYTES):
            yield some
            some, size = [], 0
        some.append(write)
        size += largest
    if some:
        yield some


def _quoted(key: str) -> str:
    return quote(key.replace("'", "''"), safe="")


def _parts(answer: urllib3.BaseHTTPResponse) -> Iterator[re.Match[str]]:
    """Yield what a transaction answered to each operation, or to the one that failed: status, headers, body."""
    return _PART.finditer(answer.data.decode("utf-8", errors="replace"))


def _error_of(text: bytes) -> tuple[str, str]:
    """Return code and words of an error."""
    try:
        error = json.loads(text)["odata.error"]
        return str(error["code"]).rpartition(":")[2], redact_text(str(error["message"]["value"]).partition("\n")[0])
    except (ValueError, LookupError, TypeError):
        return "", redact_text(text[:300].decode("utf-8", errors="replace"))


def _to_error(what: str, status: int, code: str, words: str, retry_after: str) -> LineageError:
    message = f"{what}: HTTP {status}: {code} {words}"
    if code in _NOT_READY:
        return ServiceUnavailableError(message)
    denied = "The identity needs the role Storage Table Data Contributor."
    is_missing = status == HTTPStatus.NOT_FOUND  # a gateway says so, too; that an entity is absent was seen before
    return to_error(status, message, denied=denied, retry_after=retry_after, passes=is_missing, code=code)
