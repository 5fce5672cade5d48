"""What the page says and where its buttons lead, without a browser."""

import pytest

from explorer.address import Address, act
from explorer.app import build_app
from explorer.details import read_details
from explorer.presenter import Presenter
from explorer.server import _guard
from shared.catalog.qualified_names import QualifiedName
from shared.catalog.serving import Serving
from shared.errors import AccessDeniedError
from shared.state.ports import Row
from tests.unit.page_words import words
from tests.unit.plain_catalog import DATA, MODEL, RUN, PlainCatalog


@pytest.fixture
def catalog() -> PlainCatalog:
    """Two versions of a model, and where one comes from."""
    catalog = PlainCatalog().add("m:1", MODEL).add("m:2", MODEL, tags='{"area": "credit"}', studio_url="https://ml/m")
    catalog.add("loan", DATA, classified=["MICROSOFT.FINANCIAL.IBAN"]).add("run", RUN, command="python train.py")
    catalog.add("settings", "custom_ml_exp_config", parameters='{"C": "1.0"}')
    catalog.add("metrics", "custom_ml_model_metrics", metrics='{"AUC": 0.9}')
    return catalog.flow("loan", "run", "m:2").flow("settings", "run").flow("run", "metrics")


@pytest.mark.parametrize(
    "address",
    [
        Address(),
        Address(asset="azureml://a b/c?d&e", mode="up", hide=("run", "data asset"), fold=("p1", "p2"), page=3),
        Address(
            asset="m", start="a", end="b", select="c", tab="compare", against="d", since="2026-01-01", status=("x",)
        ),
        Address(asset="m", open=("a.up",), shut=("b.down",), view="health"),
    ],
)
def test_address_survives_the_way_through_a_url(address: Address) -> None:
    """So that a link shows the same."""
    assert Address.parse(address.to_query()) == address


@pytest.mark.parametrize("query", ["?page=-1", "?page=9999999999", "?mode=x&tab=y&view=z", "?nonsense=1", "?", "%%%"])
def test_url_that_makes_no_sense_is_as_usual(query: str) -> None:
    """People cut and paste."""
    assert Address.parse(query) == Address()


def test_another_asset_in_the_middle_keeps_how_things_are_shown() -> None:
    """And forgets what belonged to the one before."""
    before = Address(asset="a", mode="up", hide=("run",), start="x", page=2, select="y", open=("z.up",))
    assert act(before, "centre", "b") == Address(asset="b", mode="up", hide=("run",))


@pytest.mark.parametrize(
    ("verb", "value", "expected"),
    [
        ("select", "more:4:down", Address(asset="a", page=4)),
        ("select", "k", Address(asset="a", select="k", tab="details")),
        ("fold", "p\nq", Address(asset="a", fold=("p", "q"))),
        ("since", "yesterday", Address(asset="a")),
        ("since", "2026-07-01", Address(asset="a", since="2026-07-01")),
        ("mode", "sideways", Address(asset="a")),
        ("nonsense", "x", Address(asset="a")),
        ("against", "g", Address(asset="a", against="g", tab="compare")),
    ],
)
def test_verb_leads_to_an_address(verb: str, value: str, expected: Address) -> None:
    """Nothing else changes."""
    assert act(Address(asset="a"), verb, value) == expected


def test_sides_that_are_opened_twice_are_as_before() -> None:
    """And one that was opened and is hidden then is not remembered twice."""
    opened = act(Address(asset="a"), "open", "k.up")
    assert act(opened, "open", "k.up") == Address(asset="a")
    assert act(opened, "shut", "k.up") == Address(asset="a")


def test_details_have_what_made_a_model(catalog: PlainCatalog) -> None:
    """Settings and metrics of its run, tags, versions, links, and the classifications of what it learned from."""
    details = read_details(catalog.reading(), "m:2")
    assert details is not None
    sections = {section.title: dict(section.rows) for section in details.sections}
    assert sections["Settings"] == {"C": "1.0"}
    assert sections["Metrics"] == {"AUC": "0.9"}
    assert sections["Tags"] == {"area": "credit"}
    assert [version.name for version in details.versions] == ["m:2", "m:1"]
    assert details.contains == (("MICROSOFT.FINANCIAL.IBAN", ("loan",)),)
    assert dict(details.links) == {
        "Open in Azure ML Studio": "https://ml/m",
        "Open in Microsoft Purview": (
            "https://web.purview.azure.com/resource/contoso/main/catalog/entity?guid=m%3A2&section=lineage"
        ),
    }


