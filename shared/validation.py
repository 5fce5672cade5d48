"""Checks JSON from outside before it is read; what is wrong is said with its path, never with its value."""

from collections.abc import Iterator, Mapping
from types import UnionType
from typing import Any, TypeVar

from shared.redaction import redact_text

T = TypeVar("T")


class Name(str):
    """In a shape: text that is not empty."""

    __slots__ = ()


NUMBER = int | float | str
"""In a shape: a number, also as text, in which `NaN` is sent."""

Shape = type | UnionType | list["Shape"] | Mapping[str, "Shape"]
"""
What is expected: a type (`object` is anything), a list with the shape of its items, or an object with the shapes of its
members by name. A member may be absent or null, but not `name!`; `name?` is not checked; `*` is every member.
"""
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


def check_kind(value: object, kind: type[T], at: str) -> T:
    """
    Return a value if it is of a kind that JSON has.

    Raises:
        ValueError: it is of another kind.

    >>> check_kind(5, str, "[0].input")
    Traceback (most recent call last):
    ValueError: [0].input: is a number, not text
    """
    if not isinstance(value, kind):
        raise ValueError(f"{at or 'it'}: is {_WORDS[type(value)]}, not {_WORDS[kind]}")  # noqa: TRY004
    return value


def take(body: Mapping[str, object], name: str, kind: type[T], at: str) -> T:
    """
    Return a member that must be there, and be of a kind.

    Args:
        at: the path of the object it is taken from.

    Raises:
        ValueError: it is not.

    >>> take({}, "columns", dict, "[0]")
    Traceback (most recent call last):
    ValueError: [0].columns: is missing
    """
    path = below(at, name)
    if name not in body:
        raise ValueError(f"{path}: is missing")
    return check_kind(body[name], kind, path)


def objects(items: list[object], at: str) -> Iterator[tuple[str, dict[str, object]]]:
    """Yield the items of a list, all of which must be objects, each with its path."""
    for index, item in enumerate(items):
        path = f"{at}[{index}]"
        yield path, check_kind(item, dict, path)


def below(at: str, name: str) -> str:
    """
    Spell the path of a member; its name is free text in places, so secrets are stripped.

    >>> below("[0]", "input"), below("", "outputs")
    ('[0].input', 'outputs')
    """
    name = redact_text(name)
    return f"{at}.{name}" if at else name


def check_shape(value: object, shape: Shape, at: str = "", *, numbered: bool = True) -> None:
    """
    Check everything that a shape names.

    Args:
        at: the path of the value in what it was read from.
        numbered: paths say which item of a list is meant.

    Raises:
        ValueError: names the first path at which something else is.

    >>> check_shape({"runs": [{"id": "r"}, {"id": 1}]}, {"runs": [{"id!": str}]})
    Traceback (most recent call last):
    ValueError: runs[1].id: is a number, not text
    """
    kind = str if shape is Name else dict if isinstance(shape, Mapping) else list if isinstance(shape, list) else shape
    if not isinstance(value, kind):
        raise ValueError(f"{at or 'it'}: is {_WORDS[type(value)]}, not {_WORDS[kind]}")  # noqa: TRY004
    if shape is Name and not str(value).strip():
        raise ValueError(f"{at}: is empty")
    for path, inner_value, inner in _below(value, shape, at, numbered=numbered):
        check_shape(inner_value, inner, path, numbered=numbered)


def _below(value: Any, shape: Shape, at: str, *, numbered: bool) -> Iterator[tuple[str, object, Shape]]:
    if isinstance(shape, list):
        yield from ((f"{at}[{index}]" if numbered else at, item, shape[0]) for index, item in enumerate(value))
    for name, inner in shape.items() if isinstance(shape, Mapping) else ():
        for member in value if name.startswith("*") else [name.rstrip("!?")]:
            if name.endswith("!") and member not in value:
                raise ValueError(f"{below(at, member)}: is missing")
            if name.endswith("!") or (not name.endswith("?") and value.get(member) is not None):
                yield below(at, member), value[member], inner
