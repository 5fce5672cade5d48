"""What OpenLineage calls some data leads to the name the catalog has for it."""

import json
import re
from pathlib import Path

import pytest

from shared.catalog.qualified_names import QualifiedName
from shared.places.datasets import DatasetName
from shared.places.matching import place_of_dataset
from shared.places.platforms import from_openlineage, read, to_openlineage

GOLDEN = Path(__file__).parent.parent / "golden"
WS = re.compile(r"^WS(?=/|$)")
"""How goldens write their workspace."""
WORKSPACE = "azureml://subscriptions/s/resourcegroups/rg/workspaces/ws"
PROCESSES = (
    "custom_ml_experiment_step",
    "custom_ml_dataset_registration",
    "custom_ml_deployment",
    "ProcessWithColumnMapping",
)


@pytest.mark.parametrize(
    ("namespace", "name", "qualified_name"),
    [
        ("abfss://fs@acct.dfs.core.windows.net", "/raw/a.csv", "https://acct.dfs.core.windows.net/fs/raw/a.csv"),
        ("abfs://fs@acct.dfs.core.windows.net", "raw", "https://acct.dfs.core.windows.net/fs/raw"),
        ("wasbs://c@acct.blob.core.windows.net", "/a/b.parquet", "https://acct.blob.core.windows.net/c/a/b.parquet"),
        (
            "sqlserver://sql.database.windows.net:1433",
            "credit.dbo.loan",
            "mssql://sql.database.windows.net/credit/dbo/loan",
        ),
        (
            "sqlserver://sql.database.windows.net:1433;database=credit",
            "dbo.loan",
            "mssql://sql.database.windows.net/credit/dbo/loan",
        ),
        (
            "postgres://pg.postgres.database.azure.com:5432",
            "credit.public.loan",
            "postgresql://pg.postgres.database.azure.com/credit/public/loan",
        ),
        (
            "mysql://my.mysql.database.azure.com:3306",
            "credit.loan",
            "mysql://my.mysql.database.azure.com/credit/loan",
        ),
        ("azurekusto://k.westeurope.kusto.windows.net", "db/t", "https://k.westeurope.kusto.windows.net/db/t"),
        ("hive://adb-1.2.azuredatabricks.net", "credit.loan", "credit.loan@adb-1.2.azuredatabricks.net"),
        ("hive://metastore:9083", "credit.loan", "hive://metastore:9083/credit.loan"),
        (
            "azurecosmos://c.documents.azure.com/dbs/db",
            "/colls/loan",
            "azurecosmos://c.documents.azure.com/dbs/db/colls/loan",
        ),
        ("azureml://registries/r", "data/loan/versions/1", "azureml://registries/r/data/loan/versions/1"),
        ("file", "/data/a.csv", "openlineage://jobs/unresolved/file/data/a.csv"),
        ("dbfs", "/mnt/x", "openlineage://jobs/unresolved/dbfs/mnt/x"),
    ],
)
def test_name_of_the_standard_leads_to_the_name_in_the_catalog(namespace: str, name: str, qualified_name: str) -> None:
    """As https://openlineage.io/docs/spec/naming has them, and as older listeners wrote them."""
    assert place_of_dataset(DatasetName(namespace, name), "jobs").ref.qualified_name == qualified_name


def test_what_we_tell_others_leads_back_to_where_it_came_from() -> None:
    """Every data set of every golden case, out by our own naming and in again."""
    nodes = [node for file in sorted(GOLDEN.glob("*/lineage.json")) for node in json.loads(file.read_text())["nodes"]]
    names = {
        QualifiedName(WS.sub(WORKSPACE, node["qualifiedName"]))
        for node in nodes
        if (node.get("type") or node["typeName"]) not in PROCESSES
    }
    assert len(names) > 100
    for name in sorted(names):
        dataset = to_openlineage(name)
        place = place_of_dataset(dataset, "jobs")
        assert name in {place.ref.qualified_name, *place.exact, *place.resource_sets}, (name, dataset, place)


def test_container_that_names_a_user_is_no_place() -> None:
    """Without its container, two of them would be one place."""
    assert from_openlineage(DatasetName("abfss://fs:x@acct.dfs.core.windows.net", "raw/a.csv")) is None


def test_spark_cluster_is_no_catalog_of_databricks() -> None:
    """`spark` is a scheme of JDBC for Unity Catalog; in OpenLineage it is the address of any cluster."""
    place = place_of_dataset(DatasetName("spark://master:7077", "main.sales.loans"), "jobs")
    assert place.ref.qualified_name == "spark://master:7077/main.sales.loans"
    assert not place.exact


def test_driver_in_the_scheme_of_a_database_elsewhere_is_read() -> None:
    """MySQL outside Azure is a place that Purview does not scan."""
    found = read("mysql+pymysql://db.contoso.com/credit/loan")
    assert found is not None
    assert found.url.startswith("mysql+pymysql://db.contoso.com/")
