"""Routes of services whose paths can be written in any case."""

import re


def ignoring_case(template: str) -> str:
    """
    Make the fixed words of a route match in any case, as ARM's do.

    >>> ignoring_case("/jobs/{name}")
    '/{_1:(?i:jobs)}/{name}'
    """
    words = template.split("/")
    return "/".join(
        word if not word or word.startswith("{") else f"{{_{place}:(?i:{re.escape(word)})}}"
        for place, word in enumerate(words)
    )
