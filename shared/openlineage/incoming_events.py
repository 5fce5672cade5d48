"""OpenLineage run events that come in: what is kept of one, how a large one is split, and what it says of its run."""

import json
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from shared.errors import MalformedEventError
from shared.model import to_utc_text
from shared.openlineage.job_run import TERMINAL, DatasetFact, Fact, JobRunId
from shared.places.datasets import DatasetName, list_edges_of_output
from shared.redaction import redact_json, redact_text
from shared.validation import Name, Shape, checked

TYPES = frozenset({"START", "RUNNING", "COMPLETE", "ABORT", "FAIL", "OTHER"})
REFOLD = "urn:lineage:reconcile"
"""The producer of events that say nothing but that a run is to be published again."""
_SPARK = "/integration/spark"
_DESCRIPTION_LIMIT = 2_000
"""Characters of a job's documentation; the rest is left out, so that it costs no event its place in the queue."""

_NAMED: dict[str, Shape] = {"namespace!": Name, "name!": Name}
_PARENT: Shape = {"run!": {"runId!": Name}, "job!": _NAMED}
_DATASET: dict[str, Shape] = {
    **_NAMED,
    "facets": {
        "schema": {"fields": [{"name!": Name, "type": object}]},
        "symlinks": {"identifiers": [{**_NAMED, "type": object}]},
        "columnLineage?": {"_deleted": object, "fields": {"*": {"inputFields": [{**_NAMED, "field": object}]}}},
    },
}
_EVENT: Shape = {
    "eventType!": str,
    "eventTime!": str,
    "producer": object,
    "run!": {"runId!": Name, "facets": {"parent?": _PARENT}},
    "job!": {
        **_NAMED,
        "facets": {
            "documentation?": {"description": object},
            "jobType": {"integration": object, "jobType": object},
            "sourceCodeLocation": {"repoUrl": object, "url": object, "version": object, "branch": object},
        },
    },
    "dataset?": _NAMED,
    "inputs": [_DATASET],
    "outputs": [{**_DATASET, "outputFacets?": {"outputStatistics": {"rowCount": object, "size": object}}}],
}
"""All that is ever read of an event: what is not in here is dropped when it comes in."""


def compact_run_event(event: Mapping[str, object]) -> dict[str, object]:
    """
    Keep only the members of an event that are read: plans, Spark's properties and others are dropped.

    Kept members stay as they came, so that a malformed event is still seen to be malformed. The name of a column does
    not mark a secret: what is known to be a column, `api_key` say, is kept.

    >>> compact_run_event({"eventType": "START", "run": {"runId": "r", "facets": {"spark.logicalPlan": {}}}})
    {'eventType': 'START', 'run': {'runId': 'r', 'facets': {}}}
    """
    kept: dict[str, object] = _pick(event, _EVENT)
    if description := _text_at(kept, "job", "facets", "documentation", "description"):
        _at(kept, "job", "facets", "documentation")["description"] = description[:_DESCRIPTION_LIMIT]
    return kept


def _pick(value: object, shape: Shape) -> Any:
    if isinstance(shape, list) and isinstance(value, list):
        return [_pick(item, shape[0]) for item in value]
    if isinstance(shape, Mapping) and isinstance(value, dict):
        if "*" in shape:
            return {redact_text(name): _pick(item, shape["*"]) for name, item in value.items()}
        members = {name.rstrip("!?~"): inner for name, inner in shape.items()}
        return {name: _pick(value[name], inner) for name, inner in members.items() if name in value}
    return redact_text(value) if isinstance(value, str) else redact_json(value)


def _at(value: object, *path: str) -> Any:
    """Return what is at a path; None if there is nothing."""
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _text_at(value: object, *path: str) -> str:
    found = _at(value, *path)
    return found if isinstance(found, str) else ""


