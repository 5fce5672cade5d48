"""Azure Storage: files and folders in ADLS Gen2, Blob, Files, and ADLS Gen1."""

import re
import string
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache, lru_cache
from itertools import zip_longest
from typing import ClassVar

from shared.catalog.kinds import (
    ADLS_FILESYSTEM,
    ADLS_PATH,
    ADLS_SERVICE,
    AZURE_FILE,
    BLOB_CONTAINER,
    BLOB_PATH,
    BLOB_SERVICE,
    FILE_DIRECTORY,
    FILE_SERVICE,
    FILE_SHARE,
)
from shared.catalog.qualified_names import QualifiedName
from shared.model import Location
from shared.places.datasets import DatasetName, path_name
from shared.places.place import (
    BELOW_ROOT,
    SPARK_PARTITIONS,
    Place,
    Platform,
    Url,
    by_extension,
    decode_braces,
    leads_to,
    path_variants,
    without_query,
)

_HOST = re.compile(r"^[^.]+\.(?:[^.]+\.)?(?P<service>dfs|blob|file)\.(?:core|storage)\.")
"""An account of Azure Storage, in any cloud, with or without a DNS zone; OneLake's host is not one."""
_SECONDARY = re.compile(r"^([a-z0-9]+)-secondary(?=\.)")
"""The copy of an account that may be read only; no name of an account has a hyphen."""
_CONTAINER = re.compile(
    r"(?:abfss?|wasbs?)://(?P<container>[^@/:]+)@(?P<host>[^/@]+)(?:/(?P<path>.*))?", re.IGNORECASE | re.DOTALL
)
_PART_FILE = re.compile(r"^part-\d+")
_NUMBER = re.compile(r"^\d+$")
_GUID = re.compile(r"^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$", re.IGNORECASE)
_REPLACED = {
    "SparkPartitions": r"part-\d.*",
    "GUID": r"[0-9A-Fa-f]{8}(?:-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}",
    "N": r"\d+",
    "Year": r"\d{4}",
    "Month": r"\d{1,2}",
    "Day": r"\d{1,2}",
    "Hour": r"\d{1,2}",
    "Minute": r"\d{1,2}",
    "Second": r"\d{1,2}",
    "HEX": r"[0-9A-Fa-f]{4}",
    "LOC": r"[A-Za-z]{2,3}(?:[-_][A-Za-z0-9]{2,8})*",
}
"""What a replacer in the name of a set stands for. Of dates, which forms there are is not documented."""
_REPLACERS = re.compile(rf"\{{(?:{'|'.join(_REPLACED)})\}}")
_Characters = tuple[frozenset[str] | None, bool]
"""One of some characters, or any; or else any number of them."""
_DIGITS, _HEX, _WORDS = ("0123456789", string.hexdigits, f"{string.ascii_letters}{string.digits}-_")
_SHAPES: dict[str, tuple[_Characters, ...]] = {
    "SparkPartitions": (*((frozenset(each), False) for each in ("p", "a", "r", "t", "-", _DIGITS)), (None, True)),
    "GUID": tuple((frozenset("-" if index in (8, 13, 18, 23) else _HEX), False) for index in range(36)),
    "Year": ((frozenset(_DIGITS), False),) * 4,
    "HEX": ((frozenset(_HEX), False),) * 4,
    "LOC": (*((frozenset(string.ascii_letters), False),) * 2, (frozenset(_WORDS), True)),
}
"""Where it takes more than a number to say which names a replacer stands for; no name is left out."""
_NUMBER_SHAPE: tuple[_Characters, ...] = ((frozenset(_DIGITS), False), (frozenset(_DIGITS), True))


