"""An app of which the host runs a part only: readiness and host name the same, by setting and by function."""

from pathlib import Path

import pytest
import requests

from emulator.azurite import Azurite
from emulator.server import Emulator
from shared.bindings import FUNCTIONS, SCHEDULE
from tests.harness.function_host import FunctionHost, settings_for

TRIGGERED_BY_QUEUES = {"collect_poison", "publish_lineage"}


def switched_off(host: FunctionHost) -> set[str]:
    """Return the functions that the host could not start, as it says itself."""
    found: set[str] = set()
    for name in FUNCTIONS:
        url = f"{host.url}/admin/functions/{name}/status"
        if requests.get(url, headers=host.master_key, timeout=60).json().get("errors"):
            found.add(name)
    return found


@pytest.mark.parametrize(
    ("schedule", "connection", "off", "named"),
    [
        ("0 0 3 * * 7", True, {"reconcile"}, "RECONCILE_SCHEDULE: '7' cannot be a day of the week"),
        ("5", False, TRIGGERED_BY_QUEUES, "LineageStorage__queueServiceUri: is not set"),
    ],
    ids=["schedule", "connection"],
)
def test_function_that_the_host_has_switched_off_is_not_ready(
    emulator: Emulator,
    azurite_server: Azurite,
    tmp_path: Path,
    schedule: str,
    connection: bool,
    off: set[str],
    named: str,
) -> None:
    """503 with the name of the setting, while the other functions run."""
    settings = {**settings_for(emulator, azurite_server), SCHEDULE: schedule}
    if not connection:
        del settings["LineageStorage"]
    with FunctionHost.running(settings, tmp_path) as host:
        assert switched_off(host) == off
        answer = host.get("health/ready", **host.key)
        assert answer.status_code == 503
        assert answer.json()["bindings"].startswith(named)
        assert host.get("health/live").status_code == 204
