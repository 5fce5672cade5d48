"""Role assignments: who has which role where. Nothing else in the emulator asks them; they are kept and listed."""

import re
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from aiohttp import web

from emulator.azure_ml.errors import arm_error
from emulator.azure_ml.requests import api_version, json_object

ASSIGNMENTS = "/providers/Microsoft.Authorization/roleAssignments"
_FILTER = re.compile(r"principalId eq '([^']+)'|atScope\(\)")
_DEFINITION = re.compile(r"/providers/Microsoft\.Authorization/roleDefinitions/[0-9a-f-]{36}", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class RoleAssignment:
    """One of them; ids keep the case they were written in, and are compared without it."""

    name: str
    scope: str
    role_definition_id: str
    principal_id: str
    principal_type: str

    @property
    def facts(self) -> tuple[str, str, str]:
        """What no second assignment may say again."""
        return self.scope.lower(), self.role_definition_id.rpartition("/")[2].lower(), self.principal_id.lower()

    def to_json(self) -> dict[str, Any]:
        """Show it as ARM does."""
        return {
            "id": f"{self.scope}{ASSIGNMENTS}/{self.name}",
            "name": self.name,
            "type": "Microsoft.Authorization/roleAssignments",
            "properties": {
                "roleDefinitionId": self.role_definition_id,
                "principalId": self.principal_id,
                "principalType": self.principal_type,
                "scope": self.scope,
            },
        }


class RoleAssignments:
    """All role assignments, by scope and name."""

    def __init__(self) -> None:
        self._all: dict[tuple[str, str], RoleAssignment] = {}

    def put(self, wanted: RoleAssignment) -> bool:
        """Keep an assignment, and tell whether it is new; what contradicts another is refused as ARM does."""
        key = (wanted.scope.lower(), wanted.name.lower())
        known = self._all.get(key)
        if known is not None and known.facts != wanted.facts:
            message = "Tenant ID, application ID, principal ID, and scope are not allowed to be updated."
            raise arm_error(400, "RoleAssignmentUpdateNotPermitted", message)
        if known is None and wanted.facts in {each.facts for each in self._all.values()}:
            raise arm_error(409, "RoleAssignmentExists", "The role assignment already exists.")
        self._all[key] = wanted
        return known is None

    def of_scope(self, scope: str, principal_id: str | None) -> list[RoleAssignment]:
        """List those at a scope, above and below it, of one principal if one is named."""
        at = f"{scope.lower().rstrip('/')}/"
        return [
            each
            for each in self._all.values()
            if at.startswith(f"{each.scope.lower()}/") or f"{each.scope.lower()}/".startswith(at)
            if principal_id is None or each.principal_id.lower() == principal_id.lower()
        ]

    def to_json(self) -> list[dict[str, Any]]:
        return [each.to_json() for each in self._all.values()]


class RoleAssignmentResponses:
    """Handlers of the paths below any scope."""

    def __init__(self, current: Callable[[], RoleAssignments]) -> None:
        self._current = current

    async def list(self, request: web.Request) -> web.Response:
        """GET the role assignments of a scope; the filter knows `principalId eq '…'` and `atScope()`."""
        api_version(request)
        wanted = request.query.get("$filter", "")
        match = _FILTER.fullmatch(wanted)
        if wanted and match is None:
            raise arm_error(400, "UnsupportedQuery", f"The filter '{wanted}' is not supported.")
        found = self._current().of_scope(_scope(request), match[1] if match else None)
        return web.json_response({"value": [each.to_json() for each in found]})

    async def put(self, request: web.Request) -> web.Response:
        """PUT a role assignment; its name must be a GUID."""
        api_version(request)
        name = request.match_info["name"]
        try:
            uuid.UUID(name)
        except ValueError as problem:
            message = f"The role assignment ID '{name}' is not valid. The role assignment ID must be a GUID."
            raise arm_error(400, "InvalidRoleAssignmentId", message) from problem
        wanted = _read(name, _scope(request), (await json_object(request)).get("properties"))
        created = self._current().put(wanted)
        return web.json_response(wanted.to_json(), status=201 if created else 200)


def _read(name: str, scope: str, properties: object) -> RoleAssignment:
    given: Mapping[str, object] = properties if isinstance(properties, dict) else {}
    definition, principal = str(given.get("roleDefinitionId") or ""), str(given.get("principalId") or "")
    if not _DEFINITION.search(definition):
        raise arm_error(400, "InvalidRoleDefinitionId", f"The role definition ID '{definition}' is not valid.")
    try:
        uuid.UUID(principal)
    except ValueError as problem:
        raise arm_error(400, "InvalidPrincipalId", f"The principal ID '{principal}' is not valid.") from problem
    return RoleAssignment(name, scope, definition, principal, str(given.get("principalType") or "User"))


def _scope(request: web.Request) -> str:
    return "/" + request.match_info["scope"].strip("/")
