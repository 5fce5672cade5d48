"""One item that fails stops no other, a tick ends in time, and status says what is not known."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli.main import cli as lineage
from questions.health import read_health
from shared.catalog.entities import Found, Ref
from shared.catalog.qualified_names import QualifiedName
from shared.errors import AccessDeniedError, LineageError, RequestRefusedError, ServiceUnavailableError
from shared.model import WorkspaceId
from shared.places.matching import Match, MatchKind
from shared.publishing.engine import LEASE
from shared.purview.catalog import PurviewCatalog
from shared.reconciling import missed_events
from shared.reconciling.coverage import Coverage, Gap, TickNote
from shared.reconciling.lost import CatalogSampler
from shared.reconciling.placeholders import PlaceholderReplacer
from shared.reconciling.progress import TICK, Progress, Tick, read_coverage
from shared.state.ports import Row, read_folder
from shared.state.sqlite import SqliteLedger
from tests.harness.app import WORKSPACE, WS, App, model_registered, run_completed
from tests.harness.callers import Caller
from tests.harness.clock import MovedClock

Start = Callable[..., App]
Add = Callable[..., None]
HISTORY = "https://contosolake.dfs.core.windows.net/credit/history"
RESOURCE_SET = f"{HISTORY}/{{SparkPartitions}}"
JOB = {"kind": "command", "experiment": "e", "command": "python x.py"}
READS_HISTORY = {**JOB, "inputs": {"h": {"uri": "azureml://datastores/lake/paths/history/", "type": "uri_folder"}}}
MODEL = f"{WS}/models/creditrisk_model/versions/1"
STEP = f"{WS}/runs/creditrisk_train"


def coverage_of(app: App) -> Coverage:
    """Return what status says now of the first workspace."""
    return read_coverage(app.services.state.notes, now=app.services.now())[0]


def gaps(app: App) -> dict[str, str]:
    """Return the reason of each gap by kind and name."""
    return {f"{gap.kind} {gap.name}": gap.reason for gap in coverage_of(app).gaps}


def publish_all(app: App) -> None:
    """Publish the scenario, and close what can never be."""
    app.replay()
    for letter in app.services.dead_letters.list_open():
        app.services.dead_letters.close(letter.id)


def check(app: App) -> Result:
    """Ask as a pipeline or a probe does."""
    settings = app.services.settings
    environment = {**app.emulator.environment(f"sqlite:///{settings.storage}"), "LINEAGE_WORKSPACES": WORKSPACE}
    return CliRunner().invoke(lineage, ["status", "--check", "--all"], env=environment)


def state_of(app: App, name: str) -> object:
    """Return the attribute `state` of an entity."""
    return app.entity(name)["attributes"].get("state")


def marked(app: App, name: str) -> str:
    """Return the mark that the ledger has."""
    key = QualifiedName(name)
    return app.services.ledger.get_rows([key])[key].status


def inputs_of(app: App, run_id: str) -> list[str]:
    """Return what a run reads now."""
    listed = app.entity(f"{WS}/runs/{run_id}")["relationshipAttributes"]["inputs"]
    return [item["qualifiedName"] for item in listed if item["relationshipStatus"] == "ACTIVE"]


def at_clock(app: App) -> tuple[App, MovedClock]:
    """Let the app have a clock that a test moves."""
    clock = MovedClock()
    services = replace(app.services, now=clock)
    return App(app.emulator, services), clock


@pytest.fixture
def steward(app: App) -> Iterator[Caller]:
    """A person who edits in Purview."""
    person = Caller(app.emulator)
    with person.session:
        person.become("11111111-2222-3333-4444-555555555555")
        yield person


def edit(steward: Caller, guid: str) -> None:
    """Set a description, as a person does in the portal."""
    path = f"/datamap/api/atlas/v2/entity/guid/{guid}"
    steward.ok("PUT", path, "what it is about", name="userDescription", api_version="2023-09-01")


def test_endpoint_that_cannot_be_read_is_a_gap_and_keeps_no_other_from_being_found(app: App, add: Add) -> None:
    """Its deployments are refused for ever; the other was deployed without an event, and a model was deleted."""
    app.replay()
    add(
        online_endpoints={
            "a-broken": {"deployments": {"blue": {"model": "creditrisk_model:2"}}},
            "b-silent": {"deployments": {"blue": {"model": "creditrisk_model:1"}}},
        }
    )
    broken = {"service": "azure_ml", "path": "onlineEndpoints/a-broken/deployments", "statuses": [400] * 10_000}
    app.emulator.control.faults(broken)
    app.emulator.control.delete("models", "creditrisk_model", "2")
    app.tick()
    app.tick()
    assert "b-silent" in app.entity(f"{WS}/endpoints/b-silent")["attributes"]["qualifiedName"]
    assert state_of(app, f"{WS}/models/creditrisk_model/versions/2") == "Deleted"
    assert [(name, reason.partition(":")[0]) for name, reason in gaps(app).items()] == [
        ("endpoint a-broken", "RequestRefused")
    ]
    assert coverage_of(app).percent < 100
    assert check(app).exit_code == 1
    app.emulator.control.faults()
    app.tick()
    app.tick()
    assert gaps(app) == {}
    assert state_of(app, f"{WS}/endpoints/a-broken") is not None


def test_many_endpoints_that_cannot_be_read_keep_none_from_its_turn(
    app: App, add: Add, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Those that were looked at longest ago are first, whether they could be read or not."""
    monkeypatch.setattr("shared.reconciling.changed_endpoints.CHANGED", 2)
    deployments = {"deployments": {"blue": {"model": "creditrisk_model:1"}}}
    app.replay()
    add(online_endpoints={f"a-{number}": deployments for number in range(3)} | {"z": deployments})
    app.emulator.control.faults(
        {"service": "azure_ml", "path": "onlineEndpoints/a-./deployments", "statuses": [400] * 10_000}
    )
    for _ in range(5):
        app.tick()
    assert app.entity(f"{WS}/endpoints/z")["attributes"]["name"] == "z"


