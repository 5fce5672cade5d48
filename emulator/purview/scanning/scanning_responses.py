"""The endpoints of the scanning service."""

from emulator.purview.account.admin_call import AdminAnswer, AdminCall
from emulator.purview.account.admin_errors import bad_request
from emulator.purview.account.collections import timestamp
from emulator.purview.policies.roles import READ_SCAN, WRITE_SCAN
from emulator.purview.scanning.scans import FAILED, SUCCEEDED, Scan, ScanRun
from emulator.purview.wire import Json


def list_sources(call: AdminCall) -> AdminAnswer:
    """List the data sources that the caller can see."""
    sources = call.purview.scanning.sources.values()
    return _page([source for source in sources if call.may(READ_SCAN, _collection(source))])


def get_source(call: AdminCall) -> AdminAnswer:
    """Read a data source."""
    return AdminAnswer(_source(call, READ_SCAN))


def put_source(call: AdminCall) -> AdminAnswer:
    """Register a data source, or replace it."""
    scanning, name = call.purview.scanning, call.path["source"]
    if name in scanning.sources:
        _source(call, WRITE_SCAN)
    _require_target(call)
    created = scanning.put_source(name, call.document)
    return AdminAnswer(scanning.source(name), 201 if created else 200)


def delete_source(call: AdminCall) -> AdminAnswer:
    """Delete a data source with its scans."""
    name = call.path["source"]
    if name not in call.purview.scanning.sources:
        return AdminAnswer(None)
    _source(call, WRITE_SCAN)
    return AdminAnswer(call.purview.scanning.delete_source(name))


def list_scans(call: AdminCall) -> AdminAnswer:
    """List the scans of a data source."""
    _source(call, READ_SCAN)
    return _page([scan.document for scan in call.purview.scanning.scans[call.path["source"]].values()])


def get_scan(call: AdminCall) -> AdminAnswer:
    """Read a scan."""
    return AdminAnswer(_scan(call, READ_SCAN).document)


def put_scan(call: AdminCall) -> AdminAnswer:
    """Define a scan, or replace it."""
    scanning, source, name = call.purview.scanning, call.path["source"], call.path["scan"]
    _source(call, WRITE_SCAN)
    _require_target(call)
    created = scanning.put_scan(source, name, call.document)
    return AdminAnswer(scanning.scan(source, name).document, 201 if created else 200)


def post_run(call: AdminCall) -> AdminAnswer:
    """Start a run as the current version does: an action on the scan, with the id among the parameters."""
    run_id = call.query.get("runId")
    if not run_id:
        raise bad_request("The runId parameter is required.")
    run = _start(call, run_id)
    place = f"{call.origin}/scan/datasources/{call.path['source']}/scans/{call.path['scan']}/runs/{run.id}"
    headers = {"Operation-Location": f"{place}?api-version={call.query['api-version']}"}
    return AdminAnswer(_started(run), 202, headers)


def put_run(call: AdminCall) -> AdminAnswer:
    """Start a run as the previews did: by writing it."""
    return AdminAnswer(_started(_start(call, call.path["run"])), 202)


def list_runs(call: AdminCall) -> AdminAnswer:
    """List the runs of a scan."""
    _scan(call, READ_SCAN)
    runs = call.purview.scanning.read_runs(call.path["source"], call.path["scan"])
    return _page([_result(call, run) for run in runs])


def get_run(call: AdminCall) -> AdminAnswer:
    """Read one run."""
    _scan(call, READ_SCAN)
    runs = call.purview.scanning.read_runs(call.path["source"], call.path["scan"], call.path["run"].lower())
    return AdminAnswer({"value": _result(call, next(runs))})


def _source(call: AdminCall, action: str) -> Json:
    source = call.purview.scanning.source(call.path["source"])
    call.require(action, _collection(source))
    return source


def _scan(call: AdminCall, action: str) -> Scan:
    scan = call.purview.scanning.scan(call.path["source"], call.path["scan"])
    call.require(action, scan.collection)
    return scan


def _require_target(call: AdminCall) -> None:
    """Refuse a caller who may not scan into the collection that the body names."""
    properties = call.document.get("properties")
    reference = properties.get("collection") if isinstance(properties, dict) else None
    if isinstance(reference, dict) and call.purview.account.find(str(reference.get("referenceName"))):
        call.require(WRITE_SCAN, str(reference["referenceName"]))


def _collection(document: Json) -> str:
    return str(document["properties"]["collection"]["referenceName"])


def _page(items: list[Json]) -> AdminAnswer:
    return AdminAnswer({"value": items, "count": len(items), "nextLink": None})


def _start(call: AdminCall, run_id: str) -> ScanRun:
    _scan(call, WRITE_SCAN)
    level = call.query.get("scanLevel", "Full")
    return call.purview.scanning.start(call.path["source"], call.path["scan"], run_id, level)


def _started(run: ScanRun) -> Json:
    return {
        "scanResultId": run.id,
        "startTime": timestamp(run.started),
        "endTime": None,
        "status": run.status,
        "error": None,
    }


def _result(call: AdminCall, run: ScanRun) -> Json:
    source = call.purview.scanning.source(call.path["source"])
    error: Json | None = (
        {"code": "ScanFailed", "message": run.error, "target": None, "details": []} if run.error else None
    )
    counts = {"discovered": run.found, "classified": 0, "failed": 0}
    ingested = {"succeeded": run.found, "failed": 0, "processing": 0}
    return {
        "parentId": None,
        "id": run.id,
        "ingestionJobId": run.id,
        "resourceId": source["properties"].get("resourceId"),
        "status": run.status,
        "diagnostics": {"notifications": [], "exceptionCountMap": {}},
        "startTime": timestamp(run.started),
        "endTime": timestamp(run.ended) if run.ended else None,
        "scanRulesetVersion": 1,
        "scanRulesetType": "System",
        "scanLevelType": run.level,
        "errorMessage": run.error,
        "error": error,
        "runType": "Manual",
        "dataSourceType": source["kind"],
        "discoveryExecutionDetails": {
            "status": run.status,
            "statistics": {"assets": counts, "isErrorLogAvailable": run.status == FAILED},
        },
        "ingestionExecutionDetails": {
            "status": run.status,
            "statistics": {"assets": ingested} if run.status == SUCCEEDED else None,
        },
    }
