"""All state in one SQLite file: for the demo, for tests, and for publishing from a laptop."""

import json
import re
import sqlite3
import uuid
import weakref
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import asdict
from datetime import datetime, timedelta
from threading import RLock
from typing import Any

from shared.catalog.entities import Evidence, Ref
from shared.catalog.qualified_names import QualifiedName, of_workspace
from shared.catalog.serving import Serving
from shared.errors import ClaimHeldError, ConfigurationError
from shared.model import WorkspaceId
from shared.places.matching import Match, MatchKind
from shared.state.ports import (
    PAGE,
    DeadLetter,
    Lease,
    Look,
    Message,
    OpenLetters,
    Placeholder,
    PlaceUse,
    Row,
    State,
    WrittenTree,
    digest_of,
    next_lease,
)

_SCHEMA = """
CREATE TABLE IF NOT EXISTS messages (
    id TEXT PRIMARY KEY, body TEXT NOT NULL, dequeue_count INTEGER NOT NULL, receipt TEXT NOT NULL,
    visible_at TEXT NOT NULL, put_at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS poison (
    id TEXT PRIMARY KEY, body TEXT NOT NULL, dequeue_count INTEGER NOT NULL, receipt TEXT NOT NULL,
    visible_at TEXT NOT NULL, put_at TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS dead_letters (
    id TEXT PRIMARY KEY, reason TEXT NOT NULL, detail TEXT NOT NULL, body TEXT NOT NULL,
    attempts INTEGER NOT NULL, at TEXT NOT NULL, closed_at TEXT);
CREATE TABLE IF NOT EXISTS rows (
    key TEXT PRIMARY KEY, kind TEXT NOT NULL, outcome TEXT NOT NULL, reason TEXT NOT NULL, status TEXT NOT NULL,
    event_id TEXT NOT NULL, event_time TEXT, matches TEXT NOT NULL, updated_at TEXT NOT NULL,
    evidence TEXT NOT NULL DEFAULT '[]', files TEXT NOT NULL DEFAULT '[]',
    served TEXT NOT NULL DEFAULT '[]', root TEXT NOT NULL DEFAULT '');
CREATE TABLE IF NOT EXISTS placeholders (key TEXT PRIMARY KEY, placeholder TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS filed_notes (
    folder TEXT NOT NULL, name TEXT NOT NULL, note TEXT NOT NULL, PRIMARY KEY (folder, name));
CREATE TABLE IF NOT EXISTS tree_models (
    root TEXT NOT NULL, run TEXT NOT NULL, model TEXT NOT NULL, PRIMARY KEY (root, run, model));
CREATE TABLE IF NOT EXISTS tree_fingerprints (
    root TEXT NOT NULL, qualified_name TEXT NOT NULL, fingerprint TEXT NOT NULL, PRIMARY KEY (root, qualified_name));
CREATE TABLE IF NOT EXISTS tree_uses (
    root TEXT NOT NULL, run TEXT NOT NULL, uses TEXT NOT NULL, PRIMARY KEY (root, run));
CREATE TABLE IF NOT EXISTS place_uses (
    path TEXT NOT NULL, is_output INTEGER NOT NULL, key TEXT NOT NULL, use TEXT NOT NULL,
    PRIMARY KEY (path, is_output, key));
CREATE TABLE IF NOT EXISTS fingerprints (qualified_name TEXT PRIMARY KEY, fingerprint TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS matches (
    place_type TEXT NOT NULL, place_name TEXT NOT NULL, type_name TEXT NOT NULL, qualified_name TEXT NOT NULL,
    kind TEXT NOT NULL, at TEXT NOT NULL, rule TEXT NOT NULL DEFAULT '', others TEXT NOT NULL DEFAULT '[]',
    PRIMARY KEY (place_type, place_name));
CREATE TABLE IF NOT EXISTS leases (
    name TEXT PRIMARY KEY, holder TEXT NOT NULL, ends_at TEXT NOT NULL, wanted INTEGER NOT NULL DEFAULT 0);
CREATE TABLE IF NOT EXISTS notes (name TEXT PRIMARY KEY, note TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS looks (
    root TEXT NOT NULL, at TEXT NOT NULL, number INTEGER NOT NULL, digest TEXT NOT NULL, failures INTEGER NOT NULL,
    PRIMARY KEY (at, root));
CREATE TABLE IF NOT EXISTS parts (
    run TEXT NOT NULL, digest TEXT NOT NULL, part TEXT NOT NULL, PRIMARY KEY (run, digest));
"""
_TABLES = frozenset(re.findall(r"CREATE TABLE IF NOT EXISTS (\w+)", _SCHEMA))
_CHUNK = 500
"""Names in one IN (…); SQLite takes 999 parameters in its older builds."""


