"""JDBC connection URLs: the database is read, and nothing of whom it was opened by."""

import pytest

from shared.model import Location
from shared.places.datasets import DatasetName
from shared.places.platforms import from_openlineage, read
from shared.places.uris import Opaque, parse_reference

SQL = "jdbc:sqlserver://srv.database.windows.net:1433"
SOURCE = "sqlserver://srv.database.windows.net:1433"
"""The same as a data source of OpenLineage."""


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
    assert parse_reference(text) == Location("mssql://srv.database.windows.net:1433/db")


@pytest.mark.parametrize(
    "text", ["jdbc:oracle:thin:@host:1521:db", "jdbc:", "jdbc:postgresql://user:s3cret@host/db", "jdbc:mysql://u@host"]
)
def test_connection_of_an_unknown_form_has_no_place(text: str) -> None:
    """Nothing is guessed."""
    assert read(text) is None


def test_unknown_connection_is_opaque() -> None:
    """It names a place that cannot be read."""
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
    location = from_openlineage(DatasetName(f"{SOURCE};database=db", table))
    assert location is not None
    assert location.url == f"mssql://srv.database.windows.net:1433/{path}"
