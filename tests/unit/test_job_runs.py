"""A run as its OpenLineage events together tell it: in any order, however often each comes."""

import json
import random
import re
from collections.abc import Iterable
from datetime import timedelta
from itertools import permutations
from typing import Any

import pytest

from shared.catalog.qualified_names import QualifiedName
from shared.errors import LeaseHeldError, MalformedEventError
from shared.intake.allow_list import AllowList, read_job_event
from shared.openlineage.incoming_events import RunEvent
from shared.openlineage.job_run import LIMIT, Folded
from shared.publishing.engine import Publisher
from shared.publishing.plan import PUBLISHED, SKIPPED, Skip
from shared.publishing.plan_openlineage import FACTS, FEW
from shared.state.sqlite import Database, SqliteLeases, SqliteLedger
from tests.harness.fakes import FakeCatalog, FakeClock, FakeRunSource, FreeLeases
from tests.worlds.openlineage_events import (
    BORROWER,
    NAMESPACE,
    PREPARED,
    RAW,
    RUN,
    STEP,
    column_lineage,
    data,
    run_event,
)

APP = "prepare_credit"
CHILD, OTHER_CHILD = "0197f44b-7231-7dcb-8d0c-000000000001", "0197f44b-7231-7dcb-8d0c-000000000002"
JOINED = "joined"
URL = "https://contosolake.dfs.core.windows.net/credit"
PARENT = (APP, RUN)

START = run_event("START", at="10:00")
READS = run_event("START", at="10:01", run_id=CHILD, job=f"{APP}.write_joined", parent=PARENT, inputs=[data(RAW)])
WRITES = run_event(
    "COMPLETE",
    at="10:02",
    run_id=CHILD,
    job=f"{APP}.write_joined",
    parent=PARENT,
    inputs=[data(RAW), data(BORROWER)],
    outputs=[data(JOINED, **column_lineage(RAW, {"a": "loanAmount"}))],
)
AGAIN = run_event(
    "COMPLETE",
    at="10:04",
    run_id=OTHER_CHILD,
    job=f"{APP}.write_prepared",
    parent=PARENT,
    inputs=[data(JOINED)],
    outputs=[data(PREPARED, **column_lineage(JOINED, {"amount": "a"}))],
)
END = run_event("COMPLETE", at="10:05")
NOTEBOOK = (START, READS, WRITES, AGAIN, END)


class Desk:
    """The use case over a catalog in memory."""

    def __init__(self, *, held: bool = False) -> None:
        self.database = Database(":memory:", now=FakeClock())
        self.catalog, self.ledger = FakeCatalog(), SqliteLedger(self.database)
        leases = SqliteLeases(self.database) if held else FreeLeases()
        self.leases = leases
        self.publisher = Publisher(FakeRunSource({}), self.catalog, self.ledger, leases, now=FakeClock())

    def publish(self, *events: dict[str, Any]) -> list[str]:
        return [self.publisher.publish(read(event)).outcome for event in events]

    @property
    def steps(self) -> dict[str, Any]:
        found = self.catalog.entities.values()
        return {each.ref.qualified_name: each for each in found if each.ref.type_name == "custom_ml_experiment_step"}

    @property
    def step(self) -> Any:
        [step] = self.steps.values()
        return step


def read(event: dict[str, Any]) -> RunEvent:
    found = read_job_event(json.dumps(event), AllowList((), (NAMESPACE,)))
    assert not isinstance(found, Skip)
    return found


def shown(desk: Desk) -> dict[str, Any]:
    """What the catalog holds, and which part of it is of no step but a placeholder on the way."""
    return {name: (entity.ref, entity.attributes, entity.inputs, entity.outputs) for name, entity in desk.steps.items()}


def names(refs: Iterable[Any]) -> list[str]:
    return [ref.qualified_name.removeprefix(f"{URL}/") for ref in refs]


