"""What must be remembered between messages, worded by need; every adapter passes the same contract tests."""

import hashlib
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from typing import Any, Protocol, Self

from shared.catalog.entities import Evidence, Ref
from shared.catalog.qualified_names import QualifiedName, parse
from shared.catalog.serving import Serving
from shared.model import WorkspaceId
from shared.places.matching import Match
from shared.places.place import carries
from shared.validation import members_of


@dataclass(frozen=True, slots=True)
class Message:
    """A message received from the queue. `dequeue_count` is 1 the first time; `receipt` proves that it is ours."""

    id: str
    body: str
    dequeue_count: int
    receipt: str


PAGE = 32
"""Messages that one request receives at most (Azure Storage, Get Messages: numofmessages)."""


class Queue(Protocol):
    """At-least-once, unordered. A message that is received and not deleted comes back."""

    def put(self, body: str, *, delay: timedelta = timedelta(0)) -> None: ...

    def receive(self, *, visibility: timedelta) -> Message | None:
        """Receive a visible message and hide it from others for `visibility`; None if there is none now."""
        ...

    def receive_page(self, *, visibility: timedelta) -> Sequence[Message]:
        """Do the same with as many as one request gives, `PAGE` at most."""
        ...

    def delete(self, message: Message) -> None:
        """Be done with a message; of no effect if `visibility` is over and another has received it."""
        ...

    def release(self, message: Message, *, delay: timedelta) -> None:
        """Give a message back; it is visible again after `delay`."""
        ...

    def count(self) -> int:
        """Count messages, also those hidden or delayed; the service may only estimate."""
        ...


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """A failed message. `body` is the event as it came, its secrets redacted; `reason` groups, `detail` explains."""

    id: str
    reason: str
    detail: str
    body: str
    attempts: int
    at: datetime


@dataclass(frozen=True, slots=True)
class OpenLetters:
    """How many dead letters of a reason are open, and when the oldest of them was stored."""

    count: int
    oldest: datetime


class DeadLetters(Protocol):
    """The place to replay from."""

    def put(self, *, reason: str, detail: str, body: str, attempts: int, id: str = "") -> DeadLetter:
        """Store a dead letter; one of the same id takes its place and is open again."""
        ...

    def get(self, dead_letter_id: str) -> DeadLetter | None:
        """Return a dead letter, also one that was closed."""
        ...

    def list_open(
        self, *, reasons: Collection[str] = (), since: datetime | None = None, limit: int | None = None
    ) -> Sequence[DeadLetter]:
        """Return dead letters that no replay has closed, of any reason or of some, oldest first, all or so many."""
        ...

    def name_open(self, reasons: Collection[str]) -> Mapping[str, datetime]:
        """Return the ids of those of some reasons, oldest first, and when each was stored; none of it is read."""
        ...

    def count_open(self) -> Mapping[str, OpenLetters]:
        """Count by reason, in alphabetical order, what no replay has closed; none of it is read."""
        ...

    def close(self, dead_letter_id: str) -> None: ...


def count_by_reason(letters: Iterable[tuple[str, datetime]]) -> dict[str, OpenLetters]:
    """
    Count dead letters, from the reason and the time of each.

    >>> noon = datetime(2026, 7, 1, 12)
    >>> count_by_reason([("AccessDenied", noon), ("AccessDenied", noon - timedelta(hours=1))])["AccessDenied"].count
    2
    """
    found: dict[str, OpenLetters] = {}
    for reason, at in letters:
        before = found.get(reason, OpenLetters(0, at))
        found[reason] = OpenLetters(before.count + 1, min(at, before.oldest))
    return dict(sorted(found.items()))


@dataclass(frozen=True, slots=True)
class Row:
    """
    What is known of one run, model version or endpoint.

    Attributes:
        key: its qualifiedName.
        kind: `run`, `model`, `endpoint`, `deployment`, `serving` of an endpoint, or `link` for another process.
        matches: how each place it touches was found: qualifiedName → the word for a `MatchKind`.
        files: those of the places that are no folders.
        evidence: why its edges are there.
        served: of an endpoint's serving history, what answered when.
        root: what to publish again for it to be up to date: the root of its run tree; "" if that is not known.
    """

    key: QualifiedName
    kind: str
    outcome: str
    reason: str = ""
    status: str = ""
    event_id: str = ""
    event_time: datetime | None = None
    matches: Mapping[str, str] = field(default_factory=dict)
    files: tuple[str, ...] = ()
    evidence: tuple[Evidence, ...] = ()
    served: tuple[Serving, ...] = ()
    updated_at: datetime | None = None
    root: str = ""


