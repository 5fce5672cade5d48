"""Whether each workspace can be read, and whether Event Grid sends its events to the app and they arrive."""

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from cli.admin.checks.app import has_role
from cli.admin.checks.check import Check, ProblemError, UncheckedError
from cli.admin.checks.machine import Resolve, find_addresses, refuse_public_address
from cli.admin.management.arm import role_command
from cli.admin.management.clients import Management
from cli.admin.management.event_grid import Target, Topic, build_subscription, differences
from cli.options import AppDeployment
from shared.azure_ml.services.workspace_api import WorkspaceApi, get_workspace
from shared.bootstrap import Services
from shared.errors import AccessDeniedError, LineageError, RecordNotFoundError
from shared.model import WorkspaceId

if TYPE_CHECKING:
    from azure.mgmt.eventgrid.models import EventSubscription

_API_VERSION = "2024-10-01-preview"
_NO_RUN = "lineage-doctor"
"""The id of a run that does not exist: asking for it needs the right to read runs and costs nothing."""
_DAY = timedelta(days=1)
_RIGHT = "Give yourself Reader on the workspace's resource group."
_METRICS = ("DeliverySuccessCount", "DeliveryAttemptFailCount", "DeadLetteredCount", "DroppedEventCount")


def check_workspaces(services: Services, workspaces: list[WorkspaceId], resolve: Resolve) -> Iterator[Check]:
    for workspace in workspaces:
        remedy = (
            f"Give the app and yourself the role Reader, or the custom role of infra/modules/reader-role.bicep, on "
            f'the workspace: az role assignment create --role Reader --scope "{workspace.arm_id}" --assignee OBJECT_ID'
        )
        yield Check(f"workspace {workspace.name}: record", _probe_record(services, workspace, resolve), remedy)
        yield Check(f"workspace {workspace.name}: run history", _probe_history(services, workspace), remedy)


def check_list(services: Services) -> Check:
    def probe() -> str:
        found = _list_workspaces(services)
        if not found:
            raise ProblemError(
                f"there is no workspace below {', '.join(services.settings.workspaces)}",
                "Correct LINEAGE_WORKSPACES, or give yourself Reader on what it names.",
            )
        return f"LINEAGE_WORKSPACES names {len(found)}"

    return Check("workspaces", probe, "Give yourself Reader on what LINEAGE_WORKSPACES names.")


def list_workspaces_or_none(services: Services) -> list[WorkspaceId] | None:
    """Return the workspaces that LINEAGE_WORKSPACES names or contains; None if `check_list` has a problem."""
    try:
        return _list_workspaces(services)
    except LineageError:
        return None


def _list_workspaces(services: Services) -> list[WorkspaceId]:
    scopes = services.settings.workspaces
    return sorted({found for scope in scopes for found in services.inventory.list_workspaces(scope)})


def _probe_record(services: Services, workspace: WorkspaceId, resolve: Resolve) -> Callable[[], str]:
    def probe() -> str:
        arm = services.settings.arm_endpoint
        body: dict[str, Any] = services.rest.get(f"{arm}{workspace.arm_id}", params={"api-version": _API_VERSION})
        discovery = str(body["properties"].get("discoveryUrl") or "")
        is_private = body["properties"].get("publicNetworkAccess") == "Disabled"
        if is_private and discovery:
            cloud = services.cloud
            refuse_public_address(discovery, resolve, zone=cloud.private_zone(cloud.machine_learning))
        found = get_workspace(services.rest, arm, workspace)
        host = urlsplit(found.api_url).hostname or ""
        find_addresses(host, resolve)
        return f"{body['name']} in {found.workspace.region}, services at {host}{' (private)' if is_private else ''}"

    return probe


def _probe_history(services: Services, workspace: WorkspaceId) -> Callable[[], str]:
    def probe() -> str:
        found = get_workspace(services.rest, services.settings.arm_endpoint, workspace)
        try:
            WorkspaceApi(services.rest, found).get_run(_NO_RUN)
        except RecordNotFoundError:
            return "runs can be read"
        return "runs can be read"

    return probe


def check_events(
    services: Services, management: Management, deployment: AppDeployment, workspaces: list[WorkspaceId]
) -> Iterator[Check]:
    for workspace in workspaces:
        watch = _Watch(services, management, deployment, workspace)
        yield Check(f"events {workspace.name}: subscription", watch.probe_subscription, _RIGHT)
        yield Check(f"events {workspace.name}: undelivered", watch.probe_roles, _RIGHT)
        yield Check(f"events {workspace.name}: delivery", watch.probe_delivery, _RIGHT)


class _Watch:
    """Looks at the subscription of one workspace."""

    def __init__(
        self, services: Services, management: Management, deployment: AppDeployment, workspace: WorkspaceId
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
                f"subscription {name} is {state}: Event Grid delivers nothing", f"Create it again: {self._remedy}"
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
            raise ProblemError(
                words, "Fix what the check *undelivered* reports; `reconcile` finds what they were about."
            )
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
                "no system topic of the workspace is visible to you: its events are not sent, or you need Reader "
                "on its resource group",
                self._remedy,
            )
        name = self._target.subscription
        subscription = self._management.event_grid.get_subscription(self._workspace, topic, name)
        if subscription is None:
            raise ProblemError(f"system topic {topic.name} has no subscription {name}", self._remedy)
        return topic, subscription
