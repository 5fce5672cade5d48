"""ARM around a workspace: accounts, metrics, and the tokens it takes."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from emulator.client import Control
from emulator.server import Emulator
from tests.harness.callers import Caller, jwt

GROUP = "/subscriptions/00000000-0000-0000-0000-000000000000/resourceGroups/rg-ml"
WORKSPACE = f"{GROUP}/providers/Microsoft.MachineLearningServices/workspaces/ws-credit"
TOPIC = f"{GROUP}/providers/Microsoft.EventGrid/systemTopics/evgt-credit"
METRICS = f"{TOPIC}/providers/Microsoft.Insights/metrics"
PURVIEW = f"{GROUP}/providers/Microsoft.Purview/accounts/purview-credit"
STORAGE = f"{GROUP}/providers/Microsoft.Storage/storageAccounts"
HEADERS = "/datamap/api/atlas/v2/types/typedefs/headers"
TOPICS: dict[str, Any] = {
    "system_topics": {
        "evgt-credit": {
            "source": "ws-credit",
            "metrics": {"PublishSuccessCount": 12},
            "event_subscriptions": {
                "lineage": {
                    "properties": {
                        "destination": {
                            "endpointType": "AzureFunction",
                            "properties": {
                                "resourceId": f"{GROUP}/providers/Microsoft.Web/sites/func-lineage/functions/receive"
                            },
                        }
                    },
                    "metrics": {"DeliverySuccessCount": 10, "DeadLetteredCount": 2},
                }
            },
        }
    }
}


@pytest.fixture
def topic(caller: Caller, emulator: Emulator) -> Caller:
    """The same, with a topic and a subscription in the seed."""
    emulator.control.add_to_arm(TOPICS)
    return caller


def total(answer: Any, place: int = 0) -> float | None:
    """Add up a metric of an answer, or give nothing where it has no series."""
    series = answer["value"][place]["timeseries"]
    return sum(point["total"] for item in series for point in item["data"]) if series else None


def metrics(caller: Caller, names: str, **query: Any) -> Any:
    """Ask for metrics of the topic."""
    return caller.ok("GET", METRICS, metricnames=names, aggregation="Total", api_version="2024-02-01", **query)


def test_storage_accounts_of_the_workspace_can_be_read(caller: Caller) -> None:
    """The workspace's own account is flat, the lake it has a datastore in is hierarchical."""
    shown = {
        name: caller.ok("GET", f"{STORAGE}/{name}", api_version="2023-05-01") for name in ("stcredit", "contosolake")
    }
    assert {name: body["properties"]["isHnsEnabled"] for name, body in shown.items()} == {
        "stcredit": False,
        "contosolake": True,
    }
    lake = shown["contosolake"]
    assert (lake["location"], lake["kind"]) == ("eastus2", "StorageV2")
    assert lake["properties"]["primaryEndpoints"]["dfs"] == "https://contosolake.dfs.core.windows.net/"
    assert lake["properties"]["publicNetworkAccess"] == "Enabled"


def test_purview_account_leads_back_to_the_emulator(caller: Caller, emulator: Emulator) -> None:
    """It has an identity, and endpoints that can be called."""
    account = caller.ok("GET", PURVIEW, api_version="2021-07-01")
    assert account["properties"]["endpoints"]["catalog"] == f"{emulator.url}/catalog"
    assert account["properties"]["publicNetworkAccess"] == "Enabled"
    assert account["properties"]["privateEndpointConnections"] == []
    assert account["identity"]["principalId"]


def test_accounts_are_shown_as_the_seed_says(caller: Caller, emulator: Emulator) -> None:
    """A test can close an account to the public network."""
    emulator.control.add_to_arm(
        {
            "purview_account": {"public_network_access": "Disabled", "private_endpoints": ["pe-1"]},
            "storage_accounts": {"stcredit": {"public_network_access": "Disabled"}},
        }
    )
    account = caller.ok("GET", PURVIEW, api_version="2021-07-01")["properties"]
    assert (account["publicNetworkAccess"], account["privateEndpointConnections"][0]["name"]) == ("Disabled", "pe-1")
    storage = caller.ok("GET", f"{STORAGE}/stcredit", api_version="2023-05-01")["properties"]
    assert storage["publicNetworkAccess"] == "Disabled"


