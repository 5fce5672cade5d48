"""
Reads what Event Grid delivers: either schema, single or in an array, any casing of keys, live or dead-lettered.

Events of OpenLineage, which come through the same queue, are recognised here, and read by `shared.openlineage`.
"""

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import cast

from azure.core.messaging import CloudEvent
from azure.eventgrid import EventGridEvent

from shared.errors import MalformedEventError
from shared.intake.event_types import identifying_members, keep_names, members_read
from shared.openlineage.incoming_events import TYPES, compact_run_event
from shared.redaction import REDACTED, is_secret_key, redact_body, redact_json


@dataclass(frozen=True, slots=True)
class Envelope:
    """What both schemas say around an event's data; `topic` is CloudEvents' `source`."""

    id: str
    event_type: str
    topic: str
    subject: str
    time: datetime
    data: Mapping[str, object]


_OF_OPENLINEAGE = frozenset({"run", "job", "dataset", "schemaURL", "producer"})
_OF_EVENT_GRID = frozenset({"topic", "specversion", "data", "subject"})
_EVENT_GRID_REQUIRED = ("id", "topic", "subject", "eventType", "eventTime", "data")
_ENVELOPE_IDENTITY = frozenset(
    {"id", "topic", "source", "subject", "eventtype", "type", "eventtime", "time", "specversion", "dataversion"}
)
_CLOUD_EVENT_REQUIRED = ("id", "source", "subject", "type", "time", "data", "specversion")


def is_openlineage(event: object) -> bool:
    """
    Whether something is meant as an OpenLineage event, however wrong it may be; Event Grid's have an eventType too.

    >>> is_openlineage({"eventType": "COMPLETE"}), is_openlineage({"eventType": "COMPLETE", "topic": "/subscriptions"})
    (True, False)
    """
    if not isinstance(event, dict) or not _OF_EVENT_GRID.isdisjoint(event):
        return False
    return not _OF_OPENLINEAGE.isdisjoint(event) or (
        isinstance(event.get("eventType"), str) and event["eventType"] in TYPES
    )


def is_openlineage_body(body: str) -> bool:
    """Whether a message holds what is meant as an OpenLineage event."""
    try:
        return is_openlineage(json.loads(body))
    except (ValueError, RecursionError):
        return False


def split_events(body: str) -> list[str]:
    """
    Split one delivery into the events in it, each as JSON text.

    A body that is not JSON, or an item that is not an object, stays as it is: it becomes a dead letter of its own.
    """
    try:
        delivery = json.loads(body)
    except (ValueError, RecursionError):
        return [body]
    return [json.dumps(item) for item in (delivery if isinstance(delivery, list) else [delivery])]


def parse_envelope(body: str) -> Envelope:
    """
    Decode one event.

    The genuine SDK types do the decoding, but only once every required member is there: left alone they fill in a
    random id and the current time.

    Raises:
        MalformedEventError: names the member that is missing or wrong.
    """
    members = _read_members(body)
    cloud_event = "specversion" in members
    for name in _CLOUD_EVENT_REQUIRED if cloud_event else _EVENT_GRID_REQUIRED:
        value = members.get(name)
        if value in (None, ""):
            raise MalformedEventError(name, "is missing")
        if not isinstance(value, dict if name == "data" else str):
            raise MalformedEventError(name, f"is {value!r}")
    moment = _parse_time("time" if cloud_event else "eventTime", members)
    return (_from_cloud_event if cloud_event else _from_event_grid)(members, moment)


def event_type_of(body: str) -> str:
    """
    Return the full name of an event's type before anything else of it is looked at, "" if it has none.

    Events of a type we do not know need not look like those we do.
    """
    try:
        members = _read_members(body)
    except MalformedEventError:
        return ""
    value = members.get("type" if "specversion" in members else "eventType")
    return value if isinstance(value, str) else ""


def redact_event(body: str) -> str:
    """
    Strip secrets from an event, which tags and properties may carry, and leave what it is about as it is.

    A model may well be called `password-strength:3`; the names and ids we read are no secrets, so that what is queued
    or dead-lettered can be replayed.
    """
    try:
        event = json.loads(body)
        if is_openlineage(event):
            return json.dumps(compact_run_event(event))
        return json.dumps(_redact_members(event)) if isinstance(event, dict) else redact_body(body)
    except (ValueError, RecursionError):
        return redact_body(body)


def shrink_event(body: str) -> str:
    """
    Keep of an event only what is read, without secrets; anything that is no event stays as it is but for those.

    >>> shrink_event('{"id": "e", "data": {"runId": "r", "runProperties": {"big": "x"}}}')
    '{"id": "e", "data": {"runId": "r", "runProperties": {}}}'
    """
    try:
        event = json.loads(body)
        return redact_event(body if is_openlineage(event) else json.dumps(compact_event(event)))
    except (ValueError, RecursionError):
        return redact_event(body)


