"""Tells what an existing resource lacks of what we want of it."""

from collections.abc import Mapping
from typing import Any


def missing(wanted: Any, existing: Any, path: str = "") -> list[str]:
    """
    Name what is wanted and not there, as paths; what is there besides does not count.

    Texts are compared without regard to case, since Azure returns ids in a case of its own.

    >>> missing({"a": {"b": "X", "c": ["y"]}}, {"a": {"b": "x", "c": []}, "d": 1})
    ['a.c']
    """
    if isinstance(wanted, Mapping):
        there = existing if isinstance(existing, Mapping) else {}
        return [
            found
            for key, value in wanted.items()
            for found in missing(value, there.get(key), f"{path}.{key}" if path else key)
        ]
    if isinstance(wanted, list):
        return [] if {*wanted} <= {*(existing or ())} else [path]
    return [] if str(wanted).casefold() == str(existing).casefold() else [path]
