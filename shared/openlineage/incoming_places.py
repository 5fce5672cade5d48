"""Tells how to look up in the catalog what OpenLineage calls some data."""

import re
from collections.abc import Callable

from shared.catalog import qualified_names
from shared.catalog.entities import Ref
from shared.catalog.kinds import OTHER_DATA
from shared.catalog.qualified_names import QualifiedName
from shared.model import Location
from shared.openlineage.columns import Dataset
from shared.openlineage.outgoing_names import split_table
from shared.places.matching import Place, place_of
from shared.places.storage import SPARK_PARTITIONS
from shared.redaction import redact_url

_STORAGE = re.compile(r"(?:abfss?|wasbs?)://(?P<container>[^@/]+)@(?P<host>[^/]+)", re.IGNORECASE)
_ADDRESS = re.compile(r"(?P<scheme>[a-z][a-z0-9+.-]*)://(?P<authority>[^/]+)(?P<rest>/.*)?", re.IGNORECASE)
_DATABRICKS = re.compile(r"[^/@:]+\.(?:azuredatabricks|databricks\.azure)\.[a-z]+", re.IGNORECASE)
_LOCAL = frozenset({"file", "dbfs"})
"""Schemes of places that mean something on one machine or in one workspace only."""


def place_of_dataset(dataset: Dataset, job_namespace: str) -> Place:
    """
    Tell how to look up a data set. What nobody could place is kept under the namespace of the job that spoke of it.

    Spec: https://openlineage.io/docs/spec/naming

    >>> place_of_dataset(Dataset("abfss://fs@acct.dfs.core.windows.net", "/raw/a.csv"), "ns").ref.qualified_name
    'https://acct.dfs.core.windows.net/fs/raw/a.csv'
    >>> place_of_dataset(Dataset("sqlserver://sql.database.windows.net:1433", "credit.dbo.loan"), "").ref.qualified_name
    'mssql://sql.database.windows.net/credit/dbo/loan'
    >>> place_of_dataset(Dataset("file", "/tmp/a.csv"), "synapse").ref.qualified_name
    'openlineage://synapse/unresolved/file/tmp/a.csv'
    """
    if dataset.namespace.lower().startswith("azureml://"):
        name = QualifiedName(dataset.label)
        return Place(
            Ref(OTHER_DATA, name),
            exact=(name,),
            rules={name: "an asset of Azure ML, by its name"},
            unfound="placeholder: no lineage of Azure ML has this name",
        )
    location = locate(dataset)
    if location is None:
        return Place(
            Ref(OTHER_DATA, qualified_names.of_unresolved_dataset(job_namespace, dataset.label)),
            unfound="placeholder: the name means something where the job ran only",
        )
    return place_of(location)


def locate(dataset: Dataset) -> Location | None:
    """Tell where a data set lies; None where that is an asset of Azure ML, or means something on one machine only."""
    url = None if dataset.namespace.lower().startswith("azureml://") else _to_url(dataset)
    if url is None:
        return None
    if url.endswith(f"/{SPARK_PARTITIONS}"):  # as we tell of one ourselves; its folder leads to it again
        return Location(url.removesuffix(f"/{SPARK_PARTITIONS}"), is_folder=True)
    return Location(url, is_folder="." not in url.rstrip("/").rpartition("/")[2])


def _to_url(dataset: Dataset) -> str | None:
    if storage := _STORAGE.fullmatch(dataset.namespace.rstrip("/")):
        return redact_url(f"https://{storage['host']}/{storage['container']}/{dataset.name.lstrip('/')}")
    address = _ADDRESS.fullmatch(dataset.namespace)
    if address is None or address["scheme"].lower() in _LOCAL:
        return None
    scheme, authority = address["scheme"].lower(), address["authority"] + (address["rest"] or "").rstrip("/")
    to_url = _URLS.get(scheme)
    return redact_url(to_url(authority, dataset.name) if to_url else _plain(scheme, authority, dataset.name))


def _table(scheme: str) -> Callable[[str, str], str]:
    def to_url(authority: str, name: str) -> str:
        return f"{scheme}://{authority}/{'/'.join(split_table(name))}"

    return to_url


def _sql_server(authority: str, name: str) -> str:
    """The instance's port is no part of the name that Purview has; what an old listener sends is `;database=` too."""
    host, _, options = authority.partition(";")
    database = next((each[9:] for each in options.split(";") if each.lower().startswith("database=")), "")
    parts = split_table(name)
    path = [database, *parts] if database and len(parts) < 3 else parts
    return f"mssql://{host}/{'/'.join(path)}"


def _hive(authority: str, name: str) -> str:
    host = authority.partition(":")[0]
    if _DATABRICKS.fullmatch(host) and name.count(".") == 1:
        return f"databricks://{host}/hive_metastore/{name.replace('.', '/')}"
    return _plain("hive", authority, name)


def _kusto(authority: str, name: str) -> str:
    return f"https://{authority}/{name}"


def _plain(scheme: str, authority: str, name: str) -> str:
    return f"{scheme}://{authority}/{name.lstrip('/')}"


_URLS: dict[str, Callable[[str, str], str]] = {
    "sqlserver": _sql_server,
    "mssql": _sql_server,
    "postgres": _table("postgres"),
    "postgresql": _table("postgres"),
    "mysql": _table("mysql"),
    "databricks": _table("databricks"),
    "unitycatalog": _table("databricks"),
    "hive": _hive,
    "azurekusto": _kusto,
}
