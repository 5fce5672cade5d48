"""Settings: every app setting is read, and every bad one is named, all at once, at start."""

from collections.abc import Mapping
from pathlib import Path

import pytest
import trustme

from shared.catalog.downstream import parse_downstream
from shared.errors import ConfigurationError
from shared.settings import Azurite, Settings, StorageAccount, wants_application_insights
from tests.unit.examples import ARM_ID

LOOPBACK = {"PURVIEW_ENDPOINT": "https://127.0.0.1:8443", "LINEAGE_ARM_ENDPOINT": "https://localhost:8444"}


DOWNSTREAM = "- {asset: scores, dataset: https://app.powerbi.com/groups/g/datasets/d}"


def mapping(path: Path, text: str = DOWNSTREAM) -> Path:
    """Write a mapping to Power BI."""
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """The settings that must be there."""
    return {
        "PURVIEW_ENDPOINT": "https://acct.purview.azure.com",
        "LINEAGE_WORKSPACES": ARM_ID,
        "LINEAGE_STORAGE": f"sqlite:///{tmp_path}/lineage.sqlite",
    }


def problems(environ: Mapping[str, str]) -> tuple[str, ...]:
    with pytest.raises(ConfigurationError) as refused:
        Settings.from_env(environ)
    return refused.value.problems


def test_required_settings_are_enough(environ: dict[str, str], tmp_path: Path) -> None:
    """Everything else has a default that suits Azure."""
    assert Settings.from_env(environ, app=tmp_path) == Settings(
        purview_endpoint="https://acct.purview.azure.com",
        workspaces=(ARM_ID,),
        storage=tmp_path / "lineage.sqlite",
        purview_collection="",
        arm_endpoint="https://management.azure.com",
        credential="default",
        ca_bundle=None,
    )


def test_every_setting_is_read(environ: dict[str, str], tmp_path: Path) -> None:
    """None of them is a word in the documentation only."""
    bundle = tmp_path / "ca.pem"
    trustme.CA().cert_pem.write_to_path(str(bundle))
    every = {
        **environ,
        **LOOPBACK,
        "PURVIEW_COLLECTION": "ml",
        "LINEAGE_CREDENTIAL": "emulator",
        "LINEAGE_CA_BUNDLE": str(bundle),
        "LINEAGE_OWNERS": "on",
        "LINEAGE_INFER_COLUMNS": "on",
        "LINEAGE_CLASSIFICATION_LABELS": "on",
        "LINEAGE_DOWNSTREAM": str(mapping(tmp_path / "bi.yaml")),
        "LINEAGE_OPENLINEAGE_JOBS": " synapse-credit , https://adb-1.azuredatabricks.net/*,",
        "LINEAGE_SCANNERS": "ServiceAdmin, 11111111-2222-3333-4444-555555555555",
        "LINEAGE_RETENTION_DAYS": "400",
        "LINEAGE_OPENLINEAGE_OUT": "https://marquez.contoso.com/api/v1/lineage",
        "LINEAGE_OPENLINEAGE_SCOPE": "api://marquez/.default",
    }
    assert Settings.from_env(every) == Settings(
        purview_endpoint="https://127.0.0.1:8443",
        workspaces=(ARM_ID,),
        storage=tmp_path / "lineage.sqlite",
        purview_collection="ml",
        arm_endpoint="https://localhost:8444",
        credential="emulator",
        ca_bundle=str(bundle),
        owners=True,
        infer_columns=True,
        classification_labels=True,
        downstream=parse_downstream(DOWNSTREAM, "bi.yaml"),
        openlineage_jobs=("synapse-credit", "https://adb-1.azuredatabricks.net/*"),
        scanners=("ServiceAdmin", "11111111-2222-3333-4444-555555555555"),
        retention_days=400,
        openlineage_out="https://marquez.contoso.com/api/v1/lineage",
        openlineage_scope="api://marquez/.default",
    )


