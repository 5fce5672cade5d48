"""Readiness: each thing the app needs is checked by itself, and the problem is reported in words."""

import ast
import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import azure.functions as func
import pytest

from functions import health
from shared import bootstrap, readiness
from shared.bootstrap import Services
from shared.errors import (
    AccessDeniedError,
    ConfigurationError,
    LineageError,
    RequestRefusedError,
    ServiceUnavailableError,
)
from shared.readiness import Call, Probe, Probes, check_readiness
from shared.settings import Settings
from shared.state.sqlite import open_state
from tests.harness.fakes import FakeCatalog, FakeClock

WORKSPACES = ("/subscriptions/s", "/subscriptions/s/resourceGroups/rg")
PROBES = {
    "queue": "count",
    "poison": "count",
    "dead_letters": "get",
    "ledger": "get_rows",
    "catalog": "reach",
    "collection": "find_collection_problem",
    "workspaces /subscriptions/s": "reach",
    "workspaces /subscriptions/s/resourceGroups/rg": "reach",
}
"""Each thing that is reached, and the call that does it."""
SETTINGS = {
    **dict.fromkeys(("queue", "poison", "dead_letters", "ledger"), "LINEAGE_STORAGE"),
    "catalog": "PURVIEW_ENDPOINT",
    "collection": "PURVIEW_COLLECTION",
    **{f"workspaces {scope}": "LINEAGE_ARM_ENDPOINT, LINEAGE_WORKSPACES" for scope in WORKSPACES},
}
"""Where each thing is."""
RIGHT = {
    "RECONCILE_SCHEDULE": "0 */15 * * * *",
    "LineageStorage__accountName": "stlineage",
    "LINEAGE_STORAGE": "stlineage",
}
CHECKS = ("settings", "bindings", "packages", "telemetry", *PROBES)


class FakeInventory:
    """Takes note of what is reached, and raises what a test gives for it."""

    def __init__(self) -> None:
        self.reached: list[str] = []
        self.errors: dict[str, Exception] = {}

    def reach(self, scope: str) -> None:
        self.reached.append(scope)
        if scope in self.errors:
            raise self.errors[scope]


@pytest.fixture
def services() -> Iterator[Services]:
    """Everything works, and nothing of it is on a network."""
    services = Services(Settings("https://nowhere.invalid", WORKSPACES, Path(":memory:")), FakeClock())
    services.state = open_state(":memory:", now=FakeClock())
    services.impatient_catalog = FakeCatalog()  # type: ignore[assignment]
    services.impatient_inventory = FakeInventory()  # type: ignore[assignment]
    yield services
    services.state.close()


def failing(error: Exception) -> Callable[..., Any]:
    def fail(*_: object, **__: object) -> Any:
        raise error

    return fail


def check(open_ports: Callable[[], Any], probes: Probes | None = None, **settings: str) -> dict[str, str]:
    """Return the problem of each check by its name."""
    found = check_readiness(open_ports, {**RIGHT, **settings}, probes=probes or Probes())
    return {probe.name: probe.problem for probe in found}


def fail(services: Services, name: str, error: Exception) -> None:
    """Let the call that checks something fail."""
    if name.startswith("workspaces"):
        services.impatient_inventory.errors[name.partition(" ")[2]] = error  # type: ignore[attr-defined]
        return
    part = services.impatient_catalog if name in ("catalog", "collection") else getattr(services.state, name)
    setattr(part, PROBES[name], failing(error))


def test_everything_right_is_reported_by_name(services: Services) -> None:
    """No problem anywhere, and nothing is missing from the list."""
    assert check_readiness(lambda: services, RIGHT) == [
        Probe(name, state="no one" if name == "telemetry" else "ok") for name in CHECKS
    ]


@pytest.mark.parametrize("name", PROBES)
@pytest.mark.parametrize(
    ("error", "problem"),
    [
        (ServiceUnavailableError("HTTP 503"), "ServiceUnavailable: HTTP 503"),
        (AccessDeniedError("the identity needs a role"), "AccessDenied: the identity needs a role"),
        (RequestRefusedError("HTTP 400", status=400), "RequestRefused: HTTP 400"),
    ],
)
def test_what_fails_is_named_and_the_others_are_still_checked(
    services: Services, name: str, error: LineageError, problem: str
) -> None:
    """One look shows all that is to be fixed."""
    fail(services, name, error)
    assert check(lambda: services) == {**dict.fromkeys(CHECKS, ""), name: f"{problem} ({SETTINGS[name]})"}


def test_package_that_is_not_installed_is_named(services: Services, monkeypatch: pytest.MonkeyPatch) -> None:
    """Else it is found out when the first message needs it, and no message says so to anyone who asks."""
    monkeypatch.setattr(readiness, "find_spec", lambda name: None if name == "azure.ai.ml" else find_spec(name))
    assert check(lambda: services)["packages"] == "azure.ai.ml: is not installed"


