"""The recipe for a new kind of asset, followed with an invented one: each place that it must reach is checked."""

import json
from dataclasses import replace
from typing import Any

import networkx as nx
import pytest
from openlineage.client.event_v2 import RunEvent
from openlineage.client.serde import Serde

from cli.admin.retire import list_types
from explorer.looks import ICONS
from explorer.node import Node
from explorer.stylesheets import LIGHT, stylesheet
from questions.diff import diff
from questions.draw import to_mermaid, to_text
from questions.impact import find_impact
from questions.origin import find_origin
from questions.walk import Walker
from shared.catalog.build import build_run_tree
from shared.catalog.entities import Entity, Ref, attributes
from shared.catalog.kinds import KINDS, PROCESS, STEP, Kind, Role
from shared.catalog.qualified_names import QualifiedName
from shared.openlineage.outgoing_events import to_run_events
from shared.publishing.labels import list_labelled
from shared.purview.reader import Asset
from shared.purview.types import plan_types
from tests.harness.fakes import NOON
from tests.unit.examples import at, data_asset, model, named, run, tree, unscanned, ws
from tests.unit.plain_catalog import MODEL, PlainCatalog
from tests.unit.test_docs import undocumented_types
from tools.coverage import list_ends

INVENTED = "custom_ml_component"
COMPONENT = Kind(
    INVENTED,
    Role.DESCRIBES_RUN,
    "component",
    "box",
    "setting",
    values="definition",
    description="A version of a component.",
    attributes=("version", "definition"),
)
REF = Ref(INVENTED, ws("components/prepare/versions/1"))
ENTITY = Entity(REF, attributes("prepare:1", version="1", definition='{"image": "python"}'))
NOT_DATA = [role for role in Role if role is not Role.DATA]


