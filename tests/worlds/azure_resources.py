"""A deployment beside the emulated workspaces, as azd would report it, and tokens with claims."""

import time
from collections.abc import Sequence
from typing import Any
from uuid import uuid4

import jwt
from azure.core.credentials import AccessToken

from cli.admin.management.arm import ROLES
from emulator.server import Emulator
from shared.bindings import FUNCTIONS
from tests.harness.app import WORKSPACE
from tests.harness.callers import Caller

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


READER = "/subscriptions/s/providers/Microsoft.Authorization/roleDefinitions/acdd72a7-3385-48ef-bd42-f606fba81ae7"
STORAGE_ROLES = ("Storage Blob Data Owner", "Storage Queue Data Contributor", "Storage Table Data Contributor")

APP_SETTINGS = {
    "RECONCILE_SCHEDULE": "0 */15 * * * *",
    "LineageStorage__queueServiceUri": "https://stcredit.queue.core.windows.net/",
    "LINEAGE_STORAGE": "https://stcredit.blob.core.windows.net/",
    "APPLICATIONINSIGHTS_CONNECTION_STRING": "InstrumentationKey=00000000-0000-0000-0000-000000000000",
}
"""Those of the app that its bindings need, and its telemetry."""
SITE = {"state": "Running", "functions": {name: {} for name in FUNCTIONS}, "app_settings": APP_SETTINGS}
"""The function app, as it is when all is well."""


def deploy(emulator: Emulator, workspaces: Sequence[str] = (WORKSPACE,)) -> None:
    """Let ARM hold what the templates create: the function app, and the roles of its identity."""
    emulator.control.add_to_arm({"sites": {"func-lineage": SITE}})
    definitions = f"{READER.rpartition('/')[0]}/"
    roles = [(STORAGE, f"{definitions}{ROLES[name]}") for name in STORAGE_ROLES] + [
        (each, READER) for each in workspaces
    ]
    caller = Caller(emulator)
    with caller.session:
        for scope, definition in roles:
            path = f"{scope}/providers/Microsoft.Authorization/roleAssignments/{uuid4()}"
            body = {"properties": {"roleDefinitionId": definition, "principalId": APP}}
            caller.ok("PUT", path, body, api_version="2022-04-01")


def token_for(audience: str = "", *, seconds: int = 3600, oid: str = "") -> type:
    """Make a credential class whose tokens are JWTs; for `audience`, or if that is "" for whatever is asked for."""

    class Credential:
        def get_token(self, *scopes: str, **_: Any) -> AccessToken:
            ends_at = int(time.time()) + seconds
            claims: dict[str, Any] = {"aud": audience or scopes[0].removesuffix("/.default"), "exp": ends_at}
            return AccessToken(jwt.encode(claims | ({"oid": oid} if oid else {}), "s" * 32), ends_at)

    return Credential
