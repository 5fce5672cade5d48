"""A URL of data, normalised as Purview normalises it, its place, and the contract of a platform that names it."""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from itertools import chain, product
from math import prod
from typing import ClassVar, Self
from urllib.parse import unquote

from shared.catalog.entities import Ref
from shared.catalog.kinds import OTHER_DATA
from shared.catalog.qualified_names import QualifiedName
from shared.model import Location
from shared.places.datasets import DatasetName
from shared.redaction import QUERY, redact_place, redact_url

BELOW_ROOT = "//"
"""What stands between what holds folders, a container for instance, and the path below; no segment is empty."""
_SHARED_BY_ALL = frozenset({"azureml", "ExperimentRun", "LocalUpload", "UI"})
SPARK_PARTITIONS = "{SparkPartitions}"
"""What a scan has at the end of the name of a set of part files; they are in one folder."""
_PARAMETER = re.compile(
    r"\?(?:s(?:v|s|rt|p|e|t|pr|ig|r|i|ip|koid|ktid|kt|ke|ks|kv|aoid|uoid|cid|dd|es)|rsc[cdelt]|"
    r"(?:share)?snapshot|versionid|comp|restype|timeout|api-version)=",
    re.IGNORECASE,
)
"""What a query of Azure Storage begins with (Create a service SAS; Create a user delegation SAS; Get Blob)."""
GLOB = re.compile(r"[*?]|\{[^}]*,[^}]*\}")
"""A wildcard, or alternatives in braces (Hadoop, FileSystem.globStatus); braces without a comma are a name."""
_BRACES = re.compile(r"\{[^{}]*\}")
"""Alternatives in a glob; any of them may have led somewhere."""
_MANY = 50
"""Of more combinations of alternatives than that, any may lead anywhere."""
_EXTENSION = re.compile(r"\.[^./]*$")
"""What the path of a file has in lower case."""
_DEFAULT_PORTS = {"https": ":443", "http": ":80", "abfss": ":443", "abfs": ":443"}
_PRIVATE_LINK = ".privatelink."
"""A label that DNS puts into the names of private endpoints: the service behind it is the same."""
_ARTIFACTS = re.compile(r"(?:^|/)ExperimentRun/dcid\.(?P<run>[^/]+)(?P<rest>/.*)?$")
_GUID = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
_DEFAULT_OUTPUT = re.compile(r"^azureml/(?P<run>[^/]+)/(?P<output>[^/]+)(?:/|$)")
_PERCENT_ENCODED = re.compile(r"(?:%(?!7B|7D|2F|25)[0-9A-F]{2})+", re.IGNORECASE)
"""Braces stay encoded as Purview wants them; a slash and a percent sign would change what the name means."""


@dataclass(frozen=True, slots=True)
class Url:
    """
    Scheme and host in lower case, segments trimmed and none empty, no query, no user.

    Attributes:
        text: what it was read from.
        host: with the port, if one is given.
        glob: the segments from the first one with a wildcard or with alternatives on; the URL ends before them, in a
            folder.
    """

    text: str
    scheme: str = ""
    host: str = ""
    segments: tuple[str, ...] = ()
    is_folder: bool = False
    glob: str = ""

    @classmethod
    def of(cls, location: Location) -> Self:
        """
        >>> Url.of(Location("HTTPS://Acct.dfs.core.windows.net/fs//raw/ *.csv")).segments
        ('fs', 'raw')
        """
        scheme, separator, rest = location.url.partition("://")
        if not separator:
            return cls(location.url, is_folder=location.is_folder)
        host, _, path = QUERY.sub("", rest).partition("/")
        segments = [segment.strip() for segment in path.split("/") if segment.strip()]
        wildcard = GLOB.search("/".join(segments))
        end = wildcard.string.count("/", 0, wildcard.start()) if wildcard else len(segments)
        glob = "/".join(segments[end:])
        return cls(
            location.url,
            scheme.lower(),
            host_of(scheme.lower(), host),
            tuple(segments[:end]),
            is_folder=location.is_folder or bool(glob),
            glob=glob,
        )

    @property
    def note(self) -> str:
        """Say what a glob was reduced to."""
        return f"the glob {self.glob} is reduced to the folder it is in" if self.glob else ""

    @property
    def hostname(self) -> str:
        return self.host.partition(":")[0]

    @property
    def port(self) -> str:
        return self.host.partition(":")[2]

    @property
    def run(self) -> str:
        """
        The id of the run that the path below the container carries; "" if it carries none.

        >>> Url.of(Location("https://a.blob.core.windows.net/c/azureml/cmd_1", is_folder=True)).run
        'cmd_1'
        """
        below = "/".join(self.segments[1:])
        # The folder around all outputs of a run has its id, too.
        return run_of_path(f"{below}/outputs" if self.is_folder and len(self.segments) == 3 else below) or ""

    @property
    def path(self) -> str:
        """
        The path as storage scanners write it: braces encoded, the extension of a file in lower case.

        Source: Purview, "Asset normalization"; literal braces are encoded so that they cannot look like replacers.

        >>> Url.of(Location("https://a.dfs.core.windows.net/fs/Raw/a{1}.CSV")).path
        'fs/Raw/a%7B1%7D.csv'
        """
        segments = list(self.segments)
        if segments and not self.is_folder:
            stem, dot, extension = segments[-1].rpartition(".")
            segments[-1] = f"{stem}.{extension.lower()}" if dot and stem else segments[-1]
        return "/".join(segments).replace("{", "%7B").replace("}", "%7D")


