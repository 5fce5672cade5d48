"""What there is in a workspace and what went into and out of its runs, without a trace of any wire format."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """A file (`uri_file`) or folder (`uri_folder`) in a datastore; the path has no slash at either end."""

    store: str
    path: str
    type: str = "uri_folder"


@dataclass(frozen=True, slots=True)
class Path:
    """Data that is not registered, at a place; `form` says how the run names it."""

    place: Place
    form: str = "datastore"


@dataclass(frozen=True, slots=True)
class Asset:
    """A data asset of the workspace, `name:version`."""

    label: str
    is_gone: bool = False


@dataclass(frozen=True, slots=True)
class OutputOf:
    """What a run wrote under one of its outputs; the run may be a step that was reused."""

    run: str
    port: str


@dataclass(frozen=True, slots=True)
class Model:
    """A model version of the workspace."""

    label: str


@dataclass(frozen=True, slots=True)
class OfRegistry:
    """A data asset or a model of a registry; `kind` is `data` or `models`."""

    kind: str
    label: str


@dataclass(frozen=True, slots=True)
class PublicFile:
    """A file at a public address."""

    url: str


@dataclass(frozen=True, slots=True)
class OfAnotherWorkspace:
    """A data asset of a workspace that is not ours to read."""

    label: str


Source = Path | Asset | OutputOf | Model | OfRegistry | PublicFile | OfAnotherWorkspace


@dataclass(frozen=True, slots=True)
class Output:
    """
    An output of a run.

    Attributes:
        place: where the run chose to write; None for the place Azure ML chooses.
        registers: the data asset that the run makes of it.
        model: the model version that the run makes of it.
    """

    name: str
    type: str = "uri_folder"
    place: Place | None = None
    registers: str = ""
    model: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """
    A run of a kind that the emulator knows; of kind `mlflow` with a parent, one that code began inside that run.

    Attributes:
        reuses: the step whose results this step took over.
        best: the trial that a sweep or AutoML run chose.
        saved_inputs, saved_outputs: data sets of v1, by their GUIDs.
        scores_with: the model version of a batch deployment that this step scored with.
        logged: what its code logged with MLflow as inputs.
        ended: in which hour.
        lasted: how many hours before that it began.
    """

    id: str
    kind: str
    experiment: str
    display_name: str
    parent: str = ""
    status: str = "Completed"
    inputs: tuple[tuple[str, Source], ...] = ()
    outputs: tuple[Output, ...] = ()
    parameters: tuple[tuple[str, str], ...] = ()
    metrics: tuple[tuple[str, float], ...] = ()
    has_environment: bool = False
    is_parallel: bool = False
    reuses: str = ""
    best: str = ""
    saved_inputs: tuple[str, ...] = ()
    saved_outputs: tuple[str, ...] = ()
    scores_with: str = ""
    logged: tuple[PublicFile | Path, ...] = ()
    ended: int = 1
    lasted: int = 1

    @property
    def began(self) -> int:
        return self.ended - self.lasted


@dataclass(frozen=True, slots=True)
class Words:
    """What people say of an asset, often only after it was published."""

    team: str = ""
    description: str = ""
    stage: str = ""


@dataclass(frozen=True, slots=True)
class RegisteredData:
    """A data asset that a person registered from a place by hand, in some hour, and later said something of."""

    label: str
    place: Place
    registered: int = 0
    words: Words = Words()


@dataclass(frozen=True, slots=True)
class RegisteredModel:
    """
    A model version.

    Attributes:
        files: where they lie: a place, or artifacts of a run by its id.
        job_name: the run that was named at registration, or "".
        tags: what people or CI say of it.
        registered: in which hour.
        words: what was said of it later.
        shared_as: what its tag says it was shared with a registry as.
    """

    label: str
    files: Place | str
    job_name: str = ""
    tags: tuple[tuple[str, str], ...] = ()
    registered: int = 0
    words: Words = Words()
    shared_as: str = ""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """An online or a batch endpoint, with the model of each deployment."""

    name: str
    is_batch: bool
    deployments: tuple[tuple[str, Model | OfRegistry], ...]


@dataclass(frozen=True, slots=True)
class FileSet:
    """A resource set that Purview has scanned, by what it replaced in the names, and places that are in it."""

    store: str
    pattern: str
    places: tuple[Place, ...] = ()


@dataclass(frozen=True, slots=True)
class Workspace:
    """
    Everything in a workspace.

    Attributes:
        archived: the models and root runs that are archived for a time, and restored.
        sets: what Purview has scanned of the storage around.
    """

    runs: tuple[Run, ...] = ()
    data: tuple[RegisteredData, ...] = ()
    models: tuple[RegisteredModel, ...] = ()
    endpoints: tuple[Endpoint, ...] = ()
    archived: tuple[str, ...] = ()
    sets: tuple[FileSet, ...] = ()

    def run(self, run_id: str) -> Run:
        return next(run for run in self.runs if run.id == run_id)

    def root_of(self, run: Run) -> Run:
        while run.parent:
            run = self.run(run.parent)
        return run
