"""The storage accounts and the Purview account around the workspaces, as ARM shows them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from emulator.arm.groups import Group
from emulator.azure_ml import AzureML
from emulator.azure_ml.arm.bodies import TENANT

STORAGE, PURVIEW = "Microsoft.Storage/storageAccounts", "Microsoft.Purview/accounts"
# Of the Purview account; it needs a role on the storage that it scans.
PURVIEW_PRINCIPAL = "00000000-0000-4000-8000-0000000000aa"
_CREATED = "2026-01-01T00:00:00.0000000Z"
_SERVICES = ("blob", "dfs", "queue", "table", "file", "web")


@dataclass(frozen=True, slots=True)
class Storage:
    """One storage account."""

    name: str
    group: Group
    region: str
    hns: bool
    public_network_access: str = "Enabled"

    def to_json(self) -> dict[str, Any]:
        """Show the account."""
        zones = {service: service if service != "web" else "z20.web" for service in _SERVICES}
        return {
            "id": self.group.resource_id(STORAGE, self.name),
            "name": self.name,
            "type": STORAGE,
            "location": self.region,
            "kind": "StorageV2",
            "sku": {"name": "Standard_LRS", "tier": "Standard"},
            "tags": {},
            "properties": {
                "provisioningState": "Succeeded",
                "creationTime": _CREATED,
                "isHnsEnabled": self.hns,
                "supportsHttpsTrafficOnly": True,
                "accessTier": "Hot",
                "primaryLocation": self.region,
                "statusOfPrimary": "available",
                "publicNetworkAccess": self.public_network_access,
                "networkAcls": {
                    "bypass": "AzureServices",
                    "defaultAction": "Allow",
                    "ipRules": [],
                    "virtualNetworkRules": [],
                },
                "privateEndpointConnections": [],
                "primaryEndpoints": {
                    service: f"https://{self.name}.{zone}.core.windows.net/" for service, zone in zones.items()
                },
            },
        }


@dataclass(frozen=True, slots=True)
class PurviewAccount:
    """The Purview account."""

    name: str
    group: Group
    region: str
    public_network_access: str = "Enabled"
    private_endpoints: tuple[str, ...] = ()

    def to_json(self, base_url: str) -> dict[str, Any]:
        """Show the account; its endpoints lead back to the emulator."""
        arm_id = self.group.resource_id(PURVIEW, self.name)
        return {
            "id": arm_id,
            "name": self.name,
            "type": PURVIEW,
            "location": self.region,
            "identity": {"principalId": PURVIEW_PRINCIPAL, "tenantId": TENANT, "type": "SystemAssigned"},
            "sku": {"name": "Standard", "capacity": 1},
            "tags": {},
            "properties": {
                "friendlyName": self.name,
                "createdBy": "emulator",
                "createdAt": _CREATED,
                "provisioningState": "Succeeded",
                "endpoints": {"catalog": f"{base_url}/catalog", "scan": f"{base_url}/scan"},
                "publicNetworkAccess": self.public_network_access,
                "privateEndpointConnections": [_connection(arm_id, name) for name in self.private_endpoints],
                "managedResourceGroupName": f"managed-rg-{self.name}",
            },
        }


def storage_accounts(azure_ml: AzureML, changes: Mapping[str, Mapping[str, str]]) -> Iterator[Storage]:
    """Yield the accounts that workspaces keep their files in or have datastores of, in the workspace's group."""
    for workspace in azure_ml.workspaces():
        names = workspace.names
        group = Group(names.subscription, names.resource_group)
        accounts = {workspace.storage_account: workspace.storage_hns}
        for store in workspace.datastores.values():
            if store.type != "OneLake":
                accounts.setdefault(store.account, store.type == "AzureDataLakeGen2")
        for name, hns in accounts.items():
            yield Storage(name, group, names.region, hns, **changes.get(name, {}))


def _connection(account_id: str, name: str) -> dict[str, Any]:
    return {
        "id": f"{account_id}/privateEndpointConnections/{name}",
        "name": name,
        "type": f"{PURVIEW}/privateEndpointConnections",
        "properties": {
            "provisioningState": "Succeeded",
            "privateLinkServiceConnectionState": {"status": "Approved", "description": "", "actionsRequired": "None"},
        },
    }
