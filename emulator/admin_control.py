"""The control plane's part for what administrators see: roles, event subscriptions, metrics."""

from aiohttp import web

from emulator.control import PREFIX, json_object, known, text_of
from emulator.services import Services


def admin_control_routes(services: Services) -> list[web.AbstractRouteDef]:
    """Build the routes."""

    async def assign_roles(request: web.Request) -> web.Response:
        body = known(await json_object(request), "principal", "collection", "roles")
        roles = body["roles"]
        if not isinstance(roles, list):
            raise TypeError("roles must be a list")
        services.purview.policies.assign(str(body["principal"]), str(body["collection"]), [str(role) for role in roles])
        return web.Response(status=204)

    async def add_to_arm(request: web.Request) -> web.Response:
        services.arm.merge(await json_object(request))
        return web.Response(status=204)

    async def set_event_subscription(request: web.Request) -> web.Response:
        body = known(await json_object(request), "topic", "name", "provisioning_state", "expires")
        topic, name = services.arm.topic_named(str(body["topic"])), str(body["name"])
        if name.lower() not in topic.subscriptions:
            raise ValueError(f"no event subscription {name!r}; there are {', '.join(topic.subscriptions)}")
        topic.subscriptions[name.lower()].set_state(text_of(body, "provisioning_state"), text_of(body, "expires"))
        return web.Response(status=204)

    async def set_metrics(request: web.Request) -> web.Response:
        body = known(await json_object(request), "topic", "event_subscription", "minutes_ago", "values")
        values, minutes_ago = body["values"], float(str(body.get("minutes_ago", 0)))
        if not isinstance(values, dict) or minutes_ago < 0:
            raise ValueError("values must be an object, and minutes_ago not negative")
        topic = services.arm.topic_named(str(body["topic"]))
        topic.metrics.set(values, text_of(body, "event_subscription"), minutes_ago)
        return web.Response(status=204)

    async def fail_next_operation(request: web.Request) -> web.Response:
        body = known(await json_object(request), "code", "message")
        services.arm.operations.fail_next(str(body["code"]), str(body["message"]))
        return web.Response(status=204)

    return [
        web.post(f"{PREFIX}/purview/roles", assign_roles),
        web.post(f"{PREFIX}/arm", add_to_arm),
        web.post(f"{PREFIX}/arm/event_subscription", set_event_subscription),
        web.post(f"{PREFIX}/arm/metrics", set_metrics),
        web.post(f"{PREFIX}/arm/fail_next_operation", fail_next_operation),
    ]
