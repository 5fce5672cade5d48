"""Runs of other kinds than a command: AutoML, sweep, Spark, nested pipelines, odd data."""

import json
from collections.abc import Callable

from tests.harness.app import WORKSPACE, WS, App, model_registered, outcomes, run_completed

Add = Callable[..., None]


def test_automl_run_is_one_step_with_its_settings_and_the_model_of_its_best_trial(app: App, add: Add) -> None:
    """The trial that made the model is not shown; the run it belongs to stands for it."""
    add(
        data={"LoanTable:1": {"type": "mltable", "path": "azureml://datastores/lake/paths/tables/loan/"}},
        models={
            "automl_model:1": {
                "type": "mlflow_model",
                "path": "azureml://datastores/workspaceartifactstore/paths/ExperimentRun/dcid.automl_1_2/outputs/model",
                "job_name": "automl_1_2",
            }
        },
        runs={
            "automl_1": {
                "kind": "automl",
                "experiment": "tuning",
                "inputs": {"training_data": {"asset": "LoanTable:1"}},
                "settings": {"task": "Classification", "primary_metric": "AUCWeighted", "target": "loanStatus"},
            },
            "automl_1_2": {"kind": "automl_child", "parent": "automl_1", "experiment": "tuning"},
        },
    )
    reports = app.replay(
        [run_completed("automl_1"), run_completed("automl_1_2"), model_registered("automl_model", "1")]
    )
    assert "dead_lettered" not in outcomes(reports)
    edges = app.edges(f"{WS}/models/automl_model/versions/1")
    assert {"LoanTable:1 -> automl_1", "automl_1 settings -> automl_1", "automl_1 -> automl_model:1"} <= edges
    config = app.entity(f"{WS}/runs/automl_1/config")["attributes"]
    assert (config["primary_metric"], config["label_column_name"]) == ("AUCWeighted", "loanStatus")
    assert config["task_type"]


def test_sweep_is_one_step_and_a_trials_event_leads_to_it(app: App, add: Add) -> None:
    """A hundred trials are a hundred events and one step."""
    add(
        runs={
            "sweep_1": {
                "kind": "sweep",
                "experiment": "tuning",
                "command": "python train.py --lr ${{search_space.lr}}",
                "environment": "creditrisk-env:3",
                "inputs": {"data": {"asset": "LoanData:1"}},
                "settings": {"search_space": {"lr": ["uniform", [0.01, 0.9]]}, "primary_metric": "AUC"},
            },
            "sweep_1_0": {"kind": "trial", "parent": "sweep_1", "experiment": "tuning"},
        }
    )
    assert outcomes(app.replay([run_completed("sweep_1_0"), run_completed("sweep_1")])) == ["published", "skipped"]
    assert "LoanData:1 -> sweep_1" in app.edges(f"{WS}/runs/sweep_1")
    parameters = json.loads(app.entity(f"{WS}/runs/sweep_1/config")["attributes"]["parameters"])
    assert "lr" in parameters["search_space"]
    assert app.services.catalog.find([f"{WS}/runs/sweep_1_0"]) == {}  # type: ignore[list-item]


def test_spark_run_reads_lake_addresses_as_scanned_paths(app: App, add: Add) -> None:
    """`abfss://` and `https://…dfs…` are the same place."""
    add(
        runs={
            "spark_1": {
                "kind": "spark",
                "experiment": "tuning",
                "inputs": {
                    "raw": {"uri": "abfss://credit@contosolake.dfs.core.windows.net/raw/loan.csv", "type": "uri_file"}
                },
                "outputs": {"clean": {"type": "uri_folder"}},
            }
        }
    )
    [report] = app.replay([run_completed("spark_1")])
    assert report.outcome.matches["https://contosolake.dfs.core.windows.net/credit/raw/loan.csv"] == "exact"
    assert {"loan.csv -> spark_1", "spark_1 -> clean"} <= app.edges(f"{WS}/runs/spark_1")


def test_steps_of_a_nested_pipeline_are_published_with_their_root(app: App, add: Add) -> None:
    """However deep they are, and whichever event comes."""
    add(
        runs={
            "outer": {"kind": "pipeline", "experiment": "nested"},
            "inner": {"kind": "pipeline", "experiment": "nested", "parent": "outer"},
            "leaf": {
                "kind": "step",
                "parent": "inner",
                "experiment": "nested",
                "display_name": "Leaf",
                "inputs": {"loan": {"asset": "LoanData:1"}},
                "outputs": {"out": {"type": "uri_folder"}},
            },
        }
    )
    inner = run_completed("inner", runType="azureml.PipelineRun")
    leaf = run_completed("leaf", runTags={"azureml.pipeline": "inner"})
    assert outcomes(app.replay([leaf, inner])) == ["published", "skipped"]
    assert {"LoanData:1 -> Leaf", "Leaf -> out"} <= app.edges(f"{WS}/runs/leaf")


