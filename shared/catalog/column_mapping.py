"""What became of the columns of a run's inputs: as it declares, or inferred from schemas with equal column names."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from shared.catalog.assets import Matches, refs_of_data
from shared.catalog.entities import VALUE_LIMIT, Ref
from shared.catalog.qualified_names import QualifiedName
from shared.model import ColumnMapping, Data, DataAsset, Location, Port, Run, RunTree, WorkspaceId
from shared.places.matching import MatchKind, registered_from
from shared.places.platforms import place_of

Scanned = Mapping[QualifiedName, tuple[str, ...]]
"""The names of columns that the catalog has of scanned data."""
INFERRED = "inferred: "
"""How the source of a mapping starts that is not declared."""


@dataclass(frozen=True, slots=True)
class _Schema:
    """Names of columns, and where they come from."""

    columns: frozenset[str]
    source: str


def scanned_data(tree: RunTree, matches: Matches) -> tuple[QualifiedName, ...]:
    """Name the scanned data of a tree, the schemas of which the catalog may know and Azure ML does not."""
    return tuple(
        sorted(
            {
                match.ref.qualified_name
                for run in tree.runs
                for port in (*run.inputs, *run.outputs)
                if not _declares_schema(port.data)
                for location in _locations(port.data)
                if (match := matches[place_of(location).ref]).kind is not MatchKind.PLACEHOLDER
            }
        )
    )


def with_inferred(workspace: WorkspaceId, run: Run, matches: Matches, scanned: Scanned) -> Run:
    """
    Add a mapping for each input and output with columns of equal names, unless the run declares one for the two.

    Names are compared exactly: `ID` and `id` may be two columns. Inputs and outputs are compared by their entities in
    the catalog: data that a run reads through two ports is mapped once.
    """
    sources, sinks = _refs(workspace, run.inputs, matches), _refs(workspace, run.outputs, matches)
    mapped = {(sources.get(mapping.input), sinks.get(mapping.output)) for mapping in run.column_mappings}
    inferred = []
    for source in run.inputs:
        for sink in run.outputs:
            pair = (sources[source.name], sinks[sink.name])
            if pair not in mapped and (mapping := _infer(source, sink, matches, scanned)):
                mapped.add(pair)
                inferred.append(mapping)
    return replace(run, column_mappings=(*run.column_mappings, *inferred))


def column_mapping_attributes(workspace: WorkspaceId, run: Run, matches: Matches) -> tuple[dict[str, str], str]:
    """
    Format the mappings of a run in Purview's form, with the names its data has in the catalog.

    Returns:
        Attributes of its process, and a sentence saying what could not be mapped ("" if all could).
    """
    sources, sinks = _refs(workspace, run.inputs, matches), _refs(workspace, run.outputs, matches)
    return format_column_mappings(run.column_mappings, sources, sinks)


def format_column_mappings(
    mappings: tuple[ColumnMapping, ...], sources: Mapping[str, Sequence[Ref]], sinks: Mapping[str, Sequence[Ref]]
) -> tuple[dict[str, str], str]:
    """Format mappings in Purview's form, with what the catalog has for each input and output; returns as above."""
    problem = ""
    for mapping in mappings:
        if mapping.input not in sources or mapping.output not in sinks:
            return {}, f"The column mapping from {mapping.input} to {mapping.output} names no such input or output."
    text = _format(mappings, sources, sinks)
    declared = tuple(mapping for mapping in mappings if not mapping.source.startswith(INFERRED))
    if _is_too_long(text) and len(declared) < len(mappings):
        mappings, text = declared, _format(declared, sources, sinks)
        problem = "Inferred column mappings are left out: with them it is more than the catalog takes (32 KB)."
    if _is_too_long(text):
        return {}, "The column mapping is longer than the catalog takes (32 KB)."
    sources_of_mappings = "; ".join(dict.fromkeys(mapping.source for mapping in mappings))
    return {"columnMapping": text, "column_mapping_source": sources_of_mappings}, problem


def _format(
    mappings: Iterable[ColumnMapping], sources: Mapping[str, Sequence[Ref]], sinks: Mapping[str, Sequence[Ref]]
) -> str:
    formatted = [
        {
            "DatasetMapping": {
                "Source": source.qualified_name,
                "Sink": sink.qualified_name,
            },
            "ColumnMapping": [{"Source": column, "Sink": written} for column, written in mapping.columns],
        }
        for mapping in mappings
        for source in sources[mapping.input]
        for sink in sinks[mapping.output]
    ]
    return json.dumps(formatted, ensure_ascii=False) if formatted else ""


def _is_too_long(text: str) -> bool:
    return len(text.encode()) > VALUE_LIMIT


def _infer(source: Port, sink: Port, matches: Matches, scanned: Scanned) -> ColumnMapping | None:
    read, written = _schema_of(source.data, matches, scanned), _schema_of(sink.data, matches, scanned)
    if not read or not written or not (common := sorted(read.columns & written.columns)):
        return None
    why = f"{INFERRED}equal column names in {read.source} and {written.source}"
    return ColumnMapping(source.name, sink.name, tuple((name, name) for name in common), why)


def _schema_of(data: Data, matches: Matches, scanned: Scanned) -> _Schema | None:
    if isinstance(data, DataAsset) and data.columns:
        return _Schema(frozenset(column.name for column in data.columns), f"the schema of {data.id.label}")
    for location in _locations(data):
        name, *others = (ref.qualified_name for ref in matches[place_of(location).ref].refs)
        if not others and (columns := scanned.get(name)):  # of several resource sets, each has a schema of its own
            return _Schema(frozenset(columns), f"Purview's schema of {name}")
    return None


def _declares_schema(data: Data) -> bool:
    return isinstance(data, DataAsset) and bool(data.columns)


def _locations(data: Data) -> Iterator[Location]:
    """Yield the place that was looked up for some data, or for the path that it was registered from."""
    if isinstance(data, Location):
        yield data
    elif isinstance(data, DataAsset) and (location := registered_from(data)):
        yield location


def _refs(workspace: WorkspaceId, ports: Iterable[Port], matches: Matches) -> dict[str, tuple[Ref, ...]]:
    return {port.name: refs_of_data(workspace, port.data, matches) for port in ports}
