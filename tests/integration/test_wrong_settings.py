"""A setting that is wrong for a week loses nothing and leaves nothing to be done by hand, once it is right again."""

import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Protocol

import pytest
from azure.core.pipeline.transport import RequestsTransport

from emulator.other_host import ANSWERS, other_host
from emulator.server import Emulator
from shared import bootstrap
from shared.bootstrap import Services
from shared.catalog.entities import Entity, Ref, attributes
from shared.catalog.qualified_names import QualifiedName
from shared.errors import LineageError, ServiceUnavailableError
from shared.model import WorkspaceId
from shared.publishing.engine import Publisher
from shared.purview import transport
from shared.readiness import Probes, check_readiness
from shared.settings import Settings
from tests.harness.app import WORKSPACE, WS, App
from tests.harness.fakes import FakeClock
from tests.harness.host_by_rule import OWN_LIMIT, HostByRule, Rule

UNREACHABLE = "https://127.0.0.1:9"
"""The port `discard`, where nothing listens."""
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
WEEK = timedelta(days=7, hours=1)
"""Longer than a message lives that the host has put somewhere once."""
SOON = timedelta(hours=7)
"""One tick, which comes every six hours here; a message that waits comes within an hour."""
IN_TIME = 5.0
"""Seconds within which readiness answers."""
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
    "LINEAGE_RETENTION_DAYS": ("a year",),
    "LINEAGE_TELEMETRY": ("elsewhere",),
}
"""What the app does not start with."""
ACCEPTED: Mapping[str, tuple[str, ...]] = {
    "LINEAGE_ARM_ENDPOINT": (UNREACHABLE, "{azure-api}"),
    "LINEAGE_STORAGE": ("sqlite:///{folder}/no-database",),
    "LINEAGE_WORKSPACES": (f"{WORKSPACE}-of-another-name",),
}
"""What it starts with, and cannot work with; in braces another host that lives."""
WITHOUT_CATALOG: Mapping[str, tuple[str, ...]] = {
    "PURVIEW_ENDPOINT": (UNREACHABLE, "{azure-api}", "{blob-storage}", "{api-that-takes-all}"),
    "PURVIEW_COLLECTION": ("unknown",),
}
"""What it starts with, and reads Azure ML in vain: that takes the time of a test, so it lasts two days."""
UNBOUND: Mapping[str, tuple[str, ...]] = {
    "LineageStorage": ("",),
    "RECONCILE_SCHEDULE": ("", "every hour"),
}
"""What the host switches functions off for."""
NEVER_WRONG = {
    "LINEAGE_SCANNERS": "any text may be the name of an identity that scans",
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

    def __init__(self, emulator: Emulator, folder: Path, rule: Rule, limit: int) -> None:
        emulator.control.use("credit-risk")
        (folder / "no-database").write_text("This is no file of SQLite, and it is too long for an empty one. " * 20)
        self.right = {
            **emulator.environment(f"sqlite:///{folder / 'lineage.sqlite'}"),
            "LineageStorage": "UseDevelopmentStorage=true",
            "RECONCILE_SCHEDULE": "0 0 */6 * * *",
        }
        self.clock = FakeClock()
        self.host = HostByRule(rule, self.right, self.clock, limit)
        self._made: Services | LineageError | None = None
        bodies = [body for name, body in emulator.control.events() if Path(name).stem in EVENTS]
        events = [event for body in bodies for event in (body if isinstance(body, list) else [body])]
        for number, event in enumerate(events):
            self.host.send(event, at=self.clock() + number * WEEK / (len(events) - 1) + HOUR * (event is events[-1]))

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
def hosts(emulator: Emulator) -> Iterator[Mapping[str, str]]:
    """Hosts that live and are no service of ours, by kind."""
    with ExitStack() as stack:
        yield {kind: stack.enter_context(other_host(kind, emulator.tls)) for kind in ANSWERS}


class Deploy(Protocol):
    """Deploys the app."""

    def __call__(self, rule: Rule, limit: int = HostByRule.limit) -> Deployment: ...


@pytest.fixture
def deploy(emulator: Emulator, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deploy]:
    """Deploy the app; it makes one attempt at a request, and real time does not pass between two."""
    deployed: list[Deployment] = []
    monkeypatch.setattr(transport, "ATTEMPTS", 1)
    monkeypatch.setattr(RequestsTransport, "sleep", lambda *_: None)

    def deploy(rule: Rule, limit: int = HostByRule.limit) -> Deployment:
        deployed.append(Deployment(emulator, tmp_path, rule, limit))
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
def with_expected(expected: dict[str, object], deploy: Deploy, emulator: Emulator) -> dict[str, object]:
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
    deploy: Deploy,
    emulator: Emulator,
    hosts: Mapping[str, str],
    tmp_path: Path,
    rule: Rule,
    name: str,
    value: str,
) -> None:
    """Events come all the while; readiness names it; once it is right, all is published and every function runs."""
    deployment = deploy(rule)
    usual = find_problems(deployment)
    deployment.set({**deployment.right, name: value.format(folder=tmp_path, **hosts)})
    deployment.run(WEEK)
    assert any(name in problem for problem in find_problems(deployment) if problem not in usual)
    host = deployment.host
    recovering = {"receive_event", "publish_lineage", "reconcile", *(["collect_poison"] if host.poison.count() else [])}
    deployment.set(deployment.right)
    host.failed.clear()
    host.succeeded.clear()
    deployment.run(SOON)
    assert host.failed == {}
    assert host.succeeded.keys() >= recovering
    check_all_is_published(deployment, emulator, with_expected)
    assert find_problems(deployment) == usual


