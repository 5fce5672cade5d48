"""Merging of seed documents: a scenario that extends another, and what a test adds while running."""

from collections.abc import Mapping


def merge(base: Mapping[str, object], addition: Mapping[str, object]) -> dict[str, object]:
    """
    Lay a document over another: mappings merge key by key, null takes one away, anything else replaces.

    >>> merge({"runs": {"a": {"status": "Running"}}}, {"runs": {"a": {"status": "Completed"}, "b": {}}})
    {'runs': {'a': {'status': 'Completed'}, 'b': {}}}
    >>> merge({"runs": {"a": {"status": "Running"}}}, {"runs": {"a": None}})
    {'runs': {}}
    >>> merge({"tags": {"team": "risk"}}, {"tags": {"team": None}})
    {'tags': {}}
    """
    merged = dict(base)
    for key, value in addition.items():
        below = merged.get(key)
        if value is None and key in merged:
            del merged[key]
            continue
        merged[key] = merge(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return merged
