"""All state in one storage account, over the same connections."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

import requests
import urllib3
from azure.core.credentials import AzureNamedKeyCredential, TokenCredential
from azure.core.exceptions import ResourceExistsError
from azure.core.pipeline.transport import RequestsTransport
from azure.storage.blob import ContainerClient
from azure.storage.blob import ExponentialRetry as BlobRetry
from azure.storage.queue import ExponentialRetry as QueueRetry
from azure.storage.queue import QueueClient, TextBase64EncodePolicy

from shared.http.errors import translated_errors
from shared.http.rest import CONNECT_TIMEOUT, READ_TIMEOUT, build_session, count_threads, open_pool
from shared.settings import Azurite, StorageAccount
from shared.state.azure_leases import AzureLeases, AzureNotes, Seen
from shared.state.azure_ledger import AzureLedger, CachedLedger
from shared.state.azure_messages import AzureDeadLetters, AzureQueue, AzureUndelivered
from shared.state.azure_table import PARALLEL, DocumentTable
from shared.state.ports import State
from shared.state.table_service import TableService

QUEUE, POISON_QUEUE = "lineage-requests", "lineage-requests-poison"
TABLE = "lineageledger"
DEAD_LETTERS, UNDELIVERED = "dead-letters", "eventgrid-deadletter"
"""The second is where Event Grid itself leaves what it could not deliver."""

_AZURITE = AzureNamedKeyCredential(
    "devstoreaccount1",
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==",
)


@dataclass
class Storage:
    """The clients of one storage account: Azure's, with the app's identity, or Azurite."""

    where: StorageAccount | Azurite
    token: Callable[[], TokenCredential]

    def queue(self, name: str = QUEUE) -> QueueClient:
        # What others put there need not be base64, so that what is received is decoded where it is read.
        return QueueClient(
            self._endpoint("queue"),
            name,
            credential=self._credential,
            transport=self._transport,
            retry_policy=QueueRetry(initial_backoff=1, increment_base=2),
            message_encode_policy=TextBase64EncodePolicy(),
            connection_timeout=CONNECT_TIMEOUT,
            read_timeout=READ_TIMEOUT,
        )

    def table(self) -> TableService:
        endpoint = self._endpoint("table")
        return TableService(endpoint, TABLE, credential=self._credential, pool=self._pool)

    def container(self, name: str) -> ContainerClient:
        return ContainerClient(
            self._endpoint("blob"),
            name,
            credential=self._credential,
            transport=self._transport,
            retry_policy=BlobRetry(initial_backoff=1, increment_base=2),
            connection_timeout=CONNECT_TIMEOUT,
            read_timeout=READ_TIMEOUT,
        )

    def create(self) -> None:
        """Create the queues, the table and the containers that are not there; in Azure the deployment does that."""
        with translated_errors("creating queues, table and containers", needs="a key", service="Azure Storage"):
            for create in (
                self.queue().create_queue,
                self.queue(POISON_QUEUE).create_queue,
                self.table().create,
                self.container(DEAD_LETTERS).create_container,
                self.container(UNDELIVERED).create_container,
            ):
                with suppress(ResourceExistsError):
                    create()

    def close(self) -> None:
        """Close the connections."""
        self._session.close()
        self._pool.close()

    @cached_property
    def _session(self) -> requests.Session:
        return build_session(size=PARALLEL)

    @cached_property
    def _pool(self) -> urllib3.HTTPConnectionPool:
        return open_pool(self._endpoint("table"), size=PARALLEL + count_threads())

    @cached_property
    def _transport(self) -> RequestsTransport:
        return RequestsTransport(session=self._session, session_owner=False)

    @cached_property
    def _credential(self) -> TokenCredential | AzureNamedKeyCredential:
        # Azurite takes no token over plain HTTP; the key it publishes opens nothing else.
        return _AZURITE if isinstance(self.where, Azurite) else self.token()

    def _endpoint(self, service: str) -> str:
        if isinstance(self.where, Azurite):
            port = self.where.base_port + ("blob", "queue", "table").index(service)
            return f"http://127.0.0.1:{port}/{_AZURITE.named_key.name}"
        return self.where.blob_endpoint.replace(".blob.", f".{service}.", 1)


def open_state(
    where: StorageAccount | Azurite, *, token: Callable[[], TokenCredential], now: Callable[[], datetime]
) -> State:
    """
    Open all but what Event Grid could not deliver.

    Raises:
        ServiceUnavailableError: Azurite does not answer.
    """
    storage = _open(where, token)
    table, seen = DocumentTable(storage.table()), Seen()
    return State(
        AzureQueue(storage.queue()),
        AzureDeadLetters(storage.container(DEAD_LETTERS), now=now),
        CachedLedger(AzureLedger(table, seen, now=now), now=now),
        AzureLeases(table, seen, now=now),
        AzureNotes(table),
        storage.close,
        AzureQueue(storage.queue(POISON_QUEUE)),
    )


def open_undelivered(where: StorageAccount | Azurite, *, token: Callable[[], TokenCredential]) -> AzureUndelivered:
    """
    Open what Event Grid could not deliver.

    Raises:
        ServiceUnavailableError: Azurite does not answer.
    """
    storage = _open(where, token)
    return AzureUndelivered(storage.container(UNDELIVERED), close=storage.close)


def _open(where: StorageAccount | Azurite, token: Callable[[], TokenCredential]) -> Storage:
    """Open a storage account; on Azurite, which no deployment prepares, create what is missing."""
    storage = Storage(where, token)
    if isinstance(where, Azurite):
        storage.create()
    return storage
