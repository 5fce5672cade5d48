"""The scanning service: data sources, their scans, and runs that go on while they are being read."""

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from emulator.purview.account.admin_errors import AdminError, bad_request, not_found
from emulator.purview.account.collections import timestamp
from emulator.purview.identity import Source
from emulator.purview.wire import Json

# What Purview's scanner can be pointed at here, and where it finds it.
ENDPOINTS = {"AdlsGen2": "dfs", "AzureStorage": "blob"}
LEVELS = ("Full", "Incremental")
ACCEPTED, IN_PROGRESS, SUCCEEDED, FAILED = "Accepted", "InProgress", "Succeeded", "Failed"

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{1,62}")
_GUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)

# Scans the data below an endpoint into a collection; returns how many assets it found, raises ValueError with a reason.
Scanner = Callable[[str, str], int]


@dataclass(slots=True)
class ScanRun:
    """One run: accepted when it is asked for, in progress at the first look, over at the second."""

    id: str
    level: str
    started: int
    status: str = ACCEPTED
    ended: int | None = None
    found: int = 0
    error: str | None = None


@dataclass(slots=True)
class Scan:
    """How one data source is scanned."""

    document: Json
    runs: list[ScanRun] = field(default_factory=list)

    @property
    def collection(self) -> str:
        """The collection that what is found goes to."""
        return str(self.document["properties"]["collection"]["referenceName"])


class Scanning:
    """All data sources of an account, with their scans."""

    def __init__(self, has_collection: Callable[[str], bool], scanner: Scanner) -> None:
        self._has_collection = has_collection
        self._scanner = scanner
        self._clock = Source("scanning")
        self.sources: dict[str, Json] = {}
        self.scans: defaultdict[str, dict[str, Scan]] = defaultdict(dict)

    def source(self, name: str) -> Json:
        """Return a data source."""
        if name not in self.sources:
            raise not_found("Data source", name)
        return self.sources[name]

    def put_source(self, name: str, body: Json) -> bool:
        """Register a data source, or replace it; tells whether it is new."""
        kind, properties = _kind(body, *ENDPOINTS), _properties(body)
        endpoint = str(properties.get("endpoint"))
        if not re.fullmatch(rf"https://[a-z0-9]{{3,24}}\.{ENDPOINTS[kind]}\.core\.windows\.net/?", endpoint):
            raise bad_request(f"endpoint {endpoint} is not one of kind {kind}.")
        old, moment = self.sources.get(name), timestamp(self._clock.tick())
        self.sources[_name(name)] = {
            "id": f"datasources/{name}",
            "kind": kind,
            "creationType": "Manual",
            "name": name,
            "properties": {
                "dataUseGovernance": "Disabled",
                "parentCollection": None,
                "dataSourceCollectionMovingState": 0,
                **properties,
                **self._written(properties, old, moment),
            },
        }
        return old is None

    def delete_source(self, name: str) -> Json:
        """Take a data source away, with its scans; what they found stays."""
        self.scans.pop(name, None)
        document = self.source(name)
        del self.sources[name]
        return document

    def scan(self, source: str, name: str) -> Scan:
        """Return a scan."""
        self.source(source)
        if name not in self.scans[source]:
            raise not_found("Scan", name)
        return self.scans[source][name]

    def put_scan(self, source: str, name: str, body: Json) -> bool:
        """Define a scan, or replace it; tells whether it is new."""
        of = self.source(source)["kind"]
        kind, properties = _kind(body, f"{of}Msi", f"{of}Credential"), _properties(body)
        for key, allowed in (("scanRulesetName", None), ("scanRulesetType", ("System", "Custom"))):
            if not isinstance(properties.get(key), str) or (allowed and properties[key] not in allowed):
                raise bad_request(f"{key} of a scan cannot be {properties.get(key)!r}.")
        old, moment = self.scans[source].get(name), timestamp(self._clock.tick())
        document = {
            "id": f"datasources/{source}/scans/{_name(name)}",
            "kind": kind,
            "name": name,
            "dataSourceName": source,
            "properties": {**properties, **self._written(properties, old.document if old else None, moment)},
        }
        self.scans[source][name] = Scan(document, old.runs if old else [])
        return old is None

    def start(self, source: str, name: str, run_id: str, level: str) -> ScanRun:
        """Start a run under an id of the client's choice."""
        scan = self.scan(source, name)
        if not _GUID.fullmatch(run_id):
            raise bad_request(f"runId {run_id!r} is not a GUID.")
        if level not in LEVELS:
            raise bad_request(f"scanLevel must be one of {LEVELS}.")
        if any(run.id == run_id.lower() for run in scan.runs):
            raise AdminError(409, "Conflict", f"Run {run_id} exists.")
        run = ScanRun(run_id.lower(), level, self._clock.tick())
        scan.runs.insert(0, run)
        return run

    def read_runs(self, source: str, name: str, only: str | None = None) -> Iterator[ScanRun]:
        """Yield the runs of a scan, the latest first; a run that is read goes on."""
        scan = self.scan(source, name)
        runs = [run for run in scan.runs if only in (None, run.id)]
        if only is not None and not runs:
            raise not_found("Run", only)
        for run in runs:
            if run.status == IN_PROGRESS:
                self._finish(run, self.source(source)["properties"]["endpoint"], scan.collection)
            elif run.status == ACCEPTED:
                run.status = IN_PROGRESS
            yield run

    def _finish(self, run: ScanRun, endpoint: str, collection: str) -> None:
        try:
            run.found = self._scanner(f"{endpoint.rstrip('/')}/", collection)
            run.status = SUCCEEDED
        except ValueError as problem:
            run.status, run.error = FAILED, str(problem)
        run.ended = self._clock.tick()

    def _written(self, properties: Json, old: Json | None, moment: str) -> Json:
        """Build what the service adds to properties; the collection has to exist."""
        reference = properties.get("collection")
        name = reference.get("referenceName") if isinstance(reference, dict) else None
        if not isinstance(name, str) or not self._has_collection(name):
            raise bad_request(f"There is no collection {name!r}.")
        return {
            "createdAt": old["properties"]["createdAt"] if old else moment,
            "lastModifiedAt": moment,
            "collection": {"lastModifiedAt": moment, "referenceName": name.lower(), "type": "CollectionReference"},
        }


def _kind(body: Json, *allowed: str) -> str:
    kind = body.get("kind")
    if kind not in allowed:
        raise bad_request(f"kind must be one of {', '.join(allowed)}, not {kind!r}.")
    return str(kind)


def _properties(body: Json) -> Json:
    properties = body.get("properties")
    if not isinstance(properties, dict):
        raise bad_request("properties must be an object.")
    return properties


def _name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise bad_request(f"{name!r} is not a name: 2 to 63 letters, digits, hyphens, dots and underscores.")
    return name
