"""
The Event Grid trigger's webhook: what the host's extension answers to each kind of call.

Rules of EventGridExtensionConfigProvider.cs and HttpRequestProcessor.cs (azure-sdk-for-net,
Microsoft.Azure.WebJobs.Extensions.EventGrid 3.4), as they were measured.
"""

import json
import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from emulator.functions_host.keys import Keys, Level, refusal
from emulator.functions_host.routes import Request, Response

logger = logging.getLogger(__name__)

PREFIX = "/runtime/webhooks/"
PATH = f"{PREFIX}eventgrid"
DEEPEST = 64
"""How many arrays and objects may be in each other: the limit of the JSON reader in the host."""
ORIGIN = "eventgrid.azure.net"
OTHER_ORIGINS = frozenset({"eventgrid.azure.us", "eventgrid.azure.cn"})
"""Event Grid in the clouds of the US Government and of China."""


class ExtensionError(ValueError):
    """The extension cannot read a call: it raises, and Event Grid tries again for a day."""


@dataclass(frozen=True, slots=True)
class Webhook:
    """
    Answers calls and hands over events.

    ``run_all`` gets a function's name, its events and the call's traceparent, and returns how many failed.
    """

    functions: frozenset[str]
    keys: Keys
    run_all: Callable[[str, list[Any], str], int]

    def answer(self, call: Request) -> Response:
        """Answer one call; returns when every event in it has been dealt with."""
        level = self.keys.level(call.headers, call.query)
        if status := refusal(level, Level.SYSTEM):
            return Response(status, {})
        if call.path.casefold() != PATH:
            # The system key of one extension does not open another's path.
            return Response(404 if level is Level.ADMIN else 403, {})
        name = call.query.get("functionName", "")
        if name not in self.functions:
            return _text(404, f"cannot find function: '{name}'")
        if call.method == "OPTIONS":
            return _agree(call)
        kind = call.headers.get("aeg-event-type", "").casefold()
        try:
            if kind == "subscriptionvalidation":
                return _validate(call.body)
            if kind == "notification":
                return self._notify(name, call)
        except ExtensionError as error:
            logger.warning("the Event Grid extension cannot read a call: %s", error)
            return Response(500, {})
        return Response(202 if kind == "unsubscribe" else 400, {})

    def _notify(self, name: str, call: Request) -> Response:
        found = parse(call.body)
        if isinstance(found, dict):
            found = [found]
        if not isinstance(found, list) or not all(isinstance(event, dict) for event in found):
            raise ExtensionError("neither an event nor an array of events")
        failed = self.run_all(name, found, call.headers.get("traceparent", ""))
        if failed:
            logger.warning("%s failed for %s of %s events", name, failed, len(found))
            # One failure brings the whole batch back.
            return _text(500, f"Exception while executing function: {name}")
        return Response(202, {})


def parse(body: bytes) -> Any:
    """
    Read JSON as the host does; raises ExtensionError, also for what is nested too deep.

    >>> parse(b"[[]]")
    [[]]
    """
    try:
        found = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise ExtensionError(f"no JSON: {error}") from error
    _check_depth(found)
    return found


def _check_depth(found: Any) -> None:
    level: list[Any] = [found]
    for _ in range(DEEPEST + 1):
        containers = [item for item in level if isinstance(item, dict | list)]
        level = [each for item in containers for each in (item.values() if isinstance(item, dict) else item)]
        if not containers:
            return
    raise ExtensionError(f"the reader's MaxDepth of {DEEPEST} has been exceeded")


def _agree(call: Request) -> Response:
    """Answer the abuse protection handshake of CloudEvents; it names Event Grid to everyone who asks."""
    asked = call.headers.get("webhook-request-origin", "")
    return Response(200, {"Webhook-Allowed-Origin": asked if asked in OTHER_ORIGINS else ORIGIN})


def _validate(body: bytes) -> Response:
    found = parse(body)
    try:
        if isinstance(found, dict):  # of CloudEvents; its data are JSON once more
            data = found["data"]
            code = (json.loads(data) if isinstance(data, str) else data)["validationCode"]
        else:
            code = found[0]["data"]["validationCode"]
    except (ValueError, LookupError, TypeError) as error:
        raise ExtensionError("a validation without a code") from error
    return Response(200, {"Content-Type": "application/json"}, json.dumps({"validationResponse": code}).encode())


def _text(status: int, text: str) -> Response:
    return Response(status, {"Content-Type": "text/plain; charset=utf-8"}, text.encode())
