"""URIs: every form in which Azure ML names data, models and storage is read, and placed where it really lies."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shared.model import AssetId, Datastore, Location, WorkspaceId
from shared.places.uris import (
    AssetReference,
    DatastorePath,
    Opaque,
    Reference,
    RunOutput,
    is_run_log,
    made_up_model,
    parse_reference,
    possible_writers,
    run_of_path,
    to_location,
)
from tests.unit.examples import ARM_ID, LAKE, WORKSPACE_ID, WS

GUID = "11111111-1111-1111-1111-111111111111"
LONG = "azureml://subscriptions/00000000-0000-0000-0000-000000000000/{group}/rg-ml/workspaces/ws-ml"
BLOB = Datastore("blob", "AzureBlob", account="stexample", container="azureml-blobstore", endpoint="core.windows.net")


def data(name: str, version: str, registry: str = "") -> AssetId:
    return AssetId("data", name, version, registry)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        # 1: ARM ids
        (f"{ARM_ID}/data/churn/versions/3", AssetReference(data("churn", "3"), WORKSPACE_ID)),
        (f"{ARM_ID}/models/Churn/versions/5", AssetReference(AssetId("models", "Churn", "5"), WORKSPACE_ID)),
        (f"{ARM_ID}/environments/e/versions/7", AssetReference(AssetId("environments", "e", "7"), WORKSPACE_ID)),
        (
            ARM_ID.replace("resourceGroups", "resourcegroups") + "/data/c/versions/a",
            AssetReference(data("c", "a"), WORKSPACE_ID),
        ),
        # 2: short forms
        ("azureml:churn:3", AssetReference(data("churn", "3"))),
        ("churn:3", AssetReference(data("churn", "3"))),
        # 3: run history's asset ids
        (
            f"azureml://locations/eastus2/workspaces/{GUID}/data/churn/versions/3",
            AssetReference(data("churn", "3"), GUID),
        ),
        (
            f"azureml://locations/eastus2/workspaces/{GUID}/models/churn-base/versions/4",
            AssetReference(AssetId("models", "churn-base", "4"), GUID),
        ),
        # 4: the long form, in both casings
        (
            LONG.format(group="resourcegroups") + "/datastores/lake/paths/raw/churn/",
            DatastorePath("lake", "raw/churn/", WORKSPACE_ID),
        ),
        (
            LONG.format(group="resourceGroups") + "/datastores/lake/paths/raw/a.csv",
            DatastorePath("lake", "raw/a.csv", WORKSPACE_ID),
        ),
        (
            LONG.format(group="resourceGroups") + "/data/churn/versions/3",
            AssetReference(data("churn", "3"), WORKSPACE_ID),
        ),
        # 5: the short datastore form, with and without `paths/`
        ("azureml://datastores/lake/paths/raw/a.csv", DatastorePath("lake", "raw/a.csv")),
        (
            "azureml://datastores/workspaceartifactstore/ExperimentRun/dcid.cmd_1",
            DatastorePath("workspaceartifactstore", "ExperimentRun/dcid.cmd_1"),
        ),
        # 6: the form of lists
        (f"azureml://workspaces/{GUID}/datastores/lake/paths/raw/", DatastorePath("lake", "raw/", GUID)),
        # 7: registries
        ("azureml://registries/reg/data/d/versions/1", AssetReference(data("d", "1", "reg"))),
        (
            "azureml://registries/azureml/environments/sklearn-1.5/versions/40",
            AssetReference(AssetId("environments", "sklearn-1.5", "40", "azureml")),
        ),
        # 8: given at registration
        ("azureml://jobs/cmd_1/outputs/model_dir/paths/model.pkl", RunOutput("cmd_1", "model_dir", "model.pkl")),
        ("azureml://jobs/cmd_1/outputs/model_dir", RunOutput("cmd_1", "model_dir", "")),
        ("runs:/cmd_1/outputs/model", RunOutput("cmd_1", "", "outputs/model")),
        ("runs:/cmd_1", RunOutput("cmd_1", "", "")),
        # 9: storage and public URLs
        ("https://acct.blob.core.windows.net/c/p/ref.csv", Location("https://acct.blob.core.windows.net/c/p/ref.csv")),
        ("wasbs://c@acct.blob.core.windows.net/p/a.csv", Location("https://acct.blob.core.windows.net/c/p/a.csv")),
        ("abfss://fs@acct.dfs.core.windows.net/p/a.csv", Location("https://acct.dfs.core.windows.net/fs/p/a.csv")),
        ("abfs://fs@acct.dfs.core.windows.net", Location("https://acct.dfs.core.windows.net/fs", is_folder=True)),
        ("http://example.com/iris.csv", Location("http://example.com/iris.csv")),
        # 10: batch endpoint outputs
        (f"{ARM_ID}/datastores/lake/paths/azureml/x/score/", DatastorePath("lake", "azureml/x/score/", WORKSPACE_ID)),
        # 11: v1
        ("aml://artifact/ExperimentRun/dcid.cmd_1/outputs/model.pkl", RunOutput("cmd_1", "", "outputs/model.pkl")),
        (GUID, Opaque(GUID)),
    ],
)
def test_every_form_of_reference_is_read(text: str, expected: Reference) -> None:
    """One parser for all the forms that were seen on the wire."""
    assert parse_reference(text) == expected


@pytest.mark.parametrize(
    "text", ["azureml:churn@latest", "", "churn", "raw/a.csv", "DatasetConsumptionConfig:raw:x:y", "s3:"]
)
def test_form_that_names_no_version_and_no_place_is_opaque(text: str) -> None:
    """`latest` is another version tomorrow: what is not exact is never guessed."""
    assert parse_reference(text) == Opaque(text)


def test_short_form_takes_the_kind_it_is_asked_for() -> None:
    """`churn:3` is a model where a deployment names it, data where a run does."""
    assert parse_reference("churn:3", kind="models") == AssetReference(AssetId("models", "churn", "3"))


def test_workspace_of_a_reference_is_lower_case_and_its_asset_is_not() -> None:
    """Azure compares workspaces without regard to case; names of assets keep theirs."""
    workspace = "/SUBSCRIPTIONS/S/resourceGroups/RG/providers/Microsoft.MachineLearningServices/workspaces/WS"
    assert parse_reference(f"{workspace}/models/Churn/versions/V1") == AssetReference(
        AssetId("models", "Churn", "V1"), WorkspaceId("s", "rg", "ws")
    )


@pytest.mark.parametrize(
    "text",
    [
        "https://acct.blob.core.windows.net/c/a.csv?sv=2024-01-01&sig=abc%3D",
        "https://user:pw@acct.blob.core.windows.net/c/a.csv",
        "https://acct.blob.core.windows.net/c/a.csv#part",
        "wasbs://c@acct.blob.core.windows.net/a.csv?sv=2024-01-01&sig=abc%3D",
    ],
)
def test_secret_in_a_url_is_not_read(text: str) -> None:
    """A shared access signature or a user says who may read, not where it lies."""
    assert parse_reference(text) == Location("https://acct.blob.core.windows.net/c/a.csv")


@pytest.mark.parametrize(
    "asset",
    [
        "data/azureml_aaaaaaaa-0000-0000-0000-000000000001_input_data_raw",
        "data/azureml_aaaaaaaa-0000-0000-0000-000000000001_output_data_prepared",
        "models/azureml_automl_0001_2_output_mlflow_log_model_1",
        "models/azureml_bike-automl_2_output_mlflow_log_model_971140291",
        "models/azureml_aaaaaaaa-0000-0000-0000-000000000001_output_model_output",
        "models/azureml_AAAAAAAA-0000-0000-0000-000000000001_output_data",
    ],
)
def test_name_that_azure_ml_made_up_is_anonymous(asset: str) -> None:
    """These were never registered by a person; the path they stand for is shown instead."""
    reference = parse_reference(f"azureml://locations/eastus2/workspaces/{GUID}/{asset}/versions/1")
    assert isinstance(reference, AssetReference)
    assert reference.is_anonymous


@pytest.mark.parametrize("kind", ["data", "models"])
@pytest.mark.parametrize(
    "name",
    [
        "churn",
        "azureml_churn",
        "my_output_data_set",
        "azureml_output_data",
        "azureml_fit_output_model",
        "my_azureml_fit_output_mlflow_log_model_1",
        "azureml_fit_output_mlflow_log_model_v2",
        "azureml_aaaaaaaa-0000_output_model",
    ],
)
def test_name_that_a_person_chose_is_not_anonymous(kind: str, name: str) -> None:
    """Names that only resemble AML's are assets that people made."""
    reference = parse_reference(f"{name}:1", kind=kind)
    assert isinstance(reference, AssetReference)
    assert not reference.is_anonymous


