"""The SQLite file that all adapters of the embedded state share."""

import sqlite3
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from threading import RLock

from shared.errors import ConfigurationError

_SCHEMA = """
CREATE TABLE IF NOT EXISTS messages (
    id TEXT PRIMARY KEY, body TEXT NOT NULL, dequeue_count INTEGER NOT NULL, receipt TEXT NOT NULL,
    visible_at TEXT NOT NULL, put_at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS dead_letters (
    id TEXT PRIMARY KEY, reason TEXT NOT NULL, detail TEXT NOT NULL, body TEXT NOT NULL,
    attempts INTEGER NOT NULL, at TEXT NOT NULL, closed_at TEXT);
CREATE TABLE IF NOT EXISTS rows (
    key TEXT PRIMARY KEY, kind TEXT NOT NULL, outcome TEXT NOT NULL, reason TEXT NOT NULL, status TEXT NOT NULL,
    event_id TEXT NOT NULL, event_time TEXT, matches TEXT NOT NULL, updated_at TEXT NOT NULL,
    evidence TEXT NOT NULL DEFAULT '[]');
CREATE TABLE IF NOT EXISTS tree_models (
    root TEXT NOT NULL, run TEXT NOT NULL, model TEXT NOT NULL, PRIMARY KEY (root, run, model));
CREATE TABLE IF NOT EXISTS tree_fingerprints (
    root TEXT NOT NULL, qualified_name TEXT NOT NULL, fingerprint TEXT NOT NULL, PRIMARY KEY (root, qualified_name));
CREATE TABLE IF NOT EXISTS fingerprints (qualified_name TEXT PRIMARY KEY, fingerprint TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS matches (
    place_type TEXT NOT NULL, place_name TEXT NOT NULL, type_name TEXT NOT NULL, qualified_name TEXT NOT NULL,
    kind TEXT NOT NULL, at TEXT NOT NULL, rule TEXT NOT NULL DEFAULT '', PRIMARY KEY (place_type, place_name));
CREATE TABLE IF NOT EXISTS leases (name TEXT PRIMARY KEY, holder TEXT NOT NULL, ends_at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, note TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS parts (
    run TEXT NOT NULL, digest TEXT NOT NULL, part TEXT NOT NULL, PRIMARY KEY (run, digest));
"""
_CHUNK = 500
"""Names in one IN (…); SQLite takes 999 parameters in its older builds."""


class Database:
    """The file, and the one connection all adapters share; `:memory:` lives as long as the object."""

    def __init__(self, path: str, *, now: Callable[[], datetime]) -> None:
        self.now = now
        self._lock = RLock()
        try:
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            self._connection.row_factory = sqlite3.Row
            # A deleted message is overwritten with zeros, so that nothing of it can be read from the file.
            self._connection.execute("PRAGMA secure_delete = ON")
            self._connection.executescript(_SCHEMA)
            self._add_column("matches", "rule", "TEXT NOT NULL DEFAULT ''")
            self._add_column("rows", "evidence", "TEXT NOT NULL DEFAULT '[]'")
        except sqlite3.Error as error:
            raise ConfigurationError([f"LINEAGE_STORAGE: {path} cannot be used as a SQLite file ({error})"]) from error

    def _add_column(self, table: str, name: str, definition: str) -> None:
        """Bring a file of an earlier version up to date; another process may be doing the same right now."""
        if name not in {row["name"] for row in self._connection.execute(f"PRAGMA table_info({table})")}:
            with suppress(sqlite3.OperationalError):
                self._connection.execute(f"ALTER TABLE {table} ADD COLUMN {name} {definition}")

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            self._connection.execute("BEGIN IMMEDIATE")
            try:
                yield self._connection
                self._connection.execute("COMMIT")
            except BaseException:
                if self._connection.in_transaction:  # Ctrl-C may come after the commit, and an error here would hide it
                    self._connection.execute("ROLLBACK")
                raise

    def select(self, statement: str, parameters: Sequence[object] = ()) -> list[sqlite3.Row]:
        with self._lock:
            return self._connection.execute(statement, parameters).fetchall()

    def select_in(self, statement: str, values: Iterable[str]) -> Iterator[sqlite3.Row]:
        """Run a statement that ends in `IN` over any number of values."""
        wanted = list(values)
        for start in range(0, len(wanted), _CHUNK):
            chunk = wanted[start : start + _CHUNK]
            yield from self.select(f"{statement} ({', '.join('?' * len(chunk))})", chunk)

    def write_many(self, statement: str, values: Sequence[Sequence[object]]) -> None:
        """Run a statement for each of the values, all or none."""
        if values:
            with self.transaction() as connection:
                connection.executemany(statement, values)

    def close(self) -> None:
        self._connection.close()
