"""The account: its name, and the tree of collections below it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

from emulator.purview.identity import FIRST_MOMENT
from emulator.purview.wire import Json, as_object

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{1,34}[a-z0-9]")


@dataclass(frozen=True, slots=True)
class Collection:
    """One collection; only the root has no parent."""

    name: str
    friendly_name: str
    parent: str | None
    created_by: str
    description: str | None = None

    def to_json(self) -> Json:
        """Show the collection as the account service does."""
        moment = timestamp(FIRST_MOMENT)
        body: Json = {"name": self.name, "friendlyName": self.friendly_name}
        if self.description is not None:
            body["description"] = self.description
        if self.parent is not None:
            body["parentCollection"] = {"type": "CollectionReference", "referenceName": self.parent}
        body["systemData"] = {
            "createdBy": self.created_by,
            "createdByType": "Application",
            "createdAt": moment,
            "lastModifiedBy": self.created_by,
            "lastModifiedByType": "Application",
            "lastModifiedAt": moment,
        }
        return body | {"collectionProvisioningState": "Succeeded"}


class Account:
    """All collections of one account, parents before children; names are kept in lower case."""

    def __init__(self, name: str, owner: str, seed: Mapping[str, object]) -> None:
        self.name = name.lower()
        self.collections = {self.name: Collection(self.name, name, None, owner)}
        for child, entry in seed.items():
            node = as_object(entry or {}, f"collection {child}")
            unknown = node.keys() - {"friendly_name", "parent", "description"}
            if unknown:
                raise ValueError(f"unknown keys in collection {child}: {sorted(unknown)}")
            parent = str(node.get("parent", self.name))
            if self.find(parent) is None:
                raise ValueError(f"collection {child} has no parent {parent}")
            self.put(Collection(child, str(node.get("friendly_name", child)), parent, owner, node.get("description")))

    def find(self, name: str) -> Collection | None:
        """Find a collection by name, in any case; friendly names are for people only."""
        return self.collections.get(name.lower())

    def put(self, collection: Collection) -> None:
        """Add a collection, or replace it."""
        if not _NAME.fullmatch(collection.name):
            raise ValueError(
                f"{collection.name!r} is not the name of a collection: 3 to 36 lower case letters, digits and hyphens"
            )
        self.collections[collection.name] = collection


def timestamp(milliseconds: int) -> str:
    """
    Write a time as Purview's administrative services do.

    >>> timestamp(FIRST_MOMENT)
    '2026-01-01T00:00:00.0000000Z'
    """
    return f"{datetime.fromtimestamp(milliseconds / 1000, UTC):%Y-%m-%dT%H:%M:%S.%f}0Z"
