"""Finds the run that produced a model, and adds to a run tree what the runs below its runs that did so logged."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

from shared.azure_ml.run.data_references import DataReader
from shared.azure_ml.run.inputs_outputs import list_bindings, read_logged_inputs
from shared.azure_ml.run.records import Record, RootFacts, is_search, to_run
from shared.azure_ml.run.run_tree import DEEPEST, RunTreeReader
from shared.azure_ml.services.sdk import SdkClient
from shared.azure_ml.services.workspace_api import WorkspaceApi
from shared.errors import RecordNotFoundError
from shared.model import (
    Data,
    DataAsset,
    Location,
    ModelVersion,
    Port,
    Producer,
    Run,
    RunTree,
    SeveralWriters,
    Workspace,
    WorkspaceId,
    written_last,
)
from shared.places.platforms import ModelFiles, holds, segments_of
from shared.places.uris import DatastorePath, RunOutput, parse_reference, run_of_path

_MODEL_PATH = "properties.modelUri (its path carries the run's id)"
_MODEL_URI = "properties.modelUri of the model version"
RUN_TAG = "lineage.run"
"""Tag of a model by which people say which run made it: its id, or the ARM id of the job."""
USUAL_TAGS = ("run_id", "training_job")
"""Tags that CI commonly sets to the id of the run (medChiboub/mlops-ai-300, train-prod.yml; MLflow's `run_id`)."""
_RUN_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,254}")
_JOB = re.compile(r"(?P<workspace>/subscriptions/[^?#]+/workspaces/[^/?#]+)/jobs/(?P<run>[^/?#]+)", re.IGNORECASE)
MAKERS = 50
"""Runs below the runs of a tree whose logs are read for it; each costs two requests or more."""


@dataclass(frozen=True, slots=True)
class WorkspaceReader:
    """The clients of one workspace."""

    workspace: Workspace
    api: WorkspaceApi
    sdk: SdkClient
    data: DataReader
    trees: RunTreeReader


@dataclass(frozen=True, slots=True)
class _Named:
    """A run that may have produced a model, and the field of the model version that names it."""

    workspace: WorkspaceId
    run_id: str
    field: str
    inferred: bool = False


