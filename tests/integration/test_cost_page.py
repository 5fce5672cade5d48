"""The numbers of docs/cost.md: counted again, and calculated again."""

import json
import re
from collections.abc import Callable, Iterator
from math import ceil
from pathlib import Path
from typing import Any

import pytest
from urllib3.connectionpool import HTTPConnectionPool

from emulator.azurite import Azurite
from emulator.server import Emulator
from shared.bootstrap import Services
from shared.intake.message import EVENT_GRID, RECONCILE
from shared.intake.receive import receive_event
from shared.settings import Azurite as AzuriteSetting
from shared.settings import Settings
from shared.state.ports import Message
from tests.harness.app import App, model_registered
from tests.harness.storage import empty

PAGE = (Path(__file__).parents[2] / "docs" / "cost.md").read_text(encoding="utf-8")
SENTENCES = " ".join(PAGE.split())
ROW = re.compile(
    r"^\| (?P<what>[a-z][^|]+) \| (?P<catalog>\d+) \| (?P<azure_ml>\d+) \| (?P<storage>\d+) \|$", re.MULTILINE
)
COUNTED = {
    row["what"]: tuple(int(row[name]) for name in ("catalog", "azure_ml", "storage")) for row in ROW.finditer(PAGE)
}
FIRST, AGAIN, STEP, CHANGED, MODEL, MALFORMED, TICK = COUNTED


