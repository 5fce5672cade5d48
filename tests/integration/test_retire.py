"""`lineage retire-accelerator` removes what the accelerator wrote, `lineage retire` what Azure ML deleted; no more."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import pytest
from click.testing import CliRunner, Result

from cli.admin.retire import PREFIX, list_types
from cli.main import cli as lineage
from shared.catalog.qualified_names import QualifiedName
from shared.purview.catalog import PurviewCatalog
from tests.harness.app import WORKSPACE, WS, App

Run = Callable[..., Result]


@pytest.fixture
def app(start_app: Callable[[str], App]) -> App:
    """The accelerator's catalog with our lineage beside it."""
    app = start_app("accelerator")
    app.replay()
    app.services.catalog.search("anything")  # the index lags one question behind what is written
    return app


@pytest.fixture
def run(app: App) -> Run:
    """Run the command on that catalog."""
    environ = app.emulator.environment()
    return lambda *arguments, input=None: CliRunner().invoke(
        lineage, ["retire-accelerator", *arguments], env=environ, input=input, catch_exceptions=False
    )


def active(app: App) -> dict[str, dict[str, Any]]:
    """Return the active entities by qualifiedName."""
    entities = app.emulator.control.state()["purview"]["entities"]
    return {str(each["attributes"]["qualifiedName"]): each for each in entities if each["status"] == "ACTIVE"}


def label(app: App, name: str) -> None:
    """Label an entity of the accelerator, as a steward would."""
    client, guid = app.services.catalog._client, active(app)[f"{PREFIX}{name}"]["guid"]
    client.put(f"/entity/guid/{guid}/labels", ["golden"])


def of_accelerator(app: App) -> list[str]:
    return sorted(name for name in active(app) if name.startswith(PREFIX))


def test_dry_run_counts_and_deletes_nothing(run: Run, app: App) -> None:
    """By type, as it would be deleted."""
    before = active(app)
    result = run("--dry-run")
    assert result.exit_code == 0
    assert "    2 custom_ml_dataset\n" in result.output
    listed = json.loads(run("--dry-run", "--json").stdout)
    assert sorted(each["qualifiedName"] for each in listed["delete"]) == of_accelerator(app)
    assert listed["keep"] == []
    assert active(app) == before


def test_everything_of_the_accelerator_goes_and_all_else_stays(run: Run, app: App) -> None:
    """Ours share its types; the second run finds nothing."""
    ours = {name: each["guid"] for name, each in active(app).items() if not name.startswith(PREFIX)}
    assert run("--yes").exit_code == 0
    assert {name: each["guid"] for name, each in active(app).items()} == ours
    assert "Nothing of the accelerator is left." in run("--dry-run").output


def test_what_people_wrote_on_is_kept_until_they_say_so(run: Run, app: App) -> None:
    """A steward's label and description would be gone for good."""
    label(app, "creditrisk_model")
    result = run("--yes")
    assert f"kept  {PREFIX}creditrisk_model (custom_ml_model) has labels" in result.output
    assert of_accelerator(app) == [f"{PREFIX}creditrisk_model"]
    assert run("--yes", "--annotated").exit_code == 0
    assert of_accelerator(app) == []


def test_what_contains_something_kept_is_kept_with_it(run: Run, app: App) -> None:
    """Deleting a datastore deletes its datasets, and deleting a workspace its datastores."""
    label(app, "BorrowerData")
    result = run("--yes")
    kept = [f"{PREFIX}{name}" for name in ("BorrowerData", "creditrisk-aml", "workspaceblobstore")]
    assert of_accelerator(app) == kept
    assert f"kept  {PREFIX}workspaceblobstore (custom_ml_datastore) has to do with {kept[0]}" in result.output


def test_schema_of_what_is_kept_is_kept_with_it(run: Run, app: App) -> None:
    """What a steward described has columns, too."""
    label(app, "LoanData")
    run("--yes")
    assert {f"{PREFIX}LoanData_tabular_schema", f"{PREFIX}LoanData#loanAmount"} < set(of_accelerator(app))


def test_what_hangs_on_nothing_of_the_accelerators_is_left_alone(run: Run, app: App) -> None:
    """Others use the library that it was written with, and name their schemas alike."""
    theirs = {
        "typeName": "tabular_schema",
        "guid": "-1",
        "attributes": {"qualifiedName": f"{PREFIX}sap_extract#schema", "name": "schema"},
    }
    client = app.services.catalog._client
    client._post_http(f"{client.endpoint_url}/entity/bulk", json={"entities": [theirs]})
    app.services.catalog.search("anything")
    result = run("--yes")
    assert f"not sure whose  {PREFIX}sap_extract#schema" in result.output
    assert of_accelerator(app) == [f"{PREFIX}sap_extract#schema"]


