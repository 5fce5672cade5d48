"""Reading ``azure_ml.yaml``: from what a person writes to a workspace with every id filled in."""

import uuid
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from emulator.azure_ml.content.assets import (
    Component,
    Datastore,
    DataVersion,
    Deployment,
    Endpoint,
    EnvironmentVersion,
    ModelVersion,
)
from emulator.azure_ml.content.reading import AUTHOR, SHORTEST, START, Node, read_time, split_label, texts
from emulator.azure_ml.content.run_families import (
    Families,
    Family,
    FamilyChildren,
    FamilyData,
    FamilyReader,
    FamilyRuns,
    NewestRoots,
)
from emulator.azure_ml.content.run_seed import read_runs
from emulator.azure_ml.content.runs import Run
from emulator.azure_ml.content.workspace import Workspace, WorkspaceNames

_KEYS = {
    "name", "subscription", "resource_group", "guid", "region", "storage_account", "storage_hns", "datastores", "data",
    "models", "environments", "components", "experiments", "runs", "online_endpoints", "batch_endpoints",
    "serverless_endpoints",
}  # fmt: skip


def read_workspaces(seed: Node, families: Mapping[str, Families]) -> dict[str, Workspace]:
    """Read all workspaces of a seed document, by the keys they have there; some have families of runs besides."""
    unknown = set(seed) - {"registries", "workspaces"}
    if unknown:
        raise ValueError(f"unknown keys: {sorted(unknown)}")
    curated = {
        f"azureml://registries/{registry}/environments/{name}/versions/{version}": EnvironmentVersion(
            **_version(f"{name}:{version}", node), **_environment(node), registry=registry
        )
        for registry, content in seed.get("registries", {}).items()
        for label, node in content.get("environments", {}).items()
        for name, version in [split_label(label)]
    }
    return {key: _workspace(key, node, curated, families.get(key)) for key, node in seed.get("workspaces", {}).items()}


def _workspace(key: str, node: Node, curated: Mapping[str, EnvironmentVersion], families: Families | None) -> Workspace:
    unknown = set(node) - _KEYS
    if unknown:
        raise ValueError(f"unknown keys in workspace {key}: {sorted(unknown)}")
    for member in ("datastores", "data", "models", "environments", "components", "runs"):
        for name, entry in node.get(member, {}).items():
            if not isinstance(entry, dict):
                raise ValueError(f"{member}: {name} is not described by an object")  # noqa: TRY004 - a person wrote it
    names = WorkspaceNames(
        subscription=node["subscription"],
        resource_group=node["resource_group"],
        workspace=node.get("name", key),
        guid=node["guid"],
        region=node.get("region", "eastus2"),
    )
    datastores = {
        name: Datastore(
            name=name,
            type=entry["type"],
            account=entry.get("account", "onelake"),
            container=entry.get("container", ""),
            default=entry.get("default", False),
            endpoint=entry.get("endpoint", "core.windows.net"),
            one_lake_workspace=entry.get("one_lake_workspace", ""),
        )
        for name, entry in node.get("datastores", {}).items()
    }
    default = next((store.name for store in datastores.values() if store.default), "workspaceblobstore")
    experiments = {name: str(guid) for name, guid in node.get("experiments", {}).items()}
    for run in node.get("runs", {}).values():
        experiment = run.get("experiment", "Default")
        experiments.setdefault(experiment, str(uuid.uuid5(uuid.NAMESPACE_URL, f"{names.id}/{experiment}")))
    read_of_seed = read_runs(node, names, experiments, default)
    runs, produced = read_of_seed.runs, read_of_seed.data
    models = {**read_of_seed.models, **{split_label(label): entry for label, entry in node.get("models", {}).items()}}
    described = {split_label(label): entry for label, entry in node.get("data", {}).items()}
    # A registered output exists without being described; a description adds tags to it.
    data = {
        key: _data(":".join(key), {**produced.get(key, {}), **described.get(key, {})})
        for key in {**produced, **described}
    }
    children: defaultdict[str, list[str]] = defaultdict(list)
    for run in runs.values():
        if run.parent:
            children[run.parent].append(run.id)
    workspace = Workspace(
        names=names,
        storage_account=node["storage_account"],
        storage_hns=node.get("storage_hns", False),
        datastores=datastores,
        data=data,
        models={key: _model(":".join(key), entry) for key, entry in models.items()},
        environments={
            split_label(label): EnvironmentVersion(**_version(label, entry), **_environment(entry))
            for label, entry in node.get("environments", {}).items()
        },
        curated=curated,
        components={
            split_label(label): _component(label, entry) for label, entry in node.get("components", {}).items()
        },
        experiments=experiments,
        runs=runs,
        newest_first=_newest_first(run for run in runs.values() if run.parent is None),
        children={parent: tuple(ids) for parent, ids in children.items()},
        online_endpoints={name: _endpoint(name, e) for name, e in node.get("online_endpoints", {}).items()},
        batch_endpoints={name: _endpoint(name, e) for name, e in node.get("batch_endpoints", {}).items()},
        serverless_endpoints={name: _endpoint(name, e) for name, e in node.get("serverless_endpoints", {}).items()},
    )
    if families is None:
        return workspace

    def read(nodes: Mapping[str, Node]) -> Family:
        made = read_runs({**node, "runs": nodes}, names, experiments, default)
        if made.models:
            raise ValueError(f"a family of runs registers its models: {sorted(made.models)} have no name")
        return Family(made.runs, {key: _data(":".join(key), entry) for key, entry in made.data.items()})

    reader = FamilyReader(families, read)
    return replace(
        workspace,
        runs=FamilyRuns(runs, reader),
        data=FamilyData(data, reader),
        children=FamilyChildren(workspace.children, reader),
        newest_first=NewestRoots(workspace.newest_first, reader),
    )


