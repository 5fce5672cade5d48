"""What holds for every golden case: a deployment would have got its events, and nothing is left to do after them."""

import json
import os
import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from emulator.server import Emulator
from shared.intake.event_types import subscribed_types
from shared.reconciling.coverage import Coverage
from shared.reconciling.progress import read_coverage
from tests.harness.app import App
from tests.harness.clock import MovedClock
from tests.harness.whole_path import RECONCILE, happen, open_app, play, start
from tests.worlds.golden_case import KEY, PREFIX, Case, case_names

MADE_UP = re.compile(r"/azureml_.+_(?:input|output)_")
"""What Azure ML calls data and models to which no person gave a name."""


DELAYS = (timedelta(0), timedelta(minutes=20), timedelta(hours=3), timedelta(days=2))
ORDERS = int(os.environ.get("LINEAGE_TESTS_ORDERS", "1"))
"""Of each case, besides its own; ask for more after a change of what is published when."""


@dataclass(frozen=True, slots=True)
class Ended:
    """A case after its events, after a tick of the timer, and after the same events and a tick again."""

    case: Case
    played: list[str]
    ticked: list[str]
    repeated: list[str]
    names: frozenset[str]
    coverage: Coverage | None


@pytest.fixture(scope="module", params=case_names())
def case(request: pytest.FixtureRequest) -> Case:
    return Case.load(request.param)


@pytest.fixture(scope="module")
def ended(case: Case, emulator_server: Emulator, tmp_path_factory: pytest.TempPathFactory) -> Ended:
    """The case, played, and what comes after it."""
    played = play(case, emulator_server, tmp_path_factory.mktemp(case.name) / "lineage.sqlite")
    app, after_events = played.app, content_of(played.app)
    app.tick()
    after_tick = content_of(app)
    for event in case.events:
        if isinstance(event, str):
            list(happen(case, app, event))
    app.tick()
    coverage = [each for each in read_coverage(app.services.state.notes) if each.workspace.endswith(KEY)]
    held = emulator_server.control.state()["purview"]["entities"]
    names = frozenset(str(entity["attributes"]["qualifiedName"]) for entity in held)
    return Ended(case, after_events, after_tick, content_of(app), names, next(iter(coverage), None))


def content_of(app: App) -> list[str]:
    """Return all the catalog holds, line by line."""
    return json.dumps(app.catalog_content(), indent=1, sort_keys=True).splitlines()


def test_events_are_of_types_that_a_deployment_subscribes_to(case: Case) -> None:
    """No deployment would ever see what the case shows, else."""
    types = {event.split()[0] for event in case.events if isinstance(event, str)} - {RECONCILE}
    assert {f"Microsoft.MachineLearningServices.{each}" for each in types} <= set(subscribed_types())


def test_nothing_changes_once_everything_was_published(ended: Ended) -> None:
    """A tick finds nothing that the events did not bring, and neither do the same events and a tick again."""
    assert ended.ticked == ended.played
    assert ended.repeated == ended.ticked


def test_no_name_that_azure_ml_made_up_is_in_the_catalog(ended: Ended) -> None:
    """People look for what they named, even if that looks like a name of Azure ML's."""
    workspace = ended.case.seed["workspaces"][KEY]
    chosen = {label.rpartition(":")[0] for member in ("data", "models") for label in workspace[member]}
    assert [name for name in ended.names if MADE_UP.search(name) and name.split("/")[-3] not in chosen] == []


def test_full_coverage_means_that_everything_is_in_the_catalog(ended: Ended) -> None:
    """Of what the workspace holds: each run that completed, each model that a person named, each endpoint."""
    assert ended.coverage is not None
    if ended.coverage.percent == 100:
        assert set(expected_names(ended.case)) - ended.names == set()


@pytest.mark.parametrize("seed", range(ORDERS))
def test_any_order_with_any_delay_gives_the_same_catalog(
    ended: Ended, emulator: Emulator, tmp_path: Path, seed: int
) -> None:
    """Up to two days between events, each handled by a process of its own, and the timer fires in between."""
    case, clock, chance = ended.case, MovedClock(), random.Random(seed)  # noqa: S311 - no secret
    start(case, emulator)
    for event in reordered(case.events, chance):
        app = open_app(case, emulator, tmp_path / "other-order.sqlite", now=clock)
        list(happen(case, app, event))
        clock.move(chance.choice(DELAYS))
        if chance.random() < 1 / 2:
            app.tick()
    app = open_app(case, emulator, tmp_path / "other-order.sqlite", now=clock)
    app.tick()
    assert content_of(app) == ended.ticked


def reordered(events: Sequence[Any], chance: random.Random) -> Iterator[Any]:
    """Yield events in another order; what changes in the workspace between them stays where it is."""
    together: list[Any] = []
    for event in (*events, None):
        if isinstance(event, str) and event != RECONCILE:
            together.append(event)
        else:
            chance.shuffle(together)
            yield from together
            together = []
            if event is not None:
                yield event


def expected_names(case: Case) -> Iterator[str]:
    """Yield names of what the catalog must have when nothing is missing."""
    workspace: dict[str, Any] = case.seed["workspaces"][KEY]
    for run_id, run in workspace["runs"].items():
        works = run.get("kind") not in ("pipeline", "batch") and "parent" not in run
        if works and run.get("status", "Completed") == "Completed":
            yield f"{PREFIX}/runs/{run_id}"
    for model in workspace["models"]:
        name, _, version = model.rpartition(":")
        if not MADE_UP.search(f"/{name}/"):
            yield f"{PREFIX}/models/{name}/versions/{version}"
    for member in ("online_endpoints", "batch_endpoints", "serverless_endpoints"):
        yield from (f"{PREFIX}/endpoints/{name}" for name in workspace.get(member) or ())