def test_package_that_is_part_of_one_that_is_not_installed_is_named(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Looking for it is no error of ours."""
    monkeypatch.setattr(readiness, "PACKAGES", ("nowhere.at.all", "yaml"))
    assert check(lambda: services)["packages"] == "nowhere.at.all: is not installed"


def test_every_package_that_the_app_imports_is_looked_for() -> None:
    """By its own name or that of a part of it, wherever the import is."""
    imported = {
        name
        for path in Path("shared").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        for name in _imported(node)
        if name.partition(".")[0] not in {*sys.stdlib_module_names, "shared"}
    }
    assert {
        name for name in imported if not any(f"{name}.".startswith(f"{each}.") for each in readiness.PACKAGES)
    } == set()


def _imported(node: ast.AST) -> list[str]:
    if isinstance(node, ast.Import):
        return [alias.name for alias in node.names]
    return [node.module] if isinstance(node, ast.ImportFrom) and node.module else []


def test_everything_wrong_is_reported_at_once(services: Services) -> None:
    """Each with its own words."""
    for name in PROBES:
        fail(services, name, ServiceUnavailableError(f"no {name}"))
    found = check(lambda: services, RECONCILE_SCHEDULE="0 0 3 * * 7")
    assert {name: found[name] for name in PROBES} == {
        name: f"ServiceUnavailable: no {name} ({SETTINGS[name]})" for name in PROBES
    }
    assert found["bindings"].startswith("RECONCILE_SCHEDULE: '7' cannot be")


def test_bad_settings_leave_nothing_to_reach() -> None:
    """Every bad one is named, and those of the bindings too."""
    problems = ["PURVIEW_ENDPOINT: is not set", "LINEAGE_STORAGE: is not set"]
    found = check(failing(ConfigurationError(problems)), RECONCILE_SCHEDULE="")
    assert found.keys() == {"settings", "bindings", "packages", "telemetry"}
    assert found["settings"] == "\n".join(problems)
    assert found["bindings"].startswith("RECONCILE_SCHEDULE: is not set")


def test_readiness_changes_nothing(services: Services) -> None:
    """It is asked every few seconds."""
    check(lambda: services)
    assert (services.queue.count(), services.dead_letters.list_open(), services.ledger.list_rows("run")) == (0, [], [])
    assert services.impatient_catalog.calls == ["reach"]  # type: ignore[attr-defined]
    assert sorted(services.impatient_inventory.reached) == list(WORKSPACES)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", PROBES)
def test_defect_costs_its_check_only_and_is_named(
    services: Services, caplog: pytest.LogCaptureFixture, name: str
) -> None:
    """The others are answered all the same, and the log has the traceback."""
    fail(services, name, KeyError("x"))
    assert check(lambda: services) == {**dict.fromkeys(CHECKS, ""), name: f"KeyError: 'x' ({SETTINGS[name]})"}
    assert [record.exc_info is not None for record in caplog.records] == [True]


def test_app_that_cannot_open_what_is_checked_says_so(services: Services) -> None:
    """A package that is missing, say."""
    found = check(failing(ModuleNotFoundError("No module named 'x'")))
    assert found["settings"] == "ModuleNotFoundError: No module named 'x'"


def test_collection_that_is_not_there_is_named(services: Services) -> None:
    """What the check returns is the problem."""
    words = "PURVIEW_COLLECTION: no collection with the name x is visible"
    services.impatient_catalog.find_collection_problem = lambda: words  # type: ignore[method-assign]
    assert check(lambda: services) == {**dict.fromkeys(CHECKS, ""), "collection": words}


def test_receiver_of_openlineage_is_reached_if_there_is_one(services: Services) -> None:
    """Named with its setting; without it there is nothing to reach."""
    services.settings = replace(services.settings, openlineage_out="https://receiver.invalid")
    services.outlet = FakeInventory()  # type: ignore[assignment]
    services.outlet.reach = failing(ServiceUnavailableError("no answer"))  # type: ignore[method-assign]
    problem = "ServiceUnavailable: no answer (LINEAGE_OPENLINEAGE_OUT)"
    assert check(lambda: services) == {**dict.fromkeys(CHECKS, ""), "openlineage": problem}
    services.outlet.reach = lambda: None  # type: ignore[method-assign]
    assert check(lambda: services)["openlineage"] == ""


class Hanging:
    """A call that comes back when it is let go, and counts how often it was made."""

    def __init__(self) -> None:
        self.calls, self.go = 0, threading.Event()

    def __call__(self, *_: object, **__: object) -> dict[str, object]:
        self.calls += 1
        assert self.go.wait(timeout=30)
        return {}


@pytest.fixture
def hanging() -> Iterator[Hanging]:
    hanging = Hanging()
    yield hanging
    hanging.go.set()


def test_everything_hangs_and_is_named_within_one_deadline(services: Services, hanging: Hanging) -> None:
    """The time is that of the slowest, not the sum of all."""
    for part, call in ((services.state.queue, "count"), (services.state.ledger, "get_rows")):
        setattr(part, call, hanging)
    services.impatient_catalog.reach = hanging  # type: ignore[method-assign, assignment]
    started = time.monotonic()
    found = check(lambda: services, Probes(deadline=0.5))
    assert time.monotonic() - started < 2 * 0.5
    assert [name for name in CHECKS if found[name]] == ["queue", "ledger", "catalog"]
    assert all(found[name].startswith("no answer within 0.5 s") for name in ("queue", "ledger", "catalog"))


def test_store_that_cannot_be_opened_in_time_is_named_for_each_use(services: Services, hanging: Hanging) -> None:
    """And the catalog is checked all the same."""

    class Ports:
        settings = services.settings
        impatient_catalog = services.impatient_catalog
        impatient_inventory = services.impatient_inventory
        state = property(lambda _: hanging())

    found = check(Ports, Probes(deadline=0.3))
    assert [name for name in CHECKS if found[name]] == ["queue", "poison", "dead_letters", "ledger"]
    assert hanging.calls == 1


def test_hanging_check_takes_one_thread_however_often_it_is_asked(services: Services, hanging: Hanging) -> None:
    """Once it is late it is not waited for either; when it comes back it is asked again."""
    services.impatient_catalog.reach = hanging  # type: ignore[method-assign, assignment]
    clock = [0.0]
    probes = Probes(deadline=0.2, clock=lambda: clock[0])
    assert check(lambda: services, probes)["catalog"]
    clock[0] = 60.0
    started = time.monotonic()
    for _ in range(50):
        found = check(lambda: services, probes)
        assert found == {
            **dict.fromkeys(CHECKS, ""),
            "catalog": "no answer within 0.2 s (asked 60 s ago) (PURVIEW_ENDPOINT)",
        }
    assert time.monotonic() - started < 5, "each of the fifty waited"
    assert hanging.calls == 1
    assert [thread.name for thread in threading.enumerate()].count("readiness catalog") == 1
    hanging.go.set()
    while check(lambda: services, probes)["catalog"]:
        time.sleep(0.01)
    assert hanging.calls == 2


def test_check_that_hangs_is_waited_for_once_however_late_it_began(hanging: Hanging) -> None:
    """What came before it took nearly all the time: who asks next waits for the rest of its own, not for all again."""
    clock = [19.9]
    probes, calls = Probes(deadline=20, clock=lambda: clock[0]), {"catalog": Call(hanging)}
    assert probes.run(calls, begun=0.0)[0].problem
    clock[0] = 39.8
    started = time.monotonic()
    assert probes.run(calls, begun=probes.begin())[0].problem
    assert time.monotonic() - started < 10


def test_callers_at_the_same_time_share_one_check(services: Services, hanging: Hanging) -> None:
    """Each gets its answer when it comes."""
    services.impatient_catalog.reach = hanging  # type: ignore[method-assign, assignment]
    probes, found = Probes(), list[dict[str, str]]()
    callers = [
        threading.Thread(target=lambda: found.append(check(lambda: services, probes)), daemon=True) for _ in range(8)
    ]
    for caller in callers:
        caller.start()
    hanging.go.set()
    for caller in callers:
        caller.join(timeout=10)
    assert found == [dict.fromkeys(CHECKS, "")] * 8


@pytest.mark.parametrize("name", RIGHT)
def test_ready_names_a_setting_that_is_missing(services: Services, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """503, and the body says which; with all of them 200."""
    monkeypatch.setattr(bootstrap, "services", lambda: services)
    for each, value in RIGHT.items():
        monkeypatch.setenv(each, value)
    request = func.HttpRequest("GET", "/api/health/ready", body=b"")
    ready = health.ready.build().get_user_function()
    assert ready(request).status_code == 200
    monkeypatch.setenv(name, "0 0 3 * * 7" if name == "RECONCILE_SCHEDULE" else "stother")
    answer = ready(request)
    assert answer.status_code == 503
    assert name in json.loads(answer.get_body())["bindings"]


def test_live_needs_nothing_of_the_product() -> None:
    """No module of it is loaded, and no thread of the worker's is taken: a coroutine that ends at once."""
    program = """
import sys
import azure.functions as func
from functions import health
coroutine = health.live.build().get_user_function()(func.HttpRequest("GET", "/api/health/live", body=b""))
try:
    coroutine.send(None)
except StopIteration as end:
    print(end.value.status_code, [name for name in sys.modules if name.startswith("shared")])
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)  # noqa: S603
    assert done.stdout.strip() == "204 []"
