"""Purview around the catalog: collections, and who has which role there."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any
from uuid import uuid4

import pytest

from emulator.server import Emulator
from emulator.tokens import DEFAULT_PRINCIPAL
from tests.harness.callers import Caller

PRINCIPAL = "11111111-2222-4333-8444-555555555555"
CURATOR = "purviewmetadatarole_builtin_data-curator"
ACCOUNT, POLICIES, CATALOG = "2019-11-01-preview", "2021-07-01", "2023-09-01"
POLICY_LIST = "/policystore/metadataPolicies"
ENTITY = "/datamap/api/atlas/v2/entity"
LOAN = "https://contosolake.dfs.core.windows.net/credit/raw/loan.csv"
BY_NAME = f"{ENTITY}/uniqueAttribute/type/azure_datalake_gen2_path"


@pytest.fixture
def strict(caller: Caller, emulator: Emulator) -> Caller:
    """The same, while Purview looks at the policies."""
    emulator.control.switches(enforce_permissions=True)
    return caller


def policy_of(caller: Caller, collection: str) -> Any:
    """Read the policy of a collection."""
    (policy,) = caller.ok("GET", POLICY_LIST, collectionName=collection, api_version=POLICIES)["values"]
    return policy


def put_policy(caller: Caller, policy: Any) -> Any:
    """Write a policy back."""
    return caller.ok("PUT", f"{POLICY_LIST}/{policy['id']}", policy, api_version=POLICIES)


def asset(number: int) -> dict[str, Any]:
    """Describe an asset to write."""
    attributes = {"qualifiedName": f"https://contosolake.dfs.core.windows.net/credit/{number}.csv", "name": "n"}
    return {"entities": [{"typeName": "azure_datalake_gen2_path", "attributes": attributes, "guid": "-1"}]}


def test_collections_form_a_tree_below_one_named_like_the_account(caller: Caller) -> None:
    """The root has no parent; friendly names are beside the names that APIs take."""
    collections = caller.ok("GET", "/account/collections", api_version=ACCOUNT)["value"]
    parents = {item["name"]: item.get("parentCollection", {}).get("referenceName") for item in collections}
    assert parents == {"purview-credit": None, "credit": "purview-credit", "lineage": "credit"}
    one = caller.ok("GET", "/account/collections/lineage", api_version=ACCOUNT)
    assert (one["friendlyName"], one["collectionProvisioningState"]) == ("Machine learning lineage", "Succeeded")


def test_new_collection_has_a_policy_of_its_own(caller: Caller) -> None:
    """Its creator administers it; other rights come from above."""
    body = {"friendlyName": "Models", "parentCollection": {"referenceName": "credit"}}
    caller.ok("PUT", "/account/collections/models", body, api_version=ACCOUNT)
    policy = policy_of(caller, "models")
    rules = [rule["id"] for rule in policy["properties"]["attributeRules"]]
    assert rules == ["purviewmetadatarole_builtin_collection-administrator:models", "permission:models"]
    assert policy["properties"]["parentCollectionName"] == "credit"


@pytest.mark.parametrize(
    ("path", "version", "expected"),
    [
        ("/account/collections", None, (400, "ApiVersionUnspecified")),
        ("/account/collections", "2021-07-01", (400, "UnsupportedApiVersion")),
        ("/account/collections/nowhere", ACCOUNT, (404, "NotFound")),
        (f"{POLICY_LIST}/00000000-0000-4000-8000-000000000000", POLICIES, (404, "NotFound")),
        ("/policystore/collections/nowhere/metadataPolicy", POLICIES, (404, "NotFound")),
        ("/policystore/nonsense", POLICIES, (404, "NotFound")),
    ],
)
def test_what_cannot_be_answered_is_refused(
    caller: Caller, path: str, version: str | None, expected: tuple[int, str]
) -> None:
    """Each of the services needs a version it knows and the name of something that is there."""
    query = {"api_version": version} if version else {}
    assert caller.refused("GET", path, **query) == expected


def test_roles_are_the_built_in_ones_with_their_data_actions(caller: Caller) -> None:
    """The reader is called purview-reader; only the curator may write."""
    roles = caller.ok("GET", "/policystore/metadataroles", api_version=POLICIES)["values"]
    actions = {role["name"]: role["properties"]["cnfCondition"][0][0]["attributeValueIncludedIn"] for role in roles}
    writers = {name for name, allowed in actions.items() if "Microsoft.Purview/accounts/data/write" in allowed}
    assert writers == {"data-curator"}
    assert {"purview-reader", "data-source-administrator", "collection-administrator"} < actions.keys()


def test_policy_is_the_same_whichever_way_it_is_read(caller: Caller) -> None:
    """By collection, by id and in the list of all; paths in any case."""
    policy = policy_of(caller, "lineage")
    assert caller.ok("GET", f"/policyStore/metadatapolicies/{policy['id']}", api_version=POLICIES) == policy
    assert caller.ok("GET", "/policystore/collections/lineage/metadataPolicy", api_version=POLICIES) == policy
    assert policy in caller.ok("GET", POLICY_LIST, api_version="2021-07-01-preview")["values"]


def test_stale_policy_is_refused_and_the_latest_one_taken(caller: Caller) -> None:
    """Two clients that read the same version: the second has to read again."""
    policy = policy_of(caller, "purview-credit")
    first = put_policy(caller, policy)
    assert first["version"] == policy["version"] + 1
    path = f"{POLICY_LIST}/{policy['id']}"
    assert caller.refused("PUT", path, policy, api_version=POLICIES) == (409, "Conflict")
    assert policy_of(caller, "purview-credit") == first
    assert put_policy(caller, first)["version"] == first["version"] + 1


def broken_policies(policy: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Break a policy in every way that the policy store looks for."""
    yield {"id": policy["id"], "version": policy["version"]}
    for path, value in (
        (("id",), str(uuid4())),
        (("properties", "attributeRules"), {}),
        (("properties", "collection"), {"referenceName": "credit"}),
        (("properties", "parentCollectionName"), "credit"),
    ):
        broken = deepcopy(policy)
        node = broken
        for key in path[:-1]:
            node = node[key]
        node[path[-1]] = value
        yield broken
    changes: tuple[dict[str, Any], ...] = (
        {"id": "purviewmetadatarole_builtin_owner:purview-credit"},
        {"id": f"{CURATOR}:credit"},
        {"dnfCondition": [{}]},
        {"dnfCondition": [[{"attributeName": "principal.microsoft.id", "attributeValueIncludedIn": ["me@here"]}]]},
        {"dnfCondition": [[{"attributeName": "principal.name", "attributeValueIncludes": "me"}]]},
    )
    for change in changes:
        broken = deepcopy(policy)
        broken["properties"]["attributeRules"][0].update(change)
        yield broken


