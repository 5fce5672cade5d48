"""Azure Resource Manager beside Azure ML: resources, metrics and role assignments."""

import uuid
from collections.abc import Mapping, Sequence
from datetime import datetime

from shared.errors import RequestRefusedError
from shared.rest import Json, RestClient

_METRICS, _ROLE_ASSIGNMENTS = "2024-02-01", "2022-04-01"
_ASSIGNMENT_EXISTS = 409

STORAGE_ACCOUNTS, PURVIEW_ACCOUNTS = "2024-01-01", "2021-12-01"
"""API versions of these resources."""

ROLES = {
    "Storage Blob Data Contributor": "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
    "Storage Blob Data Reader": "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1",
    "Storage Queue Data Message Sender": "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a",
}
"""Built-in roles by name; their ids are the same in every tenant."""


class ResourceManager:
    """
    Reads resources and gives roles. Methods may raise what RestClient raises.

    Wire shapes: azure-rest-api-specs, Microsoft.Insights/metrics 2024-02-01 and Microsoft.Authorization 2022-04-01.
    """

    def __init__(self, rest: RestClient, endpoint: str) -> None:
        self._rest = rest
        self._endpoint = endpoint

    def get(self, resource_id: str, api_version: str) -> Json:
        return self._rest.get(f"{self._endpoint}{resource_id}", params={"api-version": api_version})

    def get_totals(
        self, resource_id: str, names: Sequence[str], *, since: datetime, until: datetime
    ) -> Mapping[str, float]:
        """Return the sum of each metric over a time."""
        answer = self._rest.get(
            f"{self._endpoint}{resource_id}/providers/Microsoft.Insights/metrics",
            params={
                "api-version": _METRICS,
                "metricnames": ",".join(names),
                "timespan": f"{since:%Y-%m-%dT%H:%M:%SZ}/{until:%Y-%m-%dT%H:%M:%SZ}",
                "interval": "PT1H",
                "aggregation": "Total",
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

    def has_role(self, scope: str, principal_id: str, role: str) -> bool:
        """Whether a principal has a role at a scope or above it."""
        answer = self._rest.get(
            f"{self._endpoint}{scope}/providers/Microsoft.Authorization/roleAssignments",
            params={"api-version": _ROLE_ASSIGNMENTS, "$filter": f"principalId eq '{principal_id}'"},
        )
        wanted = ROLES[role]
        return any(
            str(item["properties"]["roleDefinitionId"]).casefold().endswith(wanted)
            and scope.casefold().startswith(str(item["properties"]["scope"]).casefold().rstrip("/"))
            for item in answer.get("value") or []
        )

    def give_role(self, scope: str, principal_id: str, role: str) -> None:
        """Assign a role to an application or a managed identity; of no effect if it has it."""
        subscription = "/".join(scope.split("/")[:3])
        # A name made of what it says, so that whoever assigns the same again does not make a second one.
        name = uuid.uuid5(uuid.NAMESPACE_URL, f"{scope}|{principal_id}|{ROLES[role]}".casefold())
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
    """Spell the command that gives a role, for the person who may."""
    return (
        f'az role assignment create --role "{role}" --scope "{scope}" '
        f"--assignee-object-id {principal_id} --assignee-principal-type ServicePrincipal"
    )
