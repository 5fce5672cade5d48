"""HTTP triggers: which function a request goes to, what it gets, and what its return value answers."""

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from emulator.functions_host.bindings import Function
from emulator.functions_host.keys import Keys, Level
from emulator.functions_host.runtime import Invocation, Runtime

_PARAMETER = re.compile(r"\{(?P<star>\*{0,2})(?P<name>\w+)(?::[^{}?]+)?(?P<optional>\??)\}")


@dataclass(frozen=True, slots=True)
class Request:
    """
    An HTTP request; the names of headers are in lower case, ``path`` begins with a slash.

    ``has_length`` is False where the body came in chunks: only the host's own endpoints and extensions read such a one.
    """

    method: str
    url: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes
    has_length: bool = True


@dataclass(frozen=True, slots=True)
class Response:
    """What is answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes = b""


@dataclass(frozen=True, slots=True)
class Route:
    """The route of one HTTP function."""

    function: str
    pattern: re.Pattern[str]
    methods: frozenset[str]
    level: Level

    @classmethod
    def of(cls, function: Function, prefix: str) -> "Route":
        """Read the trigger; the route defaults to the function's name, the methods to all."""
        trigger = function.trigger
        template = "/".join(part for part in (prefix, trigger.get("route") or function.name) if part)
        return cls(
            function.name,
            compile_template(template),
            frozenset(str(method).upper() for method in trigger.get("methods") or ()),
            Level(str(trigger.get("authLevel") or "FUNCTION").casefold()),
        )


class Routes:
    """
    The HTTP functions of an app.

    A request that no route takes is answered 404, whether its path or its method is the reason: so does the genuine
    host. The key comes as `x-functions-key` or `code`; one that does not open the function is answered 401.
    """

    def __init__(
        self,
        functions: Iterable[Function],
        *,
        prefix: str,
        keys: Keys,
        runtime: Runtime,
        run: Callable[[str, Any, str], Invocation],
    ) -> None:
        http = (function for function in functions if function.trigger["type"] == "httpTrigger")
        # Literal segments win over parameters.
        self._routes = sorted(
            (Route.of(function, prefix) for function in http), key=lambda r: "(?P<" in r.pattern.pattern
        )
        self._keys = keys
        self._runtime = runtime
        self._run = run

    def answer(self, request: Request) -> Response:
        """Answer one request; returns when the function is done."""
        for route in self._routes:
            found = route.pattern.fullmatch(request.path)
            if found and (not route.methods or request.method in route.methods):
                if not self._may(route, request):
                    return Response(401, {})
                return self._call(route.function, request, found.groupdict())
        return Response(404, {})

    def _may(self, route: Route, request: Request) -> bool:
        level = self._keys.level(request.headers, request.query, route.function)
        return route.level is Level.ANONYMOUS or level in (route.level, Level.ADMIN)

    def _call(self, name: str, request: Request, parameters: Mapping[str, str | None]) -> Response:
        datum = self._runtime.datum

        def texts(members: Mapping[str, str]) -> dict[str, Any]:
            return {member: datum(value, "string") for member, value in members.items()}

        value = {
            "method": datum(request.method, "string"),
            "url": datum(request.url, "string"),
            "headers": texts(request.headers),
            "query": texts(request.query),
            "params": texts({name: text for name, text in parameters.items() if text is not None}),
            # The host copies a body to the worker only where its length is known.
            "body": datum(request.body if request.has_length else b"", "bytes"),
        }
        invocation = self._run(name, datum(value, "http"), request.headers.get("traceparent", ""))
        return to_response(invocation.return_value) if invocation.ok else Response(500, {})


def to_response(value: Any) -> Response:
    """Read what a function returned: a whole response, a text, or nothing (204)."""
    if value is None:
        return Response(204, {})
    if value.type != "http":
        body = value.value if isinstance(value.value, bytes) else str(value.value).encode()
        return Response(200, {"Content-Type": "text/plain; charset=utf-8"}, body)
    members = value.value
    return Response(
        int(members["status_code"].value),
        {name: header.value for name, header in members["headers"].items()},
        members["body"].value or b"",
    )


def compile_template(template: str) -> re.Pattern[str]:
    """
    Turn a route template into a pattern; types of parameters are not checked.

    >>> compile_template("api/runs/{run_id:guid}").fullmatch("/API/runs/7")["run_id"]
    '7'
    """
    pattern = ""
    for segment in template.strip("/").split("/"):
        pieces, end = "", 0
        for found in _PARAMETER.finditer(segment):
            characters = ".+" if found["star"] else "[^/]+"
            pieces += re.escape(segment[end : found.start()]) + f"(?P<{found['name']}>{characters})"
            end = found.end()
            if found["optional"] and found[0] == segment:
                pieces = f"(?:/{pieces})?"
        pattern += pieces if pieces.startswith("(?:/") else f"/{pieces}{re.escape(segment[end:])}"
    return re.compile(pattern, re.IGNORECASE)
