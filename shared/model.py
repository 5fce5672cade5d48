"""What the resolver finds out about a workspace, as immutable values without a trace of any wire format."""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Self

from packaging.utils import canonicalize_name

from shared.clouds import PUBLIC

_WORKSPACE_ID = re.compile(
    r"/subscriptions/(?P<subscription>[a-z0-9-]+)/resourcegroups/(?P<group>[-\w.()]*[-\w()])"
    r"/providers/microsoft\.machinelearningservices/workspaces/(?P<name>[a-z0-9_-]+)/?"
)
"""Only what Azure lets such names hold: they become parts of URLs, and `..` or `?` would lead elsewhere."""


@dataclass(frozen=True, slots=True, order=True)
class WorkspaceId:
    """Which workspace; lower-cased, because Azure compares resource ids without regard to case."""

    subscription_id: str
    resource_group: str
    name: str

    @classmethod
    def parse(cls, arm_id: str) -> Self:
        """
        Read an ARM id.

        Raises:
            ValueError: it is not the id of an Azure ML workspace.

        >>> WorkspaceId.parse("/subscriptions/S/resourceGroups/RG/providers"
        ...                   "/Microsoft.MachineLearningServices/workspaces/WS").name
        'ws'
        """
        match = _WORKSPACE_ID.fullmatch(arm_id.lower())
        if match is None:
            raise ValueError(f"{arm_id!r} is not the ARM id of an Azure ML workspace")
        return cls(match["subscription"], match["group"], match["name"])

    @property
    def arm_id(self) -> str:
        return (
            f"/subscriptions/{self.subscription_id}/resourceGroups/{self.resource_group}"
            f"/providers/Microsoft.MachineLearningServices/workspaces/{self.name}"
        )


@dataclass(frozen=True, slots=True)
class Workspace:
    """A workspace and what its description adds: display name in its own case, region, and the Studio of its cloud."""

    id: WorkspaceId
    name: str
    region: str
    studio: str = PUBLIC.studio


@dataclass(frozen=True, slots=True, order=True)
class AssetId:
    """One version of a registered asset. `registry` is "" for an asset of the workspace."""

    kind: str
    """`data`, `models` or `environments`."""
    name: str
    version: str
    registry: str = ""

    @property
    def label(self) -> str:
        return f"{self.name}:{self.version}"


@dataclass(frozen=True, slots=True)
class Datastore:
    """A storage account's container as the workspace knows it."""

    name: str
    kind: str
    account: str = ""
    container: str = ""
    protocol: str = "https"
    endpoint: str = ""
    unread: str = field(default="", compare=False)
    """What of it cannot be read, and why; then no more than its name is known."""


@dataclass(frozen=True, slots=True)
class Location:
    """Where data is stored, as a URL without query: `https://acct.dfs.core.windows.net/fs/path`."""

    url: str
    is_folder: bool = False
    run_id: str = ""
    """The run whose id the path carries, in the places where AML puts outputs by default; "" elsewhere."""
    datastore: Datastore | None = None
    """The datastore it was addressed through, if any."""
    unread: str = field(default="", compare=False, repr=False)
    """What cannot be read that would say more of it, and why; "" if nothing is missing."""


@dataclass(frozen=True, slots=True, order=True)
class Column:
    """A column of data and its type as it was declared; "" if no type was."""

    name: str
    data_type: str = ""


@dataclass(frozen=True, slots=True)
class DataAsset:
    """
    One version of a registered data asset.

    Attributes:
        datastore: the one it was registered through; known by its name even where it cannot be read.
        registered_by_run: the run whose id its path carries wrote and registered it; no person did so afterwards.
        created_by: who, in Azure ML's words; "" unless the settings ask for owners, which are personal data.
        columns: its schema as its tag declares it, in order; empty if there is no tag.
        notes: what is wrong with what it declares; "" if nothing is.
        workspace: whose it is, where that is not the one at hand.
        unread: as of a `Location`.
    """

    id: AssetId
    location: Location | None
    datastore: Datastore | None = None
    registered_by_run: bool = False
    data_type: str = ""
    description: str = ""
    created_by: str = ""
    created_at: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    columns: tuple[Column, ...] = ()
    notes: str = ""
    workspace: Workspace | None = None
    unread: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class ModelVersion:
    """
    One version of a registered model.

    Attributes:
        uri: where its files are stored.
        job_name: the run named at registration.
        created_by: as in `DataAsset`.
        stage: `Production`, say; people set it.
        workspace: whose it is, where that is not the one at hand.
        stands_for: the storage path that is shown instead, if Azure ML made the name up for an output of a run.
    """

    id: AssetId
    model_type: str = ""
    description: str = ""
    uri: str = ""
    job_name: str = ""
    created_by: str = ""
    created_at: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    properties: Mapping[str, str] = field(default_factory=dict)
    flavors: tuple[str, ...] = ()
    stage: str = ""
    workspace: Workspace | None = None
    stands_for: Location | None = None


