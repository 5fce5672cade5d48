"""The two facets of our own, for what the standard has no words for; docs/openlineage/ has their JSON schemas."""

from typing import Any

import attr
from openlineage.client.facet_v2 import DatasetFacet, RunFacet

PRODUCER = "urn:aml-purview-lineage"
"""Who says so. The project has no address on the web that would stay, and one that leads nowhere would be made up."""
_VERSION = "1-0-0"
PROCESS_FACET, ASSET_FACET = "azureml_process", "azureml_asset"
"""The keys of the two facets in an event."""


def _schema(name: str) -> str:
    return f"{PRODUCER}:openlineage:{_VERSION}:{name}.json#/$defs/{name}"


@attr.define
class AzuremlProcessRunFacet(RunFacet):
    """
    What else is known of a process.

    Attributes:
        attributes: those of the entity in the catalog for which no facet of the standard is meant.
        settings, metrics: of the run, by name.
        packages: in its environment.
    """

    qualifiedName: str  # noqa: N815 - spelt as the standard spells members of facets
    typeName: str  # noqa: N815
    attributes: dict[str, Any]
    settings: dict[str, Any] | None = None
    metrics: dict[str, Any] | None = None
    packages: list[dict[str, Any]] | None = None

    @staticmethod
    def _get_schema() -> str:
        return _schema("AzuremlProcessRunFacet")


@attr.define
class AzuremlAssetDatasetFacet(DatasetFacet):
    """What else is known of data, a model version or an endpoint."""

    qualifiedName: str  # noqa: N815
    typeName: str  # noqa: N815
    attributes: dict[str, Any]

    @staticmethod
    def _get_schema() -> str:
        return _schema("AzuremlAssetDatasetFacet")
