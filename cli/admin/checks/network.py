"""Whether names lead somewhere, and whether that is a private endpoint or the public internet."""

import ipaddress
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from cli.admin.checks.check import Check, ProblemError
from shared.bootstrap import Services
from shared.settings import StorageAccount

Resolve = Callable[[str], Sequence[str]]


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
