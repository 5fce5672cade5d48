"""What reconciling knows of a workspace between two ticks: how far it has looked, what is missing, and why."""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Self

from shared.catalog import qualified_names
from shared.catalog.entities import Evidence, Found
from shared.catalog.kinds import STEP
from shared.catalog.qualified_names import QualifiedName, parse
from shared.model import SETTLED, WorkspaceId
from shared.ports import Catalog, Listed
from shared.publishing.plan import DEAD_LETTERED, PUBLISHED, SKIPPED
from shared.state.ports import Notes, Row, State
from shared.validation import members_of

GAPS_LIMIT = 20_000
"""Gaps that are remembered; with so many open the walk through the inventory waits."""
KINDS = ("run", "model", "endpoint")
SAMPLE = {"run": 30, "model": 10, "endpoint": 5, "deployment": 5, "link": 5}
"""Rows of each kind in one tick that the catalog is asked for, in a request or two."""
LOST = 50
"""Of what was lost, so much is asked for again in one tick."""
_AGAIN = timedelta(days=1)
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
class DataWalk:
    """
    A walk through the data assets.

    Attributes:
        page: where it goes on; "" where a new walk begins.
        looked_at: when it went on last.
        begun: when this walk began, after when the one before did.
    """

    page: str = ""
    looked_at: str = ""
    begun: list[str] = field(default_factory=list)


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
        endpoints: by the ledger's name, what Azure ML said of each when it was read last.
        problem: why the last tick could not look at all of it; "" if it could.
    """

    workspace: str
    runs: RunWalk = field(default_factory=RunWalk)
    data: DataWalk = field(default_factory=DataWalk)
    totals: dict[str, int] = field(default_factory=dict)
    complete: dict[str, bool] = field(default_factory=dict)
    counting: dict[str, int] = field(default_factory=dict)
    pages: dict[str, str] = field(default_factory=dict)
    endpoints: dict[str, str] = field(default_factory=dict)
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
                **members_of(cls, note),
                "runs": RunWalk(**members_of(RunWalk, note.get("runs", {}))),
                "data": DataWalk(**members_of(DataWalk, note.get("data", {}))),
                "gaps": {key: Gap(**members_of(Gap, gap)) for key, gap in note.get("gaps", {}).items()},
            }
        )

    def save(self, notes: Notes, *, now: datetime) -> None:
        self.at = now.isoformat(timespec="seconds")
        notes.put(_name(WorkspaceId.parse(self.workspace)), asdict(self))

    @property
    def is_full(self) -> bool:
        return len(self.gaps) >= GAPS_LIMIT

    def coverage(self, lost: Mapping[str, Gap]) -> "Coverage":
        """
        Sum it up.

        Args:
            lost: by the ledger's name, what the catalog does not have any more, of all workspaces.
        """
        own = f"{qualified_names.of_workspace(WorkspaceId.parse(self.workspace))}/"
        found = {**{key: gap for key, gap in lost.items() if key.startswith(own)}, **self.gaps}
        gaps = {kind: sum(gap.kind == kind for gap in found.values()) for kind in KINDS}
        return Coverage(
            workspace=self.workspace,
            at=self.at,
            totals={kind: self.totals.get(kind, 0) for kind in KINDS},
            linked={kind: max(self.totals.get(kind, 0) - gaps[kind], 0) for kind in KINDS},
            complete=all(self.complete.get(kind) for kind in KINDS),
            gaps=tuple(sorted(found.values(), key=lambda gap: (gap.kind, gap.name, gap.version))),
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
    ids, scopes, poison, lost = known.get("ids"), known.get("scopes"), known.get("poison"), read_lost(notes)
    found = [
        Progress.load(notes, WorkspaceId.parse(each)).coverage(lost) for each in (ids if isinstance(ids, list) else ())
    ]
    for scope, problem in (scopes if isinstance(scopes, dict) else {}).items():
        nothing = dict.fromkeys(KINDS, 0)
        found.append(Coverage(str(scope), "", nothing, nothing, complete=False, gaps=(), problem=str(problem)))
    if poison:
        words = f"the host gave up on messages ({poison}) that are no dead letters yet: does collect_poison run?"
        found = [replace(each, problem=each.problem or words) for each in found]
    return [_dated(each, now) for each in found] if now else found


def _dated(coverage: Coverage, now: datetime) -> Coverage:
    if coverage.problem or not coverage.at or now - datetime.fromisoformat(coverage.at) <= LATE:
        return coverage
    return replace(coverage, problem=f"nothing has looked at it since {coverage.at}")


def note_workspaces(
    notes: Notes, workspaces: Sequence[WorkspaceId], problems: Mapping[str, str], *, poison: int
) -> None:
    """
    Note what there is.

    Args:
        poison: messages that the host gave up on; what they are about is not known until they are dead letters.
        problems: why scopes of the allow-list could not be listed; the workspaces known of them stay.
    """
    known = (notes.get(_WORKSPACES) or {}).get("ids")
    before = [WorkspaceId.parse(each) for each in known] if isinstance(known, list) else []
    kept = [each for each in before if any(each.arm_id.lower().startswith(scope.lower()) for scope in problems)]
    ids = [workspace.arm_id for workspace in sorted({*workspaces, *kept})]
    notes.put(_WORKSPACES, {"ids": ids, "scopes": dict(problems), "poison": poison})


def read_lost(notes: Notes) -> dict[str, Gap]:
    """Return what the catalog did not have any more when it was asked last, by the ledger's name."""
    lost = (notes.get(_SAMPLE) or {}).get("lost")
    return {str(key): Gap(**members_of(Gap, gap)) for key, gap in lost.items()} if isinstance(lost, dict) else {}


