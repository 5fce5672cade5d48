"""What helps against errors that look the same wherever they come from."""

import re

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
        "Nobody answers there: look at firewall, proxy and private endpoint between this machine and the service.",
    ),
)


def find_remedy(words: str) -> str:
    """
    Return what helps against an error by its words; "" if they are none that we know.

    >>> find_remedy("HTTP 401: ExpiredAuthenticationToken")[:14]
    'Sign in again '
    """
    return next((remedy for pattern, remedy in _REMEDIES if re.search(pattern, words, re.IGNORECASE)), "")
