"""Joins what a run reads with what others wrote around it: a folder and a file in it are the same data in two sizes."""

import logging
from bisect import bisect_left
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

from shared.catalog import qualified_names
from shared.catalog.assets import Around, Matches, ref_of_asset
from shared.catalog.entities import Evidence, Ref
from shared.catalog.kinds import MODEL
from shared.catalog.qualified_names import QualifiedName, is_of_endpoint, parse
from shared.model import Data, DataAsset, Endpoint, Location, RunTree, WorkspaceId, moment
from shared.places.matching import registered_from
from shared.places.place import BELOW_ROOT, Place, carries, folders_above, leads_to, run_of_path
from shared.places.platforms import place_named, place_of
from shared.state.ports import Ledger, PlaceUse

logger = logging.getLogger(__name__)

INSIDE = 20
"""Places inside a folder that a run is shown to read; of more, those that were written last."""
_WRITERS = 10_000
"""Uses of places inside a folder that the ledger is asked for, to find those that were written last."""
_READERS = 1_000
"""Uses of places inside a folder that was written, of which the readers are published again."""
_NAMED = 3
_REGISTERED_BY_ITSELF = timedelta(days=1)
"""A run that registers a model from a path ends so long after that at most, where it is not known when it began."""
_EARLIEST = datetime.min.replace(tzinfo=UTC)
_FEW = 200
"""Places that were written; with more, readers inside those that Azure ML chose are not asked for."""
READERS = 200
"""Runs that are published again because of what one run wrote."""


def list_uses(tree: RunTree) -> dict[QualifiedName, tuple[PlaceUse, ...]]:
    """Return which places each run of a tree wrote and read, as the ledger keeps it."""
    found = {}
    for run in tree.runs:
        key = qualified_names.of_run(tree.workspace.id, run.id)
        uses = {
            PlaceUse(place.path, key, is_output, place.is_folder, data, *times, glob=place.glob)
            for is_output, ports in ((False, run.inputs), (True, run.outputs))
            for port in ports
            for place, data, times in _places_of(
                tree.workspace.id, port.data, (run.ended_at, run.started_at), is_output=is_output
            )
            if place.path
        }
        found[key] = tuple(sorted(uses))
    return found


def list_collected(
    endpoint: Endpoint,
    key: QualifiedName,
    past: Mapping[str, Iterable[Place]],
    before: Mapping[QualifiedName, tuple[PlaceUse, ...]],
) -> dict[QualifiedName, tuple[PlaceUse, ...]]:
    """
    Return where each deployment of an endpoint keeps requests and predictions, as if it were a run that has not ended.

    Args:
        past: by deployments, where they did so before.
        before: what the ledger has of it. A deployment made again adds to what the earlier one collected.
    """
    found = {}
    for each in endpoint.deployments:
        name = qualified_names.of_deployment(key, each.name)
        begun = {use.path: use.begun for use in before.get(name, ())}
        places = [(place, place.ref) for place in past.get(each.name, ())]
        for port in each.collected:
            lies = _places_of(endpoint.workspace.id, port.data, ("", ""), is_output=True)
            places += ((place, data) for place, data, _ in lies)
        uses = {
            PlaceUse(place.path, name, True, place.is_folder, data, "", begun.get(place.path, each.created_at))
            for place, data in places
        }
        if uses or name in before:
            found[name] = tuple(sorted(use for use in uses if use.path))
    return found


def _places_of(
    workspace: WorkspaceId, data: Data, times: tuple[str, str], *, is_output: bool
) -> Iterator[tuple[Place, Ref, tuple[str, str]]]:
    """Yield where some data lies, what of it the graph shows there, and the times of a use of it."""
    match data:
        case Location():
            place = place_of(data)
            yield place, place.ref, times
        case DataAsset(location=Location() as location):
            place = place_of(location)
            source = registered_from(data)
            if is_output:
                yield place, place.ref if source else ref_of_asset(workspace, data), times
            elif source:
                yield place, ref_of_asset(workspace, data), (data.created_at, "")