def test_details_of_an_endpoint_have_what_answered_when(catalog: PlainCatalog) -> None:
    """The newest period first; Purview itself knows the present only."""
    catalog.add("ep", "custom_ml_model_endpoint")
    name = QualifiedName("x://ep/serving")
    served = (
        Serving("2026-07-01T00:00:00Z", "blue", ("m:1",), "100", until="2026-08-01T00:00:00Z"),
        Serving("2026-08-01T00:00:00Z", "blue", ("m:2",), "100"),
    )
    catalog.rows[name] = Row(name, "serving", "published", served=served)
    details = read_details(catalog.reading(), "ep")
    assert details is not None
    sections = {section.title: section.rows for section in details.sections}
    assert [since for since, _ in sections["Served"]] == ["2026-08-01T00:00:00Z", "2026-07-01T00:00:00Z"]
    assert sections["Served"][0][1] == "blue: m:2, 100 % of the traffic, from 2026-08-01T00:00:00Z on"


def test_link_that_is_not_https_is_not_shown(catalog: PlainCatalog) -> None:
    """A writer of the catalog must not run script in the page."""
    catalog.add("m:3", MODEL, studio_url="javascript:alert(1)")
    details = read_details(catalog.reading(), "m:3")
    assert details is not None
    assert [name for name, _ in details.links] == ["Open in Microsoft Purview"]


def test_tags_that_are_no_json_are_shown_as_they_are(catalog: PlainCatalog) -> None:
    """Others write them too."""
    catalog.add("m:3", MODEL, tags="area=credit")
    details = read_details(catalog.reading(), "m:3")
    assert details is not None
    assert ("Tags", (("", "area=credit"),)) in [(each.title, each.rows) for each in details.sections]


def test_panel_shows_the_selected_node_and_its_classified_sources(catalog: PlainCatalog) -> None:
    """In words."""
    text = words(Presenter(catalog.reading()).panel("?asset=x://m:2&tab=details"))
    assert "Contains data classified as" in text
    assert "MICROSOFT.FINANCIAL.IBAN: loan" in text


def test_list_names_neighbours_and_counts_many(catalog: PlainCatalog) -> None:
    """Six of them by name."""
    for number in range(9):
        catalog.flow(f"part {number}", "run")
    text = words(Presenter(catalog.reading()).panel("?asset=x://m:2&tab=list"))
    assert "from loan, part 0, part 1, part 2, part 3, part 4 and 5 more" in text


def test_catalog_that_refuses_is_explained_everywhere(catalog: PlainCatalog, monkeypatch: pytest.MonkeyPatch) -> None:
    """Picture, panel and search name the role; nothing raises."""

    def refuse(*_: object, **__: object) -> None:
        raise AccessDeniedError("HTTP 403")

    for name in ("find", "search", "get_assets", "list_of_type"):
        monkeypatch.setattr(catalog, name, refuse)
    presenter = Presenter(catalog.reading())
    for parts in (
        presenter.picture("?asset=x://m:2").message,
        presenter.picture("").message,
        presenter.panel("?asset=x://m:2&tab=details"),
        presenter.suggestions("loan"),
    ):
        assert "Data Reader" in words(parts)
        assert "Traceback" not in words(parts)


def test_search_begins_with_two_characters(catalog: PlainCatalog) -> None:
    """One would find everything."""
    presenter = Presenter(catalog.reading())
    assert presenter.suggestions("l") == []
    assert "loan" in words(presenter.suggestions("lo"))
    presenter.suggestions("lo")
    assert catalog.requests.count("search lo") == 1


def test_search_of_fifty_thousand_assets_is_one_request_and_twenty_hits() -> None:
    """The catalog ranks; the page never lists everything."""
    catalog = PlainCatalog()
    for number in range(50_000):
        catalog.add(f"file {number}")
    assert len(Presenter(catalog.reading()).suggestions("file")) == 20
    assert catalog.requests == ["search file"]


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Host": "127.0.0.1:8050"}, 200),
        ({"Host": "localhost:8050"}, 200),
        ({"Host": "lineage.evil.example:8050"}, 403),
        ({"Host": "127.0.0.1.evil.example"}, 403),
        ({"Host": "127.0.0.1:8050", "Origin": "https://evil.example"}, 403),
        ({"Host": "127.0.0.1:8050", "Origin": "null"}, 403),
        ({"Host": "127.0.0.1:8050", "Origin": "http://127.0.0.1:8050"}, 200),
    ],
)
def test_page_answers_this_machine_only(catalog: PlainCatalog, headers: dict[str, str], status: int) -> None:
    """Neither a name that was made to point here, nor another page of the browser."""
    app = build_app(catalog.reading())
    _guard(app.server)
    answer = app.server.test_client().get("/", headers=headers)
    assert answer.status_code == status
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]


def test_page_names_no_address_but_its_own(catalog: PlainCatalog) -> None:
    """Scripts and styles are served from here."""
    app = build_app(catalog.reading())
    text = app.server.test_client().get("/", headers={"Host": "127.0.0.1"}).get_data(as_text=True)
    assert "dash_cytoscape" in text
    assert "https://" not in text