@dataclass(frozen=True, slots=True)
class Unresolved:
    """
    Data that Azure ML named but could not place; kept, so that lineage never shrinks because a look-up failed.

    Attributes:
        text: how Azure ML named it.
        workspace: for an asset of another workspace, which one, if that is known; that one's lineage may know it.
        asset: for an asset of another workspace, which asset.
        unread: as of a `Location`.
    """

    text: str
    workspace: WorkspaceId | None = None
    asset: AssetId | None = None
    unread: str = field(default="", compare=False)


Data = Location | DataAsset | ModelVersion | Unresolved


@dataclass(frozen=True, slots=True)
class Port:
    """A named input or output of a run; `field` is the member of Azure ML's answers that names the data."""

    name: str
    data: Data
    field: str = ""

    @property
    def unread(self) -> str:
        """What cannot be read that would say more of its data, and why; "" if nothing is missing."""
        return "" if isinstance(self.data, ModelVersion) else self.data.unread


@dataclass(frozen=True, slots=True, order=True)
class Package:
    """
    A package as the environment asks for it.

    Attributes:
        name: as it was written.
        version: "" where the specification does not pin one.
        specifier: the constraint on the version, as it was written.
        marker: the condition under which it is installed, in the words of PEP 508.
        source: the URL, repository or channel it comes from, without credentials; "" for the default index.
    """

    name: str
    version: str = ""
    specifier: str = ""
    extras: tuple[str, ...] = ()
    marker: str = ""
    source: str = ""
    language: str = "Python"

    @property
    def key(self) -> str:
        """
        What it is known by within its environment: the normalised name (PEP 503).

        >>> Package("Scikit_Learn").key, Package("dplyr", language="R").key
        ('scikit-learn', 'R:dplyr')
        """
        return canonicalize_name(self.name) if self.language == "Python" else f"{self.language}:{self.name}"


@dataclass(frozen=True, slots=True)
class Environment:
    """
    The environment version a run used.

    `packages` is None when Azure ML does not list them (a Dockerfile, a bare image); `notes` then says so.
    """

    id: AssetId
    packages: tuple[Package, ...] | None
    notes: str = ""


@dataclass(frozen=True, slots=True)
class ColumnMapping:
    """
    Columns of an input that became columns of an output.

    Attributes:
        input, output: names of the run's ports.
        columns: pairs of a column of the input and the column of the output it went into.
        source: what says so, for people: `declared: …` by the run itself, `inferred: …` by this product.
    """

    input: str
    output: str
    columns: tuple[tuple[str, str], ...]
    source: str


@dataclass(frozen=True, slots=True)
class Run:
    """
    A run that did work: a command, a pipeline step, a sweep, an AutoML or Spark run …

    Attributes:
        root_id, root_status: of the pipeline it is a step of. A step that was reused keeps the pipeline it ran in,
            whose status is "" where only the pipeline that reuses it was read.
        endpoint, deployment: what it ran for, if that was a batch endpoint.
        owner: the Entra object id of who submitted it; "" unless the settings ask for owners.
        tags: those that people set, without what Azure ML and MLflow note there for themselves.
        best_child: the trial that a sweep or AutoML run chose.
    """

    id: str
    name: str
    status: str
    experiment: str
    kind: str = ""
    inputs: tuple[Port, ...] = ()
    outputs: tuple[Port, ...] = ()
    environment: Environment | None = None
    parameters: Mapping[str, str] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    column_mappings: tuple[ColumnMapping, ...] = ()
    notes: str = ""
    command: str = ""
    compute: str = ""
    component: str = ""
    git_repository: str = ""
    git_branch: str = ""
    git_commit: str = ""
    git_dirty: str = ""
    started_at: str = ""
    ended_at: str = ""
    root_id: str = ""
    root_status: str = ""
    endpoint: str = ""
    deployment: str = ""
    description: str = ""
    created_at: str = ""
    owner: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    best_child: str = ""

    def has_begun(self, at: str) -> bool:
        """Whether it had begun at a time; if either is not known, it had."""
        start, then = moment(self.started_at), moment(at)
        return start is None or then is None or start <= then


