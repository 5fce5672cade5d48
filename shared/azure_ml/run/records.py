"""The records of run history, and what one says of its run: names, parameters, metrics, git."""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from shared.azure_ml.run.environments import parse_environment
from shared.http.rest import Json
from shared.model import ColumnMapping, Port, Run
from shared.redaction import redact_mapping, redact_text

_KNOWN_KINDS = frozenset({"", "automl", "hyperdrive", "azureml.scriptrun", "azureml.steprun", "azureml.pipelinerun"})
"""Types of runs; "" is that of AutoML's children, and of code that only logs to MLflow."""
_SEARCHES = frozenset({"automl", "hyperdrive"})
_PIPELINE = "azureml.PipelineRun"
_PARTIAL = "Partial: nothing is known here of the kind of run {}; what its record says is shown."
_OF_A_SERVICE = re.compile(r"azureml\.|mlflow\.|_aml_system|automl_|_azureml|lineage\.|(hyperparameters|is_gpu)$")
_PARAMETER_PREFIX = "AZUREML_PARAMETER_"


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
    def is_of_unknown_kind(self) -> bool:
        """Whether neither its type nor a definition of how it was submitted says what it is."""
        return not self.definition and str(self.metadata.get("runType") or "").casefold() not in _KNOWN_KINDS

    @property
    def is_pipeline(self) -> bool:
        return _PIPELINE in (self.metadata.get("runType"), self.properties.get("azureml.runsource"))


def is_search(kind: str) -> bool:
    """Whether runs of a kind try others out and choose the best: sweeps and AutoML."""
    return kind.casefold() in _SEARCHES


@dataclass(frozen=True, slots=True)
class RootFacts:
    """What a root's record says of the runs below it: how it ended, and the batch endpoint it ran for, if any."""

    run_id: str
    status: str
    endpoint: str
    deployment: str

    @classmethod
    def of(cls, root: Record, *, experiment: str) -> "RootFacts":
        tags, properties = root.metadata.get("tags") or {}, root.properties
        of_model = str(tags.get("azureml.batchrun") or "").casefold() == "true"
        # A batch endpoint gives its own name to the experiment of the jobs of a model deployment.
        endpoint = str(properties.get("azureml.endpointname") or (experiment if of_model else ""))
        deployment = str(tags.get("azureml.deploymentname") or properties.get("azureml.deploymentname") or "")
        return cls(root.run_id, root.status, endpoint, deployment)


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
    data = (mlflow or {}).get("data") or {}
    found = (best or {}).get("data") or {}
    partial = _PARTIAL.format(metadata.get("runType")) if record.is_of_unknown_kind else ""
    logged = {str(item["key"]): item["value"] for item in data.get("params") or []}
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
        environment=parse_environment(record.definition.get("environment")),
        parameters=redact_mapping(
            {**settings, **_best_settings(record, found), **logged, **_literals(record.definition)}
        ),
        metrics={**_metrics(found), **_metrics(data)},
        column_mappings=column_mappings,
        notes=" ".join(filter(None, (partial, *notes))),
        command=redact_text(str(record.definition.get("command") or "")),
        compute=str(record.definition.get("target") or ""),
        component=f"{module}:{version}" if module and version else str(module or ""),
        git_repository=redact_text(str(properties.get("mlflow.source.git.repoURL") or "")),
        git_branch=str(properties.get("mlflow.source.git.branch") or ""),
        git_commit=str(properties.get("mlflow.source.git.commit") or ""),
        git_dirty=str(properties.get("azureml.git.dirty") or ""),
        started_at=str(metadata.get("startTimeUtc") or ""),
        ended_at=str(metadata.get("endTimeUtc") or ""),
        root_id=record.root_id,
        root_status=root.status if root and root.run_id == record.root_id else "",
        endpoint=root.endpoint if root else "",
        deployment=root.deployment if root and root.endpoint else "",
        description=redact_text(str(metadata.get("description") or "")),
        created_at=str(metadata.get("createdUtc") or ""),
        owner=str((metadata.get("createdBy") or {}).get("userObjectId") or "") if owners else "",
        tags=redact_mapping(_own_tags(metadata.get("tags") or {})),
    )


def _own_tags(tags: Mapping[str, object]) -> dict[str, object]:
    """Return the tags that people set; the others are notes of Azure ML, of MLflow, and those this product reads."""
    return {name: value for name, value in tags.items() if not _OF_A_SERVICE.match(name)}


def _metrics(data: Json) -> dict[str, float]:
    return {
        str(item["key"]): float(item["value"]) for item in data.get("metrics") or [] if item.get("value") is not None
    }


def _best_settings(record: Record, found: Json) -> dict[str, str]:
    """Name the trial that was chosen, and what it was tried with, where its tags say so."""
    if not record.best_child_id:
        return {}
    tags = {str(item["key"]): str(item["value"]) for item in found.get("tags") or []}
    tried = {"best_hyperparameters": tags["hyperparameters"]} if "hyperparameters" in tags else {}
    return {"best_run": record.best_child_id, **tried}


def _literals(definition: Json) -> dict[str, object]:
    parameters = definition.get("parameters")
    literals: dict[str, object] = dict(parameters) if isinstance(parameters, Mapping) else {}
    for name, value in (definition.get("environmentVariables") or {}).items():
        if name.startswith(_PARAMETER_PREFIX):
            literals[name.removeprefix(_PARAMETER_PREFIX)] = value
    return literals
