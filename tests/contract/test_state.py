"""What queue, ledger and dead letters promise, whatever stores them."""

import json
import sqlite3
from collections.abc import Callable, Iterable, Sequence
from contextlib import closing
from dataclasses import asdict, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from emulator.azurite import Azurite as AzuriteServer
from shared.catalog import qualified_names
from shared.catalog.entities import Evidence, Ref
from shared.catalog.qualified_names import QualifiedName
from shared.catalog.serving import Serving
from shared.errors import ClaimHeldError, LeaseHeldError, RequestRefusedError, ServiceUnavailableError
from shared.model import AssetId, WorkspaceId
from shared.places.matching import Match, MatchKind
from shared.settings import Azurite
from shared.state import azure_storage, sqlite
from shared.state.azure_ledger import key_of_path
from shared.state.azure_table import Document, DocumentTable, row_key, timed_key
from shared.state.ports import (
    PAGE,
    Lease,
    Look,
    OpenLetters,
    Placeholder,
    PlaceUse,
    Queue,
    Row,
    State,
    WrittenTree,
    read_folder,
)
from shared.state.table_service import TableService, Write
from tests.contract.stores import KEY, OTHER, Clock, Open
from tests.harness.storage import empty, no_token, open_table
from tests.unit.examples import WORKSPACE_ID

HIDDEN = timedelta(seconds=1)
"""The shortest that Azure's queue knows: on Azurite these tests really wait."""

FILESYSTEM = "lake.core.windows.net/fs//"


@pytest.fixture
def queue(state: State, reopen: Open, clock: Clock) -> Queue:
    """The queue, on a clock that waits where the service has its own."""
    clock.service_follows = isinstance(state.queue, sqlite.SqliteQueue)
    return state.queue


def test_poison_queue_is_another_queue(state: State, reopen: Open) -> None:
    """What is put on one is not received from the other."""
    state.queue.put("a")
    state.poison.put("b")
    assert (state.queue.count(), state.poison.count()) == (1, 1)
    message = reopen().poison.receive(visibility=HIDDEN)
    assert message is not None
    assert message.body == "b"
    state.poison.delete(message)
    assert (state.queue.count(), state.poison.count()) == (1, 0)


def test_page_has_as_many_messages_as_one_request_gives(queue: Queue) -> None:
    """Also those that are no text of ours; each can be deleted."""
    bodies = ["\u00ff{", *map(str, range(PAGE))]
    for body in bodies:
        queue.put(body)
    pages = [queue.receive_page(visibility=HIDDEN) for _ in range(3)]
    assert list(map(len, pages)) == [PAGE, 1, 0]
    received = [message for page in pages for message in page]
    assert sorted(message.body for message in received) == sorted(bodies)
    for message in received:
        queue.delete(message)
    assert queue.count() == 0


def test_message_is_hidden_while_it_is_on_loan_and_comes_back_after(queue: Queue, clock: Clock) -> None:
    """No one deleted it: it is not lost."""
    queue.put("a")
    first = queue.receive(visibility=HIDDEN)
    assert first is not None
    assert (first.body, first.dequeue_count) == ("a", 1)
    assert queue.receive(visibility=HIDDEN) is None
    clock.advance(HIDDEN)
    second = queue.receive(visibility=HIDDEN)
    assert second is not None
    assert (second.body, second.dequeue_count) == ("a", 2)


def test_deleted_message_is_gone(queue: Queue, clock: Clock) -> None:
    """Done is done."""
    queue.put("a")
    message = queue.receive(visibility=HIDDEN)
    assert message is not None
    queue.delete(message)
    clock.advance(2 * HIDDEN)
    assert queue.receive(visibility=HIDDEN) is None
    assert queue.count() == 0


def test_delete_with_a_loan_that_has_run_out_leaves_the_message_to_its_new_holder(queue: Queue, clock: Clock) -> None:
    """Who was too slow must not delete what another is working on."""
    queue.put("a")
    late = queue.receive(visibility=HIDDEN)
    clock.advance(HIDDEN)
    current = queue.receive(visibility=HIDDEN)
    assert late is not None
    assert current is not None
    queue.delete(late)
    queue.release(late, delay=timedelta(0))
    assert queue.receive(visibility=HIDDEN) is None
    clock.advance(HIDDEN)
    assert queue.receive(visibility=HIDDEN) is not None


def test_released_message_is_visible_after_its_delay(queue: Queue, clock: Clock) -> None:
    """And counts its attempts on."""
    queue.put("a")
    message = queue.receive(visibility=HIDDEN)
    assert message is not None
    queue.release(message, delay=timedelta(seconds=1))
    assert queue.receive(visibility=HIDDEN) is None
    clock.advance(timedelta(seconds=1))
    again = queue.receive(visibility=HIDDEN)
    assert again is not None
    assert again.dequeue_count == 2


def test_message_put_with_a_delay_is_not_visible_before(queue: Queue, clock: Clock) -> None:
    """A run that is not settled is looked at later."""
    queue.put("later", delay=timedelta(seconds=1))
    queue.put("now")
    message = queue.receive(visibility=HIDDEN)
    assert message is not None
    assert message.body == "now"
    clock.advance(timedelta(seconds=1))
    message = queue.receive(visibility=HIDDEN)
    assert message is not None
    assert message.body == "later"


def test_queue_outlives_the_process(state: State, reopen: Open) -> None:
    """What was accepted is there after a restart."""
    state.queue.put("a")
    message = reopen().queue.receive(visibility=HIDDEN)
    assert message is not None
    assert message.body == "a"


def test_message_that_was_invisible_for_too_long_is_worked_on_by_another_and_counted(
    queue: Queue, clock: Clock
) -> None:
    """Who holds it too long finds it taken; what he does then neither deletes nor hides it."""
    queue.put("slow")
    first = queue.receive(visibility=HIDDEN)
    clock.advance(HIDDEN)
    second = queue.receive(visibility=timedelta(minutes=1))
    assert first is not None
    assert second is not None
    assert second.dequeue_count == 2
    queue.delete(first)
    assert queue.count() == 1
    queue.delete(second)
    assert queue.count() == 0


def test_any_text_comes_back_as_it_was_put(queue: Queue) -> None:
    """Angle brackets and control characters too, which XML would not carry."""
    text = 'ü <a>&amp; \u0001 "quoted" \U0001f600'
    queue.put(text)
    message = queue.receive(visibility=HIDDEN)
    assert message is not None
    assert message.body == text


