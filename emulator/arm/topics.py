"""Event Grid's system topics and their event subscriptions, as they are kept."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from emulator.arm.groups import Group
from emulator.arm.metrics import Metrics
from emulator.arm.operations import FAILED, IN_PROGRESS, SUCCEEDED, Operation

Body = dict[str, Any]

TOPIC = "Microsoft.EventGrid/systemTopics"
SUBSCRIPTION = f"{TOPIC}/eventSubscriptions"
STATES = ("Creating", "Updating", "Deleting", "Succeeded", "Canceled", "Failed", "AwaitingManualAction")


@dataclass(slots=True)
class EventSubscription:
    """One subscription; ``forced_state`` is what a test has set."""

    name: str
    properties: Body
    operation: Operation | None = None
    while_written: str = "Creating"
    forced_state: str | None = None

    @property
    def state(self) -> str:
        """The provisioning state."""
        return _state(self.operation, self.while_written, self.forced_state)

    def set_state(self, state: str | None, expires: str | None) -> None:
        """Set the provisioning state and the time after which nothing is delivered any more."""
        if state is not None and state not in STATES:
            raise ValueError(f"provisioning_state must be one of {', '.join(STATES)}, not {state!r}")
        if expires is not None:
            moment = datetime.fromisoformat(expires)
            moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
            self.properties["expirationTimeUtc"] = f"{moment.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
        self.forced_state = state or self.forced_state

    def to_json(self, topic_id: str) -> Body:
        """Show the subscription; the URL of a webhook is shown without its query, which holds the secret."""
        properties = dict(self.properties)
        destination = properties.get("destination")
        if isinstance(destination, Mapping) and destination.get("endpointType") == "WebHook":
            shown = dict(destination["properties"])
            shown["endpointBaseUrl"] = str(shown.pop("endpointUrl")).partition("?")[0]
            properties["destination"] = {"endpointType": "WebHook", "properties": shown}
        return {
            "id": f"{topic_id}/eventSubscriptions/{self.name}",
            "name": self.name,
            "type": SUBSCRIPTION,
            "properties": {**properties, "topic": topic_id, "provisioningState": self.state},
        }


@dataclass(slots=True)
class SystemTopic:
    """The topic of one source."""

    name: str
    group: Group
    location: str
    source: str
    topic_type: str
    metric_resource_id: str
    tags: Body | None = None
    identity: Body | None = None
    operation: Operation | None = None
    while_written: str = "Creating"
    subscriptions: dict[str, EventSubscription] = field(default_factory=dict)
    metrics: Metrics = field(default_factory=Metrics)

    @property
    def id(self) -> str:
        """Return the ARM id."""
        return self.group.resource_id(TOPIC, self.name)

    def to_json(self) -> Body:
        """Show the topic."""
        body: Body = {
            "id": self.id,
            "name": self.name,
            "type": TOPIC,
            "location": self.location,
            "tags": self.tags,
            "properties": {
                "provisioningState": _state(self.operation, self.while_written, None),
                "source": self.source,
                "topicType": self.topic_type,
                "metricResourceId": self.metric_resource_id,
            },
        }
        return body if self.identity is None else {**body, "identity": self.identity}


def _state(operation: Operation | None, while_written: str, forced: str | None) -> str:
    status = operation.status if operation else SUCCEEDED
    if status == IN_PROGRESS:
        return while_written
    return FAILED if status == FAILED else forced or SUCCEEDED
