"""What the Atlas API does with requests and entities, and pyapacheatlas cannot show: raw requests, raw answers."""

from typing import Any

import pytest

from emulator.server import Emulator
from tests.contract.atlas import FILE, TIMEOUT, Atlas, dataset, entity_type, process


def test_current_base_path_wants_an_api_version(atlas: Atlas, emulator: Emulator) -> None:
    """Without it the gateway answers, in its own shape; a switch lets it pass."""
    url = f"{emulator.url}/datamap/api/atlas/v2/types/typedefs/headers"
    assert atlas.session.get(url, timeout=30).json()["error"]["code"] == "MissingApiVersionParameter"
    emulator.control.switches(require_api_version=False)
    assert atlas.session.get(url, timeout=30).status_code == 200


def test_unknown_switch_is_refused(emulator: Emulator) -> None:
    """A misspelt switch would make a test pass for nothing."""
    with pytest.raises(ValueError, match="unknown switch 'strict_revial'"):
        emulator.control.switches(strict_revial=False)


def test_194_guids_are_too_long_a_url(atlas: Atlas) -> None:
    """The gateway refuses the URL in HTML, which is no JSON for the client to parse."""
    guids = list(atlas.write(*(dataset(n) for n in range(1, 195)))["guidAssignments"].values())
    assert len(atlas.ok("GET", "/entity/bulk", guid=guids[:193])["entities"]) == 193
    response = atlas.send("GET", "/entity/bulk", guid=guids)
    assert (response.status_code, response.headers["Content-Type"].split(";")[0]) == (414, "text/html")


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/entity/bulk", {}),
        ("POST", "/types/typedefs", {"entityDefs": [{"superTypes": ["DataSet"]}]}),
        ("POST", "/types/typedefs", {"entityDefs": [entity_type("x", {"name": "a"})]}),
        ("POST", "/relationship", {"typeName": "dataset_process_inputs", "end1": {"guid": "x"}}),
    ],
    ids=["no-entities", "nameless-type", "typeless-attribute", "one-end"],
)
def test_unforeseen_body_is_answered_500_in_plain_text(atlas: Atlas, method: str, path: str, body: object) -> None:
    """What the service does not check ends as an error without a code."""
    response = atlas.send(method, path, body)
    assert response.status_code == 500
    assert response.text.startswith("There was an error processing your request.")


def test_body_of_the_wrong_shape_is_answered_400_without_a_code(atlas: Atlas) -> None:
    """The JSON library refuses it before the service does."""
    response = atlas.send("POST", "/entity/bulk", {"entities": {}})
    assert (response.status_code, list(response.json())) == (400, ["error"])


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"entities": []}, 400, "ATLAS-400-00-01A"),
        ({"entities": [None]}, 400, "ATLAS-400-00-01A"),
        ({"entities": [{**dataset(1), "guid": None}]}, 400, "ATLAS-400-00-021"),
        ({"entities": [{**dataset(1), "guid": ""}]}, 400, "ATLAS-400-00-021"),
        ({"entities": [{**dataset(1), "typeName": "nope"}]}, 400, "ATLAS-400-00-014"),
        ({"entities": [{**dataset(1), "guid": "made-up"}]}, 404, "ATLAS-404-00-00A"),
        ({"entities": [dataset(1, qualifiedName=None)]}, 404, "ATLAS-404-00-007"),
        ({"entities": [process([{"typeName": "DataSet"}], [])]}, 400, "ATLAS-400-00-021"),
        ({"entities": [process(["d://1"], [])]}, 400, "ATLAS-400-00-021"),
        ({"entities": [process([{"guid": "-9"}], [])]}, 404, "ATLAS-404-00-00A"),
        (
            {"entities": [process([{"typeName": "nope", "uniqueAttributes": {"qualifiedName": "x"}}], [])]},
            400,
            "ATLAS-400-00-014",
        ),
        ({"entities": [dataset(1, description="x" * 33000)]}, 400, "ATLAS-400-00-01A"),
    ],
)
def test_bad_entity_is_refused_with_its_code(atlas: Atlas, body: object, status: int, code: str) -> None:
    """The table of refusals, code by code."""
    assert atlas.refused("POST", "/entity/bulk", body)[:2] == (status, code)