def _redact_members(event: Mapping[str, object]) -> dict[str, object]:
    return {
        name: value
        if _is_identity(name, value, _ENVELOPE_IDENTITY)
        else _redact_data(value)
        if name.lower() == "data" and isinstance(value, dict)
        else _redact_member(name, value)
        for name, value in event.items()
    }


def compact_event(event: object) -> object:
    """
    Keep only the members of an event that are read: a few hundred bytes, however large its tags and properties are.

    Kept members stay as they came, so that a malformed event is still seen to be malformed.

    >>> compact_event({"id": "e", "data": {"runId": "r", "runProperties": {"big": "x", "azureml.runsource": "s"}}})
    {'id': 'e', 'data': {'runId': 'r', 'runProperties': {'azureml.runsource': 's'}}}
    """
    if not isinstance(event, dict):
        return event
    kept = {name: value for name, value in event.items() if name.casefold() in _ENVELOPE_IDENTITY}
    return kept | {name: _compact_data(value) for name, value in event.items() if name.casefold() == "data"}


def _compact_data(data: object) -> object:
    if not isinstance(data, dict):
        return data
    read = members_read()
    return {
        name: keep_names(value, sorted(read[name.casefold()]))
        for name, value in data.items()
        if name.casefold() in read
    }


def _redact_data(data: Mapping[str, object]) -> dict[str, object]:
    names = identifying_members()
    return {
        name: value if _is_identity(name, value, names) else _redact_member(name, value) for name, value in data.items()
    }


def _redact_member(name: str, value: object) -> object:
    return REDACTED if is_secret_key(name) else redact_json(value)


def _is_identity(name: str, value: object, members: Collection[str]) -> bool:
    return isinstance(value, str | int) and name.casefold() in members


def _read_members(body: str) -> dict[str, object]:
    try:
        raw = json.loads(body)
        json.dumps(raw, ensure_ascii=False).encode()
    except UnicodeEncodeError as error:
        raise MalformedEventError("body", f"is not valid Unicode ({error.reason})") from error
    except (ValueError, RecursionError) as error:
        raise MalformedEventError("body", f"is not JSON ({error})") from error
    if isinstance(raw, list) and len(raw) == 1:
        raw = raw[0]
    if not isinstance(raw, dict):
        raise MalformedEventError("body", f"is a JSON {type(raw).__name__}, not an event")
    members = lower_first(raw)
    if "specVersion" in members:  # as in AML's own CloudEvents examples
        members["specversion"] = members.pop("specVersion")
    return members


def lower_first(members: Mapping[str, object]) -> dict[str, object]:
    """
    Lower the first letter of every key, since AML's casing does not follow from the schema.

    >>> lower_first({"ModelName": "m", "runId": "r"})
    {'modelName': 'm', 'runId': 'r'}
    """
    return {key[:1].lower() + key[1:]: value for key, value in members.items()}


def _from_event_grid(members: Mapping[str, object], moment: datetime) -> Envelope:
    # What is in `data` is not for the SDK to decode: it would go down as deep as that goes, with Python's stack.
    event = EventGridEvent.from_dict({**members, "data": {}, "dataVersion": "", "eventTime": moment.isoformat()})
    return Envelope(
        id=str(event.id),
        event_type=str(event.event_type),
        topic=str(event.topic),
        subject=str(event.subject),
        time=moment,
        data=lower_first(cast("dict[str, object]", members["data"])),
    )


def _from_cloud_event(members: Mapping[str, object], moment: datetime) -> Envelope:
    # Event Grid's dead-letter members come along as CloudEvents extensions; they say nothing about the event itself.
    known = {name: members[name] for name in _CLOUD_EVENT_REQUIRED}
    event: CloudEvent[dict[str, object]] = CloudEvent.from_dict({**known, "time": moment.isoformat()})
    return Envelope(
        id=str(event.id),
        event_type=event.type,
        topic=event.source,
        subject=str(event.subject),
        time=moment,
        data=lower_first(event.data or {}),
    )


def _parse_time(name: str, members: Mapping[str, object]) -> datetime:
    """Read a time as AML writes it, with 6 or 7 fractional digits; the SDK types are given what this makes of it."""
    try:
        moment = datetime.fromisoformat(str(members[name]))
        if moment.tzinfo is None:
            raise MalformedEventError(name, f"{members[name]!r} has no time zone")
        return moment.astimezone(UTC)
    except (ValueError, OverflowError) as error:
        raise MalformedEventError(name, f"{members[name]!r} is not a time") from error
