"""Walks lineage in the catalog, however deep and wide, in few requests."""

from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

import networkx as nx

from shared.catalog.entities import Entity, Ref
from shared.catalog.kinds import SCHEMA_ATTRIBUTE, Role, kind_of
from shared.catalog.qualified_names import QualifiedName
from shared.purview.reader import GUIDS, INPUT, OUTPUT, Asset, LineageReader

BOTH = (INPUT, OUTPUT)

_DESCRIBING = (SCHEMA_ATTRIBUTE, "columns", "package", "experiment")
"""Relationships that lead from what takes part in lineage to what describes it."""
_PARENTS = ("experiment", SCHEMA_ATTRIBUTE, "composeSchema", "packages")

_SLOW = 2
"""Requests that one lineage takes with its confirmation: after so many that brought little, it is tried instead."""


class Walker:
    """
    Reads what is up- and downstream of assets, and keeps what it read.

    One request for lineage reads 50 hops from one entity; the API has none for several. One for whole entities reads
    the neighbours of 50. So a wide level is read by the second, and when levels have become narrow and go on, what is
    below them by the first: while one of the two brings 50 entities a request, a walk takes no more than visited / 50 +
    10. What lineage says of data is confirmed by reading the data: it leaves out runs that read nothing, and ends where
    the service does.
    """

    def __init__(self, reader: LineageReader) -> None:
        self._reader = reader
        self._known: dict[str, Asset] = {}
        self._whole: set[str] = set()
        self._requests = 0
        self._next: dict[str, dict[str, tuple[str, ...]]] = {INPUT: {}, OUTPUT: {}}
        """Direction → entity → its neighbours, only where all of them are known."""

    @property
    def visited(self) -> int:
        """How many entities were met, neighbours of what was asked for included."""
        return len(self._known)

    def asset(self, guid: str) -> Asset:
        """Return an asset that was met on a walk, with all that is known of it."""
        return self._known[guid]

    def met(self, type_name: str) -> list[str]:
        """Return the entities of a type that were met so far."""
        return [guid for guid, asset in self._known.items() if asset.type_name == type_name]

    def read(self, guids: Iterable[str]) -> dict[str, Asset]:
        """Return whole assets, reading those that were not read yet; what is gone is left out."""
        wanted = list(dict.fromkeys(guids))
        self._read([guid for guid in wanted if guid not in self._whole])
        return {guid: self._known[guid] for guid in wanted if guid in self._whole}

    def neighbours(self, guid: str, direction: str) -> tuple[Asset, ...]:
        """Return what is next to an asset; at most one request."""
        self._read([] if guid in self._next[direction] else [guid])
        return tuple(self._known[each] for each in self._next[direction].get(guid, ()))

    def walk(self, starts: Iterable[str], direction: str, *, limit: int | None = None) -> "nx.DiGraph[str]":
        """
        Return everything in one direction of assets, and the assets themselves.

        Args:
            starts: guids.
            limit: stop once so many entities are known.

        Returns:
            A graph of guids; data flows along its edges. Starts that the catalog does not have are left out.
        """
        graph: nx.DiGraph[str] = nx.DiGraph()
        tail = list(dict.fromkeys(starts))
        graph.add_nodes_from(tail)
        deep, slow = False, _SLOW
        while True:
            tail = self._grow(graph, tail, direction)
            if not tail or (limit is not None and len(graph) >= limit):
                graph.remove_nodes_from([guid for guid in graph if guid not in self._known])
                return graph
            deep = deep or slow >= _SLOW * len(tail)
            known, requests = len(self._known), self._requests
            if deep:
                self._read_lineage(tail[0], direction)
            else:
                self._read(tail)
            read = self._requests - requests - (1 if deep else 0)  # entities are what a request can hold fifty of
            filled = len(self._known) - known >= GUIDS * read
            slow = 0 if deep or filled else slow + 1
            deep = deep and filled

    def walk_all(self, guid: str, *, limit: int) -> "nx.DiGraph[str]":
        """Return everything connected to an asset: other inputs of a run too, and what they come from."""
        graph: nx.DiGraph[str] = nx.DiGraph()
        graph.add_node(guid)
        size = 0
        while size < len(graph) < limit:
            size = len(graph)
            for direction in BOTH:
                graph = nx.compose(graph, self.walk(list(graph), direction, limit=limit))
        return graph

    def _grow(self, graph: "nx.DiGraph[str]", tail: list[str], direction: str) -> list[str]:
        """Add what is known already; return the ends of it whose neighbours are not."""
        unknown, waiting, known = dict[str, None](), list(tail), self._next[direction]
        while waiting:
            guid = waiting.pop()
            if guid not in known:
                unknown[guid] = None
                continue
            for other in known[guid]:
                if other not in graph:
                    waiting.append(other)
                graph.add_edge(*((guid, other) if direction == OUTPUT else (other, guid)))
        return list(unknown)

    def _read_lineage(self, guid: str, direction: str) -> None:
        lineage = self._reader.get_lineage(guid, direction)
        self._requests += 1
        for each, asset in lineage.assets.items():
            self._known.setdefault(each, asset)
        complete = {
            each
            for each, asset in lineage.assets.items()
            if _has_all_neighbours(asset) and each not in lineage.cut and each != guid
        }
        beyond: dict[str, list[str]] = {}
        for source, target in lineage.edges:
            near, far = (source, target) if direction == OUTPUT else (target, source)
            beyond.setdefault(near, []).append(far)
        for each in complete & beyond.keys():
            self._next[direction].setdefault(each, tuple(sorted(set(beyond[each]))))
        # What seems to be an end is left to the walk: it goes on from there in either way.
        unsure = dict.fromkeys([guid, *beyond])
        self._read([each for each in unsure if each not in self._next[direction]])

    def _read(self, guids: list[str]) -> None:
        found = self._reader.get_assets(guids) if guids else {}
        self._requests += -(-len(guids) // GUIDS)
        for guid in guids:
            asset = found.get(guid)
            if asset is None:  # deleted meanwhile: nothing is behind it
                for direction in BOTH:
                    self._next[direction][guid] = ()
                continue
            self._known[guid] = asset
            self._whole.add(guid)
            for direction in BOTH:
                others = asset.next(direction)
                self._next[direction][guid] = tuple(sorted(other.guid for other in others))
                for each in others:
                    self._known.setdefault(each.guid, Asset(each.guid, each.type_name, each.qualified_name, each.name))


def _has_all_neighbours(asset: Asset) -> bool:
    """Whether an answer about lineage has all neighbours of an asset; it leaves out processes with only one side."""
    kind = kind_of(asset.type_name)
    return kind.is_ours and kind.role is Role.PROCESS


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


@dataclass(frozen=True, slots=True)
class Connected:
    """
    Entities around an asset.

    Attributes:
        written: when the catalog last wrote each of them.
        is_cut: there is more than was asked for.
    """

    entities: tuple[Entity, ...]
    written: Mapping[QualifiedName, datetime]
    is_cut: bool = False


def read_connected(walker: Walker, guid: str, *, limit: int) -> Connected:
    """
    Read all data that flows to or from an asset through any process: also the other inputs of a run.

    Args:
        limit: go no further once so many entities take part.
    """
    connected = walker.walk_all(guid, limit=limit)
    whole = dict(walker.read(sorted(connected)))
    around = whole
    while around:  # a schema leads on to its columns
        wanted = {
            each.guid for asset in around.values() for name in _DESCRIBING for each in asset.related.get(name, ())
        }
        around = walker.read(sorted(wanted - whole.keys()))
        whole |= around
    return Connected(
        tuple(_to_entity(asset, whole) for asset in whole.values()),
        {asset.qualified_name: asset.updated_at for asset in whole.values() if asset.updated_at},
        is_cut=len(connected) >= limit,
    )


def _to_entity(asset: Asset, whole: Mapping[str, Asset]) -> Entity:
    values = {
        name: value
        for name, value in sorted(asset.attributes.items())
        if isinstance(value, str | bool) and name != "qualifiedName"
    }
    return Entity(
        _ref(asset),
        {"name": asset.name, **values},
        parents={name: ref for name in _PARENTS for ref in _refs(asset, name, whole)},
        inputs=tuple(sorted(_refs(asset, "inputs", whole))),
        outputs=tuple(sorted(_refs(asset, "outputs", whole))),
        labels=asset.labels,
    )


def _refs(asset: Asset, relationship: str, whole: Mapping[str, Asset]) -> Iterator[Ref]:
    return (_ref(whole[each.guid]) for each in asset.related.get(relationship, ()) if each.guid in whole)


def _ref(asset: Asset) -> Ref:
    return Ref(asset.type_name, asset.qualified_name)