@dataclass(frozen=True, slots=True)
class AzureStorage(Platform):
    """
    One service of Azure Storage.

    Attributes:
        types: what a scan makes of an account, of a container, of a folder and of a file.
        driver: the scheme of the Hadoop driver for it, by which OpenLineage knows the data.
        other: the service under which the same account may have been scanned instead.
        stands_alone: whether files and folders may be written without their parents.
    """

    service: str
    types: tuple[str, str, str, str]
    driver: str = ""
    other: str = ""
    stands_alone: bool = False
    has_files: ClassVar[bool] = True

    def takes(self, url: Url) -> bool:
        match = _HOST.match(url.host)
        return match is not None and match["service"] == self.service and url.scheme in ("http", "https")

    def read(self, uri: Url) -> Location | None:
        """Read a URL of the service, or the form of the Hadoop drivers, whose host is any that they reach."""
        if match := _CONTAINER.fullmatch(uri.text):
            path = without_query(match["path"] or "")
            url = f"https://{match['host']}/{match['container']}/{path}"
            return Location(url.rstrip("/"), is_folder=url.endswith("/"))
        return Platform.read(self, uri)

    def names(self, url: Url) -> Place:
        url = replace(url, host=_SECONDARY.sub(r"\1", url.host))
        depth = min(len(url.segments), 2)
        return self.place(
            url,
            _url(url.host, url.path),
            # A scan knows files from folders; where Azure ML could not, the other type is as good a candidate.
            types=self.types[depth : depth + 1] if depth < 2 else self._types_of_path(url),
            stands_alone=self.stands_alone and depth == 2,
            is_folder=url.is_folder,
            root=(url.host.replace(f".{self.service}.", ".", 1) if self.other else url.host, 1),
            exact=self._exact(url, depth),
            resource_sets=self._resource_sets(url),
            set_roots=(f"{_url(host, url.segments[0])}/" for host, _ in self._hosts(url, ""))
            if depth == 2 or (depth and url.glob)
            else (),
        )

    def origin(self, url: Url) -> Location | None:
        *folders, last = url.text.removesuffix("/").split("/")
        if last == SPARK_PARTITIONS:
            return Location(decode_braces("/".join(folders)), is_folder=True)
        if _REPLACERS.search(url.text):
            return None  # a set of files; which ones is not in its name
        return _back(url)

    def to_openlineage(self, name: QualifiedName) -> DatasetName | None:
        match = re.fullmatch(rf"https://([^/@]+\.{self.service}\.[^/@]+)/([^/@]+)(.*)", name, re.DOTALL)
        if not match or not self.driver:
            return None
        return DatasetName(f"{self.driver}://{match[2]}@{match[1]}", path_name(match[3]))

    def from_openlineage(self, dataset: DatasetName) -> Location | None:
        location = self.read(Url.of(Location(dataset.label)))
        return by_extension(location.url) if location else None

    def _types_of_path(self, url: Url) -> tuple[str, ...]:
        folder, file = self.types[2:]
        return tuple(dict.fromkeys((folder, file) if url.is_folder else (file, folder)))

    def _exact(self, url: Url, depth: int) -> Iterator[tuple[str, str]]:
        kind = ("account", "container", "folder" if url.is_folder else "file")[depth]
        for host, how in self._hosts(url, f"exact {kind}"):
            for path, variant in path_variants(url.path):
                rule = f"{how}, {variant}" if variant else how
                yield _url(host, path), rule
                if depth == 2:
                    yield f"{_url(host, path)}/", f"{rule} with trailing slash"

    def _resource_sets(self, url: Url) -> Iterator[tuple[str, str]]:
        """Yield sets that a scan may have made of a folder of part files, or of files that differ in numbers."""
        if len(url.segments) < 2:
            return
        for host, how in self._hosts(url, ""):
            end = f", {how}" if how else ""
            if _REPLACERS.search(
                written := "/".join(url.segments)
            ):  # no path of a file, but what we call a set elsewhere
                parts = f"/{SPARK_PARTITIONS}" if url.is_folder else ""
                yield _url(host, f"{written}{parts}"), f"resource set by its name{end}"
            if url.is_folder:
                if not url.glob or _may_lead_to(url.glob, [SPARK_PARTITIONS]):
                    yield _url(host, f"{url.path}/{SPARK_PARTITIONS}"), f"Spark partitions{end}"
                continue
            folder, _, file = url.path.rpartition("/")
            if _PART_FILE.match(file) and "/" in folder:
                yield _url(host, f"{folder}/{SPARK_PARTITIONS}"), f"Spark partitions{end}"
            pattern = _to_pattern(url.path, url.run)
            if pattern != url.path:
                yield _url(host, pattern), f"resource set{end}"

    def _hosts(self, url: Url, own: str) -> Iterator[tuple[str, str]]:
        yield url.host, own
        if self.other:
            other = url.host.replace(f".{self.service}.", f".{self.other}.", 1)
            yield other, f"{self.other} host of the same account"


