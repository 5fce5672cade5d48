"""What overlapping requests do to the emulated catalog: it checks when a request begins and commits when it ends."""

from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import permutations
from typing import Any

import pytest
import requests

from emulator.purview.pauses import HeldWrite, HeldWrites
from emulator.server import Emulator
from tests.contract.atlas import Atlas, dataset, process

NAME = "d://1"
LOGGED = "There was an error processing your request. It has been logged (ID "


@dataclass
class Overlap:
    """Requests that have been checked and wait for their commit."""

    held: HeldWrites
    threads: ThreadPoolExecutor

    def send(self, request: Callable[[], requests.Response]) -> tuple[HeldWrite, "Future[requests.Response]"]:
        """Send a write in a thread of its own, and return when it has been checked."""
        answer = self.threads.submit(request)
        return self.held.next(), answer

    def write(self, atlas: Atlas, *entities: dict[str, Any]) -> tuple[HeldWrite, "Future[requests.Response]"]:
        """Send entities in one request."""
        return self.send(lambda: atlas.send("POST", "/entity/bulk", {"entities": list(entities)}))


@pytest.fixture
def overlap(emulator: Emulator) -> Iterator[Overlap]:
    """Hold all writes of the test."""
    with ThreadPoolExecutor(6) as threads, emulator.held_writes() as held:
        yield Overlap(held, threads)


def make_twins(emulator: Emulator, atlas: Atlas, count: int = 2) -> list[str]:
    """Create one name in requests that overlap, each with a process of its own, and return the guids by commit."""
    with ThreadPoolExecutor(count) as threads, emulator.held_writes() as held:
        overlap = Overlap(held, threads)
        numbers = range(100, 100 + count)
        sent = [overlap.write(atlas, dataset(1, name=f"d{each}"), process([1], [], each)) for each in numbers]
        for write, _ in sent:
            write.commit()
        answers = [answer.result() for _, answer in sent]
    assert [answer.status_code for answer in answers] == [200] * count
    assert all(len(answer.json()["mutatedEntities"]["CREATE"]) == 2 for answer in answers)
    return [answer.json()["guidAssignments"]["-1"] for answer in answers]


def look_up(atlas: Atlas, name: str = NAME) -> str | None:
    """Return the guid that a name leads to."""
    answer = atlas.send("GET", "/entity/uniqueAttribute/type/DataSet", **{"attr:qualifiedName": name})
    assert answer.status_code == 200 or answer.json()["errorCode"] == "ATLAS-404-00-009"
    return str(answer.json()["entity"]["guid"]) if answer.ok else None


def search(atlas: Atlas, name: str = NAME) -> set[str]:
    """Return the guids of all entities that search finds by a name."""
    condition = {"attributeName": "qualifiedName", "operator": "eq", "attributeValue": name}
    answer = atlas.send("POST", "/search/query", {"filter": condition}, root="")
    return {hit["id"] for hit in answer.json()["value"] if hit["entityType"] == "DataSet"}


def rename(atlas: Atlas, guid: str, name: str) -> requests.Response:
    """Change the qualifiedName of an entity by guid."""
    return atlas.send("POST", "/entity/bulk", {"entities": [{**dataset(1, qualifiedName=name), "guid": guid}]})


@pytest.mark.parametrize("count", [2, 6])
def test_overlapping_creates_of_one_name_make_twins_that_keep_their_own_links(
    emulator: Emulator, atlas: Atlas, count: int
) -> None:
    """Each is created, search finds all of them, and each has the process of its own request."""
    emulator.control.switches(search_lag=0)
    guids = make_twins(emulator, atlas, count)
    assert len(set(guids)) == count
    assert search(atlas) == set(guids)
    for number, guid in enumerate(guids, 100):
        linked = atlas.entity(guid)["relationshipAttributes"]["inputToProcesses"]
        assert [end["qualifiedName"] for end in linked] == [f"p://{number}"]


