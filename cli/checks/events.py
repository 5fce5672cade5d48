"""Whether Event Grid sends what happens in each workspace to the app, and whether it arrives."""

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from cli.checks.check import Check, ProblemError, UncheckedError
from cli.deployment import BY_QUEUE, Deployment
from cli.management.arm import role_command
from cli.management.clients import Management
from cli.management.event_grid import (
    SENDER_ROLE,
    SUBSCRIPTION,
    UNDELIVERED_ROLE,
    Target,
    Topic,
    build_subscription,
    differences,
)
from shared.bootstrap import Services
from shared.model import WorkspaceId

if TYPE_CHECKING:
    from azure.mgmt.eventgrid.models import EventSubscription

_DAY = timedelta(days=1)
_RIGHT = "Give yourself Reader on the workspace's resource group."


def check_events(
    services: Services, management: Management, deployment: Deployment, workspaces: list[WorkspaceId]
) -> Iterator[Check]:
    for workspace in workspaces:
        watch = _Watch(services, management, deployment, workspace)
        yield Check(f"events {workspace.name}: subscription", watch.probe_subscription, _RIGHT)
        if deployment.storage_account_id:
            yield Check(
                f"events {workspace.name}: undelivered", watch.probe_role, "Give yourself Reader on the account."
            )
        yield Check(
            f"events {workspace.name}: delivery", watch.probe_delivery, "Give yourself Monitoring Reader on the topic."
        )


class _Watch:
    """Looks at the subscription of one workspace."""

    def __init__(
        self, services: Services, management: Management, deployment: Deployment, workspace: WorkspaceId
    ) -> None:
        self._services = services
        self._management = management
        self._deployment = deployment
        self._workspace = workspace
        self._remedy = f"lineage setup --workspace {workspace.arm_id}"

    def probe_subscription(self) -> str:
        topic, subscription = self._find()
        state = str(subscription.provisioning_state)
        if topic.state != "Succeeded":
            raise ProblemError(f"system topic {topic.name} is {topic.state}", self._remedy)
        if state != "Succeeded":
            raise ProblemError(
                f"subscription {SUBSCRIPTION} is {state}: Event Grid delivers nothing", f"Make it anew: {self._remedy}"
            )
        ends_at = subscription.expiration_time_utc
        if ends_at is not None and ends_at <= self._services.now():
            raise ProblemError(f"subscription {SUBSCRIPTION} expired at {ends_at:%Y-%m-%d %H:%M} UTC", self._remedy)
        if not topic.principal_id:
            raise ProblemError(
                f"system topic {topic.name} has no identity, so undelivered events are dropped", self._remedy
            )
        if not self._deployment.storage_account_id:
            return f"{SUBSCRIPTION} on {topic.name} is there (where it leads was not compared)"
        target = Target(
            self._deployment.function_app_id, self._deployment.storage_account_id, self._deployment.destination
        )
        if differing := differences(subscription, build_subscription(target)):
            raise ProblemError(f"subscription {SUBSCRIPTION} differs in {', '.join(differing)}", self._remedy)
        return f"{SUBSCRIPTION} on {topic.name}, to the {self._deployment.destination}"

    def probe_role(self) -> str:
        topic = self._management.event_grid.find_topic(self._workspace)
        if topic is None or not topic.principal_id:
            raise UncheckedError("waits for a topic with an identity")
        storage = self._deployment.storage_account_id
        wanted = (UNDELIVERED_ROLE, *((SENDER_ROLE,) if self._deployment.destination == BY_QUEUE else ()))
        for role in wanted:
            if not self._management.arm.has_role(storage, topic.principal_id, role):
                raise ProblemError(
                    f"{topic.name} is not {role}, so it drops what it cannot deliver",
                    role_command(storage, topic.principal_id, role),
                )
        return f"{topic.name} may leave them in storage"

    def probe_delivery(self) -> str:
        try:
            topic, _ = self._find()
        except ProblemError as error:
            raise UncheckedError("waits for the subscription") from error
        topic_id = (
            f"/subscriptions/{self._workspace.subscription_id}/resourceGroups/{topic.resource_group}"
            f"/providers/Microsoft.EventGrid/systemTopics/{topic.name}"
        )
        now = self._services.now()
        totals = self._management.arm.get_totals(topic_id, _METRICS, since=now - _DAY, until=now)
        delivered, failed, given_up = (int(totals.get(name, 0)) for name in _METRICS)
        words = f"in a day {delivered} delivered, {failed} attempts failed, {given_up} given up"
        if given_up:
            raise ProblemError(words, "Once the other checks are right: lineage replay --undelivered")
        if failed and not delivered:
            raise ProblemError(
                words,
                "The app does not answer Event Grid: deploy the code (`azd deploy`), and look whether the function "
                "receive_event is there and enabled.",
            )
        if not delivered:
            raise UncheckedError("Event Grid had nothing to deliver for a day")
        return words

    def _find(self) -> "tuple[Topic, EventSubscription]":
        topic = self._management.event_grid.find_topic(self._workspace)
        if topic is None:
            raise ProblemError("the workspace has no system topic, so nobody is told of its events", self._remedy)
        subscription = self._management.event_grid.get_subscription(self._workspace, topic)
        if subscription is None:
            raise ProblemError(f"system topic {topic.name} has no subscription {SUBSCRIPTION}", self._remedy)
        return topic, subscription


_METRICS = ("DeliverySuccessCount", "DeliveryAttemptFailCount", "DeadLetteredCount")