@pytest.mark.parametrize("value", ["29", "-1", "1.5", "a year", "99999999999"])
def test_retention_that_is_no_number_of_days_is_refused(environ: dict[str, str], value: str) -> None:
    """Nothing is forgotten by mistake; what is young may still be asked for."""
    with pytest.raises(ConfigurationError) as caught:
        Settings.from_env({**environ, "LINEAGE_RETENTION_DAYS": value})
    assert "LINEAGE_RETENTION_DAYS" in str(caught.value)


def test_unknown_settings_are_ignored(environ: dict[str, str]) -> None:
    """An environment is full of other people's variables."""
    assert Settings.from_env({**environ, "PATH": "/bin", "LINEAGE_SOMETHING": "x"}) == Settings.from_env(environ)


@pytest.mark.parametrize("name", ["PURVIEW_ENDPOINT", "LINEAGE_WORKSPACES", "LINEAGE_STORAGE"])
@pytest.mark.parametrize("value", [None, "", "   "], ids=["absent", "empty", "blank"])
def test_required_setting_that_is_not_set_is_named_once(environ: dict[str, str], name: str, value: str | None) -> None:
    """One sentence for one setting, beginning with its name and saying what to give."""
    del environ[name]
    if value is not None:
        environ[name] = value
    (problem,) = problems(environ)
    assert problem.startswith(f"{name}: is not set; give ")


def test_every_problem_is_reported_at_once() -> None:
    """No one wants to deploy seven times to find seven mistakes."""
    environ = {
        "PURVIEW_ENDPOINT": "acct.purview.azure.com",
        "LINEAGE_WORKSPACES": "ws-ml",
        "LINEAGE_STORAGE": "lineage.sqlite",
        "LINEAGE_ARM_ENDPOINT": "management.azure.com",
        "LINEAGE_CREDENTIAL": "secret",
        "LINEAGE_CA_BUNDLE": "/nowhere/ca.pem",
        "LINEAGE_OWNERS": "yes",
        "LINEAGE_INFER_COLUMNS": "yes",
        "LINEAGE_CLASSIFICATION_LABELS": "yes",
        "LINEAGE_DOWNSTREAM": "/nowhere/downstream.yaml",
        "LINEAGE_OPENLINEAGE_JOBS": "synapse-credit, *",
        "LINEAGE_OPENLINEAGE_OUT": "marquez.contoso.com",
        "LINEAGE_OPENLINEAGE_SCOPE": "api://marquez/.default",
    }
    assert [problem.partition(":")[0] for problem in problems(environ)] == list(environ)


def test_error_text_names_every_problem_on_a_line_of_its_own() -> None:
    """What is printed at start is enough to fix it."""
    with pytest.raises(ConfigurationError) as refused:
        Settings.from_env({})
    lines = str(refused.value).splitlines()
    assert [line.partition(":")[0] for line in lines] == ["PURVIEW_ENDPOINT", "LINEAGE_WORKSPACES", "LINEAGE_STORAGE"]


@pytest.mark.parametrize("name", ["PURVIEW_ENDPOINT", "LINEAGE_ARM_ENDPOINT"])
@pytest.mark.parametrize(
    "value",
    [
        "http://acct.purview.azure.com",
        "acct.purview.azure.com",
        "https://",
        "https:///path",
        "https://acct.purview.azure.com/datamap/api",
        "https://acct.purview.azure.com?x=1",
        "https://acct.purview.azure.com#x",
        "https://acct.purview.azure.com:port",
        "https://user:password@acct.purview.azure.com",
        "https://[acct",
    ],
)
def test_endpoint_that_is_no_base_url_is_refused(environ: dict[str, str], name: str, value: str) -> None:
    """The API's path is ours to add, and a slip shows now and not with the first event."""
    (problem,) = problems({**environ, name: value})
    assert problem.startswith(f"{name}: ")


