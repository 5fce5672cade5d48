"""Reads everything connected to an asset as the entities that a publication writes, for whoever translates those."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from questions.walk import Walker
from shared.catalog.entities import Entity, Ref
from shared.catalog.kinds import SCHEMA_ATTRIBUTE
from shared.catalog.qualified_names import QualifiedName
from shared.purview.reader import Asset

_DESCRIBING = (SCHEMA_ATTRIBUTE, "columns", "package", "experiment")
"""Relationships that lead from what takes part in lineage to what describes it."""
_PARENTS = ("experiment", SCHEMA_ATTRIBUTE, "composeSchema", "packages")


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
    Read whatever data flows to or from an asset by way of any process: also the other inputs of a run.

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
