"""Storage connections as bindings name them: an app setting with a connection string, or with the service's URI."""

import threading
from collections.abc import Mapping
from typing import Any

from azure.storage.blob import ContainerClient
from azure.storage.queue import LinearRetry, QueueClient

from emulator.azurite import ACCOUNT, HOST, KEY
from emulator.functions_host.bindings import BindingError, app_setting, resolve_all

DEFAULT = "AzureWebJobsStorage"
HOST_CONTAINER = "azure-webjobs-hosts"
"""Where the host keeps what it must remember of its timers."""
_DEVELOPMENT = "UseDevelopmentStorage=true"


class Queues:
    """Queue clients, one per connection and queue; bodies go through them as they are. Thread-safe."""

    def __init__(self) -> None:
        self._clients: dict[tuple[str, str], QueueClient] = {}
        self._lock = threading.Lock()

    def of(self, binding: Mapping[str, Any]) -> QueueClient:
        """Give the client of a binding's queue; raises BindingError."""
        resolved = resolve_all(binding)
        return self.client(resolved.get("connection") or DEFAULT, resolved["queueName"])

    def client(self, connection: str, queue: str) -> QueueClient:
        """Give the client of a queue; ``connection`` names the app setting. Raises BindingError."""
        with self._lock:
            if (connection, queue) not in self._clients:
                self._clients[connection, queue] = _queue_client(connection, queue)
            return self._clients[connection, queue]

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            for client in self._clients.values():
                client.close()
            self._clients.clear()


def host_container() -> ContainerClient:
    """Give the client of the host's own container, in the account of AzureWebJobsStorage; raises BindingError."""
    try:
        return ContainerClient.from_connection_string(
            connection_string(_connection(DEFAULT)), HOST_CONTAINER, retry_total=0, read_timeout=30
        )
    except ValueError as error:
        raise BindingError(f"{DEFAULT}: {error}") from error


def connection_string(setting: str) -> str:
    """Expand ``UseDevelopmentStorage=true``, which the Python SDK does not know: Azurite on its usual ports."""
    if setting.strip().rstrip(";").casefold() != _DEVELOPMENT.casefold():
        return setting
    endpoints = "".join(
        f"{service}Endpoint=http://{HOST}:{port}/{ACCOUNT};"
        for service, port in (("Blob", 10000), ("Queue", 10001), ("Table", 10002))
    )
    return f"DefaultEndpointsProtocol=http;AccountName={ACCOUNT};AccountKey={KEY};{endpoints}"


def _queue_client(connection: str, queue: str) -> QueueClient:
    # The SDK's own policy waits 15 seconds before it tries again.
    options: dict[str, Any] = {
        "retry_policy": LinearRetry(backoff=1, retry_total=2, random_jitter_range=1),
        "connection_timeout": 5,
        "read_timeout": 30,
    }
    try:
        if uri := app_setting(f"{connection}__queueServiceUri"):
            # There is no identity here: the key of Azurite's one account does for its roles.
            return QueueClient(uri, queue, credential={"account_name": ACCOUNT, "account_key": KEY}, **options)
        return QueueClient.from_connection_string(connection_string(_connection(connection)), queue, **options)
    except ValueError as error:
        raise BindingError(f"{connection}: {error}") from error


def _connection(name: str) -> str:
    """Read the app setting of a connection; the host looks for it with its prefix first. Raises BindingError."""
    prefixed = name if name == DEFAULT else f"AzureWebJobs{name}"
    found = app_setting(prefixed) or app_setting(name)
    if found is None:
        raise BindingError(
            f"Storage account connection string '{prefixed}' does not exist. "
            "Make sure that it is a defined App Setting."
        )
    return found
