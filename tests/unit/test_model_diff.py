"""What comparing two model versions costs where many runs lie behind them."""

from questions.diff import diff
from questions.walk import Walker
from tests.unit.test_walk import FakeReader, chain


def test_runs_are_read_together_and_not_one_by_one() -> None:
    """A hundred runs in a row, each of which also writes something that leads nowhere."""
    edges = chain(201)
    by_the_way = [(run, f"data of {run}") for run, _ in edges if run.startswith("run")]
    reader = FakeReader(*edges, *by_the_way)
    diff(Walker(reader), "data0198", "data0200")  # type: ignore[arg-type]
    assert len(reader.requests) <= len(reader.graph) / 50 + 10