def test_name_of_twins_leads_to_the_last_and_an_upsert_changes_that_one(emulator: Emulator, atlas: Atlas) -> None:
    """The place of the name in the index is overwritten by each commit."""
    first, second = make_twins(emulator, atlas)
    assert look_up(atlas) == second
    answer = atlas.write(dataset(1, description="by name"))
    assert answer["guidAssignments"] == {"-1": second}
    assert [atlas.entity(guid)["attributes"]["description"] for guid in (first, second)] == [None, "by name"]


@pytest.mark.parametrize("gone", [0, 1])
@pytest.mark.parametrize("by", ["delete", "rename"])
def test_taking_a_twin_away_takes_the_name_from_the_other(emulator: Emulator, atlas: Atlas, gone: int, by: str) -> None:
    """Whichever it is; the other lives, and the next upsert by name creates a third."""
    emulator.control.switches(search_lag=0)
    guids = make_twins(emulator, atlas)
    if by == "delete":
        atlas.ok("DELETE", f"/entity/guid/{guids[gone]}")
    else:
        assert rename(atlas, guids[gone], "d://elsewhere").ok
    survivor = guids[1 - gone]
    assert look_up(atlas) is None
    assert atlas.entity(survivor)["status"] == "ACTIVE"
    third = atlas.write(dataset(1))["guidAssignments"]["-1"]
    assert third not in guids
    assert search(atlas) == {survivor, third}


@pytest.mark.parametrize("survivor", [0, 1, 2])
def test_survivor_that_is_renamed_away_and_back_has_its_name_again(
    emulator: Emulator, atlas: Atlas, survivor: int
) -> None:
    """The order that heals: delete the others by guid, then rename the survivor by guid twice."""
    emulator.control.switches(search_lag=0)
    guids = make_twins(emulator, atlas, 3)
    atlas.ok("DELETE", "/entity/bulk", guid=[guid for guid in guids if guid != guids[survivor]])
    assert look_up(atlas) is None
    assert rename(atlas, guids[survivor], f"{NAME}#away").ok
    assert rename(atlas, guids[survivor], NAME).ok
    assert look_up(atlas) == guids[survivor]
    assert atlas.write(dataset(1, description="again"))["guidAssignments"] == {"-1": guids[survivor]}
    assert search(atlas) == {guids[survivor]}


def test_second_create_that_begins_after_the_first_commit_updates(atlas: Atlas, overlap: Overlap) -> None:
    """Only what overlaps makes twins."""
    for expected in ("CREATE", "UPDATE"):
        body = {"entities": [dataset(1, description=expected)]}
        write, answer = overlap.write(atlas, *body["entities"])
        assert (write.method, write.body) == ("POST", body)
        write.commit()
        assert list(answer.result().json()["mutatedEntities"]) == [expected]


def test_reads_go_on_while_a_write_waits_and_see_nothing_of_it(atlas: Atlas, overlap: Overlap) -> None:
    """The request is not answered before its commit, and no read sees half of it."""
    write, answer = overlap.write(atlas, dataset(1))
    assert look_up(atlas) is None
    assert not answer.done()
    write.commit()
    assert look_up(atlas) == answer.result().json()["guidAssignments"]["-1"]


def test_reference_by_name_to_what_is_not_committed_yet_is_not_found(atlas: Atlas, overlap: Overlap) -> None:
    """The model that another request is just creating, for one."""
    write, _ = overlap.write(atlas, dataset(1))
    by_name = {"typeName": "DataSet", "uniqueAttributes": {"qualifiedName": NAME}}
    body = {"entities": [process([by_name], [])]}
    assert atlas.refused("POST", "/entity/bulk", body)[:2] == (404, "ATLAS-404-00-00A")
    write.commit()
    again, answer = overlap.write(atlas, *body["entities"])
    again.commit()
    assert answer.result().status_code == 200


