"""Reads which data a run names as input or output: in its record (v2, v1, batch scoring) and in MLflow's view of it."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

from shared.azure_ml.run.records import Record
from shared.http.rest import Json
from shared.model import AssetId, Data, DataAsset, Datastore, Location, Port, Unresolved, WorkspaceId
from shared.places.platforms import names_of
from shared.places.uris import AssetReference, DatastorePath, Reference, is_run_log, parse_reference
from shared.redaction import redact_text

SAVED = "saveddatasets/"
"""Prefix of the saved id of a v1 data set, which distinguishes it from other ids."""
_SOURCE_MEMBERS = ("uri", "url", "path", "table_name", "delta_table_name")
"""
Members of a source that say where the data is, each of other kinds of source (mlflow/data/*_source.py of MLflow 3.17:
`uri` of storage and local files, `url` of http, `path` and the names of tables of Spark, Delta and Hugging Face).
"""
_WITHOUT_DOUBT = ("azureml:", "/subscriptions/")
"""How a reference to an asset begins; `name:version` alone may be a table or a local file as well."""
_LOCAL = re.compile(r"file:|[/\\.~]|[a-z]:[/\\]", re.IGNORECASE)
_NAMED_IN_NOTE = 5
_LONGEST_LABEL = 200


class WorkspacePlaces(Protocol):
    """What knows where data of the workspace is stored."""

    def datastores(self) -> Mapping[str, Datastore]: ...

    def locate(self, uri: str, *, data_type: str = "") -> Location | None: ...

    def is_here(self, reference: Reference) -> bool: ...


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
    """Fill a path's templates in; "" if one is left that cannot be filled here, so that the service is asked."""
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


@dataclass(frozen=True, slots=True)
class LoggedInputs:
    """Inputs that only MLflow knows; `notes` name the data whose place cannot be determined from here."""

    ports: tuple[Port, ...] = ()
    notes: str = ""


def read_logged_inputs(
    mlflow: Json | None,
    inputs: Sequence[Port],
    places: WorkspacePlaces,
    resolve: Callable[[Sequence[Binding]], Mapping[str, Data]],
    known: Iterable[Data] = (),
) -> LoggedInputs:
    """
    Read `inputs.dataset_inputs` of MLflow's view of a run: each place once, and none that is an input already.

    Costs no request, except for a registered data asset that nothing else in the tree names.
    Shape: RunInputs, DatasetInput and Dataset of MLflow's REST API (mlflow/protos/service.proto).

    Args:
        resolve: returns the data behind each binding's asset id.
        known: data that was read for the tree.
    """
    listed = ((mlflow or {}).get("inputs") or {}).get("dataset_inputs") or []
    bindings, unresolved = [], []
    for number, item in enumerate(listed):
        dataset = item["dataset"]
        name, address = redact_text(str(dataset.get("name") or f"dataset{number}")), _address_of(dataset)
        if _is_place(address, places):
            field = f"MLflow inputs.dataset_inputs[{number}].dataset.source"
            bindings.append(Binding(name, address, "", "", is_output=False, field=field))
        else:
            unresolved.append(_label(name, str(dataset.get("source_type") or ""), address))
    assets = {each.id: each for each in known if isinstance(each, DataAsset)}
    found: dict[str, Data] = {
        each.asset_id: asset for each in bindings if (asset := _known(each.asset_id, assets, places))
    }
    if unknown := [each for each in bindings if each.asset_id not in found]:
        found |= resolve(unknown)
    return LoggedInputs(_join(bindings, found, inputs), _note_on(unresolved))


def _address_of(dataset: Mapping[str, object]) -> str:
    """Return where its source says the data is, or ""; a source is JSON, but only by convention."""
    text = str(dataset.get("source") or "")
    try:
        source = json.loads(text)
    except (ValueError, RecursionError):
        return text
    members = source if isinstance(source, Mapping) else {}
    return next((value for member in _SOURCE_MEMBERS if isinstance(value := members.get(member), str) and value), "")


def _is_place(address: str, places: WorkspacePlaces) -> bool:
    reference = parse_reference(address)
    match reference:
        case Location():
            return True
        case DatastorePath(name):  # each unknown name would cost a request
            return places.is_here(reference) and name in places.datastores()
        case AssetReference(asset, workspace) if asset.kind == "data" and not reference.is_anonymous:
            is_named = places.is_here(reference) or isinstance(workspace, WorkspaceId)
            return is_named and address.lower().startswith(_WITHOUT_DOUBT)
    return False


def _known(address: str, assets: Mapping[AssetId, DataAsset], places: WorkspacePlaces) -> DataAsset | None:
    reference = parse_reference(address)
    if isinstance(reference, AssetReference) and places.is_here(reference):
        return assets.get(reference.asset)
    return None


def _join(bindings: Iterable[Binding], found: Mapping[str, Data], inputs: Sequence[Port]) -> tuple[Port, ...]:
    names = {port.name for port in inputs}
    taken = {key for port in inputs for key in _keys(port.data)}
    ports = []
    for binding in bindings:
        data = found[binding.asset_id]
        keys = _keys(data)
        if taken.isdisjoint(keys):
            # A column mapping goes by the name, so it stays with the input that had it first.
            name = binding.name if binding.name not in names else f"{binding.name} ({binding.field})"
            ports.append(Port(name, data, binding.field))
            names.add(name)
            taken |= keys
    return tuple(ports)


def _keys(data: Data) -> set[str]:
    """Return what identifies some data; not every source says whether it is a folder, so both names count."""
    match data:
        case Location():
            return set(names_of(data))
        case DataAsset():
            return {repr(data.id)} | (_keys(data.location) if data.location else set())
        case Unresolved():
            return {repr((data.workspace, data.asset)) if data.asset else data.text}
    return {repr(data.id)}


def _label(name: str, source_type: str, address: str) -> str:
    if _LOCAL.match(address):  # its folders may name a person
        address = re.split(r"[/\\]", address.rstrip("/\\"))[-1]
    where = ": ".join(filter(None, (redact_text(source_type), redact_text(address)[:_LONGEST_LABEL])))
    return f"{name[:_LONGEST_LABEL]} ({where})" if where else name[:_LONGEST_LABEL]


def _note_on(unresolved: Iterable[str]) -> str:
    labels = list(dict.fromkeys(unresolved))
    if not labels:
        return ""
    more = f" and {len(labels) - _NAMED_IN_NOTE} more" if len(labels) > _NAMED_IN_NOTE else ""
    named = ", ".join(labels[:_NAMED_IN_NOTE])
    return f"Logged with MLflow as inputs, but where they lie cannot be known from here: {named}{more}."
