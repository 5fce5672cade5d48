"""Reads one OpenLineage run event: which run it is about, and what it adds to what is known of that run."""

import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from shared.errors import MalformedEventError
from shared.model import to_utc_text
from shared.openlineage.incoming import TYPES, compact_run_event
from shared.openlineage.job_run import TERMINAL, JobRunId, Part, PartDataset
from shared.places.datasets import DatasetName, list_column_edges
from shared.validation import check_kind, objects, take

REFOLD = "urn:lineage:reconcile"
"""The producer of events that say nothing but that a run is to be published again."""
_SPARK = "/integration/spark"


@dataclass(frozen=True, slots=True)
class RunEvent:
    """
    A run event, read.

    Attributes:
        run: the run that a step is shown for: its own, or the Spark application that it is a part of.
        namespaces: of the jobs that it names.
        part: what it says of the run; None if it says nothing.
    """

    id: str
    type: str
    time: datetime
    run: JobRunId
    namespaces: tuple[str, ...]
    part: Part | None


def why_skipped(body: str) -> str:
    """Say why an event of OpenLineage tells nothing of a run, or nothing."""
    event = _read(body)
    if "run" not in event and "eventType" not in event and not {"job", "dataset"}.isdisjoint(event):
        return f"an OpenLineage event about a {'job' if 'job' in event else 'dataset'} tells of no run"
    return ""


def read_run_event(body: str) -> RunEvent:
    """
    Read a run event; members that nobody asks for may be anything.

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
        raise MalformedEventError("body", f"holds what is no character ({error.reason})") from error
    except (ValueError, RecursionError) as error:
        raise MalformedEventError("body", f"is not JSON ({error})") from error
    if not isinstance(event, dict):
        raise MalformedEventError("body", f"is a JSON {type(event).__name__}, not an event")
    return event


def _read_event(event: Mapping[str, object]) -> RunEvent:
    event_type = take(event, "eventType", str, "")
    if event_type not in TYPES:
        raise ValueError(f"eventType: is none of {', '.join(sorted(TYPES))}")
    time = _time(take(event, "eventTime", str, ""))
    run, job = take(event, "run", dict, ""), take(event, "job", dict, "")
    run_id = _run_id(run, "run")
    namespace, name = _text(job, "namespace", "job"), _text(job, "name", "job")
    facets = _optional(job, "facets", "job")
    parent = _optional(_optional(run, "facets", "run"), "parent", "run.facets")
    spark = _SPARK in str(event.get("producer") or "")
    owner, unit = JobRunId(namespace, run_id), ""
    namespaces, job_name = {namespace}, name
    if parent:
        parent_job = take(parent, "job", dict, "run.facets.parent")
        parent_id = _run_id(take(parent, "run", dict, "run.facets.parent"), "run.facets.parent.run")
        parent_name = _text(parent_job, "name", "run.facets.parent.job")
        parent_namespace = _text(parent_job, "namespace", "run.facets.parent.job")
        if _is_part(facets, name, parent_name, spark=spark):
            owner, unit, job_name = JobRunId(parent_namespace, parent_id), name, parent_name
            namespaces.add(parent_namespace)
    known_by_time = not unit and event_type in {"START", *TERMINAL}
    source = _optional(facets, "sourceCodeLocation", "job.facets")
    part = Part(
        unit=unit,
        type=event_type,
        at=to_utc_text(time) if known_by_time else "",
        job=job_name,
        kind=_words(_optional(facets, "jobType", "job.facets"), "integration") or ("SPARK" if spark else ""),
        documentation="" if unit else _words(_optional(facets, "documentation", "job.facets"), "description"),
        repository=_words(source, "repoUrl") or _words(source, "url"),
        branch=_words(source, "branch"),
        version=_words(source, "version"),
        inputs=tuple(_datasets(event, "inputs")),
        outputs=tuple(_datasets(event, "outputs")),
    )
    said = None if event.get("producer") == REFOLD else part
    return RunEvent(run_id, event_type, time, owner, tuple(sorted(namespaces)), said)


def _is_part(facets: Mapping[str, object], name: str, parent: str, *, spark: bool) -> bool:
    """
    Whether a run is one of the many that a Spark application is made of, and no job that somebody wrote.

    The listener calls them `{application}.{what Spark did}`, and newer ones say what they are in a facet.
    """
    job_type = _optional(facets, "jobType", "job.facets")
    if _words(job_type, "jobType").upper() == "APPLICATION":
        return False
    if _words(job_type, "integration").upper() == "SPARK":
        return True
    return spark and name.startswith(f"{parent}.")


def _datasets(event: Mapping[str, object], side: str) -> Iterator[PartDataset]:
    items = _list(event, side, "")
    for path, item in objects(items, side):
        facets = _optional(item, "facets", path)
        schema = _optional(facets, "schema", f"{path}.facets")
        fields = _list(schema, "fields", f"{path}.facets.schema")
        columns = tuple(
            (_text(field, "name", at), _words(field, "type"))
            for at, field in objects(fields, f"{path}.facets.schema.fields")
        )
        edges = list_column_edges({"outputs": [item]}) if side == "outputs" else ()
        yield PartDataset(
            DatasetName(_text(item, "namespace", path), _text(item, "name", path)),
            tuple(_symlinks(facets, path)),
            columns,
            tuple((edge.column, edge.source, edge.field) for edge in edges),
            written=_is_written(item),
        )


def _symlinks(facets: Mapping[str, object], at: str) -> Iterator[DatasetName]:
    facet = _optional(facets, "symlinks", f"{at}.facets")
    path = f"{at}.facets.symlinks.identifiers"
    for where, item in objects(_list(facet, "identifiers", f"{at}.facets.symlinks"), path):
        yield DatasetName(_text(item, "namespace", where), _text(item, "name", where))


def _is_written(item: Mapping[str, object]) -> bool:
    """Whether an output says that something arrived there."""
    facets = item.get("outputFacets")
    statistics = facets.get("outputStatistics") if isinstance(facets, dict) else None
    counts = statistics.values() if isinstance(statistics, dict) else ()
    return any(isinstance(count, int | float) and count > 0 for count in counts)


def _optional(body: Mapping[str, object], name: str, at: str) -> dict[str, object]:
    value = body.get(name)
    return {} if value is None else check_kind(value, dict, f"{at}.{name}" if at else name)


def _list(body: Mapping[str, object], name: str, at: str) -> list[object]:
    value = body.get(name)
    return [] if value is None else check_kind(value, list, f"{at}.{name}" if at else name)


def _words(body: Mapping[str, object], name: str) -> str:
    value = body.get(name)
    return value if isinstance(value, str) else ""


def _text(body: Mapping[str, object], name: str, at: str) -> str:
    value = take(body, name, str, at)
    if not value.strip():
        raise ValueError(f"{at}.{name}: is empty")
    return value


def _run_id(run: Mapping[str, object], at: str) -> str:
    value = _text(run, "runId", at)
    try:
        return str(uuid.UUID(value))
    except ValueError as error:
        raise ValueError(f"{at}.runId: is no UUID") from error


def _time(text: str) -> datetime:
    try:
        moment = datetime.fromisoformat(text)
        known = moment.astimezone(UTC) if moment.tzinfo else None
    except (ValueError, OverflowError) as error:
        raise ValueError("eventTime: is not a time") from error
    if known is None:
        raise ValueError("eventTime: has no time zone")
    return known
