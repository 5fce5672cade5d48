"""The table of Azure ML's event types: what each is about, what is read of it, and whether we subscribe to it."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

from shared.errors import MalformedEventError
from shared.model import SETTLED, AssetId, WorkspaceId

LISTED = "listed-"
"""How the id of an event begins that Azure ML has not sent."""
AGAIN = f"{LISTED}again-"
"""How it begins where what it is about has changed since it was published."""
NAMESPACE = "Microsoft.MachineLearningServices."


@dataclass(frozen=True, slots=True)
class RunSubject:
    """A run ended, or changed its status. What the event says beside the run's id may be missing."""

    run_id: str
    parent_pipeline: str = ""
    """The pipeline root this run is a step of, where the event names it."""
    orchestrates: bool = False
    """The event calls it a pipeline: it has steps and does no work of its own."""
    trial_of: str = ""
    """The AutoML run that it is a trial of, where the event says so."""
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

    @property
    def is_listed(self) -> bool:
        """Whether it was made of a list of what there is, which may have been there for long."""
        return self.id.startswith(LISTED)

    @property
    def is_again(self) -> bool:
        """Whether something is known to have changed that was published before."""
        return self.id.startswith(AGAIN)


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


@dataclass(frozen=True, slots=True)
class EventType:
    """
    All that is known of one type of event.

    Attributes:
        parse: reads the subject from the envelope's `subject` and those members of `data` that are listed here.
        members: the members of `data` that are read, each with the names that are read of it if it is an object.
        free_text: those of `members` that name nothing and may hold a secret.
        subscribed: whether our subscription to a workspace asks for events of this type.
    """

    parse: Callable[[str, Mapping[str, object]], Subject]
    members: Mapping[str, tuple[str, ...]]
    free_text: frozenset[str] = field(default_factory=frozenset)
    subscribed: bool = True

    def read(self, data: Mapping[str, object]) -> dict[str, object]:
        """Take the members out of an event's data; the receiver drops all others, so a parser must not see them."""
        return {name: keep_names(data[name], inner) for name, inner in self.members.items() if name in data}


def keep_names(value: object, names: Collection[str]) -> object:
    """
    Keep of an object the members that are read of it; anything else stays as it is.

    >>> keep_names({"azureml.pipeline": "p", "team": "risk"}, ("azureml.pipeline",))
    {'azureml.pipeline': 'p'}
    """
    return {name: value[name] for name in names if name in value} if names and isinstance(value, dict) else value


def subscribed_types() -> tuple[str, ...]:
    """Return the full names of the types that our subscription to a workspace asks for."""
    return tuple(f"{NAMESPACE}{name}" for name, each in EVENT_TYPES.items() if each.subscribed)


def members_read() -> dict[str, frozenset[str]]:
    """Return the members of `data` that any type reads, in lower case, each with the names that are read of it."""
    found: dict[str, frozenset[str]] = {}
    for event_type in EVENT_TYPES.values():
        for name, inner in event_type.members.items():
            found[name.casefold()] = found.get(name.casefold(), frozenset()) | set(inner)
    return found


def identifying_members() -> frozenset[str]:
    """Return the members of `data`, in lower case, that say what an event is about; none of them is a secret."""
    free_text = {name.casefold() for each in EVENT_TYPES.values() for name in each.free_text}
    return frozenset(name for name, inner in members_read().items() if not inner) - free_text


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
    event_type = EVENT_TYPES[name]
    subject = event_type.parse(envelope.subject, event_type.read(envelope.data))
    return Event(envelope.id, name, workspace, envelope.time, subject)


def is_known(event_type: str) -> bool:
    """Whether we know events of this type; others change nothing that we publish."""
    return event_type.removeprefix(NAMESPACE) in EVENT_TYPES


