"""Messages in Azure Storage: the queue, the dead letters, and the events that Event Grid could not deliver."""

import base64
import json
import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import quote, unquote
from xml.etree import ElementTree

from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.core.pipeline import PipelineResponse
from azure.storage.blob import ContainerClient, ContentSettings
from azure.storage.queue import QueueClient, QueueMessage

from shared.errors import RecordNotFoundError, UnreadableAnswerError
from shared.http.errors import translated_errors
from shared.state.azure_table import PARALLEL
from shared.state.ports import PAGE, DeadLetter, Message, OpenLetters, count_by_reason
from shared.validation import members_of

_FOREVER = -1
_LOST = frozenset({"PopReceiptMismatch", "MessageNotFound"})
_OPEN, _CLOSED = "open", "closed"
_REPLAYED = "replayed/"
_JSON = ContentSettings(content_type="application/json")


class AzureQueue:
    """The queue port. A message lives until it is deleted: the service's own limit of seven days is lifted."""

    def __init__(self, client: QueueClient) -> None:
        self._client = client

    def put(self, body: str, *, delay: timedelta = timedelta(0)) -> None:
        seconds = round(delay.total_seconds())
        with self._errors("put"):
            self._client.send_message(body, visibility_timeout=seconds, time_to_live=_FOREVER)

    def receive(self, *, visibility: timedelta) -> Message | None:
        with self._errors("receive"):
            found = self._client.receive_message(visibility_timeout=round(visibility.total_seconds()))
        return _to_message(found) if found else None

    def receive_page(self, *, visibility: timedelta) -> Sequence[Message]:
        seconds = round(visibility.total_seconds())
        with self._errors("receive"):
            page = self._client.receive_messages(messages_per_page=PAGE, max_messages=PAGE, visibility_timeout=seconds)
            return [_to_message(found) for found in page]

    def delete(self, message: Message) -> None:
        with self._errors("delete"), _loss_is_no_error():
            self._client.delete_message(message.id, pop_receipt=message.receipt)

    def release(self, message: Message, *, delay: timedelta) -> None:
        with self._errors("release"), _loss_is_no_error():
            self._client.update_message(
                message.id,
                message.receipt,
                content=message.body,
                visibility_timeout=round(delay.total_seconds()),
            )

    def count(self) -> int:
        with self._errors("count"):
            return int(self._client.get_queue_properties().approximate_message_count or 0)

    def _errors(self, call: str) -> AbstractContextManager[None]:
        what = f"{call} on queue {self._client.queue_name}"
        role = "the role Storage Queue Data Contributor"
        return translated_errors(what, needs=role, service="Azure Storage", keeps_records=False)


