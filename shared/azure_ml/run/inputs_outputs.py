"""Reads what a run's record says of its inputs and outputs, in v2, in v1 and in batch scoring."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise

from shared.azure_ml.run.records import Record
from shared.http.rest import Json
from shared.places.uris import AssetReference, is_run_log, parse_reference

SAVED = "saveddatasets/"
"""What the saved id of a v1 data set is put after, to be no other id."""


@dataclass(frozen=True, slots=True)
class Binding:
    """
    An input or output as recorded: the asset's id, its type, and the URI the run definition declares for it.

    `field` is the member of the record that names it.
    """

    name: str
    asset_id: str
    data_type: str
    declared_uri: str
    is_output: bool
    field: str


def list_bindings(record: Record) -> Iterator[Binding]:
    """Yield a run's inputs and outputs, without its log folder; those of v1 and of batch scoring too."""
    declared_inputs, declared_outputs = record.definition.get("data") or {}, record.definition.get("outputData") or {}
    for name, value in sorted((record.metadata.get("inputs") or {}).items()):
        if value:
            uri = _expand(_uri_path(declared_inputs.get(name), "dataLocation"), {})
            field = f"runMetadata.inputs.{name}.assetId"
            yield Binding(name, str(value["assetId"]), str(value.get("type") or ""), uri, is_output=False, field=field)
    for name, value in sorted((record.metadata.get("outputs") or {}).items()):
        if value:
            # These stay literal on the wire; `name` stands for the run's own id, a step's and not its root's.
            known = {"name": record.run_id, "output_name": name}
            uri = _expand(_uri_path(declared_outputs.get(name), "outputLocation"), known)
            if name != "default" or not _is_log(str(value["assetId"]), uri):
                field = f"runMetadata.outputs.{name}.assetId"
                kind = str(value.get("type") or "")
                yield Binding(name, str(value["assetId"]), kind, uri, is_output=True, field=field)
    yield from _v1_bindings(record)
    yield from _batch_scoring_bindings(record.definition)


def _v1_bindings(record: Record) -> Iterator[Binding]:
    """Yield v1 data sets by their saved ids, which only v1's own service resolves."""
    for member, details, is_output in (
        ("inputDatasets", "inputDetails", False),
        ("outputDatasets", "outputDetails", True),
    ):
        for number, item in enumerate(record.metadata.get(member) or ()):
            saved = (item.get("identifier") or {}).get("savedId")
            if saved:
                name = (item.get(details) or {}).get("outputName" if is_output else "inputName") or f"{member}{number}"
                field = f"runMetadata.{member}[{number}].identifier.savedId"
                yield Binding(str(name), f"{SAVED}{saved}", "", "", is_output=is_output, field=field)


def _batch_scoring_bindings(definition: Json) -> Iterator[Binding]:
    """Yield what a batch endpoint's scoring step names nowhere but in its arguments: the model and the scores."""
    arguments = [str(item) for item in definition.get("arguments") or ()]
    named = dict(pairwise(arguments))
    if "--model_name" in named and "--model_version" in named:
        model = f"azureml://models/{named['--model_name']}/versions/{named['--model_version']}"
        yield Binding("model", model, "", "", is_output=False, field="runDefinition.arguments --model_name")
        score = (definition.get("dataReferences") or {}).get("score") or {}
        if score.get("dataStoreName"):
            uri = f"azureml://datastores/{score['dataStoreName']}/paths/{score.get('pathOnDataStore') or ''}"
            field = "runDefinition.dataReferences.score"
            yield Binding("score", uri, "UriFolder", "", is_output=True, field=field)


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
