"""Publish: however often and in whatever order events come, the catalog ends up the same, and is written to once."""

import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from graphlib import TopologicalSorter
from itertools import permutations

import pytest

from shared.catalog.entities import Entity, Ref
from shared.catalog.qualified_names import QualifiedName
from shared.errors import (
    EntityRejectedError,
    RecordNotFoundError,
    RunNotSettledError,
    ServiceUnavailableError,
)
from shared.intake.event_types import EndpointSubject, ModelSubject, Nothing, RunSubject, Subject
from shared.model import AssetId, Deployment, Endpoint, ModelVersion, Port, RunTree
from shared.publishing.engine import Publisher
from shared.publishing.plan import Outcome, Plan, Skip
from shared.publishing.plan_azure_ml import FEW
from shared.state.sqlite import Database, SqliteLedger
from tests.harness.fakes import NOON, FakeCatalog, FakeClock, FakeRunSource, FakeWritten, FreeLeases
from tests.unit.examples import LAKE_URL, WORKSPACE, WS, answers, at, data_asset, event, model, run, short, tree, ws

PREPARED = at("azureml/prep/prepared/", run_id="prep")
TRAIN = run("train", inputs={"loan": data_asset("loan", at("loan.csv"))}, outputs={"out": at("out/")})
CHURN, BETTER = AssetId("models", "churn", "1"), AssetId("models", "churn", "2")
STEPS = (
    run("prep", inputs={"raw": at("raw/")}, outputs={"prepared": PREPARED}),
    run("fit", inputs={"prepared": PREPARED}, metrics={"AUC": 0.9}),
)
PIPELINE = tree(*STEPS, root_id="pipe")
ENDPOINT = Endpoint(WORKSPACE, "churn-ep", "Managed", deployments=(Deployment("blue", (model("churn"),)),))

TRAINED = RunSubject("train")
REGISTERED = ModelSubject(CHURN)
DEPLOYED = EndpointSubject("churn-ep")


def everything(train: RunTree | None = None) -> dict[str, object]:
    """What Azure ML answers: a job and the two models made from it, a pipeline, an endpoint."""
    return answers(
        train or tree(TRAIN),
        PIPELINE,
        **{
            "model churn:1": model("churn"),
            "model churn:2": model("churn", "2"),
            "producer churn:1": "train",
            "producer churn:2": "train",
            "endpoint churn-ep": ENDPOINT,
        },
    )


class Desk:
    """The use case with everything it works on."""

    def __init__(self, database: Database, *, catalog: FakeCatalog | None = None) -> None:
        self.source = FakeRunSource(everything())
        self.catalog = catalog or FakeCatalog()
        self.ledger = SqliteLedger(database)
        self.clock = FakeClock()
        database.now = self.clock

    @property
    def publisher(self) -> Publisher:
        return Publisher(self.source, self.catalog, self.ledger, FreeLeases(), now=self.clock)

    def publish(self, *subjects: Subject) -> list[Outcome]:
        return [self.publisher.publish(event(subject)) for subject in subjects]

    def outputs(self, run_id: str) -> list[str]:
        return short(self.catalog.entities[ws(f"runs/{run_id}")].outputs)


@pytest.fixture
def databases() -> Iterator[list[Database]]:
    opened = [Database(":memory:", now=FakeClock()) for _ in range(30)]
    yield opened
    for database in opened:
        database.close()


@pytest.fixture
def desk(databases: list[Database]) -> Desk:
    return Desk(databases.pop())


def scan(catalog: FakeCatalog, name: str, type_name: str = "azure_datalake_gen2_path") -> Ref:
    """Put an entity into the catalog as a scan would."""
    ref = Ref(type_name, QualifiedName(name))
    catalog.entities[ref.qualified_name] = Entity(ref, {"name": "scanned"})
    return ref


def outcomes(results: Iterable[Outcome]) -> list[str]:
    return [result.outcome for result in results]


def test_completed_run_is_published_with_all_it_touches(desk: Desk) -> None:
    """Step, experiment, workspace, data, registration: in one request."""
    (outcome,) = desk.publish(TRAINED)
    assert (outcome.outcome, outcome.subject, outcome.written) == ("published", "run train", len(desk.catalog.entities))
    assert len(desk.catalog.sent) == 1
    assert short(desk.catalog.entities[ws("runs/train")].inputs) == ["data/loan/versions/1"]
    assert desk.outputs("train") == [f"{LAKE_URL}/out"]


