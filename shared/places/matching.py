"""Places that data is stored in: which ones a run tree touches, what the catalog holds for them, and the match."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Protocol

from shared.catalog import qualified_names
from shared.catalog.downstream import NOTHING, Downstream, Feed
from shared.catalog.entities import ASSET, UNRESOLVED, UNSCANNED, Found, Ref
from shared.catalog.kinds import OTHER_DATA, POWER_BI_DATASET, POWER_BI_REPORT
from shared.catalog.qualified_names import QualifiedName
from shared.model import Data, DataAsset, Endpoint, Location, RunTree, Unresolved, WorkspaceId
from shared.places import platforms
from shared.places.datasets import DatasetName
from shared.places.place import Place, decode_braces
from shared.places.platforms import place_of
from shared.places.storage import find_sets

POWER_BI_DATASET_TAG, POWER_BI_REPORT_TAG = POWER_BI_DATASET, POWER_BI_REPORT
"""Tags of a data asset that have the URL of the Power BI dataset fed from it, and of the report on that."""

SETS = 20
"""Resource sets that a glob is shown as; where it may lead to more, it is the folder it is in."""


class NameLookup(Protocol):
    """What matching asks of a catalog."""

    def find(self, names: Sequence[QualifiedName], *, type_name: str = ASSET) -> Mapping[QualifiedName, Found]: ...

    def list_resource_sets(self, prefixes: Collection[str], *, fresh: bool = False) -> Sequence[Ref]: ...


class MatchKind(StrEnum):
    """How a place was found in the catalog."""

    EXACT = "exact"
    RESOURCE_SET = "resource set"
    PLACEHOLDER = "placeholder"
    UNLABELLED = "placeholder without its label"
    """Nothing on it is from a scan, and someone took our label away: it stays joined, and is looked at again."""


@dataclass(frozen=True, slots=True)
class Match:
    """
    The catalog's entity for a place: one a scan made, or a placeholder of ours under the name a scan would give.

    `rule` explains it to people: which naming rule led there, or why none did. Two matches that lead to one entity
    are the same, however they are explained; "" for one that was remembered before rules were. `others` are further
    resource sets that a glob may lead to.
    """

    ref: Ref
    kind: MatchKind
    rule: str = field(default="", compare=False)
    others: tuple[Ref, ...] = ()

    @property
    def refs(self) -> tuple[Ref, ...]:
        """All that the catalog has for the place."""
        return (self.ref, *self.others)


def place_of_unresolved(workspace: WorkspaceId, data: DataAsset | Unresolved) -> Place:
    """
    Return how to look up data of which only the name is known.

    The catalog may have it from a time when more was known, under the type that its datastore led to.
    """
    if isinstance(data, DataAsset):
        name = qualified_names.of_asset(workspace, data.id)
    else:
        name = qualified_names.of_unresolved(workspace, data)
    return place_by_name(name, unfound="placeholder: Azure ML cannot say where it lies")


def place_by_name(name: QualifiedName, rule: str = "known to the catalog by its name", *, unfound: str = "") -> Place:
    """Return how to look up what no platform has a name for."""
    return Place(Ref(OTHER_DATA, name), exact=(name,), rules={name: rule}, unfound=unfound)


def place_of_dataset(dataset: DatasetName, job_namespace: str) -> Place:
    """
    Return how to look up what OpenLineage names. What cannot be placed is kept under the namespace of the job.

    >>> place_of_dataset(DatasetName("abfss://fs@acct.dfs.core.windows.net", "/raw/a.csv"), "ns").ref.qualified_name
    'https://acct.dfs.core.windows.net/fs/raw/a.csv'
    >>> place_of_dataset(DatasetName("file", "/tmp/a.csv"), "synapse").ref.qualified_name
    'openlineage://synapse/unresolved/file/tmp/a.csv'
    """
    if dataset.scheme == "azureml":
        unfound = "placeholder: no lineage of Azure ML has this name"
        return place_by_name(QualifiedName(dataset.label), "an asset of Azure ML, by its name", unfound=unfound)
    if location := platforms.from_openlineage(dataset):
        return _or_set(place_of(location))
    return Place(
        Ref(OTHER_DATA, qualified_names.of_unresolved_dataset(job_namespace, dataset.label)),
        unfound="placeholder: the name means something where the job ran only",
    )


def _or_set(place: Place) -> Place:
    """Let a name with braces also be that of a resource set, as we give it to others."""
    decoded = (QualifiedName(decode_braces(name)) for name in (place.own.qualified_name, *place.resource_sets))
    named = {name: "the set of this name" for name in decoded if name not in (*place.exact, *place.resource_sets)}
    return replace(place, resource_sets=(*named, *place.resource_sets), rules={**named, **place.rules})


def is_unresolved(data: Data) -> bool:
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


def places_of_endpoint(endpoint: Endpoint) -> tuple[Place, ...]:
    """
    Return the places that an endpoint touches: those of the data that it collects, and the storage paths that are shown
    for what it serves where Azure ML made up a model's name.
    """
    served = (model for each in endpoint.deployments for model in each.models)
    collected = (port.data for each in endpoint.deployments for port in each.collected)
    return (
        *(place_of(model.stands_for) for model in served if model.stands_for),
        *(place for data in collected for place in _of(endpoint.workspace.id, data, (), NOTHING)),
    )


def registered_from(asset: DataAsset, matches: Mapping[Ref, Match] | None = None) -> Location | None:
    """
    Return the storage path that a data asset was registered from; None if a run made data and asset in one go.

    Then the asset alone is shown, unless a scan has found the path too: of `matches`, where given, this one says so.
    """
    if matches and asset.location and asset.location.run_id:
        match = matches.get(place_of(asset.location).ref)
        if match and match.kind is not MatchKind.PLACEHOLDER:
            return asset.location
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
    name = QualifiedName(url.rstrip("/"))  # the tag or the mapping says what it is
    return Place(Ref(type_name, name), (name,), rules={name: "exact"}, unfound=f"nothing scanned under {name}")


def find_scanned(
    catalog: NameLookup, places: Iterable[Place], *, others: Iterable[QualifiedName] = ()
) -> tuple[Mapping[QualifiedName, Found], Mapping[QualifiedName, Ref]]:
    """
    Look up all names of some places, and names of other things along with them.

    One name may have two entities, a placeholder of ours and what a scan made under its own type; a look-up by the
    supertype gives either. So names under which it gives a placeholder are looked up by the types of a scan too, which
    costs a request a type, and nothing where no placeholder is in the catalog.

    Returns:
        What the catalog has under each name, and which of that a scan has put there.
    """
    wanted = list(places)
    names = [name for place in wanted for name in (*place.exact, *place.resource_sets)]
    found = catalog.find(sorted({*names, *others}))
    hidden: dict[str, set[QualifiedName]] = {}
    for place in wanted:
        for type_name in place.hidden_types:
            hidden.setdefault(type_name, set()).update(
                name for name in place.exact if name in found and found[name].ref.type_name == OTHER_DATA
            )
    scanned = {name: item.ref for name, item in found.items() if is_scanned(item)}
    for name in set().union(*hidden.values()):
        scanned.pop(name, None)  # no scanner writes this type, also if the label is gone
    for type_name, behind in sorted(hidden.items()):
        if behind:
            for name, item in catalog.find(sorted(behind), type_name=type_name).items():
                scanned.setdefault(name, item.ref)
    return found, scanned


def is_scanned(found: Found) -> bool:
    """Whether an entity stands for data without us: a scan left something on it, or it has no label of ours."""
    return found.scanned or not {UNSCANNED, UNRESOLVED} & set(found.labels)


def match_places(places: Iterable[Place], scanned: Mapping[QualifiedName, Ref]) -> dict[Ref, Match]:
    """
    Choose for each place the entity that is it in the graph: exact, else resource set, else a placeholder.

    Of a glob a resource set comes first: the folder that it is in holds more.
    """
    return {place.ref: _match(place, scanned) for place in places}


def match_sets(
    catalog: NameLookup, places: Iterable[Place], matches: Mapping[Ref, Match], *, fresh: bool = False
) -> dict[Ref, Match]:
    """
    Match what was found under none of its names with the sets of files that the catalog has where it lies.

    Their names cannot be guessed: a scan replaces numbers, ids and dates anywhere in a path. Costs a search for places
    that are not matched, and none where the catalog remembers it; with `fresh` it searches again.

    A glob is the sets it may lead to, if there are not too many, also where the catalog has the folder it is in: that
    holds more.
    """
    found = dict(matches)
    left = [
        place
        for place in places
        if place.set_roots and (place.glob or matches[place.ref].kind is MatchKind.PLACEHOLDER)
    ]
    roots = sorted({root for place in left for root in place.set_roots})
    sets = catalog.list_resource_sets(roots, fresh=fresh) if roots else ()
    for place in left:
        by_name = {each.qualified_name: each for root in place.set_roots for each in _below(root, sets)}
        names = find_sets(place, sorted(by_name))
        refs = [by_name[name] for name in names]
        if place.glob and (known := found[place.ref]).kind is MatchKind.RESOURCE_SET:
            refs = sorted({*refs, known.ref})
        if len(refs) > SETS:
            folder = replace(place, resource_sets=())
            match = _match(folder, find_scanned(catalog, [folder])[1])
            why = f"it may lead to {len(refs)} resource sets, more than {SETS}"
            found[place.ref] = replace(match, rule=f"{match.rule}; {why}")
        elif refs:
            found[place.ref] = Match(refs[0], MatchKind.RESOURCE_SET, _name_sets(place, refs), tuple(refs[1:]))
    return found


def _name_sets(place: Place, refs: Sequence[Ref]) -> str:
    names = [ref.qualified_name for ref in refs]
    below = (name.removeprefix(next(filter(name.startswith, place.set_roots))) for name in names)
    rule = f"resource set{'s' if len(names) > 1 else ''} {', '.join(below)}"
    return f"{rule}, to which the glob {place.glob} may lead" if place.glob else rule


def _below(root: str, sets: Iterable[Ref]) -> Iterator[Ref]:
    return (each for each in sets if each.qualified_name.startswith(root))


def without_foreign_sets(places: Iterable[Place], matches: Mapping[Ref, Match]) -> dict[Ref, Match]:
    """Leave out matches with a set that has not kept apart the id of a run that is known by now to write there."""
    by_ref = {place.ref: place for place in places}
    return {
        ref: match
        for ref, match in matches.items()
        if match.kind is not MatchKind.RESOURCE_SET
        or all(by_ref[ref].may_be_in(each.qualified_name) for each in match.refs)
    }


def _match(place: Place, scanned: Mapping[QualifiedName, Ref]) -> Match:
    candidates = ((place.exact, MatchKind.EXACT), (place.resource_sets, MatchKind.RESOURCE_SET))
    for names, kind in reversed(candidates) if place.glob else candidates:
        for name in names:
            if name in scanned and (kind is MatchKind.EXACT or place.may_be_in(name)):
                return Match(scanned[name], kind, place.rules.get(name, ""))
    return Match(place.own, MatchKind.PLACEHOLDER, place.unfound)


def _of(workspace: WorkspaceId, data: Data, own_runs: Collection[str], downstream: Downstream) -> Iterator[Place]:
    if is_unresolved(data) and isinstance(data, DataAsset | Unresolved):
        yield place_of_unresolved(workspace, data)
    if isinstance(data, Location):
        yield place_of(data, own_runs=own_runs)
    if isinstance(data, DataAsset) and data.location:
        yield place_of(data.location, own_runs=own_runs)
    for _, feeds in list_feeds(workspace, data, downstream):
        for feed in feeds:
            yield from places_of_feed(feed)
