"""Reads a run out of run history's records: names, parameters, git, and the paths it declares."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from shared.azure_ml.environments import parse_environment
from shared.azure_ml.uris import AssetReference, is_run_log, parse_reference
from shared.model import ColumnMapping, Port, Run
from shared.redaction import redact_mapping, redact_text
from shared.rest import Json

COLUMN_MAPPING_TAG = "lineage.column_mapping"
"""
A tag in which a run declares what became of its columns; the only source of column lineage there is. JSON:
`[{"input": "loan", "output": "prepared_data", "columns": {"loanAmount": "amount"}}]`
"""
_PIPELINE = "azureml.PipelineRun"
_PARAMETER_PREFIX = "AZUREML_PARAMETER_"


@dataclass(frozen=True, slots=True)
class Record:
    """One answer of rundata: `metadata` is never empty, `definition` is for a pipeline."""

    metadata: Json
    definition: Json

    @classmethod
    def from_json(cls, body: Json) -> "Record":
        return cls(metadata=dict(body["runMetadata"]), definition=dict(body.get("runDefinition") or {}))

    @property
    def run_id(self) -> str:
        return str(self.metadata["runId"])

    @property
    def root_id(self) -> str:
        return str(self.metadata.get("rootRunId") or self.run_id)

    @property
    def parent_id(self) -> str:
        return str(self.metadata.get("parentRunId") or "")

    @property
    def experiment_id(self) -> str:
        return str(self.metadata.get("experimentId") or "")

    @property
    def status(self) -> str:
        return str(self.metadata.get("status") or "")

    @property
    def properties(self) -> Mapping[str, str]:
        return self.metadata.get("properties") or {}

    @property
    def reused_run_id(self) -> str:
        """The run whose results this step took over, or "" if it ran itself."""
        reused = str(self.properties.get("azureml.isreused") or "").casefold() == "true"
        return str(self.properties.get("azureml.reusedrunid") or "") if reused else ""

    @property
    def is_pipeline(self) -> bool:
        return _PIPELINE in (self.metadata.get("runType"), self.properties.get("azureml.runsource"))


@dataclass(frozen=True, slots=True)
class Binding:
    """An input or output as recorded: the asset's id, its type, and the URI the run definition declares for it."""

    name: str
    asset_id: str
    data_type: str
    declared_uri: str
    is_output: bool


def list_bindings(record: Record) -> Iterator[Binding]:
    """Yield a run's inputs and outputs, without its log folder; those of v1 and of batch scoring too."""
    declared_inputs, declared_outputs = record.definition.get("data") or {}, record.definition.get("outputData") or {}
    for name, value in sorted((record.metadata.get("inputs") or {}).items()):
        if value:
            uri = _expand(_uri_path(declared_inputs.get(name), "dataLocation"), {})
            yield Binding(name, str(value["assetId"]), str(value.get("type") or ""), uri, is_output=False)
    for name, value in sorted((record.metadata.get("outputs") or {}).items()):
        if value:
            # These stay literal on the wire; `name` stands for the run's own id, a step's and not its root's.
            known = {"name": record.run_id, "output_name": name}
            uri = _expand(_uri_path(declared_outputs.get(name), "outputLocation"), known)
            if name != "default" or not _is_log(str(value["assetId"]), uri):
                yield Binding(name, str(value["assetId"]), str(value.get("type") or ""), uri, is_output=True)
    yield from _v1_bindings(record)
    yield from _batch_scoring_bindings(record.definition)


def _v1_bindings(record: Record) -> Iterator[Binding]:
    """Yield v1 data sets by their saved ids, which only v1's own service could resolve."""
    for member, details, is_output in (
        ("inputDatasets", "inputDetails", False),
        ("outputDatasets", "outputDetails", True),
    ):
        for number, item in enumerate(record.metadata.get(member) or ()):
            saved = (item.get("identifier") or {}).get("savedId")
            if saved:
                name = (item.get(details) or {}).get("outputName" if is_output else "inputName") or f"{member}{number}"
                yield Binding(str(name), f"saveddatasets/{saved}", "", "", is_output=is_output)


def _batch_scoring_bindings(definition: Json) -> Iterator[Binding]:
    """Yield what a batch endpoint's scoring step names nowhere but in its arguments: the model and the scores."""
    arguments = [str(item) for item in definition.get("arguments") or ()]
    named = dict(pairwise(arguments))
    if "--model_name" in named and "--model_version" in named:
        model = f"azureml://models/{named['--model_name']}/versions/{named['--model_version']}"
        yield Binding("model", model, "", "", is_output=False)
        score = (definition.get("dataReferences") or {}).get("score") or {}
        if score.get("dataStoreName"):
            uri = f"azureml://datastores/{score['dataStoreName']}/paths/{score.get('pathOnDataStore') or ''}"
            yield Binding("score", uri, "UriFolder", "", is_output=True)


