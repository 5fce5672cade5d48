"""The mapping to Power BI: read whole or refused with every mistake, and met by any name of a place."""

import re
from pathlib import Path

import pytest

from shared.catalog.build import build_run_tree
from shared.catalog.downstream import Downstream, parse_downstream, read_downstream
from shared.catalog.entities import Entity, Ref
from shared.catalog.qualified_names import QualifiedName
from shared.errors import ConfigurationError
from shared.model import AssetId, Location, Run, WorkspaceId
from shared.places.matching import Match, MatchKind, list_places, match_places, places_by_run
from tests.unit.examples import ARM_ID, LAKE_URL, WORKSPACE_ID, at, data_asset, named, run, short, tree

DATASET = "https://app.powerbi.com/groups/g/datasets/d"
REPORT = "https://app.powerbi.com/groups/g/reports/r"
CATALOG_MODEL = Path(__file__).parents[2] / "docs/catalog-model.md"


def parse(text: str) -> Downstream:
    return parse_downstream(text, "downstream.yaml")


def mistakes(text: str) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as refused:
        parse(text)
    return refused.value.problems


def build(text: str, *runs: Run, scanned: dict[QualifiedName, Ref] | None = None) -> dict[str, Entity]:
    whole, downstream = tree(*runs, root_id="root"), parse(text)
    matches = match_places(list_places(whole, downstream), scanned or {})
    return named(build_run_tree(whole, matches=matches, models={}, downstream=downstream))


def feeds(text: str, location: Location) -> list[str]:
    return [feed.dataset for feed in parse(text).of_location(location)]


def test_example_of_the_documentation_is_one_that_can_be_read() -> None:
    """People will begin with a copy of it."""
    (example,) = re.findall(r"```yaml\n(.*?)```", CATALOG_MODEL.read_text(encoding="utf-8"), re.DOTALL)
    found = parse(example).entries
    assert [bool(entry.asset) for entry in found] == [True, True, False, False]
    assert [entry.workspace is None for entry in found] == [True, False, True, True]
    assert all(entry.feed.dataset for entry in found)


@pytest.mark.parametrize("text", ["", "# nothing yet", "[]"])
def test_file_without_entries_maps_nothing(text: str) -> None:
    """It is there to be filled."""
    assert parse(text) == Downstream()


@pytest.mark.parametrize(
    ("text", "mistake"),
    [
        ("a: b", "downstream.yaml: is not a list of entries"),
        ("- [a", "downstream.yaml: is not YAML at line 1: "),
        ("- scores", "entry 1 of downstream.yaml: is not an entry; "),
        (f"- {{dataset: {DATASET}}}", "entry 1 of downstream.yaml: asset, path: give one of them"),
        (f"- {{asset: a, path: {LAKE_URL}/a, dataset: {DATASET}}}", "entry 1 of downstream.yaml: asset, path: "),
        (f"- {{path: {LAKE_URL}/a, workspace: {ARM_ID}, dataset: {DATASET}}}", "entry 1 of downstream.yaml: workspace"),
        ("- {asset: a}", "entry 1 of downstream.yaml: dataset: is missing"),
        (f"- {{asset: 'a:1', dataset: {DATASET}}}", "entry 1 of downstream.yaml: asset: 'a:1' is not a data asset"),
        (f"- {{asset: 7, dataset: {DATASET}}}", "entry 1 of downstream.yaml: asset: is not text"),
        (f"- {{asset: [a, b], dataset: {DATASET}}}", "entry 1 of downstream.yaml: asset: is not text"),
        (f"- {{asset: , dataset: {DATASET}}}", "entry 1 of downstream.yaml: asset: is not text"),
        (f"- {{asset: a, asset: b, dataset: {DATASET}}}", "entry 1 of downstream.yaml: asset: is there twice"),
        (f"- {{asset: a, workspace: ws, dataset: {DATASET}}}", "entry 1 of downstream.yaml: workspace: 'ws' is not"),
        (f"- {{asset: a, Dataset: x, dataset: {DATASET}}}", "entry 1 of downstream.yaml: Dataset: is not known"),
        (f"- {{path: fs/scores, dataset: {DATASET}}}", "entry 1 of downstream.yaml: path: 'fs/scores' is not a place"),
        (f"- {{path: 'https://x.com/a', dataset: {DATASET}}}", "entry 1 of downstream.yaml: path: 'https://x.com/a'"),
        (f"- {{path: '{LAKE_URL}/*.csv', dataset: {DATASET}}}", "entry 1 of downstream.yaml: path: "),
        (
            f"- {{asset: a, dataset: {REPORT}}}",
            f"entry 1 of downstream.yaml: dataset: {REPORT!r} is not a Power BI dataset",
        ),
        (f"- {{asset: a, dataset: {DATASET}, report: r}}", "entry 1 of downstream.yaml: report: 'r' is not a Power BI"),
    ],
)
def test_mistake_is_named_by_entry_and_field(text: str, mistake: str) -> None:
    """One sentence says where it is and what to do."""
    (found,) = mistakes(text)
    assert found.startswith(mistake)


