"""Messages that wait for a service that hangs, and those who call the app meanwhile: all share the worker's threads."""

import json
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import requests

from shared.intake.message import MessageBody
from tests.harness.app import run_completed
from tests.harness.function_host import Deployment, wait_until

HANGS = 8.0
"""Seconds; all calls are over long before."""
AT_ONCE = 1.0
"""Seconds. Event Grid waits 30, a probe of health less."""


def test_webhook_and_health_answer_at_once_while_every_message_waits(deployment: Deployment) -> None:
    """Twelve hang, which is as many as the host hands over at once; forty events come."""
    slow = {"service": "azure_ml", "path": "", "statuses": [200] * 100, "delay_ms": 1000 * HANGS}
    deployment.emulator.control.faults(slow)
    queue = deployment.storage.queue()
    for first, last in ((0, 4), (4, 12)):  # it asks for eight more only while at most four run
        for number in range(first, last):
            body = MessageBody(run_completed(f"hangs-{number}"), f"hangs-{number}")
            queue.send_message(body.to_json())
        wait_until(lambda: not queue.peek_messages(), timeout=15)
    hung = time.monotonic()

    def post(number: int) -> requests.Response:
        event = json.loads(run_completed(f"comes-{number}"))
        headers = {"aeg-event-type": "Notification"}
        return requests.post(deployment.host.webhook, json=[event], headers=headers, timeout=60)

    def look(_: int) -> requests.Response:
        return requests.get(f"{deployment.host.url}/api/health/live", timeout=60)

    with ThreadPoolExecutor(4) as callers:
        posted = list(callers.map(_timed(post), range(40)))
        looked = list(callers.map(_timed(look), range(8)))
    assert time.monotonic() - hung < HANGS
    assert deployment.host.outcomes() == {}
    assert {answer.status_code for answer, _ in posted} == {202}
    assert {answer.status_code for answer, _ in looked} == {204}
    assert [seconds for _, seconds in (*posted, *looked) if seconds > AT_ONCE] == []


def _timed(call: Callable[[int], requests.Response]) -> Callable[[int], tuple[requests.Response, float]]:
    def timed(number: int) -> tuple[requests.Response, float]:
        started = time.monotonic()
        return call(number), time.monotonic() - started

    return timed
