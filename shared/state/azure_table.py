"""JSON documents by name in one table of Azure Storage, written together where one transaction takes them."""

import base64
import hashlib
import json
import time
import zlib
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from threading import local
from typing import Any, NamedTuple

from shared.errors import LeaseHeldError
from shared.state.table_service import ConditionFailedError, Entity, TableService, Write, split

Document = Mapping[str, Any]

PARALLEL = 16
"""Requests in flight at once; a table has no request that reads many rows by key."""
ALL = "lease"
"""
The partition of all that publishing writes, so that one transaction writes it.

It keeps the name that it had when it held the leases alone: where two versions of the app run side by side, each sees
the other's leases.
"""
END = "~"
"""Comes after every character of a key."""
PAST_HASHES = "fg"
"""Comes after the hash of every name, and before all other words that keys begin with."""
_IN_PROPERTY = 30_000
"""Characters or bytes; a property takes 64 KiB, and a character two bytes of it."""
_TRIES = 5
_GUARDS = 90
"""In one transaction; more are in several, and the first of them is in the first or the last of all."""
_ASK_AGAIN = 3_600.0
"""Seconds after which a partition that was empty is looked at again: an earlier version may run beside us."""


class Stored(NamedTuple):
    """A document as the table has it; `tag` is what `replace` wants to see."""

    row: str
    document: Document
    tag: str


@dataclass(frozen=True, slots=True)
class Guard:
    """
    What a write of several expects, and whom to ask if it is not so.

    Attributes:
        done: called with the new tag.
        resolve: called when the condition failed; returns the write to try instead, None if ours was done already.
            Raises LeaseHeldError if it cannot be done.
        is_last: of several transactions it goes with the last one and not with the first. So do all of a batch.
    """

    write: Write
    done: Callable[[str], None]
    resolve: Callable[[], Write | None]
    is_last: bool = False


@dataclass
class _Batch:
    guards: dict[str, Guard] = field(default_factory=dict)
    writes: dict[str, Write] = field(default_factory=dict)


