"""The recipe for a platform that Purview scans, followed with an invented one: each place it must reach is checked."""

from dataclasses import dataclass

import pytest

from shared.azure_ml.run.declared_columns import RunDatasets
from shared.catalog.assets import build_placeholder
from shared.catalog.downstream import parse_downstream
from shared.catalog.entities import UNSCANNED, Found, Ref
from shared.catalog.kinds import KINDS, OTHER_DATA, Kind, Role
from shared.catalog.qualified_names import QualifiedName
from shared.model import Location, Port
from shared.places import platforms
from shared.places.datasets import DatasetName, join_table, split_table
from shared.places.matching import Match, MatchKind, find_scanned, match_places, place_of_dataset
from shared.places.place import Place, Platform, Url
from shared.places.uris import parse_reference
from tests.recipes.platform_places import (
    in_docs,
    in_rows,
    in_table,
    left_out_of_table,
    rows_of_places,
    types_of_no_kind,
)
from tests.references.naming_table import Row
from tests.unit.test_column_mappings import FakePlaces
from tests.unit.test_scanned import TwoOfAName

INVENTED, TYPE = "Icehouse", "icehouse_table"
NAME = QualifiedName("icehouse://acct.example.net/credit/public/loan")
ROW = Row("tables", f"{NAME}?token=x", (), TYPE, NAME, candidates=(NAME,), sets=(), back=NAME)
DATASET = DatasetName("icehouse://acct.example.net", "credit.public.loan")
POWER_BI = "https://app.powerbi.com/groups/g/datasets/d"


@dataclass(frozen=True, slots=True)
class Icehouse(Platform):
    """Tables of a warehouse that does not exist: `icehouse://{account}/{database}/{schema}/{table}`."""

    platform: str = INVENTED

    def takes(self, url: Url) -> bool:
        return url.scheme == "icehouse" and len(url.segments) == 3

    def names(self, url: Url) -> Place:
        name = "/".join((f"icehouse://{url.host}", *url.segments))
        return self.place(url, name, types=(TYPE,), exact=((name, "exact table"),))

    def to_openlineage(self, name: QualifiedName) -> DatasetName | None:
        scheme, _, account, *parts = name.split("/")
        return DatasetName(f"{scheme}//{account}", join_table(parts)) if scheme == "icehouse:" else None

    def from_openlineage(self, dataset: DatasetName) -> Location | None:
        if dataset.scheme != "icehouse":
            return None
        return Location("/".join((f"icehouse://{dataset.source}", *split_table(dataset.name))))


@pytest.fixture
def invented(monkeypatch: pytest.MonkeyPatch) -> None:
    """Add the class to the table of platforms, and its type to the table of kinds, as the recipe asks."""
    monkeypatch.setattr(platforms, "PLATFORMS", (Icehouse(), *platforms.PLATFORMS))
    monkeypatch.setitem(KINDS, TYPE, Kind(TYPE, Role.DATA, "table", "table", "storage", openlineage="TABLE"))


def place() -> Place:
    """Read the URI of the row and name what is stored there."""
    located = parse_reference(ROW.uri)
    assert isinstance(located, Location)
    return platforms.place_of(located)


@pytest.mark.usefixtures("invented")
def test_uri_of_invented_platform_is_read_in_azure_ml_and_in_the_mapping_to_power_bi() -> None:
    """Without its query, which may hold a secret."""
    assert parse_reference(ROW.uri) == Location(NAME)
    mapping = parse_downstream(f"- {{path: '{ROW.uri}', dataset: {POWER_BI}}}", "downstream.yaml")
    assert [feed.dataset for feed in mapping.of_location(Location(NAME))] == [POWER_BI]


@pytest.mark.usefixtures("invented")
def test_place_on_invented_platform_has_the_names_of_its_row_and_leads_back() -> None:
    """As each row of the naming table is held to the code."""
    found = place()
    assert (found.platform, found.scanned_types, found.ref.qualified_name) == (INVENTED, (ROW.type_name,), ROW.name)
    assert (found.exact, found.resource_sets) == (ROW.candidates, ROW.sets)
    assert all(found.rules[name] for name in found.exact)
    assert platforms.origin(QualifiedName(ROW.name)) == Location(ROW.back)


@pytest.mark.usefixtures("invented")
def test_table_on_invented_platform_is_a_placeholder_until_a_scan_has_found_it() -> None:
    """Which says whose type it has; the entity of the scan is met by its name behind the placeholder."""
    (placeholder,) = build_placeholder(place(), match_places([place()], {}))
    assert (placeholder.ref, placeholder.labels) == (Ref(OTHER_DATA, NAME), (UNSCANNED,))
    assert f"data of type {TYPE}" in str(placeholder.attributes["description"])
    assert f"({INVENTED})" in str(placeholder.attributes["description"])
    ours, scanned = Found(Ref(OTHER_DATA, NAME), "1", labels=(UNSCANNED,)), Found(Ref(TYPE, NAME), "2")
    _, found = find_scanned(TwoOfAName(ours, scanned), [place()])
    assert match_places([place()], found)[place().ref] == Match(scanned.ref, MatchKind.EXACT)


@pytest.mark.usefixtures("invented")
def test_name_in_openlineage_is_as_the_class_has_it_and_comes_in_as_the_same_data() -> None:
    """In an event about a job, and in the column mapping that a run declares."""
    assert platforms.to_openlineage(NAME) == DATASET
    assert place_of_dataset(DATASET, "jobs") == place()
    datasets = RunDatasets("run", [Port("loan", Location(NAME))], [], FakePlaces())
    assert datasets.find_inputs([DATASET]) == {DATASET: "loan"}


@pytest.mark.usefixtures("invented")
def test_invented_platform_is_missed_in_rows_and_docs() -> None:
    """The rows and the docs are compared with the table."""
    assert in_table() - in_rows() == in_table() - in_docs() == {INVENTED}
    assert types_of_no_kind([ROW]) == set()


def test_rows_and_docs_have_the_platforms_of_the_table() -> None:
    """A class, a row, a type or a line that is added to one of them and not to the others fails here."""
    assert left_out_of_table() == set()
    assert in_rows() == in_docs() == in_table()
    assert types_of_no_kind(rows_of_places()) == set()