@pytest.mark.parametrize(
    ("path", "version", "expected"),
    [
        (PURVIEW, None, (400, "MissingApiVersionParameter")),
        (PURVIEW.replace("purview-credit", "purview-other"), "2021-07-01", (404, "ResourceNotFound")),
        (f"{STORAGE}/stother", "2023-05-01", (404, "ResourceNotFound")),
        (f"{STORAGE}/stcredit".replace("rg-ml", "rg-other"), "2023-05-01", (404, "ResourceGroupNotFound")),
        (f"{STORAGE}/stcredit".replace("/0000", "/1111"), "2023-05-01", (404, "SubscriptionNotFound")),
        (METRICS, "2024-02-01", (404, "ResourceNotFound")),
        (f"{TOPIC}/nonsense", "2025-02-15", (404, "NotFound")),
    ],
)
def test_what_cannot_be_answered_is_refused(
    caller: Caller, path: str, version: str | None, expected: tuple[int, str]
) -> None:
    """ARM needs a version, and a subscription, a group and a resource that are there."""
    query = {"api_version": version} if version else {}
    assert caller.refused("GET", path, **query) == expected


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ([], "InvalidRequestContent"),
        ({"properties": {"source": WORKSPACE}}, "LocationRequired"),
        ({"location": "eastus2"}, "InvalidRequest"),
        (
            {"location": "eastus2", "properties": {"source": WORKSPACE, "topicType": "Microsoft.Storage"}},
            "InvalidRequest",
        ),
    ],
)
def test_topic_that_is_not_described_is_refused(caller: Caller, body: object, code: str) -> None:
    """It needs a location, a source and the type of a workspace's topics."""
    assert caller.refused("PUT", TOPIC, body, api_version="2025-02-15") == (400, code)
    assert caller.refused("GET", TOPIC, api_version="2025-02-15") == (404, "ResourceNotFound")


def test_seeded_topic_and_subscription_are_there(topic: Caller) -> None:
    """They have been there for a while: nothing is in progress."""
    body = topic.ok("GET", f"{TOPIC}/eventSubscriptions/lineage".upper(), api_version="2025-02-15")
    assert body["properties"]["provisioningState"] == "Succeeded"
    assert topic.ok("GET", TOPIC, api_version="2025-02-15")["properties"]["source"] == WORKSPACE


def test_metrics_are_the_numbers_that_were_set(topic: Caller, emulator: Emulator) -> None:
    """Those of the seed, and those a test puts in their place."""
    answer = metrics(topic, "PublishSuccessCount,DeliverySuccessCount,DeadLetteredCount,DroppedEventCount")
    assert [total(answer, place) for place in range(4)] == [12, 10, 2, None]
    assert (answer["namespace"], answer["value"][1]["name"]["value"]) == (
        "Microsoft.EventGrid/systemTopics",
        "DeliverySuccessCount",
    )
    emulator.control.metrics("evgt-credit", "lineage", DeliverySuccessCount=3, DroppedEventCount=1)
    answer = metrics(topic, "DeliverySuccessCount,DroppedEventCount")
    assert [total(answer, place) for place in range(2)] == [3, 1]


def test_metrics_fall_into_the_interval_of_their_time(topic: Caller, emulator: Emulator) -> None:
    """A count of three hours ago is in a query of a day, at its hour, and not in one of an hour."""
    emulator.control.metrics("evgt-credit", "lineage", minutes_ago=180, DeliveryAttemptFailCount=7)
    now = datetime.now(UTC)
    day, hour = (f"{now - timedelta(hours=hours):%Y-%m-%dT%H:%M:%SZ}/{now:%Y-%m-%dT%H:%M:%SZ}" for hours in (24, 1))
    points = metrics(topic, "DeliveryAttemptFailCount", timespan=day, interval="PT1H")["value"][0]["timeseries"][0]
    assert [place for place, point in enumerate(points["data"]) if point["total"]] in ([20], [21])
    assert len(points["data"]) == 24
    assert total(metrics(topic, "DeliveryAttemptFailCount", timespan=hour, interval="PT1H")) == 0
    assert total(metrics(topic, "DeliverySuccessCount", timespan=hour, interval="PT5M")) == 10


