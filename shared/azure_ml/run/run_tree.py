"""Reads the tree that a run belongs to: records, data, what MLflow logged, and what runs declare of columns."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextvars import copy_context
from dataclasses import dataclass, field
from functools import partial
from types import MappingProxyType

from shared.azure_ml.run.data_references import DataReader
from shared.azure_ml.run.declared_columns import RunDatasets, read_declared
from shared.azure_ml.run.inputs_outputs import Binding, describe_unread_ports, list_bindings, read_logged_inputs
from shared.azure_ml.run.records import Record, RootFacts, read_job_settings, read_logged, to_run
from shared.azure_ml.services.workspace_api import WorkspaceApi
from shared.cache import Cache
from shared.errors import (
    AccessDeniedError,
    RecordNotFoundError,
    RequestRefusedError,
    UnreadableAnswerError,
    describe_refusal,
)
from shared.http.rest import Json
from shared.model import SETTLED, SUCCEEDED, Data, Port, Run, RunTree, Signature, Workspace

DEEPEST = 20
"""Runs between a run and the step it ran below; a step, its sweep, a trial and a nested run are four."""
_ENDING = frozenset({"running", "finalizing"})
"""Of a step whose pipeline has completed: its record lags behind, and will soon say more."""
_REFUSALS = (AccessDeniedError, RecordNotFoundError, RequestRefusedError, UnreadableAnswerError)
"""What of an answer that lineage does not depend on costs no more than that answer."""
ASKED_ALONE = 20
"""Runs of a tree whose metrics are asked for one by one, where MLflow's search shows none of any though code logged."""
_REUSED_AGAIN = 20
"""Times that results which were reused are followed to where they were reused from."""
_NOT_ASKED = "MLflow's search shows no metrics of this run; there were too many such runs to ask for each alone."
_UNREAD = "Azure ML's list of the runs of its pipeline has something that cannot be read; there may be more of them."
_NAMED_IN_NOTE = 5


