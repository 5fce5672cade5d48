"""Column mappings that a run declares: read as they are, and noted where they cannot be."""

import json
import re
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from shared.azure_ml.run.declared_columns import (
    COLUMN_MAPPING_ARTIFACT_TAG,
    COLUMN_MAPPING_TAG,
    Declared,
    RunDatasets,
    parse_column_mappings,
    read_declared,
)
from shared.errors import (
    AccessDeniedError,
    LineageError,
    RecordNotFoundError,
    RequestRefusedError,
    ServiceUnavailableError,
    UnreadableAnswerError,
)
from shared.model import (
    AssetId,
    ColumnMapping,
    Data,
    DataAsset,
    Datastore,
    Location,
    ModelVersion,
    Port,
    Unresolved,
    WorkspaceId,
)
from shared.places.uris import DatastorePath, Reference, parse_reference, to_location

WORKSPACE = WorkspaceId("s", "rg", "ws")
LAKE = Datastore("lake", "AzureDataLakeGen2", account="acct", container="fs", endpoint="core.windows.net")
DFS = "https://acct.dfs.core.windows.net/fs"
ABFSS = "abfss://fs@acct.dfs.core.windows.net"
TAG = f"tag {COLUMN_MAPPING_TAG}"
OWN = [{"input": "loan", "output": "prepared", "columns": {"loanAmount": "amount", "grade": "grade"}}]