@pytest.mark.parametrize("name", ["PURVIEW_ENDPOINT", "LINEAGE_ARM_ENDPOINT"])
def test_trailing_slash_and_blanks_around_an_endpoint_do_not_matter(environ: dict[str, str], name: str) -> None:
    """A portal shows it with a slash, a paste adds a blank."""
    settings = Settings.from_env({**environ, name: " https://host.example.com/ "})
    assert "https://host.example.com" in (settings.purview_endpoint, settings.arm_endpoint)


def test_allow_list_takes_workspaces_groups_and_subscriptions(environ: dict[str, str]) -> None:
    """Prefixes of ARM ids, separated by commas."""
    text = f" {ARM_ID} , /subscriptions/s/resourceGroups/g,/SUBSCRIPTIONS/s, "
    settings = Settings.from_env({**environ, "LINEAGE_WORKSPACES": text})
    assert settings.workspaces == (ARM_ID, "/subscriptions/s/resourceGroups/g", "/SUBSCRIPTIONS/s")


@pytest.mark.parametrize(
    "value", ["ws-ml", "*", "/", "/subscriptions", "/subscriptions/", "/resourceGroups/g", ",", ", ,"]
)
def test_allow_list_that_would_accept_all_or_none_is_refused(environ: dict[str, str], value: str) -> None:
    """An empty prefix is everybody's workspace; an empty list sets every event aside."""
    (problem,) = problems({**environ, "LINEAGE_WORKSPACES": value})
    assert problem.startswith("LINEAGE_WORKSPACES: ")


def test_every_bad_entry_of_the_allow_list_is_named(environ: dict[str, str]) -> None:
    """One problem each."""
    found = problems({**environ, "LINEAGE_WORKSPACES": f"one,{ARM_ID},two"})
    assert ["'one'" in found[0], "'two'" in found[1], len(found)] == [True, True, 2]


@pytest.mark.parametrize(
    "value", ["lineage.sqlite", "postgres://x", "sqlite:///", "sqlite:///nowhere/to/be/found.sqlite"]
)
def test_storage_that_is_not_known_is_refused(environ: dict[str, str], value: str) -> None:
    """A typing error must not silently become a new, empty ledger."""
    (problem,) = problems({**environ, "LINEAGE_STORAGE": value})
    assert problem.startswith("LINEAGE_STORAGE: ")


@pytest.mark.parametrize(
    ("value", "storage"),
    [
        ("azurite", Azurite()),
        ("azurite:20000", Azurite(20_000)),
        ("stlineage", StorageAccount("https://stlineage.blob.core.windows.net")),
        ("https://stlineage.blob.core.windows.net/", StorageAccount("https://stlineage.blob.core.windows.net")),
        ("https://st.blob.core.chinacloudapi.cn", StorageAccount("https://st.blob.core.chinacloudapi.cn")),
    ],
)
def test_storage_in_azure_is_an_account_or_azurite(environ: dict[str, str], value: str, storage: object) -> None:
    """A sovereign cloud's account is named by its blob endpoint."""
    assert Settings.from_env({**environ, "LINEAGE_STORAGE": value}).storage == storage


@pytest.mark.parametrize(
    "value", ["azurite:", "azurite:x", "azurite:65534", "https://stlineage.queue.core.windows.net"]
)
def test_storage_in_azure_that_is_misspelt_is_refused(environ: dict[str, str], value: str) -> None:
    """The two ports after the first must exist, and the endpoint must be the blobs'."""
    (problem,) = problems({**environ, "LINEAGE_STORAGE": value})
    assert problem.startswith("LINEAGE_STORAGE: ")


def test_storage_that_is_a_folder_is_refused(environ: dict[str, str], tmp_path: Path) -> None:
    """SQLite would say no more than that it cannot open it."""
    (problem,) = problems({**environ, "LINEAGE_STORAGE": f"sqlite:///{tmp_path}"})
    assert problem.startswith("LINEAGE_STORAGE: ")


