"""Column mappings: what a run declares comes first, and what is inferred is marked and rests on two known schemas."""

import json
from collections.abc import Mapping
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from shared.catalog.column_mapping import column_mapping_attributes, scanned_data, with_inferred
from shared.catalog.entities import Ref
from shared.catalog.qualified_names import QualifiedName
from shared.model import Column, ColumnMapping, Data, Run
from shared.places.matching import Match, MatchKind, list_places, match_places
from shared.places.platforms import place_of
from tests.unit.examples import LAKE_URL, WORKSPACE_ID, at, data_asset, run, tree, unscanned

DECLARED = "declared: tag lineage.column_mapping"
RAW, PREPARED = QualifiedName(f"{LAKE_URL}/raw.csv"), QualifiedName(f"{LAKE_URL}/prepared.csv")


def asset(name: str, *columns: str) -> Data:
    """Describe a data asset that declares columns."""
    return replace(data_asset(name, at(f"{name}.csv")), columns=tuple(map(Column, columns)))


def infer(found: Run, scanned: Mapping[QualifiedName, tuple[str, ...]] | None = None) -> list[ColumnMapping]:
    """Add what follows from schemas, with every place scanned that has one."""
    whole = tree(found)
    places = {name: Ref("azure_datalake_gen2_path", name) for name in scanned or {}}
    matches = match_places(list_places(whole), places)
    return list(with_inferred(WORKSPACE_ID, found, matches, scanned or {}).column_mappings)


def test_columns_of_equal_names_are_mapped_and_marked() -> None:
    """Exactly equal: `ID` and `id` may be two columns."""
    found = run(
        "prep",
        inputs={"loan": asset("loan", "id", "amount", "ID2")},
        outputs={"out": asset("out", "amount", "id", "id2")},
    )
    why = "inferred: equal column names in the schema of loan:1 and the schema of out:1"
    assert infer(found) == [ColumnMapping("loan", "out", (("amount", "amount"), ("id", "id")), why)]


def test_schema_that_purview_knows_of_a_scanned_path_counts_too() -> None:
    """Of the path itself, and of the one an asset was registered from; what an asset declares goes before."""
    found = run("prep", inputs={"raw": at("raw.csv")}, outputs={"out": data_asset("prepared", at("prepared.csv"))})
    (mapping,) = infer(found, {RAW: ("id", "x"), PREPARED: ("id", "y")})
    assert mapping.columns == (("id", "id"),)
    assert (
        mapping.source
        == f"inferred: equal column names in Purview's schema of {RAW} and Purview's schema of {PREPARED}"
    )


def test_nothing_is_mapped_where_a_schema_is_unknown_or_no_name_is_equal() -> None:
    """Half the evidence is none."""
    assert infer(run("prep", inputs={"loan": asset("loan", "id")}, outputs={"out": at("out.csv")})) == []
    assert infer(run("prep", inputs={"loan": asset("loan", "id")}, outputs={"out": asset("out", "key")})) == []


@given(st.lists(st.sampled_from("abc"), min_size=1, unique=True), st.lists(st.sampled_from("abc"), unique=True))
def test_declared_mapping_wins_whatever_the_schemas_say(columns: list[str], others: list[str]) -> None:
    """For its two ports nothing is added; for others it is."""
    declared = ColumnMapping("loan", "out", (("a", "z"),), DECLARED)
    found = run(
        "prep",
        inputs={"loan": asset("loan", *columns), "more": asset("more", *others)},
        outputs={"out": asset("out", *columns)},
        column_mappings=(declared,),
    )
    mappings = infer(found)
    assert [mapping for mapping in mappings if mapping.input == "loan"] == [declared]
    assert [mapping.input for mapping in mappings[1:]] == (["more"] if set(columns) & set(others) else [])


