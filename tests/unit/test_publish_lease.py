"""Publish takes turns: the catalog has no optimistic locking, so one worker at a time writes a run tree."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Event as Flag
from typing import Any

import pytest

from shared.catalog.entities import Entity
from shared.catalog.qualified_names import QualifiedName
from shared.errors import ClaimHeldError, LeaseHeldError, ServiceUnavailableError
from shared.intake.event_types import ModelSubject, RunSubject, Subject
from shared.model import AssetId, RunTree
from shared.publishing import engine
from shared.publishing.engine import LEASE, Publisher, WriterLease
from shared.publishing.plan import Outcome
from shared.state.ports import Lease, Row
from shared.state.sqlite import Database, SqliteLeases, SqliteLedger
from tests.harness.fakes import FakeCatalog, FakeClock, FakeRunSource, FakeWritten
from tests.unit.examples import LAKE_URL, WORKSPACE, answers, at, event, model, run, short, tree, ws

ROOT, MODEL = ws("runs/train"), ws("models/churn/versions/1")
TRAINED = RunSubject("train")
REGISTERED = ModelSubject(AssetId("models", "churn", "1"))
ANSWERS = answers(
    tree(run("train", inputs={"raw": at("raw/")}, outputs={"out": at("out/")})),
    tree(run("other", inputs={"raw": at("raw/")}, outputs={"out": at("else/")})),
    **{"model churn:1": model("churn"), "producer churn:1": "train"},
)


Steps = Sequence[Callable[[], object]]
"""What happens at a certain point, in order."""


class Watched(SqliteLeases):
    """Leases where something happens right before and after a turn is asked for, or when it is made to last longer."""

    before_acquire: Steps = ()
    after_acquire: Steps = ()
    on_renew: Steps = ()
    before_claims: tuple[Callable[[], object], ...] = ()
    """What happens before the first claim, the second, and so on."""
    claimed: tuple[str, ...] = ()

    def claim(self, names: Sequence[str], *, holder: str, duration: timedelta) -> None:
        if self.before_claims:
            step, *self.before_claims = self.before_claims  # type: ignore[assignment]
            step()
        super().claim(names, holder=holder, duration=duration)
        self.claimed += tuple(names)

    def acquire(self, name: str, *, holder: str, duration: timedelta) -> Lease | None:
        for step in self.before_acquire:
            step()
        lease = super().acquire(name, holder=holder, duration=duration)
        for step in self.after_acquire:
            step()
        return lease

    def renew(self, names: Sequence[str], *, holder: str, duration: timedelta) -> bool:
        for step in self.on_renew:
            step()
        return super().renew(names, holder=holder, duration=duration)


class SlowCatalog(FakeCatalog):
    """Something happens during each write."""

    during_write: Steps = ()

    def upsert_entities(
        self,
        entities: Iterable[Entity],
        *,
        known: Collection[QualifiedName] = (),
        before_each: Callable[[], None] = lambda: None,
        after_each: Callable[[Mapping[QualifiedName, str]], None] = lambda _: None,
    ) -> FakeWritten:
        before_each()
        for step in self.during_write:
            step()
        return super().upsert_entities(entities, after_each=after_each)


class Desk:
    """A worker, and all that it shares with its rivals."""

    def __init__(self, database: Database, clock: FakeClock) -> None:
        self.clock = clock
        self.source, self.catalog, self.ledger = FakeRunSource(ANSWERS), SlowCatalog(), SqliteLedger(database)
        self.leases, self.rivals = Watched(database), SqliteLeases(database)

    def publish(self, subject: Subject = TRAINED, *, force: bool = False, claim_tries: int = 1) -> Outcome:
        publisher = Publisher(self.source, self.catalog, self.ledger, self.leases, now=self.clock)
        publisher.claim_tries = claim_tries
        return publisher.publish(event(subject), force=force)

    def rival_takes(self) -> bool:
        return self.rivals.acquire(ROOT, holder="rival", duration=LEASE) is not None

    def rival_has(self) -> bool:
        return self.rivals.renew([ROOT], holder="rival", duration=LEASE)

    def rival_publishes(self, subject: Subject) -> None:
        publisher = Publisher(FakeRunSource(ANSWERS), self.catalog, self.ledger, self.rivals, now=self.clock)
        assert publisher.publish(event(subject)).outcome == "published"

    def passes(self, time: timedelta) -> None:
        self.clock.time += time


@pytest.fixture
def desk() -> Iterator[Desk]:
    clock = FakeClock()
    database = Database(":memory:", now=clock)
    yield Desk(database, clock)
    database.close()


@pytest.mark.parametrize("force", [False, True])
@pytest.mark.parametrize("subject", [TRAINED, REGISTERED], ids=["run", "model of that run"])
def test_tree_that_another_worker_is_writing_is_left_alone(desk: Desk, subject: Subject, force: bool) -> None:
    """The message comes back; of the tree, neither catalog nor ledger has anything, and the lease is still theirs."""
    assert desk.rival_takes()
    with pytest.raises(LeaseHeldError, match=f"{ROOT} is being published"):
        desk.publish(subject, force=force)
    left = [MODEL] if subject == REGISTERED else []
    assert (desk.catalog.sent, desk.ledger.list_rows("run")) == ([left] if left else [], [])
    assert desk.ledger.get_tree(ROOT).models == ({ROOT: frozenset(left)} if left else {})
    assert desk.rival_has()


def test_other_trees_are_not_kept_waiting(desk: Desk) -> None:
    """A lease is on one root."""
    desk.rival_takes()
    assert desk.publish(RunSubject("other")).outcome == "published"


def test_pipeline_that_reuses_a_step_waits_for_the_writer_of_the_pipeline_it_ran_in(desk: Desk) -> None:
    """The step is written by both; its models would be lost to the slower one. What was held already is given back."""
    reusing = RunTree(WORKSPACE, "again", "Completed", (run("train", outputs={"out": at("out/")}, root_id="train"),))
    desk.source.answers |= {"run again": reusing}
    desk.rival_takes()
    with pytest.raises(LeaseHeldError, match=f"{ROOT} is being published"):
        desk.publish(RunSubject("again"))
    assert (desk.catalog.sent, desk.rival_has()) == ([], True)
    assert desk.rivals.acquire(ws("runs/again"), holder="rival", duration=LEASE) is not None


def test_event_that_changes_nothing_needs_no_turn(desk: Desk) -> None:
    """Most events announce what was written already; they must not queue up behind a writer."""
    desk.publish()
    desk.rival_takes()
    assert desk.publish().outcome == "skipped"


def test_turn_lost_before_the_write_writes_nothing(desk: Desk) -> None:
    """We were so slow that another worker has begun; two writing at once could undo each other."""
    desk.leases.after_acquire = [lambda: desk.passes(LEASE), desk.rival_takes]
    with pytest.raises(LeaseHeldError, match="lost"):
        desk.publish()
    assert (desk.catalog.sent, desk.ledger.list_rows("run"), desk.rival_has()) == ([], [], True)


def test_turn_is_made_to_last_when_the_write_begins(desk: Desk) -> None:
    """Planning under the lease took most of it; no other worker may begin during the write."""
    taken: list[bool] = []
    desk.leases.after_acquire = [lambda: desk.passes(LEASE - timedelta(seconds=1))]
    desk.catalog.during_write = [lambda: desk.passes(timedelta(seconds=2)), lambda: taken.append(desk.rival_takes())]
    assert (desk.publish().outcome, taken) == ("published", [False])


def test_short_attempt_renews_nothing(desk: Desk) -> None:
    """A lease costs a request when it is taken and one when it is given back."""
    renewals: list[None] = []
    desk.leases.on_renew = [lambda: renewals.append(None)]
    assert (desk.publish().outcome, renewals) == ("published", [])


SHORT = timedelta(seconds=0.3)
"""A lease that its thread renews ten times a second."""


def test_lease_is_renewed_while_one_request_takes_longer_than_it(desk: Desk) -> None:
    """With all its retries, one to the catalog may take minutes."""
    renewed = Flag()
    desk.leases.on_renew = [renewed.set]
    with WriterLease.take(desk.leases, [ROOT], now=desk.clock, duration=SHORT):
        for _ in range(5):
            desk.passes(SHORT * 0.9)
            renewed.clear()
            assert renewed.wait(10)
            renewed.clear()
            assert renewed.wait(10)  # the one before may have begun before the time passed
            assert desk.rivals.acquire(ROOT, holder="rival", duration=LEASE) is None


def test_lease_is_not_renewed_while_it_is_given_up_with_what_is_noted(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread would wait for the file that we write, and we for the thread."""
    renewed, put_rows = Flag(), desk.ledger.put_rows

    def put_slowly(rows: Iterable[Row]) -> None:
        renewed.clear()
        assert not renewed.wait(SHORT.total_seconds())
        put_rows(rows)

    monkeypatch.setattr(engine, "LEASE", SHORT)
    monkeypatch.setattr(desk.ledger, "put_rows", put_slowly)
    desk.leases.on_renew = [renewed.set]
    assert desk.publish().outcome == "published"