def test_every_mistake_is_named_at_once() -> None:
    """In the order of the file, the right entries between them not mentioned."""
    text = f"- {{asset: 'a b', x: y}}\n- {{asset: a, dataset: {DATASET}}}\n- {{path: a, dataset: b}}"
    assert [found.split(": ")[:2] for found in mistakes(text)] == [
        ["entry 1 of downstream.yaml", "x"],
        ["entry 1 of downstream.yaml", "dataset"],
        ["entry 1 of downstream.yaml", "asset"],
        ["entry 3 of downstream.yaml", "path"],
        ["entry 3 of downstream.yaml", "dataset"],
    ]


def test_secret_in_a_mistake_is_not_repeated() -> None:
    """What is said at start goes to the log."""
    signed = "https://x.com/a?sv=1&sig=c2VjcmV0"
    found = mistakes(f"- {{path: '{signed}', dataset: '{signed}'}}\n- 'https://user:c2VjcmV0@h: [")
    assert "c2VjcmV0" not in "".join(found)
    assert "c2VjcmV0" not in "".join(mistakes(f"- {{path: '{signed}', dataset: '{signed}', '{signed}': x}}"))


@pytest.mark.parametrize("content", [b"\xff\xfe", None])
def test_file_that_cannot_be_read_is_a_mistake(tmp_path: Path, content: bytes | None) -> None:
    """Not a crash that names neither the file nor the setting."""
    file = tmp_path / "downstream.yaml"
    if content is not None:
        file.write_bytes(content)
    with pytest.raises(ConfigurationError, match=r"downstream\.yaml"):
        read_downstream(file)


@pytest.mark.parametrize(
    "path",
    [
        "abfss://fs@contosolake.dfs.core.windows.net/scores",
        "abfss://fs@contosolake.dfs.core.windows.net/scores/",
        "wasbs://fs@contosolake.blob.core.windows.net/scores",
        "https://ContosoLake.dfs.core.windows.net/fs/scores/?sv=1&sig=x",
        "https://contosolake.blob.core.windows.net/fs//scores",
    ],
)
def test_place_is_met_by_any_of_its_names(path: str) -> None:
    """As Azure ML, Spark and the portal write it; with all that lies below, and nothing beside it."""
    text = f"- {{path: '{path}', dataset: {DATASET}}}"
    for below in ("scores", "scores/", "scores/2026/part-00000.parquet"):
        assert feeds(text, at(below)) == [DATASET]
    for beside in ("scores2/", "scores.csv", "raw/scores", ""):
        assert feeds(text, at(beside)) == []


def test_number_sign_in_a_path_is_part_of_it() -> None:
    """`C#` is a folder, and `C` is another."""
    text = f"- {{path: '{LAKE_URL}/C#/', dataset: {DATASET}}}"
    assert feeds(text, at("C#/loans.csv")) == [DATASET]
    assert feeds(text, at("C/loans.csv")) == []


def test_place_of_a_file_is_met_by_the_file() -> None:
    """A scan writes its extension in lower case."""
    assert feeds(f"- {{path: {LAKE_URL}/out/Scores.CSV, dataset: {DATASET}}}", at("out/Scores.csv")) == [DATASET]


def test_asset_of_one_workspace_is_not_that_of_another() -> None:
    """Nor that of a registry; without a workspace all of them are meant."""
    other, asset = WorkspaceId("s", "rg", WORKSPACE_ID.name), AssetId("data", "scores", "7")
    shared = AssetId("data", "scores", "7", registry="reg")
    narrow = parse(f"- {{asset: scores, workspace: {ARM_ID.upper()}, dataset: {DATASET}}}")
    wide = parse(f"- {{asset: scores, dataset: {DATASET}}}")
    seen = [
        (WORKSPACE_ID, asset),
        (other, asset),
        (WORKSPACE_ID, shared),
        (WORKSPACE_ID, AssetId("data", "Scores", "1")),
    ]
    assert [len(list(narrow.of_asset(*each))) for each in seen] == [1, 0, 0, 0]
    assert [len(list(wide.of_asset(*each))) for each in seen] == [1, 1, 1, 0]


