"""The Bicep, without a compiler: it parses, names and modules fit together, and it is as safe as it says."""

import json
import re
from collections.abc import Iterator
from typing import Any

import click
import pytest

from cli.admin.management.event_grid import Target, build_subscription
from cli.options import BY_QUEUE, FUNCTION, deployment_options
from functions import CONNECTION
from shared.http.rest import POOL_SIZE
from shared.settings import Settings
from shared.state import azure_storage
from tests.recipes.setting_places import PARAMETERS, settings_in_code, switches_in_code
from tests.references.bicep import INFRA, ROOTS, Template, body_of, templates

ROOT = INFRA.parent
TEMPLATES = templates()
PAGE = (ROOT / "docs/infra.md").read_text(encoding="utf-8")
HOOKS = "\n".join(path.read_text(encoding="utf-8") for path in sorted((INFRA / "hooks").glob("*.sh")))
every_template = pytest.mark.parametrize("template", TEMPLATES.values(), ids=TEMPLATES)

HOST_METRIC = "faas.invoke_duration"
"""Azure/azure-functions-host, `HostMetrics.cs`: how long each function ran, by `faas.name`."""
POLLING = (
    "Microsoft.Azure.WebJobs.Extensions.Storage.Common.Listeners",
    "Microsoft.Azure.WebJobs.Host.Queues.Listeners",
)
"""Categories of the host's queue listener: of Azure/azure-sdk-for-net, and before of Azure/azure-webjobs-sdk."""

READ_BY_OTHERS = {
    "APPLICATIONINSIGHTS_AUTHENTICATION_STRING": "host and worker: telemetry with a token",
    "APPLICATIONINSIGHTS_CONNECTION_STRING": "host and worker: where telemetry goes",
    "AZURE_CLIENT_ID": "azure-identity: which of the app's identities",
    "AzureWebJobsStorage__blobServiceUri": "host",
    "AzureWebJobsStorage__clientId": "host",
    "AzureWebJobsStorage__credential": "host",
    "AzureWebJobsStorage__queueServiceUri": "host",
    "AzureWebJobsStorage__tableServiceUri": "host",
    "LineageStorage__clientId": "host: the triggers' connection",
    "LineageStorage__credential": "host: the triggers' connection",
    "LineageStorage__queueServiceUri": "host: the triggers' connection",
    "PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY": "worker",
    "PYTHON_ISOLATE_WORKER_DEPENDENCIES": "worker: our azure-functions, not its own",
    "PYTHON_THREADPOOL_THREAD_COUNT": "worker",
    "RECONCILE_SCHEDULE": "host: functions/reconcile.py names it",
}
"""App settings that `shared/settings.py` does not read, and who does."""

CALLERS = 8
"""Threads of a worker that no message takes: Event Grid, health checks and OpenLineage clients call meanwhile."""

ROLES = {
    ("modules/monitoring", "publisher"): "the app sends telemetry without a key",
    ("modules/storage-access", "assignments"): "the app and its operators, each what is listed there",
    ("modules/topic-access", "leaves"): "a topic leaves undelivered events in their container",
    ("modules/topic-access", "puts"): "a topic puts events on the queue, if it does so itself",
    ("modules/workspace-access", "reader"): "the app reads a workspace",
    ("modules/sample", "scanner"): "Purview scans the sample's lake",
    ("modules/sample", "notebooks"): "Synapse reads and writes the sample's lake",
    ("modules/sample", "training"): "the sample's workspace shows what is in its lake",
    ("modules/sample", "clusterData"): "runs on the sample's cluster read and write its lake",
    ("modules/sample", "clusterFiles"): "runs on the sample's cluster leave files in the workspace",
    ("modules/sample", "uploads"): "who tries the sample uploads its data",
    ("modules/sample", "jobs"): "who tries the sample reads what its runs leave",
    ("modules/sample", "files"): "who tries the sample uses the workspace's notebooks",
}
"""Every role assignment there is, by template and name, with its reason."""

