"""What is known of each kind of asset: one row for each type of the catalog. Names of types are written here only."""

from dataclasses import dataclass
from enum import StrEnum

SERVICE_TYPE = "Custom ML"
"""Groups our assets under "Browse by source type" in Purview."""
DATA_SET, PROCESS = "DataSet", "Process"
"""Atlas's own types, which all types below extend."""

WORKSPACE, DATASTORE, EXPERIMENT = "custom_ml_workspace", "custom_ml_datastore", "custom_ml_experiment"
STEP, REGISTRATION, DEPLOYMENT = "custom_ml_experiment_step", "custom_ml_dataset_registration", "custom_ml_deployment"
LINK = "ProcessWithColumnMapping"
DATA_ASSET, MODEL, ENDPOINT = "custom_ml_dataset", "custom_ml_model", "custom_ml_model_endpoint"
OTHER_DATA = "custom_dataset"
"""Data that Purview does not scan, or whose own type only a scan can write."""
SETTINGS, METRICS = "custom_ml_exp_config", "custom_ml_model_metrics"
PACKAGES, PACKAGE = "custom_ml_packages", "custom_ml_package"

SCHEMA, COLUMN = "tabular_schema", "column"
SCHEMA_ATTRIBUTE = "tabular_schema"
"""The relationship attribute that leads from data to its schema."""

POWER_BI_DATASET, POWER_BI_REPORT, POWER_BI_DASHBOARD = "powerbi_dataset", "powerbi_report", "powerbi_dashboard"
POWER_BI_DATAFLOW, POWER_BI_DATASET_PROCESS = "powerbi_dataflow", "powerbi_dataset_process"

ADLS_SERVICE, ADLS_FILESYSTEM = "azure_datalake_gen2_service", "azure_datalake_gen2_filesystem"
ADLS_PATH, ADLS_RESOURCE_SET = "azure_datalake_gen2_path", "azure_datalake_gen2_resource_set"
BLOB_SERVICE, BLOB_CONTAINER = "azure_blob_service", "azure_blob_container"
BLOB_PATH, BLOB_RESOURCE_SET = "azure_blob_path", "azure_blob_resource_set"
FILE_SERVICE, FILE_SHARE = "azure_file_service", "azure_file_share"
FILE_DIRECTORY, AZURE_FILE = "azure_file_directory", "azure_file"
FILE_RESOURCE_SET = "azure_file_resource_set"
RESOURCE_SETS = (ADLS_RESOURCE_SET, BLOB_RESOURCE_SET, FILE_RESOURCE_SET)
AZURE_SQL_TABLE, AZURE_SQL_VIEW = "azure_sql_table", "azure_sql_view"
AZURE_SQL_DW_TABLE, AZURE_SQL_MI_TABLE = "azure_sql_dw_table", "azure_sql_mi_table"
SYNAPSE_SERVERLESS_TABLE = "azure_synapse_serverless_sql_table"
SYNAPSE_SERVERLESS_VIEW = "azure_synapse_serverless_sql_view"
SYNAPSE_DEDICATED_TABLE = "azure_synapse_dedicated_sql_table"
SQL_SERVER_TABLE, AZURE_MYSQL_TABLE = "mssql_table", "azure_mysql_table"
POSTGRESQL_TABLE, AZURE_POSTGRESQL_TABLE = "postgresql_table", "azure_postgresql_table"
DATA_EXPLORER_TABLE = "azure_data_explorer_table"
HIVE_TABLE, DATABRICKS_TABLE = "hive_table", "databricks_table"
DATABRICKS_WORKSPACE, DATABRICKS_NOTEBOOK = "databricks_workspace", "databricks_notebook"
DATABRICKS_JOB, DATABRICKS_NOTEBOOK_TASK = "databricks_job", "databricks_notebook_task"
DATABRICKS_PROCESS = "databricks_process"
FABRIC_LAKEHOUSE, FABRIC_LAKE_WAREHOUSE = "fabric_lakehouse", "fabric_lake_warehouse"
FABRIC_LAKEHOUSE_TABLE, FABRIC_LAKEHOUSE_PATH = "fabric_lakehouse_table", "fabric_lakehouse_path"
FABRIC_WAREHOUSE, FABRIC_WAREHOUSE_SCHEMA = "fabric_warehouse", "fabric_warehouse_schema"
FABRIC_WAREHOUSE_TABLE = "fabric_warehouse_table"
_RESOURCE_SET = "_resource_set"


