"""What a run logged, how it was set up and single inputs and outputs never decide whether it has lineage."""

from collections.abc import Callable, Iterable

import pytest

from shared.azure_ml.run.run_tree import ASKED_ALONE
from shared.publishing.plan import DEAD_LETTERED
from tests.harness.app import WS, App, outcomes, run_completed

Add = Callable[..., None]
ROOT = run_completed("creditrisk_pipeline", runType="azureml.PipelineRun")
TRAIN = f"{WS}/runs/cccccccc-0000-4000-8000-000000000003"
PREPARE = f"{WS}/runs/cccccccc-0000-4000-8000-000000000001"
REFUSED = [400, 403, 404, 405, 501]


def refuse(app: App, path: str, status: int) -> None:
    app.emulator.control.faults({"service": "azure_ml", "path": path, "statuses": [status], "times": 100})


def steps(count: int, **parts: object) -> dict[str, dict[str, object]]:
    """Describe a pipeline whose steps have the same parts."""
    own = {"kind": "step", "parent": "pipe", "experiment": "many", "inputs": {"loan": {"asset": "LoanData:1"}}}
    return {"pipe": {"kind": "pipeline", "experiment": "many"}, **{f"step_{n:02}": own | parts for n in range(count)}}


def gets(app: App) -> int:
    return sum(request.path.endswith("/runs/get") for request in app.emulator.control.requests("azure_ml"))


def with_metrics(app: App, count: int) -> Iterable[str]:
    names = [f"{WS}/runs/step_{number:02}/metrics" for number in range(count)]
    return app.services.catalog.find(names)  # type: ignore[arg-type]


@pytest.mark.parametrize("status", REFUSED)
def test_pipeline_has_its_lineage_though_mlflow_refuses(app: App, status: int) -> None:
    """Its steps say that metrics are missing, and one request more than usual was all it took to find out."""
    refuse(app, "/mlflow/", status)
    assert outcomes(app.replay([ROOT])) == ["published"]
    assert {"train_data -> TrainModel", "TrainModel -> model_data"} <= app.edges(TRAIN)
    assert gets(app) == (4 if status == 404 else 1)
    notes = app.entity(TRAIN)["attributes"].get("notes") or ""
    assert notes.startswith("What this run logged with MLflow cannot be read: ") is (status != 404)


@pytest.mark.parametrize("status", REFUSED)
def test_run_has_its_lineage_though_mlflow_refuses(app: App, status: int) -> None:
    """A run that MLflow does not know has logged nothing, which is nothing to note."""
    refuse(app, "/mlflow/", status)
    assert outcomes(app.replay([run_completed("creditrisk_train")])) == ["published"]
    notes = app.entity(f"{WS}/runs/creditrisk_train")["attributes"].get("notes", "")
    assert bool(notes) is (status != 404)


def test_pipeline_whose_search_is_refused_has_the_metrics_that_single_runs_have(app: App, add: Add) -> None:
    """A filter may be refused where a run by its id is not."""
    add(runs=steps(2, metrics={"AUC": 0.9}))
    refuse(app, "runs/search", 400)
    app.replay([run_completed("pipe", runType="azureml.PipelineRun")])
    assert len(list(with_metrics(app, 2))) == 2
    assert not app.entity(f"{WS}/runs/step_00")["attributes"].get("notes")


@pytest.mark.parametrize("status", REFUSED)
def test_sweep_has_its_lineage_though_its_job_cannot_be_read(app: App, add: Add, status: int) -> None:
    """A note says that its settings are missing."""
    add(runs={"tune": {"kind": "sweep", "experiment": "tuning", "inputs": {"data": {"asset": "LoanData:1"}}}})
    refuse(app, "/jobs/tune", status)
    assert outcomes(app.replay([run_completed("tune")])) == ["published"]
    assert "LoanData:1 -> tune" in app.edges(f"{WS}/runs/tune")
    assert app.entity(f"{WS}/runs/tune")["attributes"]["notes"].startswith("The settings of this run cannot be read: ")


