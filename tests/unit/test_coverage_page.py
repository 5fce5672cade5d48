"""docs/coverage.md says what the golden cases and the naming table say."""

import pytest

from tests.worlds.golden_case import GRADES, Case, case_names
from tools.coverage import GROUPS, PAGE, render


def test_page_is_what_the_cases_and_the_names_say() -> None:
    """If this fails, run `python -m tools.coverage` and review what changes."""
    page = PAGE.read_text(encoding="utf-8")
    assert render(page) == page


@pytest.mark.parametrize("name", case_names())
def test_case_says_its_kind_and_what_its_bodies_are_based_on(name: str) -> None:
    """A group and words that the page explains, each with a source."""
    case = Case.load(name)
    assert case.kind
    assert case.group in GROUPS
    assert case.evidence
    assert {grade for grade, _ in case.evidence} <= {*GRADES}
    assert all(source for _, source in case.evidence)


def test_no_two_cases_are_of_one_kind() -> None:
    """A row that is there twice would hide which of them is meant."""
    kinds = [Case.load(name).kind for name in case_names()]
    assert len(set(kinds)) == len(kinds)


def test_page_explains_every_word_of_evidence() -> None:
    """In its table, the surest first."""
    page = PAGE.read_text(encoding="utf-8")
    rows = [page.index(f"\n| {grade} |") for grade in GRADES]
    assert rows == sorted(rows)