def test_outcome_tells_how_each_place_was_found(desk: Desk) -> None:
    """Every match can be explained."""
    scan(desk.catalog, f"{LAKE_URL}/out/{{SparkPartitions}}", "azure_datalake_gen2_resource_set")
    scan(desk.catalog, f"{LAKE_URL}/loan.csv")
    (outcome,) = desk.publish(TRAINED)
    assert outcome.matches == {f"{LAKE_URL}/loan.csv": "exact", f"{LAKE_URL}/out": "resource set"}


def test_publishing_twice_writes_once(desk: Desk) -> None:
    """Unchanged content costs no write at all."""
    assert outcomes(desk.publish(TRAINED, TRAINED)) == ["published", "skipped"]
    assert len(desk.catalog.sent) == 1


@pytest.mark.parametrize("order", list(permutations([TRAINED, REGISTERED, ModelSubject(BETTER), DEPLOYED])))
def test_any_order_gives_the_same_catalog(databases: list[Database], order: tuple[Subject, ...]) -> None:
    """Event Grid promises none; what we write is read from Azure ML at the time."""
    one, other = Desk(databases.pop()), Desk(databases.pop())
    one.publish(TRAINED, REGISTERED, ModelSubject(BETTER), DEPLOYED)
    other.publish(*order, *order)
    assert other.catalog.entities == one.catalog.entities


def test_only_what_changed_is_written_again(desk: Desk) -> None:
    """A run with new metrics does not rewrite the data it used."""
    desk.publish(TRAINED)
    desk.source.answers = everything(tree(replace(TRAIN, status="Finished")))
    (outcome,) = desk.publish(TRAINED)
    assert (outcome.outcome, outcome.written, desk.catalog.sent[-1]) == ("published", 1, [ws("runs/train")])


def test_forced_publishing_writes_everything_again(desk: Desk) -> None:
    """Also what the ledger has: for the day when an old catalog was restored."""
    desk.publish(TRAINED)
    desk.catalog.entities.clear()
    outcome = desk.publisher.publish(event(TRAINED), force=True)
    assert (outcome.outcome, sorted(desk.catalog.entities)) == ("published", desk.catalog.sent[0])


def test_plan_writes_nothing(desk: Desk) -> None:
    """A dry run says what would change and changes neither catalog nor ledger."""
    plan = desk.publisher.plan(event(TRAINED))
    assert isinstance(plan, Plan)
    assert ws("runs/train") in [entity.ref.qualified_name for entity in plan.changed]
    assert desk.catalog.sent == []
    assert desk.ledger.get_rows([ws("runs/train")]) == {}


def test_ledger_notes_what_became_of_a_run(desk: Desk) -> None:
    """So that coverage can be counted and an operator can ask."""
    desk.publish(TRAINED)
    row = desk.ledger.get_rows([ws("runs/train")])[ws("runs/train")]
    assert (row.kind, row.outcome, row.status, row.event_id) == ("run", "published", "Completed", "event-1")
    assert (row.event_time, set(row.matches.values())) == (NOON, {"placeholder"})


def test_event_that_changes_nothing_is_skipped_without_a_call(desk: Desk) -> None:
    """Data drift, for one."""
    (outcome,) = desk.publish(Nothing("data drift changes no lineage"))
    assert (outcome.outcome, outcome.reason) == ("skipped", "data drift changes no lineage")
    assert (desk.source.calls, desk.catalog.calls) == ([], [])


def test_experiment_named_by_the_event_saves_a_request(desk: Desk) -> None:
    """The name never changes."""
    desk.publish(RunSubject("train", experiment_id="guid", experiment_name="churn"))
    assert desk.source.experiments == {"guid": "churn"}


def test_place_that_a_scan_found_is_linked_under_the_scans_name(desk: Desk) -> None:
    """And not written: the scan looks after it."""
    found = scan(desk.catalog, f"{LAKE_URL}/out/")
    desk.publish(TRAINED)
    assert desk.outputs("train") == [found.qualified_name]
    assert desk.catalog.entities[found.qualified_name].attributes == {"name": "scanned"}