@pytest.fixture(autouse=True)
def table(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """Add the row that the recipe asks for."""
    monkeypatch.setitem(KINDS, INVENTED, COMPONENT)
    return monkeypatch


def change(table: pytest.MonkeyPatch, **values: Any) -> None:
    """Say something else in the row."""
    table.setitem(KINDS, INVENTED, replace(COMPONENT, **values))


def entities() -> tuple[Entity, ...]:
    """Build a run that reads data, a model and the invented asset, and writes data and another of its kind."""
    whole = tree(run("score", inputs={"loan": data_asset("loan", at("loan.csv")), "model": model("churn")},
                     outputs={"scores": at("scores.csv")}))  # fmt: skip
    built = build_run_tree(whole, matches=unscanned(whole), models={})
    step = named(built)["runs/score"]
    joined = replace(step, inputs=(*(step.inputs or ()), REF), outputs=(*(step.outputs or ()), REF))
    return (*(joined if each is step else each for each in built), ENTITY)


def event() -> dict[str, Any]:
    """Return the last event about that run."""
    (sent,) = (each for each in to_run_events(entities(), at=NOON) if each.process == ws("runs/score"))
    last: RunEvent = sent.events[-1]
    return json.loads(Serde.to_json(last))  # type: ignore[no-any-return]


def ends(event: dict[str, Any]) -> set[str]:
    return {each["name"] for side in ("inputs", "outputs") for each in event[side]}


def catalog(*, before: bool = False) -> PlainCatalog:
    """Return a catalog where a run reads data and the invented asset for one model version, and data for another."""
    plain = PlainCatalog().add("component", INVENTED).add("model:1", MODEL).add("model:2", MODEL)
    plain.flow("loan", "run one", "model:1").flow("loan", "run two", "model:2").flow("component", "run two")
    return plain.flow("loan", "component") if before else plain


def reached_from_loan() -> dict[str, str]:
    found = find_impact(walker(catalog(before=True)), "loan")
    return {each.asset.name: each.kind for each in found.reached}


def walker(plain: PlainCatalog) -> Walker:
    return Walker(plain)  # type: ignore[arg-type]


def test_type_is_installed_with_its_attributes() -> None:
    """As one of ours, in a new catalog and beside what a catalog has."""
    (created,) = (each for each in plan_types({}).create_entities if each["name"] == INVENTED)
    assert created["superTypes"] == ["DataSet"]
    assert [each["name"] for each in created["attributeDefs"]] == ["version", "definition"]
    bare = {"name": INVENTED, "superTypes": ["DataSet"], "serviceType": "Custom ML"}
    assert plan_types({"entityDefs": [bare]}).changes[INVENTED] == ("attribute version", "attribute definition")


def test_only_data_that_a_run_writes_with_a_model_is_labelled_as_a_prediction(table: pytest.MonkeyPatch) -> None:
    """Or what the row says always carries labels."""
    for role in NOT_DATA:
        change(table, role=role)
        assert REF.qualified_name not in list_labelled(entities())
    change(table, labelled=True)
    assert REF.qualified_name in list_labelled([ENTITY])
    change(table, role=Role.DATA)
    assert REF.qualified_name in list_labelled(entities())


def test_only_data_is_a_data_set_for_openlineage(table: pytest.MonkeyPatch) -> None:
    """Of the type that the row says."""
    name = "components/prepare/versions/1"
    for role in NOT_DATA:
        change(table, role=role)
        assert name not in ends(event())
    change(table, role=Role.DATA, openlineage="COMPONENT")
    assert name in ends(event())
    (facets,) = (each["facets"] for each in event()["inputs"] if each["name"] == name)
    assert facets["datasetType"]["datasetType"] == "COMPONENT"


def test_what_describes_a_run_is_the_member_of_its_facet_that_the_row_says(table: pytest.MonkeyPatch) -> None:
    """Or left out, as here where it says none."""
    assert "definition" not in json.dumps(event()["run"])
    change(table, openlineage="settings")
    assert event()["run"]["facets"]["azureml_process"]["settings"] == {"image": "python"}


def test_process_is_a_job_of_the_type_that_the_row_says(table: pytest.MonkeyPatch) -> None:
    """Its events have the data that flows through it."""
    change(table, role=Role.PROCESS, super_type=PROCESS, openlineage="COMPONENT")
    data = Ref("custom_dataset", QualifiedName("https://example.org/loan.csv"))
    (sent,) = to_run_events([replace(ENTITY, inputs=(data,))], at=NOON)
    assert '"jobType": "COMPONENT"' in Serde.to_json(sent.events[-1])


def test_only_data_is_source_data_of_an_origin(table: pytest.MonkeyPatch) -> None:
    """What describes a run is not what a model was made of."""
    for role in NOT_DATA:
        change(table, role=role)
        assert [each.name for each in find_origin(walker(catalog()), "model:2").sources] == ["loan"]
    change(table, role=Role.DATA)
    assert [each.name for each in find_origin(walker(catalog()), "model:2").sources] == ["component", "loan"]


def test_only_data_is_data_that_two_models_differ_in(table: pytest.MonkeyPatch) -> None:
    """The same of `lineage diff`."""
    for role in NOT_DATA:
        change(table, role=role)
        assert "data" not in {each.section for each in diff(walker(catalog()), "model:1", "model:2")}
    change(table, role=Role.DATA)
    assert {each.name for each in diff(walker(catalog()), "model:1", "model:2") if each.section == "data"} == {
        "x://component"
    }


def test_impact_lists_a_kind_as_its_row_says(table: pytest.MonkeyPatch) -> None:
    """And passes by what it says nothing about."""
    assert "component" not in reached_from_loan()
    change(table, role=Role.DATA, listed_as="report")
    assert reached_from_loan()["component"] == "report"


def test_show_and_the_explorer_call_it_by_the_word_of_the_row(table: pytest.MonkeyPatch) -> None:
    """And draw it as data or as a process."""
    graph: nx.DiGraph[str] = nx.DiGraph()
    graph.add_node("run", asset=Asset("run", STEP, QualifiedName("x://run"), "train"))
    graph.add_node("component", asset=Asset("component", INVENTED, REF.qualified_name, "prepare:1"))
    graph.add_edge("component", "run")
    node = Node("component", "prepare:1", INVENTED)
    assert "prepare:1 (component)" in to_text(graph, "run")
    assert '["prepare:1 (component)"]' in to_mermaid(graph)
    assert (node.kind.word, node.kind.is_process) == ("component", False)
    change(table, super_type=PROCESS)
    assert '(["prepare:1 (component)"])' in to_mermaid(graph)
    assert node.kind.is_process


def test_explorer_has_a_style_for_the_icon_and_the_colour_of_the_row(table: pytest.MonkeyPatch) -> None:
    """Also where no other kind has that icon in that colour."""
    assert COMPONENT.icon in ICONS
    change(table, icon="rocket", family="report")
    assert ".report.i-rocket" in {each["selector"] for each in stylesheet(LIGHT)}


def test_accelerators_leftovers_include_only_kinds_that_it_wrote(table: pytest.MonkeyPatch) -> None:
    """Each in its place in the order in which they are deleted."""
    assert INVENTED not in list_types()
    change(table, retired=4)
    assert INVENTED in list_types()[3:5]


def test_coverage_page_names_it_in_its_word(table: pytest.MonkeyPatch) -> None:
    """As an end of a run, or with ends of its own."""
    nodes = [{"qualifiedName": "c", "type": INVENTED}, {"qualifiedName": "r", "type": STEP}]
    lineage: dict[str, Any] = {"nodes": nodes, "edges": ["c -> r"]}
    assert list(list_ends(lineage)) == ["component → **run**"]
    change(table, role=Role.PROCESS, super_type=PROCESS)
    assert list(list_ends(lineage | {"edges": ["r -> c"]})) == ["**run** → component", "**run** → component"]


def test_docs_without_its_row_are_found_out() -> None:
    """The table of docs/catalog-model.md has a row for each type that we install."""
    assert undocumented_types() == {INVENTED}
