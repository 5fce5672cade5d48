"""What a platform says of some data: the name and types a scanner uses, and other names it may be found under."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from shared.catalog.entities import Ref
from shared.catalog.kinds import OTHER_DATA
from shared.catalog.qualified_names import QualifiedName
from shared.model import Location
from shared.places.datasets import DatasetName
from shared.places.urls import Url, read_url

NOT_SCANNED = "placeholder: Purview scans no such place"


@dataclass(frozen=True, slots=True)
class Place:
    """
    Something to look up. `ref` is what we would create; the candidates are names, likeliest first.

    A place without candidates is not looked up: no one but us can have put it into the catalog.

    Attributes:
        exact: names of this very thing.
        resource_sets: names of the sets that a scan may have folded it into.
        rules: candidate → why it is tried, for people.
        scanned_types: the types a scanner would use, likeliest first; none if Purview scans no such place.
        unfound: why there is only a placeholder, if it comes to that.
    """

    ref: Ref
    exact: tuple[QualifiedName, ...] = ()
    resource_sets: tuple[QualifiedName, ...] = ()
    rules: Mapping[QualifiedName, str] = field(default_factory=dict, compare=False)
    scanned_types: tuple[str, ...] = ()
    unfound: str = ""
    platform: str = ""
    is_folder: bool = False

    @property
    def names(self) -> frozenset[str]:
        """Every name that a catalog may have for this very thing, without a slash at the end."""
        return frozenset(name.rstrip("/") for name in (*self.exact, self.ref.qualified_name))

    @property
    def hidden_types(self) -> tuple[str, ...]:
        """The types of a scan, where we create another: both may then exist under one name."""
        return self.scanned_types if self.ref.type_name == OTHER_DATA else ()


@dataclass(frozen=True, slots=True)
class Platform(ABC):
    """
    What one platform calls its data: in URIs, in a scan, in OpenLineage. It is listed in `platforms.PLATFORMS`.

    Attributes:
        platform: its name, for people.
    """

    platform: str

    @abstractmethod
    def takes(self, url: Url) -> bool:
        """Whether this platform is the one that the URL leads to."""

    @abstractmethod
    def names(self, url: Url) -> Place:
        """Name what is stored at a URL that the platform takes; also one that is a qualifiedName of the platform."""

    def origin(self, url: Url) -> Location | None:
        """Go back from a qualifiedName to the place it names; None where the name does not say."""
        return Location(url.text)

    def read(self, uri: Url) -> Location | None:
        """Read what Azure ML or a user gives; None if it is not of this platform."""
        return read_url(uri.text) if self.takes(uri) else None

    def to_openlineage(self, name: QualifiedName) -> DatasetName | None:
        """Name an entity as OpenLineage does; None where its conventions have nothing special for it."""
        return None

    def from_openlineage(self, dataset: DatasetName) -> Location | None:
        """Go back; None from a name that is not one of those above."""
        return None

    def place(
        self,
        url: Url,
        name: str,
        *,
        types: tuple[str, ...] = (),
        stands_alone: bool = False,
        is_folder: bool = False,
        exact: Iterable[tuple[str, str]] = (),
        resource_sets: Iterable[tuple[str, str]] = (),
    ) -> Place:
        """
        Make a place of what a scanner would write.

        Args:
            types: the types a scanner would use, likeliest first.
            stands_alone: whether Purview takes such an entity without its parents, so that we may write one ourselves.
            exact, resource_sets: names under which a scan may hold the data, likeliest first, and why each is tried.
        """
        ref = Ref(types[0] if types and stands_alone else OTHER_DATA, QualifiedName(name))
        very, sets = ({QualifiedName(each): rule for each, rule in names} for names in (exact, resource_sets))
        unfound = f"placeholder: nothing scanned under {name}" if very else NOT_SCANNED
        if very and types and not stands_alone:
            unfound += f"; it is a {OTHER_DATA}, since only a scan can write the type {types[0]}"
        return Place(
            ref,
            exact=tuple(very),
            resource_sets=tuple(sets),
            rules={each: noted(rule, url) for each, rule in {**sets, **very}.items()},
            scanned_types=types,
            unfound=noted(unfound, url),
            platform=self.platform,
            is_folder=is_folder,
        )


def noted(rule: str, url: Url) -> str:
    """Add to a reason what of the URL had to be given up to arrive at a name."""
    return f"{rule} ({url.note})" if url.note else rule
