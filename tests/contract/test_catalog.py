"""What the catalog port promises, so that the fake of the unit tests can be trusted."""

from pathlib import Path

import pytest

from emulator.server import Emulator
from shared.catalog.entities import UNSCANNED, Entity, Ref, attributes
from shared.catalog.qualified_names import QualifiedName
from shared.errors import LeaseHeldError
from shared.ports import Catalog
from tests.harness.app import App
from tests.harness.fakes import FakeCatalog

REFUSED = "azureml://refused"


def ref(name: str, type_name: str = "custom_dataset") -> Ref:
    return Ref(type_name, QualifiedName(f"azureml://{name}"))


def dataset(name: str, **values: str) -> Entity:
    return Entity(ref(name), attributes(name, **values))


def process(name: str, inputs: list[str], outputs: list[str]) -> Entity:
    return Entity(
        ref(name, "ProcessWithColumnMapping"),
        attributes(name),
        inputs=tuple(ref(item) for item in inputs),
        outputs=tuple(ref(item) for item in outputs),
    )


@pytest.fixture(params=["fake", "emulator"])
def catalog(request: pytest.FixtureRequest, emulator: Emulator, tmp_path: Path) -> Catalog:
    """Every implementation in turn; each refuses one entity."""
    if request.param == "fake":
        return FakeCatalog(refuse=[REFUSED])
    emulator.control.switches(refuse=[REFUSED])
    return App.on(emulator, tmp_path / "state.sqlite").services.catalog


def test_nothing_is_written_once_what_is_called_before_each_request_raises(catalog: Catalog) -> None:
    """A worker that has lost its turn stops between two requests."""

    def lost() -> None:
        raise LeaseHeldError("lost")

    with pytest.raises(LeaseHeldError):
        catalog.upsert_entities([dataset("a")], before_each=lost)
    assert catalog.find([QualifiedName("azureml://a")]) == {}


def test_entity_is_found_by_name_once_it_is_written(catalog: Catalog) -> None:
    """With its type and guid; other names are left out."""
    written = catalog.upsert_entities([dataset("a")])
    found = catalog.find([QualifiedName("azureml://a"), QualifiedName("azureml://unknown")])
    assert {name: (item.ref, item.guid) for name, item in found.items()} == {
        "azureml://a": (ref("a"), written.guids[QualifiedName("azureml://a")])
    }


def test_look_up_by_a_type_finds_nothing_of_another(catalog: Catalog) -> None:
    """What a scan made is not a placeholder of the same name; a type that is not there has no entities."""
    catalog.upsert_entities([dataset("a")])
    name = QualifiedName("azureml://a")
    assert set(catalog.find([name], type_name="custom_dataset")) == {name}
    assert catalog.find([name], type_name="azure_file") == {}
    assert catalog.find([name], type_name="no_such_type") == {}


def test_columns_of_data_are_those_of_its_schema(catalog: Catalog) -> None:
    """Two data sets may share one; data without a schema, and data that is not there, are left out."""
    schema = Ref("tabular_schema", QualifiedName("azureml://schema"))
    columns = [
        Entity(Ref("column", QualifiedName(f"azureml://schema#{name}")), attributes(name), {"composeSchema": schema})
        for name in ("id", "Höhe #1")
    ]
    described = [Entity(ref(name), attributes(name), {"tabular_schema": schema}) for name in ("a", "b")]
    catalog.upsert_entities([*described, dataset("c"), Entity(schema, attributes("schema")), *columns])
    names = [QualifiedName(f"azureml://{name}") for name in "abcd"]
    assert catalog.get_columns(names) == {names[0]: ("Höhe #1", "id"), names[1]: ("Höhe #1", "id")}


def test_entity_is_linked_as_long_as_a_process_names_it(catalog: Catalog) -> None:
    """An orphan is one that none does."""
    catalog.upsert_entities([dataset("a"), dataset("b"), dataset("c"), process("p", ["a"], ["b"])])
    found = catalog.find([QualifiedName(f"azureml://{name}") for name in "abc"])
    assert {name: catalog.is_linked(item) for name, item in found.items()} == {
        "azureml://a": True,
        "azureml://b": True,
        "azureml://c": False,
    }


def test_nothing_asked_is_nothing_found(catalog: Catalog) -> None:
    """And no error."""
    assert catalog.find([]) == {}


def test_entities_may_come_in_any_order_and_refer_to_what_was_there_before(catalog: Catalog) -> None:
    """The process comes first, one of its ends was written earlier."""
    catalog.upsert_entities([dataset("a")])
    written = catalog.upsert_entities([process("p", ["a"], ["b"]), dataset("b")])
    assert not written.rejections
    found = catalog.find([QualifiedName("azureml://p")])
    assert found[QualifiedName("azureml://p")].outputs == (ref("b"),)


def test_process_written_again_has_the_outputs_of_the_last_time(catalog: Catalog) -> None:
    """A list is the whole truth."""
    catalog.upsert_entities([dataset("a"), dataset("b"), dataset("c"), process("p", ["a"], ["b"])])
    catalog.upsert_entities([process("p", ["a"], ["c"])])
    assert catalog.find([QualifiedName("azureml://p")])[QualifiedName("azureml://p")].outputs == (ref("c"),)


def test_labels_are_found(catalog: Catalog) -> None:
    """Our placeholders are known by them."""
    catalog.upsert_entities([Entity(ref("a"), attributes("a"), labels=(UNSCANNED,))])
    assert catalog.find([QualifiedName("azureml://a")])[QualifiedName("azureml://a")].labels == (UNSCANNED,)


def test_refused_entity_and_what_needs_it_are_named_and_the_others_written(catalog: Catalog) -> None:
    """No process is written with an end missing."""
    written = catalog.upsert_entities(
        [dataset("a"), dataset("refused"), dataset("b"), process("p", ["refused"], ["b"]), process("q", ["a"], ["b"])]
    )
    assert set(written.rejections) == {"azureml://refused", "azureml://p"}
    assert set(written.guids) == {"azureml://a", "azureml://b", "azureml://q"}
    assert all(written.rejections.values())


def test_reference_to_nothing_is_refused(catalog: Catalog) -> None:
    """There are no shells."""
    written = catalog.upsert_entities([dataset("b"), process("p", ["nowhere"], ["b"])])
    assert set(written.rejections) == {"azureml://p"}
