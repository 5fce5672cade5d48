"""
What the product sends to a catalog, and the shape of what it is answered: of the emulated one, and of any Apache Atlas.

LINEAGE_TEST_ATLAS names one, such as http://admin:admin@127.0.0.1:21000; then every test runs against it, too. What is
written there has a name of its own for each run, and stays but for what a test deletes.
"""

import os
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
import requests

from emulator.server import Emulator
from shared.catalog.qualified_names import QualifiedName
from tests.contract.atlas import TIMEOUT
from tests.harness.app import WS, App

GENUINE = os.environ.get("LINEAGE_TEST_ATLAS", "")
REQUESTS = {
    "GET /types/typedefs": "TypesREST.getAllTypeDefs",
    "POST /types/typedefs": "TypesREST.createAtlasTypeDefs",
    "PUT /types/typedefs": "TypesREST.updateAtlasTypeDefs",
    "GET /types/entitydef/name/{name}": "TypesREST.getEntityDefByName",
    "POST /entity/bulk": "EntityREST.createOrUpdate; overlapping ones measured on Atlas 2.4.0",
    "GET /entity/bulk": "EntityREST.getByGuids",
    "GET /entity/bulk/uniqueAttribute/type/{type}": "EntityREST.getEntitiesByUniqueAttributes",
    "GET /entity/guid/{guid}": "EntityREST.getById",
    "PUT /entity/guid/{guid}/labels": "EntityREST.addLabels",
    "DELETE /entity/guid/{guid}/labels": "EntityREST.removeLabels",
    "DELETE /entity/guid/{guid}": "EntityREST.deleteByGuid; of twins measured on Atlas 2.4.0",
    "DELETE /entity/bulk": "EntityREST.deleteByGuids",
    "GET /lineage/{guid}": "LineageREST.getLineageGraph",
}
"""What the product sends, and what of Apache Atlas answers (release 2.4.0, package org.apache.atlas.web.rest)."""
OF_PURVIEW = {
    "POST /datamap/api/search/query": "azure-rest-api-specs, purviewdatagovernance, Discovery_Query",
    "GET /account/collections": "azure-rest-api-specs, purviewaccount, Collections_ListCollections",
}
"""What Purview has beside Atlas: the emulator's own tests hold it."""
_PATHS = (
    (r"^/datamap/api/atlas/v2", ""),
    (r"/guid/[^/]+", "/guid/{guid}"),
    (r"/type/[^/]+$", "/type/{type}"),
    (r"/entitydef/name/[^/]+$", "/entitydef/name/{name}"),
    (r"/lineage/[^/]+$", "/lineage/{guid}"),
)


class Catalog:
    """The Atlas API of one catalog."""

    def __init__(self, base: str, session: requests.Session, query: dict[str, str]) -> None:
        self._base, self._session, self._query = base, session, query
        self.prefix = f"contract://{uuid4()}"

    def send(self, method: str, path: str, body: object = None, **query: Any) -> requests.Response:
        return self._session.request(
            method, f"{self._base}{path}", params={**self._query, **query}, json=body, timeout=TIMEOUT
        )

    def ok(self, method: str, path: str, body: object = None, **query: Any) -> Any:
        response = self.send(method, path, body, **query)
        assert response.ok, response.text
        return response.json() if response.content else None

    def name(self, of: str) -> str:
        return f"{self.prefix}/{of}"

    def data(self, of: str, guid: str = "-1", **attributes: object) -> dict[str, Any]:
        values = {"qualifiedName": self.name(of), "name": of, **attributes}
        return {"typeName": "DataSet", "guid": guid, "attributes": values}

    def write(self, *entities: dict[str, Any]) -> Any:
        return self.ok("POST", "/entity/bulk", {"entities": list(entities)})

    def look_up(self, *names: str, of_type: str = "Asset") -> Any:
        query = {f"attr_{number}:qualifiedName": self.name(name) for number, name in enumerate(names)}
        path = f"/entity/bulk/uniqueAttribute/type/{of_type}"
        return self.send("GET", path, minExtInfo="true", ignoreRelationships="false", **query)

    def guid_of(self, name: str) -> str | None:
        answer = self.look_up(name)
        found = (answer.json().get("entities") or []) if answer.ok and answer.content else []
        return str(found[0]["guid"]) if found else None


@pytest.fixture(params=["emulator", *(["atlas"] if GENUINE else [])])
def catalog(request: pytest.FixtureRequest) -> Iterator[Catalog]:
    with requests.Session() as session:
        session.trust_env = False
        if request.param == "atlas":
            parts = urlsplit(GENUINE)
            session.auth = (parts.username or "", parts.password or "")
            yield Catalog(f"{parts.scheme}://{parts.hostname}:{parts.port}/api/atlas/v2", session, {})
            return
        emulator: Emulator = request.getfixturevalue("emulator")
        emulator.control.switches(commit_ms=40)
        session.verify = emulator.ca_bundle
        session.headers["Authorization"] = "Bearer any"
        yield Catalog(f"{emulator.url}/datamap/api/atlas/v2", session, {"api-version": "2023-09-01"})


