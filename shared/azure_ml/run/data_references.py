"""Turns the asset ids and URIs that runs name into data: registered assets, models, places in storage."""

import json
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar
from urllib.parse import urlsplit, urlunsplit

from shared.azure_ml.run.declared_columns import parse_schema
from shared.azure_ml.run.inputs_outputs import SAVED, Binding, list_bindings
from shared.azure_ml.run.records import Record
from shared.azure_ml.services.sdk import SdkClient
from shared.azure_ml.services.workspace_api import WorkspaceApi, WorkspaceRecord
from shared.cache import Cache
from shared.errors import (
    AccessDeniedError,
    RecordNotFoundError,
    RequestRefusedError,
    RunNotSettledError,
    UnreadableAnswerError,
    describe_refusal,
)
from shared.http.rest import Json
from shared.model import (
    SETTLED,
    AssetId,
    Data,
    DataAsset,
    Datastore,
    Location,
    ModelVersion,
    Unresolved,
    Workspace,
    WorkspaceId,
)
from shared.places.place import Url
from shared.places.uris import (
    AssetReference,
    DatastorePath,
    Reference,
    is_made_up,
    made_up_model,
    parse_reference,
    possible_writers,
    to_location,
)
from shared.redaction import redact_place, redact_text

_REFUSALS = (AccessDeniedError, RequestRefusedError, UnreadableAnswerError)
"""What costs no more than what was asked for; what may get better by itself brings the message back."""
_Key = TypeVar("_Key", bound=Hashable)
_Answer = TypeVar("_Answer", DataAsset, Datastore, "_Datastores", ModelVersion)
_FILE_TYPES = frozenset({"urifile", "uri_file"})


