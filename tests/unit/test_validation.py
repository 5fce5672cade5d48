"""JSON from outside: whatever is wrong is said with its path, so that its author finds it, and never with its value."""

from datetime import date

import pytest

from shared.validation import NUMBER, Name, Shape, checked

EVENT: Shape = {
    "id!": Name,
    "note": str,
    "extra?": {"id!": str},
    "score": NUMBER,
    "anything": object,
    "runs": [{"id!": str}],
    "inputs": {"*": {"asset!": str}},
    "columns": {"*!": str},
    "place~": {"url!": str},
}


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        (5, "it: is a number, not an object"),
        ([], "it: is a list, not an object"),
        ({}, "id: is missing"),
        ({"id": None}, "id: is null, not text"),
        ({"id": " "}, "id: is empty"),
        ({"id": "e", "note": False}, "note: is a truth value, not text"),
        ({"id": "e", "score": []}, "score: is a list, not a number"),
        ({"id": "e", "runs": {}}, "runs: is an object, not a list"),
        ({"id": "e", "runs": [{"id": "r"}, None]}, "runs[1]: is null, not an object"),
        ({"id": "e", "runs": [{"id": "r"}, {}]}, "runs[1].id: is missing"),
        ({"id": "e", "inputs": {"a": {}}}, "inputs.a.asset: is missing"),
        ({"id": "e", "columns": {"a": None}}, "columns.a: is null, not text"),
        ({"id": "e", "place": {}}, "place.url: is missing"),
        ({"id": date(2026, 7, 1)}, "id: is date, not text"),
    ],
)
def test_first_member_of_another_shape_is_named_by_its_path(value: object, problem: str) -> None:
    """In the words of JSON."""
    with pytest.raises(ValueError, match="is ") as raised:
        checked(value, EVENT)
    assert str(raised.value) == problem
    if not problem.startswith("it"):
        with pytest.raises(ValueError, match="is ") as raised:
            checked(value, EVENT, "line 2")
        assert str(raised.value) == f"line 2.{problem}"


@pytest.mark.parametrize(
    "value",
    [
        {"id": "e"},
        {"id": "e", "note": None, "score": "NaN", "anything": [], "runs": None, "inputs": {"a": None}, "unknown": 1},
        {"id": "e", "extra": {"id": 5}, "columns": {}},
        {"id": "e", "place": "text"},
        {"id": "e", "place": []},
    ],
)
def test_value_of_the_shape_is_returned_as_it_is(value: object) -> None:
    """What may be absent may be null; what no shape names may be anything."""
    assert checked(value, EVENT) is value


def test_items_are_not_numbered_where_people_do_not_write_them() -> None:
    """Answers of a service have lists of hundreds; which member is of another shape is what a report needs."""
    with pytest.raises(ValueError, match=r"^runs\.id: is missing$"):
        checked({"id": "e", "runs": [{}]}, EVENT, numbered=False)
