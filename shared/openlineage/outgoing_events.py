"""Translates processes of the catalog into run events of OpenLineage. Pure: the same entities give the same events."""

import hashlib
import re
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from openlineage.client.event_v2 import Job, Run, RunEvent, RunState
from openlineage.client.facet_v2 import (
    JobFacet,
    RunFacet,
    documentation_job,
    job_type_job,
    ownership_job,
    parent_run,
    source_code_location_job,
    tags_run,
)
from openlineage.client.serde import Serde

from shared.catalog.entities import Entity, Ref
from shared.catalog.kinds import DEPLOYMENT, PACKAGE, PACKAGES, STEP, Role, kind_of
from shared.catalog.qualified_names import QualifiedName, of_run, parse
from shared.openlineage.outgoing_facets import (
    ASSET_FACET,
    PROCESS_FACET,
    PRODUCER,
    TAGS_FROM,
    AzuremlProcessRunFacet,
    Datasets,
    Known,
    columns_of,
    other_attributes,
    read_json,
    tags_of,
)
from shared.places.platforms import to_openlineage

_STATES = {
    "completed": RunState.COMPLETE,
    "finished": RunState.COMPLETE,
    "failed": RunState.FAIL,
    "notresponding": RunState.FAIL,
    "canceled": RunState.ABORT,
    "cancelled": RunState.ABORT,
}
_VERSIONS = re.compile(r"/versions/[^/#]+")


@dataclass(frozen=True, slots=True)
class ProcessEvents:
    """
    The events about one process.

    Attributes:
        fingerprints: of the process, and of each data set of which more than the name is sent; by qualifiedName. They
            change with the content, and not if only the time differs that the process itself does not have.
    """

    process: QualifiedName
    events: tuple[RunEvent, ...]
    fingerprints: Mapping[QualifiedName, str]


def to_run_events(
    entities: Iterable[Entity], *, at: datetime, written: Mapping[QualifiedName, datetime] | None = None
) -> tuple[ProcessEvents, ...]:
    """
    Build the events about each process among entities that reads or writes something.

    Args:
        entities: the processes, and what is known of the entities around them.
        at: the time of events about processes that have none themselves, as a registration does not.
        written: when the catalog last wrote a process, where that is known; comes before `at`.
    """
    known = {entity.ref.qualified_name: entity for entity in entities}
    datasets, packages = Datasets(known), _packages(known)
    processes = sorted((each for each in known.values() if each.inputs or each.outputs), key=lambda each: each.ref)
    times = written or {}
    return tuple(
        _build(process, known, datasets, packages, times.get(process.ref.qualified_name, at)) for process in processes
    )


def _build(
    process: Entity, known: Known, datasets: Datasets, packages: dict[Ref, list[Entity]], at: datetime
) -> ProcessEvents:
    ended, started = _time(process, "ended_at"), _time(process, "started_at")
    columns = columns_of(process)
    end = RunEvent(
        eventType=_state(process),
        eventTime=_format(ended or at),
        run=Run(run_id_of(process), facets=dict(_run_facets(process, known, packages))),
        job=Job(*_job(process), facets=dict(_job_facets(process))),
        inputs=[datasets.input(ref) for ref in _data(process.inputs)],
        outputs=[datasets.output(ref, columns) for ref in _data(process.outputs)],
        producer=PRODUCER,
    )
    start = [
        RunEvent(
            eventType=RunState.START,
            eventTime=_format(started),
            run=Run(run_id_of(process), facets=dict(_parent(process))),
            job=Job(*_job(process), facets=dict(_job_facets(process))),
            producer=PRODUCER,
        )
        for started in ([started] if started else [])
    ]
    return ProcessEvents(
        process.ref.qualified_name, (*start, end), _fingerprints(process, start, end, is_timed=ended is not None)
    )


def _fingerprints(
    process: Entity, start: Sequence[RunEvent], end: RunEvent, *, is_timed: bool
) -> dict[QualifiedName, str]:
    """Keep what is sent of data apart from what is sent of the process: not every plan knows all the data around it."""
    sent: dict[QualifiedName, object] = {}
    last = Serde.to_dict(end)
    for dataset in (*last["inputs"], *last["outputs"]):
        mapped = dataset["facets"].pop("columnLineage", None)
        facets, dataset["facets"] = dataset["facets"], {"columnLineage": mapped}
        if ASSET_FACET in facets:
            sent[QualifiedName(facets[ASSET_FACET]["qualifiedName"])] = facets
    if not is_timed:
        del last["eventTime"]
    sent[process.ref.qualified_name] = [*map(Serde.to_dict, start), last]
    return {name: hashlib.sha256(Serde.to_json({"": each}).encode()).hexdigest()[:32] for name, each in sent.items()}


def run_id_of(process: Entity) -> str:
    """
    Name a run as the standard wants it, by a UUID: Azure ML's own if it is one, else one made of its qualifiedName.

    A deployment that serves other models than before is another run of the same job: events about one run only add.
    """
    if process.ref.type_name == DEPLOYMENT:
        models = "".join(f" {ref.qualified_name}" for ref in process.inputs or ())
        return str(uuid.uuid5(uuid.NAMESPACE_URL, f"{process.ref.qualified_name}{models}"))
    return _uuid(process.ref.qualified_name)


def _uuid(qualified_name: QualifiedName) -> str:
    parsed = parse(qualified_name)
    try:
        return str(uuid.UUID(parsed.run_id if parsed else ""))
    except ValueError:
        return str(uuid.uuid5(uuid.NAMESPACE_URL, qualified_name))


