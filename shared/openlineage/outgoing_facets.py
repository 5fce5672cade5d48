"""Describes data in facets of the standard, and what those have no words for in two of ours (docs/openlineage/)."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

import attr
from openlineage.client.event_v2 import InputDataset, OutputDataset
from openlineage.client.facet_v2 import (
    DatasetFacet,
    RunFacet,
    column_lineage_dataset,
    dataset_type_dataset,
    dataset_version_dataset,
    documentation_dataset,
    ownership_dataset,
    schema_dataset,
    symlinks_dataset,
    tags_dataset,
)

from shared.catalog.entities import Entity, Ref
from shared.catalog.kinds import SCHEMA_ATTRIBUTE, kind_of
from shared.catalog.qualified_names import QualifiedName
from shared.places.datasets import DatasetName
from shared.places.platforms import origin, to_openlineage

PRODUCER = "urn:aml-purview-lineage"
"""Who sends it. The project has no address on the web that would stay, and one that leads nowhere would be made up."""
_VERSION = "1-0-0"
PROCESS_FACET, ASSET_FACET = "azureml_process", "azureml_asset"
"""The keys of the two facets in an event."""
Known = Mapping[QualifiedName, Entity]
"""The entities around a process, as far as they are known."""
TAGS_FROM = "AZURE_ML"
_ELSEWHERE = frozenset({"description", "owner", "tags", "columnMapping"})
"""Attributes that a facet of the standard has."""


def _schema_url(name: str) -> str:
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

    qualifiedName: str  # noqa: N815 - in the case of the standard's members
    typeName: str  # noqa: N815
    attributes: dict[str, Any]
    settings: dict[str, Any] | None = None
    metrics: dict[str, Any] | None = None
    packages: list[dict[str, Any]] | None = None

    @staticmethod
    def _get_schema() -> str:
        return _schema_url("AzuremlProcessRunFacet")


@attr.define
class AzuremlAssetDatasetFacet(DatasetFacet):
    """What else is known of data, a model version or an endpoint."""

    qualifiedName: str  # noqa: N815
    typeName: str  # noqa: N815
    attributes: dict[str, Any]

    @staticmethod
    def _get_schema() -> str:
        return _schema_url("AzuremlAssetDatasetFacet")


class Datasets:
    """
    Data as events describe it.

    Args:
        known: the entities that facets are made of; of data that is not among them an event has the name alone.
    """

    def __init__(self, known: Known) -> None:
        self._known = known
        self._columns: dict[Ref, list[Entity]] = {}
        for entity in known.values():
            if schema := entity.parents.get("composeSchema"):
                self._columns.setdefault(schema, []).append(entity)

    def input(self, ref: Ref) -> InputDataset:
        named = to_openlineage(ref.qualified_name)
        return InputDataset(named.namespace, named.name, facets=dict(self._facets(ref)))

    def output(self, ref: Ref, columns: "ColumnMapping") -> OutputDataset:
        named, facets = to_openlineage(ref.qualified_name), dict(self._facets(ref))
        if fields := columns.get(named):
            facets["columnLineage"] = column_lineage_dataset.ColumnLineageDatasetFacet(fields=fields, producer=PRODUCER)
        return OutputDataset(named.namespace, named.name, facets=facets)

    def _facets(self, ref: Ref) -> Iterator[tuple[str, DatasetFacet]]:
        if of_type := kind_of(ref.type_name).openlineage:
            yield "datasetType", dataset_type_dataset.DatasetTypeDatasetFacet(datasetType=of_type, producer=PRODUCER)
        if kind_of(ref.type_name).is_set_of_files and (location := origin(ref.qualified_name)):
            # The folder whose files a scan made a set of, which is what Spark and others call the same data.
            folder = to_openlineage(QualifiedName(location.url))
            identifier = symlinks_dataset.Identifier(folder.namespace, folder.name, type="LOCATION")
            yield "symlinks", symlinks_dataset.SymlinksDatasetFacet(identifiers=[identifier], producer=PRODUCER)
        entity = self._known.get(ref.qualified_name)
        if entity is None:
            return
        values = entity.attributes
        if description := values.get("description"):
            yield (
                "documentation",
                documentation_dataset.DocumentationDatasetFacet(description=str(description), producer=PRODUCER),
            )
        if version := values.get("version"):
            yield (
                "version",
                dataset_version_dataset.DatasetVersionDatasetFacet(datasetVersion=str(version), producer=PRODUCER),
            )
        if owner := values.get("owner"):
            owners = [ownership_dataset.Owner(name=str(owner))]
            yield "ownership", ownership_dataset.OwnershipDatasetFacet(owners=owners, producer=PRODUCER)
        if tags := tags_of(entity):
            fields = [tags_dataset.TagsDatasetFacetFields(key, value, TAGS_FROM) for key, value in tags.items()]
            yield "tags", tags_dataset.TagsDatasetFacet(tags=fields, producer=PRODUCER)
        if columns := self._columns.get(entity.parents.get(SCHEMA_ATTRIBUTE, ref)):
            yield "schema", _schema(columns)
        yield (
            ASSET_FACET,
            AzuremlAssetDatasetFacet(
                qualifiedName=ref.qualified_name,
                typeName=ref.type_name,
                attributes=other_attributes(entity),
                producer=PRODUCER,
            ),
        )


def _schema(columns: list[Entity]) -> schema_dataset.SchemaDatasetFacet:
    fields = [
        schema_dataset.SchemaDatasetFacetFields(
            name=str(column.attributes["name"]), type=str(column.attributes.get("data_type") or "") or None
        )
        for column in sorted(columns, key=lambda column: column.ref)
    ]
    return schema_dataset.SchemaDatasetFacet(fields=fields, producer=PRODUCER)


ColumnMapping = dict[DatasetName, dict[str, column_lineage_dataset.Fields]]
"""Output → its column → the columns it was made from."""


def columns_of(process: Entity) -> ColumnMapping:
    """
    Read Purview's form of a column mapping; what is not of that form maps nothing.

    A process of ours has what we wrote; a catalog also has those of other writers, and they are tolerated.
    """
    mapping: ColumnMapping = {}
    for source, sink, columns in _mappings(str(process.attributes.get("columnMapping") or "")):
        outputs = mapping.setdefault(sink, {})
        for column_of_source, column in columns:
            field = column_lineage_dataset.InputField(source.namespace, source.name, column_of_source)
            fields = outputs.setdefault(column, column_lineage_dataset.Fields(inputFields=[])).inputFields
            if field not in fields:
                fields.append(field)
    return mapping


def _mappings(text: str) -> Iterator[tuple[DatasetName, DatasetName, list[tuple[str, str]]]]:
    for each in read_json(text, list):
        match each:
            case {"DatasetMapping": {"Source": str(source), "Sink": str(sink)}, "ColumnMapping": list(columns)}:
                pairs = [
                    (str(pair["Source"]), str(pair["Sink"]))
                    for pair in columns
                    if isinstance(pair, dict) and pair.keys() >= {"Source", "Sink"}
                ]
                yield to_openlineage(QualifiedName(source)), to_openlineage(QualifiedName(sink)), pairs


def tags_of(entity: Entity) -> dict[str, str]:
    tags = read_json(str(entity.attributes.get("tags") or ""), dict)
    return {str(key): value if isinstance(value, str) else json.dumps(value) for key, value in sorted(tags.items())}


def other_attributes(entity: Entity) -> dict[str, Any]:
    """Return the attributes that no facet of the standard has."""
    return {name: value for name, value in sorted(entity.attributes.items()) if name not in _ELSEWHERE}


def read_json(text: str, kind: type[Any]) -> Any:
    """Read a JSON value that is an attribute; an empty one if it is none of the kind, as other writers may have it."""
    try:
        value = json.loads(text) if text else kind()
    except ValueError:
        return kind()
    return value if isinstance(value, kind) else kind()
