"""Finds what Azure ML holds and the ledger does not know, and puts a synthetic event about each on the queue."""

import json
from collections.abc import Callable, Container, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial

from shared.catalog.entities import ARCHIVED, DELETED
from shared.catalog.qualified_names import QualifiedName, parse
from shared.errors import RecordNotFoundError
from shared.intake.message import RECONCILE
from shared.intake.receive import enqueue
from shared.intake.synthetic_events import event_about, key_of
from shared.model import SETTLED, WorkspaceId
from shared.ports import Inventory, Listed, RunSource
from shared.publishing.plan import DEAD_LETTERED, PUBLISHED, SKIPPED, used_name
from shared.reconciling.coverage import LIST, Gap, is_linked
from shared.reconciling.progress import Progress, Tick
from shared.state.ports import Row, State, digest_of

PAGES = 20
"""Pages of a list in one tick."""
EVENTS = 500
"""Synthetic events in one tick; with more, the queue would hold nothing else."""
DATA_PAGES = 5
"""Pages of data assets in one tick, each with a request for every asset on it."""
DATA_EVERY = timedelta(hours=1)
"""So seldom data assets are listed, since each costs a request."""
WAITING = 200
"""Runs in one tick that are asked whether they have ended."""
GAPS = 1_000
"""Gaps in one tick that are compared with the ledger, in turn."""
_LAG = timedelta(hours=1)
"""A run may turn up in the list this long after younger ones."""
_AGAIN = timedelta(days=1)
"""An event that has led to nothing for so long is sent again, unless it may still be on the queue."""
_LIFE = timedelta(days=7)
"""How long a message stays that the host has put on a queue (Azure Storage, Put Message: messagettl)."""


