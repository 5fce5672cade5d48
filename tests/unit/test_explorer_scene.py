"""What is drawn for an address: read, folded, filtered and paged, without a browser."""

import pytest

from explorer.address import Address
from explorer.formats import scene_to_csv, scene_to_mermaid, to_elements
from explorer.looks import kind_of
from explorer.node import node_of
from explorer.reading import Reading
from explorer.reduction import EDGES, PAGE
from explorer.scene import Scene, make_scene
from tests.unit.plain_catalog import METRICS, MODEL, RUN, PlainCatalog


@pytest.fixture
def catalog() -> PlainCatalog:
    """Two files, a run, a model, and a run with another input that scores with it."""
    plain = PlainCatalog().add("model:1", MODEL).add("metrics", METRICS)
    plain.flow("loan", "run train", "model:1", "run score", "scores")
    return plain.flow("borrower", "run train").flow("test", "run score").flow("run train", "metrics")


def draw(catalog: PlainCatalog | Reading, **address: object) -> Scene:
    reading = catalog if isinstance(catalog, Reading) else catalog.reading()
    return make_scene(reading, Address(**{"asset": "x://model:1", **address}))  # type: ignore[arg-type]


def names(scene: Scene) -> set[str]:
    return {node_of(scene.graph, key).name for key in scene.graph}


def classes(scene: Scene, name: str) -> set[str]:
    found = [each for each in to_elements(scene) if each["data"].get("name") == name]
    return set(found[0]["classes"].split())


UP = {"loan", "borrower", "run train", "model:1", "metrics"}


@pytest.mark.parametrize(
    ("mode", "expected"),
    [
        ("up", UP),
        ("down", {"model:1", "run score", "scores"}),
        ("both", {*UP, "run score", "scores"}),
        ("all", {*UP, "run score", "scores", "test"}),
    ],
)
def test_mode_says_which_side_is_drawn(catalog: PlainCatalog, mode: str, expected: set[str]) -> None:
    """And what runs logged is drawn with them, although it leads nowhere."""
    assert names(draw(catalog, mode=mode)) == expected


def test_side_of_a_node_is_opened_and_shut(catalog: PlainCatalog) -> None:
    """Beyond what the mode shows, or less."""
    assert "test" in names(draw(catalog, mode="down", open=("run score.up",)))
    assert names(draw(catalog, mode="down", shut=("run score.down",))) == {"model:1", "run score"}
    assert names(draw(catalog, mode="up", shut=("run train.up",))) == {"model:1", "run train", "metrics"}


def test_shutting_a_side_keeps_what_is_reached_another_way(catalog: PlainCatalog) -> None:
    """The asset in the middle is upstream of the run, and stays."""
    assert names(draw(catalog, mode="all", shut=("run score.up",))) >= {"model:1", "run score", "scores"}
    assert "test" not in names(draw(catalog, mode="all", shut=("run score.up",)))


def test_nodes_carry_what_they_are_drawn_as() -> None:
    """Placeholders, failed runs, processes, the middle."""
    catalog = PlainCatalog().add("file", labels=["unscanned"]).add("run", RUN, status="Failed").add("model:1", MODEL)
    scene = draw(catalog.flow("file", "run", "model:1"))
    assert "placeholder" in classes(scene, "file")
    assert {"failed", "process", "run"} <= classes(scene, "run")
    assert classes(scene, "model:1") == {"model", "i-cube", "centre"}


def test_unknown_type_is_drawn_as_data() -> None:
    """With its name as the word."""
    assert kind_of("snowflake_stage").word == "snowflake stage"
    assert not kind_of("snowflake_stage").is_process


def test_filter_keeps_what_was_connected_through_what_it_leaves_out(catalog: PlainCatalog) -> None:
    """By an edge that is marked; the asset in the middle always stays."""
    scene = draw(catalog, hide=("run", "model"))
    assert names(scene) == {"loan", "borrower", "metrics", "model:1", "scores"}
    assert scene.graph.edges["loan", "model:1"]["indirect"]
    assert scene.graph.edges["model:1", "scores"]["indirect"]
    assert scene.kinds["run"] == 2


def test_filter_by_status_and_time_reads_what_it_needs() -> None:
    """A node without a time stays; one that ran before does not."""
    catalog = PlainCatalog().add("model:1", MODEL)
    catalog.add("run old", RUN, status="Completed", started_at="2026-01-31T23:59:00Z")
    catalog.add("run new", RUN, status="Failed", started_at="2026-02-01T00:00:00Z")
    catalog.flow("a", "run old", "b", "run new", "model:1")
    assert names(draw(catalog, since="2026-02-01")) == {"a", "b", "run new", "model:1"}
    assert names(draw(catalog, until="2026-01-31")) == {"a", "b", "run old", "model:1"}
    assert names(draw(catalog, status=("Completed",))) == {"a", "b", "run new", "model:1"}


