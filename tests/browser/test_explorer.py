"""The page in a real browser, from the search field to everything it says of an asset."""

import re
from collections.abc import Callable
from pathlib import Path

from playwright.sync_api import Page, expect

from emulator.server import Emulator
from tests.browser.picture import (
    FROM_FILE_TO_REPORT,
    do,
    expect_among,
    expect_class,
    expect_names,
    open_at,
    select,
    tap,
)

Shoot = Callable[[str], Path]
REPORT = "99999999-5555-0000-0000-000000000001"


def test_search_leads_to_a_picture_from_the_file_to_the_report(page: Page, explorer: str, shoot: Shoot) -> None:
    """Typing suggests, choosing draws every stage, and a click tells everything that is known of a node."""
    page.goto(explorer)
    expect(page.get_by_role("heading", name="Which lineage would you like to see?")).to_be_visible()
    shoot("welcome")
    page.get_by_label("Search the catalog").fill("creditrisk_mod")
    page.get_by_role("button", name="creditrisk_model:2 model").click()
    expect_names(page, *FROM_FILE_TO_REPORT)
    expect(page.locator("#summary")).to_have_text("17 of 17 nodes")
    shoot("lineage")
    select(page, "creditrisk_model:2")
    panel = page.get_by_role("complementary", name="Details")
    expect(panel.get_by_role("heading", name="creditrisk_model:2")).to_be_visible()
    for words in ("Metrics", "Settings", "Packages", "Tags", "Attributes"):
        expect(panel.locator("summary", has_text=words)).to_be_visible()
    expect(panel.get_by_role("row", name="AUC 0.87")).to_be_visible()
    expect(panel.get_by_role("row", name="max_iter 200")).to_be_visible()
    expect(panel.get_by_role("link", name="Open in Azure ML Studio")).to_have_attribute(
        "href", re.compile(r"^https://ml\.azure\.com/model/creditrisk_model:2/")
    )
    expect_class(page, "centre", "creditrisk_model:2")
    shoot("details")


def test_nodes_are_drawn_as_what_they_are(page: Page, explorer: str) -> None:
    """Processes rounded, what no scan has seen dashed."""
    open_at(page, explorer, asset="creditrisk_model", mode="down")
    rounded = ("creditrisk_batch_inference", "deploy blue", "load Power BI dataset", "load Power BI report")
    expect_class(page, "process", *rounded)
    expect_class(page, "placeholder", REPORT)
    assert page.evaluate("window.lineageGraph.nodes('.placeholder').first().style('border-style')") == "dashed"


def test_lineage_grows_and_shrinks_by_side_and_by_node(page: Page, explorer: str, shoot: Shoot) -> None:
    """One side of the model, everything connected, and the other inputs of one run."""
    open_at(page, explorer, asset="creditrisk_model", mode="up")
    expect_names(page, *FROM_FILE_TO_REPORT[:9])
    do(page, "Downstream").click()
    expect_names(page, *FROM_FILE_TO_REPORT[8:])
    select(page, "creditrisk_batch_inference")
    do(page, "Expand upstream").click()
    expect_names(page, *FROM_FILE_TO_REPORT, "test.csv")
    do(page, "Expand upstream").click()
    expect_names(page, *FROM_FILE_TO_REPORT[8:])
    do(page, "Hide downstream").click()
    expect_names(page, "creditrisk_model:2", "creditrisk_batch_inference", "deploy blue", "creditrisk-endpoint")
    do(page, "Hide downstream").click()
    expect_names(page, *FROM_FILE_TO_REPORT[8:])
    do(page, "Everything").click()
    expect_among(page, "creditrisk_model:1", "creditrisk_model:2", "test.csv")
    shoot("everything")


def test_pipeline_becomes_one_node_and_opens_again(page: Page, explorer: str, shoot: Shoot) -> None:
    """What only its steps wrote and read goes into it."""
    open_at(page, explorer, asset="LoanData:1", mode="down")
    steps = ("PrepareData", "TestTrainDataSplit", "TrainModel", "RunBatchInference")
    expect_among(page, *steps)
    do(page, "Collapse pipelines").click()
    expect_names(
        page,
        *("LoanData:1", "creditrisk_pipeline", "creditrisk_model:1", "metrics_data", "CreditRiskBatchInferenceData:1"),
        *("load Power BI dataset", "99999999-4444-0000-0000-000000000002"),
        *("load Power BI report", "99999999-5555-0000-0000-000000000002"),
    )
    shoot("pipeline")
    select(page, "creditrisk_pipeline")
    do(page, "Open pipeline").click()
    expect_among(page, *steps)


