"""What lies downstream of data outside Azure ML: the Power BI datasets fed from it, and the reports on those."""

from collections.abc import Iterator
from dataclasses import dataclass, field

from shared.model import AssetId, Location, WorkspaceId
from shared.places.platforms import place_of


@dataclass(frozen=True, slots=True)
class Feed:
    """
    A Power BI dataset that is fed from some data, and the report on it, if any, by URL.

    Attributes:
        dataset_field, report_field: what says so, for people.
    """

    dataset: str
    report: str
    dataset_field: str
    report_field: str


@dataclass(frozen=True, slots=True)
class DownstreamEntry:
    """
    One line of a mapping: all versions of a data asset, or a place and all below it, feed a dataset.

    Attributes:
        asset: name of a registered data asset; "" where a place is meant.
        workspace: the only workspace whose asset is meant; None for any.
        names: every name that a scanner may have for the place.
    """

    feed: Feed
    asset: str = ""
    workspace: WorkspaceId | None = None
    names: frozenset[str] = field(default_factory=frozenset)

    def takes_asset(self, workspace: WorkspaceId, asset: AssetId) -> bool:
        if self.asset != asset.name:
            return False
        return self.workspace is None or (self.workspace == workspace and not asset.registry)

    def takes_place(self, names: frozenset[str]) -> bool:
        """Whether one of the names is a name of the place, or lies below one."""
        return any(name == place or name.startswith(f"{place}/") for name in names for place in self.names)


@dataclass(frozen=True, slots=True)
class Downstream:
    """A mapping from data to Power BI that somebody wrote down, in its order."""

    entries: tuple[DownstreamEntry, ...] = ()

    def of_asset(self, workspace: WorkspaceId, asset: AssetId) -> Iterator[Feed]:
        """Yield what a version of a data asset, seen from a workspace, feeds."""
        for entry in self.entries:
            if entry.takes_asset(workspace, asset):
                yield entry.feed

    def of_location(self, location: Location) -> Iterator[Feed]:
        """Yield what a place feeds."""
        names = place_of(location).names if self.entries else frozenset()
        for entry in self.entries:
            if entry.takes_place(names):
                yield entry.feed


NOTHING = Downstream()