def test_lease_that_was_found_lost_stops_the_next_write(desk: Desk) -> None:
    """The clock need not have moved: who renews first finds out."""
    tried = Flag()
    with WriterLease.take(desk.leases, [ROOT], now=desk.clock, duration=SHORT) as lease:
        with lease._alone:  # so that the thread does not renew it meanwhile
            desk.passes(SHORT)
            assert desk.rival_takes()
            desk.clock.time -= SHORT
            desk.leases.on_renew = [tried.set]
        assert tried.wait(10)
        with pytest.raises(LeaseHeldError, match="lost"):
            lease.check()
    assert desk.rival_has()


def test_what_a_paused_worker_overwrote_is_written_once_more(desk: Desk) -> None:
    """Its process slept after the check; meanwhile another one took over, wrote a model of the run, and let go."""

    def pause() -> None:
        desk.catalog.during_write = []
        desk.passes(LEASE + timedelta(seconds=30))
        desk.rival_publishes(REGISTERED)

    desk.catalog.during_write = [pause]
    with pytest.raises(LeaseHeldError) as lost:
        desk.publish()
    assert lost.value.overwrote
    assert "models/churn/versions/1" not in short(desk.catalog.entities[ROOT].outputs)
    assert desk.publish().outcome == "published"
    assert "models/churn/versions/1" in short(desk.catalog.entities[ROOT].outputs)


