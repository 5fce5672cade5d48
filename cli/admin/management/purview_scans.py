"""Purview's scanning: data sources, scans of them, and their runs."""

import uuid
from collections.abc import Mapping
from urllib.parse import quote

from shared.errors import RecordNotFoundError
from shared.http.rest import Json, RestClient

_API_VERSION = "2023-09-01"
SCAN = "lineage"
"""Our scan of a data source."""


class PurviewScans:
    """Methods may raise what RestClient raises. Wire shapes: azure-rest-api-specs, scanning data plane 2023-09-01."""

    def __init__(self, rest: RestClient, endpoint: str) -> None:
        self._rest = rest
        self._base = f"{endpoint}/scan/datasources"

    def find_source(self, resource_id: str) -> str:
        """Return the name of the data source that stands for a resource of Azure, "" if there is none."""
        url, params = self._base, _VERSION
        while url:
            page = self._rest.get(url, params=params)
            for source in page.get("value") or []:
                if str(source["properties"].get("resourceId") or "").casefold() == resource_id.casefold():
                    return str(source["name"])
            link = str(page.get("nextLink") or "")
            # The token goes where the link points, so a link to elsewhere is not followed.
            url, params = (link if link.startswith(self._base) else ""), {}
        return ""

    def put_source(self, name: str, body: Json) -> None:
        self._rest.put(f"{self._base}/{quote(name)}", body, params=_VERSION)

    def get_scan(self, source: str) -> Json | None:
        return self._get_or_none(f"{quote(source)}/scans/{SCAN}")

    def put_scan(self, source: str, body: Json) -> None:
        self._rest.put(f"{self._base}/{quote(source)}/scans/{SCAN}", body, params=_VERSION)

    def has_run(self, source: str) -> bool:
        """Whether our scan of a source was ever started."""
        history = self._get_or_none(f"{quote(source)}/scans/{SCAN}/runs") or {}
        return bool(history.get("value"))

    def start(self, source: str) -> str:
        """Start a full scan, and return the id of its run."""
        run_id = str(uuid.uuid4())
        self._rest.post(
            f"{self._base}/{quote(source)}/scans/{SCAN}:run",
            {},
            params={**_VERSION, "runId": run_id, "scanLevel": "Full"},
        )
        return run_id

    def _get_or_none(self, path: str) -> Json | None:
        try:
            return self._rest.get(f"{self._base}/{path}", params=_VERSION)
        except RecordNotFoundError:
            return None


_VERSION: Mapping[str, str] = {"api-version": _API_VERSION}


def build_source(account: Json, collection: str) -> Json:
    """Describe a storage account with hierarchical namespace (its ARM body) as a data source."""
    _, _, subscription, _, group, *_ = str(account["id"]).split("/")
    return {
        "kind": "AdlsGen2",
        "properties": {
            "endpoint": account["properties"]["primaryEndpoints"]["dfs"],
            "resourceId": account["id"],
            "resourceName": account["name"],
            "resourceGroup": group,
            "subscriptionId": subscription,
            "location": account["location"],
            "collection": _reference(collection),
        },
    }


def build_scan(collection: str) -> Json:
    """Describe a scan with Purview's own identity and its rules for data lakes."""
    return {
        "kind": "AdlsGen2Msi",
        "properties": {
            "scanRulesetName": "AdlsGen2",
            "scanRulesetType": "System",
            "collection": _reference(collection),
        },
    }


def _reference(collection: str) -> Json:
    return {"referenceName": collection, "type": "CollectionReference"}
