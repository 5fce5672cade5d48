"""The one place that spells qualifiedNames of ours; `shared.places` spells those of Purview's scanners."""

import re
from typing import NewType
from urllib.parse import quote, unquote

from shared.model import AssetId, Unresolved, WorkspaceId

QualifiedName = NewType("QualifiedName", str)


def of_workspace(workspace: WorkspaceId) -> QualifiedName:
    """
    >>> of_workspace(WorkspaceId("s", "rg", "ws"))
    'azureml://subscriptions/s/resourcegroups/rg/workspaces/ws'
    """
    return QualifiedName(
        f"azureml://subscriptions/{workspace.subscription_id}/resourcegroups/{workspace.resource_group}"
        f"/workspaces/{workspace.name}"
    )


def workspace_of(name: str) -> WorkspaceId | None:
    """
    Read which workspace of Azure ML a name is, in any case; None if it is not one.

    >>> workspace_of("azureml://Subscriptions/s/resourceGroups/rg/workspaces/ws/")
    WorkspaceId(subscription_id='s', resource_group='rg', name='ws')
    """
    parts = name.lower().rstrip("/").split("/")
    if [parts[0], *parts[2:8:2]] != ["azureml:", "subscriptions", "resourcegroups", "workspaces"] or len(parts) != 8:
        return None
    return WorkspaceId(parts[3], parts[5], parts[7])


def of_datastore(workspace: WorkspaceId, name: str) -> QualifiedName:
    return _in_workspace(workspace, f"datastores/{name}")


def of_asset(workspace: WorkspaceId, asset: AssetId) -> QualifiedName:
    """
    Name a version of a data asset, a model or an environment.

    >>> of_asset(WorkspaceId("s", "rg", "ws"), AssetId("models", "Churn", "3"))
    'azureml://subscriptions/s/resourcegroups/rg/workspaces/ws/models/Churn/versions/3'
    >>> of_asset(WorkspaceId("s", "rg", "ws"), AssetId("environments", "sklearn", "40", registry="azureml"))
    'azureml://registries/azureml/environments/sklearn/versions/40'
    """
    path = f"{asset.kind}/{asset.name}/versions/{asset.version}"
    if asset.registry:
        return QualifiedName(f"azureml://registries/{asset.registry}/{path}")
    return _in_workspace(workspace, path)


def of_registration(dataset: QualifiedName) -> QualifiedName:
    return QualifiedName(f"{dataset}/registration")


def of_schema(dataset: QualifiedName) -> QualifiedName:
    return QualifiedName(f"{dataset}/schema")


def of_column(schema: QualifiedName, column: str) -> QualifiedName:
    return QualifiedName(f"{schema}#{column}")


def of_package(environment: QualifiedName, package: str) -> QualifiedName:
    return QualifiedName(f"{environment}#{package}")


def of_experiment(workspace: WorkspaceId, name: str) -> QualifiedName:
    return _in_workspace(workspace, f"experiments/{name}")


def of_run(workspace: WorkspaceId, run_id: str) -> QualifiedName:
    return _in_workspace(workspace, f"runs/{run_id}")


_OF_JOB_RUN = re.compile(r"openlineage://(?P<namespace>[^/]+)/runs/(?P<run>[0-9a-f-]{36})")
_OF_RUN = re.compile(
    r"azureml://subscriptions/[^/]+/resourcegroups/[^/]+/workspaces/[^/]+/runs/|openlineage://[^/]+/runs/"
)


def is_of_run(name: QualifiedName) -> bool:
    """
    Whether something is a run of ours, its settings or its metrics, which no other run shares.

    >>> is_of_run(of_metrics(of_run(WorkspaceId("s", "rg", "ws"), "r")))
    True
    """
    return _OF_RUN.match(name) is not None


def of_config(run: QualifiedName) -> QualifiedName:
    return QualifiedName(f"{run}/config")


