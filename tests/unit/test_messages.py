"""Messages: returning means done with it, raising means bring it back, and nothing accepted is lost silently."""

import json
import logging
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from shared.errors import (
    AccessDeniedError,
    EntityRejectedError,
    ForeignWorkspaceError,
    LineageError,
    MalformedEventError,
    RecordNotFoundError,
    RequestRefusedError,
    RunNotSettledError,
    ServiceUnavailableError,
    TransientError,
)
from shared.intake.allow_list import AllowList, read_event
from shared.intake.deliver import Redelivery, handle_message, handle_next
from shared.intake.envelopes import redact_event
from shared.intake.message import REPLAY, MessageBody
from shared.intake.receive import enqueue
from shared.model import WorkspaceId
from shared.publishing.engine import Publisher
from shared.publishing.plan import Outcome
from shared.state.ports import Message
from shared.state.sqlite import Database, SqliteLedger
from tests.harness.fakes import NOON, FakeCatalog, FakeClock, FakeDeadLetters, FakeQueue, FakeRunSource, FreeLeases
from tests.unit.examples import ARM_ID, WORKSPACE_ID, answers, at, event_grid, run, tree, ws

EXPERIMENT = "experiments/22222222-2222-2222-2222-222222222222"
OURS = AllowList((ARM_ID,))
TRAIN = run("train", inputs={"raw": at("raw/")}, outputs={"out": at("out/")}, command="python train.py")
TWICE = Redelivery(max_attempts=2, first_delay=timedelta(seconds=2))


def completed(run_id: str = "train", **members: Any) -> str:
    return json.dumps(
        event_grid("RunCompleted", f"{EXPERIMENT}/runs/{run_id}", {"runId": run_id}, eventTime=NOON.isoformat())
        | members
    )


class Desk:
    """The handler with everything it works on."""

    def __init__(self, database: Database) -> None:
        self.source = FakeRunSource(answers(tree(TRAIN)))
        self.catalog = FakeCatalog()
        self.ledger = SqliteLedger(database)
        self.dead_letters = FakeDeadLetters()
        self.clock = FakeClock()

    def handle(self, body: str, *, attempt: int = 1) -> Outcome:
        publisher = Publisher(self.source, self.catalog, self.ledger, FreeLeases(), now=self.clock)
        return handle_message(
            MessageBody.parse(body, message_id="m"),
            attempt=attempt,
            allowed=OURS,
            publisher=publisher,
            dead_letters=self.dead_letters,
        )

    def handle_next(self, queue: FakeQueue, redelivery: Redelivery = TWICE) -> Outcome | None:
        handled = handle_next(
            queue,
            lambda message: self.handle(message.body, attempt=message.dequeue_count),
            dead_letters=self.dead_letters,
            redelivery=redelivery,
        )
        return handled[1] if handled else None


@pytest.fixture
def desk() -> Iterator[Desk]:
    database = Database(":memory:", now=FakeClock())
    yield Desk(database)
    database.close()


def busy(count: int = 1, **more: Any) -> list[Exception]:
    return [ServiceUnavailableError("busy", **more) for _ in range(count)]


def test_event_of_a_completed_run_is_published(desk: Desk) -> None:
    """The catalog has it when we return, and nothing is dead-lettered."""
    outcome = desk.handle(completed())
    assert (outcome.outcome, outcome.subject) == ("published", "run train")
    assert ws("runs/train") in desk.catalog.entities
    assert desk.dead_letters.letters == []


def test_same_message_twice_writes_once(desk: Desk) -> None:
    """Event Grid delivers at least once."""
    desk.handle(completed())
    assert desk.handle(completed()).outcome == "skipped"
    assert len(desk.catalog.sent) == 1


