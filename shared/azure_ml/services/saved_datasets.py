"""Reads where the data lies that v1 names by a saved id."""

import json
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import replace
from urllib.parse import quote

from shared.azure_ml.run.bindings import SAVED, Binding
from shared.cache import Cache
from shared.errors import AccessDeniedError, RecordNotFoundError, RequestRefusedError, UnreadableAnswerError
from shared.http.rest import Json, RestClient
from shared.model import Location
from shared.places.uris import DatastorePath, Reference, parse_reference


class SavedDatasets:
    """
    v1's data sets of one workspace. One request for each that is not in the cache.

    Wire shape: azureml-core 1.61, `get_by_id` of its data set operations and `SavedDatasetDto`; of the data flow in it
    azureml.data._dataset_persistence. What cannot be read keeps its saved id, which stands for it.
    """

    def __init__(
        self,
        rest: RestClient,
        api_url: str,
        arm_id: str,
        *,
        cache: Cache,
        is_here: Callable[[Reference], bool],
    ) -> None:
        self._rest = rest
        self._root = f"{api_url.rstrip('/')}/dataset/v1.0{arm_id}/saveddatasets"
        self._cache = cache
        self._is_here = is_here

    def place(self, bindings: Iterable[Binding]) -> Iterator[Binding]:
        """
        Yield the bindings, those by saved ids with the URI that stands behind them; several if there are several.

        Raises:
            ServiceUnavailableError
        """
        for binding in bindings:
            uris = self._uris(binding.asset_id) if binding.asset_id.startswith(SAVED) else ()
            for number, uri in enumerate(uris):
                name = f"{binding.name}[{number}]" if number else binding.name
                yield replace(binding, name=name, asset_id=uri)
            if not uris:
                yield binding

    def _uris(self, asset_id: str) -> tuple[str, ...]:
        key: Hashable = (self._root, asset_id)
        uris = self._cache.get(key, lambda: self._read(asset_id.removeprefix(SAVED)))
        # One that is elsewhere is not known by half: then the saved id stands for all of it.
        return uris if all(map(self._is_known, uris)) else ()

    def _read(self, saved_id: str) -> tuple[str, ...]:
        try:
            return list_uris(self._rest.get(f"{self._root}/{quote(saved_id, safe='')}"))
        except (RecordNotFoundError, RequestRefusedError, AccessDeniedError, UnreadableAnswerError):
            return ()

    def _is_known(self, uri: str) -> bool:
        match parse_reference(uri):
            case Location():
                return True
            case DatastorePath() as reference:
                return self._is_here(reference)
        return False


def list_uris(body: Json) -> tuple[str, ...]:
    """
    Return where a saved data set is read from; nothing if it does not say so in a form that is known.

    >>> list_uris({"dataPath": {"datastoreName": "lake", "relativePath": "raw/a.csv"}})
    ('azureml://datastores/lake/paths/raw/a.csv',)
    """
    try:
        if body.get("dataflowJson"):
            return tuple(_of_first_block(json.loads(body["dataflowJson"])["blocks"][0]))
        path = body.get("dataPath") or {}
        return (f"azureml://datastores/{path['datastoreName']}/paths/{path['relativePath']}",)
    except (LookupError, TypeError, ValueError, AttributeError, RecursionError):
        return ()


def _of_first_block(block: Mapping[str, Mapping[str, object]]) -> Iterator[str]:
    arguments: Mapping[str, object] = block["arguments"]
    match block["type"], arguments:
        case "Microsoft.DPrep.GetDatastoreFilesBlock", {"datastores": list(datastores)}:
            yield from map(_of_datastore, datastores)
        case "Microsoft.DPrep.GetDatastoreFilesBlock", {"datastore": datastore}:  # of the first versions
            yield _of_datastore(datastore)
        case "Microsoft.DPrep.GetFilesBlock", {"path": {"resourceDetails": list(details)}}:
            yield from (str(detail["path"]) for detail in details)


def _of_datastore(datastore: Mapping[str, str]) -> str:
    workspace = "/".join(
        f"{word}/{datastore[member]}"
        for word, member in (
            ("subscriptions", "subscription"),
            ("resourcegroups", "resourceGroup"),
            ("workspaces", "workspaceName"),
        )
    )
    path = str(datastore["path"]).lstrip("/")
    return f"azureml://{workspace}/datastores/{datastore['datastoreName']}/paths/{path}"
