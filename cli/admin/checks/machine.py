"""Whether this machine is ready: settings are right, there is a token for each service, and hosts have addresses."""

import ipaddress
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import jwt

from cli.admin.checks.check import Check, ProblemError
from shared.bindings import find_given_schedule_problems
from shared.bootstrap import Services
from shared.errors import ConfigurationError
from shared.http.rest import get_token
from shared.settings import Settings, StorageAccount
from shared.state.sqlite import open_state

Resolve = Callable[[str], Sequence[str]]

_PLACEHOLDERS = {
    "PURVIEW_ENDPOINT": "https://127.0.0.1:1",
    "LINEAGE_WORKSPACES": "/subscriptions/none",
    "LINEAGE_STORAGE": "sqlite:///lineage-doctor.sqlite",
}
"""In place of a required setting that is missing or wrong, so that the rest can be read; nothing is asked of them."""

_STORAGE = "https://storage.azure.com"
"""The audience of storage is the same in every cloud."""
_PURVIEW_APPLICATION = "73c2949e-da2d-457a-9607-fcc665198967"
"""An audience may be given as the id of an application."""


def open_what_is_right(environ: Mapping[str, str]) -> tuple[Services, Mapping[str, str]]:
    """Return services of the settings that are right, and of each one that is not, by name, what is wrong with it."""
    problems: dict[str, str] = {}
    settings = None
    while settings is None:
        try:
            settings = Settings.from_env(environ)
        except ConfigurationError as error:
            found = {problem.partition(":")[0]: problem for problem in error.problems}
            # Required ones first: what is wrong with others may follow from these.
            wrong = found.keys() & _PLACEHOLDERS.keys() or found.keys()
            problems |= {name: problem for name, problem in found.items() if name in wrong}
            environ = {
                **{name: value for name, value in environ.items() if name not in wrong},
                **{name: _PLACEHOLDERS[name] for name in wrong if name in _PLACEHOLDERS},
            }
    services = Services(settings)
    if isinstance(settings.storage, Path) and not settings.storage.exists():
        services.state = open_state(":memory:", now=services.now)  # a check creates no file
    return services, problems


def check_settings(problems: Mapping[str, str], environ: Mapping[str, str]) -> Check:
    """Check what is set here: our own settings and, if it is given, the schedule, which the app's host reads."""

    def probe() -> str:
        found = [*problems.values(), *find_given_schedule_problems(environ)]
        if found:
            raise ProblemError("; ".join(found), "Set them as README.md says; after `azd up`: azd env get-values")
        return "all are set and well formed"

    return Check("settings", probe, "")


def check_sign_in(services: Services) -> Iterator[Check]:
    """Yield a check for each audience; the storage account's only where there is one."""
    cloud = services.cloud
    audiences: dict[str, tuple[str, ...]] = {
        # Azure Resource Manager takes tokens for its older name too.
        "Azure Resource Manager": (services.settings.arm_endpoint, f"https://{cloud.arm_before}"),
        "Purview": (cloud.purview_audience, _PURVIEW_APPLICATION),
    }
    if isinstance(services.settings.storage, StorageAccount):
        audiences["storage"] = (_STORAGE,)
    for name, names in audiences.items():
        yield Check(f"sign-in: {name}", _probe_token(services, names), "Sign in with `az login`.")


def read_claims(token: str) -> Mapping[str, Any]:
    """Return what a token says of itself, unverified and for people only; {} of one that is opaque."""
    try:
        return jwt.decode(token, options={"verify_signature": False, "verify_exp": False, "verify_aud": False})
    except jwt.InvalidTokenError:
        return {}


