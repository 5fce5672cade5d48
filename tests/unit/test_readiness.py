"""Readiness: each thing the app needs is checked by itself, and the problem is reported in words."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from shared.bootstrap import Services
from shared.errors import (
    AccessDeniedError,
    ConfigurationError,
    LineageError,
    RequestRefusedError,
    ServiceUnavailableError,
)
from shared.readiness import Probe, check_readiness
from shared.settings import Settings
from shared.state.sqlite import open_state
from tests.harness.fakes import FakeCatalog, FakeClock

PROBES = {"queue": "count", "poison": "count", "dead_letters": "get", "ledger": "get_rows", "catalog": "find"}
"""Each thing that is checked, and the call that does it."""


@pytest.fixture
def services() -> Iterator[Services]:
    """Everything works, and nothing of it is on a network."""
    services = Services(Settings("https://nowhere.invalid", (), Path(":memory:")), FakeClock())
    services.state = open_state(":memory:", now=FakeClock())
    services.catalog = FakeCatalog()  # type: ignore[assignment]
    yield services
    services.state.close()


def failing(error: Exception) -> Callable[..., Any]:
    def fail(*_: object, **__: object) -> Any:
        raise error

    return fail


def fail(services: Services, name: str, error: Exception) -> None:
    """Let the call that checks something fail."""
    part = services.catalog if name == "catalog" else getattr(services.state, name)
    setattr(part, PROBES[name], failing(error))


def test_everything_right_is_reported_by_name(services: Services) -> None:
    """No problem anywhere, and nothing is missing from the list."""
    assert check_readiness(lambda: services) == [Probe("settings"), *(Probe(name) for name in PROBES)]


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
    checks = {check.name: check.problem for check in check_readiness(lambda: services)}
    assert checks == {"settings": "", **dict.fromkeys(PROBES, ""), name: problem}


def test_everything_wrong_is_reported_at_once(services: Services) -> None:
    """Each with its own words."""
    for name in PROBES:
        fail(services, name, ServiceUnavailableError(f"no {name}"))
    problems = [check.problem for check in check_readiness(lambda: services)]
    assert problems == ["", *(f"ServiceUnavailable: no {name}" for name in PROBES)]


def test_bad_settings_are_the_only_check() -> None:
    """Without them there is nothing to ask; every bad one is named."""
    problems = ["PURVIEW_ENDPOINT: is not set", "LINEAGE_STORAGE: is not set"]
    (check,) = check_readiness(failing(ConfigurationError(problems)))
    assert check == Probe("settings", "\n".join(problems))


def test_readiness_changes_nothing(services: Services) -> None:
    """It is asked every few seconds."""
    check_readiness(lambda: services)
    assert (services.queue.count(), services.dead_letters.list_open(), services.ledger.list_rows("run")) == (0, [], [])
    assert services.catalog.calls == ["find"]  # type: ignore[attr-defined]


def test_defect_is_not_hidden_as_a_problem(services: Services) -> None:
    """Only what the ports promise to raise is an answer."""
    fail(services, "ledger", KeyError("x"))
    with pytest.raises(KeyError):
        check_readiness(lambda: services)
