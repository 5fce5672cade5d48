"""Takes members out of JSON that people wrote; what is wrong with it is said with its path, never with its value."""

from collections.abc import Iterator, Mapping
from typing import TypeVar

from shared.redaction import redact_text

T = TypeVar("T")
_WORDS: Mapping[type, str] = {
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
