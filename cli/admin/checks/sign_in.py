"""Who we are, and whether there is a token for each service."""

from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import jwt

from cli.admin.checks.check import Check, ProblemError
from shared.bootstrap import Services
from shared.http.sign_in import get_token
from shared.settings import StorageAccount

_PURVIEW, _STORAGE = "https://purview.azure.net", "https://storage.azure.com"
_ARM_ALSO = ("https://management.core.windows.net",)
"""Azure Resource Manager takes tokens for its older name too."""


def check_sign_in(services: Services) -> Iterator[Check]:
    """Yield a check for each audience; the storage account's only where there is one."""
    arm = services.settings.arm_endpoint
    audiences = {"Azure Resource Manager": (arm, *_ARM_ALSO), "Purview": (_PURVIEW,)}
    if isinstance(services.settings.storage, StorageAccount):
        audiences["storage"] = (_STORAGE,)
    for name, names in audiences.items():
        yield Check(f"sign-in: {name}", _probe(services, names), "Sign in with `az login`.")


def read_claims(token: str) -> Mapping[str, Any]:
    """Return what a token says of itself, unverified and for people only; {} of one that is opaque."""
    try:
        return jwt.decode(token, options={"verify_signature": False, "verify_exp": False, "verify_aud": False})
    except jwt.InvalidTokenError:
        return {}


def _probe(services: Services, audiences: tuple[str, ...]) -> Callable[[], str]:
    def probe() -> str:
        scope = f"{audiences[0]}/.default"
        token = get_token(services.credential, scope)
        ends_at = datetime.fromtimestamp(token.expires_on, UTC)
        if ends_at <= services.now():
            raise ProblemError(
                f"the token expired at {ends_at:%Y-%m-%d %H:%M} UTC",
                "Sign in again (`az login`); if that does not help, the clock of this machine is wrong.",
            )
        claims = read_claims(token.token)
        audience = str(claims.get("aud") or "").rstrip("/")
        if claims and not any(audience == name.rstrip("/") for name in (*audiences, _APPLICATIONS.get(audience, ""))):
            raise ProblemError(
                f"the token for {audiences[0]} is for {audience}",
                "The credential gives tokens for a wrong audience: sign in to the cloud of this endpoint.",
            )
        who = claims.get("upn") or claims.get("app_displayname") or claims.get("appid") or claims.get("oid")
        return f"token for {audiences[0]} as {who}" if who else f"token for {audiences[0]}"

    return probe


_APPLICATIONS = {"73c2949e-da2d-457a-9607-fcc665198967": _PURVIEW}
"""Audiences that are spelt as the id of an application."""
