"""Azurite, emptied between tests, and the credential that it does not ask for."""

from azure.core.credentials import TokenCredential
from azure.data.tables import TableClient

from emulator.azurite import Azurite as AzuriteServer
from shared.settings import Azurite
from shared.state.azure_storage import DEAD_LETTERS, POISON_QUEUE, TABLE, UNDELIVERED, Storage


def no_token() -> TokenCredential:
    """Azurite must not be asked for a token."""
    raise AssertionError("a token was asked for")


def open_table(where: Azurite) -> TableClient:
    """Open the table with Microsoft's own client, which reads and writes it without our words for it."""
    return TableClient.from_connection_string(AzuriteServer(where.base_port).connection_string, TABLE)


def empty(where: Azurite) -> Storage:
    """Create what the app needs and delete everything in it."""
    storage = Storage(where, no_token)
    storage.create()
    storage.queue().clear_messages()
    storage.queue(POISON_QUEUE).clear_messages()
    with open_table(where) as table:
        for entity in table.list_entities(select=["PartitionKey", "RowKey"]):
            table.delete_entity(entity)
    for container in (storage.container(DEAD_LETTERS), storage.container(UNDELIVERED)):
        for blob in container.list_blobs():
            container.delete_blob(blob.name)
    storage.close()
    return storage
