"""What a naming rule says of some data: the name and types a scanner uses, and other names it may be found under."""

from dataclasses import dataclass
from typing import Protocol

from shared.catalog.kinds import OTHER_DATA
from shared.catalog.qualified_names import QualifiedName
from shared.model import Location
from shared.places.address import Address


@dataclass(frozen=True, slots=True)
class Candidate:
    """A name under which a scan may hold the data, and why it is tried; the reason is for people."""

    name: QualifiedName
    rule: str


@dataclass(frozen=True, slots=True)
class Names:
    """
    Everything a catalog may call some data.

    Attributes:
        qualified_name: what a scanner would write.
        scanned_types: the types a scanner would use, likeliest first; none if Purview scans no such place.
        stands_alone: whether Purview takes such an entity without its parents, so that we may write one ourselves.
        exact: names of this very thing, likeliest first; none if there is nothing to look for.
        resource_sets: names of the sets that a scan may have folded it into.
        note: what of the address had to be given up to arrive at a name.
    """

    platform: str
    qualified_name: QualifiedName
    scanned_types: tuple[str, ...] = ()
    stands_alone: bool = False
    is_folder: bool = False
    exact: tuple[Candidate, ...] = ()
    resource_sets: tuple[Candidate, ...] = ()
    note: str = ""

    @property
    def type_name(self) -> str:
        """The type of the entity that we write where no scan has been."""
        return self.scanned_types[0] if self.scanned_types and self.stands_alone else OTHER_DATA


class NamingRule(Protocol):
    """The naming of one platform."""

    @property
    def platform(self) -> str: ...

    def takes(self, address: Address) -> bool:
        """Whether this platform is the one that the address leads to."""
        ...

    def name(self, address: Address) -> Names:
        """Name what lies at an address that the rule takes; also one that is a qualifiedName of the platform."""
        ...

    def origin(self, address: Address) -> Location | None:
        """Go back from a qualifiedName to the place it names; None where the name does not say."""
        ...
