"""What each button, gesture and field does to the address."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import date
from typing import Any

from explorer.address import COMPARE, DETAILS, MODES, TABS, Address
from explorer.folding import pipeline_of
from explorer.paging import page_behind

OPPOSITE = {"open": "shut", "shut": "open"}


def act(address: Address, verb: str, value: str) -> Address:
    """
    Return where a verb leads; one that is not known leads nowhere.

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
        other = OPPOSITE[name]
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