def test_own_placeholder_found_again_stays_a_placeholder(databases: list[Database]) -> None:
    """Finding what we put there ourselves is no scan, even after the ledger was lost."""
    first = Desk(databases.pop())
    first.publish(TRAINED)
    (outcome,) = Desk(databases.pop(), catalog=first.catalog).publish(TRAINED)
    assert set(outcome.matches.values()) == {"placeholder"}


def test_placeholder_is_looked_up_again_after_a_while(desk: Desk) -> None:
    """A scan may have found the data since; the graph then moves to what it found."""
    desk.publish(TRAINED)
    part_files = scan(desk.catalog, f"{LAKE_URL}/out/{{SparkPartitions}}", "azure_datalake_gen2_resource_set")
    desk.clock.time = NOON + timedelta(minutes=59)
    assert outcomes(desk.publish(TRAINED)) == ["skipped"]
    desk.clock.time = NOON + timedelta(minutes=61)
    assert outcomes(desk.publish(TRAINED)) == ["published"]
    assert desk.outputs("train") == [part_files.qualified_name]


def test_pipeline_is_published_as_a_whole_by_its_root(desk: Desk) -> None:
    """One event of the root, all its steps."""
    desk.publish(RunSubject("pipe", orchestrates=True))
    assert {ws("runs/prep"), ws("runs/fit")} <= set(desk.catalog.entities)
    assert ws("runs/pipe") not in desk.catalog.entities


def test_step_of_a_published_pipeline_is_skipped_without_a_call(desk: Desk) -> None:
    """A pipeline of N steps sends N+1 events; N of them cost nothing."""
    desk.publish(RunSubject("pipe", orchestrates=True))
    desk.source.calls, desk.catalog.calls = [], []
    (outcome,) = desk.publish(RunSubject("fit", parent_pipeline="pipe"))
    assert (outcome.outcome, "already published" in outcome.reason) == ("skipped", True)
    assert (desk.source.calls, desk.catalog.calls) == ([], [])


def test_step_of_a_running_pipeline_is_noted_and_skipped(desk: Desk) -> None:
    """The root publishes it when it ends."""
    desk.source.answers = answers(replace(PIPELINE, root_status="Running"))
    (outcome,) = desk.publish(RunSubject("prep", parent_pipeline="pipe"))
    assert (outcome.outcome, "still Running" in outcome.reason, desk.catalog.sent) == ("skipped", True, [])
    assert desk.ledger.get_rows([ws("runs/prep")])[ws("runs/prep")].outcome == "skipped"


def test_step_that_comes_after_its_root_completed_publishes_the_pipeline(desk: Desk) -> None:
    """The root's own event may have been lost."""
    assert outcomes(desk.publish(RunSubject("prep", parent_pipeline="pipe"))) == ["published"]
    assert {ws("runs/prep"), ws("runs/fit")} <= set(desk.catalog.entities)


def test_run_that_is_not_settled_yet_comes_back(desk: Desk) -> None:
    """Its event overtook its record."""
    desk.source.answers = answers(tree(TRAIN, status="Finalizing"))
    with pytest.raises(RunNotSettledError):
        desk.publish(TRAINED)
    assert desk.catalog.sent == []


@pytest.mark.parametrize("status", ["Failed", "Canceled", "NotResponding"])
def test_run_that_did_not_complete_is_noted_and_skipped(desk: Desk, status: str) -> None:
    """What it left behind is not data."""
    desk.source.answers = answers(tree(replace(TRAIN, status=status), status=status))
    (outcome,) = desk.publish(TRAINED)
    assert (outcome.outcome, status in outcome.reason, desk.catalog.sent) == ("skipped", True, [])
    assert desk.ledger.get_rows([ws("runs/train")])[ws("runs/train")].status == status


def test_registered_model_is_an_output_of_the_run_that_made_it(desk: Desk) -> None:
    """And the run leads on to the versions of its inputs."""
    (outcome,) = desk.publish(REGISTERED)
    assert (outcome.outcome, outcome.subject) == ("published", "model churn:1")
    assert "models/churn/versions/1" in desk.outputs("train")
    assert ws("data/loan/versions/1") in desk.catalog.entities