def test_texts_of_refusals_name_the_culprit(atlas: Atlas) -> None:
    """Clients only have the text to find out which entity it was."""
    missing = {"typeName": "DataSet", "uniqueAttributes": {"qualifiedName": "d3"}}
    text = atlas.refused("POST", "/entity/bulk", {"entities": [process([missing], [])]})[2]
    assert text == (
        "Referenced entity AtlasObjectId{guid='null', typeName='DataSet', uniqueAttributes={qualifiedName:d3}} "
        "is not found"
    )
    text = atlas.refused("POST", "/entity/bulk", {"entities": [{**dataset(1), "attributes": {}}]})[2]
    assert text == (
        "Invalid instance creation/updation parameters passed : DataSet.qualifiedName: mandatory attribute value "
        "missing in type Referenceable"
    )
    one = {**process([], []), "attributes": {**process([], [])["attributes"], "inputs": {"guid": "-1"}}}
    assert "array<objectid>" in atlas.refused("POST", "/entity/bulk", {"entities": [dataset(1), one]})[2]


def test_unknown_attributes_are_dropped_without_a_word(atlas: Atlas) -> None:
    """A misspelt attribute is not an error, which is why one must look."""
    entity = {**dataset(1, nonsense="x"), "relationshipAttributes": {"nothing": {"guid": "-5"}}}
    guid = atlas.write(entity)["guidAssignments"]["-1"]
    assert "nonsense" not in atlas.entity(guid)["attributes"]


def test_values_are_coerced_to_the_type_of_the_attribute(atlas: Atlas) -> None:
    """Numbers may come as text, text as numbers, and a date as text or milliseconds."""
    kinds = {"i": "int", "s": "string", "b": "boolean", "d": "date", "e": "shade", "m": "map<string,string>"}
    optional = [{"name": name, "typeName": kind, "isOptional": True} for name, kind in kinds.items()]
    shade = {"name": "shade", "elementDefs": [{"value": "Light", "ordinal": 1}, {"value": "Dark", "ordinal": 2}]}
    atlas.ok("POST", "/types/typedefs", {"enumDefs": [shade], "entityDefs": [entity_type("kinds", *optional)]})

    def stored(**attributes: object) -> dict[str, Any]:
        guid = atlas.write({**dataset(1, **attributes), "typeName": "kinds"})["guidAssignments"]["-1"]
        read = atlas.entity(guid)["attributes"]
        return {name: read[name] for name in kinds}

    assert stored() == {"i": 0, "s": None, "b": False, "d": 0, "e": None, "m": None}
    given = {"i": "12", "s": {"a": 1}, "b": "TRUE", "d": "2026-01-01T00:00:00.000Z", "e": "dark", "m": {"k": 5}}
    assert stored(**given) == {"i": 12, "s": "{a=1}", "b": True, "d": 1767225600000, "e": "Dark", "m": {"k": "5"}}
    assert stored(i=1.9, s=None)["i"] == 1
    for bad in ({"i": ""}, {"i": True}, {"i": 2**31}, {"b": "yes"}, {"b": 1}, {"d": "2024-01-02"}, {"e": "grey"}):
        refused = atlas.refused("POST", "/entity/bulk", {"entities": [{**dataset(1, **bad), "typeName": "kinds"}]})
        assert refused[1] == "ATLAS-404-00-007", bad


def test_omitted_attribute_stays_and_null_clears_it(atlas: Atlas) -> None:
    """An update touches what it names."""
    guid = atlas.write(dataset(1, description="text", owner="me"))["guidAssignments"]["-1"]
    atlas.write(dataset(1, description=None))
    attributes = atlas.entity(guid)["attributes"]
    assert (attributes["description"], attributes["owner"]) == (None, "me")


def test_same_name_twice_in_a_request_makes_one_entity(atlas: Atlas) -> None:
    """Both placeholders mean it and the last values win."""
    first, second = dataset(1, description="first"), {**dataset(1, description="second"), "guid": "-2"}
    answer = atlas.write(first, second)
    assert len(answer["mutatedEntities"]["CREATE"]) == 1
    assert answer["guidAssignments"]["-1"] == answer["guidAssignments"]["-2"]
    assert atlas.entity(answer["guidAssignments"]["-1"])["attributes"]["description"] == "second"


