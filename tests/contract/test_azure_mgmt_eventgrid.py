"""The genuine azure-mgmt-eventgrid against the emulator: what it parses, the emulator must format right."""

import time
from collections.abc import Iterator
from typing import Any

import pytest
import requests
from azure.core.credentials import AccessToken
from azure.core.exceptions import HttpResponseError, ResourceNotFoundError
from azure.core.pipeline.transport import RequestsTransport
from azure.mgmt.eventgrid import EventGridManagementClient
from azure.mgmt.eventgrid.models import (
    AzureFunctionEventSubscriptionDestination,
    EventSubscription,
    EventSubscriptionFilter,
    EventSubscriptionUpdateParameters,
    RetryPolicy,
    StorageBlobDeadLetterDestination,
    SystemTopic,
    WebHookEventSubscriptionDestination,
)

from emulator.server import Emulator

SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
GROUP = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-ml"
WORKSPACE = f"{GROUP}/providers/Microsoft.MachineLearningServices/workspaces/ws-credit"
FUNCTION = f"{GROUP}/providers/Microsoft.Web/sites/func-lineage/functions/receive_event"
STORAGE = f"{GROUP}/providers/Microsoft.Storage/storageAccounts/stcredit"
RUN_COMPLETED = "Microsoft.MachineLearningServices.RunCompleted"
TOPIC, LINEAGE = "evgt-credit", "lineage"


class FixedToken:
    """A credential that needs no sign-in."""

    def get_token(self, *_: str, **__: object) -> AccessToken:
        """Give a token that lasts."""
        return AccessToken("emulator", int(time.time()) + 3600)


@pytest.fixture
def client(emulator: Emulator) -> Iterator[EventGridManagementClient]:
    """The genuine client on scenario credit-risk; it does not wait between two looks at an operation."""
    emulator.control.use("credit-risk")
    with requests.Session() as session:
        session.trust_env = False
        yield EventGridManagementClient(
            FixedToken(),
            SUBSCRIPTION,
            base_url=emulator.url,
            credential_scopes=["https://management.azure.com/.default"],
            transport=RequestsTransport(session=session, session_owner=False, connection_verify=emulator.ca_bundle),
            retry_total=0,
            polling_interval=0,
        )


def system_topic(location: str = "eastus2", source: str = WORKSPACE) -> SystemTopic:
    """Describe the topic of the workspace."""
    return SystemTopic(location=location, source=source, topic_type="Microsoft.MachineLearningServices.Workspaces")


def subscription(destination: Any = None, **members: Any) -> EventSubscription:
    """Describe a subscription that delivers to a function."""
    return EventSubscription(
        destination=destination or AzureFunctionEventSubscriptionDestination(resource_id=FUNCTION),
        filter=EventSubscriptionFilter(included_event_types=[RUN_COMPLETED]),
        **members,
    )


@pytest.fixture
def topic(client: EventGridManagementClient) -> Any:
    """The topic of the workspace, written; its models say that what only the service fills in is always None."""
    return client.system_topics.begin_create_or_update("rg-ml", TOPIC, system_topic()).result()


def test_scenario_starts_without_topics(client: EventGridManagementClient) -> None:
    """Nothing has been set up for the workspace yet."""
    assert list(client.system_topics.list_by_subscription()) == []
    assert list(client.system_topics.list_by_resource_group("rg-ml")) == []


def test_topic_that_was_written_is_read_and_listed(client: EventGridManagementClient, topic: Any) -> None:
    """The client waits until the topic is there, and finds it by name, by group and by subscription."""
    assert (topic.provisioning_state, topic.source, topic.name) == ("Succeeded", WORKSPACE, TOPIC)
    assert topic.type == "Microsoft.EventGrid/systemTopics"
    read: Any = client.system_topics.get("RG-ml", TOPIC)
    assert (read.id, read.location) == (f"{GROUP}/providers/Microsoft.EventGrid/systemTopics/{TOPIC}", "eastus2")
    listed = [*client.system_topics.list_by_subscription(), *client.system_topics.list_by_resource_group("rg-ml")]
    assert [item.id for item in listed] == [topic.id, topic.id]


def test_topic_is_not_ready_before_the_operation_is(client: EventGridManagementClient) -> None:
    """The first answer says it is being created, and so does the operation at the first look."""
    poller = client.system_topics.begin_create_or_update("rg-ml", TOPIC, system_topic(), polling=False)
    assert poller.result().provisioning_state == "Creating"
    assert client.system_topics.get("rg-ml", TOPIC).provisioning_state == "Creating"
    assert client.system_topics.get("rg-ml", TOPIC).provisioning_state == "Succeeded"


