"""Data and columns as OpenLineage names them."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from shared.validation import below, check_kind, objects, take

_MEMBERS = frozenset({"eventType", "eventTime", "schemaURL", "producer", "run", "job", "inputs", "outputs"})
"""Members of an event, none of which our own form has."""
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


def is_event(item: Mapping[str, object]) -> bool:
    return not _MEMBERS.isdisjoint(item)


def list_column_edges(event: Mapping[str, object], at: str = "") -> Iterator[ColumnEdge]:
    """
    Yield what the facet columnLineage of an event's outputs says, column by column.

    What influences a whole data set (`dataset` of the facet) maps no column, and how a column was made
    (`transformations`) is not read. A facet that takes an earlier one back (`_deleted`) says nothing.

    Spec: https://openlineage.io/docs/spec/facets/dataset-facets/column_lineage_facet

    Args:
        at: the path of the event in what it was read from.

    Raises:
        ValueError: names the first member that is not as the specification has it.
    """
    outputs = check_kind(event.get("outputs") or [], list, below(at, "outputs"))
    for path, output in objects(outputs, below(at, "outputs")):
        facets = check_kind(output.get("facets") or {}, dict, f"{path}.facets")
        facet = check_kind(facets.get("columnLineage") or {}, dict, f"{path}.facets.columnLineage")
        if facet and facet.get("_deleted") is not True:
            yield from _edges_of(facet, _dataset(output, path), f"{path}.facets.columnLineage")


def _edges_of(facet: Mapping[str, object], sink: DatasetName, at: str) -> Iterator[ColumnEdge]:
    for column, lineage in take(facet, "fields", dict, at).items():
        path = below(f"{at}.fields", column)
        sources = take(check_kind(lineage, dict, path), "inputFields", list, path)
        for where, source in objects(sources, f"{path}.inputFields"):
            yield ColumnEdge(_dataset(source, where), take(source, "field", str, where), sink, column)


def _dataset(body: Mapping[str, object], at: str) -> DatasetName:
    return DatasetName(take(body, "namespace", str, at), take(body, "name", str, at))