def test_event_of_unknown_type_is_skipped_without_a_call(desk: Desk) -> None:
    """New types must not fill the dead letters."""
    outcome = desk.handle(completed(eventType="Microsoft.MachineLearningServices.SomethingNew"))
    assert outcome.outcome == "skipped"
    assert "SomethingNew" in outcome.reason
    assert (desk.source.calls, desk.catalog.calls, desk.dead_letters.letters) == ([], [], [])


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ("not json", "body"),
        ("[" * 100_000, "body"),
        (completed(id=None), "id"),
        (completed(topic="ws-ml"), "topic"),
        (completed(data={}), "data.runId"),
        (completed(subject="x/y"), "subject"),
    ],
    ids=["no JSON", "nested JSON", "no id", "no workspace", "no run", "contradiction"],
)
def test_malformed_event_is_dead_lettered_naming_the_field(desk: Desk, body: str, field: str) -> None:
    """A retry cannot help; the reason says what to fix, and no call is made."""
    assert desk.handle(body, attempt=3).outcome == "dead_lettered"
    (letter,) = desk.dead_letters.letters
    assert (letter.reason, letter.detail.partition(":")[0], letter.attempts) == ("MalformedEvent", field, 3)
    assert (desk.source.calls, desk.catalog.calls) == ([], [])


def test_event_of_a_foreign_workspace_is_dead_lettered_without_a_call(desk: Desk) -> None:
    """We send nothing to a workspace that is not listed, not even to ask."""
    foreign = ARM_ID.replace("ws-ml", "ws-other")
    assert desk.handle(completed(topic=foreign)).outcome == "dead_lettered"
    (letter,) = desk.dead_letters.letters
    assert (letter.reason, "ws-other" in letter.detail) == ("ForeignWorkspace", True)
    assert (desk.source.calls, desk.catalog.calls) == ([], [])


@pytest.mark.parametrize(
    "prefix",
    [
        ARM_ID,
        ARM_ID.upper(),
        f"{ARM_ID}/",
        "/subscriptions/00000000-0000-0000-0000-000000000000",
        "/subscriptions/00000000-0000-0000-0000-000000000000/resourcegroups/RG-ML/",
    ],
)
def test_workspace_under_a_listed_prefix_is_ours(prefix: str) -> None:
    """A workspace, a resource group or a subscription, in any case."""
    assert read_event(completed(), AllowList(("/subscriptions/other", prefix))).workspace == WORKSPACE_ID


@pytest.mark.parametrize(
    "prefix",
    [
        ARM_ID[:-1],
        "/subscriptions/00000000-0000-0000-0000-00000000000",
        "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg",
        f"{ARM_ID}-2",
    ],
)
def test_prefix_ends_at_a_slash(prefix: str) -> None:
    """`rg` does not let in `rg-ml`."""
    with pytest.raises(ForeignWorkspaceError):
        AllowList((prefix,)).check(WORKSPACE_ID)


def test_empty_allow_list_refuses_all() -> None:
    """The safe side."""
    with pytest.raises(ForeignWorkspaceError):
        AllowList(()).check(WorkspaceId("s", "rg", "ws"))


@pytest.mark.parametrize(
    "failure", [ServiceUnavailableError("busy"), AccessDeniedError("role"), RunNotSettledError("soon")]
)
def test_transient_failure_raises_and_sets_nothing_aside(desk: Desk, failure: TransientError) -> None:
    """The message must come back."""
    desk.source.failures = [failure]
    with pytest.raises(type(failure)):
        desk.handle(completed())
    assert desk.dead_letters.letters == []


def test_transient_failure_of_the_catalog_raises_too(desk: Desk) -> None:
    """No success is reported for a write that failed, and the next attempt writes all of it."""
    desk.catalog.failures = busy()
    with pytest.raises(ServiceUnavailableError):
        desk.handle(completed())
    assert desk.handle(completed(), attempt=2).outcome == "published"
    assert ws("runs/train") in desk.catalog.entities


