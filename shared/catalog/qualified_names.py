"""The one place that formats qualifiedNames of ours and reads them back; `shared.places` has those of scanners."""

import re
from dataclasses import dataclass
from typing import NewType
from urllib.parse import quote, unquote

from shared.model import AssetId, Unresolved, WorkspaceId

QualifiedName = NewType("QualifiedName", str)

_POWER_BI_LINK = re.compile(r"(.+)[/#]powerbi/(?:datasets|reports)/[^/]+")


def of_workspace(workspace: WorkspaceId) -> QualifiedName:
    """
    >>> of_workspace(WorkspaceId("s", "rg", "ws"))
    'azureml://subscriptions/s/resourcegroups/rg/workspaces/ws'
    """
    return QualifiedName(
        f"azureml://subscriptions/{workspace.subscription_id}/resourcegroups/{workspace.resource_group}"
        f"/workspaces/{workspace.name}"
    )


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


def of_config(run: QualifiedName) -> QualifiedName:
    return QualifiedName(f"{run}/config")


def of_metrics(run: QualifiedName) -> QualifiedName:
    return QualifiedName(f"{run}/metrics")


def of_endpoint(workspace: WorkspaceId, name: str) -> QualifiedName:
    return _in_workspace(workspace, f"endpoints/{name}")


def of_deployment(endpoint: QualifiedName, name: str) -> QualifiedName:
    return QualifiedName(f"{endpoint}/deployments/{name}")


def of_serving(endpoint: QualifiedName) -> QualifiedName:
    """Name the ledger's row of an endpoint's serving history; nothing in the catalog is called so."""
    return QualifiedName(f"{endpoint}/serving")


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


def source_of_power_bi_link(name: QualifiedName) -> QualifiedName | None:
    """
    Return the data that our process of this name feeds to Power BI; None if it is no such process.

    >>> source_of_power_bi_link(QualifiedName("azureml://x/data/p/versions/1/powerbi/datasets/d"))
    'azureml://x/data/p/versions/1'
    """
    found = _POWER_BI_LINK.fullmatch(name)
    return QualifiedName(found[1]) if found else None


