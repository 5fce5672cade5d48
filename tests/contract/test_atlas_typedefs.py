"""What the Atlas API does with type definitions: raw requests, raw answers."""

from typing import Any

import pytest

from emulator.server import Emulator
from tests.contract.atlas import Atlas, composition, entity_type


def test_one_bad_definition_keeps_all_out(atlas: Atlas) -> None:
    """Definitions are stored together or not at all."""
    body = {"entityDefs": [entity_type("fine"), entity_type("bad", parents=("nope",))]}
    assert atlas.refused("POST", "/types/typedefs", body)[1] == "ATLAS-400-00-029"
    assert atlas.refused("GET", "/types/entitydef/name/fine")[:2] == (404, "ATLAS-404-00-001")


def test_types_may_come_in_any_order(atlas: Atlas) -> None:
    """A child may stand before its parent, and the answer has all six arrays."""
    body = {"entityDefs": [entity_type("child", parents=("parent",)), entity_type("parent")]}
    answer = atlas.ok("POST", "/types/typedefs", body)
    assert {name: len(items) for name, items in answer.items() if items} == {"entityDefs": 2}
    assert len(answer) == 6
    assert atlas.ok("GET", "/types/typedef/name/parent")["subTypes"] == ["child"]
    names = [item["name"] for item in atlas.ok("GET", "/types/typedefs/headers", supertype="parent")]
    assert names == ["child"]


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"endDef1": {"type": "DataSet", "name": "a", "cardinality": "SET"}}, "ATLAS-400-00-031"),
        ({"relationshipCategory": "ASSOCIATION"}, "ATLAS-400-00-030"),
        ({"endDef2": {"type": "DataSet", "name": "b", "isContainer": True}}, "ATLAS-400-00-02D"),
        ({"endDef2": {"type": "DataSet", "name": "b", "cardinality": "SET"}}, "ATLAS-400-00-033"),
        ({"endDef2": {"type": "DataSet", "name": "b", "cardinality": "LIST"}}, "ATLAS-400-00-034"),
        ({"endDef2": {"name": "b"}}, "ATLAS-400-00-02B"),
        ({"endDef2": {"type": "nope", "name": "b"}}, "ATLAS-400-00-029"),
    ],
)
def test_bad_relationship_definition_is_refused(atlas: Atlas, change: dict[str, Any], code: str) -> None:
    """The rules about containers and cardinalities, one by one."""
    good = composition("r", "DataSet", "a", "DataSet", "b")
    assert atlas.refused("POST", "/types/typedefs", {"relationshipDefs": [{**good, **change}]})[1] == code


def test_relationship_definition_keeps_its_ends_and_category(shelves: Atlas) -> None:
    """An update may not turn a relationship into another one."""
    stored = shelves.ok("GET", "/types/relationshipdef/name/shelf_books")
    for change, code in (
        ({"endDef1": {**stored["endDef1"], "name": "volumes"}}, "ATLAS-400-00-037"),
        ({"endDef2": {**stored["endDef2"], "name": "rack"}}, "ATLAS-400-00-038"),
        ({"relationshipCategory": "AGGREGATION"}, "ATLAS-400-00-039"),
    ):
        body = {"relationshipDefs": [{**stored, **change}]}
        assert shelves.refused("PUT", "/types/typedefs", body)[1] == code
    assert shelves.ok("PUT", "/types/typedefs", {"relationshipDefs": [stored]})["relationshipDefs"][0]["version"] == 2
    child = shelves.ok("GET", "/types/typedef/name/book")["relationshipAttributeDefs"]
    assert next(item for item in child if item["name"] == "shelf")["isOptional"] is False
    assert shelves.refused("DELETE", "/types/typedef/name/shelf")[:2] == (409, "ATLAS-409-00-005")


def test_accelerator_types_may_grow_although_they_could_not_be_made_today(atlas: Atlas, emulator: Emulator) -> None:
    """A definition that declares an inherited attribute again is kept, can be added to, and cannot be new."""
    emulator.control.use("accelerator")
    stored = atlas.ok("GET", "/types/entitydef/name/custom_ml_model")
    assert "name" in [item["name"] for item in stored["attributeDefs"]]
    added = {"name": "stage", "typeName": "string", "isOptional": True}
    grown = {**stored, "attributeDefs": [*stored["attributeDefs"], added]}
    atlas.ok("PUT", "/types/typedefs", {"entityDefs": [grown]})
    assert atlas.refused("PUT", "/types/typedefs", {"entityDefs": [entity_type("custom_ml_model", added)]})[1] == (
        "ATLAS-400-00-00D"
    )
    twin = {**stored, "name": "custom_ml_twin", "guid": None}
    assert atlas.refused("POST", "/types/typedefs", {"entityDefs": [twin]})[1] == "ATLAS-400-00-09E"


def test_accelerator_scenario_holds_its_lineage(atlas: Atlas, emulator: Emulator) -> None:
    """The step it wrote leads from two datasets to one."""
    emulator.control.use("accelerator")
    name = {"attr:qualifiedName": "pyapacheatlas://prepared_data"}
    drawn = atlas.ok("GET", "/lineage/uniqueAttribute/type/DataSet", **name, direction="INPUT")
    names = {item["displayText"] for item in drawn["guidEntityMap"].values()}
    assert names == {"BorrowerData", "LoanData", "PrepareData", "prepared_data"}
