"""Microsoft Fabric: OneLake files and tables, lakehouses, warehouses, and Power BI."""

import re
from dataclasses import dataclass, replace
from typing import ClassVar

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
from shared.clouds import POWER_BI_HOSTS
from shared.model import Location
from shared.places.place import Place, Platform, Url, decode_braces

_ONELAKE = re.compile(r"(?:[a-z0-9-]+-)?onelake\.(?:dfs|blob)\.fabric\.microsoft\.com")
_GLOBAL = re.compile(r"^(msit-)?(?:[a-z0-9-]+-)?onelake\.(?:dfs|blob)(?=\.)")
"""A region has a host of its own beside the one for all, and so has the Blob API (Connecting to Microsoft OneLake)."""
_APP = "app.fabric.microsoft.com"
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
class OneLake(Platform):
    """
    A file or a table by its OneLake path.

    Purview names a table by the ids of workspace and item, so a path by their display names leads to no such name.
    How it names files is not established: the path itself is tried.
    """

    platform: str = "Fabric OneLake"
    has_files: ClassVar[bool] = True

    def takes(self, url: Url) -> bool:
        return url.scheme == "https" and _ONELAKE.fullmatch(url.host) is not None

    def names(self, url: Url) -> Place:
        url = replace(url, host=_GLOBAL.sub(r"\1onelake.dfs", url.host))
        if found := _tables(url):
            types = (
                _TYPES_IN_APP["warehouses/schemas/tables" if "/warehouses/" in name else "lakehouses/tables"]
                for name, _ in found
            )
            return self.place(url, found[0][0], types=tuple(types), exact=found)
        name = f"https://{url.host}" + (f"/{url.path}" if url.path else "")
        rule = f"exact {'folder' if url.is_folder else 'file'} by its OneLake path"
        return self.place(
            url,
            name,
            types=(FABRIC_LAKEHOUSE_PATH,),
            is_folder=url.is_folder,
            root=(url.host, 3),  # workspace, item, and its folder Files
            exact=((name, rule), (f"{name}/", f"{rule} with trailing slash")),
        )

    def origin(self, url: Url) -> Location | None:
        name = decode_braces(url.text)
        return Location(name.removesuffix("/"), is_folder=name.endswith("/"))


@dataclass(frozen=True, slots=True)
class FabricItem(Platform):
    """An item of a Fabric workspace, or a table in it, by the URL that Purview names it by."""

    platform: str = "Fabric"

    def takes(self, url: Url) -> bool:
        return url.scheme == "https" and url.host == _APP and url.segments[:1] == ("groups",)

    def names(self, url: Url) -> Place:
        name = "/".join((f"https://{_APP}", *url.segments))
        type_name = _TYPES_IN_APP.get("/".join(url.segments[2::2]))
        is_whole = len(url.segments) % 2 == 0
        return self.place(
            url, name, types=(type_name,) if type_name and is_whole else (), exact=((name, "exact item"),)
        )

    def origin(self, url: Url) -> Location | None:
        match url.segments:
            case ("groups", workspace, "lakehouses", item, "tables", table):
                path = table.replace(_TABLE_BREAK, "/")
                return Location(f"https://onelake.dfs.fabric.microsoft.com/{workspace}/{item}/Tables/{path}", True)
        return Location(url.text)


@dataclass(frozen=True, slots=True)
class PowerBi(Platform):
    """Something in a Power BI workspace, by its URL; what follows the id is a page of it, not another thing."""

    platform: str = "Power BI"

    def takes(self, url: Url) -> bool:
        match (url.host, *url.segments):
            case (host, "groups", _, kind, _, *_):
                return url.scheme == "https" and host in POWER_BI_HOSTS and kind in _TYPES_IN_POWER_BI
        return False

    def names(self, url: Url) -> Place:
        name = "/".join((f"https://{url.host}", *url.segments[:4]))
        kind = _TYPES_IN_POWER_BI[url.segments[2]]
        return self.place(
            url,
            name,
            types=(kind,),
            # A process of the scanner's is never ours to write: it would lose the inputs it has.
            stands_alone=kind_of(kind).role is not Role.PROCESS,
            exact=((name, f"exact {kind_of(kind).word}"),),
        )


def _tables(url: Url) -> tuple[tuple[str, str], ...]:
    """List the names of the table that a OneLake path leads to or into, and why; none if it leads to no table."""
    match url.segments:
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
    names = [(f"{root}/lakehouses/{item}/tables/{name}", f"{where} of a lakehouse")]
    if schema:
        warehouse = f"{root}/warehouses/{item}/schemas/{schema}/tables/{table}"
        names.append((warehouse, f"{where} of a warehouse"))
    return tuple(reversed(names)) if kind.lower() == "warehouse" else tuple(names)


def _split(path: list[str]) -> tuple[str, str, bool]:
    """
    Return schema, table, and whether the path leads into it: a file has an extension, a log a leading underscore.

    >>> _split(["dbo", "loan"]), _split(["loan", "part-0.parquet"]), _split(["dbo", "loan", "_delta_log"])
    (('dbo', 'loan', False), ('', 'loan', True), ('dbo', 'loan', True))
    """
    end = next(
        (index for index, part in enumerate(path) if index and ("." in part or "=" in part or part[0] == "_")),
        min(len(path), 2),
    )
    names = path[: min(end, 2)]
    return (names[0] if len(names) == 2 else ""), names[-1], len(path) > len(names)


FABRIC = (OneLake(), FabricItem(), PowerBi())
