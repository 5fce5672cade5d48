"""Columns inferred from schemas that Purview knows: only where the settings ask for it, for two requests more."""

from dataclasses import replace
from pathlib import Path

import pytest

from emulator.merge import merge
from emulator.server import Emulator
from shared.catalog.entities import Entity, Ref, attributes
from shared.catalog.qualified_names import QualifiedName
from tests.harness.app import App, run_completed
from tests.worlds.golden_case import PREFIX, WORKSPACE_ID, base_workspace

LAKE = "https://contosolake.dfs.core.windows.net/fs"
RUN = {
    "experiment": "churn",
    "inputs": {"raw": {"uri": "azureml://datastores/lake/paths/raw.csv", "type": "uri_file"}},
    "outputs": {"out": {"register": "scores:1"}},
}
SCORES = {"path": "azureml://datastores/lake/paths/scores.csv", "tags": {"lineage.schema": '[{"name": "id"}]'}}


@pytest.mark.parametrize("switch", ["on", "off"])
def test_equal_names_are_mapped_only_if_asked_for(emulator: Emulator, tmp_path: Path, switch: str) -> None:
    """The path was scanned with its schema; the asset declares its own."""
    emulator.control.use("empty")
    seed = merge(base_workspace(), {"data": {"scores:1": SCORES}, "runs": {"prep": RUN}})
    emulator.control.add_to_azure_ml({"workspaces": {"ws-empty": seed}})
    app = App.on(emulator, tmp_path / "state.sqlite")
    app.services.settings = replace(app.services.settings, infer_columns=switch == "on")
    raw = Ref("azure_datalake_gen2_path", QualifiedName(f"{LAKE}/raw.csv"))
    schema = Ref("tabular_schema", QualifiedName(f"{LAKE}/raw.csv#schema"))
    column = Ref("column", QualifiedName(f"{LAKE}/raw.csv#schema#id"))
    app.services.catalog.upsert_entities(
        [
            Entity(raw, attributes("raw.csv", isFile=True), {"tabular_schema": schema}),
            Entity(schema, attributes("schema")),
            Entity(column, attributes("id"), {"composeSchema": schema}),
        ]
    )
    app.services.catalog.install_types()
    emulator.control.clear_requests()
    app.replay([run_completed("prep", workspace=WORKSPACE_ID)])
    reads = [each for each in emulator.control.requests() if each.service == "purview" and each.method == "GET"]
    step = app.entity(f"{PREFIX}/runs/prep")["attributes"]
    if switch == "off":
        assert (step.get("columnMapping"), len(reads)) == (None, 1)
        return
    assert len(reads) == 3
    assert '"Source": "id"' in step["columnMapping"]
    assert step["column_mapping_source"] == (
        f"inferred: equal column names in Purview's schema of {LAKE}/raw.csv and the schema of scores:1"
    )


def test_columns_of_a_table_are_its_own(emulator: Emulator, tmp_path: Path) -> None:
    """A table of Azure SQL has no schema between itself and its columns."""
    catalog = App.on(emulator, tmp_path / "state.sqlite").services.catalog
    chain = [
        Ref(type_name, QualifiedName(f"mssql://srv.database.windows.net{path}"))
        for type_name, path in (
            ("azure_sql_server", ""),
            ("azure_sql_db", "/db"),
            ("azure_sql_schema", "/db/dbo"),
            ("azure_sql_table", "/db/dbo/loans"),
            ("azure_sql_column", "/db/dbo/loans#id"),
        )
    ]
    parents = ("", "server", "db", "dbSchema", "table")
    written = catalog.upsert_entities(
        Entity(ref, attributes(ref.qualified_name[-4:]), {name: chain[number - 1]} if name else {})
        for number, (ref, name) in enumerate(zip(chain, parents, strict=True))
    )
    assert not written.rejections
    table = chain[3].qualified_name
    assert catalog.get_columns([table]) == {table: ("s#id",)}
