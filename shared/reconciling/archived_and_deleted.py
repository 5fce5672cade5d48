"""Marks in the catalog what Azure ML has archived or deleted: lineage stays, and says that it is history."""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial

from shared.catalog.entities import ACTIVE, ARCHIVED, DELETED
from shared.catalog.qualified_names import QualifiedName, of_deployment, of_serving, parse
from shared.catalog.serving import close
from shared.errors import RecordNotFoundError
from shared.intake.event_types import Event
from shared.intake.synthetic_events import event_about, key_of
from shared.model import FROM_EVENT, AssetId, WorkspaceId, to_utc_text
from shared.ports import Inventory, InventoryPage, Listed, RunSource
from shared.publishing.engine import Publisher
from shared.publishing.plan import PUBLISHED, SKIPPED
from shared.publishing.plan_marks import Mark
from shared.reconciling.coverage import MARK, Gap
from shared.reconciling.missed_events import PAGES
from shared.reconciling.progress import Progress, Tick
from shared.state.ports import Row, State, digest_of, read_folder

MARKS = 50
"""Things in one tick that are marked as archived; a run among them is read from Azure ML again."""
_LOOK_UPS = 100
"""Model versions in one tick that are asked for by name."""
_ROWS = 1_000
"""Model versions of the ledger in one tick that are looked for in the lists."""


