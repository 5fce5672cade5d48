"""Pages of lists, and the ways the services point to the next one."""

import base64
import binascii
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from aiohttp import web

from emulator.azure_ml.errors import bad_request

Item = TypeVar("Item")

ARM_PAGE = 30
CHILDREN_PAGE = 50
MODELS_PAGE = 100
MLFLOW_PAGE = 1000


@dataclass(frozen=True, slots=True)
class Page(Generic[Item]):
    """Some items of a list, and the token that continues it."""

    items: Sequence[Item]
    token: str | None


def page(items: Sequence[Item], token: str | None, size: int) -> Page[Item]:
    """
    Cut one page out of a list; tokens are opaque to clients.

    >>> page("abc", page("abc", None, 2).token, 2)
    Page(items='c', token=None)
    """
    start = _offset(token) if token else 0
    end = start + size
    return Page(items[start:end], _token(end) if end < len(items) else None)


def filtered_page(items: Sequence[Item], token: str | None, size: int, is_wanted: Callable[[Item], bool]) -> Page[Item]:
    """
    Cut one page of wanted items out of a list, looking no further than the first one after it.

    >>> filtered_page("aXbXc", filtered_page("aXbXc", None, 2, str.islower).token, 2, str.islower)
    Page(items=['c'], token=None)
    """
    wanted: list[Item] = []
    for place in range(_offset(token) if token else 0, len(items)):
        item = items[place]
        if not is_wanted(item):
            continue
        if len(wanted) == size:
            return Page(wanted, _token(place))
        wanted.append(item)
    return Page(wanted, None)


def page_size(text: object, default: int) -> int:
    """Read a page size as the client gave it."""
    if text is None:
        return default
    if not str(text).isdecimal() or int(str(text)) < 1:
        raise bad_request(f"{text!r} is not a page size.")
    return int(str(text))


def next_link(request: web.Request, parameter: str, token: str | None) -> str | None:
    """Give the full URL of the next page: the request's own, with the token."""
    if token is None:
        return None
    return str(request.url.update_query({parameter: token}))


def _token(offset: int) -> str:
    return base64.urlsafe_b64encode(f"offset:{offset}".encode()).decode()


def _offset(token: str) -> int:
    try:
        word, _, offset = base64.urlsafe_b64decode(token.encode()).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        word, offset = "", ""
    if word != "offset" or not offset.isdecimal():
        raise bad_request(f"The continuation token {token!r} is not valid.")
    return int(offset)
