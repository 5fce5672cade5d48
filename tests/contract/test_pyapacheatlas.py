"""The genuine pyapacheatlas client against the emulated Purview: what it can do, and what is refused."""

import json
from typing import Any

import pytest
from pyapacheatlas.core.client import AtlasClient
from pyapacheatlas.core.entity import AtlasEntity, AtlasProcess
from pyapacheatlas.core.typedef import AtlasAttributeDef, EntityTypeDef, RelationshipTypeDef
from pyapacheatlas.core.util import AtlasException

from emulator.server import Emulator


def path(number: int, guid: str | None = None) -> AtlasEntity:
    """Make a file entity."""
    name = f"https://acct.dfs.core.windows.net/fs/{number}.csv"
    return AtlasEntity(f"{number}.csv", "azure_datalake_gen2_path", name, guid or f"-{number}")


def process(inputs: list[Any] | None, outputs: list[Any] | None, guid: str = "-100") -> AtlasProcess:
    """Make a process entity."""
    return AtlasProcess("train", "Process", "p://train", inputs, outputs, guid)


def code_of(error: pytest.ExceptionInfo[BaseException]) -> str:
    """Return the error code of the text that is all the client keeps."""
    return str(json.loads(str(error.value))["errorCode"])


def refused(call: Any, *args: Any, **kwargs: Any) -> str:
    """Return the code of the error a call ends with."""
    with pytest.raises(AtlasException) as error:
        call(*args, **kwargs)
    return code_of(error)


def model_type(*extra: AtlasAttributeDef) -> EntityTypeDef:
    """Define a type with one attribute, and more if given."""
    attributes = [AtlasAttributeDef("version", typeName="string", isOptional=True), *extra]
    return EntityTypeDef("ml_model", superTypes=["DataSet"], attributeDefs=attributes)


def test_new_typedef_is_read_back_with_what_the_service_adds(client: AtlasClient) -> None:
    """A stored definition has a guid, a version and the relationship attributes of its supertype."""
    client.upload_typedefs(entityDefs=[model_type()])
    stored = client.get_typedef(name="ml_model")
    assert stored["version"] == 1
    assert stored["category"] == "ENTITY"
    assert {"inputToProcesses", "outputFromProcesses"} <= {item["name"] for item in stored["relationshipAttributeDefs"]}
    assert client.get_typedef(guid=stored["guid"]) == stored


def test_existing_typedef_posted_again_is_a_conflict(client: AtlasClient) -> None:
    """POST only creates."""
    client.upload_typedefs(entityDefs=[model_type()])
    assert refused(client.upload_typedefs, entityDefs=[model_type()]) == "ATLAS-409-00-001"


def test_added_optional_attribute_is_accepted_and_raises_the_version(client: AtlasClient) -> None:
    """Types may grow."""
    client.upload_typedefs(entityDefs=[model_type()])
    client.upload_typedefs(entityDefs=[model_type(AtlasAttributeDef("stage"))], force_update=True)
    stored = client.get_typedef(name="ml_model")
    assert [item["name"] for item in stored["attributeDefs"]] == ["version", "stage"]
    assert stored["version"] == 2


@pytest.mark.parametrize(
    ("attributes", "code"),
    [
        ([], "ATLAS-400-00-00D"),
        ([AtlasAttributeDef("version", typeName="int", isOptional=True)], "ATLAS-400-00-029"),
        (
            [AtlasAttributeDef("version", isOptional=True), AtlasAttributeDef("stage", isOptional=False)],
            "ATLAS-400-00-00C",
        ),
    ],
    ids=["removed", "type-changed", "mandatory-added"],
)
def test_update_that_is_not_an_addition_is_refused(
    client: AtlasClient, attributes: list[AtlasAttributeDef], code: str
) -> None:
    """What would invalidate stored entities is refused, and the definition stays as it was."""
    client.upload_typedefs(entityDefs=[model_type()])
    changed = EntityTypeDef("ml_model", superTypes=["DataSet"], attributeDefs=attributes)
    assert refused(client.upload_typedefs, entityDefs=[changed], force_update=True) == code
    assert client.get_typedef(name="ml_model")["version"] == 1