def test_model_that_no_run_made_is_published_alone(desk: Desk) -> None:
    """Uploaded by hand."""
    del desk.source.answers["producer churn:1"]
    assert outcomes(desk.publish(REGISTERED)) == ["published"]
    assert list(desk.catalog.entities) == [ws("models/churn/versions/1")]


def test_model_registered_while_its_run_is_running_publishes_only_that_run(desk: Desk) -> None:
    """What is known at once; the other steps belong to a tree that has not ended."""
    running = replace(PIPELINE, root_status="Running")
    desk.source.answers = {**everything(), **answers(running), "producer churn:1": "fit"}
    assert outcomes(desk.publish(REGISTERED)) == ["published"]
    assert ws("runs/fit") in desk.catalog.entities
    assert ws("runs/prep") not in desk.catalog.entities


def test_completion_completes_what_a_model_published_early(desk: Desk) -> None:
    """The model stays an output of its run, and the other steps follow."""
    desk.source.answers |= {**answers(replace(PIPELINE, root_status="Running")), "producer churn:1": "fit"}
    desk.publish(REGISTERED)
    desk.source.answers |= answers(PIPELINE)
    desk.publish(RunSubject("pipe", orchestrates=True))
    assert "models/churn/versions/1" in desk.outputs("fit")
    assert ws("runs/prep") in desk.catalog.entities


FAILED = tree(
    STEPS[0], replace(STEPS[1], status="Failed", outputs=(Port("out", at("out/")),)), root_id="pipe", status="Failed"
)


@pytest.mark.parametrize("subject", [RunSubject("pipe", orchestrates=True), RunSubject("fit", parent_pipeline="pipe")])
def test_failed_pipeline_publishes_the_steps_that_completed(desk: Desk, subject: RunSubject) -> None:
    """Whichever event comes; a path that the failed step may have written to is no evidence."""
    desk.source.answers |= answers(FAILED)
    assert outcomes(desk.publish(subject, subject)) == ["published", "skipped"]
    assert desk.catalog.entities[ws("runs/prep")].attributes["pipeline_status"] == "Failed"
    assert ws("runs/fit") not in desk.catalog.entities


def test_failed_step_that_registered_data_is_published_with_it_and_its_status(desk: Desk) -> None:
    """What is registered exists; the other path it would have written is left out."""
    registered = Port("scores", data_asset("scores", at("scores/"), by_run=True))
    fit = replace(FAILED.runs[1], outputs=(*FAILED.runs[1].outputs, registered))
    desk.source.answers |= answers(replace(FAILED, runs=(FAILED.runs[0], fit)))
    desk.publish(RunSubject("pipe", orchestrates=True))
    assert desk.catalog.entities[ws("runs/fit")].attributes["status"] == "Failed"
    assert "data/scores/versions/1" in desk.outputs("fit")
    assert f"{LAKE_URL}/out" not in desk.outputs("fit")


@pytest.mark.parametrize("first", [REGISTERED, RunSubject("pipe", orchestrates=True)])
def test_model_of_a_failed_step_brings_that_step_beside_those_that_completed(desk: Desk, first: Subject) -> None:
    """A registered model may be deployed whatever became of the pipeline; in either order of the events."""
    desk.source.answers |= {**answers(FAILED), "producer churn:1": "fit"}
    desk.publish(first, REGISTERED, RunSubject("pipe", orchestrates=True))
    assert desk.outputs("fit") == ["models/churn/versions/1", "runs/fit/metrics"]
    assert ws("runs/prep") in desk.catalog.entities


def test_run_that_fails_after_its_model_was_registered_says_so(desk: Desk) -> None:
    """It was published as running; that must not stand in the catalog for ever."""
    desk.source.answers = everything(tree(replace(TRAIN, status="Running"), status="Running"))
    desk.publish(REGISTERED)
    desk.source.answers = everything(tree(replace(TRAIN, status="Failed"), status="Failed"))
    desk.publish(TRAINED)
    assert desk.catalog.entities[ws("runs/train")].attributes["status"] == "Failed"


def test_second_model_of_a_run_does_not_displace_the_first(desk: Desk) -> None:
    """The catalog replaces a process's outputs; a shorter list would be taken for the truth."""
    desk.publish(TRAINED, REGISTERED, ModelSubject(BETTER))
    assert {"models/churn/versions/1", "models/churn/versions/2"} <= set(desk.outputs("train"))


