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
from shared.places.uris import AssetReference, DatastorePath, Reference, is_run_log, parse_reference, run_of_path
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
_SCORE = "score"
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)
"""What a step of v1 is called."""


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


def list_bindings(record: Record, *, scores_in_batch: bool = False) -> Iterator[Binding]:
    """
    Yield a run's inputs and outputs, without its log folder; those of v1 and of batch scoring too.

    Args:
        scores_in_batch: the run is below a job of a batch endpoint that serves a model.
    """
    yield from (port for port in _list_ports(record) if isinstance(port, Binding))
    if scores_in_batch:
        yield from _batch_scoring_bindings(record.definition)
    for port in _v1_references(record):
        if isinstance(port, Binding) and not (scores_in_batch and port.name == _SCORE):
            yield port


def describe_unread_ports(record: Record, *, scores_in_batch: bool = False) -> str:
    """Return what people have to know of the inputs and outputs of a record that are not listed; "" if all are."""
    odd = [port for port in _list_ports(record) if isinstance(port, str)]
    both_ways = [port for port in _v1_references(record) if isinstance(port, str)]
    if scores_in_batch:
        both_ways = []  # what such a step refers to is known
    sentences = (
        f"The record of this run does not say which data is meant by: {_enumerate(odd)}." if odd else "",
        f"Whether this run of v1 reads or writes what it refers to is not recorded: {_enumerate(both_ways)}."
        if both_ways
        else "",
    )
    return " ".join(filter(None, sentences))


def _list_ports(record: Record) -> Iterator[Binding | str]:
    """Yield each input and output, or a label of one that cannot be read."""
    for name, value in sorted((record.metadata.get("inputs") or {}).items()):
        if value:
            yield _read_input(name, value, record.definition)
    for name, value in sorted((record.metadata.get("outputs") or {}).items()):
        if value:
            read = _read_output(name, value, record)
            if name != "default" or (isinstance(read, Binding) and not _is_log(read.asset_id, read.declared_uri)):
                yield read
    yield from _v1_ports(record)


def _read_input(name: str, value: object, definition: Json) -> Binding | str:
    """
    Read an input: by its asset's id, else by what its definition says.

    The id may be null: `TypedAssetReference` of azure-ai-ml 1.35 (_restclient/runhistory).
    """
    kind = _text_at(value, "type")
    uri = _expand(_text_at(definition, "data", name, "dataLocation", "uri", "path"), {})
    declared = _text_at(definition, "inputAssets", name, "asset", "assetId")
    for member, asset_id in (
        (f"runMetadata.inputs.{name}.assetId", _text_at(value, "assetId")),
        (f"runDefinition.inputAssets.{name}.asset.assetId", declared),
        (f"runDefinition.data.{name}.dataLocation.uri.path", uri),
    ):
        if asset_id:
            return Binding(name, asset_id, kind, uri, is_output=False, field=member)
    return f"input {_label_of(name)}"


def _read_output(name: str, value: object, record: Record) -> Binding | str:
    """Read an output: by its asset's id, else by where its definition says that it is written."""
    kind = _text_at(value, "type")
    # These stay literal on the wire; `name` stands for the run's own id, a step's and not its root's.
    known = {"name": record.run_id, "output_name": name}
    uri = _expand(_text_at(record.definition, "outputData", name, "outputLocation", "uri", "path"), known)
    for member, asset_id in (
        (f"runMetadata.outputs.{name}.assetId", _text_at(value, "assetId")),
        (f"runDefinition.outputData.{name}.outputLocation.uri.path", uri),
    ):
        if asset_id:
            return Binding(name, asset_id, kind, uri, is_output=True, field=member)
    return f"output {_label_of(name)}"


def _v1_ports(record: Record) -> Iterator[Binding | str]:
    """Yield v1 data sets by their saved ids, which only v1's own service resolves."""
    for member, details, direction in (
        ("inputDatasets", "inputDetails", "input"),
        ("outputDatasets", "outputDetails", "output"),
    ):
        for number, item in enumerate(record.metadata.get(member) or ()):
            saved = _text_at(item, "identifier", "savedId")
            name = _text_at(item, details, f"{direction}Name") or f"{member}{number}"
            field = f"runMetadata.{member}[{number}].identifier.savedId"
            if saved:
                yield Binding(name, f"{SAVED}{saved}", "", "", is_output=direction == "output", field=field)
            else:
                yield f"{direction} {_label_of(name)}"


