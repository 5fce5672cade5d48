"""Reads the data that a run says it read with `mlflow.log_input`, beside what run history knows of its inputs."""

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from shared.azure_ml.run.bindings import Binding
from shared.http.rest import Json
from shared.model import AssetId, Data, DataAsset, Datastore, Location, Port, Unresolved, WorkspaceId
from shared.places.platforms import names_of
from shared.places.uris import AssetReference, DatastorePath, Reference, parse_reference
from shared.redaction import redact_text

_ADDRESSES = ("uri", "url", "path", "table_name", "delta_table_name")
"""
Members of a source that say where the data is, each of other kinds of source (mlflow/data/*_source.py of MLflow 3.17:
`uri` of storage and local files, `url` of http, `path` and the names of tables of Spark, Delta and Hugging Face).
"""
_WITHOUT_DOUBT = ("azureml:", "/subscriptions/")
"""How a reference to an asset begins; `name:version` alone may as well be a table or a local file."""
_LOCAL = re.compile(r"file:|[/\\.~]|[a-z]:[/\\]", re.IGNORECASE)
_TOLD = 5
_LONGEST = 200


class Places(Protocol):
    """What knows where data of the workspace lies."""

    def datastores(self) -> Mapping[str, Datastore]: ...

    def is_here(self, reference: Reference) -> bool: ...

    def resolve(self, bindings_by_run: Mapping[str, Sequence[Binding]]) -> dict[str, Data]: ...


@dataclass(frozen=True, slots=True)
class LoggedInputs:
    """Inputs that only MLflow knows; `notes` name the data whose place nobody can know from here."""

    ports: tuple[Port, ...] = ()
    notes: str = ""


def read_logged_inputs(
    mlflow: Json | None, run_id: str, inputs: Sequence[Port], places: Places, known: Iterable[Data] = ()
) -> LoggedInputs:
    """
    Read `inputs.dataset_inputs` of MLflow's view of a run: each place once, and none that is an input already.

    Costs no request, but the ones that read a registered data asset which nothing else in the tree names.
    Shape: RunInputs, DatasetInput and Dataset of MLflow's REST API (mlflow/protos/service.proto).

    Args:
        known: data that was read for the tree.
    """
    listed = ((mlflow or {}).get("inputs") or {}).get("dataset_inputs") or []
    bindings, strangers = [], []
    for number, item in enumerate(listed):
        dataset = item["dataset"]
        name, address = redact_text(str(dataset.get("name") or f"dataset{number}")), _address_of(dataset)
        if _is_place(address, places):
            field = f"MLflow inputs.dataset_inputs[{number}].dataset.source"
            bindings.append(Binding(name, address, "", "", is_output=False, field=field))
        else:
            strangers.append(_label(name, str(dataset.get("source_type") or ""), address))
    assets = {each.id: each for each in known if isinstance(each, DataAsset)}
    found: dict[str, Data] = {
        each.asset_id: asset for each in bindings if (asset := _known(each.asset_id, assets, places))
    }
    if unknown := [each for each in bindings if each.asset_id not in found]:
        found |= places.resolve({run_id: unknown})
    return LoggedInputs(_join(bindings, found, inputs), _unplaced(strangers))


def _address_of(dataset: Mapping[str, object]) -> str:
    """Return where the data is by its own words; "" if there are none. A source is JSON, but only by convention."""
    text = str(dataset.get("source") or "")
    try:
        source = json.loads(text)
    except (ValueError, RecursionError):
        return text
    members = source if isinstance(source, Mapping) else {}
    return next((value for member in _ADDRESSES if isinstance(value := members.get(member), str) and value), "")


def _is_place(address: str, places: Places) -> bool:
    reference = parse_reference(address)
    match reference:
        case Location():
            return True
        case DatastorePath(name):  # each name that nobody knows would cost a request to learn that
            return places.is_here(reference) and name in places.datastores()
        case AssetReference(asset, workspace) if asset.kind == "data" and not reference.is_anonymous:
            is_named = places.is_here(reference) or isinstance(workspace, WorkspaceId)
            return is_named and address.lower().startswith(_WITHOUT_DOUBT)
    return False


def _known(address: str, assets: Mapping[AssetId, DataAsset], places: Places) -> DataAsset | None:
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
    """Return what some data has in common with the same data; not every source knows whether it is a folder."""
    match data:
        case Location():
            return set(names_of(data))
        case DataAsset():
            return {repr(data.id)} | (_keys(data.location) if data.location else set())
        case Unresolved():
            return {repr((data.workspace, data.asset)) if data.asset else data.text}
    return {repr(data.id)}


def _label(name: str, source_type: str, address: str) -> str:
    if _LOCAL.match(address):  # its folders may tell who somebody is
        address = re.split(r"[/\\]", address.rstrip("/\\"))[-1]
    where = ": ".join(filter(None, (redact_text(source_type), redact_text(address)[:_LONGEST])))
    return f"{name[:_LONGEST]} ({where})" if where else name[:_LONGEST]


def _unplaced(strangers: Iterable[str]) -> str:
    labels = list(dict.fromkeys(strangers))
    if not labels:
        return ""
    more = f" and {len(labels) - _TOLD} more" if len(labels) > _TOLD else ""
    told = ", ".join(labels[:_TOLD])
    return f"Logged with MLflow as inputs, but where they lie cannot be known from here: {told}{more}."
