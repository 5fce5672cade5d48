"""Reads every form in which Azure ML refers to data, models, environments and storage."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from shared.catalog import qualified_names
from shared.model import AssetId, Datastore, Location, WorkspaceId
from shared.places import platforms
from shared.places.place import is_run_log as is_run_log
from shared.places.place import run_of_path as run_of_path
from shared.places.place import without_query


@dataclass(frozen=True, slots=True)
class AssetReference:
    """A registered or anonymous asset version. `workspace` is an ARM-derived id, a GUID, or None: the one at hand."""

    asset: AssetId
    workspace: WorkspaceId | str | None = None

    @property
    def is_anonymous(self) -> bool:
        """Whether AML made the name up for data or a model that no one registered."""
        return is_made_up(self.asset)


@dataclass(frozen=True, slots=True)
class DatastorePath:
    """A path in a datastore of the workspace; the path has no leading slash, a trailing one marks a folder."""

    datastore: str
    path: str
    workspace: WorkspaceId | str | None = None


@dataclass(frozen=True, slots=True)
class RunOutput:
    """A file or folder below an output of a run; the output is "" for its MLflow artifacts."""

    run_id: str
    output: str
    path: str


@dataclass(frozen=True, slots=True)
class Opaque:
    """A form that names no place (a v1 saved-dataset id, say)."""

    text: str


Reference = AssetReference | DatastorePath | RunOutput | Location | Opaque

_GUID = r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}"
_MADE_UP_DATA = re.compile(r"azureml_.+_(?:input_data|output_data)_.+")
_MADE_UP_MODEL = re.compile(rf"azureml_(?:{_GUID}_output_.+|.+_output_mlflow_log_model_\d+)", re.DOTALL | re.IGNORECASE)
_PORT = re.compile(rf"azureml_(?:.+_(?:input_data|output_data)|{_GUID}_output)_(?P<port>.+)", re.DOTALL | re.IGNORECASE)
"""What AML made up, with the name of the input or output in it."""
_MADE_UP, _OUTPUT_OF_A_RUN = "azureml_", "_output_"
_VERSIONED = r"(?P<kind>data|models|environments|datasets)/(?P<name>[^/]+)/versions/(?P<version>[^/]+)"
_ARM = (
    r"(?:azureml:)?/subscriptions/(?P<subscription>[^/]+)/resourcegroups/(?P<group>[^/]+)"
    r"/providers/microsoft\.machinelearningservices/workspaces/(?P<workspace>[^/]+)"
)
_LONG = (
    r"azureml://subscriptions/(?P<subscription>[^/]+)/resourcegroups/(?P<group>[^/]+)/workspaces/(?P<workspace>[^/]+)"
)
_DATASTORE = r"datastores/(?P<datastore>[^/]+)(?:/(?:paths(?:/|$))?(?P<path>.*))?"

_SHORT = re.compile(r"^(?!jdbc:)(?:azureml:)?(?P<name>[^:/@]+):(?P<version>[^:/@]+)$", re.IGNORECASE)


def is_made_up(asset: AssetId) -> bool:
    """
    Whether AML made the name of an asset up, for data or a model to which no one gave a name.

    A model's name counts only if no person would choose it: after a run's GUID, or a model that MLflow logged. That of
    another run's output looks as one that people choose; see `possible_writers`.

    Sources: `get_job_uri_from_input_run_assetId` of Azure/azureml-assets (`azureml_<job>_output_<output>` for models,
    `azureml_<job>_output_data_<output>` for data); recorded outputs of AutoML runs (`…_output_mlflow_log_model_<n>`).

    >>> is_made_up(AssetId("models", "azureml_bike-automl_2_output_mlflow_log_model_971140291", "1"))
    True
    >>> is_made_up(AssetId("models", "azureml_fit_output_model", "1"))
    False
    """
    if asset.registry or asset.kind not in ("data", "models"):
        return False
    form = _MADE_UP_DATA if asset.kind == "data" else _MADE_UP_MODEL
    return form.fullmatch(asset.name) is not None


def label_of(text: str) -> str:
    """
    Return what to call data of which nothing but a reference is known: by its last part, but not by its version.

    >>> label_of("azureml://locations/eastus2/workspaces/guid/data/azureml_sw_input_data_loans/versions/1")
    'loans'
    >>> label_of("azureml://locations/eastus2/workspaces/guid/data/churn/versions/3"), label_of("saveddatasets/7-7")
    ('churn:3', '7-7')
    """
    reference = parse_reference(text)
    if not isinstance(reference, AssetReference):
        return text.rstrip("/").rpartition("/")[2] or text
    port = _PORT.fullmatch(reference.asset.name) if reference.is_anonymous else None
    return port["port"] if port else reference.asset.label


def possible_writers(model: AssetId) -> tuple[str, ...]:
    """
    Return the runs whose output a model's name may stand for, if AML made the name up; the run knows whether it does.

    >>> possible_writers(AssetId("models", "azureml_fit_output_model_output_2", "1"))
    ('fit', 'fit_output_model')
    >>> possible_writers(AssetId("models", "churn_output_model", "1"))
    ()
    """
    if model.registry or not model.name.startswith(_MADE_UP):
        return ()
    rest = model.name.removeprefix(_MADE_UP)
    cuts = (match.start() for match in re.finditer(f"(?={_OUTPUT_OF_A_RUN})", rest))
    return tuple(rest[:cut] for cut in cuts if cut and len(rest) > cut + len(_OUTPUT_OF_A_RUN))


def made_up_model(run_id: str, output: str) -> str:
    """Format the name that AML makes up for the model that an output of a run is."""
    return f"{_MADE_UP}{run_id}{_OUTPUT_OF_A_RUN}{output}"


def _asset(parts: Mapping[str, str | None]) -> Reference:
    kind = str(parts["kind"]).lower().replace("datasets", "data")
    asset = AssetId(kind, str(parts["name"]), str(parts["version"]), parts.get("registry") or "")
    return AssetReference(asset, _workspace(parts))


def _datastore_path(parts: Mapping[str, str | None]) -> Reference:
    return DatastorePath(str(parts["datastore"]), parts["path"] or "", _workspace(parts))


def _run_output(parts: Mapping[str, str | None]) -> Reference:
    return RunOutput(str(parts["run"]), parts.get("output") or "", parts["path"] or "")


_FORMS = tuple(
    (re.compile(f"^{start}{end}$", re.IGNORECASE), to_reference)
    for start, end, to_reference in (
        (_ARM, f"/{_VERSIONED}", _asset),
        (_ARM, f"/{_DATASTORE}", _datastore_path),
        (r"azureml://locations/[^/]+/workspaces/(?P<guid>[^/]+)", f"/{_VERSIONED}", _asset),
        (r"azureml://registries/(?P<registry>[^/]+)", f"/{_VERSIONED}", _asset),
        (_LONG, f"/{_DATASTORE}", _datastore_path),
        (_LONG, f"/{_VERSIONED}", _asset),
        ("azureml:/", f"/{_VERSIONED}", _asset),
        (r"azureml://workspaces/(?P<guid>[^/]+)", f"/{_DATASTORE}", _datastore_path),
        ("azureml:/", f"/{_DATASTORE}", _datastore_path),
        ("azureml:/", r"/jobs/(?P<run>[^/]+)/outputs/(?P<output>[^/]+)(?:/paths/(?P<path>.*))?", _run_output),
        ("runs:", r"/(?P<run>[^/]+)(?:/(?P<path>.*))?", _run_output),
        ("aml:/", r"/artifact/ExperimentRun/dcid\.(?P<run>[^/]+)(?:/(?P<path>.*))?", _run_output),
    )
)


def parse_reference(text: str, *, kind: str = "data") -> Reference:
    """
    Read one reference; `kind` is what the short form `name:version` stands for.

    A form that is not known comes back as Opaque, never as a guess.

    >>> parse_reference("azureml://datastores/lake/paths/raw/a.csv")
    DatastorePath(datastore='lake', path='raw/a.csv', workspace=None)
    >>> parse_reference("azureml:churn:3", kind="models").asset.version
    '3'
    >>> parse_reference("abfss://fs@acct.dfs.core.windows.net/raw/a.csv").url
    'https://acct.dfs.core.windows.net/fs/raw/a.csv'
    """
    for form, to_reference in _FORMS:
        if match := form.match(text):
            return to_reference(match.groupdict())
    if location := platforms.read(text):
        return location
    short = _SHORT.match(text)
    return AssetReference(AssetId(kind, short["name"], short["version"])) if short else Opaque(text)


def _workspace(parts: Mapping[str, str | None]) -> WorkspaceId | str | None:
    if parts.get("workspace"):
        names = (str(parts[name]).lower() for name in ("subscription", "group", "workspace"))
        return WorkspaceId(*names)
    return parts.get("guid")


def to_location(
    reference: DatastorePath,
    datastore: Datastore,
    workspace: WorkspaceId,
    *,
    hierarchical_accounts: Collection[str] = (),
) -> Location:
    """
    Place a datastore path in storage.

    Args:
        hierarchical_accounts: accounts known to have a hierarchical namespace; Purview scans them as ADLS Gen2
            whatever kind of datastore leads there.
    """
    path = without_query(reference.path).strip("/")
    base = _base_url(datastore, workspace, hierarchical=datastore.account in hierarchical_accounts)
    return Location(
        url=f"{base}/{path}" if path else base,
        is_folder=reference.path.endswith("/") or path == "" or "." not in path.rpartition("/")[2],
        run_id=run_of_path(path) or "",
        datastore=datastore,
    )


def _base_url(datastore: Datastore, workspace: WorkspaceId, *, hierarchical: bool) -> str:
    endpoint = datastore.endpoint or "core.windows.net"
    match datastore.kind:
        case "AzureBlob":
            service = "dfs" if hierarchical else "blob"
        case "AzureDataLakeGen2":
            service = "dfs"
        case "AzureFile":
            service = "file"
        case "AzureDataLakeGen1" if datastore.account:
            return f"adl://{datastore.account}.azuredatalakestore.net"
        case "OneLake":
            return f"https://{endpoint}/{datastore.account}/{datastore.container}"
        case _:
            return f"{qualified_names.of_datastore(workspace, datastore.name)}/paths"
    return f"https://{datastore.account}.{service}.{endpoint}/{datastore.container}"
