"""Reads which columns became which out of OpenLineage events (facet columnLineage of their outputs)."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from shared.validation import below, check_kind, objects, take

_MEMBERS = frozenset({"eventType", "eventTime", "schemaURL", "producer", "run", "job", "inputs", "outputs"})
"""Members of an event, none of which our own form has."""


@dataclass(frozen=True, slots=True, order=True)
class Dataset:
    """Data as OpenLineage names it: a data source, and its name there."""

    namespace: str
    name: str

    @property
    def label(self) -> str:
        return f"{self.namespace.rstrip('/')}/{self.name.lstrip('/')}"


@dataclass(frozen=True, slots=True)
class ColumnEdge:
    """A column of a data set that a column of another was made from."""

    source: Dataset
    field: str
    sink: Dataset
    column: str


def is_event(item: Mapping[str, object]) -> bool:
    return not _MEMBERS.isdisjoint(item)


def list_column_edges(event: Mapping[str, object], at: str = "") -> Iterator[ColumnEdge]:
    """
    Yield what the facets of an event say, column by column.

    What influences a whole data set (`dataset` of the facet) maps no column, and how a column was made
    (`transformations`) is not asked. A facet that takes an earlier one back (`_deleted`) says nothing.

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


def _edges_of(facet: Mapping[str, object], sink: Dataset, at: str) -> Iterator[ColumnEdge]:
    for column, lineage in take(facet, "fields", dict, at).items():
        path = below(f"{at}.fields", column)
        sources = take(check_kind(lineage, dict, path), "inputFields", list, path)
        for where, source in objects(sources, f"{path}.inputFields"):
            yield ColumnEdge(_dataset(source, where), take(source, "field", str, where), sink, column)


def _dataset(body: Mapping[str, object], at: str) -> Dataset:
    return Dataset(take(body, "namespace", str, at), take(body, "name", str, at))
