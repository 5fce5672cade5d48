"""Which entities outside our own names a run tree touches, and under which names a catalog may already hold them."""

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from shared.catalog import qualified_names
from shared.catalog.downstream import NOTHING, Downstream, Feed
from shared.catalog.entities import Ref
from shared.catalog.kinds import OTHER_DATA, POWER_BI_DATASET, POWER_BI_REPORT
from shared.catalog.qualified_names import QualifiedName
from shared.model import Data, DataAsset, Location, RunTree, Unresolved, WorkspaceId
from shared.places.names import Names
from shared.places.table import names_of

POWER_BI_DATASET_TAG, POWER_BI_REPORT_TAG = POWER_BI_DATASET, POWER_BI_REPORT
"""Tags of a data asset that have the URL of the Power BI dataset fed from it, and of the report on that."""


class MatchKind(StrEnum):
    """How a place was found in the catalog."""

    EXACT = "exact"
    RESOURCE_SET = "resource set"
    PLACEHOLDER = "placeholder"


@dataclass(frozen=True, slots=True)
class Match:
    """
    The catalog's entity for a place: one a scan made, or a placeholder of ours under the name a scan would give.

    `rule` explains it to people: which naming rule led there, or why none did. Two matches that lead to one entity
    are the same, however they are explained; "" for one that was remembered before rules were.
    """

    ref: Ref
    kind: MatchKind
    rule: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Place:
    """
    Something to look up. `ref` is what we would create; the candidates are names, likeliest first.

    A place without candidates is not looked up: nobody but us can have put it into the catalog.

    Attributes:
        rules: candidate → why it is tried, for people.
        scanned_types: the types of a scan, where what we create has another: both may then be there under one name.
        unfound: why there is nothing but a placeholder, if it comes to that.
    """

    ref: Ref
    exact: tuple[QualifiedName, ...] = ()
    resource_sets: tuple[QualifiedName, ...] = ()
    rules: Mapping[QualifiedName, str] = field(default_factory=dict, compare=False)
    scanned_types: tuple[str, ...] = ()
    unfound: str = ""


def place_of(location: Location, *, own_runs: Collection[str] = ()) -> Place:
    """
    Tell how to look up a storage location.

    What one of `own_runs` wrote below its own id is not looked up: no scan was there before the run ended.

    >>> place_of(Location("https://a.dfs.core.windows.net/fs/x", run_id="r"), own_runs=["r"]).exact
    ()
    """
    names = names_of(location)
    ref = Ref(names.type_name, names.qualified_name)
    if location.run_id in own_runs:
        return Place(ref, unfound=_noted("placeholder: its run wrote it just now, no scan has been there", names.note))
    return Place(
        ref,
        exact=tuple(candidate.name for candidate in names.exact),
        resource_sets=tuple(candidate.name for candidate in names.resource_sets),
        rules={each.name: _noted(each.rule, names.note) for each in (*names.resource_sets, *names.exact)},
        scanned_types=names.scanned_types if ref.type_name == OTHER_DATA else (),
        unfound=_why_unfound(names),
    )


def _why_unfound(names: Names) -> str:
    if not names.exact:
        return _noted("placeholder: Purview scans no such place", names.note)
    why = f"placeholder: nothing scanned under {names.qualified_name}"
    if names.scanned_types and not names.stands_alone:
        why += f"; a {OTHER_DATA} stands in for the {names.scanned_types[0]}, which only a scan can write"
    return _noted(why, names.note)


def _noted(rule: str, note: str) -> str:
    return f"{rule} ({note})" if note else rule


def place_of_stranger(workspace: WorkspaceId, data: DataAsset | Unresolved) -> Place:
    """
    Tell how to look up data of which we know no more than the name.

    The catalog may know it from better days, under a type that only knowledge of its datastore would give it.
    """
    if isinstance(data, DataAsset):
        name = qualified_names.of_asset(workspace, data.id)
    else:
        name = qualified_names.of_unresolved(workspace, data)
    return Place(
        Ref(OTHER_DATA, name),
        exact=(name,),
        rules={name: "known to the catalog by its name"},
        unfound="placeholder: Azure ML cannot say where it lies",
    )


def is_stranger(data: Data) -> bool:
    """Whether nothing but the name of some data is known."""
    return isinstance(data, Unresolved) or (
        isinstance(data, DataAsset) and data.location is None and data.datastore is None
    )