class DataReader:
    """Reads the data of one workspace. Assets, datastores and v1 data sets come from the cache for a while."""

    def __init__(
        self,
        record: WorkspaceRecord,
        api: WorkspaceApi,
        sdk: SdkClient,
        read_model: Callable[[AssetId], ModelVersion],
        cache: Cache,
        brief: Cache,
        find_neighbour: Callable[[WorkspaceId | str], "DataReader | None"] = lambda _: None,
    ) -> None:
        """
        Args:
            brief: keeps what was refused, for seconds: a tree asks for it once, and the next one again.
            find_neighbour: finds who reads the data of another workspace, by its id or GUID; None for one that is not
                watched or cannot be read. No other workspace is asked for anything.
        """
        self._record = record
        self._api = api
        self._sdk = sdk
        self._ask_model = read_model
        self._cache = cache
        self._brief = brief
        self._find_neighbour = find_neighbour

    def resolve(self, bindings_by_run: Mapping[str, Sequence[Binding]]) -> dict[str, Data]:
        """
        Find the data that each binding's asset id refers to, of many runs at once.

        What the run definition declares is free; the rest costs one request for data and one for models,
        however many there are. What cannot be placed comes back as Unresolved.
        """
        bindings = [binding for of_run in bindings_by_run.values() for binding in of_run]
        writers: dict[str, set[str]] = {}
        unnamed = set[str]()
        for run_id, of_run in bindings_by_run.items():
            for binding in of_run:
                if binding.is_output:
                    writers.setdefault(binding.asset_id, set()).add(run_id)
                    unnamed.add(made_up_model(run_id, binding.name))
        found: dict[str, Data] = {}
        for binding in bindings:
            if binding.asset_id not in found and (data := self._from_reference(binding, writers, unnamed)):
                found[binding.asset_id] = data
        found.update(self._ask_where([binding for binding in bindings if binding.asset_id not in found]))
        read = {binding.asset_id for binding in bindings if not binding.is_output} - writers.keys()
        outputs = {
            run_id: [found[binding.asset_id] for binding in of_run if binding.is_output]
            for run_id, of_run in bindings_by_run.items()
        }
        for asset_id in sorted(read):
            if registered := self._registered_at(found[asset_id], outputs):
                found[asset_id] = registered
        return found

    def place_saved(self, bindings: Iterable[Binding]) -> Iterator[Binding]:
        """
        Yield the bindings, those by saved ids of v1 with the URIs of that data set, one or several.

        Costs one request for each saved id that is not in the cache. A data set that cannot be read keeps its saved
        id as its name.

        Raises:
            ServiceUnavailableError
        """
        for binding in bindings:
            uris = self._saved_uris(binding.asset_id) if binding.asset_id.startswith(SAVED) else ()
            for number, uri in enumerate(uris):
                name = f"{binding.name}[{number}]" if number else binding.name
                yield replace(binding, name=name, asset_id=uri)
            if not uris:
                yield binding

    def get_model(self, asset: AssetId, *, fresh: bool = False) -> ModelVersion:
        """
        Return a registered model version.

        Raises:
            RecordNotFoundError: there is no such version.
            RunNotSettledError: whether Azure ML made its name up is known when a run has ended.
        """
        if asset.registry:
            return ModelVersion(asset)  # a registry has its own clients; the name says enough
        key = (self._record.workspace.id, asset)
        if fresh:
            self._cache.put(key, self._read_model(asset))
        return self._cache.get_many([key], lambda _: {key: self._read_model(asset)}, keep=_without_unread)[key]

    def get_model_or_name(self, asset: AssetId) -> ModelVersion:
        """Return a model version, or only its name if it is gone or unreadable: who used it still did."""
        try:
            return self.get_model(asset)
        except (RecordNotFoundError, RequestRefusedError, UnreadableAnswerError):
            return ModelVersion(asset)

    def locate(self, uri: str, *, data_type: str = "") -> Location | None:
        """Place a URI in storage, or return None if it names no place that can be known without asking."""
        if "${{" in uri:
            return None  # a template is no place until its run has filled it in
        reference = parse_reference(uri)
        match reference:
            case Location(url, is_folder):
                location = self._by_service(url, is_folder=is_folder)
            case DatastorePath() if self.is_here(reference):
                datastore = self._datastore(reference.datastore)
                location = to_location(
                    reference,
                    datastore,
                    self._record.workspace.id,
                    hierarchical_accounts=self._hierarchical_accounts(),
                )
                location = replace(location, unread=datastore.unread or self._listed().unread)
            case DatastorePath(name, workspace=other):
                neighbour = self._neighbour(reference)
                if neighbour and (there := neighbour.locate(uri)):
                    location = replace(there, datastore=None)  # a datastore of this name may be here too
                elif isinstance(other, WorkspaceId):  # where the account is not known, the name says which data it is
                    location = replace(to_location(reference, Datastore(name, kind=""), other), datastore=None)
                else:
                    return None
            case _:
                return None
        if data_type:
            return replace(location, is_folder=data_type.casefold() not in _FILE_TYPES)
        return location

    def _saved_uris(self, asset_id: str) -> tuple[str, ...]:
        uris = self._cache.get((self._record.workspace.id, asset_id), lambda: self._read_saved(asset_id))
        # If one of them is in another workspace, the whole data set keeps its saved id.
        return uris if all(map(self._is_known, uris)) else ()

    def _read_saved(self, asset_id: str) -> tuple[str, ...]:
        try:
            return list_saved_uris(self._api.get_saved_dataset(asset_id.removeprefix(SAVED)))
        except (RecordNotFoundError, RequestRefusedError, AccessDeniedError, UnreadableAnswerError):
            return ()

    def _is_known(self, uri: str) -> bool:
        reference = parse_reference(uri)
        return isinstance(reference, Location) or (
            isinstance(reference, DatastorePath) and (self.is_here(reference) or self._neighbour(reference) is not None)
        )

    def _neighbour(self, reference: Reference) -> "DataReader | None":
        workspace = getattr(reference, "workspace", None)
        return None if workspace is None or self.is_here(reference) else self._find_neighbour(workspace)

    def _read_elsewhere(self, binding: Binding, reference: AssetReference) -> Data:
        """Return data of another workspace, as that one publishes it if it is watched; of any other, its name."""
        neighbour = self._neighbour(reference)
        owner = neighbour.workspace.id if neighbour else reference.workspace
        named = owner if isinstance(owner, WorkspaceId) and not reference.is_anonymous else None
        unresolved = Unresolved(binding.asset_id, named, reference.asset)
        if neighbour is None:
            says_whose = getattr(parse_reference(binding.declared_uri), "workspace", None) is not None
            there = self.locate(binding.declared_uri, data_type=binding.data_type)
            return there if there and says_whose and reference.is_anonymous else unresolved
        theirs = replace(binding, declared_uri="")  # it may be short, and then is about this workspace
        try:
            found = neighbour.resolve({"": [theirs]})[binding.asset_id]
        except (AccessDeniedError, RequestRefusedError, RunNotSettledError, UnreadableAnswerError):
            return unresolved
        match found:
            case DataAsset() if found.location or found.datastore:
                return replace(found, workspace=neighbour.workspace)
            case DataAsset():
                return replace(unresolved, unread=found.unread)
            case ModelVersion():
                return replace(found, workspace=neighbour.workspace)
            case Location():
                return replace(found, datastore=None)
        return unresolved

    @property
    def workspace(self) -> Workspace:
        return self._record.workspace

    def _from_reference(
        self, binding: Binding, writers: Mapping[str, Collection[str]], unnamed: Collection[str]
    ) -> Data | None:
        reference = parse_reference(binding.asset_id)
        match reference:
            case AssetReference() if not self.is_here(reference):
                return self._read_elsewhere(binding, reference)
            case AssetReference(asset) if reference.is_anonymous or (asset.kind == "models" and asset.name in unnamed):
                return self.locate(binding.declared_uri, data_type=binding.data_type)
            case AssetReference(asset) if asset.kind == "models":
                model = self.get_model_or_name(asset)
                return model.stands_for or model
            case AssetReference(asset):
                return self._data_asset(asset, binding, writers.get(binding.asset_id))
        located = self.locate(binding.asset_id, data_type=binding.data_type)
        return located or Unresolved(redact_text(binding.asset_id.partition("?")[0]))

    def _data_asset(self, asset: AssetId, binding: Binding, writers: Collection[str] | None) -> DataAsset:
        if asset.registry:
            return DataAsset(asset, location=None)
        try:
            found, is_read = self._get_data(asset), True
        except RecordNotFoundError:
            found, is_read = DataAsset(asset, location=None), False
        if not is_read or (found.unread and found.location is None):
            # Gone or unreadable, but the run did use it, and its definition may still say where it was stored.
            location = self.locate(binding.declared_uri, data_type=binding.data_type)
            found = replace(found, location=location, datastore=location.datastore if location else None)
        if writers:  # a path that only looks like one of Azure ML's (`azureml/raw/…`) carries no id of a writer
            by_run = found.location is not None and found.location.run_id in writers
        else:
            by_run = self._is_output_of_its_run(found)
        return replace(found, registered_by_run=by_run)

    def _read_model(self, asset: AssetId) -> ModelVersion:
        found = self._ask_model(asset)
        made_up = is_made_up(asset) or any(asset in self._outputs_of(run) for run in possible_writers(asset))
        return replace(found, stands_for=self.locate(found.uri)) if made_up else found

    def _get_data(self, asset: AssetId) -> DataAsset:
        """
        Return a registered data asset; of one that cannot be read, its name and why.

        Raises:
            RecordNotFoundError: there is no such version.
        """
        return self._remember((self._record.workspace.id, asset), lambda: self._read_data(asset))

    def _remember(self, key: _Key, ask: Callable[[], _Answer]) -> _Answer:
        """Return what is remembered or asked for; where something was refused, that is remembered for seconds."""
        return self._cache.get_many(
            [key], lambda _: {key: self._brief.get((key, "unread"), ask)}, keep=_without_unread
        )[key]

    def _read_data(self, asset: AssetId) -> DataAsset:
        try:
            found, uri, tags = self._sdk.get_data(asset)
        except _REFUSALS as error:
            return DataAsset(asset, location=None, unread=f"data {asset.label} ({describe_refusal(error)})")
        location = self.locate(uri, data_type=found.data_type)
        columns, notes = parse_schema(tags)
        datastore = location.datastore if location else None
        unread = location.unread if location else ""
        return replace(found, location=location, datastore=datastore, columns=columns, notes=notes, unread=unread)

    def _is_output_of_its_run(self, asset: DataAsset) -> bool:
        """Whether the run whose id the path carries registered this asset; a person may have done so afterwards."""
        if asset.location is None or not asset.location.run_id:
            return False
        return asset.id in self._outputs_of(asset.location.run_id, settled=False)

    def _registered_at(self, data: Data, outputs: Mapping[str, Iterable[Data]]) -> Data | None:
        """
        Return the registered output that lies at a place where Azure ML puts a run's output by default.

        The graph shows the output by it, so a run that reads the place reads it.

        Args:
            outputs: of the runs at hand; those of another run cost a request, and one more for each that is registered.
        """
        if not isinstance(data, Location) or not data.run_id:
            return None
        known, unread = outputs.get(data.run_id), ""
        for each in self._read_registered(data.run_id) if known is None else known:
            if isinstance(each, DataAsset):
                if each.location and each.location.url == data.url:
                    return replace(each, registered_by_run=True)
                unread = unread or each.unread
            elif isinstance(each, ModelVersion) and not each.stands_for:
                location = self.locate(each.uri)
                if location and location.url == data.url:
                    return each
        return replace(data, unread=unread) if unread else None

    def _read_registered(self, run_id: str) -> Iterator[Data]:
        for asset in sorted(self._outputs_of(run_id, settled=False)):
            if asset.registry or is_made_up(asset):
                continue
            try:
                if asset.kind == "models":
                    yield self.get_model(asset)
                else:
                    yield self._get_data(asset)
            except (RecordNotFoundError, RunNotSettledError):
                continue

    def _outputs_of(self, run_id: str, *, settled: bool = True) -> frozenset[AssetId]:
        """Return the assets that a run's outputs are; with `settled`, only once the run can have no more of them."""
        key = (self._record.workspace.id, "outputs", run_id)
        record, outputs = self._cache.get_many(
            [key], lambda _: {key: self._read_outputs(run_id)}, keep=_without_running
        )[key]
        if settled and record and record.status.casefold() not in SETTLED:
            raise RunNotSettledError(f"run {run_id} is {record.status}; its outputs are known when it has ended")
        return outputs

    def _read_outputs(self, run_id: str) -> "_Outputs":
        try:
            record = Record.from_json(self._api.get_run(run_id))
        except RecordNotFoundError:
            return None, frozenset()
        references = (parse_reference(binding.asset_id) for binding in list_bindings(record) if binding.is_output)
        return record, frozenset(reference.asset for reference in references if isinstance(reference, AssetReference))

    def _ask_where(self, unresolved: Iterable[Binding]) -> dict[str, Data]:
        by_kind: dict[str, list[str]] = {"data": [], "models": []}
        types: dict[str, str] = {}
        for binding in unresolved:
            reference = parse_reference(binding.asset_id)
            kind = reference.asset.kind if isinstance(reference, AssetReference) else "data"
            if binding.asset_id not in types:
                by_kind["models" if kind == "models" else "data"].append(binding.asset_id)
            types[binding.asset_id] = binding.data_type
        uris = {
            **(self._api.resolve_data(by_kind["data"]) if by_kind["data"] else {}),
            **(self._api.resolve_models(by_kind["models"]) if by_kind["models"] else {}),
        }
        found: dict[str, Data] = {}
        for asset_id, data_type in types.items():
            uri = uris.get(asset_id, "")
            named = redact_text(uri.partition("?")[0]) or asset_id
            found[asset_id] = self.locate(uri, data_type=data_type) or Unresolved(named)
        return found

    def _by_service(self, url: str, *, is_folder: bool) -> Location:
        """Return a place without secrets, of the service under which Purview scans the account."""
        parts = urlsplit(url)
        account, _, rest = parts.netloc.partition(".")
        rest = rest.removeprefix("privatelink.")
        if account in self._hierarchical_accounts() and rest.startswith("blob."):
            url = urlunsplit(parts._replace(netloc=f"{account}.{rest.replace('blob', 'dfs', 1)}"))
        unread = self._listed().unread if rest.startswith("blob.") else ""
        location = Location(redact_place(url).rstrip("/"), is_folder, unread=unread)
        return replace(location, run_id=Url.of(location).run)

    def _datastore(self, name: str) -> Datastore:
        """Return a datastore; of one that cannot be read, its name."""
        listed = self.datastores()
        if name in listed:
            return listed[name]
        return self._remember((self._record.workspace.id, "datastores", name), lambda: self._get_datastore(name))

    def datastores(self) -> Mapping[str, Datastore]:
        """Return the datastores of the workspace by name, as far as they can be listed."""
        return self._listed().by_name

    def _listed(self) -> "_Datastores":
        return self._remember((self._record.workspace.id, "datastores"), self._list_datastores)

    def _hierarchical_accounts(self) -> frozenset[str]:
        """Return the accounts that Purview scans as ADLS Gen2: the default one if it says so, and every known lake."""
        lakes = {store.account for store in self.datastores().values() if store.kind == "AzureDataLakeGen2"}
        return self._record.hierarchical_accounts | lakes

    def _list_datastores(self) -> "_Datastores":
        try:
            return _Datastores(self._sdk.list_datastores())
        except RecordNotFoundError:
            return _Datastores({})  # one unreadable datastore fails the whole list; then each is read by its name
        except _REFUSALS as error:
            return _Datastores({}, unread=f"the list of datastores ({describe_refusal(error)})")

    def _get_datastore(self, name: str) -> Datastore:
        try:
            return self._sdk.get_datastore(name)
        except RecordNotFoundError:
            return Datastore(name, kind="")
        except _REFUSALS as error:
            return Datastore(name, kind="", unread=f"datastore {name} ({describe_refusal(error)})")

    def is_here(self, reference: Reference) -> bool:
        workspace = getattr(reference, "workspace", None)
        return workspace in (None, self._record.workspace.id) or (
            isinstance(workspace, str) and workspace.casefold() == self._record.guid.casefold()
        )


