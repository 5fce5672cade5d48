"""What is known of a run from OpenLineage events: all their facts added up, in any order."""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Self

from shared.places.datasets import DatasetName
from shared.validation import members_of

TERMINAL = frozenset({"COMPLETE", "FAIL", "ABORT"})
_STATUS = {"COMPLETE": "Completed", "FAIL": "Failed", "ABORT": "Canceled"}
LIMIT = 500
"""Data sets of a run; a step with more says so in its notes, and no canvas shows as many."""
_LETTERS = 200_000
"""Characters of all names of data of a run, and as many of its columns: the ledger keeps a row of them."""
_UNITS = 1_000
"""Units whose end is remembered, for events about them that come late."""
_EDGES = 2_000
"""Columns of a run that are mapped; the catalog takes a third of that."""
_SYMLINKS = 20
_WORDS = ("kind", "documentation", "repository", "branch", "version")
_FOLDED = "folded"


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
            _name(body["dataset"]),
            tuple(map(_name, body["symlinks"])),
            tuple((name, kind) for name, kind in body["columns"]),
            tuple((column, _name(source), of_source) for column, source, of_source in body["edges"]),
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
        return cls(**{**members_of(cls, body), **sides})


@dataclass(frozen=True, slots=True)
class JobRun:
    """
    A run, from all its events together.

    Attributes:
        status: in the words of Azure ML; "Running" until an event says how it ended.
        symlinks: for each data set, its other names.
        edges: for each output, which columns of which inputs became its columns.
        unconfirmed: assets that it says it wrote, of which another source says who did.
        completed: it has said so at least once, also if it said something else later.
        is_cut: something was reported that is left out, because it is too much.
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
    edges: Mapping[DatasetName, tuple[Edge, ...]] | None = None
    unconfirmed: tuple[DatasetName, ...] = ()
    completed: bool = False
    is_cut: bool = False

    @property
    def why_nothing(self) -> str:
        """Say why no step is shown of it, or nothing."""
        if self.outputs or (self.completed and self.inputs):
            return ""
        if self.status == "Running":
            return "nothing has said yet that it wrote anything"
        return f"it ended as {self.status} and left nothing behind" if self.status != "Completed" else "it read nothing"


@dataclass(slots=True)
class _Data:
    """
    What is known of a data set of a run.

    Attributes:
        announced: units that said they would write it, and have not completed yet.
    """

    is_read: bool = False
    is_written: bool = False
    announced: set[str] = field(default_factory=set)
    symlinks: set[DatasetName] = field(default_factory=set)
    edges: set[Edge] = field(default_factory=set)


@dataclass(slots=True)
class Folded:
    """
    All facts of a run in one, whatever their number: what a step shows, and what is needed to add another fact.

    The same facts give the same, in any order, however often and however many of them were folded before; but of more
    than fits, what came first stays. What was announced counts as written once its job has completed; of any other
    job, only what it says arrived. Data that the run itself wrote and read again is both input and output. So nothing
    that one event has shown is taken back because of another: a catalog may go on drawing an edge that was withdrawn.

    Attributes:
        own: something was said of the run itself, and not of a unit.
        own_job, job: its name by its own events, and by any.
        ended: when it ended and how, the last time that it said so.
        ends: how units ended.
        completed: units that have; "" for the run.
    """

    own: bool = False
    own_job: str = ""
    job: str = ""
    started_at: str = ""
    ended: tuple[str, str] = ("", "")
    words: dict[str, str] = field(default_factory=dict)
    ends: set[str] = field(default_factory=set)
    completed: set[str] = field(default_factory=set)
    is_cut: bool = False
    _data: dict[DatasetName, _Data] = field(default_factory=dict)
    _letters: int = 0
    _edges: int = 0
    _edge_letters: int = 0

    @classmethod
    def of(cls, texts: Iterable[str]) -> Self:
        """Read what the ledger keeps of a run: facts, and some that were folded."""
        found, facts = cls(), list[Fact]()
        for text in sorted(texts):
            body = json.loads(text)
            if _FOLDED in body:
                found._add_folded(body[_FOLDED])
            else:
                facts.append(Fact.from_json(text))
        for fact in facts:
            found.add(fact)
        return found

    def add(self, fact: Fact) -> None:
        """Add what one event says."""
        self.job = _least(self.job, fact.job)
        if not fact.unit:
            self.own = True
            self.own_job = _least(self.own_job, fact.job)
        if fact.type in TERMINAL and fact.unit:
            self.ends.add(fact.type)
        elif fact.type in TERMINAL:
            self.ended = max(self.ended, (fact.at, fact.type))
        elif fact.type == "START" and not fact.unit:
            self.started_at = _least(self.started_at, fact.at)
        for word in _WORDS:
            self.words[word] = _least(self.words.get(word, ""), getattr(fact, word))
        if fact.type == "COMPLETE":
            self._complete(fact.unit)
        for each in fact.inputs:
            if data := self._find(each.dataset):
                data.is_read = True
                self._add_symlinks(data, each.symlinks)
        for each in fact.outputs:
            if data := self._find(each.dataset):
                data.is_written |= each.written or fact.type == "COMPLETE" or fact.unit in self.completed
                if not data.is_written:
                    self._announce(data, fact.unit)
                self._add_symlinks(data, each.symlinks)
                self._add_edges(data, each.edges)

    def to_json(self) -> str:
        """
        Format it as one of the facts that the ledger keeps.

        >>> folded = Folded.of([Fact("", "COMPLETE", "2026-07-01T10:00:00Z", job="j").to_json()])
        >>> Folded.of([folded.to_json()]) == folded
        True
        """
        names = ("own", "own_job", "job", "started_at", "ended", "words", "is_cut")
        body = {
            **{name: getattr(self, name) for name in names},
            "ends": sorted(self.ends),
            "completed": sorted(self.completed),
            "data": [
                {
                    "dataset": asdict(dataset),
                    "read": data.is_read,
                    "written": self._is_written(data),
                    "announced": [] if self._is_written(data) else sorted(data.announced),
                    "symlinks": [asdict(each) for each in sorted(data.symlinks)],
                    "edges": [[column, asdict(source), of_source] for column, source, of_source in sorted(data.edges)],
                }
                for dataset, data in sorted(self._data.items())
            ],
        }
        return json.dumps({_FOLDED: body}, sort_keys=True)

    def to_run(self, run: JobRunId, *, is_held: Callable[[str], bool] = lambda _: False) -> JobRun:
        """
        Say what the run is by all that.

        Args:
            is_held: whether another source says who wrote what has a name; then a sender of events is not believed.
        """
        data = sorted(self._data.items())
        last = self.ended[1] or self._end_of_units
        written = [dataset for dataset, each in data if self._is_written(each)]
        return JobRun(
            run,
            self.own_job or self.job,  # the run's own events know its name best
            _STATUS.get(last, "Running"),
            started_at=self.started_at,
            ended_at=self.ended[0],
            **{word: self.words.get(word, "") for word in _WORDS},
            inputs=tuple(dataset for dataset, each in data if each.is_read),
            outputs=tuple(dataset for dataset in written if not is_held(dataset.label)),
            symlinks={dataset: names for dataset, each in data if (names := self._other_names(each, is_held))},
            edges={dataset: tuple(sorted(each.edges)) for dataset, each in data if each.edges},
            unconfirmed=tuple(dataset for dataset in written if is_held(dataset.label)),
            completed="" in self.completed,
            is_cut=self.is_cut,
        )

    def _other_names(self, data: _Data, is_held: Callable[[str], bool]) -> tuple[DatasetName, ...]:
        """List the symlinks of some data; what was written has no other name by which it would not be believed."""
        names = (each for each in data.symlinks if not (self._is_written(data) and is_held(each.label)))
        return tuple(sorted(names))

    def _is_written(self, data: _Data) -> bool:
        return data.is_written or not data.announced.isdisjoint(self.completed)

    @property
    def _end_of_units(self) -> str:
        """Return how a run ended that never said so itself: "" as long as no unit of it has completed or failed."""
        return "" if self.own else next((word for word in ("FAIL", "ABORT", "COMPLETE") if word in self.ends), "")

    def _add_folded(self, body: Mapping[str, Any]) -> None:
        self.own |= body["own"]
        self.own_job, self.job = _least(self.own_job, body["own_job"]), _least(self.job, body["job"])
        self.started_at = _least(self.started_at, body["started_at"])
        at, how = body["ended"]
        self.ended = max(self.ended, (at, how))
        self.words = {word: _least(self.words.get(word, ""), body["words"].get(word, "")) for word in _WORDS}
        self.ends |= set(body["ends"])
        self.is_cut |= body["is_cut"]
        for unit in body["completed"]:
            self._complete(unit)
        for each in body["data"]:
            if data := self._find(_name(each["dataset"])):
                data.is_read |= each["read"]
                data.is_written |= each["written"]
                for unit in each["announced"]:
                    self._announce(data, unit)
                self._add_symlinks(data, map(_name, each["symlinks"]))
                edges = ((column, _name(source), of_source) for column, source, of_source in each["edges"])
                self._add_edges(data, edges)

    def _find(self, dataset: DatasetName) -> _Data | None:
        """Return what is known of a data set, None if there is no room for one more."""
        if dataset not in self._data:
            letters = self._letters + len(dataset.namespace) + len(dataset.name)
            if len(self._data) >= LIMIT or (self._data and letters > _LETTERS):
                self.is_cut = True
                return None
            self._data[dataset] = _Data()
            self._letters = letters
        return self._data[dataset]

    def _complete(self, unit: str) -> None:
        if unit and len(self.completed) >= _UNITS and unit not in self.completed:
            self.is_cut = True
            return
        self.completed.add(unit)

    def _announce(self, data: _Data, unit: str) -> None:
        if len(data.announced) < _UNITS:
            data.announced.add(unit)

    def _add_symlinks(self, data: _Data, names: Iterable[DatasetName]) -> None:
        for name in names:
            if name not in data.symlinks and len(data.symlinks) < _SYMLINKS:
                data.symlinks.add(name)

    def _add_edges(self, data: _Data, edges: Iterable[Edge]) -> None:
        for edge in edges:
            if edge in data.edges:
                continue
            column, source, of_source = edge
            letters = self._edge_letters + len(column) + len(source.namespace) + len(source.name) + len(of_source)
            if self._edges >= _EDGES or (self._edges and letters > _LETTERS):
                self.is_cut = True
                return
            data.edges.add(edge)
            self._edges += 1
            self._edge_letters = letters


def _name(body: Mapping[str, Any]) -> DatasetName:
    return DatasetName(**members_of(DatasetName, body))


def _least(one: str, other: str) -> str:
    return min(filter(None, (one, other)), default="")
