"""Single checks of `lineage doctor`, where the emulator cannot stand in: names, accounts, tokens."""

from collections.abc import Mapping
from typing import Any

import jwt
import pytest

from cli.admin.checks.check import OK, PROBLEM, Check, UncheckedError, find_remedy
from cli.admin.checks.machine import check_account, check_host, read_claims
from shared.errors import RequestRefusedError, ServiceUnavailableError

BLOB = "https://stlineage.blob.core.windows.net"
ZONE = "privatelink.blob.core.windows.net"


def account(access: str) -> Mapping[str, Any]:
    return {"name": "stlineage", "properties": {"publicNetworkAccess": access}}


@pytest.mark.parametrize(
    ("access", "address", "state"),
    [
        ("Disabled", "10.90.0.70", OK),
        ("Disabled", "20.60.70.80", PROBLEM),
        ("Disabled", "fd00::7", OK),
        ("Enabled", "20.60.70.80", OK),
    ],
)
def test_private_account_must_have_a_private_address(access: str, address: str, state: str) -> None:
    """A public one means that the private DNS zone is not asked from here."""
    finding = check_account("storage: account", lambda: account(access), BLOB, lambda _: [address], zone=ZONE).run()
    assert finding.state == state
    assert (ZONE in finding.remedy) == (state == PROBLEM)


def test_host_is_shown_with_its_addresses_and_what_they_are() -> None:
    """So that a reader sees through which door the service is reached."""
    finding = check_host("network: Purview", "https://p.purview.azure.com", lambda _: ["10.0.0.4"]).run()
    assert finding.detail == "p.purview.azure.com is 10.0.0.4 (private)"


@pytest.mark.parametrize("token", ["emulator", "a.b.c", ""])
def test_opaque_token_claims_nothing(token: str) -> None:
    """Not every token is a JWT, and none is printed."""
    assert read_claims(token) == {}


def test_claims_are_read_without_a_key() -> None:
    """They are shown to people; nothing is decided by them."""
    assert read_claims(jwt.encode({"aud": "a", "exp": 0}, "k" * 32)) == {"aud": "a", "exp": 0}


@pytest.mark.parametrize(
    ("words", "remedy"),
    [
        ("HTTP 401: ExpiredAuthenticationToken", "the clock"),
        ("HTTP 401: InvalidAuthenticationTokenAudience", "LINEAGE_ARM_ENDPOINT"),
        ("NameResolutionError: Failed to resolve 'p'", "private DNS zone"),
        ("SSLError: CERTIFICATE_VERIFY_FAILED", "LINEAGE_CA_BUNDLE"),
        ("HTTP 403: AuthorizationFailed", "ten minutes"),
        ("there is no token for Purview", "az login"),
        ("ConnectTimeoutError", "firewall"),
    ],
)
def test_error_is_known_by_its_words(words: str, remedy: str) -> None:
    """Wherever it comes from."""
    assert remedy in find_remedy(words)


def test_error_that_says_nothing_known_gets_the_remedy_of_its_check() -> None:
    """Each check has one for what it is about."""

    def probe() -> str:
        raise RequestRefusedError("HTTP 400: no", status=400)

    finding = Check("types", probe, "lineage typedefs apply").run()
    assert (finding.state, finding.remedy) == (PROBLEM, "lineage typedefs apply")


def test_check_that_cannot_look_is_no_problem() -> None:
    """It says what it waits for."""

    def probe() -> str:
        raise UncheckedError("waits for the types")

    assert Check("round trip", probe, "x").run().state == "unchecked"


def test_defect_in_one_check_is_reported_and_takes_no_other_with_it() -> None:
    """It does not look like one of the deployment."""

    def probe() -> str:
        raise ZeroDivisionError("by zero")

    finding = Check("x", probe, "y").run()
    assert (finding.state, finding.detail) == (PROBLEM, "UnexpectedZeroDivisionError: by zero")
    assert "defect of ours" in finding.remedy


def test_service_that_is_down_is_a_problem() -> None:
    """With the service's own words."""

    def probe() -> str:
        raise ServiceUnavailableError("GET x: HTTP 503")

    assert Check("x", probe, "Wait.").run().detail == "ServiceUnavailable: GET x: HTTP 503"
