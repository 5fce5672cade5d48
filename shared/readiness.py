"""Checks whether everything the app needs can be reached."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from shared.catalog.qualified_names import QualifiedName
from shared.errors import LineageError
from shared.ports import Catalog
from shared.state.ports import State
from shared.telemetry import who_exports

_UNKNOWN = QualifiedName("azureml://readiness")


@dataclass(frozen=True, slots=True)
class Probe:
    """One thing the app needs; `problem` is "" if it is right, and `state` says it in a word."""

    name: str
    problem: str = ""
    state: str = "ok"


class Ports(Protocol):
    """What is checked; each is opened when it is asked for."""

    @property
    def state(self) -> State: ...
    @property
    def catalog(self) -> Catalog: ...


def check_readiness(open_ports: Callable[[], Ports]) -> list[Probe]:
    """Check settings, queue, dead letters, ledger and, by one look-up with a token, the catalog."""
    try:
        ports = open_ports()
    except LineageError as error:
        return [Probe("settings", str(error))]
    calls: dict[str, Callable[[], object]] = {
        "queue": lambda: ports.state.queue.count(),
        "dead_letters": lambda: ports.state.dead_letters.get("readiness"),
        "ledger": lambda: ports.state.ledger.get_rows([_UNKNOWN]),
        "catalog": lambda: ports.catalog.find([_UNKNOWN]),
    }
    exporting = who_exports()
    telemetry = Probe("telemetry", exporting.problem, exporting.by)
    return [Probe("settings"), *(_probe(name, call) for name, call in calls.items()), telemetry]


def _probe(name: str, call: Callable[[], object]) -> Probe:
    try:
        call()
    except LineageError as error:
        return Probe(name, f"{error.reason}: {error}")
    return Probe(name)
