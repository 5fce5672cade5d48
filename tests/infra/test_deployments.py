"""The parameter files that people have: each can be deployed, and deploys what it asks for and nothing twice."""

import re
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.infra.compiler import CASES, IDENTITY, Compiler, CompilerError, Deployment, Snapshot, Value, write_parameters
from tests.references.bicep import INFRA

Deploy = Callable[[str], Deployment]

ASSIGNMENT = "Microsoft.Authorization/roleAssignments"
ROLE = "Microsoft.Authorization/roleDefinitions"
TOPIC = "Microsoft.EventGrid/systemTopics"
EVENTS = "Microsoft.EventGrid/systemTopics/eventSubscriptions"
WORKSPACE = "Microsoft.MachineLearningServices/workspaces"
STORAGE = "Microsoft.Storage/storageAccounts"
CONTRIBUTOR = "ba92f5b4-2d11-453d-a403-e96b0029c9fe"
"""Storage Blob Data Contributor."""
SENDER = "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a"
"""Storage Queue Data Message Sender."""

every_case = pytest.mark.parametrize("case", CASES)


def subscription_of(arm_id: str) -> str:
    return arm_id.split("/")[2].casefold()


def group_of(arm_id: str) -> str:
    return arm_id.partition("/providers/")[0].casefold()


def topic_ids(deployment: Deployment) -> list[str]:
    """Return the topic of each workspace, beside it."""
    names = str(deployment.main.outputs["LINEAGE_TOPIC_NAMES"]).split(",")
    return [
        f"{group_of(workspace)}/providers/{TOPIC}/{name}".casefold()
        for workspace, name in zip(deployment.workspaces, names, strict=True)
    ]


def assignments(snapshot: Snapshot, scope: str) -> list[dict[str, Any]]:
    """Return the role assignments on a resource; the id of one is an expression until its principal exists."""
    ids = (f"{scope}/providers/{ASSIGNMENT}/", f"[extensionResourceId('{scope}', '{ASSIGNMENT}', ")
    return [each for each in snapshot.of(ASSIGNMENT) if each["id"].startswith(ids)]


@every_case
def test_every_parameter_file_can_be_deployed(deployed: Deploy, case: str) -> None:
    """All three templates, the second and third with what the first puts out."""
    deployment = deployed(case)
    for snapshot in (deployment.main, deployment.links, deployment.events):
        assert snapshot.diagnostics == ()
        assert [each for each, times in Counter(item["id"] for item in snapshot.resources).items() if times > 1] == []


@every_case
def test_app_reads_each_workspace_with_the_role_of_its_own_subscription(deployed: Deploy, case: str) -> None:
    """One role in each subscription, one assignment on each workspace."""
    deployment = deployed(case)
    subscriptions = [subscription_of(role["id"]) for role in deployment.links.of(ROLE)]
    assert sorted(subscriptions) == sorted({subscription_of(workspace) for workspace in deployment.workspaces})
    roles = dict(zip(subscriptions, (role["id"].casefold() for role in deployment.links.of(ROLE)), strict=True))
    for workspace in deployment.workspaces:
        (reader,) = assignments(deployment.links, workspace)
        assert reader["properties"]["principalId"] == IDENTITY
        assert reader["properties"]["roleDefinitionId"].casefold() == roles[subscription_of(workspace)]


@every_case
def test_each_workspace_has_one_topic_and_one_event_subscription(deployed: Deploy, case: str) -> None:
    """Also a workspace that had its topic before."""
    deployment = deployed(case)
    given = str(deployment.main.outputs["LINEAGE_GIVEN_TOPIC_NAMES"]).split(",")
    created = {topic["id"].casefold(): topic["properties"]["source"] for topic in deployment.links.of(TOPIC)}
    assert created == {
        topic: workspace
        for topic, workspace in zip(topic_ids(deployment), deployment.workspaces, strict=True)
        if topic.rpartition("/")[2] not in given
    }
    name = f"lineage-{str(deployment.main.outputs['LINEAGE_STORAGE_ACCOUNT_ID']).rpartition('/')[2]}"
    assert [each["id"].casefold() for each in deployment.events.of(EVENTS)] == [
        f"{topic}/eventsubscriptions/{name}" for topic in topic_ids(deployment)
    ]