def test_index_that_still_has_what_was_deleted_does_not_mislead(
    run: Run, app: App, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The second run finds nothing although search goes on showing it all."""
    before = {name: list(app.services.catalog.list_of_type(name)) for name in list_types()}
    assert run("--yes").exit_code == 0
    monkeypatch.setattr(PurviewCatalog, "list_of_type", lambda _, name: iter(before[name]))
    assert "Nothing of the accelerator is left." in run("--yes").output


def test_without_a_yes_it_asks_and_no_deletes_nothing(run: Run, app: App) -> None:
    """There is no way back."""
    before = of_accelerator(app)
    result = run(input="n\n")
    assert result.exit_code == 1
    assert f"Delete these {len(before)} entities?" in result.output
    assert of_accelerator(app) == before


def test_json_without_an_answer_is_refused(run: Run) -> None:
    """It could not ask."""
    result = run("--json")
    assert result.exit_code == 2
    assert "--dry-run or --yes" in result.output


def test_catalog_without_leftovers_is_reported(start_app: Callable[[str], App]) -> None:
    """Most catalogs never saw the accelerator."""
    environ = start_app("credit-risk").emulator.environment()
    result = CliRunner().invoke(lineage, ["retire-accelerator", "--yes"], env=environ)
    assert (result.exit_code, result.output) == (0, "Nothing of the accelerator is left.\n")


TRAIN, OTHER = f"{WS}/runs/creditrisk_train", f"{WS}/runs/cccccccc-0000-4000-8000-000000000003"
MODEL = f"{WS}/models/creditrisk_model/versions/2"


@pytest.fixture
def deleted(start_app: Callable[[str], App]) -> App:
    """All of a workspace is published; then a run and a model version were deleted, and a tick has looked."""
    app = start_app("credit-risk")
    app.replay()
    app.emulator.control.delete("jobs", "creditrisk_train")
    app.emulator.control.delete("models", "creditrisk_model", "2")
    app.tick()
    return app


@pytest.fixture
def retire(deleted: App) -> Run:
    """Run the command on its catalog and its ledger."""
    environ = deleted.emulator.environment(f"sqlite:///{deleted.services.settings.storage}")
    environ["LINEAGE_WORKSPACES"] = WORKSPACE
    return lambda *arguments, input=None: CliRunner().invoke(
        lineage, ["retire", "--deleted", *arguments], env=environ, input=input, catch_exceptions=False
    )


def known(app: App, name: str) -> str | None:
    """Return the mark that the ledger has, None if it has no such row."""
    row = app.services.ledger.get_rows([QualifiedName(name)]).get(QualifiedName(name))
    return row.status if row else None


def age(app: App, days: int) -> None:
    """Let the ledger be so many days old."""
    database = app.services.state.ledger._database  # type: ignore[attr-defined]
    with database.transaction() as connection:
        for key, text in connection.execute("SELECT key, updated_at FROM rows").fetchall():
            before = datetime.fromisoformat(text) - timedelta(days=days)
            connection.execute("UPDATE rows SET updated_at = ? WHERE key = ?", (before.isoformat(), key))


def test_what_azure_ml_deleted_is_marked_first_and_removed_when_the_mark_is_old(deleted: App, retire: Run) -> None:
    """The app has marked the model; of a run nothing else finds out. Everything else stays, also without a question."""
    before = active(deleted)
    age(deleted, 100)
    shown = json.loads(retire("--dry-run", "--json").stdout)
    assert shown == {"marked": [TRAIN], "remove": [MODEL], "keep": {}}
    assert active(deleted) == before
    result = retire(input="n\n")
    assert (result.exit_code, "Aborted" in result.output) == (1, True), result.output
    assert (known(deleted, TRAIN), deleted.entity(TRAIN)["attributes"]["state"]) == ("Deleted", "Deleted")
    assert before.keys() == active(deleted).keys()
    assert json.loads(retire("--yes", "--json").stdout)["remove"] == [MODEL]
    assert before.keys() - active(deleted).keys() == {MODEL}
    age(deleted, 100)
    assert json.loads(retire("--yes", "--json").stdout)["remove"] == [TRAIN]
    assert before.keys() - active(deleted).keys() == {MODEL, TRAIN}
    assert (known(deleted, MODEL), known(deleted, TRAIN)) == (None, None)
    assert known(deleted, OTHER) == "Completed"
    deleted.tick()
    assert before.keys() - active(deleted).keys() == {MODEL, TRAIN}
    assert json.loads(retire("--yes", "--json").stdout) == {"marked": [], "remove": [], "keep": {}}


def test_what_a_person_wrote_on_is_retired_only_if_asked_for(deleted: App, retire: Run) -> None:
    """A label of ours was written by no person."""
    client = deleted.services.catalog._client
    client.put(f"/entity/guid/{deleted.entity(TRAIN)['guid']}/labels", ["golden"])
    client.put(f"/entity/guid/{deleted.entity(MODEL)['guid']}/labels", ["upstream_PERSONAL"])
    shown = json.loads(retire("--older-than", "0", "--yes", "--json").stdout)
    assert (shown["remove"], shown["keep"]) == ([MODEL], {TRAIN: ["labels"]})
    assert f"kept  {TRAIN} has labels" in retire("--older-than", "0").output
    assert json.loads(retire("--older-than", "0", "--yes", "--json", "--annotated").stdout)["remove"] == [TRAIN]
    assert TRAIN not in active(deleted)


def test_what_another_worker_holds_is_left_and_named_and_the_rest_is_retired(deleted: App, retire: Run) -> None:
    """One that cannot be removed keeps no other from it."""
    retire("--older-than", "0", "--dry-run")
    leases = deleted.services.state.leases
    assert leases.acquire(MODEL, holder="another", duration=timedelta(minutes=1))
    result = retire("--older-than", "0", "--yes")
    assert result.exit_code == 1
    assert f"left  {MODEL}: LeaseHeld" in result.output
    assert "1 removed." in result.output
    assert TRAIN not in active(deleted)
    assert MODEL in active(deleted)
    leases.release([MODEL], holder="another")
    assert retire("--older-than", "0", "--yes").exit_code == 0
    assert MODEL not in active(deleted)


def test_run_that_was_published_again_meanwhile_is_not_retired(deleted: App) -> None:
    """Its row says so, whatever was read before."""
    row = deleted.services.ledger.get_rows([QualifiedName(OTHER)])[QualifiedName(OTHER)]
    assert not deleted.services.publisher.retire(replace(row, status="Deleted"))
    assert OTHER in active(deleted)
