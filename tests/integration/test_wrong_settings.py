"""A setting that is wrong for a week loses nothing and leaves nothing to be done by hand, once it is right again."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from azure.core.pipeline.transport import RequestsTransport

from emulator.server import Emulator
from shared import bootstrap
from shared.bootstrap import Services
from shared.errors import LineageError
from shared.publishing.engine import Publisher
from shared.purview import transport
from shared.readiness import check_readiness
from shared.settings import Settings
from tests.harness.app import WS, App
from tests.harness.fakes import FakeClock
from tests.harness.host_by_rule import HostByRule, Rule

UNREACHABLE = "https://127.0.0.1:9"
"""The port `discard`, where nothing listens."""
WEEK, DAY = timedelta(days=7), timedelta(days=1)
SOON = timedelta(hours=7)
"""One tick, which comes every six hours here; a message that waits comes within an hour."""
EVENTS = ("02-run-completed-train", "03-model-registered-2", "05-model-deployed", "13-run-completed-pipeline")
MODEL = f"{WS}/models/creditrisk_model/versions/2"

REFUSED: Mapping[str, tuple[str, ...]] = {
    "PURVIEW_ENDPOINT": ("", "contoso"),
    "LINEAGE_WORKSPACES": ("junk",),
    "LINEAGE_STORAGE": ("", "nowhere://"),
    "LINEAGE_ARM_ENDPOINT": ("http://management",),
    "LINEAGE_CREDENTIAL": ("password",),
    "LINEAGE_CA_BUNDLE": ("/nowhere/ca.pem",),
    "LINEAGE_OWNERS": ("maybe",),
    "LINEAGE_INFER_COLUMNS": ("maybe",),
    "LINEAGE_CLASSIFICATION_LABELS": ("maybe",),
    "LINEAGE_DOWNSTREAM": ("/nowhere/downstream.yaml",),
    "LINEAGE_OPENLINEAGE_JOBS": ("*",),
    "LINEAGE_OPENLINEAGE_OUT": ("ftp://receiver",),
    "LINEAGE_OPENLINEAGE_SCOPE": ("api://receiver/.default",),
    "LINEAGE_TELEMETRY": ("elsewhere",),
}
"""What the app does not start with."""
ACCEPTED: Mapping[str, tuple[str, ...]] = {
    "LINEAGE_ARM_ENDPOINT": (UNREACHABLE,),
    "LINEAGE_STORAGE": ("sqlite:///{folder}/no-database",),
}
"""What it starts with, and cannot work with."""
UNBOUND: Mapping[str, tuple[str, ...]] = {
    "LineageStorage": ("",),
    "RECONCILE_SCHEDULE": ("", "every hour"),
}
"""What the host switches functions off for."""
NEVER_WRONG = {
    "LINEAGE_SCANNERS": "any text may be the name of an identity that scans",
    "PURVIEW_COLLECTION": "any text may be the name of a collection",
    "PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY": "the worker's own, and anything but yes means no",
}


def cases(settings: Mapping[str, tuple[str, ...]]) -> list[Any]:
    return [
        pytest.param(name, value, id=f"{name}={value}" if value else f"{name} unset")
        for name, values in settings.items()
        for value in values
    ]


class Deployment:
    """The app under a simulated host, with its services made again whenever its settings change."""

    def __init__(self, emulator: Emulator, folder: Path, rule: Rule) -> None:
        emulator.control.use("credit-risk")
        (folder / "no-database").write_text("This is no file of SQLite, and it is too long for an empty one. " * 20)
        self.right = {
            **emulator.environment(f"sqlite:///{folder / 'lineage.sqlite'}"),
            "LineageStorage": "UseDevelopmentStorage=true",
            "RECONCILE_SCHEDULE": "0 0 */6 * * *",
        }
        self.clock = FakeClock()
        self.host = HostByRule(rule, self.right, self.clock)
        self._made: Services | LineageError | None = None
        bodies = [body for name, body in emulator.control.events() if Path(name).stem in EVENTS]
        events = [event for body in bodies for event in (body if isinstance(body, list) else [body])]
        for number, event in enumerate(events):
            self.host.send(event, at=self.clock() + number * WEEK / len(events))

    def services(self) -> Services:
        """Do as `bootstrap.services`: the queues are the host's, the clock is moved, and a failure is remembered."""
        if self._made is None:
            try:
                made = Services(Settings.from_env(self.host.settings), self.clock)
                made.state = replace(made.state, queue=self.host.main, poison=self.host.poison)
                self._made = made
            except LineageError as error:
                self._made = error
        if isinstance(self._made, LineageError):
            raise self._made
        return self._made

    def set(self, settings: Mapping[str, str]) -> None:
        """Change the settings, which starts the app again."""
        if isinstance(self._made, Services):
            self._made.state.close()
        self._made, self.host.settings = None, settings

    def run(self, time: timedelta) -> None:
        self.host.run(self.clock() + time)


@pytest.fixture
def deploy(
    emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[[Rule], Deployment]]:
    """Deploy the app; it makes one attempt at a request, and real time does not pass between two."""
    deployed: list[Deployment] = []
    monkeypatch.setattr(transport, "ATTEMPTS", 1)
    monkeypatch.setattr(RequestsTransport, "sleep", lambda *_: None)

    def deploy(rule: Rule) -> Deployment:
        deployed.append(Deployment(emulator, tmp_path, rule))
        monkeypatch.setattr(bootstrap, "services", deployed[-1].services)
        return deployed[-1]

    yield deploy
    for each in deployed:
        each.set({})


