"""What is known of a run from OpenLineage events: all their facts added up, in any order."""

import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Self

from shared.places.datasets import DatasetName

TERMINAL = frozenset({"COMPLETE", "FAIL", "ABORT"})
_STATUS = {"COMPLETE": "Completed", "FAIL": "Failed", "ABORT": "Canceled"}


@dataclass(frozen=True, slots=True, order=True)
class JobRunId:
    """Which run: a UUID, and the namespace of its job."""

    namespace: str
    run_id: str


Edge = tuple[str, DatasetName, str]
"""A column of an output, and the data set and column it was made from."""


@dataclass(frozen=True, slots=True)
class DatasetFact:
    """
    What one event says of some data.

    Attributes:
        symlinks: other names of the same data, of a table in a metastore for instance.
        columns: pairs of a column and its type.
        written: the event says that something arrived there.
    """

    dataset: DatasetName
    symlinks: tuple[DatasetName, ...] = ()
    columns: tuple[tuple[str, str], ...] = ()
    edges: tuple[Edge, ...] = ()
    written: bool = False

    @classmethod
    def from_json(cls, body: Mapping[str, Any]) -> Self:
        return cls(
            DatasetName(**body["dataset"]),
            tuple(DatasetName(**each) for each in body["symlinks"]),
            tuple((name, kind) for name, kind in body["columns"]),
            tuple((column, DatasetName(**source), field) for column, source, field in body["edges"]),
            body["written"],
        )


@dataclass(frozen=True, slots=True)
class Fact:
    """
    What one event adds to a run.

    It holds only what is published later: the same said again is the same fact, so that a stream which reports every
    minute adds nothing.

    Attributes:
        unit: the job of a Spark application that it is about; "" for the run itself.
        at: when, where that says when the run started or ended; "" otherwise.
    """

    unit: str
    type: str
    at: str = ""
    job: str = ""
    kind: str = ""
    documentation: str = ""
    repository: str = ""
    branch: str = ""
    version: str = ""
    inputs: tuple[DatasetFact, ...] = ()
    outputs: tuple[DatasetFact, ...] = ()

    def to_json(self) -> str:
        return json.dumps(asdict(self), sort_keys=True)

    @classmethod
    def from_json(cls, text: str) -> Self:
        """
        >>> fact = Fact("", "START", at="2026-07-01T10:00:00+00:00", inputs=(DatasetFact(DatasetName("n", "m")),))
        >>> Fact.from_json(fact.to_json()) == fact
        True
        """
        body = json.loads(text)
        sides = {side: tuple(DatasetFact.from_json(each) for each in body[side]) for side in ("inputs", "outputs")}
        return cls(**{**body, **sides})


@dataclass(frozen=True, slots=True)
class JobRun:
    """
    A run, from all its events together.

    Attributes:
        status: in the words of Azure ML; "Running" until an event says how it ended.
        symlinks: for each data set, its other names.
        columns: for each data set, its columns and their types.
        edges: for each output, which columns of which inputs became its columns.
        completed: it has said so at least once, also if it said something else later.
    """

    id: JobRunId
    job: str
    status: str
    started_at: str = ""
    ended_at: str = ""
    kind: str = ""
    documentation: str = ""
    repository: str = ""
    branch: str = ""
    version: str = ""
    inputs: tuple[DatasetName, ...] = ()
    outputs: tuple[DatasetName, ...] = ()
    symlinks: Mapping[DatasetName, tuple[DatasetName, ...]] | None = None
    columns: Mapping[DatasetName, tuple[tuple[str, str], ...]] | None = None
    edges: Mapping[DatasetName, tuple[Edge, ...]] | None = None
    completed: bool = False

    @property
    def why_nothing(self) -> str:
        """Say why no step is shown of it, or nothing."""
        if self.outputs or (self.completed and self.inputs):
            return ""
        if self.status == "Running":
            return "nothing has said yet that it wrote anything"
        return f"it ended as {self.status} and left nothing behind" if self.status != "Completed" else "it read nothing"


def fold(run: JobRunId, facts: Iterable[Fact]) -> JobRun:
    """
    Add up what is said of a run. The same facts give the same run, in any order, however often.

    What was announced counts as written once its job has completed; of any other job, only what it says arrived. Data
    that the run itself wrote and read again is both input and output. So nothing that one event has shown is taken
    back because of another: a catalog may go on drawing an edge that was withdrawn.
    """
    said = sorted(set(facts), key=Fact.to_json)
    own = [fact for fact in said if not fact.unit]
    ended = max(((fact.at, fact.type) for fact in own if fact.type in TERMINAL), default=None)
    last = ended[1] if ended else _of_units(said)
    completed = {fact.unit for fact in said if fact.type == "COMPLETE"}
    outputs = {each.dataset for fact in said for each in fact.outputs if fact.unit in completed or each.written}
    both = [each for fact in said for each in (*fact.inputs, *fact.outputs)]
    starts = [fact.at for fact in own if fact.type == "START"]
    return JobRun(
        run,
        # The run's own events know its name best.
        min((fact.job for fact in own), default=min((fact.job for fact in said), default="")),
        _STATUS.get(last, "Running"),
        started_at=min(starts, default=""),
        ended_at=ended[0] if ended else "",
        kind=_first(fact.kind for fact in said),
        documentation=_first(fact.documentation for fact in said),
        repository=_first(fact.repository for fact in said),
        branch=_first(fact.branch for fact in said),
        version=_first(fact.version for fact in said),
        inputs=tuple(sorted({each.dataset for fact in said for each in fact.inputs})),
        outputs=tuple(sorted(outputs)),
        symlinks=_gather((each.dataset, name) for each in both for name in each.symlinks),
        columns=_gather((each.dataset, column) for each in both for column in each.columns),
        edges=_gather((each.dataset, edge) for fact in said for each in fact.outputs for edge in each.edges),
        completed="" in completed,
    )


def _of_units(facts: Iterable[Fact]) -> str:
    """Return how a run ended that never said so itself: "" as long as no unit of it has completed or failed."""
    types = {fact.type for fact in facts if fact.unit}
    own_started = any(not fact.unit for fact in facts)
    if own_started:
        return ""
    return next((word for word in ("FAIL", "ABORT", "COMPLETE") if word in types), "")


def _first(words: Iterable[str]) -> str:
    return min((word for word in words if word), default="")


def _gather(pairs: Iterable[tuple[DatasetName, Any]]) -> dict[DatasetName, tuple[Any, ...]]:
    found: dict[DatasetName, set[Any]] = {}
    for dataset, value in pairs:
        found.setdefault(dataset, set()).add(value)
    return {dataset: tuple(sorted(values)) for dataset, values in sorted(found.items())}