def host_of(scheme: str, authority: str) -> str:
    """
    Return the host, and the port if it is not the usual one, by which an authority is known to a scan.

    A private endpoint is reached by a name of its own, which leads to the same service.
    Source: Azure Private Endpoint, "Private DNS zone values".

    >>> host_of("https", "Acct.privatelink.dfs.core.windows.net:443"), host_of("mssql", "srv:1433")
    ('acct.dfs.core.windows.net', 'srv:1433')
    """
    host = authority.rpartition("@")[2].lower()
    return host.removesuffix(_DEFAULT_PORTS.get(scheme, "\0")).replace(_PRIVATE_LINK, ".", 1)


def run_of_path(path: str) -> str | None:
    """
    Return which run wrote a path in a datastore, where the path itself says so.

    Source: where azure-ai-ml puts an output by default (`azureml/${{name}}/{output}`), and run history artifacts.

    >>> run_of_path("ExperimentRun/dcid.cmd_1/outputs/model"), run_of_path("azureml/cmd_1/prepared/")
    ('cmd_1', 'cmd_1')
    >>> run_of_path("raw/loan.csv") is None
    True
    """
    match = _ARTIFACTS.search(path) or _DEFAULT_OUTPUT.match(path)
    return match["run"] if match else None


def carries(path: str, run_id: str) -> bool:
    """
    Whether the id of a run is a segment of a path, or a GUID in one.

    >>> carries("exp/train-1/a.csv", "train-1"), carries("exp/a.csv", "a")
    (True, False)
    """
    return run_id in path.split("/") or (_GUID.fullmatch(run_id) is not None and run_id in path)


def leads_to(
    glob: str, below: Sequence[str], *, is_folder: bool, fits: Callable[[str, str], bool] | None = None
) -> bool:
    """
    Whether a glob may lead to a path below its folder, into it if that is a folder, or to a folder that it is in.

    Of alternatives in braces each counts; brackets are what they are. `fits` says whether a segment may be what a
    pattern of one means, where segments are no names themselves.
    Source: azure-ai-docs, "Access data in a job" (patterns have `*` and `**`).

    >>> leads_to("*.csv", ["2026", "x.csv"], is_folder=False), leads_to("**/*.csv", ["2026"], is_folder=True)
    (False, True)
    >>> leads_to("data[1]*.CSV", ["data[1].csv"], is_folder=False), leads_to("*.Parquet", ["a.Parquet"], is_folder=True)
    (True, True)
    """
    # As it is written for folders, and as the paths of files are kept.
    patterns = (
        pattern
        for each in _alternatives(glob)
        for pattern in {each, _EXTENSION.sub(lambda extension: extension[0].lower(), each)}
    )
    return any(_is_led_to(each.split("/"), below, is_folder, fits or _is_name_of) for each in patterns)


