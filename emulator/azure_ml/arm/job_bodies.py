"""ARM's JSON for runs, which ARM calls jobs: one shape for each kind."""

import uuid
from collections.abc import Iterable, Mapping

from emulator.azure_ml.arm.bodies import Body, resource
from emulator.azure_ml.content.runs import Input, Output, Run
from emulator.azure_ml.content.workspace import Workspace

# Kinds of runs that ARM lists as jobs; the other kinds are children.
JOB_TYPES = {
    "command": "Command",
    "pipeline": "Pipeline",
    "sweep": "Sweep",
    "automl": "AutoML",
    "spark": "Spark",
    "import": "Command",
    "batch": "Pipeline",
    "other": "Labeling",
}
MOUNT, UPLOAD = "ReadOnlyMount", "ReadWriteMount"


def job_body(workspace: Workspace, run: Run) -> Body:
    """Show a run as a job; a child comes without ``properties``, which is how clients know it."""
    properties = None if run.kind not in JOB_TYPES else _KINDS[run.kind](workspace, run)
    return resource(workspace, f"jobs/{run.id}", (run.created, run.created_by), properties)


def _shared(workspace: Workspace, run: Run) -> Body:
    names = workspace.names
    wsid = f"/subscriptions/{names.subscription}/resourcegroups/{names.resource_group}/workspaces/{names.workspace}"
    return {
        "jobType": run.settings.get("job_type", JOB_TYPES[run.kind]),
        "status": run.status,
        "displayName": run.display_name,
        "experimentName": run.experiment,
        "description": None,
        "tags": dict(run.tags),
        "properties": dict(run.properties),
        "isArchived": workspace.is_archived(f"jobs/{run.id}"),
        "componentId": None,
        "computeId": f"{names.id}/computes/cpu-cluster",
        "services": {
            "Studio": {"jobServiceType": "Studio", "endpoint": f"https://ml.azure.com/runs/{run.id}?wsid={wsid}"}
        },
    }


def _inputs(run: Run, mode: str = MOUNT) -> Body:
    """Show inputs and literals in the one map ARM has for both."""
    literals = {name: {"jobInputType": "literal", "value": value} for name, value in run.parameters.items()}
    return {name: _input(given, mode) for name, given in run.inputs.items()} | literals


def _input(given: Input, mode: str = MOUNT) -> Body:
    return {"uri": given.job_uri, "mode": mode, "jobInputType": given.type}


def _outputs(outputs: Iterable[tuple[str, Output]], mode: str = UPLOAD) -> Body:
    """Show outputs; the name of a registered one is given, its version is not."""
    return {name: _output(output, mode) for name, output in outputs}


def _output(output: Output, mode: str) -> Body:
    return {
        "uri": output.template,
        "assetName": output.registered_as.rpartition(":")[0] if output.registered_as else None,
        "assetVersion": None,
        "mode": mode,
        "jobOutputType": output.type,
    }


def _environment_id(workspace: Workspace, run: Run) -> str | None:
    return workspace.names.resource("environments", run.environment) if run.environment else None


def _code_id(workspace: Workspace, run: Run) -> str:
    return f"{workspace.names.id}/codes/{uuid.uuid5(uuid.NAMESPACE_OID, run.id)}/versions/1"


def _command(workspace: Workspace, run: Run) -> Body:
    return _shared(workspace, run) | {
        "codeId": _code_id(workspace, run),
        "environmentId": _environment_id(workspace, run),
        "command": run.command or "python main.py",
        "inputs": _inputs(run),
        "outputs": _outputs(run.outputs.items()),
    }


def _import(workspace: Workspace, run: Run) -> Body:
    """Show a data import: a command on Data Factory, its source in literals as the SDK sends and reads them."""
    return _shared(workspace, run) | {
        "computeId": f"{workspace.names.id}/computes/DataFactory",
        "command": "import",
        "environmentId": None,
        "codeId": None,
        "inputs": {key: {"jobInputType": "literal", "value": str(value)} for key, value in run.settings.items()},
        "outputs": _outputs(run.outputs.items()),
    }


def _spark(workspace: Workspace, run: Run) -> Body:
    return _shared(workspace, run) | {
        "codeId": _code_id(workspace, run),
        "environmentId": _environment_id(workspace, run),
        "entry": {"sparkJobEntryType": "SparkJobPythonEntry", "file": run.settings.get("entry", "main.py")},
        "args": run.command,
        "conf": run.settings.get("conf", {"spark.driver.cores": "1"}),
        "resources": {"instanceType": "standard_e4s_v3", "runtimeVersion": "3.4"},
        "inputs": _inputs(run, "Direct"),
        "outputs": _outputs(run.outputs.items(), "Direct"),
    }


