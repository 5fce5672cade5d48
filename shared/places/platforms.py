"""The table of platforms, and what it says of data: read a URI, name a place, to OpenLineage and back, its origin."""

import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from shared.catalog.qualified_names import QualifiedName
from shared.model import AssetId, DataAsset, Location, ModelVersion, Port, Run, WorkspaceId
from shared.places.databricks import DATABRICKS
from shared.places.datasets import DatasetName, path_name
from shared.places.fabric import FABRIC
from shared.places.place import GLOB, Place, Platform, Url, by_extension, leads_to, noted, read_url
from shared.places.sql import DATABASES
from shared.places.storage import STORAGE
from shared.redaction import redact_url

NO_URI = "atlas"
"""OpenLineage's namespace of the few names in a catalog that are not URIs."""
_READ = re.compile(r"(?:https?|mysql(?:\+\w+)?|databricks)://.+", re.IGNORECASE)
_URI = re.compile(
    r"(azureml://subscriptions/[^/]+/resourcegroups/[^/]+/workspaces/[^/]+|azureml://registries/[^/]+"
    r"|[A-Za-z][A-Za-z0-9+.-]*://[^/]*)(.*)",
    re.DOTALL,
)
"""A namespace, which of our own names is the workspace or the registry, and what follows it."""
_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_NAMESPACE = re.compile(r"[a-z][a-z0-9+.-]*://[^/]+(?:/.*)?", re.IGNORECASE)
_CONTAINERS = ("abfs", "abfss", "wasb", "wasbs")
"""Schemes whose authority is a container and a host; without both the place is not known."""
_LOCAL = frozenset({"file", "dbfs"})
"""Schemes of places that mean something on one machine or in one workspace only."""


@dataclass(frozen=True, slots=True)
class Elsewhere(Platform):
    """A place that Purview does not scan: a public URL, a datastore of an unknown kind."""

    platform: str = "elsewhere"

    def takes(self, url: Url) -> bool:
        return True

    def read(self, uri: Url) -> Location | None:
        return read_url(uri.text) if _READ.fullmatch(uri.text) else None

    def names(self, url: Url) -> Place:
        name = f"{url.scheme}://{url.host}" + (f"/{url.path}" if url.path else "") if url.scheme else url.text
        return self.place(url, name, is_folder=url.is_folder)

    def origin(self, url: Url) -> Location | None:
        return None

    def to_openlineage(self, name: QualifiedName) -> DatasetName | None:
        """Name what no convention is about: scheme and authority, then the path, as they ask for in general."""
        uri = _URI.fullmatch(name)
        return DatasetName(uri[1], path_name(uri[2])) if uri else DatasetName(NO_URI, name)

    def from_openlineage(self, dataset: DatasetName) -> Location | None:
        """Go back, except from an asset of Azure ML, and from what means something on one machine only."""
        if not _NAMESPACE.fullmatch(dataset.namespace) or dataset.scheme in ("azureml", *_CONTAINERS, *_LOCAL):
            return None
        return by_extension(redact_url(f"{dataset.scheme}://{dataset.source}/{dataset.name.lstrip('/')}"))


PLATFORMS: tuple[Platform, ...] = (*STORAGE, *DATABASES, *DATABRICKS, *FABRIC, Elsewhere())
"""The first that takes a place names it, and the first that has an answer gives it."""


_REMEMBERED = 10_000
"""Locations that are named once: a plan asks for the places of a run many times."""


def read(uri: str) -> Location | None:
    """
    Read a URI that Azure ML or a user gives for data; None if it names no place.

    >>> read("abfss://fs@acct.dfs.core.windows.net/raw/a.csv").url
    'https://acct.dfs.core.windows.net/fs/raw/a.csv'
    >>> read("jdbc:sqlserver://srv.database.windows.net:1433;database=db;user=me;password=pw").url
    'mssql://srv.database.windows.net:1433/db'
    """
    url = Url.of(Location(uri))
    return next((location for platform in PLATFORMS if (location := platform.read(url))), None)


def place_of(location: Location, *, own_runs: Collection[str] = ()) -> Place:
    """
    Return what a scanner calls a place, and under which names to look it up.

    What one of `own_runs` wrote below its own id is not looked up: no scan was there before the run ended.

    >>> place_of(Location("https://Acct.dfs.core.windows.net/fs/Raw//a{1}.CSV")).ref.qualified_name
    'https://acct.dfs.core.windows.net/fs/Raw/a%7B1%7D.csv'
    >>> place_of(Location("https://a.dfs.core.windows.net/fs/x", run_id="r"), own_runs=["r"]).exact
    ()
    """
    url, place = _named(location)
    if own_runs and place.path and (carried := _run_ids_in(url.segments, own_runs)):
        place = replace(place, run_ids=place.run_ids | carried)
    if location.run_id not in own_runs:
        return place
    unfound = noted("placeholder: its run wrote it just now, no scan has been there", url)
    return replace(place, exact=(), resource_sets=(), set_roots=(), rules={}, unfound=unfound)


@lru_cache(maxsize=_REMEMBERED)
def _named(location: Location) -> tuple[Url, Place]:
    url = Url.of(location)
    return url, _taking(url).names(url)


def _run_ids_in(segments: Iterable[str], run_ids: Collection[str]) -> frozenset[str]:
    """Return those of many ids that are segments, or GUIDs in one."""
    words = (word for segment in segments for word in (segment, *_GUID.findall(segment)))
    return frozenset(word for word in words if word in run_ids)


def place_named(name: QualifiedName, *, is_folder: bool) -> Place:
    """Return how to look up a place by the name that it has; whether it is a folder is not in the name."""
    return place_of(replace(origin(name) or Location(name), is_folder=is_folder))


