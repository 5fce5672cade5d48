"""The page's address, which says all that is shown: a link shows the same; and what each button does to it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, replace
from datetime import date
from typing import Any, Self
from urllib.parse import parse_qsl, urlencode

from explorer.reduction import Filter, page_behind, pipeline_of

BOTH, UP, DOWN, ALL = "both", "up", "down", "all"
MODES = (BOTH, UP, DOWN, ALL)
LINEAGE, HEALTH = "lineage", "health"
CLOSED, DETAILS, LIST, COMPARE = "", "details", "list", "compare"
TABS = (CLOSED, DETAILS, LIST, COMPARE)
_KEPT = ("mode", "fold", "hide", "status", "since", "until")
"""What stays when another asset is put in the middle."""
_OPPOSITE = {"open": "shut", "shut": "open"}


@dataclass(frozen=True, slots=True)
class Address:
    """
    What is shown.

    Attributes:
        view: lineage, or what is missing.
        asset: the qualifiedName, or the name, of the asset in the middle.
        mode: what of its lineage: both sides, one, or everything connected.
        open, shut: `{guid}.up` or `.down`: a side of a node that is shown beyond `mode`, or is not.
        fold: ids of pipelines that are one node.
        hide, status: kinds and statuses that are left out.
        start, end: keys of the nodes between which paths are shown.
        select: the key of the node that details are shown of.
        tab: of the panel beside the picture; "" where that is closed.
        against: the guid of the model version that the selected one is compared with.
    """

    view: str = LINEAGE
    asset: str = ""
    mode: str = BOTH
    open: tuple[str, ...] = ()
    shut: tuple[str, ...] = ()
    fold: tuple[str, ...] = ()
    hide: tuple[str, ...] = ()
    status: tuple[str, ...] = ()
    since: str = ""
    until: str = ""
    start: str = ""
    end: str = ""
    page: int = 0
    select: str = ""
    tab: str = CLOSED
    against: str = ""

    @classmethod
    def parse(cls, query: str) -> Self:
        """
        Read the query of a URL; what it does not know, or cannot be, is as if it were not there.

        >>> Address.parse("?asset=m&mode=sideways&page=x&hide=run&hide=model").hide
        ('run', 'model')
        """
        given: dict[str, list[str]] = {}
        for name, value in parse_qsl(query.removeprefix("?")):
            given.setdefault(name, []).append(value)
        values: dict[str, object] = {}
        for field in fields(cls):
            if field.name in given:
                several = tuple(dict.fromkeys(given[field.name]))
                values[field.name] = several if isinstance(field.default, tuple) else given[field.name][-1]
        page = str(values.get("page", "0"))
        values["page"] = int(page) if page.isdecimal() and len(page) < 6 else 0
        for name, allowed in (("mode", MODES), ("tab", TABS), ("view", (LINEAGE, HEALTH))):
            if values.get(name) not in allowed:
                values.pop(name, None)
        return cls(**values)  # type: ignore[arg-type]

    def to_query(self) -> str:
        """Write what `parse` reads; what is as usual is left out."""
        pairs: list[tuple[str, str]] = []
        for field in fields(self):
            value = getattr(self, field.name)
            if value != field.default:
                pairs += [(field.name, str(each)) for each in (value if isinstance(value, tuple) else (value,))]
        return f"?{urlencode(pairs)}" if pairs else ""

    @property
    def picture(self) -> Self:
        """Everything that decides what is drawn, and nothing else."""
        return replace(self, select="", tab=CLOSED, against="")

    @property
    def filter(self) -> Filter:
        return Filter(frozenset(self.hide), frozenset(self.status), self.since, self.until)

    def centred(self, asset: str) -> "Address":
        """Put an asset in the middle; how things are shown stays."""
        return Address(asset=asset, **{name: getattr(self, name) for name in _KEPT})

    def toggled(self, name: str, value: str) -> Self:
        """
        >>> Address(hide=("run",)).toggled("hide", "run").hide
        ()
        """
        now: tuple[str, ...] = getattr(self, name)
        then = tuple(each for each in now if each != value) if value in now else (*now, value)
        changed: dict[str, Any] = {name: then, "page": 0}
        return replace(self, **changed)


def act(address: Address, verb: str, value: str) -> Address:
    """
    Return where a verb (of a button, a gesture or a field) leads; one that is not known leads nowhere.

    >>> act(Address(asset="m", start="a"), "mode", "up").to_query()
    '?asset=m&mode=up&start=a'
    """
    return _VERBS[verb](address, value) if verb in _VERBS else address


def _with(address: Address, **changed: Any) -> Address:
    return replace(address, **changed)


def _mode(address: Address, value: str) -> Address:
    return replace(address, mode=value, page=0, open=(), shut=()) if value in MODES else address


def _tab(address: Address, value: str) -> Address:
    return replace(address, tab=value) if value in TABS else address


def _select(address: Address, value: str) -> Address:
    page = page_behind(value)
    if page is not None:
        return replace(address, page=page)
    return replace(address, select=value, against="", tab=DETAILS)


def _centre(address: Address, value: str) -> Address:
    return address.centred(value) if value else address


def _side(name: str) -> Callable[[Address, str], Address]:
    def turn(address: Address, value: str) -> Address:
        other = _OPPOSITE[name]
        mine, theirs = getattr(address, name), getattr(address, other)
        # What opened a side is undone by shutting it, and pressing twice undoes too.
        if value in theirs:
            return _with(address, **{other: tuple(each for each in theirs if each != value)})
        if value in mine:
            return _with(address, **{name: tuple(each for each in mine if each != value)})
        return _with(address, **{name: (*mine, value)})

    return turn


def _fold(address: Address, value: str) -> Address:
    """Fold some pipelines, given as one id a line; unfold all with ""."""
    ids = tuple(value.splitlines())
    return replace(address, fold=tuple(dict.fromkeys([*address.fold, *ids])) if ids else (), page=0)


def _unfold(address: Address, value: str) -> Address:
    pipeline = pipeline_of(value) or value
    return replace(address, fold=tuple(each for each in address.fold if each != pipeline), select="", page=0)


def _path(name: str) -> Callable[[Address, str], Address]:
    return lambda address, value: _with(address, **{name: value}, page=0)


def _day(name: str) -> Callable[[Address, str], Address]:
    return lambda address, value: _with(address, **{name: _as_day(value)}, page=0)


def _as_day(text: str) -> str:
    """
    >>> _as_day("2026-07-01"), _as_day("last week")
    ('2026-07-01', '')
    """
    try:
        return date.fromisoformat(text.strip()).isoformat()
    except ValueError:
        return ""


_VERBS: Mapping[str, Callable[[Address, str], Address]] = {
    "centre": _centre,
    "select": _select,
    "mode": _mode,
    "tab": _tab,
    "open": _side("open"),
    "shut": _side("shut"),
    "fold": _fold,
    "unfold": _unfold,
    "start": _path("start"),
    "end": _path("end"),
    "no_path": lambda address, _: replace(address, start="", end=""),
    "hide": lambda address, value: address.toggled("hide", value),
    "status": lambda address, value: address.toggled("status", value),
    "no_filter": lambda address, _: replace(address, hide=(), status=(), since="", until="", page=0),
    "since": _day("since"),
    "until": _day("until"),
    "page": lambda address, value: replace(address, page=int(value) if value.isdecimal() else 0),
    "against": lambda address, value: replace(address, against=value, tab=COMPARE),
    "view": lambda address, value: replace(address, view=value),
    "home": lambda address, value: Address(view=value),
}