@dataclass(frozen=True, slots=True)
class PlacesAround:
    """
    What others wrote around the places that some runs read.

    Attributes:
        found: what is read → what was written around it, by the runs that wrote it.
        more: for folders in which more was written than is shown, how many places.
        not_asked: of those, the folders in which so much was written that not all of it was looked at.
        own: what each run wrote itself.
        run_ids: for paths that a run wrote whose id they carry, those ids.
    """

    found: Mapping[PlaceUse, Mapping[Ref, tuple[PlaceUse, ...]]] = field(default_factory=dict)
    more: Mapping[PlaceUse, int] = field(default_factory=dict)
    not_asked: frozenset[PlaceUse] = frozenset()
    own: Mapping[QualifiedName, frozenset[Ref]] = field(default_factory=dict)
    run_ids: Mapping[str, frozenset[str]] = field(default_factory=dict)

    @property
    def places(self) -> dict[Ref, Place]:
        """How to look up what was written; data assets are known by their names."""
        uses = [use for around in self.found.values() for writers in around.values() for use in writers]
        return {
            use.data: place_named(use.data.qualified_name, is_folder=use.is_folder)
            for use in uses
            if not use.is_of_asset
        }

    @property
    def assets(self) -> frozenset[QualifiedName]:
        """Registered outputs among what was written."""
        uses = (use for around in self.found.values() for writers in around.values() for use in writers)
        return frozenset(use.data.qualified_name for use in uses if use.is_of_asset)

    def add_to(self, places: Iterable[Place]) -> tuple[Place, ...]:
        """Return some places and these, each once, in the order of qualifiedNames."""
        found = {**self.places, **{place.ref: place for place in places}}
        return tuple(self._with_run_ids(found[ref]) for ref in sorted(found))

    def _with_run_ids(self, place: Place) -> Place:
        carried = self.run_ids.get(place.path)
        return replace(place, run_ids=place.run_ids | carried) if carried else place

    def of_run(self, key: QualifiedName) -> tuple[Place, ...]:
        """Return how to look up what is around the places that a run reads."""
        known = self.places
        return tuple(
            known[data] for read, around in self.found.items() if read.run == key for data in around if data in known
        )

    def explain(self, matches: Matches, present: Collection[QualifiedName]) -> Around:
        """Return the edges that follow; of data assets, to those that are `present` in the catalog."""
        by_run: dict[QualifiedName, dict[Ref, Evidence]] = {}
        by_asset: dict[Ref, dict[Ref, Evidence]] = {}
        known = self.places
        own = {run: {matches[ref].ref if ref in matches else ref for ref in refs} for run, refs in self.own.items()}
        for read, around in sorted(self.found.items(), key=lambda item: item[0]):
            edges = by_asset.setdefault(read.data, {}) if read.is_of_asset else by_run.setdefault(read.run, {})
            for data, writers in around.items():
                place = known.get(data)
                if place is None and data.qualified_name not in present:
                    continue
                end = matches[place.ref].ref if place else data
                wrote_too = not read.is_of_asset and end in own.get(read.run, ())  # a set may stand for what both wrote
                if wrote_too and not any(_ended_before(use, read) for use in writers):
                    continue
                why = _sentence(read, writers)
                looked_up = data if place else None
                edges.setdefault(end, Evidence(end, is_output=False, field=why, inferred=True, place=looked_up))
        return Around(
            {key: tuple(edges.values()) for key, edges in by_run.items()},
            {asset: tuple(edges.values()) for asset, edges in by_asset.items()},
            {place.ref: place for place in known.values()},
        )

    def note_of(self, key: QualifiedName) -> str:
        """Say what is left out of the places that a run reads."""
        notes = [
            f"Of what other runs wrote inside {read.data.qualified_name}, {INSIDE} places are shown and {more} are not."
            if read not in self.not_asked
            else f"Of what other runs wrote inside {read.data.qualified_name}, {INSIDE} places are shown and at least "
            f"{more} are not; that is too much to know which were written last."
            for read, more in sorted(self.more.items())
            if read.run == key
        ]
        return " ".join(notes)