def test_ca_bundle_that_is_not_there_is_refused(environ: dict[str, str], tmp_path: Path) -> None:
    """Before the first request fails for a reason that is hard to understand."""
    (problem,) = problems({**environ, "LINEAGE_CA_BUNDLE": str(tmp_path)})
    assert problem == f"LINEAGE_CA_BUNDLE: there is no file {tmp_path}"


@pytest.mark.parametrize(
    "content", ["", "not a certificate", "-----BEGIN CERTIFICATE-----\nx\n-----END CERTIFICATE-----"]
)
def test_ca_bundle_without_a_certificate_is_refused(environ: dict[str, str], tmp_path: Path, content: str) -> None:
    """A file of another kind would make every request fail, saying nothing of the setting."""
    bundle = tmp_path / "ca.pem"
    bundle.write_text(content)
    (problem,) = problems({**environ, "LINEAGE_CA_BUNDLE": str(bundle)})
    assert problem.startswith("LINEAGE_CA_BUNDLE: ")


def test_mapping_beside_host_json_is_read_without_a_setting(environ: dict[str, str], tmp_path: Path) -> None:
    """A deployment sends it along; there is nothing more to do."""
    mapping(tmp_path / "downstream.yaml")
    found = Settings.from_env(environ, app=tmp_path).downstream
    assert found == parse_downstream(DOWNSTREAM, "downstream.yaml")


def test_every_mistake_of_the_mapping_is_named_with_the_setting(environ: dict[str, str], tmp_path: Path) -> None:
    """At start, not with the first run that it would have linked."""
    bad = mapping(tmp_path / "bi.yaml", "- {asset: scores}\n- {asset: 1, dataset: x}")
    found = problems({**environ, "LINEAGE_DOWNSTREAM": str(bad)})
    assert [": ".join(problem.split(": ")[:3]) for problem in found] == [
        "LINEAGE_DOWNSTREAM: entry 1 of bi.yaml: dataset",
        "LINEAGE_DOWNSTREAM: entry 2 of bi.yaml: asset",
        "LINEAGE_DOWNSTREAM: entry 2 of bi.yaml: dataset",
    ]


def test_unknown_credential_is_refused(environ: dict[str, str]) -> None:
    """There are two."""
    (problem,) = problems({**environ, "LINEAGE_CREDENTIAL": "Default"})
    assert problem == "LINEAGE_CREDENTIAL: 'Default' is not one of default, emulator"


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "[::1]", "localhost", "LOCALHOST"])
def test_emulator_credential_is_accepted_on_this_machine(environ: dict[str, str], host: str) -> None:
    """With any loopback address."""
    local = {"PURVIEW_ENDPOINT": f"https://{host}:1", "LINEAGE_ARM_ENDPOINT": f"https://{host}:2"}
    settings = Settings.from_env({**environ, **local, "LINEAGE_CREDENTIAL": "emulator"})
    assert settings.credential == "emulator"


@pytest.mark.parametrize(
    "remote",
    [
        "https://acct.purview.azure.com",
        "https://localhost.example.com",
        "https://127.0.0.1.example.com",
        "https://127.0.0.1@example.com",
        "https://10.0.0.1",
        "https://0.0.0.0",
    ],
)
@pytest.mark.parametrize("name", ["PURVIEW_ENDPOINT", "LINEAGE_ARM_ENDPOINT"])
def test_emulator_credential_is_refused_where_any_endpoint_is_elsewhere(
    environ: dict[str, str], name: str, remote: str
) -> None:
    """A fixed token never leaves this machine."""
    found = problems({**environ, **LOOPBACK, name: remote, "LINEAGE_CREDENTIAL": "emulator"})
    assert any(problem.startswith("LINEAGE_CREDENTIAL: 'emulator' is only for an emulator") for problem in found)