@pytest.mark.parametrize("order", list(permutations(range(3))))
def test_overlapping_writes_to_a_known_entity_all_count(
    emulator: Emulator, atlas: Atlas, order: tuple[int, ...]
) -> None:
    """Links from three processes to one data set, in whatever order they commit."""
    guid = atlas.write(dataset(1))["guidAssignments"]["-1"]
    with ThreadPoolExecutor(3) as threads, emulator.held_writes() as held:
        overlap = Overlap(held, threads)
        sent = [overlap.write(atlas, process([{"guid": guid}], [], number)) for number in (100, 101, 102)]
        for place in order:
            sent[place][0].commit()
        assert all(answer.result().ok for _, answer in sent)
    linked = atlas.entity(guid)["relationshipAttributes"]["inputToProcesses"]
    assert {end["qualifiedName"] for end in linked} == {"p://100", "p://101", "p://102"}


def test_write_that_meets_a_lock_is_answered_500_and_leaves_nothing(emulator: Emulator, atlas: Atlas) -> None:
    """Only where another request wrote to one of its entities meanwhile; sent again it succeeds."""
    emulator.control.switches(lock_rate=1)
    guid = atlas.write(dataset(1))["guidAssignments"]["-1"]
    with ThreadPoolExecutor(3) as threads, emulator.held_writes() as held:
        overlap = Overlap(held, threads)
        entities = ({**dataset(1, description="first"), "guid": guid}, process([{"guid": guid}], []), dataset(2))
        sent = [overlap.write(atlas, entity) for entity in entities]
        for write, _ in sent:
            write.commit()
        answers = [answer.result() for _, answer in sent]
    assert [answer.status_code for answer in answers] == [200, 500, 200]
    assert answers[1].text.startswith(LOGGED)
    entity = atlas.entity(guid)
    assert (entity["attributes"]["description"], entity["relationshipAttributes"]["inputToProcesses"]) == ("first", [])
    atlas.write(process([{"guid": guid}], []))
    assert len(atlas.entity(guid)["relationshipAttributes"]["inputToProcesses"]) == 1


def test_writes_overlap_for_the_time_that_is_set(emulator: Emulator, atlas: Atlas) -> None:
    """Both are checked long before the first of them commits."""
    emulator.control.switches(commit_ms=500)
    with ThreadPoolExecutor(2) as threads:
        body = {"entities": [dataset(1)]}
        answers = list(threads.map(lambda _: atlas.send("POST", "/entity/bulk", body).json(), range(2)))
    assert [list(answer["mutatedEntities"]) for answer in answers] == [["CREATE"], ["CREATE"]]


def test_writes_that_still_wait_at_the_end_commit_in_the_order_of_their_checks(
    emulator: Emulator, atlas: Atlas
) -> None:
    """A test that fails leaves no request behind, taken or not."""
    with ThreadPoolExecutor(2) as threads:
        with emulator.held_writes() as held:
            overlap = Overlap(held, threads)
            sent = [overlap.write(atlas, dataset(1, name=name)) for name in ("first", "second")]
        guids = [answer.result().json()["guidAssignments"]["-1"] for _, answer in sent]
    assert look_up(atlas) == guids[1]
    assert atlas.write(dataset(2))["mutatedEntities"]["CREATE"]


def test_labels_are_written_to_the_entity_that_the_request_began_with(atlas: Atlas, overlap: Overlap) -> None:
    """Labels, classifications and deletes wait for their commit as well."""
    write, made = overlap.write(atlas, dataset(1))
    write.commit()
    guid = made.result().json()["guidAssignments"]["-1"]
    labels, labelled = overlap.send(lambda: atlas.send("PUT", f"/entity/guid/{guid}/labels", ["gold"]))
    gone, deleted = overlap.send(lambda: atlas.send("DELETE", f"/entity/guid/{guid}"))
    assert (atlas.entity(guid)["labels"], atlas.entity(guid)["status"]) == ([], "ACTIVE")
    gone.commit()
    labels.commit()
    assert (labelled.result().status_code, deleted.result().status_code) == (204, 200)
    assert (atlas.entity(guid)["labels"], atlas.entity(guid)["status"]) == (["gold"], "DELETED")


