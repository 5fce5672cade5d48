"""All paths of Azure ML: ARM's, those of the workspace's host, and an ARM answer for the rest."""

from aiohttp import web

from emulator.azure_ml.arm.endpoint_responses import EndpointResponses
from emulator.azure_ml.arm.responses import ArmResponses
from emulator.azure_ml.errors import no_such_path
from emulator.azure_ml.mlflow.responses import MlflowResponses
from emulator.azure_ml.requests import Current, answering_errors
from emulator.azure_ml.run_history.artifact_responses import ArtifactResponses
from emulator.azure_ml.run_history.dataset_responses import DatasetResponses
from emulator.azure_ml.run_history.responses import HistoryResponses
from emulator.routing import ignoring_case

SUBSCRIPTION = "/subscriptions/{subscription}"
RESOURCE_GROUP = f"{SUBSCRIPTION}/resourceGroups/{{resource_group}}"
WORKSPACES = "/providers/Microsoft.MachineLearningServices/workspaces"
WORKSPACE = f"{RESOURCE_GROUP}{WORKSPACES}/{{workspace}}"


def azure_ml_routes(current: Current) -> list[web.AbstractRouteDef]:
    """Build the routes; the last one takes every path, so they come after all others."""
    arm, history, mlflow = ArmResponses(current), HistoryResponses(current), MlflowResponses(current)
    arm_routes = arm.routes() | EndpointResponses(current).routes()
    routes = [("GET", f"{WORKSPACE}{path}", handler) for path, handler in arm_routes.items()]
    routes += [(m, f"/{service}/v1.0{WORKSPACE}{path}", handler) for m, service, path, handler in history.routes()]
    routes += [
        (m, f"/artifact/v2.0{WORKSPACE}/artifacts{path}", h) for m, path, h in ArtifactResponses(current).routes()
    ]
    routes += [(m, f"/dataset/v1.0{WORKSPACE}{path}", h) for m, path, h in DatasetResponses(current).routes()]
    routes += [
        (method, f"/mlflow/{version}{WORKSPACE}/api/2.0/mlflow{path}", handler)
        for version in ("v1.0", "v2.0")
        for method, path, handler in mlflow.routes()
    ]
    routes += [("GET", f"{scope}{WORKSPACES}", arm.list_workspaces) for scope in (SUBSCRIPTION, RESOURCE_GROUP)]
    routes.append(("GET", "/discovery", history.discover))
    return [
        *(web.route(method, ignoring_case(path), answering_errors(handler)) for method, path, handler in routes),
        web.route("*", "/{path:.*}", answering_errors(_unknown)),
    ]


async def _unknown(request: web.Request) -> web.Response:
    raise no_such_path(request.method, request.path)