@every_case
def test_each_topic_leaves_undelivered_events_and_sends_to_the_queue_only_if_it_delivers(
    deployed: Deploy, case: str
) -> None:
    """With the identity of its own, on one container and one queue of the account."""
    deployment = deployed(case)
    storage = str(deployment.main.outputs["LINEAGE_STORAGE_ACCOUNT_ID"])
    queue = f"{storage}/queueServices/default/queues/lineage-requests"
    container = f"{storage}/blobServices/default/containers/eventgrid-deadletter"
    senders = topic_ids(deployment) if case == "queue-delivery" else []
    for scope, role, holders in ((container, CONTRIBUTOR, topic_ids(deployment)), (queue, SENDER, senders)):
        given = [each["properties"] for each in assignments(deployment.links, scope)]
        assert [each["principalId"].split("'")[1].casefold() for each in given] == holders
        assert all(each["roleDefinitionId"].endswith(f"/{role}") for each in given)


@every_case
def test_events_arrive_where_the_parameters_say(deployed: Deploy, case: str) -> None:
    """At the function, or on the queue with the identity of the topic."""
    deployment = deployed(case)
    for subscription in deployment.events.of(EVENTS):
        properties = subscription["properties"]
        if case == "queue-delivery":
            assert "destination" not in properties
            destination = properties["deliveryWithResourceIdentity"]["destination"]
            assert destination["endpointType"] == "StorageQueue"
            assert destination["properties"]["resourceId"] == deployment.main.outputs["LINEAGE_STORAGE_ACCOUNT_ID"]
        else:
            assert "deliveryWithResourceIdentity" not in properties
            function = f"{deployment.main.outputs['LINEAGE_FUNCTION_APP_ID']}/functions/receive_event"
            assert properties["destination"]["properties"]["resourceId"] == function


def test_twenty_workspaces_of_three_subscriptions_are_twenty(deployed: Deploy) -> None:
    """What the tests above count is what the file asks for."""
    deployment = deployed("twenty-workspaces")
    assert len(deployment.workspaces) == 20
    assert len(deployment.links.of(ROLE)) == 3


def test_private_network_has_an_endpoint_for_each_service(deployed: Deploy) -> None:
    """Storage is closed, the app calls out of the network, and each endpoint is in the zones of its names."""
    main = deployed("private-network").main
    endpoints = main.of("Microsoft.Network/privateEndpoints")
    connections = [each["properties"]["privateLinkServiceConnections"][0]["properties"] for each in endpoints]
    services = [(each["groupIds"], each["privateLinkServiceId"]) for each in connections]
    storage = main.outputs["LINEAGE_STORAGE_ACCOUNT_ID"]
    assert services == [
        *((["blob"], storage), (["queue"], storage), (["table"], storage)),
        (["account"], main.outputs["LINEAGE_PURVIEW_ACCOUNT_ID"]),
        *((["amlworkspace"], workspace) for workspace in deployed("private-network").workspaces),
    ]
    groups = main.of("Microsoft.Network/privateEndpoints/privateDnsZoneGroups")
    zones = [len(each["properties"]["privateDnsZoneConfigs"]) for each in groups]
    assert zones == [1, 1, 1, 1, 2, 2, 2]
    assert len(main.of("Microsoft.Network/privateDnsZones")) == 6
    (account,), (site,) = main.of(STORAGE), main.of("Microsoft.Web/sites")
    assert account["properties"]["publicNetworkAccess"] == "Disabled"
    assert site["properties"]["virtualNetworkSubnetId"].endswith("/subnets/app")


def test_without_a_private_network_there_is_none(deployed: Deploy) -> None:
    """And nothing that would be paid for by the hour."""
    main = deployed("one-workspace").main
    assert [item["type"] for item in main.resources if item["type"].startswith("Microsoft.Network/")] == []
    assert main.of("Microsoft.Web/sites")[0]["properties"].get("virtualNetworkSubnetId") is None


def test_given_storage_is_not_created_and_gets_its_contents_and_roles(deployed: Deploy) -> None:
    """From the second deployment, since the account is in a group of others; so for the workspace of logs."""
    deployment = deployed("given-storage")
    account = str(deployment.main.outputs["LINEAGE_STORAGE_ACCOUNT_ID"])
    assert [each for each in deployment.main.resources if each["type"].startswith(STORAGE)] == []
    assert deployment.main.of("Microsoft.OperationalInsights/workspaces") == []
    contents = [each["id"].removeprefix(account) for each in deployment.links.resources if STORAGE in each["type"]]
    assert sorted(contents) == [
        "/blobServices/default/containers/dead-letters",
        "/blobServices/default/containers/eventgrid-deadletter",
        "/blobServices/default/containers/lineage-package",
        "/queueServices/default/queues/lineage-requests",
        "/queueServices/default/queues/lineage-requests-poison",
        "/tableServices/default/tables/lineageledger",
    ]
    holders = [each["properties"]["principalType"] for each in assignments(deployment.links, account)]
    assert holders == ["ServicePrincipal"] * 3 + ["Group"] * 3


