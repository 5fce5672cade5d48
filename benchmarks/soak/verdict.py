"""What became of every accepted event, and whether the catalog is what it should be."""

import json
import tempfile
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.soak.deliveries import Event, to_text
from emulator.client import Control
from emulator.normalised import normalise
from shared.bootstrap import Services
from shared.intake.message import MessageBody
from shared.settings import Settings
from shared.state.ports import DeadLetter, Message

ENDS = frozenset({"published", "skipped", "dead_lettered"})
HOPELESS = frozenset({"MalformedEvent", "ForeignWorkspace", "OversizedEvent"})
"""Reasons for which no replay can help; the others are replayed once everything works again."""
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


def settle_accounts(folder: Path, letters: Sequence[DeadLetter], *, delivered: int) -> Accounts:
    """Compare what was accepted with the outcomes that publishers logged and with the dead letters."""
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
        operation for operation in accepted if last.get(operation) == "dead_lettered" and operation not in set_aside
    )
    for operation in accepted:
        accounts.ends["dead_lettered" if operation in set_aside else last.get(operation, "lost")] += 1
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


def publish_cleanly(control: Control, environment: Mapping[str, str], events: Iterable[Event]) -> Mapping[str, Any]:
    """Publish every event once, in order, with nothing failing, and return what the catalog then holds."""
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings.from_env({**environment, "LINEAGE_STORAGE": f"sqlite:///{folder}/state.sqlite"})
        services = Services(settings)
        services.catalog.install_types()
        for number, event in enumerate(events):
            services.deliveries.handle(Message(str(number), to_text(event), 1, ""))
        services.state.close()
    state: Mapping[str, Any] = control.state()["purview"]
    return state


def _texts(state: Any, kind: str) -> Counter[str]:
    return Counter(json.dumps(item, sort_keys=True) for item in state[kind])


def _lines(file: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in file.read_text(encoding="utf-8").splitlines() if line]
