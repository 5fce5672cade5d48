"""ARM's paths of online, batch and serverless endpoints and their deployments."""

from aiohttp import web

from emulator.azure_ml.arm.endpoint_bodies import deployment_body, endpoint_body
from emulator.azure_ml.arm.listing import list_page, one_of
from emulator.azure_ml.content.lifecycle import ENDPOINTS
from emulator.azure_ml.content.workspace import Workspace
from emulator.azure_ml.requests import Current, Handler, api_version, workspace_of


class EndpointResponses:
    """Handlers of ``onlineEndpoints``, ``batchEndpoints`` and ``serverlessEndpoints``."""

    def __init__(self, current: Current) -> None:
        self._current = current

    def routes(self) -> dict[str, Handler]:
        """Give path templates below a workspace and their handlers, all of them GET."""
        routes: dict[str, Handler] = {}
        for kind in ENDPOINTS:
            routes |= {f"/{kind}": self.endpoints(kind), f"/{kind}/{{name}}": self.endpoint(kind)}
        for kind in ("onlineEndpoints", "batchEndpoints"):
            routes |= {
                f"/{kind}/{{name}}/deployments": self.deployments(kind),
                f"/{kind}/{{name}}/deployments/{{deployment}}": self.deployment(kind),
            }
        return routes

    def endpoints(self, kind: str) -> Handler:
        """Build GET of all endpoints of a kind."""

        async def get(request: web.Request) -> web.StreamResponse:
            api_version(request)
            workspace = self._workspace(request)
            endpoints = list(workspace.endpoints(kind).values())
            return list_page(request, endpoints, lambda endpoint: endpoint_body(workspace, kind, endpoint))

        return get

    def endpoint(self, kind: str) -> Handler:
        """Build GET of an endpoint."""

        async def get(request: web.Request) -> web.StreamResponse:
            api_version(request)
            workspace = self._workspace(request)
            endpoint = one_of(workspace.endpoints(kind), kind, request.match_info["name"])
            return web.json_response(endpoint_body(workspace, kind, endpoint))

        return get

    def deployments(self, kind: str) -> Handler:
        """Build GET of an endpoint's deployments."""

        async def get(request: web.Request) -> web.StreamResponse:
            api_version(request)
            workspace = self._workspace(request)
            endpoint = one_of(workspace.endpoints(kind), kind, request.match_info["name"])
            deployments = list(endpoint.deployments.values())
            return list_page(request, deployments, lambda each: deployment_body(workspace, kind, endpoint, each))

        return get

    def deployment(self, kind: str) -> Handler:
        """Build GET of a deployment."""

        async def get(request: web.Request) -> web.StreamResponse:
            api_version(request)
            workspace = self._workspace(request)
            endpoint = one_of(workspace.endpoints(kind), kind, request.match_info["name"])
            deployment = one_of(endpoint.deployments, "Deployment", request.match_info["deployment"])
            return web.json_response(deployment_body(workspace, kind, endpoint, deployment))

        return get

    def _workspace(self, request: web.Request) -> Workspace:
        return workspace_of(request, self._current())
