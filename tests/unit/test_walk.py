"""How lineage is walked, over a catalog that is two dictionaries."""

from collections.abc import Sequence
from itertools import pairwise

import networkx as nx
import pytest

from questions.walk import Walker
from shared.catalog.qualified_names import QualifiedName
from shared.purview.reader import INPUT, OUTPUT, Asset, Lineage, Related

DATA, STEP = "azure_blob_path", "custom_ml_experiment_step"


class FakeReader:
    """A catalog of a plain graph; answers about lineage reach `depth` entities far and leave out one-sided runs."""

    def __init__(self, *edges: tuple[str, str], depth: int = 1_000, width: int = 1_000) -> None:
        self.graph: nx.DiGraph[str] = nx.DiGraph(edges)
        self.depth, self.width = depth, width
        self.requests: list[str] = []
        self.gone: set[str] = set()

    def get_lineage(self, guid: str, direction: str) -> Lineage:
        self.requests.append(f"lineage {guid}")
        graph = self.graph if direction == OUTPUT else self.graph.reverse(copy=False)
        edges, cut = set[tuple[str, str]](), set[str]()
        for near in nx.single_source_shortest_path_length(graph, guid, cutoff=self.depth - 1):
            others = list(graph.successors(near))
            cut |= {near} if len(others) > self.width else set()
            shown = [each for each in others[: self.width] if type_of(each) == DATA or list(graph.successors(each))]
            edges |= {(near, far) if direction == OUTPUT else (far, near) for far in shown}
        assets = {each: asset(each) for edge in edges for each in edge}
        return Lineage(assets, tuple(sorted(edges)), frozenset(cut))

    def get_assets(self, guids: Sequence[str]) -> dict[str, Asset]:
        self.requests += [f"entities {','.join(guids[start : start + 50])}" for start in range(0, len(guids), 50)]
        return {each: asset(each, self.graph) for each in guids if each in self.graph and each not in self.gone}


def type_of(guid: str) -> str:
    return STEP if guid.startswith("run") else DATA


def asset(guid: str, graph: "nx.DiGraph[str] | None" = None) -> Asset:
    found = Asset(guid, type_of(guid), QualifiedName(f"name of {guid}"), guid)
    if graph is None:
        return found
    names = ("inputs", "outputs") if type_of(guid) == STEP else ("outputFromProcesses", "inputToProcesses")
    sides = zip(names, (graph.predecessors(guid), graph.successors(guid)), strict=True)
    related = {
        name: tuple(Related(each, type_of(each), each, QualifiedName(f"name of {each}")) for each in others)
        for name, others in sides
    }
    return Asset(guid, found.type_name, found.qualified_name, guid, related=related)


def chain(length: int) -> list[tuple[str, str]]:
    names = [f"{'run' if number % 2 else 'data'}{number:04}" for number in range(length)]
    return list(pairwise(names))


def walk(reader: FakeReader, *starts: str, direction: str = OUTPUT, limit: int | None = None) -> set[str]:
    return set(Walker(reader).walk(starts, direction, limit=limit))  # type: ignore[arg-type]


@pytest.mark.parametrize("direction", [INPUT, OUTPUT])
def test_a_chain_deeper_than_one_answer_is_read_to_its_end(direction: str) -> None:
    """The service goes 20 entities far at a time, whatever it was asked for."""
    reader = FakeReader(*chain(601), depth=20)
    start = "data0000" if direction == OUTPUT else "data0600"
    assert walk(reader, start, direction=direction) == set(reader.graph)


def test_a_deep_chain_takes_a_request_for_fifty() -> None:
    """A thousand runs in a row, read a hundred entities at a time and confirmed fifty at a time."""
    reader = FakeReader(*chain(2_001), depth=100)
    assert walk(reader, "data0000") == set(reader.graph)
    assert len(reader.requests) <= len(reader.graph) / 50 + 10


def test_an_asset_with_more_neighbours_than_one_answer_has_is_read_whole() -> None:
    """A file that 300 runs read, in an answer cut at 100."""
    edges = [(("data", f"run{number}"), (f"run{number}", f"data{number}")) for number in range(300)]
    reader = FakeReader(*(edge for pair in edges for edge in pair), width=100)
    assert walk(reader, "data") == set(reader.graph)
    assert len(reader.requests) <= len(reader.graph) / 50 + 10


def test_a_run_with_more_outputs_than_one_answer_has_is_read_whole() -> None:
    """Three hundred files of one run, in an answer cut at 100."""
    reader = FakeReader(("data", "run"), *(("run", f"data{number}") for number in range(300)), width=100)
    assert walk(reader, "data") == set(reader.graph)


def test_a_run_that_wrote_nothing_is_found() -> None:
    """Answers about lineage leave it out; the data that it reads knows it."""
    reader = FakeReader(("data", "run1"), ("run1", "data1"), ("data", "run2"))
    assert walk(reader, "data") == {"data", "run1", "data1", "run2"}


def test_a_cycle_ends() -> None:
    """A run that rewrites what it reads."""
    reader = FakeReader(("data", "run1"), ("run1", "data"))
    assert walk(reader, "data") == {"data", "run1"}


def test_what_was_deleted_meanwhile_ends_a_walk() -> None:
    """It was listed as a neighbour, and is gone when it is read."""
    reader = FakeReader(*chain(9), depth=1)
    reader.gone = {"run0003"}
    assert walk(reader, "data0000") == {"data0000", "run0001", "data0002", "run0003"}


def test_a_start_that_is_gone_gives_nothing() -> None:
    """And no error: the caller looked it up a moment ago."""
    assert walk(FakeReader(*chain(3)), "data0000", "unknown") == {"data0000", "run0001", "data0002"}
    reader = FakeReader(*chain(3))
    reader.gone = {"data0000"}
    reader.graph.remove_node("run0001")
    assert walk(reader, "data0000") == set()


def test_a_limit_stops_a_walk_soon_after() -> None:
    """At the end of the request that passed it."""
    reader = FakeReader(*chain(601), depth=20)
    assert 100 <= len(walk(reader, "data0000", limit=100)) < 200


def test_nothing_is_read_twice() -> None:
    """Asking again, or about a part, costs no request."""
    reader = FakeReader(*chain(61))
    walker = Walker(reader)  # type: ignore[arg-type]
    walker.walk(["data0000"], OUTPUT)
    before = len(reader.requests)
    assert set(walker.walk(["data0030"], OUTPUT)) == {f"{'run' if n % 2 else 'data'}{n:04}" for n in range(30, 61)}
    assert len(reader.requests) == before


def test_a_level_of_hundreds_takes_a_request_for_fifty() -> None:
    """Five hundred starts that have nothing in common."""
    edges = [(f"data{number}", f"run{number}") for number in range(500)]
    reader = FakeReader(*edges)
    assert walk(reader, *(source for source, _ in edges)) == set(reader.graph)
    assert len(reader.requests) <= 1_000 / 50 + 10
