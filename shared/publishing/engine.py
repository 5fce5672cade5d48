"""Publishes what planners plan and notes it in the ledger, always in the same order, one worker a tree."""

import logging
import random
import time
import uuid
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from threading import Event as Flag
from threading import Lock, RLock, Thread
from typing import Any, Self
from weakref import WeakValueDictionary

from shared.catalog import qualified_names
from shared.catalog.downstream import NOTHING, Downstream
from shared.catalog.entities import DELETED, STATE, UNSCANNED, Entity
from shared.catalog.kinds import MODEL
from shared.catalog.qualified_names import QualifiedName, is_of_run
from shared.errors import ClaimHeldError, EntityRejectedError, LeaseHeldError
from shared.intake.event_types import Event, RunSubject
from shared.intake.synthetic_events import event_about_key
from shared.model import SETTLED
from shared.openlineage.incoming_events import RunEvent
from shared.places.matching import MatchKind, is_scanned
from shared.ports import Catalog, RunSource, Upserted
from shared.publishing.announce import Announcer
from shared.publishing.labels import ClassificationLabels, list_labelled
from shared.publishing.places_around import find_readers
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
    begun_name,
    is_data_asset,
    is_of_tree,
    root_of,
    row_of,
    take_away,
    used_name,
)
from shared.publishing.plan_azure_ml import AzureMlPlanner
from shared.publishing.plan_marks import Mark, MarkPlanner
from shared.publishing.plan_openlineage import JobRunPlanner
from shared.redaction import redact_text
from shared.state.ports import Leases, Ledger, Look, Placeholder, Row

logger = logging.getLogger(__name__)

_PATIENCE = 30.0
"""Seconds that a thread waits for another one with the same run tree; then it reads it, too."""
ROUNDS = 50
"""So often one message goes on with what others left for it; what is left then, the next of them does."""
LEASE = timedelta(minutes=1)
"""How long a worker that died keeps the others waiting; one that lives renews it."""
_RENEWALS = 3
"""In the time of one lease; an attempt that is over by the first of them pays for none."""
_CLAIM_WAIT, _CLAIM_TRIES = (0.05, 0.25), 12
"""Seconds to wait for what another worker creates, which takes a request or two, and how often."""
_LONGEST = 30 * 60.0
"""Seconds for which a lease is renewed: as long as a function may run, should one hang for ever."""