def test_emulator_credential_is_refused_with_the_default_endpoint(environ: dict[str, str]) -> None:
    """Forgetting LINEAGE_ARM_ENDPOINT would send the fixed token to Azure."""
    local = {"PURVIEW_ENDPOINT": "https://127.0.0.1:1", "LINEAGE_CREDENTIAL": "emulator"}
    (problem,) = problems({**environ, **local})
    assert problem.startswith("LINEAGE_CREDENTIAL: ")


def test_console_beside_the_workers_own_export_is_refused(environ: dict[str, str]) -> None:
    """Everything would be sent twice."""
    console = {"LINEAGE_TELEMETRY": "console"}
    for yes in ("true", "1", "Yes"):
        (problem,) = problems({**environ, **console, "PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY": yes})
        assert problem.startswith("LINEAGE_TELEMETRY: 'console'")
    off = {"PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY": "false"}
    assert Settings.from_env({**environ, **console, **off}).telemetry == "console"


@pytest.mark.parametrize(
    ("address", "exports", "wanted"),
    [
        ("", "true", False),
        ("InstrumentationKey=k", "true", True),
        ("InstrumentationKey=k", " T", True),
        ("InstrumentationKey=k", "", True),
        ("InstrumentationKey=k", "false", False),
        ("InstrumentationKey=k", "0", False),
    ],
)
def test_telemetry_is_wanted_where_it_has_an_address_and_is_not_refused(
    address: str, exports: str, wanted: bool
) -> None:
    """A portal that connects an app to Application Insights sets the address and nothing else."""
    environ = {
        "APPLICATIONINSIGHTS_CONNECTION_STRING": address,
        "PYTHON_APPLICATIONINSIGHTS_ENABLE_TELEMETRY": exports,
    }
    assert wants_application_insights(environ) is wanted


@pytest.mark.parametrize(
    "value",
    [
        "console",
        "https://marquez.contoso.com",
        "https://marquez.contoso.com:8443/api/v1/lineage",
        "http://127.0.0.1:5000/api/v1/lineage",
        "http://localhost:5000",
        "file:///{folder}/events.jsonl",
    ],
)
def test_openlineage_goes_to_the_log_a_file_or_a_receiver(environ: dict[str, str], tmp_path: Path, value: str) -> None:
    """And nowhere if it is not set."""
    value = value.replace("/{folder}", str(tmp_path))
    assert Settings.from_env({**environ, "LINEAGE_OPENLINEAGE_OUT": value}).openlineage_out == value
    assert Settings.from_env(environ).openlineage_out == ""


@pytest.mark.parametrize(
    "value",
    [
        "stdout",
        "events.jsonl",
        "file://events.jsonl",
        "file:///nowhere/to/be/found/events.jsonl",
        "file:///",
        "http://marquez.contoso.com",
        "https://",
        "https://user:secret@marquez.contoso.com/api",
        "https://marquez.contoso.com/api?key=secret",
        "https://marquez.contoso.com/api#secret",
        "http://localhost@marquez.contoso.com/",
        "ftp://localhost/x",
    ],
)
def test_openlineage_to_anything_else_is_refused(environ: dict[str, str], value: str) -> None:
    """Lineage leaves over TLS, and a setting that is shown in portals holds no secret; nor does the complaint."""
    (problem,) = problems({**environ, "LINEAGE_OPENLINEAGE_OUT": value})
    assert problem.startswith("LINEAGE_OPENLINEAGE_OUT: ")
    assert "secret" not in problem


@pytest.mark.parametrize("out", ["", "console", "http://localhost:5000"])
def test_scope_without_a_receiver_over_tls_is_refused(environ: dict[str, str], out: str) -> None:
    """A token does not travel in the clear, and one without a receiver is a mistake."""
    scoped = {**environ, "LINEAGE_OPENLINEAGE_OUT": out, "LINEAGE_OPENLINEAGE_SCOPE": "api://x/.default"}
    (problem,) = problems(scoped)
    assert problem.startswith("LINEAGE_OPENLINEAGE_SCOPE: ")