class Counter:
    """Counts what the app asks of the catalog, of Azure ML and of Azurite, whose requests it sees being sent."""

    def __init__(self, emulator: Emulator, azurite: Azurite, patch: pytest.MonkeyPatch) -> None:
        empty(AzuriteSetting(azurite.base_port))
        settings = Settings.from_env(emulator.environment(f"azurite:{azurite.base_port}"))
        self.app = App(emulator, Services(settings))
        self.app.services.catalog.install_types()
        self.app.services.queue.count()  # creates queue, table and containers
        self._ports = range(azurite.base_port, azurite.base_port + 3)
        self._stored = list[str]()  # several threads ask at once, and appending loses none
        send = HTTPConnectionPool.urlopen

        def count(pool: HTTPConnectionPool, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
            if pool.port in self._ports:
                self._stored.append(f"{method} {url}")
            return send(pool, method, url, *args, **kwargs)

        patch.setattr(HTTPConnectionPool, "urlopen", count)

    def begin(self) -> None:
        self._stored.clear()
        self.app.emulator.control.clear_requests()

    def counted(self) -> tuple[int, int, int]:
        control = self.app.emulator.control
        return len(control.requests("purview")), len(control.requests("azure_ml")), len(self._stored)

    def publish(self, event: str, *, source: str = EVENT_GRID) -> tuple[int, int, int]:
        """Handle an event as the queue trigger does, and count."""
        services = self.app.services
        text = receive_event(event, source=source, now=services.now, open_dead_letters=lambda: services.dead_letters)
        assert text is not None
        self.begin()
        services.deliveries.publish(Message("m1", text, 1, "receipt"))
        return self.counted()


Start = Callable[..., Counter]


@pytest.fixture
def start(emulator: Emulator, azurite_server: Azurite, monkeypatch: pytest.MonkeyPatch) -> Iterator[Start]:
    """Start a scenario on an empty storage account."""
    started: list[Counter] = []

    def start_scenario(scenario: str, *, steps: int | None = None) -> Counter:
        emulator.control.use(scenario, steps=steps)
        started.append(Counter(emulator, azurite_server, monkeypatch))
        return started[-1]

    yield start_scenario
    for counter in started:
        counter.app.services.state.close()


@pytest.fixture
def counter(start: Start) -> Counter:
    """Scenario credit-risk, nothing published yet."""
    return start("credit-risk")


def event_with(app: App, *words: str, without: str = "") -> str:
    """Return the scenario's first event that holds all of the words."""
    return next(
        event for event in app.events() if all(word in event for word in words) and not (without and without in event)
    )


def test_requests_are_as_many_as_the_page_says(counter: Counter) -> None:
    """Row by row, in the order of a pipeline's life."""
    app = counter.app
    root = event_with(app, "azureml.PipelineRun", "RunCompleted", without="StepRun")
    counted = {FIRST: counter.publish(root), AGAIN: counter.publish(root)}
    counted[STEP] = counter.publish(event_with(app, "azureml.StepRun", "RunCompleted"))
    command = {"runs": {"cccccccc-0000-4000-8000-000000000003": {"command": "train.py --again"}}}
    app.emulator.control.add_to_azure_ml({"workspaces": {"ws-credit": command}})
    counted[CHANGED] = counter.publish(root, source=RECONCILE)
    counted[MODEL] = counter.publish(model_registered("creditrisk_model", "1"))
    counted[MALFORMED] = counter.publish("no event")
    for event in app.events():
        counter.publish(event)
    app.services.reconciler.tick()  # the first tick looks at everything for the first time
    counter.begin()
    app.services.reconciler.tick()
    counted[TICK] = counter.counted()
    assert app.services.queue.count() == 0
    assert counted == COUNTED


@pytest.mark.parametrize(("steps", "catalog", "stored"), [(4, 2, 19), (20, 2, 37), (100, 6, 129)])
def test_requests_grow_with_the_steps_as_the_page_says(start: Start, steps: int, catalog: int, stored: int) -> None:
    """Chains of three lengths; Azure ML pages their children, and is asked no more than that."""
    assert "chains of 4, 20 and 100 steps take 2, 2 and 6 catalog requests, and 19, 37 and 129 to storage" in SENTENCES
    counter = start("chain", steps=steps)
    counted = counter.publish(event_with(counter.app, "azureml.PipelineRun", "RunCompleted"))
    assert (counted[0], counted[2]) == (catalog, stored)
    assert counted[1] <= 8


def test_first_publication_writes_what_the_page_says(counter: Counter) -> None:
    """Entities, relationships, and how large an entity is."""
    app = counter.app
    before = len(app.emulator.control.state()["purview"]["entities"])
    counter.publish(event_with(app, "azureml.PipelineRun", "RunCompleted", without="StepRun"))
    state = app.emulator.control.state()["purview"]
    entities, relationships = len(state["entities"]) - before, len(state["relationships"])
    assert f"writes {entities} entities with {relationships} relationships" in SENTENCES
    assert 2_000 < len(json.dumps(state["entities"])) / len(state["entities"]) < 3_000


def test_example_is_calculated_from_the_rows() -> None:
    """A change of a row changes the example."""
    pipelines, ticks, seconds, memory, peak = 1_000, 96, 0.05, 2, 20
    events = 6 * pipelines
    first, model, tick = (sum(COUNTED[row]) for row in (FIRST, MODEL, TICK))
    catalog = 7 * pipelines + COUNTED[TICK][0] * ticks
    operations = catalog + (23 + 30 + 4) * pipelines
    rate = operations / 86_400 * peak
    executions = 2 * events + ticks
    gb_seconds = memory * seconds * ((5 * first + model + 6) * pipelines + tick * ticks)
    stored = (5 * COUNTED[FIRST][2] + COUNTED[MODEL][2]) * pipelines + 3 * events + COUNTED[TICK][2] * ticks
    sent = (5 * first + model) * pipelines + 3 * events + tick * ticks
    logs = (2 * events + sent + executions) / 1e6
    said = [line.split()[-1] for line in re.findall(r"^ {4}\S.*?  +([\d,.]+)(?: .*)?$", PAGE, re.MULTILINE)]
    expected = [f"{catalog:,}", f"{operations:,}", f"{rate:.1f}", str(ceil(rate / 25)), f"{executions:,}"]
    assert said == [*expected, f"{gb_seconds:,.0f}", f"{stored:,}", f"{sent:,}", f"{logs:.2f}"]