def find_problems(deployment: Deployment) -> list[str]:
    """Ask for readiness, which answers in time."""
    started = time.monotonic()
    found = check_readiness(deployment.services, deployment.host.settings, probes=Probes())
    assert time.monotonic() - started < IN_TIME
    return [probe.problem for probe in found if probe.problem]


@pytest.mark.parametrize("rule", Rule, ids=lambda rule: rule.name)
def test_limit_of_the_host_within_reach_loses_messages_with_the_older_extension(
    deploy: Deploy, emulator: Emulator, rule: Rule
) -> None:
    """Why host.json has it out of reach: a message over it is never given to the app again, and expires."""
    deployment = deploy(rule, OWN_LIMIT)
    deployment.set({**deployment.right, "LINEAGE_WORKSPACES": "junk"})
    deployment.run(WEEK)
    is_older = rule is Rule.BEFORE_5_3_8
    assert (deployment.host.withheld > 0, bool(deployment.host.poison.lost)) == (is_older, is_older)


@pytest.mark.parametrize("rule", Rule, ids=lambda rule: rule.name)
def test_setting_that_was_wrong_for_a_month_costs_nothing_but_time(
    with_expected: dict[str, object], deploy: Deploy, emulator: Emulator, rule: Rule
) -> None:
    """A message lives for seven days, and for seven more each time that it changes its queue."""
    deployment = deploy(rule)
    deployment.set({**deployment.right, "LINEAGE_WORKSPACES": "junk"})
    deployment.run(30 * DAY)
    deployment.set(deployment.right)
    deployment.run(SOON)
    check_all_is_published(deployment, emulator, with_expected)


@pytest.mark.parametrize(("name", "value"), cases(WITHOUT_CATALOG))
def test_catalog_that_cannot_be_reached_for_longer_than_messages_wait_leaves_nothing_to_do(
    with_expected: dict[str, object],
    deploy: Deploy,
    emulator: Emulator,
    hosts: Mapping[str, str],
    name: str,
    value: str,
) -> None:
    """What has become a dead letter meanwhile is replayed by the first tick in which the catalog answers again."""
    deployment = deploy(Rule.FROM_5_3_8)
    deployment.set({**deployment.right, name: value.format(**hosts), "RECONCILE_SCHEDULE": ""})
    deployment.run(HOUR)
    assert deployment.services().state.queue.count()
    assert not deployment.services().state.dead_letters.list_open()
    assert any(name in problem for problem in find_problems(deployment))
    deployment.run(2 * DAY)
    reasons = {letter.reason for letter in deployment.services().state.dead_letters.list_open()}
    assert reasons == {"ServiceUnavailable"}
    deployment.set(deployment.right)
    deployment.run(5 * DAY + SOON)
    check_all_is_published(deployment, emulator, with_expected)


