"""What Event Grid delivers in a soak: a fleet's events, many times over, with some that can never be published."""

import json
import random
from collections.abc import Iterator, Sequence
from typing import Any

from emulator.client import Control
from emulator.event_grid.disorder import bursts

Event = dict[str, Any]

LARGEST_BURST = 60
_ODD_SHARE = 0.01
_ODD = ("foreign", "without run id", "unknown type", "oversized")
_FOREIGN = (
    "/subscriptions/99999999-0000-0000-0000-000000000000/resourceGroups/rg-other"
    "/providers/Microsoft.MachineLearningServices/workspaces/ws-other"
)


def read_events(control: Control) -> list[Event]:
    """Return the events of the scenario, one by one."""
    files = [body for _, body in control.events()]
    return [event for body in files for event in (body if isinstance(body, list) else [body])]


def plan_deliveries(events: Sequence[Event], *, count: int, seed: int) -> Iterator[list[Event]]:
    """
    Yield bursts that hold at least `count` deliveries in all: every event at least once, in any order.

    Half of the bursts are one pipeline's events together, as its end brings them. The first holds one of each kind that
    can never be published.
    """
    chance = random.Random(f"deliveries {seed}")  # noqa: S311 - an order, not a secret
    deliveries = [*events, *(chance.choice(events) for _ in range(max(0, count - len(events))))]
    chance.shuffle(deliveries)
    by_run: dict[str, list[Event]] = {}
    for event in events:
        by_run.setdefault(_pipeline_of(event), []).append(event)
    families = [family for run, family in by_run.items() if run and len(family) > 1]
    for number, burst in enumerate(bursts(deliveries, seed=seed, largest=LARGEST_BURST)):
        kinds = [*(() if number else _ODD), *(chance.choice(_ODD) for _ in burst if chance.random() < _ODD_SHARE)]
        odd = [_odd(kind, f"{number}-{place}") for place, kind in enumerate(kinds)]
        family = chance.choice(families) if families and chance.random() < 0.5 else []
        yield [*burst, *odd, *family]


def _pipeline_of(event: Event) -> str:
    data = event.get("data") or {}
    tags = data.get("runTags") or {}
    return str(tags.get("azureml.pipeline") or data.get("runId") or "")


def _odd(kind: str, name: str) -> Event:
    event: Event = {
        "id": f"odd-{name}",
        "topic": _FOREIGN,
        "subject": f"experiments/e/runs/{name}",
        "eventType": "Microsoft.MachineLearningServices.RunCompleted",
        "eventTime": "2026-07-01T10:00:00Z",
        "dataVersion": "2",
        "data": {"runId": name},
    }
    match kind:
        case "without run id":
            event["data"] = {"experimentId": "e"}
        case "unknown type":
            event["eventType"] = "Microsoft.MachineLearningServices.SomethingNew"
        case "oversized":
            event["subject"] = f"experiments/e/runs/{'x' * 40_000}"
    return event


def to_text(event: Event) -> str:
    """Build an event."""
    return json.dumps(event)
