"""Publishes what one event is about, and notes in the ledger what was written."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from shared import qualified_names
from shared.errors import EntityRejectedError, LeaseHeldError, RunNotSettledError
from shared.events import EndpointSubject, Event, ModelSubject, Nothing, RunSubject
from shared.handlers.outcome import DEAD_LETTERED, PUBLISHED, SKIPPED, Outcome
from shared.handlers.plan import MODEL, Plan, Planner, Skip
from shared.lineage.entities import Entity
from shared.ports import Catalog, RunSource, Upserted
from shared.qualified_names import QualifiedName
from shared.state.ports import Leases, Ledger, Row

_TRIES = 3
LEASE = timedelta(minutes=5)
"""How long a worker that died keeps the others waiting; a write with all its retries takes less."""


class Publisher:
    """
    The publish use case.

    May raise whatever planning raises, whatever the ports raise, EntityRejectedError, after everything else was
    written, if the catalog refused some entity, and LeaseHeldError: the catalog has no optimistic locking, so one
    worker at a time writes a run tree.
    """

    def __init__(
        self,
        source: RunSource,
        catalog: Catalog,
        ledger: Ledger,
        leases: Leases,
        *,
        now: Callable[[], datetime],
    ) -> None:
        self._leases = leases
        self._now = now
        self._planner = Planner(source, catalog, ledger, now=now)
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
        if not plan.changed and not force:
            self._note(plan)
            return _unchanged(plan)
        with self._lease(plan.root) as lease:
            if force:
                self._forget(plan)
            if force or self._written_since(started, plan):
                plan = self.plan(event, force=force)
            return self._publish(event, plan, lease)

    def note_failure(self, event: Event, reason: str) -> None:
        """Note that an event was set aside, so that coverage can say why there is no lineage."""
        key = key_of_subject(event)
        if key is not None:
            kind = {RunSubject: "run", ModelSubject: "model", EndpointSubject: "endpoint"}[type(event.subject)]
            row = Row(key, kind, DEAD_LETTERED, reason=reason, event_id=event.id, event_time=event.time)
            self._ledger.put_rows([row])

    def _publish(self, event: Event, plan: Plan | Skip, lease: "_Lease") -> Outcome:
        written = 0
        for _ in range(_TRIES):
            if isinstance(plan, Skip):
                self._ledger.put_rows(plan.rows)
                return Outcome(SKIPPED, _subject_of(event), plan.reason)
            lease.check()
            plan = self._write(event, plan)
            written += len(plan.changed)
            if not self._has_new_models(plan):
                return (
                    Outcome(PUBLISHED, plan.subject, written=written, matches=plan.explained)
                    if written
                    else (_unchanged(plan))
                )
            plan = self.plan(event)
        raise RunNotSettledError(f"{_subject_of(event)}: models keep being registered while it is published")

    def _written_since(self, started: datetime, plan: Plan) -> bool:
        """Whether another worker wrote some of this after we began to read Azure ML; what we read may be older."""
        rows = self._ledger.get_rows(row.key for row in plan.rows)
        return any(row.updated_at is not None and row.updated_at > started for row in rows.values())

    @contextmanager
    def _lease(self, root: QualifiedName) -> "Iterator[_Lease]":
        lease = _Lease(self._leases, str(root), uuid.uuid4().hex)
        if not self._leases.acquire(lease.name, holder=lease.holder, duration=LEASE):
            raise LeaseHeldError(f"{root} is being published by another worker")
        try:
            yield lease
        finally:
            self._leases.release(lease.name, holder=lease.holder)

    def _note(self, plan: Plan) -> None:
        """Note what was found out though nothing was written."""
        self._ledger.put_matches(plan.looked_up)
        self._ledger.put_rows(plan.rows)

    def _write(self, event: Event, plan: Plan) -> Plan:
        """Write a plan, or after a refusal a new one; return the one that was written."""
        # The models of a run are noted before it is written and compared after: of two workers that publish the same
        # run at once, the one that finishes last then knows of what the other added, and writes again.
        self._ledger.add_models(plan.models)
        result = self._catalog.upsert_entities(plan.changed) if plan.changed else None
        if result and result.rejections:
            plan, result = self._write_anew(event, plan, result)
        if result:
            fingerprints = {entity.ref.qualified_name: entity.fingerprint for entity in plan.entities}
            self._ledger.put_fingerprints({name: fingerprints[name] for name in result.guids if name in fingerprints})
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

    def _write_anew(self, event: Event, plan: Plan, refused: Upserted) -> tuple[Plan, Upserted]:
        """
        Write everything once more after a refusal: what the ledger knows may have been deleted in the catalog since.

        A model version that somebody deleted there is left out; replaying its own event brings it back.
        """
        self._forget(plan)
        anew = self.plan(event)
        if isinstance(anew, Skip):
            return plan, refused
        entities = self._without_deleted_models(anew.entities)
        return replace(anew, entities=entities, changed=entities), self._catalog.upsert_entities(entities)

    def _forget(self, plan: Plan) -> None:
        self._ledger.forget_fingerprints(entity.ref.qualified_name for entity in plan.entities)
        self._ledger.forget_matches(plan.matches)

    def _has_new_models(self, plan: Plan) -> bool:
        noted = self._ledger.get_models(plan.models)
        return any(not noted.get(run, frozenset()) <= models for run, models in plan.models.items())

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
    """Our turn to write a run tree."""

    leases: Leases
    name: str
    holder: str

    def check(self) -> None:
        """Extend our turn before each write; we may have been too slow and another may have begun."""
        if not self.leases.renew(self.name, holder=self.holder, duration=LEASE):
            raise LeaseHeldError(f"the lease on {self.name} was lost: another worker has taken it over")


def _unchanged(plan: Plan) -> Outcome:
    return Outcome(SKIPPED, plan.subject, "unchanged since it was last published", matches=plan.explained)


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
