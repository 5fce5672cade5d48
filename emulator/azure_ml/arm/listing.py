"""ARM's lists: which items a view shows, and one page of them."""

from collections.abc import Callable, Mapping, Sequence
from enum import StrEnum
from typing import Self, TypeVar

from aiohttp import web

from emulator.azure_ml.errors import bad_request, not_found
from emulator.azure_ml.paging import ARM_PAGE, filtered_page, next_link, page_size

Thing = TypeVar("Thing")
Body = dict[str, object]


class ListView(StrEnum):
    """The values of ``listViewType``; without one, archived things are not listed."""

    ACTIVE = "ActiveOnly"
    ARCHIVED = "ArchivedOnly"
    ALL = "All"

    @classmethod
    def of(cls, request: web.Request) -> Self:
        """Read the view a request asks for."""
        return cls.read(request.query.get("listViewType", cls.ACTIVE.value))

    @classmethod
    def read(cls, given: str) -> Self:
        """Read the name of a view."""
        for view in cls:
            if view.value.lower() == given.lower():
                return view
        raise bad_request(f"{given!r} is not a listViewType; there are {', '.join(cls)}.")

    def shows(self, *, archived: bool) -> bool:
        """Whether the view shows something that is archived, or is not."""
        return self is ListView.ALL or archived == (self is ListView.ARCHIVED)


def one_of(things: Mapping[str, Thing], kind: str, name: str) -> Thing:
    """Find one thing by name, or answer 404."""
    if name not in things:
        raise not_found(kind, name)
    return things[name]


def list_page(
    request: web.Request,
    things: Sequence[Thing],
    show: Callable[[Thing], Body],
    is_listed: Callable[[Thing], bool] = lambda _: True,
) -> web.Response:
    """Answer one page of a list; only what is on the page is built, and nothing after it is looked at."""
    size = page_size(request.query.get("$top", request.query.get("count")), ARM_PAGE)
    some = filtered_page(things, request.query.get("$skip"), size, is_listed)
    value = [show(thing) for thing in some.items]
    return web.json_response({"value": value, "nextLink": next_link(request, "$skip", some.token)})