def test_what_a_worker_overwrote_that_finds_its_lease_lost_when_it_notes_it_is_written_once_more(desk: Desk) -> None:
    """All was written by then; of what it would have noted, nothing is, and nothing of before counts either."""
    release = desk.leases.release

    def lose(names: Sequence[str], *, holder: str) -> None:
        desk.leases.release = release  # type: ignore[method-assign]
        raise LeaseHeldError("another worker has taken it over")

    desk.publish(TRAINED)
    desk.source.answers |= answers(tree(run("train", outputs={"out": at("new/")})))
    desk.leases.release = lose  # type: ignore[method-assign]
    with pytest.raises(LeaseHeldError) as lost:
        desk.publish()
    assert lost.value.overwrote
    assert desk.ledger.get_tree(ROOT).fingerprints == {}
    assert desk.publish().outcome == "published"


def test_places_that_wait_for_a_scan_are_known_though_the_worker_died_in_between(desk: Desk) -> None:
    """Their matches are noted as well: a later attempt asks for none of them."""

    def die() -> None:
        raise KeyboardInterrupt

    desk.catalog.during_write = [die]
    with pytest.raises(KeyboardInterrupt):
        desk.publish()
    waiting = {each.name.rstrip("/").rpartition("/")[2] for each in desk.ledger.list_placeholders()}
    assert waiting == {"raw", "out"}
    assert {each.root for each in desk.ledger.list_placeholders()} == {ROOT}


