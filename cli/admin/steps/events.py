"""Subscribes the app to the events of a workspace that infra/events.bicep does not name."""

from collections.abc import Iterator
from functools import partial

from cli.admin.management.arm import role_command
from cli.admin.management.clients import Management
from cli.admin.management.event_grid import (
    Target,
    Topic,
    build_subscription,
    differences,
)
from cli.admin.steps.step import Change, Step
from cli.deployment import Deployment
from shared.azure_ml.services.workspace_api import get_workspace
from shared.bootstrap import Services
from shared.errors import RecordNotFoundError
from shared.model import WorkspaceId


def subscribe(
    services: Services, management: Management, deployment: Deployment, workspace: WorkspaceId, *, command: str
) -> Iterator[Step]:
    """Yield the steps: the app takes the workspace's events, it has a topic, which may write, and we are subscribed."""
    grid = management.event_grid
    target = Target(deployment.function_app_id, deployment.storage_account_id, deployment.destination)

    def plan_allowed() -> Change | str:
        services.allowed.check(workspace)
        return "LINEAGE_WORKSPACES allows it"

    def plan_topic() -> Change | str:
        topic = grid.find_topic(workspace)
        if topic is None:
            region = get_workspace(services.rest, services.settings.arm_endpoint, workspace).workspace.region
            return Change("it is created", lambda: grid.create_topic(workspace, region))
        if topic.principal_id:
            return f"{topic.name} is there"
        return Change(f"{topic.name} gets an identity", lambda: grid.give_identity(workspace, topic))

    def topic_now() -> Topic:
        topic = grid.find_topic(workspace)
        if topic is None:
            raise RecordNotFoundError(f"workspace {workspace.name} has no system topic that you can see")
        return topic

    def plan_role(scope: str, role: str) -> Change | str:
        topic = grid.find_topic(workspace)
        principal = topic.principal_id if topic else ""
        if principal and management.arm.has_role(scope, principal, role):
            return f"it is {role}"
        return Change(
            f"it becomes {role}",
            lambda: management.arm.give_role(scope, topic_now().principal_id, role),
            role_command(scope, principal, role),
        )

    def plan_subscription() -> Change | str:
        topic = grid.find_topic(workspace)
        existing = grid.get_subscription(workspace, topic, target.subscription) if topic else None
        change = Change(
            f"{target.subscription} is {'brought up to date' if existing else 'created'}",
            lambda: grid.put_subscription(workspace, topic_now(), target),
        )
        if existing is None or str(existing.provisioning_state) != "Succeeded":
            return change
        return change if differences(existing, build_subscription(target)) else f"{target.subscription} is there"

    yield Step(f"allow-list for {workspace.name}", plan_allowed, "")
    yield Step(f"system topic of {workspace.name}", plan_topic, command)
    for scope, role in target.roles:
        yield Step(
            f"{role} for the topic of {workspace.name}",
            partial(plan_role, scope, role),
            command,
        )
    yield Step(f"event subscription of {workspace.name}", plan_subscription, command)