class FakePlaces:
    """A workspace with one datastore; another one can only be asked for by its name."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def datastores(self) -> dict[str, Datastore]:
        return {LAKE.name: LAKE}

    def locate(self, uri: str, *, data_type: str = "") -> Location | None:
        match parse_reference(uri):
            case Location(url):
                return Location(url)
            case DatastorePath(name) as path:
                self.asked.append(name)
                return to_location(path, LAKE if name == LAKE.name else Datastore(name, ""), WORKSPACE)
        return None

    def is_here(self, reference: Reference) -> bool:
        return getattr(reference, "workspace", None) in (None, WORKSPACE)


def folder(path: str) -> Location:
    return Location(f"{DFS}/{path}", is_folder=True)


def asset(label: str, location: Location | None = None, *, registry: str = "") -> DataAsset:
    name, _, version = label.partition(":")
    return DataAsset(AssetId("data", name, version, registry), location)


def datasets(loan: Data | None = None, prepared: Data | None = None, **more: Data) -> RunDatasets:
    inputs = {"loan": loan or asset("loan:1", Location(f"{DFS}/raw/loan.csv")), **more}
    return RunDatasets(
        "run_1",
        [Port(name, data) for name, data in inputs.items()],
        [Port("prepared", prepared or folder("prepared"))],
        FakePlaces(),
    )


def dataset(namespace: str, name: str, **more: Any) -> dict[str, Any]:
    return {"namespace": namespace, "name": name, **more}


LOAN, PREPARED = dataset(ABFSS, "raw/loan.csv"), dataset(ABFSS, "/prepared")


def event(
    source: dict[str, Any] = LOAN,
    sink: dict[str, Any] = PREPARED,
    columns: Sequence[tuple[str, str]] = (("id", "key"),),
) -> dict[str, Any]:
    """Build an OpenLineage event in which columns of one data set become columns of another."""
    fields: dict[str, dict[str, list[object]]] = {}
    for field, column in columns:
        fields.setdefault(column, {"inputFields": []})["inputFields"].append({**source, "field": field})
    facets = {"columnLineage": {"_producer": "p", "_schemaURL": "s", "fields": fields}}
    return {"eventType": "COMPLETE", "run": {"runId": "x"}, "inputs": [source], "outputs": [{**sink, "facets": facets}]}


def parse(read: object, known: RunDatasets | None = None) -> Declared:
    text = read if isinstance(read, str) else json.dumps(read)
    return parse_column_mappings(text, TAG, known or datasets())


def nothing_to_read(path: str) -> bytes:
    raise AssertionError(f"{path} was read")


def test_mapping_by_the_names_of_inputs_and_outputs_is_read() -> None:
    """Our own form, for mappings that are written by hand."""
    columns = (("grade", "grade"), ("loanAmount", "amount"))
    assert parse(OWN) == Declared((ColumnMapping("loan", "prepared", columns, f"declared: {TAG}"),))


def test_openlineage_event_is_known_by_its_shape_and_its_data_found_among_inputs_and_outputs() -> None:
    """The names are those of Azure ML; what says so is named."""
    found = parse(event(columns=[("id", "key"), ("loanAmount", "amount"), ("grade", "amount")]))
    columns = (("grade", "amount"), ("id", "key"), ("loanAmount", "amount"))
    assert found == Declared((ColumnMapping("loan", "prepared", columns, f"declared: OpenLineage in {TAG}"),))


def test_events_of_one_run_add_up_whether_in_a_list_or_a_line_each() -> None:
    """A Spark job reports its start and its end, and each table on its own."""
    events = [event(columns=[("a", "b")]), event(columns=[("a", "b"), ("c", "d")]), {"eventType": "START"}]
    lines = "\n\n".join(json.dumps(each) for each in events) + "\n"
    assert parse(events) == parse(lines)
    assert [mapping.columns for mapping in parse(events).mappings] == [(("a", "b"), ("c", "d"))]


def test_list_may_hold_both_forms() -> None:
    """Each item shows which it is."""
    assert [mapping.source for mapping in parse([*OWN, event()]).mappings] == [
        f"declared: {TAG}",
        f"declared: OpenLineage in {TAG}",
    ]


def test_facets_about_other_data_map_nothing_and_are_named() -> None:
    """Nothing is invented, and nothing is lost without a word."""
    elsewhere = dataset("mssql://crm.database.windows.net:1433", "crm.dbo.customers")
    found = parse([event(), event(source=elsewhere), event(sink=dataset("file", "/tmp/x"))])  # noqa: S108
    assert [mapping.columns for mapping in found.mappings] == [(("id", "key"),)]
    assert found.notes == (
        "Columns are not mapped for data that is no such input or output of the run (tag lineage.column_mapping): "
        "file/tmp/x, mssql://crm.database.windows.net:1433/crm.dbo.customers."
    )


def test_note_about_much_other_data_names_the_first_of_it() -> None:
    """Hundreds of tables would bury what else the notes say."""
    found = parse([event(source=dataset(ABFSS, f"elsewhere/{number}")) for number in range(8)])
    assert found.mappings == ()
    assert found.notes.endswith(f"{ABFSS}/elsewhere/4 and 3 more.")


def test_input_is_no_output_and_an_output_no_input() -> None:
    """The direction is what is declared."""
    found = parse(event(source=PREPARED, sink=LOAN))
    assert found.mappings == ()
    assert f"{ABFSS}/prepared, {ABFSS}/raw/loan.csv" in found.notes


@pytest.mark.parametrize(
    "empty",
    [
        {"eventType": "START", "outputs": []},
        {"eventType": "COMPLETE", "outputs": [PREPARED]},
        {"eventType": "COMPLETE", "outputs": [{**PREPARED, "facets": {"columnLineage": {"fields": {}}}}]},
        {"eventType": "COMPLETE", "outputs": [{**PREPARED, "facets": {"columnLineage": {"_deleted": True}}}]},
    ],
)
def test_events_that_say_nothing_of_columns_are_in_the_notes(empty: dict[str, Any]) -> None:
    """The author of the tag expects columns."""
    assert parse(empty) == Declared(notes=f"The OpenLineage events in {TAG} say nothing of columns.")


OTHER_LOCATION = "locations/l/workspaces/g/data/x/versions/1"
SQL = Location("mssql://srv.database.windows.net/db/dbo/Loan")


@pytest.mark.parametrize(
    ("data", "namespace", "name"),
    [
        (Location(f"{DFS}/raw/loan.csv"), ABFSS, "raw/loan.csv"),
        (Location(f"{DFS}/raw/loan.csv"), ABFSS, "/raw/loan.csv"),
        (Location(f"{DFS}/raw/loan.csv"), f"{ABFSS}/", "/raw/loan.csv"),
        (Location(f"{DFS}/raw/loan.csv"), "wasbs://fs@acct.blob.core.windows.net", "raw/loan.csv"),
        (Location(f"{DFS}/raw/loan.csv"), "wasbs://fs@acct.dfs.core.windows.net", "raw/loan.csv"),
        (Location(f"{DFS}/raw/loan.csv"), "https://acct.dfs.core.windows.net", "fs/raw/loan.csv"),
        (Location(f"{DFS}/raw/loan.csv"), "https://acct.dfs.core.windows.net", "fs/raw/loan.csv?sv=1&sig=x"),
        (Location(f"{DFS}/raw/my loan.csv"), ABFSS, "raw/my%20loan.csv"),
        (Location(f"{DFS}/C#/loan.csv"), ABFSS, "C#/loan.csv"),
        (Location(f"{DFS}/raw"), ABFSS, "raw/part-??.csv"),
        (Unresolved("S3://b/a#b"), "S3://b", "a#b"),
        (Location(f"{DFS}/raw/loan.csv"), "azureml://datastores/lake/paths", "raw/loan.csv"),
        (Location(f"{DFS}/raw/loan.csv"), "azureml", "datastores/lake/paths/raw/loan.csv"),
        (Location(f"{DFS}/raw/loan.csv"), "anything", "azureml://datastores/lake/paths/raw/loan.csv"),
        (folder("raw"), ABFSS, "raw/"),
        (folder("Raw.CSV"), ABFSS, "Raw.CSV"),
        (folder("raw"), ABFSS, "raw/2024/loan.csv"),
        (Location(f"{DFS}/raw/*.csv"), ABFSS, "raw/loan.csv"),
        (SQL, "mssql://srv.database.windows.net:1433", "db.dbo.Loan"),
        (SQL, "sqlserver://SRV.database.windows.net:1433", "DB.dbo.loan"),
        (Location("mssql://srv.database.windows.net/db/dbo/a.b"), "mssql://srv.database.windows.net", "db.dbo.a\\.b"),
        (Location("postgresql://h:5432/db/public/loan"), "postgres://h:5432", "db.public.loan"),
        (Location("mysql://h.mysql.database.azure.com/db/loan"), "mysql://h.mysql.database.azure.com:3306", "db.loan"),
        (SQL, "sqlserver://srv.database.windows.net:1433;database=db", "dbo.Loan"),
        (Location("https://adx.kusto.windows.net/db/loan"), "azurekusto://adx.kusto.windows.net", "db/loan"),
        (Location("db.loan@adb-1.2.azuredatabricks.net"), "hive://adb-1.2.azuredatabricks.net", "db.loan"),
        (asset("loan:1"), "azureml", "loan:1"),
        (asset("loan:1"), "azureml://", "data/loan/versions/1"),
        (asset("loan:1"), "azureml://subscriptions/s/resourcegroups/rg/workspaces/ws", "data/loan/versions/1"),
        (asset("loan:1", registry="shared"), "azureml://registries/shared", "data/loan/versions/1"),
        (asset("loan:1", Location(f"{DFS}/raw/loan.csv")), ABFSS, "raw/loan.csv"),
        (ModelVersion(AssetId("models", "m", "1")), "azureml", "models/m/versions/1"),
        (Unresolved(f"azureml://{OTHER_LOCATION}"), "azureml", OTHER_LOCATION),
    ],
)  # fmt: skip
def test_data_is_found_under_any_name_it_has(data: Data, namespace: str, name: str) -> None:
    """Namespace and name are joined as the specification says, and compared in normal form."""
    found = parse(event(source=dataset(namespace, name)), datasets(loan=data))
    assert [mapping.input for mapping in found.mappings] == ["loan"], found.notes


@pytest.mark.parametrize(
    ("data", "namespace", "name"),
    [
        (Location(f"{DFS}/raw/loan.csv"), ABFSS, "raw/loan"),
        (Location(f"{DFS}/raw/loan.csv"), ABFSS, "raw"),
        (Location(f"{DFS}/raw/loan.csv"), "abfss://other@acct.dfs.core.windows.net", "raw/loan.csv"),
        (Location(f"{DFS}/raw/loan.csv"), "file", "/raw/loan.csv"),
        (Location(f"{DFS}/raw/loan.csv"), "", "raw/loan.csv"),
        (Location(f"{DFS}/raw/loan.csv"), ABFSS, "raw/Loan.csv"),
        (Location(f"{DFS}/raw/loan.csv"), ABFSS, "raw/loan.csv/part-0.csv"),
        (folder("raw"), ABFSS, "raw2/loan.csv"),
        (SQL, "mssql://srv.database.windows.net:1433", "db.dbo.Loans"),
        (asset("loan:1"), "azureml", "loan:2"),
        (asset("loan:1"), "somewhere", "loan:1"),
        (asset("loan:1"), "azureml", "models/loan/versions/1"),
        (asset("loan:1"), "azureml://subscriptions/s/resourcegroups/rg/workspaces/other", "data/loan/versions/1"),
        (asset("loan:1"), "azureml://registries/shared", "data/loan/versions/1"),
        (Unresolved("x"), "", "x"),
        (ModelVersion(AssetId("models", "m", "1")), ABFSS, "m"),
    ],
)
def test_data_of_another_name_is_not_taken_for_it(data: Data, namespace: str, name: str) -> None:
    """A guess would be a false statement about where personal data went."""
    found = parse(event(source=dataset(namespace, name)), datasets(loan=data))
    assert found.mappings == ()
    assert "Columns are not mapped for data" in found.notes


def test_data_in_two_folders_is_the_inner_ones() -> None:
    """And the very place comes before any folder around it."""
    known = datasets(loan=folder("raw"), inner=folder("raw/2024"), file=Location(f"{DFS}/raw/2024/a.csv"))
    names = ["raw/b.csv", "raw/2024/b.csv", "raw/2024/a.csv"]
    found = [parse(event(source=dataset(ABFSS, name)), known).mappings[0].input for name in names]
    assert found == ["loan", "inner", "file"]


@pytest.mark.parametrize(
    ("name", "expected"),
    [("jobs/run_1/outputs/prepared", ["prepared"]), ("jobs/run_2/outputs/prepared", []), ("jobs/run_1/outputs/x", [])],
)
def test_output_is_found_by_the_name_it_has_below_its_run(name: str, expected: list[str]) -> None:
    """Where it lies is nothing that a script has to know."""
    found = parse(event(sink=dataset("azureml", name)))
    assert [mapping.output for mapping in found.mappings] == expected


def test_unknown_datastores_are_not_asked_for() -> None:
    """A file may name thousands, each of which would be a request; those of the run have been read anyway."""
    hidden = Location("azureml://x/paths/a", datastore=Datastore("hidden", ""))
    known = datasets(loan=hidden)
    names = ["hidden", "lake", "unknown"]
    found = parse([event(source=dataset("azureml", f"datastores/{name}/paths/a")) for name in names], known)
    assert isinstance(known.places, FakePlaces)
    assert known.places.asked == ["hidden", "lake"]
    assert "datastores/unknown/paths/a" in found.notes


def without(body: dict[str, Any], *path: str | int) -> dict[str, Any]:
    """Copy JSON, one member of it left out."""
    copy = json.loads(json.dumps(body))
    inner = copy
    for step in path[:-1]:
        inner = inner[step]
    del inner[path[-1]]
    return dict(copy)


def with_facet(facet: object) -> dict[str, Any]:
    return {"eventType": "COMPLETE", "outputs": [{**PREPARED, "facets": {"columnLineage": facet}}]}


def with_sources(sources: object) -> dict[str, Any]:
    return with_facet({"fields": {"key": {"inputFields": sources}}})


AT = "outputs[0].facets.columnLineage"
SOURCE = f"{AT}.fields.key.inputFields[0]"
INPUT_FIELD = ("outputs", 0, "facets", "columnLineage", "fields", "key", "inputFields", 0)


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("not json", "Expecting value: line 1 column 1 (char 0)"),
        ('[{"input": "loan",\n "output"}]', "Expecting ':' delimiter: line 2 column 10 (char 28)"),
        (json.dumps(event()) + "\nnot json", "line 2: Expecting value: line 1 column 1 (char 0)"),
        (json.dumps(event()) + "\n5", "line 2: is a number, not an object"),
        ("[" * 100_000, "maximum recursion depth exceeded"),
        ("5", "it: is a number, not a list"),
        ('"text"', "it: is text, not a list"),
        ("null", "it: is null, not a list"),
        ("[5]", "[0]: is a number, not an object"),
        ("[null]", "[0]: is null, not an object"),
        (OWN[0], "it: is an object, not a list"),
        ([{"input": "loan", "output": "prepared"}], "[0].columns: is missing"),
        ([{"input": "loan", "columns": {}}], "[0].output: is missing"),
        ([{"output": "prepared", "columns": {}}], "[0].input: is missing"),
        ([{"input": 1, "output": "prepared", "columns": {}}], "[0].input: is a number, not text"),
        ([{"input": "loan", "output": None, "columns": {}}], "[0].output: is null, not text"),
        ([{"input": "loan", "output": "prepared", "columns": ["a"]}], "[0].columns: is a list, not an object"),
        ([{"input": "loan", "output": "prepared", "columns": {"a": ["b"]}}], "[0].columns.a: is a list, not text"),
        ([*OWN, {}], "[1].columns: is missing"),
        ({"eventType": "COMPLETE", "outputs": {"a": 1}}, "outputs: is an object, not a list"),
        ({"eventType": "COMPLETE", "outputs": [1]}, "outputs[0]: is a number, not an object"),
        ({"run": {}, "outputs": [{**PREPARED, "facets": 1}]}, "outputs[0].facets: is a number, not an object"),
        (with_facet(True), f"{AT}: is a truth value, not an object"),
        (with_facet({"_producer": "p"}), f"{AT}.fields: is missing"),
        (with_facet({"fields": []}), f"{AT}.fields: is a list, not an object"),
        (with_facet({"fields": {"key": []}}), f"{AT}.fields.key: is a list, not an object"),
        (with_facet({"fields": {"key": {}}}), f"{AT}.fields.key.inputFields: is missing"),
        (with_sources({}), f"{AT}.fields.key.inputFields: is an object, not a list"),
        (with_sources([1]), f"{SOURCE}: is a number, not an object"),
        (without(event(), "outputs", 0, "name"), "outputs[0].name: is missing"),
        (without(event(), "outputs", 0, "namespace"), "outputs[0].namespace: is missing"),
        (without(event(), *INPUT_FIELD, "namespace"), f"{SOURCE}.namespace: is missing"),
        (without(event(), *INPUT_FIELD, "name"), f"{SOURCE}.name: is missing"),
        (without(event(), *INPUT_FIELD, "field"), f"{SOURCE}.field: is missing"),
        ([event(), without(event(), "outputs", 0, "name")], "[1].outputs[0].name: is missing"),
    ],
)  # fmt: skip
def test_mapping_that_cannot_be_read_maps_nothing_and_its_notes_name_the_member(value: object, problem: str) -> None:
    """A bad mapping does not sink the run."""
    found = parse(value)
    assert found.mappings == ()
    assert found.notes.startswith(f"The column mapping in {TAG} cannot be read: {problem}"), found.notes


def test_secrets_in_a_mapping_are_in_neither_mappings_nor_notes() -> None:
    """What a run says of itself is free text like any other."""
    token = "?sv=2024&sig=SECRET"  # noqa: S105
    own = [{"input": f"loan{token}", "output": "password=SECRET", "columns": {f"https://a/b{token}": "api_key=SECRET"}}]
    strange = event(
        source=dataset(f"https://u:SECRET@host/x{token}", f"y{token}"), sink=dataset("x", "AccountKey=SECRET")
    )
    bad = with_facet({"fields": {"password=SECRET": 1}})
    known = datasets(loan=Location(f"{DFS}/raw/loan.csv"))
    columns = event(columns=[("password=SECRET", f"https://a/b{token}")])
    found = [parse(each, known) for each in (own, strange, bad, columns)]
    assert "SECRET" not in repr(found)
    assert [bool(each.mappings) for each in found] == [True, False, False, True]
    assert [bool(each.notes) for each in found] == [False, True, True, False]


@pytest.mark.parametrize("tags", [{}, {COLUMN_MAPPING_TAG: ""}, {COLUMN_MAPPING_TAG: None}, {"other": "x"},
                                  {COLUMN_MAPPING_ARTIFACT_TAG: ""}, {COLUMN_MAPPING_ARTIFACT_TAG: " / "}])  # fmt: skip
def test_run_without_the_tags_maps_no_columns_and_costs_no_request(tags: dict[str, object]) -> None:
    """Nothing is invented."""
    assert read_declared(tags, datasets(), nothing_to_read) == Declared()


def test_tag_and_file_add_up() -> None:
    """Each mapping says which of them it is from."""
    own = [{"input": "loan", "output": "prepared", "columns": {"a": "b"}}]
    tags = {COLUMN_MAPPING_TAG: json.dumps(OWN), COLUMN_MAPPING_ARTIFACT_TAG: "/lineage/columns.json"}
    files = {"lineage/columns.json": b"\xef\xbb\xbf" + json.dumps(own).encode()}
    found = read_declared(tags, datasets(), files.__getitem__)
    assert [mapping.source for mapping in found.mappings] == [
        "declared: tag lineage.column_mapping",
        "declared: artifact lineage/columns.json",
    ]


def failing(error: LineageError) -> Callable[[str], bytes]:
    def read(_: str) -> bytes:
        raise error

    return read


@pytest.mark.parametrize(
    "error",
    [
        RecordNotFoundError("GET x: HTTP 404"),
        RequestRefusedError("GET x: HTTP 400: https://a/b?sig=SECRET", status=400),
        AccessDeniedError("GET x: HTTP 403"),
        UnreadableAnswerError("GET x: the answer is longer than 1 bytes"),
    ],
)
def test_file_that_cannot_be_read_is_in_the_notes(error: LineageError) -> None:
    """The run is published all the same, and so is what its tag says."""
    tags = {COLUMN_MAPPING_TAG: json.dumps(OWN), COLUMN_MAPPING_ARTIFACT_TAG: "a/b.json?sig=SECRET"}
    found = read_declared(tags, datasets(), failing(error))
    assert len(found.mappings) == 1
    assert found.notes == f"The column mapping in artifact a/b.json cannot be read: {str(error).partition('?')[0]}."


@pytest.mark.parametrize("path", ["../dcid.other/a.json", "a/../../b.json", "a\\..\\b.json"])
def test_path_that_leads_out_of_the_files_of_the_run_is_not_asked_for(path: str) -> None:
    """The author of the tag may not be allowed to read there."""
    found = read_declared({COLUMN_MAPPING_ARTIFACT_TAG: path}, datasets(), nothing_to_read)
    assert found.notes.endswith("cannot be read: the path leads out of the run's files.")


def test_file_that_is_not_text_is_in_the_notes() -> None:
    """A spreadsheet, say."""
    found = read_declared({COLUMN_MAPPING_ARTIFACT_TAG: "a.xlsx"}, datasets(), lambda _: b"PK\xff\xfe")
    assert found.notes == "The column mapping in artifact a.xlsx cannot be read: is not text in UTF-8."


def test_file_that_cannot_be_read_just_now_brings_the_message_back() -> None:
    """A throttled service is no reason to publish without columns."""
    with pytest.raises(ServiceUnavailableError):
        read_declared({COLUMN_MAPPING_ARTIFACT_TAG: "a.json"}, datasets(), failing(ServiceUnavailableError("503")))


def test_examples_of_the_catalog_model_are_read() -> None:
    """Both forms, as people will copy them."""
    page = (Path(__file__).parents[2] / "docs/catalog-model.md").read_text(encoding="utf-8")
    examples = re.findall(r"```json\n(.*?)```", page.partition("## Tags you can set")[2], re.DOTALL)
    lake = "https://contosolake.dfs.core.windows.net/fs"
    known = RunDatasets(
        "run_1",
        [Port("loan", asset("LoanData:1", Location(f"{lake}/raw/loan.csv")))],
        [Port("prepared_data", folder("prepared"))],
        FakePlaces(),
    )
    found = [parse(example, known) for example in examples]
    assert [each.notes for each in found] == ["", ""]
    columns = ("loan", "prepared_data", (("loanAmount", "amount"),))
    assert [(m.input, m.output, m.columns) for each in found for m in each.mappings] == [columns, columns]
