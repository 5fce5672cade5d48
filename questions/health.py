"""How much of each workspace is in the catalog, what is missing and why, and which dead letters are open."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.reconciling.coverage import Coverage, Gap
from shared.reconciling.progress import read_coverage
from shared.state.ports import DeadLetter, DeadLetters, Notes, OpenLetters

KIND_WORDS: Mapping[str, str] = {"run": "completed runs", "model": "model versions", "endpoint": "endpoints"}
_FINAL = ("MalformedEvent", "OversizedEvent")
"""Reasons that no replay helps against."""


@dataclass(frozen=True, slots=True)
class Health:
    """
    What the last tick of `reconcile` found in each workspace, and the open dead letters.

    Attributes:
        dead_letters: how many there are, by reason, in alphabetical order.
        oldest: some of them, oldest first.
    """

    coverages: tuple[Coverage, ...]
    dead_letters: Mapping[str, OpenLetters]
    oldest: tuple[DeadLetter, ...] = ()

    @property
    def is_covered(self) -> bool:
        """Whether every workspace was looked through, and everything in it has lineage."""
        return bool(self.coverages) and all(each.is_whole for each in self.coverages)

    @property
    def open(self) -> int:
        """How many dead letters are open."""
        return sum(letters.count for letters in self.dead_letters.values())

    def to_json(self) -> dict[str, list[dict[str, Any]]]:
        return {
            "workspaces": [_coverage_json(each) for each in self.coverages],
            "dead_letters": [
                {
                    "reason": reason,
                    "count": letters.count,
                    "oldest": letters.oldest.isoformat(),
                    "replay": replay_command(reason),
                }
                for reason, letters in self.dead_letters.items()
            ],
        }


def read_health(
    notes: Notes, dead_letters: DeadLetters, *, now: datetime, scopes: Sequence[str] = (), letters: int = 0
) -> Health:
    """
    Read what is stored; nothing is asked of Azure ML or the catalog.

    Args:
        scopes: the allow-list; what is new in it has not been looked at yet.
        letters: so many dead letters are read themselves; the others are only counted.
    """
    coverages = tuple(read_coverage(notes, now=now, scopes=tuple(scopes)))
    oldest = tuple(dead_letters.list_open(limit=letters)) if letters else ()
    return Health(coverages, dead_letters.count_open(), oldest)


def replay_command(reason: str) -> str:
    """
    Return the command that closes the dead letters of a reason.

    >>> replay_command("AccessDenied"), replay_command("MalformedEvent").rpartition(" ")[2]
    ('lineage replay --dead-letters --reason AccessDenied', '--discard')
    """
    command = f"lineage replay --dead-letters --reason {shlex.quote(reason)}"
    return f"{command} --discard" if reason in _FINAL else command


def _coverage_json(coverage: Coverage) -> dict[str, Any]:
    return {
        "workspace": coverage.workspace,
        "percent": coverage.percent,
        "complete": coverage.complete,
        "at": coverage.at,
        **({"problem": coverage.problem} if coverage.problem else {}),
        "kinds": {kind: {"linked": coverage.linked[kind], "total": total} for kind, total in coverage.totals.items()},
        "gaps": [_gap_json(gap) for gap in coverage.gaps],
    }


def _gap_json(gap: Gap) -> dict[str, str]:
    return {
        "kind": gap.kind,
        "name": gap.name,
        **({"version": gap.version} if gap.version else {}),
        "reason": gap.reason,
        **({"enqueued_at": gap.enqueued_at} if gap.enqueued_at else {}),
        **({"failed_at": gap.at} if gap.at else {}),
    }
