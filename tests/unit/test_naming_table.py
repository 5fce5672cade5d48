"""The table of names: URI → Purview type, qualifiedName, candidates in order, and back; each row with its sources."""

import re
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any, cast

import pytest

from shared.azure_ml.run.data_references import DataReader
from shared.azure_ml.services.workspace_api import WorkspaceRecord
from shared.cache import Cache
from shared.catalog import qualified_names
from shared.catalog.kinds import OTHER_DATA
from shared.catalog.qualified_names import QualifiedName
from shared.model import Datastore, Location
from shared.places.datasets import DatasetName
from shared.places.platforms import PLATFORMS, from_openlineage, origin, place_of
from shared.places.uris import AssetReference, parse_reference
from tests.references.naming_table import Row, read_rows, read_sources
from tests.unit.examples import WORKSPACE, WORKSPACE_ID
from tests.worlds.golden_case import GRADES

GUID = "11111111-1111-1111-1111-111111111111"
STORES = {
    "lake": Datastore("lake", "AzureDataLakeGen2", "contosolake", "fs", endpoint="core.windows.net"),
    "blob": Datastore("blob", "AzureBlob", "stexample", "c", endpoint="core.windows.net"),
    "hns": Datastore("hns", "AzureBlob", "contosolake", "raw", endpoint="core.windows.net"),
    "files": Datastore("files", "AzureFile", "stexample", "share", endpoint="core.windows.net"),
    "gen1": Datastore("gen1", "AzureDataLakeGen1", "olake"),
    "china": Datastore("china", "AzureBlob", "stchina", "c", endpoint="core.chinacloudapi.cn"),
    "gov": Datastore("gov", "AzureDataLakeGen2", "lakegov", "fs", endpoint="core.usgovcloudapi.net"),
    "onelake": Datastore("onelake", "OneLake", GUID, GUID, endpoint="onelake.dfs.fabric.microsoft.com"),
    "hdfs": Datastore("hdfs", "Hdfs"),
    "workspaceartifactstore": Datastore("workspaceartifactstore", "AzureBlob", "stexample", "azureml"),
}
"""Datastores of the workspace; `hns` leads to an account that `lake` shows to be hierarchical."""

# Candidates of the name at hand, in order, and resource sets: what the words of the table stand for.
BOTH = "with and without slash, then both on the other host"
BARE = "alone, then on the other host"
SLASH = "with and without slash"
AS_IS = "alone"
LOWER = "alone, then in lower case"
PARTS = "part files on both hosts"
OWN_PARTS = "part files"


ROWS = read_rows()
OWN = [row for row in ROWS if row.group == "own"]
NO_PLACE = [row for row in ROWS if row.group == "no_place"]
PLACES = [row for row in ROWS if row not in [*OWN, *NO_PLACE]]


def each(rows: list[Row]) -> pytest.MarkDecorator:
    return pytest.mark.parametrize("row", rows, ids=[f"{number} {row.uri[:60]}" for number, row in enumerate(rows)])


def reader() -> DataReader:
    """Read the URIs of a workspace with the datastores above."""
    record = WorkspaceRecord(WORKSPACE, GUID, "https://x", hierarchical_accounts=frozenset())
    cache = Cache(size=9, seconds=9, clock=lambda: 0)
    return DataReader(record, cast(Any, None), cast(Any, _Assets()), cast(Any, None), cache, cache)


class _Assets(SimpleNamespace):
    def list_datastores(self) -> Mapping[str, Datastore]:
        return STORES

    def get_datastore(self, name: str) -> Datastore:
        return Datastore(name, kind="")


def place(uri: str) -> Location | None:
    connection, separator, table = uri.partition(" | ")
    if not separator:
        return reader().locate(uri)
    return from_openlineage(DatasetName(connection.removeprefix("jdbc:"), table))  # a connection is its data source


def other_host(name: str) -> str:
    scheme, _, rest = name.partition("://")
    host, slash, path = rest.partition("/")
    swapped = host.replace(".dfs.", ".blob.") if ".dfs." in host else host.replace(".blob.", ".dfs.")
    return f"{scheme}://{swapped}{slash}{path}"