def test_dead_letter_keeps_reason_body_and_attempts_until_it_is_closed(
    state: State, reopen: Open, clock: Clock
) -> None:
    """Open ones are listed oldest first."""
    first = state.dead_letters.put(reason="MalformedEvent", detail="data.runId: is missing", body="{}", attempts=1)
    clock.advance(timedelta(seconds=1))
    second = state.dead_letters.put(reason="AccessDenied", detail="no role", body="[]", attempts=5)
    assert list(reopen().dead_letters.list_open()) == [first, second]
    assert (first.reason, first.detail, first.body, first.attempts) == (
        "MalformedEvent",
        "data.runId: is missing",
        "{}",
        1,
    )
    state.dead_letters.close(first.id)
    assert list(state.dead_letters.list_open()) == [second]


def test_row_is_read_back_as_it_was_put_and_the_last_one_wins(state: State, reopen: Open, clock: Clock) -> None:
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
        evidence=(
            Evidence(
                Ref("custom_ml_dataset", QualifiedName("azureml://data")),
                False,
                "inputs.a",
                place=Ref("azure_blob_path", QualifiedName("https://a")),
            ),
            Evidence(Ref("custom_ml_model", QualifiedName("azureml://model")), True, "path", inferred=True),
        ),
        served=(Serving("2026-07-01T00:00:00Z", "blue", ("churn:1", "churn:2"), "100", until="2026-07-02T00:00:00Z"),),
    )
    state.ledger.put_rows([replace(row, outcome="skipped"), row])
    found = reopen().ledger.get_rows([key, QualifiedName("azureml://other")])
    assert found == {key: replace(row, updated_at=clock.moment)}


def test_fingerprints_are_remembered_until_they_are_forgotten(state: State, reopen: Open) -> None:
    """Any number of names may be asked for at once."""
    names = [QualifiedName(f"azureml://{number}") for number in range(1_200)]
    state.ledger.put_fingerprints({name: f"of {name}" for name in names})
    assert len(reopen().ledger.get_fingerprints([*names, QualifiedName("azureml://unknown")])) == 1_200
    state.ledger.forget_fingerprints(names[:1_000])
    assert state.ledger.get_fingerprints(names) == {name: f"of {name}" for name in names[1_000:]}


def test_models_of_a_run_are_only_ever_added(state: State, reopen: Open) -> None:
    """Who adds last takes nothing away from what others added before."""
    root, run, other = (QualifiedName(f"azureml://{name}") for name in ("root", "run", "other"))
    first, second = QualifiedName("azureml://model/1"), QualifiedName("azureml://model/2")
    state.ledger.add_to_tree(root, models={run: [first], other: []})
    state.ledger.add_to_tree(root, models={run: [second, first]})
    assert reopen().ledger.get_tree(root).models == {run: frozenset({first, second})}


def test_tree_of_any_size_is_read_at_once_and_forgotten_but_for_its_models(state: State, reopen: Open) -> None:
    """The fingerprints of its own entities; those of another tree are another's."""
    root, other = QualifiedName("azureml://root"), QualifiedName("azureml://root2")
    fingerprints = {QualifiedName(f"azureml://run/{number}"): f"f{number}" for number in range(1_200)}
    run = QualifiedName("azureml://run/1")
    state.ledger.add_to_tree(root, models={run: [QualifiedName("azureml://m")]}, fingerprints=fingerprints)
    state.ledger.add_to_tree(other, fingerprints={run: "other"})
    state.ledger.add_to_tree(root, fingerprints={run: "new"})
    tree = reopen().ledger.get_tree(root)
    assert tree.fingerprints == {**fingerprints, run: "new"}
    state.ledger.forget_tree(root)
    assert (state.ledger.get_tree(root).fingerprints, state.ledger.get_tree(root).models) == ({}, tree.models)
    assert state.ledger.get_tree(other).fingerprints == {run: "other"}


def test_matches_are_remembered_by_place_until_they_are_forgotten(state: State, reopen: Open, clock: Clock) -> None:
    """The same name under another type is another place."""
    blob = Ref("azure_blob_path", QualifiedName("https://a.blob.core.windows.net/c/x"))
    scanned = Ref("azure_datalake_gen2_path", QualifiedName("https://a.dfs.core.windows.net/c/x"))
    match = Match(scanned, MatchKind.EXACT, "dfs host of the same account")
    state.ledger.put_matches({blob: match})
    remembered = reopen().ledger.get_matches([blob, scanned], placeholders_since=clock.moment)
    assert remembered == {blob: match}
    assert remembered[blob].rule == match.rule
    sets = [Ref("azure_blob_resource_set", QualifiedName(f"https://a.blob.core.windows.net/c/{each}")) for each in "ab"]
    of_glob = Match(sets[0], MatchKind.RESOURCE_SET, others=(sets[1],))
    state.ledger.put_matches({sets[0]: of_glob})
    assert reopen().ledger.get_matches([sets[0]], placeholders_since=clock.moment) == {sets[0]: of_glob}
    other = Ref("azure_file", blob.qualified_name)
    assert state.ledger.get_matches([other], placeholders_since=clock.moment) == {}
    state.ledger.forget_matches([blob])
    assert state.ledger.get_matches([blob], placeholders_since=clock.moment) == {}


def test_old_matches_are_forgotten_and_younger_ones_stay(state: State, clock: Clock) -> None:
    """A few of them at a time, until none is left."""
    old = [Ref("azure_blob_path", QualifiedName(f"https://a.blob.core.windows.net/c/{number}")) for number in range(3)]
    state.ledger.put_matches({place: Match(place, MatchKind.EXACT) for place in old})
    clock.advance(timedelta(days=1) if clock.service_follows else timedelta(seconds=1))
    young = Ref("azure_blob_path", QualifiedName("https://a.blob.core.windows.net/c/young"))
    state.ledger.put_matches({young: Match(young, MatchKind.EXACT)})
    after = state.ledger.forget_old_matches(before=clock.moment, limit=2)
    while after:
        after = state.ledger.forget_old_matches(before=clock.moment, after=after, limit=2)
    assert set(state.ledger.get_matches([*old, young], placeholders_since=clock.moment)) == {young}


def test_rows_are_forgotten(state: State, reopen: Open) -> None:
    """Of any kind; what is not there does not matter."""
    run = qualified_names.of_run(WORKSPACE_ID, "run")
    rows = [Row(run, "run", "published"), Row(KEY, "link", "published"), Row(OTHER, "link", "published")]
    state.ledger.put_rows(rows)
    state.ledger.forget_rows([run, KEY, QualifiedName("azureml://unknown")])
    assert set(reopen().ledger.get_rows([run, KEY, OTHER])) == {OTHER}


def test_placeholder_is_remembered_only_for_the_time_asked_for(state: State, clock: Clock) -> None:
    """A scan may have found the data since; what a scan found stays found."""
    place = Ref("azure_blob_path", QualifiedName("https://a.blob.core.windows.net/c/x"))
    found = Ref("azure_blob_path", QualifiedName("https://a.blob.core.windows.net/c/y"))
    state.ledger.put_matches({place: Match(place, MatchKind.PLACEHOLDER), found: Match(found, MatchKind.EXACT)})
    since = clock.moment
    assert set(state.ledger.get_matches([place, found], placeholders_since=since)) == {place, found}
    clock.advance(timedelta(hours=2))
    assert set(state.ledger.get_matches([place, found], placeholders_since=clock.moment)) == {found}


