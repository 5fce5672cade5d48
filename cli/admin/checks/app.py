"""Whether the app runs, and its own identity has the roles it needs in Azure."""

from collections.abc import Callable, Iterator

from cli.admin.checks.check import Check, ProblemError, UncheckedError
from cli.admin.management.arm import ROLES, SITES, role_command
from cli.admin.management.clients import Management
from cli.options import AppDeployment
from shared.bindings import FUNCTIONS, find_binding_problems
from shared.errors import AccessDeniedError, RecordNotFoundError, RequestRefusedError, ServiceUnavailableError
from shared.model import WorkspaceId
from shared.redaction import redact_text
from shared.settings import wants_application_insights

_STORAGE = (
    ("Storage Blob Data Owner", "Storage Blob Data Contributor"),
    ("Storage Queue Data Contributor",),
    ("Storage Table Data Contributor",),
)
"""For each service the roles that do; the deployment gives the first."""


def check_app(management: Management, deployment: AppDeployment, workspaces: list[WorkspaceId]) -> Iterator[Check]:
    """Yield a check of each place where the app needs a role, for what is known of the app."""
    if deployment.function_app_id:
        site_id = deployment.function_app_id
        yield Check("app: state", _probe_state(management, site_id), "Give yourself Reader on it.")
        yield Check("app: functions", _probe_functions(management, site_id), "Give yourself Reader on it.")
        yield Check("app: bindings", _probe_bindings(management, site_id), "Give yourself Website Contributor on it.")
        yield Check("app: telemetry", _probe_telemetry(management, site_id), "Give yourself Website Contributor on it.")
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


def _probe_functions(management: Management, site_id: str) -> Callable[[], str]:
    def probe() -> str:
        functions = management.arm.list_functions(site_id)
        if missing := sorted(FUNCTIONS - functions.keys()):
            raise ProblemError(
                f"the host lacks {', '.join(missing)}",
                "azd deploy; if that does not help, the app's log has the error of an import, or the package has a "
                "folder `azure` with an __init__.py of its own",
            )
        if disabled := sorted(name for name in FUNCTIONS if functions[name]):
            raise ProblemError(
                f"switched off by a setting: {', '.join(disabled)}",
                "Take the app settings AzureWebJobs.{function}.Disabled away.",
            )
        try:
            errors = {name: management.arm.get_start_errors(site_id, name) for name in sorted(FUNCTIONS)}
        except (AccessDeniedError, RequestRefusedError, RecordNotFoundError, ServiceUnavailableError) as error:
            raise UncheckedError(
                f"the app has all {len(FUNCTIONS)}; which of them run its host does not say: {error}"
            ) from error
        if stopped := {name: each for name, each in errors.items() if each}:
            words = "; ".join(f"{name} ({redact_text(' '.join(each))})" for name, each in stopped.items())
            raise ProblemError(f"the host has switched off {words}", "Correct the app setting that the message names.")
        return f"all {len(FUNCTIONS)} run"

    return probe


def _probe_bindings(management: Management, site_id: str) -> Callable[[], str]:
    def probe() -> str:
        settings = _list_settings(management, site_id)
        if references := sorted(name for name, value in settings.items() if value.startswith("@Microsoft.")):
            raise UncheckedError(f"only the app sees the values of {', '.join(references)}: GET /api/health/ready")
        if problems := find_binding_problems(settings):
            raise ProblemError(
                "; ".join(problems), f"az functionapp config appsettings set --ids {site_id} --settings …"
            )
        return "the host can resolve what the functions are bound to"

    return probe


def _probe_telemetry(management: Management, site_id: str) -> Callable[[], str]:
    def probe() -> str:
        if not wants_application_insights(_list_settings(management, site_id)):
            raise ProblemError(
                "no one exports telemetry, so no alert can fire: APPLICATIONINSIGHTS_CONNECTION_STRING is not set, or "
                "PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY is not true",
                f"az functionapp config appsettings set --ids {site_id} --settings …",
            )
        return "the worker exports it, or the app where the worker does not: GET /api/health/ready says which"

    return probe


def _list_settings(management: Management, site_id: str) -> dict[str, str]:
    try:
        return management.arm.list_app_settings(site_id)
    except AccessDeniedError as error:
        raise UncheckedError("you may not see the app's settings: you need Website Contributor") from error


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