@pytest.mark.parametrize("maker", ["pipe", "again"])
def test_model_of_a_reused_step_is_kept_by_every_pipeline_that_reuses_it(desk: Desk, maker: str) -> None:
    """Whichever tree the model was found through, replaying the other one does not take it away."""
    reusing = RunTree(
        WORKSPACE, "again", "Completed", (replace(PIPELINE.runs[1], root_status=""),), {"fit-again": "fit"}
    )
    trees = {"pipe": PIPELINE, "again": reusing}
    desk.source.answers |= {"run again": reusing, "producer churn:1": "fit", "run fit": trees[maker]}
    desk.publish(RunSubject("pipe", orchestrates=True), RunSubject("again", orchestrates=True), REGISTERED)
    assert "models/churn/versions/1" in desk.outputs("fit")
    for root in ("again", "pipe", "again"):
        desk.publish(RunSubject(root, orchestrates=True))
        assert "models/churn/versions/1" in desk.outputs("fit")


def test_run_that_fails_after_its_model_was_registered_keeps_it(desk: Desk) -> None:
    """The skipped failure must not make the next model forget the first."""
    desk.source.answers = everything(tree(TRAIN, status="Running"))
    desk.publish(REGISTERED)
    desk.source.answers = everything(tree(TRAIN, status="Failed"))
    desk.publish(TRAINED, ModelSubject(BETTER))
    assert {"models/churn/versions/1", "models/churn/versions/2"} <= set(desk.outputs("train"))


def test_lost_ledger_loses_no_model(databases: list[Database]) -> None:
    """A laptop that knows nothing asks the catalog what the run already led to."""
    first = Desk(databases.pop())
    first.publish(REGISTERED)
    second = Desk(databases.pop(), catalog=first.catalog)
    second.publish(TRAINED)
    assert "models/churn/versions/1" in second.outputs("train")


def test_lost_ledger_loses_no_model_of_a_large_pipeline(databases: list[Database]) -> None:
    """Its runs are looked up in the catalog once its experiment is found there."""
    first, second = Desk(databases.pop()), Desk(databases.pop())
    first.publish(REGISTERED)
    second.catalog = first.catalog
    many = [run(f"step-{number}", outputs={"out": at(f"out-{number}/")}) for number in range(FEW + 1)]
    second.source.answers |= answers(tree(TRAIN, *many, root_id="pipe"))
    second.publish(RunSubject("pipe"))
    assert "models/churn/versions/1" in second.outputs("train")


def test_runs_of_an_experiment_that_the_catalog_does_not_know_are_not_looked_up(desk: Desk) -> None:
    """A step is never there without its experiment, so a look-up of two thousand names is spared."""
    many = [run(f"step-{number}", outputs={"out": at(f"out-{number}/")}) for number in range(FEW + 1)]
    desk.source.answers |= answers(tree(*many, root_id="pipe"))
    desk.publish(RunSubject("pipe"))
    assert desk.catalog.calls.count("find") == 1


class Down(FakeCatalog):
    """A catalog that is down when it is first written to."""

    def upsert_entities(
        self,
        entities: Iterable[Entity],
        *,
        known: Collection[QualifiedName] = (),
        before_each: Callable[[], None] = lambda: None,
        after_each: Callable[[Mapping[QualifiedName, str]], None] = lambda _: None,
    ) -> FakeWritten:
        if not self.sent:
            self.failures = [ServiceUnavailableError("busy")]
        return super().upsert_entities(entities, known=known, before_each=before_each, after_each=after_each)


def test_deployed_model_leads_to_its_endpoint(desk: Desk) -> None:
    """Which endpoints serve a model is one hop."""
    (outcome,) = desk.publish(DEPLOYED)
    assert (outcome.outcome, outcome.subject) == ("published", "endpoint churn-ep")
    deployment = desk.catalog.entities[ws("endpoints/churn-ep/deployments/blue")]
    assert (short(deployment.inputs), short(deployment.outputs)) == (
        ["models/churn/versions/1"],
        ["endpoints/churn-ep"],
    )


