"""A scenario's events as they are delivered."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class EventFile:
    """One delivery of events as it came: an Event Grid array, or a single object."""

    name: str
    body: object