def find_around(ledger: Ledger, uses: Collection[PlaceUse]) -> PlacesAround:
    """
    Find what others wrote around what some runs read; `uses` are those of the runs, as far as they are known.

    A place that another run wrote itself is what it is, and no folder above it is looked for, if it can have been read.
    Of the folders above, the innermost counts. What a run wrote itself it has not read, nor what was written too late.
    Of a glob, only what it matches is read, and its folder is the first of those above.
    """
    wrote = sorted(use for use in uses if use.is_output)
    reads = sorted(use for use in uses if not use.is_output)
    at_hand, runs = _by_path(wrote), {use.run for use in uses}
    asked = {
        path
        for read in reads
        if read.glob or not _others(read, at_hand.get(read.path, ()))
        for path in (read.path, *folders_above(read.path))
    }
    folders = {read.path for read in reads if read.is_folder and not _is_of_one_run(read.path)}
    known = ledger.find_uses(asked, folders, is_output=True, limit=_WRITERS) if asked or folders else ()
    writers = _by_path((*wrote, *(use for use in known if use.path in asked and use.run not in runs)))
    found: dict[PlaceUse, dict[Ref, tuple[PlaceUse, ...]]] = {}
    more: dict[PlaceUse, int] = {}
    not_asked = set()
    for read in reads:
        around: dict[Ref, tuple[PlaceUse, ...]] = {}
        exact = () if read.glob else _others(read, writers.get(read.path, ()))
        if not exact:
            folders_around = (*((read.path,) if read.glob else ()), *folders_above(read.path))
            above = (_possible(read, writers.get(path, ())) for path in folders_around)
            around |= _by_data(next(filter(None, above), ()))
        elif read.is_of_asset:  # of what a run registered itself, the graph shows the data asset instead of the place
            around |= _by_data(use for use in _possible(read, exact) if use.is_of_asset)
        if read.is_folder and not _is_of_one_run(read.path):
            below = _inside(known, read.path)
            inside = [*_inside(wrote, read.path), *(use for use in below if use.run not in runs)]
            inside = [use for use in inside if not read.glob or _is_matched(read, use)]
            latest = _by_data(use for some in _by_path(inside).values() for use in _possible(read, some))
            ordered = sorted(latest, key=lambda data: (max(map(_written_at, latest[data])), data), reverse=True)
            around |= {data: latest[data] for data in ordered[:INSIDE]}
            if len(ordered) > INSIDE:
                more[read] = len(ordered) - INSIDE
            if len(ordered) > INSIDE and len(below) >= _WRITERS:
                not_asked.add(read)
        if read.is_of_asset and around:
            around = _without_circles(ledger, read, reads, around)
        if around:
            found[read] = around
    carried = {path: frozenset(filter(None, map(_carried_id, some))) for path, some in writers.items()}
    return PlacesAround(
        found,
        more,
        frozenset(not_asked),
        {run: frozenset(use.data for use in wrote if use.run == run) for run in runs},
        {path: run_ids for path, run_ids in carried.items() if run_ids},
    )


def _carried_id(use: PlaceUse) -> str:
    """Return the id of the run that wrote a place if its path carries it, not where Azure ML puts ids by itself."""
    run_id = _name_of(use.run)
    return (
        run_id
        if not is_of_endpoint(use.run)
        and carries(use.path.partition(BELOW_ROOT)[2], run_id)
        and not _is_of_one_run(use.path)
        else ""
    )


