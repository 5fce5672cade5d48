"""The blobs in which Event Grid leaves what it could not deliver to the app."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import datetime

from azure.core.credentials import TokenCredential

from shared.errors import RecordNotFoundError
from shared.http.azure_errors import translated_errors
from shared.settings import Azurite, StorageAccount
from shared.state.azure_storage import UNDELIVERED, Storage

_REPLAYED = "replayed/"


class AzureUndelivered:
    """The undelivered port. Event Grid names its blobs topic/subscription/year/month/day/hour/GUID.json."""

    def __init__(self, storage: Storage) -> None:
        self._storage = storage
        self._container = storage.container(UNDELIVERED)

    def list_names(self, *, since: datetime | None = None) -> Iterator[str]:
        """Yield the names in the order of the alphabet; what is moved meanwhile is not yielded again."""
        with self._errors("list"):
            for blob in self._container.list_blobs():
                if not blob.name.startswith(_REPLAYED) and (since is None or blob.last_modified >= since):
                    yield blob.name

    def read(self, name: str) -> bytes:
        with self._errors("download"):
            return self._container.download_blob(name).readall()

    def mark_replayed(self, name: str) -> None:
        with suppress(RecordNotFoundError):
            content = self.read(name)
            with self._errors("move"):
                self._container.upload_blob(_REPLAYED + name, content, overwrite=True)
                self._container.delete_blob(name)

    def close(self) -> None:
        self._storage.close()

    @contextmanager
    def _errors(self, call: str) -> Iterator[None]:
        with translated_errors(
            f"{call} in container {UNDELIVERED}",
            needs="the role Storage Blob Data Contributor",
            service="Azure Storage",
        ):
            yield


def open_undelivered(where: StorageAccount | Azurite, *, token: Callable[[], TokenCredential]) -> AzureUndelivered:
    """
    Open the container; on Azurite, where nobody deploys, create what is missing.

    Raises:
        ServiceUnavailableError: Azurite does not answer.
    """
    storage = Storage(where, token)
    if isinstance(where, Azurite):
        storage.create()
    return AzureUndelivered(storage)
