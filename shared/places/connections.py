"""Reads JDBC connection URLs into the one form of a database's address; what they hold of users and keys is dropped."""

import re

from shared.model import Location

_SQL_SERVER = re.compile(
    r"^jdbc:sqlserver://(?P<host>[^\\:;/?]+)(?:\\(?P<instance>[^:;/?]+))?(?P<port>:\d+)?/?(?P<rest>;.*)?$",
    re.IGNORECASE,
)
_OTHER = re.compile(
    r"^jdbc:(?P<scheme>postgresql|mysql|databricks|spark)://(?P<host>[^:;/?@]+)(?P<port>:\d+)?/?(?P<database>[^;?/]*)",
    re.IGNORECASE,
)
_PARTS = re.compile(r"\[(?P<bracketed>[^\]]+)\]|\"(?P<quoted>[^\"]+)\"|`(?P<ticked>[^`]+)`|(?P<plain>[^.]+)")


def url_of_connection(text: str) -> str:
    """
    Spell the server and the database of a JDBC URL as one address; "" if it is of a kind nobody here knows.

    >>> url_of_connection("jdbc:sqlserver://srv.database.windows.net:1433;database=db;user=me;password=pw")
    'mssql://srv.database.windows.net:1433/db'
    >>> url_of_connection("jdbc:postgresql://host:5433/db?user=me&password=pw")
    'postgresql://host:5433/db'
    """
    if match := _SQL_SERVER.match(text):
        properties = _properties(match["rest"] or "")
        database = properties.get("databasename") or properties.get("database") or ""
        instance = match["instance"] or properties.get("instancename") or ""
        port = match["port"] or (f":{properties['portnumber']}" if properties.get("portnumber", "").isdecimal() else "")
        return "/".join(part for part in (f"mssql://{match['host']}{port}", instance, database) if part)
    if match := _OTHER.match(text):
        scheme = match["scheme"].lower()
        if scheme in (
            "databricks",
            "spark",
        ):  # what follows the host is a default schema, which a table's name overrides
            return f"databricks://{match['host']}"
        return "/".join(
            part for part in (f"{scheme}://{match['host']}{match['port'] or ''}", match["database"]) if part
        )
    return ""


def table_of_connection(text: str, table: str) -> Location | None:
    """
    Place a table that was read through a connection; a table's own database goes before that of the connection.

    >>> table_of_connection("jdbc:sqlserver://srv.database.windows.net;database=db", "[dbo].[Loan Data]").url
    'mssql://srv.database.windows.net/db/dbo/Loan Data'
    """
    url = url_of_connection(text)
    parts = [next(part for part in match.groups() if part) for match in _PARTS.finditer(table)]
    if not url or not parts:
        return None
    scheme, _, rest = url.partition("://")
    host, *path = rest.split("/")
    names_its_database = len(parts) == 3 or (len(parts) == 2 and scheme == "mysql")
    kept = path[:-1] if names_its_database else path
    return Location(f"{scheme}://{'/'.join((host, *kept, *parts))}")


def _properties(text: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.split(";"))
    return {key.strip().lower(): value.strip() for key, separator, value in pairs if separator}