def test_writer_stops_before_a_lease_ends_that_cannot_be_renewed(desk: Desk) -> None:
    """Storage refuses, so no one can say whose it is in a moment."""

    def refuse() -> None:
        raise ServiceUnavailableError("the table is down")

    with WriterLease.take(desk.leases, [ROOT], now=desk.clock) as lease:
        desk.leases.on_renew = [refuse]
        lease.check()
        desk.passes(LEASE / 3)
        with pytest.raises(ServiceUnavailableError):
            lease.check()
        desk.leases.on_renew = []
        lease.check()
        assert not desk.rival_takes()


def test_what_another_worker_wrote_after_our_plan_is_not_undone(desk: Desk) -> None:
    """Our plan knew nothing of the model; the catalog would have taken our shorter list of outputs for the truth."""
    desk.leases.before_acquire = [lambda: desk.rival_publishes(REGISTERED)]
    desk.publish()
    assert "models/churn/versions/1" in short(desk.catalog.entities[ROOT].outputs)


def test_what_another_worker_wrote_after_our_plan_is_not_written_again(desk: Desk) -> None:
    """The plan is made again, and there is nothing left to do."""
    desk.leases.before_acquire = [lambda: desk.rival_publishes(TRAINED)]
    assert (desk.publish().outcome, len(desk.catalog.sent), desk.source.calls) == ("skipped", 1, ["run train"] * 2)
    assert desk.rival_takes()


def test_turn_of_a_worker_that_died_is_taken_over_with_a_new_plan(desk: Desk) -> None:
    """It is unknown what it wrote before it died. The others wait for a minute, and no longer."""
    assert timedelta(minutes=1) >= LEASE
    desk.rival_takes()
    desk.passes(LEASE)
    assert (desk.publish().outcome, desk.source.calls) == ("published", ["run train"] * 2)


def test_turn_that_ended_before_we_started_costs_nothing(desk: Desk) -> None:
    """What we read is newer than what was written."""
    desk.rival_takes()
    desk.rivals.release([ROOT], holder="rival")
    desk.passes(timedelta(microseconds=1))
    assert (desk.publish().outcome, desk.source.calls) == ("published", ["run train"])


def test_turn_ends_with_the_write(desk: Desk) -> None:
    """The next worker does not wait until it has run out."""
    assert desk.publish().outcome == "published"
    assert desk.rival_takes()


@pytest.mark.parametrize("failure", [ServiceUnavailableError("busy"), KeyError("x"), KeyboardInterrupt()])
def test_turn_ends_with_a_failure(desk: Desk, failure: BaseException) -> None:
    """The message comes back soon and must not be kept waiting by ourselves."""

    def fail() -> None:
        raise failure

    desk.catalog.during_write = [fail]
    with pytest.raises(type(failure)):
        desk.publish()
    assert desk.rival_takes()


def test_turn_ends_when_the_new_plan_cannot_be_made(desk: Desk) -> None:
    """Not only a write can fail."""
    desk.leases.before_acquire = [
        lambda: desk.rival_publishes(REGISTERED),
        lambda: desk.source.failures.append(ServiceUnavailableError("busy")),
    ]
    with pytest.raises(ServiceUnavailableError):
        desk.publish()
    assert desk.rival_takes()


def test_five_hundred_models_of_one_run_are_all_published_by_the_worker_that_has_the_lease(desk: Desk) -> None:
    """Those that find it taken leave their model; when they come back, nothing is left to do, and no one waits."""
    models = [AssetId("models", "many", str(number)) for number in range(500)]
    for each in models:
        desk.source.answers |= {f"model {each.label}": model("many", each.version), f"producer {each.label}": "train"}
    deferred: list[AssetId] = []

    def others_come() -> None:
        desk.catalog.during_write = ()
        for each in models[1:]:
            with pytest.raises(LeaseHeldError):
                desk.publish(ModelSubject(each))
            deferred.append(each)

    desk.catalog.during_write = [others_come]
    assert desk.publish(ModelSubject(models[0])).outcome == "published"
    assert len(deferred) == 499
    assert len(desk.catalog.entities[ws("runs/train")].outputs or ()) == 501
    of_run = [batch for batch in desk.catalog.sent if ws("runs/train") in batch]
    assert len(of_run) == 2
    desk.source.calls.clear()
    outcomes = {desk.publish(ModelSubject(each)).outcome for each in deferred}
    assert outcomes == {"skipped"}
    assert len([batch for batch in desk.catalog.sent if ws("runs/train") in batch]) == 2
    assert len(desk.source.calls) == 2 * 499


