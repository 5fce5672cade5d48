"""A real browser, and catalogs for it to look at."""

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Literal

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect, sync_playwright

from emulator.server import Emulator
from explorer.server import serving
from tests.browser.picture import WAIT
from tests.harness.function_host import ROOT
from tests.worlds.credit_risk import published

SHOTS = ROOT / "out" / "screenshots"


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Give these tests more time: each waits for pages, on a machine where others run beside them."""
    for item in items:
        if item.path.parent == Path(__file__).parent:
            item.add_marker(pytest.mark.timeout(300))


@pytest.fixture(scope="session")
def chromium() -> str:
    """The path of Chromium; skips where there is none, unless nothing may be skipped."""
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium:
        return chromium
    missing = "Chromium is not installed: apt-get install chromium"
    if os.environ.get("LINEAGE_TESTS_SKIP_NOTHING"):
        pytest.fail(missing)
    pytest.skip(missing)


@pytest.fixture(scope="module")
def browser(chromium: str) -> Iterator[Browser]:
    """A browser for each module: while one is open, nothing else in this thread can run an event loop of its own."""
    expect.set_options(timeout=WAIT)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])
        yield browser
        browser.close()


@pytest.fixture(scope="session")
def catalog(chromium: str) -> Iterator[Emulator]:
    """The credit-risk scenario; one for all tests that only look at it."""
    with Emulator(scenario="credit-risk") as emulator:
        yield emulator


@pytest.fixture(scope="session")
def explorer(catalog: Emulator) -> Iterator[str]:
    """The address of the page over that catalog, after everything was published and reconciled once."""
    services = published(catalog)
    services.reconciler.tick()
    with serving(services) as url:
        yield url


def _open(browser: Browser, scheme: Literal["light", "dark"]) -> BrowserContext:
    context = browser.new_context(
        viewport={"width": 1280, "height": 800},
        accept_downloads=True,
        permissions=["clipboard-read", "clipboard-write"],
        color_scheme=scheme,
    )
    context.set_default_timeout(WAIT)
    return context


@pytest.fixture(scope="module")
def context(browser: Browser) -> BrowserContext:
    """One profile for most tests, so that scripts are loaded once."""
    return _open(browser, "light")


@pytest.fixture
def page(browser: Browser, context: BrowserContext, request: pytest.FixtureRequest) -> Iterator[Page]:
    """A page at 1280 by 800 that fails the test where something goes wrong in it, or asks anybody but loopback."""
    own = _open(browser, request.param) if hasattr(request, "param") else None
    page = (own or context).new_page()
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("request", lambda sent: None if _is_ours(sent.url) else wrong.append(f"asked {sent.url}"))
    yield page
    page.close()
    if own:
        own.close()
    assert wrong == []


def _is_ours(url: str) -> bool:
    return url.startswith(("http://127.0.0.1:", "data:", "blob:"))


@pytest.fixture
def shoot(page: Page) -> Callable[[str], Path]:
    """Keeps a screenshot as a build artefact."""

    def shoot(name: str) -> Path:
        SHOTS.mkdir(parents=True, exist_ok=True)
        path = SHOTS / f"{name}.png"
        page.screenshot(path=path)
        return path

    return shoot
