"""One request and its answer: what every endpoint shares, from the gateway's limits to the shape of errors."""

import json
import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from typing import TypeAlias

from aiohttp import web
from multidict import MultiMapping

from emulator.purview.account.admin_errors import NotAuthorizedError
from emulator.purview.catalog.catalog import Catalog
from emulator.purview.catalog.store import USER, Entity
from emulator.purview.errors import (
    AtlasError,
    Code,
    GatewayError,
    MalformedBodyError,
    MissingApiVersionError,
    UncaughtError,
)
from emulator.purview.policies.policies import Policies
from emulator.purview.service import Purview
from emulator.purview.wire import Json, as_object
from emulator.tokens import DEFAULT_PRINCIPAL, principal_of

Answer: TypeAlias = Json | list[Json] | None


@dataclass(frozen=True, slots=True)
class Commit:
    """What a request that was checked writes when it commits, and answers then."""

    write: Callable[[], Answer]


LONGEST_PARAMETER = 4096
NUMBERED = re.compile(r"attr_(\d+):(.+)")
PLAIN = re.compile(r"attr:(.+)")


@dataclass(frozen=True, slots=True)
class Call:
    """A request as the endpoints see it."""

    catalog: Catalog
    method: str
    route: str  # the path below the root, with its placeholders
    path: Mapping[str, str]
    query: MultiMapping[str]
    body: object

    @property
    def document(self) -> Json:
        """The body, which must be a JSON object."""
        return as_object(self.body, "body")

    def flag(self, name: str) -> bool:
        """Return a boolean parameter; anything but ``true`` is false."""
        return self.query.get(name, "").lower() == "true"

    def integer(self, name: str, default: int) -> int:
        """Return a whole number parameter; anything else is an error of the server, as in the service."""
        try:
            return int(self.query.get(name, default))
        except ValueError as problem:
            raise UncaughtError(f"{name} is not a number") from problem

    def entity(self) -> Entity:
        """Return the entity of the path: by guid, or by type and ``attr:`` parameters."""
        if "guid" in self.path:
            return self.catalog.by_guid(self.path["guid"])
        return self.catalog.by_unique(self.path["type"], self.unique())

    def unique(self) -> dict[str, object]:
        """Return the ``attr:name=value`` parameters."""
        matches = ((PLAIN.fullmatch(key), value) for key, value in self.query.items())
        return {match[1]: value for match, value in matches if match}

    def numbered_unique(self) -> list[dict[str, object]]:
        """Return the ``attr_0:name=value`` parameters, those of one number together."""
        numbered: dict[int, dict[str, object]] = {}
        for key, value in self.query.items():
            match = NUMBERED.fullmatch(key)
            if match:
                numbered.setdefault(int(match[1]), {})[match[2]] = value
        return [numbered[number] for number in sorted(numbered)]


Handle: TypeAlias = Callable[[Call], Answer | Commit]
Check: TypeAlias = Callable[[Policies, str, Call], None]


def endpoint(
    current: Callable[[], Purview], route: str, check: Check, handle: Handle
) -> Callable[[web.Request], Awaitable[web.Response]]:
    """Turn a function of a call into an HTTP handler with the service's limits, rights and errors."""

    async def respond(request: web.Request) -> web.Response:
        text = await request.text()
        purview = current()  # after the body has come: a reset may have happened meanwhile
        try:
            _check_gateway(request, purview)
            body = _parsed(text)
            call = Call(purview.catalog, request.method, route, request.match_info, request.query, body)
            if purview.switches.enforce_permissions:
                check(purview.policies, principal_of(request), call)
            _check_collection(call, purview)
            answer = await _answer(request, call, purview, handle)
        except AtlasError as error:
            return _json(
                {
                    "requestId": purview.request_ids.guid(),
                    "errorCode": error.code.code,
                    "errorMessage": str(error),
                },
                error.code.status,
            )
        except MalformedBodyError as error:
            return _json({"error": str(error)}, HTTPStatus.BAD_REQUEST)
        except NotAuthorizedError as error:
            return _json(error.to_json(), HTTPStatus.FORBIDDEN)
        except MissingApiVersionError:
            message = "The api-version query parameter (?api-version=) is required for all requests."
            return _json({"error": {"code": "MissingApiVersionParameter", "message": message}}, HTTPStatus.BAD_REQUEST)
        except GatewayError as error:
            page = f"<html><head><title>{error}</title></head><body><h1>{error}</h1></body></html>"
            return web.Response(text=page, status=error.status, content_type="text/html")
        except UncaughtError:
            line = "There was an error processing your request. It has been logged (ID 0123456789abcdef)."
            return web.Response(text=line, status=HTTPStatus.INTERNAL_SERVER_ERROR)
        return web.Response(status=HTTPStatus.NO_CONTENT) if answer is None else _json(answer, HTTPStatus.OK)

    return respond


async def _answer(request: web.Request, call: Call, purview: Purview, handle: Handle) -> Answer:
    """Check a request, let others go on until it is to commit, and let it write then."""
    principal = principal_of(request)
    purview.catalog.store.user = user = USER if principal == DEFAULT_PRINCIPAL else principal
    checked = handle(call)
    if not isinstance(checked, Commit):
        return checked
    async with purview.pauses.before_commit(request.method, request.path, call.body, purview.switches.commit_ms):
        purview.catalog.store.user = user
        return checked.write()


def _check_gateway(request: web.Request, purview: Purview) -> None:
    if len(request.raw_path) > purview.switches.max_url:
        raise GatewayError(HTTPStatus.REQUEST_URI_TOO_LONG)
    needs_version = request.path.startswith("/datamap/") and purview.switches.require_api_version
    if needs_version and not request.query.get("api-version"):
        raise MissingApiVersionError
    for name, value in request.query.items():
        if len(value) > LONGEST_PARAMETER:
            raise AtlasError(Code.QUERY_TOO_LONG, name)


def _check_collection(call: Call, purview: Purview) -> None:
    """
    Refuse to write into a collection that the account does not have; friendly names are none.

    The specification (Entity - Bulk Create Or Update) says that errors are AtlasErrorResponse, and no code; 400 and
    this code are a guess.
    """
    name = call.query.get("collectionId")
    if call.method == "POST" and name and purview.account.find(name) is None:
        raise AtlasError(Code.BAD_REQUEST, f"Collection {name} does not exist")


def _parsed(text: str) -> object:
    if not text:
        return None
    try:
        body: object = json.loads(text)
    except ValueError as problem:
        raise MalformedBodyError(f"Unexpected character: {problem}") from problem
    return body


def _json(body: Json | list[Json], status: HTTPStatus) -> web.Response:
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
    return web.Response(text=text, status=status, content_type="application/json")