def test_rename_onto_a_name_that_is_taken_fails_and_changes_nothing(atlas: Atlas) -> None:
    """The graph's unique index refuses it, and the server words no error for that."""
    guids = atlas.write(dataset(1), dataset(2))["guidAssignments"]
    answer = rename(atlas, guids["-2"], NAME)
    assert answer.status_code == 500
    assert answer.text.startswith(LOGGED)
    assert atlas.entity(guids["-2"])["attributes"]["qualifiedName"] == "d://2"
    assert (look_up(atlas), look_up(atlas, "d://2")) == (guids["-1"], guids["-2"])


def test_rename_onto_a_name_of_the_same_request_fails(atlas: Atlas) -> None:
    """All of the request with it."""
    guid = atlas.write(dataset(1))["guidAssignments"]["-1"]
    moved = {**dataset(1, qualifiedName="d://2"), "guid": guid}
    assert atlas.send("POST", "/entity/bulk", {"entities": [dataset(2), moved]}).status_code == 500
    assert (look_up(atlas), look_up(atlas, "d://2")) == (guid, None)


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/entity/bulk", {"entities": [None]}),
        ("/entity/bulk", {"entities": [dataset(1), None]}),
        ("/entity", {"entity": None}),
        ("/entity", {}),
    ],
)
def test_entity_that_is_null_is_refused(atlas: Atlas, path: str, body: dict[str, Any]) -> None:
    """With a code, and nothing of the request is stored."""
    answer = atlas.refused("POST", path, body)
    assert answer == (400, "ATLAS-400-00-01A", "invalid parameters: found null entity")
    assert look_up(atlas) is None


def test_update_by_name_without_an_entity_is_refused(atlas: Atlas) -> None:
    """With a code as well."""
    atlas.write(dataset(1))
    by_name = {"attr:qualifiedName": NAME}
    answer = atlas.refused("PUT", "/entity/uniqueAttribute/type/DataSet", {"entity": None}, **by_name)
    assert answer == (400, "ATLAS-400-00-01A", "invalid parameters: no entity to update.")


def test_relationship_with_swapped_ends_is_the_one_that_exists(atlas: Atlas) -> None:
    """Turned to fit its types, or without a direction; one that has a direction is another."""
    both = {"type": "DataSet", "name": "related", "cardinality": "SET"}
    named = {"relationshipCategory": "ASSOCIATION", "name": "related_data", "endDef1": both, "endDef2": both}
    atlas.ok("POST", "/types/typedefs", {"relationshipDefs": [named]})
    guids = atlas.write(dataset(1), dataset(2), process([], []))["guidAssignments"]

    def post(name: str, end1: str, end2: str) -> requests.Response:
        body = {"typeName": name, "end1": {"guid": guids[end1]}, "end2": {"guid": guids[end2]}}
        return atlas.send("POST", "/relationship", body)

    for name, end1, end2 in (("related_data", "-1", "-2"), ("dataset_process_inputs", "-100", "-1")):
        made = post(name, end1, end2).json()
        assert post(name, end2, end1).json() == made
        assert post(name, end1, end2).status_code == 409
    directed = [post("direct_lineage_dataset_dataset", *ends).json()["guid"] for ends in (("-1", "-2"), ("-2", "-1"))]
    assert len(set(directed)) == 2


def test_path_is_kept_where_the_type_declares_one(atlas: Atlas) -> None:
    """The supertype `Path` declares none."""
    kinds = ("azure_datalake_gen2_path", "Path")
    entities = [{**dataset(number, path="/a"), "typeName": kind} for number, kind in enumerate(kinds, 1)]
    guids = atlas.write(*entities)["guidAssignments"]
    assert atlas.entity(guids["-1"])["attributes"]["path"] == "/a"
    assert "path" not in atlas.entity(guids["-2"])["attributes"]
