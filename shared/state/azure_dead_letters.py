"""Dead letters as blobs: one JSON file each, under `open/` or, once replayed with success, under `closed/`."""

import json
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime
from urllib.parse import quote

from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import ContainerClient, ContentSettings

from shared.errors import UnreadableAnswerError
from shared.http.azure_errors import translated_errors
from shared.state.azure_storage import PARALLEL
from shared.state.ports import DeadLetter

_OPEN, _CLOSED = "open", "closed"
_JSON = ContentSettings(content_type="application/json")


class AzureDeadLetters:
    """The dead-letter port. Reason and time are metadata too, so that a list need not read every blob."""

    def __init__(self, container: ContainerClient, *, now: Callable[[], datetime]) -> None:
        self._container = container
        self._now = now

    def put(self, *, reason: str, detail: str, body: str, attempts: int, id: str = "") -> DeadLetter:
        letter = DeadLetter(id or uuid.uuid4().hex, reason, detail, body, attempts, self._now())
        self._write(_OPEN, letter)
        return letter

    def get(self, dead_letter_id: str) -> DeadLetter | None:
        return self._read(_name(_OPEN, dead_letter_id)) or self._read(_name(_CLOSED, dead_letter_id))

    def list_open(self, *, reason: str = "", since: datetime | None = None) -> Sequence[DeadLetter]:
        with self._errors("list"):
            blobs = list(self._container.list_blobs(name_starts_with=f"{_OPEN}/", include=["metadata"]))
        wanted = [
            blob.name
            for blob in blobs
            if reason in ("", (blob.metadata or {}).get("reason", "")) and _is_since(blob.metadata or {}, since)
        ]
        with ThreadPoolExecutor(PARALLEL) as pool:
            letters = list(pool.map(self._read, wanted))
        return sorted((letter for letter in letters if letter), key=lambda letter: letter.at)

    def close(self, dead_letter_id: str) -> None:
        letter = self._read(_name(_OPEN, dead_letter_id))
        if letter is None:
            return
        self._write(_CLOSED, letter)
        with self._errors("delete"), _absence_is_no_error():
            self._container.delete_blob(_name(_OPEN, dead_letter_id))

    def _write(self, folder: str, letter: DeadLetter) -> None:
        text = json.dumps({**asdict(letter), "at": letter.at.isoformat()}, indent=2)
        with self._errors("upload"):
            self._container.upload_blob(
                _name(folder, letter.id),
                text.encode(),
                overwrite=True,
                content_settings=_JSON,
                metadata={"reason": quote(letter.reason), "at": letter.at.astimezone(UTC).isoformat()},
            )

    def _read(self, name: str) -> DeadLetter | None:
        text = b""
        with self._errors("download"), _absence_is_no_error():
            text = self._container.download_blob(name).readall()
        if not text:
            return None
        try:
            members = json.loads(text)
            return DeadLetter(**{**members, "at": datetime.fromisoformat(members["at"])})
        except (ValueError, TypeError, KeyError) as error:
            raise UnreadableAnswerError(f"blob {name} is no dead letter of ours: {error}") from error

    @contextmanager
    def _errors(self, call: str) -> Iterator[None]:
        with translated_errors(
            f"{call} in container {self._container.container_name}",
            needs="the role Storage Blob Data Contributor",
            service="Azure Storage",
        ):
            yield


def _name(folder: str, dead_letter_id: str) -> str:
    return f"{folder}/{quote(dead_letter_id, safe='')}.json"


def _is_since(metadata: dict[str, str], since: datetime | None) -> bool:
    return since is None or datetime.fromisoformat(metadata.get("at", "9999-12-31T00:00:00+00:00")) >= since


@contextmanager
def _absence_is_no_error() -> Iterator[None]:
    """A missing blob is an answer; a missing container is not."""
    try:
        yield
    except ResourceNotFoundError as error:
        if getattr(error, "error_code", None) != "BlobNotFound":
            raise
