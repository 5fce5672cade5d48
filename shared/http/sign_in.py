"""Tokens for the services: what asks for them, what is said when there is none, and the credential of the emulator."""

import time
from typing import Any

from azure.core.credentials import AccessToken, TokenCredential
from azure.core.exceptions import AzureError

from shared.errors import AccessDeniedError
from shared.redaction import redact_text

_LIFETIME = 3600


class EmulatorCredential:
    """
    A fixed token for an emulator on this machine, good for nothing else.

    Settings accept it only when every endpoint is a loopback address.
    """

    def get_token(self, *scopes: str, **_: Any) -> AccessToken:
        return AccessToken("emulator", int(time.time()) + _LIFETIME)


def get_token(credential: TokenCredential, scope: str) -> AccessToken:
    """
    Ask for a token each time that one is needed: azure-identity keeps tokens and renews them before they end.

    Raises:
        AccessDeniedError: the credential has none.
    """
    try:
        return credential.get_token(scope)
    except AzureError as error:
        raise AccessDeniedError(no_token(scope, error)) from error


def no_token(scope: str, error: AzureError) -> str:
    """Word a failure of the credential; azure-identity lists all it tried, and its first line says enough."""
    first_line = redact_text(str(error.message).strip().partition("\n")[0])
    return (
        f"there is no token for {scope}: run `az login`, or give the app a managed identity; "
        f"for the emulator set LINEAGE_CREDENTIAL=emulator ({first_line})"
    )
