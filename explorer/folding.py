"""Draws the steps of a pipeline as one node."""

from collections.abc import Collection

import networkx as nx

from explorer.looks import PIPELINE
from explorer.node import Node, node_of

_PREFIX = "pipeline:"


def key_of(pipeline: str) -> str:
    return f"{_PREFIX}{pipeline}"


def pipeline_of(key: str) -> str:
    """
    >>> pipeline_of(key_of("nightly")), pipeline_of("7f3a")
    ('nightly', '')
    """
    return key.removeprefix(_PREFIX) if key.startswith(_PREFIX) else ""


def list_pipelines(graph: "nx.DiGraph[str]") -> tuple[str, ...]:
    """Return the ids of pipelines of which several steps are in a graph."""
    steps = [node_of(graph, key).pipeline for key in graph]
    return tuple(sorted({each for each in steps if each and steps.count(each) > 1}))


def fold(graph: "nx.DiGraph[str]", pipelines: Collection[str], *, keep: Collection[str]) -> "nx.DiGraph[str]":
    """
    Return the graph with each pipeline as one node; data that only its own steps wrote and read goes into it.

    Args:
        keep: keys that stay beside the pipeline, such as the asset in the middle.
    """
    into: dict[str, str] = {}
    for key in graph:
        node = node_of(graph, key)
        if node.pipeline in pipelines and key not in keep:
            into[key] = key_of(node.pipeline)
    for key in graph:
        before = {into.get(each, "") for each in graph.predecessors(key)}
        after = {into.get(each, "") for each in graph.successors(key)}
        if key not in into and key not in keep and len(before) == 1 and before == after and before != {""}:
            into[key] = next(iter(before))
    folded: nx.DiGraph[str] = nx.DiGraph()
    for key in graph:
        if key not in into:
            folded.add_node(key, node=node_of(graph, key))
    for pipeline in sorted(set(into.values())):
        members = tuple(key for key in graph if into.get(key) == pipeline)
        folded.add_node(pipeline, node=_stand_in(graph, pipeline, members))
    for one, other, data in graph.edges(data=True):
        ends = into.get(one, one), into.get(other, other)
        if ends[0] != ends[1]:
            folded.add_edge(*ends, **data)
    return folded


def _stand_in(graph: "nx.DiGraph[str]", key: str, members: tuple[str, ...]) -> Node:
    nodes = [node_of(graph, member) for member in members]
    statuses = [node.status for node in nodes if node.status]
    status = next((node.status for node in nodes if node.failed), statuses[0] if len(set(statuses)) == 1 else "")
    times = sorted(node.time for node in nodes if node.time)
    return Node(
        key,
        pipeline_of(key),
        PIPELINE,
        status=status,
        time=times[0] if times else "",
        pipeline=pipeline_of(key),
        members=members,
    )
