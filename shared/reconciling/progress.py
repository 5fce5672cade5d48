"""What reconciling knows of a workspace between two ticks, and what bounds and guards the work of one tick."""

import logging
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any, Self

from shared.catalog.qualified_names import QualifiedName, parse
from shared.errors import LineageError, TerminalError
from shared.intake.message import describe_error
from shared.model import WorkspaceId
from shared.ports import InventoryPage
from shared.reconciling.coverage import (
    KINDS,
    Coverage,
    Gap,
    TickNote,
    count_gaps,
    coverage_of_jobs,
    coverage_of_scope,
    describe_late,
    read_lost,
    read_workspaces,
)
from shared.state.ports import Notes, read_folder
from shared.validation import members_of

logger = logging.getLogger(__name__)

TICK = timedelta(minutes=8)
"""No part of a tick begins anything new after so long; the host ends a function after half an hour."""
GAPS_LIMIT = 5_000
"""Gaps of a workspace that are remembered; with so many open the walk through the inventory waits."""
_AGAIN = timedelta(hours=1)
"""What failed by itself is noted again after so long."""
_OVER = timedelta(days=1)
"""Of what failed and was not met again for so long, nothing is known any more."""


@dataclass
class Tick:
    """
    The time that one tick has, and how its parts are done.

    Attributes:
        now: the clock that says when it is over.
    """

    now: Callable[[], datetime]
    ends_at: datetime = field(init=False)

    def __post_init__(self) -> None:
        self.ends_at = self.now() + TICK

    @property
    def is_over(self) -> bool:
        """Whether nothing new is to be begun; asked between any two items."""
        return self.now() >= self.ends_at

    def attempt(self, item: Callable[[], object], **facts: str) -> str:
        """
        Do one item of many; its failure keeps no other from being done.

        Returns:
            Why it failed; "" if it did not.
        """
        try:
            item()
        except Exception as error:
            reason, detail = describe_error(error)
            expected = isinstance(error, LineageError)
            logger.warning("an item failed", extra={**facts, "reason": reason, "detail": detail}, exc_info=not expected)
            return f"{reason}: {detail}"
        return ""

    def walk(
        self,
        list_page: Callable[[str], InventoryPage],
        page: str,
        *,
        limit: int,
        begin_again: Callable[[], None],
    ) -> Iterator[InventoryPage]:
        """
        Yield pages of a list, from a noted one on, until the tick is over.

        Args:
            page: the noted one; "" for the first.
            begin_again: called if the service does not take the noted link any more, before the first page is listed.
        """
        is_noted = bool(page)
        for _ in range(limit):
            if self.is_over:
                return
            try:
                found = list_page(page)
            except TerminalError as error:
                if not is_noted:
                    raise
                logger.warning("a link to a page is not valid any more; begin again", extra={"detail": str(error)})
                begin_again()
                page, is_noted = "", False
                continue
            yield found
            page, is_noted = found.next, False
            if not page:
                return


@dataclass
class Turns:
    """
    Lets the parts of something have their turns, however little time there is for it.

    Attributes:
        served: the last part that had its turn; "" once all have.
    """

    tick: Tick
    served: str

    def take(self, parts: Collection[str]) -> Iterator[str]:
        """
        Yield parts from the one after `served` on, each once, until the tick is over.

        One during which the tick ended is begun again by the next, unless it has had the whole of this one.
        """
        names = list(parts)
        start = names.index(self.served) + 1 if self.served in names else 0
        for number, name in enumerate((*names[start:], *names[:start])):
            if self.tick.is_over:
                return
            yield name
            if not self.tick.is_over or number == 0:
                self.served = name
        if not self.tick.is_over:
            self.served = ""


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
class KnownEndpoint:
    """
    What Azure ML said of an endpoint when it was read last, and when that was.

    Attributes:
        said: "" while the catalog lacks what it says now, or it could not be read.
    """

    said: str = ""
    at: str = ""


