"""Publishes what planners plan and notes it in the ledger, always in the same order."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from functools import partial

from shared.catalog.downstream import NOTHING, Downstream
from shared.catalog.entities import UNSCANNED, Entity, unlike_any
from shared.catalog.kinds import MODEL
from shared.catalog.qualified_names import QualifiedName, is_of_run
from shared.errors import EntityRejectedError, LeaseHeldError
from shared.intake.event_types import Event
from shared.model import SETTLED
from shared.openlineage.incoming_events import RunEvent
from shared.ports import Catalog, RunSource, Upserted
from shared.publishing.announce import Announcer
from shared.publishing.labels import ClassificationLabels, list_labelled
from shared.publishing.lease import WriterLease
from shared.publishing.plan import (
    DEAD_LETTERED,
    LOOKS,
    PUBLISHED,
    SKIPPED,
    AnyEvent,
    Outcome,
    Plan,
    Planner,
    Skip,
    is_of_tree,
    row_of,
    take_away,
)
from shared.publishing.plan_azure_ml import AzureMlPlanner
from shared.publishing.plan_marks import Mark, MarkPlanner
from shared.publishing.plan_openlineage import JobRunPlanner
from shared.state.ports import Leases, Ledger, Look


class Publisher:
    """
    The publish use case, of Azure ML's events, of runs that OpenLineage reports, and of marks.

    May raise whatever planning raises, whatever the ports raise, EntityRejectedError, after everything else was
    written, if the catalog refused some entity, and LeaseHeldError: one worker at a time writes a run tree. What
    the catalog has is sent to others last; if that fails, what is written stays written, and publishing again sends
    the rest. AnnouncementRefusedError: the receiver refused an event.
    """

    def __init__(
        self,
        source: RunSource,
        catalog: Catalog,
        ledger: Ledger,
        leases: Leases,
        *,
        now: Callable[[], datetime],
        infer_columns: bool = False,
        downstream: Downstream = NOTHING,
        labels: ClassificationLabels | None = None,
        announcer: Announcer | None = None,
    ) -> None:
        self._catalog = catalog
        self._ledger = ledger
        self._leases = leases
        self._now = now
        self._labels = labels
        self._announcer = announcer
        self._azure_ml = partial(
            AzureMlPlanner, source, catalog, ledger, now, infer_columns=infer_columns, downstream=downstream
        )

    def plan(self, event: AnyEvent, *, force: bool = False) -> Plan | Skip:
        """Work out what publishing would write, writing nothing."""
        return self._planner_of(event).plan(force=force)

    def publish(self, event: AnyEvent | Mark, *, force: bool = False) -> Outcome:
        """
        Bring the catalog up to date with what the event is about. Doing so twice changes nothing more.

        Args:
            force: write everything and look everything up again, also what the ledger has as unchanged.
        """
        planner = self._planner_of(event)
        planner.add_fact()
        started = self._now()
        plan = planner.plan(force=force)
        if not self._needs_lease(plan, force=force):
            self._note(plan)
            return _outcome_of(planner, plan)
        try:
            lease = WriterLease.take(self._leases, plan.roots)
        except LeaseHeldError:
            if isinstance(plan, Skip):  # all facts together show nothing yet, and the other worker notes that
                return _outcome_of(planner, plan)
            raise
        with lease:
            if force and isinstance(plan, Plan):
                self._forget(plan)
            if force or plan.from_facts or lease.was_held_since(started):
                # What we read may be older than what the other worker wrote.
                plan = _taking_away(planner.plan(force=force), plan)
            if isinstance(plan, Skip) or not plan.changes_something:
                self._note(plan)
            else:
                plan = self._write(planner, plan, lease)
            if isinstance(plan, Plan) and self._announcer:  # under the lease: in the order of what was written
                self._announcer.send(self._announcer.list_unsent(plan, force=force), before_some=lease.check)
            return _outcome_of(planner, plan)

    def is_known_already(self, event: AnyEvent) -> bool:
        """
        Whether a run was read after this event happened, and had ended by then: Azure ML announces most ends twice.

        Only of an event that has just come; one that is replayed is a person's wish.
        """
        about = self._planner_of(event).about
        if about is None or about.kind != "run" or not isinstance(event, Event):
            return False
        row = self._ledger.get_rows([about.key]).get(about.key)
        if row is None or row.updated_at is None or row.updated_at < event.time:
            return False
        # What was skipped tells nothing of itself: its root does, when it ends.
        return row.outcome == SKIPPED or (row.outcome == PUBLISHED and row.status.casefold() in SETTLED)

    def note_failure(self, event: AnyEvent, reason: str) -> None:
        """Note that an event was dead-lettered, so that coverage can say why there is no lineage."""
        if about := self._planner_of(event).about:
            self._ledger.put_rows([row_of(event, about.key, about.kind, DEAD_LETTERED, reason=reason)])

    def _planner_of(self, event: AnyEvent | Mark) -> Planner:
        match event:
            case Event():
                return self._azure_ml(event)
            case RunEvent():
                return JobRunPlanner(self._catalog, self._ledger, self._now, event)
            case Mark():
                return MarkPlanner(self._catalog, event, self._azure_ml(event.run) if event.run else None)

    def _needs_lease(self, plan: Plan | Skip, *, force: bool) -> bool:
        if isinstance(plan, Skip):
            return plan.from_facts
        if plan.changes_something or force or (plan.rows and plan.from_facts):
            return True
        return self._announcer is not None and bool(self._announcer.list_unsent(plan))

    def _note(self, plan: Plan | Skip) -> None:
        """Note what was found out though nothing is written."""
        if isinstance(plan, Plan):
            self._ledger.put_matches(plan.looked_up)
        self._ledger.put_rows(plan.rows)

    def _write(self, planner: Planner, plan: Plan, lease: WriterLease) -> Plan:
        """Write a plan, or after a refusal a new one; return the one that was written."""
        if plan.partial:
            return self._write_partial(plan, lease)
        # Before the catalog is written: if we die in between, the next worker knows of these models.
        for root in plan.roots:
            if models := {run: names for run, names in plan.models.items() if plan.owners.get(run) == root}:
                self._ledger.add_to_tree(root, models=models)
        # Before it is written, too: what is written and then interrupted comes back as unchanged.
        if plan.digest is not None and any(is_of_run(entity.ref.qualified_name) for entity in plan.changed):
            self._ledger.put_look(Look(plan.root, self._now() + LOOKS[0], digest=plan.digest))
        result = self._catalog.upsert_entities(plan.changed, before_each=lease.check)
        if result.rejections:
            plan, result = self._write_again(planner, plan, result, lease)
        self._take_away_links(plan)
        if self._labels:  # before anything is noted: if this fails, the message comes back and writes again
            self._labels.refresh(list_labelled(plan.entities))
        self._note_written(plan, result)
        self._ledger.put_matches(plan.looked_up)
        if rejections := result.rejections:
            reasons = {row.key: rejections.get(row.key, "an entity it needs was refused") for row in plan.rows}
            self._ledger.put_rows(replace(row, outcome=DEAD_LETTERED, reason=reasons[row.key]) for row in plan.rows)
            raise EntityRejectedError({str(name): words for name, words in rejections.items()})
        self._ledger.put_rows(plan.rows)
        return plan

    def _write_partial(self, plan: Plan, lease: WriterLease) -> Plan:
        self._catalog.upsert_entities(plan.changed, before_each=lease.check)
        # If it comes back just as it was, its old fingerprint must not keep it from being written.
        names = {entity.ref.qualified_name for entity in plan.changed}
        of_tree = {name: each for name, each in self._ledger.get_tree(plan.root).fingerprints.items() if name in names}
        self._ledger.add_to_tree(plan.root, fingerprints={name: unlike_any(each) for name, each in of_tree.items()})
        shared = self._ledger.get_fingerprints(names - of_tree.keys())
        self._ledger.put_fingerprints({name: unlike_any(each) for name, each in shared.items()})
        self._note(plan)
        return plan

    def _take_away_links(self, plan: Plan) -> None:
        """Remove Power BI links that are gone, and the placeholders which only they used."""
        if not plan.gone:
            return
        found = self._catalog.find(plan.gone)
        for link in found.values():
            self._catalog.remove_entity(link)
        ends = {ref.qualified_name for link in found.values() for ref in link.outputs}
        for end in self._catalog.find(sorted(ends)).values() if ends else ():
            if UNSCANNED in end.labels and not end.touched and not self._catalog.is_linked(end):
                self._catalog.remove_entity(end)
                self._ledger.forget_fingerprints([end.ref.qualified_name])
        self._ledger.add_to_tree(plan.root, fingerprints=dict.fromkeys(plan.gone, ""))
        rows = self._ledger.get_rows(plan.gone)
        reason = "Azure ML does not name it any more"
        self._ledger.put_rows(
            replace(row, outcome=SKIPPED, reason=reason, matches={}, evidence=()) for row in rows.values()
        )

    def _write_again(
        self, planner: Planner, plan: Plan, refused: Upserted, lease: WriterLease
    ) -> tuple[Plan, Upserted]:
        """
        Write everything after a refusal: what the ledger knows may have been deleted in the catalog since.

        A model version that a person deleted there is left out; replaying its own event brings it back.
        """
        self._forget(plan)
        again = planner.plan()
        if isinstance(again, Skip):
            return plan, refused
        entities = take_away(self._without_deleted_models(again.entities), plan.before)
        written = self._catalog.upsert_entities(entities, before_each=lease.check)
        return replace(again, entities=entities, changed=entities, before=plan.before, gone=plan.gone), written

    def _note_written(self, plan: Plan, result: Upserted) -> None:
        written = {
            entity.ref.qualified_name: entity.note(plan.before.get(entity.ref.qualified_name, ""))
            for entity in plan.entities
            if entity.ref.qualified_name in result.guids
        }
        of_tree = {name: each for name, each in written.items() if is_of_tree(name)}
        self._ledger.put_fingerprints({name: each for name, each in written.items() if name not in of_tree})
        self._ledger.add_to_tree(plan.root, fingerprints=of_tree)

    def _forget(self, plan: Plan) -> None:
        names = [entity.ref.qualified_name for entity in plan.entities]
        self._ledger.forget_fingerprints(name for name in names if not is_of_tree(name))
        self._ledger.forget_tree(plan.root)
        self._ledger.forget_matches(plan.matches)

    def _without_deleted_models(self, entities: tuple[Entity, ...]) -> tuple[Entity, ...]:
        own = {entity.ref for entity in entities}
        linked = {ref for entity in entities for ref in entity.outputs or () if ref.type_name == MODEL} - own
        present = self._catalog.find(sorted({ref.qualified_name for ref in linked})) if linked else {}
        gone: set[QualifiedName] = {ref.qualified_name for ref in linked} - set(present)
        return tuple(
            entity
            if entity.outputs is None
            else replace(entity, outputs=tuple(ref for ref in entity.outputs if ref.qualified_name not in gone))
            for entity in entities
        )


def _taking_away(plan: Plan | Skip, first: Plan | Skip) -> Plan | Skip:
    """Let a second plan take away what the ledger had noted for the first, and has forgotten since."""
    if isinstance(plan, Skip) or isinstance(first, Skip):
        return plan
    before = {**first.before, **plan.before}
    return replace(plan, changed=take_away(plan.changed, before), before=before, gone=plan.gone or first.gone)


def _outcome_of(planner: Planner, plan: Plan | Skip) -> Outcome:
    if isinstance(plan, Skip):
        return Outcome(SKIPPED, planner.about.words if planner.about else "", plan.reason)
    if plan.changes_something:
        return Outcome(PUBLISHED, plan.subject, written=len(plan.changed), matches=plan.explained, rules=plan.rules)
    return Outcome(
        SKIPPED, plan.subject, "unchanged since it was last published", matches=plan.explained, rules=plan.rules
    )