class Database:
    """The file, and the one connection all adapters share, open until it is closed or the object is gone."""

    def __init__(self, path: str, *, now: Callable[[], datetime]) -> None:
        self.now = now
        self._lock = RLock()
        try:
            self._connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
            weakref.finalize(self, self._connection.close)  # at the latest when the object is gone
            self._connection.row_factory = sqlite3.Row
            # A deleted message is overwritten with zeros, so that nothing of it can be read from the file.
            self._connection.execute("PRAGMA secure_delete = ON")
            if not self._list_tables() >= _TABLES:
                self._connection.executescript(f"BEGIN IMMEDIATE; {_SCHEMA} COMMIT;")  # each statement would be synced
            self._bring_uses()
            self._add_column("matches", "rule", "TEXT NOT NULL DEFAULT ''")
            self._add_column("matches", "others", "TEXT NOT NULL DEFAULT '[]'")
            self._add_column("rows", "evidence", "TEXT NOT NULL DEFAULT '[]'")
            self._add_column("rows", "files", "TEXT NOT NULL DEFAULT '[]'")
            self._add_column("rows", "served", "TEXT NOT NULL DEFAULT '[]'")
            self._add_column("rows", "root", "TEXT NOT NULL DEFAULT ''")
            self._add_column("leases", "wanted", "INTEGER NOT NULL DEFAULT 0")
        except sqlite3.Error as error:
            raise ConfigurationError([f"LINEAGE_STORAGE: {path} cannot be used as a SQLite file ({error})"]) from error

    def _list_tables(self) -> set[str]:
        found = self._connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
        return {row["name"] for row in found}

    def _add_column(self, table: str, name: str, definition: str) -> None:
        """Bring a file of an earlier version up to date; another process may be doing the same right now."""
        if name not in {row["name"] for row in self._connection.execute(f"PRAGMA table_info({table})")}:
            with suppress(sqlite3.OperationalError):
                self._connection.execute(f"ALTER TABLE {table} ADD COLUMN {name} {definition}")

    def _bring_uses(self) -> None:
        """Bring what an earlier version kept of places, under the id of a run alone, where it is looked for now."""
        if "uses" in self._list_tables():
            with suppress(sqlite3.OperationalError), self.transaction() as connection:  # another may do so right now
                connection.execute("INSERT OR IGNORE INTO place_uses SELECT path, is_output, run, use FROM uses")
                connection.execute("DROP TABLE uses")

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Write all or nothing; a transaction within another is part of it."""
        with self._lock:
            if self._connection.in_transaction:
                yield self._connection
                return
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


class SqliteQueue:
    """The queue port, over one table of messages."""

    def __init__(self, database: Database, *, table: str = "messages") -> None:
        self._database = database
        self._table = table

    def put(self, body: str, *, delay: timedelta = timedelta(0)) -> None:
        now = self._database.now()
        values = (uuid.uuid4().hex, body, 0, "", _text(now + delay), _text(now))
        with self._database.transaction() as connection:
            connection.execute(
                f"INSERT INTO {self._table} (id, body, dequeue_count, receipt, visible_at, put_at) "  # noqa: S608 - ours
                "VALUES (?, ?, ?, ?, ?, ?)",
                values,
            )

    def receive(self, *, visibility: timedelta) -> Message | None:
        now = self._database.now()
        receipt = uuid.uuid4().hex
        with self._database.transaction() as connection:
            row = connection.execute(
                f"UPDATE {self._table} SET dequeue_count = dequeue_count + 1, receipt = ?, visible_at = ? "  # noqa: S608 - ours
                f"WHERE id = (SELECT id FROM {self._table} WHERE visible_at <= ? "
                "ORDER BY visible_at, put_at, rowid LIMIT 1) RETURNING *",
                (receipt, _text(now + visibility), _text(now)),
            ).fetchone()
        return Message(row["id"], row["body"], row["dequeue_count"], receipt) if row else None

    def receive_page(self, *, visibility: timedelta) -> Sequence[Message]:
        received = (self.receive(visibility=visibility) for _ in range(PAGE))
        return [message for message in received if message]

    def delete(self, message: Message) -> None:
        with self._database.transaction() as connection:
            statement = f"DELETE FROM {self._table} WHERE id = ? AND receipt = ?"  # noqa: S608 - ours
            connection.execute(statement, (message.id, message.receipt))

    def release(self, message: Message, *, delay: timedelta) -> None:
        visible_at = _text(self._database.now() + delay)
        with self._database.transaction() as connection:
            connection.execute(
                f"UPDATE {self._table} SET visible_at = ? WHERE id = ? AND receipt = ?",  # noqa: S608 - ours
                (visible_at, message.id, message.receipt),
            )

    def next_visible_at(self) -> datetime | None:
        """Return when the next message can be received (maybe in the past); None if the queue is empty."""
        value = self._database.select(f"SELECT MIN(visible_at) AS at FROM {self._table}")[0]["at"]  # noqa: S608 - ours
        return datetime.fromisoformat(value) if value else None

    def count(self) -> int:
        return int(self._database.select(f"SELECT COUNT(*) AS found FROM {self._table}")[0]["found"])  # noqa: S608 - ours


class SqliteDeadLetters:
    """The dead-letter port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def put(self, *, reason: str, detail: str, body: str, attempts: int, id: str = "") -> DeadLetter:
        letter = DeadLetter(id or uuid.uuid4().hex, reason, detail, body, attempts, self._database.now())
        with self._database.transaction() as connection:
            connection.execute(
                "REPLACE INTO dead_letters (id, reason, detail, body, attempts, at, closed_at) "
                "VALUES (?, ?, ?, ?, ?, ?, NULL)",
                (letter.id, reason, detail, body, attempts, _text(letter.at)),
            )
        return letter

    def get(self, dead_letter_id: str) -> DeadLetter | None:
        rows = self._database.select("SELECT * FROM dead_letters WHERE id = ?", (dead_letter_id,))
        return _to_letter(rows[0]) if rows else None

    def list_open(
        self, *, reasons: Collection[str] = (), since: datetime | None = None, limit: int | None = None
    ) -> Sequence[DeadLetter]:
        rows = self._database.select(
            "SELECT * FROM dead_letters WHERE closed_at IS NULL AND at >= ? ORDER BY at, rowid",
            (_text(since) if since else "",),
        )
        return [_to_letter(row) for row in rows if not reasons or row["reason"] in reasons][:limit]

    def name_open(self, reasons: Collection[str]) -> Mapping[str, datetime]:
        rows = self._database.select(
            "SELECT id, reason, at FROM dead_letters WHERE closed_at IS NULL ORDER BY at, rowid"
        )
        return {row["id"]: datetime.fromisoformat(row["at"]) for row in rows if row["reason"] in reasons}

    def count_open(self) -> Mapping[str, OpenLetters]:
        rows = self._database.select(
            "SELECT reason, COUNT(*) AS number, MIN(at) AS oldest FROM dead_letters WHERE closed_at IS NULL "
            "GROUP BY reason ORDER BY reason"
        )
        return {row["reason"]: OpenLetters(row["number"], datetime.fromisoformat(row["oldest"])) for row in rows}

    def close(self, dead_letter_id: str) -> None:
        with self._database.transaction() as connection:
            connection.execute(
                "UPDATE dead_letters SET closed_at = ? WHERE id = ?", (_text(self._database.now()), dead_letter_id)
            )