def test_archived_run_without_its_record_is_a_gap_and_keeps_nothing_from_being_marked(app: App, add: Add) -> None:
    """Azure ML lists it and does not give it; a run, a model after it are marked, and one that was deleted."""
    app.replay()
    add(runs={"gone": JOB})
    app.replay([run_completed("gone")])
    for name in ("gone", "creditrisk_train"):
        app.emulator.control.archive("jobs", name)
    app.emulator.control.archive("models", "creditrisk_model", "1")
    app.emulator.control.delete("models", "creditrisk_model", "2")
    app.emulator.control.faults({"service": "azure_ml", "path": "/rundata", "statuses": [404]})
    app.tick()
    app.emulator.control.faults()
    assert (state_of(app, MODEL), state_of(app, f"{WS}/models/creditrisk_model/versions/2")) == ("Archived", "Deleted")
    runs = {name: (state_of(app, name), marked(app, name)) for name in (f"{WS}/runs/gone", STEP)}
    assert sorted(runs.values(), key=str) == [("Archived", "Archived"), (None, "Completed")]
    assert [reason.partition(":")[0] for name, reason in gaps(app).items() if name.startswith("mark run")] == [
        "RecordNotFound"
    ]
    app.tick()
    assert check(app).exit_code == 1


LISTS = {
    "runs": "jobs",
    "models": "models",
    "archived runs": "jobs",
    "archived models": "models",
    "data": "data",
}


@pytest.mark.parametrize("walk", LISTS)
def test_walk_whose_link_has_expired_begins_again(app: App, walk: str) -> None:
    """The service does not know the token that was noted a while ago; no person has to do anything about it."""
    app.replay()
    app.tick()
    expired = f"{app.services.settings.arm_endpoint}{WORKSPACE}/{LISTS[walk]}?api-version=2024-01-01-preview&$skip=x"
    progress = Progress.load(app.services.state.notes, WorkspaceId.parse(WORKSPACE))
    counted = dict(progress.totals)
    if walk == "runs":
        progress.runs.page = expired
    elif walk == "data":
        progress.data.page, progress.data.looked_at = expired, ""
    else:
        progress.pages[walk] = expired
    progress.save(app.services.state.notes)
    app.tick()
    coverage = coverage_of(app)
    assert (coverage.problem, coverage.gaps, coverage.complete) == ("", (), True)
    assert dict(coverage.totals) == {kind: counted[kind] for kind in coverage.totals}


