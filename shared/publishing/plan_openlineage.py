"""Publishes runs that OpenLineage events told of: each event adds to what is known, and all of it makes one step."""

import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING

from shared.catalog import qualified_names
from shared.catalog.qualified_names import QualifiedName
from shared.errors import EntityRejectedError, LeaseHeldError
from shared.openlineage.incoming_entities import build_job_run, choose, list_places_of, places_of_data
from shared.openlineage.incoming_events import RunEvent, read_run_event, why_skipped
from shared.openlineage.job_run import JobRun, Part, fold
from shared.places.matching import find_scanned, match_places
from shared.ports import Catalog
from shared.publishing import engine as publish
from shared.publishing.outcome import DEAD_LETTERED, PUBLISHED, SKIPPED, Outcome
from shared.publishing.plan import Plan, Skip
from shared.publishing.plan_azure_ml import STALE
from shared.publishing.rows import explain
from shared.state.ports import Leases, Ledger, Row

if TYPE_CHECKING:
    from shared.intake.handle import AllowList


def read_job_event(body: str, allowed: "AllowList") -> RunEvent | Skip:
    """
    Read an event and check whose it is, before any call is made.

    Raises:
        MalformedEventError, ForeignJobError
    """
    if reason := why_skipped(body):
        return Skip(reason)
    event = read_run_event(body)
    for namespace in event.namespaces:
        workspace = qualified_names.workspace_of(namespace)
        if workspace and allowed.takes(workspace):
            return Skip(f"job.namespace: the runs of workspace {workspace.name} are read from Azure ML itself")
    for namespace in event.namespaces:
        allowed.check_job(namespace)
    return event