def test_typedef_deletion_waits_for_the_last_reference(client: AtlasClient) -> None:
    """A type with entities cannot go, not even when they are deleted."""
    client.upload_typedefs(entityDefs=[model_type()])
    written = client.upload_entities([AtlasEntity("m", "ml_model", "m://1", "-1")])
    client.delete_entity(guid=written["guidAssignments"]["-1"])
    assert refused(client.delete_typedefs, entityDefs=[model_type()]) == "ATLAS-409-00-002"
    client.upload_typedefs(entityDefs=[EntityTypeDef("unused", superTypes=["DataSet"])])
    client.delete_typedefs(entityDefs=[EntityTypeDef("unused", superTypes=["DataSet"])])
    assert refused(client.get_typedef, name="unused") == "ATLAS-404-00-001"


def test_bulk_upload_links_entities_of_the_same_request_by_negative_guid(client: AtlasClient) -> None:
    """Placeholders mean entities of the same request, and the answer tells their real guids."""
    source, sink = path(1), path(2)
    written = client.upload_entities([source, sink, process([source], [sink])])
    assert set(written["guidAssignments"]) == {"-1", "-2", "-100"}
    assert [item["typeName"] for item in written["mutatedEntities"]["CREATE"]] == [
        "azure_datalake_gen2_path",
        "azure_datalake_gen2_path",
        "Process",
    ]
    stored = client.get_single_entity(guid=written["guidAssignments"]["-100"])["entity"]
    assert [item["guid"] for item in stored["attributes"]["inputs"]] == [written["guidAssignments"]["-1"]]


def test_same_qualified_name_updates_the_entity(client: AtlasClient) -> None:
    """The unique attribute is the key: another guid comes in, the same entity comes out."""
    first = client.upload_entities([path(1)])
    changed = path(1, guid="-7")
    changed.attributes["description"] = "changed"
    second = client.upload_entities([changed])
    assert list(second["mutatedEntities"]) == ["UPDATE"]
    assert second["guidAssignments"]["-7"] == first["guidAssignments"]["-1"]


def test_unchanged_entity_has_no_mutated_entities_at_all(client: AtlasClient) -> None:
    """Surprise 4: an unchanged entity leaves only its guid in the answer."""
    source = path(1)
    batch = [source, process([source], [])]
    first = client.upload_entities(batch)
    assert client.upload_entities(batch) == {"guidAssignments": first["guidAssignments"]}


def test_reference_by_unique_attributes_is_looked_up_in_the_store_only(client: AtlasClient) -> None:
    """Surprise 1: unique attributes do not mean an entity of the same request."""
    source = path(1)
    by_name = {"typeName": source.typeName, "uniqueAttributes": {"qualifiedName": source.qualifiedName}}
    both = [source, process([by_name], [])]
    assert refused(client.upload_entities, both) == "ATLAS-404-00-00A"
    assert client.get_entity(qualifiedName=source.qualifiedName, typeName=source.typeName) == {}
    client.upload_entities([source])
    assert "CREATE" in client.upload_entities(both)["mutatedEntities"]


def test_placeholder_of_another_request_is_not_found(client: AtlasClient) -> None:
    """A negative guid lives as long as its request."""
    client.upload_entities([path(1)])
    reference = {"typeName": "azure_datalake_gen2_path", "guid": "-1"}
    assert refused(client.upload_entities, [process([reference], [])]) == "ATLAS-404-00-00A"


def test_missing_mandatory_attribute_is_answered_404(client: AtlasClient) -> None:
    """Surprise 2: what is not valid is mostly answered as not found."""
    nameless = {"typeName": "DataSet", "guid": "-1", "attributes": {"qualifiedName": "d://1"}}
    with pytest.raises(AtlasException) as error:
        client.upload_entities([nameless])
    answer = json.loads(str(error.value))
    assert answer["errorCode"] == "ATLAS-404-00-007"
    assert answer["errorMessage"].endswith("DataSet.name: mandatory attribute value missing in type Asset")


