"""Any workspace becomes exactly its lineage, whatever the order in which its events arrive."""

import os
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emulator.merge import merge
from emulator.server import Emulator
from tests.harness.app import App, outcomes
from tests.harness.clock import MovedClock
from tests.harness.whole_path import read_lineage
from tests.worlds.golden_case import base_workspace
from tests.worlds.workspaces.description import Workspace
from tests.worlds.workspaces.events import families_of, other_events_of
from tests.worlds.workspaces.generator import workspaces
from tests.worlds.workspaces.seed import to_seed
from tests.worlds.workspaces.truth import truth_of

EXAMPLES = int(os.environ.get("LINEAGE_TESTS_EXAMPLES", "20"))
"""Always the same ones, for the gate; ask for more after a change of how runs are read or named."""

DELAYS = (timedelta(0), timedelta(minutes=20), timedelta(hours=3), timedelta(days=2))


@dataclass(frozen=True, slots=True)
class Moment:
    """An event, how long it takes until the next one, and whether the timer fires after that."""

    event: str
    delay: timedelta
    ticks: bool


def begin(workspace: Workspace, emulator: Emulator) -> None:
    """Make the workspace, and a new catalog."""
    emulator.control.use("empty")
    emulator.control.add_to_azure_ml({"workspaces": {"ws-empty": merge(base_workspace(), to_seed(workspace))}})


def publish(app: App, events: list[str]) -> None:
    reports = app.replay(events)
    assert {"dead_lettered", "came_back"}.isdisjoint(outcomes(reports)), [
        report.outcome for report in reports if report.outcome.outcome == "dead_lettered"
    ]


def tick(app: App) -> None:
    """Let the timer fire, and publish what it put on the queue."""
    app.services.reconciler.tick()
    publish(app, [])


@st.composite
def happenings(draw: st.DrawFn) -> tuple[Workspace, list[str], list[Moment]]:
    """Make up a workspace and two orders of its events: at least one of each family, some of them twice."""
    workspace = draw(workspaces())
    sent = list(other_events_of(workspace))
    for events in families_of(workspace).values():
        sent += draw(st.lists(st.sampled_from(events), min_size=1, max_size=4))
    moments = [
        Moment(event, draw(st.sampled_from(DELAYS)), draw(st.sampled_from([False, False, True])))
        for event in draw(st.permutations([*sent, *sent[:3]]))
    ]
    return workspace, draw(st.permutations(sent)), moments


@pytest.mark.timeout(30 + 15 * EXAMPLES)  # two seconds each, and more where others use the machine
@given(happenings())
@settings(
    max_examples=EXAMPLES,
    derandomize=True,
    deadline=None,
    database=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow, HealthCheck.data_too_large],
)
def test_any_workspace_becomes_its_lineage_in_any_order(
    emulator: Emulator, tmp_path: Path, happening: tuple[Workspace, list[str], list[Moment]]
) -> None:
    """
    Every run that did something once, every model led back to its run, every edge, and no others.

    The other order takes days: each event is handled by a process of its own, and the timer fires now and then.
    """
    workspace, events, moments = happening
    content = play_at_once(emulator, tmp_path / f"{uuid4()}.sqlite", workspace, events)
    assert play_over_days(emulator, tmp_path / f"{uuid4()}.sqlite", workspace, moments) == content


def play_at_once(emulator: Emulator, ledger: Path, workspace: Workspace, events: list[str]) -> object:
    """Publish everything, let the timer fire, compare the catalog with the truth, and return what it holds."""
    begin(workspace, emulator)
    app = App.on(emulator, ledger)
    publish(app, events)
    tick(app)
    lineage = read_lineage(app)
    truth = truth_of(workspace)
    nodes = [f"{node['type']} {node['qualifiedName']}" for node in lineage["nodes"]]
    assert sorted(nodes) == sorted(truth.nodes)
    assert sorted(lineage["edges"]) == sorted(truth.edges)
    return app.catalog_content()


def play_over_days(emulator: Emulator, ledger: Path, workspace: Workspace, moments: list[Moment]) -> object:
    """Handle each event by a process of its own, with time in between, and return what the catalog holds."""
    begin(workspace, emulator)
    clock = MovedClock()
    for moment in moments:
        app = App.on(emulator, ledger, now=clock)
        publish(app, [moment.event])
        clock.move(moment.delay)
        if moment.ticks:
            tick(app)
    app = App.on(emulator, ledger, now=clock)
    tick(app)
    return app.catalog_content()
