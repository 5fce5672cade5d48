"""At least once and in any order: the same events give the same catalog, and no write that is not needed."""

import json
import random
from collections.abc import Callable
from pathlib import Path

from emulator.server import Emulator
from shared.catalog.qualified_names import QualifiedName
from tests.harness.app import WS, App, model_registered, outcomes, run_completed


def test_replaying_all_events_again_writes_nothing(app: App) -> None:
    """Unchanged content costs no catalog write at all."""
    app.replay()
    app.emulator.control.clear_requests()
    again = app.replay()
    assert app.writes() == 0
    assert set(outcomes(again)) == {"skipped", "dead_lettered"}


def test_any_order_gives_the_same_catalog(emulator: Emulator, tmp_path: Path) -> None:
    """Twenty shuffles end in the same catalog once guids and times are left out."""
    contents = []
    for seed in range(20):
        emulator.control.use("credit-risk")
        app = App.on(emulator, tmp_path / f"{seed}.sqlite")
        events = app.events()
        random.Random(seed).shuffle(events)  # noqa: S311 - an order, not a secret
        app.replay(events)
        contents.append(json.dumps(app.catalog_content(), sort_keys=True))
        app.services.state.close()
    assert len(set(contents)) == 1


def test_a_lost_ledger_loses_no_lineage(emulator: Emulator, tmp_path: Path) -> None:
    """A run published again from a laptop that knows nothing keeps the models that others linked to it."""
    emulator.control.use("credit-risk")
    first = App.on(emulator, tmp_path / "first.sqlite")
    first.replay()
    before = first.catalog_content()
    second = App.on(emulator, tmp_path / "second.sqlite")
    second.replay([run_completed("creditrisk_train")])
    assert second.catalog_content() == before


def test_a_model_deleted_in_the_catalog_comes_back_when_it_is_replayed(app: App) -> None:
    """The ledger believes it is there; the catalog's refusal of the reference says otherwise."""
    app.replay()
    model = f"{WS}/models/creditrisk_model/versions/2"
    app.services.catalog._client.delete_entity(qualifiedName=model, typeName="custom_ml_model")
    app.emulator.control.add_to_azure_ml(
        {
            "workspaces": {
                "ws-credit": {"runs": {"creditrisk_train": {"tags": {"note": "changed"}, "status": "Finished"}}}
            }
        }
    )
    assert outcomes(app.replay([run_completed("creditrisk_train")])) == ["published"]
    assert app.entity(f"{WS}/runs/creditrisk_train")["attributes"]["status"] == "Finished"
    assert outcomes(app.replay([model_registered("creditrisk_model", "2")])) == ["published"]
    assert "creditrisk_train -> creditrisk_model:2" in app.edges(model)


def test_two_workspaces_with_the_same_names_give_two_disjoint_graphs(start_app: Callable[[str], App]) -> None:
    """Names are per workspace: nothing of one is reachable from the other."""
    app = start_app("two-workspaces")
    app.replay()
    graphs = []
    for workspace in app.emulator.services.azure_ml.workspace_ids():
        group, name = workspace.lower().split("/")[4], workspace.lower().rpartition("/")[2]
        prefix = f"azureml://subscriptions/{workspace.split('/')[2]}/resourcegroups/{group}/workspaces/{name}"
        model = next(
            str(entity["attributes"]["qualifiedName"])
            for entity in app.emulator.control.state()["purview"]["entities"]
            if entity["typeName"] == "custom_ml_model" and entity["attributes"]["qualifiedName"].startswith(prefix)
        )
        graphs.append({node["qualifiedName"] for node in app.graph(model)["nodes"]})
    east, west = graphs
    assert len(east) == len(west) > 5
    assert not east & west


def test_a_model_trained_again_leaves_the_first_version_as_it_was(app: App) -> None:
    """Each version leads to exactly its own run and the exact versions of that run's inputs."""
    app.replay()
    first = f"{WS}/models/creditrisk_model/versions/1"
    before = app.graph(first), app.entity(f"{WS}/runs/cccccccc-0000-4000-8000-000000000003")
    app.emulator.control.add_to_azure_ml({"workspaces": {"ws-credit": RETRAINING}})
    app.replay([run_completed("retrain"), model_registered("creditrisk_model", "3")])
    third = app.edges(f"{WS}/models/creditrisk_model/versions/3")
    assert {edge for edge in third if edge.endswith("-> retrain")} == {"LoanData:2 -> retrain"}
    assert {edge for edge in third if edge.startswith("retrain ->")} == {"retrain -> creditrisk_model:3"}
    assert (app.graph(first), app.entity(f"{WS}/runs/cccccccc-0000-4000-8000-000000000003")) == before