def _newest_first(runs: Iterable[Run]) -> tuple[Run, ...]:
    return tuple(sorted(runs, key=lambda run: run.created, reverse=True))


def _version(label: str, node: Node) -> dict[str, Any]:
    name, version = split_label(label)
    return {
        "name": name,
        "version": version,
        "created_at": read_time(node.get("created_at")),
        "created_by": node.get("created_by", AUTHOR),
        "modified_at": read_time(node["modified_at"]) if "modified_at" in node else None,
        "description": node.get("description"),
        "tags": texts(node.get("tags")),
        "properties": texts(node.get("properties")),
    }


def _data(label: str, node: Node) -> DataVersion:
    """Read a version of a data asset, which was registered when the runs had ended, unless it says otherwise."""
    return DataVersion(
        **_version(label, {"created_at": START + SHORTEST, **node}),
        type=node.get("type", "uri_folder"),
        path=node["path"],
        anonymous=node.get("anonymous", False),
        legacy_type=node.get("legacy_type"),
    )


def _model(label: str, node: Node) -> ModelVersion:
    return ModelVersion(
        **_version(label, node),
        type=node.get("type", "custom_model"),
        path=node["path"],
        job_name=node.get("job_name"),
        stage=node.get("stage"),
        flavors=node.get("flavors", {}),
        answer=node.get("answer", {}),
    )


def _environment(node: Node) -> dict[str, Any]:
    return {"image": node.get("image"), "conda": node.get("conda"), "dockerfile": node.get("dockerfile")}


def _component(label: str, node: Node) -> Component:
    return Component(
        **_version(label, node),
        command=node.get("command", ""),
        environment=node.get("environment"),
        inputs=texts(node.get("inputs")),
        outputs=texts(node.get("outputs")),
    )


def _endpoint(name: str, node: Node) -> Endpoint:
    deployments = {
        deployment: Deployment(
            name=deployment,
            model=entry["model"] if "component" not in entry else None,
            component=entry.get("component"),
            environment=entry.get("environment"),
            traffic=entry.get("traffic", 0),
            state=entry.get("state", "Succeeded"),
            tags=texts(entry.get("tags")),
            collects=texts(entry.get("collects")),
            modified_at=read_time(entry["modified_at"]) if "modified_at" in entry else None,
            answer=entry.get("answer", {}),
        )
        for deployment, entry in node.get("deployments", {}).items()
    }
    return Endpoint(
        name=name,
        deployments=deployments,
        compute=node.get("compute"),
        default=node.get("default", next(iter(deployments), None)),
        model=node.get("model"),
        answer=node.get("answer", {}),
        description=node.get("description"),
        tags=texts(node.get("tags")),
    )