STORAGE_ROLES = {
    "app": ["Storage Blob Data Owner", "Storage Queue Data Contributor", "Storage Table Data Contributor"],
    "operator": ["Storage Blob Data Contributor", "Storage Queue Data Contributor", "Storage Table Data Contributor"],
}


ROLE_IDS = {
    "Storage Blob Data Contributor": "ba92f5b4-2d11-453d-a403-e96b0029c9fe",
    "Storage Blob Data Owner": "b7e6dc6d-f1e8-4753-8033-0f276bb0955b",
    "Storage Queue Data Contributor": "974c5e8b-45b9-4653-ba55-5f855dd0fb88",
    "Storage Table Data Contributor": "0a9a7e1f-b9d0-4cc4-a60d-0319b160aaa3",
    "contributorRole": "ba92f5b4-2d11-453d-a403-e96b0029c9fe",  # Storage Blob Data Contributor
    "fileRole": "69566ab7-960f-475b-8e7c-b3118f30c6bd",  # Storage File Data Privileged Contributor
    "publisherRole": "3913510d-42f4-4e42-8a64-420c390055eb",  # Monitoring Metrics Publisher
    "readerRole": "2a2b9908-6ea1-4ae2-8e65-a410df84e7d1",  # Storage Blob Data Reader
    "senderRole": "c6a89b2d-59bc-44d0-9896-0f6e12d7b80a",  # Storage Queue Data Message Sender
}
"""Every built-in role there is, by its name or by the variable that holds it."""


def resources() -> Iterator[tuple[Template, str, str, dict[str, Any]]]:
    """Yield every resource that is created anywhere: template, name, type@version, body."""
    for template in TEMPLATES.values():
        for name, kind, body in template.resources():
            yield template, name, kind, body


def of_type(wanted: str) -> list[dict[str, Any]]:
    found = [body for _, _, kind, body in resources() if kind.partition("@")[0] == wanted]
    assert found, wanted
    return found


@every_template
def test_template_parses_with_both_parsers(template: Template) -> None:
    """One of them is what the scanner uses; the other knows the newer syntax."""
    assert template.syntax_errors == []
    assert template.parsed["metadata"]["description"]


@every_template
def test_every_name_that_is_used_is_declared_and_the_reverse(template: Template) -> None:
    """What a compiler would say first."""
    declared = template.declared
    assert template.used - set().union(*(names for kind, names in declared.items() if kind != "outputs")) == set()
    assert (declared["parameters"] | declared["variables"]) - template.used == set()


@every_template
def test_parameters_and_outputs_are_described(template: Template) -> None:
    """In words that azd shows when it asks for them."""
    for kind in ("parameters", "outputs"):
        for name, item in template.part(kind).items():
            words = [each["argument"] for each in item["decorators"] if each["type"] == "description"]
            assert words, f"{kind} {name}"
            assert words[0].rstrip().endswith("."), f"{kind} {name}"


@every_template
def test_modules_get_the_parameters_they_declare(template: Template) -> None:
    """All that have no default, and none that is unknown; what they put out and is used exists."""
    for name, module in template.part("modules").items():
        path = (template.path.parent / module["detail"]["path"]).resolve()
        called = TEMPLATES[path.relative_to(INFRA).with_suffix("").as_posix()]
        given = set(body_of(module["config"])["params"])
        declared = called.part("parameters")
        assert given <= set(declared), (name, given - set(declared))
        required = {each for each, item in declared.items() if "default" not in item}
        assert required <= given, (name, required - given)
        assert {output for of, output in template.outputs_used() if of == name} <= set(called.part("outputs"))


@every_template
def test_output_of_a_module_in_a_list_is_taken_by_the_index_of_the_loop(template: Template) -> None:
    """The compiler replaces any other index by that of the loop around it, which is another element or none."""
    indexes = re.findall(r"\w+\[(.+?)\]!?\.outputs\.", template.text)
    assert [index for index in indexes if index != "index"] == []


def test_role_that_is_assigned_is_the_one_that_is_defined() -> None:
    """Two templates compute its name: none hands it to the other."""
    defined, assigned = (
        re.findall(r"guid\(toLower\(subscription\(\)\.id\), .+?\)", TEMPLATES[f"modules/{name}"].text)
        for name in ("reader-role", "workspace-access")
    )
    assert len(defined) == 1
    assert defined == assigned