def written_last(runs: Sequence[Run], *, before: str) -> Run | None:
    """
    Return the run that wrote last, before a time, of some that wrote the same folder.

    Returns None where their times, which run history records, do not say so: two of them ran at the same time.
    """
    begun = sorted((run for run in runs if run.has_begun(before)), key=lambda run: run.started_at)
    if len(begun) <= 1:
        return begun[0] if begun else None
    last, start = begun[-1], moment(begun[-1].started_at)
    ends = [moment(run.ended_at) for run in begun[:-1]]
    return last if start and all(end and end <= start for end in ends) else None


def moment(text: str) -> datetime | None:
    """Read a time of Azure ML's; None if it says none."""
    try:
        read = datetime.fromisoformat(text)
    except ValueError:
        return None
    return read if read.tzinfo else read.replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class RunTree:
    """
    A root run and the runs of it that ended; for a plain job that is the root alone.

    `represented_by` maps a run to the run in `runs` that represents it: a reused step to the step it reuses,
    a trial of a sweep to the sweep. `signatures` has for the root and each run a hash of its record as it was read.
    `lagging` names the runs below a root that completed which have not ended, with
    their status: their records lag behind, or they were never ended.
    """

    workspace: Workspace
    root_id: str
    root_status: str
    runs: tuple[Run, ...]
    represented_by: Mapping[str, str] = field(default_factory=dict)
    signatures: Mapping[str, str] = field(default_factory=dict)
    lagging: tuple[str, ...] = ()

    @property
    def settled(self) -> bool:
        return self.root_status.casefold() in SETTLED

    @property
    def signature(self) -> "Signature":
        """What the records of the root and of `runs` say."""
        return Signature.of(self.root_id, (run.id for run in self.runs), self.signatures)


@dataclass(frozen=True, slots=True)
class Signature:
    """What the records of a root run and of runs below it said, as one hash: to see whether they say the same now."""

    root_id: str
    run_ids: tuple[str, ...]
    digest: str

    @classmethod
    def of(cls, root_id: str, run_ids: Iterable[str], signatures: Mapping[str, str]) -> "Signature":
        """
        >>> Signature.of("r", ["b", "a", "r"], {"a": "1", "r": "2"}).run_ids
        ('a', 'b')
        """
        below = tuple(sorted({*run_ids} - {root_id}))
        said = json.dumps([(run_id, signatures.get(run_id, "")) for run_id in (root_id, *below)])
        return cls(root_id, below, hashlib.sha256(said.encode()).hexdigest()[:32])


@dataclass(frozen=True, slots=True)
class Producer:
    """
    The run that produced a model version, in its tree.

    Attributes:
        field: the member of the model version that leads there.
        inferred: it does so by the path of the files or a habit, and not by the name of a run.
        below: the run that did it, if that ran below `run_id`, which stands for it.
    """

    tree: RunTree
    run_id: str
    field: str
    inferred: bool
    below: str = ""


@dataclass(frozen=True, slots=True)
class SeveralWriters:
    """
    Runs that wrote, at the same time, the folder a model's files are in: which of them made it is not known.

    Attributes:
        writers: ids of the runs.
        field: the member of the model version that leads there.
    """

    writers: tuple[str, ...]
    field: str


SETTLED = frozenset({"completed", "finished", "failed", "canceled", "cancelled", "notresponding"})
SUCCEEDED = frozenset({"completed", "finished"})


@dataclass(frozen=True, slots=True)
class Deployment:
    """
    Model versions served behind an endpoint.

    Attributes:
        traffic: its share in per cent; "" in batch.
        field: where Azure ML says which models it serves.
        notes: why it is not known which model it serves; "" if it is.
        changed_at: when it was created or changed last, in UTC; "" if that is not said.
        created_at: when it was created, in UTC; "" if that is not said.
        collected: the data assets that keep its requests and predictions, by the names of the collections.
    """

    name: str
    models: tuple[ModelVersion, ...]
    environment: str = ""
    instance_type: str = ""
    state: str = ""
    traffic: str = ""
    field: str = "properties.model of the deployment"
    notes: str = ""
    collected: tuple[Port, ...] = ()
    changed_at: str = ""
    created_at: str = ""


BATCH, SERVERLESS = "Batch", "Serverless"
"""The compute types of batch and serverless endpoints."""
V1_COMPUTE_TYPES = frozenset({"ACI", "AKS"})
FROM_EVENT = "modelIds of the event ModelDeployed"
"""The field of what a v1 service serves: nothing but its event says so, and no list has it."""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """A serving endpoint and its deployments; `notes` say that there may be others, "" if these are all."""

    workspace: Workspace
    name: str
    compute_type: str
    scoring_uri: str = ""
    state: str = ""
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    deployments: tuple[Deployment, ...] = ()
    notes: str = ""


def to_utc_text(moment: datetime) -> str:
    """Format an aware datetime as `2026-07-01T10:00:00Z`, to the second."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
