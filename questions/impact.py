"""What an asset leads to: model versions, endpoints, predictions and reports."""

from collections.abc import Mapping
from dataclasses import dataclass

import networkx as nx

from questions.asset_facts import is_data
from questions.paths import order, shortest_paths
from questions.scoring import find_live, find_scoring
from questions.walk import Walker
from shared.catalog.kinds import MODEL, STEP, kind_of
from shared.purview.reader import OUTPUT, Asset

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