class Role(StrEnum):
    """What a kind does in a lineage graph."""

    DATA = "data"
    """Flows: a run reads or writes it, an endpoint serves it, a report shows it."""
    PROCESS = "process"
    """Data flows through it."""
    DESCRIBES_RUN = "describes a run"
    """Is an input or output of a run, or part of one, but no data: settings, metrics, packages."""
    DESCRIBES_DATA = "describes data"
    CONTAINER = "container"
    """Holds other assets; no edge leads to it or from it."""


@dataclass(frozen=True, slots=True)
class Kind:
    """
    One type of the catalog.

    Attributes:
        word: what people call it, in `lineage show`, in the explorer and in docs/coverage.md.
        icon, family: how the explorer draws it: a name in its `ICONS`, and one in its `FAMILIES` of colours.
        openlineage: as what it is sent: the type of the job for a process, the type of the dataset for data, the member
            of the run's facet for what describes a run. "" for no type; what describes a run is then left out.
        values: the attribute that holds everything of it as JSON, where an entity is a set of named values.
        listed_as: what `lineage impact` lists it as; "" for what only leads there.
        labelled: carries labels for the classified data upstream, wherever it is.
        description, attributes: of the types that we install; every attribute is an optional string, because that is
            what the accelerator left behind.
        retired: when `lineage retire-accelerator` deletes it: processes before data, children before parents, so that
            nothing is deleted twice; 0 for what the accelerator did not write.
    """

    type_name: str
    role: Role
    word: str
    icon: str
    family: str
    openlineage: str = ""
    values: str = ""
    listed_as: str = ""
    labelled: bool = False
    super_type: str = DATA_SET
    description: str = ""
    attributes: tuple[str, ...] = ()
    retired: int = 0

    @property
    def is_ours(self) -> bool:
        """Whether we install the type."""
        return self.description != ""

    @property
    def is_set_of_files(self) -> bool:
        """Whether a scan made one asset of the files of a folder."""
        return self.type_name.endswith(_RESOURCE_SET)

    @property
    def is_process(self) -> bool:
        return self.super_type == PROCESS


@dataclass(frozen=True, slots=True)
class Containment:
    """A COMPOSITION: the child carries its parent on creation and on every full update."""

    name: str
    parent_type: str
    children_attribute: str
    child_type: str
    parent_attribute: str


# fmt: off
SETTING_ATTRIBUTES = (
    "task_type", "enable_early_stopping", "experiment_timeout_minutes", "primary_metric", "compute_target",
    "label_column_name", "n_cross_validations", "model_explainability",
)
METRIC_ATTRIBUTES = ("AUC", "Accuracy", "Precision", "Recall", "F1")
"""What the accelerator gave an attribute of its own; all settings and metrics are in one JSON attribute beside them."""
_OF_WORKSPACE = ("workspace_name", "workspace_subscription_id", "workspace_resource_group")