def segments_of(location: Location) -> tuple[str, ...]:
    """
    Return the segments of a place, however its host is written; those of a glob, if it ends in one, are the last.

    >>> segments_of(Location("https://a.blob.core.windows.net:443/c/x/A.CSV"))
    ('a.core.windows.net', 'c', '', 'x', 'A.CSV')
    """
    inside = place_of(Location(f"{location.url.rstrip('/')}/_"))  # what holds all folders has no path itself
    path = inside.path or inside.own.qualified_name
    return tuple("/".join(filter(None, (path, inside.glob))).split("/")[:-1])


def holds(folder: Location, inner: Location) -> bool:
    """Whether a place is a folder, or something inside it."""
    above = segments_of(folder)
    return segments_of(inner)[: len(above)] == above


@dataclass(frozen=True, slots=True)
class ModelFiles:
    """
    Where the files of a model version are.

    Attributes:
        workspace: whose it is.
        locate: says where the files of another one are, that a workspace names.
    """

    workspace: WorkspaceId
    model: AssetId
    location: Location
    locate: Callable[[WorkspaceId, ModelVersion], Location | None]

    def is_named_by(self, port: Port, at_hand: WorkspaceId) -> bool:
        """Whether a run of a workspace names this model version, and not another one that is called the same."""
        if not isinstance(port.data, ModelVersion) or port.data.id != self.model:
            return False
        return bool(self.model.registry) or _home_of(port.data, at_hand) == self.workspace

    def are_only_read_by(self, run: Run, at_hand: WorkspaceId) -> bool:
        """
        Whether a run of a workspace read them and wrote a folder around them, which is not how it made them.

        It may have read another model version that has the same files, or by a glob that leads to them.
        """
        if any(self.is_named_by(port, at_hand) for port in run.inputs):
            return True
        files = segments_of(self.location)
        depths = [self._depth_read(place, files) for port in run.inputs for place in self._places_of(port, at_hand)]
        wrote = [
            len(place)
            for port in run.outputs
            for place in self._places_of(port, at_hand)
            if place == files[: len(place)]
        ]
        return bool(wrote) and max(wrote) < min(len(files), max(depths, default=0))

    def _places_of(self, port: Port, at_hand: WorkspaceId) -> Iterator[tuple[str, ...]]:
        match port.data:
            case Location() as location:
                yield segments_of(location)
            case DataAsset(location=Location() as location):
                yield segments_of(location)
            case ModelVersion(uri=uri) as model if uri:
                if there := self.locate(_home_of(model, at_hand), model):
                    yield segments_of(there)

    def _depth_read(self, place: tuple[str, ...], files: tuple[str, ...]) -> int:
        """Return how deep a place lies that is around these files, among them, or leads to them; else 0."""
        start = next((index for index, each in enumerate(place) if GLOB.search(each)), None)
        if start is None:
            return len(place) if all(one == other for one, other in zip(place, files, strict=False)) else 0
        folder, glob, below = place[:start], place[start:], files[start:]
        if folder[: len(files)] == files:
            return len(folder)
        if folder != files[:start] or not leads_to("/".join(glob), below, is_folder=True):
            return 0
        # A star at the end is all there is; two of them are any number of folders.
        while glob and not glob[-1].strip("*"):
            glob = glob[:-1]
        return start + sum(each != "**" for each in glob)


def _home_of(model: ModelVersion, at_hand: WorkspaceId) -> WorkspaceId:
    return model.workspace.id if model.workspace else at_hand


def names_of(location: Location) -> frozenset[str]:
    """
    Return every name that a scanner may have for a place, whether that is a file or a folder.

    >>> sorted(names_of(Location("https://a.dfs.core.windows.net/fs/x/")))
    ['https://a.blob.core.windows.net/fs/x', 'https://a.dfs.core.windows.net/fs/x']
    """
    return place_of(location).names | place_of(replace(location, is_folder=True)).names


def origin(name: QualifiedName) -> Location | None:
    """
    Go back from a name that a scanner may have written to the place; None where that is not defined.

    >>> origin(QualifiedName("https://a.dfs.core.windows.net/fs/raw/{SparkPartitions}")).url
    'https://a.dfs.core.windows.net/fs/raw'
    """
    url = Url.of(Location(name))
    return _taking(url).origin(url)


def to_openlineage(name: QualifiedName) -> DatasetName:
    """
    Name an entity of the catalog as the naming conventions of OpenLineage have it; no two share a name.

    Spec: https://openlineage.io/docs/spec/naming

    >>> to_openlineage(QualifiedName("https://lake.dfs.core.windows.net/fs/raw/loan.csv"))
    DatasetName(namespace='abfss://fs@lake.dfs.core.windows.net', name='raw/loan.csv')
    >>> to_openlineage(QualifiedName("mssql://sql.database.windows.net/credit/dbo/loan"))
    DatasetName(namespace='sqlserver://sql.database.windows.net:1433', name='credit.dbo.loan')
    """
    return next(dataset for platform in PLATFORMS if (dataset := platform.to_openlineage(name)))


def from_openlineage(dataset: DatasetName) -> Location | None:
    """
    Place data that OpenLineage names; None if that is an asset of Azure ML, or means something on one machine only.

    >>> from_openlineage(DatasetName("sqlserver://sql.database.windows.net:1433", "credit.dbo.loan")).url
    'mssql://sql.database.windows.net:1433/credit/dbo/loan'
    """
    return next((location for platform in PLATFORMS if (location := platform.from_openlineage(dataset))), None)


def _taking(url: Url) -> Platform:
    return next(platform for platform in PLATFORMS if platform.takes(url))
