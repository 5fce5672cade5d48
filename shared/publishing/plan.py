"""What publishing an event would write, or why it would write nothing, and how it ended."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Protocol

from shared.catalog import qualified_names
from shared.catalog.entities import Entity, Evidence, Ref
from shared.catalog.kinds import DATA_ASSET
from shared.catalog.qualified_names import QualifiedName
from shared.intake.event_types import Event
from shared.model import SETTLED
from shared.openlineage.incoming_events import RunEvent
from shared.places.matching import Match, MatchKind
from shared.places.place import GLOB, Place
from shared.state.ports import Ledger, Placeholder, PlaceUse, Row, WrittenTree

PUBLISHED, SKIPPED, DEAD_LETTERED = "published", "skipped", "dead_lettered"

CAME_BACK, DEFERRED = "came_back", "deferred"
"""Not how a message ended but how one attempt at it did: it is on the queue again, or a copy of it with a delay."""

AnyEvent = Event | RunEvent

ASKED_AGAIN = "; it is asked for a day"
"""How a row's reason ends if Azure ML could not say something that it may well say later."""
LOOKS = (timedelta(minutes=10), timedelta(hours=1), timedelta(days=1))
"""So long after a run tree was published it is looked at again: what Azure ML has of it settles in time."""


@dataclass(frozen=True, slots=True)
class About:
    """What an event is about: the key and the kind of its row in the ledger, and words for people."""

    key: QualifiedName
    kind: str
    words: str


@dataclass(frozen=True, slots=True)
class Folding:
    """Facts of a run, and one that says all they say: noted in their place, the next event need not read them all."""

    run: QualifiedName
    whole: str
    facts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Skip:
    """
    There is nothing to publish; `reason` is for people, `rows` are noted all the same.

    Attributes:
        roots: what to lease before rows are noted that facts of several events add up to; nothing for other rows.
        folding: facts to note as one; None if there are few.
    """

    reason: str
    rows: tuple[Row, ...] = ()
    roots: tuple[QualifiedName, ...] = ()
    folding: Folding | None = None

    @property
    def from_facts(self) -> bool:
        return bool(self.roots)


@dataclass(frozen=True, slots=True)
class Made:
    """A model version that an event adds to a run: what to leave for the worker that is writing the run just now."""

    run: QualifiedName
    model: Entity


