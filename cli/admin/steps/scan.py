"""Sets up a scan: Purview may read a data lake, knows it as a source, and has scanned it once."""

from collections.abc import Iterator

from cli.admin.management.arm import PURVIEW_ACCOUNTS, STORAGE_ACCOUNTS, role_command
from cli.admin.management.clients import Management
from cli.admin.management.purview_scans import SCAN, build_scan, build_source
from cli.admin.steps.step import Change, Step
from shared.bootstrap import Services
from shared.errors import RequestRefusedError
from shared.http.rest import Json

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

    def source_name() -> str:
        """Return the name that somebody registered the lake under, or the one we would."""
        return management.scans.find_source(lake_id) or name

    def plan_source() -> Change | str:
        wanted = build_source(read_lake(), collection())
        if found := management.scans.find_source(lake_id):
            return f"it is registered as {found}"
        return Change(f"{name} is registered", lambda: management.scans.put_source(name, wanted))

    def plan_scan() -> Change | str:
        if management.scans.get_scan(source_name()):
            return f"scan {SCAN} is there"
        wanted = build_scan(collection())
        return Change(f"scan {SCAN} is created", lambda: management.scans.put_scan(source_name(), wanted))

    def plan_run() -> Change | str:
        if management.scans.has_run(source_name()):
            return f"scan {SCAN} has run"
        return Change(f"scan {SCAN} is started", lambda: management.scans.start(source_name()))

    yield Step(f"read access of Purview to {name}", plan_role, command)
    yield Step(f"data source {name}", plan_source, command)
    yield Step(f"scan of {name}", plan_scan, command)
    yield Step(f"first run of the scan of {name}", plan_run, command)