def test_output_that_is_not_registered_leads_to_the_report() -> None:
    """By its path; and the mapping says why."""
    text = f"- {{path: {LAKE_URL}/out, dataset: {DATASET}/details, report: '{REPORT}?pbi_source=x'}}"
    built = build(text, run("score", outputs={"scores": at("out/scores/")}))
    to_dataset = built[f"{LAKE_URL}/out/scores#powerbi/datasets/d"]
    to_report = built[f"{LAKE_URL}/out/scores#powerbi/reports/r"]
    assert [short(to_dataset.inputs), short(to_dataset.outputs)] == [[f"{LAKE_URL}/out/scores"], [DATASET]]
    assert [short(to_report.inputs), short(to_report.outputs)] == [[DATASET], [REPORT]]
    assert {why.field for why in (*to_dataset.evidence, *to_report.evidence)} == {"entry 1 of downstream.yaml"}


def test_dataset_that_was_scanned_is_met() -> None:
    """It is looked up with everything else that the run touches, and not written."""
    text = f"- {{path: {LAKE_URL}/out, dataset: {DATASET}}}"
    found = {QualifiedName(DATASET): Ref("powerbi_dataset", QualifiedName(DATASET))}
    built = build(text, run("score", outputs={"scores": at("out/")}), scanned=found)
    assert DATASET not in built
    assert short(built[f"{LAKE_URL}/out#powerbi/datasets/d"].outputs) == [DATASET]


def test_name_of_a_link_stays_when_its_place_was_scanned() -> None:
    """A scan of the place under another name must not make it two links."""
    text, scan = f"- {{path: {LAKE_URL}/out, dataset: {DATASET}}}", f"{LAKE_URL}/out/{{SparkPartitions}}"
    found = {QualifiedName(scan): Ref("azure_datalake_gen2_resource_set", QualifiedName(scan))}
    built = build(text, run("score", outputs={"scores": at("out/")}), scanned=found)
    assert short(built[f"{LAKE_URL}/out#powerbi/datasets/d"].inputs) == [scan]


def test_tags_and_mapping_are_joined_each_link_once() -> None:
    """A dataset that both name is one; one that only one names is there too."""
    scores = data_asset("scores", at("azureml/score/out/", run_id="score"), by_run=True, powerbi_dataset=DATASET)
    text = f"- {{asset: scores, dataset: {DATASET}, report: {REPORT}}}\n- {{asset: scores, dataset: {DATASET}2}}"
    built = build(text, run("score", outputs={"scores": scores}))
    links = {name: entity for name, entity in built.items() if "/powerbi/" in name}
    prefix = "data/scores/versions/1/powerbi"
    assert list(links) == [f"{prefix}/datasets/d", f"{prefix}/datasets/d2", f"{prefix}/reports/r"]
    assert {why.field for why in links[f"{prefix}/datasets/d"].evidence} == {
        "tag powerbi_dataset of the data asset scores:1"
    }
    assert {why.field for why in links[f"{prefix}/datasets/d2"].evidence} == {"entry 2 of downstream.yaml"}


def test_path_that_only_its_asset_stands_for_is_met_at_the_asset() -> None:
    """Where a run made both in one go, the graph has no path to hang anything from."""
    scores = data_asset("scores", at("azureml/score/out/", run_id="score"), by_run=True)
    built = build(f"- {{path: {LAKE_URL}/azureml, dataset: {DATASET}}}", run("score", outputs={"scores": scores}))
    assert short(built["data/scores/versions/1/powerbi/datasets/d"].inputs) == ["data/scores/versions/1"]


def test_path_that_an_asset_was_registered_from_feeds_from_the_path() -> None:
    """The asset is beside it in the graph; the data did not flow through it."""
    built = build(
        f"- {{path: {LAKE_URL}/raw, dataset: {DATASET}}}", run("a", inputs={"x": data_asset("x", at("raw/"))})
    )
    assert [name for name in built if "powerbi/" in name] == [f"{LAKE_URL}/raw#powerbi/datasets/d"]


def test_asset_that_was_deleted_since_still_leads_on() -> None:
    """Its name is all that the mapping asks for."""
    built = build(f"- {{asset: gone, dataset: {DATASET}}}", run("a", inputs={"x": data_asset("gone", None)}))
    assert short(built["data/gone/versions/1/powerbi/datasets/d"].inputs) == ["data/gone/versions/1"]


def test_what_the_mapping_names_counts_to_the_run_that_touches_the_data() -> None:
    """A placeholder among it is replaced once Power BI was scanned, by publishing that run again."""
    downstream = parse(f"- {{path: {LAKE_URL}/out, dataset: {DATASET}}}")
    touched = places_by_run(tree(run("a", outputs={"x": at("out/")}), run("b"), root_id="root"), downstream)
    assert [place.ref.type_name for place in touched["a"]] == ["azure_datalake_gen2_path", "powerbi_dataset"]
    assert touched["b"] == ()
    matches = match_places(touched["a"], {})
    expected = Ref("powerbi_dataset", QualifiedName(DATASET))
    assert matches[expected] == Match(expected, MatchKind.PLACEHOLDER)