def test_types_are_listed_made_once_and_added_to(catalog: Catalog) -> None:
    """A list of definitions of each category; a type that exists is 409; optional attributes may be added later."""
    listed = catalog.ok("GET", "/types/typedefs")
    assert {"DataSet", "Process", "Asset"} <= {each["name"] for each in listed["entityDefs"]}
    assert {"enumDefs", "structDefs", "classificationDefs", "relationshipDefs"} <= listed.keys()
    optional = {"name": "more", "typeName": "string", "isOptional": True, "cardinality": "SINGLE"}
    made = {"name": f"contract_{uuid4().hex}", "superTypes": ["DataSet"], "attributeDefs": []}
    answer = catalog.ok("POST", "/types/typedefs", {"entityDefs": [made]})
    assert [each["name"] for each in answer["entityDefs"]] == [made["name"]]
    again = catalog.send("POST", "/types/typedefs", {"entityDefs": [made]})
    assert (again.status_code, again.json()["errorCode"]) == (409, "ATLAS-409-00-001")
    catalog.ok("PUT", "/types/typedefs", {"entityDefs": [{**made, "attributeDefs": [optional]}]})
    read = catalog.ok("GET", f"/types/entitydef/name/{made['name']}")
    assert [each["name"] for each in read["attributeDefs"]] == ["more"]


def test_type_that_is_not_there_is_404(catalog: Catalog) -> None:
    """With Atlas's own code, which a gateway's page does not have."""
    answer = catalog.send("GET", f"/types/entitydef/name/nope_{uuid4().hex}")
    assert (answer.status_code, answer.json()["errorCode"]) == (404, "ATLAS-404-00-001")


def test_entities_of_one_request_refer_to_each_other_by_negative_guids(catalog: Catalog) -> None:
    """The answer assigns guids to them, and says what was created."""
    process = {
        "typeName": "Process",
        "guid": "-3",
        "attributes": {
            "qualifiedName": catalog.name("step"),
            "name": "step",
            "inputs": [{"guid": "-1"}],
            "outputs": [{"typeName": "DataSet", "uniqueAttributes": {"qualifiedName": catalog.name("known")}}],
        },
    }
    catalog.write(catalog.data("known"))
    answer = catalog.write(catalog.data("in"), process)
    assert answer["guidAssignments"].keys() == {"-1", "-3"}
    created = {each["attributes"]["qualifiedName"] for each in answer["mutatedEntities"]["CREATE"]}
    assert created == {catalog.name("in"), catalog.name("step")}
    entity = catalog.ok("GET", f"/entity/guid/{answer['guidAssignments']['-3']}")["entity"]
    assert (entity["typeName"], entity["status"]) == ("Process", "ACTIVE")
    ends = {side: entity["relationshipAttributes"][side][0] for side in ("inputs", "outputs")}
    assert ends["inputs"]["guid"] == answer["guidAssignments"]["-1"]
    assert {end["relationshipStatus"] for end in ends.values()} == {"ACTIVE"}


def test_entity_of_a_name_that_exists_is_updated_and_keeps_its_guid(catalog: Catalog) -> None:
    """An upsert by name; nothing is created."""
    first = catalog.write(catalog.data("a"))["guidAssignments"]["-1"]
    answer = catalog.write(catalog.data("a", description="again"))
    assert answer["guidAssignments"] == {"-1": first}
    assert "CREATE" not in (answer.get("mutatedEntities") or {})


def test_look_up_by_name_gives_those_that_are_there_of_the_type_and_below(catalog: Catalog) -> None:
    """As many names as a request takes; one that is not there is left out."""
    guid = catalog.write(catalog.data("a"))["guidAssignments"]["-1"]
    [found] = catalog.look_up("a", "missing").json()["entities"]
    assert (found["guid"], found["typeName"], found["attributes"]["qualifiedName"]) == (
        guid,
        "DataSet",
        catalog.name("a"),
    )
    assert not (catalog.look_up("missing").json() or {}).get("entities")


def test_entities_are_read_by_guid_all_or_none(catalog: Catalog) -> None:
    """One that is not there fails the request."""
    guids = [catalog.write(catalog.data(name))["guidAssignments"]["-1"] for name in ("a", "b")]
    read = catalog.ok("GET", "/entity/bulk", guid=guids)
    assert {each["guid"] for each in read["entities"]} == {*guids}
    refused = catalog.send("GET", "/entity/bulk", guid=[guids[0], str(uuid4())])
    assert (refused.status_code, refused.json()["errorCode"]) == (404, "ATLAS-404-00-005")