def test_metrics_can_be_asked_for_one_subscription(topic: Caller, emulator: Emulator) -> None:
    """Or for each; what is counted by topic only cannot be divided."""
    emulator.control.metrics("evgt-credit", "other", DeliverySuccessCount=5)
    of_one = metrics(topic, "DeliverySuccessCount", **{"$filter": "EventSubscriptionName eq 'lineage'"})
    assert (total(of_one), total(metrics(topic, "DeliverySuccessCount"))) == (10, 15)
    of_each = metrics(topic, "DeliverySuccessCount", **{"$filter": "EventSubscriptionName eq '*'"})
    names = [series["metadatavalues"][0]["value"] for series in of_each["value"][0]["timeseries"]]
    assert names == ["lineage", "other"]
    query = {"$filter": "EventSubscriptionName eq '*'", "api_version": "2024-02-01"}
    assert topic.refused("GET", METRICS, metricnames="PublishSuccessCount", **query) == (400, "BadRequest")


@pytest.mark.parametrize(
    "query",
    [
        {"metricnames": "SuccessCount"},
        {"metricnames": "DeliverySuccessCount", "interval": "1h"},
        {"metricnames": "DeliverySuccessCount", "timespan": "PT1H"},
        {"metricnames": "DeliverySuccessCount", "timespan": "2026-01-02T00:00:00Z/2026-01-01T00:00:00Z"},
        {"metricnames": "DeliverySuccessCount", "$filter": "Topic eq 'x'"},
    ],
)
def test_metrics_that_do_not_exist_are_refused(topic: Caller, query: dict[str, str]) -> None:
    """Unknown names, intervals, timespans and filters."""
    assert topic.refused("GET", METRICS, api_version="2024-02-01", **query) == (400, "BadRequest")


@pytest.mark.parametrize(
    "fragment",
    [
        {"topics": {}},
        {"system_topics": {"evgt": {"source": "ws-nowhere"}}},
        {"system_topics": {"evgt": {"source": "ws-credit", "subscriptions": {}}}},
        {"system_topics": {"evgt": {"source": "ws-credit", "event_subscriptions": {"lineage": {"properties": {}}}}}},
        {"system_topics": {"evgt": {"source": "ws-credit", "metrics": {"Successes": 1}}}},
        {"purview_account": {"sku": "Standard"}},
    ],
)
def test_bad_fragment_changes_nothing(caller: Caller, emulator: Emulator, fragment: dict[str, object]) -> None:
    """A misspelt seed fails the test that adds it."""
    before = emulator.control.state()["arm"]
    with pytest.raises(ValueError, match=r"\w"):
        emulator.control.add_to_arm(fragment)
    assert emulator.control.state()["arm"] == before
    assert caller.ok("GET", PURVIEW, api_version="2021-07-01")["properties"]["publicNetworkAccess"] == "Enabled"


WRONG_USES: dict[str, Callable[[Control], None]] = {
    "topic": lambda control: control.event_subscription("nowhere", "lineage", provisioning_state="Failed"),
    "subscription": lambda control: control.event_subscription("evgt-credit", "other", provisioning_state="Failed"),
    "state": lambda control: control.event_subscription("evgt-credit", "lineage", provisioning_state="Disabled"),
    "time": lambda control: control.event_subscription("evgt-credit", "lineage", expires="yesterday"),
    "metric": lambda control: control.metrics("evgt-credit", Successes=1),
    "dimension": lambda control: control.metrics("evgt-credit", "lineage", PublishSuccessCount=1),
}