def test_attribute_definition_is_mandatory_unless_it_says_otherwise(client: AtlasClient) -> None:
    """Surprise 3: an attributeDef without isOptional is mandatory, and an inherited one may not be declared again."""
    bare = {"name": "strict", "superTypes": ["DataSet"], "attributeDefs": [{"name": "stage", "typeName": "string"}]}
    client.upload_typedefs(entityDefs=[bare])
    assert refused(client.upload_entities, [AtlasEntity("s", "strict", "s://1", "-1")]) == "ATLAS-404-00-007"
    again = EntityTypeDef("again", superTypes=["DataSet"], attributeDefs=[AtlasAttributeDef("description")])
    assert refused(client.upload_typedefs, entityDefs=[again]) == "ATLAS-400-00-09E"


def test_removed_input_listed_again_at_its_place_stays_deleted(client: AtlasClient) -> None:
    """Surprise 5: a list replaces what was there, softly, and the same link does not come back to life."""
    one, two = path(1), path(2)
    guids = client.upload_entities([one, two, process([one, two], [])])["guidAssignments"]

    def links() -> list[tuple[str, str]]:
        entity = client.get_single_entity(guid=guids["-100"])["entity"]
        related = entity["relationshipAttributes"]["inputs"]
        return [(item["guid"], item["relationshipStatus"]) for item in related]

    client.upload_entities([one, two, process([two], [])])
    assert links() == [(guids["-1"], "DELETED"), (guids["-2"], "ACTIVE")]
    listed = client.get_single_entity(guid=guids["-100"])["entity"]["attributes"]["inputs"]
    assert [item["guid"] for item in listed] == [guids["-1"], guids["-2"]]
    client.upload_entities([one, two, process([one, two], [])])
    assert links() == [(guids["-1"], "DELETED"), (guids["-2"], "ACTIVE")]
    client.upload_entities([one, two, process([two, one], [])])
    assert links() == [(guids["-1"], "DELETED"), (guids["-2"], "ACTIVE"), (guids["-1"], "ACTIVE")]


def test_removed_input_comes_back_when_revival_is_not_strict(client: AtlasClient, emulator: Emulator) -> None:
    """With the switch off, a list is what it says."""
    emulator.control.switches(strict_revival=False)
    one = path(1)
    guids = client.upload_entities([one, process([one], [])])["guidAssignments"]
    client.upload_entities([process([], [])])
    client.upload_entities([one, process([one], [])])
    stored = client.get_single_entity(guid=guids["-100"])["entity"]["relationshipAttributes"]["inputs"]
    assert [(item["guid"], item["relationshipStatus"]) for item in stored] == [(guids["-1"], "ACTIVE")]


def test_omitted_inputs_are_left_alone(client: AtlasClient) -> None:
    """Null, which the client sends for no inputs, changes nothing."""
    one = path(1)
    guids = client.upload_entities([one, process([one], [])])["guidAssignments"]
    client.upload_entities([process(None, None)])
    stored = client.get_single_entity(guid=guids["-100"])["entity"]["relationshipAttributes"]["inputs"]
    assert [item["relationshipStatus"] for item in stored] == ["ACTIVE"]


def test_process_as_input_of_a_process_is_refused(client: AtlasClient) -> None:
    """The ends of lineage are typed."""
    first = AtlasProcess("a", "Process", "p://a", [], [], "-1")
    assert refused(client.upload_entities, [first, process([first], [])]) == "ATLAS-400-00-036"


def test_refused_entity_sinks_the_whole_request(client: AtlasClient, emulator: Emulator) -> None:
    """One entity the service will not have, and nothing of the request is stored."""
    emulator.control.switches(refuse=[path(2).qualifiedName])
    assert refused(client.upload_entities, [path(1), path(2)]) == "ATLAS-400-00-01A"
    assert client.get_entity(qualifiedName=path(1).qualifiedName, typeName="DataSet") == {}
    assert emulator.control.state()["purview"]["entities"] == []


def test_failed_update_leaves_entities_and_links_as_they_were(client: AtlasClient, emulator: Emulator) -> None:
    """A request that fails half way is undone, relationships and unique names included."""
    one, two = path(1), path(2)
    client.upload_entities([one, two, process([one], [two])])
    before = emulator.control.state()["purview"]
    one.attributes["description"] = "changed"
    loop = process([two], [process([], [], guid="-5")])
    with pytest.raises(AtlasException):
        client.upload_entities([one, two, path(3), process([], [], guid="-5"), loop])
    assert emulator.control.state()["purview"] == before


