"""What `lineage setup` brings about: a role and types in the catalog, scans of lakes, events of workspaces."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

import tenacity

from cli.admin.management.arm import PURVIEW_ACCOUNTS, STORAGE_ACCOUNTS, role_command
from cli.admin.management.clients import Management
from cli.admin.management.event_grid import Target, Topic, build_subscription, differences
from cli.admin.management.purview_account import DATA_CURATOR, has_role, with_role
from cli.admin.management.purview_scans import SCAN, build_scan, build_source
from cli.options import AppDeployment
from shared.azure_ml.services.workspace_api import get_workspace
from shared.bootstrap import Services
from shared.errors import AccessDeniedError, LineageError, RecordNotFoundError, RequestRefusedError
from shared.http.rest import Json
from shared.model import WorkspaceId

UNCHANGED, PLANNED, DONE = "unchanged", "planned", "done"
LATER, SKIPPED, REFUSED, FAILED = "later", "skipped", "refused", "failed"
_CONFLICT = (409, 412)
_READER = "Storage Blob Data Reader"


@dataclass(frozen=True, slots=True)
class PlannedChange:
    """Its description, the action, and the command for an administrator if the goal's does not fit."""

    words: str
    act: Callable[[], object]
    command: str = ""


@dataclass(frozen=True, slots=True)
class Result:
    """
    How a goal ended.

    Attributes:
        state: `unchanged`, `planned` (in a dry run), `done`, `later` (the app does it by itself), `skipped` (it is not
            known for whom), `refused` (the caller may not) or `failed`.
        command: for a person who may; "" unless refused.
    """

    goal: str
    state: str
    detail: str
    command: str = ""

    @property
    def is_well(self) -> bool:
        return self.state not in (REFUSED, FAILED)

    def to_json(self) -> dict[str, str]:
        return {"step": self.goal, "state": self.state, "detail": self.detail, "command": self.command}


@dataclass(frozen=True, slots=True)
class Goal:
    """
    One thing that must be so.

    Attributes:
        plan: looks, and returns what to change, or in words that nothing is to be changed.
        command: for a person with the rights, if the caller does not have them.
        later: in words, when the app does it by itself if the caller may not; "" if it does not.
    """

    name: str
    plan: Callable[[], PlannedChange | str]
    command: str
    later: str = ""

    def run(self, *, dry_run: bool) -> Result:
        command = self.command
        try:
            change = self.plan()
            if isinstance(change, str):
                return Result(self.name, UNCHANGED, change)
            if dry_run:
                return Result(self.name, PLANNED, change.words)
            command = change.command or command
            change.act()
        except AccessDeniedError as error:
            if self.later:
                return Result(self.name, LATER, self.later)
            return Result(self.name, REFUSED, str(error), command)
        except LineageError as error:
            return Result(self.name, FAILED, f"{error.reason}: {error}")
        return Result(self.name, DONE, change.words)


def give_role(services: Services, management: Management, identity_id: str, *, command: str) -> Goal:
    """Make the app Data Curator of the collection, beside those who are already."""

    def plan() -> PlannedChange | str:
        collection = management.account.get_collection(services.settings.purview_collection)
        if has_role(management.account.get_policy(collection.name), DATA_CURATOR, identity_id):
            return f"{identity_id} is Data Curator in {collection.friendly_name}"
        return PlannedChange(
            f"{identity_id} becomes Data Curator in {collection.friendly_name}",
            lambda: _grant(management, collection.name, identity_id),
        )

    return Goal("role in the catalog", plan, command)


@tenacity.retry(
    retry=tenacity.retry_if_exception(lambda error: getattr(error, "status", 0) in _CONFLICT),
    stop=tenacity.stop_after_attempt(3),
    reraise=True,
)
def _grant(management: Management, collection: str, identity_id: str) -> None:
    """Replace the policy; if others did so since we read it, read it again."""
    policy = management.account.get_policy(collection)
    if not has_role(policy, DATA_CURATOR, identity_id):
        management.account.put_policy(with_role(policy, DATA_CURATOR, identity_id))


def install_types(services: Services, *, later: str, command: str) -> Goal:
    """Install or upgrade the types that lineage needs."""

    def plan() -> PlannedChange | str:
        planned = services.catalog.plan_types()
        if planned.is_empty:
            return "all are installed"
        created = len(planned.create_entities) + len(planned.create_relationships)
        words = f"{created} are created, {len(planned.update_entities)} get what they lack"
        return PlannedChange(words, services.catalog.install_types)

    return Goal("types in the catalog", plan, command, later)