@pytest.mark.parametrize("status", [400, 404, 405, 501])
def test_run_of_an_experiment_that_is_gone_is_in_one_of_its_id(app: App, status: int) -> None:
    """The event may lack the name; the run is worth more than the name of its container."""
    refuse(app, "/experimentids/", status)
    assert outcomes(app.replay([run_completed("creditrisk_train")])) == ["published"]


def test_data_asset_that_cannot_be_read_costs_its_run_nothing_else(app: App) -> None:
    """The run used it, and its definition says where it is stored."""
    refuse(app, "/data/LoanData", 400)
    assert outcomes(app.replay([ROOT])) == ["published"]
    assert "LoanData:1 -> PrepareData" in app.edges(f"{WS}/data/LoanData/versions/1")


def test_metrics_that_search_shows_of_one_run_are_asked_for_of_none(app: App, add: Add) -> None:
    """Steps without metrics are the rule."""
    runs = steps(3, params={"lr": "0.1"})
    add(runs={**runs, "step_00": {**runs["step_00"], "metrics": {"AUC": 0.9}}})
    app.replay([run_completed("pipe", runType="azureml.PipelineRun")])
    assert (gets(app), len(list(with_metrics(app, 3)))) == (0, 1)


def test_metrics_that_search_lacks_are_asked_for_where_code_logged_something_up_to_a_limit(app: App, add: Add) -> None:
    """What was not asked for is noted: a pipeline of any size costs the same."""
    add(runs=steps(ASKED_ALONE + 5, metrics={"AUC": 0.9}, params={"lr": "0.1"}, search_lacks_metrics=True))
    assert outcomes(app.replay([run_completed("pipe", runType="azureml.PipelineRun")])) == ["published"]
    assert (gets(app), len(list(with_metrics(app, ASKED_ALONE + 5)))) == (ASKED_ALONE, ASKED_ALONE)
    unasked = app.entity(f"{WS}/runs/step_00")["attributes"]["notes"]
    assert unasked.startswith("MLflow's search shows no metrics of this run")


def test_data_that_did_not_resolve_is_called_by_its_input_and_not_by_its_version(app: App, add: Add) -> None:
    """Every such asset is of version 1."""
    add(runs={"tune": {"kind": "sweep", "inputs": {"loans": {"uri": "azureml://datastores/lake/paths/raw/x/"}}}})
    fault = {"service": "azure_ml", "path": "batchGetResolvedUris", "statuses": [203], "body": {"values": {}}}
    app.emulator.control.faults(fault)
    app.replay([run_completed("tune")])
    assert "loans -> tune" in app.edges(f"{WS}/runs/tune")


@pytest.mark.parametrize("status", [400, 403, 405])
def test_pipeline_has_its_lineage_though_datastores_are_refused(app: App, status: int) -> None:
    """They are known by their names, and each run that names one says so."""
    refuse(app, "/datastores", status)
    assert outcomes(app.replay([ROOT])) == ["published"]
    assert {"train_data -> TrainModel", "TrainModel -> model_data"} <= app.edges(TRAIN)
    why = "access is denied" if status == 403 else f"HTTP {status}"
    assert f"datastore workspaceblobstore ({why})" in app.entity(TRAIN)["attributes"]["notes"]
    asked = [request for request in app.emulator.control.requests("azure_ml") if "/datastores" in request.path]
    assert len(asked) == len({request.path for request in asked})


@pytest.mark.parametrize("status", [400, 403, 405])
def test_nothing_is_dead_lettered_though_datastores_are_refused(app: App, status: int) -> None:
    """Models, their origin and endpoints neither; an event of the scenario that lacks its run is."""
    refuse(app, "/datastores", status)
    refused = [report.outcome for report in app.replay() if report.outcome.outcome == DEAD_LETTERED]
    assert {outcome.reason for outcome in refused} == {"MalformedEvent: data.runId: is missing"}


