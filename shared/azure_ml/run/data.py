"""Turns asset ids and URIs into data: registered assets, models, places in storage."""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace
from urllib.parse import urlsplit, urlunsplit

from shared.azure_ml.run.bindings import Binding, list_bindings
from shared.azure_ml.run.runs import Record
from shared.azure_ml.services.assets import Assets
from shared.azure_ml.services.run_history import RunHistory
from shared.azure_ml.services.workspaces import WorkspaceRecord
from shared.cache import Cache
from shared.errors import RecordNotFoundError
from shared.model import AssetId, Data, DataAsset, Datastore, Location, ModelVersion, Unresolved, WorkspaceId
from shared.places.uris import AssetReference, DatastorePath, Reference, parse_reference, to_location
from shared.redaction import redact_text

_FILE_TYPES = frozenset({"urifile", "uri_file"})


class DataReader:
    """Reads the data of one workspace. What it reads of assets and datastores comes from the cache for a while."""

    def __init__(self, record: WorkspaceRecord, history: RunHistory, assets: Assets, cache: Cache) -> None:
        self._record = record
        self._history = history
        self._assets = assets
        self._cache = cache

    def resolve(self, bindings_by_run: Mapping[str, Sequence[Binding]]) -> dict[str, Data]:
        """
        Find what stands behind each binding's asset id, of many runs at once.

        What the run definition declares is free; the rest costs one request for data and one for models,
        however many there are. What nobody can place comes back as Unresolved.
        """
        bindings = [binding for of_run in bindings_by_run.values() for binding in of_run]
        writers: dict[str, set[str]] = {}
        for run_id, of_run in bindings_by_run.items():
            for binding in of_run:
                if binding.is_output:
                    writers.setdefault(binding.asset_id, set()).add(run_id)
        found: dict[str, Data] = {}
        for binding in bindings:
            if binding.asset_id not in found and (data := self._from_reference(binding, writers)):
                found[binding.asset_id] = data
        found.update(self._ask_where([binding for binding in bindings if binding.asset_id not in found]))
        return found

    def get_model(self, asset: AssetId, *, fresh: bool = False) -> ModelVersion:
        """
        Return a registered model version.

        Raises:
            RecordNotFoundError: there is no such version.
        """
        if asset.registry:
            return ModelVersion(asset)  # a registry has its own clients; the name says enough
        key = (self._record.workspace.id, asset)
        if fresh:
            self._cache.put(key, self._assets.get_model(asset))
        return self._cache.get(key, lambda: self._assets.get_model(asset))

    def get_model_or_name(self, asset: AssetId) -> ModelVersion:
        """Return a model version, or nothing but its name if it is gone: what used it used it all the same."""
        try:
            return self.get_model(asset)
        except RecordNotFoundError:
            return ModelVersion(asset)

    def locate(self, uri: str, *, data_type: str = "") -> Location | None:
        """Place a URI in storage, or return None if it names no place that can be known without asking."""
        if "${{" in uri:
            return None  # a template is no place until its run has filled it in
        reference = parse_reference(uri)
        match reference:
            case Location(url, is_folder):
                location = Location(self._by_service(url), is_folder)
            case DatastorePath() if self.is_here(reference):
                datastore = self._datastore(reference.datastore)
                location = to_location(
                    reference,
                    datastore,
                    self._record.workspace.id,
                    hierarchical_accounts=self._hierarchical_accounts(),
                )
            case _:
                return None
        if data_type:
            return replace(location, is_folder=data_type.casefold() not in _FILE_TYPES)
        return location

    def _from_reference(self, binding: Binding, writers: Mapping[str, Collection[str]]) -> Data | None:
        reference = parse_reference(binding.asset_id)
        match reference:
            case AssetReference(asset, workspace) if not self.is_here(reference):
                return Unresolved(binding.asset_id, *((workspace, asset) if isinstance(workspace, WorkspaceId) else ()))
            case AssetReference() if reference.is_anonymous:
                return self.locate(binding.declared_uri, data_type=binding.data_type)
            case AssetReference(asset) if asset.kind == "models":
                return self.get_model_or_name(asset)
            case AssetReference(asset):
                return self._data_asset(asset, binding, writers.get(binding.asset_id))
        located = self.locate(binding.asset_id, data_type=binding.data_type)
        return located or Unresolved(redact_text(binding.asset_id.partition("?")[0]))

    def _data_asset(self, asset: AssetId, binding: Binding, writers: Collection[str] | None) -> DataAsset:
        if asset.registry:
            return DataAsset(asset, location=None)
        try:
            found = self._cache.get((self._record.workspace.id, asset), lambda: self._read_data(asset))
        except RecordNotFoundError:
            # Gone, but the run used it all the same, and its definition may still say where it lay.
            location = self.locate(binding.declared_uri, data_type=binding.data_type)
            found = DataAsset(asset, location, datastore=location.datastore if location else None)
        if writers:  # a path that merely looks like one of Azure ML's (`azureml/raw/…`) carries the id of none of them
            by_run = found.location is not None and found.location.run_id in writers
        else:
            by_run = self._is_output_of_its_run(found)
        return replace(found, registered_by_run=by_run)

    def _read_data(self, asset: AssetId) -> DataAsset:
        found, uri = self._assets.get_data(asset)
        location = self.locate(uri, data_type=found.data_type)
        return replace(found, location=location, datastore=location.datastore if location else None)

    def _is_output_of_its_run(self, asset: DataAsset) -> bool:
        """Ask the run whose id the path carries whether it registered this asset, or somebody did so afterwards."""
        if asset.location is None or not asset.location.run_id:
            return False
        run_id = asset.location.run_id
        outputs = self._cache.get(
            (self._record.workspace.id, "outputs", run_id), lambda: self._registered_outputs(run_id)
        )
        return asset.id in outputs

    def _registered_outputs(self, run_id: str) -> frozenset[AssetId]:
        try:
            record = Record.from_json(self._history.get_run(run_id))
        except RecordNotFoundError:
            return frozenset()
        references = (parse_reference(binding.asset_id) for binding in list_bindings(record) if binding.is_output)
        return frozenset(reference.asset for reference in references if isinstance(reference, AssetReference))

    def _ask_where(self, unplaced: Iterable[Binding]) -> dict[str, Data]:
        by_kind: dict[str, list[str]] = {"data": [], "models": []}
        types: dict[str, str] = {}
        for binding in unplaced:
            reference = parse_reference(binding.asset_id)
            kind = reference.asset.kind if isinstance(reference, AssetReference) else "data"
            if binding.asset_id not in types:
                by_kind["models" if kind == "models" else "data"].append(binding.asset_id)
            types[binding.asset_id] = binding.data_type
        uris = {
            **(self._history.resolve_data(by_kind["data"]) if by_kind["data"] else {}),
            **(self._history.resolve_models(by_kind["models"]) if by_kind["models"] else {}),
        }
        return {
            asset_id: self.locate(uris.get(asset_id, ""), data_type=data_type) or Unresolved(asset_id)
            for asset_id, data_type in types.items()
        }

    def _by_service(self, url: str) -> str:
        """Return a URL without secrets, of the service under which Purview scans the account."""
        parts = urlsplit(url)
        account, _, rest = parts.netloc.partition(".")
        if account in self._hierarchical_accounts() and rest.startswith("blob."):
            url = urlunsplit(parts._replace(netloc=f"{account}.{rest.replace('blob', 'dfs', 1)}"))
        return redact_text(url).rstrip("/")

    def _datastore(self, name: str) -> Datastore:
        """Return a datastore; of one that cannot be read, its name."""
        listed = self.datastores()
        if name in listed:
            return listed[name]
        return self._cache.get((self._record.workspace.id, "datastores", name), lambda: self._get_datastore(name))

    def datastores(self) -> Mapping[str, Datastore]:
        """Return the datastores of the workspace by name, as far as they can be listed."""
        return self._cache.get((self._record.workspace.id, "datastores"), self._list_datastores)

    def _hierarchical_accounts(self) -> frozenset[str]:
        """Return the accounts that Purview scans as ADLS Gen2: the default one if it says so, and every known lake."""
        lakes = {store.account for store in self.datastores().values() if store.kind == "AzureDataLakeGen2"}
        return self._record.hierarchical_accounts | lakes

    def _list_datastores(self) -> Mapping[str, Datastore]:
        try:
            return self._assets.list_datastores()
        except RecordNotFoundError:
            return {}  # one unreadable datastore spoils the list; then each is asked for by name

    def _get_datastore(self, name: str) -> Datastore:
        try:
            return self._assets.get_datastore(name)
        except RecordNotFoundError:
            return Datastore(name, kind="")

    def is_here(self, reference: Reference) -> bool:
        workspace = getattr(reference, "workspace", None)
        return workspace in (None, self._record.workspace.id) or (
            isinstance(workspace, str) and workspace.casefold() == self._record.guid.casefold()
        )