@dataclass
class Progress:
    """
    A small note, and a row for each thing that there may be any number of.

    Attributes:
        totals: for each kind, how many there are in Azure ML, as far as it was looked through.
        complete: the kinds that were looked through from end to end at least once.
        counting: for each kind, the count of the walk that is under way.
        pages: for each walk by name, where it goes on.
        unmarked: runs have lost the mark of being archived since it was looked at.
        unchanged: by list and number of the page, a hash of a page of which all is linked, or marked as archived.
        endpoints: by the ledger's name.
        served: the last part of a look that had its turn; the next look begins after it.
        at: when a look at it ended.
        problem: why the last tick could not look at all of it; "" if it could.
    """

    workspace: str
    runs: RunWalk = field(default_factory=RunWalk)
    data: DataWalk = field(default_factory=DataWalk)
    totals: dict[str, int] = field(default_factory=dict)
    complete: dict[str, bool] = field(default_factory=dict)
    counting: dict[str, int] = field(default_factory=dict)
    pages: dict[str, str] = field(default_factory=dict)
    unchanged: dict[str, str] = field(default_factory=dict)
    endpoints: dict[str, KnownEndpoint] = field(default_factory=dict)
    gaps: dict[str, Gap] = field(default_factory=dict)
    unmarked: bool = False
    served: str = ""
    at: str = ""
    problem: str = ""
    _stored: dict[str, Mapping[str, Any]] = field(default_factory=dict, repr=False)

    @classmethod
    def load(cls, notes: Notes, workspace: WorkspaceId) -> Self:
        note = members_of(cls, notes.get(_name(workspace)) or {})
        stored = read_folder(notes, _name(workspace))
        runs = members_of(RunWalk, note.get("runs") or {})
        rows: dict[str, dict[str, Mapping[str, Any]]] = {kind: {} for kind in _ROWS}
        for name, row in stored.items():
            kind, _, key = name.partition(" ")
            rows.setdefault(kind, {})[key] = row
        # What a version before this one kept in the note is read once more, and written as rows.
        return cls(
            **{
                **note,
                "workspace": workspace.arm_id,
                "runs": RunWalk(
                    **{
                        **runs,
                        "recent": {**runs.get("recent", {}), **{key: row["at"] for key, row in rows[_RECENT].items()}},
                        "waiting": {
                            **runs.get("waiting", {}),
                            **{key: row["at"] for key, row in rows[_WAITING].items()},
                        },
                    }
                ),
                "data": DataWalk(**members_of(DataWalk, note.get("data") or {})),
                "gaps": {key: Gap.from_json(gap) for key, gap in {**(note.get("gaps") or {}), **rows[_GAP]}.items()},
                "endpoints": {
                    key: KnownEndpoint(**members_of(KnownEndpoint, row)) for key, row in rows[_ENDPOINT].items()
                },
                "unmarked": bool(rows[_UNMARKED]),
                "_stored": stored,
            }
        )

    def save(self, notes: Notes) -> None:
        """Write what has changed; the rows first, since the note says that the walk has passed them."""
        rows: dict[str, Mapping[str, Any]] = {
            **{f"{_GAP} {key}": gap.to_json() for key, gap in self.gaps.items()},
            **{f"{_ENDPOINT} {key}": asdict(known) for key, known in self.endpoints.items()},
            **{f"{_RECENT} {name}": {"at": at} for name, at in self.runs.recent.items()},
            **{f"{_WAITING} {name}": {"at": at} for name, at in self.runs.waiting.items()},
            **({f"{_UNMARKED} runs": {}} if self.unmarked else {}),
        }
        folder = _name(WorkspaceId.parse(self.workspace))
        notes.put_in(folder, {name: row for name, row in rows.items() if self._stored.get(name) != row})
        notes.forget_in(folder, self._stored.keys() - rows.keys())
        self._stored = rows
        note = asdict(self)
        for name in ("gaps", "endpoints", "unmarked", "_stored"):
            del note[name]
        for name in ("recent", "waiting"):
            del note["runs"][name]
        notes.put(folder, note)

    @property
    def is_full(self) -> bool:
        return len(self.gaps) >= GAPS_LIMIT

    def note_failure(self, key: str, gap: Gap, *, now: datetime) -> None:
        """Note why one thing failed; where that is known already, nothing is written again for a while."""
        if not (self.has_failed_lately(key, now=now) and self.gaps[key].reason == gap.reason):
            self.gaps[key] = Gap(gap.kind, gap.name, gap.version, gap.reason, at=now.isoformat(timespec="seconds"))

    def has_failed_lately(self, key: str, *, now: datetime) -> bool:
        before = self.gaps.get(key)
        return before is not None and before.at != "" and now - datetime.fromisoformat(before.at) < _AGAIN

    def forget_old_failures(self, now: datetime) -> None:
        """Forget what was not met again for a day: it may be gone, or well again."""
        self.gaps = {
            key: gap
            for key, gap in self.gaps.items()
            if gap.kind in KINDS or not gap.at or now - datetime.fromisoformat(gap.at) < _OVER
        }

    def coverage(self, lost: Collection[Gap]) -> Coverage:
        """
        Sum it up.

        Args:
            lost: what the catalog does not have any more, of all workspaces.
        """
        gaps, lacking = count_gaps(self.workspace, self.gaps.values(), lost)
        return Coverage(
            workspace=self.workspace,
            at=self.at,
            totals={kind: self.totals.get(kind, 0) for kind in KINDS},
            linked={kind: max(self.totals.get(kind, 0) - lacking[kind], 0) for kind in KINDS},
            complete=all(self.complete.get(kind) for kind in KINDS),
            gaps=gaps,
            problem=self.problem,
        )


