"""A catalog with nothing in it, one that cannot be reached, one that denies access."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from emulator.server import Emulator
from explorer.server import serving
from shared.bootstrap import Services
from shared.purview.transport import PurviewClient
from shared.settings import Settings
from tests.worlds.credit_risk import published

Shoot = Callable[[str], Path]


@pytest.fixture(scope="module")
def own(browser: Browser) -> Iterator[Emulator]:
    """An emulator of their own: these tests disturb it."""
    with Emulator(scenario="empty") as emulator:
        yield emulator


def impatient(emulator: Emulator) -> Services:
    """Make services that do not wait between attempts."""
    services = Services(Settings.from_env(emulator.environment()))
    made = services.purview
    services.purview = PurviewClient(
        services.settings.purview_endpoint,
        credential=services.credential,
        session=made._session,
        sleep=lambda _: None,
    )
    return services


def test_empty_catalog_says_what_to_do(page: Page, own: Emulator, shoot: Shoot) -> None:
    """It is no error: nothing was published yet."""
    own.control.use("empty")
    with serving(impatient(own)) as url:
        page.goto(url)
        expect(page.get_by_role("heading", name="There is no lineage in this catalog yet")).to_be_visible()
        expect(page.locator("#message")).to_contain_text("lineage backfill")
        page.get_by_label("Search the catalog").fill("anything")
        expect(page.locator(".remark")).to_contain_text("Nothing is found")
        shoot("empty")


def test_catalog_that_cannot_be_reached_is_explained_and_the_page_goes_on(
    page: Page, own: Emulator, shoot: Shoot
) -> None:
    """Its address, what to check, no traceback; once it is back, Refresh is enough."""
    own.control.use("credit-risk")
    published(own)
    services = impatient(own)
    own.control.faults({"service": "purview", "path": "/", "statuses": [503] * 500})
    with serving(services) as url:
        page.goto(f"{url}?asset=creditrisk_model&tab=details")
        alert = page.locator("#message").get_by_role("alert")
        expect(alert).to_contain_text("The catalog cannot be reached")
        expect(alert).to_contain_text(own.url)
        expect(alert).to_contain_text("PURVIEW_ENDPOINT")
        expect(page.locator("body")).not_to_contain_text("Traceback")
        shoot("unreachable")
        own.control.faults()
        page.get_by_role("button", name="Read everything again").click()
        page.wait_for_function("() => window.lineageGraph && window.lineageGraph.nodes().length === 17")


def test_catalog_that_denies_access_names_the_role(page: Page, own: Emulator, shoot: Shoot) -> None:
    """While searching too."""
    own.control.use("credit-risk")
    services = impatient(own)
    own.control.faults({"service": "purview", "path": "/", "statuses": [403] * 500})
    with serving(services) as url:
        page.goto(f"{url}?asset=creditrisk_model")
        alert = page.locator("#message").get_by_role("alert")
        expect(alert).to_contain_text("The catalog does not let you in")
        expect(alert).to_contain_text("Data Reader")
        page.get_by_label("Search the catalog").fill("loan")
        expect(page.locator(".remark")).to_contain_text("does not let you in")
        shoot("forbidden")


def test_name_that_nothing_has_is_said_and_search_still_works(page: Page, explorer: str) -> None:
    """A link to something that was deleted."""
    page.goto(f"{explorer}?asset=no_such_model")
    expect(page.get_by_role("alert")).to_contain_text("search finds no asset named no_such_model")
    page.get_by_label("Search the catalog").fill("loan.csv")
    page.get_by_role("button", name="loan.csv storage path").click()
    page.wait_for_function("() => window.lineageGraph && window.lineageGraph.nodes().length > 1")