def test_every_template_is_used() -> None:
    """By another, or by azd and the hooks."""
    called = {
        (template.path.parent / module["detail"]["path"]).resolve().relative_to(INFRA).with_suffix("").as_posix()
        for template in TEMPLATES.values()
        for module in template.part("modules").values()
    }
    assert called | {*ROOTS} == set(TEMPLATES)
    assert {name for name in ROOTS if f"--template-file infra/{name}.bicep" in HOOKS} == {*ROOTS} - {"main"}


def test_every_output_is_used() -> None:
    """Those of modules by their parents; those of main by a hook, by an option, or as a setting of the command line."""
    taken: dict[str, set[str]] = {}
    for template in TEMPLATES.values():
        for name, module in template.part("modules").items():
            path = (template.path.parent / module["detail"]["path"]).resolve()
            key = path.relative_to(INFRA).with_suffix("").as_posix()
            taken.setdefault(key, set()).update(output for of, output in template.outputs_used() if of == name)
    options = {str(parameter.envvar) for parameter in _options() if parameter.envvar}
    documented = set(re.findall(r"\$([A-Z_]+)", (ROOT / "docs/deploy.md").read_text(encoding="utf-8")))
    hooks = set(re.findall(r"\$([A-Z_]+)", HOOKS))
    taken["main"] = hooks | options | settings_in_code() | documented
    for name, template in TEMPLATES.items():
        assert set(template.part("outputs")) <= taken.get(name, set()), name


def test_hooks_use_only_what_azd_or_the_template_gives() -> None:
    """A name without a value would stop the hook."""
    given = set(TEMPLATES["main"].part("outputs")) | {"AZURE_ENV_NAME", "AZURE_LOCATION", "AZURE_SUBSCRIPTION_ID"}
    assert set(re.findall(r"\$([A-Z][A-Z_]+)", HOOKS)) <= given


@pytest.mark.parametrize("name", ["links", "events"])
def test_hooks_pass_the_parameters_that_a_template_declares(name: str) -> None:
    """All of them, and no other."""
    command = next(part for part in HOOKS.split("az deployment") if f"infra/{name}.bicep" in part)
    assert set(re.findall(r'--parameters "(\w+)=', command)) == set(TEMPLATES[name].part("parameters"))


def test_main_parameters_names_every_parameter() -> None:
    """What is not named there, azd cannot take from its environment."""
    assert list(PARAMETERS) == list(TEMPLATES["main"].part("parameters"))
    variables = [item["value"] for name, item in PARAMETERS.items() if name != "switches"]
    assert all(re.fullmatch(r"\$\{[A-Z_]+\}", value) for value in variables)
    assert len({*variables}) == len(variables)


def test_app_settings_are_those_that_the_app_reads() -> None:
    """Each by `shared/settings.py`, or by a part of the platform with a name; and none that is read is missing."""
    given = set(_app_settings())
    assert given - set(READ_BY_OTHERS) == settings_in_code() - switches_in_code()
    assert set(READ_BY_OTHERS) <= given


def test_app_settings_are_ones_that_the_settings_accept() -> None:
    """With the variables filled in as a deployment would."""
    values = {
        "blobEndpoint": "https://stlineage.blob.core.windows.net/",
        "purviewEndpoint": "https://pview.purview.azure.com",
        "purviewCollection": "",
        "openLineageJobs": "",
        "openLineageOut": "https://marquez.contoso.com/api/v1/lineage",
        "openLineageScope": "api://marquez/.default",
    }
    environ = {name: values.get(value, value) for name, value in _app_settings().items() if isinstance(value, str)}
    environ |= {
        "LINEAGE_WORKSPACES": "/subscriptions/s",
        "LINEAGE_ARM_ENDPOINT": "https://management.azure.com/",  # environment().resourceManager
    }
    settings = Settings.from_env(environ)
    assert settings.arm_endpoint == "https://management.azure.com"


