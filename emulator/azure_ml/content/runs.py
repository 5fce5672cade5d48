"""A run and what went in and out of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from emulator.azure_ml.content.assets import Tags

TERMINAL = frozenset({"Completed", "Failed", "Canceled"})

# Kinds of runs a scenario can hold, and the runType run history gives each.
RUN_TYPES: Mapping[str, str | None] = {
    "command": "azureml.scriptrun",
    "pipeline": "azureml.PipelineRun",
    "step": "azureml.StepRun",
    "sweep": "hyperdrive",
    "trial": "azureml.scriptrun",
    "automl": "automl",
    "automl_child": None,
    "spark": "azureml.scriptrun",
    "import": "azureml.scriptrun",
    "batch": "azureml.PipelineRun",
    "batch_scoring": "azureml.StepRun",
    "mlflow": None,
    "other": None,
}
ORCHESTRATORS = frozenset({"pipeline", "sweep", "automl", "batch"})
UNDEFINED = ORCHESTRATORS | {"mlflow", "other"}
STEPS = frozenset({"step", "batch_scoring"})

WIRE_TYPES = {
    "uri_file": "UriFile",
    "uri_folder": "UriFolder",
    "mltable": "MLTable",
    "custom_model": "CustomModel",
    "mlflow_model": "MLFlowModel",
    "triton_model": "TritonModel",
}


@dataclass(frozen=True, slots=True)
class Input:
    """
    One input of a run.

    ``asset_id`` is what run history shows (or not: ``TypedAssetReference`` of
    azure-ai-ml 1.35 need not have one), ``job_uri`` what the ARM job was
    given, ``path`` where the bytes are. ``source`` names the run and output
    that feeds it inside a pipeline.
    """

    type: str
    asset_id: str | None
    job_uri: str
    path: str
    source: tuple[str, str] | None = None

    @property
    def is_model(self) -> bool:
        """Whether it is a model rather than data."""
        return self.type.endswith("_model")


@dataclass(frozen=True, slots=True)
class Output:
    """One output of a run; ``template`` still has the literal ``${{name}}`` that stands for the run id."""

    type: str
    asset_id: str | None
    template: str
    registered_as: str | None = None


@dataclass(frozen=True, slots=True)
class SavedDataset:
    """
    A v1 dataset as a run names it; one that was registered has an id and a version of its own besides.

    Without a datastore its location is unknown.
    """

    saved_id: str
    registered_id: str | None = None
    registered_version: str | None = None
    datastore: str | None = None
    path: str = ""


@dataclass(frozen=True, slots=True)
class LoggedInput:
    """Data that the code of a run logged with MLflow as an input."""

    name: str
    source_type: str
    source: object
    context: str = ""
    digest: str = "0f1e2d3c"


@dataclass(frozen=True, slots=True)
class Run:
    """
    One execution, as far as lineage can see it.

    ``params`` may lack a value: JSON of Protocol Buffers leaves out an empty one. With ``search_lacks_metrics``,
    MLflow's ``runs/search`` answers without its metrics and ``runs/get`` with them (azure-sdk-for-python issue 39198).
    """

    id: str
    kind: str
    run_type: str | None
    experiment: str
    experiment_id: str
    status: str
    display_name: str
    parent: str | None
    root: str
    inputs: Mapping[str, Input]
    outputs: Mapping[str, Output]
    parameters: Tags
    metrics: Mapping[str, tuple[float, ...]]
    params: Mapping[str, str | None]
    environment: str | None
    command: str | None
    component: str | None
    tags: Tags
    properties: Tags
    settings: Mapping[str, object]
    created: datetime
    start: datetime
    end: datetime
    created_by: str
    reused_from: str | None = None
    origin: str | None = None
    description: str | None = None
    input_datasets: Mapping[str, SavedDataset] = field(default_factory=dict)
    output_datasets: Mapping[str, SavedDataset] = field(default_factory=dict)
    artifacts: Mapping[str, bytes] = field(default_factory=dict)
    logged_inputs: tuple[LoggedInput, ...] = ()
    arguments: tuple[str, ...] = ()
    data_references: Mapping[str, Tags] = field(default_factory=dict)
    search_lacks_metrics: bool = False
    defined: bool = True

    @property
    def container(self) -> str:
        """Name the data container; a reused step has the one of the run that did the work."""
        return f"dcid.{self.origin or self.id}"

    @property
    def orchestrates(self) -> bool:
        """Whether it only starts other runs."""
        return self.kind in ORCHESTRATORS

    @property
    def is_defined(self) -> bool:
        """Whether run history says how it was submitted; nothing was where code only logged to MLflow."""
        return self.defined and self.kind not in UNDEFINED
