"""
What the host says of itself and its functions, and how one is run by hand: the paths below ``/admin/``.

Members and statuses of HostController.cs, FunctionsController.cs and FunctionMetadataExtensions.cs
(github.com/Azure/azure-functions-host); all of them ask for the master key.
"""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from emulator.functions_host.bindings import Function
from emulator.functions_host.keys import Keys, Level, refusal
from emulator.functions_host.routes import Request, Response

PREFIX = "/admin/"
VERSION = "4.1037.0.0"
_FUNCTION = re.compile(r"/admin/functions/(?P<name>[^/]+)(?P<status>/status)?", re.IGNORECASE)


@dataclass(slots=True)
class Admin:
    """
    Answers the host's own paths.

    ``errors`` has what keeps a function from running; ``call`` runs one on a text, and ``drain`` stops the listeners.
    """

    keys: Keys
    call: Callable[[str, str], None]
    drain: Callable[[], object]
    host_id: str
    route_prefix: str = "api"
    functions: Mapping[str, Function] = field(default_factory=dict)
    errors: Mapping[str, str] = field(default_factory=dict)
    host_error: str = ""

    @property
    def state(self) -> str:
        """The state of the host: Running, or Error while host.json is refused."""
        return "Error" if self.host_error else "Running"

    def answer(self, request: Request) -> Response:
        """Answer one request."""
        if status := refusal(self.keys.level(request.headers, request.query), Level.ADMIN):
            return Response(status, {})
        match request.method, request.path.casefold().rstrip("/"):
            case "GET", "/admin/host/status":
                return _json(200, self._describe_host())
            case "POST", "/admin/host/drain":
                self.drain()
                return Response(202, {})
            case "GET", "/admin/functions":
                base = request.url.partition(request.path)[0]
                return _json(200, [self._describe(function, base) for function in self.functions.values()])
        found = _FUNCTION.fullmatch(request.path)
        name = next((each for each in self.functions if found and each.casefold() == found["name"].casefold()), "")
        if found is None or not name:
            return Response(404, {})
        if request.method == "POST" and not found["status"]:
            return self._call(name, request)
        if request.method != "GET":
            return Response(405, {})
        if found["status"]:
            return _json(200, {"errors": [self.errors[name]]} if name in self.errors else {})
        return _json(200, self._describe(self.functions[name], request.url.partition(request.path)[0]))

    def _call(self, name: str, request: Request) -> Response:
        """Run a function and do not wait for it; one that is in error is accepted all the same, and does not run."""
        if self.host_error:
            return Response(503, {})
        if not request.body:
            return Response(400, {})
        if "json" not in request.headers.get("content-type", ""):
            return Response(415, {})
        try:
            members = json.loads(request.body)
        except ValueError:
            return Response(400, {})
        if not isinstance(members, dict):
            return Response(400, {})
        if name not in self.errors:
            self.call(name, str(members.get("input") or ""))
        return Response(202, {})

    def _describe_host(self) -> dict[str, object]:
        errors = {"errors": [self.host_error]} if self.host_error else {}
        return {"id": self.host_id, "state": self.state, "version": VERSION, "versionDetails": VERSION, **errors}

    def _describe(self, function: Function, base: str) -> dict[str, object]:
        template = None
        if function.trigger["type"] == "httpTrigger":
            route = "/".join(
                part for part in (self.route_prefix, function.trigger.get("route") or function.name) if part
            )
            template = f"{base}/{route}".lower()
        config: dict[str, Any] = {
            "name": function.name,
            "entryPoint": None,
            "scriptFile": "function_app.py",
            "language": "python",
            "functionDirectory": None,
            "bindings": list(function.raw),
        }
        return {
            "name": function.name,
            "script_root_path_href": None,
            "script_href": f"{base}/admin/vfs/function_app.py",
            "config_href": None,
            "test_data_href": None,
            "href": f"{base}/admin/functions/{function.name}",
            "invoke_url_template": template,
            "language": "python",
            "config": config,
            "files": None,
            "test_data": None,
            "isDisabled": function.is_disabled,
            "isDirect": False,
            "isProxy": False,
        }


def _json(status: int, body: object) -> Response:
    return Response(status, {"Content-Type": "application/json; charset=utf-8"}, json.dumps(body).encode())
