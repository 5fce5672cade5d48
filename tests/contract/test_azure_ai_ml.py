"""The genuine MLClient against the emulator: what it parses, the emulator must format right."""

import logging
import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from azure.ai.ml import MLClient
from azure.core.credentials import AccessToken
from azure.core.exceptions import ClientAuthenticationError, ResourceNotFoundError
from azure.core.pipeline.transport import RequestsTransport

from emulator.server import Emulator

SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
TRAIN_MODEL = "cccccccc-0000-4000-8000-000000000003"

# One run of each kind that scenario credit-risk has none of, and a batch endpoint.
OTHER_KINDS: dict[str, Any] = {
    "workspaces": {
        "ws-credit": {
            "datastores": {
                "share": {"type": "AzureFile", "account": "stcredit", "container": "reports"},
                "onelake": {"type": "OneLake", "one_lake_workspace": "workspace-guid", "container": "lakehouse-guid"},
            },
            "data": {
                "LoanTable:1": {"type": "mltable", "path": "azureml://datastores/lake/paths/tables/loan/"},
                "LoanData:2": {
                    "type": "uri_file",
                    "path": "https://contosodata.blob.core.windows.net/public/loan.csv",
                    "created_at": "2026-07-03T09:00:00Z",
                },
            },
            "runs": {
                "sweep_1": {
                    "kind": "sweep",
                    "experiment": "tuning",
                    "command": "python train.py --lr ${{search_space.lr}}",
                    "environment": "creditrisk-env:3",
                    "inputs": {"data": {"asset": "LoanData:1"}},
                    "settings": {"search_space": {"lr": ["uniform", [0.01, 0.9]]}, "primary_metric": "AUC"},
                    "properties": {"best_child_run_id": "sweep_1_0"},
                },
                "sweep_1_0": {"kind": "trial", "parent": "sweep_1", "experiment": "tuning"},
                "automl_1": {
                    "kind": "automl",
                    "experiment": "tuning",
                    "inputs": {"training_data": {"asset": "LoanTable:1"}},
                    "settings": {"task": "Classification", "primary_metric": "AUCWeighted", "target": "loanStatus"},
                },
                "spark_1": {
                    "kind": "spark",
                    "experiment": "tuning",
                    "inputs": {
                        "raw": {"uri": "abfss://credit@contosolake.dfs.core.windows.net/raw/", "type": "uri_folder"}
                    },
                    "outputs": {"clean": {"type": "uri_folder"}},
                },
                "import_1": {
                    "kind": "import",
                    "experiment": "tuning",
                    "settings": {"type": "database", "connection": "azureml:sql", "query": "select 1"},
                    "outputs": {"output": {"type": "mltable", "register": "Imported:1"}},
                },
                "batch_1": {"kind": "batch", "experiment": "creditrisk-batch", "tags": {"azureml.batchrun": "true"}},
            },
            "components": {
                "prepare:1": {
                    "command": "python prepare.py",
                    "environment": "creditrisk-env:3",
                    "inputs": {"raw": "uri_file"},
                }
            },
            "batch_endpoints": {"creditrisk-batch": {"deployments": {"nightly": {"model": "creditrisk_model:2"}}}},
        }
    }
}


class FixedToken:
    """A credential that needs no sign-in."""

    def get_token(self, *_: str, **__: object) -> AccessToken:
        """Give a token that lasts."""
        return AccessToken("emulator", int(time.time()) + 3600)


class Connections:
    """Makes clients that trust the emulator's CA, take every address from it and share one session."""

    def __init__(self, emulator: Emulator, session: requests.Session) -> None:
        self._emulator = emulator
        self._session = session

    def client(self, workspace: str = "ws-credit", resource_group: str = "rg-ml", retries: int = 0) -> MLClient:
        """Build the genuine client of one workspace."""
        url = f"{self._emulator.url}/"
        return MLClient(
            FixedToken(),
            SUBSCRIPTION,
            resource_group,
            workspace,
            # MLClient remembers clouds by name for the whole process.
            cloud=f"emulator-{url.rpartition(':')[2]}",
            cloud_metadata={
                "azure_portal": "https://ml.azure.com",
                "resource_manager": url,
                "active_directory": url,
                "aml_resource_id": url,
                "storage_endpoint": "core.windows.net",
                "registry_discovery_endpoint": url,
            },
            enable_telemetry=False,
            transport=RequestsTransport(
                session=self._session, session_owner=False, connection_verify=self._emulator.ca_bundle
            ),
            retry_total=retries,
        )