def test_a_model_registered_while_its_run_still_runs_is_completed_when_it_ends(app: App) -> None:
    """What is known is published at once; the run's end adds the rest."""
    app.emulator.control.transitions("creditrisk_train", statuses=["Running", "Completed"])
    model = f"{WS}/models/creditrisk_model/versions/2"
    app.replay([model_registered("creditrisk_model", "2")])
    assert "creditrisk_train -> creditrisk_model:2" in app.edges(model)
    assert app.entity(f"{WS}/runs/creditrisk_train")["attributes"]["status"] == "Running"
    app.replay([run_completed("creditrisk_train")])
    assert app.entity(f"{WS}/runs/creditrisk_train")["attributes"]["status"] == "Completed"
    assert "creditrisk_train -> creditrisk_model:2" in app.edges(model)


def test_a_run_that_is_not_settled_comes_back(app: App) -> None:
    """The event overtook the record: the message is tried again and then published."""
    app.emulator.control.transitions("creditrisk_train", statuses=["Running", "Finalizing", "Completed"])
    assert outcomes(app.replay([run_completed("creditrisk_train")])) == ["came_back", "came_back", "published"]


def test_a_step_event_before_its_root_has_ended_is_recorded_and_skipped(app: App) -> None:
    """The root publishes all its steps when it ends."""
    app.emulator.control.transitions("creditrisk_pipeline", statuses=["Running"])
    step = "cccccccc-0000-4000-8000-000000000001"
    reports = app.replay([run_completed(step, runTags={"azureml.pipeline": "creditrisk_pipeline"})])
    assert outcomes(reports) == ["skipped"]
    assert "still Running" in reports[0].outcome.reason
    row = app.services.ledger.get_rows([QualifiedName(f"{WS}/runs/{step}")])
    assert [item.outcome for item in row.values()] == ["skipped"]
    assert app.writes() == 0


def test_a_reused_step_is_shown_as_the_run_it_reuses(app: App) -> None:
    """A cached step did no work: its results lead to the run that made them."""
    app.replay()
    app.emulator.control.add_to_azure_ml({"workspaces": {"ws-credit": SECOND_PIPELINE}})
    app.replay([run_completed("creditrisk_pipeline_2", runType="azureml.PipelineRun")])
    edges = app.edges(f"{WS}/runs/dddddddd-0000-4000-8000-000000000002")
    assert "PrepareData -> prepared_data" in edges
    assert "prepared_data -> SplitAgain" in edges
    names = [node["qualifiedName"] for node in app.graph(f"{WS}/runs/dddddddd-0000-4000-8000-000000000002")["nodes"]]
    assert f"{WS}/runs/cccccccc-0000-4000-8000-000000000001" in names
    assert f"{WS}/runs/dddddddd-0000-4000-8000-000000000001" not in names


RETRAINING = {
    "data": {"LoanData:2": {"type": "uri_file", "path": "azureml://datastores/lake/paths/raw/loan-2.csv"}},
    "models": {
        "creditrisk_model:3": {
            "type": "custom_model",
            "path": "azureml://datastores/workspaceartifactstore/paths/ExperimentRun/dcid.retrain/outputs/model",
            "job_name": "retrain",
        }
    },
    "runs": {
        "retrain": {
            "kind": "command",
            "experiment": "creditrisk-experiment",
            "command": "python train.py",
            "environment": "azureml://registries/azureml/environments/sklearn-1.5/versions/40",
            "inputs": {"loan": {"asset": "LoanData:2"}},
        }
    },
}
SECOND_PIPELINE = {
    "runs": {
        "creditrisk_pipeline_2": {"kind": "pipeline", "experiment": "CreditRiskPipeline"},
        "dddddddd-0000-4000-8000-000000000001": {
            "kind": "step",
            "parent": "creditrisk_pipeline_2",
            "experiment": "CreditRiskPipeline",
            "display_name": "PrepareData",
            "reused_from": "cccccccc-0000-4000-8000-000000000001",
        },
        "dddddddd-0000-4000-8000-000000000002": {
            "kind": "step",
            "parent": "creditrisk_pipeline_2",
            "experiment": "CreditRiskPipeline",
            "display_name": "SplitAgain",
            "command": "python split.py",
            "inputs": {"prepared_data": {"output_of": "cccccccc-0000-4000-8000-000000000001/prepared_data"}},
            "outputs": {"train_data": {"type": "uri_folder"}},
        },
    }
}