def test_name_finds_subtypes_but_never_supertypes(atlas: Atlas) -> None:
    """A parent type updates a child's entity; a child type beside a parent's entity makes a second one."""
    child = {**dataset(1), "typeName": FILE}
    guid = atlas.write(child)["guidAssignments"]["-1"]
    assert atlas.write(dataset(1, description="x"))["guidAssignments"]["-1"] == guid
    assert atlas.entity(guid)["typeName"] == FILE
    parent = atlas.write(dataset(2))["guidAssignments"]["-2"]
    assert atlas.write({**dataset(2), "typeName": FILE})["guidAssignments"]["-2"] != parent


def test_datasets_touched_by_a_link_are_reported_as_updated(atlas: Atlas) -> None:
    """A new process updates the datasets it names, unless they are new too."""
    old = atlas.write(dataset(1))["guidAssignments"]["-1"]
    mutated = atlas.write(process([{"guid": old}], [2]), dataset(2))["mutatedEntities"]
    assert [item["guid"] for item in mutated["UPDATE"]] == [old]
    assert {item["typeName"] for item in mutated["CREATE"]} == {"Process", "DataSet"}


def test_who_links_to_a_dataset_has_updated_it(atlas: Atlas) -> None:
    """Atlas stamps the entities at both ends of a relationship that is made or removed (`recordEntityUpdate`)."""
    old = atlas.write(dataset(1))["guidAssignments"]["-1"]
    made = atlas.entity(old)
    assert made["createdBy"] == made["updatedBy"]
    other = "11111111-2222-3333-4444-555555555555"
    atlas.become(other)
    guid = atlas.write(process([{"guid": old}], [2]), dataset(2))["guidAssignments"]["-2"]
    assert (atlas.entity(old)["createdBy"], atlas.entity(old)["updatedBy"]) == (made["createdBy"], other)
    assert atlas.entity(guid)["createdBy"] == other


def test_missing_guid_fails_a_bulk_read(atlas: Atlas) -> None:
    """By guid it is all or nothing, by unique name what is there."""
    guid = atlas.write(dataset(1))["guidAssignments"]["-1"]
    assert atlas.refused("GET", "/entity/bulk", guid=[guid, "nope"])[:2] == (404, "ATLAS-404-00-005")
    assert atlas.refused("GET", "/entity/bulk")[1] == "ATLAS-404-00-005"


def test_reads_by_unique_attribute(atlas: Atlas) -> None:
    """A unique attribute is needed, the type must exist, and so must the entity."""
    atlas.write(dataset(1))
    path = "/entity/uniqueAttribute/type/DataSet"
    assert atlas.ok("GET", path, **{"attr:qualifiedName": "d://1"})["entity"]["attributes"]["name"] == "d1"
    assert atlas.ok("GET", f"{path}/header", **{"attr:qualifiedName": "d://1"})["displayText"] == "d1"
    assert atlas.refused("GET", path, **{"attr:qualifiedName": "d://2"})[1] == "ATLAS-404-00-009"
    assert atlas.refused("GET", path, **{"attr:name": "d1"})[1] == "ATLAS-400-00-013"
    assert atlas.refused("GET", path)[1] == "ATLAS-400-00-013"
    nope = "/entity/uniqueAttribute/type/nope"
    assert atlas.refused("GET", nope, **{"attr:qualifiedName": "d://1"})[1] == "ATLAS-400-00-014"


def test_relationships_can_be_left_out_of_a_read(atlas: Atlas) -> None:
    """All of them, or those of a type."""
    guid = atlas.write(dataset(1), process([1], []))["guidAssignments"]["-1"]
    assert "relationshipAttributes" not in atlas.ok("GET", f"/entity/guid/{guid}", ignoreRelationships="true")["entity"]
    excluded = atlas.ok("GET", "/entity/bulk", guid=guid, excludeRelationshipTypes="dataset_process_inputs")
    assert "inputToProcesses" not in excluded["entities"][0]["relationshipAttributes"]


def test_deleting_a_dataset_leaves_its_process_with_a_deleted_link(atlas: Atlas) -> None:
    """The process stays, and lineage still draws what is gone."""
    guids = atlas.write(dataset(1), dataset(2), process([1], [2]))["guidAssignments"]
    answer = atlas.ok("DELETE", f"/entity/guid/{guids['-1']}")
    assert [item["guid"] for item in answer["mutatedEntities"]["DELETE"]] == [guids["-1"]]
    stored = atlas.entity(guids["-100"])
    assert stored["status"] == "ACTIVE"
    link = stored["relationshipAttributes"]["inputs"][0]
    assert (link["entityStatus"], link["relationshipStatus"]) == ("DELETED", "DELETED")
    drawn = atlas.ok("GET", f"/lineage/{guids['-2']}")
    assert drawn["guidEntityMap"][guids["-1"]]["status"] == "DELETED"