@dataclass
class MissedEventFinder:
    """One workspace, one tick."""

    workspace: WorkspaceId
    progress: Progress
    inventory: Inventory
    source: RunSource
    state: State
    now: Callable[[], datetime]
    tick: Tick
    events: int = EVENTS
    listed_rows: list[Row] = field(default_factory=list)
    """What the ledger knows of all that was listed as active in this tick."""
    listed_models: set[QualifiedName] | None = None
    """All model versions that are active; None if this tick saw only a part of them."""
    _is_queue_empty: bool | None = None
    """Asked for once, and only where it matters."""

    def look_at_gaps(self) -> None:
        """Close gaps whose lineage has come, and note what is known of the others."""
        self.progress.forget_old_failures(self.now())
        keys = sorted(key for key, gap in self.progress.gaps.items() if gap.kind in ("run", "model"))
        after = self.progress.pages.get("gaps", "")
        some = ([key for key in keys if key > after] or keys)[:GAPS]
        self.progress.pages["gaps"] = some[-1] if len(keys) > GAPS else ""
        gaps = {key: self.progress.gaps.pop(key) for key in some}
        try:
            self._check(
                [gap.listed for gap in gaps.values()], before={key: gap.enqueued_at for key, gap in gaps.items()}
            )
        except BaseException:
            self.progress.gaps = {**gaps, **self.progress.gaps}
            raise

    def look_at_runs(self) -> None:
        """Walk on through the runs, newest first; below those of the walk before there is nothing new."""
        self._look_at_waiting()
        walk = self.progress.runs
        if self.events <= 0 or self.progress.is_full:
            return
        pages = self.tick.walk(
            lambda page: self.inventory.list_runs(self.workspace, page=page),
            walk.page,
            limit=PAGES,
            begin_again=self._begin_runs_again,
        )
        for page in pages:
            self.note_unreadable(page.items)
            readable = [item for item in page.items if not item.problem]
            times = {item.name: item.created_at or self.now() for item in readable}
            if not walk.page:
                walk.newest = max([*(_text(at) for at in times.values()), walk.newest])
                walk.lowest = ""
            new = [item for item in readable if self._is_new(item.name, _text(times[item.name]))]
            self._count_runs(new, {name: _text(at) for name, at in times.items()})
            walk.lowest = min([*(_text(at) for at in times.values()), walk.lowest or walk.newest])
            walk.page = page.next
            bottom = _before(walk.floor)
            # Of what lies deeper than the walk before began, only this page can be listed again.
            self._forget_runs(_before(walk.floor or walk.newest), but=times)
            if not page.next or walk.lowest < bottom:
                walk.page, walk.floor = "", walk.newest
                self._forget_runs(_before(walk.newest), but=())
                self.progress.complete["run"] = True
                return
            if self.events <= 0 or self.progress.is_full:
                return

    def _begin_runs_again(self) -> None:
        """Begin a new walk; the first one has nothing but what it counted itself to tell what it counted."""
        walk = self.progress.runs
        if not walk.floor:
            self.progress.totals.pop("run", None)
            walk.recent.clear()
        walk.page = walk.lowest = ""

    def look_at_models(self) -> None:
        """
        Walk on through all model versions, and begin again at the end.

        The ledger is not asked about a page that says what it said when all of it was linked.
        """
        progress = self.progress
        is_whole = not progress.pages.get("models")
        listed = set[QualifiedName]()
        if self.events <= 0 or progress.is_full:
            return
        pages = self.tick.walk(
            lambda page: self.inventory.list_models(self.workspace, page=page),
            progress.pages.get("models", ""),
            limit=PAGES,
            begin_again=self._begin_models_again,
        )
        for page in pages:
            number = progress.counting.get("model page", 0)
            hidden = self._look_at_models_on(page.items, number)
            listed |= {key_of(self.workspace, item) for item in page.items}
            progress.counting["model"] = progress.counting.get("model", 0) + len(page.items) - hidden
            progress.counting["model page"] = number + 1
            progress.pages["models"] = page.next
            if not progress.complete.get("model"):
                progress.totals["model"] = progress.counting["model"]
            if not page.next:
                self.listed_models = listed if is_whole else None
                progress.totals["model"] = progress.counting.pop("model")
                del progress.counting["model page"]
                progress.complete["model"] = True
                return
            if self.events <= 0 or progress.is_full:
                return

    def _begin_models_again(self) -> None:
        self.progress.pages["models"] = ""
        self.progress.counting.pop("model", None)
        self.progress.counting.pop("model page", None)

    def _look_at_models_on(self, items: Sequence[Listed], number: int) -> int:
        """Look at a page of models; return how many of it are shown nowhere."""
        self.note_unreadable(items)
        readable = [item for item in items if not item.problem]
        name = f"models {number}"
        digest = digest_of(json.dumps([[each.name, each.version, str(each.modified_at)] for each in items]))[:16]
        said, _, hidden = self.progress.unchanged.pop(name, "").partition(" ")
        if said != digest:
            looked_at, enqueued = len(self.listed_rows), self.events
            self._check(readable, before={})
            rows = self.listed_rows[looked_at:]
            hidden = str(sum(row.outcome == SKIPPED for row in rows))
            if len(rows) < len(readable) or enqueued != self.events or any(map(_may_change, rows)):
                return int(hidden)
        self.progress.unchanged[name] = f"{digest} {hidden}"
        return int(hidden)

    def look_at_data(self) -> None:
        """
        Go on through the data assets, once an hour, and publish runs again whose data people have changed since.

        What was changed since the walk before the last one began is published once more: a worker that read it a
        moment before the change may have remembered it as it was.
        """
        progress, now = self.progress, _text(self.now())
        if progress.data.looked_at and now < _text(datetime.fromisoformat(progress.data.looked_at) + DATA_EVERY):
            return
        progress.data.looked_at = now
        pages = self.tick.walk(
            lambda page: self.inventory.list_data(self.workspace, page=page),
            progress.data.page,
            limit=DATA_PAGES,
            begin_again=self._begin_data_again,
        )
        for page in pages:
            if not progress.data.page:
                progress.data.begun = [*progress.data.begun[-1:], now]
            self.note_unreadable(page.items)
            self._publish_users([item for item in page.items if not item.problem and self._was_edited(item)])
            progress.data.page = page.next

    def _begin_data_again(self) -> None:
        self.progress.data.page = ""

    def note_unreadable(self, items: Iterable[Listed]) -> None:
        """Note what a list has and cannot be read, which keeps nothing else on the list from being looked at."""
        for item in items:
            if item.problem:
                gap = Gap(LIST, f"{item.kind} {item.name}", item.version, item.problem)
                self.progress.note_failure(f"{LIST} {item.kind} {item.name} {item.version}", gap, now=self.now())

    def _was_edited(self, item: Listed) -> bool:
        """Whether a person changed a data asset after it was registered, and since we looked at it."""
        begun = self.progress.data.begun
        edited = item.modified_at is not None and item.created_at is not None and item.modified_at > item.created_at
        return edited and (len(begun) < 2 or _text(item.modified_at or self.now()) >= begun[0])

    def _publish_users(self, items: Sequence[Listed]) -> None:
        """Publish for each data asset one run that touches it: with that, all that depends on its tags is written."""
        names = [used_name(key_of(self.workspace, item)) for item in items]
        roots = sorted({*self.state.ledger.get_fingerprints(names).values()}) if names else []
        rows = self.state.ledger.get_rows(map(QualifiedName, roots))
        for root in roots:
            parsed, row = parse(QualifiedName(root)), rows.get(QualifiedName(root))
            if parsed and parsed.workspace == self.workspace and row:
                self._publish_again(Listed("run", parsed.run_id, status=row.status, created_at=row.event_time))

    def _publish_again(self, item: Listed) -> None:
        """Put an event on the queue about what was published and has changed; that is no gap."""
        event = event_about(self.workspace, item, now=self.now(), again=True)
        enqueue([event], self.state.queue, self.state.dead_letters, source=RECONCILE, now=self.now)
        self.events -= 1

    def enqueue(self, item: Listed, reason: str) -> None:
        """Put an event on the queue and remember the gap."""
        self._note_gap(item, reason, _text(self.now()))
        event = event_about(self.workspace, item, now=self.now())
        enqueue([event], self.state.queue, self.state.dead_letters, source=RECONCILE, now=self.now)
        self.events -= 1

    def is_waiting(self, key: QualifiedName, gap: Gap) -> bool:
        """Whether an event was enqueued lately and may still lead to something."""
        if not gap.enqueued_at:
            return False
        enqueued_at = datetime.fromisoformat(gap.enqueued_at)
        row = self.state.ledger.get_rows([key]).get(key)
        followed = row is not None and row.updated_at is not None and row.updated_at > enqueued_at
        return not followed and self._is_on_its_way(gap.enqueued_at)

    def _is_on_its_way(self, enqueued_at: str) -> bool:
        """Whether an event may still be handled; another beside it would only add to what waits."""
        if not enqueued_at:
            return False
        age = self.now() - datetime.fromisoformat(enqueued_at)
        if not _AGAIN <= age < _LIFE:
            return age < _AGAIN
        if self._is_queue_empty is None:
            self._is_queue_empty = not self.state.queue.count() and not self.state.poison.count()
        return not self._is_queue_empty

    def _look_at_waiting(self) -> None:
        """Ask for runs that had not ended yet when they were listed; their places in the list are far behind us."""
        waiting = self.progress.runs.waiting
        ended: list[Listed] = []
        after = self.progress.pages.get("waiting", "")
        names = sorted(waiting)
        some = ([name for name in names if name > after] or names)[:WAITING]
        for name in some:
            if self.tick.is_over:
                break
            self.progress.pages["waiting"] = name if len(names) > WAITING else ""
            gap = Gap(LIST, f"run {name}", "", self.tick.attempt(partial(self._ask, name, ended), run_id=name))
            if gap.reason:
                self.progress.note_failure(f"{LIST} run {name} ", gap, now=self.now())
            else:
                self.progress.gaps.pop(f"{LIST} run {name} ", None)
        self._count_runs(ended, {item.name: _text(item.created_at or self.now()) for item in ended})
        for item in ended:
            del waiting[item.name]

    def _ask(self, name: str, ended: list[Listed]) -> None:
        """Ask for one run that had not ended."""
        waiting = self.progress.runs.waiting
        try:
            status = self.source.get_root_status(self.workspace, name)
        except RecordNotFoundError:
            del waiting[name]
            return
        if status.casefold() in SETTLED:
            ended.append(Listed("run", name, status=status, created_at=datetime.fromisoformat(waiting[name])))

    def _is_new(self, name: str, created_at: str) -> bool:
        walk = self.progress.runs
        if name in walk.recent or name in walk.waiting:
            return False
        if walk.lowest and created_at > walk.lowest:
            return False  # the list has moved on since the page before, and shows it again
        return created_at >= _before(walk.floor)

    def _forget_runs(self, before: str, *, but: Container[str]) -> None:
        recent = self.progress.runs.recent
        self.progress.runs.recent = {name: at for name, at in recent.items() if at >= before or name in but}

    def _count_runs(self, items: Iterable[Listed], times: dict[str, str]) -> None:
        walk = self.progress.runs
        listed = list(items)
        ended = [item for item in listed if item.status.casefold() in SETTLED]
        completed = [item for item in ended if item.may_have_lineage]
        left_nothing = {key_of(self.workspace, item): item for item in ended if not item.may_have_lineage}
        # One that was published for its model while it ran has to say how it ended.
        rows = self.state.ledger.get_rows(left_nothing) if left_nothing else {}
        completed += [item for key, item in left_nothing.items() if key in rows and not is_linked(rows[key])]
        self._check(completed, before={})  # first: what is counted is not looked at again
        self.progress.totals["run"] = self.progress.totals.get("run", 0) + len(completed)
        walk.recent.update((item.name, times[item.name]) for item in ended)
        walk.waiting.update((item.name, times[item.name]) for item in listed if item not in ended)

    def _check(self, items: Iterable[Listed], *, before: dict[str, str]) -> None:
        by_key = {key_of(self.workspace, item): item for item in items}
        rows = self.state.ledger.get_rows(by_key)
        self.listed_rows += rows.values()
        for key, item in by_key.items():
            row = rows.get(key)
            if row is not None and is_linked(row):
                self.progress.gaps.pop(str(key), None)
                is_newer = item.modified_at and row.updated_at and item.modified_at > row.updated_at
                if item.kind == "model" and is_newer and row.outcome == PUBLISHED and self.events > 0:
                    self._publish_again(item)
            elif row is not None and row.outcome == DEAD_LETTERED:
                self._note_gap(item, row.reason or "dead-lettered", "")
            elif row is not None and row.outcome == PUBLISHED and row.reason:
                self._note_gap(item, row.reason, "")
            else:
                self._enqueue_if_due(item, before.get(str(key)) or self._enqueued_at(str(key)))

    def _enqueue_if_due(self, item: Listed, enqueued_at: str) -> None:
        reason = "no event about it has been published yet"
        if self._is_on_its_way(enqueued_at):
            self._note_gap(item, f"{reason}; it is on the queue", enqueued_at)
        elif self.events > 0:
            self.enqueue(item, f"{reason}; it is on the queue")
        else:
            self._note_gap(item, f"{reason}; a later tick puts it on the queue", "")

    def _note_gap(self, item: Listed, reason: str, enqueued_at: str) -> None:
        key = str(key_of(self.workspace, item))
        self.progress.gaps[key] = Gap(item.kind, item.name, item.version, reason, enqueued_at)

    def _enqueued_at(self, key: str) -> str:
        gap = self.progress.gaps.get(key)
        return gap.enqueued_at if gap else ""


def _may_change(row: Row) -> bool:
    """Whether the same list may lead to something else the next time."""
    return row.outcome == DEAD_LETTERED or bool(row.reason) or row.status in (ARCHIVED, DELETED)


def _before(moment: str) -> str:
    """Return the time from which a list may not be complete yet; "" for no time at all."""
    return _text(datetime.fromisoformat(moment) - _LAG) if moment else ""


def _text(moment: datetime) -> str:
    """Format a time so that texts compare as the times do."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds")
