"""Asks the catalog which places a scan has found, past the stand-ins of ours that may hide them."""

from collections.abc import Iterable, Mapping

from shared.catalog.assets import UNRESOLVED, UNSCANNED
from shared.catalog.entities import Ref
from shared.catalog.kinds import OTHER_DATA
from shared.catalog.qualified_names import QualifiedName
from shared.places.matching import Place
from shared.ports import Catalog, Found


def find_scanned(
    catalog: Catalog, places: Iterable[Place], *, others: Iterable[QualifiedName] = ()
) -> tuple[Mapping[QualifiedName, Found], Mapping[QualifiedName, Ref]]:
    """
    Look up all names of some places, and names of other things along with them.

    One name may stand for two entities, a stand-in of ours and what a scan made under its own type; a look-up by the
    supertype gives either. So names under which it gives a stand-in are looked up by the types of a scan too, which
    costs a request a type, and nothing where no stand-in is in the catalog.

    Returns:
        What the catalog has under each name, and which of that a scan has put there.
    """
    wanted = list(places)
    names = [name for place in wanted for name in (*place.exact, *place.resource_sets)]
    found = catalog.find(sorted({*names, *others}))
    hidden: dict[str, set[QualifiedName]] = {}
    for place in wanted:
        for type_name in place.scanned_types:
            hidden.setdefault(type_name, set()).update(
                name for name in place.exact if name in found and found[name].ref.type_name == OTHER_DATA
            )
    scanned = {name: item.ref for name, item in found.items() if is_scanned(item)}
    for name in set().union(*hidden.values()):
        scanned.pop(name, None)  # no scanner writes this type, whatever has become of the label
    for type_name, behind in sorted(hidden.items()):
        if behind:
            for name, item in catalog.find(sorted(behind), type_name=type_name).items():
                scanned.setdefault(name, item.ref)
    return found, scanned


def is_scanned(found: Found) -> bool:
    """Whether an entity is somebody else's, or has become so; our own placeholders are ours to write."""
    return found.touched or not {UNSCANNED, UNRESOLVED} & set(found.labels)