@dataclass(frozen=True, slots=True)
class RunTreeReader:
    """
    Reads trees of runs of one workspace; names who submitted a run only if `owners` is true.

    Attributes:
        brief: keeps what changes soon, for seconds.
    """

    workspace: Workspace
    api: WorkspaceApi
    data: DataReader
    cache: Cache
    brief: Cache
    owners: bool

    def read(
        self,
        run_id: str,
        *,
        orchestrates: bool = False,
        experiments: Mapping[str, str] = MappingProxyType({}),
        is_published: Callable[[str], bool] | None = None,
    ) -> RunTree:
        """Return the whole tree that a run belongs to; see `Resolver.get_run_tree`."""
        asked = None if orchestrates else Record.from_json(self.api.get_run(run_id))
        root = asked if asked and asked.root_id == run_id else None
        if asked and is_published:
            found = self._without_its_runs(asked, is_published)
            if isinstance(found, RunTree):
                return found
            root = found
        return self._read_whole(run_id, asked=asked, root=root, experiments=experiments)

    def _without_its_runs(self, asked: Record, is_published: Callable[[str], bool]) -> RunTree | Record:
        """
        Return the tree without its runs where nothing has to be published of it just now, otherwise the root's record.

        Of a thousand trials that ended, each costs the request for its own record and no more: what is above a run
        never changes, and whether it has ended is remembered for seconds.
        """
        key = (self.workspace.id, asked.root_id)
        read = {asked.run_id: asked}
        stands_for_it = self._representative(asked, read)
        known = {} if stands_for_it == asked.run_id else {asked.run_id: stands_for_it}
        if known and is_published(stands_for_it):
            return RunTree(self.workspace, asked.root_id, "", (), known)

        def ask() -> Record:
            return read.get(asked.root_id) or Record.from_json(self.api.get_run(asked.root_id))

        if asked.run_id == asked.root_id:
            self.brief.forget([key])
        root = self.brief.get(key, ask)
        if root.status.casefold() in SETTLED:
            self.brief.forget([key])
            return root
        return RunTree(self.workspace, asked.root_id, root.status, (), known)

    def _representative(self, asked: Record, read: dict[str, Record]) -> str:
        """
        Return the run that stands for another in the catalog: the nearest above it that is a step or has no parent.

        Args:
            read: takes the records that were read for it.
        """

        def ask(run_id: str) -> tuple[str, bool]:
            read[run_id] = Record.from_json(self.api.get_run(run_id))
            return read[run_id].parent_id, read[run_id].is_pipeline

        run_id, parent_id, passed = asked.run_id, asked.parent_id, {asked.run_id}
        while parent_id and parent_id not in passed:
            passed.add(parent_id)
            try:
                above, is_pipeline = self.cache.get((self.workspace.id, "above", parent_id), partial(ask, parent_id))
            except RecordNotFoundError:
                break
            if is_pipeline:
                break
            run_id, parent_id = parent_id, above
        return run_id

    def _read_whole(
        self, run_id: str, *, asked: Record | None, root: Record | None, experiments: Mapping[str, str]
    ) -> RunTree:
        with ThreadPoolExecutor(max_workers=1) as beside:  # for requests that do not depend on each other
            datastores = beside.submit(copy_context().run, self.data.datastores)
            records = _read_records(self.api, run_id, asked=asked, root=root)
            datastores.result()
            logged = beside.submit(copy_context().run, _read_mlflow, self.api, records)
            facts = RootFacts.of(records.root, experiment=self._experiment_of(records.root, experiments))
            listed = partial(list_bindings, scores_in_batch=facts.scores_in_batch)
            bindings = {record.run_id: tuple(self.data.place_saved(listed(record))) for record in records.settled}
            data = self.data.resolve(bindings)
            mlflow = logged.result()
        settings, notes = _read_settings(self.api, records.root)
        answers = _Answers(
            bindings=bindings,
            data=data,
            mlflow=mlflow,
            settings=settings,
            notes=notes if records.is_whole else f"{notes} {_UNREAD}".lstrip(),
            experiments=experiments,
            root=facts,
            lagging=records.lagging,
        )
        runs = [self._to_run(record, answers) for record in records.settled]
        return RunTree(
            workspace=self.workspace,
            root_id=records.root.run_id,
            root_status=records.root.status,
            runs=tuple(sorted(runs, key=lambda run: run.id)),
            represented_by=records.represented_by,
            signatures=_sign(records.root, records.settled, mlflow.runs),
            lagging=records.lagging,
        )

    def has_changed(self, known: Signature) -> bool:
        """
        Whether the records of a tree, or what MLflow has of it, say something else now; 2 requests up to 200 runs.

        Raises:
            RecordNotFoundError: the root is gone.
        """
        if known.run_ids:
            answers = self.api.get_runs([known.root_id, *known.run_ids])
        else:
            answers = {known.root_id: self.api.get_run(known.root_id)}
        if known.root_id not in answers:
            raise RecordNotFoundError(f"run {known.root_id}: Azure ML has no record of it")
        records = {run_id: Record.from_json(body) for run_id, body in answers.items()}
        root, logged = records[known.root_id], _Logged()
        if root.is_pipeline:
            below = {run_id: records[run_id] for run_id in known.run_ids if run_id in records}
            own = {run_id: record for run_id, record in below.items() if record.root_id == root.run_id}
            _search_mlflow(self.api, logged, own)
        else:
            _ask_alone(self.api, logged, root.run_id)
        return Signature.of(root.run_id, known.run_ids, _sign(root, records.values(), logged.runs)) != known

    def _to_run(self, record: Record, answers: "_Answers") -> Run:
        run_id = record.run_id
        inputs, outputs = answers.ports(run_id, are_outputs=False), answers.ports(run_id, are_outputs=True)
        mlflow = answers.mlflow.runs.get(run_id)
        logged = read_logged_inputs(
            mlflow, inputs, self.data, lambda bindings: self.data.resolve({run_id: bindings}), answers.data.values()
        )
        inputs += logged.ports
        experiment = self._experiment_of(record, answers.experiments)
        datasets = RunDatasets(run_id, inputs, outputs, self.data)
        declared = read_declared(record.tags, datasets, partial(self.api.get_file, record.container))
        return to_run(
            record,
            experiment=experiment,
            inputs=inputs,
            outputs=outputs,
            mlflow=mlflow,
            best=answers.mlflow.runs.get(record.best_child_id),
            settings=answers.settings,
            notes=(
                answers.notes_on(record),
                _note_on_unread((*inputs, *outputs)),
                describe_unread_ports(record, scores_in_batch=answers.root.scores_in_batch),
                answers.mlflow.notes.get(run_id, ""),
                logged.notes,
                declared.notes,
            ),
            column_mappings=declared.mappings,
            root=answers.root,
            owners=self.owners,
        )

    def _experiment_of(self, record: Record, known: Mapping[str, str]) -> str:
        experiment_id = record.experiment_id
        key = (self.workspace.id, "experiment", experiment_id)
        return known.get(experiment_id) or self.cache.get(key, lambda: self._ask_experiment(experiment_id))

    def _ask_experiment(self, experiment_id: str) -> str:
        """Return the name of an experiment; of one that was deleted, its id."""
        try:
            return self.api.get_experiment_name(experiment_id)
        except (RecordNotFoundError, RequestRefusedError, UnreadableAnswerError):
            return experiment_id


