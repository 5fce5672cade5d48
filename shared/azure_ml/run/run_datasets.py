"""Tells which input or output of a run a data set is that OpenLineage names."""

import re
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, Self

from shared.model import Data, DataAsset, Datastore, Location, Port, Unresolved
from shared.openlineage.columns import Dataset
from shared.places.table import names_of
from shared.places.uris import AssetReference, DatastorePath, Reference, RunOutput, parse_reference

_SQL = re.compile(r"(?P<scheme>mssql|sqlserver|postgres|postgresql|mysql)://", re.IGNORECASE)
_UNESCAPED_DOT = re.compile(r"(?<!\\)\.")


class Places(Protocol):
    """What knows where data of the workspace lies."""

    def datastores(self) -> Mapping[str, Datastore]: ...

    def locate(self, uri: str, *, data_type: str = "") -> Location | None: ...

    def is_here(self, reference: Reference) -> bool: ...


@dataclass(frozen=True, slots=True)
class RunDatasets:
    """The inputs and outputs of a run, to be found by the names that OpenLineage has for data."""

    run_id: str
    inputs: Sequence[Port]
    outputs: Sequence[Port]
    places: Places

    def find_inputs(self, datasets: Iterable[Dataset]) -> dict[Dataset, str | None]:
        """Return which input each data set is, or lies in; None if the run does not read it."""
        return self._find_all(datasets, self.inputs)

    def find_outputs(self, datasets: Iterable[Dataset]) -> dict[Dataset, str | None]:
        """Return which output each data set is, or lies in; None if the run does not write it."""
        return self._find_all(datasets, self.outputs, of_run={port.name for port in self.outputs})

    def _find_all(
        self, datasets: Iterable[Dataset], ports: Sequence[Port], of_run: Collection[str] = ()
    ) -> dict[Dataset, str | None]:
        places = [_Place.of(port) for port in ports]
        return {dataset: self._find(to_uri(dataset), places, of_run) for dataset in dict.fromkeys(datasets)}

    def _find(self, uri: str, places: Sequence["_Place"], of_run: Collection[str]) -> str | None:
        match parse_reference(uri):
            case RunOutput(self.run_id, output) if output in of_run:
                return output
            case AssetReference(asset) as reference if self.places.is_here(reference):
                same = (place.port.name for place in places if asset == getattr(place.port.data, "id", None))
                return next(same, None)
            case DatastorePath(name) if name not in self._datastores():
                return None  # each name that nobody knows would cost a request to learn that
        wanted = frozenset(_names(self.places.locate(uri)))
        for place in places:
            if wanted & place.names or (isinstance(place.port.data, Unresolved) and place.port.data.text == uri):
                return place.port.name
        around = [(len(folder), place.port.name) for place in places for folder in place.folders_around(wanted)]
        return max(around, key=lambda found: found[0])[1] if around else None

    def _datastores(self) -> Collection[str]:
        located = (_location(port.data) for port in (*self.inputs, *self.outputs))
        own = {location.datastore.name for location in located if location and location.datastore}
        return own | self.places.datastores().keys()


@dataclass(frozen=True, slots=True)
class _Place:
    """Where the data of an input or output lies, under every name."""

    port: Port
    names: frozenset[str]
    is_folder: bool

    @classmethod
    def of(cls, port: Port) -> Self:
        location = _location(port.data)
        is_folder = location is not None and names_of(location).is_folder
        return cls(port, frozenset(_names(location)), is_folder)

    def folders_around(self, wanted: Iterable[str]) -> Iterator[str]:
        """Yield those of its names that something of one of the given names lies below."""
        if self.is_folder:
            for name in self.names:
                if any(each.startswith(f"{name}/") for each in wanted):
                    yield name


def to_uri(dataset: Dataset) -> str:
    r"""
    Join namespace and name to a URI, in the form that Azure ML has for it.

    >>> to_uri(Dataset("abfss://fs@acct.dfs.core.windows.net", "/raw/loan.csv"))
    'abfss://fs@acct.dfs.core.windows.net/raw/loan.csv'
    >>> to_uri(Dataset("sqlserver://s.database.windows.net:1433", r"db.dbo.loan\.2024"))
    'mssql://s.database.windows.net:1433/db/dbo/loan.2024'
    >>> to_uri(Dataset("azureml", "churn:3")), to_uri(Dataset("azureml", "datastores/lake/paths/raw"))
    ('churn:3', 'azureml://datastores/lake/paths/raw')
    """
    namespace, name = dataset.namespace.rstrip("/"), dataset.name
    if "://" in name:
        return name
    if namespace in ("azureml", "azureml:"):
        is_label = isinstance(parse_reference(name), AssetReference)
        return name if is_label else f"azureml://{name.lstrip('/')}"
    if sql := _SQL.match(namespace):
        scheme = "mssql" if sql["scheme"].lower() == "sqlserver" else sql["scheme"].lower()
        parts = [part.replace("\\.", ".") for part in _UNESCAPED_DOT.split(name)]
        return f"{scheme}://{namespace[sql.end() :]}/{'/'.join(parts)}"
    return f"{namespace}/{name.lstrip('/')}"


def _names(location: Location | None) -> Iterator[str]:
    """Yield every name that a catalog may have for the very place; whether it is a folder, not everybody knows."""
    if location:
        for each in (location, replace(location, is_folder=True)):
            names = names_of(each)
            for name in (names.qualified_name, *(candidate.name for candidate in names.exact)):
                yield name.rstrip("/")


def _location(data: Data) -> Location | None:
    if isinstance(data, DataAsset):
        return data.location
    return data if isinstance(data, Location) else None
