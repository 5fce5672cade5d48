"""The queue in Azure Storage."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

from azure.core.exceptions import HttpResponseError
from azure.storage.queue import QueueClient

from shared.http.azure_errors import translated_errors
from shared.state.ports import Message

_FOREVER = -1
_LOST = frozenset({"PopReceiptMismatch", "MessageNotFound"})


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
        if found is None:
            return None
        return Message(found.id, found.content, int(found.dequeue_count or 1), str(found.pop_receipt))

    def delete(self, message: Message) -> None:
        with self._errors("delete"), _lost_loan_is_no_error():
            self._client.delete_message(message.id, pop_receipt=message.receipt)

    def release(self, message: Message, *, delay: timedelta) -> None:
        with self._errors("release"), _lost_loan_is_no_error():
            self._client.update_message(
                message.id,
                message.receipt,
                content=message.body,
                visibility_timeout=round(delay.total_seconds()),
            )

    def count(self) -> int:
        with self._errors("count"):
            return int(self._client.get_queue_properties().approximate_message_count or 0)

    @contextmanager
    def _errors(self, call: str) -> Iterator[None]:
        name = self._client.queue_name
        with translated_errors(
            f"{call} on queue {name}", needs="the role Storage Queue Data Contributor", service="Azure Storage"
        ):
            yield


@contextmanager
def _lost_loan_is_no_error() -> Iterator[None]:
    try:
        yield
    except HttpResponseError as error:
        if getattr(error, "error_code", None) not in _LOST:
            raise
