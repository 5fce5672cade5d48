"""The app settings, read once at start; every bad one is reported at once, by name."""

import ipaddress
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Self
from urllib.parse import urlsplit

from shared.catalog.downstream import NOTHING, Downstream, read_downstream
from shared.clouds import BY_ARM_ENDPOINT, PUBLIC
from shared.errors import ConfigurationError

_ACCOUNT = re.compile(r"[a-z0-9]{3,24}")

APP = Path(__file__).parents[1]
"""The folder of the app: where host.json is."""
DEFAULT_DOWNSTREAM = "downstream.yaml"
DEFAULT_ARM_ENDPOINT = f"https://{PUBLIC.arm}"
WORKER, CONSOLE = "worker", "console"
OFF, ON = "off", "on"
_APPLICATION_INSIGHTS = "APPLICATIONINSIGHTS_CONNECTION_STRING"
"""An app setting of the Functions host and its worker: where telemetry is sent."""
_WORKER_EXPORTS = "PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY"
"""An app setting of the Functions worker: it sends metrics and traces to Application Insights."""
_SHORTEST, _LONGEST = 30, 36_500
"""Days; what is younger may be asked for again by an event that is late."""
_TRUE = ("1", "true", "t", "yes", "y")
"""What the worker takes for yes."""


@dataclass(frozen=True, slots=True)
class StorageAccount:
    """An Azure Storage account, reached with the app's identity."""

    blob_endpoint: str
    """`https://{account}.blob.core.windows.net`; queue and table endpoints differ in that one word."""


@dataclass(frozen=True, slots=True)
class Azurite:
    """Azure Storage on this machine: blob, queue and table on three ports in a row."""

    base_port: int = 10_000


@dataclass(frozen=True, slots=True)
class Settings:
    """
    What the environment says.

    Attributes:
        purview_endpoint: base URL of the catalog, without path.
        purview_collection: the collection for new entities; "" for the root collection.
        workspaces: allow-list of workspace ARM ids, or prefixes of them.
        storage: what holds queue, ledger and dead letters: a SQLite file, a storage account, or Azurite.
        arm_endpoint: base URL of Azure Resource Manager.
        credential: `default` or `emulator`.
        ca_bundle: a PEM file of certificate authorities to trust beside the usual ones.
        owners: whether to write who submitted runs and made assets, which is personal data.
        classification_labels: whether labels say which classified data a model, endpoint or prediction was made of.
        infer_columns: whether equal column names of known schemas make a column mapping.
        downstream: what data feeds in Power BI, besides what the tags of data assets say.
        openlineage_out: where lineage goes as OpenLineage: `console`, `file:///path`, a URL, or "" for nowhere.
        openlineage_scope: OAuth scope of the token sent to the receiver; "" to send none.
        telemetry: where it goes: to Application Insights as the app settings of the Functions `worker` say, or to the
            `console`.
        openlineage_jobs: allow-list of namespaces of jobs that OpenLineage may report; one that ends in `*` stands
            for all that begin so. Empty: nothing is taken.
        scanners: the names or object ids under which Purview's scans write; what they wrote was scanned.
        retention_days: what is older and no longer needed leaves the ledger; 0 keeps all.
    """

    purview_endpoint: str
    workspaces: tuple[str, ...]
    storage: Path | StorageAccount | Azurite
    purview_collection: str = ""
    arm_endpoint: str = DEFAULT_ARM_ENDPOINT
    credential: str = "default"
    ca_bundle: str | None = None
    owners: bool = False
    infer_columns: bool = False
    classification_labels: bool = False
    downstream: Downstream = NOTHING
    openlineage_out: str = ""
    openlineage_scope: str = ""
    telemetry: str = WORKER
    openlineage_jobs: tuple[str, ...] = ()
    scanners: tuple[str, ...] = ()
    retention_days: int = 0

    @classmethod
    def from_env(cls, environ: Mapping[str, str], *, app: Path = APP) -> Self:
        """
        Read the environment, and the files it names.

        Args:
            app: the folder of the app, where a file may lie that no setting names.

        Raises:
            ConfigurationError: names every setting that is missing or wrong.
        """
        reader = _Reader(environ)
        settings = cls(
            purview_endpoint=reader.url("PURVIEW_ENDPOINT"),
            purview_collection=reader.optional("PURVIEW_COLLECTION"),
            workspaces=reader.workspaces("LINEAGE_WORKSPACES"),
            storage=reader.storage("LINEAGE_STORAGE"),
            arm_endpoint=reader.url("LINEAGE_ARM_ENDPOINT", default=DEFAULT_ARM_ENDPOINT),
            credential=reader.choice("LINEAGE_CREDENTIAL", ("default", "emulator")),
            ca_bundle=reader.certificates("LINEAGE_CA_BUNDLE"),
            owners=reader.choice("LINEAGE_OWNERS", (OFF, ON)) == ON,
            infer_columns=reader.choice("LINEAGE_INFER_COLUMNS", (OFF, ON)) == ON,
            classification_labels=reader.choice("LINEAGE_CLASSIFICATION_LABELS", (OFF, ON)) == ON,
            downstream=reader.downstream("LINEAGE_DOWNSTREAM", default=app / DEFAULT_DOWNSTREAM),
            openlineage_jobs=reader.namespaces("LINEAGE_OPENLINEAGE_JOBS"),
            scanners=reader.names("LINEAGE_SCANNERS"),
            retention_days=reader.days("LINEAGE_RETENTION_DAYS"),
            openlineage_out=reader.outlet("LINEAGE_OPENLINEAGE_OUT"),
            openlineage_scope=reader.optional("LINEAGE_OPENLINEAGE_SCOPE"),
            telemetry=reader.choice("LINEAGE_TELEMETRY", (WORKER, CONSOLE)),
        )
        if settings.openlineage_scope and not settings.openlineage_out.startswith("https://"):
            reader.problems.append(
                "LINEAGE_OPENLINEAGE_SCOPE: a token goes to an https URL in LINEAGE_OPENLINEAGE_OUT only"
            )
        endpoints = (settings.purview_endpoint, settings.arm_endpoint)
        if settings.credential == "emulator" and not all(_is_loopback(endpoint) for endpoint in endpoints):
            reader.problems.append(
                "LINEAGE_CREDENTIAL: 'emulator' is only for an emulator on this machine; "
                "PURVIEW_ENDPOINT and LINEAGE_ARM_ENDPOINT must both be loopback addresses"
            )
        if settings.telemetry == CONSOLE and reader.optional(_WORKER_EXPORTS).casefold() in _TRUE:
            reader.problems.append(f"LINEAGE_TELEMETRY: 'console' and {_WORKER_EXPORTS} would both export; give one")
        if reader.problems:
            raise ConfigurationError(reader.problems)
        return settings