def split_large_event(
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
    first = split_large_event(halves[0], fits)
    second = split_large_event(halves[1], fits) if first else None
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


@dataclass(frozen=True, slots=True)
class RunEvent:
    """
    A run event, read.

    Attributes:
        run: the run that a step is shown for: its own, or the Spark application that it is a part of.
        namespaces: of the jobs that it names.
        fact: what it says of the run; None if it says nothing.
    """

    id: str
    type: str
    time: datetime
    run: JobRunId
    namespaces: tuple[str, ...]
    fact: Fact | None


def why_skipped(body: str) -> str:
    """Say why an event is skipped because it is about no run; "" if it is about one."""
    event = _read(body)
    if "run" not in event and "eventType" not in event and not {"job", "dataset"}.isdisjoint(event):
        return f"an OpenLineage event about a {'job' if 'job' in event else 'dataset'} reports no run"
    return ""


def read_run_event(body: str) -> RunEvent:
    """
    Read a run event; members that are not read may be anything.

    Raises:
        MalformedEventError: names the first member that is not as the specification has it.
    """
    event = compact_run_event(_read(body))
    try:
        return _read_event(event)
    except ValueError as error:
        field, _, problem = str(error).partition(": ")
        raise MalformedEventError(field, problem) from error


def _read(body: str) -> Mapping[str, object]:
    try:
        event = json.loads(body)
        json.dumps(event, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise MalformedEventError("body", f"is not valid Unicode ({error.reason})") from error
    except (ValueError, RecursionError) as error:
        raise MalformedEventError("body", f"is not JSON ({error})") from error
    if not isinstance(event, dict):
        raise MalformedEventError("body", f"is a JSON {type(event).__name__}, not an event")
    return event


def _read_event(event: Mapping[str, Any]) -> RunEvent:
    checked(event, _EVENT)
    event_type, time, run_id = event["eventType"], _time(event["eventTime"]), _run_id(event["run"], "run")
    if event_type not in TYPES:
        raise ValueError(f"eventType: is not one of {', '.join(sorted(TYPES))}")
    job, parent = event["job"], _at(event, "run", "facets", "parent")
    spark = _SPARK in str(event.get("producer") or "")
    owner, unit, job_name, namespaces = JobRunId(job["namespace"], run_id), "", job["name"], {job["namespace"]}
    if parent is not None and parent != {}:
        checked(parent, _PARENT, "run.facets.parent")
        parent_id = _run_id(parent["run"], "run.facets.parent.run")
        if _is_unit(job, parent["job"]["name"], spark=spark):
            owner, unit, job_name = JobRunId(parent["job"]["namespace"], parent_id), job["name"], parent["job"]["name"]
            namespaces.add(owner.namespace)
    documentation = _at(job, "facets", "documentation")
    if not unit and documentation is not None:
        checked(documentation, dict, "job.facets.documentation")
    known_by_time = not unit and event_type in {"START", *TERMINAL}
    source = _at(job, "facets", "sourceCodeLocation")
    fact = Fact(
        unit=unit,
        type=event_type,
        at=to_utc_text(time) if known_by_time else "",
        job=job_name,
        kind=_text_at(job, "facets", "jobType", "integration") or ("SPARK" if spark else ""),
        documentation="" if unit else _text_at(job, "facets", "documentation", "description"),
        repository=_text_at(source, "repoUrl") or _text_at(source, "url"),
        branch=_text_at(source, "branch"),
        version=_text_at(source, "version"),
        inputs=tuple(_datasets(event, "inputs")),
        outputs=tuple(_datasets(event, "outputs")),
    )
    said = None if event.get("producer") == REFOLD else fact
    return RunEvent(run_id, event_type, time, owner, tuple(sorted(namespaces)), said)


def _is_unit(job: Mapping[str, Any], parent: str, *, spark: bool) -> bool:
    """
    Whether a run is one of the many that a Spark application is made of, and no job that a person wrote.

    The listener calls them `{application}.{what Spark did}`, and newer ones say what they are in a facet.
    """
    if _text_at(job, "facets", "jobType", "jobType").upper() == "APPLICATION":
        return False
    if _text_at(job, "facets", "jobType", "integration").upper() == "SPARK":
        return True
    return spark and str(job["name"]).startswith(f"{parent}.")


def _datasets(event: Mapping[str, Any], side: str) -> Iterator[DatasetFact]:
    for index, item in enumerate(event.get(side) or ()):
        edges = list_edges_of_output(item, f"outputs[{index}]") if side == "outputs" else ()
        yield DatasetFact(
            _dataset(item),
            tuple(map(_dataset, _at(item, "facets", "symlinks", "identifiers") or ())),
            tuple((each["name"], _text_at(each, "type")) for each in _at(item, "facets", "schema", "fields") or ()),
            tuple((edge.column, edge.source, edge.field) for edge in edges),
            written=_is_written(item),
        )


def _dataset(named: Mapping[str, Any]) -> DatasetName:
    return DatasetName(named["namespace"], named["name"])


def _is_written(item: Mapping[str, Any]) -> bool:
    """Whether an output says that something arrived there."""
    statistics = _at(item, "outputFacets", "outputStatistics")
    counts = statistics.values() if isinstance(statistics, dict) else ()
    return any(isinstance(count, int | float) and count > 0 for count in counts)


def _run_id(run: Mapping[str, Any], at: str) -> str:
    try:
        return str(uuid.UUID(run["runId"]))
    except ValueError as error:
        raise ValueError(f"{at}.runId: is not a UUID") from error


def _time(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        known = moment.astimezone(UTC) if moment.tzinfo else None
    except (ValueError, OverflowError) as error:
        raise ValueError("eventTime: is not a time") from error
    if known is None:
        raise ValueError("eventTime: has no time zone")
    return known
