"""Run history's JSON for runs: the record, its inputs and outputs, its definition."""

from emulator.azure_ml.arm.bodies import Body, timestamp
from emulator.azure_ml.content.assets import EnvironmentVersion
from emulator.azure_ml.content.reading import split_label
from emulator.azure_ml.content.runs import TERMINAL, WIRE_TYPES, Run, SavedDataset
from emulator.azure_ml.content.workspace import Workspace

USER_OBJECT = "99999999-2222-0000-0000-000000000000"

_ATTRIBUTION = {
    "pipeline": ("Aether", [], "PipelineRun"),
    "batch": ("Aether", [], "PipelineRun"),
    "batch_scoring": ("Execution", ["azureml.StepRun", "scriptRun", "remote"], "Aether"),
    "step": ("Execution", ["azureml.StepRun", "scriptRun", "remote"], "Aether"),
    "sweep": ("HyperDrive", ["HyperDrive"], None),
    "trial": ("Execution", ["scriptRun", "remote"], "HyperDrive"),
    "automl": ("AutoML", ["automl"], "AutoML"),
    "automl_child": ("Execution", ["scriptRun", "remote"], "AutoML"),
}


def run_body(run: Run) -> Body:
    """Show the record as GET and lists do: inputs and outputs are null even when there are some."""
    ended = run.status in TERMINAL
    orchestrator, traits, attribution = _ATTRIBUTION.get(run.kind, ("Execution", ["scriptRun", "remote"], None))
    return {
        "runId": run.id,
        "parentRunId": run.parent,
        "rootRunId": run.root,
        "experimentId": run.experiment_id,
        "status": run.status,
        "displayName": run.display_name,
        "name": run.display_name,
        "description": run.description,
        "runType": run.run_type,
        "runTypeV2": {
            "orchestrator": orchestrator,
            "traits": traits,
            "attribution": attribution,
            "computeType": None if run.orchestrates else "AmlcTrain",
        },
        "dataContainerId": run.container,
        "createdUtc": timestamp(run.created),
        "startTimeUtc": timestamp(run.start) if run.status != "NotStarted" else None,
        "endTimeUtc": timestamp(run.end) if ended else None,
        "duration": str(run.end - run.start).zfill(8) if ended else None,
        "createdBy": {"userObjectId": USER_OBJECT, "userName": run.created_by},
        "properties": dict(run.properties),
        "tags": dict(run.tags),
        "inputDatasets": [
            _identifier(saved)
            | {"consumptionType": "RunInput", "inputDetails": {"inputName": name, "mechanism": "Mount"}}
            for name, saved in run.input_datasets.items()
        ],
        "outputDatasets": [
            _identifier(saved) | {"outputType": "RunOutput", "outputDetails": {"outputName": name}}
            for name, saved in run.output_datasets.items()
        ],
        "runDefinition": None,
        "inputs": None,
        "outputs": None,
    }


def _identifier(saved: SavedDataset) -> Body:
    """Show a v1 dataset the way only v1 lineage does."""
    return {
        "identifier": {
            "savedId": saved.saved_id,
            "registeredId": saved.registered_id,
            "registeredVersion": saved.registered_version,
        }
    }


def run_metadata(run: Run) -> Body:
    """Show the record as rundata does, inputs and outputs included; a reused step has none."""
    return run_body(run) | _assets(run)


def _assets(run: Run) -> Body:
    if run.reused_from:
        return {"inputs": {}, "outputs": {}}
    if run.kind == "batch_scoring":  # as recorded: they are in its definition only
        return {"inputs": None, "outputs": None}
    return {
        "inputs": {n: {"assetId": i.asset_id, "type": WIRE_TYPES[i.type]} for n, i in run.inputs.items()},
        "outputs": {n: {"assetId": o.asset_id, "type": WIRE_TYPES[o.type]} for n, o in run.outputs.items()},
    }


def run_details(workspace: Workspace, run: Run) -> Body:
    """Show the details: flat, with the definition, and with signed log addresses that must not be kept."""
    record = run_body(run)
    kept = (
        "runId", "parentRunId", "rootRunId", "status", "dataContainerId", "startTimeUtc", "endTimeUtc", "createdBy",
        "tags", "properties", "inputDatasets", "outputDatasets",
    )  # fmt: skip
    log = f"https://{workspace.storage_account}.blob.core.windows.net/azureml/ExperimentRun/{run.container}/std_log.txt"
    return {
        **{key: record[key] for key in kept},
        "target": "cpu-cluster",
        "createdTimeUtc": record["createdUtc"],
        **_assets(run),
        "runDefinition": run_definition(workspace, run),
        "logFiles": {"user_logs/std_log.txt": f"{log}?sv=2021-08-06&sr=b&sig=SECRET-log-signature&sp=r"},
        "jobCost": {"chargedCpuCoreSeconds": 188, "chargedNodeUtilizationSeconds": 50.0},
    }