@dataclass(frozen=True, slots=True)
class AdlsGen1(Platform):
    """
    Azure Data Lake Storage Gen1, retired: what a scan wrote before is met again under the store's own URL.

    Its type is not established, so data that no scan has found is never written as one.
    """

    platform: str = "ADLS Gen1"
    has_files: ClassVar[bool] = True

    def takes(self, url: Url) -> bool:
        return url.scheme == "adl" and bool(url.host)

    def names(self, url: Url) -> Place:
        name = f"adl://{url.host}" + (f"/{url.path}" if url.path else "")
        kind = "folder" if url.is_folder else "file"
        exact = ((name, f"exact {kind}"), (f"{name}/", f"exact {kind} with trailing slash"))
        return self.place(url, name, is_folder=url.is_folder, root=(url.host, 0), exact=exact)

    def origin(self, url: Url) -> Location | None:
        return _back(url)


def _url(host: str, path: str) -> str:
    return f"https://{host}" + (f"/{path}" if path else "")


def _back(url: Url) -> Location:
    return Location(decode_braces(url.text.removesuffix("/")), is_folder=url.text.endswith("/"))


def _to_pattern(path: str, run_id: str) -> str:
    """
    Replace whole numbers and GUIDs below the container as the scanner documents it, but for the id of a run.

    What replaces that stands for what every run wrote there, and not for what this one did.

    >>> _to_pattern("data/machinesets/23/foo.parquet", ""), _to_pattern("data/logs/23.json", "")
    ('data/machinesets/{N}/foo.parquet', 'data/logs/{N}.json')
    >>> _to_pattern("data/azureml/42/out/7.json", "42")
    'data/azureml/42/out/{N}.json'
    """
    container, *folders, file = path.split("/")
    stem, dot, extension = file.partition(".")
    replaced = (folder if folder == run_id else _to_replacer(folder) for folder in folders)
    return "/".join([container, *replaced, f"{_to_replacer(stem)}{dot}{extension}"])


def _to_replacer(segment: str) -> str:
    return "{N}" if _NUMBER.match(segment) else "{GUID}" if _GUID.match(segment) else segment


def find_sets(place: Place, sets: Iterable[QualifiedName]) -> tuple[QualifiedName, ...]:
    """
    Return the sets, of those that the catalog has, that a scan has folded a file or a part of a folder into.

    Of several that a file fits, the one that replaces least. A folder is a set only if there is no other in it: it is
    both, and the length of a name says nothing. A glob is every set of which some name may be one that it leads to.
    Source: Purview, "Understanding resource sets", built-in patterns: in the name of a folder or as a part of one.
    """
    segments = place.path.partition(BELOW_ROOT)[2].split("/") if place.path else []
    part_of, inside = list[QualifiedName](), list[QualifiedName]()
    for name in sets:
        pattern = name.removeprefix("https://").split("/")[2:]
        shared = pattern[: len(segments)] if place.is_folder else pattern
        if len(shared) != len(segments) or not place.may_be_in(name):
            continue
        if place.glob and not _may_lead_to(place.glob, pattern[len(segments) :]):
            continue
        if shared == segments:
            inside.append(name)
        elif all(_compile(one).fullmatch(other) for one, other in zip(shared, segments, strict=True)):
            part_of.append(name)
    if place.glob:
        return tuple(sorted([*part_of, *inside]))
    if part_of and not place.is_folder:
        return (max(part_of, key=lambda name: (len(_REPLACERS.sub("", name)), name)),)
    within = part_of or inside
    return tuple(within) if len(within) == 1 else ()


