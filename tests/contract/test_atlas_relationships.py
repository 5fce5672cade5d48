"""What the Atlas API does with compositions, relationships and lineage: raw requests, raw answers."""

from typing import Any

import pytest

from tests.contract.atlas import Atlas, book, dataset, process, shelf


@pytest.mark.parametrize("query", [{"direction": "input"}, {"direction": "bogus"}, {"depth": "x"}])
def test_bad_lineage_parameter_is_answered_500(atlas: Atlas, query: dict[str, str]) -> None:
    """Enum and number parameters are not forgiven, lower case included."""
    guid = atlas.write(dataset(1))["guidAssignments"]["-1"]
    assert atlas.send("GET", f"/lineage/{guid}", **query).status_code == 500


def test_unlisted_child_is_deleted_with_its_link(shelves: Atlas) -> None:
    """A parent's list is the whole truth about what it owns."""
    guids = shelves.write(shelf(1, 2, 3), book(2, "-1"), book(3, "-1"))["guidAssignments"]
    books = {"books": [{"guid": guids["-2"]}]}
    answer = shelves.write({**dataset(1), "typeName": "shelf", "relationshipAttributes": books})
    assert [item["guid"] for item in answer["mutatedEntities"]["DELETE"]] == [guids["-3"]]
    assert shelves.entity(guids["-3"])["status"] == "DELETED"


def test_child_moves_to_another_parent(shelves: Atlas) -> None:
    """The old link is deleted, and both parents count as updated."""
    guids = shelves.write(shelf(1), shelf(2), book(3, "-1"))["guidAssignments"]
    updated = shelves.write(book(3, guids["-2"]))["mutatedEntities"]["UPDATE"]
    assert {item["guid"] for item in updated} == {guids["-1"], guids["-2"], guids["-3"]}
    assert shelves.entity(guids["-3"])["relationshipAttributes"]["shelf"]["guid"] == guids["-2"]
    old = shelves.entity(guids["-1"])["relationshipAttributes"]["books"]
    assert [item["relationshipStatus"] for item in old] == ["DELETED"]


def test_owned_children_come_along_as_referred_entities(shelves: Atlas) -> None:
    """Only what an entity owns is written out beside it."""
    guids = shelves.write(shelf(1), book(2, "-1"))["guidAssignments"]
    assert list(shelves.ok("GET", f"/entity/guid/{guids['-1']}")["referredEntities"]) == [guids["-2"]]
    assert shelves.ok("GET", f"/entity/guid/{guids['-1']}", minExtInfo="true")["referredEntities"] == {}


def test_sql_table_needs_its_schema(atlas: Atlas) -> None:
    """A placeholder table comes with its schema, database and server, in one request."""

    def sql(number: int, kind: str, **parent: int) -> dict[str, Any]:
        links = {name: {"guid": f"-{guid}"} for name, guid in parent.items()}
        return {**dataset(number), "typeName": kind, "relationshipAttributes": links}

    table = sql(4, "azure_sql_table")
    assert atlas.refused("POST", "/entity/bulk", {"entities": [table]})[1] == "ATLAS-404-00-007"
    parents = (sql(1, "azure_sql_server"), sql(2, "azure_sql_db", server=1), sql(3, "azure_sql_schema", db=2))
    assert len(atlas.write(*parents, sql(4, "azure_sql_table", dbSchema=3))["mutatedEntities"]["CREATE"]) == 4


def test_relationship_made_by_itself_is_unique_until_deleted(atlas: Atlas) -> None:
    """Made once, found, refused twice, deleted once, made again."""
    guids = atlas.write(dataset(1), dataset(2))["guidAssignments"]
    mapping = '[{"Source":"a","Sink":"b"}]'
    body = {
        "typeName": "direct_lineage_dataset_dataset",
        "end1": {"guid": guids["-1"]},
        "end2": {"typeName": "DataSet", "uniqueAttributes": {"qualifiedName": "d://2"}},
        "attributes": {"columnMapping": mapping},
    }
    made = atlas.ok("POST", "/relationship", body)
    assert (made["attributes"], made["status"]) == ({"columnMapping": mapping}, "ACTIVE")
    assert atlas.refused("POST", "/relationship", body)[:2] == (409, "ATLAS-409-00-004")
    drawn = atlas.ok("GET", f"/lineage/{guids['-1']}")["relations"]
    assert [(item["fromEntityId"], item["toEntityId"]) for item in drawn] == [(guids["-1"], guids["-2"])]
    one = f"/relationship/guid/{made['guid']}"
    atlas.ok("PUT", "/relationship", {"guid": made["guid"], "attributes": {"columnMapping": None}})
    assert atlas.ok("GET", one)["relationship"]["attributes"] == {"columnMapping": None}
    assert atlas.send("DELETE", one).status_code == 204
    assert atlas.ok("GET", one)["relationship"]["status"] == "DELETED"
    assert atlas.refused("DELETE", one)[:2] == (404, "ATLAS-404-00-00F")
    assert atlas.ok("POST", "/relationship", body)["guid"] != made["guid"]


def test_relationship_ends_must_exist_and_fit(atlas: Atlas) -> None:
    """Ends the wrong way round are turned, others are refused."""
    guids = atlas.write(dataset(1), dataset(2), process([], []))["guidAssignments"]

    def body(end1: str, end2: str, name: str = "dataset_process_inputs") -> dict[str, Any]:
        return {"typeName": name, "end1": {"guid": end1}, "end2": {"guid": end2}}

    turned = atlas.ok("POST", "/relationship", body(guids["-1"], guids["-100"]))
    assert turned["end1"]["guid"] == guids["-100"]
    for bad, code in (
        (body(guids["-1"], guids["-2"]), "ATLAS-400-00-036"),
        (body(guids["-100"], "nope"), "ATLAS-400-00-07D"),
        (body(guids["-1"], guids["-2"], "nope"), "ATLAS-400-00-028"),
    ):
        assert atlas.refused("POST", "/relationship", bad)[1] == code


def test_next_level_of_lineage_is_paged(atlas: Atlas) -> None:
    """One step on one side: first the processes, then their datasets."""
    guids = atlas.write(dataset(1), *(process([1], [], 100 + n) for n in range(5)))["guidAssignments"]
    pages = [
        atlas.ok("GET", f"/lineage/{guids['-1']}/next", direction="OUTPUT", offset=start, limit=3)["relations"]
        for start in (0, 3)
    ]
    assert [len(page) for page in pages] == [3, 2]
    assert {item["fromEntityId"] for page in pages for item in page} == {guids["-1"]}


def test_lineage_is_for_datasets_and_processes(atlas: Atlas) -> None:
    """Other entities have none, and say so."""
    guid = atlas.write({**dataset(1), "typeName": "Infrastructure"})["guidAssignments"]["-1"]
    assert atlas.refused("GET", f"/lineage/{guid}")[:2] == (404, "ATLAS-404-00-011")
    by_name = atlas.refused("GET", "/lineage/uniqueAttribute/type/DataSet", **{"attr:qualifiedName": "d://9"})
    assert by_name[1] == "ATLAS-404-00-009"
