"""Replaces placeholders by what Purview has scanned since, and removes those that nothing uses any more."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime

from shared import qualified_names
from shared.handlers.hints import hint_of
from shared.handlers.message_body import RECONCILE
from shared.handlers.plan import is_scanned
from shared.handlers.receive import enqueue
from shared.lineage.assets import UNSCANNED
from shared.lineage.entities import Ref
from shared.lineage.places import MatchKind
from shared.model import Location, WorkspaceId
from shared.ports import Catalog, Found, Listed
from shared.qualified_names import QualifiedName
from shared.state.ports import Row, State

ROWS = 1_000
"""Runs of the ledger that are looked at in one tick."""
ORPHANS = 100
"""Placeholders in one tick that are checked for being unused."""
_NOTE = "reconcile/placeholders"


@dataclass
class Rematcher:
    """
    One tick over all workspaces.

    A scan either finds the data under another name (a resource set, the other host, a trailing slash): the runs that
    touch it are then published again and our placeholder is an orphan; or it writes the very entity we made, which is
    no placeholder from then on.
    """

    catalog: Catalog
    state: State
    now: Callable[[], datetime]
    _orphans: dict[str, str] = field(default_factory=dict)
    """Type by qualifiedName."""

    def tick(self) -> None:
        note = self.state.notes.get(_NOTE) or {}
        orphans = note.get("orphans")
        self._orphans = dict(orphans) if isinstance(orphans, dict) else {}
        rows = self.state.ledger.list_rows("run", after=str(note.get("after") or ""), limit=ROWS)
        waiting = {name: row for row in rows for name in _placeholders(row)}
        self._remove_orphans()
        scanned = self._find_scanned(waiting)
        self.state.ledger.forget_matches(
            Ref(type_name, name) for name in scanned for type_name in _types_of(name, scanned[name])
        )
        for row in rows:
            if scanned.keys() & set(_placeholders(row)):
                self._publish_again(row)
        after = rows[-1].key if len(rows) == ROWS else ""
        self.state.notes.put(_NOTE, {"after": after, "orphans": self._orphans})

    def _find_scanned(self, names: Mapping[QualifiedName, Row]) -> dict[QualifiedName, Found]:
        """Find those places that a scan knows now, under any of the names it may use."""
        candidates = {name: tuple(_candidates(name)) for name in names}
        found = self.catalog.find(sorted({each for some in candidates.values() for each in some}))
        scanned = {}
        for name, some in candidates.items():
            match = next((found[each] for each in some if each in found and is_scanned(found[each])), None)
            if match is None:
                continue
            scanned[name] = match
            if match.ref.qualified_name != name and name in found:
                self._orphans[name] = found[name].ref.type_name
            elif UNSCANNED in match.labels:
                self.catalog.remove_label(match, UNSCANNED)
        return scanned

    def _remove_orphans(self) -> None:
        """Remove placeholders that no process uses; until then they stay."""
        some = [QualifiedName(name) for name in list(self._orphans)[:ORPHANS]]
        found = self.catalog.find(some)
        for name in some:
            orphan = found.get(name)
            type_name = self._orphans.pop(name)
            if orphan is None or UNSCANNED not in orphan.labels or is_scanned(orphan):
                continue
            if self.catalog.is_linked(name):
                self._orphans[name] = type_name  # at the end, so that all have their turn
                continue
            self.catalog.remove_entity(orphan)
            self.state.ledger.forget_fingerprints([name])

    def _publish_again(self, row: Row) -> None:
        workspace, run_id = _run_of(row.key)
        item = Listed("run", run_id, created_at=row.event_time)
        hint = hint_of(workspace, item, now=self.now())
        enqueue([hint], self.state.queue, self.state.dead_letters, source=RECONCILE, now=self.now)


def _placeholders(row: Row) -> Iterator[QualifiedName]:
    return (QualifiedName(name) for name, kind in row.matches.items() if kind == MatchKind.PLACEHOLDER.value)


def _candidates(name: QualifiedName) -> Iterator[QualifiedName]:
    """Spell what a scan may call a place; whether it is a folder is not in its name."""
    place = Location(name, is_folder=True)
    yield from qualified_names.exact_candidates(place)
    yield from qualified_names.resource_set_candidates(place)


def _types_of(name: QualifiedName, found: Found) -> set[str]:
    return {qualified_names.type_of_location(Location(name)), found.ref.type_name, "custom_dataset"}


def _run_of(key: QualifiedName) -> tuple[WorkspaceId, str]:
    """
    >>> _run_of(QualifiedName("azureml://subscriptions/s/resourcegroups/rg/workspaces/ws/runs/r"))[1]
    'r'
    """
    name, _, run_id = key.partition("/runs/")
    parts = name.split("/")
    return WorkspaceId(parts[3], parts[5], parts[7]), run_id
