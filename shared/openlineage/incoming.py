"""Takes out of an OpenLineage event what is ever read of it, free of secrets."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from shared.redaction import redact_json, redact_text

TYPES = frozenset({"START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"})
_DESCRIPTION_LIMIT = 2_000
"""Characters of a job's documentation; the rest is left out, so that it costs no event its place in the queue."""

_LEAF: Mapping[str, Any] = {}
_ANY = "*"
_NAME = {"namespace": _LEAF, "name": _LEAF}
_DATASET = {
    **_NAME,
    "facets": {
        "schema": {"fields": [{"name": _LEAF, "type": _LEAF}]},
        "symlinks": {"identifiers": [{**_NAME, "type": _LEAF}]},
        "columnLineage": {"_deleted": _LEAF, "fields": {_ANY: {"inputFields": [{**_NAME, "field": _LEAF}]}}},
    },
}
_SHAPE: Mapping[str, Any] = {
    "eventType": _LEAF,
    "eventTime": _LEAF,
    "producer": _LEAF,
    "run": {"runId": _LEAF, "facets": {"parent": {"run": {"runId": _LEAF}, "job": _NAME}}},
    "job": {
        **_NAME,
        "facets": {
            "documentation": {"description": _LEAF},
            "jobType": {"integration": _LEAF, "jobType": _LEAF},
            "sourceCodeLocation": {"repoUrl": _LEAF, "url": _LEAF, "version": _LEAF, "branch": _LEAF},
        },
    },
    "dataset": _NAME,
    "inputs": [_DATASET],
    "outputs": [{**_DATASET, "outputFacets": {"outputStatistics": {"rowCount": _LEAF, "size": _LEAF}}}],
}


def compact_run_event(event: Mapping[str, object]) -> dict[str, object]:
    """
    Keep of an event what is ever read of it: plans, Spark's properties and whatever else it carries are dropped.

    Whatever is there of the kept members stays as it came, so that a malformed event is still seen to be malformed.
    The name of a column is no name of a secret: what is known to be a column, `api_key` say, is kept.

    >>> compact_run_event({"eventType": "START", "run": {"runId": "r", "facets": {"spark.logicalPlan": {}}}})
    {'eventType': 'START', 'run': {'runId': 'r', 'facets': {}}}
    """
    kept: dict[str, object] = _pick(event, _SHAPE)
    documentation = _below(kept, "job", "facets", "documentation")
    text = documentation.get("description")
    if isinstance(text, str):
        documentation["description"] = text[:_DESCRIPTION_LIMIT]
    return kept


def _pick(value: object, shape: Any) -> Any:
    if shape and isinstance(shape, list) and isinstance(value, list):
        return [_pick(item, shape[0]) for item in value]
    if shape and isinstance(shape, dict) and isinstance(value, dict):
        if _ANY in shape:
            return {redact_text(name): _pick(item, shape[_ANY]) for name, item in value.items()}
        return {name: _pick(value[name], inner) for name, inner in shape.items() if name in value}
    return redact_text(value) if isinstance(value, str) else redact_json(value)


def _below(value: object, *path: str) -> dict[str, Any]:
    for name in path:
        value = value.get(name) if isinstance(value, dict) else None
    return value if isinstance(value, dict) else {}


def take_apart(
    event: Mapping[str, Any], fits: Callable[[Mapping[str, Any]], bool]
) -> tuple[Mapping[str, Any], ...] | None:
    """
    Make several events of one that is too large, each with some of its data sets or some of the columns of one.

    Together they say the same: all that is said of a run is added up. None if that does not help.
    """
    if fits(event):
        return (event,)
    halves = _halve(event)
    if halves is None:
        return None
    first = take_apart(halves[0], fits)
    second = take_apart(halves[1], fits) if first else None
    return first + second if first and second else None


_Halves = tuple[Mapping[str, Any], Mapping[str, Any]]


def _halve(event: Mapping[str, Any]) -> _Halves | None:
    sides = {side: event.get(side) or [] for side in ("inputs", "outputs")}
    if not all(isinstance(items, list) for items in sides.values()):
        return None
    all_of = [(side, item) for side, items in sides.items() for item in items]
    if len(all_of) > 1:
        middle = len(all_of) // 2
        return _with(event, all_of[:middle]), _with(event, all_of[middle:])
    halves = _halve_dataset(all_of[0][1]) if all_of and isinstance(all_of[0][1], dict) else None
    if halves is None:
        return None
    side = all_of[0][0]
    return _with(event, [(side, halves[0])]), _with(event, [(side, halves[1])])


def _with(event: Mapping[str, Any], datasets: Sequence[tuple[str, object]]) -> dict[str, Any]:
    rest = {name: value for name, value in event.items() if name not in ("inputs", "outputs")}
    sides = {side: [item for its, item in datasets if its == side] for side in ("inputs", "outputs")}
    return {**rest, **{side: items for side, items in sides.items() if items}}


def _halve_dataset(dataset: Mapping[str, Any]) -> _Halves | None:
    facets = dataset.get("facets")
    if not isinstance(facets, dict):
        return None
    if "schema" in facets and "columnLineage" in facets:
        return tuple(  # type: ignore[return-value]
            {**dataset, "facets": {name: facet for name, facet in facets.items() if name != left_out}}
            for left_out in ("columnLineage", "schema")
        )
    for path in (("schema", "fields"), ("columnLineage", "fields"), ("symlinks", "identifiers")):
        if halves := _halve_at(facets, path):
            return {**dataset, "facets": halves[0]}, {**dataset, "facets": halves[1]}
    return None


def _halve_at(body: Mapping[str, Any], path: Sequence[str]) -> _Halves | None:
    """Halve the list or the mapping at the end of a path, or the members of the one thing that is in it."""
    name, *rest = path
    value = body.get(name)
    if rest:
        halves = _halve_at(value, rest) if isinstance(value, dict) else None
    elif isinstance(value, list) and len(value) > 1:
        halves = value[: len(value) // 2], value[len(value) // 2 :]  # type: ignore[assignment]
    elif isinstance(value, dict) and len(value) > 1:
        items = list(value.items())
        halves = dict(items[: len(items) // 2]), dict(items[len(items) // 2 :])
    elif isinstance(value, dict) and value:
        (column,) = value
        halves = _halve_at(value, (column, "inputFields"))
    else:
        halves = None
    return ({**body, name: halves[0]}, {**body, name: halves[1]}) if halves else None
