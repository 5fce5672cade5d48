"""Words for what tests do with the page and see in its picture."""

import json
from urllib.parse import urlencode

from playwright.sync_api import Locator, Page

FROM_FILE_TO_REPORT = (
    "loan.csv",
    "borrower.csv",
    "creditrisk_preprocess",
    "prepared_data",
    "creditrisk_train settings",
    "creditrisk-env:3",
    "creditrisk_train",
    "creditrisk_train metrics",
    "creditrisk_model:2",
    "deploy blue",
    "creditrisk-endpoint",
    "creditrisk_batch_inference",
    "creditrisk_predictions:1",
    "load Power BI dataset",
    "Credit risk predictions",
    "load Power BI report",
    "99999999-5555-0000-0000-000000000001",
)
"""All stages of the first reference graph that lie up- and downstream of the model."""
WAIT = 90_000
_READ = """() => window.lineageGraph && document.querySelector('#canvas[data-drawn]')
    ? window.lineageGraph.nodes().map(each => each.data('name')) : []"""


def open_at(page: Page, url: str, /, **address: str) -> None:
    """Open the page at an address and wait until the picture is drawn."""
    page.goto(f"{url}?{urlencode(address)}" if address else url)
    if "asset" in address:
        wait_until_drawn(page)


def wait_until_drawn(page: Page) -> None:
    """Wait until the layout of some picture is done."""
    page.locator("#canvas[data-drawn]").wait_for()


def expect_names(page: Page, *names: str) -> None:
    """Wait until the picture has exactly these nodes."""
    wanted = sorted(names)
    page.wait_for_function(
        f"wanted => {{ const found = ({_READ})().sort(); return JSON.stringify(found) === JSON.stringify(wanted) }}",
        arg=wanted,
        timeout=WAIT,
    )


def expect_among(page: Page, *names: str) -> None:
    """Wait until the picture has these nodes, whatever else."""
    page.wait_for_function(
        f"wanted => {{ const found = ({_READ})(); return wanted.every(each => found.includes(each)) }}",
        arg=names,
        timeout=WAIT,
    )


def tap(page: Page, name: str, *, times: int = 1) -> None:
    """Click a node where it is on the screen, as a mouse does, once all of the picture is on it."""
    do(page, "Fit into the window").click()
    at = page.evaluate(
        """async name => {
            const frame = () => new Promise(requestAnimationFrame), spot = () => {
                const cy = window.lineageGraph, node = cy.nodes().filter(each => each.data('name') === name)[0];
                const box = document.getElementById('canvas').getBoundingClientRect(), at = node.renderedPosition();
                return [box.x + at.x, box.y + at.y];
            };
            for (let last = "", still = 0; still < 5; await frame()) {  // until layout and window have settled
                const now = spot().join();
                still = now === last ? still + 1 : 0;
                last = now;
            }
            return spot();
        }""",
        name,
    )
    page.mouse.click(at[0], at[1], click_count=times)


def expect_class(page: Page, style: str, *names: str) -> None:
    """Wait until exactly these nodes are drawn in some way."""
    page.wait_for_function(
        """([style, wanted]) => JSON.stringify(
            window.lineageGraph.nodes('.' + style).map(each => each.data('name')).sort()) === wanted""",
        arg=[style, json.dumps(sorted(names), separators=(",", ":"))],
    )


def select(page: Page, name: str) -> None:
    """Click a node and wait until the panel shows it."""
    tap(page, name)
    page.get_by_role("heading", name=name, exact=True).wait_for()


def do(page: Page, words: str) -> Locator:
    """Return the button that says so."""
    return page.get_by_role("button", name=words, exact=True)
