"""Bad input: a clear message naming the field or setting, an exit code, a dead letter, and a catalog left alone."""

import json
from collections.abc import Callable, Iterator, Mapping

import pytest
from click.testing import CliRunner, Result

from cli import session
from cli.main import cli
from emulator.server import Emulator
from shared.bootstrap import Services
from shared.settings import Settings
from shared.state.ports import DeadLetter
from tests.harness.app import AT_ONCE, WS, App, model_registered, run_completed

Run = Callable[..., Result]


@pytest.fixture
def run(environment: Mapping[str, str], monkeypatch: pytest.MonkeyPatch) -> Run:
    """Run the command line with these settings; messages that come back do so at once."""
    monkeypatch.setattr(session, "DIRECT_REDELIVERY", AT_ONCE)

    def invoke(*arguments: str, stdin: str = "", **settings: str) -> Result:
        return CliRunner().invoke(cli, arguments, input=stdin, env={**environment, **settings})

    return invoke


@pytest.fixture
def untouched(emulator: Emulator, environment: dict[str, str]) -> Iterator[None]:
    """Check that the catalog is the same afterwards."""
    before = emulator.control.state()["purview"]
    yield
    assert emulator.control.state()["purview"] == before


def dead_letters(environment: Mapping[str, str]) -> list[DeadLetter]:
    return list(Services(Settings.from_env(environment)).dead_letters.list_open())


@pytest.mark.usefixtures("untouched")
def test_malformed_json_is_dead_lettered_with_its_raw_body(run: Run, environment: dict[str, str]) -> None:
    """What cannot be read is kept as it came."""
    result = run("replay", "-", "--direct", stdin='{"id": "e1", "topic": ')
    assert result.exit_code == 1
    assert "MalformedEvent: body: is not JSON" in result.stdout
    [letter] = dead_letters(environment)
    assert (letter.reason, letter.body) == ("MalformedEvent", '{"id": "e1", "topic": ')


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize(
    ("missing", "field"), [("topic", "topic"), ("eventTime", "eventTime"), ("data", "data"), ("subject", "subject")]
)
def test_event_without_a_member_is_dead_lettered_naming_it(
    run: Run, environment: dict[str, str], missing: str, field: str
) -> None:
    """The message says which member is missing."""
    event = json.loads(run_completed("creditrisk_train"))
    del event[missing]
    result = run("replay", "-", "--direct", stdin=json.dumps(event))
    assert result.exit_code == 1
    assert f"MalformedEvent: {field}: is missing" in result.stdout
    [letter] = dead_letters(environment)
    assert json.loads(letter.body) == event


@pytest.mark.usefixtures("untouched")
def test_unknown_event_type_is_skipped_with_a_reason(run: Run, environment: dict[str, str]) -> None:
    """New types must not fill the dead letters."""
    event = {**json.loads(run_completed("creditrisk_train")), "eventType": "Microsoft.MachineLearningServices.New"}
    result = run("replay", "-", "--direct", stdin=json.dumps(event))
    assert result.exit_code == 0
    assert "skipped" in result.stdout
    assert "events of type Microsoft.MachineLearningServices.New are not known" in result.stdout
    assert dead_letters(environment) == []


@pytest.mark.usefixtures("untouched")
def test_foreign_workspace_is_dead_lettered_and_no_call_is_made(
    run: Run, environment: dict[str, str], emulator: Emulator
) -> None:
    """The allow-list comes before any request."""
    foreign = "/subscriptions/1/resourceGroups/x/providers/Microsoft.MachineLearningServices/workspaces/y"
    result = run("replay", "-", "--direct", stdin=run_completed("creditrisk_train", workspace=foreign))
    assert result.exit_code == 1
    assert "ForeignWorkspace: topic:" in result.stdout
    assert "LINEAGE_WORKSPACES" in result.stdout
    assert [letter.reason for letter in dead_letters(environment)] == ["ForeignWorkspace"]
    assert emulator.control.requests() == []


@pytest.mark.usefixtures("untouched")
def test_run_that_does_not_exist_is_dead_lettered(run: Run, environment: dict[str, str]) -> None:
    """Azure ML answered 404 long after the event: the run is gone."""
    result = run("replay", "-", "--direct", stdin=run_completed("no_such_run"))
    assert result.exit_code == 1
    assert "RecordNotFound" in result.stdout
    assert [letter.reason for letter in dead_letters(environment)] == ["RecordNotFound"]


