"""Any workspace becomes exactly its lineage, whatever the order in which its events arrive."""

import os
from collections.abc import Collection
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from emulator.merge import merge
from emulator.server import Emulator
from tests.harness.app import App, outcomes
from tests.harness.clock import MovedClock
from tests.harness.whole_path import read_lineage
from tests.worlds.golden_case import KEY, WORKSPACE_ID, base_workspace
from tests.worlds.workspaces.description import RegisteredData, RegisteredModel, Workspace
from tests.worlds.workspaces.events import families_of, other_events_of
from tests.worlds.workspaces.generator import workspaces
from tests.worlds.workspaces.seed import scanned_sets, to_seed, words_of
from tests.worlds.workspaces.truth import truth_of

EXAMPLES = int(os.environ.get("LINEAGE_TESTS_EXAMPLES", "16"))
"""Always the same ones, for the gate; ask for more after a change of how runs are read or named."""

LAST_TICKS = 3
"""Where something was archived: one meets what was said last, and two that it is not archived any more."""
DELAYS = (timedelta(0), timedelta(minutes=20), timedelta(hours=3), timedelta(days=2))


@dataclass(frozen=True, slots=True)
class Archive:
    """A model or a run is archived, or restored."""

    name: str
    archived: bool = True


Happening = str | RegisteredData | RegisteredModel | Archive
"""An event; an asset of which people say their words; an archiving."""


@dataclass(frozen=True, slots=True)
class Moment:
    """Something that happens, how long it takes until the next one, and whether the timer fires after that."""

    what: Happening
    delay: timedelta
    ticks: bool


def begin(workspace: Workspace, emulator: Emulator, said: Collection[RegisteredData | RegisteredModel] = ()) -> None:
    """Make the workspace with what was said of some assets, and a new catalog."""
    emulator.control.use("empty")
    emulator.control.add_to_azure_ml({"workspaces": {KEY: merge(base_workspace(), to_seed(workspace))}})
    if workspace.sets:
        emulator.control.switches(search_lag=0)  # the scan was long ago
        emulator.control.scan(*scanned_sets(workspace))
    for asset in said:
        emulator.control.add_to_azure_ml({"workspaces": {KEY: say(asset)}})


def say(asset: RegisteredData | RegisteredModel, now: datetime | None = None) -> dict[str, Any]:
    """Return what changes when people say their words of an asset."""
    when = {"modified_at": now.isoformat()} if now else {}
    return {"models" if isinstance(asset, RegisteredModel) else "data": {asset.label: {**words_of(asset), **when}}}


def happen(what: Happening, workspace: Workspace, app: App) -> None:
    """Let something happen in the workspace, or publish an event."""
    match what:
        case str(event):
            publish(app, [event])
        case Archive(name, archived) if any(run.id == name for run in workspace.runs):
            app.emulator.control.archive("jobs", name, workspace=WORKSPACE_ID, archived=archived)
        case Archive(label, archived):
            name, _, version = label.rpartition(":")
            app.emulator.control.archive("models", name, version, workspace=WORKSPACE_ID, archived=archived)
        case asset:
            app.emulator.control.add_to_azure_ml({"workspaces": {KEY: say(asset, app.services.now())}})


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
    assets: tuple[RegisteredData | RegisteredModel, ...] = (*workspace.data, *workspace.models)
    other = [each for each in assets if words_of(each)]
    archived = [Archive(name) for name in workspace.archived]
    moments = [
        Moment(what, draw(st.sampled_from(DELAYS)), draw(st.sampled_from([False, False, True])))
        for what in draw(st.permutations([*sent, *sent[:3], *other, *archived]))
    ]
    moments += [Moment(replace(each, archived=False), timedelta(hours=1), ticks=True) for each in archived]
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

    The other order takes days: each event is handled by a process of its own, and the timer fires now and then. Only
    then people say what an asset is, and some of it is archived and restored.
    """
    workspace, events, moments = happening
    content = play_at_once(emulator, tmp_path / f"{uuid4()}.sqlite", workspace, events)
    assert play_over_days(emulator, tmp_path / f"{uuid4()}.sqlite", workspace, moments) == content


def without_marks(content: object) -> object:
    """Leave out that something is active again, which only what was archived says."""
    match content:
        case dict():
            return {
                key: None if (key, value) == ("state", "Active") else without_marks(value)
                for key, value in content.items()
            }
        case list() | tuple():
            return [without_marks(each) for each in content]
    return content


def play_at_once(emulator: Emulator, ledger: Path, workspace: Workspace, events: list[str]) -> object:
    """Publish everything, let the timer fire, compare the catalog with the truth, and return what it holds."""
    begin(workspace, emulator, said=(*workspace.data, *workspace.models))
    app = App.on(emulator, ledger)
    publish(app, events)
    tick(app)
    lineage = read_lineage(app)
    truth = truth_of(workspace)
    nodes = [f"{node['type']} {node['qualifiedName']}" for node in lineage["nodes"]]
    assert sorted(nodes) == sorted(truth.nodes)
    assert sorted(edge for edge in lineage["edges"] if not edge.endswith("(removed)")) == sorted(truth.edges)
    return without_marks(app.catalog_content())


def play_over_days(emulator: Emulator, ledger: Path, workspace: Workspace, moments: list[Moment]) -> object:
    """Handle each event by a process of its own, with time in between, and return what the catalog holds."""
    begin(workspace, emulator)
    clock = MovedClock()
    for moment in moments:
        app = App.on(emulator, ledger, now=clock)
        happen(moment.what, workspace, app)
        clock.move(moment.delay)
        if moment.ticks:
            tick(app)
    for _ in range(LAST_TICKS if workspace.archived else 1):
        clock.move(timedelta(minutes=15))
        app = App.on(emulator, ledger, now=clock)
        tick(app)
    return without_marks(app.catalog_content())
