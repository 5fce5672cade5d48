"""Bearer tokens: whom a request comes from, and whether the service it was sent to would take the token."""

import base64
import binascii
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler

from emulator.request_log import CONTROL, PURVIEW, service_of

# The caller of an opaque token, or of one that does not say who it is.
DEFAULT_PRINCIPAL = "00000000-0000-4000-8000-0000000000ee"

ARM_AUDIENCES = (
    "https://management.core.windows.net/",
    "https://management.core.windows.net",
    "https://management.azure.com/",
    "https://management.azure.com",
)
WORKSPACE_AUDIENCES = ("https://ml.azure.com", *ARM_AUDIENCES)
PURVIEW_AUDIENCES = ("https://purview.azure.net", "https://purview.azure.com")


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a token is not taken; always answered 401."""

    code: str
    message: str

    def answer(self) -> web.Response:
        """Build the answer; ARM and Purview have the same envelope."""
        body = {"error": {"code": self.code, "message": self.message}}
        return web.json_response(body, status=401, headers={"WWW-Authenticate": "Bearer"})


@web.middleware
async def require_token(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer 401 without a bearer token, or to a JWT that cannot be for us. Azure ML's discovery takes none."""
    service = service_of(request.path)
    if service == CONTROL or request.path.lower().startswith("/discovery"):
        return await handler(request)
    refusal = _refusal(_token(request), service, request, time.time())
    return await handler(request) if refusal is None else refusal.answer()


def principal_of(request: web.Request) -> str:
    """Return the object id of the caller; opaque tokens all belong to the same one."""
    oid = _claims(_token(request)).get("oid")
    return oid.lower() if isinstance(oid, str) and oid else DEFAULT_PRINCIPAL


def _token(request: web.Request) -> str:
    scheme, _, token = request.headers.get("Authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _claims(token: str) -> Mapping[str, Any]:
    """Read a JWT's claims, signed or not; any other token claims nothing."""
    parts = token.split(".")
    if len(parts) != 3:
        return {}
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=" * (-len(parts[1]) % 4)))
    except (binascii.Error, ValueError):
        return {}
    return claims if isinstance(claims, dict) else {}


def _refusal(token: str, service: str, request: web.Request, now: float) -> Refusal | None:
    if not token:
        if service == PURVIEW:
            return Refusal("Unauthorized", "Not authorized to access account")
        return Refusal("AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing.")
    claims = _claims(token)
    audience, expiry = claims.get("aud"), claims.get("exp")
    # The emulator's own address stands for any service: clients that derive the scope from the endpoint ask for it.
    allowed = (*_audiences(service, request.path), str(request.url.origin()))
    if isinstance(audience, str) and audience.rstrip("/") not in {item.rstrip("/") for item in allowed}:
        if service == PURVIEW:
            return Refusal("Unauthorized", "Not authorized to access account")
        expected = ",".join(f"'{item}'" for item in _audiences(service, request.path))
        return Refusal(
            "InvalidAuthenticationTokenAudience",
            f"The access token has been obtained for wrong audience or resource '{audience}'. It should exactly match "
            f"with one of the allowed audiences {expected}.",
        )
    if isinstance(expiry, int | float) and expiry < now:
        if service == PURVIEW:
            return Refusal("Unauthorized", "Not authorized to access account")
        return Refusal(
            "ExpiredAuthenticationToken",
            f"The access token expiry UTC time '{_moment(expiry)}' is earlier than current UTC time '{_moment(now)}'.",
        )
    return None


def _audiences(service: str, path: str) -> tuple[str, ...]:
    if service == PURVIEW:
        return PURVIEW_AUDIENCES
    return ARM_AUDIENCES if path.lower().startswith("/subscriptions") else WORKSPACE_AUDIENCES


def _moment(seconds: float) -> str:
    """
    Write a time as ARM's messages do.

    >>> _moment(1534864920)
    '8/21/2018 3:22:00 PM'
    """
    time = datetime.fromtimestamp(seconds, UTC)
    return f"{time.month}/{time.day}/{time.year} {time.hour % 12 or 12}:{time:%M:%S %p}"