def published(deployment: Deployment, emulator: Emulator) -> object:
    """Give all lineage around the model."""
    return App(emulator, deployment.services()).graph(MODEL)


@pytest.fixture(scope="module")
def expected() -> dict[str, object]:
    """What a week with the right settings publishes, once it is known."""
    return {}


def check_all_is_published(deployment: Deployment, emulator: Emulator, expected: dict[str, object]) -> None:
    state = deployment.services().state
    assert (deployment.host.main.lost, deployment.host.poison.lost) == ([], [])
    assert (state.queue.count(), state.poison.count(), list(state.dead_letters.list_open())) == (0, 0, [])
    assert published(deployment, emulator) == expected["graph"]


@pytest.fixture
def with_expected(
    expected: dict[str, object], deploy: Callable[[Rule], Deployment], emulator: Emulator
) -> dict[str, object]:
    """Let the same week pass with the right settings, unless it has."""
    if not expected:
        deployment = deploy(Rule.FROM_5_3_8)
        deployment.run(WEEK + SOON)
        assert deployment.host.failed == {}
        expected["graph"] = published(deployment, emulator)
        deployment.set({})
        Path(deployment.right["LINEAGE_STORAGE"].removeprefix("sqlite:///")).unlink()
    return expected


@pytest.mark.parametrize("rule", Rule, ids=lambda rule: rule.name)
@pytest.mark.parametrize(("name", "value"), [*cases(REFUSED), *cases(ACCEPTED), *cases(UNBOUND)])
def test_setting_that_was_wrong_for_a_week_costs_nothing_but_time(
    with_expected: dict[str, object],
    deploy: Callable[[Rule], Deployment],
    emulator: Emulator,
    tmp_path: Path,
    rule: Rule,
    name: str,
    value: str,
) -> None:
    """Events come all the while; hours after it is right, everything is published and no dead letter is open."""
    deployment = deploy(rule)
    deployment.set({**deployment.right, name: value.format(folder=tmp_path)})
    deployment.run(WEEK)
    deployment.set(deployment.right)
    deployment.host.failed.clear()
    deployment.host.succeeded.clear()
    deployment.run(SOON)
    assert deployment.host.failed == {}
    assert deployment.host.succeeded.keys() >= {"reconcile"}
    check_all_is_published(deployment, emulator, with_expected)


@pytest.mark.parametrize("rule", Rule, ids=lambda rule: rule.name)
def test_setting_that_was_wrong_for_a_month_costs_nothing_but_time(
    with_expected: dict[str, object], deploy: Callable[[Rule], Deployment], emulator: Emulator, rule: Rule
) -> None:
    """A message lives for seven days, and for seven more each time that it changes its queue."""
    deployment = deploy(rule)
    deployment.set({**deployment.right, "LINEAGE_WORKSPACES": "junk"})
    deployment.run(30 * DAY)
    deployment.set(deployment.right)
    deployment.run(SOON)
    check_all_is_published(deployment, emulator, with_expected)


def test_catalog_that_cannot_be_reached_for_longer_than_messages_wait_leaves_nothing_to_do(
    with_expected: dict[str, object], deploy: Callable[[Rule], Deployment], emulator: Emulator
) -> None:
    """What has become a dead letter meanwhile is replayed by the first tick in which every service answers."""
    deployment = deploy(Rule.FROM_5_3_8)
    deployment.set({**deployment.right, "PURVIEW_ENDPOINT": UNREACHABLE, "RECONCILE_SCHEDULE": ""})
    deployment.run(2 * DAY)
    reasons = {letter.reason for letter in deployment.services().state.dead_letters.list_open()}
    assert reasons == {"ServiceUnavailable"}
    deployment.set(deployment.right)
    deployment.run(5 * DAY + SOON)
    check_all_is_published(deployment, emulator, with_expected)


@pytest.mark.parametrize("rule", Rule, ids=lambda rule: rule.name)
def test_package_that_was_missing_for_a_week_costs_nothing_but_time(
    with_expected: dict[str, object],
    deploy: Callable[[Rule], Deployment],
    emulator: Emulator,
    monkeypatch: pytest.MonkeyPatch,
    rule: Rule,
) -> None:
    """Found out only when a message is handled: packages are loaded as late as possible."""
    deployment = deploy(rule)

    def fail(*_: object, **__: object) -> None:
        raise ModuleNotFoundError("No module named 'azure.ai.ml'")

    with monkeypatch.context() as patch:
        patch.setattr(Publisher, "publish", fail)
        deployment.run(WEEK)
        assert "collect_poison" in deployment.host.succeeded
    deployment.set(deployment.right)
    deployment.run(SOON)
    check_all_is_published(deployment, emulator, with_expected)


@pytest.mark.parametrize(("name", "value"), [*cases(REFUSED), *cases(UNBOUND)])
def test_readiness_names_the_setting(deploy: Callable[[Rule], Deployment], name: str, value: str) -> None:
    """With what is wrong in it."""
    deployment = deploy(Rule.FROM_5_3_8)
    deployment.set({**deployment.right, name: value})
    probes = {probe.name: probe.problem for probe in check_readiness(deployment.services, deployment.host.settings)}
    assert name in probes["bindings" if name in UNBOUND else "settings"]


def test_every_setting_that_the_app_reads_is_tried() -> None:
    """One that is added later must not be left out."""
    read: set[str] = set()

    class Noted(dict[str, str]):
        def get(self, name: str, default: Any = None) -> Any:
            read.add(name)
            return super().get(name, default)

    with pytest.raises(LineageError):
        Settings.from_env(Noted({"LINEAGE_TELEMETRY": "console"}))
    assert read == {*REFUSED, *NEVER_WRONG}
