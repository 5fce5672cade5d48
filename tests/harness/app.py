"""The product against an emulator, as the tests drive it: replay events, then look at the catalog."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from cli.session import Report, drain, local_queue
from emulator.normalised import normalise
from emulator.server import Emulator
from questions.draw import read_graph, to_json
from questions.walk import Walker
from shared.bootstrap import Services, utc_now
from shared.catalog.qualified_names import QualifiedName
from shared.intake.deliver import Redelivery
from shared.intake.envelopes import split_events
from shared.intake.message import REPLAY
from shared.intake.receive import enqueue
from shared.settings import Settings

WORKSPACE = (
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg-ml"
    "/providers/Microsoft.MachineLearningServices/workspaces/ws-credit"
)
WS = "azureml://subscriptions/00000000-0000-0000-0000-000000000000/resourcegroups/rg-ml/workspaces/ws-credit"
AT_ONCE = Redelivery(max_attempts=3, first_delay=timedelta(0))


@dataclass
class App:
    """One deployment of the product: its services and the emulator it talks to."""

    emulator: Emulator
    services: Services

    @classmethod
    def on(cls, emulator: Emulator, storage: Path, *, now: Callable[[], datetime] = utc_now) -> "App":
        return cls(emulator, Services(Settings.from_env(emulator.environment(f"sqlite:///{storage}")), now))

    def events(self) -> list[str]:
        """Return the scenario's events as JSON texts, in the order of their files."""
        return [event for _, body in self.emulator.control.events() for event in split_events(json.dumps(body))]

    def replay(self, bodies: Iterable[str] | None = None) -> list[Report]:
        """Publish events (the scenario's if none are given), bringing back at once what comes back."""
        return list(self.deliver(self.events() if bodies is None else bodies))

    def deliver(self, bodies: Iterable[str]) -> Iterator[Report]:
        """Publish events one attempt at a time, as the caller goes on."""
        queue = local_queue(self.services)
        enqueue(list(bodies), queue, self.services.dead_letters, source=REPLAY, now=self.services.now)
        yield from drain(self.services, queue, redelivery=AT_ONCE)

    def tick(self) -> list[Report]:
        """Let the timer fire once, and publish what it put on the queue."""
        self.services.reconciler.tick()
        return self.replay([])

    def graph(self, name: str) -> dict[str, list[dict[str, str]]]:
        """Read everything connected to an entity."""
        found = self.services.catalog.find([QualifiedName(name)])
        return to_json(read_graph(Walker(self.services.lineage), found[QualifiedName(name)].guid, limit=5_000))

    def edges(self, name: str) -> set[str]:
        """Return the edges around an entity as `name -> name`."""
        graph = self.graph(name)
        names = {node["qualifiedName"]: node["name"] for node in graph["nodes"]}
        return {f"{names[edge['from']]} -> {names[edge['to']]}" for edge in graph["edges"]}

    def entity(self, name: str) -> dict[str, Any]:
        """Return an entity as the catalog has it."""
        found = self.services.catalog.get_entity(QualifiedName(name))
        assert found is not None, name
        return dict(found)

    def writes(self) -> int:
        """Count the writing requests the catalog got since its log was last cleared."""
        return sum(
            request.method in ("POST", "PUT", "DELETE") and "/entity" in request.path
            for request in self.emulator.control.requests("purview")
        )

    def catalog_content(self) -> object:
        """Return all the catalog holds but links that were removed, guids and times replaced by what they stand for."""
        return normalise(without_removed_links(self.emulator.control.state()["purview"]))


def without_removed_links(state: dict[str, Any]) -> dict[str, Any]:
    """Leave out the links that the catalog keeps as removed: which there are depends on what was first known when."""
    kept = [each for each in state["relationships"] if each["status"] != "DELETED"]
    return {**state, "relationships": kept, "entities": [_without_removed(each) for each in state["entities"]]}


def _without_removed(entity: dict[str, Any]) -> dict[str, Any]:
    attributes, links = dict(entity["attributes"]), dict(entity["relationshipAttributes"])
    for name, ends in links.items():
        if isinstance(ends, list):
            links[name] = [end for end in ends if end["relationshipStatus"] != "DELETED"]
            guids = {end["guid"] for end in links[name]}
            if isinstance(attributes.get(name), list):
                attributes[name] = [end for end in attributes[name] if end["guid"] in guids]
    return {**entity, "attributes": attributes, "relationshipAttributes": links}


def run_completed(run_id: str, *, workspace: str = WORKSPACE, **data: object) -> str:
    """Build a RunCompleted event."""
    return json.dumps(
        {
            "topic": workspace,
            "subject": f"experiments/22222222-2222-2222-2222-222222222222/runs/{run_id}",
            "eventType": "Microsoft.MachineLearningServices.RunCompleted",
            "eventTime": "2026-07-01T10:02:05.5390469Z",
            "id": f"event-of-{run_id}",
            "dataVersion": "2",
            "data": {"runId": run_id, **data},
        }
    )


def model_registered(name: str, version: str, *, workspace: str = WORKSPACE) -> str:
    """Build a ModelRegistered event."""
    return json.dumps(
        {
            "topic": workspace,
            "subject": f"models/{name}:{version}",
            "eventType": "Microsoft.MachineLearningServices.ModelRegistered",
            "eventTime": "2026-07-01T10:02:05.5390469Z",
            "id": f"event-of-{name}-{version}",
            "dataVersion": "2",
            "data": {"modelName": name, "modelVersion": version},
        }
    )


def outcomes(reports: Sequence[Report]) -> list[str]:
    """Return how each attempt ended, in order."""
    return [report.outcome.outcome for report in reports]
