"""What a scan has put into the catalog is distinguished from placeholders of ours that may hide it."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, cast

import pytest

from shared.catalog.entities import ASSET, UNSCANNED, Found, Ref
from shared.catalog.qualified_names import QualifiedName
from shared.errors import RequestRefusedError
from shared.model import Location
from shared.places.matching import find_scanned, is_scanned
from shared.places.platforms import place_of
from shared.purview.catalog import PurviewCatalog
from shared.purview.transport import PurviewClient
from tests.harness.fakes import FakeCatalog

TABLE = QualifiedName("mssql://srv.database.windows.net/db/dbo/loan")
PLACE = place_of(Location(TABLE))
PLACEHOLDER = Found(Ref("custom_dataset", TABLE), "1", labels=(UNSCANNED,))
SCANNED = Found(Ref("azure_sql_view", TABLE), "2")


class TwoOfAName(FakeCatalog):
    """A catalog where one name stands for several entities; the first is what a look-up by the supertype gives."""

    def __init__(self, *found: Found) -> None:
        super().__init__()
        self.found = found

    def find(self, names: Sequence[QualifiedName], *, type_name: str = ASSET) -> dict[QualifiedName, Found]:
        self.called(type_name)
        here = [item for item in reversed(self.found) if type_name in (ASSET, item.ref.type_name)]
        return {item.ref.qualified_name: item for item in here if item.ref.qualified_name in names}


def test_scan_that_a_placeholder_hides_is_found_by_its_type() -> None:
    """Otherwise a placeholder would keep the edges for ever."""
    _, scanned = find_scanned(TwoOfAName(PLACEHOLDER, SCANNED), [PLACE])
    assert scanned == {TABLE: SCANNED.ref}


def test_placeholder_alone_is_no_scan_even_without_its_label() -> None:
    """No scanner writes a custom_dataset, whatever a steward has done to it."""
    _, scanned = find_scanned(TwoOfAName(Found(PLACEHOLDER.ref, "1")), [PLACE])
    assert scanned == {}


def test_nothing_more_is_asked_where_there_is_no_placeholder() -> None:
    """The usual case costs one request, as ever."""
    catalog = TwoOfAName(SCANNED)
    assert find_scanned(catalog, [PLACE])[1] == {TABLE: SCANNED.ref}
    assert catalog.calls == [ASSET]


class Stored:
    """A client of a catalog that has one entity."""

    def __init__(self, **members: object) -> None:
        self.entity = {
            "guid": "1",
            "typeName": "azure_datalake_gen2_path",
            "createdBy": "app",
            "updatedBy": "app",
            "labels": [UNSCANNED],
            **members,
            "attributes": {
                "qualifiedName": "n",
                "name": "n",
                **cast(dict[str, object], members.get("attributes") or {}),
            },
        }

    def get(self, _: str) -> dict[str, object]:
        return {"entities": [self.entity]}


@pytest.mark.parametrize(
    ("members", "scanned"),
    [
        ({}, False),
        ({"updatedBy": "a steward"}, False),
        ({"attributes": {"userDescription": "mine", "description": "ours", "isFile": True, "owner": "me"}}, False),
        ({"attributes": {"size": 0, "modifiedTime": 0, "createTime": 0}}, False),
        ({"attributes": {"size": 7}}, True),
        ({"attributes": {"modifiedTime": 1_767_225_600_000}}, True),
        ({"sourceDetails": {}}, False),
        ({"sourceDetails": {"source": "a scan"}}, True),
        ({"relationshipAttributes": {"tabular_schema": {"guid": "2", "relationshipStatus": "ACTIVE"}}}, True),
        ({"relationshipAttributes": {"tabular_schema": {"guid": "2", "relationshipStatus": "DELETED"}}}, False),
        ({"relationshipAttributes": {"columns": [{"guid": "2", "relationshipStatus": "ACTIVE"}]}}, True),
        ({"relationshipAttributes": {"inputToProcesses": [{"guid": "2", "relationshipStatus": "ACTIVE"}]}}, False),
        ({"updatedBy": "The-Scanner"}, True),
        ({"createdBy": "the-scanner"}, True),
    ],
)
def test_entity_is_scanned_by_what_a_scan_leaves_on_it(members: dict[str, object], scanned: bool) -> None:
    """Not because someone else than its creator has written it, unless that is a scanner by name."""
    catalog = PurviewCatalog(cast(PurviewClient, Stored(**members)), scanners=["the-scanner"])
    [found] = catalog.find([QualifiedName("n")]).values()
    assert (found.scanned, is_scanned(found)) == (scanned, scanned)


class Searched:
    """A client of the catalog that answers searches, in pages of what a test gives, or refuses them."""

    def __init__(self, *names: str, refuses: bool = False) -> None:
        self.names, self.refuses = names, refuses
        self.queries: list[Mapping[str, Any]] = []

    def search(self, query: Mapping[str, Any], *, pages: int = 1) -> Iterator[dict[str, str]]:
        self.queries.append(query)
        if self.refuses:
            raise RequestRefusedError("no such operator", status=400)
        yield from ({"id": "1", "entityType": "azure_blob_resource_set", "qualifiedName": name} for name in self.names)


def test_resource_sets_are_searched_for_at_most_every_ten_minutes_unless_they_must_be_fresh() -> None:
    """Whatever the service takes for the beginning of a name, only what begins so is returned."""
    client = Searched("https://a/c/{N}.csv", "https://A/c/{N}.csv", "https://b/c/{N}.csv")
    catalog = PurviewCatalog(cast(PurviewClient, client))
    for _ in range(2):
        assert [ref.qualified_name for ref in catalog.list_resource_sets(["https://a/c/"])] == ["https://a/c/{N}.csv"]
    assert len(client.queries) == 1
    catalog.list_resource_sets(["https://a/c/"], fresh=True)
    catalog.list_resource_sets([f"https://a/{number}/" for number in range(25)])
    assert len(client.queries) == 4


def test_search_that_is_refused_costs_the_sets_and_not_the_run(caplog: pytest.LogCaptureFixture) -> None:
    """The run is published with placeholders, and the log says why."""
    catalog = PurviewCatalog(cast(PurviewClient, Searched(refuses=True)))
    assert catalog.list_resource_sets(["https://a/c/"]) == []
    assert "the catalog refused a search" in caplog.text
