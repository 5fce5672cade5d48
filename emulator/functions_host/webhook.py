"""The Event Grid trigger's webhook: what the host's extension answers to each kind of call."""

import json
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

logger = logging.getLogger(__name__)

PATH = "/runtime/webhooks/eventgrid"
CLOUD_EVENTS = "application/cloudevents"


@dataclass(frozen=True, slots=True)
class Answer:
    """Status, JSON body and headers of an answer."""

    status: int
    body: Mapping[str, Any] | None = None
    headers: Mapping[str, str] | None = None


@dataclass(frozen=True, slots=True)
class Call:
    """A call of the webhook; the names of headers are in lower case."""

    method: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes


class Webhook:
    """
    Answers calls and hands over events.

    ``run_all`` gets a function's name, its events and the call's traceparent, and gives back how many failed.
    """

    def __init__(
        self, functions: frozenset[str], system_key: str, run_all: Callable[[str, list[Any], str], int]
    ) -> None:
        self._functions = functions
        self._key = system_key
        self._run_all = run_all

    def answer(self, call: Call) -> Answer:
        """Answer one call; returns when every event in it has been dealt with."""
        if call.query.get("code", call.headers.get("x-functions-key")) != self._key:
            return Answer(401)
        name = call.query.get("functionName", "")
        if name not in self._functions:
            return Answer(404)
        if call.method == "OPTIONS":
            return _agree(call)
        match self._kind(call):
            case "subscriptionvalidation":
                return _validate(call.body)
            case "notification":
                return self._notify(name, call)
            case "unsubscribe":
                return Answer(202)
            case _:
                return Answer(400)

    @staticmethod
    def _kind(call: Call) -> str:
        cloud_events = call.headers.get("content-type", "").casefold().startswith(CLOUD_EVENTS)
        return call.headers.get("aeg-event-type", "Notification" if cloud_events else "").casefold()

    def _notify(self, name: str, call: Call) -> Answer:
        try:
            events = _events(call.body)
        except ValueError:
            return Answer(400)
        failed = self._run_all(name, events, call.headers.get("traceparent", ""))
        if failed:
            logger.warning("%s failed for %s of %s events", name, failed, len(events))
        # One failure brings the whole batch back.
        return Answer(500 if failed else 202)


def _agree(call: Call) -> Answer:
    """Answer the abuse protection handshake of CloudEvents."""
    origin = call.headers.get("webhook-request-origin")
    if not origin:
        return Answer(400)
    headers = {"WebHook-Allowed-Origin": origin}
    if rate := call.headers.get("webhook-request-rate"):
        headers["WebHook-Allowed-Rate"] = rate
    return Answer(200, headers=headers)


def _validate(body: bytes) -> Answer:
    try:
        code = _events(body)[0]["data"]["validationCode"]
    except (ValueError, LookupError, TypeError):
        return Answer(400)
    return Answer(200, {"validationResponse": code})


def _events(body: bytes) -> list[Any]:
    """Read an array of events or a single one; raises ValueError."""
    found = json.loads(body)
    if isinstance(found, dict):
        return [found]
    if not isinstance(found, list):
        raise ValueError(f"neither an event nor an array of events: {type(found).__name__}")  # noqa: TRY004
    return found
