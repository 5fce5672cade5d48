"""Plays golden cases through the whole path: emulated services, the app, and the catalog's own API to read back."""

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from emulator.server import Emulator
from shared.bootstrap import utc_now
from shared.catalog.qualified_names import QualifiedName
from tests.harness.app import App
from tests.harness.clock import MovedClock
from tests.harness.recording import Recorder
from tests.worlds.golden_case import KEY, WORKSPACE_ID, Case, lineage_of, shorten

RECONCILE = "reconcile"
PORTS_ON_AZURE_ML = ("resolver", "inventory")


@dataclass(frozen=True, slots=True)
class Happened:
    """How one attempt at an event of a case ended; `event` as the case has it."""

    event: str
    outcome: str
    reason: str

    def __str__(self) -> str:
        reason = f" ({shorten(self.reason)})" if self.reason and self.event != RECONCILE else ""
        return f"{self.event}: {self.outcome}{reason}"


@dataclass(frozen=True, slots=True)
class Played:
    """What happened in a case, on which app, and what Azure ML answered meanwhile."""

    app: App
    case: Case
    happened: tuple[Happened, ...]
    resolved: list[dict[str, Any]]

    @property
    def lineage(self) -> dict[str, object]:
        """The lineage as the catalog gives it back, in the form of a golden."""
        return {"about": self.case.about, "outcomes": [str(each) for each in self.happened], **read_lineage(self.app)}


def play(case: Case, emulator: Emulator, storage: Path) -> Played:
    """
    Let everything happen, in order.

    Raises:
        ValueError: an event of the case is nothing that can happen.
    """
    start(case, emulator)
    app = open_app(case, emulator, storage, now=MovedClock())
    recorder = Recorder()
    happened: list[Happened] = []
    for event in case.events:
        for port in PORTS_ON_AZURE_ML:
            if port not in app.services.__dict__:
                app.services.__dict__[port] = recorder.on(getattr(app.services, port))
        recorder.begin(event if isinstance(event, str) else " ".join(event))
        happened += happen(case, app, event)
    resolved = list(recorder.events)
    recorder.begin("afterwards")  # what the caller asks Azure ML later is not part of the case
    return Played(app, case, tuple(happened), resolved)


def start(case: Case, emulator: Emulator) -> None:
    """Make the world that a case begins with."""
    emulator.control.use("empty")
    emulator.control.add_to_azure_ml(case.seed)
    for type_name, names in case.scanned.items():
        found = ({"typeName": type_name, "qualifiedName": name} for name in names)
        emulator.control.scan(*found, is_indexed=True)
    emulator.control.clear_requests()


def open_app(case: Case, emulator: Emulator, storage: Path, *, now: Callable[[], datetime] = utc_now) -> App:
    """Open the app with the settings of a case."""
    app = App.on(emulator, storage, now=now)
    app.services.settings = replace(app.services.settings, downstream=case.downstream, infer_columns=case.infer_columns)
    return app


def happen(case: Case, app: App, event: Any) -> Iterator[Happened]:
    """
    Let one event of a case happen.

    Raises:
        ValueError: it is nothing that can happen.
    """
    if event == RECONCILE:
        reports = app.tick()
    elif isinstance(event, str):
        reports = app.replay([case.to_event(event)])
    elif isinstance(event, dict) and set(event) == {"wait"} and isinstance(app.services.now, MovedClock):
        app.services.now.move(timedelta(**event["wait"]))
        for remembering in ("publisher", "azure_ml", *PORTS_ON_AZURE_ML):  # for minutes only
            app.services.__dict__.pop(remembering, None)
        return
    elif isinstance(event, dict) and set(event) == {"azure_ml"}:
        app.emulator.control.add_to_azure_ml({"workspaces": {KEY: event["azure_ml"]}})
        return
    elif isinstance(event, dict) and set(event) == {"delete"}:
        app.emulator.control.delete(*event["delete"][:2], **event["delete"][2], workspace=WORKSPACE_ID)
        return
    else:
        raise ValueError(f"events: {event!r} is nothing that can happen")
    for report in reports:
        yield Happened(event, report.outcome.outcome, report.outcome.reason)


def read_lineage(app: App) -> dict[str, Any]:
    """Read all the catalog holds through its own API."""
    held = app.emulator.control.state()["purview"]["entities"]
    names = sorted({QualifiedName(entity["attributes"]["qualifiedName"]) for entity in held})
    entities = app.services.catalog.get_entities(names)
    links = set(_links(entities))
    edges = {(source, target) for source, target, _ in links}
    return lineage_of(entities, edges, removed=edges - {(source, target) for source, target, kept in links if kept})


def _links(entities: Collection[Mapping[str, Any]]) -> Iterator[tuple[str, str, bool]]:
    """Yield what each process reads and writes, and whether it still does: the catalog lists deleted links, too."""
    names = {entity["guid"]: entity["attributes"]["qualifiedName"] for entity in entities}
    for entity in entities:
        process = names[entity["guid"]]
        for end in ("inputs", "outputs"):
            for link in entity["relationshipAttributes"].get(end) or ():
                data, kept = names[link["guid"]], link["relationshipStatus"] != "DELETED"
                yield (data, process, kept) if end == "inputs" else (process, data, kept)