def test_terminal_failure_is_dead_lettered_before_we_return(desk: Desk) -> None:
    """Else the message would be gone from the queue and absent from the dead letters."""
    desk.source.failures = [RequestRefusedError("bad request", status=400)]
    assert desk.handle(completed()).outcome == "dead_lettered"
    assert [letter.reason for letter in desk.dead_letters.letters] == ["RequestRefused"]


@pytest.mark.parametrize("failure", [ServiceUnavailableError("queue down"), OSError("disk full")])
def test_message_comes_back_when_dead_lettering_fails(desk: Desk, failure: Exception) -> None:
    """If the dead letter cannot be stored, the message must not be lost: we raise."""
    desk.dead_letters.failures = [failure]
    with pytest.raises(type(failure)):
        desk.handle("not json")


def test_record_missing_right_after_its_event_comes_back(desk: Desk) -> None:
    """The event overtook the record it is about; within ten minutes a 404 is not yet the truth."""
    desk.clock.time = NOON + timedelta(minutes=9, seconds=59)
    with pytest.raises(RunNotSettledError):
        desk.handle(completed("gone"))
    assert desk.dead_letters.letters == []


def test_record_missing_long_after_its_event_is_dead_lettered(desk: Desk) -> None:
    """It was deleted, or never there; a retry cannot help."""
    desk.clock.time = NOON + timedelta(minutes=10)
    assert desk.handle(completed("gone")).outcome == "dead_lettered"
    assert [letter.reason for letter in desk.dead_letters.letters] == ["RecordNotFound"]


def test_rejected_entity_is_dead_lettered_and_its_neighbours_are_written(desk: Desk) -> None:
    """A poison entity must not sink the others, and the catalog's words reach the dead letter."""
    desk.catalog.refuse = {ws("runs/train")}
    assert desk.handle(completed()).outcome == "dead_lettered"
    (letter,) = desk.dead_letters.letters
    assert (letter.reason, letter.detail) == ("EntityRejected", f"{ws('runs/train')}: refused")
    assert ws("experiments/churn") in desk.catalog.entities
    assert ws("runs/train") not in desk.catalog.entities


def test_replayed_dead_letter_is_published_once(desk: Desk) -> None:
    """A dead letter can be replayed as it is, when its cause is gone."""
    desk.catalog.refuse = {ws("runs/train")}
    desk.handle(completed())
    desk.catalog.refuse = set()
    (letter,) = desk.dead_letters.letters
    assert [desk.handle(letter.body).outcome, desk.handle(letter.body).outcome] == ["published", "skipped"]
    assert ws("runs/train") in desk.catalog.entities


def test_dead_letter_has_no_secret(desk: Desk) -> None:
    """Neither in the body, which is the event as it came, nor in the words of the failure."""
    desk.source.failures = [RequestRefusedError("no: https://h/c?sig=hunter2", status=400)]
    data = {"runId": "train", "runTags": {"api_key": "hunter2", "area": "churn"}}
    desk.handle(completed(data=data))
    (letter,) = desk.dead_letters.letters
    assert "hunter2" not in letter.body + letter.detail
    assert json.loads(letter.body)["data"]["runTags"]["area"] == "churn"


@pytest.mark.parametrize(
    ("body", "outcome"),
    [
        (completed(), "published"),
        (completed(eventType="Microsoft.MachineLearningServices.SomethingNew"), "skipped"),
        ("not json", "dead_lettered"),
    ],
)
def test_outcome_of_a_message_is_one_line_in_the_log(
    desk: Desk, caplog: pytest.LogCaptureFixture, body: str, outcome: str
) -> None:
    """With facts as fields and without the payload."""
    with caplog.at_level(logging.INFO, logger="shared"):
        desk.handle(body)
    assert [record.__dict__["outcome"] for record in caplog.records] == [outcome]
    assert body not in caplog.text


def test_empty_queue_has_nothing_to_handle(desk: Desk) -> None:
    """No message, no outcome."""
    assert desk.handle_next(FakeQueue()) is None