def test_policy_that_makes_no_sense_is_refused(caller: Caller) -> None:
    """Another id or collection, rules of another shape, roles that do not exist, principals that are no object ids."""
    policy = policy_of(caller, "purview-credit")
    path = f"{POLICY_LIST}/{policy['id']}"
    answers = [caller.send("PUT", path, body, api_version=POLICIES).status_code for body in broken_policies(policy)]
    assert answers == [400] * 10
    assert policy_of(caller, "purview-credit") == policy


def test_nothing_is_enforced_unless_a_test_asks_for_it(caller: Caller) -> None:
    """A principal without any role may do everything."""
    caller.become(PRINCIPAL)
    caller.ok("POST", f"{ENTITY}/bulk", asset(1), api_version=CATALOG)


def test_owner_may_do_everything_when_policies_count(strict: Caller) -> None:
    """The caller of an opaque token is the creator of the account."""
    strict.ok("POST", f"{ENTITY}/bulk", asset(1), api_version=CATALOG, collectionId="lineage")
    put_policy(strict, policy_of(strict, "lineage"))


def test_unknown_principal_may_do_nothing_when_policies_count(strict: Caller) -> None:
    """Reads, writes and administration are all refused in the gateway's words, and lists are empty."""
    policy = policy_of(strict, "purview-credit")
    strict.become(PRINCIPAL)
    refusal = (403, "Unauthorized")
    types = "/datamap/api/atlas/v2/types/typedefs/headers"
    assert strict.refused("GET", types, api_version=CATALOG) == refusal
    assert strict.refused("POST", f"{ENTITY}/bulk", asset(1), api_version=CATALOG) == refusal
    query = {"attr:qualifiedName": LOAN, "api_version": CATALOG}
    assert strict.refused("GET", BY_NAME, **query) == refusal
    assert strict.refused("GET", "/account/collections/credit", api_version=ACCOUNT) == refusal
    assert strict.refused("PUT", f"{POLICY_LIST}/{policy['id']}", policy, api_version=POLICIES) == refusal
    assert strict.ok("GET", "/account/collections", api_version=ACCOUNT)["value"] == []
    assert strict.ok("GET", POLICY_LIST, api_version=POLICIES)["values"] == []


