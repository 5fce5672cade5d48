"""Scripted misbehaviour: error statuses in a given order, delays and cut connections."""

import asyncio
import math
import re
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from emulator.request_log import CONTROL, PURVIEW, SERVICES, service_of

PASS = 200

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

_KEYS = {"service", "method", "path", "statuses", "retry_after", "delay_ms", "cut", "body", "times"}


def error_response(status: int, message: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """Answer with the error envelope that ARM and Purview's gateway share."""
    body = {"error": {"code": CODES.get(status, "Error"), "message": message}}
    return web.json_response(body, status=status, headers=headers)


@dataclass(slots=True)
class Fault:
    """
    One entry of the script: which requests it takes, and what they get.

    Each matching request uses up one item of ``pending``; a status of 200, or
    no status at all, lets the request through after the delay.
    """

    service: str
    pending: deque[int]
    method: str | None = None
    path: re.Pattern[str] | None = None
    retry_after: float | None = None
    delay_ms: float = 0
    cut: bool = False
    body: object = None

    @classmethod
    def parse(cls, entry: Mapping[str, object]) -> Self:
        """Read an entry of ``POST /_emulator/faults``; a ValueError names what is wrong with it."""
        unknown = set(entry) - _KEYS
        if unknown:
            raise ValueError(f"unknown keys in a fault: {sorted(unknown)}")
        service, statuses = entry.get("service"), entry.get("statuses", [PASS])
        if service not in SERVICES:
            raise ValueError(f"service of a fault must be one of {SERVICES}, not {service!r}")
        if not isinstance(statuses, list) or not all(isinstance(s, int) and 100 <= s < 600 for s in statuses):
            raise ValueError(f"statuses of a fault must be a list of HTTP statuses, not {statuses!r}")
        method, path, retry_after = entry.get("method"), entry.get("path"), entry.get("retry_after")
        return cls(
            service=str(service),
            pending=deque(statuses * int(str(entry.get("times", 1)))),
            method=str(method).upper() if method else None,
            path=_pattern(str(path)) if path else None,
            retry_after=float(str(retry_after)) if retry_after is not None else None,
            delay_ms=float(str(entry.get("delay_ms", 0))),
            cut=bool(entry.get("cut", False)),
            body=entry.get("body"),
        )

    def takes(self, request: web.Request, service: str) -> bool:
        """Whether this fault is not used up and applies to the request."""
        return (
            bool(self.pending)
            and service == self.service
            and (self.method is None or self.method == request.method)
            and (self.path is None or self.path.search(request.path) is not None)
        )

    def answer(self, status: int) -> web.Response:
        """Build the error answer."""
        # Whole seconds: azure-core and urllib3 read Retry-After as RFC 9110 defines it.
        headers = {} if self.retry_after is None else {"Retry-After": str(math.ceil(self.retry_after))}
        if isinstance(self.body, str):
            return web.Response(text=self.body, status=status, headers=headers)
        if self.body is not None:
            return web.json_response(self.body, status=status, headers=headers)
        who = "Microsoft Purview" if self.service == PURVIEW else "Azure Machine Learning"
        return error_response(status, f"{who} was told by the emulator's fault script to answer {status}.", headers)

    def to_json(self) -> dict[str, object]:
        """Show what is left of it."""
        return {
            "service": self.service,
            "method": self.method,
            "path": self.path.pattern if self.path else None,
            "statuses": list(self.pending),
            "cut": self.cut,
        }


@dataclass(slots=True)
class Faults:
    """The script in force, and the latency every service request pays."""

    latency_ms: float = 0
    _script: list[Fault] = field(default_factory=list)

    def replace(self, entries: Iterable[Mapping[str, object]]) -> None:
        """Put a new script in force; an empty one is normal behaviour."""
        self._script = [Fault.parse(entry) for entry in entries]

    def to_json(self) -> list[dict[str, object]]:
        """List the entries that are not used up."""
        return [fault.to_json() for fault in self._script if fault.pending]

    def middleware(self) -> Middleware:
        """Build the middleware that plays the script."""

        @web.middleware
        async def play(request: web.Request, handler: Handler) -> web.StreamResponse:
            service = service_of(request.path)
            if service == CONTROL:
                return await handler(request)
            fault = next((fault for fault in self._script if fault.takes(request, service)), None)
            status = fault.pending.popleft() if fault else PASS
            delay = self.latency_ms + (fault.delay_ms if fault else 0)
            if delay:
                await asyncio.sleep(delay / 1000)
            if fault and fault.cut:
                return cut(request)
            return await handler(request) if fault is None or status == PASS else fault.answer(status)

        return play


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text, re.IGNORECASE)
    except re.error as problem:
        raise ValueError(f"path of a fault is not a regular expression: {problem}") from problem


def cut(request: web.Request) -> web.Response:
    """Close the TCP connection without an answer; what is returned never leaves."""
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=500)
