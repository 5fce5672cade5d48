"""Plans what a run that OpenLineage reports would write: each event adds a fact, and all facts make one step."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from shared.catalog import qualified_names
from shared.catalog.qualified_names import QualifiedName
from shared.openlineage.incoming_entities import build_job_run, choose, list_places_of, places_of_data
from shared.openlineage.incoming_events import RunEvent
from shared.openlineage.job_run import Fact, fold
from shared.places.matching import find_scanned, match_places, match_sets, without_foreign_sets
from shared.ports import Catalog
from shared.publishing.places_around import find_around
from shared.publishing.plan import PUBLISHED, SKIPPED, About, Plan, Skip, explain, find_changed, row_of
from shared.publishing.plan_azure_ml import STALE
from shared.state.ports import Ledger, PlaceUse, Row


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
        known = (Fact.from_json(text) for text in self.ledger.get_facts(key))
        run = fold(self.event.run, (*known, *((self.event.fact,) if self.event.fact else ())))
        if reason := run.why_nothing:
            return Skip(
                f"run {run.id.run_id}: {reason}",
                (row_of(self.event, key, "run", SKIPPED, reason=reason, status=run.status),),
                (key,),
            )
        data, times = places_of_data(run), (run.ended_at, run.started_at)
        uses = tuple(
            sorted(
                {
                    PlaceUse(place.path, key, is_output, place.is_folder, place.ref, *times, glob=place.glob)
                    for is_output, side in ((False, run.inputs), (True, run.outputs))
                    for dataset in side
                    for place in data[dataset]
                    if place.path
                }
            )
        )
        around = find_around(self.ledger, uses)
        places = around.add_to(list_places_of(data))
        remembered = self.ledger.get_matches((place.ref for place in places), placeholders_since=self.now() - STALE)
        remembered = without_foreign_sets(places, remembered)
        unknown = [place for place in places if place.ref not in remembered]
        written = self.ledger.get_tree(key)
        others = () if key in written.fingerprints else around.assets
        found, scanned = find_scanned(self.catalog, unknown, others=others) if unknown or others else ({}, {})
        present = self.ledger.get_fingerprints(around.assets) if key in written.fingerprints else found
        looked_up = match_sets(self.catalog, unknown, match_places(unknown, scanned))
        matches = {**remembered, **looked_up}
        entities = build_job_run(run, data, matches, around.explain(matches, present))
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
        changed, before = find_changed(self.ledger, entities, written.fingerprints)
        rows = (row,) if changed or not self._is_noted(row) else ()
        plan = Plan(self.about.words, key, entities, changed, rows, matches, looked_up, before=before, from_facts=True)
        return plan.with_uses({key: uses}, written)

    @property
    def _key(self) -> QualifiedName:
        return qualified_names.of_job_run(self.event.run.namespace, self.event.run.run_id)

    def _is_noted(self, row: Row) -> bool:
        """Whether the ledger says the same of the run."""
        noted = self.ledger.get_rows([row.key]).get(row.key)
        return noted is not None and noted.outcome == PUBLISHED and noted.matches == row.matches
