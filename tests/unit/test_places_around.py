"""A folder and what is in it: which edges follow from what runs wrote and read, and which do not."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from shared.catalog import qualified_names
from shared.catalog.entities import Ref
from shared.catalog.kinds import MODEL
from shared.catalog.qualified_names import QualifiedName
from shared.model import Deployment, Endpoint, Port
from shared.places.matching import match_places
from shared.places.place import Place
from shared.places.platforms import place_of
from shared.publishing import places_around
from shared.publishing.places_around import (
    INSIDE,
    READERS,
    PlacesAround,
    find_around,
    find_readers,
    list_collected,
    list_uses,
)
from shared.state.ports import PlaceUse
from shared.state.sqlite import Database, SqliteLedger
from tests.harness.fakes import FakeClock
from tests.unit.examples import LAKE_URL, WORKSPACE, WORKSPACE_ID, at, data_asset, run, tree, ws

DATASET = Ref("custom_ml_dataset", ws("data/churn/versions/1"))


@pytest.fixture
def ledger() -> Iterator[SqliteLedger]:
    database = Database(":memory:", now=FakeClock())
    yield SqliteLedger(database)
    database.close()


def use(
    run_id: str, path: str, *, is_output: bool, day: int = 0, began: int = 0, data: Ref | None = None, glob: str = ""
) -> PlaceUse:
    """Let a run touch a path of the lake; a slash at its end marks a folder, and days are those of July."""
    bare = path.rstrip("/")
    place = Ref("azure_datalake_gen2_path", QualifiedName(f"{LAKE_URL}/{bare}/{glob}".rstrip("/")))
    at, start = (f"2026-07-{number:02}T10:00:00.1234567Z" if number else "" for number in (day, began))
    in_tree = f"contosolake.core.windows.net/fs//{bare}"
    return PlaceUse(in_tree, ws(f"runs/{run_id}"), is_output, path.endswith("/"), data or place, at, start, glob)


def wrote(run_id: str, path: str, day: int = 0, data: Ref | None = None, *, began: int = 0) -> PlaceUse:
    return use(run_id, path, is_output=True, day=day, began=began, data=data)


def read(run_id: str, path: str, day: int = 0, data: Ref | None = None, glob: str = "", *, began: int = 0) -> PlaceUse:
    """Read a path; of a data asset, `day` is when that was registered."""
    return use(run_id, path, is_output=False, day=day, began=began, data=data, glob=glob)


def found(around: PlacesAround) -> list[str]:
    """List what is read and what was written around it."""
    return sorted(
        f"{each.path.partition('//')[2]} < {data.qualified_name.removeprefix(f'{LAKE_URL}/')}"
        for each, others in around.found.items()
        for data in others
    )


def test_file_in_a_folder_that_another_run_wrote_is_joined_with_the_innermost(ledger: SqliteLedger) -> None:
    """The nearest folder says most; the other may have been written for something else."""
    ledger.index_uses([wrote("a", "raw/"), wrote("b", "raw/2026/"), wrote("c", "raw.old/"), wrote("d", "raw/2027/")])
    assert found(find_around(ledger, [read("r", "raw/2026/x/a.csv")])) == ["raw/2026/x/a.csv < raw/2026"]


def test_folder_is_joined_with_what_others_wrote_inside(ledger: SqliteLedger) -> None:
    """Files and folders at any depth, and not the one beside it whose name begins likewise."""
    ledger.index_uses([wrote("a", "raw/a.csv"), wrote("b", "raw/x/y/"), wrote("c", "raw.old/a.csv")])
    assert found(find_around(ledger, [read("r", "raw/")])) == ["raw < raw/a.csv", "raw < raw/x/y"]


def test_file_is_joined_with_nothing_inside(ledger: SqliteLedger) -> None:
    """There is nothing inside a file."""
    ledger.index_uses([wrote("a", "raw/a.csv")])
    assert found(find_around(ledger, [read("r", "raw")])) == []


def test_place_that_a_run_wrote_itself_needs_no_folder_above(ledger: SqliteLedger) -> None:
    """An exact match is no inference."""
    ledger.index_uses([wrote("a", "raw/"), wrote("b", "raw/a.csv")])
    assert found(find_around(ledger, [read("r", "raw/a.csv")])) == []


@pytest.mark.parametrize("path", ["", "azureml/", "LocalUpload/"])
def test_what_only_shares_a_container_or_a_folder_of_all_is_not_joined(ledger: SqliteLedger, path: str) -> None:
    """Otherwise one run that writes there would be upstream of everything."""
    ledger.index_uses([wrote("a", path)])
    below = read("r", f"{path}x/a.csv")
    assert found(find_around(ledger, [below])) == []
    assert find_readers(ledger, [wrote("a", path)]) == ()


def test_run_does_not_read_what_it_wrote_itself(ledger: SqliteLedger) -> None:
    """Nor a folder that it wrote along with others: it would be its own source."""
    ledger.index_uses([wrote("other", "raw/")])
    assert found(find_around(ledger, [read("r", "raw/a.csv"), wrote("r", "raw/")])) == []
    assert found(find_around(ledger, [read("r", "raw/"), wrote("r", "raw/out/")])) == []


def test_steps_of_one_pipeline_are_joined_before_any_is_published(ledger: SqliteLedger) -> None:
    """What is at hand counts as what is in the ledger."""
    uses = [wrote("one", "raw/"), read("two", "raw/a.csv"), read("three", "out/"), wrote("four", "out/a.csv")]
    assert found(find_around(ledger, uses)) == ["out < out/a.csv", "raw/a.csv < raw"]


def test_what_was_written_later_was_not_read(ledger: SqliteLedger) -> None:
    """A run that ended on the second day has not read what was written on the third; without times it may have."""
    ledger.index_uses([wrote("a", "raw/1/", 1), wrote("b", "raw/3/", 3), wrote("c", "raw/0/")])
    assert found(find_around(ledger, [read("r", "raw/", 2)])) == ["raw < raw/0", "raw < raw/1"]


@pytest.mark.parametrize("path", ["top/", "top/new/a.csv"])
def test_data_asset_is_made_of_what_was_there_when_it_was_registered(ledger: SqliteLedger, path: str) -> None:
    """No matter how late it is read: what was written since may have been made of it."""
    new, old = wrote("b", "top/new/", 5), wrote("c", "top/old/", 2)
    ledger.index_uses([new, old])
    assert found(find_around(ledger, [read("r", path, 3, DATASET)])) == (["top < top/old"] if path == "top/" else [])
    assert found(find_around(ledger, [read("r", "top/new/a.csv", 5, DATASET)])) == ["top/new/a.csv < top/new"]
    ledger.index_uses([read("r", path, 3, DATASET)])
    assert find_readers(ledger, [new]) == ()


@pytest.mark.parametrize(
    ("began", "ended", "joined"),
    [(1, 2, True), (1, 4, True), (1, 9, True), (4, 5, True), (4, 9, False), (7, 9, False), (1, 0, True), (7, 0, False)],
)
def test_run_that_began_or_ended_no_later_can_have_been_read(
    ledger: SqliteLedger, began: int, ended: int, joined: bool
) -> None:
    """The reader ran from the third to the sixth; one that goes on after that and began later is the later one."""
    ledger.index_uses([wrote("a", "raw/", ended, began=began)])
    assert found(find_around(ledger, [read("r", "raw/a.csv", 6, began=3)])) == ["raw/a.csv < raw"] * joined


@pytest.mark.parametrize(("began", "ended"), [(1, 3), (1, 9), (3, 9), (1, 0)])
def test_data_asset_is_made_of_what_had_begun_when_it_was_registered(
    ledger: SqliteLedger, began: int, ended: int
) -> None:
    """Code may register what it has written, and go on for days."""
    ledger.index_uses([wrote("a", "top/", ended, began=began), wrote("b", "top/x/", 9, began=4)])
    assert found(find_around(ledger, [read("r", "top/x/a.csv", 3, DATASET)])) == ["top/x/a.csv < top"]


@pytest.mark.parametrize("is_at_hand", [False, True])
def test_writer_of_the_very_place_after_the_reader_leaves_the_folder_above_joined(
    ledger: SqliteLedger, is_at_hand: bool
) -> None:
    """Nor does the reader itself, which writes the file again: what it read was there before."""
    written = [wrote("folder", "raw/", 1), wrote("later", "raw/a.csv", 9)]
    uses = [read("r", "raw/a.csv", 3, began=2), wrote("r", "raw/a.csv", 3, began=2)]
    ledger.index_uses(written[:1] if is_at_hand else written)
    assert found(find_around(ledger, uses + written[1:] if is_at_hand else uses)) == ["raw/a.csv < raw"]


def test_who_writes_into_a_folder_reads_what_another_had_written_there(ledger: SqliteLedger) -> None:
    """If that had ended before; of two at the same time it is not known which was first."""
    ledger.index_uses([wrote("before", "raw/", 1, began=1), wrote("meanwhile", "out/", 2, began=2)])
    uses = [read("r", f"{folder}/a.csv", 3, began=2) for folder in ("raw", "out")]
    uses += [wrote("r", f"{folder}/", 3, began=2) for folder in ("raw", "out")]
    around = find_around(ledger, uses)
    assert found(around) == ["out/a.csv < out", "raw/a.csv < raw"]
    ledger.index_uses([wrote("meanwhile", "out/", 3, began=2)])
    assert found(find_around(ledger, uses)) == ["raw/a.csv < raw"]


def test_data_asset_is_made_of_what_others_wrote_where_its_reader_writes(ledger: SqliteLedger) -> None:
    """Whichever of its readers is looked at."""
    ledger.index_uses([wrote("a", "raw/", 1, began=1), read("r", "raw/a.csv", 2, DATASET)])
    ledger.index_uses([wrote("r", "raw/", 3, began=1)])
    for uses in (
        [read("r", "raw/a.csv", 2, DATASET), wrote("r", "raw/", 3, began=1)],
        [read("s", "raw/a.csv", 2, DATASET)],
    ):
        (writers,) = find_around(ledger, uses).found[uses[0]].values()
        assert [use.run for use in writers] == [ws("runs/a")]


def test_what_is_known_of_a_run_at_hand_counts_and_not_what_was_noted(ledger: SqliteLedger) -> None:
    """It may have been noted while it ran."""
    ledger.index_uses([wrote("a", "raw/")])
    uses = [wrote("a", "raw/", 9, began=8), read("r", "raw/a.csv", 2, began=1)]
    assert found(find_around(ledger, uses)) == []


def test_data_asset_registered_at_an_unknown_time_is_made_of_nothing_else(ledger: SqliteLedger) -> None:
    """Its readers say only that it was registered before they ended."""
    ledger.index_uses([wrote("a", "top/new/", 1)])
    assert found(find_around(ledger, [read("r", "top/", data=DATASET)])) == []


def test_what_came_of_a_data_asset_through_others_is_no_source_of_it(ledger: SqliteLedger) -> None:
    """The run that wrote into its folder has not read the asset, but what another run made of it."""
    uses = [read("a", "top/", 1, DATASET), wrote("a", "mid/", 2), read("b", "mid/", 3), wrote("b", "top/scored/", 3)]
    ledger.index_uses(uses)
    assert found(find_around(ledger, uses)) == []


@pytest.mark.parametrize(
    ("glob", "inside"),
    [
        ("*.csv", ["a.csv"]),
        ("*.CSV", ["a.csv"]),
        ("*.{csv,parquet}", ["a.csv"]),
        ("2026/*.parquet", ["2026", "2026/x.parquet"]),
        ("20*", ["2026", "2026/x.parquet"]),
        ("**/*.parquet", ["2026", "2026/x.parquet"]),
        ("**", ["2026", "2026/x.parquet", "a.csv"]),
        ("part-?.csv", []),
    ],
)
def test_glob_reads_only_what_it_matches(ledger: SqliteLedger, glob: str, inside: list[str]) -> None:
    """Its folder is what the graph shows, but a file of another kind or deeper inside was not read."""
    ledger.index_uses([wrote("a", "feat/2026/x.parquet"), wrote("b", "feat/2026/"), wrote("c", "feat/a.csv")])
    around = find_around(ledger, [read("r", "feat/", glob=glob)])
    assert found(around) == [f"feat < feat/{path}" for path in inside]


def test_glob_in_a_folder_that_another_run_wrote_is_joined_with_it(ledger: SqliteLedger) -> None:
    """Whatever it matches is in that folder; and the innermost folder says most."""
    ledger.index_uses([wrote("a", "raw/")])
    assert found(find_around(ledger, [read("r", "raw/feat/", glob="*.csv")])) == ["raw/feat < raw"]
    ledger.index_uses([wrote("b", "raw/feat/")])
    around = find_around(ledger, [read("r", "raw/feat/", glob="*.csv")])
    assert found(around) == ["raw/feat < raw/feat"]
    [edge] = around.explain(match_places(around.places.values(), {}), ()).of_runs[ws("runs/r")]
    assert edge.field == "raw/feat/*.csv is inside raw/feat, which run b wrote"


def test_reader_by_a_glob_is_published_again_when_its_folder_was_written(ledger: SqliteLedger) -> None:
    """What stands for it may be a resource set in that folder, so that the folder is joined by an edge of its own."""
    ledger.index_uses([read("r", "raw/", 9, glob="*.csv"), read("whole", "raw/", 9)])
    assert find_readers(ledger, [wrote("a", "raw/", 8)]) == (ws("runs/r"),)


def test_of_many_places_inside_the_last_are_shown_and_the_rest_is_counted(ledger: SqliteLedger) -> None:
    """No one reads thousands of inputs of a step; the notes say that there are more."""
    ledger.index_uses([wrote("a", f"raw/{day:02}/", day) for day in range(1, INSIDE + 4)])
    around = find_around(ledger, [read("r", "raw/")])
    assert found(around) == [f"raw < raw/{day:02}" for day in range(4, INSIDE + 4)]
    assert around.note_of(ws("runs/r")).startswith(f"Of what other runs wrote inside {LAKE_URL}/raw, {INSIDE} places")


def test_of_thousands_of_places_inside_the_last_are_shown(
    ledger: SqliteLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By time and not by name; of more than can be asked for the notes say that it is not known."""
    started = datetime(2026, 1, 1, tzinfo=UTC)
    times = [(started + timedelta(hours=hour)).isoformat() for hour in range(1_300)]
    ledger.index_uses([replace(wrote("a", f"raw/{at}"), at=at) for at in times])
    shown = found(find_around(ledger, [read("r", "raw/")]))
    assert shown == [f"raw < raw/{at}" for at in times[-INSIDE:]]
    monkeypatch.setattr(places_around, "_WRITERS", 1_000)
    note = find_around(ledger, [read("r", "raw/")]).note_of(ws("runs/r"))
    assert note.endswith("at least 980 are not; that is too much to know which were written last.")


