"""What a scan has put into the catalog is distinguished from placeholders of ours that may hide it."""

from collections.abc import Sequence

from shared.catalog.entities import ASSET, UNSCANNED, Found, Ref
from shared.catalog.qualified_names import QualifiedName
from shared.model import Location
from shared.places.matching import find_scanned
from shared.places.platforms import place_of
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