@pytest.fixture
def connections(emulator: Emulator) -> Iterator[Connections]:
    """Scenario credit-risk with one run of every kind, and a way to make clients of it."""
    emulator.control.use("credit-risk")
    emulator.control.add_to_azure_ml(OTHER_KINDS)
    logging.getLogger("azure.ai.ml").setLevel(logging.CRITICAL)
    with requests.Session() as session:
        session.trust_env = False
        yield Connections(emulator, session)


@pytest.fixture
def client(connections: Connections) -> MLClient:
    """A client of workspace ws-credit."""
    return connections.client()


def test_command_job_is_parsed_with_inputs_outputs_and_literals(client: MLClient) -> None:
    """A command job shows its storage input, its parameters and its environment."""
    job = client.jobs.get("creditrisk_train")
    assert (job.type, job.status, job.experiment_name) == ("command", "Completed", "creditrisk-experiment")
    assert job.inputs["prepared_data"].path == (
        "azureml://datastores/workspaceblobstore/paths/azureml/creditrisk_preprocess/prepared_data/"
    )
    assert job.inputs["C"]._data == "1.0"
    assert job.environment == "creditrisk-env:3"
    assert job.properties["mlflow.source.git.branch"] == "main"


def test_registered_output_of_command_job_has_name_without_version(client: MLClient) -> None:
    """The ARM job of a run that registered its output tells the asset's name only, and a literal run id."""
    output = client.jobs.get("creditrisk_batch_inference").outputs["predictions"]
    assert output.name == "creditrisk_predictions"
    assert output.version is None
    assert output.path == "azureml://datastores/workspaceblobstore/paths/azureml/${{name}}/predictions/"


def test_pipeline_job_is_parsed_with_its_wiring(client: MLClient) -> None:
    """A pipeline shows its nodes and how they are bound to each other."""
    job = client.jobs.get("creditrisk_pipeline")
    assert job.type == "pipeline"
    assert list(job.jobs) == ["PrepareData", "TestTrainDataSplit", "TrainModel", "RunBatchInference"]
    assert job.inputs["LoanData"].path == "LoanData:1"
    train = job.jobs["TrainModel"]
    assert train.inputs["train_data"]._data == "${{parent.jobs.TestTrainDataSplit.outputs.train_data}}"
    prepare = job.jobs["PrepareData"]
    assert prepare.inputs["LoanData"]._data == "${{parent.inputs.LoanData}}"


def test_pipeline_child_is_recognised_by_its_missing_properties(client: MLClient, emulator: Emulator) -> None:
    """A child has no inputs or outputs in the SDK, which asks run history for its record."""
    job = client.jobs.get(TRAIN_MODEL)
    assert job.display_name == "TrainModel"
    assert job.experiment_name == "33333333-3333-3333-3333-333333333333"
    assert not hasattr(job, "inputs")
    paths = [request.path.rpartition("/workspaces/ws-credit")[2] for request in emulator.control.requests()]
    assert paths == [f"/jobs/{TRAIN_MODEL}", "", "/discovery", f"/runs/{TRAIN_MODEL}"]


def test_children_of_pipeline_are_listed(client: MLClient) -> None:
    """Listing by parent goes through run history's children."""
    names = [child.display_name for child in client.jobs.list(parent_job_name="creditrisk_pipeline")]
    assert names == ["PrepareData", "TestTrainDataSplit", "TrainModel", "RunBatchInference"]


def test_sweep_job_is_parsed_with_search_space(client: MLClient) -> None:
    """A sweep shows its objective, its search space and its input."""
    job = client.jobs.get("sweep_1")
    assert job.type == "sweep"
    assert job.objective.primary_metric == "AUC"
    assert job.search_space["lr"].max_value == 0.9
    assert job.inputs["data"].path == "LoanData:1"


def test_automl_job_has_its_data_in_the_task(client: MLClient) -> None:
    """An AutoML run has no inputs; its training data is a member of the task."""
    job = client.jobs.get("automl_1")
    assert job.inputs == {}
    assert job.target_column_name == "loanStatus"
    assert job.training_data.path.endswith("/data/LoanTable/versions/1")