def scan_lake(
    services: Services, management: Management, purview_account_id: str, lake_id: str, *, command: str
) -> Iterator[Goal]:
    """
    Yield the goals for one storage account with hierarchical namespace: Purview reads, knows and has scanned it.

    Args:
        purview_account_id, lake_id: ARM ids.
    """
    name = lake_id.rpartition("/")[2]

    def read_lake() -> Json:
        lake = management.arm.get(lake_id, STORAGE_ACCOUNTS)
        if not lake["properties"].get("isHnsEnabled"):
            raise RequestRefusedError(f"{name} is not a data lake: it has no hierarchical namespace", status=0)
        return lake

    def plan_role() -> PlannedChange | str:
        identity = management.arm.get(purview_account_id, PURVIEW_ACCOUNTS).get("identity") or {}
        principal = str(identity.get("principalId") or "")
        if not principal:
            raise RequestRefusedError("the Purview account has no system-assigned identity to scan with", status=0)
        if management.arm.has_role(lake_id, principal, _READER):
            return f"Purview is {_READER} of {name}"
        return PlannedChange(
            f"Purview becomes {_READER} of {name}",
            lambda: management.arm.give_role(lake_id, principal, _READER),
            role_command(lake_id, principal, _READER),
        )

    def collection() -> str:
        return management.account.get_collection(services.settings.purview_collection).name

    def source_name() -> str:
        """Return the name under which the lake is registered, or the one that we would give."""
        return management.scans.find_source(lake_id) or name

    def plan_source() -> PlannedChange | str:
        wanted = build_source(read_lake(), collection())
        if found := management.scans.find_source(lake_id):
            return f"it is registered as {found}"
        return PlannedChange(f"{name} is registered", lambda: management.scans.put_source(name, wanted))

    def plan_scan() -> PlannedChange | str:
        if management.scans.get_scan(source_name()):
            return f"scan {SCAN} is there"
        wanted = build_scan(collection())
        return PlannedChange(f"scan {SCAN} is created", lambda: management.scans.put_scan(source_name(), wanted))

    def plan_run() -> PlannedChange | str:
        if management.scans.has_run(source_name()):
            return f"scan {SCAN} has run"
        return PlannedChange(f"scan {SCAN} is started", lambda: management.scans.start(source_name()))

    yield Goal(f"read access of Purview to {name}", plan_role, command)
    yield Goal(f"data source {name}", plan_source, command)
    yield Goal(f"scan of {name}", plan_scan, command)
    yield Goal(f"first run of the scan of {name}", plan_run, command)


def subscribe(
    services: Services, management: Management, deployment: AppDeployment, workspace: WorkspaceId, *, command: str
) -> Iterator[Goal]:
    """Yield the goals for one workspace: it is allowed, it has a topic, which may write, and we are subscribed."""
    grid = management.event_grid
    target = Target(deployment.function_app_id, deployment.storage_account_id, deployment.destination)

    def plan_allowed() -> PlannedChange | str:
        services.allowed.check(workspace)
        return "LINEAGE_WORKSPACES allows it"

    def plan_topic() -> PlannedChange | str:
        topic = grid.find_topic(workspace)
        if topic is None:
            region = get_workspace(services.rest, services.settings.arm_endpoint, workspace).workspace.region
            return PlannedChange("it is created", lambda: grid.create_topic(workspace, region))
        if topic.principal_id:
            return f"{topic.name} is there"
        return PlannedChange(f"{topic.name} gets an identity", lambda: grid.give_identity(workspace, topic))

    def topic_now() -> Topic:
        topic = grid.find_topic(workspace)
        if topic is None:
            raise RecordNotFoundError(f"workspace {workspace.name} has no system topic that you can see")
        return topic

    def plan_role(scope: str, role: str) -> PlannedChange | str:
        topic = grid.find_topic(workspace)
        principal = topic.principal_id if topic else ""
        if principal and management.arm.has_role(scope, principal, role):
            return f"it is {role}"
        return PlannedChange(
            f"it becomes {role}",
            lambda: management.arm.give_role(scope, topic_now().principal_id, role),
            role_command(scope, principal, role),
        )

    def plan_subscription() -> PlannedChange | str:
        topic = grid.find_topic(workspace)
        existing = grid.get_subscription(workspace, topic, target.subscription) if topic else None
        change = PlannedChange(
            f"{target.subscription} is {'brought up to date' if existing else 'created'}",
            lambda: grid.put_subscription(workspace, topic_now(), target),
        )
        if existing is None or str(existing.provisioning_state) != "Succeeded":
            return change
        return change if differences(existing, build_subscription(target)) else f"{target.subscription} is there"

    yield Goal(f"allow-list for {workspace.name}", plan_allowed, "")
    yield Goal(f"system topic of {workspace.name}", plan_topic, command)
    for scope, role in target.roles:
        yield Goal(
            f"{role} for the topic of {workspace.name}",
            partial(plan_role, scope, role),
            command,
        )
    yield Goal(f"event subscription of {workspace.name}", plan_subscription, command)
