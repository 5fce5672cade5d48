"""Azure Resource Manager beside Azure ML: resources, metrics and role assignments."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime

from shared.errors import RequestRefusedError
from shared.http.rest import Json, RestClient

_METRICS, _ROLE_ASSIGNMENTS = "2024-02-01", "2022-04-01"
_ASSIGNMENT_EXISTS = 409
_GUID_NAMESPACE = uuid.UUID("11fb06fb-712d-4ddd-98c7-e71bbd588830")
"""Of the function `guid()` of templates: version 5 of its arguments, joined by hyphens (Bicep's string functions)."""

STORAGE_ACCOUNTS, PURVIEW_ACCOUNTS, SITES = "2024-01-01", "2021-12-01", "2024-04-01"
"""API versions of these resources."""

ROLES = {
    "Storage Blob Data Contributor": "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
    "Storage Blob Data Owner": "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
    "Storage Blob Data Reader": "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1",
    "Storage Queue Data Contributor": "974c5e8b-45b9-4653-ba55-5f855dd0fb88",
    "Storage Queue Data Message Sender": "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a",
    "Storage Table Data Contributor": "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3",
}
"""Built-in roles by name; their ids are the same in every tenant."""


class ResourceManager:
    """
    Reads resources and gives roles. Methods may raise what RestClient raises.

    Wire shapes: azure-rest-api-specs, Microsoft.Insights/metrics 2024-02-01, Microsoft.Authorization 2022-04-01 and
    Microsoft.Web 2024-04-01 (WebApps_ListFunctions, WebApps_ListApplicationSettings); the status of a function as in
    FunctionsController.cs of azure-functions-host, below `hostruntime` as azure-functions-core-tools asks for it.
    """

    def __init__(self, rest: RestClient, endpoint: str) -> None:
        self._rest = rest
        self._endpoint = endpoint

    def get(self, resource_id: str, api_version: str) -> Json:
        return self._rest.get(f"{self._endpoint}{resource_id}", params={"api-version": api_version})

    def get_totals(
        self, resource_id: str, names: Sequence[str], *, of: str, since: datetime, until: datetime
    ) -> Mapping[str, float]:
        """Return the sum of each metric over a time; `of` is a filter on its dimensions."""
        answer = self._rest.get(
            f"{self._endpoint}{resource_id}/providers/Microsoft.Insights/metrics",
            params={
                "api-version": _METRICS,
                "metricnames": ",".join(names),
                "timespan": f"{since:%Y-%m-%dT%H:%M:%SZ}/{until:%Y-%m-%dT%H:%M:%SZ}",
                "interval": "PT1H",
                "aggregation": "Total",
                "$filter": of,
            },
        )
        return {
            str(metric["name"]["value"]): sum(
                float(point.get("total") or 0)
                for series in metric.get("timeseries") or []
                for point in series.get("data") or []
            )
            for metric in answer.get("value") or []
        }

    def list_functions(self, site_id: str) -> dict[str, bool]:
        """Return the functions of a function app by name, and whether each is disabled."""
        functions = self._rest.get_all(f"{self._endpoint}{site_id}/functions", params={"api-version": SITES})
        return {str(each["name"]).rpartition("/")[2]: bool(each["properties"].get("isDisabled")) for each in functions}

    def get_start_errors(self, site_id: str, function: str) -> list[str]:
        """Ask the app's own host, by way of Azure Resource Manager, why it could not start a function; [] if it did."""
        url = f"{self._endpoint}{site_id}/hostruntime/admin/functions/{function}/status"
        return [str(error) for error in self._rest.get(url, params={"api-version": SITES}).get("errors") or []]

    def list_app_settings(self, site_id: str) -> dict[str, str]:
        url = f"{self._endpoint}{site_id}/config/appsettings/list"
        properties = self._rest.post(url, {}, params={"api-version": SITES}).get("properties") or {}
        return {str(name): str(value) for name, value in properties.items()}

    def list_roles(self, scope: str, principal_id: str) -> set[str]:
        """Return the ids of the roles that a principal itself has at a scope or above it."""
        url: str = f"{self._endpoint}{scope}/providers/Microsoft.Authorization/roleAssignments"
        params = {"api-version": _ROLE_ASSIGNMENTS, "$filter": f"principalId eq '{principal_id}'"}
        found: set[str] = set()
        while url:
            answer = self._rest.get(url, params=params)
            for item in answer.get("value") or []:
                at = str(item["properties"]["scope"]).casefold().rstrip("/")
                if f"{scope.casefold()}/".startswith(f"{at}/"):  # the list has what is below, too
                    found.add(str(item["properties"]["roleDefinitionId"]).casefold().rpartition("/")[2])
            link = str(answer.get("nextLink") or "")
            # The token goes where the link points, so a link to elsewhere is not followed.
            url, params = (link if link.startswith(self._endpoint) else ""), {}
        return found

    def has_role(self, scope: str, principal_id: str, role: str) -> bool:
        """Whether a principal itself has a role at a scope or above it."""
        return ROLES[role] in self.list_roles(scope, principal_id)

    def give_role(self, scope: str, principal_id: str, role: str) -> None:
        """Assign a role to an application or a managed identity; of no effect if it has it."""
        subscription = "/".join(scope.split("/")[:3])
        name = _name(scope, principal_id, role)
        try:
            self._rest.put(
                f"{self._endpoint}{scope}/providers/Microsoft.Authorization/roleAssignments/{name}",
                {
                    "properties": {
                        "roleDefinitionId": f"{subscription}/providers/Microsoft.Authorization/roleDefinitions"
                        f"/{ROLES[role]}",
                        "principalId": principal_id,
                        "principalType": "ServicePrincipal",
                    }
                },
                params={"api-version": _ROLE_ASSIGNMENTS},
            )
        except RequestRefusedError as error:
            if error.status != _ASSIGNMENT_EXISTS:
                raise


def role_command(scope: str, principal_id: str, role: str) -> str:
    """Return the command that gives a role, for a person who may."""
    return (
        f'az role assignment create --role "{role}" --scope "{scope}" '
        f"--assignee-object-id {principal_id} --assignee-principal-type ServicePrincipal "
        f"--name {_name(scope, principal_id, role)}"
    )


def _name(scope: str, principal_id: str, role: str) -> uuid.UUID:
    """
    Name an assignment as infra/modules/ does: Azure refuses a deployment that would make the same under another name.

    >>> _name("/subscriptions/s", "p", "Storage Blob Data Reader")
    UUID('9d643cf2-b458-53d5-9fe5-49fe571d499a')
    """
    return uuid.uuid5(_GUID_NAMESPACE, f"{scope}-{principal_id}-{ROLES[role]}")
