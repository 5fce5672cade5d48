"""All state in one storage account."""

from collections.abc import Callable
from datetime import datetime

from azure.core.credentials import TokenCredential

from shared.settings import Azurite, StorageAccount
from shared.state.azure_dead_letters import AzureDeadLetters
from shared.state.azure_ledger import AzureLeases, AzureNotes
from shared.state.azure_queue import AzureQueue
from shared.state.azure_storage import DEAD_LETTERS, Storage
from shared.state.azure_table import DocumentTable
from shared.state.ports import State
from shared.state.recent import RecentLedger


def open_state(
    where: StorageAccount | Azurite, *, token: Callable[[], TokenCredential], now: Callable[[], datetime]
) -> State:
    """
    Open the storage account; on Azurite, where nobody deploys, create what is missing.

    Raises:
        ServiceUnavailableError: Azurite does not answer.
    """
    storage = Storage(where, token)
    if isinstance(where, Azurite):
        storage.create()
    table = DocumentTable(storage.table())
    return State(
        AzureQueue(storage.queue()),
        AzureDeadLetters(storage.container(DEAD_LETTERS), now=now),
        RecentLedger(table, now=now),
        AzureLeases(table, now=now),
        AzureNotes(table),
        storage.close,
    )
