"""Which run made a model, by the table "Where a model comes from" of `docs/catalog-model.md`."""

from collections.abc import Collection, Iterator

from tests.worlds.workspaces.description import Output, Place, RegisteredModel, Run, Workspace

MANY = ("pipeline", "batch")
"""Kinds of runs that only start others."""
TRIALS = ("trial", "automl_child")
_RUN_TAGS = ("lineage.run", "run_id", "training_job")
_SHARED_BY_ALL = ("azureml", "LocalUpload")


def maker_of(workspace: Workspace, model: RegisteredModel) -> str:
    """Return the run that made a model, or "": the first rule that leads to a run decides."""
    tags, ids = dict(model.tags), {run.id for run in workspace.runs}
    named = [run_in(model.files), model.job_name, *(tags.get(tag, "") for tag in _RUN_TAGS)]
    is_unclear = False
    for run_id in named:
        if run_id not in ids:
            continue
        run = workspace.run(run_id)
        if run.kind not in MANY:
            return run_id
        writers = _writers(_below(workspace, run), model)
        if len(writers) == 1 or (last := _last(writers, model)) is None:
            is_unclear = is_unclear or len(writers) > 1
            if len(writers) == 1:
                return writers[0].id
        else:
            return last.id
    return "" if is_unclear else _last_around(workspace, model)


def shown_for(workspace: Workspace, run_id: str) -> str:
    """
    Return the run that is shown in place of one.

    Of a reused step that is the step it reuses, of the best trial its sweep, of a run that code began inside another
    that other one. A trial that was not chosen is shown itself.
    """
    run = workspace.run(run_id)
    if run.reuses:
        return run.reuses
    if is_nested(run) or (run.kind in TRIALS and workspace.run(run.parent).best == run.id):
        return shown_for(workspace, run.parent)
    return run_id


def is_nested(run: Run) -> bool:
    """Whether code began a run inside a job, a step or a trial."""
    return run.kind == "mlflow" and bool(run.parent)


def run_in(files: Place | str) -> str:
    """Return the run whose id a path carries where Azure ML puts ids, or ""."""
    if isinstance(files, str):
        return files
    first, _, rest = files.path.partition("/")
    return rest.partition("/")[0] if first == "azureml" and "/" in rest else ""


def place_of(run: Run, output: Output) -> Place:
    """Tell where an output lies: where the run chose, or below the run's own id."""
    return output.place or Place("workspaceblobstore", f"azureml/{run.id}/{output.name}", output.type)


def outputs_of(run: Run) -> tuple[Output, ...]:
    """List what a run is shown to have written: one that failed, only what it registered."""
    if run.kind == "batch_scoring" and run.status == "Completed":
        return (*run.outputs, Output("score"))
    return tuple(each for each in run.outputs if run.status == "Completed" or each.registers or each.model)


def _below(workspace: Workspace, root: Run) -> list[Run]:
    """List the steps below a pipeline, those that were reused as the steps they reuse."""
    ids = {shown_for(workspace, run.id) for run in workspace.runs if run.parent and workspace.root_of(run) is root}
    ids |= {shown_for(workspace, run.id) for run in workspace.runs if _is_below(workspace, run, root)}
    return [run for run in workspace.runs if run.id in ids and run.kind not in MANY]


def _is_below(workspace: Workspace, run: Run, above: Run) -> bool:
    while run.parent:
        run = workspace.run(run.parent)
        if run is above:
            return True
    return False


def _writers(runs: Collection[Run], model: RegisteredModel) -> list[Run]:
    """Return the runs that wrote the folder that holds a model, the innermost; or those whose output is the model."""
    declared = [run for run in runs if any(each.model == model.label for each in run.outputs)]
    return declared or next((some for _, some in _around(runs, model)), [])


def _around(runs: Collection[Run], model: RegisteredModel) -> Iterator[tuple[str, list[Run]]]:
    """Yield the folders that hold a model's files, the innermost first, with the runs that wrote each."""
    if isinstance(model.files, str):
        return
    segments = model.files.path.split("/")
    for end in range(len(segments), 0, -1):
        folder = "/".join(segments[:end])
        some = [
            run
            for run in runs
            if any(
                (place := place_of(run, each)).path == folder and place.store == model.files.store
                for each in outputs_of(run)
            )
        ]
        if some:
            yield folder, some


def _last(writers: list[Run], model: RegisteredModel) -> Run | None:
    """Return the last that began before the model was registered, if all others had ended by then."""
    begun = sorted((run for run in writers if run.began <= model.registered), key=lambda run: run.began)
    if not begun or any(run.ended > begun[-1].began for run in begun[:-1]):
        return None
    return begun[-1]


def _last_around(workspace: Workspace, model: RegisteredModel) -> str:
    """Return the run that wrote a model's files last, of all that are shown; the innermost folder decides."""
    shown = [run for run in workspace.runs if run.kind not in (*MANY, *TRIALS) and not run.reuses]
    for folder, some in _around([run for run in shown if outputs_of(run)], model):
        begun = [run for run in some if run.began <= model.registered]
        if begun and folder not in _SHARED_BY_ALL:
            last = _last(begun, model)
            return last.id if last else ""
    return ""