@pytest.mark.parametrize("compute_type", ["ACI", "aks"])
def test_v1_service_is_published_from_its_event(desk: Desk, compute_type: str) -> None:
    """No newer API knows a container instance, and v1 still sends the event."""
    desk.publish(EndpointSubject("aci", compute_type, (CHURN, BETTER)))
    deployment = desk.catalog.entities[ws("endpoints/aci/deployments/aci")]
    assert short(deployment.inputs) == ["models/churn/versions/1", "models/churn/versions/2"]


MISSING = [
    RunSubject("gone"),
    ModelSubject(AssetId("models", "gone", "1")),
    EndpointSubject("gone"),
    EndpointSubject("gone", "ACI"),
]


@pytest.mark.parametrize("subject", MISSING, ids=["run", "model", "endpoint", "v1 endpoint without models"])
@pytest.mark.parametrize(
    ("age", "error"),
    [
        (timedelta(seconds=-30), RunNotSettledError),
        (timedelta(minutes=9, seconds=59), RunNotSettledError),
        (timedelta(minutes=10), RecordNotFoundError),
        (timedelta(days=1), RecordNotFoundError),
    ],
    ids=["clock skew", "young", "old", "very old"],
)
def test_missing_record_is_the_truth_only_of_an_old_event(
    desk: Desk, subject: Subject, age: timedelta, error: type[Exception]
) -> None:
    """A record may be minutes late; after that it is gone, and a retry cannot help."""
    desk.clock.time = NOON + age
    with pytest.raises(error):
        desk.publish(subject)


@pytest.mark.parametrize("subject", [TRAINED, REGISTERED, DEPLOYED])
def test_failure_of_azure_ml_reaches_the_caller_and_changes_nothing(desk: Desk, subject: Subject) -> None:
    """No half graph is written from half an answer."""
    desk.source.failures = [ServiceUnavailableError("busy")]
    with pytest.raises(ServiceUnavailableError):
        desk.publish(subject)
    assert desk.catalog.sent == []


def test_failed_write_is_made_good_by_the_next_attempt(databases: list[Database]) -> None:
    """The ledger never says written of what was not."""
    desk, reference = Desk(databases.pop(), catalog=Down()), Desk(databases.pop())
    with pytest.raises(ServiceUnavailableError):
        desk.publish(TRAINED)
    assert desk.ledger.get_rows([ws("runs/train")]) == {}
    desk.publish(TRAINED)
    reference.publish(TRAINED)
    assert desk.catalog.entities == reference.catalog.entities


def test_rejected_entity_leaves_its_neighbours_written(desk: Desk) -> None:
    """One refused entity, named with the catalog's words; everything else is there."""
    desk.catalog.refuse = {f"{LAKE_URL}/out"}
    with pytest.raises(EntityRejectedError) as rejected:
        desk.publish(TRAINED)
    assert rejected.value.rejections[f"{LAKE_URL}/out"] == "refused"
    assert {WS, ws("experiments/churn"), ws("data/loan/versions/1")} <= set(desk.catalog.entities)


def test_only_what_was_refused_is_written_when_it_is_replayed(desk: Desk) -> None:
    """The neighbours are in the ledger as written."""
    desk.catalog.refuse = {f"{LAKE_URL}/out"}
    with pytest.raises(EntityRejectedError):
        desk.publish(TRAINED)
    desk.catalog.refuse = set()
    assert outcomes(desk.publish(TRAINED)) == ["published"]
    assert desk.catalog.sent[-1] == sorted([f"{LAKE_URL}/out", ws("runs/train")])


def test_ledger_notes_a_rejected_run_with_the_catalogs_words(desk: Desk) -> None:
    """Coverage must not count it as published."""
    desk.catalog.refuse = {ws("runs/train")}
    with pytest.raises(EntityRejectedError):
        desk.publish(TRAINED)
    row = desk.ledger.get_rows([ws("runs/train")])[ws("runs/train")]
    assert (row.outcome, row.reason) == ("dead_lettered", "refused")


def test_entity_deleted_in_the_catalog_is_written_again(desk: Desk) -> None:
    """The ledger believes it is there; the catalog's refusal of the reference says otherwise."""
    desk.publish(TRAINED)
    del desk.catalog.entities[ws("data/loan/versions/1")]
    desk.source.answers = everything(tree(replace(TRAIN, status="Finished")))
    assert outcomes(desk.publish(TRAINED)) == ["published"]
    assert ws("data/loan/versions/1") in desk.catalog.entities


