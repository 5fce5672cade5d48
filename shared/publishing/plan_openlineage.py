"""Plans what a run that OpenLineage reports would write: each event adds a fact, and all facts make one step."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

from shared.catalog import qualified_names
from shared.catalog.assets import without_known
from shared.catalog.entities import Entity, Evidence, Ref, ends
from shared.catalog.qualified_names import QualifiedName
from shared.openlineage.incoming_entities import build_job_run, choose, list_places_of, places_of_data
from shared.openlineage.incoming_events import RunEvent
from shared.openlineage.job_run import Folded, JobRun
from shared.places.datasets import DatasetName
from shared.places.matching import (
    Match,
    MatchKind,
    find_scanned,
    match_places,
    match_sets,
    without_foreign_sets,
)
from shared.places.place import Place
from shared.ports import Catalog
from shared.publishing.places_around import find_around
from shared.publishing.plan import PUBLISHED, SKIPPED, About, Folding, Plan, Skip, explain, find_changed, row_of
from shared.publishing.plan_azure_ml import STALE
from shared.state.ports import Ledger, PlaceUse, Row, WrittenTree

FACTS = 20
"""Facts of a run that are read one by one; with more, they are noted as one."""
FEW = 50
"""Edges of a step that are all looked up again with each event, as anything about them may have changed."""


@dataclass(frozen=True, slots=True)
class JobRunPlanner:
    """
    Plans the run of one event. May raise whatever its ports raise.

    The fact is stored before the lease is taken, so that the last to hold it sees the facts of all. Where the catalog
    has it all already, or there is nothing to show, no worker waits: the events of a notebook come together.
    """

    catalog: Catalog
    ledger: Ledger
    now: Callable[[], datetime]
    event: RunEvent
    is_held: Callable[[str], bool] = lambda _: False

    @property
    def about(self) -> About:
        return About(self._key, "run", f"job run {self.event.run.run_id}")

    def add_fact(self) -> None:
        """Add what the event says to what is known of its run."""
        if self.event.fact:
            self.ledger.add_facts(self._key, [self.event.fact.to_json()])

    def plan(self, *, force: bool = False) -> Plan | Skip:
        """Work out what the facts of a run make together, those of this event included."""
        key = self._key
        facts = self.ledger.get_facts(key)
        folded = Folded.of(facts)
        folding = Folding(key, folded.to_json(), tuple(facts)) if len(facts) > FACTS else None
        if self.event.fact:
            folded.add(self.event.fact)
        run = folded.to_run(self.event.run, is_held=self.is_held)
        if reason := run.why_nothing:
            return Skip(
                f"run {run.id.run_id}: {reason}",
                (row_of(self.event, key, "run", SKIPPED, reason=reason, status=run.status),),
                (key,),
                folding,
            )
        noted = self.ledger.get_rows([key]).get(key)
        written = self.ledger.get_tree(key)
        shown = noted.evidence if noted and not force and self._goes_on(noted, written) else ()
        return replace(self._plan_run(run, written, noted, shown), folding=folding)

    def _goes_on(self, noted: Row, written: WrittenTree) -> bool:
        """
        Whether only what is new of the run need be looked up: it has much, and all of that was a short while ago.

        A scan may find a placeholder meanwhile; reconciling sees that, and asks for all of the run.
        """
        is_young = noted.updated_at is not None and self.now() - noted.updated_at < STALE
        is_written = noted.outcome == PUBLISHED and self._key in written.fingerprints
        return bool(self.event.fact) and is_young and is_written and len(noted.evidence) > FEW

    def _plan_run(self, run: JobRun, written: WrittenTree, noted: Row | None, shown: Sequence[Evidence]) -> Plan:
        """
        Args:
            shown: why the edges exist that the step is known to have; what they lead to is not looked up again.
        """
        key, before = self._key, {(each.is_output, each.place): each for each in shown if each.place}
        data, sides = places_of_data(run), {False: set(run.inputs), True: set(run.outputs)}
        known = {}
        for dataset, places in data.items() if shown else ():
            wanted = [is_output for is_output, side in sides.items() if dataset in side]
            if place := next((each for each in places if all((side, each.ref) in before for side in wanted)), None):
                known[dataset] = place
        data |= {dataset: (place,) for dataset, place in known.items()}
        new = {dataset: places for dataset, places in data.items() if dataset not in known}
        kept = {replace(use, at=run.ended_at, begun=run.started_at) for use in written.uses.get(key, ()) if shown}
        uses = _uses_of(run, key, new)
        around = find_around(self.ledger, sorted({*uses, *(use for use in kept if use.is_output)}))
        places = around.add_to(list_places_of(new))
        remembered = self.ledger.get_matches((place.ref for place in places), placeholders_since=self.now() - STALE)
        remembered = without_foreign_sets(places, remembered)
        unknown = [place for place in places if place.ref not in remembered]
        others = () if key in written.fingerprints else around.assets
        found, scanned = find_scanned(self.catalog, unknown, others=others) if unknown or others else ({}, {})
        present = self.ledger.get_fingerprints(around.assets) if key in written.fingerprints else found
        looked_up = match_sets(self.catalog, unknown, match_places(unknown, scanned))
        kinds = noted.matches if noted else {}
        matches = {
            **_noted_matches(shown, kinds),
            **remembered,
            **looked_up,
        }
        entities = build_job_run(run, data, matches, around.explain(matches, present))
        entities = _with_edges(entities, key, [each for each in shown if each.inferred])
        touched = {(place := choose(each, matches)).ref: place for each in data.values()}
        touched |= {place.ref: place for place in around.of_run(key)}
        row = row_of(
            self.event,
            key,
            "run",
            PUBLISHED,
            status=run.status,
            matches=explain({ref: match for ref, match in matches.items() if ref in touched}),
            places=touched.values(),
            evidence=next(each.evidence for each in entities if each.ref.qualified_name == key),
        )
        linked = {each.end for each in shown}
        if noted and shown:
            files = tuple(sorted({*noted.files, *row.files}))
            row = replace(row, matches={**noted.matches, **row.matches}, files=files)
        compared = [each for each in entities if each.ref not in linked]
        changed, noted_of = find_changed(self.ledger, compared, written.fingerprints)
        is_noted = noted is not None and noted.outcome == PUBLISHED and noted.matches == row.matches
        rows = (row,) if changed or not is_noted else ()
        plan = Plan(
            self.about.words, key, entities, changed, rows, matches, looked_up, before=noted_of, from_facts=True
        )
        return plan.with_uses({key: tuple(sorted({*kept, *uses}))}, written)

    @property
    def _key(self) -> QualifiedName:
        return qualified_names.of_job_run(self.event.run.namespace, self.event.run.run_id)


def _uses_of(run: JobRun, key: QualifiedName, data: Mapping[DatasetName, Sequence[Place]]) -> set[PlaceUse]:
    """Return the places that a run read and wrote, of some of its data."""
    return {
        PlaceUse(place.path, key, is_output, place.is_folder, place.ref, run.ended_at, run.started_at, glob=place.glob)
        for is_output, side in ((False, run.inputs), (True, run.outputs))
        for dataset in side
        for place in data.get(dataset, ())
        if place.path
    }


def _noted_matches(edges: Iterable[Evidence], kinds: Mapping[str, str]) -> dict[Ref, Match]:
    """Return what the places that edges lead to were matched with when they were noted."""
    by_place: dict[Ref, dict[Ref, None]] = {}
    for edge in edges:
        if edge.place:
            by_place.setdefault(edge.place, {})[edge.end] = None
    noted = {}
    for place, (ref, *others) in by_place.items():
        kind = kinds.get(str(place.qualified_name), "")
        noted[place] = Match(ref, MatchKind(kind) if kind in set(MatchKind) else MatchKind.EXACT, others=tuple(others))
    return noted


def _with_edges(entities: Sequence[Entity], step: QualifiedName, edges: Sequence[Evidence]) -> tuple[Entity, ...]:
    """Let a step keep edges that follow from what others wrote."""
    return tuple(
        replace(
            each,
            inputs=ends((*(each.inputs or ()), *(edge.end for edge in added))),
            evidence=(*each.evidence, *added),
        )
        if each.ref.qualified_name == step and (added := without_known(edges, each.evidence))
        else each
        for each in entities
    )
