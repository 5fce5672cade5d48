"""What an asset was made of: source data, runs and packages, and which classified data went into it."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from questions.asset_facts import is_data
from questions.walk import Walker, order
from shared.catalog.kinds import DATA_ASSET, MODEL, PACKAGES, STEP
from shared.purview.reader import INPUT, Asset, Read, classifications_of


@dataclass(frozen=True, slots=True)
class Classified:
    """Data that went into an asset and has a classification."""

    classification: str
    data: tuple[Asset, ...]


@dataclass(frozen=True, slots=True)
class Origin:
    """
    What an asset was made of; each by name.

    Attributes:
        sources: data that nothing in the catalog made.
        assets: versions of data assets and models on the way.
        packages: environment versions, each with the packages in it.
        classified: by classification, of all data upstream and of the asset itself.
    """

    start: Asset
    sources: tuple[Asset, ...]
    assets: tuple[Asset, ...]
    runs: tuple[Asset, ...]
    packages: tuple[tuple[Asset, tuple[Asset, ...]], ...]
    classified: tuple[Classified, ...]
    visited: int


def find_origin(walker: Walker, guid: str) -> Origin:
    """Walk upstream of an asset."""
    graph = walker.walk([guid], INPUT)
    whole = walker.read(graph)
    data = {each for each, asset in whole.items() if is_data(asset)}
    environments = sorted((asset for asset in whole.values() if asset.type_name == PACKAGES), key=order)
    packages = walker.read(each.guid for environment in environments for each in environment.related.get("package", ()))
    return Origin(
        walker.asset(guid),
        sources=_sorted(whole[each] for each in data if each != guid and not whole[each].next(INPUT)),
        assets=_sorted(
            asset for each, asset in whole.items() if each != guid and asset.type_name in (DATA_ASSET, MODEL)
        ),
        runs=_sorted(asset for asset in whole.values() if asset.type_name == STEP),
        packages=tuple(
            (
                environment,
                _sorted(
                    packages[each.guid] for each in environment.related.get("package", ()) if each.guid in packages
                ),
            )
            for environment in environments
        ),
        classified=list_classified(
            walker.read,
            [asset for each, asset in whole.items() if each in data or asset.type_name == MODEL or each == guid],
        ),
        visited=walker.visited,
    )


def list_classified(read: Read, assets: Sequence[Asset]) -> tuple[Classified, ...]:
    """Group assets by the classifications that they have, or one of their columns."""
    found = classifications_of(assets, read)
    by_name: dict[str, list[Asset]] = {}
    for asset in assets:
        for name in found.get(asset.guid, ()):
            by_name.setdefault(name, []).append(asset)
    return tuple(Classified(name, _sorted(by_name[name])) for name in sorted(by_name))


def _sorted(assets: Iterable[Asset]) -> tuple[Asset, ...]:
    return tuple(sorted(assets, key=order))
