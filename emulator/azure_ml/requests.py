"""What every Azure ML handler reads from its request."""

import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import web

from emulator.azure_ml.content.state import AzureML
from emulator.azure_ml.content.workspace import Workspace
from emulator.azure_ml.errors import AzureMLError, bad_request, invalid_api_version, missing_api_version

Current = Callable[[], AzureML]
Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_API_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}(-\w+)?")


def answering_errors(handler: Handler) -> Handler:
    """Turn the errors of the services into their answers."""

    async def answer(request: web.Request) -> web.StreamResponse:
        try:
            return await handler(request)
        except AzureMLError as error:
            return web.json_response(error.body, status=error.status)

    return answer


def workspace_of(request: web.Request, state: AzureML) -> Workspace:
    """Find the workspace of the path."""
    path = request.match_info
    return state.workspace(path["subscription"], path["resource_group"], path["workspace"])


def base_url(request: web.Request) -> str:
    """Give the address the client reached us by."""
    return str(request.url.origin())


def api_version(request: web.Request) -> str:
    """Read ARM's api-version; nothing is answered without one."""
    version = request.query.get("api-version")
    if not version:
        raise missing_api_version()
    if not _API_VERSION.fullmatch(version):
        raise invalid_api_version(version)
    return version


async def json_object(request: web.Request) -> dict[str, Any]:
    """Read a JSON object from the body."""
    try:
        body = json.loads(await request.text())
    except json.JSONDecodeError as problem:
        raise bad_request(f"The request body is not JSON: {problem}") from problem
    if not isinstance(body, dict):
        raise bad_request("The request body is not a JSON object.")
    return body
