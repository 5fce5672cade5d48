"""ARM's paths for Event Grid, metrics and the accounts around a workspace."""

from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from typing import Any

from aiohttp import web

from emulator.arm.errors import invalid_request, parent_not_found, resource_not_found
from emulator.arm.groups import Group
from emulator.arm.metrics import MetricsQuery
from emulator.arm.operations import Operation
from emulator.arm.resources import PURVIEW
from emulator.arm.state import Arm
from emulator.arm.subscription_body import check_name, read_properties
from emulator.arm.topics import SUBSCRIPTION, TOPIC, EventSubscription, SystemTopic
from emulator.azure_ml.arm.bodies import TENANT
from emulator.azure_ml.errors import AzureMLError, arm_error
from emulator.azure_ml.requests import api_version, base_url, json_object

DEFAULT_PAGE, LARGEST_PAGE = 20, 100
# Of every system topic that has an identity.
TOPIC_PRINCIPAL = "00000000-0000-4000-8000-0000000000bb"


class ArmResponses:
    """Handlers of the paths below ``/subscriptions`` that are not Azure ML's."""

    def __init__(self, current: Callable[[], Arm]) -> None:
        self._current = current

    async def list_topics(self, request: web.Request) -> web.Response:
        """GET the system topics of a subscription or a resource group."""
        api_version(request)
        arm, path = self._current(), request.match_info
        if "group" in path:
            scope = arm.group(path["subscription"], path["group"]).id
        else:
            arm.check_subscription(path["subscription"])
            scope = f"/subscriptions/{path['subscription']}"
        found = [topic for key, topic in arm.topics.items() if key.startswith(f"{scope.lower()}/")]
        return _page(request, [topic.to_json() for topic in found])

    async def get_topic(self, request: web.Request) -> web.Response:
        """GET a system topic."""
        api_version(request)
        return _shown(self._topic(request))

    async def put_topic(self, request: web.Request) -> web.Response:
        """PUT a system topic."""
        version, body = api_version(request), await _content(request)
        arm, properties = self._current(), body.get("properties")
        group = self._group(request)
        if not body.get("location"):
            raise arm_error(400, "LocationRequired", "The location property is required for this definition.")
        if not isinstance(properties, dict) or not properties.get("source") or not properties.get("topicType"):
            raise invalid_request("A system topic needs a source and a topicType.")
        topic, created = arm.put_topic(
            group,
            request.match_info["topic"],
            str(body["location"]),
            str(properties["source"]),
            str(properties["topicType"]),
        )
        topic.tags, topic.identity = body.get("tags"), _identity(body.get("identity"))
        topic.while_written = "Creating" if created else "Updating"
        topic.operation = arm.operations.start()
        headers = _operation_headers(request, topic, topic.operation, version)
        return web.json_response(topic.to_json(), status=201 if created else 200, headers=headers)

    async def patch_topic(self, request: web.Request) -> web.Response:
        """PATCH a system topic: its tags, its identity; what is not named stays."""
        version, body = api_version(request), await _content(request)
        topic = self._topic(request)
        if "tags" in body:
            topic.tags = body["tags"]
        if "identity" in body:
            topic.identity = _identity(body["identity"])
        topic.while_written, topic.operation = "Updating", self._current().operations.start()
        headers = _operation_headers(request, topic, topic.operation, version)
        return web.json_response(topic.to_json(), status=201, headers=headers)

    async def delete_topic(self, request: web.Request) -> web.Response:
        """DELETE a system topic with its subscriptions."""
        api_version(request)
        key = self._group(request).resource_id(TOPIC, request.match_info["topic"]).lower()
        return web.Response(status=200 if self._current().topics.pop(key, None) else 204)

    async def list_subscriptions(self, request: web.Request) -> web.Response:
        """GET the event subscriptions of a system topic."""
        api_version(request)
        topic = self._topic(request)
        return _page(request, [each.to_json(topic.id) for each in topic.subscriptions.values()])

    async def get_subscription(self, request: web.Request) -> web.Response:
        """GET an event subscription."""
        api_version(request)
        topic = self._topic(request)
        subscription = self._subscription(request, topic)
        body = subscription.to_json(topic.id)
        if subscription.operation:
            subscription.operation.look()
        return web.json_response(body)

    async def put_subscription(self, request: web.Request) -> web.Response:
        """PUT an event subscription; one that is there is replaced, and answered 201 all the same."""
        version, body = api_version(request), await _content(request)
        group, name = self._group(request), check_name(request.match_info["event_subscription"])
        try:
            topic = self._current().topic(group, request.match_info["topic"])
        except AzureMLError as problem:
            raise parent_not_found(f"{TOPIC}/{request.match_info['topic']}") from problem
        properties = read_properties(body.get("properties"))
        old = topic.subscriptions.get(name.lower())
        operation = self._current().operations.start()
        subscription = EventSubscription(name, properties, operation, "Updating" if old else "Creating")
        topic.subscriptions[name.lower()] = subscription
        headers = _operation_headers(request, topic, operation, version)
        return web.json_response(subscription.to_json(topic.id), status=201, headers=headers)

    async def patch_subscription(self, request: web.Request) -> web.Response:
        """PATCH an event subscription; members come without ``properties`` around them."""
        version, changes = api_version(request), await _content(request)
        topic = self._topic(request)
        subscription = self._subscription(request, topic)
        subscription.properties = read_properties({**subscription.properties, **changes})
        subscription.operation, subscription.while_written = self._current().operations.start(), "Updating"
        headers = _operation_headers(request, topic, subscription.operation, version)
        return web.json_response(subscription.to_json(topic.id), status=201, headers=headers)

    async def delete_subscription(self, request: web.Request) -> web.Response:
        """DELETE an event subscription."""
        api_version(request)
        found = self._topic(request).subscriptions.pop(request.match_info["event_subscription"].lower(), None)
        return web.Response(status=200 if found else 204)

    async def get_operation(self, request: web.Request) -> web.Response:
        """GET how a write stands."""
        api_version(request)
        operation = self._current().operations.find(request.match_info["operation"])
        if operation is None:
            raise arm_error(404, "OperationNotFound", f"Operation {request.match_info['operation']} was not found.")
        status = operation.look()
        body: dict[str, Any] = {"id": request.path, "name": operation.id, "status": status}
        return web.json_response(body | ({"error": operation.error} if status == "Failed" else {}))

    async def get_metrics(self, request: web.Request) -> web.Response:
        """GET the metrics of a system topic."""
        api_version(request)
        topic = self._topic(request)
        query = MetricsQuery.parse(request.query)
        return web.json_response(topic.metrics.query(query, topic.id, topic.location, datetime.now(UTC)))

    async def get_storage(self, request: web.Request) -> web.Response:
        """GET a storage account."""
        api_version(request)
        account = self._current().storage(self._group(request), request.match_info["account"])
        return web.json_response(account.to_json())

    async def get_site(self, request: web.Request) -> web.Response:
        """GET a function app."""
        api_version(request)
        return web.json_response(self._current().site(self._group(request), request.match_info["site"]))

    async def list_functions(self, request: web.Request) -> web.Response:
        """GET the functions of a function app (WebApps_ListFunctions)."""
        api_version(request)
        functions = self._current().site_functions(self._group(request), request.match_info["site"])
        return web.json_response({"value": functions, "nextLink": None})

    async def list_app_settings(self, request: web.Request) -> web.Response:
        """POST for the app settings of a function app (WebApps_ListApplicationSettings)."""
        api_version(request)
        return web.json_response(self._current().app_settings(self._group(request), request.match_info["site"]))

    async def get_function_status(self, request: web.Request) -> web.Response:
        """GET the status of a function from the app's own host, to which ARM hands what follows ``hostruntime``."""
        api_version(request)
        path = request.match_info
        status = self._current().function_status(self._group(request), path["site"], path["function"])
        return web.Response(status=404) if status is None else web.json_response(status)

    async def get_purview(self, request: web.Request) -> web.Response:
        """GET the Purview account."""
        api_version(request)
        group, name = self._group(request), request.match_info["account"]
        account = self._current().purview()
        if (account.group, account.name) != (group, name.lower()):
            raise resource_not_found(f"{PURVIEW}/{name}", group.name)
        return web.json_response(account.to_json(base_url(request)))

    def _group(self, request: web.Request) -> Group:
        return self._current().group(request.match_info["subscription"], request.match_info["group"])

    def _topic(self, request: web.Request) -> SystemTopic:
        return self._current().topic(self._group(request), request.match_info["topic"])

    def _subscription(self, request: web.Request, topic: SystemTopic) -> EventSubscription:
        name = request.match_info["event_subscription"]
        found = topic.subscriptions.get(name.lower())
        if found is None:
            raise resource_not_found(f"{SUBSCRIPTION}/{topic.name}/{name}", topic.group.name)
        return found


