"""How much of each workspace is in the catalog, what is missing and why, and why that may not be the truth any more."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any, Self

from shared.catalog.entities import ARCHIVED, DELETED
from shared.catalog.qualified_names import of_workspace
from shared.model import SETTLED, WorkspaceId
from shared.ports import Listed
from shared.publishing.plan import ASKED_AGAIN, DEAD_LETTERED, PUBLISHED, SKIPPED
from shared.state.ports import Notes, Row, read_folder
from shared.validation import members_of

KINDS = ("run", "model", "endpoint")
MARK, LIST, PLACEHOLDER, LOOK, LABEL = "mark", "list", "placeholder", "look", "label"
"""Gaps of other kinds: what could not be marked, listed, replaced, looked at again, or labelled."""
REASON_LIMIT = 1_000
"""Characters that are kept of a reason."""
LATE = timedelta(hours=6)
"""A workspace that was not looked at for so long may have changed; ticks come every 15 minutes as a rule."""
_EVERY = timedelta(minutes=15)
_FEW = 4
"""So many times the usual pause between two ticks, none has begun: then something is wrong."""
_LONGEST_TICK = timedelta(minutes=30)
"""As long as a function may run."""
_JOBS = "jobs that report OpenLineage"


@dataclass(frozen=True, slots=True)
class Gap:
    """
    Something Azure ML holds whose lineage is not in the catalog, or that a tick could not do.

    Attributes:
        enqueued_at: when it was put on the queue; "" if it is not there.
        at: when a tick came upon it last, if nothing else says when it is over.
        of: the ledger's name of what the catalog has lost, or of what touches a placeholder.
    """

    kind: str
    name: str
    version: str
    reason: str
    enqueued_at: str = ""
    at: str = ""
    of: str = ""

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Self:
        """
        >>> Gap.from_json({"kind": "run", "name": "r", "version": "", "reason": "why", "of a later version": 1}).name
        'r'
        """
        return cls(**members_of(cls, body))

    def to_json(self) -> dict[str, object]:
        """Format it as notes keep it."""
        return {**asdict(self), "reason": self.reason[:REASON_LIMIT]}

    @property
    def listed(self) -> Listed:
        return Listed(self.kind, self.name, self.version)

    @property
    def follows(self) -> str:
        """What happens next."""
        if self.enqueued_at:
            return "is on its way again"
        return "a later tick tries again" if self.at else "waits for a person"


@dataclass(frozen=True, slots=True)
class Coverage:
    """
    How much of a workspace is in the catalog.

    Attributes:
        at: when it was looked at last, ISO 8601.
        totals, linked: completed runs, model versions and endpoints by kind; those of them with lineage.
        complete: the whole inventory has been looked through; if not, `totals` is what was seen so far.
        gaps: all that is missing, each with its reason.
        problem: why this may not be the truth any more, or is not known: a tick that failed, or is late.
    """

    workspace: str
    at: str
    totals: Mapping[str, int]
    linked: Mapping[str, int]
    complete: bool
    gaps: tuple[Gap, ...]
    problem: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether all was looked through lately, and has lineage."""
        return self.complete and not self.gaps and not self.problem

    @property
    def percent(self) -> float:
        """
        Return how much is linked; never all of it while something is missing, or not known.

        >>> Coverage("ws", "", {"run": 3}, {"run": 2}, True, ()).percent
        66.7
        >>> Coverage("ws", "", {"run": 3}, {"run": 3}, True, (), problem="the last tick failed").percent
        99.9
        """
        total = sum(self.totals.values())
        found = round(100 * sum(self.linked.values()) / total, 1) if total else 100.0 if self.complete else 0.0
        return found if self.is_whole else min(found, 99.9)


def is_linked(row: Row | None) -> bool:
    """Whether the catalog has all there is to show, which of a run or a model that was skipped for good is nothing."""
    if row is None:
        return False
    if row.kind == "run":  # one that is known from its model alone may have been written before it ended
        lacks_something = row.outcome == PUBLISHED and row.reason
        has_ended = row.status.casefold() in SETTLED or row.status in (ARCHIVED, DELETED)
        return row.outcome != DEAD_LETTERED and not lacks_something and has_ended
    if row.kind == "model" and row.reason.endswith(ASKED_AGAIN):
        return False
    return row.outcome == PUBLISHED or (row.kind == "model" and row.outcome == SKIPPED)


