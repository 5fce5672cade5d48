"""Without a mouse, by a link, in the dark."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from playwright.sync_api import Page, expect

from tests.browser.picture import FROM_FILE_TO_REPORT, do, expect_class, expect_names, open_at

Shoot = Callable[[str], Path]
CONTRAST = 4.5
MEASURE = """() => {
    const parts = colour => (colour.match(/[\\d.]+/g) || []).map(Number);
    const light = ([r, g, b]) => [r, g, b].map(value => value / 255)
        .map(value => value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4)
        .reduce((sum, value, at) => sum + value * [0.2126, 0.7152, 0.0722][at], 0);
    const ratio = (one, other) => (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    const behind = element => {
        for (let at = element; at; at = at.parentElement) {
            const colour = parts(getComputedStyle(at).backgroundColor);
            if (colour.length && colour[3] !== 0) return colour;
        }
        return [255, 255, 255];
    };
    const poor = [];
    for (const element of document.querySelectorAll("body *")) {
        const own = [...element.childNodes].some(node => node.nodeType === 3 && node.textContent.trim());
        if (!own || !element.checkVisibility() || element.closest("canvas, svg, .only-read, .skip")) continue;
        const found = ratio(light(parts(getComputedStyle(element).color)), light(behind(element)));
        if (found < 4.5) poor.push(`${element.textContent.slice(0, 30)}: ${found.toFixed(2)}`);
    }
    for (const node of window.lineageGraph.nodes()) {
        const found = ratio(light(parts(node.style("color"))), light(parts(node.style("background-color"))));
        if (found < 4.5) poor.push(`${node.data("name")}: ${found.toFixed(2)}`);
    }
    return poor;
}"""
"""Texts whose contrast with what is behind them is below 4.5:1, of the page and of the nodes (WCAG 2.1, 1.4.3)."""


def test_everything_is_reached_without_a_mouse(page: Page, explorer: str, shoot: Shoot) -> None:
    """Search, choose, list, details, back in the middle, close: with Tab, arrows, Enter and Escape."""
    page.goto(explorer)
    expect(page.get_by_role("heading", name="Which lineage would you like to see?")).to_be_visible()
    page.keyboard.press("/")
    expect(page.get_by_role("combobox", name="Search the catalog")).to_be_focused()
    page.keyboard.type("creditrisk_model")
    expect(page.locator(".suggestion").first).to_be_visible()
    page.keyboard.press("ArrowDown")
    expect(page.locator(".suggestion").first).to_be_focused()
    page.keyboard.press("Enter")
    expect_names(page, *FROM_FILE_TO_REPORT)

    page.get_by_role("link", name="Skip to the list of nodes").focus()
    page.keyboard.press("Enter")
    rows = page.locator("#nodes button.link")
    expect(rows).to_have_count(len(FROM_FILE_TO_REPORT))
    rows.first.focus()
    page.keyboard.press("ArrowDown")
    expect(rows.nth(1)).to_have_text("borrower.csv")
    expect(rows.nth(1)).to_be_focused()
    outline = rows.nth(1).evaluate("element => getComputedStyle(element).outlineStyle")
    assert outline == "solid"
    shoot("keyboard")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("ArrowUp")
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", name="borrower.csv")).to_be_visible()
    expect(page.locator("#panel-body")).to_be_focused()
    page.keyboard.press("Tab")
    expect(do(page, "Centre here")).to_be_focused()
    page.keyboard.press("Enter")
    expect_class(page, "centre", "borrower.csv")


def test_list_says_in_words_what_the_picture_shows(page: Page, explorer: str) -> None:
    """Each node with what it comes from and goes to."""
    open_at(page, explorer, asset="creditrisk_model", tab="list")
    row = page.locator("#nodes li", has=page.get_by_role("button", name="creditrisk_model:2, model"))
    expect(row).to_contain_text("from creditrisk_train")
    expect(row).to_contain_text("to creditrisk_batch_inference, deploy blue")
    expect(page.get_by_role("button", name=re.compile("^Centre "))).to_have_count(len(FROM_FILE_TO_REPORT) - 1)


def test_escape_closes_the_panel(page: Page, explorer: str) -> None:
    """From wherever in it the focus is."""
    open_at(page, explorer, asset="creditrisk_model", tab="details")
    page.get_by_role("tab", name="List").focus()
    page.keyboard.press("Escape")
    expect(page.locator("#panel")).to_be_hidden()


def test_link_shows_the_same_again(page: Page, explorer: str) -> None:
    """Side, filter, path, selection and panel are all in the address."""
    open_at(page, explorer, asset="creditrisk_model")
    do(page, "Upstream").click()
    expect_names(page, *FROM_FILE_TO_REPORT[:9])
    page.locator("#filter > summary").click()
    page.get_by_role("button", name="packages 1").click()
    without = [name for name in FROM_FILE_TO_REPORT[:9] if name != "creditrisk-env:3"]
    expect_names(page, *without)
    page.keyboard.press("Escape")
    do(page, "List").click()
    page.get_by_role("button", name="loan.csv, storage path", exact=True).click()
    expect(page.get_by_role("heading", name="loan.csv")).to_be_visible()
    do(page, "Path from here").click()
    expect(page).to_have_url(re.compile("start="))
    page.get_by_role("tab", name="List").click()
    page.get_by_role("button", name="creditrisk_model:2, model").click()
    expect(page.get_by_role("heading", name="creditrisk_model:2")).to_be_visible()
    do(page, "Path to here").click()
    on_path = ["loan.csv", "creditrisk_preprocess", "prepared_data", "creditrisk_train", "creditrisk_model:2"]
    expect_class(page, "path", *on_path)
    page.reload()
    expect_names(page, *without)
    expect_class(page, "path", *on_path)
    expect(page.get_by_role("heading", name="creditrisk_model:2")).to_be_visible()
    expect(do(page, "Upstream")).to_have_attribute("aria-pressed", "true")
    page.wait_for_function("() => window.lineageGraph.nodes(':selected').length === 1")
    page.go_back()
    expect_class(page, "path")


@pytest.mark.parametrize("page", ["light", "dark"], indirect=True)
def test_texts_are_readable_in_the_light_and_in_the_dark(
    page: Page, explorer: str, shoot: Shoot, request: pytest.FixtureRequest
) -> None:
    """As the system says, and the other way round once a person chooses; a contrast of 4.5 to 1 at least."""
    system = request.node.callspec.params["page"]
    other = "light" if system == "dark" else "dark"
    open_at(page, explorer, asset="creditrisk_model", tab="details")
    for theme in (system, other):
        expect(page.locator("html")).to_have_attribute("data-theme", theme)
        page.wait_for_function(
            "wanted => window.lineageGraph.nodes()[0].style('color') === wanted",
            arg="rgb(241,245,249)" if theme == "dark" else "rgb(15,23,42)",
        )
        assert page.evaluate(MEASURE) == []
        if theme == system:
            shoot(f"system-{theme}")
        page.locator("#switch").click()
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", system)