def test_default_place_of_an_output_is_not_searched_for_what_others_wrote(ledger: SqliteLedger) -> None:
    """It carries its run's id; a pipeline of a hundred steps would ask a hundred times."""
    ledger.index_uses([wrote("a", "azureml/cmd_1/out/part.csv")])
    assert found(find_around(ledger, [read("r", "azureml/cmd_1/out/")])) == []


def test_data_asset_is_not_made_of_what_its_reader_wrote(ledger: SqliteLedger) -> None:
    """Also if the reader is another run than the one at hand."""
    ledger.index_uses([wrote("a", "raw/"), read("a", "raw/a.csv", 1, DATASET)])
    assert found(find_around(ledger, [read("r", "raw/a.csv", 1, DATASET)])) == []


def test_edge_says_why_it_is_there(ledger: SqliteLedger) -> None:
    """A steward must be able to judge it."""
    ledger.index_uses([wrote("prep", "raw/"), wrote("late", "raw/"), wrote("x", "in/a.csv")])
    around = find_around(ledger, [read("r", "raw/a.csv"), read("r", "in/")])
    edges = around.explain(match_places(around.places.values(), {}), ()).of_runs[ws("runs/r")]
    assert all(edge.inferred for edge in edges)
    assert sorted(edge.field for edge in edges) == [
        "raw/a.csv is inside raw, which runs late, prep wrote",
        "run x wrote in/a.csv, which is inside in",
    ]