def test_jobs_of_a_notebook_are_one_step_of_what_it_read_and_wrote() -> None:
    """What it wrote and read again is both; columns lead through it."""
    desk = Desk()
    desk.publish(*NOTEBOOK)
    step = desk.step
    assert step.ref.qualified_name == STEP
    assert names(step.inputs) == [JOINED, BORROWER, RAW]
    assert names(step.outputs) == [JOINED, PREPARED]
    attributes = step.attributes
    assert [attributes[name] for name in ("name", "status", "started_at", "ended_at")] == [
        APP,
        "Completed",
        "2026-07-01T10:00:00Z",
        "2026-07-01T10:05:00Z",
    ]
    mappings = {
        tuple(name.removeprefix(f"{URL}/") for name in mapping["DatasetMapping"].values()): mapping["ColumnMapping"]
        for mapping in json.loads(attributes["columnMapping"])
    }
    assert mappings == {
        (RAW, JOINED): [{"Source": "loanAmount", "Sink": "a"}],
        (JOINED, PREPARED): [{"Source": "a", "Sink": "amount"}],
    }


def test_any_order_of_events_ends_in_the_same_step() -> None:
    """All hundred and twenty."""
    desk = Desk()
    desk.publish(*NOTEBOOK)
    expected = shown(desk)
    for order in permutations(NOTEBOOK):
        other, edges = Desk(), set[Any]()
        for event in order:
            other.publish(event)
            now = {
                (end, side)
                for step in other.steps.values()
                for side in ("inputs", "outputs")
                for end in getattr(step, side)
            }
            assert edges <= now, "the catalog would go on drawing an edge that was withdrawn"
            edges = now
        assert shown(other) == expected, [event["eventType"] for event in order]


@pytest.mark.parametrize("seed", range(20))
def test_events_that_come_several_times_in_any_order_change_nothing(seed: int) -> None:
    """At least once, in no order; a failed attempt whose part was stored is one of them."""
    chance = random.Random(seed)  # noqa: S311 - an order, not a secret
    deliveries = [*NOTEBOOK, *chance.choices(NOTEBOOK, k=8)]
    chance.shuffle(deliveries)
    desk, expected = Desk(), Desk()
    desk.publish(*deliveries)
    expected.publish(*NOTEBOOK)
    assert shown(desk) == shown(expected)
    assert desk.publish(*NOTEBOOK) == [SKIPPED] * len(NOTEBOOK)


def test_parent_that_is_not_an_object_is_refused() -> None:
    """Without it, one of the many runs of a Spark application would become a step of its own."""
    event = run_event("COMPLETE", outputs=[data(PREPARED)])
    event["run"]["facets"]["parent"] = []
    with pytest.raises(MalformedEventError, match=re.escape("run.facets.parent: is a list")):
        read(event)


def test_documentation_matters_for_a_job_and_not_for_a_part_of_it() -> None:
    """What is not read of an event cannot make it a dead letter."""
    part = run_event("COMPLETE", job="prepare_credit.save", parent=("prepare_credit", RUN), outputs=[data(PREPARED)])
    whole = run_event("COMPLETE", outputs=[data(PREPARED)])
    part["job"]["facets"] = whole["job"]["facets"] = {"documentation": []}
    assert read(part).fact is not None
    with pytest.raises(MalformedEventError, match=re.escape("job.facets.documentation: is a list")):
        read(whole)


def test_start_with_inputs_only_waits_for_what_is_written() -> None:
    """No step that only announces."""
    desk = Desk()
    assert desk.publish(START, READS) == [SKIPPED, SKIPPED]
    assert desk.steps == {}
    assert desk.publish(WRITES) == [PUBLISHED]
    assert desk.step.attributes["status"] == "Running"


def test_last_of_several_ends_counts() -> None:
    """A notebook that was run to its end after it had failed."""
    desk = Desk()
    failed = run_event("FAIL", at="10:03")
    desk.publish(failed, *NOTEBOOK)
    assert desk.step.attributes["status"] == "Completed"
    desk.publish(run_event("FAIL", at="10:09"))
    assert (desk.step.attributes["status"], desk.step.attributes["ended_at"]) == ("Failed", "2026-07-01T10:09:00Z")
    assert names(desk.step.outputs) == [JOINED, PREPARED]


def test_output_of_a_job_that_failed_counts_only_if_it_says_that_something_arrived() -> None:
    """The rest was written by jobs that completed."""
    desk = Desk()

    def second(kind: str, output: dict[str, Any]) -> dict[str, Any]:
        name = f"{APP}.write_prepared"
        return run_event(kind, at="10:04", run_id=OTHER_CHILD, job=name, parent=PARENT, outputs=[output])

    desk.publish(START, WRITES, second("START", data(PREPARED)), second("FAIL", data(PREPARED)), END)
    assert names(desk.step.outputs) == [JOINED]
    some = {**data(PREPARED), "outputFacets": {"outputStatistics": {"rowCount": 10}}}
    desk.publish(second("FAIL", some))
    assert names(desk.step.outputs) == [JOINED, PREPARED]


