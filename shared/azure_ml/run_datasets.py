"""Tells which input or output of a run a data set is that OpenLineage names."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from shared.azure_ml.openlineage import Dataset
from shared.azure_ml.uris import AssetReference, Reference, RunOutput, parse_reference
from shared.lineage.naming.table import names_of
from shared.model import Data, DataAsset, Location, ModelVersion, Port, Unresolved

_SQL = re.compile(r"(?P<scheme>mssql|sqlserver|postgres|postgresql|mysql)://", re.IGNORECASE)
_UNESCAPED_DOT = re.compile(r"(?<!\\)\.")


class Places(Protocol):
    """What knows where data of the workspace lies."""

    def locate(self, uri: str, *, data_type: str = "") -> Location | None: ...

    def is_here(self, reference: Reference) -> bool: ...


@dataclass(frozen=True, slots=True)
class RunDatasets:
    """The inputs and outputs of a run, to be found by the names that OpenLineage has for data."""

    run_id: str
    inputs: Sequence[Port]
    outputs: Sequence[Port]
    places: Places

    def find_input(self, dataset: Dataset) -> str | None:
        """Return the name of the input that a data set is, or lies in; None if the run does not read it."""
        return self._find(dataset, self.inputs)

    def find_output(self, dataset: Dataset) -> str | None:
        """Return the name of the output that a data set is, or lies in; None if the run does not write it."""
        uri = to_uri(dataset)
        reference = parse_reference(uri)
        if isinstance(reference, RunOutput) and reference.run_id == self.run_id:
            return next((port.name for port in self.outputs if port.name == reference.output), None)
        return self._find(dataset, self.outputs)

    def _find(self, dataset: Dataset, ports: Sequence[Port]) -> str | None:
        uri = to_uri(dataset)
        reference = parse_reference(uri)
        if isinstance(reference, AssetReference):
            return next((port.name for port in ports if self._is_asset(port.data, reference, uri)), None)
        wanted = frozenset(_names(self.places.locate(uri)))
        named = [(port, _location(port.data)) for port in ports]
        for port, location in named:
            if wanted & frozenset(_names(location)) or _is_text(port.data, uri):
                return port.name
        around = [
            (len(folder), port.name)
            for port, location in named
            if location and names_of(location).is_folder
            for folder in _names(location)
            if any(name.startswith(f"{folder}/") for name in wanted)
        ]
        return max(around, key=lambda found: found[0])[1] if around else None

    def _is_asset(self, data: Data, reference: AssetReference, uri: str) -> bool:
        if isinstance(data, DataAsset | ModelVersion):
            return data.id == reference.asset and self.places.is_here(reference)
        return _is_text(data, uri)


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


def _is_text(data: Data, uri: str) -> bool:
    return isinstance(data, Unresolved) and data.text == uri
