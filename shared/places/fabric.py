"""Names of what Microsoft Fabric holds: OneLake files and tables, lakehouses, warehouses, and Power BI."""

import re
from dataclasses import dataclass

from shared.catalog.kinds import (
    FABRIC_LAKE_WAREHOUSE,
    FABRIC_LAKEHOUSE,
    FABRIC_LAKEHOUSE_PATH,
    FABRIC_LAKEHOUSE_TABLE,
    FABRIC_WAREHOUSE,
    FABRIC_WAREHOUSE_SCHEMA,
    FABRIC_WAREHOUSE_TABLE,
    POWER_BI_DASHBOARD,
    POWER_BI_DATAFLOW,
    POWER_BI_DATASET,
    POWER_BI_DATASET_PROCESS,
    POWER_BI_REPORT,
    Role,
    kind_of,
)
from shared.catalog.qualified_names import QualifiedName
from shared.model import Location
from shared.places.address import Address
from shared.places.names import Candidate, Names

_ONELAKE = re.compile(r"(?:[a-z0-9-]+-)?onelake\.(?:dfs|blob)\.fabric\.microsoft\.com")
_APP = "app.fabric.microsoft.com"
_POWER_BI = "app.powerbi.com"
_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_TYPES_IN_APP = {
    "lakehouses": FABRIC_LAKEHOUSE,
    "lakewarehouses": FABRIC_LAKE_WAREHOUSE,
    "lakehouses/tables": FABRIC_LAKEHOUSE_TABLE,
    "warehouses": FABRIC_WAREHOUSE,
    "warehouses/schemas": FABRIC_WAREHOUSE_SCHEMA,
    "warehouses/schemas/tables": FABRIC_WAREHOUSE_TABLE,
}
_TYPES_IN_POWER_BI = {
    "datasets": POWER_BI_DATASET,
    "reports": POWER_BI_REPORT,
    "dashboards": POWER_BI_DASHBOARD,
    "dataflows": POWER_BI_DATAFLOW,
    "datasetprocesses": POWER_BI_DATASET_PROCESS,
}
_TABLE_BREAK = "%252F"
"""What stands between schema and table of a lakehouse: a slash, encoded twice."""


@dataclass(frozen=True, slots=True)
class OneLake:
    """
    A file or a table by its OneLake path.

    Purview names a table by the ids of workspace and item, so a path by their display names leads to no such name.
    How it names files is not established: the path itself is tried.
    """

    platform: str = "Fabric OneLake"

    def takes(self, address: Address) -> bool:
        return address.scheme == "https" and _ONELAKE.fullmatch(address.host) is not None

    def name(self, address: Address) -> Names:
        found = _tables(address)
        if found:
            return Names(
                self.platform,
                found[0].name,
                scanned_types=tuple(
                    FABRIC_WAREHOUSE_TABLE if "/warehouses/" in candidate.name else FABRIC_LAKEHOUSE_TABLE
                    for candidate in found
                ),
                exact=found,
                note=address.note,
            )
        name = QualifiedName(f"https://{address.host}" + (f"/{address.path}" if address.path else ""))
        kind = "folder" if address.is_folder else "file"
        return Names(
            self.platform,
            name,
            scanned_types=(FABRIC_LAKEHOUSE_PATH,),
            is_folder=address.is_folder,
            exact=(
                Candidate(name, f"exact {kind} by its OneLake path"),
                Candidate(QualifiedName(f"{name}/"), f"exact {kind} by its OneLake path with trailing slash"),
            ),
            note=address.note,
        )

    def origin(self, address: Address) -> Location | None:
        name = address.text.replace("%7B", "{").replace("%7D", "}")
        return Location(name.removesuffix("/"), is_folder=name.endswith("/"))


