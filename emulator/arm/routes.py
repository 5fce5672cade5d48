"""Which of ARM's paths leads to which handler; Azure ML's own are elsewhere."""

from collections.abc import Callable

from aiohttp import web

from emulator.arm.responses import ArmResponses
from emulator.arm.role_assignments import ASSIGNMENTS, RoleAssignmentResponses
from emulator.arm.state import Arm
from emulator.azure_ml.requests import answering_errors
from emulator.routing import ignoring_case

SUBSCRIPTION = "/subscriptions/{subscription}"
GROUP = f"{SUBSCRIPTION}/resourceGroups/{{group}}"
EVENT_GRID = "/providers/Microsoft.EventGrid"
TOPIC = f"{GROUP}{EVENT_GRID}/systemTopics/{{topic}}"
EVENT_SUBSCRIPTION = f"{TOPIC}/eventSubscriptions/{{event_subscription}}"
SITE = f"{GROUP}/providers/Microsoft.Web/sites/{{site}}"


def arm_routes(current: Callable[[], Arm]) -> list[web.AbstractRouteDef]:
    """Build the routes; ``current`` gives the state at the time of each request."""
    arm, roles = ArmResponses(current), RoleAssignmentResponses(lambda: current().role_assignments)
    routes = [
        ("GET", f"{SUBSCRIPTION}{EVENT_GRID}/systemTopics", arm.list_topics),
        ("GET", f"{GROUP}{EVENT_GRID}/systemTopics", arm.list_topics),
        ("GET", TOPIC, arm.get_topic),
        ("PUT", TOPIC, arm.put_topic),
        ("PATCH", TOPIC, arm.patch_topic),
        ("DELETE", TOPIC, arm.delete_topic),
        ("GET", f"{TOPIC}/eventSubscriptions", arm.list_subscriptions),
        ("GET", EVENT_SUBSCRIPTION, arm.get_subscription),
        ("PUT", EVENT_SUBSCRIPTION, arm.put_subscription),
        ("PATCH", EVENT_SUBSCRIPTION, arm.patch_subscription),
        ("DELETE", EVENT_SUBSCRIPTION, arm.delete_subscription),
        ("GET", f"{SUBSCRIPTION}{EVENT_GRID}/locations/{{location}}/operationsStatus/{{operation}}", arm.get_operation),
        ("GET", f"{TOPIC}/providers/Microsoft.Insights/metrics", arm.get_metrics),
        ("GET", f"{GROUP}/providers/Microsoft.Storage/storageAccounts/{{account}}", arm.get_storage),
        ("GET", SITE, arm.get_site),
        ("GET", f"{SITE}/functions", arm.list_functions),
        ("POST", f"{SITE}/config/appsettings/list", arm.list_app_settings),
        ("GET", f"{SITE}/hostruntime/admin/functions/{{function}}/status", arm.get_function_status),
        ("GET", f"{GROUP}/providers/Microsoft.Purview/accounts/{{account}}", arm.get_purview),
    ]
    # Of any scope: literal words of a path with `.*` in it cannot ignore case.
    by_scope = f"/{{scope:subscriptions/.+}}{ASSIGNMENTS}"
    return [
        web.get(by_scope, answering_errors(roles.list)),
        web.put(f"{by_scope}/{{name}}", answering_errors(roles.put)),
        *(web.route(method, ignoring_case(path), answering_errors(handler)) for method, path, handler in routes),
    ]
