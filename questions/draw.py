"""Draws lineage as text and Mermaid, and writes answers as JSON, by qualifiedName: equal lineage is drawn equally."""

from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import networkx as nx
from rich.console import Console
from rich.text import Text
from rich.tree import Tree

from questions.diff import SECTIONS, Difference
from questions.walk import Walker
from shared.catalog.kinds import kind_of
from shared.printable import one_line
from shared.purview.reader import Asset

if TYPE_CHECKING:
    from questions.impact import Impact
    from questions.origin import Classified, Origin
    from questions.packages import Use

Json = dict[str, Any]

_WIDTH = 100_000
"""Nothing is ever wrapped or cut: a terminal does that better, and a chain of runs is deep."""
_ENTITIES = str.maketrans({sign: f"#{ord(sign)};" for sign in '#"<>&`'})
"""What Mermaid, or the page that it draws on, would read as its own; its entity codes are numbers after a #."""


def read_graph(walker: Walker, guid: str, *, limit: int) -> "nx.DiGraph[str]":
    """Read everything connected to an asset as a graph that can be drawn; it is empty where nothing is connected."""
    graph = walker.walk_all(guid, limit=limit)
    return join((walker.asset(source), walker.asset(target)) for source, target in graph.edges)


def join(paths: Iterable[Sequence[Asset]]) -> "nx.DiGraph[str]":
    """Join paths of assets into one graph that can be drawn: each node has its asset."""
    graph: nx.DiGraph[str] = nx.DiGraph()
    for path in paths:
        graph.add_nodes_from((asset.guid, {"asset": asset}) for asset in path)
        graph.add_edges_from((one.guid, other.guid) for one, other in pairwise(path))
    return graph


def to_json(graph: "nx.DiGraph[str]") -> dict[str, list[dict[str, str]]]:
    """Return nodes and edges by qualifiedName, in order, so that two catalogs with the same lineage print the same."""
    names = {guid: asset_of(graph, guid).qualified_name for guid in graph}
    assets = sorted((asset_of(graph, guid) for guid in graph), key=lambda asset: asset.qualified_name)
    edges = sorted((names[source], names[target]) for source, target in graph.edges)
    return {
        "nodes": [
            {"qualifiedName": asset.qualified_name, "typeName": asset.type_name, "name": asset.name} for asset in assets
        ],
        "edges": [{"from": source, "to": target} for source, target in edges],
    }


def to_mermaid(graph: "nx.DiGraph[str]") -> str:
    """Draw a flowchart: rectangles for data, rounded boxes for processes."""
    order = sorted(graph, key=lambda guid: asset_of(graph, guid).qualified_name)
    number = {guid: f"n{position}" for position, guid in enumerate(order)}
    lines = ["flowchart LR"]
    for guid in order:
        opening, closing = ('(["', '"])') if kind_of(asset_of(graph, guid).type_name).is_process else ('["', '"]')
        label = label_of(graph, guid).plain.translate(_ENTITIES)
        lines.append(f"    {number[guid]}{opening}{label}{closing}")
    edges = sorted((number[source], number[target]) for source, target in graph.edges)
    return "\n".join([*lines, *(f"    {source} --> {target}" for source, target in edges)])


def to_text(graph: "nx.DiGraph[str]", guid: str) -> str:
    """Draw trees: what an asset comes from, what it goes to, and what else is connected."""
    if guid not in graph:
        return "This asset has no lineage."
    shown = {guid}
    trees = []
    for title, neighbours in (("comes from", graph.predecessors), ("goes to", graph.successors)):
        tree = Tree(Text.assemble(label_of(graph, guid), f" {title}"))
        _grow(tree, graph, guid, neighbours, shown)
        if tree.children:
            trees.append(tree)
    for source in _in_flow_order(graph):
        # What is left hangs below something shown already, or is another input of it.
        missing = [item for item in graph.successors(source) if item not in shown]
        if source in shown and not missing:
            continue
        tree = Tree(Text.assemble(label_of(graph, source), " also goes to" if source in shown else " goes to"))
        only = missing if source in shown else None
        shown.add(source)
        _grow(tree, graph, source, graph.successors, shown, only=only)
        trees.append(tree)
    console = Console(width=_WIDTH, no_color=True, highlight=False)
    with console.capture() as capture:
        console.print(Text(one_line(asset_of(graph, guid).qualified_name)))
        for tree in trees:
            console.print(tree)
    return "\n".join(line.rstrip() for line in capture.get().splitlines())