@pytest.mark.parametrize(
    ("name", "wanted", "message"),
    [
        ("evgt-other", system_topic(), "Only one system topic is allowed per source"),
        (TOPIC, system_topic(source=WORKSPACE.replace("ws-credit", "ws-other")), "source cannot be modified"),
        ("evgt-other", system_topic(source=WORKSPACE.replace("ws-credit", "ws-other")), "not found"),
    ],
)
def test_second_topic_of_a_source_is_refused(
    client: EventGridManagementClient, topic: Any, name: str, wanted: SystemTopic, message: str
) -> None:
    """A source has one topic, a topic one source, and the source has to be there."""
    with pytest.raises(HttpResponseError, match=message) as caught:
        client.system_topics.begin_create_or_update("rg-ml", name, wanted)
    assert caught.value.error is not None
    assert (caught.value.status_code, caught.value.error.code) == (400, "InvalidRequest")


def test_topic_elsewhere_than_its_source_is_refused(client: EventGridManagementClient) -> None:
    """The topic's location is the workspace's."""
    with pytest.raises(HttpResponseError, match="location"):
        client.system_topics.begin_create_or_update("rg-ml", TOPIC, system_topic("westeurope"))


@pytest.mark.parametrize(("group", "code"), [("rg-nowhere", "ResourceGroupNotFound"), ("rg-ml", "ResourceNotFound")])
def test_what_is_not_there_is_not_found(client: EventGridManagementClient, group: str, code: str) -> None:
    """ARM tells a group it does not know from a resource that is not in it."""
    with pytest.raises(ResourceNotFoundError) as caught:
        client.system_topics.get(group, TOPIC)
    assert caught.value.error is not None
    assert caught.value.error.code == code


def test_subscription_that_was_written_is_read_and_listed(client: EventGridManagementClient, topic: Any) -> None:
    """Destination, filter and dead letters come back as they went, with Event Grid's defaults beside them."""
    dead_letters = StorageBlobDeadLetterDestination(resource_id=STORAGE, blob_container_name="undelivered")
    written: Any = client.system_topic_event_subscriptions.begin_create_or_update(
        "rg-ml", TOPIC, LINEAGE, subscription(dead_letter_destination=dead_letters)
    ).result()
    assert (written.provisioning_state, written.topic) == ("Succeeded", topic.id)
    read = client.system_topic_event_subscriptions.get("rg-ml", TOPIC, LINEAGE)
    assert isinstance(read.destination, AzureFunctionEventSubscriptionDestination)
    assert read.destination.resource_id == FUNCTION
    assert read.filter is not None
    assert read.filter.included_event_types == [RUN_COMPLETED]
    assert isinstance(read.dead_letter_destination, StorageBlobDeadLetterDestination)
    assert read.dead_letter_destination.blob_container_name == "undelivered"
    assert (read.event_delivery_schema, read.expiration_time_utc) == ("EventGridSchema", None)
    assert read.retry_policy is not None
    assert (read.retry_policy.max_delivery_attempts, read.retry_policy.event_time_to_live_in_minutes) == (30, 1440)
    listed = client.system_topic_event_subscriptions.list_by_system_topic("rg-ml", TOPIC)
    assert [item.name for item in listed] == [LINEAGE]


def test_subscription_of_a_missing_topic_is_refused(client: EventGridManagementClient) -> None:
    """A subscription needs its topic first."""
    with pytest.raises(ResourceNotFoundError) as caught:
        client.system_topic_event_subscriptions.begin_create_or_update("rg-ml", TOPIC, LINEAGE, subscription())
    assert caught.value.error is not None
    assert caught.value.error.code == "ParentResourceNotFound"


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("no", subscription()),
        ("under_score", subscription()),
        (LINEAGE, EventSubscription()),
        (LINEAGE, subscription(AzureFunctionEventSubscriptionDestination(resource_id=STORAGE))),
        (LINEAGE, subscription(retry_policy=RetryPolicy(max_delivery_attempts=31))),
        (LINEAGE, subscription(dead_letter_destination=StorageBlobDeadLetterDestination(resource_id=STORAGE))),
    ],
)
@pytest.mark.usefixtures("topic")
def test_subscription_that_cannot_work_is_refused(
    client: EventGridManagementClient, name: str, wanted: EventSubscription
) -> None:
    """A bad name, no destination, a destination that is no function, too many attempts, dead letters to nowhere."""
    with pytest.raises(HttpResponseError) as caught:
        client.system_topic_event_subscriptions.begin_create_or_update("rg-ml", TOPIC, name, wanted)
    assert caught.value.status_code == 400
    assert list(client.system_topic_event_subscriptions.list_by_system_topic("rg-ml", TOPIC)) == []


