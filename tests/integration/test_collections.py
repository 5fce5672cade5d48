"""Purview's collections: new entities go to ours, and what a steward has moved stays where it is."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from emulator.server import Emulator
from emulator.tokens import DEFAULT_PRINCIPAL
from shared.bootstrap import Services
from shared.catalog.entities import Entity, Ref, attributes
from shared.catalog.qualified_names import QualifiedName
from shared.errors import AccessDeniedError
from shared.settings import Settings
from tests.harness.app import WS, App, outcomes, run_completed

TRAIN = run_completed("creditrisk_train")
STEP, PANDAS = f"{WS}/runs/creditrisk_train", f"{WS}/environments/creditrisk-env/versions/3#pandas"
OURS, THEIRS, ROOT = "lineage", "credit", "purview-credit"


def app_of(emulator: Emulator, storage: Path) -> App:
    """Start the app whose new entities go to our collection, with a ledger of its own."""
    environ = {**emulator.environment(f"sqlite:///{storage}"), "PURVIEW_COLLECTION": OURS}
    return App(emulator, Services(Settings.from_env(environ)))


@pytest.fixture
def app(emulator: Emulator, tmp_path: Path) -> App:
    emulator.control.use("credit-risk")
    return app_of(emulator, tmp_path / "first.sqlite")


def collection_of(app: App, name: str) -> str:
    return str(app.entity(name)["collectionId"])


def move(app: App, *names: str) -> None:
    """Move entities as a steward does in the portal."""
    client = app.services.purview
    for name in names:
        entity = app.entity(name)
        parents = {name: end for name, end in entity["relationshipAttributes"].items() if isinstance(end, dict)}
        document: Any = {
            "typeName": entity["typeName"],
            "guid": entity["guid"],
            "attributes": {each: entity["attributes"][each] for each in ("qualifiedName", "name")},
            "relationshipAttributes": {name: {"guid": end["guid"]} for name, end in parents.items()},
        }
        client.write_entities([document], collection=THEIRS)


def may_write_only_ours(app: App) -> None:
    """Let the app read everything and write into our collection only."""
    app.emulator.control.roles(DEFAULT_PRINCIPAL, ROOT, "purview-reader")
    app.emulator.control.roles(DEFAULT_PRINCIPAL, OURS, "data-curator")
    app.emulator.control.switches(enforce_permissions=True)


def dataset(name: str, **values: str) -> Entity:
    return Entity(Ref("custom_dataset", QualifiedName(f"azureml://{name}")), attributes(name, **values))


def named(entities: Iterable[Entity]) -> list[QualifiedName]:
    return [entity.ref.qualified_name for entity in entities]


def test_new_entities_go_to_our_collection(app: App) -> None:
    """In as few requests as without one, but for the question which of them are new."""
    app.services.catalog.apply_types(app.services.catalog.plan_types())
    assert outcomes(app.replay([TRAIN])) == ["published"]
    assert {collection_of(app, name) for name in (STEP, PANDAS, WS)} == {OURS}
    assert app.writes() == 1


def test_what_a_steward_has_moved_stays_where_it_is(app: App, tmp_path: Path) -> None:
    """Whatever we write of it: by force, and with a ledger that knows nothing of it."""
    app.replay([TRAIN])
    move(app, STEP, PANDAS)
    app.services.ledger.forget_tree(QualifiedName(STEP))
    app.services.ledger.forget_fingerprints([QualifiedName(PANDAS)])
    assert outcomes(app.replay([TRAIN])) == ["published"]
    again = app_of(app.emulator, tmp_path / "second.sqlite")
    assert outcomes(again.replay([TRAIN])) == ["published"]
    assert [collection_of(app, name) for name in (STEP, PANDAS, WS)] == [THEIRS, THEIRS, OURS]


def test_changed_entities_that_we_wrote_before_cost_no_look_up(app: App) -> None:
    """The ledger knows that the catalog has them."""
    catalog, entities = app.services.catalog, [dataset("a"), dataset("b")]
    catalog.upsert_entities(entities)
    move(app, "azureml://a")
    app.emulator.control.clear_requests()
    changed = [dataset(name, description="new") for name in "ab"]
    catalog.upsert_entities(changed, known=named(changed))
    assert [request.method for request in app.emulator.control.requests("purview")] == ["POST"]
    assert [collection_of(app, f"azureml://{name}") for name in "ab"] == [THEIRS, OURS]


def test_entity_that_a_person_deleted_is_made_again_in_our_collection(app: App) -> None:
    """The ledger still knows it, so that it is not asked for."""
    catalog, entities = app.services.catalog, [dataset("a"), dataset("b")]
    written = catalog.upsert_entities(entities)
    catalog.remove_entities([written.guids[QualifiedName("azureml://a")]])
    assert not catalog.upsert_entities(entities, known=named(entities)).rejections
    assert [collection_of(app, f"azureml://{name}") for name in "ab"] == [OURS, OURS]


def test_one_entity_that_may_not_be_written_is_named_and_the_rest_is_written(app: App) -> None:
    """A steward has moved it to a collection that is not ours to write."""
    catalog = app.services.catalog
    entities = [dataset(f"{number:02}") for number in range(50)]
    catalog.upsert_entities(entities)
    move(app, "azureml://17")
    may_write_only_ours(app)
    changed = [dataset(entity.attributes["name"], description="new") for entity in entities]  # type: ignore[arg-type]
    written = catalog.upsert_entities(changed, known=named(changed))
    assert set(written.rejections) == {"azureml://17"}
    assert len(written.guids) == 49
    assert (
        "description" not in app.entity("azureml://17")["attributes"]
        or not (app.entity("azureml://17")["attributes"]["description"])
    )
    assert app.entity("azureml://49")["attributes"]["description"] == "new"


def test_run_with_an_entity_that_may_not_be_written_is_published_but_for_that(app: App) -> None:
    """Its dead letter names the entity; it does not wait for a day with all that belongs to it."""
    app.replay([TRAIN])
    move(app, PANDAS)
    may_write_only_ours(app)
    app.services.ledger.forget_tree(QualifiedName(STEP))
    app.services.ledger.forget_fingerprints([QualifiedName(PANDAS)])
    [report] = app.replay([TRAIN])
    assert report.outcome.outcome == "dead_lettered"
    assert PANDAS in report.outcome.reason
    assert STEP not in report.outcome.reason.replace(PANDAS, "")
    row = app.services.ledger.get_rows([QualifiedName(STEP)])[QualifiedName(STEP)]
    assert row.outcome == "published"


def test_role_that_has_not_arrived_yet_brings_the_message_back(app: App) -> None:
    """No entity is to blame where nothing at all may be written, and no request for each is spent to find out."""
    app.services.catalog.apply_types(app.services.catalog.plan_types())
    app.emulator.control.roles(DEFAULT_PRINCIPAL, ROOT, "purview-reader")
    app.emulator.control.switches(enforce_permissions=True)
    app.emulator.control.clear_requests()
    first = next(iter(app.deliver([TRAIN])))
    assert (first.outcome.outcome, "AccessDenied" in first.outcome.reason) == ("came_back", True)
    assert app.writes() <= 8
    with pytest.raises(AccessDeniedError, match="azureml://a"):
        app.services.catalog.upsert_entities([dataset("a")])