def test_settings_of_host_and_worker_fit_the_app() -> None:
    """The triggers' connection; a thread for each message at once, and some for those who call meanwhile."""
    given = _app_settings()
    assert {f"{CONNECTION}__{member}" for member in ("clientId", "credential", "queueServiceUri")} <= set(given)
    queues = json.loads((ROOT / "host.json").read_text(encoding="utf-8"))["extensions"]["queues"]
    code = "".join(path.read_text(encoding="utf-8") for path in sorted((ROOT / "functions").glob("*.py")))
    messages = code.count("@bp.queue_trigger(") * (queues["batchSize"] + queues["newBatchThreshold"])
    local = json.loads((ROOT / "local.settings.example.json").read_text(encoding="utf-8"))["Values"]
    for settings in (given, local):
        assert int(settings["PYTHON_THREADPOOL_THREAD_COUNT"]) >= messages + CALLERS
    assert "%RECONCILE_SCHEDULE%" in (ROOT / "functions/reconcile.py").read_text(encoding="utf-8")


def test_pages_say_how_much_one_instance_takes() -> None:
    """The cap of instances is chosen by it, and the reasons are given with figures."""
    queues = json.loads((ROOT / "host.json").read_text(encoding="utf-8"))["extensions"]["queues"]
    batch, threshold = queues["batchSize"], queues["newBatchThreshold"]
    threads = _app_settings()["PYTHON_THREADPOOL_THREAD_COUNT"]
    architecture = (ROOT / "docs/architecture.md").read_text(encoding="utf-8")
    assert f"| **{batch}, {threshold}** |" in architecture
    assert f"`PYTHON_THREADPOOL_THREAD_COUNT` is {threads}:" in architecture
    assert (
        f"at most {batch + threshold} messages and sends at most {POOL_SIZE} requests at a time"
        in TEMPLATES["main"].text
    )
    assert f"at most {batch + threshold} messages at once" in PAGE
    interval = int(queues["maxPollingInterval"].removeprefix("00:00:"))
    cost = (ROOT / "docs/cost.md").read_text(encoding="utf-8")
    assert f"+ {60 // interval} a minute for each instance" in cost
    assert f"| **{interval} s** |" in cost


def test_role_assignments_are_those_with_a_reason() -> None:
    """One more needs its reason here and on the page."""
    found = {
        (template.name, name)
        for template, name, kind, _ in resources()
        if kind.startswith("Microsoft.Authorization/roleA")
    }
    assert found == set(ROLES)
    assert TEMPLATES["modules/storage-access"].part("variables")["rolesOf"]["value"] == STORAGE_ROLES
    ids = {role: role_id for template in TEMPLATES.values() for role, role_id in _role_ids(template)}
    assert ids == ROLE_IDS
    for template, name in ROLES:
        assert f"| `{template}.bicep` | `{name}` |" in PAGE


def test_custom_role_only_reads_azure_ml() -> None:
    """No action that shows a key, and nothing but reads."""
    (role,) = of_type("Microsoft.Authorization/roleDefinitions")
    (permissions,) = role["properties"]["permissions"]
    assert permissions["actions"] == [
        "Microsoft.MachineLearningServices/workspaces/read",
        "Microsoft.MachineLearningServices/workspaces/*/read",
    ]
    assert permissions["notActions"] == ["Microsoft.MachineLearningServices/workspaces/metadata/secrets/read"]


@every_template
def test_template_has_no_key_and_no_secret(template: Template) -> None:
    """The one connection string is Application Insights' address, which takes tokens only."""
    text = re.sub(r"APPLICATIONINSIGHTS_CONNECTION_STRING|insights\.properties\.ConnectionString", "", template.text)
    assert not re.search(
        r"listKeys|listAccountSas|listServiceSas|listCredentials|AccountKey|SharedAccess|connection_?string|password"
        r"|administratorLogin|primaryKey|secureString|@secure",
        text,
        re.IGNORECASE,
    )


