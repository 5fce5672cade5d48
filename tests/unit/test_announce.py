"""Announcing: after the catalog, each change at least once in spite of failures, and nothing that was sent before."""

import json
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shared.catalog.entities import Entity, Ref
from shared.catalog.qualified_names import QualifiedName
from shared.errors import AnnouncementRefusedError, EntityRejectedError, RequestRefusedError, ServiceUnavailableError
from shared.intake.allow_list import AllowList, read_job_event
from shared.intake.event_types import EndpointSubject, ModelSubject, RunSubject, Subject
from shared.model import AssetId, Deployment, Endpoint
from shared.openlineage.incoming_events import RunEvent
from shared.openlineage.outgoing_events import to_run_events
from shared.ports import Announcement
from shared.publishing.announce import Announcer
from shared.publishing.engine import Publisher
from shared.state.sqlite import Database, SqliteLedger
from tests.harness.fakes import NOON, FakeCatalog, FakeClock, FakeRunSource, FreeLeases, Script
from tests.unit.examples import WORKSPACE, WS, answers, at, data_asset, event, model, run, tree, ws
from tests.worlds.openlineage_events import NAMESPACE, PREPARED, RAW, data, run_event

TRAIN = run(
    "train", inputs={"loan": data_asset("loan", at("loan.csv"))}, outputs={"out": at("out/")}, metrics={"A": 1.0}
)
STEPS = tuple(run(f"step{number}", inputs={"raw": at("raw/")}, outputs={"o": at(f"{number}/")}) for number in range(3))
TRAINED, PIPELINE, DEPLOYED = RunSubject("train"), RunSubject("pipe"), EndpointSubject("ep")
REGISTERED = ModelSubject(AssetId("models", "churn", "1"))
ENDPOINT = Endpoint(WORKSPACE, "ep", "Managed", deployments=(Deployment("blue", (model("churn"),)),))


class FakeOutlet(Script):
    """A receiver that lists the processes it got events about."""

    def __init__(self, *, refuse: Iterable[str] = (), fail_with: Iterable[Exception] = ()) -> None:
        super().__init__(fail_with)
        self.refuse, self.sent, self.at = set(refuse), list[str](), list[datetime]()

    def translate(self, entities: Sequence[Entity], *, at: datetime) -> Sequence[Announcement]:
        self.at.append(at)
        return to_run_events(entities, at=at)

    def send(self, announcement: Announcement) -> None:
        name = announcement.process.removeprefix(f"{WS}/")
        self.called(name)
        if name in self.refuse:
            raise RequestRefusedError("HTTP 422", status=422)
        self.sent.append(name)


class Desk:
    """The use case with a receiver."""

    def __init__(self, database: Database) -> None:
        whole = {"model churn:1": model("churn"), "producer churn:1": "train", "endpoint ep": ENDPOINT}
        self.source = FakeRunSource(answers(tree(TRAIN), tree(*STEPS, root_id="pipe"), **whole))
        self.catalog, self.outlet, self.ledger = FakeCatalog(), FakeOutlet(), SqliteLedger(database)
        database.now = FakeClock()

    def publish(self, subject: Subject, *, force: bool = False, time: datetime = NOON) -> list[str]:
        """Publish, and return what was sent because of it, also if it failed."""
        before = len(self.outlet.sent)
        self.publisher().publish(event(subject, time=time), force=force)
        return sorted(self.outlet.sent[before:])

    def publisher(self) -> Publisher:
        return Publisher(
            self.source,
            self.catalog,
            self.ledger,
            FreeLeases(),
            now=lambda: NOON,
            announcer=Announcer(self.outlet, self.ledger),
        )

    def fails(self, subject: Subject, error: type[Exception]) -> str:
        with pytest.raises(error) as raised:
            self.publish(subject)
        return str(raised.value)


@pytest.fixture
def desk() -> Desk:
    return Desk(Database(":memory:", now=FakeClock()))


def test_what_was_published_is_sent(desk: Desk) -> None:
    """Each process once; of what has no time of its own, at the time of the event."""
    assert desk.publish(TRAINED) == ["data/loan/versions/1/registration", "runs/train"]
    assert set(desk.outlet.at) == {NOON}


def test_run_that_came_in_as_openlineage_is_not_sent_out(desk: Desk) -> None:
    """Its sender may be the receiver."""
    came_in = run_event("COMPLETE", inputs=[data(RAW)], outputs=[data(PREPARED)])
    read = read_job_event(json.dumps(came_in), AllowList((), (NAMESPACE,)))
    assert isinstance(read, RunEvent)
    assert desk.publisher().publish(read).outcome == "published"
    assert desk.outlet.sent == []


def test_unchanged_content_is_not_sent_again(desk: Desk) -> None:
    """At any later time."""
    desk.publish(TRAINED)
    assert desk.publish(TRAINED, time=NOON + timedelta(hours=1)) == []


def test_only_changes_are_sent(desk: Desk) -> None:
    """A run with other metrics does not send the registration again."""
    desk.publish(TRAINED)
    desk.source.answers |= answers(tree(replace(TRAIN, metrics={"A": 2.0})))
    assert desk.publish(TRAINED) == ["runs/train"]


def test_what_the_catalog_does_not_have_is_not_sent(desk: Desk) -> None:
    """The catalog comes first."""
    desk.catalog.failures = [ServiceUnavailableError("down")]
    desk.fails(TRAINED, ServiceUnavailableError)
    desk.catalog.refuse = {ws("runs/train")}
    desk.fails(TRAINED, EntityRejectedError)
    assert desk.outlet.calls == []


