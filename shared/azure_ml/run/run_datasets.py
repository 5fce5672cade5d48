"""Finds which input or output of a run a data set is that OpenLineage names."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol, Self

from shared.model import Data, DataAsset, Datastore, Location, Port, Unresolved
from shared.places.datasets import DatasetName
from shared.places.platforms import from_openlineage, names_of, place_of
from shared.places.uris import AssetReference, DatastorePath, Reference, RunOutput, parse_reference


class Places(Protocol):
    """What knows where data of the workspace is stored."""

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
        return {dataset: self._find(to_uri(dataset), located, of_run) for dataset in dict.fromkeys(datasets)}

    def _find(self, uri: str, ports: Sequence["_LocatedPort"], of_run: Collection[str]) -> str | None:
        match parse_reference(uri):
            case RunOutput(self.run_id, output) if output in of_run:
                return output
            case AssetReference(asset) as reference if self.places.is_here(reference):
                same = (each.port.name for each in ports if asset == getattr(each.port.data, "id", None))
                return next(same, None)
            case DatastorePath(name) if name not in self._datastores():
                return None  # each unknown name would cost a request
        wanted = _names(self.places.locate(uri))
        for each in ports:
            if wanted & each.names or (isinstance(each.port.data, Unresolved) and each.port.data.text == uri):
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
    if "://" in dataset.name:
        return dataset.name
    if dataset.namespace.rstrip("/") in ("azureml", "azureml:"):
        is_label = isinstance(parse_reference(dataset.name), AssetReference)
        return dataset.name if is_label else f"azureml://{dataset.name.lstrip('/')}"
    location = from_openlineage(dataset)
    return location.url if location else dataset.label


def _names(location: Location | None) -> frozenset[str]:
    return names_of(location) if location else frozenset()


def _location(data: Data) -> Location | None:
    if isinstance(data, DataAsset):
        return data.location
    return data if isinstance(data, Location) else None