@dataclass(frozen=True, slots=True)
class Loss:
    """What the catalog does not have of a row any more: edges of what it has, or all of it if that is None."""

    row: Row
    gap: Gap
    edges: tuple[Evidence, ...]
    found: Found | None


@dataclass(frozen=True, slots=True)
class CatalogSampler:
    """
    Asks the catalog, tick by tick, for what the ledger believes written: an edge counts only while the catalog has it.

    What is lost is not written again by itself, for a person may have deleted it on purpose; except for edges to data
    that a scan has made again: Purview deletes an asset whose file was missing between two scans, with all its edges.

    Attributes:
        restore: publishes by force the runs whose edges to such data are lost; returns the names of those it can.
    """

    catalog: Catalog
    state: State
    now: Callable[[], datetime]
    restore: Callable[[Sequence[Loss]], Collection[QualifiedName]]

    def tick(self) -> None:
        """Look at the next few rows, and again at what was lost before."""
        note = self.state.notes.get(_SAMPLE) or {}
        after = note.get("after")
        ended = dict(after) if isinstance(after, dict) else {}
        before = read_lost(self.state.notes)
        known = dict(before)
        again = [QualifiedName(key) for key in list(before)[:LOST]]
        rows = list(self.state.ledger.get_rows(again).values())
        for kind, limit in SAMPLE.items():
            page = self.state.ledger.list_rows(kind, after=ended.get(kind, ""), limit=limit)
            ended[kind] = page[-1].key if len(page) == limit else ""
            rows += page
        # A pipeline has a row and is no entity; an asset is one, with or without edges.
        rows = [row for row in rows if row.outcome == PUBLISHED and (row.evidence or row.kind in ("model", "endpoint"))]
        makers = {each.end.qualified_name for row in rows if row.kind == "model" for each in row.evidence}
        found = self.catalog.find(sorted({row.key for row in rows} | makers))
        for key in (*again, *(row.key for row in rows)):
            before.pop(key, None)
        losses = [loss for row in rows if (loss := _find_loss(row, found))]
        lost = {str(loss.row.key): loss.gap for loss in losses} | self._restore(losses, known)
        self.state.notes.put(
            _SAMPLE, {"after": ended, "lost": {key: asdict(gap) for key, gap in {**before, **lost}.items()}}
        )

    def _restore(self, losses: Sequence[Loss], known: Mapping[str, Gap]) -> dict[str, Gap]:
        """Restore what a scan has made again, each once a day; whatever is not restored by then waits for a person."""
        ended = self.now() - _AGAIN
        tried = {
            key for key, gap in known.items() if gap.enqueued_at and datetime.fromisoformat(gap.enqueued_at) > ended
        }
        restored = self.restore([loss for loss in losses if str(loss.row.key) not in tried])
        reason = "a scan made data of it again, without its edges; it is on the queue"
        at = self.now().isoformat()
        new = {str(loss.row.key): loss.gap for loss in losses if loss.row.key in restored}
        return {
            **{key: gap for key, gap in known.items() if key in tried & {str(loss.row.key) for loss in losses}},
            **{key: replace(gap, reason=reason, enqueued_at=at) for key, gap in new.items()},
        }


def _find_loss(row: Row, found: Mapping[QualifiedName, Found]) -> Loss | None:
    """Say what the catalog does not have of a row: the entity, or an edge that there is evidence for."""
    gone: list[Evidence] = []
    here = found.get(row.key)
    if here is None:
        missing = "it"
    elif row.kind == "model":
        makers = [each.end.qualified_name for each in row.evidence if each.end.type_name == STEP]
        kept = all(here.ref in found[maker].outputs for maker in makers if maker in found)
        missing = "" if kept else "its edge from the run that made it"
    else:
        ends = {(ref, is_output) for refs, is_output in ((here.inputs, False), (here.outputs, True)) for ref in refs}
        gone = [each for each in row.evidence if (each.end, each.is_output) not in ends]
        missing = f"{len(gone)} of its edges" if gone else ""
    if not missing:
        return None
    parsed = parse(row.key)
    version = parsed.asset.version if parsed and parsed.asset and row.kind == "model" else ""
    name = parsed.asset.name if parsed and parsed.asset and version else row.key.rpartition("/")[2]
    reason = f"the catalog does not have {missing} any more; `lineage replay --direct --force` writes it again"
    gap = Gap({"deployment": "endpoint", "link": "run"}.get(row.kind, row.kind), name, version, reason)
    return Loss(row, gap, tuple(gone), here)


_WORKSPACES, _SAMPLE = "reconcile/workspaces", "reconcile/sample"


def _name(workspace: WorkspaceId) -> str:
    return f"reconcile/{workspace.arm_id}"
