"""What the page says is missing, and what waits for a person."""

from collections.abc import Sequence
from datetime import UTC, datetime

from explorer.components.health import coverage_and_dead_letters
from questions.health import Health
from shared.reconciling.coverage import Coverage, Gap
from shared.state.ports import DeadLetter, count_by_reason
from tests.unit.page_words import words


def coverage(*gaps: Gap) -> Coverage:
    total = {"run": 500, "model": 2, "endpoint": 0}
    return Coverage("/subscriptions/s/workspaces/ws-credit", "2026-07-01", total, {**total, "run": 499}, False, gaps)


def letter(reason: str, body: str = "{}") -> DeadLetter:
    return DeadLetter(f"id {reason}", reason, f"why {reason}", body, 3, datetime(2026, 7, 1, tzinfo=UTC))


def show(coverages: Sequence[Coverage], letters: Sequence[DeadLetter]) -> str:
    counted = count_by_reason((each.reason, each.at) for each in letters)
    health = Health(tuple(coverages), counted, tuple(letters))
    return words(coverage_and_dead_letters(health))


def test_gap_has_its_reason_and_says_what_happens_to_it() -> None:
    """On its way, or waiting for a person."""
    queued = Gap("run", "train", "", "it is on the queue", "2026-07-01T10:00:00Z")
    text = show([coverage(queued, Gap("model", "m", "3", "RecordNotFound: no model m"))], [])
    assert "ws-credit" in text
    assert "99.8 % are linked, as far as it was looked through" in text
    assert "run train it is on the queue is on its way again" in text
    assert "model m:3 RecordNotFound: no model m waits for a person" in text


def test_many_gaps_are_cut_with_the_command_that_prints_all() -> None:
    """Thousands of rows would be unreadable."""
    text = show([coverage(*(Gap("run", f"r{number}", "", "why") for number in range(1_500)))], [])
    assert "… and 1,300 more; `lineage status --all` prints them." in text
    assert "r199 " in text
    assert "r200 " not in text


def test_dead_letters_are_grouped_by_reason_with_their_command() -> None:
    """What no replay helps against is to be discarded."""
    text = show([], [letter("RecordNotFound"), letter("MalformedEvent"), letter("RecordNotFound")])
    assert "RecordNotFound (2) lineage replay --dead-letters --reason RecordNotFound Copy" in text
    assert "lineage replay --dead-letters --reason MalformedEvent --discard" in text
    assert "No workspace has been looked at yet" in text


def test_long_event_is_cut() -> None:
    """A megabyte would stop the browser."""
    text = show([], [letter("OversizedEvent", "x" * 1_000_000)])
    assert len(text) < 3_000