@dataclass(frozen=True, slots=True)
class Plan:
    """
    What publishing would write.

    Attributes:
        root: what the plan is about: the root run of the tree, the endpoint, the model version.
        changed: those of `entities` that differ from what was written last.
        matches: what stands for each place; `looked_up` are those of them that the catalog was asked for just now.
        models: for each run of the tree, the model versions registered from it that `entities` take into account.
        owners: for each run of the tree, the root it ran below; another than `root` if the step was reused.
        uses: the places that runs wrote and read, of those runs for which the ledger has others: `uses_before`.
        made: the model version that the event announces, if a run made it.
        from_facts: facts of several events add up to it, and others may arrive until the lease is taken.
        before: what the ledger kept of each entity when it was written last.
        again: runs of other trees that are published again after this: a model is no longer theirs.
        gone: our processes that the catalog has and Azure ML does not account for any more.
        digest: what Azure ML's records said; "" to read all of it again, None if there is nothing to look at again for.
        partial: `entities` say one thing about what the catalog has; they are neither compared nor labelled.
        announced_at: the time to send with what has no time of its own; None if nothing is sent to others.
        folding: facts to note as one; None if there are few.
    """

    subject: str
    root: QualifiedName
    entities: tuple[Entity, ...]
    changed: tuple[Entity, ...]
    rows: tuple[Row, ...]
    matches: Mapping[Ref, Match] = field(default_factory=dict)
    looked_up: Mapping[Ref, Match] = field(default_factory=dict)
    models: Mapping[QualifiedName, frozenset[QualifiedName]] = field(default_factory=dict)
    owners: Mapping[QualifiedName, QualifiedName] = field(default_factory=dict)
    uses: Mapping[QualifiedName, tuple[PlaceUse, ...]] = field(default_factory=dict)
    uses_before: frozenset[PlaceUse] = frozenset()
    before: Mapping[QualifiedName, str] = field(default_factory=dict)
    gone: tuple[QualifiedName, ...] = ()
    again: tuple[QualifiedName, ...] = ()
    digest: str | None = None
    made: Made | None = None
    from_facts: bool = False
    partial: bool = False
    announced_at: datetime | None = None
    folding: Folding | None = None

    @property
    def changes_something(self) -> bool:
        return bool(self.changed or self.gone)

    @property
    def roots(self) -> tuple[QualifiedName, ...]:
        """What one worker at a time may write."""
        return tuple(sorted({self.root, *self.owners.values()}))

    def with_uses(self, uses: Mapping[QualifiedName, tuple[PlaceUse, ...]], written: WrittenTree) -> "Plan":
        """Add which places runs wrote and read, as far as the ledger does not have that yet."""
        new = {run: of_run for run, of_run in uses.items() if of_run != written.uses.get(run, ())}
        before = frozenset(use for run in new for use in written.uses.get(run, ()))
        return replace(self, uses=new, uses_before=before)

    @property
    def new_uses(self) -> tuple[PlaceUse, ...]:
        return tuple(sorted({use for of_run in self.uses.values() for use in of_run} - self.uses_before))

    @property
    def past_uses(self) -> tuple[PlaceUse, ...]:
        """What the index has no more after this: the same use of another time is written over."""
        kept = {use.key for of_run in self.uses.values() for use in of_run}
        return tuple(use for use in sorted(self.uses_before) if use.key not in kept)

    @property
    def changed_outputs(self) -> tuple[PlaceUse, ...]:
        """What was written, as it is known now and as it was known before, where that differs."""
        now = {use for of_run in self.uses.values() for use in of_run}
        return tuple(sorted(use for use in now ^ self.uses_before if use.is_output))

    @property
    def rows_with_root(self) -> tuple[Row, ...]:
        """Return the rows, each with what to publish again for it: of a tree that has not ended, only the run."""
        return tuple(replace(row, root=row.root or self._root_of(row)) for row in self.rows)

    @property
    def placeholders(self) -> tuple[Placeholder, ...]:
        """Return the places to look up again once a scan may have come, each once for a root; globs, if found too."""
        found: dict[str, Placeholder] = {}
        for row in self.rows_with_root:
            matches = self.explained if row.kind == "endpoint" else row.matches
            for name, kind in matches.items():
                is_found = kind != MatchKind.PLACEHOLDER.value
                if not is_found or GLOB.search(name):
                    own = Placeholder(
                        QualifiedName(name),
                        QualifiedName(row.root),
                        row.key,
                        is_file=name in row.files,
                        at=row.event_time,
                        exact=is_found,
                    )
                    if own.key not in found or own.run_id:
                        found[own.key] = own
        return tuple(found.values())

    def _root_of(self, row: Row) -> str:
        if row.kind == "model" or (row.kind == "run" and row.status.casefold() not in SETTLED):
            return str(row.key)
        return str(self.root)

    @property
    def explained(self) -> dict[str, str]:
        """Say how each place was found: qualifiedName → the word for a `MatchKind`."""
        return explain(self.matches)

    @property
    def rules(self) -> dict[str, str]:
        """Say which naming rule found each place, or why none did; nothing for what was remembered without."""
        return {str(place.qualified_name): match.rule for place, match in self.matches.items() if match.rule}