def test_several_unique_names_are_read_at_once_and_missing_ones_skipped(client: AtlasClient) -> None:
    """A supertype finds its subtypes; what is not there is not in the answer."""
    client.upload_entities([path(1), path(2)])
    names = [path(number).qualifiedName for number in (1, 2, 3)]
    found = client.get_entity(qualifiedName=names, typeName="DataSet")
    assert [item["attributes"]["qualifiedName"] for item in found["entities"]] == names[:2]
    assert client.get_entity(qualifiedName=names, typeName="azure_blob_path") == {}


def test_partial_update_changes_the_attributes_given(client: AtlasClient) -> None:
    """By unique name any attribute, by guid a single one."""
    guid = client.upload_entities([path(1)])["guidAssignments"]["-1"]
    name = path(1).qualifiedName
    answer = client.partial_update_entity(
        typeName="azure_datalake_gen2_path", qualifiedName=name, attributes={"description": "one", "size": "12"}
    )
    assert [item["guid"] for item in answer["mutatedEntities"]["PARTIAL_UPDATE"]] == [guid]
    client.partial_update_entity(guid=guid, attributes={"owner": "steward"})
    attributes = client.get_single_entity(guid=guid)["entity"]["attributes"]
    assert (attributes["description"], attributes["size"], attributes["owner"]) == ("one", 12, "steward")


def test_deleted_entity_is_read_by_guid_only_and_a_new_one_takes_its_name(client: AtlasClient) -> None:
    """Deletion is soft, and final: the name is free and the guid is not reused."""
    guid = client.upload_entities([path(1)])["guidAssignments"]["-1"]
    deleted = client.delete_entity(guid=guid)["mutatedEntities"]["DELETE"]
    assert [(item["guid"], item["status"]) for item in deleted] == [(guid, "ACTIVE")]
    assert client.delete_entity(guid=guid) == {}
    assert client.get_single_entity(guid=guid)["entity"]["status"] == "DELETED"
    assert client.get_entity(qualifiedName=path(1).qualifiedName, typeName="DataSet") == {}
    again = client.upload_entities([path(1)])
    assert again["guidAssignments"]["-1"] != guid


def test_labels_are_replaced_added_and_removed(client: AtlasClient) -> None:
    """POST replaces, PUT adds, DELETE removes."""
    guid = client.upload_entities([path(1)])["guidAssignments"]["-1"]

    def labels() -> list[str]:
        found: list[str] = client.get_single_entity(guid=guid)["entity"]["labels"]
        return found

    client.update_entity_labels(["unscanned"], guid=guid, force_update=True)
    client.update_entity_labels(["gold"], guid=guid)
    assert labels() == ["unscanned", "gold"]
    client.delete_entity_labels(["unscanned"], typeName="azure_datalake_gen2_path", qualifiedName=path(1).qualifiedName)
    assert labels() == ["gold"]
    assert refused(client.update_entity_labels, ["no spaces"], guid=guid) == "ATLAS-400-00-090"


def test_composition_child_carries_its_parent_every_time(client: AtlasClient) -> None:
    """The parent is mandatory for the child, on create and on update; deleting the parent deletes the child."""
    types = [EntityTypeDef("shelf", superTypes=["DataSet"]), EntityTypeDef("book", superTypes=["DataSet"])]
    holds = RelationshipTypeDef(
        "shelf_books",
        endDef1={"type": "shelf", "name": "books", "cardinality": "SET", "isContainer": True},
        endDef2={"type": "book", "name": "shelf", "cardinality": "SINGLE", "isContainer": False},
        relationshipCategory="COMPOSITION",
    )
    client.upload_typedefs(entityDefs=types, relationshipDefs=[holds])
    shelf = AtlasEntity("s", "shelf", "s://1", "-1")
    book = AtlasEntity("b", "book", "b://1", "-2", relationshipAttributes={"shelf": {"guid": "-1"}})
    orphan = AtlasEntity("b", "book", "b://1", "-2")
    assert refused(client.upload_entities, [shelf, orphan]) == "ATLAS-404-00-007"
    guids = client.upload_entities([shelf, book])["guidAssignments"]
    assert refused(client.upload_entities, [orphan]) == "ATLAS-404-00-007"
    deleted = client.delete_entity(guid=guids["-1"])["mutatedEntities"]["DELETE"]
    assert {item["guid"] for item in deleted} == {guids["-1"], guids["-2"]}