def candidates_of(row: Row) -> list[str]:
    """Expand what the column says."""
    name, other = row.name, other_host(row.name)
    scheme, _, rest = name.partition("://")
    host, _, path = rest.partition("/")
    expanded = {
        BOTH: [name, f"{name}/", other, f"{other}/"],
        BARE: [name, other],
        SLASH: [name, f"{name}/"],
        AS_IS: [name],
        LOWER: [name, f"{scheme}://{host}/{path.lower()}"],
    }
    return expanded[row.candidates] if isinstance(row.candidates, str) else list(row.candidates)


def sets_of(row: Row) -> list[str]:
    expanded = [f"{name}/{{SparkPartitions}}" for name in (row.name, other_host(row.name))]
    columns = {PARTS: expanded, OWN_PARTS: expanded[:1]}
    return columns[row.sets] if isinstance(row.sets, str) else list(row.sets)


def test_table_is_as_long_as_it_has_to_be() -> None:
    """At least 150 URIs, each once."""
    assert len({row.uri for row in ROWS}) == len(ROWS) >= 150


@each(ROWS)
def test_every_row_has_a_public_source(row: Row) -> None:
    """An outsider can look it up: an address on the public web, a grade that the coverage page explains."""
    assert row.sources
    for source in row.sources:
        assert source.grade in GRADES
        assert re.fullmatch(r"https?://[a-z0-9.-]+\.[a-z]+/\S*", source.url)
        assert source.shows


def test_every_source_is_that_of_a_row() -> None:
    """What no row rests on is left out, and nothing is written down twice."""
    sources = read_sources().values()
    assert {source for row in ROWS for source in row.sources} == {*sources}
    assert len({*sources}) == len(sources)


def test_every_platform_has_rows() -> None:
    """A platform without a row would not be tested."""
    located = [place(row.uri) for row in PLACES]
    assert {place_of(each).platform for each in located if each} == {each.platform for each in PLATFORMS}


@each(OWN)
def test_registered_asset_has_a_name_of_ours(row: Row) -> None:
    """Purview knows no scanner's name for it; ours leads back to the asset."""
    reference = parse_reference(row.uri)
    assert isinstance(reference, AssetReference)
    assert (reference.asset.kind, qualified_names.of_asset(WORKSPACE_ID, reference.asset)) == (row.type_name, row.name)
    back = parse_reference(row.name)
    assert isinstance(back, AssetReference)
    assert back.asset == reference.asset


@each(NO_PLACE)
def test_what_names_no_place_is_not_placed(row: Row) -> None:
    """A name made up for it would be shared by things that have nothing to do with each other."""
    assert place(row.uri) is None


@each(PLACES)
def test_place_has_the_type_and_the_name_that_a_scanner_gives_it(row: Row) -> None:
    """So that a scan meets our entity, or we the scan's."""
    located = place(row.uri)
    assert located is not None
    found = place_of(located)
    assert ((*found.scanned_types, OTHER_DATA)[0], found.own.qualified_name) == (row.type_name, row.name)


@each(PLACES)
def test_candidates_come_in_order(row: Row) -> None:
    """The likeliest name first, none twice, and each with the reason it is tried."""
    located = place(row.uri)
    assert located is not None
    found = place_of(located)
    assert list(found.exact) == candidates_of(row)
    assert list(found.resource_sets) == sets_of(row)
    assert all(found.rules[name] for name in (*found.exact, *found.resource_sets))


@each(PLACES)
def test_name_leads_back_to_the_place_where_that_is_defined(row: Row) -> None:
    """And from there to the same name."""
    back = origin(QualifiedName(row.name))
    assert (back.url if back else "") == row.back
    if back:
        located = place(row.uri)
        assert located is not None
        again = place_of(Location(back.url, is_folder=place_of(located).is_folder))
        assert again.ref.qualified_name in {row.name, *candidates_of(row)}


@each(PLACES)
def test_only_types_known_to_stand_alone_are_written(row: Row) -> None:
    """Purview refuses a table without its schema; of other types it is not known what they need."""
    located = place(row.uri)
    assert located is not None
    alone = {
        "azure_datalake_gen2_path",
        "azure_blob_path",
        "powerbi_dataset",
        "powerbi_report",
        "powerbi_dashboard",
        "powerbi_dataflow",
    }
    assert place_of(located).ref.type_name == (row.type_name if row.type_name in alone else OTHER_DATA)
