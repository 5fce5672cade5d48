"""Publishes what one event is about, and notes in the ledger what was written."""

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime

from shared.errors import EntityRejectedError, RunNotSettledError
from shared.events import EndpointSubject, Event, ModelSubject, Nothing, RunSubject
from shared.handlers.outcome import DEAD_LETTERED, PUBLISHED, SKIPPED, Outcome
from shared.handlers.plan import MODEL, Plan, Planner, Skip
from shared.lineage.entities import Entity
from shared.ports import Catalog, RunSource, Upserted
from shared.qualified_names import QualifiedName
from shared.state.ports import Ledger

_TRIES = 3


class Publisher:
    """
    The publish use case.

    May raise whatever planning raises, whatever the ports raise, and EntityRejectedError, after everything else was
    written, if the catalog refused some entity.
    """

    def __init__(self, source: RunSource, catalog: Catalog, ledger: Ledger, *, now: Callable[[], datetime]) -> None:
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
        written = 0
        if force and isinstance(plan := self.plan(event, force=True), Plan):
            self._forget(plan)
        for _ in range(_TRIES):
            plan = self.plan(event, force=force)
            if isinstance(plan, Skip):
                self._ledger.put_rows(plan.rows)
                return Outcome(SKIPPED, _subject_of(event), plan.reason)
            plan = self._write(event, plan)
            written += len(plan.changed)
            if not self._has_new_models(plan):
                break
        else:
            raise RunNotSettledError(f"{_subject_of(event)}: models keep being registered while it is published")
        if not written:
            return Outcome(SKIPPED, plan.subject, "unchanged since it was last published", matches=plan.explained)
        return Outcome(PUBLISHED, plan.subject, written=written, matches=plan.explained)

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
