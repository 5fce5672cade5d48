"""Text that others chose, such that a terminal, a log, a table or a diagram shows it and does not obey it."""

from itertools import chain

_UNSEEN = chain(
    range(0x20),
    range(0x7F, 0xA0),
    (0x061C, 0x200E, 0x200F, 0x2028, 0x2029),
    range(0x202A, 0x202F),
    range(0x2066, 0x206A),
)
"""What terminals take for commands (C0, DEL, C1), what ends a line, and what turns the direction of writing."""
_SHOWN = {code: f"\\u{code:04x}" for code in _UNSEEN}


def one_line(text: str) -> str:
    r"""
    Show characters that command instead of being seen by their number, as JSON does; a line of JSON stays one.

    >>> one_line("train \x1b]0;mine\x07\r\nforged")
    'train \\u001b]0;mine\\u0007\\u000d\\u000aforged'
    """
    return text.translate(_SHOWN)


def lines_of(text: str) -> str:
    r"""
    The same for a text of our own lines.

    >>> lines_of("a:\n  b\x9b2J")
    'a:\n  b\\u009b2J'
    """
    return "\n".join(map(one_line, text.split("\n")))
