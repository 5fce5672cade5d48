"""What can be exported: images, text, and the command that fixes a gap."""

import csv
import re
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree

import pytest
from playwright.sync_api import Page, expect

from tests.browser.picture import FROM_FILE_TO_REPORT, do, expect_names, open_at

Shoot = Callable[[str], Path]


@pytest.fixture
def export(page: Page, explorer: str, tmp_path: Path) -> Callable[[str], Path]:
    """Takes the picture of the model away as one kind of file."""
    open_at(page, explorer, asset="creditrisk_model")
    expect_names(page, *FROM_FILE_TO_REPORT)

    def export(words: str) -> Path:
        page.locator("#export > summary").click()
        with page.expect_download() as download:
            do(page, words).click()
        path = tmp_path / download.value.suggested_filename
        download.value.save_as(path)
        page.keyboard.press("Escape")
        return path

    return export


def test_picture_is_taken_away_as_images(export: Callable[[str], Path]) -> None:
    """As PNG, twice as large as on the screen; as SVG, with every name in it as text."""
    png, svg = export("PNG image"), export("SVG image")
    assert (png.name, svg.name) == ("lineage.png", "lineage.svg")
    content = png.read_bytes()
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    assert int.from_bytes(content[16:20], "big") > 2_000
    text = "".join(ElementTree.fromstring(svg.read_text()).itertext())  # noqa: S314 - made by our own page
    assert "loan.csv" in text
    assert "creditrisk_train" in text


def test_picture_is_taken_away_as_text(export: Callable[[str], Path]) -> None:
    """As the flowchart that `lineage show --mermaid` draws, and as CSV with a line for each node and each edge."""
    lines = export("Mermaid").read_text().splitlines()
    assert lines[0] == "flowchart LR"
    assert sum("-->" in line for line in lines) == 16
    assert any('["loan.csv (' in line for line in lines)
    with export("CSV of nodes and edges").open(newline="") as file:
        rows = list(csv.DictReader(file))
    nodes = {row["id"]: row["name"] for row in rows if row["record"] == "node"}
    assert sorted(nodes.values()) == sorted(FROM_FILE_TO_REPORT)
    edges = {(nodes[row["from"]], nodes[row["to"]]) for row in rows if row["record"] == "edge"}
    assert ("loan.csv", "creditrisk_preprocess") in edges
    assert len(edges) == 16


def test_coverage_and_dead_letters_come_with_the_command_to_copy(page: Page, explorer: str, shoot: Shoot) -> None:
    """Each with its reason."""
    page.goto(explorer)
    do(page, "Coverage and dead letters").click()
    expect(page.get_by_role("heading", name="ws-credit")).to_be_visible()
    expect(page.locator("#health")).to_contain_text(re.compile(r"[\d.]+ % are linked"))
    expect(page.get_by_role("heading", name="MalformedEvent (1)")).to_be_visible()
    expect(page.locator("#health")).to_contain_text("data.runId: is missing")
    shoot("coverage")
    page.get_by_role("button", name="Copy the command for MalformedEvent").click()
    expect(page.locator("#said")).to_have_text("Copied")
    command = page.evaluate("navigator.clipboard.readText()")
    assert command == "lineage replay --dead-letters --reason MalformedEvent --discard"
