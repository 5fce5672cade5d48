"""Labels for classified data upstream."""

import pytest

from shared.catalog.entities import Entity, Ref, attributes
from shared.catalog.qualified_names import QualifiedName
from shared.publishing.labels import ClassificationLabels, label_of, list_labelled
from tests.harness.fakes import FakeCatalog

DATA, MODEL = Ref("custom_dataset", QualifiedName("data")), Ref("custom_ml_model", QualifiedName("model"))
PREDICTIONS, METRICS = (
    Ref("custom_dataset", QualifiedName("predictions")),
    Ref("custom_ml_model_metrics", QualifiedName("metrics")),
)


def entity(ref: Ref, *, labels: tuple[str, ...] = ()) -> Entity:
    return Entity(ref, attributes(ref.qualified_name), labels=labels)


def run(name: str, inputs: tuple[Ref, ...], outputs: tuple[Ref, ...]) -> Entity:
    ref = Ref("custom_ml_experiment_step", QualifiedName(name))
    return Entity(ref, attributes(name), inputs=inputs, outputs=outputs)


TRAIN, SCORE = run("train", (DATA,), (MODEL, METRICS)), run("score", (MODEL,), (PREDICTIONS, METRICS))


@pytest.fixture
def catalog() -> FakeCatalog:
    """Data that became a model that became predictions."""
    catalog = FakeCatalog()
    catalog.upsert_entities([entity(DATA), entity(MODEL), entity(METRICS), entity(PREDICTIONS), TRAIN, SCORE])
    return catalog


def test_labels_of_long_names_differ_where_the_names_do() -> None:
    """Fifty characters at most, none of which Atlas refuses."""
    long = "MICROSOFT.GOVERNMENT.COUNTRY.TAX_IDENTIFICATION_NUMBER"
    labels = {label_of(f"{long}.{end}") for end in ("A", "B")}
    assert len(labels) == 2
    assert all(len(label) == 50 and label.replace("_", "").replace("-", "").isalnum() for label in labels)


def test_models_endpoints_and_what_a_model_predicts_are_labelled() -> None:
    """Neither source data nor metrics."""
    endpoint = Ref("custom_ml_model_endpoint", QualifiedName("endpoint"))
    listed = list_labelled([entity(DATA), TRAIN, entity(MODEL), SCORE, entity(METRICS), entity(endpoint)])
    assert set(listed) == {"model", "predictions", "endpoint"}


def test_labels_follow_what_is_upstream(catalog: FakeCatalog) -> None:
    """One more appears, one that does not hold any more goes, a steward's stays."""
    catalog.entities[PREDICTIONS.qualified_name] = entity(PREDICTIONS, labels=("upstream_old", "reviewed"))
    catalog.classifications[DATA.qualified_name] = ("X.NEW",)
    ClassificationLabels(catalog).refresh([PREDICTIONS.qualified_name])
    assert set(catalog.entities[PREDICTIONS.qualified_name].labels) == {"upstream_X_NEW", "reviewed"}


def test_labels_that_are_right_cost_no_write(catalog: FakeCatalog) -> None:
    """A tick goes over all models again and again."""
    catalog.classifications[DATA.qualified_name] = ("X",)
    labels = ClassificationLabels(catalog)
    labels.refresh([MODEL.qualified_name])
    before = catalog.calls.count("label")
    labels.refresh([MODEL.qualified_name])
    assert catalog.calls.count("label") == before == 1
