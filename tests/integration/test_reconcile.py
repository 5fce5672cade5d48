"""Missed events are found on a schedule: runs, models, endpoints, scans, deletions."""

import random
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest

from cli.session import drain, local_queue
from questions.audit import format_serving, read_history, serving_at
from questions.health import read_health
from shared.catalog.qualified_names import QualifiedName
from shared.errors import AccessDeniedError, LineageError
from shared.intake.message import MessageBody
from shared.reconciling import lost, missed_events
from shared.reconciling.coverage import Coverage
from shared.reconciling.progress import read_coverage
from tests.harness.app import AT_ONCE, WORKSPACE, WS, App, model_registered, run_completed

Start = Callable[..., App]
Add = Callable[..., None]
LOAN = "https://contosolake.dfs.core.windows.net/credit/again/loan.csv"
HISTORY = "https://contosolake.dfs.core.windows.net/credit/history"


def tick(app: App) -> Coverage:
    """Reconcile the first workspace and publish what that puts on the queue."""
    app.tick()
    return read_coverage(app.services.state.notes)[0]


def reasons(coverage: Coverage) -> dict[str, str]:
    """Return the reason of each gap by name."""
    return {gap.name: gap.reason for gap in coverage.gaps}


def globs_that_wait(app: App) -> list[str]:
    """List the globs that reconciling asks the catalog for."""
    waiting = app.services.state.ledger.list_placeholders()
    return [each.name.rpartition("/")[2] for each in waiting if "*" in each.name]


def state_of(app: App, name: str) -> object:
    """Return the attribute `state` of an entity."""
    return app.entity(name)["attributes"].get("state")


def inputs_of(app: App, run_id: str) -> list[str]:
    """Return what a run reads now; the catalog goes on listing what it read once."""
    listed = app.entity(f"{WS}/runs/{run_id}")["relationshipAttributes"]["inputs"]
    return [item["qualifiedName"] for item in listed if item["relationshipStatus"] == "ACTIVE"]


def test_thirty_percent_of_the_events_withheld_ends_in_full_coverage(start_app: Start) -> None:
    """Some ticks, each bounded, find all of it; the catalog is what it would have been."""
    app = start_app("fleet", runs=60)
    events = app.events()
    app.replay(random.Random(7).sample(events, round(0.7 * len(events))))  # noqa: S311 - a choice, not a secret
    assert any(coverage.gaps for coverage in app.services.reconciler.tick())
    app.replay([])
    after = app.services.reconciler.tick()
    assert [(coverage.percent, coverage.gaps, coverage.complete) for coverage in after] == [(100.0, (), True)] * 3
    reconciled = app.catalog_content()
    whole = start_app("fleet", runs=60)
    whole.replay(whole.events())
    tick(whole)
    assert reconciled == whole.catalog_content()


