"""Names of tables in databases: Azure SQL, SQL MI and SQL Server, Synapse, PostgreSQL, MySQL, Data Explorer."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

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
from shared.places.address import Address
from shared.places.names import Candidate, Names


@dataclass(frozen=True, slots=True)
class SqlServer:
    """
    A kind of SQL Server: `mssql://{host}/{database}/{schema}/{table}`, the port only where it is part of the name.

    A name with fewer parts stands for less than a table and is looked up all the same.

    Attributes:
        host: a pattern for the whole host name, in any cloud.
        depth: how many parts a table's name has after the host.
    """

    platform: str
    host: str
    types: tuple[str, ...]
    depth: int = 3
    keeps_port: bool = False

    def takes(self, address: Address) -> bool:
        is_sql = address.scheme.partition("+")[0] in ("mssql", "sqlserver")
        return is_sql and re.match(self.host, address.hostname) is not None

    def name(self, address: Address) -> Names:
        host = address.host if self.keeps_port else address.hostname
        return _names(self.platform, f"mssql://{host}", address, self.types, self.depth)

    def origin(self, address: Address) -> Location | None:
        return Location(_decode_spaces(address.text))


@dataclass(frozen=True, slots=True)
class PostgreSql:
    """PostgreSQL, which Purview names in two ways: as an Azure service, and as a server anywhere."""

    platform: str = "PostgreSQL"
    default_port: str = "5432"

    def takes(self, address: Address) -> bool:
        return address.scheme.partition("+")[0] in ("postgresql", "postgres") and bool(address.host)

    def name(self, address: Address) -> Names:
        address = self._read(address)
        if ".postgres.database." in address.hostname:
            root = f"postgresql://{address.hostname}"
            return _names(self.platform, root, address, (AZURE_POSTGRESQL_TABLE,))
        keys = ("dbs", "schemas", "tables")
        parts = [f"/{key}/{part}" for key, part in zip(keys, map(_plain, address.segments), strict=False)]
        host = f"postgresql://servers/{address.hostname}:{address.port or self.default_port}"
        name = QualifiedName(host + "".join(parts))
        return Names(
            self.platform,
            name,
            scanned_types=(POSTGRESQL_TABLE,) if len(parts) == 3 else (),
            exact=(Candidate(name, _what(len(parts), 3)),),
            note=address.note,
        )

    def origin(self, address: Address) -> Location | None:
        read = self._read(address)
        return Location(_decode_spaces("/".join((f"postgresql://{read.host}", *read.segments))))

    def _read(self, address: Address) -> Address:
        """Read the second form back into the address it was made from."""
        segments = address.segments
        if address.host == "servers" and segments:
            return Address(address.text, address.scheme, segments[0].lower(), segments[2::2], glob=address.glob)
        return address


@dataclass(frozen=True, slots=True)
class MySql:
    """Azure Database for MySQL: `mysql://{host}/{database}/{table}`."""

    platform: str = "MySQL"

    def takes(self, address: Address) -> bool:
        return address.scheme.partition("+")[0] == "mysql" and ".mysql.database." in address.hostname

    def name(self, address: Address) -> Names:
        return _names(self.platform, f"mysql://{address.hostname}", address, (AZURE_MYSQL_TABLE,), 2)

    def origin(self, address: Address) -> Location | None:
        return Location(_decode_spaces(address.text))


@dataclass(frozen=True, slots=True)
class DataExplorer:
    """Azure Data Explorer: `https://{cluster}/{database}/{table}`."""

    platform: str = "Data Explorer"

    def takes(self, address: Address) -> bool:
        return address.scheme == "https" and ".kusto." in address.hostname

    def name(self, address: Address) -> Names:
        types = (DATA_EXPLORER_TABLE,)
        return _names(self.platform, f"https://{address.hostname}", address, types, 2)

    def origin(self, address: Address) -> Location | None:
        return Location(_decode_spaces(address.text))


def _names(platform: str, root: str, address: Address, types: tuple[str, ...], depth: int = 3) -> Names:
    parts = tuple(map(_plain, address.segments))
    return Names(
        platform,
        QualifiedName("/".join((root, *parts))),
        scanned_types=types if len(parts) == depth else (),
        exact=tuple(_in_either_case(root, parts, _what(len(parts), depth))),
        note=address.note,
    )


def _in_either_case(root: str, parts: tuple[str, ...], rule: str) -> Iterator[Candidate]:
    """Yield the name as given, and in lower case: databases compare names without regard to it, Purview does not."""
    yield Candidate(QualifiedName("/".join((root, *parts))), rule)
    lower = tuple(part.replace("%20", " ").lower().replace(" ", "%20") for part in parts)
    if lower != parts:
        yield Candidate(QualifiedName("/".join((root, *lower))), f"{rule}, in lower case")


def _what(count: int, depth: int) -> str:
    return "exact table" if count == depth else "exact name of less than a table"


def _plain(part: str) -> str:
    """
    Spell a part of a SQL name as Purview does: without brackets, spaces within encoded.

    >>> _plain("[Loan Data]")
    'Loan%20Data'
    """
    return part.strip().removeprefix("[").removesuffix("]").strip().replace(" ", "%20")


def _decode_spaces(name: str) -> str:
    return name.replace("%20", " ")


SQL_RULES = (
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