@dataclass(frozen=True, slots=True)
class _Logged:
    """MLflow's view of runs by their ids, and by the same what of it cannot be read."""

    runs: dict[str, Json] = field(default_factory=dict)
    notes: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Answers:
    """
    What the services answered about the runs of a tree.

    Attributes:
        bindings: by the id of the run.
        data: by the asset id of the binding.
        settings, notes: of the root's job.
        experiments: names by id, as far as they were known before.
        lagging: see `RunTree`.
    """

    bindings: Mapping[str, Sequence[Binding]]
    data: Mapping[str, Data]
    mlflow: _Logged
    settings: Mapping[str, str]
    notes: str
    experiments: Mapping[str, str]
    root: RootFacts
    lagging: Sequence[str]

    def ports(self, run_id: str, *, are_outputs: bool) -> list[Port]:
        return [
            Port(binding.name, self.data[binding.asset_id], binding.field)
            for binding in self.bindings[run_id]
            if binding.is_output is are_outputs
        ]

    def notes_on(self, record: Record) -> str:
        """Return the notes on the root's job, and on the runs beside this one; a reused run had others beside it."""
        beside = ""
        if self.lagging and record.root_id == self.root.run_id:
            more = f" and {len(self.lagging) - _NAMED_IN_NOTE} more" if len(self.lagging) > _NAMED_IN_NOTE else ""
            named = ", ".join(self.lagging[:_NAMED_IN_NOTE])
            beside = f"Its pipeline completed, but runs of it never ended and are not shown: {named}{more}."
        return " ".join(filter(None, (self.notes, beside)))


@dataclass(frozen=True, slots=True)
class _TreeRecords:
    """
    A root's record, the records of the runs below it that ended, which run represents which, and who lags behind.

    Attributes:
        is_whole: no run below it is listed as null.
    """

    root: Record
    settled: tuple[Record, ...]
    represented_by: Mapping[str, str]
    lagging: tuple[str, ...] = ()
    is_whole: bool = True


def _read_records(api: WorkspaceApi, run_id: str, *, asked: Record | None, root: Record | None) -> _TreeRecords:
    """
    Find a run's root and everything below it that ended; of a run without a pipeline that is the root alone.

    Args:
        asked: the run's own record; None if it is known to be a pipeline.
        root: the root's record, if it was read.

    Raises:
        RecordNotFoundError: there is no such run.
    """
    root_id = asked.root_id if asked else run_id
    if asked and not root:
        root = Record.from_json(api.get_run(root_id))
    if root and not root.is_pipeline:
        return _TreeRecords(root, (root,), {} if run_id == root_id else {run_id: root_id})
    return _read_pipeline(api, root_id, asked=asked, root=root)