def _in_flow_order(graph: "nx.DiGraph[str]") -> Iterator[str]:
    """Yield entities as data flows, those of a cycle together; a run that rewrites what it reads makes one."""

    def name(guid: str) -> str:
        return asset_of(graph, guid).qualified_name

    groups = nx.condensation(graph)
    members = {group: sorted(groups.nodes[group]["members"], key=name) for group in groups}
    for group in nx.lexicographical_topological_sort(groups, key=lambda group: name(members[group][0])):
        yield from members[group]


def _grow(
    tree: Tree,
    graph: "nx.DiGraph[str]",
    guid: str,
    neighbours: Callable[[str], Iterable[str]],
    shown: set[str],
    *,
    only: Collection[str] | None = None,
) -> None:
    def below(item: str) -> Iterator[str]:
        return iter(sorted(neighbours(item), key=lambda each: asset_of(graph, each).qualified_name))

    first = (item for item in below(guid) if only is None or item in only)
    growing: list[tuple[Tree, Iterator[str]]] = [(tree, first)]  # no recursion: a chain is deeper than the stack
    while growing:
        branch, waiting = growing[-1]
        neighbour = next(waiting, None)
        if neighbour is None:
            growing.pop()
        elif neighbour in shown:
            branch.add(Text.assemble(label_of(graph, neighbour), " …"))
        else:
            shown.add(neighbour)
            growing.append((branch.add(label_of(graph, neighbour)), below(neighbour)))


def label_of(graph: "nx.DiGraph[str]", guid: str) -> Text:
    asset = asset_of(graph, guid)
    return Text(one_line(f"{asset.name} ({kind_of(asset.type_name).word})"))


def asset_of(graph: "nx.DiGraph[str]", guid: str) -> Asset:
    asset: Asset = graph.nodes[guid]["asset"]
    return asset


def asset_json(asset: Asset) -> Json:
    return {"name": asset.name, "typeName": asset.type_name, "qualifiedName": asset.qualified_name}


def entity_json(asset: Asset) -> Json:
    """Return an asset with all its attributes."""
    attributes = {name: value for name, value in asset.attributes.items() if name != "qualifiedName"}
    return {
        **asset_json(asset),
        "attributes": attributes,
        **({"labels": list(asset.labels)} if asset.labels else {}),
        **({"classifications": list(asset.classifications)} if asset.classifications else {}),
    }


def impact_json(impact: "Impact", *, live: bool = False) -> Json:
    return {
        "asset": asset_json(impact.start),
        "impact": [
            {
                "kind": each.kind,
                **asset_json(each.asset),
                "live": each.live,
                "path": [asset_json(step) for step in each.path],
            }
            for each in impact.reached
            if each.live or not live
        ],
    }


def origin_json(origin: "Origin") -> Json:
    return {
        "asset": asset_json(origin.start),
        "sources": [{**asset_json(each), "labels": list(each.labels)} for each in origin.sources],
        "assets": [asset_json(each) for each in origin.assets],
        "runs": [{**asset_json(each), **_run_json(each)} for each in origin.runs],
        "packages": [
            {**asset_json(environment), "packages": [package_json(each) for each in inside]}
            for environment, inside in origin.packages
        ],
        "classifications": classified_json(origin.classified),
    }


def classified_json(classified: "Iterable[Classified]") -> Json:
    return {each.classification: [asset_json(asset) for asset in each.data] for each in classified}


def uses_json(uses: "Iterable[Use]") -> list[Json]:
    return [
        {
            **asset_json(use.asset),
            "live": use.live,
            "how": use.how,
            "certainty": use.certainty,
            "package": package_json(use.package),
            "environment": use.environment.qualified_name,
        }
        for use in uses
    ]


def differences_json(before: Asset, after: Asset, differences: Iterable[Difference]) -> Json:
    listed = list(differences)
    return {
        "before": asset_json(before),
        "after": asset_json(after),
        **{
            section: {
                each.name: {"before": each.before or None, "after": each.after or None}
                for each in listed
                if each.section == section
            }
            for section in SECTIONS
        },
    }


def package_json(package: Asset) -> Json:
    known = {name: package.attributes.get(name) for name in ("version", "specifier", "source", "programming_language")}
    return {"name": package.name, **{name: value for name, value in known.items() if value}}


def _run_json(run: Asset) -> Json:
    known = {
        name: run.attributes.get(name) for name in ("status", "started_at", "ended_at", "git_commit", "studio_url")
    }
    return {name: value for name, value in known.items() if value}