@dataclass(frozen=True, slots=True)
class ProducerFinder:
    """
    Finds runs that produced models. Methods may raise what those of `Resolver` raise.

    Attributes:
        open: gives the clients of a workspace.
        watches: whether lineage of a workspace is published.
    """

    open: Callable[[WorkspaceId], WorkspaceReader]
    watches: Callable[[WorkspaceId], bool]

    def find(self, workspace: WorkspaceId, model: ModelVersion) -> Producer | SeveralWriters | None:
        """
        Find the run that produced a model version, with its tree.

        The path of the model's files is the most exact evidence; the run named at registration may be the whole
        pipeline, of which it is then the step that wrote the files. Returns None if no field leads to a run: the
        model was uploaded by a person, or the run is gone.
        """
        unclear: SeveralWriters | None = None
        for named in self._list_evidence(workspace, model):
            try:
                tree = self.open(named.workspace).trees.read(named.run_id)
            except RecordNotFoundError:
                continue
            run_id = tree.represented_by.get(named.run_id, named.run_id)
            if any(run.id == run_id for run in tree.runs):
                below = named.run_id if run_id != named.run_id else ""
                field = f"{named.field} of the model version"
                return Producer(tree, run_id, field, inferred=named.inferred, below=below)
            match self._find_writer(workspace, model, tree):
                case Run(id=run_id), field:
                    return Producer(tree, run_id, f"{named.field} and {field}", inferred=field == _MODEL_URI)
                case SeveralWriters() as several:
                    unclear = unclear or several
        return unclear

    def locate(self, workspace: WorkspaceId, model: ModelVersion) -> Location | None:
        """Return where a model's files are, if that is in a workspace that is watched."""
        home = self._home_of(workspace, model)
        return self.open(home).data.locate(model.uri) if home else None

    def add_makers(self, tree: RunTree, makers: Mapping[str, str]) -> RunTree:
        """
        Add what runs logged that made models below runs of a tree; `makers` maps each to the run that it ran below.

        What a nested run logged belongs to the run that stands for it; so does the trial that a sweep or AutoML chose.
        Another trial is a run of its own, since it has other metrics and other hyperparameters. What stands for a run
        is in `represented_by`; nothing does for a trial as long as its sweep may still choose it.
        """
        runs = {run.id: run for run in tree.runs}
        represented_by = {**tree.represented_by, **makers}
        logged: dict[str, list[Run]] = {}
        reader = self.open(tree.workspace.id)
        for maker, above in sorted(makers.items())[:MAKERS]:
            shown = runs[above]
            if maker == shown.best_child:
                continue
            try:
                chain = _climb(reader.api, maker, runs)
            except RecordNotFoundError:
                continue
            if chain[0].reused_run_id:
                continue  # it was not executed, and has logged nothing
            trial = _trial_of(chain, shown, settled=tree.settled)
            if trial is None:
                logged.setdefault(above, []).append(_read_below(reader, chain[0], shown, tree))
            elif tree.settled:
                run = _read_below(reader, trial, shown, tree)
                runs[run.id] = replace(run, inputs=run.inputs or shown.inputs)
                represented_by.pop(run.id, None)
                represented_by.update({maker: run.id} if maker != run.id else {})
            else:
                del represented_by[maker]
        for above, found in logged.items():
            runs[above] = _joined(runs[above], found)
        ordered = tuple(sorted(runs.values(), key=lambda run: run.id))
        return replace(tree, runs=ordered, represented_by=represented_by)

    def _list_evidence(self, workspace: WorkspaceId, model: ModelVersion) -> Iterator[_Named]:
        """Yield runs that may have produced a model, the most exact evidence first."""
        reference = parse_reference(model.uri)
        home = self._home_of(workspace, model)
        match reference:
            case DatastorePath(_, path) if home and (by_path := run_of_path(path)):
                yield _Named(home, by_path, _MODEL_PATH, inferred=True)
            case RunOutput(run_id) if home:
                yield _Named(home, run_id, "properties.modelUri (an output of the run)")
        if home == workspace and model.job_name:
            yield _Named(workspace, model.job_name, "properties.jobName")
        declared = model.tags.get(RUN_TAG, "")
        if job := _JOB.fullmatch(declared):
            there = WorkspaceId.parse(job["workspace"])
            if there == workspace or self.watches(there):
                yield _Named(there, job["run"], f"tag {RUN_TAG}")
        for tag in (RUN_TAG, *USUAL_TAGS):
            # Of a model from a workspace that is not watched, a run of the same name may be here by chance.
            if (tag == RUN_TAG or home) and _RUN_ID.fullmatch(run_id := model.tags.get(tag, "").strip()):
                yield _Named(home or workspace, run_id, f"tag {tag}", inferred=tag != RUN_TAG)

    def _home_of(self, workspace: WorkspaceId, model: ModelVersion) -> WorkspaceId | None:
        """Return the workspace whose storage has a model's files; None if that is another which is not watched."""
        reference = parse_reference(model.uri)
        if self.open(workspace).data.is_here(reference):
            return workspace
        there = getattr(reference, "workspace", None)
        return there if isinstance(there, WorkspaceId) and self.watches(there) else None

    def _find_writer(
        self, workspace: WorkspaceId, model: ModelVersion, tree: RunTree
    ) -> tuple[Run, str] | SeveralWriters | None:
        """
        Find the run of a tree that wrote a model's files: of the outputs that hold them, the longest is meant.

        A run that only reads the folder, or that writes a folder around it, did not write them.
        """
        data = self.open(tree.workspace.id).data
        here = tree.workspace.id
        location = self.locate(workspace, model)
        files = ModelFiles(workspace, model.id, location or Location(""), self.locate)
        by_length: dict[int, list[Run]] = {}
        for run in tree.runs:
            if location and files.are_only_read_by(run, here):
                continue
            for port in run.outputs:
                if files.is_named_by(port, here):
                    return run, f"{port.field} of the run"
                at = _stored_at(port.data, data)
                if location and at and holds(at, location):
                    by_length.setdefault(len(segments_of(at)), []).append(run)
        if not by_length:
            return None
        writers = list({run.id: run for run in by_length[max(by_length)]}.values())
        last = writers[0] if len(writers) == 1 else written_last(writers, before=model.created_at)
        return (last, _MODEL_URI) if last else SeveralWriters(tuple(sorted(run.id for run in writers)), _MODEL_URI)