async def _content(request: web.Request) -> dict[str, Any]:
    """Read the body, or refuse it in ARM's words."""
    try:
        return await json_object(request)
    except AzureMLError as problem:
        message = "The request content was invalid and could not be deserialized."
        raise arm_error(400, "InvalidRequestContent", message) from problem


def _shown(topic: SystemTopic) -> web.Response:
    body = topic.to_json()
    if topic.operation:
        topic.operation.look()
    return web.json_response(body)


def _page(request: web.Request, items: Sequence[dict[str, Any]]) -> web.Response:
    """Answer one page of a list; ``$top`` is its size."""
    if request.query.get("$filter"):
        raise invalid_request("The emulator's Event Grid does not filter.")
    try:
        size, start = int(request.query.get("$top", DEFAULT_PAGE)), int(request.query.get("$skiptoken", 0))
    except ValueError as problem:
        raise invalid_request("$top and $skiptoken must be whole numbers.") from problem
    if not 1 <= size <= LARGEST_PAGE or start < 0:
        raise invalid_request(f"$top must be from 1 to {LARGEST_PAGE}.")
    body: dict[str, Any] = {"value": items[start : start + size]}
    if start + size < len(items):
        body["nextLink"] = str(request.url.update_query({"$skiptoken": str(start + size)}))
    return web.json_response(body)


def _identity(given: object) -> dict[str, Any] | None:
    if not isinstance(given, dict) or given.get("type") in (None, "None"):
        return None
    if "systemassigned" not in str(given["type"]).lower().replace(" ", ""):
        return given  # identities of its own are named below userAssignedIdentities
    return {**given, "principalId": TOPIC_PRINCIPAL, "tenantId": TENANT}


def _operation_headers(request: web.Request, topic: SystemTopic, operation: Operation, version: str) -> dict[str, str]:
    place = f"/subscriptions/{topic.group.subscription}/providers/Microsoft.EventGrid/locations/{topic.location}"
    status = f"{base_url(request)}{place}/operationsStatus/{operation.id}?api-version={version}"
    return {"Azure-AsyncOperation": status}
