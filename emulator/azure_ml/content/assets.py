"""What a workspace holds besides its runs: datastores, data, models, environments, components, endpoints."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

Tags = Mapping[str, str]
Key = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Datastore:
    """A named storage location; ``container`` is the filesystem or share where the type calls it so."""

    name: str
    type: str
    account: str
    container: str
    default: bool = False
    endpoint: str = "core.windows.net"
    one_lake_workspace: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """What all versioned assets have in common."""

    name: str
    version: str
    created_at: datetime
    created_by: str
    modified_at: datetime | None = None
    description: str | None = None
    tags: Tags = field(default_factory=dict)
    properties: Tags = field(default_factory=dict)

    @property
    def label(self) -> str:
        """Return it as ``name:version``."""
        return f"{self.name}:{self.version}"

    def arm_path(self, kind: str) -> str:
        """Return its path below the workspace."""
        return f"{kind}/{self.name}/versions/{self.version}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DataVersion(Version):
    """A data asset version; an anonymous one stands for a literal input or an unregistered output."""

    type: str
    path: str
    anonymous: bool = False
    legacy_type: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVersion(Version):
    """A model version; ``job_name`` is the run it was registered from, ``answer`` what ARM's body has instead."""

    type: str
    path: str
    job_name: str | None = None
    stage: str | None = None
    flavors: Mapping[str, object] = field(default_factory=dict)
    answer: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentVersion(Version):
    """An environment version: a conda file over an image, or a Dockerfile; curated ones have a registry."""

    image: str | None = None
    conda: Mapping[str, object] | None = None
    dockerfile: str | None = None
    registry: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Component(Version):
    """A component version; ports are ``{name: type}``."""

    command: str = ""
    environment: str | None = None
    inputs: Tags = field(default_factory=dict)
    outputs: Tags = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Deployment:
    """
    A deployment of one model or, in batch, of a component; ``traffic`` is its share in per cent.

    ``collects`` names the data assets that keep its requests and predictions, by collection; ``answer`` is what ARM's
    body has instead of the usual.
    """

    name: str
    model: str | None
    environment: str | None = None
    traffic: int = 0
    tags: Tags = field(default_factory=dict)
    component: str | None = None
    state: str = "Succeeded"
    collects: Tags = field(default_factory=dict)
    modified_at: datetime | None = None
    answer: Mapping[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Endpoint:
    """
    An online, batch or serverless endpoint; ``compute`` names the Kubernetes cluster of one that has its own.

    A serverless one has no deployments but a ``model``. ``answer`` is what ARM's body has instead of the usual.
    """

    name: str
    deployments: Mapping[str, Deployment]
    compute: str | None = None
    default: str | None = None
    description: str | None = None
    tags: Tags = field(default_factory=dict)
    model: str | None = None
    answer: Mapping[str, object] = field(default_factory=dict)
