"""The emulated services of a workspace that MLClient has no public call for: run history, resolving, MLflow."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import requests

from emulator.server import Emulator

WORKSPACE = (
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg-ml"
    "/providers/Microsoft.MachineLearningServices/workspaces/ws-credit"
)
LOCATION = "azureml://locations/eastus2/workspaces/11111111-1111-1111-1111-111111111111"
LONG = "azureml://subscriptions/00000000-0000-0000-0000-000000000000/resourcegroups/rg-ml/workspaces/ws-credit"
PREPARE, SPLIT, TRAIN, SCORE = (f"cccccccc-0000-4000-8000-{number:012}" for number in range(1, 5))


class Host:
    """The workspace's own host, asked with a token."""

    def __init__(self, emulator: Emulator, session: requests.Session) -> None:
        self._url = emulator.url
        self._session = session

    def get(self, path: str, status: int = 200, query: Mapping[str, str] | None = None) -> dict[str, Any]:
        """GET a path or a whole URL."""
        url = path if path.startswith("https") else f"{self._url}{path}"
        return self._read(self._session.get(url, params=query, timeout=10), status)

    def post(self, path: str, body: object, status: int = 200) -> dict[str, Any]:
        """POST JSON to a path."""
        return self._read(self._session.post(f"{self._url}{path}", json=body, timeout=10), status)

    def run_data(self, run_id: str, status: int = 200) -> dict[str, Any]:
        """Ask for a run with its inputs, outputs and definition."""
        body = {"runId": run_id, "selectRunMetadata": True, "selectRunDefinition": True}
        return self.post(f"/history/v1.0{WORKSPACE}/rundata", body, status)

    def search(self, status: int = 200, **body: object) -> dict[str, Any]:
        """Search runs through MLflow."""
        return self.post(f"/mlflow/v2.0{WORKSPACE}/api/2.0/mlflow/runs/search", body, status)

    def download(self, path: str, file: str) -> requests.Response:
        """GET a file of a run."""
        return self._session.get(f"{self._url}{path}", params={"path": file}, timeout=10)

    @staticmethod
    def _read(response: requests.Response, status: int) -> dict[str, Any]:
        assert response.status_code == status, response.text
        answer: dict[str, Any] = response.json()
        return answer


@pytest.fixture
def host(emulator: Emulator) -> Iterator[Host]:
    """The host of workspace ws-credit in scenario credit-risk."""
    emulator.control.use("credit-risk")
    with requests.Session() as session:
        session.trust_env = False
        session.verify = emulator.ca_bundle
        session.headers["Authorization"] = "Bearer anything"
        yield Host(emulator, session)


def test_inputs_are_null_in_the_record_and_given_in_rundata(host: Host) -> None:
    """The same run has null inputs and outputs when read, and real ones when asked for its data."""
    record = host.get(f"/history/v1.0{WORKSPACE}/runs/{PREPARE}")
    assert (record["inputs"], record["outputs"], record["rootRunId"]) == (None, None, "creditrisk_pipeline")
    data = host.run_data(PREPARE)
    assert data["runMetadata"]["inputs"]["LoanData"] == {
        "assetId": f"{LOCATION}/data/LoanData/versions/1",
        "type": "UriFile",
    }
    assert set(data["runMetadata"]["outputs"]) == {"default", "prepared_data"}
    assert data["runMetadata"]["runDefinition"] is None


def test_definition_keeps_the_literal_name_in_output_paths(host: Host) -> None:
    """Output paths of the definition still have ``${{name}}`` where the run id goes."""
    output = host.run_data(PREPARE)["runDefinition"]["outputData"]["prepared_data"]["outputLocation"]
    assert output["uri"]["path"] == "azureml://datastores/workspaceblobstore/paths/azureml/${{name}}/prepared_data/"


def test_pipeline_root_has_no_definition(host: Host) -> None:
    """A run that only orchestrates has inputs, and no definition."""
    data = host.run_data("creditrisk_pipeline")
    assert data["runDefinition"] is None
    assert set(data["runMetadata"]["inputs"]) == {"LoanData", "BorrowerData"}


