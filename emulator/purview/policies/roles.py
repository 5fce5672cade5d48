"""Purview's built-in collection roles, and the data actions they allow."""

from dataclasses import dataclass

from emulator.purview.wire import Json

PREFIX = "purviewmetadatarole_builtin_"
_SPACE = "Microsoft.Purview/accounts"
READ_DATA, WRITE_DATA = f"{_SPACE}/data/read", f"{_SPACE}/data/write"
READ_SCAN, WRITE_SCAN = f"{_SPACE}/scan/read", f"{_SPACE}/scan/write"
READ_COLLECTION, WRITE_COLLECTION = f"{_SPACE}/collection/read", f"{_SPACE}/collection/write"


@dataclass(frozen=True, slots=True)
class Role:
    """One role; policies refer to it by its id, people by its friendly name."""

    name: str
    friendly_name: str
    actions: tuple[str, ...]

    @property
    def id(self) -> str:
        """Return the id, which rules of a policy begin with."""
        return PREFIX + self.name

    def to_json(self) -> Json:
        """Show the role as the policy store lists it."""
        condition = [[{"attributeName": "request.azure.dataAction", "attributeValueIncludedIn": list(self.actions)}]]
        return {
            "id": self.id,
            "name": self.name,
            "type": "Microsoft.Purview/role",
            "properties": {
                "provisioningState": "Provisioned",
                "roleType": "BuiltIn",
                "friendlyName": self.friendly_name,
                "cnfCondition": condition,
                "version": 1,
            },
        }


COLLECTION_ADMINISTRATOR = Role(
    "collection-administrator", "Collection Administrator", (READ_COLLECTION, WRITE_COLLECTION)
)
READER = Role("purview-reader", "Purview Reader", (READ_DATA, READ_COLLECTION))
DATA_CURATOR = Role("data-curator", "Data Curator", (READ_DATA, WRITE_DATA, READ_COLLECTION))
DATA_SOURCE_ADMINISTRATOR = Role(
    "data-source-administrator", "Data Source Administrator", (READ_SCAN, WRITE_SCAN, READ_COLLECTION)
)
DATA_SHARE_CONTRIBUTOR = Role(
    "data-share-contributor", "Data share contributor", (f"{_SPACE}/share/read", f"{_SPACE}/share/write")
)

# What the creator of an account gets on its root collection, in the order of the root policy.
OWNER_ROLES = (COLLECTION_ADMINISTRATOR, READER, DATA_CURATOR, DATA_SOURCE_ADMINISTRATOR)
ROLES = {
    role.id: role
    for role in (DATA_CURATOR, DATA_SOURCE_ADMINISTRATOR, COLLECTION_ADMINISTRATOR, READER, DATA_SHARE_CONTRIBUTOR)
}