_OURS = (
    Kind(
        OTHER_DATA, Role.DATA, "data", "file", "storage", retired=13,
        description="Data outside the storage that Purview catalogues.", attributes=("format",),
    ),
    Kind(
        LINK, Role.PROCESS, "link", "arrow", "link", openlineage="LINK", super_type=PROCESS, retired=1,
        description="A process that maps columns.", attributes=("columnMapping",),
    ),
    Kind(
        WORKSPACE, Role.CONTAINER, "workspace", "stack", "link", retired=15,
        description="An Azure ML workspace.", attributes=("subscription_id", "resource_group", "region"),
    ),
    Kind(
        DATASTORE, Role.CONTAINER, "datastore", "disk", "storage", retired=14,
        description="A datastore of a workspace.",
        attributes=(
            "container_name", "account_name", "protocol", "endpoint", "server_name", "database_name", "createdby",
            "datastore_type",
        ),
    ),
    Kind(
        DATA_ASSET, Role.DATA, "data asset", "table", "asset", retired=12,
        description="A version of a registered data asset.",
        attributes=("createdby", "createdtime", "version", "data_type", "path", "tags", "studio_url", "notes"),
    ),
    Kind(
        EXPERIMENT, Role.CONTAINER, "experiment", "flask", "run", super_type=PROCESS, retired=3,
        description="An experiment: the container of its runs.",
        attributes=("notes", "createdby", "createdtime", "columnMapping"),
    ),
    Kind(
        STEP, Role.PROCESS, "run", "play", "run", openlineage="STEP", super_type=PROCESS, retired=2,
        description="A run that did work.",
        attributes=(
            "notes", "tags", "studio_url", "run_id", "run_type", "status", "created_at", "started_at", "ended_at",
            "command", "compute_target", "component", "environment", "git_repository", "git_branch", "git_commit",
            "git_dirty", "pipeline_run_id", "pipeline_status", "endpoint", "deployment", "state", "columnMapping",
            "column_mapping_source",
        ),
    ),
    Kind(
        PACKAGES, Role.DESCRIBES_RUN, "packages", "box", "setting", openlineage="packages", retired=7,
        description="A version of an environment.", attributes=("notes", "version", "registry"),
    ),
    Kind(
        PACKAGE, Role.DESCRIBES_RUN, "package", "box", "setting", retired=6,
        description="A package in an environment.",
        attributes=(
            "programming_language", "package_name", "version", "notes", "specifier", "extras", "marker", "source",
        ),
    ),
    Kind(
        SETTINGS, Role.DESCRIBES_RUN, "settings", "sliders", "setting", openlineage="settings", values="parameters",
        retired=8, description="The settings of a run.", attributes=(*SETTING_ATTRIBUTES, "parameters"),
    ),
    Kind(
        METRICS, Role.DESCRIBES_RUN, "metrics", "gauge", "setting", openlineage="metrics", values="metrics",
        retired=9, description="The metrics a run logged.", attributes=(*METRIC_ATTRIBUTES, "metrics"),
    ),
    Kind(
        MODEL, Role.DATA, "model", "cube", "model", openlineage="MODEL", listed_as="model", labelled=True, retired=11,
        description="A version of a registered model.",
        attributes=(
            *_OF_WORKSPACE, "id", "version", "tags", "properties", "model_type", "path", "flavors", "stage", "state",
            "studio_url", "createdby", "createdtime",
        ),
    ),
    Kind(
        ENDPOINT, Role.DATA, "endpoint", "cloud", "serving", listed_as="endpoint", labelled=True, retired=10,
        description="An endpoint that serves models.",
        attributes=(
            *_OF_WORKSPACE, "image_id", "compute_type", "state", "scoring_uri", "tags", "properties", "created_by",
            "sample_json", "studio_url", "notes",
        ),
    ),
    Kind(
        DEPLOYMENT, Role.PROCESS, "deployment", "rocket", "serving", openlineage="DEPLOYMENT", super_type=PROCESS,
        description="A deployment: model versions to an endpoint.",
        attributes=("state", "traffic", "instance_type", "environment", "notes", "columnMapping"),
    ),
    Kind(
        REGISTRATION, Role.PROCESS, "registration", "tag", "link", openlineage="REGISTRATION", super_type=PROCESS,
        description="The registration of a data asset version from a storage path.",
        attributes=("notes", "columnMapping"),
    ),
)
# fmt: on


def _by_name(type_name: str) -> Kind:
    """Make the row of a type that a scan writes, which its name says enough about; what says nothing is data."""
    if type_name.endswith(_RESOURCE_SET):
        return Kind(type_name, Role.DATA, "resource set", "files", "storage")
    if type_name.endswith("_table"):
        return Kind(type_name, Role.DATA, "table", "table", "storage", openlineage="TABLE")
    if type_name.endswith("_path") or type_name == AZURE_FILE:
        return Kind(type_name, Role.DATA, "storage path", "file", "storage", openlineage="FILE")
    if type_name.endswith(("_file", "_file_directory")):
        return Kind(type_name, Role.DATA, "storage path", "file", "storage")
    word = type_name.removeprefix("custom_ml_").replace("powerbi_", "Power BI ").replace("_", " ")
    if type_name.endswith("_view"):
        return Kind(type_name, Role.DATA, word, "table", "storage", openlineage="VIEW")
    return Kind(type_name, Role.DATA, word, "disk", "storage")