@pytest.mark.parametrize(("status", "why"), [(400, "HTTP 400"), (403, "access is denied"), (405, "HTTP 405")])
def test_run_has_its_lineage_though_its_data_is_refused(app: App, status: int, why: str) -> None:
    """The run says which asset it was, and why."""
    refuse(app, "/data/", status)
    assert outcomes(app.replay([ROOT])) == ["published"]
    assert "LoanData:1 -> PrepareData" in app.edges(f"{WS}/data/LoanData/versions/1")
    assert f"data LoanData:1 ({why})" in app.entity(PREPARE)["attributes"]["notes"]


@pytest.mark.parametrize("as_a_whole", [True, False])
def test_endpoint_is_published_though_its_list_of_deployments_is_odd(app: App, *, as_a_whole: bool) -> None:
    """What was known of its deployments stays, and notes say that there may be more than are shown."""
    app.replay()
    deployed = next(event for event in app.events() if "ModelDeployed" in event)
    endpoint = f"{WS}/endpoints/creditrisk-endpoint"
    before = app.edges(endpoint)
    answer = {"value": None if as_a_whole else [None]}
    fault = {"service": "azure_ml", "path": "/deployments", "statuses": [203], "times": 100, "body": answer}
    app.emulator.control.faults(fault)
    assert outcomes(app.replay([deployed])) == ["published"]
    assert app.entity(endpoint)["attributes"]["notes"].startswith("Azure ML's list of its deployments cannot be read")
    assert app.edges(endpoint) == before
    app.services.reconciler.tick()
    assert app.entity(f"{endpoint}/deployments/blue")["attributes"].get("state") != "Deleted"


def answer_with(app: App, service: str, path: str, body: object) -> None:
    fault = {"service": service, "path": path, "statuses": [203], "times": 100, "body": body}
    app.emulator.control.faults(fault)


def test_share_that_is_null_costs_no_other(app: App, add: Add) -> None:
    """It is not known, which is another thing than none."""
    deployments = {"blue": {"model": "creditrisk_model:1", "traffic": 30}, "green": {"model": "creditrisk_model:2"}}
    null = {"properties": {"traffic": {"green": None}}}
    add(online_endpoints={"shares": {"deployments": deployments, "answer": null}})
    app.tick()
    blue, green = (app.entity(f"{WS}/endpoints/shares/deployments/{name}")["attributes"] for name in deployments)
    assert (blue.get("traffic"), blue.get("notes")) == ("30", None)
    assert (green.get("traffic"), green.get("notes")) == (None, "Azure ML does not say its share of the traffic.")


def test_pipeline_is_published_though_a_run_of_it_is_listed_as_null(app: App) -> None:
    """The steps that are shown say that there may be more."""
    child = {"runId": "lone_step", "rootRunId": "creditrisk_pipeline", "parentRunId": "creditrisk_pipeline"}
    record = {**child, "experimentId": "e", "status": "Completed"}
    answer_with(app, "azure_ml", "/children", {"value": [None, record]})
    assert outcomes(app.replay([ROOT])) == ["published"]
    notes = app.entity(f"{WS}/runs/lone_step")["attributes"]["notes"]
    assert "has something that cannot be read; there may be more of them" in notes


def test_null_among_the_records_of_runs_costs_that_run_alone(app: App) -> None:
    """It is asked for by itself."""
    answer_with(app, "azure_ml", "/batchrundata", {"successfulResults": {TRAIN.rpartition("/")[2]: None}})
    assert outcomes(app.replay([ROOT])) == ["published"]
    assert "TrainModel -> model_data" in app.edges(TRAIN)


@pytest.mark.parametrize("body", [{"value": [None, {}, {"id": None}]}, {"value": None}])
def test_null_among_the_hits_of_a_search_costs_no_run(app: App, body: object) -> None:
    """Nor does a list that is none."""
    answer_with(app, "purview", "/search/query", body)
    assert outcomes(app.replay([ROOT])) == ["published"]


def test_null_among_entities_costs_no_run(app: App) -> None:
    """It is as if the catalog had nothing there."""
    answer_with(app, "purview", "/entity/bulk/uniqueAttribute", {"entities": [None]})
    assert outcomes(app.replay([ROOT])) == ["published"]
