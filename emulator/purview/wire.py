"""Reading of JSON documents: what the service's own JSON library refuses, and what it lets pass."""

from collections.abc import Mapping
from typing import Any, TypeAlias

from emulator.purview.errors import MalformedBodyError

Json: TypeAlias = dict[str, Any]


def as_object(value: object, what: str) -> Json:
    """Return a JSON object, or refuse the body."""
    if not isinstance(value, dict):
        raise MalformedBodyError(f"Cannot deserialize {what}: expected an object, got {type(value).__name__}")
    return value


def as_list(value: object, what: str) -> list[Any]:
    """Return a JSON list (absent is empty), or refuse the body."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise MalformedBodyError(f"Cannot deserialize {what}: expected a list, got {type(value).__name__}")
    return value


def as_text(value: object, what: str) -> str | None:
    """Return a JSON scalar as text, or refuse the body."""
    if value is None or isinstance(value, str):
        return value
    if isinstance(value, dict | list):
        raise MalformedBodyError(f"Cannot deserialize {what}: expected a string, got {type(value).__name__}")
    return java_text(value)


def as_flag(value: object, what: str, default: bool = False) -> bool:
    """Return a JSON boolean (absent is the default), or refuse the body."""
    if value is None:
        return default
    if not isinstance(value, bool):
        raise MalformedBodyError(f"Cannot deserialize {what}: expected a boolean, got {type(value).__name__}")
    return value


def java_text(value: object) -> str:
    """
    Format a value as the service does in texts and in string attributes.

    >>> java_text({"a": [1, True, None]})
    '{a=[1, true, null]}'
    """
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{key}={java_text(item)}" for key, item in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(java_text(item) for item in value) + "]"
    return str(value)