def _read_pipeline(api: WorkspaceApi, root_id: str, *, asked: Record | None, root: Record | None) -> _TreeRecords:
    walked = list(_walk(api, root_id))
    children = {child.run_id: child for child in walked if child}
    ended = [child for child in children.values() if child.status.casefold() in SETTLED]
    standing = _find_standing(api, asked, children) if asked and asked.run_id != root_id else ""
    if standing and standing not in {child.run_id for child in ended}:
        ended.append(children[standing])  # a model names the step that produced it before that step has ended
    answers = api.get_runs(
        [*([] if root else [root_id]), *dict.fromkeys(child.reused_run_id or child.run_id for child in ended)]
    )
    origins = _follow_reuse(api, ended, answers)
    if root is None:
        root = Record.from_json(answers.pop(root_id) if root_id in answers else api.get_run(root_id))
    if root.root_id != root_id:  # the event called a nested pipeline its root
        return _read_pipeline(api, root.root_id, asked=asked, root=None)
    lagging = [each for each in children.values() if each.status.casefold() in _ENDING]
    records = {child.run_id: _record_of(api, child, origins[child.run_id], answers) for child in ended}
    represented_by = {run_id: record.run_id for run_id, record in records.items() if record.run_id != run_id}
    settled = {record.run_id: record for record in records.values()}
    if asked and standing and standing != asked.run_id:
        represented_by.setdefault(asked.run_id, represented_by.get(standing, standing))
    has_completed = root.status.casefold() in SUCCEEDED
    named = sorted(f"{each.run_id} ({each.status})" for each in lagging) if has_completed else []
    return _TreeRecords(root, tuple(settled.values()), represented_by, tuple(named), is_whole=None not in walked)


def _find_standing(api: WorkspaceApi, asked: Record, steps: Collection[str]) -> str:
    """
    Return the step that a run is or that it ran below, through sweeps, trials and nested runs; "" if there is none.

    Costs a request for each run in between.
    """
    run_id, above = asked.run_id, asked.parent_id
    for _ in range(DEEPEST):
        if run_id in steps or not above:
            break
        run_id = above
        try:
            above = "" if run_id in steps else Record.from_json(api.get_run(run_id)).parent_id
        except RecordNotFoundError:
            break
    return run_id if run_id in steps else ""


def _follow_reuse(api: WorkspaceApi, steps: Sequence[Record], answers: dict[str, Json]) -> dict[str, str]:
    """
    Return for each step the run that did its work: itself, or the run it reuses, which may have reused another.

    Costs one request for each time that results were reused again, whatever the number of steps.

    Args:
        answers: records by the ids of their runs; takes those that are read.
    """
    origins = {step.run_id: step.reused_run_id or step.run_id for step in steps}
    passed = {step.run_id: {step.run_id, origins[step.run_id]} for step in steps}
    for _ in range(_REUSED_AGAIN):
        further = {}
        for step_id, run_id in origins.items():
            reused = Record.from_json(answers[run_id]).reused_run_id if run_id in answers else ""
            if reused and reused not in passed[step_id]:
                further[step_id] = reused
        if not further:
            break
        answers.update(api.get_runs([each for each in dict.fromkeys(further.values()) if each not in answers]))
        # One whose record is gone says nothing: what reused it is at least a step.
        origins.update((step_id, run_id) for step_id, run_id in further.items() if run_id in answers)
        for step_id, run_id in further.items():
            passed[step_id].add(run_id)
    return origins


def _record_of(api: WorkspaceApi, child: Record, run_id: str, answers: Mapping[str, Json]) -> Record:
    """
    Return the full record of a step, or of the run whose results it reuses.

    A record that the batch left out is read alone. If there is none any more, the step keeps its place in the lineage
    with what the list of children said, which is neither inputs nor outputs.
    """
    try:
        return Record.from_json(answers[run_id] if run_id in answers else api.get_run(run_id))
    except RecordNotFoundError:
        return child


def _walk(api: WorkspaceApi, run_id: str) -> Iterator[Record | None]:
    """
    Yield the runs below a pipeline that are not pipelines, through nested ones; a sweep's trials are left out.

    A null on a list of them is None.
    """
    pipelines = [run_id]  # a list and no recursion: pipelines nest deeper than Python's stack
    while pipelines:
        for body in api.list_children(pipelines.pop()):
            child = Record(metadata=body, definition={}) if body is not None else None
            if child and child.is_pipeline:
                pipelines.append(child.run_id)
            else:
                yield child


def _read_mlflow(api: WorkspaceApi, records: _TreeRecords) -> _Logged:
    """Return MLflow's view of the runs of a tree, and of the trials they chose, as far as it can be had."""
    logged = _Logged()
    if not records.root.is_pipeline:
        # What a sweep or AutoML found is logged by its best child.
        for run_id in filter(None, (records.root.run_id, records.root.best_child_id)):
            if refusal := _ask_alone(api, logged, run_id):
                logged.notes[records.root.run_id] = refusal
        return logged
    # A sweep among the steps may have thousands of trials: of those, the best one is kept.
    wanted = {each: record for record in records.settled for each in (record.run_id, record.best_child_id) if each}
    _search_mlflow(api, logged, wanted)
    return logged