_PURVIEWS = (
    Kind(SCHEMA, Role.DESCRIBES_DATA, "tabular schema", "table", "storage", retired=5),
    Kind(COLUMN, Role.DESCRIBES_DATA, "column", "table", "storage", retired=4),
    Kind(POWER_BI_DATASET, Role.DATA, "Power BI dataset", "table", "report"),
    Kind(POWER_BI_REPORT, Role.DATA, "Power BI report", "chart", "report", listed_as="report"),
    Kind(POWER_BI_DASHBOARD, Role.DATA, "Power BI dashboard", "chart", "report", listed_as="report"),
    Kind(POWER_BI_DATASET_PROCESS, Role.PROCESS, "Power BI dataset process", "arrow", "link", super_type=PROCESS),
    Kind(DATABRICKS_PROCESS, Role.PROCESS, "databricks process", "arrow", "link", super_type=PROCESS),
)
_SCANNED = (
    POWER_BI_DATAFLOW, ADLS_SERVICE, ADLS_FILESYSTEM, ADLS_PATH, ADLS_RESOURCE_SET, BLOB_SERVICE, BLOB_CONTAINER,
    BLOB_PATH, BLOB_RESOURCE_SET, FILE_SERVICE, FILE_SHARE, FILE_DIRECTORY, AZURE_FILE, FILE_RESOURCE_SET,
    AZURE_SQL_TABLE, AZURE_SQL_VIEW, AZURE_SQL_DW_TABLE, AZURE_SQL_MI_TABLE, SYNAPSE_SERVERLESS_TABLE,
    SYNAPSE_SERVERLESS_VIEW, SYNAPSE_DEDICATED_TABLE, SQL_SERVER_TABLE, AZURE_MYSQL_TABLE, POSTGRESQL_TABLE,
    AZURE_POSTGRESQL_TABLE, DATA_EXPLORER_TABLE, HIVE_TABLE, DATABRICKS_TABLE, DATABRICKS_WORKSPACE, DATABRICKS_JOB,
    DATABRICKS_NOTEBOOK, DATABRICKS_NOTEBOOK_TASK, FABRIC_LAKEHOUSE, FABRIC_LAKE_WAREHOUSE, FABRIC_LAKEHOUSE_TABLE,
    FABRIC_LAKEHOUSE_PATH, FABRIC_WAREHOUSE, FABRIC_WAREHOUSE_SCHEMA, FABRIC_WAREHOUSE_TABLE,
)  # fmt: skip
KINDS = {kind.type_name: kind for kind in (*_OURS, *_PURVIEWS, *map(_by_name, _SCANNED))}
"""The table, by type."""

CONTAINMENTS = (
    Containment("custom_ml_workspace_datastore", WORKSPACE, "datastores", DATASTORE, "workspace"),
    Containment("custom_ml_workspace_experiment", WORKSPACE, "experiments", EXPERIMENT, "workspace"),
    Containment("custom_ml_datastore_to_dataset", DATASTORE, "dataset", DATA_ASSET, "datastore"),
    Containment("custom_ml_experiment_to_experimentstep", EXPERIMENT, "experimentstep", STEP, "experiment"),
    Containment("custom_ml_packages_to_package", PACKAGES, "package", PACKAGE, "packages"),
)
"""What we install of relationships; those of a schema are Purview's own."""


def kind_of(type_name: str) -> Kind:
    """
    Return the row of a type; of one that the table does not have, what its name says.

    >>> kind_of("azure_blob_path").word, kind_of("azure_sql_table").word, kind_of("hive_view").word
    ('storage path', 'table', 'hive view')
    """
    return KINDS.get(type_name) or _by_name(type_name)


def list_ours() -> tuple[Kind, ...]:
    """Return the kinds whose types we install."""
    return tuple(kind for kind in KINDS.values() if kind.is_ours)
