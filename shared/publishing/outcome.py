"""How one message ended."""

from collections.abc import Mapping
from dataclasses import dataclass, field

PUBLISHED, SKIPPED, DEAD_LETTERED = "published", "skipped", "dead_lettered"

CAME_BACK, DEFERRED = "came_back", "deferred"
"""Not how a message ended but how one attempt at it did: it is on the queue again, or a copy of it with a delay."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """
    How one attempt at a message ended.

    Attributes:
        subject: what it was about, for people.
        reason: why it was skipped, set aside or came back.
        written: entities written to the catalog.
        matches: how each place was found: qualifiedName → "exact", "resource set" or "placeholder".
        rules: which naming rule found it, or why none did; for people.
    """

    outcome: str
    subject: str = ""
    reason: str = ""
    written: int = 0
    matches: Mapping[str, str] = field(default_factory=dict)
    rules: Mapping[str, str] = field(default_factory=dict)
