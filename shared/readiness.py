"""Checks whether everything the app needs can be reached."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from shared.catalog.qualified_names import QualifiedName
from shared.errors import LineageError
from shared.ports import Catalog
from shared.state.ports import State

_UNKNOWN = QualifiedName("azureml://readiness")


@dataclass(frozen=True, slots=True)
class Probe:
    """One thing the app needs; `problem` is "" if it is right."""

    name: str
    problem: str = ""


class Ports(Protocol):
    """What is checked; each is opened when it is asked for."""

    @property
    def state(self) -> State: ...
    @property
    def catalog(self) -> Catalog: ...


def check_readiness(open_ports: Callable[[], Ports]) -> list[Probe]:
    """Check settings, queues, dead letters, ledger and, by one look-up with a token, the catalog."""
    try:
        ports = open_ports()
    except LineageError as error:
        return [Probe("settings", str(error))]
    calls: dict[str, Callable[[], object]] = {
        "queue": lambda: ports.state.queue.count(),
        "poison": lambda: _name_waiting(ports.state.poison.count()),
        "dead_letters": lambda: ports.state.dead_letters.get("readiness"),
        "ledger": lambda: ports.state.ledger.get_rows([_UNKNOWN]),
        "catalog": lambda: ports.catalog.find([_UNKNOWN]),
    }
    return [Probe("settings"), *(_probe(name, call) for name, call in calls.items())]


def _name_waiting(count: int) -> str:
    """Say that messages wait on the poison queue: the app could not start, or its storage refused."""
    waiting = "message waits" if count == 1 else "messages wait"
    return f"{count} {waiting} on the poison queue; each is taken back within 10 minutes" if count else ""


def _probe(name: str, call: Callable[[], object]) -> Probe:
    """Make a call; what it returns is a problem if it is a text."""
    try:
        found = call()
    except LineageError as error:
        return Probe(name, f"{error.reason}: {error}")
    return Probe(name, found if isinstance(found, str) else "")
