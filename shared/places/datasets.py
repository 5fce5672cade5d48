"""Data and columns as OpenLineage names them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from shared.validation import Shape, below, checked

_NAMED: dict[str, Shape] = {"namespace!": str, "name!": str}
_FACET: Shape = {"fields!": {"*!": {"inputFields!": [{**_NAMED, "field!": str}]}}}
_PART = re.compile(r"(?:\[([^\]]+)\]|\"([^\"]+)\"|`([^`]+)`)(?=\.|$)|((?:\\.|[^.\\])+)", re.DOTALL)


@dataclass(frozen=True, slots=True, order=True)
class DatasetName:
    """A data source, and the name of some data there."""

    namespace: str
    name: str

    @property
    def label(self) -> str:
        return f"{self.namespace.rstrip('/')}/{self.name.lstrip('/')}"

    @property
    def scheme(self) -> str:
        """The scheme of the namespace in lower case; "" if that is not a URI."""
        scheme, separator, _ = self.namespace.partition("://")
        return scheme.lower() if separator else ""

    @property
    def source(self) -> str:
        """What follows the scheme: host and port, and with some what else leads to the data source."""
        return self.namespace.partition("://")[2].rstrip("/")


def path_name(path: str) -> str:
    """
    Format what follows the authority of a URL as a name: no slash before it, and never empty.

    >>> path_name("/raw/loan.csv"), path_name("")
    ('raw/loan.csv', '/')
    """
    if path == "":
        return "/"
    return path[1:] if re.match(r"/[^/]", path) else f"/{path}"


def join_table(parts: Sequence[str]) -> str:
    r"""
    Join the parts of a table's name; a dot or a backslash within one is escaped.

    >>> print(join_table(["credit", "dbo", "loan.2026"]))
    credit.dbo.loan\.2026
    """
    return ".".join(re.sub(r"[\\.]", r"\\\g<0>", part) for part in parts)


def split_table(name: str) -> list[str]:
    r"""
    Take the name of a table apart at its dots, but for those that are escaped or quoted.

    >>> split_table(r"credit.dbo.loan\.2026"), split_table("[dbo].[loan.2026]")
    (['credit', 'dbo', 'loan.2026'], ['dbo', 'loan.2026'])
    """
    return [
        re.sub(r"\\(.)", r"\1", match[4], flags=re.DOTALL) if match[4] else next(filter(None, match.groups()))
        for match in _PART.finditer(name)
    ]


@dataclass(frozen=True, slots=True)
class ColumnEdge:
    """A column of a data set that a column of another was made from."""

    source: DatasetName
    field: str
    sink: DatasetName
    column: str


def list_column_edges(event: Mapping[str, Any], at: str = "") -> Iterator[ColumnEdge]:
    """
    Yield what the facet columnLineage of an event's outputs says, column by column.

    Args:
        at: the path of the event in what it was read from.

    Raises:
        ValueError: names the first member that is not as the specification has it.
    """
    path = below(at, "outputs")
    for index, output in enumerate(checked(event.get("outputs") or [], [dict], path)):
        yield from list_edges_of_output(output, f"{path}[{index}]")


def list_edges_of_output(output: Mapping[str, Any], at: str) -> Iterator[ColumnEdge]:
    """
    Yield what the facet columnLineage of one output says; raises as `list_column_edges` does.

    What influences a whole data set (`dataset` of the facet) maps no column, and how a column was made
    (`transformations`) is not read. A facet that takes an earlier one back (`_deleted`) says nothing.

    Spec: https://openlineage.io/docs/spec/facets/dataset-facets/column_lineage_facet
    """
    facets = checked(output.get("facets") or {}, dict, f"{at}.facets")
    facet = checked(facets.get("columnLineage") or {}, dict, f"{at}.facets.columnLineage")
    if not facet or facet.get("_deleted") is True:
        return
    checked(output, _NAMED, at)
    checked(facet, _FACET, f"{at}.facets.columnLineage")
    for column, lineage in facet["fields"].items():
        for source in lineage["inputFields"]:
            yield ColumnEdge(_dataset(source), source["field"], _dataset(output), column)


def _dataset(named: Mapping[str, Any]) -> DatasetName:
    return DatasetName(named["namespace"], named["name"])