def chain(client: AtlasClient, steps: int) -> dict[str, str]:
    """Write a chain of processes with one file between two of them; return the guids."""
    files = [path(number) for number in range(1, steps + 2)]
    links = [
        AtlasProcess(f"p{n}", "Process", f"p://{n}", [files[n - 1]], [files[n]], f"-{100 + n}")
        for n in range(1, steps + 1)
    ]
    guids: dict[str, str] = client.upload_entities([*files, *links])["guidAssignments"]
    return guids


def edges(answer: dict[str, Any], guids: dict[str, str]) -> set[tuple[str, str]]:
    """Return the edges of a lineage answer by placeholder."""
    names = {guid: placeholder for placeholder, guid in guids.items()}
    return {(names[item["fromEntityId"]], names[item["toEntityId"]]) for item in answer["relations"]}


def test_lineage_depth_counts_datasets(client: AtlasClient) -> None:
    """One hop is dataset, process, dataset; the edges run as the data does."""
    guids = chain(client, 4)
    answer = client.get_entity_lineage(guids["-3"], depth=1)
    assert edges(answer, guids) == {("-2", "-102"), ("-102", "-3"), ("-3", "-103"), ("-103", "-4")}
    assert set(answer["guidEntityMap"]) == {guids[item] for item in ("-2", "-102", "-3", "-103", "-4")}
    assert answer["baseEntityGuid"] == guids["-3"]
    assert len(client.get_entity_lineage(guids["-1"], depth=0)["relations"]) == 8


def test_lineage_direction_looks_one_way(client: AtlasClient) -> None:
    """INPUT is where it came from, OUTPUT where it went."""
    guids = chain(client, 2)
    upstream = client.get_entity_lineage(guids["-2"], direction="INPUT")
    downstream = client.get_entity_lineage(guids["-2"], direction="OUTPUT")
    assert edges(upstream, guids) == {("-1", "-101"), ("-101", "-2")}
    assert edges(downstream, guids) == {("-2", "-102"), ("-102", "-3")}


def test_lineage_from_a_process_starts_with_its_own_datasets(client: AtlasClient) -> None:
    """Depth 1 of a process is what it reads and writes."""
    guids = chain(client, 3)
    answer = client.get_entity_lineage(guids["-102"], depth=1)
    assert edges(answer, guids) == {("-2", "-102"), ("-102", "-3")}


def test_lineage_is_cut_at_the_width(client: AtlasClient) -> None:
    """Ten neighbours a node are shown unless more are asked for."""
    source = path(1)
    users = [AtlasProcess(f"p{n}", "Process", f"p://{n}", [source], [path(50 + n)], f"-{100 + n}") for n in range(15)]
    guids = client.upload_entities([source, *(path(50 + n) for n in range(15)), *users])["guidAssignments"]
    assert len(client.get_entity_lineage(guids["-1"])["relations"]) == 20
    wide = client.get_entity_lineage(guids["-1"], width=100)
    assert len(wide["relations"]) == 30
    assert wide["widthCounts"]["OUTPUT"][guids["-1"]] == 15


def test_lineage_of_an_entity_without_any_is_empty(client: AtlasClient) -> None:
    """Not even the entity itself is listed, nor a process that leads nowhere."""
    one = path(1)
    guids = client.upload_entities([one, process([one], [])])["guidAssignments"]
    answer = client.get_entity_lineage(guids["-1"])
    assert (answer["guidEntityMap"], answer["relations"]) == ({}, [])
    assert len(client.get_entity_lineage(guids["-100"])["relations"]) == 1
    assert refused(client.get_entity_lineage, "no-such-guid") == "ATLAS-404-00-005"
