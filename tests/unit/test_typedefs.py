"""Type definitions: ours can be installed beside whatever a catalog already has, and nothing is ever taken away."""

from collections.abc import Mapping
from typing import Any

import pytest
import yaml

from shared.catalog.kinds import CONTAINMENTS, Kind, list_ours
from shared.purview.types import TypePlan, plan_types
from tests.unit.installed_types import BUILT_IN, EMULATOR, INHERITED

ACCELERATOR = yaml.safe_load((EMULATOR / "scenarios/accelerator/purview.yaml").read_text())["typedefs"][0]

Definition = dict[str, Any]


each_type = pytest.mark.parametrize("kind", list_ours(), ids=lambda kind: kind.type_name)


def applied(existing: Mapping[str, Any], plan: TypePlan) -> dict[str, Any]:
    """Return a catalog's types after a plan: created ones beside, updated ones in place."""
    updates = {item["name"]: item for item in plan.update_entities}
    kept = [updates.get(item["name"], item) for item in existing.get("entityDefs") or []]
    relationships = existing.get("relationshipDefs") or []
    return {
        "entityDefs": [*kept, *plan.create_entities],
        "relationshipDefs": [*relationships, *plan.create_relationships],
    }


def definition(name: str, plan: TypePlan) -> Definition:
    return next(item for item in (*plan.create_entities, *plan.update_entities) if item["name"] == name)


@each_type
def test_process_type_has_a_column_mapping(kind: Kind) -> None:
    """Purview reads column lineage from that attribute alone, and not from the base Process."""
    assert ("columnMapping" in kind.attributes) == (kind.super_type == "Process")


@each_type
def test_type_is_data_or_a_process(kind: Kind) -> None:
    """Anything else does not show in the lineage graph."""
    assert kind.super_type in ("DataSet", "Process")


@each_type
def test_attribute_is_optional_text(kind: Kind) -> None:
    """A required attribute could never be added to an existing type, and the accelerator left strings behind."""
    created = definition(kind.type_name, plan_types({}))
    assert {attribute["name"] for attribute in created["attributeDefs"]} == set(kind.attributes)
    for attribute in created["attributeDefs"]:
        assert (attribute["typeName"], attribute["isOptional"], attribute["valuesMinCount"]) == ("string", True, 0)


@each_type
def test_nothing_inherited_is_declared_again(kind: Kind) -> None:
    """Newer Atlas refuses a definition that redeclares `name` or `description`."""
    assert not INHERITED[kind.super_type] & set(kind.attributes)


@each_type
def test_no_attribute_has_the_name_of_a_relationship_end(kind: Kind) -> None:
    """One name on a type is one thing."""
    ends = {item.children_attribute for item in CONTAINMENTS if item.parent_type == kind.type_name}
    ends |= {item.parent_attribute for item in CONTAINMENTS if item.child_type == kind.type_name}
    assert not ends & {*kind.attributes, *INHERITED[kind.super_type]}


@each_type
def test_type_is_declared_once_with_each_attribute_once(kind: Kind) -> None:
    """A slip of the pen that Atlas would answer with an obscure refusal."""
    assert [item.type_name for item in list_ours()].count(kind.type_name) == 1
    assert len(set(kind.attributes)) == len(kind.attributes)


@each_type
def test_type_belongs_to_our_service(kind: Kind) -> None:
    """So that Purview groups it when people browse by source type."""
    assert definition(kind.type_name, plan_types({}))["serviceType"] == "Custom ML"


def test_empty_catalog_gets_all_types_and_relationships() -> None:
    """Everything is created, nothing updated."""
    plan = plan_types({})
    assert {item["name"] for item in plan.create_entities} == {kind.type_name for kind in list_ours()}
    assert {item["name"] for item in plan.create_relationships} == {item.name for item in CONTAINMENTS}
    assert (plan.update_entities, plan.changes) == ((), {})


