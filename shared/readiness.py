"""Checks whether everything the app needs can be reached, and whether the host can run every function."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass, field
from functools import partial
from importlib.util import find_spec
from threading import Lock, Thread
from typing import Protocol

from shared.bindings import find_binding_problems
from shared.catalog.qualified_names import QualifiedName
from shared.errors import ConfigurationError, LineageError
from shared.redaction import redact_text
from shared.state.ports import State
from shared.telemetry import who_exports

DEADLINE = 4.0
"""Seconds for all checks together: the answer is to be there within 5."""
logger = logging.getLogger(__name__)
_UNKNOWN = QualifiedName("azureml://readiness")


@dataclass(frozen=True, slots=True)
class Probe:
    """One thing the app needs; `problem` is "" if it is right, and `state` says it in a word."""

    name: str
    problem: str = ""
    state: str = "ok"


class Reached(Protocol):
    """The catalog, asked once: whether it is there now is the question."""

    def reach(self) -> None: ...
    def find_collection_problem(self) -> str: ...


class Workspaces(Protocol):
    """Azure Resource Manager with the app's identity, asked once too."""

    def reach(self, scope: str) -> None: ...


class Receiver(Protocol):
    """Where lineage goes as OpenLineage, asked once too."""

    def reach(self) -> None: ...


class Watching(Protocol):
    """The settings, of which it is needed what is to be reached."""

    @property
    def workspaces(self) -> Sequence[str]: ...
    @property
    def openlineage_out(self) -> str: ...


class Ports(Protocol):
    """What is checked; each is opened when it is asked for."""

    @property
    def settings(self) -> Watching: ...
    @property
    def state(self) -> State: ...
    @property
    def impatient_catalog(self) -> Reached: ...
    @property
    def impatient_inventory(self) -> Workspaces: ...
    @property
    def outlet(self) -> Receiver: ...


@dataclass(frozen=True, slots=True)
class Call:
    """What a probe does, and the settings that it would be the fault of."""

    make: Callable[[], object]
    settings: str = ""


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

    def begin(self) -> float:
        """Return when the time for all checks begins."""
        return self._clock()

    def run(self, calls: Mapping[str, Call], *, begun: float) -> list[Probe]:
        """Return a probe for each call, in order. Each call is waited for until its own deadline, once."""
        asked = {name: self._ask(name, call) for name, call in calls.items()}
        for each in asked.values():
            wait([each.answer], timeout=max(min(begun, each.at) + self._deadline - self._clock(), 0))
        return [Probe(name, self._read(each, calls[name].settings)) for name, each in asked.items()]

    def _ask(self, name: str, call: Call) -> _Asked:
        with self._lock:
            known = self._asked.get(name)
            if known is not None and not known.answer.done():
                return known
            asked = self._asked[name] = _Asked(self._clock())
        Thread(target=_answer, args=(call, asked.answer), name=f"readiness {name}", daemon=True).start()
        return asked

    def _read(self, asked: _Asked, settings: str) -> str:
        if asked.answer.done():
            return asked.answer.result()
        seconds = self._clock() - asked.at
        return _with_settings(f"no answer within {self._deadline:g} s (asked {seconds:.0f} s ago)", settings)


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
    Check settings, bindings, packages; side by side storage, catalog, collection, each entry of the allow-list and
    where lineage goes as OpenLineage.

    Who exports telemetry is named too; it is a problem only if no one does although it is wanted. A check that fails
    unexpectedly costs itself only. What cannot be reached is named with the settings that say where it is.

    Args:
        environ: the app settings, as the host has them too.
    """
    begun = probes.begin()
    opened: list[Ports] = []
    at_once = [
        Probe("settings", _describe(Call(lambda: opened.append(open_ports())))),
        Probe("bindings", _describe(Call(lambda: "\n".join(find_binding_problems(environ))))),
        Probe("packages", _describe(Call(_name_missing_packages))),
        _name_exporter(),  # exporting begins when the ports are opened
    ]
    return [*at_once, *(probes.run(_list_calls(opened[0]), begun=begun) if opened else ())]


def _list_calls(ports: Ports) -> dict[str, Call]:
    opening = Lock()

    def state() -> State:
        with opening:  # or each check would open its own
            return ports.state

    storage, arm = "LINEAGE_STORAGE", "LINEAGE_ARM_ENDPOINT, LINEAGE_WORKSPACES"
    openlineage = "LINEAGE_OPENLINEAGE_OUT"
    return {
        "queue": Call(lambda: state().queue.count(), storage),
        "poison": Call(lambda: _name_waiting(state().poison.count()), storage),
        "dead_letters": Call(lambda: state().dead_letters.get("readiness"), storage),
        "ledger": Call(lambda: state().ledger.get_rows([_UNKNOWN]), storage),
        "catalog": Call(lambda: ports.impatient_catalog.reach(), "PURVIEW_ENDPOINT"),
        "collection": Call(lambda: ports.impatient_catalog.find_collection_problem(), "PURVIEW_COLLECTION"),
        **{
            f"workspaces {scope}": Call(partial(_reach, ports, scope), arm)
            for scope in dict.fromkeys(ports.settings.workspaces)
        },
        **({"openlineage": Call(lambda: ports.outlet.reach(), openlineage)} if ports.settings.openlineage_out else {}),
    }


def _reach(ports: Ports, scope: str) -> None:
    ports.impatient_inventory.reach(scope)


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


def _answer(call: Call, answer: Future[str]) -> None:
    try:
        answer.set_result(_describe(call))
    except BaseException as error:  # noqa: BLE001 - it ends this thread, and the caller must learn of it
        answer.set_result(repr(error))


def _describe(call: Call) -> str:
    """Make a call; what it returns is a problem if it is a text."""
    try:
        found = call.make()
    except ConfigurationError as error:
        return str(error)
    except LineageError as error:
        return _with_settings(f"{error.reason}: {error}", call.settings)
    except Exception as error:
        logger.exception("a check of readiness failed unexpectedly")
        return _with_settings(redact_text(f"{type(error).__name__}: {error}"), call.settings)
    return found if isinstance(found, str) else ""


def _with_settings(problem: str, settings: str) -> str:
    return f"{problem} ({settings})" if settings else problem