def _job(process: Entity) -> tuple[str, str]:
    """
    Name what recurs: the step of an experiment, or what is done again for each version.

    A step of a pipeline has the name it has there; elsewhere names are made up for each run unless a person gives
    one, so that the component comes first. What came in as OpenLineage goes out under the job it came with.
    """
    parsed = parse(process.ref.qualified_name)
    if parsed and parsed.namespace:
        return parsed.namespace, str(process.attributes["name"])
    named = to_openlineage(process.ref.qualified_name)
    if process.ref.type_name != STEP:
        return named.namespace, _VERSIONS.sub("", named.name)
    values = process.attributes
    component = "" if values.get("pipeline_run_id") else str(values.get("component") or "").partition(":")[0]
    return named.namespace, "/".join(filter(None, (_experiment(process), component or str(values["name"]))))


def _experiment(process: Entity) -> str:
    experiment = process.parents.get("experiment")
    parsed = parse(experiment.qualified_name) if experiment else None
    return parsed.name if parsed else ""


def _data(refs: Sequence[Ref] | None) -> Iterator[Ref]:
    return (ref for ref in refs or () if kind_of(ref.type_name).role is Role.DATA)


def _state(process: Entity) -> RunState:
    """Say how a run ended; what has no status of its own is done once the catalog has it."""
    status = str(process.attributes.get("status") or "")
    return _STATES.get(status.casefold(), RunState.OTHER) if status else RunState.COMPLETE


def _job_facets(process: Entity) -> Iterator[tuple[str, JobFacet]]:
    values = process.attributes
    job_type = kind_of(process.ref.type_name).openlineage or process.ref.type_name
    yield (
        "jobType",
        job_type_job.JobTypeJobFacet(
            processingType="BATCH", integration="AZURE_ML", jobType=job_type, producer=PRODUCER
        ),
    )
    if description := values.get("description"):
        yield (
            "documentation",
            documentation_job.DocumentationJobFacet(description=str(description), producer=PRODUCER),
        )
    if owner := values.get("owner"):
        owners = [ownership_job.Owner(name=str(owner))]
        yield "ownership", ownership_job.OwnershipJobFacet(owners=owners, producer=PRODUCER)
    repository = str(values.get("git_repository") or "")
    if "://" in repository:  # the facet wants a URL; `git@host:path` is none, and stays an attribute
        yield (
            "sourceCodeLocation",
            source_code_location_job.SourceCodeLocationJobFacet(
                type="git",
                url=repository,
                repoUrl=repository,
                version=str(values.get("git_commit") or "") or None,
                branch=str(values.get("git_branch") or "") or None,
                producer=PRODUCER,
            ),
        )


def _parent(process: Entity) -> Iterator[tuple[str, RunFacet]]:
    """Point to the pipeline; it is no entity, so that its job is known by the experiment alone."""
    parsed, pipeline = parse(process.ref.qualified_name), str(process.attributes.get("pipeline_run_id") or "")
    if parsed and parsed.workspace and pipeline:
        root = of_run(parsed.workspace, pipeline)
        namespace = to_openlineage(root).namespace
        yield (
            "parent",
            parent_run.ParentRunFacet(
                run=parent_run.Run(_uuid(root)),
                job=parent_run.Job(namespace, _experiment(process) or "pipeline"),
                producer=PRODUCER,
            ),
        )


def _run_facets(process: Entity, known: Known, packages: dict[Ref, list[Entity]]) -> Iterator[tuple[str, RunFacet]]:
    yield from _parent(process)
    if tags := tags_of(process):
        fields = [tags_run.TagsRunFacetFields(key, value, TAGS_FROM) for key, value in tags.items()]
        yield "tags", tags_run.TagsRunFacet(tags=fields, producer=PRODUCER)
    yield (
        PROCESS_FACET,
        AzuremlProcessRunFacet(
            qualifiedName=process.ref.qualified_name,
            typeName=process.ref.type_name,
            attributes=other_attributes(process),
            producer=PRODUCER,
            **_described(process, known, packages),
        ),
    )


def _described(process: Entity, known: Known, packages: dict[Ref, list[Entity]]) -> dict[str, Any]:
    """Return what describes a run, by the member of its facet; what its kind has no member for is left out."""
    found: dict[str, Any] = {}
    for ref in (*(process.inputs or ()), *(process.outputs or ())):
        kind, entity = kind_of(ref.type_name), known.get(ref.qualified_name)
        if kind.role is not Role.DESCRIBES_RUN or not kind.openlineage:
            continue
        if ref.type_name == PACKAGES:
            found[kind.openlineage] = [_package(each) for each in packages.get(ref, ())]
        elif entity:
            found[kind.openlineage] = read_json(str(entity.attributes.get(kind.values) or ""), dict)
    return found


def _packages(known: Known) -> dict[Ref, list[Entity]]:
    found: dict[Ref, list[Entity]] = {}
    for entity in sorted(known.values(), key=lambda each: each.ref):
        if entity.ref.type_name == PACKAGE and (environment := entity.parents.get("packages")):
            found.setdefault(environment, []).append(entity)
    return found


def _package(package: Entity) -> dict[str, Any]:
    values = package.attributes
    kept = {name: values[name] for name in ("version", "specifier", "source", "extras", "marker") if name in values}
    language = values.get("programming_language")
    return {"name": values["name"], **kept, **({"language": language} if language else {})}


def _time(process: Entity, attribute: str) -> datetime | None:
    try:
        value = datetime.fromisoformat(str(process.attributes.get(attribute) or ""))
    except ValueError:
        return None
    return value.astimezone(UTC) if value.tzinfo else None


def _format(value: datetime) -> str:
    return value.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