def _probe_token(services: Services, audiences: tuple[str, ...]) -> Callable[[], str]:
    def probe() -> str:
        scope = f"{audiences[0]}/.default"
        token = get_token(services.credential, scope)
        ends_at = datetime.fromtimestamp(token.expires_on, UTC)
        if ends_at <= services.now():
            raise ProblemError(
                f"the token expired at {ends_at:%Y-%m-%d %H:%M} UTC",
                "Sign in again (`az login`); if that does not help, the clock of this machine is wrong.",
            )
        claims = read_claims(token.token)
        audience = str(claims.get("aud") or "").rstrip("/")
        if claims and not any(audience == name.rstrip("/") for name in audiences):
            raise ProblemError(
                f"the token for {audiences[0]} is for {audience}",
                "The credential gives tokens for a wrong audience: sign in to the cloud of this endpoint.",
            )
        who = claims.get("upn") or claims.get("app_displayname") or claims.get("appid") or claims.get("oid")
        return f"token for {audiences[0]} as {who}" if who else f"token for {audiences[0]}"

    return probe


def resolve(host: str) -> list[str]:
    """
    Ask this machine's resolver for the addresses of a host.

    Raises:
        OSError
    """
    return sorted({str(entry[4][0]) for entry in socket.getaddrinfo(host, 443, proto=socket.IPPROTO_TCP)})


def check_hosts(services: Services, resolve: Resolve, *, without: frozenset[str]) -> Iterator[Check]:
    """Yield a check of the name of each service that the settings name, but for those settings that are not right."""
    settings = services.settings
    urls = {"Azure Resource Manager": settings.arm_endpoint}
    if "PURVIEW_ENDPOINT" not in without:
        urls["Purview"] = settings.purview_endpoint
    if isinstance(settings.storage, StorageAccount):
        urls |= {
            f"storage {service}": settings.storage.blob_endpoint.replace(".blob.", f".{service}.", 1)
            for service in ("blob", "queue", "table")
        }
    for name, url in urls.items():
        yield check_host(f"network: {name}", url, resolve)


def check_host(name: str, url: str, resolve: Resolve) -> Check:
    host = urlsplit(url).hostname or ""

    def probe() -> str:
        addresses = find_addresses(host, resolve)
        return f"{host} is {', '.join(addresses)} ({_kind(addresses)})"

    return Check(name, probe, "Correct the setting, or the DNS of this machine.")


def check_account(name: str, read: Callable[[], Mapping[str, Any]], url: str, resolve: Resolve, *, zone: str) -> Check:
    """
    Check that an account which takes no public traffic is found at its private endpoint.

    Args:
        read: returns the account as Azure Resource Manager has it.
        url: one of its services.
        zone: the private DNS zone of that service.
    """

    def probe() -> str:
        account = read()
        access = str(account["properties"].get("publicNetworkAccess") or "Enabled")
        if access == "Disabled":
            refuse_public_address(url, resolve, zone=zone)
        return f"{account['name']}, public network access {access}"

    return Check(name, probe, "Give yourself Reader on the account.")


def refuse_public_address(url: str, resolve: Resolve, *, zone: str) -> None:
    """
    Complain if a service that takes no public traffic has a public address from here.

    Args:
        zone: the private DNS zone that should lead to the private endpoint.

    Raises:
        ProblemError
    """
    host = urlsplit(url).hostname or ""
    addresses = find_addresses(host, resolve)
    if any(_is_public(address) for address in addresses):
        raise ProblemError(
            f"{host} takes no public traffic, and from here it is the public address {', '.join(addresses)}",
            f"Link the private DNS zone {zone} to the network of this machine, or run this inside that network; in "
            "Azure, see that the app has the virtual network (parameter privateNetwork).",
        )


def find_addresses(host: str, resolve: Resolve) -> Sequence[str]:
    try:
        return resolve(host)
    except OSError as error:
        raise ProblemError(
            f"{host} has no address ({error})",
            "Correct the setting if the name is wrong; with a private endpoint, link its private DNS zone to the "
            "network of this machine.",
        ) from error


def _is_public(address: str) -> bool:
    return ipaddress.ip_address(address).is_global


def _kind(addresses: Sequence[str]) -> str:
    return "public" if any(_is_public(address) for address in addresses) else "private"
