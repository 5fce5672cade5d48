"""Makes workspaces up: any mix of kinds, depth, reuse and odd names, and the events about them."""

from collections.abc import Iterator
from dataclasses import replace

from hypothesis import strategies as st

from tests.worlds.workspaces import names
from tests.worlds.workspaces.description import (
    Asset,
    Endpoint,
    Model,
    OfAnotherWorkspace,
    OfRegistry,
    Output,
    OutputOf,
    Path,
    Place,
    PublicFile,
    RegisteredData,
    RegisteredModel,
    Run,
    Source,
    Workspace,
)
from tests.worlds.workspaces.makers import place_of
from tests.worlds.workspaces.so_far import TYPES, SoFar

_DEPTH = 3
_ENDS = st.sampled_from(["Completed"] * 5 + ["Failed", "Canceled"])
_COUNTS = st.sampled_from([2, 1, 3, 0])
_FOREIGN: tuple[Source, ...] = (
    OfRegistry("data", "reference:2"),
    OfRegistry("models", "shared:2"),
    OfAnotherWorkspace("theirs:1"),
    Asset("gone:7", is_gone=True),
)


class _Making(SoFar):
    """Whatever is made up later may read what has been made up."""

    __slots__ = ()

    def workspace(self) -> Workspace:
        for _ in range(self.draw(st.integers(0, 2))):
            place = Place(self.draw(st.sampled_from(["lake", "share"])), self.draw(names.paths), self.draw(TYPES))
            self.data.append(RegisteredData(self._label(), place))
        for _ in range(self.draw(st.integers(0, 2))):
            self.sets.append(self._set())
        if self.chance():
            self.models.append(self._uploaded())
        makers = [self._pipeline, self._pipeline, self._pipeline, self._plain, self._plain, self._tuning, self._batch]
        for _ in range(self.draw(st.sampled_from([3, 2, 1, 4]))):
            self.draw(st.sampled_from(makers))()
            for _ in range(self.draw(st.integers(0, 2))):
                self.models.append(self._registered())
            if self.chance() and self._places:
                place = self.draw(st.sampled_from(self._places))
                place = self._place_around(place) if self.chance() else place
                hour = self.draw(st.integers(1, len(self.runs) + 8))
                self.data.append(RegisteredData(self._label(), place, hour))
        roots = [run.id for run in self.runs if not run.parent]
        return Workspace(
            tuple(self._at_some_time()),
            tuple(replace(each, words=self._words()) for each in self.data),
            tuple(replace(each, words=self._words(self.draw(names.stages))) for each in self.models),
            tuple(self._endpoints()),
            tuple(self.draw(st.lists(st.sampled_from([*roots, *(each.label for each in self.models)]), max_size=2))),
            (*self.sets, *self._sets_that_eat_ids()),
        )

    def _at_some_time(self) -> Iterator[Run]:
        """Let runs end one after the other, but for a few."""
        for hour, run in enumerate(self.runs, 1):
            late, lasted = self.draw(st.sampled_from([(0, 1), (0, 1), (0, 1), (1, 1), (6, 1), (2, 3), (6, 9)]))
            yield replace(run, ended=hour + late, lasted=lasted)

    # Runs.

    def _plain(self) -> None:
        kind = self.draw(st.sampled_from(["command", "spark", "other", "mlflow"]))
        run = Run(self._root_id(), kind, self.draw(names.free), self.draw(names.free), status=self.draw(_ENDS))
        if kind == "mlflow":
            self.runs.append(replace(run, metrics=self._metrics(), parameters=self._parameters()))
        else:
            self.runs.append(self._with_work(run))
            self._nested(run)

    def _nested(self, above: Run) -> None:
        """Let code begin runs of MLflow inside another run, and some inside those."""
        for _ in range(self.draw(st.sampled_from([0, 0, 1, 2]))):
            run = Run(self._step_id(), "mlflow", above.experiment, self.draw(names.free), above.id)
            logged = tuple(self.draw(st.lists(self._logged(), max_size=2)))
            self.runs.append(replace(run, metrics=self._metrics(), parameters=self._parameters(), logged=logged))
            if self.chance() and above.kind != "mlflow":
                self._nested(run)

    def _logged(self) -> st.SearchStrategy[PublicFile | Path]:
        places = st.builds(Place, st.sampled_from(["lake", "workspaceblobstore"]), names.addresses, st.just("uri_file"))
        return st.one_of(self._addresses(), places.map(Path))

    def _tuning(self, parent: Run | None = None) -> None:
        kind = self.draw(st.sampled_from(["sweep", "automl"]))
        experiment = parent.experiment if parent else self.draw(names.free)
        run_id = self._step_id() if parent else self._root_id()
        trials = [f"{run_id}_{number}" for number in range(self.draw(st.integers(1, 3)))]
        run = Run(
            run_id,
            kind,
            experiment,
            self.draw(names.free),
            parent=parent.id if parent else "",
            status=self.draw(_ENDS),
            inputs=(("training_data", self._source()),),
            best=self.draw(st.sampled_from(trials)),
        )
        self.runs.append(run)
        child = "trial" if kind == "sweep" else "automl_child"
        for trial in trials:
            self.runs.append(
                Run(
                    trial,
                    child,
                    experiment,
                    trial,
                    parent=run.id,
                    metrics=self._metrics(),
                    parameters=self._parameters() if kind == "sweep" else (),
                )
            )

    def _pipeline(self, parent: Run | None = None, depth: int = 1) -> None:
        experiment = parent.experiment if parent else self.draw(names.free)
        run_id = self._step_id() if parent else self._root_id()
        run = Run(run_id, "pipeline", experiment, self.draw(names.free), parent.id if parent else "", self.draw(_ENDS))
        self.runs.append(run)
        for _ in range(self.draw(st.sampled_from([3, 2, 4, 1]))):
            choice = self.draw(st.sampled_from(["step", "reuse", "step", "nested", "step", "tuning"]))
            if choice == "nested" and depth < _DEPTH:
                self._pipeline(run, depth + 1)
            elif choice == "tuning":
                self._tuning(run)
            else:
                self._step(run, reuses=choice == "reuse")

    def _step(self, parent: Run, *, reuses: bool) -> None:
        step = Run(self._step_id(), "step", parent.experiment, self.draw(names.free), parent.id)
        old = [run for run in self.runs if run.kind == "step" and not run.reuses and run.status == "Completed"]
        if reuses and old:
            self.runs.append(replace(step, reuses=self.draw(st.sampled_from(old)).id))
        else:
            self.runs.append(
                self._with_work(replace(step, status=self.draw(_ENDS), is_parallel=self.draw(st.booleans())))
            )
            self._nested(step)

    def _batch(self) -> None:
        """A job of a batch endpoint that serves a model: it names its data as v1 does."""
        model = self._uploaded()
        self.models.append(model)
        root = Run(self._root_id(), "batch", self.draw(names.asset_names), "job", status=self.draw(_ENDS))
        step = Run(self._step_id(), "batch_scoring", root.experiment, "batchscoring", root.id, self.draw(_ENDS))
        self.runs += [root, replace(step, scores_with=model.label, saved_inputs=(self._guid(),))]

    def _with_work(self, run: Run) -> Run:
        given = {self.draw(names.ports): self._source() for _ in range(self.draw(_COUNTS))}
        outputs = {name: None for _ in range(self.draw(_COUNTS)) if (name := self.draw(names.ports))}
        defined = run.kind != "other"
        return replace(
            run,
            inputs=tuple(given.items()),
            outputs=tuple(self._output(run, name) for name in outputs if name != "default"),
            parameters=self._parameters() if defined else (),
            metrics=self._metrics(),
            has_environment=defined and self.chance(),
            saved_inputs=tuple(self._guid() for _ in range(self.draw(st.integers(0, 1)))),
        )

    def _output(self, run: Run, name: str) -> Output:
        output = Output(name, self.draw(TYPES))
        if self.chance():
            output = replace(output, place=self._chosen(output.type))
        match self.draw(st.sampled_from(["nothing", "nothing", "data", "model", "unnamed model"])):
            case "data":
                return replace(output, registers=self._label())
            case "model":
                made = replace(output, type="custom_model", place=None, model=self._label())
                named = self.draw(st.sampled_from(["", run.id, self._root_of(run)]))
                self.models.append(RegisteredModel(made.model, place_of(run, made), named))
                return made
            case "unnamed model":
                return replace(output, type="custom_model", place=None)
        return output

    def _chosen(self, kind: str) -> Place:
        """Choose where to write: a new place, where another run writes, or a folder around that, or inside."""
        old = [place for place in self._chosen_places if place.type == kind]
        old += [place for each in self.sets for place in each.places if place.type == kind]
        if old and self.draw(st.sampled_from([True, False, False])):
            return self.draw(st.sampled_from(old))  # type: ignore[no-any-return]
        if self._chosen_places and self.chance():
            place = self._place_around(self.draw(st.sampled_from(self._chosen_places)))
            if place.type == kind:
                return place
        store = self.draw(st.sampled_from(["lake", "workspaceblobstore", "share"]))
        folder = self.draw(st.sampled_from(["", "", "azureml/"]))  # where Azure ML itself would write
        return Place(store, f"{folder}{self._next()}/{self.draw(names.paths)}", kind)

    # What runs read.

    def _source(self) -> Source:
        own: list[Source] = [OutputOf(run.id, output.name) for run, output in self._written(all_types=True)]
        own += [OutputOf(alias.id, port.port) for alias in self.runs if alias.reuses for port in own_of(own, alias)]
        own += [Asset(each.label) for each in self.data]
        own += [Asset(output.registers) for _, output in self._written() if output.registers]
        own += [Model(each.label) for each in self.models]
        around = [Path(self._place_around(place) if self.chance() else place) for place in self._places]
        own += around
        own += [Path(place) for each in self.sets for place in each.places]
        own += [OfRegistry("models", label) for label in self._shared_labels]
        elsewhere = [self._paths(), st.sampled_from(_FOREIGN), self._addresses()]
        if own and self.draw(st.sampled_from([True, True, False])):
            return self.draw(st.sampled_from(own))  # type: ignore[no-any-return]
        return self.draw(self.draw(st.sampled_from(elsewhere)))  # type: ignore[no-any-return]

    def _paths(self) -> st.SearchStrategy[Source]:
        stores = st.sampled_from(["lake", "share", "workspaceblobstore"])
        places = st.builds(Place, stores, names.paths, TYPES)
        # A URL is cut at its fragment.
        by_url = st.builds(Place, st.just("lake"), names.addresses, TYPES)
        forms = st.sampled_from(["datastore", "long"])
        return st.one_of(st.builds(Path, places, forms), st.builds(Path, by_url, st.just("abfss")))

    def _addresses(self) -> st.SearchStrategy[Source]:
        return names.addresses.map(lambda path: PublicFile(f"https://example.org/{path}"))

    # Assets and endpoints.

    def _uploaded(self) -> RegisteredModel:
        return RegisteredModel(self._label(), self._local_upload())

    def _local_upload(self) -> Place:
        return Place("workspaceblobstore", f"LocalUpload/{self._next()}")

    def _registered(self) -> RegisteredModel:
        """Register a model as people and CI do: from artifacts, from what a run wrote, or uploaded, with a tag."""
        runs = [run for run in self.runs if run.kind not in ("pipeline", "batch") and not run.reuses]
        any_run = st.sampled_from([run.id for run in self.runs])
        written = [(run, place_of(run, output)) for run, output in self._written(all_types=True)]
        files: Place | str
        if written and self.draw(st.sampled_from([True, True, False])):
            run, place = self.draw(st.sampled_from(written))
            inside = place.type == "uri_folder" and self.chance()
            files = Place(place.store, f"{place.path}/{self.draw(names.segments)}") if inside else place
            of_it = [each for each in self.runs if run.id in (each.id, each.reuses)]
            named = ["", "", *(each.id for each in of_it), *(self._root_of(each) for each in of_it)]
        elif self.chance():
            files, named = self._local_upload(), ["", "", self.draw(any_run)]
        else:
            artifacts = self.draw(st.sampled_from(runs)).id
            files, named = artifacts, ["", artifacts]
        tags = st.dictionaries(st.sampled_from(["lineage.run", "run_id", "training_job"]), any_run, max_size=2)
        return RegisteredModel(
            self._label(),
            files,
            self.draw(st.sampled_from(named)),
            tuple(self.draw(tags).items()),
            self.draw(st.integers(1, len(self.runs) + 8)),
            shared_as=self.draw(st.sampled_from(["", "", "promoted:1", "promoted:2"])),
        )

    def _endpoints(self) -> list[Endpoint]:
        served = [Model(each.label) for each in self.models]
        shared = [OfRegistry("models", label) for label in ("shared:2", *self._shared_labels)]
        choices = st.sampled_from([*served, *shared])
        return [
            Endpoint(
                f"ep-{self._next()}",
                self.chance(),
                tuple((f"blue-{number}", self.draw(choices)) for number in range(self.draw(st.integers(1, 3)))),
            )
            for _ in range(self.draw(st.integers(0, 2)))
        ]


def own_of(sources: list[Source], alias: Run) -> list[OutputOf]:
    """List what a reused step hands on: the outputs of the step it reuses."""
    return [source for source in sources if isinstance(source, OutputOf) and source.run == alias.reuses]


@st.composite
def workspaces(draw: st.DrawFn) -> Workspace:
    """Make a workspace up."""
    return _Making(draw).workspace()