def test_storage_accounts_take_no_keys_and_no_old_tls() -> None:
    """Neither the app's nor the sample's."""
    for account in of_type("Microsoft.Storage/storageAccounts"):
        properties = account["properties"]
        assert properties["allowSharedKeyAccess"] is False
        assert properties["allowBlobPublicAccess"] is False
        assert properties["minimumTlsVersion"] == "TLS1_2"
        assert properties["supportsHttpsTrafficOnly"] is True


def test_app_takes_no_old_tls_and_no_password() -> None:
    """Neither where it serves nor where it is deployed to."""
    (site,) = of_type("Microsoft.Web/sites")
    assert site["properties"]["httpsOnly"] is True
    assert site["properties"]["siteConfig"]["minTlsVersion"] == "1.2"
    assert site["properties"]["siteConfig"]["scmMinTlsVersion"] == "1.2"
    policies = of_type("Microsoft.Web/sites/basicPublishingCredentialsPolicies")
    assert [(policy["name"], policy["properties"]["allow"]) for policy in policies] == [("ftp", False), ("scm", False)]


def test_telemetry_takes_no_keys() -> None:
    """Neither the component nor the workspace behind it."""
    (component,) = of_type("Microsoft.Insights/components")
    (workspace,) = of_type("Microsoft.OperationalInsights/workspaces")
    assert component["properties"]["DisableLocalAuth"] is True
    assert workspace["properties"]["features"]["disableLocalAuth"] is True


def test_storage_holds_what_the_app_uses() -> None:
    """Under the names that the code has; and what expires is only what was replayed."""
    names = {
        body["name"]
        for kind in ("blobServices/containers", "queueServices/queues", "tableServices/tables")
        for body in of_type(f"Microsoft.Storage/storageAccounts/{kind}")
    }
    used = {
        azure_storage.QUEUE,
        azure_storage.POISON_QUEUE,
        azure_storage.TABLE,
        azure_storage.DEAD_LETTERS,
        azure_storage.UNDELIVERED,
    }
    assert names == used | {"lineage-package", "data"}
    (policy,) = of_type("Microsoft.Storage/storageAccounts/managementPolicies")
    (rule,) = policy["properties"]["policy"]["rules"]
    assert rule["definition"]["filters"]["prefixMatch"] == [
        f"{azure_storage.DEAD_LETTERS}/closed/",
        f"{azure_storage.UNDELIVERED}/replayed/",
    ]


@pytest.mark.parametrize(("name", "destination"), [("toFunction", FUNCTION), ("toQueue", BY_QUEUE)])
def test_setup_makes_the_same_subscription_as_the_template(name: str, destination: str) -> None:
    """One more workspace that is subscribed by hand gets what the others have."""
    template = TEMPLATES["modules/event-subscription"]
    values = {key: item["value"] for key, item in template.part("variables").items()}
    properties = body_of(template.part("resources")[name]["config"])["properties"]
    filled = {key: values.get(value, value) if isinstance(value, str) else value for key, value in properties.items()}
    if destination == BY_QUEUE:  # the parser reads -1 as an operation
        queue = filled["deliveryWithResourceIdentity"]["destination"]["properties"]
        assert queue.pop("queueMessageTimeToLiveInSeconds")["operator"]["type"] == "minus"
        queue["queueMessageTimeToLiveInSeconds"] = -1
    made = build_subscription(Target("${functionAppId}", "storageAccountId", destination)).serialize()["properties"]
    assert filled == made


def test_events_are_filtered_by_type_only_and_kept_if_undelivered() -> None:
    """A filter on `data` would lose events that write their keys otherwise."""
    for body in of_type("Microsoft.EventGrid/systemTopics/eventSubscriptions"):
        assert body["properties"]["filter"] == "byType"
        assert body["properties"]["deadLetterWithResourceIdentity"] == "undelivered"
    by_type = TEMPLATES["modules/event-subscription"].part("variables")["byType"]["value"]
    assert set(by_type) == {"includedEventTypes", "isSubjectCaseSensitive"}


def test_azd_deploys_only_into_its_own_resource_group() -> None:
    """`azd down` deletes every group that main.bicep touches."""
    for name, module in TEMPLATES["main"].part("modules").items():
        assert body_of(module["config"])["scope"] == "group", name


