"""Reads what tags declare of columns: the schema of a data asset, and the column mappings of a run or of its file."""

import json
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

from shared.azure_ml.run.inputs_outputs import WorkspacePlaces
from shared.errors import AccessDeniedError, RecordNotFoundError, RequestRefusedError, UnreadableAnswerError
from shared.model import Column, ColumnMapping, Data, DataAsset, Location, Port, Unresolved
from shared.places.datasets import DatasetName, list_column_edges
from shared.places.platforms import from_openlineage, names_of, place_of
from shared.places.uris import AssetReference, DatastorePath, RunOutput, parse_reference
from shared.redaction import redact_text
from shared.validation import Shape, checked

SCHEMA_TAG = "lineage.schema"
"""A tag of a data asset that declares its columns, in order. JSON: `[{"name": "loanAmount", "type": "double"}]`"""
MOST_COLUMNS = 1_000
"""Columns that are recorded; each is an entity of the catalog."""
COLUMN_MAPPING_TAG = "lineage.column_mapping"
"""
A tag in which a run declares what became of its columns: an OpenLineage event, or JSON of our own:
`[{"input": "loan", "output": "prepared_data", "columns": {"loanAmount": "amount"}}]`
"""
COLUMN_MAPPING_ARTIFACT_TAG = "lineage.column_mapping_artifact"
"""A tag that names a file which the run logged, with the same in it: `lineage/column_mapping.json`, say."""
_OWN: Shape = {"columns!": {"*!": str}, "input!": str, "output!": str}
_NAMED_IN_NOTE = 5
"""Unresolved data sets that a note names; a Spark job may have touched hundreds."""
_LONGEST_NOTE = 500


_OF_AN_EVENT = frozenset({"eventType", "eventTime", "schemaURL", "producer", "run", "job", "inputs", "outputs"})
"""Members of an OpenLineage event, none of which our own form has."""


@dataclass(frozen=True, slots=True)
class Declared:
    """What a run declares about its columns; `notes` say what of it could not be used, and why."""

    mappings: tuple[ColumnMapping, ...] = ()
    notes: str = ""


def read_declared(tags: Mapping[str, object], datasets: "RunDatasets", read_file: Callable[[str], bytes]) -> Declared:
    """
    Read what a run declares; costs one request if it names a file, otherwise none.

    What cannot be read does not fail the run: nothing of it is mapped, and the notes, which its author sees, say
    why. A 403 is treated likewise: an identity may read the run but not its files.

    Args:
        read_file: reads a file of the run by its path.

    Raises:
        ServiceUnavailableError: the file cannot be read just now.
    """
    found = []
    if text := tags.get(COLUMN_MAPPING_TAG):
        found.append(parse_column_mappings(str(text), f"tag {COLUMN_MAPPING_TAG}", datasets))
    if path := str(tags.get(COLUMN_MAPPING_ARTIFACT_TAG) or "").strip("/ "):
        found.append(_parse_file(path, datasets, read_file))
    mappings = dict.fromkeys(mapping for each in found for mapping in each.mappings)
    return Declared(tuple(mappings), " ".join(each.notes for each in found if each.notes))


def parse_column_mappings(text: str, where: str, datasets: "RunDatasets") -> Declared:
    """
    Read mappings out of JSON or JSON lines, each item in our form or in OpenLineage's.

    Args:
        where: the tag or file that holds the text, for people.
    """
    try:
        items = list(_items(text))
        own = [_parse_own(item, at, where) for at, item in items if not _is_event(item)]
        edges = [edge for at, item in items if _is_event(item) for edge in list_column_edges(item, at)]
    except (ValueError, RecursionError) as error:
        return Declared(notes=_unreadable(where, str(error)))
    inputs = datasets.find_inputs(edge.source for edge in edges)
    outputs = datasets.find_outputs(edge.sink for edge in edges)
    columns: dict[tuple[str, str], set[tuple[str, str]]] = {}
    for edge in edges:
        if (source := inputs[edge.source]) and (sink := outputs[edge.sink]):
            columns.setdefault((source, sink), set()).add((redact_text(edge.field), redact_text(edge.column)))
    unresolved = {dataset for found in (inputs, outputs) for dataset, name in found.items() if name is None}
    translated = (
        ColumnMapping(source, sink, tuple(sorted(pairs)), source=f"declared: OpenLineage in {where}")
        for (source, sink), pairs in sorted(columns.items())
    )
    silent = bool(items) and not own and not edges
    notes = [
        f"The OpenLineage events in {where} say nothing of columns." if silent else "",
        _note_on(unresolved, where) if unresolved else "",
    ]
    return Declared((*own, *translated), " ".join(filter(None, notes)))


