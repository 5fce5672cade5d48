"""A workspace: its names, its URIs and everything in it."""

from collections.abc import Iterator, Mapping, Sequence, Set
from dataclasses import dataclass

from emulator.azure_ml.content.assets import (
    Component,
    Datastore,
    DataVersion,
    Endpoint,
    EnvironmentVersion,
    Key,
    ModelVersion,
    Version,
)
from emulator.azure_ml.content.runs import Run

SHORT = "azureml://datastores/"
ARTIFACTS = "workspaceartifactstore"


@dataclass(frozen=True, slots=True)
class WorkspaceNames:
    """How the services name one workspace."""

    subscription: str
    resource_group: str
    workspace: str
    guid: str
    region: str

    @property
    def id(self) -> str:
        """Return the ARM id."""
        return (
            f"/subscriptions/{self.subscription}/resourceGroups/{self.resource_group}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{self.workspace}"
        )

    @property
    def location(self) -> str:
        """Return the prefix of run-history asset ids."""
        return f"azureml://locations/{self.region}/workspaces/{self.guid}"

    def long_uri(self, path: str, groups: str = "resourcegroups") -> str:
        """Return a datastore path with the workspace in it; data has lower-case ``groups``, models camel case."""
        if not path.startswith(SHORT):
            return path
        return (
            f"azureml://subscriptions/{self.subscription}/{groups}/{self.resource_group}"
            f"/workspaces/{self.workspace}/{path.removeprefix('azureml://')}"
        )

    def listed_uri(self, path: str) -> str:
        """Return a datastore path as lists of data assets do."""
        return path.replace("azureml://", f"azureml://workspaces/{self.guid}/", 1) if path.startswith(SHORT) else path

    def resource(self, kind: str, reference: str) -> str:
        """
        Return the ARM id of ``name:version``; a registry or other full URI stays as it is.

        >>> WorkspaceNames("s", "g", "w", "", "").resource("models", "m:1").rpartition("/workspaces/")[2]
        'w/models/m/versions/1'
        """
        if "://" in reference:
            return reference
        name, _, version = reference.rpartition(":")
        return f"{self.id}/{kind}/{name}/versions/{version}"

    def asset_id(self, kind: str, reference: str) -> str:
        """Return the run-history id of ``name:version``; a registry or other full URI stays as it is."""
        if "://" in reference:
            return reference
        name, _, version = reference.rpartition(":")
        return f"{self.location}/{kind}/{name}/versions/{version}"


def artifacts_path(container: str) -> str:
    """Return where a run's logs and MLflow artifacts go, with ``paths/``."""
    return f"{SHORT}{ARTIFACTS}/paths/ExperimentRun/{container}/"


@dataclass(frozen=True, slots=True)
class Workspace:
    """Everything in one workspace; assets by (name, version), the rest by name; ``newest_first`` has root runs only."""

    names: WorkspaceNames
    storage_account: str
    storage_hns: bool
    datastores: Mapping[str, Datastore]
    data: Mapping[Key, DataVersion]
    models: Mapping[Key, ModelVersion]
    environments: Mapping[Key, EnvironmentVersion]
    curated: Mapping[str, EnvironmentVersion]
    components: Mapping[Key, Component]
    experiments: Mapping[str, str]
    runs: Mapping[str, Run]
    newest_first: Sequence[Run]
    children: Mapping[str, tuple[str, ...]]
    online_endpoints: Mapping[str, Endpoint]
    batch_endpoints: Mapping[str, Endpoint]
    serverless_endpoints: Mapping[str, Endpoint]
    archived: Set[str] = frozenset()

    def is_archived(self, path: str) -> bool:
        """Whether what is at a path below the workspace was archived."""
        return path in self.archived

    def assets(self, kind: str) -> Mapping[Key, Version]:
        """Give the asset versions of a kind, as ARM's paths call it."""
        assets: Mapping[str, Mapping[Key, Version]] = {
            "data": self.data,
            "models": self.models,
            "environments": self.environments,
            "components": self.components,
        }
        return assets[kind]

    def endpoints(self, kind: str) -> Mapping[str, Endpoint]:
        """Give the endpoints of a kind, as ARM's paths call it."""
        return {
            "onlineEndpoints": self.online_endpoints,
            "batchEndpoints": self.batch_endpoints,
            "serverlessEndpoints": self.serverless_endpoints,
        }[kind]

    def children_of(self, run: str) -> Iterator[Run]:
        """Yield the runs one level below."""
        return (self.runs[child] for child in self.children.get(run, ()))

    def family_of(self, run_id: str) -> Iterator[Run]:
        """Yield a run and everything below it; nothing if there is no such run."""
        waiting = [run_id]
        while waiting:
            run = self.runs.get(waiting.pop())
            if run is not None:
                yield run
                waiting += reversed(self.children.get(run.id, ()))

    def all_runs(self) -> Iterator[Run]:
        """Yield every run, family by family, the newest root first."""
        for root in self.newest_first:
            yield from self.family_of(root.id)

    def environment(self, reference: str) -> EnvironmentVersion | None:
        """Find an environment by ``name:version`` or by the URI of a curated one."""
        if "://" in reference:
            return self.curated.get(reference)
        name, _, version = reference.rpartition(":")
        return self.environments.get((name, version))