def test_labels_are_added_and_taken_away(catalog: Catalog) -> None:
    """The answers have no body."""
    guid = catalog.write(catalog.data("a"))["guidAssignments"]["-1"]
    assert catalog.ok("PUT", f"/entity/guid/{guid}/labels", ["one", "two"]) is None
    assert catalog.ok("DELETE", f"/entity/guid/{guid}/labels", ["one"]) is None
    assert catalog.ok("GET", f"/entity/guid/{guid}")["entity"]["labels"] == ["two"]


def test_lineage_names_entities_and_the_links_between_them(catalog: Catalog) -> None:
    """From what was read to what was written, through the process."""
    process = {
        "typeName": "Process",
        "guid": "-3",
        "attributes": {
            "qualifiedName": catalog.name("step"),
            "name": "step",
            "inputs": [{"guid": "-1"}],
            "outputs": [{"guid": "-2"}],
        },
    }
    guids = catalog.write(catalog.data("in"), catalog.data("out", "-2"), process)["guidAssignments"]
    lineage = catalog.ok("GET", f"/lineage/{guids['-1']}", direction="OUTPUT", depth=3)
    assert (lineage["baseEntityGuid"], lineage["lineageDirection"]) == (guids["-1"], "OUTPUT")
    assert lineage["guidEntityMap"].keys() == {*guids.values()}
    links = {(each["fromEntityId"], each["toEntityId"]) for each in lineage["relations"]}
    assert links == {(guids["-1"], guids["-3"]), (guids["-3"], guids["-2"])}


@pytest.mark.parametrize("path", ["/entity/guid/{guid}", "/entity/bulk"])
def test_deleted_entity_is_said_to_be_and_its_name_leads_nowhere(catalog: Catalog, path: str) -> None:
    """It stays readable by its guid."""
    guid = catalog.write(catalog.data("a"))["guidAssignments"]["-1"]
    answer = catalog.ok("DELETE", path.format(guid=guid), **({} if "{" in path else {"guid": [guid]}))
    assert [each["guid"] for each in answer["mutatedEntities"]["DELETE"]] == [guid]
    assert catalog.guid_of("a") is None
    assert catalog.ok("GET", f"/entity/guid/{guid}")["entity"]["status"] == "DELETED"


def test_twins_are_healed_by_deleting_one_and_renaming_the_other_away_and_back(catalog: Catalog) -> None:
    """Two creates at once may both succeed; deleting either takes the name from the other."""
    guids = make_twins(catalog)
    catalog.ok("DELETE", f"/entity/guid/{guids[0]}")
    assert catalog.guid_of("twin") is None
    for name in ("twin#away", "twin"):
        catalog.write(
            {**catalog.data("twin", guids[1]), "attributes": {"qualifiedName": catalog.name(name), "name": "twin"}}
        )
    assert catalog.guid_of("twin") == guids[1]
    assert catalog.write(catalog.data("twin", description="again"))["guidAssignments"] == {"-1": guids[1]}


def make_twins(catalog: Catalog) -> list[str]:
    """Create one name twice at once, until the catalog has two of it."""
    for _ in range(20):
        with ThreadPoolExecutor(2) as threads:
            answers = list(threads.map(lambda _: catalog.write(catalog.data("twin")), range(2)))
        guids = sorted({answer["guidAssignments"]["-1"] for answer in answers})
        if len(guids) == 2:
            return guids
        catalog.ok("DELETE", f"/entity/guid/{guids[0]}")
    pytest.fail("the catalog lets no two creates overlap")


def test_product_sends_nothing_that_is_not_held_here(emulator: Emulator, tmp_path: Path) -> None:
    """A request of a new kind needs its source, and a test of its own above."""
    control = emulator.control
    control.use("credit-risk")
    app = App.on(emulator, tmp_path / "state.sqlite")
    control.clear_requests()
    app.services.catalog.reach()
    app.services.catalog.install_types()
    app.replay()
    app.tick()
    app.graph(f"{WS}/models/creditrisk_model/versions/2")
    list(app.services.catalog.search("credit"))
    [found] = app.services.catalog.find([QualifiedName(f"{WS}/models/creditrisk_model/versions/2")]).values()
    app.services.catalog.add_labels(found, ["x"])
    app.services.catalog.remove_label(found, "x")
    app.services.catalog.is_linked(found)
    app.services.catalog.remove_entity(found)
    sent = {f"{each.method} {as_template(each.path)}" for each in control.requests("purview")}
    assert sent - REQUESTS.keys() - OF_PURVIEW.keys() == set()
    assert len(sent & REQUESTS.keys()) >= len(REQUESTS) - 2  # types are there already, and nothing is retired


def as_template(path: str) -> str:
    """
    >>> as_template("/datamap/api/atlas/v2/entity/guid/1-2/labels")
    '/entity/guid/{guid}/labels'
    """
    for pattern, template in _PATHS:
        path = re.sub(pattern, template, path.partition("?")[0])
    return path
