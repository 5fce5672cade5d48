"""Names that Purview's scanners write: a scan finds our entity instead of making a second one."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.catalog.qualified_names import QualifiedName
from shared.model import Location
from shared.places.platforms import place_of
from tests.unit.examples import LAKE_URL


def exact(location: Location) -> list[QualifiedName]:
    return list(place_of(location).exact)


def name(url: str, *, is_folder: bool = False) -> str:
    return place_of(Location(url, is_folder)).ref.qualified_name


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://acct.dfs.core.windows.net/fs/raw/a.csv", "https://acct.dfs.core.windows.net/fs/raw/a.csv"),
        ("HTTPS://Acct.DFS.core.windows.net/fs/a.csv", "https://acct.dfs.core.windows.net/fs/a.csv"),
        ("https://acct.dfs.core.windows.net/fs/a.CSV", "https://acct.dfs.core.windows.net/fs/a.csv"),
        ("https://acct.dfs.core.windows.net/fs/Raw/Loan.csv", "https://acct.dfs.core.windows.net/fs/Raw/Loan.csv"),
        ("https://acct.dfs.core.windows.net/fs//raw///a.csv", "https://acct.dfs.core.windows.net/fs/raw/a.csv"),
        ("https://acct.dfs.core.windows.net/fs/ raw / a.csv ", "https://acct.dfs.core.windows.net/fs/raw/a.csv"),
        ("https://acct.dfs.core.windows.net/fs/my raw/a.csv", "https://acct.dfs.core.windows.net/fs/my raw/a.csv"),
        ("https://acct.dfs.core.windows.net/fs/a{1}.csv", "https://acct.dfs.core.windows.net/fs/a%7B1%7D.csv"),
        ("https://acct.dfs.core.windows.net/fs/.GITIGNORE", "https://acct.dfs.core.windows.net/fs/.GITIGNORE"),
        ("https://acct.dfs.core.windows.net/fs/README", "https://acct.dfs.core.windows.net/fs/README"),
        ("https://acct.dfs.core.windows.net/fs/a.tar.GZ", "https://acct.dfs.core.windows.net/fs/a.tar.gz"),
        ("https://acct.dfs.core.windows.net/", "https://acct.dfs.core.windows.net"),
    ],
    ids=[
        "as it is",
        "scheme and host in lower case",
        "file extension in lower case",
        "path keeps its case",
        "empty segments collapse",
        "segments are trimmed",
        "inner spaces stay",
        "braces are encoded",
        "hidden file has no extension",
        "no extension",
        "last extension alone",
        "account",
    ],
)
def test_file_is_named_as_purview_normalises_it(url: str, expected: str) -> None:
    """Purview's rules of asset normalisation, so that a scan finds our entity instead of making a second one."""
    assert name(url) == expected


@pytest.mark.parametrize("url", [f"{LAKE_URL}/raw", f"{LAKE_URL}/raw/", f"{LAKE_URL}//raw//"])
def test_folder_is_named_without_a_trailing_slash(url: str) -> None:
    """One folder, one name."""
    assert name(url, is_folder=True) == f"{LAKE_URL}/raw"


def test_folder_with_a_dot_keeps_its_case() -> None:
    """`v1.A` is no file extension."""
    assert name(f"{LAKE_URL}/v1.A", is_folder=True) == f"{LAKE_URL}/v1.A"


@given(st.text(max_size=30), st.booleans())
def test_normalised_name_is_normal(path: str, is_folder: bool) -> None:
    """Normalising twice is the same as once, or the name would change with every hand it passes through."""
    once = place_of(Location(f"{LAKE_URL}/{path}", is_folder))
    assert name(once.ref.qualified_name, is_folder=once.is_folder) == once.ref.qualified_name


@pytest.mark.parametrize(
    ("url", "type_name"),
    [
        ("https://acct.dfs.core.windows.net/fs/a.csv", "azure_datalake_gen2_path"),
        ("https://ACCT.DFS.core.windows.net/fs/a.csv", "azure_datalake_gen2_path"),
        ("https://acct.blob.core.windows.net/c/a.csv", "azure_blob_path"),
        ("https://acct.blob.core.chinacloudapi.cn/c/a.csv", "azure_blob_path"),
        ("https://acct.file.core.windows.net/share/a.csv", "custom_dataset"),
        ("https://example.com/iris.csv", "custom_dataset"),
        ("https://example.com/acct.dfs.core.windows.net/iris.csv", "custom_dataset"),
        ("azureml-datastore://Hdfs/lake/a.csv", "custom_dataset"),
    ],
)
def test_type_follows_from_the_host(url: str, type_name: str) -> None:
    """Purview's own types for the storage it scans, ours for the rest."""
    assert place_of(Location(url)).ref.type_name == type_name


def test_onelake_is_not_taken_for_adls() -> None:
    """Its host has `.dfs.` in it, but Purview catalogues OneLake under Fabric's own types and names."""
    url = "https://onelake.dfs.fabric.microsoft.com/ws-guid/item-guid/Files/a.csv"
    assert place_of(Location(url)).ref.type_name == "custom_dataset"


def test_exact_candidates_try_both_hosts_with_and_without_slash() -> None:
    """An account is scanned as Blob or as Gen2, whatever the datastore says, and a folder's slash varies."""
    assert exact(Location(f"{LAKE_URL}/raw", is_folder=True)) == [
        "https://contosolake.dfs.core.windows.net/fs/raw",
        "https://contosolake.dfs.core.windows.net/fs/raw/",
        "https://contosolake.blob.core.windows.net/fs/raw",
        "https://contosolake.blob.core.windows.net/fs/raw/",
    ]


def test_candidates_begin_with_the_host_at_hand() -> None:
    """The likeliest first."""
    first = exact(Location("https://acct.blob.core.windows.net/c/a.csv"))[0]
    assert first == "https://acct.blob.core.windows.net/c/a.csv"


def test_host_like_text_in_the_path_is_left_alone() -> None:
    """Only the host is exchanged."""
    location = Location("https://acct.blob.core.windows.net/c/x.blob.y.csv")
    assert "https://acct.dfs.core.windows.net/c/x.blob.y.csv" in exact(location)


def test_resource_set_candidates_are_spark_partitions_on_both_hosts() -> None:
    """A folder of part files is one resource set to Purview."""
    assert list(place_of(Location(f"{LAKE_URL}/raw", is_folder=True)).resource_sets) == [
        "https://contosolake.dfs.core.windows.net/fs/raw/{SparkPartitions}",
        "https://contosolake.blob.core.windows.net/fs/raw/{SparkPartitions}",
    ]