def test_tasks_of_a_workflow_are_steps_of_their_own() -> None:
    """Airflow names the workflow as the parent of each task, and no one wants one step of it all."""
    desk = Desk()
    for run_id, name in ((CHILD, "daily.extract"), (OTHER_CHILD, "daily.load")):
        event = run_event("COMPLETE", run_id=run_id, job=name, parent=("daily", RUN), outputs=[data(name)])
        desk.publish({**event, "producer": "https://github.com/apache/airflow/tree/providers-openlineage/2.0.0"})
    assert sorted(step.attributes["name"] for step in desk.steps.values()) == ["daily.extract", "daily.load"]


def test_stream_that_reports_every_minute_adds_nothing_to_the_ledger() -> None:
    """Each batch is a run of its own, of the same job, which says the same."""
    desk = Desk()
    batches = [
        run_event(
            kind,
            at=f"10:{number:02}",
            run_id=f"0197f44b-7231-7dcb-8d0c-{number:012}",
            job=f"{APP}.micro_batch",
            parent=PARENT,
            inputs=[data(RAW)],
            outputs=[data(PREPARED)],
        )
        for number in range(50)
        for kind in ("START", "RUNNING", "COMPLETE")
    ]
    desk.publish(*batches)
    assert len(desk.ledger.get_facts(desk.step.ref.qualified_name)) == 3


def test_fact_is_kept_while_another_worker_has_the_lease() -> None:
    """The message comes back, and the worker that publishes meanwhile includes its event."""
    desk = Desk(held=True)
    desk.leases.acquire(STEP, holder="other", duration=timedelta(minutes=1))
    with pytest.raises(LeaseHeldError):
        desk.publish(WRITES)
    assert len(desk.ledger.get_facts(QualifiedName(STEP))) == 1


def test_no_worker_waits_for_a_lease_with_what_the_catalog_has_already() -> None:
    """The events of a notebook come together, and the first worker to publish includes them all."""
    desk = Desk(held=True)
    desk.publish(*NOTEBOOK)
    desk.leases.acquire(STEP, holder="other", duration=timedelta(minutes=1))
    assert desk.publish(*NOTEBOOK) == [SKIPPED] * len(NOTEBOOK)


def test_entity_that_was_deleted_in_the_catalog_is_written_again() -> None:
    """The ledger thinks it is there; the step that points at it is refused, and then all is written."""
    desk = Desk()
    desk.publish(START, WRITES)
    joined = QualifiedName(f"{URL}/{JOINED}")
    del desk.catalog.entities[joined]
    assert desk.publish(AGAIN) == [PUBLISHED]
    assert joined in desk.catalog.entities


def long_run(number: int, *, files: int = 5) -> dict[str, Any]:
    """What an application that writes another folder each day says on one of them."""
    child, folder = f"0197f44b-7231-7dcb-8d0c-{number:012}", f"daily/{number:05}"
    columns = column_lineage(RAW, {"a": "loanAmount"}) if number == 0 else {}
    outputs = [data(f"{folder}/part-{part:03}.csv", **columns) for part in range(files)]
    name = f"{APP}.write_{number}"
    return run_event("COMPLETE", run_id=child, job=name, parent=PARENT, inputs=[data(RAW)], outputs=outputs)


class CountingLedger(SqliteLedger):
    """Counts what is asked for by name, and the facts that are read."""

    def __init__(self, database: Database) -> None:
        super().__init__(database)
        self.asked = 0

    def get_matches(self, places: Iterable[Any], **more: Any) -> Any:
        return super().get_matches(self._counted(places), **more)

    def get_fingerprints(self, names: Iterable[QualifiedName]) -> Any:
        return super().get_fingerprints(self._counted(names))

    def find_uses_at(self, paths: Iterable[str], **more: Any) -> Any:
        return super().find_uses_at(self._counted(paths), **more)

    def index_uses(self, uses: Iterable[Any], **more: Any) -> None:
        super().index_uses(self._counted(uses), **more)

    def get_facts(self, run: QualifiedName) -> Any:
        return self._counted(super().get_facts(run))

    def _counted(self, items: Iterable[Any]) -> list[Any]:
        found = list(items)
        self.asked += len(found)
        return found


