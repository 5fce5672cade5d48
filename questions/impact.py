"""What an asset leads to: model versions, endpoints, predictions and reports."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import unquote, urlsplit

import networkx as nx

from questions.asset_facts import is_data, is_live
from questions.walk import Walker, order, shortest_paths
from shared.catalog.kinds import DEPLOYMENT, MODEL, STEP, kind_of
from shared.purview.reader import INPUT, OUTPUT, Asset

PREDICTION, REPORT = "prediction", "report"
KINDS = ("model", "endpoint", PREDICTION, REPORT)


@dataclass(frozen=True, slots=True)
class Reached:
    """
    Something an asset leads to.

    Attributes:
        kind: one of `KINDS`.
        path: one shortest way there, from the asset to it, runs included.
        live: a model version that is served now, an endpoint that serves, a prediction made with such a model, a
            report on such predictions.
    """

    kind: str
    path: tuple[Asset, ...]
    live: bool

    @property
    def asset(self) -> Asset:
        return self.path[-1]


@dataclass(frozen=True, slots=True)
class Impact:
    """What an asset leads to, by kind and then by name; `visited` counts the entities looked at."""

    start: Asset
    reached: tuple[Reached, ...]
    visited: int


def find_impact(walker: Walker, guid: str) -> Impact:
    """Walk downstream of an asset; predictions are what a run writes that scores with a model version."""
    graph = walker.walk([guid], OUTPUT)
    types = {each: walker.asset(each).type_name for each in graph}
    kinds = {each: kind_of(type_name).listed_as for each, type_name in types.items()}
    data = {each for each in graph if is_data(walker.asset(each))}
    writers = {run for each in data for run in graph.predecessors(each) if types[run] == STEP}
    scoring = find_scoring(walker, writers)
    for run in scoring:
        kinds.update((each, PREDICTION) for each in graph.successors(run) if each in data)
    models = {each for each in graph if types[each] == MODEL}
    deployed = find_live(walker, models | {model for used in scoring.values() for model in used})
    live = _live(walker, graph, kinds, scoring, deployed)
    ends = [each for each in graph if each != guid and kinds[each] in KINDS]
    paths = shortest_paths(walker, graph, guid, ends)
    reached = [Reached(kinds[each], paths[each], each in live) for each in ends]
    reached.sort(key=lambda item: (KINDS.index(item.kind), order(item.asset)))
    return Impact(walker.asset(guid), tuple(reached), walker.visited)


def _live(
    walker: Walker,
    graph: "nx.DiGraph[str]",
    kinds: Mapping[str, str],
    scoring: Mapping[str, frozenset[str]],
    deployed: Mapping[str, tuple[Asset, ...]],
) -> set[str]:
    """Return what is in use: served models, their endpoints, what was predicted with them, and reports on that."""
    serving = {deployment.guid for deployments in deployed.values() for deployment in deployments}
    endpoints = {each for deployment in serving & set(graph) for each in graph.successors(deployment)}
    predictions = {
        each
        for run, used in scoring.items()
        if used & deployed.keys()
        for each in graph.successors(run)
        if kinds[each] == PREDICTION
    }
    reports = {each for each in walker.walk(predictions, OUTPUT) if kinds[each] == REPORT}  # all of it was met
    return {*deployed, *endpoints, *predictions, *reports}


def find_scoring(walker: Walker, runs: Iterable[str]) -> Mapping[str, frozenset[str]]:
    """
    Return those of some runs that score, with the model versions they use.

    A run scores if it reads a model version, or the files that one was registered from, or ran for a batch endpoint,
    whose model it may not name. A run that makes a model version from another does not score.
    """
    steps = {
        guid: step
        for guid, step in walker.read(runs).items()
        if step.type_name == STEP and not any(each.type_name == MODEL for each in step.next(OUTPUT))
    }
    data = {each.guid for step in steps.values() for each in step.next(INPUT)}
    files = {guid: asset for guid, asset in walker.read(data).items() if is_data(asset)}
    makers = walker.read({each.guid for asset in files.values() for each in asset.next(INPUT)})
    made = walker.read(
        {each.guid for maker in makers.values() for each in maker.next(OUTPUT) if each.type_name == MODEL}
    )
    registered = {guid: _registered_from(asset, makers, made) for guid, asset in files.items()}
    scoring: dict[str, frozenset[str]] = {}
    for guid, step in steps.items():
        models = {each.guid for each in step.next(INPUT) if each.type_name == MODEL}
        models |= {model for each in step.next(INPUT) for model in registered.get(each.guid, ())}
        if models or step.attributes.get("endpoint"):
            scoring[guid] = frozenset(models)
    return scoring


def find_live(walker: Walker, models: Iterable[str]) -> Mapping[str, tuple[Asset, ...]]:
    """Return those of some model versions that are served, with the deployments that serve them."""
    known = walker.read(models)
    deployments = walker.read(
        {each.guid for model in known.values() for each in model.next(OUTPUT) if each.type_name == DEPLOYMENT}
    )
    live = {
        guid: tuple(
            deployments[each.guid]
            for each in model.next(OUTPUT)
            if each.guid in deployments and is_live(deployments[each.guid])
        )
        for guid, model in known.items()
    }
    return {guid: serving for guid, serving in live.items() if serving}


def _registered_from(data: Asset, makers: Mapping[str, Asset], models: Mapping[str, Asset]) -> frozenset[str]:
    """Return the model versions whose files are this data: their run wrote it, and their path is its place."""
    candidates = {
        each.guid
        for maker in data.next(INPUT)
        if maker.guid in makers
        for each in makers[maker.guid].next(OUTPUT)
        if each.guid in models
    }
    return frozenset(guid for guid in candidates if _same_place(str(models[guid].attributes.get("path") or ""), data))


def _same_place(path: str, data: Asset) -> bool:
    """Whether `azureml://…/datastores/{name}/paths/{path}` and a storage URL end alike; only one names the account."""
    inside = unquote(path.partition("/paths/")[2]).strip("/")
    place = unquote(urlsplit(str(data.attributes.get("path") or data.qualified_name)).path).strip("/")
    return bool(inside) and (place == inside or place.endswith(f"/{inside}"))