class AzureDeadLetters:
    """
    The dead-letter port: a JSON blob each, under `open/` or, once replayed with success, under `closed/`.

    Reason and time are metadata too, so that a list need not read every blob.
    """

    def __init__(self, container: ContainerClient, *, now: Callable[[], datetime]) -> None:
        self._container = container
        self._now = now

    def put(self, *, reason: str, detail: str, body: str, attempts: int, id: str = "") -> DeadLetter:
        letter = DeadLetter(id or uuid.uuid4().hex, reason, detail, body, attempts, self._now())
        self._write(_OPEN, letter)
        return letter

    def get(self, dead_letter_id: str) -> DeadLetter | None:
        return self._read(_name(_OPEN, dead_letter_id)) or self._read(_name(_CLOSED, dead_letter_id))

    def list_open(
        self, *, reasons: Collection[str] = (), since: datetime | None = None, limit: int | None = None
    ) -> Sequence[DeadLetter]:
        wanted = sorted(
            (at, name)
            for name, reason, at in self._list()
            if (not reasons or reason in reasons) and (since is None or at >= since)
        )
        with ThreadPoolExecutor(PARALLEL) as pool:
            letters = list(pool.map(self._read, [name for _, name in wanted[:limit]]))
        return sorted((letter for letter in letters if letter), key=lambda letter: letter.at)

    def name_open(self, reasons: Collection[str]) -> Mapping[str, datetime]:
        found = sorted((at, name) for name, reason, at in self._list() if reason in reasons)
        return {unquote(name.removeprefix(f"{_OPEN}/").removesuffix(".json")): at for at, name in found}

    def count_open(self) -> Mapping[str, OpenLetters]:
        return count_by_reason((reason, at) for _, reason, at in self._list())

    def _list(self) -> Sequence[tuple[str, str, datetime]]:
        """
        Return the name, the reason and the time of each that is open, 5,000 to a request.

        The SDK takes four times as long to make an object of each blob as it takes to read these of its answer (Blob
        service REST API, List Blobs).
        """
        found = list[tuple[str, str, datetime]]()

        def read(response: PipelineResponse[Any, Any]) -> None:
            if response.http_response.status_code != HTTPStatus.OK:
                return  # raised or tried again by the SDK
            for blob in ElementTree.fromstring(response.http_response.body()).iter("Blob"):  # noqa: S314 - so does the SDK
                at = blob.findtext("Metadata/at")
                modified = blob.findtext("Properties/Last-Modified", "")
                moment = datetime.fromisoformat(at) if at else parsedate_to_datetime(modified)
                found.append((blob.findtext("Name", ""), unquote(blob.findtext("Metadata/reason", "")), moment))

        with _blob_errors(self._container, "list"):
            pages = self._container.list_blob_names(
                name_starts_with=f"{_OPEN}/", params={"include": "metadata"}, raw_response_hook=read
            )
            for _ in pages.by_page():
                pass
        return found

    def close(self, dead_letter_id: str) -> None:
        letter = self._read(_name(_OPEN, dead_letter_id))
        if letter is None:
            return
        self._write(_CLOSED, letter)
        with _blob_errors(self._container, "delete"), _absence_is_no_error():
            self._container.delete_blob(_name(_OPEN, dead_letter_id))

    def _write(self, folder: str, letter: DeadLetter) -> None:
        text = json.dumps({**asdict(letter), "at": letter.at.isoformat()}, indent=2)
        with _blob_errors(self._container, "upload"):
            self._container.upload_blob(
                _name(folder, letter.id),
                text.encode(),
                overwrite=True,
                content_settings=_JSON,
                metadata={"reason": quote(letter.reason), "at": letter.at.astimezone(UTC).isoformat()},
            )

    def _read(self, name: str) -> DeadLetter | None:
        text = b""
        with _blob_errors(self._container, "download"), _absence_is_no_error():
            text = self._container.download_blob(name).readall()
        if not text:
            return None
        try:
            members = json.loads(text)
            return DeadLetter(**{**members_of(DeadLetter, members), "at": datetime.fromisoformat(members["at"])})
        except (ValueError, TypeError, KeyError) as error:
            raise UnreadableAnswerError(f"blob {name} is not a dead letter of ours: {error}") from error


class AzureUndelivered:
    """The undelivered port. Event Grid names its blobs topic/subscription/year/month/day/hour/GUID.json."""

    def __init__(self, container: ContainerClient, *, close: Callable[[], None]) -> None:
        self._container = container
        self.close = close

    def list_names(self, *, since: datetime | None = None) -> Iterator[str]:
        """Yield the names in the order of the alphabet; what is moved meanwhile is not yielded again."""
        with _blob_errors(self._container, "list"):
            for blob in self._container.list_blobs():
                if not blob.name.startswith(_REPLAYED) and (since is None or blob.last_modified >= since):
                    yield blob.name

    def read(self, name: str) -> bytes:
        with _blob_errors(self._container, "download"):
            return self._container.download_blob(name).readall()

    def mark_replayed(self, name: str) -> None:
        with suppress(RecordNotFoundError):
            content = self.read(name)
            with _blob_errors(self._container, "move"):
                self._container.upload_blob(_REPLAYED + name, content, overwrite=True)
                self._container.delete_blob(name)


def _blob_errors(container: ContainerClient, call: str) -> AbstractContextManager[None]:
    what = f"{call} in container {container.container_name}"
    return translated_errors(what, needs="the role Storage Blob Data Contributor", service="Azure Storage")


def _name(folder: str, dead_letter_id: str) -> str:
    return f"{folder}/{quote(dead_letter_id, safe='')}.json"


@contextmanager
def _absence_is_no_error() -> Iterator[None]:
    """A missing blob is an answer; a missing container is not."""
    try:
        yield
    except ResourceNotFoundError as error:
        if getattr(error, "error_code", None) != "BlobNotFound":
            raise


def _to_message(found: QueueMessage) -> Message:
    return Message(found.id, _decode(found.content), int(found.dequeue_count or 1), str(found.pop_receipt))


def _decode(content: str) -> str:
    """Undo the base64 that we and Event Grid use; the host puts on a queue what a function returned, as it is."""
    try:
        return base64.b64decode(content, validate=True).decode()
    except ValueError:
        return content


@contextmanager
def _loss_is_no_error() -> Iterator[None]:
    try:
        yield
    except HttpResponseError as error:
        if getattr(error, "error_code", None) not in _LOST:
            raise
