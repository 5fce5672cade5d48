"""`lineage setup` prepares everything once, changes nothing the second time, and names who must do what it may not."""

import json
import uuid
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli.admin.management.purview_account import DATA_CURATOR
from cli.main import cli as lineage
from emulator.server import Emulator
from tests.harness.app import WORKSPACE
from tests.harness.callers import Caller
from tests.references.bicep import INFRA
from tests.worlds.azure_resources import APP, AZD, LAKE, PROVIDERS, STORAGE

Run = Callable[..., Result]
ALL = ("--scan", LAKE, "--workspace", WORKSPACE)
FORBIDDEN = {
    "error": {
        "code": "AuthorizationFailed",
        "message": "The client 'me' with object id 'me' does not have authorization to perform action 'x'.",
    }
}


@pytest.fixture
def run(environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run `lineage setup` on scenario credit-risk with what azd knows."""
    monkeypatch.setattr("cli.admin.management.clients.POLLING_SECONDS", 0)
    return lambda *arguments: CliRunner().invoke(
        lineage, ["setup", *arguments], env={**environment, **AZD}, catch_exceptions=False
    )


def states(result: Result) -> dict[str, str]:
    return {step["step"]: step["state"] for step in json.loads(result.stdout)}


def writes(emulator: Emulator) -> list[str]:
    """Return every request that writes something."""
    return [
        f"{request.method} {request.path}"
        for request in emulator.control.requests()
        if request.method in ("PUT", "DELETE", "PATCH") or request.path.endswith((":run", "typedefs"))
        if request.method != "GET"
    ]


def test_setup_does_everything_once(run: Run, emulator: Emulator) -> None:
    """Every step is done the first time and unchanged the second, which writes nothing at all."""
    first = run(*ALL, "--json")
    assert first.exit_code == 0, first.output
    assert set(states(first).values()) == {"done", "unchanged"}
    assert [step for step, state in states(first).items() if state == "unchanged"] == ["allow-list for ws-credit"]
    emulator.control.clear_requests()
    second = run(*ALL, "--json")
    assert second.exit_code == 0
    assert set(states(second).values()) == {"unchanged"}
    assert writes(emulator) == []


def test_dry_run_plans_every_step_and_writes_nothing(run: Run, emulator: Emulator) -> None:
    """And what it plans is what a run does."""
    emulator.control.clear_requests()
    planned = run(*ALL, "--dry-run", "--json")
    assert planned.exit_code == 0
    assert writes(emulator) == []
    done = run(*ALL, "--json")
    expected = {step: state.replace("planned", "done") for step, state in states(planned).items()}
    assert states(done) == expected


def test_app_is_data_curator_afterwards_and_others_keep_their_roles(run: Run, emulator: Emulator) -> None:
    """A child collection begins with administrators only; its rules are added and nothing is taken away."""
    emulator.control.roles("22222222-2222-4222-8222-222222222222", "lineage", "data-curator")
    before = _policy(emulator)
    assert run().exit_code == 0
    after = _policy(emulator)
    assert _members(after) == {"22222222-2222-4222-8222-222222222222", APP}
    others = [rule for rule in before["properties"]["attributeRules"] if not rule["id"].startswith(DATA_CURATOR)]
    assert [rule for rule in after["properties"]["attributeRules"] if not rule["id"].startswith(DATA_CURATOR)] == others
    emulator.control.switches(enforce_permissions=True)
    assert run("--json").exit_code == 0


def test_policy_that_others_changed_meanwhile_is_read_again(run: Run, emulator: Emulator) -> None:
    """Purview refuses an old version; the grant is made on the new one."""
    emulator.control.faults({"service": "purview", "method": "PUT", "path": "/policystore/", "statuses": [409]})
    assert run().exit_code == 0
    assert APP in _members(_policy(emulator))


def test_caller_without_purview_rights_learns_who_must_do_what(run: Run, emulator: Emulator) -> None:
    """The command it prints is the one that succeeds for an administrator."""
    emulator.control.switches(enforce_permissions=True)
    _give(emulator)
    refused = run()
    assert refused.exit_code == 1
    assert "refused   role in the catalog" in refused.output
    assert f"PURVIEW_COLLECTION=lineage LINEAGE_WORKSPACES={WORKSPACE}" in refused.output
    assert f"lineage setup --identity {APP}" in refused.output
    _give(emulator, "collection-administrator", "data-curator")
    assert run().exit_code == 0


def test_caller_who_may_not_see_roles_gets_the_command_and_no_untruth(run: Run, emulator: Emulator) -> None:
    """Policies that one may not read are simply not listed; the collection is there, though."""
    assert run().exit_code == 0
    emulator.control.switches(enforce_permissions=True)
    _give(emulator, "data-curator")
    result = run()
    assert result.exit_code == 1
    assert "only a Collection Administrator of lineage may read" in result.output
    assert f"lineage setup --identity {APP}" in result.output


def test_types_are_left_to_the_app_if_only_it_may_install_them(run: Run, emulator: Emulator) -> None:
    """A Collection Administrator gives the role but may write no types; the app does so with its first publication."""
    emulator.control.switches(enforce_permissions=True)
    _give(emulator, "collection-administrator", "purview-reader")
    result = run("--json")
    assert result.exit_code == 0
    assert states(result) == {"role in the catalog": "done", "types in the catalog": "later"}


def test_caller_without_azure_rights_gets_the_command_for_each_role(run: Run, emulator: Emulator) -> None:
    """With the very object id, though the caller could only look."""
    emulator.control.faults(
        {"service": "arm", "method": "PUT", "path": "roleAssignments", "statuses": [403, 403], "body": FORBIDDEN}
    )
    refused = run(*ALL, "--json")
    assert refused.exit_code == 1
    commands = {step["step"]: step["command"] for step in json.loads(refused.stdout) if step["state"] == "refused"}
    reader, writer = "read access of Purview to contosolake", "Storage Blob Data Contributor for the topic of ws-credit"
    assert set(commands) == {reader, writer}
    assert f'--role "Storage Blob Data Reader" --scope "{LAKE}"' in commands[reader]
    assert f'--scope "{STORAGE}/blobServices/default/containers/eventgrid-deadletter"' in commands[writer]
    assert "--assignee-object-id 00000000-0000-4000-8000-0000000000bb" in commands[writer]


def test_failure_half_way_is_reported_and_the_next_run_goes_on(run: Run, emulator: Emulator) -> None:
    """What was done stays done."""
    emulator.control.faults({"service": "purview", "path": "/scans/lineage$", "method": "PUT", "statuses": [400]})
    failed = run(*ALL, "--json")
    assert failed.exit_code == 1
    assert next(step for step, state in states(failed).items() if state == "failed") == "scan of contosolake"
    again = states(run(*ALL, "--json"))
    assert again["data source contosolake"] == "unchanged"
    assert again["scan of contosolake"] == "done"


def test_subscription_that_differs_is_brought_up_to_date(run: Run, emulator: Emulator) -> None:
    """The topic that the workspace has, whatever its name, is kept."""
    emulator.control.add_to_arm({"system_topics": {"portal-made": {"source": "ws-credit"}}})
    assert run("--workspace", WORKSPACE).exit_code == 0
    changed = run("--workspace", WORKSPACE, "--destination", "queue", "--json")
    assert states(changed)["event subscription of ws-credit"] == "done"
    state = emulator.control.state()["arm"]
    assert [topic["name"] for topic in state["system_topics"]] == ["portal-made"]
    (subscription,) = state["event_subscriptions"]
    assert subscription["properties"]["deliveryWithResourceIdentity"]["destination"]["endpointType"] == "StorageQueue"
    roles = {item["properties"]["roleDefinitionId"].rpartition("/")[2] for item in state["role_assignments"]}
    assert roles == {"ba92f5b4-2d11-453d-a403-e96b0029c9fe", "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a"}


def test_topic_of_others_gets_an_identity_and_keeps_all_else(run: Run, emulator: Emulator) -> None:
    """Its tags, its own identities and its place; another topic could not be made anyway."""
    theirs = "/subscriptions/s/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/theirs"
    emulator.control.add_to_arm({"system_topics": {"portal-made": {"source": "ws-credit"}}})
    caller = Caller(emulator)
    with caller.session:
        path = f"{PROVIDERS}/Microsoft.EventGrid/systemTopics/portal-made"
        identity = {"type": "UserAssigned", "userAssignedIdentities": {theirs: {}}}
        caller.ok("PATCH", path, {"tags": {"owner": "team-b"}, "identity": identity}, api_version="2025-02-15")
        assert run("--workspace", WORKSPACE).exit_code == 0
        topic = caller.ok("GET", path, api_version="2025-02-15")
    assert topic["tags"] == {"owner": "team-b"}
    assert topic["identity"]["type"] == "SystemAssigned, UserAssigned"
    assert list(topic["identity"]["userAssignedIdentities"]) == [theirs]


def test_lake_that_others_registered_stays_where_it_is(run: Run, emulator: Emulator) -> None:
    """Under its name and in its collection; only our scan is added."""
    caller = Caller(emulator)
    properties = {
        "endpoint": "https://contosolake.dfs.core.windows.net/",
        "resourceId": LAKE,
        "collection": {"referenceName": "credit", "type": "CollectionReference"},
    }
    with caller.session:
        body = {"kind": "AdlsGen2", "properties": properties}
        caller.ok("PUT", "/scan/datasources/risk-lake", body, api_version="2023-09-01")
        result = run("--scan", LAKE, "--json")
        assert states(result)["data source contosolake"] == "unchanged"
        (listed,) = caller.ok("GET", "/scan/datasources", api_version="2023-09-01")["value"]
        scan = caller.ok("GET", "/scan/datasources/risk-lake/scans/lineage", api_version="2023-09-01")
    assert (listed["name"], listed["properties"]["collection"]["referenceName"]) == ("risk-lake", "credit")
    assert scan["kind"] == "AdlsGen2Msi"


def test_role_is_named_as_the_templates_name_it(run: Run, emulator: Emulator) -> None:
    """Azure refuses a deployment that would make the same assignment under another name."""
    assert run("--workspace", WORKSPACE).exit_code == 0
    (assignment,) = emulator.control.state()["arm"]["role_assignments"]
    facts = assignment["properties"]
    role = facts["roleDefinitionId"].rpartition("/")[2]
    namespace = uuid.UUID("11fb06fb-712d-4ddd-98c7-e71bbd588830")
    assert assignment["name"] == str(uuid.uuid5(namespace, f"{facts['scope']}-{facts['principalId']}-{role}"))
    template = (INFRA / "modules/topic-access.bicep").read_text(encoding="utf-8")
    assert "name: guid(undelivered.id, principalId, contributorRole)" in template


def test_write_that_event_grid_gives_up_on_is_a_failure(run: Run, emulator: Emulator) -> None:
    """It was accepted first, and ended badly."""
    emulator.control.fail_next_operation("Internal error", "it did not work")
    failed = run("--workspace", WORKSPACE)
    assert failed.exit_code == 1
    assert "it did not work" in failed.output


def test_workspace_that_is_not_on_the_allow_list_is_refused(run: Run) -> None:
    """Its events would all become dead letters."""
    foreign = WORKSPACE.replace("ws-credit", "ws-other").replace("rg-ml", "rg-else")
    result = run("--workspace", foreign, "--json")
    assert result.exit_code == 1
    assert states(result)["allow-list for ws-other"] == "failed"


def test_account_without_hierarchy_is_no_lake(run: Run) -> None:
    """Purview would look for a data lake and find none."""
    result = run("--scan", STORAGE)
    assert result.exit_code == 1
    assert "no hierarchical namespace" in result.output


@pytest.mark.parametrize(
    ("arguments", "without", "words"),
    [
        (("--scan", LAKE), "LINEAGE_PURVIEW_ACCOUNT_ID", "--scan needs --purview-account"),
        (("--workspace", WORKSPACE), "LINEAGE_STORAGE_ACCOUNT_ID", "--workspace needs --storage-account"),
        (("--workspace", WORKSPACE), "LINEAGE_FUNCTION_APP_ID", "--workspace needs --function-app"),
        (("--workspace", "ws-credit"), "", "is not the ARM id"),
    ],
)
def test_option_that_lacks_another_is_refused_before_anything_is_done(
    environment: Mapping[str, str], emulator: Emulator, arguments: tuple[str, ...], without: str, words: str
) -> None:
    """By name, with exit code 2."""
    env = {name: value for name, value in {**environment, **AZD}.items() if name != without}
    emulator.control.clear_requests()
    result = CliRunner().invoke(lineage, ["setup", *arguments], env=env)
    assert result.exit_code == 2
    assert words in result.output
    assert emulator.control.requests() == []


_CALLER = "00000000-0000-4000-8000-0000000000ee"
"""Whom the emulator takes the bearer of an opaque token for."""


def _give(emulator: Emulator, *roles: str) -> None:
    """Give the caller these roles at the root, and none below it."""
    for collection in ("credit", "lineage"):
        emulator.control.roles(_CALLER, collection)
    emulator.control.roles(_CALLER, "purview-credit", *roles)


def _policy(emulator: Emulator) -> dict[str, Any]:
    policies = emulator.control.state()["purview"]["policies"]
    return next(dict(policy) for policy in policies if policy["properties"]["collection"]["referenceName"] == "lineage")


def _members(policy: Mapping[str, Any]) -> set[str]:
    rules = {rule["id"]: rule for rule in policy["properties"]["attributeRules"]}
    condition = rules[f"{DATA_CURATOR}:lineage"]["dnfCondition"][0][0]
    return set(condition["attributeValueIncludedIn"])
