"""An address of data, taken apart and normalised as Purview normalises what its scanners write."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self
from urllib.parse import unquote

from shared.model import Location

_QUERY = re.compile(r"\?[^?/]*=.*$", re.DOTALL)
"""A query has a `=`; a question mark without one is a glob."""
_GLOB = re.compile(r"[*?]")
_PERCENT_ENCODED = re.compile(r"(?:%(?!7B|7D|2F|25)[0-9A-F]{2})+", re.IGNORECASE)
"""Braces stay encoded as Purview wants them; a slash and a percent sign would change what the name means."""


@dataclass(frozen=True, slots=True)
class Address:
    """
    Scheme and host in lower case, segments trimmed and none empty, no query, no user.

    Attributes:
        text: what it was read from.
        host: with the port, if one is given.
        glob: the segments from the first one with a `*` or `?` on; an address ends before them, in a folder.
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
        >>> Address.of(Location("HTTPS://Acct.dfs.core.windows.net/fs//raw/ *.csv")).segments
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

        >>> Address.of(Location("https://a.dfs.core.windows.net/fs/Raw/a{1}.CSV")).path
        'fs/Raw/a%7B1%7D.csv'
        """
        segments = list(self.segments)
        if segments and not self.is_folder:
            stem, dot, extension = segments[-1].rpartition(".")
            segments[-1] = f"{stem}.{extension.lower()}" if dot and stem else segments[-1]
        return "/".join(segments).replace("{", "%7B").replace("}", "%7D")


def spellings(path: str) -> Iterator[tuple[str, str]]:
    """
    Yield a path as it is and, if percent signs or spaces leave a doubt, as the other side would spell it, with why.

    Azure ML gives some paths percent-encoded (URLs) and others not (paths of datastores); what a scanner keeps of
    either is documented for braces alone.

    >>> list(spellings("raw/a%20b.csv"))
    [('raw/a%20b.csv', ''), ('raw/a b.csv', 'percent-decoded')]
    """
    yield path, ""
    decoded = _PERCENT_ENCODED.sub(lambda match: unquote(match[0]), path)
    if decoded != path:
        yield decoded, "percent-decoded"
    elif " " in path:
        yield path.replace(" ", "%20"), "percent-encoded"
