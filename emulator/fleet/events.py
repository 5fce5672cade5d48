"""The events of the fleet, made when they are asked for."""

from array import array
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from datetime import datetime
from functools import cached_property
from typing import Any

from emulator.event_grid.event_files import EventFile
from emulator.fleet.fleet import Fleet
from emulator.fleet.plan import COMPLETED, Plan

PREFIX = "Microsoft.MachineLearningServices"


class FleetEvents(Sequence[EventFile]):
    """
    Every event of the fleet, root run by root run: steps, the root, its model, its deployment.

    As from a subscription to RunCompleted, ModelRegistered, ModelDeployed and
    to RunStatusChanged with ``Failed`` or ``Canceled``.
    """

    def __init__(self, fleet: Fleet) -> None:
        self._fleet = fleet

    @cached_property
    def _before(self) -> "array[int]":
        """Count the events before those of each root run, and all of them: four bytes a run."""
        before = array("I", [0])
        for root in self._fleet.plans():
            before.append(before[-1] + _count(root))
        return before

    def __len__(self) -> int:
        return self._before[-1]

    def __getitem__(self, place: Any) -> Any:
        if isinstance(place, slice):
            return [self[each] for each in range(*place.indices(len(self)))]
        if not -len(self) <= place < len(self):
            raise IndexError(place)
        place %= len(self)
        index = bisect_right(self._before, place) - 1
        root = self._fleet.plan(index)
        number = place - self._before[index]
        name, event = list(self._events(root))[number]
        body = {
            "topic": self._fleet.workspace_id(root.workspace),
            **event,
            "id": f"eeeeeeee-0000-4000-a000-{index * 16 + number:012}",
            "dataVersion": "2",
            "metadataVersion": "1",
        }
        return EventFile(f"{place:07}-{name}-{root.root_id}.json", [body])

    def _events(self, root: Plan) -> Iterator[tuple[str, dict[str, Any]]]:
        if root.steps:
            for number, run_id in enumerate(root.executed, 1):
                status = COMPLETED if run_id in root.finished else root.status
                yield self._run(root, run_id, status, root.ends(number), "azureml.StepRun")
        run_type = "azureml.PipelineRun" if root.steps else "azureml.scriptrun"
        yield self._run(root, root.root_id, root.status, root.end, run_type)
        if root.has_model:
            name, _, version = root.model.rpartition(":")
            data = {"modelName": name, "modelVersion": version, "modelTags": {}, "modelProperties": {}}
            yield "model-registered", _event("ModelRegistered", f"models/{root.model}", root.end, data)
        if root.announced:
            data = {
                "serviceName": root.endpoint,
                "serviceComputeType": "AKS",
                "modelIds": root.model,
                "serviceTags": {},
                "serviceProperties": {},
            }
            yield "model-deployed", _event("ModelDeployed", f"endpoints/{root.endpoint}", root.end, data)

    def _run(self, root: Plan, run_id: str, status: str, time: datetime, run_type: str) -> tuple[str, dict[str, Any]]:
        experiment, guid = self._fleet.experiment(root)
        is_step = run_type == "azureml.StepRun"
        data: dict[str, Any] = {
            "experimentId": guid,
            "experimentName": experiment,
            "runId": run_id,
            "runType": run_type,
            "runTags": {"azureml.pipeline": root.root_id} if is_step else {},
            "runProperties": {
                "azureml.runsource": run_type,
                **({"azureml.pipelinerunid": root.root_id} if is_step else {}),
            },
        }
        kind, name = "RunCompleted", "run-completed"
        if status != COMPLETED:
            kind, name, data = "RunStatusChanged", "run-status-changed", {"runStatus": status, **data}
        return name, _event(kind, f"experiments/{guid}/runs/{run_id}", time, data)


def _count(root: Plan) -> int:
    """Count the events of a root run without making them."""
    return (len(root.executed) if root.steps else 0) + 1 + root.has_model + root.announced


def _event(kind: str, subject: str, time: datetime, data: dict[str, Any]) -> dict[str, Any]:
    return {
        "subject": subject,
        "eventType": f"{PREFIX}.{kind}",
        "eventTime": f"{time:%Y-%m-%dT%H:%M:%S}.0000000Z",
        "data": data,
    }