def test_definition_is_left_out_unless_selected(host: Host) -> None:
    """Only the selected parts are answered."""
    data = host.post(f"/history/v1.0{WORKSPACE}/rundata", {"runId": "creditrisk_train", "selectRunMetadata": True})
    assert data["runDefinition"] is None
    assert data["runMetadata"]["runId"] == "creditrisk_train"


def test_literal_parameters_are_environment_variables(host: Host) -> None:
    """Literal inputs of a run show up as AZUREML_PARAMETER variables, as text."""
    variables = host.run_data("creditrisk_train")["runDefinition"]["environmentVariables"]
    assert variables == {"AZUREML_PARAMETER_C": "1.0", "AZUREML_PARAMETER_max_iter": "200"}


def test_curated_environment_is_only_a_dockerfile(host: Host) -> None:
    """Packages of a curated environment are in its Dockerfile, not in a conda file."""
    curated = host.run_data(TRAIN)["runDefinition"]["environment"]
    assert curated["assetId"] == "azureml://registries/azureml/environments/sklearn-1.5/versions/40"
    assert curated["python"] == {"userManagedDependencies": True, "condaDependencies": None}
    assert "scikit-learn~=1.5.0" in curated["docker"]["baseDockerfile"]
    own = host.run_data("creditrisk_train")["runDefinition"]["environment"]
    assert own["python"]["condaDependencies"]["dependencies"][0] == "python=3.10"


def test_batch_answers_found_and_missing_runs_apart(host: Host) -> None:
    """One request answers many runs; a missing one fails alone."""
    wanted = {run: {"runId": run, "selectRunMetadata": True} for run in (SPLIT, SCORE, "absent")}
    answer = host.post(f"/history/v1.0{WORKSPACE}/batchrundata", {"requests": wanted})
    assert set(answer["successfulResults"]) == {SPLIT, SCORE}
    assert set(answer["failedResults"]) == {"absent"}
    outputs = answer["successfulResults"][SCORE]["runMetadata"]["outputs"]
    assert outputs["batchinfer_data"]["assetId"] == f"{LOCATION}/data/CreditRiskBatchInferenceData/versions/1"


def test_step_input_is_the_anonymous_asset_of_the_step_before(host: Host) -> None:
    """Two steps are linked by the same asset id on both sides."""
    produced = host.run_data(SPLIT)["runMetadata"]["outputs"]["train_data"]["assetId"]
    assert produced == f"{LOCATION}/data/azureml_{SPLIT}_output_data_train_data/versions/1"
    assert host.run_data(TRAIN)["runMetadata"]["inputs"]["train_data"]["assetId"] == produced


def test_assets_resolve_to_long_paths(host: Host) -> None:
    """Registered, anonymous input, anonymous output and default assets resolve in one request; unknown ones do not."""
    names = {
        "LoanData": "lake/paths/raw/loan.csv",
        "azureml_creditrisk_preprocess_input_data_loan": "lake/paths/raw/loan.csv",
        f"azureml_{SPLIT}_output_data_test_data": f"workspaceblobstore/paths/azureml/{SPLIT}/test_data/",
        f"azureml_{SPLIT}_output_data_default": f"workspaceartifactstore/paths/ExperimentRun/dcid.{SPLIT}/",
        "creditrisk_predictions": "workspaceblobstore/paths/azureml/creditrisk_batch_inference/predictions/",
    }
    ids = [f"{LOCATION}/data/{name}/versions/1" for name in [*names, "absent"]]
    answer = host.post(f"/data/v1.0{WORKSPACE}/dataversion/batchGetResolvedUris", {"values": ids})["values"]
    assert {asset_id: value["uri"] for asset_id, value in answer.items()} == {
        f"{LOCATION}/data/{name}/versions/1": f"{LONG}/datastores/{path}" for name, path in names.items()
    }


def test_assets_of_another_workspace_do_not_resolve(host: Host) -> None:
    """An id with another workspace's GUID is unknown here."""
    foreign = "azureml://locations/eastus2/workspaces/22222222-0000-0000-0000-000000000000/data/LoanData/versions/1"
    answer = host.post(f"/data/v1.0{WORKSPACE}/dataversion/batchGetResolvedUris", {"values": [foreign]})
    assert answer == {"values": {}}


