"""The generated scenario: one pipeline of any number of steps, each reading what the one before wrote."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

WORKSPACE = {
    "subscription": "00000000-0000-0000-0000-000000000000",
    "resource_group": "rg-chain",
    "guid": "15151515-0000-0000-0000-000000000000",
    "region": "eastus2",
    "storage_account": "stchain",
    "datastores": {
        "workspaceblobstore": {
            "type": "AzureBlob",
            "account": "stchain",
            "container": "azureml-blobstore",
            "default": True,
        },
        "workspaceartifactstore": {"type": "AzureBlob", "account": "stchain", "container": "azureml"},
        "lake": {"type": "AzureDataLakeGen2", "account": "chainlake", "container": "chain"},
    },
}
TOPIC = (
    "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg-chain"
    "/providers/Microsoft.MachineLearningServices/workspaces/ws-chain"
)
PIPELINE = "chain_pipeline"
EXPERIMENT = "chain"
EXPERIMENT_ID = "16161616-0000-0000-0000-000000000000"
SOURCE = "https://chainlake.dfs.core.windows.net/chain/raw/data.csv"
START = datetime(2026, 7, 1, 10, 0, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Chain:
    """A chain of ``steps`` steps, as seed documents and events."""

    steps: int

    def azure_ml(self) -> dict[str, object]:
        """Build the workspace with the pipeline."""
        runs: dict[str, object] = {
            PIPELINE: {
                "kind": "pipeline",
                "experiment": EXPERIMENT,
                "start": START.isoformat(),
                "end": self._time(self.steps).isoformat(),
                "inputs": {"raw": {"asset": "RawData:1"}},
            }
        }
        source: dict[str, str] = {"asset": "RawData:1"}
        for number in range(1, self.steps + 1):
            runs[_run_id(number)] = {
                "kind": "step",
                "parent": PIPELINE,
                "experiment": EXPERIMENT,
                "display_name": _name(number),
                "start": self._time(number - 1).isoformat(),
                "end": self._time(number).isoformat(),
                "inputs": {"data": source},
                "outputs": {"out": {"type": "uri_folder"}},
            }
            source = {"output_of": f"{_run_id(number)}/out"}
        data = {"RawData:1": {"type": "uri_file", "path": "azureml://datastores/lake/paths/raw/data.csv"}}
        experiments = {EXPERIMENT: EXPERIMENT_ID}
        return {"workspaces": {"ws-chain": {**WORKSPACE, "experiments": experiments, "data": data, "runs": runs}}}

    def purview(self) -> dict[str, object]:
        """Build the catalog: the source file, scanned."""
        file = {"qualifiedName": SOURCE, "name": "data.csv", "isFile": True}
        return {"entities": [{"typeName": "azure_datalake_gen2_path", "attributes": file}]}

    def events(self) -> list[tuple[str, object]]:
        """Build RunCompleted of every step and, last, of the pipeline."""
        steps = [
            (_name(number), self._completed(_run_id(number), number, "azureml.StepRun", {"azureml.pipeline": PIPELINE}))
            for number in range(1, self.steps + 1)
        ]
        return [*steps, ("pipeline", self._completed(PIPELINE, self.steps, "azureml.PipelineRun", {}))]

    def _completed(self, run_id: str, number: int, run_type: str, tags: dict[str, str]) -> list[dict[str, object]]:
        place = number if run_id != PIPELINE else 0
        return [
            {
                "topic": TOPIC,
                "subject": f"experiments/{EXPERIMENT_ID}/runs/{run_id}",
                "eventType": "Microsoft.MachineLearningServices.RunCompleted",
                "eventTime": f"{self._time(number):%Y-%m-%dT%H:%M:%S}.0000000Z",
                "id": f"eeeeeeee-0000-4000-9000-{place:012}",
                "data": {
                    "experimentId": EXPERIMENT_ID,
                    "experimentName": EXPERIMENT,
                    "runId": run_id,
                    "runType": run_type,
                    "runTags": tags,
                    "runProperties": {"azureml.runsource": run_type},
                },
                "dataVersion": "2",
                "metadataVersion": "1",
            }
        ]

    def _time(self, steps: int) -> datetime:
        return START + timedelta(minutes=steps)


def _name(number: int) -> str:
    return f"step_{number:03}"


def _run_id(number: int) -> str:
    return f"cccccccc-0001-4000-8000-{number:012}"