def run_definition(workspace: Workspace, run: Run) -> Body | None:
    """Show how the run was submitted; null for runs that only orchestrate others."""
    if not run.is_defined:
        return None
    data = {
        name: {
            "dataLocation": {
                "dataset": None,
                "uri": {"path": given.path, "isFile": given.type == "uri_file"},
                "type": WIRE_TYPES[given.type],
            },
            "mechanism": "Mount",
        }
        for name, given in run.inputs.items()
        if not given.is_model
    }
    assets = {
        name: {"asset": {"assetId": given.asset_id, "type": WIRE_TYPES[given.type]}, "mechanism": "Mount"}
        for name, given in run.inputs.items()
    }
    outputs = {
        name: {
            "outputLocation": {
                "uri": {"path": output.template, "isFile": output.type == "uri_file"},
                "type": WIRE_TYPES[output.type],
            },
            "mechanism": "Mount",
            "additionalOptions": {
                "registrationOptions": {
                    "name": output.registered_as.rpartition(":")[0] if output.registered_as else None
                }
            },
        }
        for name, output in run.outputs.items()
        if name != "default"
    }
    environment = workspace.environment(run.environment) if run.environment else None
    component = run.component
    return {
        "script": None,
        "command": run.command or "python main.py",
        "arguments": _arguments(run),
        "framework": "Python",
        "target": "cpu-cluster",
        "dataReferences": _data_references(run),
        "data": data,
        "inputAssets": assets,
        "outputData": outputs,
        "environment": _environment(workspace, environment) if environment else None,
        "environmentVariables": {f"AZUREML_PARAMETER_{name}": value for name, value in run.parameters.items()},
        "parameters": [],
        "componentConfiguration": {
            "componentIdentifier": workspace.names.asset_id("components", component) if component else None
        },
    }


def _environment(workspace: Workspace, environment: EnvironmentVersion) -> Body:
    """Show the environment inline; with a Dockerfile, the conda part is a stub or nothing."""
    registry = environment.registry
    prefix = f"azureml://registries/{registry}" if registry else workspace.names.location
    return {
        "name": environment.name,
        "version": environment.version,
        "assetId": f"{prefix}/environments/{environment.name}/versions/{environment.version}",
        "python": {
            "userManagedDependencies": environment.dockerfile is not None,
            "condaDependencies": dict(environment.conda) if environment.conda else None,
        },
        "docker": {"baseImage": environment.image, "baseDockerfile": environment.dockerfile},
    }


def _arguments(run: Run) -> list[str]:
    """Show the arguments; they are the only place where batch scoring names its model."""
    if run.kind != "batch_scoring":
        return list(run.arguments)
    name, version = split_label(str(run.settings["model"]))
    return ["--model_name", name, "--model_version", version, "--output", "$AZUREML_DATAREFERENCE_score"]


def _data_references(run: Run) -> Body:
    """
    Show where batch scoring writes to, a folder of its own in a datastore; and what other runs of v1 refer to.

    Members: DataReferenceConfiguration of azureml-core 1.61, as run history has them.
    """
    if run.kind != "batch_scoring":
        return {
            name: {
                "dataStoreName": entry.get("datastore"),
                "mode": entry.get("mode", "Mount"),
                "pathOnDataStore": entry["path"].replace("${{name}}", run.id) if "path" in entry else None,
                "pathOnCompute": None,
                "overwrite": False,
            }
            for name, entry in run.data_references.items()
        }
    datastore = str(run.settings.get("datastore", "workspaceblobstore"))
    return {"score": {"dataStoreName": datastore, "pathOnDataStore": f"azureml/{run.id}/score"}}


def run_data(workspace: Workspace, run: Run, selected: Body) -> Body:
    """Answer a rundata request with the parts it selects."""
    return {
        "runMetadata": run_metadata(run) if selected.get("selectRunMetadata") else None,
        "runDefinition": run_definition(workspace, run) if selected.get("selectRunDefinition") else None,
        "jobSpecification": None,
        "systemSettings": None,
    }
