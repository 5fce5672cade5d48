"""The queue's use case with everything it works on, as the tests of deliveries drive it."""

import json
from collections.abc import Mapping
from datetime import timedelta

from shared.intake.allow_list import AllowList
from shared.intake.deliver import Deliveries, LastEventNote
from shared.intake.message import MessageBody
from shared.publishing.engine import Publisher
from shared.publishing.plan import Outcome
from shared.state.ports import Message
from shared.state.sqlite import Database, SqliteLedger, SqliteNotes
from tests.harness.fakes import FakeCatalog, FakeClock, FakeDeadLetters, FakeQueue, FakeRunSource, FreeLeases, Script
from tests.unit.examples import ARM_ID, answers, at, event_grid, run, tree

TRAIN = run("train", inputs={"raw": at("raw/")}, outputs={"out": at("out/")})
COMPLETED = json.dumps(event_grid("RunCompleted", "experiments/e/runs/train", {"runId": "train"}))
PLAIN = MessageBody(COMPLETED, "op-1")


class Copies(FakeQueue, Script):
    """Notes with what delay each copy was put; `failures` are raised by `put`."""

    def __init__(self) -> None:
        FakeQueue.__init__(self)
        Script.__init__(self)

    def put(self, body: str, *, delay: timedelta = timedelta(0)) -> None:
        self.called("put")
        super().put(body)
        self.delays.append(delay)

    @property
    def bodies(self) -> list[MessageBody]:
        return [MessageBody.parse(message.body, message_id="copy") for message in self.messages]


class Notes(SqliteNotes, Script):
    """Notes that can fail to be written."""

    def __init__(self, database: Database) -> None:
        SqliteNotes.__init__(self, database)
        Script.__init__(self)

    def put(self, name: str, note: Mapping[str, object]) -> None:
        self.called("put")
        super().put(name, note)


class Desk:
    """The use case with everything it works on."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.source = FakeRunSource(answers(tree(TRAIN)))
        self.catalog = FakeCatalog()
        self.queue, self.dead_letters, self.notes = Copies(), FakeDeadLetters(), Notes(database)
        self.clock = FakeClock()
        self.ledger = SqliteLedger(database)
        publisher = Publisher(self.source, self.catalog, self.ledger, FreeLeases(), now=self.clock)
        self.deliveries = Deliveries(
            self.queue,
            self.dead_letters,
            self.notes,
            publisher,
            AllowList((ARM_ID,)),
            LastEventNote(self.notes, self.clock),
            now=self.clock,
        )

    def publish(self, body: MessageBody = PLAIN, *, attempt: int = 1) -> Outcome:
        return self.deliveries.publish(Message("m", body.to_json(), attempt, "receipt"))

    def collect(self, body: MessageBody = PLAIN) -> Outcome:
        return self.deliveries.collect_poison(Message("another id", body.to_json(), 1, "receipt"))

    def letters(self) -> list[tuple[str, str, str, int]]:
        return [(letter.id, letter.reason, letter.detail, letter.attempts) for letter in self.dead_letters.letters]