def find_readers(ledger: Ledger, written: Iterable[PlaceUse]) -> tuple[QualifiedName, ...]:
    """
    Return the runs that read something around what was written, and may have read that; no more than `READERS`.

    `written` are uses that the index has now and uses that it had before: what was read then may turn out not to be.
    Of the runs that read one data asset, one is enough: the edge is to its registration. A registered output is read
    by a run that reads its place; and a place that carries the id of the run that wrote it is in no set with others.
    """
    found: dict[object, QualifiedName] = {}
    new = {use: (use.path, *folders_above(use.path)) for use in written}
    folders = {use.path for use in new if use.is_folder and (len(new) <= _FEW or not _is_of_one_run(use.path))}
    asked = {path for paths in new.values() for path in paths}
    known = ledger.find_uses(asked, folders, is_output=False, limit=_READERS) if asked else ()
    at = _by_path(known)
    same: list[tuple[PlaceUse, PlaceUse]] = []
    for use, paths in new.items():
        read = [each for path in paths for each in at.get(path, ())]
        if use.path in folders:
            read += _inside(known, use.path)
        for each in read:
            if each.run == use.run:
                continue
            if each.data.type_name == MODEL:
                if f"{each.path}/".startswith(f"{use.path}/") and _may_have_made(use, each):
                    found.setdefault(each.data, each.run)
            elif each.path != use.path or each.glob:
                if _was_there(use, each):
                    found.setdefault(_end_of(each), each.run)
            elif (use.is_of_asset and each.data != use.data) or _carried_id(use):
                found.setdefault(_end_of(each), each.run)
            elif _was_there(use, each) and not _is_of_one_run(use.path):
                same.append((use, each))
    found = {end: read.run for end, read in _end_at_place(ledger, same, found)} | found
    runs = sorted(set(found.values()))
    if len(runs) > READERS:
        logger.warning("not all readers are published again", extra={"readers": len(runs), "published": READERS})
    return tuple(runs[:READERS])


def _inside(uses: Sequence[PlaceUse], path: str) -> Sequence[PlaceUse]:
    """Return those of some uses, which are in order, that are of places inside a folder."""
    first = bisect_left(uses, f"{path}/", key=_path_of)
    return uses[first : bisect_left(uses, f"{path}0", first, key=_path_of)]  # a zero comes next after a slash


def _path_of(use: PlaceUse) -> str:
    return use.path


def _end_at_place(
    ledger: Ledger, same: Iterable[tuple[PlaceUse, PlaceUse]], found: Collection[object]
) -> Iterator[tuple[object, PlaceUse]]:
    """Yield what read the very place that was written, if it was said to have read a folder above instead."""
    doubtful = [(use, read) for use, read in same if _end_of(read) not in found]
    folders = {path for use, _ in doubtful for path in folders_above(use.path)}
    above = _by_path(ledger.find_uses_at(sorted(folders), is_output=True)) if folders else {}
    for use, read in doubtful:
        if any(_possible(read, above.get(path, ())) for path in folders_above(use.path)):
            yield _end_of(read), read


def _end_of(read: PlaceUse) -> object:
    """Return what an edge to something that was read is an input of: of a data asset, its registration."""
    return read.data if read.is_of_asset else read.run


def _may_have_made(written: PlaceUse, model: PlaceUse) -> bool:
    """Whether a run may have written a model's files: it had begun when that was registered."""
    began, ended, registered = moment(written.begun), moment(written.at), moment(model.at)
    if began and registered:
        return began <= registered
    return ended is None or registered is None or ended <= registered + _REGISTERED_BY_ITSELF


def _others(read: PlaceUse, writers: Iterable[PlaceUse]) -> tuple[PlaceUse, ...]:
    """Return those of the writers of one place, other than the reader, whose data can have been read."""
    return tuple(use for use in writers if use.run != read.run and _was_there(use, read))


def _possible(read: PlaceUse, writers: Collection[PlaceUse]) -> tuple[PlaceUse, ...]:
    """Return those whose data can have been read; where the reader wrote it, too, those that had ended before."""
    others = [use for use in _others(read, writers) if use.data != read.data]
    if not read.is_of_asset and any(use.run == read.run for use in writers):
        return tuple(use for use in others if _ended_before(use, read))
    return tuple(others)


