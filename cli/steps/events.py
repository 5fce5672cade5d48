"""Subscribes the app to the events of a workspace that infra/events.bicep does not name."""

from collections.abc import Iterator

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
from cli.steps.step import Change, Step
from shared.azure_ml.workspaces import get_workspace
from shared.bootstrap import Services
from shared.errors import RecordNotFoundError
from shared.model import WorkspaceId


def subscribe(
    services: Services, management: Management, deployment: Deployment, workspace: WorkspaceId, *, command: str
) -> Iterator[Step]:
    """Yield the steps: the app takes the workspace's events, it has a topic, which may write, and we are subscribed."""
    grid, storage = management.event_grid, deployment.storage_account_id
    target = Target(deployment.function_app_id, storage, deployment.destination)

    def plan_allowed() -> Change | str:
        services.allowed.check(workspace)
        return "LINEAGE_WORKSPACES allows it"

    def plan_topic() -> Change | str:
        topic = grid.find_topic(workspace)
        if topic and topic.principal_id:
            return f"{topic.name} is there"
        region = get_workspace(services.rest, services.settings.arm_endpoint, workspace).workspace.region
        return Change(
            f"{topic.name} gets an identity" if topic else "it is created",
            lambda: grid.create_topic(workspace, region, name=topic.name if topic else ""),
        )

    def topic_now() -> Topic:
        topic = grid.find_topic(workspace)
        if topic is None:
            raise RecordNotFoundError(f"workspace {workspace.name} has no system topic")
        return topic

    def plan_role(role: str) -> Change | str:
        topic = grid.find_topic(workspace)
        principal = topic.principal_id if topic else ""
        if principal and management.arm.has_role(storage, principal, role):
            return f"it is {role}"
        return Change(
            f"it becomes {role}",
            lambda: management.arm.give_role(storage, topic_now().principal_id, role),
            role_command(storage, principal, role),
        )

    def plan_subscription() -> Change | str:
        topic = grid.find_topic(workspace)
        existing = grid.get_subscription(workspace, topic) if topic else None
        change = Change(
            f"{SUBSCRIPTION} is {'brought up to date' if existing else 'created'}",
            lambda: grid.put_subscription(workspace, topic_now(), target),
        )
        if existing is None or str(existing.provisioning_state) != "Succeeded":
            return change
        return change if differences(existing, build_subscription(target)) else f"{SUBSCRIPTION} is there"

    yield Step(f"allow-list for {workspace.name}", plan_allowed, "")
    yield Step(f"system topic of {workspace.name}", plan_topic, command)
    for role in (UNDELIVERED_ROLE, *((SENDER_ROLE,) if deployment.destination == BY_QUEUE else ())):
        yield Step(
            f"storage role of the topic of {workspace.name}",
            lambda role=role: plan_role(role),  # type: ignore[misc]
            command,
        )
    yield Step(f"event subscription of {workspace.name}", plan_subscription, command)