def of_metrics(run: QualifiedName) -> QualifiedName:
    return QualifiedName(f"{run}/metrics")


def of_endpoint(workspace: WorkspaceId, name: str) -> QualifiedName:
    return _in_workspace(workspace, f"endpoints/{name}")


def of_deployment(endpoint: QualifiedName, name: str) -> QualifiedName:
    return QualifiedName(f"{endpoint}/deployments/{name}")


def of_power_bi_link(source: QualifiedName, target_url: str) -> QualifiedName:
    """
    Name our process that feeds a Power BI asset.

    It is ours on purpose: reusing the name of a process that Purview's scanner writes would replace its inputs.

    >>> of_power_bi_link(QualifiedName("azureml://x/data/p/versions/1"), "https://app.powerbi.com/groups/g/datasets/d")
    'azureml://x/data/p/versions/1/powerbi/datasets/d'

    Below a place that is not ours there may be files of any name, but none with a `#` in its URL:

    >>> of_power_bi_link(QualifiedName("https://a.dfs.core.windows.net/fs/p"), "https://app.powerbi.com/groups/g/reports/r")
    'https://a.dfs.core.windows.net/fs/p#powerbi/reports/r'
    """
    kind, _, identifier = target_url.rstrip("/").rpartition("/")
    joint = "/" if source.startswith("azureml://") else "#"
    return QualifiedName(f"{source}{joint}powerbi/{kind.rpartition('/')[2]}/{identifier}")


def of_unresolved(workspace: WorkspaceId, data: Unresolved) -> QualifiedName:
    """
    Name data that nobody could place: as its own workspace would, else below the workspace that spoke of it.

    >>> of_unresolved(WorkspaceId("s", "rg", "ws"), Unresolved("azureml://datastores/x/paths/y"))
    'azureml://subscriptions/s/resourcegroups/rg/workspaces/ws/unresolved/azureml://datastores/x/paths/y'
    """
    if data.workspace and data.asset:
        return of_asset(data.workspace, data.asset)
    return _in_workspace(workspace, f"unresolved/{data.text}")


def of_job_namespace(namespace: str) -> QualifiedName:
    """Name what holds jobs together; it is free text, often a URL, and its slashes must not look like ours."""
    return QualifiedName(f"openlineage://{quote(namespace, safe=':@')}")


def of_job(namespace: str, job: str) -> QualifiedName:
    """
    Name a job that OpenLineage told of: the container of its runs.

    >>> of_job("synapse://ws", "prepare")
    'openlineage://synapse:%2F%2Fws/jobs/prepare'
    """
    return QualifiedName(f"{of_job_namespace(namespace)}/jobs/{job}")


def of_job_run(namespace: str, run_id: str) -> QualifiedName:
    """
    >>> of_job_run("default", "0197f44a-aaaa-7d9f-a2c1-96ebf920205d")
    'openlineage://default/runs/0197f44a-aaaa-7d9f-a2c1-96ebf920205d'
    """
    return QualifiedName(f"{of_job_namespace(namespace)}/runs/{run_id}")


def read_job_run(name: QualifiedName) -> tuple[str, str] | None:
    """
    Go back to the namespace and the run; None from any other name.

    >>> read_job_run(of_job_run("a/b", "0197f44a-aaaa-7d9f-a2c1-96ebf920205d"))
    ('a/b', '0197f44a-aaaa-7d9f-a2c1-96ebf920205d')
    """
    match = _OF_JOB_RUN.fullmatch(name)
    return (unquote(match["namespace"]), match["run"]) if match else None


def of_unresolved_dataset(namespace: str, label: str) -> QualifiedName:
    """Name data that means something where a job ran only, such as a local file."""
    return QualifiedName(f"{of_job_namespace(namespace)}/unresolved/{label}")


def _in_workspace(workspace: WorkspaceId, path: str) -> QualifiedName:
    return QualifiedName(f"{of_workspace(workspace)}/{path}")
