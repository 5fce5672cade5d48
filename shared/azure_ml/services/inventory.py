"""Lists what a workspace holds: its jobs, model versions and endpoints, page by page."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from functools import partial
from urllib.parse import quote

from shared.azure_ml.services.endpoints import ENDPOINT_KINDS, ENDPOINTS_VERSION, has_deployments
from shared.azure_ml.services.models import MODEL_VERSION, object_in, text_in
from shared.azure_ml.services.workspace_api import WorkspaceRecord, ask_arm
from shared.errors import RecordNotFoundError, RequestRefusedError, UnreadableAnswerError
from shared.http.rest import Json, RestClient, link_at, next_page, readable_items
from shared.model import AssetId, WorkspaceId
from shared.places.uris import is_made_up
from shared.ports import InventoryPage, Listed

MODELS = 250
"""Model versions that the registry is asked for in one request."""
_JOBS = "2024-01-01-preview"
DATA_VERSION = "2023-08-01-preview"
_WORKSPACES = "2024-10-01-preview"
_NO_GROUP, _NONE = "/resourceGroups/lineage-none", "lineage-none"
_BELOW = "/providers/Microsoft.MachineLearningServices/workspaces"


class Inventory:
    """
    The inventory port over Azure Resource Manager and the model registry.

    Bodies are read as they come: the SDK's own list leaves out every job that it cannot parse. A page is named by the
    link that the service gave for it. Methods may raise what the REST client raises, and UnreadableAnswerError.
    """

    def __init__(
        self, rest: RestClient, *, arm_endpoint: str, get_record: Callable[[WorkspaceId], WorkspaceRecord]
    ) -> None:
        self._rest = rest
        self._get_record = get_record
        self._arm_endpoint = arm_endpoint

    def list_workspaces(self, scope: str) -> list[WorkspaceId]:
        """Return the workspaces below an ARM id: of a subscription, of a resource group, or the one it names."""
        try:
            return [WorkspaceId.parse(scope)]
        except ValueError:
            path = f"{scope.rstrip('/')}{_BELOW}"
        bodies = self._rest.get_all(f"{self._arm_endpoint}{path}", params={"api-version": _WORKSPACES})
        found = sorted(WorkspaceId.parse(_text(body, "id")) for body in bodies)
        if not found:
            self._ask_for_none(scope)
        return found

    def reach(self, scope: str) -> None:
        """Read the workspace that an ARM id names, or the first page of those below it; 1 request, 2 if none is."""
        try:
            path = WorkspaceId.parse(scope).arm_id
        except ValueError:
            path = f"{scope.rstrip('/')}{_BELOW}"
        if not ask_arm(self._rest, f"{self._arm_endpoint}{path}", version=_WORKSPACES).get("value", path):
            self._ask_for_none(scope)

    def _ask_for_none(self, scope: str) -> None:
        """Ask for a workspace that is not there: an empty list is what any host may answer, and this is not."""
        group = scope.rstrip("/") if "/resourcegroups/" in scope.casefold() else f"{scope.rstrip('/')}{_NO_GROUP}"
        with suppress(RecordNotFoundError):
            ask_arm(self._rest, f"{self._arm_endpoint}{group}{_BELOW}/{_NONE}", version=_WORKSPACES)

    def list_runs(self, workspace: WorkspaceId, *, page: str = "", archived: bool = False) -> InventoryPage:
        """Return root runs, newest first."""
        answer = self._page(workspace, page, "jobs", _JOBS, archived=archived)
        items = _read_each("run", _listed(answer), _to_run)
        return InventoryPage(items, self._next(answer, page))

    def list_models(self, workspace: WorkspaceId, *, page: str = "", archived: bool = False) -> InventoryPage:
        """
        Return versions of models, newest first.

        The model registry lists versions of all models in one go, a few requests for thousands. Where it refuses,
        Azure Resource Manager is asked for the versions of each model.
        """
        if page.startswith("https:"):
            return self._list_models_by_name(workspace, page, archived=archived)
        body: Json = {
            "count": MODELS,
            "listViewType": _view(archived=archived),
            **({"skipToken": page} if page else {}),
        }
        url = f"{self._get_record(workspace).api_url.rstrip('/')}/modelregistry/v1.0{workspace.arm_id}/models/list"
        try:
            answer = self._rest.post(url, body)
        except (RecordNotFoundError, RequestRefusedError):
            if page:
                raise
            return self._list_models_by_name(workspace, page, archived=archived)
        following = text_in(answer, "continuationToken")
        if following and following == page:
            raise UnreadableAnswerError("continuationToken: leads to the page it is on")
        return InventoryPage(_read_each("model", _listed(answer), _to_model), following)

    def _list_models_by_name(self, workspace: WorkspaceId, page: str, *, archived: bool) -> InventoryPage:
        # A model is listed as archived only when all of it is, so its versions are always asked for.
        answer = self._page(workspace, page, "models", MODEL_VERSION, view="All")
        items: list[Listed] = []
        for name in _names("model", _listed(answer), items):
            if is_made_up(AssetId("models", name, "")):
                continue  # an output of a run, which its run shows
            parameters = {"api-version": MODEL_VERSION, "listViewType": _view(archived=archived)}
            items += self._list_versions(workspace, "model", name, parameters)
        return InventoryPage(tuple(items), self._next(answer, page))

    def list_data(self, workspace: WorkspaceId, *, page: str = "") -> InventoryPage:
        """
        Return the versions of the data assets of a page.

        No service lists the versions of all data assets in one go, so each costs a request.
        """
        answer = self._page(workspace, page, "data", DATA_VERSION)
        items: list[Listed] = []
        for name in _names("data", _listed(answer), items):
            items += self._list_versions(workspace, "data", name, {"api-version": DATA_VERSION})
        return InventoryPage(tuple(items), self._next(answer, page))

    def _list_versions(
        self, workspace: WorkspaceId, kind: str, name: str, parameters: Mapping[str, str]
    ) -> tuple[Listed, ...]:
        """List the versions of one asset; if that is refused, it says so and keeps no other from being listed."""
        path = {"model": "models"}.get(kind, kind)
        url = f"{self._arm_endpoint}{workspace.arm_id}/{path}/{quote(name, safe='')}/versions"
        try:
            versions = [item for page in self._rest.get_pages(url, params=parameters) for item in _listed(page)]
        except RecordNotFoundError:
            return ()  # it was deleted a moment ago
        except (RequestRefusedError, UnreadableAnswerError) as error:
            return (Listed(kind, name, problem=f"{error.reason}: {error}"),)
        return _read_each(kind, versions, partial(_to_version, kind, name))

    def list_endpoints(self, workspace: WorkspaceId) -> tuple[Listed, ...]:
        """Return all endpoints, of every kind."""
        parameters = {"api-version": ENDPOINTS_VERSION}
        return tuple(
            item
            for kind in ENDPOINT_KINDS
            for item in _read_each(
                "endpoint",
                self._list_all(f"{self._arm_endpoint}{workspace.arm_id}/{kind}", parameters),
                partial(_to_endpoint, kind),
            )
        )

    def _list_all(self, url: str, parameters: Mapping[str, str]) -> Iterator[Json | None]:
        for page in self._rest.get_pages(url, params=parameters):
            yield from _listed(page)

    def digest_deployments(self, workspace: WorkspaceId, endpoint: Listed) -> str:
        """Return a hash of all deployments of an endpoint; a serverless one has none."""
        if not has_deployments(endpoint.path):
            return ""
        url = f"{self._arm_endpoint}{workspace.arm_id}/{endpoint.path}/deployments"
        pages = self._rest.get_pages(url, params={"api-version": ENDPOINTS_VERSION})
        return _digest([item for page in pages for item in readable_items(page)])

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


def _to_model(body: Json) -> Listed | None:
    """Read a version as the model registry lists it; None for an output of a run whose name Azure ML made up."""
    name, version = _text(body, "name"), body.get("version")
    if not isinstance(version, str | int) or version == "":
        raise UnreadableAnswerError(f"model {name}: version: is missing or no version")
    if is_made_up(AssetId("models", name, "")) or body.get("isAnonymous") is True:
        return None
    created, modified = (_moment(body.get(each), each) for each in ("createdTime", "modifiedTime"))
    return Listed("model", name, str(version), created_at=created, modified_at=modified)


def _to_version(kind: str, name: str, body: Json) -> Listed:
    changed = None
    if kind == "data":
        changed = _moment(object_in(body, "systemData").get("lastModifiedAt"), "systemData.lastModifiedAt")
    return Listed(kind, name, _text(body, "name"), created_at=_created_at(body), modified_at=changed)


def _to_endpoint(kind: str, body: Json) -> Listed:
    name = _text(body, "name")
    return Listed(
        "endpoint",
        name,
        status=text_in(object_in(body, "properties"), "provisioningState"),
        path=f"{kind}/{quote(name, safe='')}",
        digest=_digest(body),
    )


def _listed(answer: Json) -> list[Json | None]:
    """Return what is on a page of a list, None for what is no object."""
    if not isinstance(answer.get("value"), list):
        raise UnreadableAnswerError("value: is not a list")
    return readable_items(answer)


def _names(kind: str, containers: Iterable[Json | None], unreadable: list[Listed]) -> Iterator[str]:
    """Yield the names of assets, of which each has versions; those that cannot be read are added to a list."""
    for body in containers:
        read = _read(kind, body, lambda each: Listed(kind, _text(each, "name")))
        if read and read.problem:
            unreadable.append(read)
        elif read:
            yield read.name


def _read_each(kind: str, bodies: Iterable[Json | None], read: Callable[[Json], Listed | None]) -> tuple[Listed, ...]:
    """Read what a list has; what cannot be read keeps nothing else on it from being known."""
    return tuple(item for body in bodies if (item := _read(kind, body, read)))


def _read(kind: str, body: Json | None, read: Callable[[Json], Listed | None]) -> Listed | None:
    if body is None:
        return Listed(kind, "", problem="UnreadableAnswer: value: has something that is no object")
    try:
        return read(body)
    except UnreadableAnswerError as error:
        name, version = (str(body.get(member) or "") for member in ("name", "version"))
        return Listed(kind, name, version, problem=f"{error.reason}: {error}")


def _digest(body: object) -> str:
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:16]


def _view(*, archived: bool) -> str:
    return "ArchivedOnly" if archived else "ActiveOnly"


def _to_run(body: Json) -> Listed:
    properties = object_in(body, "properties")
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


def _text(body: Json, member: str) -> str:
    value = body.get(member)
    if not isinstance(value, str) or not value:
        raise UnreadableAnswerError(f"{member}: is missing or no text")
    return value


def _created_at(body: Json) -> datetime | None:
    return _moment(object_in(body, "systemData").get("createdAt"), "systemData.createdAt")


def _moment(text: object, at: str) -> datetime | None:
    if not isinstance(text, str):
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError as error:
        raise UnreadableAnswerError(f"{at}: {text!r} is not a time") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