def _sweep(workspace: Workspace, run: Run) -> Body:
    return _shared(workspace, run) | {
        "trial": {
            "command": run.command or "python main.py",
            "environmentId": _environment_id(workspace, run),
            "codeId": _code_id(workspace, run),
        },
        "searchSpace": run.settings.get("search_space", {}),
        "samplingAlgorithm": {"samplingAlgorithmType": "Random"},
        "objective": {
            "primaryMetric": run.settings.get("primary_metric", "accuracy"),
            "goal": run.settings.get("goal", "Maximize"),
        },
        "limits": {"jobLimitsType": "Sweep", "maxTotalTrials": 4, "maxConcurrentTrials": 2},
        "inputs": _inputs(run),
        "outputs": _outputs(run.outputs.items()),
    }


def _automl(workspace: Workspace, run: Run) -> Body:
    """Show an AutoML run: it has no ``inputs``, its data is in ``taskDetails``."""
    data = {
        wire: {"uri": run.inputs[name].job_uri, "jobInputType": "mltable", "mode": MOUNT}
        for name, wire in _AUTOML_DATA.items()
        if name in run.inputs
    }
    outputs = {name: _output(output, UPLOAD) | {"uri": None} for name, output in run.outputs.items()}
    return _shared(workspace, run) | {
        "environmentId": None,
        "taskDetails": {
            "taskType": run.settings.get("task", "Classification"),
            "primaryMetric": run.settings.get("primary_metric", "AUCWeighted"),
            "targetColumnName": run.settings.get("target", "label"),
            "nCrossValidations": {"mode": "Custom", "value": run.settings.get("n_cross_validations", 5)},
            "limitSettings": {"maxTrials": 3, "maxConcurrentTrials": 1, "timeout": "PT1H", "trialTimeout": "PT30M"},
            "logVerbosity": "Info",
            **data,
        },
        "outputs": outputs,
    }


_AUTOML_DATA = {"training_data": "trainingData", "validation_data": "validationData", "test_data": "testData"}


def _pipeline(workspace: Workspace, run: Run) -> Body:
    """Show a pipeline; its nodes have no run ids, only names and how they are wired."""
    names = workspace.names
    default = next((name for name, store in workspace.datastores.items() if store.default), None)
    steps = list(workspace.children_of(run.id))
    return _shared(workspace, run) | {
        "computeId": None,
        "sourceJobId": None,
        "settings": {
            "default_compute": f"{names.id}/computes/cpu-cluster",
            "default_datastore": f"{names.id}/datastores/{default}" if default else None,
            "_source": "DSL",
        },
        "jobs": {step.display_name: _node(workspace, run, step) for step in steps},
        "inputs": _inputs(run),
        "outputs": _outputs((name, output) for name, output in run.outputs.items() if name != "default"),
    }


def _node(workspace: Workspace, pipeline: Run, step: Run) -> Body:
    """Show one node: every input is a binding, a value or a copy of what was given."""
    bindings: Body = {}
    for name, given in step.inputs.items():
        if given.source:
            bindings[name] = _literal(f"${{{{parent.jobs.{_name(workspace, given)}.outputs.{given.source[1]}}}}}")
        else:
            above = _same(pipeline.inputs, given)
            bindings[name] = (
                _literal(f"${{{{parent.inputs.{above}}}}}")
                if above
                else {"job_input_type": given.type, "uri": given.job_uri, "mode": MOUNT}
            )
    for name, value in step.parameters.items():
        bindings[name] = _literal(f"${{{{parent.inputs.{name}}}}}" if name in pipeline.parameters else value)
    own = {name: output for name, output in step.outputs.items() if name != "default"}
    component = step.component or f"azureml_anonymous:{uuid.uuid5(uuid.NAMESPACE_OID, step.display_name)}"
    return {
        "name": step.display_name,
        "type": "command",
        "componentId": workspace.names.resource("components", component),
        "inputs": bindings,
        "outputs": {name: {"job_output_type": out.type, "mode": UPLOAD} for name, out in own.items()},
    }


def _name(workspace: Workspace, given: Input) -> str:
    return workspace.runs[given.source[0]].display_name if given.source else ""


def _literal(value: str) -> Body:
    return {"job_input_type": "literal", "value": value}


def _same(inputs: Mapping[str, Input], given: Input) -> str | None:
    return next((name for name, above in inputs.items() if above.job_uri == given.job_uri), None)


def _batch(workspace: Workspace, run: Run) -> Body:
    """Show a batch scoring job of a model deployment: a pipeline of which ARM says nothing."""
    return _shared(workspace, run) | {
        "computeId": None,
        "jobs": None,
        "inputs": None,
        "outputs": None,
        "settings": None,
    }


_KINDS = {
    "command": _command,
    "pipeline": _pipeline,
    "sweep": _sweep,
    "automl": _automl,
    "spark": _spark,
    "import": _import,
    "batch": _batch,
    "other": _shared,
}
