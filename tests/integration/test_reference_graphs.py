"""Both reference graphs, edge by edge, as the catalog's own lineage API gives them back."""

import json
from pathlib import Path

import pytest

from tests.harness.app import WS, App

GOLDEN = Path(__file__).parent.parent / "golden"

EXPERIMENT = {
    "borrower.csv -> creditrisk_preprocess",
    "loan.csv -> creditrisk_preprocess",
    "creditrisk_preprocess -> prepared_data",
    "prepared_data -> creditrisk_train",
    "creditrisk_train settings -> creditrisk_train",
    "creditrisk-env:3 -> creditrisk_train",
    "creditrisk_train -> creditrisk_model:2",
    "creditrisk_train -> creditrisk_train metrics",
    "creditrisk_model:2 -> deploy blue",
    "deploy blue -> creditrisk-endpoint",
    "test.csv -> creditrisk_batch_inference",
    "creditrisk_model:2 -> creditrisk_batch_inference",
    "creditrisk_batch_inference -> creditrisk_predictions:1",
    "creditrisk_predictions:1 -> load Power BI dataset",
    "load Power BI dataset -> Credit risk predictions",
    "Credit risk predictions -> load Power BI report",
    "load Power BI report -> 99999999-5555-0000-0000-000000000001",
}
PIPELINE = {
    "loan.csv -> register LoanData:1",
    "register LoanData:1 -> LoanData:1",
    "borrower.csv -> register BorrowerData:1",
    "register BorrowerData:1 -> BorrowerData:1",
    "LoanData:1 -> PrepareData",
    "BorrowerData:1 -> PrepareData",
    "PrepareData -> prepared_data",
    "prepared_data -> TestTrainDataSplit",
    "TestTrainDataSplit -> train_data",
    "TestTrainDataSplit -> test_data",
    "train_data -> TrainModel",
    "TrainModel -> model_data",
    "TrainModel -> metrics_data",
    "TrainModel -> creditrisk_model:1",
    "test_data -> RunBatchInference",
    "model_data -> RunBatchInference",
    "RunBatchInference -> CreditRiskBatchInferenceData:1",
    "CreditRiskBatchInferenceData:1 -> load Power BI dataset",
    "load Power BI dataset -> 99999999-4444-0000-0000-000000000002",
    "99999999-4444-0000-0000-000000000002 -> load Power BI report",
    "load Power BI report -> 99999999-5555-0000-0000-000000000002",
}
OF_EXPERIMENT = ("creditrisk_preprocess", "creditrisk_train", "creditrisk_batch", "creditrisk_model:2", "endpoints/")


def _is_of_experiment(event: str) -> bool:
    subject = json.loads(event).get("subject", "")
    return any(name in subject for name in OF_EXPERIMENT)


def test_experiment_events_give_the_experiment_graph(app: App) -> None:
    """Scanned files → preprocess → prepared data; config and packages → train → model → endpoint, predictions, BI."""
    app.replay(event for event in app.events() if _is_of_experiment(event))
    assert app.edges(f"{WS}/models/creditrisk_model/versions/2") == EXPERIMENT


def test_pipeline_events_give_the_pipeline_graph(app: App) -> None:
    """Registered data → four steps with what each reads and writes → registered predictions → Power BI."""
    app.replay(event for event in app.events() if not _is_of_experiment(event))
    assert app.edges(f"{WS}/models/creditrisk_model/versions/1") == PIPELINE


def test_all_events_give_both_graphs_joined_at_their_source_files(app: App) -> None:
    """Both graphs start from the same two scanned files, so together they are one."""
    app.replay()
    assert app.edges(f"{WS}/models/creditrisk_model/versions/2") == EXPERIMENT | PIPELINE


def test_both_graphs_read_back_by_qualified_name_equal_the_golden(app: App, update_golden: bool) -> None:
    """Types and qualifiedNames of every node and edge, as a data steward would find them."""
    app.replay()
    graph = app.graph(f"{WS}/models/creditrisk_model/versions/2")
    golden = GOLDEN / "credit-risk" / "lineage.json"
    if update_golden:
        golden.parent.mkdir(parents=True, exist_ok=True)
        golden.write_text(json.dumps(graph, indent=2) + "\n", encoding="utf-8")
    assert graph == json.loads(golden.read_text(encoding="utf-8"))


@pytest.mark.parametrize("start", ["models/creditrisk_model/versions/2", "models/creditrisk_model/versions/1"])
def test_every_node_reaches_every_other(app: App, start: str) -> None:
    """Whichever node one starts from, the same whole graph is shown."""
    app.replay()
    whole = app.graph(f"{WS}/{start}")
    assert len(whole["nodes"]) == 37
    for node in whole["nodes"]:
        assert app.graph(node["qualifiedName"]) == whole, node["qualifiedName"]


def test_steps_belong_to_their_experiment_and_experiments_to_the_workspace(app: App) -> None:
    """Containment is what a steward browses by."""
    app.replay()
    experiment = app.entity(f"{WS}/experiments/CreditRiskPipeline")
    steps = {step["displayText"] for step in experiment["relationshipAttributes"]["experimentstep"]}
    assert steps == {"PrepareData", "TestTrainDataSplit", "TrainModel", "RunBatchInference"}
    assert experiment["relationshipAttributes"]["workspace"]["qualifiedName"] == WS
    dataset = app.entity(f"{WS}/data/LoanData/versions/1")
    assert dataset["relationshipAttributes"]["datastore"]["qualifiedName"] == f"{WS}/datastores/lake"


def test_column_mapping_appears_only_where_a_run_declared_it(app: App) -> None:
    """The names in a mapping are those the data has in the catalog; no other process has a mapping."""
    app.replay()
    state = app.emulator.control.state()["purview"]["entities"]
    mapped = {
        entity["attributes"]["name"]: json.loads(entity["attributes"]["columnMapping"])
        for entity in state
        if entity["attributes"].get("columnMapping")
    }
    assert list(mapped) == ["creditrisk_preprocess"]
    loan, borrower = mapped["creditrisk_preprocess"]
    assert loan["DatasetMapping"]["Source"] == "https://contosolake.dfs.core.windows.net/credit/raw/loan.csv"
    assert {"Source": "loanAmount", "Sink": "loanAmount"} in loan["ColumnMapping"]
    assert borrower["DatasetMapping"]["Sink"].endswith("/azureml/creditrisk_preprocess/prepared_data")


def test_attributes_say_what_a_steward_asks(app: App) -> None:
    """Packages with versions, settings, metrics, git commit, scoring URI, and where packages are unknown, that."""
    app.replay()
    train = app.entity(f"{WS}/runs/creditrisk_train")["attributes"]
    assert train["git_commit"]
    assert train["status"] == "Completed"
    metrics = app.entity(f"{WS}/runs/creditrisk_train/metrics")["attributes"]
    assert (metrics["AUC"], metrics["Accuracy"]) == ("0.87", "0.91")
    config = json.loads(app.entity(f"{WS}/runs/creditrisk_train/config")["attributes"]["parameters"])
    assert config == {"C": "1.0", "max_iter": "200"}
    package = app.entity(f"{WS}/environments/creditrisk-env/versions/3#scikit-learn")["attributes"]
    assert package["version"] == "1.5.1"
    curated = app.entity("azureml://registries/azureml/environments/sklearn-1.5/versions/40")["attributes"]
    assert "Dockerfile" in curated["notes"]
    assert app.entity(f"{WS}/endpoints/creditrisk-endpoint")["attributes"]["scoring_uri"].startswith("https://")