def test_registered_output_is_joined_only_if_the_catalog_has_it(ledger: SqliteLedger) -> None:
    """A person may have deleted it; an edge to nothing would be refused."""
    ledger.index_uses([wrote("prep", "azureml/prep/o/", data=DATASET)])
    around = find_around(ledger, [read("r", "azureml/prep/o/a.csv")])
    assert around.explain({}, {DATASET.qualified_name}).of_runs[ws("runs/r")][0].end == DATASET
    assert around.explain({}, ()).of_runs[ws("runs/r")] == ()


def test_readers_around_what_was_written_are_published_again(ledger: SqliteLedger) -> None:
    """Of the folder above and of a part inside, if that was later; one reader for each data asset."""
    ledger.index_uses(
        [
            read("whole", "raw/", 5),
            read("part", "raw/2/a.csv", 5),
            read("early", "raw/", 1),
            read("same", "raw/2/", 5),
            read("beside", "raw/3/", 5),
            read("by-asset", "raw/2/a.csv", 4, DATASET),
            read("by-asset-too", "raw/2/a.csv", 4, DATASET),
            read("own", "raw/", 5),
        ]
    )
    assert find_readers(ledger, [wrote("own", "raw/2/", 3)]) == tuple(
        ws(f"runs/{name}") for name in ("by-asset", "part", "whole")
    )


