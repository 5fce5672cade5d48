"""What must be remembered between messages, worded by need; every adapter passes the same contract tests."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Protocol

from shared.lineage.entities import Ref
from shared.lineage.places import Match
from shared.qualified_names import QualifiedName


@dataclass(frozen=True, slots=True)
class Message:
    """A message on loan from the queue. `dequeue_count` is 1 the first time; `receipt` proves the loan."""

    id: str
    body: str
    dequeue_count: int
    receipt: str


class Queue(Protocol):
    """At-least-once, unordered. A message that is received and not deleted comes back."""

    def put(self, body: str, *, delay: timedelta = timedelta(0)) -> None: ...

    def receive(self, *, visibility: timedelta) -> Message | None:
        """Borrow a visible message and hide it from others for `visibility`; None if there is none now."""
        ...

    def delete(self, message: Message) -> None:
        """Be done with a message; of no effect if the loan has run out and another has taken it."""
        ...

    def release(self, message: Message, *, delay: timedelta) -> None:
        """Give a message back; it is visible again after `delay`."""
        ...

    def count(self) -> int:
        """Count messages, also those on loan or delayed; the service may only estimate."""
        ...


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """
    A message set aside. `body` is the event as it came, its secrets redacted; `reason` groups, `detail` explains.
    """

    id: str
    reason: str
    detail: str
    body: str
    attempts: int
    at: datetime


class DeadLetters(Protocol):
    """The place to replay from."""

    def put(self, *, reason: str, detail: str, body: str, attempts: int, id: str = "") -> DeadLetter:
        """Store a dead letter; one of the same id takes its place and is open again."""
        ...

    def get(self, dead_letter_id: str) -> DeadLetter | None:
        """Return a dead letter, also one that was closed."""
        ...

    def list_open(self, *, reason: str = "", since: datetime | None = None) -> Sequence[DeadLetter]:
        """Return dead letters that no replay has closed, oldest first."""
        ...

    def close(self, dead_letter_id: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Row:
    """
    What is known of one run, model version or endpoint.

    Attributes:
        key: its qualifiedName.
        matches: how each place it touches was found: qualifiedName → "exact", "resource set" or "placeholder".
    """

    key: QualifiedName
    kind: str
    outcome: str
    reason: str = ""
    status: str = ""
    event_id: str = ""
    event_time: datetime | None = None
    matches: Mapping[str, str] = field(default_factory=dict)
    updated_at: datetime | None = None


class Ledger(Protocol):
    """What was published, so that unchanged content costs no write and coverage can be told."""

    def get_rows(self, keys: Iterable[QualifiedName]) -> Mapping[QualifiedName, Row]: ...

    def put_rows(self, rows: Iterable[Row]) -> None: ...

    def get_models(self, runs: Iterable[QualifiedName]) -> Mapping[QualifiedName, frozenset[QualifiedName]]:
        """Return the model versions registered from each run; the run's own record does not say."""
        ...

    def add_models(self, models: Mapping[QualifiedName, Collection[QualifiedName]]) -> None:
        """Add to the models of runs; none is ever taken away, so that two workers cannot undo each other."""
        ...

    def get_fingerprints(self, names: Iterable[QualifiedName]) -> Mapping[QualifiedName, str]:
        """Return what each entity was when it was last written."""
        ...

    def put_fingerprints(self, fingerprints: Mapping[QualifiedName, str]) -> None: ...

    def forget_fingerprints(self, names: Iterable[QualifiedName]) -> None:
        """Forget what was written: the catalog may not have it any more."""
        ...

    def get_matches(self, places: Iterable[Ref], *, placeholders_since: datetime) -> Mapping[Ref, Match]:
        """Return how places were matched, without placeholders from before a time: a scan may have come since."""
        ...

    def put_matches(self, matches: Mapping[Ref, Match]) -> None:
        """Remember matches, as of now."""
        ...

    def forget_matches(self, places: Iterable[Ref]) -> None: ...

    def list_rows(self, kind: str, *, after: str = "", limit: int = 1_000) -> Sequence[Row]:
        """Return a page of the rows of a kind (`run`, `model` or `endpoint`) whose keys come after one, by key."""
        ...


class Leases(Protocol):
    """Whose turn it is; a holder that dies loses its turn when the duration is over."""

    def acquire(self, name: str, *, holder: str, duration: timedelta) -> bool:
        """
        Take a lease that is free, over, or ours already; False if another has it.

        One that ends later than `duration` from now was taken by a clock that was wrong, and counts as over.
        """
        ...

    def renew(self, name: str, *, holder: str, duration: timedelta) -> bool:
        """Make our lease last `duration` from now; False if it is not ours any more."""
        ...

    def release(self, name: str, *, holder: str) -> None:
        """Give our lease up; of no effect if it is not ours any more."""
        ...


class Notes(Protocol):
    """Small JSON objects by name: checkpoints, watermarks, the last reason a message failed."""

    def get(self, name: str) -> Mapping[str, object] | None: ...

    def put(self, name: str, note: Mapping[str, object]) -> None: ...

    def forget(self, name: str) -> None: ...


@dataclass(frozen=True, slots=True)
class State:
    """All five over one store."""

    queue: Queue
    dead_letters: DeadLetters
    ledger: Ledger
    leases: Leases
    notes: Notes
    close: Callable[[], None]
