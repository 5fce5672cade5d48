"""The SQLite file: what its adapters share, beside the contract of `tests/contract/test_state.py`."""

from datetime import timedelta

import pytest

from shared.state.sqlite import Database, SqliteQueue
from tests.fakes import FakeClock

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