class Planner(Protocol):
    """Works out what publishing one thing would write. It takes no lease, and writes nothing but the fact it adds."""

    @property
    def about(self) -> About | None:
        """What there is a row of in the ledger; None if there is none."""
        ...

    def add_fact(self) -> None:
        """Add what this event alone says to what others said, before anything is planned."""
        ...

    def plan(self, *, force: bool = False) -> Plan | Skip: ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    How one attempt at a message ended.

    Attributes:
        subject: what it was about, for people.
        reason: why it was skipped, dead-lettered or came back.
        written: entities written to the catalog.
        matches: how each place was found: qualifiedName → the word for a `MatchKind`.
        rules: which naming rule found it, or why none did; for people.
    """

    outcome: str
    subject: str = ""
    reason: str = ""
    written: int = 0
    matches: Mapping[str, str] = field(default_factory=dict)
    rules: Mapping[str, str] = field(default_factory=dict)


def row_of(
    event: AnyEvent,
    key: QualifiedName,
    kind: str,
    outcome: str,
    *,
    reason: str = "",
    status: str = "",
    matches: Mapping[str, str] | None = None,
    places: Iterable[Place] = (),
    evidence: Sequence[Evidence] = (),
) -> Row:
    """
    Make the row that the ledger keeps of what an event was about.

    Args:
        places: what it touches, for `matches` do not say which of it are folders.
    """
    return Row(
        key,
        kind,
        outcome,
        reason=reason,
        status=status,
        event_id=event.id,
        event_time=event.time,
        matches=matches or {},
        files=tuple(sorted({str(place.ref.qualified_name) for place in places if not place.is_folder})),
        evidence=tuple(evidence),
    )


def with_evidence(event: AnyEvent, rows: Iterable[Row], entities: Iterable[Entity]) -> Iterator[Row]:
    """Yield rows with the evidence of the processes they are about, and rows of kind `link` for the other processes."""
    evidence = {entity.ref.qualified_name: entity.evidence for entity in entities if entity.evidence}
    for row in rows:
        yield replace(row, evidence=(*row.evidence, *evidence.pop(row.key, ())))
    for key, why in evidence.items():
        yield row_of(event, key, "link", PUBLISHED, evidence=why)


def explain(matches: Mapping[Ref, Match]) -> dict[str, str]:
    """Say how each place was found: qualifiedName → the word for a `MatchKind`."""
    return {str(place.qualified_name): match.kind.value for place, match in matches.items()}


def find_changed(
    ledger: Ledger,
    entities: Sequence[Entity],
    of_tree: Mapping[QualifiedName, str] | None = None,
    *,
    new_runs: frozenset[str] = frozenset(),
) -> tuple[tuple[Entity, ...], Mapping[QualifiedName, str]]:
    """
    Return the entities that differ from what was written last, and what the ledger kept of that.

    Args:
        of_tree: what the ledger keeps with the tree.
        new_runs: ids of runs that were never written; nor was, with few exceptions, what their ids are in the names of.
    """
    names = [entity.ref.qualified_name for entity in entities]
    shared = ledger.get_fingerprints(
        name for name in names if not is_of_tree(name) and new_runs.isdisjoint(name.split("/"))
    )
    before = {**shared, **{name: noted for name, noted in (of_tree or {}).items() if noted}}
    changed = (each for each in entities if not each.is_as(before.get(each.ref.qualified_name, "")))
    return take_away(changed, before), before


def is_data_asset(ref: Ref) -> bool:
    """Whether it is a registered data asset, whose tags people may change at any time."""
    return ref.type_name == DATA_ASSET


def used_name(asset: QualifiedName) -> QualifiedName:
    """Name what the ledger keeps beside the fingerprint of a data asset: the run tree that it was last written with."""
    return QualifiedName(f"used/{asset}")


def root_of(row: Row) -> QualifiedName:
    """Name the run tree that a row belongs to, or what else has a lease of its own."""
    return QualifiedName(row.root or row.key) if row.kind == "run" else row.key


def begun_name(root: QualifiedName) -> QualifiedName:
    """Name what the ledger keeps of a run tree that was begun: what it has of that is not asked for of a new one."""
    return QualifiedName(f"begun/{root}")


def is_of_tree(name: QualifiedName) -> bool:
    """Whether the ledger keeps what was written of an entity with the run tree it belongs to."""
    return qualified_names.is_of_run(name) or qualified_names.source_of_power_bi_link(name) is not None


def take_away(entities: Iterable[Entity], before: Mapping[QualifiedName, str]) -> tuple[Entity, ...]:
    """Let entities take away what the write before had and they have not."""
    return tuple(each.taking_away(before.get(each.ref.qualified_name, "")) for each in entities)