def test_collection_comes_with_the_request(atlas: Atlas, emulator: Emulator) -> None:
    """New entities go to the root unless the query says otherwise; naming another moves them."""
    add_collection(atlas, emulator, "lineage")
    guid = atlas.write({**dataset(1), "collectionId": "ignored"})["guidAssignments"]["-1"]
    assert atlas.entity(guid)["collectionId"] == "purview-emulator"
    assert "UPDATE" in atlas.write(dataset(1), collectionId="lineage")["mutatedEntities"]
    assert (atlas.entity(guid)["collectionId"], atlas.entity(guid)["lastModifiedTS"]) == ("lineage", "2")
    assert "mutatedEntities" not in atlas.write(dataset(1))


def test_unknown_collection_is_refused(atlas: Atlas, emulator: Emulator) -> None:
    """Also the name that people see; nothing is written."""
    add_collection(atlas, emulator, "x7d0aq")
    for name in ("unknown", "People call it so"):
        status, code, _ = atlas.refused("POST", "/entity/bulk", {"entities": [dataset(1)]}, collectionId=name)
        assert (status, code) == (400, "ATLAS-400-00-029")
    assert "CREATE" in atlas.write(dataset(1), collectionId="X7D0AQ")["mutatedEntities"]


def add_collection(atlas: Atlas, emulator: Emulator, name: str) -> None:
    """Create a collection below the root."""
    body = {"friendlyName": "People call it so", "parentCollection": {"referenceName": "purview-emulator"}}
    url, version = f"{emulator.url}/account/collections/{name}", {"api-version": "2019-11-01-preview"}
    assert atlas.session.put(url, json=body, params=version, timeout=TIMEOUT).ok


def test_search_is_one_write_behind(atlas: Atlas) -> None:
    """What was just written is read by name, not yet found by search."""

    def hits() -> list[str]:
        answer = atlas.send("POST", "/search/query", {"keywords": "d1"}, root="").json()
        return [item["qualifiedName"] for item in answer["value"]]

    atlas.write(dataset(1))
    assert hits() == []
    atlas.write(dataset(2))
    assert hits() == ["d://1"]


def test_same_requests_give_the_same_answers(atlas: Atlas, emulator: Emulator) -> None:
    """Guids and times are predictable, so that a test may keep an answer."""

    def answers() -> tuple[Any, Any]:
        return atlas.write(dataset(1), dataset(2), process([1], [2])), emulator.control.state()["purview"]

    first = answers()
    emulator.control.reset()
    assert answers() == first


def test_request_without_a_token_is_refused(atlas: Atlas) -> None:
    """Even an emulator wants to see that the client authenticates."""
    del atlas.session.headers["Authorization"]
    response = atlas.send("GET", "/types/typedefs/headers")
    assert (response.status_code, response.json()["error"]["code"]) == (401, "Unauthorized")


def test_single_attribute_update_takes_plain_values_only(atlas: Atlas) -> None:
    """Lists cannot be set this way, and the attribute must exist."""
    guid = atlas.write(process([], []))["guidAssignments"]["-100"]
    assert atlas.refused("PUT", f"/entity/guid/{guid}", [], name="inputs")[1] == "ATLAS-400-00-027"
    assert atlas.refused("PUT", f"/entity/guid/{guid}", "x", name="nonsense")[1] == "ATLAS-400-00-023"


def test_labels_of_an_update_are_ignored(atlas: Atlas) -> None:
    """Labels come with a new entity; later only their own endpoint changes them."""
    guid = atlas.write({**dataset(1), "labels": ["unscanned"]})["guidAssignments"]["-1"]
    assert atlas.write({**dataset(1), "labels": ["other"]}) == {"guidAssignments": {"-1": guid}}
    assert atlas.entity(guid)["labels"] == ["unscanned"]
    assert atlas.refused("PUT", f"/entity/guid/{guid}/labels", [])[1] == "ATLAS-400-00-01A"
    assert atlas.send("POST", f"/entity/guid/{guid}/labels", []).status_code == 204
    assert atlas.entity(guid)["labels"] == []


