"""Azurite, emptied between tests, and the credential that it does not ask for."""

from azure.core.credentials import TokenCredential

from shared.settings import Azurite
from shared.state.azure_storage import DEAD_LETTERS, POISON_QUEUE, UNDELIVERED, Storage


def no_token() -> TokenCredential:
    """Azurite must not be asked for a token."""
    raise AssertionError("a token was asked for")


def empty(where: Azurite) -> Storage:
    """Create what the app needs and delete everything in it."""
    storage = Storage(where, no_token)
    storage.create()
    storage.queue().clear_messages()
    storage.queue(POISON_QUEUE).clear_messages()
    table = storage.table()
    for entity in table.list_entities(select=["PartitionKey", "RowKey"]):
        table.delete_entity(entity)
    for container in (storage.container(DEAD_LETTERS), storage.container(UNDELIVERED)):
        for blob in container.list_blobs():
            container.delete_blob(blob.name)
    storage.close()
    return storage