def read_coverage(notes: Notes, *, now: datetime | None = None, scopes: tuple[str, ...] = ()) -> list[Coverage]:
    """
    Return the coverage of every workspace there is, and of every scope that could not be listed.

    Args:
        now: what was not looked at for long then says so.
        scopes: the allow-list; what is new in it has not been looked at yet.
    """
    known, lost, tick = read_workspaces(notes), read_lost(notes), TickNote.load(notes)
    found = [Progress.load(notes, WorkspaceId.parse(each)).coverage(lost) for each in known.get("ids") or ()]
    problem = tick.describe(now) if now else ""
    if poison := known.get("poison"):
        problem = (
            problem or f"the host gave up on messages ({poison}) that are no dead letters yet: does collect_poison run?"
        )
    found = [
        replace(each, problem=each.problem or (describe_late(each.at, tick, now) if now else "") or problem)
        for each in found
    ]
    if jobs := coverage_of_jobs(lost, tick.ended):
        found.append(jobs)
    listed = known.get("listed")
    new = [each for each in scopes if each not in listed] if listed is not None else []
    problems = {**(known.get("scopes") or {}), **dict.fromkeys(new, "no tick has looked at it yet")}
    return [*found, *(coverage_of_scope(str(scope), str(words)) for scope, words in problems.items())]


def read_looked_at(notes: Notes, workspace: WorkspaceId) -> str:
    """Return when a look at a workspace ended without a failure; "" if none has."""
    return str((notes.get(_name(workspace)) or {}).get("at") or "")


def note_unmarked(notes: Notes, runs: Iterable[QualifiedName]) -> None:
    """Note that runs have lost the mark of being archived, so that the next walk sets it again."""
    for workspace in {parsed.workspace for name in runs if (parsed := parse(name)) and parsed.workspace}:
        notes.put_in(_name(workspace), {f"{_UNMARKED} runs": {}})


_GAP, _ENDPOINT, _RECENT, _WAITING, _UNMARKED = _ROWS = ("gap", "endpoint", "recent", "waiting", "unmarked")


def _name(workspace: WorkspaceId) -> str:
    return f"reconcile/{workspace.arm_id}"