class SqliteLedger:
    """The ledger port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def together(self) -> AbstractContextManager[object]:
        return self._database.transaction()

    def get_rows(self, keys: Iterable[QualifiedName]) -> Mapping[QualifiedName, Row]:
        rows = self._database.select_in("SELECT * FROM rows WHERE key IN", keys)
        return {QualifiedName(row["key"]): _to_row(row) for row in rows}

    def put_rows(self, rows: Iterable[Row]) -> None:
        now = _text(self._database.now())
        self._database.write_many(
            "REPLACE INTO rows (key, kind, outcome, reason, status, event_id, event_time, matches, updated_at, "
            "evidence, files, served, root) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            [
                (
                    row.key,
                    row.kind,
                    row.outcome,
                    row.reason,
                    row.status,
                    row.event_id,
                    _text(row.event_time) if row.event_time else None,
                    json.dumps(dict(row.matches)),
                    now,
                    json.dumps([each.to_json() for each in row.evidence]),
                    json.dumps(row.files),
                    json.dumps([asdict(each) for each in row.served]),
                    row.root,
                )
                for row in rows
            ],
        )

    def forget_rows(self, keys: Iterable[QualifiedName]) -> None:
        self._database.write_many("DELETE FROM rows WHERE key = ?", [(key,) for key in keys])

    def forget_read_ahead(self) -> None:
        """Nothing is read ahead."""

    def get_tree(self, root: QualifiedName) -> WrittenTree:
        models: dict[QualifiedName, set[QualifiedName]] = {}
        for row in self._database.select("SELECT * FROM tree_models WHERE root = ?", (root,)):
            models.setdefault(QualifiedName(row["run"]), set()).add(QualifiedName(row["model"]))
        rows = self._database.select("SELECT * FROM tree_fingerprints WHERE root = ?", (root,))
        return WrittenTree(
            {run: frozenset(names) for run, names in models.items()},
            {QualifiedName(row["qualified_name"]): row["fingerprint"] for row in rows},
            {
                QualifiedName(row["run"]): tuple(map(PlaceUse.from_json, json.loads(row["uses"])))
                for row in self._database.select("SELECT * FROM tree_uses WHERE root = ?", (root,))
            },
        )

    def add_to_tree(
        self,
        root: QualifiedName,
        *,
        models: Mapping[QualifiedName, Collection[QualifiedName]] | None = None,
        fingerprints: Mapping[QualifiedName, str] | None = None,
        uses: Mapping[QualifiedName, Collection[PlaceUse]] | None = None,
    ) -> None:
        pairs = [(root, run, model) for run, names in (models or {}).items() for model in names]
        self._database.write_many("INSERT OR IGNORE INTO tree_models (root, run, model) VALUES (?, ?, ?)", pairs)
        values = [(root, *item) for item in (fingerprints or {}).items()]
        self._database.write_many(
            "REPLACE INTO tree_fingerprints (root, qualified_name, fingerprint) VALUES (?, ?, ?)", values
        )
        texts = [(root, run, json.dumps([use.to_json() for use in of_run])) for run, of_run in (uses or {}).items()]
        self._database.write_many("REPLACE INTO tree_uses (root, run, uses) VALUES (?, ?, ?)", texts)

    def forget_tree(self, root: QualifiedName) -> None:
        for table in ("tree_fingerprints", "tree_uses"):
            self._database.write_many(f"DELETE FROM {table} WHERE root = ?", [(root,)])  # noqa: S608 - ours

    def index_uses(self, uses: Iterable[PlaceUse], *, forget: Iterable[PlaceUse] = ()) -> None:
        keys = [(use.path, use.is_output, key) for use in forget for key in (json.dumps(use.key), use.run)]
        self._database.write_many("DELETE FROM place_uses WHERE path = ? AND is_output = ? AND key = ?", keys)
        values = [(use.path, use.is_output, json.dumps(use.key), json.dumps(use.to_json())) for use in uses]
        self._database.write_many("REPLACE INTO place_uses (path, is_output, key, use) VALUES (?, ?, ?, ?)", values)

    def find_uses_at(self, paths: Iterable[str], *, is_output: bool) -> Sequence[PlaceUse]:
        statement = f"SELECT * FROM place_uses WHERE is_output = {is_output:d} AND path IN"  # noqa: S608 - 0 or 1
        return _to_uses(self._database.select_in(statement, set(paths)))

    def find_uses(
        self, at: Iterable[str], inside: Iterable[str], *, is_output: bool, limit: int = 1_000
    ) -> Sequence[PlaceUse]:
        found = set(self.find_uses_at(at, is_output=is_output))
        statement = "SELECT * FROM place_uses WHERE path > ? AND path < ? AND is_output = ? LIMIT ?"
        for path in inside:
            values = (f"{path}/", f"{path}0", is_output, limit)  # a zero comes next after a slash
            found.update(_to_uses(self._database.select(statement, values)))
        return sorted(found)

    def add_facts(self, run: QualifiedName, facts: Iterable[str]) -> None:
        values = [(run, digest_of(fact), fact) for fact in facts]
        self._database.write_many("INSERT OR IGNORE INTO parts (run, digest, part) VALUES (?, ?, ?)", values)

    def get_facts(self, run: QualifiedName) -> Sequence[str]:
        rows = self._database.select("SELECT part FROM parts WHERE run = ? ORDER BY digest", (run,))
        return [row["part"] for row in rows]

    def fold_facts(self, run: QualifiedName, facts: Iterable[str], *, into: str) -> None:
        self.add_facts(run, [into])
        folded = [(run, digest_of(fact)) for fact in facts if fact != into]
        self._database.write_many("DELETE FROM parts WHERE run = ? AND digest = ?", folded)

    def get_fingerprints(self, names: Iterable[QualifiedName]) -> Mapping[QualifiedName, str]:
        rows = self._database.select_in("SELECT * FROM fingerprints WHERE qualified_name IN", names)
        return {QualifiedName(row["qualified_name"]): row["fingerprint"] for row in rows}

    def put_fingerprints(self, fingerprints: Mapping[QualifiedName, str]) -> None:
        statement = "REPLACE INTO fingerprints (qualified_name, fingerprint) VALUES (?, ?)"
        self._database.write_many(statement, list(fingerprints.items()))

    def forget_fingerprints(self, names: Iterable[QualifiedName]) -> None:
        self._database.write_many("DELETE FROM fingerprints WHERE qualified_name = ?", [(name,) for name in names])

    def get_matches(self, places: Iterable[Ref], *, placeholders_since: datetime) -> Mapping[Ref, Match]:
        wanted = set(places)
        names = {place.qualified_name for place in wanted}
        found = {}
        for row in self._database.select_in("SELECT * FROM matches WHERE place_name IN", names):
            place = Ref(row["place_type"], QualifiedName(row["place_name"]))
            ref = Ref(row["type_name"], QualifiedName(row["qualified_name"]))
            if row["kind"] not in set(MatchKind):
                continue  # a newer version found it, in a way that is not known here
            others = tuple(Ref(type_name, QualifiedName(each)) for type_name, each in json.loads(row["others"]))
            match = Match(ref, MatchKind(row["kind"]), row["rule"], others)
            stale = match.kind is MatchKind.PLACEHOLDER and datetime.fromisoformat(row["at"]) < placeholders_since
            if place in wanted and not stale:
                found[place] = match
        return found

    get_matches_at_hand = get_matches

    def put_matches(self, matches: Mapping[Ref, Match]) -> None:
        now = _text(self._database.now())
        self._database.write_many(
            "INSERT INTO matches (place_type, place_name, type_name, qualified_name, kind, at, rule, others) "
            "VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (place_type, place_name) DO UPDATE SET "
            "type_name = excluded.type_name, qualified_name = excluded.qualified_name, kind = excluded.kind, "
            "at = excluded.at, rule = excluded.rule, others = excluded.others",
            [
                (
                    place.type_name,
                    place.qualified_name,
                    match.ref.type_name,
                    match.ref.qualified_name,
                    match.kind.value,
                    now,
                    match.rule,
                    json.dumps([[each.type_name, each.qualified_name] for each in match.others]),
                )
                for place, match in matches.items()
            ],
        )

    def forget_matches(self, places: Iterable[Ref]) -> None:
        values = [(place.type_name, place.qualified_name) for place in places]
        self._database.write_many("DELETE FROM matches WHERE place_type = ? AND place_name = ?", values)

    def forget_old_matches(self, *, before: datetime, after: str = "", limit: int = 1_000) -> str:
        self._database.write_many("DELETE FROM matches WHERE at < ?", [(_text(before),)])
        return ""

    def put_look(self, look: Look) -> None:
        values = (look.root, _text(look.at), look.number, look.digest, look.failures)
        statement = "REPLACE INTO looks (root, at, number, digest, failures) VALUES (?, ?, ?, ?, ?)"
        self._database.write_many(statement, [values])

    def list_looks(self, *, until: datetime, limit: int) -> Sequence[Look]:
        statement = "SELECT * FROM looks WHERE at <= ? ORDER BY at, root LIMIT ?"
        return [
            Look(row["root"], datetime.fromisoformat(row["at"]), row["number"], row["digest"], row["failures"])
            for row in self._database.select(statement, (_text(until), limit))
        ]

    def forget_look(self, look: Look) -> None:
        self._database.write_many("DELETE FROM looks WHERE at = ? AND root = ?", [(_text(look.at), look.root)])

    def list_rows(
        self, kind: str, *, workspace: WorkspaceId | None = None, after: str = "", limit: int = 1_000
    ) -> Sequence[Row]:
        below = f"{of_workspace(workspace)}/" if workspace else ""
        statement = "SELECT * FROM rows WHERE kind = ? AND key > ? AND key < ? ORDER BY key LIMIT ?"
        values = (kind, max(after, below), f"{below[:-1]}0" if below else "~", limit)  # a zero comes next after a slash
        return [_to_row(row) for row in self._database.select(statement, values)]

    def add_placeholders(self, placeholders: Iterable[Placeholder]) -> None:
        values = [(each.key, json.dumps(each.to_json())) for each in placeholders]
        self._database.write_many("REPLACE INTO placeholders (key, placeholder) VALUES (?, ?)", values)

    def list_placeholders(self, *, after: str = "", limit: int = 1_000) -> Sequence[Placeholder]:
        statement = "SELECT * FROM placeholders WHERE key > ? ORDER BY key LIMIT ?"
        rows = self._database.select(statement, (after, limit))
        return [Placeholder.from_json(json.loads(row["placeholder"])) for row in rows]

    def forget_placeholders(self, placeholders: Iterable[Placeholder]) -> None:
        values = [(each.key,) for each in placeholders]
        self._database.write_many("DELETE FROM placeholders WHERE key = ?", values)


class SqliteLeases:
    """The lease port."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._wanted: set[tuple[str, str]] = set()

    def acquire(self, name: str, *, holder: str, duration: timedelta) -> Lease | None:
        return self._acquire(name, holder, duration)

    def _acquire(self, name: str, holder: str, duration: timedelta) -> Lease | None:
        now = self._database.now()
        with self._database.transaction() as connection:
            row = connection.execute("SELECT * FROM leases WHERE name = ?", (name,)).fetchone()
            lease = next_lease(row and (row["holder"], datetime.fromisoformat(row["ends_at"])), holder, now, duration)
            if lease:
                values = (name, holder, _text(now + duration))
                connection.execute("REPLACE INTO leases (name, holder, ends_at) VALUES (?, ?, ?)", values)
            else:
                connection.execute("UPDATE leases SET wanted = 1 WHERE name = ?", (name,))
        return lease

    def claim(self, names: Sequence[str], *, holder: str, duration: timedelta) -> None:
        with self._database.transaction():
            for name in names:
                if self._acquire(name, holder, duration) is None:
                    raise ClaimHeldError(f"another worker is creating {name}")

    def renew(self, names: Sequence[str], *, holder: str, duration: timedelta) -> bool:
        ends_at = _text(self._database.now() + duration)
        with self._database.transaction() as connection:
            renewed = [
                connection.execute(
                    "UPDATE leases SET ends_at = ? WHERE name = ? AND holder = ?", (ends_at, name, holder)
                ).rowcount
                for name in names
            ]
            return all(renewed)

    def release(self, names: Sequence[str], *, holder: str) -> None:
        now = _text(self._database.now())
        with self._database.transaction() as connection:
            for name in names:
                released = connection.execute(
                    "UPDATE leases SET holder = '', ends_at = ? WHERE name = ? AND holder = ? RETURNING wanted",
                    (now, name, holder),
                ).fetchone()
                if released and released["wanted"]:
                    self._wanted.add((name, holder))

    def was_wanted(self, name: str, *, holder: str) -> bool:
        wanted = (name, holder) in self._wanted
        self._wanted.discard((name, holder))
        return wanted

    def purge(self, *, until: datetime) -> None:
        self._database.write_many("DELETE FROM leases WHERE holder = '' AND ends_at < ?", [(_text(until),)])