@pytest.mark.parametrize(
    ("role", "collection", "reads", "writes"),
    [
        ("purview-reader", "credit", 200, 403),
        ("data-curator", "credit", 200, 200),
        ("data-curator", "purview-credit", 200, 200),
        ("data-source-administrator", "credit", 403, 403),
        ("collection-administrator", "credit", 403, 403),
    ],
)
def test_role_allows_what_it_is_for_in_its_collection_and_below(
    strict: Caller, emulator: Emulator, role: str, collection: str, reads: int, writes: int
) -> None:
    """Roles are inherited by collections further down."""
    strict.ok("POST", f"{ENTITY}/bulk", asset(1), api_version=CATALOG, collectionId="lineage")
    emulator.control.roles(PRINCIPAL, collection, role)
    strict.become(PRINCIPAL)
    name = asset(1)["entities"][0]["attributes"]["qualifiedName"]
    query = {"attr:qualifiedName": name, "api_version": CATALOG}
    assert strict.send("GET", BY_NAME, **query).status_code == reads
    write = {"collectionId": "lineage", "api_version": CATALOG}
    assert strict.send("POST", f"{ENTITY}/bulk", asset(2), **write).status_code == writes


def test_role_says_nothing_about_the_collection_above(strict: Caller, emulator: Emulator) -> None:
    """A curator of a child cannot write to the root, which is where entities without a collection go."""
    emulator.control.roles(PRINCIPAL, "credit", "data-curator")
    strict.become(PRINCIPAL)
    assert strict.refused("POST", f"{ENTITY}/bulk", asset(1), api_version=CATALOG) == (403, "Unauthorized")
    definition = {"entityDefs": [{"name": "shelf", "superTypes": ["DataSet"]}]}
    path = "/datamap/api/atlas/v2/types/typedefs"
    assert strict.refused("POST", path, definition, api_version=CATALOG) == (403, "Unauthorized")


def test_entity_is_written_by_those_who_may_write_where_it_is(strict: Caller, emulator: Emulator) -> None:
    """Not where the request says; to move it needs the right in both collections."""
    strict.ok("POST", f"{ENTITY}/bulk", asset(1), api_version=CATALOG, collectionId="credit")
    emulator.control.roles(PRINCIPAL, "lineage", "data-curator")
    strict.become(PRINCIPAL)
    write = {"collectionId": "lineage", "api_version": CATALOG}
    strict.ok("POST", f"{ENTITY}/bulk", asset(2), **write)
    assert strict.refused("POST", f"{ENTITY}/bulk", asset(1), **write) == (403, "Unauthorized")
    both = {"entities": asset(1)["entities"] + asset(3)["entities"]}
    assert strict.refused("POST", f"{ENTITY}/bulk", both, **write) == (403, "Unauthorized")
    changed = asset(2)
    changed["entities"][0]["attributes"]["name"] = "another"
    strict.ok("POST", f"{ENTITY}/bulk", changed, api_version=CATALOG)


def test_role_that_was_taken_away_no_longer_counts(strict: Caller, emulator: Emulator) -> None:
    """Even the owner can lose what it was given at the root."""
    emulator.control.roles(DEFAULT_PRINCIPAL, "purview-credit", "purview-reader")
    assert strict.refused("POST", f"{ENTITY}/bulk", asset(1), api_version=CATALOG) == (403, "Unauthorized")
    strict.ok("GET", "/datamap/api/atlas/v2/types/typedefs/headers", api_version=CATALOG)