def test_containment_is_a_composition_with_its_container_first() -> None:
    """Swapped ends are a permanent refusal."""
    created = {item["name"]: item for item in plan_types({}).create_relationships}
    for wanted in CONTAINMENTS:
        one = created[wanted.name]
        assert one["relationshipCategory"] == "COMPOSITION"
        assert (one["endDef1"]["type"], one["endDef1"]["name"]) == (wanted.parent_type, wanted.children_attribute)
        assert (one["endDef2"]["type"], one["endDef2"]["name"]) == (wanted.child_type, wanted.parent_attribute)
        assert (one["endDef1"]["cardinality"], one["endDef1"]["isContainer"]) == ("SET", True)
        assert (one["endDef2"]["cardinality"], one["endDef2"]["isContainer"]) == ("SINGLE", False)


@pytest.mark.parametrize("existing", [{}, ACCELERATOR, {"entityDefs": BUILT_IN}], ids=["empty", "accelerator", "new"])
def test_plan_applied_twice_is_empty_the_second_time(existing: Mapping[str, Any]) -> None:
    """Types are installed once; after that a start costs a look and no write."""
    once = applied(existing, plan_types(existing))
    assert plan_types(once).is_empty
    assert plan_types(once).changes == {}


def test_types_of_others_are_left_alone() -> None:
    """A catalog has hundreds of types; a plan is about ours."""
    plan = plan_types({"entityDefs": BUILT_IN})
    ours = {kind.type_name for kind in list_ours()}
    assert {item["name"] for item in (*plan.create_entities, *plan.update_entities)} <= ours


def test_accelerators_types_are_kept_and_ours_added_beside() -> None:
    """Every definition of the accelerator's catalog survives, with all its attributes, options and supertypes."""
    plan = plan_types(ACCELERATOR)
    after = {item["name"]: item for item in applied(ACCELERATOR, plan)["entityDefs"]}
    assert {kind.type_name for kind in list_ours()} <= set(after)
    for before in ACCELERATOR["entityDefs"]:
        now = after[before["name"]]
        assert now["attributeDefs"][: len(before["attributeDefs"])] == before["attributeDefs"]
        assert set(now["superTypes"]) >= set(before["superTypes"])
        assert now.get("options") == before.get("options")


def test_only_what_the_accelerator_lacks_is_created() -> None:
    """Its relationships are ours; only our two processes are new."""
    plan = plan_types(ACCELERATOR)
    created = {item["name"] for item in plan.create_entities}
    assert created == {"custom_ml_deployment", "custom_ml_dataset_registration"}
    assert plan.create_relationships == ()


def test_every_update_says_in_words_what_it_adds() -> None:
    """A person reads the plan before it is applied."""
    plan = plan_types(ACCELERATOR)
    assert set(plan.changes) == {item["name"] for item in plan.update_entities}
    assert "attribute columnMapping" in plan.changes["custom_ml_experiment_step"]
    assert all(plan.changes.values())


def test_type_of_an_existing_attribute_wins() -> None:
    """Atlas refuses a changed attribute type; values are coerced instead."""
    number = {"name": "version", "typeName": "int", "isOptional": False}
    existing = {"name": "custom_ml_model", "superTypes": ["DataSet"], "attributeDefs": [number]}
    merged = definition("custom_ml_model", plan_types({"entityDefs": [existing]}))
    assert [item for item in merged["attributeDefs"] if item["name"] == "version"] == [number]


def test_service_type_of_an_existing_type_wins() -> None:
    """A person chose where it is browsed."""
    existing = {"name": "custom_dataset", "superTypes": ["DataSet"], "attributeDefs": [], "serviceType": "Ours"}
    assert definition("custom_dataset", plan_types({"entityDefs": [existing]}))["serviceType"] == "Ours"


@pytest.mark.parametrize("absent", [None, []])
def test_existing_type_without_attributes_or_supertypes_is_completed(absent: object) -> None:
    """The catalog may answer null or an empty list."""
    existing = {"name": "custom_dataset", "superTypes": absent, "attributeDefs": absent}
    merged = definition("custom_dataset", plan_types({"entityDefs": [existing]}))
    assert (merged["superTypes"], [item["name"] for item in merged["attributeDefs"]]) == (["DataSet"], ["format"])


def test_planning_does_not_change_what_it_was_given() -> None:
    """The catalog's answer may be cached."""
    before = yaml.safe_dump(ACCELERATOR)
    plan_types(ACCELERATOR)
    assert yaml.safe_dump(ACCELERATOR) == before