class SqliteNotes:
    """The notes port."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def get(self, name: str) -> Mapping[str, object] | None:
        rows = self._database.select("SELECT note FROM notes WHERE name = ?", (name,))
        note: Mapping[str, object] | None = json.loads(rows[0]["note"]) if rows else None
        return note

    def put(self, name: str, note: Mapping[str, object]) -> None:
        self._database.write_many("REPLACE INTO notes (name, note) VALUES (?, ?)", [(name, json.dumps(note))])

    def forget(self, name: str) -> None:
        self._database.write_many("DELETE FROM notes WHERE name = ?", [(name,)])

    def list_in(self, folder: str, *, after: str = "", limit: int = 1_000) -> Mapping[str, Mapping[str, Any]]:
        statement = "SELECT * FROM filed_notes WHERE folder = ? AND name > ? ORDER BY name LIMIT ?"
        rows = self._database.select(statement, (folder, after, limit))
        return {row["name"]: json.loads(row["note"]) for row in rows}

    def put_in(self, folder: str, notes: Mapping[str, Mapping[str, object]]) -> None:
        values = [(folder, name, json.dumps(note)) for name, note in notes.items()]
        self._database.write_many("REPLACE INTO filed_notes (folder, name, note) VALUES (?, ?, ?)", values)

    def forget_in(self, folder: str, names: Iterable[str]) -> None:
        values = [(folder, name) for name in names]
        self._database.write_many("DELETE FROM filed_notes WHERE folder = ? AND name = ?", values)


def open_state(path: str, *, now: Callable[[], datetime]) -> State:
    """
    Open or create a file.

    Raises:
        ConfigurationError: it cannot be used as a SQLite file.
    """
    database = Database(path, now=now)
    return State(
        SqliteQueue(database),
        SqliteDeadLetters(database),
        SqliteLedger(database),
        SqliteLeases(database),
        SqliteNotes(database),
        database.close,
        SqliteQueue(database, table="poison"),
    )


def _to_letter(row: sqlite3.Row) -> DeadLetter:
    at = datetime.fromisoformat(row["at"])
    return DeadLetter(row["id"], row["reason"], row["detail"], row["body"], row["attempts"], at)


def _to_row(row: sqlite3.Row) -> Row:
    return Row(
        key=QualifiedName(row["key"]),
        kind=row["kind"],
        outcome=row["outcome"],
        reason=row["reason"],
        status=row["status"],
        event_id=row["event_id"],
        event_time=datetime.fromisoformat(row["event_time"]) if row["event_time"] else None,
        matches=json.loads(row["matches"]),
        updated_at=datetime.fromisoformat(row["updated_at"]),
        evidence=tuple(Evidence.from_json(each) for each in json.loads(row["evidence"])),
        files=tuple(json.loads(row["files"])),
        served=tuple(map(Serving.from_json, json.loads(row["served"]))),
        root=row["root"],
    )


def _to_uses(rows: Iterable[sqlite3.Row]) -> list[PlaceUse]:
    return PlaceUse.list_from(json.loads(row["use"]) for row in rows)


def _text(moment: datetime) -> str:
    return moment.isoformat(timespec="microseconds")