def _items(text: str) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield what the text holds, each with its path: an event, a list of events or mappings, or one in each line."""
    lines = [(number, line) for number, line in enumerate(text.splitlines(), start=1) if line.strip()]
    try:
        read = json.loads(text)
    except ValueError:
        if len(lines) < 2 or not _is_object(lines[0][1]):
            raise
        for number, line in lines:
            at = f"line {number}"
            try:
                yield at, checked(json.loads(line), dict, at)
            except json.JSONDecodeError as error:
                raise ValueError(f"{at}: {error}") from error
        return
    if isinstance(read, dict) and _is_event(read):
        yield "", read
        return
    for index, item in enumerate(checked(read, [dict])):
        yield f"[{index}]", item


def _is_object(line: str) -> bool:
    try:
        return isinstance(json.loads(line), dict)
    except ValueError:
        return False


def _parse_own(item: Mapping[str, Any], at: str, where: str) -> ColumnMapping:
    checked(item, _OWN, at)
    pairs = {(redact_text(source), redact_text(sink)) for source, sink in item["columns"].items()}
    source = f"declared: {where}"
    return ColumnMapping(redact_text(item["input"]), redact_text(item["output"]), tuple(sorted(pairs)), source)


def _parse_file(path: str, datasets: "RunDatasets", read_file: Callable[[str], bytes]) -> Declared:
    where = f"artifact {redact_text(path)}"
    if ".." in re.split(r"[/\\]", path):
        return Declared(notes=_unreadable(where, "the path leads out of the run's files"))
    try:
        text = read_file(path).decode("utf-8-sig")
    except UnicodeDecodeError:
        return Declared(notes=_unreadable(where, "is not text in UTF-8"))
    except (RecordNotFoundError, RequestRefusedError, AccessDeniedError, UnreadableAnswerError) as error:
        return Declared(notes=_unreadable(where, str(error)))
    return parse_column_mappings(text, where, datasets)


def _unreadable(where: str, why: str) -> str:
    return f"The column mapping in {where} cannot be read: {redact_text(why)[:_LONGEST_NOTE].rstrip('.')}."


def _note_on(unresolved: Iterable[DatasetName], where: str) -> str:
    """Name data of which columns are declared, but which the run neither reads nor writes as far as Azure ML knows."""
    names = sorted({redact_text(dataset.label) for dataset in unresolved})
    more = f" and {len(names) - _NAMED_IN_NOTE} more" if len(names) > _NAMED_IN_NOTE else ""
    named = ", ".join(name[:_LONGEST_NOTE] for name in names[:_NAMED_IN_NOTE])
    return f"Columns are not mapped for data that is no such input or output of the run ({where}): {named}{more}."


def parse_schema(tags: Mapping[str, object]) -> tuple[tuple[Column, ...], str]:
    """
    Read the schema tag of a data asset.

    Returns:
        The columns, and a sentence saying what is wrong with the tag ("" if nothing is). A bad tag does not fail the
        run: the asset has no schema, and the sentence goes to its notes, which its author sees.

    >>> parse_schema({"lineage.schema": '[{"name": "loanAmount", "type": "double"}]'})
    ((Column(name='loanAmount', data_type='double'),), '')
    >>> parse_schema({"lineage.schema": '[{"type": "double"}]'})[1]
    'Tag lineage.schema cannot be read: [0].name: is missing.'
    """
    text = tags.get(SCHEMA_TAG)
    if not text:
        return (), ""
    try:
        items = checked(json.loads(str(text)), [dict])
        columns = tuple(_parse_column(item, f"[{index}]") for index, item in enumerate(items))
        _check_together(columns)
    except (ValueError, RecursionError) as error:
        return (), f"Tag {SCHEMA_TAG} cannot be read: {redact_text(str(error)).rstrip('.')}."
    return columns, ""


def _parse_column(item: Mapping[str, Any], at: str) -> Column:
    checked(item, {"name!": str, "type!" if "type" in item else "type": str}, at)
    if not item["name"]:
        raise ValueError(f"{at}.name: is empty")
    return Column(redact_text(item["name"]), redact_text(item.get("type", "")))


def _check_together(columns: tuple[Column, ...]) -> None:
    if len(columns) > MOST_COLUMNS:
        raise ValueError(f"it has {len(columns)} columns, more than {MOST_COLUMNS}")
    seen: set[str] = set()
    for number, column in enumerate(columns):
        if column.name in seen:
            raise ValueError(f"[{number}].name: is a column that was named before")
        seen.add(column.name)


@dataclass(frozen=True, slots=True)
class RunDatasets:
    """The inputs and outputs of a run, to be found by the names that OpenLineage has for data."""

    run_id: str
    inputs: Sequence[Port]
    outputs: Sequence[Port]
    places: WorkspacePlaces

    def find_inputs(self, datasets: Iterable[DatasetName]) -> dict[DatasetName, str | None]:
        """Return which input each data set is, or is stored in; None if the run does not read it."""
        return self._find_all(datasets, self.inputs)

    def find_outputs(self, datasets: Iterable[DatasetName]) -> dict[DatasetName, str | None]:
        """Return which output each data set is, or is stored in; None if the run does not write it."""
        return self._find_all(datasets, self.outputs, of_run={port.name for port in self.outputs})

    def _find_all(
        self, datasets: Iterable[DatasetName], ports: Sequence[Port], of_run: Collection[str] = ()
    ) -> dict[DatasetName, str | None]:
        located = [_LocatedPort.of(port) for port in ports]
        return {dataset: self._find(dataset, located, of_run) for dataset in dict.fromkeys(datasets)}

    def _find(self, dataset: DatasetName, ports: Sequence["_LocatedPort"], of_run: Collection[str]) -> str | None:
        uri, location = to_uri(dataset), None if _is_of_azure_ml(dataset) else from_openlineage(dataset)
        match None if location else parse_reference(uri):
            case RunOutput(self.run_id, output) if output in of_run:
                return output
            case AssetReference(asset) as reference if self.places.is_here(reference):
                same = (each.port.name for each in ports if asset == getattr(each.port.data, "id", None))
                return next(same, None)
            case DatastorePath(name) if name not in self._datastores():
                return None  # each unknown name would cost a request
        wanted, texts = _names(location or self.places.locate(uri)), {uri, dataset.label}
        for each in ports:
            if wanted & each.names or (isinstance(each.port.data, Unresolved) and each.port.data.text in texts):
                return each.port.name
        around = [(len(folder), each.port.name) for each in ports for folder in each.folders_around(wanted)]
        return max(around, key=lambda found: found[0])[1] if around else None

    def _datastores(self) -> Collection[str]:
        located = (_location(port.data) for port in (*self.inputs, *self.outputs))
        own = {location.datastore.name for location in located if location and location.datastore}
        return own | self.places.datastores().keys()


@dataclass(frozen=True, slots=True)
class _LocatedPort:
    """An input or output, and every name that a catalog may have for where its data is stored."""

    port: Port
    names: frozenset[str]
    is_folder: bool

    @classmethod
    def of(cls, port: Port) -> Self:
        location = _location(port.data)
        return cls(port, _names(location), is_folder=location is not None and place_of(location).is_folder)

    def folders_around(self, wanted: Iterable[str]) -> Iterator[str]:
        """Yield those of its names that something of one of the given names is stored below."""
        if self.is_folder:
            for name in self.names:
                if any(each.startswith(f"{name}/") for each in wanted):
                    yield name


def to_uri(dataset: DatasetName) -> str:
    r"""
    Join namespace and name to a URI, in the form that Azure ML has for it.

    >>> to_uri(DatasetName("sqlserver://s.database.windows.net:1433", r"db.dbo.loan\.2024"))
    'mssql://s.database.windows.net:1433/db/dbo/loan.2024'
    >>> to_uri(DatasetName("azureml", "churn:3")), to_uri(DatasetName("azureml", "datastores/lake/paths/raw"))
    ('churn:3', 'azureml://datastores/lake/paths/raw')
    """
    if _is_of_azure_ml(dataset):
        if "://" in dataset.name:
            return dataset.name
        is_label = isinstance(parse_reference(dataset.name), AssetReference)
        return dataset.name if is_label else f"azureml://{dataset.name.lstrip('/')}"
    location = from_openlineage(dataset)
    return location.url if location else dataset.label


def _is_of_azure_ml(dataset: DatasetName) -> bool:
    """Whether the name is a whole URI, or one that Azure ML has for it: neither follows OpenLineage's conventions."""
    return "://" in dataset.name or dataset.namespace.rstrip("/") in ("azureml", "azureml:")


def _names(location: Location | None) -> frozenset[str]:
    return names_of(location) if location else frozenset()


def _location(data: Data) -> Location | None:
    if isinstance(data, DataAsset):
        return data.location
    return data if isinstance(data, Location) else None


def _is_event(item: Mapping[str, object]) -> bool:
    return not _OF_AN_EVENT.isdisjoint(item)