def _parse_run(subject: str, data: Mapping[str, object]) -> RunSubject:
    run_id = _text(data, "runId")
    _check_subject(subject, run_id, "data.runId")
    tags, properties = _mapping(data, "runTags"), _mapping(data, "runProperties")
    pipeline = str(tags.get("azureml.pipeline") or properties.get("azureml.pipelinerunid") or "")
    _name("data.runTags.azureml.pipeline", pipeline)
    kinds = {str(data.get("runType") or ""), str(properties.get("azureml.runsource") or "")}
    return RunSubject(
        run_id,
        parent_pipeline="" if pipeline == run_id else pipeline,
        orchestrates="azureml.PipelineRun" in kinds,
        trial_of=run_id.rpartition("_")[0] if properties.get("runTemplate") == "automl_child" else "",
        experiment_id=_name("data.experimentId", str(data.get("experimentId") or "")),
        experiment_name=str(data.get("experimentName") or ""),
    )


def _parse_run_status(subject: str, data: Mapping[str, object]) -> Subject:
    status = _text(data, "runStatus")
    run = _parse_run(subject, data)
    if status.casefold() not in SETTLED:
        return Nothing(f"run {run.run_id} is {status}; it is published when it ends")
    return run


def _parse_model(subject: str, data: Mapping[str, object]) -> ModelSubject:
    name, version = _text(data, "modelName"), _text(data, "modelVersion")
    _check_subject(subject, f"{name}:{version}", "data.modelName and data.modelVersion")
    return ModelSubject(AssetId("models", name, version))


def _parse_deployment(_: str, data: Mapping[str, object]) -> EndpointSubject:
    name = _text(data, "serviceName")
    models = []
    listed = data.get("modelIds") or ""
    if not isinstance(listed, str):
        raise MalformedEventError("data.modelIds", f"is {listed!r}")
    for label in filter(None, listed.split(",")):
        model, colon, version = label.strip().rpartition(":")
        if not colon or not model or not version:
            raise MalformedEventError("data.modelIds", f"{label!r} is not name:version")
        models.append(AssetId("models", _name("data.modelIds", model), _name("data.modelIds", version)))
    return EndpointSubject(name, str(data.get("serviceComputeType") or ""), tuple(models))


def _parse_drift(_: str, data: Mapping[str, object]) -> Nothing:
    return Nothing(f"data drift ({_text(data, 'dataDriftName')}) changes no lineage")


_RUN = {
    "runId": (),
    "runType": (),
    "experimentId": (),
    "experimentName": (),
    "runTags": ("azureml.pipeline",),
    "runProperties": ("azureml.pipelinerunid", "azureml.runsource", "runTemplate"),
}
EVENT_TYPES: dict[str, EventType] = {
    "RunCompleted": EventType(_parse_run, _RUN),
    "RunStatusChanged": EventType(_parse_run_status, {**_RUN, "runStatus": ()}),
    "ModelRegistered": EventType(_parse_model, {"modelName": (), "modelVersion": ()}),
    "ModelDeployed": EventType(_parse_deployment, {"serviceName": (), "serviceComputeType": (), "modelIds": ()}),
    "DatasetDriftDetected": EventType(
        _parse_drift, {"dataDriftName": ()}, free_text=frozenset({"dataDriftName"}), subscribed=False
    ),
}
"""
By name without the namespace. Shapes: Event Grid schema of Azure Machine Learning,
https://learn.microsoft.com/azure/event-grid/event-schema-machine-learning
"""


def _text(data: Mapping[str, object], name: str) -> str:
    value = data.get(name)
    if isinstance(value, bool) or not isinstance(value, str | int) or value == "":
        raise MalformedEventError(f"data.{name}", "is missing" if value in (None, "") else f"is {value!r}")
    return _name(f"data.{name}", str(value))


def _name(field: str, value: str) -> str:
    """Refuse what would lead elsewhere as a part of a URL."""
    if value in (".", ".."):
        raise MalformedEventError(field, f"{value!r} is not a name")
    return value


def _mapping(data: Mapping[str, object], name: str) -> Mapping[str, object]:
    value = data.get(name)
    return value if isinstance(value, dict) else {}


def _check_subject(subject: str, identifier: str, field: str) -> None:
    if subject.rpartition("/")[2] != identifier:
        raise MalformedEventError("subject", f"{subject!r} contradicts {field} ({identifier!r})")
