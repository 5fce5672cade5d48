"""Whether each workspace can be read: its record, its run history, and the address of its services."""

from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

from cli.admin.checks.check import Check, ProblemError
from cli.admin.checks.network import Resolve, find_addresses, refuse_public_address
from shared.azure_ml.services.workspace_api import WorkspaceApi, get_workspace
from shared.bootstrap import Services
from shared.errors import LineageError, RecordNotFoundError
from shared.model import WorkspaceId

_API_VERSION = "2024-10-01-preview"
_NOBODY = "lineage-doctor"
"""The id of a run that nobody has: asking for it needs the right to read runs and costs nothing."""


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
    """Return the workspaces that LINEAGE_WORKSPACES names or that lie below; None if `check_list` has a problem."""
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
            refuse_public_address(discovery, resolve, zone="privatelink.api.azureml.ms")
        found = get_workspace(services.rest, arm, workspace)
        host = urlsplit(found.api_url).hostname or ""
        find_addresses(host, resolve)
        return f"{body['name']} in {found.workspace.region}, services at {host}{' (private)' if is_private else ''}"

    return probe


def _probe_history(services: Services, workspace: WorkspaceId) -> Callable[[], str]:
    def probe() -> str:
        found = get_workspace(services.rest, services.settings.arm_endpoint, workspace)
        try:
            WorkspaceApi(services.rest, found.api_url, workspace).get_run(_NOBODY)
        except RecordNotFoundError:
            return "runs can be read"
        return "runs can be read"

    return probe
