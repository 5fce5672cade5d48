"""What people call the types of the catalog, and how each is drawn."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """
    How a type is shown.

    Attributes:
        word: what people call it.
        family: what its colour stands for; `stylesheets.FAMILIES` has the colours.
        icon: a name in `icons.ICONS`.
        is_process: drawn rounded.
    """

    word: str
    family: str
    icon: str
    is_process: bool = False


PIPELINE, MORE = "pipeline", "more"
"""Types of nodes that stand for several entities; the catalog has no such types."""

_KINDS = {
    "custom_ml_experiment_step": Kind("run", "run", "play", is_process=True),
    PIPELINE: Kind("pipeline", "run", "stack", is_process=True),
    "custom_ml_experiment": Kind("experiment", "run", "flask", is_process=True),
    "custom_ml_dataset_registration": Kind("registration", "link", "tag", is_process=True),
    "ProcessWithColumnMapping": Kind("link", "link", "arrow", is_process=True),
    "custom_ml_deployment": Kind("deployment", "serving", "rocket", is_process=True),
    "custom_ml_model_endpoint": Kind("endpoint", "serving", "cloud"),
    "custom_ml_model": Kind("model", "model", "cube"),
    "custom_ml_dataset": Kind("data asset", "asset", "table"),
    "custom_ml_exp_config": Kind("settings", "setting", "sliders"),
    "custom_ml_model_metrics": Kind("metrics", "setting", "gauge"),
    "custom_ml_packages": Kind("packages", "setting", "box"),
    "custom_ml_package": Kind("package", "setting", "box"),
    "custom_ml_workspace": Kind("workspace", "link", "stack"),
    "custom_ml_datastore": Kind("datastore", "storage", "disk"),
    "custom_dataset": Kind("data", "storage", "file"),
    "powerbi_dataset": Kind("Power BI dataset", "report", "table"),
    "powerbi_report": Kind("Power BI report", "report", "chart"),
    MORE: Kind("more", "link", "dots"),
}


def kind_of(type_name: str) -> Kind:
    """
    Return how a type is shown; what we do not know is data.

    >>> kind_of("azure_blob_path").word, kind_of("azure_sql_table").word, kind_of("hive_view").word
    ('storage path', 'table', 'hive view')
    """
    if type_name in _KINDS:
        return _KINDS[type_name]
    if type_name.endswith("_resource_set"):
        return Kind("resource set", "storage", "files")
    if type_name.endswith(("_path", "_file", "_file_directory")):
        return Kind("storage path", "storage", "file")
    if type_name.endswith(("_table", "_view")):
        word = "table" if type_name.endswith("_table") else type_name.replace("_", " ")
        return Kind(word, "storage", "table")
    return Kind(type_name.removeprefix("custom_ml_").replace("_", " "), "storage", "disk")
