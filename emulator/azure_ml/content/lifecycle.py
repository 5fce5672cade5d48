"""What was archived or deleted after the scenario started, by path below its workspace."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

from emulator.azure_ml.content.assets import Endpoint, Key
from emulator.azure_ml.content.reading import split_label
from emulator.azure_ml.content.workspace import Workspace

ASSETS = ("data", "models", "environments", "components")
ARCHIVABLE = ("jobs", *ASSETS)
ENDPOINTS = {
    "onlineEndpoints": "online_endpoints",
    "batchEndpoints": "batch_endpoints",
    "serverlessEndpoints": "serverless_endpoints",
}
DELETABLE = ("jobs", "models", *ENDPOINTS)

Thing = TypeVar("Thing")


@dataclass(slots=True)
class Lifecycle:
    """Archived and deleted things of one workspace."""

    archived: set[str] = field(default_factory=set)
    deleted: set[str] = field(default_factory=set)

    def archive(self, workspace: Workspace, kind: str, name: str, version: str | None, archived: bool) -> None:
        """Archive a job, an asset version or, without a version, the container of all versions; or restore it."""
        if kind not in ARCHIVABLE:
            raise ValueError(f"{kind!r} cannot be archived, only {', '.join(ARCHIVABLE)}")
        if kind == "jobs":
            known = version is None and name in workspace.runs
        elif version is None:
            known = any(name == key[0] for key in workspace.assets(kind))
        else:
            known = workspace.assets(kind).get((name, version)) is not None
        path = _path(kind, name, version)
        if not known:
            raise ValueError(f"{workspace.names.workspace} has no {path}")
        if archived:
            self.archived.add(path)
        else:
            self.archived.discard(path)

    def delete(self, workspace: Workspace, kind: str, name: str, version: str | None, deployment: str | None) -> None:
        """
        Delete a job with the runs below it, a model version, an endpoint or one of its deployments.

        Source: "Jobs - Delete" of the REST API of Azure Machine Learning.
        """
        if kind not in DELETABLE:
            raise ValueError(f"{kind!r} cannot be deleted, only {', '.join(DELETABLE)}")
        below: list[str] = []
        if kind == "models":
            known = version is not None and deployment is None and (name, version) in workspace.models
            path = _path(kind, name, version)
        elif kind == "jobs":
            known = version is None and deployment is None and name in workspace.runs
            path = _path(kind, name)
            below = [_path(kind, run.id) for run in workspace.family_of(name)]
        else:
            endpoint = workspace.endpoints(kind).get(name)
            known = endpoint is not None and version is None and deployment in (None, *endpoint.deployments)
            path = f"{kind}/{name}/deployments/{deployment}" if deployment else f"{kind}/{name}"
            if endpoint is not None and deployment is None:
                below = [f"{path}/deployments/{each}" for each in endpoint.deployments]
        if not known:
            raise ValueError(f"{workspace.names.workspace} has no {path}")
        self.deleted.update((path, *below))

    def revive(self, node: Mapping[str, Any]) -> None:
        """Forget the deletion of what a fragment of the workspace names: it was created again."""
        for label in node.get("models", {}):
            self.deleted.discard(_path("models", *split_label(label)))
        for run_id in node.get("runs", {}):
            self.deleted.discard(_path("jobs", run_id))
        for kind, key in ENDPOINTS.items():
            for name, endpoint in node.get(key, {}).items():
                self.deleted.discard(f"{kind}/{name}")
                for deployment in endpoint.get("deployments", {}):
                    self.deleted.discard(f"{kind}/{name}/deployments/{deployment}")

    def applied_to(self, workspace: Workspace) -> Workspace:
        """Give the workspace without what was deleted, and with what was archived marked."""
        return replace(
            self._without_jobs(workspace),
            archived=self.archived,
            models=_without(workspace.models, {key: _path("models", *key) for key in workspace.models}, self.deleted),
            online_endpoints=self._endpoints(workspace, "onlineEndpoints"),
            batch_endpoints=self._endpoints(workspace, "batchEndpoints"),
            serverless_endpoints=self._endpoints(workspace, "serverlessEndpoints"),
        )

    def _without_jobs(self, workspace: Workspace) -> Workspace:
        """Give the runs as they are, which may be very many, unless some were deleted."""
        gone = {path.removeprefix("jobs/") for path in self.deleted if path.startswith("jobs/")}
        if not gone:
            return workspace
        return replace(
            workspace,
            runs={name: run for name, run in workspace.runs.items() if name not in gone},
            newest_first=[run for run in workspace.newest_first if run.id not in gone],
            children={
                name: tuple(child for child in children if child not in gone)
                for name, children in workspace.children.items()
            },
        )

    def _endpoints(self, workspace: Workspace, kind: str) -> Mapping[str, Endpoint]:
        left = {}
        for name, endpoint in workspace.endpoints(kind).items():
            path = f"{kind}/{name}"
            if path in self.deleted:
                continue
            paths = {deployment: f"{path}/deployments/{deployment}" for deployment in endpoint.deployments}
            deployments = _without(endpoint.deployments, paths, self.deleted)
            default = endpoint.default if endpoint.default in deployments else None
            left[name] = replace(endpoint, deployments=deployments, default=default)
        return left

    def to_json(self) -> dict[str, list[str]]:
        """Show both lists."""
        return {"archived": sorted(self.archived), "deleted": sorted(self.deleted)}


def _path(kind: str, name: str, version: str | None = None) -> str:
    return f"{kind}/{name}" if version is None else f"{kind}/{name}/versions/{version}"


Name = TypeVar("Name", str, Key)


def _without(things: Mapping[Name, Thing], paths: Mapping[Name, str], deleted: set[str]) -> dict[Name, Thing]:
    return {name: thing for name, thing in things.items() if paths[name] not in deleted}
