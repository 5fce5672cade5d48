"""What the runs of the fleet read: shared data sets, bare paths, outputs and models of earlier runs."""

import random
from dataclasses import dataclass

from emulator.fleet.plan import COMPLETED, Plan, plan

LAKE = "https://fleetlake.dfs.core.windows.net/fleet"
BLOB = "https://stfleet{number}.blob.core.windows.net/azureml-blobstore"
SHORT = "azureml://datastores"

# Of a hundred inputs; the rest are models of earlier runs.
ASSETS, PATHS, OUTPUTS = 45, 25, 25


@dataclass(frozen=True, slots=True)
class Given:
    """An input: as a seed document says it, and by the name of the thing that is read."""

    entry: dict[str, str]
    kind: str  # data or model
    name: str  # the address of the data without a last slash, or the model's name:version


@dataclass(frozen=True, slots=True)
class Pool:
    """The data sets in the lake that all runs share; every fifth is a file."""

    size: int

    def label(self, number: int) -> str:
        """Return the data asset version."""
        return f"dataset-{number:03}:1"

    def kind(self, number: int) -> str:
        """Tell whether it is a folder or a file."""
        return "uri_file" if number % 5 == 4 else "uri_folder"

    def path(self, number: int) -> str:
        """Return where it is on the datastore."""
        tail = "/data.csv" if self.kind(number) == "uri_file" else "/"
        return f"{SHORT}/lake/paths/raw/dataset-{number:03}{tail}"

    def address(self, number: int) -> str:
        """Return where it is, as an address without a last slash."""
        return f"{LAKE}/{self.path(number).partition('/paths/')[2]}".rstrip("/")


def output_path(run_id: str) -> str:
    """Return where a run leaves its output on the default datastore."""
    return f"{SHORT}/workspaceblobstore/paths/azureml/{run_id}/out/"


def output_address(workspace: int, run_id: str) -> str:
    """Return the same as an address without a last slash."""
    return f"{BLOB.format(number=workspace + 1)}/azureml/{run_id}/out"


def inputs_of(root: Plan, pool: Pool, seed: int, shape: str, workspaces: int) -> dict[str, Given]:
    """Choose what a root run reads; a pipeline's first step reads the same."""
    dice = random.Random(f"{seed}/{root.index}/inputs")  # noqa: S311
    chosen: dict[str, Given] = {}
    for place in range(dice.randint(1, 3)):
        which, number, back = dice.randrange(100), dice.randrange(pool.size), dice.randint(1, 10)
        earlier = root.index - back * workspaces  # in the same workspace
        before = plan(earlier, seed, shape, workspaces) if earlier >= 0 else None
        given = None
        if ASSETS + PATHS <= which < ASSETS + PATHS + OUTPUTS and before and before.status == COMPLETED:
            given = _output_of(before)
        elif which >= ASSETS + PATHS + OUTPUTS and before and before.has_model:
            given = Given({"model": before.model, "type": "mlflow_model"}, "model", before.model)
        elif which < ASSETS:
            given = Given({"asset": pool.label(number)}, "data", pool.address(number))
        given = given or Given({"uri": pool.path(number), "type": pool.kind(number)}, "data", pool.address(number))
        if given not in chosen.values():
            chosen[f"input_{place + 1}"] = given
    return chosen


def _output_of(before: Plan) -> Given:
    run_id = before.finished[-1]
    address = output_address(before.workspace, run_id)
    if before.registers_output:
        return Given({"asset": before.registered_output}, "data", address)
    return Given({"uri": output_path(run_id), "type": "uri_folder"}, "data", address)