@dataclass(frozen=True, slots=True)
class Placeholder:
    """
    A place that is published as a placeholder: it is looked up again until a scan has found it.

    Attributes:
        name: the place, by the name that a scan would give it.
        root: what to publish again then: a run tree, an endpoint.
        run: a run or an endpoint that touches it.
        is_file: it is no folder, which its name does not say.
        at: when that run ended; None if it is not known.
        exact: the catalog's entity of this name was taken for scanned, though nothing on it is from a scan; or it is a
            glob, for which something was found, and may lead to more.
        since: from when on a glob waits for more; None before reconciling has seen that.
    """

    name: QualifiedName
    root: QualifiedName
    run: QualifiedName
    is_file: bool = False
    at: datetime | None = None
    exact: bool = False
    since: datetime | None = None

    @property
    def key(self) -> str:
        return f"{self.root} {self.name}"

    @property
    def run_id(self) -> str:
        """The id of the run, if it is in the name: a scan may keep such a place apart."""
        parsed = parse(self.run)
        return parsed.run_id if parsed and parsed.run_id and carries(self.name, parsed.run_id) else ""

    def to_json(self) -> dict[str, object]:
        """Format it as the ledger keeps it."""
        times = {"at": self.at, "since": self.since}
        return {**asdict(self), **{name: time and time.isoformat() for name, time in times.items()}}

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Self:
        """
        >>> names = map(QualifiedName, ("n", "root", "run"))
        >>> waiting = Placeholder(*names, exact=True, since=datetime(2026, 7, 1))
        >>> Placeholder.from_json(waiting.to_json()) == waiting
        True
        """
        known = members_of(cls, body)
        times = {name: datetime.fromisoformat(time) for name in ("at", "since") if (time := body.get(name))}
        return cls(**{**known, **times})


@dataclass(frozen=True, slots=True, order=True)
class PlaceUse:
    """
    That a run wrote or read a place.

    Attributes:
        path: of the place, as `Place.path`.
        data: what stands for it there: the place itself, or a data asset registered from it or written with it.
        at: when the run ended or, of a data asset that it read, when that was registered, in Azure ML's words; "" if
            that is not known.
        begun: when the run began, likewise; of a data asset that it read, "".
        glob: which part of the folder was read, as a pattern; "" if all of it.
    """

    path: str
    run: QualifiedName
    is_output: bool
    is_folder: bool
    data: Ref
    at: str = ""
    begun: str = ""
    glob: str = ""

    @property
    def key(self) -> tuple[str, ...]:
        """What tells it from other uses: a run may read one place as several data assets, and by several globs."""
        return (*self._place_and_run, self.data.type_name, self.data.qualified_name, self.glob)

    @property
    def _place_and_run(self) -> tuple[str, ...]:
        return (self.path, "wrote" if self.is_output else "read", self.run)

    @property
    def is_of_asset(self) -> bool:
        """Whether a data asset of Azure ML stands for the place."""
        return parse(self.data.qualified_name) is not None

    def to_json(self) -> dict[str, object]:
        """Format it as the ledger keeps it."""
        members = {name: getattr(self, name) for name in self.__slots__}
        return {**members, "data": [self.data.type_name, self.data.qualified_name]}

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Self:
        """
        >>> use = PlaceUse("a/c//x", QualifiedName("run"), True, False, Ref("t", QualifiedName("n")))
        >>> PlaceUse.from_json(use.to_json()) == use
        True
        """
        return cls(**{**members_of(cls, body), "data": Ref(*body["data"])})

    @classmethod
    def list_from(cls, documents: Iterable[Mapping[str, Any]]) -> list[Self]:
        """
        Read what the ledger keeps, in order; an earlier version kept one use of a place by a run, without its start.

        What it kept counts where nothing has been kept since.
        """
        found = [(cls.from_json(document), "begun" in document) for document in documents]
        new = {use._place_and_run for use, is_new in found if is_new}
        return sorted({use.key: use for use, is_new in found if is_new or use._place_and_run not in new}.values())


@dataclass(frozen=True, slots=True)
class Look:
    """
    A run tree that is to be looked at again at a time.

    Attributes:
        root: the qualifiedName of its root run.
        number: how many looks came before.
        digest: what its records said when it was read last; "" asks for it to be read whole.
        failures: how often this look could not be taken.
    """

    root: QualifiedName
    at: datetime
    number: int = 0
    digest: str = ""
    failures: int = 0


@dataclass(frozen=True, slots=True)
class WrittenTree:
    """
    What was written of a run tree.

    Attributes:
        uses: the places that each run wrote and read, as the index has them.
        models: run → the model versions registered from it; the run's own record does not say.
        fingerprints: what the entities of the runs themselves were when they were last written.
    """

    models: Mapping[QualifiedName, frozenset[QualifiedName]] = field(default_factory=dict)
    fingerprints: Mapping[QualifiedName, str] = field(default_factory=dict)
    uses: Mapping[QualifiedName, tuple[PlaceUse, ...]] = field(default_factory=dict)