def _without_circles(
    ledger: Ledger, read: PlaceUse, reads: Iterable[PlaceUse], around: Mapping[Ref, tuple[PlaceUse, ...]]
) -> dict[Ref, tuple[PlaceUse, ...]]:
    """Leave out what readers of a data asset have written: the asset would be made of what was made of it."""
    known = (*reads, *ledger.find_uses_at([read.path], is_output=False))
    readers = {use.run for use in known if use.data == read.data}
    by_others = ((data, tuple(use for use in writers if use.run not in readers)) for data, writers in around.items())
    return {data: writers for data, writers in by_others if writers}


def _was_there(written: PlaceUse, read: PlaceUse) -> bool:
    """
    Whether what a run wrote can have been read: it began, or ended, no later than the one that read did.

    A run that began after the other had ended wrote nothing that was read. Of two that overlapped, one that both began
    and ended later is taken for the later one; so runs that follow each other closely and read and write one folder
    are no circle. Of what is not known, nothing follows; and if nothing is known of the two, it can have been read.

    A data asset is made of what runs wrote that had begun when it was registered; if that is not known, of nothing.
    """
    began, ended, then = moment(written.begun), moment(written.at), moment(read.at)
    if read.is_of_asset:
        first = began or ended
        return then is not None and (first is None or first <= then)
    if began and then and began > then:
        return False
    reader_began = moment(read.begun)
    known = [one <= other for one, other in ((began, reader_began), (ended, then)) if one and other]
    return any(known) or not known


def _ended_before(written: PlaceUse, read: PlaceUse) -> bool:
    """Whether the run that wrote is known to have ended before the one that read began."""
    ended, began = moment(written.at), moment(read.begun)
    return ended is not None and began is not None and ended <= began


def _written_at(use: PlaceUse) -> datetime:
    """Return when something was written, as well as it is known."""
    return moment(use.at) or moment(use.begun) or _EARLIEST


def _is_matched(read: PlaceUse, written: PlaceUse) -> bool:
    """Whether a glob may have led to what was written inside its folder."""
    below = written.path.removeprefix(f"{read.path}/").split("/")
    return leads_to(read.glob, below, is_folder=written.is_folder)


def _is_of_one_run(path: str) -> bool:
    """Whether a path carries the id of a run, so that only this one writes there."""
    return run_of_path(path.partition(BELOW_ROOT)[2]) is not None


def _by_path(uses: Iterable[PlaceUse]) -> dict[str, tuple[PlaceUse, ...]]:
    found: dict[str, set[PlaceUse]] = {}
    for use in uses:
        found.setdefault(use.path, set()).add(use)
    return {path: tuple(sorted(some)) for path, some in found.items()}


def _by_data(uses: Iterable[PlaceUse]) -> dict[Ref, tuple[PlaceUse, ...]]:
    found: dict[Ref, list[PlaceUse]] = {}
    for use in uses:
        found.setdefault(use.data, []).append(use)
    return {data: tuple(some) for data, some in found.items()}


def _sentence(read: PlaceUse, writers: Collection[PlaceUse]) -> str:
    kinds = {"deployment": (use.run for use in writers if is_of_endpoint(use.run))}
    kinds = {"run": (use.run for use in writers if not is_of_endpoint(use.run)), **kinds}
    who = " and ".join(filter(None, (_listed(word, set(map(_name_of, keys))) for word, keys in kinds.items())))
    below = "/".join(filter(None, (read.path.partition(BELOW_ROOT)[2], read.glob)))
    written = min(use.path for use in writers)
    if written == read.path and not read.glob:
        return f"{who} wrote {below}, and registered it"
    if written.startswith(f"{read.path}/"):
        return f"{who} wrote {written.partition(BELOW_ROOT)[2]}, which is inside {below}"
    return f"{below} is inside {written.partition(BELOW_ROOT)[2]}, which {who} wrote"


def _listed(word: str, names: Collection[str]) -> str:
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return f"{word}{'s' if len(names) > 1 else ''} {', '.join(sorted(names)[:_NAMED])}{more}" if names else ""


def _name_of(run: QualifiedName) -> str:
    parsed = parse(run)
    if parsed and parsed.endpoint:
        return f"{parsed.name} of {parsed.endpoint}"
    return parsed.run_id if parsed else str(run)
