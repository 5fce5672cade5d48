"""What an HTTP status and what azure-core raises mean for the product: one of its own errors."""

from collections.abc import Iterator
from contextlib import contextmanager
from http import HTTPStatus

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
)

from shared.errors import (
    AccessDeniedError,
    LineageError,
    RecordNotFoundError,
    RequestRefusedError,
    ServiceUnavailableError,
)
from shared.redaction import redact_text

_WAITED_FOR = frozenset({HTTPStatus.REQUEST_TIMEOUT, HTTPStatus.TOO_MANY_REQUESTS, HTTPStatus.LOCKED})
"""Statuses beside 5xx after which the same request may succeed."""
_OF_THE_SETTING = frozenset({"SubscriptionNotFound", "NoRegisteredProviderFound", "MissingSubscriptionRegistration"})
"""
Codes by which Azure Resource Manager says that it cannot answer here, and nothing of what was asked for: it is that of
another cloud or tenant, the subscription is off for now, or a provider is to be registered there (azure-docs, "Resolve
errors for resource provider registration"; Azure-Samples/azuresandbox issue 19).
"""


def to_error(
    status: int,
    message: str,
    *,
    denied: str,
    retry_after: str = "",
    is_absence: bool = False,
    passes: bool = False,
    code: str = "",
) -> LineageError:
    """
    Say what a refusal of a service means for the message that led to the request.

    Args:
        message: what was asked, and what the service said.
        denied: a sentence on what would help against a 401 or 403.
        retry_after: the header of that name.
        is_absence: a 404 means that there is no such thing, and not that the request is wrong.
        passes: the request is right and may be answered later, whatever the status is by default.
        code: the service's own, of the error.
    """
    if status in (HTTPStatus.UNAUTHORIZED, HTTPStatus.FORBIDDEN):
        return AccessDeniedError(f"{message.rstrip('.')}. {denied}")
    fails = status >= HTTPStatus.INTERNAL_SERVER_ERROR and status != HTTPStatus.NOT_IMPLEMENTED
    if status in _WAITED_FOR or fails or passes:
        return ServiceUnavailableError(message, retry_after=float(retry_after) if retry_after.isdigit() else None)
    if status == HTTPStatus.NOT_FOUND and is_absence:
        return RecordNotFoundError(message)
    return RequestRefusedError(message, status=status, code=code)


@contextmanager
def translated_errors(
    what: str, *, needs: str, service: str = "Azure Resource Manager", keeps_records: bool = True
) -> Iterator[None]:
    """
    Raise azure-core's exceptions as ours.

    Args:
        what: the request or the SDK call, without its query.
        needs: the role or right whose absence a 401 or 403 would explain.
        service: for whom a token is asked.
        keeps_records: a 404 means that there is no such record; else that something is missing which was deployed.

    Raises:
        ServiceUnavailableError, AccessDeniedError, RecordNotFoundError (404), RequestRefusedError (another 4xx)
    """
    try:
        yield
    except ClientAuthenticationError as error:
        if error.response is None:
            raise AccessDeniedError(f"{what}: {no_token(service, error)}") from error
        raise _from_response(what, error, needs, keeps_records=keeps_records) from error
    except HttpResponseError as error:
        raise _from_response(what, error, needs, keeps_records=keeps_records) from error
    except (ServiceRequestError, ServiceResponseError) as error:
        raise ServiceUnavailableError(f"{what}: {_words(error)}") from error
    except AzureError as error:
        raise RequestRefusedError(f"{what}: {_words(error)}", status=0) from error
    except UnicodeEncodeError as error:
        raise RequestRefusedError(f"{what}: cannot be written as a URL ({error.reason})", status=0) from error
    except ValueError as error:
        raise ServiceUnavailableError(f"{what}: the answer is not JSON ({_words(error)})") from error


def no_token(scope: str, error: AzureError) -> str:
    """Word a failure of the credential; azure-identity lists all it tried, and its first line says enough."""
    first_line = redact_text(str(error.message).strip().partition("\n")[0])
    return (
        f"there is no token for {scope}: run `az login`, or give the app a managed identity; "
        f"for the emulator set LINEAGE_CREDENTIAL=emulator ({first_line})"
    )


def _from_response(what: str, error: HttpResponseError, needs: str, *, keeps_records: bool) -> LineageError:
    status = error.status_code or 0
    broke_off = status < HTTPStatus.BAD_REQUEST  # an answer that came in part
    headers = getattr(error.response, "headers", {})
    # No Azure service says in HTML what is wrong with a request: that is a gateway before it, or another host.
    is_page = "text/html" in str(headers.get("Content-Type") or "")
    return to_error(
        HTTPStatus.BAD_GATEWAY if broke_off else status,
        f"{what}: HTTP {status}: {_words(error)}",
        denied=f"The identity needs {needs}.",
        retry_after=str(headers.get("Retry-After") or ""),
        is_absence=keeps_records,
        passes=is_page
        or (status == HTTPStatus.NOT_FOUND and not keeps_records)
        or getattr(error.error, "code", None) in _OF_THE_SETTING
        or (status == HTTPStatus.CONFLICT and _is_read(error)),
    )


def _is_read(error: HttpResponseError) -> bool:
    """Whether nothing was to be written, so that a conflict is with what another one is doing just now."""
    request = getattr(error.response, "request", None)
    return getattr(request, "method", "") == "GET"


def _words(error: Exception) -> str:
    message = str(getattr(error, "message", "") or error).strip()
    # azure-core says everything twice, the second time below "Code:" and "Message:".
    return redact_text(" ".join(message.partition("\nCode:")[0].split()))[:500]
