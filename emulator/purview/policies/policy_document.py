"""The document of a metadata policy: how a new one looks, and what may be written over it."""

import re
from collections.abc import Iterable
from typing import Any

from emulator.purview.account.admin_errors import AdminError
from emulator.purview.policies.roles import COLLECTION_ADMINISTRATOR, ROLES, Role
from emulator.purview.wire import Json

PRINCIPAL, ROLE, PERMISSION = "principal.microsoft.id", "derived.purview.role", "derived.purview.permission"
GROUPS = "principal.microsoft.groups"
_OBJECT_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE)


def new_policy(policy_id: str, collection: str, parent: str | None, owner: str, roles: Iterable[Role]) -> Json:
    """Build the policy of a collection just made; only its owner has roles there, the rest is inherited."""
    properties: Json = {
        "description": "",
        "decisionRules": [
            {
                "kind": "decisionrule",
                "effect": "Permit",
                "dnfCondition": [
                    [
                        {"attributeName": "resource.purview.collection", "attributeValueIncludes": collection},
                        _from_rule(PERMISSION, f"permission:{collection}"),
                    ]
                ],
            }
        ],
        "attributeRules": [_rule(f"permission:{collection}", [])],
        "collection": {"type": "CollectionReference", "referenceName": collection},
    }
    policy = {"name": f"policy_{collection}", "id": policy_id, "version": 0, "properties": properties}
    for role in roles:
        add_principal(policy, role, owner)
    if parent is not None:
        properties["parentCollectionName"] = parent
        inherited = f"{COLLECTION_ADMINISTRATOR.id}:{parent}"
        find_rule(policy, f"{COLLECTION_ADMINISTRATOR.id}:{collection}")["dnfCondition"].append(
            [_from_rule(PERMISSION, inherited)]
        )
        find_rule(policy, f"permission:{collection}")["dnfCondition"].append(
            [_from_rule(PERMISSION, f"permission:{parent}")]
        )
    return policy


def collection_of(policy: Json) -> str:
    """Name the collection a policy is of."""
    return str(policy["properties"]["collection"]["referenceName"])


def find_rule(policy: Json, rule_id: str) -> Json:
    """Return the attribute rule of an id; a policy has no rule for a role that was never given there."""
    rules = policy["properties"]["attributeRules"]
    return next((rule for rule in rules if rule["id"] == rule_id), {})


def add_principal(policy: Json, role: Role, principal: str) -> None:
    """Give a role to a principal: in the role's rule, which the collection's permission has to refer to."""
    collection = collection_of(policy)
    rule_id = f"{role.id}:{collection}"
    rule = find_rule(policy, rule_id)
    if not rule:
        rule = _rule(rule_id, [])
        rules = policy["properties"]["attributeRules"]
        rules.insert(len(rules) - 1, rule)  # the permission rule comes last
        permission = find_rule(policy, f"permission:{collection}")
        permission["dnfCondition"].append([_from_rule(PERMISSION, rule_id)])
    holders = next((m for c in rule["dnfCondition"] for m in c if m["attributeName"] == PRINCIPAL), None)
    if holders is None:
        holders = {"attributeName": PRINCIPAL, "attributeValueIncludedIn": []}
        rule["dnfCondition"].insert(0, [holders, _from_rule(ROLE, role.id)])
    if principal not in holders["attributeValueIncludedIn"]:
        holders["attributeValueIncludedIn"].append(principal)


def remove_principal(policy: Json, principal: str) -> None:
    """Take all roles that a principal was given right here."""
    for rule in policy["properties"]["attributeRules"]:
        for matcher in (matcher for conjunction in rule["dnfCondition"] for matcher in conjunction):
            if matcher["attributeName"] == PRINCIPAL:
                given = matcher["attributeValueIncludedIn"]
                matcher["attributeValueIncludedIn"] = [item for item in given if item.lower() != principal]


def check_replacement(policy: Json, document: object) -> Json:
    """Return the new document of a policy, or refuse it with the reason."""
    if not isinstance(document, dict) or not isinstance(document.get("properties"), dict):
        raise _bad("The policy must be an object with properties.")
    properties, collection = document["properties"], collection_of(policy)
    if document.get("id", policy["id"]) != policy["id"]:
        raise _bad(f"The policy id {document['id']} is not the one of the path.")
    reference = properties.get("collection")
    if not isinstance(reference, dict) or reference.get("referenceName") != collection:
        raise _bad(f"The policy is of collection {collection}.")
    if properties.get("parentCollectionName") != policy["properties"].get("parentCollectionName"):
        raise _bad("The parent collection cannot be changed.")
    for name in ("decisionRules", "attributeRules"):
        if not isinstance(properties.get(name), list) or not all(isinstance(rule, dict) for rule in properties[name]):
            raise _bad(f"{name} must be a list of rules.")
    for rule in properties["attributeRules"]:
        _check_rule(rule, collection)
    if document.get("version") != policy["version"]:
        raise AdminError(
            409, "Conflict", f"Version {document.get('version')} is not the latest one, which is {policy['version']}."
        )
    return document


def _check_rule(rule: Json, collection: str) -> None:
    rule_id = str(rule.get("id"))
    role, _, of = rule_id.rpartition(":")
    if of != collection or (role != "permission" and role not in ROLES):
        raise _bad(f"{rule_id} is not a rule of collection {collection}.")
    condition = rule.get("dnfCondition")
    if not isinstance(condition, list) or not all(isinstance(conjunction, list) for conjunction in condition):
        raise _bad(f"dnfCondition of {rule_id} must be a list of lists.")
    for matcher in (matcher for conjunction in condition for matcher in conjunction):
        name = matcher.get("attributeName") if isinstance(matcher, dict) else None
        if name in (PRINCIPAL, GROUPS):
            values = matcher.get("attributeValueIncludedIn")
            if not isinstance(values, list) or not all(_OBJECT_ID.fullmatch(str(value)) for value in values):
                raise _bad(f"{name} of {rule_id} must be a list of object ids.")
        elif name not in (ROLE, PERMISSION) or not isinstance(matcher.get("attributeValueIncludes"), str):
            raise _bad(f"{rule_id} has a condition that is not understood: {matcher}.")


def _rule(rule_id: str, condition: list[list[Json]]) -> Json:
    return {"kind": "attributerule", "id": rule_id, "name": rule_id, "dnfCondition": condition}


def _from_rule(attribute: str, value: str) -> dict[str, Any]:
    return {"fromRule": value, "attributeName": attribute, "attributeValueIncludes": value}


def _bad(message: str) -> AdminError:
    return AdminError(400, "BadRequest", message)
