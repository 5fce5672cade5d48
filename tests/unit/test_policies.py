"""Roles in Purview's metadata policies: added to what is there, found where they are inherited."""

from copy import deepcopy
from typing import Any

import pytest

from cli.admin.management.purview_account import DATA_CURATOR, has_groups, has_role, inherits, with_role

APP, PERSON, GROUP = "11111111-app", "22222222-person", "33333333-group"
ADMIN = "purviewmetadatarole_builtin_collection-administrator"


def role_rule(role: str, collection: str, *conjunctions: list[dict[str, Any]]) -> dict[str, Any]:
    name = f"{role}:{collection}"
    return {"kind": "attributerule", "id": name, "name": name, "dnfCondition": list(conjunctions)}


def members(role: str, *ids: str, attribute: str = "principal.microsoft.id") -> list[dict[str, Any]]:
    return [
        {"attributeName": attribute, "attributeValueIncludedIn": list(ids)},
        {"fromRule": role, "attributeName": "derived.purview.role", "attributeValueIncludes": role},
    ]


def mention(rule: str) -> list[dict[str, Any]]:
    return [{"fromRule": rule, "attributeName": "derived.purview.permission", "attributeValueIncludes": rule}]


def policy(*rules: dict[str, Any], parent: str = "") -> dict[str, Any]:
    return {
        "id": "p1",
        "version": 3,
        "properties": {
            "attributeRules": list(rules),
            "collection": {"type": "CollectionReference", "referenceName": "child"},
            **({"parentCollectionName": parent} if parent else {}),
        },
    }


FRESH = policy(
    role_rule(ADMIN, "child", members(ADMIN, PERSON), mention(f"{ADMIN}:root")),
    {
        "kind": "attributerule",
        "id": "permission:child",
        "dnfCondition": [mention(f"{ADMIN}:child"), mention("permission:root")],
    },
    parent="root",
)
"""What Purview makes for a new collection: its administrators, and what it inherits."""


def test_role_without_any_principal_gets_its_rule_and_its_mention() -> None:
    """Without the mention in the rule of permissions the role would have no effect."""
    changed = with_role(FRESH, DATA_CURATOR, APP)
    rules = {rule["id"]: rule for rule in changed["properties"]["attributeRules"]}
    assert rules[f"{DATA_CURATOR}:child"] == role_rule(DATA_CURATOR, "child", members(DATA_CURATOR, APP))
    assert rules["permission:child"]["dnfCondition"][-1] == mention(f"{DATA_CURATOR}:child")
    assert has_role(changed, DATA_CURATOR, APP)


def test_everything_else_of_a_policy_stays_as_it_was() -> None:
    """Other people's roles are not ours to touch; nor is the policy that was given."""
    before = deepcopy(FRESH)
    changed = with_role(FRESH, DATA_CURATOR, APP)
    assert before == FRESH
    kept = [rule for rule in changed["properties"]["attributeRules"] if rule["id"] == f"{ADMIN}:child"]
    assert kept == [FRESH["properties"]["attributeRules"][0]]
    assert {**changed, "properties": None} == {**FRESH, "properties": None}


def test_role_that_others_have_is_shared() -> None:
    """A second member, no second rule and no second mention."""
    first = with_role(FRESH, DATA_CURATOR, PERSON)
    second = with_role(first, DATA_CURATOR, APP)
    assert has_role(second, DATA_CURATOR, PERSON)
    assert has_role(second, DATA_CURATOR, APP)
    assert len(second["properties"]["attributeRules"]) == len(first["properties"]["attributeRules"])
    permissions = [rule for rule in second["properties"]["attributeRules"] if rule["id"] == "permission:child"]
    assert permissions == [rule for rule in first["properties"]["attributeRules"] if rule["id"] == "permission:child"]


def test_role_that_only_a_group_has_gets_a_member_beside_the_group() -> None:
    """The group stays in a conjunction of its own."""
    of_group = members(DATA_CURATOR, GROUP, attribute="principal.microsoft.groups")
    grouped = policy(role_rule(DATA_CURATOR, "child", of_group))
    changed = with_role(grouped, DATA_CURATOR, APP)
    assert changed["properties"]["attributeRules"][0]["dnfCondition"] == [members(DATA_CURATOR, APP), of_group]
    assert has_groups(changed, DATA_CURATOR)
    assert not has_groups(FRESH, DATA_CURATOR)


def test_policy_without_a_rule_of_permissions_gets_one() -> None:
    """Else the role would have no effect."""
    changed = with_role(policy(), DATA_CURATOR, APP)
    assert [rule["id"] for rule in changed["properties"]["attributeRules"]] == [
        f"{DATA_CURATOR}:child",
        "permission:child",
    ]


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (FRESH, True),
        (policy(FRESH["properties"]["attributeRules"][1]), False),
        (policy(role_rule("permission", "child"), parent="root"), False),
    ],
    ids=["mentions its parent", "root", "restricted"],
)
def test_roles_are_inherited_only_where_the_parents_permissions_are_mentioned(given: Any, expected: bool) -> None:
    """A restricted collection has a parent and does not mention it."""
    assert inherits(given) is expected


def test_ids_are_compared_without_regard_to_case() -> None:
    """Azure writes GUIDs in either."""
    assert has_role(with_role(FRESH, DATA_CURATOR, APP.upper()), DATA_CURATOR, APP)
