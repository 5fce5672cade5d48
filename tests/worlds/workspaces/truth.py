"""
What the catalog must hold of a described workspace, by `docs/catalog-model.md` and nothing of the product.

A node is `type qualifiedName`, an edge `qualifiedName -> qualifiedName`, with `WS` for the workspace's own name.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise

from tests.worlds.workspaces.around import Use, edges_around
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
from tests.worlds.workspaces.makers import MANY, TRIALS, is_nested, maker_of, outputs_of, place_of, shown_for
from tests.worlds.workspaces.seed import ANOTHER, HOSTS, REGISTRY, asset_uri, name_of_set, type_of_set

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
    makers = {shown_for(workspace, maker) for model in workspace.models if (maker := maker_of(workspace, model))}
    return [
        run
        for run in workspace.runs
        if run.id in makers
        or (
            run.kind not in (*MANY, *TRIALS)
            and not run.reuses
            and not is_nested(run)
            and (run.status == "Completed" or any(o.registers or o.model for o in run.outputs))
        )
    ]


class _Deriving:
    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._truth = Truth()
        self._by_hand = {each.label: each.place for each in workspace.data}
        self._hours = {each.label: each.registered for each in workspace.data}
        self._by_run = {
            output.registers: (run, output) for run in workspace.runs for output in run.outputs if output.registers
        }

        self._makers = {each.label: maker_of(workspace, each) for each in workspace.models}
        self._in_one_go = {  # of data that its run made and registered in one go, only the asset is shown
            (place.store, place.path): label
            for label, (run, output) in self._by_run.items()
            if not output.place
            for place in [place_of(run, output)]
        }
        self._reads: list[Use] = []
        self._writes: list[Use] = []

    def derive(self) -> Truth:
        for run in worked(self._workspace):
            self._run(run)
        for model in self._workspace.models:
            name = self._model(model.label)
            if maker := self._makers[model.label]:
                self._truth.flow(f"WS/runs/{shown_for(self._workspace, maker)}", name)
        for endpoint in self._workspace.endpoints:
            serving = self._node("custom_ml_model_endpoint", f"WS/endpoints/{endpoint.name}")
            for name, served in endpoint.deployments:
                deployment = self._node("custom_ml_deployment", f"{serving}/deployments/{name}")
                self._truth.flow(next(self._read(served)), deployment, serving)
        for each in self._workspace.sets:
            self._node(type_of_set(each), name_of_set(each))
        for edge in edges_around(self._reads, self._writes):
            self._truth.flow(*edge)
        return self._truth

    def _run(self, run: Run) -> None:
        process = self._node("custom_ml_experiment_step", f"WS/runs/{run.id}")
        made_models = [each for each in self._below(run) if is_nested(each) and each.id in self._makers.values()]
        logged = [source for each in (run, *made_models) for source in each.logged]
        given = self._workspace.run(run.parent).inputs if run.kind in TRIALS else run.inputs
        for source in (*(source for _, source in given), *logged):
            for name in self._read(source):
                self._truth.flow(name, process)
                self._note_read(run, process, source, name)
        for saved in run.saved_inputs:
            self._truth.flow(self._saved(saved), process)
        for saved in run.saved_outputs:
            self._truth.flow(process, self._saved(saved))
        for output in outputs_of(run):
            for name in self._written(run, output):
                self._truth.flow(process, name)
            self._note_written(run, process, output)
        if run.scores_with:
            self._truth.flow(self._model(run.scores_with), process)
        self._settings_and_metrics(run, process, made_models)

    def _below(self, run: Run) -> Iterator[Run]:
        for each in self._workspace.runs:
            if each.parent == run.id:
                yield each
                yield from self._below(each)

    def _note_read(self, run: Run, process: str, source: Source, name: str) -> None:
        """Note where a run read, in storage, or what the data asset it read was registered from."""
        registered = f"{name}/registration"
        match source:
            case Path(place) if not name.startswith("WS/"):
                self._reads.append(self._use(run, process, place, name))
            case OutputOf() | Asset() if f"custom_ml_dataset_registration {registered}" in self._truth.nodes:
                place, hour = self._registered_from(name)
                use = self._use(run, process, place, registered)
                self._reads.append(replace(use, is_of_asset=True, hour=hour))
            case OutputOf(run_id, port) if not name.startswith("WS/"):
                maker = self._workspace.run(run_id)
                maker = self._workspace.run(maker.reuses or run_id)
                place = place_of(maker, next(each for each in maker.outputs if each.name == port))
                self._reads.append(self._use(run, process, place, name))

    def _registered_from(self, asset: str) -> tuple[Place, int]:
        """Return from where, and in which hour."""
        labels = {asset_uri("WS", "data", label): label for label in (*self._by_hand, *self._by_run)}
        label = labels[asset]
        if label in self._by_hand:
            return self._by_hand[label], self._hours[label]
        run, output = self._by_run[label]
        return place_of(run, output), run.ended

    def _note_written(self, run: Run, process: str, output: Output) -> None:
        if not output.model:
            place = place_of(run, output)
            shown = self._place(place) if output.place or not output.registers else self._asset(output.registers)
            is_of_asset = shown.startswith("WS/")
            self._writes.append(replace(self._use(run, process, place, shown), is_of_asset=is_of_asset))

    def _use(self, run: Run, process: str, place: Place, shown: str) -> Use:
        root = "/".join(HOSTS[place.store])
        return Use(process, root, self._path(place), shown, run.began, run.ended, place.type != "uri_file")

    def _settings_and_metrics(self, run: Run, process: str, below: list[Run]) -> None:
        if any(each.parameters for each in (run, *below)) or run.kind in _MADE_BY_ITS_TRIALS:
            self._truth.flow(self._node("custom_ml_exp_config", f"{process}/config"), process)
        best = [self._workspace.run(run.best)] if run.best else []
        if any(each.metrics for each in (run, *below, *best)):
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
                registered = self._in_one_go.get((place.store, place.path))
                yield self._asset(registered) if registered else self._place(place)
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
            case OfRegistry(_, label):
                yield self._shared_model(label)
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
        for each in self._workspace.sets:
            if place in each.places:
                return self._node(type_of_set(each), name_of_set(each))
        host, container = HOSTS[place.store]
        return self._node(_PLACE_TYPES[host.split(".")[1]], f"https://{host}/{container}/{self._path(place)}")

    def _path(self, place: Place) -> str:
        """Write a path as Purview does."""
        path = place.path
        if place.type == "uri_file":
            folder, slash, file = path.rpartition("/")
            stem, dot, extension = file.rpartition(".")
            path = f"{folder}{slash}{stem}{dot}{extension.lower() if stem else extension}"
        return path.replace("{", "%7B").replace("}", "%7D")

    def _model(self, label: str) -> str:
        return self._node("custom_ml_model", asset_uri("WS", "models", label))

    def _shared_model(self, label: str) -> str:
        """Name a model of a registry, which comes from the model that says so, or else from the one of its name."""
        name = self._node("custom_ml_model", asset_uri(REGISTRY, "models", label))
        models = self._workspace.models
        shared = [each for each in models if each.shared_as == label] or [
            each for each in models if each.label == label
        ]
        if shared:
            sharing = self._node("custom_ml_dataset_registration", f"{name}/registration")
            self._truth.flow(sharing, name)
            if len(shared) == 1:
                self._truth.flow(self._model(shared[0].label), sharing)
        return name

    def _saved(self, guid: str) -> str:
        return self._node("custom_dataset", f"WS/unresolved/saveddatasets/{guid}")

    def _node(self, type_name: str, name: str) -> str:
        self._truth.nodes.add(f"{type_name} {name}")
        return name
