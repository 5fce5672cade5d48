"""Reads every form in which Azure ML refers to data, models, environments and storage."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from shared.catalog import qualified_names
from shared.model import AssetId, Datastore, Location, WorkspaceId
from shared.places.connections import url_of_connection
from shared.redaction import redact_url


@dataclass(frozen=True, slots=True)
class AssetReference:
    """A registered or anonymous asset version. `workspace` is an ARM-derived id, a GUID, or None: the one at hand."""

    asset: AssetId
    workspace: WorkspaceId | str | None = None

    @property
    def is_anonymous(self) -> bool:
        """Whether AML made the name up for data that nobody registered."""
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
class Url:
    """A storage or public URL, its query and user already stripped."""

    url: str


@dataclass(frozen=True, slots=True)
class Opaque:
    """A form that names no place (a v1 saved-dataset id, say)."""

    text: str


Reference = AssetReference | DatastorePath | RunOutput | Url | Opaque

_ANONYMOUS = re.compile(r"^azureml_.+_(?:input_data|output_data|output_mlflow_log_model)_.+$")
_KIND = r"(?P<kind>data|models|environments|datasets)"
_VERSIONED = rf"{_KIND}/(?P<name>[^/]+)/versions/(?P<version>[^/]+)"
_ARM = (
    r"/subscriptions/(?P<subscription>[^/]+)/resourcegroups/(?P<group>[^/]+)"
    r"/providers/microsoft\.machinelearningservices/workspaces/(?P<workspace>[^/]+)"
)
_LONG = (
    r"azureml://subscriptions/(?P<subscription>[^/]+)/resourcegroups/(?P<group>[^/]+)/workspaces/(?P<workspace>[^/]+)"
)
_DATASTORE = r"datastores/(?P<datastore>[^/]+)/(?:paths/)?(?P<path>.*)"

_FORMS = tuple(
    re.compile(f"^{pattern}$", re.IGNORECASE)
    for pattern in (
        rf"{_ARM}/{_VERSIONED}",
        rf"{_ARM}/{_DATASTORE}",
        rf"azureml://locations/[^/]+/workspaces/(?P<guid>[^/]+)/{_VERSIONED}",
        rf"azureml://registries/(?P<registry>[^/]+)/{_VERSIONED}",
        rf"{_LONG}/{_DATASTORE}",
        rf"{_LONG}/{_VERSIONED}",
        rf"azureml://{_VERSIONED}",
        rf"azureml://workspaces/(?P<guid>[^/]+)/{_DATASTORE}",
        rf"azureml://{_DATASTORE}",
        r"azureml://jobs/(?P<run>[^/]+)/outputs/(?P<output>[^/]+)(?:/paths/(?P<path>.*))?",
        r"runs:/(?P<run>[^/]+)(?:/(?P<path>.*))?",
        r"aml://artifact/ExperimentRun/dcid\.(?P<run>[^/]+)(?:/(?P<path>.*))?",
        r"(?:abfss?|wasbs?)://(?P<container>[^@/]+)@(?P<host>[^/]+)/?(?P<path>.*)",
        r"(?P<jdbc>jdbc:.+)",
        # Other schemes that Purview has names for, and its name of a Hive table, which has no scheme.
        r"(?P<url>(?:https?|adl|mssql(?:\+\w+)?|postgres(?:ql)?(?:\+\w+)?|mysql(?:\+\w+)?|databricks)://.+)",
        r"(?P<url>[^./@:\s]+\.[^/@:\s]+@[^/@\s]+\.(?:azuredatabricks|databricks\.azure)\.[a-z]+)",
    )
)
_SHORT = re.compile(r"^(?:azureml:)?(?P<name>[^:/@]+):(?P<version>[^:/@]+)$")

_ARTIFACTS = re.compile(r"(?:^|/)ExperimentRun/dcid\.(?P<run>[^/]+)(?P<rest>/.*)?$")
_DEFAULT_OUTPUT = re.compile(r"^azureml/(?P<run>[^/]+)/(?P<output>[^/]+)(?:/|$)")


def parse_reference(text: str, *, kind: str = "data") -> Reference:
    """
    Read one reference; `kind` is what the short form `name:version` stands for.

    A form that is not known comes back as Opaque, never as a guess.

    >>> parse_reference("azureml://datastores/lake/paths/raw/a.csv")
    DatastorePath(datastore='lake', path='raw/a.csv', workspace=None)
    >>> parse_reference("azureml:churn:3", kind="models").asset.version
    '3'
    >>> parse_reference("abfss://fs@acct.dfs.core.windows.net/raw/a.csv")
    Url(url='https://acct.dfs.core.windows.net/fs/raw/a.csv')
    """
    for form in _FORMS:
        match = form.match(text)
        if match:
            return _to_reference(match.groupdict())
    short = _SHORT.match(text)
    if short:
        return AssetReference(AssetId(kind, short["name"], short["version"]))
    return Opaque(text)


def _to_reference(parts: Mapping[str, str | None]) -> Reference:
    workspace = _workspace(parts)
    path = parts.get("path") or ""
    if version := parts.get("version"):
        kind = str(parts["kind"]).lower().replace("datasets", "data")
        return AssetReference(AssetId(kind, str(parts["name"]), version, parts.get("registry") or ""), workspace)
    if datastore := parts.get("datastore"):
        return DatastorePath(datastore, path, workspace)
    if run := parts.get("run"):
        return RunOutput(run, parts.get("output") or "", path)
    if host := parts.get("host"):
        return Url(f"https://{host}/{parts['container']}/{_without_query(path)}")
    if jdbc := parts.get("jdbc"):
        url = url_of_connection(jdbc)
        return Url(url) if url else Opaque(jdbc)
    return Url(redact_url(str(parts["url"])))


def _without_query(path: str) -> str:
    """
    Cut the query off a path; a question mark without `=` after it is part of a glob.

    >>> _without_query("raw/a.csv?sv=1&sig=x"), _without_query("raw/part-??.csv")
    ('raw/a.csv', 'raw/part-??.csv')
    """
    head, _, query = path.partition("?")
    return head if "=" in query else path


def _workspace(parts: Mapping[str, str | None]) -> WorkspaceId | str | None:
    if parts.get("workspace"):
        names = (str(parts[name]).lower() for name in ("subscription", "group", "workspace"))
        return WorkspaceId(*names)
    return parts.get("guid")


def run_of_path(path: str) -> str | None:
    """
    Tell which run wrote a datastore path, where the path itself says so.

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
    path = _without_query(reference.path).strip("/")
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
