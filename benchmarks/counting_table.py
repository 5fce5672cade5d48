"""A table that answers in this process, for more rows than Azurite takes; it counts requests and the time it needs."""

import json
import re
import sqlite3
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import wraps
from threading import RLock
from typing import Any, TypeVar

from shared.state.table_service import ConditionFailedError, Entity, TableService, Write

PAGE, LOOKED_AT = 1_000, 10_000
"""
Entities that one request gives at most, and those it looks at: a query ends after five seconds, and a partition serves
2,000 entities a second (Microsoft: Query timeout and pagination; Scalability targets for Table storage).
"""
_CONDITION = re.compile(r"(\w+) eq '((?:[^']|'')*)'")
_T = TypeVar("_T")


@dataclass
class CountingTable:
    """
    Entities in the order of their keys.

    Attributes:
        requests: as many as a table of Azure Storage would have been sent.
        seconds: CPU time of its own, which is not the app's.
    """

    requests: int = 0
    seconds: float = 0.0
    _lock: RLock = field(default_factory=RLock)
    _tag: int = 0

    def __post_init__(self) -> None:
        self._database = sqlite3.connect(":memory:", isolation_level=None, check_same_thread=False)
        self._database.execute(
            "CREATE TABLE entities (partition TEXT, row TEXT, tag TEXT, entity TEXT, PRIMARY KEY (partition, row)) "
            "WITHOUT ROWID"
        )

    def get(self, partition: str, row: str) -> tuple[Entity, str] | None:
        self.requests += 1
        found = self._find(partition, row)
        return (json.loads(found[1]), found[0]) if found else None

    def query(
        self, partition: str, first: str, end: str, wanted: dict[str, str], size: int
    ) -> tuple[list[Entity], str]:
        """Return what one request gives, and the row key at which the next goes on; "" after the last."""
        self.requests += 1
        statement = "SELECT row, tag, entity FROM entities WHERE partition = ? AND row >= ? AND row < ? ORDER BY row"
        page: list[Entity] = []
        found = self._database.execute(f"{statement} LIMIT {LOOKED_AT + 1}", (partition, first, end))
        for number, (row, tag, text) in enumerate(found):
            if len(page) == size or number == LOOKED_AT:
                return page, row
            entity = json.loads(text)
            if all(entity.get(name) == value for name, value in wanted.items()):
                page.append({**entity, "odata.etag": tag})
        return page, ""

    def write(self, writes: Sequence[Write]) -> list[str]:
        self.requests += bool(writes)
        for position, write in enumerate(writes):
            found = self._find(write.partition, write.row)
            is_expected = not found if write.tag is None else not write.tag or (found and found[0] == write.tag)
            if not is_expected or (write.entity is None and not found):
                raise ConditionFailedError(position)
        self._database.execute("BEGIN")
        tags = [self._put(write) for write in writes]
        self._database.execute("COMMIT")
        return tags

    def _find(self, partition: str, row: str) -> tuple[str, str] | None:
        statement = "SELECT tag, entity FROM entities WHERE partition = ? AND row = ?"
        found: tuple[str, str] | None = self._database.execute(statement, (partition, row)).fetchone()
        return found

    def _put(self, write: Write) -> str:
        if write.entity is None:
            self._database.execute("DELETE FROM entities WHERE partition = ? AND row = ?", (write.partition, write.row))
            return ""
        self._tag += 1
        values = (write.partition, write.row, str(self._tag), json.dumps({**write.entity, "RowKey": write.row}))
        self._database.execute("REPLACE INTO entities VALUES (?, ?, ?, ?)", values)
        return str(self._tag)

    def timed(self, work: Callable[..., _T]) -> Callable[..., _T]:
        """Let one thread work at a time, and note how long that took."""

        @wraps(work)
        def wrapped(_: TableService, *args: Any, **options: Any) -> _T:
            with self._lock:
                start = time.thread_time()
                try:
                    return work(*args, **options)
                finally:
                    self.seconds += time.thread_time() - start

        return wrapped


@contextmanager
def counting_table() -> Iterator[CountingTable]:
    """Let every table be this one until the end of the context."""
    table = CountingTable()
    ask = table.timed(table.query)

    def query(
        service: TableService,
        partition: str,
        first: str,
        end: str,
        *,
        where: str = "",
        tags: bool = False,
        top: int = 0,
    ) -> Iterator[list[Entity]]:
        del tags  # it gives them always
        wanted = {name: value.replace("''", "'") for name, value in _CONDITION.findall(where)}
        following = first
        while True:
            page, following = ask(service, partition, following, end, wanted, min(top or PAGE, PAGE))
            yield page
            if not following:
                return

    plain = {name: getattr(TableService, name) for name in ("get", "query", "write")}
    for name, method in {"get": table.timed(table.get), "query": query, "write": table.timed(table.write)}.items():
        setattr(TableService, name, method)
    try:
        yield table
    finally:
        for name, method in plain.items():
            setattr(TableService, name, method)