def _may_lead_to(glob: str, pattern: Sequence[str]) -> bool:
    """
    Whether a glob may lead to some name that a set stands for, below the folder that the glob is in.

    >>> _may_lead_to("sales_2*.csv", ["sales_{N}.csv"]), _may_lead_to("other_*.csv", ["sales_{N}.csv"])
    (True, False)
    >>> _may_lead_to("**/*.csv", ["{Year}", "{Month}", "a.csv"]), _may_lead_to("*/b.csv", ["{Year}", "a.csv"])
    (True, False)
    """
    return leads_to(glob, pattern, is_folder=False, fits=_share_a_name)


@lru_cache(maxsize=10_000)
def _share_a_name(of_set: str, of_glob: str) -> bool:
    """
    Whether there is a name of a file or a folder that a set stands for and that a glob leads to.

    >>> _share_a_name("part_{GUID}.csv", "part_*-*.csv"), _share_a_name("{Year}", "20?"), _share_a_name("a{N}", "a?x*")
    (True, False, False)
    """
    one, other = list(_characters_of_set(of_set)), list(_characters_of_glob(of_glob))
    left, seen = [(0, 0)], set[tuple[int, int]]()
    while left:
        if (at := left.pop()) in seen:
            continue
        seen.add(at)
        here, there = at
        if here == len(one) and there == len(other):
            return True
        repeats, too = here < len(one) and one[here][1], there < len(other) and other[there][1]
        if repeats:
            left.append((here + 1, there))
        if too:
            left.append((here, there + 1))
        if here < len(one) and there < len(other) and _have_in_common(one[here][0], other[there][0]):
            left.append((here + (not repeats), there + (not too)))
    return False


def _have_in_common(one: frozenset[str] | None, other: frozenset[str] | None) -> bool:
    return one is None or other is None or not one.isdisjoint(other)


def _characters_of_set(segment: str) -> Iterator[_Characters]:
    start = 0
    for replacer in _REPLACERS.finditer(segment):
        yield from ((frozenset(each), False) for each in segment[start : replacer.start()])
        yield from _SHAPES.get(replacer[0].strip("{}"), _NUMBER_SHAPE)
        start = replacer.end()
    yield from ((frozenset(each), False) for each in segment[start:])


def _characters_of_glob(pattern: str) -> Iterator[_Characters]:
    for each in pattern:
        yield (None, each == "*") if each in "*?" else (frozenset(each), False)


@cache
def _compile(segment: str) -> re.Pattern[str]:
    """
    Make a pattern of a segment of a set's name.

    >>> bool(_compile("sales_{Year}-{Month}-{Day}.csv").fullmatch("sales_2024-01-31.csv"))
    True
    >>> bool(_compile("mydata{N}.csv").fullmatch("mydata.csv"))
    False
    """
    literals = map(re.escape, _REPLACERS.split(segment))
    replaced = (_REPLACED[replacer[0].strip("{}")] for replacer in _REPLACERS.finditer(segment))
    return re.compile("".join(part for pair in zip_longest(literals, replaced, fillvalue="") for part in pair))


STORAGE = (
    AzureStorage(
        "ADLS Gen2",
        "dfs",
        (ADLS_SERVICE, ADLS_FILESYSTEM, ADLS_PATH, ADLS_PATH),
        driver="abfss",
        other="blob",
        stands_alone=True,
    ),
    AzureStorage(
        "Blob",
        "blob",
        (BLOB_SERVICE, BLOB_CONTAINER, BLOB_PATH, BLOB_PATH),
        driver="wasbs",
        other="dfs",
        stands_alone=True,
    ),
    AzureStorage("Azure Files", "file", (FILE_SERVICE, FILE_SHARE, FILE_DIRECTORY, AZURE_FILE)),
    AdlsGen1(),
)