def test_readers_of_what_was_not_written_after_all_are_published_again(ledger: SqliteLedger) -> None:
    """Of what it was thought to be before, and not of what it is now."""
    ledger.index_uses([read("r", "raw/a.csv", 2, began=1)])
    assert find_readers(ledger, [wrote("a", "raw/", 9, began=8)]) == ()
    assert find_readers(ledger, [wrote("a", "raw/", 9, began=8), wrote("a", "raw/")]) == (ws("runs/r"),)


def test_reader_of_the_very_place_is_published_again_if_it_was_joined_with_a_folder(ledger: SqliteLedger) -> None:
    """Its folder above is not what it read; of others, nothing would change."""
    ledger.index_uses([read("r", "raw/a.csv", 5, began=5), read("s", "other/a.csv", 5, began=5)])
    ledger.index_uses([read("early", "raw/a.csv", 2, began=2), wrote("folder", "raw/", 1, began=1)])
    written = [wrote("file", "raw/a.csv", 3, began=3), wrote("file", "other/a.csv", 3, began=3)]
    assert find_readers(ledger, written) == (ws("runs/r"),)


@pytest.mark.parametrize(
    ("began", "ended", "made"), [(1, 3, True), (2, 9, True), (4, 5, False), (0, 4, True), (0, 5, False)]
)
def test_model_is_looked_at_again_if_a_run_had_begun_when_it_was_registered(
    ledger: SqliteLedger, began: int, ended: int, made: bool
) -> None:
    """However long that takes; where no start is known, it ended within a day."""
    model = read("", "out/model", 3, Ref(MODEL, ws("models/m/versions/1")))
    ledger.index_uses([model])
    assert find_readers(ledger, [wrote("a", "out/", ended, began=began)]) == ((model.run,) if made else ())


