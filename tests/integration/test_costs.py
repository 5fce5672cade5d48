"""What one pipeline costs in requests and connections: the table of the design, counted."""

import json
from collections.abc import Callable
from math import ceil

import pytest

from shared.purview.catalog import BATCH
from tests.harness.app import WS, App, model_registered, outcomes, run_completed

CHILDREN = "/children"


def install_types(app: App) -> None:
    app.services.catalog.apply_types(app.services.catalog.plan_types())
    app.emulator.control.clear_requests()


def azure_ml_requests(app: App) -> int:
    """Count requests to Azure ML, pages of children aside."""
    return sum(not request.path.endswith(CHILDREN) for request in app.emulator.control.requests("azure_ml"))


def publish_pipeline(app: App) -> list[str]:
    """Publish the scenario's pipeline from the event of its root."""
    return outcomes(app.replay([_root_event(app)]))


def _root_event(app: App) -> str:
    """Return the RunCompleted event of the pipeline root, as the scenario has it."""
    return next(
        event
        for event in app.events()
        if "azureml.PipelineRun" in event and "RunCompleted" in event and "StepRun" not in event
    )


def test_four_step_pipeline_takes_at_most_three_catalog_requests_the_first_time(app: App) -> None:
    """One request finds what the catalog has, one writes; a call an entity would take 61."""
    install_types(app)
    assert publish_pipeline(app) == ["published"]
    assert len(app.emulator.control.requests("purview")) <= 3


def test_four_step_pipeline_with_one_changed_run_takes_at_most_one_catalog_request(app: App) -> None:
    """Only what changed is written, and nothing is looked up again."""
    install_types(app)
    publish_pipeline(app)
    app.emulator.control.add_to_azure_ml(
        {
            "workspaces": {
                "ws-credit": {"runs": {"cccccccc-0000-4000-8000-000000000003": {"command": "train.py --again"}}}
            }
        }
    )
    app.emulator.control.clear_requests()
    reports = app.replay([_root_event(app)])
    assert [report.outcome.written for report in reports] == [1]
    assert len(app.emulator.control.requests("purview")) == 1


def test_unchanged_pipeline_takes_no_catalog_request_at_all(app: App) -> None:
    """The ledger knows the fingerprint of everything that was written."""
    install_types(app)
    publish_pipeline(app)
    app.emulator.control.clear_requests()
    assert publish_pipeline(app) == ["skipped"]
    assert app.emulator.control.requests("purview") == []


@pytest.mark.parametrize("steps", [20, 100])
def test_chain_takes_as_many_catalog_requests_as_its_entities_fill(start_app: Callable[..., App], steps: int) -> None:
    """At most entities/50 + 4; a call an entity would take 1,019 for 100 steps."""
    app = start_app("chain", steps=steps)
    install_types(app)
    assert publish_pipeline(app) == ["published"]
    entities = len(app.emulator.control.state()["purview"]["entities"])
    assert entities > 2 * steps
    assert len(app.emulator.control.requests("purview")) <= entities / BATCH + 4
    assert app.writes() <= ceil(entities / BATCH)


def test_schema_fills_requests_like_any_entities_and_costs_nothing_again(app: App, add: Callable[..., None]) -> None:
    """One write for every 50 columns; the lineage of the asset is the same as without."""
    install_types(app)
    columns = [{"name": f"column {number}"} for number in range(120)]
    add(
        data={
            "wide:1": {
                "path": "azureml://datastores/lake/paths/wide.csv",
                "tags": {"lineage.schema": json.dumps(columns)},
            }
        },
        runs={"reader": {"experiment": "churn", "inputs": {"wide": {"asset": "wide:1"}}}},
    )
    (report,) = app.replay([run_completed("reader")])
    assert app.writes() == ceil(report.outcome.written / BATCH)
    name = f"{WS}/data/wide/versions/1"
    assert len(app.entity(f"{name}/schema")["relationshipAttributes"]["columns"]) == 120
    assert app.entity(name)["relationshipAttributes"]["tabular_schema"]["qualifiedName"] == f"{name}/schema"
    assert not [node for node in app.graph(name)["nodes"] if "schema" in node["qualifiedName"]]
    app.emulator.control.clear_requests()
    assert outcomes(app.replay([run_completed("reader")])) == ["skipped"]
    assert app.emulator.control.requests("purview") == []


def test_worker_opens_at_most_four_connections_to_the_catalog(start_app: Callable[..., App]) -> None:
    """One pooled session serves everything a worker does."""
    app = start_app("chain", steps=100)
    app.replay()
    assert len({request.connection for request in app.emulator.control.requests("purview")}) <= 4


def test_four_step_pipeline_takes_at_most_eight_azure_ml_requests_cold_and_four_warm(app: App) -> None:
    """Cold counts the workspace, its discovery, its datastores and each registered data asset."""
    install_types(app)
    publish_pipeline(app)
    assert azure_ml_requests(app) <= 8
    app.emulator.control.clear_requests()
    publish_pipeline(app)
    assert azure_ml_requests(app) <= 4


def test_azure_ml_requests_do_not_grow_with_the_number_of_steps(start_app: Callable[..., App]) -> None:
    """The same number for 4 and for 100 steps, pages of children aside."""
    counts = {}
    for steps in (4, 100):
        app = start_app("chain", steps=steps)
        install_types(app)
        publish_pipeline(app)
        counts[steps] = azure_ml_requests(app)
    assert counts[4] == counts[100] <= 8


def test_outputs_that_azure_ml_named_itself_cost_no_request_each(app: App, add: Callable[..., None]) -> None:
    """The same number for 2 and for 50 steps that hand on a model without a name."""
    install_types(app)
    counts = {}
    for steps in (2, 50):
        pipeline = f"pipeline-{steps}"
        add(
            runs={
                pipeline: {"kind": "pipeline", "experiment": "churn"},
                **{
                    f"{pipeline}-fit-{number}": {
                        "kind": "step",
                        "parent": pipeline,
                        "experiment": "churn",
                        "inputs": {"start": {"output_of": f"{pipeline}-fit-{number - 1}/model"}} if number else {},
                        "outputs": {"model": {"type": "mlflow_model"}},
                    }
                    for number in range(steps)
                },
            }
        )
        app.emulator.control.clear_requests()
        assert outcomes(app.replay([run_completed(pipeline, runType="azureml.PipelineRun")])) == ["published"]
        counts[steps] = azure_ml_requests(app)
    assert counts[50] <= counts[2]


def test_model_event_of_a_published_pipeline_takes_at_most_one_write(app: App) -> None:
    """The model and the one step that made it."""
    install_types(app)
    publish_pipeline(app)
    app.emulator.control.clear_requests()
    reports = app.replay([model_registered("creditrisk_model", "1")])
    assert [report.outcome.written for report in reports] == [2]
    assert len(app.emulator.control.requests("purview")) == 1