def test_models_resolve_with_camel_case_groups(host: Host) -> None:
    """Model paths have resourceGroups, data paths resourcegroups."""
    model = f"{LOCATION}/models/creditrisk_model/versions/2"
    answer = host.post(f"/modelregistry/v1.0{WORKSPACE}/models/batchGetResolvedUris", {"values": [model]})["values"]
    assert answer[model]["type"] == "MLFlowModel"
    assert answer[model]["path"].startswith(LONG.replace("resourcegroups", "resourceGroups"))
    assert host.run_data("creditrisk_batch_inference")["runMetadata"]["inputs"]["model"]["assetId"] == model


def test_children_come_in_pages_of_fifty(host: Host, emulator: Emulator) -> None:
    """120 children take three pages, each naming the next one by a full URL."""
    emulator.control.use("chain", steps=120)
    path = f"/history/v1.0{WORKSPACE.replace('rg-ml', 'rg-chain').replace('ws-credit', 'ws-chain')}"
    sizes, names = [], []
    url: str | None = f"{path}/runs/chain_pipeline/children"
    while url:
        answer = host.get(url)
        sizes.append(len(answer["value"]))
        names += [child["displayName"] for child in answer["value"]]
        assert (answer["continuationToken"] is None) == (answer["nextLink"] is None)
        url = answer["nextLink"]
    assert sizes == [50, 50, 20]
    assert names == [f"step_{number:03}" for number in range(1, 121)]


def test_reused_step_has_no_inputs_and_points_to_the_original(host: Host, emulator: Emulator) -> None:
    """A cached step is empty, names the run it reuses, and the step after it reads that run's output."""
    step = {"kind": "step", "parent": "second_pipeline", "experiment": "CreditRiskPipeline"}
    emulator.control.add_to_azure_ml(
        {
            "workspaces": {
                "ws-credit": {
                    "runs": {
                        "second_pipeline": {"kind": "pipeline", "experiment": "CreditRiskPipeline"},
                        "reused_step": {**step, "display_name": "PrepareData", "reused_from": PREPARE},
                        "next_step": {**step, "inputs": {"data": {"output_of": "reused_step/prepared_data"}}},
                    }
                }
            }
        }
    )
    reused = host.run_data("reused_step")["runMetadata"]
    assert (reused["inputs"], reused["outputs"]) == ({}, {})
    assert reused["properties"]["azureml.isreused"] == "true"
    assert reused["properties"]["azureml.reusedrunid"] == PREPARE
    assert reused["dataContainerId"] == f"dcid.{PREPARE}"
    following = host.run_data("next_step")["runMetadata"]["inputs"]["data"]["assetId"]
    assert following == f"{LOCATION}/data/azureml_{PREPARE}_output_data_prepared_data/versions/1"


def test_details_are_flat_and_have_signed_log_addresses(host: Host) -> None:
    """Details have inputs and outputs at the top, and log files that must not be kept."""
    details = host.get(f"/history/v1.0{WORKSPACE}/runs/{TRAIN}/details")
    assert set(details["outputs"]) == {"default", "model_data", "metrics_data"}
    assert "sig=" in details["logFiles"]["user_logs/std_log.txt"]
    assert "runType" not in details


def test_transitions_advance_with_each_read(host: Host, emulator: Emulator) -> None:
    """A scripted run is hidden first, then changes its status at each read and stays at the last one."""
    emulator.control.transitions("creditrisk_train", ["Running", "Finalizing", "Completed"], visible_after_reads=1)
    assert host.run_data("creditrisk_train", status=404)["error"]["code"] == "UserError"
    seen = [host.run_data("creditrisk_train")["runMetadata"] for _ in range(4)]
    assert [run["status"] for run in seen] == ["Running", "Finalizing", "Completed", "Completed"]
    assert [run["endTimeUtc"] is None for run in seen] == [True, True, False, False]


def test_running_run_has_not_registered_its_outputs(host: Host, emulator: Emulator) -> None:
    """Outputs appear when a run ends."""
    emulator.control.transitions(PREPARE, ["Running", "Completed"])
    assert set(host.run_data(PREPARE)["runMetadata"]["outputs"]) == {"default"}
    assert set(host.run_data(PREPARE)["runMetadata"]["outputs"]) == {"default", "prepared_data"}


