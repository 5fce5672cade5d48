"""Resource groups: where a resource lives, and the format of its id."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Group:
    """One resource group; ids keep the case they were written in, and are compared without it."""

    subscription: str
    name: str

    @property
    def id(self) -> str:
        """Return the ARM id."""
        return f"/subscriptions/{self.subscription}/resourceGroups/{self.name}"

    def resource_id(self, kind: str, name: str) -> str:
        """
        Return the id of a resource.

        >>> Group("s", "g").resource_id("Microsoft.Storage/storageAccounts", "a")
        '/subscriptions/s/resourceGroups/g/providers/Microsoft.Storage/storageAccounts/a'
        """
        return f"{self.id}/providers/{kind}/{name}"
