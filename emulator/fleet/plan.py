"""What the generated fleet consists of: one plan for each root run, from its number and the seed alone."""

import random
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache

MIXED, SINGLE = "mixed", "single"
SHAPES = (MIXED, SINGLE)

COMPLETED, FAILED, CANCELED = "Completed", "Failed", "Canceled"

# How many in a hundred runs, models or deployments.
PIPELINES = 35
MODELS = {MIXED: 30, SINGLE: 5}
DEPLOYED_ONLINE = 10
DEPLOYED_IN_BATCHES = 3
FAILING, CANCELED_TOO = 8, 4
REGISTERING = 10

MODEL_NAMES = 20
START = datetime(2026, 1, 1, tzinfo=UTC)
SPACING = timedelta(minutes=2)
STEP_TIME = timedelta(seconds=20)


@dataclass(frozen=True, slots=True)
class Plan:
    """
    One root run: a command job, or a pipeline of so many ``steps``.

    A pipeline that did not complete ended at its step ``ended_at``; later
    steps were never made. ``deployed`` is the kind of endpoint, if any.
    """

    index: int
    workspace: int
    status: str
    steps: int
    ended_at: int
    has_model: bool
    registers_output: bool
    deployed: str | None
    announced: bool  # whether there is an event about the deployment

    @property
    def root_id(self) -> str:
        """Return the id of the root run."""
        return f"fleet-{self.index:06}"

    def step_id(self, number: int) -> str:
        """Return the id of a step, counted from 1."""
        return f"f1ee7000-{number:04}-4000-8000-{self.index:012}"

    @property
    def executed(self) -> tuple[str, ...]:
        """List the runs that did something themselves, in order: the job, or the steps that were reached."""
        return tuple(self.step_id(number) for number in range(1, self.ended_at + 1)) if self.steps else (self.root_id,)

    @property
    def finished(self) -> tuple[str, ...]:
        """List those of them that completed, and so have outputs."""
        return self.executed if self.status == COMPLETED else self.executed[:-1]

    @property
    def model(self) -> str:
        """Return the model version it registers."""
        return f"model-{self.index % MODEL_NAMES:02}:{self.index + 1}"

    @property
    def registered_output(self) -> str:
        """Return the data asset version its last output is registered as."""
        return f"fleet-output-{self.index:06}:1"

    @property
    def endpoint(self) -> str:
        """Return the endpoint its model is deployed to."""
        return f"{'batch' if self.deployed == 'batch' else 'online'}-{self.index:06}"

    @property
    def start(self) -> datetime:
        """Tell when the root run was made; later numbers are later."""
        return START + self.index * SPACING

    def ends(self, number: int) -> datetime:
        """Tell when a step ended; the command job is step 1."""
        return self.start + number * STEP_TIME

    @property
    def end(self) -> datetime:
        """Tell when the root run ended."""
        return self.ends(max(self.ended_at, 1)) + timedelta(seconds=1)


@lru_cache(maxsize=8192)
def plan(index: int, seed: int, shape: str, workspaces: int) -> Plan:
    """
    Make the plan of a root run.

    >>> plan(7, 1, "mixed", 3) == plan(7, 1, "mixed", 3), plan(7, 1, "single", 1).steps
    (True, 0)
    """
    dice = random.Random(f"{seed}/{index}")  # noqa: S311
    is_pipeline, steps, ended_at = dice.randrange(100) < PIPELINES, dice.randint(2, 5), dice.random()
    fate, models, deployed, registers = (dice.randrange(100) for _ in range(4))
    if shape == SINGLE or not is_pipeline:
        steps = 0
    status = FAILED if fate < FAILING else CANCELED if fate < FAILING + CANCELED_TOO else COMPLETED
    has_model = status == COMPLETED and models < MODELS[shape]
    kind = "online" if deployed < DEPLOYED_ONLINE else None
    if DEPLOYED_ONLINE <= deployed < DEPLOYED_ONLINE + DEPLOYED_IN_BATCHES:
        kind = "batch"
    return Plan(
        index=index,
        workspace=index % workspaces,
        status=status,
        steps=steps,
        ended_at=steps if status == COMPLETED else int(ended_at * steps) + 1 if steps else 0,
        has_model=has_model,
        registers_output=status == COMPLETED and registers < REGISTERING,
        deployed=kind if has_model else None,
        announced=kind == "online" and has_model and index % 2 == 0,
    )
