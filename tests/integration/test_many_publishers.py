"""However many publish at once: one asset is one entity, and the catalog is that of one publisher."""

import os
import random
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from emulator.server import Emulator
from tests.harness.publishers import Publishers, links_of, names_of, twins_of
from tests.harness.whole_path import read_lineage
from tests.integration.test_any_workspace import begin
from tests.worlds.workspaces.description import Workspace
from tests.worlds.workspaces.events import families_of, other_events_of
from tests.worlds.workspaces.generator import workspaces
from tests.worlds.workspaces.truth import truth_of

RUNS = int(os.environ.get("LINEAGE_TESTS_RUNS", "40"))
EXAMPLES = int(os.environ.get("LINEAGE_TESTS_EXAMPLES", "16"))
"""Both are for the gate; ask for more after a change of how writes are ordered."""
PUBLISHERS = 8
COMMIT_MS = 40.0
"""About what Apache Atlas takes from the check of a write to its commit."""


def publish_alone(emulator: Emulator, storage: Path, seed: int) -> Publishers:
    """Start a fleet, and let one publisher write all of it."""
    emulator.control.use("fleet", runs=RUNS, seed=seed)
    alone = Publishers.on(emulator, storage, 1)
    alone.enqueue(alone.apps[0].events())
    alone.run_at_once()
    return alone


def start_many(emulator: Emulator, storage: Path, seed: int) -> Publishers:
    """Start the same fleet again, with several publishers that have all of it to do."""
    emulator.control.use("fleet", runs=RUNS, seed=seed)
    many = Publishers.on(emulator, storage, PUBLISHERS)
    many.enqueue(many.apps[0].events())
    return many


@pytest.mark.parametrize("seed", range(5))
def test_catalog_of_many_publishers_is_that_of_one(emulator: Emulator, tmp_path: Path, seed: int) -> None:
    """Name by name and link by link, on a catalog that takes its time to commit."""
    publish_alone(emulator, tmp_path / "alone.sqlite", seed)
    expected = emulator.control.state()
    many = start_many(emulator, tmp_path / "many.sqlite", seed)
    emulator.control.switches(commit_ms=COMMIT_MS)
    many.run_at_once()
    state = emulator.control.state()
    assert many.dead.empty()
    assert twins_of(state) == []
    assert (names_of(state), links_of(state)) == (names_of(expected), links_of(expected))


def test_catalog_of_publishers_in_a_made_up_order_is_that_of_one(emulator: Emulator, tmp_path: Path) -> None:
    """One step of one of them at a time: a message taken, or a write committed."""
    publish_alone(emulator, tmp_path / "alone.sqlite", 0)
    expected = emulator.control.state()
    for order in range(2):
        many = start_many(emulator, tmp_path / f"{order}.sqlite", 0)
        many.run_in_order(random.Random(order).choice)  # noqa: S311 - the same order each time
        state = emulator.control.state()
        assert many.dead.empty()
        assert twins_of(state) == []
        assert (names_of(state), links_of(state)) == (names_of(expected), links_of(expected))


def test_writes_that_meet_a_lock_are_sent_again_and_nothing_is_lost(emulator: Emulator, tmp_path: Path) -> None:
    """Every second write that finds its entities changed meanwhile is answered 500."""
    publish_alone(emulator, tmp_path / "alone.sqlite", 0)
    expected = emulator.control.state()
    many = start_many(emulator, tmp_path / "many.sqlite", 0)
    emulator.control.switches(lock_rate=0.5)
    many.run_in_order(random.Random(0).choice)  # noqa: S311 - the same order each time
    assert any(request.status == 500 for request in emulator.control.requests("purview"))
    assert many.dead.empty()
    state = emulator.control.state()
    assert (names_of(state), links_of(state)) == (names_of(expected), links_of(expected))


@st.composite
def sent_events(draw: st.DrawFn) -> tuple[Workspace, list[str]]:
    """Make up a workspace and an order of its events: at least one of each family, some of them twice."""
    workspace = draw(workspaces())
    sent = list(other_events_of(workspace))
    for events in families_of(workspace).values():
        sent += draw(st.lists(st.sampled_from(events), min_size=1, max_size=3))
    return workspace, draw(st.permutations(sent))


@pytest.mark.timeout(30 + 15 * EXAMPLES)
@given(sent_events(), st.integers(2, 4), st.randoms(use_true_random=False))
@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    database=None,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
def test_any_workspace_becomes_its_lineage_in_any_order_of_commits(
    emulator: Emulator, tmp_path: Path, sent: tuple[Workspace, list[str]], count: int, order: random.Random
) -> None:
    """Two to four publishers, checks and commits in any order: one entity for each name, and no link lost."""
    workspace, events = sent
    begin(workspace, emulator, said=(*workspace.data, *workspace.models))
    ledger = tmp_path / f"{uuid4()}.sqlite"
    publishers = Publishers.on(emulator, ledger, count)
    publishers.enqueue(events)
    publishers.run_in_order(order.choice)
    app = publishers.apps[0]
    app.services.reconciler.tick()
    publishers.run_in_order(order.choice)
    assert publishers.dead.empty()
    assert twins_of(emulator.control.state()) == []
    lineage, truth = read_lineage(app), truth_of(workspace)
    assert sorted(f"{node['type']} {node['qualifiedName']}" for node in lineage["nodes"]) == sorted(truth.nodes)
    assert sorted(edge for edge in lineage["edges"] if not edge.endswith("(removed)")) == sorted(truth.edges)
