"""Names of what Databricks holds: tables of the Hive metastore and of Unity Catalog, jobs, notebooks."""

import re
from dataclasses import dataclass

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
from shared.places.address import Address
from shared.places.names import Candidate, Names

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
class HiveMetastore:
    """A table of a workspace's own metastore: `{database}.{table}@{workspace host}`."""

    platform: str = "Databricks Hive metastore"

    def takes(self, address: Address) -> bool:
        if not address.scheme:
            return _HIVE_NAME.match(address.text) is not None
        in_hive = len(address.segments) == 3 and address.segments[0].lower() == HIVE
        return address.scheme == "databricks" and _is_workspace(address.hostname) and in_hive

    def name(self, address: Address) -> Names:
        match = _HIVE_NAME.match(address.text)
        database, table = match.group("database", "table") if match else address.segments[1:]
        host = match["host"].lower() if match else address.hostname
        names = dict.fromkeys((f"{database}.{table}@{host}", f"{database}.{table}".lower() + f"@{host}"))
        rules = ("exact table", "exact table, in lower case")
        return Names(
            self.platform,
            QualifiedName(next(iter(names))),
            scanned_types=(HIVE_TABLE,),
            exact=tuple(Candidate(QualifiedName(name), rule) for name, rule in zip(names, rules, strict=False)),
            note=address.note,
        )

    def origin(self, address: Address) -> Location | None:
        match = _HIVE_NAME.match(address.text)
        if match is None:
            return None
        return Location(f"databricks://{match['host']}/{HIVE}/{match['database']}/{match['table']}")


@dataclass(frozen=True, slots=True)
class UnityCatalog:
    """
    A table of Unity Catalog, for which two forms are known and neither is confirmed: both are tried.

    The first, `databricks://catalogs/{c}/schemas/{s}/tables/{t}`, can be made from any address; the second,
    `databricks://{metastore}/{c}/{s}/{t}`, only from one that begins with the metastore.
    """

    platform: str = "Databricks Unity Catalog"

    def takes(self, address: Address) -> bool:
        return address.scheme == "databricks" and (_parts(address) is not None)

    def name(self, address: Address) -> Names:
        catalog, schema, table = _parts(address) or ("", "", "")
        name = f"databricks://catalogs/{catalog}/schemas/{schema}/tables/{table}"
        exact = [Candidate(QualifiedName(name), "exact table by catalog, schema and table")]
        if address.host != "catalogs":
            by_metastore = QualifiedName(f"databricks://{address.host}/{catalog}/{schema}/{table}")
            exact.append(Candidate(by_metastore, "exact table by metastore"))
        return Names(
            self.platform,
            exact[0].name,
            scanned_types=(DATABRICKS_TABLE,),
            exact=tuple(exact),
            note=address.note,
        )

    def origin(self, address: Address) -> Location | None:
        return Location(address.text)


@dataclass(frozen=True, slots=True)
class DatabricksWorkspace:
    """A workspace and what runs in it: `databricks://{workspace host}/jobs/{id}/tasks/{key}`, `…/notebooks/{path}`."""

    platform: str = "Databricks workspace"

    def takes(self, address: Address) -> bool:
        return address.scheme == "databricks" and _is_workspace(address.hostname)

    def name(self, address: Address) -> Names:
        name = QualifiedName("/".join((f"databricks://{address.hostname}", *address.segments)))
        keys = ("notebooks",) if address.segments[:1] == ("notebooks",) else address.segments[::2]
        type_name = _OBJECTS.get(keys)
        return Names(
            self.platform,
            name,
            scanned_types=(type_name,) if type_name else (),
            exact=(Candidate(name, "exact object of the workspace"),) if type_name else (),
            note=address.note,
        )

    def origin(self, address: Address) -> Location | None:
        return Location(address.text)


def _is_workspace(host: str) -> bool:
    return re.fullmatch(_WORKSPACE, host) is not None


def _parts(address: Address) -> tuple[str, str, str] | None:
    """Read catalog, schema and table out of either form, or of an address by the workspace."""
    match (address.host, *address.segments):
        case ("catalogs", catalog, "schemas", schema, "tables", table):
            return catalog, schema, table
        case (host, catalog, schema, table) if host != "catalogs" and catalog not in ("jobs", "notebooks"):
            return catalog, schema, table
    return None


DATABRICKS_RULES = (HiveMetastore(), UnityCatalog(), DatabricksWorkspace())