def _expand(uri: str, known: Mapping[str, str]) -> str:
    """Fill a path's templates in; "" if one is left that nobody here can fill, so that the service is asked."""
    for name, value in known.items():
        uri = uri.replace(f"${{{{{name}}}}}", value)
    return "" if "${{" in uri else uri


def _uri_path(declaration: object, member: str) -> str:
    location = declaration.get(member) if isinstance(declaration, Mapping) else None
    uri = location.get("uri") if isinstance(location, Mapping) else None
    return str(uri.get("path") or "") if isinstance(uri, Mapping) else ""


def _is_log(asset_id: str, uri: str) -> bool:
    reference = parse_reference(asset_id)
    anonymous = isinstance(reference, AssetReference) and reference.is_anonymous
    return anonymous and (uri == "" or is_run_log(uri))


def to_run(
    record: Record,
    *,
    experiment: str,
    inputs: Sequence[Port],
    outputs: Sequence[Port],
    mlflow: Json | None,
    settings: Mapping[str, str],
    notes: str,
) -> Run:
    """Assemble what the record says with the data it refers to; everything that may carry a secret is redacted."""
    metadata, properties = record.metadata, record.properties
    data = (mlflow or {}).get("data") or {}
    mappings, problem = parse_column_mappings(metadata.get("tags") or {})
    logged = {str(item["key"]): item["value"] for item in data.get("params") or []}
    module, version = properties.get("azureml.moduleName"), properties.get("azureml.moduleVersion")
    return Run(
        id=record.run_id,
        name=redact_text(str(metadata.get("displayName") or metadata.get("name") or record.run_id)),
        status=record.status,
        experiment=experiment,
        kind=str(metadata.get("runType") or ""),
        inputs=tuple(inputs),
        outputs=tuple(outputs),
        environment=parse_environment(record.definition.get("environment")),
        parameters=redact_mapping({**settings, **logged, **_literals(record.definition)}),
        metrics={
            str(item["key"]): float(item["value"])
            for item in data.get("metrics") or []
            if item.get("value") is not None
        },
        column_mappings=mappings,
        notes=" ".join(filter(None, (notes, problem))),
        command=redact_text(str(record.definition.get("command") or "")),
        compute=str(record.definition.get("target") or ""),
        component=f"{module}:{version}" if module and version else str(module or ""),
        git_repository=redact_text(str(properties.get("mlflow.source.git.repoURL") or "")),
        git_branch=str(properties.get("mlflow.source.git.branch") or ""),
        git_commit=str(properties.get("mlflow.source.git.commit") or ""),
        git_dirty=str(properties.get("azureml.git.dirty") or ""),
        started_at=str(metadata.get("startTimeUtc") or ""),
        ended_at=str(metadata.get("endTimeUtc") or ""),
    )


def _literals(definition: Json) -> dict[str, object]:
    parameters = definition.get("parameters")
    literals: dict[str, object] = dict(parameters) if isinstance(parameters, Mapping) else {}
    for name, value in (definition.get("environmentVariables") or {}).items():
        if name.startswith(_PARAMETER_PREFIX):
            literals[name.removeprefix(_PARAMETER_PREFIX)] = value
    return literals


def parse_column_mappings(tags: Mapping[str, object]) -> tuple[tuple[ColumnMapping, ...], str]:
    """
    Read the column-mapping tag.

    Returns:
        The mappings, and a sentence saying what is wrong with the tag ("" if nothing is). A bad tag does not sink
        the run: nothing is mapped, and the sentence goes to the step's notes where its author will see it.
    """
    text = tags.get(COLUMN_MAPPING_TAG)
    if not text:
        return (), ""
    try:
        return tuple(_parse_mapping(item) for item in json.loads(str(text))), ""
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        return (), f"Tag {COLUMN_MAPPING_TAG} cannot be read ({type(error).__name__}: {error}); no columns are mapped."


def _parse_mapping(item: Mapping[str, Mapping[str, str]]) -> ColumnMapping:
    columns = tuple(sorted((str(source), str(sink)) for source, sink in item["columns"].items()))
    return ColumnMapping(str(item["input"]), str(item["output"]), columns)