def count_gaps(workspace: str, gaps: Iterable[Gap], lost: Iterable[Gap]) -> tuple[tuple[Gap, ...], dict[str, int]]:
    """Return all gaps of a workspace, with what the catalog has lost of it, and how many things of each kind lack."""
    own = f"{of_workspace(WorkspaceId.parse(workspace))}/"
    found = {
        (gap.kind, gap.name, gap.version): gap for gap in (*(each for each in lost if each.of.startswith(own)), *gaps)
    }
    return tuple(found[key] for key in sorted(found)), {kind: sum(key[0] == kind for key in found) for kind in KINDS}


def coverage_of_jobs(lost: Iterable[Gap], at: str) -> Coverage | None:
    """Return what the catalog has lost of runs that are in no workspace; None if it is nothing."""
    gaps = tuple(sorted((gap for gap in lost if not gap.of.startswith("azureml://")), key=lambda gap: gap.name))
    nothing = dict.fromkeys(KINDS, 0)
    return Coverage(_JOBS, at, nothing, nothing, complete=True, gaps=gaps) if gaps else None


def coverage_of_scope(scope: str, problem: str) -> Coverage:
    """Return what is known of a scope of the allow-list, or of a workspace, that no tick could look at."""
    nothing = dict.fromkeys(KINDS, 0)
    return Coverage(scope, "", nothing, nothing, complete=False, gaps=(), problem=problem)


@dataclass(frozen=True, slots=True)
class TickNote:
    """
    What is known of the last ticks.

    Attributes:
        begun: when each of the last few began, ISO 8601.
        ended: when the last one ended that did.
        served: the last part of a tick that had its turn; the next tick begins after it.
        problems: why parts that belong to no workspace failed when they had their turn last.
        no_outage: when there was no dead letter of an outage.
    """

    begun: tuple[str, ...] = ()
    ended: str = ""
    served: str = ""
    problems: Mapping[str, str] = field(default_factory=dict)
    no_outage: str = ""

    @classmethod
    def load(cls, notes: Notes) -> Self:
        note = members_of(cls, notes.get(_TICK) or {})
        return cls(**{**note, "begun": tuple(note.get("begun") or ())})

    def save(self, notes: Notes) -> None:
        notes.put(_TICK, {**asdict(self), "begun": list(self.begun[-_FEW - 1 :])})

    @property
    def every(self) -> timedelta:
        """How long it takes from one tick to the next, as far as is known."""
        times = [datetime.fromisoformat(each) for each in self.begun]
        return max((later - before for before, later in pairwise(times)), default=LATE / _FEW)

    def describe(self, now: datetime) -> str:
        """Say why what the ticks found may not be the truth any more; "" if all is well."""
        if not self.begun:
            return ""
        begun = datetime.fromisoformat(self.begun[-1])
        if now - begun > _FEW * max(self.every, _EVERY):
            return f"no tick has begun since {self.begun[-1]}"
        if self.ended < self.begun[-1] and now - begun > _LONGEST_TICK:
            return f"the tick that began at {self.begun[-1]} did not end"
        return "; ".join(f"the last tick failed: {part}: {problem}" for part, problem in sorted(self.problems.items()))


def describe_late(at: str, tick: TickNote, now: datetime) -> str:
    """Say that nothing has looked at a workspace for long, or never; "" if that is not so."""
    if not at:
        return "no tick has looked at it yet"
    late = now - datetime.fromisoformat(at) > max(LATE, _FEW * tick.every)
    return f"nothing has looked at it since {at}" if late else ""


def note_workspaces(
    notes: Notes, workspaces: Sequence[WorkspaceId], problems: Mapping[str, str], *, scopes: Sequence[str], poison: int
) -> None:
    """
    Note what there is.

    Args:
        scopes: those of the allow-list that were to be listed.
        poison: messages that the host gave up on; what they are about is not known until they are dead letters.
        problems: why scopes of the allow-list could not be listed; the workspaces known of them stay.
    """
    known = (notes.get(_WORKSPACES) or {}).get("ids")
    before = [WorkspaceId.parse(each) for each in known] if isinstance(known, list) else []
    kept = [each for each in before if any(each.arm_id.lower().startswith(scope.lower()) for scope in problems)]
    ids = [workspace.arm_id for workspace in sorted({*workspaces, *kept})]
    notes.put(_WORKSPACES, {"ids": ids, "scopes": dict(problems), "listed": list(scopes), "poison": poison})


def read_workspaces(notes: Notes) -> Mapping[str, Any]:
    """Return what was noted of them."""
    return notes.get(_WORKSPACES) or {}


def read_lost(notes: Notes) -> tuple[Gap, ...]:
    """Return what the catalog did not have any more when it was asked last, and what else of it failed."""
    return tuple(map(Gap.from_json, read_folder(notes, LOST).values()))


LOST = "reconcile/lost"
_WORKSPACES, _TICK = "reconcile/workspaces", "reconcile/tick"
