"""Five thousand nodes, and a run that failed among them."""

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from emulator.server import Emulator
from explorer.server import serving
from shared.bootstrap import Services
from shared.catalog.entities import Entity, Ref, attributes
from shared.catalog.qualified_names import QualifiedName
from shared.settings import Settings
from tests.browser.picture import do, expect_class, open_at, wait_until_drawn

NODES, MOST_ELEMENTS = 5_000, 530
HUB = QualifiedName("https://lake.example/hub.csv")


def lineage() -> Iterator[Entity]:
    """Yield one file, and 2,500 links that each make another of it."""
    hub = Ref("custom_dataset", HUB)
    yield Entity(hub, attributes("hub.csv"))
    for number in range((NODES - 1) // 2 + 1):
        made = Ref("custom_dataset", QualifiedName(f"https://lake.example/made-{number:04}.csv"))
        link = Ref("ProcessWithColumnMapping", QualifiedName(f"https://lake.example/link-{number:04}"))
        yield Entity(made, attributes(f"made-{number:04}.csv"))
        yield Entity(link, attributes(f"link {number:04}"), inputs=(hub,), outputs=(made,))
    workspace = Ref("custom_ml_workspace", QualifiedName("https://lake.example/workspace"))
    yield Entity(workspace, attributes("workspace"))
    experiment = Ref("custom_ml_experiment", QualifiedName("https://lake.example/experiment"))
    yield Entity(experiment, attributes("experiment"), parents={"workspace": workspace})
    failed = Ref("custom_ml_experiment_step", QualifiedName("https://lake.example/a-failed-run"))
    yield Entity(
        failed,
        attributes("a failed run", status="Failed", started_at="2026-07-01T10:00:00Z"),
        inputs=(hub,),
        outputs=(Ref("custom_dataset", QualifiedName("https://lake.example/made-0000.csv")),),
        parents={"experiment": experiment},
    )


@pytest.fixture(scope="module")
def large(browser: Browser) -> Iterator[str]:
    """The page over that catalog."""
    with Emulator(scenario="empty") as emulator:
        services = Services(Settings.from_env(emulator.environment()))
        services.catalog.install_types()
        assert not services.catalog.upsert_entities(lineage()).rejections
        with serving(services) as url:
            yield url


def elements(page: Page) -> int:
    """Count what is drawn."""
    count: int = page.evaluate("window.lineageGraph.elements().length")
    return count


def test_large_graph_is_drawn_a_page_at_a_time(page: Page, large: str, shoot: Callable[[str], Path]) -> None:
    """Never more than some hundred elements, however far one turns; the rest is counted and can be opened."""
    open_at(page, large, asset=HUB)
    expect(page.locator("#summary")).to_contain_text("page 1 of")
    expect_class(page, "failed", "a failed run")
    assert page.evaluate("window.lineageGraph.nodes('.more').map(each => each.data('name'))") == [
        "and at least 2,381 more"
    ]
    assert elements(page) <= MOST_ELEMENTS
    shoot("large")
    page.get_by_role("button", name="Next page").click()
    expect(page.locator("#summary")).to_contain_text("page 2 of")
    wait_until_drawn(page)
    assert 100 < elements(page) <= MOST_ELEMENTS
    open_at(page, large, asset=HUB, page="40")
    expect(page.locator("#summary")).to_contain_text("page 41 of")
    assert 100 < elements(page) <= MOST_ELEMENTS


def test_node_that_stands_for_a_page_opens_it(page: Page, large: str) -> None:
    """By a click, or from the list."""
    open_at(page, large, asset=HUB, tab="list")
    page.get_by_role("button", name=re.compile(r"^and at least [\d,]+ more, more$")).click()
    expect(page.locator("#summary")).to_contain_text("page 2 of")
    page.get_by_role("button", name="120 before, more").click()
    expect(page.locator("#summary")).to_contain_text("page 1 of")


def test_search_of_a_large_catalog_gives_twenty_hits(page: Page, large: str) -> None:
    """And not one for each file."""
    page.goto(large)
    page.get_by_label("Search the catalog").fill("made")
    expect(page.locator(".suggestion")).to_have_count(20)


def test_filter_by_status_finds_what_failed(page: Page, large: str) -> None:
    """Of what was read."""
    open_at(page, large, asset="https://lake.example/made-0000.csv", mode="up")
    page.locator("#filter > summary").click()
    do(page, "Failed 1").click()
    expect_class(page, "failed")
    expect(page.locator("#summary")).to_contain_text("3 of 4 nodes")
