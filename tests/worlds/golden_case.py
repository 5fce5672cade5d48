"""Golden cases: what a workspace holds and what happens in it, as a person writes it down, and the lineage of it."""

import json
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from emulator.merge import merge
from shared.catalog.downstream import Downstream, parse_downstream

FOLDER = Path(__file__).parents[1] / "golden"
GRADES = ("recorded", "executed", "specification", "documented", "reported", "inferred", "unverified")
"""How sure evidence is, the surest first; docs/coverage.md explains the words."""
WORKSPACE_ID = (
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg-ml"
    "/providers/Microsoft.MachineLearningServices/workspaces/ws-empty"
)
PREFIX = "azureml://subscriptions/00000000-0000-0000-0000-000000000000/resourcegroups/rg-ml/workspaces/ws-empty"
KEY = "ws-empty"
_NOISE = frozenset(
    {
        "qualifiedName", "name", "subscription_id", "resource_group", "region", "createdby", "createdtime",
        "created_at", "started_at", "ended_at", "studio_url", "run_id", "command", "id", "workspace_name",
        "workspace_subscription_id",
        "workspace_resource_group", "programming_language", "package_name",
    }
)  # fmt: skip
"""Attributes that every case would repeat; `credit-risk` and the unit tests look at them."""
_PARENTS = ("workspace", "experiment", "datastore")
_CONTAINERS = ("custom_ml_workspace", "custom_ml_experiment")
_SUBJECTS = {"ModelRegistered": "models/{}", "ModelDeployed": "endpoints/{}"}


@dataclass(frozen=True, slots=True)
class Case:
    """
    A case on file.

    `case.yaml` says what it is `about`, which `kind` of thing it shows and in which group, what `evidence` there is for
    the bodies in it (`grade: source`), what Purview has `scanned` (names by type), what is in `downstream.yaml`
    (`downstream`), whether column mappings are inferred (`infer_columns`), what happens (`events`, in order), and
    otherwise holds what an `azure_ml.yaml` of the emulator does for one workspace, laid over `workspace.yaml`.
    """

    name: str
    about: str
    kind: str
    group: str
    evidence: tuple[tuple[str, str], ...]
    seed: Mapping[str, Any]
    scanned: Mapping[str, list[str]]
    downstream_yaml: str
    infer_columns: bool
    events: tuple[Any, ...]

    @classmethod
    def load(cls, name: str) -> "Case":
        return cls.read(FOLDER / name / "case.yaml")

    @classmethod
    def read(cls, path: Path) -> "Case":
        """
        Read a case from any file; `about`, `kind` and `evidence` may be absent.

        Raises:
            OSError, ValueError: the file cannot be read, or is not a case.
        """
        try:
            content = _read(path)
        except yaml.YAMLError as error:
            raise ValueError(f"is not YAML ({error})") from error
        about, kind = content.pop("about", ""), content.pop("kind", {})
        evidence = tuple(item for each in content.pop("evidence", ()) for item in each.items())
        match content.pop("events", None):
            case [*events]:
                pass
            case other:
                raise ValueError("events: is missing" if other is None else "events: is not a list")
        scanned, registries = content.pop("scanned", {}), content.pop("registries", {})
        downstream = yaml.safe_dump(content.pop("downstream", []))
        infer_columns = content.pop("infer_columns", False)
        neighbours = content.pop("workspaces", {})
        workspace = merge(base_workspace(), content)
        seed = {"workspaces": {KEY: workspace, **neighbours}, "registries": registries}
        return cls(
            path.parent.name if path.name == "case.yaml" else path.stem,
            about,
            kind.get("name", ""),
            kind.get("group", ""),
            evidence,
            seed,
            scanned,
            downstream,
            infer_columns,
            tuple(events),
        )

    @property
    def downstream(self) -> Downstream:
        return parse_downstream(self.downstream_yaml, "downstream.yaml")

    @property
    def workspace_ids(self) -> tuple[str, ...]:
        """The ARM ids of the workspaces in it, all of which are on the allow list."""
        return tuple(
            WORKSPACE_ID.replace("rg-ml", str(each["resource_group"])).replace(KEY, str(each["name"]))
            for each in self.seed["workspaces"].values()
        )

    @property
    def lineage_file(self) -> Path:
        return FOLDER / self.name / "lineage.json"

    @property
    def resolved_file(self) -> Path:
        """What Azure ML answered when the case was last played, as the planner sees it."""
        return FOLDER / self.name / "resolved.json"

    def to_event(self, event: str) -> str:
        """Build `RunCompleted train`, `RunStatusChanged train Failed`, `ModelDeployed aci ACI m:1,m:2` as AML does."""
        match event.split():
            case [kind, name, *rest]:
                pass
            case _:
                raise ValueError(f"events: {event!r} names no run, model or endpoint")
        subject = _SUBJECTS.get(kind, "experiments/22222222-2222-2222-2222-222222222222/runs/{}").format(name)
        if kind == "ModelRegistered":
            model, _, version = name.rpartition(":")
            data: dict[str, object] = {"modelName": model, "modelVersion": version}
        elif kind == "ModelDeployed":
            data = {"serviceName": name, **dict(zip(("serviceComputeType", "modelIds"), rest, strict=False))}
        else:
            data = {"runId": name, **self._pipeline_of(name), **({"runStatus": rest[0]} if rest else {})}
        return json.dumps(
            {
                "topic": WORKSPACE_ID,
                "subject": subject,
                "eventType": f"Microsoft.MachineLearningServices.{kind}",
                "eventTime": "2026-07-01T12:00:00.5390469Z",
                "id": f"event of {event}",
                "dataVersion": "2",
                "data": data,
            }
        )

    def _pipeline_of(self, run_id: str) -> dict[str, object]:
        run = self.seed["workspaces"][KEY]["runs"].get(run_id, {})
        if run.get("kind") in ("pipeline", "batch"):
            return {"runType": "azureml.PipelineRun"}
        if run.get("kind") in ("step", "batch_scoring"):
            return {"runType": "azureml.StepRun", "runTags": {"azureml.pipeline": run["parent"]}}
        if run.get("kind") == "automl_child":
            return {"runType": None, "runProperties": {"runTemplate": "automl_child"}}
        return {}


