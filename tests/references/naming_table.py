"""The table of names on file: which asset a URI leads to, and the public sources that show it."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.worlds.golden_case import GRADES

FILE = Path(__file__).parents[1] / "unit" / "naming_table.yaml"


@dataclass(frozen=True, slots=True)
class Source:
    """A public source of a form: how sure it makes it, where it is, what it shows or what a guess rests on."""

    grade: str
    url: str
    shows: str


@dataclass(frozen=True, slots=True)
class Row:
    """One URI of the table, with the group it is in; the top of the file explains the columns."""

    group: str
    uri: str
    sources: tuple[Source, ...]
    type_name: str
    name: str
    candidates: str | tuple[str, ...]
    sets: str | tuple[str, ...]
    back: str

    @property
    def grade(self) -> str:
        """The weakest grade of its sources."""
        return max((source.grade for source in self.sources), key=GRADES.index)


def read_sources() -> dict[str, Source]:
    """Read the sources by the names that the rows use."""
    return {key: _source(**entry) for key, entry in _read()["sources"].items()}


def read_rows() -> list[Row]:
    """Read the rows of all groups, in order."""
    sources = read_sources()
    groups = {group: rows for group, rows in _read().items() if group != "sources"}
    return [_row(group, row, sources) for group, rows in groups.items() for row in rows]


def _row(group: str, row: Mapping[str, Any], sources: Mapping[str, Source]) -> Row:
    return Row(
        group,
        row["uri"],
        tuple(sources[key] for key in row["sources"]),
        row.get("type", ""),
        row.get("name", ""),
        _names(row.get("candidates", ())),
        _names(row.get("sets", ())),
        row["name"] if row.get("back") == "=" else row.get("back", ""),
    )


def _source(shows: str, **graded: str) -> Source:
    ((grade, url),) = graded.items()
    return Source(grade, url, shows)


def _names(column: str | Iterable[str]) -> str | tuple[str, ...]:
    return column if isinstance(column, str) else tuple(column)


def _read() -> dict[str, Any]:
    return dict(yaml.safe_load(FILE.read_text(encoding="utf-8")))