def test_handled_message_is_deleted(desk: Desk) -> None:
    """Done with it."""
    queue = FakeQueue(completed())
    outcome = desk.handle_next(queue)
    assert outcome is not None
    assert (outcome.outcome, queue.messages) == ("published", [])


def test_dead_lettered_message_is_deleted(desk: Desk) -> None:
    """It is in the dead letters now, and in one place only."""
    queue = FakeQueue("not json")
    desk.handle_next(queue)
    assert (len(desk.dead_letters.letters), queue.messages) == (1, [])


def test_message_that_failed_for_the_moment_is_given_back(desk: Desk) -> None:
    """It stays in the queue and succeeds when its time comes."""
    queue = FakeQueue(completed())
    desk.source.failures = busy()
    outcomes = [desk.handle_next(queue), desk.handle_next(queue)]
    assert [outcome.outcome for outcome in outcomes if outcome] == ["came_back", "published"]
    assert queue.messages == []


def test_delay_doubles_with_every_attempt(desk: Desk) -> None:
    """A service that is down is not helped by haste."""
    queue = FakeQueue(completed())
    desk.source.failures = busy(4)
    for _ in range(4):
        desk.handle_next(queue, Redelivery(max_attempts=5, first_delay=timedelta(seconds=2)))
    assert [delay.total_seconds() for delay in queue.delays] == [2, 4, 8, 16]


@pytest.mark.parametrize(("retry_after", "expected"), [(90, 90), (0.5, 2), (None, 2), (0, 2)])
def test_longer_wait_that_the_service_asks_for_is_honoured(
    desk: Desk, retry_after: float | None, expected: float
) -> None:
    """Retry-After may lengthen our delay and never shorten it."""
    queue = FakeQueue(completed())
    desk.source.failures = busy(retry_after=retry_after)
    desk.handle_next(queue)
    assert [delay.total_seconds() for delay in queue.delays] == [expected]


def test_message_tried_often_enough_is_dead_lettered_with_the_last_reason(desk: Desk) -> None:
    """A poison queue would give no reason; we know the last one."""
    queue = FakeQueue(completed())
    desk.source.failures = [ServiceUnavailableError("busy"), AccessDeniedError("no role")]
    outcomes = [desk.handle_next(queue), desk.handle_next(queue)]
    assert [outcome.outcome for outcome in outcomes if outcome] == ["came_back", "dead_lettered"]
    (letter,) = desk.dead_letters.letters
    assert (letter.reason, letter.detail, letter.attempts) == ("AccessDenied", "no role", 2)
    assert queue.messages == []


def test_exhausted_message_stays_in_the_queue_when_dead_lettering_fails(desk: Desk) -> None:
    """Rather one attempt too many than one message too few."""
    queue = FakeQueue(completed())
    desk.source.failures = busy(2)
    desk.dead_letters.failures = busy()
    desk.handle_next(queue)
    with pytest.raises(ServiceUnavailableError):
        desk.handle_next(queue)
    assert len(queue.messages) == 1


def test_unexpected_failure_is_given_back_and_then_dead_lettered(desk: Desk) -> None:
    """A defect of ours must cost neither the message nor those behind it."""
    queue = FakeQueue(completed())
    desk.source.failures = [KeyError("runId"), KeyError("runId")]
    outcomes = [desk.handle_next(queue), desk.handle_next(queue)]
    assert [outcome.outcome for outcome in outcomes if outcome] == ["came_back", "dead_lettered"]
    assert [letter.reason for letter in desk.dead_letters.letters] == ["UnexpectedKeyError"]


def test_interruption_by_a_person_leaves_the_message_in_the_queue(desk: Desk) -> None:
    """Ctrl-C is no failure of the message."""
    queue = FakeQueue(completed())

    def interrupted(message: Message) -> Outcome:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        handle_next(queue, interrupted, dead_letters=desk.dead_letters, redelivery=TWICE)
    assert (len(queue.messages), desk.dead_letters.letters) == (1, [])


