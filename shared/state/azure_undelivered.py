"""Event Grid's own dead-letter blobs; those that were replayed are moved below `replayed/`."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime

from azure.core.credentials import TokenCredential
from azure.core.exceptions import ResourceNotFoundError
from azure.storage.blob import ContainerClient

from shared.azure_errors import translated_errors
from shared.settings import Azurite, StorageAccount
from shared.state.azure_storage import UNDELIVERED, Storage

REPLAYED = "replayed/"


class AzureUndelivered:
    """The port for undelivered events."""

    def __init__(self, container: ContainerClient, *, close: Callable[[], None]) -> None:
        self._container = container
        self.close = close

    def list_names(self, *, since: datetime | None = None) -> Iterator[str]:
        with self._errors("list"):
            for blob in self._container.list_blobs():
                if not blob.name.startswith(REPLAYED) and (since is None or blob.last_modified >= since):
                    yield blob.name

    def read(self, name: str) -> bytes:
        with self._errors(f"download {name}"):
            content: bytes = self._container.download_blob(name).readall()
        return content

    def set_aside(self, name: str) -> None:
        with self._errors(f"move {name}"):
            try:
                content = self._container.download_blob(name).readall()
            except ResourceNotFoundError:
                return
            self._container.upload_blob(f"{REPLAYED}{name}", content, overwrite=True)
            self._container.delete_blob(name)

    @contextmanager
    def _errors(self, call: str) -> Iterator[None]:
        with translated_errors(
            f"{call} in container {self._container.container_name}",
            needs="the role Storage Blob Data Contributor",
            service="Azure Storage",
        ):
            yield


def open_undelivered(where: StorageAccount | Azurite, *, token: Callable[[], TokenCredential]) -> AzureUndelivered:
    """
    Open the container; on Azurite, where nobody deploys, create it if it is missing.

    Raises:
        ServiceUnavailableError: Azurite does not answer.
    """
    storage = Storage(where, token)
    if isinstance(where, Azurite):
        storage.create()
    return AzureUndelivered(storage.container(UNDELIVERED), close=storage.close)