class _Reader:
    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = environ
        self.problems: list[str] = []

    def optional(self, name: str) -> str:
        return self._environ.get(name, "").strip()

    def _required(self, name: str, what: str) -> str:
        value = self.optional(name)
        if not value:
            self.problems.append(f"{name}: is not set; give {what}")
        return value

    def url(self, name: str, *, default: str = "") -> str:
        value = (
            self.optional(name)
            or default
            or self._required(name, "a base URL such as https://{account}.purview.azure.com")
        )
        if value and not _is_base_url(value):
            self.problems.append(f"{name}: {value!r} is not a base URL; give https://host without a path")
        return value.rstrip("/")

    def workspaces(self, name: str) -> tuple[str, ...]:
        text = self._required(name, "ARM ids of workspaces, resource groups or subscriptions, separated by commas")
        values = tuple(part.strip() for part in text.split(",") if part.strip())
        if text and not values:
            self.problems.append(f"{name}: {text!r} names no workspace")
        for value in values:
            if not value.casefold().startswith("/subscriptions/") or value.casefold().rstrip("/") == "/subscriptions":
                self.problems.append(f"{name}: {value!r} is not an ARM id; it starts with /subscriptions/{{id}}")
        return values

    def names(self, name: str) -> tuple[str, ...]:
        return tuple(part.strip() for part in self.optional(name).split(",") if part.strip())

    def days(self, name: str) -> int:
        value = self.optional(name) or "0"
        days = int(value) if re.fullmatch(r"[0-9]{1,5}", value) else -1
        if days and not _SHORTEST <= days <= _LONGEST:
            self.problems.append(f"{name}: {value!r} is no number of days; give {_SHORTEST} to {_LONGEST}, or 0")
            return 0
        return days

    def namespaces(self, name: str) -> tuple[str, ...]:
        values = self.names(name)
        for value in values:
            if value == "*":
                self.problems.append(
                    f"{name}: '*' would accept every sender; give namespaces, or how they begin, as name*"
                )
        return values

    def storage(self, name: str) -> Path | StorageAccount | Azurite:
        value = self._required(name, "sqlite:///path/to/file, the name of a storage account, or azurite")
        word, _, port = value.partition(":")
        if value == "azurite" or (word == "azurite" and port.isdecimal() and 0 < int(port) < 65_534):
            return Azurite(int(port)) if port else Azurite()
        if _ACCOUNT.fullmatch(value):
            arm = self.optional("LINEAGE_ARM_ENDPOINT").rstrip("/").casefold()
            return StorageAccount(f"https://{value}.blob.{BY_ARM_ENDPOINT.get(arm, PUBLIC).storage}")
        if value.startswith("https://") and _is_base_url(value) and ".blob." in value:
            return StorageAccount(value.rstrip("/"))
        path = value.removeprefix("sqlite:///")
        if value and (path == value or not path):
            self.problems.append(
                f"{name}: {value!r} is not known; give sqlite:///path/to/file, the name or the blob endpoint of a "
                "storage account, or azurite (azurite:PORT for another port than 10000)"
            )
        elif value and not Path(path).absolute().parent.is_dir():
            self.problems.append(f"{name}: the folder of {path} does not exist")
        elif value and Path(path).is_dir():
            self.problems.append(f"{name}: {path} is a folder, not a file")
        return Path(path)

    def choice(self, name: str, choices: tuple[str, ...]) -> str:
        value = self.optional(name) or choices[0]
        if value not in choices:
            self.problems.append(f"{name}: {value!r} is not one of {', '.join(choices)}")
        return value

    def certificates(self, name: str) -> str | None:
        value = self.optional(name)
        if value and not Path(value).is_file():
            self.problems.append(f"{name}: there is no file {value}")
        elif value:
            try:
                ssl.create_default_context(cafile=value)
            except ssl.SSLError:
                self.problems.append(f"{name}: {value} holds no certificates in PEM")
        return value or None

    def outlet(self, name: str) -> str:
        value = self.optional(name)
        if value in ("", CONSOLE):
            return value
        path = value.removeprefix("file://")
        if value.startswith("file:///"):
            if not Path(path).parent.is_dir() or Path(path).is_dir():
                self.problems.append(f"{name}: {path} is a folder, or in none that exists")
        elif not is_receiver(value):
            self.problems.append(
                f"{name}: give console, file:///path/to/file, or an https URL without user, query and fragment "
                "(http for this machine only)"
            )
        return value

    def downstream(self, name: str, *, default: Path) -> Downstream:
        value = self.optional(name)
        if value and not Path(value).is_file():
            self.problems.append(f"{name}: there is no file {value}")
            return NOTHING
        if not value and not default.is_file():
            return NOTHING
        try:
            return read_downstream(Path(value) if value else default)
        except ConfigurationError as error:
            self.problems += [f"{name}: {problem}" for problem in error.problems]
            return NOTHING


