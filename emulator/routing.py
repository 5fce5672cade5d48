"""Routes of services whose paths can be written in any case."""

import re


def ignoring_case(template: str) -> str:
    """
    Make the fixed words of a route match in any case, as ARM's do, and its names hold whatever is no slash.

    >>> ignoring_case("/jobs/{name}")
    '/{_1:(?i:jobs)}/{name:[^/]+}'
    """
    return "/".join(_to_pattern(word, place) for place, word in enumerate(template.split("/")))


def _to_pattern(word: str, place: int) -> str:
    if not word or ":" in word:
        return word
    return f"{word[:-1]}:[^/]+}}" if word.startswith("{") else f"{{_{place}:(?i:{re.escape(word)})}}"
