"""The generated scenario of many runs: pipelines, jobs, models and endpoints in three workspaces."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from emulator.fleet.inputs import Given, Pool, inputs_of, output_address, output_path
from emulator.fleet.plan import MIXED, SHAPES, Plan, plan

SUBSCRIPTION = "00000000-0000-0000-0000-000000000000"
SINGLES, PIPELINES = "fleet-jobs", "fleet-pipelines"
STEP_NAMES = ("prepare", "clean", "split", "featurize", "train")
BACK_FOR_A_MODEL = 30


@dataclass(frozen=True, slots=True, order=True)
class Node:
    """Something that lineage connects: ``data`` by address, the rest by name in a workspace's ARM id."""

    kind: str  # data, run, model, online or batch (an endpoint)
    name: str
    workspace: str = ""


@dataclass(frozen=True, slots=True, order=True)
class Edge:
    """From what is read to who reads it, or from who writes to what is written."""

    source: Node
    target: Node


@dataclass(frozen=True)
class Fleet:
    """
    A fleet of ``runs`` root runs; the same ``seed`` gives the same fleet, and more runs only add later ones.

    ``shape`` is ``mixed`` over three workspaces, or ``single``: command jobs
    in one workspace. Nothing is kept of a run: every answer about it is
    worked out from its number.
    """

    runs: int
    seed: int = 0
    shape: str = MIXED

    def __post_init__(self) -> None:
        if self.runs < 1 or self.shape not in SHAPES:
            raise ValueError(f"a fleet has at least one run and the shape {' or '.join(SHAPES)}")

    @property
    def workspaces(self) -> int:
        """Count the workspaces."""
        return 3 if self.shape == MIXED else 1

    @cached_property
    def pool(self) -> Pool:
        """The shared data sets; their number depends on nothing, so that a run reads the same in every fleet."""
        return Pool(40)

    def plan(self, index: int) -> Plan:
        """Plan a root run."""
        return plan(index, self.seed, self.shape, self.workspaces)

    def plans(self) -> Iterator[Plan]:
        """Plan all root runs, oldest first."""
        return (self.plan(index) for index in range(self.runs))

    def inputs(self, root: Plan) -> dict[str, Given]:
        """Choose what a root run reads."""
        return inputs_of(root, self.pool, self.seed, self.shape, self.workspaces)

    def workspace_id(self, number: int) -> str:
        """Return the ARM id of a workspace, counted from 0."""
        return (
            f"/subscriptions/{SUBSCRIPTION}/resourceGroups/rg-fleet-{number + 1}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/ws-fleet-{number + 1}"
        )

    def experiment(self, root: Plan) -> tuple[str, str]:
        """Name the experiment of a root run, and its GUID."""
        name, place = (PIPELINES, 1) if root.steps else (SINGLES, 0)
        return name, f"17171717-000{place}-0000-0000-{root.workspace + 1:012}"

    def families(self) -> dict[str, "FleetFamilies"]:
        """Give the runs of each workspace, by the key it has in the seed document."""
        return {f"ws-fleet-{number + 1}": FleetFamilies(self, number) for number in range(self.workspaces)}

    def earlier_model(self, root: Plan) -> Plan | None:
        """Find a run of the same workspace that registered a model shortly before."""
        first = root.index - BACK_FOR_A_MODEL * self.workspaces
        earlier = (self.plan(i) for i in range(root.index - self.workspaces, max(first, -1), -self.workspaces))
        return next((one for one in earlier if one.has_model), None)

    def edges(self, *, statuses: Sequence[str] = ("Completed",)) -> Iterator[Edge]:
        """Tell the truth: all lineage of the root runs that ended so, run by run."""
        for root in self.plans():
            if root.status in statuses:
                yield from self.edges_of(root)

    def edges_of(self, root: Plan) -> Iterator[Edge]:
        """Tell the truth about one root run; a pipeline itself reads and writes nothing, its steps do."""
        where = self.workspace_id(root.workspace)
        runs = [Node("run", run_id, where) for run_id in root.executed]
        for given in self.inputs(root).values():
            yield Edge(Node(given.kind, given.name, where if given.kind == "model" else ""), runs[0])
        for place, run in enumerate(runs):
            if place:
                yield Edge(Node("data", output_address(root.workspace, runs[place - 1].name)), run)
            if run.name in root.finished:
                yield Edge(run, Node("data", output_address(root.workspace, run.name)))
        if root.has_model:
            model = Node("model", root.model, where)
            yield Edge(runs[-1], model)
            if root.deployed:
                endpoint = Node(root.deployed, root.endpoint, where)
                yield Edge(model, endpoint)
                second = self.earlier_model(root) if root.deployed == "online" else None
                if second:
                    yield Edge(Node("model", second.model, where), endpoint)