def of_unresolved(workspace: WorkspaceId, data: Unresolved) -> QualifiedName:
    """
    Name data that could not be placed: as its own workspace would, else below the workspace that named it.

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
    Name a job of OpenLineage: the container of its runs.

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


def of_maker(run: QualifiedName, below: str) -> QualifiedName:
    """
    Name a run that made models below the run that stands for it; it is noted in the ledger and in no catalog.

    >>> parse(of_maker(of_run(WorkspaceId("s", "rg", "ws"), "sweep"), "trial")).run_id
    'sweep'
    """
    return QualifiedName(f"{run}/makers/{below}")


def of_moved(run: QualifiedName) -> QualifiedName:
    """Name what the ledger notes of models that a run was once said to have made."""
    return QualifiedName(f"{run}/moved")


def of_unresolved_dataset(namespace: str, label: str) -> QualifiedName:
    """Name data that means something where a job ran only, such as a local file."""
    return QualifiedName(f"{of_job_namespace(namespace)}/unresolved/{label}")


def _in_workspace(workspace: WorkspaceId, path: str) -> QualifiedName:
    return QualifiedName(f"{of_workspace(workspace)}/{path}")


@dataclass(frozen=True, slots=True)
class ParsedName:
    """
    What a name of ours is made of; what things of its kind do not have is empty.

    Attributes:
        kind: what has the name, a key of `_FORMS`.
        workspace: None for what belongs to a registry or to a namespace of jobs.
        namespace: of OpenLineage's jobs.
        asset: the version of an asset that has the name, or that what has it belongs to.
        run_id: of a run, of what belongs to it, or of a run of a job.
        endpoint: the name of an endpoint, also of a deployment's.
        name: of anything else: datastore, experiment, deployment, column, package, job, or data that is unresolved.
    """

    kind: str
    workspace: WorkspaceId | None = None
    namespace: str = ""
    asset: AssetId | None = None
    run_id: str = ""
    endpoint: str = ""
    name: str = ""


_WORKSPACE = (
    r"azureml://subscriptions/(?P<subscription>[^/]+)/resourcegroups/(?P<group>[^/]+)/workspaces/(?P<workspace>[^/]+)"
)
_ASSET = (
    rf"(?:{_WORKSPACE}|azureml://registries/(?P<registry>[^/]+))"
    r"/(?P<kind>data|models|environments)/(?P<asset>[^#]+)/versions/(?P<version>[^/#]+)"
)
_JOBS = r"openlineage://(?P<namespace>[^/]+)"
_FORMS = {
    kind: re.compile(form, re.DOTALL)
    for kind, form in {
        "config": rf"{_WORKSPACE}/runs/(?P<run_id>.+)/config",
        "metrics": rf"{_WORKSPACE}/runs/(?P<run_id>.+)/metrics",
        "maker": rf"{_WORKSPACE}/runs/(?P<run_id>[^/]+)/makers/(?P<name>[^/]+)",
        "moved": rf"{_WORKSPACE}/runs/(?P<run_id>[^/]+)/moved",
        "run": rf"{_WORKSPACE}/runs/(?P<run_id>.+)",
        "asset": _ASSET,
        "registration": rf"{_ASSET}/registration",
        "schema": rf"{_ASSET}/schema",
        "schema_column": rf"{_ASSET}/schema#(?P<name>.+)",
        "package": rf"{_ASSET}#(?P<name>.+)",
        "power_bi_link": rf"(?:{_ASSET}/|(?!azureml:|openlineage:)[^#]+#)powerbi/(?P<name>.+)",
        "endpoint": rf"{_WORKSPACE}/endpoints/(?P<endpoint>[^/]+)",
        "deployment": rf"{_WORKSPACE}/endpoints/(?P<endpoint>[^/]+)/deployments/(?P<name>.+)",
        "datastore": rf"{_WORKSPACE}/datastores/(?P<name>[^/]+)",
        "experiment": rf"{_WORKSPACE}/experiments/(?P<name>.+)",
        "unresolved": rf"{_WORKSPACE}/unresolved/(?P<name>.+)",
        "workspace": _WORKSPACE,
        "job_run": rf"{_JOBS}/runs/(?P<run_id>[0-9a-f-]{{36}})",
        "job": rf"{_JOBS}/jobs/(?P<name>.+)",
        "unresolved_dataset": rf"{_JOBS}/unresolved/(?P<name>.+)",
        "job_namespace": _JOBS,
    }.items()
}


def parse(name: str) -> ParsedName | None:
    """
    Read a name of ours back; None if it is not one.

    >>> parse("azureml://subscriptions/s/resourcegroups/rg/workspaces/ws/models/Churn/versions/3").asset.version
    '3'
    >>> parse("openlineage://a%2Fb/runs/0197f44a-aaaa-7d9f-a2c1-96ebf920205d").namespace
    'a/b'
    """
    for kind, form in _FORMS.items():
        if match := form.fullmatch(name):
            parts = match.groupdict("")
            return ParsedName(
                kind,
                WorkspaceId(parts["subscription"], parts["group"], workspace)
                if (workspace := parts.get("workspace"))
                else None,
                unquote(parts.get("namespace", "")),
                AssetId(parts["kind"], parts["asset"], parts["version"], parts["registry"])
                if parts.get("asset")
                else None,
                parts.get("run_id", ""),
                parts.get("endpoint", ""),
                parts.get("name", ""),
            )
    return None


def is_of_run(name: QualifiedName) -> bool:
    """
    Whether something is a run of ours, its settings or its metrics, which no other run shares.

    >>> is_of_run(of_metrics(of_run(WorkspaceId("s", "rg", "ws"), "r")))
    True
    """
    parsed = parse(name)
    return parsed is not None and parsed.run_id != ""


def is_of_endpoint(name: QualifiedName) -> bool:
    """Whether something is an endpoint of ours or a deployment."""
    parsed = parse(name)
    return parsed is not None and parsed.endpoint != ""


def workspace_of(name: str) -> WorkspaceId | None:
    """Return which workspace a name is the name of, in any case; None if it is not one's."""
    parsed = parse(name.lower().rstrip("/"))
    return parsed.workspace if parsed and parsed.kind == "workspace" else None


def in_our_case(name: str) -> QualifiedName:
    """
    Lower the case of the workspace that a name begins with, as in names of ours; the rest is as it is.

    >>> in_our_case("azureml://subscriptions/S/resourceGroups/RG/workspaces/WS/data/Loan/versions/1")
    'azureml://subscriptions/s/resourcegroups/rg/workspaces/ws/data/Loan/versions/1'
    """
    return QualifiedName(re.sub(f"^{_WORKSPACE}", lambda match: match[0].lower(), name, flags=re.IGNORECASE))
