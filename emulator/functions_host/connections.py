"""Storage connections as bindings name them: an app setting with a connection string."""

import threading
from collections.abc import Mapping
from typing import Any

from azure.storage.queue import LinearRetry, QueueClient

from emulator.azurite import ACCOUNT, HOST, KEY
from emulator.functions_host.bindings import app_setting

DEFAULT = "AzureWebJobsStorage"
_DEVELOPMENT = "UseDevelopmentStorage=true"


class Queues:
    """Queue clients, one per connection and queue; bodies go through them as they are. Thread-safe."""

    def __init__(self) -> None:
        self._clients: dict[tuple[str, str], QueueClient] = {}
        self._lock = threading.Lock()

    def of(self, binding: Mapping[str, Any]) -> QueueClient:
        """Give the client of a binding's queue; raises MissingSettingError."""
        return self.client(binding.get("connection") or DEFAULT, binding["queueName"])

    def client(self, connection: str, queue: str) -> QueueClient:
        """Give the client of a queue; ``connection`` names the app setting. Raises MissingSettingError."""
        with self._lock:
            if (connection, queue) not in self._clients:
                # The SDK's own policy waits 15 seconds before it tries again.
                client = QueueClient.from_connection_string(
                    connection_string(app_setting(connection)),
                    queue,
                    retry_policy=LinearRetry(backoff=1, retry_total=2, random_jitter_range=1),
                    connection_timeout=5,
                    read_timeout=30,
                )
                self._clients[connection, queue] = client
            return self._clients[connection, queue]

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            for client in self._clients.values():
                client.close()
            self._clients.clear()


def connection_string(setting: str) -> str:
    """Expand ``UseDevelopmentStorage=true``, which the Python SDK does not know: Azurite on its usual ports."""
    if setting.strip().rstrip(";").casefold() != _DEVELOPMENT.casefold():
        return setting
    endpoints = "".join(
        f"{service}Endpoint=http://{HOST}:{port}/{ACCOUNT};"
        for service, port in (("Blob", 10000), ("Queue", 10001), ("Table", 10002))
    )
    return f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};{endpoints}"