class Ledger(Protocol):
    """What was published, so that unchanged content costs no write and coverage can be counted."""

    def together(self) -> AbstractContextManager[object]:
        """
        Write what is put until the end of the context together: all of it or, after an error, nothing.

        It is not read back before the end. A lease that is taken or given up in it is taken or given up with the rest;
        the end raises LeaseHeldError if another worker has taken it meanwhile, or changed what the lease is about
        since it was read. More than one transaction takes is written in several, in the order in which it was put: a
        lease is taken with the first and given up with the last.
        """
        ...

    def get_rows(self, keys: Iterable[QualifiedName]) -> Mapping[QualifiedName, Row]: ...

    def put_rows(self, rows: Iterable[Row]) -> None: ...

    def forget_rows(self, keys: Iterable[QualifiedName]) -> None: ...

    def forget_read_ahead(self) -> None:
        """Forget what this thread has read and was not asked for: by the next message it may have changed."""
        ...

    def get_tree(self, root: QualifiedName) -> "WrittenTree":
        """Return what was written of the runs of a tree, in one request or so, however many they are."""
        ...

    def add_to_tree(
        self,
        root: QualifiedName,
        *,
        models: Mapping[QualifiedName, Collection[QualifiedName]] | None = None,
        fingerprints: Mapping[QualifiedName, str] | None = None,
        uses: Mapping[QualifiedName, Collection[PlaceUse]] | None = None,
    ) -> None:
        """Add models and put the rest; no model is ever taken away, so that two workers cannot undo each other."""
        ...

    def forget_tree(self, root: QualifiedName) -> None:
        """Forget all of a tree but its models: the catalog may not have its entities any more."""
        ...

    def get_fingerprints(self, names: Iterable[QualifiedName]) -> Mapping[QualifiedName, str]:
        """Return what each entity outside of trees was when it was last written."""
        ...

    def put_fingerprints(self, fingerprints: Mapping[QualifiedName, str]) -> None: ...

    def forget_fingerprints(self, names: Iterable[QualifiedName]) -> None: ...

    def get_matches(self, places: Iterable[Ref], *, placeholders_since: datetime) -> Mapping[Ref, Match]:
        """Return how places were matched, without placeholders from before a time: a scan may have come since."""
        ...

    def get_matches_at_hand(self, places: Iterable[Ref], *, placeholders_since: datetime) -> Mapping[Ref, Match]:
        """Return those of them that cost no request."""
        ...

    def put_matches(self, matches: Mapping[Ref, Match]) -> None:
        """Remember matches, as of now."""
        ...

    def forget_matches(self, places: Iterable[Ref]) -> None: ...

    def forget_old_matches(self, *, before: datetime, after: str = "", limit: int = 1_000) -> str:
        """
        Forget matches from before a time, of the next few in any order that stays the same.

        Returns:
            What `after` is to be the next time; "" at the end.
        """
        ...

    def index_uses(self, uses: Iterable[PlaceUse], *, forget: Iterable[PlaceUse] = ()) -> None:
        """Let uses of places be found by their paths, and others not any more."""
        ...

    def find_uses_at(self, paths: Iterable[str], *, is_output: bool) -> Sequence[PlaceUse]:
        """Return who wrote or read any of these very places, in order."""
        ...

    def find_uses(
        self, at: Iterable[str], inside: Iterable[str], *, is_output: bool, limit: int = 1_000
    ) -> Sequence[PlaceUse]:
        """
        Return who wrote or read any of some very places, or something inside some folders, in order.

        Of more than `limit` inside a folder, any so many.
        """
        ...

    def add_facts(self, run: QualifiedName, facts: Iterable[str]) -> None:
        """Add to what is known of a run that is reported in several events; what is known already adds nothing."""
        ...

    def get_facts(self, run: QualifiedName) -> Sequence[str]:
        """Return all that was added, each once, in an order that does not depend on when it was."""
        ...

    def fold_facts(self, run: QualifiedName, facts: Iterable[str], *, into: str) -> None:
        """Put one fact in place of several that it says all of: it is there before they are gone."""
        ...

    def put_look(self, look: Look) -> None: ...

    def list_looks(self, *, until: datetime, limit: int) -> Sequence[Look]:
        """Return looks that are due at a time, the first to come first."""
        ...

    def forget_look(self, look: Look) -> None: ...

    def list_rows(
        self, kind: str, *, workspace: WorkspaceId | None = None, after: str = "", limit: int = 1_000
    ) -> Sequence[Row]:
        """
        Return a page of the rows of a kind (`run`, `model`, `endpoint`, …), in any order that stays the same.

        Args:
            workspace: only rows of what it holds; None for all rows of the kind.
            after: the key of the last row of the page before.
        """
        ...

    def add_placeholders(self, placeholders: Iterable[Placeholder]) -> None: ...

    def list_placeholders(self, *, after: str = "", limit: int = 1_000) -> Sequence[Placeholder]:
        """Return a page of the placeholders that wait for a scan, in any order that stays the same, by `key`."""
        ...

    def forget_placeholders(self, placeholders: Iterable[Placeholder]) -> None: ...