def test_made_up_name_in_a_registry_was_chosen_by_who_shared_it() -> None:
    """Azure ML makes names up in workspaces only."""
    reference = parse_reference("azureml://registries/r/models/azureml_fit_1_output_mlflow_log_model_1/versions/1")
    assert isinstance(reference, AssetReference)
    assert not reference.is_anonymous


@given(st.text("ab_-1", min_size=1, max_size=12), st.text("ab_-1", min_size=1, max_size=12))
def test_run_and_output_of_a_made_up_name_are_found_again(run_id: str, output: str) -> None:
    """Both may hold what separates them, so each cut is one possibility; the run decides."""
    assert run_id in possible_writers(AssetId("models", made_up_model(run_id, output), "1"))


@given(st.sampled_from(["", "https://", "https://[", "abfss://fs@host/", "azureml://", "runs:/"]), st.text(max_size=40))
def test_any_text_is_read_without_an_exception(start: str, rest: str) -> None:
    """References come from other people's jobs; the worst of them is opaque."""
    assert parse_reference(start + rest) is not None


@pytest.mark.parametrize(
    ("datastore", "url"),
    [
        (BLOB, "https://stexample.blob.core.windows.net/azureml-blobstore/raw/a.csv"),
        (LAKE, "https://contosolake.dfs.core.windows.net/fs/raw/a.csv"),
        (
            Datastore("files", "AzureFile", account="stexample", container="share", endpoint="core.windows.net"),
            "https://stexample.file.core.windows.net/share/raw/a.csv",
        ),
        (
            Datastore(
                "one", "OneLake", account="ws-guid", container="item-guid", endpoint="onelake.dfs.fabric.microsoft.com"
            ),
            "https://onelake.dfs.fabric.microsoft.com/ws-guid/item-guid/raw/a.csv",
        ),
        (
            Datastore("china", "AzureBlob", account="st", container="c", endpoint="core.chinacloudapi.cn"),
            "https://st.blob.core.chinacloudapi.cn/c/raw/a.csv",
        ),
        (Datastore("old", "AzureBlob", account="st", container="c"), "https://st.blob.core.windows.net/c/raw/a.csv"),
    ],
    ids=["blob", "gen2", "file", "onelake", "sovereign cloud", "no endpoint"],
)
def test_datastore_path_lies_where_its_kind_puts_it(datastore: Datastore, url: str) -> None:
    """Each kind of datastore has its own host."""
    location = to_location(DatastorePath(datastore.name, "raw/a.csv"), datastore, WORKSPACE_ID)
    assert (location.url, location.is_folder, location.datastore) == (url, False, datastore)