def test_spark_job_is_parsed_with_direct_inputs(client: MLClient) -> None:
    """A Spark run reads raw lake addresses directly."""
    job = client.jobs.get("spark_1")
    assert job.type == "spark"
    assert job.inputs["raw"].path == "abfss://credit@contosolake.dfs.core.windows.net/raw/"
    assert job.outputs["clean"].mode == "direct"


def test_import_job_has_source_and_output(client: MLClient) -> None:
    """A data import is a command on Data Factory with its source in literals."""
    job = client.jobs.get("import_1")
    assert (job.source.connection, job.source.query) == ("azureml:sql", "select 1")
    assert job.output.name == "Imported"


def test_batch_scoring_job_is_an_empty_pipeline(client: MLClient) -> None:
    """A batch scoring job of a model deployment is a pipeline without jobs, inputs or outputs."""
    job = client.jobs.get("batch_1")
    assert (job.type, job.jobs, job.inputs, job.tags["azureml.batchrun"]) == ("pipeline", {}, {}, "true")


def test_jobs_are_listed_without_children(client: MLClient) -> None:
    """The list of jobs has top-level runs only, newest first."""
    names = [job.name for job in client.jobs.list()]
    assert names[0] == "creditrisk_pipeline"
    assert {"creditrisk_train", "sweep_1", "spark_1", "automl_1"} <= set(names)
    assert "sweep_1_0" not in names
    assert TRAIN_MODEL not in names


def test_model_version_leads_to_its_run(client: MLClient) -> None:
    """A model version has the run it was registered from, its path and its flavors."""
    model = client.models.get("creditrisk_model", version="2")
    assert (model.job_name, model.type, model.tags) == ("creditrisk_train", "mlflow_model", {"area": "credit-risk"})
    assert model.path.endswith(
        "/datastores/workspaceartifactstore/paths/ExperimentRun/dcid.creditrisk_train/outputs/model"
    )
    assert model.flavors["sklearn"]["sklearn_version"] == "1.5.1"


def test_latest_model_is_the_newest_by_creation(client: MLClient) -> None:
    """Label latest goes by creation time, not by number."""
    assert client.models.get("creditrisk_model", label="latest").version == "1"


def test_model_versions_are_listed(client: MLClient) -> None:
    """All versions of a model are listed, newest first; without a name, all models."""
    assert [model.version for model in client.models.list("creditrisk_model")] == ["1", "2"]
    assert [(model.name, model.latest_version) for model in client.models.list()] == [("creditrisk_model", "1")]


def test_model_of_an_output_without_a_name_is_listed_as_azure_ml_calls_it(client: MLClient, emulator: Emulator) -> None:
    """Clients that want models of people filter these names out."""
    run = {"experiment": "churn", "outputs": {"best": {"type": "mlflow_model"}}}
    emulator.control.add_to_azure_ml({"workspaces": {"ws-credit": {"runs": {"unnamed": run}}}})
    assert "azureml_unnamed_output_best" in [model.name for model in client.models.list()]
    (version,) = client.models.list(name="azureml_unnamed_output_best")
    assert (version.version, version.type) == ("1", "mlflow_model")
    assert str(version.path).endswith("/azureml/unnamed/best/")


def test_data_version_has_long_path_when_read_and_guid_path_when_listed(client: MLClient) -> None:
    """The same asset has its path in two formats."""
    data = client.data.get("LoanData", version="1")
    assert data.path == (
        f"azureml://subscriptions/{SUBSCRIPTION}/resourcegroups/rg-ml/workspaces/ws-credit"
        "/datastores/lake/paths/raw/loan.csv"
    )
    listed = {data.version: data.path for data in client.data.list("LoanData")}
    assert listed == {
        "1": "azureml://workspaces/11111111-1111-1111-1111-111111111111/datastores/lake/paths/raw/loan.csv",
        "2": "https://contosodata.blob.core.windows.net/public/loan.csv",
    }


def test_latest_data_is_the_containers_latest_version(client: MLClient) -> None:
    """Label latest of data comes from its container."""
    assert client.data.get("LoanData", label="latest").version == "2"


def test_anonymous_data_is_not_listed(client: MLClient) -> None:
    """The assets the service makes for unregistered data are in no list."""
    names = {data.name for data in client.data.list()}
    assert names == {
        "LoanData",
        "BorrowerData",
        "creditrisk_predictions",
        "CreditRiskBatchInferenceData",
        "LoanTable",
        "Imported",
    }