def test_secret_in_a_failure_that_comes_back_is_not_reported(desk: Desk) -> None:
    """The reason is printed for people."""
    desk.source.failures = [ServiceUnavailableError("https://h/c?sig=hunter2 timed out")]
    outcome = desk.handle_next(FakeQueue(completed()))
    assert outcome is not None
    assert "hunter2" not in outcome.reason


def test_events_are_enqueued_one_by_one_without_their_secrets() -> None:
    """What never entered the queue cannot leak from it."""
    queue, letters = FakeQueue(), FakeDeadLetters()
    secret = {
        "runId": "train",
        "runProperties": {"azureml.runsource": "https://h/c?sig=hunter2", "password": "hunter2"},
    }
    enqueue([completed(), completed(data=secret)], queue, letters, source=REPLAY, now=FakeClock())
    events = [json.loads(MessageBody.parse(message.body, message_id="m").event) for message in queue.messages]
    assert events[0]["data"] == json.loads(completed())["data"]
    assert "metadataVersion" not in events[0]
    assert "hunter2" not in queue.messages[1].body
    assert events[1]["data"]["runId"] == "train"


@pytest.mark.parametrize(
    "error", [MalformedEventError("id", "is missing"), RecordNotFoundError("x"), EntityRejectedError({})]
)
def test_reason_of_a_dead_letter_is_a_word_to_group_by(error: LineageError) -> None:
    """The class without its suffix, the same for every such failure."""
    assert error.reason == type(error).__name__.removesuffix("Error")


@pytest.mark.parametrize(
    "workspace", ["w\u017f-credit", "..", "a?b", "a#b", "a%2fb", "ws\n", "ws/../other"], ids=lambda text: ascii(text)
)
def test_workspace_that_no_url_may_hold_is_refused_whatever_prefix_is_allowed(workspace: str) -> None:
    """Its name becomes part of URLs; a prefix must not be left through it."""
    topic = f"/subscriptions/s/resourceGroups/rg/providers/Microsoft.MachineLearningServices/workspaces/{workspace}"
    with pytest.raises((MalformedEventError, ForeignWorkspaceError)):
        read_event(completed(topic=topic), AllowList(("/subscriptions/s",)))


def test_workspace_that_is_the_same_only_by_case_folding_is_foreign() -> None:
    """A long s is no s to Azure."""
    with pytest.raises(ForeignWorkspaceError):
        AllowList(("/subscriptions/s/resourceGroups/r\u017fg",)).check(WorkspaceId("s", "rsg", "ws"))


@pytest.mark.parametrize("name", [".", "..", "\ud800"], ids=ascii)
def test_name_that_would_lead_elsewhere_is_refused(name: str) -> None:
    """`..` as part of a URL is its parent; half of a character pair cannot be part of one."""
    with pytest.raises(MalformedEventError):
        read_event(completed(subject=f"experiments/e/runs/{name}", data={"runId": name}), OURS)


def test_secrets_of_an_event_nested_too_deeply_are_still_stripped() -> None:
    """What Python cannot walk through is looked at as text."""
    deep = "[" * 50_000 + "]" * 50_000
    redacted = redact_event(f'{{"id": "e", "data": {{"x": {deep}, "password": "hunter2"}}}}')
    assert "hunter2" not in redacted


def test_later_event_that_fails_takes_nothing_from_what_was_published(desk: Desk) -> None:
    """The run is in the catalog; its row says how its data was found, for coverage, explanations and placeholders."""
    assert desk.handle(completed()).outcome == "published"
    before = desk.ledger.get_rows([ws("runs/train")])
    desk.source.failures = [RequestRefusedError("bad request", status=400)]
    later = json.loads(completed()) | {"eventTime": (NOON + timedelta(minutes=1)).isoformat()}
    assert desk.handle(json.dumps(later)).outcome == "dead_lettered"
    assert desk.ledger.get_rows([ws("runs/train")]) == before
