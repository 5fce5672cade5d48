"""What became of every accepted event, and whether the catalog is what it should be."""

import json
import tempfile
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

from benchmarks.soak.deliveries import Event, to_text
from emulator.client import Control
from emulator.normalised import normalise
from questions.health import read_health
from shared.bootstrap import Services
from shared.intake.message import MessageBody
from shared.settings import Settings
from shared.state.ports import DeadLetter, Message

ENDS = frozenset({"published", "skipped", "dead_lettered"})
HOPELESS = frozenset({"MalformedEvent", "ForeignWorkspace", "OversizedEvent"})
"""Reasons for which no replay can help; the others are replayed once everything works again."""
TICKS = 3
"""After which nothing is left to find."""
_SHOWN = 5


@dataclass
class Accounts:
    """Every accepted operation and how it ended; `problems` says what is wrong, naming operations."""

    accepted: int = 0
    ends: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    deferrals: int = 0
    attempts: int = 0
    problems: list[str] = field(default_factory=list)


def settle_accounts(
    folder: Path, letters: Sequence[DeadLetter], *, closed: Collection[str], delivered: int
) -> Accounts:
    """
    Compare what was accepted with the outcomes that publishers logged and with the dead letters.

    Args:
        closed: ids of dead letters whose event a tick has replayed, and which was published then.
    """
    accounts = Accounts()
    accepted = {
        MessageBody.parse(line["body"], message_id="").operation_id for line in _lines(folder / "accepted.jsonl")
    }
    last: dict[str, str] = {}
    for line in _lines(folder / "outcomes.jsonl"):
        outcome = str(line.get("outcome") or "")
        accounts.deferrals += outcome == "deferred"
        if outcome in ENDS:
            accounts.attempts += 1
            last[str(line["operation_id"])] = outcome
    set_aside = {letter.id: letter for letter in letters}
    accepted |= {letter.id for letter in letters if letter.reason == "OversizedEvent"}
    lost = sorted(operation for operation in accepted if operation not in last and operation not in set_aside)
    without_letter = sorted(
        operation
        for operation in accepted
        if last.get(operation) == "dead_lettered" and operation not in {*set_aside, *closed}
    )
    for operation in accepted:
        end = "published" if operation in closed else last.get(operation, "lost")
        accounts.ends["dead_lettered" if operation in set_aside else end] += 1
    accounts.accepted = len(accepted)
    accounts.reasons.update(letter.reason for letter in letters)
    for what, operations in (
        ("accepted and never heard of again", lost),
        ("said to be dead-lettered, and not among the dead letters", without_letter),
        ("dead-lettered without a reason", [letter.id for letter in letters if not letter.reason]),
    ):
        if operations:
            accounts.problems.append(f"{len(operations)} {what}: {', '.join(operations[:_SHOWN])}")
    if len(accepted) < delivered:
        accounts.problems.append(f"{delivered} deliveries were answered with success and {len(accepted)} accepted")
    return accounts


def compare_catalogs(actual: Mapping[str, Any], expected: Mapping[str, Any]) -> list[str]:
    """Name what one catalog has and the other has not, and edges that are there twice."""
    problems = []
    for kind in ("entities", "relationships"):
        here, there = _texts(normalise(actual), kind), _texts(normalise(expected), kind)
        for what, items in (("missing", there - here), ("too much", here - there)):
            if items:
                shown = "; ".join(sorted(items.elements())[:_SHOWN])
                problems.append(f"{items.total()} {kind} {what}: {shown[:2_000]}")
    edges = Counter(
        (edge["typeName"], json.dumps(edge["end1"], sort_keys=True), json.dumps(edge["end2"], sort_keys=True))
        for edge in actual["relationships"]
        if edge.get("status", "ACTIVE") == "ACTIVE"
    )
    twice = [edge for edge, count in edges.items() if count > 1]
    return [*problems, *([f"{len(twice)} edges are there twice: {twice[:_SHOWN]}"] if twice else [])]


def publish_cleanly(
    control: Control, environment: Mapping[str, str], events: Iterable[Event]
) -> tuple[Mapping[str, Any], Mapping[str, Any]]:
    """Publish every event once, in order, with nothing failing; return what the catalog then holds, and coverage."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings.from_env({**environment, "LINEAGE_STORAGE": f"sqlite:///{folder}/state.sqlite"})
        services = Services(settings)
        services.catalog.install_types()
        for number, event in enumerate(events):
            services.deliveries.handle(Message(str(number), to_text(event), 1, ""))
        for _ in range(TICKS):
            services.reconciler.tick()
            while message := services.queue.receive(visibility=timedelta(minutes=10)):
                services.deliveries.publish(message)
                services.queue.delete(message)
        coverage = read_truth(services)
        services.state.close()
    state: Mapping[str, Any] = control.state()["purview"]
    return state, coverage


def read_truth(services: Services) -> Mapping[str, Any]:
    """Return what `lineage status` says of each workspace, but for its times."""
    health = read_health(services.state.notes, services.dead_letters, now=services.now())
    return {each["workspace"]: _without_times(each) for each in health.to_json()["workspaces"]}


def _without_times(coverage: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in coverage.items() if name not in ("at", "looked_at")}


def compare_coverage(actual: Mapping[str, Any], expected: Mapping[str, Any]) -> list[str]:
    """Name the workspaces of which something else is said."""
    return [
        f"coverage of {name}: {json.dumps(actual.get(name))[:600]} instead of {json.dumps(expected.get(name))[:600]}"
        for name in sorted({*actual, *expected})
        if actual.get(name) != expected.get(name)
    ]


def _texts(state: Any, kind: str) -> Counter[str]:
    return Counter(json.dumps(item, sort_keys=True) for item in state[kind])


def _lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line]
