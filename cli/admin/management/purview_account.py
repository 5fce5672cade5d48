"""The administration of a Purview account: its collections, and the policies that give roles in them."""

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from shared.errors import AccessDeniedError, RecordNotFoundError
from shared.http.rest import Json, RestClient

DATA_CURATOR = "purviewmetadatarole_builtin_data-curator"

_PRINCIPAL, _GROUPS = "principal.microsoft.id", "principal.microsoft.groups"
_COLLECTIONS, _POLICIES = "2019-11-01-preview", "2021-07-01"


@dataclass(frozen=True, slots=True)
class Collection:
    """`name` is what the API takes, `friendly_name` what people see; the root collection has no parent."""

    name: str
    friendly_name: str
    parent: str


class PurviewAccount:
    """
    Methods may raise what RestClient raises. Wire shapes: azure-rest-api-specs, Azure.Analytics.Purview.Account
    2019-11-01-preview and MetadataPolicies 2021-07-01.
    """

    def __init__(self, rest: RestClient, endpoint: str) -> None:
        self._rest = rest
        self._endpoint = endpoint

    def list_collections(self) -> list[Collection]:
        url, params = f"{self._endpoint}/account/collections", {"api-version": _COLLECTIONS}
        found: list[Collection] = []
        while url:
            page = self._rest.get(url, params=params)
            found += [
                Collection(
                    str(body["name"]),
                    str(body.get("friendlyName") or body["name"]),
                    str((body.get("parentCollection") or {}).get("referenceName") or ""),
                )
                for body in page.get("value") or []
            ]
            link = str(page.get("nextLink") or "")
            # The token goes where the link points, so a link to elsewhere is not followed.
            url, params = (link if link.startswith(self._endpoint) else ""), {}
        return found

    def get_collection(self, name: str) -> Collection:
        """
        Return a collection by the name the API takes, the root collection for "".

        Raises:
            AccessDeniedError: the caller has no role in any collection, and so sees none.
            RecordNotFoundError: there is none, or the caller has no role in it.
        """
        collections = self.list_collections()
        if not collections:
            raise AccessDeniedError("no collection of this account is visible: a role in one is needed to see it")
        for collection in collections:
            if collection.name == name if name else not collection.parent:
                return collection
        called_so = [collection.name for collection in collections if collection.friendly_name == name]
        advice = f"; the collection that is called so has the name {called_so[0]}" if called_so else ""
        raise RecordNotFoundError(f"no collection {name or 'at the root'} is visible{advice}")

    def find_called(self, friendly_name: str) -> list[str]:
        """Return the names of the collections that the portal shows under a friendly name."""
        return [each.name for each in self.list_collections() if each.friendly_name == friendly_name]

    def get_policy(self, collection: str) -> Json:
        """
        Return the metadata policy of a collection: its roles and who has them.

        Raises:
            AccessDeniedError: the caller may not see it; the list of policies then simply lacks it.
        """
        answer = self._rest.get(
            f"{self._endpoint}/policystore/metadataPolicies",
            params={"collectionName": collection, "api-version": _POLICIES},
        )
        for policy in answer.get("values") or []:
            if policy["properties"]["collection"]["referenceName"] == collection:
                return dict(policy)
        raise AccessDeniedError(f"only a Collection Administrator of {collection} may read who has roles there")

    def put_policy(self, policy: Json) -> None:
        """Replace a policy; Purview refuses one that others have replaced since it was read."""
        self._rest.put(
            f"{self._endpoint}/policystore/metadataPolicies/{policy['id']}", policy, params={"api-version": _POLICIES}
        )


def has_role(policy: Json, role: str, principal_id: str) -> bool:
    """Whether a principal itself, not a group it is in, has a role in the collection of a policy."""
    return principal_id.casefold() in {member.casefold() for member in _members(policy, role, _PRINCIPAL)}


def has_groups(policy: Json, role: str) -> bool:
    """Whether a group has a role: then any principal may have it through that group."""
    return any(True for _ in _members(policy, role, _GROUPS))


def inherits(policy: Json) -> bool:
    """Whether roles of the parent collection count here."""
    parent = policy["properties"].get("parentCollectionName")
    rule = _rule(policy, f"permission:{_collection(policy)}")
    return bool(parent) and rule is not None and f"permission:{parent}" in _from_rules(rule)


def with_role(policy: Json, role: str, principal_id: str) -> Json:
    """
    Return a policy in which a principal has a role besides all that is there.

    A collection begins with administrators only: the role's own rule, and its mention in the rule of permissions,
    may be missing and are added then. Shapes: Microsoft Learn, "Metadata policies and collections APIs".
    """
    changed = deepcopy(policy)
    collection = _collection(changed)
    rules: list[Json] = changed["properties"]["attributeRules"]
    name = f"{role}:{collection}"
    rule = _rule(changed, name)
    if rule is None:
        rule = {"kind": "attributerule", "id": name, "name": name, "dnfCondition": []}
        rules.append(rule)
    members = next(_conditions(rule, _PRINCIPAL), None)
    if members is None:
        members = {"attributeName": _PRINCIPAL, "attributeValueIncludedIn": []}
        of_role = {"fromRule": role, "attributeName": "derived.purview.role", "attributeValueIncludes": role}
        rule["dnfCondition"].insert(0, [members, of_role])
    members["attributeValueIncludedIn"].append(principal_id)
    permission = _rule(changed, f"permission:{collection}")
    if permission is None:
        permission = {
            "kind": "attributerule",
            "id": f"permission:{collection}",
            "name": f"permission:{collection}",
            "dnfCondition": [],
        }
        rules.append(permission)
    if name not in _from_rules(permission):
        mention = {"fromRule": name, "attributeName": "derived.purview.permission", "attributeValueIncludes": name}
        permission["dnfCondition"].append([mention])
    return changed


def _collection(policy: Json) -> str:
    return str(policy["properties"]["collection"]["referenceName"])


def _rule(policy: Json, name: str) -> Json | None:
    rules = policy["properties"].get("attributeRules") or []
    return next((rule for rule in rules if rule.get("id") == name), None)


def _members(policy: Json, role: str, attribute: str) -> Iterator[str]:
    rule = _rule(policy, f"{role}:{_collection(policy)}")
    for condition in _conditions(rule or {}, attribute):
        yield from condition["attributeValueIncludedIn"]


def _conditions(rule: Json, attribute: str) -> Iterator[Any]:
    for conjunction in rule.get("dnfCondition") or []:
        for condition in conjunction:
            if condition.get("attributeName") == attribute and "attributeValueIncludedIn" in condition:
                yield condition


def _from_rules(rule: Json) -> set[str]:
    return {
        str(condition.get("fromRule")) for conjunction in rule.get("dnfCondition") or [] for condition in conjunction
    }
