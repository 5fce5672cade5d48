"""Marks in the catalog what Azure ML has archived or deleted: lineage stays, and says that it is history."""

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, field, replace
from datetime import datetime

from shared.catalog.qualified_names import QualifiedName, of_deployment, of_serving, parse
from shared.catalog.serving import close
from shared.errors import LeaseHeldError, RecordNotFoundError
from shared.intake.event_types import Event
from shared.intake.synthetic_events import event_about, key_of
from shared.model import FROM_EVENT, WorkspaceId, to_utc_text
from shared.ports import Inventory, InventoryPage, Listed, RunSource
from shared.publishing.engine import Publisher
from shared.publishing.plan import SKIPPED
from shared.publishing.plan_marks import ACTIVE, ARCHIVED, DELETED, Mark
from shared.reconciling.coverage import Progress
from shared.reconciling.missed_events import PAGES
from shared.state.ports import Row, State

MARKS = 50
"""Things in one tick that are marked as archived; a run among them is read from Azure ML again."""
_LOOK_UPS = 100
"""Model versions in one tick that are asked for by name."""
_ROWS = 1_000
"""Model versions of the ledger in one tick that are looked for in the lists."""


@dataclass
class StateMarker:
    """One workspace, one tick."""

    workspace: WorkspaceId
    progress: Progress
    inventory: Inventory
    source: RunSource
    publisher: Publisher
    state: State
    read: Callable[[str], Event]
    now: Callable[[], datetime]
    marks: int = MARKS
    restored: list[Listed] = field(default_factory=list)
    """What is there again; it is published again, since it may have changed meanwhile."""
    _archived_models: set[QualifiedName] | None = None

    def mark_archived(self) -> None:
        """Walk on through what is archived and mark what the ledger knows of it."""
        for name, list_page in (("runs", self.inventory.list_runs), ("models", self.inventory.list_models)):
            walk = f"archived {name}"
            listed = None if self.progress.pages.get(walk) else set[QualifiedName]()
            for _ in range(PAGES):
                page: InventoryPage = list_page(self.workspace, page=self.progress.pages.get(walk, ""), archived=True)
                self._mark(page.items)
                if listed is not None:
                    listed |= {key_of(self.workspace, item) for item in page.items}
                if self.marks <= 0:
                    return  # the next tick looks at this page again
                self.progress.pages[walk] = page.next
                if not page.next:
                    if name == "runs":
                        self._mark_restored_runs()
                    self._archived_models = listed if name == "models" else None
                    break

    def mark_restored(self, rows: Iterable[Row]) -> None:
        """Take the mark from what is listed as active again."""
        for row in rows:
            if row.status in (ARCHIVED, DELETED):
                self._mark_row(row, ACTIVE)
                if (parsed := parse(row.key)) and parsed.asset and row.kind == "model":
                    self.restored.append(Listed("model", parsed.asset.name, parsed.asset.version))

    def _mark_restored_runs(self) -> None:
        """Take the mark from runs that a whole walk through the archived ones has not met; it comes after the walk."""
        walks, seen = self.progress.archived_walks, self.progress.archived_runs
        for name in [name for name, walk in seen.items() if walk < walks][: max(self.marks, 0)]:
            self.marks -= 1
            key = key_of(self.workspace, Listed("run", name))
            row = self.state.ledger.get_rows([key]).get(key)
            try:
                status = self.source.get_root_status(self.workspace, name)
            except RecordNotFoundError:
                status = ""  # not restored but gone
            if row and status and row.event_time:
                item = Listed("run", name, status=status, created_at=row.event_time)
                self._mark_row(row, ACTIVE, run=self.read(event_about(self.workspace, item, now=row.event_time)))
                self.restored.append(item)
            del seen[name]
        self.progress.archived_walks += 1

    def mark_deleted_models(self, active: Collection[QualifiedName] | None) -> None:
        """
        Walk on through the model versions of the ledger and ask Azure ML for each that no list has.

        Args:
            active: those listed as active; None if not all of them were listed in this tick, and each is asked for.
        """
        archived = self._archived_models
        listed = frozenset() if active is None or archived is None else {*active, *archived}
        after = self.progress.pages.get("deleted models", "")
        rows = self.state.ledger.list_rows("model", after=after, limit=_ROWS)
        look_ups = 0
        for row in rows:
            if look_ups == _LOOK_UPS:
                return  # the next tick goes on here
            self.progress.pages["deleted models"] = row.key
            parsed = parse(row.key)
            is_shown = row.status != DELETED and row.outcome != SKIPPED
            if not parsed or parsed.workspace != self.workspace or not parsed.asset or not is_shown:
                continue
            if row.key in listed:
                continue
            look_ups += 1
            try:
                self.source.get_model(self.workspace, parsed.asset)
            except RecordNotFoundError:
                self._mark_row(row, DELETED)
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
            parsed = parse(row.key)
            is_here = parsed is not None and parsed.workspace == self.workspace
            endpoint = QualifiedName(row.key.partition("/deployments/")[0])
            if row.key in present or (endpoint in present and endpoint not in read):
                continue
            if is_here and row.status != DELETED and not self._is_v1(row):
                self._mark_row(row, DELETED)
                self._close_history(row)

    def _close_history(self, row: Row) -> None:
        """End the serving history of an endpoint that was deleted; that of a deployment ends with the next plan."""
        name = of_serving(row.key)
        history = self.state.ledger.get_rows([name]).get(name) if row.kind == "endpoint" else None
        if history:
            served = close(history.served, at=to_utc_text(self.now()))
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
        while rows := self.state.ledger.list_rows(kind, after=after, limit=_ROWS):
            yield from rows
            if len(rows) < _ROWS:
                return
            after = rows[-1].key

    def _known(self, items: Collection[Listed]) -> Iterator[tuple[Listed, Row]]:
        by_key = {key_of(self.workspace, item): item for item in items}
        for key, row in self.state.ledger.get_rows(by_key).items():
            yield by_key[key], row

    def _mark(self, items: Collection[Listed]) -> None:
        for item, row in self._known(items):
            if item.kind == "run":
                self.progress.archived_runs[item.name] = self.progress.archived_walks
            if row.status == ARCHIVED or self.marks <= 0:
                continue
            self.marks -= 1
            if item.kind != "run":
                self._mark_row(row, ARCHIVED)
            elif now := item.created_at or row.event_time:
                self._mark_row(row, ARCHIVED, run=self.read(event_about(self.workspace, item, now=now)))

    def _mark_row(self, row: Row, state: str, *, run: Event | None = None) -> None:
        try:
            self.publisher.publish(Mark(row, state, run))
        except LeaseHeldError:  # another worker publishes it: only the ledger has the state then
            self.state.ledger.put_rows([replace(row, status=state)])
