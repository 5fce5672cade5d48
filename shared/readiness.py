"""Checks whether everything the app needs can be reached."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from shared.catalog.qualified_names import QualifiedName
from shared.errors import LineageError

if TYPE_CHECKING:
    from shared.bootstrap import Services

_NOBODY = QualifiedName("azureml://readiness")


@dataclass(frozen=True, slots=True)
class Check:
    """One thing the app needs; `problem` is "" if it is right."""

    name: str
    problem: str = ""


def check_readiness(open_services: "Callable[[], Services]") -> list[Check]:
    """Check settings, queue, dead letters, ledger and, by one look-up with a token, the catalog."""
    try:
        services = open_services()
    except LineageError as error:
        return [Check("settings", str(error))]
    probes: dict[str, Callable[[], object]] = {
        "queue": lambda: services.queue.count(),
        "dead_letters": lambda: services.dead_letters.get("readiness"),
        "ledger": lambda: services.ledger.get_rows([_NOBODY]),
        "catalog": lambda: services.catalog.find([_NOBODY]),
    }
    return [Check("settings"), *(_check(name, probe) for name, probe in probes.items())]


def _check(name: str, probe: Callable[[], object]) -> Check:
    try:
        probe()
    except LineageError as error:
        return Check(name, f"{error.reason}: {error}")
    return Check(name)