def test_blob_datastore_on_a_hierarchical_account_lies_in_gen2() -> None:
    """Purview scans an account with a hierarchical namespace as ADLS Gen2, whatever datastore leads there."""
    location = to_location(DatastorePath("blob", "raw/a.csv"), BLOB, WORKSPACE_ID, hierarchical_accounts=["stexample"])
    assert location.url == "https://stexample.dfs.core.windows.net/azureml-blobstore/raw/a.csv"


def test_blob_datastore_beside_a_hierarchical_account_stays_blob() -> None:
    """Only the account that is known to be hierarchical is."""
    location = to_location(DatastorePath("blob", "raw/a.csv"), BLOB, WORKSPACE_ID, hierarchical_accounts=["another"])
    assert location.url == "https://stexample.blob.core.windows.net/azureml-blobstore/raw/a.csv"


def test_file_share_on_a_hierarchical_account_stays_a_share() -> None:
    """A file share is never part of the hierarchical namespace."""
    share = Datastore("files", "AzureFile", account="stexample", container="share")
    location = to_location(DatastorePath("files", "a.csv"), share, WORKSPACE_ID, hierarchical_accounts=["stexample"])
    assert location.url == "https://stexample.file.core.windows.net/share/a.csv"


def test_datastore_of_an_unknown_kind_is_not_placed_in_azure_storage() -> None:
    """We do not invent a host for what we do not know."""
    location = to_location(DatastorePath("gen1", "raw/a.csv"), Datastore("gen1", "AzureDataLakeGen1"), WORKSPACE_ID)
    assert location.url == f"{WS}/datastores/gen1/paths/raw/a.csv"