@dataclass
class WriterLease:
    """
    Names that no other worker holds until the end of a `with` block, however long that takes.

    A thread renews them. Where it cannot, they end by themselves `duration` after the last renewal: so a `check` comes
    before each request that writes.

    Attributes:
        previous_end: when another worker last held one of them; None if none did.
    """

    leases: Leases
    duration: timedelta
    now: Callable[[], datetime]
    names: list[str] = field(default_factory=list)
    previous_end: datetime | None = None
    holder: str = field(default_factory=lambda: uuid.uuid4().hex)
    _renewed_at: datetime | None = field(default=None, init=False)
    _alone: Any = field(default_factory=Lock, init=False)
    """For the one that renews: of two at once, the second would find the first one's tag and believe it lost."""
    _is_over: Flag = field(default_factory=Flag, init=False)

    @classmethod
    def take(
        cls, leases: Leases, names: Iterable[str], *, now: Callable[[], datetime], duration: timedelta | None = None
    ) -> Self:
        """
        Take a lease on all of some names.

        Raises:
            LeaseHeldError: another worker holds one of them; none is ours.
        """
        lease = cls(leases, duration or LEASE, now)
        lease._renewed_at = now()
        try:
            for name in names:  # no worker waits for another while holding one, so their order does not matter
                lease._add(name)
        except BaseException:
            lease.release()
            raise
        Thread(target=lease._keep, name="lease", daemon=True).start()
        return lease

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.release()

    def check(self) -> None:
        """
        Make sure that the lease lasts for long enough to send a request; we may have been too slow, and another begun.

        Raises:
            LeaseHeldError: another worker has taken it over.
        """
        with self._alone:
            age = self.now() - self._renewed_at if self._renewed_at else self.duration
            if not timedelta(0) <= age < self.duration / _RENEWALS:
                self._renew()

    def claim(self, names: Iterable[str]) -> None:
        """
        Take a lease on names too, which most likely no one has, with what is written together with it.

        Raises:
            ClaimHeldError: another worker has one of them.
        """
        new = sorted({*names} - {*self.names})
        if new:
            self.leases.claim(new, holder=self.holder, duration=self.duration)
            self.names = [*self.names, *new]  # no lock: where one writes at a time, who renews would wait for us

    def was_held_since(self, moment: datetime) -> bool:
        """Whether another worker held it, or part of it, after a time."""
        return self.previous_end is not None and self.previous_end >= moment

    def stop_renewing(self) -> None:
        """
        Renew it for the last time: it is given up soon, together with what is written then.

        Where one writes at a time, as in SQLite, a thread that renews it would wait for that write, and that for it.
        """
        self.check()
        self._is_over.set()
        with self._alone:
            pass

    def release(self) -> None:
        """Let others take it."""
        self._is_over.set()
        with self._alone:
            self.leases.release(self.names, holder=self.holder)

    def _keep(self) -> None:
        """Renew it in time, until it is released or lost."""
        pause = self.duration.total_seconds() / _RENEWALS
        for _ in range(int(_LONGEST / pause)):
            if self._is_over.wait(pause):
                return
            with self._alone:
                if self._is_over.is_set():
                    return
                try:
                    self._renew()
                except LeaseHeldError:
                    return  # the next check says so
                except Exception as error:  # noqa: BLE001 - it is not swallowed: the next check tries again, and raises
                    logger.warning(
                        "a lease could not be renewed",
                        extra={"detail": f"{type(error).__name__}: {redact_text(str(error))}"},
                    )

    def _renew(self) -> None:
        now, self._renewed_at = self.now(), None
        if not self.leases.renew(self.names, holder=self.holder, duration=self.duration):
            raise LeaseHeldError(f"a lease on {', '.join(self.names)} was lost: another worker has taken it over")
        self._renewed_at = now

    def _add(self, name: str) -> None:
        taken = self.leases.acquire(name, holder=self.holder, duration=self.duration)
        if taken is None:
            raise LeaseHeldError(f"{name} is being published by another worker")
        self.names.append(name)
        self.previous_end = max(filter(None, (self.previous_end, taken.previous_end)), default=None)


