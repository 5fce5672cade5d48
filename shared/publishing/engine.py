"""Publishes what one event is about, and notes in the ledger what was written."""

import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shared.catalog import qualified_names
from shared.catalog.downstream import NOTHING, Downstream
from shared.catalog.entities import Entity
from shared.catalog.kinds import MODEL
from shared.catalog.qualified_names import QualifiedName
from shared.errors import EntityRejectedError, LeaseHeldError
from shared.intake.event_types import EndpointSubject, Event, ModelSubject, Nothing, RunSubject
from shared.ports import Catalog, RunSource, Upserted
from shared.publishing.announce import Announcer
from shared.publishing.labels import ClassificationLabels, list_labelled
from shared.publishing.outcome import DEAD_LETTERED, PUBLISHED, SKIPPED, Outcome
from shared.publishing.plan import Plan, Skip
from shared.publishing.plan_azure_ml import Planner
from shared.state.ports import Leases, Ledger, Row

LEASE = timedelta(minutes=10)
"""How long a worker that died keeps the others waiting; a request to the catalog with all its retries takes less."""


class Publisher:
    """
    The publish use case.

    May raise whatever planning raises, whatever the ports raise, EntityRejectedError, after everything else was
    written, if the catalog refused some entity, and LeaseHeldError: the catalog has no optimistic locking, so one
    worker at a time writes a run tree. The announcer speaks last, of what the catalog has; if it fails, what is
    written stays written, and publishing again tells the rest. AnnouncementRefusedError: others refused to hear.
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
        self._labels = labels
        self._leases = leases
        self._now = now
        self._announcer = announcer
        self._planner = Planner(source, catalog, ledger, now=now, infer_columns=infer_columns, downstream=downstream)
        self._catalog = catalog
        self._ledger = ledger

    def plan(self, event: Event, *, force: bool = False) -> Plan | Skip:
        """Work out what publishing would write, writing nothing."""
        return self._planner.plan(event, force=force)

    def publish(self, event: Event, *, force: bool = False) -> Outcome:
        """
        Bring the catalog up to date with what the event is about. Doing so twice changes nothing more.

        Args:
            force: write everything and look everything up anew, whatever the ledger says.
        """
        started = self._now()
        plan = self.plan(event, force=force)
        if isinstance(plan, Skip):
            self._ledger.put_rows(plan.rows)
            return Outcome(SKIPPED, _subject_of(event), plan.reason)
        if not plan.changed and not force and not self._has_news(event, plan):
            self._note(plan)
            return _unchanged(plan)
        with self._lease(plan) as lease:
            if force:
                self._forget(plan)
            if force or lease.was_held_since(started):
                plan = self.plan(event, force=force)  # what we read before may be older than what the other wrote
            if isinstance(plan, Skip):
                self._ledger.put_rows(plan.rows)
                return Outcome(SKIPPED, _subject_of(event), plan.reason)
            if not plan.changed:
                self._note(plan)
                self._announce(event, plan, lease)
                return _unchanged(plan)
            plan = self._write(event, plan, lease)
            self._announce(event, plan, lease, force=force)
        return Outcome(PUBLISHED, plan.subject, written=len(plan.changed), matches=plan.explained, rules=plan.rules)

    def note_failure(self, event: Event, reason: str) -> None:
        """Note that an event was set aside, so that coverage can say why there is no lineage."""
        key = key_of_subject(event)
        if key is not None:
            kind = {RunSubject: "run", ModelSubject: "model", EndpointSubject: "endpoint"}[type(event.subject)]
            row = Row(key, kind, DEAD_LETTERED, reason=reason, event_id=event.id, event_time=event.time)
            self._ledger.put_rows([row])

    @contextmanager
    def _lease(self, plan: Plan) -> "Iterator[_Lease]":
        holder, held, ends = uuid.uuid4().hex, list[QualifiedName](), list[datetime]()
        try:
            for root in plan.roots:  # nobody waits for another while holding one, so their order does not matter
                turn = self._leases.acquire(root, holder=holder, duration=LEASE)
                if turn is None:
                    raise LeaseHeldError(f"{root} is being published by another worker")
                held.append(root)
                ends += [turn.previous_end] if turn.previous_end else []
            yield _Lease(self._leases, tuple(held), holder, max(ends, default=None))
        finally:
            for root in held:
                self._leases.release(root, holder=holder)

    def _has_news(self, event: Event, plan: Plan) -> bool:
        return self._announcer is not None and bool(self._announcer.list_news(event, plan))

    def _announce(self, event: Event, plan: Plan, lease: "_Lease", *, force: bool = False) -> None:
        """Tell others while it is our turn, so that they hear of what was written in the order it was written."""
        if self._announcer:
            self._announcer.announce(self._announcer.list_news(event, plan, force=force), before_some=lease.check)

    def _note(self, plan: Plan) -> None:
        """Note what was found out though nothing was written."""
        self._ledger.put_matches(plan.looked_up)
        self._ledger.put_rows(plan.rows)

    def _write(self, event: Event, plan: Plan, lease: "_Lease") -> Plan:
        """Write a plan, or after a refusal a new one; return the one that was written."""
        # Before the catalog is written: if we die in between, whoever comes next knows of these models.
        for home in plan.roots:
            models = {run: names for run, names in plan.models.items() if plan.homes.get(run) == home}
            self._ledger.add_to_tree(home, models=models)
        result = self._catalog.upsert_entities(plan.changed, before_each=lease.check) if plan.changed else None
        if result and result.rejections:
            plan, result = self._write_anew(event, plan, result, lease)
        if self._labels:  # before anything is noted: if this fails, the message comes back and writes again
            self._labels.refresh(list_labelled(plan.entities))
        if result:
            fingerprints = {entity.ref.qualified_name: entity.fingerprint for entity in plan.entities}
            self._note_written(plan.root, {name: fingerprints[name] for name in result.guids if name in fingerprints})
        rejections = result.rejections if result else {}
        self._ledger.put_matches(plan.looked_up)
        self._ledger.put_rows(
            replace(row, outcome=DEAD_LETTERED, reason=rejections.get(row.key, "an entity it needs was refused"))
            if rejections
            else row
            for row in plan.rows
        )
        if rejections:
            raise EntityRejectedError({str(name): words for name, words in rejections.items()})
        return plan

    def _write_anew(self, event: Event, plan: Plan, refused: Upserted, lease: "_Lease") -> tuple[Plan, Upserted]:
        """
        Write everything once more after a refusal: what the ledger knows may have been deleted in the catalog since.

        A model version that somebody deleted there is left out; replaying its own event brings it back.
        """
        self._forget(plan)
        anew = self.plan(event)
        if isinstance(anew, Skip):
            return plan, refused
        entities = self._without_deleted_models(anew.entities)
        written = self._catalog.upsert_entities(entities, before_each=lease.check)
        return replace(anew, entities=entities, changed=entities), written

    def _note_written(self, root: QualifiedName, fingerprints: Mapping[QualifiedName, str]) -> None:
        of_runs = {name: each for name, each in fingerprints.items() if qualified_names.is_of_run(name)}
        self._ledger.put_fingerprints({name: each for name, each in fingerprints.items() if name not in of_runs})
        self._ledger.add_to_tree(root, fingerprints=of_runs)

    def _forget(self, plan: Plan) -> None:
        names = [entity.ref.qualified_name for entity in plan.entities]
        self._ledger.forget_fingerprints(name for name in names if not qualified_names.is_of_run(name))
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


@dataclass(frozen=True, slots=True)
class _Lease:
    """Our turn to write a run tree, and the steps of others that it reuses."""

    leases: Leases
    names: tuple[str, ...]
    holder: str
    previous_end: datetime | None

    def was_held_since(self, moment: datetime) -> bool:
        """Whether another worker had this turn, or part of it, after a time."""
        return self.previous_end is not None and self.previous_end >= moment

    def check(self) -> None:
        """Extend our turn before each request that writes; we may have been too slow and another may have begun."""
        for name in self.names:
            if not self.leases.renew(name, holder=self.holder, duration=LEASE):
                raise LeaseHeldError(f"the lease on {name} was lost: another worker has taken it over")


def _unchanged(plan: Plan) -> Outcome:
    return Outcome(
        SKIPPED, plan.subject, "unchanged since it was last published", matches=plan.explained, rules=plan.rules
    )


def key_of_subject(event: Event) -> QualifiedName | None:
    """Name the ledger's row of what an event is about."""
    match event.subject:
        case RunSubject(run_id):
            return qualified_names.of_run(event.workspace, run_id)
        case ModelSubject(model):
            return qualified_names.of_asset(event.workspace, model)
        case EndpointSubject(name):
            return qualified_names.of_endpoint(event.workspace, name)
        case Nothing():
            return None


def _subject_of(event: Event) -> str:
    match event.subject:
        case RunSubject(run_id):
            return f"run {run_id}"
        case ModelSubject(model):
            return f"model {model.label}"
        case EndpointSubject(name):
            return f"endpoint {name}"
        case Nothing():
            return ""
