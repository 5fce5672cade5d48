"""The records of run history, and what one says of its run: names, parameters, metrics, git."""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from shared.azure_ml.run.environments import parse_environment
from shared.http.rest import Json
from shared.model import ColumnMapping, Environment, Port, Run
from shared.redaction import redact_mapping, redact_text
from shared.validation import Shape, checked

_KNOWN_KINDS = frozenset({"", "automl", "hyperdrive", "azureml.scriptrun", "azureml.steprun", "azureml.pipelinerun"})
"""Types of runs; "" is that of AutoML's children, and of code that only logs to MLflow."""
_SEARCHES = frozenset({"automl", "hyperdrive"})
_JOB_SETTINGS = {
    "task_type": ("taskDetails.taskType",),
    "primary_metric": ("taskDetails.primaryMetric", "objective.primaryMetric"),
    "goal": ("objective.goal",),
    "label_column_name": ("taskDetails.targetColumnName",),
    "n_cross_validations": ("taskDetails.nCrossValidations.value", "taskDetails.nCrossValidations.mode"),
    "enable_early_stopping": ("taskDetails.limitSettings.enableEarlyTermination",),
    "max_trials": ("taskDetails.limitSettings.maxTrials", "limits.maxTotalTrials"),
    "model_explainability": ("taskDetails.trainingSettings.enableModelExplainability",),
    "sampling_algorithm": ("samplingAlgorithm.samplingAlgorithmType",),
}
"""Our name (the accelerator's, where it had one) → where the JSON of a job has the value."""
_TIMEOUTS = ("taskDetails.limitSettings.timeout", "limits.timeout")
_DURATION = re.compile(r"P(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?(?:(\d+)(?:\.\d+)?S)?)?")
_PIPELINE = "azureml.PipelineRun"
_PARTIAL = "Partial: nothing is known here of the kind of run {}; what its record says is shown."
_OF_A_SERVICE = re.compile(r"azureml\.|mlflow\.|_aml_system|automl_|_azureml|lineage\.|(hyperparameters|is_gpu)$")
_UNSETTLED = (
    *("status", "displayName", "description", "tags", "properties", "endTimeUtc"),
    *("inputs", "outputs", "inputDatasets", "outputDatasets"),
)
"""Members of a record that may change after its run has ended: people set them, or the services settle them late."""
_ENVIRONMENT: Shape = {"assetId": str, "name": str, "version": str, "python": dict, "docker": dict}
_PARAMETER_PREFIX = "AZUREML_PARAMETER_"
_SET_BY_CODE = frozenset({"mlflow.autologging", "mlflow.log-model.history"})
"""Tags that MLflow sets where code logs with it (mlflow/utils/mlflow_tags.py of MLflow 3.17)."""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Record:
    """One answer of rundata: `metadata` is never empty, `definition` is for a pipeline."""

    metadata: Json
    definition: Json

    @classmethod
    def from_json(cls, body: Json) -> "Record":
        return cls(metadata=dict(body["runMetadata"]), definition=dict(body.get("runDefinition") or {}))

    @property
    def run_id(self) -> str:
        return str(self.metadata["runId"])

    @property
    def root_id(self) -> str:
        return str(self.metadata.get("rootRunId") or self.run_id)

    @property
    def parent_id(self) -> str:
        return str(self.metadata.get("parentRunId") or "")

    @property
    def experiment_id(self) -> str:
        return str(self.metadata.get("experimentId") or "")

    @property
    def status(self) -> str:
        return str(self.metadata.get("status") or "")

    @property
    def container(self) -> str:
        """Where the files are that the run logged; a step that was reused has the one of the run it reuses."""
        return str(self.metadata.get("dataContainerId") or f"dcid.{self.run_id}")

    @property
    def tags(self) -> Mapping[str, object]:
        return self.metadata.get("tags") or {}

    @property
    def properties(self) -> Mapping[str, str]:
        return self.metadata.get("properties") or {}

    @property
    def reused_run_id(self) -> str:
        """The run whose results this step reuses, or "" if it ran itself."""
        reused = str(self.properties.get("azureml.isreused") or "").casefold() == "true"
        return str(self.properties.get("azureml.reusedrunid") or "") if reused else ""

    @property
    def best_child_id(self) -> str:
        """The trial that a sweep or AutoML run chose, or ""."""
        tags = self.metadata.get("tags") or {}
        return str(self.properties.get("best_child_run_id") or tags.get("automl_best_child_run_id") or "")

    @property
    def kind(self) -> str:
        return str(self.metadata.get("runType") or "")

    @property
    def ended_at(self) -> str:
        return str(self.metadata.get("endTimeUtc") or "")

    @property
    def has_settings_in_job(self) -> bool:
        """Whether it is a sweep or an AutoML run: how those were submitted is in no record of a run."""
        return not self.definition and is_search(self.kind)

    @property
    def is_of_unknown_kind(self) -> bool:
        """Whether neither its type nor a definition of how it was submitted says what it is."""
        return not self.definition and str(self.metadata.get("runType") or "").casefold() not in _KNOWN_KINDS

    def sign(self, mlflow: Json | None) -> str:
        """Hash all of it that may still change once the run has ended, with what MLflow has of the run."""
        said = {name: self.metadata.get(name) for name in _UNSETTLED}
        logged = {name: (mlflow or {}).get(name) for name in ("data", "inputs")}
        text = json.dumps([said, logged], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    @property
    def is_pipeline(self) -> bool:
        return _PIPELINE in (self.metadata.get("runType"), self.properties.get("azureml.runsource"))


def is_search(kind: str) -> bool:
    """Whether runs of a kind try others out and choose the best: sweeps and AutoML."""
    return kind.casefold() in _SEARCHES


@dataclass(frozen=True, slots=True)
class RootFacts:
    """
    What a root's record says of the runs below it: how it ended, and the batch endpoint it ran for, if any.

    Attributes:
        scores_in_batch: it is a job of a deployment of a model, whose steps name the model in their arguments.
    """

    run_id: str
    status: str
    endpoint: str
    deployment: str
    scores_in_batch: bool = False

    @classmethod
    def of(cls, root: Record, *, experiment: str) -> "RootFacts":
        tags, properties = root.metadata.get("tags") or {}, root.properties
        of_model = str(tags.get("azureml.batchrun") or "").casefold() == "true"
        # A batch endpoint gives its own name to the experiment of the jobs of a model deployment.
        endpoint = str(properties.get("azureml.endpointname") or (experiment if of_model else ""))
        deployment = str(tags.get("azureml.deploymentname") or properties.get("azureml.deploymentname") or "")
        return cls(root.run_id, root.status, endpoint, deployment, scores_in_batch=of_model)


def to_run(
    record: Record,
    *,
    experiment: str,
    inputs: Sequence[Port],
    outputs: Sequence[Port],
    mlflow: Json | None,
    best: Json | None = None,
    settings: Mapping[str, str],
    notes: Iterable[str] = (),
    column_mappings: tuple[ColumnMapping, ...] = (),
    root: RootFacts | None = None,
    owners: bool = False,
) -> Run:
    """
    Assemble what the record says with the data it refers to; everything that may carry a secret is redacted.

    Args:
        mlflow, best: what MLflow knows of the run, and of the trial it chose.
        settings: what only its job knows.
        notes: sentences on what of the run cannot be read; those that are "" do not count.
        column_mappings: those that the run declares.
        root: of the tree it was read with.
        owners: name who submitted it.
    """
    metadata, properties = record.metadata, record.properties
    logged, found = read_logged(mlflow), read_logged(best)
    partial = _PARTIAL.format(metadata.get("runType")) if record.is_of_unknown_kind else ""
    environment, unread = _read_environment(record.definition.get("environment"))
    module, version = properties.get("azureml.moduleName"), properties.get("azureml.moduleVersion")
    return Run(
        id=record.run_id,
        name=redact_text(str(metadata.get("displayName") or metadata.get("name") or record.run_id)),
        status=record.status,
        experiment=experiment,
        kind=record.kind,
        best_child=record.best_child_id,
        inputs=tuple(inputs),
        outputs=tuple(outputs),
        environment=environment,
        parameters=redact_mapping(
            {**settings, **_best_settings(record, found), **logged.params, **_literals(record.definition)}
        ),
        metrics={**found.metrics, **logged.metrics},
        column_mappings=column_mappings,
        notes=" ".join(filter(None, (partial, *notes, logged.notes, unread))),
        command=redact_text(str(record.definition.get("command") or "")),
        compute=str(record.definition.get("target") or ""),
        component=f"{module}:{version}" if module and version else str(module or ""),
        git_repository=redact_text(str(properties.get("mlflow.source.git.repoURL") or "")),
        git_branch=str(properties.get("mlflow.source.git.branch") or ""),
        git_commit=str(properties.get("mlflow.source.git.commit") or ""),
        git_dirty=str(properties.get("azureml.git.dirty") or ""),
        started_at=str(metadata.get("startTimeUtc") or ""),
        ended_at=record.ended_at,
        root_id=record.root_id,
        root_status=root.status if root and root.run_id == record.root_id else "",
        endpoint=root.endpoint if root else "",
        deployment=root.deployment if root and root.endpoint else "",
        description=redact_text(_text_of(metadata.get("description"))),
        created_at=str(metadata.get("createdUtc") or ""),
        owner=_owner_of(metadata.get("createdBy")) if owners else "",
        tags=redact_mapping(_own_tags(metadata.get("tags") or {})),
    )


def _read_environment(environment: object) -> tuple[Environment | None, str]:
    """Return an environment, and a sentence if it cannot be read."""
    if not isinstance(environment, dict):
        return None, ""
    try:
        return parse_environment(checked(environment, _ENVIRONMENT, "environment")), ""
    except ValueError as error:
        return None, f"The environment of this run cannot be read: {error}."


def _owner_of(created_by: object) -> str:
    return _text_of(created_by.get("userObjectId")) if isinstance(created_by, Mapping) else ""


def _text_of(value: object) -> str:
    return value if isinstance(value, str) else ""


def _own_tags(tags: Mapping[str, object]) -> dict[str, object]:
    """Return the tags that people set; the others are notes of Azure ML, of MLflow, and those this product reads."""
    return {name: value for name, value in tags.items() if not _OF_A_SERVICE.match(name)}


@dataclass(frozen=True, slots=True)
class Logged:
    """
    What a run logged with MLflow; `metrics` has the last values, `notes` say what of it cannot be read.

    Attributes:
        signed: something was logged by code, so metrics may have been.
    """

    metrics: Mapping[str, float]
    params: Mapping[str, str]
    tags: Mapping[str, str]
    signed: bool
    notes: str


def read_logged(mlflow: Json | None) -> Logged:
    """
    Read `data` of MLflow's view of a run; what is odd in it costs itself alone.

    Shape: Run, RunData, Metric, Param and RunTag of MLflow's REST API (mlflow/protos/service.proto). JSON of Protocol
    Buffers may leave out a value that is empty.

    >>> read_logged({"data": {"params": [{"key": "lr"}, "odd"], "metrics": [{"key": "AUC", "value": "NaN"}]}}).notes
    'Not readable in what was logged with MLflow: 1 of its params.'
    """
    body = mlflow or {}
    data = body.get("data")
    metrics, odd_metrics = _list_logged(data, "metrics", _to_number)
    params, odd_params = _list_logged(data, "params", _to_text)
    tags, odd_tags = _list_logged(data, "tags", _to_text)
    odd = {"metrics": odd_metrics, "params": odd_params, "tags": odd_tags}
    listed = ", ".join(f"{count} of its {member}" for member, count in odd.items() if count)
    return Logged(
        metrics={key: value for key, value in metrics.items() if value is not None},
        params={key: value or "" for key, value in params.items()},
        tags={key: value or "" for key, value in tags.items()},
        signed=bool(params or body.get("inputs") or _SET_BY_CODE & tags.keys()),
        notes=f"Not readable in what was logged with MLflow: {listed}." if listed else "",
    )


def _list_logged(data: object, member: str, read: Callable[[object], T]) -> tuple[dict[str, T | None], int]:
    """Return the values of `metrics`, `params` or `tags` by their keys, and how many items cannot be read."""
    items = data.get(member) if isinstance(data, Mapping) else None
    found: dict[str, T | None] = {}
    odd = 0
    for item in items if isinstance(items, list) else ():
        match item:
            case {"key": str(key), "value": value} if value is not None:
                try:
                    found[key] = read(value)
                except ValueError:
                    odd += 1
            case {"key": str(key)}:
                found[key] = None
            case _:
                odd += 1
    return found, odd


def _to_number(value: object) -> float:
    if isinstance(value, int | float | str):
        return float(value)
    raise ValueError("is no number")


def _to_text(value: object) -> str:
    if isinstance(value, str):
        return value
    raise ValueError("is no text")


def read_job_settings(job: Json) -> dict[str, str]:
    """
    Return the settings of an AutoML or sweep job, which no run record holds; those it does not have are left out.

    Shape: AutoMLJob and SweepJob of azure-rest-api-specs, Microsoft.MachineLearningServices 2024-01-01-preview.

    >>> read_job_settings({"properties": {"objective": {"goal": "Maximize"}, "limits": {"timeout": "PT1H30M"}}})
    {'goal': 'Maximize', 'experiment_timeout_minutes': '90'}
    """
    properties = job.get("properties")
    settings = {
        name: str(value) for name, paths in _JOB_SETTINGS.items() if (value := _first_at(properties, paths)) != ""
    }
    if match := _DURATION.fullmatch(str(_first_at(properties, _TIMEOUTS) or "-")):
        days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
        settings["experiment_timeout_minutes"] = str((days * 24 + hours) * 60 + minutes + seconds // 60)
    if compute := str(_first_at(properties, ("computeId",))):
        settings["compute_target"] = compute.rpartition("/")[2]
    space = properties.get("searchSpace") if isinstance(properties, Mapping) else None
    if isinstance(space, Mapping) and space:
        settings["search_space"] = json.dumps(space, sort_keys=True)
    return settings


def _first_at(value: object, paths: Iterable[str]) -> str | int | float | bool:
    """Return the first text, number or truth value at one of some paths; "" if there is none."""
    for path in paths:
        at = value
        for member in path.split("."):
            at = at.get(member) if isinstance(at, Mapping) else None
        if isinstance(at, str | int | float | bool) and at != "":
            return at
    return ""


def _best_settings(record: Record, found: Logged) -> dict[str, str]:
    """Name the trial that was chosen, and what it was tried with, where its tags say so."""
    if not record.best_child_id:
        return {}
    tried = {"best_hyperparameters": found.tags["hyperparameters"]} if "hyperparameters" in found.tags else {}
    return {"best_run": record.best_child_id, **tried}


def _literals(definition: Json) -> dict[str, object]:
    parameters = definition.get("parameters")
    literals: dict[str, object] = dict(parameters) if isinstance(parameters, Mapping) else {}
    variables = definition.get("environmentVariables")
    for name, value in variables.items() if isinstance(variables, Mapping) else ():
        if name.startswith(_PARAMETER_PREFIX):
            literals[name.removeprefix(_PARAMETER_PREFIX)] = value
    return literals
