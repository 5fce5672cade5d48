"""
What the catalog must hold of a described workspace, by `docs/catalog-model.md` and nothing of the product.

A node is `type qualifiedName`, an edge `qualifiedName -> qualifiedName`, with `WS` for the workspace's own name.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import pairwise

from tests.worlds.workspaces.description import (
    Asset,
    Model,
    OfAnotherWorkspace,
    OfRegistry,
    Output,
    OutputOf,
    Path,
    Place,
    PublicFile,
    Run,
    Source,
    Workspace,
)
from tests.worlds.workspaces.seed import ANOTHER, HOSTS, REGISTRY, asset_uri

_PLACE_TYPES = {"dfs": "azure_datalake_gen2_path", "blob": "azure_blob_path", "file": "custom_dataset"}
_MADE_BY_ITS_TRIALS = ("sweep", "automl")
_TRIALS = ("trial", "automl_child")
_PACKAGES = ("python", "scikit-learn")


@dataclass(slots=True)
class Truth:
    """The nodes and edges there must be, and no others."""

    nodes: set[str] = field(default_factory=set)
    edges: set[str] = field(default_factory=set)

    def flow(self, *names: str) -> None:
        """Let data flow along some names."""
        self.edges |= {f"{source} -> {target}" for source, target in pairwise(names)}


def truth_of(workspace: Workspace) -> Truth:
    """Derive the lineage of a workspace in which everything was announced."""
    return _Deriving(workspace).derive()


def worked(workspace: Workspace) -> list[Run]:
    """List the runs that are processes: they completed, or failed and left something behind."""
    shown = {stands_for(workspace, model.maker) for model in workspace.models if model.maker}
    makers = shown | {run.parent for run in workspace.runs if run.kind in _TRIALS and run.id in shown}
    return [
        run
        for run in workspace.runs
        if run.kind not in ("pipeline", "batch")
        and (run.kind not in _TRIALS or run.id in shown)
        and not run.reuses
        and (run.status == "Completed" or run.id in makers or any(o.registers or o.model for o in run.outputs))
    ]


def stands_for(workspace: Workspace, run_id: str) -> str:
    """
    Tell which run is shown for one that made a model: for the trial that was chosen its sweep, for a reused step the
    step it reuses.
    """
    run = workspace.run(run_id)
    is_chosen = run.kind in _TRIALS and workspace.run(run.parent).best == run_id
    return run.reuses or (run.parent if is_chosen else run_id)


class _Deriving:
    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._truth = Truth()
        self._by_hand = {each.label: each.place for each in workspace.data}
        self._by_run = {
            output.registers: (run, output) for run in workspace.runs for output in run.outputs if output.registers
        }

    def derive(self) -> Truth:
        for run in worked(self._workspace):
            self._run(run)
        for model in self._workspace.models:
            name = self._model(model.label)
            if model.maker:
                self._truth.flow(f"WS/runs/{stands_for(self._workspace, model.maker)}", name)
        for endpoint in self._workspace.endpoints:
            serving = self._node("custom_ml_model_endpoint", f"WS/endpoints/{endpoint.name}")
            for name, served in endpoint.deployments:
                deployment = self._node("custom_ml_deployment", f"{serving}/deployments/{name}")
                self._truth.flow(next(self._read(served)), deployment, serving)
        return self._truth

    def _run(self, run: Run) -> None:
        process = self._node("custom_ml_experiment_step", f"WS/runs/{run.id}")
        inputs = self._workspace.run(run.parent).inputs if run.kind in _TRIALS else run.inputs
        for _, source in inputs:
            for name in self._read(source):
                self._truth.flow(name, process)
        for saved in run.saved_inputs:
            self._truth.flow(self._saved(saved), process)
        for saved in run.saved_outputs:
            self._truth.flow(process, self._saved(saved))
        for output in run.outputs:
            if run.status == "Completed" or output.registers or output.model:
                for name in self._written(run, output):
                    self._truth.flow(process, name)
        if run.scores_with:
            self._truth.flow(self._model(run.scores_with), process)
            if run.status == "Completed":
                scores = self._place(Place("workspaceblobstore", f"azureml/{run.id}/score"))
                self._truth.flow(process, scores)
        self._settings_and_metrics(run, process)

    def _settings_and_metrics(self, run: Run, process: str) -> None:
        if run.parameters or run.kind in _MADE_BY_ITS_TRIALS:
            self._truth.flow(self._node("custom_ml_exp_config", f"{process}/config"), process)
        if run.metrics or (run.best and self._workspace.run(run.best).metrics):
            self._truth.flow(process, self._node("custom_ml_model_metrics", f"{process}/metrics"))
        if run.has_environment:
            environment = self._node("custom_ml_packages", "WS/environments/train-env/versions/7")
            self._truth.flow(environment, process)
            for package in _PACKAGES:
                self._node("custom_ml_package", f"{environment}#{package}")

    def _read(self, source: Source) -> Iterator[str]:
        """Name what a run that reads a source has as its input."""
        match source:
            case Path(place):
                yield self._place(place)
            case Asset(label):
                yield self._asset(label)
            case OutputOf(run_id, port):
                maker = self._workspace.run(run_id)
                maker = self._workspace.run(maker.reuses) if maker.reuses else maker
                yield next(self._written(maker, next(each for each in maker.outputs if each.name == port)))
            case Model(label):
                yield self._model(label)
            case OfRegistry("data", label):
                yield self._node("custom_dataset", asset_uri(REGISTRY, "data", label))
            case OfRegistry(kind, label):
                yield self._node("custom_ml_model", asset_uri(REGISTRY, kind, label))
            case PublicFile(url):
                yield self._node("custom_dataset", url)
            case OfAnotherWorkspace(label):
                yield self._node("custom_dataset", f"WS/unresolved/{asset_uri(ANOTHER, 'data', label)}")

    def _written(self, run: Run, output: Output) -> Iterator[str]:
        """Name what a run has as its outputs; the first is what a reader of this output has as its input."""
        if output.model:
            yield self._model(output.model)
        elif output.registers:
            yield self._asset(output.registers)
            if output.place:
                yield self._place(output.place)
        else:
            yield self._place(place_of(run, output))

    def _asset(self, label: str) -> str:
        place = self._by_hand.get(label)
        if label in self._by_run:
            run, output = self._by_run[label]
            store = place_of(run, output).store
            place = output.place  # of one that its run made and registered in one go, only the asset is shown
        elif place:
            store = place.store
        else:
            return self._node("custom_dataset", asset_uri("WS", "data", label))
        self._node("custom_ml_datastore", f"WS/datastores/{store}")
        asset = self._node("custom_ml_dataset", asset_uri("WS", "data", label))
        if place:
            registration = self._node("custom_ml_dataset_registration", f"{asset}/registration")
            self._truth.flow(self._place(place), registration, asset)
        return asset

    def _place(self, place: Place) -> str:
        host, container = HOSTS[place.store]
        path = place.path
        if place.type == "uri_file":
            folder, slash, file = path.rpartition("/")
            stem, dot, extension = file.rpartition(".")
            path = f"{folder}{slash}{stem}{dot}{extension.lower() if stem else extension}"
        path = path.replace("{", "%7B").replace("}", "%7D")
        return self._node(_PLACE_TYPES[host.split(".")[1]], f"https://{host}/{container}/{path}")

    def _model(self, label: str) -> str:
        return self._node("custom_ml_model", asset_uri("WS", "models", label))

    def _saved(self, guid: str) -> str:
        return self._node("custom_dataset", f"WS/unresolved/saveddatasets/{guid}")

    def _node(self, type_name: str, name: str) -> str:
        self._truth.nodes.add(f"{type_name} {name}")
        return name


def place_of(run: Run, output: Output) -> Place:
    """Tell where an output lies: where the run chose, or below the run's own id."""
    return output.place or Place("workspaceblobstore", f"azureml/{run.id}/{output.name}", output.type)
