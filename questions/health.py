"""How much of each workspace is in the catalog, what is missing and why, and which dead letters are open."""

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from shared.reconciling.coverage import Coverage, Gap
from shared.reconciling.progress import read_coverage
from shared.state.ports import DeadLetter, DeadLetters, Notes

KIND_WORDS: Mapping[str, str] = {"run": "completed runs", "model": "model versions", "endpoint": "endpoints"}
_FINAL = ("MalformedEvent", "OversizedEvent")
"""Reasons that no replay helps against."""


@dataclass(frozen=True, slots=True)
class Health:
    """What the last tick of `reconcile` found in each workspace, and the open dead letters, oldest first."""

    coverages: tuple[Coverage, ...]
    dead_letters: tuple[DeadLetter, ...]

    @property
    def is_covered(self) -> bool:
        """Whether every workspace was looked through, and everything in it has lineage."""
        return bool(self.coverages) and all(each.is_whole for each in self.coverages)

    def dead_letters_by_reason(self) -> Iterator[tuple[str, tuple[DeadLetter, ...]]]:
        """Yield each reason, in alphabetical order, with its dead letters."""
        for reason in sorted({letter.reason for letter in self.dead_letters}):
            yield reason, tuple(letter for letter in self.dead_letters if letter.reason == reason)

    def to_json(self) -> dict[str, list[dict[str, Any]]]:
        return {
            "workspaces": [_coverage_json(each) for each in self.coverages],
            "dead_letters": [
                {
                    "reason": reason,
                    "count": len(letters),
                    "oldest": letters[0].at.isoformat(),
                    "replay": replay_command(reason),
                }
                for reason, letters in self.dead_letters_by_reason()
            ],
        }


def read_health(notes: Notes, dead_letters: DeadLetters, *, now: datetime, scopes: Sequence[str] = ()) -> Health:
    """
    Read what is stored; nothing is asked of Azure ML or the catalog.

    Args:
        scopes: the allow-list; what is new in it has not been looked at yet.
    """
    return Health(tuple(read_coverage(notes, now=now, scopes=tuple(scopes))), tuple(dead_letters.list_open()))


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
