"""Turns asset ids and URIs into data: registered assets, models, places in storage."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from shared.azure_ml.assets import Assets
from shared.azure_ml.cache import Cache
from shared.azure_ml.run_history import RunHistory
from shared.azure_ml.runs import Binding
from shared.azure_ml.uris import AssetReference, DatastorePath, Reference, Url, parse_reference, to_location
from shared.azure_ml.workspaces import WorkspaceRecord
from shared.errors import RecordNotFoundError
from shared.model import AssetId, Data, DataAsset, Datastore, Location, ModelVersion, Unresolved
from shared.redaction import redact_text

_FILE_TYPES = {"urifile", "uri_file"}


class DataReader:
    """Reads the data of one workspace. Asset versions and datastores do not change, so they come from the cache."""

    def __init__(self, record: WorkspaceRecord, history: RunHistory, assets: Assets, cache: Cache) -> None:
        self._record = record
        self._history = history
        self._assets = assets
        self._cache = cache

    def resolve(self, bindings: Sequence[Binding]) -> dict[str, Data]:
        """
        Find what stands behind each binding's asset id.

        What the run definition declares is free; the rest costs one request for data and one for models,
        however many there are. What nobody can place comes back as Unresolved.
        """
        found: dict[str, Data] = {}
        unplaced: list[Binding] = []
        for binding in bindings:
            data = self._from_reference(binding)
            if data is None:
                unplaced.append(binding)
            else:
                found[binding.asset_id] = data
        found.update(self._ask_where(unplaced))
        return found

    def get_data(self, asset: AssetId) -> DataAsset | None:
        """Return a registered data asset, or None if it is gone."""
        if asset.registry:
            return DataAsset(asset, location=None)  # a registry has its own clients; its name says enough
        try:
            return self._cache.get((self._record.workspace.id, asset), lambda: self._read_data(asset))
        except RecordNotFoundError:
            return None

    def get_model(self, asset: AssetId, *, fresh: bool = False) -> ModelVersion:
        """
        Return a registered model version.

        Raises:
            RecordNotFoundError: there is no such version.
        """
        if asset.registry:
            return ModelVersion(asset)
        key = (self._record.workspace.id, asset)
        if fresh:
            self._cache.put(key, self._assets.get_model(asset))
        return self._cache.get(key, lambda: self._assets.get_model(asset))

    def locate(self, uri: str, *, data_type: str = "") -> Location | None:
        """Place a URI in storage, or return None if it names no place that can be known without asking."""
        reference = parse_reference(uri)
        match reference:
            case Url(url):
                location = Location(redact_text(url).rstrip("/"), is_folder=url.endswith("/"))
            case DatastorePath() if self._is_here(reference):
                datastore = self._datastore(reference.datastore)
                if datastore is None:
                    return None
                location = to_location(reference, datastore, hierarchical_account=self._record.hierarchical_account)
            case _:
                return None
        if data_type:
            return replace(location, is_folder=data_type.casefold() not in _FILE_TYPES)
        return location

    def _datastore(self, name: str) -> Datastore | None:
        listed = self._cache.get((self._record.workspace.id, "datastores"), self._list_datastores)
        if listed is not None:
            return listed.get(name)
        return self._cache.get((self._record.workspace.id, "datastores", name), lambda: self._get_datastore(name))

    def _list_datastores(self) -> Mapping[str, Datastore] | None:
        try:
            return self._assets.list_datastores()
        except RecordNotFoundError:
            return None  # one unreadable datastore spoils the list; then ask by name

    def _get_datastore(self, name: str) -> Datastore | None:
        try:
            return self._assets.get_datastore(name)
        except RecordNotFoundError:
            return None

    def _from_reference(self, binding: Binding) -> Data | None:
        reference = parse_reference(binding.asset_id)
        match reference:
            case AssetReference() if not self._is_here(reference):
                return Unresolved(binding.asset_id)
            case AssetReference(asset) if not reference.is_anonymous and asset.kind == "models":
                try:
                    return self.get_model(asset)
                except RecordNotFoundError:
                    return Unresolved(binding.asset_id)
            case AssetReference(asset) if not reference.is_anonymous:
                return self.get_data(asset) or Unresolved(binding.asset_id)
            case AssetReference():
                return self.locate(binding.declared_uri, data_type=binding.data_type)
        return self.locate(binding.asset_id, data_type=binding.data_type) or Unresolved(
            redact_text(binding.asset_id.partition("?")[0])
        )

    def _ask_where(self, unplaced: Iterable[Binding]) -> dict[str, Data]:
        by_kind: dict[str, list[str]] = {"data": [], "models": []}
        types: dict[str, str] = {}
        for binding in unplaced:
            reference = parse_reference(binding.asset_id)
            kind = reference.asset.kind if isinstance(reference, AssetReference) else "data"
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

    def _read_data(self, asset: AssetId) -> DataAsset:
        found, uri = self._assets.get_data(asset)
        return replace(found, location=self.locate(uri, data_type=found.data_type))

    def _is_here(self, reference: Reference) -> bool:
        workspace = getattr(reference, "workspace", None)
        return workspace in (None, self._record.workspace.id) or (
            isinstance(workspace, str) and workspace.casefold() == self._record.guid.casefold()
        )
