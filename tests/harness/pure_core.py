"""Plays golden cases through parse, plan and build alone: Azure ML from a recording, the catalog in memory."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, cast

from shared.catalog.entities import Entity, Found, Ref
from shared.catalog.qualified_names import QualifiedName
from shared.intake.allow_list import AllowList
from shared.intake.deliver import Redelivery, handle_message, handle_next
from shared.intake.message import RECONCILE, REPLAY, MessageBody
from shared.intake.receive import enqueue
from shared.ports import Inventory, RunSource
from shared.publishing.engine import Publisher
from shared.publishing.plan import Outcome
from shared.reconciling.reconcile import Reconciler
from shared.state.ports import Message
from shared.state.sqlite import open_state
from tests.harness.fakes import NOON, FakeCatalog, FakeWritten, FreeLeases
from tests.harness.recording import Replay
from tests.worlds.golden_case import Case, lineage_of, shorten

AT_ONCE = Redelivery(max_attempts=3, first_delay=timedelta(0))
LATER = NOON.replace(year=2027)
"""Well after every event, so that what is not there will not come."""


class KeepingCatalog(FakeCatalog):
    """Keeps of an entity what a later write of it does not mention, and draws every edge it ever had, as Atlas does."""

    def __init__(self) -> None:
        super().__init__()
        self.drawn: set[tuple[str, str]] = set()

    def scan(self, scanned: Mapping[str, Iterable[str]]) -> None:
        for type_name, names in scanned.items():
            for name in map(QualifiedName, names):
                segments = name.rstrip("/").split("/")
                self.entities[name] = Entity(Ref(type_name, name), {"name": segments[-1]})

    def upsert_entities(
        self,
        entities: Iterable[Entity],
        *,
        known: Collection[QualifiedName] = (),
        before_each: Callable[[], None] = lambda: None,
        after_each: Callable[[Mapping[QualifiedName, str]], None] = lambda _: None,
    ) -> FakeWritten:
        before = dict(self.entities)
        self.drawn |= {edge for entity in before.values() for edge in _edges(entity)}
        written = super().upsert_entities(entities, known=known, before_each=before_each, after_each=after_each)
        for name in written.guids:
            if old := before.get(name):
                self.entities[name] = _over(old, self.entities[name])
        return written

    def remove_entity(self, found: Found) -> None:
        removed = _edges(self.entities[found.ref.qualified_name])
        super().remove_entity(found)
        self.drawn -= {*removed}

    def read_lineage(self) -> dict[str, Any]:
        """Give all there is as the whole path reads it back."""
        entities = self.entities.values()
        now = {edge for entity in entities for edge in _edges(entity)}
        return lineage_of(map(self._as_read, entities), self.drawn | now, removed=self.drawn - now)

    def _as_read(self, entity: Entity) -> dict[str, Any]:
        parents = {
            key: {"displayText": self.entities[parent.qualified_name].attributes["name"]}
            for key, parent in entity.parents.items()
        }
        return {
            "typeName": entity.ref.type_name,
            "attributes": {"qualifiedName": entity.ref.qualified_name, **entity.attributes},
            "relationshipAttributes": parents,
            "labels": entity.labels,
        }


class Core:
    """The core with ports that touch nothing outside this process."""

    def __init__(self, case: Case, resolved: Sequence[Mapping[str, Any]]) -> None:
        self.case, self.azure_ml, self.catalog = case, Replay(resolved), KeepingCatalog()
        self.time = LATER
        self.catalog.scan(case.scanned)
        self.state = open_state(":memory:", now=self.now)
        source = cast(RunSource, self.azure_ml)
        self.allowed = AllowList(case.workspace_ids)
        self.publisher = Publisher(
            source,
            self.catalog,
            self.state.ledger,
            FreeLeases(),
            now=self.now,
            infer_columns=case.infer_columns,
            downstream=case.downstream,
            publish_again=self._publish_again,
        )
        self.reconciler = Reconciler(
            cast(Inventory, self.azure_ml),
            source,
            self.catalog,
            self.publisher,
            self.state,
            self.allowed,
            self.now,
        )

    def _publish_again(self, events: Sequence[str]) -> None:
        enqueue(events, self.state.queue, self.state.dead_letters, source=RECONCILE, now=self.now)

    def now(self) -> datetime:
        return self.time

    def play(self) -> dict[str, object]:
        """Let everything happen, in order, and give the lineage as a golden has it."""
        outcomes: list[str] = []
        for event in self.case.events:
            self.azure_ml.begin()
            outcomes += self._happen(event)
        self.azure_ml.begin()
        self.state.close()
        return {"about": self.case.about, "outcomes": outcomes, **self.catalog.read_lineage()}

    def _happen(self, event: object) -> Iterator[str]:
        if event == "reconcile":
            self.reconciler.tick()
            yield from (f"reconcile: {outcome.outcome}" for outcome in self._drain())
        elif isinstance(event, str):
            body = self.case.to_event(event)
            enqueue([body], self.state.queue, self.state.dead_letters, source=REPLAY, now=self.now)
            for outcome in self._drain():
                yield f"{event}: {outcome.outcome}{f' ({shorten(outcome.reason)})' if outcome.reason else ''}"
        elif isinstance(event, dict) and "wait" in event:
            self.time += timedelta(**event["wait"])
        # Anything else changes what Azure ML answers from then on, and that is on record.

    def _drain(self) -> Iterator[Outcome]:
        letters = self.state.dead_letters
        while handled := handle_next(self.state.queue, self._handle, dead_letters=letters, redelivery=AT_ONCE):
            yield handled[1]

    def _handle(self, message: Message) -> Outcome:
        return handle_message(
            MessageBody.parse(message.body, message_id=message.id),
            attempt=message.dequeue_count,
            allowed=self.allowed,
            publisher=self.publisher,
            dead_letters=self.state.dead_letters,
        )


def _edges(process: Entity) -> Iterator[tuple[str, str]]:
    name = process.ref.qualified_name
    yield from ((ref.qualified_name, name) for ref in process.inputs or ())
    yield from ((name, ref.qualified_name) for ref in process.outputs or ())


def _over(old: Entity, new: Entity) -> Entity:
    return replace(
        new,
        attributes={**old.attributes, **new.attributes},
        parents={**old.parents, **new.parents},
        inputs=old.inputs if new.inputs is None else new.inputs,
        outputs=old.outputs if new.outputs is None else new.outputs,
        labels=old.labels,
    )
