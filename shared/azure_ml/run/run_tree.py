"""Reads the records of a run's whole family: its root, and the runs below that ended."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from shared.azure_ml.run.records import Record
from shared.azure_ml.services.workspace_api import RunHistory
from shared.errors import RecordNotFoundError, RunNotSettledError
from shared.http.rest import Json
from shared.model import SETTLED, SUCCEEDED

_ENDING = frozenset({"running", "finalizing"})
"""Of a step whose pipeline has completed: its record lags, and soon says more."""


@dataclass(frozen=True, slots=True)
class Family:
    """A root's record, the records of the runs below it that ended, and which run stands for which."""

    root: Record
    workers: tuple[Record, ...]
    aliases: Mapping[str, str]


def read_family(history: RunHistory, run_id: str, *, orchestrates: bool) -> Family:
    """
    Find a run's root and everything below it that ended; of a run without a pipeline that is the root alone.

    Raises:
        RecordNotFoundError: there is no such run.
        RunNotSettledError: the pipeline has completed but a step of it lags behind.
    """
    asked = None if orchestrates else Record.from_json(history.get_run(run_id))
    root_id = asked.root_id if asked else run_id
    root = asked if asked and asked.run_id == root_id else None
    if asked and not root:
        root = Record.from_json(history.get_run(root_id))
    if root and not root.is_pipeline:
        return Family(root, (root,), {} if run_id == root_id else {run_id: root_id})
    return _read_pipeline(history, root_id, asked=asked, root=root)


def _read_pipeline(history: RunHistory, root_id: str, *, asked: Record | None, root: Record | None) -> Family:
    children = {child.run_id: child for child in _walk(history, root_id)}
    worked = [child for child in children.values() if child.status.casefold() in SETTLED]
    if asked and asked.run_id in children and asked.run_id not in {child.run_id for child in worked}:
        worked.append(children[asked.run_id])  # a model names the step that made it, before that step has ended
    answers = history.get_runs(
        [*([] if root else [root_id]), *dict.fromkeys(child.reused_run_id or child.run_id for child in worked)]
    )
    if root is None:
        root = Record.from_json(answers.pop(root_id) if root_id in answers else history.get_run(root_id))
    if root.root_id != root_id:  # the event called a nested pipeline its root
        return _read_pipeline(history, root.root_id, asked=asked, root=None)
    if root.status.casefold() in SUCCEEDED:
        for child in children.values():
            if child.status.casefold() in _ENDING:
                raise RunNotSettledError(f"run {root_id} is {root.status}, its step {child.run_id} {child.status}")
    workers: dict[str, Record] = {}
    aliases: dict[str, str] = {}
    for child in worked:
        record = _record_of(history, child, answers)
        workers[record.run_id] = record
        if record.run_id != child.run_id:
            aliases[child.run_id] = record.run_id
    if asked and asked.run_id != root_id and asked.parent_id in workers:
        aliases.setdefault(asked.run_id, asked.parent_id)  # a trial of a sweep that is a step
    return Family(root, tuple(workers.values()), aliases)


def _record_of(history: RunHistory, child: Record, answers: Mapping[str, Json]) -> Record:
    """
    Return the full record of a step, or of the run it reuses.

    A record that the batch left out is asked for alone. Where there is none any more, the step keeps its place in
    the lineage with what the list of children said, which is neither inputs nor outputs.
    """
    run_id = child.reused_run_id or child.run_id
    try:
        return Record.from_json(answers[run_id] if run_id in answers else history.get_run(run_id))
    except RecordNotFoundError:
        return child


def _walk(history: RunHistory, run_id: str) -> Iterator[Record]:
    """Yield what below a pipeline is none itself, through nested pipelines; a sweep's trials are its own affair."""
    pipelines = [run_id]  # a list and no recursion: pipelines nest deeper than Python's stack
    while pipelines:
        for body in history.list_children(pipelines.pop()):
            child = Record(metadata=body, definition={})
            if child.is_pipeline:
                pipelines.append(child.run_id)
            else:
                yield child
