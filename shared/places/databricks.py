"""Databricks: tables of the Hive metastore and of Unity Catalog, jobs, notebooks."""

import re
from dataclasses import dataclass
from typing import ClassVar

from shared.catalog.kinds import (
    DATABRICKS_JOB,
    DATABRICKS_NOTEBOOK,
    DATABRICKS_NOTEBOOK_TASK,
    DATABRICKS_PROCESS,
    DATABRICKS_TABLE,
    DATABRICKS_WORKSPACE,
    HIVE_TABLE,
)
from shared.catalog.qualified_names import QualifiedName
from shared.model import Location
from shared.places.datasets import DatasetName
from shared.places.place import Place, Platform, Url, by_extension
from shared.places.sql import Database
from shared.redaction import redact_url

HIVE = "hive_metastore"
_WORKSPACE = r"[^/@]+\.(?:azuredatabricks|databricks\.azure)\.[a-z]+"
_HIVE_NAME = re.compile(rf"^(?P<database>[^./@:]+)\.(?P<table>[^/@]+)@(?P<host>{_WORKSPACE})$", re.IGNORECASE)
_OBJECTS = {
    (): DATABRICKS_WORKSPACE,
    ("jobs",): DATABRICKS_JOB,
    ("jobs", "tasks"): DATABRICKS_NOTEBOOK_TASK,
    ("jobs", "tasks", "processes"): DATABRICKS_PROCESS,
    ("notebooks",): DATABRICKS_NOTEBOOK,
}


@dataclass(frozen=True, slots=True)
class HiveMetastore(Platform):
    """A table of a workspace's own metastore: `{database}.{table}@{workspace host}`."""

    platform: str = "Databricks Hive metastore"

    def takes(self, url: Url) -> bool:
        if not url.scheme:
            return _HIVE_NAME.match(url.text) is not None
        in_hive = len(url.segments) == 3 and url.segments[0].lower() == HIVE
        return url.scheme == "databricks" and _is_workspace(url.hostname) and in_hive

    def names(self, url: Url) -> Place:
        match = _HIVE_NAME.match(url.text)
        database, table = match.group("database", "table") if match else url.segments[1:]
        host = match["host"].lower() if match else url.hostname
        names = dict.fromkeys((f"{database}.{table}@{host}", f"{database}.{table}".lower() + f"@{host}"))
        exact = zip(names, ("exact table", "exact table, in lower case"), strict=False)
        return self.place(url, next(iter(names)), types=(HIVE_TABLE,), exact=exact)

    def origin(self, url: Url) -> Location | None:
        match = _HIVE_NAME.match(url.text)
        if match is None:
            return None
        return Location(f"databricks://{match['host']}/{HIVE}/{match['database']}/{match['table']}")

    def to_openlineage(self, name: QualifiedName) -> DatasetName | None:
        match = re.fullmatch(r"([^./@:]+)\.([^/@:]+)@([^/@:]+)", name)
        return DatasetName(f"hive://{match[3]}", f"{match[1]}.{match[2]}") if match else None

    def from_openlineage(self, dataset: DatasetName) -> Location | None:
        host = dataset.source.partition(":")[0]
        if dataset.scheme != "hive" or not _is_workspace(host.lower()) or dataset.name.count(".") != 1:
            return None
        return by_extension(redact_url(f"databricks://{host}/{HIVE}/{dataset.name.replace('.', '/')}"))


@dataclass(frozen=True, slots=True)
class UnityCatalog(Database):
    """
    A table of Unity Catalog, for which two forms are known and neither is confirmed: both are tried.

    The first, `databricks://catalogs/{c}/schemas/{s}/tables/{t}`, can be made from any URL; the second,
    `databricks://{metastore}/{c}/{s}/{t}`, only from one that begins with the metastore.
    """

    platform: str = "Databricks Unity Catalog"
    schemes: ClassVar[tuple[str, ...]] = ("databricks", "unitycatalog", "spark")

    def takes(self, url: Url) -> bool:
        return url.scheme == "databricks" and _parts(url) is not None

    def names(self, url: Url) -> Place:
        catalog, schema, table = _parts(url) or ("", "", "")
        name = f"databricks://catalogs/{catalog}/schemas/{schema}/tables/{table}"
        exact = {name: "exact table by catalog, schema and table"}
        if url.host != "catalogs":
            exact[f"databricks://{url.host}/{catalog}/{schema}/{table}"] = "exact table by metastore"
        return self.place(url, name, types=(DATABRICKS_TABLE,), exact=exact.items())

    def from_openlineage(self, dataset: DatasetName) -> Location | None:
        """Go back; `spark` is a scheme of JDBC connections, and in OpenLineage the address of any Spark cluster."""
        return None if dataset.scheme == "spark" else Database.from_openlineage(self, dataset)

    def connect(self, connection: str) -> tuple[str, str] | None:
        """Read the host alone: what follows it is a default schema, which a table's name overrides."""
        connected = Database.connect(self, connection)
        return (re.sub(r":\d+$", "", connected[0]), "") if connected else None


@dataclass(frozen=True, slots=True)
class DatabricksWorkspace(Platform):
    """A workspace and what runs in it: `databricks://{workspace host}/jobs/{id}/tasks/{key}`, `…/notebooks/{path}`."""

    platform: str = "Databricks workspace"

    def takes(self, url: Url) -> bool:
        return url.scheme == "databricks" and _is_workspace(url.hostname)

    def names(self, url: Url) -> Place:
        name = "/".join((f"databricks://{url.hostname}", *url.segments))
        keys = ("notebooks",) if url.segments[:1] == ("notebooks",) else url.segments[::2]
        type_name = _OBJECTS.get(keys)
        if type_name is None:
            return self.place(url, name)
        return self.place(url, name, types=(type_name,), exact=((name, "exact object of the workspace"),))


def _is_workspace(host: str) -> bool:
    return re.fullmatch(_WORKSPACE, host) is not None


def _parts(url: Url) -> tuple[str, str, str] | None:
    """Read catalog, schema and table out of either form, or of a URL by the workspace."""
    match (url.host, *url.segments):
        case ("catalogs", catalog, "schemas", schema, "tables", table):
            return catalog, schema, table
        case (host, catalog, schema, table) if host != "catalogs" and catalog not in ("jobs", "notebooks"):
            return catalog, schema, table
    return None


DATABRICKS = (HiveMetastore(), UnityCatalog(), DatabricksWorkspace())
