"""Checks whether everything the app needs can be reached, and whether the host can run every function."""

import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from importlib.util import find_spec
from threading import Lock, Thread
from typing import Protocol

from shared.bindings import find_binding_problems
from shared.catalog.qualified_names import QualifiedName
from shared.errors import LineageError
from shared.ports import Catalog
from shared.state.ports import State
from shared.telemetry import who_exports

DEADLINE = 5.0
"""Seconds for all checks together."""
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
    def impatient_catalog(self) -> Catalog:
        """The catalog, asked once: whether it is there now is the question."""
        ...


@dataclass(frozen=True, slots=True)
class _Asked:
    at: float
    answer: Future[str] = field(default_factory=Future)


class Probes:
    """
    Runs calls side by side within a deadline, each in a thread of its own, which cannot be ended.

    A call that has not come back is not made again under its name, so however often it is asked and however long
    everything hangs, there is at most one thread a name.
    """

    def __init__(self, *, deadline: float = DEADLINE, clock: Callable[[], float] = time.monotonic) -> None:
        self._deadline = deadline
        self._clock = clock
        self._asked: dict[str, _Asked] = {}
        self._lock = Lock()

    def run(self, calls: Mapping[str, Callable[[], object]]) -> list[Probe]:
        """
        Return a probe for each call, in order. An earlier call that still hangs is not waited for again.

        Raises:
            Exception: what a call raised that is no LineageError.
        """
        asked = {name: self._ask(name, call) for name, call in calls.items()}
        now = self._clock()
        in_time = [each for each in asked.values() if now - each.at < self._deadline]
        wait([each.answer for each in in_time], timeout=self._deadline)
        return [Probe(name, self._read(each)) for name, each in asked.items()]

    def _ask(self, name: str, call: Callable[[], object]) -> _Asked:
        with self._lock:
            known = self._asked.get(name)
            if known is not None and not known.answer.done():
                return known
            asked = self._asked[name] = _Asked(self._clock())
        Thread(target=_answer, args=(call, asked.answer), name=f"readiness {name}", daemon=True).start()
        return asked

    def _read(self, asked: _Asked) -> str:
        if asked.answer.done():
            return asked.answer.result()
        return f"no answer within {self._deadline:g} s (asked {self._clock() - asked.at:.0f} s ago)"


_PROBES = Probes()
PACKAGES = (
    *("attr", "azure.ai.ml", "azure.core", "azure.eventgrid", "azure.functions", "azure.identity"),
    *("azure.monitor.opentelemetry", "azure.storage.blob", "azure.storage.queue", "openlineage.client"),
    *("opentelemetry", "packaging", "pyapacheatlas", "requests", "tenacity", "urllib3", "yaml"),
)
"""What the app imports, most of it not before a message needs it; to look for one does not load it."""


def check_readiness(
    open_ports: Callable[[], Ports], environ: Mapping[str, str], *, probes: Probes = _PROBES
) -> list[Probe]:
    """
    Check settings, bindings, packages; side by side queues, dead letters, ledger and, by one look-up, the catalog.

    Who exports telemetry is named too; it is a problem only if no one does although it is wanted.

    Args:
        environ: the app settings, as the host has them too.
    """
    at_once = [
        Probe("bindings", "\n".join(find_binding_problems(environ))),
        Probe("packages", _name_missing_packages()),
        _name_exporter(),
    ]
    try:
        ports = open_ports()
    except LineageError as error:
        return [Probe("settings", str(error)), *at_once]
    opening = Lock()

    def state() -> State:
        with opening:  # or each check would open its own
            return ports.state

    reached = probes.run(
        {
            "queue": lambda: state().queue.count(),
            "poison": lambda: _name_waiting(state().poison.count()),
            "dead_letters": lambda: state().dead_letters.get("readiness"),
            "ledger": lambda: state().ledger.get_rows([_UNKNOWN]),
            "catalog": lambda: ports.impatient_catalog.find([_UNKNOWN]),
        }
    )
    return [Probe("settings"), *at_once, *reached]


def _name_missing_packages() -> str:
    """Name what is loaded only when a message is handled, and is not there."""
    return ", ".join(f"{name}: is not installed" for name in PACKAGES if not _is_installed(name))


def _is_installed(package: str) -> bool:
    try:
        return find_spec(package) is not None
    except ImportError:  # nor is what it is part of
        return False


def _name_exporter() -> Probe:
    exporting = who_exports()
    return Probe("telemetry", exporting.problem, exporting.by)


def _name_waiting(count: int) -> str:
    """Say that messages wait on the poison queue: the app could not start, or its storage refused."""
    waiting = "message waits" if count == 1 else "messages wait"
    return f"{count} {waiting} on the poison queue; each is taken back within 10 minutes" if count else ""


def _answer(call: Callable[[], object], answer: Future[str]) -> None:
    """Make a call; what it returns is a problem if it is a text."""
    try:
        found = call()
    except LineageError as error:
        answer.set_result(f"{error.reason}: {error}")
    except BaseException as error:  # noqa: BLE001 - it is raised where the answer is read
        answer.set_exception(error)
    else:
        answer.set_result(found if isinstance(found, str) else "")