def test_alerts_are_those_of_the_runbook_and_ask_for_metrics_there_are() -> None:
    """By the very name, so that the engineer on call finds the page."""
    runbook = (ROOT / "docs/runbook.md").read_text(encoding="utf-8")
    rules = TEMPLATES["modules/alerts"].part("variables")["rules"]["value"]
    assert {rule["displayName"] for rule in rules} == {
        name.removesuffix(".") for name in re.findall(r"\*\*(Alert: [a-z -]+\.?)\*\*", runbook)
    }
    code = (ROOT / "shared/telemetry.py").read_text(encoding="utf-8")
    queries = TEMPLATES["modules/alerts"].text + (INFRA / "modules/workbook.json").read_text(encoding="utf-8")
    asked = set(re.findall(r'name == \\?"([a-z_.]+)', queries))
    assert asked - {HOST_METRIC} == set(re.findall(r'create_\w+\("([a-z_.]+)"', code))


def test_alert_on_missing_telemetry_asks_for_functions_there_are() -> None:
    """Under the names by which the host counts their runs."""
    handlers = re.findall(r'"(\w+)"', TEMPLATES["modules/alerts"].part("variables")["handlers"]["value"])
    assert handlers
    for name in handlers:
        assert f'@bp.function_name("{name}")' in (ROOT / f"functions/{name}.py").read_text(encoding="utf-8")


def test_app_is_isolated_from_the_workers_packages_where_its_python_needs_it() -> None:
    """Without, the worker for 3.12 and before loads its own azure-functions, which may know no CloudEvent."""
    (site,) = of_type("Microsoft.Web/sites")
    version = tuple(map(int, site["properties"]["functionAppConfig"]["runtime"]["version"].split(".")))
    assert version >= (3, 13) or _app_settings().get("PYTHON_ISOLATE_WORKER_DEPENDENCIES") == "1"
    assert version < (3, 13) or "PYTHON_ISOLATE_WORKER_DEPENDENCIES" not in _app_settings()


def test_host_writes_no_line_for_a_poll() -> None:
    """A queue that is empty would fill the log; an older host lets them pass but for a rule of the very exporter."""
    logging = json.loads((ROOT / "host.json").read_text(encoding="utf-8"))["logging"]
    for levels in (logging["logLevel"], logging["OpenTelemetry"]["logLevel"]):
        assert levels == dict.fromkeys(POLLING, "Warning")


def test_page_lists_every_resource_with_its_source() -> None:
    """`docs/infra.md` says against what each type and version was checked."""
    kinds = {kind for _, _, kind, _ in resources()}
    for template in TEMPLATES.values():
        kinds |= {f"{item['type']}@{item['api_version']}" for item in template.part("resources").values()}
    listed = {
        f"{kind}@{version}" for kind, version in re.findall(r"^\| (Microsoft\.[\w./]+) \| ([\d-]+) \|", PAGE, re.M)
    }
    assert listed == kinds


def test_workbook_is_json() -> None:
    """It goes into the template as text, so nothing else would notice."""
    workbook = json.loads((INFRA / "modules/workbook.json").read_text(encoding="utf-8"))
    assert {item["type"] for item in workbook["items"]} == {1, 3, 9}


def _role_ids(template: Template) -> Iterator[tuple[str, str]]:
    """Yield the built-in roles of a template: by the variable that holds one, or by name from the table."""
    for name, item in template.part("variables").items():
        if name.endswith("Role") and isinstance(item["value"], str):
            yield name, item["value"]
        if name == "roleIds":
            yield from ((role.strip("'"), role_id) for role, role_id in item["value"].items())


def _app_settings() -> dict[str, Any]:
    """Return those that the template sets itself; the switches are merged into them."""
    settings = body_of(TEMPLATES["modules/function-app"].part("resources")["settings"]["config"])
    return dict(settings["properties"]["function"]["parameters"]["arg_2"])


def _options() -> list[click.Parameter]:
    @click.command()
    @deployment_options
    def command(**_: object) -> None: ...

    return command.params