def test_dead_letter_of_the_same_id_takes_the_place_of_the_one_before_and_is_open_again(state: State) -> None:
    """A message that is dead-lettered twice, since the worker died in between, is one dead letter."""
    state.dead_letters.put(reason="First", detail="", body="{}", attempts=1, id="op/1")
    state.dead_letters.put(reason="Second", detail="", body="{}", attempts=2, id="op/1")
    assert [letter.reason for letter in state.dead_letters.list_open()] == ["Second"]
    state.dead_letters.close("op/1")
    assert list(state.dead_letters.list_open()) == []
    closed = state.dead_letters.get("op/1")
    assert closed is not None
    assert closed.reason == "Second"
    state.dead_letters.put(reason="Third", detail="", body="{}", attempts=3, id="op/1")
    assert [letter.reason for letter in state.dead_letters.list_open()] == ["Third"]


def test_open_dead_letters_are_counted_by_reason(state: State, clock: Clock) -> None:
    """Those of a closed one are not; each reason comes with the time of its oldest."""
    assert dict(state.dead_letters.count_open()) == {}
    assert dict(state.dead_letters.name_open(["AccessDenied"])) == {}
    begun = clock.moment
    for reason in ("Späte Antwort", "AccessDenied", "AccessDenied", "Over"):
        last = state.dead_letters.put(reason=reason, detail="", body="{}", attempts=1)
        clock.advance(timedelta(seconds=1))
    state.dead_letters.close(last.id)
    assert list(state.dead_letters.count_open().items()) == [
        ("AccessDenied", OpenLetters(2, begun + timedelta(seconds=1))),
        ("Späte Antwort", OpenLetters(1, begun)),
    ]
    open_now = state.dead_letters.list_open(reasons=["AccessDenied", "Späte Antwort"])
    named = state.dead_letters.name_open(["AccessDenied", "Späte Antwort", "Over"])
    assert list(named.items()) == [(letter.id, letter.at) for letter in open_now]


def test_dead_letters_are_found_by_reason_and_by_time(state: State, clock: Clock) -> None:
    """The on-call engineer replays what one cause brought, since it began."""
    state.dead_letters.put(reason="AccessDenied", detail="", body="1", attempts=1)
    clock.advance(timedelta(hours=1))
    since = clock.moment
    state.dead_letters.put(reason="AccessDenied", detail="", body="2", attempts=1)
    state.dead_letters.put(reason="MalformedEvent", detail="", body="3", attempts=1)
    letters = state.dead_letters
    assert [letter.body for letter in letters.list_open(reasons=["AccessDenied"])] == ["1", "2"]
    assert [letter.body for letter in letters.list_open(since=since, reasons=["AccessDenied", "Nothing"])] == ["2"]
    assert [letter.body for letter in letters.list_open(reasons=["Nothing"])] == []
    assert [letter.body for letter in letters.list_open(reasons=["AccessDenied"], limit=1)] == ["1"]
    assert letters.get("unknown") is None
    letters.close("unknown")


def test_rows_are_listed_by_kind_page_by_page(state: State) -> None:
    """Each row once; a page goes on after the last key of the one before."""
    keys = {qualified_names.of_asset(WORKSPACE_ID, AssetId("models", "m", str(number))) for number in range(7)}
    state.ledger.put_rows([Row(key, "model", "published") for key in keys])
    state.ledger.put_rows([Row(qualified_names.of_run(WORKSPACE_ID, "run"), "run", "published")])
    seen: list[QualifiedName] = []
    while page := state.ledger.list_rows("model", after=seen[-1] if seen else "", limit=3):
        assert len(page) <= 3
        seen += [row.key for row in page]
    assert len(seen) == 7
    assert set(seen) == keys


def test_rows_of_one_workspace_are_listed_by_themselves(state: State) -> None:
    """Whatever kind they are of, and whatever another workspace holds whose name begins so."""
    other = replace(WORKSPACE_ID, name=f"{WORKSPACE_ID.name}-2")
    named: dict[str, Callable[[WorkspaceId], QualifiedName]] = {
        "run": lambda workspace: qualified_names.of_run(workspace, "r"),
        "endpoint": lambda workspace: qualified_names.of_endpoint(workspace, "e"),
        "deployment": lambda workspace: qualified_names.of_deployment(qualified_names.of_endpoint(workspace, "e"), "d"),
        "model": lambda workspace: qualified_names.of_asset(workspace, AssetId("models", "m", "1")),
    }
    state.ledger.put_rows(
        [
            Row(name(each), kind, "published", root="root")
            for kind, name in named.items()
            for each in (WORKSPACE_ID, other)
        ]
    )
    for kind, name in named.items():
        rows = state.ledger.list_rows(kind, workspace=WORKSPACE_ID)
        assert [(row.key, row.root) for row in rows] == [(name(WORKSPACE_ID), "root")]
        assert len(state.ledger.list_rows(kind)) == 2
        assert set(state.ledger.get_rows([name(WORKSPACE_ID), name(other)])) == {name(WORKSPACE_ID), name(other)}


def test_placeholders_are_listed_page_by_page_until_they_are_forgotten(state: State, reopen: Open) -> None:
    """One for each root that touches the place; the last one that was added counts."""
    some = [
        Placeholder(QualifiedName(f"https://a/{number}"), QualifiedName(root), QualifiedName("run"), at=at)
        for number in range(3)
        for root, at in (("one", datetime(2026, 7, 1, tzinfo=UTC)), ("two", None))
    ]
    state.ledger.add_placeholders(some)
    state.ledger.add_placeholders([replace(some[0], exact=True)])
    seen: list[Placeholder] = []
    while page := reopen().ledger.list_placeholders(after=seen[-1].key if seen else "", limit=4):
        assert len(page) <= 4
        seen += page
    assert sorted(seen, key=lambda each: each.key) == sorted(
        [replace(some[0], exact=True), *some[1:]], key=lambda each: each.key
    )
    state.ledger.forget_placeholders(some[1:])
    assert [each.key for each in state.ledger.list_placeholders()] == [some[0].key]


def test_row_of_any_length_and_any_character_is_kept(state: State) -> None:
    """A run may touch thousands of places, and their names hold what keys of a table may not."""
    key = QualifiedName("azureml://x/with/#?%\\'quotes'/ü")
    row = Row(key, "run", "published", matches={f"https://a/{number}/{'x' * 200}": "exact" for number in range(3_000)})
    state.ledger.put_rows([row])
    assert state.ledger.get_rows([key])[key].matches == row.matches