def test_model_deleted_in_the_catalog_does_not_block_its_run(desk: Desk) -> None:
    """A person deleted it on purpose; the rest of the run is still true."""
    desk.publish(REGISTERED, ModelSubject(BETTER))
    del desk.catalog.entities[ws("models/churn/versions/1")]
    desk.source.answers = everything(tree(replace(TRAIN, status="Finished")))
    assert outcomes(desk.publish(TRAINED)) == ["published"]
    assert "models/churn/versions/1" not in desk.outputs("train")
    assert "models/churn/versions/2" in desk.outputs("train")


def test_pipeline_without_a_step_that_did_work_is_skipped(desk: Desk) -> None:
    """There is no lineage to tell."""
    desk.source.answers = answers(RunTree(WORKSPACE, "pipe", "Completed", ()))
    plan = desk.publisher.plan(event(RunSubject("pipe", orchestrates=True)))
    assert isinstance(plan, Skip)
    assert "no step" in plan.reason


def described(desk: Desk) -> str | bool | None:
    """Return what the catalog says of model churn:1: "" if it was taken away, None if it was left as it is."""
    return desk.catalog.entities[ws("models/churn/versions/1")].attributes.get("description")


def test_description_that_was_removed_in_azure_ml_is_taken_away(desk: Desk) -> None:
    """What is left out of a write stays in the catalog as it was."""
    desk.source.answers["model churn:1"] = replace(model("churn"), description="Who will leave.")
    desk.publish(REGISTERED)
    desk.source.answers["model churn:1"] = model("churn")
    assert outcomes(desk.publish(REGISTERED, REGISTERED)) == ["published", "skipped"]
    assert described(desk) == ""


def test_description_that_only_a_person_wrote_is_left_alone(desk: Desk) -> None:
    """We take away what we have written, and nothing else."""
    desk.publish(REGISTERED)
    desk.source.answers["model churn:1"] = replace(model("churn"), stage="Production")
    desk.publish(REGISTERED)
    desk.source.answers["model churn:1"] = model("churn")
    desk.publish(REGISTERED)
    assert described(desk) is None


def test_model_that_is_gone_keeps_what_is_known_of_it(desk: Desk) -> None:
    """An endpoint that serves a deleted version knows its name alone; when the model is back, all is as it says."""
    full = replace(model("churn"), description="Who will leave.", stage="Production")
    named = Deployment("blue", (ModelVersion(CHURN),))
    desk.source.answers["model churn:1"] = full
    desk.source.answers["endpoint churn-ep"] = replace(ENDPOINT, deployments=(named,))
    desk.publish(REGISTERED, DEPLOYED)
    assert described(desk) is None
    desk.source.answers["model churn:1"] = replace(full, description="")
    desk.publish(REGISTERED)
    assert described(desk) == ""


def test_replay_by_force_takes_away_what_is_gone(desk: Desk) -> None:
    """It forgets what the ledger has, and not what the catalog may still have."""
    desk.source.answers["model churn:1"] = replace(model("churn"), description="Who will leave.")
    desk.publish(REGISTERED)
    desk.source.answers["model churn:1"] = model("churn")
    desk.publisher.publish(event(REGISTERED), force=True)
    assert described(desk) == ""


def test_power_bi_link_of_data_that_is_not_read_any_more_stays(desk: Desk) -> None:
    """The run may have changed what it reads; the data still feeds Power BI."""
    asset = data_asset("loan", at("loan.csv"))
    fed = replace(asset, tags={"powerbi_dataset": "https://app.powerbi.com/groups/g/datasets/d"}, data_type="uri_file")
    link = ws("data/loan/versions/1/powerbi/datasets/d")
    desk.source.answers["run train"] = tree(run("train", inputs={"loan": fed}, outputs={"out": at("out/")}))
    desk.publish(TRAINED)
    desk.source.answers["run train"] = tree(run("train", outputs={"out": at("out/")}))
    desk.publish(TRAINED)
    assert link in desk.catalog.entities
    unfed = replace(fed, tags={})
    desk.source.answers["run train"] = tree(run("train", inputs={"loan": unfed}, outputs={"out": at("out/")}))
    assert outcomes(desk.publish(TRAINED, TRAINED)) == ["published", "skipped"]
    assert link not in desk.catalog.entities
    assert not [name for name in desk.catalog.entities if "app.powerbi.com" in name]


