"""The way from one asset to another."""

from collections import deque
from collections.abc import Iterable

import networkx as nx

from questions.walk import Walker
from shared.purview.reader import Asset


def order(asset: Asset) -> tuple[str, str, str]:
    return asset.qualified_name, asset.type_name, asset.guid


def shortest_paths(
    walker: Walker, graph: "nx.DiGraph[str]", start: str, ends: Iterable[str]
) -> dict[str, tuple[Asset, ...]]:
    """Return one shortest way from an asset to each of some that it leads to, both included; always the same one."""
    before: dict[str, str | None] = {start: None}
    waiting = deque([start] if start in graph else [])
    while waiting:
        guid = waiting.popleft()
        for other in sorted(graph.successors(guid), key=lambda each: order(walker.asset(each))):
            if other not in before:
                before[other] = guid
                waiting.append(other)
    paths: dict[str, tuple[Asset, ...]] = {}
    for end in ends:
        way: list[Asset] = []
        step: str | None = end
        while step is not None:
            way.append(walker.asset(step))
            step = before[step]
        paths[end] = tuple(reversed(way))
    return paths
