"""The control plane under ``/_emulator/``: how tests and benchmarks steer the emulator."""

import json
from collections.abc import Mapping
from dataclasses import asdict

from aiohttp import web
from aiohttp.typedefs import Handler

from emulator.faults.answers import error_response
from emulator.scenarios import Scenario, scenario_names
from emulator.services import Services

PREFIX = "/_emulator"


@web.middleware
async def bad_input(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer 400 with the reason when the control plane is used wrongly, so that a test fails on the spot."""
    if not request.path.startswith(f"{PREFIX}/"):
        return await handler(request)
    try:
        return await handler(request)
    except (ValueError, TypeError, KeyError, AttributeError) as problem:
        return error_response(400, f"{type(problem).__name__}: {problem}")


async def json_object(request: web.Request) -> Mapping[str, object]:
    """Read the body, which must be a JSON object."""
    body = json.loads(await request.text() or "{}")
    if not isinstance(body, dict):
        raise TypeError("the body must be a JSON object")
    return body


def known(body: Mapping[str, object], *keys: str) -> Mapping[str, object]:
    """Refuse members that are not read."""
    unknown = body.keys() - set(keys)
    if unknown:
        raise ValueError(f"unknown members: {sorted(unknown)}")
    return body


def text_of(body: Mapping[str, object], key: str) -> str | None:
    """Read a member that may be left out."""
    value = body.get(key)
    return None if value is None else str(value)


def control_routes(services: Services) -> list[web.AbstractRouteDef]:
    """Build the routes of the control plane."""

    async def list_requests(_: web.Request) -> web.Response:
        return web.json_response(services.log.to_json())

    async def clear_requests(_: web.Request) -> web.Response:
        services.log.clear()
        return web.Response(status=204)

    async def reset(_: web.Request) -> web.Response:
        services.reset()
        return web.Response(status=204)

    async def get_scenario(_: web.Request) -> web.Response:
        current = services.scenario
        body = {key: value for key, value in asdict(current).items() if value is not None or key == "steps"}
        return web.json_response({**body, "names": scenario_names()})

    async def use_scenario(request: web.Request) -> web.Response:
        body = known(await json_object(request), "name", "steps", "runs", "seed", "shape")
        numbers = {key: int(str(body[key])) for key in ("steps", "runs", "seed") if body.get(key) is not None}
        services.use(Scenario(str(body["name"]), **numbers, shape=text_of(body, "shape")).checked())
        return await get_scenario(request)

    async def list_events(request: web.Request) -> web.Response:
        start, count = int(request.query.get("start", "0")), int(request.query.get("count", str(len(services.events))))
        if start < 0 or count < 0:
            raise ValueError("start and count must not be negative")
        files = services.events[start : start + count]
        return web.json_response([{"name": file.name, "body": file.body} for file in files])

    async def list_openlineage(_: web.Request) -> web.Response:
        return web.json_response([{"name": file.name, "body": file.body} for file in services.openlineage])

    async def get_faults(_: web.Request) -> web.Response:
        return web.json_response(services.faults.to_json())

    async def script_faults(request: web.Request) -> web.Response:
        entries = json.loads(await request.text())
        if not isinstance(entries, list):
            raise TypeError("the body must be a JSON list of faults")
        services.faults.replace(entries)
        return web.json_response(services.faults.to_json())

    async def set_latency(request: web.Request) -> web.Response:
        latency_ms = float(str((await json_object(request))["ms"]))
        if latency_ms < 0:
            raise ValueError("ms must not be negative")
        services.faults.latency_ms = latency_ms
        return web.Response(status=204)

    async def add_to_azure_ml(request: web.Request) -> web.Response:
        services.azure_ml.merge(await json_object(request))
        return web.Response(status=204)

    async def set_transitions(request: web.Request) -> web.Response:
        body = await json_object(request)
        statuses = body.get("statuses", [])
        if not isinstance(statuses, list):
            raise TypeError("statuses must be a list")
        services.azure_ml.set_transitions(
            request.match_info["run_id"],
            statuses=[str(status) for status in statuses],
            visible_after_reads=int(str(body.get("visible_after_reads", 0))),
        )
        return web.Response(status=204)

    async def archive(request: web.Request) -> web.Response:
        body = known(await json_object(request), "workspace", "kind", "name", "version", "archived")
        services.azure_ml.archive(
            text_of(body, "workspace"),
            str(body["kind"]),
            str(body["name"]),
            text_of(body, "version"),
            archived=bool(body.get("archived", True)),
        )
        return web.Response(status=204)

    async def delete(request: web.Request) -> web.Response:
        body = known(await json_object(request), "workspace", "kind", "name", "version", "deployment")
        services.azure_ml.delete(
            text_of(body, "workspace"),
            str(body["kind"]),
            str(body["name"]),
            text_of(body, "version"),
            text_of(body, "deployment"),
        )
        return web.Response(status=204)

    async def set_switches(request: web.Request) -> web.Response:
        services.purview.switches.update(await json_object(request))
        return web.Response(status=204)

    async def scan(request: web.Request) -> web.Response:
        body = known(await json_object(request), "paths", "is_indexed")
        return web.json_response(services.purview.scan(body.get("paths"), is_indexed=body.get("is_indexed") is True))

    async def get_state(_: web.Request) -> web.Response:
        state = {"azure_ml": services.azure_ml.dump(), "purview": services.purview.dump(), "arm": services.arm.dump()}
        return web.json_response(state)

    return [
        web.get(f"{PREFIX}/requests", list_requests),
        web.delete(f"{PREFIX}/requests", clear_requests),
        web.post(f"{PREFIX}/reset", reset),
        web.get(f"{PREFIX}/scenario", get_scenario),
        web.post(f"{PREFIX}/scenario", use_scenario),
        web.get(f"{PREFIX}/events", list_events),
        web.get(f"{PREFIX}/openlineage", list_openlineage),
        web.get(f"{PREFIX}/faults", get_faults),
        web.post(f"{PREFIX}/faults", script_faults),
        web.post(f"{PREFIX}/latency", set_latency),
        web.post(f"{PREFIX}/azure_ml", add_to_azure_ml),
        web.post(f"{PREFIX}/azure_ml/runs/{{run_id}}/transitions", set_transitions),
        web.post(f"{PREFIX}/azure_ml/archive", archive),
        web.post(f"{PREFIX}/azure_ml/delete", delete),
        web.post(f"{PREFIX}/purview/switches", set_switches),
        web.post(f"{PREFIX}/purview/scan", scan),
        web.get(f"{PREFIX}/state", get_state),
    ]


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