def test_all_paths_between_two_nodes_stand_out(page: Page, explorer: str, shoot: Shoot) -> None:
    """From the model to the report: what is on no path fades."""
    open_at(page, explorer, asset="creditrisk_model")
    select(page, "loan.csv")
    do(page, "Path from here").click()
    expect(page.locator("#summary")).to_contain_text("Now choose the other end")
    select(page, REPORT)
    do(page, "Path to here").click()
    on_path = [
        name
        for name in FROM_FILE_TO_REPORT
        if name not in ("borrower.csv", "creditrisk-env:3", "deploy blue", "creditrisk-endpoint")
        and not name.startswith("creditrisk_train ")
    ]
    expect_class(page, "path", *on_path)
    expect(page.locator("#summary")).to_contain_text(f"{len(on_path)} nodes on the paths")
    shoot("path")
    do(page, "Clear path").click()
    expect_class(page, "path")


def test_two_model_versions_are_compared(page: Page, explorer: str, shoot: Shoot) -> None:
    """The older one first: data, settings, packages and metrics that differ."""
    open_at(page, explorer, asset="creditrisk_model", tab="details")
    page.get_by_role("button", name="Compare with creditrisk_model:1").click()
    expect(page.get_by_role("heading", name="What changed")).to_be_visible()
    heads = page.locator("#panel table").first.get_by_role("columnheader")
    expect(heads).to_have_text(["Data", "creditrisk_model:1", "creditrisk_model:2"])
    expect(page.get_by_role("row", name="scikit-learn")).to_be_visible()
    shoot("compare")


def test_filter_leaves_out_kinds_and_keeps_what_they_connect(page: Page, explorer: str, shoot: Shoot) -> None:
    """Without runs, data still leads to the model."""
    open_at(page, explorer, asset="creditrisk_model", mode="up")
    page.locator("#filter > summary").click()
    page.get_by_role("button", name="run 2", exact=True).click()
    expect_names(
        page, *(name for name in FROM_FILE_TO_REPORT[:9] if name not in ("creditrisk_preprocess", "creditrisk_train"))
    )
    assert page.evaluate("window.lineageGraph.edges('.indirect').length") == 8
    shoot("filter")
    do(page, "Show everything").click()
    expect_names(page, *FROM_FILE_TO_REPORT[:9])
    page.get_by_label("from", exact=True).fill("2026-07-02")
    expect_names(
        page, *(name for name in FROM_FILE_TO_REPORT[:9] if name not in ("creditrisk_preprocess", "creditrisk_train"))
    )


def test_double_click_puts_a_node_in_the_middle(page: Page, explorer: str) -> None:
    """And the picture is that node's."""
    open_at(page, explorer, asset="creditrisk_model")
    expect_names(page, *FROM_FILE_TO_REPORT)
    tap(page, "creditrisk-endpoint", times=2)
    expect_class(page, "centre", "creditrisk-endpoint")
    expect(page).to_have_url(re.compile(r"asset=azureml.*creditrisk-endpoint$"))


def test_nothing_is_read_twice_until_a_refresh(page: Page, explorer: str, catalog: Emulator) -> None:
    """Going back and forth costs no request of the catalog."""
    open_at(page, explorer, asset="creditrisk_model", tab="details")
    expect_names(page, *FROM_FILE_TO_REPORT)
    expect(page.get_by_role("heading", name="creditrisk_model:2")).to_be_visible()
    catalog.control.clear_requests()
    do(page, "Downstream").click()
    expect_names(page, *FROM_FILE_TO_REPORT[8:])
    page.go_back()
    expect_names(page, *FROM_FILE_TO_REPORT)
    assert catalog.control.requests("purview") == []
    page.get_by_role("button", name="Read everything again").click()
    do(page, "Upstream").click()
    expect_names(page, *FROM_FILE_TO_REPORT[:9])
    assert catalog.control.requests("purview") != []
