"""URLs of data, read without secrets, taken apart, and normalised as Purview normalises what its scanners write."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self
from urllib.parse import unquote

from shared.model import Location
from shared.redaction import redact_url

SPARK_PARTITIONS = "{SparkPartitions}"
"""What a scan has at the end of the name of a set of part files; they are in one folder."""
_QUERY = re.compile(r"\?[^?/]*=.*$", re.DOTALL)
"""A query has a `=`; a question mark without one is a glob."""
_GLOB = re.compile(r"[*?]")
_PERCENT_ENCODED = re.compile(r"(?:%(?!7B|7D|2F|25)[0-9A-F]{2})+", re.IGNORECASE)
"""Braces stay encoded as Purview wants them; a slash and a percent sign would change what the name means."""


@dataclass(frozen=True, slots=True)
class Url:
    """
    Scheme and host in lower case, segments trimmed and none empty, no query, no user.

    Attributes:
        text: what it was read from.
        host: with the port, if one is given.
        glob: the segments from the first one with a `*` or `?` on; the URL ends before them, in a folder.
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
        host, _, path = _QUERY.sub("", rest).partition("/")
        segments = [segment.strip() for segment in path.split("/") if segment.strip()]
        end = next((index for index, segment in enumerate(segments) if _GLOB.search(segment)), len(segments))
        glob = "/".join(segments[end:])
        return cls(
            location.url,
            scheme.lower(),
            host.rpartition("@")[2].lower(),
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
    Cut the query off a path; a question mark without `=` after it is part of a glob.

    >>> without_query("raw/a.csv?sv=1&sig=x"), without_query("raw/part-??.csv")
    ('raw/a.csv', 'raw/part-??.csv')
    """
    head, _, query = path.partition("?")
    return head if "=" in query else path


def read_url(url: str) -> Location:
    """
    Read a URL without user, query and fragment; a slash at the end marks a folder.

    >>> read_url("https://user:pw@host/path/?sig=x")
    Location(url='https://host/path', is_folder=True, run_id='', datastore=None)
    """
    url = redact_url(url)
    return Location(url.rstrip("/"), is_folder=url.endswith("/"))


def by_extension(url: str) -> Location:
    """Read a URL of which no one says whether it is a folder: what has no extension is one, and a set of part files."""
    folder = url.removesuffix(f"/{SPARK_PARTITIONS}")
    return Location(folder, is_folder=folder != url or "." not in url.rstrip("/").rpartition("/")[2])