@dataclass(frozen=True, slots=True)
class FleetFamilies:
    """The runs of one workspace, described when they are asked for."""

    fleet: Fleet
    workspace: int

    def roots(self) -> Sequence[str]:
        """List the ids of the root runs, oldest first, without making the list."""
        return _Roots(range(self.workspace, self.fleet.runs, self.fleet.workspaces))

    def root_of(self, run_id: str) -> str | None:
        """Find the root run of a run by the form of their ids; None if there is no such run."""
        digits = run_id.rpartition("-")[2]
        if not digits.isdecimal() or int(digits) not in range(self.workspace, self.fleet.runs, self.fleet.workspaces):
            return None
        root = self.fleet.plan(int(digits))
        return root.root_id if run_id == root.root_id or (root.steps and run_id in root.executed) else None

    def describe(self, root_id: str) -> Mapping[str, Mapping[str, Any]]:
        """Describe a root run and its steps as a seed document does."""
        root = self.fleet.plan(int(root_id.rpartition("-")[2]))
        inputs = {name: given.entry for name, given in self.fleet.inputs(root).items()}
        shared = {"experiment": self.fleet.experiment(root)[0]}
        first: dict[str, Any] = {
            **shared,
            "kind": "pipeline" if root.steps else "command",
            "status": root.status,
            "start": root.start.isoformat(),
            "end": root.end.isoformat(),
            "inputs": inputs,
        }
        if not root.steps:
            return {root_id: first | self._work(root, root_id, 0)}
        nodes: dict[str, Mapping[str, Any]] = {root_id: first}
        for number, run_id in enumerate(root.executed, 1):
            before = {"data": {"output_of": f"{root.step_id(number - 1)}/out"}}
            nodes[run_id] = {
                **shared,
                "kind": "step",
                "parent": root_id,
                "display_name": STEP_NAMES[number - 1],
                "status": "Completed" if run_id in root.finished else root.status,
                "start": root.ends(number - 1).isoformat(),
                "end": root.ends(number).isoformat(),
                "inputs": inputs if number == 1 else before,
                **self._work(root, run_id, number),
            }
        return nodes

    def _work(self, root: Plan, run_id: str, number: int) -> dict[str, Any]:
        """Describe what an executed run writes: nothing unless it completed."""
        if run_id not in root.finished:
            return {}
        registers = root.registers_output and number == root.steps
        output = {"type": "uri_folder", "path": output_path("${{name}}")}
        return {
            "outputs": {"out": output | ({"register": root.registered_output} if registers else {})},
            "metrics": {"accuracy": (root.index % 100) / 100} if root.has_model and number == root.steps else {},
            "environment": "fleet-env:1",
            "parameters": {"seed": str(root.index)},
        }


class _Roots(Sequence[str]):
    """Ids of root runs by their numbers."""

    def __init__(self, numbers: range) -> None:
        self._numbers = numbers

    def __len__(self) -> int:
        return len(self._numbers)

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return [f"fleet-{number:06}" for number in self._numbers[place]]
        return f"fleet-{self._numbers[place]:06}"
