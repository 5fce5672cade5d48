"""The type system we install: the accelerator's names, corrected, with two processes of our own."""

from dataclasses import dataclass

SERVICE_TYPE = "Custom ML"
"""Groups our assets under "Browse by source type" in Purview."""


@dataclass(frozen=True, slots=True)
class EntityType:
    """An entity type; every attribute is an optional string, because that is what the accelerator left behind."""

    name: str
    super_type: str
    description: str
    attributes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Containment:
    """A COMPOSITION: the child carries its parent on creation and on every full update."""

    name: str
    parent_type: str
    children_attribute: str
    child_type: str
    parent_attribute: str


SETTING_ATTRIBUTES = (
    "task_type",
    "enable_early_stopping",
    "experiment_timeout_minutes",
    "primary_metric",
    "compute_target",
    "label_column_name",
    "n_cross_validations",
    "model_explainability",
)
METRIC_ATTRIBUTES = ("AUC", "Accuracy", "Precision", "Recall", "F1")
"""What the accelerator gave an attribute of its own; all settings and metrics are in one JSON attribute beside them."""

_WORKSPACE_OF = ("workspace_name", "workspace_subscription_id", "workspace_resource_group")

ENTITY_TYPES = (
    EntityType("custom_dataset", "DataSet", "Data outside the storage that Purview catalogues.", ("format",)),
    EntityType("ProcessWithColumnMapping", "Process", "A process that maps columns.", ("columnMapping",)),
    EntityType(
        "custom_ml_workspace",
        "DataSet",
        "An Azure ML workspace.",
        ("subscription_id", "resource_group", "region"),
    ),
    EntityType(
        "custom_ml_datastore",
        "DataSet",
        "A datastore of a workspace.",
        (
            "container_name",
            "account_name",
            "protocol",
            "endpoint",
            "server_name",
            "database_name",
            "createdby",
            "datastore_type",
        ),
    ),
    EntityType(
        "custom_ml_dataset",
        "DataSet",
        "A version of a registered data asset.",
        ("createdby", "createdtime", "version", "data_type", "path", "tags", "studio_url", "notes"),
    ),
    EntityType(
        "custom_ml_experiment",
        "Process",
        "An experiment: the container of its runs.",
        ("notes", "createdby", "createdtime", "columnMapping"),
    ),
    EntityType(
        "custom_ml_experiment_step",
        "Process",
        "A run that did work.",
        (
            "notes",
            "tags",
            "studio_url",
            "run_id",
            "run_type",
            "status",
            "created_at",
            "started_at",
            "ended_at",
            "command",
            "compute_target",
            "component",
            "environment",
            "git_repository",
            "git_branch",
            "git_commit",
            "git_dirty",
            "pipeline_run_id",
            "pipeline_status",
            "endpoint",
            "deployment",
            "state",
            "columnMapping",
            "column_mapping_source",
        ),
    ),
    EntityType("custom_ml_packages", "DataSet", "A version of an environment.", ("notes", "version", "registry")),
    EntityType(
        "custom_ml_package",
        "DataSet",
        "A package in an environment.",
        ("programming_language", "package_name", "version", "notes", "specifier", "extras", "marker", "source"),
    ),
    EntityType(
        "custom_ml_exp_config",
        "DataSet",
        "The settings of a run.",
        (
            *SETTING_ATTRIBUTES,
            "parameters",
        ),
    ),
    EntityType(
        "custom_ml_model_metrics",
        "DataSet",
        "The metrics a run logged.",
        (*METRIC_ATTRIBUTES, "metrics"),
    ),
    EntityType(
        "custom_ml_model",
        "DataSet",
        "A version of a registered model.",
        (
            *_WORKSPACE_OF,
            "id",
            "version",
            "tags",
            "properties",
            "model_type",
            "path",
            "flavors",
            "stage",
            "state",
            "studio_url",
            "createdby",
            "createdtime",
        ),
    ),
    EntityType(
        "custom_ml_model_endpoint",
        "DataSet",
        "An endpoint that serves models.",
        (
            *_WORKSPACE_OF,
            "image_id",
            "compute_type",
            "state",
            "scoring_uri",
            "tags",
            "properties",
            "created_by",
            "sample_json",
            "studio_url",
        ),
    ),
    EntityType(
        "custom_ml_deployment",
        "Process",
        "A deployment: model versions to an endpoint.",
        ("state", "traffic", "instance_type", "environment", "columnMapping"),
    ),
    EntityType(
        "custom_ml_dataset_registration",
        "Process",
        "The registration of a data asset version from a storage path.",
        ("notes", "columnMapping"),
    ),
)

CONTAINMENTS = (
    Containment(
        "custom_ml_workspace_datastore", "custom_ml_workspace", "datastores", "custom_ml_datastore", "workspace"
    ),
    Containment(
        "custom_ml_workspace_experiment", "custom_ml_workspace", "experiments", "custom_ml_experiment", "workspace"
    ),
    Containment("custom_ml_datastore_to_dataset", "custom_ml_datastore", "dataset", "custom_ml_dataset", "datastore"),
    Containment(
        "custom_ml_experiment_to_experimentstep",
        "custom_ml_experiment",
        "experimentstep",
        "custom_ml_experiment_step",
        "experiment",
    ),
    Containment("custom_ml_packages_to_package", "custom_ml_packages", "package", "custom_ml_package", "packages"),
)
