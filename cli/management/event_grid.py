"""Event Grid: the system topic of a workspace, and our subscription to it."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from cli.deployment import FUNCTION
from cli.management.drift import missing
from shared.azure_errors import translated_errors
from shared.errors import RecordNotFoundError
from shared.model import WorkspaceId
from shared.state.azure_storage import QUEUE, UNDELIVERED

if TYPE_CHECKING:
    from azure.mgmt.eventgrid import EventGridManagementClient
    from azure.mgmt.eventgrid.models import EventSubscription, SystemTopic

SUBSCRIPTION = "lineage"
UNDELIVERED_ROLE, SENDER_ROLE = "Storage Blob Data Contributor", "Storage Queue Data Message Sender"
"""What the identity of a topic needs on the storage account: the first always, the second to write to the queue."""
TOPIC_TYPE = "Microsoft.MachineLearningServices.Workspaces"
EVENT_TYPES = tuple(
    f"Microsoft.MachineLearningServices.{name}" for name in ("RunCompleted", "ModelRegistered", "ModelDeployed")
)


@dataclass(frozen=True, slots=True)
class Target:
    """Where events go: ARM ids of the function app and of the storage account, and which way they take."""

    function_app_id: str
    storage_account_id: str
    destination: str = FUNCTION


@dataclass(frozen=True, slots=True)
class Topic:
    """The system topic of a workspace; `principal_id` is that of its identity, "" if it has none."""

    resource_group: str
    name: str
    state: str
    principal_id: str


class EventGrid:
    """
    The SDK client of one subscription. Methods may raise ServiceUnavailableError, AccessDeniedError,
    RequestRefusedError and, where there is no such thing, RecordNotFoundError.
    """

    def __init__(self, open_client: "Callable[[str], EventGridManagementClient]") -> None:
        self._open_client = open_client

    def find_topic(self, workspace: WorkspaceId) -> Topic | None:
        """Return the topic of a workspace, whatever its name; Event Grid allows one."""
        client = self._open_client(workspace.subscription_id)
        with _errors("list of system topics"):
            for topic in client.system_topics.list_by_subscription():
                if (topic.source or "").casefold() == workspace.arm_id.casefold():
                    return _to_topic(topic)
        return None

    def create_topic(self, workspace: WorkspaceId, region: str, *, name: str = "") -> Topic:
        """Create the topic of a workspace with an identity, or give the one it has an identity."""
        from azure.mgmt.eventgrid import models

        client = self._open_client(workspace.subscription_id)
        name = name or f"evgt-{workspace.name.replace('_', '-')}"
        body = models.SystemTopic(
            location=region,
            identity=models.IdentityInfo(type="SystemAssigned"),
            source=workspace.arm_id,
            topic_type=TOPIC_TYPE,
        )
        with _errors(f"system topic {name}"):
            return _to_topic(client.system_topics.begin_create_or_update(workspace.resource_group, name, body).result())

    def get_subscription(self, workspace: WorkspaceId, topic: Topic) -> "EventSubscription | None":
        client = self._open_client(workspace.subscription_id)
        try:
            with _errors(f"event subscription {SUBSCRIPTION} of {topic.name}"):
                return client.system_topic_event_subscriptions.get(topic.resource_group, topic.name, SUBSCRIPTION)
        except RecordNotFoundError:
            return None

    def put_subscription(self, workspace: WorkspaceId, topic: Topic, target: Target) -> None:
        """Create or update our subscription."""
        client = self._open_client(workspace.subscription_id)
        with _errors(f"event subscription {SUBSCRIPTION} of {topic.name}"):
            client.system_topic_event_subscriptions.begin_create_or_update(
                topic.resource_group, topic.name, SUBSCRIPTION, build_subscription(target)
            ).result()


def build_subscription(target: Target) -> "EventSubscription":
    """Build our subscription: by type only, with retries for a day, and a container for what cannot be delivered."""
    from azure.mgmt.eventgrid import models

    identity = models.EventSubscriptionIdentity(type="SystemAssigned")
    subscription = models.EventSubscription(
        event_delivery_schema="EventGridSchema",
        filter=models.EventSubscriptionFilter(included_event_types=list(EVENT_TYPES)),
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
    """Name what of `wanted` an existing subscription lacks, as paths such as `filter.includedEventTypes`."""
    return missing(wanted.serialize()["properties"], existing.serialize()["properties"])


def _to_topic(topic: "SystemTopic") -> Topic:
    parts = str(topic.id).split("/")
    return Topic(
        resource_group=parts[4],
        name=parts[8],
        state=str(topic.provisioning_state or ""),
        principal_id=str((topic.identity.principal_id if topic.identity else "") or ""),
    )


def _errors(call: str) -> AbstractContextManager[None]:
    return translated_errors(call, needs="EventGrid Contributor on the workspace's resource group")
