"""Runs that OpenLineage events report, from the queue to the catalog."""

import json
import re
from datetime import timedelta
from typing import Any

import pytest

from shared.publishing.plan import DEAD_LETTERED, PUBLISHED, SKIPPED
from shared.reconciling.placeholders import PlaceholderReplacer
from shared.reconciling.progress import Tick
from tests.harness.app import WS, App, outcomes
from tests.worlds.openlineage_events import (
    BORROWER,
    LAKE,
    NAMESPACE,
    PREPARED,
    RAW,
    RUN,
    STEP,
    column_lineage,
    data,
    run_event,
    with_jobs,
)

COMPLETE = run_event(
    "COMPLETE",
    at="10:05",
    inputs=[data(RAW)],
    outputs=[data(PREPARED, **column_lineage(RAW, {"amount": "loanAmount"}))],
)
URL = "https://contosolake.dfs.core.windows.net/credit"


@pytest.fixture
def jobs(app: App) -> App:
    """Scenario credit-risk, and OpenLineage events of one namespace are taken."""
    return with_jobs(app)


def publish(app: App, *events: dict[str, Any]) -> list[str]:
    """Publish events and tell how each attempt ended."""
    return outcomes(app.replay(json.dumps(event) for event in events))


def dead(app: App) -> list[tuple[str, str]]:
    """Return why each open dead letter is one."""
    return [(letter.reason, letter.detail) for letter in app.services.dead_letters.list_open()]


def test_complete_event_becomes_one_step_between_what_it_names(jobs: App) -> None:
    """The scanned file it read, the folder it wrote, its status and times, in the experiment that its job is."""
    assert publish(jobs, COMPLETE) == [PUBLISHED]
    assert jobs.edges(STEP) == {"loan.csv -> prepare_credit", "prepare_credit -> prepared"}
    step = jobs.entity(STEP)
    attributes = step["attributes"]
    assert (attributes["status"], attributes["ended_at"]) == ("Completed", "2026-07-01T10:05:00Z")
    assert (attributes["run_id"], attributes["run_type"]) == (RUN, "OpenLineage SPARK")
    [mapping] = json.loads(attributes["columnMapping"])
    assert mapping["ColumnMapping"] == [{"Source": "loanAmount", "Sink": "amount"}]
    assert mapping["DatasetMapping"] == {"Source": f"{URL}/raw/loan.csv", "Sink": f"{URL}/prepared"}
    assert attributes["column_mapping_source"].startswith("declared: ")
    experiment = step["relationshipAttributes"]["experiment"]["qualifiedName"]
    assert experiment == f"openlineage://{NAMESPACE}/jobs/prepare_credit"


def test_same_event_again_writes_nothing(jobs: App) -> None:
    """Nor does one that says the same a minute later of a stream."""
    publish(jobs, COMPLETE, {**COMPLETE, "eventType": "RUNNING"})
    jobs.emulator.control.clear_requests()
    again = {**COMPLETE, "eventType": "RUNNING", "eventTime": "2026-07-01T11:00:00Z"}
    assert publish(jobs, COMPLETE, again) == [SKIPPED, SKIPPED]
    assert jobs.writes() == 0


def test_table_that_a_symlink_names_is_the_one_in_the_catalog(jobs: App) -> None:
    """What the listener calls by its path may have been scanned under another name, or the other way round."""
    other = {"identifiers": [{"namespace": LAKE, "name": "/raw/loan.csv", "type": "TABLE"}]}
    table = data("credit.loan", namespace="hive://metastore:9083", symlinks=other)
    lineage = column_lineage("credit.loan", {"amount": "loanAmount"}, namespace="hive://metastore:9083")
    event = run_event("COMPLETE", inputs=[table], outputs=[data(PREPARED, **lineage)])
    assert publish(jobs, event) == [PUBLISHED]
    assert jobs.edges(STEP) == {"loan.csv -> prepare_credit", "prepare_credit -> prepared"}
    [mapping] = json.loads(jobs.entity(STEP)["attributes"]["columnMapping"])
    assert mapping["DatasetMapping"]["Source"] == f"{URL}/raw/loan.csv"


