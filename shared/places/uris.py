"""Reads every form in which Azure ML refers to data, models, environments and storage."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from shared.catalog import qualified_names
from shared.model import AssetId, Datastore, Location, WorkspaceId
from shared.places import platforms
from shared.places.place import without_query


@dataclass(frozen=True, slots=True)
class AssetReference:
    """A registered or anonymous asset version. `workspace` is an ARM-derived id, a GUID, or None: the one at hand."""

    asset: AssetId
    workspace: WorkspaceId | str | None = None

    @property
    def is_anonymous(self) -> bool:
        """Whether AML made the name up for data that no one registered."""
        return _ANONYMOUS.match(self.asset.name) is not None


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

_ANONYMOUS = re.compile(r"^azureml_.+_(?:input_data|output_data|output_mlflow_log_model)_.+$")
_VERSIONED = r"(?P<kind>data|models|environments|datasets)/(?P<name>[^/]+)/versions/(?P<version>[^/]+)"
_ARM = (
    r"(?:azureml:)?/subscriptions/(?P<subscription>[^/]+)/resourcegroups/(?P<group>[^/]+)"
    r"/providers/microsoft\.machinelearningservices/workspaces/(?P<workspace>[^/]+)"
)
_LONG = (
    r"azureml://subscriptions/(?P<subscription>[^/]+)/resourcegroups/(?P<group>[^/]+)/workspaces/(?P<workspace>[^/]+)"
)
_DATASTORE = r"datastores/(?P<datastore>[^/]+)/(?:paths/)?(?P<path>.*)"

_SHORT = re.compile(r"^(?!jdbc:)(?:azureml:)?(?P<name>[^:/@]+):(?P<version>[^:/@]+)$", re.IGNORECASE)
_ARTIFACTS = re.compile(r"(?:^|/)ExperimentRun/dcid\.(?P<run>[^/]+)(?P<rest>/.*)?$")
_DEFAULT_OUTPUT = re.compile(r"^azureml/(?P<run>[^/]+)/(?P<output>[^/]+)(?:/|$)")


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


def run_of_path(path: str) -> str | None:
    """
    Return which run wrote a datastore path, where the path itself says so.

    >>> run_of_path("ExperimentRun/dcid.cmd_1/outputs/model"), run_of_path("azureml/cmd_1/prepared/")
    ('cmd_1', 'cmd_1')
    >>> run_of_path("raw/loan.csv") is None
    True
    """
    match = _ARTIFACTS.search(path) or _DEFAULT_OUTPUT.match(path)
    return match["run"] if match else None


def is_run_log(path: str) -> bool:
    """Whether a path is a run's whole artifact folder: logs and MLflow files, no data set."""
    match = _ARTIFACTS.search(path)
    return match is not None and (match["rest"] or "/") == "/"


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