class DocumentTable:
    """
    Documents by row keys; what is written together is in one partition, and a list is a range of its keys.

    A row key takes neither any length nor any character: it is made of hashes of names, which are a column beside it.
    A table answers about a key at a time: reads of many go out in parallel.
    """

    def __init__(self, service: TableService) -> None:
        self._service = service
        self._pool = ThreadPoolExecutor(PARALLEL, thread_name_prefix="table")
        self._local = local()
        self._holding: dict[str, tuple[float, bool]] = {}

    def get(self, row: str, *, partition: str = ALL) -> Stored | None:
        found = self._service.get(partition, row)
        return Stored(row, unpack(found[0]), found[1]) if found else None

    def get_many(self, rows: Iterable[str], *, partition: str = ALL) -> dict[str, Document]:
        """Return the documents that exist."""
        wanted = list(dict.fromkeys(rows))
        found = (
            self._pool.map(lambda row: self.get(row, partition=partition), wanted)
            if len(wanted) > 1
            else [self.get(row, partition=partition) for row in wanted]
        )
        return {each.row: each.document for each in found if each}

    def list_between(self, first: str, end: str, *, partition: str = ALL, where: str = "") -> Iterator[Stored]:
        """Yield the documents whose row keys lie from one to before another, in order, a thousand to a request."""
        for page in self._service.query(partition, first, end, where=where, tags=partition == ALL and not where):
            yield from map(_stored, page)

    def list_first(self, first: str, end: str, limit: int, *, partition: str = ALL, where: str = "") -> list[Stored]:
        """Return the first of the documents whose row keys lie between two others, in as few requests as it takes."""
        found: list[Stored] = []
        for page in self._service.query(partition, first, end, where=where, tags=not where, top=min(limit, 1_000)):
            found += map(_stored, page)
            if len(found) >= limit:
                break
        return found[:limit]

    def list_ranges(
        self, ranges: Collection[tuple[str, str]], *, partition: str = ALL, limit: int = 0
    ) -> list[list[Stored]]:
        """Return what is in each of some ranges, up to `limit` if there is one; they go out in parallel."""

        def read(ends: tuple[str, str]) -> list[Stored]:
            if limit:
                return self.list_first(*ends, limit, partition=partition)
            return list(self.list_between(*ends, partition=partition))

        return list(self._pool.map(read, ranges)) if len(ranges) > 1 else [read(ends) for ends in ranges]

    def holds(self, partition: str) -> bool:
        """Whether a partition of an earlier version has anything."""
        asked, holds = self._holding.get(partition, (float("-inf"), False))
        if time.monotonic() - asked > _ASK_AGAIN:
            holds = bool(self.list_first("", END, 1, partition=partition))
            self._holding[partition] = time.monotonic(), holds
        return holds

    def put(self, documents: Mapping[str, Entity], *, partition: str = ALL) -> None:
        """Write entities, made by `pack`, over what is there by their row keys."""
        writes = {row: Write(partition, row, entity) for row, entity in documents.items()}
        if partition == ALL and (batch := self._batch):
            batch.writes.update(writes)
            return
        self._write([*writes.values()])

    def insert(self, row: str, entity: Entity) -> str:
        """Write an entity unless there is one; returns its tag, or "" if there is one."""
        return "".join(self.write_if([Write(ALL, row, entity, None)]))

    def replace(self, row: str, entity: Entity, *, tag: str) -> str:
        """Write an entity over the one with a tag; returns the new tag, or "" if that one is not there any more."""
        return "".join(self.write_if([Write(ALL, row, entity, tag)]))

    def write_if(self, writes: Sequence[Write]) -> list[str]:
        """
        Write at once, of few enough all or nothing; returns the new tags, "" for what is deleted.

        If one of them is not as it was expected to be, nothing is returned.
        """
        try:
            return [tag for chunk in split(writes) for tag in self._service.write(chunk)]
        except ConditionFailedError:
            return []

    def delete(self, rows: Iterable[str], *, partition: str = ALL) -> None:
        """Delete documents at once; absent ones do not matter."""
        wanted = [Write(partition, row, None) for row in dict.fromkeys(rows)]
        list(self._pool.map(self._delete, split(wanted)))

    def delete_unchanged(self, found: Iterable[Stored]) -> None:
        """Delete documents of which no one has written another since."""
        for chunk in split([Write(ALL, each.row, None, each.tag) for each in found]):
            self._delete(chunk)

    def guard(self, guard: Guard) -> bool:
        """Let what is written together depend on something; returns False if nothing is being written together."""
        batch = self._batch
        if batch is None:
            return False
        batch.guards[guard.write.row] = guard
        return True

    @contextmanager
    def together(self) -> Iterator[None]:
        """
        Write what is put until the end of the context by one transaction, or by few; after an error nothing.

        What is put is not read back before the end. Raises LeaseHeldError at the end if a guard does.
        """
        if self._batch is not None:
            yield
            return
        batch = self._local.batch = _Batch()
        try:
            yield
        finally:
            self._local.batch = None
        self._flush(batch)

    @property
    def _batch(self) -> _Batch | None:
        return getattr(self._local, "batch", None)

    def _flush(self, batch: _Batch) -> None:
        """Write what the first guard goes with in one transaction with it: the first of all, or the last."""
        guards = list(batch.guards.values())
        others = [each for row, each in batch.writes.items() if row not in batch.guards]
        is_last = any(each.is_last for each in guards)
        if is_last:
            guards.reverse()
            others.reverse()
        *earlier, last = [guards[start : start + _GUARDS] for start in range(0, len(guards), _GUARDS)] or [[]]
        first, *rest = [*split([*(each.write for each in last), *others])] or [[]]
        with_guards = first[len(last) :]
        if is_last:
            self._write([write for chunk in reversed(rest) for write in reversed(chunk)])
        for some in earlier:
            self._write_guarded(some, [])
        self._write_guarded(last, with_guards)
        if not is_last:
            self._write([write for chunk in rest for write in chunk])

    def _write_guarded(self, guards: Sequence[Guard], others: Sequence[Write]) -> None:
        """
        Write all of it or nothing.

        Raises:
            LeaseHeldError: a guard raises it, or another worker changed what we were to write again and again.
        """
        for _ in range(_TRIES):
            try:
                tags = self._service.write([*(each.write for each in guards), *others])
            except ConditionFailedError as error:
                held, asked = guards[: error.position], guards[error.position :]  # the first were as expected
                if not asked:
                    raise LeaseHeldError("another worker has changed what we were to write") from error
                writes = [each.resolve() for each in asked]
                if not held and not any(writes):
                    return  # the answer to an earlier request was lost: all of its transaction was written
                new = [replace(each, write=write) for each, write in zip(asked, writes, strict=True) if write]
                guards = [*held, *new]
            else:
                for guard, tag in zip(guards, tags, strict=False):
                    guard.done(tag)
                return
        raise LeaseHeldError("other workers changed again and again what we were to write")

    def _write(self, writes: Sequence[Write]) -> None:
        for chunk in split(writes):
            self._service.write(chunk)

    def _delete(self, writes: Sequence[Write]) -> None:
        try:
            self._service.write(writes)
        except ConditionFailedError:  # one of them is not there
            for each in writes if len(writes) > 1 else ():
                self._delete([each])


def row_key(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


def timed_key(at: datetime, name: str = "") -> str:
    """Begin a row key with a time, in the order of which the table keeps rows; `/` comes after `.` and all digits."""
    moment = at.astimezone(UTC).strftime("%Y%m%dT%H%M%S")
    return f"{moment}.{row_key(name)}" if name else moment


def pack(name: str, document: Document, *, columns: Sequence[str] = ()) -> Entity:
    """Make the entity of a document; `columns` are members that people and filters see as well."""
    text = json.dumps(dict(document))
    entity = {"name": name[:_IN_PROPERTY]}
    entity |= {column: str(document.get(column, ""))[:_IN_PROPERTY] for column in columns}
    if len(text) <= _IN_PROPERTY:
        return {**entity, "document": text}
    compressed = zlib.compress(text.encode())
    starts = range(0, len(compressed), _IN_PROPERTY)
    for number, start in enumerate(starts):
        part = base64.b64encode(compressed[start : start + _IN_PROPERTY]).decode()
        entity |= {f"part{number}": part, f"part{number}@odata.type": "Edm.Binary"}
    return entity


def unpack(entity: Entity) -> Document:
    text = entity.get("document")
    if text is None:
        numbers = sorted(int(name[4:]) for name in entity if name[:4] == "part" and name[4:].isdigit())
        text = zlib.decompress(b"".join(base64.b64decode(entity[f"part{number}"]) for number in numbers)).decode()
    document: Document = json.loads(text)
    return document


def _stored(entity: Entity) -> Stored:
    return Stored(entity["RowKey"], unpack(entity), entity.get("odata.etag", ""))