@pytest.mark.parametrize("wrong", WRONG_USES)
@pytest.mark.usefixtures("topic")
def test_wrong_use_of_the_control_plane_is_refused(emulator: Emulator, wrong: str) -> None:
    """Topics, subscriptions, states and metrics have to exist."""
    with pytest.raises(ValueError, match=r"\w"):
        WRONG_USES[wrong](emulator.control)


def test_reset_takes_topics_away(topic: Caller, emulator: Emulator) -> None:
    """The scenario has none."""
    assert emulator.control.state()["arm"]["event_subscriptions"]
    emulator.control.reset()
    assert topic.refused("GET", TOPIC, api_version="2025-02-15") == (404, "ResourceNotFound")


def test_requests_are_logged_and_disturbed_as_arms(topic: Caller, emulator: Emulator) -> None:
    """Event Grid, metrics and accounts are not Azure ML's; collections, policies and scans are Purview's."""
    emulator.control.faults({"service": "arm", "statuses": [503]})
    assert topic.ok("GET", WORKSPACE, api_version="2024-10-01")
    assert topic.refused("GET", TOPIC, api_version="2025-02-15") == (503, "ServiceUnavailable")
    metrics(topic, "DeliverySuccessCount")
    topic.ok("GET", "/account/collections", api_version="2019-11-01-preview")
    topic.ok("GET", "/policyStore/metadataPolicies", api_version="2021-07-01")
    topic.ok("GET", "/scan/datasources", api_version="2023-09-01")
    services = [request.service for request in emulator.control.requests()]
    assert services == ["azure_ml", "arm", "arm", "purview", "purview", "purview"]


@pytest.mark.parametrize(
    ("path", "version", "audience"),
    [
        (TOPIC, "2025-02-15", "https://management.azure.com/"),
        (WORKSPACE, "2024-10-01", "https://management.core.windows.net"),
        (HEADERS, "2023-09-01", "https://purview.azure.net"),
        ("/account/collections", "2019-11-01-preview", "https://purview.azure.net/"),
    ],
)
def test_token_for_another_service_is_refused(topic: Caller, path: str, version: str, audience: str) -> None:
    """ARM's token does not open Purview, nor the other way round; the right one does."""
    wrong = "https://management.azure.com" if "purview" in audience else "https://purview.azure.net"
    topic.become(aud=wrong)
    code = "Unauthorized" if "purview" in audience else "InvalidAuthenticationTokenAudience"
    assert topic.refused("GET", path, api_version=version) == (401, code)
    topic.become(aud=audience, exp=time.time() + 60)
    assert topic.ok("GET", path, api_version=version)


@pytest.mark.parametrize(
    ("path", "version", "code"),
    [
        (TOPIC, "2025-02-15", "ExpiredAuthenticationToken"),
        (HEADERS, "2023-09-01", "Unauthorized"),
    ],
)
def test_token_that_is_over_is_refused(topic: Caller, path: str, version: str, code: str) -> None:
    """A token lasts until its exp."""
    topic.become(exp=1534864920)
    assert topic.refused("GET", path, api_version=version) == (401, code)


@pytest.mark.parametrize("token", ["opaque", "a.b.c", "..", jwt(), jwt(aud=["a", "b"]), "a.bnVsbA.c"])
def test_token_that_says_nothing_is_taken(topic: Caller, token: str) -> None:
    """Whatever is no JWT, or a JWT without claims, is a token of the emulator's own principal."""
    topic.session.headers["Authorization"] = f"Bearer {token}"
    assert topic.ok("GET", TOPIC, api_version="2025-02-15")


ASSIGNMENTS = f"{STORAGE}/stcredit/providers/Microsoft.Authorization/roleAssignments"
ROLES = "2022-04-01"
READER = "/subscriptions/x/providers/Microsoft.Authorization/roleDefinitions/2a2b9908-6ea1-4ae2-8e65-a410df84e7d1"
PRINCIPAL = "11111111-2222-4333-8444-555555555555"
FIRST, SECOND = "00000000-0000-4000-8000-000000000001", "00000000-0000-4000-8000-000000000002"


