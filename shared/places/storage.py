"""Names of files and folders in Azure Storage: ADLS Gen2, Blob, Files, and ADLS Gen1."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

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
from shared.places.address import Address, spellings
from shared.places.names import Candidate, Names

_HOST = re.compile(r"^[^.]+\.(?:[^.]+\.)?(?P<service>dfs|blob|file)\.(?:core|storage)\.")
"""An account of Azure Storage, in any cloud, with or without a DNS zone; OneLake's host is none."""
SPARK_PARTITIONS = "{SparkPartitions}"
_PART_FILE = re.compile(r"^part-\d+")
_NUMBER = re.compile(r"^\d+$")
_GUID = re.compile(r"^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$", re.IGNORECASE)
_REPLACERS = re.compile(r"\{(?:SparkPartitions|GUID|N|Year|Month|Day|Hour|Minute|Second|HEX|LOC)\}")


@dataclass(frozen=True, slots=True)
class AzureStorage:
    """
    One service of Azure Storage.

    Attributes:
        types: what a scan makes of an account, of a container, of a folder and of a file.
        other: the service under which the same account may have been scanned instead.
        stands_alone: whether files and folders may be written without their parents.
    """

    platform: str
    service: str
    types: tuple[str, str, str, str]
    other: str = ""
    stands_alone: bool = False

    def takes(self, address: Address) -> bool:
        match = _HOST.match(address.host)
        return match is not None and match["service"] == self.service and address.scheme in ("http", "https")

    def name(self, address: Address) -> Names:
        depth = min(len(address.segments), 2)
        # A scan tells files from folders; where Azure ML could not, the other type is as good a candidate.
        types = self.types[depth : depth + 1] if depth < 2 else self._types_of_path(address)
        return Names(
            self.platform,
            _url(address.host, address.path),
            scanned_types=types,
            stands_alone=self.stands_alone and depth == 2,
            is_folder=address.is_folder,
            exact=tuple(self._exact(address, depth)),
            resource_sets=tuple(self._resource_sets(address)),
            note=address.note,
        )

    def origin(self, address: Address) -> Location | None:
        *folders, last = address.text.removesuffix("/").split("/")
        if last == SPARK_PARTITIONS:
            return Location(_without_codes("/".join(folders)), is_folder=True)
        if _REPLACERS.search(address.text):
            return None  # a set of files; which ones is not in its name
        return Location(_without_codes(address.text.removesuffix("/")), is_folder=address.text.endswith("/"))

    def _types_of_path(self, address: Address) -> tuple[str, ...]:
        folder, file = self.types[2:]
        return tuple(dict.fromkeys((folder, file) if address.is_folder else (file, folder)))

    def _exact(self, address: Address, depth: int) -> Iterator[Candidate]:
        kind = ("account", "container", "folder" if address.is_folder else "file")[depth]
        for host, how in self._hosts(address, f"exact {kind}"):
            for path, spelling in spellings(address.path):
                rule = f"{how}, {spelling}" if spelling else how
                name = _url(host, path)
                yield Candidate(name, rule)
                if depth == 2:
                    yield Candidate(QualifiedName(f"{name}/"), f"{rule} with trailing slash")

    def _resource_sets(self, address: Address) -> Iterator[Candidate]:
        """Yield sets that a scan may have made of a folder of part files, or of files that differ in numbers."""
        if len(address.segments) < 2:
            return
        for host, how in self._hosts(address, ""):
            end = f", {how}" if how else ""
            if address.is_folder:
                yield Candidate(_url(host, f"{address.path}/{SPARK_PARTITIONS}"), f"Spark partitions{end}")
                continue
            folder, _, file = address.path.rpartition("/")
            if _PART_FILE.match(file) and "/" in folder:
                yield Candidate(_url(host, f"{folder}/{SPARK_PARTITIONS}"), f"Spark partitions{end}")
            pattern = _to_pattern(address.path)
            if pattern != address.path:
                yield Candidate(_url(host, pattern), f"resource set{end}")

    def _hosts(self, address: Address, own: str) -> Iterator[tuple[str, str]]:
        yield address.host, own
        if self.other:
            other = address.host.replace(f".{self.service}.", f".{self.other}.", 1)
            yield other, f"{self.other} host of the same account"


@dataclass(frozen=True, slots=True)
class AdlsGen1:
    """
    Azure Data Lake Storage Gen1, retired: what a scan wrote before is met again under the store's own URL.

    Its type is not established, so data that no scan has found is never written as one.
    """

    platform: str = "ADLS Gen1"

    def takes(self, address: Address) -> bool:
        return address.scheme == "adl" and bool(address.host)

    def name(self, address: Address) -> Names:
        name = QualifiedName(f"adl://{address.host}" + (f"/{address.path}" if address.path else ""))
        kind = "folder" if address.is_folder else "file"
        exact = (
            Candidate(name, f"exact {kind}"),
            Candidate(QualifiedName(f"{name}/"), f"exact {kind} with trailing slash"),
        )
        return Names(self.platform, name, is_folder=address.is_folder, exact=exact, note=address.note)

    def origin(self, address: Address) -> Location | None:
        return Location(_without_codes(address.text.removesuffix("/")), is_folder=address.text.endswith("/"))


def _url(host: str, path: str) -> QualifiedName:
    return QualifiedName(f"https://{host}" + (f"/{path}" if path else ""))


def _without_codes(name: str) -> str:
    return name.replace("%7B", "{").replace("%7D", "}")


def _to_pattern(path: str) -> str:
    """
    Replace whole numbers and GUIDs below the container as the scanner documents it.

    >>> _to_pattern("data/machinesets/23/foo.parquet"), _to_pattern("data/logs/23.json")
    ('data/machinesets/{N}/foo.parquet', 'data/logs/{N}.json')
    """
    container, *folders, file = path.split("/")
    stem, dot, extension = file.partition(".")
    return "/".join([container, *map(_to_replacer, folders), f"{_to_replacer(stem)}{dot}{extension}"])


def _to_replacer(segment: str) -> str:
    return "{N}" if _NUMBER.match(segment) else "{GUID}" if _GUID.match(segment) else segment


STORAGE_RULES = (
    AzureStorage(
        "ADLS Gen2",
        "dfs",
        (ADLS_SERVICE, ADLS_FILESYSTEM, ADLS_PATH, ADLS_PATH),
        other="blob",
        stands_alone=True,
    ),
    AzureStorage(
        "Blob",
        "blob",
        (BLOB_SERVICE, BLOB_CONTAINER, BLOB_PATH, BLOB_PATH),
        other="dfs",
        stands_alone=True,
    ),
    AzureStorage("Azure Files", "file", (FILE_SERVICE, FILE_SHARE, FILE_DIRECTORY, AZURE_FILE)),
    AdlsGen1(),
)