def _alternatives(glob: str) -> list[str]:
    """
    >>> _alternatives("{a,b}/*.csv"), _alternatives("a_{N}.csv")
    (['a/*.csv', 'b/*.csv'], ['a_*.csv'])
    >>> _alternatives("{a,b{1,2}}")
    ['a', 'b1', 'a', 'b2']
    """
    choices = [found[0][1:-1].split(",") if "," in found[0] else ["*"] for found in _BRACES.finditer(glob)]
    if prod(map(len, choices)) > _MANY:
        choices = [["*"]] * len(choices)
    texts = _BRACES.split(glob)
    found = ["".join(chain(*zip(texts, (*chosen, ""), strict=True))) for chosen in product(*choices)]
    # What was in braces that are in braces.
    return [each for one in found for each in (_alternatives(one) if _BRACES.search(one) else [one])]


def _is_led_to(
    patterns: Sequence[str], segments: Sequence[str], is_folder: bool, fits: Callable[[str, str], bool]
) -> bool:
    reached = {0}
    for segment in segments:
        for index, pattern in enumerate(patterns):
            if pattern == "**" and index in reached:
                reached.add(index + 1)
        if len(patterns) in reached:
            return True
        found = (index for index in reached if patterns[index] == "**" or fits(segment, patterns[index]))
        reached = {index + (patterns[index] != "**") for index in found}
    return len(patterns) in reached or (is_folder and bool(reached))


def _is_name_of(segment: str, pattern: str) -> bool:
    return fnmatchcase(segment, pattern.replace("[", "[[]"))


def is_run_log(path: str) -> bool:
    """Whether a path is a run's whole artifact folder: logs and MLflow files, no data set."""
    match = _ARTIFACTS.search(path)
    return match is not None and (match["rest"] or "/") == "/"


def decode_braces(name: str) -> str:
    return name.replace("%7B", "{").replace("%7D", "}")


def path_variants(path: str) -> Iterator[tuple[str, str]]:
    """
    Yield a path as it is and, if percent signs or spaces leave a doubt, as the other side would write it, with why.

    Azure ML gives some paths percent-encoded (URLs) and others not (paths of datastores); what a scanner keeps of
    either is documented for braces alone.

    >>> list(path_variants("raw/a%20b.csv"))
    [('raw/a%20b.csv', ''), ('raw/a b.csv', 'percent-decoded')]
    """
    yield path, ""
    decoded = _PERCENT_ENCODED.sub(lambda match: unquote(match[0]), path)
    if decoded != path:
        yield decoded, "percent-decoded"
    elif " " in path:
        yield path.replace(" ", "%20"), "percent-encoded"


def without_query(path: str) -> str:
    """
    Cut the query off a path; a question mark without a name and `=` after it is part of a glob.

    Where that name is none of Azure Storage's, it may be a glob as well, so that anything may follow there.

    >>> without_query("raw/a.csv?sv=1&sig=x"), without_query("raw/part-??.csv")
    ('raw/a.csv', 'raw/part-??.csv')
    >>> without_query("raw/year=202?/month=1/x.csv")
    'raw/year=202?/month=1/x.csv'
    >>> without_query("raw/m?nth=1/x.csv")
    'raw/m*'
    """
    return QUERY.sub(lambda query: "" if _PARAMETER.match(query[0]) else "*", path)


def read_url(url: str, *, of_files: bool = False) -> Location:
    """
    Read a URL without user, query and fragment; a slash at the end marks a folder, and that of files may be a glob.

    >>> read_url("https://user:pw@host/path/?sig=x")
    Location(url='https://host/path', is_folder=True, run_id='', datastore=None)
    """
    url = redact_place(without_query(url)).partition("#")[0] if of_files else redact_url(url)
    return Location(url.rstrip("/"), is_folder=url.endswith("/"))


def by_extension(url: str) -> Location:
    """Read a URL of which no one says whether it is a folder: what has no extension is one, and a set of part files."""
    folder = url.removesuffix(f"/{SPARK_PARTITIONS}")
    return Location(folder, is_folder=folder != url or "." not in url.rstrip("/").rpartition("/")[2])


NOT_SCANNED = "placeholder: Purview scans no such place"


