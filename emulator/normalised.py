"""What a catalog holds, without guids and times: two of them that mean the same are then equal."""

import json
from typing import Any

_VOLATILE = frozenset(
    {
        "createTime",
        "updateTime",
        "lastModifiedTS",
        "relationshipGuid",
        "version",
    }
)


def normalise(state: Any) -> object:
    """Replace guids by qualifiedNames, drop times and counters, and order every list."""
    guids: dict[str, str] = {}
    _collect(state, guids)
    return _normalise(state, guids)


def _collect(value: Any, guids: dict[str, str]) -> None:
    if isinstance(value, dict):
        name = (
            (value.get("attributes") or {}).get("qualifiedName") if isinstance(value.get("attributes"), dict) else None
        )
        if "guid" in value and name:
            guids[str(value["guid"])] = f"guid of {value.get('typeName')} {name}"
        for item in value.values():
            _collect(item, guids)
    elif isinstance(value, list):
        for item in value:
            _collect(item, guids)


def _normalise(value: Any, guids: dict[str, str]) -> object:
    if isinstance(value, dict):
        kept = {guids.get(key, key): item for key, item in value.items() if key not in _VOLATILE}
        if "end1" in kept:
            del kept["guid"]  # a relationship is known by its ends
        return {key: _normalise(item, guids) for key, item in sorted(kept.items())}
    if isinstance(value, list):
        return sorted((_normalise(item, guids) for item in value), key=lambda item: json.dumps(item, sort_keys=True))
    if isinstance(value, str):
        return guids.get(value, value)
    return value
