"""Lists what a workspace holds: its jobs, model versions and endpoints, page by page."""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any
from urllib.parse import quote

from shared.azure_ml.services.endpoints import ENDPOINT_KINDS, ENDPOINTS_VERSION
from shared.azure_ml.services.models import MODEL_VERSION
from shared.errors import UnreadableAnswerError
from shared.http.rest import Json, RestClient, items_of, link_at, next_page
from shared.model import AssetId, WorkspaceId
from shared.places.uris import is_made_up
from shared.ports import InventoryPage, Listed

_JOBS = "2024-01-01-preview"
_WORKSPACES = "2024-10-01-preview"


class Inventory:
    """
    The inventory port over Azure Resource Manager.

    Bodies are read as they come: the SDK's own list leaves out every job that it cannot parse. A page is named by the
    link that the service gave for it. Methods may raise what the REST client raises, and UnreadableAnswerError.
    """

    def __init__(self, rest: RestClient, *, arm_endpoint: str) -> None:
        self._rest = rest
        self._arm_endpoint = arm_endpoint

    def list_workspaces(self, scope: str) -> list[WorkspaceId]:
        """Return the workspaces below an ARM id: of a subscription, of a resource group, or the one it names."""
        try:
            return [WorkspaceId.parse(scope)]
        except ValueError:
            path = f"{scope.rstrip('/')}/providers/Microsoft.MachineLearningServices/workspaces"
        found = self._rest.get_all(f"{self._arm_endpoint}{path}", params={"api-version": _WORKSPACES})
        return sorted(WorkspaceId.parse(_text(body, "id")) for body in found)

    def list_runs(self, workspace: WorkspaceId, *, page: str = "", archived: bool = False) -> InventoryPage:
        """Return root runs, newest first."""
        answer = self._page(workspace, page, "jobs", _JOBS, archived=archived)
        items = tuple(_to_run(body) for body in items_of(answer))
        return InventoryPage(items, self._next(answer, page))

    def list_models(self, workspace: WorkspaceId, *, page: str = "", archived: bool = False) -> InventoryPage:
        """Return the versions of some models; the order is the service's."""
        # A model is listed as archived only when all of it is, so its versions are always asked for.
        answer = self._page(workspace, page, "models", MODEL_VERSION, view="All")
        items: list[Listed] = []
        for container in items_of(answer):
            name = _text(container, "name")
            if is_made_up(AssetId("models", name, "")):
                continue  # an output of a run, which its run shows
            url = f"{self._arm_endpoint}{workspace.arm_id}/models/{quote(name)}/versions"
            versions = self._rest.get_all(
                url, params={"api-version": MODEL_VERSION, "listViewType": _view(archived=archived)}
            )
            items += [Listed("model", name, _text(body, "name"), created_at=_created_at(body)) for body in versions]
        return InventoryPage(tuple(items), self._next(answer, page))

    def list_endpoints(self, workspace: WorkspaceId) -> tuple[Listed, ...]:
        """Return all endpoints, of every kind."""
        return tuple(
            Listed("endpoint", _text(body, "name"), status=str(_properties(body).get("provisioningState") or ""))
            for kind in ENDPOINT_KINDS
            for body in self._rest.get_all(
                f"{self._arm_endpoint}{workspace.arm_id}/{kind}", params={"api-version": ENDPOINTS_VERSION}
            )
        )

    def _page(
        self, workspace: WorkspaceId, page: str, path: str, version: str, *, archived: bool = False, view: str = ""
    ) -> Json:
        if page:
            return self._rest.get(link_at(self._arm_endpoint, page))
        parameters = {"api-version": version, "listViewType": view or _view(archived=archived)}
        return self._rest.get(f"{self._arm_endpoint}{workspace.arm_id}/{path}", params=parameters)

    def _next(self, answer: Json, page: str) -> str:
        link = next_page(answer, self._arm_endpoint)
        if link and link == page:
            raise UnreadableAnswerError("nextLink: leads to the page it is on")
        return link


def _view(*, archived: bool) -> str:
    return "ArchivedOnly" if archived else "ActiveOnly"


def _to_run(body: Json) -> Listed:
    properties = _properties(body)
    outputs = properties.get("outputs")
    return Listed(
        "run",
        _text(body, "name"),
        status=str(properties.get("status") or ""),
        created_at=_created_at(body),
        may_have_steps=properties.get("jobType") in (None, "Pipeline"),
        names_outputs=isinstance(outputs, dict)
        and any(isinstance(each, dict) and each.get("assetName") for each in outputs.values()),
    )


def _properties(body: Json) -> Mapping[str, Any]:
    properties = body.get("properties")
    return properties if isinstance(properties, dict) else {}


def _text(body: Json, member: str) -> str:
    value = body.get(member)
    if not isinstance(value, str) or not value:
        raise UnreadableAnswerError(f"{member}: is missing or no text")
    return value


def _created_at(body: Json) -> datetime | None:
    data = body.get("systemData")
    text = data.get("createdAt") if isinstance(data, dict) else None
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UnreadableAnswerError(f"systemData.createdAt: {text!r} is not a time") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
