"""Reads what Event Grid delivers: either schema, single or in an array, any casing of keys, live or dead-lettered."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from azure.core.messaging import CloudEvent
from azure.eventgrid import EventGridEvent

from shared.errors import MalformedEventError


@dataclass(frozen=True, slots=True)
class Envelope:
    """What both schemas say around an event's data; `topic` is CloudEvents' `source`."""

    id: str
    event_type: str
    topic: str
    subject: str
    time: datetime
    data: Mapping[str, object]


_EVENT_GRID_REQUIRED = ("id", "topic", "subject", "eventType", "eventTime", "data")
_CLOUD_EVENT_REQUIRED = ("id", "source", "subject", "type", "time", "data", "specversion")


def split_events(body: str) -> list[str]:
    """
    Split one delivery into the events in it, each as JSON text.

    A body that is not JSON, or an item that is no object, stays as it is: it becomes a dead letter of its own.
    """
    try:
        delivery = json.loads(body)
    except ValueError:
        return [body]
    return [json.dumps(item, ensure_ascii=False) for item in (delivery if isinstance(delivery, list) else [delivery])]


def parse_envelope(body: str) -> Envelope:
    """
    Decode one event.

    The genuine SDK types do the decoding, but only once every required member is there: left alone they fill in a
    random id and the current time.

    Raises:
        MalformedEventError: names the member that is missing or wrong.
    """
    try:
        raw = json.loads(body)
    except ValueError as error:
        raise MalformedEventError("body", f"is not JSON ({error})") from error
    if isinstance(raw, list) and len(raw) == 1:
        raw = raw[0]
    if not isinstance(raw, dict):
        raise MalformedEventError("body", f"is a JSON {type(raw).__name__}, not an event")
    members = lower_first(raw)
    if "specVersion" in members:  # so spelt in AML's own CloudEvents examples
        members["specversion"] = members.pop("specVersion")
    cloud_event = "specversion" in members
    for name in _CLOUD_EVENT_REQUIRED if cloud_event else _EVENT_GRID_REQUIRED:
        if members.get(name) in (None, ""):
            raise MalformedEventError(name, "is missing")
    if not isinstance(members["data"], dict):
        raise MalformedEventError("data", "is not an object")
    for name in ("eventTime", "time"):
        if name in members:
            _check_time(name, members[name])
    return _from_cloud_event(members) if cloud_event else _from_event_grid(members)


def lower_first(members: Mapping[str, object]) -> dict[str, object]:
    """
    Lower the first letter of every key, since AML's casing does not follow from the schema.

    >>> lower_first({"ModelName": "m", "runId": "r"})
    {'modelName': 'm', 'runId': 'r'}
    """
    return {key[:1].lower() + key[1:]: value for key, value in members.items()}


def _from_event_grid(members: Mapping[str, object]) -> Envelope:
    event = EventGridEvent.from_dict({"dataVersion": "", **members})
    return Envelope(
        id=str(event.id),
        event_type=str(event.event_type),
        topic=str(event.topic),
        subject=str(event.subject),
        time=event.event_time.astimezone(UTC),
        data=lower_first(event.data),
    )


def _from_cloud_event(members: Mapping[str, object]) -> Envelope:
    # Event Grid's dead-letter members come along as CloudEvents extensions; they say nothing about the event itself.
    known = {name: members[name] for name in _CLOUD_EVENT_REQUIRED}
    event: CloudEvent[dict[str, object]] = CloudEvent.from_dict(known)
    assert event.time is not None  # noqa: S101 - checked above, and the type cannot say so
    return Envelope(
        id=str(event.id),
        event_type=event.type,
        topic=event.source,
        subject=str(event.subject),
        time=event.time.astimezone(UTC),
        data=lower_first(event.data or {}),
    )


def _check_time(name: str, value: object) -> None:
    try:
        moment = datetime.fromisoformat(str(value))
    except ValueError as error:
        raise MalformedEventError(name, f"{value!r} is not a time") from error
    if moment.tzinfo is None:
        raise MalformedEventError(name, f"{value!r} has no time zone")
