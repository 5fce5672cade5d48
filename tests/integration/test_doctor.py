"""`lineage doctor` names each fault that is scripted here, with its remedy, and finds none in a healthy deployment."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NoReturn

import pytest
from azure.identity import CredentialUnavailableError
from click.testing import CliRunner

from cli.admin.checks.check import OK, PROBLEM, UNCHECKED, Finding
from cli.admin.checks.machine import Resolve, resolve
from cli.admin.doctor import examine
from cli.main import cli as lineage
from cli.options import BY_QUEUE, AppDeployment
from emulator.azurite import Azurite as AzuriteServer
from emulator.client import Control
from emulator.server import Emulator
from shared.bootstrap import Services
from shared.settings import Azurite, Settings
from tests.harness.app import WORKSPACE, App, run_completed
from tests.harness.callers import Caller
from tests.harness.storage import empty
from tests.worlds.azure_resources import APP, AZD, FUNCTION_APP, PROVIDERS, PURVIEW, SITE, STORAGE, deploy, token_for

DEPLOYMENT = AppDeployment(APP, FUNCTION_APP, STORAGE, PURVIEW)
CALLER = "00000000-0000-4000-8000-0000000000ee"
"""Whom the emulator takes the bearer of an opaque token for."""
FORBIDDEN = {
    "error": {
        "code": "AuthorizationFailed",
        "message": "The client 'me' with object id 'me' does not have authorization to perform action 'x'.",
    }
}
OTHER_APP = "33333333-3333-4333-8333-333333333333"
TOPIC, SUBSCRIPTION = "evgt-ws-credit", "lineage-stcredit"


class NobodyCredential:
    """What azure-identity does if no one is signed in."""

    def get_token(self, *_: str, **__: object) -> NoReturn:
        raise CredentialUnavailableError(message="no one is signed in")


@dataclass
class Ground:
    """A healthy deployment, and all that a case may change of it."""

    emulator: Emulator
    environ: dict[str, str]
    patch: pytest.MonkeyPatch
    deployment: AppDeployment = DEPLOYMENT
    resolve: Resolve = resolve

    @property
    def control(self) -> Control:
        return self.emulator.control

    def examine(self, *, only_links: bool = False) -> Sequence[Finding]:
        return examine(self.environ, self.deployment, resolve=self.resolve, only_links=only_links)

    def site(self, **changes: object) -> None:
        """Change what ARM and its host say of the function app."""
        self.control.add_to_arm({"sites": {"func-lineage": changes}})

    def token(self, credential: type) -> None:
        self.patch.setattr("shared.http.rest.EmulatorCredential", credential)

    def roles_of_caller(self, *roles: str) -> None:
        """Let the catalog ask for roles, and give the caller these at the root and none below."""
        self.control.switches(enforce_permissions=True)
        for collection in ("credit", "lineage"):
            self.control.roles(CALLER, collection)
        self.control.roles(CALLER, "purview-credit", *roles)


@pytest.fixture
def ground(emulator: Emulator, environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Ground:
    """Scenario credit-risk, set up as `azd up` leaves it: roles, types, topic and subscription."""
    monkeypatch.setattr("cli.admin.management.clients.POLLING_SECONDS", 0)
    settings = {**environment, **AZD}
    done = CliRunner().invoke(lineage, ["setup", "--workspace", WORKSPACE], env=settings, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    deploy(emulator)
    return Ground(emulator, settings, monkeypatch)


def problems(findings: Sequence[Finding]) -> dict[str, Finding]:
    return {finding.check: finding for finding in findings if finding.state == PROBLEM}


def test_healthy_deployment_has_no_problem(ground: Ground) -> None:
    """What has not happened yet, on the first day, is no problem either."""
    findings = ground.examine()
    assert problems(findings) == {}
    unchecked = {finding.check for finding in findings if finding.state == UNCHECKED}
    assert unchecked == {"events ws-credit: delivery", "events: last one seen", "coverage"}
    assert len(findings) > 20


def test_healthy_deployment_on_azure_storage_has_no_problem(ground: Ground, azurite_server: AzuriteServer) -> None:
    """Queue, table and containers of a storage account are asked the same."""
    storage = Azurite(azurite_server.base_port)
    empty(storage).close()
    ground.environ["LINEAGE_STORAGE"] = f"azurite:{storage.base_port}"
    findings = {finding.check: finding.detail for finding in ground.examine() if finding.state == OK}
    assert problems(ground.examine()) == {}
    assert findings["storage: queue"] == "0 messages wait"
    assert findings["storage: ledger"] == "a row was written, read and deleted"


def test_doctor_leaves_nothing_behind(ground: Ground, emulator: Emulator) -> None:
    """Neither in the catalog nor on the queue."""

    def active() -> list[str]:
        entities = emulator.control.state()["purview"]["entities"]
        return [entity["guid"] for entity in entities if entity["status"] == "ACTIVE"]

    before = active()
    ground.examine()
    assert active() == before
    assert Services(Settings.from_env(ground.environ)).queue.count() == 0


def wrong_audience(ground: Ground) -> None:
    ground.token(token_for("https://graph.microsoft.com"))


def expired_token(ground: Ground) -> None:
    ground.token(token_for(seconds=-60))


def no_role_in_the_catalog(ground: Ground) -> None:
    ground.roles_of_caller()


def role_of_an_administrator_only(ground: Ground) -> None:
    """The person who deployed it gave the app its role, and may write nothing."""
    ground.roles_of_caller("collection-administrator")


def operator_of_storage_only(ground: Ground) -> None:
    """The engineer on call has data roles, and sees neither who has roles nor metrics nor policies."""
    ground.roles_of_caller("data-curator")
    paths = ("roleAssignments", "Insights/metrics", "appsettings/list")
    ground.control.faults(
        *({"service": "arm", "path": path, "statuses": [403] * 20, "body": FORBIDDEN} for path in paths)
    )


def role_of_no_one(ground: Ground) -> None:
    ground.roles_of_caller("purview-reader", "collection-administrator")
    ground.control.roles(APP, "lineage")


def app_that_is_no_curator(ground: Ground) -> None:
    ground.control.roles(APP, "lineage")


def friendly_name_of_a_collection(ground: Ground) -> None:
    ground.environ["PURVIEW_COLLECTION"] = "Machine learning lineage"


def collection_that_does_not_exist(ground: Ground) -> None:
    ground.environ["PURVIEW_COLLECTION"] = "ml"


def catalog_without_types(ground: Ground) -> None:
    ground.control.use("credit-risk")  # starts again, without what `setup` did
    deploy(ground.emulator)


def broken_subscription(ground: Ground) -> None:
    ground.control.event_subscription(TOPIC, SUBSCRIPTION, provisioning_state="AwaitingManualAction")


def expired_subscription(ground: Ground) -> None:
    ground.control.event_subscription(TOPIC, SUBSCRIPTION, expires="2026-01-01T00:00:00Z")


def topic_without_subscription(ground: Ground) -> None:
    ground.control.add_to_arm({"system_topics": {TOPIC: {"source": "ws-credit"}}})


def subscription_to_elsewhere(ground: Ground) -> None:
    ground.control.add_to_arm({"sites": {"func-lineage-old": SITE}})
    ground.deployment = replace(DEPLOYMENT, function_app_id=f"{FUNCTION_APP}-old")


def topic_that_may_not_write(ground: Ground) -> None:
    ground.deployment = replace(DEPLOYMENT, destination=BY_QUEUE)


def filter_that_keeps_events_away(ground: Ground) -> None:
    client = Caller(ground.emulator)
    with client.session:
        path = f"{PROVIDERS}/Microsoft.EventGrid/systemTopics/{TOPIC}/eventSubscriptions/{SUBSCRIPTION}"
        body = client.ok("GET", path, api_version="2025-02-15")
        body["properties"]["filter"]["subjectBeginsWith"] = "experiments/absent"
        client.ok("PUT", path, {"properties": body["properties"]}, api_version="2025-02-15")
        client.ok("GET", path, api_version="2025-02-15")  # the write is done once it was looked at


def subscription_of_an_earlier_version(ground: Ground) -> None:
    client = Caller(ground.emulator)
    with client.session:
        path = f"{PROVIDERS}/Microsoft.EventGrid/systemTopics/{TOPIC}/eventSubscriptions/{SUBSCRIPTION}"
        body = client.ok("GET", path, api_version="2025-02-15")
        body["properties"]["filter"]["includedEventTypes"] = [
            f"Microsoft.MachineLearningServices.{name}" for name in ("RunCompleted", "ModelRegistered", "ModelDeployed")
        ]
        client.ok("PUT", path, {"properties": body["properties"]}, api_version="2025-02-15")
        client.ok("GET", path, api_version="2025-02-15")


def events_that_were_dropped(ground: Ground) -> None:
    ground.control.metrics(TOPIC, SUBSCRIPTION, DeliverySuccessCount=20, DroppedEventCount=5)


def undelivered_events_of_others(ground: Ground) -> None:
    ground.control.metrics(TOPIC, "another", DeadLetteredCount=5)


def app_that_is_stopped(ground: Ground) -> None:
    ground.control.add_to_arm({"sites": {"func-lineage": {"state": "Stopped"}}})


def function_that_the_host_lacks(ground: Ground) -> None:
    """As when one blueprint is not registered; where the package cannot be imported it lacks all."""
    ground.site(functions={"replay": None, "ready": None})


def function_that_a_setting_disables(ground: Ground) -> None:
    ground.site(functions={"reconcile": {"disabled": True}})


def function_that_the_host_has_switched_off(ground: Ground) -> None:
    words = "The 'reconcile' function is in error: %RECONCILE_SCHEDULE% does not resolve to a value."
    ground.site(functions={"reconcile": {"errors": [words]}})


def schedule_that_the_host_refuses(ground: Ground) -> None:
    ground.site(app_settings={"RECONCILE_SCHEDULE": "0 0 3 * * 7"})


def triggers_on_another_account(ground: Ground) -> None:
    ground.site(app_settings={"LineageStorage__queueServiceUri": "https://stother.queue.core.windows.net/"})


def host_that_does_not_answer(ground: Ground) -> None:
    ground.control.faults({"service": "arm", "path": "/hostruntime/", "statuses": [403, 403], "body": FORBIDDEN})


def schedule_here_that_the_host_refuses(ground: Ground) -> None:
    ground.environ["RECONCILE_SCHEDULE"] = "0 0\t3 * * *"


def app_without_roles(ground: Ground) -> None:
    ground.control.roles(OTHER_APP, "lineage", "data-curator")
    ground.deployment = replace(DEPLOYMENT, identity_id=OTHER_APP)


def no_one_signed_in(ground: Ground) -> None:
    ground.token(NobodyCredential)
    ground.deployment = AppDeployment()


def function_that_does_not_answer(ground: Ground) -> None:
    ground.control.metrics(TOPIC, SUBSCRIPTION, DeliveryAttemptFailCount=7)


def events_that_were_given_up(ground: Ground) -> None:
    ground.control.metrics(TOPIC, SUBSCRIPTION, DeliverySuccessCount=20, DeadLetteredCount=2)


def run_history_that_is_refused(ground: Ground) -> None:
    ground.control.faults({"service": "azure_ml", "path": "/history/", "statuses": [403], "body": FORBIDDEN})


def workspace_that_is_not_there(ground: Ground) -> None:
    ground.environ["LINEAGE_WORKSPACES"] = WORKSPACE.replace("ws-credit", "ws-typo")


def private_catalog_with_a_public_name(ground: Ground) -> None:
    ground.control.add_to_arm({"purview_account": {"public_network_access": "Disabled", "private_endpoints": ["pe-1"]}})
    ground.resolve = lambda host: ["20.50.60.70"]


def name_that_has_no_address(ground: Ground) -> None:
    ground.environ["PURVIEW_ENDPOINT"] = ground.environ["PURVIEW_ENDPOINT"].replace("127.0.0.1", "localhost")

    def resolve_some(host: str) -> Sequence[str]:
        if host == "localhost":
            raise OSError("Name or service not known")
        return resolve(host)

    ground.resolve = resolve_some


@dataclass(frozen=True)
class Case:
    """A fault and what is to be said of it, by check: words of the detail and words of the remedy."""

    arrange: Callable[[Ground], None]
    said: Mapping[str, tuple[str, str]]
    more: bool = False
    """Whether other checks fail with it, because they need what is broken."""


EVENTS, DELIVERY = "events ws-credit: subscription", "events ws-credit: delivery"
SIGN_IN = {f"sign-in: {service}" for service in ("Azure Resource Manager", "Purview")}
SUBSCRIBE = f"lineage setup --workspace {WORKSPACE}"
CASES = (
    Case(
        wrong_audience,
        {
            **dict.fromkeys(SIGN_IN, ("is for https://graph.microsoft.com", "wrong audience")),
            "workspace ws-credit: record": ("InvalidAuthenticationTokenAudience", "LINEAGE_ARM_ENDPOINT"),
        },
        more=True,
    ),
    Case(
        expired_token,
        {
            **dict.fromkeys(SIGN_IN, ("expired at", "az login")),
            "workspace ws-credit: record": ("ExpiredAuthenticationToken", "the clock of this machine"),
        },
        more=True,
    ),
    Case(
        no_role_in_the_catalog,
        {
            "catalog: collection": ("no collection of this account is visible", "Collection Administrator"),
            "catalog: role": ("no collection of this account is visible", "Collection Administrator"),
            "catalog: types": ("AccessDenied", "Data Curator"),
            "catalog: round trip": ("AccessDenied", "Data Curator"),
        },
    ),
    Case(role_of_an_administrator_only, {}),
    Case(operator_of_storage_only, {}),
    Case(role_of_no_one, {"catalog: round trip": ("HTTP 403", "Data Curator")}, more=True),
    Case(app_that_is_no_curator, {"catalog: role": (f"{APP} is not Data Curator", f"lineage setup --identity {APP}")}),
    Case(
        friendly_name_of_a_collection,
        {
            "catalog: collection": ("called so has the name lineage", "Set PURVIEW_COLLECTION=lineage."),
            "catalog: role": ("has the name lineage", "Set PURVIEW_COLLECTION=lineage."),
            "catalog: round trip": ("PURVIEW_COLLECTION: no collection with the name Machine learning lineage", ""),
        },
    ),
    Case(
        collection_that_does_not_exist,
        {
            "catalog: collection": ("no collection ml is visible", "Set PURVIEW_COLLECTION to the name"),
            "catalog: role": ("no collection ml is visible", "Set PURVIEW_COLLECTION to the name"),
            "catalog: round trip": ("PURVIEW_COLLECTION: no collection with the name ml is visible", ""),
        },
    ),
    Case(
        catalog_without_types,
        {
            "catalog: types": ("missing: ", "lineage typedefs apply"),
            "catalog: role": ("is not Data Curator", "lineage setup"),
            EVENTS: ("no system topic of the workspace is visible", SUBSCRIBE),
        },
    ),
    Case(broken_subscription, {EVENTS: ("is AwaitingManualAction", SUBSCRIBE)}),
    Case(expired_subscription, {EVENTS: ("expired at 2026-01-01", SUBSCRIBE)}),
    Case(topic_without_subscription, {EVENTS: (f"has no subscription {SUBSCRIPTION}", SUBSCRIBE)}),
    Case(subscription_to_elsewhere, {EVENTS: ("differs in destination.properties.resourceId", SUBSCRIBE)}),
    Case(
        topic_that_may_not_write,
        {
            EVENTS: ("differs in deliveryWithResourceIdentity", SUBSCRIBE),
            "events ws-credit: undelivered": (
                "is not Storage Queue Data Message Sender",
                'az role assignment create --role "Storage Queue Data Message Sender"',
            ),
        },
    ),
    Case(filter_that_keeps_events_away, {EVENTS: ("differs in filter.subjectBeginsWith", SUBSCRIBE)}),
    Case(
        subscription_of_an_earlier_version,
        {EVENTS: ("differs in filter.includedEventTypes (without RunStatusChanged)", SUBSCRIBE)},
    ),
    Case(events_that_were_dropped, {DELIVERY: ("5 dropped", "undelivered")}),
    Case(undelivered_events_of_others, {}),
    Case(app_that_is_stopped, {"app: state": ("func-lineage is Stopped", "az functionapp start")}),
    Case(function_that_the_host_lacks, {"app: functions": ("the host lacks ready, replay", "azd deploy")}),
    Case(
        function_that_a_setting_disables,
        {"app: functions": ("switched off by a setting: reconcile", "AzureWebJobs.{function}.Disabled")},
    ),
    Case(
        function_that_the_host_has_switched_off,
        {"app: functions": ("switched off reconcile (The 'reconcile' function is in error", "Correct the app setting")},
    ),
    Case(
        schedule_that_the_host_refuses,
        {"app: bindings": ("RECONCILE_SCHEDULE: '7' cannot be a day of the week", "az functionapp config appsettings")},
    ),
    Case(
        triggers_on_another_account,
        {"app: bindings": ("LineageStorage__queueServiceUri: leads to stother.queue", "az functionapp config")},
    ),
    Case(host_that_does_not_answer, {}),
    Case(schedule_here_that_the_host_refuses, {"settings": ("RECONCILE_SCHEDULE: '0\\t3' cannot be", "README.md")}),
    Case(
        app_without_roles,
        {
            "app: role on ws-credit": ("has no role on the workspace", f"--assignee-object-id {OTHER_APP}"),
            "app: roles on storage": (
                "is not Storage Blob Data Owner, Storage Queue",
                '--role "Storage Blob Data Owner"',
            ),
        },
    ),
    Case(
        no_one_signed_in,
        {
            **dict.fromkeys(SIGN_IN, ("there is no token", "az login")),
            "catalog: role": ("there is no token", "az login"),
        },
        more=True,
    ),
    Case(function_that_does_not_answer, {DELIVERY: ("0 delivered, 7 attempts failed", "azd deploy")}),
    Case(events_that_were_given_up, {DELIVERY: ("2 given up", "lineage replay --undelivered")}),
    Case(
        run_history_that_is_refused,
        {"workspace ws-credit: run history": ("HTTP 403", "Give the role that the message names")},
    ),
    Case(
        workspace_that_is_not_there,
        {"workspace ws-typo: record": ("HTTP 404", "az role assignment create")},
        more=True,
    ),
    Case(
        private_catalog_with_a_public_name,
        {"catalog: account": ("takes no public traffic", "private DNS zone privatelink.purview.azure.com")},
    ),
    Case(name_that_has_no_address, {"network: Purview": ("localhost has no address", "private DNS zone")}),
)


@pytest.mark.parametrize("case", CASES, ids=[case.arrange.__name__ for case in CASES])
def test_fault_is_named_with_its_remedy(case: Case, ground: Ground) -> None:
    """And, unless others depend on what is broken, nothing else is."""
    case.arrange(ground)
    found = problems(ground.examine())
    assert set(case.said) <= set(found)
    for check, (detail, remedy) in case.said.items():
        assert detail in found[check].detail
        assert remedy in found[check].remedy
    assert case.more or set(found) == set(case.said)
    assert all(finding.remedy for finding in found.values())


def test_host_that_does_not_say_which_functions_run_leaves_that_unchecked(ground: Ground) -> None:
    """Reader may list them; what the host makes of them needs more, and a host that is down says nothing."""
    host_that_does_not_answer(ground)
    found = {finding.check: finding for finding in ground.examine()}
    assert found["app: functions"].state == UNCHECKED
    assert "which of them run" in found["app: functions"].detail


@pytest.mark.parametrize(
    "setting", [{"APPLICATIONINSIGHTS_CONNECTION_STRING": ""}, {"PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY": "0"}]
)
def test_app_whose_telemetry_no_one_exports_is_named(ground: Ground, setting: dict[str, str]) -> None:
    """No alert would ever fire; where it is sent, only the app itself knows by whom."""
    found = {finding.check: finding for finding in ground.examine()}
    assert (found["app: telemetry"].state, "health/ready" in found["app: telemetry"].detail) == ("ok", True)
    ground.site(app_settings=setting)
    found = problems(ground.examine())
    assert found["app: telemetry"].detail.startswith("no one exports telemetry")
    assert found["app: telemetry"].remedy.startswith("az functionapp config appsettings set")


def test_setting_that_refers_to_a_vault_leaves_the_bindings_unchecked(ground: Ground) -> None:
    """Only the app itself sees its value."""
    ground.site(app_settings={"LineageStorage": "@Microsoft.KeyVault(SecretUri=https://kv.vault.azure.net/secrets/s)"})
    found = {finding.check: finding for finding in ground.examine()}
    assert (found["app: bindings"].state, "health/ready" in found["app: bindings"].detail) == (UNCHECKED, True)


def test_role_that_lacks_on_one_of_two_workspaces_is_named_for_that_one(
    emulator: Emulator, environment: Mapping[str, str], ground: Ground
) -> None:
    """The other is read all the same."""
    ground.control.use("two-workspaces")
    east, west = emulator.services.azure_ml.workspace_ids()
    ground.environ["LINEAGE_WORKSPACES"] = f"{east},{west}"
    deploy(emulator, [east])
    west_name = west.rpartition("/")[2]
    path = f"workspaces/{west_name}($|/)"
    ground.control.faults({"service": "azure_ml", "path": path, "statuses": [403] * 20, "body": FORBIDDEN})
    found = problems(ground.examine())
    assert {check for check in found if check.startswith("app: role on")} == {f"app: role on {west_name}"}
    workspaces = {check for check in found if check.startswith("workspace ")}
    assert workspaces == {f"workspace {west_name}: record", f"workspace {west_name}: run history"}
    assert "takes up to ten minutes" in found[f"workspace {west_name}: record"].remedy


def test_storage_that_cannot_be_used_is_named(ground: Ground, tmp_path: Path) -> None:
    """Each of its parts, since each is used for something else."""
    (tmp_path / "no.sqlite").write_text("This is no database, whatever its name says, and long enough to be read.")
    ground.environ["LINEAGE_STORAGE"] = f"sqlite:///{tmp_path / 'no.sqlite'}"
    found = problems(ground.examine(only_links=True))
    assert set(found) == {"storage: queue", "storage: ledger", "storage: dead letters"}
    assert "cannot be used as a SQLite file" in found["storage: queue"].detail
    assert "Storage Queue Data Contributor" in found["storage: queue"].remedy


def test_coverage_gaps_and_dead_letters_are_problems_unless_only_links_are_asked_for(
    ground: Ground, emulator: Emulator
) -> None:
    """A deployment that is run again must not fail for what its users trained."""
    app = App(emulator, Services(Settings.from_env(ground.environ)))
    app.services.reconciler.tick()
    app.replay([run_completed("absent-run")])
    found = problems(ground.examine())
    assert set(found) == {"coverage", "dead letters"}
    assert "lineage status" in found["coverage"].remedy
    assert "RecordNotFound" in found["dead letters"].detail
    assert problems(ground.examine(only_links=True)) == {}


def test_doctor_works_before_there_is_anything(emulator: Emulator) -> None:
    """It checks what it can, says what each other check waits for, and names every setting that is missing."""
    control = emulator.environment()
    environ = {name: control[name] for name in ("LINEAGE_CREDENTIAL", "LINEAGE_ARM_ENDPOINT", "LINEAGE_CA_BUNDLE")}
    findings = examine(environ, AppDeployment(), resolve=resolve)
    assert set(problems(findings)) == {"settings"}
    for name in ("PURVIEW_ENDPOINT", "LINEAGE_WORKSPACES", "LINEAGE_STORAGE"):
        assert f"{name}: is not set" in problems(findings)["settings"].detail
    waiting = {finding.check: finding.detail for finding in findings if finding.state == UNCHECKED}
    assert waiting == {
        "workspaces and events": "waits for LINEAGE_WORKSPACES",
        "catalog": "waits for PURVIEW_ENDPOINT",
        "storage": "waits for LINEAGE_STORAGE",
    }


def test_doctor_tries_again_for_as_long_as_it_is_asked_to(ground: Ground) -> None:
    """Only what failed, with pauses between; a role that arrives meanwhile ends it."""
    app_that_is_stopped(ground)
    pauses: list[float] = []

    def sleep(seconds: float) -> None:
        pauses.append(seconds)
        if len(pauses) == 2:
            ground.control.add_to_arm({"sites": {"func-lineage": {"state": "Running"}}})

    def wait(minutes: float) -> Sequence[Finding]:
        pauses.clear()
        return examine(
            ground.environ, DEPLOYMENT, resolve=resolve, minutes=minutes, sleep=sleep, clock=lambda: sum(pauses)
        )

    assert set(problems(wait(0.5))) == {"app: state"}
    assert len(pauses) == 1
    assert problems(wait(10)) == {}
    assert len(pauses) == 2


def test_command_line_prints_each_check_and_fails_on_a_problem(ground: Ground) -> None:
    """In words, and as JSON with the same content."""
    healthy = CliRunner().invoke(lineage, ["doctor"], env=ground.environ, catch_exceptions=False)
    assert healthy.exit_code == 0
    assert "0 problems in" in healthy.output
    broken_subscription(ground)
    words = CliRunner().invoke(lineage, ["doctor"], env=ground.environ, catch_exceptions=False)
    assert words.exit_code == 1
    assert f"✗ {EVENTS}: subscription {SUBSCRIPTION} is AwaitingManualAction" in words.output
    assert f"→ Create it again: {SUBSCRIBE}" in words.output
    as_json = CliRunner().invoke(lineage, ["doctor", "--json"], env=ground.environ, catch_exceptions=False)
    assert as_json.exit_code == 1
    (problem,) = (finding for finding in json.loads(as_json.stdout) if finding["state"] == PROBLEM)
    assert set(problem) == {"check", "state", "detail", "remedy"}