@dataclass(frozen=True, slots=True)
class Place:
    """
    Something to look up. `ref` is what it is known by, with its glob; the candidates are names, likeliest first.

    A place without candidates is not looked up: no one but us can have put it into the catalog.

    Attributes:
        exact: names of this very thing.
        resource_sets: names of the sets that a scan may have folded it into.
        rules: candidate → why it is tried, for people.
        scanned_types: the types a scanner would use, likeliest first; none if Purview scans no such place.
        unfound: why there is only a placeholder, if it comes to that.
        set_roots: how the names begin of the sets of files that may hold it, whatever they replace; none if no scan of
            such a place makes sets.
        run_ids: ids of runs that its path carries.
        path: where it lies, however its host is written: account and container, `//`, and the path below; "" for what
            lies in no folder.
        glob: what was cut off the end of the path, if that had wildcards or alternatives.
    """

    ref: Ref
    exact: tuple[QualifiedName, ...] = ()
    resource_sets: tuple[QualifiedName, ...] = ()
    rules: Mapping[QualifiedName, str] = field(default_factory=dict, compare=False)
    scanned_types: tuple[str, ...] = ()
    unfound: str = ""
    platform: str = ""
    is_folder: bool = False
    path: str = field(default="", compare=False)
    glob: str = field(default="", compare=False)
    set_roots: tuple[str, ...] = field(default=(), compare=False)
    run_ids: frozenset[str] = field(default=frozenset(), compare=False)

    @property
    def own(self) -> Ref:
        """What we would create: of a glob, the folder it is in."""
        name = self.ref.qualified_name.removesuffix(f"/{self.glob}") if self.glob else self.ref.qualified_name
        return Ref(self.ref.type_name, QualifiedName(name))

    @property
    def names(self) -> frozenset[str]:
        """Every name that a catalog may have for this very thing, without a slash at the end."""
        return frozenset(name.rstrip("/") for name in (*self.exact, self.own.qualified_name))

    def may_be_in(self, resource_set: QualifiedName) -> bool:
        """Whether a set keeps the ids of runs apart that the path carries; else it is of what every run wrote there."""
        return all(carries(resource_set, run_id) for run_id in self.run_ids)

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
        has_files: whether its URLs lead to files, so that they may be globs.
    """

    platform: str
    has_files: ClassVar[bool] = False

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
        return read_url(uri.text, of_files=self.has_files) if self.takes(uri) else None

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
        root: tuple[str, int] | None = None,
        exact: Iterable[tuple[str, str]] = (),
        resource_sets: Iterable[tuple[str, str]] = (),
        set_roots: Iterable[str] = (),
    ) -> Place:
        """
        Make a place of what a scanner would write.

        Args:
            types: the types a scanner would use, likeliest first.
            stands_alone: whether Purview takes such an entity without its parents, so that we may write one ourselves.
            root: what holds the folders of the place and is none itself: a name, and how many segments belong to it.
            set_roots: how the names of sets begin that a scan may have folded it into.
            exact, resource_sets: names under which a scan may hold the data, likeliest first, and why each is tried.
        """
        known_by = f"{name}/{url.glob}" if url.glob else name
        ref = Ref(types[0] if types and stands_alone else OTHER_DATA, QualifiedName(known_by))
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
            path=_path_below(root, url) if root else "",
            glob=url.glob,
            set_roots=tuple(set_roots),
            run_ids=frozenset(filter(None, [url.run])),
        )


def _path_below(root: tuple[str, int], url: Url) -> str:
    name, depth = root
    below = url.path.split("/")[depth:] if url.path else []
    return "/".join((name, *url.segments[:depth])) + BELOW_ROOT + "/".join(below) if below else ""


def folders_above(path: str) -> tuple[str, ...]:
    """
    List the folders that a path lies in, the innermost first; what holds them all is none of them.

    >>> folders_above("lake.core.windows.net/fs//raw/2026/a.csv")
    ('lake.core.windows.net/fs//raw/2026', 'lake.core.windows.net/fs//raw')

    Azure ML's own folders, in which every run of a workspace writes, say nothing of what is in them.

    >>> folders_above("lake.core.windows.net/fs//azureml/cmd_1/out")
    ('lake.core.windows.net/fs//azureml/cmd_1',)
    """
    root, _, below = path.partition(BELOW_ROOT)
    segments = below.split("/")
    above = ("/".join(segments[:end]) for end in range(len(segments) - 1, 0, -1))
    return tuple(f"{root}{BELOW_ROOT}{folder}" for folder in above if folder not in _SHARED_BY_ALL)


def noted(rule: str, url: Url) -> str:
    """Add to a reason what of the URL had to be given up to arrive at a name."""
    return f"{rule} ({url.note})" if url.note else rule
