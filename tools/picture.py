"""Takes the README's picture: the explorer on the scenario of the demo, in a headless Chromium."""

import argparse
import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

from cli.demo import publish
from emulator.server import Emulator
from explorer.server import serving
from shared.bootstrap import Services
from shared.settings import Settings

_WIDTH, _HEIGHT, _SCALE = 1500, 560, 1.5


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tools.picture", description=__doc__)
    parser.add_argument("picture", type=Path, help="the PNG to write")
    options = parser.parse_args()
    chromium = shutil.which("chromium") or shutil.which("google-chrome")
    if chromium is None:
        parser.error("Chromium is not installed")
    with Emulator(scenario="credit-risk") as emulator:
        services = Services(Settings.from_env(emulator.environment()))
        services.catalog.install_types()
        for _ in publish(emulator, services, seed=7):
            pass
        with serving(services) as url:
            take(f"{url}?asset=creditrisk_model", options.picture, chromium=chromium)
    return 0


def take(url: str, picture: Path, *, chromium: str) -> None:
    """Take a picture of the explorer at an address, once the graph is laid out."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        page = browser.new_page(viewport={"width": _WIDTH, "height": _HEIGHT}, device_scale_factor=_SCALE)
        page.goto(url)
        page.locator("#canvas[data-drawn]").wait_for()
        page.screenshot(path=picture)
        browser.close()


if __name__ == "__main__":
    sys.exit(main())
