"""Metadata policies: who has which role in a collection of Purview."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from shared.http.rest import Json

DATA_CURATOR = "purviewmetadatarole_builtin_data-curator"

_PRINCIPAL, _GROUPS = "principal.microsoft.id", "principal.microsoft.groups"


def has_role(policy: Json, role: str, principal_id: str) -> bool:
    """Whether a principal itself, not a group it is in, has a role in the collection of a policy."""
    return principal_id.casefold() in {member.casefold() for member in _members(policy, role, _PRINCIPAL)}


def has_groups(policy: Json, role: str) -> bool:
    """Whether a group has a role: then anybody may have it through that group."""
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