def _climb(api: WorkspaceApi, run_id: str, runs: Mapping[str, Run]) -> list[Record]:
    """Return the records of a run and of those above it, up to a run that is shown; a request for each."""
    chain: list[Record] = []
    while run_id and run_id not in runs and len(chain) < DEEPEST:
        chain.append(Record.from_json(api.get_run(run_id)))
        run_id = chain[-1].parent_id
    return chain


def _trial_of(chain: Sequence[Record], shown: Run, *, settled: bool) -> Record | None:
    """
    Return the trial among a run and those above it that its sweep or AutoML run did not choose, if there is one.

    One that has ended without saying which it chose stands for all of its trials.
    """
    for record, above in zip(chain, [*chain[1:], None], strict=True):
        searches, best = (
            (is_search(above.kind), above.best_child_id) if above else (is_search(shown.kind), shown.best_child)
        )
        if searches and record.run_id != best and (best or not settled):
            return record
    return None


def _read_below(reader: WorkspaceReader, record: Record, above: Run, tree: RunTree) -> Run:
    """Read a run below one of a tree: what it read, wrote and logged, and with which hyperparameters it was tried."""
    bindings = tuple(reader.data.place_saved(list_bindings(record)))
    data = reader.data.resolve({record.run_id: bindings})
    ports = [(each.is_output, Port(each.name, data[each.asset_id], each.field)) for each in bindings]
    inputs = [port for is_output, port in ports if not is_output]
    try:
        mlflow = reader.api.get_mlflow_run(record.run_id)
    except RecordNotFoundError:
        mlflow = None  # it has logged nothing
    logged = read_logged_inputs(
        mlflow, inputs, reader.data, lambda unknown: reader.data.resolve({record.run_id: unknown}), data.values()
    )
    tried = record.tags.get("hyperparameters")
    return to_run(
        record,
        experiment=above.experiment,
        inputs=[*inputs, *logged.ports],
        outputs=[port for is_output, port in ports if is_output],
        mlflow=mlflow,
        settings={"hyperparameters": str(tried)} if tried else {},
        notes=(logged.notes,),
        root=RootFacts(tree.root_id, tree.root_status, endpoint="", deployment=""),
        owners=reader.trees.owners,
    )


def _joined(run: Run, makers: Sequence[Run]) -> Run:
    """
    Add to a run what runs below it logged that made models; what it says itself wins.

    With several of them, each value is called after its run: two folds may have logged the same metric.
    """
    several = len(makers) > 1
    metrics: dict[str, float] = {}
    parameters: dict[str, str] = {}
    taken = {repr(port.data) for port in run.inputs}
    inputs = list(run.inputs)
    for maker in makers:
        prefix = f"{maker.id}/" if several else ""
        metrics |= {f"{prefix}{name}": value for name, value in maker.metrics.items()}
        parameters |= {f"{prefix}{name}": value for name, value in maker.parameters.items()}
        inputs += [port for port in maker.inputs if repr(port.data) not in taken]
        taken |= {repr(port.data) for port in maker.inputs}
    return replace(
        run,
        inputs=tuple(_named_apart(inputs)),
        metrics={**metrics, **run.metrics},
        parameters={**parameters, **run.parameters},
        notes=" ".join(filter(None, (run.notes, *(maker.notes for maker in makers)))),
    )


def _named_apart(ports: Sequence[Port]) -> Iterator[Port]:
    """Yield ports, one whose name is taken with its field: a column mapping goes by the name."""
    names = set[str]()
    for port in ports:
        yield port if port.name not in names else replace(port, name=f"{port.name} ({port.field})")
        names.add(port.name)


def _stored_at(data: Data, reader: DataReader) -> Location | None:
    """Return where an output is stored, registered or not."""
    match data:
        case Location():
            return data
        case DataAsset(location=location):
            return location
        case ModelVersion(uri=uri):
            return reader.locate(uri)
    return None
