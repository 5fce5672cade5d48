"""What the catalog port promises of labels and classifications, so that the fake can be trusted."""

from collections.abc import Callable
from pathlib import Path

import pytest

from emulator.server import Emulator
from shared.catalog.entities import Entity, Found, Ref, attributes
from shared.catalog.qualified_names import QualifiedName
from shared.ports import Catalog
from tests.harness.app import App
from tests.harness.fakes import FakeCatalog

Classify = Callable[[str, str], None]
NAMES = [QualifiedName(f"azureml://{name}") for name in ("raw", "made", "other")]


@pytest.fixture(params=["fake", "emulator"])
def catalog_and_classify(
    request: pytest.FixtureRequest, emulator: Emulator, tmp_path: Path
) -> tuple[Catalog, Classify]:
    """Data from which other data was made, and some that has nothing to do with it; and a way to classify."""
    raw, made, other = (Ref("custom_dataset", name) for name in NAMES)
    step = Ref("ProcessWithColumnMapping", QualifiedName("azureml://step"))
    entities = [Entity(ref, attributes(ref.qualified_name)) for ref in (raw, made, other)]
    entities.append(Entity(step, attributes("step"), inputs=(raw,), outputs=(made,)))
    if request.param == "fake":
        fake = FakeCatalog()
        fake.upsert_entities(entities)

        def classify(name: str, classification: str) -> None:
            fake.classifications[QualifiedName(name)] = (classification,)

        return fake, classify
    services = App.on(emulator, tmp_path / "state.sqlite").services
    services.catalog.upsert_entities(entities)
    definition = {"name": "X.SECRET", "category": "CLASSIFICATION"}
    services.purview.upload_typedefs({"classificationDefs": [definition]})

    def classify_there(name: str, classification: str) -> None:
        found = services.catalog.find([QualifiedName(name)])[QualifiedName(name)]
        services.purview.classify_entity(found.guid, [{"typeName": classification}])

    return services.catalog, classify_there


def find(catalog: Catalog, name: QualifiedName) -> Found:
    return catalog.find([name])[name]


def test_classifications_are_those_of_an_entity_and_of_all_upstream(
    catalog_and_classify: tuple[Catalog, Classify],
) -> None:
    """Not those of what is made of it."""
    catalog, classify = catalog_and_classify
    raw, made, other = NAMES
    assert catalog.get_classifications_above(find(catalog, made)) == frozenset()
    classify(raw, "X.SECRET")
    assert catalog.get_classifications_above(find(catalog, made)) == {"X.SECRET"}
    assert catalog.get_classifications_above(find(catalog, raw)) == {"X.SECRET"}
    assert catalog.get_classifications_above(find(catalog, other)) == frozenset()


def test_labels_are_added_and_taken_away_one_by_one(catalog_and_classify: tuple[Catalog, Classify]) -> None:
    """The others stay."""
    catalog, _ = catalog_and_classify
    catalog.add_labels(find(catalog, NAMES[0]), ["one", "two"])
    catalog.add_labels(find(catalog, NAMES[0]), ["three"])
    catalog.remove_label(find(catalog, NAMES[0]), "two")
    assert set(find(catalog, NAMES[0]).labels) == {"one", "three"}