def test_event_costs_the_same_however_many_came_before() -> None:
    """A session that goes on for weeks adds a folder with each event."""
    desk = Desk()
    ledger = CountingLedger(desk.database)
    publisher = Publisher(FakeRunSource({}), desk.catalog, ledger, FreeLeases(), now=FakeClock())
    costs, sent = [], []
    for number in range(75):
        ledger.asked = 0
        before = len(desk.catalog.sent)
        assert publisher.publish(read(long_run(number))).outcome == PUBLISHED
        costs.append(ledger.asked)
        sent.append(sum(map(len, desk.catalog.sent[before:])))
    assert sum(costs[50:]) <= 1.1 * sum(costs[25:50])
    assert max(sent[25:]) <= 6, "the step and what is new of it, not all that it has"
    assert len(desk.step.outputs) == 75 * 5
    assert len(desk.ledger.get_facts(QualifiedName(STEP))) <= FACTS + 1


def test_run_shows_so_many_data_sets_at_most_and_says_so() -> None:
    """Those that came first stay; what comes then changes nothing any more."""
    desk = Desk()
    desk.publish(*(long_run(number, files=100) for number in range(LIMIT // 100 + 1)))
    assert len(desk.step.inputs) + len(desk.step.outputs) == LIMIT
    assert str(LIMIT) in desk.step.attributes["notes"]
    shown_first = names(desk.step.outputs)[0]
    assert desk.publish(long_run(98), long_run(99)) == [SKIPPED, SKIPPED]
    assert names(desk.step.outputs)[0] == shown_first
    desk.publish(END)
    assert desk.step.attributes["status"] == "Completed"


@pytest.mark.parametrize("seed", range(10))
def test_facts_folded_in_any_order_and_groups_make_the_same_run(seed: int) -> None:
    """However often some of them were noted as one, and came once more afterwards."""
    chance = random.Random(seed)  # noqa: S311 - an order, not a secret
    failed = run_event("START", at="10:04", run_id=OTHER_CHILD, job=f"{APP}.x", parent=PARENT, outputs=[data("never")])
    joining = f"{APP}.write_joined"
    late = run_event("START", at="10:02", run_id=CHILD, job=joining, parent=PARENT, outputs=[data("late")])
    facts = [found.to_json() for event in (*NOTEBOOK, failed, late) if (found := read(event).fact)]
    run = read(START).run
    expected = Folded.of(facts).to_run(run)
    assert {each.name for each in expected.outputs} == {JOINED, PREPARED, "late"}
    waiting = chance.sample(facts, len(facts))
    while len(waiting) > 1:
        some = [waiting.pop() for _ in range(min(len(waiting), chance.randint(2, 3)))]
        waiting = chance.sample([*waiting, Folded.of(some).to_json()], len(waiting) + 1)
    assert Folded.of([*waiting, *chance.choices(facts, k=3)]).to_run(run) == expected
    assert Folded.of(waiting).to_json() == waiting[0]


def test_large_run_keeps_its_edges_and_its_columns_with_each_event() -> None:
    """What is not looked up again is as it was: matches, evidence, edges that follow from what others wrote."""
    desk = Desk()
    other = "0197f44b-7231-7dcb-8d0c-00000000000f"
    wrote = run_event("COMPLETE", at="09:00", run_id=other, job="else", outputs=[data(f"{RAW}/part-0.csv")])
    desk.publish(wrote, *map(long_run, range(20)))
    step, row = desk.steps[STEP], desk.ledger.get_rows([QualifiedName(STEP)])[QualifiedName(STEP)]
    assert set(row.matches) >= {str(ref.qualified_name) for ref in step.outputs}
    assert {each.end for each in row.evidence} == {*step.inputs, *step.outputs}
    assert len(row.evidence) > FEW
    assert len(json.loads(step.attributes["columnMapping"])) == 5
    whole = Desk()
    whole.publish(wrote, *map(long_run, range(19)))
    whole.publisher.publish(read(long_run(19)), force=True)
    again = whole.ledger.get_rows([QualifiedName(STEP)])[QualifiedName(STEP)]
    assert (whole.steps[STEP], again.matches, again.files) == (step, row.matches, row.files)
    assert sorted(again.evidence, key=repr) == sorted(row.evidence, key=repr)
    uses = [each.ledger.get_tree(QualifiedName(STEP)).uses for each in (desk, whole)]
    assert uses[0] == uses[1]
