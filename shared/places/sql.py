"""Tables in databases: Azure SQL, SQL MI and SQL Server, Synapse, PostgreSQL, MySQL, Data Explorer."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

from shared.catalog.kinds import (
    AZURE_MYSQL_TABLE,
    AZURE_POSTGRESQL_TABLE,
    AZURE_SQL_DW_TABLE,
    AZURE_SQL_MI_TABLE,
    AZURE_SQL_TABLE,
    AZURE_SQL_VIEW,
    DATA_EXPLORER_TABLE,
    POSTGRESQL_TABLE,
    SQL_SERVER_TABLE,
    SYNAPSE_DEDICATED_TABLE,
    SYNAPSE_SERVERLESS_TABLE,
    SYNAPSE_SERVERLESS_VIEW,
)
from shared.catalog.qualified_names import QualifiedName
from shared.model import Location
from shared.places.datasets import DatasetName, join_table, split_table
from shared.places.place import Place, Platform, Url, by_extension
from shared.redaction import redact_url

_SERVER = re.compile(r"[^:]+://(?P<address>[^:;/?@]+(?::\d+)?)(?:/(?P<database>[^;?/]*))?(?:[;?/].*)?", re.DOTALL)
_SQL_SERVER = re.compile(
    r"[^:]+://(?P<host>[^\\:;/?]+)(?:\\(?P<instance>[^:;/?]+))?(?P<port>:\d+)?/?(?:;(?P<properties>.*))?", re.DOTALL
)
_AZURE_SQL = re.compile(r"[^/:.]+\.[^/:]*(?:database|sql\.azuresynapse)\.[^/:]+")
_POSTGRES_ON_AZURE = ".postgres.database."
_POSTGRES_SERVER = re.compile(r"postgresql://servers/([^/]+:\d+)/dbs/([^/]+)/schemas/([^/]+)/tables/([^/]+)")


@dataclass(frozen=True, slots=True)
class Database(Platform):
    """
    What is read through a connection to a database, and has tables whose names have parts.

    Attributes:
        schemes: of a connection in OpenLineage, and after `jdbc:`.
        parts: how many a table's name has, with that of its database.
    """

    schemes: ClassVar[tuple[str, ...]]
    parts: ClassVar[int] = 3

    def connect(self, connection: str) -> tuple[str, str] | None:
        """Read server (as a URL) and database out of a connection; what it holds of users and keys is dropped."""
        match = _SERVER.fullmatch(connection)
        return (f"{self.schemes[0]}://{match['address']}", match["database"] or "") if match else None

    def read(self, uri: Url) -> Location | None:
        if uri.text[:5].lower() != "jdbc:":
            return Platform.read(self, uri)
        connected = self._connect(uri.text[5:])
        return Location("/".join(filter(None, connected))) if connected else None

    def from_openlineage(self, dataset: DatasetName) -> Location | None:
        """Place a table; its own database goes before that of the connection."""
        if dataset.scheme not in self.schemes or not dataset.source:
            return None
        server, database = self._connect(dataset.namespace) or (f"{self.schemes[0]}://{dataset.source}", "")
        parts = split_table(dataset.name)
        path = (database, *parts) if database and len(parts) < self.parts else parts
        return by_extension(redact_url("/".join((server, *path))))

    def _connect(self, connection: str) -> tuple[str, str] | None:
        return self.connect(connection) if connection.partition("://")[0].lower() in self.schemes else None


@dataclass(frozen=True, slots=True)
class SqlServer(Database):
    """
    A kind of SQL Server: `mssql://{host}/{database}/{schema}/{table}`, the port only where it is part of the name.

    A name with fewer parts stands for less than a table and is looked up all the same. Connections and OpenLineage do
    not say which kind it is; the host does.

    Attributes:
        host: a pattern for the whole host name, in any cloud.
        depth: how many parts a table's name has after the host.
    """

    host: str
    types: tuple[str, ...]
    depth: int = 3
    keeps_port: bool = False
    schemes: ClassVar[tuple[str, ...]] = ("mssql", "sqlserver")

    def takes(self, url: Url) -> bool:
        return url.scheme.partition("+")[0] in self.schemes and re.match(self.host, url.hostname) is not None

    def names(self, url: Url) -> Place:
        root = f"mssql://{url.host if self.keeps_port else url.hostname}"
        return _table(self, url, root, self.types, self.depth)

    def origin(self, url: Url) -> Location | None:
        return _decode_spaces(url)

    def connect(self, connection: str) -> tuple[str, str] | None:
        match = _SQL_SERVER.fullmatch(connection)
        if match is None:
            return None
        pairs = (each.partition("=") for each in (match["properties"] or "").split(";"))
        properties = {key.strip().lower(): value.strip() for key, separator, value in pairs if separator}
        port = match["port"] or (f":{properties['portnumber']}" if properties.get("portnumber", "").isdecimal() else "")
        instance = match["instance"] or properties.get("instancename") or ""
        server = "/".join(filter(None, (f"mssql://{match['host']}{port}", instance)))
        return server, properties.get("databasename") or properties.get("database") or ""

    def to_openlineage(self, name: QualifiedName) -> DatasetName | None:
        host, *parts = name.removeprefix("mssql://").split("/")
        if not name.startswith("mssql://") or not _is_whole(parts, self.parts) or not _AZURE_SQL.fullmatch(host):
            return None
        return DatasetName(f"sqlserver://{host}:1433", join_table(parts))


@dataclass(frozen=True, slots=True)
class PostgreSql(Database):
    """PostgreSQL, which Purview names in two ways: as an Azure service, and as a server anywhere."""

    platform: str = "PostgreSQL"
    default_port: str = "5432"
    schemes: ClassVar[tuple[str, ...]] = ("postgresql", "postgres")

    def takes(self, url: Url) -> bool:
        return url.scheme.partition("+")[0] in self.schemes and bool(url.host)

    def names(self, url: Url) -> Place:
        url = _read_server(url)
        if _POSTGRES_ON_AZURE in url.hostname:
            return _table(self, url, f"postgresql://{url.hostname}", (AZURE_POSTGRESQL_TABLE,), 3)
        keys = ("dbs", "schemas", "tables")
        parts = [f"/{key}/{part}" for key, part in zip(keys, map(_plain, url.segments), strict=False)]
        name = f"postgresql://servers/{url.hostname}:{url.port or self.default_port}{''.join(parts)}"
        types = (POSTGRESQL_TABLE,) if len(parts) == 3 else ()
        return self.place(url, name, types=types, exact=((name, _what(len(parts), 3)),))

    def origin(self, url: Url) -> Location | None:
        url = _read_server(url)
        return _decode_spaces(replace(url, text="/".join((f"postgresql://{url.host}", *url.segments))))

    def to_openlineage(self, name: QualifiedName) -> DatasetName | None:
        if server := _POSTGRES_SERVER.fullmatch(name):
            return DatasetName(f"postgres://{server[1]}", join_table(server.groups()[1:]))
        host, *parts = name.removeprefix("postgresql://").split("/")
        on_azure = name.startswith("postgresql://") and _POSTGRES_ON_AZURE in host and ":" not in host
        if not on_azure or not _is_whole(parts, self.parts):
            return None
        return DatasetName(f"postgres://{host}:{self.default_port}", join_table(parts))


def _read_server(url: Url) -> Url:
    """Read the name of a server anywhere back into the URL that it was made from."""
    if url.host == "servers" and url.segments:
        return replace(url, host=url.segments[0].lower(), segments=url.segments[2::2])
    return url


@dataclass(frozen=True, slots=True)
class MySql(Database):
    """Azure Database for MySQL: `mysql://{host}/{database}/{table}`."""

    platform: str = "MySQL"
    schemes: ClassVar[tuple[str, ...]] = ("mysql",)
    parts: ClassVar[int] = 2

    def takes(self, url: Url) -> bool:
        return url.scheme.partition("+")[0] in self.schemes and ".mysql.database." in url.hostname

    def names(self, url: Url) -> Place:
        return _table(self, url, f"mysql://{url.hostname}", (AZURE_MYSQL_TABLE,), 2)

    def origin(self, url: Url) -> Location | None:
        return _decode_spaces(url)

    def to_openlineage(self, name: QualifiedName) -> DatasetName | None:
        host, *parts = name.removeprefix("mysql://").split("/")
        if not name.startswith("mysql://") or ":" in host or not _is_whole(parts, self.parts):
            return None
        return DatasetName(f"mysql://{host}:3306", join_table(parts))


@dataclass(frozen=True, slots=True)
class DataExplorer(Platform):
    """Azure Data Explorer: `https://{cluster}/{database}/{table}`."""

    platform: str = "Data Explorer"

    def takes(self, url: Url) -> bool:
        return url.scheme == "https" and ".kusto." in url.hostname

    def names(self, url: Url) -> Place:
        return _table(self, url, f"https://{url.hostname}", (DATA_EXPLORER_TABLE,), 2)

    def origin(self, url: Url) -> Location | None:
        return _decode_spaces(url)

    def to_openlineage(self, name: QualifiedName) -> DatasetName | None:
        match = re.fullmatch(r"https://([^/]+\.kusto\.[^/]+)/([^/]+/[^/]+)", name)
        return DatasetName(f"azurekusto://{match[1]}", match[2]) if match else None

    def from_openlineage(self, dataset: DatasetName) -> Location | None:
        if dataset.scheme != "azurekusto" or not dataset.source:
            return None
        return by_extension(redact_url(f"https://{dataset.source}/{dataset.name}"))


def _table(platform: Platform, url: Url, root: str, types: tuple[str, ...], depth: int) -> Place:
    parts = tuple(map(_plain, url.segments))
    return platform.place(
        url,
        "/".join((root, *parts)),
        types=types if len(parts) == depth else (),
        exact=_in_either_case(root, parts, _what(len(parts), depth)),
    )


def _in_either_case(root: str, parts: tuple[str, ...], rule: str) -> Iterator[tuple[str, str]]:
    """Yield the name as given, and in lower case: databases compare names without regard to it, Purview does not."""
    yield "/".join((root, *parts)), rule
    lower = tuple(part.replace("%20", " ").lower().replace(" ", "%20") for part in parts)
    if lower != parts:
        yield "/".join((root, *lower)), f"{rule}, in lower case"


def _what(count: int, depth: int) -> str:
    return "exact table" if count == depth else "exact name of less than a table"


def _is_whole(parts: list[str], depth: int) -> bool:
    return len(parts) == depth and all(parts)


def _plain(part: str) -> str:
    """
    Format a part of a SQL name as Purview does: without brackets, spaces within encoded.

    >>> _plain("[Loan Data]")
    'Loan%20Data'
    """
    return part.strip().removeprefix("[").removesuffix("]").strip().replace(" ", "%20")


def _decode_spaces(url: Url) -> Location:
    return Location(url.text.replace("%20", " "))


DATABASES = (
    SqlServer("Azure SQL", r"^[^.]+\.database\.(?!fabric\.)", (AZURE_SQL_TABLE, AZURE_SQL_VIEW, AZURE_SQL_DW_TABLE)),
    SqlServer("SQL Managed Instance", r"^[^.]+(?:\.public)?\.[^.]+\.database\.", (AZURE_SQL_MI_TABLE,)),
    SqlServer(
        "Synapse serverless SQL",
        r"^[^.]+-ondemand\.sql\.azuresynapse\.",
        (SYNAPSE_SERVERLESS_TABLE, SYNAPSE_SERVERLESS_VIEW),
    ),
    SqlServer(
        "Synapse dedicated SQL",
        r"^[^.]+\.sql\.azuresynapse\.",
        (SYNAPSE_DEDICATED_TABLE, AZURE_SQL_DW_TABLE),
    ),
    SqlServer("SQL Server", r".", (SQL_SERVER_TABLE,), depth=4, keeps_port=True),
    PostgreSql(),
    MySql(),
    DataExplorer(),
)