def test_data_read_through_two_ports_is_mapped_once_and_as_declared_for_either() -> None:
    """Purview knows data, not ports: two mappings of the same two would contradict each other."""
    found = run(
        "prep",
        inputs={"loan": asset("loan", "id"), "again": asset("loan", "id"), "more": asset("more", "id")},
        outputs={"out": asset("out", "id"), "copy": asset("out", "id")},
    )
    assert [(mapping.input, mapping.output) for mapping in infer(found)] == [("loan", "out"), ("more", "out")]
    declared = ColumnMapping("again", "copy", (("id", "key"),), DECLARED)
    mappings = infer(replace(found, column_mappings=(declared,)))
    assert [(mapping.input, mapping.output) for mapping in mappings] == [("again", "copy"), ("more", "out")]


def test_inferred_mappings_too_long_for_the_catalog_leave_the_declared_ones() -> None:
    """What a run declares is not lost for what was not declared."""
    names = [f"column {number} {'x' * 20}" for number in range(500)]
    declared = ColumnMapping("loan", "out", (("a", "z"),), DECLARED)
    found = run(
        "prep",
        inputs={"loan": asset("loan", "a"), "more": asset("more", *names)},
        outputs={"out": asset("out", *names)},
        column_mappings=(declared,),
    )
    matches = unscanned(tree(found))
    written, problem = column_mapping_attributes(WORKSPACE_ID, with_inferred(WORKSPACE_ID, found, matches, {}), matches)
    assert written == column_mapping_attributes(WORKSPACE_ID, found, matches)[0]
    assert problem == "Inferred column mappings are left out: with them it is more than the catalog takes (32 KB)."


def test_catalog_is_asked_only_for_scanned_data_that_declares_no_schema() -> None:
    """A placeholder has no schema, and an asset's own word goes before."""
    found = tree(
        run("prep", inputs={"loan": asset("loan", "id"), "raw": at("raw.csv")}, outputs={"out": at("out.csv")})
    )
    scanned = {name: Ref("azure_datalake_gen2_path", name) for name in (RAW, QualifiedName(f"{LAKE_URL}/loan.csv"))}
    assert scanned_data(found, match_places(list_places(found), scanned)) == (RAW,)
    assert scanned_data(found, unscanned(found)) == ()


def test_glob_of_several_sets_has_no_schema_and_each_declared_mapping_for_each_set() -> None:
    """Which columns are in which set is not known; what a person declares is about all that the run reads there."""
    declared = ColumnMapping("raw", "out", (("a", "z"),), DECLARED)
    registered = data_asset("registered", at("raw/*.csv"))
    found = run("prep", inputs={"raw": at("raw/*.csv"), "same": registered}, outputs={"out": asset("out", "a")})
    sets = [Ref("azure_datalake_gen2_resource_set", QualifiedName(f"{LAKE_URL}/raw/{each}_{{N}}.csv")) for each in "ab"]
    glob = place_of(at("raw/*.csv")).ref
    matches = {**unscanned(tree(found)), glob: Match(sets[0], MatchKind.RESOURCE_SET, others=(sets[1],))}
    columns = {each.qualified_name: ("a",) for each in sets}
    assert with_inferred(WORKSPACE_ID, found, matches, columns).column_mappings == ()
    written, _ = column_mapping_attributes(WORKSPACE_ID, replace(found, column_mappings=(declared,)), matches)
    mapped = json.loads(written["columnMapping"])
    assert [each["DatasetMapping"]["Source"] for each in mapped] == [each.qualified_name for each in sets]


def test_source_of_every_mapping_is_named_once() -> None:
    """A steward sees what was declared and what was inferred."""
    declared = ColumnMapping("loan", "out", (("a", "z"),), DECLARED)
    inferred = ColumnMapping("more", "out", (("a", "a"),), "inferred: equal column names in x and y")
    found = run(
        "prep",
        inputs={"loan": asset("loan"), "more": asset("more")},
        outputs={"out": asset("out")},
        column_mappings=(declared, inferred),
    )
    written, problem = column_mapping_attributes(WORKSPACE_ID, found, unscanned(tree(found)))
    assert problem == ""
    assert len(json.loads(written["columnMapping"])) == 2
    assert written["column_mapping_source"] == f"{DECLARED}; inferred: equal column names in x and y"
