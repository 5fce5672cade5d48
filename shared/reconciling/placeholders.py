"""Replaces placeholders by what Purview has scanned since, and removes those that nothing uses any more."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import partial

from shared.catalog.entities import UNSCANNED, Found, Ref
from shared.catalog.kinds import OTHER_DATA
from shared.catalog.qualified_names import QualifiedName, parse
from shared.errors import TerminalError
from shared.intake.message import RECONCILE, describe_error
from shared.intake.receive import enqueue
from shared.intake.synthetic_events import event_about_key
from shared.places.matching import Match, MatchKind, find_scanned, is_scanned, match_places, match_sets, place_by_name
from shared.places.place import Place, carries
from shared.places.platforms import place_named
from shared.ports import Catalog
from shared.publishing.plan import PUBLISHED
from shared.reconciling.coverage import LOST, PLACEHOLDER, Gap
from shared.reconciling.lost import find_each
from shared.reconciling.progress import Tick
from shared.state.ports import Placeholder, State, read_folder

AT_ONCE = 500
"""Placeholders that the catalog is asked for together."""
IN_TICK = 1_000
"""Placeholders that are looked at in one tick, in turn; and runs of a ledger from before it kept placeholders."""
GLOBS_WAIT = timedelta(days=7)
"""For so long a glob, for which something was found, waits for further resource sets."""
ORPHANS = 100
"""Placeholders in one tick that are checked for being unused."""
_NOTE, _ORPHANS = "reconcile/placeholders", "reconcile/orphans"
_NOTED, _READ = ("after", "orphan", "old"), "read"
_SINCE_EVER = datetime.min.replace(tzinfo=UTC)


@dataclass
class PlaceholderReplacer:
    """
    One tick over all workspaces.

    A scan either finds the data under another name (a resource set, the other host, a trailing slash): what touches it
    is then published again, once for each root, and our placeholder is an orphan; or it writes the very entity we made,
    which is no placeholder from then on. Where nothing on that entity is from a scan, it is looked at again in turn:
    a person may have taken the label away. So is a glob, since a scan may make another set to which it leads.
    """

    catalog: Catalog
    state: State
    tick: Tick
    _failed: set[str] = field(default_factory=set)
    """Notes of those that could not be replaced before."""

    def replace(self) -> None:
        """Go on with the next placeholders, from where the tick before has come."""
        note = dict(self.state.notes.get(_NOTE) or {})
        self._failed = {name for name in read_folder(self.state.notes, LOST) if name.startswith(f"{PLACEHOLDER} ")}
        self._remove_orphans(note)
        self._read_old_rows(note)
        for _ in range(IN_TICK // AT_ONCE):
            if self.tick.is_over:
                break
            page = self.state.ledger.list_placeholders(after=str(note.get("after") or ""), limit=AT_ONCE)
            self._look_at(page)
            note["after"] = page[-1].key if len(page) == AT_ONCE else ""
            if not note["after"]:
                break
        self.state.notes.put(_NOTE, {name: value for name, value in note.items() if name in _NOTED})

    def _look_at(self, page: Sequence[Placeholder]) -> None:
        """Look placeholders up together; if the catalog refuses that, each by itself."""
        if not page:
            return
        try:
            self._replace(page)
        except TerminalError as error:
            if len(page) == 1:
                self._note_failure(page[0].name, page[0].root, ": ".join(describe_error(error)))
                return
            for each in page:
                if self.tick.is_over:
                    return
                self._look_at([each])
        else:
            self.state.notes.forget_in(LOST, self._failed.intersection(f"{PLACEHOLDER} {each.name}" for each in page))

    def _replace(self, page: Sequence[Placeholder]) -> None:
        found, places, matches = self._match(page)
        asked = [each for each in page if each.exact or matches[places[each.key].ref].kind is not MatchKind.PLACEHOLDER]
        refs = {places[each.key].ref for each in asked}
        known = self.state.ledger.get_matches(refs, placeholders_since=_SINCE_EVER) if refs else {}
        new = {ref: matches[ref] for ref in refs if known.get(ref) != matches[ref]}
        self.state.ledger.put_matches(new)
        self._publish_again(each for each in asked if places[each.key].ref in new or not each.exact)
        over, kept = list[Placeholder](), list[Placeholder]()
        for each in asked:
            place, match = places[each.key], matches[places[each.key].ref]
            own, ours = place.own, found.get(place.own.qualified_name)
            is_found = match.kind is not MatchKind.PLACEHOLDER
            is_exact = match.ref == own and is_found
            if ours and is_exact and UNSCANNED in ours.labels:
                self._attempt(each.name, each.root, partial(self.catalog.remove_label, ours, UNSCANNED))
            if ours and match.ref != own and (place.ref in new or not (place.glob and each.exact)):
                self.state.notes.put_in(_ORPHANS, {own.qualified_name: {"type": own.type_name}})
            since = (each.since or self.tick.now()) if place.glob and is_found else None
            if since and since > self.tick.now() - GLOBS_WAIT:
                kept.append(replace(each, exact=True, since=since))
            elif match.ref != own or (is_exact and ours and ours.scanned):
                over.append(each)
            elif each.exact != is_found:
                kept.append(replace(each, exact=is_found))
        self.state.ledger.add_placeholders(set(kept).difference(page))
        self.state.ledger.forget_placeholders([*over, *self._remove_placed(page)])

    def _remove_placed(self, waiting: Iterable[Placeholder]) -> list[Placeholder]:
        """
        Remove what stands for data of which Azure ML could not say where it lies, and can by now.

        No scan writes such an entity. It is removed if the run that it was made for names it no more, and no other
        process is linked with it; one of another root waits for itself.
        """
        some = [each for each in waiting if each.name.startswith("azureml://")]
        rows = self.state.ledger.get_rows({each.run for each in some}) if some else {}
        over = [
            each
            for each in some
            if (row := rows.get(each.run))
            and (row.kind, row.outcome) == ("run", PUBLISHED)
            and each.name not in row.matches
        ]
        found = self.catalog.find(sorted({each.name for each in over}), type_name=OTHER_DATA) if over else {}
        kept = {name for name, each in found.items() if not self._attempt(name, name, partial(self._remove, each))}
        return [each for each in over if each.name not in kept]

    def _remove(self, unused: Found) -> None:
        """Remove an entity that no process is linked with."""
        if not self.catalog.is_linked(unused):
            self.catalog.remove_entity(unused)
            self.state.ledger.forget_fingerprints([unused.ref.qualified_name])

    def _match(
        self, page: Sequence[Placeholder]
    ) -> tuple[Mapping[QualifiedName, Found], dict[str, Place], Mapping[Ref, Match]]:
        """Match places with what a scan knows now, under any of the names it may use; return what each is to us."""
        by_key = {each.key: _place_of(each) for each in page}
        found, scanned = find_scanned(self.catalog, dict.fromkeys(by_key.values()))
        # What we made has the type that the ledger knows the place by, a Power BI dataset for instance.
        own = {
            key: replace(place, ref=replace(place.ref, type_name=found[name].ref.type_name))
            if (name := place.own.qualified_name) in found and not place.hidden_types
            else place
            for key, place in by_key.items()
        }
        # One run may have taken for a folder what another took for a file.
        each = [item for place in own.values() for item in match_places([place], scanned).items()]
        found_now = {place: match for place, match in each if match.kind is not MatchKind.PLACEHOLDER}
        some = list(dict.fromkeys(own.values()))
        matches = match_sets(self.catalog, some, {**dict(each), **found_now}, fresh=True)
        for place in some:
            if matches[place.ref].kind is MatchKind.RESOURCE_SET and self._is_foreign(place, matches[place.ref]):
                matches[place.ref] = Match(place.own, MatchKind.PLACEHOLDER, place.unfound)
            ours, match = found.get(place.own.qualified_name), matches[place.ref]
            if ours and not ours.scanned and match.kind is MatchKind.EXACT and match.ref == ours.ref:
                rule = f"{match.rule}; nothing on it is from a scan"
                matches[place.ref] = replace(match, kind=MatchKind.UNLABELLED, rule=rule)
        return found, own, matches

    def _is_foreign(self, place: Place, match: Match) -> bool:
        """Whether a set has not kept apart the id of a run that wrote the place, which another run may have read."""
        writers = self.state.ledger.find_uses_at([place.path], is_output=True) if place.path else ()
        ids = {parsed.run_id for use in writers if (parsed := parse(use.run)) and parsed.run_id}
        own = place.run_ids | {each for each in ids if carries(place.ref.qualified_name, each)}
        return not all(replace(place, run_ids=own).may_be_in(each.qualified_name) for each in match.refs)

    def _publish_again(self, placeholders: Iterable[Placeholder]) -> None:
        """Put one event for each root on the queue."""
        roots = {each.root: each for each in placeholders}
        events = [event_about_key(root, now=each.at or self.tick.now()) for root, each in sorted(roots.items())]
        enqueue(events, self.state.queue, self.state.dead_letters, source=RECONCILE, now=self.tick.now)

    def _remove_orphans(self, note: dict[str, object]) -> None:
        """Remove placeholders that no process uses; until then they stay."""
        notes = self.state.notes
        if isinstance(before := note.get("orphans"), dict):  # of a version that kept them in the note
            notes.put_in(_ORPHANS, {name: {"type": type_name} for name, type_name in before.items()})
        page = notes.list_in(_ORPHANS, after=str(note.get("orphan") or ""), limit=ORPHANS)
        note["orphan"] = list(page)[-1] if len(page) == ORPHANS else ""
        names = list(map(QualifiedName, page))
        found, refused = find_each(self.catalog, names)
        # Beside a placeholder there may be what a scan made, under the same name and another type.
        hidden = [name for name in names if page[name]["type"] == OTHER_DATA and name not in refused]
        found = {**found, **(self.catalog.find(hidden, type_name=OTHER_DATA) if hidden else {})}
        for name in names:
            if self.tick.is_over:
                return
            if name in refused:
                self._note_failure(name, name, refused[name])
            else:
                self._attempt(name, name, partial(self._remove_orphan, name, found.get(name)))

    def _remove_orphan(self, name: QualifiedName, orphan: Found | None) -> None:
        if orphan and UNSCANNED in orphan.labels and not is_scanned(orphan):
            if self.catalog.is_linked(orphan):
                return
            self.catalog.remove_entity(orphan)
            self.state.ledger.forget_fingerprints([name])
        self.state.notes.forget_in(_ORPHANS, [name])

    def _read_old_rows(self, note: dict[str, object]) -> None:
        """Take over what rows say that were written before the ledger kept placeholders by themselves; once."""
        if note.get("old") == _READ:
            return
        rows = self.state.ledger.list_rows("run", after=str(note.get("old") or ""), limit=IN_TICK)
        self.state.ledger.add_placeholders(
            Placeholder(QualifiedName(name), row.key, row.key, is_file=name in row.files, at=row.event_time)
            for row in rows
            if row.outcome == PUBLISHED and not row.root
            for name, kind in row.matches.items()
            if kind == MatchKind.PLACEHOLDER.value
        )
        note["old"] = rows[-1].key if len(rows) == IN_TICK else _READ

    def _attempt(self, name: QualifiedName, of: QualifiedName, item: Callable[[], object]) -> bool:
        """Do something about one placeholder, and return whether that was done; a failure of it is a gap."""
        why = self.tick.attempt(item, placeholder=name)
        if why:
            self._note_failure(name, of, why)
        elif (key := f"{PLACEHOLDER} {name}") in self._failed:
            self.state.notes.forget_in(LOST, [key])
        return not why

    def _note_failure(self, name: QualifiedName, of: QualifiedName, why: str) -> None:
        gap = Gap(PLACEHOLDER, name, "", why, at=self.tick.now().isoformat(timespec="seconds"), of=of)
        self.state.notes.put_in(LOST, {f"{PLACEHOLDER} {name}": gap.to_json()})


def _place_of(waiting: Placeholder) -> Place:
    """Return how to look up a place again; whether it is a folder is not in its name."""
    place = place_named(waiting.name, is_folder=not waiting.is_file)
    if waiting.run_id:
        place = replace(place, run_ids=place.run_ids | {waiting.run_id})
    if place.ref.qualified_name == waiting.name and place.exact:
        return place
    # No scanner's name: data that could not be placed, which the catalog may know under its own type by now.
    return place_by_name(waiting.name)
