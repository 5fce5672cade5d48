"""What components of the page say."""

import json
from collections.abc import Iterator
from typing import Any


def words(parts: Any) -> str:
    """Return all text of components."""
    return " ".join(_texts(json.loads(json.dumps(parts, default=lambda part: part.to_plotly_json()))))


def _texts(part: Any) -> Iterator[str]:
    if isinstance(part, str):
        yield part
    elif isinstance(part, list):
        for each in part:
            yield from _texts(each)
    elif isinstance(part, dict):
        yield from _texts(part.get("props", {}).get("children"))
