"""Sets up a scan: Purview may read a data lake, knows it as a source, and has scanned it once."""

from collections.abc import Iterator

from cli.management.arm import PURVIEW_ACCOUNTS, STORAGE_ACCOUNTS, role_command
from cli.management.clients import Management
from cli.management.drift import missing
from cli.management.purview_scans import SCAN, build_scan, build_source
from cli.steps.step import Change, Step
from shared.bootstrap import Services
from shared.errors import RequestRefusedError
from shared.rest import Json

_READER = "Storage Blob Data Reader"


def scan_lake(
    services: Services, management: Management, purview_account_id: str, lake_id: str, *, command: str
) -> Iterator[Step]:
    """
    Yield the steps for one storage account with hierarchical namespace.

    Args:
        purview_account_id, lake_id: ARM ids.
    """
    name = lake_id.rpartition("/")[2]

    def read_lake() -> Json:
        lake = management.arm.get(lake_id, STORAGE_ACCOUNTS)
        if not lake["properties"].get("isHnsEnabled"):
            raise RequestRefusedError(f"{name} is no data lake: it has no hierarchical namespace", status=0)
        return lake

    def plan_role() -> Change | str:
        identity = management.arm.get(purview_account_id, PURVIEW_ACCOUNTS).get("identity") or {}
        principal = str(identity.get("principalId") or "")
        if not principal:
            raise RequestRefusedError("the Purview account has no system-assigned identity to scan with", status=0)
        if management.arm.has_role(lake_id, principal, _READER):
            return f"Purview is {_READER} of {name}"
        return Change(
            f"Purview becomes {_READER} of {name}",
            lambda: management.arm.give_role(lake_id, principal, _READER),
            role_command(lake_id, principal, _READER),
        )

    def collection() -> str:
        return management.account.get_collection(services.settings.purview_collection).name

    def plan_source() -> Change | str:
        wanted = build_source(read_lake(), collection())
        existing = management.scans.get_source(name)
        # Where somebody has moved a source to is theirs to decide.
        if existing and not missing({**wanted["properties"], "collection": {}}, existing.get("properties")):
            return f"{name} is registered"
        return Change(f"{name} is registered", lambda: management.scans.put_source(name, wanted))

    def plan_scan() -> Change | str:
        wanted = build_scan(collection())
        existing = management.scans.get_scan(name)
        if existing and not missing({**wanted["properties"], "collection": {}}, existing.get("properties")):
            return f"scan {SCAN} of {name} is there"
        return Change(f"scan {SCAN} of {name} is created", lambda: management.scans.put_scan(name, wanted))

    def plan_run() -> Change | str:
        if management.scans.has_run(name):
            return f"scan {SCAN} of {name} has run"
        return Change(f"scan {SCAN} of {name} is started", lambda: management.scans.start(name))

    yield Step(f"read access of Purview to {name}", plan_role, command)
    yield Step(f"data source {name}", plan_source, command)
    yield Step(f"scan of {name}", plan_scan, command)
    yield Step(f"first run of the scan of {name}", plan_run, command)
