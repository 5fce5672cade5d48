"""The leases and the notes in one table of Azure Storage."""

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from threading import local
from typing import Any

from shared.errors import LeaseHeldError
from shared.state.azure_table import ALL, END, PAST_HASHES, DocumentTable, Guard, Stored, pack, row_key
from shared.state.ports import Lease, next_lease
from shared.state.table_service import Entity, Write

_NOTE = "note"
_NEXT = "!"
"""After a key: what comes after it."""
_REMEMBERED = 100
_TRIES = 3
_PURGED = 1_000
"""Keys that one purge looks at."""


class Seen:
    """What this thread saw of leases when it read run trees: none may have changed when it writes what follows."""

    def __init__(self) -> None:
        self._local = local()

    def note(self, row: str, found: Sequence[Stored]) -> None:
        """Note what was read of a tree, the lease first, if there is one."""
        rows: dict[str, Stored | None] = self._local.__dict__.setdefault("rows", {})
        if len(rows) >= _REMEMBERED:
            rows.clear()
        rows[row] = found[0] if found and found[0].row == row else None

    def take(self, row: str) -> tuple[Stored | None, bool]:
        """Return what was seen of a lease, once, and whether anything was."""
        rows: dict[str, Stored | None] = self._local.__dict__.setdefault("rows", {})
        is_known = row in rows
        return rows.pop(row, None), is_known


class AzureLeases:
    """
    The lease port; the table's tags decide who of two was first.

    A lease is in one partition with the tree, whose last transaction ends it too. One that is taken or given up while
    something is written together is so if that is written.
    """

    def __init__(self, table: DocumentTable, seen: Seen, *, now: Callable[[], datetime]) -> None:
        self._table = table
        self._seen = seen
        self._now = now
        self._tags: dict[tuple[str, str], str] = {}  # of the leases we hold, so that renewing need not ask first
        self._released: set[tuple[str, str]] = set()
        self._wanted: set[tuple[str, str]] = set()

    def acquire(self, name: str, *, holder: str, duration: timedelta) -> Lease | None:
        row, entity = row_key(name), self._entity(name, holder, duration)
        current, is_known = self._seen.take(row)
        if is_known:
            lease = self._next(current, holder, duration)
            write = Write(ALL, row, entity, current.tag if current else None)
            if lease and self._table.guard(Guard(write, self._keep(name, holder), lambda: self._taken(name, holder))):
                return lease
        for _ in range(_TRIES):
            if not is_known and (tag := self._table.insert(row, entity)):
                self._tags[name, holder] = tag
                return Lease()
            current, is_known = (current, True) if is_known else (self._table.get(row), True)
            lease = self._next(current, holder, duration)
            if lease is None:
                self._want(name, current)
                return None
            tag = self._table.replace(row, entity, tag=current.tag) if current else self._table.insert(row, entity)
            if not tag and (found := self._own(name, holder)):
                tag = found.tag  # the answer was lost
            if tag:
                self._tags[name, holder] = tag
                return lease
            current, is_known = self._table.get(row), True
        return None

    def renew(self, name: str, *, holder: str, duration: timedelta) -> bool:
        tag = self._replace_own(name, holder, self._entity(name, holder, duration))
        if tag:
            self._tags[name, holder] = tag
        return bool(tag)

    def release(self, name: str, *, holder: str) -> None:
        if (name, holder) in self._released:
            self._released.discard((name, holder))
            return
        row, entity = row_key(name), self._released_entity(name, holder)
        tag = self._tags.get((name, holder), "")
        if tag and self._table.guard(
            Guard(
                Write(ALL, row, entity, tag),
                self._let_go(name, holder),
                lambda: self._to_release(name, holder),
                is_last=True,
            )
        ):
            return
        self._replace_own(name, holder, entity)

    def was_wanted(self, name: str, *, holder: str) -> bool:
        wanted = (name, holder) in self._wanted
        self._wanted.discard((name, holder))
        return wanted

    def purge(self, *, until: datetime) -> None:
        found = self._table.list_first("", PAST_HASHES, _PURGED)
        if len(found) == _PURGED:  # keys are hashes, so any place is as good as another, and none has to be noted
            found = self._table.list_first(uuid.uuid4().hex, PAST_HASHES, _PURGED)
        released = [
            each
            for each in found
            if each.document.get("holder") == "" and datetime.fromisoformat(each.document["ends_at"]) < until
        ]
        self._table.delete_unchanged(released)

    def _replace_own(self, name: str, holder: str, entity: Entity) -> str:
        tag = self._tags.pop((name, holder), "")
        written = self._table.replace(row_key(name), entity, tag=tag) if tag else ""
        if written:
            return written
        own = self._own(name, holder)  # it was lost, or the answer to an earlier write was
        return self._table.replace(row_key(name), entity, tag=own.tag) if own else ""

    def _taken(self, name: str, holder: str) -> Write | None:
        """Find out whether the lease that could not be taken is ours already: the answer may have been lost."""
        if own := self._own(name, holder):
            self._tags[name, holder] = own.tag
            return None
        raise LeaseHeldError(f"{name} was published by another worker meanwhile")

    def _to_release(self, name: str, holder: str) -> Write | None:
        """Find out why the lease could not be given up: someone asked for it, we have done so, or it was lost."""
        row = row_key(name)
        found = self._table.get(row)
        if found and found.document["holder"] == holder:
            self._note_wanted(name, holder, found)
            return Write(ALL, row, self._released_entity(name, holder), found.tag)
        if found and found.document.get("by") == holder:
            self._let_go(name, holder)("")
            return None
        raise LeaseHeldError(f"the lease on {name} was lost: another worker has taken it over")

    def _keep(self, name: str, holder: str) -> Callable[[str], None]:
        def done(tag: str) -> None:
            self._tags[name, holder] = tag

        return done

    def _let_go(self, name: str, holder: str) -> Callable[[str], None]:
        def done(_: str) -> None:
            self._tags.pop((name, holder), None)
            self._released.add((name, holder))

        return done

    def _next(self, current: Stored | None, holder: str, duration: timedelta) -> Lease | None:
        known = (current.document["holder"], datetime.fromisoformat(current.document["ends_at"])) if current else None
        return next_lease(known, holder, self._now(), duration)

    def _want(self, name: str, current: Stored | None) -> None:
        """Let the holder know that another worker asked for its lease."""
        if current and not current.document.get("wanted"):
            self._table.replace(current.row, pack(name, {**current.document, "wanted": True}), tag=current.tag)

    def _own(self, name: str, holder: str) -> Stored | None:
        found = self._table.get(row_key(name))
        if found is None or found.document["holder"] != holder:
            return None
        self._note_wanted(name, holder, found)
        return found

    def _note_wanted(self, name: str, holder: str, found: Stored) -> None:
        if found.document.get("wanted"):
            self._wanted.add((name, holder))

    def _entity(self, name: str, holder: str, duration: timedelta) -> Entity:
        return pack(name, {"holder": holder, "ends_at": (self._now() + duration).isoformat()})

    def _released_entity(self, name: str, holder: str) -> Entity:
        return pack(name, {"holder": "", "ends_at": self._now().isoformat(), "by": holder})


