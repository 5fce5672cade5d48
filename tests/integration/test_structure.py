"""How many modules one has to open to follow a piece of work through the product."""

from tools.structure import sources, trace


def test_one_run_completed_enters_few_modules() -> None:
    """From the queue to the ledger, traced while it runs; a reader follows the same way."""
    work, entered = next(trace(sources()))
    assert work == "one RunCompleted"
    assert len(entered) <= 45
    assert {"shared.intake.deliver", "shared.publishing.engine", "shared.purview.catalog"} <= set(entered)


def test_product_has_few_modules() -> None:
    """A noun that is split to stay under a number of lines makes two modules to open."""
    assert len(sources()) <= 158
