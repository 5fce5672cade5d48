"""Checks JSON from outside before it is read; what is wrong is said with its path, never with its value."""

from collections.abc import Iterator, Mapping
from dataclasses import fields
from functools import cache
from types import UnionType
from typing import Any

from shared.redaction import redact_text


class Name(str):
    """In a shape: text that is not empty."""

    __slots__ = ()


NUMBER = int | float | str
"""In a shape: a number, also as text, in which `NaN` is sent."""

Shape = type | UnionType | list["Shape"] | Mapping[str, "Shape"]
"""
What is expected: a type (`object` is anything), a list with the shape of its items, or an object with the shapes of its
members by name. A member may be absent or null, but not `name!`; `name?` is not checked, `name~` only where it is an
object; `*` is every member.
"""
_Path = tuple[str | int, ...]
"""Where to begin, and then the members and numbers of items on the way."""
_WORDS: Mapping[type | UnionType, str] = {
    NUMBER: "a number",
    dict: "an object",
    list: "a list",
    str: "text",
    bool: "a truth value",
    int: "a number",
    float: "a number",
    type(None): "null",
}


def checked(value: Any, shape: Shape, at: str = "", *, numbered: bool = True) -> Any:
    """
    Return a value that has a shape.

    Args:
        at: the path of the value in what it was read from.
        numbered: paths say which item of a list is meant.

    Raises:
        ValueError: names the first path at which something else is.

    >>> checked({"runs": [{"id": "r"}, {"id": 1}, {}]}, {"runs": [{"id!": str}]})
    Traceback (most recent call last):
    ValueError: runs[1].id: is a number, not text
    """
    _check(value, shape, (at,), numbered=numbered)
    return value


def _check(value: Any, shape: Shape, path: _Path, *, numbered: bool) -> None:
    kind = str if shape is Name else dict if isinstance(shape, Mapping) else list if isinstance(shape, list) else shape
    if not isinstance(value, kind):
        raise ValueError(f"{_format(path) or 'it'}: is {_word(type(value))}, not {_word(kind)}")  # noqa: TRY004
    if shape is Name and not str(value).strip():
        raise ValueError(f"{_format(path)}: is empty")
    for inner_path, inner_value, inner in _inside(value, shape, path, numbered=numbered):
        _check(inner_value, inner, inner_path, numbered=numbered)


def _word(kind: type | UnionType) -> str:
    return _WORDS.get(kind) or str(getattr(kind, "__name__", kind))


def _inside(value: Any, shape: Shape, path: _Path, *, numbered: bool) -> Iterator[tuple[_Path, Any, Shape]]:
    if isinstance(shape, list):
        yield from (((*path, index) if numbered else path, item, shape[0]) for index, item in enumerate(value))
    for name, inner in shape.items() if isinstance(shape, Mapping) else ():
        for member in value if name.startswith("*") else [name.rstrip("!?~")]:
            if name.endswith("!") and member not in value:
                raise ValueError(f"{_format((*path, member))}: is missing")
            if name.endswith("~") and not isinstance(value.get(member), dict):
                continue
            if name.endswith("!") or (not name.endswith("?") and value.get(member) is not None):
                yield (*path, member), value[member], inner


def _format(path: _Path) -> str:
    """Format a path, which takes longer than to look at the value and is needed where something is wrong."""
    text = str(path[0])
    for step in path[1:]:
        text = f"{text}[{step}]" if isinstance(step, int) else below(text, step)
    return text


def below(at: str, name: str) -> str:
    """
    Format the path of a member; its name is free text in places, so secrets are stripped.

    >>> below("[0]", "input"), below("", "outputs")
    ('[0].input', 'outputs')
    """
    name = redact_text(name)
    return f"{at}.{name}" if at else name


def members_of(kind: Any, document: Mapping[str, Any]) -> dict[str, Any]:
    """
    Return those members of a stored document that a dataclass has.

    A newer version may have written it, with members that are not known here, before one went back to this version or
    while both run side by side.
    """
    return {name: document[name] for name in _members(kind) if name in document}


@cache
def _members(kind: Any) -> tuple[str, ...]:
    return tuple(each.name for each in fields(kind) if each.init)
