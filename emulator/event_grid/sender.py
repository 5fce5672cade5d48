"""Delivers events to a webhook as Event Grid does: at least once, in batches, with retries."""

import json
import time
import uuid
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Literal, Self

import requests
from requests.adapters import HTTPAdapter

from emulator.event_grid.undelivered import Event, Failure, Writer, file_name, folder, to_file

Schema = Literal["EventGridSchema", "CloudEventSchemaV1_0"]

DELAYS = (10.0, 30.0, 60.0, 300.0, 600.0, 1800.0, 3600.0)
"""Seconds before the second, third, ... attempt; the last one is for all that follow. The service adds jitter."""
ATTEMPTS = 30
TIMEOUT = 30
"""Seconds the endpoint has to answer."""
ORIGIN = "eventgrid.azure.net"

_SUCCESS = range(200, 205)
_GIVE_UP = frozenset({400, 401, 403, 404, 413})
"""Answers of a webhook that no retry will change."""
_OUTCOMES = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    408: "TimedOut",
    413: "PayloadTooLarge",
    503: "Busy",
    504: "TimedOut",
}


class HandshakeError(RuntimeError):
    """The endpoint did not agree to be sent events; no subscription would have been created."""


@dataclass(frozen=True, slots=True)
class Report:
    """What became of events: each is in one of the two, and ``attempts`` counts the requests it took."""

    delivered: tuple[Event, ...] = ()
    dead_lettered: tuple[Event, ...] = ()
    attempts: int = 0

    def __add__(self, other: "Report") -> "Report":
        """Sum up two reports."""
        return Report(
            self.delivered + other.delivered, self.dead_lettered + other.dead_lettered, self.attempts + other.attempts
        )


class Sender:
    """
    One event subscription with a webhook.

    Without ``dead_letter`` (a folder, or what stores a file) undeliverable events are dropped, as Event Grid drops
    them; the report lists them all the same. Use it as a context manager, or call ``close``.
    """

    def __init__(
        self,
        webhook_url: str,
        *,
        topic: str,
        subscription_name: str,
        schema: Schema = "EventGridSchema",
        max_events_per_batch: int = 1,
        max_attempts: int = ATTEMPTS,
        delays: Sequence[float] = DELAYS,
        dead_letter: Path | Writer | None = None,
        workers: int = 1,
        timeout: float = TIMEOUT,
        sleep: Callable[[float], None] = time.sleep,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._url = webhook_url
        self._topic = topic
        self._subscription = subscription_name
        self._cloud_events = schema == "CloudEventSchemaV1_0"
        self._batch_size = max_events_per_batch
        self._max_attempts = max_attempts
        self._delays = tuple(delays) or (0.0,)
        self._dead_letter = folder(dead_letter) if isinstance(dead_letter, Path) else dead_letter
        self._workers = workers
        self._timeout = timeout
        self._sleep = sleep
        self._now = now
        self._session = requests.Session()
        self._session.trust_env = False  # no proxy may get in between
        self._session.mount("http://", HTTPAdapter(pool_maxsize=workers))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def handshake(self) -> None:
        """Do what comes before a subscription exists; raises HandshakeError unless the endpoint agrees."""
        try:
            problem = self._ask_permission() if self._cloud_events else self._validate()
        except requests.RequestException as error:
            raise HandshakeError(f"no answer: {type(error).__name__}") from error
        if problem:
            raise HandshakeError(problem)

    def send(self, events: Iterable[Event]) -> Report:
        """Deliver events and wait until each is delivered or given up; with one worker batches go in order."""
        waiting = list(events)
        batches = [waiting[start : start + self._batch_size] for start in range(0, len(waiting), self._batch_size)]
        with ThreadPoolExecutor(self._workers, thread_name_prefix="event-grid") as threads:
            return sum(threads.map(self._deliver, batches), Report())

    def _deliver(self, batch: Sequence[Event]) -> Report:
        published = self._now()
        for attempt in range(1, self._max_attempts + 1):
            tried = self._now()
            status, outcome = self._post(batch, attempt)
            if status in _SUCCESS:
                return Report(delivered=tuple(batch), attempts=attempt)
            if status in _GIVE_UP or attempt == self._max_attempts:
                break
            self._sleep(self._delays[min(attempt, len(self._delays)) - 1])
        if self._dead_letter is not None:
            content = to_file(batch, Failure(attempt, outcome, published, tried), lower_case=self._cloud_events)
            self._dead_letter(file_name(self._topic, self._subscription, tried), content)
        return Report(dead_lettered=tuple(batch), attempts=attempt)

    def _post(self, batch: Sequence[Event], attempt: int) -> tuple[int, str]:
        """Send the whole batch once; a failure of one event in it brings all of it back."""
        headers = self._headers("Notification", attempt)
        body: object = list(batch)
        if self._cloud_events and self._batch_size == 1:
            headers["Content-Type"] = "application/cloudevents+json; charset=utf-8"
            body = batch[0]
        elif self._cloud_events:
            headers["Content-Type"] = "application/cloudevents-batch+json; charset=utf-8"
        else:
            versions = {str(event.get("dataVersion", "")) for event in batch}
            headers["aeg-data-version"] = versions.pop() if len(versions) == 1 else ""
            headers["aeg-metadata-version"] = "1"
            if len(batch) == 1 and "id" in batch[0]:
                headers["aeg-output-event-id"] = str(batch[0]["id"])
        try:
            response = self._session.post(
                self._url, json.dumps(body), headers=headers, timeout=self._timeout, allow_redirects=False
            )
        except requests.Timeout:
            return 0, "TimedOut"
        except requests.RequestException:
            return 0, "SocketError"
        return response.status_code, _OUTCOMES.get(response.status_code, "GenericError")

    def _headers(self, event_type: str, attempt: int = 1) -> dict[str, str]:
        return {
            "Content-Type": "application/json; charset=utf-8",
            "aeg-event-type": event_type,
            "aeg-subscription-name": self._subscription.upper(),
            "aeg-delivery-count": str(attempt - 1),
        }

    def _validate(self) -> str:
        code = str(uuid.uuid4())
        event = {
            "id": str(uuid.uuid4()),
            "topic": self._topic,
            "subject": "",
            "eventType": "Microsoft.EventGrid.SubscriptionValidationEvent",
            "eventTime": self._now().isoformat(),
            "dataVersion": "2",
            "metadataVersion": "1",
            "data": {"validationCode": code, "validationUrl": f"https://{ORIGIN}/validate"},
        }
        headers = self._headers("SubscriptionValidation")
        response = self._session.post(self._url, json.dumps([event]), headers=headers, timeout=self._timeout)
        if response.status_code != 200:
            return f"the endpoint answered {response.status_code}"
        try:
            answer = response.json()
        except requests.JSONDecodeError:
            answer = None
        returned = answer.get("validationResponse") if isinstance(answer, dict) else None
        return "" if returned == code else f"the endpoint returned {returned!r} instead of the code"

    def _ask_permission(self) -> str:
        headers = {**self._headers("SubscriptionValidation"), "WebHook-Request-Origin": ORIGIN}
        response = self._session.options(self._url, headers=headers, timeout=self._timeout)
        if response.status_code != 200:
            return f"the endpoint answered {response.status_code}"
        allowed = response.headers.get("WebHook-Allowed-Origin")
        return "" if allowed in (ORIGIN, "*") else f"the endpoint allows {allowed!r} only"