def test_asset_of_azure_ml_is_met_by_its_name(jobs: App) -> None:
    """What Azure ML's lineage has put into the catalog joins the graph; another name stands for itself, marked."""
    jobs.replay()
    asset = {"namespace": WS, "name": "data/LoanData/versions/1"}
    unknown = {"namespace": WS, "name": "data/Unknown/versions/1"}
    assert publish(jobs, run_event("COMPLETE", inputs=[asset, unknown], outputs=[data(PREPARED)])) == [PUBLISHED]
    edges = jobs.edges(STEP)
    assert "LoanData:1 -> prepare_credit" in edges
    assert jobs.entity(f"{WS}/data/LoanData/versions/1")["typeName"] == "custom_ml_dataset"
    assert jobs.entity(f"{WS}/data/Unknown/versions/1")["typeName"] == "custom_dataset"


FORGED = {
    "model": f"{WS}/models/creditrisk_model/versions/2",
    "data": f"{WS}/data/LoanData/versions/1",
    "endpoint": f"{WS}/endpoints/online/creditrisk-endpoint",
    "of a registry": "azureml://registries/shared/models/base/versions/1",
}


@pytest.mark.parametrize("name", FORGED.values(), ids=list(FORGED))
@pytest.mark.parametrize("is_symlink", [False, True], ids=["by its name", "by a symlink"])
@pytest.mark.parametrize("scheme", ["azureml", "AzureML"])
def test_asset_of_azure_ml_is_no_output_of_a_job(jobs: App, name: str, is_symlink: bool, scheme: str) -> None:
    """Who may send events would else tell what a model in production was made of."""
    jobs.replay()
    namespace = re.split("/(?:models|data|endpoints)/", name)[0]
    asset = {"namespace": namespace.replace("azureml", scheme), "name": name.removeprefix(f"{namespace}/")}
    other = {"identifiers": [{**asset, "type": "TABLE"}]}
    output = data("/forged", symlinks=other) if is_symlink else asset
    assert publish(jobs, run_event("COMPLETE", inputs=[data(RAW)], outputs=[data(PREPARED), output])) == [PUBLISHED]
    step = jobs.entity(STEP)
    written = {each["displayText"] for each in step["relationshipAttributes"]["outputs"]}
    assert written == ({"prepared", "forged"} if is_symlink else {"prepared"})
    assert ("Only Azure ML says who wrote its assets" in (step["attributes"]["notes"] or "")) != is_symlink


def test_asset_of_a_workspace_that_is_not_watched_may_be_an_output(jobs: App) -> None:
    """No one else says who wrote it."""
    asset = {"namespace": WS.replace("ws-credit", "ws-elsewhere"), "name": "data/Prepared/versions/1"}
    assert publish(jobs, run_event("COMPLETE", inputs=[data(RAW)], outputs=[asset])) == [PUBLISHED]
    assert len(jobs.entity(STEP)["relationshipAttributes"]["outputs"]) == 1


def test_run_that_failed_and_wrote_nothing_is_not_shown(jobs: App) -> None:
    """What it was about to write is announced at its start, and never came."""
    events = [run_event(kind, inputs=[data(RAW)], outputs=[data(PREPARED)]) for kind in ("START", "FAIL")]
    reports = jobs.replay(json.dumps(event) for event in events)
    assert outcomes(reports) == [SKIPPED, SKIPPED]
    assert reports[1].outcome.reason.endswith("it ended as Failed and left nothing behind")


@pytest.mark.parametrize(
    ("event", "why"),
    [
        (
            run_event("COMPLETE", namespace="other"),
            ("ForeignJob", "job.namespace: other is not in LINEAGE_OPENLINEAGE"),
        ),
        (run_event("DONE"), ("MalformedEvent", "eventType: is not one of ABORT")),
        (run_event("COMPLETE", run_id="1"), ("MalformedEvent", "run.runId: is not a UUID")),
        ({**COMPLETE, "eventTime": "noon"}, ("MalformedEvent", "eventTime: is not a time")),
        ({**COMPLETE, "inputs": {}}, ("MalformedEvent", "inputs: is an object, not a list")),
        ({**COMPLETE, "inputs": [{"name": "n"}]}, ("MalformedEvent", "inputs[0].namespace: is missing")),
        ({"eventType": "COMPLETE", "eventTime": "2026-07-01T10:00:00Z"}, ("MalformedEvent", "run: is missing")),
    ],
)
def test_what_cannot_be_read_or_is_foreign_is_dead_lettered(
    jobs: App, event: dict[str, Any], why: tuple[str, str]
) -> None:
    """With the path of the member that is wrong, and no call to the catalog."""
    jobs.emulator.control.clear_requests()
    assert publish(jobs, event) == [DEAD_LETTERED]
    [(reason, detail)] = dead(jobs)
    assert (reason, detail[: len(why[1])]) == why
    assert jobs.emulator.control.requests() == []