def _v1_references(record: Record) -> Iterator[Binding | str]:
    """
    Yield what v1's data references and pipeline data refer to, or a label where nothing says in which direction.

    Modes: DataReferenceConfiguration of azureml-core 1.61; data is downloaded before a run and uploaded after it, while
    what is mounted may be read and written. The place of pipeline data carries the id of the run that writes it, as
    recorded of batch scoring.
    """
    for name, reference in sorted((record.definition.get("dataReferences") or {}).items()):
        datastore, path = _text_at(reference, "dataStoreName"), _text_at(reference, "pathOnDataStore").strip("/")
        if not datastore:
            continue
        writer = run_of_path(path) or ""
        is_of_another = bool(_GUID.fullmatch(writer))  # `azureml/raw/…` only looks like such a place
        mode = (
            "write" if writer == record.run_id else "read" if is_of_another else _text_at(reference, "mode").casefold()
        )
        is_output = {"write": True, "upload": True, "read": False, "download": False}.get(mode)
        if path and is_output is not None:
            uri, field = f"azureml://datastores/{datastore}/paths/{path}", f"runDefinition.dataReferences.{name}"
            yield Binding(name, uri, "", "", is_output=is_output, field=field)
        else:
            yield _label_of(f"{name} ({datastore}{f'/{path}' if path else ''})")


def _batch_scoring_bindings(definition: Json) -> Iterator[Binding]:
    """Yield what a batch endpoint's scoring step names nowhere but in its arguments: the model and the scores."""
    named = dict(pairwise(map(str, definition.get("arguments") or ())))
    if "--model_name" in named and "--model_version" in named:
        model = f"azureml://models/{named['--model_name']}/versions/{named['--model_version']}"
        yield Binding("model", model, "", "", is_output=False, field="runDefinition.arguments --model_name")
        score = _text_at(definition, "dataReferences", _SCORE, "dataStoreName")
        if score:
            path = _text_at(definition, "dataReferences", _SCORE, "pathOnDataStore")
            uri = f"azureml://datastores/{score}/paths/{path}"
            field = "runDefinition.dataReferences.score"
            yield Binding(_SCORE, uri, "UriFolder", "", is_output=True, field=field)


def _expand(uri: str, known: Mapping[str, str]) -> str:
    """Fill a path's templates in; "" if one is left that cannot be filled here, so that the service is asked."""
    for name, value in known.items():
        uri = uri.replace(f"${{{{{name}}}}}", value)
    return "" if "${{" in uri else uri


def _text_at(value: object, *path: str) -> str:
    """Return the text at a path of members; "" if there is none."""
    for member in path:
        value = value.get(member) if isinstance(value, Mapping) else None
    return value if isinstance(value, str) else ""


def _label_of(name: str) -> str:
    return redact_text(name)[:_LONGEST_LABEL]


def _is_log(asset_id: str, uri: str) -> bool:
    reference = parse_reference(asset_id)
    if isinstance(reference, AssetReference):
        return reference.is_anonymous and (uri == "" or is_run_log(uri))
    return is_run_log(asset_id)


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
    inputs_of = (mlflow or {}).get("inputs")
    listed = inputs_of.get("dataset_inputs") if isinstance(inputs_of, Mapping) else None
    bindings, unresolved = [], []
    for number, item in enumerate(listed if isinstance(listed, list) else ()):
        name = redact_text(_text_at(item, "dataset", "name") or f"dataset{number}")
        address = _address_of(_text_at(item, "dataset", "source"))
        if _is_place(address, places):
            field = f"MLflow inputs.dataset_inputs[{number}].dataset.source"
            bindings.append(Binding(name, address, "", "", is_output=False, field=field))
        else:
            unresolved.append(_label(name, _text_at(item, "dataset", "source_type"), address))
    assets = {each.id: each for each in known if isinstance(each, DataAsset)}
    found: dict[str, Data] = {
        each.asset_id: asset for each in bindings if (asset := _known(each.asset_id, assets, places))
    }
    if unknown := [each for each in bindings if each.asset_id not in found]:
        found |= resolve(unknown)
    return LoggedInputs(_join(bindings, found, inputs), _note_on(unresolved))


def _address_of(text: str) -> str:
    """Return where a source says the data is, or ""; it is JSON, but only by convention."""
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
            return {repr((data.workspace, data.asset)) if data.workspace else data.text}
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
    return f"Logged with MLflow as inputs, but where they lie cannot be known from here: {_enumerate(labels)}."


def _enumerate(labels: Sequence[str]) -> str:
    more = f" and {len(labels) - _NAMED_IN_NOTE} more" if len(labels) > _NAMED_IN_NOTE else ""
    return ", ".join(labels[:_NAMED_IN_NOTE]) + more