_Outputs = tuple[Record | None, frozenset[AssetId]]
"""A run, None if it is gone, and the assets that its outputs are."""


@dataclass(frozen=True, slots=True)
class _Datastores:
    """The datastores of a workspace by name, and why they cannot be listed."""

    by_name: Mapping[str, Datastore]
    unread: str = ""


def _without_unread(answers: Mapping[_Key, _Answer]) -> Mapping[_Key, _Answer]:
    """Leave out what is not remembered for long: what was refused may be allowed soon."""

    def is_whole(answer: _Answer) -> bool:
        described = answer.stands_for if isinstance(answer, ModelVersion) else answer
        return not described or not described.unread

    return {key: each for key, each in answers.items() if is_whole(each)}


def _without_running(outputs: Mapping[_Key, _Outputs]) -> Mapping[_Key, _Outputs]:
    """Leave out what is not remembered: a run that goes on may register more."""
    return {key: each for key, each in outputs.items() if not each[0] or each[0].status.casefold() in SETTLED}


def list_saved_uris(body: Json) -> tuple[str, ...]:
    """
    Return where a data set of v1 is read from; nothing if it does not say so in a known form.

    Of the data flow in it: azureml.data._dataset_persistence of azureml-core 1.61.

    >>> list_saved_uris({"dataPath": {"datastoreName": "lake", "relativePath": "raw/a.csv"}})
    ('azureml://datastores/lake/paths/raw/a.csv',)
    """
    try:
        if body.get("dataflowJson"):
            return tuple(_uris_of_block(json.loads(body["dataflowJson"])["blocks"][0]))
        path = body.get("dataPath") or {}
        return (f"azureml://datastores/{path['datastoreName']}/paths/{path['relativePath']}",)
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError):
        return ()


def _uris_of_block(block: Mapping[str, Mapping[str, object]]) -> Iterator[str]:
    arguments: Mapping[str, object] = block["arguments"]
    match block["type"], arguments:
        case "Microsoft.DPrep.GetDatastoreFilesBlock", {"datastores": list(datastores)}:
            yield from map(_uri_in_datastore, datastores)
        case "Microsoft.DPrep.GetDatastoreFilesBlock", {"datastore": datastore}:  # of the first versions
            yield _uri_in_datastore(datastore)
        case "Microsoft.DPrep.GetFilesBlock", {"path": {"resourceDetails": list(details)}}:
            yield from (str(detail["path"]) for detail in details)


def _uri_in_datastore(datastore: Mapping[str, str]) -> str:
    workspace = (
        f"subscriptions/{datastore['subscription']}/resourcegroups/{datastore['resourceGroup']}"
        f"/workspaces/{datastore['workspaceName']}"
    )
    path = str(datastore["path"]).lstrip("/")
    return f"azureml://{workspace}/datastores/{datastore['datastoreName']}/paths/{path}"
