"""Events a second through the whole path on one worker, against a bare loop that posts the same payloads."""

import json
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import requests
from rich.table import Table

from benchmarks.emulated import Emulated, Hosted, running_app
from shared.bootstrap import utc_now
from shared.clouds import PUBLIC
from shared.http.rest import EmulatorCredential, build_session
from shared.intake.message import EVENT_GRID
from shared.intake.receive import receive_event
from shared.state.ports import DeadLetters, Message

EVENTS, WARM_UP = 400, 24
GOALS = {0: 0.60, 50: 0.85}
"""By latency in ms: the share of the bare loop's rate that we want to reach."""
_SEED = 3


def measure_throughput(events: int = EVENTS) -> Table:
    """Measure at every latency; each event is about another run, so it is one payload."""
    table = Table(title=f"{events} completed runs, one payload each; one worker, its concurrency as configured")
    for heading in (
        "ms a\nrequest",
        "bare loop\npayloads/s",
        "whole path\nevents/s",
        "share",
        "goal",
        "CPU ms an event\nworker / Azurite / emulator",
    ):
        table.add_column(heading, justify="right")
    for latency, goal in GOALS.items():
        with running_app("empty") as hosted, tempfile.TemporaryDirectory() as folder:
            wanted = completed_runs(hosted.emulated, events + WARM_UP)
            payloads = _record_payloads(hosted.emulated, wanted, Path(folder) / "state.sqlite")
            bare, _ = post_bare(hosted.emulated, payloads, latency)
            ours, cpu = _publish(hosted, wanted, latency)
            used = " / ".join(f"{cpu[name]:.0f}" for name in ("worker", "Azurite", "emulator"))
            table.add_row(str(latency), f"{bare:.0f}", f"{ours:.0f}", f"{ours / bare:.0%}", f"≥ {goal:.0%}", used)
    return table


def completed_runs(emulated: Emulated, count: int) -> list[str]:
    start_again(emulated, count)
    bodies = (event for _, body in emulated.control.events() for event in (body if isinstance(body, list) else [body]))
    completed = {each["subject"]: json.dumps(each) for each in bodies if each["eventType"].endswith("RunCompleted")}
    return list(completed.values())[:count]


def start_again(emulated: Emulated, count: int) -> None:
    emulated.control.latency(0)
    emulated.control.use("fleet", runs=2 * count, seed=_SEED, shape="single")
    with tempfile.TemporaryDirectory() as folder:
        emulated.services(Path(folder) / "types.sqlite")


def _record_payloads(emulated: Emulated, events: Sequence[str], state: Path) -> list[bytes]:
    """Publish once, here, and keep the bodies of the bulk writes."""
    services, payloads = emulated.services(state), list[bytes]()

    def record(response: requests.Response, *_: Any, **__: Any) -> None:
        if response.request.method == "POST" and str(response.request.path_url).partition("?")[0].endswith("/bulk"):
            payloads.append(response.request.body)  # type: ignore[arg-type]

    services.catalog._client._session.hooks["response"].append(record)
    for number, event in enumerate(events):
        services.deliveries.handle(Message(str(number), event, 1, ""))
    services.state.close()
    return payloads


def post_bare(emulated: Emulated, payloads: Sequence[bytes], latency: int = 0) -> tuple[float, float]:
    """
    Post payloads one after the other on one connection.

    Returns:
        How many go a second, and the CPU time of one in ms, without those of warming up.
    """
    start_again(emulated, len(payloads))
    session = build_session(emulated.environment["LINEAGE_CA_BUNDLE"])
    session.headers.update(
        {
            "Authorization": f"Bearer {EmulatorCredential().get_token(PUBLIC.purview_scope).token}",
            "Content-Type": "application/json",
        }
    )
    url = f"{emulated.environment['PURVIEW_ENDPOINT']}/datamap/api/atlas/v2/entity/bulk?api-version=2023-09-01"
    for number, payload in enumerate(payloads):
        if number == WARM_UP:  # what comes refers to what these have written
            emulated.control.latency(latency)
            start, used = time.monotonic(), time.process_time()
        session.post(url, data=payload, timeout=60).raise_for_status()
    seconds, used = time.monotonic() - start, time.process_time() - used
    session.close()
    count = len(payloads) - WARM_UP
    return count / seconds, 1000 * used / count


def _publish(hosted: Hosted, events: Sequence[str], latency: int) -> tuple[float, dict[str, float]]:
    """Return events a second, and each process's CPU time in ms an event."""
    start_again(hosted.emulated, len(events))
    messages = [to_message(event) for event in events]
    hosted.put(messages[:WARM_UP])
    hosted.wait_until_empty()
    hosted.emulated.control.latency(latency)
    start = hosted.put(messages[WARM_UP:])
    before = hosted.cpu_seconds()
    seconds = hosted.wait_until_empty() - start
    after, count = hosted.cpu_seconds(), len(messages) - WARM_UP
    return count / seconds, {name: 1000 * (used - before[name]) / count for name, used in after.items()}


def to_message(event: str) -> str:
    """Make the message the receiver would put on the queue."""
    message = receive_event(event, source=EVENT_GRID, now=utc_now, open_dead_letters=_no_dead_letters)
    assert message is not None  # noqa: S101 - ours are small
    return message


def _no_dead_letters() -> DeadLetters:
    raise AssertionError("none of our events is too large")
