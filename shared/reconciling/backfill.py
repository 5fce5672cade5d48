"""Lists what workspaces hold, newest first, and hands on a hint about whatever the ledger does not have yet."""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from shared.errors import LineageError, TerminalError
from shared.intake.message import BACKFILL
from shared.intake.receive import receive_event
from shared.model import SETTLED, WorkspaceId
from shared.ports import Inventory, InventoryPage, Listed
from shared.publishing.outcome import DEAD_LETTERED, PUBLISHED, SKIPPED
from shared.reconciling.synthetic_events import hint_of, key_of
from shared.state.ports import Row, State

logger = logging.getLogger(__name__)

RUNS, MODELS, ENDPOINTS = KINDS = ("runs", "models", "endpoints")
"""In this order, so that a model finds its run published and an endpoint its models."""

ENDED_FOR = timedelta(days=1)
"""So long a part that has come to its end is not looked at again when the command is repeated for one that failed."""

LISTED, ALREADY_THERE, ENQUEUED, FAILED = "listed", "already_there", "enqueued", "failed"
"""What is counted, beside the outcomes; `failed` are parts that could not be gone through to their end."""

Deliver = Callable[[Sequence[str]], Iterator[str]]
"""Takes events and yields how each of them ended; may raise LineageError if some have not ended yet."""


@dataclass(frozen=True, slots=True)
class Part:
    """
    What one list is walked through for.

    Attributes:
        since, until: only what was created in between; what has no creation time is always looked at.
        direct: it is published here; what is on the queue is not published yet, so that has a checkpoint of its own.
    """

    workspace: WorkspaceId
    kind: str
    since: datetime | None = None
    until: datetime | None = None
    direct: bool = False

    @property
    def note_name(self) -> str:
        since, until = (each.astimezone(UTC).isoformat() if each else "" for each in (self.since, self.until))
        way = "direct" if self.direct else "queue"
        return f"backfill/{self.workspace.arm_id}/{self.kind}/{since}/{until}/{way}"

    def contains(self, item: Listed) -> bool:
        if item.created_at is None:
            return True
        old_enough = self.until is None or item.created_at < self.until
        return old_enough and not self._is_too_old(item)

    def is_above(self, items: Sequence[Listed]) -> bool:
        """Whether nothing that follows these in the list can belong to this part; only runs come newest first."""
        return self.kind == RUNS and bool(items) and all(self._is_too_old(item) for item in items)

    def _is_too_old(self, item: Listed) -> bool:
        return self.since is not None and item.created_at is not None and item.created_at < self.since


@dataclass(frozen=True, slots=True)
class Step:
    """
    How far it has come.

    Attributes:
        counts: of all parts, with those of the attempts that this one goes on from.
        resumed: an attempt before this one had begun this part.
        failure: why this part was given up.
    """

    part: Part
    counts: Mapping[str, int]
    resumed: bool = False
    failure: LineageError | None = None


@dataclass
class Checkpoint:
    """Where to go on, as it was noted at a time: the page that is next, and what was counted until then."""

    at: datetime
    page: str = ""
    ended: bool = False
    counts: Counter[str] = field(default_factory=Counter)

    @classmethod
    def parse(cls, note: Mapping[str, Any]) -> Self:
        return cls(datetime.fromisoformat(note["at"]), note["page"], note["ended"], Counter(note["counts"]))

    def to_note(self) -> dict[str, object]:
        return {"at": self.at.isoformat(), "page": self.page, "ended": self.ended, "counts": dict(self.counts)}