def places_by_run(tree: RunTree, downstream: Downstream = NOTHING) -> dict[str, tuple[Place, ...]]:
    """Return the places that each run of a tree touches, by run id; with what its data feeds in Power BI."""
    own_runs = {tree.root_id, *(run.id for run in tree.runs)}
    return {
        run.id: tuple(
            place
            for port in (*run.inputs, *run.outputs)
            for place in _of(tree.workspace.id, port.data, own_runs, downstream)
        )
        for run in tree.runs
    }


def list_places(tree: RunTree, downstream: Downstream = NOTHING) -> tuple[Place, ...]:
    """Return every place that a tree touches, each once, in the order of qualifiedNames."""
    places = {place.ref: place for touched in places_by_run(tree, downstream).values() for place in touched}
    return tuple(places[ref] for ref in sorted(places))


def registered_from(asset: DataAsset) -> Location | None:
    """Return the storage path that a data asset was registered from; None if a run made data and asset in one go."""
    if asset.registered_by_run and asset.location and asset.location.run_id:
        return None
    return asset.location


def list_feeds(
    workspace: WorkspaceId, data: Data, downstream: Downstream
) -> Iterator[tuple[Location | DataAsset, tuple[Feed, ...]]]:
    """
    Yield what some data, and the path it was registered from, feed in Power BI; each where the graph shows it.

    What tags say comes first, then what the mapping says.
    """
    if isinstance(data, Location):
        yield data, tuple(downstream.of_location(data))
    elif isinstance(data, DataAsset):
        feeds = (*_feeds_of_tags(data), *downstream.of_asset(workspace, data.id))
        if source := registered_from(data):
            yield source, tuple(downstream.of_location(source))
        elif data.location:
            feeds += tuple(downstream.of_location(data.location))
        yield data, feeds


def _feeds_of_tags(asset: DataAsset) -> Iterator[Feed]:
    dataset, report = (asset.tags.get(tag, "") for tag in (POWER_BI_DATASET_TAG, POWER_BI_REPORT_TAG))
    if dataset.startswith("https://"):  # a report without its dataset could not be linked
        yield Feed(
            dataset,
            report if report.startswith("https://") else "",
            f"tag {POWER_BI_DATASET_TAG} of the data asset {asset.id.label}",
            f"tag {POWER_BI_REPORT_TAG} of the data asset {asset.id.label}",
        )


def places_of_feed(feed: Feed) -> tuple[Place, ...]:
    """Return the Power BI dataset and then the report."""
    dataset = _power_bi_place(POWER_BI_DATASET, feed.dataset)
    return (dataset, _power_bi_place(POWER_BI_REPORT, feed.report)) if feed.report else (dataset,)


def _power_bi_place(type_name: str, url: str) -> Place:
    place = place_of(Location(url.rstrip("/")))
    if place.ref.type_name == type_name:
        return place
    name = QualifiedName(url.rstrip("/"))  # whoever names it knows what it is
    return Place(Ref(type_name, name), (name,), rules={name: "exact"}, unfound=f"nothing scanned under {name}")


def match_places(places: Iterable[Place], scanned: Mapping[QualifiedName, Ref]) -> dict[Ref, Match]:
    """Choose for each place the entity that stands for it: exact, else resource set, else a placeholder."""
    return {place.ref: _match(place, scanned) for place in places}


def _match(place: Place, scanned: Mapping[QualifiedName, Ref]) -> Match:
    for names, kind in ((place.exact, MatchKind.EXACT), (place.resource_sets, MatchKind.RESOURCE_SET)):
        for name in names:
            if name in scanned:
                return Match(scanned[name], kind, place.rules.get(name, ""))
    return Match(place.ref, MatchKind.PLACEHOLDER, place.unfound)


def _of(workspace: WorkspaceId, data: Data, own_runs: Collection[str], downstream: Downstream) -> Iterator[Place]:
    if is_stranger(data) and isinstance(data, DataAsset | Unresolved):
        yield place_of_stranger(workspace, data)
    if isinstance(data, Location):
        yield place_of(data, own_runs=own_runs)
    if isinstance(data, DataAsset) and (location := registered_from(data)):
        yield place_of(location, own_runs=own_runs)
    for _, feeds in list_feeds(workspace, data, downstream):
        for feed in feeds:
            yield from places_of_feed(feed)