def test_first_walk_that_begins_again_counts_each_run_once(start_app: Start, monkeypatch: pytest.MonkeyPatch) -> None:
    """What it counted before its link expired is counted once more."""
    app = start_app("fleet", runs=120)
    app.services.reconciler.tick()
    counted = [dict(each.totals) for each in read_coverage(app.services.state.notes)]
    app = start_app("fleet", runs=120)
    with monkeypatch.context() as small:
        small.setattr(missed_events, "PAGES", 1)
        app.services.reconciler.tick()
    notes = app.services.state.notes
    for each in read_coverage(notes):
        progress = Progress.load(notes, WorkspaceId.parse(each.workspace))
        progress.runs.page = progress.runs.page and f"{progress.runs.page}x"
        progress.save(notes)
    app.services.reconciler.tick()
    app.services.reconciler.tick()
    assert [dict(each.totals) for each in read_coverage(notes)] == counted


def test_entry_of_a_list_that_cannot_be_read_costs_no_more_than_itself(app: App, add: Add) -> None:
    """A job without a name, in the words of the list; the others are published and it is a gap."""
    app.replay()
    add(runs={"fine": JOB})
    page: dict[str, object] = {"value": [{"id": "x", "name": None, "properties": {}}, None]}
    listed = {"service": "azure_ml", "path": "ws-credit/data$", "method": "GET", "statuses": [203], "body": page}
    app.emulator.control.faults(listed)
    app.tick()
    app.tick()
    assert {name.split()[0] for name in gaps(app)} == {"list"}
    assert app.entity(f"{WS}/runs/fine")["attributes"]["status"] == "Completed"
    later, clock = at_clock(app)
    clock.move(timedelta(days=1, hours=1))
    later.tick()
    later.tick()
    assert gaps(later) == {}


class PacedClock:
    """Each look at it takes a while, as requests do."""

    def __init__(self, pace: timedelta) -> None:
        self.moment, self.pace = MovedClock(), pace

    def __call__(self) -> datetime:
        self.moment.move(self.pace)
        return self.moment()


def test_tick_ends_in_time_and_the_next_begins_after_what_it_has_finished(start_app: Start) -> None:
    """However slow everything is, each workspace and each placeholder has its turn."""
    app = start_app("fleet", runs=30)
    clock = PacedClock(timedelta(seconds=4))
    app = App(app.emulator, replace(app.services, now=clock))
    notes = app.services.state.notes
    served, lengths = list[str](), list[timedelta]()
    for _ in range(20):
        begun = clock.moment()
        app.services.reconciler.tick()
        lengths.append(clock.moment() - begun)
        served.append(TickNote.load(notes).served)
    assert max(lengths) < TICK + timedelta(minutes=5)
    assert len({*served}) > 2
    assert [bool(each.at) and each.complete for each in read_coverage(notes)] == [True] * 3


def test_tick_with_time_enough_begins_at_the_first_part_the_next_time(app: App) -> None:
    """All parts had their turn."""
    app.tick()
    note = TickNote.load(app.services.state.notes)
    assert (note.served, bool(note.ended), note.problems) == ("", True, {})


