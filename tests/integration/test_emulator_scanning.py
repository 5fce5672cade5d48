"""Purview's scans: data sources, how they are scanned, and runs that find what is in the storage."""

from typing import Any
from uuid import uuid4

import pytest

from emulator.server import Emulator
from tests.harness.callers import Caller

PRINCIPAL = "11111111-2222-4333-8444-555555555555"
SCANNING, CATALOG = "2023-09-01", "2023-09-01"
LAKE: dict[str, Any] = {
    "kind": "AdlsGen2",
    "properties": {
        "endpoint": "https://contosolake.dfs.core.windows.net/",
        "resourceName": "contosolake",
        "collection": {"referenceName": "credit", "type": "CollectionReference"},
    },
}
SCAN: dict[str, Any] = {
    "kind": "AdlsGen2Msi",
    "properties": {
        "scanRulesetName": "AdlsGen2",
        "scanRulesetType": "System",
        "collection": {"referenceName": "credit", "type": "CollectionReference"},
    },
}
FOUND = "https://contosolake.dfs.core.windows.net/credit/raw/collateral.csv"
BY_NAME = "/datamap/api/atlas/v2/entity/uniqueAttribute/type/azure_datalake_gen2_path"


def set_up_scan(caller: Caller) -> str:
    """Register the lake and its scan; give the scan's path."""
    created = caller.send("PUT", "/scan/datasources/lake", LAKE, api_version=SCANNING)
    assert (created.status_code, created.json()["properties"]["collection"]["referenceName"]) == (201, "credit")
    assert caller.send("PUT", "/scan/datasources/lake", LAKE, api_version=SCANNING).status_code == 200
    path = "/scan/datasources/lake/scans/weekly"
    assert caller.send("PUT", path, SCAN, api_version=SCANNING).status_code == 201
    assert caller.ok("GET", path, api_version=SCANNING)["id"] == "datasources/lake/scans/weekly"
    return path


def test_scan_finds_the_files_of_its_data_source(caller: Caller) -> None:
    """A run is accepted, in progress, and succeeds; then the new file is in the scan's collection."""
    path, run = set_up_scan(caller), str(uuid4())
    started = caller.send("POST", f"{path}:run", runId=run, scanLevel="Full", api_version=SCANNING)
    assert (started.status_code, started.json()["status"]) == (202, "Accepted")
    assert started.headers["Operation-Location"].partition("?")[0].endswith(f"{path}/runs/{run}")
    query = {"attr:qualifiedName": FOUND, "api_version": CATALOG}
    assert caller.send("GET", BY_NAME, **query).status_code == 404
    statuses = [caller.ok("GET", f"{path}/runs", api_version=SCANNING)["value"][0]["status"] for _ in range(2)]
    assert statuses == ["InProgress", "Succeeded"]
    result = caller.ok("GET", f"{path}/runs/{run}", api_version=SCANNING)["value"]
    assert result["discoveryExecutionDetails"]["statistics"]["assets"]["discovered"] == 4
    found = caller.ok("GET", BY_NAME, **query)["entity"]
    assert (found["collectionId"], found["createdBy"]) == ("credit", "ServiceAdmin")


def test_previews_start_a_run_by_writing_it(caller: Caller) -> None:
    """PUT of the run is the way until 2022; the current version has no such thing, and needs a run id."""
    path, run = set_up_scan(caller), str(uuid4())
    assert caller.refused("PUT", f"{path}/runs/{run}", api_version=SCANNING) == (400, "UnsupportedApiVersion")
    assert caller.refused("POST", f"{path}:run", api_version=SCANNING) == (400, "BadRequest")
    started = caller.send("PUT", f"{path}/runs/{run}", api_version="2022-07-01-preview")
    assert (started.status_code, started.json()["scanResultId"]) == (202, run)
    assert caller.refused("POST", f"{path}:run", runId=run, api_version=SCANNING) == (409, "Conflict")


def test_scan_fails_as_scripted(caller: Caller, emulator: Emulator) -> None:
    """A run that cannot read the storage says so in its history, and writes nothing."""
    emulator.control.switches(scan_error="The managed identity has no access to the storage account.")
    path = set_up_scan(caller)
    caller.ok("POST", f"{path}:run", runId=str(uuid4()), api_version=SCANNING)
    runs = [caller.ok("GET", f"{path}/runs", api_version=SCANNING)["value"][0] for _ in range(2)]
    assert (runs[1]["status"], runs[1]["error"]["message"][:21]) == ("Failed", "The managed identity ")
    assert caller.send("GET", BY_NAME, **{"attr:qualifiedName": FOUND, "api_version": CATALOG}).status_code == 404


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/scan/datasources/lake", {**LAKE, "kind": "Lake"}),
        ("/scan/datasources/lake", {"kind": "AdlsGen2"}),
        ("/scan/datasources/lake", {**LAKE, "properties": {**LAKE["properties"], "endpoint": "https://lake/"}}),
        ("/scan/datasources/lake", {**LAKE, "properties": {"endpoint": LAKE["properties"]["endpoint"]}}),
        (
            "/scan/datasources/lake",
            {**LAKE, "properties": {**LAKE["properties"], "collection": {"referenceName": "x"}}},
        ),
        ("/scan/datasources/lake/scans/weekly", {**SCAN, "kind": "AzureStorageMsi"}),
        ("/scan/datasources/lake/scans/weekly", {**SCAN, "properties": {"collection": {"referenceName": "credit"}}}),
    ],
)
def test_scan_that_could_not_run_is_refused(caller: Caller, path: str, body: dict[str, Any]) -> None:
    """Wrong kinds and endpoints, and collections that do not exist."""
    set_up_scan(caller)
    before = caller.ok("GET", path, api_version=SCANNING)
    assert caller.refused("PUT", path, body, api_version=SCANNING) == (400, "BadRequest")
    assert caller.ok("GET", path, api_version=SCANNING) == before


def test_scanning_needs_the_role_for_it(caller: Caller, emulator: Emulator) -> None:
    """A data source administrator of the collection may; a curator may not."""
    emulator.control.switches(enforce_permissions=True)
    caller.become(PRINCIPAL)
    emulator.control.roles(PRINCIPAL, "credit", "data-curator")
    assert caller.refused("PUT", "/scan/datasources/lake", LAKE, api_version=SCANNING) == (403, "Unauthorized")
    emulator.control.roles(PRINCIPAL, "credit", "data-source-administrator")
    set_up_scan(caller)


@pytest.mark.parametrize(
    "path", ["/scan/datasources/nowhere", "/scan/datasources/nowhere/scans/weekly", "/scan/nonsense"]
)
def test_what_is_not_there_is_not_found(caller: Caller, path: str) -> None:
    """A scan is not there without its data source."""
    assert caller.refused("GET", path, api_version=SCANNING) == (404, "NotFound")


def test_deleted_data_source_takes_its_scans_along(caller: Caller, emulator: Emulator) -> None:
    """And deleting it again is no error; a reset leaves none either."""
    before = emulator.control.state()["purview"]
    path = set_up_scan(caller)
    caller.ok("DELETE", "/scan/datasources/lake", api_version=SCANNING)
    assert caller.send("DELETE", "/scan/datasources/lake", api_version=SCANNING).status_code == 204
    assert caller.refused("GET", path, api_version=SCANNING) == (404, "NotFound")
    set_up_scan(caller)
    emulator.control.reset()
    assert emulator.control.state()["purview"] == before
