"""JDBC connection URLs: the database is read, and nothing of whom it was opened by."""

import pytest

from shared.places.connections import table_of_connection, url_of_connection
from shared.places.uris import Opaque, Url, parse_reference

SQL = "jdbc:sqlserver://srv.database.windows.net:1433"


@pytest.mark.parametrize(
    "text",
    [
        f"{SQL};database=db;user=me;password=s3cret",
        f"{SQL};user=me;password=s3cret;databaseName=db;encrypt=true",
        "jdbc:sqlserver://srv.database.windows.net;portNumber=1433;DATABASE=db;accessToken=s3cret",
    ],
)
def test_user_and_password_of_a_connection_are_not_read(text: str) -> None:
    """The address of the data is the server and the database."""
    assert parse_reference(text) == Url("mssql://srv.database.windows.net:1433/db")


@pytest.mark.parametrize("text", ["jdbc:oracle:thin:@host:1521:db", "jdbc:", "mssql://host/db"])
def test_connection_of_an_unknown_kind_has_no_address(text: str) -> None:
    """Nothing is guessed."""
    assert url_of_connection(text) == ""
    assert table_of_connection(text, "t") is None


def test_unknown_connection_is_opaque() -> None:
    """It names a place that nobody here can read."""
    assert parse_reference("jdbc:oracle:thin:@host") == Opaque("jdbc:oracle:thin:@host")


@pytest.mark.parametrize(
    ("table", "path"),
    [
        ("dbo.loan", "db/dbo/loan"),
        ("[dbo].[loan.v1]", "db/dbo/loan.v1"),
        ('"dbo"."loan"', "db/dbo/loan"),
        ("other.dbo.loan", "other/dbo/loan"),
        ("loan", "db/loan"),
    ],
)
def test_table_lies_in_the_connections_database_unless_it_names_its_own(table: str, path: str) -> None:
    """Quoted names keep their dots; a schema that is not given is not guessed."""
    location = table_of_connection(f"{SQL};database=db", table)
    assert location is not None
    assert location.url == f"mssql://srv.database.windows.net:1433/{path}"


def test_connection_without_a_table_is_no_table() -> None:
    """Which one was read is not known."""
    assert table_of_connection(f"{SQL};database=db", "") is None