def _search_mlflow(api: WorkspaceApi, logged: _Logged, wanted: Mapping[str, Record]) -> None:
    """Add MLflow's view of some runs to `logged`, by one search for each root they ran under."""
    unsearched = set[str]()
    # A reused step logged its metrics below the root it first ran under.
    for experiment_id, root_id in sorted({(record.experiment_id, record.root_id) for record in wanted.values()}):
        try:
            runs = api.search_mlflow_runs(experiment_id, root_id)
            logged.runs.update((run_id, run) for run_id, run in runs if run_id in wanted)
        except _REFUSALS:
            unsearched |= {run_id for run_id, record in wanted.items() if record.root_id == root_id}
    _ask_for_metrics(api, logged, wanted, unsearched)


def _ask_for_metrics(
    api: WorkspaceApi, logged: _Logged, wanted: Mapping[str, Record], unsearched: Collection[str]
) -> None:
    """
    Ask alone for runs that may have metrics the search does not show, the last to end first, up to a limit.

    The search may answer without metrics where `runs/get` has them (azure-sdk-for-python issue 39198). If it shows
    those of one run, it shows those of all.
    """
    found = {run_id: read_logged(run) for run_id, run in logged.runs.items()}
    last_first = sorted(wanted, key=lambda run_id: (wanted[run_id].ended_at, run_id), reverse=True)
    shows = any(each.metrics for each in found.values())
    signed = {run_id for run_id, each in found.items() if each.signed and not shows}
    likely = [run_id for run_id in last_first if run_id in signed or run_id in unsearched]
    answered, refusal = set[str](), ""
    for run_id in likely[:ASKED_ALONE]:
        if refusal := _ask_alone(api, logged, run_id):
            break  # who is refused once is refused again
        answered.add(run_id)
    for run_id in likely:
        if run_id not in answered:
            logged.notes[wanted[run_id].run_id] = refusal or _NOT_ASKED


def _ask_alone(api: WorkspaceApi, logged: _Logged, run_id: str) -> str:
    """Add MLflow's view of a run to `logged`; return a sentence if it cannot be read. An unknown run logged nothing."""
    try:
        logged.runs[run_id] = api.get_mlflow_run(run_id)
    except RecordNotFoundError:
        pass
    except _REFUSALS as error:
        return f"What this run logged with MLflow cannot be read: {describe_refusal(error)}."
    return ""


def _note_on_unread(ports: Iterable[Port]) -> str:
    unread = sorted({port.unread for port in ports if port.unread})
    if not unread:
        return ""
    more = f" and {len(unread) - _NAMED_IN_NOTE} more" if len(unread) > _NAMED_IN_NOTE else ""
    named = ", ".join(unread[:_NAMED_IN_NOTE])
    return f"Of its inputs and outputs no more than names is known where this cannot be read: {named}{more}."


def _sign(root: Record, records: Iterable[Record], mlflow: Mapping[str, Json]) -> dict[str, str]:
    """Hash what the records of runs say that may still change once they have ended; the definition does not."""
    # A pipeline logs nothing itself, and what a step of another root logged is not among what its own root's runs did.
    own = {record.run_id for record in (root, *records) if record.root_id == root.run_id}
    logging = own - {root.run_id} if root.is_pipeline else own
    return {
        record.run_id: record.sign(mlflow.get(record.run_id) if record.run_id in logging else None)
        for record in (root, *records)
    }


def _read_settings(api: WorkspaceApi, root: Record) -> tuple[dict[str, str], str]:
    """
    Read what only the job of an AutoML or sweep run knows: such a root has no run definition.

    Returns:
        The settings, and a sentence if they cannot be read, which must not cost the run its lineage.
    """
    if not root.has_settings_in_job:
        return {}, ""
    try:
        return read_job_settings(api.get_job(root.run_id)), ""
    except _REFUSALS as error:
        return {}, f"The settings of this run cannot be read: {describe_refusal(error)}."