def base_workspace() -> dict[str, Any]:
    """Return what every case starts with."""
    return _read(FOLDER / "workspace.yaml")


def case_names() -> list[str]:
    return sorted(file.parent.name for file in FOLDER.glob("*/case.yaml"))


def lineage_of(
    entities: Iterable[Mapping[str, Any]], edges: Iterable[tuple[str, str]], *, removed: Collection[tuple[str, str]]
) -> dict[str, object]:
    """
    Format entities, as the catalog gives them, and edges between their names as a golden does.

    Names are written with `WS` for the workspace; a container is named at what it contains. The catalog still
    draws edges that a process was written without since; they are marked.
    """
    shown = (
        _node(each) for each in entities if each["typeName"] not in ("custom_ml_workspace", "custom_ml_experiment")
    )
    return {
        "nodes": sorted(shown, key=lambda node: (node["qualifiedName"], node["type"])),
        "edges": sorted({shorten(" -> ".join(edge)) + (" (removed)" if edge in removed else "") for edge in edges}),
    }


def _node(entity: Mapping[str, Any]) -> dict[str, Any]:
    attributes = {
        key: _plain(value)
        for key, value in sorted(entity["attributes"].items())
        if value and isinstance(value, str) and key not in _NOISE
    }
    parents = {
        key: entity["relationshipAttributes"][key]["displayText"]
        for key in _PARENTS
        if entity.get("relationshipAttributes", {}).get(key)
    }
    parents.pop("workspace", None)
    node = {
        "type": entity["typeName"],
        "name": entity["attributes"]["name"],
        "qualifiedName": shorten(entity["attributes"]["qualifiedName"]),
        "attributes": attributes | parents,
        "labels": sorted(entity.get("labels") or ()),
    }
    return {key: value for key, value in node.items() if value}


def _plain(value: str) -> object:
    """Show an attribute that is JSON as what it says."""
    try:
        read = json.loads(value)
    except ValueError:
        return shorten(value)
    return read if isinstance(read, dict | list) else value


def shorten(text: str) -> str:
    return text.replace(PREFIX, "WS")


def _read(path: Path) -> dict[str, Any]:
    """Read a YAML file as plain JSON values: times are texts whether quoted or not."""
    content = json.loads(json.dumps(yaml.safe_load(path.read_text(encoding="utf-8")) or {}, default=str))
    if not isinstance(content, dict):
        raise ValueError("is not a mapping")  # noqa: TRY004 - of what a person wrote
    return content