@dataclass(frozen=True, slots=True)
class Backfill:
    """
    The backfill use case.

    Nothing is kept but a page and its checkpoint, written when all of the page was handed on. Who is interrupted does
    a part of a page twice, which changes nothing more.
    """

    inventory: Inventory
    state: State
    deliver: Deliver
    now: Callable[[], datetime]

    def run(self, parts: Sequence[Part], *, restart: bool = False) -> Iterator[Step]:
        """
        Go through the parts, each from where an earlier attempt has come.

        A part that fails keeps none of the others from being gone through. Checkpoints are forgotten once all parts
        have come to their end.
        """
        if restart:
            self._forget(parts)
        total: Counter[str] = Counter()
        for part in parts:
            loaded = self._load(part)
            checkpoint = loaded or Checkpoint(at=self.now())
            try:
                for _ in self._walk(part, checkpoint):
                    yield Step(part, total + checkpoint.counts, resumed=loaded is not None)
            except LineageError as error:
                total[FAILED] += 1
                yield Step(part, total + checkpoint.counts, resumed=loaded is not None, failure=error)
            total += checkpoint.counts
        if not total[FAILED]:
            self._forget(parts)

    def _load(self, part: Part) -> "Checkpoint | None":
        """Return where an earlier attempt has come; what ended long ago, while others failed, is looked at anew."""
        note = self.state.notes.get(part.note_name)
        checkpoint = Checkpoint.parse(note) if note else None
        return None if checkpoint and checkpoint.ended and checkpoint.at + ENDED_FOR < self.now() else checkpoint

    def _walk(self, part: Part, checkpoint: Checkpoint) -> Iterator[None]:
        yield
        resumed_at = checkpoint.page
        while not checkpoint.ended:
            try:
                page = self._list(part, checkpoint.page)
            except TerminalError as error:
                if not checkpoint.page or checkpoint.page != resumed_at:
                    raise
                facts = {"workspace_id": part.workspace.arm_id, "kind": part.kind, "detail": str(error)}
                logger.warning("the link to the next page is not valid any more; begin anew", extra=facts)
                checkpoint.page, resumed_at = "", ""
                checkpoint.counts.clear()
                continue
            yield from self._hand_on(part, page.items, checkpoint.counts)
            checkpoint.page = page.next
            checkpoint.at = self.now()
            checkpoint.ended = not page.next or part.is_above(page.items)
            self.state.notes.put(part.note_name, checkpoint.to_note())

    def _list(self, part: Part, page: str) -> InventoryPage:
        if part.kind == RUNS:
            return self.inventory.list_runs(part.workspace, page=page)
        if part.kind == MODELS:
            return self.inventory.list_models(part.workspace, page=page)
        return InventoryPage(tuple(self.inventory.list_endpoints(part.workspace)))

    def _hand_on(self, part: Part, items: Iterable[Listed], counts: Counter[str]) -> Iterator[None]:
        by_key = {key_of(part.workspace, item): item for item in items if part.contains(item)}
        counts[LISTED] += len(by_key)
        rows = self.state.ledger.get_rows(by_key)
        hints = []
        for key, item in by_key.items():
            if _is_there(rows.get(key)):
                counts[ALREADY_THERE] += 1
            elif item.kind == "run" and not item.may_have_lineage:
                counts[SKIPPED] += 1
            else:
                hints.append(hint_of(part.workspace, item, now=self.now()))
        yield
        for outcome in self.deliver(hints):
            counts[outcome] += 1
            yield

    def _forget(self, parts: Iterable[Part]) -> None:
        for part in parts:
            self.state.notes.forget(part.note_name)


def put_on_queue(state: State, *, now: Callable[[], datetime]) -> Deliver:
    """Return what puts events on the queue."""

    def deliver(events: Sequence[str]) -> Iterator[str]:
        for event in events:
            message = receive_event(event, source=BACKFILL, now=now, open_dead_letters=lambda: state.dead_letters)
            if message is None:
                yield DEAD_LETTERED
                continue
            state.queue.put(message)
            yield ENQUEUED

    return deliver


def _is_there(row: Row | None) -> bool:
    """Whether the catalog has all there is to say; of a run that was skipped after it ended there is nothing to say."""
    if row is None:
        return False
    if row.kind == "run":  # one that is known from its model alone may have been written before it ended
        return row.outcome in (PUBLISHED, SKIPPED) and row.status.casefold() in SETTLED
    return row.outcome == PUBLISHED