@pytest.mark.usefixtures("topic")
def test_secret_of_a_webhook_is_not_shown(client: EventGridManagementClient) -> None:
    """What is read back has the URL without its query."""
    webhook = WebHookEventSubscriptionDestination(endpoint_url="https://func.example.net/hook?code=secret")
    client.system_topic_event_subscriptions.begin_create_or_update(
        "rg-ml", TOPIC, LINEAGE, subscription(webhook)
    ).result()
    read: Any = client.system_topic_event_subscriptions.get("rg-ml", TOPIC, LINEAGE).destination
    assert (read.endpoint_type, read.endpoint_base_url, read.endpoint_url) == (
        "WebHook",
        "https://func.example.net/hook",
        None,
    )


@pytest.mark.usefixtures("topic")
def test_failed_operation_raises_and_leaves_a_failed_subscription(
    client: EventGridManagementClient, emulator: Emulator
) -> None:
    """Event Grid takes the request, and tells at the end of the operation that it did not work."""
    emulator.control.fail_next_operation("Url validation", "Webhook validation handshake failed")
    poller = client.system_topic_event_subscriptions.begin_create_or_update("rg-ml", TOPIC, LINEAGE, subscription())
    with pytest.raises(HttpResponseError, match="handshake failed"):
        poller.result()
    assert client.system_topic_event_subscriptions.get("rg-ml", TOPIC, LINEAGE).provisioning_state == "Failed"


@pytest.mark.usefixtures("topic")
def test_update_changes_only_what_it_names(client: EventGridManagementClient) -> None:
    """A PATCH of the labels leaves the destination."""
    client.system_topic_event_subscriptions.begin_create_or_update("rg-ml", TOPIC, LINEAGE, subscription()).result()
    updated: Any = client.system_topic_event_subscriptions.begin_update(
        "rg-ml", TOPIC, LINEAGE, EventSubscriptionUpdateParameters(labels=["blue"])
    ).result()
    assert (updated.labels, updated.provisioning_state) == (["blue"], "Succeeded")
    assert isinstance(updated.destination, AzureFunctionEventSubscriptionDestination)


@pytest.mark.usefixtures("topic")
def test_deleted_subscription_and_topic_are_gone(client: EventGridManagementClient) -> None:
    """Deleting what is gone already is no error."""
    client.system_topic_event_subscriptions.begin_create_or_update("rg-ml", TOPIC, LINEAGE, subscription()).result()
    for _ in range(2):
        client.system_topic_event_subscriptions.begin_delete("rg-ml", TOPIC, LINEAGE).result()
    with pytest.raises(ResourceNotFoundError):
        client.system_topic_event_subscriptions.get("rg-ml", TOPIC, LINEAGE)
    client.system_topics.begin_delete("rg-ml", TOPIC).result()
    assert list(client.system_topics.list_by_subscription()) == []


@pytest.mark.usefixtures("topic")
def test_list_goes_over_pages(client: EventGridManagementClient) -> None:
    """The client follows the links to the next page."""
    names = [f"subscription-{number}" for number in range(5)]
    for name in names:
        client.system_topic_event_subscriptions.begin_create_or_update("rg-ml", TOPIC, name, subscription()).result()
    listed = client.system_topic_event_subscriptions.list_by_system_topic("rg-ml", TOPIC, top=2)
    assert [item.name for item in listed] == names


@pytest.mark.parametrize("state", ["AwaitingManualAction", "Failed"])
@pytest.mark.usefixtures("topic")
def test_state_that_was_set_is_shown(client: EventGridManagementClient, emulator: Emulator, state: str) -> None:
    """A test can break a subscription, and let it expire."""
    client.system_topic_event_subscriptions.begin_create_or_update("rg-ml", TOPIC, LINEAGE, subscription()).result()
    emulator.control.event_subscription(TOPIC, LINEAGE, provisioning_state=state, expires="2026-01-01T00:00:00Z")
    read = client.system_topic_event_subscriptions.get("rg-ml", TOPIC, LINEAGE)
    assert read.provisioning_state == state
    assert read.expiration_time_utc is not None
    assert read.expiration_time_utc.year == 2026