def test_datastores_are_parsed_by_type(client: MLClient) -> None:
    """Blob and lake datastores have their own members; the default one is asked for apart."""
    assert client.datastores.get("lake").filesystem == "credit"
    assert client.datastores.get_default().account_name == "stcredit"
    assert client.datastores.get("share").file_share_name == "reports"
    assert client.datastores.get("onelake").artifact.name == "lakehouse-guid"
    assert [store.name for store in client.datastores.list()][:3] == [
        "workspaceblobstore", "workspaceartifactstore", "lake",
    ]  # fmt: skip


def test_environment_has_its_conda_file(client: MLClient) -> None:
    """An environment's conda file arrives as YAML text and is parsed."""
    environment = client.environments.get("creditrisk-env", version="3")
    assert environment.conda_file["dependencies"][0] == "python=3.10"
    assert [each.version for each in client.environments.list("creditrisk-env")] == ["3"]


def test_online_endpoint_and_deployment_name_their_model(client: MLClient) -> None:
    """The endpoint has the traffic, the deployment has the model."""
    endpoint = client.online_endpoints.get("creditrisk-endpoint")
    assert endpoint.traffic == {"blue": 100}
    [deployment] = client.online_deployments.list("creditrisk-endpoint")
    assert deployment.model.endswith("/models/creditrisk_model/versions/2")
    assert client.online_deployments.get("blue", "creditrisk-endpoint").name == "blue"
    assert [each.name for each in client.online_endpoints.list()] == ["creditrisk-endpoint"]


def test_batch_endpoint_and_deployment_name_their_model(client: MLClient) -> None:
    """The batch endpoint has its default deployment, the deployment has the model."""
    assert client.batch_endpoints.get("creditrisk-batch").defaults["deploymentName"] == "nightly"
    deployment = client.batch_deployments.get("nightly", "creditrisk-batch")
    assert deployment.model.endswith("/models/creditrisk_model/versions/2")


def test_component_has_its_command(client: MLClient) -> None:
    """A component has its command and its ports."""
    component = client.components.get("prepare", version="1")
    assert component.command == "python prepare.py"
    assert component.inputs["raw"].type == "uri_file"


def test_workspace_leads_to_the_emulator(client: MLClient, emulator: Emulator) -> None:
    """Discovery and MLflow addresses of the workspace are the emulator's own."""
    workspace = client.workspaces.get("ws-credit")
    assert workspace.discovery_url == f"{emulator.url}/discovery"
    assert workspace.mlflow_tracking_uri.startswith(emulator.url.replace("https", "azureml"))


@pytest.mark.parametrize("workspace", ["ws-credit", "ws-nowhere"])
def test_missing_things_are_not_found(connections: Connections, workspace: str) -> None:
    """A model, or the workspace itself, that is not there raises azure-core's own error."""
    with pytest.raises(ResourceNotFoundError):
        connections.client(workspace).models.get("no-such-model", version="1")


def test_unauthorized_answer_raises_authentication_error(client: MLClient, emulator: Emulator) -> None:
    """A scripted 401 is an authentication error in the SDK."""
    emulator.control.faults({"service": "azure_ml", "statuses": [401]})
    with pytest.raises(ClientAuthenticationError):
        client.models.get("creditrisk_model", version="2")


def test_throttled_request_is_sent_again(connections: Connections, emulator: Emulator) -> None:
    """The SDK retries a 429 by itself, honouring Retry-After, on the same connection."""
    emulator.control.faults({"service": "azure_ml", "statuses": [429], "retry_after": 0})
    assert connections.client(retries=3).models.get("creditrisk_model", version="2").version == "2"
    logged = emulator.control.requests()
    assert [request.status for request in logged] == [429, 200]
    assert len({request.connection for request in logged}) == 1


def test_cut_connection_is_tried_again(connections: Connections, emulator: Emulator) -> None:
    """A connection that goes away before the answer is an error the SDK retries."""
    emulator.control.faults({"service": "azure_ml", "cut": True})
    assert connections.client(retries=3).models.get("creditrisk_model", version="2").version == "2"
    assert [request.status for request in emulator.control.requests()] == [0, 200]


def test_workspace_in_lower_case_is_the_same_workspace(connections: Connections) -> None:
    """ARM ids do not care about case."""
    assert connections.client("WS-CREDIT", "RG-ML").models.get("creditrisk_model", version="2").version == "2"