class AzureNotes:
    """The notes port."""

    def __init__(self, table: DocumentTable) -> None:
        self._table = table

    def get(self, name: str) -> Mapping[str, object] | None:
        found = self._table.get(row_key(name), partition=_NOTE)
        return found.document if found else None

    def put(self, name: str, note: Mapping[str, object]) -> None:
        self._table.put({row_key(name): pack(name, note)}, partition=_NOTE)

    def forget(self, name: str) -> None:
        self._table.delete([row_key(name)], partition=_NOTE)

    def list_in(self, folder: str, *, after: str = "", limit: int = 1_000) -> Mapping[str, Mapping[str, Any]]:
        begin = f"{row_key(after)}{_NEXT}" if after else ""
        found = self._table.list_first(begin, END, limit, partition=_folder(folder))
        return {each.document["name"]: each.document["note"] for each in found}

    def put_in(self, folder: str, notes: Mapping[str, Mapping[str, object]]) -> None:
        documents = {row_key(name): pack(name, {"name": name, "note": note}) for name, note in notes.items()}
        self._table.put(documents, partition=_folder(folder))

    def forget_in(self, folder: str, names: Iterable[str]) -> None:
        self._table.delete(map(row_key, names), partition=_folder(folder))


def _folder(name: str) -> str:
    """Name the partition of a folder of notes."""
    return f"{_NOTE}-{row_key(name)[:32]}"
