"""Event Grid: the system topic of a workspace, and our subscription to it."""

from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cli.options import FUNCTION
from shared.errors import RecordNotFoundError
from shared.http.errors import translated_errors
from shared.intake.event_types import subscribed_types
from shared.model import WorkspaceId
from shared.state.azure_storage import QUEUE, UNDELIVERED

if TYPE_CHECKING:
    from azure.mgmt.eventgrid import EventGridManagementClient
    from azure.mgmt.eventgrid.models import EventSubscription, SystemTopic

LONGEST_WRITE = 300
"""Seconds that a write may take; they take some ten."""
TOPIC_TYPE = "Microsoft.MachineLearningServices.Workspaces"


@dataclass(frozen=True, slots=True)
class Target:
    """Where events go: ARM ids of the function app and of the storage account, and which way they take."""

    function_app_id: str
    storage_account_id: str
    destination: str = FUNCTION

    @property
    def subscription(self) -> str:
        """
        Name the subscription after the storage account, so that two deployments do not take each other's events.

        >>> Target("", "/subscriptions/s/providers/Microsoft.Storage/storageAccounts/stlineage").subscription
        'lineage-stlineage'
        """
        return f"lineage-{self.storage_account_id.rpartition('/')[2]}"

    @property
    def undelivered_scope(self) -> str:
        """ARM id of the container for what cannot be delivered."""
        return f"{self.storage_account_id}/blobServices/default/containers/{UNDELIVERED}"

    @property
    def roles(self) -> tuple[tuple[str, str], ...]:
        """What the identity of a topic needs: scope and role of each."""
        undelivered = (self.undelivered_scope, "Storage Blob Data Contributor")
        if self.destination == FUNCTION:
            return (undelivered,)
        queue = f"{self.storage_account_id}/queueServices/default/queues/{QUEUE}"
        return undelivered, (queue, "Storage Queue Data Message Sender")


@dataclass(frozen=True, slots=True)
class Topic:
    """
    The system topic of a workspace.

    Attributes:
        principal_id: of its system-assigned identity, "" if it has none.
        user_identities: ARM ids of other identities it has.
    """

    id: str
    resource_group: str
    name: str
    state: str
    principal_id: str
    user_identities: tuple[str, ...] = ()


class EventGrid:
    """
    The SDK client of one subscription. Methods may raise ServiceUnavailableError, AccessDeniedError,
    RequestRefusedError and, where there is no such thing, RecordNotFoundError.
    """

    def __init__(self, open_client: "Callable[[str], EventGridManagementClient]") -> None:
        self._open_client = open_client

    def find_topic(self, workspace: WorkspaceId) -> Topic | None:
        """Return the topic of a workspace under any name; Event Grid allows one."""
        client = self._open_client(workspace.subscription_id)
        with _errors("list of system topics"):
            for topic in client.system_topics.list_by_subscription():
                if (topic.source or "").casefold() == workspace.arm_id.casefold():
                    return _to_topic(topic)
        return None

    def create_topic(self, workspace: WorkspaceId, region: str) -> None:
        """Create the topic of a workspace, with an identity."""
        from azure.mgmt.eventgrid import models

        client = self._open_client(workspace.subscription_id)
        name = f"evgt-{workspace.name.replace('_', '-')}"
        body = models.SystemTopic(
            location=region,
            identity=models.IdentityInfo(type="SystemAssigned"),
            source=workspace.arm_id,
            topic_type=TOPIC_TYPE,
        )
        with _errors(f"system topic {name}"):
            poller = client.system_topics.begin_create_or_update(workspace.resource_group, name, body)
            poller.result(LONGEST_WRITE)

    def give_identity(self, workspace: WorkspaceId, topic: Topic) -> None:
        """Give a topic that others made an identity, besides those it has; all else of it stays."""
        from azure.mgmt.eventgrid import models

        client = self._open_client(workspace.subscription_id)
        identity = models.IdentityInfo(
            type="SystemAssigned, UserAssigned" if topic.user_identities else "SystemAssigned",
            user_assigned_identities={each: models.UserIdentityProperties() for each in topic.user_identities} or None,
        )
        change = models.SystemTopicUpdateParameters(identity=identity)
        with _errors(f"system topic {topic.name}"):
            client.system_topics.begin_update(topic.resource_group, topic.name, change).result(LONGEST_WRITE)

    def get_subscription(self, workspace: WorkspaceId, topic: Topic, name: str) -> "EventSubscription | None":
        client = self._open_client(workspace.subscription_id)
        try:
            with _errors(f"event subscription {name} of {topic.name}"):
                return client.system_topic_event_subscriptions.get(topic.resource_group, topic.name, name)
        except RecordNotFoundError:
            return None

    def put_subscription(self, workspace: WorkspaceId, topic: Topic, target: Target) -> None:
        """Create or update our subscription."""
        client = self._open_client(workspace.subscription_id)
        with _errors(f"event subscription {target.subscription} of {topic.name}"):
            client.system_topic_event_subscriptions.begin_create_or_update(
                topic.resource_group, topic.name, target.subscription, build_subscription(target)
            ).result(LONGEST_WRITE)


