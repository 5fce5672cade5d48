"""One request to Purview's administrative services: versions, bodies, rights and the shape of errors."""

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from aiohttp import web

from emulator.purview.account.admin_errors import AdminError, NotAuthorizedError, bad_request
from emulator.purview.service import Purview
from emulator.purview.wire import Json
from emulator.tokens import principal_of


@dataclass(frozen=True, slots=True)
class AdminAnswer:
    """What an endpoint answers; without a body it is 204 by default."""

    body: Json | None
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AdminCall:
    """A request as the endpoints see it."""

    purview: Purview
    principal: str
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: Any
    origin: str

    @property
    def document(self) -> Json:
        """The body, which must be a JSON object."""
        if not isinstance(self.body, dict):
            raise bad_request("The body must be a JSON object.")
        return self.body

    def may(self, action: str, collection: str) -> bool:
        """Whether the caller may do something in a collection; without enforcement everybody may."""
        allowed = self.purview.policies.allows
        return not self.purview.switches.enforce_permissions or allowed(self.principal, action, collection)

    def require(self, action: str, collection: str) -> None:
        """Refuse a caller who may not do something in a collection."""
        if not self.may(action, collection):
            raise NotAuthorizedError


AdminHandle: TypeAlias = Callable[[AdminCall], AdminAnswer]


def admin_endpoint(
    current: Callable[[], Purview], versions: tuple[str, ...], handle: AdminHandle
) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Turn a function of a call into an HTTP handler of the API versions given."""

    async def respond(request: web.Request) -> web.Response:
        text = await request.text()
        try:
            _check_version(request, versions)
            call = AdminCall(
                current(),
                principal_of(request),
                request.match_info,
                request.query,
                _parsed(text),
                str(request.url.origin()),
            )
            answer = handle(call)
        except AdminError as error:
            return web.json_response(error.to_json(), status=error.status)
        if answer.body is None:
            return web.Response(status=204 if answer.status == 200 else answer.status, headers=answer.headers)
        return web.json_response(answer.body, status=answer.status, headers=answer.headers)

    return respond


def _check_version(request: web.Request, versions: tuple[str, ...]) -> None:
    """Refuse as ASP.NET's versioning does, whose `api-supported-versions` header the policy store sends."""
    version = request.query.get("api-version")
    if not version:
        raise AdminError(400, "ApiVersionUnspecified", "An API version is required, but was not specified.")
    if version not in versions:
        raise AdminError(
            400,
            "UnsupportedApiVersion",
            f"The HTTP resource that matches the request URI '{request.url.origin()}{request.path}' does not support "
            f"the API version '{version}'.",
        )


def _parsed(text: str) -> Any:
    if not text:
        return None
    try:
        return json.loads(text)
    except ValueError as problem:
        raise bad_request(f"The body is not JSON: {problem}") from problem
