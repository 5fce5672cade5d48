"""Reads the schema that a data asset declares in a tag."""

import json
from collections.abc import Mapping

from shared.model import Column
from shared.redaction import redact_text
from shared.validation import check_kind, objects, take

SCHEMA_TAG = "lineage.schema"
"""A tag of a data asset that declares its columns, in order. JSON: `[{"name": "loanAmount", "type": "double"}]`"""
MOST_COLUMNS = 1_000
"""Columns that are recorded; each is an entity of the catalog."""


def parse_schema(tags: Mapping[str, object]) -> tuple[tuple[Column, ...], str]:
    """
    Read the schema tag of a data asset.

    Returns:
        The columns, and a sentence saying what is wrong with the tag ("" if nothing is). A bad tag does not sink the
        run: the asset has no schema, and the sentence goes to its notes, where its author will see it.

    >>> parse_schema({"lineage.schema": '[{"name": "loanAmount", "type": "double"}]'})
    ((Column(name='loanAmount', data_type='double'),), '')
    >>> parse_schema({"lineage.schema": '[{"type": "double"}]'})[1]
    'Tag lineage.schema cannot be read: [0].name: is missing.'
    """
    text = tags.get(SCHEMA_TAG)
    if not text:
        return (), ""
    try:
        items = check_kind(json.loads(str(text)), list, "")
        columns = tuple(_parse_column(item, at) for at, item in objects(items, ""))
        _check_together(columns)
    except (ValueError, RecursionError) as error:
        return (), f"Tag {SCHEMA_TAG} cannot be read: {redact_text(str(error)).rstrip('.')}."
    return columns, ""


def _parse_column(item: Mapping[str, object], at: str) -> Column:
    name = take(item, "name", str, at)
    if not name:
        raise ValueError(f"{at}.name: is empty")
    return Column(redact_text(name), redact_text(take(item, "type", str, at)) if "type" in item else "")


def _check_together(columns: tuple[Column, ...]) -> None:
    if len(columns) > MOST_COLUMNS:
        raise ValueError(f"it has {len(columns)} columns, more than {MOST_COLUMNS}")
    seen: set[str] = set()
    for number, column in enumerate(columns):
        if column.name in seen:
            raise ValueError(f"[{number}].name: is a column that was named before")
        seen.add(column.name)