def build_subscription(target: Target) -> "EventSubscription":
    """Build our subscription: by type only, with retries for a day, and a container for what cannot be delivered."""
    from azure.mgmt.eventgrid import models

    identity = models.EventSubscriptionIdentity(type="SystemAssigned")
    subscription = models.EventSubscription(
        event_delivery_schema="EventGridSchema",
        filter=models.EventSubscriptionFilter(included_event_types=list(subscribed_types())),
        retry_policy=models.RetryPolicy(max_delivery_attempts=30, event_time_to_live_in_minutes=1440),
        dead_letter_with_resource_identity=models.DeadLetterWithResourceIdentity(
            identity=identity,
            dead_letter_destination=models.StorageBlobDeadLetterDestination(
                resource_id=target.storage_account_id, blob_container_name=UNDELIVERED
            ),
        ),
    )
    if target.destination == FUNCTION:
        subscription.destination = models.AzureFunctionEventSubscriptionDestination(
            resource_id=f"{target.function_app_id}/functions/receive_event",
            max_events_per_batch=1,
            preferred_batch_size_in_kilobytes=64,
        )
    else:
        subscription.delivery_with_resource_identity = models.DeliveryWithResourceIdentity(
            identity=identity,
            destination=models.StorageQueueEventSubscriptionDestination(
                resource_id=target.storage_account_id,
                queue_name=QUEUE,
                queue_message_time_to_live_in_seconds=-1,
            ),
        )
    return subscription


def differences(existing: "EventSubscription", wanted: "EventSubscription") -> list[str]:
    """
    Name in what an existing subscription differs, as paths such as `filter.subjectBeginsWith`.

    It may say more than we want, but not in its filter: anything else there keeps events away.
    """
    there, ours = existing.serialize()["properties"], wanted.serialize()["properties"]
    more = {name: value for name, value in (there.get("filter") or {}).items() if name not in ours["filter"] and value}
    more.pop("enableAdvancedFilteringOnArrays", None)  # says how others filter, and filters nothing
    return [*_missing(ours, there), *(f"filter.{name}" for name in sorted(more))]


def _missing(wanted: Any, existing: Any, path: str = "") -> list[str]:
    """
    Name what is wanted and not there, as paths; what is there besides does not count.

    Texts are compared without regard to case, since Azure returns ids in a case of its own.

    >>> _missing({"a": {"b": "X", "c": ["y"]}}, {"a": {"b": "x", "c": []}, "d": 1})
    ['a.c (without y)']
    """
    if isinstance(wanted, Mapping):
        there = existing if isinstance(existing, Mapping) else {}
        return [
            found
            for key, value in wanted.items()
            for found in _missing(value, there.get(key), f"{path}.{key}" if path else key)
        ]
    if isinstance(wanted, list):
        lacking = [str(each).rpartition(".")[2] for each in wanted if each not in (existing or ())]
        return [f"{path} (without {', '.join(lacking)})"] if lacking else []
    return [] if str(wanted).casefold() == str(existing).casefold() else [path]


def _to_topic(topic: "SystemTopic") -> Topic:
    parts, identity = str(topic.id).split("/"), topic.identity
    has_system = identity is not None and "systemassigned" in str(identity.type).casefold().replace(" ", "")
    return Topic(
        id=str(topic.id),
        resource_group=parts[4],
        name=parts[8],
        state=str(topic.provisioning_state or ""),
        principal_id=str(identity.principal_id or "") if identity is not None and has_system else "",
        user_identities=tuple(sorted(identity.user_assigned_identities or {})) if identity is not None else (),
    )


def _errors(call: str) -> AbstractContextManager[None]:
    return translated_errors(call, needs="EventGrid Contributor on the workspace's resource group")