def test_lease_is_held_by_one_until_it_is_released(state: State, reopen: Open) -> None:
    """Who comes second has to wait, in another process too."""
    minute = timedelta(minutes=1)
    assert state.leases.acquire("run", holder="a", duration=minute)
    assert not reopen().leases.acquire("run", holder="b", duration=minute)
    assert state.leases.acquire("run", holder="a", duration=minute)
    assert state.leases.acquire("other run", holder="b", duration=minute)
    state.leases.release(["run"], holder="b")
    assert not state.leases.acquire("run", holder="b", duration=minute)
    state.leases.release(["run"], holder="a")
    assert state.leases.acquire("run", holder="b", duration=minute)


def test_lease_tells_when_the_turn_before_ended(state: State, clock: Clock) -> None:
    """Who waited for it must look again at what the other may have changed."""
    minute = timedelta(minutes=1)
    assert state.leases.acquire("run", holder="a", duration=minute) == Lease(None)
    clock.advance(timedelta(seconds=5))
    released_at = clock.moment
    state.leases.release(["run"], holder="a")
    clock.advance(timedelta(seconds=5))
    taken = state.leases.acquire("run", holder="b", duration=minute)
    assert taken is not None
    assert taken.previous_end is not None
    assert released_at <= taken.previous_end <= released_at + minute
    clock.advance(2 * minute)
    taken_over = state.leases.acquire("run", holder="c", duration=minute)
    assert taken_over is not None
    assert taken_over.previous_end is not None
    assert clock.moment <= taken_over.previous_end <= clock.moment + minute


def test_lease_of_a_holder_that_died_is_taken_over_and_lost_to_him(state: State, clock: Clock) -> None:
    """When he wakes up he can neither renew nor release what is another's now."""
    minute = timedelta(minutes=1)
    assert state.leases.acquire("run", holder="dead", duration=minute)
    clock.advance(minute)
    assert state.leases.acquire("run", holder="alive", duration=minute)
    assert not state.leases.renew(["run"], holder="dead", duration=minute)
    state.leases.release(["run"], holder="dead")
    assert state.leases.renew(["run"], holder="alive", duration=minute)
    assert not state.leases.renew(["never taken"], holder="alive", duration=minute)


def test_renewed_lease_lasts_from_now(state: State, clock: Clock) -> None:
    """A long publication keeps its lease."""
    minute = timedelta(minutes=1)
    assert state.leases.acquire("run", holder="a", duration=minute)
    clock.advance(minute / 2)
    assert state.leases.renew(["run"], holder="a", duration=minute)
    clock.advance(minute / 2)
    assert not state.leases.acquire("run", holder="b", duration=minute)


def test_lease_taken_by_a_clock_that_was_ahead_is_over(state: State, clock: Clock) -> None:
    """A clock that jumped to tomorrow and back must not block a run tree until tomorrow."""
    minute = timedelta(minutes=1)
    clock.advance(timedelta(days=1))
    assert state.leases.acquire("run", holder="ahead", duration=minute)
    clock.advance(-timedelta(days=1))
    assert state.leases.acquire("run", holder="b", duration=minute)
    assert not state.leases.renew(["run"], holder="ahead", duration=minute)


def test_note_is_read_back_until_it_is_forgotten(state: State, reopen: Open) -> None:
    """Checkpoints and watermarks."""
    state.notes.put("backfill/ws", {"after": "run-1"})
    state.notes.put("backfill/ws", {"after": "run-2", "pages": [1, 2]})
    assert reopen().notes.get("backfill/ws") == {"after": "run-2", "pages": [1, 2]}
    state.notes.forget("backfill/ws")
    state.notes.forget("backfill/ws")
    assert state.notes.get("backfill/ws") is None


def test_notes_of_a_folder_are_listed_page_by_page_and_are_no_notes_of_others(state: State, reopen: Open) -> None:
    """Of any number and of any names, which keys of a table may not have."""
    notes = {f"gap azureml://x/#?%\\'ü/{number}": {"reason": "why " * 500, "number": number} for number in range(250)}
    state.notes.put_in("here", notes)
    state.notes.put_in("there", {"gap": {"number": 1}})
    state.notes.put("here", {"a": "note"})
    assert read_folder(reopen().notes, "here", size=100) == notes
    state.notes.put_in("here", {next(iter(notes)): {"number": -1}})
    state.notes.forget_in("here", [*list(notes)[1:], "unknown"])
    assert dict(state.notes.list_in("here")) == {next(iter(notes)): {"number": -1}}
    assert dict(state.notes.list_in("nowhere")) == {}
    assert state.notes.get("here") == {"a": "note"}
    state.notes.put_in("here", {})


def test_looks_are_listed_once_their_time_has_come_the_first_first(state: State, reopen: Open, clock: Clock) -> None:
    """Of one run there may be several."""
    root, other, now = QualifiedName("azureml://r"), QualifiedName("azureml://other"), clock.moment
    looks = [
        Look(root, now + timedelta(minutes=10), digest="d"),
        Look(other, now + timedelta(minutes=5), number=1, failures=2),
        Look(root, now + timedelta(days=1), number=2),
    ]
    for look in (*looks, looks[0]):
        state.ledger.put_look(look)
    assert list(state.ledger.list_looks(until=now, limit=9)) == []
    due = state.ledger.list_looks(until=now + timedelta(minutes=10), limit=9)
    assert list(due) == [looks[1], looks[0]]
    assert list(reopen().ledger.list_looks(until=now + timedelta(days=2), limit=2)) == [looks[1], looks[0]]
    state.ledger.forget_look(looks[0])
    state.ledger.forget_look(looks[0])
    assert list(state.ledger.list_looks(until=now + timedelta(days=2), limit=9)) == [looks[1], looks[2]]