@pytest.mark.usefixtures("untouched")
def test_model_that_does_not_exist_is_dead_lettered(run: Run, environment: dict[str, str]) -> None:
    """The same for a model version."""
    result = run("replay", "-", "--direct", stdin=model_registered("no_such_model", "1"))
    assert result.exit_code == 1
    assert "RecordNotFound: model no_such_model:1" in result.stdout
    assert [letter.reason for letter in dead_letters(environment)] == ["RecordNotFound"]


@pytest.mark.usefixtures("untouched")
def test_run_that_never_settles_comes_back_and_is_then_set_aside(
    run: Run, environment: dict[str, str], emulator: Emulator
) -> None:
    """It is tried again, and only then dead-lettered with the last reason."""
    emulator.control.transitions("creditrisk_train", statuses=["Running"])
    result = run("replay", "-", "--direct", stdin=run_completed("creditrisk_train"))
    assert result.exit_code == 1
    assert [line.split()[0] for line in result.stdout.splitlines()[:3]] == ["came-back", "came-back", "dead-lettered"]
    [letter] = dead_letters(environment)
    assert (letter.reason, letter.attempts) == ("RunNotSettled", 3)
    assert "still Running" in letter.detail


@pytest.mark.usefixtures("untouched")
@pytest.mark.parametrize("status", [401, 403])
@pytest.mark.parametrize(
    ("service", "role"), [("azure_ml", "read access to the workspace"), ("purview", "Data Curator on the collection")]
)
def test_denied_access_comes_back_and_is_then_set_aside_naming_the_role(
    run: Run, environment: dict[str, str], emulator: Emulator, service: str, role: str, status: int
) -> None:
    """A role may take minutes to arrive; the message says which one is needed."""
    emulator.control.faults({"service": service, "statuses": [status] * 50})
    result = run("replay", "-", "--direct", stdin=run_completed("creditrisk_train"))
    assert result.exit_code == 1
    assert role in result.stdout
    [letter] = dead_letters(environment)
    assert (letter.reason, letter.attempts) == ("AccessDenied", 3)


def test_entity_the_catalog_refuses_is_dead_lettered_and_its_neighbours_are_written(
    run: Run, environment: dict[str, str], emulator: Emulator
) -> None:
    """One poison entity does not sink the others, and no process is written with an end missing."""
    metrics = f"{WS}/runs/creditrisk_train/metrics"
    emulator.control.switches(refuse=[metrics])
    result = run("replay", "-", "--direct", stdin=run_completed("creditrisk_train"))
    assert result.exit_code == 1
    [letter] = dead_letters(environment)
    assert letter.reason == "EntityRejected"
    assert metrics in letter.detail
    written = {entity["attributes"]["qualifiedName"] for entity in emulator.control.state()["purview"]["entities"]}
    assert metrics not in written
    assert f"{WS}/runs/creditrisk_train/config" in written
    assert f"{WS}/runs/creditrisk_train" not in written

    emulator.control.switches(refuse=[])
    assert run("replay", "-", "--direct", stdin=letter.body).exit_code == 0
    app = App(emulator, Services(Settings.from_env(environment)))
    assert "creditrisk_train -> creditrisk_train metrics" in app.edges(f"{WS}/runs/creditrisk_train")


@pytest.mark.usefixtures("untouched")
def test_catalog_that_is_down_brings_the_message_back_and_then_sets_it_aside(
    run: Run, environment: dict[str, str], emulator: Emulator
) -> None:
    """Every request is retried, every message brought back, and in the end nothing is lost."""
    emulator.control.faults({"service": "purview", "statuses": [503] * 100})
    result = run("replay", "-", "--direct", stdin=run_completed("creditrisk_train"))
    assert result.exit_code == 1
    assert "ServiceUnavailable" in result.stdout
    [letter] = dead_letters(environment)
    assert (letter.reason, letter.attempts) == ("ServiceUnavailable", 3)
    assert "HTTP 503" in letter.detail


@pytest.mark.usefixtures("untouched")
def test_settings_that_are_wrong_are_all_named_at_once(run: Run) -> None:
    """Exit code 2, one line for each."""
    wrong = {"PURVIEW_ENDPOINT": "http://x", "LINEAGE_WORKSPACES": "ws", "LINEAGE_STORAGE": "redis://x"}
    result = run("replay", "-", "--direct", stdin=run_completed("creditrisk_train"), **wrong)
    assert result.exit_code == 2
    for name in ("PURVIEW_ENDPOINT", "LINEAGE_WORKSPACES", "LINEAGE_STORAGE"):
        assert f"{name}:" in result.stderr