@pytest.mark.parametrize("rule", Rule, ids=lambda rule: rule.name)
def test_package_that_was_missing_for_days_costs_nothing_but_time(
    with_expected: dict[str, object],
    deploy: Deploy,
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


def test_readiness_names_in_time_what_hangs(deploy: Deploy) -> None:
    """Hosts that take a connection and never say a word."""
    deployment = deploy(Rule.FROM_5_3_8)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"https://127.0.0.1:{silent.getsockname()[1]}"
        deployment.set({**deployment.right, "PURVIEW_ENDPOINT": endpoint, "LINEAGE_ARM_ENDPOINT": endpoint})
        problems = find_problems(deployment)
    for name in ("PURVIEW_ENDPOINT", "LINEAGE_ARM_ENDPOINT"):
        assert any(problem.startswith("no answer within") and name in problem for problem in problems)


@pytest.mark.parametrize("kind", ANSWERS)
def test_answer_of_another_host_is_none_of_the_catalog(deploy: Deploy, hosts: Mapping[str, str], kind: str) -> None:
    """Neither to a write nor to readiness: the event waits, and the setting is named."""
    deployment = deploy(Rule.FROM_5_3_8)
    deployment.set({**deployment.right, "PURVIEW_ENDPOINT": hosts[kind]})
    entity = Entity(Ref("custom_dataset", QualifiedName("azureml://a")), attributes("a"))
    with pytest.raises(ServiceUnavailableError, match="Does PURVIEW_ENDPOINT name a Microsoft Purview account"):
        deployment.services().catalog.upsert_entities([entity])
    assert [problem for problem in find_problems(deployment) if "PURVIEW_ENDPOINT" in problem]


@pytest.mark.parametrize("kind", ANSWERS)
def test_answer_of_another_host_is_none_of_azure_resource_manager(
    deploy: Deploy, hosts: Mapping[str, str], kind: str
) -> None:
    """No workspace is gone for it."""
    deployment = deploy(Rule.FROM_5_3_8)
    deployment.set({**deployment.right, "LINEAGE_ARM_ENDPOINT": hosts[kind]})
    workspace = WorkspaceId.parse(deployment.services().settings.workspaces[0])
    with pytest.raises(ServiceUnavailableError):
        deployment.services().azure_ml.get_workspace(workspace)
    assert [problem for problem in find_problems(deployment) if "LINEAGE_ARM_ENDPOINT" in problem]


def test_subscription_that_is_not_there_is_no_workspace_that_is_gone(deploy: Deploy) -> None:
    """The endpoint may be that of another cloud, and a subscription may come back: readiness names the settings."""
    deployment = deploy(Rule.FROM_5_3_8)
    scope = "/subscriptions/11111111-1111-1111-1111-111111111111"
    workspace = WorkspaceId.parse(f"{scope}/resourceGroups/rg{WORKSPACE[WORKSPACE.index('/providers') :]}")
    with pytest.raises(ServiceUnavailableError, match="could not be found"):
        deployment.services().azure_ml.get_workspace(workspace)
    deployment.set({**deployment.right, "LINEAGE_WORKSPACES": scope})
    assert [problem for problem in find_problems(deployment) if "LINEAGE_WORKSPACES" in problem]


@pytest.mark.parametrize("kind", ["api-with-an-empty-page", "api-with-pages", "api-with-items"])
@pytest.mark.parametrize("group", ["", "/resourceGroups/another"])
def test_list_of_another_host_is_none_of_workspaces(
    deploy: Deploy, hosts: Mapping[str, str], kind: str, group: str
) -> None:
    """Where the allow-list has a subscription or a group; of Azure Resource Manager an empty list is one."""
    deployment = deploy(Rule.FROM_5_3_8)
    services = deployment.services()
    workspace = WorkspaceId.parse(services.settings.workspaces[0])
    scope = f"/subscriptions/{workspace.subscription_id}{group}"
    services.impatient_inventory.reach(f"/subscriptions/{workspace.subscription_id}")
    services.impatient_inventory.reach(f"/subscriptions/{workspace.subscription_id}/resourceGroups/another")
    deployment.set({**deployment.right, "LINEAGE_ARM_ENDPOINT": hosts[kind]})
    with pytest.raises(ServiceUnavailableError, match="LINEAGE_ARM_ENDPOINT"):
        deployment.services().impatient_inventory.reach(scope)
    if kind == "api-with-an-empty-page":
        with pytest.raises(ServiceUnavailableError, match="LINEAGE_ARM_ENDPOINT"):
            deployment.services().inventory.list_workspaces(scope)


def test_every_setting_that_the_app_reads_is_tried() -> None:
    """One that is added later must not be left out."""
    read: set[str] = set()

    class Noted(dict[str, str]):
        def get(self, name: str, default: Any = None) -> Any:
            read.add(name)
            return super().get(name, default)

    with pytest.raises(LineageError):
        Settings.from_env(Noted({"LINEAGE_TELEMETRY": "console"}))
    assert read == {*REFUSED, *WITHOUT_CATALOG, *NEVER_WRONG}