def test_lists_show_a_scripted_status_without_moving_it_on(host: Host, emulator: Emulator) -> None:
    """Searching does not count as reading a run's record."""
    emulator.control.transitions("creditrisk_train", ["Running", "Completed"])
    for _ in range(3):
        found = host.search(experiment_ids=["22222222-2222-2222-2222-222222222222"])
        statuses = {run["info"]["run_id"]: run["info"]["status"] for run in found["runs"]}
        assert statuses["creditrisk_train"] == "RUNNING"
    assert host.run_data("creditrisk_train")["runMetadata"]["status"] == "Running"


def test_mlflow_run_has_metrics_and_parameters(host: Host) -> None:
    """Both version prefixes answer a run's metrics, parameters and git tags."""
    for version in ("v1.0", "v2.0"):
        run = host.get(f"/mlflow/{version}{WORKSPACE}/api/2.0/mlflow/runs/get", query={"run_id": "creditrisk_train"})[
            "run"
        ]
        assert {metric["key"]: metric["value"] for metric in run["data"]["metrics"]}["AUC"] == 0.87
        assert {"key": "C", "value": "1.0"} in run["data"]["params"]
        assert run["info"]["status"] == "FINISHED"
        assert {"key": "mlflow.source.git.branch", "value": "main"} in run["data"]["tags"]


def test_data_that_a_run_logged_is_what_mlflow_itself_reads(emulator: Emulator, host: Host) -> None:
    """By MLflow's own messages and entities; a run that logged none has no member for it."""
    from mlflow.entities import RunInputs
    from mlflow.protos.service_pb2 import RunInputs as ProtoRunInputs
    from mlflow.utils.proto_json_utils import parse_dict

    logged = {"name": "churn", "context": "training", "source_type": "azureml", "source": {"uri": "azureml://x"}}
    emulator.control.add_to_azure_ml({"workspaces": {"ws-credit": {"runs": {"logs": {"logged_inputs": [logged]}}}}})
    path = f"/mlflow/v2.0{WORKSPACE}/api/2.0/mlflow/runs/get"
    answer = host.get(path, query={"run_id": "logs"})["run"]["inputs"]
    message = ProtoRunInputs()
    parse_dict(answer, message)
    (read,) = RunInputs.from_proto(message).dataset_inputs
    assert [(tag.key, tag.value) for tag in read.tags] == [("mlflow.data.context", "training")]
    assert (read.dataset.name, read.dataset.source_type) == ("churn", "azureml")
    assert json.loads(read.dataset.source) == {"uri": "azureml://x"}
    assert host.get(path, query={"run_id": "creditrisk_train"})["run"]["inputs"] == {}


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("tags.mlflow.rootRunId = 'creditrisk_pipeline'", ["creditrisk_pipeline", PREPARE, SPLIT, TRAIN, SCORE]),
        ('tags."mlflow.rootRunId" = \'creditrisk_pipeline\'', ["creditrisk_pipeline", PREPARE, SPLIT, TRAIN, SCORE]),
        ("tags.`mlflow.parentRunId` != 'x'", [PREPARE, SPLIT, TRAIN, SCORE]),
        (f"attributes.run_id IN ('{PREPARE}', '{SCORE}', 'absent')", [PREPARE, SCORE]),
        (f"attributes.run_id IN ('{PREPARE}') and attributes.status = 'FAILED'", []),
        ("attributes.start_time >= 1782979860000", [SPLIT, TRAIN, SCORE]),
    ],
)  # fmt: skip
def test_mlflow_search_filters(host: Host, query: str, found: list[str]) -> None:
    """Searches by tag, by a list of ids, by status and by time find the right runs."""
    answer = host.search(experiment_ids=["33333333-3333-3333-3333-333333333333"], filter=query)
    assert sorted(run["info"]["run_id"] for run in answer["runs"]) == sorted(found)


def test_mlflow_search_is_paged(host: Host) -> None:
    """A search continues with the token of its answer, and the last page has none."""
    ids = ["33333333-3333-3333-3333-333333333333"]
    first = host.search(experiment_ids=ids, max_results=3)
    last = host.search(experiment_ids=ids, max_results=3, page_token=first["next_page_token"])
    assert (len(first["runs"]), len(last["runs"]), "next_page_token" in last) == (3, 2, False)


