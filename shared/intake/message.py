"""What a queue message says: the event, compact, and what must travel with it."""

import base64
import json
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from typing import Self

EVENT_GRID, REPLAY, RECONCILE, BACKFILL = "event_grid", "replay", "reconcile", "backfill"
OPENLINEAGE = "openlineage"


@dataclass(frozen=True, slots=True)
class MessageBody:
    """
    The body of a message.

    Attributes:
        event: one event as JSON text.
        operation_id: names this acceptance of the event in logs, and its dead letter if it comes to that.
        source: who put it on the queue.
        received_at: when it was accepted, ISO 8601; "" if nobody noted it.
        traceparent: the W3C trace context it was accepted in; a queue does not carry it by itself.
        deferrals: how often it was put back with a delay.
        closes: the dead letter that is closed when this ends well.
    """

    event: str
    operation_id: str
    source: str = EVENT_GRID
    received_at: str = ""
    traceparent: str = ""
    deferrals: int = 0
    closes: str = ""

    @classmethod
    def parse(cls, text: str, *, message_id: str) -> Self:
        """
        Read a message; one that is a bare event, as Event Grid itself would put it on a queue, is taken as such.

        >>> MessageBody.parse('{"id": "e1"}', message_id="m1").operation_id
        'm1'
        """
        try:
            members = json.loads(text)
        except (ValueError, RecursionError):
            members = None
        if not isinstance(members, dict) or not {"event", "operation_id"} <= set(members):
            return cls(text, message_id)
        texts = {
            name: str(members.get(name) or "")
            for name in ("operation_id", "source", "received_at", "traceparent", "closes")
        }
        texts["operation_id"] = texts["operation_id"] or message_id
        deferrals = members.get("deferrals")
        event = members["event"]
        return cls(
            event=event if isinstance(event, str) else json.dumps(event),
            deferrals=max(deferrals, 0) if isinstance(deferrals, int) else 0,
            **texts,
        )

    def to_json(self) -> str:
        return json.dumps({name: value for name, value in asdict(self).items() if value or name == "event"})

    @property
    def facts(self) -> dict[str, object]:
        """What the line of its outcome in the log says about it."""
        return {"operation_id": self.operation_id, "source": self.source, "deferrals": self.deferrals}

    def deferred(self) -> Self:
        """Return the same message, put back once more."""
        return replace(self, deferrals=self.deferrals + 1)


def decode_body(content: str) -> str:
    """
    Undo the base64 that most senders use, Event Grid among them; what is none is taken as it is.

    The host could do that too, but would move a body that is no base64 past us to the poison queue, and fail there.

    >>> decode_body("eyJpZCI6ICJlIn0="), decode_body('{"id": "e"}')
    ('{"id": "e"}', '{"id": "e"}')
    """
    try:
        return base64.b64decode("".join(content.split()), validate=True).decode()
    except ValueError:
        return content


def seconds_since(received_at: str, now: datetime) -> float | None:
    """Return how long ago a message was accepted, None if that is not known."""
    try:
        return (now - datetime.fromisoformat(received_at)).total_seconds()
    except (ValueError, TypeError):
        return None
