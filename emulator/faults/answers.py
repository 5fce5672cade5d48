"""What a fault answers: an error envelope, half an answer, or nothing at all."""

import re
from collections.abc import Mapping
from functools import lru_cache

from aiohttp import web

from emulator.request_log import ARM, PURVIEW

CODES = {
    400: "BadRequest",
    401: "Unauthorized",
    403: "Forbidden",
    404: "NotFound",
    408: "RequestTimeout",
    409: "Conflict",
    412: "PreconditionFailed",
    429: "TooManyRequests",
    500: "InternalServerError",
    502: "BadGateway",
    503: "ServiceUnavailable",
    504: "GatewayTimeout",
}


def service_in_words(service: str) -> str:
    """Name a service as its own messages do."""
    return {PURVIEW: "Microsoft Purview", ARM: "Azure Resource Manager"}.get(service, "Azure Machine Learning")


def error_response(status: int, message: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """Answer with the error envelope that ARM and Purview's gateway share."""
    body = {"error": {"code": CODES.get(status, "Error"), "message": message}}
    return web.json_response(body, status=status, headers=headers)


def cut(request: web.Request) -> web.Response:
    """Close the TCP connection without an answer; what is returned never leaves."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)


async def half(request: web.Request, whole: web.Response) -> web.StreamResponse:
    """Send the headers of an answer and half of its body, then close the connection."""
    body = whole.body if isinstance(whole.body, bytes) else b""
    if len(body) < 2:
        return cut(request)  # an answer without a body has no half
    response = web.StreamResponse(status=whole.status, headers=whole.headers)
    response.content_length = len(body)
    await response.prepare(request)
    await response.write(body[: len(body) // 2])
    if request.transport is not None:
        request.transport.close()  # not abort: what was written has to leave
    return response


@lru_cache(maxsize=256)
def path_pattern(text: str) -> re.Pattern[str]:
    """Read the path of a fault, a regular expression; a ValueError tells what is wrong with it."""
    try:
        return re.compile(text, re.IGNORECASE)
    except re.error as problem:
        raise ValueError(f"path of a fault is not a regular expression: {problem}") from problem
