"""What queue, ledger and dead letters promise, whatever stores them."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from shared.lineage.entities import Ref
from shared.lineage.places import Match, MatchKind
from shared.qualified_names import QualifiedName
from shared.state.ports import DeadLetters, Ledger, Queue, Row
from shared.state.sqlite import Database, SqliteDeadLetters, SqliteLedger, SqliteQueue

HIDDEN = timedelta(minutes=1)


@dataclass
class Clock:
    """Time as the test sets it."""

    moment: datetime = field(default=datetime(2026, 7, 1, 12, 0, tzinfo=UTC))

    def __call__(self) -> datetime:
        return self.moment

    def advance(self, by: timedelta) -> None:
        self.moment += by


@dataclass
class State:
    """The three ports over one store."""

    queue: Queue
    ledger: Ledger
    dead_letters: DeadLetters
    reopen: Callable[[], "State"]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture(params=["sqlite"])
def state(clock: Clock, tmp_path: Path) -> State:
    """Every adapter in turn."""

    def open_sqlite() -> State:
        database = Database(str(tmp_path / "state.sqlite"), now=clock)
        return State(SqliteQueue(database), SqliteLedger(database), SqliteDeadLetters(database), open_sqlite)

    return open_sqlite()


def test_message_is_hidden_while_it_is_on_loan_and_comes_back_after(state: State, clock: Clock) -> None:
    """Nobody deleted it: it is not lost."""
    state.queue.put("a")
    first = state.queue.receive(visibility=HIDDEN)
    assert first is not None
    assert (first.body, first.dequeue_count) == ("a", 1)
    assert state.queue.receive(visibility=HIDDEN) is None
    clock.advance(HIDDEN)
    second = state.queue.receive(visibility=HIDDEN)
    assert second is not None
    assert (second.body, second.dequeue_count) == ("a", 2)


def test_deleted_message_is_gone(state: State, clock: Clock) -> None:
    """Done is done."""
    state.queue.put("a")
    message = state.queue.receive(visibility=HIDDEN)
    assert message is not None
    state.queue.delete(message)
    clock.advance(2 * HIDDEN)
    assert state.queue.receive(visibility=HIDDEN) is None
    assert state.queue.next_visible_at() is None


def test_delete_with_a_loan_that_has_run_out_leaves_the_message_to_its_new_holder(state: State, clock: Clock) -> None:
    """Who was too slow must not delete what another is working on."""
    state.queue.put("a")
    late = state.queue.receive(visibility=HIDDEN)
    clock.advance(HIDDEN)
    current = state.queue.receive(visibility=HIDDEN)
    assert late is not None
    assert current is not None
    state.queue.delete(late)
    state.queue.release(late, delay=timedelta(0))
    assert state.queue.receive(visibility=HIDDEN) is None
    clock.advance(HIDDEN)
    assert state.queue.receive(visibility=HIDDEN) is not None


def test_released_message_is_visible_after_its_delay(state: State, clock: Clock) -> None:
    """And counts its attempts on."""
    state.queue.put("a")
    message = state.queue.receive(visibility=HIDDEN)
    assert message is not None
    state.queue.release(message, delay=timedelta(seconds=5))
    assert state.queue.next_visible_at() == clock.moment + timedelta(seconds=5)
    assert state.queue.receive(visibility=HIDDEN) is None
    clock.advance(timedelta(seconds=5))
    again = state.queue.receive(visibility=HIDDEN)
    assert again is not None
    assert again.dequeue_count == 2


def test_message_put_with_a_delay_is_not_visible_before(state: State, clock: Clock) -> None:
    """A run that is not settled is looked at later."""
    state.queue.put("later", delay=timedelta(seconds=30))
    state.queue.put("now")
    message = state.queue.receive(visibility=HIDDEN)
    assert message is not None
    assert message.body == "now"
    clock.advance(timedelta(seconds=30))
    message = state.queue.receive(visibility=HIDDEN)
    assert message is not None
    assert message.body == "later"


def test_queue_outlives_the_process(state: State) -> None:
    """What was accepted is there after a restart."""
    state.queue.put("a")
    message = state.reopen().queue.receive(visibility=HIDDEN)
    assert message is not None
    assert message.body == "a"


def test_dead_letter_keeps_reason_body_and_attempts_until_it_is_closed(state: State, clock: Clock) -> None:
    """Open ones are listed oldest first."""
    first = state.dead_letters.put(reason="MalformedEvent", detail="data.runId: is missing", body="{}", attempts=1)
    clock.advance(timedelta(seconds=1))
    second = state.dead_letters.put(reason="AccessDenied", detail="no role", body="[]", attempts=5)
    assert list(state.reopen().dead_letters.list_open()) == [first, second]
    assert (first.reason, first.detail, first.body, first.attempts) == (
        "MalformedEvent",
        "data.runId: is missing",
        "{}",
        1,
    )
    state.dead_letters.close(first.id)
    assert list(state.dead_letters.list_open()) == [second]


def test_row_is_read_back_as_it_was_put_and_the_last_one_wins(state: State, clock: Clock) -> None:
    """One row for each run, model version or endpoint."""
    key = QualifiedName("azureml://run")
    row = Row(
        key,
        "run",
        "published",
        reason="because",
        status="Completed",
        event_id="e1",
        event_time=clock.moment,
        matches={"https://a": "exact"},
    )
    state.ledger.put_rows([replace(row, outcome="skipped"), row])
    found = state.reopen().ledger.get_rows([key, QualifiedName("azureml://other")])
    assert found == {key: replace(row, updated_at=clock.moment)}


def test_fingerprints_are_remembered_until_they_are_forgotten(state: State) -> None:
    """Any number of names may be asked for at once."""
    names = [QualifiedName(f"azureml://{number}") for number in range(1_200)]
    state.ledger.put_fingerprints({name: f"of {name}" for name in names})
    assert len(state.reopen().ledger.get_fingerprints([*names, QualifiedName("azureml://unknown")])) == 1_200
    state.ledger.forget_fingerprints(names[:1_000])
    assert state.ledger.get_fingerprints(names) == {name: f"of {name}" for name in names[1_000:]}


def test_models_of_a_run_are_only_ever_added(state: State) -> None:
    """Whoever adds last takes nothing away from whoever added before."""
    run, other = QualifiedName("azureml://run"), QualifiedName("azureml://other")
    first, second = QualifiedName("azureml://model/1"), QualifiedName("azureml://model/2")
    state.ledger.add_models({run: [first], other: []})
    state.ledger.add_models({run: [second, first]})
    assert state.reopen().ledger.get_models([run, other]) == {run: frozenset({first, second})}


def test_matches_are_remembered_by_place_until_they_are_forgotten(state: State, clock: Clock) -> None:
    """The same name under another type is another place."""
    blob = Ref("azure_blob_path", QualifiedName("https://a.blob.core.windows.net/c/x"))
    scanned = Ref("azure_datalake_gen2_path", QualifiedName("https://a.dfs.core.windows.net/c/x"))
    match = Match(scanned, MatchKind.EXACT)
    state.ledger.put_matches({blob: match})
    assert state.reopen().ledger.get_matches([blob, scanned], placeholders_since=clock.moment) == {blob: match}
    stranger = Ref("azure_file", blob.qualified_name)
    assert state.ledger.get_matches([stranger], placeholders_since=clock.moment) == {}
    state.ledger.forget_matches([blob])
    assert state.ledger.get_matches([blob], placeholders_since=clock.moment) == {}


def test_placeholder_is_remembered_only_for_the_time_asked_for(state: State, clock: Clock) -> None:
    """A scan may have found the data since; what a scan found stays found."""
    place = Ref("azure_blob_path", QualifiedName("https://a.blob.core.windows.net/c/x"))
    found = Ref("azure_blob_path", QualifiedName("https://a.blob.core.windows.net/c/y"))
    state.ledger.put_matches({place: Match(place, MatchKind.PLACEHOLDER), found: Match(found, MatchKind.EXACT)})
    since = clock.moment
    assert set(state.ledger.get_matches([place, found], placeholders_since=since)) == {place, found}
    clock.advance(timedelta(hours=2))
    assert set(state.ledger.get_matches([place, found], placeholders_since=clock.moment)) == {found}