def test_defect_that_one_part_shows_costs_no_other(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is named with the class of the exception, and the function fails."""

    def break_down(_: object) -> None:
        raise KeyError("unheard of")

    app.replay()
    monkeypatch.setattr(missed_events.MissedEventFinder, "look_at_data", break_down)
    with pytest.raises(KeyError):
        app.services.reconciler.tick()
    coverage = coverage_of(app)
    assert "UnexpectedKeyError" in coverage.problem
    assert coverage.complete


def test_steward_who_edits_a_placeholder_is_no_scan(app: App, add: Add, steward: Caller) -> None:
    """It keeps its label, and joins what a scan finds under another name later."""
    add(runs={"one": READS_HISTORY, "two": READS_HISTORY})
    app.replay([run_completed("one")])
    edit(steward, app.entity(HISTORY)["guid"])
    assert app.entity(HISTORY)["updatedBy"] != app.entity(HISTORY)["createdBy"]
    app.tick()
    assert app.entity(HISTORY)["labels"] == ["unscanned"]
    app.emulator.control.scan({"typeName": "azure_datalake_gen2_resource_set", "qualifiedName": RESOURCE_SET})
    app.replay([run_completed("two")])
    app.tick()
    assert [inputs_of(app, name) for name in ("one", "two")] == [[RESOURCE_SET], [RESOURCE_SET]]


def test_link_that_another_identity_makes_is_no_scan(app: App, add: Add, steward: Caller) -> None:
    """Atlas says that it has updated what it leads to."""
    add(runs={"one": READS_HISTORY})
    app.replay([run_completed("one")])
    reads = {"typeName": "azure_datalake_gen2_path", "uniqueAttributes": {"qualifiedName": HISTORY}}
    attributes = {"qualifiedName": "tool://copy", "name": "copy", "inputs": [reads], "outputs": []}
    body = {"entities": [{"typeName": "Process", "guid": "-1", "attributes": attributes}]}
    steward.ok("POST", "/datamap/api/atlas/v2/entity/bulk", body, api_version="2023-09-01")
    assert app.entity(HISTORY)["updatedBy"] != app.entity(HISTORY)["createdBy"]
    app.tick()
    assert app.entity(HISTORY)["labels"] == ["unscanned"]


def test_placeholder_that_lost_its_label_still_joins_what_a_scan_finds(app: App, add: Add, steward: Caller) -> None:
    """A person vouches for it meanwhile; it is looked at again in its turn."""
    add(runs={"one": READS_HISTORY})
    app.replay([run_completed("one")])
    labels = f"/datamap/api/atlas/v2/entity/guid/{app.entity(HISTORY)['guid']}/labels"
    steward.ok("POST", labels, [], api_version="2023-09-01")
    app.tick()
    row = app.services.ledger.get_rows([QualifiedName(f"{WS}/runs/one")])
    assert [dict(found.matches) for found in row.values()] == [{HISTORY: "placeholder without its label"}]
    app.tick()
    assert app.services.queue.count() == 0
    app.emulator.control.scan({"typeName": "azure_datalake_gen2_resource_set", "qualifiedName": RESOURCE_SET})
    # Both are there, and the folder itself is the likelier name: it is no placeholder, so it stays.
    app.tick()
    assert inputs_of(app, "one") == [HISTORY]
    steward.ok("POST", labels, ["unscanned"], api_version="2023-09-01")
    app.tick()
    assert inputs_of(app, "one") == [RESOURCE_SET]


def test_scan_that_leaves_nothing_we_know_is_known_by_who_wrote(app: App, add: Add, steward: Caller) -> None:
    """Where a placeholder keeps its label after a scan, a setting names the scanner."""
    add(runs={"one": READS_HISTORY})
    app.replay([run_completed("one")])
    edit(steward, app.entity(HISTORY)["guid"])
    settings = replace(app.services.settings, scanners=("11111111-2222-3333-4444-555555555555",))
    app = App(app.emulator, replace(app.services, settings=settings))
    app.tick()
    assert not app.entity(HISTORY)["labels"]


@pytest.mark.parametrize("steps", [5, 20])
def test_scan_of_a_pipelines_data_is_one_request_however_many_steps_touch_it(app: App, add: Add, steps: int) -> None:
    """Each would read the whole tree again."""
    step = {**READS_HISTORY, "kind": "step", "parent": "many"}
    add(runs={"many": {"kind": "pipeline", "experiment": "e"}, **{f"step-{n}": step for n in range(steps)}})
    app.replay([run_completed("many", runType="azureml.PipelineRun")])
    app.tick()
    app.emulator.control.scan({"typeName": "azure_datalake_gen2_resource_set", "qualifiedName": RESOURCE_SET})
    app.services.reconciler.tick()
    assert app.services.queue.count() == 1
    app.replay([])
    assert inputs_of(app, "step-0") == inputs_of(app, f"step-{steps - 1}") == [RESOURCE_SET]


def test_data_that_was_made_again_is_one_request_a_pipeline(app: App, add: Add) -> None:
    """The edges of all steps are written again with it."""
    scanned = {"typeName": "azure_datalake_gen2_path", "qualifiedName": HISTORY, "path": "/history"}
    app.emulator.control.scan(scanned)
    step = {**READS_HISTORY, "kind": "step", "parent": "many"}
    add(runs={"many": {"kind": "pipeline", "experiment": "e"}, **{f"step-{n}": step for n in range(4)}})
    app.replay([run_completed("many", runType="azureml.PipelineRun")])
    app.tick()
    app.services.purview.delete(f"/entity/guid/{app.entity(HISTORY)['guid']}")
    app.emulator.control.scan(scanned)
    app.services.reconciler.tick()
    assert app.services.queue.count() == 1


def failing_for(part: str, error: LineageError, monkeypatch: pytest.MonkeyPatch) -> list[Sequence[QualifiedName]]:
    """Let each look-up that has a certain name among its names fail; return those."""
    find, failed = PurviewCatalog.find, list[Sequence[QualifiedName]]()

    def find_or_fail(
        catalog: PurviewCatalog, names: Sequence[QualifiedName], **more: Any
    ) -> dict[QualifiedName, Found]:
        if any(part in name for name in names):
            failed.append(names)
            raise error
        return find(catalog, names, **more)

    monkeypatch.setattr(PurviewCatalog, "find", find_or_fail)
    return failed


ANSWERS = (
    RequestRefusedError("it is odd", status=400),
    AccessDeniedError("not that one"),
    ServiceUnavailableError("500 for that one"),
)


@pytest.mark.parametrize("error", ANSWERS, ids=lambda error: type(error).__name__)
def test_name_that_the_catalog_cannot_look_up_keeps_no_other_from_being_found(
    app: App, error: LineageError, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is a gap with its reason; an edge that another run has lost is found in the same tick."""
    app.replay()
    app.tick()
    link = app.entity(STEP)["relationshipAttributes"]["inputs"][0]
    app.services.purview.delete(f"/relationship/guid/{link['relationshipGuid']}")
    failed = failing_for("endpoints/creditrisk-endpoint", error, monkeypatch)
    app.services.reconciler.tick()
    assert failed
    result = check(app)
    assert result.exit_code == 1
    assert "edges any more" in result.stdout
    assert str(error) in result.stdout


def test_catalog_that_answers_nothing_is_an_outage_and_no_gap_of_each_name(
    app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tick says so, after a few requests."""
    app.replay()
    app.tick()
    failed = failing_for("", ServiceUnavailableError("down"), monkeypatch)
    sampler = CatalogSampler(app.services.catalog, app.services.state, app.services.now, lambda _: ())
    with pytest.raises(ServiceUnavailableError):
        sampler.tick()
    assert len(failed) < 40


def test_run_whose_data_was_made_again_is_put_on_the_queue_once_a_day(app: App, add: Add) -> None:
    """However many are lost, and though nothing is taken from the queue meanwhile."""
    app, clock = at_clock(app)
    app.replay()
    files = [f"https://contosolake.dfs.core.windows.net/credit/again-{number}/f.csv" for number in range(70)]
    given = "azureml://datastores/lake/paths/again-{}/f.csv"
    inputs = [{"h": {"uri": given.format(number), "type": "uri_file"}} for number in range(len(files))]
    runs = {f"r-{number}": {**JOB, "inputs": each} for number, each in enumerate(inputs)}
    add(runs=runs)
    scanned = [{"typeName": "azure_datalake_gen2_path", "qualifiedName": name} for name in files]
    app.emulator.control.scan(*scanned)
    app.replay([run_completed(run) for run in runs])
    app.tick()
    for name in files:
        app.services.purview.delete(f"/entity/guid/{app.entity(name)['guid']}")
    app.emulator.control.scan(*scanned)
    before = app.services.queue.count()
    for _ in range(20):
        app.services.reconciler.tick()
        clock.move(timedelta(minutes=15))
    assert app.services.queue.count() - before == len(runs)


def test_placeholder_that_the_catalog_refuses_to_look_up_keeps_no_other_waiting(
    app: App, add: Add, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is a gap with its reason."""
    odd = {**JOB, "inputs": {"h": {"uri": "azureml://datastores/lake/paths/odd/", "type": "uri_folder"}}}
    add(runs={"one": READS_HISTORY, "odd": odd})
    app.replay()
    app.replay([run_completed("one"), run_completed("odd")])
    app.emulator.control.scan({"typeName": "azure_datalake_gen2_resource_set", "qualifiedName": RESOURCE_SET})
    failed = failing_for("/odd", RequestRefusedError("it is odd", status=400), monkeypatch)
    replacer = PlaceholderReplacer(app.services.catalog, app.services.state, Tick(app.services.now))
    replacer.replace()
    assert failed
    monkeypatch.undo()
    app.replay([])
    assert inputs_of(app, "one") == [RESOURCE_SET]


def refuse(app: App, *names: str) -> None:
    app.emulator.control.switches(refuse=list(names))


@pytest.mark.parametrize(("listed", "name"), [("models", MODEL), ("jobs", STEP)])
def test_mark_that_the_catalog_refuses_is_noted_nowhere_as_done(app: App, listed: str, name: str) -> None:
    """It is a gap, and is set by a later tick."""
    app.replay()
    app, clock = at_clock(app)
    version = ("creditrisk_model", "1") if listed == "models" else ("creditrisk_train",)
    app.emulator.control.archive(listed, *version)
    refuse(app, name)
    app.tick()
    assert (state_of(app, name), marked(app, name) == "Archived") == (None, False)
    assert any(each.startswith("mark ") for each in gaps(app))
    refuse(app)
    clock.move(timedelta(hours=1, minutes=1))
    app.tick()
    assert (state_of(app, name), marked(app, name)) == ("Archived", "Archived")
    assert gaps(app) == {}


def test_mark_waits_for_the_worker_that_writes_the_tree_and_is_noted_nowhere(app: App) -> None:
    """The ledger would say what the catalog does not."""
    app.replay()
    app, clock = at_clock(app)
    app.emulator.control.archive("jobs", "creditrisk_train")
    app.services.state.leases.acquire(STEP, holder="other", duration=LEASE)
    app.tick()
    assert (state_of(app, STEP), marked(app, STEP)) == (None, "Completed")
    app.services.state.leases.release(STEP, holder="other")
    clock.move(timedelta(hours=1, minutes=1))
    app.tick()
    assert (state_of(app, STEP), marked(app, STEP)) == ("Archived", "Archived")


@pytest.mark.parametrize("listed", ["models", "jobs"])
def test_mark_of_what_was_published_again_meanwhile_is_taken_when_it_is_restored(app: App, listed: str) -> None:
    """A model keeps its mark until then; publishing a run takes it, and the next walk sets it again."""
    app.replay()
    name, version = (MODEL, ("creditrisk_model", "1")) if listed == "models" else (STEP, ("creditrisk_train",))
    event = model_registered("creditrisk_model", "1") if listed == "models" else run_completed("creditrisk_train")
    app.emulator.control.archive(listed, *version)
    app.tick()
    assert state_of(app, name) == "Archived"
    app.replay([event])
    assert state_of(app, name) == ("Archived" if listed == "models" else "")
    app.tick()
    assert state_of(app, name) == "Archived"
    app.replay([event])
    app.emulator.control.archive(listed, *version, archived=False)
    app.tick()
    app.tick()
    assert state_of(app, name) not in ("Archived", "Deleted")


def test_entity_that_the_catalog_lost_is_not_made_again_by_a_mark(app: App) -> None:
    """It would have no lineage."""
    app.replay()
    app.services.purview.delete(f"/entity/guid/{app.entity(STEP)['guid']}")
    app.emulator.control.archive("jobs", "creditrisk_train")
    app.tick()
    assert app.services.catalog.get_entity(QualifiedName(STEP)) is None


def test_failure_of_a_second_event_leaves_what_was_published_as_it_is(app: App, add: Add) -> None:
    """Event Grid delivers at least once; the second time Azure ML refused. The placeholder is still replaced."""
    add(runs={"one": READS_HISTORY})
    publish_all(app)
    app.replay([run_completed("one")])
    app.emulator.control.faults({"service": "azure_ml", "path": "/rundata", "statuses": [400] * 50})
    app.replay([run_completed("one")])
    app.emulator.control.faults()
    assert len(app.services.dead_letters.list_open()) == 1
    assert marked(app, f"{WS}/runs/one") == "Completed"
    app.tick()
    assert coverage_of(app).percent == 100.0
    app.emulator.control.scan({"typeName": "azure_datalake_gen2_resource_set", "qualifiedName": RESOURCE_SET})
    app.tick()
    assert inputs_of(app, "one") == [RESOURCE_SET]


def test_tick_that_failed_fails_the_check_and_says_why(app: App) -> None:
    """All was linked before."""
    publish_all(app)
    app.tick()
    assert check(app).exit_code == 0
    app.emulator.control.faults({"service": "azure_ml", "path": "ws-credit/jobs", "statuses": [400] * 9})
    with pytest.raises(LineageError):
        app.services.reconciler.tick()
    result = check(app)
    assert (result.exit_code, "the last look at it failed: RequestRefused" in result.stdout) == (1, True)
    app.emulator.control.faults()
    app.tick()
    assert check(app).exit_code == 0


def test_part_of_a_tick_that_belongs_to_no_workspace_and_failed_fails_the_check(app: App) -> None:
    """The catalog cannot be asked for what it has."""
    publish_all(app)
    app.tick()
    app.emulator.control.faults({"service": "purview", "path": "bulk/uniqueAttribute", "statuses": [403] * 50})
    with pytest.raises(LineageError):
        app.services.reconciler.tick()
    result = check(app)
    assert (result.exit_code, "the last tick failed: what the catalog has: AccessDenied" in result.stdout) == (1, True)
    app.emulator.control.faults()
    app.tick()
    assert check(app).exit_code == 0


@pytest.mark.parametrize(
    ("later", "problem"),
    [
        (timedelta(minutes=40), ""),
        (timedelta(minutes=70), "no tick has begun since"),
        (timedelta(hours=7), "nothing has looked at it since"),
    ],
)
def test_tick_that_is_late_shows(app: App, later: timedelta, problem: str) -> None:
    """A few schedules, as the last ticks came."""
    publish_all(app)
    app, clock = at_clock(app)
    for _ in range(3):
        app.tick()
        clock.move(timedelta(minutes=15))
    clock.move(later - timedelta(minutes=15))
    coverage = coverage_of(app)
    assert coverage.problem.startswith(problem)
    assert bool(coverage.problem) == bool(problem)
    assert read_health(
        app.services.state.notes, app.services.dead_letters, now=clock(), scopes=[WORKSPACE]
    ).is_covered == (not problem)


def test_tick_that_the_host_has_killed_shows(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """It noted that it began, and nothing after that."""
    app.replay()
    app, clock = at_clock(app)
    app.tick()
    clock.move(timedelta(minutes=15))

    def die(_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as killed:
        killed.setattr(missed_events.MissedEventFinder, "look_at_gaps", die)
        with pytest.raises(KeyboardInterrupt):
            app.services.reconciler.tick()
    assert coverage_of(app).problem == ""
    clock.move(timedelta(minutes=31))
    assert "did not end" in coverage_of(app).problem


def test_workspace_that_no_tick_has_looked_at_fails_the_check(app: App) -> None:
    """It was added to the allow-list since, or no tick had time for it yet."""
    app.replay()
    app.tick()
    other = f"{WORKSPACE.rpartition('/')[0]}/ws-other"
    scopes = (WORKSPACE, other)
    health = read_health(app.services.state.notes, app.services.dead_letters, now=app.services.now(), scopes=scopes)
    assert not health.is_covered
    assert [(each.workspace, each.problem) for each in health.coverages if each.problem] == [
        (other, "no tick has looked at it yet")
    ]


def test_edge_that_is_gone_fails_the_check(app: App) -> None:
    """A person took it away in Purview."""
    publish_all(app)
    app.tick()
    assert check(app).exit_code == 0
    link = app.entity(STEP)["relationshipAttributes"]["inputs"][0]
    app.services.purview.delete(f"/relationship/guid/{link['relationshipGuid']}")
    app.tick()
    result = check(app)
    assert result.exit_code == 1
    assert "1 of its edges any more" in result.stdout


def test_each_of_many_losses_is_asked_for_again_in_its_turn(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two that stay lost keep the third from nothing."""
    monkeypatch.setattr("shared.reconciling.lost.AGAIN", 1)
    app.replay()
    app.tick()
    names = [
        "models/creditrisk_model/versions/1",
        "models/creditrisk_model/versions/2",
        "endpoints/creditrisk-endpoint",
    ]
    for name in names:
        app.services.purview.delete(f"/entity/guid/{app.entity(f'{WS}/{name}')['guid']}")
    app.tick()
    assert len([gap for gap in coverage_of(app).gaps if "does not have" in gap.reason]) >= 3


def test_what_is_noted_of_a_workspace_grows_by_rows_and_changes_only_where_something_did(app: App) -> None:
    """Whatever number of gaps, none is in the note of the workspace, and none is written twice."""
    app.replay()
    app.tick()
    notes = app.services.state.notes
    workspace = WorkspaceId.parse(WORKSPACE)
    progress = Progress.load(notes, workspace)
    template = next(iter(progress.endpoints))
    gap = {"kind": "run", "name": "r", "version": "", "reason": "why " * 2_000}
    progress.gaps = {f"{template} {number}": Gap.from_json(gap) for number in range(2_000)}
    progress.save(notes)
    assert len(json.dumps(notes.get(f"reconcile/{workspace.arm_id}"))) < 10_000
    longest = max(len(json.dumps(row)) for row in read_folder(notes, f"reconcile/{workspace.arm_id}").values())
    assert longest < 2_000
    again = Progress.load(notes, workspace)
    assert len(again.gaps) == 2_000
    written: list[int] = []

    class Counting:
        def __getattr__(self, name: str) -> object:
            return getattr(notes, name)

        def put_in(self, folder: str, rows: dict[str, object]) -> None:
            written.append(len(rows))

    again.save(Counting())  # type: ignore[arg-type]
    assert written == [0]


def test_tick_over_unchanged_models_does_not_ask_the_ledger_for_them(
    app: App, add: Add, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The list says what it said when all of it was linked."""
    add(models={f"many_{number}:1": {"path": f"azureml://datastores/stored/{number}/"} for number in range(60)})
    app.replay()
    for _ in range(3):
        app.tick()
    assert gaps(app) == {}
    ledger = app.services.ledger
    asked: list[int] = []

    def count(keys: Sequence[QualifiedName]) -> object:
        wanted = list(keys)
        asked.append(len(wanted))
        return type(ledger).get_rows(ledger, wanted)

    monkeypatch.setattr(ledger, "get_rows", count)
    app.services.reconciler.tick()
    assert sum(asked) < 60
    add(models={"many_0:2": {"path": "azureml://datastores/stored/0/"}})
    app.tick()
    app.tick()
    assert app.entity(f"{WS}/models/many_0/versions/2")


def test_dead_letters_are_not_listed_with_each_tick(app: App) -> None:
    """There may be very many that only a person can replay; those of an outage that no tick met wait for an hour."""
    app, clock = at_clock(app)
    publish_all(app)
    app.tick()
    event, letters = run_completed("creditrisk_train"), app.services.dead_letters
    letters.put(reason="ServiceUnavailable", detail="", body=event, attempts=31, id="letter")
    app.tick()
    assert [letter.id for letter in letters.list_open()] == ["letter"]
    clock.move(timedelta(hours=1))
    app.tick()
    assert not letters.list_open()


def test_ledger_is_not_asked_about_what_is_archived_and_was_marked(app: App, monkeypatch: pytest.MonkeyPatch) -> None:
    """There may be very many; what is archived or restored changes its page of the list, and that is compared."""
    app, clock = at_clock(app)
    publish_all(app)
    archive = app.emulator.control.archive
    archive("jobs", "creditrisk_train")
    archive("models", "creditrisk_model", "1")
    app.tick()
    app.tick()
    asked = list[QualifiedName]()
    ask = SqliteLedger.get_rows

    def get_rows(ledger: SqliteLedger, keys: Iterable[QualifiedName]) -> Mapping[QualifiedName, Row]:
        wanted = list(keys)
        asked.extend(wanted)
        return ask(ledger, wanted)

    monkeypatch.setattr(SqliteLedger, "get_rows", get_rows)
    app.tick()
    assert not {MODEL, STEP}.intersection(asked)
    archive("jobs", "creditrisk_pipeline")
    archive("models", "creditrisk_model", "2")
    app.tick()
    assert {MODEL, STEP} <= set(asked)
    others = (f"{WS}/models/creditrisk_model/versions/2", f"{WS}/runs/cccccccc-0000-4000-8000-000000000003")
    assert {state_of(app, name) for name in (MODEL, STEP, *others)} == {"Archived"}
    archive("jobs", "creditrisk_train", archived=False)
    archive("models", "creditrisk_model", "1", archived=False)
    app.tick()
    assert [state_of(app, name) for name in (MODEL, STEP)] == ["Active", "Active"]
    app.tick()  # what was restored may have published others again, which took their marks
    assert {state_of(app, name) for name in others} == {"Archived"}
    asked.clear()
    clock.move(timedelta(days=1))
    app.tick()
    assert others[0] in asked  # once a day all of it is compared, whatever the list says


def test_what_is_no_longer_needed_leaves_the_ledger_when_it_is_old(app: App) -> None:
    """How a place was found, and that something was skipped; what was published stays, and so does what is young."""
    app, clock = at_clock(app)
    publish_all(app)
    ledger, place = app.services.ledger, Ref("azure_datalake_gen2_path", QualifiedName(HISTORY))
    skipped = QualifiedName(f"{WS}/runs/skipped")
    ledger.put_rows([Row(skipped, "run", "skipped", reason="it has left nothing behind")])
    ledger.put_matches({place: Match(place, MatchKind.EXACT)})

    def is_known() -> tuple[bool, bool, bool]:
        rows = ledger.get_rows([skipped, QualifiedName(STEP)])
        return (
            skipped in rows,
            QualifiedName(STEP) in rows,
            place in ledger.get_matches([place], placeholders_since=clock()),
        )

    for keep, by in ((0, timedelta(days=40)), (41, timedelta(0))):
        clock.move(by)
        replace(app.services.reconciler, keep=timedelta(days=keep)).tick()
        assert is_known() == (True, True, True)
    replace(app.services.reconciler, keep=timedelta(days=39)).tick()
    assert is_known() == (False, True, False)
