"""Scripted misbehaviour: error statuses in a given order, delays and cut connections; and the dice beside it."""

import asyncio
import math
import re
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Self

from aiohttp import web
from aiohttp.typedefs import Handler, Middleware

from emulator.faults.answers import cut, error_response, path_pattern, service_in_words
from emulator.faults.by_rate import RateFault
from emulator.request_log import CONTROL, SERVICES, service_of

PASS = 200

_KEYS = {"service", "method", "path", "statuses", "retry_after", "delay_ms", "cut", "body", "times"}


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
            path=path_pattern(str(path)) if path else None,
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
        who = service_in_words(self.service)
        return error_response(status, f"{who} was scripted to answer {status}.", headers)

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
    _rates: list[RateFault] = field(default_factory=list)

    def replace(self, entries: Iterable[Mapping[str, object]]) -> None:
        """Put a new script in force; an empty one is normal behaviour. Entries with a ``rate`` never run out."""
        entries = list(entries)
        script = [Fault.parse(entry) for entry in entries if "rate" not in entry]
        self._rates = [RateFault.parse(entry) for entry in entries if "rate" in entry]
        self._script = script

    def to_json(self) -> list[dict[str, object]]:
        """List the entries that are not used up; those with a rate with what they injected."""
        return [
            *(fault.to_json() for fault in self._script if fault.pending),
            *(fault.to_json() for fault in self._rates),
        ]

    def middleware(self) -> Middleware:
        """Build the middleware that plays the script, and throws the dice for what the script lets through."""

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
            if fault:
                return await handler(request) if status == PASS else fault.answer(status)
            return await self._throw_dice(service, request, handler)

        return play

    async def _throw_dice(self, service: str, request: web.Request, handler: Handler) -> web.StreamResponse:
        decisions = [(rule, rule.decide(service, request.method, request.path)) for rule in self._rates]
        for rule, decision in decisions:
            if decision is not None:
                return await rule.inject(decision, request, handler)
        return await handler(request)
