"""Output bindings: what a function set is written once it has succeeded, and only then."""

import base64
import json
import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from azure.core.exceptions import AzureError

from emulator.functions_host.bindings import BindingError, Function
from emulator.functions_host.connections import Queues
from emulator.functions_host.runtime import Invocation

logger = logging.getLogger(__name__)

Accepted = Callable[[str, str], None]
"""Called with the invocation's id and a message's body, each time after one was durably written."""


class Outputs:
    """
    Writes the queue messages of successful invocations; no queue is created on the way.

    ``nudge`` is called with the name of each queue that was written to: a listener of the same host looks at once.
    """

    def __init__(
        self, queues: Queues, on_accepted: Accepted | None, nudge: Callable[[str], None], *, as_base64: bool = True
    ) -> None:
        self._queues = queues
        self._as_base64 = as_base64
        self._on_accepted = on_accepted
        self._nudge = nudge

    def write(self, function: Function, invocation: Invocation) -> Invocation:
        """Write everything and give the invocation back, as a failed one if something could not be written."""
        if not invocation.ok:
            return invocation
        try:
            for name, datum in invocation.outputs:
                self._write(function, name, datum, invocation.id)
        except (AzureError, BindingError, NotImplementedError) as error:
            logger.warning("an output of %s cannot be written: %r", function.name, error)
            return replace(invocation, ok=False, error=repr(error))
        return invocation

    def _write(self, function: Function, name: str, datum: Any, invocation_id: str) -> None:
        binding = function.outputs[name]
        if binding["type"] != "queue":
            raise NotImplementedError(f"output binding {name} of {function.name} is a {binding['type']}")
        client = self._queues.of(binding)
        for body in messages(datum.value, datum.type):
            client.send_message((base64.b64encode(body) if self._as_base64 else body).decode())
            if self._on_accepted is not None:
                self._on_accepted(invocation_id, body.decode("utf-8", "replace"))
        self._nudge(client.queue_name)


def messages(value: Any, kind: str) -> list[bytes]:
    """Split what was set into messages: a list (which arrives as JSON) has one for each element."""
    if kind == "bytes":
        return [bytes(value)]
    if kind == "string":
        return [value.encode()]
    if kind != "json":
        raise NotImplementedError(f"a queue message of type {kind}")
    items = json.loads(value)
    if not isinstance(items, list):
        items = [items]
    return [(item if isinstance(item, str) else json.dumps(item)).encode() for item in items]
