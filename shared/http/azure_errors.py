"""Translates what azure-core raises into the product's errors."""

from collections.abc import Iterator
from contextlib import contextmanager

from azure.core.exceptions import (
    AzureError,
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
)

from shared.errors import AccessDeniedError, RecordNotFoundError, RequestRefusedError, ServiceUnavailableError
from shared.http.sign_in import no_token
from shared.redaction import redact_text

_UNAVAILABLE = frozenset({408, 429, 500, 502, 503, 504})


@contextmanager
def translated_errors(what: str, *, needs: str, service: str = "Azure Resource Manager") -> Iterator[None]:
    """
    Turn azure-core's exceptions into ours.

    Args:
        what: the request or the SDK call, without its query.
        needs: the role or right whose absence a 401 or 403 would explain.
        service: for whom a token is asked.

    Raises:
        ServiceUnavailableError, AccessDeniedError, RecordNotFoundError (404), RequestRefusedError (another 4xx)
    """
    try:
        yield
    except ClientAuthenticationError as error:
        if error.response is None:
            raise AccessDeniedError(f"{what}: {no_token(service, error)}") from error
        raise _from_response(what, error, needs) from error
    except HttpResponseError as error:
        raise _from_response(what, error, needs) from error
    except (ServiceRequestError, ServiceResponseError) as error:
        raise ServiceUnavailableError(f"{what}: {_words(error)}") from error
    except AzureError as error:
        raise RequestRefusedError(f"{what}: {_words(error)}", status=0) from error
    except UnicodeEncodeError as error:
        raise RequestRefusedError(f"{what}: cannot be spelt as a URL ({error.reason})", status=0) from error
    except ValueError as error:
        raise ServiceUnavailableError(f"{what}: the answer is not JSON ({_words(error)})") from error


def _from_response(what: str, error: HttpResponseError, needs: str) -> Exception:
    status = error.status_code or 0
    message = f"{what}: HTTP {status}: {_words(error)}"
    if status in (401, 403):
        return AccessDeniedError(f"{message.rstrip('.')}. The identity needs {needs}.")
    if status == 404:
        return RecordNotFoundError(message)
    if status in _UNAVAILABLE or status >= 500 or status < 400:  # below 400 it is an answer that broke off on its way
        header = str(getattr(error.response, "headers", {}).get("Retry-After") or "")
        return ServiceUnavailableError(message, retry_after=float(header) if header.isdigit() else None)
    return RequestRefusedError(message, status=status)


def _words(error: Exception) -> str:
    message = str(getattr(error, "message", "") or error).strip()
    # azure-core says everything twice, the second time below "Code:" and "Message:".
    return redact_text(" ".join(message.partition("\nCode:")[0].split()))[:500]