def test_pipeline_is_folded_with_what_only_it_touched() -> None:
    """What others read stays; a failed step makes the pipeline red."""
    catalog = PlainCatalog().add("model:1", MODEL)
    catalog.add("run 1", RUN, pipeline_run_id="p", status="Completed", started_at="2026-01-02")
    catalog.add("run 2", RUN, pipeline_run_id="p", status="Failed", started_at="2026-01-01")
    catalog.flow("raw", "run 1", "inner", "run 2", "model:1").flow("run 1", "shared", "run 2").flow("shared", "run x")
    scene = draw(catalog, fold=("p",), mode="all")
    assert names(scene) == {"raw", "p", "shared", "run x", "model:1"}
    assert {("raw", "pipeline:p"), ("pipeline:p", "model:1"), ("shared", "pipeline:p")} <= set(scene.graph.edges)
    node = node_of(scene.graph, "pipeline:p")
    assert (node.failed, node.time, set(node.members)) == (True, "2026-01-01", {"run 1", "run 2", "inner"})
    assert scene.pipelines == ("p",)


def test_paths_between_two_nodes_are_marked_whichever_is_first(catalog: PlainCatalog) -> None:
    """All of them, and nothing else."""
    for start, end in (("loan", "scores"), ("scores", "loan")):
        scene = draw(catalog, start=start, end=end)
        assert scene.between.nodes == {"loan", "run train", "model:1", "run score", "scores"}
        assert "faded" in classes(scene, "borrower")
        assert "path" in classes(scene, "model:1")
    assert draw(catalog, start="loan", end="borrower").between.nodes == frozenset()


def fan(size: int) -> PlainCatalog:
    """Return a catalog where a model's run reads many files."""
    catalog = PlainCatalog().add("model:1", MODEL).flow("run", "model:1")
    for number in range(size):
        catalog.flow(f"file {number:04}", "run")
    return catalog


def test_large_graph_comes_in_pages_that_miss_nothing() -> None:
    """Each with a bounded number of elements, and nodes that count the rest."""
    reading, size = fan(500).reading(), 502
    seen, page = set[str](), 0
    while True:
        scene = draw(reading, page=page)
        assert len(to_elements(scene)) <= PAGE + 3 + EDGES
        seen |= {key for key in scene.graph if not key.startswith("more:")}
        assert scene.page.hidden == size - len([key for key in scene.graph if not key.startswith("more:")])
        if page + 1 == scene.page.count:
            break
        page += 1
    assert len(seen) == size
    assert draw(reading, page=99_999).page.number == page
    first = draw(reading)
    assert [node_of(first.graph, key).name for key in first.graph if key.startswith("more:")] == ["and 381 more"]


def test_dense_graph_has_shorter_pages() -> None:
    """Forty runs that each read and write forty files have 3,200 edges."""
    catalog = PlainCatalog().add("model:1", MODEL)
    for run in range(40):
        for file in range(40):
            catalog.flow(f"in {file}", f"run {run}").flow(f"run {run}", f"out {file}")
    catalog.flow("out 0", "run last", "model:1")
    scene = draw(catalog)
    assert scene.page.count > 1
    assert scene.graph.number_of_edges() <= EDGES + PAGE * 2


def test_path_is_on_the_first_page() -> None:
    """However far down the list its nodes would be."""
    scene = draw(fan(500), start="file 0499", end="model:1")
    assert "file 0499" in names(scene)


def test_scene_is_made_of_few_requests_and_again_of_none(catalog: PlainCatalog) -> None:
    """All that is drawn is read once."""
    reading = catalog.reading()
    draw(reading)
    first = len(catalog.requests)
    assert first <= 12
    draw(reading, mode="down")
    draw(reading, hide=("run",))
    assert len(catalog.requests) == first
    reading.refresh()
    draw(reading)
    assert len(catalog.requests) == 2 * first


def test_exports_have_what_is_drawn(catalog: PlainCatalog) -> None:
    """Edges by name in Mermaid, and a line for everything in CSV; no formula for a spreadsheet."""
    catalog.add("=1+1", labels=()).flow("=1+1", "run train")
    scene = draw(catalog)
    assert scene_to_mermaid(scene).count("-->") == scene.graph.number_of_edges()
    lines = scene_to_csv(scene).splitlines()
    assert len(lines) == 1 + len(scene.graph) + scene.graph.number_of_edges()
    assert any(",'=1+1," in line for line in lines)
