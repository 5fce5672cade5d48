"""Lists what workspaces hold, newest first, and hands on an event about all that the ledger does not have yet."""

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Self

from shared.errors import LineageError, TerminalError
from shared.intake.message import BACKFILL
from shared.intake.receive import receive_event
from shared.intake.synthetic_events import event_about, key_of
from shared.model import WorkspaceId
from shared.ports import Inventory, InventoryPage, Listed
from shared.publishing.plan import DEAD_LETTERED, SKIPPED
from shared.reconciling.coverage import is_linked
from shared.state.ports import State

logger = logging.getLogger(__name__)

RUNS, MODELS, ENDPOINTS = KINDS = ("runs", "models", "endpoints")
"""In this order, so that a model finds its run published and an endpoint its models."""

ENDED_FOR = timedelta(days=1)
"""So long a section that ended is not looked at again when the command is repeated for one that failed."""

LISTED, ALREADY_THERE, ENQUEUED, FAILED = "listed", "already_there", "enqueued", "failed"
"""What is counted, beside the outcomes; `failed` is what could not be read: an item, or a section to its end."""

Deliver = Callable[[Sequence[str]], Iterator[str]]
"""Takes events and yields how each of them ended; may raise LineageError if some have not ended yet."""


@dataclass(frozen=True, slots=True)
class Section:
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
        """Whether nothing that follows these in the list can belong to this section; only runs come newest first."""
        return self.kind == RUNS and bool(items) and all(self._is_too_old(item) for item in items)

    def _is_too_old(self, item: Listed) -> bool:
        return self.since is not None and item.created_at is not None and item.created_at < self.since


@dataclass(frozen=True, slots=True)
class Advance:
    """
    How far it has come.

    Attributes:
        counts: of all sections, with those of the attempts that this one goes on from.
        resumed: an attempt before this one had begun this section.
        failure: why this section was given up.
    """

    section: Section
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

    Nothing is kept but a page and its checkpoint, written when all of the page was handed on. After an
    interruption some of a page is done twice, which changes nothing more.
    """

    inventory: Inventory
    state: State
    deliver: Deliver
    now: Callable[[], datetime]

    def run(self, sections: Sequence[Section], *, restart: bool = False) -> Iterator[Advance]:
        """
        Go through the sections, each from where an earlier attempt has come.

        One that fails keeps none of the others from being gone through. Checkpoints are forgotten once all have ended.
        """
        if restart:
            self._forget(sections)
        total: Counter[str] = Counter()
        for section in sections:
            loaded = self._load(section)
            checkpoint = loaded or Checkpoint(at=self.now())
            try:
                for _ in self._walk(section, checkpoint):
                    yield Advance(section, total + checkpoint.counts, resumed=loaded is not None)
            except LineageError as error:
                total[FAILED] += 1
                yield Advance(section, total + checkpoint.counts, resumed=loaded is not None, failure=error)
            total += checkpoint.counts
        if not total[FAILED]:
            self._forget(sections)

    def _load(self, section: Section) -> "Checkpoint | None":
        """Return where an earlier attempt has come; what ended long ago, while others failed, is looked at again."""
        note = self.state.notes.get(section.note_name)
        checkpoint = Checkpoint.parse(note) if note else None
        return None if checkpoint and checkpoint.ended and checkpoint.at + ENDED_FOR < self.now() else checkpoint

    def _walk(self, section: Section, checkpoint: Checkpoint) -> Iterator[None]:
        yield
        resumed_at = checkpoint.page
        while not checkpoint.ended:
            try:
                page = self._list(section, checkpoint.page)
            except TerminalError as error:
                if not checkpoint.page or checkpoint.page != resumed_at:
                    raise
                facts = {"workspace_id": section.workspace.arm_id, "kind": section.kind, "detail": str(error)}
                logger.warning("the link to the next page is not valid any more; begin again", extra=facts)
                checkpoint.page, resumed_at = "", ""
                checkpoint.counts.clear()
                continue
            yield from self._hand_on(section, page.items, checkpoint.counts)
            checkpoint.page = page.next
            checkpoint.at = self.now()
            checkpoint.ended = not page.next or section.is_above(page.items)
            self.state.notes.put(section.note_name, checkpoint.to_note())

    def _list(self, section: Section, page: str) -> InventoryPage:
        if section.kind == RUNS:
            return self.inventory.list_runs(section.workspace, page=page)
        if section.kind == MODELS:
            return self.inventory.list_models(section.workspace, page=page)
        return InventoryPage(tuple(self.inventory.list_endpoints(section.workspace)))

    def _hand_on(self, section: Section, items: Iterable[Listed], counts: Counter[str]) -> Iterator[None]:
        listed = list(items)
        for item in listed:
            if item.problem:  # the section counts as failed, so that it is not taken for whole
                counts[FAILED] += 1
                facts = {"workspace_id": section.workspace.arm_id, "kind": section.kind, "item": item.name}
                logger.warning("an item of a list cannot be read", extra={**facts, "detail": item.problem})
        by_key = {
            key_of(section.workspace, item): item for item in listed if not item.problem and section.contains(item)
        }
        counts[LISTED] += len(by_key)
        rows = self.state.ledger.get_rows(by_key)
        events = []
        for key, item in by_key.items():
            if is_linked(rows.get(key)):
                counts[ALREADY_THERE] += 1
            elif item.kind == "run" and not item.may_have_lineage:
                counts[SKIPPED] += 1
            else:
                events.append(event_about(section.workspace, item, now=self.now()))
        yield
        for outcome in self.deliver(events):
            counts[outcome] += 1
            yield

    def _forget(self, sections: Iterable[Section]) -> None:
        for section in sections:
            self.state.notes.forget(section.note_name)


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
