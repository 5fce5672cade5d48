"""How long Event Grid waits for an answer, and what a burst of one pipeline's events costs the catalog."""

import json
import random
import time
from collections.abc import Iterator
from statistics import quantiles
from typing import Any

import requests
from rich.table import Table

from benchmarks.emulated import Hosted, running_app
from benchmarks.throughput import to_message

DELIVERIES = 400
STEPS = (4, 20, 100)
_HEADERS = {"aeg-event-type": "Notification"}


def measure_receiving(deliveries: int = DELIVERIES) -> Table:
    """Deliver events one by one; beside it, the bare write of the same message to the same queue."""
    table = Table(title=f"Receiving: {deliveries} deliveries one after the other, while the worker publishes them")
    for heading in ("answer\np50 ms", "answer\np99 ms", "bare queue write\np50 ms", "p50 over\nbare write"):
        table.add_column(heading, justify="right")
    with running_app("chain:4") as hosted:
        event = next(event for event in _events(hosted) if "RunCompleted" in event["eventType"])
        bare = sorted(_time_writes(hosted, to_message(json.dumps(event)), deliveries))
        hosted.wait_until_empty()
        answers = sorted(_time_deliveries(hosted, event, deliveries))
        hosted.wait_until_empty()
    cuts, p50_bare = quantiles(answers, n=100), quantiles(bare, n=100)[49]
    table.add_row(f"{cuts[49]:.1f}", f"{cuts[98]:.1f}", f"{p50_bare:.1f}", f"{cuts[49] / p50_bare:.1f}")
    return table


def measure_bursts() -> Table:
    """Put all events of a pipeline on the queue at once, shuffled, and count."""
    table = Table(title="A burst: all events of one pipeline at once, shuffled, one worker with its concurrency")
    for heading in ("steps", "events", "catalog requests", "an event", "Azure ML requests\nan event"):
        table.add_column(heading, justify="right")
    for steps in STEPS:
        events, catalog, azure_ml = burst(steps)
        table.add_row(str(steps), str(events), str(catalog), f"{catalog / events:.2f}", f"{azure_ml / events:.2f}")
    return table


def burst(steps: int) -> tuple[int, int, int]:
    """Return the number of events, of catalog requests and of Azure ML requests."""
    with running_app(f"chain:{steps}") as hosted:
        messages = [to_message(json.dumps(event)) for event in _events(hosted)]
        random.Random(steps).shuffle(messages)  # noqa: S311 - an order, not a secret
        hosted.emulated.control.clear_requests()
        hosted.put(messages)
        hosted.wait_until_empty()
        seen = hosted.emulated.control.requests()
    catalog = sum(request.service == "purview" for request in seen)
    return len(messages), catalog, len(seen) - catalog


def _events(hosted: Hosted) -> Iterator[dict[str, Any]]:
    for _, body in hosted.emulated.control.events():
        yield from body if isinstance(body, list) else [body]


def _time_writes(hosted: Hosted, message: str, count: int) -> Iterator[float]:
    for _ in range(count):
        start = time.monotonic()
        hosted.queue.send_message(message)
        yield 1000 * (time.monotonic() - start)


def _time_deliveries(hosted: Hosted, event: dict[str, Any], count: int) -> Iterator[float]:
    with requests.Session() as session:
        session.trust_env = False
        for number in range(count):
            start = time.monotonic()
            answer = session.post(
                hosted.webhook, json=[{**event, "id": f"{event['id']}-{number}"}], headers=_HEADERS, timeout=60
            )
            answer.raise_for_status()
            yield 1000 * (time.monotonic() - start)