@dataclass(frozen=True, slots=True)
class FabricItem:
    """An item of a Fabric workspace, or a table in it, by the URL that Purview names it by."""

    platform: str = "Fabric"

    def takes(self, address: Address) -> bool:
        return address.scheme == "https" and address.host == _APP and address.segments[:1] == ("groups",)

    def name(self, address: Address) -> Names:
        name = QualifiedName("/".join((f"https://{_APP}", *address.segments)))
        type_name = _TYPES_IN_APP.get("/".join(address.segments[2::2]))
        is_whole = len(address.segments) % 2 == 0
        return Names(
            self.platform,
            name,
            scanned_types=(type_name,) if type_name and is_whole else (),
            exact=(Candidate(name, "exact item"),),
            note=address.note,
        )

    def origin(self, address: Address) -> Location | None:
        match address.segments:
            case ("groups", workspace, "lakehouses", item, "tables", table):
                path = table.replace(_TABLE_BREAK, "/")
                return Location(f"https://onelake.dfs.fabric.microsoft.com/{workspace}/{item}/Tables/{path}", True)
        return Location(address.text)


@dataclass(frozen=True, slots=True)
class PowerBi:
    """Something in a Power BI workspace, by its URL; what follows the id is a page of it, not another thing."""

    platform: str = "Power BI"

    def takes(self, address: Address) -> bool:
        match (address.host, *address.segments):
            case (host, "groups", _, kind, _, *_):
                return address.scheme == "https" and host == _POWER_BI and kind in _TYPES_IN_POWER_BI
        return False

    def name(self, address: Address) -> Names:
        name = QualifiedName("/".join((f"https://{_POWER_BI}", *address.segments[:4])))
        kind = _TYPES_IN_POWER_BI[address.segments[2]]
        return Names(
            self.platform,
            name,
            scanned_types=(kind,),
            # A process of the scanner's is never ours to write: it would lose the inputs it has.
            stands_alone=kind_of(kind).role is not Role.PROCESS,
            exact=(Candidate(name, f"exact {kind_of(kind).word}"),),
            note=address.note,
        )

    def origin(self, address: Address) -> Location | None:
        return Location(address.text)


def _tables(address: Address) -> tuple[Candidate, ...]:
    """List the names of the table that a OneLake path leads to or into; none if it leads to no table."""
    match address.segments:
        case (workspace, item, folder, *rest) if folder.lower() == "tables" and rest:
            item, _, kind = item.partition(".")
            if not (_GUID.fullmatch(workspace) and _GUID.fullmatch(item)):
                return ()
        case _:
            return ()
    schema, table, into = _split(rest)
    where = "table that the path leads into" if into else "exact table"
    root = f"https://{_APP}/groups/{workspace}"
    name = f"{schema}{_TABLE_BREAK}{table}" if schema else table
    candidates = [Candidate(QualifiedName(f"{root}/lakehouses/{item}/tables/{name}"), f"{where} of a lakehouse")]
    if schema:
        warehouse = QualifiedName(f"{root}/warehouses/{item}/schemas/{schema}/tables/{table}")
        candidates.append(Candidate(warehouse, f"{where} of a warehouse"))
    return tuple(reversed(candidates)) if kind.lower() == "warehouse" else tuple(candidates)


def _split(path: list[str]) -> tuple[str, str, bool]:
    """
    Tell schema and table from what lies in the table's folder: a file has an extension, a log a leading underscore.

    >>> _split(["dbo", "loan"]), _split(["loan", "part-0.parquet"]), _split(["dbo", "loan", "_delta_log"])
    (('dbo', 'loan', False), ('', 'loan', True), ('dbo', 'loan', True))
    """
    end = next(
        (index for index, part in enumerate(path) if index and ("." in part or "=" in part or part[0] == "_")),
        min(len(path), 2),
    )
    names = path[: min(end, 2)]
    return (names[0] if len(names) == 2 else ""), names[-1], len(path) > len(names)


FABRIC_RULES = (OneLake(), FabricItem(), PowerBi())
