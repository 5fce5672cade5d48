"""The policy store: the metadata policy of every collection, and what follows from them."""

from collections.abc import Iterable

from emulator.purview.account.admin_errors import not_found
from emulator.purview.account.collections import Account
from emulator.purview.identity import Source
from emulator.purview.policies.policy_document import (
    PERMISSION,
    PRINCIPAL,
    ROLE,
    add_principal,
    check_replacement,
    collection_of,
    find_rule,
    new_policy,
    remove_principal,
)
from emulator.purview.policies.roles import COLLECTION_ADMINISTRATOR, OWNER_ROLES, PREFIX, ROLES, Role
from emulator.purview.wire import Json


class Policies:
    """One policy a collection; rights are worked out from the documents as they stand."""

    def __init__(self, account: Account) -> None:
        self._source = Source("policy")
        self._by_collection: dict[str, Json] = {}
        for collection in account.collections.values():
            self.create(collection.name, collection.parent, collection.created_by)

    def create(self, collection: str, parent: str | None, owner: str) -> None:
        """Make the policy of a new collection."""
        roles = OWNER_ROLES if parent is None else (COLLECTION_ADMINISTRATOR,)
        self._by_collection[collection] = new_policy(self._source.guid(), collection, parent, owner, roles)

    def all(self) -> list[Json]:
        """List the policies, parents before children."""
        return list(self._by_collection.values())

    def of_collection(self, name: str) -> Json:
        """Return the policy of a collection."""
        found = self._by_collection.get(name.lower())
        if found is None:
            raise not_found("Metadata policy of collection", name)
        return found

    def get(self, policy_id: str) -> Json:
        """Return the policy of an id."""
        found = next((policy for policy in self.all() if policy["id"] == policy_id.lower()), None)
        if found is None:
            raise not_found("Metadata policy", policy_id)
        return found

    def replace(self, policy_id: str, document: object) -> Json:
        """Write a policy over the version it was read as, which gives the next version."""
        policy = self.get(policy_id)
        new = check_replacement(policy, document)
        # What the server keeps is not for a client to change.
        kept = {"name": policy["name"], "id": policy["id"], "version": policy["version"] + 1}
        self._by_collection[collection_of(policy)] = {**kept, "properties": new["properties"]}
        return self._by_collection[collection_of(policy)]

    def assign(self, principal: str, collection: str, roles: Iterable[str]) -> None:
        """Give a principal exactly these roles right at a collection; what it inherits stays."""
        wanted = [_role(name) for name in roles]
        policy = self._by_collection.get(collection.lower())
        if policy is None:
            raise ValueError(f"no collection {collection!r}; there are {', '.join(self._by_collection)}")
        remove_principal(policy, principal.lower())
        for role in wanted:
            add_principal(policy, role, principal.lower())
        policy["version"] += 1

    def allows(self, principal: str, action: str, collection: str) -> bool:
        """Whether a principal may do something in a collection, by its own roles or by inherited ones."""
        return any(action in ROLES[role].actions for role in self._permission(principal, collection.lower()))

    def allows_somewhere(self, principal: str, action: str) -> bool:
        """Whether a principal may do something in any collection."""
        return any(self.allows(principal, action, name) for name in self._by_collection)

    def _permission(self, principal: str, collection: str) -> set[str]:
        """Work out the ids of the roles that the permission rule of a collection lets through to it."""
        policy = self._by_collection.get(collection)
        if policy is None:
            return set()
        found: set[str] = set()
        for conjunction in find_rule(policy, f"permission:{collection}").get("dnfCondition", []):
            for matcher in conjunction:
                role, _, of = str(matcher.get("attributeValueIncludes")).rpartition(":")
                if role == "permission" and of == policy["properties"].get("parentCollectionName"):
                    found |= self._permission(principal, of)
                elif of == collection and self._holds(principal, role, of):
                    found.add(role)
        return found

    def _holds(self, principal: str, role: str, collection: str) -> bool:
        """Whether the rule of a role names the principal, or the rule of the parent that it refers to does."""
        policy = self._by_collection.get(collection)
        if policy is None:
            return False
        parent = policy["properties"].get("parentCollectionName")

        def matches(matcher: Json) -> bool:
            if matcher["attributeName"] == PRINCIPAL:
                return principal in (item.lower() for item in matcher["attributeValueIncludedIn"])
            value = matcher.get("attributeValueIncludes")
            if matcher["attributeName"] == ROLE:
                return value == role
            inherited = parent is not None and value == f"{role}:{parent}"
            return matcher["attributeName"] == PERMISSION and inherited and self._holds(principal, role, parent)

        condition = find_rule(policy, f"{role}:{collection}").get("dnfCondition", [])
        return any(conjunction and all(matches(matcher) for matcher in conjunction) for conjunction in condition)


def _role(name: str) -> Role:
    role = ROLES.get(name if name.startswith(PREFIX) else PREFIX + name)
    if role is None:
        raise ValueError(f"no role {name!r}; there are {', '.join(item.name for item in ROLES.values())}")
    return role