def test_small_ticks_go_on_where_the_last_one_ended(start_app: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """One page of runs and a handful of events at a time do all of it, each run counted once."""
    monkeypatch.setattr(missed_events, "PAGES", 1)
    monkeypatch.setattr(missed_events.MissedEventFinder, "events", 20)
    app = start_app("fleet", runs=200)
    percents = []
    for _ in range(40):
        app.services.reconciler.tick()
        app.replay([])
        percents.append([coverage.percent for coverage in read_coverage(app.services.state.notes)])
        if all(c.complete and not c.gaps for c in read_coverage(app.services.state.notes)):
            break
    app.services.reconciler.tick()
    counted = [dict(coverage.totals) for coverage in read_coverage(app.services.state.notes)]
    at_once = start_app("fleet", runs=200)
    monkeypatch.undo()
    at_once.services.reconciler.tick()
    assert counted == [dict(coverage.totals) for coverage in read_coverage(at_once.services.state.notes)]
    assert len(percents) > 3


def test_second_look_at_an_unchanged_workspace_reads_one_page_of_runs(start_app: Start) -> None:
    """The walk ends where the one before began."""
    app = start_app("fleet", runs=200)
    tick(app)
    tick(app)
    app.emulator.control.clear_requests()
    app.services.reconciler.tick()
    lists = [request for request in app.emulator.control.requests("azure_ml") if request.path.endswith("/jobs")]
    assert len(lists) <= 3 * 2 * 2  # active and archived, of three workspaces; the list may lag an hour behind


def test_gap_is_named_with_its_reason_while_it_lasts(app: App, add: Add) -> None:
    """On the queue, then dead-lettered with the reason, then closed by a replay that succeeds."""
    add(runs={"odd": {"kind": "command", "experiment": "odd", "command": "python x.py"}})
    app.services.reconciler.tick()
    assert "it is on the queue" in reasons(read_coverage(app.services.state.notes)[0])["odd"]
    app.emulator.control.faults({"service": "azure_ml", "path": "/rundata", "statuses": [404] * 50})
    app.replay([])
    assert "RecordNotFound" in reasons(tick(app))["odd"]
    app.emulator.control.faults()
    app.replay([run_completed("odd")])
    assert "odd" not in reasons(tick(app))


def test_event_that_led_to_nothing_is_sent_again_a_day_later_and_not_before(app: App) -> None:
    """A message that the queue lost is found; one that waits is not doubled at every tick."""
    app.services.reconciler.tick()
    first = app.services.queue.count()
    app.services.reconciler.tick()
    assert app.services.queue.count() == first
    while message := app.services.queue.receive(visibility=timedelta(minutes=1)):
        app.services.queue.delete(message)
    tomorrow = app.services.now() + timedelta(days=1, minutes=1)
    later = App(app.emulator, replace(app.services, now=lambda: tomorrow))
    later.services.reconciler.tick()
    assert later.services.queue.count() == first


def test_events_do_not_add_up_while_none_can_be_handled(app: App) -> None:
    """The first one still waits on the queue or the poison queue; after a week the host may have lost it."""
    app.services.reconciler.tick()
    first = app.services.queue.count()
    for days in range(1, 7):
        then = app.services.now() + timedelta(days=days, minutes=1)
        later = App(app.emulator, replace(app.services, now=lambda then=then: then))  # type: ignore[misc]
        later.services.reconciler.tick()
        assert later.services.queue.count() == first
        gaps = read_coverage(later.services.state.notes)[0].gaps
        assert {gap.follows for gap in gaps if gap.kind in ("run", "model")} == {"is on its way again"}
    then = app.services.now() + timedelta(days=7, minutes=1)
    later = App(app.emulator, replace(app.services, now=lambda: then))
    later.services.reconciler.tick()
    assert later.services.queue.count() == 2 * first


def test_run_that_had_not_ended_is_looked_at_again(app: App, add: Add) -> None:
    """It is no gap while it runs, however far the walk has come since."""
    add(runs={"slow": {"kind": "command", "experiment": "e", "command": "python x.py", "status": "Running"}})
    tick(app)
    before = tick(app)
    assert before.gaps == ()
    app.emulator.control.transitions("slow", statuses=["Completed"])
    tick(app)
    after = tick(app)
    assert (after.totals["run"], after.gaps) == (before.totals["run"] + 1, ())
    assert app.entity(f"{WS}/runs/slow")["attributes"]["status"] == "Completed"


def test_endpoint_deployed_without_any_event_appears(app: App, add: Add) -> None:
    """Online and batch; and so does a second deployment of it."""
    add(
        online_endpoints={"silent": {"deployments": {"blue": {"model": "creditrisk_model:2"}}}},
        batch_endpoints={"nightly": {"deployments": {"d1": {"model": "creditrisk_model:2"}}}},
    )
    app.replay()
    tick(app)
    assert {"creditrisk_model:2 -> deploy blue", "deploy blue -> silent", "deploy d1 -> nightly"} <= app.edges(
        f"{WS}/models/creditrisk_model/versions/2"
    )
    add(
        online_endpoints={
            "silent": {
                "deployments": {
                    "blue": {"model": "creditrisk_model:2"},
                    "green": {"model": "creditrisk_model:1"},
                }
            }
        }
    )
    assert "its deployments differ" in reasons(tick(app))["silent"]
    assert tick(app).gaps == ()
    assert "deploy green -> silent" in app.edges(f"{WS}/endpoints/silent")


def test_placeholder_is_replaced_once_its_folder_is_scanned_into_a_resource_set(app: App, add: Add) -> None:
    """The edges move to what the scan made, and the placeholder that nothing uses is removed."""
    history = {"h": {"uri": "azureml://datastores/lake/paths/history/", "type": "uri_folder"}}
    add(
        runs={
            name: {"kind": "command", "experiment": "e", "command": "python x.py", "inputs": history}
            for name in ("one", "two")
        }
    )
    app.replay([run_completed("one"), run_completed("two")])
    assert app.entity(HISTORY)["labels"] == ["unscanned"]
    tick(app)
    assert app.entity(HISTORY)["labels"] == ["unscanned"]
    resource_set = f"{HISTORY}/{{SparkPartitions}}"
    app.emulator.control.scan({"typeName": "azure_datalake_gen2_resource_set", "qualifiedName": resource_set})
    tick(app)
    assert [inputs_of(app, name) for name in ("one", "two")] == [[resource_set], [resource_set]]
    tick(app)
    assert app.services.catalog.get_entity(QualifiedName(HISTORY)) is None
    app.emulator.control.clear_requests()
    tick(app)
    assert app.writes() == 0


@pytest.mark.parametrize(
    ("file", "resource_set"),
    [("23/foo.parquet", "{N}/foo.parquet"), ("daily/part-00000-1f2e.snappy.parquet", "daily/{SparkPartitions}")],
)
def test_placeholder_of_a_file_is_replaced_once_it_is_scanned_into_a_set(
    app: App, add: Add, file: str, resource_set: str
) -> None:
    """The ledger knows that it is no folder, which its name does not say."""
    read = {"h": {"uri": f"azureml://datastores/lake/paths/history/{file}", "type": "uri_file"}}
    add(runs={"one": {"kind": "command", "experiment": "e", "command": "python x.py", "inputs": read}})
    app.replay([run_completed("one")])
    assert inputs_of(app, "one") == [f"{HISTORY}/{file}"]
    name = f"{HISTORY}/{resource_set}"
    app.emulator.control.scan({"typeName": "azure_datalake_gen2_resource_set", "qualifiedName": name})
    tick(app)
    assert inputs_of(app, "one") == [name]


def test_set_whose_name_cannot_be_guessed_is_found_once_the_index_has_it(app: App, add: Add) -> None:
    """The catalog is asked for its sets at each tick, while placeholders wait: its index is late by some writes."""
    read = {"h": {"uri": "azureml://datastores/lake/paths/history/loans_2024-01.csv", "type": "uri_file"}}
    add(runs={"one": {"kind": "command", "experiment": "e", "command": "python x.py", "inputs": read}})
    app.replay([run_completed("one")])
    name = f"{HISTORY}/loans_{{Year}}-{{Month}}.csv"
    app.emulator.control.scan({"typeName": "azure_datalake_gen2_resource_set", "qualifiedName": name})
    tick(app)
    assert inputs_of(app, "one") == [f"{HISTORY}/loans_2024-01.csv"]
    tick(app)
    assert inputs_of(app, "one") == [name]


def test_glob_that_waits_is_replaced_by_every_set_to_which_it_may_lead(app: App, add: Add) -> None:
    """And not by a set beside those; two globs on one folder wait each for itself."""
    globs = {"one": "loans_*.csv", "two": "other_*.json"}
    for run, glob in globs.items():
        read = {"h": {"uri": f"azureml://datastores/lake/paths/history/{glob}", "type": "uri_file"}}
        add(runs={run: {"kind": "command", "experiment": "e", "command": "python x.py", "inputs": read}})
    app.replay([run_completed("one"), run_completed("two")])
    assert [inputs_of(app, run) for run in globs] == [[HISTORY], [HISTORY]]
    names = [f"{HISTORY}/loans_{{N}}.csv", f"{HISTORY}/loans_{{Year}}-{{Month}}.csv"]
    for name in names:
        app.emulator.control.scan({"typeName": "azure_datalake_gen2_resource_set", "qualifiedName": name})
    for _ in range(3):
        tick(app)
    assert [inputs_of(app, run) for run in globs] == [names, [HISTORY]]
    assert app.entity(HISTORY)["labels"] == ["unscanned"]
    app.emulator.control.clear_requests()
    tick(app)
    assert app.writes() == 0


def test_set_that_comes_after_another_is_read_by_the_glob_too(app: App, add: Add) -> None:
    """The index of the search is late, and a scan goes on for hours."""
    name = f"{HISTORY}/loans_{{N}}.csv"
    app.emulator.control.scan({"typeName": "azure_datalake_gen2_resource_set", "qualifiedName": name})
    tick(app)
    read = {"h": {"uri": "azureml://datastores/lake/paths/history/loans_*.csv", "type": "uri_file"}}
    add(runs={"one": {"kind": "command", "experiment": "e", "command": "python x.py", "inputs": read}})
    app.replay([run_completed("one")])
    app.emulator.control.clear_requests()
    tick(app)
    assert (inputs_of(app, "one"), app.writes()) == ([name], 0)
    later = f"{HISTORY}/loans_{{Year}}-{{Month}}.csv"
    app.emulator.control.scan({"typeName": "azure_datalake_gen2_resource_set", "qualifiedName": later})
    for _ in range(3):
        tick(app)
    assert inputs_of(app, "one") == [name, later]
    assert globs_that_wait(app) == ["loans_*.csv"]
    week = app.services.now() + timedelta(days=7)
    App(app.emulator, replace(app.services, now=lambda: week)).services.reconciler.tick()
    assert globs_that_wait(app) == []


def test_glob_that_waits_is_its_folder_once_that_was_scanned(app: App, add: Add) -> None:
    """The placeholder is the folder, and a scan writes that in place."""
    read = {"h": {"uri": "azureml://datastores/lake/paths/history/*.csv", "type": "uri_file"}}
    add(runs={"one": {"kind": "command", "experiment": "e", "command": "python x.py", "inputs": read}})
    app.replay([run_completed("one")])
    app.emulator.control.scan({"typeName": "azure_datalake_gen2_path", "qualifiedName": HISTORY})
    tick(app)
    assert inputs_of(app, "one") == [HISTORY]
    assert app.entity(HISTORY).get("labels", []) == []
    app.emulator.control.clear_requests()
    tick(app)
    assert app.writes() == 0


def test_output_of_a_run_that_was_scanned_later_is_the_same_for_writer_and_reader(app: App, add: Add) -> None:
    """The writer never looks for its own output, which no scan can have seen when it ended."""
    out = {"o": {"type": "uri_folder"}}
    add(runs={"maker": {"kind": "command", "experiment": "e", "command": "python x.py", "outputs": out}})
    [report] = app.replay([run_completed("maker")])
    [place] = report.outcome.matches
    resource_set = f"{place}/{{SparkPartitions}}"
    app.emulator.control.scan({"typeName": "azure_blob_resource_set", "qualifiedName": resource_set})
    tick(app)
    listed = app.entity(f"{WS}/runs/maker")["relationshipAttributes"]["outputs"]
    assert [item["qualifiedName"] for item in listed if item["relationshipStatus"] == "ACTIVE"] == [resource_set]
    tick(app)
    app.emulator.control.clear_requests()
    tick(app)
    assert app.writes() == 0


def test_placeholder_that_a_scan_has_written_itself_is_no_placeholder_any_more(app: App, add: Add) -> None:
    """The same entity, with all its links: it loses the label and stays."""
    history = {"h": {"uri": "azureml://datastores/lake/paths/history/", "type": "uri_folder"}}
    add(runs={"one": {"kind": "command", "experiment": "e", "command": "python x.py", "inputs": history}})
    app.replay([run_completed("one")])
    app.emulator.control.scan({"typeName": "azure_datalake_gen2_path", "qualifiedName": HISTORY, "path": "/history"})
    tick(app)
    assert not app.entity(HISTORY).get("labels")
    assert "history -> one" in app.edges(f"{WS}/runs/one")
    row = app.services.ledger.get_rows([QualifiedName(f"{WS}/runs/one")])
    assert [dict(found.matches) for found in row.values()] == [{HISTORY: "exact"}]


def test_placeholder_is_replaced_once_a_scan_has_made_the_entity_of_the_same_name(app: App, add: Add) -> None:
    """A name can stand for both; the look-up by the supertype may give either, the one by the scan's type does not."""
    url = "https://stfiles.file.core.windows.net/share/loan.csv"
    inputs = {"loan": {"uri": url, "type": "uri_file"}}
    add(runs={"one": {"kind": "command", "experiment": "e", "command": "python x.py", "inputs": inputs}})
    [report] = app.replay([run_completed("one")])
    assert "since only a scan can write the type azure_file" in report.outcome.rules[url]
    assert (app.entity(url)["typeName"], app.entity(url)["labels"]) == ("custom_dataset", ["unscanned"])
    app.emulator.control.scan({"typeName": "azure_file", "qualifiedName": url})
    tick(app)
    listed = app.entity(f"{WS}/runs/one")["relationshipAttributes"]["inputs"]
    assert [item["typeName"] for item in listed if item["relationshipStatus"] == "ACTIVE"] == ["azure_file"]
    tick(app)
    assert app.services.catalog.find([QualifiedName(url)], type_name="custom_dataset") == {}
    assert app.entity(url)["typeName"] == "azure_file"


def test_table_that_no_scan_has_found_is_published_with_a_placeholder(app: App, add: Add) -> None:
    """Atlas refuses an azure_sql_table without its schema; the lineage is written all the same."""
    url = "mssql://srv.database.windows.net/db/dbo/loan"
    inputs = {"loan": {"uri": url, "type": "uri_file"}}
    add(runs={"one": {"kind": "command", "experiment": "e", "command": "python x.py", "inputs": inputs}})
    [report] = app.replay([run_completed("one")])
    assert (report.outcome.outcome, report.outcome.matches) == ("published", {url: "placeholder"})
    assert (app.entity(url)["typeName"], app.entity(url)["labels"]) == ("custom_dataset", ["unscanned"])
    assert inputs_of(app, "one") == [url]


def test_archived_model_and_run_are_marked_and_a_restored_model_is_unmarked(app: App) -> None:
    """Lineage stays as it is."""
    app.replay()
    model, step = f"{WS}/models/creditrisk_model/versions/1", f"{WS}/runs/creditrisk_train"
    before = app.edges(model)
    app.emulator.control.archive("models", "creditrisk_model", "1")
    app.emulator.control.archive("jobs", "creditrisk_train")
    tick(app)
    assert (state_of(app, model), state_of(app, step)) == ("Archived", "Archived")
    assert app.edges(model) == before
    app.emulator.control.clear_requests()
    tick(app)
    assert app.writes() == 0
    app.emulator.control.archive("models", "creditrisk_model", "1", archived=False)
    tick(app)
    assert state_of(app, model) == "Active"


def test_steps_of_an_archived_pipeline_are_marked(app: App) -> None:
    """The pipeline itself is no entity."""
    app.replay()
    app.emulator.control.archive("jobs", "creditrisk_pipeline")
    tick(app)
    assert state_of(app, f"{WS}/runs/cccccccc-0000-4000-8000-000000000003") == "Archived"


def test_run_that_was_restored_is_no_history_any_more(app: App) -> None:
    """A walk through the runs begins at the newest and may not meet it; one through what is archived misses it."""
    app.replay()
    step, other = (f"{WS}/runs/{name}" for name in ("cccccccc-0000-4000-8000-000000000003", "creditrisk_train"))
    app.emulator.control.archive("jobs", "creditrisk_pipeline")
    app.emulator.control.archive("jobs", "creditrisk_train")
    tick(app)
    app.emulator.control.archive("jobs", "creditrisk_pipeline", archived=False)
    tick(app)
    assert (state_of(app, step), state_of(app, other)) == ("Active", "Archived")
    assert app.entity(step)["attributes"]["status"] == "Completed"
    app.emulator.control.clear_requests()
    coverage = tick(app)
    assert (coverage.percent, coverage.gaps) == (100.0, ())
    assert app.writes() == 0


def test_model_that_was_changed_while_it_was_archived_is_as_azure_ml_has_it_when_it_is_restored(
    app: App, add: Add
) -> None:
    """The mark alone would leave what was written before."""
    app.replay()
    app.emulator.control.archive("models", "creditrisk_model", "1")
    tick(app)
    add(models={"creditrisk_model:1": {"stage": "Retired"}})
    app.emulator.control.archive("models", "creditrisk_model", "1", archived=False)
    tick(app)
    attributes = app.entity(f"{WS}/models/creditrisk_model/versions/1")["attributes"]
    assert (attributes["state"], attributes["stage"]) == ("Active", "Retired")


def test_model_that_was_published_again_while_it_was_archived_is_active_when_it_is_restored(app: App) -> None:
    """Its event says nothing of the mark, which the catalog has all the same."""
    app.replay()
    model = f"{WS}/models/creditrisk_model/versions/1"
    app.emulator.control.archive("models", "creditrisk_model", "1")
    tick(app)
    app.replay([model_registered("creditrisk_model", "1")])
    assert state_of(app, model) == "Archived"
    app.emulator.control.archive("models", "creditrisk_model", "1", archived=False)
    tick(app)
    assert state_of(app, model) == "Active"


def test_deleted_model_endpoint_and_deployment_are_marked_and_stay(app: App, add: Add) -> None:
    """Who looks at the past still finds them; an endpoint that comes back is live again."""
    blue, green = {"model": "creditrisk_model:2"}, {"model": "creditrisk_model:1"}
    add(online_endpoints={"other": {"deployments": {"blue": blue, "green": green}}})
    app.replay()
    tick(app)
    app.emulator.control.delete("models", "creditrisk_model", "2")
    app.emulator.control.delete("onlineEndpoints", "creditrisk-endpoint")
    app.emulator.control.delete("onlineEndpoints", "other", deployment="green")
    coverage = tick(app)
    assert coverage.gaps == ()
    assert state_of(app, f"{WS}/models/creditrisk_model/versions/2") == "Deleted"
    assert state_of(app, f"{WS}/endpoints/creditrisk-endpoint") == "Deleted"
    assert state_of(app, f"{WS}/endpoints/other/deployments/green") == "Deleted"
    assert state_of(app, f"{WS}/endpoints/other/deployments/blue") != "Deleted"
    add(online_endpoints={"creditrisk-endpoint": {"deployments": {"blue": green}}})
    tick(app)
    assert state_of(app, f"{WS}/endpoints/creditrisk-endpoint") != "Deleted"


def test_workspaces_of_a_resource_group_on_the_allow_list_are_found(app: App) -> None:
    """A prefix stands for whatever it holds."""
    scope = WORKSPACE.partition("/providers")[0]
    services = replace(app.services, settings=replace(app.services.settings, workspaces=(scope,)))
    [coverage] = services.reconciler.tick()
    assert coverage.workspace.casefold() == WORKSPACE.casefold()


def test_failing_workspace_does_not_keep_the_others_from_being_looked_at(start_app: Start) -> None:
    """The tick fails all the same, so that the failure shows."""
    app = start_app("fleet", runs=30)
    app.emulator.control.faults({"service": "azure_ml", "path": "ws-fleet-1/jobs", "statuses": [400] * 20})
    with pytest.raises(LineageError):
        app.services.reconciler.tick()
    looked_at = [coverage.workspace[-1] for coverage in read_coverage(app.services.state.notes) if coverage.complete]
    assert looked_at == ["2", "3"]


def test_second_tick_at_the_same_time_leaves_the_work_to_the_first(app: App) -> None:
    """Timer and person may come together."""
    app.services.state.leases.acquire("reconcile", holder="other", duration=timedelta(minutes=1))
    assert app.services.reconciler.tick() == []
    assert app.emulator.control.requests() == []


def test_tick_with_nothing_new_costs_few_requests_however_much_there_is(app: App, add: Add) -> None:
    """A hundred models and twenty endpoints: it was a request for each, in every tick."""
    stored = "azureml://datastores/lake/paths/models/"
    add(
        models={f"many_{number}:1": {"path": f"{stored}{number}/"} for number in range(100)},
        online_endpoints={
            f"many-{number}": {"deployments": {"blue": {"model": f"many_{number}:1"}}} for number in range(20)
        },
    )
    app.replay()
    for _ in range(3):
        coverage = tick(app)
    assert (coverage.totals["endpoint"], coverage.gaps, coverage.complete) == (21, (), True)
    app.emulator.control.clear_requests()
    tick(app)
    assert len([each for each in app.emulator.control.requests() if each.service == "azure_ml"]) <= 10


def test_deployment_that_was_replaced_in_silence_is_found_within_a_few_ticks(app: App, add: Add) -> None:
    """The endpoint itself says what it said before; its deployments are listed in turn."""
    names = [f"quiet-{number}" for number in range(6)]
    model = {"model": "creditrisk_model:1"}
    add(online_endpoints={name: {"deployments": {"blue": model}} for name in names})
    app.replay()
    for _ in range(3):
        coverage = tick(app)
    assert coverage.gaps == ()
    add(online_endpoints={names[5]: {"deployments": {"blue": {"model": "creditrisk_model:2"}}}})
    for _ in range(4):
        tick(app)
    assert "creditrisk_model:2 -> deploy blue" in app.edges(f"{WS}/endpoints/{names[5]}")


def test_scope_that_is_gone_keeps_no_other_from_being_looked_at_and_shows(start_app: Start) -> None:
    """A resource group was deleted; the good workspace is looked at, and nothing says that all is linked."""
    app = start_app("credit-risk")
    app.replay()
    gone = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg-gone"
    services = replace(app.services, settings=replace(app.services.settings, workspaces=(gone, WORKSPACE)))
    app.emulator.control.faults({"service": "azure_ml", "path": "rg-gone/", "statuses": [404] * 9})
    for _ in range(2):
        with pytest.raises(LineageError):
            services.reconciler.tick()
    good, missing = read_coverage(services.state.notes)
    assert (good.percent, good.is_whole) == (100.0, True)
    assert (missing.workspace, missing.percent) == (gone, 0.0)
    assert missing.problem.startswith("RecordNotFound: ")
    assert not read_health(services.state.notes, services.dead_letters, now=services.now()).is_covered


@pytest.mark.parametrize("status", [404, 403])
def test_scope_that_is_gone_keeps_no_event_of_an_outage_from_being_replayed(start_app: Start, status: int) -> None:
    """Each tick fails because of it, and the other workspaces answer all the same."""
    app = start_app("credit-risk")
    gone = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg-gone"
    services = replace(app.services, settings=replace(app.services.settings, workspaces=(gone, WORKSPACE)))
    app.emulator.control.faults({"service": "azure_ml", "path": "rg-gone/", "statuses": [status] * 9})
    event = run_completed("creditrisk_train")
    services.dead_letters.put(reason="ServiceUnavailable", detail="", body=event, attempts=31, id="letter")
    with pytest.raises(LineageError):
        services.reconciler.tick()
    bodies = []
    while message := services.queue.receive(visibility=timedelta(minutes=10)):
        bodies.append(MessageBody.parse(message.body, message_id=message.id))
    assert "letter" in {body.closes for body in bodies}


def test_tick_that_failed_or_is_late_is_no_hundred_percent(app: App) -> None:
    """What was true once may not be any more."""
    app.replay()
    tick(app)
    notes, now = app.services.state.notes, app.services.now()
    assert [each.percent for each in read_coverage(notes, now=now)] == [100.0]
    [late] = read_coverage(notes, now=now + timedelta(days=1))
    assert (late.percent, late.problem.startswith("nothing has looked at it since")) == (99.9, True)
    app.emulator.control.faults({"service": "azure_ml", "path": "ws-credit/jobs", "statuses": [400] * 9})
    with pytest.raises(LineageError):
        app.services.reconciler.tick()
    [failed] = read_coverage(notes, now=now)
    assert (failed.percent, failed.problem.startswith("the last look at it failed: ")) == (99.9, True)


def test_endpoint_keeps_which_model_version_answered_when(app: App, add: Add) -> None:
    """A model that is replaced, a deployment that is deleted without any event, and the endpoint that follows it."""
    first, second = "2026-07-01T08:00:00+00:00", "2026-07-02T08:00:00+00:00"
    blue = {"model": "creditrisk_model:1", "traffic": 100, "modified_at": first}
    green = {"model": "creditrisk_model:1", "modified_at": first}
    add(online_endpoints={"served": {"deployments": {"blue": blue, "green": green}}})
    app.replay()
    tick(app)
    add(online_endpoints={"served": {"deployments": {"blue": {"model": "creditrisk_model:2", "modified_at": second}}}})
    for _ in range(3):
        tick(app)
    name = QualifiedName(f"{WS}/endpoints/served")
    history = read_history(app.services.ledger, name)
    assert [format_serving(each) for each in history if each.deployment == "blue"] == [
        "blue: creditrisk_model:1, 100 % of the traffic, from 2026-07-01T08:00:00Z to 2026-07-02T08:00:00Z",
        "blue: creditrisk_model:2, 100 % of the traffic, from 2026-07-02T08:00:00Z on",
    ]
    at = datetime(2026, 7, 1, 12, tzinfo=UTC)
    assert {each.models for each in serving_at(history, at)} == {("creditrisk_model:1",)}
    app.emulator.control.delete("onlineEndpoints", "served", deployment="green")
    for _ in range(4):
        tick(app)
    [of_green] = [each for each in read_history(app.services.ledger, name) if each.deployment == "green"]
    assert of_green.until
    app.emulator.control.delete("onlineEndpoints", "served")
    tick(app)
    gone = read_history(app.services.ledger, name)
    assert (len(gone), [each for each in gone if not each.until]) == (3, [])


def delete_in_catalog(app: App, name: str) -> None:
    app.services.purview.delete(f"/entity/guid/{app.entity(name)['guid']}")


@pytest.mark.parametrize(
    ("deleted", "name"),
    [
        ("runs/creditrisk_train", "creditrisk_train"),
        ("runs/creditrisk_train/metrics", "creditrisk_train"),
        ("models/creditrisk_model/versions/1", "creditrisk_model"),
        ("endpoints/creditrisk-endpoint", "creditrisk-endpoint"),
    ],
)
def test_what_the_catalog_lost_is_named_and_no_hundred_percent(app: App, deleted: str, name: str) -> None:
    """The ledger believes it written; an edge counts only while the catalog has it."""
    app.replay()
    assert tick(app).percent == 100.0
    delete_in_catalog(app, f"{WS}/{deleted}")
    coverage = tick(app)
    assert coverage.percent < 100
    assert name in [gap.name for gap in coverage.gaps if "the catalog does not have" in gap.reason]
    for event in app.events():
        app.services.queue.put(event)
    by_force = partial(app.services.deliveries.handle, force=True)
    list(drain(app.services, local_queue(app.services), redelivery=AT_ONCE, handle=by_force))
    assert tick(app).percent == 100.0


def test_sample_goes_on_through_the_ledger_with_a_request_or_two_a_tick(
    start_app: Start, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Any number of ticks look at all of it."""
    monkeypatch.setitem(lost.SAMPLE, "run", 3)
    app = start_app("credit-risk")
    app.replay()
    tick(app)
    delete_in_catalog(app, f"{WS}/runs/creditrisk_train")
    asked = []
    for _ in range(9):
        app.emulator.control.clear_requests()
        tick(app)
        asked.append(len(app.emulator.control.requests("purview")))
    assert "creditrisk_train" in reasons(read_coverage(app.services.state.notes)[0])
    assert max(asked) <= 6


def scan_loan(app: App) -> None:
    found = {"typeName": "azure_datalake_gen2_path", "qualifiedName": LOAN, "path": "/again/loan.csv"}
    app.emulator.control.scan(found)


def make_again(app: App) -> None:
    """Let a scan miss a file and the next one find it: Purview deletes the asset and makes another of its name."""
    delete_in_catalog(app, LOAN)
    scan_loan(app)


@pytest.fixture
def readers(app: App, add: Add) -> App:
    """Two runs that read a scanned file, one of them through a data asset, and one that wrote it."""
    scan_loan(app)
    path = {"uri": "azureml://datastores/lake/paths/again/loan.csv", "type": "uri_file"}
    job = {"kind": "command", "experiment": "e", "command": "python x.py"}
    add(
        data={"loan-again:1": {"type": "uri_file", "path": path["uri"]}},
        runs={
            "by-path": {**job, "inputs": {"d": path}},
            "by-asset": {**job, "inputs": {"d": {"asset": "loan-again:1"}}},
            "writer": {**job, "outputs": {"d": {"path": path["uri"], "type": "uri_file"}}},
        },
    )
    app.replay()
    app.replay([run_completed(name) for name in ("by-path", "by-asset", "writer")])
    assert tick(app).percent == 100.0
    return app


def edges_of_loan(app: App) -> set[str]:
    return {edge for edge in app.edges(LOAN) if "loan.csv" in edge}


def test_lineage_comes_back_when_a_scan_has_made_an_asset_again(readers: App) -> None:
    """Purview deletes an asset whose file was missing between two scans; until the edges are back it is no 100 %."""
    before = edges_of_loan(readers)
    assert len(before) == 3
    make_again(readers)
    assert edges_of_loan(readers) == set()
    readers.services.reconciler.tick()
    coverage = read_coverage(readers.services.state.notes)[0]
    assert coverage.percent < 100
    assert "it is on the queue" in " ".join(reasons(coverage).values())
    readers.replay([])
    assert edges_of_loan(readers) == before
    assert tick(readers).percent == 100.0
    readers.emulator.control.clear_requests()
    assert tick(readers).percent == 100.0
    assert readers.writes() == 0


def test_lineage_of_an_asset_that_is_gone_is_named_and_not_written(readers: App) -> None:
    """Its file may be gone for good, and a placeholder would claim that it is there."""
    delete_in_catalog(readers, LOAN)
    assert tick(readers).percent < 100
    assert readers.services.catalog.get_entity(QualifiedName(LOAN)) is None


def test_edge_that_a_person_removed_is_named_and_not_written_again(readers: App) -> None:
    """The asset is the one that it led to: someone has taken the edge away, and not a scan."""
    [link] = [
        item
        for item in readers.entity(f"{WS}/runs/by-path")["relationshipAttributes"]["inputs"]
        if item["qualifiedName"] == LOAN
    ]
    readers.services.purview.delete(f"/relationship/guid/{link['relationshipGuid']}")
    before = edges_of_loan(readers)
    assert len(before) == 2
    assert tick(readers).percent < 100
    assert edges_of_loan(readers) == before


def test_tick_takes_back_what_is_on_the_poison_queue(app: App) -> None:
    """Where its own trigger does not run, the messages are published all the same."""
    app.services.state.poison.put(MessageBody(run_completed("creditrisk_train"), "operation").to_json())
    app.tick()
    assert app.services.state.poison.count() == 0
    assert app.entity(f"{WS}/runs/creditrisk_train")["attributes"]["status"] == "Completed"


def test_dead_letters_of_an_outage_are_replayed_by_the_first_tick_in_which_all_is_well(app: App) -> None:
    """A role that was missing over a weekend leaves nothing to do on Monday."""
    app.replay()
    tick(app)
    event = run_completed("creditrisk_train")
    app.services.dead_letters.put(reason="AccessDenied", detail="no role", body=event, attempts=31, id="letter")
    before = app.services.queue.count()
    app.emulator.control.faults({"service": "purview", "statuses": [403] * 1_000})
    with pytest.raises(AccessDeniedError):
        app.services.reconciler.tick()
    assert "letter" in {letter.id for letter in app.services.dead_letters.list_open()}
    app.emulator.control.faults()
    app.services.reconciler.tick()
    assert app.services.queue.count() == before + 1
    app.replay([])
    assert "letter" not in {letter.id for letter in app.services.dead_letters.list_open()}


def test_waiting_poison_is_no_hundred_percent(app: App) -> None:
    """What the host gave up on is in no row and no dead letter until it is collected."""
    app.replay()
    tick(app)
    poison = app.services.state.poison
    for body in ("held by the host", "held by the host, too"):
        poison.put(body)
        assert poison.receive(visibility=timedelta(minutes=10))
    app.services.reconciler.tick()
    [coverage] = read_coverage(app.services.state.notes)
    assert (coverage.percent, "gave up on messages (2)" in coverage.problem) == (99.9, True)