@pytest.mark.parametrize("query", ["tags.a LIKE 'b%'", "attributes.nonsense = 'x'", "gibberish"])
def test_mlflow_filter_that_is_not_understood_is_refused(host: Host, query: str) -> None:
    """A filter the emulator cannot read is an error, never an unfiltered answer."""
    answer = host.search(400, experiment_ids=["33333333-3333-3333-3333-333333333333"], filter=query)
    assert answer["error_code"] == "INVALID_PARAMETER_VALUE"


def test_mlflow_experiment_model_and_history_are_read(host: Host) -> None:
    """The small MLflow reads answer by id, and say so when there is nothing."""
    mlflow = f"/mlflow/v2.0{WORKSPACE}/api/2.0/mlflow"
    experiment = host.get(f"{mlflow}/experiments/get", query={"experiment_id": "22222222-2222-2222-2222-222222222222"})
    assert experiment["experiment"]["name"] == "creditrisk-experiment"
    version = host.get(f"{mlflow}/model-versions/get", query={"name": "creditrisk_model", "version": "2"})[
        "model_version"
    ]
    assert version["run_id"] == "creditrisk_train"
    history = host.get(f"{mlflow}/metrics/get-history", query={"run_id": "creditrisk_train", "metric_key": "F1"})[
        "metrics"
    ]
    assert [value["value"] for value in history] == [0.77]
    assert host.get(f"{mlflow}/runs/get", 404, {"run_id": "absent"})["error_code"] == "RESOURCE_DOES_NOT_EXIST"


def test_experiment_is_read_and_its_runs_are_queried(host: Host) -> None:
    """An experiment GUID gives its name, and its runs by a filter."""
    path = f"/history/v1.0{WORKSPACE}/experimentids/33333333-3333-3333-3333-333333333333"
    assert host.get(path)["name"] == "CreditRiskPipeline"
    answer = host.post(f"{path}/runs:query", {"filter": "runType eq 'azureml.StepRun' and status eq Completed"})
    assert len(answer["value"]) == 4
    host.post(f"{path}/runs:query", {"filter": "contains(runId, 'x')"}, 400)


def test_arm_request_without_api_version_is_refused(host: Host) -> None:
    """ARM answers 400 when the version is missing or malformed."""
    assert host.get(WORKSPACE, 400)["error"]["code"] == "MissingApiVersionParameter"
    assert host.get(WORKSPACE, 400, query={"api-version": "latest"})["error"]["code"] == "InvalidApiVersionParameter"


def test_datastore_owner_is_shown_by_newer_versions_only(host: Host) -> None:
    """The storage account's subscription came with a newer contract."""
    path = f"{WORKSPACE}/datastores/lake"
    assert "subscriptionId" not in host.get(path, query={"api-version": "2023-04-01"})["properties"]
    assert host.get(path, query={"api-version": "2024-10-01-preview"})["properties"]["resourceGroup"] == "rg-ml"


def test_unknown_things_are_not_found_in_the_shape_of_their_service(host: Host) -> None:
    """Paths, workspaces and runs that do not exist have ARM's error envelope."""
    assert host.get("/subscriptions/0/nonsense", 404)["error"]["code"] == "NotFound"
    nowhere = WORKSPACE.replace("ws-credit", "ws-nowhere")
    assert host.get(nowhere, 404, query={"api-version": "2023-04-01"})["error"]["code"] == "ResourceNotFound"
    assert host.get(f"/history/v1.0{WORKSPACE}/runs/absent", 404)["error"]["code"] == "UserError"


@pytest.mark.parametrize("body", [{}, {"runId": 1}, []])
def test_malformed_rundata_request_is_refused(host: Host, body: object) -> None:
    """A request that names no run is an error of the user."""
    assert host.post(f"/history/v1.0{WORKSPACE}/rundata", body, 400)["error"]["code"] == "UserError"


def test_same_names_in_two_workspaces_are_different_things(host: Host, emulator: Emulator) -> None:
    """Run train reads east's lake in one workspace and west's in the other."""
    emulator.control.use("two-workspaces")
    accounts = {}
    for side in ("east", "west"):
        path = WORKSPACE.replace("rg-ml", f"rg-{side}").replace("ws-credit", f"ws-{side}")
        store = host.get(f"{path}/datastores/lake", query={"api-version": "2023-04-01"})
        run = host.get(f"/history/v1.0{path}/runs/train")
        accounts[store["properties"]["accountName"]] = run["experimentId"][-1]
    assert accounts == {"eastlake": "1", "westlake": "2"}


