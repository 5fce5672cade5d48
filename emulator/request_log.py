"""The list of requests the services were sent, so that tests and benchmarks can count them."""

import re
import time
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

AZURE_ML = "azure_ml"
PURVIEW = "purview"
ARM = "arm"
CONTROL = "control"
SERVICES = (AZURE_ML, PURVIEW, ARM)

_PURVIEW_ROOTS = ("/datamap/api/", "/catalog/api/", "/account/", "/policystore/", "/scan/")
# Everything else below a subscription is Azure ML's: its own resource provider.
_ARM_PATH = re.compile(
    r"/subscriptions/.*/providers/microsoft\.(authorization|eventgrid|insights|purview|storage|web)(/|$)"
)

# Logged when the connection went away before the answer.
NO_ANSWER = 0


def service_of(path: str) -> str:
    """
    Name the service that owns a path.

    >>> service_of("/datamap/api/atlas/v2/entity/bulk"), service_of("/subscriptions/1")
    ('purview', 'azure_ml')
    >>> service_of("/policyStore/metadataPolicies"), service_of("/subscriptions/1/providers/Microsoft.EventGrid/x")
    ('purview', 'arm')
    """
    lowered = path.lower()
    if lowered.startswith(_PURVIEW_ROOTS):
        return PURVIEW
    if lowered.startswith("/_emulator/"):
        return CONTROL
    return ARM if _ARM_PATH.match(lowered) else AZURE_ML


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    """One request; ``connection`` numbers the TCP connection it came on."""

    method: str
    path: str
    query: str
    status: int
    service: str
    ms: float
    connection: int

    def to_json(self) -> dict[str, str | int | float]:
        """Give the shape of ``GET /_emulator/requests``."""
        body: dict[str, str | int | float] = {
            "method": self.method,
            "path": self.path,
            "status": self.status,
            "service": self.service,
            "ms": self.ms,
            "connection": self.connection,
        }
        return body | {"query": self.query} if self.query else body


class RequestLog:
    """Requests in order of their answers; the control plane's own are left out."""

    def __init__(self) -> None:
        self._requests: list[LoggedRequest] = []
        self._connections: WeakKeyDictionary[object, int] = WeakKeyDictionary()
        self._next_connection = 1

    def clear(self) -> None:
        """Forget the requests; connections that are still open keep their numbers."""
        self._requests.clear()

    def to_json(self) -> list[dict[str, str | int | float]]:
        """List the requests since the last clear."""
        return [request.to_json() for request in self._requests]

    def middleware(self) -> Middleware:
        """Build the outermost middleware, which records each request once it is answered."""

        @web.middleware
        async def record(request: web.Request, handler: Handler) -> web.StreamResponse:
            service = service_of(request.path)
            if service == CONTROL:
                return await handler(request)
            connection = self._connection(request)
            started = time.perf_counter()
            status = 500  # what aiohttp answers when a handler breaks
            try:
                response = await handler(request)
                status = NO_ANSWER if _is_gone(request) else response.status
            except web.HTTPException as answer:
                status = answer.status
                raise
            finally:
                elapsed = round((time.perf_counter() - started) * 1000, 3)
                self._requests.append(
                    LoggedRequest(
                        request.method, request.path, request.query_string, status, service, elapsed, connection
                    )
                )
            return response

        return record

    def _connection(self, request: web.Request) -> int:
        """Number the connection: client ports can be used again, transport objects cannot."""
        transport = request.transport
        if transport is None:
            return 0
        if transport not in self._connections:
            self._connections[transport] = self._next_connection
            self._next_connection += 1
        return self._connections[transport]


def _is_gone(request: web.Request) -> bool:
    """Whether the connection is closed, by a scripted fault or by the client."""
    return request.transport is None or request.transport.is_closing()