def test_model_that_was_left_as_the_lease_ended_is_not_lost(desk: Desk) -> None:
    """Between the last write and the release is a moment, too."""
    second = AssetId("models", "churn", "2")
    desk.source.answers |= {"model churn:2": model("churn", "2"), "producer churn:2": "train"}
    release = desk.leases.release

    def left_then_released(names: Sequence[str], *, holder: str) -> None:
        desk.leases.release = release  # type: ignore[method-assign]
        with pytest.raises(LeaseHeldError):
            desk.publish(ModelSubject(second))
        release(names, holder=holder)

    desk.leases.release = left_then_released  # type: ignore[method-assign]
    desk.publish(REGISTERED)
    outputs = short(desk.catalog.entities[ROOT].outputs)
    assert [name for name in outputs if name.startswith("models/")] == [
        "models/churn/versions/1",
        "models/churn/versions/2",
    ]


class HeldUpSource(FakeRunSource):
    """A thread that reads a tree is held up in there until a test lets it go on."""

    def __init__(self, answers: Mapping[str, Any]) -> None:
        super().__init__(answers)
        self.has_begun, self.has_second, self.goes_on = Flag(), Flag(), Flag()

    def get_run_tree(self, *args: Any, **options: Any) -> RunTree:
        (self.has_second if self.has_begun.is_set() else self.has_begun).set()
        self.goes_on.wait(10)
        return super().get_run_tree(*args, **options)


def test_event_of_a_tree_that_another_thread_publishes_waits_and_reads_nothing(desk: Desk) -> None:
    """Of the events of a pipeline's steps, which come at once, one reads all of it."""
    piped = RunTree(WORKSPACE, "pipe", "Completed", (run("fit", outputs={"out": at("out/")}, root_id="pipe"),))
    source = HeldUpSource({**ANSWERS, "run pipe": piped})
    publisher = Publisher(source, desk.catalog, desk.ledger, desk.leases, now=desk.clock)
    step = event(RunSubject("fit", parent_pipeline="pipe"))
    with ThreadPoolExecutor(2) as threads:
        first = threads.submit(publisher.publish, step)
        assert source.has_begun.wait(10)
        second = threads.submit(publisher.publish, step)
        assert not source.has_second.wait(0.1)
        source.goes_on.set()
        assert (first.result(10).outcome, second.result(10).outcome) == ("published", "skipped")
    assert not source.has_second.is_set()


SHARED = [ws("experiments/churn"), f"{LAKE_URL}/raw"]
"""What both runs of these tests have in common: the first of them creates it."""


def rival_claims(desk: Desk, names: Sequence[str] = SHARED) -> bool:
    """Whether a rival can claim names; it has them then."""
    try:
        desk.rivals.claim(names, holder="rival", duration=LEASE)
    except ClaimHeldError:
        return False
    return True


def test_what_others_may_create_too_is_claimed_before_it_is_written_and_free_afterwards(desk: Desk) -> None:
    """What carries the id of the run is not: its lease is enough."""
    during: list[bool] = []
    desk.catalog.during_write = [lambda: during.extend(rival_claims(desk, [name]) for name in SHARED)]
    desk.publish()
    assert during == [False, False]
    assert ROOT not in desk.leases.claimed
    assert rival_claims(desk)


def test_what_is_known_to_exist_is_not_claimed(desk: Desk) -> None:
    """Of a run that reads the same data, only what it wrote."""
    desk.publish(RunSubject("other"))
    known = desk.leases.claimed
    assert desk.publish().outcome == "published"
    assert desk.leases.claimed == (*known, f"{LAKE_URL}/out")