def test_reader_of_the_place_of_a_registered_output_is_published_again(ledger: SqliteLedger) -> None:
    """It was read by its path before it was known to be registered."""
    ledger.index_uses([read("early", "azureml/prep/o/")])
    assert find_readers(ledger, [wrote("prep", "azureml/prep/o/", data=DATASET)]) == (ws("runs/early"),)


def test_readers_are_so_many_at_most(ledger: SqliteLedger, caplog: pytest.LogCaptureFixture) -> None:
    """And the log says if there are more."""
    ledger.index_uses([read(f"r{number}", "raw/") for number in range(READERS + 1)])
    assert len(find_readers(ledger, [wrote("a", "raw/a.csv")])) == READERS
    assert "not all readers are published again" in caplog.text


def test_uses_of_a_run_are_its_places_and_what_stands_for_them() -> None:
    """A registered output at its default place is an asset there; data registered from a path is read through one."""
    default = at("azureml/r/o/", run_id="r")
    reader = run(
        "r",
        inputs={
            "a": at("raw/a.csv"),
            "b": replace(data_asset("churn", at("raw/b/")), created_at="2026-06-01T10:00:00Z"),
            "c": at("raw/*/x.csv"),
        },
        outputs={
            "c": at("out/"),
            "d": data_asset("churn", default, by_run=True),
            "e": data_asset("x", at("e/"), by_run=True),
        },
        started_at="2026-07-01T09:00:00Z",
        ended_at="2026-07-01T10:00:00Z",
    )
    uses = list_uses(tree(reader))[ws("runs/r")]
    began, ended = "2026-07-01T09:00:00Z", "2026-07-01T10:00:00Z"
    assert {each.begun for each in uses if not each.is_of_asset or each.is_output} == {began}
    assert {(each.path.partition("//")[2], each.is_output, each.is_of_asset, each.at, each.glob) for each in uses} == {
        ("raw/a.csv", False, False, ended, ""),
        ("raw/b", False, True, "2026-06-01T10:00:00Z", ""),
        ("raw", False, False, ended, "*/x.csv"),
        ("out", True, False, ended, ""),
        ("azureml/r/o", True, True, ended, ""),
        ("e", True, False, ended, ""),
    }


def test_deployment_made_again_collects_at_its_new_path_from_then_on() -> None:
    """And has done so at the earlier one since it was made first."""
    key = qualified_names.of_endpoint(WORKSPACE_ID, "ep")
    name = qualified_names.of_deployment(key, "green")

    def collect(path: str, created_at: str, past: Sequence[Place], before: Sequence[PlaceUse]) -> tuple[PlaceUse, ...]:
        green = Deployment("green", (), collected=(Port("model_inputs", at(path)),), created_at=created_at)
        endpoint = Endpoint(WORKSPACE, "ep", "Managed", deployments=(green,))
        return list_collected(endpoint, key, {"green": past}, {name: tuple(before)})[name]

    first = collect("mdc/old/", "2026-07-01T00:00:00Z", (), ())
    again = collect("mdc/new/", "2026-08-01T00:00:00Z", [place_of(at("mdc/old/"))], first)
    assert {use.path.rpartition("/")[2]: use.begun for use in again} == {
        "old": "2026-07-01T00:00:00Z",
        "new": "2026-08-01T00:00:00Z",
    }