def wants_application_insights(environ: Mapping[str, str]) -> bool:
    """Whether telemetry is to be sent: there is an address, and the worker's setting, if it is there, says yes."""
    exports = environ.get(_WORKER_EXPORTS, "").strip().casefold()
    return bool(environ.get(_APPLICATION_INSIGHTS, "").strip()) and (not exports or exports in _TRUE)


def wants_console(environ: Mapping[str, str]) -> bool:
    """Whether telemetry is to be printed."""
    return environ.get("LINEAGE_TELEMETRY", "").strip() == CONSOLE


def read_storage(environ: Mapping[str, str]) -> Path | StorageAccount | Azurite | None:
    """Return what LINEAGE_STORAGE alone names; None if it is missing or wrong."""
    reader = _Reader(environ)
    storage = reader.storage("LINEAGE_STORAGE")
    return None if reader.problems else storage


def is_receiver(text: str) -> bool:
    """Whether OpenLineage events may be sent to an address: over TLS or on this machine, and no secret is in it."""
    base, _, _ = text.partition("://")[2].partition("/")
    rest = set("?#@").isdisjoint(text)
    return rest and (
        (text.startswith("https://") and _is_base_url(f"https://{base}"))
        or (text.startswith("http://") and _is_loopback(f"https://{base}"))
    )


def _is_base_url(text: str) -> bool:
    try:
        parts = urlsplit(text)
        port_is_right = parts.port is None or parts.port > 0  # reading it is what checks it
    except ValueError:
        return False
    rest = (parts.path.rstrip("/"), parts.query, parts.fragment, parts.username)
    return parts.scheme == "https" and bool(parts.hostname) and port_is_right and not any(rest)


def _is_loopback(endpoint: str) -> bool:
    if not _is_base_url(endpoint):
        return False
    host = urlsplit(endpoint).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
