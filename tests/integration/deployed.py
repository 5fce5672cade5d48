"""A deployment beside the emulated workspaces, as azd would tell of it, and tokens that say something."""

import time
from typing import Any

import jwt
from azure.core.credentials import AccessToken

from tests.app import WORKSPACE

PROVIDERS = f"{WORKSPACE.partition('/providers/')[0]}/providers"
APP = "11111111-1111-4111-8111-111111111111"
"""Object id of the app's identity."""
STORAGE = f"{PROVIDERS}/Microsoft.Storage/storageAccounts/stcredit"
LAKE = f"{PROVIDERS}/Microsoft.Storage/storageAccounts/contosolake"
FUNCTION_APP = f"{PROVIDERS}/Microsoft.Web/sites/func-lineage"
PURVIEW = f"{PROVIDERS}/Microsoft.Purview/accounts/purview-credit"

AZD = {
    "PURVIEW_COLLECTION": "lineage",
    "LINEAGE_IDENTITY_ID": APP,
    "LINEAGE_FUNCTION_APP_ID": FUNCTION_APP,
    "LINEAGE_STORAGE_ACCOUNT_ID": STORAGE,
    "LINEAGE_PURVIEW_ACCOUNT_ID": PURVIEW,
}
"""What azd's environment holds beside the app settings."""


def token_for(audience: str = "", *, seconds: int = 3600, oid: str = "") -> type:
    """Make a credential class whose tokens are JWTs; for `audience`, or if that is "" for whatever is asked for."""

    class Credential:
        def get_token(self, *scopes: str, **_: Any) -> AccessToken:
            ends_at = int(time.time()) + seconds
            claims: dict[str, Any] = {"aud": audience or scopes[0].removesuffix("/.default"), "exp": ends_at}
            return AccessToken(jwt.encode(claims | ({"oid": oid} if oid else {}), "s" * 32), ends_at)

    return Credential