@pytest.mark.parametrize("name", SHARED)
def test_name_that_another_worker_has_claimed_keeps_the_whole_write_waiting(desk: Desk, name: str) -> None:
    """The message comes back as for a lease; nothing is written or noted, and nothing is held meanwhile."""
    assert rival_claims(desk, [name])
    with pytest.raises(ClaimHeldError, match=f"is creating {name}"):
        desk.publish()
    assert (desk.catalog.sent, desk.ledger.list_rows("run")) == ([], [])
    assert desk.rival_takes()
    assert rival_claims(desk, [each for each in SHARED if each != name])


def test_claim_that_is_given_up_while_we_wait_lets_us_go_on_in_the_same_attempt(desk: Desk) -> None:
    """The time of a request or two, for which no message has to come back."""
    assert rival_claims(desk)
    desk.leases.before_claims = (lambda: None, lambda: desk.rivals.release(SHARED, holder="rival"))
    assert desk.publish(claim_tries=1).outcome == "published"


def test_claim_of_a_worker_that_died_ends_with_its_duration(desk: Desk) -> None:
    """It delays the others, and loses nothing."""
    assert rival_claims(desk)
    desk.passes(LEASE)
    assert desk.publish().outcome == "published"


def test_what_another_worker_has_created_while_we_waited_is_not_written_again(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have planned it as new; the second write has only what is its own."""
    assert rival_claims(desk, [f"{LAKE_URL}/else"])

    def rival_is_done(_: float) -> None:
        desk.rivals.release([f"{LAKE_URL}/else"], holder="rival")
        desk.rival_publishes(TRAINED)

    monkeypatch.setattr("shared.publishing.engine.time.sleep", rival_is_done)
    assert desk.publish(RunSubject("other"), claim_tries=1).outcome == "published"
    assert not {*SHARED} & {*desk.catalog.sent[-1]}
    assert f"{LAKE_URL}/else" in desk.catalog.sent[-1]


def test_model_left_for_the_writer_of_its_run_is_claimed_too(desk: Desk) -> None:
    """Two events about one version may come at once."""
    desk.rival_takes()
    assert rival_claims(desk, [MODEL])
    with pytest.raises(ClaimHeldError):
        desk.publish(REGISTERED)
    assert desk.catalog.sent == []


def test_what_a_refusal_brings_to_light_as_new_is_claimed_before_it_is_written(desk: Desk) -> None:
    """The ledger believed that the catalog had it, and someone has deleted it there."""
    desk.publish(RunSubject("other"))
    del desk.catalog.entities[QualifiedName(SHARED[1])]
    desk.leases.claimed = ()
    assert desk.publish().outcome == "published"
    assert SHARED[1] in desk.leases.claimed


class OvertakenSource(FakeRunSource):
    """Another worker publishes a tree right after we have read it."""

    def __init__(self, answers: Mapping[str, Any], then: Callable[[], object]) -> None:
        super().__init__(answers)
        self._steps = [then]

    def get_run_tree(self, *args: Any, **options: Any) -> RunTree:
        found = super().get_run_tree(*args, **options)
        if self._steps:
            self._steps.pop()()
        return found


def test_what_another_worker_wrote_between_our_two_readings_is_not_undone(desk: Desk) -> None:
    """The ledger was read after that, and looks as it did; what we read of Azure ML is older."""
    newer = tree(run("train", inputs={"raw": at("raw/")}, outputs={"out": at("out/"), "more": at("more/")}))

    def rival_knows_more() -> None:
        desk.source.answers |= {"run train": newer}
        rival = Publisher(FakeRunSource(desk.source.answers), desk.catalog, desk.ledger, desk.rivals, now=desk.clock)
        assert rival.publish(event(TRAINED)).outcome == "published"

    desk.source = OvertakenSource(ANSWERS, rival_knows_more)
    desk.publish()
    assert short(desk.catalog.entities[ROOT].outputs) == [f"{LAKE_URL}/more", f"{LAKE_URL}/out"]
