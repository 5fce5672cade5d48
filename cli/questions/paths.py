"""The way from one asset to another."""

from collections import deque

import networkx as nx

from cli.questions.walk import Walker
from shared.purview.reader import Asset


def order(asset: Asset) -> tuple[str, str, str]:
    return asset.qualified_name, asset.type_name, asset.guid


def shortest_paths(walker: Walker, graph: "nx.DiGraph[str]", start: str) -> dict[str, tuple[Asset, ...]]:
    """Return one shortest way from an asset to each that it leads to, both included; always the same one."""
    before: dict[str, str | None] = {start: None}
    waiting = deque([start] if start in graph else [])
    while waiting:
        guid = waiting.popleft()
        for other in sorted(graph.successors(guid), key=lambda each: order(walker.asset(each))):
            if other not in before:
                before[other] = guid
                waiting.append(other)
    paths: dict[str, tuple[Asset, ...]] = {}
    for guid, previous in before.items():  # in the order they were met: the way to the one before is there
        if guid in graph:
            paths[guid] = (*(paths[previous] if previous else ()), walker.asset(guid))
    return paths
