"""All paths of Azure ML: ARM's, those of the workspace's host, and an ARM answer for the rest."""

from aiohttp import web

from emulator.azure_ml.arm.endpoint_responses import EndpointResponses
from emulator.azure_ml.arm.responses import ArmResponses
from emulator.azure_ml.contract import ARM, ARTIFACTS, HISTORY, MLFLOW, asked_by_contract
from emulator.azure_ml.contract import WORKSPACES as OF_WORKSPACES
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
    nothing = frozenset[str]()
    routes = [("GET", WORKSPACE, path, h, ARM.get(path, nothing)) for path, h in arm_routes.items()]
    routes += [
        (method, f"/{service}/v1.0{WORKSPACE}", path, h, HISTORY.get(path, nothing))
        for method, service, path, h in history.routes()
    ]
    routes += [
        (method, f"/artifact/v2.0{WORKSPACE}/artifacts", path, h, ARTIFACTS)
        for method, path, h in ArtifactResponses(current).routes()
    ]
    routes += [
        (method, f"/dataset/v1.0{WORKSPACE}", path, h, nothing)
        for method, path, h in DatasetResponses(current).routes()
    ]
    routes += [
        (method, f"/mlflow/{version}{WORKSPACE}/api/2.0/mlflow", path, h, MLFLOW.get(path, nothing))
        for version in ("v1.0", "v2.0")
        for method, path, h in mlflow.routes()
    ]
    routes += [
        ("GET", scope, WORKSPACES, arm.list_workspaces, OF_WORKSPACES) for scope in (SUBSCRIPTION, RESOURCE_GROUP)
    ]
    routes.append(("GET", "", "/discovery", history.discover, nothing))
    return [
        *(
            web.route(
                method, ignoring_case(f"{base}{path}"), answering_errors(asked_by_contract(handler, path, parameters))
            )
            for method, base, path, handler, parameters in routes
        ),
        web.route("*", "/{path:.*}", answering_errors(_unknown)),
    ]


async def _unknown(request: web.Request) -> web.Response:
    raise no_such_path(request.method, request.path)