class Publisher:
    """
    The publish use case, of Azure ML's events, of runs that OpenLineage reports, and of marks.

    May raise whatever planning raises, whatever the ports raise, EntityRejectedError, after everything else was
    written, if the catalog refused some entity, and LeaseHeldError: one worker at a time writes a run tree. What
    the catalog has is sent to others last; if that fails, what is written stays written, and publishing again sends
    the rest. AnnouncementRefusedError: the receiver refused an event.

    Attributes:
        claim_tries: how often one waits, for a moment, for what another worker creates, before its message comes back.
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
        is_held: Callable[[str], bool] = lambda _: False,
        publish_again: Callable[[Sequence[str]], None] = lambda _: None,
        mark_again: Callable[[Collection[QualifiedName]], None] = lambda _: None,
    ) -> None:
        """
        Args:
            is_held: whether Azure ML itself says who wrote what has a name; then no sender of OpenLineage is believed.
            publish_again: puts synthetic events on the queue, about runs that read what was written now.
            mark_again: takes the names of runs that have lost the mark of being archived now.
        """
        self._catalog = catalog
        self._ledger = ledger
        self._leases = leases
        self._now = now
        self._labels = labels
        self._announcer = announcer
        self._is_held = is_held
        self._publish_again = publish_again
        self._mark_again = mark_again
        self.claim_tries = _CLAIM_TRIES
        self._trees: WeakValueDictionary[QualifiedName, Any] = WeakValueDictionary()  # locks, as long as one is used
        self._trees_guard = Lock()
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
        try:
            return self._publish_all(self._planner_of(event), event, force=force)
        finally:
            self._ledger.forget_read_ahead()

    def _publish_all(self, planner: Planner, event: AnyEvent | Mark, *, force: bool) -> Outcome:
        """Publish, and go on with what others left for us meanwhile."""
        planner.add_fact()
        with self._after_the_same_tree(event):
            outcome, leased = self._publish(planner, force=force)
        for _ in range(ROUNDS):
            if leased is None or not self._was_left_more(leased):
                break
            try:
                again, leased = self._publish(planner, force=False)
            except LeaseHeldError:
                break  # who has it now planned after we let it go, and sees what was left for us
            outcome = replace(outcome, written=outcome.written + again.written)
        return outcome

    @contextmanager
    def _after_the_same_tree(self, event: AnyEvent | Mark) -> Iterator[None]:
        """
        Let a thread that would read a run tree wait for the one that publishes it: what that wrote need not be read.

        This saves requests only; what keeps two workers from writing one tree is its lease.
        """
        if not isinstance(event, Event) or not isinstance(subject := event.subject, RunSubject):
            yield
            return
        key = qualified_names.of_run(event.workspace, subject.parent_pipeline or subject.run_id)
        with self._trees_guard:
            lock = self._trees.setdefault(key, RLock())
        waited = lock.acquire(timeout=_PATIENCE)
        try:
            yield
        finally:
            if waited:
                lock.release()

    def _publish(self, planner: Planner, *, force: bool) -> tuple[Outcome, Plan | None]:
        """Publish, and return the plan too if it took a lease: others may have left something to do meanwhile."""
        started = self._now()
        plan = planner.plan(force=force)
        if not self._needs_lease(plan, force=force):
            self._note(plan)
            self._fold(plan)
            return _outcome_of(planner, plan), None
        try:
            lease, prepared = self._take(plan, started, force=force)
        except ClaimHeldError:
            raise  # what it creates may be what we would leave
        except LeaseHeldError:
            if isinstance(plan, Skip):  # all facts together show nothing yet, and the other worker notes that
                return _outcome_of(planner, plan), None
            self._leave(plan)
            raise
        with lease:
            if force and isinstance(plan, Plan):
                self._forget(plan)
            # If it is not good any more, what we read may be older than what the other worker wrote.
            plan = prepared or _taking_away(planner.plan(force=force), plan)
            if isinstance(plan, Skip) or not plan.changes_something:
                self._note(plan)
            else:
                plan = self._write(planner, plan, lease, is_prepared=plan is prepared)
            if isinstance(plan, Plan) and self._announcer:  # under the lease: in the order of what was written
                self._announcer.send(self._announcer.list_unsent(plan, force=force), before_some=lease.check)
            self._fold(plan)
        was_wanted = [self._leases.was_wanted(name, holder=lease.holder) for name in lease.names]
        return _outcome_of(planner, plan), plan if isinstance(plan, Plan) and any(was_wanted) else None

    def _take(self, plan: Plan | Skip, started: datetime, *, force: bool) -> tuple[WriterLease, Plan | Skip | None]:
        """
        Take the lease, and note along with it what is noted before the catalog is written.

        Who finds that another creates what it would create waits for that, holding nothing, and leaves out what is
        written by then.

        Returns:
            The lease, and the plan if it is still good; otherwise nothing was noted.
        """
        for _ in range(self.claim_tries):
            try:
                return self._take_now(plan, started, force=force)
            except ClaimHeldError:
                time.sleep(random.uniform(*_CLAIM_WAIT))  # noqa: S311 - no secret: two that wait do not meet again
                plan = self._without_created(plan)
        return self._take_now(plan, started, force=force)

    def _take_now(self, plan: Plan | Skip, started: datetime, *, force: bool) -> tuple[WriterLease, Plan | Skip | None]:
        try:
            with ExitStack() as stack:
                with self._ledger.together():
                    lease = stack.enter_context(WriterLease.take(self._leases, plan.roots, now=self._now))
                    is_good = not (force or plan.from_facts or lease.was_held_since(started))
                    if is_good and isinstance(plan, Plan) and plan.changes_something:
                        self._note_before(plan, lease)
                stack.pop_all()
                return lease, plan if is_good else None
        except ClaimHeldError:
            raise
        except LeaseHeldError:  # or what was read of the tree has changed
            return WriterLease.take(self._leases, plan.roots, now=self._now), None

    def _without_created(self, plan: Plan | Skip) -> Plan | Skip:
        """Leave out of a plan what another worker has created since, and has noted."""
        if isinstance(plan, Skip):
            return plan
        known = self._ledger.get_fingerprints(_list_created(plan))
        left = (each for each in plan.changed if not each.is_as(known.get(each.ref.qualified_name, "")))
        return replace(plan, changed=take_away(left, known), before={**plan.before, **known})

    def _fold(self, plan: Plan | Skip) -> None:
        """Note facts as one, once what they make together was noted."""
        if folding := plan.folding:
            self._ledger.fold_facts(folding.run, folding.facts, into=folding.whole)

    def _leave(self, plan: Plan) -> None:
        """
        Leave the model of an event for the worker that is writing its run: it looks once more when it is done.

        The model itself is written here, since nothing that others write depends on when that happens.
        """
        if plan.made is None:
            return
        name = plan.made.model.ref.qualified_name
        own = [entity for entity in plan.changed if entity.ref.qualified_name == name]
        if own:
            with WriterLease.take(self._leases, [], now=self._now) as lease:
                lease.claim([name])
                written = self._catalog.upsert_entities(own, known=plan.before, before_each=lease.check)
                if name not in written.guids:
                    return  # it comes back, and is refused with all that belongs to it
                self._ledger.put_fingerprints({name: plan.made.model.note(plan.before.get(name, ""))})
        owner = plan.owners.get(plan.made.run, plan.root)
        self._ledger.add_to_tree(owner, models={plan.made.run: [name]})

    def _was_left_more(self, plan: Plan) -> bool:
        """Whether others found our lease taken meanwhile and left models of the runs that we wrote."""
        if not plan.models:
            return False
        left = (self._ledger.get_tree(root).models for root in plan.roots)
        return any(names - plan.models.get(run, names) for models in left for run, names in models.items())

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
        is_known = row.outcome == SKIPPED or (row.outcome == PUBLISHED and row.status.casefold() in SETTLED)
        if is_known:
            self._ledger.forget_read_ahead()
        return is_known

    def note_failure(self, event: AnyEvent, reason: str) -> None:
        """
        Note that an event was dead-lettered, so that coverage can say why there is no lineage.

        What was published stays so: a later event about it may fail, and the catalog has all that is known of it.
        """
        about = self._planner_of(event).about
        row = self._ledger.get_rows([about.key]).get(about.key) if about else None
        if about and (row is None or row.outcome != PUBLISHED):
            self._ledger.put_rows([row_of(event, about.key, about.kind, DEAD_LETTERED, reason=reason)])

    def retire(self, deleted: Row) -> bool:
        """
        Remove from the catalog what is marked as deleted, and forget it; returns whether it still was so.

        The entity goes first: if we die in between, the next one finds none, and forgets the rest.
        """
        root = root_of(deleted)
        with WriterLease.take(self._leases, [root], now=self._now) as lease:
            row = self._ledger.get_rows([deleted.key]).get(deleted.key)
            if row is None or row.status != DELETED:
                return False  # it is back, and was published again
            for found in self._catalog.find([row.key]).values():
                lease.check()
                self._catalog.remove_entity(found)
            self._ledger.index_uses([], forget=self._ledger.get_tree(root).uses.get(row.key, ()))
            waiting = (name for name, kind in row.matches.items() if kind == MatchKind.PLACEHOLDER.value)
            self._ledger.forget_placeholders(Placeholder(QualifiedName(name), root, row.key) for name in waiting)
            if is_of_tree(row.key):
                self._ledger.forget_tree(root)
            else:
                self._ledger.forget_fingerprints([row.key])
            self._ledger.forget_rows([row.key])
        return True

    def _planner_of(self, event: AnyEvent | Mark) -> Planner:
        match event:
            case Event():
                return self._azure_ml(event)
            case RunEvent():
                return JobRunPlanner(self._catalog, self._ledger, self._now, event, self._is_held)
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
        if isinstance(plan, Skip):
            self._ledger.put_rows(plan.rows)
            return
        with self._ledger.together():
            if plan.again:
                self._note_models(plan)
            self._ledger.put_matches(plan.looked_up)
            if any(match.kind is MatchKind.PLACEHOLDER for match in plan.looked_up.values()):
                self._ledger.add_placeholders(plan.placeholders)
            self._index(plan)
        self._publish_readers(plan)
        with self._ledger.together():
            self._ledger.add_to_tree(plan.root, uses=plan.uses)
            self._ledger.put_rows(_root_last(plan))
        self._publish_others(plan)

    def _note_before(self, plan: Plan, lease: WriterLease) -> None:
        """
        Note what must be known before the catalog is written, and claim what is created there.

        If we die in between, the next worker knows of the models; and what is written and then interrupted comes back
        as unchanged, so the look and the places that wait for a scan are noted, too.
        """
        if plan.partial:
            return
        lease.claim(_list_created(plan))
        self._note_models(plan)
        written = [entity.ref.qualified_name for entity in plan.changed]
        if plan.digest is not None and any(is_of_run(name) or name == plan.root for name in written):
            self._ledger.put_look(Look(plan.root, self._now() + LOOKS[0], digest=plan.digest))
        self._index(plan)
        self._ledger.put_matches(plan.looked_up)
        self._ledger.add_placeholders(plan.placeholders)

    def _index(self, plan: Plan) -> None:
        """Let others find what runs wrote and read, before the catalog is written: of two, the later one finds both."""
        if plan.uses:
            self._ledger.index_uses(plan.new_uses, forget=plan.past_uses)

    def _publish_readers(self, plan: Plan) -> None:
        """Publish again what may have read the places that were written, before these are noted with the tree."""
        if readers := set(find_readers(self._ledger, plan.changed_outputs)) - plan.uses.keys():
            self._publish_again([event_about_key(key, now=self._now()) for key in sorted(readers)])

    def _write(self, planner: Planner, plan: Plan, lease: WriterLease, *, is_prepared: bool) -> Plan:
        """Write a plan, or after a refusal a new one; return the one that was written."""
        if plan.partial:
            return self._write_partial(plan, lease)
        if not is_prepared:
            with self._ledger.together():
                self._note_before(plan, lease)
        prepared = plan
        batches = _Batches(partial(self._note_batch, plan))
        lease.check()
        try:
            result = self._catalog.upsert_entities(
                plan.changed, known=plan.before, before_each=lease.check, after_each=batches.add
            )
            if result.rejections:
                plan, result = self._write_again(planner, plan, result, lease)
                batches.noted.clear()
            lease.check()
            self._take_away_links(plan)
            if self._labels:  # before anything is noted: if this fails, the message comes back and writes again
                self._labels.refresh(list_labelled(plan.entities))
            if taken := [entity.ref.qualified_name for entity in plan.changed if entity.attributes.get(STATE) == ""]:
                self._mark_again(taken)
            self._publish_readers(plan)
            rejections = result.rejections
            is_over = self._announcer is None and plan.folding is None  # else what follows is done under the lease
            if is_over:
                lease.stop_renewing()
            with self._ledger.together():
                self._note_written(plan, result.guids.keys() - batches.noted)
                self._ledger.add_to_tree(plan.root, uses=plan.uses)
                if plan is not prepared:
                    self._ledger.put_matches(plan.looked_up)
                    self._ledger.add_placeholders(plan.placeholders)
                self._ledger.put_rows(_rows_after_refusal(plan, rejections) if rejections else _root_last(plan))
                if is_over:
                    lease.release()
        except LeaseHeldError as error:
            self._forget(plan)  # of what was noted as written, our last request may have undone some
            error.overwrote = True
            raise
        if rejections:
            raise EntityRejectedError({str(name): words for name, words in rejections.items()})
        self._publish_others(plan)
        return plan

    def _note_models(self, plan: Plan) -> None:
        for root in plan.roots:
            if models := {run: names for run, names in plan.models.items() if plan.owners.get(run) == root}:
                self._ledger.add_to_tree(root, models=models)

    def _publish_others(self, plan: Plan) -> None:
        """Publish runs again that lose a model; they see in its row, which is there by now, whose it is."""
        if plan.again:
            self._publish_again([event_about_key(key, now=self._now()) for key in plan.again])

    def _write_partial(self, plan: Plan, lease: WriterLease) -> Plan:
        known_names = [entity.ref.qualified_name for entity in plan.changed]
        result = self._catalog.upsert_entities(plan.changed, known=known_names, before_each=lease.check)
        # If it comes back just as it was, its old fingerprint must not keep it from being written.
        by_name = {entity.ref.qualified_name: entity for entity in plan.changed}
        of_tree = {name: entity for name, entity in by_name.items() if is_of_tree(name)}
        known = self._ledger.get_tree(plan.root).fingerprints if of_tree else {}
        others = by_name.keys() - of_tree.keys()
        shared = self._ledger.get_fingerprints(others)
        with self._ledger.together():
            self._ledger.add_to_tree(
                plan.root,
                fingerprints={
                    name: entity.note_mark(known.get(name, ""), until_written=True) for name, entity in of_tree.items()
                },
            )
            self._ledger.put_fingerprints(
                {
                    # The row of a model keeps its mark, until reconciling finds that it is restored.
                    name: entity.note_mark(shared.get(name, ""), until_written=entity.ref.type_name != MODEL)
                    for name, entity in by_name.items()
                    if name in others
                }
            )
        if rejections := result.rejections:  # what it was refused for is noted nowhere as done
            raise EntityRejectedError({str(name): words for name, words in rejections.items()})
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
            if UNSCANNED in end.labels and not is_scanned(end) and not self._catalog.is_linked(end):
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
        created = _list_created(replace(again, changed=entities))
        lease.claim({*created} - {*self._catalog.find(created)} if created else ())
        written = self._catalog.upsert_entities(entities, before_each=lease.check)
        return replace(again, entities=entities, changed=entities, before=plan.before, gone=plan.gone), written

    def _note_written(self, plan: Plan, names: Collection[QualifiedName]) -> None:
        used = {used_name(each.ref.qualified_name): str(plan.root) for each in plan.entities if is_data_asset(each.ref)}
        self._note_entities(plan, names, used)

    def _note_batch(self, plan: Plan, names: Collection[QualifiedName]) -> None:
        """Note what a part of a large plan has written, and that there is more to come."""
        with self._ledger.together():
            self._ledger.add_to_tree(plan.root, fingerprints={begun_name(plan.root): "1"})
            self._note_entities(plan, names, {})

    def _note_entities(self, plan: Plan, names: Collection[QualifiedName], used: Mapping[QualifiedName, str]) -> None:
        """Note what entities were when they were written just now, so that they are not written again."""
        written = {
            entity.ref.qualified_name: entity.note(plan.before.get(entity.ref.qualified_name, ""))
            for entity in plan.entities
            if entity.ref.qualified_name in names
        }
        written |= used
        of_tree = {name: each for name, each in written.items() if is_of_tree(name)}
        with self._ledger.together():
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


@dataclass(slots=True)
class _Batches:
    """
    Notes what was written of a large plan, so that an attempt that fails goes on from there.

    Not the last batch: it is noted when all that follows from the plan is done, and is written again until then.
    """

    note: Callable[[Collection[QualifiedName]], None]
    last: Collection[QualifiedName] = ()
    noted: set[QualifiedName] = field(default_factory=set)

    def add(self, guids: Mapping[QualifiedName, str]) -> None:
        """Take the next batch, and note the one before."""
        if self.last:
            self.note(self.last)
            self.noted.update(self.last)
        self.last = set(guids)


def _list_created(plan: Plan) -> list[QualifiedName]:
    """
    Name what a plan may create that another may create, too: of two requests at once, each would make one of its own.

    What belongs to the root is written under its lease.
    """
    names = (each.ref.qualified_name for each in plan.changed)
    return sorted(
        name
        for name in names
        if name not in plan.before
        and not is_of_run(name)
        and not any(name == root or name.startswith(f"{root}/") for root in plan.roots)
    )


def _root_last(plan: Plan) -> list[Row]:
    """Return the rows; an event that comes again believes the one of the root, so that all else is noted before it."""
    return sorted(plan.rows_with_root, key=lambda row: row.key == plan.root)


def _rows_after_refusal(plan: Plan, rejections: Mapping[QualifiedName, str]) -> Iterator[Row]:
    """Say what became of each row; what was written is published, though something that describes it was refused."""
    entities = {entity.ref.qualified_name for entity in plan.entities}
    is_whole = rejections.keys().isdisjoint(row.key for row in plan.rows)
    for row in plan.rows:
        is_refused = row.key in rejections or (row.key not in entities and not is_whole)
        reason = rejections.get(row.key, "a part of it was refused")
        yield replace(row, outcome=DEAD_LETTERED, reason=reason) if is_refused else row


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
