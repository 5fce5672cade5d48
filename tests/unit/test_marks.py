"""Marks of what Azure ML has archived, deleted or restored go through the same engine as lineage, and say one thing."""

from datetime import timedelta

import pytest

from shared.catalog.entities import ARCHIVED, DELETED
from shared.catalog.qualified_names import QualifiedName
from shared.errors import EntityRejectedError, LeaseHeldError
from shared.intake.event_types import ModelSubject, RunSubject
from shared.model import AssetId
from shared.publishing.announce import Announcer
from shared.publishing.engine import Publisher
from shared.publishing.labels import ClassificationLabels
from shared.publishing.plan_marks import Mark
from shared.state.sqlite import Database, SqliteLeases, SqliteLedger
from tests.harness.fakes import FakeCatalog, FakeClock, FakeRunSource
from tests.unit.examples import answers, at, event, model, run, tree, ws
from tests.unit.test_announce import FakeOutlet

MODEL, STEP = QualifiedName(ws("models/churn/versions/1")), QualifiedName(ws("runs/train"))
REGISTERED, TRAINED = ModelSubject(AssetId("models", "churn", "1")), RunSubject("train")


class Desk:
    """A model and its run are published; `calls` are the catalog's since."""

    def __init__(self) -> None:
        database = Database(":memory:", now=FakeClock())
        source = FakeRunSource(
            answers(
                tree(run("train", outputs={"out": at("out/")})),
                **{"model churn:1": model("churn"), "producer churn:1": "train"},
            )
        )
        self.catalog, self.ledger, self.leases = FakeCatalog(), SqliteLedger(database), SqliteLeases(database)
        self.outlet = FakeOutlet()
        self.publisher = Publisher(
            source,
            self.catalog,
            self.ledger,
            self.leases,
            now=FakeClock(),
            labels=ClassificationLabels(self.catalog),
            announcer=Announcer(self.outlet, self.ledger),
        )
        self.publisher.publish(event(REGISTERED))
        self.catalog.calls.clear()
        self.outlet.sent.clear()

    def mark(self, key: QualifiedName, state: str) -> None:
        row = self.ledger.get_rows([key])[key]
        self.publisher.publish(Mark(row, state, event(TRAINED) if row.kind == "run" else None))

    def state(self, key: QualifiedName) -> tuple[object, str]:
        """What the catalog and the ledger say of the state."""
        return self.catalog.entities[key].attributes.get("state"), self.ledger.get_rows([key])[key].status


@pytest.fixture
def desk() -> Desk:
    return Desk()


@pytest.mark.parametrize(("key", "state"), [(MODEL, DELETED), (STEP, ARCHIVED)], ids=["model", "run"])
def test_mark_gives_the_state_to_catalog_and_ledger_and_says_nothing_else(
    desk: Desk, key: QualifiedName, state: str
) -> None:
    """No label is looked up, no event is sent, and a run's steps keep the outputs that they have."""
    desk.mark(key, state)
    assert desk.state(key) == (state, state)
    assert "classifications" not in desk.catalog.calls
    assert desk.outlet.sent == []
    assert desk.catalog.entities[key].outputs is None  # Atlas leaves what a write does not mention


def test_what_was_marked_is_written_again_when_it_comes_back_as_it_was(desk: Desk) -> None:
    """The state alone is not what was written last."""
    desk.mark(MODEL, DELETED)
    assert desk.publisher.publish(event(REGISTERED)).outcome == "published"
    assert desk.state(MODEL)[0] is None


def test_mark_that_is_refused_is_not_noted(desk: Desk) -> None:
    """The ledger would say what the catalog does not."""
    desk.catalog.refuse.add(MODEL)
    before = desk.ledger.get_rows([MODEL])[MODEL].status
    with pytest.raises(EntityRejectedError):
        desk.mark(MODEL, ARCHIVED)
    assert desk.ledger.get_rows([MODEL])[MODEL].status == before


def test_mark_waits_for_the_worker_that_writes_the_tree(desk: Desk) -> None:
    """Nothing is written or noted meanwhile."""
    desk.leases.acquire(STEP, holder="other", duration=timedelta(minutes=1))
    before = desk.state(STEP)
    with pytest.raises(LeaseHeldError):
        desk.mark(STEP, ARCHIVED)
    assert desk.state(STEP) == before
