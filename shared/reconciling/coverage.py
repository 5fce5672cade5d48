"""What reconciling knows of a workspace between two ticks: how far it has looked, what is missing, and why."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Self

from shared.model import SETTLED, WorkspaceId
from shared.ports import Listed
from shared.publishing.plan import DEAD_LETTERED, PUBLISHED, SKIPPED
from shared.state.ports import Notes, Row

GAPS_LIMIT = 20_000
"""Gaps that are remembered; with so many open the walk through the inventory waits."""
KINDS = ("run", "model", "endpoint")
LATE = timedelta(hours=6)
"""A workspace that was not looked at for so long may have changed; ticks come every 15 minutes as a rule."""


@dataclass(frozen=True, slots=True)
class Gap:
    """Something Azure ML holds whose lineage is not in the catalog; `enqueued_at` is "" if it waits for a person."""

    kind: str
    name: str
    version: str
    reason: str
    enqueued_at: str = ""

    @property
    def listed(self) -> Listed:
        return Listed(self.kind, self.name, self.version)


@dataclass
class RunWalk:
    """
    A walk through the runs, newest first, from the newest down to those of the walk before.

    Attributes:
        page: where it goes on; "" where a new walk begins.
        newest: the creation time of the newest run this walk began with.
        lowest: the creation time it has come down to; what is listed above it again was counted already.
        floor: where it ends: `newest` of the walk before, or "" for the first walk.
        recent: runs counted since shortly before `newest`, with creation times: a list may lag behind.
        waiting: runs that had not ended when they were listed, with creation times.
    """

    page: str = ""
    newest: str = ""
    lowest: str = ""
    floor: str = ""
    recent: dict[str, str] = field(default_factory=dict)
    waiting: dict[str, str] = field(default_factory=dict)


@dataclass
class Progress:
    """
    Attributes:
        totals: for each kind, how many there are in Azure ML, as far as it was looked through.
        complete: the kinds that were looked through from end to end at least once.
        counting: for each kind, the count of the walk that is under way.
        pages: for each walk by name, where it goes on.
        archived_runs, archived_walks: how many walks through what is archived there were, and of each run of the ledger
            that was met, before which one that was.
        problem: why the last tick could not look at all of it; "" if it could.
    """

    workspace: str
    runs: RunWalk = field(default_factory=RunWalk)
    totals: dict[str, int] = field(default_factory=dict)
    complete: dict[str, bool] = field(default_factory=dict)
    counting: dict[str, int] = field(default_factory=dict)
    pages: dict[str, str] = field(default_factory=dict)
    gaps: dict[str, Gap] = field(default_factory=dict)
    archived_runs: dict[str, int] = field(default_factory=dict)
    archived_walks: int = 0
    at: str = ""
    problem: str = ""

    @classmethod
    def load(cls, notes: Notes, workspace: WorkspaceId) -> Self:
        note: Mapping[str, Any] = notes.get(_name(workspace)) or {"workspace": workspace.arm_id}
        return cls(
            **{
                **note,
                "runs": RunWalk(**note.get("runs", {})),
                "gaps": {key: Gap(**gap) for key, gap in note.get("gaps", {}).items()},
            }
        )

    def save(self, notes: Notes, *, now: datetime) -> None:
        self.at = now.isoformat(timespec="seconds")
        notes.put(_name(WorkspaceId.parse(self.workspace)), asdict(self))

    @property
    def is_full(self) -> bool:
        return len(self.gaps) >= GAPS_LIMIT

    def coverage(self) -> "Coverage":
        gaps = {kind: sum(gap.kind == kind for gap in self.gaps.values()) for kind in KINDS}
        return Coverage(
            workspace=self.workspace,
            at=self.at,
            totals={kind: self.totals.get(kind, 0) for kind in KINDS},
            linked={kind: self.totals.get(kind, 0) - gaps[kind] for kind in KINDS},
            complete=all(self.complete.get(kind) for kind in KINDS),
            gaps=tuple(sorted(self.gaps.values(), key=lambda gap: (gap.kind, gap.name, gap.version))),
            problem=self.problem,
        )


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
        return row.outcome != DEAD_LETTERED and not lacks_something and row.status.casefold() in SETTLED
    return row.outcome == PUBLISHED or (row.kind == "model" and row.outcome == SKIPPED)


def read_coverage(notes: Notes, *, now: datetime | None = None) -> list[Coverage]:
    """
    Return the coverage of every workspace there is, and of every scope that could not be listed.

    Args:
        now: what was not looked at for long then says so.
    """
    known = notes.get(_WORKSPACES) or {}
    ids, scopes = known.get("ids"), known.get("scopes")
    found = [
        Progress.load(notes, WorkspaceId.parse(each)).coverage() for each in (ids if isinstance(ids, list) else ())
    ]
    for scope, problem in (scopes if isinstance(scopes, dict) else {}).items():
        nothing = dict.fromkeys(KINDS, 0)
        found.append(Coverage(str(scope), "", nothing, nothing, complete=False, gaps=(), problem=str(problem)))
    return [_dated(each, now) for each in found] if now else found


def _dated(coverage: Coverage, now: datetime) -> Coverage:
    if coverage.problem or not coverage.at or now - datetime.fromisoformat(coverage.at) <= LATE:
        return coverage
    return replace(coverage, problem=f"nothing has looked at it since {coverage.at}")


def note_workspaces(notes: Notes, workspaces: Sequence[WorkspaceId], problems: Mapping[str, str]) -> None:
    """
    Note what there is.

    Args:
        problems: why scopes of the allow-list could not be listed; the workspaces known of them stay.
    """
    known = (notes.get(_WORKSPACES) or {}).get("ids")
    before = [WorkspaceId.parse(each) for each in known] if isinstance(known, list) else []
    kept = [each for each in before if any(each.arm_id.lower().startswith(scope.lower()) for scope in problems)]
    ids = [workspace.arm_id for workspace in sorted({*workspaces, *kept})]
    notes.put(_WORKSPACES, {"ids": ids, "scopes": dict(problems)})


_WORKSPACES = "reconcile/workspaces"


def _name(workspace: WorkspaceId) -> str:
    return f"reconcile/{workspace.arm_id}"