@given(st.sampled_from(["", "Hdfs", "AzureDataLakeGen1"]))
def test_datastores_of_an_unknown_kind_in_two_workspaces_are_two_places(kind: str) -> None:
    """Two workspaces never share a name, not even for data that we cannot place."""
    path, datastore = DatastorePath("lake", "a.csv"), Datastore("lake", kind)
    places = {to_location(path, datastore, WorkspaceId("s", "rg", name)).url for name in ("w1", "w2")}
    assert len(places) == 2


@pytest.mark.parametrize(
    ("path", "is_folder"),
    [("raw/a.csv", False), ("raw/", True), ("raw/v1.0/", True), ("raw", True), ("", True), ("/", True)],
)
def test_trailing_slash_or_no_extension_marks_a_folder(path: str, is_folder: bool) -> None:
    """Where nothing else says so, the path does."""
    assert to_location(DatastorePath("lake", path), LAKE, WORKSPACE_ID).is_folder is is_folder


@pytest.mark.parametrize("path", ["raw/", "/raw", "raw?sv=1&sig=abc"])
def test_slashes_around_a_path_and_its_query_are_no_part_of_the_place(path: str) -> None:
    """One folder has one URL."""
    assert (
        to_location(DatastorePath("lake", path), LAKE, WORKSPACE_ID).url
        == "https://contosolake.dfs.core.windows.net/fs/raw"
    )


@pytest.mark.parametrize("path", ["run:1/scores.csv", "2026-07-01T10:00/a.csv", "raw/report #1.csv"])
def test_punctuation_of_a_file_name_is_part_of_the_place(path: str) -> None:
    """Storage allows colons and number signs in names; cutting at one leads to another file."""
    assert (
        to_location(DatastorePath("lake", path), LAKE, WORKSPACE_ID).url
        == f"https://contosolake.dfs.core.windows.net/fs/{path}"
    )


def test_colon_in_the_first_folder_of_an_abfss_url_is_part_of_the_place() -> None:
    """What looks like a scheme after the host is a folder."""
    text = "abfss://fs@acct.dfs.core.windows.net/run:1/a.csv"
    assert parse_reference(text) == Location("https://acct.dfs.core.windows.net/fs/run:1/a.csv")


@pytest.mark.parametrize(
    ("path", "run_id"),
    [("azureml/cmd_1/prepared/", "cmd_1"), ("ExperimentRun/dcid.cmd_1/outputs/m.pkl", "cmd_1"), ("raw/a.csv", "")],
)
def test_path_below_a_run_id_names_the_run(path: str, run_id: str) -> None:
    """Where AML puts outputs by default, the path itself says who wrote it."""
    assert to_location(DatastorePath("lake", path), LAKE, WORKSPACE_ID).run_id == run_id


@pytest.mark.parametrize(
    ("path", "run"),
    [
        ("ExperimentRun/dcid.cmd_1/outputs/model", "cmd_1"),
        ("ExperimentRun/dcid.cmd_1", "cmd_1"),
        ("azureml/ExperimentRun/dcid.AutoML_1_2/outputs", "AutoML_1_2"),
        ("azureml/cmd_1/prepared/", "cmd_1"),
        ("azureml/cmd_1/prepared", "cmd_1"),
        ("azureml/cmd_1", None),
        ("raw/azureml/cmd_1/prepared/", None),
        ("raw/loan.csv", None),
        ("", None),
    ],
)
def test_run_is_read_from_a_path_that_names_it(path: str, run: str | None) -> None:
    """The path of a model's files is the most exact evidence of the run that produced it."""
    assert run_of_path(path) == run


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("ExperimentRun/dcid.cmd_1", True),
        ("ExperimentRun/dcid.cmd_1/", True),
        ("azureml://datastores/workspaceartifactstore/ExperimentRun/dcid.cmd_1", True),
        ("ExperimentRun/dcid.cmd_1/outputs/model", False),
        ("azureml/cmd_1/default/", False),
        ("raw/", False),
    ],
)
def test_only_a_runs_whole_artifact_folder_is_its_log(path: str, expected: bool) -> None:
    """Logs and MLflow files are no data set; a model below them is."""
    assert is_run_log(path) is expected