def digest_of(fact: str) -> str:
    """Name a fact about a run by what it says."""
    return hashlib.sha256(fact.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Lease:
    """
    A lease that was acquired.

    Attributes:
        previous_end: when the one before ended, at the latest; None if there was none.
    """

    previous_end: datetime | None = None


LONGEST_LEASE = timedelta(minutes=10)
"""A lease that ends later than that from now was taken by a clock that was wrong, and counts as over."""


def next_lease(current: tuple[str, datetime] | None, holder: str, now: datetime, duration: timedelta) -> Lease | None:
    """
    Decide whether a holder may take a lease, from who has it ("" for no one) and until when.

    >>> now = datetime(2026, 7, 1)
    >>> next_lease(("other", now + timedelta(seconds=1)), "me", now, timedelta(minutes=1)) is None
    True
    """
    if current is None:
        return Lease()
    owner, ends_at = current
    if owner not in ("", holder) and now < ends_at <= now + max(duration, LONGEST_LEASE):
        return None
    return Lease(previous_end=now if owner else ends_at)


class Leases(Protocol):
    """One holder at a time has the lease of a name; a holder that dies loses it when the duration is over."""

    def acquire(self, name: str, *, holder: str, duration: timedelta) -> "Lease | None":
        """
        Take a lease that is free, over, or ours already; None if another has it.

        One that ends later than LONGEST_LEASE from now was taken by a clock that was wrong, and counts as over.
        """
        ...

    def claim(self, names: Sequence[str], *, holder: str, duration: timedelta) -> None:
        """
        Take the leases of names that most likely no one has: all of them or none, by as few requests as hold them.

        Within `Ledger.together` they are taken with what is written there. Of more than one transaction takes, those
        that were taken before another was found held are to be released.

        Raises:
            ClaimHeldError: another has one of them; within `Ledger.together` at its end.
        """
        ...

    def renew(self, names: Sequence[str], *, holder: str, duration: timedelta) -> bool:
        """Make our leases last `duration` from now; False if one of them is not ours any more."""
        ...

    def release(self, names: Sequence[str], *, holder: str) -> None:
        """Give our leases up; of no effect on what is not ours any more."""
        ...

    def was_wanted(self, name: str, *, holder: str) -> bool:
        """Whether another worker asked for a lease while we had it; known once that is given up, and said once."""
        ...

    def purge(self, *, until: datetime) -> None:
        """Delete leases that were given up before a time; if they are many, some of them."""
        ...


class Notes(Protocol):
    """Small JSON objects by name: checkpoints, watermarks, the last reason a message failed."""

    def get(self, name: str) -> Mapping[str, object] | None: ...

    def put(self, name: str, note: Mapping[str, object]) -> None: ...

    def forget(self, name: str) -> None: ...

    def list_in(self, folder: str, *, after: str = "", limit: int = 1_000) -> Mapping[str, Mapping[str, Any]]:
        """
        Return a page of the notes in a folder, in any order that stays the same.

        Args:
            after: the name of the last note of the page before.
        """
        ...

    def put_in(self, folder: str, notes: Mapping[str, Mapping[str, object]]) -> None:
        """Write notes into a folder: any number of them, each by its name there."""
        ...

    def forget_in(self, folder: str, names: Iterable[str]) -> None: ...


def read_folder(notes: Notes, folder: str, *, size: int = 1_000) -> dict[str, Mapping[str, Any]]:
    """Return all notes in a folder, a thousand to a request."""
    found: dict[str, Mapping[str, Any]] = {}
    after = ""
    while page := notes.list_in(folder, after=after, limit=size):
        found |= page
        after = list(page)[-1]
        if len(page) < size:
            break
    return found


@dataclass(frozen=True, slots=True)
class State:
    """
    All five over one store.

    Attributes:
        poison: what the Functions host gave up on, and no one has taken from there yet.
    """

    queue: Queue
    dead_letters: DeadLetters
    ledger: Ledger
    leases: Leases
    notes: Notes
    close: Callable[[], None]
    poison: Queue
