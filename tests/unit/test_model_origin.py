"""Which run made a model where Azure ML does not say so: the run that wrote its files last before it was registered."""

from dataclasses import replace

import pytest

from shared.catalog import qualified_names
from shared.catalog.entities import Ref
from shared.catalog.kinds import ADLS_PATH, MODEL
from shared.catalog.qualified_names import QualifiedName
from shared.model import AssetId, Location, ModelVersion, Producer, Run, RunTree, SeveralWriters, written_last
from shared.publishing.model_origin import find_origin
from shared.publishing.registry_models import SHARED_TAG, build_sharings, list_reads, list_shares
from shared.state.ports import Ledger, PlaceUse
from shared.state.sqlite import open_state
from tests.harness.fakes import FakeClock, FakeRunSource
from tests.unit.examples import WORKSPACE

CHURN = ModelVersion(AssetId("models", "churn", "1"), created_at="2026-07-01T12:00:00Z")
FOLDER = "contosolake.core.windows.net/fs//models"


def run(run_id: str, start: str, end: str) -> Run:
    """Make a run of one day by its hours."""
    started_at, ended_at = (f"2026-07-01T{hour}:00:00Z" if hour else "" for hour in (start, end))
    return Run(run_id, run_id, "Completed", "churn", started_at=started_at, ended_at=ended_at, root_id=run_id)


@pytest.mark.parametrize(
    ("runs", "expected"),
    [
        ([], None),
        ([run("a", "08", "09")], "a"),
        ([run("b", "08", "09"), run("a", "09", "10")], "a"),
        ([run("a", "08", "10"), run("b", "09", "11")], None),  # at the same time
        ([run("a", "08", "09"), run("b", "13", "14")], "a"),  # b began after the registration
        ([run("b", "13", "14")], None),
        ([run("a", "08", "09"), run("b", "", "")], None),  # it is not known when b ran
        ([run("a", "11", "13")], "a"),  # it registered the model itself
    ],
)
def test_run_that_wrote_last_before_a_time_is_the_one_that_is_meant(runs: list[Run], expected: str | None) -> None:
    """Where the recorded times do not tell two runs apart, neither is named."""
    last = written_last(runs, before=CHURN.created_at)
    assert (last.id if last else None) == expected
    assert written_last(list(reversed(runs)), before=CHURN.created_at) == last


def wrote(ledger: Ledger, path: str, run_id: str, at: str = "") -> None:
    """Note that a run wrote a place."""
    use = PlaceUse(
        path, qualified_names.of_run(WORKSPACE.id, run_id), True, True, Ref(ADLS_PATH, QualifiedName(path)), at
    )
    ledger.index_uses([use])


def origin_of(ledger: Ledger, *runs: Run, location: str = "models/2026/best") -> Producer | SeveralWriters | None:
    """Find the origin of a model whose files are at a path of the lake."""
    trees = {f"run {each.id}": RunTree(WORKSPACE, each.id, "Completed", (each,)) for each in runs}
    at = Location(f"https://contosolake.dfs.core.windows.net/fs/{location}", is_folder=True)
    source = FakeRunSource({**trees, "location churn:1": at})
    return find_origin(source, ledger, WORKSPACE.id, CHURN).made


def test_longest_path_that_a_run_wrote_decides() -> None:
    """A run that wrote a folder around it is not meant, even if it wrote later."""
    ledger = open_state(":memory:", now=FakeClock()).ledger
    wrote(ledger, FOLDER, "sync", "2026-07-01T11:00:00Z")
    wrote(ledger, f"{FOLDER}/2026", "train", "2026-07-01T10:00:00Z")
    made = origin_of(ledger, run("sync", "10", "11"), run("train", "09", "10"))
    assert isinstance(made, Producer)
    assert (made.run_id, made.inferred) == ("train", True)


def test_path_whose_only_writer_began_later_is_passed_over() -> None:
    """What is registered was there before: the run that wrote a folder around it is meant then."""
    ledger = open_state(":memory:", now=FakeClock()).ledger
    wrote(ledger, FOLDER, "sync", "2026-07-01T09:00:00Z")
    wrote(ledger, f"{FOLDER}/2026", "late", "2026-07-01T14:00:00Z")
    made = origin_of(ledger, run("sync", "08", "09"), run("late", "13", "14"))
    assert isinstance(made, Producer)
    assert made.run_id == "sync"


def test_writers_at_the_same_time_are_all_named_and_none_is_chosen() -> None:
    """The smaller id is chance."""
    ledger = open_state(":memory:", now=FakeClock()).ledger
    for run_id in ("a", "b"):
        wrote(ledger, f"{FOLDER}/2026/best", run_id, "2026-07-01T10:00:00Z")
    made = origin_of(ledger, run("b", "08", "10"), run("a", "09", "10"))
    assert isinstance(made, SeveralWriters)
    assert made.writers == ("a", "b")


def test_run_that_is_gone_made_nothing() -> None:
    """The ledger remembers runs that Azure ML has deleted."""
    ledger = open_state(":memory:", now=FakeClock()).ledger
    wrote(ledger, f"{FOLDER}/2026", "gone", "2026-07-01T10:00:00Z")
    assert origin_of(ledger) is None


SHARED = AssetId("models", "churn", "1", "contoso")


def share(ledger: Ledger, workspace_name: str, model: ModelVersion = CHURN) -> Ref:
    """Note a model of a workspace as what may have been shared, and name it."""
    workspace = replace(WORKSPACE.id, name=workspace_name)
    ledger.index_uses(list_shares(workspace, model))
    return Ref(MODEL, qualified_names.of_asset(workspace, model.id))


def test_model_of_a_registry_is_the_only_one_of_its_name_and_version() -> None:
    """It is inferred: nothing in Azure ML says so."""
    ledger = open_state(":memory:", now=FakeClock()).ledger
    dev = share(ledger, "dev")
    (process,) = build_sharings(ledger, WORKSPACE.id, [SHARED])
    assert process.inputs == (dev,)
    assert [each.inferred for each in process.evidence if not each.is_output] == [True]


def test_model_of_a_registry_that_several_workspaces_have_is_of_none() -> None:
    """Its notes say which there are."""
    ledger = open_state(":memory:", now=FakeClock()).ledger
    share(ledger, "dev")
    share(ledger, "test")
    (process,) = build_sharings(ledger, WORKSPACE.id, [SHARED])
    assert process.inputs == ()
    assert "/workspaces/dev/" in str(process.attributes["notes"])


def test_tag_says_which_model_was_shared() -> None:
    """It wins over models of the same name and version."""
    ledger = open_state(":memory:", now=FakeClock()).ledger
    share(ledger, "test")
    tagged = ModelVersion(
        AssetId("models", "churn-dev", "9"), tags={SHARED_TAG: "azureml://registries/contoso/models/churn/versions/1"}
    )
    dev = share(ledger, "dev", tagged)
    (process,) = build_sharings(ledger, WORKSPACE.id, [SHARED])
    assert process.inputs == (dev,)
    assert not any(each.inferred for each in process.evidence)


def test_model_that_came_from_a_registry_was_not_shared_there() -> None:
    """It would be made of itself."""
    copied = replace(CHURN, uri="azureml://registries/contoso/models/churn/versions/1")
    assert list_shares(WORKSPACE.id, copied) == ()


def test_models_of_registries_are_found_by_their_readers_under_both_names() -> None:
    """A model that is published later finds what waits for it, with a tag or without."""
    reads = list_reads(QualifiedName("endpoint"), WORKSPACE.id, [SHARED])
    assert [each.path for each in reads] == ["azureml//:churn:1", "azureml//contoso:churn:1"]
