"""Whether Event Grid sends what happens in each workspace to the app, and whether it arrives."""

from collections.abc import Iterator
from datetime import timedelta
from typing import TYPE_CHECKING

from cli.admin.checks.check import Check, ProblemError, UncheckedError
from cli.admin.checks.roles import has_role
from cli.admin.management.arm import role_command
from cli.admin.management.clients import Management
from cli.admin.management.event_grid import Target, Topic, build_subscription, differences
from cli.options import Deployment
from shared.bootstrap import Services
from shared.errors import AccessDeniedError
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
        yield Check(f"events {workspace.name}: undelivered", watch.probe_roles, _RIGHT)
        yield Check(f"events {workspace.name}: delivery", watch.probe_delivery, _RIGHT)


class _Watch:
    """Looks at the subscription of one workspace."""

    def __init__(
        self, services: Services, management: Management, deployment: Deployment, workspace: WorkspaceId
    ) -> None:
        self._services = services
        self._management = management
        self._workspace = workspace
        self._target = Target(deployment.function_app_id, deployment.storage_account_id, deployment.destination)
        self._remedy = f"lineage setup --workspace {workspace.arm_id}"

    def probe_subscription(self) -> str:
        if not self._target.storage_account_id:
            raise UncheckedError("subscriptions are named after the storage account: give --storage-account")
        topic, subscription = self._find()
        name, state = self._target.subscription, str(subscription.provisioning_state)
        if topic.state != "Succeeded":
            raise ProblemError(f"system topic {topic.name} is {topic.state}", self._remedy)
        if state != "Succeeded":
            raise ProblemError(
                f"subscription {name} is {state}: Event Grid delivers nothing", f"Make it anew: {self._remedy}"
            )
        ends_at = subscription.expiration_time_utc
        if ends_at is not None and ends_at <= self._services.now():
            raise ProblemError(f"subscription {name} expired at {ends_at:%Y-%m-%d %H:%M} UTC", self._remedy)
        if not topic.principal_id:
            raise ProblemError(
                f"system topic {topic.name} has no identity, so undelivered events are dropped", self._remedy
            )
        if differing := differences(subscription, build_subscription(self._target)):
            raise ProblemError(f"subscription {name} differs in {', '.join(differing)}", self._remedy)
        return f"{name} on {topic.name}, to the {self._target.destination}"

    def probe_roles(self) -> str:
        topic = self._management.event_grid.find_topic(self._workspace)
        if topic is None or not topic.principal_id or not self._target.storage_account_id:
            raise UncheckedError("waits for the subscription")
        for scope, role in self._target.roles:
            if not has_role(self._management, scope, topic.principal_id, role):
                raise ProblemError(
                    f"{topic.name} is not {role}, so it drops what it cannot deliver",
                    role_command(scope, topic.principal_id, role),
                )
        return f"{topic.name} may leave them in storage"

    def probe_delivery(self) -> str:
        try:
            topic, _ = self._find()
        except ProblemError as error:
            raise UncheckedError("waits for the subscription") from error
        now = self._services.now()
        try:
            totals = self._management.arm.get_totals(
                topic.id,
                _METRICS,
                of=f"EventSubscriptionName eq '{self._target.subscription}'",
                since=now - _DAY,
                until=now,
            )
        except AccessDeniedError as error:
            raise UncheckedError("you may not read the metrics of the topic: you need Monitoring Reader") from error
        delivered, failed, given_up, dropped = (int(totals.get(name, 0)) for name in _METRICS)
        words = f"in a day {delivered} delivered, {failed} attempts failed, {given_up} given up, {dropped} dropped"
        if dropped:
            raise ProblemError(words, "Mend the check *undelivered*; `reconcile` finds what they were about.")
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
            raise ProblemError(
                "no system topic of the workspace is visible to you: nobody is told of its events, or you need Reader "
                "on its resource group",
                self._remedy,
            )
        name = self._target.subscription
        subscription = self._management.event_grid.get_subscription(self._workspace, topic, name)
        if subscription is None:
            raise ProblemError(f"system topic {topic.name} has no subscription {name}", self._remedy)
        return topic, subscription


_METRICS = ("DeliverySuccessCount", "DeliveryAttemptFailCount", "DeadLetteredCount", "DroppedEventCount")
