"""Reading the runs of a workspace: their inputs, their outputs and the assets the service makes of them."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from emulator.azure_ml.content.assets import Key
from emulator.azure_ml.content.reading import AUTHOR, SHORTEST, Node, read_time, split_label, texts
from emulator.azure_ml.content.runs import RUN_TYPES, STEPS, Input, LoggedInput, Output, Run, SavedDataset
from emulator.azure_ml.content.workspace import SHORT, WorkspaceNames, artifacts_path

NAME = "${{name}}"

_KEYS = {
    "kind", "run_type", "experiment", "status", "display_name", "parent", "inputs", "outputs", "parameters", "metrics",
    "params", "environment", "command", "component", "tags", "properties", "settings", "created", "start", "end",
    "created_by", "description", "reused_from", "git", "input_datasets", "output_datasets", "artifacts",
    "logged_inputs", "arguments", "search_lacks_metrics", "defined", "data_references",
}  # fmt: skip

Entries = dict[Key, dict[str, Any]]


@dataclass(frozen=True, slots=True)
class RunsRead:
    """Runs by their ids, and the data assets and models that exist because of them."""

    runs: dict[str, Run]
    data: Entries
    models: Entries


def read_runs(
    workspace: Node, names: WorkspaceNames, experiments: Mapping[str, str], default_datastore: str
) -> RunsRead:
    """Read the runs, and what they produced."""
    reader = _Reader(workspace, names, experiments, default_datastore)
    return RunsRead({run_id: reader.run(run_id) for run_id in reader.nodes}, reader.produced, reader.produced_models)


class _Reader:
    """Outputs are read first, so that an input may name a run written further down."""

    def __init__(
        self, workspace: Node, names: WorkspaceNames, experiments: Mapping[str, str], default_datastore: str
    ) -> None:
        self.nodes: Mapping[str, Node] = workspace.get("runs", {})
        self.produced: Entries = {}
        self.produced_models: Entries = {}
        self._roots: dict[str, str] = {}
        self._data: Mapping[str, Node] = workspace.get("data", {})
        self._models: Mapping[str, Node] = workspace.get("models", {})
        self._names = names
        self._experiments = experiments
        self._default = default_datastore
        for run_id, node in self.nodes.items():
            if node.get("kind", "command") not in RUN_TYPES:
                raise ValueError(f"run {run_id} is of an unknown kind: {node['kind']!r}")
            unknown = set(node) - _KEYS
            if unknown:
                raise ValueError(f"unknown keys in run {run_id}: {sorted(unknown)}")
        self._outputs = {run_id: self._read_outputs(run_id, node) for run_id, node in self.nodes.items()}

    def run(self, run_id: str) -> Run:
        """Read one run."""
        node = self.nodes[run_id]
        kind = node.get("kind", "command")
        created = read_time(node.get("created", node.get("start")))
        start = read_time(node.get("start"), created)
        experiment = node.get("experiment", "Default")
        return Run(
            id=run_id,
            kind=kind,
            run_type=node.get("run_type", RUN_TYPES[kind]),
            experiment=experiment,
            experiment_id=self._experiments[experiment],
            status=node.get("status", "Completed"),
            display_name=node.get("display_name", run_id),
            parent=node.get("parent"),
            root=self._root(run_id),
            inputs={name: self._input(run_id, name, entry) for name, entry in node.get("inputs", {}).items()},
            outputs=self._outputs[run_id],
            parameters=texts(node.get("parameters")),
            metrics={
                key: tuple(float(v) for v in (value if isinstance(value, list) else [value]))
                for key, value in node.get("metrics", {}).items()
            },
            params={
                str(key): None if value is None else str(value) for key, value in (node.get("params") or {}).items()
            },
            environment=node.get("environment"),
            command=node.get("command"),
            component=node.get("component"),
            tags=self._tags(node, kind),
            properties=self._properties(run_id, node, kind),
            settings=node.get("settings", {}),
            created=created,
            start=start,
            end=read_time(node.get("end"), start + SHORTEST),
            created_by=node.get("created_by", AUTHOR),
            reused_from=node.get("reused_from"),
            origin=self._origin(run_id) if node.get("reused_from") else None,
            description=node.get("description"),
            input_datasets=_saved(node.get("input_datasets")),
            output_datasets=_saved(node.get("output_datasets")),
            artifacts={path: _file(content) for path, content in node.get("artifacts", {}).items()},
            logged_inputs=tuple(LoggedInput(**entry) for entry in node.get("logged_inputs", ())),
            arguments=tuple(map(str, node.get("arguments", ()))),
            data_references={name: texts(entry) for name, entry in node.get("data_references", {}).items()},
            search_lacks_metrics=bool(node.get("search_lacks_metrics")),
            defined=bool(node.get("defined", True)),
        )

    def _origin(self, run_id: str) -> str:
        """Follow a reused step to the run that did the work, past those that reused it before."""
        passed: list[str] = []
        while (reused := self.nodes.get(run_id, {}).get("reused_from")) and run_id not in passed:
            passed.append(run_id)
            run_id = reused
        return run_id

    def _root(self, run_id: str) -> str:
        """Climb to the root, past the runs whose root is known already: families may be deep."""
        current = run_id
        while current not in self._roots:
            parent = self.nodes[current].get("parent")
            if parent is None:
                self._roots[current] = current
            elif parent not in self.nodes:
                raise ValueError(f"run {current} has a parent {parent} that is not there")
            else:
                current = parent
        return self._roots.setdefault(run_id, self._roots[current])

    def _tags(self, node: Node, kind: str) -> dict[str, str]:
        own = {"azureml.pipeline": str(node["parent"])} if kind in STEPS else {}
        return own | texts(node.get("tags"))

    def _properties(self, run_id: str, node: Node, kind: str) -> dict[str, str]:
        """Add what the service itself writes to what the scenario says."""
        own = {"azureml.DevPlatv2": "true"}
        if kind in STEPS:
            own |= {"azureml.runsource": "azureml.StepRun", "azureml.pipelinerunid": str(node["parent"])}
            own["azureml.nodeid"] = run_id[:8]
            own["azureml.moduleName"] = node.get("display_name", run_id)
        if kind == "pipeline":
            own["azureml.runsource"] = "azureml.PipelineRun"
            own["azureml.parameters"] = json.dumps(texts(node.get("parameters")))
        original = node.get("reused_from")
        if original:
            own |= {"azureml.isreused": "true", "azureml.reusedrunid": original}
            if original in self.nodes and self.nodes[original].get("parent"):
                own["azureml.reusedpipelinerunid"] = self.nodes[original]["parent"]
        git = node.get("git")
        if git:
            own |= {f"mlflow.source.git.{key}": str(git[key]) for key in ("repoURL", "branch", "commit")}
            own["azureml.git.dirty"] = str(git.get("dirty", False))
        return own | texts(node.get("properties"))

    def _read_outputs(self, run_id: str, node: Node) -> dict[str, Output]:
        """Every run leaves logs and artifacts in ``default``; a reused step shows no outputs at all."""
        original = node.get("reused_from")
        if original:
            return {}
        artifacts = artifacts_path(f"dcid.{run_id}")
        default = self._anonymous(f"azureml_{run_id}_output_data_default", "uri_folder", artifacts)
        # Jobs and definitions write this one path without "paths/" and the last slash.
        template = artifacts.replace("/paths/", "/").removesuffix("/")
        outputs = {"default": Output("uri_folder", default, template)}
        for name, entry in (node.get("outputs") or {}).items():
            outputs[name] = self._output(run_id, name, entry or {}, node.get("end"))
        return outputs

    def _output(self, run_id: str, name: str, entry: Node, end: object) -> Output:
        kind = entry.get("type", "uri_folder")
        tail = "" if kind == "uri_file" else "/"
        template = entry.get("path", f"{SHORT}{self._default}/paths/azureml/{NAME}/{name}{tail}")
        path = template.replace(NAME, run_id)
        if "asset" in entry:  # null: the record does not say which
            return Output(kind, entry["asset"], template)
        if "model" in entry:
            return Output(kind, self._names.asset_id("models", entry["model"]), template, entry["model"])
        registered = entry.get("register")
        if registered:
            self.produced[split_label(registered)] = {"type": kind, "path": path, "created_at": end}
            return Output(kind, self._names.asset_id("data", registered), template, registered)
        if kind.endswith("_model"):
            return Output(kind, self._unnamed_model(f"azureml_{run_id}_output_{name}", kind, path, end), template)
        return Output(kind, self._anonymous(f"azureml_{run_id}_output_data_{name}", kind, path), template)

    def _input(self, run_id: str, name: str, entry: Node) -> Input:
        if "asset" in entry and entry["asset"] is None:  # the record does not say which
            uri = entry.get("uri", "")
            return Input(entry.get("type", "uri_folder"), None, uri, uri)
        if "asset" in entry:
            return self._data_input(entry["asset"], entry)
        if "model" in entry:
            label = entry["model"]
            model = _described(label, self._models.get(label, {}), entry)
            asset_id = self._names.asset_id("models", label)
            return Input(model.get("type", "custom_model"), asset_id, asset_id, model.get("path", ""))
        if "output_of" in entry:
            return self._output_of(entry["output_of"])
        kind = entry.get("type", "uri_folder")
        asset_id = self._anonymous(f"azureml_{run_id}_input_data_{name}", kind, entry["uri"])
        return Input(kind, asset_id, entry["uri"], entry["uri"])

    def _data_input(self, label: str, entry: Node) -> Input:
        data = self._data.get(label, {})
        if "://" not in label:
            data = _described(label, {**self.produced.get(split_label(label), {}), **data}, entry)
        return Input(
            entry.get("type", data.get("type", "uri_folder")),
            self._names.asset_id("data", label),
            self._names.resource("data", label),
            data.get("path", ""),
        )

    def _output_of(self, reference: str) -> Input:
        """Follow a reused step to the run whose output it stands for."""
        run_id, _, name = reference.partition("/")
        if run_id not in self.nodes:
            raise ValueError(f"{reference} names a run that is not there")
        owner = self._origin(run_id)
        output = self._outputs[owner].get(name)
        if output is None:
            raise ValueError(f"{reference} names an output that is not there")
        path = output.template.replace(NAME, owner)
        return Input(output.type, output.asset_id, path, path, (run_id, name))

    def _unnamed_model(self, name: str, kind: str, path: str, end: object) -> str:
        """
        Make the model that the service registers for an output of a model type without a name.

        It is listed among all models. Its name: `get_job_uri_from_input_run_assetId` of Azure/azureml-assets
        (``azureml_<job-id>_output_<output-name>``); a live list of models in medChiboub/mlops-ai-300, kb.
        """
        self.produced_models[(name, "1")] = {"type": kind, "path": path, "created_at": end}
        return self._names.asset_id("models", f"{name}:1")

    def _anonymous(self, name: str, kind: str, path: str) -> str:
        self.produced[(name, "1")] = {"type": kind, "path": path, "anonymous": True}
        return self._names.asset_id("data", f"{name}:1")


def _saved(node: Node | None) -> dict[str, SavedDataset]:
    """Read v1 datasets by the names a run has for them; they are named by GUIDs."""
    return {name: SavedDataset(**texts(entry)) for name, entry in (node or {}).items()}


def _file(content: object) -> bytes:
    """Read a file as it was logged: text as it is, anything else as JSON (``mlflow.log_dict``)."""
    return (content if isinstance(content, str) else json.dumps(content)).encode()


def _described(label: str, asset: Node, entry: Node) -> Node:
    """Merge what is known of an asset with an input's own words; only with a type may the asset be missing."""
    if not asset and "type" not in entry and "://" not in label:
        raise ValueError(f"an input names {label}, which is not there; say its type if it was deleted")
    return {**asset, **entry}
