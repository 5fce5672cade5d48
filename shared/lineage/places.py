"""Which data outside Azure ML a run tree touches, and under which names a catalog may already hold it."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum

from shared import qualified_names
from shared.lineage.entities import Ref
from shared.model import Data, DataAsset, Location, RunTree
from shared.qualified_names import QualifiedName

POWER_BI_DATASET_TAG = "powerbi_dataset"
POWER_BI_REPORT_TAG = "powerbi_report"
"""Tags of a data asset that name the Power BI dataset fed from it, and the report on that, by URL."""


class MatchKind(StrEnum):
    """How a place was found in the catalog."""

    EXACT = "exact"
    RESOURCE_SET = "resource set"
    PLACEHOLDER = "placeholder"


@dataclass(frozen=True, slots=True)
class Match:
    """The catalog's entity for a place: one a scan made, or a placeholder of ours under the name a scan would give."""

    ref: Ref
    kind: MatchKind


@dataclass(frozen=True, slots=True)
class Place:
    """
    Something to look up. `ref` is what we would create; the candidates are names, likeliest first.

    A place without candidates is not looked up: nothing but the run itself can have put it there.
    """

    ref: Ref
    exact: tuple[QualifiedName, ...] = ()
    resource_sets: tuple[QualifiedName, ...] = ()


def place_of(location: Location) -> Place:
    """
    >>> place_of(Location("https://a.dfs.core.windows.net/fs/x", run_private=True)).exact
    ()
    """
    ref = Ref(qualified_names.type_of_location(location), qualified_names.of_location(location))
    if location.run_private or ref.type_name == "custom_dataset":
        return Place(ref)
    return Place(
        ref,
        exact=tuple(qualified_names.exact_candidates(location)),
        resource_sets=tuple(qualified_names.resource_set_candidates(location)) if location.is_folder else (),
    )


def power_bi_place(type_name: str, url: str) -> Place:
    name = QualifiedName(url.rstrip("/"))
    return Place(Ref(type_name, name), exact=(name,))


def list_places(tree: RunTree) -> tuple[Place, ...]:
    """Return every place the tree touches, each once, in the order of qualifiedNames."""
    places = {place.ref: place for run in tree.runs for port in (*run.inputs, *run.outputs) for place in _of(port.data)}
    return tuple(places[ref] for ref in sorted(places))


def registered_from(asset: DataAsset) -> Location | None:
    """
    Return the storage path that a data asset was registered from, if a registration is worth showing.

    A run that writes below its own id and registers the result made both in one go: the asset alone is shown.
    """
    return asset.location if asset.location and not asset.location.run_private else None


def power_bi_places(asset: DataAsset) -> tuple[Place, ...]:
    """Return the Power BI dataset and the report that the asset's tags name, in this order."""
    wanted = (("powerbi_dataset", POWER_BI_DATASET_TAG), ("powerbi_report", POWER_BI_REPORT_TAG))
    places = []
    for type_name, tag in wanted:
        url = asset.tags.get(tag, "")
        if not url.startswith("https://"):
            break  # a report without its dataset could not be linked
        places.append(power_bi_place(type_name, url))
    return tuple(places)


def _of(data: Data) -> Iterator[Place]:
    if isinstance(data, Location):
        yield place_of(data)
    if isinstance(data, DataAsset):
        if location := registered_from(data):
            yield place_of(location)
        yield from power_bi_places(data)


def match_places(places: Iterable[Place], found: Mapping[QualifiedName, Ref]) -> dict[Ref, Match]:
    """Choose for each place the entity that stands for it: exact, else resource set, else a placeholder."""
    return {place.ref: _match(place, found) for place in places}


def _match(place: Place, found: Mapping[QualifiedName, Ref]) -> Match:
    for names, kind in ((place.exact, MatchKind.EXACT), (place.resource_sets, MatchKind.RESOURCE_SET)):
        for name in names:
            if name in found:
                return Match(found[name], kind)
    return Match(place.ref, MatchKind.PLACEHOLDER)