@dataclass
class StateMarker:
    """
    One workspace, one tick.

    A mark is noted when the catalog has it. One that cannot be set is a gap, and is tried again with the next walk.
    """

    workspace: WorkspaceId
    progress: Progress
    inventory: Inventory
    source: RunSource
    publisher: Publisher
    state: State
    read: Callable[[str], Event]
    tick: Tick
    marks: int = MARKS
    restored: list[Listed] = field(default_factory=list)
    """What is there again; it is published again, since it may have changed meanwhile."""
    _archived_models: set[QualifiedName] | None = None

    def mark_archived_runs(self) -> None:
        """Walk on through the archived runs and mark what the ledger knows of them; take the mark from others."""
        if self.progress.unmarked:
            self._compare_again("archived runs")
            self.progress.unmarked = False
        for _ in self._mark_archived("archived runs", self.inventory.list_runs):
            pass

    def mark_archived_models(self) -> None:
        """Walk on through the archived model versions and mark what the ledger knows of them, likewise."""
        is_whole = not self.progress.pages.get("archived models")
        listed = set[QualifiedName]()
        for page in self._mark_archived("archived models", self.inventory.list_models):
            listed |= {key_of(self.workspace, item) for item in page.items}
            if not page.next and is_whole:
                self._archived_models = listed

    def _mark_archived(self, walk: str, list_page: Callable[..., InventoryPage]) -> Iterator[InventoryPage]:
        """Walk on through a list of what is archived, and yield the pages that are done with."""
        pages, counting = self.progress.pages, self.progress.counting
        if f"{walk} page" not in counting:
            pages[walk] = ""  # an earlier version did not count them
        for page in self._walk(walk, list_page):
            number = counting.get(f"{walk} page", 0)
            if not self._says_the_same(walk, number, page.items):
                is_marked = self._mark(walk, number, page.items)
                if self.marks <= 0 or self.tick.is_over:
                    return  # the next tick looks at this page again
                self._note_page(walk, number, page.items, is_marked=is_marked)
            pages[walk] = page.next
            counting[f"{walk} page"] = number + 1
            yield page
            if not page.next:
                del counting[f"{walk} page"]
                self._mark_restored(walk, number + 1)

    def mark_restored(self, rows: Iterable[Row]) -> None:
        """Take the mark from what is listed as active again."""
        for row in rows:
            if self.tick.is_over:
                return
            parsed = parse(row.key)
            if row.status not in (ARCHIVED, DELETED) or parsed is None:
                continue
            if row.kind == "run":
                self._attempt(row, partial(self._restore_run, parsed.run_id, row))
            elif self._mark_row(row, ACTIVE) and parsed.asset:
                self.restored.append(Listed("model", parsed.asset.name, parsed.asset.version))

    def mark_deleted_models(self, active: Collection[QualifiedName] | None) -> None:
        """
        Walk on through the model versions of the ledger and ask Azure ML for each that no list has.

        Args:
            active: those listed as active; None if not all of them were listed in this tick, and each is asked for.
        """
        archived = self._archived_models
        listed = frozenset() if active is None or archived is None else {*active, *archived}
        after = self.progress.pages.get("deleted models", "")
        rows = self.state.ledger.list_rows("model", workspace=self.workspace, after=after, limit=_ROWS)
        look_ups = 0
        for row in rows:
            if look_ups == _LOOK_UPS or self.tick.is_over:
                return  # the next tick goes on here
            self.progress.pages["deleted models"] = row.key
            if row.key in listed or row.status == DELETED or row.outcome == SKIPPED:
                continue
            look_ups += 1
            self._attempt(row, partial(self._mark_if_gone, row))
        if len(rows) < _ROWS:
            self.progress.pages["deleted models"] = ""

    def mark_deleted_endpoints(self, present: Collection[QualifiedName], *, read: Collection[QualifiedName]) -> None:
        """
        Mark endpoints and deployments of the ledger that Azure ML does not list.

        Args:
            present: the endpoints it lists, and the deployments of those that were read.
            read: the endpoints that were read; a deployment of another one that is listed may be there.

        A service of v1 (ACI, AKS) is in no list, and nothing says when it is gone: it stays as it is.
        """
        for row in [*self._rows("endpoint"), *self._rows("deployment")]:
            endpoint = QualifiedName(row.key.partition("/deployments/")[0])
            if row.key in present or (endpoint in present and endpoint not in read):
                continue
            if self.tick.is_over:
                return
            if row.status != DELETED and not self._is_v1(row) and self._mark_row(row, DELETED):
                self._close_history(row)

    def _walk(self, name: str, list_page: Callable[..., InventoryPage]) -> Iterator[InventoryPage]:
        pages, counting = self.progress.pages, self.progress.counting

        def begin_again() -> None:
            pages[name], counting[f"{name} page"] = "", 0

        return self.tick.walk(
            lambda page: list_page(self.workspace, page=page, archived=True),
            pages.get(name, ""),
            limit=PAGES,
            begin_again=begin_again,
        )

    def _folder(self, walk: str) -> str:
        """Name the folder of notes that say in which walk, and on which page, each archived thing was met last."""
        return f"{'archived' if walk == 'archived runs' else walk}/{self.workspace.arm_id}"

    def _says_the_same(self, walk: str, number: int, items: Sequence[Listed]) -> bool:
        """Whether a page was compared with the ledger in the last day, and all on it was marked then."""
        said = self.progress.unchanged.get(f"{walk} {number}", "")
        return said.partition(" ")[2] == f"{_digest(items)} {self._today}"

    def _note_page(self, walk: str, number: int, items: Sequence[Listed], *, is_marked: bool) -> None:
        """Note that a page was compared with the ledger in this walk, and what it says if all on it is marked."""
        said = f"{_digest(items)} {self._today}" if is_marked else ""
        self.progress.unchanged[f"{walk} {number}"] = f"{self._number_of(walk)} {said}"
        self.progress.counting[f"{walk} changed"] = 1

    def _compare_again(self, walk: str) -> None:
        """Have every page compared with the ledger the next time; it still says in which walk that was done last."""
        for name, said in self.progress.unchanged.items():
            if name.startswith(f"{walk} "):
                self.progress.unchanged[name] = f"{said.partition(' ')[0]} "

    @property
    def _today(self) -> str:
        return self.tick.now().date().isoformat()

    def _number_of(self, walk: str) -> int:
        return self.progress.counting.get(f"{walk} number", 0)

    def _mark_restored(self, walk: str, count: int) -> None:
        """
        Take the mark from what a whole walk through a list of archived things has not met; it comes after the walk.

        Args:
            count: how many pages the list has.
        """
        unchanged, counting = self.progress.unchanged, self.progress.counting
        pages = {name: said for name, said in unchanged.items() if name.startswith(f"{walk} ")}
        gone = [name for name in pages if int(name.rpartition(" ")[2]) >= count]
        for name in gone:
            del unchanged[name], pages[name]
        if counting.pop(f"{walk} changed", 0) or gone:
            walks = {int(name.rpartition(" ")[2]): int(said.partition(" ")[0]) for name, said in pages.items()}
            for name, note in read_folder(self.state.notes, self._folder(walk)).items():
                if walks.get(note.get("page", -1)) == note["walk"]:
                    continue
                if self.marks <= 0 or self.tick.is_over or not self._restore(walk, name):
                    counting[f"{walk} changed"] = 1  # it has not been met at the end of the next walk either
                    continue
                self.marks -= 1
                self.state.notes.forget_in(self._folder(walk), [name])
        counting[f"{walk} number"] = self._number_of(walk) + 1

    def _restore(self, walk: str, name: str) -> bool:
        """Take the mark from something that is archived no more; returns whether there is nothing left to do."""
        is_run = walk == "archived runs"
        model, _, version = name.rpartition(" ")
        key = key_of(self.workspace, Listed("run", name) if is_run else Listed("model", model, version))
        row = self.state.ledger.get_rows([key]).get(key)
        if row is None or row.status == ACTIVE:
            return True
        return self._attempt(row, partial(self._restore_run if is_run else self._restore_model, name, row))

    def _restore_model(self, name: str, row: Row) -> None:
        model, _, version = name.rpartition(" ")
        try:
            self.source.get_model(self.workspace, AssetId("models", model, version))
        except RecordNotFoundError:
            return  # not restored but gone
        self.publisher.publish(Mark(row, ACTIVE))
        self.restored.append(Listed("model", model, version))

    def _restore_run(self, name: str, row: Row) -> None:
        try:
            status = self.source.get_root_status(self.workspace, name)
        except RecordNotFoundError:
            return  # not restored but gone
        if row.event_time:
            item = Listed("run", name, status=status, created_at=row.event_time)
            run = self.read(event_about(self.workspace, item, now=row.event_time))
            self.publisher.publish(Mark(row, ACTIVE, run))
            self.restored.append(item)

    def _mark_if_gone(self, row: Row) -> None:
        parsed = parse(row.key)
        if parsed is None or parsed.asset is None:
            return
        try:
            self.source.get_model(self.workspace, parsed.asset)
        except RecordNotFoundError:
            self.publisher.publish(Mark(row, DELETED))

    def _close_history(self, row: Row) -> None:
        """End the serving history of an endpoint that was deleted; that of a deployment ends with the next plan."""
        name = of_serving(row.key)
        history = self.state.ledger.get_rows([name]).get(name) if row.kind == "endpoint" else None
        if history:
            served = close(history.served, at=to_utc_text(self.tick.now()))
            self.state.ledger.put_rows([replace(history, served=served)])

    def _is_v1(self, row: Row) -> bool:
        """Whether nothing but its event says what it serves; the deployment of such a service has its name."""
        if row.kind == "endpoint":
            name = of_deployment(row.key, row.key.rpartition("/")[2])
            deployment = self.state.ledger.get_rows([name]).get(name)
            return deployment is not None and self._is_v1(deployment)
        return any(each.field == FROM_EVENT for each in row.evidence)

    def _rows(self, kind: str) -> Iterator[Row]:
        after = ""
        while rows := self.state.ledger.list_rows(kind, workspace=self.workspace, after=after, limit=_ROWS):
            yield from rows
            if len(rows) < _ROWS:
                return
            after = rows[-1].key

    def _mark(self, walk: str, number: int, items: Collection[Listed]) -> bool:
        """Mark what is published of a page of archived things, and note what was met; returns whether all is marked."""
        by_key = {key_of(self.workspace, item): item for item in items if not item.problem}
        met: list[str] = []
        is_marked = True
        for key, row in self.state.ledger.get_rows(by_key).items():
            item = by_key[key]
            if row.outcome != PUBLISHED:
                continue
            met.append(f"{item.name} {item.version}".rstrip())
            if row.status == ARCHIVED:
                continue
            now = item.created_at or row.event_time
            if self.marks <= 0 or self.tick.is_over or (item.kind == "run" and not now):
                continue
            event = event_about(self.workspace, item, now=now) if item.kind == "run" and now else ""
            is_done = self._mark_row(row, ARCHIVED, event=event)
            self.marks -= is_done
            is_marked = is_marked and is_done
        note = {"walk": self._number_of(walk), "page": number}
        self.state.notes.put_in(self._folder(walk), dict.fromkeys(met, note))
        return is_marked

    def _mark_row(self, row: Row, state: str, *, event: str = "") -> bool:
        """Set or take a mark; returns whether the catalog has it."""
        return self._attempt(row, lambda: self.publisher.publish(Mark(row, state, self.read(event) if event else None)))

    def _attempt(self, row: Row, item: Callable[[], object]) -> bool:
        """Do something about the mark of one thing; a failure of it is a gap, and is not tried again for an hour."""
        key = f"{MARK} {row.key}"
        if self.progress.has_failed_lately(key, now=self.tick.now()):
            return False
        why = self.tick.attempt(item, key=row.key)
        if why:
            gap = Gap(MARK, f"{row.kind} {row.key.partition('/workspaces/')[2]}", "", why)
            self.progress.note_failure(key, gap, now=self.tick.now())
        else:
            self.progress.gaps.pop(key, None)
        return not why


def _digest(items: Sequence[Listed]) -> str:
    return digest_of(json.dumps([[each.name, each.version, each.problem] for each in items]))[:16]