def test_given_topic_is_left_as_it_is(deployed: Deploy) -> None:
    """Those of the other workspaces are created, in the order of the workspaces."""
    created = [topic["name"] for topic in deployed("given-topics").links.of(TOPIC)]
    assert created == ["evgt-ws1", "evgt-ws3"]


def test_sample_is_linked_beside_the_workspaces_that_are_given(deployed: Deploy) -> None:
    """Its own workspace is the last, and the lake is what `lineage setup --scan` takes."""
    deployment = deployed("sample")
    (workspace,) = deployment.main.of(WORKSPACE)
    assert deployment.workspaces == [deployment.workspaces[0], workspace["id"]]
    (purview,) = deployment.main.of("Microsoft.Purview/accounts")
    assert deployment.main.outputs["LINEAGE_PURVIEW_ACCOUNT_ID"] == purview["id"]
    lakes = [each["id"] for each in deployment.main.of(STORAGE) if each["properties"].get("isHnsEnabled")]
    assert lakes == [deployment.main.outputs["LINEAGE_SAMPLE_LAKE_ID"]]


WORKSPACE_ID = f"/subscriptions/s/resourceGroups/g/providers/{WORKSPACE}/ws"
PURVIEW_ID = "/subscriptions/s/resourceGroups/g/providers/Microsoft.Purview/accounts/pview"


def expanded(bicep: Compiler, folder: Path, **given: Value) -> Snapshot:
    """Expand main.bicep with what it needs, and what is given."""
    needed: dict[str, Value] = {"environmentName": "test", "location": "westeurope", "purviewAccountId": PURVIEW_ID}
    values = {**needed, "workspaceIds": WORKSPACE_ID.upper(), **given}
    return bicep.snapshot(write_parameters(folder / "main.bicepparam", INFRA / "main.bicep", values))


def test_every_malformed_id_and_switch_is_refused_by_name_before_anything_is_created(
    bicep: Compiler, tmp_path: Path
) -> None:
    """All at once, each with the variable that it was set with and the form that is expected."""
    malformed = {
        "LINEAGE_WORKSPACE_IDS": (
            "junk",
            f"{WORKSPACE_ID}/",
            WORKSPACE_ID[1:],
            f"{WORKSPACE_ID}/jobs/j",
            WORKSPACE_ID.replace("/s/", "//"),
            PURVIEW_ID,
        ),
        "LINEAGE_PURVIEW_ID": ("pview",),
        "LINEAGE_EXISTING_STORAGE_ACCOUNT_ID": ("stshared",),
        "LINEAGE_EXISTING_LOG_ANALYTICS_ID": (WORKSPACE_ID,),
    }
    workspaces, *others = malformed.values()
    parameters = ("purviewAccountId", "existingStorageAccountId", "existingLogAnalyticsId")
    with pytest.raises(CompilerError) as refused:
        expanded(
            bicep,
            tmp_path,
            workspaceIds=", ".join((WORKSPACE_ID, WORKSPACE_ID.upper(), *workspaces)),
            switches={"LINEAGE_OWNERS": "yes", "LINEAGE_INFER_COLUMNS": "on"},
            **{parameter: value for parameter, (value,) in zip(parameters, others, strict=True)},
        )
    named = re.findall(r'(LINEAGE_\w+): "(.*?)" is (not /subscriptions/{id}/|neither off nor on)', str(refused.value))
    assert named == [
        *((variable, value, "not /subscriptions/{id}/") for variable, values in malformed.items() for value in values),
        ("LINEAGE_OWNERS", "yes", "neither off nor on"),
    ]


def test_switch_reaches_the_app_settings_and_changes_no_other(bicep: Compiler, tmp_path: Path) -> None:
    """Also one that no template names; those that the template sets itself stay as they are."""

    def settings(**switches: str) -> dict[str, str]:
        (given,) = expanded(bicep, tmp_path, switches=switches).of("Microsoft.Web/sites/config")
        return dict(given["properties"])

    switches = {"LINEAGE_OWNERS": "on", "LINEAGE_INVENTED": "off"}
    assert settings(**switches, LINEAGE_DOWNSTREAM="on") == settings() | switches
