"""Says in one sentence why there is no token, and what to do about it."""

from azure.core.exceptions import AzureError

from shared.redaction import redact_text


def no_token(scope: str, error: AzureError) -> str:
    """Word a failure of the credential; azure-identity lists all it tried, and its first line says enough."""
    first_line = redact_text(str(error.message).strip().partition("\n")[0])
    return (
        f"there is no token for {scope}: run `az login`, or give the app a managed identity; "
        f"for the emulator set LINEAGE_CREDENTIAL=emulator ({first_line})"
    )