def test_what_was_read_a_moment_ago_is_not_asked_for_again(
    azurite_server: AzuriteServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For a minute, and only of what is shared and no placeholder; what was forgotten is asked for."""
    clock = Clock()
    where = Azurite(azurite_server.base_port)
    empty(where)
    state = azure_storage.open_state(where, token=no_token, now=clock)
    data = qualified_names.of_asset(WORKSPACE_ID, AssetId("data", "d", "1"))
    endpoint = qualified_names.of_endpoint(WORKSPACE_ID, "e")
    sent = QualifiedName(f"told/{qualified_names.of_deployment(endpoint, 'blue')}")
    place = Ref("azure_blob_path", QualifiedName("https://a/x"))
    found = Match(Ref("azure_blob_path", QualifiedName("https://a/y")), MatchKind.EXACT)
    asked: list[str] = []
    get_many = DocumentTable.get_many
    names = {row_key(name): name for name in (data, endpoint, sent, f"{place.type_name} {place.qualified_name}")}

    def note_and_get(table: DocumentTable, rows: Iterable[str]) -> dict[str, Document]:
        wanted = list(rows)
        asked.extend(names[row.rpartition(".")[2]] for row in wanted)
        return get_many(table, wanted)

    monkeypatch.setattr(DocumentTable, "get_many", note_and_get)

    def read() -> list[str]:
        asked.clear()
        found_now = state.ledger.get_fingerprints([data, endpoint, sent])
        assert found_now == {data: "1", endpoint: "2", sent: "3"}
        assert state.ledger.get_matches([place], placeholders_since=clock.moment) == {place: found}
        return list(asked)

    state.ledger.put_fingerprints({data: "1", endpoint: "2", sent: "3"})
    state.ledger.put_matches({place: found})
    assert sorted(read()) == sorted([endpoint, sent])
    clock.moment += timedelta(minutes=2)
    assert sorted(read()) == sorted([data, endpoint, sent, f"{place.type_name} {place.qualified_name}"])
    assert sorted(read()) == sorted([endpoint, sent])
    state.ledger.forget_fingerprints([data])
    assert state.ledger.get_fingerprints([data]) == {}
    state.ledger.put_matches({place: Match(place, MatchKind.PLACEHOLDER)})
    assert state.ledger.get_matches([place], placeholders_since=clock.moment + timedelta(hours=1)) == {}
    state.close()


def use(path: str, run: str, *, is_output: bool = True) -> PlaceUse:
    """Let a run write, or read, a place of the lake."""
    name = QualifiedName(f"https://lake.dfs.core.windows.net/fs/{path}")
    return PlaceUse(f"{FILESYSTEM}{path}", QualifiedName(run), is_output, False, Ref("azure_datalake_gen2_path", name))


def paths_of(uses: Sequence[PlaceUse]) -> list[str]:
    return [f"{each.run} {each.path.removeprefix(FILESYSTEM)}" for each in uses]


def test_place_is_found_by_its_path_and_by_the_folders_above(state: State) -> None:
    """Those that wrote it and those that read it are asked for apart."""
    written = [use("raw/a.csv", "one"), use("raw/a.csv", "two"), use("raw/b/c.csv", "three"), use("raw.old/a.csv", "x")]
    state.ledger.index_uses([*written, use("raw/a.csv", "reader", is_output=False), use("raw", "whole")])
    paths = [f"{FILESYSTEM}raw", f"{FILESYSTEM}raw/a.csv", f"{FILESYSTEM}nothing"]
    assert paths_of(state.ledger.find_uses_at(paths, is_output=True)) == ["whole raw", "one raw/a.csv", "two raw/a.csv"]
    assert paths_of(state.ledger.find_uses_at(paths, is_output=False)) == ["reader raw/a.csv"]
    below = state.ledger.find_uses([], [f"{FILESYSTEM}raw"], is_output=True, limit=9)
    assert below == written[:3]
    assert len(state.ledger.find_uses([], [f"{FILESYSTEM}raw"], is_output=True, limit=2)) == 2
    assert state.ledger.find_uses([], [f"{FILESYSTEM}raw/a.csv"], is_output=True, limit=9) == []


def test_place_that_is_used_no_more_is_not_found(state: State) -> None:
    """A run that failed has not written what it was to write; indexing twice changes nothing."""
    state.ledger.index_uses([use("raw/a.csv", "one"), use("raw/a.csv", "two")])
    state.ledger.index_uses([use("raw/a.csv", "one")], forget=[use("raw/a.csv", "two"), use("raw/z.csv", "two")])
    assert paths_of(state.ledger.find_uses_at([f"{FILESYSTEM}raw/a.csv"], is_output=True)) == ["one raw/a.csv"]


@pytest.mark.parametrize("name", ["#?\\'%41 ä", "x" * 900, "/".join("x" * 50), "~", "!"])
def test_place_of_any_name_is_found(state: State, name: str) -> None:
    """A key of the table takes neither any character nor any length."""
    found = use(f"raw/{name}", "one")
    state.ledger.index_uses([found, use("raw", "two")])
    assert state.ledger.find_uses_at([found.path], is_output=True) == [found]
    assert state.ledger.find_uses([], [f"{FILESYSTEM}raw"], is_output=True, limit=9) == [found]


def test_run_that_reads_one_place_in_several_ways_is_found_with_each(state: State) -> None:
    """As data assets and by globs; one that it does not read any more takes no other with it."""
    plain = use("raw", "one", is_output=False)
    assets = [replace(plain, data=Ref("custom_ml_dataset", QualifiedName(f"churn:{version}"))) for version in (9, 10)]
    globs = [replace(plain, glob=glob) for glob in ("*.csv", "*/x.json")]
    state.ledger.index_uses([plain, *assets, *globs])
    state.ledger.index_uses([replace(plain, begun="2026-07-01")], forget=[assets[0]])
    expected = sorted([replace(plain, begun="2026-07-01"), assets[1], *globs])
    assert state.ledger.find_uses_at([plain.path], is_output=False) == expected


def test_use_that_an_earlier_version_kept_counts_until_it_is_kept_again(
    request: pytest.FixtureRequest, reopen: Open, tmp_path: Path
) -> None:
    """It kept one use of a place by a run, without a start; of other runs that is still all there is."""
    old, other = use("raw/a.csv", "one"), use("raw/a.csv", "two")
    documents = {
        each: {name: said for name, said in each.to_json().items() if name != "begun"} for each in (old, other)
    }
    ledger = reopen().ledger
    if "sqlite" in request.node.name:
        with closing(sqlite3.connect(tmp_path / "state.sqlite")) as connection:
            connection.execute("CREATE TABLE uses (path TEXT, is_output INTEGER, run TEXT, use TEXT)")
            rows = [(each.path, True, each.run, json.dumps(document)) for each, document in documents.items()]
            connection.executemany("INSERT INTO uses VALUES (?, ?, ?, ?)", rows)
            connection.commit()
        ledger = reopen().ledger
    else:
        with open_table(Azurite(request.getfixturevalue("azurite_server").base_port)) as table:
            for each, document in documents.items():
                keys = {"PartitionKey": "wrote", "RowKey": key_of_use(each)}
                table.upsert_entity({**keys, "name": each.path, "document": json.dumps(document)})
    assert ledger.find_uses_at([old.path], is_output=True) == [old, other]
    assert ledger.find_uses([], [f"{FILESYSTEM}raw"], is_output=True, limit=9) == [old, other]
    new = replace(old, begun="2026-07-01", data=Ref("custom_ml_dataset", QualifiedName("churn:1")))
    ledger.index_uses([new])
    assert ledger.find_uses_at([old.path], is_output=True) == sorted([new, other])
    ledger.index_uses([], forget=[new, other])
    assert ledger.find_uses_at([old.path], is_output=True) == []


def test_uses_are_kept_with_the_tree(state: State) -> None:
    """So that what a run used before can be taken out of the index; forgetting the tree forgets them."""
    uses = {QualifiedName("run"): (use("raw/a.csv", "run"), use("b", "run", is_output=False))}
    state.ledger.add_to_tree(QualifiedName("root"), uses=uses, fingerprints={QualifiedName("run"): "1"})
    assert state.ledger.get_tree(QualifiedName("root")).uses == uses
    assert state.ledger.get_tree(QualifiedName("root")).fingerprints == {"run": "1"}
    state.ledger.forget_tree(QualifiedName("root"))
    assert state.ledger.get_tree(QualifiedName("root")).uses == {}


MINUTE = timedelta(minutes=1)
ROOT = QualifiedName("azureml://subscriptions/s/resourcegroups/g/workspaces/w/runs/root")


def test_what_is_written_together_is_written_all_or_not_at_all(state: State, reopen: Open) -> None:
    """An error takes back what was put before it; what is put in a context within belongs to the one around."""

    def write(fingerprint: str) -> None:
        state.ledger.put_rows([Row(ROOT, "run", "published")])
        with state.ledger.together():
            state.ledger.add_to_tree(ROOT, fingerprints={ROOT: fingerprint})
        state.ledger.put_fingerprints({QualifiedName("shared"): fingerprint})

    def write_and_fail() -> None:
        with state.ledger.together():
            write("1")
            raise InterruptedError

    with pytest.raises(InterruptedError):
        write_and_fail()
    other = reopen().ledger
    assert (other.get_rows([ROOT]), other.get_tree(ROOT), other.get_fingerprints([QualifiedName("shared")])) == (
        {},
        WrittenTree(),
        {},
    )
    with state.ledger.together():
        write("2")
        write("3")
    assert other.get_rows([ROOT])[ROOT].outcome == "published"
    assert other.get_tree(ROOT).fingerprints == {ROOT: "3"}
    assert reopen().ledger.get_fingerprints([QualifiedName("shared")]) == {"shared": "3"}


def test_more_than_one_transaction_takes_is_written_together_too(state: State) -> None:
    """By number, and by size; texts of any script take more bytes than they have characters."""
    fingerprints = {QualifiedName(f"azureml://run/{number}"): "\u3042" * 9_000 for number in range(450)}
    with state.ledger.together():
        state.ledger.add_to_tree(ROOT, fingerprints=fingerprints)
        state.ledger.put_rows([Row(ROOT, "run", "published")])
    assert state.ledger.get_tree(ROOT).fingerprints == fingerprints
    assert state.ledger.get_rows([ROOT])[ROOT].kind == "run"


def test_lease_is_taken_and_given_up_with_what_is_written(state: State, reopen: Open) -> None:
    """One transaction takes the lease and notes what comes first, another notes the rest and ends it."""
    state.ledger.get_tree(ROOT)
    with state.ledger.together():
        assert state.leases.acquire(ROOT, holder="a", duration=MINUTE) == Lease(None)
        state.ledger.add_to_tree(ROOT, fingerprints={ROOT: "1"})
    assert reopen().leases.acquire(ROOT, holder="b", duration=MINUTE) is None
    with state.ledger.together():
        state.ledger.put_rows([Row(ROOT, "run", "published")])
        state.leases.release([ROOT], holder="a")
    state.leases.release([ROOT], holder="a")
    other = reopen()
    assert other.ledger.get_rows([ROOT])[ROOT].kind == "run"
    assert other.leases.acquire(ROOT, holder="b", duration=MINUTE)
    assert not state.leases.renew([ROOT], holder="a", duration=MINUTE)


def test_of_two_writers_that_read_one_tree_the_second_writes_nothing(state: State, reopen: Open) -> None:
    """Neither its lease nor what it would have noted with it: what it read is not true any more."""
    rival = reopen()
    state.ledger.get_tree(ROOT)
    rival.ledger.get_tree(ROOT)
    with rival.ledger.together():
        assert rival.leases.acquire(ROOT, holder="rival", duration=MINUTE)
        rival.ledger.add_to_tree(ROOT, fingerprints={ROOT: "rival"})

    def take_too() -> None:
        with state.ledger.together():
            if not state.leases.acquire(ROOT, holder="us", duration=MINUTE):
                raise LeaseHeldError("held")
            state.ledger.add_to_tree(ROOT, fingerprints={ROOT: "us"})

    with pytest.raises(LeaseHeldError):
        take_too()
    assert state.ledger.get_tree(ROOT).fingerprints == {ROOT: "rival"}
    assert not state.leases.acquire(ROOT, holder="us", duration=MINUTE)
    assert rival.leases.renew([ROOT], holder="rival", duration=MINUTE)


def test_holder_learns_that_another_asked_for_its_lease(state: State, reopen: Open) -> None:
    """Another worker that found it taken may have left something to do; it is said once, to the holder alone."""
    for together in (False, True):
        assert state.leases.acquire(ROOT, holder="a", duration=MINUTE)
        for _ in range(2):
            assert reopen().leases.acquire(ROOT, holder="b", duration=MINUTE) is None
        if together:
            with state.ledger.together():
                state.ledger.put_rows([Row(ROOT, "run", "published")])
                state.leases.release([ROOT], holder="a")
        else:
            state.leases.release([ROOT], holder="a")
        assert [state.leases.was_wanted(ROOT, holder="a") for _ in range(2)] == [True, False]
        assert state.leases.acquire(ROOT, holder="a", duration=MINUTE)
        state.leases.release([ROOT], holder="a")
        assert not state.leases.was_wanted(ROOT, holder="a")


def test_of_two_that_claim_names_one_has_all_of_its_own_and_the_other_none(state: State, reopen: Open) -> None:
    """They share one name; what the second would have noted along with its claim is not noted either."""
    other = reopen()
    state.leases.claim(["x", "y"], holder="a", duration=MINUTE)

    def claim_and_note() -> None:
        with other.ledger.together():
            other.leases.claim(["y", "z"], holder="b", duration=MINUTE)
            other.ledger.put_rows([Row(ROOT, "run", "published")])

    with pytest.raises(ClaimHeldError, match="y"):
        claim_and_note()
    assert other.ledger.get_rows([ROOT]) == {}
    other.leases.release(["y", "z"], holder="b")
    assert state.leases.acquire("z", holder="c", duration=MINUTE)
    assert state.leases.renew(["x", "y"], holder="a", duration=MINUTE)


def test_claims_are_free_once_they_are_given_up_with_what_is_written(state: State, reopen: Open) -> None:
    """With the lease of a root, as publishing takes and ends them; a second release does no harm."""
    names = [f"name {number}" for number in range(130)]
    state.ledger.get_tree(ROOT)
    with state.ledger.together():
        assert state.leases.acquire(ROOT, holder="a", duration=MINUTE)
        state.leases.claim(names, holder="a", duration=MINUTE)
        state.ledger.put_rows([Row(ROOT, "run", "published")])
    for taken in (names[0], names[-1]):
        with pytest.raises(ClaimHeldError, match=taken):
            reopen().leases.claim([taken], holder="b", duration=MINUTE)
    assert state.leases.renew([ROOT, *names], holder="a", duration=MINUTE)
    with state.ledger.together():
        state.ledger.put_rows([Row(ROOT, "run", "skipped")])
        state.leases.release([ROOT, *names], holder="a")
    state.leases.release([ROOT, *names], holder="a")
    assert reopen().ledger.get_rows([ROOT])[ROOT].outcome == "skipped"
    reopen().leases.claim(names, holder="b", duration=MINUTE)
    assert not state.leases.renew(names, holder="a", duration=MINUTE)


def test_claim_of_a_worker_that_died_is_taken_over_when_it_is_over(state: State, reopen: Open, clock: Clock) -> None:
    """So is what is left of a lease that someone gave up; what is alive is not."""
    state.leases.claim(["x"], holder="dead", duration=MINUTE)
    assert state.leases.acquire("root", holder="gone", duration=MINUTE)
    state.leases.release(["root"], holder="gone")
    clock.advance(2 * MINUTE)
    reopen().leases.claim(["new", "root", "x"], holder="alive", duration=MINUTE)
    assert not state.leases.renew(["x"], holder="dead", duration=MINUTE)
    state.leases.release(["x"], holder="dead")
    with pytest.raises(ClaimHeldError):
        state.leases.claim(["x"], holder="third", duration=MINUTE)


def test_claim_and_lease_of_one_name_exclude_each_other(state: State, reopen: Open) -> None:
    """A model version is a root of its own, and an entity that a run creates."""
    state.leases.claim(["model"], holder="a", duration=MINUTE)
    assert reopen().leases.acquire("model", holder="b", duration=MINUTE) is None
    state.leases.release(["model"], holder="a")
    assert reopen().leases.acquire("model", holder="b", duration=MINUTE)
    with pytest.raises(ClaimHeldError):
        state.leases.claim(["model"], holder="a", duration=MINUTE)


def test_leases_that_were_given_up_long_ago_are_deleted_and_no_others(state: State, clock: Clock) -> None:
    """A tree that is not written any more costs no lease; one that is held, or was just given up, stays."""
    for name in ("old", "held", "new"):
        assert state.leases.acquire(name, holder="a", duration=10 * MINUTE)
    state.leases.release(["old"], holder="a")
    clock.advance(5 * MINUTE)
    state.leases.release(["new"], holder="a")
    state.ledger.add_to_tree(ROOT, fingerprints={ROOT: "1"})
    state.leases.purge(until=clock.moment - MINUTE)
    assert not state.leases.acquire("held", holder="b", duration=10 * MINUTE)
    assert state.leases.acquire("new", holder="b", duration=MINUTE) not in (None, Lease(None))
    assert state.leases.acquire("old", holder="b", duration=MINUTE) == Lease(None)
    assert state.ledger.get_tree(ROOT).fingerprints == {ROOT: "1"}


def test_of_several_transactions_the_last_has_the_row_and_gives_the_lease_up(
    azure: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first takes it. Who believes a row then finds all else that was put before it."""
    lease, row = row_key(ROOT), f"{row_key(ROOT)}!"
    sent: list[set[str]] = []
    write = TableService.write

    def note_and_write(service: TableService, writes: Sequence[Write]) -> list[str]:
        sent.append({each.row for each in writes})
        return write(service, writes)

    monkeypatch.setattr(TableService, "write", note_and_write)
    fingerprints = {QualifiedName(f"azureml://run/{number}"): str(number) for number in range(250)}
    azure.ledger.get_tree(ROOT)
    with azure.ledger.together():
        assert azure.leases.acquire(ROOT, holder="a", duration=MINUTE)
        azure.ledger.add_to_tree(ROOT, fingerprints=fingerprints)
    assert [lease in each for each in sent] == [True, False, False]
    sent.clear()
    with azure.ledger.together():
        azure.ledger.add_to_tree(ROOT, fingerprints=fingerprints)
        azure.ledger.put_rows([Row(ROOT, "run", "published")])
        azure.leases.release([ROOT], holder="a")
    assert [(lease in each, row in each) for each in sent] == [(False, False), (False, False), (True, True)]
    assert azure.leases.acquire(ROOT, holder="b", duration=MINUTE)
    assert azure.ledger.get_tree(ROOT).fingerprints == fingerprints


def test_row_is_not_written_by_a_worker_that_lost_its_lease_between_two_transactions(
    azure: State, clock: Clock
) -> None:
    """The last of them says so, however many there were before it."""
    azure.ledger.get_tree(ROOT)
    assert azure.leases.acquire(ROOT, holder="us", duration=MINUTE)
    clock.advance(2 * MINUTE)
    assert azure.leases.acquire(ROOT, holder="rival", duration=MINUTE)

    def note() -> None:
        with azure.ledger.together():
            azure.ledger.add_to_tree(ROOT, fingerprints={QualifiedName(str(each)): "1" for each in range(150)})
            azure.ledger.put_rows([Row(ROOT, "run", "published")])
            azure.leases.release([ROOT], holder="us")

    with pytest.raises(LeaseHeldError):
        note()
    assert azure.ledger.get_rows([ROOT]) == {}
    assert azure.leases.renew([ROOT], holder="rival", duration=MINUTE)


def test_places_are_found_for_many_paths_and_folders_at_once(state: State) -> None:
    """As if each were asked for; also where one folder above them all has more than is read at once."""
    few = [
        use("raw/a.csv", "one"),
        use("raw/b/c.csv", "two"),
        use("else/x", "three"),
        use("raw", "reads", is_output=False),
    ]
    many = [use(f"full/{number}/x.csv", f"run-{number}") for number in range(250)]
    state.ledger.index_uses([*few, *many])
    for _ in range(2):
        found = state.ledger.find_uses(
            [f"{FILESYSTEM}{path}" for path in ("raw", "raw/a.csv", "full", "full/7/x.csv")],
            [f"{FILESYSTEM}{path}" for path in ("raw/b", "full/8")],
            is_output=True,
        )
        assert paths_of(found) == ["run-7 full/7/x.csv", "run-8 full/8/x.csv", "one raw/a.csv", "two raw/b/c.csv"]
    assert state.ledger.find_uses([], [], is_output=True) == []


def test_all_uses_of_a_place_are_found_and_of_those_inside_it_as_many_as_wanted(state: State) -> None:
    """A place that every run writes is one that all of them have written."""
    state.ledger.index_uses([use("raw", f"run-{number}") for number in range(1_100)])
    state.ledger.index_uses([use(f"raw/{number}", "inside") for number in range(20)])
    folder = f"{FILESYSTEM}raw"
    assert len(state.ledger.find_uses_at([folder], is_output=True)) == 1_100
    both = state.ledger.find_uses([folder], [folder], is_output=True, limit=10)
    assert len([each for each in both if each.path == folder]) == 1_100
    assert len(both) == 1_110


@pytest.fixture
def azure(azurite_server: AzuriteServer, clock: Clock) -> Iterable[State]:
    """The ledger in an empty table."""
    where = Azurite(azurite_server.base_port)
    empty(where)
    state = azure_storage.open_state(where, token=no_token, now=clock)
    yield state
    state.close()


def test_answers_that_come_in_pages_are_read_to_the_end(azure: State) -> None:
    """The service ends a page after a thousand entities, or when it likes."""
    keys = [QualifiedName(f"{ROOT.removesuffix('root')}{number}") for number in range(1_150)]
    azure.ledger.put_rows([Row(key, "run", "published") for key in keys])
    azure.ledger.add_to_tree(ROOT, fingerprints=dict.fromkeys(keys, "1"))
    assert len(azure.ledger.get_tree(ROOT).fingerprints) == 1_150
    assert {row.key for row in azure.ledger.list_rows("run", limit=2_000)} == set(keys)


def test_row_that_no_entity_can_hold_is_refused_and_takes_nothing_with_it(azure: State) -> None:
    """An entity takes a megabyte; what would not fit even compressed cannot be written by trying again."""
    digits = "".join(digest for number in range(60_000) for digest in [row_key(str(number))])

    def write() -> None:
        with azure.ledger.together():
            azure.ledger.put_rows([Row(ROOT, "run", "published", matches={"a": digits})])
            azure.ledger.add_to_tree(ROOT, fingerprints={ROOT: "1"})

    with pytest.raises(RequestRefusedError):
        write()
    assert azure.ledger.get_rows([ROOT]) == {}


def test_table_that_is_not_there_yet_is_waited_for(azurite_server: AzuriteServer) -> None:
    """A deployment creates it; no message may be given up until it has."""
    storage = azure_storage.Storage(Azurite(azurite_server.base_port), no_token)
    service = storage.table()
    service.name = "nosuchtable"
    service._retrying = service._retrying.copy(sleep=lambda _: None)
    with pytest.raises(ServiceUnavailableError, match="TableNotFound"):
        service.get("a", "b")
    with pytest.raises(ServiceUnavailableError, match="TableNotFound"):
        list(service.query("a", "b", "c"))
    storage.close()


def test_state_of_the_version_before_is_read_and_replaced(
    azurite_server: AzuriteServer, azure: State, clock: Clock
) -> None:
    """Each kind was in a partition of its own; what is written now comes first, and what is forgotten stays so."""
    place, run, model = Ref("azure_blob_path", QualifiedName("https://a/x")), ROOT, QualifiedName("models/m/versions/1")
    old_use, look = use("raw/a.csv", str(run)), Look(run, clock.moment, digest="d")
    row = Row(run, "run", "published", status="Completed", updated_at=clock.moment)
    other = replace(row, key=QualifiedName(f"{run}-2"))
    times = {"event_time": None, "updated_at": clock.moment.isoformat()}
    kept: list[tuple[str, str, str, Document]] = [
        *(("row", row_key(each.key), each.key, {**asdict(each), **times, "evidence": []}) for each in (row, other)),
        ("tree", f"{row_key(run)}.{row_key(run)}", run, {"name": run, "fingerprint": "1"}),
        ("tree", f"{row_key(run)}.{row_key(f'{run} {model}')}", "", {"name": run, "model": model}),
        ("tree", f"{row_key(run)}.{row_key(f'{run} uses')}", "", {"name": run, "uses": [old_use.to_json()]}),
        ("fingerprint", row_key("shared"), "shared", {"fingerprint": "1"}),
        (
            "match",
            row_key(f"{place.type_name} {place.qualified_name}"),
            "",
            match_document(place, clock),
        ),
        ("look", timed_key(look.at, look.root), look.root, {**asdict(look), "at": look.at.isoformat()}),
        ("wrote", key_of_use(old_use), old_use.path, old_use.to_json()),
        ("lease", row_key(run), run, {"holder": "old", "ends_at": (clock.moment + MINUTE).isoformat()}),
        ("note", row_key("backfill"), "backfill", {"after": "x"}),
    ]
    with open_table(Azurite(azurite_server.base_port)) as table:
        for partition, key, name, document in kept:
            columns = {"kind": str(document["kind"])} if partition == "row" else {}
            text = json.dumps(document)
            table.upsert_entity({"PartitionKey": partition, "RowKey": key, "name": name, "document": text, **columns})
    ledger = azure.ledger
    assert ledger.get_rows([run]) == {run: row}
    assert [each.key for each in ledger.list_rows("run")] == sorted([run, other.key], key=row_key)
    assert ledger.get_tree(run) == WrittenTree({run: frozenset({model})}, {run: "1"}, {run: (old_use,)})
    assert ledger.get_fingerprints([QualifiedName("shared")]) == {"shared": "1"}
    assert ledger.get_matches([place], placeholders_since=clock.moment)[place].kind is MatchKind.EXACT
    assert ledger.list_looks(until=clock.moment, limit=9) == [look]
    assert ledger.find_uses([old_use.path], [], is_output=True) == [old_use]
    assert azure.leases.acquire(run, holder="new", duration=MINUTE) is None, "an earlier version is writing it"
    assert azure.notes.get("backfill") == {"after": "x"}
    ledger.put_rows([replace(row, outcome="skipped")])
    ledger.add_to_tree(run, fingerprints={run: "2"})
    assert [each.outcome for each in ledger.list_rows("run") if each.key == run] == ["skipped"]
    assert len(ledger.list_rows("run", limit=1)) == 1
    first, second = sorted([run, other.key], key=row_key)
    assert [each.key for each in ledger.list_rows("run", after=first)] == [second]
    assert ledger.get_tree(run).fingerprints == {run: "2"}
    ledger.forget_look(look)
    ledger.forget_fingerprints([QualifiedName("shared")])
    ledger.forget_tree(run)
    ledger.index_uses([], forget=[old_use])
    assert ledger.list_looks(until=clock.moment, limit=9) == []
    assert ledger.get_fingerprints([QualifiedName("shared")]) == {}
    assert ledger.get_tree(run) == WrittenTree({run: frozenset({model})})
    assert ledger.find_uses([old_use.path], [], is_output=True) == []


def match_document(place: Ref, clock: Clock) -> Document:
    """Say that a place was found as it is named."""
    names = {"type_name": place.type_name, "qualified_name": place.qualified_name}
    return {**names, "kind": "exact", "rule": "", "at": clock.moment.isoformat()}


def key_of_use(found: PlaceUse) -> str:
    """Make the row key of a use as the version before did."""
    return f"{key_of_path(found.path)}!{row_key(f'{found.path} {found.run}')[:32]}"
