"""What data is classified as, by itself or by one of its columns, and what that makes of everything made of it."""

from collections.abc import Callable, Collection, Iterable, Mapping

from shared.catalog.kinds import SCHEMA_ATTRIBUTE
from shared.purview.reader import INPUT, Asset, LineageReader

Read = Callable[[Collection[str]], Mapping[str, Asset]]
"""Reads whole entities by guid."""


def classifications_of(assets: Iterable[Asset], read: Read) -> dict[str, tuple[str, ...]]:
    """
    Return the names of the classifications that data has, those of its columns included, by guid.

    A table has columns, a file a schema that has them; what is not classified is left out.
    """
    listed = list(assets)
    schemas = read({each.guid for asset in listed for each in asset.related.get(SCHEMA_ATTRIBUTE, ())})
    columns_of = {
        asset.guid: {
            each.guid
            for holder in (
                asset,
                *(schemas[one.guid] for one in asset.related.get(SCHEMA_ATTRIBUTE, ()) if one.guid in schemas),
            )
            for each in holder.related.get("columns", ())
        }
        for asset in listed
    }
    columns = read({guid for guids in columns_of.values() for guid in guids})
    found = {
        asset.guid: {
            *asset.classifications,
            *(name for guid in columns_of[asset.guid] if guid in columns for name in columns[guid].classifications),
        }
        for asset in listed
    }
    return {guid: tuple(sorted(names)) for guid, names in found.items() if names}


def classifications_above(reader: LineageReader, guid: str) -> frozenset[str]:
    """Return the classifications of an entity and of all that one request for lineage finds upstream of it."""
    lineage = reader.get_lineage(guid, INPUT)
    assets = reader.get_assets(sorted({guid, *lineage.assets}))
    found = classifications_of(assets.values(), lambda guids: reader.get_assets(sorted(guids)))
    return frozenset(name for names in found.values() for name in names)
