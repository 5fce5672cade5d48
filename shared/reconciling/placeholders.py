"""Replaces placeholders by what Purview has scanned since, and removes those that nothing uses any more."""

import uuid
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime

from shared.catalog.entities import UNSCANNED, Evidence, Found, Ref
from shared.catalog.kinds import OTHER_DATA
from shared.catalog.qualified_names import QualifiedName, parse
from shared.intake.message import RECONCILE, MessageBody
from shared.intake.receive import enqueue
from shared.intake.synthetic_events import event_about_key
from shared.places.matching import Match, MatchKind, find_scanned, is_scanned, match_places, match_sets, place_by_name
from shared.places.place import Place, carries
from shared.places.platforms import place_named
from shared.ports import Catalog
from shared.reconciling.coverage import Loss
from shared.state.ports import Row, State

ROWS = 1_000
"""Runs of the ledger that are looked at in one tick."""
RESTORED = 200
"""Runs in one tick that are published by force."""
ORPHANS = 100
"""Placeholders in one tick that are checked for being unused."""
_NOTE = "reconcile/placeholders"


@dataclass
class PlaceholderReplacer:
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
        waiting = dict.fromkeys(
            _place_of(name, is_folder=name not in row.files, run=row.key) for row in rows for name in _placeholders(row)
        )
        self._remove_orphans()
        scanned = self._find_scanned(waiting)
        self.state.ledger.put_matches(scanned)
        names = {place.qualified_name for place in scanned}
        for row in rows:
            if names & set(_placeholders(row)):
                self._publish_again(row)
        after = rows[-1].key if len(rows) == ROWS else ""
        self.state.notes.put(_NOTE, {"after": after, "orphans": self._orphans})

    def _find_scanned(self, places: Collection[Place]) -> dict[Ref, Match]:
        """Find those places that a scan knows now, under any of the names it may use."""
        found, scanned = find_scanned(self.catalog, places)
        # What we made has the type that the ledger knows the place by, a Power BI dataset for instance.
        own = [
            replace(place, ref=found[name].ref)
            if (name := place.ref.qualified_name) in found and not place.hidden_types
            else place
            for place in places
        ]
        # One run may have taken for a folder what another took for a file.
        each = [item for place in own for item in match_places([place], scanned).items()]
        found_now = {place: match for place, match in each if match.kind is not MatchKind.PLACEHOLDER}
        everything = match_sets(self.catalog, own, {**dict(each), **found_now}, fresh=True)
        matches = {place: match for place, match in everything.items() if match.kind is not MatchKind.PLACEHOLDER}
        for place, match in matches.items():
            ours, name = found.get(place.qualified_name), match.ref.qualified_name
            if ours is None:
                continue
            if match.ref != place:
                self._orphans[place.qualified_name] = place.type_name
            elif UNSCANNED in ours.labels:
                self.catalog.remove_label(ours, UNSCANNED)
        return matches

    def _remove_orphans(self) -> None:
        """Remove placeholders that no process uses; until then they stay."""
        some = [QualifiedName(name) for name in list(self._orphans)[:ORPHANS]]
        found = self.catalog.find(some)
        # Beside a placeholder there may be what a scan made, under the same name and another type.
        placeholders = [name for name in some if self._orphans[name] == OTHER_DATA]
        found = {**found, **(self.catalog.find(placeholders, type_name=OTHER_DATA) if placeholders else {})}
        for name in some:
            orphan = found.get(name)
            type_name = self._orphans.pop(name)
            if orphan is None or UNSCANNED not in orphan.labels or is_scanned(orphan):
                continue
            if self.catalog.is_linked(orphan):
                self._orphans[name] = type_name  # at the end, so that all are checked in time
                continue
            self.catalog.remove_entity(orphan)
            self.state.ledger.forget_fingerprints([name])

    def _publish_again(self, row: Row) -> None:
        event = event_about_key(row.key, now=row.event_time or self.now())
        enqueue([event], self.state.queue, self.state.dead_letters, source=RECONCILE, now=self.now)


@dataclass(frozen=True, slots=True)
class EdgeRestorer:
    """Writes lineage again that went with an asset which Purview deleted, once a scan has made the asset again."""

    catalog: Catalog
    state: State
    now: Callable[[], datetime]

    def restore(self, losses: Sequence[Loss]) -> frozenset[QualifiedName]:
        """
        Publish by force all runs that touch data which was made again, those of `losses` and what else the ledger has.

        An edge that someone removed stays removed: the catalog then still has the asset that it led to.

        Returns:
            Which of the losses that restores.
        """
        ends = {edge.end.qualified_name for loss in losses if loss.found for edge in loss.edges if edge.place}
        found = self.catalog.find(sorted(ends)) if ends else {}
        restored = set[QualifiedName]()
        runs = set[QualifiedName]()
        for loss in losses:
            back = [edge for edge in loss.edges if _is_made_again(edge, loss, found)]
            touching = {run for edge in back for run in self._list_touching(edge)}
            if loss.row.kind == "run" and back:
                touching.add(loss.row.key)
            if touching:
                restored.add(loss.row.key)
                runs |= touching
        for run in sorted(runs)[:RESTORED]:
            event = event_about_key(run, now=self.now())
            message = MessageBody(event, uuid.uuid4().hex, RECONCILE, self.now().isoformat(), force=True)
            self.state.queue.put(message.to_json())
        return frozenset(restored)

    def _list_touching(self, edge: Evidence) -> Iterator[QualifiedName]:
        """Yield the runs that wrote or read the place of an edge."""
        path = place_named(edge.place.qualified_name, is_folder=True).path if edge.place else ""
        for is_output in (True, False) if path else ():
            yield from (use.run for use in self.state.ledger.find_uses_at([path], is_output=is_output))


def _is_made_again(edge: Evidence, loss: Loss, found: Mapping[QualifiedName, Found]) -> bool:
    here = found.get(edge.end.qualified_name)
    return (
        here is not None
        and loss.found is not None
        and edge.place is not None
        and here.ref == edge.end
        and is_scanned(here)
        and here.guid not in loss.found.removed
    )


def _placeholders(row: Row) -> Iterator[QualifiedName]:
    return (QualifiedName(name) for name, kind in row.matches.items() if kind == MatchKind.PLACEHOLDER.value)


def _place_of(name: QualifiedName, *, is_folder: bool, run: QualifiedName) -> Place:
    """Return how to look up a place again that a run touches; whether it is a folder is not in its name."""
    place = place_named(name, is_folder=is_folder)
    parsed = parse(run)
    if parsed and carries(name, parsed.run_id):
        place = replace(place, run_ids=place.run_ids | {parsed.run_id})
    if place.ref.qualified_name == name and place.exact:
        return place
    # No scanner's name: data that could not be placed, which the catalog may know under its own type by now.
    return place_by_name(name)
