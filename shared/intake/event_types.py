"""Tells what an Azure ML event is about: which workspace, and which run, model version or endpoint in it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

from shared.errors import MalformedEventError
from shared.model import SETTLED, AssetId, WorkspaceId

NAMESPACE = "Microsoft.MachineLearningServices."


@dataclass(frozen=True, slots=True)
class RunSubject:
    """A run ended, or changed its status. The hints come from the event and may be empty."""

    run_id: str
    parent_pipeline: str = ""
    """The pipeline root this run is a step of, where the event names it."""
    orchestrates: bool = False
    """The event calls it a pipeline: it has steps and does no work of its own."""
    experiment_id: str = ""
    experiment_name: str = ""


@dataclass(frozen=True, slots=True)
class ModelSubject:
    """A model version was registered."""

    model: AssetId


@dataclass(frozen=True, slots=True)
class EndpointSubject:
    """Models were deployed. What follows the name is all there is to read for a v1 service (ACI, AKS)."""

    name: str
    compute_type: str = ""
    models: tuple[AssetId, ...] = ()


@dataclass(frozen=True, slots=True)
class Nothing:
    """The event changes no lineage; `reason` is a sentence for people."""

    reason: str


Subject = RunSubject | ModelSubject | EndpointSubject | Nothing


@dataclass(frozen=True, slots=True)
class Event:
    """An Azure ML event, read. `type` is the name without its namespace, as `RunCompleted`."""

    id: str
    type: str
    workspace: WorkspaceId
    time: datetime
    subject: Subject


class Envelope(Protocol):
    """What `shared.intake.envelopes` hands over; a protocol, so that this module needs no SDK."""

    @property
    def id(self) -> str: ...
    @property
    def event_type(self) -> str: ...
    @property
    def topic(self) -> str: ...
    @property
    def subject(self) -> str: ...
    @property
    def time(self) -> datetime: ...
    @property
    def data(self) -> Mapping[str, object]: ...


def parse_event(envelope: Envelope) -> Event:
    """
    Read an event of a known type.

    Raises:
        MalformedEventError: names the member that is missing, wrong, or contradicts the subject.
    """
    try:
        workspace = WorkspaceId.parse(envelope.topic)
    except ValueError as error:
        raise MalformedEventError("topic", str(error)) from error
    if not is_known(envelope.event_type):
        raise MalformedEventError("eventType", f"{envelope.event_type!r} is not known")
    name = envelope.event_type.removeprefix(NAMESPACE)
    return Event(envelope.id, name, workspace, envelope.time, _PARSERS[name](envelope))


def is_known(event_type: str) -> bool:
    """Whether we know events of this type; others change nothing that we publish."""
    return event_type.removeprefix(NAMESPACE) in _PARSERS


def _parse_run(envelope: Envelope) -> RunSubject:
    run_id = _text(envelope.data, "runId")
    _check_subject(envelope.subject, run_id, "data.runId")
    tags, properties = _mapping(envelope.data, "runTags"), _mapping(envelope.data, "runProperties")
    pipeline = str(tags.get("azureml.pipeline") or properties.get("azureml.pipelinerunid") or "")
    _name("data.runTags.azureml.pipeline", pipeline)
    kinds = {str(envelope.data.get("runType") or ""), str(properties.get("azureml.runsource") or "")}
    return RunSubject(
        run_id,
        parent_pipeline="" if pipeline == run_id else pipeline,
        orchestrates="azureml.PipelineRun" in kinds,
        experiment_id=_name("data.experimentId", str(envelope.data.get("experimentId") or "")),
        experiment_name=str(envelope.data.get("experimentName") or ""),
    )


def _parse_run_status(envelope: Envelope) -> Subject:
    status = _text(envelope.data, "runStatus")
    run = _parse_run(envelope)
    if status.casefold() not in SETTLED:
        return Nothing(f"run {run.run_id} is {status}; it is published when it ends")
    return run


def _parse_model(envelope: Envelope) -> ModelSubject:
    name, version = _text(envelope.data, "modelName"), _text(envelope.data, "modelVersion")
    _check_subject(envelope.subject, f"{name}:{version}", "data.modelName and data.modelVersion")
    return ModelSubject(AssetId("models", name, version))


def _parse_deployment(envelope: Envelope) -> EndpointSubject:
    name = _text(envelope.data, "serviceName")
    models = []
    listed = envelope.data.get("modelIds") or ""
    if not isinstance(listed, str):
        raise MalformedEventError("data.modelIds", f"is {listed!r}")
    for label in filter(None, listed.split(",")):
        model, colon, version = label.strip().rpartition(":")
        if not colon or not model or not version:
            raise MalformedEventError("data.modelIds", f"{label!r} is not name:version")
        models.append(AssetId("models", _name("data.modelIds", model), _name("data.modelIds", version)))
    return EndpointSubject(name, str(envelope.data.get("serviceComputeType") or ""), tuple(models))


def _parse_drift(envelope: Envelope) -> Nothing:
    return Nothing(f"data drift ({_text(envelope.data, 'dataDriftName')}) changes no lineage")


_PARSERS = {
    "RunCompleted": _parse_run,
    "RunStatusChanged": _parse_run_status,
    "ModelRegistered": _parse_model,
    "ModelDeployed": _parse_deployment,
    "DatasetDriftDetected": _parse_drift,
}


def _text(data: Mapping[str, object], name: str) -> str:
    value = data.get(name)
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise MalformedEventError(f"data.{name}", "is missing" if value in (None, "") else f"is {value!r}")
    return _name(f"data.{name}", str(value))


def _name(field: str, value: str) -> str:
    """Refuse what would lead elsewhere as a part of a URL."""
    if value in (".", ".."):
        raise MalformedEventError(field, f"{value!r} is no name")
    return value


def _mapping(data: Mapping[str, object], name: str) -> Mapping[str, object]:
    value = data.get(name)
    return value if isinstance(value, dict) else {}


def _check_subject(subject: str, identifier: str, field: str) -> None:
    if subject.rpartition("/")[2] != identifier:
        raise MalformedEventError("subject", f"{subject!r} contradicts {field} ({identifier!r})")