def test_public_and_unplaceable_data_are_kept(app: App, add: Add) -> None:
    """Outside of the catalogued storage, and where an asset is gone: lineage does not shrink."""
    add(
        runs={
            "odd": {
                "kind": "command",
                "experiment": "odd",
                "command": "python odd.py",
                "inputs": {
                    "public": {"uri": "https://example.org/data/ref.csv", "type": "uri_file"},
                    "gone": {"asset": "Deleted:7", "type": "uri_file"},
                },
            }
        }
    )
    assert outcomes(app.replay([run_completed("odd")])) == ["published"]
    edges = app.edges(f"{WS}/runs/odd")
    assert len([edge for edge in edges if edge.endswith("-> odd")]) == 2
    assert "ref.csv -> odd" in edges


def test_folder_that_purview_folded_into_a_resource_set_is_matched_to_it(app: App, add: Add) -> None:
    """And the match is explained."""
    name = "https://contosolake.dfs.core.windows.net/credit/history/{SparkPartitions}"
    app.services.catalog._client.upload_entities(
        [
            {
                "typeName": "azure_datalake_gen2_resource_set",
                "guid": "-1",
                "attributes": {"qualifiedName": name, "name": "history"},
            }
        ]
    )
    add(
        runs={
            "reads_history": {
                "kind": "command",
                "experiment": "odd",
                "command": "python read.py",
                "inputs": {"history": {"uri": "azureml://datastores/lake/paths/history/", "type": "uri_folder"}},
            }
        }
    )
    [report] = app.replay([run_completed("reads_history")])
    assert report.outcome.matches == {"https://contosolake.dfs.core.windows.net/credit/history": "resource set"}
    assert "history -> reads_history" in app.edges(f"{WS}/runs/reads_history")


def test_blob_datastore_over_a_lake_account_is_matched_by_its_dfs_name(app: App, add: Add) -> None:
    """Purview scans an account either as Blob or as ADLS Gen2, whatever the datastore says."""
    add(
        datastores={"lake_as_blob": {"type": "AzureBlob", "account": "contosolake", "container": "credit"}},
        runs={
            "reads_blob": {
                "kind": "command",
                "experiment": "odd",
                "command": "python read.py",
                "inputs": {"loan": {"uri": "azureml://datastores/lake_as_blob/paths/raw/loan.csv", "type": "uri_file"}},
            }
        },
    )
    app.replay([run_completed("reads_blob")])
    assert "loan.csv -> reads_blob" in app.edges(f"{WS}/runs/reads_blob")
    nodes = app.graph(f"{WS}/runs/reads_blob")["nodes"]
    assert [node["typeName"] for node in nodes if node["name"] == "loan.csv"] == ["azure_datalake_gen2_path"]


def test_registered_output_at_a_path_of_its_own_is_found_from_the_path_too(app: App, add: Add) -> None:
    """Readers of the lake path must find the run that wrote it."""
    add(
        runs={
            "writes_lake": {
                "kind": "command",
                "experiment": "odd",
                "command": "python write.py",
                "outputs": {
                    "scores": {
                        "type": "uri_folder",
                        "path": "azureml://datastores/lake/paths/scores/",
                        "register": "Scores:1",
                    }
                },
            }
        },
    )
    app.replay([run_completed("writes_lake")])
    edges = app.edges(f"{WS}/runs/writes_lake")
    assert {"writes_lake -> Scores:1", "writes_lake -> scores", "scores -> register Scores:1"} <= edges


def test_v1_service_is_published_from_its_event(app: App) -> None:
    """No v2 API knows ACI and AKS services; their event names the models."""
    event = {
        "topic": WORKSPACE,
        "subject": "endpoints/aciservice1",
        "eventType": "Microsoft.MachineLearningServices.ModelDeployed",
        "eventTime": "2026-07-01T10:02:05Z",
        "id": "e",
        "dataVersion": "2",
        "data": {
            "ServiceName": "aciservice1",
            "ServiceComputeType": "ACI",
            "ModelIds": "creditrisk_model:1,creditrisk_model:2",
        },
    }
    assert outcomes(app.replay([json.dumps(event)])) == ["published"]
    assert {"creditrisk_model:1 -> deploy aciservice1", "creditrisk_model:2 -> deploy aciservice1"} <= app.edges(
        f"{WS}/endpoints/aciservice1"
    )