def test_message_that_comes_back_sends_what_was_not_sent(desk: Desk) -> None:
    """The catalog is up to date by then and is not written again."""
    desk.outlet.failures = [ServiceUnavailableError("down")]
    desk.fails(TRAINED, ServiceUnavailableError)
    written = len(desk.catalog.sent)
    assert desk.publish(TRAINED) == ["data/loan/versions/1/registration", "runs/train"]
    assert len(desk.catalog.sent) == written
    assert desk.publish(TRAINED) == []


@pytest.mark.parametrize("failing", range(3))
def test_what_was_sent_before_a_failure_is_not_sent_again(desk: Desk, failing: int) -> None:
    """The message comes back for the rest."""
    script = iter([None] * failing + [ServiceUnavailableError("down")])
    send = desk.outlet.send

    def send_until(announcement: Announcement) -> None:
        if error := next(script, None):
            raise error
        send(announcement)

    desk.outlet.send = send_until  # type: ignore[method-assign]
    desk.fails(PIPELINE, ServiceUnavailableError)
    assert len(desk.outlet.sent) == failing
    desk.publish(PIPELINE)
    assert sorted(desk.outlet.sent) == ["runs/step0", "runs/step1", "runs/step2"]


def test_refused_event_does_not_keep_the_others_from_being_sent(desk: Desk) -> None:
    """The message is dead-lettered, which names the process; a replay tells that one alone."""
    desk.outlet.refuse = {"runs/step0"}
    assert "runs/step0" in desk.fails(PIPELINE, AnnouncementRefusedError)
    assert sorted(desk.outlet.sent) == ["runs/step1", "runs/step2"]
    desk.outlet.refuse = set()
    assert desk.publish(PIPELINE) == ["runs/step0"]


def test_force_sends_everything_again(desk: Desk) -> None:
    """For a receiver that was added late, or lost its data."""
    desk.publish(TRAINED)
    assert desk.publish(TRAINED, force=True) == ["data/loan/versions/1/registration", "runs/train"]


def test_ledger_that_fails_after_the_telling_tells_again(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    """At least once: better twice than never."""
    put, failures = desk.ledger.put_fingerprints, [ServiceUnavailableError("down")]

    def put_once_down(fingerprints: Mapping[QualifiedName, str]) -> None:
        if failures and any(name.startswith("told/") for name in fingerprints):
            raise failures.pop()
        put(fingerprints)

    monkeypatch.setattr(desk.ledger, "put_fingerprints", put_once_down)
    desk.fails(TRAINED, ServiceUnavailableError)
    assert desk.publish(TRAINED) == ["data/loan/versions/1/registration", "runs/train"]
    assert desk.publish(TRAINED) == []


def test_replaying_everything_in_turn_tells_nothing_new(desk: Desk) -> None:
    """The event about a run knows less of its model than the one about the model: they must not contradict for ever."""
    subjects: list[Subject] = [TRAINED, REGISTERED, DEPLOYED]
    for subject in subjects:
        desk.publish(subject)
    assert [desk.publish(subject) for subject in (*subjects, *reversed(subjects))] == [[]] * 6


def test_other_models_of_a_deployment_are_a_change(desk: Desk) -> None:
    """Who listens learns that the endpoint serves another."""
    desk.publish(DEPLOYED)
    changed = replace(ENDPOINT, deployments=(Deployment("blue", (model("churn", "2"),)),))
    desk.source.answers |= {"endpoint ep": changed}
    assert desk.publish(DEPLOYED) == ["endpoints/ep/deployments/blue"]


@settings(deadline=None, max_examples=30)
@given(outages=st.lists(st.booleans(), max_size=12), deaths=st.lists(st.booleans(), max_size=6))
def test_everything_is_sent_in_the_end_in_spite_of_failures(outages: list[bool], deaths: list[bool]) -> None:
    """The receiver is down for some events, the ledger for some notes; the message comes back until nothing fails."""
    desk = Desk(Database(":memory:", now=FakeClock()))
    send, put = desk.outlet.send, desk.ledger.put_fingerprints
    down, dead = iter(outages), iter(deaths)

    def send_or_fail(announcement: Announcement) -> None:
        if next(down, False):
            raise ServiceUnavailableError("down")
        send(announcement)

    def put_or_fail(fingerprints: Mapping[QualifiedName, str]) -> None:
        if next(dead, False):
            raise ServiceUnavailableError("dead")
        put(fingerprints)

    desk.outlet.send = send_or_fail  # type: ignore[method-assign]
    desk.ledger.put_fingerprints = put_or_fail  # type: ignore[method-assign]
    for _ in range(len(outages) + len(deaths) + 1):
        with suppress(ServiceUnavailableError):
            desk.publish(PIPELINE)
    assert set(desk.outlet.sent) == {"runs/step0", "runs/step1", "runs/step2"}
    assert desk.publish(PIPELINE) == []


@dataclass
class Turns:
    """Counts how often a turn was renewed."""

    renewed: int = 0

    def __call__(self) -> None:
        self.renewed += 1


def test_lease_is_renewed_while_a_long_pipeline_is_sent(desk: Desk) -> None:
    """A worker that waits for the tree must not begin in between."""
    leases = Turns()
    entities = [each for number in range(25) for each in _step(number)]
    Announcer(desk.outlet, desk.ledger).send(to_run_events(entities, at=NOON), before_some=leases)
    assert (leases.renewed, len(desk.outlet.sent)) == (3, 25)


def _step(number: int) -> Iterable[Entity]:
    yield Entity(Ref("custom_ml_experiment_step", ws(f"runs/{number}")), {"name": "s"}, inputs=(Ref("x", ws("data")),))