def _role(principal: str = PRINCIPAL, definition: str = READER) -> dict[str, Any]:
    return {
        "properties": {"roleDefinitionId": definition, "principalId": principal, "principalType": "ServicePrincipal"}
    }


def test_role_assignment_is_kept_under_its_name_and_listed_at_its_scope(caller: Caller) -> None:
    """And below it, and for its principal only."""
    assert caller.send("PUT", f"{ASSIGNMENTS}/{FIRST}", _role(), api_version=ROLES).status_code == 201
    assert caller.send("PUT", f"{ASSIGNMENTS}/{FIRST}", _role(), api_version=ROLES).status_code == 200
    query = {"api_version": ROLES, "$filter": f"principalId eq '{PRINCIPAL}'"}
    (listed,) = caller.ok("GET", ASSIGNMENTS, **query)["value"]
    assert listed["properties"]["scope"] == f"{STORAGE}/stcredit"
    assert caller.ok("GET", ASSIGNMENTS, **{**query, "$filter": f"principalId eq '{FIRST}'"})["value"] == []
    elsewhere = ASSIGNMENTS.replace("stcredit", "contosolake")
    assert caller.ok("GET", elsewhere, **query)["value"] == []


@pytest.mark.parametrize(
    ("name", "body", "status", "code"),
    [
        (SECOND, _role(), 409, "RoleAssignmentExists"),
        (FIRST, _role(SECOND), 400, "RoleAssignmentUpdateNotPermitted"),
        ("no-guid", _role(), 400, "InvalidRoleAssignmentId"),
        (SECOND, _role("no-guid"), 400, "InvalidPrincipalId"),
        (SECOND, _role(definition="Reader"), 400, "InvalidRoleDefinitionId"),
    ],
)
def test_role_assignment_that_contradicts_is_refused(
    caller: Caller, name: str, body: dict[str, Any], status: int, code: str
) -> None:
    """In ARM's words."""
    caller.send("PUT", f"{ASSIGNMENTS}/{FIRST}", _role(), api_version=ROLES)
    refused = caller.send("PUT", f"{ASSIGNMENTS}/{name}", body, api_version=ROLES)
    assert (refused.status_code, refused.json()["error"]["code"]) == (status, code)


SITE = f"{GROUP}/providers/Microsoft.Web/sites/func-lineage"
WEB = "2024-04-01"


@pytest.fixture
def site(caller: Caller, emulator: Emulator) -> Caller:
    """A function app with three functions: one runs, one is disabled, one could not be started."""
    functions = {"ready": {}, "replay": {"disabled": True}, "reconcile": {"errors": ["no schedule"]}}
    emulator.control.add_to_arm({"sites": {"func-lineage": {"functions": functions, "app_settings": {"A__b": "c"}}}})
    return caller


def test_functions_of_a_function_app_are_listed_whether_or_not_they_run(site: Caller) -> None:
    """Their names have the app's before them, and only a setting makes one disabled."""
    listed = site.ok("GET", f"{SITE}/functions", api_version=WEB)["value"]
    disabled = {each["name"]: each["properties"]["isDisabled"] for each in listed}
    assert disabled == {"func-lineage/ready": False, "func-lineage/replay": True, "func-lineage/reconcile": False}


def test_host_says_of_a_function_why_it_could_not_start_it(site: Caller) -> None:
    """Nothing of one that runs; 404 of one that it does not have."""
    status = f"{SITE}/hostruntime/admin/functions"
    assert site.ok("GET", f"{status}/reconcile/status", api_version=WEB) == {"errors": ["no schedule"]}
    assert site.ok("GET", f"{status}/ready/status", api_version=WEB) == {}
    assert site.send("GET", f"{status}/other/status", api_version=WEB).status_code == 404


def test_app_settings_are_listed_by_post_only(site: Caller) -> None:
    """With their values, which a reader may not see."""
    listed = site.ok("POST", f"{SITE}/config/appsettings/list", api_version=WEB)
    assert (listed["name"], listed["properties"]) == ("appsettings", {"A__b": "c"})
    assert site.send("GET", f"{SITE}/config/appsettings/list", api_version=WEB).status_code in (404, 405)
