"""One thing that must be right, what was found, and what to do about it."""

import re
from collections.abc import Callable
from dataclasses import dataclass

from shared.errors import LineageError
from shared.redaction import redact_text

OK, PROBLEM, UNCHECKED = "ok", "problem", "unchecked"
_DEFECT = "A defect of ours: report it with this line."
_REMEDIES = (
    (
        r"InvalidAuthenticationTokenAudience|wrong audience",
        "The token is for another service or tenant: correct LINEAGE_ARM_ENDPOINT and PURVIEW_ENDPOINT, and sign in to "
        "the tenant of the workspace (`az login --tenant`).",
    ),
    (
        r"ExpiredAuthenticationToken|InvalidAuthenticationToken\b|token (is|has) expired|lifetime validation failed",
        "Sign in again (`az login`); if that does not help, the clock of this machine is wrong.",
    ),
    (
        r"NameResolutionError|Name or service not known|getaddrinfo|Failed to resolve|nodename nor servname",
        "The name has no address: correct the setting; with a private endpoint, link the private DNS zone to the "
        "network of this machine.",
    ),
    (
        r"CERTIFICATE_VERIFY_FAILED|SSLError",
        "Something between here and there presents a certificate of its own: give its authority in LINEAGE_CA_BUNDLE.",
    ),
    (
        r"AuthorizationFailed",
        "Give the role that the message names at that scope; one given a moment ago takes up to ten minutes.",
    ),
    (r"there is no token", "Sign in with `az login`, or run where the managed identity is."),
    (
        r"ConnectTimeout|ConnectionError|NewConnectionError|Connection refused|timed out",
        "Nothing answers there: check firewall, proxy and private endpoint between this machine and the service.",
    ),
)
"""What helps against errors that look the same from every service."""


@dataclass(frozen=True, slots=True)
class Finding:
    """
    What a check found.

    Attributes:
        state: `ok`, `problem`, or `unchecked` where something keeps it from being looked at.
        detail: what was found.
        remedy: what to do about it; "" unless it is a problem.
    """

    check: str
    state: str
    detail: str
    remedy: str = ""

    def to_json(self) -> dict[str, str]:
        return {"check": self.check, "state": self.state, "detail": self.detail, "remedy": self.remedy}


class ProblemError(LineageError):
    """A probe found something wrong, and knows the remedy."""

    def __init__(self, detail: str, remedy: str) -> None:
        super().__init__(detail)
        self.remedy = remedy


class UncheckedError(LineageError):
    """A probe could not look; the message says why."""


@dataclass(frozen=True, slots=True)
class Check:
    """
    Attributes:
        probe: looks, and returns what is right in a few words; any LineageError is a problem.
        remedy: what helps against an error that does not say it itself.
    """

    name: str
    probe: Callable[[], str]
    remedy: str

    def run(self) -> Finding:
        try:
            return Finding(self.name, OK, self.probe())
        except UncheckedError as error:
            return Finding(self.name, UNCHECKED, str(error))
        except ProblemError as error:
            return Finding(self.name, PROBLEM, str(error), error.remedy)
        except LineageError as error:
            return Finding(self.name, PROBLEM, f"{error.reason}: {error}", find_remedy(str(error)) or self.remedy)
        except Exception as error:  # noqa: BLE001 - one check that has a defect must not take the others with it
            return Finding(self.name, PROBLEM, f"Unexpected{type(error).__name__}: {redact_text(str(error))}", _DEFECT)


def wait_for(setting: str, what: str) -> Check:
    """Return a check in place of those that cannot run without a setting."""

    def probe() -> str:
        raise UncheckedError(f"waits for {setting}")

    return Check(what, probe, "")


def find_remedy(words: str) -> str:
    """
    Return what helps against an error by its words; "" if they are unknown.

    >>> find_remedy("HTTP 401: ExpiredAuthenticationToken")[:14]
    'Sign in again '
    """
    return next((remedy for pattern, remedy in _REMEDIES if re.search(pattern, words, re.IGNORECASE)), "")
