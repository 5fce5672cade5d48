"""Names data as OpenLineage does, from its qualifiedName in the catalog, and goes back."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from shared.catalog.qualified_names import QualifiedName

NO_URI = "atlas"
"""The namespace of the few names in a catalog that are no URI."""
_OURS = re.compile(
    r"(azureml://subscriptions/[^/]+/resourcegroups/[^/]+/workspaces/[^/]+|azureml://registries/[^/]+)(.*)"
)
_STORAGE = re.compile(r"https://([^/@]+\.(dfs|blob)\.[^/@]+)/([^/@]+)(.*)", re.DOTALL)
_SCHEMES = {"dfs": "abfss", "blob": "wasbs"}
_BACK = re.compile(r"(?:abfss|wasbs)://([^/@]+)@([^/@]+)")
_SQL_HOST = re.compile(r"[^/:.]+\.[^/:]*(?:database|sql\.azuresynapse)\.[^/:]+")
_SQL_PORT, _POSTGRES_PORT, _MYSQL_PORT = 1433, 5432, 3306
_ON_AZURE = ".postgres.database."
_POSTGRES_SERVER = re.compile(r"postgresql://servers/([^/]+:\d+)/dbs/([^/]+)/schemas/([^/]+)/tables/([^/]+)")
_KUSTO = re.compile(r"https://([^/]+\.kusto\.[^/]+)/([^/]+/[^/]+)")
_HIVE = re.compile(r"([^./@:]+)\.([^/@:]+)@([^/@:]+)")
_URI = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*://[^/]*)(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True, order=True)
class Named:
    """A dataset as OpenLineage names it: its data source, and its name there."""

    namespace: str
    name: str


def to_dataset_name(qualified_name: QualifiedName) -> Named:
    """
    Name an entity of the catalog as the naming conventions of OpenLineage have it; no two share a name.

    Where those say nothing, the namespace is scheme and authority and the name the path, as they ask for in general.
    Spec: https://openlineage.io/docs/spec/naming

    >>> to_dataset_name(QualifiedName("https://lake.dfs.core.windows.net/fs/raw/loan.csv"))
    Named(namespace='abfss://fs@lake.dfs.core.windows.net', name='raw/loan.csv')
    >>> to_dataset_name(QualifiedName("mssql://sql.database.windows.net/credit/dbo/loan"))
    Named(namespace='sqlserver://sql.database.windows.net:1433', name='credit.dbo.loan')
    """
    for rule in (_ours, _storage, _sql, _postgres, _mysql, _kusto, _hive):
        if named := rule(qualified_name):
            return named
    if uri := _URI.fullmatch(qualified_name):
        return Named(uri[1], _name(uri[2]))
    return Named(NO_URI, qualified_name)


def to_qualified_name(named: Named) -> QualifiedName:
    """
    Go back to the name in the catalog.

    >>> to_qualified_name(Named("wasbs://data@acct.blob.core.windows.net", "scores/part-0.csv"))
    'https://acct.blob.core.windows.net/data/scores/part-0.csv'
    """
    scheme, _, authority = named.namespace.partition("://")
    host, colon, _ = authority.rpartition(":")
    parts = split_table(named.name) if colon else []
    if storage := _BACK.fullmatch(named.namespace):
        return QualifiedName(f"https://{storage[2]}/{storage[1]}{_path(named.name)}")
    if scheme == "sqlserver" and len(parts) == 3:
        return QualifiedName("/".join((f"mssql://{host}", *parts)))
    if scheme == "postgres" and len(parts) == 3:
        if _ON_AZURE in host:
            return QualifiedName("/".join((f"postgresql://{host}", *parts)))
        database, schema, table = parts
        return QualifiedName(f"postgresql://servers/{authority}/dbs/{database}/schemas/{schema}/tables/{table}")
    if scheme == "mysql" and len(parts) == 2:
        return QualifiedName("/".join((f"mysql://{host}", *parts)))
    if scheme == "azurekusto":
        return QualifiedName(f"https://{authority}/{named.name}")
    if scheme == "hive":
        return QualifiedName(f"{named.name}@{authority}")
    if named.namespace == NO_URI:
        return QualifiedName(named.name)
    return QualifiedName(named.namespace + _path(named.name))


def _ours(name: str) -> Named | None:
    match = _OURS.fullmatch(name)
    return Named(match[1], _name(match[2])) if match else None


def _storage(name: str) -> Named | None:
    match = _STORAGE.fullmatch(name)
    # As the clients of the standard spell what Spark says: the object's key, without a slash before it.
    return Named(f"{_SCHEMES[match[2]]}://{match[3]}@{match[1]}", _name(match[4])) if match else None


def _sql(name: str) -> Named | None:
    host, *parts = name.removeprefix("mssql://").split("/")
    if not name.startswith("mssql://") or len(parts) != 3 or not all(parts) or not _SQL_HOST.fullmatch(host):
        return None
    return Named(f"sqlserver://{host}:{_SQL_PORT}", _join(parts))


def _postgres(name: str) -> Named | None:
    if server := _POSTGRES_SERVER.fullmatch(name):
        return Named(f"postgres://{server[1]}", _join(server.groups()[1:]))
    host, *parts = name.removeprefix("postgresql://").split("/")
    if not name.startswith("postgresql://") or len(parts) != 3 or not all(parts) or _ON_AZURE not in host:
        return None
    return Named(f"postgres://{host}:{_POSTGRES_PORT}", _join(parts)) if ":" not in host else None


def _mysql(name: str) -> Named | None:
    host, *parts = name.removeprefix("mysql://").split("/")
    if not name.startswith("mysql://") or len(parts) != 2 or not all(parts) or ":" in host:
        return None
    return Named(f"mysql://{host}:{_MYSQL_PORT}", _join(parts))


def _kusto(name: str) -> Named | None:
    match = _KUSTO.fullmatch(name)
    return Named(f"azurekusto://{match[1]}", match[2]) if match else None


def _hive(name: str) -> Named | None:
    match = _HIVE.fullmatch(name)
    return Named(f"hive://{match[3]}", f"{match[1]}.{match[2]}") if match else None


def _name(rest: str) -> str:
    """Spell what follows the authority: no slash before it, and never empty."""
    if rest == "":
        return "/"
    return rest[1:] if re.match(r"/[^/]", rest) else f"/{rest}"


def _path(name: str) -> str:
    if name == "/":
        return ""
    return name[1:] if name.startswith("//") else f"/{name}"


def _join(parts: Sequence[str]) -> str:
    r"""
    Join the parts of a table's name; a dot or a backslash within one is escaped.

    >>> print(_join(["credit", "dbo", "loan.2026"]))
    credit.dbo.loan\.2026
    """
    return ".".join(part.replace("\\", "\\\\").replace(".", "\\.") for part in parts)


def split_table(name: str) -> list[str]:
    r"""
    Take the name of a table apart at its dots, but for those that are escaped.

    >>> split_table(r"credit.dbo.loan\.2026")
    ['credit', 'dbo', 'loan.2026']
    """
    return [re.sub(r"\\(.)", r"\1", part) for part in re.findall(r"(?:\\.|[^.\\])+", name)]