class JobRuns:
    """
    The use case. May raise whatever its ports raise, EntityRejectedError, and LeaseHeldError: one worker at a time
    writes a step.
    """

    def __init__(self, catalog: Catalog, ledger: Ledger, leases: Leases, *, now: Callable[[], datetime]) -> None:
        self._catalog = catalog
        self._ledger = ledger
        self._leases = leases
        self._now = now

    def plan(self, event: RunEvent) -> Plan | Skip:
        """Work out what publishing would write, writing nothing."""
        return self._plan(event, (event.part,) if event.part else ())

    def publish(self, event: RunEvent, *, force: bool = False) -> Outcome:
        """
        Add an event to its run and bring the catalog up to date with that.

        The part is stored before our turn is taken: whoever has the last turn sees the parts of all. So where the
        catalog has it all already, or there is nothing to show, nobody waits: a notebook's events come together.
        """
        key = _key(event)
        if event.part:
            self._ledger.add_facts(key, [event.part.to_json()])
        plan = self._plan(event, ())
        if isinstance(plan, Plan) and not force and self._is_known(plan):
            self._ledger.put_matches(plan.looked_up)
            return _outcome(plan)
        holder = uuid.uuid4().hex
        if self._leases.acquire(key, holder=holder, duration=publish.LEASE) is None:
            if isinstance(plan, Skip):
                return Outcome(SKIPPED, _subject(event), plan.reason)
            raise LeaseHeldError(f"{key} is being published by another worker")
        try:
            plan = self._plan(event, ())
            if isinstance(plan, Skip):
                self._ledger.put_rows(plan.rows)
                return Outcome(SKIPPED, _subject(event), plan.reason)
            if force:
                plan = self._forget(event, plan)
            return self._write(event, plan, lambda: self._renew(key, holder))
        finally:
            self._leases.release(key, holder=holder)

    def _is_known(self, plan: Plan) -> bool:
        """Whether the catalog has all of a plan, and the ledger's row says the same of it."""
        row = self._ledger.get_rows([plan.root]).get(plan.root) if not plan.changed else None
        return row is not None and row.outcome == PUBLISHED and row.matches == plan.rows[0].matches

    def note_failure(self, event: RunEvent, reason: str) -> None:
        """Note that an event was set aside, so that `lineage status` can say why there is no lineage."""
        row = Row(_key(event), "run", DEAD_LETTERED, reason=reason, event_id=event.id, event_time=event.time)
        self._ledger.put_rows([row])

    def _plan(self, event: RunEvent, more: tuple[Part, ...]) -> Plan | Skip:
        key = _key(event)
        known = tuple(Part.from_json(text) for text in self._ledger.get_facts(key))
        run = fold(event.run, (*known, *more))
        if reason := run.why_nothing:
            return Skip(f"run {run.id.run_id}: {reason}", (self._row(event, run, SKIPPED, reason=reason),))
        data = places_of_data(run)
        places = list_places_of(data)
        remembered = self._ledger.get_matches((place.ref for place in places), placeholders_since=self._now() - STALE)
        unknown = [place for place in places if place.ref not in remembered]
        looked_up = match_places(unknown, find_scanned(self._catalog, unknown)[1]) if unknown else {}
        matches = {**remembered, **looked_up}
        entities = build_job_run(run, data, matches)
        before = {
            **self._ledger.get_fingerprints(
                each.ref.qualified_name for each in entities if each.ref.qualified_name != key
            ),
            **self._ledger.get_tree(key).fingerprints,
        }
        touched = {choose(each, matches).ref for each in data.values()}
        row = replace(
            self._row(event, run, PUBLISHED),
            matches=explain({ref: match for ref, match in matches.items() if ref in touched}),
            evidence=next(each.evidence for each in entities if each.ref.qualified_name == key),
        )
        changed = tuple(each for each in entities if before.get(each.ref.qualified_name) != each.fingerprint)
        return Plan(_subject(event), key, entities, changed, (row,), matches, looked_up)

    def _row(self, event: RunEvent, run: JobRun, outcome: str, *, reason: str = "") -> Row:
        return Row(
            _key(event), "run", outcome, reason=reason, status=run.status, event_id=event.id, event_time=event.time
        )

    def _write(self, event: RunEvent, plan: Plan, before_each: Callable[[], None]) -> Outcome:
        result = self._catalog.upsert_entities(plan.changed, before_each=before_each) if plan.changed else None
        if result and result.rejections:  # somebody may have deleted in the catalog what the ledger knows
            anew = self._forget(event, plan)
            result = self._catalog.upsert_entities(anew.changed, before_each=before_each)
            plan = anew
        if result:
            written = {
                each.ref.qualified_name: each.fingerprint
                for each in plan.entities
                if each.ref.qualified_name in result.guids
            }
            step = written.pop(plan.root, None)
            self._ledger.put_fingerprints(written)
            self._ledger.add_to_tree(plan.root, fingerprints={plan.root: step} if step else {})
        self._ledger.put_matches(plan.looked_up)
        if result and result.rejections:
            reason = result.rejections.get(plan.root, "an entity it needs was refused")
            self._ledger.put_rows(replace(row, outcome=DEAD_LETTERED, reason=reason) for row in plan.rows)
            raise EntityRejectedError({str(name): words for name, words in result.rejections.items()})
        self._ledger.put_rows(plan.rows)
        return _outcome(plan)

    def _forget(self, event: RunEvent, plan: Plan) -> Plan:
        """Forget what the ledger knows of the catalog, and plan to write everything."""
        self._ledger.forget_fingerprints(each.ref.qualified_name for each in plan.entities)
        self._ledger.forget_tree(plan.root)
        self._ledger.forget_matches(plan.matches)
        anew = self._plan(event, ())
        return plan if isinstance(anew, Skip) else anew

    def _renew(self, key: QualifiedName, holder: str) -> None:
        if not self._leases.renew(key, holder=holder, duration=publish.LEASE):
            raise LeaseHeldError(f"the lease on {key} was lost: another worker has taken it over")


def _key(event: RunEvent) -> QualifiedName:
    return qualified_names.of_job_run(event.run.namespace, event.run.run_id)


def _subject(event: RunEvent) -> str:
    return f"job run {event.run.run_id}"


def _outcome(plan: Plan) -> Outcome:
    about = (plan.subject, "" if plan.changed else "unchanged since it was last published")
    return Outcome(
        PUBLISHED if plan.changed else SKIPPED, *about, len(plan.changed), matches=plan.explained, rules=plan.rules
    )
