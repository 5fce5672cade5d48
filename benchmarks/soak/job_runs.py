"""What Spark's listener sends in a soak: notebooks of a few jobs, their events often, late and in any order."""

import itertools
import random
import uuid
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Any

import requests

Event = dict[str, Any]

NAMESPACE = "soak"
_LAKE = "abfss://soak@soaklake.dfs.core.windows.net"
_SPARK = "https://github.com/OpenLineage/OpenLineage/tree/1.33.0/integration/spark"
_ATTEMPTS = 50
_BATCHES, _STREAM_EVERY = 30, 5
_TIMEOUT = 60.0


def make_events(count: int, *, seed: int) -> list[Event]:
    """Make the events of as many notebooks as it takes; every third fails after its first job has written."""
    chance = random.Random(f"notebooks {seed}")  # noqa: S311 - names, not secrets
    events: list[Event] = []
    for notebook in itertools.count():
        if len(events) >= count:
            return events
        events += (_stream if notebook % _STREAM_EVERY == 1 else _notebook)(len(events), chance)
    return events


def _stream(number: int, chance: random.Random) -> Iterator[Event]:
    """Make the events of an application that never ends, and says time and again that more has arrived."""
    application, name = str(uuid.UUID(int=chance.getrandbits(128))), f"stream_{number}"
    yield _event("START", application, name)
    for batch in range(_BATCHES):
        event = _event("RUNNING", application, name, inputs=[f"landing/{number}"], outputs=[f"lake/{number}/{batch}"])
        event["eventTime"] = f"2026-07-01T11:{batch:02}:00Z"
        for output in event["outputs"]:
            output["outputFacets"] = {"outputStatistics": {"rowCount": batch + 1, "size": 1_000}}
        yield event


def _notebook(number: int, chance: random.Random) -> Iterator[Event]:
    application, name = str(uuid.UUID(int=chance.getrandbits(128))), f"notebook_{number}"
    yield _event("START", application, name)
    for job in range(2):
        run = str(uuid.UUID(int=chance.getrandbits(128)))
        inputs, output = [f"raw/{number}.csv", f"prepared/{number}/{job - 1}"][: job + 1], f"prepared/{number}/{job}"
        fails = job == 1 and number % 3 == 0
        event = partial(_event, run=run, job=f"{name}.write_{job}", parent=(application, name))
        yield event("START", inputs=inputs)
        yield event("FAIL" if fails else "COMPLETE", inputs=inputs, outputs=[output])
        yield event("FAIL" if fails else "COMPLETE", outputs=[output])
    yield _event("FAIL" if number % 3 == 0 else "COMPLETE", application, name, minute=59)


def _event(
    kind: str,
    run: str,
    job: str,
    *,
    parent: tuple[str, str] = ("", ""),
    inputs: Sequence[str] = (),
    outputs: Sequence[str] = (),
    minute: int = 0,
) -> Event:
    facets = {"parent": {"run": {"runId": parent[0]}, "job": {"namespace": NAMESPACE, "name": parent[1]}}}
    return {
        "eventType": kind,
        "eventTime": f"2026-07-01T10:{minute:02}:00Z",
        "producer": _SPARK,
        "run": {"runId": run, "facets": {**(facets if parent[0] else {}), "spark.logicalPlan": {"plan": "x" * 5_000}}},
        "job": {"namespace": NAMESPACE, "name": job},
        "inputs": [{"namespace": _LAKE, "name": name} for name in inputs],
        "outputs": [{"namespace": _LAKE, "name": name} for name in outputs],
    }


def send(url: str, events: Sequence[Event]) -> None:
    """
    Post events, each until it is answered with success.

    A real listener tries once; here the question is what becomes of what was accepted.
    """
    with requests.Session() as session:
        session.trust_env = False
        for event in events:
            for _ in range(_ATTEMPTS):
                if session.post(url, json=event, timeout=_TIMEOUT).ok:
                    break
            else:
                raise RuntimeError("the function refused an OpenLineage event for good")