def curator_rule(collection: str, principal: str) -> dict[str, Any]:
    """Write the rule that makes a principal curator of a collection that had no curator."""
    of_role = {"fromRule": CURATOR, "attributeName": "derived.purview.role", "attributeValueIncludes": CURATOR}
    named = {"attributeName": "principal.microsoft.id", "attributeValueIncludedIn": [principal]}
    rule_id = f"{CURATOR}:{collection}"
    return {"kind": "attributerule", "id": rule_id, "name": rule_id, "dnfCondition": [[named, of_role]]}


def test_rule_that_the_permission_does_not_refer_to_grants_nothing(strict: Caller) -> None:
    """The first grant of a role in a child collection has to write two rules."""
    policy = policy_of(strict, "lineage")
    rules = policy["properties"]["attributeRules"]
    assert [rule["id"] for rule in rules if rule["id"].startswith(CURATOR)] == []
    rules.append(curator_rule("lineage", PRINCIPAL))
    policy = put_policy(strict, policy)
    strict.become(PRINCIPAL)
    write = {"collectionId": "lineage", "api_version": CATALOG}
    assert strict.refused("POST", f"{ENTITY}/bulk", asset(1), **write) == (403, "Unauthorized")

    strict.become()
    (permission,) = (r for r in policy["properties"]["attributeRules"] if r["id"] == "permission:lineage")
    rule_id = f"{CURATOR}:lineage"
    reference = {
        "fromRule": rule_id,
        "attributeName": "derived.purview.permission",
        "attributeValueIncludes": rule_id,
    }
    permission["dnfCondition"].append([reference])
    put_policy(strict, policy)
    strict.become(PRINCIPAL)
    strict.ok("POST", f"{ENTITY}/bulk", asset(1), **write)


def test_permission_that_names_a_principal_itself_grants_nothing(strict: Caller) -> None:
    """Permissions refer to rules of roles; a principal there is not a curator."""
    policy = policy_of(strict, "lineage")
    named = {"attributeName": "principal.microsoft.id", "attributeValueIncludedIn": [PRINCIPAL]}
    policy["properties"]["attributeRules"][-1]["dnfCondition"].append([named])
    put_policy(strict, policy)
    strict.become(PRINCIPAL)
    write = {"collectionId": "lineage", "api_version": CATALOG}
    assert strict.refused("POST", f"{ENTITY}/bulk", asset(1), **write) == (403, "Unauthorized")


def test_administrator_of_a_collection_may_write_its_policy_only(strict: Caller, emulator: Emulator) -> None:
    """And sees no other."""
    root = policy_of(strict, "purview-credit")
    emulator.control.roles(PRINCIPAL, "credit", "collection-administrator")
    strict.become(PRINCIPAL)
    put_policy(strict, policy_of(strict, "lineage"))
    path = f"{POLICY_LIST}/{root['id']}"
    assert strict.refused("PUT", path, root, api_version=POLICIES) == (403, "Unauthorized")
    seen = strict.ok("GET", POLICY_LIST, api_version=POLICIES)["values"]
    assert [policy["name"] for policy in seen] == ["policy_credit", "policy_lineage"]


@pytest.mark.parametrize(("role", "collection"), [("owner", "credit"), ("data-curator", "nowhere")])
def test_role_that_cannot_be_granted_is_refused(emulator: Emulator, role: str, collection: str) -> None:
    """A misspelt role or collection fails the test that gives it."""
    emulator.control.use("credit-risk")
    with pytest.raises(ValueError, match="there are"):
        emulator.control.roles(PRINCIPAL, collection, role)


def test_reset_undoes_what_administrators_did(caller: Caller, emulator: Emulator) -> None:
    """Collections and policies go back to the scenario's start."""
    before = emulator.control.state()["purview"]
    body = {"parentCollection": {"referenceName": "credit"}}
    caller.ok("PUT", "/account/collections/models", body, api_version=ACCOUNT)
    put_policy(caller, policy_of(caller, "credit"))
    assert emulator.control.state()["purview"] != before
    emulator.control.reset()
    assert emulator.control.state()["purview"] == before
