"""In-memory ports for tests of the handlers. `fail_with` scripts failures: each is raised by one call, in order."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from shared.catalog.entities import ASSET, Entity, Found, Ref
from shared.catalog.kinds import RESOURCE_SETS
from shared.catalog.qualified_names import QualifiedName
from shared.errors import RecordNotFoundError
from shared.model import (
    AssetId,
    Endpoint,
    Location,
    ModelVersion,
    Producer,
    RunTree,
    Signature,
    Workspace,
    WorkspaceId,
)
from shared.state.ports import PAGE, DeadLetter, Lease, Message, OpenLetters, count_by_reason

NOON = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)


class FakeClock:
    """A clock that stands still until a test moves it."""

    def __init__(self) -> None:
        self.time = NOON

    def __call__(self) -> datetime:
        return self.time


class Script:
    """Lists the calls made, and raises what a test scripted, one error a call."""

    def __init__(self, fail_with: Iterable[Exception] = ()) -> None:
        self.calls: list[str] = []
        self.failures = list(fail_with)

    def called(self, call: str) -> None:
        self.calls.append(call)
        if self.failures:
            raise self.failures.pop(0)


class FakeRunSource(Script):
    """Azure ML as a dictionary with keys such as `run train`, `model churn:3`, `producer churn:3`, `endpoint e`."""

    def __init__(self, answers: Mapping[str, Any], *, fail_with: Iterable[Exception] = ()) -> None:
        super().__init__(fail_with)
        self.answers, self.experiments = dict(answers), dict[str, str]()

    def get_workspace(self, workspace: WorkspaceId) -> Workspace:
        return self._answer("workspace")  # type: ignore[no-any-return]

    def get_root_status(self, workspace: WorkspaceId, run_id: str) -> str:
        return self._answer(f"run {run_id}").root_status  # type: ignore[no-any-return]

    def get_run_tree(
        self,
        workspace: WorkspaceId,
        run_id: str,
        *,
        orchestrates: bool = False,
        experiments: Mapping[str, str] | None = None,
        is_published: Callable[[str], bool] | None = None,
        fresh: bool = False,
    ) -> RunTree:
        self.experiments |= experiments or {}
        return self._answer(f"run {run_id}")  # type: ignore[no-any-return]

    def has_changed(self, workspace: WorkspaceId, known: Signature) -> bool:
        return bool(self._answer(f"changed {known.root_id}"))

    def get_model(self, workspace: WorkspaceId, model: AssetId) -> ModelVersion:
        return self._answer(f"model {model.label}")  # type: ignore[no-any-return]

    def find_producer(self, workspace: WorkspaceId, model: ModelVersion) -> Producer | None:
        run_id = self.answers.get(f"producer {model.id.label}")
        if not run_id:
            return None
        return Producer(self.get_run_tree(workspace, run_id), run_id, "properties.jobName", inferred=False)

    def locate(self, workspace: WorkspaceId, model: ModelVersion) -> Location | None:
        return self.answers.get(f"location {model.id.label}")

    def add_makers(self, tree: RunTree, makers: Mapping[str, str]) -> RunTree:
        return replace(tree, represented_by={**tree.represented_by, **makers})

    def find_endpoint(self, workspace: WorkspaceId, name: str) -> Endpoint | None:
        self.called(f"endpoint {name}")
        return self.answers.get(f"endpoint {name}")

    def _answer(self, call: str) -> Any:
        self.called(call)
        if call not in self.answers:
            raise RecordNotFoundError(f"{call}: there is no such thing")
        return self.answers[call]


@dataclass(frozen=True)
class FakeWritten:
    """What became of entities."""

    guids: Mapping[QualifiedName, str]
    rejections: Mapping[QualifiedName, str]


class FakeCatalog(Script):
    """Keeps entities; refuses those named in `refuse`, and those that point at something it does not have."""

    def __init__(self, *, refuse: Iterable[str] = (), fail_with: Iterable[Exception] = ()) -> None:
        super().__init__(fail_with)
        self.refuse = set(refuse)
        self.entities: dict[QualifiedName, Entity] = {}
        self.classifications: dict[QualifiedName, tuple[str, ...]] = {}
        self.sent: list[list[QualifiedName]] = []

    def find(self, names: Sequence[QualifiedName], *, type_name: str = ASSET) -> dict[QualifiedName, Found]:
        self.called("find")
        here = [
            entity
            for name in names
            if (entity := self.entities.get(name)) and type_name in (ASSET, entity.ref.type_name)
        ]
        return {
            entity.ref.qualified_name: Found(
                entity.ref,
                f"guid {entity.ref}",
                entity.outputs or (),
                entity.labels,
                str(entity.attributes["name"]),
                inputs=entity.inputs or (),
            )
            for entity in here
        }

    def reach(self) -> None:
        self.called("reach")

    def find_collection_problem(self) -> str:
        return ""

    def list_resource_sets(self, prefixes: Collection[str], *, fresh: bool = False) -> list[Ref]:
        self.called("search")
        refs = (entity.ref for entity in self.entities.values())
        return [
            ref for ref in refs if ref.type_name in RESOURCE_SETS and ref.qualified_name.startswith(tuple(prefixes))
        ]

    def get_classifications_above(self, found: Found) -> frozenset[str]:
        self.called("classifications")
        above, waiting = {found.ref}, [found.ref]
        while waiting:
            ref = waiting.pop()
            writers = [entity for entity in self.entities.values() if ref in (entity.outputs or ())]
            beyond = {end for entity in writers for end in entity.inputs or ()} - above
            above |= beyond
            waiting += beyond
        return frozenset(name for ref in above for name in self.classifications.get(ref.qualified_name, ()))

    def add_labels(self, found: Found, labels: Sequence[str]) -> None:
        self.called("label")
        entity = self.entities[found.ref.qualified_name]
        self.entities[found.ref.qualified_name] = replace(entity, labels=(*entity.labels, *labels))

    def get_columns(self, names: Sequence[QualifiedName]) -> dict[QualifiedName, tuple[str, ...]]:
        self.called("get_columns")
        found = {
            name: tuple(
                sorted(
                    str(entity.attributes["name"])
                    for entity in self.entities.values()
                    if entity.parents.get("composeSchema") == schema
                )
            )
            for name in names
            if name in self.entities and (schema := self.entities[name].parents.get("tabular_schema"))
        }
        return {name: columns for name, columns in found.items() if columns}

    def upsert_entities(
        self,
        entities: Iterable[Entity],
        *,
        known: Collection[QualifiedName] = (),
        before_each: Callable[[], None] = lambda: None,
        after_each: Callable[[Mapping[QualifiedName, str]], None] = lambda _: None,
    ) -> FakeWritten:
        before_each()
        batch = {entity.ref: entity for entity in entities}
        self.sent.append(sorted(ref.qualified_name for ref in batch))
        self.called("upsert")
        rejections: dict[QualifiedName, str] = {}
        while refused := [entity for entity in batch.values() if not self._takes(entity, batch)]:
            rejections |= {entity.ref.qualified_name: "refused" for entity in refused}
            batch = {ref: entity for ref, entity in batch.items() if entity not in refused}
        self.entities |= {ref.qualified_name: entity for ref, entity in batch.items()}
        written = FakeWritten({ref.qualified_name: f"guid {ref}" for ref in batch}, rejections)
        after_each(written.guids)
        return written

    def is_linked(self, found: Found) -> bool:
        return any(found.ref in entity.references for entity in self.entities.values())

    def remove_entity(self, found: Found) -> None:
        del self.entities[found.ref.qualified_name]

    def remove_label(self, found: Found, label: str) -> None:
        entity = self.entities[found.ref.qualified_name]
        kept = tuple(each for each in entity.labels if each != label)
        self.entities[found.ref.qualified_name] = replace(entity, labels=kept)

    def _takes(self, entity: Entity, batch: Mapping[Ref, Entity]) -> bool:
        known = {*batch, *(stored.ref for stored in self.entities.values())}
        return entity.ref.qualified_name not in self.refuse and known.issuperset(entity.references)


class FakeDeadLetters(Script):
    """Dead letters in a list; `closed` has the ids of those that were replayed."""

    def __init__(self, *, fail_with: Iterable[Exception] = ()) -> None:
        super().__init__(fail_with)
        self.letters: list[DeadLetter] = []
        self.closed: set[str] = set()

    def put(self, *, reason: str, detail: str, body: str, attempts: int, id: str = "") -> DeadLetter:
        self.called("put")
        letter = DeadLetter(id or str(len(self.letters)), reason, detail, body, attempts, NOON)
        self.letters = [*(other for other in self.letters if other.id != letter.id), letter]
        self.closed.discard(letter.id)
        return letter

    def get(self, dead_letter_id: str) -> DeadLetter | None:
        return next((letter for letter in self.letters if letter.id == dead_letter_id), None)

    def list_open(
        self, *, reasons: Collection[str] = (), since: datetime | None = None, limit: int | None = None
    ) -> list[DeadLetter]:
        wanted = [letter for letter in self.letters if not reasons or letter.reason in reasons]
        return [letter for letter in wanted if letter.id not in self.closed][:limit]

    def name_open(self, reasons: Collection[str]) -> dict[str, datetime]:
        return {letter.id: letter.at for letter in self.list_open(reasons=reasons)}

    def count_open(self) -> dict[str, OpenLetters]:
        return count_by_reason((letter.reason, letter.at) for letter in self.list_open())

    def close(self, dead_letter_id: str) -> None:
        self.closed.add(dead_letter_id)


class FakeQueue:
    """Hands out the first message again and again until it is deleted; `delays` notes how it was given back."""

    def __init__(self, *bodies: str) -> None:
        self.messages = [Message(str(number), body, 0, "receipt") for number, body in enumerate(bodies)]
        self.delays: list[timedelta] = []

    def put(self, body: str, *, delay: timedelta = timedelta(0)) -> None:
        self.messages.append(Message(str(len(self.messages)), body, 0, "receipt"))

    def receive(self, *, visibility: timedelta) -> Message | None:
        self.messages[:1] = [replace(message, dequeue_count=message.dequeue_count + 1) for message in self.messages[:1]]
        return self.messages[0] if self.messages else None

    def receive_page(self, *, visibility: timedelta) -> Sequence[Message]:
        self.messages[:PAGE] = [
            replace(message, dequeue_count=message.dequeue_count + 1) for message in self.messages[:PAGE]
        ]
        return self.messages[:PAGE]

    def delete(self, message: Message) -> None:
        self.messages = [kept for kept in self.messages if kept.id != message.id]

    def release(self, message: Message, *, delay: timedelta) -> None:
        self.delays.append(delay)

    def next_visible_at(self) -> datetime | None:
        return NOON if self.messages else None

    def count(self) -> int:
        return len(self.messages)


class FreeLeases:
    """Leases that no other worker wants."""

    def acquire(self, name: str, *, holder: str, duration: timedelta) -> Lease | None:
        return Lease()

    def claim(self, names: Sequence[str], *, holder: str, duration: timedelta) -> None:
        """No one else has them."""

    def renew(self, names: Sequence[str], *, holder: str, duration: timedelta) -> bool:
        return True

    def release(self, names: Sequence[str], *, holder: str) -> None:
        """Nothing to do."""

    def was_wanted(self, name: str, *, holder: str) -> bool:
        return False

    def purge(self, *, until: datetime) -> None:
        """Nothing to do."""
