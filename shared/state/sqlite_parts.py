"""The part of the ledger that keeps what is told of runs piece by piece, in a SQLite file."""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from shared.catalog.qualified_names import QualifiedName
from shared.state.ports import digest_of

if TYPE_CHECKING:
    from shared.state.sqlite_database import Database

PARTS_SCHEMA = """
CREATE TABLE IF NOT EXISTS parts (
    run TEXT NOT NULL, digest TEXT NOT NULL, part TEXT NOT NULL, PRIMARY KEY (run, digest));
"""


class SqliteParts:
    """Parts by run and by what they say."""

    def __init__(self, database: "Database") -> None:
        self._database = database

    def add_parts(self, run: QualifiedName, parts: Iterable[str]) -> None:
        values = [(run, digest_of(part), part) for part in parts]
        self._database.write_many("INSERT OR IGNORE INTO parts VALUES (?, ?, ?)", values)

    def get_parts(self, run: QualifiedName) -> Sequence[str]:
        rows = self._database.select("SELECT part FROM parts WHERE run = ? ORDER BY digest", (run,))
        return [row["part"] for row in rows]
