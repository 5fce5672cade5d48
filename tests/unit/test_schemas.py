"""Schemas: what a data asset declares of its columns is recorded as it stands; a bad tag is noted and sinks nothing."""

import json

import pytest

from shared.azure_ml.run.declared_columns import MOST_COLUMNS, SCHEMA_TAG, parse_schema
from shared.model import Column


def test_declared_columns_are_read_in_their_order_with_or_without_a_type() -> None:
    """Any name a column may have, any word for a type."""
    text = json.dumps([{"name": "z #1", "type": "double"}, {"name": "Höhe", "comment": "m"}])
    assert parse_schema({SCHEMA_TAG: text}) == ((Column("z #1", "double"), Column("Höhe")), "")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("{", "Expecting property name"),
        ("{}", "it: is an object, not a list"),
        ('["a"]', "[0]: is text, not an object"),
        ('[{"type": "int"}]', "[0].name: is missing"),
        ('[{"name": 5}]', "[0].name: is a number, not text"),
        ('[{"name": ""}]', "[0].name: is empty"),
        ('[{"name": "a", "type": null}]', "[0].type: is null, not text"),
        ('[{"name": "a"}, {"name": "a"}]', "[1].name: is a column that was named before"),
        (json.dumps([{"name": str(number)} for number in range(MOST_COLUMNS + 1)]), "it has 1001 columns"),
        ("[" * 100_000, "maximum recursion"),
    ],
)
def test_tag_that_cannot_be_read_gives_no_schema_and_names_the_field(text: str, problem: str) -> None:
    """Half a schema would look like a whole one."""
    columns, notes = parse_schema({SCHEMA_TAG: text})
    assert columns == ()
    assert notes.startswith(f"Tag {SCHEMA_TAG} cannot be read: ")
    assert problem in notes


def test_asset_without_the_tag_has_no_schema() -> None:
    """Nothing is guessed, and nothing is wrong."""
    assert parse_schema({"team": "risk"}) == ((), "")
