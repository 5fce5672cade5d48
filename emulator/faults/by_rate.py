"""Misbehaviour by the dice: a seed decides which requests fail and how, the same ones each time."""

import asyncio
import random
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

from aiohttp import web
from aiohttp.typedefs import Handler

from emulator.faults.answers import cut, error_response, half, path_pattern, service_in_words
from emulator.request_log import SERVICES

STATUSES = {"429": 429, "429-retry-after": 429, "408": 408, "500": 500, "503": 503}
SLOW, CUT, HALF = "slow", "cut", "half"
KINDS = (*STATUSES, SLOW, CUT, HALF)

DEFAULT_SLOW_MS = 20

# What is sent half of when the request never reached the service.
_STUB = b'{"value": [{"name": "emulator", "properties": {}}]}'

_KEYS = {"service", "rate", "seed", "kinds", "retry_after_max", "slow_ms", "method", "path"}


@dataclass(frozen=True, slots=True)
class Decision:
    """What happens to one request; of ``cut`` and ``half``, ``applied`` tells whether the service did its work."""

    kind: str
    applied: bool = False
    retry_after: int = 0


@dataclass(slots=True)
class RateFault:
    """
    An entry of the script that strikes at a rate, for as long as the script is in force.

    Whether it strikes depends on the seed, the service, the method, the path
    and how often that method and path were seen before; on nothing else, so
    requests that run at the same time do not disturb each other.
    """

    service: str
    rate: float
    seed: int = 0
    kinds: tuple[str, ...] = KINDS
    retry_after_max: int = 0
    slow_ms: float = DEFAULT_SLOW_MS
    method: str | None = None
    path: str | None = None
    injected: Counter[str] = field(default_factory=Counter)
    _seen: Counter[tuple[str, str]] = field(default_factory=Counter)

    @classmethod
    def parse(cls, entry: Mapping[str, object]) -> Self:
        """Read an entry with a ``rate``; a ValueError names what is wrong with it."""
        unknown = set(entry) - _KEYS
        if unknown:
            raise ValueError(f"unknown keys in a fault with a rate: {sorted(unknown)}")
        service, rate, kinds = entry.get("service"), entry.get("rate"), entry.get("kinds", list(KINDS))
        if service not in SERVICES:
            raise ValueError(f"service of a fault must be one of {SERVICES}, not {service!r}")
        if not isinstance(rate, int | float) or isinstance(rate, bool) or not 0 <= rate <= 1:
            raise ValueError(f"rate of a fault must be between 0 and 1, not {rate!r}")
        if not isinstance(kinds, list | tuple) or not kinds or not set(kinds) <= set(KINDS):
            raise ValueError(f"kinds of a fault must be some of {', '.join(KINDS)}, not {kinds!r}")
        method, path = entry.get("method"), entry.get("path")
        if path:
            path_pattern(str(path))
        return cls(
            service=str(service),
            rate=float(rate),
            seed=_whole(entry, "seed"),
            kinds=tuple(str(kind) for kind in kinds),
            retry_after_max=_whole(entry, "retry_after_max"),
            slow_ms=_milliseconds(entry),
            method=str(method).upper() if method else None,
            path=str(path) if path else None,
        )

    def decide(self, service: str, method: str, path: str) -> Decision | None:
        """Throw the dice for one request; None lets it through."""
        if service != self.service or self.method not in (None, method):
            return None
        if self.path is not None and not path_pattern(self.path).search(path):
            return None
        self._seen[method, path] += 1
        dice = random.Random(f"{self.seed}|{service}|{method}|{path}|{self._seen[method, path]}")  # noqa: S311
        if dice.random() >= self.rate:
            return None
        kind = dice.choice(self.kinds)
        return Decision(kind, applied=dice.random() < 0.5, retry_after=dice.randint(0, self.retry_after_max))

    async def inject(self, decision: Decision, request: web.Request, handler: Handler) -> web.StreamResponse:
        """Let a decision happen to a request, and count it."""
        self.injected[decision.kind] += 1
        if decision.kind in STATUSES:
            headers = {"Retry-After": str(decision.retry_after)} if decision.kind == "429-retry-after" else None
            who = service_in_words(self.service)
            status = STATUSES[decision.kind]
            return error_response(status, f"{who} was scripted to answer {status}.", headers)
        if decision.kind == SLOW:
            await asyncio.sleep(self.slow_ms / 1000)
            return await handler(request)
        # Who gets no whole answer cannot know whether the request had its effect.
        response = await handler(request) if decision.applied else None
        if decision.kind == CUT:
            return cut(request)
        return await half(request, response if isinstance(response, web.Response) else web.Response(body=_STUB))

    def to_json(self) -> dict[str, object]:
        """Show the entry and what it injected, by kind."""
        return {
            "service": self.service,
            "method": self.method,
            "path": self.path,
            "rate": self.rate,
            "seed": self.seed,
            "kinds": list(self.kinds),
            "retry_after_max": self.retry_after_max,
            "slow_ms": self.slow_ms,
            "seen": self._seen.total(),
            "injected": {kind: self.injected[kind] for kind in self.kinds if self.injected[kind]},
        }


def _whole(entry: Mapping[str, object], key: str) -> int:
    value = entry.get(key, 0)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{key} of a fault must be a whole number, not {value!r}")
    return value


def _milliseconds(entry: Mapping[str, object]) -> float:
    value = entry.get("slow_ms", DEFAULT_SLOW_MS)
    if not isinstance(value, int | float) or isinstance(value, bool) or value < 0:
        raise ValueError(f"slow_ms of a fault must not be negative, and not {value!r}")
    return float(value)
