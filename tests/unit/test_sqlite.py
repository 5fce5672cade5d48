"""The SQLite file: what its adapters share, beside the contract of `tests/contract/test_state.py`."""

import sqlite3
from contextlib import closing
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from shared.catalog.entities import Evidence, Ref
from shared.catalog.qualified_names import QualifiedName
from shared.places.matching import Match, MatchKind
from shared.state import sqlite
from shared.state.sqlite import Database, SqliteLedger, SqliteQueue
from tests.contract.stores import fill, read_all
from tests.harness.fakes import NOON, FakeClock

NOTE = "INSERT INTO notes VALUES ('n', '{}')"


def notes(database: Database) -> int:
    """Count the notes that are there."""
    return len(database.select("SELECT * FROM notes"))


def interrupt(database: Database, *statements: str) -> None:
    """Run statements in a transaction, and then be interrupted."""
    with database.transaction() as connection:
        for statement in statements:
            connection.execute(statement)
        raise KeyboardInterrupt


def test_interrupted_transaction_leaves_nothing_and_the_next_one_works() -> None:
    """Ctrl-C between two statements."""
    database = Database(":memory:", now=FakeClock())
    with pytest.raises(KeyboardInterrupt):
        interrupt(database, NOTE)
    assert notes(database) == 0
    SqliteQueue(database).put("body", delay=timedelta(0))
    assert SqliteQueue(database).count() == 1
    database.close()


def test_interrupt_that_comes_right_after_the_commit_is_not_hidden() -> None:
    """Rolling back what is committed is an error of its own, which a handler would take for one that may pass."""
    database = Database(":memory:", now=FakeClock())
    with pytest.raises(KeyboardInterrupt):
        interrupt(database, NOTE, "COMMIT")
    assert notes(database) == 1
    database.close()


def test_file_from_before_matches_had_rules_is_read_and_goes_on(tmp_path: Path) -> None:
    """A laptop keeps its file when the program is upgraded."""
    path = str(tmp_path / "state.sqlite")
    with closing(sqlite3.connect(path)) as old:
        old.execute(
            "CREATE TABLE matches (place_type TEXT NOT NULL, place_name TEXT NOT NULL, type_name TEXT NOT NULL, "
            "qualified_name TEXT NOT NULL, kind TEXT NOT NULL, at TEXT NOT NULL, PRIMARY KEY (place_type, place_name))"
        )
        old.execute("INSERT INTO matches VALUES ('t', 'old', 't', 'old', 'exact', '2026-07-01T12:00:00+00:00')")
        old.commit()
    database = Database(path, now=FakeClock())
    ledger, before, after = SqliteLedger(database), Ref("t", QualifiedName("old")), Ref("t", QualifiedName("new"))
    ledger.put_matches({after: Match(after, MatchKind.EXACT, "exact file")})
    matches = ledger.get_matches([before, after], placeholders_since=NOON)
    assert {place.qualified_name: match.rule for place, match in matches.items()} == {"old": "", "new": "exact file"}
    database.close()


def test_file_from_before_edges_had_evidence_is_read_and_goes_on(tmp_path: Path) -> None:
    """What it knows of runs stays known; their edges are explained once they are published again."""
    path = str(tmp_path / "state.sqlite")
    with closing(sqlite3.connect(path)) as old:
        old.execute(
            "CREATE TABLE rows (key TEXT PRIMARY KEY, kind TEXT NOT NULL, outcome TEXT NOT NULL, reason TEXT NOT NULL, "
            "status TEXT NOT NULL, event_id TEXT NOT NULL, event_time TEXT, matches TEXT NOT NULL, "
            "updated_at TEXT NOT NULL)"
        )
        old.execute(
            "INSERT INTO rows VALUES ('r', 'run', 'published', '', '', 'e', NULL, '{}', '2026-07-01T12:00:00Z')"
        )
        old.commit()
    database = Database(path, now=FakeClock())
    ledger, key = SqliteLedger(database), QualifiedName("r")
    row = ledger.get_rows([key])[key]
    assert row.evidence == ()
    evidence = (Evidence(Ref("t", QualifiedName("d")), is_output=False, field="inputs.d"),)
    ledger.put_rows([replace(row, evidence=evidence)])
    assert ledger.get_rows([key])[key].evidence == evidence
    database.close()


def test_connection_is_closed_with_the_last_that_has_it() -> None:
    """Python 3.13 complains about one that is left open; a process has as many as it opens states."""
    database = Database(":memory:", now=FakeClock())
    connection = database._connection
    del database
    with pytest.raises(sqlite3.ProgrammingError, match="closed"):
        connection.execute("SELECT 1")


def test_file_of_a_newer_version_is_read_and_written(tmp_path: Path) -> None:
    """After one has gone back to this version, its tables may have columns that are not known here."""
    path = str(tmp_path / "state.sqlite")
    first = sqlite.open_state(path, now=FakeClock())
    fill(first)
    expected = read_all(first)
    first.close()
    with closing(sqlite3.connect(path)) as newer:
        for (table,) in newer.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall():
            newer.execute(f"ALTER TABLE {table} ADD COLUMN of_a_newer_version TEXT NOT NULL DEFAULT 'new'")
        newer.commit()
    again = sqlite.open_state(path, now=FakeClock())
    assert read_all(again) == expected
    fill(again)
    assert read_all(again) == expected
    again.close()