def test_emulator_credential_is_refused_for_a_real_endpoint(run: Run) -> None:
    """The fixed token never leaves this machine."""
    result = run("typedefs", "plan", PURVIEW_ENDPOINT="https://contoso.purview.azure.com")
    assert result.exit_code == 2
    assert "LINEAGE_CREDENTIAL" in result.stderr


@pytest.mark.parametrize("arguments", [("replay",), ("replay", "no-such-file.json"), ("nonsense",), ("show",)])
def test_wrong_usage_exits_with_two(run: Run, arguments: tuple[str, ...]) -> None:
    """And says what is wrong on stderr."""
    result = run(*arguments)
    assert result.exit_code == 2
    assert result.stderr


@pytest.mark.parametrize("name", ["no_such_model", "no_such_model:3", "azureml://no/such"])
def test_asset_that_does_not_exist_is_named(run: Run, name: str) -> None:
    """`show` says which name it looked for."""
    result = run("show", name)
    assert result.exit_code == 1
    assert name in result.stderr


def test_name_in_two_workspaces_is_answered_with_both_qualified_names(
    run: Run, emulator: Emulator, environment: dict[str, str]
) -> None:
    """It is unknown which one is meant."""
    emulator.control.use("two-workspaces")
    workspaces = ",".join(emulator.services.azure_ml.workspace_ids())
    run("replay", "emulator/scenarios/two-workspaces/events", "--direct", LINEAGE_WORKSPACES=workspaces)
    run("show", "churn_model")  # search catches up
    result = run("show", "churn_model")
    assert result.exit_code == 2
    assert "workspaces/ws-east/models/churn_model" in result.stderr
    assert "workspaces/ws-west/models/churn_model" in result.stderr


def test_qualified_name_may_be_written_as_azure_writes_it(run: Run) -> None:
    """Azure prints `resourceGroups`; names compare workspaces without regard to case."""
    run("replay", "-", "--direct", stdin=run_completed("creditrisk_train"))
    shown = run(
        "show",
        f"{WS.replace('resourcegroups', 'resourceGroups').replace('ws-credit', 'WS-Credit')}/runs/creditrisk_train",
    )
    assert shown.stdout.splitlines()[0] == f"{WS}/runs/creditrisk_train"


@pytest.mark.parametrize("stdin", ["", "  ", "[]"])
def test_input_without_an_event_is_wrong_usage(run: Run, environment: dict[str, str], stdin: str) -> None:
    """Nothing is enqueued, nothing dead-lettered."""
    assert run("replay", "-", "--direct", stdin=stdin).exit_code == 2
    assert dead_letters(environment) == []


def test_forced_replay_fills_a_catalog_that_was_emptied(run: Run, emulator: Emulator) -> None:
    """Whatever the ledger believes, from a step's event too."""
    events = "emulator/scenarios/credit-risk/events"
    run("replay", events, "--direct")
    full = emulator.control.state()["purview"]["entities"]
    emulator.control.reset()
    assert run("replay", events, "--direct", "--force").exit_code == 1  # one event is malformed
    again = emulator.control.state()["purview"]["entities"]
    assert {item["attributes"]["qualifiedName"] for item in again} == {
        item["attributes"]["qualifiedName"] for item in full
    }


@pytest.mark.usefixtures("untouched")
def test_dry_run_shows_what_would_be_written_and_writes_nothing(run: Run, environment: dict[str, str]) -> None:
    """Entities and how each place was matched, in the plan only."""
    result = run("replay", "emulator/scenarios/credit-risk/events", "--dry-run", "--json")
    assert result.exit_code == 1  # the malformed one
    plans = [json.loads(line) for line in result.stdout.splitlines()]
    assert len(plans) == 17
    preprocess = plans[0]
    assert preprocess["matches"]["https://contosolake.dfs.core.windows.net/credit/raw/loan.csv"] == "exact"
    assert {"custom_ml_experiment_step", "azure_blob_path"} <= {item["typeName"] for item in preprocess["entities"]}
    assert plans[-1]["error"] == "MalformedEvent"
    assert dead_letters(environment) == []


def test_replay_without_direct_enqueues(run: Run, environment: dict[str, str], emulator: Emulator) -> None:
    """The events wait for a publisher; no request is made."""
    result = run("replay", "emulator/scenarios/credit-risk/events/02-run-completed-train.json")
    assert result.exit_code == 0
    assert "1 event is on the queue" in result.stdout
    assert emulator.control.requests() == []
    assert Services(Settings.from_env(environment)).queue.count() == 1