def test_events_that_tell_of_no_run_are_skipped(jobs: App) -> None:
    """Jobs and data sets as such, and runs that are read from Azure ML itself."""
    of_job = {"eventTime": "2026-07-01T10:00:00Z", "job": {"namespace": NAMESPACE, "name": "j"}}
    of_dataset = {"eventTime": "2026-07-01T10:00:00Z", "dataset": data(RAW)}
    of_azure_ml = run_event("COMPLETE", namespace=WS.upper().replace("AZUREML", "azureml"), outputs=[data(PREPARED)])
    assert publish(jobs, of_job, of_dataset, of_azure_ml) == [SKIPPED] * 3


def test_run_is_published_again_when_its_placeholder_was_scanned(jobs: App) -> None:
    """The step then points to what the scan made, and the placeholder goes."""
    publish(jobs, COMPLETE)
    partitions = f"{URL}/prepared/{{SparkPartitions}}"
    jobs.emulator.control.scan({"typeName": "azure_datalake_gen2_resource_set", "qualifiedName": partitions})
    PlaceholderReplacer(jobs.services.catalog, jobs.services.state, Tick(jobs.services.now)).replace()
    message = jobs.services.queue.receive(visibility=timedelta(minutes=1))
    assert message is not None
    assert jobs.services.deliveries.handle(message).outcome == PUBLISHED
    outputs = jobs.entity(STEP)["relationshipAttributes"]["outputs"]
    assert [each["qualifiedName"] for each in outputs if each["relationshipStatus"] == "ACTIVE"] == [partitions]


def test_column_that_is_called_like_a_secret_is_kept_and_a_secret_is_not(jobs: App) -> None:
    """A dead letter can be replayed, and the catalog has no SAS token."""
    lineage = column_lineage(RAW, {"api_key": "password"})
    event = run_event("COMPLETE", inputs=[data(f"{RAW}?sv=2024&sig=hunter2")], outputs=[data(PREPARED, **lineage)])
    assert publish(jobs, event) == [PUBLISHED]
    [mapping] = json.loads(jobs.entity(STEP)["attributes"]["columnMapping"])
    assert mapping["ColumnMapping"] == [{"Source": "password", "Sink": "api_key"}]
    assert "hunter2" not in json.dumps(jobs.emulator.control.state())


def test_large_event_is_taken_apart_and_nothing_of_it_is_lost(jobs: App) -> None:
    """A plan of a megabyte, three hundred files and a table of a thousand columns: all inputs and columns arrive."""
    columns = {f"column_{number}_of_a_wide_table": f"source_{number}" for number in range(300)}
    inputs = [data(RAW), *(data(f"raw/part/day={number}/file.csv") for number in range(300))]
    event = run_event(
        "COMPLETE",
        inputs=inputs,
        outputs=[data(PREPARED, **column_lineage(RAW, columns))],
        facets={"spark.logicalPlan": {"plan": [{"class": "x" * 1_000}] * 1_000}},
    )
    assert len(json.dumps(event)) > 1_000_000
    reports = jobs.replay([json.dumps(event)])
    assert len(reports) > 1
    assert {report.outcome.outcome for report in reports} <= {PUBLISHED, SKIPPED}
    step = jobs.entity(STEP)["attributes"]
    assert len(step["inputs"]) == 301
    [mapping] = json.loads(step["columnMapping"])
    assert len(mapping["ColumnMapping"]) == 300
    assert BORROWER not in json.dumps(step)