def test_more_entities_than_the_service_takes_are_refused_by_the_gateway(atlas: Atlas, emulator: Emulator) -> None:
    """Beyond its limit the service answers with a page about the URL, and stores nothing."""
    emulator.control.switches(max_bulk=2)
    assert atlas.send("POST", "/entity/bulk", {"entities": [dataset(n) for n in (1, 2, 3)]}).status_code == 414
    assert emulator.control.state()["purview"]["entities"] == []


def test_lists_grow_where_the_type_says_so(atlas: Atlas) -> None:
    """The option of the type turns replacing into appending."""
    appending = {
        **entity_type("appender", parents=("Process",)),
        "options": {"appendRelationshipsOnPartialUpdate": '["inputs"]'},
    }
    atlas.ok("POST", "/types/typedefs", {"entityDefs": [appending]})
    first = {**process([1], []), "typeName": "appender"}
    guids = atlas.write(dataset(1), dataset(2), first)["guidAssignments"]
    atlas.write(dataset(2), {**process([2], []), "typeName": "appender"})
    links = atlas.entity(guids["-100"])["relationshipAttributes"]["inputs"]
    assert [(item["guid"], item["relationshipStatus"]) for item in links] == [
        (guids["-1"], "ACTIVE"),
        (guids["-2"], "ACTIVE"),
    ]


SEARCHED = ["x://a/1", "x://a/2", "x://ab", "y://a"]


@pytest.fixture
def indexed(atlas: Atlas) -> Atlas:
    """A catalog in which a search finds four data sets."""
    for name in SEARCHED:
        atlas.write({"typeName": "DataSet", "attributes": {"qualifiedName": name, "name": name[-1]}, "guid": "-1"})
    atlas.send("POST", "/search/query", {"keywords": "*"}, root="")
    return atlas


@pytest.mark.parametrize(
    ("condition", "found"),
    [
        ({"attributeName": "qualifiedName", "operator": "startswith", "attributeValue": "x://a"}, SEARCHED[:3]),
        ({"attributeName": "qualifiedName", "operator": "contains", "attributeValue": "/a"}, SEARCHED),
        ({"attributeName": "name", "operator": "eq", "attributeValue": "1"}, SEARCHED[:1]),
        ({"entityType": "DataSet"}, SEARCHED),
        ({"entityType": "Process", "includeSubTypes": False}, []),
        (
            {
                "and": [
                    {"or": [{"entityType": "DataSet"}, {"entityType": "Process"}]},
                    {"not": {"attributeName": "qualifiedName", "operator": "startswith", "attributeValue": "x:"}},
                ]
            },
            SEARCHED[3:],
        ),
    ],
)
def test_search_takes_the_filters_that_are_documented(
    indexed: Atlas, condition: dict[str, Any], found: list[str]
) -> None:
    """Nested as they may be."""
    answer = indexed.send("POST", "/search/query", {"keywords": None, "filter": condition}, root="").json()
    assert sorted(item["qualifiedName"] for item in answer["value"]) == found


@pytest.mark.parametrize(
    "body",
    [
        {"offset": 50},
        {"limit": 1_001},
        {"filter": {"attributeName": "qualifiedName", "operator": "like", "attributeValue": "x"}},
        {"filter": {"attributeName": "qualifiedName", "operator": "startswith"}},
        {"filter": {"and": [{"entityTypes": ["DataSet"]}]}},
        {"continuationToken": "x"},
    ],
)
def test_search_refuses_what_is_not_documented(indexed: Atlas, body: dict[str, Any]) -> None:
    """The service might ignore it, and a client that pages by an offset would read one page for ever."""
    assert indexed.send("POST", "/search/query", body, root="").status_code == 400


def test_search_gives_pages_with_a_token_for_the_next(indexed: Atlas) -> None:
    """The last page has none."""
    whole: dict[str, Any] = {"limit": 3, "filter": {"entityType": "DataSet"}}
    first = indexed.send("POST", "/search/query", whole, root="").json()
    last = indexed.send(
        "POST", "/search/query", {**whole, "continuationToken": first["continuationToken"]}, root=""
    ).json()
    assert (len(first["value"]), len(last["value"]), "continuationToken" in last) == (3, 1, False)
