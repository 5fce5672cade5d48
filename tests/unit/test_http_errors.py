"""What azure-core raises, as the product's errors: whether a retry may help decides which one it is."""

from types import SimpleNamespace

import pytest
from azure.core.exceptions import (
    AzureError,
    DecodeError,
    HttpResponseError,
    IncompleteReadError,
    ODataV4Format,
    ServiceRequestError,
    ServiceResponseError,
)

from shared.errors import AccessDeniedError, LineageError, RecordNotFoundError, RequestRefusedError
from shared.errors import ServiceUnavailableError as Unavailable
from shared.http.errors import translated_errors


def answered(status: int, kind: type[HttpResponseError] = HttpResponseError, *, method: str = "") -> HttpResponseError:
    """Make an error as the SDK does of an answer, to a request of a method if that matters."""
    error = kind("words")
    error.status_code = status
    if method:
        error.response = SimpleNamespace(request=SimpleNamespace(method=method), headers={})
    return error


def test_absence_of_what_was_deployed_is_waited_for() -> None:
    """A table that is missing is no run that Azure ML does not have."""
    with pytest.raises(Unavailable), translated_errors("get_entity", needs="a role", keeps_records=False):
        raise answered(404)


@pytest.mark.parametrize(
    ("raised", "expected"),
    [
        (answered(429), Unavailable),
        (answered(408), Unavailable),
        (answered(500), Unavailable),
        (answered(599), Unavailable),
        (answered(200, DecodeError), Unavailable),
        (answered(200, IncompleteReadError), Unavailable),
        (DecodeError("no answer at all"), Unavailable),
        (ServiceRequestError("no route"), Unavailable),
        (ServiceResponseError("cut"), Unavailable),
        (ValueError("half of a JSON text"), Unavailable),
        (answered(401), AccessDeniedError),
        (answered(403), AccessDeniedError),
        (answered(404), RecordNotFoundError),
        (answered(400), RequestRefusedError),
        (answered(409), RequestRefusedError),
        (answered(409, method="GET"), Unavailable),
        (answered(423), Unavailable),
        (answered(501), RequestRefusedError),
        (AzureError("of another kind"), RequestRefusedError),
    ],
    ids=lambda value: getattr(value, "__name__", f"{type(value).__name__} {getattr(value, 'status_code', '')}"),
)
def test_error_of_the_sdk_says_whether_a_retry_may_help(raised: Exception, expected: type[LineageError]) -> None:
    """What cannot be decoded broke off on its way; a read conflicts with what others do: no dead letters."""
    with pytest.raises(expected, match="GET x"), translated_errors("GET x", needs="a role"):
        raise raised


@pytest.mark.parametrize(
    ("status", "code", "expected"),
    [
        (404, "SubscriptionNotFound", Unavailable),
        (400, "NoRegisteredProviderFound", Unavailable),
        (409, "MissingSubscriptionRegistration", Unavailable),
        (404, "ResourceNotFound", RecordNotFoundError),
        (404, "ResourceGroupNotFound", RecordNotFoundError),
    ],
)
def test_cloud_that_does_not_have_the_subscription_says_nothing_of_the_resource(
    status: int, code: str, expected: type[LineageError]
) -> None:
    """An endpoint of another cloud, or a subscription that is off for now: both are repaired, and the event waits."""
    error = answered(status)
    error.error = ODataV4Format({"code": code, "message": "words"})
    with pytest.raises(expected), translated_errors("get", needs="a role"):
        raise error
