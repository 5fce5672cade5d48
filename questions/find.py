"""Finds the one asset that a qualifiedName, a name, or a name and version means; and the versions of an asset."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Protocol

from shared.catalog.entities import Found
from shared.catalog.qualified_names import QualifiedName, in_our_case
from shared.errors import LineageError
from shared.purview.reader import Asset

_VERSIONS_AHEAD = 20
_SIBLINGS = 200
"""Hits of a search for the versions of an asset."""


class AssetNotFoundError(LineageError):
    """The catalog, or its search index, does not have the asset that is asked for."""


class AmbiguousAssetError(LineageError):
    """A name is not that of exactly one asset."""


class Search(Protocol):
    """The catalog. Methods may raise ServiceUnavailableError, AccessDeniedError and RequestRefusedError."""

    def find(self, names: Sequence[QualifiedName]) -> Mapping[QualifiedName, Found]:
        """Return what the catalog has under these names now."""
        ...

    def search(self, keywords: str, *, limit: int = 50) -> Iterable[Found]:
        """Return what the search index, which lags behind, has for some words."""
        ...


def find_asset(catalog: Search, asset: str) -> Found:
    """
    Find an asset.

    Raises:
        AssetNotFoundError
        AmbiguousAssetError
    """
    if not asset:
        raise AmbiguousAssetError("ASSET is empty")
    if "://" in asset:
        wanted = in_our_case(asset)
        found = catalog.find([wanted])
        if not found:
            raise AssetNotFoundError(f"the catalog has no asset with the qualifiedName {wanted}")
        return found[wanted]
    name, _, version = asset.partition(":")
    families: dict[str, list[Found]] = {}
    for hit in catalog.search(name):
        versioned = hit.name.rpartition(":")[0] == name
        if versioned or (hit.name == name and not version):
            families.setdefault(_family(hit), []).append(hit)
    if not families:
        raise AssetNotFoundError(
            f"search finds no asset named {asset}; it lags behind what is written: try again, or give the qualifiedName"
        )
    if len(families) > 1:
        names = "\n  ".join(sorted(str(hit.ref.qualified_name) for hits in families.values() for hit in hits))
        raise AmbiguousAssetError(f"{asset} is not the name of one asset; say which by its qualifiedName:\n  {names}")
    family, members = next(iter(families.items()))
    if version:
        found = catalog.find([QualifiedName(f"{family}{version}")])
        if not found:
            raise AssetNotFoundError(f"the catalog has no version {version} of {name}")
        return next(iter(found.values()))
    return _newest(catalog, family, max(members, key=_version_order))


def family_of(asset: Asset) -> str:
    """Return what the qualifiedNames of an asset's versions have in common; "" for an asset that has no version."""
    name, _, version = asset.name.rpartition(":")
    return asset.qualified_name.removesuffix(version) if name and asset.qualified_name.endswith(version) else ""


def list_versions(catalog: Search, asset: Asset) -> tuple[Found, ...]:
    """Return the versions of an asset that the search index has, itself included, newest first."""
    if not (family := family_of(asset)):
        return ()
    name = asset.name.rpartition(":")[0]
    hits = (hit for hit in catalog.search(name, limit=_SIBLINGS) if _family(hit) == family)
    return tuple(sorted(hits, key=_version_order, reverse=True))


def _family(hit: Found) -> str:
    """Return what the qualifiedNames of an asset's versions have in common."""
    version = hit.name.rpartition(":")[2] if ":" in hit.name else ""
    return hit.ref.qualified_name.removesuffix(version)


def _newest(catalog: Search, family: str, hit: Found) -> Found:
    """Look past what search knows: it lags, and the next versions can be asked for by name."""
    version = hit.name.rpartition(":")[2]
    if family == hit.ref.qualified_name or not version.isdecimal():
        return hit
    names = [QualifiedName(f"{family}{int(version) + step}") for step in range(1, _VERSIONS_AHEAD + 1)]
    found = catalog.find(names)
    newer = [found[name] for name in names if name in found]
    return newer[-1] if newer else hit


def _version_order(hit: Found) -> tuple[bool, int, str]:
    """Put numbered versions in the order of their numbers, after those that have names."""
    version = hit.name.rpartition(":")[2]
    return version.isdecimal(), int(version) if version.isdecimal() else 0, version
