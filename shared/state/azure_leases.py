"""The leases and the notes in one table of Azure Storage."""

import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from threading import local
from typing import Any

from shared.errors import ClaimHeldError, LeaseHeldError
from shared.state.azure_table import ALL, END, PAST_HASHES, DocumentTable, Guard, Stored, pack, row_key
from shared.state.ports import Lease, next_lease
from shared.state.table_service import Entity, Write

_NOTE = "note"
_NEXT = "!"
"""After a key: what comes after it."""
_REMEMBERED = 100
_TRIES = 3
_CLOCKS_APART = timedelta(minutes=1)
"""When another worker gave up a lease of which nothing was read is what its clock said."""
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
        self._inserted: set[tuple[str, str]] = set()
        """Claims that left nothing of another behind: they are deleted in the end."""
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
                return Lease(lease.previous_end + _CLOCKS_APART) if lease.previous_end else lease
            current, is_known = self._table.get(row), True
        return None

    def claim(self, names: Sequence[str], *, holder: str, duration: timedelta) -> None:
        with self._table.together():
            for name in names:
                self._inserted.add((name, holder))
                write = Write(ALL, row_key(name), self._entity(name, holder, duration), None)
                resolve = partial(self._claimed, name, holder, duration)
                self._table.guard(Guard(write, self._keep(name, holder), resolve))

    def renew(self, names: Sequence[str], *, holder: str, duration: timedelta) -> bool:
        def renewed(name: str, tag: str) -> Write:
            return Write(ALL, row_key(name), self._entity(name, holder, duration), tag)

        tags = self._write_own(names, holder, renewed)
        self._tags |= {(name, holder): tag for name, tag in zip(names, tags, strict=True) if tag}
        return all(tags)

    def release(self, names: Sequence[str], *, holder: str) -> None:
        left = []
        for name in names:
            is_done = (name, holder) in self._released
            self._released.discard((name, holder))
            if not is_done and not self._release_with_the_rest(name, holder):
                left.append(name)
        # A claim that has no tag was never ours; if the answer that it is was lost, it ends by itself.
        known = [name for name in left if (name, holder) in self._tags or (name, holder) not in self._inserted]
        self._write_own(known, holder, partial(self._end, holder))
        self._inserted.difference_update((name, holder) for name in left)

    def _release_with_the_rest(self, name: str, holder: str) -> bool:
        tag = self._tags.get((name, holder), "")
        resolve = partial(self._to_release, name, holder)
        done = self._let_go(name, holder)
        return bool(tag) and self._table.guard(Guard(self._end(holder, name, tag), done, resolve, is_last=True))

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

    def _write_own(self, names: Sequence[str], holder: str, make: Callable[[str, str], Write]) -> list[str]:
        """
        Write leases that are ours, by one request or so.

        Args:
            make: makes what to write of a name and the tag that it has now.

        Returns:
            Their new tags, "" for what is deleted, and for what is not ours any more.
        """
        tags = [self._tags.pop((name, holder), "") for name in names]
        writes = [make(name, tag) for name, tag in zip(names, tags, strict=True)]
        if all(tags) and (written := self._table.write_if(writes)):
            return written
        written = []
        for name in names:  # one was lost, or the answer to an earlier write was
            own = self._own(name, holder)
            written += self._table.write_if([make(name, own.tag)]) or [""] if own else [""]
        return written

    def _taken(self, name: str, holder: str) -> Write | None:
        """Find out whether the lease that could not be taken is ours already: the answer may have been lost."""
        if own := self._own(name, holder):
            self._tags[name, holder] = own.tag
            return None
        raise LeaseHeldError(f"{name} was published by another worker meanwhile")

    def _claimed(self, name: str, holder: str, duration: timedelta) -> Write | None:
        """Find out why a claim could not be written: it is ours already, it can be taken over, or it is held."""
        row = row_key(name)
        current = self._table.get(row)
        if current and current.document["holder"] == holder:
            self._tags[name, holder] = current.tag
            return None
        if self._next(current, holder, duration) is None:
            raise ClaimHeldError(f"another worker is creating {name}")
        if current:
            self._inserted.discard((name, holder))
        return Write(ALL, row, self._entity(name, holder, duration), current.tag if current else None)

    def _to_release(self, name: str, holder: str) -> Write | None:
        """Find out why the lease could not be given up: someone asked for it, we have done so, or it was lost."""
        found = self._table.get(row_key(name))
        if found and found.document["holder"] == holder:
            self._note_wanted(name, holder, found)
            return self._end(holder, name, found.tag)
        if found.document.get("by") == holder if found else (name, holder) in self._inserted:
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
            self._inserted.discard((name, holder))
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
            self._inserted.discard((name, holder))  # who asked is to see when we gave it up

    def _entity(self, name: str, holder: str, duration: timedelta) -> Entity:
        return pack(name, {"holder": holder, "ends_at": (self._now() + duration).isoformat()})

    def _end(self, holder: str, name: str, tag: str) -> Write:
        if (name, holder) in self._inserted:
            return Write(ALL, row_key(name), None, tag)
        ended = {"holder": "", "ends_at": self._now().isoformat(), "by": holder}
        return Write(ALL, row_key(name), pack(name, ended), tag)


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