def test_output_that_a_run_did_not_write_after_all_is_not_found_by_its_place(desk: Desk) -> None:
    """While it ran it was to write there; it failed, and has the model it registered only."""
    path = "contosolake.core.windows.net/fs//out"
    desk.publish(TRAINED)
    assert [use.run for use in desk.ledger.find_uses_at([path], is_output=True)] == [ws("runs/train")]
    desk.source.answers = everything(tree(replace(TRAIN, status="Failed"), status="Failed"))
    desk.publish(TRAINED)
    assert desk.ledger.find_uses_at([path], is_output=True) == []


def test_readers_are_published_again_until_that_has_succeeded(desk: Desk) -> None:
    """The queue may fail after the catalog was written; then the message comes back, and nothing has changed."""
    sent: list[Sequence[str]] = []

    def fail(events: Sequence[str]) -> None:
        sent.append(events)
        if len(sent) == 1:
            raise ServiceUnavailableError("the queue is down")

    reader = tree(run("reader", inputs={"in": at("out/part.csv")}))
    desk.source.answers = everything() | answers(reader)
    publisher = Publisher(desk.source, desk.catalog, desk.ledger, FreeLeases(), now=desk.clock, publish_again=fail)
    publisher.publish(event(RunSubject("reader")))
    with pytest.raises(ServiceUnavailableError):
        publisher.publish(event(TRAINED))
    publisher.publish(event(TRAINED))
    publisher.publish(event(TRAINED))
    assert [[json.loads(each)["subject"] for each in events] for events in sent] == [["runs/reader"]] * 2


def test_refused_description_leaves_the_run_published(desk: Desk) -> None:
    """The run is in the catalog with its lineage; the dead letter names what is not."""
    key, metrics = ws("runs/train"), ws("runs/train/metrics")
    desk.source.answers |= answers(tree(replace(TRAIN, metrics={"AUC": 0.9})))
    desk.publish(TRAINED)
    desk.catalog.refuse = {metrics}
    desk.source.answers |= answers(tree(replace(TRAIN, metrics={"AUC": 0.8})))
    with pytest.raises(EntityRejectedError) as rejected:
        desk.publish(TRAINED)
    assert set(rejected.value.rejections) == {metrics}
    assert desk.ledger.get_rows([key])[key].outcome == "published"


class InBatches(FakeCatalog):
    """A catalog that takes two entities at a time, and is down for one batch."""

    SIZE = 2
    down_for = 4

    def upsert_entities(
        self,
        entities: Iterable[Entity],
        *,
        known: Collection[QualifiedName] = (),
        before_each: Callable[[], None] = lambda: None,
        after_each: Callable[[Mapping[QualifiedName, str]], None] = lambda _: None,
    ) -> FakeWritten:
        by_ref = {entity.ref: entity for entity in entities}
        graph = {ref: [each for each in entity.references if each in by_ref] for ref, entity in by_ref.items()}
        ordered = [by_ref[ref] for ref in TopologicalSorter(graph).static_order()]
        guids: dict[QualifiedName, str] = {}
        for start in range(0, len(ordered), self.SIZE):
            self.down_for -= 1
            self.failures = [ServiceUnavailableError("busy")] if self.down_for == 0 else []
            written = super().upsert_entities(ordered[start : start + self.SIZE], before_each=before_each)
            assert not written.rejections
            guids |= written.guids
            after_each(written.guids)
        return FakeWritten(guids, {})


def test_failed_attempt_is_gone_on_with_and_its_last_batch_is_written_again(databases: list[Database]) -> None:
    """What follows from a plan is done once all of it is written, so that it must never look unchanged before."""
    desk = Desk(databases.pop(), catalog=InBatches())
    with pytest.raises(ServiceUnavailableError):
        desk.publish(TRAINED)
    first = [name for batch in desk.catalog.sent for name in batch]
    desk.catalog.sent.clear()
    assert outcomes(desk.publish(TRAINED)) == ["published"]
    again = [name for batch in desk.catalog.sent for name in batch]
    assert set(first[:2]).isdisjoint(again)
    assert outcomes(desk.publish(TRAINED)) == ["skipped"]
