"""Classifications of source data, as they travel to models, endpoints and predictions."""

import json
from collections.abc import Callable
from dataclasses import replace

import pytest

from questions.origin import find_origin
from questions.walk import Walker
from shared.catalog.qualified_names import QualifiedName
from shared.publishing.plan import PUBLISHED
from tests.harness.app import WS, App, model_registered, outcomes, run_completed
from tests.worlds.openlineage_events import data, run_event, with_jobs

LOAN = "https://contosolake.dfs.core.windows.net/credit/raw/loan.csv"
SCORED = "https://contosolake.dfs.core.windows.net/credit/scored_by_spark"
MODEL, ENDPOINT = f"{WS}/models/creditrisk_model/versions/2", f"{WS}/endpoints/creditrisk-endpoint"
PREDICTIONS = f"{WS}/data/creditrisk_predictions/versions/1"
EMAIL, NAME = "MICROSOFT.PERSONAL.EMAIL", "MICROSOFT.PERSONAL.NAME"


@pytest.fixture
def classified(start_app: Callable[[str], App]) -> App:
    """The loans are classified, and one of the borrowers' columns is; labels are asked for."""
    app = start_app("credit-risk")
    app.services.settings = replace(app.services.settings, classification_labels=True)
    client = app.services.purview
    client.upload_typedefs(
        {"classificationDefs": [{"name": name, "category": "CLASSIFICATION"} for name in (EMAIL, NAME)]}
    )
    classify(app, LOAN, EMAIL)
    return app


def classify(app: App, name: str, classification: str) -> None:
    """Classify as a scan or a steward does."""
    app.services.purview.classify_entity(guid_of(app, name), [{"typeName": classification}])


def guid_of(app: App, name: str) -> str:
    return app.services.catalog.find([QualifiedName(name)])[QualifiedName(name)].guid


def labels(app: App, name: str) -> set[str]:
    return {each for each in app.entity(name)["labels"] if each.startswith("upstream_")}


def test_model_endpoint_and_predictions_are_labelled_with_what_they_were_made_of(classified: App) -> None:
    """And the data itself, the run and its settings are not."""
    classified.replay()
    for name in (MODEL, ENDPOINT, PREDICTIONS):
        assert labels(classified, name) == {"upstream_MICROSOFT_PERSONAL_EMAIL"}, name
    entities = classified.emulator.control.state()["purview"]["entities"]
    labelled = {
        each["attributes"]["qualifiedName"] for each in entities if any("upstream" in x for x in each["labels"])
    }
    assert {MODEL, ENDPOINT, PREDICTIONS} < labelled
    assert not [name for name in labelled if "/runs/" in name or name == LOAN]


def test_what_an_openlineage_run_writes_that_reads_a_model_is_labelled(classified: App) -> None:
    """A model that Spark scores with leads to predictions as one that Azure ML scores with does."""
    classified.replay()
    app = with_jobs(classified, labels="on")
    scored = run_event(
        "COMPLETE", inputs=[data("models/creditrisk_model/versions/2", namespace=WS)], outputs=[data("scored_by_spark")]
    )
    assert outcomes(app.replay([json.dumps(scored)])) == [PUBLISHED]
    assert labels(app, SCORED) == {"upstream_MICROSOFT_PERSONAL_EMAIL"}


def test_nothing_is_labelled_unless_the_setting_says_so(classified: App) -> None:
    """Labels on people's assets are not everybody's wish."""
    classified.services.settings = replace(classified.services.settings, classification_labels=False)
    classified.replay()
    assert labels(classified, MODEL) == set()


def test_a_later_classification_arrives_with_a_tick_and_one_that_is_taken_back_leaves(classified: App) -> None:
    """A scan classifies when it likes; a steward's own label stays."""
    classified.replay()
    classified.services.catalog.add_labels(
        classified.services.catalog.find([QualifiedName(MODEL)])[QualifiedName(MODEL)], ["reviewed"]
    )
    classify(classified, LOAN.replace("loan", "borrower"), NAME)
    classified.services.purview.declassify_entity(guid_of(classified, LOAN), EMAIL)
    classified.services.reconciler.tick()
    for name in (MODEL, ENDPOINT):
        assert labels(classified, name) == {"upstream_MICROSOFT_PERSONAL_NAME"}
    assert "reviewed" in classified.entity(MODEL)["labels"]


def test_labels_that_cannot_be_set_bring_the_message_back_and_are_set_in_the_end(classified: App) -> None:
    """The catalog is written and nothing is noted until the labels are there too."""
    classified.replay([run_completed("creditrisk_preprocess")])
    classified.emulator.control.faults(
        {"service": "purview", "method": "PUT", "path": "/labels", "statuses": [503] * 4}
    )
    reports = classified.replay([model_registered("creditrisk_model", "2")])
    assert outcomes(reports) == ["came_back", "published"]
    assert labels(classified, MODEL) == {"upstream_MICROSOFT_PERSONAL_EMAIL"}


def test_origin_names_the_classified_data_and_a_column_counts_for_its_table(classified: App) -> None:
    """A scan classifies columns; what is asked is which data."""
    borrower = LOAN.replace("loan", "borrower")
    add_classified_column(classified, borrower, NAME)
    classified.replay()
    answer = find_origin(Walker(classified.services.lineage), guid_of(classified, ENDPOINT))
    found = {each.classification: [str(asset.qualified_name) for asset in each.data] for each in answer.classified}
    assert found == {EMAIL: [LOAN], NAME: [borrower]}


def add_classified_column(app: App, file: str, classification: str) -> None:
    """Give a file a schema with one classified column, as a scan does."""
    schema = {
        "typeName": "tabular_schema",
        "guid": "-1",
        "attributes": {"qualifiedName": f"{file}#schema", "name": "s"},
    }
    column = {
        "typeName": "column",
        "guid": "-2",
        "attributes": {"qualifiedName": f"{file}#schema//memberName", "name": "memberName", "type": "string"},
        "relationshipAttributes": {"composeSchema": {"guid": "-1", "typeName": "tabular_schema"}},
        "classifications": [{"typeName": classification}],
    }
    described = {
        "typeName": "azure_datalake_gen2_path",
        "guid": "-3",
        "attributes": {"qualifiedName": file, "name": file.rpartition("/")[2]},
        "relationshipAttributes": {"tabular_schema": {"guid": "-1", "typeName": "tabular_schema"}},
    }
    app.services.purview.upload_entities([schema, column, described])
