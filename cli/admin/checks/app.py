"""Whether the app runs, and its own identity has the roles it needs in Azure."""

from collections.abc import Callable, Iterator

from cli.admin.checks.check import Check, ProblemError, UncheckedError
from cli.admin.management.arm import ROLES, SITES, role_command
from cli.admin.management.clients import Management
from cli.options import AppDeployment
from shared.errors import AccessDeniedError, RecordNotFoundError
from shared.model import WorkspaceId

_STORAGE = (
    ("Storage Blob Data Owner", "Storage Blob Data Contributor"),
    ("Storage Queue Data Contributor",),
    ("Storage Table Data Contributor",),
)
"""For each service the roles that do; the deployment gives the first."""


def check_app(management: Management, deployment: AppDeployment, workspaces: list[WorkspaceId]) -> Iterator[Check]:
    """Yield a check of each place where the app needs a role, for what is known of the app."""
    if deployment.function_app_id:
        yield Check("app: state", _probe_state(management, deployment.function_app_id), "Give yourself Reader on it.")
    if not deployment.identity_id:
        return
    for workspace in workspaces:
        yield Check(
            f"app: role on {workspace.name}", _probe_workspace(management, deployment.identity_id, workspace), ""
        )
    if deployment.storage_account_id:
        yield Check("app: roles on storage", _probe_storage(management, deployment), "")


def has_role(management: Management, scope: str, principal_id: str, *roles: str) -> bool:
    """
    Whether a principal has one of some built-in roles.

    Raises:
        UncheckedError: the caller may not see who has roles there.
    """
    return not _list_roles(management, scope, principal_id).isdisjoint(ROLES[role] for role in roles)


def _list_roles(management: Management, scope: str, principal_id: str) -> set[str]:
    try:
        return management.arm.list_roles(scope, principal_id)
    except AccessDeniedError as error:
        raise UncheckedError(f"you may not see who has roles on {scope.rpartition('/')[2]}: you need Reader") from error


def _probe_state(management: Management, function_app_id: str) -> Callable[[], str]:
    def probe() -> str:
        try:
            site = management.arm.get(function_app_id, SITES)
        except RecordNotFoundError as error:
            raise ProblemError(f"there is no {function_app_id}", "azd provision; or correct --function-app") from error
        state = str(site["properties"].get("state") or "")
        if state != "Running":
            raise ProblemError(
                f"{site['name']} is {state}, so messages wait", f"az functionapp start --ids {function_app_id}"
            )
        return f"{site['name']} is running"

    return probe


def _probe_workspace(management: Management, identity_id: str, workspace: WorkspaceId) -> Callable[[], str]:
    def probe() -> str:
        # Which role is not asked: the deployment gives a custom one, and Reader or more does as well.
        if not _list_roles(management, workspace.arm_id, identity_id):
            raise ProblemError(
                f"{identity_id} has no role on the workspace, and cannot read it",
                f"azd hooks run postprovision; or: az role assignment create --role Reader --scope {workspace.arm_id} "
                f"--assignee-object-id {identity_id} --assignee-principal-type ServicePrincipal",
            )
        return f"{identity_id} has one"

    return probe


def _probe_storage(management: Management, deployment: AppDeployment) -> Callable[[], str]:
    def probe() -> str:
        scope, identity = deployment.storage_account_id, deployment.identity_id
        lacking = [roles[0] for roles in _STORAGE if not has_role(management, scope, identity, *roles)]
        if lacking:
            commands = "; ".join(role_command(scope, identity, role) for role in lacking)
            raise ProblemError(f"{identity} is not {', '.join(lacking)}", commands)
        return f"{identity} has all three"

    return probe