FILES = {"lineage/a b.json": {"a": 1}, "notes.txt": "plain"}


@pytest.fixture
def artifacts(emulator: Emulator, host: Host) -> str:
    """Files of the run `logged`, and a step that reuses it; where they are read."""
    runs = {
        "logged": {"experiment": "tuning", "artifacts": FILES},
        "p": {"kind": "pipeline", "experiment": "tuning"},
        "again": {"kind": "step", "parent": "p", "experiment": "tuning", "reused_from": "logged"},
    }
    emulator.control.add_to_azure_ml({"workspaces": {"ws-credit": {"runs": runs}}})
    assert host.run_data("again")["runMetadata"]["dataContainerId"] == "dcid.logged"
    return f"/artifact/v2.0{WORKSPACE}/artifacts"


def test_file_of_a_run_is_answered_as_it_was_logged(host: Host, artifacts: str) -> None:
    """The body is the file, whatever is in it."""
    address = f"{artifacts}/ExperimentRun/dcid.logged/content"
    assert host.get(address, query={"path": "lineage/a b.json"}) == {"a": 1}
    answer = host.download(address, "notes.txt")
    assert (answer.content, answer.headers["Content-Type"]) == (b"plain", "application/octet-stream")


@pytest.mark.parametrize(
    ("container", "path", "status"),
    [
        ("ExperimentRun/dcid.logged", "missing.json", 404),
        ("ExperimentRun/dcid.again", "notes.txt", 404),
        ("ExperimentRun/dcid.absent", "notes.txt", 404),
        ("ExperimentRun/logged", "notes.txt", 404),
        ("LocalUpload/dcid.logged", "notes.txt", 404),
        ("ExperimentRun/dcid.logged", "", 400),
    ],
)
def test_file_that_is_not_there_is_answered_404(
    host: Host, artifacts: str, container: str, path: str, status: int
) -> None:
    """Origin, container and path all have to be right."""
    error = host.get(f"{artifacts}/{container}/content", status, {"path": path})["error"]
    assert error["code"] == "UserError"


CHILDREN = f"/history/v1.0{WORKSPACE}/runs/creditrisk_pipeline/children"


@pytest.mark.parametrize(
    ("path", "query"),
    [
        (CHILDREN, {"continuationToken": "b2Zmc2V0OjE="}),
        (CHILDREN, {"top": "1"}),
        (f"/history/v1.0{WORKSPACE}/runs/{PREPARE}", {"$top": "1"}),
        (f"{WORKSPACE}/jobs", {"api-version": "2024-10-01", "$top": "1"}),
        (f"{WORKSPACE}/models", {"api-version": "2024-10-01", "$orderBy": "createdtime desc"}),
        (f"{WORKSPACE}/onlineEndpoints", {"api-version": "2024-10-01", "listViewType": "All"}),
        (f"/mlflow/v2.0{WORKSPACE}/api/2.0/mlflow/runs/get", {"run": PREPARE}),
    ],
)
def test_query_parameter_that_no_contract_knows_is_refused(host: Host, path: str, query: dict[str, str]) -> None:
    """Azure would ignore it, and a client would believe that it had an effect."""
    assert "has no query parameter" in host.get(path, 400, query)["error"]["message"]


def test_member_of_a_body_that_no_contract_knows_is_refused(host: Host) -> None:
    """Also in each request of a batch."""
    uris = host.post(f"/data/v1.0{WORKSPACE}/dataversion/batchGetResolvedUris", {"ids": []}, 400)
    batch = host.post(f"/history/v1.0{WORKSPACE}/batchrundata", {"requests": {"a": {"runId": "a", "all": True}}}, 400)
    for answer in (uris, batch, host.search(400, where="x")):
        assert "has no member" in answer["error"]["message"]


def test_children_go_on_by_the_token_that_the_client_of_the_sdk_sends(host: Host) -> None:
    """Its case does not matter, as with every name of a query."""
    first = host.get(CHILDREN, query={"$top": "1"})
    for name in ("$continuationtoken", "$continuationToken"):
        second = host.get(CHILDREN, query={"$top": "1", name: first["continuationToken"]})
        assert second["value"] != first["value"]
