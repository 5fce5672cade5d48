"""Plays golden cases through the whole path: emulated services, the app, and the catalog's own API to read back."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from emulator.server import Emulator
from questions.graph import read_graph, to_json
from shared.catalog.qualified_names import QualifiedName
from tests.app import App, outcomes
from tests.golden_case import KEY, WORKSPACE_ID, Case, lineage_of, shorten
from tests.recording import Recorder


@dataclass(frozen=True, slots=True)
class Played:
    """The lineage of a case as the catalog gives it back, and what Azure ML answered on the way there."""

    app: App
    lineage: dict[str, object]
    resolved: list[dict[str, Any]]


def play(case: Case, emulator: Emulator, storage: Path) -> Played:
    """Let everything happen, in order."""
    emulator.control.use("empty")
    emulator.control.add_to_azure_ml(case.seed)
    app = App.on(emulator, storage)
    app.services.settings = replace(app.services.settings, downstream=case.downstream, infer_columns=case.infer_columns)
    recorder = Recorder()
    for port in ("resolver", "inventory"):
        app.services.__dict__[port] = recorder.on(getattr(app.services, port))
    for type_name, names in case.scanned.items():
        emulator.control.scan(*({"typeName": type_name, "qualifiedName": name} for name in names))
    told: list[str] = []
    for event in case.events:
        recorder.begin(event if isinstance(event, str) else " ".join(event))
        told += _happen(case, app, event)
    return Played(app, {"about": case.about, "outcomes": told, **read_lineage(app)}, recorder.events)


def _happen(case: Case, app: App, event: Any) -> Iterator[str]:
    if event == "reconcile":
        app.services.reconciler.tick()
        yield from (f"reconcile: {each}" for each in outcomes(app.replay([])))
    elif isinstance(event, str):
        for report in app.replay([case.spell(event)]):
            reason = report.outcome.reason
            yield f"{event}: {report.outcome.outcome}{f' ({shorten(reason)})' if reason else ''}"
    elif set(event) == {"azure_ml"}:
        app.emulator.control.add_to_azure_ml({"workspaces": {KEY: event["azure_ml"]}})
    elif set(event) == {"delete"}:
        app.emulator.control.delete(*event["delete"][:2], **event["delete"][2], workspace=WORKSPACE_ID)
    else:
        raise ValueError(f"{case.name}: {event!r} is nothing that can happen")


def read_lineage(app: App) -> dict[str, Any]:
    """Read all the catalog holds through its own API."""
    held = app.emulator.control.state()["purview"]["entities"]
    names = sorted({QualifiedName(entity["attributes"]["qualifiedName"]) for entity in held})
    entities = app.services.catalog.get_entities(names)
    edges: set[tuple[str, str]] = set()
    seen: set[str] = set()
    for name, found in sorted(app.services.catalog.find(names).items()):
        if name not in seen:
            graph = to_json(read_graph(app.services.catalog, found.guid, limit=1_000))
            seen |= {node["qualifiedName"] for node in graph["nodes"]}
            edges |= {(edge["from"], edge["to"]) for edge in graph["edges"]}
    return lineage_of(entities, edges, removed=_removed(entities))


def _removed(entities: Collection[Mapping[str, Any]]) -> set[tuple[str, str]]:
    """Tell which links of processes are deleted: the lineage API draws them all the same, and does not say."""
    names = {entity["guid"]: entity["attributes"]["qualifiedName"] for entity in entities}
    edges: set[tuple[str, str]] = set()
    for entity in entities:
        for end in ("inputs", "outputs"):
            for link in entity["relationshipAttributes"].get(end) or ():
                if link["relationshipStatus"] == "DELETED":
                    edge = names[link["guid"]], names[entity["guid"]]
                    edges.add(edge if end == "inputs" else (edge[1], edge[0]))
    return edges
