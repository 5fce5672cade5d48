"""The page in a real browser, from the search field to everything it says of an asset."""

import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.browser.picture import FROM_FILE_TO_REPORT, expect_names, tap


def test_search_leads_to_a_picture_from_the_file_to_the_report(
    page: Page, explorer: str, shoot: Callable[[str], Path]
) -> None:
    """Typing suggests; choosing draws every stage; clicking a node tells everything that is known of it."""
    page.goto(explorer)
    page.get_by_label("Search the catalog").fill("creditrisk_mod")
    page.get_by_role("button", name="creditrisk_model:2 model").click()
    expect_names(page, *FROM_FILE_TO_REPORT)
    expect(page.locator("#summary")).to_have_text("17 of 17 nodes")
    shoot("lineage")
    tap(page, "creditrisk_model:2")
    panel = page.get_by_role("complementary", name="Details")
    expect(panel.get_by_role("heading", name="creditrisk_model:2")).to_be_visible()
    for words in ("Metrics", "Settings", "Packages", "Tags", "Attributes"):
        expect(panel.locator("summary", has_text=words)).to_be_visible()
    expect(panel.get_by_role("link", name="Open in Azure ML Studio")).to_have_attribute(
        "href", re.compile(r"^https://ml\.azure\.com/model/creditrisk_model:2/")
    )
    shoot("details")
